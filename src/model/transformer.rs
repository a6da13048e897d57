//! The whole model: embedding, blocks with their steering, norm, head.

use burn_tensor::Tensor;

use super::block::{Block, Kept};
use super::cache::KvCache;
use super::config::ModelConfig;
use super::linear::{Learning, Parameter};
use super::pass::Pass;
use super::table::TokenTable;
use crate::Result;
use crate::kernels::{FusedOps, Span};
use crate::steering::{Steering, SteeringPlan};
use crate::text::Rows;

/// A causal language model of one of the [`super::Architecture`]s.
#[derive(Debug, Clone)]
pub struct Transformer<B: FusedOps> {
    /// The model's `config.json`.
    pub config: ModelConfig,
    /// Token embeddings, `[vocabulary, hidden]`.
    pub embed_tokens: TokenTable<B>,
    /// The transformer blocks.
    pub blocks: Vec<Block<B>>,
    /// Gain of the final norm, `[hidden]`.
    pub norm: Tensor<B, 1>,
    /// Output head `[vocabulary, hidden]`; `None` where it is tied to the embeddings.
    pub lm_head: Option<TokenTable<B>>,
    /// What is done to the residual stream.
    pub steering: Option<Steering<B>>,
    /// Where the weights are.
    pub device: B::Device,
}

impl<B: FusedOps> Transformer<B> {
    /// The same model under a steering plan; an error if the plan does not fit it.
    pub fn steered(&self, plan: &SteeringPlan) -> Result<Self> {
        let steering = Steering::new(plan, self.blocks.len(), self.config.hidden_size, &self.device)?;
        Ok(Self { steering, ..self.clone() })
    }

    /// The same model without steering.
    pub fn unsteered(&self) -> Self {
        Self { steering: None, ..self.clone() }
    }

    /// The same model without its adapter, under the same steering.
    pub fn bare(&self) -> Self {
        let mut model = self.clone();
        model.blocks.iter_mut().flat_map(Block::projections).for_each(|(_, linear)| linear.lora = None);
        model
    }

    /// Embeddings of the pass's tokens in f32, `[rows · width, hidden]`: row 0 of a persona vector.
    pub fn embed(&self, pass: &Pass<B>) -> Tensor<B, 2> {
        self.embed_tokens.look_up(&pass.ids)
    }

    /// Block `index` and then its steering, row `index + 1` of a persona vector, with what the block's backward pass needs.
    pub fn block(&self, index: usize, x: Tensor<B, 2>, pass: &Pass<B>) -> (Tensor<B, 2>, Kept<B>) {
        let (h, kept) = self.blocks[index].forward(x, pass);
        (self.steer(index, h, pass), kept)
    }

    /// The steering of block `index`, if any.
    pub fn steer(&self, index: usize, h: Tensor<B, 2>, pass: &Pass<B>) -> Tensor<B, 2> {
        match (&self.steering, &pass.steer) {
            (Some(steering), Some(weights)) => steering.forward(index, h, weights),
            _ => h,
        }
    }

    /// The residual stream after the last block, `[rows · width, hidden]`. `watch` sees every row of it: 0 is the
    /// embedding, L the output of block L - 1 after its steering.
    pub fn stream(
        &self,
        pass: &Pass<B>,
        cache: Option<&mut KvCache<B>>,
        watch: impl FnMut(usize, &Tensor<B, 2>),
    ) -> Tensor<B, 2> {
        self.rows_of_stream(self.blocks.len(), pass, cache, watch)
    }

    /// [`Transformer::stream`] of a pass without a cache as far as row `top`, the output of block `top` - 1: no later block is run.
    pub fn stream_to(&self, top: usize, pass: &Pass<B>, watch: impl FnMut(usize, &Tensor<B, 2>)) -> Tensor<B, 2> {
        self.rows_of_stream(top, pass, None, watch)
    }

    fn rows_of_stream(
        &self,
        top: usize,
        pass: &Pass<B>,
        mut cache: Option<&mut KvCache<B>>,
        mut watch: impl FnMut(usize, &Tensor<B, 2>),
    ) -> Tensor<B, 2> {
        let mut h = self.embed(pass);
        watch(0, &h);
        for index in 0..top {
            let slot = cache.as_deref_mut().map(|cache| cache.slot(index));
            h = self.steer(index, self.blocks[index].infer(h, pass, slot), pass);
            watch(index + 1, &h);
        }
        h
    }

    /// Final norm and head of the given rows of the stream: `[n, hidden] -> [n, vocabulary]`.
    pub fn logits(&self, h: &Tensor<B, 2>) -> Tensor<B, 2> {
        self.head().product(&B::rms_norm(h, &self.norm, self.epsilon()))
    }

