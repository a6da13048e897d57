//! Reading: metadata and descriptions at once, a tensor's bytes when they are asked for.

use super::{Kind, Value, dequantise};
use crate::{Error, Result, bail, ensure};

pub(super) const MAGIC: &[u8; 4] = b"GGUF";
pub(super) const VERSION: u32 = 3;
pub(super) const ALIGNMENT: usize = 32;

/// Whether these bytes begin as GGUF does.
pub fn is_one(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// What the file says of a tensor before its bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// Its name.
    pub name: String,
    /// Its sizes, the one that varies fastest first: the other way round than everywhere else.
    pub dims: Vec<usize>,
    /// GGUF's number of its type.
    number: u32,
    /// Where it begins among the tensors' bytes.
    offset: usize,
}

impl Description {
    /// The type of its values.
    ///
    /// # Errors
    /// A type that is not read; the error names tensor and type.
    pub fn kind(&self) -> Result<Kind> {
        Kind::of(self.number).map_err(|e| e.at(format!("tensor `{}`", self.name)))
    }

    /// Its shape with the size that varies slowest first.
    pub fn shape(&self) -> Vec<usize> {
        self.dims.iter().rev().copied().collect()
    }
}

/// A file that was read; `D` holds all its bytes.
#[derive(Debug)]
pub struct Container<D> {
    /// Metadata in the file's order.
    pub metadata: Vec<(String, Value)>,
    /// Tensors in the file's order.
    pub tensors: Vec<Description>,
    bytes: D,
    /// Where the tensors' bytes begin.
    data_at: usize,
}

impl<D: AsRef<[u8]>> Container<D> {
    /// Reads everything but the tensors' values. No list is longer than the bytes that are there, whatever the file promises.
    ///
    /// # Errors
    /// What is no GGUF of versions 2 or 3, or is truncated or corrupt.
    pub fn read(bytes: D) -> Result<Self> {
        let mut cursor = Cursor { bytes: bytes.as_ref(), at: MAGIC.len() };
        ensure!(is_one(cursor.bytes), "not a GGUF file");
        let version = cursor.u32()?;
        ensure!(
            (2..=VERSION).contains(&version),
            "GGUF version {version}; versions 2 and 3 are read{}",
            if version.swap_bytes() <= VERSION { " (its bytes are big-endian)" } else { "" }
        );
        let (count, entries) = (cursor.u64()?, cursor.u64()?);
        let (mut metadata, mut alignment) = (Vec::new(), ALIGNMENT);
        for _ in 0..entries {
            let name = cursor.text()?;
            let kind = cursor.u32()?;
            let value = cursor.value(kind)?;
            if let ("general.alignment", Value::Whole(n)) = (name.as_str(), &value) {
                alignment = *n;
            }
            metadata.push((name, value));
        }
        ensure!((1..=1 << 16).contains(&alignment), "corrupt: an alignment of {alignment}");
        let mut tensors = Vec::new();
        for _ in 0..count {
            tensors.push(Description::read(&mut cursor)?);
        }
        let data_at = cursor.at.next_multiple_of(alignment);
        Ok(Self { metadata, tensors, bytes, data_at })
    }

    /// A value of the metadata.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.metadata.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// A text of the metadata.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.get(key) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A whole number of the metadata.
    pub fn whole(&self, key: &str) -> Option<usize> {
        match self.get(key) {
            Some(Value::Whole(n)) => Some(*n),
            _ => None,
        }
    }

    /// A real number of the metadata.
    pub fn real(&self, key: &str) -> Option<f32> {
        match self.get(key) {
            Some(Value::Real(x)) => Some(*x),
            _ => None,
        }
    }

    /// The bytes before the first tensor: metadata and descriptions.
    pub fn head(&self) -> &[u8] {
        let bytes = self.bytes.as_ref();
        &bytes[..self.data_at.min(bytes.len())]
    }

    /// All bytes of the file.
    pub fn bytes(&self) -> &D {
        &self.bytes
    }

