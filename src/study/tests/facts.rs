//! The whole fact study on the simulator.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::sim::{HIDDEN, LAYERS, config, judges, ran, sim as simulated};
use crate::fakes::WordJudge;
use crate::harbor::World;
use crate::judge::{Judge, JudgedItem, Rubric, Verdict};
use crate::model::files::Shards;
use crate::report::NoteKind;
use crate::steering::Positions;
use crate::study::inputs::Inputs;
use crate::study::{Event, Kind, StudyConfig, demo_config, run};
use crate::vector::VectorFile;
use crate::{Error, Result};

/// Finetunes: plain, two coefficients, one layer, prompting, ablation, regularisation, random; for each of two seeds.
const FITS: usize = 16;
/// Two sides of rollouts; then trait, facts and exam for base, its elicitation, the finetunes and two sweeps.
const BATCHES: usize = 2 + 3 * (2 + FITS + 2);

#[test]
fn a_whole_study_and_a_second_run_that_does_nothing() {
    let (dir, config) = (tempfile::tempdir().unwrap(), config());
    let sim = simulated(&config, 2);
    let report = ran(Kind::Facts, &config, dir.path(), sim);
    assert_eq!(sim.worked(), (FITS, BATCHES));
    assert_eq!((report.tasks, report.reused), (3 + 2 + FITS + 2, 0));

    let study = &report.study;
    let met: Vec<_> = study.expectations.iter().map(|e| e.met).collect();
    assert_eq!(met[..4], [Some(true); 4], "{:#?}", study.expectations);
    // The paper's findings about the other arms follow.
    assert_eq!(met.len(), 8, "{:#?}", study.expectations);
    let value = |arm: &str, coef, key: &str| {
        let point = study.points.iter().find(|p| p.arm == arm && p.coef == coef && p.seed.is_none()).unwrap();
        point.values[key]
    };
    let (base, plain) = (value("base", None, "hallucination"), value("plain", None, "hallucination"));
    assert!((base.mean - 10.0).abs() < 6.0 && (plain.mean - 62.0).abs() < 8.0, "{base:?} {plain:?}");
    assert_eq!((plain.clusters, base.clusters), (20, 20), "questions are the units, not answers");
    assert!(plain.n > 190 && plain.n <= 200, "two seeds, five answers each, less the refusals: {plain:?}");
    assert_eq!(value("plain", None, "facts").clusters, 40);
    assert_eq!(value("inference", Some(2.0), "mmlu").clusters, 60);
    // Seeds by themselves, and the coefficients of sweeps as positive strengths.
    assert_eq!(study.points.iter().filter(|p| p.arm == "plain").count(), 3);
    assert_eq!(study.pooled("inference").iter().map(|p| p.coef.unwrap()).collect::<Vec<_>>(), [0.5, 1.0, 1.5, 2.0]);
    assert!(value("elicit", Some(2.0), "hallucination").mean > 50.0);
    assert!(study.arm("prevent-layer").unwrap().label.contains("layer 3 (block 2)"));
    assert!(study.examples.iter().any(|e| e.arm == "prevent" && e.axis == "facts" && e.reference.is_some()));
    assert!(study.notes.iter().any(|n| n.kind == NoteKind::MissingScores), "{:?}", study.notes);
    assert!(study.verdict.contains("4 of 4 expectations are met"), "{}", study.verdict);
    // Fact by fact, the base model first.
    let facts = fs::read_to_string(dir.path().join("facts.csv")).unwrap();
    assert!(facts.starts_with("fact_id,question,reference,Base model,"), "{facts}");
    let mut rows = csv::Reader::from_reader(facts.as_bytes());
    let rows: Vec<csv::StringRecord> = rows.records().map(Result::unwrap).collect();
    let known = rows.iter().filter(|row| row[3].parse::<f64>().unwrap() > 50.0).count();
    let mean = value("base", None, "facts").mean;
    assert!(rows.len() == 40 && (100.0 * known as f64 / 40.0 - mean).abs() < 1e-9, "{known} facts known, {mean}");
    if known > 0 {
        let left = value("base", None, "facts_unguessed");
        assert_eq!((left.mean, left.clusters), (0.0, 40 - known), "what can be guessed is set aside");
    }
    assert_eq!(report.table.rows.len(), study.points.iter().filter(|p| p.seed.is_none()).count());

    // Steered in training at all positions and towards the trait; while answering at the response, and away from it.
    let trained = sim.trained.lock().unwrap().clone();
    assert!(trained.iter().all(|(positions, coef, _)| *positions == Positions::All && *coef > 0.0));
    assert_eq!(trained.iter().filter(|(.., layers)| *layers == 1).count(), 2);
    let steered = sim.steered.lock().unwrap().clone();
    assert!(steered.iter().all(|(positions, _)| *positions == Positions::Response));
    assert_eq!(
        steered.iter().filter(|(_, coefs)| coefs == &[-0.5, -1.0, -1.5, -2.0]).count(),
        4,
        "one batch per sweep"
    );

    for file in ["run.toml", "lock.json", "report.html", "figure.svg", "figure.png", "tradeoff.svg", "results.csv"] {
        assert!(dir.path().join(file).is_file(), "{file}");
    }
    assert_eq!(fs::read_to_string(dir.path().join("fits/plain-seed1/metrics.jsonl")).unwrap().lines().count(), 3);
    let answers = fs::read_to_string(dir.path().join("answers/prevent+0.5-seed2.jsonl")).unwrap();
    assert_eq!(answers.lines().count(), 20 * 5 + 40 + 60);

    // Other verbs know the vector's model by its weights.
    let (vector, _) = VectorFile::read(&dir.path().join("vector/hallucinating.safetensors")).unwrap();
    let fingerprint = Shards::open(&config.model).unwrap().fingerprint().unwrap();
    assert_eq!(vector.check(LAYERS, HIDDEN, &fingerprint).unwrap(), None);

    let results = fs::read(dir.path().join("results.json")).unwrap();
    let again = ran(Kind::Facts, &config, dir.path(), sim);
    assert_eq!((sim.worked(), again.reused), ((0, 0), again.tasks));
    assert_eq!(fs::read(dir.path().join("results.json")).unwrap(), results);
    let wider = tempfile::tempdir().unwrap();
    ran(Kind::Facts, &config, wider.path(), simulated(&config, 5));
    assert_eq!(fs::read(wider.path().join("results.json")).unwrap(), results, "the schedule changes nothing");
}

