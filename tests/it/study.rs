//! The fact study and the audit with real tensors, on the smallest model there is. What it finds means nothing; that it runs, resumes and
//! steers what it says is what counts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use trimtab::data_table::{DataTable, Format};
use trimtab::judge::{Call, Judge, JudgeSource, JudgedAnswer, JudgedItem, Rubric, Rubrics, Verdict};
use trimtab::record::read_jsonl;
use trimtab::report::{ExpectationId, NoteKind};
use trimtab::study::{
    ArmSettings, AuditSettings, Event, JudgeRole, Kind, NeutralSource, StudyConfig, StudyReport, run,
};
use trimtab::{Error, Result, device};

use crate::support::study::config;

/// Scores by length, so that there is something to count; a reference is a right answer.
struct LengthJudge;

impl Judge for LengthJudge {
    fn name(&self) -> &str {
        "length"
    }

    fn judge(&mut self, _: &Rubric, exhibits: &[JudgedItem]) -> Result<Vec<Verdict>> {
        let score = |e: &JudgedItem| match e.reference.as_ref() == Some(&e.answer) {
            true => 100.0,
            false => (e.answer.len() % 101) as f64,
        };
        let verdict = |e: &JudgedItem| Verdict { score: Some(score(e)), why: String::new() };
        Ok(exhibits.iter().map(verdict).collect())
    }
}

#[test]
fn the_fact_study_runs_and_resumes_on_a_real_model() {
    let dir = tempfile::tempdir().unwrap();
    let (config, out) = (config(dir.path()), dir.path().join("run"));
    let runtime = device::open("cpu", "auto").unwrap();
    let finished = AtomicUsize::new(0);
    let tell = |event: &Event<'_>| {
        if let Event::Finished { .. } = event {
            finished.fetch_add(1, Ordering::Relaxed);
        }
    };
    let judges = |_| -> Result<Box<dyn Judge>> { Ok(Box::new(LengthJudge)) };
    let first = run(Kind::Facts, &config, &out, &*runtime, &judges, &tell).unwrap();
    // Vector; plain, all layers, one layer, prompting, random; sweep, elicitation and base.
    assert_eq!((first.tasks, finished.load(Ordering::Relaxed)), (9, 9));
    assert!(first.study.notes.iter().any(|n| n.kind == NoteKind::SteeringCheck), "{:?}", first.study.notes);
    let adapter = out.join("fits/prevent+1-seed3/adapter");
    assert!(adapter.join("adapter_model.safetensors").is_file() && adapter.join("adapter_config.json").is_file());
    let again = run(Kind::Facts, &config, &out, &*runtime, &judges, &tell).unwrap();
    assert_eq!((again.reused, &again.study), (9, &first.study));
    assert!(out.join("report.html").is_file());
}

#[test]
fn devices_side_by_side_make_the_same_study() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let judges = |_| -> Result<Box<dyn Judge>> { Ok(Box::new(LengthJudge)) };
    let ran = |device: &str, out: &str| {
        let runtime = device::open(device, "auto").unwrap();
        let report = run(Kind::Facts, &config, &dir.path().join(out), &*runtime, &judges, &|_| {}).unwrap();
        (report.reused, report.study)
    };
    let alone = ran("cpu", "alone");
    assert_eq!(ran("cpu, cpu", "halves"), alone);
    // What one of them worked out, the other finds.
    assert_eq!(ran("cpu,cpu,cpu", "alone"), (9, alone.1));
    let twice = device::open("wgpu:0,wgpu:0", "auto").err().unwrap();
    assert!(twice.to_string().contains("wgpu:0 is named twice"), "{twice}");
    for other in ["cpu:3", "cpu:xeon"] {
        let refused = device::open(other, "auto").err().unwrap();
        assert!(refused.to_string().contains("there is one"), "{refused}");
    }
}

