//! What every operation of a backend makes of the same drawn numbers, by its own code or by the composed one: two devices that give
//! the same compute the same.

use burn_tensor::{DType, Int, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::{
    AdamStep, Candidates, Draw, FusedOps, Heads, Lora, Projection, ProjectionGrads, SCORES_AT_ONCE, Span, Turn,
    composed,
};

/// Whose code computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bodies {
    /// The backend's own.
    Own,
    /// Plain tensor code.
    Composed,
}

/// The name of an operation, and all numbers that it gave.
pub type OperationResult = (&'static str, Vec<f32>);

/// Numbers between -2 and 2, others for each place: the same on every device.
struct Draws<'d, B: FusedOps> {
    device: &'d B::Device,
    seed: u64,
}

impl<B: FusedOps> Draws<'_, B> {
    fn tensor<const D: usize>(&mut self, shape: [usize; D]) -> Tensor<B, D> {
        self.seed += 1;
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let number = |_| (rng.next_u32() as f32 / u32::MAX as f32) * 4.0 - 2.0;
        let values: Vec<f32> = (0..shape.iter().product::<usize>()).map(number).collect();
        Tensor::from_data(TensorData::new(values, shape), self.device)
    }
}

fn numbers<B: FusedOps, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// Every operation once, on shapes that fill no tile evenly; attention with padding, over a cache, and one query a row.
pub fn operations<B: FusedOps>(device: &B::Device, bodies: Bodies) -> Vec<OperationResult> {
    let own = bodies == Bodies::Own;
    let mut draws = Draws::<B> { device, seed: 0 };
    let mut results = Vec::new();
    products(&mut draws, own, &mut results);
    rows(&mut draws, own, &mut results);
    attention(&mut draws, own, &mut results);
    learning(&mut draws, own, &mut results);
    choosing(&mut draws, own, &mut results);
    projections(&mut draws, own, &mut results);
    halves(&mut draws, own, &mut results);
    results
}

/// Matrices in half precision, where they are held for their bytes alone: f32 of the same numbers. The activations have no more digits than
/// bf16 has, for a device may round them to it.
fn halves<B: FusedOps>(draws: &mut Draws<'_, B>, own: bool, into: &mut Vec<OperationResult>) {
    let own = own && B::HOLDS_HALVES;
    let device = draws.device;
    for (name, dtype) in [("a matrix in f16", DType::F16), ("a matrix in bf16", DType::BF16)] {
        let mut round = |shape: [usize; 2], dtype| draws.tensor(shape).into_data().convert_dtype(dtype);
        let (data, [few, many, dy]) =
            (round([41, 24], dtype), [[3, 24], [37, 24], [5, 41]].map(|n| round(n, DType::BF16)));
        let wide = |data: TensorData| Tensor::<B, 2>::from_data(data.convert_dtype(DType::F32), (device, DType::F32));
        let [few, many, dy] = [few, many, dy].map(wide);
        let matrix = if own { Tensor::from_data(data, (device, dtype)) } else { wide(data) };
        let ids = Tensor::<B, 1, Int>::from_data([40, 0, 7], device);
        let (affine, rows_of) = if own {
            (B::affine as fn(&_, &_, Option<&_>) -> _, B::rows_of as fn(&_, &_) -> _)
        } else {
            (composed::affine as _, composed::rows_of as _)
        };
        let backward = if own { B::matmul(&dy, &matrix, 1.0) } else { dy.matmul(matrix.clone()) };
        let ours = [affine(&few, &matrix, None), affine(&many, &matrix, None), rows_of(&matrix, &ids), backward];
        into.push((name, ours.into_iter().flat_map(numbers).collect()));
    }
}

fn products<B: FusedOps>(draws: &mut Draws<'_, B>, own: bool, into: &mut Vec<OperationResult>) {
    let (x, weight, bias) = (draws.tensor([37, 24]), draws.tensor([40, 24]), draws.tensor([40]));
    let affine = if own { B::affine } else { composed::affine };
    into.push(("affine", numbers(affine(&x, &weight, Some(&bias)))));
    let (sum, a, b) = (draws.tensor([37, 40]), draws.tensor([37, 8]), draws.tensor([8, 40]));
    let add_matmul = if own { B::add_matmul } else { composed::add_matmul };
    into.push(("add_matmul", numbers(add_matmul(sum, &a, &b, 0.3))));
}

