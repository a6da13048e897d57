//! The GPU's kernels against plain tensor code on the CPU: norms, the gated product, rotations, the cache, attention of few
//! queries. Shapes that fill no cube evenly.

use burn_flex::Flex;
use burn_tensor::{Tensor, TensorData};
use burn_wgpu::{Wgpu, WgpuDevice};

use super::support::{along, both, close, device, slope_is, within};
use crate::kernels::{FusedOps, Heads, SCORES_AT_ONCE, Span, Turn, composed};

const ROWS_AND_CHANNELS: [[usize; 2]; 6] = [[1, 1], [3, 8], [33, 50], [5, 64], [130, 96], [7, 1027]];

#[test]
fn rms_norm_of_any_width() {
    let Some(device) = device() else { return };
    for shape in ROWS_AND_CHANNELS {
        let ((x, gx), (g, gg)) = (both(shape, 1, &device), both([shape[1]], 2, &device));
        close(&format!("rms_norm {shape:?}"), Wgpu::rms_norm(&gx, &gg, 1e-6), composed::rms_norm(&x, &g, 1e-6));
    }
}

#[test]
fn rms_norm_backward_in_place_and_not() {
    let Some(device) = device() else { return };
    for shape in ROWS_AND_CHANNELS {
        let ((x, gx), (g, gg)) = (both(shape, 1, &device), both([shape[1]], 2, &device));
        let ((dy, gdy), (residual, gresidual)) = (both(shape, 3, &device), both(shape, 4, &device));
        let (dx, dg) = composed::rms_norm_backward(&dy, &x, &g, 1e-6, residual.clone(), true);
        for want_gain in [true, false] {
            let shared = gresidual.clone();
            let (gdx, gdg) = Wgpu::rms_norm_backward(&gdy, &gx, &gg, 1e-6, gresidual.clone(), want_gain);
            close(&format!("dx {shape:?}"), gdx, dx.clone());
            close("a shared residual is left alone", shared, residual.clone());
            assert_eq!(gdg.is_some(), want_gain);
            if let Some(gdg) = gdg {
                close(&format!("dg {shape:?}"), gdg, dg.clone().unwrap());
            }
        }
        // One owner: in place.
        let (gdx, _) = Wgpu::rms_norm_backward(&gdy, &gx, &gg, 1e-6, gresidual * 1.0, false);
        close(&format!("dx in place {shape:?}"), gdx, dx);
    }
    let ((_, x), (_, g), (_, dy)) = (both([9, 50], 1, &device), both([50], 2, &device), both([9, 50], 3, &device));
    let ((_, direction), (_, of_gain)) = (both([9, 50], 5, &device), both([50], 6, &device));
    let (dx, dg) = Wgpu::rms_norm_backward(&dy, &x, &g, 1e-6, x.zeros_like(), true);
    let want = along(&x, &direction, |x| Wgpu::rms_norm(&x, &g, 1e-6) * dy.clone());
    slope_is("rms_norm dx", dx, direction, want);
    let want = along(&g, &of_gain, |g| Wgpu::rms_norm(&x, &g, 1e-6) * dy.clone());
    slope_is("rms_norm dg", dg.unwrap(), of_gain, want);
}

