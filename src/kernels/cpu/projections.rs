//! The CPU's projections of one input, by what is held in which dtype and what the processor multiplies: many rows, and few rows by
//! matrices that lie one below the other.

use std::marker::PhantomData;

use burn_flex::{Flex, FlexTensor};
use burn_tensor::{DType, Tensor};
use half::{bf16, f16};

use super::adapted::{self, Adapter, Grads, Part};
use super::engine::Engine;
use super::gated;
use super::in_bf16::InBf16;
use super::in_f32::InF32;
use super::numbers::{HeldAs, Number};
use super::primitives::*;
use super::profile::{Op, clock};
use super::q8::Weights8;
use super::sums::{Start, Tiled};
use super::tiles::BLOCK;
use super::weights::{self, Stored, Weights};
use crate::kernels::types::{Lora, Projection, ProjectionGrads};

/// Numbers of frozen matrices in f32 from which on reading them decides: more than the first-level cache holds. Below it Burn's `gemm` is
/// as good.
const LARGE: usize = 1 << 18;

/// Runs a body with the engine and the number in which all of these matrices are held, or gives up.
macro_rules! by_engine {
    ($projections:expr, |$engine:ident, $Number:ident| $body:expr) => {{
        macro_rules! run {
            ($with:expr, $number:ty) => {{
                type $Number = $number;
                let $engine = $with;
                $body
            }};
        }
        match (dtype_of_all($projections)?, InBf16::of_this_machine()) {
            (DType::BF16, Some(engine)) => run!(engine, bf16),
            (DType::BF16, None) => run!(InF32, bf16),
            (DType::F16, _) => run!(InF32, f16),
            (DType::F32, _) => run!(InF32, f32),
            _ => return None,
        }
    }};
}

