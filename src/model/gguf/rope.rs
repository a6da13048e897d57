//! Llama 3's scaling of RoPE, told from the factors by which llama.cpp divides the frequencies (`rope_freqs.weight`).
//!
//! Frequencies whose wavelength is above `context / low` are divided by `factor`, those below `context / high` are left alone,
//! and those between are divided by `1 / ((1 - s) / factor + s)`, s = (context / wavelength - low) / (high - low): transformers'
//! `rope_type: "llama3"`, which llama.cpp's converter writes out. A multiple of low, high and context is the same scaling, so
//! low is 1, as in every released model.

use std::f64::consts::TAU;

use super::super::rope::{Llama3, Rope};

/// The RoPE of this base with the scaling that has these factors, or nothing if they are not of that form.
pub(super) fn llama3_rope(factors: &[f32], theta: f64) -> Option<Rope> {
    let factor = factors.iter().copied().map(f64::from).fold(1.0, f64::max).round_if_near();
    let dim = 2 * factors.len();
    let plain: Vec<f64> =
        Rope { theta, scaling: None }.frequencies(dim).into_iter().map(|f| f64::from(f) / TAU).collect();
    // Between the two, s is a straight line over the frequency.
    let share = |by: f64| (1.0 / by - 1.0 / factor) / (1.0 - 1.0 / factor);
    let inner = plain.iter().zip(factors).filter(|(_, by)| **by > 1.001 && f64::from(**by) < factor * 0.999);
    let mut inner = inner.map(|(waves, by)| (*waves, share(f64::from(*by))));
    let (x0, s0) = inner.next()?;
    let (x1, s1) = inner.next_back()?;
    let slope = (s0 - s1) / (x0 - x1);
    // s = (context x - 1) / (high - 1), so s is 0 at x = 1 / context and rises by context / (high - 1).
    let original = (1.0 / (x1 - s1 / slope)).round();
    let high = (original / slope + 1.0).round_if_near();
    let rope = Rope { theta, scaling: Some(Llama3 { factor, low: 1.0, high, original }) };
    let scaled = rope.frequencies(dim);
    let mut all = plain.iter().zip(scaled).zip(factors);
    all.all(|((f, scaled), by)| (f * TAU / f64::from(scaled) / f64::from(*by) - 1.0).abs() < 1e-4).then_some(rope)
}

trait RoundIfNear {
    /// The nearest whole number, if the number is one but for rounding.
    fn round_if_near(self) -> f64;
}

impl RoundIfNear for f64 {
    fn round_if_near(self) -> f64 {
        if (self - self.round()).abs() < 1e-3 { self.round() } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `convert_hf_to_gguf.py` writes them.
    fn written(dim: usize, base: f64, factor: f64, high: f64, context: f64) -> Vec<f32> {
        let frequency = |i: usize| 1.0 / base.powf((2 * i) as f64 / dim as f64);
        let by = |i: usize| {
            let wavelength = TAU / frequency(i);
            let share = (context / wavelength - 1.0) / (high - 1.0);
            if wavelength < context / high {
                1.0
            } else if wavelength > context {
                factor
            } else {
                1.0 / ((1.0 - share) / factor + share)
            }
        };
        (0..dim / 2).map(|i| by(i) as f32).collect()
    }

    #[test]
    fn the_scaling_of_released_models_is_told_from_its_factors() {
        // Llama 3.1 8B and Llama 3.2 1B.
        for (dim, factor) in [(128, 8.0), (64, 32.0)] {
            let told = llama3_rope(&written(dim, 5e5, factor, 4.0, 8192.0), 5e5).unwrap();
            let scaling = Llama3 { factor, low: 1.0, high: 4.0, original: 8192.0 };
            assert_eq!(told, Rope { theta: 5e5, scaling: Some(scaling) });
        }
        let mut other = written(128, 5e5, 8.0, 4.0, 8192.0);
        other[40] *= 1.1;
        assert_eq!(llama3_rope(&other, 5e5), None);
        assert_eq!(llama3_rope(&[1.0; 64], 5e5), None);
        assert_eq!(llama3_rope(&[f32::NAN, 0.0, f32::INFINITY], 5e5), None);
    }
}
