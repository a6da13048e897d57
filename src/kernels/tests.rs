//! Native against composed, and every backward pass against Burn's own autodiff through the composed bodies.

use burn_autodiff::Autodiff;
use burn_flex::Flex;
use burn_tensor::{Int, Tensor, TensorData};

use super::*;

type A = Autodiff<Flex>;

fn random<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<Flex, D> {
    use rand_chacha::rand_core::{RngCore, SeedableRng};
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let n: usize = shape.iter().product();
    let values: Vec<f32> = (0..n).map(|_| (rng.next_u32() as f32 / u32::MAX as f32) * 4.0 - 2.0).collect();
    Tensor::from_data(TensorData::new(values, shape), &Default::default())
}

#[track_caller]
fn close<const D: usize>(what: &str, native: Tensor<Flex, D>, reference: Tensor<Flex, D>) {
    assert_eq!(native.dims(), reference.dims(), "{what}");
    let (a, b) = (native.into_data().to_vec::<f32>().unwrap(), reference.into_data().to_vec::<f32>().unwrap());
    let scale = b.iter().fold(1.0f32, |m, x| m.max(x.abs()));
    for (i, (a, b)) in a.iter().zip(&b).enumerate() {
        assert!((a - b).abs() <= 2e-5 * scale, "{what}[{i}]: {a} against {b}");
    }
}

fn leaf<const D: usize>(t: &Tensor<Flex, D>) -> Tensor<A, D> {
    Tensor::<A, D>::from_inner(t.clone()).require_grad()
}

#[test]
fn affine_is_a_product_with_the_transpose() {
    let (x, w, b) = (random([37, 24], 1), random([40, 24], 2), random([40], 3));
    close("linear", Flex::affine(&x, &w, Some(&b)), composed::affine(&x, &w, Some(&b)));
    close("no bias", Flex::affine(&x, &w, None), composed::affine(&x, &w, None));
    let (sum, a, b) = (random([37, 40], 4), random([24, 37], 5).transpose(), random([24, 40], 6));
    let shared = sum.clone();
    close("add", Flex::add_matmul(sum.clone(), &a, &b, 0.3), composed::add_matmul(sum, &a, &b, 0.3));
    close("a shared sum is left alone", shared, random([37, 40], 4));
}

#[test]
fn rms_norm_and_its_backward() {
    let (x, g, dy, residual) = (random([33, 50], 1), random([50], 2), random([33, 50], 3), random([33, 50], 4));
    close("forward", Flex::rms_norm(&x, &g, 1e-6), composed::rms_norm(&x, &g, 1e-6));
    let (ax, ag) = (leaf(&x), leaf(&g));
    let y = composed::rms_norm(&ax, &ag, 1e-6) * Tensor::from_inner(dy.clone());
    let mut grads = y.backward();
    let (dx, dg) = (ax.grad_remove(&mut grads).unwrap(), ag.grad_remove(&mut grads).unwrap());
    for (what, (x2, g2)) in [
        ("native", Flex::rms_norm_backward(&dy, &x, &g, 1e-6, residual.clone(), true)),
        ("composed", composed::rms_norm_backward(&dy, &x, &g, 1e-6, residual.clone(), true)),
    ] {
        close(what, x2, dx.clone() + residual.clone());
        close(what, g2.unwrap(), dg.clone());
    }
}

#[test]
fn swiglu_and_its_backward() {
    let (gate, up, dy) = (random([20, 70], 1), random([20, 70], 2), random([20, 70], 3));
    close("forward", Flex::swiglu(&gate, &up), composed::swiglu(&gate, &up));
    let (ag, au) = (leaf(&gate), leaf(&up));
    let mut grads = (composed::swiglu(&ag, &au) * Tensor::from_inner(dy.clone())).backward();
    let (dg, du) = (ag.grad_remove(&mut grads).unwrap(), au.grad_remove(&mut grads).unwrap());
    for (what, (g2, u2)) in
        [("native", Flex::swiglu_backward(&dy, &gate, &up)), ("composed", composed::swiglu_backward(&dy, &gate, &up))]
    {
        close(what, g2, dg.clone());
        close(what, u2, du.clone());
    }
}

#[test]
fn rope_turned_back_is_where_it_was() {
    let (q, k, angle) = (random([12, 4 * 16], 1), random([12, 16], 3), random([12, 8], 2));
    let angles = Tensor::cat(vec![angle.clone().cos(), angle.sin()], 1);
    let turned = Flex::rope(q.clone(), k.clone(), &angles, Turn::Forth);
    let back = Flex::rope(turned.0.clone(), turned.1.clone(), &angles, Turn::Back);
    for (x, turned, back) in [(q, turned.0, back.0), (k, turned.1, back.1)] {
        close("forward", turned.clone(), composed::rope(x.clone(), &angles, Turn::Forth));
        close("composed back", composed::rope(turned, &angles, Turn::Back), x.clone());
        close("back", back, x);
    }
}

