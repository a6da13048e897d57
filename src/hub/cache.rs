//! The cache's layout, as `huggingface_hub` has it:
//!
//! ```text
//! models--OWNER--NAME/
//!     blobs/ETAG                 a file's bytes, named by its git or SHA-256 hash; ETAG.incomplete while they come in
//!     snapshots/COMMIT/FILE      a link to its blob
//!     refs/REVISION              the commit at which a branch or tag stood
//!     .no_exist/COMMIT/FILE      empty: the repository has no such file
//! .locks/models--OWNER--NAME/ETAG.lock
//! ```

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::name::Name;
use crate::record::{create_folder, write_atomic};
use crate::{At, Error, Result, ensure};

/// Files that are read besides the weights, and whether a model is of use without them.
pub const TEXT_FILES: [(&str, bool); 5] = [
    ("config.json", true),
    ("tokenizer.json", true),
    ("tokenizer_config.json", false),
    ("chat_template.jinja", false),
    ("generation_config.json", false),
];

/// All weights in one file; taken where a repository has it.
pub const SINGLE: &str = "model.safetensors";

/// The names of the shards; read where the weights are in several files.
pub const INDEX: &str = "model.safetensors.index.json";

/// One repository's part of the cache.
#[derive(Debug, Clone)]
pub struct Repo {
    folder: PathBuf,
    locks: PathBuf,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Lacks {
    /// Without these the model is of no use.
    pub needed: Vec<String>,
    /// It is not known whether the repository has these.
    pub unknown: Vec<String>,
}

/// Whether a revision is a commit by its full hash.
pub fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The snapshot that someone means who names a repository's folder of the cache: that of its branch `main`, or the only one;
/// where there are several, their folder. Nothing for any other folder.
pub fn snapshot_within(folder: &Path) -> Option<PathBuf> {
    let snapshots = folder.join("snapshots");
    let mut there = fs::read_dir(&snapshots).ok()?.flatten().map(|entry| entry.path());
    let main = fs::read_to_string(folder.join("refs/main")).ok().map(|commit| snapshots.join(commit.trim()));
    let only = there.next().filter(|_| there.next().is_none());
    Some(main.filter(|main| main.is_dir()).or(only).unwrap_or(snapshots))
}

/// Whether a path is a link to nothing: a snapshot that was copied without its blobs holds such.
pub fn is_dangling(path: &Path) -> bool {
    path.is_symlink() && !path.exists()
}

impl Repo {
    pub fn new(cache: &Path, repo: &str) -> Self {
        let name = format!("models--{}", repo.replace('/', "--"));
        Self { folder: cache.join(&name), locks: cache.join(".locks").join(name) }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The commit that a revision stands for, as far as this machine knows.
    pub fn commit(&self, revision: &str) -> Option<String> {
        if is_commit(revision) {
            return Some(revision.to_owned());
        }
        let commit = fs::read_to_string(self.folder.join("refs").join(revision)).ok()?;
        Some(commit.trim().to_owned()).filter(|commit| is_commit(commit))
    }

    /// The branches and tags, and the commits, that this machine knows.
    pub fn revisions(&self) -> Vec<String> {
        let names = |folder: &str| {
            let entries = fs::read_dir(self.folder.join(folder)).into_iter().flatten().flatten();
            let mut names: Vec<String> =
                entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
            names.sort();
            names
        };
        [names("refs"), names("snapshots")].concat()
    }

    pub fn snapshot(&self, commit: &str) -> PathBuf {
        self.folder.join("snapshots").join(commit)
    }

    /// Where a file's bytes are.
    pub fn blob(&self, etag: &str) -> PathBuf {
        self.folder.join("blobs").join(etag)
    }

    /// What a commit's folder lacks of the files that we read.
    pub fn lacks(&self, commit: &str, name: &Name) -> Result<Lacks> {
        let folder = self.snapshot(commit);
        let absent = |file: &str| !folder.join(file).exists();
        let mut lacks = Lacks::default();
        if name.file.is_some() {
            lacks.needed.extend(name.gguf_files().into_iter().filter(|file| absent(file)));
            return Ok(lacks);
        }
        for (file, needed) in TEXT_FILES {
            match absent(file) {
                true if needed => lacks.needed.push(file.to_owned()),
                true if !self.is_marked_absent(commit, file) => lacks.unknown.push(file.to_owned()),
                _ => {}
            }
        }
        if absent(SINGLE) {
            if absent(INDEX) {
                lacks.needed.push(format!("{SINGLE} (or {INDEX})"));
            } else {
                lacks.needed.extend(shards(&folder.join(INDEX))?.into_iter().filter(|shard| absent(shard)));
            }
        }
        Ok(lacks)
    }

    fn is_marked_absent(&self, commit: &str, file: &str) -> bool {
        self.folder.join(".no_exist").join(commit).join(file).exists()
    }

    pub fn mark_absent(&self, commit: &str, file: &str) -> Result<()> {
        let folder = self.folder.join(".no_exist").join(commit);
        create_folder(&folder)?;
        write_atomic(&folder.join(file), b"")
    }

    /// Notes at which commit a branch or tag stands.
    pub fn set_commit(&self, revision: &str, commit: &str) -> Result<()> {
        if is_commit(revision) {
            return Ok(());
        }
        let path = self.folder.join("refs").join(revision);
        create_folder(path.parent().expect("below refs"))?;
        write_atomic(&path, commit.as_bytes())
    }

    /// Makes a blob that is complete a file of the commit.
    pub fn link(&self, commit: &str, file: &str, etag: &str) -> Result<()> {
        let place = self.snapshot(commit).join(file);
        create_folder(place.parent().expect("below snapshots"))?;
        if place.exists() {
            return Ok(());
        }
        // A link that leads nowhere is one whose blob was deleted.
        let _ = fs::remove_file(&place);
        #[cfg(unix)]
        let linked = std::os::unix::fs::symlink(Path::new("../../blobs").join(etag), &place);
        // Symbolic links need a privilege on Windows; Python puts files there as well.
        #[cfg(not(unix))]
        let linked = fs::hard_link(self.blob(etag), &place).or_else(|_| fs::copy(self.blob(etag), &place).map(drop));
        linked.at(&place)
    }

    /// The file whose lock says who may write a blob; the same that Python locks.
    pub fn lock(&self, etag: &str) -> Result<File> {
        create_folder(&self.locks)?;
        let path = self.locks.join(format!("{etag}.lock"));
        File::options().create(true).append(true).open(&path).at(&path)
    }
}

/// The files that an index of shards names, sorted.
///
/// # Errors
/// An index that is none, or that names anything but files beside itself.
pub fn shards(index: &Path) -> Result<Vec<String>> {
    let value: Value = serde_json::from_slice(&fs::read(index).at(index)?).at(index)?;
    let map = value["weight_map"].as_object().ok_or_else(|| Error::new("no `weight_map`").at(index.display()))?;
    let mut files = Vec::new();
    for file in map.values() {
        let file = file.as_str().filter(|file| Path::new(file).file_name().is_some_and(|name| name == *file));
        files.push(file.ok_or_else(|| Error::new("`weight_map` names no files").at(index.display()))?.to_owned());
    }
    files.sort();
    files.dedup();
    ensure!(!files.is_empty(), "{}: `weight_map` is empty", index.display());
    Ok(files)
}
