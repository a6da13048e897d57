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
mod own;
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
        Kind::Own => own::summarize(results, cells, study),
    };
    gradient::add_figures(results, study)
}
