//! Which token position's direction steers best (Chen et al. 2025, figure 11): the three vectors of a file at one layer, each made a unit vector
//! and added at equal norms, on the evaluation split.

use serde::{Deserialize, Serialize};

use super::rules::Cell;
use super::settings::{Compare, Norms, Split};
use super::work::Work;
use crate::eval::Point;
use crate::steering::{Op, Part, Steer, SteeringPlan};
use crate::vector::{Layer, PersonaVector, Position};
use crate::{Error, Result, ensure};

/// The directions, side by side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// Where they were added.
    pub layer: Layer,
    /// Mean norm of the residual there.
    pub residual: f64,
    /// Coefficient 0.
    pub base: Cell,
    /// Each position's name and its cells; their `coef` is the norm of what is added.
    pub positions: Vec<(String, Vec<Cell>)>,
}

impl Work<'_> {
    /// Steers along each position's direction at the same norms, a batch for each.
    pub(super) fn compare(&mut self, layer: Layer, compare: &Compare, norms: &[Norms]) -> Result<Compared> {
        let vectors = self.inputs.vectors;
        let named = Position::ALL.map(|position| (position.key(), vectors.at(position)));
        let mut plan = SteeringPlan::none();
        for (name, vector) in named {
            let vector = vector.ok_or_else(|| {
                Error::usage(format!("the vectors have no `{name}` to compare"))
                    .hint("extract them again with this program")
            })?;
            plan = plan.and(self.unit(name, vector, layer)?.into());
        }
        let residual = norms[layer.block()].residual.mean;
        let lengths: Vec<f64> = match compare {
            Compare::Norms(norms) => norms.clone(),
            // Three digits, as they are shown.
            Compare::Fractions(shares) => shares.iter().map(|f| (f * residual * 1000.0).round() / 1000.0).collect(),
        };
        let mut subject = self.language_model(plan)?;
        let base = Point { coef: 0.0, layer: None, coefs: vec![0.0; named.len()] };
        let base = self.ask(&mut *subject, Split::Eval, "grid", &[base])?;
        let mut positions = Vec::new();
        for (i, (name, _)) in named.iter().enumerate() {
            let point = |&length: &f64| {
                let mut coefs = vec![0.0; named.len()];
                coefs[i] = length as f32;
                Point { coef: length as f32, layer: Some(layer), coefs }
            };
            let points: Vec<Point> = lengths.iter().map(point).collect();
            let rows = self.ask(&mut *subject, Split::Eval, name, &points)?;
            positions.push(((*name).to_owned(), self.cells(&rows)));
        }
        Ok(Compared { layer, residual, base: self.cells(&base).remove(0), positions })
    }

    /// A part that adds a layer's row made a unit vector, at coefficient 0.
    fn unit(&self, name: &str, vector: &PersonaVector, layer: Layer) -> Result<Part> {
        let norm = vector.norm(layer);
        ensure!(norm > 0.0, "`{name}` is zero at {layer}: it has no direction");
        let vector = vector.row(layer).iter().map(|x| x / norm).collect();
        let positions = self.inputs.config.positions;
        Ok(Part { op: Op::Add, coef: 0.0, positions, steers: vec![Steer { layer, vector }] })
    }
}
