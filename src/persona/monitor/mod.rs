//! Monitoring (METHOD E, paper 3.3): does the projection at the last prompt token tell, before a word is said, how strongly the
//! answer will show the trait?
//!
//! ```text
//! condition × question ─┬─▶ state at the prompt's last token ─▶ projection ──┐
//!                       └─▶ 10 answers ─▶ judge ─▶ mean trait score ─────────┴─▶ Pearson's r
//! ```
//!
//! Conditions are the rungs of a ladder of system prompts, or growing numbers of exemplars that show the trait.

mod condition;
mod correlate;
mod run;
mod show;

use serde::{Deserialize, Serialize};

pub use condition::{Condition, SHOTS, Setting, exemplars, ladder, many_shot};
pub use correlate::{Correlation, Published, correlate, published};
pub use run::{MonitorRules, Monitored, monitor};

/// What was measured of one question under one condition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The condition's place in the list of conditions.
    pub condition: usize,
    /// The question's place in the evaluation split.
    pub question: usize,
    /// The mean trait score of the answers; nothing if none has one.
    pub score: Option<f64>,
    /// Mean coherence of the answers that have one.
    pub coherence: Option<f64>,
    /// Answers.
    pub answers: usize,
    /// Of these, without a trait score.
    pub missing: usize,
    /// Signed length of the state at the prompt's last token along the vector: what monitoring sees.
    pub prompt_last_proj: f64,
    /// Signed length of the answers' mean states along it, averaged over the answers.
    pub proj: f64,
    /// Cosine of the same, averaged over the answers.
    pub cos_sim: f64,
}
