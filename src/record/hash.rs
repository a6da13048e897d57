//! Hashes that identify what went in, and seeds that depend on nothing else.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{At, Error, Result};

/// A BLAKE3 hash in hexadecimal: the identity of a file, of a setting, of everything that went into a stage.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hash(String);

impl Hash {
    /// The hash of a value, by its JSON. Maps must have an order of their own (`BTreeMap`), or the hash has none.
    ///
    /// # Panics
    /// If the value cannot be written as JSON at all (a map whose keys are not strings), which is a bug of ours.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Self {
        hash_bytes(&serde_json::to_vec(value).expect("a hashed value has a JSON form"))
    }

    /// All 64 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 12 digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..self.0.len().min(12)]
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The hash of bytes in memory.
pub fn hash_bytes(bytes: &[u8]) -> Hash {
    Hash(blake3::hash(bytes).to_hex().to_string())
}

/// The hash of a file's contents, read in pieces.
///
/// # Errors
/// If the file cannot be read, or is a device, a pipe or a socket: those have no end, or are read only once.
pub fn hash_file(path: &Path) -> Result<Hash> {
    let mut hasher = blake3::Hasher::new();
    // Asked before it is opened: to open a pipe is to wait for its writer.
    let data = std::fs::metadata(path).at(path)?;
    if !data.is_file() && !data.is_dir() {
        return Err(Error::usage("is a device, a pipe or a socket, not a file").at(path.display()));
    }
    let mut file = File::open(path).at(path)?;
    let mut piece = vec![0; 1 << 16];
    loop {
        match file.read(&mut piece).at(path)? {
            0 => return Ok(Hash(hasher.finalize().to_hex().to_string())),
            n => hasher.update(&piece[..n]),
        };
    }
}

/// The seed of one part of a run: independent of every other part's, of order and of resume.
pub fn seed_of(run_seed: u64, key: &str) -> u64 {
    let mut hasher = blake3::Hasher::new_derive_key("trimtab 2026 seed of a part of a run");
    hasher.update(&run_seed.to_le_bytes()).update(key.as_bytes());
    let bytes = hasher.finalize();
    u64::from_le_bytes(bytes.as_bytes()[..8].try_into().expect("a hash has 32 bytes"))
}
