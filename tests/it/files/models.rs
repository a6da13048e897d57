//! Model folders.

use super::*;

/// The tiny model with a stored head that is the embedding, but for so much more in one number.
fn with_head(more: f32) -> tempfile::TempDir {
    let dir = copy_of("tiny");
    let shards = Shards::open(&fixture("tiny")).unwrap();
    let mut tensors = tiny().tensors();
    let table = tensors[0].clone();
    tensors.push(("lm_head.weight".to_owned(), table.1.clone()));
    let write = |name: &str| {
        let (from, shape) =
            if name == "lm_head.weight" { &table } else { tensors.iter().find(|t| t.0 == name).unwrap() };
        let mut values = shards.read_f32(from, shape)?;
        if name == "lm_head.weight" {
            values[7] += more;
        }
        Ok::<_, Error>(values)
    };
    let out = dir.path().join("model.safetensors");
    trimtab::tensorfile::write(&out, Dtype::F32, &tensors, &Default::default(), write).unwrap();
    dir
}

#[test]
fn a_stored_head_counts_where_it_is_not_the_embedding() {
    for (more, tied) in [(0.0, true), (1.0, false)] {
        let dir = with_head(more);
        let shards = Shards::open(dir.path()).unwrap();
        let config = shards.settled(ModelConfig::read(dir.path()).unwrap()).unwrap();
        assert_eq!(config.tie_word_embeddings, tied);
        shards.verify(&config).unwrap();
    }
    let untied = ModelConfig { tie_word_embeddings: false, ..tiny() };
    let e = Shards::open(&fixture("tiny")).unwrap().verify(&untied).unwrap_err();
    assert!(e.to_string().contains("1 tensor missing: `lm_head.weight`"), "{e}");
    assert!(e.help().unwrap().contains("`tie_word_embeddings` to true"), "{e:?}");
}

#[test]
fn a_byte_order_mark_is_passed_over_and_a_pointer_is_told() {
    let dir = copy_of("tiny");
    for name in ["config.json", "generation_config.json", "tokenizer_config.json", "tokenizer.json"] {
        let path = dir.path().join(name);
        fs::write(&path, [b"\xef\xbb\xbf".as_slice(), &fs::read(&path).unwrap()].concat()).unwrap();
    }
    assert_eq!(ModelConfig::read(dir.path()).unwrap(), tiny());
    let load = || trimtab::text::Tokenizer::load(dir.path());
    assert_eq!(load().unwrap().eos_ids(), trimtab::text::Tokenizer::load(&fixture("tiny")).unwrap().eos_ids());
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:abab\nsize 988097824\n";
    for name in ["model.safetensors", "tokenizer.json"] {
        fs::write(dir.path().join(name), pointer).unwrap();
    }
    let want = |name: &str| format!("DIR/{name}: only a Git LFS pointer, not the file itself");
    assert_eq!(told(Shards::open(dir.path()), dir.path()), want("model.safetensors"));
    assert_eq!(told(load(), dir.path()), want("tokenizer.json"));
}

#[test]
fn a_token_without_a_row_is_never_looked_up() {
    let dir = copy_of("tiny");
    // The last ids are <|endoftext|>, <|im_start|> and <|im_end|>; here the embedding ends before the last of them.
    edit_json(&dir.path().join("config.json"), |config| config["vocab_size"] = 511.into());
    edit_json(&dir.path().join("tokenizer_config.json"), |config| config["pad_token"] = "<|im_end|>".into());
    edit_json(&dir.path().join("generation_config.json"), |config| config["eos_token_id"] = 509.into());
    let tokenizer = trimtab::text::Tokenizer::load(dir.path()).unwrap();
    assert_eq!(tokenizer.pad_id(), 509);
    tokenizer.encode("Hi<|im_start|>").unwrap();
    let e = told(tokenizer.encode("Hi<|im_end|>"), dir.path());
    assert_eq!(e, "token `<|im_end|>` has the id 511, and the embedding of DIR has only 511 rows");
}

#[test]
fn the_tiny_models_are_whole() {
    for (name, tied, blocks) in [("tiny", true, 4), ("tiny-sharded", false, 2)] {
        let config = ModelConfig::read(&fixture(name)).unwrap();
        assert_eq!((config.tie_word_embeddings, config.num_hidden_layers), (tied, blocks));
        assert_eq!((config.rope.theta, config.rms_norm_eps, config.head_dim), (1e6, 1e-6, 16));
        let shards = Shards::open(&fixture(name)).unwrap();
        shards.verify(&config).unwrap();
        assert_eq!(shards.names().count(), config.tensors().len());
        for (tensor, shape) in config.tensors() {
            let values = shards.read_f32(&tensor, &shape).unwrap();
            assert!(values.iter().all(|v| v.is_finite()));
        }
    }
    let bf16 = Shards::open(&fixture("tiny-sharded")).unwrap();
    assert_eq!(bf16.raw("lm_head.weight").unwrap().0, Dtype::BF16);
}

#[test]
fn a_written_model_is_the_model_that_was_read() {
    let dir = tempfile::tempdir().unwrap();
    let (config, shards) = (tiny(), Shards::open(&fixture("tiny")).unwrap());
    let shapes: std::collections::BTreeMap<_, _> = config.tensors().into_iter().collect();
    let values = |name: &str| shards.read_f32(name, &shapes[name]);
    write_model(dir.path(), &config, Dtype::F32, Some(&fixture("tiny")), values).unwrap();
    let again = Shards::open(dir.path()).unwrap();
    again.verify(&ModelConfig::read(dir.path()).unwrap()).unwrap();
    assert_eq!(again.fingerprint().unwrap(), shards.fingerprint().unwrap());
    trimtab::text::Tokenizer::load(dir.path()).unwrap();

    let half = tempfile::tempdir().unwrap();
    write_model(half.path(), &config, Dtype::BF16, None, values).unwrap();
    let half_config = ModelConfig::read(half.path()).unwrap();
    assert_eq!(half_config.source["torch_dtype"], "bfloat16");
    assert_ne!(Shards::open(half.path()).unwrap().fingerprint().unwrap(), shards.fingerprint().unwrap());
}

