//! How far texts lie along persona vectors (Chen et al. 2025, section 3.3):
//!
//! ```text
//! proj             = h·v / |v|          h = mean over the response's tokens
//! prompt_last_proj = h·v / |v|          h = the prompt's last token
//! cos_sim          = h·v / (|h||v|)     h = mean over the response's tokens
//! ```

mod file;
mod probe;

pub use file::{ProjectRules, project_file};
pub use probe::{Metric, Probe, column, projections};