    /// Where a tensor's bytes are in the file, and its type.
    ///
    /// # Errors
    /// A type that is not read, rows that are no whole blocks, bytes beyond the file's end.
    pub fn place(&self, tensor: &Description) -> Result<(Kind, std::ops::Range<usize>)> {
        let (kind, Description { name, dims, offset, .. }) = (tensor.kind()?, tensor);
        let row = dims.first().copied().unwrap_or(1);
        ensure!(row.is_multiple_of(kind.block()), "corrupt: `{name}` has rows of {row} values in {kind:?}");
        let place = || {
            let values = dims.iter().try_fold(1_usize, |n, dim| n.checked_mul(*dim))?;
            let start = self.data_at.checked_add(*offset)?;
            let end = start.checked_add(kind.bytes(values)?)?;
            (end <= self.bytes.as_ref().len()).then_some(start..end)
        };
        let place = place().ok_or_else(|| Error::new(format!("truncated: `{name}` lies beyond the file's end")))?;
        Ok((kind, place))
    }

    /// The values of a tensor in f32.
    ///
    /// # Errors
    /// As [`Self::place`].
    pub fn values(&self, tensor: &Description) -> Result<Vec<f32>> {
        let (kind, place) = self.place(tensor)?;
        let bytes = &self.bytes.as_ref()[place];
        let mut values = vec![0.0; bytes.len() / kind.block_bytes() * kind.block()];
        dequantise(kind, bytes, &mut values);
        Ok(values)
    }
}

impl Description {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self> {
        let (name, rank) = (cursor.text()?, cursor.u32()?);
        ensure!(rank <= 8, "corrupt: `{name}` has {rank} dimensions");
        let dims = (0..rank).map(|_| cursor.size()).collect::<Result<_>>()?;
        Ok(Self { name, dims, number: cursor.u32()?, offset: cursor.size()? })
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let bytes = self.bytes.get(self.at..self.at.saturating_add(len));
        let bytes = bytes.ok_or_else(|| Error::new("truncated, or corrupt: a value lies beyond the file's end"))?;
        self.at += len;
        Ok(bytes)
    }

    /// An unsigned little-endian number of up to eight bytes.
    fn number(&mut self, width: usize) -> Result<u64> {
        Ok(self.take(width)?.iter().rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte)))
    }

    fn u32(&mut self) -> Result<u32> {
        self.number(4).map(|n| n as u32)
    }

    fn u64(&mut self) -> Result<u64> {
        self.number(8)
    }

    fn size(&mut self) -> Result<usize> {
        self.u64().map(|n| usize::try_from(n).unwrap_or(usize::MAX))
    }

    fn text(&mut self) -> Result<String> {
        let len = self.size()?;
        Ok(String::from_utf8_lossy(self.take(len)?).into_owned())
    }

    /// A value of the given kind.
    fn value(&mut self, kind: u32) -> Result<Value> {
        if kind == Value::TEXT {
            return self.text().map(Value::Text);
        }
        if kind == Value::LIST {
            let (kind, count) = (self.u32()?, self.u64()?);
            return self.list(kind, count, 0);
        }
        let width = width(kind)?;
        let number = self.number(width)?;
        Ok(match kind {
            Value::F32 => Value::Real(f32::from_bits(number as u32)),
            Value::F64 => Value::Real(f64::from_bits(number) as f32),
            Value::BOOL => Value::Flag(number != 0),
            // A negative number has no meaning for anything that is read.
            _ => signed(kind, number).and_then(|n| usize::try_from(n).ok()).map_or(Value::Other, Value::Whole),
        })
    }

    /// A list of so many values; of reals, of switches and of lists nothing is kept.
    fn list(&mut self, kind: u32, count: u64, depth: usize) -> Result<Value> {
        match kind {
            Value::TEXT => (0..count).map(|_| self.text()).collect::<Result<_>>().map(Value::Texts),
            Value::LIST => {
                ensure!(depth < 4, "corrupt: lists within lists");
                for _ in 0..count {
                    let (kind, count) = (self.u32()?, self.u64()?);
                    self.list(kind, count, depth + 1)?;
                }
                Ok(Value::Other)
            }
            _ => {
                let width = width(kind)?;
                let len = usize::try_from(count).ok().and_then(|n| n.checked_mul(width)).unwrap_or(usize::MAX);
                let bytes = self.take(len)?;
                if [Value::F32, Value::F64, Value::BOOL].contains(&kind) {
                    return Ok(Value::Other);
                }
                let number = |b: &[u8]| b.iter().rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
                let numbers: Option<Vec<i64>> = bytes.chunks_exact(width).map(|b| signed(kind, number(b))).collect();
                Ok(numbers.map_or(Value::Other, Value::Wholes))
            }
        }
    }
}

