//! Hashes of what the stages of a study point at.

use std::fs;
use std::path::Path;

use crate::record::{Hash, hash_file};
use crate::{At, Result, ensure};

/// Whether a file still is what it was when its hash was taken.
pub(super) fn is_unchanged(path: &Path, hash: &Hash) -> bool {
    hash_file(path).is_ok_and(|now| now == *hash)
}

/// The hash of a folder's files, by name and contents; hidden files and subfolders are passed over.
pub(super) fn hash_folder(folder: &Path) -> Result<Hash> {
    let hashes = hash_files(folder, |_| true)?;
    ensure!(!hashes.is_empty(), "{}: an empty folder", folder.display());
    Ok(Hash::of(&hashes))
}

/// Hash of everything that decides what a model says: the fingerprint of its weights, and the files beside them. Hashing every byte
/// of a large model would take a minute.
pub(super) fn model_hash(fingerprint: &str, folder: &Path) -> Result<Hash> {
    let decides = |name: &str| [".json", ".jinja", ".txt"].iter().any(|end| name.ends_with(end));
    Ok(Hash::of(&(fingerprint, hash_files(folder, decides)?)))
}

fn hash_files(folder: &Path, counts: impl Fn(&str) -> bool) -> Result<Vec<(String, Hash)>> {
    let mut hashes = Vec::new();
    for entry in fs::read_dir(folder).at(folder)? {
        let path = entry.at(folder)?.path();
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_file() && !name.starts_with('.') && counts(&name) {
            hashes.push((name, hash_file(&path)?));
        }
    }
    hashes.sort();
    Ok(hashes)
}
