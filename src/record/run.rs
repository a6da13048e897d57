//! A run's folder: what went in, and the stages that a rerun picks up.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::atomic::{create_folder, write_atomic};
use super::hash::Hash;
use super::hold::{self, Claim};
use super::sealed::{Kept, read_sealed, read_sealed_toml, write_sealed, write_sealed_toml};
use crate::{At, Error, Result, ensure};

/// The full resolved configuration.
const CONFIG: &str = "run.toml";
/// What went in.
const LOCK: &str = "lock.json";

/// Everything that a result depends on, for `lock.json` and for the report's last section.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Lock {
    /// Trimtab's version.
    pub trimtab: String,
    /// The device and number format that computed.
    pub device: String,
    /// The run's seeds.
    pub seeds: Vec<u64>,
    /// Model, tokenizer, template, data, vectors: name and hash.
    pub hashes: BTreeMap<String, Hash>,
    /// Other decisions: name and value.
    pub notes: BTreeMap<String, String>,
}

impl Lock {
    /// A lock of this version of Trimtab.
    pub fn new(device: impl Into<String>, seeds: Vec<u64>) -> Self {
        let trimtab = env!("CARGO_PKG_VERSION").to_owned();
        Self { trimtab, device: device.into(), seeds, ..Self::default() }
    }

    /// Name and value of every entry, in reading order.
    pub fn rows(&self) -> Vec<(String, String)> {
        let seeds = self.seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
        let mut rows = vec![
            ("trimtab".to_owned(), self.trimtab.clone()),
            ("device".to_owned(), self.device.clone()),
            ("seeds".to_owned(), seeds),
        ];
        rows.extend(self.notes.iter().map(|(name, value)| (name.clone(), value.clone())));
        rows.extend(self.hashes.iter().map(|(name, hash)| (format!("{name} (BLAKE3)"), hash.to_string())));
        rows
    }
}

/// Where a stage's value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reused {
    /// Read from the folder: the same inputs had been worked through before.
    Yes,
    /// Worked out for the first time.
    New,
    /// Worked out again, because its inputs had changed.
    Stale,
    /// Worked out again, because what was stored could not be read or no longer held.
    Corrupt,
}

impl Reused {
    /// Whether the work was spared.
    pub fn is_yes(self) -> bool {
        self == Self::Yes
    }

    /// Why a stored stage is of no use, after its name.
    fn missing(self) -> &'static str {
        match self {
            Self::Yes => "is there",
            Self::New => "has not been worked out yet",
            Self::Stale => "was worked out from other inputs (settings, data, model or device)",
            Self::Corrupt => "is there, but it or a file that it points at is damaged",
        }
    }
}

/// A finished stage in the file `stages/<name>.json`.
#[derive(Serialize, Deserialize)]
struct Stage {
    /// The hash of everything that the value depends on.
    key: Hash,
    value: Value,
    /// The hash of both, which tells an altered file from one of other inputs.
    sum: Hash,
}

/// A run's folder, held by one process, or by several that each do their own tasks.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    // The lock lives as long as the open file; the system frees it when the process dies.
    lock: Arc<File>,
    /// Whether stages are worked out here, or only read.
    works: bool,
    /// What was found damaged and is worked out anew.
    damage: Arc<Mutex<Vec<String>>>,
}

