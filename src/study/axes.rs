//! What a study measures: the keys of its axes, and how each is shown.

use super::data::Data;
use crate::persona::dataset_of;
use crate::report::{Axis, Hue, Mark, capital};

/// Key of the axis of new facts.
pub(super) const FACTS: &str = "facts";
/// Key of the axis of those new facts that the base model cannot guess (METHOD J.1).
pub(super) const UNGUESSED: &str = "facts_unguessed";
/// Key of the exam's axis.
pub(super) const EXAM: &str = "mmlu";
/// Key of the coherence of answers to the traits' questions.
pub(super) const COHERENCE: &str = "coherence";

/// Key of a trait's axis: `hallucination` for `hallucinating`.
pub(super) fn trait_key(trait_name: &str) -> &str {
    dataset_of(trait_name)
}

/// Key of how far answers to a trait's questions lie along its vector: the mean over the response's tokens (METHOD E.1).
pub(super) fn projection_key(trait_name: &str) -> String {
    format!("{}_projection", trait_key(trait_name))
}

/// Key of how far the state before the answer lies along it: the prompt's last token, which finetuning shifts (METHOD H.1).
pub(super) fn prompt_key(trait_name: &str) -> String {
    format!("{}_prompt", trait_key(trait_name))
}

/// Key of the finetuning shift: by how much [`prompt_key`] differs from the base model's (METHOD H.1).
pub(super) fn shift_key(trait_name: &str) -> String {
    format!("{}_shift", trait_key(trait_name))
}

/// Key of a data set's projection difference (METHOD H.2).
pub(super) fn difference_key(trait_name: &str) -> String {
    format!("{}_difference", trait_key(trait_name))
}

/// Key of how far the data's answers lie along the vector by themselves (the paper's figure 21).
pub(super) fn data_key(trait_name: &str) -> String {
    format!("{}_data", trait_key(trait_name))
}

/// Key of the projection difference against the prompt's last token, for which nothing must be answered (METHOD H.3).
pub(super) fn approximation_key(trait_name: &str) -> String {
    format!("{}_approximation", trait_key(trait_name))
}

/// The axes of a study in the order of its tables: traits, facts, exam, coherence; then what is measured of states, aside.
pub(super) fn axes(data: &Data) -> Vec<Axis> {
    const HUES: [(Hue, Mark); 6] = [
        (Hue::Vermillion, Mark::Circle),
        (Hue::Purple, Mark::Diamond),
        (Hue::Orange, Mark::Triangle),
        (Hue::Sky, Mark::Down),
        (Hue::Ink, Mark::Cross),
        (Hue::Grey, Mark::Ring),
    ];
    let names: Vec<&str> = data.traits.iter().map(|t| t.name.as_str()).collect();
    let mut axes: Vec<Axis> = Vec::new();
    for (i, name) in names.iter().enumerate() {
        let (key, (hue, mark)) = (trait_key(name), HUES[i % HUES.len()]);
        let capital = capital(key);
        axes.push(Axis { hue, mark, ..Axis::score(key, &format!("{capital} score"), &capital) });
    }
    if data.corpora.iter().any(|corpus| !corpus.questions.is_empty()) {
        axes.push(Axis::accuracy(FACTS, "New-fact accuracy", "New facts", Hue::Blue, Mark::Square));
    }
    if !data.exam.is_empty() {
        axes.push(Axis::accuracy(EXAM, "Multiple-choice accuracy", "Multiple choice", Hue::Green, Mark::Triangle));
    }
    let coherence = Axis::accuracy(COHERENCE, "Coherence of answers", "Coherence", Hue::Grey, Mark::Diamond);
    axes.push(Axis { unit: "0–100".to_owned(), ..coherence });
    let unguessed =
        Axis::accuracy(UNGUESSED, "New facts that the base model does not guess", "", Hue::Blue, Mark::Square);
    axes.push(Axis { aside: true, ..unguessed });
    for name in names {
        let of = capital(trait_key(name));
        axes.push(Axis::aside(&projection_key(name), &format!("{of}: projection of answers")));
        axes.push(Axis::aside(&shift_key(name), &format!("{of}: finetuning shift")));
        axes.push(Axis::aside(&difference_key(name), &format!("{of}: projection difference of the data")));
        axes.push(Axis::aside(&data_key(name), &format!("{of}: projection of the data")));
        axes.push(Axis::aside(&approximation_key(name), &format!("{of}: projection difference, approximated")));
    }
    axes
}
