//! A pickle machine that runs nothing: it knows the few operations with which `torch.save` describes tensors, alone or in lists,
//! tuples and dictionaries.
//!
//! A pickle is a program, and Python's own machine calls whatever function the program names. This one knows four names,
//! `torch._utils._rebuild_tensor_v2`, `torch._utils._rebuild_parameter`, `collections.OrderedDict` and the classes of float
//! storages, and refuses any other by that name. Operations are those of protocols 2 to 5
//! (<https://docs.python.org/3/library/pickletools.html>); torch writes protocol 2 unless it is told otherwise.

mod value;

use std::collections::HashMap;
use std::rc::Rc;

pub(super) use value::{Element, Id, Loaded, Storage, Value, View};

use crate::{Error, Result, bail, ensure};

/// What a file of vectors should be made with.
pub(super) const HINT: &str =
    "save the plain tensor [layers + 1, hidden]: torch.save(tensor.detach().clone(), \"evil_response_avg_diff.pt\")";
/// A tensor takes about sixty, a dictionary of a tensor for each block of a large model about 5,000.
const OPERATIONS_MAX: usize = 50_000;

/// Runs the pickle at the beginning of `bytes`.
pub(super) fn load(bytes: &[u8]) -> Result<Loaded> {
    let (stack, marks, memo, containers) = (Vec::new(), Vec::new(), HashMap::new(), Vec::new());
    let mut machine = Machine { bytes, at: 0, stack, marks, memo, containers };
    for _ in 0..OPERATIONS_MAX {
        if let Some(value) = machine.step()? {
            return Ok(Loaded { value, containers: machine.containers, len: machine.at });
        }
    }
    Err(Error::new(format!("its pickle has more than {OPERATIONS_MAX} operations, too many for vectors")).hint(HINT))
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: HashMap<u64, Value>,
    containers: Vec<Vec<Value>>,
}

impl<'a> Machine<'a> {
    /// One operation; the last one gives the value.
    fn step(&mut self) -> Result<Option<Value>> {
        match self.take(1)?[0] {
            0x80 => {
                let protocol = self.take(1)?[0];
                ensure!(protocol <= 5, "its pickle is of protocol {protocol}, and 5 is the last that is known");
            }
            // A frame: its length, for those who read from a stream.
            0x95 => _ = self.take(8)?,
            b'.' => return self.pop().map(Some),
            b'(' => self.marks.push(self.stack.len()),
            b'c' => self.global()?,
            0x93 => match (self.pop()?, self.pop()?) {
                (Value::Text(name), Value::Text(module)) => self.named(&module, &name)?,
                _ => bail!("corrupt: its pickle names a class by no text"),
            },
            b'N' => self.stack.push(Value::None),
            0x88 => self.stack.push(Value::Bool(true)),
            0x89 => self.stack.push(Value::Bool(false)),
            b'K' => self.integer::<1>()?,
            b'M' => self.integer::<2>()?,
            b'J' => {
                let bytes = self.array::<4>()?;
                self.stack.push(Value::Int(i32::from_le_bytes(bytes).into()));
            }
            0x8a => self.long::<1>()?,
            0x8b => self.long::<4>()?,
            b'G' => {
                self.take(8)?;
                self.stack.push(Value::Float);
            }
            b'X' => self.text::<4>()?,
            b'U' | 0x8c => self.text::<1>()?,
            0x8d => self.text::<8>()?,
            b'C' => self.bytes_of::<1>()?,
            b'B' => self.bytes_of::<4>()?,
            0x8e | 0x96 => self.bytes_of::<8>()?,
            b')' => self.put(Value::Tuple, Vec::new()),
            n @ 0x85..=0x87 => self.tuple(self.below(usize::from(n - 0x84))?),
            b't' => {
                let from = self.mark()?;
                self.tuple(from);
            }
            b']' => self.put(Value::List, Vec::new()),
            b'a' => self.append(self.below(1)?)?,
            b'e' => {
                let from = self.mark()?;
                self.append(from)?;
            }
            b'}' => self.put(Value::Dict, Vec::new()),
            b's' => self.set(self.below(2)?)?,
            b'u' => {
                let from = self.mark()?;
                self.set(from)?;
            }
            b'q' => {
                let at = self.unsigned::<1>()?;
                self.note(at)?;
            }
            b'r' => {
                let at = self.unsigned::<4>()?;
                self.note(at)?;
            }
            0x94 => self.note(self.memo.len() as u64)?,
            b'h' => self.recall::<1>()?,
            b'j' => self.recall::<4>()?,
            b'Q' => self.storage()?,
            b'R' => self.call()?,
            b'b' => self.build()?,
            other => {
                let shown =
                    if other.is_ascii_graphic() { format!("`{}`", other as char) } else { format!("{other:#04x}") };
                return Err(Error::new(format!("pickle operation {shown} is none that describes tensors")).hint(HINT));
            }
        }
        Ok(None)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let bytes = self.bytes.get(self.at..self.at.saturating_add(len));
        let bytes = bytes.ok_or_else(|| Error::new("truncated: its pickle ends in the middle"))?;
        self.at += len;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        Ok(self.take(N)?.try_into().expect("N bytes were taken"))
    }

