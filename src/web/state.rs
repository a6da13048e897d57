//! What every connection knows, and how it hands a question to the model's thread.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, OnceLock};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use axum::http::StatusCode;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::access::Client;
use super::api_error::ApiError;
use super::batch::{Asked, Said};
use super::jobs::Jobs;
use super::making::Making;
use super::meter::{Meter, TokenLimits};
use super::open_requests::OpenRequests;
use super::reply::Frame;
use super::request::{Kind, Question};
use super::runs::Runs;
use super::served::Served;
use super::ticket::Tickets;
use crate::record::hash_bytes;
use crate::{Error, Result};

/// Requests that may wait; the next one is asked to come again.
pub const QUEUE_MAX: usize = 512;

pub struct AppState {
    pub served: Arc<Served>,
    pub device: String,
    pub started: SystemTime,
    pub open: Arc<OpenRequests>,
    pub runs: Option<Arc<Runs>>,
    pub jobs: Jobs,
    pub making: Arc<Making>,
    pub tickets: Tickets,
    /// Mean norm of the residual stream by layer from 1, once the model is loaded.
    pub residual_norms: OnceLock<Vec<f64>>,
    pub limits: TokenLimits,
    /// One for each key.
    pub meters: Vec<Arc<Meter>>,
    pub inbox: SyncSender<Asked>,
    /// Number random answers by the order of the requests, so that a seeded server says the same again.
    pub seeded: bool,
    pub total: AtomicUsize,
}

impl AppState {
    pub fn total(&self) -> usize {
        self.total.load(Ordering::Relaxed)
    }

    /// Seconds since 1970 at which the server began.
    pub fn created(&self) -> u64 {
        self.started.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
    }

    fn id(&self, kind: Kind, number: usize) -> String {
        let started = self.started.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let unique = format!("{} {started} {number}", std::process::id());
        let begin = match kind {
            Kind::Chat => "chatcmpl",
            Kind::Text => "cmpl",
        };
        format!("{begin}-{}", hash_bytes(unique.as_bytes()).short())
    }

    /// Puts a question into the queue; its answer comes through the receiver.
    pub fn ask(&self, question: Question, client: Client) -> Result<(Frame, UnboundedReceiver<Said>), ApiError> {
        let prompts: usize = question.prompts.iter().map(Vec::len).sum();
        let longest = if question.silent { 0 } else { question.sampling.max_new_tokens };
        self.limits.check(prompts, longest.saturating_mul(question.answers()))?;
        let meter = self.meters[client.0.min(self.meters.len() - 1)].clone();
        meter.admit()?;
        meter.spend(prompts);
        let number = self.total.fetch_add(1, Ordering::Relaxed);
        let id = self.id(question.kind, number);
        let created = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let frame = Frame::new(id.clone(), created, &question, &self.served);
        let key = match (question.seed, self.seeded) {
            (Some(seed), _) => format!("seed {seed}"),
            (None, true) => format!("request {number}"),
            (None, false) => id,
        };
        let (reply, said) = unbounded_channel();
        match self.inbox.try_send(Asked { key, question, reply, meter, since: Instant::now() }) {
            Ok(()) => Ok((frame, said)),
            Err(TrySendError::Full(_)) => {
                let what = format!("{QUEUE_MAX} requests are waiting already");
                Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, what).code("queue_full"))
            }
            Err(TrySendError::Disconnected(_)) => Err(ApiError::failed(&Error::new("the model is gone"))),
        }
    }
}
