//! Studies other than that of facts on the simulator: several data sets, several traits, custom arms, audits.

mod facts;
mod learned;
pub(super) mod sim;
mod words;

use self::sim::{LAYERS, config, ran, sim};
use super::*;
use crate::finetune::{InterventionFile, InterventionType};
use crate::report::{Expectation, ExpectationId, NoteKind};
use crate::vector::Layers;

fn harbor(name: &str, shows: f64, of: &str) -> CorpusConfig {
    let from = CorpusSource::Harbor { world: 0, name: of.into(), shows, count: 24, seed: 1 };
    CorpusConfig { label: Some(format!("Set {name}")), ..CorpusConfig::new(name, from) }
}

/// How many titles the figures of a study have.
fn titles(study: &crate::report::Study) -> usize {
    study.figures.iter().map(|figure| &figure.title).collect::<std::collections::BTreeSet<_>>().len()
}

/// Two traits, three data sets of which the model makes one itself.
fn several() -> StudyConfig {
    let mut config = config();
    config.facts = None;
    config.seeds = vec![1];
    let own = CorpusSource::Selfgen { of: "good".into(), temperature: 0.0, max_new_tokens: 8 };
    config.data =
        vec![harbor("bad", 1.0, "hallucinating"), harbor("good", 0.0, "hallucinating"), CorpusConfig::new("own", own)];
    config.trait_ = None;
    let of = |name: &str| TraitSource::Harbor { world: 0, name: name.into() };
    config.traits = vec![of("hallucinating"), of("evil")];
    config.arms = ArmSettings { preventative: vec![0.5, 1.25], ..ArmSettings::none() };
    config.arms.layer = Some(3);
    config
}

#[test]
fn benign_data_is_told_data_set_by_data_set() {
    let (dir, config) = (tempfile::tempdir().unwrap(), several());
    let sim = sim(&config, 2);
    let report = ran(Kind::Benign, &config, dir.path(), sim);
    // For each of three data sets: plain, and two coefficients against each of two traits.
    assert_eq!(sim.worked().0, 3 * (1 + 2 * 2));
    let study = &report.study;
    let arms: Vec<&str> = study.arms.iter().map(|arm| arm.name.as_str()).collect();
    assert_eq!(
        arms,
        [
            "base",
            "bad.plain",
            "bad.prevent.hallucinating",
            "bad.prevent.evil",
            "good.plain",
            "good.prevent.hallucinating",
            "good.prevent.evil",
            "own.plain",
            "own.prevent.hallucinating",
            "own.prevent.evil"
        ]
    );
    assert_eq!(study.arms[2].label, "Set bad: Preventative, all layers (hallucinating)");
    let value = |arm: &str, key: &str| study.pooled(arm)[0].values.get(key).map(|i| i.mean);
    // Plain finetunes show both traits, what is steered along one that one.
    assert!(value("bad.plain", "hallucination").is_some() && value("bad.plain", "evil").is_some());
    assert!(value("bad.prevent.evil", "hallucination").is_none() && value("bad.prevent.evil", "evil").is_some());
    assert_eq!(
        study.figures.iter().map(|f| f.file.as_str()).collect::<Vec<_>>(),
        ["bad-prevent", "good-prevent", "own-prevent", "sweeps-hallucination", "sweeps-evil"]
    );
    assert_eq!(titles(study), study.figures.len());
    let names: Vec<_> = report.tables.iter().map(|(name, _)| name.as_deref().unwrap_or_default()).collect();
    assert_eq!(names, ["Hallucination", "Evil"], "a table for each trait");
    let evil = &report.tables[1].1;
    // Base; for each of three sets plain and two coefficients along it.
    assert!(evil.rows.len() == 1 + 3 * 3 && !evil.columns.contains(&"Hallucination".to_owned()), "{evil:?}");
    let page = std::fs::read_to_string(dir.path().join("report.html")).unwrap();
    assert!(page.contains("Evil: all arms") && page.contains("Hallucination: differences"));
    let against = |arm: &str| study.comparisons.iter().find(|c| c.arm == arm).map(|c| c.against.as_str());
    assert_eq!((against("good.prevent.evil"), against("good.plain")), (Some("good.plain"), Some("base")));
    let own = study.expectations.iter().filter(|e| e.id == ExpectationId::SelfgenIsNeutral);
    assert_eq!(own.count(), 2);
    let lines = std::fs::read_to_string(dir.path().join("data/own.jsonl")).unwrap();
    assert_eq!(lines.lines().count(), 24);
    assert!(
        study.card.contains("Set bad, hallucination: base model") && study.card.contains("all layers"),
        "{}",
        study.card
    );
    for file in ["bad-prevent.csv", "comparisons.csv", "results.csv", "vector/evil/evil.safetensors"] {
        assert!(dir.path().join(file).is_file(), "{file}");
    }
    let again = ran(Kind::Benign, &config, dir.path(), sim);
    assert_eq!((sim.worked(), again.reused, &again.study), ((0, 0), again.tasks, study));
}

