//! A pickle machine that runs nothing: it knows the few operations with which `torch.save` describes a tensor.
//!
//! A pickle is a program, and Python's own machine calls whatever function the program names. This one knows three names,
//! `torch._utils._rebuild_tensor_v2`, `collections.OrderedDict` and the classes of float storages, and refuses any other by
//! that name. Operations are those of protocol 2 (<https://docs.python.org/3/library/pickletools.html>), which torch uses.

use std::collections::HashMap;
use std::rc::Rc;

use crate::{Error, Result, bail, ensure};

/// What a file of one tensor should be made with.
pub(super) const HINT: &str =
    "save the plain tensor: torch.save(tensor.detach().clone(), \"evil_response_avg_diff.pt\")";
/// A file of one tensor takes about sixty.
const OPERATIONS_MAX: usize = 1000;

/// The numbers of a storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    F16,
    Bf16,
    F32,
    F64,
}

impl Element {
    /// Bytes of one.
    pub fn width(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

/// A run of numbers that lies elsewhere in the file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Storage {
    pub element: Element,
    pub key: String,
    /// How many numbers.
    pub len: usize,
}

/// Where a tensor's numbers are within its storage; all counts are in numbers, not bytes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct View {
    pub storage: Rc<Storage>,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

/// What the machine can hold.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// Little-endian two's complement.
    Long(Vec<u8>),
    Float,
    Text(Rc<str>),
    Tuple(Rc<[Value]>),
    List(Rc<Vec<Value>>),
    Dict(Rc<Vec<(Value, Value)>>),
    /// `collections.OrderedDict`, not yet called.
    OrderedDict,
    /// `torch._utils._rebuild_tensor_v2`, not yet called.
    RebuildTensor,
    StorageClass(Element),
    Storage(Rc<Storage>),
    Tensor(Rc<View>),
}

impl Value {
    /// What it is, for people.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::None => "nothing",
            Self::Bool(_) | Self::Int(_) | Self::Long(_) | Self::Float => "a number",
            Self::Text(_) => "a text",
            Self::Tuple(_) => "a tuple",
            Self::List(_) => "a list",
            Self::Dict(_) => "a dictionary",
            Self::OrderedDict | Self::RebuildTensor | Self::StorageClass(_) => "a class or function",
            Self::Storage(_) => "a storage",
            Self::Tensor(_) => "a tensor",
        }
    }
}

/// Runs the pickle at the beginning of `bytes`; gives its value and its length.
pub(super) fn load(bytes: &[u8]) -> Result<(Value, usize)> {
    let mut machine = Machine { bytes, at: 0, stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() };
    for _ in 0..OPERATIONS_MAX {
        if let Some(value) = machine.step()? {
            return Ok((value, machine.at));
        }
    }
    Err(Error::new(format!("its pickle has more than {OPERATIONS_MAX} operations, too many for one tensor")).hint(HINT))
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    marks: Vec<usize>,
    /// A container that is still filled after it was noted keeps its first content here; a tensor's pickle never asks again.
    memo: HashMap<u32, Value>,
}

