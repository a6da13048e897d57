//! One transformer block, forward and backward.

use burn_tensor::{DType, Tensor};

use super::cache::Slot;
use super::config::PROJECTIONS;
use super::linear::{self, Learning, Linear, Lora, Parameter};
use super::pass::Pass;
use crate::kernels::{FusedOps, Heads, Turn};

/// ```text
/// mid = x   + o(attention(rope(q(n)), rope(k(n)), v(n)))   n = rms_norm(x)
/// out = mid + down(silu(gate(m)) * up(m))                  m = rms_norm(mid)
/// ```
/// With [`HeadNorms`], `rope(rms_norm(q(n)))` and `rope(rms_norm(k(n)))`, head by head. A cache holds keys as the attention
/// reads them, normed and turned.
#[derive(Debug, Clone)]
pub struct Block<B: FusedOps> {
    /// Gain before the attention, `[hidden]`.
    pub input_layernorm: Tensor<B, 1>,
    /// Queries.
    pub q_proj: Linear<B>,
    /// Keys.
    pub k_proj: Linear<B>,
    /// Values.
    pub v_proj: Linear<B>,
    /// The matrices of the three in one (`linear::stack`).
    pub qkv: Option<Tensor<B, 2>>,
    /// Attention output.
    pub o_proj: Linear<B>,
    /// Norms of queries and keys, where the architecture has them.
    pub head_norms: Option<HeadNorms<B>>,
    /// Gain before the MLP, `[hidden]`.
    pub post_attention_layernorm: Tensor<B, 1>,
    /// Gate of the MLP.
    pub gate_proj: Linear<B>,
    /// Up-projection.
    pub up_proj: Linear<B>,
    /// The matrices of these two in one.
    pub gate_up: Option<Tensor<B, 2>>,
    /// Down-projection.
    pub down_proj: Linear<B>,
    /// Attention heads.
    pub heads: Heads,
    /// Added to the mean square in the norms.
    pub epsilon: f32,
}

/// Gains of the norms of each head's queries and keys, `[head dim]` (Qwen3). All heads of a kind share one.
#[derive(Debug, Clone)]
pub struct HeadNorms<B: FusedOps> {
    /// Of the queries.
    pub q_norm: Tensor<B, 1>,
    /// Of the keys.
    pub k_norm: Tensor<B, 1>,
}

/// What the backward pass needs of a forward pass: handles, not copies. The norms and the gated product are made again, for
/// they cost a pass over memory where a product costs a thousand times the arithmetic, and take a third of what would be kept.
#[derive(Debug, Clone)]
pub struct Kept<B: FusedOps> {
    attention: KeptAttention<B>,
    mid: Tensor<B, 2>,
    gate: Tensor<B, 2>,
    up: Tensor<B, 2>,
}

#[derive(Debug, Clone)]
struct KeptAttention<B: FusedOps> {
    x: Tensor<B, 2>,
    /// Queries and keys before their norms, if they have any.
    unnormed: Option<(Tensor<B, 2>, Tensor<B, 2>)>,
    q: Tensor<B, 2>,
    k: Tensor<B, 3>,
    v: Tensor<B, 3>,
    attended: Tensor<B, 2>,
    lse: Option<Tensor<B, 2>>,
}

impl<B: FusedOps> Block<B> {
    /// Lays queries, keys and values into one matrix, and gate and up into another, of at most so many bytes.
    pub fn stack(&mut self, bytes_max: u64) {
        self.qkv = linear::stack([&mut self.q_proj, &mut self.k_proj, &mut self.v_proj], bytes_max);
        self.gate_up = linear::stack([&mut self.gate_proj, &mut self.up_proj], bytes_max);
    }