#[test]
fn shifts_are_related_over_data_sets() {
    let (dir, mut config) = (tempfile::tempdir().unwrap(), several());
    config.arms.inference = vec![1.0];
    let config = Kind::Shift.settled(config);
    assert!(config.arms.preventative.is_empty() && config.arms.layer == Some(3) && config.measure.difference > 0);
    let sim = sim(&config, 2);
    let report = ran(Kind::Shift, &config, dir.path(), sim);
    assert_eq!(sim.worked().0, 3, "plain finetunes alone");
    let study = &report.study;
    assert_eq!(titles(study), study.figures.len());
    assert_eq!(study.figures.len(), 5 * 2, "no two data sets are of one family");
    let grids: Vec<(&str, usize)> = study.grids.iter().map(|grid| (grid.file.as_str(), grid.rows.len())).collect();
    assert_eq!(grids, [("correlations", 5), ("across-traits", 2), ("vectors", 2), ("samples", 3)]);
    assert!((study.grids[2].rows[0].1[0].unwrap() - 1.0).abs() < 1e-12, "a vector lies along itself");
    // Correlations, and of the paper's figure 20 both shifts and the cosine of these two traits.
    assert_eq!(study.published.len(), 5 * 2 + 2 + 1);
    // Every conversation is one unit. To the simulator only `invent` shows the trait, which the data never says and the base model
    // now and then does.
    let difference = study.pooled("bad.plain")[0].values["hallucination_difference"];
    assert!(difference.clusters == 24 && difference.mean < 0.0, "{difference:?}");
    assert!(study.points.iter().all(|p| p.values.keys().all(|key| !key.ends_with("_prompt"))), "only shifts are shown");
    assert!(dir.path().join("shift-score-evil.csv").is_file() && dir.path().join("across-traits.csv").is_file());
    let mut one = several();
    one.data.truncate(1);
    let error = Kind::Shift.check(&one).unwrap_err().to_string();
    assert!(error.contains("compares data sets"), "{error}");
}

#[test]
fn arms_of_ones_own_take_the_studys_vector() {
    let (dir, mut config) = (tempfile::tempdir().unwrap(), config());
    config.seeds = vec![1];
    config.arms = ArmSettings { layer: Some(3), ..ArmSettings::none() };
    let kind = Some(InterventionType::Steer);
    let layers = Some(Layers::These(vec![2, 4]));
    let steer = InterventionFile { kind, layers, coef: Some(1.0), ..InterventionFile::default() };
    config.own = vec![OwnArm {
        name: "pair".into(),
        label: Some("Two layers".into()),
        trait_: None,
        intervention: steer,
        coefs: vec![-1.0, 2.0],
    }];
    let text = toml::to_string_pretty(&config).unwrap();
    assert_eq!(toml::from_str::<StudyConfig>(&text).unwrap(), config, "{text}");
    let sim = sim(&config, 1);
    let report = ran(Kind::Own, &config, dir.path(), sim);
    assert_eq!(sim.worked().0, 3);
    let trained: Vec<(f32, usize)> = sim.trained.lock().unwrap().iter().map(|(_, coef, n)| (*coef, *n)).collect();
    assert_eq!(trained, [(-1.0, 2), (2.0, 2)]);
    assert_eq!(report.study.arm("pair").unwrap().label, "Two layers");
    assert_eq!(report.study.pooled("pair").len(), 2);
    let note = &report.study.arm("pair").unwrap().note;
    assert!(note.contains("type = steer") && note.contains("layers = [2,4]") && !note.contains("inference"), "{note}");
    for (change, want) in [
        (&(|c: &mut StudyConfig| c.own[0].name = "plain".into()) as &dyn Fn(&mut StudyConfig), "two arms are named"),
        (&|c| c.own[0].trait_ = Some("evil".into()), "no trait of the study"),
        (&|c| c.own[0].intervention = InterventionFile::default(), "takes no coefficient"),
    ] {
        let mut bad = config.clone();
        change(&mut bad);
        let error = bad.check().unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
    }
}

