//! Hashes of what the stages of a study point at.

use std::path::Path;

use crate::record::{Hash, hash_file};

/// Whether a file still is what it was when its hash was taken.
pub(super) fn is_unchanged(path: &Path, hash: &Hash) -> bool {
    hash_file(path).is_ok_and(|now| now == *hash)
}
