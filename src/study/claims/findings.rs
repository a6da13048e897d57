//! The paper's findings about interventions, each checked in the arms that a study has.

use super::case::Case;
use super::controlled::Controlled;
use super::thresholds::{CONTROL_ERRORS, NEAR_BASE, SAME, SHIFT_GONE};
use crate::report::{ArmKind, Expectation, ExpectationId};
use crate::stats::{mean, mean_of, sample_std};
use crate::study::outputs::projection_key;
use crate::study::results::{Cell, Results};

/// The control arms, which steer with another vector, and the expectation for each.
const CONTROLS: [(ArmKind, ExpectationId, &str); 5] = [
    (ArmKind::Random, ExpectationId::RandomIsLess, "Random vectors prevent less than the real one"),
    (ArmKind::RandomLayer, ExpectationId::RandomIsLess, "At one layer a random vector prevents less than the real one"),
    (
        ArmKind::Shuffled,
        ExpectationId::ShuffledIsLess,
        "The vector of shuffled rollouts prevents less than the real one",
    ),
    (
        ArmKind::Orthogonal,
        ExpectationId::OrthogonalIsLess,
        "Without its part along the plain finetune's shift the vector prevents less",
    ),
    (ArmKind::Unrelated, ExpectationId::UnrelatedIsLess, "Another trait's vector prevents less"),
];

/// Every finding for which there are arms, data set by data set and trait by trait.
pub fn findings(results: &Results<'_>, cells: &[Cell<'_>]) -> Vec<Expectation> {
    let several = results.data.corpora.len() > 1 || results.data.traits.len() > 1;
    let of = |case: Case<'_>| {
        let about = if several { format!("{}: ", case.label) } else { String::new() };
        let controlled = Controlled::of(&case).map(|of| of.expectations(&about)).unwrap_or_default();
        let ground = Ground::of(&case, about).map(|ground| ground.all()).unwrap_or_default();
        [controlled, ground].concat()
    };
    Case::all(results, cells).into_iter().flat_map(of).collect()
}

/// One case in which there is something to prevent.
struct Ground<'c> {
    case: &'c Case<'c>,
    base: &'c Cell<'c>,
    plain: &'c Cell<'c>,
    /// Prefix of every claim: the case, where there are several.
    about: String,
}

impl<'c> Ground<'c> {
    /// `None` where plain finetuning does not raise the trait.
    fn of(case: &'c Case<'c>, about: String) -> Option<Self> {
        let (base, plain) = (case.one(ArmKind::Base)?, case.one(ArmKind::Plain)?);
        (case.score(plain) - case.score(base) >= SAME).then_some(Self { case, base, plain, about })
    }

    fn all(&self) -> Vec<Expectation> {
        let arms =
            [self.reaches_base(), self.one_layer_is_less(), self.ablation_is_less(), self.regularization_hides()];
        let controls = CONTROLS.iter().flat_map(|control| self.control_is_less(control));
        arms.into_iter().flatten().chain(controls).chain(self.negated_is_more()).collect()
    }

    fn expect(&self, id: ExpectationId, claim: &str, measured: &str, met: Option<bool>) -> Expectation {
        Expectation::new(id, &format!("{}{claim}", self.about), measured, met)
    }

    /// `Preventative, all layers at 1.25 20.5`.
    fn scored(&self, cell: &Cell<'_>) -> String {
        format!("{} {:.1}", cell.named(), self.case.score(cell))
    }

    /// Where there is a neutral set, prevention should reach the finetune on it rather than the base model.
    fn reaches_base(&self) -> Option<Expectation> {
        if self.case.neutral.is_some() {
            return None;
        }
        let best = self.case.lowest(ArmKind::Preventative)?;
        let above = self.case.change(best, self.base);
        let learned = self.case.has_learned(best);
        let met = above.mean.is_finite().then_some(above.mean <= NEAR_BASE && learned);
        let why = if met == Some(false) && learned { self.remainder(best) } else { String::new() };
        let claim = format!("Preventative steering at all layers ends within {NEAR_BASE:.0} points of the base model");
        let measured = format!(
            "{}: {:.1}, {above:+.1} against the base model{why}{}",
            best.named(),
            self.case.score(best),
            self.case.unlearned(best)
        );
        Some(self.expect(ExpectationId::ReachesBase, &claim, &measured, met))
    }

    /// Whether the trait that remains under prevention lies along the vector, where a larger coefficient would help, or elsewhere.
    fn remainder(&self, best: &Cell<'_>) -> String {
        let (own, of_plain) = (self.case.shift(best, self.base), self.case.shift(self.plain, self.base));
        if !(own.is_finite() && of_plain.is_finite()) {
            return String::new();
        }
        let so = if own / of_plain > SHIFT_GONE {
            "a larger coefficient may lower it further"
        } else {
            "the rest of the trait does not lie along the vector, and a larger coefficient will hardly lower it"
        };
        let scores = best.scores(self.case.key());
        let shown = scores.values().filter(|s| mean(s) > 50.0).count();
        format!(
            "; its finetuning shift is {own:.1}, the plain finetune's {of_plain:.1}: {so}; {shown} of {} questions still show the trait in \
             most answers",
            scores.len()
        )
    }

