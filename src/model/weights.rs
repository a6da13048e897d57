//! Weights in and out: a folder in Hugging Face's layout, a PEFT adapter, or numbers drawn from a seed.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{DType, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::block::Block;
use super::files::{self, Shards};
use super::linear::{Learning, Linear, Lora};
use super::peft::{Adapter, AdapterConfig, Pair};
use super::{Qwen, QwenConfig};
use crate::kernels::{FusedOps, Heads};
use crate::record::seed_of;
use crate::{Error, Result};

/// Where a tensor comes from: its name in the checkpoint and its shape, to its values in f32.
type Source<'a> = dyn FnMut(&str, &[usize]) -> Result<Vec<f32>> + 'a;

impl<B: FusedOps> Qwen<B> {
    /// Reads a model folder, tensor by tensor. Matrices are held in `dtype`, gains and biases in f32.
    pub fn load(dir: &Path, device: &B::Device, dtype: DType) -> Result<Self> {
        let config = QwenConfig::read(dir)?;
        let shards = Shards::open(dir)?;
        shards.verify(&config)?;
        Self::build(config, device, dtype, &mut |name, shape| shards.read_f32(name, shape))
    }

    /// A model with weights drawn from a seed: normal with the usual deviation 0.02, gains 1, biases 0, and the two
    /// projections that write to the residual stream smaller by the root of twice their number (as in GPT-2).
    pub fn random(config: QwenConfig, seed: u64, device: &B::Device) -> Self {
        let residual = (2.0 * config.num_hidden_layers as f64).sqrt();
        let build = Self::build(config, device, DType::F32, &mut |name, shape| {
            let n = shape.iter().product();
            Ok(if shape.len() == 1 {
                vec![if name.ends_with("bias") { 0.0 } else { 1.0 }; n]
            } else {
                let writes = name.contains("o_proj") || name.contains("down_proj");
                let deviation = if writes { 0.02 / residual } else { 0.02 };
                let mut rng = ChaCha8Rng::seed_from_u64(seed_of(seed, name));
                (0..n).map(|_| (normal(&mut rng) * deviation) as f32).collect()
            })
        });
        build.expect("a seed cannot fail to be read")
    }

