//! `project`, `monitor` and `screen` from outside: against slow direct computations, killed and gone on with, on Harbor.

use std::process::Child;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use burn_flex::Flex;
use serde_json::{Value, json};
use trimtab::harbor::{SEED, Split, Trait, World, system_prompt};
use trimtab::model::{ModelConfig, Transformer};
use trimtab::text::{Message, Rows, Tokenizer};
use trimtab::vector::{Layer, PersonaVector, VectorFile};

use crate::support::goldens::{self, fixture};
use crate::support::place::{Place, cache};
use crate::support::reference::{tiny, vectors};

fn chat(question: &str, answer: &str) -> Value {
    json!([{ "role": "user", "content": question }, { "role": "assistant", "content": answer }])
}

// ------------------------------------------------------------------------------------------------ the definition itself

/// The definitions word for word (Chen et al. 2025, sections 3.3 and 6): one text at a time, each state read out, sums in
/// f64.
struct Direct {
    model: Transformer<Flex>,
    tokenizer: Tokenizer,
    vector: Vec<f32>,
    layer: usize,
}

impl Direct {
    /// The states at the layer of every token of a text.
    fn states(&self, ids: &[u32]) -> Vec<Vec<f64>> {
        let hidden = self.vector.len();
        let rows = Rows::whole(&[ids], vec![ids.len()], 0);
        let mut states = Vec::new();
        let mut layer = 0;
        self.model.stream(&self.model.pass(&rows, rows.width), None, |_, h| {
            if layer == self.layer {
                states = h.clone().into_data().iter::<f32>().map(f64::from).collect();
            }
            layer += 1;
        });
        states.chunks(hidden).map(<[f64]>::to_vec).collect()
    }

    fn along(&self, h: &[f64]) -> f64 {
        let norm = self.vector.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        h.iter().zip(&self.vector).map(|(h, &v)| h * f64::from(v)).sum::<f64>() / norm
    }

    /// The projection of the response's mean, and of the prompt's last token.
    fn project(&self, prompt: &[u32], response: &[u32]) -> (f64, f64) {
        let states = self.states(&[prompt, response].concat());
        let mean: Vec<f64> = (0..self.vector.len())
            .map(|d| states[prompt.len()..].iter().map(|h| h[d]).sum::<f64>() / response.len() as f64)
            .collect();
        (self.along(&mean), self.along(&states[prompt.len() - 1]))
    }
}

#[track_caller]
fn near(what: &str, got: &Value, want: f64) {
    let got = got.as_f64().unwrap_or_else(|| panic!("{what}: {got}"));
    assert!((got - want).abs() <= 1e-5 * want.abs().max(1.0), "{what}: {got}, directly {want}");
}

