//! Values of a configuration that can be written in several ways, and keys of which one value alone can be honoured.

use std::path::PathBuf;

use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A file, or several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a path or a list of paths")]
pub enum Files {
    /// One file.
    One(PathBuf),
    /// Several files, in order.
    Many(Vec<PathBuf>),
}

impl Files {
    /// All of them.
    pub fn all(&self) -> &[PathBuf] {
        match self {
            Self::One(path) => std::slice::from_ref(path),
            Self::Many(paths) => paths,
        }
    }

    /// All of them, to be changed.
    pub fn all_mut(&mut self) -> &mut [PathBuf] {
        match self {
            Self::One(path) => std::slice::from_mut(path),
            Self::Many(paths) => paths,
        }
    }
}

/// A learning rate: a number, a negative integer n for 10 to the n, or words such as `2*10**-5`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "Value")]
pub struct Rate(pub f64);

impl Rate {
    /// The rate that these words mean. The reference hands them to Python's `eval`; here they are products of powers.
    ///
    /// # Errors
    /// Words that are no number, or one that is not positive.
    pub fn of_words(words: &str) -> Result<Self, String> {
        let number =
            product(words).ok_or_else(|| format!("\"{words}\" is not a number; write 1e-5 or \"2*10**-5\""))?;
        Self::checked(if number < 0.0 { 10f64.powf(number) } else { number })
    }

    fn checked(rate: f64) -> Result<Self, String> {
        if rate.is_finite() && rate > 0.0 {
            return Ok(Self(rate));
        }
        Err(format!("the rate {rate} is not positive; a negative integer n means 10 to the n, else write 1e-5"))
    }
}

impl TryFrom<Value> for Rate {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match &value {
            Value::String(words) => Self::of_words(words),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(n @ ..0), _) => Self::checked(10f64.powf(n as f64)),
                (_, Some(rate)) => Self::checked(rate),
                _ => Err(format!("{number} is no rate")),
            },
            _ => Err(format!("{value} is no rate; write 1e-5")),
        }
    }
}

/// A product of numbers and powers, such as `2*10**-5`.
fn product(words: &str) -> Option<f64> {
    let words: String = words.chars().filter(|c| !c.is_whitespace()).collect();
    // Powers first, so that their two stars are not taken for a product.
    let factor = |text: &str| match text.split_once('^') {
        Some((base, power)) => Some(base.parse::<f64>().ok()?.powf(power.trim_matches(['(', ')']).parse().ok()?)),
        None => text.parse().ok(),
    };
    words.replace("**", "^").split('*').map(factor).product()
}

/// `false` is 0.
pub fn share_or_false<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    match Value::deserialize(from)? {
        Value::Null => Ok(None),
        Value::Bool(false) => Ok(Some(0.0)),
        value => match value.as_f64() {
            Some(share) => Ok(Some(share)),
            None => Err(D::Error::custom(format!("{value} is neither a share, 0 to below 1, nor false"))),
        },
    }
}

/// A key of the reference of which only these values can be honoured.
fn fixed<'de, D: Deserializer<'de>>(from: D, fine: &[&str], why: &str) -> Result<(), D::Error> {
    let value = Value::deserialize(from)?;
    let words = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if value.is_null() || fine.contains(&words.as_str()) {
        return Ok(());
    }
    Err(D::Error::custom(format!("it is {value}, but {why}; leave it out, or write {}", fine[0])))
}

pub fn sft<'de, D: Deserializer<'de>>(from: D) -> Result<(), D::Error> {
    fixed(from, &["sft"], "only supervised finetuning is implemented, as in the reference")
}

pub fn linear<'de, D: Deserializer<'de>>(from: D) -> Result<(), D::Error> {
    fixed(from, &["linear"], "the learning rate falls linearly")
}

pub fn no_bias<'de, D: Deserializer<'de>>(from: D) -> Result<(), D::Error> {
    fixed(from, &["none"], "adapters carry no biases")
}

pub fn no_dropout<'de, D: Deserializer<'de>>(from: D) -> Result<(), D::Error> {
    fixed(from, &["0", "0.0"], "adapters are trained without dropout")
}
