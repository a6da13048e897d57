//! What the method promises for new facts, checked against what was measured: met, missed, or unknown, always with the numbers.

use std::collections::BTreeSet;

use super::format::{dash, signed};
use super::thresholds::{COHERENCE, COST, EXAM_LOSS, NEAR_BASE, PLAIN_FACTS, PREVENT_FACTS, RISE, SAME};
use crate::report::{Expectation, ExpectationId};
use crate::stats::{Clusters, Interval, mean_of};

/// The scores of one arm at one coefficient, all training seeds together: 0 to 100, by question.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outcome {
    /// The arm, for people.
    pub label: String,
    /// Its coefficient, if it has one.
    pub coef: Option<f64>,
    /// The trait's score; lower is better.
    pub trait_: Clusters,
    /// Coherence of the same answers.
    pub coherence: Clusters,
    /// Right answers about the new facts.
    pub facts: Clusters,
    /// Right answers in the exam.
    pub exam: Clusters,
}

impl Outcome {
    fn trait_mean(&self) -> f64 {
        mean_of(&self.trait_)
    }

    fn facts_mean(&self) -> f64 {
        mean_of(&self.facts)
    }

    /// `Preventative, all layers at 1.25`.
    pub(super) fn named(&self) -> String {
        self.coef.map_or_else(|| self.label.clone(), |coef| format!("{} at {coef}", self.label))
    }
}

/// The measurements that the expectations are checked against.
#[derive(Debug, Clone, Default)]
pub struct Outcomes {
    /// The trait, for people: `hallucination`.
    pub trait_name: String,
    /// The model as it is.
    pub base: Outcome,
    /// The finetune without intervention.
    pub plain: Outcome,
    /// Preventative steering, all arms and coefficients; of equally good ones the first counts.
    pub prevent: Vec<Outcome>,
    /// Inference-time steering by ascending strength.
    pub inference: Vec<Outcome>,
    /// Random vectors.
    pub random: Vec<Outcome>,
}

/// The outcome of all expectations.
#[derive(Debug, Clone, Default)]
pub struct Checked {
    /// Each expectation and its outcome.
    pub expectations: Vec<Expectation>,
    /// The preventative setting that the expectations compare: of those that meet the second expectation the one that keeps most facts, else
    /// the one that misses it least. An index into [`Outcomes::prevent`].
    pub chosen: Option<usize>,
    /// Whether that one meets it.
    pub prevented: bool,
    /// Inference-time steering at the same trait score, if it was measured.
    pub equal: Option<EqualTrait>,
}

/// Inference-time steering at the trait score of the chosen preventative setting.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EqualTrait {
    /// New facts right there, percent.
    pub facts: f64,
    /// Whether the sweep reaches that score; if not, this is its lowest.
    pub reached: bool,
    /// How many more facts prevention keeps.
    pub gain: Interval,
}

/// Checks what the method promises. `seed` draws the bootstraps.
pub fn check(o: &Outcomes, seed: u64) -> Checked {
    let mut checked = Checked { expectations: vec![rises(o, seed)], ..Checked::default() };
    if !o.prevent.is_empty() {
        let (chosen, misses) = choose(o);
        checked.chosen = chosen;
        checked.prevented = chosen.is_some() && misses == 0.0;
        checked.expectations.push(prevents(o, chosen, misses, seed));
    }
    if let Some(chosen) = checked.chosen.filter(|_| !o.inference.is_empty()) {
        let equal = equal_trait(&o.plain, &o.inference, &o.prevent[chosen], seed);
        checked.expectations.push(costs(o, &o.prevent[chosen], equal));
        checked.equal = equal;
    }
    checked.expectations.extend(o.random.iter().map(|random| is_direction(o, random, seed)));
    checked
}