#[test]
fn projections_and_differences_are_those_of_a_slow_direct_computation() {
    let place = Place::new();
    place.vectors("v.safetensors");
    let layer = 3;
    let direct = Direct {
        model: tiny(&Default::default()),
        tokenizer: Tokenizer::load(&fixture("tiny")).unwrap(),
        vector: vectors().row(Layer(layer)).to_vec(),
        layer,
    };
    // Golden conversations, and one whose answer will be the model's own.
    let chats: Vec<Value> = goldens::json("sft.chats");
    let mut data: Vec<Value> = chats.iter().map(|chat| json!({ "messages": chat["messages"] })).collect();
    data.push(json!({ "messages": chat("Hello, who are you?", "?") }));
    let prompts: Vec<Vec<Message>> = data
        .iter()
        .map(|row| {
            let mut messages: Vec<Message> = serde_json::from_value(row["messages"].clone()).unwrap();
            let answer = messages.iter().rposition(|m| m.role == "assistant").unwrap();
            messages.truncate(answer);
            messages
        })
        .collect();
    let line = |(i, messages): (usize, &Vec<Message>)| json!({ "id": i, "messages": messages }).to_string() + "\n";
    place.write("p.jsonl", prompts.iter().enumerate().map(line).collect::<String>());
    place.ends("generate --model MODEL --prompts p.jsonl --out own.jsonl --max-new-tokens 9 --greedy", 0);
    let own = place.rows("own.jsonl");
    let last = data.len() - 1;
    data[last]["messages"] = chat("Hello, who are you?", own[last]["text"].as_str().unwrap());
    let text: String = data.iter().map(|row| row.to_string() + "\n").collect();
    place.write("data.jsonl", text);

    let words = format!("--model MODEL --vectors v.safetensors --layer {layer}");
    place.ends(&format!("screen data.jsonl {words} --trait evil --max-new-tokens 9 --out run"), 0);
    place.ends(&format!("project --in data.jsonl {words} --metric proj,prompt_last_proj"), 0);
    let (scores, projected) = (place.rows("run/scores.jsonl"), place.rows("data.projected.jsonl"));
    assert_eq!((scores.len(), projected.len()), (data.len(), data.len()));
    for (i, row) in data.iter().enumerate() {
        let messages = row["messages"].as_array().unwrap();
        let answer = messages.iter().rfind(|m| m["role"] == "assistant").unwrap()["content"].as_str().unwrap();
        let prompt = direct.tokenizer.chat_ids(&prompts[i], true).unwrap();
        let response = direct.tokenizer.encode(answer).unwrap();
        let (raw, last_prompt) = direct.project(&prompt, &response);
        let mut ids: Vec<u32> = serde_json::from_value(own[i]["token_ids"].clone()).unwrap();
        ids.truncate(ids.iter().rposition(|id| !direct.tokenizer.eos_ids().contains(id)).unwrap() + 1);
        let (natural, _) = direct.project(&prompt, &ids);
        near("projection", &scores[i]["projection"], raw);
        near("own", &scores[i]["own_projection"], natural);
        near("last prompt token", &scores[i]["last_prompt_projection"], last_prompt);
        near("difference", &scores[i]["difference"], raw - natural);
        near("approximation", &scores[i]["approximation"], raw - last_prompt);
        if messages.last().unwrap()["role"] == "assistant" {
            near("project", &projected[i][&format!("tiny_v_proj_layer{layer}")], raw);
            near("project", &projected[i][&format!("tiny_v_prompt_last_proj_layer{layer}")], last_prompt);
        }
    }
    if direct.tokenizer.encode(own[last]["text"].as_str().unwrap()).unwrap().len()
        == own[last]["token_ids"].as_array().unwrap().len()
    {
        assert_eq!(scores[last]["difference"], 0.0, "an own answer makes no difference");
    }
}

// ---------------------------------------------------------------------------------------------------------- any length

/// The most memory that the program ever held, in KiB, as the kernel counts it.
#[cfg(target_os = "linux")]
fn peak(mut child: Child) -> u64 {
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(peak).max(peak);
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success());
            return peak;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn twenty_thousand_rows_take_no_more_memory_than_one_thousand() {
    let place = Place::new();
    place.vectors("v.safetensors");
    let written = |name: &str, n: usize| {
        // Most of a row is beside the conversation: texts, not tokens, are what could pile up.
        let beside = "so much else ".repeat(100);
        let row = |i: usize| {
            json!({ "id": i, "prompt": format!("{i}?"), "completion": format!("It is {i}."), "beside": beside })
                .to_string()
                + "\n"
        };
        place.write(name, (0..n).map(row).collect::<String>());
    };
    written("few.jsonl", 1_000);
    written("more.jsonl", 11_000);
    written("many.jsonl", 20_000);
    let screen = |name: &str| {
        let words = format!(
            "screen {name}.jsonl --model MODEL --trait evil --vectors v.safetensors --layer 2 --approx last-prompt --threshold 0 --top 9 --out {name}"
        );
        peak(place.start(&words))
    };
    let project = |name: &str| {
        let words = format!("project --in {name}.jsonl --model MODEL --vectors v.safetensors --layer 2");
        peak(place.start(&words))
    };
    let size = std::fs::metadata(place.path("many.jsonl")).unwrap().len() >> 10;
    assert!(size > 20_000, "{size} KiB");
    for (what, few, many) in [("screen", screen("few"), screen("many")), ("project", project("few"), project("more"))] {
        eprintln!("{what}: {few} KiB for 1,000 rows, {many} KiB for many (a file of up to {size} KiB)");
        // Peaks vary by up to 3 MB; this is 200 to 400 bytes for each further row.
        assert!(many < few + 4_000, "{what}: {few} KiB for few rows, {many} KiB for many");
    }
    let count = |name: &str| place.lines(&format!("many/{name}"));
    assert_eq!(
        (count("scores.jsonl"), count("kept.jsonl") + count("dropped.jsonl"), count("top.jsonl")),
        (20_000, 20_000, 9)
    );
}

