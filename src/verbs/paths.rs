//! Checks of paths that a user or a configuration names.

use std::path::{Path, PathBuf};

use super::Console;
use crate::record::{OutputHold, hold_output};
use crate::{Error, Result};

/// Resolves a path of a configuration: relative to the current folder, or else to the configuration's folder.
pub fn of_config(key: &str, path: &Path, config: &Path, console: &dyn Console) -> Result<PathBuf> {
    if path.exists() {
        return Ok(path.to_owned());
    }
    let beside = config.parent().unwrap_or(Path::new("")).join(path);
    if beside.exists() {
        console.say(&format!("{key}: {} (beside the configuration)", beside.display()));
        return Ok(beside);
    }
    let what = format!("`{key}`: no such file or folder: {}", path.display());
    let hint = if path.is_absolute() || beside == path {
        "check the path".to_owned()
    } else {
        format!("looked for it in the current folder and at {}", beside.display())
    };
    Err(Error::usage(what).hint(hint))
}

pub fn file(flag: &str, path: &Path) -> Result<()> {
    if path.is_file() {
        return Ok(());
    }
    let what = if path.is_dir() { "is a folder, not a file" } else { "no such file" };
    Err(Error::usage(format!("{flag} {}: {what}", path.display())))
}

/// Checks before long work that `path` is a folder, or nothing yet.
pub fn folder(flag: &str, path: &Path) -> Result<()> {
    if path.is_dir() || !path.exists() {
        return Ok(());
    }
    Err(Error::usage(format!("{flag} {}: a file stands where a folder is needed", path.display())))
}

/// Takes the right to make the file or folder `path`, so that of two processes the second is refused and told of the first.
pub fn hold(flag: &str, path: &Path) -> Result<OutputHold> {
    if !path.is_dir() {
        crate::record::can_write(path).map_err(|e| e.at(flag))?;
    }
    hold_output(path)
}

/// Checks before long work that `path` can be written, without changing what is there.
pub fn writable(flag: &str, path: &Path) -> Result<()> {
    if path.is_dir() {
        return Err(Error::usage(format!("{flag} {}: is a folder, not a file", path.display())));
    }
    crate::record::can_write(path).map_err(|e| e.at(flag))
}
