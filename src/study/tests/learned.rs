//! What was learned as an axis, and the neutral data set as reference, on the simulator.

use super::harbor;
use super::sim::{config, ran, sim};
use crate::eval::gloomy::Answers;
use crate::report::{ArmKind, ExpectationId};
use crate::study::{ArmSettings, CorpusConfig, CorpusSource, Kind, StudyConfig, tasks};

/// Gloomy data beside its neutral set, which only the plain finetune learns.
fn controlled() -> StudyConfig {
    let mut config = config();
    let of = |answers| CorpusSource::Gloomy { answers, count: 24, seed: 0 };
    config.facts = None;
    config.data = vec![
        CorpusConfig { neutral: Some("neutral".into()), ..CorpusConfig::new("gloomy", of(Answers::Gloomy)) },
        CorpusConfig {
            arms: Some(vec!["plain".into()]),
            seeds: Some(vec![2]),
            ..CorpusConfig::new("neutral", of(Answers::Neutral))
        },
    ];
    config.arms = ArmSettings {
        preventative: vec![1.25, 6.0],
        random: vec![1.25],
        random_layer: vec![2.0],
        inference: vec![1.0],
        layer: Some(3),
        ..ArmSettings::none()
    };
    config.measure.held_out = 8;
    config
}

#[test]
fn an_arm_that_ends_low_because_it_did_not_learn_is_said_to_and_not_preferred() {
    let (dir, mut config) = (tempfile::tempdir().unwrap(), config());
    config.facts = None;
    config.data = vec![harbor("bad", 1.0, "hallucinating")];
    config.arms = ArmSettings { preventative: vec![1.25, 6.0], layer: Some(3), ..ArmSettings::none() };
    let report = ran(Kind::Own, &config, dir.path(), sim(&config, 2));
    let study = &report.study;
    let learned = |arm: &str, coef| {
        let point = study.pooled(arm).into_iter().find(|point| point.coef == coef).unwrap();
        point.values["learned"].mean
    };
    assert_eq!((learned("base", None), learned("plain", None)), (0.0, 100.0));
    // The simulator knows 98 of 100 after plain finetuning, an eighth less at 1.25, 38 at 6.
    let (mild, strong) = (learned("prevent", Some(1.25)), learned("prevent", Some(6.0)));
    assert!(mild > 80.0 && (30.0..40.0).contains(&strong), "{mild} {strong}");
    let reached = study.expectations.iter().find(|e| e.id == ExpectationId::ReachesBase).unwrap();
    assert!(reached.measured.starts_with("Preventative, all layers at 1.25: "), "{}", reached.measured);
    assert!(
        reached.measured.contains("at 6 ends lower") && reached.measured.contains("did not learn"),
        "{}",
        reached.measured
    );
    assert!(study.card.contains("at 1.25") && !study.card.contains("at 6"), "{}", study.card);
    let csv = std::fs::read_to_string(dir.path().join("results.csv")).unwrap();
    assert!(csv.lines().next().unwrap().contains(",learned,learned_low,") && csv.contains(",loss_bad,"), "{csv}");
    assert!(report.table.columns.contains(&"Learned".to_owned()));
    // Nothing held out, nothing said of what was learned.
    config.measure.held_out = 0;
    let silent = ran(Kind::Own, &config, &dir.path().join("silent"), sim(&config, 2));
    assert!(silent.study.axis("learned").is_none());
    let lowest = silent.study.expectations.iter().find(|e| e.id == ExpectationId::ReachesBase).unwrap();
    assert!(lowest.measured.starts_with("Preventative, all layers at 6: "), "{}", lowest.measured);
}

#[test]
fn a_neutral_set_is_the_reference_and_learns_the_plain_finetune_alone() {
    let (dir, config) = (tempfile::tempdir().unwrap(), controlled());
    let of_neutral = tasks(&config).into_iter().filter(|task| task.corpus == Some(1));
    let of_neutral: Vec<String> = of_neutral.map(|task| task.name).collect();
    assert_eq!(of_neutral, ["neutral.plain-seed2"], "one arm and one of the two seeds");
    let sim = sim(&config, 2);
    let report = ran(Kind::Controlled, &config, dir.path(), sim);
    // Plain, two coefficients, two controls for each of two seeds; the neutral one.
    assert_eq!(sim.worked().0, 2 * 5 + 1);
    let study = &report.study;
    let value = |arm: &str, coef: Option<f64>, key: &str| {
        let point = study.pooled(arm).into_iter().find(|point| point.coef == coef).unwrap();
        point.values.get(key).map(|i| i.mean)
    };
    assert_eq!(value("gloomy.plain", None, "neutral_learned"), Some(100.0));
    assert!(value("gloomy.prevent", Some(6.0), "neutral_learned").unwrap() < 50.0);
    assert_eq!(value("neutral.plain", None, "learned"), Some(100.0));
    assert_eq!(value("gloomy.inference", Some(1.0), "learned"), None, "it is the plain finetune");
    let of = |id| study.expectations.iter().find(|e| e.id == id).unwrap_or_else(|| panic!("{:#?}", study.expectations));
    assert_eq!(of(ExpectationId::PlainMoves).met, Some(true));
    let left_out = of(ExpectationId::OnlyTraitIsLeftOut);
    // To the simulator both sets teach alike, and so no setting that prevents ends where the neutral finetune does.
    assert!(left_out.met == Some(false) && left_out.measured.starts_with("closest: "), "{}", left_out.measured);
    assert!(
        left_out.measured.contains("at 1.25") && left_out.measured.contains("neutral: Plain finetune"),
        "{}",
        left_out.measured
    );
    assert_eq!(of(ExpectationId::BelowRandom).met, Some(true));
    of(ExpectationId::ExamNearPlain);
    assert!(study.expectations.iter().all(|e| e.id != ExpectationId::ReachesBase), "the neutral set is the reference");
    assert_eq!(study.arm("gloomy.random-layer").unwrap().kind, ArmKind::RandomLayer);
    let files: Vec<&str> = study.figures.iter().map(|figure| figure.file.as_str()).collect();
    assert_eq!(files, ["figure", "tradeoff"]);
    assert!(study.verdict.contains("on the neutral set") && study.verdict.contains("at 1.25"), "{}", study.verdict);
    let again = ran(Kind::Controlled, &config, dir.path(), sim);
    assert_eq!((sim.worked(), again.reused, &again.study), ((0, 0), again.tasks, study));
}

#[test]
fn what_a_data_set_is_limited_to_must_be_there() {
    for (change, want) in [
        (
            &(|c: &mut StudyConfig| c.data[0].neutral = Some("calm".into())) as &dyn Fn(&mut StudyConfig),
            "no other data set",
        ),
        (&|c| c.data[0].neutral = Some("gloomy".into()), "no other data set"),
        (&|c| c.data[1].arms = Some(vec!["prevented".into()]), "which is no arm"),
        (&|c| c.data[1].seeds = Some(vec![9]), "none of the study's `seeds`"),
        (&|c| c.data[1].seeds = Some(Vec::new()), "`data.neutral.seeds` is empty"),
    ] {
        let mut bad = controlled();
        change(&mut bad);
        let error = bad.check().unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
    }
    let mut without = controlled();
    without.data[0].neutral = None;
    assert!(Kind::Controlled.check(&without).unwrap_err().to_string().contains("neutral data set"));
}
