//! GGUF, the container of llama.cpp's files: what is inside is the business of [`crate::vector`], [`crate::text`] and
//! [`crate::model`].
//!
//! Version 3, little endian: magic, version, counts, metadata by key, descriptions of tensors, then their bytes from an aligned
//! place on. (<https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>) Tensors may be quantised: [`Kind`] names the types,
//! [`dequantise`] gives the numbers that a type's bytes stand for.

mod container;
mod dequantise;
mod kind;
mod parts;
mod value;
mod write;

pub use container::{Container, Description, is_one};
pub use dequantise::dequantise;
pub use kind::Kind;
pub use parts::Parts;
pub(crate) use parts::part_paths;
pub use value::Value;
pub use write::{Tensor, write};
