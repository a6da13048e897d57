//! The inputs of the commands under siege, and what is changed of them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use trimtab::model::ModelConfig;
use trimtab::vector::{PersonaVector, VectorFile};

use crate::support::place::Place;

pub fn edit(place: &Place, file: &str, change: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&place.read(file)).unwrap();
    change(&mut value);
    place.write(file, value.to_string());
}

/// The signs of numbers in the middle of a file turned, where a sample of its tensors' ends would not look.
pub fn turn_signs(place: &Place, file: &str) {
    let mut bytes = place.read(file);
    let middle = bytes.len() / 3 / 4 * 4;
    bytes[middle..middle + 16_384].iter_mut().skip(3).step_by(4).for_each(|byte| *byte ^= 0x80);
    place.write(file, bytes);
}

pub fn weights(place: &Place) {
    turn_signs(place, "model/model.safetensors");
}

pub fn config(place: &Place) {
    edit(place, "model/config.json", |config| config["rope_theta"] = json!(20.0));
}

/// Half of the vocabulary ends an answer.
pub fn generation_config(place: &Place) {
    let ends: Vec<u32> = (0..512).filter(|id| id % 2 == 1).collect();
    edit(place, "model/generation_config.json", |config| config["eos_token_id"] = json!(ends));
}

/// Two letters change their tokens.
pub fn tokenizer(place: &Place) {
    edit(place, "model/tokenizer.json", |tokenizer| {
        let vocab = tokenizer["model"]["vocab"].as_object_mut().unwrap();
        let (a, e) = (vocab["a"].clone(), vocab["e"].clone());
        (vocab["a"], vocab["e"]) = (e, a);
    });
}

pub fn template(place: &Place) {
    let text = "{% for message in messages %}{{ '<|im_start|>' + message.role + '!\\n' + message.content + '<|im_end|>\\n' }}{% endfor %}\
                {% if add_generation_prompt %}{{ '<|im_start|>assistant!\\n' }}{% endif %}";
    place.write("model/chat_template.jinja", text);
}

pub fn adapter_weights(place: &Place) {
    turn_signs(place, "adapter/adapter_model.safetensors");
}

pub fn adapter_alpha(place: &Place) {
    edit(place, "adapter/adapter_config.json", |config| config["lora_alpha"] = json!(80));
}

/// A vector of the model in `model/`; another one for another `phase`.
pub fn write_vector(place: &Place, phase: f32) {
    let config = ModelConfig::read(&place.path("model")).unwrap();
    let row = |l: usize| {
        (0..config.hidden_size).map(|d| ((l * 7 + d) as f32 + phase).sin() * (l as f32 + 0.1)).collect::<Vec<f32>>()
    };
    let vector = PersonaVector::new((0..=config.num_hidden_layers).map(row).collect()).unwrap();
    let trait_ = BTreeMap::from([("trait".to_owned(), "evil".to_owned())]);
    VectorFile::new(vector, None, None, trait_).unwrap().write(&place.path("v.safetensors")).unwrap();
}

pub fn vector(place: &Place) {
    write_vector(place, 2.0);
}

/// The prompts, chats and multiple-choice questions; others for another `word`.
pub fn write_data(place: &Place, word: &str) {
    let chat = |i: usize| {
        let turns = json!([
            { "role": "user", "content": format!("Why is {i} {word}?") },
            { "role": "assistant", "content": format!("Because {} is not {word}.", i + 1) },
        ]);
        json!({ "messages": turns }).to_string() + "\n"
    };
    place.write("chats.jsonl", (0..8).map(chat).collect::<String>());
    place.write("many.jsonl", (0..600).map(chat).collect::<String>());
    let prompt = |i: usize| {
        let turns = json!([{ "role": "user", "content": format!("Tell me of {word} number {i}.") }]);
        json!({ "id": i, "messages": turns }).to_string() + "\n"
    };
    place.write("prompts.jsonl", (0..24).map(prompt).collect::<String>());
    let question = |i: usize| format!("Is {word} {i} good?,yes,no,perhaps,never,{}\n", ["A", "B", "C", "D"][i % 4]);
    std::fs::create_dir_all(place.path("mmlu/val")).unwrap();
    place.write("mmlu/val/sums_val.csv", (0..12).map(question).collect::<String>());
}

pub fn data(place: &Place) {
    write_data(place, "a ship");
}

/// One question of each split.
pub fn trait_question(place: &Place) {
    for folder in ["trait_data_extract", "trait_data_eval"] {
        edit(place, &format!("traits/{folder}/evil.json"), |split| {
            split["questions"][0] = json!(format!("What is new in {folder}?"));
        });
    }
}

pub fn trait_instruction(place: &Place) {
    edit(place, "traits/trait_data_extract/evil.json", |split| split["instruction"][0]["pos"] = json!("Be quite new."));
}

pub fn trait_rubric(place: &Place) {
    edit(place, "traits/trait_data_eval/evil.json", |split| {
        split["eval_prompt"] = json!(format!("Look twice. {}", split["eval_prompt"].as_str().unwrap()));
    });
}

pub fn trait_ladder(place: &Place) {
    edit(place, "traits/trait_data_eval/evil.json", |split| split["ladder"][0] = json!("Be quite new."));
}

/// Other scores in the file that judges.
pub fn scores(place: &Place) {
    let text = place.text("scores.csv").replace(",60,60\n", ",10,90\n");
    place.write("scores.csv", text);
}
