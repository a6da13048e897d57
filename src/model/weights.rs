//! Weights in and out: a folder in Hugging Face's layout or a GGUF file, a PEFT adapter, or numbers drawn from a seed.
//!
//! A model is read tensor by tensor, each in the dtype in which it is held: on the host there is never more than the
//! tensor on its way, beside what the device itself keeps there.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use burn_tensor::{DType, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::block::{Block, HeadNorms};
use super::checkpoint::Checkpoint;
use super::config::PROJECTIONS;
use super::files;
use super::linear::{Learning, Linear, Lora};
use super::peft::{Adapter, AdapterConfig, Pair};
use super::{ModelConfig, TokenTable, Transformer};
use crate::kernels::{FusedOps, Heads};
use crate::record::seed_of;
use crate::tensorfile::transposed;
use crate::{Error, Result};

/// How a device holds a model's matrices; gains and biases are always whole and f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WeightStorage {
    /// The dtype of the matrices; `I8` stands for 8 bits with a scale for each row ([`FusedOps::hold_q8`]), for generation.
    pub dtype: DType,
    /// Bytes that one tensor may have on the device; embedding and head are split to fit.
    pub tensor_bytes_max: u64,
}

impl From<DType> for WeightStorage {
    fn from(dtype: DType) -> Self {
        Self { dtype, tensor_bytes_max: u64::MAX }
    }
}

/// A tensor, or some of its rows, as it is asked for.
struct Wanted<'a> {
    /// Name in the checkpoint.
    name: &'a str,
    shape: &'a [usize],
    rows: Range<usize>,
    dtype: DType,
}

/// Where tensors come from. It may give another dtype than it is asked for, which then is converted.
type Source<'a> = dyn FnMut(Wanted<'_>) -> Result<TensorData> + 'a;

impl<B: FusedOps> Transformer<B> {
    /// Reads a model folder or a GGUF file, tensor by tensor.
    pub fn load(model: &Path, device: &B::Device, storage: impl Into<WeightStorage>) -> Result<Self> {
        let (config, checkpoint) = Checkpoint::verified(model)?;
        Self::build(config, device, storage.into(), &mut |Wanted { name, shape, rows, dtype }| {
            checkpoint.tensor(name, shape, rows, dtype)
        })
    }

    /// A model with weights [`drawn`] from a seed.
    pub fn random(config: ModelConfig, seed: u64, device: &B::Device) -> Self {
        let blocks = config.num_hidden_layers;
        let build = Self::build(config, device, DType::F32.into(), &mut |Wanted { name, shape, .. }| {
            Ok(TensorData::new(drawn(name, shape, blocks, seed), shape))
        });
        build.expect("a seed cannot fail to be read")
    }

    /// A model with weights that are cheap to make, for measuring speed: uniform, of the size of real weights.
    pub fn made_up(config: ModelConfig, device: &B::Device, storage: WeightStorage) -> Self {
        let build = Self::build(config, device, storage, &mut |Wanted { shape, rows, .. }| {
            let shape = [&[rows.len()], &shape[1..]].concat();
            let n: usize = shape.iter().product();
            // Weyl's sequence: equidistributed, one multiplication each.
            let value = |i: usize| (i as u32).wrapping_mul(0x9e37_79b9) as f32 / u32::MAX as f32 * 0.08 - 0.04;
            Ok(TensorData::new((0..n).map(value).collect(), shape))
        });
        build.expect("what is made up cannot fail to be read")
    }

