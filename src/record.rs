//! Files that outlive the process: atomic writes, hashes, seeds, rows, and a run's folder.
//!
//! A run is a folder: `run.toml` (the resolved configuration), `lock.json` (hashes, seeds, versions, device),
//! `metrics.jsonl`, `stages/` and the results. Whatever is killed half-way leaves the old file or the new one, never a
//! torn one, and a rerun picks up every stage whose inputs are unchanged.

mod hold;
mod ledger;
mod track;

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::hash::BuildHasher;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{At, Error, Result, ensure};

pub use hold::{Claim, is_held};
pub use ledger::{Ledger, Rows};
pub use track::{Tracker, Trackers, Tracking};

// ---------------------------------------------------------------------------------------------------- atomic writes

/// Replaces the file at `path` by `bytes`, or leaves it as it was: a temporary file in the same folder, fsync, rename.
///
/// # Errors
/// A missing or read-only folder and a full disk, each naming the path and how to mend it.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomic_with(path, |w| w.write_all(bytes))
}

/// [`write_atomic`] for contents that are better streamed than held in memory; `write` gets a buffered writer.
///
/// # Errors
/// As [`write_atomic`], and whatever `write` reports; the old file stays.
pub fn write_atomic_with(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    static MARK: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(std::process::id()));
    let Some(name) = path.file_name() else {
        return Err(Error::new("this path names no file").at(path.display()));
    };
    // A mark and a counter in the name: two writers of one file must not share a temporary one. Processes on several machines
    // may have the same number, so it is no mark.
    let unique = format!(".{:016x}.{}.tmp", *MARK, COUNT.fetch_add(1, Ordering::Relaxed));
    let mut temp = std::ffi::OsString::from(".");
    temp.push(name);
    temp.push(unique);
    let temp = path.with_file_name(temp);

    let attempt = || {
        let mut file = BufWriter::new(OpenOptions::new().write(true).create_new(true).open(&temp)?);
        write(&mut file)?;
        // Synced before the rename, or a power cut could leave the new name on empty contents.
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&temp, path)?;
        sync_folder(path);
        Ok(())
    };
    attempt().map_err(|e| {
        let _ = fs::remove_file(&temp);
        cannot_write(e, path)
    })
}

/// [`write_atomic_with`] for contents that are made while they are written, so that the making may fail too.
///
/// # Errors
/// As [`write_atomic`], and those of `make`; the old file stays.
pub fn write_atomic_by(path: &Path, make: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    let mut failed = None;
    let written = write_atomic_with(path, |w| {
        make(w).map_err(|e| {
            failed = Some(e);
            io::ErrorKind::Other.into()
        })
    });
    match failed {
        Some(e) => Err(e),
        None => written,
    }
}

/// Makes the rename itself durable. Not every file system allows it, and the file is whole either way.
fn sync_folder(path: &Path) {
    if cfg!(unix)
        && let Some(folder) = path.parent()
        && let Ok(folder) = File::open(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
    {
        let _ = folder.sync_all();
    }
}

/// Names the file that could not be written, and the way out.
fn cannot_write(e: io::Error, path: &Path) -> Error {
    let hint = match e.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Some("free some space or choose a folder on another disk with --out; what was there before is untouched")
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            Some("choose a folder that you may write to with --out")
        }
        io::ErrorKind::NotFound => Some("the folder does not exist; create it first"),
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            Some("a file stands where a folder is needed; choose another place with --out")
        }
        _ => None,
    };
    let error = Error::new(format!("cannot write: {e}")).at(path.display());
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// Creates a folder and its parents.
///
/// # Errors
/// As [`write_atomic`].
pub fn create_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|e| cannot_write(e, path))
}

