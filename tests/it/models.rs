//! Models in their real layout: shards in bf16, a vocabulary with more rows than the tokenizer, tables held in parts, the
//! memory that loading takes, and every command on every architecture.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use burn_flex::Flex;
use burn_tensor::DType;
use serde_json::json;
use trimtab::generate::{Budget, Engine, Job, Reply, Vocabulary};
use trimtab::language_model::Sampling;
use trimtab::model::files::{Shards, write_shards};
use trimtab::model::{Architecture, Learning, ModelConfig, Transformer, WeightStorage, drawn};
use trimtab::tensorfile::Dtype;
use trimtab::text::{Rows, Tokenizer, TrainingExample};
use trimtab::train::{self, FitSettings};

use crate::support::goldens::{Goldens, assert_close, fixture};
use crate::support::place::Place;

fn config(hidden: usize, inner: usize, blocks: usize, vocabulary: usize, tied: bool) -> ModelConfig {
    ModelConfig::from_json(&json!({
        "model_type": "qwen2", "hidden_size": hidden, "intermediate_size": inner, "num_hidden_layers": blocks,
        "num_attention_heads": 8, "num_key_value_heads": 2, "vocab_size": vocabulary, "hidden_act": "silu",
        "max_position_embeddings": 512, "rms_norm_eps": 1e-6, "rope_theta": 1e6, "tie_word_embeddings": tied,
        "torch_dtype": "bfloat16",
    }))
    .unwrap()
}

/// A random model folder as the hub has them, with the tiny model's tokenizer.
fn write(dir: &Path, config: &ModelConfig, shards: usize) {
    let shapes: std::collections::BTreeMap<_, _> = config.tensors().into_iter().collect();
    write_shards(dir, config, Dtype::BF16, shards, Some(&fixture("tiny")), |name| {
        Ok(drawn(name, &shapes[name], config.num_hidden_layers, 7))
    })
    .unwrap();
}

fn load(dir: &Path, storage: impl Into<WeightStorage>) -> Transformer<Flex> {
    Transformer::load(dir, &Default::default(), storage).unwrap()
}

fn answers(model: &Transformer<Flex>, budget: Budget) -> Vec<Reply> {
    let tokenizer = Tokenizer::load(&fixture("tiny")).unwrap();
    let vocabulary = Vocabulary { len: tokenizer.len(), eos_ids: tokenizer.eos_ids().to_vec() };
    let engine = Engine::new(model.clone(), vocabulary).with_budget(budget);
    let job = |(i, prompt): (usize, &[u32])| Job { id: i.to_string(), prompt: prompt.into(), coefs: None };
    let jobs: Vec<Job> =
        [&[5u32, 9, 300, 17][..], &[1, 2], &[400, 3, 3, 8, 21, 90]].into_iter().enumerate().map(job).collect();
    let sampling = Sampling { rollouts: 2, temperature: 0.9, ..Sampling::greedy(12) };
    engine.generate(&jobs, &sampling, &mut |_| {}).unwrap()
}

#[test]
fn a_sharded_model_in_bf16_with_spare_rows_loads_and_answers() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(64, 160, 3, 2048, true);
    write(dir.path(), &config, 3);
    let mut names: Vec<_> =
        fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.ends_with("safetensors") || name.ends_with("index.json"));
    names.sort();
    let shard = |i| format!("model-0000{i}-of-00003.safetensors");
    assert_eq!(names, [shard(1), shard(2), shard(3), "model.safetensors.index.json".into()]);
    let shards = Shards::open(dir.path()).unwrap();
    shards.verify(&ModelConfig::read(dir.path()).unwrap()).unwrap();

    let replies = answers(&load(dir.path(), DType::F32), Budget::default());
    assert_eq!(replies.len(), 6);
    let known = Tokenizer::load(&fixture("tiny")).unwrap().len();
    assert!(replies.iter().flat_map(|reply| &reply.tokens).all(|&id| (id as usize) < known));
    let narrow = Budget { cache_tokens: 40, rows_max: 2, pass_tokens: 7 };
    assert_eq!(answers(&load(dir.path(), DType::F32), narrow), replies, "the budget decides no result");
}

/// A storage whose tables fall into parts of so many rows.
fn in_parts(rows: usize, hidden: usize) -> WeightStorage {
    WeightStorage { dtype: DType::F32, tensor_bytes_max: (rows * hidden * 4) as u64 }
}

fn lessons() -> Vec<TrainingExample> {
    let lesson = |seed: u32| {
        let ids: Vec<u32> = (0..12 + seed % 5).map(|i| (i * 37 + seed * 101) % 512).collect();
        let weights = (0..ids.len()).map(|i| if i < 4 { 0.0 } else { 1.0 }).collect();
        TrainingExample { ids, weights }
    };
    (0..6).map(lesson).collect()
}

