//! Adapters on their way out: merged into weights, written for other programs.

use trimtab::model::ModelConfig;
use trimtab::model::peft::Adapter;
use trimtab::tensorfile::TensorFile;

use crate::support::goldens::fixture;
use crate::support::place::{Place, said};

/// What the tiny model answers, with these words more.
fn answers(place: &Place, words: &str) -> Vec<serde_json::Value> {
    place.succeeds(&format!("generate --prompts p.jsonl --out a.jsonl --max-new-tokens 12 --greedy {words}"));
    place.rows("a.jsonl").into_iter().map(|row| row["token_ids"].clone()).collect()
}

#[test]
fn a_merged_model_answers_as_the_model_that_wears_the_adapter() {
    let place = Place::new();
    place.golden_prompts("p.jsonl");
    let adapter = fixture("adapter").display().to_string();
    let told = place.told(&format!("merge --model MODEL --adapter {adapter} --out merged"));
    assert_eq!((&told["changed"], &told["dtype"]), (&28.into(), &"f32".into()), "{told}");
    let proof = |key: &str| told["proof"][key].as_f64().unwrap();
    assert!(proof("deviation") < 1e-5 && proof("effect") > 1e-2, "{told}");
    let worn = answers(&place, &format!("--model MODEL --adapter {adapter}"));
    assert_eq!(answers(&place, "--model merged"), worn);
    assert_ne!(answers(&place, "--model MODEL"), worn);

    let merge = format!("merge --model MODEL --adapter {adapter} --out");
    place.fails(&format!("{merge} merged"), 2, &["--out merged: there is something already"]);
    place.fails(&format!("{merge} m --dtype f64"), 2, &["--dtype f64"]);
    place.fails("merge --model MODEL --adapter . --out m", 1, &["adapter_config.json"]);
    assert!(!place.path("m").exists() && !place.path(".m.merging").exists());
    // What a kill left is no hindrance.
    std::fs::create_dir(place.path(".half.merging")).unwrap();
    place.write(".half.merging/model.safetensors", "torn");
    let half = place.succeeds(&format!("{merge} half --dtype bf16"));
    assert!(String::from_utf8_lossy(&half.stdout).contains("28 of 50 tensors changed (bf16)"), "{}", said(&half));
    assert!(place.path("half/trimtab_merge.json").is_file() && !place.path(".half.merging").exists());
}

#[test]
fn a_merge_that_fails_half_way_leaves_nothing() {
    let place = Place::new();
    let mut huge = Adapter::read(&fixture("adapter"), &ModelConfig::read(&fixture("tiny")).unwrap()).unwrap();
    huge.pairs.values_mut().for_each(|pair| pair.b.iter_mut().for_each(|b| *b *= 1e9));
    huge.write(&place.path("huge")).unwrap();
    place.fails(
        "merge --model MODEL --adapter huge --out m --dtype f16",
        1,
        &["has values beyond F16", "--dtype bf16"],
    );
    let left: Vec<_> = std::fs::read_dir(place.dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["huge"]);
}

#[test]
fn adapters_are_shown_and_written_for_other_programs() {
    let place = Place::new();
    let adapter = fixture("adapter").display().to_string();
    let shown = place.told(&format!("adapter show {adapter} --model MODEL"));
    assert_eq!((&shown["pairs"], &shown["scale"]), (&28.into(), &4.0.into()), "{shown}");
    assert_eq!(shown["change_norms"]["mlp.up_proj"].as_array().map(Vec::len), Some(4));
    let export = format!("adapter export {adapter} --model MODEL --to");
    let told = place.told(&format!("{export} gguf --out a.gguf"));
    // llama.cpp divides by the rank: 16 / 4 is the rank-stabilised scale, 8 / sqrt(4).
    assert_eq!((&told["exported"]["strength"], &told["exported"]["folded"]), (&16.0.into(), &0.into()));
    let told = place.told(&format!("{export} mlx --out mlx"));
    assert_eq!(told["exported"]["strength"], 4.0);
    assert!(place.path("mlx/adapters.safetensors").is_file() && place.path("mlx/adapter_config.json").is_file());
    std::fs::create_dir(place.path("peft")).unwrap();
    place.write("peft/adapter_model.safetensors", "");
    place.fails(&format!("{export} mlx --out peft"), 2, &["holds a PEFT adapter"]);
    place.fails("adapter show nowhere --model MODEL", 2, &["nowhere: no such folder"]);
    let sharded = fixture("tiny-sharded").display().to_string();
    place.fails(
        &format!("adapter export {adapter} --model {sharded} --to gguf --out b.gguf"),
        1,
        &["28 tensors unknown"],
    );
}

