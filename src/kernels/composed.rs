//! Every fused operation in plain tensor code: the reference for the native versions, and what runs where there is none.

use burn_tensor::activation::{sigmoid, softmax};
use burn_tensor::backend::Backend;
use burn_tensor::{Bool, DType, IndexingUpdateOp, Int, Tensor, TensorData};

use super::types::{AdamStep, CANDIDATES, Candidates, Draw, Heads, Moments, Span, Turn};

/// Runs a matrix product in the weight's dtype and returns to the activation's: frozen weights may be bf16 or f16
/// while the residual stream stays f32. Burn neither promotes nor checks mixed dtypes, so every boundary casts.
fn in_dtype<B: Backend>(x: &Tensor<B, 2>, dtype: DType) -> Tensor<B, 2> {
    if x.dtype() == dtype { x.clone() } else { x.clone().cast(dtype) }
}

pub fn affine<B: Backend>(x: &Tensor<B, 2>, weight: &Tensor<B, 2>, bias: Option<&Tensor<B, 1>>) -> Tensor<B, 2> {
    let y = in_dtype(x, weight.dtype()).matmul(weight.clone().transpose());
    let y = in_dtype(&y, x.dtype());
    match bias {
        Some(bias) => y + bias.clone().unsqueeze(),
        None => y,
    }
}

pub fn rows_of<B: Backend>(matrix: &Tensor<B, 2>, ids: &Tensor<B, 1, Int>) -> Tensor<B, 2> {
    let rows = matrix.clone().select(0, ids.clone());
    if rows.dtype() == DType::F32 { rows } else { rows.cast(DType::F32) }
}

pub fn add_matmul<B: Backend>(sum: Tensor<B, 2>, a: &Tensor<B, 2>, b: &Tensor<B, 2>, alpha: f32) -> Tensor<B, 2> {
    let product = in_dtype(a, b.dtype()).matmul(b.clone());
    let product = in_dtype(&product, sum.dtype());
    if alpha == 1.0 { sum + product } else { sum + product.mul_scalar(alpha) }
}

pub fn sum_of_squares<B: Backend>(tensors: &[Tensor<B, 1>]) -> Tensor<B, 1> {
    tensors.iter().map(|x| x.clone().powi_scalar(2).sum()).reduce(|a, b| a + b).expect("there is a tensor")
}

fn inverse_rms<B: Backend>(x: &Tensor<B, 2>, epsilon: f32) -> Tensor<B, 2> {
    x.clone().powi_scalar(2).mean_dim(1).add_scalar(epsilon).sqrt().recip()
}

pub fn rms_norm<B: Backend>(x: &Tensor<B, 2>, gain: &Tensor<B, 1>, epsilon: f32) -> Tensor<B, 2> {
    x.clone() * inverse_rms(x, epsilon) * gain.clone().unsqueeze()
}

/// With r = 1 / rms(x) and n = x · r: `dx = r · (g·dy - n · mean(n · g·dy))`, `dg = Σ_tokens dy · n`.
pub fn rms_norm_backward<B: Backend>(
    dy: &Tensor<B, 2>,
    x: &Tensor<B, 2>,
    gain: &Tensor<B, 1>,
    epsilon: f32,
    residual: Tensor<B, 2>,
    want_gain: bool,
) -> (Tensor<B, 2>, Option<Tensor<B, 1>>) {
    let r = inverse_rms(x, epsilon);
    let n = x.clone() * r.clone();
    let gdy = dy.clone() * gain.clone().unsqueeze();
    let dgain = want_gain.then(|| (dy.clone() * n.clone()).sum_dim(0).squeeze_dim(0));
    let inner = (n.clone() * gdy.clone()).mean_dim(1);
    (residual + (gdy - n * inner) * r, dgain)
}

pub fn swiglu<B: Backend>(gate: &Tensor<B, 2>, up: &Tensor<B, 2>) -> Tensor<B, 2> {
    gate.clone() * sigmoid(gate.clone()) * up.clone()
}

