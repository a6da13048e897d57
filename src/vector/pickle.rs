//! A pickle machine that runs nothing: it knows the few operations with which `torch.save` describes tensors, alone or in lists,
//! tuples and dictionaries.
//!
//! A pickle is a program, and Python's own machine calls whatever function the program names. This one knows four names,
//! `torch._utils._rebuild_tensor_v2`, `torch._utils._rebuild_parameter`, `collections.OrderedDict` and the classes of float
//! storages, and refuses any other by that name. Operations are those of protocols 2 to 5
//! (<https://docs.python.org/3/library/pickletools.html>); torch writes protocol 2 unless it is told otherwise.

use std::collections::HashMap;
use std::rc::Rc;

use crate::{Error, Result, bail, ensure};

/// What a file of vectors should be made with.
pub(super) const HINT: &str =
    "save the plain tensor [layers + 1, hidden]: torch.save(tensor.detach().clone(), \"evil_response_avg_diff.pt\")";
/// A tensor takes about sixty, a dictionary of a tensor for each block of a large model about 5,000.
const OPERATIONS_MAX: usize = 50_000;

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

/// A container of a [`Loaded`] pickle, by its number. Python's containers are shared and may be filled after they were noted, and
/// a pickle may nest them deeply or in a circle: so they lie beside each other, and whoever walks them counts the steps.
pub(super) type Id = usize;

/// A pickle's value and its containers.
#[derive(Debug)]
pub(super) struct Loaded {
    pub value: Value,
    /// Items; of a dictionary, keys and values by turns.
    containers: Vec<Vec<Value>>,
    /// Bytes of the pickle.
    pub len: usize,
}

impl Loaded {
    /// A list's or tuple's items; a dictionary's keys and values by turns.
    pub fn items(&self, id: Id) -> &[Value] {
        &self.containers[id]
    }

