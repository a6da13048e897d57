//! The GPU's products and projections against plain tensor code on the CPU.

use burn_flex::Flex;
use burn_tensor::backend::Backend;
use burn_tensor::{DType, Tensor, TensorData, TensorPrimitive};
use burn_wgpu::{Wgpu, WgpuDevice};

use super::support::{both, close, device, held, random, within};
use crate::kernels::cube::projections::product_in_parts;
use crate::kernels::cube::tensors::swapped;
use crate::kernels::shaders::common::WORK;
use crate::kernels::shaders::product::add_low_rank;
use crate::kernels::{FusedOps, Lora, Projection, ProjectionGrads, composed, shaders};

#[test]
fn products_are_added_in_place() {
    let Some(device) = device() else { return };
    for (n, rank, columns) in [(1, 1, 1), (1, 16, 200), (37, 8, 40), (9, 128, 130), (5, 129, 24), (20, 3, 257)] {
        let (sum, gsum) = both([n, columns], 1, &device);
        let ((a, ga), (b, gb)) = (both([n, rank], 2, &device), both([rank, columns], 3, &device));
        let want = composed::add_matmul(sum.clone(), &a, &b, 0.3);
        let name = format!("add_matmul {n} {rank} {columns}");
        close(&name, Wgpu::add_matmul(gsum.clone(), &ga, &gb, 0.3), want.clone());
        close("a shared sum is left alone", gsum.clone(), sum);
        close("in place", Wgpu::add_matmul(gsum.clone() * 1.0, &ga, &gb, 0.3), want.clone());
        // Views with other strides.
        let (_, ga) = (a, (ga.transpose() * 1.0).transpose());
        let gb = (gb.transpose() * 1.0).transpose();
        close("turned", Wgpu::add_matmul(gsum, &ga, &gb, 0.3), want);
    }
}

#[test]
fn a_first_product_writes_its_output() {
    let Some(device) = device() else { return };
    let ((a, ga), (b, gb)) = (both([7, 150], 1, &device), both([150, 20], 2, &device));
    let (bias, gbias) = both([20], 3, &device);
    close("matmul", Wgpu::matmul(&ga, &gb, 0.5), a.clone().matmul(b.clone()) * 0.5);
    let (w, gw) = (b.transpose(), gb.transpose());
    close("affine", Wgpu::affine(&ga, &gw, Some(&gbias)), composed::affine(&a, &w, Some(&bias)));
}

/// What products may be off by: where Burn multiplies bf16, it rounds the activations of more rows to it.
fn most_in(dtype: DType, rows: usize, device: &WgpuDevice) -> f32 {
    let rounds = dtype == DType::BF16 && rows > 4 && <Wgpu as Backend>::supports_dtype(device, dtype);
    if rounds { 2e-2 } else { 2e-5 }
}

/// Any device holds matrices in half precision, whether it computes in it or not, and multiplies them as f32 would.
#[test]
fn projections_of_few_rows() {
    let Some(device) = device() else { return };
    for dtype in [DType::F32, DType::F16, DType::BF16] {
        for (n, inner, outer) in
            [(1, 4, 1), (1, 896, 37), (4, 24, 130), (3, 132, 9), (9, 20, 33), (32, 6, 8), (33, 24, 8), (2, 5, 7)]
        {
            let most = most_in(dtype, n, &device);
            let ((x, gx), (bias, gbias)) = (both([n, inner], 1, &device), both([outer], 2, &device));
            let (w, gw) = held(random([outer, inner], 3), dtype, &device);
            let name = format!("affine {n} {inner} {outer} {dtype:?}");
            within(most, &name, Wgpu::affine(&gx, &gw, Some(&gbias)), composed::affine(&x, &w, Some(&bias)));
            within(most, "without bias", Wgpu::affine(&gx, &gw, None), composed::affine(&x, &w, None));
            let (sum, gsum) = both([n, outer], 4, &device);
            let want = composed::affine(&x, &w, Some(&bias)) + sum;
            within(
                most,
                "onto a sum",
                Wgpu::add_projection(&gsum, &gx, &Projection { weight: &gw, bias: Some(&gbias), lora: None }),
                want,
            );
        }
    }
}

