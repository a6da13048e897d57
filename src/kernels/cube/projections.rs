//! Products, and projections with low-rank adapters: each of the frozen matrices is a launch, and so is what the adapters add to it.

use burn_cubecl::CubeRuntime;
use burn_cubecl::kernel::matmul::{MatmulStrategy, matmul};
use burn_cubecl::kernel::{cast, into_contiguous, slice};
use burn_cubecl::tensor::CubeTensor;
use burn_tensor::{DType, Int, Tensor};
use cubecl::ir::features::TypeUsage;
use cubecl::zspace::metadata::Metadata;

use super::tensors::{contiguous, swapped, tensor};
use crate::kernels::shaders::common::WORK;
use crate::kernels::shaders::halves::Element;
use crate::kernels::shaders::product::{FEW_ROWS, SOME_ROWS};
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

/// Whether Burn multiplies matrices of this dtype as they are held. It wants the activations in the same dtype, and what passes through
/// Qwen2.5-7B does not fit f16 (its first tokens have states beyond 10^4, and products of them).
fn multiplies<R: CubeRuntime>(tensor: &CubeTensor<R>, dtype: DType) -> bool {
    match dtype {
        DType::F32 => true,
        DType::BF16 => tensor.client.properties().type_usage(dtype.into()).is_superset(TypeUsage::all()),
        _ => false,
    }
}

/// A matrix as Burn can multiply it: as it is held, or else in f32.
fn multiplied<R: CubeRuntime>(matrix: CubeTensor<R>) -> CubeTensor<R> {
    match Element::of(matrix.dtype) {
        Some(element) if !multiplies(&matrix, matrix.dtype) => {
            // The transposed view of a matrix is widened as the matrix lies.
            let turned = matrix.meta.strides()[0] == 1 && matrix.meta.shape()[1] > 1;
            let turn = |matrix| if turned { swapped(matrix) } else { matrix };
            turn(shaders::halves::wide(&into_contiguous(turn(matrix)), element))
        }
        _ => matrix,
    }
}

/// `a · b` in f32. Burn multiplies what is of one dtype, so the activations take that of a bf16 matrix where the device multiplies it; the
/// sums are neither rounded to it nor cast back.
pub(super) fn product<B, R>(a: Tensor<B, 2>, b: Tensor<B, 2>) -> CubeTensor<R>
where
    B: FusedOps<FloatTensorPrimitive = CubeTensor<R>>,
    R: CubeRuntime,
{
    let (mut a, b) = (a.into_primitive().tensor(), multiplied(b.into_primitive().tensor()));
    if a.dtype != b.dtype {
        a = cast(a, b.dtype);
    }
    product_in_parts(a, b, WORK_OF_BURN)
}

/// Multiplications and additions of one of Burn's products, about: a third of a second at half the rate of a laptop's slow GPU (see
/// [`WORK`]). The head over 152,000 tokens comes to more with a hundred rows.
const WORK_OF_BURN: usize = 1 << 36;

/// Rows of a part are a multiple of so many, so that each part begins where a device can bind it.
const PART: usize = 128;

/// [`product`] in launches of at most so much work or [`PART`] rows.
pub(super) fn product_in_parts<R: CubeRuntime>(a: CubeTensor<R>, b: CubeTensor<R>, work: usize) -> CubeTensor<R> {
    let ([rows, inner], [_, columns]) = (a.meta.shape().dims(), b.meta.shape().dims());
    // Of its own accord Burn pads rows on CUDA, and every reader would copy them.
    let out = shaders::common::empty(&a, [rows, columns]);
    let multiply = |a, out| {
        matmul(a, b.clone(), Some(out), MatmulStrategy::default(), DType::F32)
            .expect("Burn has a kernel for every product")
    };
    let most = (work / (2 * inner * columns).max(1) / PART * PART).max(PART);
    if rows <= most {
        return multiply(a, out);
    }
    for from in (0..rows).step_by(most) {
        let to = rows.min(from + most);
        let handle = out.handle.clone().offset_start((from * columns * out.dtype.size()) as u64);
        let part = Metadata::new([to - from, columns], [columns, 1]);
        let part = CubeTensor::new(out.client.clone(), handle, part, out.device.clone(), out.dtype);
        multiply(slice(a.clone(), &[from..to, 0..inner]), part);
    }
    out
}

/// Rows of a half-precision matrix in f32; `None` of another one.
pub(super) fn rows_of<B, R>(matrix: &Tensor<B, 2>, ids: &Tensor<B, 1, Int>) -> Option<Tensor<B, 2>>
where
    B: FusedOps<FloatTensorPrimitive = CubeTensor<R>, IntTensorPrimitive = CubeTensor<R>>,
    R: CubeRuntime,
{
    let element = Element::of(matrix.dtype()).filter(|element| *element != Element::F32)?;
    let mut matrix = primitive(matrix);
    if matrix.meta.strides()[1] != 1 {
        matrix = into_contiguous(matrix);
    }
    Some(tensor(shaders::halves::rows_of(&matrix, into_contiguous(ids.clone().into_primitive()), element)))
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
    let (weight, bias, sum) = (primitive(weight), bias.map(primitive), sum.map(primitive));
    let rows_max = if multiplies(&weight, weight.dtype) { FEW_ROWS } else { SOME_ROWS };
    shaders::product::affine(&primitive(x), &weight, bias.as_ref(), sum.as_ref(), rows_max).map(tensor)
}

/// Activations in the dtypes in which they are multiplied, each cast once.
struct Casts<B: FusedOps>(Vec<Tensor<B, 2>>);

impl<B, R> Casts<B>
where
    B: FusedOps<FloatTensorPrimitive = CubeTensor<R>>,
    R: CubeRuntime,
{
    /// Those for a matrix that is held in `dtype`.
    fn get(&mut self, dtype: DType) -> Tensor<B, 2> {
        let dtype = if multiplies(&primitive(&self.0[0]), dtype) { dtype } else { DType::F32 };
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
    let mut lows = shaders::thin::multiply(&firsts, WORK).into_iter();
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
        tensor(shaders::product::add_low_rank(contiguous(y), added, low, primitive(&lora.b), lora.scale, WORK))
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
    let mut dlows = shaders::thin::multiply(&pairs, WORK);
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
            let (da, db) = shaders::thin::adapter_gradients((x, dlow.clone()), (dy, low), lora.scale, sums, WORK);
            (tensor(da), tensor(db))
        }));
        let added = (None, dx.take().map(contiguous));
        dx = Some(tensor(shaders::product::add_low_rank(
            own,
            added,
            dlow,
            primitive(&lora.a.clone().transpose()),
            1.0,
            WORK,
        )));
    }
    Some(ProjectionGrads { dx: dx.expect("there is a projection"), adapters: gradients })
}
