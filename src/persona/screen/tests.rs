//! Screening as a whole, on a fake model whose states are known.

use std::path::Path;

use serde_json::Value;

use super::*;
use crate::fakes::{EchoModel, WordJudge, tiny_tokenizer};
use crate::language_model::Prompt;
use crate::persona::{Metric, Probe};
use crate::record::{Hash, Lock, RunDir};
use crate::text::Message;
use crate::vector::Layer;
use crate::vector::math::projection;

fn rules(against: Against) -> ScreenRules {
    ScreenRules {
        trait_name: "bold".into(),
        probe: Probe { column: "p".into(), ..Probe::made_up(Metric::Proj, 2) },
        against,
        first_turn: false,
        prompt_tokens_max: Some(200),
        context: 1000,
        label: Some(Label { key: "kind".into(), value: Some("loud".into()) }),
        seed: 0,
        subject: Hash::of("echo"),
        judge: Hash::of("word"),
    }
}

const OWN: Against = Against::OwnAnswer { max_new_tokens: 8 };

fn row(i: usize, answer: &str, kind: &str) -> String {
    format!(
        "{{\"id\":\"r{i}\",  \"messages\":[{{\"role\":\"user\",\"content\":\"Why {i}?\"}},{{\"role\":\"assistant\",\"content\":\"{answer}\"}}], \"kind\":\"{kind}\"}}"
    )
}

/// 150 rows, every third loud; a broken one, one without an answer, and one that is too long.
fn data(dir: &Path) -> std::path::PathBuf {
    let path = dir.join("data.jsonl");
    let mut rows: Vec<String> = (0..150)
        .map(|i| if i % 3 == 0 { row(i, "I am bold!", "loud") } else { row(i, &format!("It is {i}."), "calm") })
        .collect();
    rows.insert(7, "{\"messages\":".into());
    rows.insert(8, "{\"messages\":[{\"role\":\"user\",\"content\":\"Why?\"}]}".into());
    rows.push(row(0, &"on and on ".repeat(2000), "loud"));
    std::fs::write(&path, rows.join("\n")).unwrap();
    path
}

/// Answers every question with its number, as the calm rows do.
fn language_model() -> EchoModel {
    EchoModel::new(|ask, _| {
        let Prompt::Ids(ids) = &ask.prompt else { panic!("tokens") };
        let prompt = tiny_tokenizer().decode(ids).unwrap();
        let number: String = prompt.split("Why ").nth(1).unwrap().chars().take_while(char::is_ascii_digit).collect();
        format!("It is {number}.")
    })
}

fn work(dir: &Path, source: &Path, rules: &ScreenRules, choices: &Choices, model: &mut EchoModel) -> Screened {
    let run = RunDir::open(dir).unwrap();
    let data = Source::open(source, None, rules.seed).unwrap();
    let mut judge = WordJudge("bold");
    let judge: Option<&mut dyn crate::judge::Judge> = if choices.llm { Some(&mut judge) } else { None };
    let lock = Lock::new("fake", vec![0]);
    screen(&run, rules, choices, (&data, None), model, judge, (&[], &lock), &mut |_, _, _| {}).unwrap()
}