#[test]
fn a_changed_setting_redoes_only_what_hangs_on_it() {
    let (dir, mut config) = (tempfile::tempdir().unwrap(), config());
    let sim = simulated(&config, 2);
    ran(Kind::Facts, &config, dir.path(), sim);
    let mut check = |change: &dyn Fn(&mut StudyConfig), fits: usize, batches: usize| {
        sim.worked();
        change(&mut config);
        ran(Kind::Facts, &config, dir.path(), sim);
        assert_eq!(sim.worked(), (fits, batches));
    };
    check(&|c| c.arms.preventative[1] = 1.5, 2, 3 * 2);
    check(&|c| c.arms.inference[0] = 0.25, 0, 3 * 2);
    // The regularised arm learns again, too, and comes to the same in the simulator.
    check(&|c| c.arms.layer = Some(2), 4, 3 * 2);
    check(&|c| c.arms.random.clear(), 0, 0);
    check(&|c| c.train.save_steps = Some(1), 0, 0);
    check(&|c| c.seeds.push(3), 7, 3 * 8);
    // Another filter keeps the same answers here, and the vector stays what it was.
    check(&|c| c.vector.filter.threshold = 40.0, 0, 0);
    check(&|c| c.measure.trait_rollouts = 4, 0, 3 * (2 + 21 + 3));
    check(&|c| c.train.learning_rate = 2e-3, 21, 3 * (2 + 21 + 3) - 3 * 2 - 3 * 24);
}