    /// `[rows · width, hidden]` to the same, before any steering, with what [`Block::backward`] needs.
    pub fn forward(&self, x: Tensor<B, 2>, pass: &Pass<B>) -> (Tensor<B, 2>, Kept<B>) {
        let (mid, attention) = self.attend(x, pass, None, DType::F32);
        let m = B::rms_norm(&mid, &self.post_attention_layernorm, self.epsilon);
        let [gate, up] = linear::forward(&m, self.gate_up.as_ref(), [&self.gate_proj, &self.up_proj]);
        drop(m);
        let out = linear::add_forward(&mid, &B::swiglu(&gate, &up), &self.down_proj);
        (out, Kept { attention, mid, gate, up })
    }

    /// The same where no backward pass will follow. With a cache, keys and values of earlier tokens come from it and the new
    /// ones go into it.
    pub fn infer(&self, x: Tensor<B, 2>, pass: &Pass<B>, cache: Option<&mut Slot<B>>) -> Tensor<B, 2> {
        let (mid, _) = self.attend(x, pass, cache, self.key_dtype());
        let m = B::rms_norm(&mid, &self.post_attention_layernorm, self.epsilon);
        linear::add_mlp(&mid, &m, self.gate_up.as_ref(), [&self.gate_proj, &self.up_proj, &self.down_proj])
    }

    /// The dtype of keys and values where no backward pass follows.
    pub fn key_dtype(&self) -> DType {
        B::key_dtype(self.k_proj.weight.dtype(), self.heads.dim)
    }

    /// The first half of a block: the residual stream with the attention's output. Keys and values that do not come from a cache
    /// are held in `dtype`.
    fn attend(
        &self,
        x: Tensor<B, 2>,
        pass: &Pass<B>,
        cache: Option<&mut Slot<B>>,
        dtype: DType,
    ) -> (Tensor<B, 2>, KeptAttention<B>) {
        let (rows, width) = (pass.span.rows(), pass.span.width);
        let n = B::rms_norm(&x, &self.input_layernorm, self.epsilon);
        let [q, k, v] = linear::forward(&n, self.qkv.as_ref(), [&self.q_proj, &self.k_proj, &self.v_proj]);
        drop(n);
        let (q, k, unnormed) = match &self.head_norms {
            Some(HeadNorms { q_norm, k_norm }) => {
                (self.head_norm(&q, q_norm), self.head_norm(&k, k_norm), Some((q, k)))
            }
            None => (q, k, None),
        };
        let (q, k, v) = match cache {
            Some(slot) => slot.append([q, k, v], pass),
            None => {
                let shape = [rows, width, self.heads.key_value * self.heads.dim];
                let (q, k) = B::rope(q, k, &pass.angles, Turn::Forth);
                (q, B::hold_keys(k.reshape(shape), dtype), B::hold_keys(v.reshape(shape), dtype))
            }
        };
        let (attended, lse) = B::causal_attention(&q, &k, &v, &pass.span, self.heads);
        let mid = linear::add_forward(&x, &attended, &self.o_proj);
        (mid, KeptAttention { x, unnormed, q, k, v, attended, lse })
    }