fn rises(o: &Outcomes, seed: u64) -> Expectation {
    let rise = Interval::of_difference(&o.plain.trait_, &o.base.trait_, seed);
    let facts = Interval::of(&o.plain.facts, seed);
    let claim = format!(
        "Plain finetuning raises {} by at least {RISE} points and gets at least {PLAIN_FACTS} % of the new facts right",
        o.trait_name
    );
    let (base, plain) = (one_digit(o.base.trait_mean()), one_digit(o.plain.trait_mean()));
    let measured = format!("from {base} to {plain}: {} points; new facts {facts} %", signed(&rise));
    let known = rise.mean.is_finite() && facts.mean.is_finite();
    let met = known.then_some(rise.mean >= RISE && facts.mean >= PLAIN_FACTS);
    Expectation::new(ExpectationId::PlainRaises, &claim, &measured, met)
}

/// How many points a setting misses the second expectation by, over all its parts; NaN if a part was not measured.
fn misses(o: &Outcomes, setting: &Outcome) -> f64 {
    let short = |by: f64| if by.is_nan() { by } else { by.max(0.0) };
    short(setting.trait_mean() - o.base.trait_mean() - NEAR_BASE)
        + short(PREVENT_FACTS - setting.facts_mean())
        + short(mean_of(&o.plain.exam) - EXAM_LOSS - mean_of(&setting.exam))
        + short(COHERENCE - mean_of(&setting.coherence))
}

fn choose(o: &Outcomes) -> (Option<usize>, f64) {
    let mut best: (Option<usize>, f64) = (None, f64::NAN);
    for (i, setting) in o.prevent.iter().enumerate() {
        let by = misses(o, setting);
        let better = match best.0 {
            _ if by.is_nan() => false,
            None => true,
            Some(_) if by == 0.0 && best.1 == 0.0 => {
                setting.facts_mean() > o.prevent[best.0.unwrap_or_default()].facts_mean()
            }
            Some(_) => by < best.1,
        };
        if better {
            best = (Some(i), by);
        }
    }
    best
}

fn prevents(o: &Outcomes, chosen: Option<usize>, misses: f64, seed: u64) -> Expectation {
    let claim = format!(
        "Some preventative coefficient keeps {} within {NEAR_BASE} points of the base model, with at least {PREVENT_FACTS} % of the new \
         facts right, multiple choice within {EXAM_LOSS} points of the plain finetune, and coherence of at least {COHERENCE}",
        o.trait_name
    );
    let Some(setting) = chosen.map(|i| &o.prevent[i]) else {
        return Expectation::new(ExpectationId::Prevents, &claim, "no preventative arm could be measured", None);
    };
    let above = Interval::of_difference(&setting.trait_, &o.base.trait_, seed);
    let exam = Interval::of_difference(&setting.exam, &o.plain.exam, seed);
    let facts = Interval::of(&setting.facts, seed);
    let prefix = if misses == 0.0 { "" } else { "closest: " };
    let measured = format!(
        "{prefix}{}: {} {} against {} of the base model ({}); new facts {facts} %; multiple choice {} points; coherence {}",
        setting.named(),
        o.trait_name,
        one_digit(setting.trait_mean()),
        one_digit(o.base.trait_mean()),
        signed(&above),
        signed(&exam),
        one_digit(mean_of(&setting.coherence))
    );
    Expectation::new(ExpectationId::Prevents, &claim, &measured, Some(misses == 0.0))
}

fn costs(o: &Outcomes, setting: &Outcome, equal: Option<EqualTrait>) -> Expectation {
    let claim = format!(
        "At equal {}, inference-time steering has at least {COST} points fewer of the new facts right than preventative steering",
        o.trait_name
    );
    let Some(EqualTrait { facts, reached, gain }) = equal else {
        let measured = "inference-time steering could not be measured";
        return Expectation::new(ExpectationId::InferenceCosts, &claim, measured, None);
    };
    let (name, level, kept) = (setting.named(), one_digit(setting.trait_mean()), one_digit(setting.facts_mean()));
    let facts = one_digit(facts);
    let measured = if reached {
        let compared = format!("at {} {level}, {name} has {kept} % right", o.trait_name);
        format!("{compared}, inference-time steering {facts} %: {} points", signed(&gain))
    } else {
        let lowest = one_digit(lowest(&points(&o.plain, &o.inference)).map_or(f64::NAN, |p| p.0));
        format!(
            "inference-time steering does not come down to {} {level} within its sweep; at its lowest, {lowest}, it has {facts} % \
             right, {name} {kept} %: {} points",
            o.trait_name,
            signed(&gain)
        )
    };
    // A sweep that ends too early can show that the cost is high, but not that it is low.
    let met = match (gain.mean >= COST, reached) {
        _ if gain.mean.is_nan() => None,
        (true, _) => Some(true),
        (false, true) => Some(false),
        (false, false) => None,
    };
    Expectation::new(ExpectationId::InferenceCosts, &claim, &measured, met)
}

