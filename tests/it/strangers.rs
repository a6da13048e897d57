//! Model folders, adapters and settings as people bring them: what is odd is told by its name, at once.

use serde_json::{Value, json};

use crate::support::goldens::fixture;
use crate::support::place::Place;

/// The tiny model in a folder `model`, with one of its JSON files edited.
fn model_with(place: &Place, file: &str, edit: impl FnOnce(&mut Value)) {
    let folder = place.path("model");
    std::fs::create_dir_all(&folder).unwrap();
    for entry in std::fs::read_dir(fixture("tiny")).unwrap().flatten() {
        std::fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
    }
    let path = folder.join(file);
    let mut json: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    edit(&mut json);
    std::fs::write(path, json.to_string()).unwrap();
}

const GENERATE: &str = "generate --model model --prompts p.jsonl --out a.jsonl --max-new-tokens 2 --greedy";

#[test]
fn a_tokenizer_whose_parts_do_not_go_together_is_an_error_with_its_name() {
    let place = Place::new();
    place.golden_prompts("p.jsonl");
    let check = |key: &str, value: Value| {
        model_with(&place, "tokenizer.json", |json| json[key] = value);
        let (_, said) = place.ends(GENERATE, 1);
        assert!(said.contains("model/tokenizer.json: ") && !said.contains("panicked"), "{said}");
    };
    check("normalizer", json!({"type": "Precompiled", "precompiled_charsmap": ""}));
    check("normalizer", json!({"type": "Prepend", "prepend": ""}));
    check("normalizer", json!({"type": "Replace", "pattern": {"String": ""}, "content": "y"}));
    check("pre_tokenizer", json!({"type": "FixedLength", "length": 0}));
    let single = json!([{"Sequence": {"id": "B", "type_id": 0}}]);
    check("post_processor", json!({"type": "TemplateProcessing", "single": single, "pair": [], "special_tokens": {}}));
    check("decoder", json!({"type": "Replace", "pattern": {"Regex": "("}, "content": ""}));
    model_with(&place, "tokenizer.json", |json| json["model"]["continuing_subword_prefix"] = "é".into());
    place.fails(GENERATE, 1, &["model/tokenizer.json: "]);
}

#[test]
fn a_token_beyond_the_embedding_is_named_with_its_file_and_line() {
    let place = Place::new();
    let token = json!({"id": 512, "content": "<|new|>", "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": true});
    model_with(&place, "tokenizer.json", |json| json["added_tokens"].as_array_mut().unwrap().push(token));
    let said = "token `<|new|>` has the id 512, and the embedding of model has only 512 rows";
    let chat = |words: &str| json!([{"role": "user", "content": words}, {"role": "assistant", "content": "b"}]);
    let rows = [json!({"messages": chat("a")}), json!({"messages": chat("<|new|>")})];
    place.write("t.jsonl", format!("{}\n{}\n", rows[0], rows[1]));
    place.write("t.toml", "model = \"model\"\ntraining_file = \"t.jsonl\"\nepochs = 1\n");
    let told = format!("t.jsonl:2: {said}");
    for verb in ["data check t.jsonl --model model", "plan t.toml --no-calibrate", "train t.toml --out run"] {
        let (out, notes) = place.ends(verb, 0);
        assert!(out.contains(&told) || notes.contains(&told), "{verb}: {out}{notes}");
    }
    place.write("p.jsonl", "{\"id\":\"a\",\"prompt\":\"x\"}\n\n{\"id\":\"b\",\"prompt\":\"y <|new|>\"}\n");
    place.fails(GENERATE, 1, &["p.jsonl:3: prompt `b`: ", said]);
    place.write("p.jsonl", "{\"id\":\"a\",\"prompt_ids\":[1,700]}\n");
    place.fails(GENERATE, 1, &["p.jsonl:1: prompt `a`: the token id 700 is beyond the embedding of model"]);
}

#[test]
fn a_base_models_end_of_sequence_under_a_chat_template_is_told() {
    let place = Place::new();
    place.golden_prompts("p.jsonl");
    model_with(&place, "generation_config.json", |json| json["eos_token_id"] = 509.into());
    let told = "answers do not end at `<|im_end|>` (id 511)";
    let (_, notes) = place.ends(GENERATE, 0);
    assert!(notes.contains(told) && notes.contains("set it to [511, 509]"), "{notes}");
    place.golden_chats("t.jsonl");
    place.write("t.toml", "model = \"model\"\ntraining_file = \"t.jsonl\"\nmax_steps = 1\n");
    let (_, notes) = place.ends("train t.toml --out run", 0);
    assert!(notes.contains(told), "{notes}");
    let (_, notes) = place.ends(&GENERATE.replace("--model model", "--model MODEL"), 0);
    assert!(!notes.contains("answers do not end"), "{notes}");
}

