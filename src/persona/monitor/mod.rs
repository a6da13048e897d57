//! Monitoring (Chen et al. 2025, section 3.3): does the projection at the last prompt token predict how
//! strongly the answer will show the trait?
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

pub use condition::{Condition, Point, SHOTS, Setting, exemplars, ladder, many_shot};
pub use correlate::{Correlation, Published, correlate, published};
pub use run::{MonitorRules, Monitored, monitor};
