//! The GPU's versions of the operations: each calls a kernel of `shaders` on contiguous tensors.

use burn::tensor::backend::DeviceOps;
use burn::tensor::{Int, Tensor, TensorPrimitive};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{BoolElement, CubeBackend, CubeRuntime, FloatElement, IntElement};
use cubecl::server::ComputeServer;

use super::shaders::attention::Sizes;
use super::shaders::optimiser::Factors;
use super::{AdamStep, FusedOps, Heads, Moments, Span, shaders};

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

fn places<B, R>(span: &Span<B>) -> CubeTensor<R>
where
    B: FusedOps<IntTensorPrimitive = CubeTensor<R>>,
    R: CubeRuntime,
{
    into_contiguous(span.places.clone().expect("kernels read places on the device").into_primitive())
}

fn sizes<B: FusedOps>(span: &Span<B>, columns: usize, heads: Heads) -> Sizes {
    let (rows, width, key_value, dim) = (span.rows(), span.width, heads.key_value, heads.dim);
    Sizes { rows, width, columns, key_value, group: heads.query / key_value, dim }
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

    const COMPOSES_ATTENTION: bool = false;

    const PLACES_ON_DEVICE: bool = true;

    fn causal_attention(
        q: &Tensor<Self, 2>,
        k: &Tensor<Self, 3>,
        v: &Tensor<Self, 3>,
        span: &Span<Self>,
        heads: Heads,
    ) -> (Tensor<Self, 2>, Option<Tensor<Self, 2>>) {
        let [q, k, v] = [contiguous(q.clone()), contiguous(k.clone()), contiguous(v.clone())];
        let sizes = sizes(span, k.meta.shape()[1], heads);
        let (out, lse) = shaders::attention::causal_attention(q, k, v, places(span), sizes);
        (tensor(out), Some(tensor(lse)))
    }

    fn causal_attention_backward(
        dy: &Tensor<Self, 2>,
        q: &Tensor<Self, 2>,
        k: &Tensor<Self, 3>,
        v: &Tensor<Self, 3>,
        out: &Tensor<Self, 2>,
        lse: Option<&Tensor<Self, 2>>,
        span: &Span<Self>,
        heads: Heads,
    ) -> (Tensor<Self, 2>, Tensor<Self, 3>, Tensor<Self, 3>) {
        let lse = contiguous(lse.expect("the forward pass keeps it").clone());
        let [dy, q, out] = [dy, q, out].map(|tensor| contiguous(tensor.clone()));
        let [k, v] = [k, v].map(|tensor| contiguous(tensor.clone()));
        let sizes = sizes(span, k.meta.shape()[1], heads);
        let (dq, dk, dv) =
            shaders::attention_backward::causal_attention_backward(dy, q, k, v, out, lse, places(span), sizes);
        (tensor(dq), tensor(dk), tensor(dv))
    }

    fn cross_entropy(
        logits: Tensor<Self, 2>,
        targets: &Tensor<Self, 1, Int>,
        weights: &Tensor<Self, 1>,
    ) -> (Tensor<Self, 1>, Tensor<Self, 2>) {
        let targets = into_contiguous(targets.clone().into_primitive());
        let (loss, gradient) =
            shaders::loss::cross_entropy(contiguous(logits), targets, contiguous(weights.clone()));
        (tensor(loss), tensor(gradient))
    }

    fn scatter_rows(x: &Tensor<Self, 2>, ids: &Tensor<Self, 1, Int>, rows: usize) -> Tensor<Self, 2> {
        let ids = into_contiguous(ids.clone().into_primitive());
        tensor(shaders::optimiser::scatter_rows(contiguous(x.clone()), ids, rows))
    }

    fn adamw<const D: usize>(
        (value, first, second): Moments<Self, D>,
        gradient: &Tensor<Self, D>,
        scale: &Tensor<Self, 1>,
        step: AdamStep,
    ) -> Moments<Self, D> {
        let (bias1, bias2) = step.bias_corrections();
        let factors = Factors {
            beta1: step.beta1 as f32,
            rest1: (1.0 - step.beta1) as f32,
            beta2: step.beta2 as f32,
            rest2: (1.0 - step.beta2) as f32,
            decay: (1.0 - step.lr * step.weight_decay) as f32,
            rate: (step.lr / bias1) as f32,
            bias: bias2.sqrt() as f32,
            epsilon: step.epsilon as f32,
        };
        let state = [contiguous(value), contiguous(first), contiguous(second)];
        let state =
            shaders::optimiser::adamw(state, contiguous(gradient.clone()), contiguous(scale.clone()), factors);
        let [value, first, second] = state.map(tensor);
        (value, first, second)
    }
}