#[test]
fn swiglu_backward_is_its_gradient() {
    let Some(device) = device() else { return };
    for shape in ROWS_AND_CHANNELS {
        let ((gate, ggate), (up, gup)) = (both(shape, 1, &device), both(shape, 2, &device));
        // Up to 120, whose exponential f32 does not hold.
        let (far, gfar) = (gate.clone() * 60.0, ggate.clone() * 60.0);
        close(&format!("swiglu far out {shape:?}"), Wgpu::swiglu(&gfar, &gup), composed::swiglu(&far, &up));
        let (dgate, _) = composed::swiglu_backward(&up, &far, &up);
        close("its gradient", Wgpu::swiglu_backward(&gup, &gfar, &gup).0, dgate);
        let (dy, gdy) = both(shape, 3, &device);
        close(&format!("swiglu {shape:?}"), Wgpu::swiglu(&ggate, &gup), composed::swiglu(&gate, &up));
        let (dgate, dup) = composed::swiglu_backward(&dy, &gate, &up);
        let (gdgate, gdup) = Wgpu::swiglu_backward(&gdy, &ggate, &gup);
        close(&format!("dgate {shape:?}"), gdgate, dgate);
        close(&format!("dup {shape:?}"), gdup, dup);
    }
    let ((_, gate), (_, up), (_, dy)) =
        (both([9, 50], 1, &device), both([9, 50], 2, &device), both([9, 50], 3, &device));
    let (_, direction) = both([9, 50], 5, &device);
    let (dgate, dup) = Wgpu::swiglu_backward(&dy, &gate, &up);
    let want = along(&gate, &direction, |gate| Wgpu::swiglu(&gate, &up) * dy.clone());
    slope_is("swiglu dgate", dgate, direction.clone(), want);
    let want = along(&up, &direction, |up| Wgpu::swiglu(&gate, &up) * dy.clone());
    slope_is("swiglu dup", dup, direction, want);
}

/// Cosines and sines of drawn angles.
fn angles(n: usize, dim: usize, device: &WgpuDevice) -> (Tensor<Flex, 2>, Tensor<Wgpu, 2>) {
    let (angle, gangle) = both([n, dim / 2], 7, device);
    let there = Tensor::cat(vec![gangle.clone().cos(), gangle.sin()], 1);
    (Tensor::cat(vec![angle.clone().cos(), angle.sin()], 1), there)
}

#[test]
fn rope_in_place_and_not() {
    let Some(device) = device() else { return };
    for (n, heads, dim) in [(1, 1, 8), (12, 4, 16), (5, 14, 64), (3, 3, 80), (130, 1, 2), (2, 28, 128)] {
        let ((q, gq), (k, gk)) = (both([n, heads * dim], 1, &device), both([n, (heads / 7 + 1) * dim], 2, &device));
        let (angles, gangles) = angles(n, dim, &device);
        let [want_q, want_k] = [&q, &k].map(|x| composed::rope(x.clone(), &angles, Turn::Forth));
        let (turned_q, turned_k) = Wgpu::rope(gq.clone(), gk.clone(), &gangles, Turn::Forth);
        close(&format!("rope {n} {heads} {dim}"), turned_q.clone(), want_q.clone());
        close("rope of keys", turned_k.clone(), want_k.clone());
        close("shared queries are left alone", gq.clone(), q.clone());
        close("shared keys are left alone", gk.clone(), k.clone());
        let (back_q, back_k) = Wgpu::rope(turned_q, turned_k, &gangles, Turn::Back);
        close("back", back_q, q);
        close("keys back", back_k, k);
        let (turned_q, turned_k) = Wgpu::rope(gq * 1.0, gk * 1.0, &gangles, Turn::Forth);
        close("in place", turned_q, want_q);
        close("keys in place", turned_k, want_k);
    }
}

fn span(at: &[usize], width: usize, columns: usize, device: &WgpuDevice) -> Span<Wgpu> {
    Span::new(vec![0; at.len()], at.to_vec(), width, columns, device)
}

#[test]
fn a_cache_is_written_by_row() {
    let Some(device) = device() else { return };
    let (all, columns, channels) = (4, 9, 13);
    for (at, width) in [(vec![1, 1, 1], 2), (vec![0, 7, 3], 2), (vec![8, 0, 5, 2], 1), (vec![0, 0], 9)] {
        let rows = at.len();
        let (cache, gcache) = both([all, columns, channels], 1, &device);
        let (new, gnew) = both([rows, width, channels], 2, &device);
        let mut want = cache.clone();
        for (b, &a) in at.iter().enumerate() {
            want = want.slice_assign([b..b + 1, a..a + width, 0..channels], new.clone().narrow(0, b, 1));
        }
        let span = span(&at, width, columns, &device);
        close(&format!("cache_write at {at:?}"), Wgpu::cache_write(gcache.clone(), &gnew, &span), want.clone());
        close("a shared cache is left alone", gcache.clone(), cache);
        close("in place", Wgpu::cache_write(gcache * 1.0, &gnew, &span), want);
    }
}