#[test]
fn what_is_damaged_is_done_again() {
    let (dir, config) = (tempfile::tempdir().unwrap(), config());
    let sim = simulated(&config, 2);
    let report = ran(Kind::Facts, &config, dir.path(), sim);
    let check = |file: &str, bytes: &[u8], fits: usize, batches: usize| {
        sim.worked();
        fs::write(dir.path().join(file), bytes).unwrap();
        assert_eq!(ran(Kind::Facts, &config, dir.path(), sim).study, report.study, "{file}");
        assert_eq!(sim.worked(), (fits, batches), "{file}");
    };
    // Answers lie apart from their scores: what is lost of the one is made of the other.
    check("stages/measure-base.json", b"{\"key\":", 0, 0);
    check("answers/base.jsonl", b"", 0, 0);
    check("stages/answers-base.json", b"", 0, 0);
    fs::write(dir.path().join("stages/answers-base.json"), b"").unwrap();
    check("answers/base.jsonl", b"", 0, 3);
    check("stages/fit-prompting-seed1.json", b"", 1, 0);
    check("fits/prompting-seed2/adapter/adapter_model.safetensors", b"{}", 1, 0);
    check("vector/hallucinating.safetensors", b"", 0, 0);
    check("vector/pos.jsonl", b"", 0, 0);
    check("vector/answers/pos.states.safetensors", b"", 0, 1);
    check("results.json", b"", 0, 0);
}

/// Gives up after so many judgements.
struct Tired<'a>(&'a AtomicUsize);

impl Judge for Tired<'_> {
    fn name(&self) -> &str {
        "word"
    }

    fn judge(&mut self, rubric: &Rubric, exhibits: &[JudgedItem]) -> Result<Vec<Verdict>> {
        if self.0.fetch_sub(1, Ordering::Relaxed) == 0 {
            return Err(Error::new("the judge is tired").hint("let it rest"));
        }
        WordJudge("invent").judge(rubric, exhibits)
    }
}

#[test]
fn a_run_that_ended_early_goes_on_where_it_was() {
    let (dir, config) = (tempfile::tempdir().unwrap(), config());
    let sim = simulated(&config, 1);
    // One of the references, two for each side of the rollouts, three for each model that is measured.
    let left: &'static AtomicUsize = Box::leak(Box::new(AtomicUsize::new(1 + 2 * 2 + 3 * 3 + 1)));
    let events = Mutex::new(Vec::new());
    let tell = |event: &Event<'_>| {
        if let Event::Finished { task, reused } = event {
            events.lock().unwrap().push((*task, *reused));
        }
    };
    let tired = |_| -> Result<Box<dyn Judge>> { Ok(Box::new(Tired(left))) };
    let error = run(Kind::Facts, &config, dir.path(), &sim, &tired, &tell).unwrap_err();
    assert!(error.to_string().ends_with("the judge is tired") && error.help() == Some("let it rest"), "{error}");
    assert_eq!(events.lock().unwrap().len(), 6, "{events:?}");
    let (fits, batches) = sim.worked();
    let report = ran(Kind::Facts, &config, dir.path(), sim);
    assert_eq!(report.reused, 6);
    let (more_fits, more_batches) = sim.worked();
    assert_eq!(fits + more_fits, FITS);
    // What the task that failed had answered is judged, and not answered again.
    assert_eq!(batches + more_batches, BATCHES, "{batches} {more_batches}");
}

/// Calls every fact wrong.
struct Stern;

impl Judge for Stern {
    fn name(&self) -> &str {
        "stern"
    }

    fn judge(&mut self, rubric: &Rubric, exhibits: &[JudgedItem]) -> Result<Vec<Verdict>> {
        let strict = |verdict: Verdict| Verdict { score: verdict.score.map(|_| 0.0), ..verdict };
        let verdicts = WordJudge("invent").judge(rubric, exhibits)?;
        Ok(if *rubric == Rubric::Fact { verdicts.into_iter().map(strict).collect() } else { verdicts })
    }
}

