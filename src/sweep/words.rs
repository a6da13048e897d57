//! What a layer selection has found, in sentences.

use super::outcome::LayersReport;
use super::rules::{Cell, Choice, Rule};
use super::settings::Inputs;
use crate::report::{Expectation, ExpectationId, Note, NoteKind};
use crate::vector::Layer;

/// The choices, the range and what was left out, a sentence each.
pub fn verdict(inputs: &Inputs<'_>, report: &LayersReport) -> Vec<String> {
    let choices = report.choices.iter().map(|(rule, choice)| choice_sentence(*rule, choice.as_ref(), inputs, report));
    choices.chain(range_sentence(report)).chain(left_out(inputs, report)).collect()
}

fn choice_sentence(rule: Rule, choice: Option<&Choice>, inputs: &Inputs<'_>, report: &LayersReport) -> String {
    let config = inputs.config;
    let name = match rule {
        Rule::Paper => format!("The paper's rule (the largest score at {})", config.at),
        Rule::Coherent => format!("The largest score with coherence of at least {}", config.min_coherence),
    };
    let Some(Choice { cell, runner_up }) = choice else {
        return format!("{name}: no cell of the grid qualifies.");
    };
    let layer = cell.layer.expect("a choice has a layer");
    let share = report.share(layer, cell.coef);
    let mut said = format!(
        "{name}: {layer} at {}{share}, {} {}, coherence {}",
        cell.coef, inputs.trait_.name, cell.score, cell.coherence
    );
    if let Some((other, coef, above)) = runner_up {
        said += &format!("; {above} above layer {} at {coef}", other.row());
    }
    said + "."
}

fn range_sentence(report: &LayersReport) -> Option<String> {
    let range = report.range.as_ref()?;
    let share = |coef: f64| report.share(range.layer, coef);
    let layer = range.layer.row();
    let mut said = match (range.coherent_to, range.incoherent_from) {
        (Some(to), Some(from)) => format!(
            "At layer {layer} the text stays coherent up to {to}{} and no longer at {from}{}",
            share(to),
            share(from)
        ),
        (Some(to), None) => {
            format!("At layer {layer} the text stays coherent up to {to}{}, as far as was tried", share(to))
        }
        (None, Some(from)) => {
            format!("At layer {layer} no coefficient leaves the text coherent down to {from}{}", share(from))
        }
        (None, None) => format!("At layer {layer} no coefficient was tried"),
    };
    if let Some(best) = range.best.map(|i| &range.tried[i]) {
        said += &format!("; the largest effect there is {} at {}{}", best.score, best.coef, share(best.coef));
    }
    if !range.complete {
        said += &format!("; the search ended after {} steps", range.steps);
    }
    Some(said + ".")
}

/// What was asked for but needs a layer, where none was chosen.
fn left_out(inputs: &Inputs<'_>, report: &LayersReport) -> Option<String> {
    let wanted = inputs.config.range_steps.is_some() || inputs.config.compare.is_some();
    let chosen = report.choices.iter().any(|(_, choice)| choice.is_some());
    (wanted && !chosen)
        .then(|| "No layer was chosen, so neither a range nor token positions were looked at.".to_owned())
}

pub fn expectations(report: &LayersReport) -> Vec<Expectation> {
    let Some(published) = report.published else { return Vec::new() };
    let chosen = |rule| {
        let choice = report.choices.iter().find(|(r, _)| *r == rule).and_then(|(_, choice)| choice.as_ref());
        choice.and_then(|choice| choice.cell.layer)
    };
    let name = |layer: Option<Layer>| layer.map_or_else(|| "none".to_owned(), |layer| layer.row().to_string());
    let claim = format!("The paper's rule chooses the layer that the paper chose, {}", published.row());
    let (paper, coherent) = (name(chosen(Rule::Paper)), name(chosen(Rule::Coherent)));
    let measured = format!("layer {paper}; with the text held coherent, layer {coherent}");
    let met = chosen(Rule::Paper).map(|layer| layer == published);
    vec![Expectation::new(ExpectationId::PublishedLayer, &claim, &measured, met)]
}

pub fn notes(inputs: &Inputs<'_>, report: &LayersReport) -> Vec<Note> {
    let sum = |of: fn(&Cell) -> usize| report.cells.iter().map(of).sum::<usize>();
    let row = |cell: &Cell| cell.layer.map_or(0, |layer| layer.row());
    let unscored = |cell: &&Cell| cell.missing * 2 > cell.answers;
    let (missing, answers, cut) = (sum(|c| c.missing), sum(|c| c.answers), sum(|c| c.cut));
    let text = format!(
        "{missing} of {answers} answers have no trait score (refused, or unreadable to the judge) and are in no mean; {cut} ended at the \
         limit of tokens."
    );
    let mut notes = vec![Note::new(NoteKind::MissingScores, &text)];
    let text = "Coefficients as fractions: the norm of what is added, by the mean norm of the unsteered residual stream at a response \
                token, read at one token of each answer of coefficient 0.";
    notes.push(Note::new(NoteKind::Fractions, text));
    for cell in report.choices.iter().filter_map(|(_, choice)| Some(&choice.as_ref()?.cell)).filter(unscored) {
        let Cell { coef, missing, answers, .. } = cell;
        let text = format!(
            "Layer {} at {coef}: {missing} of {answers} answers have no score; the trait score is that of the few others.",
            row(cell)
        );
        notes.push(Note::new(NoteKind::FewScores, &text));
    }
    let at = inputs.config.at;
    let layers: Vec<&Cell> = report.cells.iter().filter(|cell| cell.layer.is_some() && cell.coef == at).collect();
    let broken = layers.iter().copied().filter(unscored).count();
    if broken * 2 > layers.len() {
        let text = format!(
            "At {at}, {broken} of {} layers have a score for less than half of their answers; a smaller --at compares them where they are \
             still readable.",
            layers.len()
        );
        notes.push(Note::new(NoteKind::UnreadableLayers, &text));
    }
    if let [base, others @ ..] = &report.confirmed[..] {
        let cell = |c: &Cell| format!("layer {} at {}: {}, coherence {}", row(c), c.coef, c.score, c.coherence);
        let cells = others.iter().map(cell).collect::<Vec<_>>().join("; ");
        let text = format!("On the {} split, unsteered: {}; {cells}.", inputs.config.split.other().key(), base.score);
        notes.push(Note::new(NoteKind::Confirmation, &text));
    }
    let text = "A judge may call a text incoherent for its content and not for its form; read the answers before the limit on coherence \
                decides.";
    notes.push(Note::new(NoteKind::Coherence, text));
    notes
}
