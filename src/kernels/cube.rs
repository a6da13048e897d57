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
    fn rms_norm(x: &Tensor<Self, 2>, gain: &Tensor<Self, 1>, epsilon: f32) -> Tensor<Self, 2> {
        tensor(shaders::norm::rms_norm(contiguous(x.clone()), contiguous(gain.clone()), epsilon))
    }

    fn rms_norm_backward(
        dy: &Tensor<Self, 2>,
        x: &Tensor<Self, 2>,
        gain: &Tensor<Self, 1>,
        epsilon: f32,
        residual: Tensor<Self, 2>,
        want_gain: bool,
    ) -> (Tensor<Self, 2>, Option<Tensor<Self, 1>>) {
        let (dy, x, gain) = (contiguous(dy.clone()), contiguous(x.clone()), contiguous(gain.clone()));
        let (dx, dgain) = shaders::norm::rms_norm_backward(dy, x, gain, epsilon, contiguous(residual), want_gain);
        (tensor(dx), dgain.map(tensor))
    }

    fn swiglu_backward(
        dy: &Tensor<Self, 2>,
        gate: &Tensor<Self, 2>,
        up: &Tensor<Self, 2>,
    ) -> (Tensor<Self, 2>, Tensor<Self, 2>) {
        let (dy, gate, up) = (contiguous(dy.clone()), contiguous(gate.clone()), contiguous(up.clone()));
        let (dgate, dup) = shaders::swiglu::swiglu_backward(dy, gate, up);
        (tensor(dgate), tensor(dup))
    }

    fn swiglu(gate: &Tensor<Self, 2>, up: &Tensor<Self, 2>) -> Tensor<Self, 2> {
        tensor(shaders::swiglu::swiglu(contiguous(gate.clone()), contiguous(up.clone())))
    }
}
