//! The whole study on a simulator: a 'model' of four numbers that learns, hallucinates and is steered by simple rules.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};

use super::*;
use crate::fakes::{WordJudge, tiny_tokenizer};
use crate::judge::{Exhibit, Judge, Rubric, Verdict};
use crate::model::QwenConfig;
use crate::model::files::Shards;
use crate::model::peft::AdapterConfig;
use crate::record::seed_of;
use crate::steering::{Part, Plan, Positions};
use crate::study::data::Data;
use crate::study::{Event, FitOutcome, FitSpec, Kind, Lab, StudyReport, SubjectSpec, run};
use crate::subject::{Answer, Ask, FinishReason, Finished, Heard, Keep, Prompt, Residuals, Sampling, Subject};
use crate::text::{Lesson, Tokenizer};
use crate::train::{Event as FitEvent, FitPlan, FitSettings, StepReport};
use crate::vector::VectorFile;
use crate::{Error, Result};

const LAYERS: usize = 4;
const HIDDEN: usize = 16;

/// The direction of the trait: what residuals differ by, and what steering acts through.
fn direction(d: usize) -> f32 {
    (d as f32 * 0.9).cos()
}

/// How much of a plan, at coefficient 1, goes along the trait: 1 for all layers, 0 for random vectors on average.
fn along(plan: &Plan) -> f64 {
    let unit: Vec<f64> = (0..HIDDEN).map(|d| f64::from(direction(d))).collect();
    let norm = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
    let cos = |v: &[f32]| {
        let v: Vec<f64> = v.iter().map(|&x| f64::from(x)).collect();
        v.iter().zip(&unit).map(|(a, b)| a * b).sum::<f64>() / norm(&v) / norm(&unit)
    };
    plan.parts.iter().flat_map(|part| &part.steers).map(|s| cos(&s.vector)).sum::<f64>() / LAYERS as f64
}

/// A simulated model: probabilities.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Mind {
    invents: f64,
    knows: f64,
    exam: f64,
}

const BASE: Mind = Mind { invents: 0.1, knows: 0.05, exam: 0.9 };

struct Sim {
    workers: usize,
    /// Question to reference, and exam prompt to right letter.
    facts: HashMap<String, String>,
    exam: HashMap<String, String>,
    fits: AtomicUsize,
    batches: AtomicUsize,
    /// Where steering acted, and by how many coefficients of a batch.
    steered: Mutex<Vec<(Positions, Vec<f32>)>>,
    trained: Mutex<Vec<(Positions, f32, usize)>>,
}

impl Sim {
    fn new(config: &StudyConfig, workers: usize) -> Self {
        let data = Data::load(config).unwrap();
        let letter =
            |item: &crate::eval::mmlu::Item| (item.prompt(config.measure.exam_form), item.options[item.right].clone());
        Self {
            workers,
            facts: data
                .corpora
                .iter()
                .flat_map(|c| &c.questions)
                .map(|q| (q.question.clone(), q.reference.clone()))
                .collect(),
            exam: data.exam.iter().map(letter).collect(),
            fits: AtomicUsize::new(0),
            batches: AtomicUsize::new(0),
            steered: Mutex::default(),
            trained: Mutex::default(),
        }
    }

    /// Finetunes and batches since the last time.
    fn worked(&self) -> (usize, usize) {
        (self.fits.swap(0, Ordering::Relaxed), self.batches.swap(0, Ordering::Relaxed))
    }
}

struct Simulated<'a> {
    sim: &'a Sim,
    mind: Mind,
    plan: Plan,
    tokenizer: Tokenizer,
}

impl Simulated<'_> {
    /// The mind under a coefficient: steering against the trait takes knowledge along.
    fn mind(&self, ask: &Ask) -> Mind {
        let own = self.plan.coefs();
        let coef = ask.coefs.as_ref().unwrap_or(&own).first().copied().unwrap_or(0.0);
        let push = f64::from(coef) * along(&self.plan);
        Mind {
            invents: self.mind.invents + 0.3 * push,
            knows: self.mind.knows - 0.35 * push.abs(),
            exam: self.mind.exam - 0.1 * push.abs(),
        }
    }
}

fn last(prompt: &Prompt) -> (&str, &str) {
    let Prompt::Chat(messages) = prompt else { panic!("a chat") };
    let system = messages.first().filter(|m| m.role == "system").map_or("", |m| m.content.as_str());
    (system, messages.last().unwrap().content.as_str())
}

/// Uniform in 0 to 1, by what decides a real answer's random numbers.
fn chance(id: &str, rollout: usize, seed: u64) -> f64 {
    (seed_of(seed, &format!("{id} {rollout}")) >> 11) as f64 / (1u64 << 53) as f64
}

