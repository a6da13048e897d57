//! Attention on the CPU without a full score matrix: tiles of queries against the columns they may see, one task per
//! row and key-value head, products by `gemm`. The backward pass recomputes each tile's probabilities from the
//! denominators that the forward pass kept (Dao 2023, FlashAttention-2, section 3.1.2).

use std::cell::RefCell;

use burn_flex::Flex;
use burn_tensor::Tensor;

use super::primitives::{
    Matrix, Shared, ask_for, exp, gemm, max_of, packed, slice, sum_of, tensor, vectorised, weighted_sum,
};
use super::team::{share_out, threads};
use crate::kernels::types::{Heads, Span};

/// Queries per tile: the scores of a tile over 2048 columns fit the second-level cache.
const TILE: usize = 64;

thread_local! {
    /// Scores of the task at work on this thread: a token's attention allocates nothing that grows with what it sees.
    static SCORES: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Sizes that every task needs.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    width: usize,
    columns: usize,
    /// Query heads of a key-value head.
    pub group: usize,
    pub dim: usize,
    query_channels: usize,
    pub key_channels: usize,
}

impl Sizes {
    pub fn new(width: usize, columns: usize, heads: Heads) -> Self {
        Self {
            width,
            columns,
            group: heads.query / heads.key_value,
            dim: heads.dim,
            query_channels: heads.query * heads.dim,
            key_channels: heads.key_value * heads.dim,
        }
    }

    /// What scores are multiplied by.
    pub fn scale(&self) -> f32 {
        (self.dim as f32).powf(-0.5)
    }

    /// Where row `b`'s query `t` of head `h` lies in the queries or the output.
    pub fn query(&self, b: usize, t: usize, h: usize) -> usize {
        (b * self.width + t) * self.query_channels + h * self.dim
    }

    /// Where row `b`'s columns of key-value head `g` begin, from column `first` on.
    pub fn key(&self, b: usize, first: usize, g: usize) -> usize {
        (b * self.columns + first) * self.key_channels + g * self.dim
    }
}

fn matrix(data: *const f32, rows: usize, columns: usize, stride: usize) -> Matrix {
    Matrix { data, rows, columns, row_stride: stride as isize, column_stride: 1 }
}

/// The query tiles of one row: first query, queries, and the columns seen by the tile's last query.
fn tiles(width: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..width).step_by(TILE).map(move |t| (t, TILE.min(width - t)))
}

