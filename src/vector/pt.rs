//! `torch.save` files of tensors (one, a list, a tuple, a dictionary), read without running any of their code, and written so
//! that `torch.load` takes them with `weights_only=True`.
//!
//! Two forms are read. The usual one is a zip archive: `data.pkl` describes the tensors, `data/<key>` holds their numbers. The
//! legacy one (before torch 1.6, or `_use_new_zipfile_serialization=False`) is five pickles in a row (magic number, protocol,
//! the machine, the tensors, the keys of the storages), then for each storage its count as i64 and its numbers. Strides and
//! offsets of views are honoured. What is written is the zip form, with the entries that torch 2 writes.

use std::collections::BTreeMap;

use half::{bf16, f16};

use super::pickle::{self, Element, HINT, Loaded, Storage, Value, View};
use super::zip::{self, Zip};
use crate::{Error, Result, bail, ensure};

/// Names the legacy form: the first pickle is this number, little endian.
const LEGACY_MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
const LEGACY_PROTOCOL: i64 = 1001;
/// Far above any model's vectors (72B: 81 x 8192); a view with strides of 0 could promise any size.
pub(super) const NUMBERS_MAX: usize = 1 << 24;
/// More layers than any model has.
const TENSORS_MAX: usize = 4096;
/// How many dictionaries may lie within each other.
const DEPTH_MAX: usize = 3;
/// How many values of a dictionary are looked at to find a tensor.
const STEPS_MAX: usize = 10_000;

/// What a file holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Held {
    /// The tensors by their keys in the file, which may name layers; a single tensor has none.
    pub tensors: Vec<(Option<String>, Tensor)>,
    /// Whether the keys are places in a list.
    pub sequence: bool,
    /// The layer that the file names for all of them.
    pub layer: Option<usize>,
    /// The key of a dictionary under which they lie.
    pub key: Option<String>,
}

/// A tensor in f32.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tensor {
    pub shape: Vec<usize>,
    /// Row after row.
    pub values: Vec<f32>,
    /// Whether f64 numbers were rounded.
    pub rounded: bool,
}

/// Whether these bytes begin as one of the two forms does.
pub(super) fn is_one(bytes: &[u8]) -> bool {
    // The magic number's operation comes after the protocol, and from protocol 4 on after a frame's length.
    let legacy = bytes.first() == Some(&0x80) && bytes.iter().skip(2).take(10).any(|&operation| operation == 0x8a);
    Zip::is_one(bytes) || legacy
}

pub(super) fn read(bytes: &[u8]) -> Result<Held> {
    if !Zip::is_one(bytes) {
        return read_legacy(bytes);
    }
    let zip = Zip::open(bytes)?;
    let pickle = zip.get("data.pkl")?;
    let pickle =
        pickle.ok_or_else(|| Error::new("a zip archive without `data.pkl`, so not one of torch's").hint(HINT))?;
    if let Some(order) = zip.get("byteorder")? {
        ensure!(order == b"little", "its numbers are big-endian; save it on a little-endian machine");
    }
    let found = Found::of(&pickle::load(pickle)?)?;
    found.gathered(|storage| {
        let name = format!("data/{}", storage.key);
        zip.get(&name)?.ok_or_else(|| Error::new(format!("corrupt: `{name}` is missing")))
    })
}

fn read_legacy(bytes: &[u8]) -> Result<Held> {
    let mut rest = bytes;
    let mut next = || -> Result<Loaded> {
        let loaded = pickle::load(rest)?;
        rest = &rest[loaded.len..];
        Ok(loaded)
    };
    ensure!(next()?.value == Value::Long(LEGACY_MAGIC.to_vec()), "neither of torch's formats");
    ensure!(next()?.value == Value::Int(LEGACY_PROTOCOL), "of an unknown version of torch's legacy format");
    let machine = next()?;
    let little = (&Value::Text("little_endian".into()), &Value::Bool(true));
    let little = matches!(machine.value, Value::Dict(of) if machine.pairs(of).any(|pair| pair == little));
    ensure!(little, "its numbers are big-endian");
    let found = Found::of(&next()?)?;
    let keys = next()?;
    let Value::List(list) = keys.value else { bail!("corrupt: no list of storages") };
    // The storages follow each other, each with its count before it.
    let mut places = BTreeMap::new();
    for key in keys.items(list) {
        let Value::Text(key) = key else { bail!("corrupt: a storage without a name") };
        let storage = found.views().map(|view| &view.storage).find(|storage| storage.key == **key);
        let storage = storage.ok_or_else(|| Error::new("corrupt: its storages are not the tensors'"))?;
        let Some((len, data)) = rest.split_first_chunk::<8>() else { bail!("truncated: its numbers are missing") };
        ensure!(u64::from_le_bytes(*len) == storage.len as u64, "corrupt: a storage of two lengths");
        let bytes = storage.len.checked_mul(storage.element.width()).filter(|&bytes| bytes <= data.len());
        let (own, after) =
            data.split_at(bytes.ok_or_else(|| Error::new("truncated: fewer numbers than its storage promises"))?);
        places.insert(storage.key.clone(), own);
        rest = after;
    }
    found.gathered(|storage| {
        let place = places.get(&storage.key).copied();
        place.ok_or_else(|| Error::new("corrupt: its storages are not the tensors'"))
    })
}

