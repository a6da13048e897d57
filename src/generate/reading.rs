//! Passes over whole texts, without a cache: the residual stream of finished texts.

use burn_tensor::{Tensor, TensorData};

use super::engine::{Engine, read};
use crate::kernels::FusedOps;
use crate::language_model::{Finished, Residuals};
use crate::text::Rows;
use crate::vector::Layer;
use crate::{Result, ensure};

impl<B: FusedOps> Engine<B> {
    /// The residual stream of finished texts at the three token positions (guide: method, "Token positions"), under the model's steering as it
    /// acts while a response is generated, its last token included.
    ///
    /// # Errors
    /// Name the text, counted from 0, that is empty or cannot be read.
    pub fn residuals(&self, texts: &[Finished]) -> Result<Vec<Residuals>> {
        self.residuals_to(texts, Layer(self.model.blocks.len()))
    }

    /// The same of rows 0 to `top` alone: the pass ends there.
    ///
    /// # Errors
    /// As [`Engine::residuals`]; a layer that the model does not have.
    pub fn residuals_to(&self, texts: &[Finished], top: Layer) -> Result<Vec<Residuals>> {
        let top = Layer::of(top.row(), self.model.blocks.len())?;
        let whole = self.whole(texts)?;
        let mut found: Vec<Option<Residuals>> = vec![None; texts.len()];
        for batch in self.batches(whole.iter().map(Vec::len).collect()) {
            let ids: Vec<&[u32]> = batch.iter().map(|&i| whole[i].as_slice()).collect();
            let rows = Rows::whole(&ids, batch.iter().map(|&i| texts[i].prompt_ids.len()).collect(), 0);
            for (i, residuals) in batch.into_iter().zip(self.residuals_of(&rows, top)) {
                found[i] = Some(residuals);
            }
        }
        Ok(found.into_iter().map(|r| r.expect("every text is in a batch")).collect())
    }

    /// Prompt and response of each text together.
    pub(super) fn whole(&self, texts: &[Finished]) -> Result<Vec<Vec<u32>>> {
        let whole: Vec<Vec<u32>> =
            texts.iter().map(|t| [t.prompt_ids.as_slice(), t.response_ids.as_slice()].concat()).collect();
        for (i, text) in texts.iter().enumerate() {
            let nothing = text.prompt_ids.is_empty() || text.response_ids.is_empty();
            ensure!(!nothing, "text {i}: a prompt and a response are needed, one of them is empty");
            self.check(&whole[i]).map_err(|e| e.at(format!("text {i}")))?;
        }
        Ok(whole)
    }

    fn residuals_of(&self, rows: &Rows, top: Layer) -> Vec<Residuals> {
        const POSITIONS: usize = 3;
        let (n, width, hidden) = (rows.len(), rows.width, self.model.config.hidden_size);
        let mut shares = vec![0.0f32; n * POSITIONS * width];
        for (b, shares) in shares.chunks_mut(POSITIONS * width).enumerate() {
            let (prompt, end) = (rows.prompt[b], rows.end[b]);
            shares[prompt..end].fill(1.0 / (end - prompt) as f32);
            shares[width..width + prompt].fill(1.0 / prompt as f32);
            shares[2 * width + prompt - 1] = 1.0;
        }
        let shares = TensorData::new(shares, [n, POSITIONS, width]);
        let shares = Tensor::<B, 3>::from_data(shares, &self.model.device);
        // The means are taken where the stream is, and read once at the end.
        let mut layers = Vec::new();
        self.model.stream_to(top.row(), &self.model.pass(rows, width), |_, h| {
            layers.push(shares.clone().matmul(h.clone().reshape([n, width, hidden])));
        });
        let depth = layers.len();
        let values = read(Tensor::stack::<4>(layers, 0)); // [top + 1, rows, positions, hidden]
        let at = |b: usize, position: usize| -> Vec<Vec<f32>> {
            (0..depth).map(|l| values[((l * n + b) * POSITIONS + position) * hidden..][..hidden].to_vec()).collect()
        };
        (0..n).map(|b| Residuals { response_avg: at(b, 0), prompt_avg: at(b, 1), prompt_last: at(b, 2) }).collect()
    }

    /// Texts of like length together, longest first, each batch within the budget of one pass.
    pub(super) fn batches(&self, lengths: Vec<usize>) -> Vec<Vec<usize>> {
        let mut order: Vec<usize> = (0..lengths.len()).collect();
        order.sort_by_key(|&i| (usize::MAX - lengths[i], i));
        let mut batches: Vec<Vec<usize>> = Vec::new();
        for i in order {
            match batches.last_mut() {
                Some(batch) if (batch.len() + 1) * lengths[batch[0]] <= self.budget.pass_tokens => batch.push(i),
                _ => batches.push(vec![i]),
            }
        }
        batches
    }
}