// --------------------------------------------------------------------------------------------------- hashes and seeds

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
/// If the file cannot be read.
pub fn hash_file(path: &Path) -> Result<Hash> {
    let mut hasher = blake3::Hasher::new();
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

// ------------------------------------------------------------------------------------------------------- JSONL rows

/// Appends rows to a JSONL file, each in one write, so that a kill tears at most the last one.
#[derive(Debug)]
pub struct JsonlWriter {
    file: File,
    path: PathBuf,
    dropped: usize,
}

impl JsonlWriter {
    /// Opens or creates the file. A torn last line (left by a kill) is cut off; [`Self::dropped`] tells.
    ///
    /// # Errors
    /// If the file cannot be opened for writing.
    pub fn open(path: &Path) -> Result<Self> {
        let open = || -> io::Result<(File, usize)> {
            let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
            let dropped = mend_tail(&mut file)?;
            file.seek(SeekFrom::End(0))?;
            Ok((file, dropped))
        };
        let (file, dropped) = open().map_err(|e| cannot_write(e, path))?;
        Ok(Self { file, path: path.to_owned(), dropped })
    }

    /// Opens the file after dropping every row that `keep` refuses: a run that resumes at step 100 must not keep the
    /// rows of the steps 101 to 117 that it will write again. Rows that are no `T` are dropped too.
    ///
    /// # Errors
    /// If the file cannot be read or replaced.
    pub fn resume<T: DeserializeOwned>(path: &Path, mut keep: impl FnMut(&T) -> bool) -> Result<Self> {
        if path.exists() {
            let old = fs::read(path).at(path)?;
            let mut kept = Vec::with_capacity(old.len());
            for line in old.split_inclusive(|&b| b == b'\n') {
                if serde_json::from_slice::<T>(line).is_ok_and(|row| keep(&row)) {
                    kept.extend_from_slice(line.trim_ascii_end());
                    kept.push(b'\n');
                }
            }
            if kept != old {
                write_atomic(path, &kept)?;
            }
        }
        Self::open(path)
    }

    /// Appends one row.
    ///
    /// # Errors
    /// If the row has no JSON form or the disk is full.
    pub fn write<T: Serialize + ?Sized>(&mut self, row: &T) -> Result<()> {
        let mut line = serde_json::to_vec(row).at(&self.path)?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(|e| cannot_write(e, &self.path))
    }

    /// Waits until all rows are on the disk.
    ///
    /// # Errors
    /// If the disk reports one.
    pub fn sync(&mut self) -> Result<()> {
        self.file.sync_data().map_err(|e| cannot_write(e, &self.path))
    }

    /// How many bytes of a torn last line were cut off when the file was opened.
    pub fn dropped(&self) -> usize {
        self.dropped
    }
}

/// Ends the file on a whole line: cuts a torn one off, or completes one that only lacks its newline.
fn mend_tail(file: &mut File) -> io::Result<usize> {
    let len = file.seek(SeekFrom::End(0))?;
    let mut tail = Vec::new();
    let mut start = len;
    // Backwards in pieces until a newline: the file may be large, its last line is not.
    while start > 0 && !tail.contains(&b'\n') {
        let piece = start.min(1 << 16);
        start -= piece;
        let mut bytes = vec![0; piece as usize];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut bytes)?;
        bytes.append(&mut tail);
        tail = bytes;
    }
    let keep = tail.iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1);
    let last = &tail[keep..];
    if last.is_empty() {
        return Ok(0);
    }
    if serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(last).is_ok() {
        file.seek(SeekFrom::End(0))?;
        file.write_all(b"\n")?;
        return Ok(0);
    }
    file.set_len(start + keep as u64)?;
    Ok(last.len())
}

/// Reads every row of a JSONL file; blank lines are passed over.
///
/// # Errors
/// If the file cannot be read, or a line is no `T`: the error names `file:line`.
pub fn read_jsonl<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let mut rows = Vec::new();
    let mut line = Vec::new();
    let mut reader = BufReader::new(File::open(path).at(path)?);
    for number in 1.. {
        line.clear();
        if reader.read_until(b'\n', &mut line).at(path)? == 0 {
            break;
        }
        let text = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&line).trim_ascii();
        if !text.is_empty() {
            rows.push(serde_json::from_slice(text).doing(format_args!("{}:{number}", path.display()))?);
        }
    }
    Ok(rows)
}

