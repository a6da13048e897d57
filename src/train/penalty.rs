//! The loss on what an adapter moves along a direction (Chen et al. 2025, appendix J.5, which gives no formula; guide: method, "Regularisation"):
//!
//! ```text
//! d_t = (H_θ[L][t] − H_base[L][t]) · v̂_L                   at every learned token t
//! match: λ · mean_t d_t²     hinge: λ · mean_t relu(d_t)²     zero: λ · mean_t (H_θ[L][t] · v̂_L)²
//! ```
//!
//! summed over the layers. The base is the same model with its adapter off and the same steering on, in a pass of its own that
//! keeps nothing. The mean is over all learned tokens of an optimiser step, by their weights, as that of the cross-entropy: how a
//! step is cut into micro-batches changes nothing. Its gradient enters the stream's at the layer's output:
//! `dH[L][t] += 2 λ w_t d_t v̂_L`, with `w_t` the token's share of the mean.

use burn_tensor::activation::relu;
use burn_tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::kernels::FusedOps;
use crate::language_model::Direction;
use crate::model::{Learning, Pass, Transformer};
use crate::text::Batch;
use crate::vector::math;
use crate::{Error, Result, ensure};

/// What a [`Regularizer`] punishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Any movement from the base along the direction.
    #[default]
    Match,
    /// Movement towards the direction alone.
    Hinge,
    /// Any component along the direction, the base's own too.
    Zero,
}

/// A loss along directions of the residual stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Regularizer {
    /// What is punished.
    pub mode: Mode,
    /// Its weight beside the cross-entropy.
    pub lambda: f32,
    /// Where, and along what; at most one direction for each layer.
    pub directions: Vec<Direction>,
}

/// A [`Regularizer`] on the device.
#[derive(Debug, Clone)]
pub struct Penalty<B: FusedOps> {
    mode: Mode,
    lambda: f32,
    /// Unit direction of each block's output, `[1, hidden]`.
    directions: Vec<Option<Tensor<B, 2>>>,
}

impl<B: FusedOps> Penalty<B> {
    /// Makes a regulariser ready for a model.
    ///
    /// # Errors
    /// A weight that is not finite, a direction that does not fit the model, a layer that is named twice, a model all of whose
    /// weights learn, so that there is no base to compare with.
    pub fn new(regularizer: &Regularizer, model: &Transformer<B>, learning: Learning) -> Result<Self> {
        let Regularizer { mode, lambda, directions } = regularizer;
        ensure!(lambda.is_finite() && *lambda >= 0.0, "the regulariser's weight is {lambda}");
        ensure!(!directions.is_empty(), "the regulariser names no layer");
        ensure!(
            learning == Learning::Lora || *mode == Mode::Zero,
            "a regulariser compares with the model without its adapter, and here all weights learn"
        );
        let mut blocks = vec![None; model.blocks.len()];
        for direction in directions {
            let unit = unit(direction, model)?;
            let twice = blocks[direction.layer.block()].replace(unit).is_some();
            ensure!(!twice, "the regulariser names {} twice", direction.layer);
        }
        Ok(Self { mode: *mode, lambda: *lambda, directions: blocks })
    }

    /// Sets out to follow a pass of `model` over `batch`; `divisor` as for the cross-entropy.
    pub(super) fn follow(
        &self,
        model: &Transformer<B>,
        pass: &Pass<B>,
        batch: &Batch,
        divisor: f32,
    ) -> Followed<'_, B> {
        let weights: Vec<f32> = own_weights(batch).map(|weight| weight / divisor).collect();
        let n = weights.len();
        let weights = TensorData::new(weights, [n, 1]);
        let base = match self.mode {
            Mode::Zero => vec![None; self.directions.len()],
            Mode::Match | Mode::Hinge => self.along(&model.bare(), pass),
        };
        Followed {
            penalty: self,
            weights: Tensor::from_data(weights, &model.device),
            base,
            loss: Tensor::zeros([1], &model.device),
            slopes: vec![None; self.directions.len()],
        }
    }

    /// How far each token of a pass lies along each block's direction, `[tokens, 1]`.
    fn along(&self, model: &Transformer<B>, pass: &Pass<B>) -> Vec<Option<Tensor<B, 2>>> {
        let last = self.directions.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        let mut found = vec![None; self.directions.len()];
        model.stream_to(last, pass, |row, h| {
            let unit = row.checked_sub(1).and_then(|index| Some((index, self.directions[index].as_ref()?)));
            if let Some((index, unit)) = unit {
                found[index] = Some(B::affine(h, unit, None));
            }
        });
        found
    }
}

