//! What the audit found: is the trait gone, or only out of the monitor's sight? Tables, and statements about the concerns.

mod effects;
mod models;
mod second;
mod statements;
mod tables;

use models::Audit;

use super::findings::findings;
use super::gradient;
use crate::report::{Note, NoteKind, Study};
use crate::study::results::{Cell, Results};

/// The report of an audit.
pub fn summarize(results: &Results<'_>, cells: &[Cell<'_>], study: Study) -> Study {
    let mut expectations = [findings(results, cells), gradient::findings(results)].concat();
    let (mut grids, mut figures, mut notes) = (Vec::new(), Vec::new(), study.notes.clone());
    for t in 0..results.data.traits.len() {
        let audit = Audit::of(results, cells, t);
        expectations.extend(statements::all(&audit));
        expectations.extend(effects::statements(&audit));
        expectations.extend(second::statements(&audit));
        grids.push(tables::found(&audit));
        grids.extend(effects::grids(&audit));
        grids.extend(second::grid(&audit));
        grids.extend(tables::cosines(&audit));
        figures.extend(tables::doses(&audit, &study));
        notes.extend(audit.broken());
        notes.extend(effects::note(&audit).filter(|_| t == 0));
    }
    for (target, audited) in &results.audits {
        let unchecked = |note: &String| Note::new(NoteKind::Unchecked, &format!("{}: {note}.", target.name));
        notes.extend(audited.notes.iter().map(unchecked));
    }
    let met = expectations.iter().filter(|e| e.met == Some(true)).count();
    let verdict = format!("{met} of {} statements hold here; each says what was measured.", expectations.len());
    let title = "Is the trait gone, or only out of sight?".to_owned();
    Study { title, verdict, expectations, grids, figures, notes, ..study }
}
