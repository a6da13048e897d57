//! How each axis of a study is shown.

use crate::report::capital;
use crate::report::content::Axis;
use crate::report::plot::{Hue, Mark};
use crate::study::inputs::Inputs;
use crate::study::outputs::{
    COHERENCE, DATA_LEARNED, FACTS, MMLU, NEUTRAL_LEARNED, UNGUESSED, approximation_key, data_key, difference_key,
    loss_key, projection_key, shift_key, trait_key,
};

/// The axes of a study in the order of its tables: traits, facts, exam, coherence; then what is measured of states, aside.
pub fn axes(data: &Inputs) -> Vec<Axis> {
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
    if !data.mmlu.is_empty() {
        axes.push(Axis::accuracy(MMLU, "Multiple-choice accuracy", "Multiple choice", Hue::Green, Mark::Triangle));
    }
    let coherence = Axis::accuracy(COHERENCE, "Coherence of answers", "Coherence", Hue::Grey, Mark::Diamond);
    axes.push(Axis { unit: "0–100".to_owned(), ..coherence });
    let share = |key, name, short, hue, mark| Axis::accuracy(key, name, short, hue, mark);
    axes.push(share(DATA_LEARNED, "Data learned, by held-out loss", "Learned", Hue::Sky, Mark::Down));
    axes.push(share(
        NEUTRAL_LEARNED,
        "Neutral part learned, by held-out loss",
        "Neutral learned",
        Hue::Purple,
        Mark::Square,
    ));
    for corpus in &data.corpora {
        let name = format!("Held-out loss: {}", corpus.label);
        axes.push(Axis { unit: "nats per token".to_owned(), ..Axis::aside(&loss_key(&corpus.name), &name) });
    }
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
