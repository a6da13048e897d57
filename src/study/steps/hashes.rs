//! Hashes of what the stages of a study point at.

use std::fs;
use std::path::Path;

use crate::record::{Hash, hash_file};
use crate::{At, Result};

/// Whether a file still is what it was when its hash was taken.
pub(super) fn is_unchanged(path: &Path, hash: &Hash) -> bool {
    hash_file(path).is_ok_and(|now| now == *hash)
}

/// Hash of everything that decides what a model says: the fingerprint of its weights, and the files beside them. Hashing every byte
/// of a large model would take a minute.
pub(super) fn model_hash(fingerprint: &str, folder: &Path) -> Result<Hash> {
    let decides =
        |name: &str| !name.starts_with('.') && [".json", ".jinja", ".txt"].iter().any(|end| name.ends_with(end));
    let mut hashes = Vec::new();
    for entry in fs::read_dir(folder).at(folder)? {
        let path = entry.at(folder)?.path();
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_file() && decides(&name) {
            hashes.push((name, hash_file(&path)?));
        }
    }
    hashes.sort();
    Ok(Hash::of(&(fingerprint, hashes)))
}