impl<'a> Machine<'a> {
    /// One operation; the last one gives the value.
    fn step(&mut self) -> Result<Option<Value>> {
        match self.take(1)?[0] {
            0x80 => {
                let protocol = self.take(1)?[0];
                ensure!(protocol <= 3, "its pickle is of protocol {protocol}; torch writes protocol 2");
            }
            b'.' => return self.pop().map(Some),
            b'(' => self.marks.push(self.stack.len()),
            b'c' => self.global()?,
            b'N' => self.stack.push(Value::None),
            0x88 => self.stack.push(Value::Bool(true)),
            0x89 => self.stack.push(Value::Bool(false)),
            b'K' => self.integer::<1>()?,
            b'M' => self.integer::<2>()?,
            b'J' => {
                let bytes = self.array::<4>()?;
                self.stack.push(Value::Int(i32::from_le_bytes(bytes).into()));
            }
            0x8a => {
                let len = self.take(1)?[0];
                let bytes = self.take(len.into())?;
                self.stack.push(long(bytes));
            }
            b'G' => {
                self.take(8)?;
                self.stack.push(Value::Float);
            }
            b'X' => self.text::<4>()?,
            b'U' => self.text::<1>()?,
            b')' => self.stack.push(Value::Tuple(Rc::new([]))),
            n @ 0x85..=0x87 => {
                let from = self.stack.len().checked_sub(usize::from(n - 0x84)).ok_or_else(underflow)?;
                self.tuple(from);
            }
            b't' => {
                let from = self.mark()?;
                self.tuple(from);
            }
            b']' => self.stack.push(Value::List(Rc::default())),
            b'a' => {
                let from = self.stack.len().checked_sub(1).ok_or_else(underflow)?;
                self.append(from)?;
            }
            b'e' => {
                let from = self.mark()?;
                self.append(from)?;
            }
            b'}' => self.stack.push(Value::Dict(Rc::default())),
            b's' => {
                let from = self.stack.len().checked_sub(2).ok_or_else(underflow)?;
                self.set(from)?;
            }
            b'u' => {
                let from = self.mark()?;
                self.set(from)?;
            }
            b'q' => self.note::<1>()?,
            b'r' => self.note::<4>()?,
            b'h' => self.recall::<1>()?,
            b'j' => self.recall::<4>()?,
            b'Q' => self.storage()?,
            b'R' => self.call()?,
            other => {
                let shown =
                    if other.is_ascii_graphic() { format!("`{}`", other as char) } else { format!("{other:#04x}") };
                return Err(Error::new(format!("pickle operation {shown} is none that describes a tensor")).hint(HINT));
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

    /// An unsigned little-endian number of up to four bytes.
    fn unsigned<const N: usize>(&mut self) -> Result<u32> {
        Ok(self.array::<N>()?.iter().rev().fold(0, |sum, &byte| sum << 8 | u32::from(byte)))
    }

    fn integer<const N: usize>(&mut self) -> Result<()> {
        let number = self.unsigned::<N>()?;
        self.stack.push(Value::Int(number.into()));
        Ok(())
    }

    fn text<const N: usize>(&mut self) -> Result<()> {
        let len = self.unsigned::<N>()? as usize;
        let text = String::from_utf8_lossy(self.take(len)?);
        self.stack.push(Value::Text(text.into()));
        Ok(())
    }

    fn pop(&mut self) -> Result<Value> {
        self.stack.pop().ok_or_else(underflow)
    }

    fn mark(&mut self) -> Result<usize> {
        self.marks.pop().filter(|&at| at <= self.stack.len()).ok_or_else(underflow)
    }

    fn tuple(&mut self, from: usize) {
        let values = self.stack.drain(from..).collect();
        self.stack.push(Value::Tuple(values));
    }

    fn append(&mut self, from: usize) -> Result<()> {
        let values: Vec<Value> = self.stack.drain(from..).collect();
        let Some(Value::List(list)) = self.stack.last_mut() else { bail!("corrupt: its pickle appends to no list") };
        Rc::make_mut(list).extend(values);
        Ok(())
    }

    fn set(&mut self, from: usize) -> Result<()> {
        let values: Vec<Value> = self.stack.drain(from..).collect();
        let Some(Value::Dict(dict)) = self.stack.last_mut() else {
            bail!("corrupt: its pickle sets keys of no dictionary")
        };
        let pairs = values.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone()));
        Rc::make_mut(dict).extend(pairs);
        Ok(())
    }

    fn note<const N: usize>(&mut self) -> Result<()> {
        let at = self.unsigned::<N>()?;
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
        self.stack.push(match (module.as_str(), name.as_str()) {
            ("torch._utils", "_rebuild_tensor_v2") => Value::RebuildTensor,
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
                    "it asks for `{module}.{name}`, which is refused: only a plain tensor is read, and no code is run"
                );
                return Err(Error::new(what).hint(HINT));
            }
        });
        Ok(())
    }

    /// A storage by its description: `("storage", class, key, location, count)` and, in old files, a view, which is `None`.
    fn storage(&mut self) -> Result<()> {
        let Value::Tuple(parts) = self.pop()? else { bail!("corrupt: a storage that is not described by a tuple") };
        let storage = match &parts[..] {
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
        let value = match (self.pop()?, &arguments[..]) {
            (Value::OrderedDict, []) => Value::Dict(Rc::default()),
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
                shape: counts(shape)?,
                strides: counts(strides)?,
            })),
            (what, _) => bail!("corrupt: its pickle calls {} with wrong arguments", what.kind()),
        };
        self.stack.push(value);
        Ok(())
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
mod tests {
    use super::*;

    #[track_caller]
    fn check_refused(pickle: &[u8], want: &str) {
        let error = load(pickle).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
    }

    #[test]
    fn numbers_texts_and_containers_are_read() {
        let (value, len) =
            load(b"\x80\x02}q\x00(X\x01\x00\x00\x00aM\xe9\x03X\x01\x00\x00\x00b\x8a\x01\xffu.rest").unwrap();
        let Value::Dict(pairs) = value else { panic!("{value:?}") };
        assert_eq!(*pairs, [(Value::Text("a".into()), Value::Int(1001)), (Value::Text("b".into()), Value::Int(-1))]);
        assert_eq!(len, 26);
        let (value, _) = load(b"\x80\x02]q\x00(K\x01K\x02e.").unwrap();
        assert_eq!(value, Value::List(Rc::new(vec![Value::Int(1), Value::Int(2)])));
    }

    #[test]
    fn code_is_refused_by_its_name() {
        check_refused(b"\x80\x02cposix\nsystem\nq\x00X\x02\x00\x00\x00ls\x85R.", "`posix.system`, which is refused");
        check_refused(b"\x80\x02cbuiltins\neval\n.", "`builtins.eval`");
        check_refused(b"\x80\x02ctorch\nLongStorage\n.", "torch.LongStorage; expected f32");
        check_refused(b"ccollections\nOrderedDict\nX\x01\x00\x00\x00a\x85R.", "with wrong arguments");
    }

    #[test]
    fn broken_pickles_are_errors() {
        check_refused(b"", "truncated");
        check_refused(b"\x80\x02X\xff\xff\xff\xffabc", "truncated");
        check_refused(b"\x80\x02)\x86.", "takes more than it has");
        check_refused(b"\x80\x02t.", "takes more than it has");
        check_refused(b"\x80\x02h\x00.", "never noted");
        check_refused(b"\x80\x02K\x01a.", "appends to no list");
        check_refused(b"\x80\x02K\x01K\x01a.", "appends to no list");
        check_refused(b"\x80\x04\x95", "protocol 4");
        check_refused(&[b')'; 5000], "more than 1000 operations");
        check_refused(b"b", "operation `b`");
    }
}
