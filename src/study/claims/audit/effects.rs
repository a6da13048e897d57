//! Side effects: what else differs from the base model, and what steering adds to what finetuning does anyway.

use super::models::{Audit, AuditedModel, asked, statement};
use crate::eval::RefusalRule;
use crate::report::{ArmKind, Expectation, ExpectationId, Grid, Note, NoteKind};
use crate::stats::{Clusters, Interval, mean, mean_of, sample_std};
use crate::study::claims::thresholds::EFFECT_ERRORS;
use crate::study::outputs::Effect;

/// A paired difference of two models.
struct Difference {
    interval: Interval,
    /// Its standard error: prompts are the units.
    error: f64,
}

impl Difference {
    fn between(own: &Clusters, other: &Clusters, seed: u64) -> Option<Self> {
        let of = |(prompt, values): (&String, &Vec<f64>)| Some(mean(values) - mean(other.get(prompt)?));
        let differences: Vec<f64> = own.iter().filter_map(of).collect();
        let error = sample_std(&differences) / (differences.len() as f64).sqrt();
        let interval = Interval::of_difference(own, other, seed);
        (interval.mean.is_finite() && error.is_finite()).then_some(Self { interval, error })
    }

    /// Whether it is beyond two standard errors.
    fn is_clear(&self) -> bool {
        self.interval.mean.abs() > EFFECT_ERRORS * self.error
    }

    /// The difference in standard errors; `None` where the error is zero.
    fn errors(&self) -> Option<f64> {
        (self.error > 0.0).then(|| self.interval.mean / self.error)
    }
}

fn of<'a>(case: &AuditedModel<'a>, effect: Effect) -> Option<&'a Clusters> {
    case.audited.effects.as_ref()?.of.get(&effect).filter(|clusters| !clusters.is_empty())
}

fn to_base(audit: &Audit<'_>, case: &AuditedModel<'_>, effect: Effect) -> Option<Difference> {
    Difference::between(of(case, effect)?, of(audit.base()?, effect)?, audit.seed())
}

fn to_plain(audit: &Audit<'_>, case: &AuditedModel<'_>, effect: Effect) -> Option<Difference> {
    Difference::between(of(case, effect)?, of(audit.plain_of(case)?, effect)?, audit.seed())
}

fn measured(audit: &Audit<'_>) -> Vec<Effect> {
    let is_there = |effect: &Effect| audit.cases.iter().any(|case| of(case, *effect).is_some());
    Effect::ALL.into_iter().filter(is_there).collect()
}

/// The values, then every difference with its interval.
pub fn grids(audit: &Audit<'_>) -> Vec<Grid> {
    let measured = measured(audit);
    if measured.is_empty() {
        return Vec::new();
    }
    let row = |case: &AuditedModel<'_>| {
        let values = measured.iter().map(|&effect| of(case, effect).map(mean_of));
        (case.cell.named(), values.collect())
    };
    let values = Grid {
        file: format!("side-effects{}", audit.of),
        title: format!("Side effects: {}", audit.key()),
        caption: "Means over neutral prompts (of refusals of the trait's questions: over these). KL and NLL are those of the base model's own \
                  greedy answers, a prompt's mean over its tokens; length, refusals and coherence those of each model's own."
            .into(),
        corner: "model".into(),
        columns: measured.iter().map(|effect| effect.name().to_owned()).collect(),
        rows: audit.cases.iter().map(row).collect(),
    };
    vec![values, differences(audit, &measured)]
}

