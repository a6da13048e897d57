//! The claim of the project, on the embedded world: preventative steering teaches new facts without the hallucination that
//! finetuning brings, and it is the vector's direction that does it (Chen et al. 2025, section 5.2 and appendix J.7).

use serde_json::Value;

use crate::support::place::Place;

/// Half of `demo --quick`: its data and training, prevention at all layers, and random vectors at the same coefficient.
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
preventative = [2.0]
random = [2.0]
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
    // Hallucination and new facts of an arm, in percent.
    let of = |arm: &str| -> (f64, f64) {
        let mut points = results["points"].as_array().unwrap().iter();
        let point = points.find(|p| p["arm"] == arm && p["seed"].is_null()).unwrap_or_else(|| panic!("no arm {arm}"));
        (mean(point, "hallucination"), mean(point, "facts"))
    };
    let [base, plain, prevented, random] = ["base", "plain", "prevent", "random"].map(of);
    let measured = format!("base {base:?}, plain {plain:?}, prevented {prevented:?}, random {random:?}");
    eprintln!("{measured}");
    assert!(plain.0 >= base.0 + 40.0, "plain finetuning raises hallucination: {measured}");
    assert!(prevented.0 <= plain.0 - 30.0, "prevention lowers it: {measured}");
    assert!(prevented.1 >= 0.7 * plain.1, "prevention keeps the facts: {measured}");
    assert!((random.0 - plain.0).abs() <= 15.0, "random vectors of equal norm do nothing: {measured}");
}

/// A study on a GPU gives the CPU's table: of every arm and axis the means lie within the other's interval, or the intervals meet. A smaller
/// study than above, for a device that is no software or for somebody who waits ten minutes
/// (`CUBECL_AUTOTUNE_LEVEL=minimal cargo test --release --features wgpu --test it -- --ignored --nocapture a_study`).
#[cfg(any(feature = "wgpu", feature = "vulkan", feature = "metal"))]
#[test]
#[ignore = "takes minutes where the GPU is software"]
fn a_study_on_a_gpu_gives_the_cpus_table() {
    if let Err(why) = crate::support::backends::wgpu_device() {
        return eprintln!("skipped: {why}");
    }
    let gpu = trimtab::device::devices().into_iter().find(|one| one.binding_max.is_some()).unwrap().name;
    let place = Place::new();
    let small =
        STUDY.replace("count = 30, wordings = 12", "count = 10, wordings = 6").replace("epochs = 10", "epochs = 3");
    place.write("study.toml", small.replace("exam_questions = 8", "exam_questions = 4"));
    let table = |device: &str, out: &str| -> Vec<(String, [f64; 3])> {
        place.succeeds(&format!("study facts --config study.toml --out {out} --device {device} --dtype f32"));
        let results: Value = serde_json::from_slice(&place.read(&format!("{out}/results.json"))).unwrap();
        let mut cells = Vec::new();
        for point in results["points"].as_array().unwrap() {
            for (axis, cell) in point.as_object().unwrap() {
                let number = |key: &str| cell[key].as_f64();
                if let Some(mean) = number("mean") {
                    let ends = [mean, number("low").unwrap_or(mean), number("high").unwrap_or(mean)];
                    cells.push((format!("{} {} {} {axis}", point["arm"], point["coef"], point["seed"]), ends));
                }
            }
        }
        cells
    };
    let (ours, want) = (table(&gpu, "gpu"), table("cpu", "cpu"));
    assert!(want.len() >= 8, "{want:?}");
    assert_eq!(ours.len(), want.len());
    for ((cell, [mean, low, high]), (same, [wanted, least, most])) in ours.iter().zip(&want) {
        eprintln!("{cell}: {mean:.1} ({low:.1} to {high:.1}), CPU {wanted:.1} ({least:.1} to {most:.1})");
        assert_eq!(cell, same);
        assert!(low <= most && least <= high, "{cell}: {low} to {high} against {least} to {most}");
        assert!((least..=most).contains(&mean) || (mean - wanted).abs() <= 5.0, "{cell}: {mean} against {wanted}");
    }
}