#[test]
fn a_folder_of_the_hubs_cache_leads_to_its_snapshot() {
    let place = Place::new();
    place.golden_prompts("p.jsonl");
    std::fs::create_dir_all(place.path("models--x--y/refs")).unwrap();
    for commit in ["aaa", "bbb"] {
        std::fs::create_dir_all(place.path(format!("models--x--y/snapshots/{commit}"))).unwrap();
        place.write(&format!("models--x--y/snapshots/{commit}/config.json"), "{}");
    }
    place.write("models--x--y/refs/main", "bbb");
    let generate = GENERATE.replace("--model model", "--model models--x--y");
    place.fails(&generate, 2, &["the folder holds no `config.json`", "give models--x--y/snapshots/bbb"]);
    let adapted = GENERATE.replace("--model model", "--model MODEL --adapter models--x--y");
    place.fails(&adapted, 1, &["no `adapter_config.json`", "give models--x--y/snapshots/bbb"]);
}

#[cfg(unix)]
#[test]
fn a_snapshot_without_its_blobs_is_told() {
    let place = Place::new();
    place.golden_prompts("p.jsonl");
    model_with(&place, "config.json", |_| {});
    let weights = place.path("model/model.safetensors");
    std::fs::remove_file(&weights).unwrap();
    std::os::unix::fs::symlink("../../blobs/0123", &weights).unwrap();
    place.fails(GENERATE, 1, &["model: the weights are links to nothing", "cp -rL"]);
}

#[cfg(target_os = "linux")]
#[test]
fn files_without_an_end_are_refused_before_they_are_read() {
    let place = Place::new();
    place.golden_prompts("p.jsonl");
    for name in ["tokenizer.json", "tokenizer_config.json", "generation_config.json", "model.safetensors"] {
        model_with(&place, "config.json", |_| {});
        std::fs::remove_file(place.path("model").join(name)).unwrap();
        std::os::unix::fs::symlink("/dev/zero", place.path("model").join(name)).unwrap();
        let said = place.run(GENERATE);
        let said = String::from_utf8_lossy(&said.stderr);
        let want = format!("model/{name}: ");
        assert!(said.contains(&want) && said.contains("not a file"), "{said}");
        std::fs::remove_dir_all(place.path("model")).unwrap();
    }
    std::fs::create_dir(place.path("adapter")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", place.path("adapter/adapter_config.json")).unwrap();
    place.fails("adapter show adapter --model MODEL", 1, &["adapter/adapter_config.json: is a folder, a device"]);
}

#[test]
fn settings_beyond_any_finetune_are_refused_where_they_are_written() {
    let place = Place::new();
    place.golden_chats("t.jsonl");
    for (line, want) in [
        ("lora_alpha = 0", "`lora_alpha` is 0; it must be another number than 0"),
        ("lora_alpha = 1e300", "which is beyond f32"),
        ("learning_rate = 1e300", "which is beyond f32"),
        ("weight_decay = -1.0", "`weight_decay` is -1; it must be 0 or above"),
        ("betas = [0.9, 1.0]", "`betas` is 1; it must be 0 to below 1, each"),
        ("epsilon = 0.0", "`epsilon` is 0; it must be a positive number"),
        ("max_grad_norm = 0.0", "`max_grad_norm` is 0; it must be a positive number"),
        ("warmup_steps = 9223372036854775807", "`warmup_steps` is 9223372036854775807; it must be at most"),
        ("gradient_accumulation_steps = 0", "it must be at least 1"),
        ("per_device_train_batch_size = 9223372036854775807", "it must be at most"),
    ] {
        place.write("t.toml", format!("model = \"MODEL\"\ntraining_file = \"t.jsonl\"\n{line}\n"));
        place.fails("plan t.toml --no-calibrate", 2, &["t.toml:3:1: ", want]);
    }
    // An adapter that says so of itself.
    std::fs::create_dir(place.path("adapter")).unwrap();
    place.write(
        "adapter/adapter_config.json",
        r#"{"peft_type":"LORA","r":1000000000,"lora_alpha":8,"target_modules":["q_proj"]}"#,
    );
    let model = fixture("tiny").display().to_string();
    place.write("t.toml", format!("model = {model:?}\ntraining_file = \"t.jsonl\"\nadapter = \"adapter\"\n"));
    let want = "adapter/adapter_config.json: `r` is 1000000000, and no adapter has more than 65536";
    place.fails("plan t.toml --no-calibrate", 1, &[want]);
}
