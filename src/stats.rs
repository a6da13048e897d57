//! Means with honest intervals, and how well two measurements agree.
//!
//! Questions are the independent units, not the answers to them: intervals come from a bootstrap that draws
//! whole clusters. What cannot be known (a mean of nothing, an interval from one cluster) is NaN here and `null` in JSON.

mod principal;

use std::collections::BTreeMap;
use std::fmt;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Deserializer, Serialize};

pub use principal::principal;

/// Scores by question. With several rollouts or training seeds, a question carries the scores of all of them.
pub type Clusters = BTreeMap<String, Vec<f64>>;

/// Bootstrap replicates: the Monte Carlo error of a 95 % bound is then below a twentieth of the interval's width.
const REPLICATES: usize = 4000;

/// A mean with its 95 % confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The mean of all values; NaN without any.
    #[serde(deserialize_with = "null_is_nan")]
    pub mean: f64,
    /// The interval's lower end; NaN with fewer than two clusters.
    #[serde(deserialize_with = "null_is_nan")]
    pub low: f64,
    /// The interval's upper end; NaN with fewer than two clusters.
    #[serde(deserialize_with = "null_is_nan")]
    pub high: f64,
    /// How many values.
    pub n: usize,
    /// How many independent units (questions) they come from.
    pub clusters: usize,
}

impl Interval {
    /// A value that is known without an interval, say from a file or from a single question.
    pub fn point(mean: f64, n: usize, clusters: usize) -> Self {
        Self { mean, low: f64::NAN, high: f64::NAN, n, clusters }
    }

    /// The mean of clustered values with its bootstrap interval: clusters are drawn with replacement, `seed` draws them.
    ///
    /// The bounds are the *expanded* percentiles of Hesterberg (2015, "What teachers should know about the bootstrap",
    /// section 5.3): plain ones are too narrow by `sqrt((k-1)/k)` and by normal instead of t quantiles, which matters at
    /// the usual 20 questions. Equal values in all clusters give an interval of width 0: all that this sample can say.
    ///
    /// # Panics
    /// On a value that is not finite; a missing score is to be left out and counted by the caller.
    pub fn of(clusters: &Clusters, seed: u64) -> Self {
        let sums: Vec<(f64, f64)> = clusters.values().filter(|v| !v.is_empty()).map(|v| sum_and_count(v)).collect();
        Self::bootstrap(&sums, seed)
    }

    /// The mean paired difference `a - b` over the clusters that both have; a cluster's difference is that of its means.
    ///
    /// # Panics
    /// As [`Self::of`].
    pub fn of_difference(a: &Clusters, b: &Clusters, seed: u64) -> Self {
        let mut values = 0;
        let mut differences = Vec::new();
        for (key, a) in a {
            if let Some(b) = b.get(key).filter(|b| !b.is_empty() && !a.is_empty()) {
                differences.push((sum_and_count(a).0 / a.len() as f64 - sum_and_count(b).0 / b.len() as f64, 1.0));
                values += a.len().min(b.len());
            }
        }
        Self { n: values, ..Self::bootstrap(&differences, seed) }
    }

    /// The mean of independent values. With more than ten thousand the bounds are those of the normal distribution, from which
    /// a bootstrap's no longer differ.
    ///
    /// # Panics
    /// As [`Self::of`].
    pub fn of_values(values: &[f64], seed: u64) -> Self {
        const BOOTSTRAP_MAX: usize = 10_000;
        let n = values.len();
        if n <= BOOTSTRAP_MAX {
            return Self::bootstrap(&values.iter().map(|&v| sum_and_count(&[v])).collect::<Vec<_>>(), seed);
        }
        let (mean, half) = (mean(values), 1.959_964 * sample_std(values) / (n as f64).sqrt());
        Self { low: mean - half, high: mean + half, ..Self::point(mean, n, n) }
    }