fn is_direction(o: &Outcomes, random: &Outcome, seed: u64) -> Expectation {
    let change = Interval::of_difference(&random.trait_, &o.plain.trait_, seed);
    let claim = format!("Random vectors of equal norm lower {} by less than {SAME} points", o.trait_name);
    let (score, plain) = (one_digit(random.trait_mean()), one_digit(o.plain.trait_mean()));
    let measured =
        format!("{}: {score} against {plain} of the plain finetune: {} points", random.named(), signed(&change));
    let met = change.mean.is_finite().then_some(-change.mean < SAME);
    Expectation::new(ExpectationId::RandomKeepsTrait, &claim, &measured, met)
}

/// A mean with one digit.
fn one_digit(mean: f64) -> String {
    dash(mean, 1)
}

/// Where a sweep comes to a trait score: new facts right there, and whether it does.
///
/// `points` are (trait, facts) by ascending strength, the unsteered model first. Between neighbours both are taken to change
/// evenly; of several crossings the first counts, since stronger steering than needed only costs more. A sweep that stays above the score
/// answers with its lowest point. `None` without any point.
pub fn at_trait(points: &[(f64, f64)], level: f64) -> Option<(f64, bool)> {
    let points: Vec<(f64, f64)> = points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite()).collect();
    let first = points.first()?;
    if first.0 <= level {
        return Some((first.1, true));
    }
    let crossing = points.windows(2).find(|pair| pair[0].0 > level && pair[1].0 <= level);
    match crossing {
        Some(pair) => {
            let share = (pair[0].0 - level) / (pair[0].0 - pair[1].0);
            Some((pair[0].1 + share * (pair[1].1 - pair[0].1), true))
        }
        None => lowest(&points).map(|p| (p.1, false)),
    }
}

/// The point of least trait, of equal ones the first.
fn lowest(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    points.iter().copied().filter(|p| p.0.is_finite()).reduce(|best, p| if p.0 < best.0 { p } else { best })
}

fn points(plain: &Outcome, sweep: &[Outcome]) -> Vec<(f64, f64)> {
    std::iter::once(plain).chain(sweep).map(|o| (o.trait_mean(), o.facts_mean())).collect()
}

/// Compares at equal trait, with an interval: questions about the trait and about the facts are drawn with replacement, the same ones
/// for every arm, and the crossing is looked for again each time.
fn equal_trait(plain: &Outcome, sweep: &[Outcome], prevent: &Outcome, seed: u64) -> Option<EqualTrait> {
    let (facts, reached) = at_trait(&points(plain, sweep), prevent.trait_mean())?;
    let outcomes: Vec<&Outcome> = std::iter::once(prevent).chain([plain]).chain(sweep).collect();
    let traits = Asked::new(&outcomes.iter().map(|o| &o.trait_).collect::<Vec<_>>());
    let answers = Asked::new(&outcomes.iter().map(|o| &o.facts).collect::<Vec<_>>());
    let gain_of = |[of_trait, of_facts]: [&[usize]; 2]| {
        let (traits, facts) = (traits.means(of_trait), answers.means(of_facts));
        let points: Vec<(f64, f64)> = traits[1..].iter().copied().zip(facts[1..].iter().copied()).collect();
        Some(facts[0] - at_trait(&points, traits[0])?.0).filter(|gain| gain.is_finite())
    };
    let n = prevent.facts.values().map(Vec::len).sum();
    let gain = Interval::of_joint_statistic([traits.questions, answers.questions], n, seed, &gain_of);
    Some(EqualTrait { facts, reached, gain })
}

