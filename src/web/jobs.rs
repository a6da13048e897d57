//! Work that takes longer than a request: vectors that are made while the server answers. One job works at a time; others wait.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::api_error::ApiError;
use super::open_requests::RequestGuard;
use super::runs::without_folders;
use crate::verbs::{Bar, Console};

const WAITING_MAX: usize = 8;
const KEPT: usize = 100;
const WARNINGS_MAX: usize = 50;

/// Who scores the answers that a vector is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JudgeChoice {
    /// The rules of the embedded world, for its own model.
    Harbor,
    /// VADER's lexicon; no key.
    Sentiment,
    /// The served model, by the number that it writes; no key.
    Local,
    /// The served model, by yes against no; no key, for small models.
    LocalYesNo,
    /// The paid judge, with the server's key.
    Openai,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Wanted {
    pub name: String,
    #[serde(rename = "trait")]
    pub trait_name: String,
    pub judge: JudgeChoice,
    /// What a paid judge may cost: calls, an amount, or both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<String>,
    pub quick: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Another one is at work.
    #[default]
    Queued,
    Running,
    Done,
    Failed,
    /// A client stopped it, or the server ended. The same request goes on with it.
    Stopped,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct JobStatus {
    pub state: JobState,
    pub stage: Option<String>,
    /// How far that is, 0 to 1.
    pub progress: Option<f64>,
    pub message: String,
    /// What the command line would have warned of.
    pub warnings: Vec<String>,
    /// The name of the vector, once requests may name it.
    pub vector: Option<String>,
    /// The run's id below `--runs`.
    pub run: Option<String>,
}

/// A job: a console to the work, and a view for clients.
#[derive(Debug)]
pub struct Job {
    pub id: usize,
    pub wanted: Wanted,
    status: Mutex<JobStatus>,
    stop: AtomicBool,
}

impl Job {
    pub fn status(&self) -> JobStatus {
        self.now().clone()
    }

    fn now(&self) -> MutexGuard<'_, JobStatus> {
        self.status.lock().expect("no thread panics with the lock")
    }

    /// Ends it, at once if it waits, else as soon as it can be gone on with.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        let mut now = self.now();
        if now.state == JobState::Queued {
            now.state = JobState::Stopped;
        }
    }

    pub fn is_over(&self) -> bool {
        !matches!(self.now().state, JobState::Queued | JobState::Running)
    }

    fn work(self: &Arc<Self>, make: impl FnOnce(&Arc<Self>) -> crate::Result<Made>) {
        {
            let mut now = self.now();
            if now.state != JobState::Queued {
                return;
            }
            now.state = JobState::Running;
        }
        let made = crate::guarded(|| make(self)).flatten();
        let mut now = self.now();
        (now.stage, now.progress) = (None, None);
        match made {
            Ok(Made { run, vector: Some(text) }) => {
                (now.state, now.run, now.vector) = (JobState::Done, run, Some(self.wanted.name.clone()));
                now.message = without_folders(&text);
                now.progress = Some(1.0);
            }
            Ok(Made { run, vector: None }) => (now.state, now.run) = (JobState::Stopped, run),
            Err(e) => {
                now.state = JobState::Failed;
                let hint = e.help().map_or_else(String::new, |hint| format!("; {hint}"));
                now.message = without_folders(&format!("{e}{hint}"));
            }
        }
    }
}

pub struct Made {
    /// The run's id below `--runs`.
    pub run: Option<String>,
    /// What there is to say of the vector; nothing if the job was stopped.
    pub vector: Option<String>,
}

pub struct JobConsole(pub Arc<Job>);

impl Console for JobConsole {
    fn say(&self, line: &str) {
        self.0.now().message = without_folders(line);
    }

    fn warn(&self, line: &str) {
        let warnings = &mut self.0.now().warnings;
        if warnings.len() < WARNINGS_MAX {
            warnings.push(without_folders(line));
        }
    }

    fn data(&self, _line: &str) {}

    fn bar(&self, what: &str, total: usize) -> Box<dyn Bar> {
        let mut now = self.0.now();
        (now.stage, now.progress) = (Some(what.to_owned()), Some(0.0));
        Box::new(JobBar { job: self.0.clone(), total })
    }

    fn interrupted(&self) -> bool {
        self.0.stop.load(Ordering::Relaxed)
    }
}

struct JobBar {
    job: Arc<Job>,
    total: usize,
}

impl Bar for JobBar {
    fn at(&mut self, done: usize, _note: &str) {
        self.job.now().progress = Some((done as f64 / self.total.max(1) as f64).min(1.0));
    }
}

