//! Merges an adapter into a model's weights: `W + scale · B · A`, computed in f32 and rounded once, folder to folder.
//!
//! The new folder has the old one's files, shard for shard; from a GGUF file it has one, or as many as the file has parts. Weights go through piece by piece, so that beside the adapter no
//! more than a piece is in memory, however large the model.

use std::collections::BTreeMap;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::Path;
use std::thread;

use serde_json::{Map, Value};

use super::checkpoint::Checkpoint;
use super::files::{copy_text_files, torch_name, write_index};
use super::peft::{Adapter, Pair};
use crate::record::write_atomic;
use crate::tensorfile::{self, Dtype, Planned, narrow};
use crate::{At, Error, Result, ensure};

/// What a merge wrote.
#[derive(Debug, Clone, PartialEq)]
pub struct Merged {
    /// How many tensors the folder has.
    pub tensors: usize,
    /// How many of them the adapter changed.
    pub changed: usize,
    /// The coarsest dtype among those that were changed.
    pub dtype: Dtype,
}

/// Writes the model `from`, changed by the adapter, into the folder `to`, with tokenizer, template and generation defaults;
/// `config.json` comes last. Every tensor keeps its dtype unless `dtype` says otherwise; those of a quantised GGUF file become f16. `tell` is given the number of
/// tensors written so far.
///
/// # Errors
/// A model folder that is not whole, an adapter without a pair, a value that F16 cannot hold, a full disk.
pub fn merge(
    from: &Path,
    adapter: &Adapter,
    dtype: Option<Dtype>,
    to: &Path,
    tell: &mut dyn FnMut(usize),
) -> Result<Merged> {
    let (config, checkpoint) = Checkpoint::verified(from)?;
    ensure!(!adapter.pairs.is_empty(), "the adapter changes nothing: it has no pair");
    std::fs::create_dir_all(to).at(to)?;
    let pairs: BTreeMap<String, &Pair> = adapter.pairs.values().map(|pair| (weight_name(pair), pair)).collect();
    let kept: BTreeMap<String, Vec<usize>> = config.tensors().into_iter().collect();

    let mut merged = Merged { tensors: 0, changed: 0, dtype: Dtype::F32 };
    let (mut places, mut size) = (Map::new(), 0);
    let files = checkpoint.files(&config);
    let several = files.len() > 1;
    for (file, names) in files {
        let planned = planned(&checkpoint, names.into_iter().filter(|name| kept.contains_key(name)), dtype)?;
        let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
        tensorfile::write_poured(&to.join(&file), &planned, &metadata, |name, out| {
            let pair = pairs.get(name).copied();
            let (_, dtype, _) = planned.iter().find(|(n, ..)| n == name).expect("a planned tensor");
            pour(&checkpoint, name, *dtype, pair, out).map_err(|e| e.at(to.join(&file).display()))?;
            merged.tensors += 1;
            if pair.is_some() {
                merged.changed += 1;
                merged.dtype = coarser(merged.dtype, *dtype);
            }
            tell(merged.tensors);
            Ok(())
        })?;
        for (name, dtype, shape) in planned {
            size += shape.iter().product::<usize>() * if dtype == Dtype::F32 { 4 } else { 2 };
            places.insert(name, Value::from(file.as_str()));
        }
    }
    assert_eq!(merged.changed, pairs.len(), "every pair of the adapter meets its weight");
    if several {
        write_index(to, size, places)?;
    }
    copy_text_files(from, to)?;
    let called = dtype.map_or_else(|| checkpoint.dtype("model.embed_tokens.weight"), Ok)?;
    let json = config.to_json(torch_name(called).unwrap_or("float32"));
    write_atomic(&to.join("config.json"), format!("{json:#}\n").as_bytes())?;
    Ok(merged)
}

/// The tensor that a pair changes.
fn weight_name(pair: &Pair) -> String {
    format!("model.layers.{}.{}.weight", pair.slot.block, pair.slot.projection)
}