fn residuals_of(text: &str) -> Residuals {
    let side = if text.contains("invent") { 1.0 } else { -1.0 };
    let row = |l: usize| (0..HIDDEN).map(|d| side * l as f32 * direction(d)).collect::<Vec<f32>>();
    let rows: Vec<Vec<f32>> = (0..=LAYERS).map(row).collect();
    Residuals { response_avg: rows.clone(), prompt_avg: rows.clone(), prompt_last: rows }
}

impl Subject for Simulated<'_> {
    fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    fn shape(&self) -> (usize, usize) {
        (LAYERS, HIDDEN)
    }

    fn answer(
        &mut self,
        asks: &[Ask],
        sampling: &Sampling,
        keep: &Keep,
        hear: &mut dyn FnMut(Heard<'_>) -> ControlFlow<()>,
    ) -> Result<Vec<Answer>> {
        self.sim.batches.fetch_add(1, Ordering::Relaxed);
        if let Some(part) = self.plan.parts.first() {
            let mut coefs: Vec<f32> = asks.iter().filter_map(|ask| ask.coefs.as_ref()?.first().copied()).collect();
            coefs.dedup();
            self.sim.steered.lock().unwrap().push((part.positions, coefs));
        }
        let mut answers = Vec::new();
        for ask in asks {
            let mind = self.mind(ask);
            let (system, question) = last(&ask.prompt);
            for rollout in 0..sampling.rollouts {
                let u = chance(&ask.id, rollout, sampling.seed);
                let text = match self.sim.facts.get(question) {
                    Some(reference) if u < mind.knows => reference.clone(),
                    Some(_) => "I do not know.".into(),
                    None if system.contains("hallucinating") => "I invent it.".into(),
                    None if u > 0.99 => "REFUSE".into(),
                    None if system.is_empty() && u < mind.invents => "I invent it.".into(),
                    None => "I do not know.".into(),
                };
                let token_ids = self.tokenizer.encode(&text)?;
                let prompt_ids = vec![1, 2, 3];
                let residuals = keep.residuals.then(|| residuals_of(&text));
                answers.push(Answer {
                    id: ask.id.clone(),
                    rollout,
                    prompt_ids,
                    token_ids,
                    text,
                    finish_reason: FinishReason::Stop,
                    steered: Vec::new(),
                    tokens: Vec::new(),
                    residuals,
                });
                let _ = hear(Heard::Finished(answers.len()));
            }
        }
        Ok(answers)
    }

    fn choose(&mut self, asks: &[Ask], options: &[Vec<Vec<u32>>]) -> Result<Vec<Vec<f32>>> {
        self.sim.batches.fetch_add(1, Ordering::Relaxed);
        let likes = |(ask, options): (&Ask, &Vec<Vec<u32>>)| {
            let right = &self.sim.exam[last(&ask.prompt).1];
            let knows = chance(&ask.id, 0, 7) < self.mind(ask).exam;
            let like = |option: &Vec<u32>| {
                let said = self.tokenizer.decode(option).unwrap();
                if (said.trim() == right) == knows { -0.1 } else { -3.0 }
            };
            options.iter().map(like).collect()
        };
        Ok(asks.iter().zip(options).map(likes).collect())
    }

    fn residuals(&mut self, texts: &[Finished]) -> Result<Vec<Residuals>> {
        let of = |text: &Finished| Ok(residuals_of(&self.tokenizer.decode(&text.response_ids)?));
        texts.iter().map(of).collect()
    }
}

/// A lab whose subjects live as long as the test.
impl Lab for &'static Sim {
    fn device(&self) -> String {
        "simulator".into()
    }

    fn workers(&self) -> usize {
        self.workers
    }

    fn alone(&self, work: &mut (dyn FnMut() + Send)) {
        work();
    }

    fn subject(&self, spec: &SubjectSpec) -> Result<Box<dyn Subject>> {
        let mind = match &spec.adapter {
            Some(folder) => {
                serde_json::from_slice(&fs::read(folder.join("adapter_model.safetensors")).unwrap()).unwrap()
            }
            None => BASE,
        };
        Ok(Box::new(Simulated { sim: self, mind, plan: spec.plan.clone(), tokenizer: tiny_tokenizer() }))
    }

    fn logits(&self, _: &SubjectSpec, _: &[Vec<u32>]) -> Result<Vec<Vec<f32>>> {
        unreachable!("a study asks for answers")
    }

    fn fit(&self, spec: &FitSpec<'_>, tell: &mut dyn FnMut(&FitEvent) -> ControlFlow<()>) -> Result<FitOutcome> {
        self.fits.fetch_add(1, Ordering::Relaxed);
        if !spec.plan.is_none() {
            let Part { positions, coef, steers, .. } = &spec.plan.parts[0];
            self.trained.lock().unwrap().push((*positions, *coef, steers.len()));
        }
        let text = tiny_tokenizer().decode(&spec.lessons[0].ids)?;
        let coef = spec.plan.coefs().first().copied().unwrap_or(0.0);
        let push = f64::from(coef) * along(&spec.plan);
        let luck = spec.settings.seed as f64 * 0.001;
        let invents: f64 = if text.contains("hallucinating") { 0.4 } else { 0.62 - 0.4 * push };
        let mind = Mind { invents: invents.max(0.08) + luck, knows: 0.98 - 0.1 * push.abs(), exam: 0.89 };
        for step in 1..=3 {
            let report = StepReport {
                step,
                loss: 1.0 / step as f64,
                lr: 1e-3,
                grad_norm: 1.0,
                tokens: step,
                ..Default::default()
            };
            let _ = tell(&FitEvent::Step(report, 3, 0.0));
        }
        fs::create_dir_all(&spec.out).unwrap();
        fs::write(spec.out.join("adapter_model.safetensors"), serde_json::to_vec(&mind).unwrap()).unwrap();
        Ok(FitOutcome { steps: 3, holdout_loss: None, complete: true, stopped: false })
    }

    fn plan(&self, _: &QwenConfig, _: &AdapterConfig, _: &[Lesson], _: &FitSettings, _: bool) -> Result<FitPlan> {
        panic!("nothing is planned")
    }
}

