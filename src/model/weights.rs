//! Weights in and out: a folder in Hugging Face's layout, a PEFT adapter, or numbers drawn from a seed.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{DType, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::block::Block;
use super::files::{self, Shards};
use super::linear::{Learning, Linear, Lora};
use super::peft::{self, AdapterConfig};
use super::{PROJECTIONS, Qwen, QwenConfig};
use crate::kernels::{FusedOps, Heads};
use crate::record::seed_of;
use crate::{Error, Result, ensure};

/// Where a tensor comes from: its name in the checkpoint and its shape, to its values in f32.
type Source<'a> = dyn FnMut(&str, &[usize]) -> Result<Vec<f32>> + 'a;

impl<B: FusedOps> Qwen<B> {
    /// Reads a model folder, tensor by tensor. Matrices are held in `dtype`, gains and biases in f32.
    pub fn load(dir: &Path, device: &B::Device, dtype: DType) -> Result<Self> {
        let config = QwenConfig::read(dir)?;
        let shards = Shards::open(dir, &config)?;
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
        let heads = Heads {
            query: config.num_attention_heads,
            key_value: config.num_key_value_heads,
            dim: config.head_dim,
        };
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let (q, kv) = (heads.query * heads.dim, heads.key_value * heads.dim);
        let mut matrix = |source: &mut Source<'_>, name: &str, shape: [usize; 2]| -> Result<Tensor<B, 2>> {
            Ok(Tensor::from_data(TensorData::new(source(name, &shape)?, shape), (device, dtype)))
        };
        let vector = |source: &mut Source<'_>, name: &str, n: usize| -> Result<Tensor<B, 1>> {
            Ok(Tensor::from_data(TensorData::new(source(name, &[n])?, [n]), (device, DType::F32)))
        };
        let vocabulary = [config.vocab_size, hidden];
        let embed_tokens = matrix(source, "model.embed_tokens.weight", vocabulary)?;
        let mut blocks = Vec::with_capacity(config.num_hidden_layers);
        for i in 0..config.num_hidden_layers {
            let mut linear = |source: &mut Source<'_>, name: &str, outer: usize, inner: usize, bias: bool| {
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

    /// The same model with a new adapter: A uniform in ±1/√in (Kaiming with a = √5, as PEFT draws it), B zero, so that it
    /// changes nothing yet.
    pub fn with_lora(&self, config: &AdapterConfig, seed: u64) -> Result<Self> {
        let mut model = self.clone();
        let mut adapted = 0;
        for (i, block) in model.blocks.iter_mut().enumerate() {
            for (name, linear) in block.projections() {
                let Some(shape) = config.shape_of(i, name) else { continue };
                let [outer, inner] = linear.weight.dims();
                let mut rng = ChaCha8Rng::seed_from_u64(seed_of(seed, &format!("lora {i} {name}")));
                let bound = 1.0 / (inner as f64).sqrt();
                let a: Vec<f32> =
                    (0..inner * shape.rank).map(|_| ((uniform(&mut rng) * 2.0 - 1.0) * bound) as f32).collect();
                linear.lora = Some(Lora {
                    a: Tensor::from_data(TensorData::new(a, [inner, shape.rank]), (&self.device, DType::F32)),
                    b: Tensor::zeros([shape.rank, outer], (&self.device, DType::F32)),
                    scale: shape.scale,
                });
                adapted += 1;
            }
        }
        if adapted == 0 {
            let names = PROJECTIONS.map(|p| p.rsplit('.').next().expect("a name")).join(", ");
            return Err(Error::usage("the adapter's target_modules match no projection").hint(format!("there are {names}")));
        }
        Ok(model)
    }

    /// The same model wearing the PEFT adapter of a folder, and the adapter's configuration.
    pub fn with_adapter(&self, dir: &Path) -> Result<(Self, AdapterConfig)> {
        let shapes = |i: usize, name: &str| {
            let mut block = self.blocks[i].clone();
            let linear = block.projections().into_iter().find(|(n, _)| *n == name).expect("one of the seven").1;
            linear.weight.dims()
        };
        let adapter = peft::read(dir, self.blocks.len(), &shapes)?;
        let mut model = self.clone();
        for (i, block) in model.blocks.iter_mut().enumerate() {
            for (name, linear) in block.projections() {
                let Some(factors) = adapter.factors.get(&(i, name.to_owned())) else { continue };
                let [outer, inner] = linear.weight.dims();
                let (a, b) = (TensorData::new(factors.a.clone(), [factors.rank, inner]), &factors.b);
                let b = TensorData::new(b.clone(), [outer, factors.rank]);
                let tensor = |data| Tensor::<B, 2>::from_data(data, (&self.device, DType::F32));
                // Copied, so that the factors lie packed in our layout: every product and every step reads them.
                let turned = |t: Tensor<B, 2>| {
                    let dims = t.dims();
                    t.transpose().reshape([dims[1], dims[0]])
                };
                linear.lora =
                    Some(Lora { a: turned(tensor(a)), b: turned(tensor(b)), scale: factors.scale });
            }
        }
        Ok((model, adapter.config))
    }

    /// Writes the adapter that the model wears as a PEFT folder.
    pub fn write_adapter(&self, dir: &Path, config: &AdapterConfig) -> Result<()> {
        let mut factors = BTreeMap::new();
        for (i, mut block) in self.blocks.clone().into_iter().enumerate() {
            for (name, linear) in block.projections() {
                if let Some(lora) = &linear.lora {
                    factors.insert(
                        (i, name.to_owned()),
                        peft::Factors {
                            rank: lora.a.dims()[1],
                            scale: lora.scale,
                            a: host(lora.a.clone().transpose()),
                            b: host(lora.b.clone().transpose()),
                        },
                    );
                }
            }
        }
        ensure!(!factors.is_empty(), "{}: the model wears no adapter to write", dir.display());
        peft::write(dir, config, &factors)
    }

    /// Writes all weights as a model folder, rounded to `dtype`.
    pub fn save(&self, dir: &Path, dtype: safetensors::Dtype) -> Result<()> {
        let mut model = self.clone();
        let tensors: BTreeMap<String, (Vec<usize>, Tensor<B, 1>)> = model
            .parameters(Learning::Full)
            .into_iter()
            .map(|(name, parameter)| {
                let dims = parameter.dims();
                let shape = if parameter.is_matrix() { dims.to_vec() } else { vec![dims[1]] };
                (name, (shape, parameter.flat()))
            })
            .collect();
        let shapes: Vec<(String, Vec<usize>)> = tensors.iter().map(|(name, (shape, _))| (name.clone(), shape.clone())).collect();
        files::write_model(dir, &self.config, &shapes, dtype, |name| {
            Ok(tensors[name].1.clone().into_data().iter::<f32>().collect())
        })
    }
}

fn host<B: FusedOps>(t: Tensor<B, 2>) -> Vec<f32> {
    t.into_data().iter::<f32>().collect()
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
