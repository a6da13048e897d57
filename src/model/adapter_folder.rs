//! Where a LoRA adapter lies, and the hash by which a run knows it again.

use std::path::{Path, PathBuf};

use crate::record::{Hash, hash_file};
use crate::{At, Error, Result};

/// PEFT's name for the file with rank, strength and targets.
pub const ADAPTER_CONFIG: &str = "adapter_config.json";
/// PEFT's name for the file with the matrices.
pub const ADAPTER_WEIGHTS: &str = "adapter_model.safetensors";

/// mlx-lm's name for the same.
const MLX_WEIGHTS: &str = "adapters.safetensors";

/// The folder of a PEFT adapter: it holds `adapter_config.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdapterFolder(PathBuf);

impl AdapterFolder {
    /// Finds the adapter that a path leads to: the path itself, the `adapter` of a run of `trimtab train`, or the only
    /// `checkpoint-N` that a trainer left there.
    ///
    /// # Errors
    /// No such folder, no adapter in it, or several checkpoints; the error names them.
    pub fn find(path: &Path) -> Result<Self> {
        let holds = |dir: &Path| dir.join(ADAPTER_CONFIG).exists();
        for dir in [path.to_owned(), path.join("adapter")] {
            if holds(&dir) {
                return Self::of_peft(dir);
            }
        }
        if !path.is_dir() {
            return Err(Error::usage(format!("{}: no such folder", path.display()))
                .hint("give the folder of a PEFT LoRA adapter, of a run of `trimtab train`, or of a checkpoint"));
        }
        let mut checkpoints = checkpoints(path)?;
        checkpoints.retain(|(_, dir)| holds(dir));
        match &checkpoints[..] {
            [] => Err(Error::new(format!(
                "{}: no `{ADAPTER_CONFIG}` here, in `adapter` or in any `checkpoint-N`",
                path.display()
            ))
            .hint("give the folder of a PEFT LoRA adapter; a run of `trimtab train` has one when it is finished")),
            [(_, only)] => Self::of_peft(only.clone()),
            several => {
                let names: Vec<String> = several.iter().map(|(number, _)| format!("checkpoint-{number}")).collect();
                let what = format!("{}: holds {} checkpoints: {}", path.display(), names.len(), names.join(", "));
                let last = &several[several.len() - 1].1;
                Err(Error::usage(what).hint(format!("name one of them, such as {}", last.display())))
            }
        }
    }

    /// The folder, unless it is mlx-lm's, whose configuration has the same name as PEFT's.
    fn of_peft(dir: PathBuf) -> Result<Self> {
        if dir.join(MLX_WEIGHTS).exists() && !dir.join(ADAPTER_WEIGHTS).exists() {
            return Err(Error::new(format!(
                "{}: an adapter of mlx-lm (`{MLX_WEIGHTS}`), and only PEFT's are read",
                dir.display()
            ))
            .hint("write it in PEFT's form: transpose each `lora_a` to `base_model.model.NAME.lora_A.weight` and each `lora_b` to `….lora_B.weight`, with `r` = mlx-lm's `rank` and `lora_alpha` = its `scale` times `rank`"));
        }
        Ok(Self(dir))
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The identity of what the adapter computes: its matrices, and the configuration that scales and places them.
    ///
    /// # Errors
    /// If one of the two files cannot be read.
    pub fn hash(&self) -> Result<Hash> {
        let hashes: Vec<Hash> = [ADAPTER_CONFIG, ADAPTER_WEIGHTS]
            .iter()
            .map(|name| hash_file(&self.0.join(name)))
            .collect::<Result<_>>()?;
        Ok(Hash::of(&hashes))
    }
}

/// The folders `checkpoint-N` in a folder, by N.
fn checkpoints(path: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let numbered = |entry: std::fs::DirEntry| {
        let number = entry.file_name().to_str()?.strip_prefix("checkpoint-")?.parse().ok()?;
        Some((number, entry.path()))
    };
    let entries = std::fs::read_dir(path).at(path)?.filter_map(|entry| entry.ok());
    let mut found: Vec<(u64, PathBuf)> = entries.filter_map(numbered).collect();
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with files of these contents, by name.
    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        dir
    }

    fn found(dir: &Path) -> PathBuf {
        AdapterFolder::find(dir).unwrap().path().strip_prefix(dir).unwrap().to_owned()
    }

    #[test]
    fn an_adapter_a_run_and_a_single_checkpoint_are_found() {
        assert_eq!(found(folder(&[(ADAPTER_CONFIG, "{}")]).path()), Path::new(""));
        let run = folder(&[("adapter/adapter_config.json", "{}"), ("checkpoint-9/adapter_config.json", "{}")]);
        assert_eq!(found(run.path()), Path::new("adapter"), "the finished adapter goes before a checkpoint");
        let single = folder(&[("checkpoint-9/adapter_config.json", "{}"), ("checkpoint-10/optimizer.pt", "")]);
        assert_eq!(found(single.path()), Path::new("checkpoint-9"), "a checkpoint without an adapter does not count");
    }

    #[test]
    fn several_checkpoints_are_named_and_one_of_them_is_taken_by_its_name() {
        let files = ["checkpoint-9", "checkpoint-281", "checkpoint-x"].map(|name| format!("{name}/{ADAPTER_CONFIG}"));
        let dir = folder(&files.each_ref().map(|name| (name.as_str(), "{}")));
        let e = AdapterFolder::find(dir.path()).unwrap_err();
        assert!(e.to_string().ends_with("holds 2 checkpoints: checkpoint-9, checkpoint-281"), "{e}");
        assert!(e.exit_code() == 2 && e.help().unwrap().ends_with("checkpoint-281"), "{e:?}");
        assert_eq!(found(&dir.path().join("checkpoint-9")), Path::new(""));
    }

    #[test]
    fn a_folder_without_an_adapter_is_refused() {
        let refused = |path: &Path| AdapterFolder::find(path).unwrap_err().to_string();
        assert!(refused(folder(&[]).path()).contains("no `adapter_config.json` here, in `adapter` or"));
        assert!(refused(Path::new("nowhere")).contains("nowhere: no such folder"));
        let mlx = folder(&[(ADAPTER_CONFIG, "{}"), (MLX_WEIGHTS, "")]);
        assert!(refused(mlx.path()).contains("an adapter of mlx-lm (`adapters.safetensors`)"));
    }

    #[test]
    fn the_hash_covers_matrices_and_strength() {
        let hash = |alpha: &str, weights: &str| {
            let dir = folder(&[(ADAPTER_CONFIG, alpha), (ADAPTER_WEIGHTS, weights)]);
            AdapterFolder::find(dir.path()).unwrap().hash().unwrap()
        };
        assert_eq!(hash("8", "w"), hash("8", "w"));
        assert_ne!(hash("8", "w"), hash("16", "w"));
        assert_ne!(hash("8", "w"), hash("8", "v"));
        let half = folder(&[(ADAPTER_CONFIG, "{}")]);
        assert!(AdapterFolder::find(half.path()).unwrap().hash().is_err());
    }
}