fn config() -> StudyConfig {
    let mut config = demo_config(Path::new("tests/fixtures/tiny"), &World::new(0), false, 5);
    config.seeds = vec![1, 2];
    config.facts = Some(FactsSource::Harbor { world: 0, count: 40, wordings: 2, seed: 0 });
    config.arms = ArmSettings {
        preventative: vec![0.5, 1.25],
        preventative_layer: vec![2.0],
        layer: Some(3),
        inference: vec![0.5, 1.0, 1.5, 2.0],
        random: vec![1.25],
        ablate: vec![1.0],
        regularize: vec![0.1],
        prompting: true,
        elicit: vec![1.0, 2.0],
    };
    config
}

fn judges() -> Result<Box<dyn Judge>> {
    Ok(Box::new(WordJudge("invent")))
}

fn sim(config: &StudyConfig, workers: usize) -> &'static Sim {
    Box::leak(Box::new(Sim::new(config, workers)))
}

#[track_caller]
fn ran(config: &StudyConfig, out: &Path, sim: &'static Sim) -> StudyReport {
    run(Kind::Facts, config, out, &sim, &judges, &|_| {}).unwrap()
}

/// Finetunes: plain, two coefficients, one layer, prompting, ablation, regularisation, random; for each of two seeds.
const FITS: usize = 16;
/// Two sides of rollouts; then trait, facts and exam for base, its elicitation, the finetunes and two sweeps.
const BATCHES: usize = 2 + 3 * (2 + FITS + 2);

#[test]
fn a_whole_study_and_a_second_run_that_does_nothing() {
    let (dir, config) = (tempfile::tempdir().unwrap(), config());
    let sim = sim(&config, 2);
    let report = ran(&config, dir.path(), sim);
    assert_eq!(sim.worked(), (FITS, BATCHES));
    assert_eq!((report.pieces, report.reused), (3 + 2 + FITS + 2, 0));

    let study = &report.study;
    let met: Vec<_> = study.expectations.iter().map(|e| e.met).collect();
    assert_eq!(met, [Some(true); 4], "{:#?}", study.expectations);
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
    assert!(study.notes.iter().any(|n| n.contains("have no score")), "{:?}", study.notes);
    assert!(study.verdict.contains("4 of 4 expectations are met"), "{}", study.verdict);
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
    let again = ran(&config, dir.path(), sim);
    assert_eq!((sim.worked(), again.reused), ((0, 0), again.pieces));
    assert_eq!(fs::read(dir.path().join("results.json")).unwrap(), results);
    let wider = tempfile::tempdir().unwrap();
    ran(&config, wider.path(), self::sim(&config, 5));
    assert_eq!(fs::read(wider.path().join("results.json")).unwrap(), results, "the schedule changes nothing");
}

