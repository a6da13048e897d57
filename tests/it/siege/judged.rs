//! Judges that differ in one thing, for every verb and study that has answers scored.

use std::net::SocketAddr;

use serde_json::{Value, json};
use trimtab::record::hash_bytes;

use super::*;
use crate::support::http;

/// A judge whose grade hangs on every byte of the request, and on `salt`.
fn judge(salt: &'static str) -> SocketAddr {
    http::chat_server(move |_, request: Value| {
        let hash = hash_bytes(format!("{salt}{request}").as_bytes());
        let number = u64::from_str_radix(&hash.as_str()[..8], 16).unwrap();
        let grade = match http::prompt(&request) {
            prompt if prompt.contains("[REFERENCE START]") => ["YES", "NO"][number as usize % 2].to_owned(),
            _ => (10 + number % 90).to_string(),
        };
        let first = json!({ "token": grade, "logprob": -0.1, "bytes": null });
        let logprobs = json!({ "content": [{ "token": grade, "logprob": -0.1, "top_logprobs": [first] }] });
        let reply = json!({
            "id": "x", "object": "chat.completion", "created": 0, "model": request["model"],
            "choices": [{
                "index": 0, "message": { "role": "assistant", "content": grade }, "finish_reason": "stop",
                "logprobs": request["logprobs"].as_bool().map(|_| logprobs),
            }],
            "usage": { "prompt_tokens": 100, "completion_tokens": 1, "total_tokens": 101 },
        });
        (200, reply)
    })
}

fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

/// The words of such a judge, and everything that makes another judge of it.
fn paid() -> (&'static str, Vec<Change>) {
    let [one, other] =
        ["one", "other"].map(|salt| leak(format!("--judge openai --judge-url {}", http::url(judge(salt)))));
    let changes = vec![
        Words("--judge-model another"),
        Words("--judge-mode parse"),
        Words("--judge-mode sample --judge-samples 2"),
        Instead(one, other),
    ];
    (one, changes)
}

const GRAMMAR: Change = Words("--judge-coherence grammar");
const RUBRIC: Change = File("rubric", trait_rubric);

