//! A study as a graph of tasks: which there are, what each waits for, and what a finetune among them is treated with.

mod graph;
mod treatment;

pub(super) use graph::arm_label;
pub use graph::{ArmNaming, Task, TaskKind, tasks};
pub use treatment::{Control, Treatment};
