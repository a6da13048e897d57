//! From tensors to what the kernels take, and back.

use burn_cubecl::CubeRuntime;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use burn_tensor::{Tensor, TensorPrimitive};

use crate::kernels::shaders::attention::Sizes;
use crate::kernels::shaders::common::WORK;
use crate::kernels::{FusedOps, Heads, Span};

/// A tensor of this backend, its elements side by side in row-major order.
pub(super) fn contiguous<B, R, const D: usize>(tensor: Tensor<B, D>) -> CubeTensor<R>
where
    B: FusedOps<FloatTensorPrimitive = CubeTensor<R>>,
    R: CubeRuntime,
{
    into_contiguous(tensor.into_primitive().tensor())
}

pub(super) fn tensor<B, R, const D: usize>(tensor: CubeTensor<R>) -> Tensor<B, D>
where
    B: FusedOps<FloatTensorPrimitive = CubeTensor<R>>,
    R: CubeRuntime,
{
    Tensor::from_primitive(TensorPrimitive::Float(tensor))
}

/// The transposed view of a matrix.
pub(super) fn swapped<R: CubeRuntime>(mut matrix: CubeTensor<R>) -> CubeTensor<R> {
    matrix.meta.swap(0, 1);
    matrix
}

/// `[2, rows]`: where each row's columns begin, and where its first query stands.
pub(super) fn places<B, R>(span: &Span<B>) -> CubeTensor<R>
where
    B: FusedOps<IntTensorPrimitive = CubeTensor<R>>,
    R: CubeRuntime,
{
    into_contiguous(span.places.clone().expect("made for every backend that reads it").into_primitive())
}

pub(super) fn sizes<B: FusedOps>(span: &Span<B>, columns: usize, heads: Heads) -> Sizes {
    let (rows, width, key_value, dim) = (span.rows(), span.width, heads.key_value, heads.dim);
    Sizes { rows, width, columns, key_value, group: heads.query / key_value, dim, work: WORK }
}
