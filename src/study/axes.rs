//! What a study measures: the keys of its axes in outputs and files.

use crate::persona::dataset_of;

/// Key of the axis of new facts.
pub(super) const FACTS: &str = "facts";
/// Key of the axis of those new facts that the base model cannot guess.
pub(super) const UNGUESSED: &str = "facts_unguessed";
/// Key of the multiple-choice axis.
pub(super) const EXAM: &str = "mmlu";
/// Key of the coherence of answers to the traits' questions.
pub(super) const COHERENCE: &str = "coherence";

/// Key of a trait's axis: `hallucination` for `hallucinating`.
pub(super) fn trait_key(trait_name: &str) -> &str {
    dataset_of(trait_name)
}

/// Key of how far answers to a trait's questions lie along its vector: the mean over the response's tokens (Chen et al. 2025, section 3.3).
pub(super) fn projection_key(trait_name: &str) -> String {
    format!("{}_projection", trait_key(trait_name))
}

/// Key of how far the state before the answer lies along it: the prompt's last token, which finetuning shifts (section 4.2).
pub(super) fn prompt_key(trait_name: &str) -> String {
    format!("{}_prompt", trait_key(trait_name))
}

/// Key of the finetuning shift: by how much [`prompt_key`] differs from the base model's (section 4.2).
pub(super) fn shift_key(trait_name: &str) -> String {
    format!("{}_shift", trait_key(trait_name))
}

/// Key of a data set's projection difference (section 6.1).
pub(super) fn difference_key(trait_name: &str) -> String {
    format!("{}_difference", trait_key(trait_name))
}

/// Key of how far the data's answers lie along the vector by themselves (the paper's figure 21).
pub(super) fn data_key(trait_name: &str) -> String {
    format!("{}_data", trait_key(trait_name))
}

/// Key of the projection difference against the prompt's last token, for which nothing must be answered (appendix I).
pub(super) fn approximation_key(trait_name: &str) -> String {
    format!("{}_approximation", trait_key(trait_name))
}