    fn build(config: ModelConfig, device: &B::Device, storage: WeightStorage, source: &mut Source<'_>) -> Result<Self> {
        let dtype = storage.dtype;
        let heads =
            Heads { query: config.num_attention_heads, key_value: config.num_key_value_heads, dim: config.head_dim };
        let hidden = config.hidden_size;
        let rows_of = |source: &mut Source<'_>, name: &str, shape: [usize; 2], rows: Range<usize>| {
            let eight = dtype == DType::I8;
            let data = source(Wanted { name, shape: &shape, rows, dtype: if eight { DType::F32 } else { dtype } })?;
            Ok::<_, Error>(match eight {
                true => B::hold_q8(data, device),
                false => Tensor::<B, 2>::from_data(data, (device, dtype)),
            })
        };
        let matrix = |source: &mut Source<'_>, name: &str, shape: [usize; 2]| rows_of(source, name, shape, 0..shape[0]);
        let vector = |source: &mut Source<'_>, name: &str, n: usize| {
            let data = source(Wanted { name, shape: &[n], rows: 0..n, dtype: DType::F32 })?;
            Ok::<_, Error>(Tensor::<B, 1>::from_data(data, (device, DType::F32)))
        };
        let table = |source: &mut Source<'_>, name: &str| {
            let vocabulary = config.vocab_size;
            // In f32 whatever it is held in: some devices widen what they multiply.
            let rows_max = storage.tensor_bytes_max / (hidden * DType::F32.size()) as u64;
            let rows_max = usize::try_from(rows_max).unwrap_or(usize::MAX).clamp(1, vocabulary);
            let places = (0..vocabulary).step_by(rows_max).map(|from| from..(from + rows_max).min(vocabulary));
            let parts = places.map(|rows| rows_of(source, name, [vocabulary, hidden], rows));
            Ok::<_, Error>(TokenTable::new(parts.collect::<Result<_>>()?))
        };
        let embed_tokens = table(source, "model.embed_tokens.weight")?;
        let mut blocks = Vec::with_capacity(config.num_hidden_layers);
        for i in 0..config.num_hidden_layers {
            let gain = |source: &mut Source<'_>, name: &str, n: usize| {
                vector(source, &format!("model.layers.{i}.{name}.weight"), n)
            };
            let linear = |source: &mut Source<'_>, projection: &str| {
                let name = format!("model.layers.{i}.{projection}");
                let shape = config.projection_shape(projection);
                let weight = matrix(source, &format!("{name}.weight"), shape)?;
                let biased = config.has_bias(projection);
                let bias = biased.then(|| vector(source, &format!("{name}.bias"), shape[0])).transpose()?;
                Ok::<_, Error>(Linear { weight, bias, lora: None })
            };
            let [q, k, v, o, gate, up, down] = PROJECTIONS;
            let head_norms = match config.qk_norm {
                true => Some(HeadNorms {
                    q_norm: gain(source, "self_attn.q_norm", heads.dim)?,
                    k_norm: gain(source, "self_attn.k_norm", heads.dim)?,
                }),
                false => None,
            };
            let mut block = Block {
                q_proj: linear(source, q)?,
                k_proj: linear(source, k)?,
                v_proj: linear(source, v)?,
                qkv: None,
                o_proj: linear(source, o)?,
                gate_proj: linear(source, gate)?,
                up_proj: linear(source, up)?,
                gate_up: None,
                down_proj: linear(source, down)?,
                head_norms,
                input_layernorm: gain(source, "input_layernorm", hidden)?,
                post_attention_layernorm: gain(source, "post_attention_layernorm", hidden)?,
                heads,
                epsilon: config.rms_norm_eps as f32,
            };
            block.stack(storage.tensor_bytes_max);
            blocks.push(block);
        }
        let norm = vector(source, "model.norm.weight", hidden)?;
        let lm_head = (!config.tie_word_embeddings).then(|| table(source, "lm_head.weight")).transpose()?;
        Ok(Self { config, embed_tokens, blocks, norm, lm_head, steering: None, device: device.clone() })
    }

    /// The same model with this adapter in place of any that it has.
    pub fn with_adapter(&self, adapter: &Adapter) -> Self {
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

    /// The model's adapter, which `config` describes.
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
            let parts = (0..).map_while(|i| tensors.get(&format!("{name}.{i}")));
            let all = tensors.get(name).into_iter().chain(parts);
            Ok(all.flat_map(|t| t.clone().into_data().iter::<f32>().collect::<Vec<_>>()).collect())
        })
    }
}

/// A tensor of a new model of so many blocks: normal with the usual deviation 0.02, gains 1, biases 0, and the two
/// projections that write to the residual stream smaller by the root of twice their number (as in GPT-2). Name and seed
/// decide the values.
pub fn drawn(name: &str, shape: &[usize], blocks: usize, seed: u64) -> Vec<f32> {
    let n = shape.iter().product();
    if shape.len() == 1 {
        return vec![if name.ends_with("bias") { 0.0 } else { 1.0 }; n];
    }
    let writes = name.contains("o_proj") || name.contains("down_proj");
    let deviation = if writes { 0.02 / (2.0 * blocks as f64).sqrt() } else { 0.02 };
    let mut rng = ChaCha8Rng::seed_from_u64(seed_of(seed, name));
    (0..n).map(|_| (normal(&mut rng) * deviation) as f32).collect()
}

fn host<B: FusedOps>(t: &Tensor<B, 2>) -> Vec<f32> {
    t.clone().into_data().iter::<f32>().collect()
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
