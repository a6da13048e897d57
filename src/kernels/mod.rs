//! The operations that decide the speed of training and generation, behind one trait.
//!
//! [`FusedOps`] has a body in plain tensor code for every operation (`composed`): it runs on any backend and is the
//! reference that native versions are tested against. `flex` holds the CPU's versions, `cube` the GPU's, whose kernels are in the folder
//! `shaders`. Forward and backward come in
//! pairs, because training differentiates the model by hand (`model::backward`): nothing is recorded that is not needed,
//! frozen weights cost no gradient, and the same code recomputes a block.
//!
//! Matrices are `[tokens, channels]`; tokens are `rows x width` in row-major order.

mod composed;
#[cfg(feature = "cpu")]
mod cpu;
#[cfg(feature = "gpu")]
mod cube;
mod examination;
// What these lints ask for is not in the language of kernels.
#[cfg(feature = "gpu")]
#[path = "../../shaders/mod.rs"]
#[allow(clippy::manual_div_ceil, clippy::manual_is_multiple_of, clippy::collapsible_if)]
mod shaders;
mod span;
mod types;

use std::ops::Range;

use burn_tensor::backend::Backend;
use burn_tensor::{DType, Int, Tensor, TensorData};

#[cfg(all(test, feature = "cpu"))]
pub(crate) use cpu::IN_PANELS;
#[cfg(feature = "cpu")]
pub use cpu::multiplies_bf16;
#[cfg(feature = "cpu")]
pub use cpu::profile::Profile;
#[cfg(all(test, feature = "cpu"))]
pub(crate) use cpu::profile::counting::{Counted, counted};
pub use examination::{Bodies, OperationResult, operations};
pub use types::{
    AdamStep, CANDIDATES, Candidates, Draw, Heads, Lora, Moments, Projection, ProjectionGrads, Span, Turn,
};

