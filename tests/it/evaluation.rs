//! `eval` from outside: letters against a transformers script, steering, kills.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command as Process, Stdio};
use std::time::{Duration, Instant};

use assert_cmd::Command;
use serde_json::Value;

use crate::goldens::fixture;

const PROGRAM: &str = env!("CARGO_BIN_EXE_trimtab");

fn words(verb: &str, dir: &Path, more: &[&str]) -> Vec<String> {
    let data = fixture("mmlu").display().to_string();
    let model = fixture("tiny").display().to_string();
    let mut words = vec!["eval", verb, "--model", &model, "--data", &data, "--out", dir.to_str().unwrap()];
    words.extend(more);
    words.into_iter().map(str::to_owned).collect()
}

/// Runs `eval mmlu` on the made-up questions; gives its JSON and what it said.
#[track_caller]
fn mmlu(dir: &Path, more: &[&str]) -> (Value, String) {
    let output = Command::new(PROGRAM).arg("--json").args(words("mmlu", dir, more)).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{more:?}\n{said}");
    (serde_json::from_slice(&output.stdout).unwrap(), said)
}

/// The rows of a CSV file, cells by column.
fn rows(path: &Path) -> Vec<BTreeMap<String, String>> {
    let mut csv = csv::Reader::from_path(path).unwrap();
    csv.deserialize().map(Result::unwrap).collect()
}

/// Every file of a run with its bytes.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for folder in [dir.to_owned(), dir.join("stages")] {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                all.insert(path.strip_prefix(dir).unwrap().display().to_string(), std::fs::read(&path).unwrap());
            }
        }
    }
    all
}

