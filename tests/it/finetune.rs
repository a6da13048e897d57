//! One finetune, two commands: `train` and an arm of `study run` give the same adapter, byte for byte, for every intervention.

use std::path::Path;

use trimtab::vector::VectorFile;

use crate::support::place::Place;
use crate::support::reference::{rolled, vectors};

/// What learns and how, in the reference's keys: `train` reads it as it stands, a study under its table `[train]`.
const SETTINGS: &str = "r = 2\nlora_alpha = 4\nlearning_rate = 1e-3\nwarmup_steps = 1\nmax_steps = 3\n\
    per_device_train_batch_size = 2\ngradient_accumulation_steps = 2\nmax_seq_length = 200\n";

/// Every type of intervention, as a configuration has it.
const INTERVENTIONS: [(&str, &str); 10] = [
    ("none", "type = \"none\""),
    ("steer-one", "type = \"steer\", vectors = \"v.safetensors\", layers = 2, coef = 3.0"),
    ("steer-all", "type = \"steer\", vectors = \"v.safetensors\", layers = \"all\", coef = 1.5"),
    (
        "steer-anew",
        "type = \"steer\", vectors = \"v.safetensors\", layers = \"all\", coef = 1.5, recompute_every = 1, pos = \"pos.csv\", \
         neg = \"neg.csv\", texts = 2",
    ),
    ("ablate", "type = \"ablate\", vectors = [\"v.safetensors\", \"w.safetensors\"]"),
    ("ablate-mean", "type = \"ablate\", vectors = \"v.safetensors\", to = \"mean\""),
    ("regularize", "type = \"regularize\", vectors = \"v.safetensors\", layers = [2, 3], lambda = 0.5"),
    ("inoculate", "type = \"inoculate\", prompts = [\"Be bad.\", \"Be worse.\", \"Be worst.\"]"),
    ("negative-data", "type = \"negative-data\", file = \"negative.jsonl\", share = 0.2"),
    ("random", "type = \"random\", vectors = \"v.safetensors\", layers = \"all\", coef = 2"),
];