/// With s = sigmoid(gate): `dgate = dy · up · s (1 + gate (1 - s))`, `dup = dy · gate · s`.
pub fn swiglu_backward<B: Backend>(
    dy: &Tensor<B, 2>,
    gate: &Tensor<B, 2>,
    up: &Tensor<B, 2>,
) -> (Tensor<B, 2>, Tensor<B, 2>) {
    let s = sigmoid(gate.clone());
    let silu = gate.clone() * s.clone();
    let slope = s.clone() + silu.clone() * s.neg().add_scalar(1.0);
    (dy.clone() * up.clone() * slope, dy.clone() * silu)
}

pub fn rope<B: Backend>(x: Tensor<B, 2>, angles: &Tensor<B, 2>, turn: Turn) -> Tensor<B, 2> {
    let ([n, channels], [_, dim]) = (x.dims(), angles.dims());
    let (heads, half) = (channels / dim, dim / 2);
    let x = x.reshape([n, heads, 2, half]);
    let first = x.clone().narrow(2, 0, 1);
    let second = x.narrow(2, 1, 1);
    let cos = angles.clone().narrow(1, 0, half).reshape([n, 1, 1, half]);
    let sin = angles.clone().narrow(1, half, half).reshape([n, 1, 1, half]) * turn.sign();
    let turned_first = first.clone() * cos.clone() - second.clone() * sin.clone();
    let turned_second = second * cos + first * sin;
    Tensor::cat(vec![turned_first, turned_second], 2).reshape([n, channels])
}

/// True where a query must not look: `[rows, 1, width, columns]`.
pub fn hidden<B: Backend>(
    start: &[usize],
    at: &[usize],
    width: usize,
    columns: usize,
    device: &B::Device,
) -> Tensor<B, 4, Bool> {
    let rows = start.len();
    let ints =
        |values: Vec<i32>, shape: [usize; 4]| Tensor::<B, 4, Int>::from_data(TensorData::new(values, shape), device);
    let column = ints((0..columns as i32).collect(), [1, 1, 1, columns]).expand([rows, 1, width, columns]);
    let last = at.iter().flat_map(|&a| (0..width).map(move |t| (a + t) as i32)).collect();
    let last = ints(last, [rows, 1, width, 1]).expand([rows, 1, width, columns]);
    let first = ints(start.iter().map(|&s| s as i32).collect(), [rows, 1, 1, 1]).expand([rows, 1, width, columns]);
    column.clone().greater(last).bool_or(column.lower(first))
}

/// Finite, so that a row with nothing to look at stays a number (its output is never used).
const HIDDEN_SCORE: f32 = -1e9;

/// Queries as `[rows, key_value, group · width, dim]`, keys or values as `[rows, key_value, columns, dim]`.
fn split_queries<B: Backend>(q: &Tensor<B, 2>, rows: usize, width: usize, heads: Heads) -> Tensor<B, 4> {
    let group = heads.query / heads.key_value;
    q.clone().reshape([rows, width, heads.key_value, group, heads.dim]).permute([0, 2, 3, 1, 4]).reshape([
        rows,
        heads.key_value,
        group * width,
        heads.dim,
    ])
}

fn join_queries<B: Backend>(q: Tensor<B, 4>, width: usize, heads: Heads) -> Tensor<B, 2> {
    let rows = q.dims()[0];
    let group = heads.query / heads.key_value;
    q.reshape([rows, heads.key_value, group, width, heads.dim])
        .permute([0, 3, 1, 2, 4])
        .reshape([rows * width, heads.query * heads.dim])
}

fn split_keys<B: Backend>(k: &Tensor<B, 3>, heads: Heads) -> Tensor<B, 4> {
    let [rows, columns, _] = k.dims();
    k.clone().reshape([rows, columns, heads.key_value, heads.dim]).swap_dims(1, 2)
}

fn join_keys<B: Backend>(k: Tensor<B, 4>) -> Tensor<B, 3> {
    let [rows, key_value, columns, dim] = k.dims();
    k.swap_dims(1, 2).reshape([rows, columns, key_value * dim])
}

/// Queries that attend together: from which on, how many, and how many columns they may see.
struct Tile {
    from: usize,
    queries: usize,
    seen: usize,
}

