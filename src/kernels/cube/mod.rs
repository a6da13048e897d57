//! The GPU's versions of the operations: each calls a kernel of `shaders` on contiguous tensors.

mod flat;
mod projections;
mod tensors;
#[cfg(all(test, feature = "cpu", any(feature = "wgpu", feature = "vulkan", feature = "metal")))]
mod tests;
mod upload;

use std::ops::Range;

use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::{BoolElement, CubeBackend, CubeRuntime, FloatElement, IntElement};
use burn_tensor::backend::DeviceOps;
use burn_tensor::{DType, Int, Tensor};
use cubecl::server::ComputeServer;

use self::projections::{few_rows, product};
use self::tensors::{contiguous, places, sizes, tensor};
use self::upload::Upload;
use super::shaders::common::WORK;
use super::shaders::optimiser::Factors;
use super::shaders::sample::{HEAD, ROW};
use super::{
    AdamStep, CANDIDATES, Candidates, Draw, FusedOps, Heads, Lora, Moments, Projection, ProjectionGrads, Span, Turn,
    composed, shaders,
};

/// Queries of a row up to which the cache is worth reading once for every eight that share a key-value head.
const FEW_QUERIES: usize = 8;

fn factors(step: &AdamStep) -> Factors {
    let (bias1, bias2) = step.bias_corrections();
    Factors {
        beta1: step.beta1 as f32,
        rest1: (1.0 - step.beta1) as f32,
        beta2: step.beta2 as f32,
        rest2: (1.0 - step.beta2) as f32,
        decay: (1.0 - step.lr * step.weight_decay) as f32,
        rate: (step.lr / bias1) as f32,
        bias: bias2.sqrt() as f32,
        epsilon: step.epsilon as f32,
    }
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
    const HOLDS_HALVES: bool = true;

    fn rows_of(matrix: &Tensor<Self, 2>, ids: &Tensor<Self, 1, Int>) -> Tensor<Self, 2> {
        projections::rows_of(matrix, ids).unwrap_or_else(|| composed::rows_of(matrix, ids))
    }

    fn first_rows(matrix: &Tensor<Self, 2>, rows: usize) -> Tensor<Self, 2> {
        // Burn makes a view where the rest has the length that the device wants of offsets, and else calls a kernel in the matrix's dtype,
        // which the device may not have.
        let mut matrix = matrix.clone().into_primitive().tensor();
        matrix.meta.shape[0] = rows;
        tensor(matrix)
    }

    fn affine(x: &Tensor<Self, 2>, weight: &Tensor<Self, 2>, bias: Option<&Tensor<Self, 1>>) -> Tensor<Self, 2> {
        if let Some(y) = few_rows(None, x, weight, bias) {
            return y;
        }
        let y = tensor::<Self, R, 2>(product(x.clone(), weight.clone().transpose()));
        match bias {
            Some(bias) => y + bias.clone().unsqueeze(),
            None => y,
        }
    }

    // Nothing is stacked: a product of a few rows is one launch with its bias, and the parts of a stacked one would have to be copied
    // apart.
    const VIEW_BYTES: usize = usize::MAX;

    fn add_projection(
        sum: &Tensor<Self, 2>,
        x: &Tensor<Self, 2>,
        projection: &Projection<'_, Self>,
    ) -> Tensor<Self, 2> {
        if let Some(mut ys) = projections::project(Some(sum), x, std::slice::from_ref(projection)) {
            return ys.remove(0);
        }
        let Projection { weight, bias, lora } = *projection;
        let y = Self::affine(x, weight, bias) + sum.clone();
        match lora {
            Some(Lora { a, b, scale }) => Self::add_matmul(y, &Self::matmul(x, a, 1.0), b, *scale),
            None => y,
        }
    }

    fn project_at_once(
        x: &Tensor<Self, 2>,
        _stack: Option<&Tensor<Self, 2>>,
        projections: &[Projection<'_, Self>],
    ) -> Option<Vec<Tensor<Self, 2>>> {
        projections::project(None, x, projections)
    }

    fn project_backward_at_once(
        x: &Tensor<Self, 2>,
        dys: &[Tensor<Self, 2>],
        projections: &[Projection<'_, Self>],
        learns: bool,
    ) -> Option<ProjectionGrads<Self>> {
        projections::project_backward(x, dys, projections, learns, None)
    }

    fn gathers(adapters: &[&Lora<Self>]) -> bool {
        adapters.iter().all(|lora| projections::gathers(lora))
    }

    fn gathering(lens: &[usize], earlier: Option<Vec<Tensor<Self, 1>>>, device: &Self::Device) -> Vec<Tensor<Self, 1>> {
        let sums = match earlier {
            Some(earlier) => flat::alone(earlier.into_iter().map(contiguous).collect()),
            None => flat::zeros(lens, &R::client(device), device),
        };
        sums.into_iter().map(tensor).collect()
    }

    fn project_backward_onto(
        x: &Tensor<Self, 2>,
        dys: &[Tensor<Self, 2>],
        projections: &[Projection<'_, Self>],
        sums: &mut [Tensor<Self, 1>],
    ) -> Tensor<Self, 2> {
        let found = projections::project_backward(x, dys, projections, true, Some(sums));
        found.expect("these adapters are gathered").dx
    }

    fn matmul(a: &Tensor<Self, 2>, b: &Tensor<Self, 2>, alpha: f32) -> Tensor<Self, 2> {
        let product = tensor::<Self, R, 2>(product(a.clone(), b.clone()));
        if alpha == 1.0 { product } else { product.mul_scalar(alpha) }
    }

    fn add_matmul(sum: Tensor<Self, 2>, a: &Tensor<Self, 2>, b: &Tensor<Self, 2>, alpha: f32) -> Tensor<Self, 2> {
        if b.dtype() == DType::F32 && b.dims()[0] <= shaders::product::RANK_MAX {
            let b = b.clone().into_primitive().tensor();
            let a = a.clone().into_primitive().tensor();
            return tensor(shaders::product::add_low_rank(contiguous(sum), (None, None), a, b, alpha, WORK));
        }
        tensor(shaders::product::add_scaled(contiguous(sum), product(a.clone(), b.clone()), alpha))
    }

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

    fn rope(
        q: Tensor<Self, 2>,
        k: Tensor<Self, 2>,
        angles: &Tensor<Self, 2>,
        turn: Turn,
    ) -> (Tensor<Self, 2>, Tensor<Self, 2>) {
        let (q, k) = shaders::rope::rope(contiguous(q), contiguous(k), contiguous(angles.clone()), turn.sign());
        (tensor(q), tensor(k))
    }

    fn cache_write(cache: Tensor<Self, 3>, new: &Tensor<Self, 3>, span: &Span<Self>) -> Tensor<Self, 3> {
        let ([all, columns, channels], [rows, width, new_channels]) = (cache.dims(), new.dims());
        assert!(rows <= all && rows == span.rows() && channels == new_channels, "a row of the cache for each new one");
        assert!(span.at.iter().all(|&at| at + width <= columns), "new columns beyond the cache");
        tensor(shaders::cache::write(contiguous(cache), contiguous(new.clone()), places(span), columns))
    }

    fn cache_append(
        (keys, values): (Tensor<Self, 3>, Tensor<Self, 3>),
        [q, k, v]: [Tensor<Self, 2>; 3],
        angles: &Tensor<Self, 2>,
        span: &Span<Self>,
    ) -> (Tensor<Self, 2>, Tensor<Self, 3>, Tensor<Self, 3>) {
        let ([all, columns, channels], new) = (keys.dims(), [span.rows() * span.width, keys.dims()[2]]);
        let [tokens, dim] = angles.dims();
        assert!(span.rows() <= all && values.dims() == keys.dims(), "a row of both caches for each of the pass");
        assert!(k.dims() == new && v.dims() == new && channels % dim == 0, "keys and values like those of the cache");
        assert!(
            q.dims()[0] == tokens && tokens == new[0] && q.dims()[1] % dim == 0,
            "queries and angles of the tokens"
        );
        assert!(span.at.iter().all(|&at| at + span.width <= columns), "new columns beyond the cache");
        let caches = (contiguous(keys), contiguous(values));
        let new = (contiguous(q), contiguous(k), contiguous(v));
        let (q, keys, values) = shaders::cache::append_both(caches, new, contiguous(angles.clone()), places(span));
        (tensor(q), tensor(keys), tensor(values))
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

    const COMPOSES_ATTENTION: bool = false;

    const PLACES_ON_DEVICE: bool = true;

    fn upload<const J: usize, const K: usize>(
        ints: [Vec<i32>; J],
        floats: [(Vec<f32>, [usize; 2]); K],
        device: &Self::Device,
    ) -> ([Tensor<Self, 1, Int>; J], [Tensor<Self, 2>; K]) {
        let mut upload = Upload::new(R::client(device));
        let ints = ints.map(|ints| upload.add(ints.iter().map(|int| int.to_ne_bytes()), DType::I32, [ints.len()]));
        let floats = floats.map(|(x, shape)| upload.add(x.iter().map(|x| x.to_ne_bytes()), DType::F32, shape));
        let sent = upload.send();
        (
            ints.map(|part| Tensor::from_primitive(sent.part(part, device))),
            floats.map(|part| tensor(sent.part(part, device))),
        )
    }

    fn causal_attention(
        q: &Tensor<Self, 2>,
        k: &Tensor<Self, 3>,
        v: &Tensor<Self, 3>,
        span: &Span<Self>,
        heads: Heads,
    ) -> (Tensor<Self, 2>, Option<Tensor<Self, 2>>) {
        let [q, k, v] = [contiguous(q.clone()), contiguous(k.clone()), contiguous(v.clone())];
        let sizes = sizes(span, k.meta.shape()[1], heads);
        let (out, lse) = if span.width <= FEW_QUERIES {
            let seen = span.start.iter().zip(&span.at).map(|(&start, &at)| (at + span.width).saturating_sub(start));
            shaders::decode::attention(q, k, v, places(span), sizes, seen.max().unwrap_or(0))
        } else {
            shaders::attention::causal_attention(q, k, v, places(span), sizes)
        };
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
        let (loss, gradient) = shaders::loss::cross_entropy(contiguous(logits), targets, contiguous(weights.clone()));
        (tensor(loss), tensor(gradient))
    }

    fn scatter_rows(x: &Tensor<Self, 2>, ids: &Tensor<Self, 1, Int>, rows: usize) -> Tensor<Self, 2> {
        let ids = into_contiguous(ids.clone().into_primitive());
        tensor(shaders::optimiser::scatter_rows(contiguous(x.clone()), ids, rows))
    }

    fn sum_of_squares(tensors: &[Tensor<Self, 1>]) -> Tensor<Self, 1> {
        let tensors: Vec<_> = tensors.iter().cloned().map(contiguous).collect();
        let wholes = flat::stretches(&tensors).into_iter().map(|stretch| flat::whole(&tensors[stretch]));
        tensor(shaders::optimiser::sum_of_squares(wholes.collect()))
    }

    fn together(gradients: &[Tensor<Self, 1>]) -> Vec<Range<usize>> {
        flat::stretches(&gradients.iter().cloned().map(contiguous).collect::<Vec<_>>())
    }

    fn adamw_of_all(
        states: Vec<Moments<Self, 1>>,
        gradients: &[Tensor<Self, 1>],
        scale: &Tensor<Self, 1>,
        steps: &[AdamStep],
    ) -> Vec<Moments<Self, 1>> {
        let (mut states, mut stepped) = (states.into_iter(), Vec::with_capacity(steps.len()));
        for alike in steps.chunk_by(|one, next| one.weight_decay == next.weight_decay) {
            let gradients = &gradients[stepped.len()..stepped.len() + alike.len()];
            let lens: Vec<usize> = gradients.iter().map(|gradient| gradient.dims()[0]).collect();
            let (mut values, mut firsts, mut seconds) = (Vec::new(), Vec::new(), Vec::new());
            for (value, first, second) in states.by_ref().take(alike.len()) {
                values.push(value);
                firsts.push(first);
                seconds.push(second);
            }
            let (state, scale) = ([values, firsts, seconds].map(flat::joined), contiguous(scale.clone()));
            let state = shaders::optimiser::adamw(state, flat::joined(gradients.to_vec()), scale, factors(&alike[0]));
            let [values, firsts, seconds] = state.map(|whole| flat::split(&whole, &lens).into_iter().map(tensor));
            stepped.extend(values.zip(firsts).zip(seconds).map(|((value, first), second)| (value, first, second)));
        }
        stepped
    }

    fn adamw<const D: usize>(
        (value, first, second): Moments<Self, D>,
        gradient: &Tensor<Self, D>,
        scale: &Tensor<Self, 1>,
        step: AdamStep,
    ) -> Moments<Self, D> {
        let state = [contiguous(value), contiguous(first), contiguous(second)];
        let state =
            shaders::optimiser::adamw(state, contiguous(gradient.clone()), contiguous(scale.clone()), factors(&step));
        let [value, first, second] = state.map(tensor);
        (value, first, second)
    }

    const FINDS_CANDIDATES: bool = true;

    fn candidates(logits: &Tensor<Self, 2>, draws: &[Draw], sent: Option<Tensor<Self, 2>>) -> Vec<Candidates> {
        let [n, vocabulary] = logits.dims();
        assert_eq!(draws.len(), n, "a draw for every row");
        let draws = sent.unwrap_or_else(|| {
            let ([], [draws]) = Self::upload([], [Draw::numbers(draws)], &logits.device());
            draws
        });
        let found: Tensor<Self, 2> = tensor(shaders::sample::candidates(contiguous(logits.clone()), contiguous(draws)));
        let found: Vec<f32> = found.into_data().iter::<f32>().collect();
        let of_row = |row: &[f32]| {
            let (head, listed) = row.split_at(HEAD);
            let (logits, ids) = listed.split_at(listed.len() / 2);
            let known = CANDIDATES.min(vocabulary);
            Candidates {
                top: head[0],
                sum: head[1],
                drawn: head[2] as u32,
                logits: logits[..known].into(),
                ids: ids[..known].iter().map(|&id| id as u32).collect(),
            }
        };
        found.chunks(ROW).map(of_row).collect()
    }
}
