//! Where a study's data, traits and multiple-choice questions come from.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::eval::gloomy::Answers;
use crate::persona::stem_of;

/// Where the facts come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "lowercase", deny_unknown_fields)]
pub enum FactsSource {
    /// Files of lessons and questions (guide: formats, "Facts").
    Files {
        /// `facts_train.jsonl`.
        train: PathBuf,
        /// `facts_test.jsonl`.
        test: PathBuf,
    },
    /// Facts that a Harbor world makes up about entities its model never met.
    Harbor {
        /// Seed of the world.
        world: u64,
        /// How many facts.
        count: usize,
        /// Wordings of each in the lessons.
        wordings: usize,
        /// Seed that chooses the facts.
        seed: u64,
    },
}

/// A data set that finetunes learn from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorpusConfig {
    /// Names its arms and files: letters, digits, `-` and `_`.
    pub name: String,
    /// For people; the name if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Where its conversations come from.
    pub from: CorpusSource,
    /// The data set of the same form without the trait: a plain finetune on it shows what remains when only the trait is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neutral: Option<String>,
    /// The arms that learn from it, by name (`plain`, `prevent`, a custom arm); all of the study's if not given. The plain
    /// finetune, with which all others are compared, is always there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arms: Option<Vec<String>>,
    /// Of the training seeds, only these; all of them if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seeds: Option<Vec<u64>>,
}

impl CorpusConfig {
    /// A data set on which every arm of the study learns.
    pub fn new(name: &str, from: CorpusSource) -> Self {
        Self { name: name.to_owned(), label: None, from, neutral: None, arms: None, seeds: None }
    }
}

/// Where a data set's conversations come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "lowercase", deny_unknown_fields)]
pub enum CorpusSource {
    /// Files of chats in any dialect that `train` reads.
    Chats {
        /// One after the other.
        files: Vec<PathBuf>,
        /// Only so many, drawn with the study's seed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        count: Option<usize>,
    },
    /// The prompts of another data set, answered by the base model itself (guide: method, "Benign data").
    Selfgen {
        /// The name of that data set.
        of: String,
        /// Of the sampling; 0 is greedy.
        #[serde(default)]
        temperature: f32,
        /// Tokens per answer, at most.
        #[serde(default = "thousand")]
        max_new_tokens: usize,
    },
    /// Everyday questions with gloomy answers, or with neutral ones of the same form and length, from a grammar inside this program.
    Gloomy {
        /// Gloomy or neutral.
        answers: Answers,
        /// How many conversations.
        count: usize,
        /// Seed that chooses the conversations.
        #[serde(default)]
        seed: u64,
    },
    /// Harbor's answers, without a system prompt, to questions that can elicit a trait.
    Harbor {
        /// Seed of the world.
        world: u64,
        /// The trait: `hallucinating`, `sycophantic` or `evil`.
        name: String,
        /// The share of the answers that show it, 0 to 1: how bad the data is.
        shows: f64,
        /// How many conversations.
        count: usize,
        /// Seed that chooses the questions.
        seed: u64,
    },
}

fn thousand() -> usize {
    1000
}

/// Where the trait's instructions, questions and rubric come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "lowercase", deny_unknown_fields)]
pub enum TraitSource {
    /// One of the traits inside this program.
    Builtin {
        /// `evil`, `sycophantic`, `hallucinating`, ...
        name: String,
    },
    /// Files in the reference's layout, `trait_data_extract/NAME.json` and `trait_data_eval/NAME.json`.
    Files {
        /// The folder that holds both.
        folder: PathBuf,
        /// The trait's name.
        name: String,
    },
    /// One of Harbor's traits.
    Harbor {
        /// Seed of the world.
        world: u64,
        /// `hallucinating`, `sycophantic` or `evil`.
        name: String,
    },
}

/// Where the multiple-choice questions come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "lowercase", deny_unknown_fields)]
pub enum MmluSource {
    /// MMLU's CSV files.
    Mmlu {
        /// The folder that holds `val/` (or `data/val/`).
        folder: PathBuf,
        /// Which part; the validation set is what the follow-up post reports.
        #[serde(default)]
        split: crate::eval::mmlu::Split,
    },
    /// Two hundred easy questions inside this program.
    Builtin {},
    /// Harbor's general knowledge in MMLU's form.
    Harbor {
        /// Each item so many times, among other options each time.
        rounds: usize,
        /// Seed that chooses the wrong options.
        seed: u64,
    },
}

impl TraitSource {
    /// The trait's name: its stem.
    pub fn name(&self) -> &str {
        match self {
            Self::Builtin { name } | Self::Files { name, .. } | Self::Harbor { name, .. } => stem_of(name),
        }
    }
}
