//! GGUF, the container of llama.cpp's files: what is inside is the business of [`crate::vector`] and [`crate::model`].
//!
//! Version 3, little endian: magic, version, counts, metadata by key, descriptions of tensors, then their bytes from an aligned
//! place on. (<https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>)

use std::io::{self, Write};

use crate::{Error, Result, bail, ensure};

const MAGIC: &[u8; 4] = b"GGUF";
const VERSION: u32 = 3;
const ALIGNMENT: usize = 32;
/// GGUF's number for tensors of f32.
const F32: u32 = 0;

/// Whether these bytes begin as GGUF does.
pub fn is_one(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// A value of the metadata, as far as anything is done with it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A whole number that is not negative; written as i32.
    Whole(usize),
    /// An f32.
    Real(f32),
    /// A text.
    Text(String),
    /// Anything else that was read; never written.
    Other,
}

impl Value {
    /// GGUF's numbers for these kinds.
    const I32: u32 = 5;
    const F32: u32 = 6;
    const TEXT: u32 = 8;
    const LIST: u32 = 9;
}

/// What the file says of a tensor before its bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// Its name.
    pub name: String,
    /// Its sizes, the one that varies fastest first: the other way round than everywhere else.
    pub dims: Vec<usize>,
    /// GGUF's number of its type.
    kind: u32,
    /// Where it begins among the tensors' bytes.
    offset: usize,
}

/// A file that was read.
#[derive(Debug)]
pub struct Container<'a> {
    /// Metadata in the file's order.
    pub metadata: Vec<(String, Value)>,
    /// Tensors in the file's order.
    pub tensors: Vec<Description>,
    data: &'a [u8],
}

impl<'a> Container<'a> {
    /// Reads everything but the tensors' values.
    ///
    /// # Errors
    /// What is no GGUF of versions 2 or 3, or is truncated or corrupt.
    pub fn read(bytes: &'a [u8]) -> Result<Self> {
        let mut cursor = Cursor { bytes, at: MAGIC.len() };
        ensure!(is_one(bytes), "not a GGUF file");
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
            let value = cursor.value(kind, 0)?;
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
        let data = bytes.get(cursor.at.next_multiple_of(alignment)..).unwrap_or_default();
        Ok(Self { metadata, tensors, data })
    }

    /// A text of the metadata.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.metadata.iter().find_map(|(name, value)| match value {
            Value::Text(text) if name == key => Some(text.as_str()),
            _ => None,
        })
    }

    /// The values of a tensor of f32.
    ///
    /// # Errors
    /// Another type; bytes beyond the file's end.
    pub fn f32(&self, tensor: &Description) -> Result<Vec<f32>> {
        let Description { name, dims, kind, offset } = tensor;
        ensure!(*kind == F32, "`{name}` is of GGUF's type {kind}, expected 0 (F32), as llama.cpp does");
        let len = dims.iter().try_fold(4_usize, |len, dim| len.checked_mul(*dim));
        let bytes = len.and_then(|len| self.data.get(*offset..offset.checked_add(len)?));
        let bytes = bytes.ok_or_else(|| Error::new(format!("truncated: `{name}` lies beyond the file's end")))?;
        Ok(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
    }
}

/// A tensor of f32 to be written: name, sizes (the one that varies fastest first), values.
pub type Tensor<'a> = (String, Vec<usize>, &'a [f32]);