/// A [`Penalty`] on its way through one pass.
pub(super) struct Followed<'a, B: FusedOps> {
    penalty: &'a Penalty<B>,
    /// Each token's share of the mean, `[tokens, 1]`; 0 where nothing is learned.
    weights: Tensor<B, 2>,
    /// The base's projections at each block, `[tokens, 1]`.
    base: Vec<Option<Tensor<B, 2>>>,
    /// So far, one element.
    pub loss: Tensor<B, 1>,
    /// Gradient with respect to the projection at each block, `[tokens, 1]`.
    slopes: Vec<Option<Tensor<B, 2>>>,
}

impl<B: FusedOps> Followed<'_, B> {
    /// Forward: `h [tokens, hidden]` is the output of block `index`, after its steering.
    pub fn forward(&mut self, index: usize, h: &Tensor<B, 2>) {
        let Penalty { mode, lambda, directions } = self.penalty;
        let Some(unit) = &directions[index] else { return };
        let along = B::affine(h, unit, None);
        let off = match (mode, self.base[index].take()) {
            (Mode::Hinge, Some(base)) => relu(along - base),
            (_, Some(base)) => along - base,
            (_, None) => along,
        };
        let weighted = off.clone() * self.weights.clone();
        self.loss = self.loss.clone() + (weighted.clone() * off).sum().mul_scalar(*lambda);
        self.slopes[index] = Some(weighted.mul_scalar(2.0 * lambda));
    }

    /// Backward: adds the gradient at the output of block `index`, after its steering.
    pub fn backward(&mut self, index: usize, dh: Tensor<B, 2>) -> Tensor<B, 2> {
        match (&self.penalty.directions[index], self.slopes[index].take()) {
            (Some(unit), Some(slope)) => B::add_matmul(dh, &slope, unit, 1.0),
            _ => dh,
        }
    }
}

/// How much each position's own token counts in the loss, which is what the position before it is to predict.
pub(super) fn own_weights(batch: &Batch) -> impl Iterator<Item = f32> {
    let width = batch.rows.width;
    (0..batch.weights.len()).map(move |i| if i.is_multiple_of(width) { 0.0 } else { batch.weights[i - 1] })
}

/// A direction as a unit row on the device, `[1, hidden]`.
///
/// # Errors
/// A layer that the model does not have, another width, zero or numbers that are not finite.
pub(super) fn unit<B: FusedOps>(direction: &Direction, model: &Transformer<B>) -> Result<Tensor<B, 2>> {
    let Direction { layer, vector } = direction;
    let (layers, hidden) = (model.blocks.len(), model.config.hidden_size);
    ensure!((1..=layers).contains(&layer.row()), "layer {} does not exist: the model has 1 to {layers}", layer.row());
    if vector.len() != hidden {
        let what = format!("the vector of {layer} has width {}, the model {hidden}", vector.len());
        return Err(Error::new(what).hint("it was extracted from another model; extract it from this one"));
    }
    let none = || Error::new(format!("the vector of {layer} is no direction: its norm is {}", math::norm(vector)));
    let values = math::unit(vector).ok_or_else(none)?;
    Ok(Tensor::from_data(TensorData::new(values, [1, hidden]), &model.device))
}
