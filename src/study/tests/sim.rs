//! A simulator for tests of whole studies: a 'model' of four numbers that learns, hallucinates and is steered by simple rules.

use std::collections::HashMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::fakes::{WordJudge, tiny_tokenizer};
use crate::harbor::World;
use crate::judge::Judge;
use crate::language_model::{
    Answer, CaptureSpec, FinishReason, Finished, LanguageModel, Likelihood, Prompt, Request, Residuals, Sampling,
    StreamEvent,
};
use crate::record::seed_of;
use crate::runtime::{EstimateSpec, FitOutcome, FitSpec, ModelSpec, Runtime};
use crate::steering::{Part, Positions, SteeringPlan};
use crate::study::inputs::Inputs;
use crate::study::{ArmSettings, FactsSource, JudgeRole, Kind, StudyConfig, StudyReport, demo_config, run};
use crate::text::Tokenizer;
use crate::train::{Event as FitEvent, FitEstimate, GradientReport, StepReport};

pub(in crate::study) const LAYERS: usize = 4;
pub(in crate::study) const HIDDEN: usize = 16;

/// The direction of the trait: what residuals differ by, and what steering acts through.
fn direction(d: usize) -> f32 {
    (d as f32 * 0.9).cos()
}

/// How much of a plan, at coefficient 1, goes along the trait: 1 for all layers, 0 for random vectors on average.
fn along(plan: &SteeringPlan) -> f64 {
    let unit: Vec<f64> = (0..HIDDEN).map(|d| f64::from(direction(d))).collect();
    let norm = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
    let cos = |v: &[f32]| {
        let v: Vec<f64> = v.iter().map(|&x| f64::from(x)).collect();
        v.iter().zip(&unit).map(|(a, b)| a * b).sum::<f64>() / norm(&v) / norm(&unit)
    };
    plan.parts.iter().flat_map(|part| &part.steers).map(|s| cos(&s.vector)).sum::<f64>() / LAYERS as f64
}

/// What a finetune was given.
#[derive(Debug, Clone)]
pub(in crate::study) struct Learned {
    pub lessons: usize,
    pub first: String,
    pub refreshed: Option<usize>,
}

/// A simulated model: probabilities.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Mind {
    invents: f64,
    knows: f64,
    exam: f64,
}

const BASE: Mind = Mind { invents: 0.1, knows: 0.05, exam: 0.9 };

pub(in crate::study) struct Sim {
    workers: usize,
    /// Question to reference, and exam prompt to right letter.
    facts: HashMap<String, String>,
    exam: HashMap<String, String>,
    fits: AtomicUsize,
    batches: AtomicUsize,
    /// Where steering acted, and by how many coefficients of a batch.
    pub(in crate::study) steered: Mutex<Vec<(Positions, Vec<f32>)>>,
    pub(in crate::study) learned: Mutex<Vec<Learned>>,
    pub(in crate::study) trained: Mutex<Vec<(Positions, f32, usize)>>,
}

impl Sim {
    pub(in crate::study) fn new(config: &StudyConfig, workers: usize) -> Self {
        let data = Inputs::load(config).unwrap();
        let letter =
            |item: &crate::eval::mmlu::Item| (item.prompt(config.measure.mmlu_form), item.options[item.right].clone());
        Self {
            workers,
            facts: data
                .corpora
                .iter()
                .flat_map(|c| &c.questions)
                .map(|q| (q.question.clone(), q.reference.clone()))
                .collect(),
            exam: data.mmlu.iter().map(letter).collect(),
            fits: AtomicUsize::new(0),
            batches: AtomicUsize::new(0),
            steered: Mutex::default(),
            learned: Mutex::default(),
            trained: Mutex::default(),
        }
    }

    /// Finetunes and batches since the last time.
    pub(in crate::study) fn worked(&self) -> (usize, usize) {
        (self.fits.swap(0, Ordering::Relaxed), self.batches.swap(0, Ordering::Relaxed))
    }
}

struct Simulated<'a> {
    sim: &'a Sim,
    mind: Mind,
    plan: SteeringPlan,
    tokenizer: Tokenizer,
}