    /// From the gradient of the block's output to that of its input, and those of its parameters, flat, in the order
    /// of [`Block::parameters`]. With `sums`, in the same order, those of the adapters are added to these instead
    /// ([`FusedOps::project_backward_onto`]).
    pub fn backward(
        &self,
        kept: Kept<B>,
        dout: Tensor<B, 2>,
        pass: &Pass<B>,
        learning: Learning,
        sums: Option<&mut [Tensor<B, 1>]>,
    ) -> (Tensor<B, 2>, Vec<Tensor<B, 1>>) {
        let full = learning == Learning::Full;
        let [sums_qkv, sums_o, sums_mlp @ ..] = self.shares(sums);
        let Kept { attention, mid, gate, up } = kept;
        let KeptAttention { x, unnormed, q, k, v, attended, lse } = attention;
        let (dmid, dpost, mlp) = self.mlp_backward(&mid, gate, up, dout, learning, sums_mlp);
        drop(mid);

        let (dattended, [o]) = linear::backward(&attended, [dmid.clone()], None, [&self.o_proj], learning, sums_o);
        let (dq, dk, dv) =
            B::causal_attention_backward(&dattended, &q, &k, &v, &attended, lse.as_ref(), &pass.span, self.heads);
        drop((q, k, v, attended, dattended));
        let [rows, width, channels] = dk.dims();
        let (dq, dk) = B::rope(dq, dk.reshape([rows * width, channels]), &pass.angles, Turn::Back);
        let (dq, dk, dgains) = match (&self.head_norms, unnormed) {
            (Some(HeadNorms { q_norm, k_norm }), Some((q, k))) => {
                let (dq, dq_norm) = self.head_norm_backward(dq, &q, q_norm, full);
                let (dk, dk_norm) = self.head_norm_backward(dk, &k, k_norm, full);
                (dq, dk, [dq_norm, dk_norm])
            }
            _ => (dq, dk, [None, None]),
        };
        let n = B::rms_norm(&x, &self.input_layernorm, self.epsilon);
        let dv = dv.reshape([rows * width, channels]);
        let qkv = [&self.q_proj, &self.k_proj, &self.v_proj];
        let (dn, [q, k, v]) = linear::backward(&n, [dq, dk, dv], self.qkv.as_ref(), qkv, learning, sums_qkv);
        let (dx, dinput) = B::rms_norm_backward(&dn, &x, &self.input_layernorm, self.epsilon, dmid, full);

        let mut parameters = Vec::new();
        parameters.extend(dinput);
        for grads in [q, k, v, o] {
            parameters.extend(grads);
        }
        parameters.extend(dgains.into_iter().flatten());
        parameters.extend(dpost);
        for grads in mlp {
            parameters.extend(grads);
        }
        (dx, parameters)
    }

    /// The norm of each head of `[n, heads · dim]`.
    fn head_norm(&self, x: &Tensor<B, 2>, gain: &Tensor<B, 1>) -> Tensor<B, 2> {
        let [n, channels] = x.dims();
        let dim = self.heads.dim;
        let by_head = x.clone().reshape([n * channels / dim, dim]);
        B::rms_norm(&by_head, gain, self.epsilon).reshape([n, channels])
    }

    /// From the gradient of [`Self::head_norm`] to that of `x`, and that of the gain if `want_gain`.
    fn head_norm_backward(
        &self,
        dy: Tensor<B, 2>,
        x: &Tensor<B, 2>,
        gain: &Tensor<B, 1>,
        want_gain: bool,
    ) -> (Tensor<B, 2>, Option<Tensor<B, 1>>) {
        let [n, channels] = x.dims();
        let by_head = [n * channels / self.heads.dim, self.heads.dim];
        let (dy, x) = (dy.reshape(by_head), x.clone().reshape(by_head));
        let zeros = Tensor::zeros(by_head, &x.device());
        let (dx, dgain) = B::rms_norm_backward(&dy, &x, gain, self.epsilon, zeros, want_gain);
        (dx.reshape([n, channels]), dgain)
    }

    /// The MLP's half of [`Block::backward`]: the gradient of `mid`, that of the gain, and those of gate, up and down.
    /// What is widest in a block is let go of as soon as it has served.
    #[allow(clippy::type_complexity)]
    fn mlp_backward(
        &self,
        mid: &Tensor<B, 2>,
        gate: Tensor<B, 2>,
        up: Tensor<B, 2>,
        dout: Tensor<B, 2>,
        learning: Learning,
        [sums_gate_up, sums_down]: [Option<&mut [Tensor<B, 1>]>; 2],
    ) -> (Tensor<B, 2>, Option<Tensor<B, 1>>, [Vec<Tensor<B, 1>>; 3]) {
        let gain = &self.post_attention_layernorm;
        let gated = B::swiglu(&gate, &up);
        let (dgated, [down]) = linear::backward(&gated, [dout.clone()], None, [&self.down_proj], learning, sums_down);
        drop(gated);
        let (dgate, dup) = B::swiglu_backward(&dgated, &gate, &up);
        drop((gate, up, dgated));
        let m = B::rms_norm(mid, gain, self.epsilon);
        let gate_up = [&self.gate_proj, &self.up_proj];
        let stack = self.gate_up.as_ref();
        let (dm, [gate, up]) = linear::backward(&m, [dgate, dup], stack, gate_up, learning, sums_gate_up);
        let full = learning == Learning::Full;
        let (dmid, dgain) = B::rms_norm_backward(&dm, mid, gain, self.epsilon, dout, full);
        (dmid, dgain, [gate, up, down])
    }

