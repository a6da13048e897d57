//! The tensors of a GGUF file under the checkpoint's names, dequantised as they are asked for, by all of the processor's cores.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::Path;
use std::thread;

use super::super::ModelConfig;
use super::super::architecture::Architecture;
use super::super::files::{self, StoredTensor};
use super::names::gguf_name;
use crate::gguf::{Description, Kind, Parts, dequantise};
use crate::tensorfile::Dtype;
use crate::{Error, Result, ensure};

/// A GGUF file, or all its parts.
#[derive(Debug)]
pub(in crate::model) struct GgufWeights {
    parts: Parts,
    /// Channels of a head, where the rows of queries and keys are stored in llama.cpp's order.
    interleaved: Option<usize>,
}

impl GgufWeights {
    pub(in crate::model) fn open(path: &Path) -> Result<Self> {
        let parts = Parts::open(path)?;
        let file = parts.first();
        let name = file.text("general.architecture").unwrap_or_default();
        let whole = |of: &str| file.whole(&format!("{name}.{of}"));
        let permuted = Architecture::named(name).is_some_and(Architecture::interleaved_in_gguf);
        // llama.cpp turns neighbouring channels of a `llama`, transformers those that are half a head apart; the converter puts
        // the rows of queries and keys in the order in which both are the same. Qwen's are turned as transformers turns them.
        let interleaved = permuted
            .then(|| {
                whole("attention.key_length").or(whole("embedding_length")?.checked_div(whole("attention.head_count")?))
            })
            .flatten()
            .filter(|dim| *dim > 0);
        Ok(Self { parts, interleaved })
    }

    pub(in crate::model) fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Compares the file with the configuration that was read from it, and names every tensor that is missing, misshapen, of a
    /// type that is not read, or unknown.
    pub(in crate::model) fn verify(&self, config: &ModelConfig) -> Result<()> {
        let expected = config.tensors().into_iter();
        let expected = expected.map(|(name, shape)| (gguf_name(&name).unwrap_or(name), shape)).collect();
        let mut stored = BTreeMap::new();
        for (path, tensors) in self.parts.files() {
            for tensor in tensors {
                let refused = tensor.kind().err().map(|e| e.to_string());
                let shape = tensor.shape();
                stored.insert(tensor.name.as_str(), StoredTensor { shape, refused, path });
            }
        }
        // Its factors became the configuration's `rope_scaling`.
        stored.remove("rope_freqs.weight");
        let faults = files::faults(&expected, &stored);
        ensure!(faults.is_empty(), "{}: {}", self.parts.path().display(), faults.join("; "));
        Ok(())
    }

    /// As [`files::Shards::fingerprint`], over the bytes as they are stored.
    pub(in crate::model) fn fingerprint(&self) -> Result<String> {
        let mut tensors: Vec<_> = self.parts.files().flat_map(|(_, tensors)| tensors).collect();
        tensors.sort_by(|a, b| a.name.cmp(&b.name));
        files::fingerprint(tensors.into_iter().map(|tensor| {
            let (kind, bytes) = self.parts.raw(&tensor.name)?;
            Ok((format!("{} {kind:?} {:?};", tensor.name, tensor.shape()), bytes))
        }))
    }

    /// The checkpoint's names of the tensors of each file.
    pub(in crate::model) fn files(&self, config: &ModelConfig) -> Vec<Vec<String>> {
        let names = config.tensors().into_iter().filter_map(|(name, _)| Some((gguf_name(&name)?, name)));
        let names: BTreeMap<String, String> = names.collect();
        let of = |tensors: &[Description]| tensors.iter().filter_map(|t| names.get(&t.name).cloned()).collect();
        self.parts.files().map(|(_, tensors)| of(tensors)).collect()
    }

