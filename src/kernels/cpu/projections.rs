//! The CPU's projections of one input: many rows by matrices in bf16, and few rows by matrices that lie one below the other.

use burn_flex::{Flex, FlexTensor};
use burn_tensor::{DType, Tensor};

use super::bf16::Weights;
use super::bf16_engine::Engine;
use super::bf16_gated as in_gates;
use super::bf16_projections::{self as in_bf16, Adapter, Grads, Part};
use super::bf16_sums::{Start, Tiled};
use super::bf16_tiles::BLOCK;
use super::few;
use super::primitives::*;
use super::profile::{Op, clock};
use super::q8::Weights8;
use crate::kernels::types::{Lora, Projection, ProjectionGrads};

/// [`super::FusedOps::project_at_once`].
pub(super) fn forward(
    x: &Tensor<Flex, 2>,
    stack: Option<&Tensor<Flex, 2>>,
    projections: &[Projection<'_, Flex>],
) -> Option<Vec<Tensor<Flex, 2>>> {
    let [n, inner] = x.dims();
    let are_bf16 = are_bf16(projections);
    // Many rows are bound by arithmetic: one product would only have to be cut into its parts again.
    let is_held = |stack: &Tensor<Flex, 2>| [DType::F32, DType::BF16, DType::I8].contains(&stack.dtype());
    let is_one = n <= BLOCK && stack.is_some_and(is_held) && projections.iter().all(|one| one.lora.is_none());
    if !is_f32(x) || !(are_bf16 || is_one) {
        return None;
    }
    let _clock = clock(Op::Product, products([n, inner], projections, 1));
    let x = packed(x);
    let few = || few(slice(&x), n, stack, projections);
    let ys = match are_bf16 {
        true => {
            let (engine, tiles) = (Engine::of_this_machine(), || Tiled::new(slice(&x), inner, 1.0));
            in_bf16::forward(engine, tiles, [n, inner], &Held::parts(&Held::all(projections)), few)
        }
        false => few(),
    };
    let outers = projections.iter().map(|one| one.weight.dims()[0]);
    Some(ys.into_iter().zip(outers).map(|(y, outer)| tensor(y, [n, outer])).collect())
}

/// [`super::FusedOps::add_projection`] by a matrix in bf16 without a bias: the sum is where the products begin.
pub(super) fn add_forward(
    sum: &Tensor<Flex, 2>,
    x: &Tensor<Flex, 2>,
    one: &[Projection<'_, Flex>],
) -> Option<Tensor<Flex, 2>> {
    let [n, inner] = x.dims();
    if !is_f32(x) || !is_f32(sum) || !are_bf16_without_bias(one) {
        return None;
    }
    let _clock = clock(Op::Product, products([n, inner], one, 1));
    let (x, sum) = (packed(x), packed(sum));
    let (held, start) = (Held::of(&one[0]), Start::Matrix(slice(&sum)));
    let few = || {
        let mut y = slice(&sum).to_vec();
        add_product(slice(&x), n, one[0].weight, &mut y);
        vec![y]
    };
    let (part, tiles) = (Part { start, ..held.part() }, || Tiled::new(slice(&x), inner, 1.0));
    let mut ys = in_bf16::forward(Engine::of_this_machine(), tiles, [n, inner], &[part], few);
    Some(tensor(ys.remove(0), [n, one[0].weight.dims()[0]]))
}

/// [`super::FusedOps::add_mlp`] by matrices in bf16 without biases, those of gate and up without adapters. One row alone is bound by memory
/// and made otherwise.
pub(super) fn add_mlp(
    sum: &Tensor<Flex, 2>,
    x: &Tensor<Flex, 2>,
    projections: &[Projection<'_, Flex>; 3],
) -> Option<Tensor<Flex, 2>> {
    let ([n, inner], shape, engine) = (x.dims(), sum.dims(), Engine::of_this_machine());
    let (both, last) = projections.split_at(2);
    let are_bare = |some: &[Projection<'_, Flex>]| some.iter().all(|one| one.lora.is_none());
    if n < 2 || !is_f32(x) || !is_f32(sum) || !are_bf16_without_bias(projections) || !are_bare(both) {
        return None;
    }
    let held = projections.each_ref().map(Held::of);
    let [gate, up, down] = held.each_ref().map(|one| Weights::of(&one.weight));
    let are_few = n <= BLOCK;
    let takes_few = || are_bare(last) && in_gates::takes_few(engine, n, [gate, up], down);
    if !in_gates::takes(engine, [gate, up]) || are_few && !takes_few() {
        return None;
    }
    let (gated, and_down) = (products([n, inner], both, 1), products([n, down.inner], last, 1));
    let _clock = clock(Op::Product, (gated.0 + and_down.0, gated.1 + and_down.1));
    let (x, sum) = (packed(x), packed(sum));
    if are_few {
        let mut y = slice(&sum).to_vec();
        in_gates::add_few(engine, slice(&x), [gate, up], down, &mut y);
        return Some(tensor(y, shape));
    }
    let gated = || in_gates::gated(engine, &Tiled::new(slice(&x), inner, 1.0), n, [gate, up]);
    let part = Part { start: Start::Matrix(slice(&sum)), ..held[2].part() };
    let few = || unreachable!("there are many rows");
    Some(tensor(in_bf16::forward(engine, gated, [n, down.inner], &[part], few).remove(0), shape))
}

/// [`super::FusedOps::project_backward_at_once`].
pub(super) fn backward(
    x: &Tensor<Flex, 2>,
    dys: &[Tensor<Flex, 2>],
    projections: &[Projection<'_, Flex>],
    learns: bool,
) -> Option<ProjectionGrads<Flex>> {
    if !is_f32(x) || !dys.iter().all(is_f32) || !are_bf16(projections) {
        return None;
    }
    let [n, inner] = x.dims();
    let _clock = clock(Op::ProductBackward, products([n, inner], projections, if learns { 3 } else { 1 }));
    let held = Held::all(projections);
    let x = packed(x);
    let dys: Vec<Tiled> = dys.iter().map(|dy| Tiled::new(slice(&packed(dy)), dy.dims()[1], 1.0)).collect();
    let engine = Engine::of_this_machine();
    let Grads { dx, adapters } = in_bf16::backward(engine, slice(&x), &dys, [n, inner], &Held::parts(&held), learns);
    let adapters = adapters.into_iter().zip(projections).map(|(grads, one)| {
        let ((a, b), lora) = grads.zip(one.lora)?;
        Some((tensor(a, lora.a.dims()), tensor(b, lora.b.dims())))
    });
    Some(ProjectionGrads { dx: tensor(dx, [n, inner]), adapters: adapters.collect() })
}

/// Whether all matrices are held in bf16 and this machine multiplies it.
fn are_bf16(projections: &[Projection<'_, Flex>]) -> bool {
    let is_bf16 = |one: &Projection<'_, Flex>| held_in(one.weight, DType::BF16).is_some();
    Engine::of_this_machine() != Engine::Plain && projections.iter().all(is_bf16)
}

fn are_bf16_without_bias(projections: &[Projection<'_, Flex>]) -> bool {
    are_bf16(projections) && projections.iter().all(|one| one.bias.is_none())
}

/// A projection whose matrix is held in bf16, with what [`Part`] borrows.
struct Held {
    weight: FlexTensor,
    bias: Option<FlexTensor>,
    adapter: Option<Adapter>,
}

impl Held {
    fn all(projections: &[Projection<'_, Flex>]) -> Vec<Self> {
        projections.iter().map(Self::of).collect()
    }

    fn of(Projection { weight, bias, lora }: &Projection<'_, Flex>) -> Self {
        let adapter =
            lora.map(|Lora { a, b, scale }| Adapter::new(slice(&packed(a)), slice(&packed(b)), a.dims()[1], *scale));
        let weight = held_in(weight, DType::BF16).expect("it is bf16");
        Self { weight, bias: bias.map(packed), adapter }
    }

    fn parts(all: &[Self]) -> Vec<Part<'_>> {
        all.iter().map(Self::part).collect()
    }

    fn part(&self) -> Part<'_> {
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

/// `out [n, outer] += x · Wᵀ` by a matrix that is held in 8 bits, in bf16 or in f32.
pub(super) fn add_product(x: &[f32], n: usize, weight: &Tensor<Flex, 2>, out: &mut [f32]) {
    let held = weight.clone().into_primitive().tensor();
    match weight.dtype() {
        DType::I8 => Weights8::of(&held).add_forward(x, out),
        DType::BF16 => Weights::of(&held).add_forward(x, out),
        DType::F32 if few::takes(n, out.len() / n, x.len() / n) && held.is_contiguous() => {
            few::add_product(x, slice(&held), x.len() / n, out);
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
