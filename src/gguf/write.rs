//! Writing a file of f32 tensors: control vectors and adapters.

use std::io::{self, Write};

use super::container::{ALIGNMENT, MAGIC, VERSION};
use super::{Kind, Value};

/// A tensor of f32 to be written: name, sizes (the one that varies fastest first), values.
pub type Tensor<'a> = (String, Vec<usize>, &'a [f32]);

/// Writes a file. Equal content gives equal bytes.
///
/// # Errors
/// Those of `out`.
///
/// # Panics
/// If a tensor has not as many values as its sizes say, or a value is of a kind that is never written.
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
        head.extend(Kind::F32.number().to_le_bytes());
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
        Value::Flag(on) => {
            out.extend(Value::BOOL.to_le_bytes());
            out.push(u8::from(*on));
        }
        Value::Text(words) => {
            out.extend(Value::TEXT.to_le_bytes());
            text(out, words);
        }
        Value::Texts(_) | Value::Wholes(_) | Value::Other => {
            panic!("`{name}` has a value of a kind that is not written")
        }
    }
}