fn rows<B: FusedOps>(draws: &mut Draws<'_, B>, own: bool, into: &mut Vec<OperationResult>) {
    let (x, gain) = (draws.tensor([33, 50]), draws.tensor([50]));
    let (dy, residual) = (draws.tensor([33, 50]), draws.tensor([33, 50]));
    let norm = if own { B::rms_norm } else { composed::rms_norm };
    into.push(("rms_norm", numbers(norm(&x, &gain, 1e-6))));
    let backward = if own { B::rms_norm_backward } else { composed::rms_norm_backward };
    let (dx, dgain) = backward(&dy, &x, &gain, 1e-6, residual, true);
    into.push(("rms_norm backward", [numbers(dx), dgain.map_or_else(Vec::new, numbers)].concat()));

    let (gate, up, dy) = (draws.tensor([20, 70]), draws.tensor([20, 70]), draws.tensor([20, 70]));
    let swiglu = if own { B::swiglu } else { composed::swiglu };
    into.push(("swiglu", numbers(swiglu(&gate, &up))));
    let backward = if own { B::swiglu_backward } else { composed::swiglu_backward };
    let (dgate, dup) = backward(&dy, &gate, &up);
    into.push(("swiglu backward", [numbers(dgate), numbers(dup)].concat()));

    let (q, k, angles) = (draws.tensor([12, 64]), draws.tensor([12, 32]), draws.tensor([12, 16]));
    for (name, turn) in [("rope", Turn::Forth), ("rope backward", Turn::Back)] {
        let (q, k) = (q.clone(), k.clone());
        let (q, k) = match own {
            true => B::rope(q, k, &angles, turn),
            false => (composed::rope(q, &angles, turn), composed::rope(k, &angles, turn)),
        };
        into.push((name, [numbers(q), numbers(k)].concat()));
    }
}

fn attention<B: FusedOps>(draws: &mut Draws<'_, B>, own: bool, into: &mut Vec<OperationResult>) {
    let heads = Heads { query: 6, key_value: 2, dim: 8 };
    let places = [
        ("attention", "attention backward", vec![0, 3, 0], vec![0, 0, 0], 70, 70),
        ("attention over a cache", "attention over a cache, backward", vec![1, 0], vec![4, 2], 3, 9),
        ("attention of one query", "attention of one query, backward", vec![0, 2], vec![5, 9], 1, 12),
    ];
    for (forward, backward, start, at, width, columns) in places {
        let rows = start.len();
        // What queries in the padding give is never used, so it may be anything.
        let of_row = |(&start, &at): (&usize, &usize)| (0..width).map(move |t| f32::from(u8::from(at + t >= start)));
        let used: Vec<f32> = start.iter().zip(&at).flat_map(of_row).collect();
        let used = Tensor::<B, 2>::from_data(TensorData::new(used, [rows * width, 1]), draws.device);
        let span = Span::<B>::new(start, at, width, columns, draws.device);
        let (q, dy) = (draws.tensor([rows * width, 48]), draws.tensor([rows * width, 48]) * used.clone());
        let (k, v) = (draws.tensor([rows, columns, 16]), draws.tensor([rows, columns, 16]));
        let (out, lse) = if own {
            B::causal_attention(&q, &k, &v, &span, heads)
        } else {
            (composed::causal_attention(&q, &k, &v, &span, heads, SCORES_AT_ONCE), None)
        };
        into.push((forward, numbers(out.clone() * used)));
        let (dq, dk, dv) = if own {
            B::causal_attention_backward(&dy, &q, &k, &v, &out, lse.as_ref(), &span, heads)
        } else {
            composed::causal_attention_backward(&dy, &q, &k, &v, &span, heads, SCORES_AT_ONCE)
        };
        into.push((backward, [numbers(dq), numbers(dk), numbers(dv)].concat()));
    }
    // A column is zero until it is written, and is written once.
    let (cache, new) = (Tensor::zeros([3, 9, 4], draws.device), draws.tensor([3, 2, 4]));
    let span = Span::new(vec![0; 3], vec![0, 7, 3], 2, 9, draws.device);
    let written = if own { B::cache_write(cache, &new, &span) } else { composed::cache_write(cache, &new, &span.at) };
    into.push(("cache_write", numbers(written)));
    let caches = (Tensor::zeros([3, 9, 8], draws.device), Tensor::zeros([3, 9, 8], draws.device));
    let [q, k, v] = [16, 8, 8].map(|channels| draws.tensor([6, channels]));
    let angles = draws.tensor([6, 4]);
    let (q, keys, values) = if own {
        B::cache_append(caches, [q, k, v], &angles, &span)
    } else {
        let turned = |x| composed::rope(x, &angles, Turn::Forth);
        let written = composed::cache_write(caches.0, &turned(k).reshape([3, 2, 8]), &span.at);
        (turned(q), written, composed::cache_write(caches.1, &v.reshape([3, 2, 8]), &span.at))
    };
    into.push(("cache_append", [numbers(q), numbers(keys), numbers(values)].concat()));
}

