//! The GPU's versions of the operations: each calls a kernel of `shaders` on contiguous tensors.

use burn::tensor::backend::DeviceOps;
use burn::tensor::{Tensor, TensorPrimitive};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{BoolElement, CubeBackend, CubeRuntime, FloatElement, IntElement};
use cubecl::server::ComputeServer;

use super::{FusedOps, Span, shaders};

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

/// `[2, rows]`: where each row's columns begin, and where its first query stands.
fn places<B, R>(span: &Span<B>) -> CubeTensor<R>
where
    B: FusedOps<IntTensorPrimitive = CubeTensor<R>>,
    R: CubeRuntime,
{
    into_contiguous(span.places.clone().expect("made for every backend that reads it").into_primitive())
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
    const READS_PLACES: bool = true;

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

    fn rope(x: Tensor<Self, 2>, cos: &Tensor<Self, 2>, sin: &Tensor<Self, 2>, dim: usize) -> Tensor<Self, 2> {
        let channels = x.dims()[1];
        let (cos, sin) = (contiguous(cos.clone()), contiguous(sin.clone()));
        tensor(shaders::rope::rope(contiguous(x), cos, sin, channels, dim))
    }

    fn cache_write(cache: Tensor<Self, 3>, new: &Tensor<Self, 3>, span: &Span<Self>) -> Tensor<Self, 3> {
        let ([all, columns, channels], [rows, width, new_channels]) = (cache.dims(), new.dims());
        assert!(rows <= all && rows == span.rows() && channels == new_channels, "a row of the cache for each new one");
        assert!(span.at.iter().all(|&at| at + width <= columns), "new columns beyond the cache");
        tensor(shaders::cache::write(contiguous(cache), contiguous(new.clone()), places(span), columns))
    }

    fn cache_put(cache: Tensor<Self, 3>, rows: &[usize], new: &Tensor<Self, 3>) -> Tensor<Self, 3> {
        let ([all, columns, channels], [news, width, new_channels]) = (cache.dims(), new.dims());
        assert!(rows.len() <= news && rows.iter().all(|&row| row < all), "a row of the cache for each new one");
        assert!(width <= columns && channels == new_channels, "new columns beyond the cache");
        tensor(shaders::cache::put(contiguous(cache), rows, contiguous(new.clone())))
    }

    fn swiglu(gate: &Tensor<Self, 2>, up: &Tensor<Self, 2>) -> Tensor<Self, 2> {
        tensor(shaders::swiglu::swiglu(contiguous(gate.clone()), contiguous(up.clone())))
    }
}
