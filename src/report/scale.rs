//! From values to pixels: linear scales, round ticks, labels that keep their distance.

/// A linear map from values to pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    pub domain: (f64, f64),
    pub pixels: (f64, f64),
}

impl Scale {
    /// A domain without width (a single value) is widened, so that the value sits in the middle.
    pub(super) fn new(domain: (f64, f64), pixels: (f64, f64)) -> Self {
        let (low, high) = domain;
        let domain = if high > low { domain } else { (low - 0.5, low + 0.5) };
        Self { domain, pixels }
    }

    pub(super) fn at(&self, value: f64) -> f64 {
        let share = (value - self.domain.0) / (self.domain.1 - self.domain.0);
        self.pixels.0 + share * (self.pixels.1 - self.pixels.0)
    }

    /// Like [`Self::at`], but never outside.
    pub(super) fn clamped(&self, value: f64) -> f64 {
        self.at(value.clamp(self.domain.0, self.domain.1))
    }
}

/// Round values (1, 2, 2.5 or 5 times a power of ten apart) within the range, about `target` of them.
pub(super) fn ticks(range: (f64, f64), target: usize) -> Vec<f64> {
    let (low, high) = range;
    if high <= low || high.is_nan() || low.is_nan() {
        return vec![low];
    }
    let rough = (high - low) / target.max(1) as f64;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].map(|m| m * power).into_iter().find(|s| *s >= rough * 0.999);
    let step = step.unwrap_or(10.0 * power);
    let (first, last) = ((low / step - 1e-9).ceil() as i64, (high / step + 1e-9).floor() as i64);
    (first..=last).map(|i| i as f64 * step).collect()
}

/// Ticks as text, all with the decimals that the finest of them needs; minus as a minus sign.
pub(super) fn tick_labels(ticks: &[f64]) -> Vec<String> {
    let fits =
        |d: usize| ticks.iter().all(|t| (t * 10f64.powi(d as i32) - (t * 10f64.powi(d as i32)).round()).abs() < 1e-6);
    let decimals = (0..6).find(|&d| fits(d)).unwrap_or(6);
    ticks.iter().map(|t| format!("{:.decimals$}", if *t == 0.0 { 0.0 } else { *t }).replace('-', "−")).collect()
}

/// A coefficient or another short number: as many decimals as it has, three at most.
pub(super) fn short(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').replace('-', "−")
}

/// Moves positions apart to at least `gap`, each as little as possible (least squares), all within `bounds` if they fit.
pub(super) fn dodge(wanted: &[f64], gap: f64, bounds: (f64, f64)) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|&a, &b| wanted[a].total_cmp(&wanted[b]));
    // With the gaps taken out the problem is isotonic regression: pool adjacent violators.
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for (rank, &i) in order.iter().enumerate() {
        pools.push((wanted[i] - rank as f64 * gap, 1));
        while let [.., (a, n), (b, m)] = pools[..]
            && a > b
        {
            pools.truncate(pools.len() - 2);
            pools.push(((a * n as f64 + b * m as f64) / (n + m) as f64, n + m));
        }
    }
    let top = (bounds.1 - wanted.len().saturating_sub(1) as f64 * gap).max(bounds.0);
    let flat = pools.iter().flat_map(|&(v, n)| std::iter::repeat_n(v.clamp(bounds.0, top), n));
    let mut placed = vec![0.0; wanted.len()];
    for ((rank, &i), v) in order.iter().enumerate().zip(flat) {
        placed[i] = v + rank as f64 * gap;
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round() {
        assert_eq!(ticks((0.0, 100.0), 5), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(tick_labels(&ticks((0.0, 1.25), 5)), ["0.00", "0.25", "0.50", "0.75", "1.00", "1.25"]);
        assert_eq!(tick_labels(&ticks((-2.0, 2.0), 4)), ["−2", "−1", "0", "1", "2"]);
        assert_eq!(ticks((3.0, 3.0), 5), [3.0]);
        assert_eq!([0.5, -1.25, 2.0, 0.0].map(short), ["0.5", "−1.25", "2", "0"]);
    }

    #[test]
    fn labels_keep_their_distance_and_their_order() {
        assert_eq!(dodge(&[10.0, 50.0], 14.0, (0.0, 100.0)), [10.0, 50.0]);
        assert_eq!(dodge(&[50.0, 50.0], 14.0, (0.0, 100.0)), [43.0, 57.0]);
        assert_eq!(dodge(&[99.0, 97.0, 98.0], 14.0, (0.0, 100.0)), [100.0, 72.0, 86.0]);
        assert!(dodge(&[], 14.0, (0.0, 100.0)).is_empty());
    }
}
