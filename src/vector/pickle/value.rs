//! What a pickle of tensors holds.

use std::rc::Rc;

/// The numbers of a storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::vector) enum Element {
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
pub(in crate::vector) struct Storage {
    pub element: Element,
    pub key: String,
    /// How many numbers.
    pub len: usize,
}

/// Where a tensor's numbers are within its storage; all counts are in numbers, not bytes.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::vector) struct View {
    pub storage: Rc<Storage>,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

/// A container of a [`Loaded`] pickle, by its number. Python's containers are shared and may be filled after they were noted, and
/// a pickle may nest them deeply or in a circle. So they lie in one list, and a walk through them must limit its steps.
pub(in crate::vector) type Id = usize;

/// A pickle's value and its containers.
#[derive(Debug)]
pub(in crate::vector) struct Loaded {
    pub value: Value,
    /// Items; of a dictionary, keys and values by turns.
    pub(super) containers: Vec<Vec<Value>>,
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
pub(in crate::vector) enum Value {
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
