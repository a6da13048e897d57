//! Models from the Hugging Face hub, kept in the very cache that Python's `huggingface_hub` keeps.
//!
//! Files in the cache are used without a request to the network. Missing ones are fetched, and only those that we read:
//! configuration, tokenizer, template and safetensors. A branch or tag is looked up once and then stays at its
//! commit; a pinned commit (`Qwen/Qwen2.5-7B-Instruct@COMMIT`) says so in the name.

mod cache;
mod fetch;
mod name;
mod refusal;

use std::path::PathBuf;

pub use cache::{is_dangling, snapshot_within};
pub use fetch::{Progress, Snapshot};
pub use name::Name;

use cache::Repo;

use crate::{Error, Result};

/// Where the hub is, and where its files are kept.
#[derive(Clone, Default)]
pub struct Hub {
    /// Its address, without a slash at the end.
    pub endpoint: String,
    /// The folder of the cache, if the system has a place for it.
    pub cache: Option<PathBuf>,
    /// The user's token, for private and gated models.
    pub token: Option<String>,
    /// A file with the token, asked for where `token` is absent.
    pub token_file: Option<PathBuf>,
    /// Whether the network is out of bounds.
    pub offline: bool,
}

/// The public hub.
pub const ENDPOINT: &str = "https://huggingface.co";

impl Hub {
    /// The model's folder: from the cache, or fetched into it. A download that was cut short goes on where it was.
    ///
    /// # Errors
    /// Whatever keeps the model from being complete on this machine, each with what to do: no such model or revision, no
    /// permission, no network, the network out of bounds, no safetensors, a full disk.
    pub fn model(&self, name: &Name, tell: &mut dyn FnMut(Progress)) -> Result<Snapshot> {
        let cache = self.cache.as_deref().ok_or_else(|| {
            Error::new("there is no folder to keep models in").hint("set HF_HUB_CACHE to a folder of yours")
        })?;
        let repo = Repo::new(cache, &name.repo);
        let held = match repo.commit(&name.revision).filter(|commit| repo.snapshot(commit).is_dir()) {
            Some(commit) => Some((repo.lacks(&commit)?, commit)),
            None => None,
        };
        let usable = held.as_ref().filter(|(lacks, _)| lacks.needed.is_empty()).map(|(lacks, commit)| Snapshot {
            folder: repo.snapshot(commit),
            commit: commit.clone(),
            fetched: false,
            unknown: lacks.unknown.clone(),
        });
        match usable {
            Some(snapshot) if self.offline || snapshot.unknown.is_empty() => Ok(snapshot),
            // Python may have left files out that we would read: worth a question, but not a failure.
            Some(snapshot) => Ok(self.fetch(name, &repo, tell).unwrap_or(snapshot)),
            None if self.offline => Err(self.out_of_bounds(name, &repo, held.map(|(lacks, _)| lacks.needed))),
            None => self.fetch(name, &repo, tell),
        }
    }

    fn fetch(&self, name: &Name, repo: &Repo, tell: &mut dyn FnMut(Progress)) -> Result<Snapshot> {
        let of_file = || std::fs::read_to_string(self.token_file.as_deref()?).ok();
        let token = self.token.clone().or_else(of_file).map(|token| token.trim().to_owned());
        fetch::fetch(&self.endpoint, token.filter(|token| !token.is_empty()), name, repo, tell)
    }

    /// What the cache lacks, where nothing may be fetched.
    fn out_of_bounds(&self, name: &Name, repo: &Repo, lacks: Option<Vec<String>>) -> Error {
        let Name { repo: called, revision } = name;
        let what = match lacks {
            Some(files) => format!("{called} at `{revision}` is incomplete in the cache: {} missing", files.join(", ")),
            None => format!("{called} at `{revision}` is not in the cache"),
        };
        let held = repo.revisions();
        let held = if held.is_empty() { String::new() } else { format!("; the cache knows {}", held.join(", ")) };
        Error::new(format!("{what} ({}), and the network is out of bounds", repo.folder().display())).hint(format!(
            "leave --offline out and HF_HUB_OFFLINE unset, or run `hf download {called}` where there is a network and \
             copy the cache{held}"
        ))
    }
}
