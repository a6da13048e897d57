//! Trackio's database, `{project}.db` in TRACKIO_DIR, in the layout of its version 2 (Trackio 0.24 and later; a run has an id
//! besides its name). Trackio makes what tables we leave out when it opens the file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, params};
use serde_json::{Map, Value};

use super::tracking::Tracking;
use crate::record::atomic::create_folder;
use crate::{At, Error, Result};

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS metrics (
        id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, timestamp TEXT NOT NULL, run_name TEXT NOT NULL,
        step INTEGER NOT NULL, metrics TEXT NOT NULL, log_id TEXT, space_id TEXT);
    CREATE TABLE IF NOT EXISTS configs (
        id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, run_name TEXT NOT NULL, config TEXT NOT NULL,
        created_at TEXT NOT NULL, UNIQUE(run_id));
    CREATE INDEX IF NOT EXISTS idx_metrics_run_step ON metrics(run_id, step);
    CREATE UNIQUE INDEX IF NOT EXISTS idx_metrics_log_id ON metrics(log_id) WHERE log_id IS NOT NULL;";

/// Now, as Python's `isoformat` writes it.
const NOW: &str = "strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')";

/// A run in a project's database.
#[derive(Debug)]
pub(super) struct TrackioRun {
    db: Connection,
    path: PathBuf,
    id: String,
    name: String,
}

impl TrackioRun {
    /// Opens or creates the project's database, enters the run and drops its rows after step `after`.
    pub(super) fn open(folder: &Path, tracking: &Tracking, name: String, after: usize) -> Result<Self> {
        create_folder(folder)?;
        let path = folder.join(format!("{}.db", file_name(&tracking.project)));
        let db = Connection::open(&path).at(&path)?;
        let run = Self { db, path, id: tracking.id.clone(), name };
        run.prepare().at(&run.path)?;
        if !run.has_run_ids().at(&run.path)? {
            return Err(Error::new("this database is of a Trackio before 0.24, which knows runs by name alone")
                .at(run.path.display())
                .hint("open it once with a newer Trackio, which converts it, or choose another `trackio_project`"));
        }
        run.enter(&tracking.config, after).at(&run.path)?;
        Ok(run)
    }

    fn prepare(&self) -> rusqlite::Result<()> {
        // A dashboard reads while we write; other runs write, too.
        self.db.busy_timeout(Duration::from_secs(30))?;
        self.db.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")?;
        match self.db.table_exists(None, "metrics")? && !self.has_run_ids()? {
            true => Ok(()),
            false => self.db.execute_batch(TABLES),
        }
    }

    fn has_run_ids(&self) -> rusqlite::Result<bool> {
        self.db.column_exists(None, "metrics", "run_id")
    }

    fn enter(&self, config: &Value, after: usize) -> rusqlite::Result<()> {
        let sql =
            format!("INSERT OR REPLACE INTO configs (run_id, run_name, config, created_at) VALUES (?1, ?2, ?3, {NOW})");
        self.db.execute(&sql, params![self.id, self.name, config.to_string()])?;
        let sql = "DELETE FROM metrics WHERE run_id = ?1 AND step > ?2";
        self.db.execute(sql, params![self.id, after as i64]).map(drop)
    }

    /// Enters a step's numbers; a step that is there already is replaced.
    pub(super) fn write(&mut self, step: usize, scalars: &[(String, f64)]) -> Result<()> {
        let metrics: Map<String, Value> =
            scalars.iter().map(|(name, number)| (name.clone(), Value::from(*number))).collect();
        // The same step of the same run has the same id, so that a resumed run replaces it.
        let log_id = format!("{}-{step}", self.id);
        let sql = format!(
            "INSERT OR REPLACE INTO metrics (run_id, timestamp, run_name, step, metrics, log_id) \
             VALUES (?1, {NOW}, ?2, ?3, ?4, ?5)"
        );
        let row = params![self.id, self.name, step as i64, Value::from(metrics).to_string(), log_id];
        self.db.execute(&sql, row).map(drop).at(&self.path)
    }
}

/// A project's name as Trackio writes it in file names: letters, digits, `-` and `_`.
fn file_name(project: &str) -> String {
    let safe: String = project.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect();
    if safe.is_empty() { "default".to_owned() } else { safe }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::record::track::Tracker;

    fn tracking(folder: &Path, id: &str) -> Tracking {
        Tracking {
            trackers: vec![Tracker::Trackio],
            folder: folder.join("run"),
            trackio: Some(folder.to_owned()),
            project: "my.project".into(),
            id: id.into(),
            config: json!({ "r": 32 }),
        }
    }

    fn steps(run: &TrackioRun) -> Vec<i64> {
        let mut rows = run.db.prepare("SELECT step FROM metrics WHERE run_id = ?1 ORDER BY step").unwrap();
        rows.query_map([&run.id], |row| row.get(0)).unwrap().map(|step| step.unwrap()).collect()
    }

    #[test]
    fn a_resumed_run_has_every_step_once_and_leaves_others_alone() {
        let dir = tempfile::tempdir().unwrap();
        let open =
            |id: &str, after| TrackioRun::open(dir.path(), &tracking(dir.path(), id), "run".into(), after).unwrap();
        let (mut one, mut other) = (open("one", 0), open("other", 0));
        for step in 1..=4 {
            one.write(step, &[("loss".into(), 1.0)]).unwrap();
            other.write(step, &[("loss".into(), 2.0)]).unwrap();
        }
        one.write(4, &[("loss".into(), 0.5)]).unwrap();
        assert_eq!(steps(&one), [1, 2, 3, 4]);
        let one = open("one", 2);
        assert_eq!((steps(&one), steps(&other)), (vec![1, 2], vec![1, 2, 3, 4]));
        let metrics: String = one.db.query_row("SELECT metrics FROM metrics LIMIT 1", [], |row| row.get(0)).unwrap();
        assert_eq!(metrics, r#"{"loss":1.0}"#);
        assert!(dir.path().join("myproject.db").is_file());
    }

    #[test]
    fn a_database_of_an_older_trackio_is_refused_untouched() {
        let dir = tempfile::tempdir().unwrap();
        let old = Connection::open(dir.path().join("myproject.db")).unwrap();
        old.execute_batch(
            "CREATE TABLE metrics (id INTEGER PRIMARY KEY, timestamp TEXT, run_name TEXT, step INTEGER, metrics TEXT)",
        )
        .unwrap();
        let error = TrackioRun::open(dir.path(), &tracking(dir.path(), "one"), "run".into(), 0).unwrap_err();
        assert!(error.to_string().contains("before 0.24"), "{error}");
        assert!(!old.table_exists(None, "configs").unwrap());
    }
}