fn learning<B: FusedOps>(draws: &mut Draws<'_, B>, own: bool, into: &mut Vec<OperationResult>) {
    let (logits, weights) = (draws.tensor([9, 37]) * 8.0, draws.tensor([9]).abs());
    let targets = Tensor::<B, 1, Int>::from_data([0, 36, 5, 5, 1, 2, 3, 4, 30], draws.device);
    let cross_entropy = if own { B::cross_entropy } else { composed::cross_entropy };
    let (loss, gradient) = cross_entropy(logits, &targets, &weights);
    into.push(("cross_entropy", [numbers(loss), numbers(gradient)].concat()));

    let ids = Tensor::<B, 1, Int>::from_data([3, 0, 3, 6], draws.device);
    let scatter = if own { B::scatter_rows } else { composed::scatter_rows };
    into.push(("scatter_rows", numbers(scatter(&draws.tensor([4, 5]), &ids, 7))));

    let state = (draws.tensor([7, 9]), draws.tensor([7, 9]) * 0.1, draws.tensor([7, 9]).powi_scalar(2));
    let step = AdamStep { lr: 1e-2, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01, step: 3 };
    let scale = Tensor::<B, 1>::from_data([0.5], draws.device);
    let gradient = draws.tensor([7, 9]);
    let (value, first, second) =
        if own { B::adamw(state, &gradient, &scale, step) } else { composed::adamw(state, &gradient, &scale, step) };
    into.push(("adamw", [numbers(value), numbers(first), numbers(second)].concat()));
}

fn choosing<B: FusedOps>(draws: &mut Draws<'_, B>, own: bool, into: &mut Vec<OperationResult>) {
    let logits = draws.tensor([2, 300]) * 4.0;
    let draws = [Draw { temperature: 0.7, uniform: 0.2 }, Draw { temperature: 1.3, uniform: 0.9 }];
    let candidates = if own { B::candidates(&logits, &draws, None) } else { composed::candidates(&logits, &draws) };
    let numbers = candidates.into_iter().flat_map(|Candidates { top, sum, drawn, logits, ids }| {
        let ids = ids.into_iter().map(|id| id as f32);
        [top, sum, drawn as f32].into_iter().chain(logits).chain(ids)
    });
    into.push(("candidates", numbers.collect()));
}

fn projections<B: FusedOps>(draws: &mut Draws<'_, B>, own: bool, into: &mut Vec<OperationResult>) {
    let (x, weight, bias) = (draws.tensor([37, 24]), draws.tensor([40, 24]), draws.tensor([40]));
    let lora = Lora { a: draws.tensor([24, 5]), b: draws.tensor([5, 40]), scale: 2.0 };
    let projection = || Projection { weight: &weight, bias: Some(&bias), lora: Some(&lora) };
    let (sum, dy) = (draws.tensor([37, 40]), draws.tensor([37, 40]));
    let (y, dx, da, db) = if own {
        let ProjectionGrads { dx, adapters } =
            B::project_backward(&x, std::slice::from_ref(&dy), None, &[projection()], true);
        let (da, db) = adapters.into_iter().flatten().next().expect("the adapter's gradients were asked for");
        (B::add_projection(&sum, &x, &projection()), dx, da, db)
    } else {
        let Lora { a, b, scale } = &lora;
        let (low, dlow) = (x.clone().matmul(a.clone()), dy.clone().matmul(b.clone().transpose()).mul_scalar(*scale));
        let y = composed::add_matmul(composed::affine(&x, &weight, Some(&bias)) + sum, &low, b, *scale);
        let dx = dy.clone().matmul(weight.clone()) + dlow.clone().matmul(a.clone().transpose());
        let db = low.transpose().matmul(dy).mul_scalar(*scale);
        (y, dx, x.transpose().matmul(dlow), db)
    };
    let squares = if own { B::sum_of_squares } else { composed::sum_of_squares };
    into.push(("sum of squares", numbers(squares(&[bias.clone(), da.clone().reshape([120])]))));
    into.push(("projection with an adapter", numbers(y)));
    into.push(("projection with an adapter, backward", [numbers(dx), numbers(da), numbers(db)].concat()));
}
