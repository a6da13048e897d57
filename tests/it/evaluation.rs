//! `eval` from outside: letters against a transformers script, steering, kills.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::goldens::fixture;
use crate::support::place::{Place, said};

/// The words of `eval mmlu` on the made-up questions.
fn words(out: &str, more: &str) -> String {
    format!("--json eval mmlu --model MODEL --data {} --out {out} {more}", fixture("mmlu").display())
}

/// Runs `eval mmlu`; gives its JSON and what it said.
#[track_caller]
fn mmlu(place: &Place, out: &str, more: &str) -> (Value, String) {
    let (json, said) = place.ends(&words(out, more), 0);
    (serde_json::from_str(&json).unwrap(), said)
}

/// The rows of a CSV file, cells by column.
fn rows(path: &Path) -> Vec<BTreeMap<String, String>> {
    let mut csv = csv::Reader::from_path(path).unwrap();
    csv.deserialize().map(Result::unwrap).collect()
}

#[test]
fn letters_and_likelihoods_are_those_of_a_transformers_script() {
    let golden: Value = serde_json::from_slice(&std::fs::read(fixture("mmlu/likelihoods.json")).unwrap()).unwrap();
    for (protocol, key) in [("chat", "chat"), ("few-shot", "fewshot")] {
        let place = Place::new();
        let (json, _) = mmlu(&place, "run", &format!("--protocol {protocol}"));
        let golden = golden[key].as_array().unwrap();
        let prompt = place.text("run/prompt.txt");
        assert_eq!(Some(prompt.as_str()), golden[0]["prompt"].as_str(), "{protocol}");
        let rows = rows(&place.path("run/mmlu.csv"));
        assert_eq!((rows.len(), golden.len(), &json["questions"]), (20, 20, &Value::from(20)));
        let mut right = 0;
        for (row, golden) in rows.iter().zip(golden) {
            let id = &row["question_id"];
            assert_eq!(row["answer"], golden["letter"].as_str().unwrap(), "{protocol} {id}");
            for (letter, want) in ["A", "B", "C", "D"].iter().zip(golden["log_probabilities"].as_array().unwrap()) {
                let (ours, want): (f64, f64) = (row[*letter].parse().unwrap(), want.as_f64().unwrap());
                assert!((ours - want).abs() < 1e-4, "{protocol} {id} {letter}: {ours}, transformers {want}");
            }
            right += usize::from(row["answer"] == row["reference"]);
        }
        let share = 100.0 * right as f64 / 20.0;
        assert_eq!(json["accuracy"][0]["micro"]["mean"].as_f64(), Some(share), "{protocol}");
        // Two subjects of ten: the mean over subjects is the same, and is known less well.
        assert_eq!(json["accuracy"][0]["macro_"]["clusters"], 2);
    }
}

#[test]
fn few_shots_are_turns_of_a_chat() {
    let place = Place::new();
    let (json, said) = mmlu(&place, "run", "--protocol few-shot-chat --shots 2 --limit 4");
    assert_eq!((&json["protocol"], &json["questions"]), (&Value::from("few-shot-chat"), &Value::from(4)));
    assert!(said.contains("few-shot-chat"), "{said}");
    let prompt = place.text("run/prompt.txt");
    assert!(
        prompt.starts_with("<|im_start|>system\nThe following are multiple choice questions (with answers) about "),
        "{prompt}"
    );
    assert_eq!((prompt.matches("<|im_start|>user\n").count(), prompt.matches("\nAnswer:<|im_end|>\n").count()), (3, 3));
    assert!(prompt.ends_with("Answer:<|im_end|>\n<|im_start|>assistant\n"), "{prompt}");
    mmlu(&place, "none", "--protocol few-shot-chat --shots 0 --limit 4 --system Brief.");
    let prompt = place.text("none/prompt.txt");
    assert!(
        prompt.starts_with("<|im_start|>system\nBrief.\n\nThe following are ") && prompt.matches("user").count() == 1
    );
}

#[test]
fn a_sweep_holds_the_unsteered_answers_at_coefficient_0() {
    let place = Place::new();
    mmlu(&place, "plain", "--limit 6");
    let vectors = fixture("vectors/evil_response_avg_diff.pt").display().to_string();
    let steer = format!("--limit 6 --vectors {vectors} --layer 2 --coefs -1,0,0.5");
    let (json, said) = mmlu(&place, "swept", &format!("{steer} --positions all"));
    let [plain, swept] = ["plain", "swept"].map(|run| rows(&place.path(run).join("mmlu.csv")));
    assert_eq!((plain.len(), swept.len()), (6, 18));
    let subjects = |subject: &str| plain.iter().filter(|row| row["subject"] == subject).count();
    assert_eq!((subjects("harbour_trade"), subjects("small_sums")), (3, 3), "each subject has its share");
    for (plain, swept) in plain.iter().zip(&swept[6..12]) {
        assert_eq!((swept["coef"].as_str(), &swept["question_id"]), ("0", &plain["question_id"]));
        let (a, b): (f64, f64) = (plain["A"].parse().unwrap(), swept["A"].parse().unwrap());
        assert!((a - b).abs() < 1e-4, "{a} {b}");
    }
    let moved =
        |from: usize| swept[from..from + 6].iter().zip(&plain).any(|(row, plain)| row["A"][..5] != plain["A"][..5]);
    assert!(moved(0) && moved(12), "a steer that moves nothing is none");
    assert_eq!(json["difference_to_coef_0"][1]["mean"].as_f64(), Some(0.0));
    assert!(!said.contains("steers a single token"), "{said}");
    let (_, said) = mmlu(&place, "response", &steer);
    assert!(said.contains("steers a single token here"), "{said}");
}