#[test]
fn queries_and_keys_are_turned_on_the_way_into_the_cache() {
    let Some(device) = device() else { return };
    for (at, width, heads, dim) in [(vec![0, 7, 3], 2, 2, 6), (vec![8], 1, 1, 64), (vec![0, 0, 0, 0], 9, 3, 10)] {
        let (rows, channels) = (at.len(), heads * dim);
        let ((keys, gkeys), (values, gvalues)) =
            (both([4, 9, channels], 1, &device), both([4, 9, channels], 2, &device));
        let ((k, gk), (v, gv)) =
            (both([rows * width, channels], 3, &device), both([rows * width, channels], 4, &device));
        let (q, gq) = both([rows * width, 3 * channels], 5, &device);
        let (angles, gangles) = angles(rows * width, dim, &device);
        let span = span(&at, width, 9, &device);
        let want_q = composed::rope(q.clone(), &angles, Turn::Forth);
        let k = composed::rope(k, &angles, Turn::Forth).reshape([rows, width, channels]);
        let v = v.reshape([rows, width, channels]);
        let (mut want_keys, mut want_values) = (keys.clone(), values);
        for (b, &a) in at.iter().enumerate() {
            let place = [b..b + 1, a..a + width, 0..channels];
            want_keys = want_keys.slice_assign(place.clone(), k.clone().narrow(0, b, 1));
            want_values = want_values.slice_assign(place, v.clone().narrow(0, b, 1));
        }
        let caches = (gkeys.clone(), gvalues);
        let (turned, new_keys, new_values) = Wgpu::cache_append(caches, [gq.clone(), gk, gv], &gangles, &span);
        close("queries", turned, want_q);
        close("shared queries are left alone", gq, q);
        close(&format!("keys at {at:?}"), new_keys, want_keys);
        close("values", new_values, want_values);
        close("shared keys are left alone", gkeys, keys);
    }
}

#[test]
fn rows_of_a_cache_begin_anew() {
    let Some(device) = device() else { return };
    for (rows, width) in [(vec![3, 1], 5), (vec![0], 9), (vec![2, 12, 0, 5, 7, 9, 1, 11, 4, 10], 3)] {
        let (cache, gcache) = both([13, 9, 6], 1, &device);
        let (new, gnew) = both([rows.len(), width, 6], 2, &device);
        let want = composed::cache_put(cache.clone(), &rows, &new);
        close(&format!("cache_put {rows:?}"), Wgpu::cache_put(gcache.clone(), &rows, &gnew), want.clone());
        close("a shared cache is left alone", gcache.clone(), cache);
        close("in place", Wgpu::cache_put(gcache * 1.0, &rows, &gnew), want);
    }
}