/// Runs an audit with the judge that scores by length and, if the configuration has one, a real second judge.
fn audited(config: &StudyConfig, out: &std::path::Path) -> StudyReport {
    let runtime = device::open("cpu", "auto").unwrap();
    let judges = |role| -> Result<Box<dyn Judge>> {
        let second = config.audit.as_ref().and_then(|audit| audit.second_judge.as_ref());
        match (role, second) {
            (JudgeRole::First, _) | (_, None) => Ok(Box::new(LengthJudge)),
            (JudgeRole::Second, Some(source)) => source.call(Call {
                rubrics: Rubrics::default().with("hallucinating", "{question} {answer}"),
                folder: out,
                key: None,
                device: "cpu".into(),
                tell: Box::new(|_| {}),
                open: Box::new(|_| Err(Error::new("no model judges here"))),
            }),
        }
    };
    run(Kind::Audit, config, out, &*runtime, &judges, &|_| {}).unwrap()
}

#[test]
fn an_audit_measures_side_effects_and_hears_a_second_judge() {
    let dir = tempfile::tempdir().unwrap();
    let (mut config, out) = (config(dir.path()), dir.path().join("run"));
    config.arms = ArmSettings { preventative: vec![1.0], ..ArmSettings::none() };
    config.train.learning_rate = 0.01;
    let audit = AuditSettings {
        reextract: false,
        elicitation: Vec::new(),
        many_shot: Vec::new(),
        relearn: Vec::new(),
        neutral: Some(NeutralSource::Builtin {}),
        ..AuditSettings::default()
    };
    config.audit = Some(audit.clone());
    let first = audited(&config, &out);
    let grid = |report: &StudyReport, file: &str| report.study.grids.iter().find(|g| g.file == file).cloned().unwrap();
    let effects = grid(&first, "side-effects");
    // Base, plain, steered.
    let moved: Vec<f64> = effects.rows.iter().map(|row| row.1[0].unwrap()).collect();
    assert!(moved[0] == 0.0 && moved[1] > 0.0 && moved[2] > 0.0, "{moved:?}");
    let components = grid(&first, "audit");
    let at = components.columns.iter().position(|c| c == "variance along 1st component").unwrap();
    assert!(components.rows[1].1[at].unwrap() > 1.0 / 15.0, "{:?}", components.rows[1]);

    // Another judge's scores of the same answers, of which it sees every third otherwise.
    let score = |answer: &str| if (answer.len() % 101 > 50) != answer.len().is_multiple_of(3) { 90.0 } else { 10.0 };
    let mut sheet = DataTable::new(Format::Csv, &["question", "answer", "hallucinating", "coherence"]);
    let mut agreement = BTreeMap::new();
    for name in ["base", "plain-seed3", "prevent+1-seed3"] {
        let rows: Vec<JudgedAnswer> = read_jsonl(&out.join(format!("answers/{name}.jsonl"))).unwrap();
        let rows: Vec<JudgedAnswer> = rows.into_iter().filter(|row| row.task == "hallucinating").collect();
        let same = rows.iter().filter(|row| !row.answer.len().is_multiple_of(3)).count();
        agreement.insert(name, 100.0 * same as f64 / rows.len() as f64);
        for JudgedAnswer { question, answer, .. } in rows {
            let cells = serde_json::json!({ "question": question, "answer": answer, "hallucinating": score(&answer), "coherence": 100 });
            sheet.push(cells.as_object().unwrap().clone());
        }
    }
    let file = dir.path().join("second.csv");
    sheet.write(&file).unwrap();
    let second_judge = Some(JudgeSource::Scored { files: vec![file] });
    config.audit = Some(AuditSettings { second_judge, ..audit });
    let second = audited(&config, &out);
    assert_eq!(
        (first.tasks, second.reused),
        (7, 4),
        "the three audits ask the second judge, and nothing else is done again"
    );
    let judged = grid(&second, "second-judge");
    for (row, want) in judged.rows.iter().zip(agreement.values()) {
        assert!((row.1[2].unwrap() - want).abs() < 1e-9, "{row:?}: {want}");
    }
    assert_eq!(grid(&second, "side-effects"), effects);
    assert!(second.study.expectations.iter().any(|e| e.id == ExpectationId::JudgesAgree && e.met == Some(false)));
    assert_eq!(audited(&config, &out).reused, 7);
}
