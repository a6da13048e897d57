//! What the audit found, as tables and as answers to the concerns it is about.

mod effects;
mod second;
mod statements;
mod tables;

use crate::report::{ArmKind, Study};
use crate::stats::{Interval, mean_of};
use crate::study::findings;
use crate::study::outputs::trait_key;
use crate::study::outputs::{AuditFindings, PROMPTS, Scores};
use crate::study::pressure;
use crate::study::results::{Cell, Results};

/// One audited model beside its cell.
struct Case<'a> {
    cell: &'a Cell<'a>,
    plain: Option<&'a Cell<'a>>,
    audited: &'a AuditFindings,
}

/// The audited models of one trait.
struct Audit<'a> {
    results: &'a Results<'a>,
    /// The trait's name.
    name: &'a str,
    cases: Vec<Case<'a>>,
    /// Ends the names of files where the study has several traits.
    of: String,
}

/// What came of an audit.
pub(in crate::study) fn told(results: &Results<'_>, cells: &[Cell<'_>], study: Study) -> Study {
    let mut expectations = [findings::of(results, cells), pressure::findings(results)].concat();
    let (mut grids, mut figures) = (Vec::new(), Vec::new());
    let mut notes = study.notes.clone();
    for t in 0..results.data.traits.len() {
        let audit = Audit::of(results, cells, t);
        expectations.extend(statements::all(&audit));
        expectations.extend(effects::statements(&audit));
        expectations.extend(second::statements(&audit));
        grids.push(tables::found(&audit));
        grids.extend(effects::grids(&audit));
        grids.extend(second::grid(&audit));
        grids.extend(tables::cosines(&audit));
        figures.extend(tables::doses(&audit, &study.axes));
        notes.extend(audit.broken());
        if t == 0 {
            notes.extend(effects::note(&audit));
        }
    }
    for (target, audited) in &results.audits {
        notes.extend(audited.notes.iter().map(|note| format!("{}: {note}.", target.name)));
    }
    let met = expectations.iter().filter(|e| e.met == Some(true)).count();
    Study {
        title: "Is the trait gone, or only out of sight?".to_owned(),
        verdict: format!("{met} of {} statements hold here; each says what was measured.", expectations.len()),
        expectations,
        grids,
        figures,
        notes,
        ..study
    }
}

impl<'a> Audit<'a> {
    fn of(results: &'a Results<'a>, cells: &'a [Cell<'a>], t: usize) -> Self {
        let mut cases = Vec::new();
        for (target, audited) in results.audits.iter().filter(|(target, _)| target.audited == Some(t)) {
            let cell =
                cells.iter().find(|cell| Some(&cell.arm.name) == target.arm.as_ref() && cell.coef == target.coef);
            if let Some(cell) = cell {
                let plain = cells.iter().find(|other| other.arm.kind == ArmKind::Plain && other.corpus == cell.corpus);
                cases.push(Case { cell, plain, audited });
            }
        }
        let name = results.data.traits[t].name.as_str();
        let of = if results.data.traits.len() > 1 { format!("-{}", trait_key(name)) } else { String::new() };
        Self { results, name, cases, of }
    }

    /// Key of the trait's axis.
    fn key(&self) -> &'a str {
        trait_key(self.name)
    }

    fn seed(&self) -> u64 {
        self.results.config.seed
    }

    fn base(&self) -> Option<&Case<'a>> {
        self.cases.iter().find(|case| case.cell.arm.kind == ArmKind::Base)
    }

    /// The audited plain finetune on the data that a case learned from.
    fn plain_of(&self, case: &Case<'_>) -> Option<&Case<'a>> {
        self.cases.iter().find(|other| other.cell.arm.kind == ArmKind::Plain && other.cell.corpus == case.cell.corpus)
    }

    /// The models that something was done to.
    fn treated(&self) -> impl Iterator<Item = &Case<'a>> {
        self.cases.iter().filter(|case| !matches!(case.cell.arm.kind, ArmKind::Base | ArmKind::Plain))
    }

    /// The finetuning shift of a model.
    fn shift(&self, cell: &Cell<'_>) -> Option<f64> {
        self.results.shift(cell, self.base().map(|base| base.cell), self.name).map(|shift| shift.mean)
    }

    /// What calls the trait up, in the order of tables.
    fn triggers(&self) -> Vec<String> {
        let of_base =
            self.base().map(|base| base.audited.elicitation.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
        let place = |trigger: &String| (trigger.starts_with('+'), !trigger.starts_with(PROMPTS), trigger.clone());
        let mut triggers = of_base;
        triggers.sort_by_key(place);
        triggers
    }

    /// By how much a trigger calls the trait up more than in the base model; nothing where either of the two is broken by it.
    fn leak(&self, case: &Case<'_>, trigger: &str) -> Option<Interval> {
        let (own, base) = (case.audited.elicitation.get(trigger)?, self.base()?.audited.elicitation.get(trigger)?);
        let whole = [own, base].into_iter().all(Scores::coherent);
        whole.then(|| Interval::of_difference(&own.trait_, &base.trait_, self.seed()))
    }

    /// What broke whom.
    fn broken(&self) -> impl Iterator<Item = String> {
        self.triggers().into_iter().filter_map(|trigger| {
            let of = |case: &Case<'_>| {
                let scores = case.audited.elicitation.get(&trigger).filter(|scores| !scores.coherent())?;
                Some(format!("{} ({:.0})", case.cell.named(), mean_of(&scores.coherence)))
            };
            let broken: Vec<String> = self.cases.iter().filter_map(of).collect();
            let by = statements::called(&trigger);
            (!broken.is_empty()).then(|| {
                format!(
                    "Under {by} answers are not coherent, so that nothing can be said of a leak: {}.",
                    broken.join(", ")
                )
            })
        })
    }
}

/// By how much so many conversations raise the trait from where the model stood.
fn gain(case: &Case<'_>, count: usize) -> Option<f64> {
    let at =
        |count: usize| case.audited.relearned.after.iter().find(|(n, _)| *n == count).map(|(_, s)| mean_of(&s.trait_));
    Some(at(count)? - at(0)?)
}

/// The highest score of coherent answers: broken ones show nothing.
fn most(elicited: &[(f64, Scores)]) -> Option<f64> {
    let coherent = elicited.iter().filter(|(_, scores)| scores.coherent());
    coherent.map(|(_, s)| mean_of(&s.trait_)).filter(|x| x.is_finite()).reduce(f64::max)
}
