//! What is measured of each row of a data set, and the measurements.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::persona::project::Probe;
use crate::record::Hash;

/// What an answer's projection is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Against {
    /// The model's own greedy answer of at most so many tokens (Chen et al. 2025, section 6).
    OwnAnswer {
        /// Longest own answer, in tokens.
        max_new_tokens: usize,
    },
    /// The state at the prompt's last token, an approximation that needs no generation.
    LastPrompt,
}

/// Where a row says whether it has the trait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// The row's key.
    pub key: String,
    /// The value that means yes; without one, `true`, 1 and `yes` do.
    pub value: Option<String>,
}

impl Label {
    /// What the row says; nothing if it has no such key, or null.
    pub(super) fn of(&self, cells: &Map<String, Value>) -> Option<bool> {
        let text = match cells.get(&self.key)? {
            Value::Null => return None,
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        Some(match &self.value {
            Some(value) => text == *value,
            None => ["true", "1", "1.0", "yes"].contains(&text.to_ascii_lowercase().as_str()),
        })
    }
}

/// What is measured of each row.
#[derive(Debug, Clone)]
pub struct ScreenRules {
    /// The trait's name.
    pub trait_name: String,
    /// The vector and its layer.
    pub probe: Probe,
    /// What an answer is compared with.
    pub against: Against,
    /// Keep only the first question and its answer of a conversation.
    pub first_turn: bool,
    /// Leave rows out whose prompt is longer, in tokens.
    pub prompt_tokens_max: Option<usize>,
    /// Longest text that the model reads, in tokens.
    pub context: usize,
    /// Where the data says which rows have the trait.
    pub label: Option<Label>,
    /// Decides what is drawn at random.
    pub seed: u64,
    /// Stands for the model, its adapter and the machine.
    pub subject: Hash,
    /// Stands for the judge and its rubric.
    pub judge: Hash,
}

/// What was measured of one row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    /// Its line in the file.
    pub line: usize,
    /// Its own name, or null.
    pub id: Value,
    /// Whether it has the trait, as far as it says so.
    pub label: Option<bool>,
    /// The projection of its answer.
    pub raw: Option<f64>,
    /// The projection of the model's own answer.
    pub own: Option<f64>,
    /// The projection of the state at the prompt's last token.
    pub last_prompt: Option<f64>,
    /// Why nothing was measured, `FILE:LINE: reason`.
    pub bad: Option<String>,
}

impl Scored {
    /// ΔP of the row, exact.
    pub fn exact(&self) -> Option<f64> {
        Some(self.raw? - self.own?)
    }

    /// The approximation without an own answer.
    pub fn approx(&self) -> Option<f64> {
        Some(self.raw? - self.last_prompt?)
    }

    /// The difference that the run ranks and decides by.
    pub fn difference(&self, against: Against) -> Option<f64> {
        match against {
            Against::OwnAnswer { .. } => self.exact(),
            Against::LastPrompt => self.approx(),
        }
    }
}
