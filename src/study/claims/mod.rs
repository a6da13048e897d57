//! What follows from a study's results: verdict, expectations, findings, figures and tables. Everything is a function of
//! [`Results`]; nothing here runs anything.

mod audit;
mod benign;
mod card;
mod case;
mod controlled;
mod controlled_report;
mod expect;
mod facts;
mod findings;
mod format;
mod gradient;
mod published;
mod shift;
mod sweeps;
mod thresholds;

pub(super) use facts::fact_table;

use super::config::Kind;
use super::results::{Cell, Results};
use crate::report::Study;

/// The report of a study of that kind; `study` holds what all kinds have.
pub(super) fn summarize(kind: Kind, results: &Results<'_>, cells: &[Cell<'_>], study: Study) -> Study {
    let (published, card) =
        (published::published_rows(results, cells, &study), card::card(results, cells, &study.subtitle));
    let study = Study { published, card, ..study };
    let study = match kind {
        Kind::Facts => facts::summarize(results, cells, study),
        Kind::Benign => benign::summarize(results, cells, study),
        Kind::Shift => shift::summarize(results, study),
        Kind::Controlled => controlled_report::summarize(results, cells, study),
        Kind::Audit => audit::summarize(results, cells, study),
        Kind::Own => of_any_arms(results, cells, study),
    };
    gradient::add_figures(results, study)
}

/// A study of any arms: curves wherever something is swept, and the paper's findings as far as there are arms for them.
fn of_any_arms(results: &Results<'_>, cells: &[Cell<'_>], study: Study) -> Study {
    let arms = study.arms.iter().map(|arm| arm.label.as_str()).collect::<Vec<_>>().join("; ");
    Study {
        title: "A study of finetuning".to_owned(),
        verdict: format!("Measured: {arms}. The table has every number with its interval."),
        expectations: findings::findings(results, cells),
        figures: sweeps::sweep_figures(results, &study),
        ..study
    }
}
