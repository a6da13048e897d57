//! Adapters.

use super::*;

fn config_with(changes: Value) -> Result<AdapterConfig> {
    let path = fixture("adapter").join("adapter_config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    config.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    AdapterConfig::from_json(&config)
}

#[test]
fn the_golden_adapter_is_written_as_peft_wrote_it() {
    let adapter = Adapter::read(&fixture("adapter"), &tiny()).unwrap();
    assert_eq!(adapter.pairs.len(), 4 * 7);
    assert_eq!(adapter.config.scale(), 4.0, "alpha 8 over the root of rank 4");
    let dir = tempfile::tempdir().unwrap();
    adapter.write(dir.path()).unwrap();
    let weights = "adapter_model.safetensors";
    assert!(fs::read(dir.path().join(weights)).unwrap() == fs::read(fixture("adapter").join(weights)).unwrap());
    let ours: Value = serde_json::from_slice(&fs::read(dir.path().join("adapter_config.json")).unwrap()).unwrap();
    let golden: Value = serde_json::from_slice(&fs::read(fixture("adapter/adapter_config.json")).unwrap()).unwrap();
    for (key, value) in ours.as_object().unwrap() {
        assert!(key == "peft_version" || golden[key] == *value, "{key}: {value}, golden {}", golden[key]);
    }
    assert!(ours.as_object().unwrap().keys().is_sorted());
    assert_eq!(Adapter::read(dir.path(), &tiny()).unwrap(), adapter);
}

/// At rank 32, as the reference trains, the 7B adapter has 80,740,352 parameters: twice those here.
#[test]
fn every_released_shape_carries_the_pairs_that_peft_gives_it() {
    let seven = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];
    let published = [8_798_208, 18_464_768, 29_933_568, 40_370_176, 68_812_800, 134_217_728, 210_534_400];
    for (size, published) in shapes().zip(published) {
        let model = released(&size).unwrap();
        let config = AdapterConfig::new(16, 32.0, true, Targets::Names(seven.map(str::to_owned).to_vec()));
        let slots = config.layout(&model).unwrap();
        assert_eq!(slots.len(), 7 * model.num_hidden_layers, "{size}");
        let parameters: usize = slots.iter().map(|s| s.rank * (s.inputs + s.outputs)).sum();
        assert_eq!(parameters, published, "{size}");
        for slot in slots {
            let name = format!("model.layers.{}.{}.weight", slot.block, slot.projection);
            let (_, shape) = model.tensors().into_iter().find(|(tensor, _)| *tensor == name).unwrap();
            assert_eq!(shape, [slot.outputs, slot.inputs], "{size} {name}");
        }
    }
}

#[test]
fn plain_scaling_and_patterns_are_as_in_peft() {
    assert_eq!(config_with(json!({"use_rslora": false})).unwrap().scale(), 2.0);
    let config = config_with(json!({
        "rank_pattern": {"layers.1.self_attn.q_proj": 16, "k_proj": 1}, "alpha_pattern": {".*mlp.*": 4},
        "layers_to_transform": [1, 2]
    }));
    let slots = config.unwrap().layout(&tiny()).unwrap();
    assert_eq!(slots.len(), 2 * 7);
    let slot = |block, projection| *slots.iter().find(|s| (s.block, s.projection) == (block, projection)).unwrap();
    assert_eq!((slot(1, "self_attn.q_proj").rank, slot(1, "self_attn.q_proj").scale), (16, 2.0));
    assert_eq!((slot(2, "self_attn.q_proj").rank, slot(2, "self_attn.q_proj").scale), (4, 4.0));
    assert_eq!((slot(2, "self_attn.k_proj").rank, slot(2, "self_attn.k_proj").scale), (1, 8.0));
    assert_eq!((slot(2, "mlp.down_proj").scale, slot(2, "mlp.down_proj").inputs), (2.0, 160));
}

