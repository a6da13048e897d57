//! How far a run is, read from its folder by a process that does not work in it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::folder::{RunPlace, folders, is_file, read_text, stamp};
use super::kind::{RunConfig, RunKind};
use super::paths::without_folders;
use crate::record::is_held;
use crate::study::{self, State, TaskReport};

/// Where locks say nothing, a run whose files were written within so many seconds is taken to be at work.
const RECENT: f64 = 600.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// A process is at work in the folder.
    Running,
    /// It was begun, and no process is at work in it.
    Interrupted,
    Done,
    /// A part of it ended in an error, and no process is at work in it.
    Failed,
    /// The file system has no locks, and nothing was written lately.
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunStatus {
    pub id: String,
    pub kind: RunKind,
    pub model: Option<String>,
    #[serde(rename = "trait")]
    pub trait_name: Option<String>,
    pub command: String,
    pub stage: Option<String>,
    /// How far it is, 0 to 1.
    pub progress: Option<f64>,
    pub state: RunState,
    /// When it was begun, in seconds since 1970.
    pub started: Option<u64>,
    /// When something was written to it last.
    pub updated: Option<u64>,
    pub seconds_left: Option<u64>,
    pub has_report: bool,
    pub has_results: bool,
}

/// How far runs were when they were first seen at work, from which their speed is known.
#[derive(Debug, Default)]
pub struct Watch {
    seen: Mutex<HashMap<String, (f64, f64)>>,
    /// Pieces of work in a file, by its path, length and time.
    counted: Mutex<HashMap<PathBuf, (u64, u64, u64)>>,
}

#[derive(Default)]
struct Extent {
    stage: Option<String>,
    progress: Option<f64>,
    at_work: Option<bool>,
    failed: bool,
    done: bool,
}

