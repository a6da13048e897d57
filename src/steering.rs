//! The equation of persona steering, and the only place that changes the residual stream:
//!
//! ```text
//! add:     H[L] <- H[L] + α · v_L              (Chen et al. 2025, section 3.2; training time: section 5.2)
//! ablate:  H[L] <- H[L] - (H[L] · v̂_L) v̂_L    (CAFT, appendix J.4)
//! ```
//!
//! at the output of block L - 1, after both residual adds. A [`Plan`] is data: which blocks, which vectors, how strong, at
//! which positions.

use burn::tensor::{Tensor, TensorData};

use crate::kernels::FusedOps;
use crate::text::Rows;
use crate::vector::{IncBase, Layer, PersonaVector};
use crate::{Error, Result, ensure};

/// What is done to the residual stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Op {
    /// Add the coefficient times the vector.
    Add,
    /// Remove the component along the vector, the coefficient being the share removed (1 = all).
    Ablate,
}

/// Which token positions are touched (METHOD D.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Positions {
    /// Every token, in training and in generation.
    All,
    /// The prompt's tokens, unless the prompt is a single token.
    Prompt,
    /// From the prompt's last token, which predicts the response's first, to the last token fed back.
    #[default]
    Response,
}

/// One block's share of a [`Plan`].
#[derive(Debug, Clone, PartialEq)]
pub struct Steer {
    /// Where: the output of block `layer.block()`.
    pub layer: Layer,
    /// What: for `Add` the shift at coefficient 1, for `Ablate` any non-zero multiple of the direction. `[hidden]`.
    pub vector: Vec<f32>,
}

/// What is to be done to a model's residual stream; the value that commands build and files describe.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Add or ablate.
    pub op: Op,
    /// In multiples of the vectors; one row of a batch may carry its own.
    pub coef: f32,
    /// At which tokens.
    pub positions: Positions,
    /// Which blocks, at most once each, in ascending order.
    pub steers: Vec<Steer>,
}

impl Plan {
    /// No steering at all.
    pub fn none() -> Self {
        Self { op: Op::Add, coef: 0.0, positions: Positions::All, steers: Vec::new() }
    }

    /// Adds the raw row of each given layer at that layer.
    pub fn rows(vector: &PersonaVector, layers: &[Layer], coef: f32, positions: Positions) -> Self {
        let steers = layers.iter().map(|&layer| Steer { layer, vector: vector.row(layer).to_vec() }).collect();
        Self { op: Op::Add, coef, positions, steers }
    }

    /// Adds the increment `v_l - v_(l-1)` at every layer (METHOD D.4), so that the sum through layer k is `v_k - v_0`.
    pub fn incremental(vector: &PersonaVector, base: IncBase, coef: f32, positions: Positions) -> Self {
        let steers = (1..=vector.layers())
            .map(Layer)
            .map(|layer| Steer { layer, vector: vector.increment(layer, base) })
            .collect();
        Self { op: Op::Add, coef, positions, steers }
    }

    /// Removes each given layer's own direction there (METHOD G.3).
    pub fn ablate(vector: &PersonaVector, layers: &[Layer], positions: Positions) -> Self {
        Self { op: Op::Ablate, coef: 1.0, ..Self::rows(vector, layers, 1.0, positions) }
    }

    /// The same plan at another strength.
    pub fn at(&self, coef: f32) -> Self {
        Self { coef, ..self.clone() }
    }

    /// Whether the plan names no block.
    pub fn is_none(&self) -> bool {
        self.steers.is_empty()
    }
}

impl Positions {
    /// Whether token `place` (from 0) of a text with `prompt` prompt tokens is steered. The same rule serves a prefill, a
    /// decode step and a finished text, under any padding: `response` begins at the prompt's last token, and `prompt`
    /// passes over one-token prompts, both as the reference's hooks do with a cache (METHOD D.3).
    pub fn touches(self, place: usize, prompt: usize) -> bool {
        match self {
            Self::All => true,
            Self::Prompt => place < prompt && prompt > 1,
            Self::Response => place + 1 >= prompt,
        }
    }
}