impl Tile {
    /// The tiles of a pass whose scores have at most `scores_max` elements each: one tile of everything where that is
    /// enough.
    fn all<B: Backend>(span: &Span<B>, columns: usize, heads: Heads, scores_max: usize) -> Vec<Self> {
        let (rows, width) = (span.rows(), span.width);
        let queries = (scores_max / (rows * heads.query * columns).max(1)).clamp(1, width.max(1));
        if queries >= width {
            return vec![Self { from: 0, queries: width, seen: columns }];
        }
        let last = span.at.iter().max().copied().unwrap_or(0);
        let tile = |from: usize| {
            let queries = queries.min(width - from);
            // Nobody looks beyond the last query's own column.
            Self { from, queries, seen: (last + from + queries).min(columns) }
        };
        (0..width).step_by(queries).map(tile).collect()
    }

    /// Its rows of `[rows · width, channels]`.
    fn of_queries<B: Backend>(&self, q: &Tensor<B, 2>, rows: usize) -> Tensor<B, 2> {
        let [n, channels] = q.dims();
        if self.queries * rows == n {
            return q.clone();
        }
        let tile = q.clone().reshape([rows, n / rows, channels]).narrow(1, self.from, self.queries);
        tile.reshape([rows * self.queries, channels])
    }

    /// The columns that it sees of `[rows, columns, channels]`.
    fn of_keys<B: Backend>(&self, k: &Tensor<B, 3>) -> Tensor<B, 3> {
        if self.seen == k.dims()[1] { k.clone() } else { k.clone().narrow(1, 0, self.seen) }
    }

    fn hidden<B: Backend>(&self, span: &Span<B>, device: &B::Device) -> Tensor<B, 4, Bool> {
        match &span.hidden {
            Some(whole) if self.queries == span.width => whole.clone(),
            Some(whole) => whole.clone().narrow(2, self.from, self.queries).narrow(3, 0, self.seen),
            None => {
                let at: Vec<usize> = span.at.iter().map(|at| at + self.from).collect();
                hidden(&span.start, &at, self.queries, self.seen, device)
            }
        }
    }
}

/// Puts the tiles' rows together again: `[rows · queries, channels]` each, to `[rows · width, channels]`.
fn join_tiles<B: Backend>(mut tiles: Vec<Tensor<B, 2>>, rows: usize) -> Tensor<B, 2> {
    if tiles.len() == 1 {
        return tiles.remove(0);
    }
    let channels = tiles[0].dims()[1];
    let by_row = |tile: Tensor<B, 2>| {
        let queries = tile.dims()[0] / rows;
        tile.reshape([rows, queries, channels])
    };
    let whole = Tensor::cat(tiles.into_iter().map(by_row).collect(), 1);
    let width = whole.dims()[1];
    whole.reshape([rows * width, channels])
}

/// `sum + part`, where part holds the first columns alone.
fn add_columns<B: Backend>(sum: Option<Tensor<B, 3>>, part: Tensor<B, 3>, columns: usize) -> Tensor<B, 3> {
    let [rows, seen, channels] = part.dims();
    let part = match columns - seen {
        0 => part,
        rest => Tensor::cat(vec![part.clone(), Tensor::zeros([rows, rest, channels], &part.device())], 1),
    };
    match sum {
        Some(sum) => sum + part,
        None => part,
    }
}

/// Softmax of the scores of `q [rows, key_value, group · queries, dim]` against `k [rows, key_value, columns, dim]`.
fn probabilities<B: Backend>(
    q: &Tensor<B, 4>,
    k: &Tensor<B, 4>,
    hidden: Tensor<B, 4, Bool>,
    heads: Heads,
) -> Tensor<B, 4> {
    let [rows, key_value, queries, dim] = q.dims();
    let columns = k.dims()[2];
    let width = hidden.dims()[2];
    let scores = q.clone().matmul(k.clone().swap_dims(2, 3)).mul_scalar((dim as f32).powf(-0.5));
    let scores = scores.reshape([rows, heads.query, width, columns]);
    let scores = scores.mask_fill(hidden.expand([rows, heads.query, width, columns]), HIDDEN_SCORE);
    softmax(scores, 3).reshape([rows, key_value, queries, columns])
}