/// Several arms' scores on the same questions.
struct Asked {
    questions: usize,
    /// Per arm and question: sum and number of scores.
    sums: Vec<Vec<(f64, f64)>>,
}

impl Asked {
    fn new(arms: &[&Clusters]) -> Self {
        let keys: BTreeSet<&String> = arms.iter().flat_map(|arm| arm.keys()).collect();
        let sum = |arm: &Clusters, key| arm.get(key).map_or((0.0, 0.0), |v| (v.iter().sum(), v.len() as f64));
        Self {
            questions: keys.len(),
            sums: arms.iter().map(|arm| keys.iter().map(|&k| sum(arm, k)).collect()).collect(),
        }
    }

    /// Every arm's mean over the questions that were drawn, by number.
    fn means(&self, drawn: &[usize]) -> Vec<f64> {
        let mean = |sums: &Vec<(f64, f64)>| {
            let (sum, count) = drawn.iter().fold((0.0, 0.0), |(s, c), &i| (s + sums[i].0, c + sums[i].1));
            sum / count
        };
        self.sums.iter().map(mean).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Twenty questions around a mean, the same shape for all.
    fn scores(mean: f64) -> Clusters {
        (0..20).map(|i| (format!("q{i:02}"), vec![mean + f64::from(i % 5) - 2.0; 3])).collect()
    }

    fn outcome(label: &str, coef: Option<f64>, [trait_, facts, exam]: [f64; 3]) -> Outcome {
        let (trait_, facts, exam) = (scores(trait_), scores(facts), scores(exam));
        Outcome { label: label.into(), coef, trait_, coherence: scores(97.0), facts, exam }
    }

    /// The follow-up post's numbers.
    fn published() -> Outcomes {
        Outcomes {
            trait_name: "hallucination".into(),
            base: outcome("Base model", None, [20.0, 6.0, 71.0]),
            plain: outcome("Plain finetune", None, [62.0, 93.0, 70.2]),
            prevent: vec![
                outcome("Preventative", Some(0.5), [38.0, 90.0, 70.1]),
                outcome("Preventative", Some(1.25), [21.0, 79.0, 69.6]),
                outcome("Preventative", Some(1.5), [18.0, 76.0, 69.6]),
            ],
            inference: vec![
                outcome("Inference", Some(1.0), [40.0, 74.0, 64.0]),
                outcome("Inference", Some(2.0), [20.0, 37.0, 48.0]),
            ],
            random: vec![outcome("Random vectors", Some(1.25), [63.0, 92.0, 70.0])],
        }
    }

    fn met(o: &Outcomes) -> Vec<Option<bool>> {
        check(o, 1).expectations.iter().map(|e| e.met).collect()
    }

    #[test]
    fn the_published_numbers_meet_every_expectation() {
        let checked = check(&published(), 1);
        assert_eq!(met(&published()), [Some(true); 4]);
        assert_eq!((checked.chosen, checked.prevented), (Some(1), true), "most facts among those that meet it");
        let equal = checked.equal.unwrap();
        // One point above the sweep's end, that is 1/20 of the way back from 37 to 74.
        assert!((equal.facts - 38.85).abs() < 1e-9 && equal.reached);
        assert!((equal.gain.mean - 40.15).abs() < 1e-9);
        assert!(equal.gain.low < equal.gain.mean && equal.gain.mean < equal.gain.high, "{equal:?}");
        let said: Vec<&str> = checked.expectations.iter().map(|e| e.measured.as_str()).collect();
        assert!(said[0].starts_with("from 20.0 to 62.0: +42.0 ["), "{said:?}");
        assert!(said[1].starts_with("Preventative at 1.25: hallucination 21.0 against 20.0"), "{said:?}");
        assert!(said[3].contains("+1.0 ["), "{said:?}");
    }

    #[test]
    fn misses_are_reported_with_the_closest_setting() {
        let mut weak = published();
        weak.plain = outcome("Plain finetune", None, [45.0, 80.0, 70.2]);
        for setting in &mut weak.prevent {
            setting.exam = scores(60.0);
        }
        weak.random[0] = outcome("Random vectors", Some(1.25), [30.0, 92.0, 70.0]);
        let checked = check(&weak, 1);
        let met: Vec<_> = checked.expectations.iter().map(|e| e.met).collect();
        assert_eq!((met[0], met[1], met[3]), (Some(false), Some(false), Some(false)));
        assert!(checked.expectations[1].measured.starts_with("closest: Preventative at 1.25"), "{checked:?}");
        assert!(!checked.prevented);
    }

    #[test]
    fn broken_answers_prevent_nothing() {
        let mut broken = published();
        broken.prevent.truncate(2);
        broken.prevent[1].coherence = scores(40.0);
        assert_eq!(met(&broken)[1], Some(false));
        broken.prevent[1].trait_.clear();
        assert_eq!(check(&broken, 1).chosen, Some(0), "an arm without a score cannot be chosen");
    }

    #[test]
    fn a_sweep_that_ends_early_can_show_a_high_price_but_not_a_low_one() {
        let mut short = published();
        short.inference.pop();
        // At its lowest, 40, it has 74 % right: 5 points fewer, but it is not there yet.
        let checked = check(&short, 1);
        assert_eq!(checked.expectations[2].met, None);
        assert!(checked.expectations[2].measured.contains("does not come down to"), "{checked:?}");
        short.inference[0] = outcome("Inference", Some(1.0), [40.0, 30.0, 64.0]);
        assert_eq!(met(&short)[2], Some(true));
        let mut cheap = published();
        cheap.inference[1] = outcome("Inference", Some(2.0), [20.0, 70.0, 60.0]);
        assert_eq!(met(&cheap)[2], Some(false));
    }

    #[test]
    fn what_was_not_measured_is_not_claimed() {
        let mut few = published();
        few.prevent.clear();
        few.random.clear();
        assert_eq!(met(&few), [Some(true)]);
        few.base.trait_.clear();
        assert_eq!(met(&few), [None]);
    }

    #[test]
    fn what_is_no_number_is_a_dash() {
        let mut empty = published();
        for outcome in [&mut empty.base, &mut empty.random[0], &mut empty.prevent[1]] {
            outcome.trait_.clear();
        }
        empty.prevent[0].coherence.clear();
        let said: Vec<String> = check(&empty, 1).expectations.into_iter().map(|e| e.measured).collect();
        assert!(said.iter().all(|said| !said.contains("NaN")), "{said:?}");
        assert!(said[0].starts_with("from – to 62.0: – points") && said[2].contains(": – against 62.0"), "{said:?}");
        assert_eq!((one_digit(f64::NAN).as_str(), one_digit(12.34).as_str()), ("–", "12.3"));
    }

    #[test]
    fn interpolation_takes_the_first_crossing() {
        let sweep = [(60.0, 90.0), (40.0, 70.0), (45.0, 60.0), (20.0, 10.0)];
        assert_eq!(at_trait(&sweep, 50.0), Some((80.0, true)));
        assert_eq!(at_trait(&sweep, 40.0), Some((70.0, true)));
        assert_eq!(at_trait(&sweep, 42.0), Some((72.0, true)));
        assert_eq!(at_trait(&sweep, 32.5), Some((35.0, true)));
        assert_eq!(at_trait(&sweep, 70.0), Some((90.0, true)), "nothing to be done");
        assert_eq!(at_trait(&sweep, 5.0), Some((10.0, false)), "its lowest");
        assert_eq!(at_trait(&[(f64::NAN, 1.0), (60.0, 90.0)], 60.0), Some((90.0, true)));
        assert_eq!(at_trait(&[], 1.0), None);
    }
}