/// The tensors of a pickle, before their numbers are read.
struct Found {
    /// By their keys; a single tensor without one.
    views: Vec<(Option<String>, View)>,
    sequence: bool,
    layer: Option<usize>,
    key: Option<String>,
}

impl Found {
    fn of(loaded: &Loaded) -> Result<Self> {
        let mut found = Self { views: Vec::new(), sequence: false, layer: None, key: None };
        found.take(loaded, &loaded.value, 0)?;
        ensure!(found.views.len() <= TENSORS_MAX, "{} tensors are too many to be vectors", found.views.len());
        Ok(found)
    }

    /// Takes a tensor, or those of a list, a tuple or a dictionary; a dictionary in a dictionary where that is all it holds.
    fn take(&mut self, loaded: &Loaded, value: &Value, depth: usize) -> Result<()> {
        match value {
            Value::Tensor(view) => self.views.push((None, View::clone(view))),
            Value::List(id) | Value::Tuple(id) => {
                self.sequence = true;
                for (i, item) in loaded.items(*id).iter().enumerate() {
                    match item {
                        Value::Tensor(view) => self.views.push((Some(i.to_string()), View::clone(view))),
                        Value::None => {}
                        other => {
                            let what = format!(
                                "it holds a list with {} in it, expected a tensor for each layer",
                                other.kind()
                            );
                            return Err(Error::new(what).hint(HINT));
                        }
                    }
                }
                if self.views.is_empty() {
                    return Err(Error::new("it holds a list without a tensor").hint(HINT));
                }
            }
            Value::Dict(id) => self.take_dict(loaded, *id, depth)?,
            other => return Err(Error::new(format!("it holds {}, not a tensor", other.kind())).hint(HINT)),
        }
        Ok(())
    }

    fn take_dict(&mut self, loaded: &Loaded, id: pickle::Id, depth: usize) -> Result<()> {
        let mut within = Vec::new();
        for (key, value) in loaded.pairs(id) {
            let key = match key {
                Value::Text(key) => key.to_string(),
                Value::Int(key) => key.to_string(),
                other => bail!("it holds a dictionary with {} for a key, expected a layer", other.kind()),
            };
            match value {
                Value::Tensor(view) => self.views.push((Some(key), View::clone(view))),
                Value::Int(layer) if key == "layer" => self.layer = usize::try_from(*layer).ok(),
                value if holds_tensors(loaded, value, DEPTH_MAX, &mut { STEPS_MAX }) => within.push((key, value)),
                _ => {}
            }
        }
        if !self.views.is_empty() {
            return Ok(());
        }
        // A dictionary for each layer: `layers.2` and its `steering_vector` are `layers.2.steering_vector`.
        for (outer, value) in within.iter().filter(|(key, _)| key.contains(|c: char| c.is_ascii_digit())) {
            let Value::Dict(inner) = value else { continue };
            for (key, value) in loaded.pairs(*inner) {
                if let (Value::Text(key), Value::Tensor(view)) = (key, value) {
                    self.views.push((Some(format!("{outer}.{key}")), View::clone(view)));
                }
            }
        }
        if !self.views.is_empty() {
            return Ok(());
        }
        match &within[..] {
            [(key, value)] if depth < DEPTH_MAX => {
                self.key = Some(key.clone());
                self.take(loaded, value, depth + 1)
            }
            [] => Err(Error::new("it holds a dictionary without a tensor").hint(HINT)),
            several => {
                let names: Vec<&str> = several.iter().take(5).map(|(key, _)| key.as_str()).collect();
                let what = format!("it holds a dictionary of several (`{}`), not tensors by layer", names.join("`, `"));
                Err(Error::new(what).hint("save one of them: torch.save(all[KEY], \"evil.pt\")"))
            }
        }
    }

    fn views(&self) -> impl Iterator<Item = &View> {
        self.views.iter().map(|(_, view)| view)
    }