#[test]
fn targets_are_names_or_a_pattern() {
    let count =
        |targets: Value| config_with(json!({"target_modules": targets})).unwrap().layout(&tiny()).map(|s| s.len());
    assert_eq!(count(json!("all-linear")).unwrap(), 28);
    assert_eq!(count(json!(["q_proj", "v_proj"])).unwrap(), 8);
    assert_eq!(count(json!(["model.layers.3.mlp.up_proj"])).unwrap(), 1);
    assert_eq!(count(json!(r".*layers\.(0|1)\.self_attn\.[qk]_proj")).unwrap(), 4);
    assert_eq!(count(json!(r"(?!.*mlp).*_proj")).unwrap(), 16, "look-ahead, as Python has it");
    let e = count(json!(["q_proj", "lm_head"])).unwrap_err().to_string();
    assert_eq!(e, "`target_modules` names `lm_head`, which is none of the adapted projections");
    assert!(count(json!("q_proj")).is_err(), "a pattern must match the whole name");
    assert!(count(json!("(")).unwrap_err().to_string().starts_with("`target_modules` holds a pattern that does not"));
}

#[test]
fn other_variants_are_refused_by_name() {
    let refused = |changes: Value, want: &str| {
        let e = config_with(changes).unwrap_err().to_string();
        assert!(e.starts_with(want), "{e}");
    };
    refused(json!({"use_dora": true}), "`use_dora` is true, which is not implemented");
    refused(json!({"lora_bias": true}), "`lora_bias` is true");
    refused(json!({"bias": "all"}), "`bias` is \"all\"");
    refused(json!({"modules_to_save": ["lm_head"]}), "`modules_to_save` is [\"lm_head\"]");
    refused(json!({"use_new_thing": true}), "`use_new_thing` is true");
    refused(json!({"init_lora_weights": "pissa_niter_4"}), "`init_lora_weights` is `pissa`");
    refused(json!({"peft_type": "IA3"}), "`peft_type` is `IA3`");
    refused(json!({"r": 0}), "`r` is 0");
    refused(json!({"r": "x"}), "`r` is \"x\", expected a whole number");
    refused(json!({"target_modules": null}), "`target_modules` is missing");
    config_with(json!({"new_key": 7, "modules_to_save": []})).unwrap();
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let dir = copy_of("adapter");
    let edit = |changes: Value| {
        fs::copy(fixture("adapter/adapter_config.json"), dir.path().join("adapter_config.json")).unwrap();
        edit_json(&dir.path().join("adapter_config.json"), |config| {
            config.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        });
        told(Adapter::read(dir.path(), &tiny()), dir.path())
    };
    let e = edit(json!({"target_modules": ["q_proj"]}));
    assert!(
        e.starts_with("DIR/adapter_model.safetensors: 48 tensors unknown: `base_model.model.model.layers.0.mlp"),
        "{e}"
    );
    let e = edit(json!({"rank_pattern": {"layers.0.mlp.up_proj": 8}}));
    assert_eq!(
        e,
        "DIR/adapter_model.safetensors: 2 tensors not as expected: \
         `base_model.model.model.layers.0.mlp.up_proj.lora_A.weight` is [4, 64], expected [8, 64], \
         `base_model.model.model.layers.0.mlp.up_proj.lora_B.weight` is [160, 4], expected [160, 8]"
    );
    let mut deeper = tiny();
    deeper.num_hidden_layers = 5;
    let e = told(Adapter::read(&fixture("adapter"), &deeper), &fixture("adapter"));
    assert!(e.starts_with("DIR/adapter_model.safetensors: 14 tensors missing: "), "{e}");

    fs::remove_file(dir.path().join("adapter_model.safetensors")).unwrap();
    assert!(edit(json!({})).starts_with("DIR/adapter_model.safetensors: No such file"));
    fs::write(dir.path().join("adapter_model.bin"), "").unwrap();
    assert_eq!(edit(json!({})), "DIR: the adapter's weights are pickled (`adapter_model.bin`)");
}

