//! Benign data (the follow-up post, section on benign data; Chen et al. 2025, appendix J.6): what preventative steering does where
//! there is something to prevent, where there is nothing, and where the model learns its own answers.

use super::case::Case;
use super::findings::findings;
use super::format::{dash, met_of};
use super::sweeps::sweep_figures;
use super::thresholds::{EXAM_LOSS, NEAR_BASE, SAME};
use crate::report::{ArmKind, Expectation, ExpectationId, Study};
use crate::study::results::{Cell, Results};

/// The report of a study of benign data.
pub fn summarize(results: &Results<'_>, cells: &[Cell<'_>], study: Study) -> Study {
    let cases = Steered::all(results, cells);
    let expectations =
        [findings(results, cells), cases.iter().flat_map(|case| expected(results, case)).collect()].concat();
    Study {
        title: "What steering does to benign data".to_owned(),
        verdict: format!("{} {}", below_base(&cases), met_of(&expectations)),
        figures: sweep_figures(results, &study),
        expectations,
        ..study
    }
}

/// A case with preventative steering at all layers.
struct Steered<'a> {
    case: Case<'a>,
    base: &'a Cell<'a>,
    plain: &'a Cell<'a>,
    steered: Vec<&'a Cell<'a>>,
}

impl<'a> Steered<'a> {
    fn all(results: &'a Results<'_>, cells: &'a [Cell<'a>]) -> Vec<Self> {
        let of = |case: Case<'a>| {
            let (base, plain) = (case.one(ArmKind::Base)?, case.one(ArmKind::Plain)?);
            let steered: Vec<&Cell<'_>> = case.of(ArmKind::Preventative).collect();
            (!steered.is_empty()).then_some(Self { case, base, plain, steered })
        };
        Case::all(results, cells).into_iter().filter_map(of).collect()
    }
}

/// What the post reports, for one data set and trait.
fn expected(results: &Results<'_>, Steered { case, base, plain, steered }: &Steered<'_>) -> Vec<Expectation> {
    let mut expectations = Vec::new();
    let label = &case.label;
    let rise = case.change(plain, base);
    if results.data.corpora[case.corpus].selfgen.is_some() {
        let claim = format!("{label}: self-generated data moves the trait by less than {NEAR_BASE} points");
        let met = rise.mean.is_finite().then(|| rise.mean.abs() < NEAR_BASE);
        let measured = format!("{rise:+.1} points against the base model");
        expectations.push(Expectation::new(ExpectationId::SelfgenIsNeutral, &claim, &measured, met));
    }
    let Some(least) = case.lowest_of(steered.iter().copied()) else { return expectations };
    let above = case.change(least, base);
    // Where the data elicits the trait, the findings cover it.
    if rise.mean < SAME || rise.mean.is_nan() {
        let claim =
            format!("{label}: steering does not add the trait: at most {NEAR_BASE} points above the base model");
        let (plain, score) = (dash(case.score(plain), 1), dash(case.score(least), 1));
        let measured = format!(
            "plain {plain}, {} {score} ({above:+.1} against the base model){}",
            least.named(),
            case.unlearned(least)
        );
        let met = above.mean.is_finite().then_some(above.mean <= NEAR_BASE);
        expectations.push(Expectation::new(ExpectationId::AddsNothing, &claim, &measured, met));
    }
    let exam = case.exam_change(least, plain);
    if exam.mean.is_finite() {
        let claim = format!("{label}: steering costs at most {EXAM_LOSS} points of multiple choice");
        let measured = format!("{}: {exam:+.1} points against the plain finetune", least.named());
        expectations.push(Expectation::new(ExpectationId::KeepsExam, &claim, &measured, Some(exam.mean >= -EXAM_LOSS)));
    }
    expectations
}

/// Names the cases where steering ends below the base model, which is a side effect.
fn below_base(cases: &[Steered<'_>]) -> String {
    let below = cases.iter().filter_map(|Steered { case, base, steered, .. }| {
        let last = steered.last()?;
        let off = case.change(last, base);
        let coef = last.coef.unwrap_or_default();
        (off.high < 0.0).then(|| format!("{} ({:.0} points at {coef})", case.label, off.mean))
    });
    let below: Vec<String> = below.collect();
    if below.is_empty() {
        return "Nowhere does the strongest steering end clearly below the base model.".to_owned();
    }
    let below = below.join(", ");
    format!(
        "The strongest steering ends below the base model for {below}: an over-correction that may show as answers withheld."
    )
}
