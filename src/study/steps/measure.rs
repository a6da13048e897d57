//! A model on every axis, at every coefficient of a sweep in one batch.

use std::collections::BTreeMap;

use serde::Serialize;

use super::context::{Adapter, Context};
use super::events::Phase;
use super::files::{answers_file, is_unchanged};
use crate::Result;
use crate::eval::{self, Asked, Point, RIGHT};
use crate::judge::{JudgedAnswer, Rubric};
use crate::language_model::{FinishReason, Sampling};
use crate::record::{Hash, create_folder, hash_file, seed_of, write_jsonl};
use crate::report::Example;
use crate::stats::Clusters;
use crate::steering::{Positions, SteeringPlan};
use crate::study::config::{MeasureSettings, StudyConfig};
use crate::study::dag::Task;
use crate::study::outputs::{COHERENCE, FACTS, MMLU, Measured, MeasuredAt, trait_key};
use crate::vector::{IncBase, VectorFile};

/// Inference-time steering at all layers by increments. The rows of a batch carry the coefficients.
#[derive(Clone, Copy)]
pub(in crate::study) struct Sweep<'a> {
    pub vector: &'a VectorFile,
    /// As people write them: positive.
    pub strengths: &'a [f64],
    /// The sign with which strengths become coefficients.
    pub sign: f64,
}

impl Sweep<'_> {
    /// At the first strength.
    pub(super) fn plan(&self, config: &StudyConfig) -> SteeringPlan {
        let first = self.strengths.first().map_or(0.0, |strength| self.sign * strength);
        let (vector, base) = (&self.vector.response_avg, config.vector.base);
        SteeringPlan::incremental(vector, base, first as f32, Positions::Response)
    }
}

/// What decides a model's answers, and where they are scored, their scores.
#[derive(Clone, Serialize)]
struct MeasureKey<'a> {
    /// Name and questions of each evaluation.
    asked: Vec<(&'a str, Hash)>,
    measure: &'a MeasureSettings,
    seed: u64,
    adapter: Option<&'a Hash>,
    sweep: Option<SweepKey<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    judge: Option<Hash>,
}

#[derive(Clone, Serialize)]
struct SweepKey<'a> {
    vector: &'a str,
    base: IncBase,
    strengths: &'a [f64],
    sign: f64,
}

/// The axes of a model, at every coefficient of a sweep or without steering.
pub(in crate::study) fn measure(
    cx: &Context<'_>,
    task: &Task,
    adapter: Option<&Adapter>,
    sweep: Option<Sweep<'_>>,
) -> Result<Measured> {
    let evaluations = evaluations(cx, task);
    let asked = evaluations.iter().map(|(_, evaluation)| {
        let samples: Vec<_> = evaluation.samples.iter().map(|s| (&s.question_id, &s.prompt, &s.reference)).collect();
        (evaluation.name.as_str(), Hash::of(&samples))
    });
    let key = MeasureKey {
        asked: asked.collect(),
        measure: &cx.config.measure,
        seed: answer_seed(cx.config, task.seed),
        adapter: adapter.map(|adapter| &adapter.hash),
        sweep: sweep.map(|Sweep { vector, strengths, sign }| SweepKey {
            vector: &vector.fingerprint,
            base: cx.config.vector.base,
            strengths,
            sign,
        }),
        judge: Some(cx.judge_key(&asked_traits(cx, task))),
    };
    // Answers stand apart from what is said of them: another judge, or one that failed, costs no second generation.
    let answers_key = cx.key("measured answers", &MeasureKey { judge: None, ..key.clone() });
    let path = answers_file(cx, task);
    let holds = |measured: &Measured| is_unchanged(&path, &measured.answers);
    cx.stage_if(&format!("measure-{}", task.name), &cx.key("measure", &key), holds, || {
        let plan = sweep.map_or_else(SteeringPlan::none, |sweep| sweep.plan(cx.config));
        let coefs: Vec<Option<(f64, f32)>> = match sweep {
            None => vec![None],
            Some(Sweep { strengths, sign, .. }) => strengths.iter().map(|&s| Some((s, (sign * s) as f32))).collect(),
        };
        let points: Vec<Point> = coefs.iter().flatten().map(|(_, signed)| Point::of(*signed)).collect();
        let mut answered = cx.stage(&format!("answers-{}", task.name), &answers_key, || {
            let mut model = cx.language_model(adapter, plan)?;
            let ask = |(phase, evaluation): &(Phase, eval::Task)| {
                let mut on_progress = |n, of| cx.progress(task, *phase, n, of);
                match evaluation.asked {
                    Asked::Words { .. } => eval::answer(evaluation, &mut *model, &points, &mut on_progress),
                    _ => eval::examine(evaluation, &mut *model, &points, &mut on_progress),
                }
            };
            evaluations.iter().map(ask).collect::<Result<Vec<_>>>()
        })?;
        let mut judge = cx.judge()?;
        for ((_, evaluation), rows) in evaluations.iter().zip(&mut answered) {
            if matches!(evaluation.asked, Asked::Words { .. }) {
                eval::score(evaluation, &mut *judge, rows)?;
            }
        }
        let rows = answered.concat();
        create_folder(&cx.run.file("answers"))?;
        write_jsonl(&path, &rows)?;
        let at = |coef: &Option<(f64, f32)>| {
            let of: Vec<&JudgedAnswer> = rows.iter().filter(|row| row.coef == coef.map(|(_, signed)| signed)).collect();
            measured_at(cx, task, coef.map(|(strength, _)| strength), &of)
        };
        Ok(Measured { answers: hash_file(&path)?, at: coefs.iter().map(at).collect() })
    })
}

