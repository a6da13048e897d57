//! Rotary position embeddings (Su et al. 2021): the frequencies, and Llama 3.1's scaling of them.

use std::f64::consts::TAU;

use serde_json::{Map, Value, json};

use super::keys::{given, number};
use crate::{Error, Result, bail, ensure};

/// The frequencies at which the pairs of a head's channels turn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rope {
    /// The base: pair i of a head of d channels turns by `theta^(-2i/d)` per token.
    pub theta: f64,
    /// How the frequencies are stretched for texts longer than those of pretraining.
    pub scaling: Option<Llama3>,
}

/// Llama 3.1's scaling (`rope_type: "llama3"`): waves longer than `original / low` tokens become `factor` times as long, those
/// shorter than `original / high` stay, and those between are mixed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Llama3 {
    /// How many times as long the longest waves become.
    pub factor: f64,
    /// `low_freq_factor`.
    pub low: f64,
    /// `high_freq_factor`.
    pub high: f64,
    /// `original_max_position_embeddings`, in tokens.
    pub original: f64,
}

impl Rope {
    /// Reads `rope_theta` with `rope_scaling` (transformers 4) or `rope_parameters` (transformers 5).
    ///
    /// # Errors
    /// A scaling other than Llama 3's, by its name; one that turns only a part of each head.
    pub(super) fn read(config: &Map<String, Value>, default_theta: f64) -> Result<Self> {
        let mut rope = Self { theta: default_theta, scaling: None };
        refuse_partial("the configuration", config)?;
        if let Some(interleaved) = given(config, "rope_interleaved").filter(|on| **on != false) {
            bail!("`rope_interleaved` is {interleaved}, which is not implemented");
        }
        if given(config, "rope_theta").is_some() {
            rope.theta = number(config, "rope_theta")?;
        }
        for key in ["rope_scaling", "rope_parameters"] {
            let Some(value) = given(config, key) else { continue };
            let Some(object) = value.as_object() else { bail!("`{key}` is {value}, expected an object") };
            let place = format!("`{key}`");
            refuse_partial(&place, object)?;
            if let Some(kind) = object.iter().find(|(_, value)| value.is_object()).map(|(kind, _)| kind) {
                bail!("{place} has a part for `{kind}` of its own, and only one RoPE for all blocks is implemented");
            }
            if given(object, "rope_theta").is_some() {
                rope.theta = number(object, "rope_theta").map_err(|e| e.at(&place))?;
            }
            match given(object, "rope_type").or_else(|| given(object, "type")).map(|kind| (kind, kind.as_str())) {
                None | Some((_, Some("default"))) => {}
                Some((_, Some("llama3"))) => rope.scaling = Some(Llama3::read(object).map_err(|e| e.at(&place))?),
                Some((other, name)) => {
                    let name = name.map_or_else(|| other.to_string(), str::to_owned);
                    return Err(Error::new(format!(
                        "{place} asks for RoPE of type `{name}`, and only `default` and `llama3` are implemented"
                    ))
                    .hint("many models need it only for texts beyond the length of their pretraining (32768 tokens in Qwen2.5 and Qwen3): remove it to use the model below that"));
                }
            }
        }
        Ok(rope)
    }

    /// What `rope_scaling` says of it; `None` without scaling.
    pub(super) fn scaling_json(&self) -> Option<Value> {
        self.scaling.map(|Llama3 { factor, low, high, original }| {
            json!({
                "rope_type": "llama3", "factor": factor, "low_freq_factor": low, "high_freq_factor": high,
                "original_max_position_embeddings": original as u64,
            })
        })
    }

    /// The angle by which each pair of a head of `dim` channels turns per token, `[dim / 2]`, rounded to f32 as in transformers.
    pub fn frequencies(&self, dim: usize) -> Vec<f32> {
        let plain = (0..dim / 2).map(|i| self.theta.powf(-2.0 * i as f64 / dim as f64));
        plain.map(|f| self.scaling.map_or(f, |scaling| scaling.scaled(f)) as f32).collect()
    }
}

impl Llama3 {
    fn read(rope: &Map<String, Value>) -> Result<Self> {
        let [factor, low, high, original] =
            ["factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"]
                .map(|key| number(rope, key));
        let scaling = Self { factor: factor?, low: low?, high: high?, original: original? };
        ensure!(
            scaling.low < scaling.high,
            "`low_freq_factor` {} is not below `high_freq_factor` {}",
            scaling.low,
            scaling.high
        );
        Ok(scaling)
    }

