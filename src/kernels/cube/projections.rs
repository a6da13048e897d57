//! Products, and projections with low-rank adapters: each of the frozen matrices is a launch, and so is what the adapters add to it.

use burn::tensor::{DType, Tensor};
use burn_cubecl::CubeRuntime;
use burn_cubecl::kernel::cast;
use burn_cubecl::kernel::matmul::{MatmulStrategy, matmul};
use burn_cubecl::tensor::CubeTensor;

use super::tensors::{contiguous, tensor};
use crate::kernels::{FusedOps, Lora, Projection, ProjectionGrads, shaders};

/// Whether the kernels take these adapters, and there is anything to do.
fn takes<B: FusedOps>(x: &Tensor<B, 2>, projections: &[Projection<'_, B>]) -> bool {
    let sized = |projection: &Projection<'_, B>| projection.weight.shape().num_elements() > 0;
    x.dims()[0] > 0
        && x.dtype() == DType::F32
        && projections.iter().all(|projection| sized(projection) && projection.lora.is_none_or(gathers))
}

fn primitive<B, R, const D: usize>(tensor: &Tensor<B, D>) -> CubeTensor<R>
where
    B: FusedOps<FloatTensorPrimitive = CubeTensor<R>>,
    R: CubeRuntime,
{
    tensor.clone().into_primitive().tensor()
}

/// `a · b` in f32. Burn multiplies what is of one dtype, so the activations take that of a half-precision matrix; the sums are
/// neither rounded to it nor cast back.
pub(super) fn product<B, R>(a: Tensor<B, 2>, b: Tensor<B, 2>) -> CubeTensor<R>
where
    B: FusedOps<FloatTensorPrimitive = CubeTensor<R>>,
    R: CubeRuntime,
{
    let (mut a, b) = (a.into_primitive().tensor(), b.into_primitive().tensor());
    if a.dtype != b.dtype {
        a = cast(a, b.dtype);
    }
    // Of its own accord Burn pads rows on CUDA, and every reader would copy them.
    let out = shaders::common::empty(&a, [a.meta.shape()[0], b.meta.shape()[1]]);
    matmul(a, b, Some(out), MatmulStrategy::default(), DType::F32).expect("Burn has a kernel for every product")
}

/// `sum + x · weightᵀ + bias` in one launch, where there is a kernel for it.
pub(super) fn few_rows<B, R>(
    sum: Option<&Tensor<B, 2>>,
    x: &Tensor<B, 2>,
    weight: &Tensor<B, 2>,
    bias: Option<&Tensor<B, 1>>,
) -> Option<Tensor<B, 2>>
where
    B: FusedOps<FloatTensorPrimitive = CubeTensor<R>>,
    R: CubeRuntime,
{
    let (bias, sum) = (bias.map(primitive), sum.map(primitive));
    shaders::product::affine(&primitive(x), &primitive(weight), bias.as_ref(), sum.as_ref()).map(tensor)
}

/// Activations in the dtypes of the matrices that multiply them, each cast once.
struct Casts<B: FusedOps>(Vec<Tensor<B, 2>>);

impl<B, R> Casts<B>
where
    B: FusedOps<FloatTensorPrimitive = CubeTensor<R>>,
    R: CubeRuntime,
{
    fn get(&mut self, dtype: DType) -> Tensor<B, 2> {
        if let Some(found) = self.0.iter().find(|held| held.dtype() == dtype) {
            return found.clone();
        }
        let new = tensor::<B, R, 2>(cast(primitive(&self.0[0]), dtype));
        self.0.push(new.clone());
        new
    }
}

/// `sum`, where there is one, and each projection of `x [n, in]`; `None` where the kernels do not take the adapters.
pub(super) fn project<B, R>(
    sum: Option<&Tensor<B, 2>>,
    x: &Tensor<B, 2>,
    projections: &[Projection<'_, B>],
) -> Option<Vec<Tensor<B, 2>>>
where
    B: FusedOps<FloatTensorPrimitive = CubeTensor<R>>,
    R: CubeRuntime,
{
    if !takes(x, projections) {
        return None;
    }
    let firsts = projections.iter().filter_map(|projection| projection.lora);
    let firsts: Vec<_> = firsts.map(|lora| (primitive(x), primitive(&lora.a), 1.0)).collect();
    let mut lows = shaders::thin::multiply(&firsts).into_iter();
    let mut casts = Casts(vec![x.clone()]);
    let one = |&Projection { weight, bias, lora }: &Projection<'_, B>| {
        let few = few_rows(sum, x, weight, bias);
        let added = if few.is_some() { (None, None) } else { (bias, sum) };
        let y = few.unwrap_or_else(|| tensor(product(casts.get(weight.dtype()), weight.clone().transpose())));
        let Some(lora) = lora else {
            let y = added.0.into_iter().fold(y, |y, bias| y + bias.clone().unsqueeze());
            return added.1.into_iter().fold(y, |y, sum| y + sum.clone());
        };
        let low = lows.next().expect("one for each adapter");
        let added = (added.0.cloned().map(contiguous), added.1.cloned().map(contiguous));
        tensor(shaders::product::add_low_rank(contiguous(y), added, low, primitive(&lora.b), lora.scale))
    };
    Some(projections.iter().map(one).collect())
}

/// Whether the gradients of an adapter are added up in place.
pub(super) fn gathers<B: FusedOps>(Lora { a, b, .. }: &Lora<B>) -> bool {
    let rank = a.dims()[1];
    let kept = [a.dtype(), b.dtype()] == [DType::F32; 2];
    (1..=shaders::product::RANK_MAX.min(shaders::thin::COLUMNS_MAX)).contains(&rank) && kept
}

/// The gradients of [`project`] without a sum. Those of the adapters are added to `sums`, A's and B's by turns, if there are, and to
/// nothing else.
pub(super) fn project_backward<B, R>(
    x: &Tensor<B, 2>,
    dys: &[Tensor<B, 2>],
    projections: &[Projection<'_, B>],
    learns: bool,
    sums: Option<&mut [Tensor<B, 1>]>,
) -> Option<ProjectionGrads<B>>
where
    B: FusedOps<FloatTensorPrimitive = CubeTensor<R>>,
    R: CubeRuntime,
{
    if !takes(x, projections) {
        return None;
    }
    let adapted = || projections.iter().zip(dys).filter_map(|(projection, dy)| Some((projection.lora?, dy)));
    let mut pairs: Vec<_> =
        adapted().map(|(lora, dy)| (primitive(dy), primitive(&lora.b.clone().transpose()), lora.scale)).collect();
    let adapters = pairs.len();
    if learns {
        // Recomputed rather than kept: rank columns against the in columns that are kept anyway.
        pairs.extend(adapted().map(|(lora, _)| (primitive(x), primitive(&lora.a), 1.0)));
    }
    let mut dlows = shaders::thin::multiply(&pairs);
    let mut lows = dlows.split_off(adapters).into_iter();
    let mut dlows = dlows.into_iter();
    let mut sums = sums.map(|sums| sums.iter_mut().map(|sum| primitive(sum)));
    let (mut dx, mut gradients) = (None::<Tensor<B, 2>>, Vec::new());
    for (&Projection { weight, lora, .. }, dy) in projections.iter().zip(dys) {
        let own = product(dy.clone(), weight.clone());
        let Some(lora) = lora else {
            gradients.push(None);
            dx = Some(match dx {
                Some(dx) => tensor(shaders::product::add_scaled(contiguous(dx), own, 1.0)),
                None => tensor(own),
            });
            continue;
        };
        let dlow = dlows.next().expect("one for each adapter");
        gradients.push(lows.next().map(|low| {
            let (x, dy) = (primitive(&x.clone().transpose()), primitive(&dy.clone().transpose()));
            let mut sum = || sums.as_mut()?.next();
            let sums = sum().zip(sum());
            let (da, db) = shaders::thin::adapter_gradients((x, dlow.clone()), (dy, low), lora.scale, sums);
            (tensor(da), tensor(db))
        }));
        let added = (None, dx.take().map(contiguous));
        dx =
            Some(tensor(shaders::product::add_low_rank(own, added, dlow, primitive(&lora.a.clone().transpose()), 1.0)));
    }
    Some(ProjectionGrads { dx: dx.expect("there is a projection"), adapters: gradients })
}
