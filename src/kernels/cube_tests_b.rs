//! The GPU's attention, loss, optimiser and sampling against plain tensor code on the CPU, and backward passes against
//! central differences.

use burn::backend::{Flex, Wgpu};
use burn::tensor::{Int, Tensor, TensorData};

use super::cube_tests_support::{close, device, random, there};
use super::*;

/// One pass of attention.
struct Case {
    start: Vec<usize>,
    at: Vec<usize>,
    width: usize,
    columns: usize,
    heads: Heads,
}

impl Case {
    fn new(start: &[usize], at: &[usize], width: usize, columns: usize, heads: [usize; 3]) -> Self {
        let [query, key_value, dim] = heads;
        Self { start: start.into(), at: at.into(), width, columns, heads: Heads { query, key_value, dim } }
    }

    /// Padding, caches, ragged rows, one head and many, tiles that are not full, narrow and wide heads.
    fn all() -> Vec<Self> {
        vec![
            Self::new(&[0, 3, 0], &[0, 0, 0], 70, 70, [6, 2, 8]),
            Self::new(&[1, 0], &[4, 2], 3, 9, [6, 2, 8]),
            Self::new(&[0, 2], &[5, 9], 1, 12, [4, 4, 10]),
            Self::new(&[40, 0], &[0, 33], 45, 80, [14, 2, 64]),
            Self::new(&[0, 64], &[50, 64], 20, 90, [2, 1, 256]),
            Self::new(&[5, 0], &[0, 1], 37, 64, [3, 3, 80]),
        ]
    }

    fn describe(&self) -> String {
        let Self { start, at, width, columns, heads } = self;
        format!("{heads:?}, {width} queries from {at:?}, columns {start:?}..{columns}")
    }

    fn span<B: FusedOps>(&self, device: &B::Device) -> Span<B> {
        Span::new(self.start.clone(), self.at.clone(), self.width, self.columns, device)
    }

    fn queries(&self, seed: u64) -> Tensor<Flex, 2> {
        random([self.start.len() * self.width, self.heads.query * self.heads.dim], seed)
    }

    fn keys(&self, seed: u64) -> Tensor<Flex, 3> {
        random([self.start.len(), self.columns, self.heads.key_value * self.heads.dim], seed)
    }

    /// 1 where a query sees something; what the others give is never used.
    fn used(&self) -> Tensor<Flex, 2> {
        let of_row =
            |(&start, &at): (&usize, &usize)| (0..self.width).map(move |t| f32::from(u8::from(at + t >= start)));
        let used: Vec<f32> = self.start.iter().zip(&self.at).flat_map(of_row).collect();
        let shape = [used.len(), 1];
        Tensor::from_data(TensorData::new(used, shape), &Default::default())
    }
}

#[test]
fn attention_and_its_backward_are_those_of_plain_tensor_code() {
    let Some(device) = device() else { return };
    for case in Case::all() {
        let (q, k, v, used) = (case.queries(1), case.keys(2), case.keys(3), case.used());
        let dy = case.queries(4) * used.clone();
        let span = case.span(&Default::default());
        let want = composed::causal_attention(&q, &k, &v, &span, case.heads, SCORES_AT_ONCE);
        let (want_q, want_k, want_v) =
            composed::causal_attention_backward(&dy, &q, &k, &v, &span, case.heads, SCORES_AT_ONCE);

        let (q, k, v, dy) = (there(&q, &device), there(&k, &device), there(&v, &device), there(&dy, &device));
        let span = case.span(&device);
        let (out, lse) = Wgpu::causal_attention(&q, &k, &v, &span, case.heads);
        let (dq, dk, dv) = Wgpu::causal_attention_backward(&dy, &q, &k, &v, &out, lse.as_ref(), &span, case.heads);
        let lse = lse.expect("the backward pass wants it").into_data();
        assert!(lse.iter::<f32>().all(f32::is_finite), "a denominator is no number");
        eprintln!("{}", case.describe());
        close("output", out * there(&used, &device), want * used.clone());
        close("gradient of the queries", dq * there(&used, &device), want_q * used);
        close("gradient of the keys", dk, want_k);
        close("gradient of the values", dv, want_v);
    }
}

