//! `torch.save` files that hold one tensor, read without running any of their code, and written so that `torch.load` takes
//! them with `weights_only=True`.
//!
//! Two forms are read. The usual one is a zip archive: `data.pkl` describes the tensor, `data/<key>` holds its numbers. The
//! legacy one (before torch 1.6, or `_use_new_zipfile_serialization=False`) is five pickles in a row (magic number, protocol,
//! the machine, the tensor, the keys of the storages), then for each storage its count as i64 and its numbers. Strides and
//! offsets of views are honoured. What is written is the zip form, with the entries that torch 2 writes.

use half::{bf16, f16};

use super::pickle::{self, Element, HINT, Value, View};
use super::zip::{self, Zip};
use crate::{Error, Result, bail, ensure};

/// Names the legacy form: the first pickle is this number, little endian.
const LEGACY_MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
const LEGACY_PROTOCOL: i64 = 1001;
/// Far above any model's vectors (72B: 81 x 8192); a view with strides of 0 could promise any size.
const NUMBERS_MAX: usize = 1 << 24;

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
    Zip::is_one(bytes) || bytes.starts_with(b"\x80\x02\x8a\x0a")
}

/// Reads the tensor.
pub(super) fn read(bytes: &[u8]) -> Result<Tensor> {
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
    let view = view_of(pickle::load(pickle)?.0)?;
    let name = format!("data/{}", view.storage.key);
    let data = zip.get(&name)?.ok_or_else(|| Error::new(format!("corrupt: `{name}` is missing")))?;
    gather(&view, data)
}

fn read_legacy(bytes: &[u8]) -> Result<Tensor> {
    let mut rest = bytes;
    let mut next = || -> Result<Value> {
        let (value, len) = pickle::load(rest)?;
        rest = &rest[len..];
        Ok(value)
    };
    ensure!(next()? == Value::Long(LEGACY_MAGIC.to_vec()), "neither of torch's formats");
    ensure!(next()? == Value::Int(LEGACY_PROTOCOL), "of an unknown version of torch's legacy format");
    let machine = next()?;
    let little = (Value::Text("little_endian".into()), Value::Bool(true));
    ensure!(matches!(&machine, Value::Dict(of) if of.contains(&little)), "its numbers are big-endian");
    let view = view_of(next()?)?;
    let Value::List(keys) = next()? else { bail!("corrupt: no list of storages") };
    ensure!(*keys == [Value::Text(view.storage.key.as_str().into())], "corrupt: its storages are not the tensor's");
    let Some((len, data)) = rest.split_first_chunk::<8>() else { bail!("truncated: its numbers are missing") };
    ensure!(u64::from_le_bytes(*len) == view.storage.len as u64, "corrupt: a storage of two lengths");
    gather(&view, data)
}

fn view_of(value: Value) -> Result<View> {
    match value {
        Value::Tensor(view) => Ok(View::clone(&view)),
        Value::Dict(pairs) => {
            let names =
                pairs.iter().filter_map(|(name, _)| if let Value::Text(name) = name { Some(&**name) } else { None });
            let names: Vec<&str> = names.take(5).collect();
            Err(Error::new(format!("it holds a dictionary (`{}`), not a tensor", names.join("`, `"))).hint(HINT))
        }
        other => Err(Error::new(format!("it holds {}, not a tensor", other.kind())).hint(HINT)),
    }
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
            let tensor = read(&fixture(name)).unwrap();
            assert_eq!((tensor.shape.as_slice(), tensor.rounded), (&[5, 64][..], name == "f64.pt"), "{name}");
            assert_eq!(tensor.values, numbers(divisor), "{name}");
        }
        let direction = read(&fixture("direction.pt")).unwrap();
        assert_eq!((direction.shape.as_slice(), &direction.values[..]), (&[64][..], &numbers(7.0)[3 * 64..4 * 64]));
    }

    /// `ours.pt` was loaded with `torch.load(weights_only=True)` and found equal to `evil_response_avg_diff.pt`.
    #[test]
    fn ours_is_byte_for_byte_what_torch_was_seen_to_load() {
        let bytes = write(&[5, 64], &numbers(7.0));
        assert!(bytes == fixture("ours.pt"), "the bytes differ from tests/fixtures/vectors/ours.pt");
        assert_eq!(read(&bytes).unwrap(), Tensor { shape: vec![5, 64], values: numbers(7.0), rounded: false });
    }

    #[test]
    fn what_is_no_tensor_is_refused_by_name() {
        let told = |name: &str| read(&fixture(name)).unwrap_err().to_string();
        assert!(told("code.pt").contains("`posix.system`, which is refused"), "{}", told("code.pt"));
        assert!(told("parameter.pt").contains("`torch._utils._rebuild_parameter`"), "{}", told("parameter.pt"));
        assert!(told("dictionary.pt").contains("a dictionary (`layers.2`)"), "{}", told("dictionary.pt"));
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
            hurt(&fixture(name), |bytes| read(bytes).map(|tensor| assert!(tensor.values.len() <= NUMBERS_MAX)).is_ok());
        }
    }
}
