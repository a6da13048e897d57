//! What the tasks of a study leave behind: measured axes, finetunes, vectors, findings of audits. Results and claims are made from
//! these alone.

mod audit;
mod axes;
mod task;

pub(super) use audit::{
    AuditFindings, DoublyJudged, Effect, Effects, LEARNED, LayerShift, PROMPTS, ProbeAuc, ResidualShift, Rotation,
    SHOTS, Scores, SecondJudge, TRAINING,
};
pub(super) use axes::{
    COHERENCE, DATA_LEARNED, FACTS, MMLU, NEUTRAL_LEARNED, SHOWS, UNGUESSED, approximation_key, data_key,
    difference_key, loss_key, projection_key, prompt_key, shift_key, trait_key,
};
pub(super) use task::{AnswerProjection, DataProjection, Difference, Extracted, Measured, MeasuredAt, Output};