/// A name for the GPU's kernels as they are, to keep what is compiled of them by.
#[cfg(feature = "gpu")]
pub fn shaders_version() -> String {
    shaders::version()
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

    /// Lists of integers, and matrices row by row, on the device. Each transfer would wait for the queue: where there is one, all are one.
    fn upload<const I: usize, const F: usize>(
        ints: [Vec<i32>; I],
        floats: [(Vec<f32>, [usize; 2]); F],
        device: &Self::Device,
    ) -> ([Tensor<Self, 1, Int>; I], [Tensor<Self, 2>; F]) {
        let list = |ints: Vec<i32>| {
            let n = ints.len();
            Tensor::from_data(TensorData::new(ints, [n]), device)
        };
        (ints.map(list), floats.map(|(floats, shape)| Tensor::from_data(TensorData::new(floats, shape), device)))
    }

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

    /// Whether matrices can be held in f16 and bf16 by devices that do not compute in them: for the same operations, and for
    /// [`FusedOps::matmul`] and [`FusedOps::add_matmul`] as their right-hand side.
    const HOLDS_HALVES: bool = false;

    /// Holds a matrix `[out, in]` in 8 bits. Its tensor is of [`DType::I8`], and only the backend knows how it lies.
    fn hold_q8(matrix: TensorData, _device: &Self::Device) -> Tensor<Self, 2> {
        unreachable!("this device holds no 8-bit matrices, such as {:?}", matrix.shape)
    }

    /// Rows of a matrix in f32, in whatever dtype it is held: `[n] -> [n, in]`.
    fn rows_of(matrix: &Tensor<Self, 2>, ids: &Tensor<Self, 1, Int>) -> Tensor<Self, 2> {
        composed::rows_of(matrix, ids)
    }

    /// The first rows of a matrix, in whatever dtype it is held.
    fn first_rows(matrix: &Tensor<Self, 2>, rows: usize) -> Tensor<Self, 2> {
        matrix.clone().narrow(0, 0, rows)
    }

    /// `x · weightᵀ + bias`: `[n, in] x [out, in] -> [n, out]`.
    fn affine(x: &Tensor<Self, 2>, weight: &Tensor<Self, 2>, bias: Option<&Tensor<Self, 1>>) -> Tensor<Self, 2> {
        composed::affine(x, weight, bias)
    }

    /// A view that begins so many bytes, or a multiple of it, behind a tensor's beginning is no copy.
    const VIEW_BYTES: usize = 512;

    /// Whether projections of one input are best made as one product with all their matrices.
    const STACKS: bool = true;

    /// Projections of one input: `[n, in] -> [n, out]` each. `stack [sum of out, in]`, where there is one, is the memory in
    /// which their matrices lie, one below the other.
    fn project(
        x: &Tensor<Self, 2>,
        stack: Option<&Tensor<Self, 2>>,
        projections: &[Projection<'_, Self>],
    ) -> Vec<Tensor<Self, 2>> {
        if let Some(ys) = Self::project_at_once(x, stack, projections) {
            return ys;
        }
        let whole = stack.filter(|_| Self::STACKS).map(|stack| Self::affine(x, stack, None));
        let mut from = 0;
        let one = |&Projection { weight, bias, lora }: &Projection<'_, Self>| {
            let y = match (&whole, bias) {
                (None, _) => Self::affine(x, weight, bias),
                (Some(whole), None) => whole.clone().narrow(1, from, weight.dims()[0]),
                (Some(whole), Some(bias)) => whole.clone().narrow(1, from, weight.dims()[0]) + bias.clone().unsqueeze(),
            };
            from += weight.dims()[0];
            match lora {
                Some(Lora { a, b, scale }) => Self::add_matmul(y, &Self::matmul(x, a, 1.0), b, *scale),
                None => y,
            }
        };
        projections.iter().map(one).collect()
    }

    /// From the gradients of [`FusedOps::project`]'s outputs to that of its input and, if the adapters learn, theirs.
    fn project_backward(
        x: &Tensor<Self, 2>,
        dys: &[Tensor<Self, 2>],
        stack: Option<&Tensor<Self, 2>>,
        projections: &[Projection<'_, Self>],
        learns: bool,
    ) -> ProjectionGrads<Self> {
        if let Some(grads) = Self::project_backward_at_once(x, dys, projections, learns) {
            return grads;
        }
        let stack = stack.filter(|_| Self::STACKS);
        let mut dx = stack.map(|stack| Self::matmul(&Tensor::cat(dys.to_vec(), 1), stack, 1.0));
        let mut adapters = Vec::new();
        for (Projection { weight, lora, .. }, dy) in projections.iter().zip(dys) {
            dx = Some(match dx {
                Some(dx) if stack.is_some() => dx,
                Some(dx) => Self::add_matmul(dx, dy, weight, 1.0),
                None => Self::matmul(dy, weight, 1.0),
            });
            let Some(Lora { a, b, scale }) = lora else {
                adapters.push(None);
                continue;
            };
            let dlow = Self::matmul(dy, &b.clone().transpose(), *scale);
            adapters.push(learns.then(|| {
                // Recomputed rather than kept: rank columns against the in columns that are kept anyway.
                let low = Self::matmul(x, a, 1.0);
                let da = Self::matmul(&x.clone().transpose(), &dlow, 1.0);
                (da, Self::matmul(&low.transpose(), dy, *scale))
            }));
            dx = dx.map(|dx| Self::add_matmul(dx, &dlow, &a.clone().transpose(), 1.0));
        }
        ProjectionGrads { dx: dx.expect("there is a projection"), adapters }
    }

    /// `sum [n, out]` and a projection of `x [n, in]`.
    fn add_projection(
        sum: &Tensor<Self, 2>,
        x: &Tensor<Self, 2>,
        projection: &Projection<'_, Self>,
    ) -> Tensor<Self, 2> {
        sum.clone() + Self::project(x, None, std::slice::from_ref(projection)).remove(0)
    }

    /// `sum [n, out] + down(silu(gate(x)) · up(x))` of `x [n, in]` by the projections gate, up and down, where no backward pass follows:
    /// nothing in between is kept. `stack` is that of gate and up.
    fn add_mlp(
        sum: &Tensor<Self, 2>,
        x: &Tensor<Self, 2>,
        stack: Option<&Tensor<Self, 2>>,
        projections: &[Projection<'_, Self>; 3],
    ) -> Tensor<Self, 2> {
        Self::add_mlp_at_once(sum, x, projections).unwrap_or_else(|| {
            let ys = Self::project(x, stack, &projections[..2]);
            Self::add_projection(sum, &Self::swiglu(&ys[0], &ys[1]), &projections[2])
        })
    }

    /// [`FusedOps::add_mlp`] in one, where the backend has it for operands of this kind and size.
    fn add_mlp_at_once(
        _sum: &Tensor<Self, 2>,
        _x: &Tensor<Self, 2>,
        _projections: &[Projection<'_, Self>; 3],
    ) -> Option<Tensor<Self, 2>> {
        None
    }

    /// [`FusedOps::project`] in one, where the backend has it for operands of this kind and size.
    fn project_at_once(
        _x: &Tensor<Self, 2>,
        _stack: Option<&Tensor<Self, 2>>,
        _projections: &[Projection<'_, Self>],
    ) -> Option<Vec<Tensor<Self, 2>>> {
        None
    }

    /// [`FusedOps::project_backward`] in one, likewise.
    fn project_backward_at_once(
        _x: &Tensor<Self, 2>,
        _dys: &[Tensor<Self, 2>],
        _projections: &[Projection<'_, Self>],
        _learns: bool,
    ) -> Option<ProjectionGrads<Self>> {
        None
    }

    /// Whether gradients of these adapters can be added up in place, by [`FusedOps::project_backward_onto`].
    fn gathers(_adapters: &[&Lora<Self>]) -> bool {
        false
    }

    /// Where gradients of so many elements each are added up in place: zeros, or what earlier ones came to, copied if somebody else
    /// holds it, too. Where it can, a device lays them into one buffer, so that an optimiser takes them at once.
    fn gathering(lens: &[usize], earlier: Option<Vec<Tensor<Self, 1>>>, device: &Self::Device) -> Vec<Tensor<Self, 1>> {
        let zeros = |&len: &usize| Tensor::zeros([len], (device, DType::F32));
        earlier.unwrap_or_else(|| lens.iter().map(zeros).collect())
    }

    /// [`FusedOps::project_backward`], with the adapters' gradients added to `sums` in place, A's and B's by turns, flat: tensors that
    /// [`FusedOps::gathering`] gave, where [`FusedOps::gathers`] says so. Gives the gradient of the input.
    fn project_backward_onto(
        _x: &Tensor<Self, 2>,
        _dys: &[Tensor<Self, 2>],
        _projections: &[Projection<'_, Self>],
        _sums: &mut [Tensor<Self, 1>],
    ) -> Tensor<Self, 2> {
        unreachable!("this device adds no gradients up in place")
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

    /// Rotates the halves of each head of queries and keys, `[n, heads · dim]`, by `angles [n, dim]`, each token's cosines and then its
    /// sines: channel i pairs with i + dim / 2, as in Hugging Face's Qwen2. Turned back, it is its own backward.
    fn rope(
        q: Tensor<Self, 2>,
        k: Tensor<Self, 2>,
        angles: &Tensor<Self, 2>,
        turn: Turn,
    ) -> (Tensor<Self, 2>, Tensor<Self, 2>) {
        (composed::rope(q, angles, turn), composed::rope(k, angles, turn))
    }

    /// The dtype in which a block whose matrices are of dtype `weights` holds keys and values of heads of `dim` numbers where no backward pass
    /// follows.
    fn key_dtype(_weights: DType, _dim: usize) -> DType {
        DType::F32
    }

    /// Keys or values in f32, in the dtype in which they are held.
    fn hold_keys(keys: Tensor<Self, 3>, dtype: DType) -> Tensor<Self, 3> {
        if keys.dtype() == dtype { keys } else { keys.cast(dtype) }
    }

    /// Causal grouped-query attention. `q [rows · width, query · dim]`; `k`, `v [rows, columns, key_value · dim]`.
    /// Keys and values may be in [`FusedOps::key_dtype`]. Gives the output `[rows · width, query · dim]` and, for the backward pass, the log of each softmax's
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

    /// Turns queries and keys `[rows · width, channels]` as [`FusedOps::rope`] does, and writes the keys and the values into both caches
    /// as [`FusedOps::cache_write`] does. Gives the queries and the caches.
    fn cache_append(
        (keys, values): (Tensor<Self, 3>, Tensor<Self, 3>),
        [q, k, v]: [Tensor<Self, 2>; 3],
        angles: &Tensor<Self, 2>,
        span: &Span<Self>,
    ) -> (Tensor<Self, 2>, Tensor<Self, 3>, Tensor<Self, 3>) {
        let new = [span.rows(), span.width, keys.dims()[2]];
        let (q, k) = Self::rope(q, k, angles, Turn::Forth);
        (q, Self::cache_write(keys, &k.reshape(new), span), Self::cache_write(values, &v.reshape(new), span))
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

    /// What the host needs to choose a token for each row of `logits [n, vocabulary]`. `sent` are the [`Draw::numbers`], if they are on
    /// the device already.
    fn candidates(logits: &Tensor<Self, 2>, draws: &[Draw], _sent: Option<Tensor<Self, 2>>) -> Vec<Candidates> {
        composed::candidates(logits, draws)
    }

    /// Adds each row of `x [n, channels]` to the row `ids[n]` of zeros `[rows, channels]`: the backward of a row lookup.
    fn scatter_rows(x: &Tensor<Self, 2>, ids: &Tensor<Self, 1, Int>, rows: usize) -> Tensor<Self, 2> {
        composed::scatter_rows(x, ids, rows)
    }

    /// The sum of the squares of all elements of one tensor or more, one element.
    fn sum_of_squares(tensors: &[Tensor<Self, 1>]) -> Tensor<Self, 1> {
        composed::sum_of_squares(tensors)
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

    /// Which tensors, flat, [`FusedOps::adamw_of_all`] best takes at once: those that [`FusedOps::gathering`] laid into one buffer.
    fn together(gradients: &[Tensor<Self, 1>]) -> Vec<Range<usize>> {
        (0..gradients.len()).map(|i| i..i + 1).collect()
    }

    /// [`FusedOps::adamw`] for each of several tensors, flat.
    fn adamw_of_all(
        states: Vec<Moments<Self, 1>>,
        gradients: &[Tensor<Self, 1>],
        scale: &Tensor<Self, 1>,
        steps: &[AdamStep],
    ) -> Vec<Moments<Self, 1>> {
        let each = states.into_iter().zip(gradients).zip(steps);
        each.map(|((state, gradient), step)| Self::adamw(state, gradient, scale, *step)).collect()
    }
}

// Only the tests differentiate through Burn: the composed bodies under autodiff are the twin of the hand-written backward.
#[cfg(feature = "cpu")]
impl FusedOps for burn_autodiff::Autodiff<burn_flex::Flex> {}

#[cfg(all(test, feature = "cpu"))]
mod tests;
