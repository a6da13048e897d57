//! The audited models of one trait, what is compared between them, and statements about all of them.

use crate::report::{ArmKind, Expectation, ExpectationId, Note, NoteKind};
use crate::stats::{Interval, mean_of};
use crate::study::outputs::trait_key;
use crate::study::outputs::{AuditFindings, PROMPTS, SHOTS, Scores, TRAINING};
use crate::study::results::{Cell, Results};

/// One audited model beside its cell.
pub struct AuditedModel<'a> {
    pub cell: &'a Cell<'a>,
    pub plain: Option<&'a Cell<'a>>,
    pub audited: &'a AuditFindings,
}

/// The audited models of one trait.
pub struct Audit<'a> {
    pub results: &'a Results<'a>,
    /// The trait's name.
    pub name: &'a str,
    pub cases: Vec<AuditedModel<'a>>,
    /// Suffix of file names where the study has several traits.
    pub of: String,
}

impl<'a> Audit<'a> {
    pub fn of(results: &'a Results<'a>, cells: &'a [Cell<'a>], t: usize) -> Self {
        let mut cases = Vec::new();
        for (target, audited) in results.audits.iter().filter(|(target, _)| target.audited == Some(t)) {
            let cell =
                cells.iter().find(|cell| Some(&cell.arm.name) == target.arm.as_ref() && cell.coef == target.coef);
            if let Some(cell) = cell {
                let plain = cells.iter().find(|other| other.arm.kind == ArmKind::Plain && other.corpus == cell.corpus);
                cases.push(AuditedModel { cell, plain, audited });
            }
        }
        let name = results.data.traits[t].name.as_str();
        let of = if results.data.traits.len() > 1 { format!("-{}", trait_key(name)) } else { String::new() };
        Self { results, name, cases, of }
    }

    /// Key of the trait's axis.
    pub fn key(&self) -> &'a str {
        trait_key(self.name)
    }

    pub fn seed(&self) -> u64 {
        self.results.config.seed
    }

    pub fn base(&self) -> Option<&AuditedModel<'a>> {
        self.cases.iter().find(|case| case.cell.arm.kind == ArmKind::Base)
    }

    /// The audited plain finetune on the data that a case learned from.
    pub fn plain_of(&self, case: &AuditedModel<'_>) -> Option<&AuditedModel<'a>> {
        self.cases.iter().find(|other| other.cell.arm.kind == ArmKind::Plain && other.cell.corpus == case.cell.corpus)
    }

    /// The finetunes with an intervention.
    pub fn treated(&self) -> impl Iterator<Item = &AuditedModel<'a>> {
        self.cases.iter().filter(|case| !matches!(case.cell.arm.kind, ArmKind::Base | ArmKind::Plain))
    }

    /// The finetuning shift of a model.
    pub fn shift(&self, cell: &Cell<'_>) -> Option<f64> {
        self.results.shift(cell, self.base().map(|base| base.cell), self.name).map(|shift| shift.mean)
    }

    /// What elicits the trait, in the order of tables.
    pub fn triggers(&self) -> Vec<String> {
        let of_base =
            self.base().map(|base| base.audited.elicitation.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
        let place = |trigger: &String| (trigger.starts_with('+'), !trigger.starts_with(PROMPTS), trigger.clone());
        let mut triggers = of_base;
        triggers.sort_by_key(place);
        triggers
    }

    /// How much higher the trait score is under a trigger than the base model's; `None` where one of the two is incoherent under it.
    pub fn leak(&self, case: &AuditedModel<'_>, trigger: &str) -> Option<Interval> {
        let (own, base) = (case.audited.elicitation.get(trigger)?, self.base()?.audited.elicitation.get(trigger)?);
        let whole = [own, base].into_iter().all(Scores::coherent);
        whole.then(|| Interval::of_difference(&own.trait_, &base.trait_, self.seed()))
    }

    /// Which models are incoherent under which triggers.
    pub fn broken(&self) -> impl Iterator<Item = Note> {
        self.triggers().into_iter().filter_map(|trigger| {
            let of = |case: &AuditedModel<'_>| {
                let scores = case.audited.elicitation.get(&trigger).filter(|scores| !scores.coherent())?;
                Some(format!("{} ({:.0})", case.cell.named(), mean_of(&scores.coherence)))
            };
            let broken: Vec<String> = self.cases.iter().filter_map(of).collect();
            let by = called(&trigger);
            let text = format!(
                "Under {by} answers are not coherent, so nothing can be said of the trait: {}.",
                broken.join(", ")
            );
            (!broken.is_empty()).then(|| Note::new(NoteKind::Unchecked, &text))
        })
    }
}

/// By how much finetuning on so many conversations raises a model's trait score.
pub fn gain(case: &AuditedModel<'_>, count: usize) -> Option<f64> {
    let at =
        |count: usize| case.audited.relearned.after.iter().find(|(n, _)| *n == count).map(|(_, s)| mean_of(&s.trait_));
    Some(at(count)? - at(0)?)
}

/// The highest trait score among coherent answers.
pub fn most(elicited: &[(f64, Scores)]) -> Option<f64> {
    let coherent = elicited.iter().filter(|(_, scores)| scores.coherent());
    coherent.map(|(_, s)| mean_of(&s.trait_)).filter(|x| x.is_finite()).reduce(f64::max)
}

/// What elicits the trait, for people.
pub fn called(trigger: &str) -> String {
    let shots = trigger.strip_prefix(SHOTS).and_then(|count| count.parse::<usize>().ok());
    let of_data = trigger.strip_prefix(TRAINING).map(|name| name.trim_start_matches('.'));
    match (shots, of_data) {
        (Some(1), _) => "one exemplar of it".to_owned(),
        (Some(count), _) => format!("{count} exemplars of it"),
        (_, Some("")) => "prompts of the training data".to_owned(),
        (_, Some(name)) => format!("prompts of the training data `{name}`"),
        _ if trigger == PROMPTS => "the trait's own prompts".to_owned(),
        _ => format!("steering at {trigger}"),
    }
}

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