/// One head and many, dims that fill no vector, padding, ragged rows, columns enough to be split.
#[test]
fn attention_of_few_queries() {
    let Some(device) = device() else { return };
    let heads = |query, key_value, dim| Heads { query, key_value, dim };
    for (start, at, width, columns, heads) in [
        (vec![0, 2], vec![5, 9], 1, 12, heads(6, 2, 8)),
        (vec![0], vec![0], 1, 1, heads(1, 1, 64)),
        (vec![1, 0], vec![4, 2], 3, 9, heads(6, 2, 8)),
        (vec![0, 3, 0], vec![0, 0, 0], 7, 7, heads(4, 4, 10)),
        (vec![0, 40], vec![130, 299], 1, 300, heads(14, 2, 64)),
        (vec![5, 0, 0], vec![699, 3, 260], 2, 701, heads(9, 3, 33)),
        (vec![0], vec![1000], 1, 1030, heads(28, 4, 128)),
        (vec![0, 7], vec![200, 150], 1, 210, heads(10, 1, 80)),
        (vec![0; 40], (0..40).map(|row| 4 * row).collect(), 1, 160, heads(4, 4, 16)),
        (vec![2], vec![150], 8, 158, heads(2, 2, 256)),
    ] {
        let (rows, channels) = (start.len(), heads.key_value * heads.dim);
        let seen: Vec<f32> = start
            .iter()
            .zip(&at)
            .flat_map(|(&start, &at): (&usize, &usize)| (0..width).map(move |t| f32::from(u8::from(at + t >= start))))
            .collect();
        let seen = TensorData::new(seen, [rows * width, 1]);
        let want_span = Span::<Flex>::new(start.clone(), at.clone(), width, columns, &Default::default());
        let span = Span::<Wgpu>::new(start, at, width, columns, &device);
        let (q, gq) = both([rows * width, heads.query * heads.dim], 1, &device);
        let (k, gk) = both([rows, columns, channels], 2, &device);
        let (v, gv) = both([rows, columns, channels], 3, &device);
        let want = composed::causal_attention(&q, &k, &v, &want_span, heads, SCORES_AT_ONCE)
            * Tensor::from_data(seen, &Default::default());
        let (out, lse) = Wgpu::causal_attention(&gq, &gk, &gv, &span, heads);
        // Queries that see nothing give zeros.
        close(&format!("attention of {width} over {columns}, {heads:?}"), out, want);
        let lse = lse.expect("for the backward pass").into_data().to_vec::<f32>().unwrap();
        let want = log_sum_exp(&q, &k, &want_span, heads);
        let off = lse.iter().zip(&want).map(|(a, b)| (a - b).abs() / (1.0 + b.abs())).fold(0.0, f32::max);
        assert!(lse.len() == want.len() && off < 1e-5, "log of the sums: {off:e}");
    }
}

/// Rows in the middle of a larger cache, as a view, and scores far beyond what `exp` can take.
#[test]
fn attention_of_great_scores_over_a_view() {
    let Some(device) = device() else { return };
    let heads = Heads { query: 4, key_value: 2, dim: 16 };
    let (start, at) = (vec![0, 3], vec![140, 20]);
    let want_span = Span::<Flex>::new(start.clone(), at.clone(), 1, 160, &Default::default());
    let span = Span::<Wgpu>::new(start, at, 1, 160, &device);
    let ((q, gq), (k, gk), (v, gv)) =
        (both([2, 64], 1, &device), both([5, 160, 32], 2, &device), both([5, 160, 32], 3, &device));
    for (from, scale) in [(0, 1.0), (2, 1.0), (2, 300.0)] {
        let (q, gq) = (q.clone() * scale, gq.clone() * scale);
        let (k, v) = (k.clone().narrow(0, from, 2), v.clone().narrow(0, from, 2));
        let (gk, gv) = (gk.clone().narrow(0, from, 2), gv.clone().narrow(0, from, 2));
        let want = composed::causal_attention(&q, &k, &v, &want_span, heads, SCORES_AT_ONCE);
        let (out, _) = Wgpu::causal_attention(&gq, &gk, &gv, &span, heads);
        // Scores of thousands are known to some 1e-4.
        within(1e-5 * scale, &format!("rows from {from} on, queries times {scale}"), out, want);
    }
}