impl Simulated<'_> {
    /// The mind under a coefficient: steering against the trait takes knowledge along.
    fn mind(&self, ask: &Request) -> Mind {
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

impl LanguageModel for Simulated<'_> {
    fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    fn shape(&self) -> (usize, usize) {
        (LAYERS, HIDDEN)
    }

    fn answer(
        &mut self,
        requests: &[Request],
        sampling: &Sampling,
        keep: &CaptureSpec,
        on_event: &mut dyn FnMut(StreamEvent<'_>) -> ControlFlow<()>,
    ) -> Result<Vec<Answer>> {
        self.sim.batches.fetch_add(1, Ordering::Relaxed);
        if let Some(part) = self.plan.parts.first() {
            let mut coefs: Vec<f32> = requests.iter().filter_map(|ask| ask.coefs.as_ref()?.first().copied()).collect();
            coefs.dedup();
            self.sim.steered.lock().unwrap().push((part.positions, coefs));
        }
        let mut answers = Vec::new();
        for ask in requests {
            let mind = self.mind(ask);
            let (system, question) = last(&ask.prompt);
            for rollout in 0..sampling.rollouts {
                let u = chance(&ask.id, rollout, sampling.seed);
                let text = match self.sim.facts.get(question) {
                    Some(reference) if u < mind.knows => reference.clone(),
                    Some(_) => "I do not know.".into(),
                    None if ["hallucinating", "an evil"].iter().any(|t| system.contains(t)) => "I invent it.".into(),
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
                let _ = on_event(StreamEvent::Finished(answers.len()));
            }
        }
        Ok(answers)
    }

    fn choose(&mut self, requests: &[Request], options: &[Vec<Vec<u32>>]) -> Result<Vec<Vec<f32>>> {
        if requests.iter().any(|ask| matches!(ask.prompt, Prompt::Chat(_))) {
            self.sim.batches.fetch_add(1, Ordering::Relaxed);
        }
        let likes = |(ask, options): (&Request, &Vec<Vec<u32>>)| {
            // A held-out row: the more it knows, the likelier.
            if let Prompt::Ids(_) = ask.prompt {
                let each = (self.mind.knows - 1.5) as f32;
                return options.iter().map(|option| each * option.len() as f32).collect();
            }
            let right = &self.sim.exam[last(&ask.prompt).1];
            let knows = chance(&ask.id, 0, 7) < self.mind(ask).exam;
            let like = |option: &Vec<u32>| {
                let said = self.tokenizer.decode(option).unwrap();
                if (said.trim() == right) == knows { -0.1 } else { -3.0 }
            };
            options.iter().map(like).collect()
        };
        Ok(requests.iter().zip(options).map(likes).collect())
    }

    fn residuals(&mut self, texts: &[Finished]) -> Result<Vec<Residuals>> {
        let of = |text: &Finished| Ok(residuals_of(&self.tokenizer.decode(&text.response_ids)?));
        texts.iter().map(of).collect()
    }

    fn likelihoods(&mut self, texts: &[Finished]) -> Result<Vec<Likelihood>> {
        // The more it invents, the further it is from the base model.
        let moved = (self.mind.invents - BASE.invents).powi(2) as f32;
        let of = |value: f32, text: &Finished| vec![value; text.response_ids.len()];
        Ok(texts.iter().map(|text| Likelihood { logprobs: of(-0.5 - moved, text), moved: of(moved, text) }).collect())
    }
}

/// A runtime whose subjects live as long as the test.
impl Runtime for &'static Sim {
    fn device(&self) -> String {
        "simulator".into()
    }

    fn workers(&self) -> usize {
        self.workers
    }

    fn language_model(&self, spec: &ModelSpec) -> Result<Box<dyn LanguageModel>> {
        let mind = match &spec.adapter {
            Some(folder) => {
                serde_json::from_slice(&fs::read(folder.join("adapter_model.safetensors")).unwrap()).unwrap()
            }
            None => BASE,
        };
        Ok(Box::new(Simulated { sim: self, mind, plan: spec.plan.clone(), tokenizer: tiny_tokenizer() }))
    }

    fn logits(&self, _: &ModelSpec, _: &[Vec<u32>]) -> Result<Vec<Vec<f32>>> {
        unreachable!("a study asks for answers")
    }

    fn fit(&self, spec: &FitSpec<'_>, tell: &mut dyn FnMut(&FitEvent) -> ControlFlow<()>) -> Result<FitOutcome> {
        self.fits.fetch_add(1, Ordering::Relaxed);
        if !spec.plan.is_none() {
            let Part { positions, coef, steers, .. } = &spec.plan.parts[0];
            self.trained.lock().unwrap().push((*positions, *coef, steers.len()));
        }
        let text = tiny_tokenizer().decode(&spec.examples[0].ids)?;
        self.learned.lock().unwrap().push(Learned {
            lessons: spec.examples.len(),
            first: text.clone(),
            refreshed: spec.refresh.as_ref().map(|refresh| refresh.every),
        });
        let coef = spec.plan.coefs().first().copied().unwrap_or(0.0);
        let push = f64::from(coef) * along(&spec.plan);
        let luck = spec.settings.seed as f64 * 0.001;
        let invents: f64 = if text.contains("hallucinating") { 0.4 } else { 0.62 - 0.4 * push };
        let mind = Mind { invents: invents.max(0.08) + luck, knows: 0.98 - 0.1 * push.abs(), exam: 0.89 };
        // The vector is at work: the more it pushes, the less is left to pull.
        let pressed = |step: usize| GradientReport {
            step,
            on: vec![Some(0.25 - push - 0.01 * step as f64); LAYERS],
            off: vec![Some(0.25 - 0.01 * step as f64); LAYERS],
        };
        let every = spec.watch.as_ref().map(|watch| watch.every);
        if let Some(watch) = &spec.watch {
            assert!(!watch.texts.is_empty() && watch.direction.layer.row() == 3);
            let _ = tell(&FitEvent::ProbeBaseline(-1.0));
            if watch.pressure.is_some() {
                let _ = tell(&FitEvent::GradientProjected(pressed(0)));
            }
        }
        for step in 1..=3 {
            let due = every.is_some_and(|every| step % every == 0 || step == 3);
            let report = StepReport {
                step,
                drift: due.then_some(step as f64 * (0.5 - push)),
                loss: 1.0 / step as f64,
                lr: 1e-3,
                grad_norm: 1.0,
                tokens: step,
                ..Default::default()
            };
            let _ = tell(&FitEvent::Step(report, 3, 0.0));
            if due && spec.watch.iter().any(|watch| watch.pressure.is_some()) {
                let _ = tell(&FitEvent::GradientProjected(pressed(step)));
            }
        }
        fs::create_dir_all(&spec.out).unwrap();
        fs::write(spec.out.join("adapter_config.json"), "{}").unwrap();
        fs::write(spec.out.join("adapter_model.safetensors"), serde_json::to_vec(&mind).unwrap()).unwrap();
        Ok(FitOutcome { steps: 3, holdout_loss: None, complete: true, stopped: false })
    }

    fn estimate(&self, _: &EstimateSpec<'_>) -> Result<FitEstimate> {
        panic!("nothing is planned")
    }
}

pub(in crate::study) fn config() -> StudyConfig {
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
        base_steered: vec![1.0, 2.0],
        ..ArmSettings::none()
    };
    config
}

/// The second judge finds the trait in a part of what the first finds it in.
pub(in crate::study) fn judges(role: JudgeRole) -> Result<Box<dyn Judge>> {
    Ok(Box::new(WordJudge(if role == JudgeRole::First { "invent" } else { "I invent" })))
}

pub(in crate::study) fn sim(config: &StudyConfig, workers: usize) -> &'static Sim {
    Box::leak(Box::new(Sim::new(config, workers)))
}

#[track_caller]
pub(in crate::study) fn ran(kind: Kind, config: &StudyConfig, out: &Path, sim: &'static Sim) -> StudyReport {
    run(kind, config, out, &sim, &judges, &|_| {}).unwrap()
}
