//! Everything that a study's TOML file may say: plain data and its validation. Nothing here reads a data set or a model.

mod audit;
mod demo;
mod kind;
mod settings;
mod sources;
mod study;

pub use audit::{AuditSettings, NeutralSource};
pub use demo::{demo_config, real_config};
pub use kind::Kind;
pub use settings::{ArmSettings, MeasureSettings, OwnArm, VectorSettings, WatchSettings};
pub use sources::{CorpusConfig, CorpusSource, FactsSource, MmluSource, TraitSource};
pub(super) use study::FACTS_CORPUS;
pub use study::StudyConfig;