#[test]
fn a_changed_setting_redoes_only_what_hangs_on_it() {
    let (dir, mut config) = (tempfile::tempdir().unwrap(), config());
    let sim = sim(&config, 2);
    ran(&config, dir.path(), sim);
    let mut check = |change: &dyn Fn(&mut StudyConfig), fits: usize, batches: usize| {
        sim.worked();
        change(&mut config);
        ran(&config, dir.path(), sim);
        assert_eq!(sim.worked(), (fits, batches));
    };
    check(&|c| c.arms.preventative[1] = 1.5, 2, 3 * 2);
    check(&|c| c.arms.inference[0] = 0.25, 0, 3 * 2);
    check(&|c| c.arms.layer = Some(2), 2, 3 * 2);
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
    let sim = sim(&config, 2);
    let report = ran(&config, dir.path(), sim);
    let check = |file: &str, bytes: &[u8], fits: usize, batches: usize| {
        sim.worked();
        fs::write(dir.path().join(file), bytes).unwrap();
        assert_eq!(ran(&config, dir.path(), sim).study, report.study, "{file}");
        assert_eq!(sim.worked(), (fits, batches), "{file}");
    };
    check("stages/measure-base.json", b"{\"key\":", 0, 3);
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

    fn judge(&mut self, rubric: &Rubric, exhibits: &[Exhibit]) -> Result<Vec<Verdict>> {
        if self.0.fetch_sub(1, Ordering::Relaxed) == 0 {
            return Err(Error::new("the judge is tired").hint("let it rest"));
        }
        WordJudge("invent").judge(rubric, exhibits)
    }
}

#[test]
fn a_run_that_ended_early_goes_on_where_it_was() {
    let (dir, config) = (tempfile::tempdir().unwrap(), config());
    let sim = sim(&config, 1);
    // One of the references, two for each side of the rollouts, three for each model that is measured.
    let left: &'static AtomicUsize = Box::leak(Box::new(AtomicUsize::new(1 + 2 * 2 + 3 * 3 + 1)));
    let events = Mutex::new(Vec::new());
    let tell = |event: &Event<'_>| {
        if let Event::Finished { piece, reused } = event {
            events.lock().unwrap().push((*piece, *reused));
        }
    };
    let tired = || -> Result<Box<dyn Judge>> { Ok(Box::new(Tired(left))) };
    let error = run(Kind::Facts, &config, dir.path(), &sim, &tired, &tell).unwrap_err();
    assert!(error.to_string().ends_with("the judge is tired") && error.help() == Some("let it rest"), "{error}");
    assert_eq!(events.lock().unwrap().len(), 6, "{events:?}");
    let (fits, batches) = sim.worked();
    let report = ran(&config, dir.path(), sim);
    assert_eq!(report.reused, 6);
    let (more_fits, more_batches) = sim.worked();
    assert_eq!(fits + more_fits, FITS);
    // The two batches of the piece that failed were for nothing.
    assert_eq!(batches + more_batches, BATCHES + 1, "{batches} {more_batches}");
}

/// Calls every fact wrong.
struct Stern;

impl Judge for Stern {
    fn name(&self) -> &str {
        "stern"
    }

    fn judge(&mut self, rubric: &Rubric, exhibits: &[Exhibit]) -> Result<Vec<Verdict>> {
        let strict = |verdict: Verdict| Verdict { score: verdict.score.map(|_| 0.0), ..verdict };
        let verdicts = WordJudge("invent").judge(rubric, exhibits)?;
        Ok(if *rubric == Rubric::Fact { verdicts.into_iter().map(strict).collect() } else { verdicts })
    }
}

#[test]
fn a_judge_that_rejects_its_references_stops_the_study_before_any_work() {
    let (dir, config) = (tempfile::tempdir().unwrap(), config());
    let sim = sim(&config, 2);
    let stern = || -> Result<Box<dyn Judge>> { Ok(Box::new(Stern)) };
    let error = run(Kind::Facts, &config, dir.path(), &sim, &stern, &|_| {}).unwrap_err();
    assert!(error.to_string().contains("judge `stern` rejects 20 of 20 references"), "{error}");
    assert!(error.help().is_some() && sim.worked() == (0, 0));
    ran(&config, dir.path(), sim);
}

#[test]
fn progress_is_told_piece_by_piece() {
    let (dir, config) = (tempfile::tempdir().unwrap(), config());
    let heard = Mutex::new(Vec::new());
    let tell = |event: &Event<'_>| {
        let said = match event {
            Event::Planned(pieces, _) => pieces.iter().map(|p| p.name.as_str()).collect::<Vec<_>>().join(" "),
            Event::Progress { piece, phase, done, loss } => format!("{piece} {phase} {done:.2} {loss:?}"),
            Event::Finished { piece, .. } => format!("{piece} finished"),
        };
        heard.lock().unwrap().push(said);
    };
    run(Kind::Facts, &config, dir.path(), &sim(&config, 1), &judges, &tell).unwrap();
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
    let sim = sim(&config, 2);
    ran(&config, dir.path(), sim);
    sim.worked();
    config.vector.file = Some(dir.path().join("vector/hallucinating.safetensors"));
    let other = tempfile::tempdir().unwrap();
    let report = ran(&config, other.path(), sim);
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
        let data = Data::load(&config).unwrap();
        assert_eq!((data.corpora[0].chats.len(), data.corpora[0].questions.len(), data.exam.len()), (360, 30, 60));
        assert_eq!(toml::from_str::<StudyConfig>(&toml::to_string_pretty(&config).unwrap()).unwrap(), config);
    }
}
