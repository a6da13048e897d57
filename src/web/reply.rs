//! Answers in OpenAI's form: a whole completion, or a stream of chunks.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;

use super::api_error::ApiError;
use super::batch::Said;
use super::choice::{ChosenLogprob, Piece};
use super::open_requests::RequestGuard;
use super::request::Question;
use crate::Error;
use crate::session::ActiveSteering;

/// How often an idle stream sends a comment to keep the connection open.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// What every answer carries besides its choices.
#[derive(Debug)]
pub struct Frame {
    /// The completion's id.
    pub id: String,
    /// Seconds since 1970.
    pub created: u64,
    /// The model's name.
    pub model: String,
    /// The model's hash, short.
    pub fingerprint: String,
    prompt_tokens: usize,
    choices: usize,
    steering: Vec<ActiveSteering>,
    logprobs: bool,
    stream_usage: bool,
}

impl Frame {
    /// The frame of the answer to a question.
    pub fn new(id: String, created: u64, model: String, fingerprint: String, question: &Question) -> Self {
        Self {
            id,
            created,
            model,
            fingerprint,
            prompt_tokens: question.prompt.len(),
            choices: question.choices,
            steering: question.steering.clone(),
            logprobs: question.logprobs.is_some(),
            stream_usage: question.stream_usage,
        }
    }

    fn json(&self, object: &str, choices: Value) -> Value {
        json!({
            "id": self.id,
            "object": object,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": self.fingerprint,
            "choices": choices,
        })
    }

    fn usage(&self, completion_tokens: usize) -> Value {
        json!({
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": self.prompt_tokens + completion_tokens,
        })
    }

    /// The steering that acted, if any was asked for.
    fn steering(&self, choice: &mut Value, steered: &[usize]) {
        if !self.steering.is_empty() {
            let applied = self.steering.iter().zip(steered).map(|(setting, &n)| setting.applied(n));
            choice["steering"] = applied.collect();
        }
    }

    /// Why there is no answer. Steering that makes activations overflow is the client's error.
    fn failed(&self, error: &Error) -> ApiError {
        match &self.steering[..] {
            [] => ApiError::failed(error),
            _ => ApiError::field("steering", format!("{error}; under this steering, try smaller coefficients")),
        }
    }

    fn logprobs(&self, content: &[ChosenLogprob]) -> Value {
        if self.logprobs { json!({ "content": content, "refusal": null }) } else { Value::Null }
    }
}

fn broken_off() -> ApiError {
    ApiError::failed(&Error::new("the model stopped before the answer was complete"))
}

/// The whole completion, when it is complete.
pub async fn whole(frame: Frame, mut said: UnboundedReceiver<Said>) -> Result<Response, ApiError> {
    let mut pieces = vec![Piece::default(); frame.choices];
    let mut choices = vec![Value::Null; frame.choices];
    let (mut open, mut completion_tokens) = (frame.choices, 0);
    while open > 0 {
        match said.recv().await.ok_or_else(broken_off)? {
            Said::More(choice, piece) => {
                pieces[choice].text += &piece.text;
                pieces[choice].logprobs.extend(piece.logprobs);
            }
            Said::End { choice, finish_reason, tokens, steered } => {
                let Piece { text, logprobs } = &pieces[choice];
                choices[choice] = json!({
                    "index": choice,
                    "message": { "role": "assistant", "content": text, "refusal": null },
                    "logprobs": frame.logprobs(logprobs),
                    "finish_reason": finish_reason,
                });
                frame.steering(&mut choices[choice], &steered);
                completion_tokens += tokens;
                open -= 1;
            }
            Said::Failed(e) => return Err(frame.failed(&e)),
        }
    }
    let mut completion = frame.json("chat.completion", Value::Array(choices));
    completion["usage"] = frame.usage(completion_tokens);
    Ok(Json(completion).into_response())
}

/// A stream of chunks that ends with `[DONE]`; a failure is a chunk too.
pub fn streamed(frame: Frame, said: UnboundedReceiver<Said>, guard: RequestGuard) -> Response {
    let chunks = Chunks { open: frame.choices, frame, completion_tokens: 0, ready: VecDeque::new(), _guard: guard };
    let chunks = stream::unfold((chunks.begun(), said), async |(mut chunks, mut said)| {
        while chunks.ready.is_empty() && chunks.open > 0 {
            chunks.take(said.recv().await);
        }
        let data = chunks.ready.pop_front()?;
        Some((Ok::<_, Infallible>(Event::default().data(data)), (chunks, said)))
    });
    // A proxy must not collect the stream before it passes it on.
    let headers = [("x-accel-buffering", "no"), ("cache-control", "no-cache")];
    (headers, Sse::new(chunks).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))).into_response()
}

struct Chunks {
    frame: Frame,
    /// Answers that are not complete.
    open: usize,
    completion_tokens: usize,
    ready: VecDeque<String>,
    _guard: RequestGuard,
}

impl Chunks {
    /// The first chunk of each answer says who speaks.
    fn begun(mut self) -> Self {
        for choice in 0..self.open {
            self.push(choice, json!({ "role": "assistant", "content": "" }), Value::Null, Value::Null);
        }
        self
    }

    fn take(&mut self, said: Option<Said>) {
        match said {
            Some(Said::More(choice, piece)) => {
                let logprobs = self.frame.logprobs(&piece.logprobs);
                self.push(choice, json!({ "content": piece.text }), logprobs, Value::Null);
            }
            Some(Said::End { choice, finish_reason, tokens, steered }) => {
                let mut last = self.chunk(choice, json!({}), Value::Null, finish_reason.into());
                self.frame.steering(&mut last["choices"][0], &steered);
                self.ready.push_back(last.to_string());
                self.completion_tokens += tokens;
                self.open -= 1;
                if self.open == 0 {
                    self.close();
                }
            }
            Some(Said::Failed(e)) => self.fail(&self.frame.failed(&e)),
            None => self.fail(&broken_off()),
        }
    }

    fn chunk(&self, choice: usize, delta: Value, logprobs: Value, finish_reason: Value) -> Value {
        let choice = json!([{ "index": choice, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason }]);
        self.frame.json("chat.completion.chunk", choice)
    }

    fn push(&mut self, choice: usize, delta: Value, logprobs: Value, finish_reason: Value) {
        self.ready.push_back(self.chunk(choice, delta, logprobs, finish_reason).to_string());
    }

    fn close(&mut self) {
        if self.frame.stream_usage {
            let mut last = self.frame.json("chat.completion.chunk", json!([]));
            last["usage"] = self.frame.usage(self.completion_tokens);
            self.ready.push_back(last.to_string());
        }
        self.ready.push_back("[DONE]".into());
    }

    fn fail(&mut self, refusal: &ApiError) {
        self.open = 0;
        self.ready.push_back(refusal.json().to_string());
        self.ready.push_back("[DONE]".into());
    }
}
