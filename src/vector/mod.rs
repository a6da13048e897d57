//! Persona vectors: one direction per layer of the residual stream, and the files that keep them.
//!
//! The one convention of this program: **layer L, counted from 1, is the output of block L - 1**, which is row L of a vector
//! `[layers + 1, hidden]`. Row 0 is the embedding. The last row is the block's raw output, before the final norm. Files of
//! other programs are translated when they are read ([`formats`]).

mod by_layer;
mod convert;
mod file;
pub mod formats;
mod gguf;
mod layers;
pub mod math;
mod persona_vector;
mod pickle;
mod pt;
mod reading;
mod zip;

pub use file::{LAYER_CONVENTION, Position, VectorFile, key};
pub use layers::{Layers, layers_in_words};
pub use persona_vector::{IncBase, Layer, PersonaVector};
