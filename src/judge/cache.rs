//! Answers of paid judges, kept for good: one SQLite file, by default `judge.sqlite` in the run's folder.
//!
//! An answer is committed before anything else is done with it, so a kill loses at most what was still on its way. Three tables:
//! `answers` (the hash of all that decides an answer, and the answer), `sums` (the checksum of each) and `calls` (one row per answered
//! call with its tokens and the run that made it), which is where the bill comes from. The file holds no key and no prompt.

use std::cell::Cell;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::budget::{Spent, TOKENS_MAX, Tokens};
use crate::record::{Hash, create_folder, hash_bytes};
use crate::{At, Error, Result};

/// Marks the file as ours ("TRIM") and its layout.
const APPLICATION: i64 = 0x5452_494d;
const LAYOUT: i64 = 1;

const TABLES: &str = "
    CREATE TABLE answers (key TEXT PRIMARY KEY, judge TEXT NOT NULL, rubric TEXT NOT NULL, answer TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE calls (run TEXT NOT NULL, key TEXT NOT NULL, input INTEGER NOT NULL, output INTEGER NOT NULL) STRICT;
    CREATE INDEX calls_of_run ON calls (run);";
/// Files of earlier versions have none.
const SUMS: &str = "CREATE TABLE IF NOT EXISTS sums (key TEXT PRIMARY KEY, sum TEXT NOT NULL) STRICT, WITHOUT ROWID;";

/// A file of answers.
#[derive(Debug)]
pub struct Cache {
    db: Connection,
    path: PathBuf,
    run: String,
    /// Answers that were found altered.
    damaged: Cell<usize>,
}

/// Whose answer it is, for people who look into the file.
#[derive(Debug, Clone, Copy)]
pub struct Label<'a> {
    pub judge: &'a str,
    pub rubric: &'a str,
}

/// The right to ask, held while calls are being made; see [`Cache::hold`].
#[derive(Debug)]
pub struct Held {
    // The system frees the lock with the open file, however the process ends.
    _lock: Option<File>,
}