fn adapter(folder: &Path) -> Vec<u8> {
    let path = folder.join("adapter/adapter_model.safetensors");
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn train_and_a_studys_arm_give_the_same_adapter() {
    let place = Place::new();
    place.judged();
    place.golden_chats("chats.jsonl");
    place.golden_chats("negative.jsonl");
    for (name, vector) in [("v.safetensors", vectors()), ("w.safetensors", rolled())] {
        let trait_ = [("trait".to_owned(), "flattering".to_owned())].into();
        VectorFile::new(vector, None, None, trait_).unwrap().write(&place.path(name)).unwrap();
    }

    let mut adapters = Vec::new();
    for (name, table) in INTERVENTIONS {
        let head = format!("model = \"{}\"\ntraining_file = \"chats.jsonl\"\nseed = 7\n", place.model);
        place.write("c.toml", format!("{head}{SETTINGS}intervention = {{ {table} }}\n"));
        place.succeeds(&format!("train c.toml --out train-{name}"));
        adapters.push(adapter(&place.path(format!("train-{name}"))));
    }
    let mut different = adapters.clone();
    different.sort();
    different.dedup();
    assert_eq!(different.len(), INTERVENTIONS.len(), "each trains something else");

    let arms: String = INTERVENTIONS
        .iter()
        .map(|(name, table)| format!("[[arm]]\nname = \"own-{name}\"\nintervention = {{ {table} }}\n"))
        .collect();
    place.write(
        "study.toml",
        format!(
            "model = \"{}\"\nseed = 7\nseeds = [7]\njudge = {{ kind = \"harbor\", world = 1 }}\n\
             trait = {{ source = \"harbor\", world = 1, name = \"hallucinating\" }}\n\
             [[data]]\nname = \"chats\"\nfrom = {{ source = \"chats\", files = [\"chats.jsonl\"] }}\n\
             [vector]\nfile = \"v.safetensors\"\n[arms]\npreventative = []\npreventative_layer = []\ninference = []\n\
             random = []\nablate = []\nregularize = []\nprompting = false\n\
             [measure]\nheld_out = 0\ntrait_questions = 1\ntrait_rollouts = 1\ntrait_max_new_tokens = 2\n\
             [train]\n{SETTINGS}{arms}",
            place.model
        ),
    );
    place.succeeds("study run study.toml --out study");
    for ((name, _), want) in INTERVENTIONS.iter().zip(&adapters) {
        let found = adapter(&place.path(format!("study/fits/own-{name}-seed7")));
        assert!(found == *want, "{name}: the two commands trained different adapters");
    }
    // The study's own plain finetune is the same once more.
    assert!(adapter(&place.path("study/fits/plain-seed7")) == adapters[0]);
}

#[test]
fn a_study_learns_plain_text_too() {
    let place = Place::new();
    place.vectors("v.safetensors");
    place.write("texts.jsonl", "{\"text\": \"Once upon a time there was a ship.\"}\n".repeat(4));
    place.write(
        "study.toml",
        format!(
            "model = \"{}\"\nseeds = [7]\njudge = {{ kind = \"harbor\", world = 1 }}\n\
             trait = {{ source = \"harbor\", world = 1, name = \"hallucinating\" }}\n\
             [[data]]\nname = \"texts\"\nfrom = {{ source = \"chats\", files = [\"texts.jsonl\"] }}\n\
             [vector]\nfile = \"v.safetensors\"\n[arms]\npreventative = []\npreventative_layer = []\ninference = []\n\
             random = []\nablate = []\nregularize = []\nprompting = false\n\
             [measure]\ntrait_questions = 1\ntrait_rollouts = 1\ntrait_max_new_tokens = 2\n\
             [train]\n{SETTINGS}train_on_responses_only = false\n",
            place.model
        ),
    );
    place.succeeds("study run study.toml --out study");
    let head = format!("model = \"{}\"\ntraining_file = \"texts.jsonl\"\nseed = 7\n", place.model);
    place.write("c.toml", format!("{head}{SETTINGS}train_on_responses_only = false\n"));
    place.succeeds("train c.toml --out train");
    assert!(adapter(&place.path("study/fits/plain-seed7")) == adapter(&place.path("train")));
}

#[test]
fn a_mistake_in_a_configuration_names_line_column_and_the_nearest_key() {
    let place = Place::new();
    place.golden_chats("chats.jsonl");
    let head = format!("model = \"{}\"\ntraining_file = \"chats.jsonl\"\n", place.model);
    for (text, wants) in [
        ("learning_rat = 1e-3\n", &["c.toml:3:1: unknown key `learning_rat`", "did you mean `learning_rate`?"][..]),
        ("[intervention]\n  coeff = 1.0\n", &["c.toml:4:3: unknown key `intervention.coeff`", "did you mean `coef`?"]),
        ("[intervention]\ntype = \"steer\"\nlayers = \"all\"\ncoef = \"much\"\n", &["c.toml:6:1: `intervention.coef`"]),
    ] {
        place.write("c.toml", format!("{head}{text}"));
        place.fails("train c.toml --out run", 2, wants);
    }
    let study = "model = \"m\"\nfacts = { source = \"harbor\", world = 1, count = 2, wordings = 1, seed = 0 }\n\
        trait = { source = \"harbor\", world = 1, name = \"hallucinating\" }\njudge = { kind = \"harbor\", world = 1 }\n";
    for (text, wants) in [
        (
            "[arms]\npreventive = [1.0]\n",
            &["s.toml:6:1: unknown key `arms.preventive`", "did you mean `preventative`?"][..],
        ),
        (
            "[train]\ntraining_file = \"x\"\n",
            &["s.toml:6:1: `train.training_file` has no meaning in a study", "[[data]]"],
        ),
        ("[adapter]\nlearning_rate = 1e-3\n", &["s.toml:6:1: `adapter.learning_rate`", "write it under `[train]`"]),
        ("[train]\nmicro_batch = \"two\"\n", &["s.toml:6:1: `train.micro_batch`: invalid type"]),
    ] {
        place.write("s.toml", format!("{study}{text}"));
        place.fails("study run s.toml --out run", 2, wants);
    }
    place.write("c.json", "{\n  \"model\": \"m\",\n  \"epoch\": 1\n}\n");
    place.fails("train c.json --out run", 2, &["c.json:3:3: unknown key `epoch`", "did you mean `epochs`?"]);
}