impl Watch {
    pub fn status(&self, run: &RunPlace, config: &RunConfig) -> RunStatus {
        let path = &run.path;
        let extent = if config.kind.is_study() { of_study(path) } else { self.of_files(path, config) };
        let written = newest(path);
        let now = seconds();
        let held = if is_file(&path.join(".lock")) { is_held(&path.join(".lock")) } else { Some(false) };
        let at_work = match (held, extent.at_work) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), _) => Some(false),
            (None, _) => None,
        };
        let is_recent = written.is_some_and(|written| now - (written as f64) < RECENT);
        let state = match at_work {
            Some(true) => RunState::Running,
            _ if extent.done => RunState::Done,
            _ if extent.failed => RunState::Failed,
            Some(false) => RunState::Interrupted,
            None if is_recent => RunState::Running,
            None => RunState::Unknown,
        };
        let progress = if state == RunState::Done { Some(1.0) } else { extent.progress };
        let started = stamp(&path.join(".lock")).map(|(_, written)| written);
        let has = |name: &str| is_file(&path.join(name));
        RunStatus {
            id: run.id.clone(),
            kind: config.kind,
            model: config.model(),
            trait_name: config.trait_name().map(str::to_owned),
            command: config.command(run),
            stage: extent.stage.filter(|_| state != RunState::Done).map(|stage| without_folders(&stage)),
            progress,
            state,
            started,
            updated: written,
            seconds_left: self.left(run, state, progress, started),
            has_report: has("report.html"),
            has_results: has("results.json") && (config.kind.is_study() || config.kind == RunKind::Layers),
        }
    }

    /// Seconds to the end: at the speed since it was first seen at work, else since its beginning.
    fn left(&self, run: &RunPlace, state: RunState, progress: Option<f64>, started: Option<u64>) -> Option<u64> {
        let mut seen = self.seen.lock().expect("no thread panics with the lock");
        let Some(progress) = progress.filter(|_| state == RunState::Running) else {
            seen.remove(&run.id);
            return None;
        };
        let now = seconds();
        let first = *seen.entry(run.id.clone()).or_insert((progress, now));
        // A run that begins anew is behind what was seen.
        if first.0 > progress {
            seen.insert(run.id.clone(), (progress, now));
        }
        let since = |done: f64, then: f64| {
            let speed = (progress - done) / (now - then);
            let left = (1.0 - progress) / speed;
            (speed > 0.0 && left.is_finite()).then_some(left.round() as u64)
        };
        since(first.0, first.1).or_else(|| since(0.0, started? as f64))
    }

    /// The extent of a run of one command, from the files that it leaves.
    fn of_files(&self, path: &Path, config: &RunConfig) -> Extent {
        let results = config.kind.results();
        let mut done = !results.is_empty() && results.iter().all(|name| is_file(&path.join(name)));
        let share = |some: u64, all: Option<u64>| Some((some as f64 / all.filter(|all| *all > 0)? as f64).min(1.0));
        let (stage, progress) = match config.kind {
            RunKind::Extract => {
                let files = ["pos", "neg"].map(|side| path.join("answers").join(format!("{side}.jsonl")));
                let given: u64 = files.iter().map(|file| self.count(file, b"\"question_id\":")).sum();
                let all = config.answers();
                let stage = if all.is_some_and(|all| given >= all) {
                    "judging and averaging".to_owned()
                } else {
                    of_all(given, all, "answers")
                };
                (Some(stage), share(given, all))
            }
            RunKind::Layers => {
                let given = self.count(&path.join("answers.jsonl"), b"\n");
                (Some(of_all(given, config.answers(), "answers")), share(given, config.answers()))
            }
            RunKind::Train => {
                let step = last_row(&path.join("metrics.jsonl")).and_then(|row| row["step"].as_u64()).unwrap_or(0);
                let all = steps_of(path).or_else(|| config.steps());
                (Some(format!("step {}", of_all(step, all, "")).trim_end().to_owned()), share(step, all))
            }
            _ => (None, None),
        };
        if config.kind == RunKind::Other {
            done = ["report.html", "results.json"].iter().any(|name| is_file(&path.join(name)));
        }
        Extent { stage, progress, done, ..Extent::default() }
    }

    /// How often the words stand in a file that grows; what was counted is remembered.
    fn count(&self, path: &Path, words: &[u8]) -> u64 {
        let Some((length, written)) = stamp(path) else { return 0 };
        if let Some(&(l, w, count)) = self.counted.lock().expect("no thread panics with the lock").get(path)
            && (l, w) == (length, written)
        {
            return count;
        }
        let count = occurrences(path, words).unwrap_or(0);
        self.counted.lock().expect("no thread panics with the lock").insert(path.to_owned(), (length, written, count));
        count
    }
}

fn seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

fn of_all(some: u64, all: Option<u64>, what: &str) -> String {
    all.map_or_else(|| format!("{some} {what}"), |all| format!("{some} of {all} {what}"))
}

/// The extent of a study: its tasks, each counting as much as any other.
fn of_study(path: &Path) -> Extent {
    let Ok(tasks) = study::status(path) else {
        return Extent { done: is_file(&path.join("results.json")), ..Extent::default() };
    };
    let is = |task: &TaskReport, state: State| task.state == state;
    let part = |task: &TaskReport| match task.state {
        State::Done => 1.0,
        State::UnderWay | State::Interrupted => task
            .steps
            .map_or(task.part, |(done, all)| Some(done as f64 / all.max(1) as f64))
            .unwrap_or(0.0)
            .clamp(0.0, 1.0),
        _ => 0.0,
    };
    let under_way: Vec<&TaskReport> = tasks.iter().filter(|task| is(task, State::UnderWay)).collect();
    let done = tasks.iter().filter(|task| is(task, State::Done)).count();
    let now = under_way.first().map_or_else(String::new, |task| {
        let phase = task.phase.as_deref().map_or_else(String::new, |phase| format!(", {phase}"));
        let more = if under_way.len() > 1 { format!(" and {} more", under_way.len() - 1) } else { String::new() };
        format!(": {}{phase}{more}", task.label)
    });
    Extent {
        stage: Some(format!("{done} of {} tasks{now}", tasks.len())),
        progress: (!tasks.is_empty()).then(|| tasks.iter().map(part).sum::<f64>() / tasks.len() as f64),
        // Several processes share the folder's lock, and each has its own task's.
        at_work: (!under_way.is_empty()).then_some(true),
        failed: tasks.iter().any(|task| is(task, State::Failed)),
        // Another version of the program counts its tasks' settings in another way; its results stand.
        done: tasks.iter().all(|task| is(task, State::Done) || is(task, State::Stale))
            && is_file(&path.join("results.json")),
    }
}

