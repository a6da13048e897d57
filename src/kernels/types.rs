//! What the operations take besides tensors.

use burn_tensor::backend::Backend;
use burn_tensor::{Bool, Int, Tensor};

/// Where each row's queries and keys are, from which the causal mask follows.
///
/// Row `b`'s query `t` stands in column `at[b] + t` and attends to the columns `start[b] ..= at[b] + t`. So padding on
/// the left is left out, padding on the right is never reached, and rows of one batch may have different lengths.
#[derive(Debug, Clone)]
pub struct Span<B: Backend> {
    /// First real column of each row (the amount of left padding).
    pub start: Vec<usize>,
    /// Column of each row's first query; 0 without a cache.
    pub at: Vec<usize>,
    /// Queries per row.
    pub width: usize,
    /// `[rows, 1, width, columns]`, true = hidden; made only where the backend composes its attention.
    pub(super) hidden: Option<Tensor<B, 4, Bool>>,
    /// `[2, rows]` in i32, `start` and then `at`: uploaded once per pass, and only where kernels read it.
    #[cfg_attr(not(feature = "gpu"), expect(dead_code, reason = "kernels alone read it"))]
    pub(super) places: Option<Tensor<B, 2, Int>>,
}

impl<B: Backend> Span<B> {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.start.len()
    }
}

/// The heads of grouped-query attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heads {
    /// Query heads.
    pub query: usize,
    /// Key and value heads; divides the query heads.
    pub key_value: usize,
    /// Channels per head.
    pub dim: usize,
}

/// Which way rotary position embedding turns: back is what its gradient needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// By the angles.
    Forth,
    /// By their opposites.
    Back,
}

impl Turn {
    /// What sines are multiplied by.
    pub(super) fn sign(self) -> f32 {
        match self {
            Self::Forth => 1.0,
            Self::Back => -1.0,
        }
    }
}

/// What AdamW needs besides the tensors.
#[derive(Debug, Clone, Copy)]
pub struct AdamStep {
    /// Learning rate of this step.
    pub lr: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Number of this step, from 1.
    pub step: usize,
}

/// A parameter with its two moments.
pub type Moments<B, const D: usize> = (Tensor<B, D>, Tensor<B, D>, Tensor<B, D>);

/// Candidates that [`FusedOps::candidates`](super::FusedOps::candidates) gives of a row; all tokens of a smaller vocabulary.
pub const CANDIDATES: usize = 256;

/// How a row's token is drawn.
#[derive(Debug, Clone, Copy)]
pub struct Draw {
    /// Divides the logits; 0 for a row that is not drawn.
    pub temperature: f32,
    /// A number in [0, 1).
    pub uniform: f64,
}

impl Draw {
    /// What logits are multiplied by, always finite.
    pub(super) fn sharpness(&self) -> f32 {
        if self.temperature > 0.0 { self.temperature.recip().min(1e30) } else { 1.0 }
    }

    /// What a device needs of so many, `[rows, 2]` ([`FusedOps::upload`](super::FusedOps::upload)).
    pub fn numbers(draws: &[Self]) -> (Vec<f32>, [usize; 2]) {
        let numbers = draws.iter().flat_map(|draw| [draw.sharpness(), draw.uniform as f32]);
        (numbers.collect(), [draws.len(), 2])
    }
}

/// What the host needs of a row's logits to choose a token.
#[derive(Debug, Clone)]
pub struct Candidates {
    /// The greatest logit.
    pub top: f32,
    /// The sum of `exp((x - top) / temperature)` over the whole vocabulary; NaN if a logit is.
    pub sum: f32,
    /// The token at the uniform number of that distribution, tokens in the order of their ids.
    pub drawn: u32,
    /// The greatest logits, falling; of equals the first id comes first.
    pub logits: Vec<f32>,
    /// Their ids.
    pub ids: Vec<u32>,
}

/// A low-rank adapter (Hu et al. 2021), always f32.
#[derive(Debug, Clone)]
pub struct Lora<B: Backend> {
    /// `[in, rank]`: PEFT's `lora_A`, transposed.
    pub a: Tensor<B, 2>,
    /// `[rank, out]`: PEFT's `lora_B`, transposed.
    pub b: Tensor<B, 2>,
    /// `alpha / rank`, or `alpha / sqrt(rank)` when rank-stabilised (Kalajdzievski 2023).
    pub scale: f32,
}

/// `y = x · Wᵀ + b + scale · (x · A) · B`, without ever forming `W + scale · (A · B)ᵀ`.
#[derive(Debug)]
pub struct Projection<'a, B: Backend> {
    /// `W [out, in]`.
    pub weight: &'a Tensor<B, 2>,
    /// `b [out]`.
    pub bias: Option<&'a Tensor<B, 1>>,
    /// `A` and `B`.
    pub lora: Option<&'a Lora<B>>,
}

/// Gradients of projections of one input.
#[derive(Debug)]
pub struct ProjectionGrads<B: Backend> {
    /// With respect to the input, `[n, in]`.
    pub dx: Tensor<B, 2>,
    /// With respect to each adapter's `A` and `B`, if they are wanted.
    pub adapters: Vec<Option<(Tensor<B, 2>, Tensor<B, 2>)>>,
}
