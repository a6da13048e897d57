//! How many requests wait for an answer, and since when none does.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::Request;

use super::access::Client;
use super::connections::Working;

#[derive(Debug)]
pub struct OpenRequests {
    count: AtomicUsize,
    /// When the last one was answered.
    last: Mutex<Instant>,
}

impl Default for OpenRequests {
    fn default() -> Self {
        Self { count: AtomicUsize::new(0), last: Mutex::new(Instant::now()) }
    }
}

impl OpenRequests {
    pub fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// For how long there has been none, if there is none.
    pub fn idle(&self) -> Option<Duration> {
        (self.count() == 0).then(|| self.last.lock().expect("a clock is never left broken").elapsed())
    }
}

/// A request that waits for an answer as long as this lives.
pub struct RequestGuard {
    open: Arc<OpenRequests>,
    pub client: Client,
    _working: Option<Arc<Working>>,
}

impl RequestGuard {
    /// One more; its connection works as long.
    pub fn of(open: &Arc<OpenRequests>, request: &Request) -> Self {
        let mut guard = Self::new(open);
        guard.client = request.extensions().get::<Client>().copied().unwrap_or_default();
        guard._working = request.extensions().get::<Arc<Working>>().cloned();
        guard
    }

    pub fn new(open: &Arc<OpenRequests>) -> Self {
        open.count.fetch_add(1, Ordering::SeqCst);
        Self { open: open.clone(), client: Client::default(), _working: None }
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        *self.open.last.lock().expect("a clock is never left broken") = Instant::now();
        self.open.count.fetch_sub(1, Ordering::SeqCst);
    }
}
