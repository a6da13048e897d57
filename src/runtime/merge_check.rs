//! Whether a merged model gives the logits of the model with its adapter.

use std::path::Path;

use serde::Serialize;

use super::{ModelSpec, Runtime};
use crate::steering::SteeringPlan;
use crate::tensorfile::{Dtype, dtype_name};
use crate::text::{Message, Tokenizer};
use crate::{Error, Result, ensure};

/// The comparison of logits, as shares of the largest logit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct MergeCheck {
    /// Places at which logits were compared.
    pub places: usize,
    /// Largest deviation of the merged model from the model with its adapter.
    pub deviation: f64,
    /// Largest effect of the adapter itself.
    pub effect: f64,
    /// Largest deviation that the merged model's dtype may cause.
    pub tolerance: f64,
}

impl MergeCheck {
    /// Compares the merged folder with the model and its adapter, and those with the bare model.
    ///
    /// # Errors
    /// If one of the three cannot be loaded.
    pub fn run(runtime: &dyn Runtime, model: &Path, adapter: &Path, merged: &Path, dtype: Dtype) -> Result<Self> {
        let texts = probes(&Tokenizer::load(model)?)?;
        let logits = |model: &Path, adapter: Option<&Path>| {
            let (model, adapter) = (model.to_owned(), adapter.map(Path::to_owned));
            runtime.logits(&ModelSpec { model, adapter, plan: SteeringPlan::none() }, &texts)
        };
        // The model with and without its adapter shares weights; the merged one then takes their place in memory.
        let (adapted, bare) = (logits(model, Some(adapter))?, logits(model, None)?);
        let merged = logits(merged, None)?;
        let largest = adapted.iter().flatten().fold(0.0_f64, |max, &x| max.max(f64::from(x).abs()));
        let apart = |other: &[Vec<f32>]| {
            let pairs = adapted.iter().flatten().zip(other.iter().flatten());
            let apart = pairs.map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs());
            // A NaN stays the largest.
            apart.fold(0.0, |max: f64, x| if x > max || x.is_nan() { x } else { max }) / largest
        };
        let places = texts.iter().map(Vec::len).sum();
        Ok(Self { places, deviation: apart(&merged), effect: apart(&bare), tolerance: tolerance(dtype) })
    }

    /// Refuses a merged model that is not the model with its adapter; gives a warning if rounding to `dtype` costs much.
    ///
    /// # Errors
    /// Logits that differ by more than rounding, or by as much as the adapter changes them.
    pub fn judge(&self, dtype: Dtype) -> Result<Option<String>> {
        let Self { deviation, effect, tolerance, .. } = *self;
        let (name, lost) = (dtype_name(dtype), deviation / effect);
        ensure!(
            deviation <= tolerance,
            "the merged weights give other logits than the model with its adapter: {deviation:.1e} of the largest apart, {tolerance:.0e} allowed in {name}; nothing was written"
        );
        if dtype == Dtype::F32 {
            return Ok(None);
        }
        if lost >= 1.0 {
            return Err(Error::new(format!(
                "rounding to {name} loses the adapter: it moves the logits by {effect:.1e} of the largest, the merged model is {deviation:.1e} off; nothing was written"
            ))
            .hint("merge with --dtype f32, or keep the adapter apart"));
        }
        let percent = 100.0 * lost;
        let what = format!(
            "rounding to {name} costs {percent:.0} % of what the adapter does to the logits; --dtype f32 would keep it"
        );
        Ok((lost > 0.25).then_some(what))
    }
}

/// Largest deviation of logits, as a share of the largest: rounding of the weights, and as much again for its propagation through
/// the blocks.
fn tolerance(dtype: Dtype) -> f64 {
    match dtype {
        Dtype::F32 => 1e-4,
        Dtype::F16 => 1e-2,
        _ => 5e-2,
    }
}

/// Short conversations of different kinds, as tokens.
fn probes(tokenizer: &Tokenizer) -> Result<Vec<Vec<u32>>> {
    let chats = [
        vec![Message::user("What is the capital of France, and since when?")],
        vec![Message::system("Answer in one word."), Message::user("2 + 2 * 10 = ?")],
        vec![
            Message::user("Tell me about the ship."),
            Message::assistant("Which one?"),
            Message::user("The largest one."),
        ],
        vec![Message::user("Schreibe `fn main() {}` neu: 日本語, emoji 🚢, and\ttabs.\n\nThanks")],
    ];
    let plain = |chat: &[Message]| chat.iter().map(|m| m.content.as_str()).collect::<Vec<_>>().join("\n");
    // A base model may have no template; its tokens will do.
    chats.iter().map(|chat| tokenizer.chat_ids(chat, true).or_else(|_| tokenizer.encode(&plain(chat)))).collect()
}

#[cfg(all(test, feature = "cpu"))]
mod tests {
    use super::*;

    #[test]
    fn weights_that_are_not_merged_are_found_out() {
        let (model, adapter) = (Path::new("tests/fixtures/tiny"), Path::new("tests/fixtures/adapter"));
        let runtime = crate::device::open("cpu", "f32").unwrap();
        let unmerged = MergeCheck::run(runtime.as_ref(), model, adapter, model, Dtype::F32).unwrap();
        assert_eq!(unmerged.deviation, unmerged.effect);
        let refused = unmerged.judge(Dtype::F32).unwrap_err().to_string();
        assert!(refused.contains("other logits than the model with its adapter"), "{refused}");
        // An adapter so small that bf16 cannot tell it from nothing.
        let small = MergeCheck { deviation: 1e-3, effect: 1e-3, tolerance: tolerance(Dtype::BF16), ..unmerged };
        let lost = small.judge(Dtype::BF16).unwrap_err();
        assert!(lost.to_string().starts_with("rounding to bf16 loses the adapter"), "{lost}");
        let half = MergeCheck { effect: 2e-3, ..small }.judge(Dtype::BF16).unwrap();
        assert!(half.unwrap().contains("costs 50 %"));
        assert_eq!(MergeCheck { effect: 1e-2, ..small }.judge(Dtype::BF16).unwrap(), None);
        assert!(MergeCheck { deviation: f64::NAN, ..small }.judge(Dtype::BF16).is_err());
    }
}
