//! `plan` from outside, and what trackers are given: event files and Trackio's database.

use std::path::Path;

use crate::cli::{Place, stdout_json};
use crate::training::golden_config;

/// The steps in a run's TensorBoard file, as its framing has them: length, checksum, event, checksum; in an event the time,
/// then the step.
pub fn events(run: &Path) -> Vec<i64> {
    let mut files = std::fs::read_dir(run).unwrap().map(|entry| entry.unwrap().path());
    let file = files.find(|path| path.to_string_lossy().contains("events.out.tfevents.")).expect("an event file");
    let (bytes, mut at, mut steps) = (std::fs::read(file).unwrap(), 0, Vec::new());
    while at < bytes.len() {
        let length = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
        let event = &bytes[at + 12..at + 12 + length];
        if event[9] == 0x10 {
            steps.push(i64::from(event[10]));
        }
        at += length + 16;
    }
    steps
}

/// The steps of a run in Trackio's database.
pub fn tracked(db: &Path, run: &str) -> Vec<i64> {
    let db = rusqlite::Connection::open(db).unwrap();
    let mut rows = db.prepare("SELECT step FROM metrics WHERE run_name = ?1 ORDER BY id").unwrap();
    rows.query_map([run], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_plan_says_what_the_run_then_does() {
    let place = Place::new();
    golden_config(&place, "r = 4\nlora_alpha = 8\n");
    let plan = stdout_json(&place.succeeds("plan c.toml --json"))["plan"].clone();
    let run = stdout_json(&place.succeeds("train c.toml --out run --json --track none"));
    assert_eq!((&plan["steps"], &plan["tokens"]), (&run["steps"], &run["tokens"]));
    let weights = values(&place.path("run/adapter/adapter_model.safetensors"));
    assert_eq!(plan["learned"].as_u64(), Some(weights));
    assert!(plan["time"]["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0), "{plan}");
    assert!(plan["memory"]["total"].as_u64() > plan["memory"]["weights"].as_u64());
    assert_eq!(plan["recompute"], false, "it fits");
    let mut left = std::fs::read_dir(place.path("run")).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(left.all(|name| !name.to_string_lossy().contains("tfevents")), "--track none");

    let quick = place.succeeds("plan c.toml --no-calibrate");
    let text = String::from_utf8_lossy(&quick.stdout).into_owned();
    assert!(text.contains("time     not tried") && text.contains("activations are kept"), "{text}");
    place.fails("train c.toml --out x --track wandb", 2, &["--track wandb", "tensorboard and trackio"]);
}

/// How many values a safetensors file holds.
fn values(path: &Path) -> u64 {
    let bytes = std::fs::read(path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    file.tensors().iter().map(|(_, t)| t.shape().iter().product::<usize>() as u64).sum()
}
