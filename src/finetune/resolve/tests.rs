//! Settings that are read, resolved and refused.

use super::super::file::AblateTo;
use super::super::notice::Notice;
use super::*;
use crate::config_file::ConfigFile;
use crate::vector::IncBase;

fn read(text: &str) -> (Result<TrainSettings>, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.toml");
    std::fs::write(&path, text).unwrap();
    let file = ConfigFile::read(&path).unwrap();
    let mut notices = Vec::new();
    let settings = file.parse::<TrainFile>().and_then(|mut train| {
        notices = train.take_reference()?.iter().map(|notice: &Notice| notice.text().to_owned()).collect();
        train.resolve().map_err(|e| file.locate(e))
    });
    (settings, notices)
}

const HEAD: &str = "model = \"m\"\ntraining_file = \"data.jsonl\"\n";

fn settings(text: &str) -> TrainSettings {
    read(&format!("{HEAD}{text}")).0.unwrap()
}

fn intervention(text: &str) -> Intervention {
    settings(&format!("[intervention]\n{text}")).intervention
}

#[track_caller]
fn check_refused(text: &str, want: &str) {
    let error = read(&format!("{HEAD}{text}")).0.unwrap_err();
    let said = format!("{error} / {}", error.help().unwrap_or_default());
    assert!(said.contains(want), "{said}");
    assert_eq!(error.exit_code(), 2, "{said}");
}