    /// A statistic of k clusters with its bootstrap interval, drawn and expanded as in [`Self::of`]. `statistic` is given the
    /// clusters that were drawn, by number, and may find that they have none; such draws say nothing and are left out.
    pub fn of_statistic(k: usize, n: usize, seed: u64, statistic: &dyn Fn(&[usize]) -> Option<f64>) -> Self {
        Self::of_joint_statistic([k], n, seed, &|[drawn]: [&[usize]; 1]| statistic(drawn))
    }

    /// The same of several kinds of clusters, each drawn by itself: questions about a trait and questions about facts. The fewest of
    /// them are the independent units.
    pub fn of_joint_statistic<const N: usize>(
        ks: [usize; N],
        n: usize,
        seed: u64,
        statistic: &dyn Fn([&[usize]; N]) -> Option<f64>,
    ) -> Self {
        let mut drawn: [Vec<usize>; N] = ks.map(|k| (0..k).collect());
        let of = |drawn: &[Vec<usize>; N]| statistic(std::array::from_fn(|i| drawn[i].as_slice()));
        let k = ks.into_iter().min().unwrap_or(0);
        let point = Self::point(of(&drawn).unwrap_or(f64::NAN), n, k);
        if k < 2 || !point.mean.is_finite() {
            return point;
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut found: Vec<f64> = (0..REPLICATES)
            .filter_map(|_| {
                for (draw, k) in drawn.iter_mut().zip(ks) {
                    // u32 rather than usize: the same draws on every platform.
                    draw.fill_with(|| rng.random_range(0..k as u32) as usize);
                }
                of(&drawn)
            })
            .collect();
        found.sort_by(f64::total_cmp);
        let tail = expanded_tail(k);
        Self { low: percentile(&found, 100.0 * tail), high: percentile(&found, 100.0 * (1.0 - tail)), ..point }
    }

    /// Each element is one cluster's sum and number of values.
    fn bootstrap(sums: &[(f64, f64)], seed: u64) -> Self {
        let mean_of = |drawn: &[usize]| {
            let (sum, count) = drawn.iter().fold((0.0, 0.0), |(s, c), &i| (s + sums[i].0, c + sums[i].1));
            (count > 0.0).then(|| sum / count)
        };
        let n = sums.iter().map(|s| s.1).sum::<f64>() as usize;
        Self::of_statistic(sums.len(), n, seed, &mean_of)
    }

    /// The standard error that a normal distribution with these bounds would have; a little too large for few clusters.
    pub fn standard_error(&self) -> f64 {
        (self.high - self.low) / (2.0 * 1.959_964)
    }

    /// Whether both ends of the interval are known.
    pub fn has_bounds(&self) -> bool {
        self.low.is_finite() && self.high.is_finite()
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(1);
        // `{:+}` writes the signs of a difference.
        let of = |x: f64| if f.sign_plus() { format!("{x:+.digits$}") } else { format!("{x:.digits$}") };
        let (mean, low, high) = (of(self.mean), of(self.low), of(self.high));
        match (self.mean.is_finite(), self.has_bounds()) {
            (false, _) => f.write_str("–"),
            (true, false) => f.write_str(&mean),
            (true, true) => write!(f, "{mean} [{low}, {high}]"),
        }
    }
}

fn null_is_nan<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

fn sum_and_count(values: &[f64]) -> (f64, f64) {
    assert!(values.iter().all(|v| v.is_finite()), "a score that is not a number reached the statistics");
    (values.iter().sum(), values.len() as f64)
}

/// The smallest mean paired difference over `k` independent units that a two-sided test at 5 % finds with 80 % power, where single
/// differences have the standard deviation `spread`: `(t(0.975, k-1) + z(0.8)) · spread / sqrt(k)`. NaN with fewer than two.
pub fn detectable(spread: f64, k: usize) -> f64 {
    const Z_80: f64 = 0.841_621;
    if k < 2 { f64::NAN } else { (t_975(k as f64 - 1.0) + Z_80) * spread / (k as f64).sqrt() }
}

/// The share of replicates to leave out at either end for a 95 % interval from k clusters:
/// `Φ(-sqrt(k/(k-1)) · t(0.975, k-1))`.
fn expanded_tail(k: usize) -> f64 {
    let k = k as f64;
    normal_cdf(-(k / (k - 1.0)).sqrt() * t_975(k - 1.0))
}

/// The 0.975 quantile of Student's t: tabled up to three degrees of freedom, then the expansion of Abramowitz and
/// Stegun 26.7.5 (error below 0.3 % from four on).
fn t_975(freedom: f64) -> f64 {
    match freedom {
        ..1.5 => 12.706,
        ..2.5 => 4.3027,
        ..3.5 => 3.1824,
        v => {
            let z: f64 = 1.959_964;
            let g1 = (z.powi(3) + z) / 4.0;
            let g2 = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0;
            let g3 = (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / 384.0;
            z + g1 / v + g2 / v.powi(2) + g3 / v.powi(3)
        }
    }
}

/// Φ for a negative argument, by Abramowitz and Stegun 26.2.17 (error below 1e-7).
fn normal_cdf(x: f64) -> f64 {
    debug_assert!(x <= 0.0);
    let t = 1.0 / (1.0 - 0.231_641_9 * x);
    let poly = [0.319_381_530, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429];
    let series = poly.iter().rev().fold(0.0, |acc, c| (acc + c) * t);
    (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt() * series
}

/// The arithmetic mean; NaN without values.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The mean of all scores; NaN without any.
pub fn mean_of(clusters: &Clusters) -> f64 {
    mean(&clusters.values().flatten().copied().collect::<Vec<_>>())
}

/// The sample standard deviation (n - 1); NaN with fewer than two values.
pub fn sample_std(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return f64::NAN;
    }
    let mean = mean(values);
    (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64).sqrt()
}

/// The `percent`-th percentile of ascending values, linear between them (NumPy's default); NaN without values.
pub fn percentile(ascending: &[f64], percent: f64) -> f64 {
    if ascending.is_empty() {
        return f64::NAN;
    }
    let place = (percent / 100.0).clamp(0.0, 1.0) * (ascending.len() - 1) as f64;
    let (below, above) = (ascending[place.floor() as usize], ascending[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

/// Pearson's correlation; `None` with fewer than two pairs or where one side does not vary.
///
/// # Panics
/// If the two sides differ in length.
pub fn pearson(x: &[f64], y: &[f64]) -> Option<f64> {
    assert_eq!(x.len(), y.len(), "a correlation is over pairs");
    let (mx, my) = (mean(x), mean(y));
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in x.iter().zip(y) {
        let (dx, dy) = (x - mx, y - my);
        (xy, xx, yy) = (xy + dx * dy, xx + dx * dx, yy + dy * dy);
    }
    (xx > 0.0 && yy > 0.0).then(|| (xy / (xx.sqrt() * yy.sqrt())).clamp(-1.0, 1.0))
}

/// The area under the ROC curve: the probability that a positive scores above a negative, ties counting half. `None`
/// without positives or without negatives.
pub fn auc(positives: &[f64], negatives: &[f64]) -> Option<f64> {
    if positives.is_empty() || negatives.is_empty() {
        return None;
    }
    let mut negatives = negatives.to_vec();
    negatives.sort_by(f64::total_cmp);
    let wins: f64 = positives
        .iter()
        .map(|p| {
            let below = negatives.partition_point(|n| n < p);
            let not_above = negatives.partition_point(|n| n <= p);
            (below + not_above) as f64 / 2.0
        })
        .sum();
    Some(wins / (positives.len() * negatives.len()) as f64)
}

/// Two-sided sign test: how likely `k` of `n` signs, or a split at least as uneven, are where both signs are equally likely.
/// 1 without any.
pub fn sign_test(k: usize, n: usize) -> f64 {
    let fewer = k.min(n - k);
    // The binomial's terms, each from the one before.
    let mut term = 0.5f64.powi(n as i32);
    let mut tail = term;
    for i in 0..fewer {
        term *= (n - i) as f64 / (i + 1) as f64;
        tail += term;
    }
    (2.0 * tail).min(1.0)
}

/// A normal deviate, by Box and Muller.
pub fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let (u, v): (f64, f64) = (rng.random(), rng.random());
    (-2.0 * (1.0 - u).ln()).sqrt() * (2.0 * std::f64::consts::PI * v).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_test_counts_the_binomials_tails() {
        // scipy.stats.binomtest(k, n).pvalue
        for (k, n, want) in [(0, 5, 0.0625), (11, 13, 0.0224609375), (2, 13, 0.0224609375), (5, 10, 1.0), (0, 0, 1.0)] {
            assert!((sign_test(k, n) - want).abs() < 1e-12, "{k} of {n}: {}", sign_test(k, n));
        }
    }

    #[test]
    fn a_detectable_difference_is_found_four_times_in_five() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        for (k, spread) in [(20, 30.0), (60, 8.0)] {
            let effect = detectable(spread, k);
            let found = (0..4000).filter(|_| {
                let drawn: Vec<f64> = (0..k).map(|_| effect + spread * normal(&mut rng)).collect();
                mean(&drawn) / (sample_std(&drawn) / (k as f64).sqrt()) > t_975(k as f64 - 1.0)
            });
            let share = found.count() as f64 / 4000.0;
            assert!((share - 0.8).abs() < 0.03, "{k} questions: {share}");
        }
        assert!(detectable(1.0, 1).is_nan());
    }

    fn clusters(values: &[&[f64]]) -> Clusters {
        values.iter().enumerate().map(|(i, v)| (format!("q{i:03}"), v.to_vec())).collect()
    }

    #[test]
    fn known_values() {
        assert_eq!(mean(&[1.0, 2.0, 6.0]), 3.0);
        assert!((sample_std(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]) - 2.138_089_935).abs() < 1e-9);
        assert_eq!(percentile(&[1.0, 2.0, 3.0, 4.0], 25.0), 1.75);
        assert_eq!(percentile(&[5.0], 97.5), 5.0);
        assert!((pearson(&[1.0, 2.0, 3.0, 5.0], &[1.0, 3.0, 2.0, 6.0]).unwrap() - 0.903_507_903).abs() < 1e-9);
        assert_eq!(pearson(&[1.0, 2.0], &[3.0, 3.0]), None);
        assert_eq!(auc(&[3.0, 2.0], &[1.0, 2.0]), Some(0.875));
        assert_eq!(auc(&[1.0], &[]), None);
        assert!(mean(&[]).is_nan() && sample_std(&[1.0]).is_nan() && percentile(&[], 50.0).is_nan());
    }

    #[test]
    fn a_correlation_has_an_interval_too() {
        let x: Vec<f64> = (0..20).map(f64::from).collect();
        let y: Vec<f64> = x.iter().map(|x| x + 4.0 * (x * 1.7).sin()).collect();
        let of = |drawn: &[usize]| {
            let side = |v: &[f64]| drawn.iter().map(|&i| v[i]).collect::<Vec<_>>();
            pearson(&side(&x), &side(&y))
        };
        let r = Interval::of_statistic(20, 20, 1, &of);
        assert!(Some(r.mean) == pearson(&x, &y) && r.low < r.mean && r.mean < r.high && r.high <= 1.0, "{r:?}");
        let none = Interval::of_statistic(20, 20, 1, &|_| None);
        assert!(none.mean.is_nan() && !none.has_bounds());
    }

    #[test]
    fn many_values_have_the_interval_of_few() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let values: Vec<f64> = (0..10_001).map(|_| normal(&mut rng)).collect();
        let (exact, drawn) = (Interval::of_values(&values, 1), Interval::of_values(&values[1..], 1));
        assert!((exact.low - drawn.low).abs() < 2e-3 && (exact.high - drawn.high).abs() < 2e-3, "{exact:?} {drawn:?}");
    }

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (freedom, t) in [(3.0, 3.1824), (4.0, 2.7764), (5.0, 2.5706), (19.0, 2.0930), (199.0, 1.9720)] {
            assert!((t_975(freedom) / t - 1.0).abs() < 3e-3, "{freedom}: {}", t_975(freedom));
        }
        assert!((normal_cdf(-1.959_964) - 0.025).abs() < 1e-6);
        assert!((normal_cdf(0.0) - 0.5).abs() < 1e-6);
    }

