//! Forward and backward through the whole model, by hand: nothing is recorded that the backward pass does not need.

use burn_tensor::Tensor;

use super::loss::{Supervised, head_backward};
use super::penalty::Penalty;
use crate::kernels::FusedOps;
use crate::model::{Block, Kept, Learning, Lora, TokenTable, Transformer};
use crate::text::Batch;

/// What one batch says.
#[derive(Debug)]
pub struct Gradients<B: FusedOps> {
    /// `Σ weight · CE / divisor`, one element on the device, nats.
    pub loss: Tensor<B, 1>,
    /// The regulariser's share of the same mean, its weight included, if there is one.
    pub regularisation: Option<Tensor<B, 1>>,
    /// Gradients of the sum of both, flat, in the order of [`Transformer::parameters`].
    pub parameters: Vec<Tensor<B, 1>>,
}

impl<B: FusedOps> Gradients<B> {
    /// What earlier batches, if there are any, and this one say.
    pub(super) fn after(self, earlier: Option<Self>) -> Self {
        let Some(earlier) = earlier else { return self };
        Self {
            loss: earlier.loss + self.loss,
            regularisation: earlier.regularisation.zip(self.regularisation).map(|(a, b)| a + b),
            parameters: earlier.parameters.into_iter().zip(self.parameters).map(|(a, b)| a + b).collect(),
        }
    }
}

/// Losses of a batch and their gradients.
pub fn gradients<B: FusedOps>(
    model: &Transformer<B>,
    learning: Learning,
    batch: &Batch,
    divisor: f32,
    recompute: bool,
    penalty: Option<&Penalty<B>>,
) -> Gradients<B> {
    gradients_after(None, model, learning, batch, divisor, recompute, penalty)
}

/// [`gradients`], added to what earlier batches say: in place where the device does that.
pub(super) fn gradients_after<B: FusedOps>(
    mut earlier: Option<Gradients<B>>,
    model: &Transformer<B>,
    learning: Learning,
    batch: &Batch,
    divisor: f32,
    recompute: bool,
    penalty: Option<&Penalty<B>>,
) -> Gradients<B> {
    let nothing = &mut |_: usize, _: &Tensor<B, 2>| {};
    let adapters: Vec<&Lora<B>> = model.blocks.iter().flat_map(Block::adapters).collect();
    if learning != Learning::Lora || !B::gathers(&adapters) {
        return through(model, learning, batch, divisor, recompute, penalty, None, nothing).after(earlier);
    }
    let lens: Vec<usize> =
        adapters.iter().flat_map(|lora| [&lora.a, &lora.b]).map(|t| t.shape().num_elements()).collect();
    let sums = earlier.as_mut().map(|earlier| std::mem::take(&mut earlier.parameters));
    let mut sums = B::gathering(&lens, sums, &model.device);
    let found = through(model, learning, batch, divisor, recompute, penalty, Some(&mut sums), nothing);
    Gradients { parameters: sums, ..found.after(earlier) }
}

/// [`gradients`], where `see` is shown the gradient with respect to each block's output before its steering,
/// `[rows · width, hidden]`, the last block's first. With `sums`, in the order of the adapters, those of the parameters are
/// added to these instead.
#[allow(clippy::too_many_arguments)]
pub(super) fn through<B: FusedOps>(
    model: &Transformer<B>,
    learning: Learning,
    batch: &Batch,
    divisor: f32,
    recompute: bool,
    penalty: Option<&Penalty<B>>,
    mut sums: Option<&mut [Tensor<B, 1>]>,
    see: &mut dyn FnMut(usize, &Tensor<B, 2>),
) -> Gradients<B> {
    /// What a block left behind for its backward pass.
    enum Trace<B: FusedOps> {
        Kept(Kept<B>),
        Input(Tensor<B, 2>),
    }

    let pass = model.pass(&batch.rows, batch.rows.width);
    let mut followed = penalty.map(|penalty| penalty.follow(model, &pass, batch, divisor));
    let mut h = model.embed(&pass);
    let mut traces = Vec::with_capacity(model.blocks.len());
    for index in 0..model.blocks.len() {
        let input = recompute.then(|| h.clone());
        let (out, kept) = model.block(index, h, &pass);
        traces.push(match input {
            Some(input) => Trace::Input(input),
            None => Trace::Kept(kept),
        });
        h = out;
        if let Some(followed) = &mut followed {
            followed.forward(index, &h);
        }
    }

    let supervised = Supervised::new(batch, divisor, &model.device);
    let head = head_backward(model, &h, &supervised, learning);
    drop(h);
    let mut dh = head.dh;
    let mut blocks = Vec::with_capacity(model.blocks.len());
    for (index, trace) in traces.into_iter().enumerate().rev() {
        let kept = match trace {
            Trace::Kept(kept) => kept,
            Trace::Input(x) => model.blocks[index].forward(x, &pass).1,
        };
        if let Some(followed) = &mut followed {
            dh = followed.backward(index, dh);
        }
        if let (Some(steering), Some(weights)) = (&model.steering, &pass.steer) {
            dh = steering.backward(index, dh, weights);
        }
        see(index, &dh);
        let block = &model.blocks[index];
        // The last block's are the last.
        let own = sums.take().map(|sums| {
            let (others, own) = sums.split_at_mut(sums.len() - 2 * block.adapters().count());
            (own, others)
        });
        let (own, others) = own.unzip();
        sums = others;
        let (dx, grads) = block.backward(kept, dh, &pass, learning, own);
        dh = dx;
        blocks.push(grads);
    }

    let mut all: Vec<Tensor<B, 1>> = blocks.into_iter().rev().flatten().collect();
    if learning == Learning::Full {
        let read = model.embed_tokens.look_up_gradient(&dh, &pass.ids);
        let dhead = head.dhead.expect("the head learns");
        let (dembed, dhead) = match model.lm_head {
            None => (read.plus(dhead), None),
            Some(_) => (read, Some(dhead)),
        };
        all.extend(dembed.flat());
        all.push(head.dnorm.expect("the norm learns"));
        all.extend(dhead.into_iter().flat_map(TokenTable::flat));
    }
    Gradients { loss: head.loss, regularisation: followed.map(|followed| followed.loss), parameters: all }
}