#[test]
fn an_adapter_of_mlx_lm_is_taken_by_every_verb() {
    let place = Place::new();
    place.golden_prompts("p.jsonl");
    let peft = fixture("adapter").display().to_string();
    std::fs::create_dir(place.path("run")).unwrap();
    place.succeeds(&format!("adapter export {peft} --model MODEL --to mlx --out run/adapter"));
    let shown = place.succeeds("adapter show run --model MODEL");
    assert!(String::from_utf8_lossy(&shown.stdout).contains("run/adapter (an adapter of mlx-lm)"), "{}", said(&shown));
    assert_eq!(place.told("adapter show run --model MODEL")["format"], "mlx-lm");
    let worn = answers(&place, &format!("--model MODEL --adapter {peft}"));
    assert_eq!(answers(&place, "--model MODEL --adapter run"), worn);
    place.succeeds("merge --model MODEL --adapter run --out merged");
    assert_eq!(answers(&place, "--model merged"), worn);
    // The formula of mlx-lm on the weights themselves: W + scale · (A · B)ᵀ.
    let file = |path: &str| TensorFile::open(&place.path(path)).unwrap();
    let (base, merged) =
        (TensorFile::open(&fixture("tiny/model.safetensors")).unwrap(), file("merged/model.safetensors"));
    let mlx = file("run/adapter/adapters.safetensors");
    let module = "model.layers.2.self_attn.v_proj";
    let [outputs, inputs] = *base.shape(&format!("{module}.weight")).unwrap() else { panic!("a matrix") };
    let weight = |file: &TensorFile| file.f32(&format!("{module}.weight"), &[outputs, inputs]).unwrap();
    let a = mlx.f32(&format!("{module}.lora_a"), &[inputs, 4]).unwrap();
    let b = mlx.f32(&format!("{module}.lora_b"), &[4, outputs]).unwrap();
    let (before, after) = (weight(&base), weight(&merged));
    for (o, i) in [(0, 0), (3, 17), (outputs - 1, inputs - 1)] {
        let change: f32 = (0..4).map(|k| a[i * 4 + k] * b[k * outputs + o]).sum();
        let want = before[o * inputs + i] + 4.0 * change;
        assert!((after[o * inputs + i] - want).abs() < 1e-5, "[{o}, {i}]: {} and {want}", after[o * inputs + i]);
    }
    // A finetune goes on from it, and writes PEFT's format.
    place.write("t.jsonl", r#"{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}"#);
    let model = fixture("tiny").display().to_string();
    place.write("t.toml", format!("model = {model:?}\ntraining_file = \"t.jsonl\"\nadapter = \"run\"\nepochs = 1\n"));
    place.succeeds("plan t.toml");
    place.succeeds("train t.toml --out trained");
    assert_eq!(place.told("adapter show trained --model MODEL")["format"], "peft");
    place.fails("adapter export run --model MODEL --to mlx --out trained/adapter", 2, &["holds a PEFT adapter"]);
}

#[test]
fn an_adapter_is_found_in_a_run_and_in_a_checkpoint() {
    let place = Place::new();
    place.golden_prompts("p.jsonl");
    let direct = answers(&place, &format!("--model MODEL --adapter {}", fixture("adapter").display()));
    let adapter = Adapter::read(&fixture("adapter"), &ModelConfig::read(&fixture("tiny")).unwrap()).unwrap();
    adapter.write(&place.path("run/adapter")).unwrap();
    adapter.write(&place.path("trainer/checkpoint-9")).unwrap();
    for path in ["run", "trainer", "trainer/checkpoint-9"] {
        assert_eq!(answers(&place, &format!("--model MODEL --adapter {path}")), direct, "{path}");
    }
    adapter.write(&place.path("trainer/checkpoint-20")).unwrap();
    let generate = "generate --model MODEL --prompts p.jsonl --out b.jsonl --max-new-tokens 1";
    let several = ["--adapter: trainer: holds 2 checkpoints: checkpoint-9, checkpoint-20", "name one of them"];
    place.fails(&format!("{generate} --adapter trainer"), 2, &several);
    place.fails(&format!("{generate} --adapter nowhere"), 2, &["--adapter: nowhere: no such folder"]);
    for verb in ["adapter show", "adapter export --to mlx --out o"] {
        place.fails(&format!("{verb} trainer --model MODEL"), 2, &["holds 2 checkpoints"]);
    }
}