/// Output `[rows · width, query channels]` and log-sum-exp `[rows, heads · width]`.
pub(super) fn forward(
    q: &Tensor<Flex, 2>,
    k: &Tensor<Flex, 3>,
    v: &Tensor<Flex, 3>,
    span: &Span<Flex>,
    heads: Heads,
) -> (Tensor<Flex, 2>, Tensor<Flex, 2>) {
    let (rows, width) = (span.rows(), span.width);
    let sizes = Sizes::new(width, k.dims()[1], heads);
    let (q, k, v) = (packed(q), packed(k), packed(v));
    let (q, k, v) = (slice(&q), slice(&k), slice(&v));
    let mut out = vec![0.0f32; rows * width * sizes.query_channels];
    let mut lse = vec![0.0f32; rows * heads.query * width];
    let (shared_out, shared_lse) = (Shared(out.as_mut_ptr()), Shared(lse.as_mut_ptr()));
    let scale = sizes.scale();

    // A row's task walks through its cache in the order of memory; few rows are shared out by heads.
    let parts = if width == 1 && rows >= 2 * threads() { 1 } else { heads.key_value };
    let attend = |task: usize, scores: &mut Vec<f32>| {
        let (b, g) = (task / parts, task % parts);
        let (start, at) = (span.start[b], span.at[b]);
        if width == 1 {
            let groups = g * heads.key_value / parts..(g + 1) * heads.key_value / parts;
            let queries = groups.start * sizes.group..groups.end * sizes.group;
            let seen = (at + 1).saturating_sub(start);
            if seen == 0 {
                return;
            }
            let from = sizes.key(b, start, groups.start);
            // SAFETY: this task alone writes the output and the denominators of its row and heads.
            let (out, lse) = unsafe {
                let out = shared_out.at(sizes.query(b, 0, queries.start));
                let lse = shared_lse.at(b * heads.query + queries.start);
                (
                    std::slice::from_raw_parts_mut(out, queries.len() * sizes.dim),
                    std::slice::from_raw_parts_mut(lse, queries.len()),
                )
            };
            let q = &q[sizes.query(b, 0, queries.start)..][..queries.len() * sizes.dim];
            scores.resize(queries.len() * seen, 0.0);
            return vectorised(
                #[inline(always)]
                || one_query(q, &k[from..], &v[from..], scores, out, lse, sizes, scale),
            );
        }
        for h in g * sizes.group..(g + 1) * sizes.group {
            for (t, queries) in tiles(width) {
                let seen = (at + t + queries).saturating_sub(start);
                if seen == 0 {
                    continue;
                }
                scores.resize(queries * seen, 0.0);
                let queries_at = matrix(&q[sizes.query(b, t, h)], queries, sizes.dim, sizes.query_channels);
                let keys = matrix(&k[sizes.key(b, start, g)], seen, sizes.dim, sizes.key_channels);
                let values = matrix(&v[sizes.key(b, start, g)], seen, sizes.dim, sizes.key_channels);
                // SAFETY: `scores` is queries x seen and local; q and k outlive the call.
                unsafe {
                    let p = scores.as_mut_ptr();
                    gemm(p, seen, false, queries_at, keys.transposed(), scale, gemm::Parallelism::None);
                }
                for (i, row) in scores.chunks_exact_mut(seen).enumerate() {
                    let visible = (at + t + i + 1).saturating_sub(start).min(seen);
                    let log_sum = vectorised(
                        #[inline(always)]
                        || softmax(row, visible),
                    );
                    // SAFETY: this task alone writes the denominators of its heads.
                    unsafe { *shared_lse.at((b * heads.query + h) * width + t + i) = log_sum };
                }
                // SAFETY: this task alone writes the output of its row and heads.
                unsafe {
                    let probabilities = matrix(scores.as_ptr(), queries, seen, seen);
                    let out = shared_out.at(sizes.query(b, t, h));
                    gemm(out, sizes.query_channels, false, probabilities, values, 1.0, gemm::Parallelism::None);
                }
            }
        }
    };
    share_out(rows * parts, |task| SCORES.with_borrow_mut(|scores| attend(task, scores)));
    (tensor(out, [rows * width, sizes.query_channels]), tensor(lse, [rows, heads.query * width]))
}

/// One query of each head of some groups (decoding): keys and values are read once, and nothing is packed for products of one
/// row. `k` and `v` begin at the first column that is seen, at the first group; `scores` is `[heads, seen]`.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn one_query(
    q: &[f32],
    k: &[f32],
    v: &[f32],
    scores: &mut [f32],
    out: &mut [f32],
    lse: &mut [f32],
    sizes: Sizes,
    scale: f32,
) {
    let (dim, stride) = (sizes.dim, sizes.key_channels);
    /// Columns that are read while one comes from memory.
    const AHEAD: usize = 12;
    let (seen, group) = (scores.len() / lse.len(), sizes.group * dim);
    let read = q.len() / sizes.group * size_of::<f32>();
    for c in 0..seen {
        ask_for(k.as_ptr().wrapping_add((c + AHEAD) * stride), read);
        ask_for(v.as_ptr().wrapping_add(c * stride), read);
        for (g, q) in q.chunks_exact(group).enumerate() {
            let key = &k[c * stride + g * dim..][..dim];
            for (h, q) in q.chunks_exact(dim).enumerate() {
                scores[(g * sizes.group + h) * seen + c] = sum_of([q, key], |[q, key]| q * key) * scale;
            }
        }
    }
    for (scores, lse) in scores.chunks_exact_mut(seen).zip(lse) {
        *lse = softmax(scores, seen);
    }
    for (h, (scores, out)) in scores.chunks_exact(seen).zip(out.chunks_exact_mut(dim)).enumerate() {
        weighted_sum(scores, &v[h / sizes.group * dim..], stride, out);
    }
}

/// Turns the first `visible` scores into probabilities and the rest into zeros; gives the log of the denominator.
#[inline(always)]
fn softmax(row: &mut [f32], visible: usize) -> f32 {
    let (seen, unseen) = row.split_at_mut(visible);
    unseen.fill(0.0);
    if seen.is_empty() {
        return 0.0;
    }
    let top = max_of(seen);
    for x in seen.iter_mut() {
        *x = exp(*x - top);
    }
    let sum = sum_of([seen], |[p]| p);
    let share = 1.0 / sum;
    for x in seen.iter_mut() {
        *x *= share;
    }
    top + sum.ln()
}

