//! A value of a file's metadata.

/// A value of the metadata, as far as anything is done with it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A whole number that is not negative; written as i32.
    Whole(usize),
    /// An f32, or an f64 rounded to one.
    Real(f32),
    /// A switch.
    Flag(bool),
    /// A text.
    Text(String),
    /// A list of texts; never written.
    Texts(Vec<String>),
    /// A list of whole numbers; never written.
    Wholes(Vec<i64>),
    /// Anything else that was read; never written.
    Other,
}

impl Value {
    /// GGUF's numbers for these kinds.
    pub(super) const I32: u32 = 5;
    pub(super) const F32: u32 = 6;
    pub(super) const BOOL: u32 = 7;
    pub(super) const TEXT: u32 = 8;
    pub(super) const LIST: u32 = 9;
    pub(super) const F64: u32 = 12;
}
