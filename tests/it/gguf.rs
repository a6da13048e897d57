//! Models in GGUF files: the tiny model as the Python package `gguf` writes it, and SmolLM2-135M-Instruct where its file is at
//! hand (`TRIMTAB_SMOLLM2`; `tests/fixtures/README.md` says where it comes from).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn_flex::Flex;
use burn_tensor::DType;
use serde_json::{Value, json};
use trimtab::gguf;
use trimtab::model::files::write_model;
use trimtab::model::rope::Rope;
use trimtab::model::{Architecture, Checkpoint, ModelConfig, Transformer, drawn, model_hash};
use trimtab::tensorfile::Dtype;
use trimtab::text::{Message, Tokenizer};

use crate::support::goldens::{assert_close, fixture};
use crate::support::place::Place;

/// The tiny model: Q8_0, block 1 in F16 and block 2 in BF16, split into two files.
fn tiny() -> PathBuf {
    fixture("gguf/tiny-00001-of-00002.gguf")
}

fn load(path: &Path, dtype: DType) -> Transformer<Flex> {
    Transformer::load(path, &Default::default(), dtype).unwrap()
}

#[test]
fn a_gguf_file_is_the_model_of_its_folder() {
    let (file, folder) = (Tokenizer::load(&tiny()).unwrap(), Tokenizer::load(&fixture("tiny")).unwrap());
    let chat = [Message::system("Be brief."), Message::user("Don't 12345  naïve e\u{301} 日本 🚢<|im_end|>\n\n x")];
    assert_eq!(file.chat_text(&chat, true).unwrap(), folder.chat_text(&chat, true).unwrap());
    let ids = file.chat_ids(&chat, true).unwrap();
    assert_eq!(ids, folder.chat_ids(&chat, true).unwrap());
    assert_eq!((file.len(), file.eos_ids(), file.pad_id()), (folder.len(), folder.eos_ids(), folder.pad_id()));
    assert_eq!(file.decode(&ids).unwrap(), folder.decode(&ids).unwrap());

    let (a, b) = (ModelConfig::read(&tiny()).unwrap(), ModelConfig::read(&fixture("tiny")).unwrap());
    assert_eq!(a.architecture, Architecture::Qwen2);
    assert_eq!(ModelConfig { source: b.source.clone(), ..a }, b);

    // Eight bits cost the tiny model a few hundredths of the largest logit (0.07 in PyTorch with the values of the Python package
    // `gguf`); a tensor in a wrong place costs all of it.
    let logits = |path: &Path, dtype| load(path, dtype).logits_of(&ids);
    let want = logits(&fixture("tiny"), DType::F32);
    let largest = want.iter().fold(0.0_f32, |max, x| max.max(x.abs()));
    assert_close("logits", &logits(&tiny(), DType::F32), &want, 0.1 * largest);
    assert_close("bf16", &logits(&tiny(), DType::BF16), &want, 0.1 * largest);
}

/// The name that llama.cpp's converter gives a tensor.
fn converted(name: &str) -> String {
    let pairs = [
        ("model.embed_tokens", "token_embd"),
        ("model.norm", "output_norm"),
        ("lm_head", "output"),
        ("model.layers.", "blk."),
        ("input_layernorm", "attn_norm"),
        ("post_attention_layernorm", "ffn_norm"),
        ("self_attn.o_proj", "attn_output"),
        ("self_attn.", "attn_"),
        ("mlp.", "ffn_"),
        ("_proj", ""),
    ];
    pairs.iter().fold(name.to_owned(), |name, (from, to)| name.replace(from, to))
}

