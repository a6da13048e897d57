//! How far texts lie along persona vectors (Chen et al. 2025, section 3.3), and the projection difference of a training set
//! (section 6):
//!
//! ```text
//! proj             = h·v / |v|          h = mean over the response's tokens
//! prompt_last_proj = h·v / |v|          h = the prompt's last token
//! cos_sim          = h·v / (|h||v|)     h = mean over the response's tokens
//! ΔP = mean over i of  proj(x_i, y_i) − proj(x_i, y'_i)      y' = the base model's own answers
//! ```

mod file;
mod probe;

pub use file::{ProjectRules, project_file};
pub use probe::{Metric, Probe, column, projection_difference, projections};