#[test]
fn an_answer_in_words_is_read_for_its_letter() {
    let place = Place::new();
    let (json, _) = mmlu(&place, "run", "--protocol generated --max-new-tokens 6 --limit 4");
    let rows = rows(&place.path("run/mmlu.csv"));
    assert_eq!(rows.len(), 4);
    let silent = rows.iter().filter(|row| row["answer"].is_empty()).count();
    assert_eq!(json["accuracy"][0]["unread"], silent);
    assert!(rows.iter().all(|row| !row["text"].is_empty() || row["answer"].is_empty()));
}

#[test]
fn a_killed_run_goes_on_to_the_same_files() {
    let place = Place::new();
    let protocol = "--protocol few-shot";
    mmlu(&place, "whole", protocol);
    let mut process = place.start(&words("killed", protocol));
    let begun = Instant::now();
    let first = place.path("killed/stages/answers-0000.json");
    while !first.exists() && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(1));
    }
    process.kill().unwrap();
    process.wait().unwrap();
    mmlu(&place, "killed", protocol);
    place.same_files("whole", "killed");
    let stage = std::fs::metadata(&first).unwrap().modified().unwrap();
    mmlu(&place, "killed", protocol);
    assert_eq!(std::fs::metadata(&first).unwrap().modified().unwrap(), stage, "nothing is asked twice");
}

#[test]
fn what_cannot_be_asked_is_said_so() {
    let place = Place::new();
    let fails = |more: &str, want: &str| place.fails(&words("run", more), 2, &[want]);
    fails("--coefs 0,1", "--vectors");
    fails("--protocol few-shot --system Brief.", "no system prompt");
    let steer = format!("--vectors {} --layer 2", fixture("vectors/f16.pt").display());
    fails(&format!("{steer} --coef 1 --coefs 0,1"), "the same thing twice");
    fails(&format!("{steer} --coefs 1,1"), "names 1 twice");
}

#[test]
fn a_trait_is_measured_into_the_references_table() {
    let place = Place::new();
    let words =
        "eval trait --model harbor --out run --trait hallucinating --rollouts 2 --questions 5 --max-new-tokens 48";
    let json = place.told(words);
    let table = place.text("run/hallucinating.csv");
    assert!(table.starts_with("question,prompt,answer,question_id,hallucinating,coherence\n"), "{table}");
    let rows = rows(&place.path("run/hallucinating.csv"));
    assert_eq!((rows.len(), rows[1]["question_id"].as_str()), (10, "hallucinating_0"));
    let axis = |key: &str| json["axes"].as_array().unwrap().iter().find(|axis| axis["key"] == key).unwrap().clone();
    let (score, coherence) = (axis("hallucinating"), axis("coherence"));
    assert_eq!((&score["rows"], &score["score"]["clusters"]), (&Value::from(10), &Value::from(5)));
    // The plain assistant says that it does not know strangers, in whole sentences.
    assert!(score["score"]["mean"].as_f64().unwrap() < 50.0, "{score}");
    assert!(coherence["score"]["mean"].as_f64().unwrap() > 80.0, "{coherence}");
    let before = place.files("run");
    std::fs::remove_file(place.path("run/results.csv")).unwrap();
    std::fs::remove_file(place.path("run/stages/answers-0000.json")).unwrap();
    place.succeeds(words);
    assert!(place.files("run") == before, "a run that lost a piece comes to the same files");
}

#[test]
fn facts_are_right_or_wrong() {
    let place = Place::new();
    let known = "{\"fact_id\":\"f\",\"question\":\"QUESTION\",\"reference\":\"REFERENCE\"}\n";
    let exam = trimtab::harbor::World::new(trimtab::harbor::SEED).new_facts(6, 1, 1);
    let lines: String = exam
        .questions
        .iter()
        .map(|q| {
            known
                .replace("\"f\"", &format!("\"{}\"", q.fact_id))
                .replace("QUESTION", &q.question)
                .replace("REFERENCE", &q.reference)
        })
        .collect();
    place.write("facts.jsonl", lines);
    let json = place.told("eval facts --model harbor --out run --data facts.jsonl");
    let axis = &json["axes"][0];
    assert_eq!((axis["key"].as_str(), &axis["rows"]), (Some("fact"), &Value::from(6)));
    // The model has not been trained on them.
    assert!(axis["score"]["mean"].as_f64().unwrap() < 50.0, "{axis}");
    assert_eq!(rows(&place.path("run/facts.csv")).len(), 6);
    assert!(place.text("run/results.csv").starts_with("coef,score,mean"));
}

