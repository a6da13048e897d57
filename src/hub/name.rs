//! A model's name on the hub: `owner/name`, or `owner/name@revision`.

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
