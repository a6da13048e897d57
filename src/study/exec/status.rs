//! How far a study is, read from its folder by a process that does not work in it. Others may be writing meanwhile.

use std::path::Path;

use serde::Serialize;

use super::progress::{Recorded, TaskStatus, now, settings_hash};
use crate::record::{Hash, is_held};
use crate::study::config::StudyConfig;
use crate::study::dag::{Task, tasks};
use crate::{Error, Result};

/// The state of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Done, with these settings.
    Done,
    /// A process is at work on it.
    UnderWay,
    /// It has not begun.
    Waiting,
    /// Begun by a process that is gone; it goes on in the next run.
    Interrupted,
    /// It ended in an error.
    Failed,
    /// Worked out with other settings; the next run says whether that holds.
    Stale,
}

impl State {
    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::UnderWay => "under way",
            Self::Waiting => "waiting",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
            Self::Stale => "stale",
        }
    }
}

/// A task, seen from outside.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaskReport {
    /// Its name.
    pub name: String,
    /// Its label in reports.
    pub label: String,
    /// Its state.
    pub state: State,
    /// What is being done.
    pub phase: Option<String>,
    /// How far that is, 0 to 1.
    pub part: Option<f64>,
    /// Steps taken and to take, while it trains.
    pub steps: Option<(usize, usize)>,
    /// Loss of the last of them, nats.
    pub loss: Option<f64>,
    /// When it was begun, in seconds since 1970.
    pub since: Option<u64>,
    /// For how many seconds it has been under way, or how long it took.
    pub seconds: Option<u64>,
    /// Why it failed.
    pub error: Option<String>,
}

/// Reads how far the study in a folder is, task by task in the order of the work.
///
/// # Errors
/// A folder that holds no study.
pub fn status(out: &Path) -> Result<Vec<TaskReport>> {
    let path = out.join("run.toml");
    if !path.is_file() {
        return Err(Error::usage("there is no study in this folder: `run.toml` is missing")
            .at(out.display())
            .hint("name the folder that `trimtab study ... --out` was given"));
    }
    let config = StudyConfig::read(&path)?;
    // One process has the whole folder, or several have a task each.
    let whole = is_held(&out.join(".lock"));
    let tasks = tasks(&config);
    let mut seen: Vec<TaskReport> = tasks.iter().map(|task| status_of(out, task, &config, whole)).collect();
    for (i, task) in tasks.iter().enumerate() {
        // Claimed by a process that is still at what goes before.
        let is_early = seen[i].since.is_none() && task.after.iter().any(|&j| seen[j].state != State::Done);
        if seen[i].state == State::UnderWay && is_early {
            seen[i].state = State::Waiting;
        }
    }
    Ok(seen)
}

fn status_of(out: &Path, task: &Task, config: &StudyConfig, whole: Option<bool>) -> TaskReport {
    // Earlier versions recorded a hash of the whole configuration.
    let settings = [settings_hash(config, task), Hash::of(config)];
    let status = TaskStatus::read(out, &task.name);
    let held = is_held(&out.join(format!("work/{}.lock", task.name)));
    let is_alive =
        |status: &TaskStatus| held.zip(whole).map_or_else(|| is_recent(status), |(task, whole)| task || whole);
    let state = match &status {
        None if held == Some(true) => State::UnderWay,
        None if has_stage(out, task) => State::Stale,
        None => State::Waiting,
        Some(status) => match status.recorded {
            Recorded::Begun if is_alive(status) => State::UnderWay,
            _ if held == Some(true) => State::UnderWay,
            Recorded::Done if settings.contains(&status.settings) => State::Done,
            Recorded::Done => State::Stale,
            Recorded::Failed if settings.contains(&status.settings) => State::Failed,
            Recorded::Begun => State::Interrupted,
            Recorded::Failed => State::Waiting,
        },
    };
    let shown = status.filter(|_| !matches!(state, State::Waiting | State::Stale));
    let of = |get: fn(&TaskStatus) -> Option<f64>| shown.as_ref().and_then(get);
    TaskReport {
        name: task.name.clone(),
        label: task.label.clone(),
        state,
        phase: shown.as_ref().and_then(|status| status.phase.clone()),
        part: of(|status| status.part),
        steps: shown.as_ref().and_then(|status| status.steps),
        loss: of(|status| status.loss),
        since: shown.as_ref().map(|status| status.since),
        seconds: match state {
            State::UnderWay => shown.as_ref().map(|status| now().saturating_sub(status.since)),
            State::Done => shown.as_ref().map(|status| status.written.saturating_sub(status.since)),
            _ => None,
        },
        error: shown.and_then(|status| status.error),
    }
}

