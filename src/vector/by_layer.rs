//! Vectors that another program keeps layer by layer: tensors in a list, in a dictionary, or under names in a safetensors file.
//!
//! | key | is our row |
//! |---|---|
//! | place k of a list | k |
//! | `14`, `layer_14` | 14: layer 14, the output of block 13 |
//! | `layers.14`, `model.layers.14.mlp`, `blocks.14.hook_resid_post`, `h.14`, `direction.14` | 15: the output of block 14 |
//! | `blocks.14.hook_resid_pre` | 14: the input of block 14 |
//!
//! [`Reading::first_row`] says otherwise: 0 for the row of the number itself, 1 for the one after it.

use std::collections::BTreeMap;

use super::persona_vector::{Layer, PersonaVector};
use super::pt::{Held, NUMBERS_MAX, Tensor};
use super::reading::{LastRow, Notes, Reading};
use crate::tensorfile::{Dtype, TensorFile, widen};
use crate::{Error, Result, bail, ensure};

/// More blocks than any model has.
const BLOCKS_MAX: usize = 4096;

/// Vectors, and what such a file usually holds in its last row.
pub(super) struct Rows {
    pub vector: PersonaVector,
    pub usual: LastRow,
    /// Whether the model may have more blocks than the file tells: its last ones hold nothing.
    pub open: bool,
}

/// What a number in a key counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counts {
    /// Layers, from 1: the row itself.
    Layers,
    /// Blocks, from 0, at their output: the row after it.
    Outputs,
    /// Blocks, from 0, at their input.
    Inputs,
}

impl Counts {
    fn first_row(self) -> usize {
        usize::from(self == Self::Outputs)
    }
}

/// The vectors in a file's tensors.
///
/// # Errors
/// Tensors of another shape, keys that name no layer, a single direction without a layer.
pub(super) fn rows(held: Held, reading: &Reading, notes: &mut Notes) -> Result<Rows> {
    let Held { mut tensors, sequence, layer, key } = held;
    if tensors.iter().any(|(_, tensor)| tensor.rounded) {
        notes.add("its numbers were rounded from f64 to f32");
    }
    if let Some(key) = key {
        notes.add(format!("the vectors under its key `{key}` are read"));
    }
    let alone = |key: &str| if sequence { key == "0" } else { counted(key).is_none() };
    if tensors.len() == 1 && tensors[0].0.as_deref().is_none_or(alone) {
        return of_one(tensors.remove(0).1, layer, reading);
    }
    if !sequence {
        return of_keys(tensors, reading, notes);
    }
    let rows = tensors.into_iter().map(|(key, tensor)| {
        let place = key.as_deref().and_then(|key| key.parse().ok());
        Ok((place.ok_or_else(|| Error::new("a list without places"))?, direction(tensor, key.as_deref())?))
    });
    dense_or_sparse(rows.collect::<Result<_>>()?, reading.first_row.unwrap_or(0), LastRow::PostNorm, reading)
}

/// The float tensors of a safetensors file that is not ours.
///
/// # Errors
/// A file that is no file of vectors by its size.
pub(super) fn held_of(file: &TensorFile) -> Result<Held> {
    let (mut tensors, mut count) = (Vec::new(), 0_usize);
    for name in file.names() {
        let (dtype, shape, bytes) = file.raw(&name)?;
        count = count.saturating_add(bytes.len());
        ensure!(count <= NUMBERS_MAX * 8, "its tensors are too large to be vectors");
        let values = match dtype {
            Dtype::F64 => {
                bytes.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().expect("eight bytes")) as f32).collect()
            }
            _ => match widen(dtype, bytes) {
                Some(values) => values,
                None => bail!("tensor `{name}` has dtype {dtype:?}, expected F32, F16 or BF16"),
            },
        };
        tensors.push((Some(name), Tensor { shape: shape.to_vec(), values, rounded: dtype == Dtype::F64 }));
    }
    ensure!(!tensors.is_empty(), "it holds no tensor");
    let layer = file.metadata().get("layer").and_then(|layer| layer.parse().ok());
    Ok(Held { tensors, sequence: false, layer, key: None })
}

/// A vector whose other rows are zero.
pub(super) fn sparse(blocks: usize, layers: BTreeMap<usize, Vec<f32>>) -> Result<PersonaVector> {
    let hidden = layers.values().next().map_or(0, Vec::len);
    let small = blocks.checked_add(1).and_then(|rows| rows.checked_mul(hidden)).is_some_and(|n| n <= NUMBERS_MAX);
    ensure!(small, "{blocks} blocks of width {hidden} are too large to be vectors");
    let mut rows = vec![vec![0.0; hidden]; blocks + 1];
    layers.into_iter().for_each(|(layer, row)| rows[layer] = row);
    PersonaVector::new(rows)
}

