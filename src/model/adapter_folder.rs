//! Where a LoRA adapter lies, whose it is, and the hash by which a run knows it again.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::hub::snapshot_within;
use crate::record::{Hash, hash_file, read_whole, without_mark};
use crate::{At, Error, Result};

/// PEFT's name for the file with rank, strength and targets.
pub const ADAPTER_CONFIG: &str = "adapter_config.json";
/// PEFT's name for the file with the matrices.
pub const ADAPTER_WEIGHTS: &str = "adapter_model.safetensors";

/// mlx-lm's name for the same; its configuration has PEFT's name.
pub const MLX_WEIGHTS: &str = "adapters.safetensors";

/// Whose format an adapter's folder follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdapterForm {
    /// Hugging Face's PEFT.
    Peft,
    /// Apple's mlx-lm.
    Mlx,
}

/// The folder of an adapter: it holds `adapter_config.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdapterFolder {
    path: PathBuf,
    form: AdapterForm,
}

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
                return Ok(Self::of(dir));
            }
        }
        if path.is_file() {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            return Err(Error::usage(format!("{}: is a file, and an adapter is a folder", path.display()))
                .hint(format!("give the folder that holds it: {}", folder.display())));
        }
        if !path.is_dir() {
            return Err(Error::usage(format!("{}: no such folder", path.display()))
                .hint("give the folder of a LoRA adapter (PEFT's or mlx-lm's), of a run of `trimtab train`, or of a checkpoint"));
        }
        let mut checkpoints = checkpoints(path)?;
        checkpoints.retain(|(_, dir)| holds(dir));
        match &checkpoints[..] {
            [] => {
                let what =
                    format!("{}: no `{ADAPTER_CONFIG}` here, in `adapter` or in any `checkpoint-N`", path.display());
                Err(Error::new(what).hint(match snapshot_within(path) {
                    Some(snapshot) => format!("it is a repository of the hub's cache: give {}", snapshot.display()),
                    None => "give the folder of a LoRA adapter (PEFT's or mlx-lm's); a run of `trimtab train` has one when it is finished".to_owned(),
                }))
            }
            [(_, only)] => Ok(Self::of(only.clone())),
            several => {
                let names: Vec<String> = several.iter().map(|(number, _)| format!("checkpoint-{number}")).collect();
                let what = format!("{}: holds {} checkpoints: {}", path.display(), names.len(), names.join(", "));
                let last = &several[several.len() - 1].1;
                Err(Error::usage(what).hint(format!("name one of them, such as {}", last.display())))
            }
        }
    }

    /// A folder with a configuration. mlx-lm's has `fine_tune_type` or `lora_parameters`, PEFT's `peft_type`; where it tells
    /// neither, the weights' name decides.
    fn of(path: PathBuf) -> Self {
        let config = read_whole(&path.join(ADAPTER_CONFIG)).unwrap_or_default();
        let config: Value = serde_json::from_slice(without_mark(&config)).unwrap_or_default();
        let says = |key: &str| config.get(key).is_some_and(|value| !value.is_null());
        let mlx = match (says("peft_type"), says("fine_tune_type") || says("lora_parameters")) {
            (true, _) => false,
            (false, true) => true,
            (false, false) => path.join(MLX_WEIGHTS).exists() && !path.join(ADAPTER_WEIGHTS).exists(),
        };
        Self { path, form: if mlx { AdapterForm::Mlx } else { AdapterForm::Peft } }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whose format it follows.
    pub fn form(&self) -> AdapterForm {
        self.form
    }

    /// The file with its matrices.
    pub fn weights(&self) -> PathBuf {
        self.path.join(self.weights_name())
    }

    fn weights_name(&self) -> &'static str {
        match self.form {
            AdapterForm::Peft => ADAPTER_WEIGHTS,
            AdapterForm::Mlx => MLX_WEIGHTS,
        }
    }

    /// The identity of what the adapter computes: its matrices, and the configuration that scales and places them. Other
    /// files, such as a model card, do not count.
    ///
    /// # Errors
    /// If one of the two files cannot be read.
    pub fn hash(&self) -> Result<Hash> {
        let named = |name| Ok((name, hash_file(&self.path.join(name))?));
        Ok(Hash::of(&[named(ADAPTER_CONFIG)?, named(self.weights_name())?]))
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
        let cache = folder(&[("snapshots/abc/adapter_config.json", "{}"), ("refs/main", "abc\n")]);
        let e = AdapterFolder::find(cache.path()).unwrap_err();
        assert!(e.help().unwrap().ends_with("snapshots/abc"), "{e:?}");
        let dir = folder(&[(ADAPTER_CONFIG, "{}"), (ADAPTER_WEIGHTS, "")]);
        let e = AdapterFolder::find(&dir.path().join(ADAPTER_WEIGHTS)).unwrap_err();
        assert!(e.help().unwrap().ends_with(&dir.path().display().to_string()), "{e:?}");
        assert!(refused(Path::new("nowhere")).contains("nowhere: no such folder"));
    }

    #[test]
    fn an_adapter_of_mlx_lm_is_known_by_its_configuration_or_its_weights() {
        let form = |config: &str, weights: &str| {
            let dir = folder(&[(ADAPTER_CONFIG, config), (weights, "")]);
            AdapterFolder::find(dir.path()).unwrap().form()
        };
        assert_eq!(form(r#"{"lora_parameters": {}}"#, "0000100_adapters.safetensors"), AdapterForm::Mlx);
        assert_eq!(form("\u{feff}{\"fine_tune_type\": \"full\"}", ADAPTER_WEIGHTS), AdapterForm::Mlx);
        assert_eq!(form("{}", MLX_WEIGHTS), AdapterForm::Mlx);
        assert_eq!(form(r#"{"peft_type": "LORA"}"#, MLX_WEIGHTS), AdapterForm::Peft);
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
        let beside = folder(&[(ADAPTER_CONFIG, "8"), (ADAPTER_WEIGHTS, "w"), ("README.md", "a model card")]);
        assert_eq!(AdapterFolder::find(beside.path()).unwrap().hash().unwrap(), hash("8", "w"));
        let half = folder(&[(ADAPTER_CONFIG, "{}")]);
        assert!(AdapterFolder::find(half.path()).unwrap().hash().is_err());
    }
}