/// All values of both dtypes but infinities and those that are none, below the smallest normal one too; of odd sizes.
#[test]
fn halves_are_widened_exactly() {
    let Some(device) = device() else { return };
    for dtype in [DType::F16, DType::BF16] {
        let all: Vec<f32> = match dtype {
            DType::F16 => (0..=u16::MAX).map(|bits| half::f16::from_bits(bits).to_f32()).collect(),
            _ => (0..=u16::MAX).map(|bits| half::bf16::from_bits(bits).to_f32()).collect(),
        };
        // Devices may take numbers for zero that are below the smallest normal f32.
        let finite = all.into_iter().filter(|x| x.is_finite() && (*x == 0.0 || x.is_normal())).collect::<Vec<_>>();
        let n = finite.len();
        assert!(n > 60_000);
        let (want, there) =
            held(Tensor::from_data(TensorData::new(finite, [1, n]), &Default::default()), dtype, &device);
        let want = want.into_data().to_vec::<f32>().unwrap();
        let id = Tensor::from_data([0], &device);
        assert!(Wgpu::rows_of(&there, &id).into_data().to_vec::<f32>().unwrap() == want, "looked up, {dtype:?}");
        let element = shaders::halves::Element::of(dtype).unwrap();
        let wide = shaders::halves::wide(&there.into_primitive().tensor(), element);
        let wide = Tensor::<Wgpu, 2>::from_primitive(TensorPrimitive::Float(wide));
        assert!(wide.into_data().to_vec::<f32>().unwrap() == want, "widened, {dtype:?}");
        // Rows of an odd length begin in the middle of words.
        let (table, gtable) = held(random([5, 3], 1), dtype, &device);
        let ids = Tensor::from_data([4, 0, 1, 1], &device);
        close(
            "rows",
            Wgpu::rows_of(&gtable, &ids),
            table.clone().select(0, Tensor::from_data([4, 0, 1, 1], &Default::default())),
        );
        let ids = Tensor::from_data([1, 0], &device);
        let first = Wgpu::first_rows(&gtable, 2);
        close(
            "first rows",
            Wgpu::rows_of(&first, &ids),
            table.clone().select(0, Tensor::from_data([1, 0], &Default::default())),
        );
        let (x, gx) = both([9, 5], 2, &device);
        within(most_in(dtype, 9, &device), "backward", Wgpu::matmul(&gx, &gtable, 0.5), x.matmul(table.clone()) * 0.5);
        let (x, gx) = both([40, 3], 2, &device);
        let want = x.matmul(table.narrow(0, 0, 2).transpose());
        within(most_in(dtype, 40, &device), "of the first rows", Wgpu::affine(&gx, &first, None), want);
    }
}

/// A product beyond what one launch may take falls into parts; Burn's own kernels write into them.
#[test]
fn products_in_parts_are_whole() {
    let Some(device) = device() else { return };
    for turned in [false, true] {
        let ((a, ga), (b, gb)) = (both([300, 20], 1, &device), both([20, 33], 2, &device));
        let ga = if turned { (ga.transpose() * 1.0).transpose() } else { ga };
        let [ga, gb] = [ga, gb].map(|t| t.into_primitive().tensor());
        for work in [usize::MAX, 300 * 20 * 33, 1] {
            let found = product_in_parts(ga.clone(), gb.clone(), work);
            let found = Tensor::<Wgpu, 2>::from_primitive(TensorPrimitive::Float(found));
            close(&format!("work {work}, turned {turned}"), found, a.clone().matmul(b.clone()));
        }
    }
}

/// Projections of one input on both devices.
struct Layers {
    weights: Vec<(Tensor<Flex, 2>, Tensor<Wgpu, 2>)>,
    biases: Vec<Option<(Tensor<Flex, 1>, Tensor<Wgpu, 1>)>>,
    adapters: Vec<Option<(Lora<Flex>, Lora<Wgpu>)>>,
}

impl Layers {
    /// Outputs and ranks, rank 0 for none; every other one has a bias. With `turned`, adapters that lie in memory by columns.
    fn new(inner: usize, sizes: &[[usize; 2]], dtype: DType, turned: bool, device: &WgpuDevice) -> Self {
        let mut layers = Self { weights: Vec::new(), biases: Vec::new(), adapters: Vec::new() };
        for (i, &[outer, rank]) in sizes.iter().enumerate() {
            let seed = 10 * i as u64;
            layers.weights.push(held(random([outer, inner], seed + 11), dtype, device));
            layers.biases.push((i % 2 == 0).then(|| both([outer], seed + 12, device)));
            let matrix = |shape: [usize; 2], seed| {
                let (here, there) = both(shape, seed, device);
                (here, if turned { (there.transpose() * 1.0).transpose() } else { there })
            };
            let adapter = || {
                let ((a, ga), (b, gb)) = (matrix([inner, rank], seed + 13), matrix([rank, outer], seed + 14));
                let scale = 0.5 + i as f32;
                (Lora { a, b, scale }, Lora { a: ga, b: gb, scale })
            };
            layers.adapters.push((rank > 0).then(adapter));
        }
        layers
    }