/// `[layers + 1, hidden]`, or a direction of one layer.
fn of_one(tensor: Tensor, said: Option<usize>, reading: &Reading) -> Result<Rows> {
    let Tensor { shape, values, .. } = tensor;
    let wide: Vec<usize> = shape.iter().copied().filter(|&n| n != 1).collect();
    let expected = || format!("its shape is {shape:?}, expected [layers + 1, hidden]");
    match (&wide[..], reading.layer.or(said)) {
        _ if values.is_empty() => bail!("{}", expected()),
        ([_] | [], Some(layer)) => {
            let blocks = reading.blocks.unwrap_or(layer.max(1));
            ensure!(blocks <= BLOCKS_MAX, "no model has {blocks} blocks");
            let layer = Layer::of(layer, blocks)?;
            let vector = sparse(blocks, BTreeMap::from([(layer.row(), values)]))?;
            Ok(Rows { vector, usual: LastRow::Raw, open: reading.blocks.is_none() })
        }
        ([hidden], None) => {
            let what = format!("it holds one direction [{hidden}], of a layer that it does not name");
            Err(Error::usage(what).hint("name its layer, counted from 1, once: `trimtab vectors convert FILE OUT.safetensors --layer L`; refusal_direction's `layer` is the input of that block, which is the same layer here"))
        }
        ([_, hidden], _) => {
            let before = (reading.first_row == Some(1)).then(|| vec![0.0; *hidden]);
            let rows = before.into_iter().chain(values.chunks_exact(*hidden).map(<[f32]>::to_vec));
            Ok(Rows { vector: PersonaVector::new(rows.collect())?, usual: LastRow::PostNorm, open: false })
        }
        _ => bail!("{}", expected()),
    }
}

/// Tensors under keys that name their layers.
fn of_keys(tensors: Vec<(Option<String>, Tensor)>, reading: &Reading, notes: &mut Notes) -> Result<Rows> {
    let (mut found, mut others) = (Vec::new(), Vec::new());
    for (key, tensor) in tensors {
        let key = key.unwrap_or_default();
        match counted(&key) {
            Some((counts, number)) => found.push((key, counts, number, tensor)),
            None => others.push(format!("`{key}`")),
        }
    }
    let Some((first, counts, number, _)) = found.first() else {
        others.truncate(5);
        return Err(Error::new(format!("no `response_avg`, and none of its tensors is named after a layer: {}", others.join(", ")))
            .hint("a file of vectors holds `response_avg` with shape [layers + 1, hidden], or a tensor [hidden] for each layer, named `layer_14` (layer 14, the output of block 13) or `layers.14` (the output of block 14)"));
    };
    if !others.is_empty() {
        others.truncate(5);
        notes.add(format!("tensors that are named after no layer are passed over: {}", others.join(", ")));
    }
    let counts = *counts;
    let first_row = reading.first_row.unwrap_or_else(|| counts.first_row());
    notes.add(said(first, *number, counts, first_row));
    let mut rows: BTreeMap<usize, (String, Vec<f32>)> = BTreeMap::new();
    for (key, kind, number, tensor) in found {
        ensure!(kind == counts, "the tensors are named in several ways, such as `{key}`");
        let values = direction(tensor, Some(&key))?;
        if let Some((twin, _)) = rows.insert(number, (key.clone(), values)) {
            return Err(Error::new(format!("`{twin}` and `{key}` are both of number {number}"))
                .hint("save one tensor [hidden] for each layer"));
        }
    }
    let rows = rows.into_iter().map(|(number, (_, values))| (number, values)).collect();
    let usual = if counts == Counts::Layers { LastRow::PostNorm } else { LastRow::Raw };
    dense_or_sparse(rows, first_row, usual, reading)
}

/// How the first key is understood, and how to have it otherwise.
fn said(key: &str, number: usize, counts: Counts, first_row: usize) -> String {
    let what = |row: usize| match row {
        0 => "the embedding (row 0)".to_owned(),
        row => format!("{}, row {row}", Layer(row)),
    };
    let row = number + first_row;
    let otherwise = match (counts, first_row) {
        (Counts::Layers | Counts::Inputs, 0) => format!("--first-row 1 if it is {}", what(number + 1)),
        (_, 0) => format!("--first-row 1 if it is the output of block {number}"),
        _ => format!("--first-row 0 if it is {}", what(number)),
    };
    format!("`{key}` is taken to be {}; `vectors convert` with {otherwise}", what(row))
}

