//! Configurations that are read, resolved and refused.

use super::*;
use crate::verbs::tests::Quiet;

#[test]
fn a_learning_rate_has_many_faces() {
    let value = |rate: &str| serde_json::from_str::<Rate>(rate).unwrap().value();
    for (written, want) in [
        ("1e-5", 1e-5),
        ("-5", 1e-5),
        ("\"1e-5\"", 1e-5),
        ("\"2 * 10**-5\"", 2e-5),
        ("\"10**(-4)\"", 1e-4),
        ("\"-5\"", 1e-5),
        ("1", 1.0),
    ] {
        let got = value(written).unwrap();
        assert!((got - want).abs() < 1e-12, "{written} gave {got}");
    }
    for wrong in ["0", "-0.5", "\"__import__('os')\"", "\"\"", "\"1e-5*\""] {
        assert!(value(wrong).is_err(), "{wrong}");
    }
}

fn read(text: &str) -> (Result<TrainConfig>, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.toml");
    std::fs::write(dir.path().join("data.jsonl"), "").unwrap();
    std::fs::write(dir.path().join("v.safetensors"), "").unwrap();
    std::fs::write(&path, text).unwrap();
    let console = Quiet::default();
    let config = TrainConfig::read(&path, &console).and_then(TrainConfig::resolve);
    (config, console.lines.into_inner().unwrap())
}

#[track_caller]
fn check_refused(text: &str, want: &str) {
    let error = read(&format!("model = \"m\"\ntraining_file = \"data.jsonl\"\n{text}")).0.unwrap_err();
    let said = format!("{error} / {}", error.help().unwrap_or_default());
    assert!(said.contains(want), "{said}");
    assert_eq!(error.exit_code(), 2, "{said}");
}

#[test]
fn every_key_is_known_and_every_known_key_is_one() {
    let config = read("model = \"m\"\ntraining_file = \"data.jsonl\"").0.unwrap();
    let watch = Some(WatchConfig::default());
    let full =
        TrainConfig { adapter: Some("a".into()), test_file: Some("t".into()), max_steps: Some(1), watch, ..config };
    let written = serde_json::to_value(&full).unwrap();
    for key in written.as_object().unwrap().keys() {
        assert!(KEYS.contains(&key.as_str()), "{key}");
    }
    assert_eq!(written.as_object().unwrap().len(), KEYS.len() - 2);
}

#[test]
fn what_is_resolved_is_a_configuration_again() {
    let (config, said) = read(
        "model = \"m\"\ntraining_file = [\"data.jsonl\"]\nlearning_rate = -4\noptim = \"adamw_8bit\"\n[intervention]\ntype = \"steer\"\nvectors = \"v.safetensors\"\nlayers = \"all\"\ncoef = 1.5\n",
    );
    let config = config.unwrap();
    assert!(said.iter().any(|line| line.contains("without effect here: optim")), "{said:?}");
    assert!(said.iter().any(|line| line.contains("data.jsonl (beside the configuration)")), "{said:?}");
    let again: TrainConfig = toml::from_str(&toml::to_string(&config).unwrap()).unwrap();
    assert_eq!(again.resolve().unwrap(), config);
    let Some(Intervention::Steer(steer)) = config.intervention else { panic!("{config:?}") };
    assert_eq!(steer.incremental, Some(true));
}

#[test]
fn the_reference_steers_only_with_its_switch() {
    let table = "\n[steering_config]\nsteering_vector_path = \"v.safetensors\"\ntype = \"steer\"\nsteering_coef = 5.0\nlayers = [2]\n";
    let head = "model = \"m\"\ntraining_file = \"data.jsonl\"\n";
    let (off, said) = read(&format!("{head}{table}"));
    assert_eq!(off.unwrap().intervention, Some(Intervention::None {}));
    assert!(said.iter().any(|line| line.contains("nothing is steered")), "{said:?}");
    let on = |table: &str| {
        read(&format!("{head}enable_steering_during_training = true{table}")).0.unwrap().intervention.unwrap()
    };
    let Intervention::Steer(steer) = on(table) else { panic!() };
    assert_eq!((steer.coef, steer.incremental), (Some(5.0), Some(false)));
    let Intervention::Ablate(ablate) = on(&table.replace("\"steer\"", "\"ablate\"")) else { panic!() };
    assert_eq!(
        (ablate.coef, ablate.layers),
        (Some(1.0), Some(Layers::These(vec![2]))),
        "its coefficient is for steering"
    );
}

#[test]
fn what_cannot_be_honoured_is_refused() {
    check_refused("lora_dropout = 0.1", "trained without dropout");
    check_refused("loss = \"dpo\"", "only supervised");
    check_refused("epochs = 0", "`epochs` is 0");
    check_refused("holdout = 1.5", "`holdout` is 1.5");
    check_refused("epochs = \"two\"", "c.toml:3: `epochs`");
    check_refused("test_file = \"nowhere.jsonl\"", "`test_file`: no such file");
    check_refused("[intervention]\ntype = \"steer\"\nlayers = [2]\ncoef = 1", "needs `vectors`");
    check_refused("[intervention]\ntype = \"stear\"", "did you mean `steer`?");
    check_refused("[intervention]\nvector = \"x\"", "c.toml:4: unknown key `intervention.vector`");
    check_refused("[intervention]\ntype = \"steer\"\ncoef = \"much\"", "c.toml:5: `intervention.coef`");
    check_refused("[watch]\nevry = 1", "c.toml:4: unknown key `watch.evry`");
    check_refused("[watch]\nlayer = \"all\"", "c.toml:4: `watch.layer`");
    check_refused("[watch]\nlayer = 1\nfile = \"data.jsonl\"", "`watch` needs `vectors`");
    check_refused("[watch]\nevery = 0", "`watch.every` is 0");
    check_refused("[intervention]\ncoef = 1", "`intervention` has no `type`");
    check_refused("[intervention]\ntype = \"ablate\"\nlambda = 1", "c.toml:5: unknown key `intervention.lambda`");
    check_refused("[intervention]\ntype = \"ablate\"", "needs `vectors`");
    check_refused("[intervention]\ntype = \"inoculate\"", "needs `prompts`");
}