    /// The scaled frequency, as transformers' `_compute_llama3_parameters` has it.
    fn scaled(&self, frequency: f64) -> f64 {
        let waves = self.original * frequency / TAU;
        let kept = ((waves - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        frequency * (kept + (1.0 - kept) / self.factor)
    }
}

/// A RoPE that turns only the first channels of each head.
fn refuse_partial(place: &str, config: &Map<String, Value>) -> Result<()> {
    if let Some(share) = given(config, "partial_rotary_factor").filter(|share| share.as_f64() != Some(1.0)) {
        bail!("`partial_rotary_factor` of {place} is {share}: turning only a share of each head is not implemented");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(config: Value) -> Result<Rope> {
        Rope::read(config.as_object().unwrap(), 10_000.0)
    }

    fn llama() -> Value {
        json!({
            "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192,
        })
    }

    #[test]
    fn every_spelling_of_llama_3s_scaling_is_read() {
        let want = Rope { theta: 5e5, scaling: Some(Llama3 { factor: 8.0, low: 1.0, high: 4.0, original: 8192.0 }) };
        assert_eq!(read(json!({"rope_theta": 5e5, "rope_scaling": llama()})).unwrap(), want);
        let mut old = llama();
        let kind = old.as_object_mut().unwrap().remove("rope_type").unwrap();
        old["type"] = kind;
        assert_eq!(read(json!({"rope_theta": 5e5, "rope_scaling": old})).unwrap(), want);
        let mut new = llama();
        new["rope_theta"] = 5e5.into();
        assert_eq!(read(json!({"rope_parameters": new})).unwrap(), want);
        assert_eq!(read(json!({"rope_theta": 5e5, "rope_scaling": want.scaling_json()})).unwrap(), want);
        assert_eq!(read(json!({"rope_scaling": null})).unwrap(), Rope { theta: 10_000.0, scaling: None });
    }

    #[test]
    fn other_ropes_are_refused_by_name() {
        let told = |config| read(config).unwrap_err().to_string();
        for kind in ["yarn", "dynamic", "linear", "longrope", "su", "mrope"] {
            let message = told(json!({"rope_scaling": {"type": kind, "factor": 4.0}}));
            assert!(message.starts_with(&format!("`rope_scaling` asks for RoPE of type `{kind}`, and")), "{message}");
        }
        assert_eq!(
            told(json!({"partial_rotary_factor": 0.5})),
            "`partial_rotary_factor` of the configuration is 0.5: turning only a share of each head is not implemented"
        );
        assert_eq!(
            told(json!({"rope_parameters": {"full_attention": {"rope_type": "default"}}})),
            "`rope_parameters` has a part for `full_attention` of its own, and only one RoPE for all blocks is implemented"
        );
        let mut broken = llama();
        broken["factor"] = Value::Null;
        assert_eq!(told(json!({"rope_scaling": broken})), "`rope_scaling`: `factor` is missing");
        assert_eq!(told(json!({"rope_interleaved": true})), "`rope_interleaved` is true, which is not implemented");
        read(json!({"rope_interleaved": false, "partial_rotary_factor": 1.0})).unwrap();
    }

    /// Waves of Llama-3.1-8B: short ones stay, long ones become eight times as long, and those between lie between.
    #[test]
    fn long_waves_are_stretched() {
        let rope = read(json!({"rope_theta": 5e5, "rope_scaling": llama()})).unwrap();
        let plain = Rope { scaling: None, ..rope };
        let mut kinds = [0; 3];
        for (scaled, plain) in rope.frequencies(128).into_iter().zip(plain.frequencies(128)) {
            let (wave, share) = (TAU / f64::from(plain), f64::from(scaled / plain));
            let kind = if wave < 8192.0 / 4.0 {
                assert_eq!(scaled, plain);
                0
            } else if wave > 8192.0 {
                assert!((share - 0.125).abs() < 1e-6);
                1
            } else {
                assert!(0.125 < share && share < 1.0);
                2
            };
            kinds[kind] += 1;
        }
        assert_eq!(kinds, [29, 29, 6]);
    }
}
