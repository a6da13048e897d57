//! How numbers and counts are written in claims.

use crate::report::{ArmKind, Expectation};
use crate::stats::Interval;

/// A mean with so many digits; a dash if it was not measured.
pub fn dash(mean: f64, digits: usize) -> String {
    if mean.is_finite() { format!("{mean:.digits$}") } else { "–".into() }
}

/// An interval of a difference: `+42.0 [+33.1, +50.2]`, with the typographic minus sign.
pub fn signed(i: &Interval) -> String {
    if !i.mean.is_finite() {
        return "–".into();
    }
    let text = if i.has_bounds() {
        format!("{:+.1} [{:+.1}, {:+.1}]", i.mean, i.low, i.high)
    } else {
        format!("{:+.1}", i.mean)
    };
    text.replace('-', "−")
}

/// `3 of 4 expectations are met, 1 is unknown.`
pub fn met_of(expectations: &[Expectation]) -> String {
    let of = |met| expectations.iter().filter(|e| e.met == met).count();
    let unknown = match of(None) {
        0 => String::new(),
        unknown => format!(", {unknown} of them unknown"),
    };
    format!("{} of {} expectations are met{unknown}.", of(Some(true)), expectations.len())
}

/// The name of a swept intervention, in the paper's terms.
pub fn short_kind(kind: ArmKind) -> &'static str {
    match kind {
        ArmKind::Preventative => "preventative steering (training time)",
        ArmKind::PreventativeLayer => "preventative steering at one layer",
        ArmKind::Inference => "inference-time steering",
        other => other.as_str(),
    }
}
