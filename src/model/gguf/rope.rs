//! Llama 3's scaling of RoPE, told from the factors by which llama.cpp divides the frequencies (`rope_freqs.weight`).
//!
//! Frequencies whose wavelength is above `context / low` are divided by `factor`, those below `context / high` are left alone,
//! and those between are divided by `1 / ((1 - s) / factor + s)`, s = (context / wavelength - low) / (high - low): transformers'
//! `rope_type: "llama3"`, which llama.cpp's converter writes out. A multiple of low, high and context is the same scaling, so
//! low is 1, as in every released model.

use std::f64::consts::TAU;

use serde_json::{Value as Json, json};

/// The scaling's numbers, or nothing if these factors are not of that form.
pub(super) fn llama3_scaling(factors: &[f32], base: f64) -> Option<Json> {
    let factor = factors.iter().copied().map(f64::from).fold(1.0, f64::max);
    let factor = factor.round_if_near();
    let frequencies = (0..factors.len()).map(|i| base.powf(-(i as f64) / factors.len() as f64));
    // Between the two, s is a straight line over the frequency.
    let share = |by: f64| (1.0 / by - 1.0 / factor) / (1.0 - 1.0 / factor);
    let inner: Vec<(f64, f64)> = frequencies
        .clone()
        .zip(factors)
        .filter(|(_, by)| **by > 1.001 && f64::from(**by) < factor * 0.999)
        .map(|(frequency, by)| (frequency / TAU, share(f64::from(*by))))
        .collect();
    let (&(x0, s0), &(x1, s1)) = (inner.first()?, inner.last()?);
    if inner.len() < 2 {
        return None;
    }
    let slope = (s0 - s1) / (x0 - x1);
    // s = (context x - 1) / (high - 1), so s is 0 at x = 1 / context and rises by context / (high - 1).
    let context = (1.0 / (x1 - s1 / slope)).round();
    let high = (context / slope + 1.0).round_if_near();
    let scaled = |frequency: f64| {
        let turns = context * frequency / TAU;
        let share = ((turns - 1.0) / (high - 1.0)).clamp(0.0, 1.0);
        1.0 / ((1.0 - share) / factor + share)
    };
    let same = frequencies.zip(factors).all(|(f, by)| (scaled(f) / f64::from(*by) - 1.0).abs() < 1e-4);
    same.then(|| {
        json!({
            "rope_type": "llama3",
            "factor": factor,
            "low_freq_factor": 1.0,
            "high_freq_factor": high,
            "original_max_position_embeddings": context as u64,
        })
    })
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
            let told = llama3_scaling(&written(dim, 5e5, factor, 4.0, 8192.0), 5e5).unwrap();
            let want = json!({
                "rope_type": "llama3", "factor": factor, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                "original_max_position_embeddings": 8192,
            });
            assert_eq!(told, want);
        }
        let mut other = written(128, 5e5, 8.0, 4.0, 8192.0);
        other[40] *= 1.1;
        assert_eq!(llama3_scaling(&other, 5e5), None);
        assert_eq!(llama3_scaling(&[1.0; 64], 5e5), None);
        assert_eq!(llama3_scaling(&[f32::NAN, 0.0, f32::INFINITY], 5e5), None);
    }
}