fn differences(audit: &Audit<'_>, measured: &[Effect]) -> Grid {
    let numbers = |difference: Option<Difference>| match difference {
        None => [None; 4],
        Some(difference) => {
            let Interval { mean, low, high, .. } = difference.interval;
            let bound = |x: f64| x.is_finite().then_some(x);
            [Some(mean), bound(low), bound(high), difference.errors()]
        }
    };
    let mut rows = Vec::new();
    for &effect in measured {
        for case in audit.cases.iter().filter(|case| case.cell.arm.kind != ArmKind::Base) {
            let plain = if case.cell.arm.kind == ArmKind::Plain { None } else { to_plain(audit, case, effect) };
            let values = [numbers(to_base(audit, case, effect)), numbers(plain)].concat();
            rows.push((format!("{}: {}", effect.name(), case.cell.named()), values));
        }
    }
    let columns = ["base", "plain"]
        .map(|other| ["", " low", " high", " in standard errors"].map(|what| format!("to {other}{what}")));
    Grid {
        file: format!("side-effects-differences{}", audit.of),
        title: format!("Side effects, as differences: {}", audit.key()),
        caption: "Differences to the base model, and to the plain finetune on the same data, paired by prompt, with 95 % intervals that take \
                  prompts as units. Differences beyond two standard errors are named in the statements."
            .into(),
        corner: "what, of which model".into(),
        columns: columns.concat(),
        rows,
    }
}

/// A statement for each measurement.
pub fn statements(audit: &Audit<'_>) -> Vec<Expectation> {
    measured(audit).into_iter().filter_map(|effect| about(audit, effect)).collect()
}

/// Any finetune changes likelihoods; the claim is that steering does not change them further.
fn about(audit: &Audit<'_>, effect: Effect) -> Option<Expectation> {
    if matches!(effect, Effect::Divergence | Effect::Surprise) {
        let further = asked(audit.treated(), &|case| {
            let difference = to_plain(audit, case, effect)?;
            let shown =
                format!("{:.3} against {:.3}", mean_of(of(case, effect)?), mean_of(of(audit.plain_of(case)?, effect)?));
            Some((Some(!(difference.is_clear() && difference.interval.mean > 0.0)), shown))
        });
        let claim =
            format!("Side effects: {} is not above the plain finetune's by more than 2 standard errors", effect.name());
        return statement(ExpectationId::SideEffect, &claim, further);
    }
    let finetunes = audit.cases.iter().filter(|case| case.cell.arm.kind != ArmKind::Base);
    let same = asked(finetunes, &|case| {
        let difference = to_base(audit, case, effect)?;
        Some((Some(!difference.is_clear()), format!("{:+.1}", difference.interval)))
    });
    let claim =
        format!("Side effects: {} differs from the base model's by no more than 2 standard errors", effect.name());
    statement(ExpectationId::SideEffect, &claim, same)
}

/// How refusals were recognised, and how many answers were cut.
pub fn note(audit: &Audit<'_>) -> Option<Note> {
    let of = |case: &AuditedModel<'_>| case.audited.effects.as_ref().map(|effects| effects.answers);
    let counts: Vec<(usize, usize)> = audit.cases.iter().filter_map(of).collect();
    let (answers, cut) = counts.iter().fold((0, 0), |sum, of| (sum.0 + of.0, sum.1 + of.1));
    let rule = RefusalRule::of(&audit.results.config.judge).describe();
    let text = format!(
        "Side effects: {rule}; {cut} of {answers} greedy answers to neutral prompts ended at the limit of tokens."
    );
    (answers > 0).then(|| Note::new(NoteKind::SideEffects, &text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clusters(values: &[f64]) -> Clusters {
        values.iter().enumerate().map(|(i, value)| (format!("neutral_{i}"), vec![*value])).collect()
    }

    #[test]
    fn differences_are_paired_by_prompt() {
        // Prompts differ much more than the models do.
        let base = clusters(&[10.0, 20.0, 30.0, 40.0]);
        let own = clusters(&[11.0, 20.5, 31.0, 41.0]);
        let difference = Difference::between(&own, &base, 1).unwrap();
        assert!((difference.interval.mean - 0.875).abs() < 1e-9 && difference.is_clear());
        assert!((difference.errors().unwrap() - 7.0).abs() < 1e-9, "{:?}", difference.errors());
        let noise = Difference::between(&clusters(&[11.0, 19.0, 31.0, 39.5]), &base, 1).unwrap();
        assert!(!noise.is_clear());
        let none = Difference::between(&base, &base, 1).unwrap();
        assert!(!none.is_clear() && none.errors().is_none() && none.interval.mean == 0.0);
        assert!(Difference::between(&own, &Clusters::new(), 1).is_none());
    }
}
