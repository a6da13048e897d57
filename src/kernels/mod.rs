//! The operations that decide the speed of training and generation, behind one trait.
//!
//! [`FusedOps`] has a body in plain tensor code for every operation (`composed`): it runs on any backend and is the
//! reference that native versions are tested against. `flex` holds the CPU's versions, `cube` the GPU's, whose kernels are in the folder
//! `shaders`. Forward and backward come in
//! pairs, because training differentiates the model by hand (`model::backward`): nothing is recorded that is not needed,
//! frozen weights cost no gradient, and the same code recomputes a block.
//!
//! Matrices are `[tokens, channels]`; tokens are `rows x width` in row-major order.

#[cfg(feature = "cpu")]
mod bf16;
#[cfg(feature = "cpu")]
mod bf16_engine;
mod composed;
#[cfg(feature = "gpu")]
mod cube;
#[cfg(all(test, any(feature = "wgpu", feature = "vulkan", feature = "metal")))]
mod cube_launches;
#[cfg(all(test, any(feature = "wgpu", feature = "vulkan", feature = "metal")))]
mod cube_tests_a;
mod examination;
#[cfg(feature = "cpu")]
mod flex;
#[cfg(feature = "cpu")]
mod flex_attention;
#[cfg(feature = "cpu")]
mod flex_primitives;
#[cfg(feature = "cpu")]
mod profile;
#[cfg(feature = "cpu")]
mod q8;
#[cfg(feature = "gpu")]
#[path = "../../shaders/mod.rs"]
mod shaders;
mod types;

use burn::tensor::backend::Backend;
use burn::tensor::{DType, Int, Tensor, TensorData};

pub use examination::{Bodies, OperationResult, operations};
#[cfg(feature = "cpu")]
pub use profile::Profile;
pub use types::{AdamStep, CANDIDATES, Candidates, Draw, Heads, Moments, Span};

impl<B: FusedOps> Span<B> {
    /// The geometry of `start.len()` rows of `width` queries over `columns` keys.
    pub fn new(start: Vec<usize>, at: Vec<usize>, width: usize, columns: usize, device: &B::Device) -> Self {
        assert_eq!(start.len(), at.len(), "a first column and a position for every row");
        assert!(at.iter().all(|&a| a + width <= columns), "queries beyond the last column");
        let hidden = B::COMPOSES_ATTENTION.then(|| composed::hidden(&start, &at, width, columns, device));
        let places = B::PLACES_ON_DEVICE.then(|| {
            let places: Vec<i32> = start.iter().chain(&at).map(|&column| column as i32).collect();
            Tensor::from_data(TensorData::new(places, [2, start.len()]), (device, DType::I32))
        });
        Self { start, at, width, hidden, places }
    }
}

/// Whether this processor multiplies bf16, at twice the rate of f32 or more.
#[cfg(feature = "cpu")]
pub fn multiplies_bf16() -> bool {
    bf16_engine::Engine::of_this_machine() != bf16_engine::Engine::Plain
}

/// Scores that composed attention makes at once, over rows, heads, queries and columns: 64 MiB, of which the backward pass
/// holds about five. With 32 heads and two texts of 2048 tokens, all of a block's scores would be 1 GiB.
pub const SCORES_AT_ONCE: usize = 1 << 24;

/// A backend with the operations of this model. The default bodies are plain tensor code.
pub trait FusedOps: Backend {
    /// Whether [`FusedOps::causal_attention`] is the composed one, which wants its mask as a tensor.
    const COMPOSES_ATTENTION: bool = true;

    /// Whether kernels read where each row's queries and keys are, so that a pass uploads it once.
    const PLACES_ON_DEVICE: bool = false;

    /// Runs independent tasks; results in order. A GPU has one queue and takes them one after the other; the CPU runs them in
    /// parallel, because the products of small models are too small to be split between threads.
    fn side_by_side<T: Send, R: Send>(pieces: Vec<T>, work: impl Fn(T) -> R + Sync + Send) -> Vec<R> {
        pieces.into_iter().map(work).collect()
    }

    /// How many micro-batches of so many tokens run best in parallel: one, unless their products (typically
    /// `[tokens, hidden] x [hidden, hidden]`) are too small to be split between threads. Each further one holds its own
    /// activations.
    fn at_once(_tokens: usize, _hidden: usize) -> usize {
        1
    }

    /// Whether matrices can be held in 8 bits with a scale for each row, to be multiplied by [`FusedOps::affine`] and looked up
    /// by [`FusedOps::rows_of`], and by nothing else.
    const HOLDS_Q8: bool = false;

