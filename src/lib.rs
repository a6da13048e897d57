//! Trimtab finds the direction of a character trait inside a chat model and uses it: to steer, to watch, and above all to
//! finetune *without* picking the trait up (preventative steering, Chen et al. 2025, section 5.2).
//!
//! The map, by floors: a module imports only from lower ones, no two files import each other, and the word `burn` appears
//! in six modules alone. A test (`tests/it/house.rs`) holds these rules.
//!
//! | floor | modules | what they know |
//! |---|---|---|
//! | 1 | [`record`] [`stats`] [`config_file`] [`gguf`] [`guide`] [`http`]; [`kernels`] | folders that resume, configurations, numbers with intervals, a container, the guide; fused operations |
//! | 2 | [`text`] [`data_table`] [`tensorfile`] [`hub`] [`report`] [`harbor`] | chats and tokens, files, the model cache, figures; the embedded world |
//! | 3 | [`vector`] | persona vectors and their formats |
//! | 4 | **[`steering`]** | **the equation** |
//! | 5 | [`language_model`]; [`model`] | what may be asked of a model; Llama, Qwen2.5, Qwen3: blocks forward and backward, adapters, weights from folders and GGUF files |
//! | 6 | [`generate`] [`train`]; [`judge`] | the batched engine; the finetuning loop; scores of answers |
//! | 7 | [`persona`]; [`runtime`] | traits, extraction, projection; what is asked of a machine |
//! | 8 | [`eval`] | the three axes: trait expression, coherence, knowledge |
//! | 9 | [`finetune`] | the one finetune job: settings, data, intervention, watch, seeds |
//! | 10 | [`sweep`] `session` | layer selection; a live steering session |
//! | 11 | [`study`] | experiments of many arms |
//! | 12 | [`device`] | settings meet tensors: the only room that names a backend |
//! | 13 | `verbs` | one file per command: arguments, settings, work |
//! | 14 | `web` | the same over HTTP |
//! | 15 | [`cli`] | words, terminal, exit codes |
//!
//! What never happens: no global state, but for the clock of `--profile`; no environment read outside `cli::env`; nothing printed below `cli`; no steering
//! that outlives its plan, since a model is a value and [`model::Transformer::unsteered`] gives another one; no gradient for a
//! frozen weight; no logits where nothing is supervised.
//!
//! A first look: `steering.rs`, then `model/block.rs`, then `train/mod.rs`.

mod error;

pub mod text;
pub mod vector;

pub mod config_file;

pub mod data_table;
pub mod gguf;
pub mod guide;
pub mod http;
pub mod hub;
pub mod record;
pub mod stats;
pub mod tensorfile;

pub mod language_model;
pub mod report;

pub mod kernels;
pub mod steering;

pub mod model;

pub mod generate;
pub mod train;

pub mod harbor;
pub mod judge;

pub mod eval;
pub mod persona;
pub mod runtime;

pub mod finetune;

mod session;
pub mod study;
pub mod sweep;

pub mod device;

mod verbs;

pub mod cli;
mod web;

#[cfg(test)]
mod fakes;

pub use error::{At, Error, Kind, Result};

pub(crate) use error::{guarded, silence_guarded_panics};
