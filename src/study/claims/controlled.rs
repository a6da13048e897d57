//! A trait that data teaches, beside a plain finetune on a neutral set of the same form: what remains when only the trait is left out.

use super::case::{Case, Share};
use super::thresholds::{CONTROLLED_EXAM, CONTROLLED_NEAR, CONTROLLED_RANDOM, CONTROLLED_RISE, NEUTRAL_SHARE};
use crate::report::{ArmKind, Expectation, ExpectationId};
use crate::study::outputs::MMLU;
use crate::study::results::Cell;

/// A case whose data set has a neutral one.
pub struct Controlled<'c> {
    pub case: &'c Case<'c>,
    pub base: &'c Cell<'c>,
    pub plain: &'c Cell<'c>,
    /// The plain finetune on the neutral set.
    pub neutral: &'c Cell<'c>,
}

impl<'c> Controlled<'c> {
    /// Nothing where no plain finetune on a neutral set was measured.
    pub fn of(case: &'c Case<'c>) -> Option<Self> {
        let (base, plain) = (case.one(ArmKind::Base)?, case.one(ArmKind::Plain)?);
        Some(Self { case, base, plain, neutral: case.neutral? })
    }

    /// The preventative setting that leaves out the trait alone, or misses that least, and by how much.
    pub fn chosen(&self) -> Option<(&'c Cell<'c>, f64)> {
        let cells = [ArmKind::Preventative, ArmKind::PreventativeLayer].into_iter().flat_map(|kind| self.case.of(kind));
        let miss = |cell: &'c Cell<'c>| {
            let off = self.case.change(cell, self.neutral).mean.abs();
            let learned = self.case.learned(cell).map_or(f64::NAN, |share| share.of.mean);
            let miss = (off - CONTROLLED_NEAR).max(0.0) + (NEUTRAL_SHARE - learned).max(0.0);
            (off.is_finite() && learned.is_finite()).then_some((cell, miss, off))
        };
        let best = cells.filter_map(miss).min_by(|a, b| a.1.total_cmp(&b.1).then(a.2.total_cmp(&b.2)))?;
        Some((best.0, best.1))
    }

    /// What is claimed, each with what was measured. `about` stands before every claim.
    pub fn expectations(&self, about: &str) -> Vec<Expectation> {
        let Self { case, base, plain, .. } = self;
        let trait_name = case.key();
        let expect =
            |id, claim: String, measured: String, met| Expectation::new(id, &format!("{about}{claim}"), &measured, met);
        let rise = case.change(plain, base);
        let mut all = vec![expect(
            ExpectationId::PlainMoves,
            format!("Plain finetuning moves {trait_name} by at least {CONTROLLED_RISE} points"),
            format!("from {:.1} to {:.1}: {rise:+.1} points", case.score(base), case.score(plain)),
            rise.mean.is_finite().then_some(rise.mean >= CONTROLLED_RISE),
        )];
        let Some((chosen, miss)) = self.chosen() else { return all };
        let (off, score) = (case.change(chosen, self.neutral), case.score(self.neutral));
        let prefix = if miss == 0.0 { "" } else { "closest: " };
        all.push(expect(
            ExpectationId::OnlyTraitIsLeftOut,
            format!(
                "Some preventative coefficient ends within {CONTROLLED_NEAR} points of the plain finetune on the neutral set, with at least \
                 {NEUTRAL_SHARE} % of the neutral part learned"
            ),
            format!(
                "{prefix}{} {:.1}, {} {score:.1}: {off:+.1} points; {}{}",
                chosen.named(),
                case.score(chosen),
                self.neutral.named(),
                self.learned(chosen),
                case.unlearned(chosen)
            ),
            Some(miss == 0.0),
        ));
        if let Some(random) = self.random(chosen) {
            let above = case.change(random, chosen);
            all.push(expect(
                ExpectationId::BelowRandom,
                format!(
                    "That setting lies at least {CONTROLLED_RANDOM} points below random vectors of the same norm, and the paired interval \
                     holds no 0"
                ),
                format!(
                    "{} {:.1}, {} {:.1}: {above:+.1} points",
                    chosen.named(),
                    case.score(chosen),
                    random.named(),
                    case.score(random)
                ),
                above.has_bounds().then_some(above.mean >= CONTROLLED_RANDOM && above.low > 0.0),
            ));
        }
        let exam = case.exam_change(chosen, plain);
        if exam.mean.is_finite() {
            all.push(expect(
                ExpectationId::ExamNearPlain,
                format!("Its multiple choice lies within {CONTROLLED_EXAM} points of the plain finetune"),
                format!(
                    "{} {:.1}, plain {:.1}: {exam:+.1} points",
                    chosen.named(),
                    chosen.mean(MMLU),
                    plain.mean(MMLU)
                ),
                Some(exam.mean >= -CONTROLLED_EXAM),
            ));
        }
        all
    }

    /// The random vectors that steered as a setting did: as many layers, the same coefficient.
    pub fn random(&self, chosen: &Cell<'_>) -> Option<&'c Cell<'c>> {
        let kind = if chosen.arm.kind == ArmKind::Preventative { ArmKind::Random } else { ArmKind::RandomLayer };
        self.case.of(kind).find(|cell| cell.coef == chosen.coef)
    }

    /// `94.1 [90.2, 97.0] % of the neutral part learned`.
    pub fn learned(&self, cell: &Cell<'_>) -> String {
        self.case
            .learned(cell)
            .map_or_else(String::new, |Share { of, what, .. }| format!("{of:.1} % of {what} learned"))
    }
}
