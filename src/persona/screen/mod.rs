//! Screening training data (Chen et al. 2025, section 6): which samples would pull a model towards a trait?
//!
//! ```text
//! exact        ΔP_i = (a(x_i, y_i) − a(x_i, y'_i))·v̂      y' = the model's own greedy answer
//! last-prompt  ΔP_i ≈ (a(x_i, y_i) − h_last(x_i))·v̂       no generation
//! raw          a(x_i, y_i)·v̂                              a baseline; domains differ by several units
//! ```
//!
//! Data of any size: rows are worked on chunk by chunk, finished chunks are kept in the run's folder
//! ([`crate::record::Ledger`]), and of a row only its numbers stay in memory. The model's answers are kept apart from the
//! measurements, so that another trait or layer needs no new answers.

mod choose;
mod highlight;
mod measure;
mod rules;
mod run;
mod show;
mod source;
mod summary;

pub use choose::{Choices, Decision, Threshold, Thresholds};
pub use rules::{Against, Label, Scored, ScreenRules};
pub use run::{Screened, screen};
pub use source::Source;
pub use summary::{Spread, Summary};

#[cfg(test)]
mod tests;
