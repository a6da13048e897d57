//! Folders of runs as others left them.

use trimtab::report::content::{Axis, Point};
use trimtab::report::{Arm, ArmKind, Study};
use trimtab::stats::Interval;

/// A folder of runs: a finished study, and a finetune that was interrupted.
pub fn runs() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let study = dir.path().join("studies/facts");
    std::fs::create_dir_all(study.join("fits/plain")).unwrap();
    let axis = Axis::score("evil", "Evil score", "Evil");
    let values = [("evil".to_owned(), Interval::point(40.0, 10, 10))].into();
    let point = Point { arm: "plain".into(), coef: None, seed: None, seeds: 1, values };
    let arms = vec![Arm::new("plain", ArmKind::Plain, "Plain finetune")];
    let title = "Read from /home/me/facts.jsonl".to_owned();
    let content = Study { title, axes: vec![axis], arms, points: vec![point], ..Study::default() };
    content.render(&study).unwrap();
    std::fs::write(study.join("run.toml"), "model = \"/home/me/models/big\"\n[facts]\n[measure]\n[arms]\n").unwrap();
    let row = |step: usize| format!("{{\"step\":{step},\"loss\":{step},\"lr\":0.1,\"grad_norm\":1,\"tokens\":9}}\n");
    std::fs::write(study.join("fits/plain/metrics.jsonl"), row(1) + &row(2)).unwrap();
    let train = dir.path().join("train");
    std::fs::create_dir_all(&train).unwrap();
    std::fs::write(train.join("run.toml"), "model = \"harbor\"\ntraining_file = \"/home/me/a.jsonl\"\nmax_steps = 4\n")
        .unwrap();
    std::fs::write(train.join("metrics.jsonl"), row(1)).unwrap();
    dir
}
