//! From what `--model` says to a folder: the one place that knows which names stand for something else.

use std::path::{Path, PathBuf};

use super::Context;
use crate::model::files::Shards;
use crate::{At, Error, Result};

/// The name that means the model inside this program.
pub const HARBOR: &str = "harbor";

/// A model's folder, and what it is called in files.
#[derive(Debug, Clone)]
pub struct ModelFolder {
    /// Where it is.
    pub path: PathBuf,
    /// Its name: the folder's own.
    pub name: String,
}

impl ModelFolder {
    /// Finds the model: `harbor`, or a folder in Hugging Face's layout.
    ///
    /// # Errors
    /// If there is no such folder, or no `config.json` in it.
    pub fn find(model: &Path, context: &Context<'_>) -> Result<Self> {
        if model == Path::new(HARBOR) && !model.is_dir() {
            return Ok(Self { path: harbor(context)?, name: HARBOR.into() });
        }
        if !model.is_dir() {
            let what = format!("--model {}: no such folder", model.display());
            return Err(Error::usage(what).hint(
                "download it first, say with `hf download Qwen/Qwen2.5-0.5B-Instruct --local-dir DIR`, or try `--model harbor`",
            ));
        }
        if !model.join("config.json").is_file() {
            return Err(Error::usage(format!("--model {}: the folder holds no `config.json`", model.display()))
                .hint("a model folder holds config.json, tokenizer.json and *.safetensors"));
        }
        // `.` has no name of its own.
        let whole = model.canonicalize().at(model)?;
        let name = whole.file_name().map_or_else(|| "model".into(), |name| name.to_string_lossy().into_owned());
        Ok(Self { path: model.to_owned(), name })
    }

    /// The hash by which the model is known again.
    ///
    /// # Errors
    /// If its weights cannot be opened.
    pub fn fingerprint(&self) -> Result<String> {
        Shards::open(&self.path)?.fingerprint()
    }
}

/// The folder where the embedded model lies unpacked.
fn harbor(context: &Context<'_>) -> Result<PathBuf> {
    let cache = context.cache.as_deref().ok_or_else(|| {
        Error::new("there is no folder to unpack the embedded model into")
            .hint("set TRIMTAB_CACHE to a folder of yours")
    })?;
    crate::harbor::unpack(cache)
}
