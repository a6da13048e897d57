//! The hash by which a run knows a model again: of everything that decides what it says.

use std::fs;
use std::path::Path;

use super::files::Shards;
use crate::record::{Hash, hash_file};
use crate::{At, Result};

/// Hash of a model folder: every byte of its weights, and every text file beside them (configuration, tokenizer, template,
/// generation defaults). It takes about as long as reading the files from the disk, which loading them spares afterwards.
///
/// # Errors
/// If the weights cannot be opened or a file cannot be read.
pub fn model_hash(folder: &Path) -> Result<Hash> {
    let weights = Shards::open(folder)?.contents()?;
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
    Ok(Hash::of(&(weights, hashes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_that_decides_an_answer_is_in_the_hash() {
        let dir = tempfile::tempdir().unwrap();
        for entry in fs::read_dir("tests/fixtures/tiny").unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                fs::copy(&path, dir.path().join(path.file_name().unwrap())).unwrap();
            }
        }
        let mut hash = model_hash(dir.path()).unwrap();
        assert_eq!(hash, model_hash(Path::new("tests/fixtures/tiny")).unwrap(), "where it lies decides nothing");
        fs::write(dir.path().join("notes.md"), "of no account").unwrap();
        assert_eq!(hash, model_hash(dir.path()).unwrap());
        // In the middle of a tensor, where the fingerprint does not look.
        let weights = dir.path().join("model.safetensors");
        let mut bytes = fs::read(&weights).unwrap();
        let place = bytes.len() / 3;
        bytes[place] ^= 1;
        fs::write(&weights, bytes).unwrap();
        assert_ne!(hash, model_hash(dir.path()).unwrap());
        hash = model_hash(dir.path()).unwrap();
        for name in ["config.json", "tokenizer.json", "chat_template.jinja", "generation_config.json"] {
            let path = dir.path().join(name);
            let text = fs::read_to_string(&path).unwrap_or_default() + "\n";
            fs::write(path, text).unwrap();
            let now = model_hash(dir.path()).unwrap();
            assert_ne!(now, hash, "{name}");
            hash = now;
        }
    }
}
