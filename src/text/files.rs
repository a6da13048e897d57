//! The texts that lie beside a model's weights: tokenizer, template, generation defaults.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::record::{is_lfs_pointer, lfs_pointer, read_whole, without_mark};
use crate::{At, Result};

/// What a model folder's text files hold; a GGUF file gives the same ([`super::gguf`]).
#[derive(Debug)]
pub(super) struct TextFiles {
    /// The model: its folder or file, which errors name.
    pub model: PathBuf,
    /// The bytes of `tokenizer.json`.
    pub tokenizer: Vec<u8>,
    /// `tokenizer_config.json`, or null.
    pub tokenizer_config: Value,
    /// `chat_template.jinja`, if it is there.
    pub template: Option<String>,
    /// `generation_config.json`, or null.
    pub generation: Value,
    /// `config.json`, or null; of a GGUF file only `vocab_size`.
    pub config: Value,
}

impl TextFiles {
    /// Reads a model folder's.
    pub fn of_folder(dir: &Path) -> Result<Self> {
        let path = dir.join("tokenizer.json");
        let tokenizer = read_whole(&path).at(&path).map_err(|e| {
            e.hint("a model folder holds `tokenizer.json`; older ones with only `vocab.json` are converted by loading and saving them in transformers")
        })?;
        if is_lfs_pointer(&tokenizer) {
            return Err(lfs_pointer(&path));
        }
        Ok(Self { tokenizer: without_mark(&tokenizer).to_vec(), ..Self::texts_of_folder(dir)? })
    }

    /// The same without `tokenizer.json`, for what does not need it.
    pub fn texts_of_folder(dir: &Path) -> Result<Self> {
        let own = dir.join("chat_template.jinja");
        let template =
            || String::from_utf8(without_mark(&read_whole(&own).at(&own)?).to_vec()).doing("not UTF-8").at(&own);
        let template = own.exists().then(template).transpose()?;
        let json = |name: &str| json_or_null(&dir.join(name));
        Ok(Self {
            tokenizer: Vec::new(),
            tokenizer_config: json("tokenizer_config.json")?,
            template,
            generation: json("generation_config.json")?,
            config: json("config.json")?,
            model: dir.to_owned(),
        })
    }

    /// Where a text stands, for errors: the file of that name, or the GGUF file that holds all.
    pub fn place(&self, name: &str) -> PathBuf {
        if self.model.is_file() { self.model.clone() } else { self.model.join(name) }
    }
}

/// A JSON file, or null if it does not exist.
pub(super) fn json_or_null(path: &Path) -> Result<Value> {
    match read_whole(path) {
        Ok(bytes) => serde_json::from_slice(without_mark(&bytes)).at(path),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Value::Null),
        Err(e) => Err(e).at(path),
    }
}
