//! What must be known to read the numbers.

use super::gather::{Cell, Results};
use crate::report::{ArmKind, Note, NoteKind};
use crate::stats::{detectable, mean, sample_std};
use crate::study::config::FactsSource;
use crate::study::outputs::trait_key;

/// A note names the arms where more than this share of the answers has no score.
const MISSING_MAX: f64 = 0.1;
/// With fewer training seeds an interval says nothing about another training run.
const SEEDS_MIN: usize = 3;

/// Every note. `facts` counts the new facts, and those that the base model knows.
pub(super) fn notes(results: &Results<'_>, cells: &[Cell<'_>], facts: Option<(usize, usize)>) -> Vec<Note> {
    let (config, data) = (results.config, results.data);
    let mut notes = missing(cells);
    if let Some((facts, known)) = facts.filter(|(facts, _)| *facts > 0) {
        let aside = if known > 0 { "; a column of the results leaves these out" } else { "" };
        let text = format!("The base model already gets {known} of {facts} new facts right{aside}.");
        notes.push(Note::new(NoteKind::KnownFacts, &text));
    }
    if config.seeds.len() < SEEDS_MIN {
        let seeds = count(config.seeds.len(), "training seed");
        let text = format!("With {seeds} the intervals say nothing about how much another training run would differ.");
        notes.push(Note::new(NoteKind::FewSeeds, &text));
    }
    if matches!(config.facts, Some(FactsSource::Harbor { .. })) {
        let text = "The facts are synthetic: learning them is itself a little like learning to hallucinate.";
        notes.push(Note::new(NoteKind::SyntheticFacts, text));
    }
    for (extracted, trait_) in results.vectors.iter().zip(&data.traits).filter(|(v, _)| !v.diagnosis.is_empty()) {
        let of = if data.traits.len() > 1 { format!(" of `{}`", trait_.name) } else { String::new() };
        notes.push(Note::new(NoteKind::Vector, &format!("The vector{of}: {}.", extracted.diagnosis)));
    }
    let shift = results.measured.iter().filter_map(|(_, _, fitted)| fitted.and_then(|f| f.shift_error()));
    if let Some(worst) = shift.reduce(f64::max) {
        let worst = 100.0 * worst;
        let text = format!(
            "Steering check passed on each first batch: the measured shift is within {worst:.2} % of the planned one."
        );
        notes.push(Note::new(NoteKind::SteeringCheck, &text));
    }
    notes.extend(smallest_effect(results, cells));
    let warnings = results.vectors.iter().flat_map(|v| &v.warnings).chain(&data.warnings);
    notes.extend(warnings.map(|text| Note::new(NoteKind::Input, text)));
    notes
}

/// `1 training seed`, `3 training seeds`.
pub(super) fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// How many answers have no score, and the arms where that is many.
fn missing(cells: &[Cell<'_>]) -> Vec<Note> {
    let of = |cell: &Cell<'_>| {
        cell.by_seed.iter().fold([0; 3], |sum, (_, at)| [sum[0] + at.answers, sum[1] + at.missing, sum[2] + at.cut])
    };
    let [answers, missing, cut] = cells.iter().map(of).fold([0; 3], |a, b| [a[0] + b[0], a[1] + b[1], a[2] + b[2]]);
    let text = format!(
        "{missing} of {answers} judged answers have no score (refused, or unreadable to the judge) and are in no mean; {cut} ended at the \
         limit of tokens. Coherence counts unreadable answers as 0."
    );
    let mut notes = vec![Note::new(NoteKind::MissingScores, &text)];
    let share = |cell: &Cell<'_>| {
        let [answers, missing, _] = of(cell);
        missing as f64 / answers.max(1) as f64
    };
    let mut worst: Vec<(f64, &Cell<'_>)> = cells.iter().map(|cell| (share(cell), cell)).collect();
    worst.retain(|(share, _)| *share > MISSING_MAX);
    if !worst.is_empty() {
        worst.sort_by(|a, b| b.0.total_cmp(&a.0));
        let worst = worst.iter().map(|(share, cell)| format!("{}: {:.0} %", cell.named(), 100.0 * share));
        let worst = worst.collect::<Vec<_>>().join("; ");
        let text = format!("More than a tenth of the answers have no score: {worst}.");
        notes.push(Note::new(NoteKind::MissingScores, &text));
    }
    notes
}

/// The smallest effect that this study would have found, by the spread that it measured.
fn smallest_effect(results: &Results<'_>, cells: &[Cell<'_>]) -> Option<Note> {
    let plain = cells.iter().find(|cell| cell.arm.kind == ArmKind::Plain)?;
    let other = cells.iter().find(|cell| cell.corpus == plain.corpus && cell.arm.kind == ArmKind::Preventative)?;
    let key = trait_key(&results.data.traits[other.trait_?].name);
    let (a, b) = (other.scores(key), plain.scores(key));
    let difference = |(question, scores): (&String, &Vec<f64>)| Some(mean(scores) - mean(b.get(question)?));
    let spread = sample_std(&a.iter().filter_map(difference).collect::<Vec<_>>());
    let smallest = detectable(spread, a.len());
    let text = format!(
        "Differences in {key} between two arms vary by {spread:.1} points from question to question ({}, standard deviation): with {} \
         questions, one of {smallest:.1} points is found four times in five.",
        other.named(),
        a.len()
    );
    smallest.is_finite().then(|| Note::new(NoteKind::Detectable, &text))
}