/// Rows by number. Where they begin at 0 and none is missing, the file is taken to hold the whole model.
fn dense_or_sparse(
    rows: BTreeMap<usize, Vec<f32>>,
    first_row: usize,
    usual: LastRow,
    reading: &Reading,
) -> Result<Rows> {
    let widths: Vec<usize> = rows.values().map(Vec::len).collect();
    if let Some(two) = widths.windows(2).find(|two| two[0] != two[1]) {
        bail!("its tensors are of several widths: {} and {}", two[0], two[1]);
    }
    let last = rows.keys().next_back().copied().unwrap_or_default();
    ensure!(last < BLOCKS_MAX, "no model has {last} blocks");
    let whole = rows.len() == last + 1;
    let last = (last + first_row).max(1);
    let blocks = reading.blocks.unwrap_or(last);
    if blocks < last {
        return Err(Error::usage(format!("a model of {blocks} blocks has no layer {last}")));
    }
    ensure!(blocks < BLOCKS_MAX, "no model has {blocks} blocks");
    let vector = sparse(blocks, rows.into_iter().map(|(number, row)| (number + first_row, row)).collect())?;
    let usual = if whole { usual } else { LastRow::Raw };
    Ok(Rows { vector, usual, open: !whole && reading.blocks.is_none() })
}

/// A tensor `[hidden]`, whatever axes of length 1 it has.
fn direction(tensor: Tensor, key: Option<&str>) -> Result<Vec<f32>> {
    let Tensor { shape, values, .. } = tensor;
    ensure!(
        !values.is_empty() && shape.iter().filter(|&&n| n != 1).count() <= 1,
        "`{}` has shape {shape:?}, expected [hidden]",
        key.unwrap_or_default()
    );
    Ok(values)
}

