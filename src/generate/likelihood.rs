//! How likely finished texts are, token by token, and how far an adapter has moved the model on them (guide: method, "Audit").

use burn_tensor::activation::log_softmax;
use burn_tensor::{Int, Tensor, TensorData};

use super::engine::{Engine, read};
use crate::Result;
use crate::kernels::FusedOps;
use crate::language_model::{Finished, Likelihood};
use crate::model::Transformer;
use crate::text::Rows;

/// Logits that exist at once; half a dozen tensors of this size live beside each other.
const LOGITS_MAX: usize = 1 << 23;

/// A place in the stream of a batch, and the token that stands after it.
type Place = (i32, u32);

impl<B: FusedOps> Engine<B> {
    /// The log-probability of every token of the responses, and at each of their places `KL(base || model)`: the base is the
    /// same model with its adapter off. Each batch is read once by either; logits exist for a few places at a time.
    ///
    /// # Errors
    /// Name the text, counted from 0, that is empty or cannot be read.
    pub fn likelihoods(&self, texts: &[Finished]) -> Result<Vec<Likelihood>> {
        let whole = self.whole(texts)?;
        let bare = self.model.bare();
        let mut found: Vec<Option<Likelihood>> = vec![None; texts.len()];
        for batch in self.batches(whole.iter().map(Vec::len).collect()) {
            let ids: Vec<&[u32]> = batch.iter().map(|&i| whole[i].as_slice()).collect();
            let rows = Rows::whole(&ids, batch.iter().map(|&i| texts[i].prompt_ids.len()).collect(), 0);
            let mut values = self.compared(&bare, &rows).into_iter();
            for i in batch {
                let of_text = values.by_ref().take(texts[i].response_ids.len());
                let (logprobs, moved) = of_text.unzip();
                found[i] = Some(Likelihood { logprobs, moved });
            }
        }
        Ok(found.into_iter().map(|f| f.expect("every text is in a batch")).collect())
    }

    /// Log-probability and divergence of each response token, row after row.
    fn compared(&self, bare: &Transformer<B>, rows: &Rows) -> Vec<(f32, f32)> {
        let width = rows.width;
        let places = |b: usize| {
            let at = (rows.prompt[b]..rows.end[b]).map(move |token| b * width + token);
            at.map(|token| ((token - 1) as i32, rows.ids[token]))
        };
        let places: Vec<Place> = (0..rows.len()).flat_map(places).collect();
        let stream = |model: &Transformer<B>| model.stream(&model.pass(rows, width), None, |_, _| {});
        let (own, base) = (stream(&self.model), stream(bare));
        let chunk = (LOGITS_MAX / self.model.config.vocab_size).max(1);
        places.chunks(chunk).flat_map(|places| self.compared_at(&own, &base, places)).collect()
    }

    /// `own` and `base`: `[rows · width, hidden]`.
    fn compared_at(&self, own: &Tensor<B, 2>, base: &Tensor<B, 2>, places: &[Place]) -> Vec<(f32, f32)> {
        let (n, vocabulary) = (places.len(), self.model.config.vocab_size);
        let ints = |values: Vec<i32>| Tensor::<B, 1, Int>::from_data(TensorData::new(values, [n]), &self.model.device);
        let at = ints(places.iter().map(|place| place.0).collect());
        let likes = |stream: &Tensor<B, 2>| log_softmax(self.model.logits(&stream.clone().select(0, at.clone())), 1);
        let (own, base) = (likes(own), likes(base)); // [n, vocabulary]
        let cells = places.iter().enumerate().map(|(row, place)| (row * vocabulary) as i32 + place.1 as i32);
        let picked = own.clone().reshape([n * vocabulary]).select(0, ints(cells.collect()));
        // Σ p (log p - log q) + q - p: the last two add up to nothing, and with them no term is negative, so that rounding does
        // not pile up; where both agree each term is exactly 0.
        let p = base.clone().exp();
        let moved = (p.clone() * (base - own.clone()) + own.exp() - p).sum_dim(1).clamp_min(0.0);
        read(picked).into_iter().zip(read(moved)).collect()
    }
}