/// The log of each softmax's denominator, `[rows, heads, width]`; 0 where nothing is seen.
fn log_sum_exp(q: &Tensor<Flex, 2>, k: &Tensor<Flex, 3>, span: &Span<Flex>, heads: Heads) -> Vec<f32> {
    let ([_, columns, channels], dim) = (k.dims(), heads.dim);
    let (q, k) = (q.to_data().to_vec::<f32>().unwrap(), k.to_data().to_vec::<f32>().unwrap());
    let mut all = Vec::new();
    for b in 0..span.rows() {
        for h in 0..heads.query {
            for t in 0..span.width {
                let q = &q[((b * span.width + t) * heads.query + h) * dim..][..dim];
                let group = heads.query / heads.key_value;
                let sum: f64 = (span.start[b]..span.at[b] + t + 1)
                    .map(|c| {
                        let k = &k[(b * columns + c) * channels + h / group * dim..][..dim];
                        let dot: f64 = q.iter().zip(k).map(|(q, k)| f64::from(q * k)).sum();
                        (dot / (dim as f64).sqrt()).exp()
                    })
                    .sum();
                all.push(if sum > 0.0 { sum.ln() as f32 } else { 0.0 });
            }
        }
    }
    all
}

/// The identity of a tensor's memory, without holding it.
fn place<const D: usize>(tensor: &Tensor<Wgpu, D>) -> String {
    let memory = format!("{:?}", tensor.clone().into_primitive().tensor().handle.binding().memory);
    // Behind its identity stands where it is, which is known once something runs.
    memory.split(", location").next().unwrap_or_default().to_owned()
}

#[test]
fn a_tensor_with_one_owner_is_written_in_place() {
    let Some(device) = device() else { return };
    let matrix = |seed| both([6, 32], seed, &device).1 * 1.0;
    let stays = |what: &str, work: &dyn Fn(Tensor<Wgpu, 2>) -> Tensor<Wgpu, 2>| {
        let own = matrix(1);
        let before = place(&own);
        assert_eq!(place(&work(own)), before, "{what}: moved");
        let shared = matrix(1);
        assert_ne!(place(&work(shared.clone())), place(&shared), "{what}: wrote into a shared tensor");
    };
    let (angles, gain) = (both([6, 16], 2, &device).1, both([32], 2, &device).1);
    let (x, long, wide) = (matrix(3), both([6, 200], 4, &device).1, both([200, 32], 5, &device).1);
    stays("rope of queries", &|x| Wgpu::rope(x, matrix(6), &angles, Turn::Forth).0);
    stays("rope of keys", &|x| Wgpu::rope(matrix(6), x, &angles, Turn::Forth).1);
    stays("rms_norm_backward", &|residual| Wgpu::rms_norm_backward(&x, &x, &gain, 1e-6, residual, false).0);
    stays("low rank", &|sum| Wgpu::add_matmul(sum, &x, &both([32, 32], 3, &device).1, 0.5));
    stays("product", &|sum| Wgpu::add_matmul(sum, &long, &wide, 0.5));
    let (span, new) = (span(&[3, 0], 1, 4, &device), both([2, 1, 24], 3, &device).1);
    for work in [&|t| Wgpu::cache_write(t, &new, &span), &|t| Wgpu::cache_put(t, &[1, 0], &new)]
        as [&dyn Fn(Tensor<Wgpu, 3>) -> Tensor<Wgpu, 3>; 2]
    {
        let own = both([2, 4, 24], 1, &device).1 * 1.0;
        let before = place(&own);
        assert_eq!(place(&work(own)), before, "the cache moved");
    }
}

/// More cubes than one dimension holds.
#[test]
fn many_cubes() {
    let Some(device) = device() else { return };
    let ((x, gx), (g, gg)) = (both([70_000, 8], 1, &device), both([8], 2, &device));
    close("rms_norm of many rows", Wgpu::rms_norm(&gx, &gg, 1e-6), composed::rms_norm(&x, &g, 1e-6));
    let n = 65_536 * 256 + 1000;
    let line = Tensor::<Wgpu, 2>::ones([1, n], &device);
    let rate = Tensor::<Wgpu, 2>::ones([1, 1], &device);
    let sum = Wgpu::add_matmul(line.clone(), &rate, &line, 2.0);
    let off = (sum.sub_scalar(3.0)).abs().max().into_scalar();
    assert_eq!(off, 0.0, "the last of {n} elements");
}