#[test]
fn everything_unexpected_is_named_at_once() {
    let dir = copy_of("tiny");
    let shards = Shards::open(dir.path()).unwrap();
    let json = &tiny().source;
    let with = |changes: Value| {
        let mut json = json.clone();
        json.extend(changes.as_object().unwrap().clone());
        ModelConfig::from_json(&json.into()).unwrap()
    };
    assert_eq!(
        told(shards.verify(&with(json!({"tie_word_embeddings": false, "vocab_size": 500}))), dir.path()),
        "DIR: 1 tensor missing: `lm_head.weight` [500, 64]; 1 tensor not as expected: \
         `model.embed_tokens.weight` is [512, 64], expected [500, 64] (DIR/model.safetensors)"
    );
    let e = told(shards.verify(&with(json!({"num_hidden_layers": 3}))), dir.path());
    assert!(e.starts_with("DIR: 12 tensors unknown: `model.layers.3.input_layernorm.weight` (DIR/model.s"), "{e}");
    assert!(e.ends_with(" and 4 more"), "{e}");
    let e = told(shards.read_f32("model.norm.weight", &[65]), dir.path());
    assert_eq!(e, "DIR/model.safetensors: tensor `model.norm.weight` has shape [64], expected [65]");
    assert_eq!(told(shards.raw("model.nose.weight"), dir.path()), "DIR: tensor `model.nose.weight` is missing");
}

#[test]
fn harmless_leftovers_pass() {
    let dir = copy_of("tiny");
    let (config, shards) = (tiny(), Shards::open(&fixture("tiny")).unwrap());
    let mut tensors = config.tensors();
    tensors.push(("lm_head.weight".into(), vec![512, 64]));
    tensors.push(("model.layers.0.self_attn.rotary_emb.inv_freq".into(), vec![8]));
    let values = |name: &str| {
        let shape = &tensors.iter().find(|(n, _)| n == name).unwrap().1;
        shards.read_f32(name, shape).or_else(|_| Ok(vec![0.0; shape.iter().product()]))
    };
    let path = dir.path().join("model.safetensors");
    trimtab::tensorfile::write(&path, Dtype::F32, &tensors, &Default::default(), values).unwrap();
    Shards::open(dir.path()).unwrap().verify(&config).unwrap();
}

#[test]
fn broken_shards_are_named() {
    let dir = copy_of("tiny-sharded");
    let (index, second) = ("model.safetensors.index.json", "model-00002-of-00002.safetensors");
    let open = || told(Shards::open(dir.path()), dir.path());

    edit_json(&dir.path().join(index), |index| {
        index["weight_map"]["model.norm.weight"] = "model-00001-of-00002.safetensors".into();
    });
    let e = open();
    let want = "DIR/model-00001-of-00002.safetensors: tensor `model.norm.weight` is missing, where DIR/model.safe";
    assert!(e.starts_with(want), "{e}");

    fs::copy(fixture("tiny-sharded").join(index), dir.path().join(index)).unwrap();
    let whole = fs::read(dir.path().join(second)).unwrap();
    fs::write(dir.path().join(second), &whole[..whole.len() / 2]).unwrap();
    let e = open();
    let want =
        format!("DIR/{second}: truncated: its header promises {} bytes, the file has {}", whole.len(), whole.len() / 2);
    assert_eq!(e, want);

    fs::remove_file(dir.path().join(second)).unwrap();
    assert!(open().starts_with(&format!("DIR/{second}: No such file")), "{}", open());

    edit_json(&dir.path().join(index), |index| index["weight_map"]["x"] = "../../etc/passwd".into());
    assert_eq!(open(), format!("DIR/{index}: `weight_map` gives no file name for `x`"));
    fs::write(dir.path().join(index), "{}").unwrap();
    assert_eq!(open(), format!("DIR/{index}: no `weight_map`"));
    fs::remove_file(dir.path().join(index)).unwrap();
    fs::write(dir.path().join("pytorch_model.bin"), "").unwrap();
    let e: Error = Shards::open(dir.path()).unwrap_err();
    assert!(e.to_string().ends_with("neither `model.safetensors` nor `model.safetensors.index.json`"), "{e}");
    assert!(e.help().unwrap().contains("pickled"));
}

#[test]
fn a_folder_that_is_no_model_says_so() {
    let dir = tempfile::tempdir().unwrap();
    assert!(told(ModelConfig::read(dir.path()), dir.path()).starts_with("DIR/config.json: No such file"));
    fs::write(dir.path().join("config.json"), "{\"model_type\": \"gpt2\"}").unwrap();
    let e = told(ModelConfig::read(dir.path()), dir.path());
    assert_eq!(e, "DIR/config.json: `model_type` is `gpt2`, and Trimtab knows `llama`, `qwen2`, `qwen3`");
    fs::write(dir.path().join("config.json"), [0xff, 0xfe]).unwrap();
    assert!(told(ModelConfig::read(dir.path()), dir.path()).starts_with("DIR/config.json: "));
}

#[test]
fn a_failed_write_leaves_no_config_behind() {
    let dir = tempfile::tempdir().unwrap();
    let failed = write_model(dir.path(), &tiny(), Dtype::F32, None, |_| Err(Error::new("the device is gone")));
    assert_eq!(failed.unwrap_err().to_string(), "the device is gone");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}