/// A [`Plan`] on the device: the module that stands at the output of each block.
#[derive(Debug, Clone)]
pub struct Steering<B: FusedOps> {
    plan: Plan,
    /// Per block: the vector for `Add`, the unit direction for `Ablate`, `[1, hidden]`.
    vectors: Vec<Option<Tensor<B, 2>>>,
}

impl<B: FusedOps> Steering<B> {
    /// Makes a plan ready for a model of `blocks` blocks of width `hidden`; `None` if it names no block.
    ///
    /// Errors where the plan does not fit: a layer that the model does not have or that is named twice, a vector of
    /// another width, a direction of zero or without a number.
    pub fn new(plan: &Plan, blocks: usize, hidden: usize, device: &B::Device) -> Result<Option<Self>> {
        if plan.is_none() {
            return Ok(None);
        }
        ensure!(plan.coef.is_finite(), "the steering coefficient is {}", plan.coef);
        let mut vectors = vec![None; blocks];
        for Steer { layer, vector } in &plan.steers {
            if !(1..=blocks).contains(&layer.row()) {
                let what = format!("steering names layer {}, but the model has layers 1 to {blocks}", layer.row());
                return Err(Error::new(what).hint("layer L is the output of block L - 1, and row L of a vector file"));
            }
            ensure!(vectors[layer.block()].is_none(), "steering names {layer} twice");
            if vector.len() != hidden {
                let what = format!("the vector of {layer} has width {}, the model {hidden}", vector.len());
                return Err(Error::new(what).hint("it was extracted from another model; extract it from this one"));
            }
            let norm = vector.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
            ensure!(norm.is_finite(), "the vector of {layer} is not finite");
            ensure!(norm > 0.0 || plan.op == Op::Add, "the vector of {layer} is zero: there is no direction to ablate");
            let unit = if plan.op == Op::Ablate { norm } else { 1.0 };
            let values: Vec<f32> = vector.iter().map(|&x| (f64::from(x) / unit) as f32).collect();
            vectors[layer.block()] = Some(Tensor::from_data(TensorData::new(values, [1, hidden]), device));
        }
        Ok(Some(Self { plan: plan.clone(), vectors }))
    }

    /// The plan that this module carries out.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Coefficient times position rule of every token, `[rows · width, 1]`; padding gets 0.
    pub fn weights(&self, rows: &Rows, device: &B::Device) -> Tensor<B, 2> {
        let width = rows.width;
        let weights: Vec<f32> = rows
            .places()
            .enumerate()
            .map(|(i, place)| {
                let row = i / width;
                match place {
                    Some(place) if self.plan.positions.touches(place, rows.prompt[row]) => {
                        rows.coefs[row].unwrap_or(self.plan.coef)
                    }
                    _ => 0.0,
                }
            })
            .collect();
        let n = weights.len();
        Tensor::from_data(TensorData::new(weights, [n, 1]), device)
    }

    /// The equation, at the output of block `index`: `h [tokens, hidden]`, `weights [tokens, 1]`.
    pub fn forward(&self, index: usize, h: Tensor<B, 2>, weights: &Tensor<B, 2>) -> Tensor<B, 2> {
        let Some(vector) = &self.vectors[index] else { return h };
        match self.plan.op {
            Op::Add => B::add_matmul(h, weights, vector, 1.0),
            Op::Ablate => {
                let along = B::affine(&h, vector, None) * weights.clone();
                B::add_matmul(h, &along, vector, -1.0)
            }
        }
    }

    /// The gradient through [`Steering::forward`]: a constant shift passes it on, a projection is its own transpose.
    pub fn backward(&self, index: usize, dy: Tensor<B, 2>, weights: &Tensor<B, 2>) -> Tensor<B, 2> {
        match self.plan.op {
            Op::Add => dy,
            Op::Ablate => self.forward(index, dy, weights),
        }
    }
}
