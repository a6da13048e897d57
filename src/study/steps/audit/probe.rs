//! A logistic probe: the direction that best separates two kinds of states.

/// A linear probe `w · (x - mean) / spread + b`.
#[derive(Debug, Clone)]
pub(super) struct Probe {
    mean: Vec<f64>,
    spread: Vec<f64>,
    weights: Vec<f64>,
    bias: f64,
}

/// Strength of the L2 penalty on standardised weights, per example: a hidden state has more entries than there are answers.
const RIDGE: f64 = 0.01;
const STEPS: usize = 300;
const RATE: f64 = 0.5;

impl Probe {
    /// Fits logistic regression with an L2 penalty by gradient descent on standardised features. `None` unless both kinds are there.
    pub fn fit(states: &[Vec<f32>], shows: &[bool]) -> Option<Self> {
        let (n, yes) = (states.len(), shows.iter().filter(|&&s| s).count());
        if yes == 0 || yes == n {
            return None;
        }
        let width = states[0].len();
        let mut mean = vec![0.0; width];
        let mut spread = vec![0.0; width];
        for state in states {
            mean.iter_mut().zip(state).for_each(|(m, &x)| *m += f64::from(x) / n as f64);
        }
        for state in states {
            let off = state.iter().zip(&mean).map(|(&x, m)| (f64::from(x) - m).powi(2) / n as f64);
            spread.iter_mut().zip(off).for_each(|(s, off)| *s += off);
        }
        spread.iter_mut().for_each(|s| *s = s.sqrt().max(1e-6));
        let mut probe = Self { mean, spread, weights: vec![0.0; width], bias: 0.0 };
        let features: Vec<Vec<f64>> = states.iter().map(|state| probe.features(state)).collect();
        // Both kinds weigh the same however many there are.
        let weight = |shows: bool| 0.5 / if shows { yes } else { n - yes } as f64;
        // Features are standardised but not independent: the rate shrinks with their number.
        let rate = RATE / (1.0 + (width as f64).sqrt());
        for _ in 0..STEPS {
            let mut gradient: Vec<f64> = probe.weights.iter().map(|w| RIDGE * w).collect();
            let mut of_bias = 0.0;
            for (x, &shows) in features.iter().zip(shows) {
                let p = 1.0 / (1.0 + (-probe.logit(x)).exp());
                let error = (p - f64::from(u8::from(shows))) * weight(shows);
                gradient.iter_mut().zip(x).for_each(|(g, x)| *g += error * x);
                of_bias += error;
            }
            probe.weights.iter_mut().zip(&gradient).for_each(|(w, g)| *w -= rate * g);
            probe.bias -= rate * of_bias;
        }
        Some(probe)
    }

    fn features(&self, state: &[f32]) -> Vec<f64> {
        let centred = state.iter().zip(&self.mean).map(|(&x, m)| f64::from(x) - m);
        centred.zip(&self.spread).map(|(x, s)| x / s).collect()
    }

    fn logit(&self, features: &[f64]) -> f64 {
        self.weights.iter().zip(features).map(|(w, x)| w * x).sum::<f64>() + self.bias
    }

    /// How much a state looks like one of those that show the trait; only the order counts.
    pub fn score(&self, state: &[f32]) -> f64 {
        self.logit(&self.features(state))
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::stats::auc;

    #[test]
    fn a_probe_finds_a_direction_that_the_mean_does_not_have() {
        // Entry 1 separates the kinds, entry 0 is large and carries nothing.
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut draw = |shows: bool| -> Vec<f32> {
            let mut state: Vec<f32> = (0..40).map(|_| rng.random_range(-1.0..1.0)).collect();
            state[0] *= 50.0;
            state[1] += if shows { 0.8 } else { -0.8 };
            state
        };
        let shows: Vec<bool> = (0..200).map(|i| i % 3 == 0).collect();
        let states: Vec<Vec<f32>> = shows.iter().map(|&s| draw(s)).collect();
        let probe = Probe::fit(&states[..100], &shows[..100]).unwrap();
        let of = |kind: bool| -> Vec<f64> {
            (100..200).filter(|&i| shows[i] == kind).map(|i| probe.score(&states[i])).collect()
        };
        let found = auc(&of(true), &of(false)).unwrap();
        assert!(found > 0.85, "{found}");
        assert!(Probe::fit(&states, &[true; 200]).is_none());
    }
}
