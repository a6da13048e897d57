//! The GPU's attention, loss, optimiser and sampling against plain tensor code on the CPU, and backward passes against
//! central differences.

use burn_flex::Flex;
use burn_tensor::{Int, Tensor, TensorData, TensorPrimitive};
use burn_wgpu::{Wgpu, WgpuDevice};

use super::support::{along, both, close, device, slope_is};
use crate::kernels::cube::tensors::{places, sizes};
use crate::kernels::shaders::attention::Sizes;
use crate::kernels::*;

/// On both devices.
type Pair<const D: usize> = (Tensor<Flex, D>, Tensor<Wgpu, D>);

fn ids_of(ids: &[i32], device: &WgpuDevice) -> (Tensor<Flex, 1, Int>, Tensor<Wgpu, 1, Int>) {
    let data = TensorData::new(ids.to_vec(), [ids.len()]);
    (Tensor::from_data(data.clone(), &Default::default()), Tensor::from_data(data, device))
}

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

    fn queries(&self, seed: u64, device: &WgpuDevice) -> Pair<2> {
        both([self.start.len() * self.width, self.heads.query * self.heads.dim], seed, device)
    }

    fn keys(&self, seed: u64, device: &WgpuDevice) -> Pair<3> {
        both([self.start.len(), self.columns, self.heads.key_value * self.heads.dim], seed, device)
    }

    /// 1 where a query sees something; what the others give is never used.
    fn used(&self, device: &WgpuDevice) -> Pair<2> {
        let of_row =
            |(&start, &at): (&usize, &usize)| (0..self.width).map(move |t| f32::from(u8::from(at + t >= start)));
        let used: Vec<f32> = self.start.iter().zip(&self.at).flat_map(of_row).collect();
        let shape = [used.len(), 1];
        let data = TensorData::new(used, shape);
        (Tensor::from_data(data.clone(), &Default::default()), Tensor::from_data(data, device))
    }
}

#[test]
fn attention_and_its_backward_are_those_of_plain_tensor_code() {
    let Some(device) = device() else { return };
    for case in Case::all() {
        let ((q, gq), (dy, gdy)) = (case.queries(1, &device), case.queries(4, &device));
        let ((k, gk), (v, gv)) = (case.keys(2, &device), case.keys(3, &device));
        let (used, gused) = case.used(&device);
        let (dy, gdy) = (dy * used.clone(), gdy * gused.clone());
        let span = case.span(&Default::default());
        let want = composed::causal_attention(&q, &k, &v, &span, case.heads, SCORES_AT_ONCE);
        let (want_q, want_k, want_v) =
            composed::causal_attention_backward(&dy, &q, &k, &v, &span, case.heads, SCORES_AT_ONCE);

        let span = case.span(&device);
        let (out, lse) = Wgpu::causal_attention(&gq, &gk, &gv, &span, case.heads);
        let (dq, dk, dv) = Wgpu::causal_attention_backward(&gdy, &gq, &gk, &gv, &out, lse.as_ref(), &span, case.heads);
        let lse = lse.expect("the backward pass wants it").into_data();
        assert!(lse.iter::<f32>().all(f32::is_finite), "a denominator is no number");
        eprintln!("{}", case.describe());
        close("output", out * gused.clone(), want * used.clone());
        close("gradient of the queries", dq * gused, want_q * used);
        close("gradient of the keys", dk, want_k);
        close("gradient of the values", dv, want_v);
    }
}

