//! A model's weights wherever they are stored: a folder of safetensors, or a GGUF file. Nothing else asks which of the two it is.

use std::ops::Range;
use std::path::Path;

use burn_tensor::{DType, TensorData};
use half::{bf16, f16};

use super::ModelConfig;
use super::files::{Shards, same_numbers, torch_name};
use super::gguf::GgufWeights;
use crate::record::{Hash, hash_file};
use crate::tensorfile::{Dtype, widen};
use crate::{Error, Result, bail};

/// The weights of a model, mapped into memory, under the names of Hugging Face's checkpoints.
#[derive(Debug)]
pub struct Checkpoint(Stored);

#[derive(Debug)]
enum Stored {
    Folder(Shards),
    Gguf(GgufWeights),
}
use Stored::{Folder, Gguf};

/// A tensor as it is stored, for people.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// Its type: `BF16`, `Q4_K`.
    pub dtype: String,
    /// How many numbers it stands for.
    pub values: usize,
}

impl Checkpoint {
    /// Opens a model folder or a GGUF file.
    ///
    /// # Errors
    /// As [`Shards::open`]; a file that is no GGUF, truncated or corrupt.
    pub fn open(model: &Path) -> Result<Self> {
        Ok(Self(if model.is_file() { Gguf(GgufWeights::open(model)?) } else { Folder(Shards::open(model)?) }))
    }

    /// The model's configuration and its weights, which fit each other.
    ///
    /// # Errors
    /// As [`ModelConfig::read`], [`Self::open`] and [`Self::verify`].
    pub fn verified(model: &Path) -> Result<(ModelConfig, Self)> {
        let config = ModelConfig::read(model)?;
        let checkpoint = Self::open(model)?;
        let config = checkpoint.settled(config)?;
        checkpoint.verify(&config)?;
        Ok((config, checkpoint))
    }

    /// The configuration as the weights bear it out: [`Shards::settled`]. A GGUF file's was read from its tensors.
    ///
    /// # Errors
    /// As [`Shards::settled`].
    pub fn settled(&self, config: ModelConfig) -> Result<ModelConfig> {
        match &self.0 {
            Folder(shards) => shards.settled(config),
            Gguf(_) => Ok(config),
        }
    }

    /// Compares the tensors with the configuration: [`Shards::verify`].
    ///
    /// # Errors
    /// Every tensor that is missing, misshapen, of a type that is not read, or unknown.
    pub fn verify(&self, config: &ModelConfig) -> Result<()> {
        match &self.0 {
            Folder(shards) => shards.verify(config),
            Gguf(weights) => weights.verify(config),
        }
    }

    /// A hash by which the weights are known again: [`Shards::fingerprint`].
    ///
    /// # Errors
    /// A tensor that cannot be read.
    pub fn fingerprint(&self) -> Result<String> {
        match &self.0 {
            Folder(shards) => shards.fingerprint(),
            Gguf(weights) => weights.fingerprint(),
        }
    }

    /// The hash of every byte of each file: [`Shards::contents`].
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn contents(&self) -> Result<Vec<Hash>> {
        match &self.0 {
            Folder(shards) => shards.contents(),
            Gguf(weights) => weights.parts().files().map(|(path, _)| hash_file(path)).collect(),
        }
    }

    /// All tensors as they are stored.
    ///
    /// # Errors
    /// A tensor that cannot be read.
    pub fn list(&self) -> Result<Vec<Listed>> {
        match &self.0 {
            Folder(shards) => {
                let listed = |name: &str| {
                    let (dtype, shape, _) = shards.raw(name)?;
                    Ok(Listed { dtype: format!("{dtype:?}"), values: shape.iter().product() })
                };
                shards.names().map(listed).collect()
            }
            Gguf(weights) => Ok(weights
                .parts()
                .files()
                .flat_map(|(_, tensors)| tensors)
                .map(|tensor| {
                    let dtype = tensor.kind().map_or_else(|e| e.to_string(), |kind| format!("{kind:?}"));
                    Listed { dtype, values: tensor.dims.iter().product() }
                })
                .collect()),
        }
    }

    /// How many numbers are stored in this dtype (`bf16`), and how many there are.
    ///
    /// # Errors
    /// As [`Self::list`].
    pub fn count(&self, dtype: &str) -> Result<(usize, usize)> {
        let count = |(some, all), listed: Listed| {
            let in_it = listed.dtype.eq_ignore_ascii_case(dtype);
            (some + if in_it { listed.values } else { 0 }, all + listed.values)
        };
        Ok(self.list()?.into_iter().fold((0, 0), count))
    }

    /// The file names of a model folder with these weights, each with its tensors.
    pub(super) fn files(&self, config: &ModelConfig) -> Vec<(String, Vec<String>)> {
        match &self.0 {
            Folder(shards) => {
                let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                shards.parts().map(|(path, tensors)| (name(path), tensors)).collect()
            }
            Gguf(weights) => {
                let mut files = weights.files(config);
                files.retain(|tensors| !tensors.is_empty());
                let count = files.len();
                let name = |i: usize| match count {
                    1 => "model.safetensors".to_owned(),
                    _ => format!("model-{:05}-of-{count:05}.safetensors", i + 1),
                };
                files.into_iter().enumerate().map(|(i, tensors)| (name(i), tensors)).collect()
            }
        }
    }

    /// The dtype in which a folder holds this tensor unless another one is asked for.
    pub(super) fn dtype(&self, name: &str) -> Result<Dtype> {
        match &self.0 {
            Folder(shards) => Ok(shards.raw(name)?.0),
            Gguf(weights) => Ok(weights.dtype()),
        }
    }