/// Attention in tiles of queries, each with at most `scores_max` scores at a time.
pub fn causal_attention<B: Backend>(
    q: &Tensor<B, 2>,
    k: &Tensor<B, 3>,
    v: &Tensor<B, 3>,
    span: &Span<B>,
    heads: Heads,
    scores_max: usize,
) -> Tensor<B, 2> {
    let rows = span.rows();
    let attend = |tile: Tile| {
        let q = split_queries(&tile.of_queries(q, rows), rows, tile.queries, heads);
        let (k, v) = (split_keys(&tile.of_keys(k), heads), split_keys(&tile.of_keys(v), heads));
        let p = probabilities(&q, &k, tile.hidden(span, &q.device()), heads);
        join_queries(p.matmul(v), tile.queries, heads)
    };
    let tiles = Tile::all(span, k.dims()[1], heads, scores_max);
    join_tiles(tiles.into_iter().map(attend).collect(), rows)
}

/// `dV = Pᵀ dO`, `dS = P ∘ (dO Vᵀ - rowsum(P ∘ dO Vᵀ))`, `dQ = dS K / √d`, `dK = dSᵀ Q / √d`, tile by tile of queries. The
/// group's queries are rows of one matrix, so the sum over a group's heads comes with the product.
pub fn causal_attention_backward<B: Backend>(
    dy: &Tensor<B, 2>,
    q: &Tensor<B, 2>,
    k: &Tensor<B, 3>,
    v: &Tensor<B, 3>,
    span: &Span<B>,
    heads: Heads,
    scores_max: usize,
) -> (Tensor<B, 2>, Tensor<B, 3>, Tensor<B, 3>) {
    let (rows, columns) = (span.rows(), k.dims()[1]);
    let scale = (heads.dim as f32).powf(-0.5);
    let (mut dq, mut dk, mut dv) = (Vec::new(), None, None);
    for tile in Tile::all(span, columns, heads, scores_max) {
        let q = split_queries(&tile.of_queries(q, rows), rows, tile.queries, heads);
        let dy = split_queries(&tile.of_queries(dy, rows), rows, tile.queries, heads);
        let (k, v) = (split_keys(&tile.of_keys(k), heads), split_keys(&tile.of_keys(v), heads));
        let p = probabilities(&q, &k, tile.hidden(span, &q.device()), heads);
        dv = Some(add_columns(dv, join_keys(p.clone().swap_dims(2, 3).matmul(dy.clone())), columns));
        let dp = dy.matmul(v.swap_dims(2, 3));
        let inner = (p.clone() * dp.clone()).sum_dim(3);
        let ds = (p * (dp - inner)).mul_scalar(scale);
        dk = Some(add_columns(dk, join_keys(ds.clone().swap_dims(2, 3).matmul(q)), columns));
        dq.push(join_queries(ds.matmul(k), tile.queries, heads));
    }
    let whole = "a pass has queries";
    (join_tiles(dq, rows), dk.expect(whole), dv.expect(whole))
}

pub fn cache_write<B: Backend>(cache: Tensor<B, 3>, new: &Tensor<B, 3>, at: &[usize]) -> Tensor<B, 3> {
    let [rows, width, channels] = new.dims();
    if at.iter().all(|&a| a == at[0]) {
        return cache.slice_assign([0..rows, at[0]..at[0] + width, 0..channels], new.clone());
    }
    // Ragged rows: every slot is written once in its life and starts at zero, so adding is writing.
    let [all, columns, _] = cache.dims();
    let slots: Vec<i32> =
        at.iter().enumerate().flat_map(|(b, &a)| (0..width).map(move |t| (b * columns + a + t) as i32)).collect();
    let slots = Tensor::<B, 1, Int>::from_data(TensorData::new(slots, [rows * width]), &cache.device());
    cache
        .reshape([all * columns, channels])
        .select_assign(0, slots, new.clone().reshape([rows * width, channels]), IndexingUpdateOp::Add)
        .reshape([all, columns, channels])
}

pub fn cache_put<B: Backend>(mut cache: Tensor<B, 3>, rows: &[usize], new: &Tensor<B, 3>) -> Tensor<B, 3> {
    let ([_, columns, channels], [_, width, _]) = (cache.dims(), new.dims());
    for (i, &row) in rows.iter().enumerate() {
        let one = new.clone().narrow(0, i, 1);
        cache = cache.slice_assign([row..row + 1, 0..width, 0..channels], one);
        // Not every backend takes a tensor without columns.
        if width < columns {
            let empty = Tensor::zeros([1, columns - width, channels], &cache.device());
            cache = cache.slice_assign([row..row + 1, width..columns, 0..channels], empty);
        }
    }
    cache
}