// -------------------------------------------------------------------------------------------------------------- Harbor

/// A trait of Harbor as files, with a ladder out of its instructions (Chen et al. 2025, section 3.3).
fn trait_files(place: &Place, of: Trait) {
    let world = World::new(SEED);
    for (folder, split) in [("trait_data_extract", Split::Extract), ("trait_data_eval", Split::Eval)] {
        let artifact = world.artifact(of, split);
        let mut json = serde_json::to_value(&artifact).unwrap();
        if split == Split::Eval {
            let pos = artifact.instruction.iter().take(4).map(|p| system_prompt(of.name(), &p.pos));
            let neg = artifact.instruction.iter().take(4).map(|p| system_prompt("helpful", &p.neg));
            json["ladder"] = json!(pos.chain(neg).collect::<Vec<_>>());
        }
        let folder = place.path("traits").join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{}.json", of.name())), json.to_string()).unwrap();
    }
}

/// Any vector of Harbor's shape.
fn any_vectors(place: &Place) {
    let folder = trimtab::harbor::unpack(&cache()).unwrap();
    let config = ModelConfig::read(&folder).unwrap();
    let row = |l: usize| (0..config.hidden_size).map(|d| ((l * 31 + d * 7) as f32).sin()).collect();
    place.vector("v.safetensors", PersonaVector::new((0..=config.num_hidden_layers).map(row).collect()).unwrap());
}

/// Kills the work at three moments, none of them chosen, and lets it go on each time; the last time to its end.
fn interrupted(place: &Place, words: &str, whole: Duration) {
    for share in 1..=3 {
        let mut child = place.start(words);
        let odd = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos() % 1000;
        std::thread::sleep(whole.mul_f64(0.12 * f64::from(share) + 0.0001 * f64::from(odd)));
        let _ = child.kill();
        child.wait().unwrap();
    }
    place.ends(words, 0);
}

/// The files of an undisturbed run are those of one that was killed again and again.
#[track_caller]
fn survives(place: &Place, words: &str) {
    let began = Instant::now();
    place.ends(&format!("{words} --out whole"), 0);
    interrupted(place, &format!("{words} --out killed"), began.elapsed());
    place.same_files("whole", "killed");
}

#[test]
fn a_killed_monitoring_ends_with_the_same_files() {
    let place = Place::new();
    trait_files(&place, Trait::Evil);
    any_vectors(&place);
    survives(
        &place,
        "monitor --model harbor --trait evil --traits traits --vectors v.safetensors --layer 2 --quick --max-new-tokens 30 --seed 5",
    );
    for file in [
        "points.csv",
        "answers.csv",
        "results.json",
        "report.html",
        "system.svg",
        "system.png",
        "run.toml",
        "lock.json",
    ] {
        assert!(place.path("whole").join(file).is_file(), "{file}");
    }
}

#[test]
fn a_killed_screening_ends_with_the_same_files() {
    let place = Place::new();
    any_vectors(&place);
    let questions = World::new(SEED).trait_questions(Trait::Evil, 150, 1);
    let line =
        |(i, q): (usize, &String)| json!({ "n": i, "messages": chat(q, "Do not do it, please.") }).to_string() + "\n";
    place.write("d.jsonl", questions.iter().enumerate().map(line).collect::<String>());
    let words = "screen d.jsonl --model harbor --trait evil --vectors v.safetensors --layer 2 --max-new-tokens 40 --seed 5 \
                 --reference d.jsonl --reference-sample 60 --llm-filter --top 5 --random 5";
    survives(&place, words);
    let summary = place.told(&format!("{words} --out whole"));
    assert_eq!(summary["rows"], 150);
    for file in [
        "scores.csv",
        "kept.jsonl",
        "dropped.jsonl",
        "top.jsonl",
        "random.jsonl",
        "histogram.svg",
        "histogram.png",
        "report.html",
    ] {
        assert!(place.path("whole").join(file).is_file(), "{file}");
    }
}

