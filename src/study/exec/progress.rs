//! The progress of each task, written to `work/<task>.json` for those who look from outside. Results never depend on it.

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use crate::record::{Hash, RunDir, create_folder};
use crate::study::config::{
    ArmSettings, CorpusConfig, CorpusSource, FACTS_CORPUS, MeasureSettings, OwnArm, StudyConfig,
};
use crate::study::dag::{ArmNaming, Task, TaskKind, Treatment};
use crate::study::steps::Event;

/// How far a task was when that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Recorded {
    /// A process began it.
    Begun,
    /// It is done.
    Done,
    /// It ended in an error.
    Failed,
}

/// What a process writes of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct TaskStatus {
    #[serde(rename = "standing")]
    pub recorded: Recorded,
    /// Hash of the configuration under which that holds.
    pub settings: Hash,
    /// When the work began, in seconds since 1970.
    pub since: u64,
    /// When this was written.
    #[serde(rename = "told")]
    pub written: u64,
    /// What was being done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// How far that was, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<f64>,
    /// Steps taken and to take, while it trains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<(usize, usize)>,
    /// Loss of the last of them, nats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl TaskStatus {
    fn new(recorded: Recorded, settings: &Hash, since: u64) -> Self {
        let (settings, written) = (settings.clone(), now());
        Self { recorded, settings, since, written, phase: None, part: None, steps: None, loss: None, error: None }
    }

    /// What was written of a task, if it can be read.
    pub fn read(out: &Path, task: &str) -> Option<Self> {
        serde_json::from_slice(&fs::read(out.join(file(task))).ok()?).ok()
    }
}

fn file(task: &str) -> String {
    format!("work/{task}.json")
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Identifies the settings under which a task is done: those that can matter to it, so that another arm, seed or data set leaves it
/// as it is.
pub(super) fn settings_hash(config: &StudyConfig, task: &Task) -> Hash {
    let mut of = config.clone();
    let prepares = matches!(task.kind, TaskKind::Rollouts(_) | TaskKind::Vector);
    of.arms = ArmSettings { layer: config.arms.layer, ..ArmSettings::none() };
    match task.kind {
        TaskKind::Inference => of.arms.inference.clone_from(&config.arms.inference),
        TaskKind::BaseSteered => of.arms.base_steered.clone_from(&config.arms.base_steered),
        _ => {}
    }
    // A coefficient, a trait and a data set are in the task's name.
    of.own = match task.kind {
        TaskKind::Finetune(Treatment::Own(place, _)) => {
            config.own.get(place).map(|own| OwnArm { coefs: Vec::new(), ..own.clone() }).into_iter().collect()
        }
        _ => Vec::new(),
    };
    of.seeds = task.seed.into_iter().collect();
    of.audit = config.audit.clone().filter(|_| task.kind == TaskKind::Audit);
    if prepares || matches!(task.kind, TaskKind::BaseSteered) {
        (of.facts, of.data) = (None, Vec::new());
    } else if let Some(name) = task.corpus.map(|corpus| ArmNaming::of(config).corpora[corpus].0.to_owned()) {
        // What the model says itself depends on whose prompts it answers.
        let of_corpus = |name: &str| config.data.iter().find(|c| c.name == name);
        let source = of_corpus(&name).and_then(|c| match &c.from {
            CorpusSource::Selfgen { of, .. } => Some(of.as_str()),
            _ => None,
        });
        // What is held out of the neutral set is measured too.
        let neutral = of_corpus(&name).and_then(|c| c.neutral.as_deref());
        let needed = [Some(name.as_str()), source, neutral].into_iter().flatten();
        of.facts = config.facts.clone().filter(|_| needed.clone().any(|name| name == FACTS_CORPUS));
        let plain = |c: &CorpusConfig| CorpusConfig { arms: None, seeds: None, ..c.clone() };
        of.data = needed.filter_map(of_corpus).map(plain).collect();
    }
    if prepares {
        (of.measure, of.watch) = (MeasureSettings::default(), None);
    }
    Hash::of(&(&of, &task.name))
}

/// Writes the progress of the tasks that this process does.
pub(super) struct ProgressStore<'a> {
    run: &'a RunDir,
    tasks: &'a [Task],
    /// The hash of each task's settings.
    settings: Vec<Hash>,
    /// Of each task under way: when it began, and when that was last written.
    under_way: Mutex<Vec<Option<(u64, Instant)>>>,
}

impl<'a> ProgressStore<'a> {
    pub fn new(run: &'a RunDir, tasks: &'a [Task], config: &StudyConfig) -> Self {
        let _ = create_folder(&run.file("work"));
        let settings = tasks.iter().map(|task| settings_hash(config, task)).collect();
        Self { run, tasks, settings, under_way: Mutex::new(vec![None; tasks.len()]) }
    }

    /// Records an event.
    pub fn on_event(&self, event: &Event<'_>) {
        /// Between two records of one task.
        const PAUSE: Duration = Duration::from_secs(3);
        match *event {
            Event::Progress { task, phase, done, loss, steps } => {
                let Some(since) = self.due(task, PAUSE) else { return };
                let status = TaskStatus::new(Recorded::Begun, &self.settings[task], since);
                self.write(
                    task,
                    &TaskStatus { phase: Some(phase.to_string()), part: Some(done), loss, steps, ..status },
                );
            }
            Event::Finished { task, reused } => {
                let since = self.began(task);
                let known = TaskStatus::read(self.run.path(), &self.tasks[task].name);
                let stands = known.is_some_and(|s| s.recorded == Recorded::Done && s.settings == self.settings[task]);
                if !(reused && stands) {
                    self.write(task, &TaskStatus::new(Recorded::Done, &self.settings[task], since));
                }
            }
            Event::Planned(..) | Event::Shard(..) | Event::Damaged(_) => {}
        }
    }

    /// Records that a task ended in an error.
    pub fn failed(&self, task: usize, why: &crate::Error) {
        let status = TaskStatus::new(Recorded::Failed, &self.settings[task], self.began(task));
        self.write(task, &TaskStatus { error: Some(why.to_string()), ..status });
    }

    /// When a task began, if it is time to record it.
    fn due(&self, task: usize, pause: Duration) -> Option<u64> {
        let mut under_way = self.under_way.lock().ok()?;
        let since = match under_way[task] {
            Some((_, written)) if written.elapsed() < pause => return None,
            Some((since, _)) => since,
            None => now(),
        };
        under_way[task] = Some((since, Instant::now()));
        Some(since)
    }

    fn began(&self, task: usize) -> u64 {
        let begun = self.under_way.lock().ok().and_then(|under_way| under_way[task]);
        begun.map_or_else(now, |(since, _)| since)
    }

    fn write(&self, task: usize, status: &TaskStatus) {
        // A disk that takes no record takes no results either, and those say so.
        let _ = self.run.write_json(file(&self.tasks[task].name), status);
    }
}
