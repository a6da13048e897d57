//! The batched engine: many prompts through one model, tokens in, tokens out. One scheduler serves runs, whose prompts are known
//! at the beginning, and a server, to which they come at any time.
//!
//! ```text
//! while anything is left:
//!     admit prompts that wait, if there are places: in a run once a quarter is free, in a server at once
//!     read them but for their last tokens: what several begin with once, what was read before not at all; in a server
//!         piece by piece; copy each to the rows of its rollouts
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
mod prefill;
mod prefix;
mod prefix_cache;
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
