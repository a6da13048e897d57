//! A model's name on the hub: `owner/name`, `owner/name@revision`, and either with `:FILE.gguf` behind it.

use std::path::Path;

use crate::gguf::part_paths;

/// A model's name on the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// `owner/name`.
    pub repo: String,
    /// Branch, tag or commit.
    pub revision: String,
    /// The GGUF file, where the model is one; its path within the repository.
    pub file: Option<String>,
}

impl Name {
    /// Reads `owner/name` or `owner/name@revision`, with `:FILE.gguf` behind it or not; nothing if it cannot be a name, as most
    /// paths cannot.
    pub fn parse(text: &str) -> Option<Self> {
        let (text, file) = text.split_once(':').map_or((text, None), |(name, file)| (name, Some(file)));
        let (repo, revision) = text.split_once('@').unwrap_or((text, "main"));
        let (owner, name) = repo.split_once('/')?;
        let fine = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_alphanumeric())
                && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        };
        // A revision becomes a path below `refs`.
        let climbs = |path: &str| path.split('/').any(|part| part.is_empty() || part.starts_with('.'));
        let plain = revision.chars().all(|c| c.is_ascii_alphanumeric() || "-_./+".contains(c));
        let gguf = |file: &str| file.ends_with(".gguf") && !climbs(file) && !file.contains(['\\', ':', '?', '#']);
        (fine(owner) && fine(name) && plain && !climbs(revision) && file.is_none_or(gguf)).then(|| Self {
            repo: repo.to_owned(),
            revision: revision.to_owned(),
            file: file.map(str::to_owned),
        })
    }

    /// The repository's own name, without its owner; of a GGUF file the file's.
    pub fn short(&self) -> &str {
        let whole = self.file.as_deref().map_or(self.repo.as_str(), |file| file.trim_end_matches(".gguf"));
        whole.rsplit('/').next().unwrap_or(whole)
    }

    /// The GGUF files, several where it is split into parts; none of a model folder.
    pub fn gguf_files(&self) -> Vec<String> {
        let parts = self.file.iter().flat_map(|file| part_paths(Path::new(file)));
        parts.map(|path| path.to_string_lossy().into_owned()).collect()
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
        let gguf = Name::parse("me/x-GGUF@v1:q4/x-00001-of-00002.gguf").unwrap();
        assert_eq!((gguf.repo.as_str(), gguf.revision.as_str(), gguf.short()), ("me/x-GGUF", "v1", "x-00001-of-00002"));
        assert_eq!(gguf.gguf_files(), ["q4/x-00001-of-00002.gguf", "q4/x-00002-of-00002.gguf"]);
        for file in ["", "x.bin", "../x.gguf", "/x.gguf", "a/../x.gguf"] {
            check(&format!("a/b:{file}"), None);
        }
        for revision in ["", "../../x", "a/../b", "/x", "a b", "x?y"] {
            check(&format!("a/b@{revision}"), None);
        }
    }
}