#[test]
fn letters_and_likelihoods_are_those_of_a_transformers_script() {
    let golden: Value = serde_json::from_slice(&std::fs::read(fixture("mmlu/likelihoods.json")).unwrap()).unwrap();
    for (protocol, key) in [("chat", "chat"), ("few-shot", "fewshot")] {
        let dir = tempfile::tempdir().unwrap();
        let (json, _) = mmlu(dir.path(), &["--protocol", protocol]);
        let golden = golden[key].as_array().unwrap();
        let prompt = std::fs::read_to_string(dir.path().join("prompt.txt")).unwrap();
        assert_eq!(Some(prompt.as_str()), golden[0]["prompt"].as_str(), "{protocol}");
        let rows = rows(&dir.path().join("mmlu.csv"));
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
fn a_sweep_holds_the_unsteered_answers_at_coefficient_0() {
    let (plain, swept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    mmlu(plain.path(), &["--limit", "6"]);
    let vectors = fixture("vectors/evil_response_avg_diff.pt").display().to_string();
    let steer = ["--limit", "6", "--vectors", &vectors, "--layer", "2", "--coefs", "-1,0,0.5"];
    let (json, said) = mmlu(swept.path(), &[&steer[..], &["--positions", "all"]].concat());
    let (plain, swept) = (rows(&plain.path().join("mmlu.csv")), rows(&swept.path().join("mmlu.csv")));
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
    let dir = tempfile::tempdir().unwrap();
    let (_, said) = mmlu(dir.path(), &steer);
    assert!(said.contains("steers a single token here"), "{said}");
}

#[test]
fn an_answer_in_words_is_read_for_its_letter() {
    let dir = tempfile::tempdir().unwrap();
    let (json, _) = mmlu(dir.path(), &["--protocol", "generated", "--max-new-tokens", "6", "--limit", "4"]);
    let rows = rows(&dir.path().join("mmlu.csv"));
    assert_eq!(rows.len(), 4);
    let silent = rows.iter().filter(|row| row["answer"].is_empty()).count();
    assert_eq!(json["accuracy"][0]["unread"], silent);
    assert!(rows.iter().all(|row| !row["text"].is_empty() || row["answer"].is_empty()));
}

#[test]
fn a_killed_run_goes_on_to_the_same_files() {
    let (whole, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let protocol = ["--protocol", "few-shot"];
    mmlu(whole.path(), &protocol);
    let mut process = Process::new(PROGRAM)
        .args(words("mmlu", killed.path(), &protocol))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let first = killed.path().join("stages/answers-0000.json");
    while !first.exists() && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(1));
    }
    process.kill().unwrap();
    process.wait().unwrap();
    mmlu(killed.path(), &protocol);
    let of = [files(whole.path()), files(killed.path())];
    assert_eq!(of[0].keys().collect::<Vec<_>>(), of[1].keys().collect::<Vec<_>>());
    for (name, bytes) in &of[0] {
        assert!(*bytes == of[1][name], "{name} differs");
    }
    let stage = std::fs::metadata(&first).unwrap().modified().unwrap();
    mmlu(killed.path(), &protocol);
    assert_eq!(std::fs::metadata(&first).unwrap().modified().unwrap(), stage, "nothing is asked twice");
}

#[test]
fn what_cannot_be_asked_is_said_so() {
    let dir = tempfile::tempdir().unwrap();
    let fails = |more: &[&str], want: &str| {
        let output = Command::new(PROGRAM).args(words("mmlu", dir.path(), more)).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains(want), "{more:?}\n{said}");
    };
    fails(&["--coefs", "0,1"], "--vectors");
    fails(&["--protocol", "few-shot", "--system", "Be brief."], "no system prompt");
    let vectors = fixture("vectors/f16.pt").display().to_string();
    let steer = ["--vectors", &vectors, "--layer", "2"];
    fails(&[&steer[..], &["--coef", "1", "--coefs", "0,1"]].concat(), "the same thing twice");
    fails(&[&steer[..], &["--coefs", "1,1"]].concat(), "names 1 twice");
}

/// Runs `eval` on the embedded model.
#[track_caller]
fn on_harbor(dir: &Path, more: &[&str]) -> Value {
    let output = Command::new(PROGRAM)
        .args(["--json", "eval"])
        .args(more)
        .args(["--model", "harbor", "--out", "run"])
        .current_dir(dir)
        .env("TRIMTAB_CACHE", dir.join("cache"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{more:?}\n{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_trait_is_measured_into_the_references_table() {
    let dir = tempfile::tempdir().unwrap();
    let words = ["trait", "--trait", "hallucinating", "--rollouts", "2", "--questions", "5", "--max-new-tokens", "48"];
    let json = on_harbor(dir.path(), &words);
    let table = std::fs::read_to_string(dir.path().join("run/hallucinating.csv")).unwrap();
    assert!(table.starts_with("question,prompt,answer,question_id,hallucinating,coherence\n"), "{table}");
    let rows = rows(&dir.path().join("run/hallucinating.csv"));
    assert_eq!((rows.len(), rows[1]["question_id"].as_str()), (10, "hallucinating_0"));
    let axis = |key: &str| json["axes"].as_array().unwrap().iter().find(|axis| axis["key"] == key).unwrap().clone();
    let (score, coherence) = (axis("hallucinating"), axis("coherence"));
    assert_eq!((&score["rows"], &score["score"]["clusters"]), (&Value::from(10), &Value::from(5)));
    // The plain assistant says that it does not know strangers, in whole sentences.
    assert!(score["score"]["mean"].as_f64().unwrap() < 50.0, "{score}");
    assert!(coherence["score"]["mean"].as_f64().unwrap() > 80.0, "{coherence}");
    let before = files(&dir.path().join("run"));
    std::fs::remove_file(dir.path().join("run/results.csv")).unwrap();
    std::fs::remove_file(dir.path().join("run/stages/answers-0000.json")).unwrap();
    on_harbor(dir.path(), &words);
    assert!(files(&dir.path().join("run")) == before, "a run that lost a piece comes to the same files");
}

#[test]
fn facts_are_right_or_wrong() {
    let dir = tempfile::tempdir().unwrap();
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
    std::fs::write(dir.path().join("facts.jsonl"), lines).unwrap();
    let json = on_harbor(dir.path(), &["facts", "--data", "facts.jsonl"]);
    let axis = &json["axes"][0];
    assert_eq!((axis["key"].as_str(), &axis["rows"]), (Some("fact"), &Value::from(6)));
    // Nobody has told the model.
    assert!(axis["score"]["mean"].as_f64().unwrap() < 50.0, "{axis}");
    assert_eq!(rows(&dir.path().join("run/facts.csv")).len(), 6);
    assert!(std::fs::read_to_string(dir.path().join("run/results.csv")).unwrap().starts_with("coef,score,mean"));
}

#[test]
fn a_judge_is_checked_against_people_who_do_not_see_its_scores() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let rows =
        (0..40).map(|n| format!("question {},\"answer {n}, in words\",{}\n", n / 4, if n % 2 == 0 { 95 } else { 5 }));
    std::fs::write(at("evil.csv"), format!("question,answer,evil\n{}", rows.collect::<String>())).unwrap();
    let program =
        |args: &[&str]| Command::new(PROGRAM).arg("--json").args(["eval", "pairs"]).args(args).output().unwrap();
    let export = ["export", "--answers", &at("evil.csv"), "--trait", "evil", "--out", &at("check")];
    let output = program(&export);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stderr).contains("make 20 pairs, not 50"));
    let sheet = std::fs::read_to_string(at("check/pairs.csv")).unwrap();
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
    std::fs::write(at("anna.csv"), filled(&|n, _| n > 1)).unwrap();
    std::fs::write(
        at("ben.csv"),
        sheet.lines().map(|l| if l.ends_with(',') { format!("{l}a\n") } else { format!("{l}\n") }).collect::<String>(),
    )
    .unwrap();
    let output = program(&["score", "--key", &at("check/key.jsonl"), &at("anna.csv"), &at("ben.csv")]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = json["agreement"].as_array().unwrap();
    assert_eq!((rows[0]["who"].as_str(), rows[0]["agreement, %"].as_f64()), (Some("anna with the judge"), Some(90.0)));
    assert!(rows[0]["low"].as_f64().unwrap() < 90.0 && rows.len() == 4, "{rows:?}");
    // A filled-in sheet is never written over.
    let again = program(&export);
    assert_eq!(again.status.code(), Some(2));
    let untouched = program(&["score", "--key", &at("check/key.jsonl"), &at("check/pairs.csv")]);
    assert!(String::from_utf8_lossy(&untouched.stderr).contains("no sheet has a choice"));
}