    fn there(&self) -> Vec<Projection<'_, Wgpu>> {
        let of = |i: usize| Projection {
            weight: &self.weights[i].1,
            bias: self.biases[i].as_ref().map(|(_, bias)| bias),
            lora: self.adapters[i].as_ref().map(|(_, lora)| lora),
        };
        (0..self.weights.len()).map(of).collect()
    }

    /// `x · Wᵀ + b + s · (x · A) · B` in so many words.
    fn outputs(&self, x: &Tensor<Flex, 2>) -> Vec<Tensor<Flex, 2>> {
        let of = |i: usize| {
            let y = composed::affine(x, &self.weights[i].0, self.biases[i].as_ref().map(|(bias, _)| bias));
            match &self.adapters[i] {
                Some((Lora { a, b, scale }, _)) => y + x.clone().matmul(a.clone()).matmul(b.clone()) * *scale,
                None => y,
            }
        };
        (0..self.weights.len()).map(of).collect()
    }

    fn gradients(&self, x: &Tensor<Flex, 2>, dys: &[Tensor<Flex, 2>]) -> ProjectionGrads<Flex> {
        let (mut dx, mut adapters) = (x.zeros_like(), Vec::new());
        for (i, dy) in dys.iter().enumerate() {
            dx = dx + dy.clone().matmul(self.weights[i].0.clone());
            adapters.push(self.adapters[i].as_ref().map(|(Lora { a, b, scale }, _)| {
                let dlow = dy.clone().matmul(b.clone().transpose()) * *scale;
                dx = dx.clone() + dlow.clone().matmul(a.clone().transpose());
                let db = x.clone().matmul(a.clone()).transpose().matmul(dy.clone()) * *scale;
                (x.clone().transpose().matmul(dlow), db)
            }));
        }
        ProjectionGrads { dx, adapters }
    }
}

/// Rows and outputs with ranks, of 40 inputs: one row and many, one projection to four, without adapters and with. Few different
/// products of Burn's, each of which it first times variants of.
const LAYERS: [(usize, &[[usize; 2]]); 5] = [
    (1, &[[40, 8], [40, 3]]),
    (3, &[[40, 16]]),
    (37, &[[40, 5], [40, 0], [40, 17], [40, 128]]),
    (40, &[[40, 0], [40, 0]]),
    (33, &[[40, 127]]),
];