    /// The dtype in which the values are kept when they are stored as a folder: the embedding's, or f16 where that is quantised.
    pub(in crate::model) fn dtype(&self) -> Dtype {
        match self.parts.tensor("token_embd.weight").map(|tensor| tensor.kind()) {
            Some(Ok(Kind::F32)) => Dtype::F32,
            Some(Ok(Kind::BF16)) => Dtype::BF16,
            _ => Dtype::F16,
        }
    }

    /// A tensor's shape.
    pub(in crate::model) fn shape(&self, name: &str) -> Result<Vec<usize>> {
        let tensor = gguf_name(name).and_then(|name| self.parts.tensor(&name));
        tensor
            .map(|tensor| tensor.shape())
            .ok_or_else(|| Error::new(format!("{}: tensor `{name}` is missing", self.parts.path().display())))
    }

    /// Rows of a tensor as numbers of any kind; `narrow` rounds a row.
    ///
    /// # Errors
    /// A tensor that is missing or of a type that is not read.
    pub(in crate::model) fn rows<T: Copy + Default + Send>(
        &self,
        name: &str,
        rows: Range<usize>,
        narrow: impl Fn(Vec<f32>, &mut [T]) + Sync,
    ) -> Result<Vec<T>> {
        /// A thread is not worth starting for fewer values.
        const SHARE_MIN: usize = 1 << 16;
        let shape = self.shape(name)?;
        let stored = gguf_name(name).unwrap_or_default();
        let (kind, bytes) = self.parts.raw(&stored)?;
        let columns: usize = shape.iter().skip(1).product();
        let row_bytes = kind.bytes(columns).filter(|n| *n > 0);
        let row_bytes = row_bytes.ok_or_else(|| Error::new(format!("tensor `{stored}` is a vector in {kind:?}")))?;
        let turned = self.interleaved.filter(|_| name.contains("q_proj.") || name.contains("k_proj."));
        let mut values = vec![T::default(); rows.len() * columns];
        let workers = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let share = rows.len().div_ceil(workers).max(SHARE_MIN.div_ceil(columns)).max(1);
        let fill = |part: &mut [T], first: usize| {
            for (row, out) in (first..).zip(part.chunks_exact_mut(columns)) {
                let row = turned.map_or(row, |dim| interleaved(row, dim));
                let mut floats = vec![0.0; columns];
                dequantise(kind, &bytes[row * row_bytes..][..row_bytes], &mut floats);
                narrow(floats, out);
            }
        };
        thread::scope(|scope| {
            for (i, part) in values.chunks_mut(share * columns).enumerate() {
                let (fill, first) = (&fill, rows.start + i * share);
                scope.spawn(move || fill(part, first));
            }
        });
        Ok(values)
    }

    /// Lets go of the memory in which a tensor is mapped.
    pub(in crate::model) fn release(&self, name: &str) {
        gguf_name(name).iter().for_each(|name| self.parts.release(name));
    }
}

/// Where llama.cpp has a row of queries or keys: of a head of `dim` rows, row i of the first half is the even row 2i, row i of the
/// second half the odd row 2i + 1 (`LlamaModel.permute` of `convert_hf_to_gguf.py`).
pub(in crate::model) fn interleaved(row: usize, dim: usize) -> usize {
    let (head, within) = (row / dim, row % dim);
    let (half, i) = (within / (dim / 2).max(1), within % (dim / 2).max(1));
    head * dim + 2 * i + half
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_put_back_as_the_converter_took_them() {
        let (heads, dim) = (3, 8);
        let stored: Vec<usize> = {
            // reshape(heads, 2, dim / 2).swapaxes(1, 2)
            let at = |head: usize, half: usize, i: usize| head * dim + half * dim / 2 + i;
            (0..heads).flat_map(|h| (0..dim / 2).flat_map(move |i| (0..2).map(move |half| at(h, half, i)))).collect()
        };
        let back: Vec<usize> = (0..heads * dim).map(|row| stored[interleaved(row, dim)]).collect();
        assert_eq!(back, (0..heads * dim).collect::<Vec<_>>());
    }
}