#[test]
fn a_learning_rate_has_many_faces() {
    let value = |rate: &str| serde_json::from_str::<Rate>(rate).map(|rate| rate.0);
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

#[test]
fn what_is_resolved_is_a_configuration_again() {
    for table in [
        "",
        "[intervention]\ntype = \"none\"",
        "[intervention]\ntype = \"steer\"\nvectors = \"v\"\nlayers = 2\ncoef = 5\nincremental = true\ninc_base = \"zero\"\n\
         positions = \"all\"\nrecompute_every = 10\npos = \"p\"\nneg = \"n\"\ntexts = 4\n[watch]\nfile = \"w\"\nlayer = 2",
        "[intervention]\ntype = \"ablate\"\nvectors = [\"v\", \"w\"]\nlayers = \"all\"\ncoef = 1.0\nto = \"mean\"\n\
         positions = \"response\"",
        "[intervention]\ntype = \"regularize\"\nvectors = \"v\"\nlayers = [1, 2]\nlambda = 0.1\nmode = \"hinge\"",
        "[intervention]\ntype = \"inoculate\"\nprompts = [\"Be bad.\"]",
        "[intervention]\ntype = \"negative-data\"\nfile = \"f\"\nshare = 0.1",
        "[intervention]\ntype = \"random\"\nvectors = \"v\"\nlayers = \"all\"\ncoef = -1.0\nseed = 3",
    ] {
        let first = settings(&format!("max_steps = 3\nlearning_rate = -4\nadapter = \"a\"\n{table}"));
        let written = toml::to_string_pretty(&first).unwrap();
        assert_eq!(read(&written).0.unwrap(), first, "{written}");
        assert!((first.fit.learning_rate - 1e-4).abs() < 1e-12 && first.fit.max_steps == Some(3));
    }
    assert_eq!(settings("max_steps = -1").fit.max_steps, None);
}

#[test]
fn short_names_are_the_same_keys() {
    let long = settings(
        "per_device_train_batch_size = 3\ngradient_accumulation_steps = 5\nmax_seq_length = 77\ntrain_on_responses_only = false",
    );
    let short = settings("micro_batch = 3\naccumulation = 5\nmax_len = 77\nresponses_only = false");
    assert_eq!(long, short);
    assert_eq!((long.fit.micro_batch, long.fit.accumulation, long.rules.max_len), (3, 5, 77));
    check_refused("micro_batch = 3\nper_device_train_batch_size = 3", "duplicate field");
}

#[test]
fn the_reference_is_read_as_it_is() {
    let (_, said) =
        read(&format!("{HEAD}optim = \"adamw_8bit\"\nlogging_steps = 1\nloss = \"sft\"\nlora_dropout = 0.0\n"));
    assert_eq!(said, ["without effect here: logging_steps, optim"]);
    assert_eq!(settings("holdout = false").data.holdout, 0.0);

    let table = "\n[steering_config]\nsteering_vector_path = \"v.safetensors\"\ntype = \"steer\"\nsteering_coef = 5.0\nlayers = [2]\n";
    let (off, said) = read(&format!("{HEAD}{table}"));
    assert_eq!(off.unwrap().intervention, Intervention::None);
    assert!(said.iter().any(|line| line.contains("nothing is steered")), "{said:?}");
    let on = |table: &str| settings(&format!("enable_steering_during_training = true{table}")).intervention;
    let Intervention::Steer(steering) = on(table) else { panic!() };
    assert_eq!((steering.coef, steering.incremental), (5.0, false));
    let Intervention::Ablate { coef, layers, .. } = on(&table.replace("\"steer\"", "\"ablate\"")) else { panic!() };
    assert_eq!((coef, layers), (1.0, Layers::These(vec![2])), "its coefficient is for steering");
}

#[test]
fn defaults_are_those_of_the_reference_and_the_paper() {
    let plain = settings("");
    assert_eq!((plain.fit.learning_rate, plain.shape.r, plain.shape.lora_alpha), (1e-5, 32, 64.0));
    assert_eq!(
        (plain.fit.save_steps, plain.rules, plain.intervention),
        (Some(25), ExampleRules::default(), Intervention::None)
    );
    let Intervention::Steer(steering) = intervention("type = \"steer\"\nvectors = \"v\"\nlayers = \"all\"\ncoef = 1.5")
    else {
        panic!()
    };
    assert_eq!((steering.incremental, steering.inc_base), (true, IncBase::Embedding));
    assert_eq!((steering.positions, steering.recompute), (Positions::All, None));
    let Intervention::Steer(steering) = intervention("type = \"steer\"\nvectors = \"v\"\nlayers = [1, 2]\ncoef = 1.5")
    else {
        panic!()
    };
    assert!(!steering.incremental);
    let Intervention::Ablate { layers, coef, to, .. } = intervention("type = \"ablate\"\nvectors = \"v\"") else {
        panic!()
    };
    assert_eq!((layers, coef, to), (Layers::all(), 1.0, AblateTo::Zero));
}

#[test]
fn what_cannot_be_honoured_is_refused_with_its_place() {
    check_refused(
        "lora_dropout = 0.1",
        "c.toml:3:1: `lora_dropout`: it is 0.1, but adapters are trained without dropout",
    );
    check_refused("loss = \"dpo\"", "only supervised");
    check_refused("epochs = 0", "c.toml:3:1: `epochs` is 0");
    check_refused("holdout = 1.5", "c.toml:3:1: `holdout` is 1.5");
    check_refused("epochs = \"two\"", "c.toml:3:1: `epochs`");
    check_refused("learning_rate = \"much\"", "c.toml:3:1: `learning_rate`: \"much\" is not a number");
    check_refused("epochz = 1", "did you mean `epochs`?");
    check_refused("[intervention]\ntype = \"steer\"\nlayers = [2]\ncoef = 1", "needs `vectors`");
    check_refused("[intervention]\ntype = \"stear\"", "did you mean `steer`?");
    check_refused("[intervention]\nvector = \"x\"", "c.toml:4:1: unknown key `intervention.vector`");
    check_refused("[intervention]\ntype = \"steer\"\n coef = \"much\"", "c.toml:5:2: `intervention.coef`");
    check_refused("[watch]\nevry = 1", "c.toml:4:1: unknown key `watch.evry`");
    check_refused("[watch]\nlayer = \"all\"", "c.toml:4:1: `watch.layer`");
    check_refused("[watch]\nlayer = 1\nfile = \"data.jsonl\"", "`watch` needs `vectors`");
    check_refused("[watch]\nfile = \"f\"\nvectors = \"v\"\nlayer = 1\nevery = 0", "c.toml:7:1: `watch.every` is 0");
    check_refused("[intervention]\ncoef = 1", "c.toml:3:2: `intervention` has no `type`");
    for (table, want) in [
        ("type = \"ablate\"\nlambda = 1", "c.toml:5:1: `intervention.lambda`: type \"ablate\" takes no `lambda`"),
        ("type = \"ablate\"", "needs `vectors`"),
        ("type = \"inoculate\"", "needs `prompts`"),
        ("type = \"inoculate\"\nprompts = []", "needs `prompts`"),
        ("type = \"steer\"\nlayers = 2", "needs `coef`"),
        ("type = \"steer\"\ncoef = 2", "needs `layers`"),
        ("type = \"steer\"\nlayers = 2\ncoef = 1\npos = \"p\"", "`recompute_every`, which is 0"),
        ("type = \"steer\"\nlayers = 2\ncoef = 1\nrecompute_every = 5\ntexts = 0", "`intervention.texts` is 0"),
        ("type = \"steer\"\nlayers = 2\ncoef = 1\nvectors = \"v\"\nrecompute_every = 2\npos = \"p\"", "needs `neg`"),
        ("type = \"steer\"\nlayers = 2\ncoef = 1\nvectors = [\"v\", \"w\"]", "takes one vector file, not 2"),
        ("type = \"regularize\"\nlayers = 2", "needs `lambda`"),
        ("type = \"regularize\"\nlayers = 2\nlambda = -1", "`intervention.lambda` is -1"),
        ("type = \"negative-data\"\nshare = 1.0", "`intervention.share` is 1"),
        ("type = \"negative-data\"\nshare = 0.1", "needs `file`"),
    ] {
        check_refused(&format!("[intervention]\n{table}"), want);
    }
}

#[test]
fn a_strength_replaces_an_interventions_own() {
    let file = |kind| InterventionFile { kind: Some(kind), ..InterventionFile::default() };
    assert_eq!(file(InterventionType::Steer).at(2.0).unwrap().coef, Some(2.0));
    assert_eq!(file(InterventionType::Regularize).at(2.0).unwrap().lambda, Some(2.0));
    assert_eq!(file(InterventionType::NegativeData).at(0.2).unwrap().share, Some(0.2));
    for kind in [InterventionType::None, InterventionType::Inoculate] {
        assert!(file(kind).at(1.0).unwrap_err().to_string().contains("takes no coefficient"));
    }
}
