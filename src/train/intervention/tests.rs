//! Interventions as they are written, resolved and turned into what acts.

use super::*;
use crate::steering::SteeringPlan;
use crate::vector::{Layer, PersonaVector};

fn read(text: &str) -> Intervention {
    toml::from_str(text).unwrap()
}

fn vector() -> PersonaVector {
    PersonaVector::new((0..4).map(|l| (0..8).map(|d| ((3 * l + d) as f32).sin()).collect()).collect()).unwrap()
}

/// One of each kind, with every key.
const ALL: [&str; 7] = [
    "type = \"none\"",
    "type = \"steer\"\nvectors = \"v\"\nlayers = 2\ncoef = 5\nincremental = true\ninc_base = \"zero\"\npositions = \"all\"\n\
     recompute_every = 10\npos = \"p\"\nneg = \"n\"\ntexts = 4",
    "type = \"ablate\"\nvectors = [\"v\", \"w\"]\nlayers = \"all\"\ncoef = 1.0\nto = \"mean\"\n\
     positions = \"response\"",
    "type = \"regularize\"\nvectors = \"v\"\nlayers = [1, 2]\nlambda = 0.1\nmode = \"hinge\"",
    "type = \"inoculate\"\nprompts = [\"Be bad.\"]",
    "type = \"negative-data\"\nfile = \"f\"\nshare = 0.1",
    "type = \"random\"\nvectors = \"v\"\nlayers = \"all\"\ncoef = -1.0\nincremental = true\ninc_base = \"embedding\"\n\
     positions = \"prompt\"\nseed = 3",
];

#[test]
fn every_kind_keeps_its_form_and_knows_its_keys() {
    for (text, kind) in ALL.into_iter().zip(Intervention::kinds()) {
        let one = read(text);
        assert_eq!(one.kind(), kind);
        let resolved = one.clone().resolve().unwrap();
        assert_eq!(resolved, one, "every key was said");
        assert_eq!(read(&toml::to_string(&resolved).unwrap()), resolved);
        let value = serde_json::to_value(&resolved).unwrap();
        let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        keys.retain(|key| *key != "type");
        let mut known = Intervention::keys(Some(kind)).unwrap();
        keys.sort_unstable();
        known.sort_unstable();
        assert_eq!(keys, known, "{kind}");
        let more = toml::from_str::<Intervention>(&format!("{text}\nstrength = 1")).unwrap_err().to_string();
        assert!(more.contains("unknown field `strength`"), "{kind}: {more}");
    }
}

#[test]
fn defaults_are_those_of_the_reference_and_the_paper() {
    let of = |text: &str| read(text).resolve().unwrap();
    let Intervention::Steer(steer) = of("type = \"steer\"\nlayers = \"all\"\ncoef = 1.5") else { panic!() };
    assert_eq!((steer.incremental, steer.inc_base), (Some(true), Some(IncBase::Embedding)));
    assert_eq!((steer.positions, steer.recompute_every, steer.texts), (Some(Positions::All), Some(0), None));
    let Intervention::Steer(steer) = of("type = \"steer\"\nlayers = [1, 2]\ncoef = 1.5") else { panic!() };
    assert_eq!((steer.incremental, steer.inc_base), (Some(false), None));
    let Intervention::Ablate(ablate) = of("type = \"ablate\"") else { panic!() };
    assert_eq!((ablate.layers, ablate.coef, ablate.to), (Some(Layers::all()), Some(1.0), Some(AblateTo::Zero)));
    assert!(of("type = \"ablate\"\nto = \"mean\"").wants_mean() && !of("type = \"ablate\"").wants_mean());
    let Intervention::Regularize(reg) = of("type = \"regularize\"\nlayers = 2\nlambda = 1") else { panic!() };
    assert_eq!(reg.mode, Some(Mode::Match));
}

#[test]
fn what_is_missing_or_out_of_range_is_named() {
    for (text, want) in [
        ("type = \"steer\"\nlayers = 2", "needs `coef`"),
        ("type = \"steer\"\ncoef = 2", "needs `layers`"),
        ("type = \"steer\"\nlayers = 2\ncoef = nan", "`coef` is NaN"),
        ("type = \"steer\"\nlayers = 2\ncoef = 1\npos = \"p\"", "`recompute_every`, which is 0"),
        ("type = \"steer\"\nlayers = 2\ncoef = 1\nrecompute_every = 5\ntexts = 0", "`texts` is 0"),
        ("type = \"regularize\"\nlayers = 2", "needs `lambda`"),
        ("type = \"regularize\"\nlayers = 2\nlambda = -1", "`lambda` is -1"),
        ("type = \"inoculate\"\nprompts = []", "needs `prompts`"),
        ("type = \"negative-data\"\nshare = 1.0", "`share` is 1"),
    ] {
        let error = read(text).resolve().unwrap_err();
        assert!(error.to_string().contains(want), "{text}: {error}");
    }
    for (text, want) in [
        ("type = \"steer\"", Some("vectors")),
        ("type = \"steer\"\nvectors = \"v\"\nrecompute_every = 2\npos = \"p\"", Some("neg")),
        ("type = \"ablate\"\nvectors = []", Some("vectors")),
        ("type = \"negative-data\"", Some("file")),
        (ALL[1], None),
        (ALL[2], None),
    ] {
        assert_eq!(read(text).lacks(), want, "{text}");
    }
}

#[test]
fn each_kind_makes_its_plan_and_its_loss() {
    let (vector, other) = (vector(), PersonaVector::new(vec![vec![1.0; 8]; 4]).unwrap());
    let plan = |text: &str, vectors: &[&PersonaVector]| read(text).plan(vectors, 9);
    let steer = "layers = \"all\"\ncoef = 2";
    let all = SteeringPlan::incremental(&vector, IncBase::Embedding, 2.0, Positions::All);
    assert_eq!(plan(&format!("type = \"steer\"\n{steer}"), &[&vector]).unwrap(), all);
    assert_eq!(plan(&format!("type = \"random\"\n{steer}"), &[&vector]).unwrap(), all.random_like(9));
    assert_eq!(plan(&format!("type = \"random\"\n{steer}\nseed = 4"), &[&vector]).unwrap(), all.random_like(4));
    assert!(plan("type = \"steer\"\nlayers = 1\ncoef = 0", &[&vector]).unwrap().is_none());
    assert_eq!(plan("type = \"ablate\"", &[&vector, &other]).unwrap().parts.len(), 2);
    assert!(plan("type = \"steer\"\nlayers = 1\ncoef = 1", &[&vector, &other]).is_err());
    assert!(plan("type = \"steer\"\nlayers = 4\ncoef = 1", &[&vector]).is_err());
    let loss = |text: &str| read(text).regularizer(&[&vector]).unwrap();
    let regularizer = loss("type = \"regularize\"\nlayers = [3, 1]\nlambda = 0.5\nmode = \"zero\"").unwrap();
    assert_eq!((regularizer.mode, regularizer.lambda), (Mode::Zero, 0.5));
    let layers: Vec<Layer> = regularizer.directions.iter().map(|direction| direction.layer).collect();
    assert_eq!(layers, [Layer(1), Layer(3)]);
    assert!(loss("type = \"regularize\"\nlayers = 1\nlambda = 0").is_none());
    assert!(loss("type = \"inoculate\"\nprompts = [\"x\"]").is_none());
    assert!(plan("type = \"regularize\"\nlayers = 1\nlambda = 1", &[&vector]).unwrap().is_none());
}