/// The same bits from however many launches.
#[test]
fn attention_in_parts_is_whole() {
    let Some(device) = device() else { return };
    let case = Case::new(&[40, 0, 3], &[0, 33, 7], 45, 80, [14, 2, 64]);
    let [q, dy] = [1, 4].map(|seed| case.queries(seed, &device).1.into_primitive().tensor());
    let [k, v] = [2, 3].map(|seed| case.keys(seed, &device).1.into_primitive().tensor());
    let span = case.span::<Wgpu>(&device);
    let all = |work: usize| {
        let sizes = Sizes { work, ..sizes(&span, case.columns, case.heads) };
        let (q, k, v, places) = (q.clone(), k.clone(), v.clone(), || places(&span));
        let (out, lse) = shaders::attention::causal_attention(q.clone(), k.clone(), v.clone(), places(), sizes);
        let (dq, dk, dv) = shaders::attention_backward::causal_attention_backward(
            dy.clone(),
            q,
            k,
            v,
            out.clone(),
            lse.clone(),
            places(),
            sizes,
        );
        let values = |t| Tensor::<Wgpu, 1>::from_primitive(TensorPrimitive::Float(t)).into_data();
        [out, lse, dq, dk, dv].map(|t| values(t).iter::<f32>().map(f32::to_bits).collect::<Vec<_>>())
    };
    let whole = all(usize::MAX);
    // A cube a launch, and seven: 60 tiles of queries, 18 of columns.
    for work in [1, 7 * 2 * 2 * 32 * 80 * 64] {
        assert!(all(work) == whole, "work {work}");
    }
}

#[test]
fn the_gradient_of_attention_is_its_slope() {
    let Some(device) = device() else { return };
    let case = Case::new(&[1, 0], &[6, 2], 9, 15, [6, 2, 8]);
    let (q, k, v) = (case.queries(1, &device).1, case.keys(2, &device).1, case.keys(3, &device).1);
    let dy = case.queries(4, &device).1 * case.used(&device).1;
    let span = case.span(&device);
    let forward = |q: &Tensor<Wgpu, 2>, k: &Tensor<Wgpu, 3>, v: &Tensor<Wgpu, 3>| {
        Wgpu::causal_attention(q, k, v, &span, case.heads)
    };
    let (out, lse) = forward(&q, &k, &v);
    let (dq, dk, dv) = Wgpu::causal_attention_backward(&dy, &q, &k, &v, &out, lse.as_ref(), &span, case.heads);
    let (mq, mk, mv) = (case.queries(5, &device).1, case.keys(6, &device).1, case.keys(7, &device).1);
    slope_is("queries", dq, mq.clone(), along(&q, &mq, |q| forward(&q, &k, &v).0 * dy.clone()));
    slope_is("keys", dk, mk.clone(), along(&k, &mk, |k| forward(&q, &k, &v).0 * dy.clone()));
    slope_is("values", dv, mv.clone(), along(&v, &mv, |v| forward(&q, &k, &v).0 * dy.clone()));
}

#[test]
fn cross_entropy_is_that_of_plain_tensor_code() {
    let Some(device) = device() else { return };
    for (n, vocabulary) in [(9, 37), (1, 1), (3, 256), (5, 1031), (2, 151_936)] {
        let ((logits, glogits), (weights, gweights)) = (both([n, vocabulary], 1, &device), both([n], 2, &device));
        let (logits, shared) = (logits * 20.0, glogits * 20.0);
        let ids: Vec<i32> = (0..n).map(|i| ((i * 7919 + vocabulary - 1) % vocabulary) as i32).collect();
        let (targets, gtargets) = ids_of(&ids, &device);
        let (want_loss, want) = composed::cross_entropy(logits.clone(), &targets, &weights);
        let (loss, gradient) = Wgpu::cross_entropy(shared.clone(), &gtargets, &gweights);
        eprintln!("{n} rows of {vocabulary}");
        close("loss", loss, want_loss.clone());
        close("gradient", gradient, want.clone());
        close("shared logits are left alone", shared.clone(), logits);
        let (loss, gradient) = Wgpu::cross_entropy(shared, &gtargets, &gweights);
        close("loss in place", loss, want_loss);
        close("gradient in place", gradient, want);
    }
}

#[test]
fn the_gradient_of_cross_entropy_is_its_slope() {
    let Some(device) = device() else { return };
    let (logits, weights, direction) =
        (both([5, 33], 1, &device).1, both([5], 2, &device).1, both([5, 33], 3, &device).1);
    let targets = ids_of(&[0, 32, 5, 5, 7], &device).1;
    let loss = |logits: Tensor<Wgpu, 2>| Wgpu::cross_entropy(logits, &targets, &weights);
    let want = along(&logits, &direction, |logits| loss(logits).0.unsqueeze());
    slope_is("logits", loss(logits).1, direction, want);
}

