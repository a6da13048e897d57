//! Models from the Hugging Face hub, kept in the very cache that Python's `huggingface_hub` keeps.
//!
//! What the cache holds is used as it is, without a word to the network; what it lacks is fetched, and only the files that
//! we read: configuration, tokenizer, template and safetensors. A branch or tag is looked up once and then stays at its
//! commit; a pinned commit (`Qwen/Qwen2.5-7B-Instruct@COMMIT`) says so in the name.

mod cache;
mod fetch;
mod refusal;

use std::path::PathBuf;

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

/// The hub that everybody means.
pub const ENDPOINT: &str = "https://huggingface.co";

/// Files that are read besides the weights, and whether a model is of use without them.
const TEXT_FILES: [(&str, bool); 5] = [
    ("config.json", true),
    ("tokenizer.json", true),
    ("tokenizer_config.json", false),
    ("chat_template.jinja", false),
    ("generation_config.json", false),
];

/// All weights in one file; taken where a repository has it.
const SINGLE: &str = "model.safetensors";

/// Names the shards otherwise.
const INDEX: &str = "model.safetensors.index.json";

/// A model's name on the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// `owner/name`.
    pub repo: String,
    /// Branch, tag or commit.
    pub revision: String,
}

impl Name {
    /// Reads `owner/name` or `owner/name@revision`; nothing if it cannot be a name, as most paths cannot.
    pub fn parse(text: &str) -> Option<Self> {
        let (repo, revision) = text.split_once('@').unwrap_or((text, "main"));
        let (owner, name) = repo.split_once('/')?;
        let fine = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_alphanumeric())
                && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        };
        // A revision becomes a path below `refs`.
        let climbs = revision.split('/').any(|part| part.is_empty() || part.starts_with('.'));
        let plain = revision.chars().all(|c| c.is_ascii_alphanumeric() || "-_./+".contains(c));
        (fine(owner) && fine(name) && plain && !climbs)
            .then(|| Self { repo: repo.to_owned(), revision: revision.to_owned() })
    }

    /// The repository's own name, without its owner.
    pub fn short(&self) -> &str {
        self.repo.rsplit('/').next().unwrap_or(&self.repo)
    }
}

/// A model at one commit, complete on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Its folder, in Hugging Face's layout.
    pub folder: PathBuf,
    /// The commit, 40 hexadecimal digits.
    pub commit: String,
    /// Whether anything had to be fetched.
    pub fetched: bool,
    /// Files that the repository may have and this machine does not, since the network could not be asked.
    pub unknown: Vec<String>,
}

/// How far a download is, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// On this machine, whatever an earlier run left included.
    pub done: u64,
    /// Of all that had to be fetched.
    pub total: u64,
}

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
            Some(snapshot) => Ok(fetch::fetch(self, name, &repo, tell).unwrap_or(snapshot)),
            None if self.offline => Err(self.out_of_bounds(name, &repo, held.map(|(lacks, _)| lacks.needed))),
            None => fetch::fetch(self, name, &repo, tell),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_paths() {
        let check = |text: &str, want: Option<(&str, &str)>| {
            let found = Name::parse(text);
            let found = found.as_ref().map(|name| (name.repo.as_str(), name.revision.as_str()));
            assert_eq!(found, want, "{text}");
        };
        check("Qwen/Qwen2.5-7B-Instruct", Some(("Qwen/Qwen2.5-7B-Instruct", "main")));
        check("Qwen/Qwen2.5-7B@a09a35458c", Some(("Qwen/Qwen2.5-7B", "a09a35458c")));
        check("me/model_1.5@refs/pr/1", Some(("me/model_1.5", "refs/pr/1")));
        for path in ["harbor", "./qwen", "../qwen/x", "/models/qwen", "a/b/c", "a/", "/b", "~/x", "a b/c", "", "a/.git"]
        {
            check(path, None);
        }
        for revision in ["", "../../x", "a/../b", "/x", "a b", "x?y"] {
            check(&format!("a/b@{revision}"), None);
        }
    }
}