/// Ranks and sizes that fill nothing evenly, one product to four, by kernels alone.
#[test]
fn thin_products_of_any_rank() {
    let Some(device) = device() else { return };
    let held = |(here, there): (Tensor<Flex, 2>, Tensor<Wgpu, 2>)| (here, there.into_primitive().tensor());
    let back = |found| Tensor::<Wgpu, 2>::from_primitive(TensorPrimitive::Float(found));
    let sizes: [(usize, &[[usize; 2]]); 7] = [
        (1, &[[24, 8], [300, 16]]),
        (1, &[[1, 1]]),
        (2, &[[129, 3]]),
        (9, &[[300, 33], [64, 1], [16, 64], [5, 100]]),
        (33, &[[7, 127], [128, 128]]),
        (17, &[[256, 65], [40, 2], [1, 7]]),
        (70, &[[96, 16], [48, 16], [200, 16]]),
    ];
    for (n, sizes) in sizes {
        for turned in [false, true] {
            let matrix = |shape: [usize; 2], seed| {
                let (here, there) = both(shape, seed, &device);
                (here, if turned { (there.transpose() * 1.0).transpose() } else { there })
            };
            let (mut pairs, mut wants) = (Vec::new(), Vec::new());
            for (&[inner, rank], seed) in sizes.iter().zip(0..) {
                let ((x, gx), (a, ga)) = (held(matrix([n, inner], seed)), held(matrix([inner, rank], seed + 10)));
                pairs.push((gx, ga, 0.5 + seed as f32));
                wants.push(x.matmul(a) * (0.5 + seed as f32));
            }
            let lows = shaders::thin::multiply(&pairs, WORK);
            for ((low, want), &[inner, rank]) in lows.into_iter().zip(wants).zip(sizes) {
                let name = format!("{n} rows, {inner} to rank {rank}");
                close(&name, back(low.clone()), want.clone());
                // The same as a part of what follows: both gradients, and the sum.
                let ((x, gx), (dy, gdy)) = (matrix([n, inner], 1), matrix([n, 41], 2));
                let (dlow, gdlow) = held(matrix([n, rank], 3));
                let [gx, gdy] = [gx, gdy].map(|t| t.transpose().into_primitive().tensor());
                let (da, db) = shaders::thin::adapter_gradients((gx, gdlow), (gdy, low.clone()), 0.7, None, WORK);
                close(&format!("{name}, dA"), back(da), x.transpose().matmul(dlow));
                close(&format!("{name}, dB"), back(db), want.clone().transpose().matmul(dy) * 0.7);
                let ((sum, gsum), (more, gmore)) = (held(both([n, 41], 4, &device)), held(both([n, 41], 5, &device)));
                let ((b, gb), (bias, gbias)) = (held(matrix([rank, 41], 6)), both([41], 7, &device));
                let want = sum + want.matmul(b) * 0.3;
                let gbias = gbias.into_primitive().tensor();
                for (with_bias, with_more) in [(true, true), (true, false), (false, true)] {
                    let added = (with_bias.then(|| gbias.clone()), with_more.then(|| gmore.clone()));
                    let found = add_low_rank(gsum.clone(), added, low.clone(), gb.clone(), 0.3, WORK);
                    let want = if with_bias { want.clone() + bias.clone().unsqueeze() } else { want.clone() };
                    let want = if with_more { want + more.clone() } else { want };
                    close(&format!("{name}, onto sums"), back(found), want);
                }
            }
        }
    }
}

/// The same bits from however many launches, in place and beside what somebody keeps: of long texts a launch does only a part.
#[test]
fn thin_products_in_parts_are_whole() {
    let Some(device) = device() else { return };
    let (n, rank) = (70, 33);
    let there = |shape: [usize; 2], seed| both(shape, seed, &device).1.into_primitive().tensor();
    let all = |work: usize| {
        let pairs = [[96, rank], [48, 7], [200, 16]].map(|shape| (there([n, shape[0]], 1), there(shape, 2), 0.5));
        let mut found = shaders::thin::multiply(&pairs, work);
        // 12 cubes and 25; of the product below nine times two.
        for sums in [None, Some((there([96, rank], 3), there([rank, 200], 4)))] {
            let turned = |inner, seed| swapped(there([n, inner], seed));
            let (x, dy) = ((turned(96, 5), there([n, rank], 6)), (turned(200, 7), there([n, rank], 8)));
            let (da, db) = shaders::thin::adapter_gradients(x, dy, 0.7, sums, work);
            found.extend([da, db]);
        }
        let sum = there([n, 200], 9);
        for kept in [Some(sum.clone()), None] {
            let added = (Some(both([200], 10, &device).1.into_primitive().tensor()), Some(there([n, 200], 11)));
            let (a, b) = (there([n, rank], 12), there([rank, 200], 13));
            let sum = if kept.is_some() { sum.clone() } else { there([n, 200], 9) };
            found.push(add_low_rank(sum, added, a, b, 0.3, work));
        }
        found.push(sum);
        let values = |t| Tensor::<Wgpu, 1>::from_primitive(TensorPrimitive::Float(t)).into_data();
        found.into_iter().map(|t| values(t).iter::<f32>().map(f32::to_bits).collect()).collect::<Vec<Vec<_>>>()
    };
    let whole = all(usize::MAX);
    assert_eq!(whole.len(), 10);
    assert!(whole[7] == whole[8], "in place and beside it");
    for work in [1, 5 * 2 * 8 * n * rank] {
        assert!(all(work) == whole, "work {work}");
    }
}

