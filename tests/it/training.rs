//! `train` from outside: golden numbers, kills, every intervention, and what is refused.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use trimtab::kernels::FusedOps;
use trimtab::model::{Learning, Transformer};
use trimtab::train::{self, FitContext, FitSettings};
use trimtab::vector::VectorFile;

use crate::support::goldens::{assert_close, fixture, floats};
use crate::support::place::{Place, said, stdout_json};
use crate::support::reference::{adapted, batch, examples, rolled, settings, steps, values, vectors};

/// Copies of a model that is trained further, and gradients of an earlier state, stay what they were: a GPU holds those of all adapters in
/// one buffer, and overwrites it only if no other tensor is a view of it.
fn kept<B: FusedOps>(device: &B::Device) {
    let mut model = adapted::<B>(device);
    let weights = |model: &Transformer<B>| -> Vec<Vec<f32>> {
        model.clone().parameters(Learning::Lora).into_iter().map(|(_, p)| values(p.flat())).collect()
    };
    let (batch, divisor) = batch(4);
    let gradients =
        |model: &Transformer<B>| train::gradients(model, Learning::Lora, &batch, divisor, false, None).parameters;
    let settings = FitSettings { max_steps: Some(2), warmup_steps: 0, ..settings() };
    let (examples, mut held) = (examples(), Vec::new());
    for _ in 0..3 {
        let gradients = gradients(&model);
        let were: Vec<Vec<f32>> = gradients.iter().map(|gradient| values(gradient.clone())).collect();
        assert!(were.iter().flatten().any(|x| *x != 0.0));
        held.push((model.clone(), weights(&model), gradients, were));
        assert_eq!(steps(&mut model, &FitContext::new(&examples, 0, &settings)).len(), 2);
        assert_ne!(weights(&model), held.last().unwrap().1);
    }
    for (model, weights_were, gradients, gradients_were) in held {
        assert_eq!(weights(&model), weights_were);
        assert_eq!(gradients.into_iter().map(values).collect::<Vec<_>>(), gradients_were);
    }
}

on_every_backend! {
    what_is_kept_of_a_model_outlives_its_training: kept,
}

#[test]
fn training_equals_the_reference() {
    let place = Place::new();
    place.vectors("v.safetensors");
    let adapter = fixture("adapter");
    for (mode, more) in [
        ("token_mean", ""),
        ("micro_mean", "loss_average = \"micro_batches\"\n"),
        ("steer", "[intervention]\ntype = \"steer\"\nvectors = \"v.safetensors\"\nlayers = [3]\ncoef = 5.0\n"),
    ] {
        place.golden_config(more);
        let words = format!("train c.toml --out {mode} --adapter {} --json", adapter.display());
        let output = place.succeeds(&words);
        assert_eq!(stdout_json(&output)["steps"], 10);
        let rows = place.rows(&format!("{mode}/metrics.jsonl"));
        for (key, bound) in [("loss", 1e-5), ("grad_norm", 1e-3)] {
            let found: Vec<f32> = rows.iter().map(|row| row[key].as_f64().unwrap() as f32).collect();
            assert_close(&format!("{mode} {key}"), &found, &floats(&format!("train.{mode}.{key}")).values, bound);
        }
        if mode == "steer" {
            assert!(said(&output).contains("layer 3 (block 2): planned"), "{}", said(&output));
        }
        for file in ["adapter/adapter_config.json", "adapter/adapter_model.safetensors", "run.toml", "lock.json"] {
            assert!(place.path(mode).join(file).is_file(), "{file}");
        }
    }
    let again = place.succeeds(&format!("train c.toml --out steer --adapter {} --json", adapter.display()));
    assert_eq!(stdout_json(&again)["reused"], true);
    place.fails(
        &format!("train c.toml --out steer --adapter {} --epochs 2", adapter.display()),
        2,
        &["another run", "epochs", "--overwrite"],
    );
    // What was resolved is a configuration.
    place.succeeds("train steer/run.toml --out same");
    assert_eq!(adapter_bytes(&place.path("same")), adapter_bytes(&place.path("steer")));
    // And the result can be worn.
    place.golden_prompts("p.jsonl");
    place.succeeds(
        "generate --model MODEL --prompts p.jsonl --out o.jsonl --max-new-tokens 4 --greedy --adapter steer/adapter",
    );
}