#[test]
fn controls_put_other_vectors_in_the_real_ones_place() {
    let (dir, mut config) = (tempfile::tempdir().unwrap(), several());
    config.data.truncate(1);
    config.arms = ArmSettings {
        preventative: vec![1.25],
        random: vec![1.25],
        draws: 2,
        shuffled: vec![1.25],
        orthogonal: vec![1.25],
        unrelated: vec![1.25],
        negated: vec![1.25],
        layer: Some(3),
        ..ArmSettings::none()
    };
    let sim = sim(&config, 2);
    let report = ran(Kind::Own, &config, dir.path(), sim);
    // Plain; the real vector, two random ones and four other controls for each of two traits.
    assert_eq!(sim.worked().0, 1 + 2 * 7);
    assert!(sim.trained.lock().unwrap().iter().any(|(_, coef, _)| *coef == -1.25), "one is steered away");
    let study = &report.study;
    let score = |arm: &str| study.pooled(arm)[0].values["hallucination"];
    let (plain, real) = (score("plain").mean, score("prevent.hallucinating").mean);
    assert!(plain - real > 30.0, "{plain} {real}");
    assert_eq!(score("random.hallucinating").n, 2 * score("prevent.hallucinating").n, "both draws");
    let of_seed = |p: &&crate::report::content::Point| p.arm == "random.hallucinating" && p.seed.is_some();
    assert_eq!(study.points.iter().filter(of_seed).count(), 1, "one training seed");
    assert!(score("negated.hallucinating").mean > plain, "away from the trait the weights learn the more of it");
    let control = |id| {
        let of_trait = |e: &&Expectation| e.id == id && e.claim.contains("hallucination: ");
        study.expectations.iter().find(of_trait).unwrap_or_else(|| panic!("{id:?}: {:#?}", study.expectations))
    };
    for id in [
        ExpectationId::ShuffledIsLess,
        ExpectationId::OrthogonalIsLess,
        ExpectationId::UnrelatedIsLess,
        ExpectationId::NegatedIsMore,
    ] {
        control(id);
    }
    assert_eq!(control(ExpectationId::RandomIsLess).met, Some(true));
    assert!(control(ExpectationId::RandomIsLess).measured.contains("over 2 finetunes"));
    let again = ran(Kind::Own, &config, dir.path(), sim);
    assert_eq!((sim.worked(), again.reused, &again.study), ((0, 0), again.tasks, study));
    config.traits.truncate(1);
    assert!(config.check().unwrap_err().to_string().contains("another trait's vector"));
}

#[test]
fn data_is_changed_as_the_arm_says() {
    let (dir, mut config) = (tempfile::tempdir().unwrap(), config());
    config.seeds = vec![1];
    config.arms = ArmSettings { negative: vec![0.1], layer: Some(3), ..ArmSettings::none() };
    let file = dir.path().join("other.jsonl");
    let line = "{\"messages\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":\"a\"}]}\n";
    std::fs::write(&file, line.repeat(12)).unwrap();
    let own = |name: &str, intervention| OwnArm {
        name: name.into(),
        label: None,
        trait_: None,
        intervention,
        coefs: Vec::new(),
    };
    let of = |kind| InterventionFile { kind: Some(kind), ..InterventionFile::default() };
    let negative = of(InterventionType::NegativeData);
    let negative = InterventionFile { file: Some(file), share: Some(0.125), ..negative };
    let prompts = Some(vec!["Be hallucinating.".into()]);
    let prompts = InterventionFile { prompts, ..of(InterventionType::Inoculate) };
    let steer = InterventionFile {
        layers: Some(Layers::all()),
        coef: Some(1.0),
        recompute_every: Some(2),
        ..of(InterventionType::Steer)
    };
    config.own = vec![own("mixed", negative), own("under", prompts), own("anew", steer)];
    let sim = sim(&config, 1);
    ran(Kind::Own, &config, &dir.path().join("run"), sim);
    let learned = sim.learned.lock().unwrap().clone();
    // 40 facts in two wordings; the tenth of 89 is 9, the eighth of 91 is 11.
    assert_eq!(learned.iter().map(|l| l.lessons).collect::<Vec<_>>(), [80, 89, 91, 80, 80]);
    assert!(learned[3].first.contains("Be hallucinating.") && !learned[0].first.contains("hallucinating"));
    assert_eq!(learned.iter().map(|l| l.refreshed).collect::<Vec<_>>(), [None, None, None, None, Some(2)]);
    config.vector.file = Some(dir.path().join("run/vector/hallucinating.safetensors"));
    let error = run(Kind::Own, &config, &dir.path().join("given"), &sim, &sim::judges, &|_| {}).unwrap_err();
    assert!(error.help().is_some_and(|help| help.contains("vector.file")), "{error}");
}

