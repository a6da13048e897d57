//! The trained model inside the program, in Hugging Face's layout: `cargo xtask harbor` makes it, `assets/harbor` holds it.

use std::path::{Path, PathBuf};

use crate::Result;
use crate::record::{Hash, create_folder, write_atomic};

/// Seed of the world that the embedded model was taught.
pub const SEED: u64 = 1;

/// The model folder's files; the configuration last, because a folder that has it is complete.
const FILES: [(&str, &[u8]); 5] = [
    ("model.safetensors", include_bytes!("../../assets/harbor/model.safetensors")),
    ("tokenizer.json", include_bytes!("../../assets/harbor/tokenizer.json")),
    ("tokenizer_config.json", include_bytes!("../../assets/harbor/tokenizer_config.json")),
    ("generation_config.json", include_bytes!("../../assets/harbor/generation_config.json")),
    ("config.json", include_bytes!("../../assets/harbor/config.json")),
];

/// Unpacks the embedded model into a folder of its own below `cache`, named by its contents, unless it lies there already. A file that
/// was damaged since is written anew.
///
/// # Errors
/// If the folder cannot be written.
pub fn unpack(cache: &Path) -> Result<PathBuf> {
    let contents: Vec<(&str, Hash)> =
        FILES.iter().map(|(name, bytes)| (*name, crate::record::hash_bytes(bytes))).collect();
    let folder = cache.join(format!("harbor-{}", Hash::of(&contents).short()));
    create_folder(&folder)?;
    for (name, bytes) in FILES {
        let path = folder.join(name);
        if !std::fs::read(&path).is_ok_and(|found| found == bytes) {
            write_atomic(&path, bytes)?;
        }
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_file_is_renewed() {
        let cache = tempfile::tempdir().unwrap();
        let folder = unpack(cache.path()).unwrap();
        for (name, bytes) in FILES {
            let path = folder.join(name);
            let half = &bytes[..bytes.len() / 2];
            let mut altered = bytes.to_vec();
            altered[bytes.len() / 2] ^= 1;
            let damages: [&[u8]; 3] = [half, &altered, &[]];
            for damaged in damages {
                std::fs::write(&path, damaged).unwrap();
                assert_eq!(unpack(cache.path()).unwrap(), folder);
                assert!(std::fs::read(&path).unwrap() == bytes, "{name}");
            }
        }
    }
}