    /// The logits at every place of one text, on the host: `[tokens · vocabulary]`, row after row.
    pub fn logits_of(&self, ids: &[u32]) -> Vec<f32> {
        let rows = Rows::whole(&[ids], vec![ids.len()], 0);
        let h = self.stream(&self.pass(&rows, rows.width), None, |_, _| {});
        self.logits(&h).into_data().iter::<f32>().collect()
    }

    /// The head's matrix, `[vocabulary, hidden]`.
    pub fn head(&self) -> &TokenTable<B> {
        self.lm_head.as_ref().unwrap_or(&self.embed_tokens)
    }

    /// Added to the mean square in the norms.
    pub fn epsilon(&self) -> f32 {
        self.config.rms_norm_eps as f32
    }

    /// An empty cache for `rows` texts of up to `columns` tokens.
    pub fn cache(&self, rows: usize, columns: usize) -> KvCache<B> {
        let channels = self.config.num_key_value_heads * self.config.head_dim;
        let dtypes: Vec<_> = self.blocks.iter().map(Block::key_dtype).collect();
        KvCache::new(&dtypes, [rows, columns, channels], &self.device)
    }

    /// The tensors that learn, with their names in the checkpoint, in the order in which the backward pass gives their
    /// gradients: blocks first, then (when everything learns) embedding, final norm and untied head.
    pub fn parameters(&mut self, learning: Learning) -> Vec<(String, Parameter<'_, B>)> {
        let mut all = Vec::new();
        for (i, block) in self.blocks.iter_mut().enumerate() {
            block.parameters(&format!("model.layers.{i}"), learning, &mut all);
        }
        if learning == Learning::Full {
            self.embed_tokens.parameters("model.embed_tokens.weight", &mut all);
            all.push(("model.norm.weight".into(), Parameter::Vector(&mut self.norm)));
            if let Some(head) = &mut self.lm_head {
                head.parameters("lm_head.weight", &mut all);
            }
        }
        all
    }

    /// Puts rows on the device. `columns` is the width of the cache, or that of the rows without one.
    pub fn pass(&self, rows: &Rows, columns: usize) -> Pass<B> {
        self.pass_with(rows, columns, (Vec::new(), [0, 0])).0
    }

    /// [`Transformer::pass`], and a matrix of the caller's in the same transfer ([`FusedOps::upload`]).
    pub fn pass_with(&self, rows: &Rows, columns: usize, matrix: (Vec<f32>, [usize; 2])) -> (Pass<B>, Tensor<B, 2>) {
        let n = rows.len() * rows.width;
        assert_eq!(rows.ids.len(), n, "rows x width tokens");
        let vocabulary = self.config.vocab_size as u32;
        assert!(rows.ids.iter().all(|&id| id < vocabulary), "a token beyond the vocabulary");
        let ids: Vec<i32> = rows.ids.iter().map(|&id| id as i32).collect();
        let strengths = self.steering.as_ref().map(|steering| (steering.plan().parts.len(), steering.strengths(rows)));
        let (parts, weights, steered) = match strengths {
            Some((parts, strengths)) => (parts, strengths.values, strengths.steered),
            None => (0, Vec::new(), Vec::new()),
        };
        let places = Span::<B>::places(&rows.start, &rows.at);
        let floats = [(self.angles(rows), [n, self.config.head_dim]), (weights, [n, parts]), matrix];
        let ([ids, places], [angles, weights, matrix]) = B::upload([ids, places], floats, &self.device);
        let (start, at) = (rows.start.clone(), rows.at.clone());
        let span = Span::with_places(places, start, at, rows.width, columns, &self.device);
        (Pass { ids, span, angles, steer: (parts > 0).then_some(weights), steered }, matrix)
    }

    /// Cosines and then sines of the rotary angles (Su et al. 2021; half-rotation as in Hugging Face's models) of every token, each
    /// computed once per distinct position. The angle is rounded to f32 as in the reference; its cosine and sine are exact.
    fn angles(&self, rows: &Rows) -> Vec<f32> {
        let dim = self.config.head_dim;
        let places: Vec<usize> = rows.places().map(|place| place.unwrap_or(0)).collect();
        let (low, high) = places.iter().fold((usize::MAX, 0), |(low, high), &p| (low.min(p), high.max(p)));
        let low = low.min(high);
        let frequencies = self.config.rope.frequencies(dim);
        let mut table: Vec<Option<Vec<f32>>> = vec![None; high + 1 - low];
        let mut angles = Vec::with_capacity(places.len() * dim);
        for place in places {
            let row = table[place - low].get_or_insert_with(|| {
                let of = |f: &f32| f64::from(place as f32 * f);
                let cosines = frequencies.iter().map(|f| of(f).cos() as f32);
                cosines.chain(frequencies.iter().map(|f| of(f).sin() as f32)).collect()
            });
            angles.extend_from_slice(row);
        }
        angles
    }
}