#[derive(Debug)]
pub struct Jobs {
    kept: Mutex<VecDeque<Arc<Job>>>,
    number: AtomicUsize,
    inbox: SyncSender<Order>,
}

/// A job that waits; the server is not idle meanwhile.
pub struct Order {
    job: Arc<Job>,
    _guard: RequestGuard,
}

impl Jobs {
    /// No jobs yet, and where the worker takes them from.
    pub fn new() -> (Self, Receiver<Order>) {
        let (inbox, orders) = sync_channel(WAITING_MAX);
        (Self { kept: Mutex::default(), number: AtomicUsize::new(1), inbox }, orders)
    }

    pub fn add(&self, wanted: Wanted, guard: RequestGuard) -> Result<Arc<Job>, ApiError> {
        let mut kept = self.kept.lock().expect("no thread panics with the lock");
        if kept.iter().any(|job| job.wanted.name == wanted.name && !job.is_over()) {
            let what = format!("a vector `{}` is being made already", wanted.name);
            return Err(ApiError::new(StatusCode::CONFLICT, what).code("vector_exists"));
        }
        let id = self.number.fetch_add(1, Ordering::Relaxed);
        let job = Arc::new(Job { id, wanted, status: Mutex::default(), stop: AtomicBool::new(false) });
        match self.inbox.try_send(Order { job: job.clone(), _guard: guard }) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                let what = format!("{WAITING_MAX} jobs are waiting already");
                return Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, what).code("queue_full"));
            }
            Err(TrySendError::Disconnected(_)) => {
                return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "the server is ending"));
            }
        }
        kept.push_back(job.clone());
        if kept.len() > KEPT {
            kept.pop_front();
        }
        Ok(job)
    }

    pub fn get(&self, id: usize) -> Option<Arc<Job>> {
        self.all().into_iter().find(|job| job.id == id)
    }

    pub fn all(&self) -> Vec<Arc<Job>> {
        self.kept.lock().expect("no thread panics with the lock").iter().cloned().collect()
    }

    pub fn stop(&self) {
        self.all().iter().for_each(|job| job.stop());
    }
}

/// Works off what is ordered, until nothing more can be.
pub fn work_off(orders: &Receiver<Order>, mut make: impl FnMut(&Arc<Job>) -> crate::Result<Made>) {
    while let Ok(order) = orders.recv() {
        order.job.work(&mut make);
    }
}

#[cfg(test)]
mod tests {
    use super::super::open_requests::OpenRequests;
    use super::*;
    use crate::Error;

    fn wanted(name: &str) -> Wanted {
        Wanted { name: name.into(), trait_name: "evil".into(), judge: JudgeChoice::Harbor, budget: None, quick: true }
    }

    #[test]
    fn jobs_wait_work_fail_and_stop() {
        let open = Arc::new(OpenRequests::default());
        let (jobs, orders) = Jobs::new();
        let add = |name: &str| jobs.add(wanted(name), RequestGuard::new(&open));
        let [good, bad, gone] = ["good", "bad", "gone"].map(|name| add(name).unwrap());
        assert!(add("good").is_err(), "a name is made once at a time");
        gone.stop();
        for i in 3..WAITING_MAX {
            add(&format!("{i}")).unwrap().stop();
        }
        assert!(add("one too many").is_err());
        assert_eq!(open.count(), WAITING_MAX);
        let seen = good.clone();
        let work = move |job: &Arc<Job>| {
            let console = JobConsole(job.clone());
            console.warn("few answers in /a/b/c");
            console.bar("answers", 4).at(2, "");
            if job.wanted.name == "bad" {
                return Err(Error::new("no such file: /a/b/x").hint("give another"));
            }
            assert_eq!((seen.status().state, seen.status().progress), (JobState::Running, Some(0.5)));
            assert!(!console.interrupted());
            seen.stop();
            assert!(console.interrupted());
            Ok(Made { run: Some("extract/evil".into()), vector: Some("norms".into()) })
        };
        let Jobs { inbox, .. } = jobs;
        drop(inbox);
        work_off(&orders, work);
        let state = |job: &Job| (job.status().state, job.status().message, job.status().warnings);
        let warned = || vec!["few answers in …/c".to_owned()];
        assert_eq!(state(&good), (JobState::Done, "norms".into(), warned()));
        assert_eq!(state(&bad), (JobState::Failed, "no such file: …/x; give another".into(), warned()));
        assert_eq!(state(&gone), (JobState::Stopped, String::new(), Vec::new()));
        assert_eq!((good.status().vector.as_deref(), open.count()), (Some("good"), 0));
    }
}
