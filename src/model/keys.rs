//! Values under the keys of a `config.json`.

use serde_json::{Map, Value};

use crate::{Error, Result, bail, ensure};

/// A key's value, null counting as absent.
pub fn given<'a>(config: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    config.get(key).filter(|value| !value.is_null())
}

/// Far above every model, and so small that the products of them all are numbers: 2^12 blocks of 2^20 times 2^20 weights.
pub const WIDTH_MAX: usize = 1 << 20;
const BLOCKS_MAX: usize = 1 << 12;
const ROWS_MAX: usize = 1 << 24;

/// Refuses sizes that no model has, before anything is multiplied by them.
pub fn refuse_absurd(key: &str, n: usize, max: usize) -> Result<()> {
    ensure!(n <= max, "`{key}` is {n}, and no model has more than {max}");
    Ok(())
}

/// A positive whole number, which must be there.
pub fn positive(config: &Map<String, Value>, key: &str) -> Result<usize> {
    let value = given(config, key).ok_or_else(|| Error::new(format!("`{key}` is missing")))?;
    match value.as_u64().and_then(|n| usize::try_from(n).ok()) {
        Some(n) if n > 0 => {
            let max = match key {
                "vocab_size" => ROWS_MAX,
                "num_hidden_layers" => BLOCKS_MAX,
                "max_position_embeddings" => u32::MAX as usize,
                _ => WIDTH_MAX,
            };
            refuse_absurd(key, n, max)?;
            Ok(n)
        }
        _ => bail!("`{key}` is {value}, expected a positive whole number"),
    }
}

/// A positive number, which must be there.
pub fn number(config: &Map<String, Value>, key: &str) -> Result<f64> {
    let value = given(config, key).ok_or_else(|| Error::new(format!("`{key}` is missing")))?;
    match value.as_f64() {
        Some(x) if x > 0.0 && x.is_finite() => Ok(x),
        _ => bail!("`{key}` is {value}, expected a positive number"),
    }
}

/// A switch that is off where it is absent, as in transformers.
pub fn switch(config: &Map<String, Value>, key: &str) -> Result<bool> {
    match given(config, key) {
        None => Ok(false),
        Some(Value::Bool(on)) => Ok(*on),
        Some(other) => bail!("`{key}` is {other}, expected true or false"),
    }
}
