//! `model show`: what a model folder or GGUF file is, and everything about it that would be refused.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;

use super::super::{Context, Outcome};
use super::ModelFolder;
use crate::model::{Checkpoint, ModelConfig};
use crate::text::{Message, Tokenizer};
use crate::{Error, Result};

/// Look at a model without loading it
#[derive(Debug, Subcommand)]
pub enum ModelVerb {
    /// Show what a model folder or GGUF file is, and what would be refused
    ///
    /// Architecture, sizes, parameters, dtypes, tokenizer and the chat template rendered once. Everything that would be refused is
    /// listed with its reason, not only the first; then the exit code is 1.
    #[command(after_help = "Example:\n  trimtab model show SmolLM2-135M-Instruct.Q4_1.gguf")]
    Show {
        /// The model: a folder in Hugging Face's layout, a GGUF file, a hub name, or `harbor`
        #[arg(value_name = "MODEL")]
        model: PathBuf,
    },
}

pub fn run(verb: &ModelVerb, context: &Context<'_>) -> Result<Outcome> {
    let ModelVerb::Show { model } = verb;
    let folder = ModelFolder::find(model, context)?;
    let seen = Seen::of(&folder.path);
    let outcome = Outcome::new(seen.text(&folder), seen.json(&folder));
    Ok(match seen.refused.len() {
        0 => outcome,
        n => outcome.but(Error::new(format!("{}: {n} reasons not to load it, listed above", folder.path.display()))),
    })
}

/// What could be read of a model, and what could not.
#[derive(Default)]
struct Seen {
    config: Option<ModelConfig>,
    /// Tensors and values by their type.
    dtypes: BTreeMap<String, (usize, usize)>,
    tokenizer: Option<Tokenizer>,
    rendered: Option<String>,
    refused: Vec<Error>,
}

impl Seen {
    fn of(model: &Path) -> Self {
        let mut seen = Self::default();
        match ModelConfig::read_json(model) {
            Ok((json, path)) => {
                let refused = ModelConfig::refusals(&json);
                seen.refused.extend(refused.into_iter().map(|e| e.at(path.display())));
                seen.config = ModelConfig::from_json(&json).ok();
            }
            Err(e) => seen.refused.push(e),
        }
        if let Some(checkpoint) = seen.kept(Checkpoint::open(model)) {
            for tensor in seen.kept(checkpoint.list()).unwrap_or_default() {
                let (tensors, values) = seen.dtypes.entry(tensor.dtype).or_default();
                *tensors += 1;
                *values += tensor.values;
            }
            if let Some(config) = seen.config.take() {
                seen.config = seen.kept(checkpoint.settled(config));
            }
            if let Some(config) = &seen.config {
                seen.refused.extend(checkpoint.verify(config).err());
            }
        }
        seen.tokenizer = seen.kept(Tokenizer::load(model));
        let chat = [Message::user("Hello!")];
        let rendered = seen.tokenizer.as_ref().map(|tokenizer| tokenizer.chat_text(&chat, true));
        seen.rendered = rendered.and_then(|text| seen.kept(text));
        seen
    }

    /// A value, or its refusal among the others.
    fn kept<T>(&mut self, read: Result<T>) -> Option<T> {
        read.map_err(|e| self.refused.push(e)).ok()
    }

    fn parameters(&self) -> usize {
        self.dtypes.values().map(|(_, values)| values).sum()
    }

    fn ends(&self) -> Vec<(u32, String)> {
        let of = |tokenizer: &Tokenizer| {
            let text = |id: &u32| (*id, String::from_utf8_lossy(&tokenizer.token_bytes(*id)).into_owned());
            tokenizer.eos_ids().iter().map(text).collect()
        };
        self.tokenizer.as_ref().map(of).unwrap_or_default()
    }

    fn text(&self, folder: &ModelFolder) -> String {
        let kind = if folder.path.is_file() { "a GGUF file" } else { "a folder in Hugging Face's layout" };
        let mut lines = vec![format!("{}: {kind}", folder.called())];
        if let Some(c) = &self.config {
            lines.push(format!(
                "architecture  {}: {} blocks, width {}, {} query and {} key-value heads of {} channels, MLP {}, {} head",
                c.architecture.name(),
                c.num_hidden_layers,
                c.hidden_size,
                c.num_attention_heads,
                c.num_key_value_heads,
                c.head_dim,
                c.intermediate_size,
                if c.tie_word_embeddings { "tied" } else { "its own" },
            ));
            let scaling = c
                .rope
                .scaling
                .map_or(String::new(), |s| format!(", llama3 scaling by {} from {} positions", s.factor, s.original));
            lines.push(format!("positions     {}, RoPE base {}{scaling}", c.max_position_embeddings, c.rope.theta));
        }
        if !self.dtypes.is_empty() {
            let dtypes = self.dtypes.iter().map(|(dtype, (tensors, values))| {
                format!("{dtype} ({tensors} tensors, {:.1} %)", 100.0 * *values as f64 / self.parameters() as f64)
            });
            lines.push(format!("parameters    {}", self.parameters()));
            lines.push(format!("dtypes        {}", dtypes.collect::<Vec<_>>().join(", ")));
        }
        if let Some(tokenizer) = &self.tokenizer {
            let ends: Vec<String> = self.ends().into_iter().map(|(id, text)| format!("{text} ({id})")).collect();
            let rows = self.config.as_ref().map_or(0, |c| c.vocab_size);
            lines.push(format!(
                "tokenizer     {} ids for {rows} rows of the embedding; an answer ends with {}",
                tokenizer.len(),
                ends.join(", ")
            ));
        }
        if let Some(rendered) = &self.rendered {
            lines.push("template      `Hello!` becomes".to_owned());
            lines.extend(rendered.lines().map(|line| format!("    {line}")));
        }
        for e in &self.refused {
            lines.push(format!("refused       {e}"));
            lines.extend(e.help().map(|help| format!("              {help}")));
        }
        if self.refused.is_empty() {
            lines.push("refused       nothing: it can be loaded".to_owned());
        }
        lines.join("\n")
    }

    fn json(&self, folder: &ModelFolder) -> serde_json::Value {
        let dtypes = self
            .dtypes
            .iter()
            .map(|(dtype, (tensors, values))| (dtype.clone(), json!({ "tensors": tensors, "values": values })));
        json!({
            "model": folder.called(),
            "path": folder.path,
            "form": if folder.path.is_file() { "gguf" } else { "folder" },
            "config": self.config.as_ref().map(|config| config.to_json("auto")),
            "parameters": self.parameters(),
            "dtypes": dtypes.collect::<serde_json::Map<_, _>>(),
            "tokenizer": self.tokenizer.as_ref().map(|tokenizer| json!({
                "ids": tokenizer.len(), "fingerprint": tokenizer.fingerprint(),
                "ends": self.ends().into_iter().map(|(id, text)| json!({ "id": id, "text": text })).collect::<Vec<_>>(),
            })),
            "rendered": self.rendered,
            "refused": self.refused.iter().map(|e| json!({ "what": e.to_string(), "hint": e.help() })).collect::<Vec<_>>(),
        })
    }
}