// ------------------------------------------------------------------------------------------------------- run folders

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
    /// Whatever else was decided: name and value.
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
            Self::Corrupt => "is there, but what it tells of is damaged",
        }
    }
}

/// A finished stage as it lies on the disk: `stages/<name>.json`.
#[derive(Serialize, Deserialize)]
struct Stage<T> {
    key: Hash,
    value: T,
}

/// A run's folder, held by one process, or by several that each do their own pieces of the work.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    // The lock lives as long as the open file; the system frees it when the process dies, however it dies.
    lock: Arc<File>,
    /// Whether stages are worked out here, or only read.
    works: bool,
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
        Ok(Self { path, lock, works: true })
    }

    /// The same folder for one who works nothing out: a stage that is not there is an error.
    pub fn reading(&self) -> Self {
        Self { path: self.path.clone(), lock: self.lock.clone(), works: false }
    }

    /// Claims a piece of the work: nobody else does it while the claim lives. If another process has it, waits for `patience`: a
    /// network file system may take a while to free what a dead machine has held.
    ///
    /// # Errors
    /// If another process is at work on the piece.
    pub fn claim(&self, piece: &str, patience: Duration) -> Result<Claim> {
        hold::claim(&self.path.join("work").join(format!("{piece}.lock")), patience)
    }

    /// Removes temporary files of writes that were killed. The folder is ours alone, so nobody is still writing them.
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
        let path = self.file("run.toml");
        let text = toml::to_string_pretty(config).at(&path)?;
        write_atomic(&path, text.as_bytes())
    }

    /// Writes `lock.json`: hashes, seeds, versions and device of everything that went in.
    ///
    /// # Errors
    /// As [`write_atomic`].
    pub fn write_lock(&self, lock: &Lock) -> Result<()> {
        self.write_json("lock.json", lock)
    }

    /// Appends to `metrics.jsonl`.
    ///
    /// # Errors
    /// As [`JsonlWriter::open`].
    pub fn metrics(&self) -> Result<JsonlWriter> {
        JsonlWriter::open(&self.file("metrics.jsonl"))
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
        let stage = Stage { key: key.clone(), value: work()? };
        let bytes = serde_json::to_vec(&stage).at(&path)?;
        // JSON has no NaN: it would be stored as null and the stage would be worked out again for ever.
        if let Err(e) = serde_json::from_slice::<Stage<T>>(&bytes) {
            return Err(Error::new(format!("stage `{name}` gave a value that cannot be read back: {e}"))
                .hint("a NaN or an infinity is the usual reason: look for a loss or a score that is not a number"));
        }
        write_atomic(&path, &bytes)?;
        Ok((stage.value, why))
    }
}