/// The losses of three steps of training everything, and all weights after them.
fn trained(mut model: Transformer<Flex>) -> (Vec<f64>, Vec<f32>) {
    let settings =
        FitSettings { learning_rate: 1e-2, warmup_steps: 0, micro_batch: 2, accumulation: 1, ..FitSettings::default() };
    let mut losses = Vec::new();
    let lessons = lessons();
    train::fit(&mut model, Learning::Full, &train::FitContext::new(&lessons, 0, &settings), &mut |event| {
        if let train::Event::Step(report, ..) = event {
            losses.push(report.loss);
        }
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    let dir = tempfile::tempdir().unwrap();
    model.save(dir.path(), Dtype::F32, None).unwrap();
    let shards = Shards::open(dir.path()).unwrap();
    let values = model.config.tensors().into_iter().flat_map(|(name, shape)| shards.read_f32(&name, &shape).unwrap());
    (losses, values.collect())
}

#[test]
fn tables_in_parts_are_the_same_model() {
    for tied in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let config = config(64, 96, 2, 600, tied);
        write(dir.path(), &config, 2);
        let whole = load(dir.path(), DType::F32);
        let (losses, weights) = trained(whole.clone());
        let replies = answers(&whole, Budget::default());
        let ids: Vec<u32> = (0..24).map(|i| i * 25).collect();
        let rows = Rows::whole(&[&ids], vec![ids.len()], 0);
        let values = |model: &Transformer<Flex>| -> Vec<f32> {
            let stream = model.stream(&model.pass(&rows, rows.width), None, |_, _| {});
            model.logits(&stream).into_data().iter::<f32>().collect()
        };
        // 600 rows: even parts, a shorter last one, one row each.
        for rows in [150, 70, 1] {
            let parted = load(dir.path(), in_parts(rows, 64));
            assert_eq!(parted.embed_tokens.parts().len(), 600usize.div_ceil(rows));
            assert_eq!(
                parted.lm_head.as_ref().map(|head| head.parts().len()),
                (!tied).then(|| 600usize.div_ceil(rows))
            );
            let name = format!("tied {tied}, parts of {rows}");
            assert_close(&format!("{name}: logits"), &values(&parted), &values(&whole), 1e-6);
            assert_eq!(answers(&parted, Budget::default()), replies, "{name}");
            if rows > 1 {
                let (now, after) = trained(parted);
                assert_eq!(now.len(), losses.len());
                assert!(now.iter().zip(&losses).all(|(a, b)| (a - b).abs() < 1e-5 * b), "{name}: {now:?} {losses:?}");
                assert_close(&format!("{name}: weights"), &after, &weights, 1e-4);
            }
        }
    }
}

/// A place whose model is the golden one of that architecture, with the tiny tokenizer and this chat template.
fn place_of(architecture: Architecture, template: &str) -> Place {
    let mut place = Place::new();
    let folder = place.path("base");
    fs::create_dir(&folder).unwrap();
    let copy = |from: std::path::PathBuf, name: &str| {
        fs::copy(from, folder.join(name)).unwrap();
    };
    for name in ["config.json", "model.safetensors"] {
        copy(Goldens::of(architecture).model.join(name), name);
    }
    for name in ["tokenizer.json", "tokenizer_config.json", "generation_config.json"] {
        copy(fixture("tiny").join(name), name);
    }
    copy(fixture("templates").join(template), "chat_template.jinja");
    place.model = folder.display().to_string();
    place
}

const JUDGE: &str = r#"
[trait.optimistic]
base = 40
rules = [{ pattern = "\\p{Lu}", count = "each", most = 8, weight = 5 }]
"#;

/// Every kind of arm, once.
const STUDY: &str = r#"
model = "base"
trait = { source = "builtin", name = "optimistic" }
judge = { kind = "pattern", file = "judge.toml" }
data = [{ name = "chats", from = { source = "chats", files = ["chats.jsonl"] } }]

[vector]
questions = 4
rollouts = 1
max_new_tokens = 12

[arms]
layer = 2
preventative = [1.0]
preventative_layer = [1.0]
inference = [1.0]
random = [1.0]

[measure]
trait_rollouts = 1
trait_max_new_tokens = 12

[adapter]
r = 2

[train]
learning_rate = 1e-2
warmup_steps = 1
per_device_train_batch_size = 4
gradient_accumulation_steps = 1
epochs = 1
"#;

#[test]
fn the_way_from_vector_to_merged_model_is_open_to_every_architecture() {
    for (architecture, template) in [(Architecture::Llama, "smollm2.jinja"), (Architecture::Qwen3, "qwen3.jinja")] {
        let place = place_of(architecture, template);
        let name = architecture.name();
        place.judged();
        place.golden_prompts("p.jsonl");
        place.succeeds("extract --from-csv pos.csv neg.csv --trait flattering --model MODEL --out v.safetensors");
        let answers = |words: &str| -> Vec<serde_json::Value> {
            place.succeeds(&format!("generate --prompts p.jsonl --out a.jsonl --max-new-tokens 12 --greedy {words}"));
            place.rows("a.jsonl").into_iter().map(|row| row["token_ids"].clone()).collect()
        };
        let plain = answers("--model MODEL");
        assert_ne!(answers("--model MODEL --vectors v.safetensors --layer 2 --coef 4"), plain, "{name}");

        place.golden_chats("chats.jsonl");
        let steer = "{ type = \"steer\", vectors = \"v.safetensors\", layers = \"all\", coef = 1.5 }";
        let settings =
            "r = 2\nlearning_rate = 1e-2\nwarmup_steps = 1\nmax_steps = 3\nper_device_train_batch_size = 2\n";
        place.write(
            "c.toml",
            format!("model = \"base\"\ntraining_file = \"chats.jsonl\"\n{settings}intervention = {steer}\n"),
        );
        place.succeeds("train c.toml --out run");
        let worn = answers("--model MODEL --adapter run");
        assert_ne!(worn, plain, "{name}");
        let told = place.told("merge --model MODEL --adapter run --out merged --dtype f32");
        assert_eq!(told["changed"], 3 * 7, "{name}: {told}");
        assert_eq!(answers("--model merged"), worn, "{name}");
        let config: serde_json::Value = serde_json::from_slice(&place.read("merged/config.json")).unwrap();
        assert_eq!(config["model_type"], name);

        place.succeeds("adapter export run --model MODEL --to gguf --out a.gguf");
        place.succeeds("adapter export run --model MODEL --to mlx --out mlx");
        let gguf = place.read("a.gguf");
        assert!(gguf.windows(name.len()).any(|window| window == name.as_bytes()), "{name}: the file names its model");
        let exam = fixture("mmlu").display().to_string();
        let told = place.told(&format!("eval mmlu --model MODEL --adapter run --data {exam} --out exam --limit 4"));
        assert!(told.to_string().contains("accuracy"), "{name}: {told}");
        let told = place.told("plan c.toml --no-calibrate --shape Qwen3-8B");
        assert_eq!(told["plan"]["parameters"], 8_190_735_360_u64, "{name}: {told}");

        // A judge of capital letters, of which a model of random weights writes some.
        place.write("judge.toml", JUDGE);
        place.write("study.toml", STUDY);
        place.succeeds("study run study.toml --out study");
        let results: serde_json::Value = serde_json::from_slice(&place.read("study/results.json")).unwrap();
        let kinds: BTreeSet<&str> =
            results["arms"].as_array().unwrap().iter().map(|arm| arm["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds.len(), 9, "{name}: {kinds:?}");
        place.succeeds("vectors convert study/vector/optimistic.safetensors v.gguf");
        assert!(place.read("v.gguf").windows(name.len()).any(|window| window == name.as_bytes()), "{name}: model_hint");
        place.fails("plan c.toml --no-calibrate --shape Qwen3-9B", 2, &["no released shape", "Llama-3.1-8B"]);
    }
}

#[cfg(target_os = "linux")]
/// Bytes of this process, from the line of that name in what Linux tells of it.
#[cfg(target_os = "linux")]
fn memory(what: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap();
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0
}

/// Where the parent of [`a_process_that_loads`] says what to load.
#[cfg(target_os = "linux")]
const LOAD: &str = "TRIMTAB_TEST_LOAD";

/// The child of the next test: loads a model and tells by how much its peak rose, mapped files included.
#[cfg(target_os = "linux")]
#[test]
fn a_process_that_loads() {
    let Ok(what) = std::env::var(LOAD) else { return };
    let (dtype, dir) = what.split_once(' ').unwrap();
    let before = memory("VmRSS");
    let model = load(Path::new(dir), if dtype == "bf16" { DType::BF16 } else { DType::F32 });
    let rose = memory("VmHWM") - before;
    assert_eq!(model.blocks.len(), 8);
    fs::write(Path::new(dir).join("peak"), rose.to_string()).unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn loading_holds_the_model_once() {
    let dir = tempfile::tempdir().unwrap();
    // The table is a third of the model, as in the 0.5B shape.
    let config = config(512, 2048, 8, 32_768, true);
    write(dir.path(), &config, 2);
    let values: usize = config.tensors().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
    for (dtype, width) in [("f32", 4.0), ("bf16", 2.0)] {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "models::a_process_that_loads"])
            .env(LOAD, format!("{dtype} {}", dir.path().display()))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        let peak: f64 = fs::read_to_string(dir.path().join("peak")).unwrap().parse().unwrap();
        let share = peak / (values as f64 * width);
        // A second copy, even the mapped file in bf16, would be half the model or more. A block's matrices, here a twelfth of
        // it, are there twice while they are laid one below the other.
        assert!((0.95..1.35).contains(&share), "{dtype}: the peak is {share:.2} times the model");
    }
}
