//! Tasks: questions, and how their answers are made and scored.

use serde::Serialize;

use crate::judge::Rubric;
use crate::language_model::{Prompt, Sampling};
use crate::text::Message;
use crate::vector::Layer;

/// The letters of the four options.
pub const LETTERS: [&str; 4] = ["A", "B", "C", "D"];

/// The verdict of [`Asked::Choice`] and [`Asked::Letter`]: 100 for the right option, 0 for another.
pub const RIGHT: &str = "right";

/// One question of a task.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sample {
    /// Names the question: the unit of the intervals, and the key of its random numbers.
    pub question_id: String,
    /// What it belongs to: a subject, a fact, a trait.
    pub group: String,
    /// The question as the judge sees it.
    pub question: String,
    /// What the model is given.
    pub prompt: Prompt,
    /// What would be right, where something is.
    pub reference: Option<String>,
}

/// How a task's questions are answered and scored.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Asked {
    /// The model answers in its own words and the judge scores by each rubric.
    Words {
        /// How answers are sampled, and how many per question.
        sampling: Sampling,
        /// What the judge is asked of each.
        rubrics: Vec<Rubric>,
    },
    /// The model takes the likeliest of four options, given sample by sample; the reference is the right one's letter. No
    /// judge is asked.
    Choice(Vec<Options>),
    /// The model answers in its own words and the letter is read out of them; the reference is the right one. No judge is asked.
    Letter(Sampling),
}

/// A conversation to be answered, under a system prompt if there is one.
pub(super) fn chat(system: Option<&str>, user: impl Into<String>) -> Prompt {
    Prompt::Chat(system.map(Message::system).into_iter().chain([Message::user(user)]).collect())
}

/// What is asked of a model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Task {
    /// Its name in rows.
    pub name: String,
    /// Its questions.
    pub samples: Vec<Sample>,
    /// How they are answered and scored.
    pub asked: Asked,
}

/// One point of a sweep over strengths, or over layers and strengths.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// The strength, as tables show it.
    pub coef: f32,
    /// The layer, where the sweep goes over layers.
    pub layer: Option<Layer>,
    /// The coefficient of each part of the subject's plan.
    pub coefs: Vec<f32>,
}

impl Point {
    /// A strength of the only part of the plan.
    pub fn of(coef: f32) -> Self {
        Self { coef, layer: None, coefs: vec![coef] }
    }
}

impl Task {
    /// The same task with some of its samples.
    pub fn part(&self, which: impl Iterator<Item = usize> + Clone) -> Self {
        let asked = match &self.asked {
            Asked::Choice(options) => Asked::Choice(which.clone().map(|i| options[i].clone()).collect()),
            other => other.clone(),
        };
        Self { name: self.name.clone(), samples: which.map(|i| self.samples[i].clone()).collect(), asked }
    }
}

/// The continuations whose likelihoods are compared.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub enum Options {
    /// The letters, alone and after a space, as far as these are single tokens for all four; the likelier way counts.
    Letters,
    /// A space and the letter, what follows `Answer:` in lm-evaluation-harness.
    AfterSpace,
    /// The options in their own words.
    Texts([String; 4]),
}