    /// A tensor's shape.
    pub(super) fn shape(&self, name: &str) -> Result<Vec<usize>> {
        match &self.0 {
            Folder(shards) => Ok(shards.raw(name)?.1.to_vec()),
            Gguf(weights) => weights.shape(name),
        }
    }

    /// A tensor's bytes, if they are stored in this dtype.
    pub(super) fn bytes(&self, name: &str, dtype: Dtype) -> Result<Option<&[u8]>> {
        match &self.0 {
            Folder(shards) => {
                let (stored, _, bytes) = shards.raw(name)?;
                Ok((stored == dtype).then_some(bytes))
            }
            Gguf(_) => Ok(None),
        }
    }

    /// Rows of a tensor in f32.
    pub(super) fn floats(&self, name: &str, rows: Range<usize>) -> Result<Vec<f32>> {
        match &self.0 {
            Folder(shards) => {
                let (dtype, bytes) = rows_of(shards, name, rows)?;
                widen(dtype, bytes).ok_or_else(|| not_floats(name, dtype))
            }
            Gguf(weights) => weights.rows(name, rows, |row, out| out.copy_from_slice(&row)),
        }
    }

    /// Whether there is such a tensor and a file's one stands for the same numbers.
    pub(super) fn equals(&self, name: &str, (dtype, shape, bytes): (Dtype, &[usize], &[u8])) -> Result<bool> {
        let found = self.shape(name)?;
        if found != shape {
            return Ok(false);
        }
        match &self.0 {
            Folder(shards) => {
                let (stored, _, own) = shards.raw(name)?;
                Ok(same_numbers((dtype, bytes), (stored, own)))
            }
            Gguf(_) => Ok(widen(dtype, bytes) == Some(self.floats(name, 0..found[0])?)),
        }
    }

    /// A tensor, or some of its rows: as it is stored if that is the dtype asked for, dequantised in it, else in f32.
    pub(super) fn tensor(&self, name: &str, shape: &[usize], rows: Range<usize>, dtype: DType) -> Result<TensorData> {
        let found = self.shape(name)?;
        if found != shape {
            bail!("tensor `{name}` has shape {found:?}, expected {shape:?}");
        }
        let shape = [&[rows.len()], &shape[1..]].concat();
        let data = match &self.0 {
            Folder(shards) => stored(shards, name, shape, rows, dtype),
            Gguf(weights) => dequantised(weights, name, shape, rows, dtype),
        };
        self.release(name);
        data
    }

    /// Lets go of the memory in which a tensor is mapped; see [`crate::tensorfile::TensorFile::release`].
    pub(super) fn release(&self, name: &str) {
        match &self.0 {
            Folder(shards) => shards.release(name),
            Gguf(weights) => weights.release(name),
        }
    }
}

fn rows_of<'a>(shards: &'a Shards, name: &str, rows: Range<usize>) -> Result<(Dtype, &'a [u8])> {
    let (dtype, shape, bytes) = shards.raw(name)?;
    let row = bytes.len() / shape[0];
    Ok((dtype, &bytes[rows.start * row..rows.end * row]))
}

fn not_floats(name: &str, dtype: Dtype) -> Error {
    debug_assert!(torch_name(dtype).is_none());
    Error::new(format!("tensor `{name}` has dtype {dtype:?}, expected F32, F16 or BF16"))
}

fn beyond_f16(name: &str, value: impl std::fmt::Display) -> Error {
    Error::new(format!("tensor `{name}` holds {value}, which is beyond f16")).hint("use --dtype bf16 or f32")
}

/// From a model folder.
fn stored(shards: &Shards, name: &str, shape: Vec<usize>, rows: Range<usize>, dtype: DType) -> Result<TensorData> {
    let (stored, bytes) = rows_of(shards, name, rows)?;
    let halves = || bytes.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]]));
    Ok(match (stored, dtype) {
        (Dtype::BF16, DType::BF16) => TensorData::new(halves().map(bf16::from_bits).collect(), shape),
        (Dtype::F16, DType::F16) => TensorData::new(halves().map(f16::from_bits).collect(), shape),
        _ => {
            let values = widen(stored, bytes).ok_or_else(|| not_floats(name, stored))?;
            let large = values.iter().find(|v| v.abs() > f16::MAX.to_f32());
            if let (DType::F16, Some(value)) = (dtype, large) {
                return Err(beyond_f16(name, value));
            }
            TensorData::new(values, shape)
        }
    })
}

/// From a GGUF file.
fn dequantised(
    weights: &GgufWeights,
    name: &str,
    shape: Vec<usize>,
    rows: Range<usize>,
    dtype: DType,
) -> Result<TensorData> {
    Ok(match dtype {
        DType::BF16 => {
            let round = |row: Vec<f32>, out: &mut [bf16]| {
                out.iter_mut().zip(row).for_each(|(y, x)| *y = bf16::from_f32(x));
            };
            TensorData::new(weights.rows(name, rows, round)?, shape)
        }
        DType::F16 => {
            let round = |row: Vec<f32>, out: &mut [f16]| {
                out.iter_mut().zip(row).for_each(|(y, x)| *y = f16::from_f32(x));
            };
            let values = weights.rows(name, rows, round)?;
            if values.iter().any(|v| v.is_infinite()) {
                return Err(beyond_f16(name, "a value"));
            }
            TensorData::new(values, shape)
        }
        _ => TensorData::new(weights.rows(name, rows, |row, out| out.copy_from_slice(&row))?, shape),
    })
}
