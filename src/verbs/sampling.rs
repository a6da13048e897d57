//! `--temperature` and `--top-p` of the verbs whose answers are scored. They are part of what decides the answers.

use clap::Args;

use crate::language_model::Sampling;
use crate::{Error, Result};

/// How tokens are drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Args)]
pub struct DrawArgs {
    /// Flattens (above 1) or sharpens (below 1) the distribution that answers are drawn from; 0 is greedy [default: 1; 0 for a single
    /// answer]
    #[arg(long, value_name = "T")]
    temperature: Option<f32>,
    /// Draw from the fewest tokens that together reach this probability only [default: 1]
    #[arg(long, value_name = "P")]
    top_p: Option<f32>,
}

impl DrawArgs {
    pub fn apply(self, sampling: Sampling) -> Result<Sampling> {
        let temperature = temperature(self.temperature)?.unwrap_or(sampling.temperature);
        let top_p = top_p(self.top_p)?.unwrap_or(sampling.top_p);
        refuse_equal(temperature == 0.0, sampling.rollouts, "--temperature 0")?;
        Ok(Sampling { temperature, top_p, ..sampling })
    }
}

pub fn temperature(given: Option<f32>) -> Result<Option<f32>> {
    within("--temperature", given, |t| t >= 0.0 && t.is_finite(), "0 or more")
}

pub fn top_p(given: Option<f32>) -> Result<Option<f32>> {
    within("--top-p", given, |p| p > 0.0 && p <= 1.0, "above 0, at most 1")
}

pub fn within(flag: &str, given: Option<f32>, fine: fn(f32) -> bool, range: &str) -> Result<Option<f32>> {
    match given {
        Some(x) if !fine(x) => Err(Error::usage(format!("{flag} {x}: must be {range}"))),
        given => Ok(given),
    }
}

/// Refuses several answers to a prompt where decoding is greedy; `flag` is the one that makes it so.
pub fn refuse_equal(greedy: bool, rollouts: usize, flag: &str) -> Result<()> {
    if !greedy || rollouts < 2 {
        return Ok(());
    }
    Err(Error::usage(format!("--rollouts {rollouts} of greedy decoding are {rollouts} equal answers"))
        .hint(format!("leave {flag} out, or --rollouts")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_go_before_the_usual_sampling_and_are_checked() {
        let usual = crate::persona::sampling(10, 0);
        let flags = DrawArgs { temperature: Some(0.6), top_p: Some(0.9) };
        let drawn = flags.apply(usual.clone()).unwrap();
        assert_eq!((drawn.temperature, drawn.top_p, drawn.rollouts), (0.6, 0.9, 10));
        assert_eq!(DrawArgs::default().apply(usual.clone()).unwrap(), usual);
        let single = crate::persona::sampling(1, 0);
        assert_eq!(DrawArgs::default().apply(single.clone()).unwrap().temperature, 0.0);
        assert_eq!(flags.apply(single).unwrap().temperature, 0.6);
        for (temperature, top_p, want) in [
            (Some(-1.0), None, "--temperature -1: must be 0 or more"),
            (None, Some(0.0), "--top-p 0: must be above 0"),
            (Some(0.0), None, "10 equal answers"),
        ] {
            let error = DrawArgs { temperature, top_p }.apply(usual.clone()).unwrap_err();
            assert!(error.to_string().contains(want) && error.exit_code() == 2, "{error}");
        }
    }
}