#[test]
fn what_llama_cpp_changes_in_a_llama_is_changed_back() {
    let config = ModelConfig::from_json(&json!({
        "model_type": "llama", "vocab_size": 40, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 64, "rms_norm_eps": 1e-5, "rope_theta": 5e5,
        "max_position_embeddings": 131072, "tie_word_embeddings": false, "rope_scaling": {
            "rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192
        }
    }))
    .unwrap();
    let value =
        |name: &str, shape: &[usize]| drawn(name, shape, 2, 7).into_iter().map(|x| x * 20.0).collect::<Vec<f32>>();
    let shapes: BTreeMap<String, Vec<usize>> = config.tensors().into_iter().collect();
    let dir = tempfile::tempdir().unwrap();
    write_model(dir.path(), &config, Dtype::F32, None, |name| Ok(value(name, &shapes[name]))).unwrap();

    let mut tensors: Vec<(String, Vec<usize>, Vec<f32>)> = Vec::new();
    for (name, shape) in &shapes {
        let mut values = value(name, shape);
        if name.contains("q_proj") || name.contains("k_proj") {
            // reshape(heads, 2, 32, width).swapaxes(1, 2)
            let row = |r: usize| values[r * 64..][..64].to_vec();
            values = (0..shape[0]).flat_map(|r| row(r / 64 * 64 + r % 2 * 32 + r % 64 / 2)).collect();
        }
        tensors.push((converted(name), shape.iter().rev().copied().collect(), values));
    }
    let plain = Rope { scaling: None, ..config.rope }.frequencies(64);
    let factors = plain.iter().zip(config.rope.frequencies(64)).map(|(plain, scaled)| plain / scaled).collect();
    tensors.push(("rope_freqs.weight".into(), vec![32], factors));
    let tensors: Vec<_> =
        tensors.iter().map(|(name, dims, values)| (name.clone(), dims.clone(), &values[..])).collect();
    let metadata = [
        ("general.architecture", gguf::Value::Text("llama".into())),
        ("llama.embedding_length", gguf::Value::Whole(64)),
        ("llama.feed_forward_length", gguf::Value::Whole(96)),
        ("llama.block_count", gguf::Value::Whole(2)),
        ("llama.context_length", gguf::Value::Whole(131_072)),
        ("llama.attention.head_count", gguf::Value::Whole(4)),
        ("llama.attention.head_count_kv", gguf::Value::Whole(2)),
        ("llama.attention.key_length", gguf::Value::Whole(64)),
        ("llama.attention.layer_norm_rms_epsilon", gguf::Value::Real(1e-5)),
        ("llama.rope.freq_base", gguf::Value::Real(5e5)),
    ];
    let path = dir.path().join("llama.gguf");
    gguf::write(&mut std::fs::File::create(&path).unwrap(), &metadata, &tensors).unwrap();

    let read = ModelConfig::read(&path).unwrap();
    assert_eq!(ModelConfig { source: config.source.clone(), ..read }, config);
    let ids = [3, 1, 4, 1, 5, 9, 2, 6];
    let logits = |path: &Path| load(path, DType::F32).logits_of(&ids);
    assert_eq!(logits(&path), logits(dir.path()));
}

#[test]
fn a_gguf_file_is_known_again_by_all_that_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let copy = |change: &dyn Fn(&mut Vec<u8>)| {
        for part in ["tiny-00001-of-00002.gguf", "tiny-00002-of-00002.gguf"] {
            let mut bytes = std::fs::read(fixture("gguf").join(part)).unwrap();
            if part.contains("00001-") {
                change(&mut bytes);
            }
            std::fs::write(dir.path().join(part), bytes).unwrap();
        }
        let path = dir.path().join("tiny-00002-of-00002.gguf");
        (Checkpoint::open(&path).unwrap().fingerprint().unwrap(), model_hash(&path).unwrap())
    };
    let same = copy(&|_| {});
    assert_eq!(same.1, model_hash(&tiny()).unwrap(), "where it lies decides nothing");
    let other = copy(&|bytes| {
        let at = bytes.windows(8).position(|w| w == b"You are ").unwrap();
        bytes[at] = b'y';
    });
    assert!(other.0 == same.0 && other.1 != same.1, "another template");
    let weights = copy(&|bytes| *bytes.last_mut().unwrap() ^= 1);
    assert!(weights.0 != same.0 && weights.1 != same.1, "other weights");
}