    fn build(config: QwenConfig, device: &B::Device, dtype: DType, source: &mut Source<'_>) -> Result<Self> {
        let heads =
            Heads { query: config.num_attention_heads, key_value: config.num_key_value_heads, dim: config.head_dim };
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let (q, kv) = (heads.query * heads.dim, heads.key_value * heads.dim);
        let matrix = |source: &mut Source<'_>, name: &str, shape: [usize; 2]| -> Result<Tensor<B, 2>> {
            Ok(Tensor::from_data(TensorData::new(source(name, &shape)?, shape), (device, dtype)))
        };
        let vector = |source: &mut Source<'_>, name: &str, n: usize| -> Result<Tensor<B, 1>> {
            Ok(Tensor::from_data(TensorData::new(source(name, &[n])?, [n]), (device, DType::F32)))
        };
        let vocabulary = [config.vocab_size, hidden];
        let embed_tokens = matrix(source, "model.embed_tokens.weight", vocabulary)?;
        let mut blocks = Vec::with_capacity(config.num_hidden_layers);
        for i in 0..config.num_hidden_layers {
            let linear = |source: &mut Source<'_>, name: &str, outer: usize, inner: usize, bias: bool| {
                let name = format!("model.layers.{i}.{name}");
                let weight = matrix(source, &format!("{name}.weight"), [outer, inner])?;
                let bias = bias.then(|| vector(source, &format!("{name}.bias"), outer)).transpose()?;
                Ok::<_, Error>(Linear { weight, bias, lora: None })
            };
            blocks.push(Block {
                q_proj: linear(source, "self_attn.q_proj", q, hidden, true)?,
                k_proj: linear(source, "self_attn.k_proj", kv, hidden, true)?,
                v_proj: linear(source, "self_attn.v_proj", kv, hidden, true)?,
                o_proj: linear(source, "self_attn.o_proj", hidden, q, false)?,
                gate_proj: linear(source, "mlp.gate_proj", inner, hidden, false)?,
                up_proj: linear(source, "mlp.up_proj", inner, hidden, false)?,
                down_proj: linear(source, "mlp.down_proj", hidden, inner, false)?,
                input_layernorm: vector(source, &format!("model.layers.{i}.input_layernorm.weight"), hidden)?,
                post_attention_layernorm: vector(
                    source,
                    &format!("model.layers.{i}.post_attention_layernorm.weight"),
                    hidden,
                )?,
                heads,
                epsilon: config.rms_norm_eps as f32,
            });
        }
        let norm = vector(source, "model.norm.weight", hidden)?;
        let lm_head =
            (!config.tie_word_embeddings).then(|| matrix(source, "lm_head.weight", vocabulary)).transpose()?;
        Ok(Self { config, embed_tokens, blocks, norm, lm_head, steering: None, device: device.clone() })
    }

    /// The same model wearing an adapter; one that it already wears is taken off.
    pub fn wearing(&self, adapter: &Adapter) -> Self {
        let mut model = self.clone();
        for (i, block) in model.blocks.iter_mut().enumerate() {
            for (name, linear) in block.projections() {
                linear.lora = adapter.pairs.get(&(i, name)).map(|pair| {
                    let slot = &pair.slot;
                    let turned = |values: &[f32], rows: usize, columns: usize| {
                        let data = TensorData::new(transposed(values, rows, columns), [columns, rows]);
                        Tensor::from_data(data, (&self.device, DType::F32))
                    };
                    Lora {
                        a: turned(&pair.a, slot.rank, slot.inputs),
                        b: turned(&pair.b, slot.outputs, slot.rank),
                        scale: slot.scale,
                    }
                });
            }
        }
        model
    }

    /// The adapter that the model wears, which `config` describes.
    pub fn adapter(&self, config: &AdapterConfig) -> Result<Adapter> {
        let mut pairs = BTreeMap::new();
        for slot in config.layout(&self.config)? {
            let mut block = self.blocks[slot.block].clone();
            let linear = block.projections().into_iter().find(|(name, _)| *name == slot.projection).map(|(_, l)| l);
            let lora = linear.and_then(|linear| linear.lora.as_ref());
            let lora = lora
                .ok_or_else(|| Error::new(format!("block {} wears no adapter at {}", slot.block, slot.projection)))?;
            let (a, b) = (host(&lora.a), host(&lora.b));
            let pair =
                Pair { slot, a: transposed(&a, slot.inputs, slot.rank), b: transposed(&b, slot.rank, slot.outputs) };
            pairs.insert((slot.block, slot.projection), pair);
        }
        Ok(Adapter { config: config.clone(), pairs })
    }

    /// Writes all weights as a model folder, rounded to `dtype`, with tokenizer and template from `text_from`.
    pub fn save(&self, dir: &Path, dtype: safetensors::Dtype, text_from: Option<&Path>) -> Result<()> {
        let mut model = self.clone();
        let tensors: BTreeMap<String, Tensor<B, 1>> =
            model.parameters(Learning::Full).into_iter().map(|(name, parameter)| (name, parameter.flat())).collect();
        files::write_model(dir, &self.config, dtype, text_from, |name| {
            Ok(tensors[name].clone().into_data().iter::<f32>().collect())
        })
    }
}

fn host<B: FusedOps>(t: &Tensor<B, 2>) -> Vec<f32> {
    t.clone().into_data().iter::<f32>().collect()
}

/// The transpose of a matrix that lies row after row.
fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|c| (0..rows).map(move |r| values[r * columns + c])).collect()
}

/// Uniform in [0, 1), 53 bits.
fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// Standard normal, by Box and Muller.
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let radius = (-2.0 * (1.0 - uniform(rng)).ln()).sqrt();
    radius * (std::f64::consts::TAU * uniform(rng)).cos()
}
