//! The architectures that are computed, by their names in `config.json` and GGUF, and what one has of itself.

use serde_json::{Map, Value};

use super::keys::given;
use crate::{Error, Result};

/// A family of models. All have the same blocks; what differs stands in [`super::ModelConfig`] as data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// Llama 2 and 3, SmolLM2 and others of their form: no biases unless asked for.
    Llama,
    /// Qwen2 and Qwen2.5: biases of queries, keys and values.
    Qwen2,
    /// Qwen3's dense models: norms of each head's queries and keys, no biases unless asked for.
    Qwen3,
}

impl Architecture {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Llama, Self::Qwen2, Self::Qwen3];

    /// `model_type` of `config.json`, and `general.architecture` of a GGUF file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
        }
    }

    /// The class in `architectures` of `config.json`.
    pub fn class(self) -> &'static str {
        match self {
            Self::Llama => "LlamaForCausalLM",
            Self::Qwen2 => "Qwen2ForCausalLM",
            Self::Qwen3 => "Qwen3ForCausalLM",
        }
    }

    /// The architecture of that `model_type`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|architecture| architecture.name() == name)
    }

    /// Whether GGUF files hold each head's rows of the query and key projections in another order: pairs of channels that
    /// RoPE turns together lie side by side there (`permute` in llama.cpp's `convert_hf_to_gguf.py`).
    pub fn interleaved_in_gguf(self) -> bool {
        self == Self::Llama
    }

    /// The base of the rotary frequencies where a configuration gives none, as in transformers.
    pub(super) fn rope_theta(self) -> f64 {
        10_000.0
    }

    /// What a `config.json` says of itself, by `model_type` or else by `architectures`.
    ///
    /// # Errors
    /// An architecture that is not computed, by its name.
    pub(super) fn of(config: &Map<String, Value>) -> Result<Self> {
        let known = Self::ALL.map(|known| format!("`{}`", known.name())).join(", ");
        let hint =
            "use a chat model such as Qwen/Qwen2.5-7B-Instruct, Qwen/Qwen3-8B or meta-llama/Llama-3.1-8B-Instruct";
        if let Some(name) = given(config, "model_type").and_then(Value::as_str) {
            return Self::named(name).ok_or_else(|| {
                let what = match name {
                    "qwen2_moe" | "qwen3_moe" | "mixtral" => " (a mixture of experts)",
                    _ => "",
                };
                Error::new(format!("`model_type` is `{name}`{what}, and Trimtab knows {known}")).hint(hint)
            });
        }
        let classes: Vec<&str> = given(config, "architectures")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let of_class = |class: &&str| Self::ALL.into_iter().find(|known| known.class() == *class);
        match (classes.iter().find_map(of_class), classes.first()) {
            (Some(found), _) => Ok(found),
            (None, Some(class)) => Err(Error::new(format!(
                "`model_type` is missing, and `architectures` names `{class}`; Trimtab knows {known}"
            ))
            .hint(hint)),
            (None, None) => Err(Error::new(format!("`model_type` is missing; Trimtab knows {known}"))),
        }
    }
}