/// The golden adapter's tensors under other names, with others beside them.
fn rewritten(dir: &Path, rename: impl Fn(&str) -> String, more: &[(&str, Vec<usize>, Vec<f32>)], fill: Option<f32>) {
    let from = trimtab::tensorfile::TensorFile::open(&fixture("adapter/adapter_model.safetensors")).unwrap();
    let mut tensors: Vec<(String, Vec<usize>)> = Vec::new();
    let mut values = std::collections::BTreeMap::new();
    for name in from.names() {
        let shape = from.shape(&name).unwrap().to_vec();
        let mut numbers = from.f32(&name, &shape).unwrap();
        if let Some(x) = fill {
            numbers[0] = x;
        }
        values.insert(rename(&name), numbers);
        tensors.push((rename(&name), shape));
    }
    for (name, shape, numbers) in more {
        values.insert((*name).to_owned(), numbers.clone());
        tensors.push(((*name).to_owned(), shape.clone()));
    }
    let out = dir.join("adapter_model.safetensors");
    let dtype = trimtab::tensorfile::Dtype::F32;
    trimtab::tensorfile::write(&out, dtype, &tensors, &Default::default(), |name| Ok(values[name].clone())).unwrap();
}

#[test]
fn adapters_that_other_trainers_saved_are_read() {
    let golden = Adapter::read(&fixture("adapter"), &tiny()).unwrap();
    let dir = copy_of("adapter");
    let renames: [fn(&str) -> String; 4] = [
        |name| name.replace(".weight", ".default.weight"),
        |name| name.replace("base_model.model.", "module.base_model.model._orig_mod."),
        |name| name.replace(".mlp.", "._fsdp_wrapped_module.mlp."),
        |name| name.replace("base_model.model.", ""),
    ];
    for rename in renames {
        rewritten(dir.path(), rename, &[], None);
        assert_eq!(Adapter::read(dir.path(), &tiny()).unwrap(), golden);
    }

    let (table, shape) = ("model.embed_tokens.weight", vec![tiny().vocab_size, tiny().hidden_size]);
    let mut embeddings = Shards::open(&fixture("tiny")).unwrap().read_f32(table, &shape).unwrap();
    let along = "base_model.model.model.embed_tokens.weight";
    rewritten(dir.path(), str::to_owned, &[(along, shape.clone(), embeddings.clone())], None);
    let on = || Adapter::read_on(dir.path(), &tiny(), &fixture("tiny"));
    assert_eq!(on().unwrap(), golden, "they equal the model's");
    assert!(Adapter::read(dir.path(), &tiny()).is_err(), "without the model nothing tells");
    embeddings[7] += 1.0;
    rewritten(dir.path(), str::to_owned, &[(along, shape, embeddings)], None);
    let e = on().unwrap_err();
    assert!(e.to_string().contains("1 tensor unknown: `base_model.model.model.embed_tokens.weight`"), "{e}");
    assert!(e.help().unwrap().contains("save_embedding_layers=False"), "{e:?}");
}

#[test]
fn an_adapter_that_diverged_is_refused() {
    let dir = copy_of("adapter");
    for x in [f32::NAN, f32::INFINITY] {
        rewritten(dir.path(), str::to_owned, &[], Some(x));
        let e = told(Adapter::read(dir.path(), &tiny()), dir.path());
        assert!(e.contains("56 tensors with numbers that are not finite: `base_model.model.model.layers.0"), "{e}");
    }
}

#[test]
fn excluded_modules_carry_no_pair() {
    let count = |changes: Value| config_with(changes).unwrap().layout(&tiny()).unwrap().len();
    let names = json!({"target_modules": "all-linear", "exclude_modules": ["q_proj"]});
    assert_eq!(count(names.clone()), 24);
    assert_eq!(config_with(names).unwrap().to_json()["exclude_modules"], json!(["q_proj"]));
    assert_eq!(count(json!({"exclude_modules": r".*layers\.0\..*"})), 21);
    assert_eq!(count(json!({"layers_to_transform": [1], "layers_pattern": "layers"})), 7);
    assert_eq!(count(json!({"exclude_modules": ["q_proj", "mlp.up_proj"]})), 20, "targets that are all excluded");
}