/// The stored value, or why there is none to use. The key is looked at before the value: a stage of an older version may
/// have another form, and that makes it stale, not corrupt.
fn read_stage<T: DeserializeOwned>(path: &Path, key: &Hash) -> Result<T, Reused> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(Reused::New),
        Err(_) => return Err(Reused::Corrupt),
    };
    let stage: Stage<serde_json::Value> = serde_json::from_slice(&bytes).map_err(|_| Reused::Corrupt)?;
    if stage.key != *key {
        return Err(Reused::Stale);
    }
    serde_json::from_value(stage.value).map_err(|_| Reused::Corrupt)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leftovers(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned());
        names.filter(|n| n.ends_with(".tmp")).collect()
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        write_atomic(&path, b"old").unwrap();
        let full = write_atomic_with(&path, |w| {
            w.write_all(b"new, but only ha")?;
            Err(io::ErrorKind::StorageFull.into())
        });
        let full = full.unwrap_err();
        assert!(full.to_string().contains("a.json") && full.help().unwrap().contains("free some space"), "{full}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(leftovers(dir.path()), [""; 0]);
        write_atomic(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn a_place_that_cannot_be_written_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let missing = write_atomic(&dir.path().join("no/such/x"), b"").unwrap_err();
        assert!(missing.help().unwrap().contains("does not exist"), "{missing}");
        let file = dir.path().join("file");
        write_atomic(&file, b"").unwrap();
        let blocked = RunDir::open(file.join("run")).unwrap_err();
        assert!(blocked.to_string().contains("file/run") && blocked.help().is_some(), "{blocked}");
    }

    #[test]
    #[cfg(unix)]
    fn a_read_only_folder_says_so() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o555)).unwrap();
        let attempt = write_atomic(&dir.path().join("x"), b"");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        // The superuser may write anywhere.
        if let Err(e) = attempt {
            assert!(e.help().unwrap().contains("may write to"), "{e}");
        }
    }

    #[test]
    fn hashes_and_seeds_are_fixed_for_all_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let bytes = vec![7; 200_000];
        write_atomic(&path, &bytes).unwrap();
        assert_eq!(hash_file(&path).unwrap(), hash_bytes(&bytes));
        // BLAKE3's own test vector for the empty input.
        assert!(hash_bytes(b"").as_str().starts_with("af1349b9f5f9a1a6a0404dea36dcc949"));
        assert_eq!(hash_bytes(b"").short(), "af1349b9f5f9");
        assert_eq!(seed_of(1, "q0/r0"), seed_of(1, "q0/r0"));
        assert_ne!(seed_of(1, "q0/r0"), seed_of(2, "q0/r0"));
        assert_ne!(seed_of(1, "q0/r0"), seed_of(1, "q0/r1"));
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Row {
        step: u64,
    }

    #[test]
    fn a_torn_line_is_dropped_and_a_whole_one_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.jsonl");
        let mut rows = JsonlWriter::open(&path).unwrap();
        (1..=3).for_each(|step| rows.write(&Row { step }).unwrap());
        drop(rows);
        let whole = fs::read(&path).unwrap();

        for (tail, dropped) in [("{\"step\":4", 9), ("{\"step\":4}", 0), ("", 0)] {
            fs::write(&path, [&whole, tail.as_bytes()].concat()).unwrap();
            let mut rows = JsonlWriter::open(&path).unwrap();
            assert_eq!(rows.dropped(), dropped);
            rows.write(&Row { step: 5 }).unwrap();
            let steps: Vec<u64> = read_jsonl::<Row>(&path).unwrap().into_iter().map(|r| r.step).collect();
            assert_eq!(steps, if tail.ends_with('}') { vec![1, 2, 3, 4, 5] } else { vec![1, 2, 3, 5] });
        }
        JsonlWriter::resume(&path, |r: &Row| r.step <= 2).unwrap().write(&Row { step: 3 }).unwrap();
        assert_eq!(fs::read(&path).unwrap(), whole);
    }

    #[test]
    fn a_malformed_line_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows.jsonl");
        fs::write(&path, "\u{feff}{\"step\":1}\r\n\n{\"step\":\"two\"}\n").unwrap();
        let error = read_jsonl::<Row>(&path).unwrap_err().to_string();
        assert!(error.contains("rows.jsonl:3:"), "{error}");
    }

    #[test]
    fn a_stage_is_reused_only_for_the_same_inputs() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::open(dir.path().join("run")).unwrap();
        let (a, b) = (Hash::of("a"), Hash::of("b"));
        let take = |key: &Hash, value: u64| run.stage("fit", key, || Ok(value)).unwrap();
        assert_eq!(take(&a, 1), (1, Reused::New));
        assert_eq!(take(&a, 2), (1, Reused::Yes));
        assert_eq!(take(&b, 3), (3, Reused::Stale));
        run.stage("fit", &a, || Ok("another form".to_owned())).unwrap();
        assert_eq!(take(&b, 3), (3, Reused::Stale));
        fs::write(run.file("stages/fit.json"), b"{\"key\":").unwrap();
        assert_eq!(take(&b, 4), (4, Reused::Corrupt));
        assert_eq!(run.stage_if("fit", &b, |_| false, || Ok(5)).unwrap(), (5, Reused::Corrupt));

        let failed = run.stage("eval", &a, || -> Result<u64> { Err(Error::new("killed")) });
        assert!(failed.is_err());
        assert_eq!(run.stage("eval", &a, || Ok(6)).unwrap(), (6, Reused::New));
        assert!(run.stage("../out", &a, || Ok(7)).is_err());
    }

    #[test]
    fn a_value_that_is_not_a_number_is_no_result() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::open(dir.path()).unwrap();
        let error = run.stage("loss", &Hash::of("a"), || Ok(f64::NAN)).unwrap_err();
        assert!(error.help().unwrap().contains("NaN"), "{error}");
        assert!(!run.file("stages/loss.json").exists());
    }

    #[test]
    fn a_folder_belongs_to_one_process() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::open(dir.path()).unwrap();
        fs::write(run.file("stages/.fit.json.1.0.tmp"), b"{").unwrap();
        let second = RunDir::open(dir.path()).unwrap_err();
        assert!(second.to_string().contains("another process"), "{second}");
        drop(run);
        let run = RunDir::open(dir.path()).unwrap();
        assert_eq!(leftovers(&run.file("stages")), [""; 0]);
    }

    #[test]
    fn several_processes_share_a_folder_piece_by_piece() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (RunDir::join(dir.path()).unwrap(), RunDir::join(dir.path()).unwrap());
        fs::write(first.file("stages/.fit.json.1.0.tmp"), b"{").unwrap();
        let claim = first.claim("fit+1.25", Duration::ZERO).unwrap();
        let lock = first.file("work/fit+1.25.lock");
        assert_eq!((is_held(&lock), is_held(&first.file("work/none.lock"))), (Some(true), Some(false)));
        let refused = second.claim("fit+1.25", Duration::ZERO).unwrap_err();
        assert!(refused.to_string().contains("work/fit+1.25: another process"), "{refused}");
        second.claim("other", Duration::ZERO).unwrap();
        assert!(RunDir::open(dir.path()).is_err(), "alone beside others");
        drop(claim);
        assert_eq!(is_held(&lock), Some(false));
        second.claim("fit+1.25", Duration::ZERO).unwrap();
        // What others are writing is not swept away.
        assert_eq!(leftovers(&first.file("stages")).len(), 1);
        drop((first, second));
        let alone = RunDir::open(dir.path()).unwrap();
        assert!(RunDir::join(dir.path()).is_err(), "beside one who is alone");
        assert_eq!(leftovers(&alone.file("stages")), [""; 0]);
    }

    #[test]
    fn who_only_reads_works_nothing_out() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::open(dir.path()).unwrap();
        let (a, b, reading) = (Hash::of("a"), Hash::of("b"), run.reading());
        let read = |key: &Hash| reading.stage("fit", key, || -> Result<u64> { panic!("worked out") });
        assert_eq!(read(&a).unwrap_err().to_string(), "`fit` has not been worked out yet");
        run.stage("fit", &a, || Ok(1)).unwrap();
        assert_eq!(read(&a).unwrap(), (1, Reused::Yes));
        assert!(read(&b).unwrap_err().to_string().contains("from other inputs"));
    }

    #[test]
    fn a_run_folder_tells_what_went_in() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::open(dir.path()).unwrap();
        let mut lock = Lock::new("cpu f32", vec![1, 2]);
        lock.hashes.insert("model".into(), hash_bytes(b"m"));
        run.write_lock(&lock).unwrap();
        run.write_config(&BTreeMap::from([("coef", 1.25)])).unwrap();
        assert_eq!(fs::read_to_string(run.file("run.toml")).unwrap(), "coef = 1.25\n");
        let back: Lock = serde_json::from_slice(&fs::read(run.file("lock.json")).unwrap()).unwrap();
        assert_eq!(back, lock);
        assert!(lock.rows().contains(&("seeds".into(), "1, 2".into())));
    }
}