pub fn cross_entropy<B: Backend>(
    logits: Tensor<B, 2>,
    targets: &Tensor<B, 1, Int>,
    weights: &Tensor<B, 1>,
) -> (Tensor<B, 1>, Tensor<B, 2>) {
    let n = logits.dims()[0];
    let targets: Tensor<B, 2, Int> = targets.clone().reshape([n, 1]);
    let weights: Tensor<B, 2> = weights.clone().reshape([n, 1]);
    let top = logits.clone().max_dim(1);
    let exp = (logits.clone() - top.clone()).exp();
    let sum = exp.clone().sum_dim(1);
    let log_likelihood = logits.gather(1, targets.clone()) - top - sum.clone().log();
    let loss = (log_likelihood.neg() * weights.clone()).sum();
    let gradient = exp / sum * weights.clone();
    (loss, gradient.scatter(1, targets, weights.neg(), IndexingUpdateOp::Add))
}

/// On the host: plain tensor code has no draw, and no order among equals.
pub fn candidates<B: Backend>(logits: &Tensor<B, 2>, draws: &[Draw]) -> Vec<Candidates> {
    let vocabulary = logits.dims()[1];
    let logits: Vec<f32> = logits.to_data().iter::<f32>().collect();
    let of_row = |(logits, draw): (&[f32], &Draw)| {
        let top = logits.iter().copied().fold(f32::MIN, f32::max);
        let weights: Vec<f64> = logits.iter().map(|x| f64::from((x - top) * draw.sharpness()).exp()).collect();
        let sum: f64 = weights.iter().sum();
        let (mut below, mut drawn) = (0.0, 0);
        for (id, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
            drawn = id as u32;
            below += weight;
            if below > draw.uniform * sum {
                break;
            }
        }
        let mut ids: Vec<u32> = (0..vocabulary as u32).collect();
        ids.sort_by(|a, b| logits[*b as usize].total_cmp(&logits[*a as usize]).then(a.cmp(b)));
        ids.truncate(CANDIDATES);
        let logits = ids.iter().map(|&id| logits[id as usize]).collect();
        Candidates { top, sum: sum as f32, drawn, logits, ids }
    };
    logits.chunks(vocabulary.max(1)).zip(draws).map(of_row).collect()
}

pub fn scatter_rows<B: Backend>(dy: &Tensor<B, 2>, ids: &Tensor<B, 1, Int>, vocabulary: usize) -> Tensor<B, 2> {
    Tensor::zeros([vocabulary, dy.dims()[1]], &dy.device()).select_assign(
        0,
        ids.clone(),
        dy.clone(),
        IndexingUpdateOp::Add,
    )
}

pub fn adamw<B: Backend, const D: usize>(
    (value, first, second): Moments<B, D>,
    gradient: &Tensor<B, D>,
    scale: &Tensor<B, 1>,
    step: AdamStep,
) -> Moments<B, D> {
    let gradient = gradient.clone() * scale.clone().unsqueeze();
    let first = first.mul_scalar(step.beta1) + gradient.clone().mul_scalar(1.0 - step.beta1);
    let second = second.mul_scalar(step.beta2) + gradient.powi_scalar(2).mul_scalar(1.0 - step.beta2);
    let (bias1, bias2) = step.bias_corrections();
    let root = second.clone().sqrt().div_scalar(bias2.sqrt()).add_scalar(step.epsilon);
    let value =
        value.mul_scalar(1.0 - step.lr * step.weight_decay) - (first.clone() / root).mul_scalar(step.lr / bias1);
    (value, first, second)
}

impl AdamStep {
    /// `1 - beta1^step` and `1 - beta2^step`.
    pub fn bias_corrections(&self) -> (f64, f64) {
        (1.0 - self.beta1.powi(self.step as i32), 1.0 - self.beta2.powi(self.step as i32))
    }
}
