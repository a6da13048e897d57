//! The folder that `--runs` names, and the files in it: read within limits, never written, and never through a link that might lead
//! out of it.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::{At, Result, ensure};

/// Folders between `--runs` and a run.
const DEPTH_MAX: usize = 6;
const FOLDERS_MAX: usize = 20_000;
const RUNS_MAX: usize = 1000;
/// Bytes of a file that is read whole.
pub const FILE_MAX: u64 = 64 << 20;

#[derive(Debug, Clone)]
pub struct RunsFolder {
    root: PathBuf,
}

/// A run's folder and its name below `--runs`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunPlace {
    /// `extract/harbor/evil`.
    pub id: String,
    pub path: PathBuf,
}

impl RunsFolder {
    pub fn open(path: &Path) -> Result<Self> {
        let root = path.canonicalize().at(path)?;
        ensure!(root.is_dir(), "{}: not a folder", path.display());
        Ok(Self { root })
    }

    pub fn path(&self) -> &Path {
        &self.root
    }

    pub fn run(&self, id: &str) -> Option<RunPlace> {
        let parts: Vec<&str> = id.split('/').collect();
        let strange = |c: char| c == '\\' || c == '\0' || (cfg!(windows) && c == ':');
        let plain = |part: &&str| !part.is_empty() && !part.starts_with('.') && !part.contains(strange);
        if parts.len() > DEPTH_MAX || !parts.iter().all(plain) {
            return None;
        }
        let mut path = self.root.clone();
        for part in parts {
            path.push(part);
            // A link is followed nowhere on the way.
            fs::symlink_metadata(&path).ok().filter(fs::Metadata::is_dir)?;
        }
        is_run(&path).then(|| RunPlace { id: id.to_owned(), path })
    }

    /// Every run, sorted by its id. What lies inside a run's folder belongs to it.
    pub fn runs(&self) -> Vec<RunPlace> {
        let (mut open, mut found, mut seen) = (vec![(self.root.clone(), String::new(), 0)], Vec::new(), 0);
        while let Some((folder, id, depth)) = open.pop() {
            seen += 1;
            if seen > FOLDERS_MAX || found.len() >= RUNS_MAX {
                break;
            }
            if depth > 0 && is_run(&folder) {
                found.push(RunPlace { id, path: folder });
                continue;
            }
            if depth == DEPTH_MAX {
                continue;
            }
            for (name, path) in folders(&folder) {
                let id = if id.is_empty() { name } else { format!("{id}/{name}") };
                open.push((path, id, depth + 1));
            }
        }
        found.sort();
        found
    }
}

/// The folders in a folder by their names; neither links nor hidden ones.
pub fn folders(folder: &Path) -> Vec<(String, PathBuf)> {
    let mut found: Vec<(String, PathBuf)> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
        .filter(|(name, _)| !name.starts_with('.'))
        .collect();
    found.sort();
    found
}

/// Every run has its configuration in `run.toml`.
fn is_run(folder: &Path) -> bool {
    is_file(&folder.join("run.toml"))
}

pub fn is_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|data| data.is_file())
}

/// A file's length and when it was last written, in seconds since 1970.
pub fn stamp(path: &Path) -> Option<(u64, u64)> {
    let data = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file)?;
    let written = data.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some((data.len(), written.as_secs()))
}

/// The content of a file that is neither a link nor too long; of a longer one nothing.
pub fn read(path: &Path) -> Option<Vec<u8>> {
    stamp(path).filter(|(length, _)| *length <= FILE_MAX)?;
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(FILE_MAX).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

pub fn read_text(path: &Path) -> Option<String> {
    Some(String::from_utf8_lossy(&read(path)?).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(root: &Path, id: &str) {
        fs::create_dir_all(root.join(id)).unwrap();
        fs::write(root.join(id).join("run.toml"), "a = 1\n").unwrap();
    }

    #[test]
    fn runs_are_found_and_nothing_outside() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("runs");
        for id in ["b", "a/x", "a/x/inner", ".hidden/y", "1/2/3/4/5/6", "1/2/3/4/5/6x/7"] {
            run(&root, id);
        }
        run(dir.path(), "secret");
        let runs = RunsFolder::open(&root).unwrap();
        let ids: Vec<String> = runs.runs().into_iter().map(|run| run.id).collect();
        assert_eq!(ids, ["1/2/3/4/5/6", "a/x", "b"]);
        assert_eq!(runs.run("a/x").unwrap().path, runs.path().join("a/x"));
        for id in ["", "a", "/", "../secret", "a/../b", "./b", "b/", "/b", "a//x", "a\\x", ".hidden/y", "c"] {
            assert_eq!(runs.run(id), None, "{id}");
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(dir.path().join("secret"), root.join("link")).unwrap();
            fs::create_dir(root.join("half")).unwrap();
            std::os::unix::fs::symlink(dir.path().join("secret/run.toml"), root.join("half/run.toml")).unwrap();
            assert_eq!((runs.run("link"), runs.run("half")), (None, None), "no link is followed");
            assert_eq!(runs.runs().len(), 3);
            assert_eq!(read(&root.join("half/run.toml")), None);
        }
    }
}
