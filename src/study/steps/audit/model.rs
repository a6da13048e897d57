//! A model under audit, and having it asked for the trait.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::AuditSettings;
use crate::Result;
use crate::eval::{self, Point, Row, Task};
use crate::judge::Rubric;
use crate::language_model::{LanguageModel, Prompt, Sampling};
use crate::record::{Hash, seed_of};
use crate::stats::{Clusters, mean_of};
use crate::steering::SteeringPlan;
use crate::study::arms::single_layer;
use crate::study::pipeline::{Opinion, Phase, Pipeline};
use crate::text::Message;
use crate::vector::{Layer, VectorFile};

/// The mean coherence of answers that mean something.
const COHERENT: f64 = 50.0;

/// A model that is checked.
pub(super) struct Model<'a> {
    /// Place of the audit's piece.
    pub i: usize,
    /// Place of the piece that made or measured the model.
    pub of: usize,
    /// The trait.
    pub t: usize,
    /// The old vector.
    pub file: &'a VectorFile,
    /// Its adapter, and that one's hash; the base model has none.
    pub adapter: Option<(&'a Path, &'a Hash)>,
}

impl Model<'_> {
    pub fn adapter_hash(&self) -> Option<&Hash> {
        self.adapter.map(|(_, hash)| hash)
    }
}

/// Scores of a trait and coherence of the same answers, by question.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(in crate::study) struct Scores {
    pub trait_: Clusters,
    pub coherence: Clusters,
}

impl Scores {
    /// Whether the answers are coherent on the whole: broken ones show nothing of a trait.
    pub fn coherent(&self) -> bool {
        mean_of(&self.coherence) >= COHERENT
    }

    /// Adds the scores under another prompt; questions keep their names.
    pub fn merge(&mut self, more: Self) {
        for (into, from) in [(&mut self.trait_, more.trait_), (&mut self.coherence, more.coherence)] {
            for (question, scores) in from {
                into.entry(question).or_default().extend(scores);
            }
        }
    }
}

impl Pipeline<'_> {
    pub(super) fn settings(&self) -> &AuditSettings {
        self.config.audit.as_ref().expect("an audit is configured")
    }

    pub(super) fn stage_of(&self, model: &Model<'_>, check: &str) -> String {
        format!("{}-{check}", self.pieces[model.i].name)
    }

    pub(super) fn with_adapter(&self, model: &Model<'_>, plan: SteeringPlan) -> Result<Box<dyn LanguageModel>> {
        self.language_model(model.adapter.map(|(path, _)| path.to_owned()), plan)
    }

    pub(super) fn layer(&self, model: &Model<'_>) -> Result<Layer> {
        single_layer(self.config, model.file.response_avg.layers())
    }

    /// What comes before every question of the study: its system prompt, if it has one.
    pub(super) fn opening(&self) -> Vec<Message> {
        self.config.measure.system.as_deref().map(Message::system).into_iter().collect()
    }

    /// How answers of audits are drawn.
    pub(super) fn sampling(&self) -> Sampling {
        let measure = &self.config.measure;
        Sampling {
            temperature: measure.trait_temperature,
            rollouts: measure.trait_rollouts,
            seed: seed_of(self.config.seed, "answers of the audit"),
            ..Sampling::greedy(measure.trait_max_new_tokens)
        }
    }

    /// The trait's questions, each after the same turns.
    pub(super) fn trait_task(&self, model: &Model<'_>, before: &[Message]) -> Task {
        let trait_ = &self.data.traits[model.t];
        let mut task = eval::traits::task(&trait_.name, &trait_.eval.questions, None, &self.sampling());
        for sample in &mut task.samples {
            let question = Message::user(sample.question.as_str());
            sample.prompt = Prompt::Chat(before.iter().cloned().chain([question]).collect());
        }
        task
    }

    /// The trait's questions as the study asks them.
    pub(super) fn usual_scores(&self, model: &Model<'_>, subject: &mut dyn LanguageModel) -> Result<Scores> {
        let task = self.trait_task(model, &self.opening());
        Ok(self.scores_of(model, subject, &task, &[])?.remove(0))
    }

    /// Scores of a task, at every coefficient or without any.
    pub(super) fn scores_of(
        &self,
        model: &Model<'_>,
        subject: &mut dyn LanguageModel,
        task: &Task,
        coefs: &[f64],
    ) -> Result<Vec<Scores>> {
        let name = &self.data.traits[model.t].name;
        let points: Vec<Point> = coefs.iter().map(|&coef| Point::of(coef as f32)).collect();
        let mut told = |n, of| self.progress(model.i, Phase::Trait, n, of);
        let rows = eval::run(task, subject, &mut *(self.judges)(Opinion::First)?, &points, &mut told)?;
        let at = |coef: Option<f32>| {
            let of: Vec<&Row> = rows.iter().filter(|row| row.coef == coef).collect();
            Scores {
                trait_: eval::clusters(of.iter().copied(), name),
                coherence: eval::clusters(of.iter().copied(), Rubric::Coherence.key()),
            }
        };
        Ok(match coefs {
            [] => vec![at(None)],
            coefs => coefs.iter().map(|&coef| at(Some(coef as f32))).collect(),
        })
    }
}