/// 1 where a query sees something, `[rows · width, 1]`. Those left of their row's first column see nothing; their output is
/// never used.
fn used(start: &[usize], at: &[usize], width: usize) -> Tensor<Flex, 2> {
    let of_row = |(&start, &at): (&usize, &usize)| (0..width).map(move |t| f32::from(u8::from(at + t >= start)));
    let used: Vec<f32> = start.iter().zip(at).flat_map(of_row).collect();
    let shape = [used.len(), 1];
    Tensor::from_data(TensorData::new(used, shape), &Default::default())
}

/// Left padding, a cache, more queries than one tile, grouped heads.
#[test]
fn attention_and_its_backward() {
    let heads = Heads { query: 6, key_value: 2, dim: 8 };
    // So many rows of one query that each is a task of its own.
    let many = ((0..80).map(|b| b % 3).collect(), (0..80).map(|b| 4 + b % 5).collect(), 1, 12);
    for (start, at, width, columns) in
        [(vec![0, 3, 0], vec![0, 0, 0], 70, 70), (vec![0, 2], vec![5, 9], 1, 12), many, (vec![1, 0], vec![4, 2], 3, 9)]
    {
        let rows = start.len();
        let device = Default::default();
        let span = Span::<Flex>::new(start.clone(), at.clone(), width, columns, &device);
        let q = random([rows * width, 48], 1);
        let (k, v) = (random([rows, columns, 16], 2), random([rows, columns, 16], 3));
        let used = used(&start, &at, width);
        let dy = random([rows * width, 48], 4) * used.clone();
        let (out, lse) = Flex::causal_attention(&q, &k, &v, &span, heads);
        close(
            "forward",
            out.clone() * used.clone(),
            composed::causal_attention(&q, &k, &v, &span, heads, SCORES_AT_ONCE) * used,
        );

        let (aq, ak, av) = (leaf(&q), leaf(&k), leaf(&v));
        let twin = Span::<A>::new(start, at, width, columns, &device);
        let y =
            composed::causal_attention(&aq, &ak, &av, &twin, heads, SCORES_AT_ONCE) * Tensor::from_inner(dy.clone());
        let mut grads = y.backward();
        let want = (
            aq.grad_remove(&mut grads).unwrap(),
            ak.grad_remove(&mut grads).unwrap(),
            av.grad_remove(&mut grads).unwrap(),
        );
        for (what, (dq, dk, dv)) in [
            ("native", Flex::causal_attention_backward(&dy, &q, &k, &v, &out, lse.as_ref(), &span, heads)),
            ("composed", composed::causal_attention_backward(&dy, &q, &k, &v, &span, heads, SCORES_AT_ONCE)),
        ] {
            close(what, dq, want.0.clone());
            close(what, dk, want.1.clone());
            close(what, dv, want.2.clone());
        }
    }
}

/// Few scores at a time give what all at once give: whole tiles, a short last one, single queries; padding and a cache.
#[test]
fn attention_in_tiles_is_attention() {
    let heads = Heads { query: 6, key_value: 2, dim: 8 };
    let device = Default::default();
    for (start, at, width, columns) in [(vec![0, 3, 0], vec![0, 0, 0], 10, 10), (vec![1, 0], vec![4, 2], 7, 12)] {
        let rows = start.len();
        let used = used(&start, &at, width);
        let (q, dy) = (random([rows * width, 48], 1), random([rows * width, 48], 4) * used.clone());
        let (k, v) = (random([rows, columns, 16], 2), random([rows, columns, 16], 3));
        let span = Span::<Flex>::new(start.clone(), at.clone(), width, columns, &device);
        // As on a backend that composes: the mask is there as a whole.
        let masked = Span { hidden: Some(composed::hidden(&start, &at, width, columns, &device)), ..span.clone() };
        let whole = composed::causal_attention(&q, &k, &v, &span, heads, usize::MAX);
        let slopes = composed::causal_attention_backward(&dy, &q, &k, &v, &span, heads, usize::MAX);
        for queries in [1, 3, 5] {
            let scores_max = queries * rows * heads.query * columns;
            for span in [&span, &masked] {
                let tiled = composed::causal_attention(&q, &k, &v, span, heads, scores_max);
                close("forward", tiled * used.clone(), whole.clone() * used.clone());
                let (dq, dk, dv) = composed::causal_attention_backward(&dy, &q, &k, &v, span, heads, scores_max);
                close("dq", dq, slopes.0.clone());
                close("dk", dk, slopes.1.clone());
                close("dv", dv, slopes.2.clone());
            }
        }
    }
}

