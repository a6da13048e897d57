//! Llama, Qwen2.5 and Qwen3: embedding, blocks, norm, head; read top to bottom as the architecture is drawn. What
//! makes them different is data of the configuration.
//!
//! A model is a value. `with_adapter`, `steered` and `unsteered` give another one that shares the weights, so an evaluation
//! cannot be steered by accident and a study's arms share one base.

mod adapter_config;
mod adapter_folder;
mod architecture;
mod block;
mod cache;
mod checkpoint;
pub mod config;
pub mod export;
pub mod files;
mod gguf;
mod identity;
mod keys;
mod linear;
mod merge;
mod mlx;
mod pass;
pub mod peft;
pub mod rope;
mod shapes;
mod table;
mod transformer;
mod weights;

pub use adapter_folder::{ADAPTER_CONFIG, ADAPTER_WEIGHTS, AdapterFolder, AdapterForm};
pub use architecture::Architecture;
pub use block::{Block, HeadNorms, Kept};
pub use cache::KvCache;
pub use checkpoint::Checkpoint;
pub use config::{AttentionBias, ModelConfig, PROJECTIONS};
pub use identity::model_hash;
pub use linear::{Learning, Linear, Lora, Parameter, flat};
pub use merge::{Merged, merge};
pub use pass::Pass;
pub use shapes::{released, shapes};
pub use table::TokenTable;
pub use transformer::Transformer;
pub use weights::{WeightStorage, drawn};