impl RunDir {
    /// Creates the folder if need be and takes it for this process.
    ///
    /// # Errors
    /// If the folder cannot be made or written to, or another process is at work in it.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let run = Self::held(path.into(), true)?;
        run.sweep();
        Ok(run)
    }

    /// Creates the folder if need be and works in it beside other processes that do the same. Each must [`Self::claim`] what it
    /// works on.
    ///
    /// # Errors
    /// As [`Self::open`], if the other process has the folder for itself.
    pub fn join(path: impl Into<PathBuf>) -> Result<Self> {
        Self::held(path.into(), false)
    }

    fn held(path: PathBuf, alone: bool) -> Result<Self> {
        create_folder(&path.join("stages"))?;
        let lock = Arc::new(hold::hold(&path, alone)?);
        Ok(Self { path, lock, works: true, damage: Arc::default() })
    }

    /// A read-only view of the same folder: a missing stage is an error.
    pub fn reading(&self) -> Self {
        Self { path: self.path.clone(), lock: self.lock.clone(), works: false, damage: self.damage.clone() }
    }

    /// What was found damaged in the folder since this was asked last, one line each, for the user.
    pub fn take_damage(&self) -> Vec<String> {
        std::mem::take(&mut self.damage.lock().expect("no thread panics with the lock"))
    }

    /// Remembers a line for [`Self::take_damage`].
    pub fn note_damage(&self, line: Option<&str>) {
        self.damage.lock().expect("no thread panics with the lock").extend(line.map(str::to_owned));
    }

    /// Claims a task: no other process can claim it while the claim lives. If another process has it, waits for `patience`, because
    /// a network file system may take a while to free the lock of a machine that died.
    ///
    /// # Errors
    /// If another process is at work on the task.
    pub fn claim(&self, piece: &str, patience: Duration) -> Result<Claim> {
        hold::claim(&self.path.join("work").join(format!("{piece}.lock")), patience)
    }

    /// Removes temporary files of writes that were killed. The folder is locked, so that no other process is still writing them.
    fn sweep(&self) {
        let mut folders = vec![self.path.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    folders.push(entry.path());
                } else if name.starts_with('.') && name.ends_with(".tmp") {
                    let _ = fs::remove_file(entry.path());
                }
            }
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a file in the folder.
    pub fn file(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file of the folder atomically.
    ///
    /// # Errors
    /// As [`write_atomic`].
    pub fn write(&self, name: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
        write_atomic(&self.file(name), bytes)
    }

    /// Writes a value as indented JSON.
    ///
    /// # Errors
    /// As [`write_atomic`], or if the value has no JSON form.
    pub fn write_json<T: Serialize + ?Sized>(&self, name: impl AsRef<Path>, value: &T) -> Result<()> {
        let path = self.file(name);
        let mut bytes = serde_json::to_vec_pretty(value).at(&path)?;
        bytes.push(b'\n');
        write_atomic(&path, &bytes)
    }

    /// Writes `run.toml`: the full resolved configuration.
    ///
    /// # Errors
    /// As [`write_atomic`], or if the value has no TOML form.
    pub fn write_config<T: Serialize + ?Sized>(&self, config: &T) -> Result<()> {
        write_sealed_toml(&self.file(CONFIG), config)
    }

    /// Remembers for [`Self::take_damage`] that `run.toml` is damaged, and what follows from that.
    pub fn note_damage_of_config(&self, so: &str) {
        self.note_damage(Some(&format!("{}: damaged; {so}", self.file(CONFIG).display())));
    }

    /// Remembers for [`Self::take_damage`] that `lock.json` is damaged, and what follows from that.
    pub fn note_damage_of_lock(&self, so: &str) {
        self.note_damage(Some(&format!("{}: damaged; {so}", self.file(LOCK).display())));
    }

    /// The configuration that the folder holds, as [`Self::write_config`] has written it.
    ///
    /// # Errors
    /// A file that is there and cannot be read.
    pub fn config(&self) -> Result<Kept<toml::Table>> {
        read_sealed_toml(&self.file(CONFIG))
    }

    /// Writes `lock.json`: hashes, seeds, versions and device of everything that went in.
    ///
    /// # Errors
    /// As [`write_atomic`].
    pub fn write_lock(&self, lock: &Lock) -> Result<()> {
        write_sealed(&self.file(LOCK), lock)
    }

    /// What went into the folder, as [`Self::write_lock`] has written it.
    ///
    /// # Errors
    /// A file that is there and cannot be read.
    pub fn lock(&self) -> Result<Kept<Lock>> {
        read_sealed(&self.file(LOCK))
    }

    /// The value of a stage: read from `stages/<name>.json` if that was worked out from the same inputs, else worked
    /// out now and stored. `key` is the hash of everything that the value depends on.
    ///
    /// # Errors
    /// Whatever `work` reports (nothing is stored then); a value that JSON cannot carry, such as a NaN; a failed write.
    pub fn stage<T, F>(&self, name: &str, key: &Hash, work: F) -> Result<(T, Reused)>
    where
        T: Serialize + DeserializeOwned,
        F: FnOnce() -> Result<T>,
    {
        self.stage_if(name, key, |_| true, work)
    }

    /// [`Self::stage`] for a value that points at files: `holds` says whether the stored one is still good.
    ///
    /// # Errors
    /// As [`Self::stage`].
    pub fn stage_if<T, H, F>(&self, name: &str, key: &Hash, holds: H, work: F) -> Result<(T, Reused)>
    where
        T: Serialize + DeserializeOwned,
        H: FnOnce(&T) -> bool,
        F: FnOnce() -> Result<T>,
    {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.+=".contains(c);
        ensure!(
            !name.is_empty() && !name.starts_with('.') && name.chars().all(plain),
            "`{name}` cannot name a stage: letters, digits and - _ . + = only"
        );
        let path = self.path.join("stages").join(format!("{name}.json"));
        let why = match read_stage::<T>(&path, key) {
            Ok(value) if holds(&value) => return Ok((value, Reused::Yes)),
            Ok(_) => Reused::Corrupt,
            Err(why) => why,
        };
        ensure!(self.works, "`{name}` {}", why.missing());
        if why == Reused::Corrupt {
            let what = "damaged, or a file that it points at; worked out anew";
            self.note_damage(Some(&format!("{}: {what}", path.display())));
        }
        let value = work()?;
        let text = serde_json::to_vec(&value).at(&path)?;
        let stored: Value = serde_json::from_slice(&text).at(&path)?;
        // JSON has no NaN: it would be stored as null and the stage would be worked out again for ever.
        if let Err(e) = T::deserialize(&stored) {
            return Err(Error::new(format!("stage `{name}` gave a value that cannot be read back: {e}"))
                .hint("a NaN or an infinity is the usual reason: look for a loss or a score that is not a number"));
        }
        let stage = Stage { key: key.clone(), sum: Hash::of(&(key, &stored)), value: stored };
        write_atomic(&path, &serde_json::to_vec(&stage).at(&path)?)?;
        Ok((value, why))
    }
}

/// The stored value, or why it cannot be used. The key is compared before the value is read: a stage of an older version may
/// have another form, and that makes it stale, not corrupt.
fn read_stage<T: DeserializeOwned>(path: &Path, key: &Hash) -> Result<T, Reused> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(Reused::New),
        Err(_) => return Err(Reused::Corrupt),
    };
    let stage: Stage = serde_json::from_slice(&bytes).map_err(|_| Reused::Corrupt)?;
    // Earlier versions left the key out.
    if ![Hash::of(&(&stage.key, &stage.value)), Hash::of(&stage.value)].contains(&stage.sum) {
        return Err(Reused::Corrupt);
    }
    if stage.key != *key {
        return Err(Reused::Stale);
    }
    serde_json::from_value(stage.value).map_err(|_| Reused::Corrupt)
}