    /// The tensors' numbers, each from its storage.
    fn gathered<'a>(self, storage: impl Fn(&Storage) -> Result<&'a [u8]>) -> Result<Held> {
        let Self { views, sequence, layer, key } = self;
        let (mut tensors, mut count) = (Vec::new(), 0_usize);
        for (name, view) in views {
            let tensor = gather(&view, storage(&view.storage)?)?;
            count += tensor.values.len();
            ensure!(count <= NUMBERS_MAX, "its tensors are too large together to be vectors");
            tensors.push((name, tensor));
        }
        Ok(Held { tensors, sequence, layer, key })
    }
}

/// Whether a list, a tuple or a dictionary has a tensor in it somewhere.
fn holds_tensors(loaded: &Loaded, value: &Value, depth: usize, steps: &mut usize) -> bool {
    let (Value::List(id) | Value::Tuple(id) | Value::Dict(id)) = value else { return false };
    loaded.items(*id).iter().any(|item| {
        *steps = steps.saturating_sub(1);
        *steps > 0 && (matches!(item, Value::Tensor(_)) || depth > 0 && holds_tensors(loaded, item, depth - 1, steps))
    })
}

/// Collects the numbers that a view sees, row after row.
fn gather(view: &View, data: &[u8]) -> Result<Tensor> {
    let View { storage, offset, shape, strides } = view;
    let width = storage.element.width();
    let promised = storage.len.checked_mul(width).filter(|&bytes| bytes <= data.len());
    let data = &data[..promised.ok_or_else(|| Error::new("truncated: fewer numbers than its storage promises"))?];
    ensure!(shape.len() == strides.len() && shape.len() <= 8, "corrupt: shape {shape:?} with strides {strides:?}");
    let count = shape.iter().try_fold(1_usize, |product, &n| product.checked_mul(n)).filter(|&n| n <= NUMBERS_MAX);
    let count = count.ok_or_else(|| Error::new(format!("a tensor {shape:?} is too large to be vectors")))?;
    let reach = shape.iter().zip(strides).try_fold(*offset, |reach, (&n, &stride)| {
        n.saturating_sub(1).checked_mul(stride).and_then(|far| reach.checked_add(far))
    });
    ensure!(
        count == 0 || reach.is_some_and(|last| last < storage.len),
        "corrupt: shape {shape:?} with strides {strides:?} reaches beyond its storage of {}",
        storage.len
    );
    ensure!(
        count <= storage.len,
        "corrupt: shape {shape:?} promises more numbers than the {} of its storage",
        storage.len
    );
    let mut values = Vec::with_capacity(count);
    let mut index = vec![0; shape.len()];
    for _ in 0..count {
        let at = offset + index.iter().zip(strides).map(|(i, stride)| i * stride).sum::<usize>();
        values.push(number(storage.element, &data[at * width..][..width]));
        // The next index: the last axis runs fastest.
        for (i, n) in index.iter_mut().zip(shape).rev() {
            *i += 1;
            if *i < *n {
                break;
            }
            *i = 0;
        }
    }
    Ok(Tensor { shape: shape.clone(), values, rounded: storage.element == Element::F64 })
}

fn number(element: Element, bytes: &[u8]) -> f32 {
    match (element, bytes) {
        (Element::F16, &[a, b]) => f16::from_le_bytes([a, b]).to_f32(),
        (Element::Bf16, &[a, b]) => bf16::from_le_bytes([a, b]).to_f32(),
        (Element::F32, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]),
        (Element::F64, bytes) => f64::from_le_bytes(bytes.try_into().expect("eight bytes")) as f32,
        _ => unreachable!("as many bytes as the element is wide"),
    }
}

/// A file of one f32 tensor. Equal tensors give equal bytes.
pub(super) fn write(shape: &[usize], values: &[f32]) -> Vec<u8> {
    assert_eq!(shape.iter().product::<usize>(), values.len(), "as many numbers as the shape says");
    let numbers: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    zip::write(&[
        ("archive/data.pkl", &pickle_of(shape)),
        ("archive/.format_version", b"1"),
        ("archive/.storage_alignment", b"64"),
        ("archive/byteorder", b"little"),
        ("archive/data/0", &numbers),
        ("archive/version", b"3\n"),
    ])
}

