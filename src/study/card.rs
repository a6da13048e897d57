//! What the card of a model that was finetuned in a study should say: what was done, and what came of it.

use super::expect::rounded;
use super::outputs::{EXAM, trait_key};
use super::results::{Cell, Results};
use crate::report::ArmKind;

/// From here on a plain finetune counts as one that raises a trait, in points above the base model.
const RAISES: f64 = 10.0;

/// A paragraph: for each data set that raises a trait the setting that kept it lowest, else what plain finetuning did to it.
pub(super) fn of(results: &Results<'_>, cells: &[Cell<'_>], about: &str) -> String {
    let Some(base) = cells.iter().find(|cell| cell.arm.kind == ArmKind::Base) else { return String::new() };
    let mut said = Vec::new();
    for (c, corpus) in results.data.corpora.iter().enumerate() {
        let Some(plain) = cells.iter().find(|cell| cell.arm.kind == ArmKind::Plain && cell.corpus == Some(c)) else {
            continue;
        };
        for (t, trait_) in results.data.traits.iter().enumerate() {
            let key = trait_key(&trait_.name);
            let raised = plain.mean(key) - base.mean(key) >= RAISES;
            let steered = cells.iter().filter(|cell| {
                cell.arm.kind.is_preventative()
                    && (cell.corpus, cell.trait_) == (Some(c), Some(t))
                    && cell.mean(key).is_finite()
            });
            let best = steered.filter(|_| raised).min_by(|a, b| a.mean(key).total_cmp(&b.mean(key)));
            said.push(one(&corpus.label, key, base, plain, best));
        }
    }
    if said.is_empty() {
        return String::new();
    }
    format!(
        "Finetuned with LoRA in a study ({about}). {}. Preventative steering adds the trait's persona vector to the residual stream while \
         the model learns; the model runs without. Trait scores are means over answers and training seeds, 0 to 100, by the judge that the \
         study names; what the study does not measure is not known.",
        said.join("; ")
    )
}

fn one(data: &str, key: &str, base: &Cell<'_>, plain: &Cell<'_>, best: Option<&Cell<'_>>) -> String {
    let score = |cell: &Cell<'_>| rounded(cell.mean(key), 1);
    let exam = |cell: &Cell<'_>| match cell.mean(EXAM) {
        exam if exam.is_finite() => format!(", {} % on multiple choice", rounded(exam, 1)),
        _ => String::new(),
    };
    let plainly = format!("plain finetuning {}{}", score(plain), exam(plain));
    match best {
        Some(best) => {
            let how = best.named();
            format!("{data}, {key}: base model {}, {plainly}; {how}: {}{}", score(base), score(best), exam(best))
        }
        None => format!("{data}, {key}: base model {}, {plainly}", score(base)),
    }
}
