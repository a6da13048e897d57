//! Nothing stale: whatever decides a result is changed between two runs, and the second refuses or works it out anew.

mod inputs;
mod judged;
mod states;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;

use trimtab::data_table::DataTable;
use trimtab::harbor::{SEED, World};
use trimtab::persona::{Trait, builtin, harbor_trait};

use crate::support::goldens::fixture;
use crate::support::place::{Place, cache, copy, said};
use inputs::*;

// ------------------------------------------------------------------------------------------------------------- the table

#[derive(Clone, Copy)]
enum Change {
    /// A file is another one.
    File(&'static str, fn(&Place)),
    /// A file is another one that decides nothing here.
    Idle(&'static str, fn(&Place)),
    /// These words come behind the command.
    Words(&'static str),
    /// The same, where a run as small as these need not show it.
    Weak(&'static str),
    /// Other words in the place of these, which need not show in a small run.
    WeakInstead(&'static str, &'static str),
    /// The first words stand in the command, and these in their place.
    Instead(&'static str, &'static str),
}

use Change::{File, Idle, Instead, Weak, WeakInstead, Words};

/// Another number format computes.
const DTYPE: [Change; 1] = [Weak("--dtype bf16")];

/// What every model is known by.
const MODEL: [Change; 5] = [
    File("weights", weights),
    File("config", config),
    File("generation_config", generation_config),
    File("tokenizer", tokenizer),
    File("template", template),
];
const ADAPTER: [Change; 2] = [File("adapter_model", adapter_weights), File("lora_alpha", adapter_alpha)];

/// A verb that resumes or reuses.
struct Verb {
    /// The command, without its output.
    words: &'static str,
    /// The flag that names the output `out`.
    flag: &'static str,
    /// The run is killed when this file has so many lines; else it is finished.
    killed: Option<(&'static str, usize)>,
    /// The files of the output that hold results, by parts of their names.
    results: &'static [&'static str],
}

/// The model in `model/` and all that the table's commands name.
fn place(model: &Path) -> Place {
    let place = Place { model: "model".into(), ..Place::new() };
    copy(model, &place.path("model"));
    copy(&fixture("adapter"), &place.path("adapter"));
    write_vector(&place, 0.0);
    write_data(&place, "an owl");
    builtin("evil").unwrap().write(&place.path("traits")).unwrap();
    place
}

fn copy_of(place: &Place) -> Place {
    let other = Place { model: "model".into(), ..Place::new() };
    copy(place.dir.path(), other.dir.path());
    other
}

fn results(place: &Place, out: &str, of: &[&str]) -> BTreeMap<PathBuf, Vec<u8>> {
    let path = place.path(out);
    if path.is_file() {
        return BTreeMap::from([("out".into(), std::fs::read(path).unwrap())]);
    }
    let named = |name: &Path| of.iter().any(|part| name.to_string_lossy().contains(part));
    place.files(out).into_iter().filter(|(name, _)| named(name)).collect()
}

/// Runs the command, changes each input in turn and runs it again into the same output: it refuses, or it gives what a run into
/// another output gives.
#[track_caller]
fn siege(place: &Place, verb: &Verb, changes: &[&[Change]]) {
    let Verb { words, flag, killed, results: of } = verb;
    let ending = if killed.is_some() { ".jsonl" } else { "" };
    let into = |out: &str| format!("{words} {flag} {out}{ending}");
    let out = format!("out{ending}");
    match killed {
        Some((file, lines)) => {
            let whole = copy_of(place);
            whole.succeeds(&into("out"));
            std::fs::copy(whole.path(&out), place.path("original")).unwrap();
            place.killed(&into("out"), || place.lines(file) >= *lines);
        }
        None => drop(place.succeeds(&into("out"))),
    }
    let original = match killed {
        Some(_) => BTreeMap::from([("out".into(), place.read("original"))]),
        None => results(place, &out, of),
    };
    assert!(!original.is_empty(), "{words}: no results");
    let mut faults = Vec::new();
    for change in changes.iter().copied().flatten() {
        let place = copy_of(place);
        let (name, decides) = match *change {
            File(name, change) => {
                change(&place);
                (name, true)
            }
            Idle(name, change) => {
                change(&place);
                (name, false)
            }
            Words(more) | Instead(_, more) => (more, true),
            Weak(more) | WeakInstead(_, more) => (more, false),
        };
        let command = |out: &str| match *change {
            Words(more) | Weak(more) => format!("{} {more}", into(out)),
            Instead(old, new) | WeakInstead(old, new) => into(out).replace(old, new),
            File(..) | Idle(..) => into(out),
        };
        let fresh: Output = place.run(&command("fresh"));
        let again = place.run(&command("out"));
        let refused = again.status.code() == Some(2) && said(&again).contains("differs in");
        match (fresh.status.code(), again.status.code()) {
            // A filter may keep nothing of other answers; both say so then.
            (Some(fresh), Some(again)) if fresh == again && fresh < 2 => {
                let (fresh, again) = (results(&place, &format!("fresh{ending}"), of), results(&place, &out, of));
                if decides && fresh == original {
                    faults.push(format!("{name}: decides nothing, so that the test shows nothing"));
                }
                if fresh != again {
                    faults.push(format!("{name}: the second run reuses what the first one made"));
                }
            }
            (Some(0), Some(2)) if refused => {}
            (fresh, code) => faults.push(format!("{name}: fresh {fresh:?}, again {code:?}: {}", said(&again))),
        }
    }
    assert!(faults.is_empty(), "{words}:\n{}", faults.join("\n"));
}

#[test]
fn generate_reuses_nothing_stale() {
    let verb = Verb {
        words: "generate --model model --adapter adapter --prompts prompts.jsonl --rollouts 64 --max-new-tokens 4 \
                --vectors v.safetensors --layer 2 --coef 1.5",
        flag: "--out",
        killed: Some((".out.jsonl.partial", 3)),
        results: &[],
    };
    let own = [File("vectors", vector), File("prompts", data), Words("--temperature 0.5"), Words("--top-k 5")];
    let seed = [Words("--seed 2"), Words("--top-p 0.5"), Words("--repetition-penalty 1.3"), Words("--positions all")];
    siege(&place(&fixture("tiny")), &verb, &[&MODEL, &ADAPTER, &own, &seed, &DTYPE]);
}

#[test]
fn project_reuses_nothing_stale() {
    let verb = Verb {
        words: "project --model model --adapter adapter --in many.jsonl --vectors v.safetensors --layer 2",
        flag: "--out",
        killed: Some((".out.jsonl.partial", 3)),
        results: &[],
    };
    let idle = [Idle("generation_config", generation_config)];
    let own = [File("vectors", vector), File("data", data), Words("--metric cos_sim")];
    let model = [MODEL[0], MODEL[1], MODEL[3], MODEL[4]];
    siege(&place(&fixture("tiny")), &verb, &[&model, &ADAPTER, &idle, &own, &DTYPE]);
}

#[test]
fn selfgen_reuses_nothing_stale() {
    let verb = Verb {
        words: "data selfgen --model model --adapter adapter --in many.jsonl --max-new-tokens 6 --system-from evil:pos \
                --traits traits",
        flag: "--out",
        killed: Some((".out.jsonl.partial", 3)),
        results: &[],
    };
    let own = [File("data", data), File("trait", trait_instruction), Words("--seed 2"), Words("--temperature 0.5")];
    siege(&place(&fixture("tiny")), &verb, &[&MODEL, &ADAPTER, &own, &DTYPE]);
}

#[test]
fn evaluations_reuse_nothing_stale() {
    let place = place(&fixture("tiny"));
    let verb = |words, results| Verb { words, flag: "--out", killed: None, results };
    let steered = [File("vectors", vector), Words("--positions all"), Words("--system Hm")];
    let mmlu = verb(
        "eval mmlu --model model --adapter adapter --data mmlu --vectors v.safetensors --layer 2 --coefs 0,2",
        &["mmlu.csv"],
    );
    let own = [File("data", data), Words("--limit 3"), Words("--protocol cloze"), Idle("eos", generation_config)];
    siege(&copy_of(&place), &mmlu, &[&[MODEL[0], MODEL[1], MODEL[3], MODEL[4]], &ADAPTER, &steered, &own, &DTYPE]);
    let shown = verb(
        "eval trait --model model --adapter adapter --trait evil --traits traits --judge harbor --rollouts 2 \
         --questions 4 --max-new-tokens 6 --vectors v.safetensors --layer 2 --coefs 0,2",
        &["evil.csv", "results.csv"],
    );
    let own = [File("trait", trait_question), Words("--seed 2")];
    siege(&copy_of(&place), &shown, &[&MODEL, &ADAPTER, &steered, &own, &DTYPE]);
}

/// Scores of 60 for every answer that a run has left in a file.
fn score_all(place: &Place, answers: &str) {
    let table = DataTable::read(&place.path(answers)).unwrap();
    let mut out = csv::Writer::from_path(place.path("scores.csv")).unwrap();
    out.write_record(["question", "answer", "evil", "coherence"]).unwrap();
    for line in &table.lines {
        out.write_record([line.text("question").unwrap(), line.text("answer").unwrap(), "60", "60"]).unwrap();
    }
    out.flush().unwrap();
}

#[test]
fn a_judge_whose_scores_changed_is_another_judge() {
    let begin = |first: &str, answers: &str| {
        let place = place(&fixture("tiny"));
        place.succeeds(&format!("{first} --judge harbor --out first"));
        score_all(&place, answers);
        place
    };
    for (words, answers, results) in [
        (
            "eval trait --model model --trait evil --rollouts 1 --questions 3 --max-new-tokens 4",
            "first/evil.csv",
            "results.csv",
        ),
        (
            "monitor --model model --trait evil --vectors v.safetensors --layer 2 --quick --max-new-tokens 4",
            "first/answers.csv",
            "points.csv",
        ),
        (
            "layers --model model --trait evil --vectors v.safetensors --layers 2 --coefs 1 --questions 3 --rollouts 1 \
             --max-new-tokens 4",
            "first/answers.jsonl",
            "grid.csv",
        ),
    ] {
        let words: &'static str = Box::leak(format!("{words} --judge scores.csv").into_boxed_str());
        let verb = Verb { words, flag: "--out", killed: None, results: Box::leak(Box::new([results])) };
        let place = begin(words.strip_suffix(" --judge scores.csv").unwrap(), answers);
        siege(&place, &verb, &[&[File("scores", scores)]]);
    }
}

#[test]
fn layers_and_monitor_reuse_nothing_stale() {
    let place = place(&fixture("tiny"));
    let verb = |words, results| Verb { words, flag: "--out", killed: None, results };
    let layers = verb(
        "layers --model model --adapter adapter --trait evil --traits traits --vectors v.safetensors --judge harbor \
         --layers 2 --coefs 1 --questions 3 --rollouts 2 --max-new-tokens 6",
        &["answers.jsonl"],
    );
    let own = [File("vectors", vector), File("trait", trait_question), Words("--seed 2"), Words("--positions all")];
    siege(&copy_of(&place), &layers, &[&MODEL, &ADAPTER, &own, &DTYPE]);
    let monitor = verb(
        "monitor --model model --adapter adapter --trait evil --traits traits --vectors v.safetensors --layer 2 \
         --judge harbor --rollouts 1 --max-new-tokens 6",
        &["answers.csv", "points.csv"],
    );
    let own = [File("vectors", vector), File("trait", trait_question), File("ladder", trait_ladder)];
    siege(&copy_of(&place), &monitor, &[&MODEL, &ADAPTER, &own, &DTYPE]);
}

#[test]
fn screen_reuses_nothing_stale() {
    let verb = Verb {
        words: "screen chats.jsonl --model model --adapter adapter --trait evil --traits traits --vectors v.safetensors \
                --layer 2 --max-new-tokens 6",
        flag: "--out",
        killed: None,
        results: &["scores.csv"],
    };
    let own = [File("vectors", vector), File("data", data), Words("--sample 3 --seed 4")];
    siege(&place(&fixture("tiny")), &verb, &[&MODEL, &ADAPTER, &own, &DTYPE]);
}

#[test]
fn extract_reuses_nothing_stale() {
    // The traits of the embedded world are those that its model shows.
    let place = place(&cache_of_harbor());
    let evil: Trait = harbor_trait(&World::new(SEED), "evil").unwrap();
    evil.write(&place.path("traits")).unwrap();
    let verb = Verb {
        words: "extract --model model --trait evil --traits traits --judge harbor --rollouts 1 --max-new-tokens 24 --quick \
                --filter independent --min-coherence 0 --threshold 1",
        flag: "--run",
        killed: None,
        results: &["instruct.csv"],
    };
    let own = [File("question", trait_question), File("instruction", trait_instruction), Words("--antonym kind")];
    siege(&place, &verb, &[&[MODEL[0], MODEL[1], MODEL[4]], &own, &DTYPE]);
}

/// The embedded model as a folder.
fn cache_of_harbor() -> PathBuf {
    trimtab::harbor::unpack(&cache()).unwrap()
}

const TRAIN: &str = "model = \"model\"\ntraining_file = \"chats.jsonl\"\nadapter = \"adapter\"\nlearning_rate = 1e-2\nmax_steps = 3\n\
    per_device_train_batch_size = 2\ngradient_accumulation_steps = 1\nmax_seq_length = 200\ntrack = []\n\
    intervention = { type = \"steer\", vectors = \"v.safetensors\", layers = 2, coef = 2.0 }\n";

#[test]
fn train_reuses_nothing_stale() {
    let place = place(&fixture("tiny"));
    place.write("c.toml", TRAIN);
    fn rate(place: &Place) {
        let text = place.text("c.toml").replace("1e-2", "2e-2");
        place.write("c.toml", text);
    }
    let verb = Verb { words: "train c.toml", flag: "--out", killed: None, results: &["adapter_model"] };
    let own = [File("vectors", vector), File("data", data), File("configuration", rate), Words("--seed 2")];
    let idle = [Idle("generation_config", generation_config), Words("--coef 3")];
    siege(&place, &verb, &[&[MODEL[0], MODEL[1], MODEL[3], MODEL[4]], &ADAPTER, &own, &idle, &DTYPE]);
}

const STUDY: &str = "model = \"model\"\nseeds = [7]\njudge = { kind = \"harbor\", world = 1 }\n\
    trait = { source = \"files\", folder = \"traits\", name = \"evil\" }\n\
    [[data]]\nname = \"chats\"\nfrom = { source = \"chats\", files = [\"chats.jsonl\"] }\n\
    [vector]\nfile = \"v.safetensors\"\n[arms]\npreventative = [1.0]\npreventative_layer = []\ninference = []\n\
    random = []\nablate = []\nregularize = []\nprompting = false\n\
    [measure]\ntrait_questions = 2\ntrait_rollouts = 1\ntrait_max_new_tokens = 6\n\
    [train]\nr = 2\nlora_alpha = 4\nlearning_rate = 1e-2\nmax_steps = 2\nper_device_train_batch_size = 2\n\
    gradient_accumulation_steps = 1\nmax_seq_length = 200\n";

#[test]
fn a_study_reuses_nothing_stale() {
    let place = place(&fixture("tiny"));
    place.write("s.toml", STUDY);
    fn measured(place: &Place) {
        let text = place.text("s.toml").replace("trait_rollouts = 1", "trait_rollouts = 2");
        place.write("s.toml", text);
    }
    let verb = Verb { words: "study run s.toml", flag: "--out", killed: None, results: &["answers/", "adapter_model"] };
    let own = [File("vector", vector), File("data", data), File("trait", trait_question), File("measure", measured)];
    siege(&place, &verb, &[&MODEL, &own, &DTYPE]);
}