/// The dtype in which all of these matrices are held, row after row; none if they are small ones in f32.
fn dtype_of_all(projections: &[Projection<'_, Flex>]) -> Option<DType> {
    let dtype = projections.first()?.weight.dtype();
    let numbers: usize = projections.iter().map(|one| one.weight.shape().num_elements()).sum();
    let are_held = projections.iter().all(|one| held_in(one.weight, dtype).is_some());
    (are_held && (dtype != DType::F32 || numbers >= LARGE)).then_some(dtype)
}

/// [`super::FusedOps::project_at_once`].
pub(super) fn forward(
    x: &Tensor<Flex, 2>,
    stack: Option<&Tensor<Flex, 2>>,
    projections: &[Projection<'_, Flex>],
) -> Option<Vec<Tensor<Flex, 2>>> {
    let [n, inner] = x.dims();
    // Many rows are bound by arithmetic: one product would only have to be cut into its parts again.
    let is_held = |stack: &Tensor<Flex, 2>| [DType::F32, DType::BF16, DType::F16, DType::I8].contains(&stack.dtype());
    let is_one = n <= BLOCK && stack.is_some_and(is_held) && projections.iter().all(|one| one.lora.is_none());
    if !is_f32(x) || !is_one && dtype_of_all(projections).is_none_or(|dtype| dtype == DType::I8) {
        return None;
    }
    let _clock = clock(Op::Product, products([n, inner], projections, 1));
    let x = packed(x);
    let few = || few(slice(&x), n, stack, projections);
    let ys = match is_one {
        true => few(),
        false => by_engine!(projections, |engine, Number| {
            let tiles = || Tiled::new(slice(&x), inner, 1.0);
            adapted::forward(engine, tiles, [n, inner], &Held::<Number, _>::parts(&Held::all(projections)), few)
        }),
    };
    let outers = projections.iter().map(|one| one.weight.dims()[0]);
    Some(ys.into_iter().zip(outers).map(|(y, outer)| tensor(y, [n, outer])).collect())
}

/// [`super::FusedOps::add_projection`] by a matrix without a bias: the sum is where the products begin.
pub(super) fn add_forward(
    sum: &Tensor<Flex, 2>,
    x: &Tensor<Flex, 2>,
    one: &[Projection<'_, Flex>],
) -> Option<Tensor<Flex, 2>> {
    let [n, inner] = x.dims();
    if !is_f32(x) || !is_f32(sum) || one[0].bias.is_some() || dtype_of_all(one).is_none_or(|dtype| dtype == DType::I8) {
        return None;
    }
    let _clock = clock(Op::Product, products([n, inner], one, 1));
    let (x, sum) = (packed(x), packed(sum));
    let start = Start::Matrix(slice(&sum));
    let few = || {
        let mut y = slice(&sum).to_vec();
        add_product(slice(&x), n, one[0].weight, &mut y);
        vec![y]
    };
    let mut ys = by_engine!(one, |engine, Number| {
        let (held, tiles) = (Held::<Number, _>::of(&one[0]), || Tiled::new(slice(&x), inner, 1.0));
        adapted::forward(engine, tiles, [n, inner], &[Part { start, ..held.part() }], few)
    });
    Some(tensor(ys.remove(0), [n, one[0].weight.dims()[0]]))
}

/// [`super::FusedOps::add_mlp`] by matrices without biases, those of gate and up without adapters. So few rows that they are bound by
/// memory are made otherwise.
pub(super) fn add_mlp(
    sum: &Tensor<Flex, 2>,
    x: &Tensor<Flex, 2>,
    projections: &[Projection<'_, Flex>; 3],
) -> Option<Tensor<Flex, 2>> {
    let has_bias = projections.iter().any(|one| one.bias.is_some());
    if !is_f32(x) || !is_f32(sum) || has_bias || projections[..2].iter().any(|one| one.lora.is_some()) {
        return None;
    }
    let y = by_engine!(projections, |engine, Number| add_mlp_by::<_, Number>(engine, sum, x, projections)?);
    Some(tensor(y, sum.dims()))
}

fn add_mlp_by<E: Engine, W: HeldAs<E::Number> + Stored>(
    engine: E,
    sum: &Tensor<Flex, 2>,
    x: &Tensor<Flex, 2>,
    projections: &[Projection<'_, Flex>; 3],
) -> Option<Vec<f32>> {
    let [n, inner] = x.dims();
    let held = projections.each_ref().map(Held::<W, E::Number>::of);
    let [gate, up, down] = held.each_ref().map(|one| Weights::<W>::of(&one.weight));
    let are_few = n <= BLOCK;
    let takes_few = || n > engine.dots().max(1) && held[2].adapter.is_none() && gated::takes_few(n, [gate, up], down);
    if !gated::takes([gate, up]) || are_few && !takes_few() {
        return None;
    }
    let (both, last) = projections.split_at(2);
    let (gated, and_down) = (products([n, inner], both, 1), products([n, down.inner], last, 1));
    let _clock = clock(Op::Product, (gated.0 + and_down.0, gated.1 + and_down.1));
    let (x, sum) = (packed(x), packed(sum));
    if are_few {
        let mut y = slice(&sum).to_vec();
        gated::add_few(engine, slice(&x), [gate, up], down, &mut y);
        return Some(y);
    }
    let gated = || gated::gated(engine, &Tiled::new(slice(&x), inner, 1.0), n, [gate, up]);
    let part = Part { start: Start::Matrix(slice(&sum)), ..held[2].part() };
    let few = || unreachable!("there are many rows");
    Some(adapted::forward(engine, gated, [n, down.inner], &[part], few).remove(0))
}

/// [`super::FusedOps::project_backward_at_once`].
pub(super) fn backward(
    x: &Tensor<Flex, 2>,
    dys: &[Tensor<Flex, 2>],
    projections: &[Projection<'_, Flex>],
    learns: bool,
) -> Option<ProjectionGrads<Flex>> {
    if !is_f32(x) || !dys.iter().all(is_f32) {
        return None;
    }
    let [n, inner] = x.dims();
    let Grads { dx, adapters } = by_engine!(projections, |engine, Number| {
        let _clock = clock(Op::ProductBackward, products([n, inner], projections, if learns { 3 } else { 1 }));
        let held = Held::<Number, _>::all(projections);
        let dys: Vec<_> = dys.iter().map(|dy| Tiled::new(slice(&packed(dy)), dy.dims()[1], 1.0)).collect();
        adapted::backward(engine, slice(&packed(x)), &dys, [n, inner], &Held::parts(&held), learns)
    });
    let adapters = adapters.into_iter().zip(projections).map(|(grads, one)| {
        let ((a, b), lora) = grads.zip(one.lora)?;
        Some((tensor(a, lora.a.dims()), tensor(b, lora.b.dims())))
    });
    Some(ProjectionGrads { dx: tensor(dx, [n, inner]), adapters: adapters.collect() })
}

/// A projection whose matrix is held in `W`, with what [`Part`] borrows.
struct Held<W, N> {
    weight: FlexTensor,
    bias: Option<FlexTensor>,
    adapter: Option<Adapter<N>>,
    of: PhantomData<W>,
}

impl<W: HeldAs<N> + Stored, N: Number> Held<W, N> {
    fn all(projections: &[Projection<'_, Flex>]) -> Vec<Self> {
        projections.iter().map(Self::of).collect()
    }

    fn of(Projection { weight, bias, lora }: &Projection<'_, Flex>) -> Self {
        let adapter =
            lora.map(|Lora { a, b, scale }| Adapter::new(slice(&packed(a)), slice(&packed(b)), a.dims()[1], *scale));
        let weight = held_in(weight, W::DTYPE).expect("it is held in this dtype");
        Self { weight, bias: bias.map(packed), adapter, of: PhantomData }
    }

    fn parts(all: &[Self]) -> Vec<Part<'_, W, N>> {
        all.iter().map(Self::part).collect()
    }

    fn part(&self) -> Part<'_, W, N> {
        let start = self.bias.as_ref().map_or(Start::Zeros, |bias| Start::Row(slice(bias)));
        Part { weights: Weights::of(&self.weight), start, adapter: self.adapter.as_ref() }
    }
}

/// Products of few rows with the matrices, biases included, by one product over the memory in which they lie if there is one.
fn few(x: &[f32], n: usize, stack: Option<&Tensor<Flex, 2>>, projections: &[Projection<'_, Flex>]) -> Vec<Vec<f32>> {
    let begun = |one: &Projection<'_, Flex>| match one.bias {
        Some(bias) => slice(&packed(bias)).to_vec(),
        None => vec![0.0; one.weight.dims()[0]],
    };
    let Some(stack) = stack else {
        let product = |one: &Projection<'_, Flex>| {
            let mut y = begun(one).repeat(n);
            add_product(x, n, one.weight, &mut y);
            y
        };
        return projections.iter().map(product).collect();
    };
    let row: Vec<f32> = projections.iter().flat_map(begun).collect();
    let mut whole = row.repeat(n);
    add_product(x, n, stack, &mut whole);
    let mut from = 0;
    let cut = |one: &Projection<'_, Flex>| {
        let columns = from..from + one.weight.dims()[0];
        from = columns.end;
        let mut part = Vec::with_capacity(n * columns.len());
        whole.chunks_exact(row.len()).for_each(|whole| part.extend_from_slice(&whole[columns.clone()]));
        part
    };
    projections.iter().map(cut).collect()
}

/// `out [n, outer] += x · Wᵀ` by a matrix in any dtype that matrices are held in.
pub(super) fn add_product(x: &[f32], n: usize, weight: &Tensor<Flex, 2>, out: &mut [f32]) {
    let held = weight.clone().into_primitive().tensor();
    match (weight.dtype(), InBf16::of_this_machine()) {
        (DType::I8, engine) => Weights8::of(&held).add_forward(engine, x, out),
        (DType::BF16, Some(engine)) => weights::add_forward(engine, Weights::<bf16>::of(&held), x, out),
        (DType::BF16, None) => weights::add_forward(InF32, Weights::<bf16>::of(&held), x, out),
        (DType::F16, _) => weights::add_forward(InF32, Weights::<f16>::of(&held), x, out),
        _ if held.is_contiguous() && weight.shape().num_elements() >= LARGE => {
            weights::add_forward(InF32, Weights::<f32>::of(&held), x, out);
        }
        _ => {
            let (outer, inner) = (out.len() / n, x.len() / n);
            let a = Matrix { data: x.as_ptr(), rows: n, columns: inner, row_stride: inner as isize, column_stride: 1 };
            let b = Matrix::of(&held).transposed();
            // SAFETY: `out` is n x outer and ours; a and b borrow live memory.
            unsafe { gemm(out.as_mut_ptr(), outer, true, a, b, 1.0, parallelism(n, outer, inner)) };
        }
    }
}

/// `sum [n, inner] += alpha · dy · W` by a matrix in 16 bits; false if it is none.
pub(super) fn add_backward(dy: &[f32], weight: &Tensor<Flex, 2>, alpha: f32, sum: &mut [f32]) -> bool {
    let held = weight.clone().into_primitive().tensor();
    match (weight.dtype(), InBf16::of_this_machine()) {
        _ if !held.is_contiguous() => return false,
        (DType::BF16, Some(engine)) => Weights::<bf16>::of(&held).add_backward(engine, dy, alpha, sum),
        (DType::BF16, None) => Weights::<bf16>::of(&held).add_backward(InF32, dy, alpha, sum),
        (DType::F16, _) => Weights::<f16>::of(&held).add_backward(InF32, dy, alpha, sum),
        _ => return false,
    }
    true
}

/// Multiplications and additions of `[n, inner] x matrix`, and the bytes of all three.
pub(super) fn product([n, inner]: [usize; 2], matrix: &Tensor<Flex, 2>) -> (usize, usize) {
    let size = matrix.shape().num_elements();
    (2 * n * size, size * matrix.dtype().size() + size_of::<f32>() * n * (inner + size / inner.max(1)))
}

/// The same of projections of `x`, whose adapters take so many times the products of the forward pass.
fn products(x: [usize; 2], projections: &[Projection<'_, Flex>], adapters: usize) -> (usize, usize) {
    let sum = |sum: (usize, usize), one: &Projection<'_, Flex>| {
        let (operations, bytes) = product(x, one.weight);
        let factors = one.lora.map_or(0, |lora| lora.a.shape().num_elements() + lora.b.shape().num_elements());
        (sum.0 + operations + 2 * adapters * x[0] * factors, sum.1 + bytes)
    };
    projections.iter().fold((0, 0), sum)
}
