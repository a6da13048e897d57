//! A paragraph for the card of a model that was finetuned in a study: what was done, and the scores.

use super::case::{Case, Share};
use super::controlled::Controlled;
use super::format::dash;
use super::thresholds::SAME;
use crate::report::ArmKind;
use crate::study::outputs::{FACTS, MMLU};
use crate::study::results::{Cell, Results};

/// For each data set that raises a trait the setting that kept it lowest, else what plain finetuning did. `about` names model, data
/// and seeds; empty without any finetune.
pub fn card(results: &Results<'_>, cells: &[Cell<'_>], about: &str) -> String {
    let of = |case: Case<'_>| {
        let (base, plain) = (case.one(ArmKind::Base)?, case.one(ArmKind::Plain)?);
        let steered = [ArmKind::Preventative, ArmKind::PreventativeLayer].into_iter().flat_map(|kind| case.of(kind));
        let raised = case.score(plain) - case.score(base) >= SAME;
        // A setting that leaves out the trait alone is preferred to one with a lower score.
        let controlled = Controlled::of(&case).and_then(|of| Some(of.chosen()?.0));
        let best = controlled.or_else(|| case.lowest_of(steered)).filter(|_| raised);
        let scored = |cell: &Cell<'_>| {
            let also = [(FACTS, "the new facts"), (MMLU, "multiple choice")].map(|(key, what)| match cell.mean(key) {
                mean if mean.is_finite() => format!(", {} % on {what}", dash(mean, 1)),
                _ => String::new(),
            });
            let learned = match case.learned(cell).filter(|_| cell.arm.kind.is_preventative()) {
                Some(Share { of, what, .. }) => format!(", {:.0} % of {what} learned", of.mean),
                None => String::new(),
            };
            format!("{}{}{learned}", dash(case.score(cell), 1), also.concat())
        };
        let kept = best.map(|best| format!("; {}: {}", best.named(), scored(best))).unwrap_or_default();
        let base = dash(case.score(base), 1);
        Some(format!("{}: base model {base}, plain finetuning {}{kept}", case.label, scored(plain)))
    };
    let scores: Vec<String> = Case::all(results, cells).into_iter().filter_map(of).collect();
    if scores.is_empty() {
        return String::new();
    }
    format!(
        "Finetuned with LoRA in a study ({about}). {}. Preventative steering adds the trait's persona vector to the residual stream during \
         training; the model runs without it. Trait expression scores are means over answers and training seeds, 0 to 100, by the judge \
         that the study names; other traits were not measured.",
        scores.join("; ")
    )
}
