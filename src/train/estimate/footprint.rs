//! Peak memory of a finetune, reckoned from the shapes: what `gradients`, `Block::forward` and `Block::backward` hold at
//! their widest moment. A test holds it against what is really allocated.

use serde::Serialize;

use super::extent::Extent;
use crate::kernels::{FusedOps, SCORES_AT_ONCE};
use crate::model::ModelConfig;
use crate::model::peft::Slot;
use crate::train::loss::logits_per_chunk;
use crate::train::settings::FitSettings;

/// What learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Learned {
    /// Values.
    pub values: usize,
    /// Whether these are the model's own weights.
    pub weights: bool,
}

impl Learned {
    /// An adapter of these pairs.
    pub fn adapter(slots: &[Slot]) -> Self {
        Self { values: slots.iter().map(|slot| slot.rank * (slot.inputs + slot.outputs)).sum(), weights: false }
    }

    /// Every weight of a model.
    pub fn all(config: &ModelConfig) -> Self {
        Self { values: config.tensors().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum(), weights: true }
    }
}

/// Peak memory of a finetune in bytes, by what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Footprint {
    /// The model's weights.
    pub weights: u64,
    /// The adapter.
    pub adapter: u64,
    /// Gradients of what learns that stand beside the activations of the next micro-batch.
    pub gradients: u64,
    /// The optimiser's two moments.
    pub moments: u64,
    /// What all blocks keep for the backward pass.
    pub activations: u64,
    /// What one block, or head and loss, hold besides while they work.
    pub passing: u64,
    /// Gradients of embedding and head, where they learn.
    pub tables: u64,
    /// The program, its tokenizer and buffers.
    pub program: u64,
    /// The peak.
    pub total: u64,
}

/// The program itself on the CPU: code, tokenizer, data, packed pieces of products. Measured with the
/// embedded model.
const PROGRAM: u64 = 28 << 20;

/// Micro-batches that are worked at side by side.
pub fn at_once<B: FusedOps>(config: &ModelConfig, settings: &FitSettings, largest: Extent) -> usize {
    B::at_once(largest.tokens(), config.hidden_size).clamp(1, settings.accumulation)
}

/// Floats per token, of what a block keeps and of what it makes besides.
struct PerToken {
    /// Input of a block.
    input: usize,
    /// All that [`crate::model::Kept`] holds.
    kept: usize,
    /// The widest moment of the MLP's backward pass, besides.
    mlp: usize,
    /// The widest moment of the attention's, besides; gate and up are gone by then.
    attention: usize,
}

impl PerToken {
    fn new<B: FusedOps>(config: &ModelConfig) -> Self {
        let (d, f) = (config.hidden_size, config.intermediate_size);
        let q = config.num_attention_heads * config.head_dim;
        let kv = config.num_key_value_heads * config.head_dim;
        // Composed bodies make a tensor for every operation where native ones make one for all.
        let (mlp, attention) = if B::COMPOSES_ATTENTION { (7 * f, 8 * q + 6 * kv) } else { (3 * f, 2 * q + 2 * kv) };
        let unnormed = if config.qk_norm { q + kv } else { 0 };
        let lse = if B::COMPOSES_ATTENTION { 0 } else { config.num_attention_heads };
        Self {
            input: d,
            kept: 2 * d + 2 * q + 2 * kv + unnormed + 2 * f + lse,
            mlp: mlp + 2 * d,
            attention: (attention + 3 * d).saturating_sub(2 * f),
        }
    }
}

impl Footprint {
    /// The peak of a finetune whose largest micro-batch is `largest`, with frozen matrices of `bytes` per value.
    pub fn new<B: FusedOps>(
        config: &ModelConfig,
        learned: Learned,
        bytes: usize,
        settings: &FitSettings,
        largest: Extent,
        recompute: bool,
    ) -> Self {
        let floats = |n: usize| n as u64 * 4;
        let values: usize = config.tensors().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
        let beside = at_once::<B>(config, settings, largest);
        let (n, blocks, per) = (largest.tokens(), config.num_hidden_layers, PerToken::new::<B>(config));

        let activations = match recompute {
            true => n * per.input * blocks,
            false => n * per.kept * blocks,
        };
        // The rotary angles, the stream and its gradient.
        let around = n * (config.head_dim + 2 * config.hidden_size);
        let again = if recompute { n * (per.kept - per.input) } else { 0 };
        let block = again + (n * per.mlp).max(n * per.attention + Self::scores::<B>(config, largest));
        let passing = around + block.max(Self::head::<B>(config, largest));

        // While it is made, a micro-batch's gradient grows as its activations go.
        let gradient = learned.values;
        let working = (activations + passing).max(gradient + passing);
        let sums = if settings.accumulation > 1 { gradient } else { 0 };
        let tables = if learned.weights { 2 * config.vocab_size * config.hidden_size } else { 0 };
        let weights = if learned.weights { floats(values) } else { (values * bytes) as u64 };
        let adapter = if learned.weights { 0 } else { floats(learned.values) };
        let (moments, program) = (floats(2 * learned.values), PROGRAM);
        // One more optimiser's worth is there at a step's end, when no activation is.
        let stepping = floats(gradient * (beside + usize::from(settings.accumulation > 1)));
        let busy = floats(sums + beside * (working + tables));
        Self {
            weights,
            adapter,
            gradients: floats(sums),
            moments,
            activations: floats(beside * activations),
            passing: floats(beside * passing),
            tables: floats(beside * tables),
            program,
            total: weights + adapter + moments + program + busy.max(stepping),
        }
    }

    /// Floats of the scores of one tile and of what is derived from them.
    fn scores<B: FusedOps>(config: &ModelConfig, largest: Extent) -> usize {
        if !B::COMPOSES_ATTENTION {
            // A tile of 64 queries for each thread, in the second-level cache.
            return 0;
        }
        let all = largest.rows * config.num_attention_heads * largest.width * largest.width;
        5 * all.min(SCORES_AT_ONCE) + largest.tokens() * largest.width / 4
    }

    /// Floats of the head and the loss: rows of supervised positions, and a chunk's logits.
    fn head<B: FusedOps>(config: &ModelConfig, largest: Extent) -> usize {
        let rows = largest.supervised * config.hidden_size;
        let chunk = logits_per_chunk(config.vocab_size).min(largest.supervised) * config.vocab_size;
        let copies = if B::COMPOSES_ATTENTION { 4 } else { 1 };
        (3 * rows + copies * chunk).max(5 * rows + largest.tokens() * config.hidden_size)
    }
}
