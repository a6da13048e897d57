//! The batched engine: many prompts through one model, tokens in, tokens out.
//!
//! ```text
//! queue: prompts by length, longest first, equal prompts together
//! while anything is left:
//!     if a quarter of the places is free: prefill the next prompts, once each; copy each to its rollouts
//!     one token for every row: decode, one read-back, pick, retire what has ended
//! ```
//!
//! A row's result depends on its own tokens, coefficient and random key, never on its neighbours, its place or the size of
//! the batch (beyond the rounding of a matrix product whose shape differs). The engine knows no text; [`TextGenerator`] adds the tokenizer.

mod budget;
mod capture;
mod choice;
mod engine;
mod likelihood;
mod pick;
mod prefix;
mod prompt;
mod reading;
pub mod sampling;
mod scheduler;
mod sequence;
mod text_generator;

pub use budget::{Budget, MemoryLimit};
pub use engine::{Engine, Job, OnEvent, Reply, Vocabulary};
pub use text_generator::TextGenerator;

#[cfg(all(test, feature = "cpu"))]
mod tests;
