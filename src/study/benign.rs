//! Data that does no harm (METHOD J.2): what preventative steering does where there is something to prevent, where there is nothing,
//! and where the model learns its own answers.

use super::expect::rounded;
use super::findings;
use super::outputs::{EXAM, trait_key};
use super::results::{Cell, Results};
use super::sweeps;
use crate::report::{ArmKind, Expectation, Study};
use crate::stats::Interval;

/// From here on a plain finetune counts as one that elicits the trait, in points above the base model.
const ELICITS: f64 = 10.0;
/// So far above the base model benign data may end, in points.
const NEAR_BASE: f64 = 5.0;
/// So far below the plain finetune steering may end in the exam, in points.
const EXAM_LOSS: f64 = 2.0;

/// What came of a study of benign data.
pub(super) fn told(results: &Results<'_>, cells: &[Cell<'_>], study: Study) -> Study {
    let expectations = [findings::of(results, cells), expectations(results, cells)].concat();
    let met = expectations.iter().filter(|e| e.met == Some(true)).count();
    let verdict = format!("{}{met} of {} expectations are met.", said(results, cells), expectations.len());
    let (title, figures) = ("What steering does to benign data".to_owned(), sweeps::figures(results, &study.axes));
    Study { title, verdict, figures, expectations, ..study }
}

/// A study of one's own arms: curves wherever something is swept, and the paper's findings as far as there are arms for them.
pub(super) fn swept(results: &Results<'_>, cells: &[Cell<'_>], study: Study) -> Study {
    let expectations = findings::of(results, cells);
    let arms: Vec<&str> = study.arms.iter().map(|arm| arm.label.as_str()).collect();
    let verdict = format!("Measured: {}. The table has every number with its interval.", arms.join("; "));
    Study {
        title: "A study of finetuning".to_owned(),
        verdict,
        expectations,
        figures: sweeps::figures(results, &study.axes),
        ..study
    }
}

/// The cells of one data set and trait.
struct Case<'a> {
    label: String,
    base: &'a Cell<'a>,
    plain: &'a Cell<'a>,
    steered: Vec<&'a Cell<'a>>,
    key: &'a str,
    is_own: bool,
}

fn cases<'a>(results: &'a Results<'_>, cells: &'a [Cell<'a>]) -> Vec<Case<'a>> {
    let base = cells.iter().find(|cell| cell.arm.kind == ArmKind::Base);
    let mut cases = Vec::new();
    for (c, corpus) in results.data.corpora.iter().enumerate() {
        let plain = cells.iter().find(|cell| cell.arm.kind == ArmKind::Plain && cell.corpus == Some(c));
        for (t, trait_) in results.data.traits.iter().enumerate() {
            let steered = cells.iter().filter(|cell| {
                cell.arm.kind == ArmKind::Preventative && (cell.corpus, cell.trait_) == (Some(c), Some(t))
            });
            let steered: Vec<&Cell<'_>> = steered.collect();
            if let (Some(base), Some(plain), false) = (base, plain, steered.is_empty()) {
                let key = trait_key(&trait_.name);
                let label = format!("{}, {key}", corpus.label);
                cases.push(Case { label, base, plain, steered, key, is_own: corpus.selfgen.is_some() });
            }
        }
    }
    cases
}

/// What the post reports, for each data set and trait.
fn expectations(results: &Results<'_>, cells: &[Cell<'_>]) -> Vec<Expectation> {
    let seed = results.config.seed;
    let mut expectations = Vec::new();
    for case in cases(results, cells) {
        let rise = Interval::of_difference(&case.plain.scores(case.key), &case.base.scores(case.key), seed);
        let elicits = rise.mean >= ELICITS;
        if case.is_own {
            expectations.push(Expectation {
                claim: format!(
                    "{}: the model's own answers move the trait by less than {NEAR_BASE} points",
                    case.label
                ),
                measured: format!("{rise:+.1} points against the base model"),
                met: rise.mean.is_finite().then(|| rise.mean.abs() < NEAR_BASE),
            });
        }
        let least = case.steered.iter().min_by(|a, b| a.mean(case.key).total_cmp(&b.mean(case.key)));
        let Some(least) = least else { continue };
        let above = Interval::of_difference(&least.scores(case.key), &case.base.scores(case.key), seed);
        // Where the data elicits the trait the findings say what becomes of it.
        if !elicits {
            expectations.push(Expectation {
                claim: format!(
                    "{}: steering adds nothing of the trait: at most {NEAR_BASE} points above the base model",
                    case.label
                ),
                measured: format!(
                    "plain {}, {} {} ({above:+.1} against the base model)",
                    rounded(case.plain.mean(case.key), 1),
                    least.named(),
                    rounded(least.mean(case.key), 1)
                ),
                met: above.mean.is_finite().then_some(above.mean <= NEAR_BASE),
            });
        }
        let exam = Interval::of_difference(&least.scores(EXAM), &case.plain.scores(EXAM), seed);
        if exam.mean.is_finite() {
            expectations.push(Expectation {
                claim: format!("{}: steering costs at most {EXAM_LOSS} points of multiple choice", case.label),
                measured: format!("{}: {exam:+.1} points against the plain finetune", least.named()),
                met: Some(exam.mean >= -EXAM_LOSS),
            });
        }
    }
    expectations
}

/// Where steering went below the base model: a side effect, not only a success.
fn said(results: &Results<'_>, cells: &[Cell<'_>]) -> String {
    let seed = results.config.seed;
    let below = cases(results, cells).into_iter().filter_map(|case| {
        let last = case.steered.last()?;
        let off = Interval::of_difference(&last.scores(case.key), &case.base.scores(case.key), seed);
        (off.high < 0.0)
            .then(|| format!("{} ({:.0} points at {})", case.label, off.mean, last.coef.unwrap_or_default()))
    });
    let below: Vec<String> = below.collect();
    if below.is_empty() {
        return "Nowhere does the strongest steering end clearly below the base model. ".to_owned();
    }
    format!(
        "The strongest steering ends below the base model for {}: an over-correction that may show as answers withheld. ",
        below.join(", ")
    )
}
