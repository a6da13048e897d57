//! A plan from a file of vectors, described: in JSON for output rows and locks, in words for people, with what there is to warn of.

use std::path::Path;

use serde_json::{Value, json};

use super::{Op, SteeringPlan, SteeringRecipe};
use crate::Result;
use crate::record::written;
use crate::vector::{VectorFile, layers_in_words};

/// A plan with a description of each of its parts.
#[derive(Debug, Clone, Default)]
pub struct DescribedPlan {
    /// What is done.
    pub plan: SteeringPlan,
    /// Each part as a JSON object.
    pub described: Vec<Value>,
    /// The fingerprint of each part's vector.
    pub fingerprints: Vec<String>,
    /// Each part as a line for people.
    pub summary: Vec<String>,
    /// What is odd about it but harmless.
    pub warnings: Vec<String>,
}

impl DescribedPlan {
    /// The plan that a recipe makes of the vectors that were read from `path`.
    ///
    /// # Errors
    /// As [`SteeringRecipe::plan`]; they name the file.
    pub fn new(recipe: &SteeringRecipe, path: &Path, file: &VectorFile) -> Result<Self> {
        let (plan, layers) = recipe.plan(&file.response_avg).map_err(|e| e.at(path.display()))?;
        let &SteeringRecipe { op, coef, positions, incremental, base, .. } = recipe;
        let mut warnings: Vec<String> = file.last_row_warning(path, &layers).into_iter().collect();
        if op == Op::Add && !incremental && layers.len() > 1 {
            let what = "raw rows are added at several layers, and what each adds reaches the later ones; `all` adds increments";
            warnings.push(what.to_owned());
        }
        let (place, tokens) = (layers_in_words(&layers), positions.key());
        let summary = match op {
            Op::Add => {
                let what = if incremental { "increments" } else { "vector" };
                let shift = f64::from(coef.abs()) * plan.parts[0].norm();
                format!(
                    "steering: add {coef} times the {what} at {place}, {tokens} tokens, norm of the shift {shift:.4}"
                )
            }
            Op::Ablate => format!("steering: ablate at {place}, {tokens} tokens"),
        };
        let described = json!({
            "op": op,
            "coef": written(coef),
            "positions": positions,
            "layers": layers,
            "incremental": incremental,
            "inc_base": incremental.then_some(base),
            "vectors": path.display().to_string(),
            "fingerprint": file.fingerprint,
        });
        let fingerprints = vec![file.fingerprint.clone()];
        Ok(Self { plan, described: vec![described], fingerprints, summary: vec![summary], warnings })
    }

    /// This plan and then another.
    pub fn and(mut self, other: Self) -> Self {
        self.plan = self.plan.and(other.plan);
        self.described.extend(other.described);
        self.fingerprints.extend(other.fingerprints);
        self.summary.extend(other.summary);
        self.warnings.extend(other.warnings);
        self
    }

    /// What an output row says: each part with the number of token positions that it steered; null without steering.
    pub fn applied(&self, steered: &[usize]) -> Value {
        let part = |(described, n): (&Value, &usize)| {
            let mut described = described.clone();
            described["positions_steered"] = json!(n);
            described
        };
        if self.described.is_empty() { Value::Null } else { self.described.iter().zip(steered).map(part).collect() }
    }
}
