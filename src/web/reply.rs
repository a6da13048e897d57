//! Answers in OpenAI's form: a whole completion, or a stream of chunks.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;

use super::api_error::ApiError;
use super::batch::Said;
use super::choice::{ChosenLogprob, Delta, TextLogprobs};
use super::open_requests::RequestGuard;
use super::request::{Kind, Question};
use super::served::Served;
use crate::Error;
use crate::session::ActiveSteering;

/// How often an idle stream sends a comment to keep the connection open.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// What every answer carries besides its choices.
#[derive(Debug)]
pub struct Frame {
    id: String,
    kind: Kind,
    /// Seconds since 1970.
    created: u64,
    model: String,
    /// The model's hash, short.
    fingerprint: String,
    prompt_tokens: usize,
    answers: usize,
    /// What each answer repeats of its prompt.
    echo: Vec<String>,
    /// Where each answer's tokens begin, for [`Kind::Text`].
    offsets: Vec<TextLogprobs>,
    steering: Vec<Vec<ActiveSteering>>,
    logprobs: bool,
    stream_usage: bool,
    ignored: Vec<String>,
}

enum Part<'a> {
    /// Its begin; it repeats this of the prompt.
    Begin(&'a str),
    More(&'a Delta),
    /// Why it ends.
    End(&'static str),
}

impl Frame {
    pub fn new(id: String, created: u64, question: &Question, served: &Served) -> Self {
        let answers = question.answers();
        let texts = |i: usize| question.echo.as_ref().map(|texts| texts[i / question.choices].clone());
        // As OpenAI counts, from the prompt's begin, also if the prompt is not repeated.
        let characters = |i: usize| match question.echo {
            Some(_) => 0,
            None => {
                let ids = &question.prompts[i / question.choices];
                let bytes = ids.iter().flat_map(|&id| served.tokenizer.token_bytes(id));
                bytes.filter(|byte| byte & 0xc0 != 0x80).count()
            }
        };
        let offsets = match question.kind {
            Kind::Text if question.logprobs.is_some() => {
                (0..answers).map(|i| TextLogprobs::after(characters(i))).collect()
            }
            _ => Vec::new(),
        };
        Self {
            id,
            kind: question.kind,
            created,
            model: served.name.clone(),
            fingerprint: served.fingerprint.chars().take(12).collect(),
            prompt_tokens: question.prompts.iter().map(Vec::len).sum(),
            answers,
            echo: (0..answers).filter_map(texts).collect(),
            offsets,
            steering: (0..answers).map(|i| question.steering(i).to_vec()).collect(),
            logprobs: question.logprobs.is_some(),
            stream_usage: question.stream_usage,
            ignored: question.ignored.clone(),
        }
    }

    fn json(&self, chunk: bool, choices: Value) -> Value {
        let object = match (self.kind, chunk) {
            (Kind::Chat, false) => "chat.completion",
            (Kind::Chat, true) => "chat.completion.chunk",
            (Kind::Text, _) => "text_completion",
        };
        let mut json = json!({
            "id": self.id,
            "object": object,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": self.fingerprint,
            "choices": choices,
        });
        if !self.ignored.is_empty() {
            json["ignored_fields"] = json!(self.ignored);
        }
        json
    }

    fn usage(&self, completion_tokens: usize) -> Value {
        json!({
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": self.prompt_tokens + completion_tokens,
        })
    }

    fn echoed(&self, answer: usize) -> &str {
        self.echo.get(answer).map_or("", String::as_str)
    }

    fn choice(&mut self, answer: usize, delta: &Delta, finish_reason: &str) -> Value {
        let logprobs = self.logprobs(answer, &delta.logprobs);
        let mut choice = match self.kind {
            Kind::Chat => json!({
                "index": answer,
                "message": { "role": "assistant", "content": delta.text, "refusal": null },
                "logprobs": logprobs,
                "finish_reason": finish_reason,
            }),
            Kind::Text => json!({
                "index": answer,
                "text": format!("{}{}", self.echoed(answer), delta.text),
                "logprobs": logprobs,
                "finish_reason": finish_reason,
            }),
        };
        add_projections(&mut choice, delta);
        choice
    }

    fn chunk(&mut self, answer: usize, part: &Part<'_>) -> Value {
        let (delta, text, logprobs, finish_reason) = match *part {
            Part::Begin(text) => (json!({ "role": "assistant", "content": "" }), text, Value::Null, None),
            Part::More(Delta { text, logprobs, .. }) => {
                (json!({ "content": text }), text.as_str(), self.logprobs(answer, logprobs), None)
            }
            Part::End(reason) => (json!({}), "", Value::Null, Some(reason)),
        };
        let mut choice = json!({ "index": answer, "logprobs": logprobs, "finish_reason": finish_reason });
        match self.kind {
            Kind::Chat => choice["delta"] = delta,
            Kind::Text => choice["text"] = text.into(),
        }
        if let Part::More(delta) = part {
            add_projections(&mut choice, delta);
        }
        self.json(true, json!([choice]))
    }

    fn steering(&self, answer: usize, choice: &mut Value, steered: &[usize]) {
        if !self.steering[answer].is_empty() {
            let applied = self.steering[answer].iter().zip(steered).map(|(setting, &n)| setting.applied(n));
            choice["steering"] = applied.collect();
        }
    }

    /// Why there is no answer. Steering that makes activations overflow is the client's error.
    pub fn failed(&self, error: &Error) -> ApiError {
        if self.steering.iter().all(Vec::is_empty) {
            return ApiError::failed(error);
        }
        ApiError::field("steering", format!("{error}; under this steering, try smaller coefficients"))
    }

    fn logprobs(&mut self, answer: usize, tokens: &[ChosenLogprob]) -> Value {
        match self.kind {
            _ if !self.logprobs => Value::Null,
            Kind::Chat => json!({ "content": tokens, "refusal": null }),
            Kind::Text => self.offsets[answer].json(tokens),
        }
    }
}

/// The tokens of prompt and answer with their projections, if those were wanted.
fn add_projections(choice: &mut Value, delta: &Delta) {
    for (name, tokens) in [("prompt_tokens", &delta.prompt), ("tokens", &delta.projected)] {
        if !tokens.is_empty() {
            choice[name] = json!(tokens);
        }
    }
}

pub fn broken_off() -> ApiError {
    ApiError::failed(&Error::new("the model stopped before the answer was complete"))
}

pub fn late() -> ApiError {
    let what = "the server is busy, and the request has waited for too long";
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, what).code("server_busy")
}

pub async fn whole(mut frame: Frame, mut said: UnboundedReceiver<Said>) -> Result<Response, ApiError> {
    let mut deltas = vec![Delta::default(); frame.answers];
    let mut choices = vec![Value::Null; frame.answers];
    let (mut open, mut completion_tokens) = (frame.answers, 0);
    while open > 0 {
        match said.recv().await.ok_or_else(broken_off)? {
            Said::More(choice, delta) => {
                deltas[choice].text += &delta.text;
                deltas[choice].logprobs.extend(delta.logprobs);
                deltas[choice].projected.extend(delta.projected);
                deltas[choice].prompt.extend(delta.prompt);
            }
            Said::End { choice, finish_reason, tokens, steered } => {
                choices[choice] = frame.choice(choice, &deltas[choice], finish_reason);
                frame.steering(choice, &mut choices[choice], &steered);
                completion_tokens += tokens;
                open -= 1;
            }
            Said::Failed(e) => return Err(frame.failed(&e)),
            Said::Late => return Err(late()),
        }
    }
    let mut completion = frame.json(false, Value::Array(choices));
    completion["usage"] = frame.usage(completion_tokens);
    Ok(Json(completion).into_response())
}

/// A stream of chunks that ends with `[DONE]`; a failure is a chunk too.
pub fn streamed(frame: Frame, said: UnboundedReceiver<Said>, guard: RequestGuard) -> Response {
    let chunks = Chunks { open: frame.answers, frame, completion_tokens: 0, ready: VecDeque::new(), _guard: guard };
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
    /// The first chunk of each answer says who speaks, or repeats the prompt.
    fn begun(mut self) -> Self {
        for answer in 0..self.open {
            let echo = self.frame.echoed(answer).to_owned();
            if self.frame.kind == Kind::Chat || !echo.is_empty() {
                self.push(answer, &Part::Begin(&echo));
            }
        }
        self
    }

    fn take(&mut self, said: Option<Said>) {
        match said {
            Some(Said::More(answer, delta)) => self.push(answer, &Part::More(&delta)),
            Some(Said::End { choice, finish_reason, tokens, steered }) => {
                let mut last = self.frame.chunk(choice, &Part::End(finish_reason));
                self.frame.steering(choice, &mut last["choices"][0], &steered);
                self.ready.push_back(last.to_string());
                self.completion_tokens += tokens;
                self.open -= 1;
                if self.open == 0 {
                    self.close();
                }
            }
            Some(Said::Failed(e)) => self.fail(&self.frame.failed(&e)),
            Some(Said::Late) => self.fail(&late()),
            None => self.fail(&broken_off()),
        }
    }

    fn push(&mut self, answer: usize, part: &Part<'_>) {
        let chunk = self.frame.chunk(answer, part);
        self.ready.push_back(chunk.to_string());
    }

    fn close(&mut self) {
        if self.frame.stream_usage {
            let mut last = self.frame.json(true, json!([]));
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
