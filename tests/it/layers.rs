//! `layers` from outside: a layer is found on Harbor, a sweep's rows are those of single runs, and a kill changes no file.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use trimtab::vector::{PersonaVector, VectorFile};

use crate::support::place::Place;
use crate::support::reference::vectors;

/// A place with a vector file for the tiny model, of three positions.
fn with_vectors() -> Place {
    let (place, rows) = (Place::new(), vectors().rows);
    let turned = |by: usize| PersonaVector::new(rows.iter().cycle().skip(by).take(rows.len()).cloned().collect());
    let vectors = turned(0).and_then(|v| VectorFile::new(v, turned(1).ok(), turned(2).ok(), BTreeMap::new()));
    vectors.unwrap().write(&place.path("v.safetensors")).unwrap();
    place
}

const TINY: &str =
    "layers --model MODEL --trait evil --judge harbor --vectors v.safetensors --max-new-tokens 8 --seed 5";

#[test]
fn a_layer_that_moves_the_trait_is_found_on_harbor() {
    let place = Place::new();
    place.ends("extract --model harbor --trait evil --quick --run extract --out v.safetensors", 0);
    let words = "layers --model harbor --trait evil --vectors v.safetensors --out run --coefs 0.5,1,1.25,1.5,2 --at 1.5 \
                 --rollouts 3 --max-new-tokens 48 --confirm --choose coherent --auto-range 4 --compare-positions \
                 --fractions 0.5,0.7,0.9 --json";
    let (found, talk) = place.ends(words, 0);
    let found: Value = serde_json::from_str(&found).unwrap();
    assert!(talk.contains("layers x 5 coefficients and 0, 20 questions, 3 answers each"), "{talk}");
    let grid = found["grid"].as_array().unwrap();
    let unsteered = grid[0]["score"]["mean"].as_f64().unwrap();
    assert!(grid[0]["layer"].is_null() && unsteered < 20.0, "{}", grid[0]);
    for rule in ["paper_rule", "coherent_rule"] {
        let choice = &found[rule];
        assert!(choice["score"]["mean"].as_f64().unwrap() > unsteered + 20.0, "{choice}");
        assert!(choice["residual_fraction"].as_f64().is_some_and(|share| share > 0.0 && share < 10.0), "{choice}");
        assert_eq!(choice["coherence"]["clusters"], 20);
    }
    assert!(found["coherent_rule"]["coherence"]["mean"].as_f64().unwrap() >= 75.0);
    // What the extraction questions chose holds on the others.
    let confirmed = found["confirmed"].as_array().unwrap();
    let moved =
        |cell: &Value| cell["score"]["mean"].as_f64().unwrap() - confirmed[0]["score"]["mean"].as_f64().unwrap();
    assert!(confirmed.len() >= 2 && confirmed[1..].iter().all(|cell| moved(cell) > 15.0), "{confirmed:?}");
    let tried = found["range"]["tried"].as_array().unwrap().len();
    assert!(tried > 5 && found["range"]["coherent_to"].as_f64() >= found["coherent_rule"]["coef"].as_f64(), "{found}");
    // Averages over the response steer best at equal norms (Chen et al. 2025, figure 11).
    let over_norms = |i: usize| -> f64 {
        let cells = found["positions"]["positions"][i][1].as_array().unwrap();
        cells.iter().filter_map(|cell| cell["score"]["mean"].as_f64()).sum::<f64>() / cells.len() as f64
    };
    let [response, prompt, last] = [0, 1, 2].map(over_norms);
    assert!(response > prompt - 5.0 && response > last - 5.0 && response > 20.0, "{response} {prompt} {last}");
    for file in
        ["heatmap.png", "curves.png", "range.png", "report.html", "positions/positions.png", "positions/report.html"]
    {
        assert!(place.path("run").join(file).is_file(), "{file}");
    }
}

