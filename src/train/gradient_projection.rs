//! Gradient pressure (guide: method, "Gradient pressure"): how hard the data pulls the stream along a vector while the model learns.
//!
//! ```text
//! g[L] = mean over learned tokens t of (−∂ Σ loss / ∂H[L][t]) · v̂_L = −∂(mean loss) / ∂α    with H[L][t] + α v̂_L at all of them
//! ```
//!
//! in nats per token and unit of length: above 0 the loss falls where the stream moves along the vector, so learning pushes
//! it there. H[L] is the output of block L - 1 before the intervention acts on it, for that is what the block learns from: a
//! whole ablation at L leaves 0 by construction, a constant shift passes the gradient on as it comes.
//!
//! `on` is measured as the model trains: under its steering, and with the loss of a regulariser added to the cross-entropy;
//! `off` is the cross-entropy alone of the same weights without steering. Where nothing intervenes the two are one
//! measurement. The batch is the same each time, no weight gets a gradient, and nothing that is learned changes.

use burn_tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::gradients::through;
use super::penalty::{Penalty, own_weights, unit};
use super::settings::FitSettings;
use crate::kernels::FusedOps;
use crate::language_model::Direction;
use crate::model::{Learning, Transformer};
use crate::text::{Batch, TrainingExample, chosen_in_order};
use crate::vector::{Layer, PersonaVector};
use crate::{Result, ensure};

/// What the pressure is measured on, and along what.
#[derive(Debug, Clone, PartialEq)]
pub struct GradientProjection {
    /// The batch, the same at every measurement.
    pub examples: Vec<TrainingExample>,
    /// Where, and along what; at most one direction for each layer.
    pub directions: Vec<Direction>,
}

impl GradientProjection {
    /// So many of the examples, drawn by the seed, and the vector's direction at every layer that has one.
    pub fn drawn(examples: &[TrainingExample], count: usize, seed: u64, vector: &PersonaVector) -> Self {
        let places = chosen_in_order(examples.len(), count, seed, "gradient pressure");
        let layers = (1..=vector.layers()).map(Layer).filter(|&layer| vector.norm(layer) > 0.0);
        Self {
            examples: places.into_iter().map(|i| examples[i].clone()).collect(),
            directions: layers.map(|layer| Direction { layer, vector: vector.row(layer).to_vec() }).collect(),
        }
    }
}

/// One measurement; a row of `pressure.jsonl`. Layers 1 to the last, null where there is no direction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GradientReport {
    /// Steps done before it.
    pub step: usize,
    /// With the intervention.
    pub on: Vec<Option<f64>>,
    /// Without it.
    pub off: Vec<Option<f64>>,
}

/// A [`GradientProjection`] on the device.
pub(super) struct GradientProbe<B: FusedOps> {
    batches: Vec<Batch>,
    /// Summed weight of all learned tokens.
    divisor: f32,
    recompute: bool,
    /// Unit direction of each block's output, `[1, hidden]`.
    units: Vec<Option<Tensor<B, 2>>>,
}

impl<B: FusedOps> GradientProbe<B> {
    /// Makes a measurement ready for a model; the batch is cut into micro-batches as training is.
    ///
    /// # Errors
    /// Nothing to learn in the batch, a direction that does not fit the model, a layer that is named twice.
    pub fn new(
        pressure: &GradientProjection,
        model: &Transformer<B>,
        settings: &FitSettings,
        pad_id: u32,
    ) -> Result<Self> {
        let divisor: f32 = pressure.examples.iter().flat_map(|example| example.weights.iter().skip(1)).sum();
        ensure!(divisor > 0.0, "there is nothing to learn in the batch on which the pressure is to be measured");
        let mut units = vec![None; model.blocks.len()];
        for direction in &pressure.directions {
            let unit = unit(direction, model)?;
            let twice = units[direction.layer.block()].replace(unit).is_some();
            ensure!(!twice, "the pressure is to be measured at {} twice", direction.layer);
        }
        ensure!(units.iter().any(Option::is_some), "the pressure is to be measured at no layer");
        let examples: Vec<&TrainingExample> = pressure.examples.iter().collect();
        let batches = examples.chunks(settings.micro_batch).map(|examples| Batch::collate(examples, pad_id)).collect();
        Ok(Self { batches, divisor, recompute: settings.recomputes(), units })
    }

    /// Measures the model after so many steps.
    pub fn measure(&self, model: &Transformer<B>, penalty: Option<&Penalty<B>>, step: usize) -> GradientReport {
        let off = self.pull(&model.unsteered(), None);
        let intervenes = model.steering.is_some() || penalty.is_some();
        let on = if intervenes { self.pull(model, penalty) } else { off.clone() };
        GradientReport { step, on, off }
    }

    fn pull(&self, model: &Transformer<B>, penalty: Option<&Penalty<B>>) -> Vec<Option<f64>> {
        let mut slopes: Vec<Option<Tensor<B, 2>>> = vec![None; self.units.len()];
        for batch in &self.batches {
            let learned: Vec<f32> = own_weights(batch).map(|weight| if weight > 0.0 { 1.0 } else { 0.0 }).collect();
            let n = learned.len();
            let learned = Tensor::<B, 2>::from_data(TensorData::new(learned, [1, n]), &model.device);
            let mut see = |index: usize, dh: &Tensor<B, 2>| {
                let Some(unit) = &self.units[index] else { return };
                let part = learned.clone().matmul(B::affine(dh, unit, None)); // [1, 1]
                slopes[index] = Some(match slopes[index].take() {
                    Some(sum) => sum + part,
                    None => part,
                });
            };
            through(model, Learning::Nothing, batch, self.divisor, self.recompute, penalty, None, &mut see);
        }
        // One read-back for all layers.
        let found = Tensor::cat(slopes.iter().flatten().cloned().collect(), 0);
        let mut found = found.into_data().iter::<f32>().map(|slope| -f64::from(slope)).collect::<Vec<_>>().into_iter();
        self.units.iter().map(|unit| unit.as_ref().and_then(|_| found.next())).collect()
    }
}