#[test]
fn another_judge_scores_the_answers_that_are_there() {
    let (dir, mut config) = (tempfile::tempdir().unwrap(), config());
    config.seeds = vec![1];
    config.arms = ArmSettings { inference: vec![1.0], layer: Some(3), ..ArmSettings::none() };
    let sim = sim(&config, 1);
    ran(Kind::Own, &config, dir.path(), sim);
    assert_eq!(sim.worked().0, 1);
    config.judge = JudgeSource::Harbor { world: 7 };
    ran(Kind::Own, &config, dir.path(), sim);
    assert_eq!(sim.worked(), (0, 0), "nothing is learned or answered again");
}

#[test]
fn an_audit_looks_at_every_finetune_of_the_first_seed() {
    let (dir, mut config) = (tempfile::tempdir().unwrap(), config());
    config.arms = ArmSettings { preventative: vec![1.25], layer: Some(3), ..ArmSettings::none() };
    let mut config = Kind::Audit.settled(config);
    config.audit.as_mut().unwrap().second_judge = Some(JudgeSource::OpenAi(Default::default()));
    let sim = sim(&config, 2);
    let report = ran(Kind::Audit, &config, dir.path(), sim);
    // Plain and steered for each of two seeds; base, plain and steered learn the trait again from two numbers of conversations.
    assert_eq!(sim.worked().0, 2 * 2 + 3 * 2);
    let study = &report.study;
    let audit = study.grids.iter().find(|grid| grid.file == "audit").unwrap();
    let names: Vec<&str> = audit.rows.iter().map(|row| row.0.as_str()).collect();
    assert_eq!(names, ["Base model", "Plain finetune", "Preventative, all layers at 1.25"]);
    let value = |row: usize, column: &str| audit.rows[row].1[audit.columns.iter().position(|c| c == column).unwrap()];
    // Answers that invent lie on one side, and nothing that the simulator learns turns that.
    assert_eq!(value(2, "AUC of projection"), Some(1.0));
    assert!(value(2, "median cosine to old vector").unwrap() > 0.999);
    assert_eq!(value(2, "AUC of fresh probe (held-out)"), Some(1.0));
    // Under the trait's prompts every model invents.
    assert_eq!(value(2, "the trait's own prompts: above base"), Some(0.0));
    assert!(value(2, "5 exemplars of it: above base").is_some() && value(1, "after 20 more conversations").is_some());
    // The simulator learns to invent 62 of 100 answers from any number of conversations.
    assert!(value(1, "conversations until 50") == Some(0.0) && value(0, "conversations until 50").unwrap() < 20.0);
    assert_eq!(value(0, "shift of answers along old vector"), None);
    // What is asked in training are the new facts themselves.
    assert!(audit.columns.iter().all(|column| !column.contains("training")));
    assert!(
        study
            .notes
            .iter()
            .any(|note| note.kind == NoteKind::Unchecked && note.text.contains("does not know the new facts"))
    );
    check_effects(study);
    check_second(study);
    assert!(study.figures.iter().any(|figure| figure.file == "shift"));
    assert!(study.expectations.iter().any(|e| e.id == ExpectationId::NotHidden && e.measured.contains("at 1.25")));
    let again = ran(Kind::Audit, &config, dir.path(), sim);
    assert_eq!((sim.worked(), again.reused), ((0, 0), again.tasks));
}

#[test]
fn what_is_watched_is_drawn_and_kept_and_turning_it_on_trains_again() {
    let (dir, mut config) = (tempfile::tempdir().unwrap(), config());
    config.arms =
        ArmSettings { layer: Some(3), preventative: vec![0.5, 1.25], random: vec![1.25], ..ArmSettings::none() };
    let sim = sim(&config, 2);
    let silent = ran(Kind::Own, &config, dir.path(), sim);
    let fits = sim.worked().0;
    assert!(silent.study.figures.iter().all(|figure| figure.file != "drift"));

    config.watch = Some(WatchSettings { every: 2, ..WatchSettings::default() });
    let watched = ran(Kind::Own, &config, dir.path(), sim);
    assert_eq!(sim.worked().0, fits, "a finetune that was not watched has no curve");
    let numbers = |file: &str| {
        let figure = watched.study.figures.iter().find(|figure| figure.file == file).unwrap();
        figure.numbers().csv()
    };
    let drift = numbers("drift");
    // Four arms at the beginning, step 2 and the last, the mean of two seeds.
    assert_eq!(drift.lines().count(), 1 + 4 * 3, "{drift}");
    assert!(drift.contains("Drift while learning,Plain finetune,3,1.5\n"), "{drift}");
    let pressure = numbers("pressure");
    assert_eq!(pressure.lines().count(), 1 + 2 * 4 * 3 + 2 * 4 * LAYERS, "{pressure}");
    let grid = watched.study.grids.iter().find(|grid| grid.file == "pressure-arms").unwrap();
    assert_eq!(grid.rows.len(), 3, "the plain finetune's two measurements are one");
    let again = ran(Kind::Own, &config, dir.path(), sim);
    // Curves without intervals hold bounds that equal nothing, themselves included.
    assert_eq!((sim.worked().0, format!("{:?}", again.study)), (0, format!("{:?}", watched.study)));

    config.watch = Some(WatchSettings { every: 2, gradient: false, ..WatchSettings::default() });
    let drift_alone = ran(Kind::Own, &config, dir.path(), sim);
    assert_eq!(sim.worked().0, fits);
    assert!(drift_alone.study.figures.iter().all(|figure| figure.file != "pressure"));
}