/// The traits whose questions are asked: all of them of the base model and plain finetunes, the one of what is steered along it.
fn asked_traits(cx: &Context<'_>, task: &Task) -> Vec<usize> {
    match task.trait_ {
        Some(t) if !cx.config.measure.all_traits => vec![t],
        _ => (0..cx.inputs.traits.len()).collect(),
    }
}

fn evaluations(cx: &Context<'_>, task: &Task) -> Vec<(Phase, eval::Task)> {
    let (inputs, measure) = (cx.inputs, &cx.config.measure);
    let (system, seed) = (measure.system.as_deref(), answer_seed(cx.config, task.seed));
    let sampling = |temperature, rollouts, max| Sampling { temperature, rollouts, seed, ..Sampling::greedy(max) };
    let of_trait = sampling(measure.trait_temperature, measure.trait_rollouts, measure.trait_max_new_tokens);
    let of_trait = Sampling { top_p: measure.trait_top_p, ..of_trait };
    let of_facts = sampling(measure.fact_temperature, measure.fact_rollouts, measure.fact_max_new_tokens);
    let mut evaluations = Vec::new();
    for t in asked_traits(cx, task) {
        let trait_ = &inputs.traits[t];
        evaluations.push((Phase::Trait, eval::traits::task(&trait_.name, &trait_.eval.questions, system, &of_trait)));
    }
    // The base model is asked about everything that any finetune learns.
    for corpus in inputs.learned_by(task.corpus).filter(|corpus| !corpus.questions.is_empty()) {
        evaluations.push((Phase::Facts, eval::facts::task(&corpus.questions, system, &of_facts)));
    }
    if !inputs.mmlu.is_empty() {
        evaluations.push((Phase::Mmlu, eval::mmlu::task(&inputs.mmlu, system, measure.mmlu_form)));
    }
    evaluations
}

fn measured_at(cx: &Context<'_>, task: &Task, coef: Option<f64>, rows: &[&JudgedAnswer]) -> MeasuredAt {
    let names: Vec<&str> = cx.inputs.traits.iter().map(|t| t.name.as_str()).collect();
    let of_trait = |row: &JudgedAnswer| names.iter().find(|name| **name == row.task).copied();
    let judged: Vec<&&JudgedAnswer> = rows.iter().filter(|row| row.finish_reason.is_some()).collect();
    let verdict = |row: &JudgedAnswer| row.verdicts.get(of_trait(row).unwrap_or(Rubric::Fact.key())).cloned();
    let score = |row: &JudgedAnswer| verdict(row).and_then(|verdict| verdict.score);
    let coef = coef.or(task.coef);
    // Of a sweep's many points a few words each, of the others a few more; always the same questions.
    let many = if coef.is_some() { 1 } else { 2 };
    let example = |row: &&JudgedAnswer| Example {
        arm: task.arm.clone().unwrap_or_default(),
        coef,
        axis: of_trait(row).map_or(FACTS, trait_key).to_owned(),
        question: row.question.clone(),
        answer: row.answer.clone(),
        reference: row.reference.clone(),
        score: score(row),
        why: verdict(row).map(|verdict| verdict.why).unwrap_or_default(),
    };
    let mut examples: Vec<Example> = Vec::new();
    for name in names.iter().copied().chain([FACTS]) {
        let of = rows.iter().filter(|row| row.task == name && row.rollout == 0 && row.finish_reason.is_some());
        examples.extend(of.take(many).map(example));
    }
    MeasuredAt {
        coef,
        scores: scores(&names, rows),
        pairs: BTreeMap::new(),
        answers: judged.len(),
        missing: judged.iter().filter(|row| score(row).is_none()).count(),
        cut: judged.iter().filter(|row| row.finish_reason == Some(FinishReason::Length)).count(),
        examples,
    }
}

/// Every axis that the rows are of, by question.
fn scores(traits: &[&str], rows: &[&JudgedAnswer]) -> BTreeMap<String, Clusters> {
    let of = |task: &str, key: &str| eval::clusters(rows.iter().copied().filter(|row| row.task == task), key);
    let mut scores = BTreeMap::new();
    let mut coherence = Clusters::new();
    for &name in traits {
        scores.insert(trait_key(name).to_owned(), of(name, name));
        coherence.extend(of(name, Rubric::Coherence.key()));
    }
    scores.insert(COHERENCE.to_owned(), coherence);
    scores.insert(FACTS.to_owned(), of("facts", Rubric::Fact.key()));
    scores.insert(MMLU.to_owned(), of("mmlu", RIGHT));
    scores.retain(|_, clusters| !clusters.is_empty());
    scores
}

/// Answers of different training seeds draw their own random numbers; arms of the same seed share them, so that they are compared
/// like with like.
fn answer_seed(config: &StudyConfig, seed: Option<u64>) -> u64 {
    let of = seed.map_or_else(|| "answers".to_owned(), |seed| format!("answers of training seed {seed}"));
    seed_of(config.seed, &of)
}
