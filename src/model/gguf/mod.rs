//! A model in a GGUF file: its configuration in the words of `config.json`, its tensors under the names of Hugging Face's
//! checkpoints. Everything else sees no difference to a model folder.

mod config;
mod names;
mod rope;
mod weights;

pub(super) use config::config_json;
pub(super) use names::gguf_name;
pub(super) use weights::{GgufWeights, interleaved};