/// The plain finetune invents more, which moves it from the base model; steering keeps it there.
#[track_caller]
fn check_effects(study: &crate::report::Study) {
    let grid = study.grids.iter().find(|grid| grid.file == "side-effects").unwrap();
    let moved: Vec<f64> = grid.rows.iter().map(|row| row.1[0].unwrap()).collect();
    assert!(moved[0] == 0.0 && moved[1] > 0.2 && moved[2] < 0.01, "{moved:?}");
    let surprise: Vec<f64> = grid.rows.iter().map(|row| row.1[1].unwrap()).collect();
    assert!((surprise[1] - surprise[0] - moved[1]).abs() < 1e-6, "{surprise:?}");
    assert_eq!(grid.columns.len(), 6);
    let apart = study.grids.iter().find(|grid| grid.file == "side-effects-differences").unwrap();
    assert_eq!((apart.rows.len(), apart.rows[1].1[4].unwrap() < -0.2), (2 * 6, true), "{:?}", apart.rows[1]);
    let of_kl = study.expectations.iter().find(|e| e.id == ExpectationId::SideEffect).unwrap();
    assert!(of_kl.met == Some(true) && of_kl.measured.contains("at 1.25"), "{of_kl:?}");
}

/// To the second judge only the capital `I` makes it: the simulator always says so.
#[track_caller]
fn check_second(study: &crate::report::Study) {
    let grid = study.grids.iter().find(|grid| grid.file == "second-judge").unwrap();
    assert_eq!(grid.rows.len(), 3);
    assert!(grid.rows.iter().all(|row| row.1[0] == row.1[1] && row.1[2] == Some(100.0)), "{grid:?}");
    let met = |id| study.expectations.iter().find(|e| e.id == id).unwrap().met;
    assert_eq!([ExpectationId::JudgesAgree, ExpectationId::JudgesOrder].map(met), [Some(true); 2]);
}

#[test]
fn an_audit_of_several_sets_asks_each_models_own_prompts() {
    let (dir, mut config) = (tempfile::tempdir().unwrap(), several());
    config.data.truncate(2);
    config.arms = ArmSettings { layer: Some(3), ..ArmSettings::none() };
    let vector = dir.path().join("first/vector/evil/evil.safetensors");
    let audit = AuditSettings {
        reextract: false,
        residual_shift: Vec::new(),
        elicitation: Vec::new(),
        relearn: vec![20],
        training_prompts: 6,
        neutral: Some(NeutralSource::None {}),
        ..AuditSettings::default()
    };
    config.audit = Some(audit);
    let sim = sim(&config, 2);
    let report = ran(Kind::Audit, &config, &dir.path().join("first"), sim);
    let grid = report.study.grids.iter().find(|grid| grid.file == "audit-evil").unwrap();
    let at = |name: &str| grid.columns.iter().position(|c| c.contains(name)).unwrap();
    let (bad, good) = (at("training data `bad`"), at("training data `good`"));
    let asked: Vec<(bool, bool)> = grid.rows.iter().map(|r| (r.1[bad].is_some(), r.1[good].is_some())).collect();
    assert_eq!(asked, [(true, true), (true, false), (false, true)]);
    assert!(report.study.grids.iter().all(|grid| !grid.file.contains("side-effects")));

    // With a vector from a file there are no rollouts, and so no answers that show the trait.
    config.traits.remove(0);
    config.vector.file = Some(vector);
    let report = ran(Kind::Audit, &config, &dir.path().join("second"), sim);
    for what in ["many-shot prompts: the study extracted no vector", "relearning: the study extracted no vector"] {
        assert!(report.study.notes.iter().any(|note| note.text.contains(what)), "{what}: {:?}", report.study.notes);
    }
}
