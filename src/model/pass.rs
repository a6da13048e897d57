//! One forward pass: which tokens stand where, and how strongly each is steered.

use burn_tensor::{Int, Tensor};

use crate::kernels::{FusedOps, Span};

/// [`crate::text::Rows`] on the device, with what every block needs of them.
#[derive(Debug, Clone)]
pub struct Pass<B: FusedOps> {
    /// `[rows · width]`.
    pub ids: Tensor<B, 1, Int>,
    /// Who may attend to whom.
    pub span: Span<B>,
    /// Cosines of each token's rotary angles and then their sines, `[rows · width, head dim]`.
    pub angles: Tensor<B, 2>,
    /// Coefficient times position rule, `[rows · width, parts of the plan]`; `None` without steering.
    pub steer: Option<Tensor<B, 2>>,
    /// How many tokens of this pass are steered, `[rows][parts of the plan]`; empty without steering.
    pub steered: Vec<Vec<usize>>,
}
