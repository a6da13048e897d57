//! A model under audit, and having it asked for the trait.

use crate::Result;
use crate::eval::{self, Point, Task as Evaluation};
use crate::judge::{JudgedAnswer, Rubric};
use crate::language_model::{LanguageModel, Prompt, Sampling};
use crate::persona::Trait;
use crate::record::{Hash, read_jsonl, seed_of};
use crate::steering::SteeringPlan;
use crate::study::config::AuditSettings;
use crate::study::dag::Task;
use crate::study::outputs::Scores;
use crate::study::steps::context::{Adapter, Context};
use crate::study::steps::events::Phase;
use crate::study::steps::files::answers_file;
use crate::text::Message;
use crate::vector::{Layer, VectorFile};

/// A model that is checked.
pub(super) struct Audited<'a> {
    pub settings: &'a AuditSettings,
    /// The task of the audit.
    pub task: &'a Task,
    /// The task that made or measured the model.
    pub of: &'a Task,
    /// Index of the trait.
    pub t: usize,
    pub trait_: &'a Trait,
    /// The vector that the study steered with.
    pub file: &'a VectorFile,
    /// The layer of the study.
    pub layer: Layer,
    /// The base model has none.
    pub adapter: Option<&'a Adapter>,
}

impl Audited<'_> {
    pub fn adapter_hash(&self) -> Option<&Hash> {
        self.adapter.map(|adapter| &adapter.hash)
    }

    /// The name of a check's stage.
    pub fn stage(&self, check: &str) -> String {
        format!("{}-{check}", self.task.name)
    }

    pub fn open(&self, cx: &Context<'_>, plan: SteeringPlan) -> Result<Box<dyn LanguageModel>> {
        cx.language_model(self.adapter, plan)
    }

    /// The stored answers to the trait's questions.
    pub fn answers(&self, cx: &Context<'_>) -> Result<Vec<JudgedAnswer>> {
        let mut rows: Vec<JudgedAnswer> = read_jsonl(&answers_file(cx, self.of))?;
        rows.retain(|row| row.task == self.trait_.name);
        Ok(rows)
    }
}

/// What stands before every question of the study: its system prompt, if it has one.
pub(super) fn opening(cx: &Context<'_>) -> Vec<Message> {
    cx.config.measure.system.as_deref().map(Message::system).into_iter().collect()
}

/// How answers of audits are drawn.
pub(super) fn sampling(cx: &Context<'_>) -> Sampling {
    let measure = &cx.config.measure;
    Sampling {
        temperature: measure.trait_temperature,
        top_p: measure.trait_top_p,
        rollouts: measure.trait_rollouts,
        seed: seed_of(cx.config.seed, "answers of the audit"),
        ..Sampling::greedy(measure.trait_max_new_tokens)
    }
}

/// The trait's questions, each after the same turns.
pub(super) fn trait_questions(cx: &Context<'_>, model: &Audited<'_>, before: &[Message]) -> Evaluation {
    let Trait { name, eval, .. } = model.trait_;
    let mut evaluation = eval::traits::task(name, &eval.questions, None, &sampling(cx));
    for sample in &mut evaluation.samples {
        let question = Message::user(sample.question.as_str());
        sample.prompt = Prompt::Chat(before.iter().cloned().chain([question]).collect());
    }
    evaluation
}

/// Scores of an evaluation without steering.
pub(super) fn scores(
    cx: &Context<'_>,
    model: &Audited<'_>,
    subject: &mut dyn LanguageModel,
    evaluation: &Evaluation,
) -> Result<Scores> {
    Ok(scores_at(cx, model, subject, evaluation, &[])?.remove(0))
}

/// Scores of an evaluation at every coefficient, or without any.
pub(super) fn scores_at(
    cx: &Context<'_>,
    model: &Audited<'_>,
    subject: &mut dyn LanguageModel,
    evaluation: &Evaluation,
    coefs: &[f64],
) -> Result<Vec<Scores>> {
    let points: Vec<Point> = coefs.iter().map(|&coef| Point::of(coef as f32)).collect();
    let mut on_progress = |n, of| cx.progress(model.task, Phase::Trait, n, of);
    let rows = eval::run(evaluation, subject, &mut *cx.judge()?, &points, &mut on_progress)?;
    let at = |coef: Option<f32>| {
        let of: Vec<&JudgedAnswer> = rows.iter().filter(|row| row.coef == coef).collect();
        Scores {
            trait_: eval::clusters(of.iter().copied(), &model.trait_.name),
            coherence: eval::clusters(of.iter().copied(), Rubric::Coherence.key()),
        }
    };
    Ok(match coefs {
        [] => vec![at(None)],
        coefs => coefs.iter().map(|&coef| at(Some(coef as f32))).collect(),
    })
}