/// What a key counts, and its number, if there is exactly one.
fn counted(key: &str) -> Option<(Counts, usize)> {
    let parts: Vec<&str> = key.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty()).collect();
    let mut numbers = parts.iter().enumerate().filter_map(|(i, part)| {
        // `layer14` is two words.
        let word = part.trim_end_matches(|c: char| c.is_ascii_digit());
        let before = if word.is_empty() { i.checked_sub(1).map_or("", |i| parts[i]) } else { word };
        Some((before.to_ascii_lowercase(), part[word.len()..].parse::<usize>().ok()?))
    });
    let (before, number) = numbers.next()?;
    if numbers.next().is_some() || number >= BLOCKS_MAX {
        return None;
    }
    match before.as_str() {
        "" | "layer" | "row" | "l" => Some((Counts::Layers, number)),
        "layers" | "blocks" | "block" | "h" | "direction" => {
            let input = key.contains("resid_pre") || key.ends_with("input");
            Some((if input { Counts::Inputs } else { Counts::Outputs }, number))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(shape: &[usize], first: f32) -> Tensor {
        let n = shape.iter().product::<usize>();
        Tensor { shape: shape.to_vec(), values: (0..n).map(|i| first + i as f32).collect(), rounded: false }
    }

    fn held(keys: &[&str], sequence: bool) -> Held {
        let tensors = keys.iter().enumerate();
        let tensors = tensors.map(|(i, key)| (Some((*key).to_owned()), tensor(&[1, 2], 10.0 * (i + 1) as f32)));
        Held { tensors: tensors.collect(), sequence, layer: None, key: None }
    }

    /// The rows' first numbers, and whether the model may have more blocks.
    fn read(keys: &[&str], sequence: bool, reading: Reading) -> Result<(Vec<f32>, bool, Vec<String>)> {
        let mut notes = Notes::default();
        let Rows { vector, open, .. } = rows(held(keys, sequence), &reading, &mut notes)?;
        Ok((vector.rows.iter().map(|row| row[0]).collect(), open, notes.0))
    }

    #[track_caller]
    fn check(keys: &[&str], want: &[f32], open: bool) {
        let (rows, found, _) = read(keys, false, Reading::default()).unwrap();
        assert_eq!((&rows[..], found), (want, open), "{keys:?}");
    }

    #[test]
    fn a_number_is_a_layer_and_a_modules_number_is_a_block() {
        check(&["0", "1", "2"], &[10.0, 20.0, 30.0], false);
        check(&["2"], &[0.0, 0.0, 10.0], true);
        check(&["layer_3", "layer_1"], &[0.0, 20.0, 0.0, 10.0], true);
        check(&["layer2", "layer3"], &[0.0, 0.0, 10.0, 20.0], true);
        check(&["layers.0", "layers.1"], &[0.0, 10.0, 20.0], false);
        check(&["model.layers.1.mlp.vector"], &[0.0, 0.0, 10.0], true);
        check(&["blocks.1.hook_resid_post"], &[0.0, 0.0, 10.0], true);
        check(&["blocks.1.hook_resid_pre"], &[0.0, 10.0], true);
        check(&["direction.1", "direction.2"], &[0.0, 0.0, 10.0, 20.0], true);
        let (rows, open, _) = read(&["0", "1", "3"], true, Reading::default()).unwrap();
        assert_eq!((&rows[..], open), (&[10.0, 20.0, 0.0, 30.0][..], true), "a list without its third tensor");
    }

    #[test]
    fn how_a_key_is_understood_is_told_and_can_be_said_otherwise() {
        let at = |first_row, blocks| Reading { first_row, blocks, ..Reading::default() };
        let (_, _, notes) = read(&["layer_2"], false, Reading::default()).unwrap();
        assert_eq!(
            notes,
            [
                "`layer_2` is taken to be layer 2 (block 1), row 2; `vectors convert` with --first-row 1 if it is layer 3 (block 2), row 3"
            ]
        );
        assert_eq!(read(&["layer_2"], false, at(Some(1), None)).unwrap().0, [0.0, 0.0, 0.0, 10.0]);
        let (rows, _, notes) = read(&["layers.0"], false, at(Some(0), Some(1))).unwrap();
        assert_eq!(rows, [10.0, 0.0]);
        assert!(notes[0].contains("the embedding (row 0)"), "{notes:?}");
        assert_eq!(read(&["0", "1"], true, at(Some(1), None)).unwrap().0, [0.0, 10.0, 20.0]);
        let (rows, open, _) = read(&["layer_1"], false, at(None, Some(3))).unwrap();
        assert_eq!((rows.len(), open), (4, false));
        let e = read(&["layer_4"], false, at(None, Some(3))).unwrap_err();
        assert_eq!(e.to_string(), "a model of 3 blocks has no layer 4");
    }

    #[test]
    fn a_single_tensor_needs_a_layer_or_rows() {
        let one = |shape: &[usize], said, layer| {
            let tensors = vec![(Some("vector".to_owned()), tensor(shape, 1.0))];
            let reading = Reading { layer, ..Reading::default() };
            rows(Held { tensors, sequence: false, layer: said, key: None }, &reading, &mut Notes::default())
        };
        assert_eq!(one(&[3, 2], None, None).unwrap().vector.rows[2], [5.0, 6.0]);
        assert_eq!(one(&[3, 1, 2], None, None).unwrap().vector.rows[2], [5.0, 6.0]);
        assert_eq!(one(&[1, 2], Some(2), None).unwrap().vector.rows.len(), 3, "the file names the layer itself");
        let told = one(&[2], Some(2), Some(1)).unwrap();
        assert!(told.open && told.vector.rows.len() == 2, "the flag goes first");
        let e = one(&[2], None, None).map(|rows| rows.vector).unwrap_err();
        assert!(e.help().unwrap().contains("vectors convert FILE OUT.safetensors --layer L"), "{e:?}");
        assert!(one(&[2, 3, 4], None, None).is_err() && one(&[0, 4], None, None).is_err());
        assert!(one(&[2], None, Some(1 << 40)).is_err());
    }

    #[test]
    fn keys_that_say_too_little_or_too_much_are_refused() {
        let told = |keys: &[&str]| read(keys, false, Reading::default()).unwrap_err().to_string();
        assert_eq!(
            told(&["pos", "neg"]),
            "no `response_avg`, and none of its tensors is named after a layer: `pos`, `neg`"
        );
        assert_eq!(told(&["layer_1.a", "layer_1.b"]), "`layer_1.a` and `layer_1.b` are both of number 1");
        assert!(told(&["layer_1", "layers.1"]).contains("named in several ways"));
        let wide =
            vec![(Some("layer_1".to_owned()), tensor(&[2, 2], 0.0)), (Some("layer_2".to_owned()), tensor(&[2], 0.0))];
        let wide = Held { tensors: wide, sequence: false, layer: None, key: None };
        let e = rows(wide, &Reading::default(), &mut Notes::default()).map(|rows| rows.vector).unwrap_err().to_string();
        assert_eq!(e, "`layer_1` has shape [2, 2], expected [hidden]");
    }
}
