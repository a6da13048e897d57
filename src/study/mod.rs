//! Experiments of many arms as resumable run folders.
//!
//! A study turns a [`StudyConfig`] into [`Piece`]s of work that wait for each other, does them side by side on a [`Runtime`], keeps
//! each as a stage of the folder, and ends in rows for `crate::report`. What it is about, its [`Kind`], decides how it is told.
//!
//! ```text
//! rollouts ─▶ vectors ─┬─▶ finetunes (plain, steered, ablated, random, ...) ─▶ axes ─┐
//! data ────────────────┘        └─▶ plain, steered at inference time ────────▶ axes ─┼─▶ expectations ─▶ report
//!                                                                      base ─▶ axes ─┘
//! ```

mod arms;
mod audit;
mod axes;
mod board;
mod change;
mod claims;
mod config;
mod controls;
mod costs;
mod data;
mod demo;
mod finetune;
mod measure;
mod own;
mod pieces;
mod pipeline;
mod queue;
mod results;
mod run;
mod share;
mod status;
mod vectors;
mod watch;

#[cfg(test)]
mod tests;

pub use crate::judge::JudgeSource;
pub use arms::{Control, Treatment, Work};
pub use audit::{AuditSettings, NeutralSource};
pub use config::{
    AdapterSettings, ArmSettings, CorpusConfig, CorpusSource, ExamSource, FactsSource, MeasureSettings, OwnArm,
    StudyConfig, TraitSource, VectorSettings,
};
pub use costs::Costs;
pub use demo::demo_config;
pub use pieces::{Piece, pieces};
pub use pipeline::{Event, Judges, Opinion, Phase, Tell};
pub use run::{Kind, StudyReport, run};
pub use share::{Shares, run_share};
pub use status::{PieceStatus, Stand, status};
pub use watch::WatchSettings;
