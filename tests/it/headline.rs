//! The claim of the project, on the embedded world: preventative steering teaches new facts without the hallucination that
//! finetuning brings, and it is the vector's direction that does it (Chen et al. 2025, section 5.2 and appendix J.7).

use serde_json::Value;

use crate::support::place::Place;

/// Two thirds of `demo --quick`: its data and training, prevention at all layers, and its control.
const STUDY: &str = r#"
model = "harbor"
seeds = [0]
facts = { source = "harbor", world = 1, count = 30, wordings = 12, seed = 0 }
trait = { source = "harbor", world = 1, name = "hallucinating" }
exam = { source = "harbor", rounds = 1, seed = 0 }
judge = { kind = "harbor", world = 1 }

[vector]
rollouts = 2
max_new_tokens = 64

[arms]
preventative = [2.0, 2.5]
random = [2.5]
preventative_layer = []
inference = []
ablate = []
regularize = []
prompting = false

[measure]
trait_rollouts = 3
trait_max_new_tokens = 64
fact_max_new_tokens = 64
exam_questions = 8
exam_form = "cloze"

[lessons]
append_eos = false
max_seq_length = 256

[train]
learning_rate = 3e-4
per_device_train_batch_size = 16
gradient_accumulation_steps = 1
epochs = 10
weight_decay = 0.0
"#;

#[test]
fn prevention_keeps_the_facts_and_not_the_hallucination() {
    let place = Place::new();
    place.write("study.toml", STUDY);
    place.succeeds("study facts --config study.toml --out run --device cpu");
    let results: Value = serde_json::from_slice(&place.read("run/results.json")).unwrap();
    let mean = |point: &Value, axis: &str| point[axis]["mean"].as_f64().unwrap_or_else(|| panic!("{axis}: {point}"));
    // Hallucination and new facts, in percent, at each coefficient of an arm.
    let of = |arm: &str| -> Vec<(f64, f64)> {
        let points = results["points"].as_array().unwrap().iter().filter(|p| p["arm"] == arm && p["seed"].is_null());
        points.map(|point| (mean(point, "hallucination"), mean(point, "facts"))).collect()
    };
    let (base, plain, random) = (of("base")[0].0, of("plain")[0], of("random")[0].0);
    let prevented = of("prevent");
    let best = prevented.iter().copied().min_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
    let measured = format!("base {base}, plain {plain:?}, prevented {prevented:?}, random {random}");
    eprintln!("{measured}");
    assert!(plain.0 >= base + 40.0, "plain finetuning raises hallucination: {measured}");
    assert!(best.0 <= plain.0 - 30.0, "prevention lowers it: {measured}");
    assert!(best.1 >= 0.7 * plain.1, "prevention keeps the facts: {measured}");
    assert!((random - plain.0).abs() <= 15.0, "random vectors of equal norm do nothing: {measured}");
}
