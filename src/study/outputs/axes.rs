//! The keys of what a study measures.

use crate::persona::dataset_of;

/// Answers that score above this show a trait.
pub(in crate::study) const SHOWS: f64 = 50.0;

/// Key of the axis of new facts.
pub(in crate::study) const FACTS: &str = "facts";
/// Key of the axis of those new facts that the base model cannot guess (guide: method, "Fact acquisition").
pub(in crate::study) const UNGUESSED: &str = "facts_unguessed";
/// Key of the axis of multiple-choice questions.
pub(in crate::study) const MMLU: &str = "mmlu";
/// Key of what was learned of the data: by how much the loss on held-out rows fell, of what it falls by in the plain finetune on the
/// same data, percent (guide: method, "What was learned").
pub(in crate::study) const DATA_LEARNED: &str = "learned";
/// The same on the held-out rows of the neutral data set.
pub(in crate::study) const NEUTRAL_LEARNED: &str = "neutral_learned";
/// Key of the coherence of answers to the traits' questions.
pub(in crate::study) const COHERENCE: &str = "coherence";

/// Key of the loss on the held-out rows of a data set: nats for each token of the answers.
pub(in crate::study) fn loss_key(corpus: &str) -> String {
    format!("loss_{corpus}")
}

/// Key of a trait's axis: `hallucination` for `hallucinating`.
pub(in crate::study) fn trait_key(trait_name: &str) -> &str {
    dataset_of(trait_name)
}

/// Key of how far answers to a trait's questions lie along its vector: the mean over the response's tokens (Chen et al. 2025, section 3.3).
pub(in crate::study) fn projection_key(trait_name: &str) -> String {
    format!("{}_projection", trait_key(trait_name))
}

/// Key of how far the state before the answer lies along it: the prompt's last token, which finetuning shifts (Chen et al. 2025,
/// section 4.2).
pub(in crate::study) fn prompt_key(trait_name: &str) -> String {
    format!("{}_prompt", trait_key(trait_name))
}

/// Key of the finetuning shift: by how much [`prompt_key`] differs from the base model's (guide: method, "Finetuning shift").
pub(in crate::study) fn shift_key(trait_name: &str) -> String {
    format!("{}_shift", trait_key(trait_name))
}

/// Key of a data set's projection difference (Chen et al. 2025, section 6.1).
pub(in crate::study) fn difference_key(trait_name: &str) -> String {
    format!("{}_difference", trait_key(trait_name))
}

/// Key of how far the data's answers lie along the vector by themselves (the paper's figure 21).
pub(in crate::study) fn data_key(trait_name: &str) -> String {
    format!("{}_data", trait_key(trait_name))
}

/// Key of the projection difference against the prompt's last token, for which nothing must be answered (guide: method,
/// "Projection difference").
pub(in crate::study) fn approximation_key(trait_name: &str) -> String {
    format!("{}_approximation", trait_key(trait_name))
}