/// More rows than a dimension has cubes.
#[test]
fn cross_entropy_of_many_rows() {
    let Some(device) = device() else { return };
    let n = 66_000;
    let ((logits, glogits), (weights, gweights)) = (both([n, 2], 1, &device), both([n], 2, &device));
    let (targets, gtargets) = ids_of(&vec![1; n], &device);
    let (_, want) = composed::cross_entropy(logits, &targets, &weights);
    close("gradient", Wgpu::cross_entropy(glogits, &gtargets, &gweights).1, want);
}

#[test]
fn adamw_is_that_of_plain_tensor_code() {
    let Some(device) = device() else { return };
    let step = AdamStep { lr: 1e-2, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01, step: 3 };
    let (scale, gscale) = both([1], 9, &device);
    for n in [1, 63, 1031] {
        let ((a, ga), (b, gb), (c, gc)) = (both([n], 1, &device), both([n], 2, &device), both([n], 3, &device));
        let (gradient, ggradient) = both([n], 4, &device);
        let (value, first, second) = composed::adamw((a.clone(), b * 0.1, c.powi_scalar(2)), &gradient, &scale, step);
        let (v, m, s) = Wgpu::adamw((ga.clone(), gb * 0.1, gc.powi_scalar(2)), &ggradient, &gscale, step);
        eprintln!("{n} values");
        close("value", v, value);
        close("first moment", m, first);
        close("second moment", s, second);
        close("a shared value is left alone", ga, a);
    }
}

#[test]
fn rows_are_added_where_they_belong() {
    let Some(device) = device() else { return };
    for (ids, channels, rows) in [(vec![3, 0, 3, 6], 5, 7), (vec![2; 40], 130, 3), (vec![0], 1, 1)] {
        let (x, gx) = both([ids.len(), channels], 1, &device);
        let (ids, gids) = ids_of(&ids, &device);
        close("rows", Wgpu::scatter_rows(&gx, &gids, rows), composed::scatter_rows(&x, &ids, rows));
    }
}

#[test]
fn candidates_are_the_best_and_draws_follow_the_distribution() {
    let Some(device) = device() else { return };
    for (n, vocabulary, spread) in [(3, 37, 5.0), (2, 8192, 3.0), (4, 20_011, 4.0), (1, 151_936, 8.0), (1, 1, 1.0)] {
        // Rounded, so that there are equals, also at the border.
        let (logits, glogits) = both([n, vocabulary], 1, &device);
        let logits = (logits * spread * 20.0).round() / 20.0;
        let glogits = (glogits * spread * 20.0).round() / 20.0;
        let draws: Vec<Draw> =
            (0..n).map(|i| Draw { temperature: 0.6 + 0.4 * i as f32, uniform: 0.1 + 0.23 * i as f64 }).collect();
        let want = composed::candidates(&logits, &draws);
        let found = Wgpu::candidates(&glogits, &draws, None);
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
        Wgpu::candidates(&logits, &[Draw { temperature: 1.0, uniform }], None).remove(0)
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
        let tensors = sizes.iter().zip(0..).map(|(&n, seed)| both([n], seed, &device));
        let (tensors, there): (Vec<Tensor<Flex, 1>>, Vec<_>) = tensors.unzip();
        let want = Tensor::from_data([sum_in_f64(&tensors)], &Default::default());
        close(&format!("squares of {} tensors", sizes.len()), Wgpu::sum_of_squares(&there), want);
    }
}

fn sum_in_f64(tensors: &[Tensor<Flex, 1>]) -> f32 {
    let squares = tensors.iter().flat_map(|x| x.to_data().to_vec::<f32>().unwrap());
    squares.map(|x| f64::from(x) * f64::from(x)).sum::<f64>() as f32
}
