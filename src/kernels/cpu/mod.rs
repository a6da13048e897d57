//! The CPU's versions: one pass over memory each, parallel over rows, vectorised at run time for the machine's widest instructions. Burn's own
//! unary operations and sums over a dimension run scalar on one thread, and its in-place writes copy. Everything here is f32, and frozen matrices may be in 16 or 8 bits; other dtypes take the composed body.

mod adapted;
#[cfg(target_arch = "x86_64")]
mod amx;
mod attention;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod bf16_attention;
mod cache;
mod engine;
mod few;
mod frozen;
mod gated;
mod in_bf16;
mod in_f32;
mod numbers;
mod primitives;
pub(super) mod profile;
mod projections;
mod q8;
mod rope;
mod sums;
mod team;
mod tiles;
#[cfg(target_arch = "x86_64")]
mod vnni;
mod weights;

use std::mem::MaybeUninit;

use burn_flex::{Flex, FlexTensor, Layout};
use burn_tensor::{Bytes, DType, Int, Shape, Tensor, TensorData};
use rayon::prelude::*;

use self::in_bf16::InBf16;
use self::primitives::*;
use self::profile::{Op, clock, passes, scores};
use self::q8::Weights8;
use self::rope::turned;
use self::team::{share_out_each, share_out_parts, threads};
use super::{AdamStep, FusedOps, Heads, Moments, Projection, ProjectionGrads, Span, Turn, composed};

#[cfg(test)]
pub(crate) use sums::IN_PANELS;

/// Whether this processor multiplies bf16 at twice the rate of f32 or more.
pub fn multiplies_bf16() -> bool {
    InBf16::of_this_machine().is_some()
}

impl FusedOps for Flex {
    const COMPOSES_ATTENTION: bool = false;
    const HOLDS_Q8: bool = true;

    fn hold_q8(matrix: TensorData, _: &Self::Device) -> Tensor<Self, 2> {
        let [outer, inner] = [matrix.shape[0], matrix.shape[1]];
        let bytes = q8::quantised(&matrix.iter::<f32>().collect::<Vec<_>>(), inner);
        let layout = Layout::contiguous(Shape::from([outer, bytes.len() / outer]));
        wrap(FlexTensor::new(Bytes::from_elems(bytes), layout, DType::I8))
    }

    fn rows_of(matrix: &Tensor<Self, 2>, ids: &Tensor<Self, 1, Int>) -> Tensor<Self, 2> {
        let _clock =
            clock(Op::LookUp, (0, ids.dims()[0] * matrix.dims()[1] * (size_of::<f32>() + matrix.dtype().size())));
        let Some(held) = held_in(matrix, DType::I8) else { return composed::rows_of(matrix, ids) };
        let ids: Vec<usize> = ids.clone().into_data().iter::<i64>().map(|id| id as usize).collect();
        let mut rows = Vec::new();
        Weights8::of(&held).widen(ids.iter().copied(), &mut rows);
        let inner = rows.len() / ids.len().max(1);
        tensor(rows, [ids.len(), inner])
    }

    fn side_by_side<T: Send, R: Send>(pieces: Vec<T>, work: impl Fn(T) -> R + Sync + Send) -> Vec<R> {
        pieces.into_par_iter().map(work).collect()
    }

    fn at_once(tokens: usize, hidden: usize) -> usize {
        if tokens * hidden * hidden >= FILLS_THE_CORES { 1 } else { threads() }
    }

