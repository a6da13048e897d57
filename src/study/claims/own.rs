//! A study of any arms: curves wherever something is swept, and the paper's findings as far as there are arms for them.

use super::findings::findings;
use super::sweeps::sweep_figures;
use crate::report::Study;
use crate::study::results::{Cell, Results};

/// The report of such a study.
pub fn summarize(results: &Results<'_>, cells: &[Cell<'_>], study: Study) -> Study {
    let arms = study.arms.iter().map(|arm| arm.label.as_str()).collect::<Vec<_>>().join("; ");
    Study {
        title: "A study of finetuning".to_owned(),
        verdict: format!("Measured: {arms}. The table has every number with its interval."),
        expectations: findings(results, cells),
        figures: sweep_figures(results, &study),
        ..study
    }
}
