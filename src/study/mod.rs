//! Experiments of many arms as resumable run folders.
//!
//! A study turns a [`StudyConfig`] into [`Piece`]s of work that wait for each other, does them side by side on a [`Lab`], keeps
//! each as a stage of the folder, and ends in rows for `crate::report`.
//!
//! ```text
//! rollouts ─▶ vector ─┬─▶ finetunes (preventative, one layer, random) ─▶ three axes ─┐
//! facts ──┬───────────┘                                                              ├─▶ expectations ─▶ report
//!         └─▶ plain finetune ─▶ three axes, and again steered at inference time ─────┘
//! ```

mod arms;
mod config;
mod data;
pub mod expect;
pub mod facts;
mod finetune;
mod lab;
pub mod layers;
mod measure;
mod pipeline;
mod queue;
mod results;

pub use crate::judge::JudgeSource;
pub use arms::{Piece, Treatment, Work, pieces};
pub use config::{
    AdapterSettings, ArmSettings, ExamSource, FactsSource, MeasureSettings, StudyConfig, TraitSource, VectorSettings,
};
pub use lab::{FitOutcome, FitSpec, Lab, Start, SubjectSpec};
pub use pipeline::{Event, Judges, Phase, Tell};