#[test]
fn every_verb_takes_a_gguf_file() {
    let mut place = Place::new();
    place.model = tiny().display().to_string();
    let adapter = fixture("adapter").display().to_string();
    place.golden_prompts("p.jsonl");
    place.succeeds("generate --model MODEL --prompts p.jsonl --out a.jsonl --max-new-tokens 4 --greedy");
    assert!(place.lines("a.jsonl") > 1);
    place.told(&format!("adapter export {adapter} --model MODEL --to gguf --out a.gguf"));
    let told = place.told(&format!("merge --model MODEL --adapter {adapter} --out merged"));
    assert_eq!((&told["model"], &told["dtype"]), (&json!("tiny-00001-of-00002.gguf"), &json!("f16")), "{told}");
    // A folder that stands by itself, in one file for each part of the model.
    let merged = place.path("merged");
    assert!(merged.join("model-00002-of-00002.safetensors").is_file());
    let config: Value = serde_json::from_slice(&std::fs::read(merged.join("config.json")).unwrap()).unwrap();
    assert_eq!((&config["torch_dtype"], &config["model_type"]), (&json!("float16"), &json!("qwen2")));
    let chat = [Message::user("Hi")];
    let ids = |path: &Path| Tokenizer::load(path).unwrap().chat_ids(&chat, true).unwrap();
    assert_eq!(ids(&merged), ids(&tiny()));
    place.succeeds("generate --model merged --prompts p.jsonl --out b.jsonl --max-new-tokens 4 --greedy");
    // Taken for a vector, the file says what it is.
    place.fails("vectors show MODEL", 1, &["its architecture is `qwen2`, not `controlvector`"]);
    place.write("no.gguf", "something else");
    place.fails(
        "generate --model no.gguf --prompts p.jsonl --out c.jsonl --max-new-tokens 4",
        2,
        &["no.gguf: not a GGUF file"],
    );
    place.write("lfs.gguf", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n");
    place.fails(
        "generate --model lfs.gguf --prompts p.jsonl --out c.jsonl --max-new-tokens 4",
        1,
        &["only a Git LFS pointer"],
    );
}

#[test]
fn a_model_is_shown_with_everything_that_would_be_refused() {
    let mut place = Place::new();
    place.model = tiny().display().to_string();
    let shown = place.told("model show MODEL");
    assert_eq!((&shown["form"], &shown["refused"]), (&json!("gguf"), &json!([])), "{shown}");
    assert_eq!(shown["dtypes"]["BF16"]["tensors"], 7);
    assert_eq!(shown["parameters"], 205_888);
    assert!(shown["rendered"].as_str().unwrap().ends_with("Hello!<|im_end|>\n<|im_start|>assistant\n"));
    let text = String::from_utf8(place.succeeds("model show MODEL").stdout).unwrap();
    for want in
        ["qwen2: 4 blocks, width 64, 4 query and 2 key-value heads of 16", "<|im_end|> (511)", "refused       nothing"]
    {
        assert!(text.contains(want), "{want}:\n{text}");
    }

    // Wrong in five ways, each of them told.
    std::fs::create_dir(place.path("bad")).unwrap();
    let mut config: Value = serde_json::from_slice(&std::fs::read(fixture("tiny/config.json")).unwrap()).unwrap();
    for (key, value) in [("hidden_act", json!("gelu")), ("num_experts", json!(8)), ("quantization_config", json!({}))] {
        config[key] = value;
    }
    place.write("bad/config.json", config.to_string());
    let (stdout, said) = place.ends("model show bad", 1);
    for want in [
        "`hidden_act` is \"gelu\"",
        "`num_experts` is 8",
        "`quantization_config`",
        "neither `model.safetensors`",
        "tokenizer.json",
    ] {
        assert!(stdout.contains(want), "{want}:\n{stdout}");
    }
    assert!(said.contains("bad: 5 reasons not to load it"), "{said}");
}