/// Rows without padding over nine columns.
fn of_columns(at: &[usize], width: usize) -> Span<Flex> {
    Span::new(vec![0; at.len()], at.to_vec(), width, 9, &Default::default())
}

#[test]
fn a_cache_is_written_in_place_and_by_row() {
    let (cache, new) = (random([3, 9, 4], 1).zeros_like(), random([3, 2, 4], 2));
    for at in [[1, 1, 1], [0, 7, 3]] {
        let native = Flex::cache_write(cache.clone(), &new, &of_columns(&at, 2));
        close("cache", native.clone(), composed::cache_write(cache.clone(), &new, &at));
        for (b, &a) in at.iter().enumerate() {
            let row = native.clone().slice([b..b + 1, a..a + 2, 0..4]);
            close("row", row, new.clone().slice([b..b + 1, 0..2, 0..4]));
        }
    }
}

#[test]
fn rows_of_a_cache_begin_anew() {
    let (cache, new) = (random([4, 9, 4], 1), random([2, 5, 4], 2));
    let (native, twin) =
        (Flex::cache_put(cache.clone(), &[3, 1], &new), composed::cache_put(cache.clone(), &[3, 1], &new));
    for (i, row) in [(0, 3), (1, 1)] {
        let want = new.clone().slice([i..i + 1, 0..5, 0..4]);
        close("native", native.clone().slice([row..row + 1, 0..5, 0..4]), want.clone());
        close("composed", twin.clone().slice([row..row + 1, 0..5, 0..4]), want);
        // The composed write adds to what is there.
        let rest = twin.clone().slice([row..row + 1, 5..9, 0..4]);
        close("the rest", rest.clone(), rest.zeros_like());
    }
    for row in [0, 2] {
        let want = cache.clone().slice([row..row + 1, 0..9, 0..4]);
        close("other rows", native.clone().slice([row..row + 1, 0..9, 0..4]), want.clone());
        close("other rows", twin.clone().slice([row..row + 1, 0..9, 0..4]), want);
    }
    // A pass over fewer rows than the cache has.
    let one = random([2, 1, 4], 3);
    for at in [[4, 4], [8, 0]] {
        let empty = cache.zeros_like();
        close(
            "fewer",
            Flex::cache_write(empty.clone(), &one, &of_columns(&at, 1)),
            composed::cache_write(empty, &one, &at),
        );
    }
}

#[test]
fn cross_entropy_and_its_gradient() {
    let logits = random([9, 37], 1) * 8.0;
    let device = Default::default();
    let targets = Tensor::<Flex, 1, Int>::from_data([0, 36, 5, 5, 1, 2, 3, 4, 30], &device);
    let weights = random([9], 2).abs();
    let (loss, gradient) = Flex::cross_entropy(logits.clone(), &targets, &weights);
    let (reference, slope) = composed::cross_entropy(logits.clone(), &targets, &weights);
    close("loss", loss, reference);
    close("gradient", gradient, slope.clone());
    let al = leaf(&logits);
    let log = burn_tensor::activation::log_softmax(al.clone(), 1);
    let picked = log.gather(1, Tensor::<A, 1, Int>::from_inner(targets).reshape([9, 1]));
    let mut grads = (picked.neg() * Tensor::from_inner(weights).reshape([9, 1])).sum().backward();
    close("autodiff", slope, al.grad_remove(&mut grads).unwrap());
}

#[test]
fn scattered_rows_add_up() {
    let ids = Tensor::<Flex, 1, Int>::from_data([3, 0, 3, 6], &Default::default());
    let dy = random([4, 5], 1);
    close("rows", Flex::scatter_rows(&dy, &ids, 7), composed::scatter_rows(&dy, &ids, 7));
}

#[test]
fn adamw_is_the_same_native_and_composed() {
    let state = || (random([7, 9], 1), random([7, 9], 2) * 0.1, random([7, 9], 3).powi_scalar(2));
    let step = AdamStep { lr: 1e-2, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01, step: 3 };
    let scale = Tensor::<Flex, 1>::from_data([0.5], &Default::default());
    let native = Flex::adamw(state(), &random([7, 9], 4), &scale, step);
    let reference = composed::adamw(state(), &random([7, 9], 4), &scale, step);
    close("value", native.0, reference.0);
    close("first", native.1, reference.1);
    close("second", native.2, reference.2);
}