/// Where locks say nothing, a process that has recorded progress within ten minutes is taken to be alive.
fn is_recent(status: &TaskStatus) -> bool {
    now().saturating_sub(status.written) < 600
}

/// Whether an earlier version of the program, or a run whose records are lost, has left the task's stage.
fn has_stage(out: &Path, task: &Task) -> bool {
    let stage = |prefix: &str| out.join(format!("stages/{prefix}{}.json", task.name)).is_file();
    stage("") || stage("measure-")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::harbor::World;
    use crate::record::RunDir;
    use crate::study::config::demo_config;
    use crate::study::exec::progress::ProgressStore;
    use crate::study::steps::{Event, Phase};

    #[test]
    fn a_folder_says_how_far_each_task_is() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = demo_config(Path::new("tests/fixtures/tiny"), &World::new(0), true, 5);
        let tasks = tasks(&config);
        let run = RunDir::join(dir.path()).unwrap();
        assert!(status(dir.path()).unwrap_err().to_string().contains("`run.toml` is missing"));
        run.write_config(&config).unwrap();
        let store = ProgressStore::new(&run, &tasks, &config);
        let training =
            |task| Event::Progress { task, phase: Phase::Training, done: 0.25, loss: Some(1.5), steps: Some((3, 12)) };
        store.on_event(&Event::Finished { task: 0, reused: false });
        let claim = run.claim(&tasks[1].name, Duration::ZERO).unwrap();
        store.on_event(&training(1));
        store.on_event(&training(2));
        store.failed(3, &Error::new("the loss is NaN"));
        run.stage(&format!("measure-{}", tasks[4].name), &Hash::of("x"), || Ok(1)).unwrap();

        let states = |n: usize| status(dir.path()).unwrap()[..n].iter().map(|s| s.state).collect::<Vec<_>>();
        let then = [State::Done, State::UnderWay, State::Interrupted, State::Failed, State::Stale, State::Waiting];
        assert_eq!(states(6), then);
        let seen = status(dir.path()).unwrap();
        assert_eq!(
            (seen[1].steps, seen[1].loss, seen[1].phase.as_deref()),
            (Some((3, 12)), Some(1.5), Some("training"))
        );
        assert_eq!(seen[3].error.as_deref(), Some("the loss is NaN"));

        // Another arm leaves alone what is there.
        config.arms.preventative.push(7.0);
        run.write_config(&config).unwrap();
        let seen = status(dir.path()).unwrap();
        let of = |name: &str| seen.iter().find(|s| s.name == name).unwrap().state;
        assert_eq!((of(&tasks[0].name), of(&tasks[3].name)), (State::Done, State::Failed));

        drop(claim);
        config.vector.rollouts += 1;
        config.train.epochs += 1;
        run.write_config(&config).unwrap();
        assert_eq!(states(4), [State::Stale, State::Interrupted, State::Interrupted, State::Waiting]);
        drop(run);
        // One process that has the whole folder works on what has been begun.
        let _alone = RunDir::open(dir.path()).unwrap();
        assert_eq!(states(3), [State::Stale, State::UnderWay, State::UnderWay]);
    }
}