    #[test]
    fn nothing_and_one_question_promise_nothing() {
        let none = Interval::of(&Clusters::new(), 1);
        assert!(none.mean.is_nan() && !none.has_bounds() && none.n == 0 && none.clusters == 0);
        assert_eq!(none.to_string(), "–");
        let one = Interval::of(&clusters(&[&[10.0, 20.0]]), 1);
        assert_eq!((one.mean, one.n, one.clusters, one.has_bounds()), (15.0, 2, 1, false));
        assert_eq!(one.to_string(), "15.0");
        let json = serde_json::to_string(&one).unwrap();
        assert_eq!(json, r#"{"mean":15.0,"low":null,"high":null,"n":2,"clusters":1}"#);
        let back: Interval = serde_json::from_str(&json).unwrap();
        assert!(back.mean == 15.0 && back.low.is_nan() && back.high.is_nan());
    }

    #[test]
    fn the_same_seed_gives_the_same_interval_whatever_the_order() {
        let data = clusters(&[&[0.0, 10.0], &[20.0], &[90.0, 70.0, 80.0], &[40.0]]);
        let a = Interval::of(&data, 7);
        assert_eq!(a, Interval::of(&data.clone(), 7));
        assert!(a.low < a.mean && a.mean < a.high && a.low >= 0.0 && a.high <= 90.0);
        assert!((a.mean - 310.0 / 7.0).abs() < 1e-12 && (a.n, a.clusters) == (7, 4));
        assert_eq!(format!("{:.0}", Interval { low: 12.0, high: 68.0, ..a }), "44 [12, 68]");
    }

    #[test]
    fn copies_of_an_answer_are_no_new_evidence() {
        let once: Vec<Vec<f64>> = (0..20).map(|i| vec![f64::from(i % 5)]).collect();
        let tenfold: Vec<Vec<f64>> = once.iter().map(|v| vec![v[0]; 10]).collect();
        let of = |v: &[Vec<f64>]| Interval::of(&clusters(&v.iter().map(Vec::as_slice).collect::<Vec<_>>()), 3);
        let (once, tenfold) = (of(&once), of(&tenfold));
        assert_eq!((once.low, once.high), (tenfold.low, tenfold.high));
        assert_eq!((once.n, tenfold.n), (20, 200));
    }

    #[test]
    fn a_paired_difference_uses_shared_questions_only() {
        let a = clusters(&[&[10.0], &[50.0], &[90.0], &[1000.0]]);
        let b = clusters(&[&[8.0, 8.0], &[47.0], &[88.0]]);
        let d = Interval::of_difference(&a, &b, 1);
        assert!((d.mean - 7.0 / 3.0).abs() < 1e-12);
        assert_eq!((d.clusters, d.n), (3, 3));
        assert!(d.low >= 2.0 - 1e-9 && d.high <= 3.0 + 1e-9, "far narrower than either side: {d:?}");
    }

    #[test]
    fn nineteen_intervals_in_twenty_cover_the_truth() {
        // 20 questions with their own means (sd 15) and 5 answers each (sd 10): the usual shape of a trait evaluation.
        let mut rng = ChaCha8Rng::seed_from_u64(20);
        let trials = 1000;
        let covered = (0..trials)
            .filter(|&trial| {
                let data: Clusters = (0..20)
                    .map(|q| {
                        let question = 50.0 + 15.0 * normal(&mut rng);
                        (format!("q{q}"), (0..5).map(|_| question + 10.0 * normal(&mut rng)).collect())
                    })
                    .collect();
                let i = Interval::of(&data, trial);
                i.low <= 50.0 && 50.0 <= i.high
            })
            .count();
        let share = covered as f64 / trials as f64;
        // Three standard errors of the simulation around 95 %.
        assert!((0.93..=0.97).contains(&share), "covered {share}");
    }
}
