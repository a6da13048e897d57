//! The equation of persona steering, and the only place that changes the residual stream:
//!
//! ```text
//! add:     H[L] <- H[L] + α · v_L              (Chen et al. 2025, section 3.2; training time: section 5.2)
//! ablate:  H[L] <- H[L] - (H[L] · v̂_L) v̂_L    (CAFT, appendix J.4)
//! ```
//!
//! at the output of block L - 1, after both residual adds. A [`Plan`] is data: which blocks, which vectors, how strong, at
//! which positions.

use crate::vector::{IncBase, Layer, PersonaVector};

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