/// Bytes of a number of that kind.
fn width(kind: u32) -> Result<usize> {
    Ok(match kind {
        0 | 1 | Value::BOOL => 1,
        2 | 3 => 2,
        4 | Value::I32 | Value::F32 => 4,
        10 | 11 | Value::F64 => 8,
        other => bail!("corrupt: a value of the unknown kind {other}"),
    })
}

/// A whole number of that kind, whose bytes were read without a sign.
fn signed(kind: u32, number: u64) -> Option<i64> {
    match kind {
        1 => Some(i64::from(number as i8)),
        3 => Some(i64::from(number as i16)),
        Value::I32 => Some(i64::from(number as i32)),
        11 => Some(number as i64),
        _ => i64::try_from(number).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Tensor, write};
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let metadata = [
            ("a.text", Value::Text("é".into())),
            ("a.count", Value::Whole(7)),
            ("a.alpha", Value::Real(-0.5)),
            ("a.switch", Value::Flag(true)),
        ];
        let tensors: [Tensor<'_>; 2] =
            [("x".into(), vec![3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), ("y".into(), vec![1], &[-1.5])];
        let mut bytes = Vec::new();
        write(&mut bytes, &metadata, &tensors).unwrap();
        let read = Container::read(&bytes).unwrap();
        assert_eq!(read.metadata, metadata.map(|(name, value)| (name.to_owned(), value)));
        assert_eq!((read.text("a.text"), read.text("a.count"), read.whole("a.count")), (Some("é"), None, Some(7)));
        for (found, (name, dims, values)) in read.tensors.iter().zip(tensors) {
            assert_eq!((&found.name, &found.dims), (&name, &dims));
            assert_eq!(read.values(found).unwrap(), values);
        }
    }

    #[test]
    fn lists_are_read_as_far_as_they_are_of_use() {
        let list = |kind: u32, count: u64, rest: &[u8]| [&kind.to_le_bytes()[..], &count.to_le_bytes(), rest].concat();
        let read = |bytes: &[u8]| Cursor { bytes, at: 0 }.value(Value::LIST);
        let texts = list(Value::TEXT, 2, b"\x01\0\0\0\0\0\0\0a\x02\0\0\0\0\0\0\0bc");
        assert_eq!(read(&texts).unwrap(), Value::Texts(vec!["a".into(), "bc".into()]));
        assert_eq!(read(&list(Value::I32, 2, &[3, 0, 0, 0, 255, 255, 255, 255])).unwrap(), Value::Wholes(vec![3, -1]));
        assert_eq!(read(&list(0, 1, &[200])).unwrap(), Value::Wholes(vec![200]));
        let within = list(Value::LIST, 1, &list(Value::F32, 1, &[0; 4]));
        assert_eq!(read(&within).unwrap(), Value::Other);
        // What a list promises is not believed before it is there.
        for kind in [0, Value::TEXT, Value::F64] {
            assert!(read(&list(kind, u64::MAX, &[0; 64])).is_err());
        }
    }

    #[test]
    fn hurt_files_are_errors_and_never_panics() {
        let mut whole = Vec::new();
        let tensors: [Tensor<'_>; 1] = [("x".into(), vec![8], &[0.25; 8])];
        write(&mut whole, &[("a.text", Value::Text("words".into()))], &tensors).unwrap();
        let values = |bytes: &[u8]| {
            let read = Container::read(bytes)?;
            read.tensors.iter().map(|tensor| read.values(tensor)).collect::<Result<Vec<_>>>()
        };
        assert!(values(&whole).is_ok());
        assert!((0..whole.len()).all(|len| values(&whole[..len]).is_err()));
        for i in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[i / 8] ^= 1 << (i % 8);
            let _ = values(&bytes);
        }
        let big = [MAGIC, &VERSION.to_be_bytes()[..]].concat();
        assert!(Container::read(&big).unwrap_err().to_string().contains("big-endian"));
    }
}
