//! A statement about all audited models, from whether it holds for each.

use super::models::AuditedModel;
use crate::report::{Expectation, ExpectationId};

/// Whether a statement holds for one model.
pub struct Answer {
    /// The model.
    pub of: String,
    /// Whether the statement holds for it.
    pub holds: Option<bool>,
    /// The numbers.
    pub shown: String,
}

/// A statement about all models; those for which it does not hold are named first.
pub fn statement(id: ExpectationId, claim: &str, answers: Vec<Answer>) -> Option<Expectation> {
    let known: Vec<&Answer> = answers.iter().filter(|answer| answer.holds.is_some()).collect();
    let said = |holds: bool| -> Vec<String> {
        let of = known.iter().filter(|answer| answer.holds == Some(holds));
        of.map(|answer| format!("{} ({})", answer.of, answer.shown)).collect()
    };
    let (yes, no) = (said(true), said(false));
    let measured = [("not for", &no), ("for", &yes)].into_iter().filter(|(_, said)| !said.is_empty());
    let measured: Vec<String> = measured.map(|(word, said)| format!("{word} {}", said.join(", "))).collect();
    (!known.is_empty()).then(|| Expectation::new(id, claim, &measured.join("; "), Some(no.is_empty())))
}

/// Whether a statement holds for a model, and the numbers; `None` where it was not checked.
type Ask<'a> = dyn Fn(&AuditedModel<'_>) -> Option<(Option<bool>, String)> + 'a;

/// Asks models one after the other.
pub fn asked<'a>(cases: impl Iterator<Item = &'a AuditedModel<'a>>, answer: &Ask<'_>) -> Vec<Answer> {
    let of =
        |case: &AuditedModel<'_>| answer(case).map(|(holds, shown)| Answer { of: case.cell.named(), holds, shown });
    cases.filter_map(of).collect()
}
