//! Masked cross-entropy in chunks: logits exist only at supervised positions, a few at a time, so no tensor of positions
//! times vocabulary is ever made (with Qwen's 151 936 tokens, 2048 positions would take 1.2 GB).

use burn_tensor::{Int, Tensor, TensorData};

use crate::kernels::FusedOps;
use crate::model::Learning;
use crate::model::{TokenTable, Transformer};
use crate::text::{Batch, TrainingExample};

/// Logits held at once: 64 MiB. Fewer would mean to read the whole head for a handful of positions at a time.
const LOGITS_PER_CHUNK: usize = 1 << 24;

/// Positions whose logits are held at once, with a vocabulary of so many tokens.
pub(super) fn logits_per_chunk(vocabulary: usize) -> usize {
    (LOGITS_PER_CHUNK / vocabulary).max(16)
}

/// Loss of some positions (one element), its gradient with respect to the logits `[n, vocabulary]`, and that with respect to
/// the normed stream `x [n, hidden]`.
pub(super) fn head_chunk<B: FusedOps>(
    head: &TokenTable<B>,
    x: &Tensor<B, 2>,
    targets: &Tensor<B, 1, Int>,
    weights: &Tensor<B, 1>,
) -> (Tensor<B, 1>, Tensor<B, 2>, Tensor<B, 2>) {
    let (loss, dlogits) = B::cross_entropy(head.product(x), targets, weights);
    let dx = head.product_backward(&dlogits);
    (loss, dlogits, dx)
}

/// A batch's supervised positions.
pub(super) struct Supervised<B: FusedOps> {
    /// Which of the batch's positions, row after row.
    rows: Tensor<B, 1, Int>,
    /// What each is to predict.
    targets: Tensor<B, 1, Int>,
    /// How much each counts, divided by the divisor.
    weights: Tensor<B, 1>,
    positions: usize,
}

impl<B: FusedOps> Supervised<B> {
    pub fn new(batch: &Batch, divisor: f32, device: &B::Device) -> Self {
        let at: Vec<usize> = (0..batch.weights.len()).filter(|&i| batch.weights[i] > 0.0).collect();
        let weights: Vec<f32> = at.iter().map(|&i| batch.weights[i] / divisor).collect();
        let positions = at.len();
        Self {
            targets: ints::<B>(at.iter().map(|&i| batch.targets[i] as usize), device),
            rows: ints::<B>(at, device),
            weights: Tensor::from_data(TensorData::new(weights, [positions]), device),
            positions,
        }
    }
}

/// What the backward pass of the head gives.
pub(super) struct HeadGrads<B: FusedOps> {
    /// Weighted sum of the losses, nats, one element.
    pub loss: Tensor<B, 1>,
    /// Gradient with respect to the stream, zero where nothing is supervised.
    pub dh: Tensor<B, 2>,
    /// Gradient of the head's matrix, if it learns.
    pub dhead: Option<TokenTable<B>>,
    /// Gradient of the final norm's gain, if it learns.
    pub dnorm: Option<Tensor<B, 1>>,
}

/// Loss and gradients from the raw stream `h [rows · width, hidden]` on.
pub(super) fn head_backward<B: FusedOps>(
    model: &Transformer<B>,
    h: &Tensor<B, 2>,
    supervised: &Supervised<B>,
    learning: Learning,
) -> HeadGrads<B> {
    let full = learning == Learning::Full;
    let [n, d] = h.dims();
    let device = &model.device;
    let positions = supervised.positions;
    let picked = h.clone().select(0, supervised.rows.clone());
    let normed = B::rms_norm(&picked, &model.norm, model.epsilon());
    let head = model.head();
    let chunk = logits_per_chunk(head.dims()[0]).min(positions.max(16));
    let mut loss = Tensor::zeros([1], device);
    let mut dhead = full.then(|| head.zeros());
    let mut slopes = Vec::new();
    for from in (0..positions).step_by(chunk) {
        let len = chunk.min(positions - from);
        let x = normed.clone().narrow(0, from, len);
        let targets = supervised.targets.clone().narrow(0, from, len);
        let weights = supervised.weights.clone().narrow(0, from, len);
        let (part, dlogits, slope) = head_chunk(head, &x, &targets, &weights);
        loss = loss + part;
        dhead = dhead.map(|sum| sum.add_product_gradient(&dlogits, &x));
        slopes.push(slope);
    }
    let dnormed = Tensor::cat(slopes, 0);
    let zeros = Tensor::zeros([positions, d], device);
    let (dpicked, dnorm) = B::rms_norm_backward(&dnormed, &picked, &model.norm, model.epsilon(), zeros, full);
    HeadGrads { loss, dh: B::scatter_rows(&dpicked, &supervised.rows, n), dhead, dnorm }
}

/// Mean loss over the supervised tokens of `examples`, nats: the held-out loss.
pub fn mean_loss<B: FusedOps>(
    model: &Transformer<B>,
    examples: &[TrainingExample],
    micro_batch: usize,
    pad_id: u32,
) -> f64 {
    // Those of similar length are padded to one another.
    let mut examples: Vec<&TrainingExample> = examples.iter().collect();
    examples.sort_by_key(|example| example.ids.len());
    let (mut sum, mut weight) = (0.0, 0.0);
    for examples in examples.chunks(micro_batch.max(1)) {
        let batch = Batch::collate(examples, pad_id);
        let pass = model.pass(&batch.rows, batch.rows.width);
        let h = model.stream(&pass, None, |_, _| {});
        let supervised = Supervised::new(&batch, 1.0, &model.device);
        sum += f64::from(head_backward(model, &h, &supervised, Learning::Lora).loss.into_scalar_f32());
        weight += batch.weights.iter().map(|&w| f64::from(w)).sum::<f64>();
    }
    sum / weight
}

/// A tensor of whole numbers.
pub(super) fn ints<B: FusedOps>(
    values: impl IntoIterator<Item = usize>,
    device: &B::Device,
) -> Tensor<B, 1, burn_tensor::Int> {
    let values: Vec<i32> = values.into_iter().map(|v| v as i32).collect();
    let n = values.len();
    Tensor::from_data(TensorData::new(values, [n]), device)
}

/// Reads the one element of a tensor as f32, whatever the backend's own element is.
pub(super) trait IntoScalarF32 {
    fn into_scalar_f32(self) -> f32;
}

impl<B: FusedOps> IntoScalarF32 for burn_tensor::Tensor<B, 1> {
    fn into_scalar_f32(self) -> f32 {
        self.into_data().iter::<f32>().next().expect("one element")
    }
}
