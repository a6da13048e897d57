//! Running the tasks of a study: in which order, beside which others, and what is written of their progress.

mod dispatch;
mod executor;
mod progress;
mod scheduler;
mod shards;
mod status;

pub(super) use executor::{Executed, execute};
pub use shards::Shards;
pub use status::{State, TaskReport, status};
