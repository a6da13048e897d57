//! The paper's findings about interventions, each looked for in the arms that a study has: what appears here and what does not.

use super::outputs::{projection_key, prompt_key, trait_key};
use super::results::{Cell, Results};
use crate::report::{ArmKind, Expectation};
use crate::stats::{Interval, mean, mean_of, sample_std};

/// So far above the base model a trait counts as prevented, in points.
const NEAR_BASE: f64 = 5.0;
/// Below it a change of the trait's score counts as none, in points.
const SAME: f64 = 10.0;
/// Below this share of the plain finetune's a shift counts as gone.
const GONE: f64 = 0.5;

/// A difference counts beyond so many standard errors (METHOD K7).
const ERRORS: f64 = 3.0;
/// Kinds of arms with something else in the vector's place, and what is expected of them.
const CONTROLS: [(ArmKind, &str); 4] = [
    (ArmKind::Random, "Random vectors prevent less than the real one"),
    (ArmKind::Shuffled, "The vector of shuffled answers prevents less than the real one"),
    (ArmKind::Orthogonal, "Without its part along the plain finetune's shift the vector prevents less"),
    (ArmKind::Unrelated, "Another trait's vector prevents less"),
];

/// Every finding for which there are arms, data set by data set and trait by trait.
pub(super) fn of(results: &Results<'_>, cells: &[Cell<'_>]) -> Vec<Expectation> {
    let mut findings = Vec::new();
    for c in 0..results.data.corpora.len() {
        for (t, trait_) in results.data.traits.iter().enumerate() {
            let of_data = |cell: &&Cell<'_>| cell.corpus == Some(c) && cell.trait_.is_none_or(|own| own == t);
            let cells: Vec<&Cell<'_>> =
                cells.iter().filter(|cell| cell.arm.kind == ArmKind::Base || of_data(cell)).collect();
            let ground = Ground { name: &trait_.name, seed: results.config.seed, cells: &cells };
            let several = results.data.corpora.len() > 1 || results.data.traits.len() > 1;
            let of = if several {
                format!("{}, {}: ", results.data.corpora[c].label, trait_key(&trait_.name))
            } else {
                String::new()
            };
            findings.extend(ground.all().into_iter().map(|e| Expectation { claim: format!("{of}{}", e.claim), ..e }));
        }
    }
    findings
}

/// The arms of one data set and trait.
struct Ground<'a> {
    name: &'a str,
    seed: u64,
    cells: &'a [&'a Cell<'a>],
}

impl<'a> Ground<'a> {
    fn all(&self) -> Vec<Expectation> {
        // Where plain finetuning does not raise the trait there is nothing to prevent.
        let (Some(plain), Some(base)) = (self.first(ArmKind::Plain), self.first(ArmKind::Base)) else {
            return Vec::new();
        };
        if self.score(plain) - self.score(base) < SAME {
            return Vec::new();
        }
        let arms = [
            self.reaches_base(plain, base),
            self.one_layer_is_less(base),
            self.ablation_is_weaker(plain, base),
            self.regularisation_hides(plain, base),
        ];
        let controls = CONTROLS.iter().flat_map(|(kind, claim)| self.control_is_less(*kind, claim));
        arms.into_iter().flatten().chain(controls).chain(self.away_is_more(plain)).collect()
    }

    fn of_kind(&self, kind: ArmKind) -> impl Iterator<Item = &'a Cell<'a>> {
        self.cells.iter().copied().filter(move |cell| cell.arm.kind == kind)
    }

    fn first(&self, kind: ArmKind) -> Option<&'a Cell<'a>> {
        self.of_kind(kind).next()
    }

    /// The coefficient of a kind that ends lowest.
    fn lowest(&self, kind: ArmKind) -> Option<&'a Cell<'a>> {
        let measured = self.of_kind(kind).filter(|cell| self.score(cell).is_finite());
        measured.min_by(|a, b| self.score(a).total_cmp(&self.score(b)))
    }