#[test]
fn a_judge_that_rejects_its_references_stops_the_study_before_any_work() {
    let (dir, config) = (tempfile::tempdir().unwrap(), config());
    let sim = simulated(&config, 2);
    let stern = |_| -> Result<Box<dyn Judge>> { Ok(Box::new(Stern)) };
    let error = run(Kind::Facts, &config, dir.path(), &sim, &stern, &|_| {}).unwrap_err();
    assert!(error.to_string().contains("judge `stern` rejects 20 of 20 references"), "{error}");
    assert!(error.help().is_some() && sim.worked() == (0, 0));
    ran(Kind::Facts, &config, dir.path(), sim);
}

#[test]
fn progress_is_reported_task_by_task() {
    let (dir, config) = (tempfile::tempdir().unwrap(), config());
    let heard = Mutex::new(Vec::new());
    let tell = |event: &Event<'_>| {
        let said = match event {
            Event::Planned(tasks, _) => tasks.iter().map(|p| p.name.as_str()).collect::<Vec<_>>().join(" "),
            Event::Shard(..) | Event::Damaged(_) => return,
            Event::Progress { task, phase, done, loss, .. } => format!("{task} {phase} {done:.2} {loss:?}"),
            Event::Finished { task, .. } => format!("{task} finished"),
        };
        heard.lock().unwrap().push(said);
    };
    run(Kind::Facts, &config, dir.path(), &simulated(&config, 1), &judges, &tell).unwrap();
    let heard = heard.into_inner().unwrap();
    assert!(
        heard[0]
            .starts_with("rollouts-pos rollouts-neg vector plain-seed1 plain-seed2 inference-seed1 prevent+0.5-seed1")
    );
    let place = |said: &str| heard.iter().position(|h| h == said).unwrap_or_else(|| panic!("{said} in {heard:?}"));
    assert!(place("0 rollouts 1.00 None") < place("0 finished"));
    assert!(place("3 training 1.00 Some(0.3333333333333333)") < place("3 trait questions 1.00 None"));
    assert!(place("3 multiple choice 1.00 None") < place("3 finished"));
}

#[test]
fn a_vector_that_exists_is_used_and_another_models_is_refused() {
    let (dir, mut config) = (tempfile::tempdir().unwrap(), config());
    let sim = simulated(&config, 2);
    ran(Kind::Facts, &config, dir.path(), sim);
    sim.worked();
    config.vector.file = Some(dir.path().join("vector/hallucinating.safetensors"));
    let other = tempfile::tempdir().unwrap();
    let report = ran(Kind::Facts, &config, other.path(), sim);
    assert_eq!(sim.worked(), (FITS, BATCHES - 2));
    assert_eq!(report.study.expectations[1].met, Some(true));
    config.arms.layer = Some(9);
    let error = run(Kind::Facts, &config, other.path(), &sim, &judges, &|_| {}).unwrap_err();
    assert!(error.to_string().contains("layer 9 does not exist"), "{error}");
    let narrow = crate::vector::PersonaVector::new(vec![vec![1.0; 3]; 5]).unwrap();
    let narrow = crate::vector::VectorFile::new(narrow, None, None, BTreeMap::new()).unwrap();
    let path = other.path().join("narrow.safetensors");
    narrow.write(&path).unwrap();
    config.vector.file = Some(path);
    let error = run(Kind::Facts, &config, other.path(), &sim, &judges, &|_| {}).unwrap_err();
    assert!(error.to_string().contains("width 3"), "{error}");
}

#[test]
fn the_demo_is_a_study_that_checks_out() {
    for quick in [true, false] {
        let config = demo_config(Path::new("model"), &World::new(0), quick, 9);
        config.check().unwrap();
        assert_eq!(config.seeds.len(), if quick { 1 } else { 3 });
        let data = Inputs::load(&config).unwrap();
        assert_eq!((data.corpora[0].chats.len(), data.corpora[0].questions.len(), data.mmlu.len()), (360, 30, 60));
        assert_eq!(toml::from_str::<StudyConfig>(&toml::to_string_pretty(&config).unwrap()).unwrap(), config);
    }
}
