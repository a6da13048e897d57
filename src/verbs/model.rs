//! From what `--model` says to a folder: the one place that knows which names stand for something else.

use std::path::{Path, PathBuf};

use super::Context;
use crate::hub::{Name, Progress};
use crate::model::files::Shards;
use crate::{At, Error, Result};

/// The name that means the model inside this program.
pub const HARBOR: &str = "harbor";

/// A model's folder, and what it is called in files.
#[derive(Debug, Clone)]
pub struct ModelFolder {
    /// Where it is.
    pub path: PathBuf,
    /// Its name: the folder's own, or the repository's without its owner.
    pub name: String,
    /// Where on the hub it is from, `owner/name@commit`.
    pub origin: Option<String>,
}

impl ModelFolder {
    /// Finds the model: a folder in Hugging Face's layout, `harbor`, or a name on the hub (`owner/name`, `@revision` behind
    /// it if it is to be a certain one), which is taken from Hugging Face's cache or fetched into it.
    ///
    /// # Errors
    /// If there is no such folder, or no `config.json` in it, and as [`crate::hub::Hub::model`].
    pub fn find(model: &Path, context: &Context<'_>) -> Result<Self> {
        if model == Path::new(HARBOR) && !model.is_dir() {
            return Ok(Self { path: harbor(context)?, name: HARBOR.into(), origin: None });
        }
        if !model.is_dir() {
            return match model.to_str().and_then(Name::parse) {
                Some(name) => of_hub(&name, context),
                None => Err(Error::usage(format!("--model {}: no such folder", model.display())).hint(
                    "give a folder in Hugging Face's layout, a name on the hub such as Qwen/Qwen2.5-7B-Instruct, or `harbor`",
                )),
            };
        }
        if !model.join("config.json").is_file() {
            return Err(Error::usage(format!("--model {}: the folder holds no `config.json`", model.display()))
                .hint("a model folder holds config.json, tokenizer.json and *.safetensors"));
        }
        // `.` has no name of its own.
        let whole = model.canonicalize().at(model)?;
        let name = whole.file_name().map_or_else(|| "model".into(), |name| name.to_string_lossy().into_owned());
        Ok(Self { path: model.to_owned(), name, origin: None })
    }

    /// The hash by which the model is known again.
    ///
    /// # Errors
    /// If its weights cannot be opened.
    pub fn fingerprint(&self) -> Result<String> {
        Shards::open(&self.path)?.fingerprint()
    }

    /// What locks call it: where it is from, with the commit, or its name.
    pub fn called(&self) -> &str {
        self.origin.as_deref().unwrap_or(&self.name)
    }

    /// What an adapter calls its base: the repository without the commit, or the folder.
    pub fn base(&self) -> String {
        let repo = self.origin.as_deref().and_then(|origin| origin.split('@').next());
        repo.map_or_else(|| self.path.display().to_string(), str::to_owned)
    }
}

/// A model of the hub, complete on this machine.
fn of_hub(name: &Name, context: &Context<'_>) -> Result<ModelFolder> {
    const MIB: u64 = 1 << 20;
    let mut bar = None;
    let mut tell = |Progress { done, total }: Progress| {
        let bar =
            bar.get_or_insert_with(|| context.console.bar(&format!("{} (MiB)", name.repo), (total / MIB) as usize));
        bar.at((done / MIB) as usize, "");
    };
    let snapshot = context.hub.model(name, &mut tell).map_err(|e| {
        // A path that was mistyped can look like a name.
        e.at(format!("--model {}: no such folder, so it is looked up as a name on the hub", name.repo))
    })?;
    drop(bar);
    let from = if snapshot.fetched { "fetched" } else { "from the cache" };
    let origin = format!("{}@{}", name.repo, snapshot.commit);
    context.console.say(&format!("model: {origin} ({from})"));
    if !snapshot.unknown.is_empty() {
        let files = snapshot.unknown.join(", ");
        context.console.warn(&format!("the cache does not say whether {} has {files}; going on without", name.repo));
    }
    Ok(ModelFolder { path: snapshot.folder, name: name.short().to_owned(), origin: Some(origin) })
}

/// The folder where the embedded model lies unpacked.
fn harbor(context: &Context<'_>) -> Result<PathBuf> {
    let cache = context.cache.as_deref().ok_or_else(|| {
        Error::new("there is no folder to unpack the embedded model into")
            .hint("set TRIMTAB_CACHE to a folder of yours")
    })?;
    crate::harbor::unpack(cache)
}