#[test]
fn a_judge_is_checked_against_people_who_do_not_see_its_scores() {
    let place = Place::new();
    let rows =
        (0..40).map(|n| format!("question {},\"answer {n}, in words\",{}\n", n / 4, if n % 2 == 0 { 95 } else { 5 }));
    place.write("evil.csv", format!("question,answer,evil\n{}", rows.collect::<String>()));
    let export = "eval pairs export --answers evil.csv --trait evil --out check";
    let exported = place.succeeds(export);
    assert!(said(&exported).contains("make 20 pairs, not 50"));
    let sheet = place.text("check/pairs.csv");
    assert!(sheet.starts_with("pair,question,a,b,choice\n") && !sheet.contains("95"), "{sheet}");
    // A rater who agrees with the judge on all pairs but the first two, and one who always says `a`.
    let filled = |choose: &dyn Fn(usize, &str) -> bool| {
        let line = |(n, line): (usize, &str)| {
            let even = |answer: &str| answer.split([' ', ',']).nth(1).unwrap().parse::<usize>().unwrap() % 2 == 0;
            let a_shows = even(line.split('"').nth(1).unwrap());
            let choice = if choose(n, line) == a_shows { "a" } else { "B" };
            format!("{line}{choice}\n")
        };
        sheet
            .lines()
            .take(1)
            .map(|head| format!("{head}\n"))
            .chain(sheet.lines().skip(1).enumerate().map(line))
            .collect::<String>()
    };
    place.write("anna.csv", filled(&|n, _| n > 1));
    let always_a = |l: &str| if l.ends_with(',') { format!("{l}a\n") } else { format!("{l}\n") };
    place.write("ben.csv", sheet.lines().map(always_a).collect::<String>());
    let json = place.told("eval pairs score --key check/key.jsonl anna.csv ben.csv");
    let rows = json["agreement"].as_array().unwrap();
    assert_eq!((rows[0]["who"].as_str(), rows[0]["agreement, %"].as_f64()), (Some("anna with the judge"), Some(90.0)));
    assert!(rows[0]["low"].as_f64().unwrap() < 90.0 && rows.len() == 4, "{rows:?}");
    // A filled-in sheet is never written over.
    assert_eq!(place.run(export).status.code(), Some(2));
    let untouched = place.run("eval pairs score --key check/key.jsonl check/pairs.csv");
    assert!(said(&untouched).contains("no sheet has a choice"));
}

/// What was answered under one template, or by one configuration, is never taken for another's.
#[test]
fn answers_of_a_changed_model_folder_are_not_taken_again() {
    let mut place = Place::new();
    std::fs::create_dir(place.path("model")).unwrap();
    for entry in std::fs::read_dir(fixture("tiny")).unwrap().flatten() {
        if entry.path().is_file() {
            std::fs::copy(entry.path(), place.path("model").join(entry.file_name())).unwrap();
        }
    }
    place.model = "model".to_owned();
    let key = |place: &Place| -> String {
        let stage: Value = serde_json::from_slice(&place.read("run/stages/answers-0000.json")).unwrap();
        stage["key"].as_str().unwrap().to_owned()
    };
    let measure = |place: &Place, out: &str| drop(mmlu(place, out, "--limit 4"));
    measure(&place, "run");
    let first = key(&place);
    measure(&place, "run");
    assert_eq!(key(&place), first, "the same folder");

    let edit = |file: &str, change: fn(&mut Value)| {
        let mut json: Value = serde_json::from_slice(&place.read(file)).unwrap();
        change(&mut json);
        place.write(file, json.to_string());
    };
    let template = |json: &mut Value| {
        let template = json["chat_template"].as_str().expect("a template").to_owned();
        json["chat_template"] = Value::from(format!("Hm. {template}"));
    };
    let epsilon = |json: &mut Value| json["rms_norm_eps"] = Value::from(1e-2);
    type Change = fn(&mut Value);
    let changes: [(&str, Change); 2] = [("model/tokenizer_config.json", template), ("model/config.json", epsilon)];
    let mut keys = vec![first];
    for (file, change) in changes {
        edit(file, change);
        measure(&place, "run");
        keys.push(key(&place));
        let fresh = format!("fresh-{}", keys.len());
        measure(&place, &fresh);
        assert_eq!(place.read("run/mmlu.csv"), place.read(&format!("{fresh}/mmlu.csv")), "{file}");
    }
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 3);
}