/// Gradients of q, k and v.
#[allow(clippy::too_many_arguments)]
pub(super) fn backward(
    dy: &Tensor<Flex, 2>,
    q: &Tensor<Flex, 2>,
    k: &Tensor<Flex, 3>,
    v: &Tensor<Flex, 3>,
    out: &Tensor<Flex, 2>,
    lse: &Tensor<Flex, 2>,
    span: &Span<Flex>,
    heads: Heads,
) -> (Tensor<Flex, 2>, Tensor<Flex, 3>, Tensor<Flex, 3>) {
    let (rows, width) = (span.rows(), span.width);
    let columns = k.dims()[1];
    let sizes = Sizes::new(width, columns, heads);
    let (dy, q, k, v, out, lse) = (packed(dy), packed(q), packed(k), packed(v), packed(out), packed(lse));
    let (dy, q, k, v, out, lse) = (slice(&dy), slice(&q), slice(&k), slice(&v), slice(&out), slice(&lse));
    let mut dq = vec![0.0f32; q.len()];
    let (mut dk, mut dv) = (vec![0.0f32; k.len()], vec![0.0f32; v.len()]);
    let (shared_dq, shared_dk, shared_dv) = (Shared(dq.as_mut_ptr()), Shared(dk.as_mut_ptr()), Shared(dv.as_mut_ptr()));
    let scale = sizes.scale();

    share_out(rows * heads.key_value, |task| {
        let (b, g) = (task / heads.key_value, task % heads.key_value);
        let (start, at) = (span.start[b], span.at[b]);
        let (mut p, mut dp) = (Vec::new(), Vec::new());
        for h in g * sizes.group..(g + 1) * sizes.group {
            for (t, queries) in tiles(width) {
                let seen = (at + t + queries).saturating_sub(start);
                if seen == 0 {
                    continue;
                }
                p.resize(queries * seen, 0.0);
                dp.resize(queries * seen, 0.0);
                let query_offset = sizes.query(b, t, h);
                let key_offset = sizes.key(b, start, g);
                let q_tile = matrix(&q[query_offset], queries, sizes.dim, sizes.query_channels);
                let dy_tile = matrix(&dy[query_offset], queries, sizes.dim, sizes.query_channels);
                let keys = matrix(&k[key_offset], seen, sizes.dim, sizes.key_channels);
                let values = matrix(&v[key_offset], seen, sizes.dim, sizes.key_channels);
                let serial = gemm::Parallelism::None;
                // SAFETY: p and dp are queries x seen and local; the inputs outlive the call.
                unsafe {
                    gemm(p.as_mut_ptr(), seen, false, q_tile, keys.transposed(), scale, serial);
                    gemm(dp.as_mut_ptr(), seen, false, dy_tile, values.transposed(), 1.0, serial);
                }
                for (i, (p, dp)) in p.chunks_exact_mut(seen).zip(dp.chunks_exact_mut(seen)).enumerate() {
                    let visible = (at + t + i + 1).saturating_sub(start).min(seen);
                    let log_sum = lse[(b * heads.query + h) * width + t + i];
                    let here = query_offset + i * sizes.query_channels;
                    let (dy, out) = (&dy[here..here + sizes.dim], &out[here..here + sizes.dim]);
                    vectorised(
                        #[inline(always)]
                        || {
                            // rowsum(P ∘ dP) = dO · O, without a pass over the scores.
                            let inner = sum_of([dy, out], |[dy, out]| dy * out);
                            for (p, dp) in p[..visible].iter_mut().zip(&mut dp[..visible]) {
                                *p = exp(*p - log_sum);
                                *dp = *p * (*dp - inner) * scale;
                            }
                            p[visible..].fill(0.0);
                            dp[visible..].fill(0.0);
                        },
                    );
                }
                let p_tile = matrix(p.as_ptr(), queries, seen, seen);
                let ds_tile = matrix(dp.as_ptr(), queries, seen, seen);
                // SAFETY: this task alone writes the gradients of its row and heads.
                unsafe {
                    let (dq, dk, dv) = (shared_dq.at(query_offset), shared_dk.at(key_offset), shared_dv.at(key_offset));
                    gemm(dq, sizes.query_channels, false, ds_tile, keys, 1.0, serial);
                    gemm(dk, sizes.key_channels, true, ds_tile.transposed(), q_tile, 1.0, serial);
                    gemm(dv, sizes.key_channels, true, p_tile.transposed(), dy_tile, 1.0, serial);
                }
            }
        }
    });
    let key_shape = [rows, columns, sizes.key_channels];
    (tensor(dq, [rows * width, sizes.query_channels]), tensor(dk, key_shape), tensor(dv, key_shape))
}