#[test]
fn the_gradient_of_attention_is_its_slope() {
    let Some(device) = device() else { return };
    let case = Case::new(&[1, 0], &[4, 2], 3, 9, [6, 2, 8]);
    let (q, k, v) = (case.queries(1), case.keys(2), case.keys(3));
    let dy = there(&(case.queries(4) * case.used()), &device);
    let span = case.span(&device);
    let forward = |q: &Tensor<Flex, 2>, k: &Tensor<Flex, 3>, v: &Tensor<Flex, 3>| {
        Wgpu::causal_attention(&there(q, &device), &there(k, &device), &there(v, &device), &span, case.heads)
    };
    let (out, lse) = forward(&q, &k, &v);
    let [tk, tv] = [there(&k, &device), there(&v, &device)];
    let (dq, dk, dv) =
        Wgpu::causal_attention_backward(&dy, &there(&q, &device), &tk, &tv, &out, lse.as_ref(), &span, case.heads);
    let along = |moved: Tensor<Wgpu, 2>| (moved * dy.clone()).sum().into_scalar();
    let step = 1e-2;
    let slope = |plus: Tensor<Wgpu, 2>, minus: Tensor<Wgpu, 2>| (along(plus) - along(minus)) / (2.0 * step);
    let (mq, mk, mv) = (case.queries(5), case.keys(6), case.keys(7));
    let by = |sign: f32| sign * step;
    let slopes = [
        slope(
            forward(&(q.clone() + mq.clone() * by(1.0)), &k, &v).0,
            forward(&(q.clone() + mq.clone() * by(-1.0)), &k, &v).0,
        ),
        slope(
            forward(&q, &(k.clone() + mk.clone() * by(1.0)), &v).0,
            forward(&q, &(k.clone() + mk.clone() * by(-1.0)), &v).0,
        ),
        slope(
            forward(&q, &k, &(v.clone() + mv.clone() * by(1.0))).0,
            forward(&q, &k, &(v.clone() + mv.clone() * by(-1.0))).0,
        ),
    ];
    let claimed = [
        (dq * there(&mq, &device)).sum().into_scalar(),
        (dk * there(&mk, &device)).sum().into_scalar(),
        (dv * there(&mv, &device)).sum().into_scalar(),
    ];
    for (claimed, slope) in claimed.into_iter().zip(slopes) {
        assert!((claimed - slope).abs() < 2e-3 * (1.0 + slope.abs()), "{claimed} against {slope}");
    }
}

#[test]
fn cross_entropy_is_that_of_plain_tensor_code() {
    let Some(device) = device() else { return };
    for (n, vocabulary) in [(9, 37), (1, 1), (3, 256), (5, 1031), (2, 151_936)] {
        let (logits, weights) = (random([n, vocabulary], 1) * 20.0, random([n], 2).abs());
        let ids: Vec<i32> = (0..n).map(|i| ((i * 7919 + vocabulary - 1) % vocabulary) as i32).collect();
        let targets = Tensor::<Flex, 1, Int>::from_data(TensorData::new(ids.clone(), [n]), &Default::default());
        let (want_loss, want) = composed::cross_entropy(logits.clone(), &targets, &weights);
        let targets = Tensor::<Wgpu, 1, Int>::from_data(TensorData::new(ids, [n]), &device);
        let (shared, weights) = (there(&logits, &device), there(&weights, &device));
        let (loss, gradient) = Wgpu::cross_entropy(shared.clone(), &targets, &weights);
        eprintln!("{n} rows of {vocabulary}");
        close("loss", loss, want_loss.clone());
        close("gradient", gradient, want.clone());
        close("shared logits are left alone", shared.clone(), logits);
        let (loss, gradient) = Wgpu::cross_entropy(shared, &targets, &weights);
        close("loss in place", loss, want_loss);
        close("gradient in place", gradient, want);
    }
}

#[test]
fn the_gradient_of_cross_entropy_is_its_slope() {
    let Some(device) = device() else { return };
    let (logits, weights, moved) = (random([5, 33], 1), there(&random([5], 2).abs(), &device), random([5, 33], 3));
    let targets = Tensor::<Wgpu, 1, Int>::from_data([0, 32, 5, 5, 7], &device);
    let loss = |logits: Tensor<Flex, 2>| Wgpu::cross_entropy(there(&logits, &device), &targets, &weights);
    let step = 1e-2;
    let [plus, minus] = [step, -step].map(|by| loss(logits.clone() + moved.clone() * by).0.into_scalar());
    let claimed = (loss(logits).1 * there(&moved, &device)).sum().into_scalar();
    let slope = (plus - minus) / (2.0 * step);
    assert!((claimed - slope).abs() < 1e-3 * (1.0 + slope.abs()), "{claimed} against {slope}");
}

#[test]
fn adamw_is_that_of_plain_tensor_code() {
    let Some(device) = device() else { return };
    let step = AdamStep { lr: 1e-2, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01, step: 3 };
    let scale = random([1], 9);
    for n in [1, 63, 1031] {
        let state = || (random([n], 1), random([n], 2) * 0.1, random([n], 3).powi_scalar(2));
        let gradient = random([n], 4);
        let (value, first, second) = composed::adamw(state(), &gradient, &scale, step);
        let (a, b, c) = state();
        let kept = there(&a, &device);
        let moved = (kept.clone(), there(&b, &device), there(&c, &device));
        let (gradient, scale) = (there(&gradient, &device), there(&scale, &device));
        let (v, m, s) = Wgpu::adamw(moved, &gradient, &scale, step);
        eprintln!("{n} values");
        close("value", v, value);
        close("first moment", m, first);
        close("second moment", s, second);
        close("a shared value is left alone", kept, a);
    }
}

