//! The steps of a study: free functions that do one task each over a [`Context`], and keep what they did as stages of the run folder.

mod activation_shift;
mod audit;
mod context;
mod controls;
mod events;
mod files;
mod finetune;
mod held_out;
mod judge_check;
mod measure;
mod project;
mod rollouts;
mod selfgen;
mod vector;

pub(super) use audit::audit;
pub(super) use context::{Adapter, Context, TraitVector, vector_of};
pub(super) use controls::{ControlInputs, control_vector};
pub use events::{Event, JudgeRole, Judges, OnEvent, Phase};
pub(super) use files::adapter_folder;
pub(super) use finetune::finetune;
pub(super) use held_out::held_out_losses;
pub(super) use judge_check::check_judge;
pub(super) use measure::{Sweep, measure};
pub(super) use project::{difference, project_answers};
pub(super) use rollouts::base_rollouts;
pub(super) use selfgen::{answer_prompts, training_chats};
pub(super) use vector::vector;