    /// Holds a matrix `[out, in]` in 8 bits. Its tensor is of [`DType::I8`], and only the backend knows how it lies.
    fn hold_q8(matrix: TensorData, _device: &Self::Device) -> Tensor<Self, 2> {
        unreachable!("this device holds no 8-bit matrices, such as {:?}", matrix.shape)
    }

    /// Rows of a matrix in f32, in whatever dtype it is held: `[n] -> [n, in]`.
    fn rows_of(matrix: &Tensor<Self, 2>, ids: &Tensor<Self, 1, Int>) -> Tensor<Self, 2> {
        composed::rows_of(matrix, ids)
    }

    /// `x · weightᵀ + bias`: `[n, in] x [out, in] -> [n, out]`.
    fn affine(x: &Tensor<Self, 2>, weight: &Tensor<Self, 2>, bias: Option<&Tensor<Self, 1>>) -> Tensor<Self, 2> {
        composed::affine(x, weight, bias)
    }

    /// `sum + x · weightᵀ + bias`, as [`FusedOps::affine`].
    fn add_affine(
        sum: &Tensor<Self, 2>,
        x: &Tensor<Self, 2>,
        weight: &Tensor<Self, 2>,
        bias: Option<&Tensor<Self, 1>>,
    ) -> Tensor<Self, 2> {
        sum.clone() + Self::affine(x, weight, bias)
    }

    /// `alpha · a · b`.
    fn matmul(a: &Tensor<Self, 2>, b: &Tensor<Self, 2>, alpha: f32) -> Tensor<Self, 2> {
        let zeros = Tensor::zeros([a.dims()[0], b.dims()[1]], (&a.device(), DType::F32));
        Self::add_matmul(zeros, a, b, alpha)
    }

    /// `sum + alpha · a · b`, in place where `sum` has one owner.
    fn add_matmul(sum: Tensor<Self, 2>, a: &Tensor<Self, 2>, b: &Tensor<Self, 2>, alpha: f32) -> Tensor<Self, 2> {
        composed::add_matmul(sum, a, b, alpha)
    }

    /// Root-mean-square norm of each row in f32, times the gain.
    fn rms_norm(x: &Tensor<Self, 2>, gain: &Tensor<Self, 1>, epsilon: f32) -> Tensor<Self, 2> {
        composed::rms_norm(x, gain, epsilon)
    }

    /// `residual + d(rms_norm)/dx · dy`, and the gain's gradient if `want_gain`.
    fn rms_norm_backward(
        dy: &Tensor<Self, 2>,
        x: &Tensor<Self, 2>,
        gain: &Tensor<Self, 1>,
        epsilon: f32,
        residual: Tensor<Self, 2>,
        want_gain: bool,
    ) -> (Tensor<Self, 2>, Option<Tensor<Self, 1>>) {
        composed::rms_norm_backward(dy, x, gain, epsilon, residual, want_gain)
    }

    /// `silu(gate) * up`.
    fn swiglu(gate: &Tensor<Self, 2>, up: &Tensor<Self, 2>) -> Tensor<Self, 2> {
        composed::swiglu(gate, up)
    }

    /// Gradients of [`FusedOps::swiglu`] with respect to gate and up.
    fn swiglu_backward(
        dy: &Tensor<Self, 2>,
        gate: &Tensor<Self, 2>,
        up: &Tensor<Self, 2>,
    ) -> (Tensor<Self, 2>, Tensor<Self, 2>) {
        composed::swiglu_backward(dy, gate, up)
    }

    /// Rotates each head's halves by the angles of `cos`, `sin` `[n, dim / 2]`: channel i pairs with i + dim / 2, as in
    /// Hugging Face's Qwen2. With `-sin` it is its own backward.
    fn rope(x: Tensor<Self, 2>, cos: &Tensor<Self, 2>, sin: &Tensor<Self, 2>, dim: usize) -> Tensor<Self, 2> {
        composed::rope(x, cos, sin, dim)
    }

    /// Causal grouped-query attention. `q [rows · width, query · dim]`; `k`, `v [rows, columns, key_value · dim]`.
    /// Gives the output `[rows · width, query · dim]` and, for the backward pass, the log of each softmax's
    /// denominator `[rows, query · width]` (empty where the backward pass does not want it).
    fn causal_attention(
        q: &Tensor<Self, 2>,
        k: &Tensor<Self, 3>,
        v: &Tensor<Self, 3>,
        span: &Span<Self>,
        heads: Heads,
    ) -> (Tensor<Self, 2>, Option<Tensor<Self, 2>>) {
        (composed::causal_attention(q, k, v, span, heads, SCORES_AT_ONCE), None)
    }