    /// A dictionary's pairs.
    pub fn pairs(&self, id: Id) -> impl Iterator<Item = (&Value, &Value)> {
        self.containers[id].chunks_exact(2).map(|pair| (&pair[0], &pair[1]))
    }
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
    Bytes,
    Text(Rc<str>),
    Tuple(Id),
    List(Id),
    Dict(Id),
    /// `collections.OrderedDict`, not yet called.
    OrderedDict,
    /// `torch._utils._rebuild_tensor_v2`, not yet called.
    RebuildTensor,
    /// `torch._utils._rebuild_parameter`, not yet called.
    RebuildParameter,
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
            Self::Bytes => "bytes",
            Self::Text(_) => "a text",
            Self::Tuple(_) => "a tuple",
            Self::List(_) => "a list",
            Self::Dict(_) => "a dictionary",
            Self::OrderedDict | Self::RebuildTensor | Self::RebuildParameter | Self::StorageClass(_) => {
                "a class or function"
            }
            Self::Storage(_) => "a storage",
            Self::Tensor(_) => "a tensor",
        }
    }
}

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
    memo: HashMap<u32, Value>,
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
            0x8a => {
                let len = self.take(1)?[0];
                let bytes = self.take(len.into())?;
                self.stack.push(long(bytes));
            }
            0x8b => {
                let len = self.unsigned::<4>()? as usize;
                let bytes = self.take(len)?;
                self.stack.push(long(bytes));
            }
            b'G' => {
                self.take(8)?;
                self.stack.push(Value::Float);
            }
            b'X' => self.text::<4>()?,
            b'U' | 0x8c => self.text::<1>()?,
            0x8d => {
                let len = self.long_len()?;
                let text = String::from_utf8_lossy(self.take(len)?);
                self.stack.push(Value::Text(text.into()));
            }
            b'C' => self.bytes_of::<1>()?,
            b'B' => self.bytes_of::<4>()?,
            0x8e | 0x96 => {
                let len = self.long_len()?;
                self.take(len)?;
                self.stack.push(Value::Bytes);
            }
            b')' => {
                let empty = self.container(Vec::new());
                self.stack.push(Value::Tuple(empty));
            }
            n @ 0x85..=0x87 => {
                let from = self.stack.len().checked_sub(usize::from(n - 0x84)).ok_or_else(underflow)?;
                self.tuple(from);
            }
            b't' => {
                let from = self.mark()?;
                self.tuple(from);
            }
            b']' => {
                let empty = self.container(Vec::new());
                self.stack.push(Value::List(empty));
            }
            b'a' => {
                let from = self.stack.len().checked_sub(1).ok_or_else(underflow)?;
                self.append(from)?;
            }
            b'e' => {
                let from = self.mark()?;
                self.append(from)?;
            }
            b'}' => {
                let empty = self.container(Vec::new());
                self.stack.push(Value::Dict(empty));
            }
            b's' => {
                let from = self.stack.len().checked_sub(2).ok_or_else(underflow)?;
                self.set(from)?;
            }
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
            0x94 => self.note(self.memo.len() as u32)?,
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

    fn bytes_of<const N: usize>(&mut self) -> Result<()> {
        let len = self.unsigned::<N>()? as usize;
        self.take(len)?;
        self.stack.push(Value::Bytes);
        Ok(())
    }

    fn long_len(&mut self) -> Result<usize> {
        let len = u64::from_le_bytes(self.array()?);
        Ok(usize::try_from(len).unwrap_or(usize::MAX))
    }

    fn container(&mut self, items: Vec<Value>) -> Id {
        self.containers.push(items);
        self.containers.len() - 1
    }

    fn pop(&mut self) -> Result<Value> {
        self.stack.pop().ok_or_else(underflow)
    }

    fn mark(&mut self) -> Result<usize> {
        self.marks.pop().filter(|&at| at <= self.stack.len()).ok_or_else(underflow)
    }

    fn tuple(&mut self, from: usize) {
        let values = self.stack.drain(from..).collect();
        let tuple = self.container(values);
        self.stack.push(Value::Tuple(tuple));
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
        ensure!(values.len() % 2 == 0, "corrupt: its pickle sets a key without a value");
        self.containers[*dict].extend(values);
        Ok(())
    }

    fn note(&mut self, at: u32) -> Result<()> {
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
            let empty = self.container(Vec::new());
            self.stack.push(Value::Dict(empty));
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
mod tests {
    use super::*;

    #[track_caller]
    fn check_refused(pickle: &[u8], want: &str) {
        let error = load(pickle).map(|loaded| loaded.value).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
    }

    #[test]
    fn numbers_texts_and_containers_are_read() {
        let loaded = load(b"\x80\x02}q\x00(X\x01\x00\x00\x00aM\xe9\x03X\x01\x00\x00\x00b\x8a\x01\xffu.rest").unwrap();
        let Value::Dict(pairs) = loaded.value else { panic!("{loaded:?}") };
        let pairs: Vec<_> = loaded.pairs(pairs).collect();
        let [a, b] = ["a", "b"].map(|text| Value::Text(text.into()));
        assert_eq!(pairs, [(&a, &Value::Int(1001)), (&b, &Value::Int(-1))]);
        assert_eq!(loaded.len, 26);
        let items = |pickle: &[u8]| {
            let loaded = load(pickle).unwrap();
            let Value::List(list) = loaded.value else { panic!("{loaded:?}") };
            loaded.items(list).to_vec()
        };
        assert_eq!(items(b"\x80\x02]q\x00(K\x01K\x02e."), [1, 2].map(Value::Int));
        // Protocol 4: a frame, notes without a number, a text of one byte's length.
        let framed = b"\x80\x04\x95\x09\0\0\0\0\0\0\0]\x94(K\x01\x8c\x01a\x94e.";
        assert_eq!(items(framed), [Value::Int(1), a]);
        // A list that is filled after it was noted, and recalled: both are the same list.
        let twice = load(b"\x80\x02]q\x00(]q\x01K\x07ah\x01e.").unwrap();
        let Value::List(outer) = twice.value else { panic!("{twice:?}") };
        let [Value::List(a), Value::List(b)] = twice.items(outer) else { panic!("{twice:?}") };
        assert!(a == b && twice.items(*a) == [Value::Int(7)]);
    }

    #[test]
    fn code_is_refused_by_its_name() {
        check_refused(b"\x80\x02cposix\nsystem\nq\x00X\x02\x00\x00\x00ls\x85R.", "`posix.system`, which is refused");
        check_refused(b"\x80\x02cbuiltins\neval\n.", "`builtins.eval`");
        check_refused(b"\x80\x02ctorch\nLongStorage\n.", "torch.LongStorage; expected f32");
        check_refused(b"\x80\x04\x8c\x05posix\x94\x8c\x06system\x94\x93.", "`posix.system`, which is refused");
        check_refused(b"\x80\x04\x8c\x05posix\x94K\x01\x93.", "names a class by no text");
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
        check_refused(b"\x80\x04\x95", "truncated");
        check_refused(b"\x80\x06.", "protocol 6, and 5 is the last");
        check_refused(b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xff.", "truncated");
        check_refused(&[b')'; 60_000], "more than 50000 operations");
        check_refused(b"NNb", "gives attributes to nothing");
        check_refused(b"}K\x01u.", "takes more than it has");
        check_refused(b"}(K\x01u.", "a key without a value");
        check_refused(b"o", "operation `o`");
        // As deep as can be: what is never walked costs nothing.
        assert!(load(&[&b")"[..], &[0x85; 49_000], b"."].concat()).is_ok());
    }
}