    /// At coefficients that both have; where there is none, each at its lowest.
    fn one_layer_is_less(&self) -> Option<Expectation> {
        let case = self.case;
        let same = |one: &'c Cell<'c>| Some((one, case.of(ArmKind::Preventative).find(|all| all.coef == one.coef)?));
        let mut pairs: Vec<_> = case.of(ArmKind::PreventativeLayer).filter_map(same).collect();
        let how = if pairs.is_empty() {
            pairs.push((case.lowest(ArmKind::PreventativeLayer)?, case.lowest(ArmKind::Preventative)?));
            "each at its lowest"
        } else {
            "with the same coefficient"
        };
        let more = mean(&pairs.iter().map(|(one, all)| case.change(one, all).mean).collect::<Vec<_>>());
        let scores: Vec<String> =
            pairs.iter().map(|(one, all)| format!("{}, {}", self.scored(one), self.scored(all))).collect();
        let claim = format!("One layer prevents less than all layers, {how}");
        let base = case.score(self.base);
        let measured = format!("{}: {more:+.1} points on average (base model {base:.1})", scores.join("; "));
        Some(self.expect(ExpectationId::OneLayerIsLess, &claim, &measured, more.is_finite().then_some(more > 0.0)))
    }

    /// Where the base model lies near zero along the vector, zeroing changes nothing (Chen et al. 2025, appendix J.4).
    fn ablation_is_less(&self) -> Option<Expectation> {
        let (ablated, steered) = (self.case.lowest(ArmKind::Ablate)?, self.case.lowest(ArmKind::Preventative)?);
        let more = self.case.change(ablated, steered);
        let key = projection_key(self.case.name);
        let claim = "Ablation prevents less than steering; the paper finds that where the base model lies near zero along the vector";
        let measured = format!(
            "{}, {}: {more:+.1} points; plain {:.1}; answers lie at {:.1} along the vector in the base model, at {:.1} after plain \
             finetuning",
            self.scored(ablated),
            self.scored(steered),
            self.case.score(self.plain),
            self.base.mean(&key),
            self.plain.mean(&key)
        );
        let met = more.mean.is_finite().then_some(more.mean > 0.0);
        Some(self.expect(ExpectationId::AblationIsLess, claim, &measured, met))
    }

    /// The optimiser may encode the trait elsewhere and keep it (Chen et al. 2025, appendix J.5).
    fn regularization_hides(&self) -> Option<Expectation> {
        let of_plain = self.case.shift(self.plain, self.base);
        let strongest = self.case.of(ArmKind::Regularize).last()?;
        let (own, change) = (self.case.shift(strongest, self.base), self.case.change(strongest, self.plain));
        let claim = "A loss on the projection lowers the finetuning shift and leaves the trait: the signal is hidden, the cause remains";
        let measured = format!(
            "{}: shift {own:.1} of the plain finetune's {of_plain:.1}; score {:.1}, {change:+.1} points against plain",
            strongest.named(),
            self.case.score(strongest)
        );
        let met = (own.is_finite() && change.mean.is_finite())
            .then_some(own.abs() < SHIFT_GONE * of_plain.abs() && change.mean.abs() < SAME);
        Some(self.expect(ExpectationId::RegularizationHides, claim, &measured, met))
    }

    /// Steering with a control vector prevents less: one finding for each of the control's coefficients.
    fn control_is_less(&self, (kind, id, claim): &(ArmKind, ExpectationId, &str)) -> Vec<Expectation> {
        let case = self.case;
        let of = |control: &Cell<'_>| {
            let steered = match kind {
                ArmKind::RandomLayer => ArmKind::PreventativeLayer,
                _ => ArmKind::Preventative,
            };
            let same = case.of(steered).find(|cell| cell.coef == control.coef);
            let real = same.or_else(|| case.lowest(steered))?;
            let more = case.change(control, real);
            let of_draw = control.by_seed.iter().filter_map(|(_, at)| at.scores.get(case.key()).map(mean_of));
            let draws: Vec<f64> = of_draw.collect();
            // The standard error covers questions, random draws and training seeds.
            let between = sample_std(&draws).powi(2) / draws.len() as f64;
            let error = (more.standard_error().powi(2) + if draws.len() > 1 { between } else { 0.0 }).sqrt();
            let finetunes = if draws.len() > 1 { format!(" over {} finetunes", draws.len()) } else { String::new() };
            let claim = format!("{claim}, by more than {CONTROL_ERRORS:.0} standard errors");
            let measured = format!(
                "{}{finetunes}, {}: {:+.1} points, standard error {error:.1}",
                self.scored(control),
                self.scored(real),
                more.mean
            );
            let known = more.mean.is_finite() && error.is_finite();
            Some(self.expect(*id, &claim, &measured, known.then_some(more.mean > CONTROL_ERRORS * error)))
        };
        case.of(*kind).filter_map(of).collect()
    }

    /// With the vector subtracted the weights must learn more of the trait, unless plain finetuning leaves no room.
    fn negated_is_more(&self) -> Option<Expectation> {
        let negated = self.case.of(ArmKind::Negated).last()?;
        let more = self.case.change(negated, self.plain);
        let plain = self.case.score(self.plain);
        let room = 100.0 - plain;
        let is_full = if room < SAME { ", which leaves no room" } else { "" };
        let claim =
            "With the vector subtracted during training a model shows more of the trait than after plain finetuning";
        let measured = format!("{}, {more:+.1} points against plain ({plain:.1}{is_full})", self.scored(negated));
        let known = more.mean.is_finite() && (room >= SAME || more.mean < -SAME);
        Some(self.expect(ExpectationId::NegatedIsMore, claim, &measured, known.then_some(more.mean > 0.0)))
    }
}