#[test]
fn rows_are_added_where_they_belong() {
    let Some(device) = device() else { return };
    for (ids, channels, rows) in [(vec![3, 0, 3, 6], 5, 7), (vec![2; 40], 130, 3), (vec![0], 1, 1)] {
        let n = ids.len();
        let x = random([n, channels], 1);
        let here = Tensor::<Flex, 1, Int>::from_data(TensorData::new(ids.clone(), [n]), &Default::default());
        let want = composed::scatter_rows(&x, &here, rows);
        let ids = Tensor::<Wgpu, 1, Int>::from_data(TensorData::new(ids, [n]), &device);
        close("rows", Wgpu::scatter_rows(&there(&x, &device), &ids, rows), want);
    }
}

#[test]
fn candidates_are_the_best_and_draws_follow_the_distribution() {
    let Some(device) = device() else { return };
    for (n, vocabulary, spread) in [(3, 37, 5.0), (2, 8192, 3.0), (4, 20_011, 4.0), (1, 151_936, 8.0), (1, 1, 1.0)] {
        // Rounded, so that there are equals, also at the border.
        let logits = (random([n, vocabulary], 1) * spread * 20.0).round() / 20.0;
        let draws: Vec<Draw> =
            (0..n).map(|i| Draw { temperature: 0.6 + 0.4 * i as f32, uniform: 0.1 + 0.23 * i as f64 }).collect();
        let want = composed::candidates(&logits, &draws);
        let found = Wgpu::candidates(&there(&logits, &device), &draws);
        assert_eq!(found.len(), n);
        for ((found, want), draw) in found.iter().zip(&want).zip(&draws) {
            assert_eq!((found.top, found.drawn), (want.top, want.drawn), "{n} of {vocabulary}, {draw:?}");
            assert!((found.sum - want.sum).abs() <= 1e-5 * want.sum, "{} against {}", found.sum, want.sum);
            assert_eq!((&found.ids, &found.logits), (&want.ids, &want.logits), "{n} of {vocabulary}");
        }
    }
}

/// The borders of a draw: the very first and last tokens, hidden ones, one that has all the mass, and no distribution.
#[test]
fn draws_stay_within_the_distribution() {
    let Some(device) = device() else { return };
    let vocabulary = 9000;
    let drawn = |logits: Vec<f32>, uniform: f64| {
        let logits = Tensor::<Wgpu, 2>::from_data(TensorData::new(logits, [1, vocabulary]), &device);
        Wgpu::candidates(&logits, &[Draw { temperature: 1.0, uniform }]).remove(0)
    };
    let mut logits = vec![f32::NEG_INFINITY; vocabulary];
    for id in [5, 8300, 8999] {
        logits[id] = 1.0;
    }
    for (uniform, id) in [(0.0, 5), (0.33, 5), (0.34, 8300), (0.67, 8999), (1.0 - 1e-12, 8999)] {
        assert_eq!(drawn(logits.clone(), uniform).drawn, id, "at {uniform}");
    }
    let found = drawn(logits.clone(), 0.5);
    assert_eq!((&found.ids[..3], &found.logits[..3], found.sum), (&[5, 8300, 8999][..], &[1.0; 3][..], 3.0));
    logits[77] = f32::NAN;
    assert!(drawn(logits, 0.5).sum.is_nan(), "logits that are no numbers");
}

/// One element and many, more than the cubes take at once, an odd count.
#[test]
fn sums_of_squares_over_tensors() {
    let Some(device) = device() else { return };
    for sizes in [vec![1], vec![0, 3], vec![257, 1, 40_000], vec![300_001], vec![4096; 90]] {
        let tensors: Vec<Tensor<Flex, 1>> = sizes.iter().zip(0..).map(|(&n, seed)| random([n], seed)).collect();
        let there: Vec<_> = tensors.iter().map(|x| there(x, &device)).collect();
        let want = Tensor::from_data([sum_in_f64(&tensors)], &Default::default());
        close(&format!("squares of {} tensors", sizes.len()), Wgpu::sum_of_squares(&there), want);
    }
}

fn sum_in_f64(tensors: &[Tensor<Flex, 1>]) -> f32 {
    let squares = tensors.iter().flat_map(|x| x.to_data().to_vec::<f32>().unwrap());
    squares.map(|x| f64::from(x) * f64::from(x)).sum::<f64>() as f32
}