    const VIEW_BYTES: usize = 1;
    // Where it pays, `project_at_once` makes one product.
    const STACKS: bool = false;
    fn project_at_once(
        x: &Tensor<Self, 2>,
        stack: Option<&Tensor<Self, 2>>,
        projections: &[Projection<'_, Self>],
    ) -> Option<Vec<Tensor<Self, 2>>> {
        projections::forward(x, stack, projections)
    }

    fn add_mlp_at_once(
        sum: &Tensor<Self, 2>,
        x: &Tensor<Self, 2>,
        projections: &[Projection<'_, Self>; 3],
    ) -> Option<Tensor<Self, 2>> {
        projections::add_mlp(sum, x, projections)
    }

    fn add_projection(
        sum: &Tensor<Self, 2>,
        x: &Tensor<Self, 2>,
        projection: &Projection<'_, Self>,
    ) -> Tensor<Self, 2> {
        let one = std::slice::from_ref(projection);
        projections::add_forward(sum, x, one).unwrap_or_else(|| sum.clone() + Self::project(x, None, one).remove(0))
    }

    fn project_backward_at_once(
        x: &Tensor<Self, 2>,
        dys: &[Tensor<Self, 2>],
        projections: &[Projection<'_, Self>],
        learns: bool,
    ) -> Option<ProjectionGrads<Self>> {
        projections::backward(x, dys, projections, learns)
    }

    fn affine(x: &Tensor<Self, 2>, weight: &Tensor<Self, 2>, bias: Option<&Tensor<Self, 1>>) -> Tensor<Self, 2> {
        if let Some(mut ys) = projections::forward(x, None, &[Projection { weight, bias, lora: None }]) {
            return ys.remove(0);
        }
        let _clock = clock(Op::Product, projections::product(x.dims(), weight));
        let ([n, inner], [outer, _]) = (x.dims(), weight.dims());
        let is_held = held_in(weight, DType::I8).is_some();
        if !is_f32(x) || !(is_f32(weight) || is_held) {
            return composed::affine(x, weight, bias);
        }
        if bias.is_some() || is_held {
            let mut out = bias.map_or_else(|| vec![0.0; n * outer], |bias| slice(&packed(bias)).repeat(n));
            projections::add_product(slice(&packed(x)), n, weight, &mut out);
            return tensor(out, [n, outer]);
        }
        let (x, weight) = (x.clone().into_primitive().tensor(), weight.clone().into_primitive().tensor());
        let (a, b) = (Matrix::of(&x), Matrix::of(&weight).transposed());
        let parallelism = parallelism(n, outer, inner);
        // SAFETY: the product writes all of `out`, which is n x outer, and reads none of it; a and b borrow live tensors.
        let out = unsafe { written(n * outer, |out| gemm(out, outer, false, a, b, 1.0, parallelism)) };
        tensor(out, [n, outer])
    }

    fn matmul(a: &Tensor<Self, 2>, b: &Tensor<Self, 2>, alpha: f32) -> Tensor<Self, 2> {
        let shape = [a.dims()[0], b.dims()[1]];
        if !is_f32(a) || !is_f32(b) {
            return Self::add_matmul(Tensor::zeros(shape, (&a.device(), DType::F32)), a, b, alpha);
        }
        let _clock = clock(Op::ProductBackward, projections::product(a.dims(), b));
        let (a, b) = (a.clone().into_primitive().tensor(), b.clone().into_primitive().tensor());
        let (ma, mb) = (Matrix::of(&a), Matrix::of(&b));
        let parallelism = parallelism(ma.rows, mb.columns, ma.columns);
        let n = ma.rows * mb.columns;
        // SAFETY: the product writes all of `out` and reads none of it; a and b borrow live tensors.
        let out = unsafe { written(n, |out| gemm(out, mb.columns, false, ma, mb, alpha, parallelism)) };
        tensor(out, shape)
    }

    fn add_matmul(sum: Tensor<Self, 2>, a: &Tensor<Self, 2>, b: &Tensor<Self, 2>, alpha: f32) -> Tensor<Self, 2> {
        let _clock = clock(Op::ProductBackward, projections::product(a.dims(), b));
        if !is_f32(&sum) || !is_f32(a) {
            return composed::add_matmul(sum, a, b, alpha);
        }
        let mut sum = own(sum);
        if projections::add_backward(slice(&packed(a)), b, alpha, sum.storage_mut::<f32>()) {
            return wrap(sum);
        }
        if !is_f32(b) {
            return composed::add_matmul(wrap(sum), a, b, alpha);
        }
        let (a, b) = (a.clone().into_primitive().tensor(), b.clone().into_primitive().tensor());
        let (ma, mb) = (Matrix::of(&a), Matrix::of(&b));
        let out = sum.storage_mut::<f32>();
        let parallelism = parallelism(ma.rows, mb.columns, ma.columns);
        // SAFETY: `own` made `out` packed and ours; a and b borrow live tensors.
        unsafe { gemm(out.as_mut_ptr(), mb.columns, true, ma, mb, alpha, parallelism) };
        wrap(sum)
    }

    fn rms_norm(x: &Tensor<Self, 2>, gain: &Tensor<Self, 1>, epsilon: f32) -> Tensor<Self, 2> {
        let _clock = clock(Op::Norm, passes(x, 4, 2));
        let [n, d] = x.dims();
        let (x, gain) = (packed(x), packed(gain));
        let norms = |out: &mut [MaybeUninit<f32>]| {
            let part = d * rows_per_task(d);
            share_out_parts(out, part, |index, out| {
                vectorised(
                    #[inline(always)]
                    || {
                        for (out, x) in out.chunks_exact_mut(d).zip(slice(&x)[index * part..].chunks_exact(d)) {
                            let r = inverse_rms(x, epsilon);
                            for ((o, x), g) in out.iter_mut().zip(x).zip(slice(&gain)) {
                                o.write(x * r * g);
                            }
                        }
                    },
                )
            });
        };
        // SAFETY: every row is written whole.
        tensor(unsafe { filled(n * d, norms) }, [n, d])
    }

    fn rms_norm_backward(
        dy: &Tensor<Self, 2>,
        x: &Tensor<Self, 2>,
        gain: &Tensor<Self, 1>,
        epsilon: f32,
        residual: Tensor<Self, 2>,
        want_gain: bool,
    ) -> (Tensor<Self, 2>, Option<Tensor<Self, 1>>) {
        let _clock = clock(Op::Norm, passes(x, 10, 4));
        let d = x.dims()[1];
        let (dy, x, gain) = (packed(dy), packed(x), packed(gain));
        let (dys, xs, gains) = (slice(&dy), slice(&x), slice(&gain));
        let mut out = own(residual);
        let part = d * rows_per_task(d);
        share_out_parts(out.storage_mut::<f32>(), part, |index, out| {
            let from = index * part;
            vectorised(
                #[inline(always)]
                || {
                    let rows = dys[from..].chunks_exact(d).zip(xs[from..].chunks_exact(d));
                    for (out, (dy, x)) in out.chunks_exact_mut(d).zip(rows) {
                        let r = inverse_rms(x, epsilon);
                        let inner = sum_of([x, dy, gains], |[x, dy, gain]| x * dy * gain) * r * r / d as f32;
                        for ((out, x), (dy, gain)) in out.iter_mut().zip(x).zip(dy.iter().zip(gains)) {
                            *out += r * (gain * dy - x * inner);
                        }
                    }
                },
            )
        });
        let dgain = want_gain.then(|| {
            let mut sum = vec![0.0f32; d];
            for (dy, x) in dys.chunks(d).zip(xs.chunks(d)) {
                vectorised(
                    #[inline(always)]
                    || {
                        let r = inverse_rms(x, epsilon);
                        for (sum, (dy, x)) in sum.iter_mut().zip(dy.iter().zip(x)) {
                            *sum += dy * x * r;
                        }
                    },
                );
            }
            tensor(sum, [d])
        });
        (wrap(out), dgain)
    }

    fn swiglu(gate: &Tensor<Self, 2>, up: &Tensor<Self, 2>) -> Tensor<Self, 2> {
        let _clock = clock(Op::Gate, passes(gate, 4, 3));
        let shape = gate.dims();
        let (gate, up) = (packed(gate), packed(up));
        let chunk = ELEMENTS_PER_TASK;
        let gated = |out: &mut [MaybeUninit<f32>]| {
            share_out_parts(out, chunk, |part, out| {
                let (gate, up) = (&slice(&gate)[part * chunk..], &slice(&up)[part * chunk..]);
                vectorised(
                    #[inline(always)]
                    || {
                        for ((o, g), u) in out.iter_mut().zip(gate).zip(up) {
                            o.write(g / (1.0 + exp(-g)) * u);
                        }
                    },
                )
            });
        };
        // SAFETY: every part is written whole.
        tensor(unsafe { filled(shape[0] * shape[1], gated) }, shape)
    }

    fn swiglu_backward(
        dy: &Tensor<Self, 2>,
        gate: &Tensor<Self, 2>,
        up: &Tensor<Self, 2>,
    ) -> (Tensor<Self, 2>, Tensor<Self, 2>) {
        let _clock = clock(Op::Gate, passes(gate, 9, 5));
        let shape = gate.dims();
        let (dy, gate, up) = (packed(dy), packed(gate), packed(up));
        let (n, chunk) = (shape[0] * shape[1], ELEMENTS_PER_TASK);
        let mut dup = Vec::with_capacity(n);
        let both = |dgate: &mut [MaybeUninit<f32>]| {
            let dup = dup.spare_capacity_mut()[..n].chunks_mut(chunk);
            share_out_each(dgate.chunks_mut(chunk).zip(dup), |part, (dgate, dup)| {
                let from = part * chunk;
                let (dy, gate, up) = (&slice(&dy)[from..], &slice(&gate)[from..], &slice(&up)[from..]);
                vectorised(
                    #[inline(always)]
                    || {
                        let places = dgate.iter_mut().zip(dup.iter_mut()).zip(dy.iter().zip(gate).zip(up));
                        for ((dgate, dup), ((dy, gate), up)) in places {
                            let s = 1.0 / (1.0 + exp(-gate));
                            dgate.write(dy * up * s * (1.0 + gate * (1.0 - s)));
                            dup.write(dy * gate * s);
                        }
                    },
                )
            });
        };
        // SAFETY: every part of both is written whole.
        let dgate = unsafe { filled(n, both) };
        // SAFETY: as above.
        unsafe { dup.set_len(n) };
        (tensor(dgate, shape), tensor(dup, shape))
    }

    fn rope(
        q: Tensor<Self, 2>,
        k: Tensor<Self, 2>,
        angles: &Tensor<Self, 2>,
        turn: Turn,
    ) -> (Tensor<Self, 2>, Tensor<Self, 2>) {
        (turned(q, angles, turn), turned(k, angles, turn))
    }

    fn key_dtype(weights: DType, dim: usize) -> DType {
        if weights == DType::BF16 && bf16_attention::takes(dim) { DType::BF16 } else { DType::F32 }
    }

    fn hold_keys(keys: Tensor<Self, 3>, dtype: DType) -> Tensor<Self, 3> {
        cache::hold_keys(keys, dtype)
    }

    fn causal_attention(
        q: &Tensor<Self, 2>,
        k: &Tensor<Self, 3>,
        v: &Tensor<Self, 3>,
        span: &Span<Self>,
        heads: Heads,
    ) -> (Tensor<Self, 2>, Option<Tensor<Self, 2>>) {
        let _clock = clock(Op::Attention, scores(q, span, heads, 2));
        if let (Some(k), Some(v)) = (held_in(k, DType::BF16), held_in(v, DType::BF16)) {
            let (shape, columns) = (q.dims(), k.layout().shape()[1]);
            let out = bf16_attention::forward(slice(&packed(q)), bf16_slice(&k), bf16_slice(&v), columns, span, heads);
            return (tensor(out, shape), None);
        }
        let (out, lse) = attention::forward(q, k, v, span, heads);
        (out, Some(lse))
    }

    fn causal_attention_backward(
        dy: &Tensor<Self, 2>,
        q: &Tensor<Self, 2>,
        k: &Tensor<Self, 3>,
        v: &Tensor<Self, 3>,
        out: &Tensor<Self, 2>,
        lse: Option<&Tensor<Self, 2>>,
        span: &Span<Self>,
        heads: Heads,
    ) -> (Tensor<Self, 2>, Tensor<Self, 3>, Tensor<Self, 3>) {
        let _clock = clock(Op::AttentionBackward, scores(q, span, heads, 5));
        let lse = lse.expect("the forward pass keeps its denominators");
        attention::backward(dy, q, k, v, out, lse, span, heads)
    }

    fn cache_write(cache: Tensor<Self, 3>, new: &Tensor<Self, 3>, span: &Span<Self>) -> Tensor<Self, 3> {
        cache::write(cache, new, span)
    }

    fn cache_put(cache: Tensor<Self, 3>, rows: &[usize], new: &Tensor<Self, 3>) -> Tensor<Self, 3> {
        cache::put(cache, rows, new)
    }

    fn cross_entropy(
        logits: Tensor<Self, 2>,
        targets: &Tensor<Self, 1, Int>,
        weights: &Tensor<Self, 1>,
    ) -> (Tensor<Self, 1>, Tensor<Self, 2>) {
        let _clock = clock(Op::Loss, passes(&logits, 4, 4));
        let [_, vocabulary] = logits.dims();
        let targets: Vec<i32> = targets.clone().into_data().iter::<i32>().collect();
        let weights = packed(weights);
        let mut logits = own(logits);
        let mut losses = vec![0.0f32; targets.len()];
        let rows = logits.storage_mut::<f32>().chunks_exact_mut(vocabulary);
        share_out_each(rows.zip(&mut losses), |index, (row, loss)| {
            let (target, weight) = (targets[index] as usize, slice(&weights)[index]);
            vectorised(
                #[inline(always)]
                || {
                    let (top, aim) = (max_of(row), row[target]);
                    for x in row.iter_mut() {
                        *x = exp(*x - top);
                    }
                    let sum = sum_of([row], |[x]| x);
                    let share = weight / sum;
                    for x in row.iter_mut() {
                        *x *= share;
                    }
                    row[target] -= weight;
                    **loss = weight * (top + sum.ln() - aim);
                },
            )
        });
        (tensor(vec![losses.iter().sum()], [1]), wrap(logits))
    }

    fn scatter_rows(dy: &Tensor<Self, 2>, ids: &Tensor<Self, 1, Int>, vocabulary: usize) -> Tensor<Self, 2> {
        let _clock = clock(Op::LookUp, passes(dy, 1, 3));
        let d = dy.dims()[1];
        let dy = packed(dy);
        let mut out = vec![0.0; vocabulary * d];
        for (dy, id) in slice(&dy).chunks_exact(d).zip(ids.clone().into_data().iter::<i64>()) {
            let row = &mut out[id as usize * d..][..d];
            vectorised(
                #[inline(always)]
                || row.iter_mut().zip(dy).for_each(|(o, x)| *o += x),
            );
        }
        tensor(out, [vocabulary, d])
    }

    fn adamw<const D: usize>(
        (value, first, second): Moments<Self, D>,
        gradient: &Tensor<Self, D>,
        scale: &Tensor<Self, 1>,
        step: AdamStep,
    ) -> Moments<Self, D> {
        let _clock = clock(Op::Optimiser, passes(gradient, 12, 7));
        let scale = slice(&packed(scale))[0];
        let gradient = packed(gradient);
        let (mut value, mut first, mut second) = (own(value), own(first), own(second));
        let (bias1, bias2) = step.bias_corrections();
        let (keep1, new1) = (step.beta1 as f32, (1.0 - step.beta1) as f32);
        let (keep2, new2) = (step.beta2 as f32, (1.0 - step.beta2) as f32);
        let (root, rate) = ((1.0 / bias2.sqrt()) as f32, (step.lr / bias1) as f32);
        let (decay, epsilon) = ((1.0 - step.lr * step.weight_decay) as f32, step.epsilon as f32);
        let chunk = ELEMENTS_PER_TASK;
        let parts = value.storage_mut::<f32>().chunks_mut(chunk).zip(first.storage_mut::<f32>().chunks_mut(chunk));
        let parts = parts.zip(second.storage_mut::<f32>().chunks_mut(chunk)).zip(slice(&gradient).chunks(chunk));
        share_out_each(parts, |_, (((value, first), second), gradient)| {
            vectorised(
                #[inline(always)]
                || {
                    for i in 0..value.len() {
                        let g = gradient[i] * scale;
                        first[i] = first[i] * keep1 + g * new1;
                        second[i] = second[i] * keep2 + g * g * new2;
                        value[i] = value[i] * decay - rate * first[i] / (second[i].sqrt() * root + epsilon);
                    }
                },
            )
        });
        (wrap(value), wrap(first), wrap(second))
    }
}

#[inline(always)]
fn inverse_rms(x: &[f32], epsilon: f32) -> f32 {
    (sum_of([x], |[x]| x * x) / x.len() as f32 + epsilon).sqrt().recip()
}
