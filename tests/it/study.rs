//! The fact study with real tensors, on the smallest model there is. What it finds means nothing; that it runs, resumes and
//! steers what it says is what counts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use trimtab::harbor::World;
use trimtab::judge::{Exhibit, Judge, Rubric, Verdict};
use trimtab::study::facts::demo_config;
use trimtab::study::{Event, Kind, StudyConfig, run};
use trimtab::vector::{PersonaVector, VectorFile};
use trimtab::{Result, lab};

use crate::goldens::fixture;

/// Scores by length, so that there is something to count; a reference is a right answer.
struct LengthJudge;

impl Judge for LengthJudge {
    fn name(&self) -> &str {
        "length"
    }

    fn judge(&mut self, _: &Rubric, exhibits: &[Exhibit]) -> Result<Vec<Verdict>> {
        let score = |e: &Exhibit| match e.reference.as_ref() == Some(&e.answer) {
            true => 100.0,
            false => (e.answer.len() % 101) as f64,
        };
        let verdict = |e: &Exhibit| Verdict { score: Some(score(e)), why: String::new() };
        Ok(exhibits.iter().map(verdict).collect())
    }
}

/// A study of the smallest model, for seconds.
pub fn config(dir: &std::path::Path) -> StudyConfig {
    let mut config = demo_config(&fixture("tiny"), &World::new(0), true, 3);
    let row = |l: usize| (0..64).map(|d| ((l * 7 + d) as f32).sin() * l as f32 * 0.05).collect();
    let vector = PersonaVector::new((0..5).map(row).collect()).unwrap();
    let path = dir.join("given.safetensors");
    VectorFile::new(vector, None, None, BTreeMap::new()).unwrap().write(&path).unwrap();
    config.vector.file = Some(path);
    config.train.max_steps = Some(2);
    config.measure.trait_questions = Some(3);
    config.measure.exam_questions = Some(4);
    config.measure.trait_max_new_tokens = 6;
    config.measure.fact_max_new_tokens = 4;
    config.arms.preventative = vec![1.0];
    config.arms.inference = vec![0.5, 1.0];
    config
}

#[test]
fn the_fact_study_runs_and_resumes_on_a_real_model() {
    let dir = tempfile::tempdir().unwrap();
    let (config, out) = (config(dir.path()), dir.path().join("run"));
    let lab = lab::open("cpu", "auto").unwrap();
    let finished = AtomicUsize::new(0);
    let tell = |event: &Event<'_>| {
        if let Event::Finished { .. } = event {
            finished.fetch_add(1, Ordering::Relaxed);
        }
    };
    let judges = || -> Result<Box<dyn Judge>> { Ok(Box::new(LengthJudge)) };
    let first = run(Kind::Facts, &config, &out, &*lab, &judges, &tell).unwrap();
    // Vector; plain, all layers, one layer, prompting, random; sweep, elicitation and base.
    assert_eq!((first.pieces, finished.load(Ordering::Relaxed)), (9, 9));
    assert!(first.study.notes.iter().any(|n| n.contains("proved itself")), "{:?}", first.study.notes);
    let adapter = out.join("fits/prevent+1-seed3/adapter");
    assert!(adapter.join("adapter_model.safetensors").is_file() && adapter.join("adapter_config.json").is_file());
    let again = run(Kind::Facts, &config, &out, &*lab, &judges, &tell).unwrap();
    assert_eq!((again.reused, &again.study), (9, &first.study));
    assert!(out.join("report.html").is_file());
}

#[test]
fn devices_side_by_side_make_the_same_study() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let judges = || -> Result<Box<dyn Judge>> { Ok(Box::new(LengthJudge)) };
    let ran = |device: &str, out: &str| {
        let lab = lab::open(device, "auto").unwrap();
        let report = run(Kind::Facts, &config, &dir.path().join(out), &*lab, &judges, &|_| {}).unwrap();
        (report.reused, report.study)
    };
    let alone = ran("cpu", "alone");
    assert_eq!(ran("cpu, cpu", "halves"), alone);
    // What one of them worked out, the other finds.
    assert_eq!(ran("cpu,cpu,cpu", "alone"), (9, alone.1));
    let twice = lab::open("wgpu:0,wgpu:0", "auto").err().unwrap();
    assert!(twice.to_string().contains("wgpu:0 is named twice"), "{twice}");
}