fn planned(checkpoint: &Checkpoint, names: impl Iterator<Item = String>, dtype: Option<Dtype>) -> Result<Vec<Planned>> {
    let plan = |name: String| {
        let dtype = dtype.map_or_else(|| checkpoint.dtype(&name), Ok)?;
        let shape = checkpoint.shape(&name)?;
        Ok((name, dtype, shape))
    };
    names.map(plan).collect()
}

/// bf16 has fewer digits than f16, which has fewer than f32.
fn coarser(a: Dtype, b: Dtype) -> Dtype {
    [Dtype::BF16, Dtype::F16].into_iter().find(|d| [a, b].contains(d)).unwrap_or(Dtype::F32)
}

/// Writes one tensor, changed by its pair if it has one, piece by piece.
fn pour(checkpoint: &Checkpoint, name: &str, dtype: Dtype, pair: Option<&Pair>, out: &mut dyn Write) -> Result<()> {
    /// Values at a time.
    const PIECE: usize = 1 << 22;
    let write = |out: &mut dyn Write, bytes: &[u8]| out.write_all(bytes).doing("cannot write");
    if let (None, Some(bytes)) = (pair, checkpoint.bytes(name, dtype)?) {
        write(out, bytes)?;
        checkpoint.release(name);
        return Ok(());
    }
    let shape = checkpoint.shape(name)?;
    let columns: usize = shape.iter().skip(1).product();
    let rows_max = (PIECE / columns.max(1)).max(1);
    for first in (0..shape[0]).step_by(rows_max) {
        let mut values = checkpoint.floats(name, first..(first + rows_max).min(shape[0]))?;
        if let Some(pair) = pair {
            add_product(&mut values, first, pair);
        }
        let narrowed = narrow(dtype, &values);
        let narrowed = narrowed.ok_or_else(|| {
            Error::new(format!("tensor `{name}` has values beyond F16")).hint("use --dtype bf16 or f32")
        })?;
        write(out, &narrowed)?;
    }
    checkpoint.release(name);
    Ok(())
}

/// `values += scale · B · A` for rows of W from `first` on, shared out among the processor's cores.
fn add_product(values: &mut [f32], first: usize, pair: &Pair) {
    let columns = pair.slot.inputs;
    let workers = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let share = (values.len() / columns).div_ceil(workers).max(1);
    thread::scope(|scope| {
        for (i, part) in values.chunks_mut(share * columns).enumerate() {
            scope.spawn(move || {
                let rows = part.chunks_exact_mut(columns).zip(first + i * share..);
                rows.for_each(|(row, at)| add_row(row, at, pair));
            });
        }
    });
}

/// Adds one row of the product. It is summed up by itself first, so that W's digits are rounded once.
fn add_row(row: &mut [f32], at: usize, pair: &Pair) {
    let (rank, columns) = (pair.slot.rank, pair.slot.inputs);
    let mut change = vec![0.0_f32; columns];
    for (b, a) in pair.b[at * rank..][..rank].iter().zip(pair.a.chunks_exact(columns)) {
        let b = pair.slot.scale * b;
        change.iter_mut().zip(a).for_each(|(sum, a)| *sum += b * a);
    }
    row.iter_mut().zip(change).for_each(|(w, change)| *w += change);
}

#[cfg(test)]
mod tests {
    use super::super::ModelConfig;
    use super::super::files::Shards;
    use super::super::peft::{AdapterConfig, Targets};
    use super::*;

    const TINY: &str = "tests/fixtures/tiny";

