//! Numbers as they were written: 0.6, and not 0.6000000238418579, which is what the nearest f32 is as an f64.

use serde::{Serialize, Serializer};

/// The f64 that is written like this f32.
pub fn written(x: f32) -> f64 {
    x.to_string().parse().unwrap_or(f64::from(x))
}

/// For `#[serde(serialize_with)]` on an f32: TOML and [`serde_json::Value`] know f64 only.
///
/// # Errors
/// Those of the serializer.
pub fn as_written<S: Serializer>(x: &f32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(written(*x))
}

/// The same for a number that may be missing.
///
/// # Errors
/// Those of the serializer.
pub fn as_written_if<S: Serializer>(x: &Option<f32>, serializer: S) -> Result<S::Ok, S::Error> {
    x.map(written).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_shown() {
        #[derive(serde::Serialize)]
        struct Settings {
            #[serde(serialize_with = "as_written")]
            temperature: f32,
        }
        assert_eq!([0.6, 1.0, -2.5, 1e-5].map(written), [0.6, 1.0, -2.5, 1e-5]);
        let settings = Settings { temperature: 0.6 };
        assert_eq!(serde_json::to_value(&settings).unwrap().to_string(), "{\"temperature\":0.6}");
        assert_eq!(toml::to_string(&settings).unwrap(), "temperature = 0.6\n");
    }
}