impl Cache {
    /// Opens or creates the file. `run` names the run that pays from now on.
    ///
    /// # Errors
    /// A place that cannot be written, a file of another kind or of a later layout.
    pub fn open(path: &Path, run: impl Into<String>) -> Result<Self> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            create_folder(folder)?;
        }
        let hint = "name a file of judge answers, or one that does not exist yet, with --judge-cache";
        let ours = |db: rusqlite::Result<Connection>| db.at(path).map_err(|e: Error| e.hint(hint));
        let db = ours(Connection::open(path))?;
        // Several processes may share a file; each waits for the other's write.
        let prepared = db.busy_timeout(Duration::from_secs(60)).and_then(|()| Self::prepare(&db));
        let layout = prepared.at(path).map_err(|e: Error| e.hint(hint))?;
        if layout != (APPLICATION, LAYOUT) {
            return Err(Error::new("this is no file of judge answers that this version knows")
                .at(path.display())
                .hint(hint));
        }
        Ok(Self { db, path: path.to_owned(), run: run.into(), damaged: Cell::default() })
    }

    /// Creates the tables in an empty file; gives (application, layout).
    fn prepare(db: &Connection) -> rusqlite::Result<(i64, i64)> {
        let number = |pragma: &str| db.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, i64>(0));
        if number("application_id")? == 0 {
            // A second process waits here and then finds the tables.
            db.execute_batch("BEGIN IMMEDIATE")?;
            let objects: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
            if objects == 0 {
                db.execute_batch(TABLES)?;
                db.execute_batch(&format!("PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {LAYOUT};"))?;
            }
            db.execute_batch("COMMIT")?;
        }
        let found = (number("application_id")?, number("user_version")?);
        if found == (APPLICATION, LAYOUT) {
            // A commit survives the death of the process at any moment; a power cut may take the last ones, never the file.
            db.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
            db.execute_batch(SUMS)?;
            db.execute_batch("PRAGMA synchronous = NORMAL")?;
        }
        Ok(found)
    }

    /// The answer under this key. One that was altered is none; [`Self::take_damage`] tells of it.
    pub fn get<T: DeserializeOwned>(&self, key: &Hash) -> Result<Option<T>> {
        const FIND: &str = "SELECT answer, sum FROM answers LEFT JOIN sums USING (key) WHERE key = ?1";
        let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?));
        let mut query = self.db.prepare_cached(FIND).map_err(|e| self.cannot(e))?;
        let found = query.query_row([key.as_str()], row).optional().map_err(|e| self.cannot(e))?;
        let Some((text, sum)) = found else { return Ok(None) };
        let sound = sum.is_none_or(|sum| sum == sum_of(key, &text).as_str());
        let answer = serde_json::from_str(&text).ok().filter(|_| sound);
        self.damaged.set(self.damaged.get() + usize::from(answer.is_none()));
        Ok(answer)
    }

    /// What was found damaged since this was asked last, for the user.
    pub fn take_damage(&self) -> Option<String> {
        let n = self.damaged.take();
        (n > 0).then(|| format!("{}: answers in it are damaged ({n}) and are asked for again", self.path.display()))
    }

    fn cannot(&self, e: rusqlite::Error) -> Error {
        let is_broken = matches!(
            e.sqlite_error_code(),
            Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase)
        );
        let error = Error::new(e.to_string()).at(self.path.display());
        if is_broken {
            error.hint("the file is damaged: move it away, and what it held is asked for again and paid for again")
        } else {
            error
        }
    }

    /// Keeps an answer and, if it was paid for, what it cost; both or neither.
    pub fn put<T: Serialize>(&mut self, key: &Hash, label: Label<'_>, answer: &T, cost: Option<Tokens>) -> Result<()> {
        let text = serde_json::to_string(answer).at(&self.path)?;
        let Self { db, path, run, .. } = self;
        let mut write = || -> rusqlite::Result<()> {
            let both = db.transaction()?;
            both.prepare_cached("INSERT OR REPLACE INTO answers (key, judge, rubric, answer) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![key.as_str(), label.judge, label.rubric, text])?;
            both.prepare_cached("INSERT OR REPLACE INTO sums (key, sum) VALUES (?1, ?2)")?
                .execute(params![key.as_str(), sum_of(key, &text).as_str()])?;
            if let Some(tokens) = cost {
                charge(&both, run, key, tokens)?;
            }
            both.commit()
        };
        write().at(path)
    }

    /// Notes a call that was answered, and so paid for, with nothing that can be kept.
    pub fn charge(&mut self, key: &Hash, cost: Tokens) -> Result<()> {
        charge(&self.db, &self.run, key, cost).at(&self.path)
    }

    /// What this run has spent, in this process and in earlier ones.
    pub fn spent(&self) -> Result<Spent> {
        // A number that no server can have counted would spoil the sum of all.
        let sums = format!(
            "SELECT count(*), ifnull(sum(iif(input BETWEEN 0 AND {TOKENS_MAX}, input, 0)), 0),
             ifnull(sum(iif(output BETWEEN 0 AND {TOKENS_MAX}, output, 0)), 0) FROM calls WHERE run = ?1"
        );
        let row = |row: &rusqlite::Row<'_>| {
            let number = |i| row.get::<_, i64>(i).map(i64::cast_unsigned);
            Ok(Spent { calls: number(0)?, tokens: Tokens { input: number(1)?, output: number(2)? } })
        };
        self.db.query_row(&sums, [&self.run], row).map_err(|e| self.cannot(e))
    }

    /// Takes over what another file holds and this one does not, the bill included; the other stays as it is.
    pub fn absorb(&mut self, other: &Path) -> Result<()> {
        const TAKE: &str = "
            BEGIN IMMEDIATE;
            INSERT INTO calls SELECT * FROM other.calls WHERE key NOT IN (SELECT key FROM main.calls);
            SUMS
            INSERT OR IGNORE INTO answers SELECT * FROM other.answers;
            COMMIT;";
        self.db.execute("ATTACH DATABASE ?1 AS other", [other.display().to_string()]).at(other)?;
        // A file of an earlier version has no checksums.
        const TAKE_SUMS: &str =
            "INSERT OR REPLACE INTO sums SELECT * FROM other.sums WHERE key NOT IN (SELECT key FROM main.answers);";
        let find = "SELECT count(*) FROM other.sqlite_schema WHERE name = 'sums'";
        let taken = self.db.query_row(find, [], |row| row.get::<_, i64>(0)).and_then(|found| {
            let sums = if found > 0 { TAKE_SUMS } else { "" };
            self.db.execute_batch(&TAKE.replace("SUMS", sums))
        });
        let taken = taken.at(other);
        self.db.execute_batch("DETACH DATABASE other").at(other)?;
        taken
    }

    /// Waits until no other judge, in this process or another, makes calls for the same file, so that the second finds the
    /// first one's answers and does not pay again. The lock is a file of its own, because readers need not wait.
    pub fn hold(&self) -> Result<Held> {
        let mut name = self.path.clone().into_os_string();
        name.push(".lock");
        let path = PathBuf::from(name);
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(&path).at(&path)?;
        match lock.lock() {
            Ok(()) => Ok(Held { _lock: Some(lock) }),
            // Some network file systems have no locks; one process alone pays nothing twice there either.
            Err(e) if e.kind() == std::io::ErrorKind::Unsupported => Ok(Held { _lock: None }),
            Err(e) => Err(e).at(&path),
        }
    }
}

fn sum_of(key: &Hash, answer: &str) -> Hash {
    hash_bytes(format!("{key}\n{answer}").as_bytes())
}