#[test]
fn blocks_are_chosen_as_in_peft() {
    let layout = |changes: Value| config_with(changes).unwrap().layout(&tiny());
    let count = |changes: Value| layout(changes).unwrap().len();
    let some = |pattern: Value| count(json!({"layers_to_transform": [1, 3], "layers_pattern": pattern}));
    assert_eq!(some(json!(["h", "layers"])), 14);
    assert_eq!((some(json!("lay.*")), some(json!("model.layers"))), (14, 14), "regular expressions");
    assert_eq!((some(Value::Null), some(json!([])), some(json!(""))), (14, 14, 14));
    assert_eq!(count(json!({"layers_to_transform": 2})), 7);
    assert_eq!(count(json!({"layers_to_transform": []})), 28, "none named is all");
    let whole = json!({"layers_to_transform": [1], "target_modules": ["model.layers.3.mlp.up_proj", "q_proj"]});
    assert_eq!(count(whole), 2, "a module's whole name needs no block");
    assert_eq!(count(json!({"target_modules": ["q_proj", "c_attn", "query_key_value"]})), 4, "of other architectures");
    let e = layout(json!({"layers_to_transform": [1], "layers_pattern": "h"})).unwrap_err();
    assert!(e.to_string().starts_with("`layers_pattern` [\"h\"] is no list of blocks"), "{e}");
    assert_eq!(
        config_with(json!({"layers_pattern": "layers"})).unwrap().to_json()["layers_pattern"],
        json!(["layers"])
    );
}

#[test]
fn a_run_folder_leads_to_its_adapter() {
    let dir = tempfile::tempdir().unwrap();
    let read = || Adapter::read(dir.path(), &tiny());
    assert!(told(read(), dir.path()).starts_with("DIR: no `adapter_config.json` here"));
    let adapter = Adapter::read(&fixture("adapter"), &tiny()).unwrap();
    adapter.write(&dir.path().join("checkpoint-9")).unwrap();
    assert_eq!(read().unwrap(), adapter);
    adapter.write(&dir.path().join("checkpoint-281")).unwrap();
    assert_eq!(told(read(), dir.path()), "DIR: holds 2 checkpoints: checkpoint-9, checkpoint-281");
    adapter.write(&dir.path().join("adapter")).unwrap();
    assert_eq!(read().unwrap(), adapter);
}

#[test]
fn a_fresh_adapter_is_the_seeds_own_and_changes_nothing() {
    let config = |names: &[&str]| {
        let names = names.iter().map(|n| (*n).to_owned()).collect();
        AdapterConfig::new(8, 16.0, true, Targets::Names(names))
    };
    let all = Adapter::fresh(config(&["q_proj", "down_proj"]), &tiny(), 7).unwrap();
    assert_eq!(all.pairs.len(), 8);
    for pair in all.pairs.values() {
        let bound = 1.0 / (pair.slot.inputs as f32).sqrt();
        assert!(pair.b.iter().all(|&b| b == 0.0) && pair.a.iter().all(|a| a.abs() <= bound));
        let mean_square = pair.a.iter().map(|a| a * a).sum::<f32>() / pair.a.len() as f32;
        assert!((mean_square / (bound * bound / 3.0) - 1.0).abs() < 0.2, "uniform: variance is bound² / 3");
    }
    let one = Adapter::fresh(config(&["down_proj"]), &tiny(), 7).unwrap();
    let place = (2, "mlp.down_proj");
    assert_eq!(all.pairs[&place], one.pairs[&place], "the other projections do not matter");
    assert_ne!(all, Adapter::fresh(config(&["q_proj", "down_proj"]), &tiny(), 8).unwrap());
}