fn occurrences(path: &Path, words: &[u8]) -> Option<u64> {
    let mut file = BufReader::new(File::open(path).ok()?);
    let (mut piece, mut kept, mut count) = (vec![0; 1 << 20], Vec::new(), 0);
    loop {
        let n = file.read(&mut piece).ok()?;
        if n == 0 {
            return Some(count);
        }
        kept.extend_from_slice(&piece[..n]);
        count += kept.windows(words.len()).filter(|found| found == &words).count() as u64;
        // Words across two pieces are found with the next one.
        kept.drain(..kept.len().saturating_sub(words.len() - 1));
    }
}

/// Steps that a finetune takes, as its lock says.
fn steps_of(path: &Path) -> Option<u64> {
    let lock: serde_json::Value = serde_json::from_str(&read_text(&path.join("lock.json"))?).ok()?;
    lock["notes"]["steps"].as_str()?.parse().ok()
}

pub fn last_row(path: &Path) -> Option<serde_json::Value> {
    read_text(path)?.lines().rev().find_map(|line| serde_json::from_str(line).ok())
}

/// When something was last written to the folder, to the folders in it, or to those in them.
fn newest(path: &Path) -> Option<u64> {
    let own = |folder: &Path| -> Option<u64> {
        let files = std::fs::read_dir(folder).ok()?.flatten();
        files.filter(|entry| entry.file_name() != ".lock").filter_map(|entry| Some(stamp(&entry.path())?.1)).max()
    };
    let inner = |folder: &Path| folders(folder).into_iter().map(|(_, path)| path);
    let of = |folder: PathBuf| own(&folder).max(inner(&folder).filter_map(|folder| own(&folder)).max());
    own(path).max(inner(path).filter_map(of).max())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::record::RunDir;

    #[test]
    fn a_finetune_is_followed_from_its_files() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_owned();
        let run = RunPlace { id: "a".into(), path: path.clone() };
        fs::write(path.join("run.toml"), "training_file = \"a\"\nmax_steps = 10\n").unwrap();
        fs::write(path.join("metrics.jsonl"), "{\"step\":1}\n{\"step\":4}\n{\"ste").unwrap();
        let config = RunConfig::read(&path).unwrap();
        let watch = Watch::default();
        let held = RunDir::open(&path).unwrap();
        let status = watch.status(&run, &config);
        assert_eq!((status.state, status.progress), (RunState::Running, Some(0.4)));
        assert_eq!(status.stage.as_deref(), Some("step 4 of 10"));
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::write(path.join("metrics.jsonl"), "{\"step\":9}\n").unwrap();
        let left = watch.status(&run, &config).seconds_left;
        assert_eq!(left, Some(0), "at the speed that was seen");
        drop(held);
        assert_eq!(watch.status(&run, &config).state, RunState::Interrupted);
        fs::create_dir(path.join("adapter")).unwrap();
        fs::write(path.join("adapter/adapter_model.safetensors"), "").unwrap();
        let status = watch.status(&run, &config);
        assert_eq!((status.state, status.progress, status.seconds_left), (RunState::Done, Some(1.0), None));
    }

    #[test]
    fn words_are_counted_across_pieces() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, "\"question_id\":1".repeat(200_000)).unwrap();
        assert_eq!(occurrences(&path, b"\"question_id\":"), Some(200_000));
        fs::write(&path, "a\n\nb\n").unwrap();
        assert_eq!(occurrences(&path, b"\n"), Some(3));
    }
}