/// Writes a file. Equal content gives equal bytes.
///
/// # Errors
/// Those of `out`.
///
/// # Panics
/// If a tensor has not as many values as its sizes say, or a value is [`Value::Other`].
pub fn write(out: &mut dyn Write, metadata: &[(&str, Value)], tensors: &[Tensor<'_>]) -> io::Result<()> {
    let mut head = MAGIC.to_vec();
    head.extend(VERSION.to_le_bytes());
    head.extend((tensors.len() as u64).to_le_bytes());
    head.extend((metadata.len() as u64).to_le_bytes());
    metadata.iter().for_each(|(name, value)| entry(&mut head, name, value));
    let mut offset = 0;
    for (name, dims, values) in tensors {
        assert_eq!(dims.iter().product::<usize>(), values.len(), "`{name}` of sizes {dims:?}");
        text(&mut head, name);
        head.extend((dims.len() as u32).to_le_bytes());
        dims.iter().for_each(|dim| head.extend((*dim as u64).to_le_bytes()));
        head.extend(F32.to_le_bytes());
        head.extend((offset as u64).to_le_bytes());
        offset += (values.len() * 4).next_multiple_of(ALIGNMENT);
    }
    head.resize(head.len().next_multiple_of(ALIGNMENT), 0);
    out.write_all(&head)?;
    for (.., values) in tensors {
        let mut bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        // llama.cpp's reader expects the last tensor padded too.
        bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
        out.write_all(&bytes)?;
    }
    Ok(())
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn entry(out: &mut Vec<u8>, name: &str, value: &Value) {
    text(out, name);
    match value {
        Value::Whole(n) => {
            out.extend(Value::I32.to_le_bytes());
            out.extend((*n as i32).to_le_bytes());
        }
        Value::Real(x) => {
            out.extend(Value::F32.to_le_bytes());
            out.extend(x.to_le_bytes());
        }
        Value::Text(words) => {
            out.extend(Value::TEXT.to_le_bytes());
            text(out, words);
        }
        Value::Other => panic!("`{name}` has a value of no known kind"),
    }
}

impl Description {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self> {
        let (name, rank) = (cursor.text()?, cursor.u32()?);
        ensure!(rank <= 8, "corrupt: `{name}` has {rank} dimensions");
        let dims = (0..rank).map(|_| cursor.size()).collect::<Result<_>>()?;
        Ok(Self { name, dims, kind: cursor.u32()?, offset: cursor.size()? })
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

    /// A value of the given kind; lists are passed over.
    fn value(&mut self, kind: u32, depth: usize) -> Result<Value> {
        let width = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            10..=12 => 8,
            Value::TEXT => return self.text().map(Value::Text),
            Value::LIST => {
                ensure!(depth < 4, "corrupt: lists within lists");
                let (kind, count) = (self.u32()?, self.u64()?);
                for _ in 0..count {
                    self.value(kind, depth + 1)?;
                }
                return Ok(Value::Other);
            }
            other => bail!("corrupt: a value of the unknown kind {other}"),
        };
        let number = self.number(width)?;
        if kind == Value::F32 {
            return Ok(Value::Real(f32::from_bits(number as u32)));
        }
        Ok(match (kind, usize::try_from(number)) {
            // Unsigned and signed whole numbers; a negative one has no meaning here.
            (0 | 2 | 4 | 10, Ok(n)) => Value::Whole(n),
            (1 | 3 | 5 | 11, Ok(n)) if number >> (8 * width - 1) == 0 => Value::Whole(n),
            _ => Value::Other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let metadata =
            [("a.text", Value::Text("é".into())), ("a.count", Value::Whole(7)), ("a.alpha", Value::Real(-0.5))];
        let tensors: [Tensor<'_>; 2] =
            [("x".into(), vec![3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), ("y".into(), vec![1], &[-1.5])];
        let mut bytes = Vec::new();
        write(&mut bytes, &metadata, &tensors).unwrap();
        let read = Container::read(&bytes).unwrap();
        assert_eq!(read.metadata, metadata.map(|(name, value)| (name.to_owned(), value)));
        assert_eq!((read.text("a.text"), read.text("a.count")), (Some("é"), None));
        for (found, (name, dims, values)) in read.tensors.iter().zip(tensors) {
            assert_eq!((&found.name, &found.dims), (&name, &dims));
            assert_eq!(read.f32(found).unwrap(), values);
        }
    }

    #[test]
    fn hurt_files_are_errors_and_never_panics() {
        let mut whole = Vec::new();
        let tensors: [Tensor<'_>; 1] = [("x".into(), vec![8], &[0.25; 8])];
        write(&mut whole, &[("a.text", Value::Text("words".into()))], &tensors).unwrap();
        let values = |bytes: &[u8]| {
            let read = Container::read(bytes)?;
            read.tensors.iter().map(|tensor| read.f32(tensor)).collect::<Result<Vec<_>>>()
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