fn lines(path: std::path::PathBuf) -> Vec<String> {
    std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn differences_are_those_of_the_definition_and_nothing_for_an_own_answer() {
    let dir = tempfile::tempdir().unwrap();
    let source = data(dir.path());
    let out = dir.path().join("run");
    let mut model = language_model();
    let rules = rules(OWN);
    let found = work(&out, &source, &rules, &Choices::default(), &mut model);
    assert_eq!((found.summary.rows, found.summary.measured, found.summary.left_out), (153, 150, 3));
    let said = found.summary.left_out_named.join("\n");
    for want in
        ["data.jsonl:8: not a JSON object", "data.jsonl:9: the conversation has no answer", "data.jsonl:153: it has "]
    {
        assert!(said.contains(want), "{said}");
    }
    let tokenizer = tiny_tokenizer();
    let a = |ids: &[u32]| -> f64 {
        let h: Vec<f32> =
            (0..5).map(|d| ids.iter().map(|&id| EchoModel::state(id, 2, d)).sum::<f32>() / ids.len() as f32).collect();
        projection(&h, &rules.probe.vector)
    };
    for line in lines(out.join("scores.jsonl")) {
        let row: Value = serde_json::from_str(&line).unwrap();
        if row["fate"] == "left out" {
            assert!(row["difference"].is_null());
            continue;
        }
        let number: usize = row["id"].as_str().unwrap()[1..].parse().unwrap();
        let own = a(&tokenizer.encode(&format!("It is {number}.")).unwrap());
        let prompt = tokenizer.chat_ids(&[Message::user(format!("Why {number}?"))], true).unwrap();
        let text = if number.is_multiple_of(3) { "I am bold!".to_owned() } else { format!("It is {number}.") };
        let raw = a(&tokenizer.encode(&text).unwrap());
        let near = |key: &str, want: f64| assert!((row[key].as_f64().unwrap() - want).abs() < 1e-12, "{row}: {want}");
        near("projection", raw);
        near("difference", raw - own);
        near("approximation", raw - a(&prompt[prompt.len() - 1..]));
        assert_eq!(row["difference"].as_f64() == Some(0.0), !number.is_multiple_of(3));
    }
    let [difference, approximation, raw] = &found.summary.scores[..] else { panic!("three scores") };
    assert_eq!(
        (difference.score.as_str(), approximation.score.as_str(), raw.score.as_str()),
        ("difference", "approximation", "projection")
    );
    assert!(difference.auc.is_some() && difference.mean.has_bounds());
    assert_eq!(found.summary.labelled, (51, 100));
}

#[test]
fn kept_rows_are_byte_for_byte_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let source = data(dir.path());
    let out = dir.path().join("run");
    let choices = Choices {
        llm: true,
        llm_threshold: Some(50.0),
        threshold: Some(1e9),
        top: 3,
        bottom: 2,
        random: 4,
        ..Choices::default()
    };
    let found = work(&out, &source, &rules(OWN), &choices, &mut language_model());
    assert_eq!((found.summary.kept, found.summary.dropped, found.summary.dropped_by), (100, 50, (0, 50, 0)));
    let original = lines(source.clone());
    let calm: Vec<&String> = original.iter().filter(|l| l.contains("calm")).collect();
    assert_eq!(lines(out.join("kept.jsonl")).iter().collect::<Vec<_>>(), calm);
    assert_eq!(lines(out.join("dropped.jsonl")).len(), 50);
    let count = |name: &str| lines(out.join(name)).iter().filter(|line| original.contains(line)).count();
    assert_eq!((count("top.jsonl"), count("bottom.jsonl"), count("random.jsonl")), (3, 2, 4));
    let best = |name: &str| lines(out.join(name))[0].contains("loud");
    assert!(best("top.jsonl") != best("bottom.jsonl") || found.summary.scores[0].mean.mean == 0.0);
    let html = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(
        html.contains("bold 100.0000 &gt; 50.0000") || html.contains("trait score 100.0000 &gt; 50.0000"),
        "the reason is on the page"
    );
    assert_eq!(lines(out.join("scores.csv")).len(), 154);

    // Other choices: from what was measured alone, and what they do not ask for is gone.
    let mut silent = EchoModel::new(|_, _| panic!("nothing is asked again"));
    let again = work(&out, &source, &rules(OWN), &Choices { of_kept: true, top: 5, ..Choices::default() }, &mut silent);
    assert!(again.summary.kept == 150 && !out.join("kept.jsonl").exists() && !out.join("random.jsonl").exists());
    assert_eq!(lines(out.join("top.jsonl")).len(), 5);
}

#[test]
fn another_layer_needs_no_new_answers_and_an_approximation_none_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let source = data(dir.path());
    let mut model = language_model();
    work(&dir.path().join("run"), &source, &rules(OWN), &Choices::default(), &mut model);
    assert_eq!(model.batches.iter().sum::<usize>(), 150);
    model.batches.clear();
    let mut other = rules(OWN);
    other.probe.layer = Layer(3);
    work(&dir.path().join("run"), &source, &other, &Choices::default(), &mut model);
    let found = work(&dir.path().join("approx"), &source, &rules(Against::LastPrompt), &Choices::default(), &mut model);
    assert!(model.batches.is_empty());
    assert!(found.summary.scores.iter().all(|s| s.score != "approximation") && found.summary.approximation_r.is_none());
}

#[test]
fn a_sample_estimates_and_is_the_same_each_time() {
    let dir = tempfile::tempdir().unwrap();
    let source = data(dir.path());
    let (a, b) = (Source::open(&source, Some(40), 1).unwrap(), Source::open(&source, Some(40), 1).unwrap());
    assert_eq!((a.identity(), a.rows, a.all, a.is_sampled()), (b.identity(), 40, 153, true));
    assert_ne!(Source::open(&source, Some(40), 2).unwrap().identity(), a.identity());
    assert!(!Source::open(&source, Some(153), 1).unwrap().is_sampled());
    let run = RunDir::open(dir.path().join("run")).unwrap();
    let choices = Choices { threshold: Some(0.0), ..Choices::default() };
    let lock = Lock::new("fake", vec![0]);
    let found = screen(
        &run,
        &rules(OWN),
        &choices,
        (&a, Some(&b)),
        &mut language_model(),
        None,
        (&[], &lock),
        &mut |_, _, _| {},
    )
    .unwrap();
    assert_eq!(found.summary.rows, 40);
    assert!(!run.file("kept.jsonl").exists(), "what was not measured is not decided on");
    let reference = found.summary.scores[0].reference_mean.unwrap();
    assert!((reference - found.summary.scores[0].mean.mean).abs() < 1e-12);
}

#[test]
fn labels_are_read_in_many_spellings() {
    let of = |label: &Label, json: &str| label.of(&serde_json::from_str(json).unwrap());
    let plain = Label { key: "bad".into(), value: None };
    for (json, want) in [
        ("{\"bad\":true}", Some(true)),
        ("{\"bad\":0}", Some(false)),
        ("{\"bad\":\"Yes\"}", Some(true)),
        ("{\"bad\":null}", None),
        ("{}", None),
    ] {
        assert_eq!(of(&plain, json), want, "{json}");
    }
    assert_eq!(of(&Label { value: Some("II".into()), ..plain }, "{\"bad\":\"II\"}"), Some(true));
}