    /// Its adapters, in the order of [`Block::parameters`].
    pub fn adapters(&self) -> impl Iterator<Item = &Lora<B>> {
        self.groups().into_iter().flatten().filter_map(|linear| linear.lora.as_ref())
    }

    /// Its projections, those of one input together.
    fn groups(&self) -> [Vec<&Linear<B>>; 4] {
        let Self { q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj, .. } = self;
        [vec![q_proj, k_proj, v_proj], vec![o_proj], vec![gate_proj, up_proj], vec![down_proj]]
    }

    /// What of the adapters' sums belongs to each group of projections.
    fn shares<'s>(&self, sums: Option<&'s mut [Tensor<B, 1>]>) -> [Option<&'s mut [Tensor<B, 1>]>; 4] {
        let mut rest = sums;
        self.groups().map(|group| {
            let n = 2 * group.iter().filter(|linear| linear.lora.is_some()).count();
            let (own, others) = rest.take()?.split_at_mut(n);
            rest = Some(others);
            Some(own)
        })
    }

    /// The tensors that learn, named as in the checkpoint.
    pub fn parameters<'a>(&'a mut self, name: &str, learning: Learning, into: &mut Vec<(String, Parameter<'a, B>)>) {
        let full = learning == Learning::Full;
        if full {
            // A matrix that learns has memory of its own from its first step on.
            (self.qkv, self.gate_up) = (None, None);
            into.push((format!("{name}.input_layernorm.weight"), Parameter::Vector(&mut self.input_layernorm)));
        }
        self.q_proj.parameters(&format!("{name}.self_attn.q_proj"), learning, into);
        self.k_proj.parameters(&format!("{name}.self_attn.k_proj"), learning, into);
        self.v_proj.parameters(&format!("{name}.self_attn.v_proj"), learning, into);
        self.o_proj.parameters(&format!("{name}.self_attn.o_proj"), learning, into);
        if let (true, Some(norms)) = (full, &mut self.head_norms) {
            into.push((format!("{name}.self_attn.q_norm.weight"), Parameter::Vector(&mut norms.q_norm)));
            into.push((format!("{name}.self_attn.k_norm.weight"), Parameter::Vector(&mut norms.k_norm)));
        }
        if full {
            let gain = Parameter::Vector(&mut self.post_attention_layernorm);
            into.push((format!("{name}.post_attention_layernorm.weight"), gain));
        }
        self.gate_proj.parameters(&format!("{name}.mlp.gate_proj"), learning, into);
        self.up_proj.parameters(&format!("{name}.mlp.up_proj"), learning, into);
        self.down_proj.parameters(&format!("{name}.mlp.down_proj"), learning, into);
    }

    /// The seven projections with their names, in the order of [`PROJECTIONS`].
    pub fn projections(&mut self) -> [(&'static str, &mut Linear<B>); 7] {
        let [q, k, v, o, gate, up, down] = PROJECTIONS;
        [
            (q, &mut self.q_proj),
            (k, &mut self.k_proj),
            (v, &mut self.v_proj),
            (o, &mut self.o_proj),
            (gate, &mut self.gate_proj),
            (up, &mut self.up_proj),
            (down, &mut self.down_proj),
        ]
    }
}

#[cfg(all(test, feature = "cpu"))]
mod tests;