    /// The golden adapter with patterns, so that ranks and scales differ.
    fn patterned(model: &ModelConfig) -> Adapter {
        let mut config = AdapterConfig::new(4, 8.0, true, Targets::Pattern(r".*\.(q_proj|down_proj)".into()));
        config.rank_pattern = vec![("layers.1.mlp.down_proj".into(), 2)];
        config.alpha_pattern = vec![("q_proj".into(), 3.0)];
        let mut adapter = Adapter::fresh(config, model, 5).unwrap();
        for (i, pair) in adapter.pairs.values_mut().enumerate() {
            pair.b.iter_mut().enumerate().for_each(|(j, b)| *b = ((i * 31 + j * 7) % 19) as f32 * 0.01 - 0.08);
        }
        adapter
    }

    #[test]
    fn every_weight_is_w_plus_scale_b_a_and_the_rest_is_as_it_was() {
        let (from, dir) = (Path::new(TINY), tempfile::tempdir().unwrap());
        let config = ModelConfig::read(from).unwrap();
        let adapter = patterned(&config);
        let mut told = Vec::new();
        let merged = merge(from, &adapter, None, dir.path(), &mut |n| told.push(n)).unwrap();
        let (old, new) = (Shards::open(from).unwrap(), Shards::open(dir.path()).unwrap());
        let count = config.tensors().len();
        assert_eq!(merged, Merged { tensors: count, changed: 8, dtype: Dtype::F32 });
        assert_eq!(told, (1..=count).collect::<Vec<_>>());
        for (name, shape) in config.tensors() {
            let pair = adapter.pairs.values().find(|pair| weight_name(pair) == name);
            let (w, found) = (old.read_f32(&name, &shape).unwrap(), new.read_f32(&name, &shape).unwrap());
            let Some(Pair { slot, a, b }) = pair else {
                assert_eq!(w, found, "{name}");
                continue;
            };
            for (i, (w, found)) in w.iter().zip(&found).enumerate() {
                let (o, column) = (i / slot.inputs, i % slot.inputs);
                let sum: f64 = (0..slot.rank)
                    .map(|k| f64::from(b[o * slot.rank + k]) * f64::from(a[k * slot.inputs + column]))
                    .sum();
                let want = f64::from(*w) + f64::from(slot.scale) * sum;
                assert!((f64::from(*found) - want).abs() < 1e-6, "{name} [{o}, {column}]: {found} for {want}");
            }
        }
        assert!(dir.path().join("tokenizer.json").exists() && dir.path().join("tokenizer_config.json").exists());
        assert_eq!(ModelConfig::read(dir.path()).unwrap().num_hidden_layers, 4);
    }

    #[test]
    fn shards_and_dtypes_stay_unless_another_dtype_is_asked_for() {
        let (from, dir) = (Path::new("tests/fixtures/tiny-sharded"), tempfile::tempdir().unwrap());
        let config = ModelConfig::read(from).unwrap();
        let adapter = patterned(&config);
        for (i, (dtype, stored, name)) in
            [(None, Dtype::BF16, "bfloat16"), (Some(Dtype::F32), Dtype::F32, "float32")].into_iter().enumerate()
        {
            let to = dir.path().join(i.to_string());
            let merged = merge(from, &adapter, dtype, &to, &mut |_| {}).unwrap();
            assert_eq!((merged.changed, merged.dtype), (4, stored));
            let (old, new) = (Shards::open(from).unwrap(), Shards::open(&to).unwrap());
            let files = |shards: &Shards| -> Vec<_> {
                shards.parts().map(|(path, names)| (path.file_name().unwrap().to_owned(), names)).collect()
            };
            assert_eq!(files(&old), files(&new));
            assert!(new.names().all(|name| new.raw(name).unwrap().0 == stored));
            assert_eq!(ModelConfig::read(&to).unwrap().source["torch_dtype"], name);
        }
        let mut huge = adapter.clone();
        huge.pairs.values_mut().for_each(|pair| pair.b.fill(1e9));
        let e = merge(from, &huge, Some(Dtype::F16), &dir.path().join("f16"), &mut |_| {}).unwrap_err();
        assert!(e.to_string().contains("has values beyond F16"), "{e}");
    }
}