fn charge(db: &Connection, run: &str, key: &Hash, tokens: Tokens) -> rusqlite::Result<()> {
    let add = "INSERT INTO calls (run, key, input, output) VALUES (?1, ?2, ?3, ?4)";
    let numbers = (tokens.input.cast_signed(), tokens.output.cast_signed());
    db.prepare_cached(add)?.execute(params![run, key.as_str(), numbers.0, numbers.1]).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABEL: Label<'_> = Label { judge: "j", rubric: "evil" };

    #[test]
    fn an_answer_stays_and_each_run_has_its_bill() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/judge.sqlite");
        let (a, b, c) = (Hash::of("a"), Hash::of("b"), Hash::of("c"));
        let mut cache = Cache::open(&path, "first").unwrap();
        cache.put(&a, LABEL, &"A", Some(Tokens { input: 10, output: 1 })).unwrap();
        cache.charge(&b, Tokens { input: 5, output: 1 }).unwrap();
        cache.put(&c, LABEL, &"C", None).unwrap();
        // The first is still open; a second connection reads what it has committed.
        let second = Cache::open(&path, "second").unwrap();
        let kept = [&a, &b, &c].map(|key| second.get::<String>(key).unwrap());
        assert_eq!(kept, [Some("A".into()), None, Some("C".into())]);
        assert_eq!(cache.spent().unwrap(), Spent { calls: 2, tokens: Tokens { input: 15, output: 2 } });
        assert_eq!(second.spent().unwrap(), Spent::default());
    }

    #[test]
    fn an_altered_answer_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("judge.sqlite");
        let keys = ["a", "b", "c"].map(Hash::of);
        let mut cache = Cache::open(&path, "run").unwrap();
        keys.iter().for_each(|key| cache.put(key, LABEL, &60, None).unwrap());
        let alter = |text: &str, key: &Hash| {
            cache.db.execute("UPDATE answers SET answer = ?1 WHERE key = ?2", [text, key.as_str()]).unwrap();
        };
        alter("70", &keys[0]);
        alter("6", &keys[1]);
        assert_eq!(keys.each_ref().map(|key| cache.get::<u32>(key).unwrap()), [None, None, Some(60)]);
        assert!(cache.take_damage().unwrap().contains("judge.sqlite: answers in it are damaged (2)"));
        assert_eq!(cache.take_damage(), None);
        cache.put(&keys[0], LABEL, &60, None).unwrap();
        assert_eq!(cache.get::<u32>(&keys[0]).unwrap(), Some(60));
        // Of an earlier version.
        cache.db.execute_batch("DELETE FROM sums").unwrap();
        assert_eq!(cache.get::<u32>(&keys[1]).unwrap(), Some(6));
    }

    #[test]
    fn a_bill_with_impossible_numbers_heals() {
        let dir = tempfile::tempdir().unwrap();
        let mut cache = Cache::open(&dir.path().join("judge.sqlite"), "run").unwrap();
        for input in [i64::MAX.cast_unsigned(), i64::MAX.cast_unsigned(), u64::MAX, 5] {
            cache.charge(&Hash::of("a"), Tokens { input, output: 1 }).unwrap();
        }
        assert_eq!(cache.spent().unwrap(), Spent { calls: 4, tokens: Tokens { input: 5, output: 4 } });
    }

    #[test]
    fn another_files_answers_and_bill_are_taken_over_once() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (Hash::of("a"), Hash::of("b"));
        let mut own = Cache::open(&dir.path().join("own.sqlite"), "this run").unwrap();
        own.put(&a, LABEL, &"mine", Some(Tokens { input: 10, output: 1 })).unwrap();
        let path = dir.path().join("it's other.sqlite");
        let mut other = Cache::open(&path, "this run").unwrap();
        other.put(&a, LABEL, &"theirs", Some(Tokens { input: 10, output: 1 })).unwrap();
        other.put(&b, LABEL, &"B", Some(Tokens { input: 5, output: 2 })).unwrap();
        for _ in 0..2 {
            own.absorb(&path).unwrap();
            assert_eq!([&a, &b].map(|key| own.get::<String>(key).unwrap().unwrap()), ["mine", "B"]);
            assert_eq!(own.spent().unwrap(), Spent { calls: 2, tokens: Tokens { input: 15, output: 3 } });
        }
        std::fs::write(dir.path().join("none"), "x".repeat(5000)).unwrap();
        assert!(own.absorb(&dir.path().join("none")).is_err());
        own.absorb(&path).unwrap();
    }

    #[test]
    fn other_files_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (text, other) = (dir.path().join("notes.txt"), dir.path().join("other.sqlite"));
        std::fs::write(&text, "x".repeat(5000)).unwrap();
        Connection::open(&other).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
        for path in [&text, &other] {
            let before = std::fs::read(path).unwrap();
            let error = Cache::open(path, "").unwrap_err();
            assert!(error.help().unwrap().contains("--judge-cache"), "{error}");
            assert_eq!(std::fs::read(path).unwrap(), before);
        }
    }

    #[test]
    fn only_one_asks_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("judge.sqlite");
        let first = Cache::open(&path, "").unwrap();
        let held = first.hold().unwrap();
        let (tx, rx) = std::sync::mpsc::channel();
        let other = std::thread::spawn(move || {
            let cache = Cache::open(&path, "").unwrap();
            let _held = cache.hold().unwrap();
            tx.send(()).unwrap();
        });
        assert!(rx.recv_timeout(Duration::from_millis(200)).is_err());
        drop(held);
        rx.recv_timeout(Duration::from_secs(20)).unwrap();
        other.join().unwrap();
    }
}