/// The description of a contiguous f32 tensor in storage `0`, operation by operation as torch writes it but for its notes.
fn pickle_of(shape: &[usize]) -> Vec<u8> {
    let strides: Vec<usize> = (0..shape.len()).map(|i| shape[i + 1..].iter().product()).collect();
    let mut out = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((".to_vec();
    text(&mut out, "storage");
    out.extend(b"ctorch\nFloatStorage\n");
    text(&mut out, "0");
    text(&mut out, "cpu");
    integer(&mut out, shape.iter().product());
    out.extend(b"tQ");
    integer(&mut out, 0);
    for counts in [shape, &strides] {
        out.push(b'(');
        counts.iter().for_each(|&n| integer(&mut out, n));
        out.push(b't');
    }
    // It does not learn, and has no hooks.
    out.extend(b"\x89ccollections\nOrderedDict\n)RtR.");
    out
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.push(b'X');
    out.extend((text.len() as u32).to_le_bytes());
    out.extend(text.as_bytes());
}

fn integer(out: &mut Vec<u8>, number: usize) {
    out.push(b'J');
    out.extend(i32::try_from(number).expect("vectors are far below 2^31 numbers").to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::formats::tests::{fixture, hurt, numbers};

    fn one(bytes: &[u8]) -> Tensor {
        let held = read(bytes).unwrap();
        let [(None, tensor)] = &held.tensors[..] else { panic!("{held:?}") };
        tensor.clone()
    }

    #[test]
    fn torchs_files_are_read_bit_for_bit() {
        for (name, divisor) in [
            ("evil_response_avg_diff.pt", 7.0),
            ("legacy.pt", 7.0),
            ("f64.pt", 7.0),
            ("strided.pt", 7.0),
            ("f16.pt", 8.0),
            ("bf16.pt", 8.0),
        ] {
            let tensor = one(&fixture(name));
            assert_eq!((tensor.shape.as_slice(), tensor.rounded), (&[5, 64][..], name == "f64.pt"), "{name}");
            assert_eq!(tensor.values, numbers(divisor), "{name}");
        }
        let direction = one(&fixture("direction.pt"));
        assert_eq!((direction.shape.as_slice(), &direction.values[..]), (&[64][..], &numbers(7.0)[3 * 64..4 * 64]));
    }

    /// `ours.pt` was loaded with `torch.load(weights_only=True)` and found equal to `evil_response_avg_diff.pt`.
    #[test]
    fn ours_is_byte_for_byte_what_torch_was_seen_to_load() {
        let bytes = write(&[5, 64], &numbers(7.0));
        assert!(bytes == fixture("ours.pt"), "the bytes differ from tests/fixtures/vectors/ours.pt");
        assert_eq!(one(&bytes), Tensor { shape: vec![5, 64], values: numbers(7.0), rounded: false });
    }

    #[test]
    fn parameters_and_dictionaries_are_read() {
        let parameter = one(&fixture("parameter.pt"));
        assert!(!parameter.values.is_empty() && parameter.values.iter().all(|x| x.is_finite()), "{parameter:?}");
        let held = read(&fixture("dictionary.pt")).unwrap();
        let [(Some(key), _)] = &held.tensors[..] else { panic!("{held:?}") };
        assert_eq!(key, "layers.2.steering_vector");
    }

    #[test]
    fn what_is_no_tensor_is_refused_by_name() {
        let told = |name: &str| read(&fixture(name)).unwrap_err().to_string();
        assert!(told("code.pt").contains("`posix.system`, which is refused"), "{}", told("code.pt"));
        assert!(told("int32.pt").contains("torch.IntStorage"), "{}", told("int32.pt"));
    }

    #[test]
    fn a_view_may_not_reach_beyond_its_storage() {
        let of = |shape: &[usize], strides: &[usize], offset: usize| {
            let storage = pickle::Storage { element: Element::F32, key: "0".into(), len: 6 }.into();
            let view = View { storage, offset, shape: shape.to_vec(), strides: strides.to_vec() };
            let data: Vec<u8> = (0..6).flat_map(|i| (i as f32).to_le_bytes()).collect();
            gather(&view, &data).map(|tensor| tensor.values)
        };
        assert_eq!(of(&[3, 2], &[1, 3], 0).unwrap(), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        assert_eq!(of(&[2, 2], &[0, 1], 4).unwrap(), [4.0, 5.0, 4.0, 5.0]);
        assert!(of(&[3, 2], &[1, 3], 1).unwrap_err().to_string().contains("reaches beyond its storage of 6"));
        assert!(
            of(&[1 << 24, 1], &[0, 0], 0).unwrap_err().to_string().contains("more numbers than the 6 of its storage")
        );
        assert!(of(&[2, usize::MAX], &[0, 0], 0).unwrap_err().to_string().contains("too large"));
        assert!(of(&[2, 2], &[usize::MAX, 1], 0).is_err() && of(&[2], &[1, 1], 0).is_err());
    }

    #[test]
    fn hurt_files_are_errors_and_never_panics() {
        for name in ["evil_response_avg_diff.pt", "legacy.pt", "strided.pt"] {
            // A flipped bit may go unnoticed in the legacy form's numbers and in names; it must not be worse than that.
            hurt(&fixture(name), |bytes| read(bytes).map(|held| assert!(held.tensors.len() <= TENSORS_MAX)).is_ok());
        }
    }
}