    fn score(&self, cell: &Cell<'_>) -> f64 {
        cell.mean(trait_key(self.name))
    }

    fn against(&self, a: &Cell<'_>, b: &Cell<'_>) -> Interval {
        Interval::of_difference(&a.scores(trait_key(self.name)), &b.scores(trait_key(self.name)), self.seed)
    }

    fn shift(&self, cell: &Cell<'_>, base: &Cell<'_>) -> f64 {
        let key = prompt_key(self.name);
        Interval::of_difference(&cell.scores(&key), &base.scores(&key), self.seed).mean
    }

    fn reaches_base(&self, plain: &Cell<'_>, base: &Cell<'_>) -> Option<Expectation> {
        let best = self.lowest(ArmKind::Preventative)?;
        let above = self.against(best, base);
        let met = above.mean.is_finite().then_some(above.mean <= NEAR_BASE);
        let why = if met == Some(false) { self.what_is_left(best, plain, base) } else { String::new() };
        Some(Expectation {
            claim: format!("Preventative steering at all layers reaches the base model ({NEAR_BASE:.0} points)"),
            measured: format!("{}: {:.1}, {above:+.1} against the base model{why}", best.named(), self.score(best)),
            met,
        })
    }

    /// Where what prevention leaves lies: along the vector, where more of it would help, or elsewhere.
    fn what_is_left(&self, best: &Cell<'_>, plain: &Cell<'_>, base: &Cell<'_>) -> String {
        let (own, of_plain) = (self.shift(best, base), self.shift(plain, base));
        if !(own.is_finite() && of_plain.is_finite()) {
            return String::new();
        }
        let share = own / of_plain;
        let so = if share > GONE {
            "a larger coefficient may take more of it"
        } else {
            "what is left of the trait does not lie along the vector, and a larger coefficient will hardly take it"
        };
        let sides = |cell: &Cell<'_>| {
            let scores = cell.scores(trait_key(self.name));
            (scores.values().filter(|s| mean(s) > 50.0).count(), scores.len())
        };
        let (shown, questions) = sides(best);
        format!(
            "; its shift along the vector is {own:.1}, the plain finetune's {of_plain:.1}: {so}; {shown} of {questions} questions still show it \
             in most answers"
        )
    }

    /// At coefficients that both have; where there is none, each at its lowest.
    fn one_layer_is_less(&self, base: &Cell<'_>) -> Option<Expectation> {
        let same =
            |one: &'a Cell<'a>| Some((one, self.of_kind(ArmKind::Preventative).find(|all| all.coef == one.coef)?));
        let mut pairs: Vec<_> = self.of_kind(ArmKind::PreventativeLayer).filter_map(same).collect();
        let how = if pairs.is_empty() {
            pairs.push((self.lowest(ArmKind::PreventativeLayer)?, self.lowest(ArmKind::Preventative)?));
            "each where it does most"
        } else {
            "with the same coefficient"
        };
        let more: Vec<f64> = pairs.iter().map(|(one, all)| self.against(one, all).mean).collect();
        let told = |(one, all): &(&Cell<'_>, &Cell<'_>)| {
            format!("{} {:.1}, {} {:.1}", one.named(), self.score(one), all.named(), self.score(all))
        };
        let told: Vec<String> = pairs.iter().map(told).collect();
        let mean = mean(&more);
        Some(Expectation {
            claim: format!("At one layer it prevents less than at all layers, {how}"),
            measured: format!("{}: {mean:+.1} points on average (base model {:.1})", told.join("; "), self.score(base)),
            met: mean.is_finite().then_some(mean > 0.0),
        })
    }

    /// Where the base model lies near zero along the vector, zeroing changes nothing (METHOD G.3).
    fn ablation_is_weaker(&self, plain: &Cell<'_>, base: &Cell<'_>) -> Option<Expectation> {
        let (ablated, steered) = (self.lowest(ArmKind::Ablate)?, self.lowest(ArmKind::Preventative)?);
        let more = self.against(ablated, steered);
        let key = projection_key(self.name);
        Some(Expectation {
            claim: "Ablation prevents less than steering; the paper finds that where the base model lies near zero along the vector".into(),
            measured: format!(
                "{} {:.1}, {} {:.1}: {more:+.1} points; plain {:.1}; answers lie at {:.1} along the vector in the base model, at {:.1} after \
                 plain finetuning",
                ablated.named(),
                self.score(ablated),
                steered.named(),
                self.score(steered),
                self.score(plain),
                base.mean(&key),
                plain.mean(&key)
            ),
            met: more.mean.is_finite().then_some(more.mean > 0.0),
        })
    }

    /// With another vector in its place, steering prevents less (METHOD K7): one statement for each of the control's coefficients.
    fn control_is_less(&self, kind: ArmKind, claim: &str) -> Vec<Expectation> {
        let told = |control: &Cell<'_>| {
            let same = self.of_kind(ArmKind::Preventative).find(|cell| cell.coef == control.coef);
            let real = same.or_else(|| self.lowest(ArmKind::Preventative))?;
            let more = self.against(control, real);
            let key = trait_key(self.name);
            let draws: Vec<f64> =
                control.by_seed.iter().filter_map(|(_, at)| at.scores.get(key).map(mean_of)).collect();
            // Questions vary, and so do draws and training seeds.
            let between = sample_std(&draws).powi(2) / draws.len() as f64;
            let error = (more.standard_error().powi(2) + if draws.len() > 1 { between } else { 0.0 }).sqrt();
            let finetunes = if draws.len() > 1 { format!(" over {} finetunes", draws.len()) } else { String::new() };
            Some(Expectation {
                claim: format!("{claim}, by more than {ERRORS:.0} standard errors"),
                measured: format!(
                    "{} {:.1}{finetunes}, {} {:.1}: {:+.1} points, standard error {error:.1}",
                    control.named(),
                    self.score(control),
                    real.named(),
                    self.score(real),
                    more.mean
                ),
                met: (more.mean.is_finite() && error.is_finite()).then_some(more.mean > ERRORS * error),
            })
        };
        self.of_kind(kind).filter_map(told).collect()
    }

    /// Steered the other way, the weights have the more to learn (METHOD K7); unless plain finetuning leaves no room.
    fn away_is_more(&self, plain: &Cell<'_>) -> Option<Expectation> {
        let away = self.of_kind(ArmKind::Negated).last()?;
        let more = self.against(away, plain);
        let room = 100.0 - self.score(plain);
        let is_full = if room < SAME { ", which leaves no room" } else { "" };
        Some(Expectation {
            claim: "Steered away from the trait while it learns, a model shows more of it than after plain finetuning"
                .into(),
            measured: format!(
                "{} {:.1}, {more:+.1} points against plain ({:.1}{is_full})",
                away.named(),
                self.score(away),
                self.score(plain)
            ),
            met: (more.mean.is_finite() && (room >= SAME || more.mean < -SAME)).then_some(more.mean > 0.0),
        })
    }

    fn regularisation_hides(&self, plain: &Cell<'_>, base: &Cell<'_>) -> Option<Expectation> {
        let of_plain = self.shift(plain, base);
        let strongest = self.of_kind(ArmKind::Regularize).last()?;
        let (own, change) = (self.shift(strongest, base), self.against(strongest, plain));
        Some(Expectation {
            claim: "A loss on the projection takes the shift away and leaves the trait: the signal is hidden, not the cause removed"
                .into(),
            measured: format!(
                "{}: shift {own:.1} of the plain finetune's {of_plain:.1}; score {:.1}, {change:+.1} points against plain",
                strongest.named(),
                self.score(strongest)
            ),
            met: (own.is_finite() && change.mean.is_finite())
                .then_some(own.abs() < GONE * of_plain.abs() && change.mean.abs() < SAME),
        })
    }
}