#[test]
fn projections_with_adapters_and_their_gradients() {
    let Some(device) = device() else { return };
    let inner = 40;
    for (n, sizes) in LAYERS {
        for (dtype, turned) in [(DType::F32, false), (DType::F32, true), (DType::F16, false), (DType::BF16, false)] {
            let most = most_in(dtype, n, &device);
            let layers = Layers::new(inner, sizes, dtype, turned, &device);
            let name = format!("{n} rows of {inner} to {sizes:?} in {dtype:?}");
            // Activations that lie in memory by columns, too.
            let matrix = |shape: [usize; 2], seed| {
                let (here, there) = both(shape, seed, &device);
                (here, if turned { (there.transpose() * 1.0).transpose() } else { there })
            };
            let (x, gx) = matrix([n, inner], 1);
            let want = layers.outputs(&x);
            for (y, want) in Wgpu::project(&gx, None, &layers.there()).into_iter().zip(want.clone()) {
                within(most, &name, y, want);
            }
            for (i, projection) in layers.there().into_iter().enumerate() {
                let (sum, gsum) = matrix([n, sizes[i][0]], 2);
                let y = Wgpu::add_projection(&gsum, &gx, &projection);
                within(most, &format!("{name}, onto a sum"), y, want[i].clone() + sum.clone());
                close("the sum is left alone", gsum, sum);
            }
            let dys: Vec<_> = sizes.iter().zip(3..).map(|(&[outer, _], seed)| matrix([n, outer], seed)).collect();
            let (dys, gdys): (Vec<_>, Vec<_>) = dys.into_iter().unzip();
            let want = layers.gradients(&x, &dys);
            for learns in [true, false] {
                let found = Wgpu::project_backward(&gx, &gdys, None, &layers.there(), learns);
                within(most, &format!("{name}, dx"), found.dx, want.dx.clone());
                assert_eq!(found.adapters.len(), sizes.len());
                for (found, want) in found.adapters.into_iter().zip(&want.adapters) {
                    assert_eq!(found.is_some(), learns && want.is_some());
                    if let (Some((da, db)), Some((want_da, want_db))) = (found, want) {
                        // No half-precision number takes part.
                        close(&format!("{name}, dA"), da, want_da.clone());
                        close(&format!("{name}, dB"), db, want_db.clone());
                    }
                }
            }
            gathered_twice(&gx, &gdys, &layers, &want, most, &device);
            for (gdy, dy) in gdys.into_iter().zip(dys) {
                close("the outputs' gradients are left alone", gdy, dy);
            }
        }
    }
}

/// Gradients that are added up in place, and those of the first time, which somebody keeps.
fn gathered_twice(
    x: &Tensor<Wgpu, 2>,
    dys: &[Tensor<Wgpu, 2>],
    layers: &Layers,
    want: &ProjectionGrads<Flex>,
    most: f32,
    device: &WgpuDevice,
) {
    let projections = layers.there();
    let adapters: Vec<&Lora<Wgpu>> = projections.iter().filter_map(|projection| projection.lora).collect();
    assert!(Wgpu::gathers(&adapters));
    let want_of: Vec<Tensor<Flex, 1>> = want
        .adapters
        .iter()
        .flatten()
        .flat_map(|(a, b)| [a, b])
        .map(|t| t.clone().reshape([t.shape().num_elements()]))
        .collect();
    let lens: Vec<usize> = want_of.iter().map(|t| t.dims()[0]).collect();
    let mut sums = Wgpu::gathering(&lens, None, device);
    let first = Wgpu::project_backward_onto(x, dys, &projections, &mut sums);
    within(most, "dx beside gathered gradients", first, want.dx.clone());
    let kept = sums.clone();
    let mut sums = Wgpu::gathering(&lens, Some(sums), device);
    Wgpu::project_backward_onto(x, dys, &projections, &mut sums);
    for ((sum, kept), want) in sums.into_iter().zip(kept).zip(want_of) {
        close("what somebody keeps", kept, want.clone());
        close("the sum of two gradients", sum, want * 2.0);
    }
}

/// The same bits every time.
#[test]
fn gradients_of_adapters_are_repeatable() {
    let Some(device) = device() else { return };
    let layers = Layers::new(40, &[[40, 16], [40, 5]], DType::F32, false, &device);
    let (_, x) = both([60, 40], 1, &device);
    let dys = [both([60, 40], 2, &device).1, both([60, 40], 3, &device).1];
    let all = || {
        let ProjectionGrads { dx, adapters } = Wgpu::project_backward(&x, &dys, None, &layers.there(), true);
        let adapters = adapters.into_iter().flatten().flat_map(|(da, db)| [da, db]);
        std::iter::once(dx)
            .chain(adapters)
            .map(|tensor| tensor.into_data().to_vec::<f32>().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(all(), all());
}
