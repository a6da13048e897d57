//! Experiments of many arms as resumable run folders.
//!
//! A study turns a [`StudyConfig`] into [`Task`]s that wait for each other, runs them side by side on a [`Runtime`], keeps each as
//! stages of the folder, and ends in rows for `crate::report`. What it is about, its [`Kind`], decides how results are presented.
//!
//! ```text
//! rollouts ─▶ vectors ─┬─▶ finetunes (plain, steered, ablated, random, ...) ─▶ axes ─┐
//! data ────────────────┘        └─▶ plain, steered at inference time ────────▶ axes ─┼─▶ expectations ─▶ report
//!                                                                      base ─▶ axes ─┘
//! ```
//!
//! Each part imports only from those before it:
//!
//! ```text
//! config ─▶ inputs, dag ─▶ costs ─▶ outputs ─▶ steps ─▶ exec ─┐
//!                                      └─▶ results ─▶ claims ─┴─▶ run
//! ```
//!
//! [`Runtime`]: crate::runtime::Runtime

mod config;
mod inputs;

mod costs;
mod dag;
mod outputs;

mod exec;
mod steps;

mod results;

mod claims;

mod run;

#[cfg(test)]
mod tests;

pub use crate::judge::JudgeSource;
pub use config::{
    ArmSettings, AuditSettings, CorpusConfig, CorpusSource, FactsSource, Kind, MeasureSettings, MmluSource,
    NeutralSource, OwnArm, StudyConfig, TraitSource, VectorSettings, WatchSettings, demo_config, real_config,
};
pub use costs::Costs;
pub use dag::{Control, Task, TaskKind, Treatment, tasks};
pub use exec::{Shards, State, TaskReport, status};
pub use run::{StudyReport, run, run_shard};
pub use steps::{Event, JudgeRole, Judges, OnEvent, Phase};