#[test]
fn a_sweeps_rows_are_those_of_single_runs() {
    let place = with_vectors();
    for (out, rollouts, drawn) in [("greedy", 1, "--greedy"), ("drawn", 3, "--temperature 1 --rollouts 3")] {
        place.ends(&format!("{TINY} --layers 2,4 --coefs 1,4 --questions 4 --rollouts {rollouts} --out {out}"), 0);
        let swept = place.rows(&format!("{out}/answers.jsonl"));
        assert_eq!(swept.len(), (1 + 4) * 4 * rollouts);
        let prompts: BTreeMap<&str, &Value> =
            swept.iter().map(|row| (row["question_id"].as_str().unwrap(), &row["question"])).collect();
        let line = |(id, question): (&&str, &&Value)| {
            json!({ "id": id, "messages": [{ "role": "user", "content": question }] }).to_string() + "\n"
        };
        place.write("p.jsonl", prompts.iter().map(line).collect::<String>());
        let mut texts = Vec::new();
        for (layer, coef) in [(0, 0.0), (2, 1.0), (2, 4.0), (4, 1.0), (4, 4.0)] {
            let steering = if layer == 0 {
                String::new()
            } else {
                format!("--vectors v.safetensors --layer {layer} --coef {coef}")
            };
            let generate = "generate --model MODEL --prompts p.jsonl --out one.jsonl --max-new-tokens 8 --seed 5";
            place.ends(&format!("{generate} {drawn} {steering}"), 0);
            for single in place.rows("one.jsonl") {
                let same = |row: &&Value| {
                    row["layer"].as_u64().unwrap_or(0) == layer
                        && row["coef"].as_f64() == Some(coef)
                        && (&row["question_id"], &row["rollout"]) == (&single["id"], &single["rollout"])
                };
                let in_sweep = swept.iter().find(same).unwrap();
                assert_eq!(in_sweep["answer"], single["text"], "layer {layer} at {coef}: {single}");
                texts.push(single["text"].to_string());
            }
        }
        texts.sort();
        texts.dedup();
        assert!(texts.len() > 8, "steering and questions make a difference: {texts:?}");
    }
}

#[test]
fn a_killed_sweep_ends_with_the_same_files() {
    let place = Place::new();
    place.ends("extract --model harbor --trait evil --quick --run extract --out v.safetensors", 0);
    let words = "layers --model harbor --trait evil --vectors v.safetensors --coefs 0.5,1,1.5 --rollouts 3 --max-new-tokens 32 \
                 --confirm --auto-range 2 --compare-positions --fractions 0.5,0.7";
    place.ends(&format!("{words} --out whole"), 0);
    let answers = place.lines("whole/answers.jsonl");
    // The grid, the confirmation with at least one choice, a step of the range, and two norms for each of three positions.
    assert!(answers >= (19 + 2 + 1 + 6) * 20 * 3, "{answers}");
    for share in [0.1, 0.5] {
        let reached = || place.lines("killed/answers.jsonl") as f64 >= share * answers as f64;
        place.killed(&format!("{words} --out killed"), reached);
        assert!(!place.path("killed/results.json").exists());
    }
    place.ends(&format!("{words} --out killed"), 0);
    place.same_files("whole", "killed");
    let (_, talk) = place.ends(&format!("{words} --out whole --positions all"), 2);
    assert!(talk.contains("differs in positions") && talk.contains("--overwrite"), "{talk}");
}

#[test]
fn bad_grids_are_refused_before_anything_is_asked() {
    let place = with_vectors();
    for (more, want) in [
        ("--coefs 0", "no coefficient besides 0"),
        ("--coefs 1,2 --at 3", "--at 3: is none of the coefficients 1, 2"),
        ("--layers 9", "layer 9 does not exist"),
        ("--layers 4-2", "`4-2` is no layer"),
        ("--min-coherence 101", "scores are 0 to 100"),
        ("--norms 10", "--compare-positions"),
        ("--compare-positions --fractions 0", "must be above 0"),
        ("--trait bold", "there is no trait `bold`"),
    ] {
        let words = format!("{TINY} --out run {more}");
        let words = if more.starts_with("--trait") { words.replacen("--trait evil", "", 1) } else { words };
        let (_, talk) = place.ends(&words, 2);
        assert!(talk.contains(want), "{more}: {talk}");
    }
    assert!(!place.path("run/answers.jsonl").exists());
}