    /// An unsigned little-endian number of up to eight bytes.
    fn unsigned<const N: usize>(&mut self) -> Result<u64> {
        Ok(self.array::<N>()?.iter().rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte)))
    }

    /// As many bytes as a number before them says.
    fn counted<const N: usize>(&mut self) -> Result<&'a [u8]> {
        let len = self.unsigned::<N>()?;
        self.take(usize::try_from(len).unwrap_or(usize::MAX))
    }

    /// A number of at most two bytes.
    fn integer<const N: usize>(&mut self) -> Result<()> {
        let number = self.unsigned::<N>()?;
        self.stack.push(Value::Int(number as i64));
        Ok(())
    }

    fn long<const N: usize>(&mut self) -> Result<()> {
        let number = long(self.counted::<N>()?);
        self.stack.push(number);
        Ok(())
    }

    fn text<const N: usize>(&mut self) -> Result<()> {
        let text = String::from_utf8_lossy(self.counted::<N>()?);
        self.stack.push(Value::Text(text.into()));
        Ok(())
    }

    fn bytes_of<const N: usize>(&mut self) -> Result<()> {
        self.counted::<N>()?;
        self.stack.push(Value::Bytes);
        Ok(())
    }

    /// Puts down a container of that kind.
    fn put(&mut self, kind: fn(Id) -> Value, items: Vec<Value>) {
        self.stack.push(kind(self.containers.len()));
        self.containers.push(items);
    }

    fn pop(&mut self) -> Result<Value> {
        self.stack.pop().ok_or_else(underflow)
    }

    /// Where the last `count` values begin.
    fn below(&self, count: usize) -> Result<usize> {
        self.stack.len().checked_sub(count).ok_or_else(underflow)
    }

    fn mark(&mut self) -> Result<usize> {
        self.marks.pop().filter(|&at| at <= self.stack.len()).ok_or_else(underflow)
    }

    fn tuple(&mut self, from: usize) {
        let values = self.stack.drain(from..).collect();
        self.put(Value::Tuple, values);
    }

    fn append(&mut self, from: usize) -> Result<()> {
        let values: Vec<Value> = self.stack.drain(from..).collect();
        let Some(Value::List(list)) = self.stack.last() else { bail!("corrupt: its pickle appends to no list") };
        self.containers[*list].extend(values);
        Ok(())
    }

    fn set(&mut self, from: usize) -> Result<()> {
        let values: Vec<Value> = self.stack.drain(from..).collect();
        let Some(Value::Dict(dict)) = self.stack.last() else {
            bail!("corrupt: its pickle sets keys of no dictionary")
        };
        ensure!(values.len().is_multiple_of(2), "corrupt: its pickle sets a key without a value");
        self.containers[*dict].extend(values);
        Ok(())
    }

    fn note(&mut self, at: u64) -> Result<()> {
        let value = self.stack.last().cloned().ok_or_else(underflow)?;
        self.memo.insert(at, value);
        Ok(())
    }

    fn recall<const N: usize>(&mut self) -> Result<()> {
        let at = self.unsigned::<N>()?;
        let value = self.memo.get(&at).cloned();
        self.stack.push(value.ok_or_else(|| Error::new("corrupt: its pickle recalls what it never noted"))?);
        Ok(())
    }

    /// A name: module and class, each ended by a newline.
    fn global(&mut self) -> Result<()> {
        let mut line = || -> Result<String> {
            let rest = &self.bytes[self.at..];
            let len =
                rest.iter().position(|&b| b == b'\n').ok_or_else(|| Error::new("truncated: a name without end"))?;
            self.at += len + 1;
            Ok(String::from_utf8_lossy(&rest[..len]).into_owned())
        };
        let (module, name) = (line()?, line()?);
        self.named(&module, &name)
    }

    fn named(&mut self, module: &str, name: &str) -> Result<()> {
        self.stack.push(match (module, name) {
            ("torch._utils", "_rebuild_tensor_v2") => Value::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Value::RebuildParameter,
            ("collections", "OrderedDict") => Value::OrderedDict,
            ("torch", "FloatStorage") => Value::StorageClass(Element::F32),
            ("torch", "DoubleStorage") => Value::StorageClass(Element::F64),
            ("torch", "HalfStorage") => Value::StorageClass(Element::F16),
            ("torch", "BFloat16Storage") => Value::StorageClass(Element::Bf16),
            ("torch", other) if other.ends_with("Storage") => {
                bail!("its numbers are in a torch.{other}; expected f32, f16, bf16 or f64");
            }
            _ => {
                let what = format!(
                    "it asks for `{module}.{name}`, which is refused: only plain tensors are read, and no code is run"
                );
                return Err(Error::new(what).hint(HINT));
            }
        });
        Ok(())
    }

    /// A storage by its description: `("storage", class, key, location, count)` and, in old files, a view, which is `None`.
    fn storage(&mut self) -> Result<()> {
        let Value::Tuple(parts) = self.pop()? else { bail!("corrupt: a storage that is not described by a tuple") };
        let storage = match &self.containers[parts][..] {
            [Value::Text(kind), Value::StorageClass(element), Value::Text(key), Value::Text(_), Value::Int(len)]
            | [
                Value::Text(kind),
                Value::StorageClass(element),
                Value::Text(key),
                Value::Text(_),
                Value::Int(len),
                Value::None,
            ] if &**kind == "storage" => Storage { element: *element, key: key.as_ref().into(), len: count(*len)? },
            _ => bail!("corrupt, or of an unknown kind: its storage is not described as torch does"),
        };
        self.stack.push(Value::Storage(Rc::new(storage)));
        Ok(())
    }

    fn call(&mut self) -> Result<()> {
        let Value::Tuple(arguments) = self.pop()? else { bail!("corrupt: its pickle calls without arguments") };
        let called = self.pop()?;
        if called == Value::OrderedDict && self.containers[arguments].is_empty() {
            self.put(Value::Dict, Vec::new());
            return Ok(());
        }
        let value = match (called, &self.containers[arguments][..]) {
            // Data, whether it learns, hooks.
            (Value::RebuildParameter, [Value::Tensor(view), Value::Bool(_), ..]) => Value::Tensor(view.clone()),
            // Storage, offset, shape, strides, whether it learns, hooks, and in newer files metadata.
            (
                Value::RebuildTensor,
                [
                    Value::Storage(storage),
                    Value::Int(offset),
                    Value::Tuple(shape),
                    Value::Tuple(strides),
                    Value::Bool(_),
                    _,
                    ..,
                ],
            ) => Value::Tensor(Rc::new(View {
                storage: storage.clone(),
                offset: count(*offset)?,
                shape: counts(&self.containers[*shape])?,
                strides: counts(&self.containers[*strides])?,
            })),
            (what, _) => bail!("corrupt: its pickle calls {} with wrong arguments", what.kind()),
        };
        self.stack.push(value);
        Ok(())
    }

    /// Attributes of what lies below them: `state_dict` of a module has `_metadata`. They are passed over.
    fn build(&mut self) -> Result<()> {
        self.pop()?;
        match self.stack.last() {
            Some(Value::Dict(_)) => Ok(()),
            Some(other) => {
                bail!("its pickle gives attributes to {}, which is none that describes tensors", other.kind())
            }
            None => Err(underflow()),
        }
    }
}

fn underflow() -> Error {
    Error::new("corrupt: its pickle takes more than it has put down")
}

fn count(number: i64) -> Result<usize> {
    usize::try_from(number).map_err(|_| Error::new(format!("corrupt: {number} is no count")))
}

fn counts(values: &[Value]) -> Result<Vec<usize>> {
    let number = |value: &Value| match value {
        Value::Int(number) => count(*number),
        other => Err(Error::new(format!("corrupt: {} in a tensor's shape", other.kind()))),
    };
    values.iter().map(number).collect()
}

/// Little-endian two's complement of any length.
fn long(bytes: &[u8]) -> Value {
    if bytes.len() > 8 {
        return Value::Long(bytes.to_vec());
    }
    let sign = if bytes.last().is_some_and(|b| b & 0x80 != 0) { 0xff } else { 0 };
    let mut wide = [sign; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    Value::Int(i64::from_le_bytes(wide))
}

#[cfg(test)]
mod tests;