    /// Gradients of [`FusedOps::causal_attention`] with respect to q, k and v; `out` and `lse` are what it gave.
    #[allow(clippy::too_many_arguments, clippy::type_complexity)]
    fn causal_attention_backward(
        dy: &Tensor<Self, 2>,
        q: &Tensor<Self, 2>,
        k: &Tensor<Self, 3>,
        v: &Tensor<Self, 3>,
        _out: &Tensor<Self, 2>,
        _lse: Option<&Tensor<Self, 2>>,
        span: &Span<Self>,
        heads: Heads,
    ) -> (Tensor<Self, 2>, Tensor<Self, 3>, Tensor<Self, 3>) {
        composed::causal_attention_backward(dy, q, k, v, span, heads, SCORES_AT_ONCE)
    }

    /// Writes `new [rows, width, channels]` into `cache [rows or more, columns, channels]` from column `span.at[b]` of row b on.
    fn cache_write(cache: Tensor<Self, 3>, new: &Tensor<Self, 3>, span: &Span<Self>) -> Tensor<Self, 3> {
        composed::cache_write(cache, new, &span.at)
    }

    /// Turns the keys `[rows · width, channels]` as [`FusedOps::rope`] does, and writes them and the values into both caches as
    /// [`FusedOps::cache_write`] does.
    fn cache_append(
        (keys, values): (Tensor<Self, 3>, Tensor<Self, 3>),
        k: Tensor<Self, 2>,
        v: Tensor<Self, 2>,
        (cos, sin): (&Tensor<Self, 2>, &Tensor<Self, 2>),
        span: &Span<Self>,
        dim: usize,
    ) -> (Tensor<Self, 3>, Tensor<Self, 3>) {
        let new = [span.rows(), span.width, keys.dims()[2]];
        let k = Self::rope(k, cos, sin, dim).reshape(new);
        (Self::cache_write(keys, &k, span), Self::cache_write(values, &v.reshape(new), span))
    }

    /// Row `rows[i]` of `cache [all rows, columns, channels]` becomes row i of `new [rows, width, channels]`, then zeros.
    fn cache_put(cache: Tensor<Self, 3>, rows: &[usize], new: &Tensor<Self, 3>) -> Tensor<Self, 3> {
        composed::cache_put(cache, rows, new)
    }

    /// Cross-entropy of `logits [n, vocabulary]` against `targets [n]`, times `weights [n]`: the sum (nats, one element)
    /// and its gradient with respect to the logits.
    fn cross_entropy(
        logits: Tensor<Self, 2>,
        targets: &Tensor<Self, 1, Int>,
        weights: &Tensor<Self, 1>,
    ) -> (Tensor<Self, 1>, Tensor<Self, 2>) {
        composed::cross_entropy(logits, targets, weights)
    }

    /// Whether [`FusedOps::candidates`] is faster than the host's own work on all logits: their way is what takes the time.
    const FINDS_CANDIDATES: bool = false;

    /// What the host needs to choose a token for each row of `logits [n, vocabulary]`.
    fn candidates(logits: &Tensor<Self, 2>, draws: &[Draw]) -> Vec<Candidates> {
        composed::candidates(logits, draws)
    }

    /// Adds each row of `x [n, channels]` to the row `ids[n]` of zeros `[rows, channels]`: the backward of a row lookup.
    fn scatter_rows(x: &Tensor<Self, 2>, ids: &Tensor<Self, 1, Int>, rows: usize) -> Tensor<Self, 2> {
        composed::scatter_rows(x, ids, rows)
    }

    /// One step of AdamW (Loshchilov and Hutter 2019) as PyTorch computes it; `scale` multiplies the gradient first.
    fn adamw<const D: usize>(
        state: Moments<Self, D>,
        gradient: &Tensor<Self, D>,
        scale: &Tensor<Self, 1>,
        step: AdamStep,
    ) -> Moments<Self, D> {
        composed::adamw(state, gradient, scale, step)
    }
}

// Only the tests differentiate through Burn: the composed bodies under autodiff are the twin of the hand-written backward.
#[cfg(feature = "cpu")]
impl FusedOps for burn::backend::Autodiff<burn::backend::Flex> {}

#[cfg(all(test, feature = "cpu"))]
mod tests;

#[cfg(all(test, any(feature = "wgpu", feature = "vulkan", feature = "metal")))]
mod cube_tests_b;