fn adapter_bytes(run: &Path) -> Vec<u8> {
    std::fs::read(run.join("adapter/adapter_model.safetensors")).unwrap()
}

/// The steps in a run's TensorBoard file, as its framing has them: length, checksum, event, checksum; in an event the time,
/// then the step.
fn events(run: &Path) -> Vec<i64> {
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
fn tracked(db: &Path, run: &str) -> Vec<i64> {
    let db = rusqlite::Connection::open(db).unwrap();
    let mut rows = db.prepare("SELECT step FROM metrics WHERE run_name = ?1 ORDER BY id").unwrap();
    rows.query_map([run], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_killed_run_ends_with_the_same_weights() {
    let place = Place::new();
    place.judged();
    let trait_ = [("trait".to_owned(), "flattering".to_owned())].into();
    VectorFile::new(vectors(), None, None, trait_).unwrap().write(&place.path("v.safetensors")).unwrap();
    // A vector that follows the model, a drift that is watched, and both trackers.
    let more = "r = 4\nlora_alpha = 8\nsave_steps = 3\nholdout = 0.1\nseed = 7\n\
                track = [\"tensorboard\", \"trackio\"]\ntrackio_project = \"killed\"\n\
                [intervention]\ntype = \"steer\"\nvectors = \"v.safetensors\"\nlayers = \"all\"\ncoef = 1.5\n\
                recompute_every = 4\npos = \"pos.csv\"\nneg = \"neg.csv\"\ntexts = 2\n\
                [watch]\nevery = 5\nfile = \"probe.jsonl\"\nlayer = 2\ngradient = true\n";
    place.golden_config(more);
    let chats = std::fs::read_to_string(place.path("chats.jsonl")).unwrap();
    place.write("probe.jsonl", chats.lines().take(2).map(|line| format!("{line}\n")).collect::<String>());
    let text = std::fs::read_to_string(place.path("c.toml")).unwrap().replace("epochs = 1", "epochs = 4");
    place.write("c.toml", text.replace("shuffle = false", "shuffle = true"));
    let whole = place.told("train c.toml --out whole");
    assert!(whole["holdout_loss"].is_f64() && whole["drift"].is_f64(), "{whole}");
    let extracted: Vec<u64> =
        place.rows("whole/vectors.jsonl").iter().map(|row| row["step"].as_u64().unwrap()).collect();
    assert_eq!(extracted, [0, 4, 8, 12, 16, 20, 24, 28, 32]);
    let drifts = place.rows("whole/metrics.jsonl").iter().filter(|row| row["drift"].is_f64()).count();
    assert_eq!(drifts, 8, "every fifth step, and the last");
    let pressed = place.rows("whole/pressure.jsonl");
    assert_eq!(pressed.len(), 1 + 8, "before the first step, too");
    assert!(
        pressed.iter().all(|row| row["on"] != row["off"] && row["on"].as_array().unwrap().len() == 4),
        "{pressed:?}"
    );

    for (out, signal) in [("killed", "KILL"), ("stopped", "INT")] {
        let mut child = place.start(&format!("train c.toml --out {out}"));
        let began = Instant::now();
        while place.lines(&format!("{out}/metrics.jsonl")) < 8 {
            assert!(began.elapsed() < Duration::from_secs(120), "no steps");
            std::thread::sleep(Duration::from_millis(1));
        }
        let sent = std::process::Command::new("kill").args([format!("-{signal}"), child.id().to_string()]).status();
        assert!(sent.unwrap().success());
        let status = child.wait().unwrap();
        assert!(!status.success(), "the run was over before it could be stopped");
        if signal == "INT" {
            assert_eq!(status.code(), Some(130));
        }
        assert!(!place.path(out).join("adapter").exists());
        let rest = place.succeeds(&format!("train c.toml --out {out} --json"));
        assert!(said(&rest).contains("going on after step"), "{}", said(&rest));
        assert_eq!(adapter_bytes(&place.path(out)), adapter_bytes(&place.path("whole")));
        for file in ["metrics.jsonl", "vectors.jsonl", "pressure.jsonl"] {
            let read = |run: &str| std::fs::read_to_string(place.path(run).join(file)).unwrap();
            assert_eq!(read(out), read("whole"), "{file}");
        }
        assert_eq!(stdout_json(&rest)["holdout_loss"], whole["holdout_loss"]);
        let steps: Vec<i64> = (1..=whole["steps"].as_i64().unwrap()).collect();
        assert_eq!(events(&place.path(out)), steps);
        assert_eq!(tracked(&place.path("trackio/killed.db"), out), steps);
    }
}

/// Three steps of each intervention (the first has rate 0, and before the second nothing has moved), and what is said and told of it.
#[test]
fn every_intervention_trains_from_a_configuration() {
    let place = Place::new();
    place.vectors("v.safetensors");
    place.vector("w.safetensors", rolled());
    place.golden_config("");
    let plain = std::fs::read_to_string(place.path("c.toml")).unwrap();
    place.write("negative.jsonl", std::fs::read(place.path("chats.jsonl")).unwrap());
    let mut adapters = Vec::new();
    for (name, table, wants) in [
        ("plain", "", &[][..]),
        (
            "span",
            "type = \"ablate\"\nvectors = [\"v.safetensors\", \"w.safetensors\"]",
            &["ablate the span of 2 vectors at 4 layers", "is left along the direction", "and at 5 more"][..],
        ),
        (
            "mean",
            "type = \"ablate\"\nvectors = \"v.safetensors\"\nto = \"mean\"",
            &["ablate to the base model's mean at 4 layers", "and at 9 more"],
        ),
        (
            "loss",
            "type = \"regularize\"\nvectors = \"v.safetensors\"\nlayers = [2, 3]\nlambda = 0.1\nmode = \"hinge\"",
            &["regularisation: hinge, weight 0.1, at 2 layers"],
        ),
        (
            "random",
            "type = \"random\"\nvectors = \"v.safetensors\"\nlayers = \"all\"\ncoef = 2\nseed = 5",
            &["random directions of the same norms, drawn with seed 5", "planned"],
        ),
        ("negative", "type = \"negative-data\"\nfile = \"negative.jsonl\"\nshare = 0.2", &["10 of 50 training chats"]),
        (
            "prompts",
            "type = \"inoculate\"\nprompts = [\"Be bad.\"]",
            &["one of 1 system prompts before each of 40 chats"],
        ),
    ] {
        let table = if table.is_empty() { String::new() } else { format!("[intervention]\n{table}\n") };
        place.write("c.toml", format!("{plain}max_steps = 3\nr = 2\n{table}"));
        let output = place.succeeds(&format!("train c.toml --out {name} --json"));
        for want in wants {
            assert!(said(&output).contains(want), "{name}: `{want}` is not in\n{}", said(&output));
        }
        let told = stdout_json(&output);
        assert_eq!(told["intervention"].is_null(), name == "plain", "{told}");
        assert_eq!(place.rows(&format!("{name}/metrics.jsonl"))[0]["regularisation"].is_f64(), name == "loss");
        // What was resolved is the same run again.
        assert_eq!(place.told(&format!("train {name}/run.toml --out {name}"))["reused"], true);
        adapters.push(adapter_bytes(&place.path(name)));
    }
    adapters.sort();
    adapters.dedup();
    assert_eq!(adapters.len(), 7, "each trains something else");

    // A limit that the first measurement passes.
    let watch =
        "[watch]\nevery = 2\nfile = \"chats.jsonl\"\nvectors = \"v.safetensors\"\nlayer = 2\nstop_above = -1e9\n";
    place.write("c.toml", format!("{plain}r = 2\n{watch}"));
    let told = place.told("train c.toml --out stopped");
    assert_eq!(
        (&told["stopped"], &told["complete"], &told["steps"]),
        (&json!(true), &json!(true), &json!(2)),
        "{told}"
    );
    assert!(place.path("stopped/adapter/adapter_model.safetensors").is_file());
    assert_eq!(place.told("train c.toml --out stopped")["reused"], true);
}