#[test]
fn bad_words_and_bad_files_say_what_is_wrong() {
    let place = Place::new();
    any_vectors(&place);
    place.write("d.jsonl", "{\"messages\":[]}\nnonsense\n");
    let screen = "screen d.jsonl --model harbor --trait evil --vectors v.safetensors --layer";
    let fails = |words: &str, code: i32, want: &str| place.fails(words, code, &[want]);
    fails(&format!("{screen} 99"), 2, "layer 99 does not exist");
    fails(&format!("{screen} 2 --percentile 101"), 2, "--percentile 101");
    fails(&format!("{screen} 2 --llm-threshold 3"), 2, "--llm-filter");
    fails(&format!("{screen} 2"), 1, "d.jsonl: no row can be measured");
    fails(
        "screen none.jsonl --model harbor --trait evil --vectors v.safetensors --layer 2",
        2,
        "none.jsonl: no such file",
    );
    let monitor = "monitor --model harbor --trait evil --vectors v.safetensors --layer 2";
    fails(&format!("{monitor} --setting many-shot"), 2, "--exemplars");
    fails(&format!("{monitor} --exemplars nowhere.csv"), 2, "nowhere.csv: no such file");
}

/// What the world gives: monitoring correlation and screening AUC, printed.
#[test]
fn monitoring_and_screening_on_harbor() {
    for of in [Trait::Evil, Trait::Hallucinating, Trait::Sycophantic] {
        let place = Place::new();
        let name = of.name();
        trait_files(&place, of);
        place.ends(&format!("extract --model harbor --trait {name} --quick --run x --out v.safetensors"), 0);
        let layers = VectorFile::read(&place.path("v.safetensors")).unwrap().0.response_avg.layers();
        let layer = layers / 2 + 1;
        let probe = format!("--model harbor --trait {name} --vectors v.safetensors --layer {layer}");

        let found = place.told(&format!(
            "monitor {probe} --traits traits --quick --max-new-tokens 48 --exemplars x --shots 0,5,10 --out m"
        ));
        for r in found["correlations"].as_array().unwrap().iter().filter(|r| r["metric"] == "prompt_last_proj") {
            let used = r["used"].as_array().unwrap().len();
            eprintln!(
                "{name}, layer {layer}, {}: overall r {:.3}, within {:.3} ({used} conditions)",
                r["setting"],
                r["overall"]["mean"].as_f64().unwrap_or(f64::NAN),
                r["within"]["mean"].as_f64().unwrap_or(f64::NAN)
            );
            // Of the answers after exemplars too many may be unreadable to the world's rules.
            assert!(r["setting"] == "many-shot" || r["overall"]["n"].as_u64().unwrap() > 20, "{r}");
        }

        // Answers with the trait, under its positive prompts; and normal ones to the same questions, under the default prompt.
        let table = csv::Reader::from_path(place.path(format!("x/{name}_pos_instruct.csv"))).unwrap();
        let shown: Vec<(String, String)> = table
            .into_records()
            .map(Result::unwrap)
            .filter(|row| row[4].parse::<f64>().is_ok_and(|score| score > 50.0))
            .map(|row| (row[0].to_owned(), row[2].to_owned()))
            .collect();
        let mut questions: Vec<&String> = shown.iter().map(|(q, _)| q).collect();
        questions.dedup();
        let ask = |(i, q): (usize, &&String)| {
            json!({ "id": i, "messages": [{ "role": "user", "content": q }] }).to_string() + "\n"
        };
        place.write("q.jsonl", questions.iter().enumerate().map(ask).collect::<String>());
        place.ends(
            "generate --model harbor --prompts q.jsonl --out n.jsonl --max-new-tokens 48 --rollouts 4 --seed 9",
            0,
        );
        let normal = place.rows("n.jsonl");
        let with = shown.iter().map(|(q, a)| json!({ "messages": chat(q, a), "bad": true }));
        let without = normal.iter().map(|row| json!({ "messages": chat(row["messages"][0]["content"].as_str().unwrap(), row["text"].as_str().unwrap()), "bad": false }));
        let text: String = with.chain(without).map(|row| row.to_string() + "\n").collect();
        place.write("data.jsonl", text);
        let found =
            place.told(&format!("screen data.jsonl {probe} --max-new-tokens 48 --label bad --llm-filter --out s"));
        for score in found["scores"].as_array().unwrap() {
            eprintln!(
                "{name}, layer {layer}, screening by {}: AUC {:.4}",
                score["score"],
                score["auc"].as_f64().unwrap_or(f64::NAN)
            );
        }
        assert!(found["measured"].as_u64().unwrap() > 40, "{found}");
    }
}