#[track_caller]
fn besieged(place: &Place, words: &str, flag: &'static str, results: &'static [&'static str], more: &[Change]) {
    let (judge, mut changes) = paid();
    changes.extend(more);
    let verb = Verb { words: leak(format!("{words} {judge}")), flag, killed: None, results };
    siege(&copy_of(place), &verb, &[&changes]);
}

#[test]
fn another_paid_judge_is_asked_anew() {
    let place = place(&fixture("tiny"));
    besieged(
        &place,
        "eval trait --model model --trait evil --traits traits --rollouts 1 --questions 3 --max-new-tokens 4",
        "--out",
        &["evil.csv", "results.csv"],
        &[GRAMMAR, RUBRIC],
    );
    besieged(
        &place,
        "layers --model model --trait evil --traits traits --vectors v.safetensors --layers 2 --coefs 1 --questions 3 \
         --rollouts 1 --max-new-tokens 4",
        "--out",
        &["answers.jsonl", "grid.csv"],
        &[GRAMMAR, RUBRIC],
    );
    besieged(
        &place,
        "monitor --model model --trait evil --traits traits --vectors v.safetensors --layer 2 --rollouts 1 --max-new-tokens 4 \
         --quick",
        "--out",
        &["answers.csv", "points.csv"],
        &[GRAMMAR, RUBRIC],
    );
    besieged(
        &place,
        "screen chats.jsonl --model model --trait evil --traits traits --vectors v.safetensors --layer 2 --max-new-tokens 4 \
         --llm-filter",
        "--out",
        &["scores.csv"],
        &[RUBRIC],
    );
}

#[test]
fn another_paid_judge_of_rollouts_is_asked_anew() {
    besieged(
        &place(&fixture("tiny")),
        "extract --model model --trait evil --traits traits --rollouts 1 --max-new-tokens 4 --quick --filter independent \
         --min-coherence 0",
        "--run",
        &["instruct.csv"],
        &[GRAMMAR, RUBRIC],
    );
}

#[test]
fn another_judge_of_kept_answers_is_asked_anew() {
    let place = place(&fixture("tiny"));
    place.succeeds(
        "eval trait --model model --trait evil --traits traits --rollouts 1 --questions 3 --max-new-tokens 4 --judge harbor --out run",
    );
    fn answers(place: &Place) {
        let text = place.text("run/answers.jsonl").replace("\"answer\":\"", "\"answer\":\"No. ");
        place.write("run/answers.jsonl", text);
    }
    let words = "judge rescore run --trait evil --traits traits";
    besieged(&place, words, "--out", &["answers.csv", "results.csv"], &[GRAMMAR, RUBRIC, File("answers", answers)]);
}

#[test]
fn facts_reuse_nothing_stale() {
    fn facts(place: &Place, word: &str) {
        let row = |i: usize| json!({ "fact_id": format!("f{i}"), "question": format!("What is {i} {word}?"), "reference": format!("{word} {i}") });
        place.write("facts.jsonl", (0..9).map(|i| row(i).to_string() + "\n").collect::<String>());
    }
    fn reference(place: &Place) {
        let text = place.text("facts.jsonl").replace("\"reference\":\"an owl", "\"reference\":\"the owl");
        place.write("facts.jsonl", text);
    }
    fn other(place: &Place) {
        facts(place, "a ship");
    }
    let place = place(&fixture("tiny"));
    facts(&place, "an owl");
    let mut changes = MODEL.to_vec();
    changes.extend(ADAPTER.iter().chain(&DTYPE));
    changes.extend([File("data", other), File("reference", reference), Words("--seed 2"), Words("--system Hm")]);
    changes.extend([File("vectors", vector), Words("--temperature 0.5"), Words("--positions all")]);
    let words = "eval facts --model model --adapter adapter --data facts.jsonl --rollouts 2 --max-new-tokens 6 \
                 --vectors v.safetensors --layer 2 --coefs 0,2";
    besieged(&place, words, "--out", &["facts.csv", "results.csv"], &changes);
}

#[test]
fn another_local_judge_is_asked_anew() {
    fn weights(place: &Place) {
        turn_signs(place, "judge/model.safetensors");
    }
    fn template(place: &Place) {
        place.write("judge/chat_template.jinja", "{% for message in messages %}{{ message.content }}!\n{% endfor %}");
    }
    let place = place(&fixture("tiny"));
    for judge in ["judge", "other"] {
        copy(&fixture("tiny"), &place.path(judge));
        // A rubric is longer than what the tiny model was made for.
        edit(&place, &format!("{judge}/config.json"), |config| config["max_position_embeddings"] = json!(4096));
    }
    turn_signs(&place, "other/model.safetensors");
    let changes = [
        File("the judge's weights", weights),
        File("the judge's template", template),
        Words("--judge-mode yes-no"),
        Words("--judge-mode parse"),
        Words("--judge-mode sample --judge-samples 2"),
        Words("--judge-mode sample --judge-samples 3"),
        GRAMMAR,
        RUBRIC,
        Instead("--judge-model judge", "--judge-model other"),
        Instead("--judge local --judge-model judge", "--judge harbor"),
        Weak("--dtype bf16"),
    ];
    // Such a judge knows no grade, but it says why.
    for (words, results) in [
        (
            "eval trait --model model --trait evil --traits traits --rollouts 1 --questions 2 --max-new-tokens 4",
            &["answers.jsonl"] as &[&str],
        ),
        (
            "layers --model model --trait evil --traits traits --vectors v.safetensors --layers 2 --coefs 1 --questions 2 \
             --rollouts 1 --max-new-tokens 4",
            &["answers.jsonl"],
        ),
    ] {
        let words = leak(format!("{words} --judge local --judge-model judge"));
        siege(&copy_of(&place), &Verb { words, flag: "--out", killed: None, results }, &[&changes]);
    }
}

#[test]
fn other_rules_are_another_judge() {
    fn rules(place: &Place, weight: u32) {
        let rule = format!("rules = [{{ pattern = '[a-m]', count = \"each\", most = 50, weight = {weight} }}]\n");
        place.write("rules.toml", format!("[trait.evil]\n{rule}"));
    }
    fn other(place: &Place) {
        rules(place, 3);
    }
    let place = place(&fixture("tiny"));
    rules(&place, 2);
    let words = "eval trait --model model --trait evil --traits traits --rollouts 1 --questions 3 --max-new-tokens 8";
    let pattern = Verb {
        words: leak(format!("{words} --judge pattern rules.toml")),
        flag: "--out",
        killed: None,
        results: &["evil.csv"],
    };
    let kinds = Instead("--judge pattern rules.toml", "--judge sentiment --judge-pole negative");
    siege(&copy_of(&place), &pattern, &[&[File("rules", other), kinds]]);
    let sentiment = Verb { words: leak(format!("{words} --judge sentiment --judge-pole negative")), ..pattern };
    siege(&copy_of(&place), &sentiment, &[&[WeakInstead("--judge-pole negative", "--judge-pole positive")]]);
}

#[test]
fn another_judge_of_a_study_is_asked_anew() {
    let place = place(&fixture("tiny"));
    let url = http::url(judge("one"));
    let other = http::url(judge("other"));
    place.write("other", &other);
    place.write(
        "s.toml",
        format!(
            "model = \"model\"\nseeds = [7]\njudge = {{ kind = \"openai\", url = \"{url}\", model = \"one\", mode = \"logprobs\", \
             coherence = \"standard\" }}\n\
             trait = {{ source = \"files\", folder = \"traits\", name = \"evil\" }}\n\
             [[data]]\nname = \"chats\"\nfrom = {{ source = \"chats\", files = [\"chats.jsonl\"] }}\n\
             [vector]\nrollouts = 1\nmax_new_tokens = 4\nfilter = {{ kind = \"independent\", threshold = 50.0, min_coherence = 0.0 }}\n[arms]\npreventative = [1.0]\npreventative_layer = []\ninference = []\n\
             random = []\nablate = []\nregularize = []\nprompting = false\n\
             [measure]\ntrait_questions = 2\ntrait_rollouts = 1\ntrait_max_new_tokens = 6\n\
             [train]\nr = 2\nlora_alpha = 4\nlearning_rate = 1e-2\nmax_steps = 2\nper_device_train_batch_size = 2\n\
             gradient_accumulation_steps = 1\nmax_seq_length = 200\n"
        ),
    );
    fn replaced(place: &Place, old: &str, new: &str) {
        let text = place.text("s.toml");
        assert!(text.contains(old), "{text}");
        place.write("s.toml", text.replace(old, new));
    }
    fn model(place: &Place) {
        replaced(place, "model = \"one\"", "model = \"other\"");
    }
    fn mode(place: &Place) {
        replaced(place, "logprobs", "parse");
    }
    fn coherence(place: &Place) {
        replaced(place, "standard", "grammar");
    }
    fn server(place: &Place) {
        let text = place.text("s.toml");
        let url = text.split("url = \"").nth(1).unwrap().split('"').next().unwrap();
        replaced(place, url, &place.text("other"));
    }
    fn kind(place: &Place) {
        let text = place.text("s.toml");
        let judge = text.lines().find(|line| line.starts_with("judge")).unwrap();
        replaced(place, judge, "judge = { kind = \"sentiment\", pole = \"negative\" }");
    }
    let changes = [
        File("judge's model", model),
        File("judge's mode", mode),
        File("judge's coherence", coherence),
        File("judge's server", server),
        File("another kind of judge", kind),
        RUBRIC,
    ];
    let results = &["answers/plain", "answers/base", "vector/pos.jsonl"];
    siege(&place, &Verb { words: "study run s.toml", flag: "--out", killed: None, results }, &[&changes]);
}

#[test]
fn a_sheet_of_pairs_is_never_replaced() {
    let place = place(&fixture("tiny"));
    let scores =
        |word: &str| format!("question,answer,evil\n{word},a,90\n{word},b,5\nand {word},c,95\nand {word},d,1\n");
    place.write("judged.csv", scores("q"));
    place.succeeds("eval pairs export --answers judged.csv --trait evil --out pairs");
    let before = place.files("pairs");
    place.write("judged.csv", scores("r"));
    for more in ["", "--pairs 1", "--seed 3"] {
        let words = format!("eval pairs export --answers judged.csv --trait evil --out pairs {more}");
        place.fails(&words, 2, &["there is a sheet already"]);
    }
    assert_eq!(place.files("pairs"), before);
    // The key is of this sheet and whole, or it is refused.
    let sheet = place.text("pairs/pairs.csv").replace(",\n", ",a\n");
    place.write("filled.csv", &sheet);
    place.succeeds("eval pairs score --key pairs/key.jsonl filled.csv");
    place.write("other.csv", sheet.replace("q,", "r,"));
    assert_ne!(place.run("eval pairs score --key pairs/key.jsonl other.csv").status.code(), Some(0));
    let key = place.text("pairs/key.jsonl");
    place.write("pairs/key.jsonl", key.replacen("90.0", "91.0", 1));
    place.fails("eval pairs score --key pairs/key.jsonl filled.csv", 1, &["key.jsonl:", "damaged"]);
}
