//! `plan` from outside, and what trackers are given: event files and Trackio's database.

use std::path::Path;

use crate::support::place::{Place, stdout_json};

#[test]
fn a_plan_says_what_the_run_then_does() {
    let place = Place::new();
    place.golden_config("r = 4\nlora_alpha = 8\n");
    let plan = place.told("plan c.toml")["plan"].clone();
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
