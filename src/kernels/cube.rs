//! The GPU's versions of the operations: each calls a kernel of `shaders` on contiguous tensors.

use burn::tensor::backend::DeviceOps;
use burn::tensor::{Tensor, TensorPrimitive};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{BoolElement, CubeBackend, CubeRuntime, FloatElement, IntElement};
use cubecl::server::ComputeServer;

use super::{FusedOps, shaders};

/// A tensor of this backend, its elements side by side in row-major order.
fn contiguous<B, R, const D: usize>(tensor: Tensor<B, D>) -> CubeTensor<R>
where
    B: FusedOps<FloatTensorPrimitive = CubeTensor<R>>,
    R: CubeRuntime,
{
    into_contiguous(tensor.into_primitive().tensor())
}

fn tensor<B, R, const D: usize>(tensor: CubeTensor<R>) -> Tensor<B, D>
where
    B: FusedOps<FloatTensorPrimitive = CubeTensor<R>>,
    R: CubeRuntime,
{
    Tensor::from_primitive(TensorPrimitive::Float(tensor))
}

impl<R, F, I, BT> FusedOps for CubeBackend<R, F, I, BT>
where
    R: CubeRuntime,
    R::Server: ComputeServer,
    R::Device: DeviceOps,
    F: FloatElement,
    I: IntElement,
    BT: BoolElement,
{
    fn swiglu(gate: &Tensor<Self, 2>, up: &Tensor<Self, 2>) -> Tensor<Self, 2> {
        tensor(shaders::swiglu::swiglu(contiguous(gate.clone()), contiguous(up.clone())))
    }
}
