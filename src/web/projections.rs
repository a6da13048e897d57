//! `/v1/projections`: how far the state of each token of a text lies along a vector (Chen et al. 2025, section 3.3).

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::api_error::ApiError;
use super::batch::Said;
use super::body;
use super::fields::Fields;
use super::open_requests::RequestGuard;
use super::reply::{broken_off, late};
use super::request::{Kind, Question, Served};
use super::state::AppState;
use crate::Error;
use crate::language_model::{Direction, Sampling};
use crate::vector::{Layer, Layers};

/// A text, and a vector at some layers.
#[derive(Debug)]
struct Probing {
    question: Question,
    vector: String,
    layers: Vec<Layer>,
}

impl Probing {
    fn read(body: &[u8], served: &Served) -> Result<Self, ApiError> {
        let map = serde_json::from_slice::<Map<String, Value>>(body)
            .map_err(|e| ApiError::new(StatusCode::BAD_REQUEST, format!("the body is no JSON object: {e}")))?;
        let mut fields = Fields { map, place: String::new() };
        if let Some(name) = fields.take::<String>("model")? {
            served.check(&name)?;
        }
        let vector: String = fields.take("vector")?.ok_or_else(|| ApiError::field("vector", "`vector` is missing"))?;
        let vectors = served.vectors.current();
        let file = vectors.get(&vector).map_err(|e| ApiError::of("vector", &e))?;
        let layers = fields.layers()?.unwrap_or_else(Layers::all);
        let layers = layers.of(vectors.layers()).map_err(|e| ApiError::of("layer", &e))?;
        let direction = |&layer: &Layer| {
            let vector = file.response_avg.row(layer).to_vec();
            if vector.iter().all(|x| *x == 0.0) {
                return Err(ApiError::field("layer", format!("the vector is zero at {layer}: there is no direction")));
            }
            Ok(Direction { layer, vector })
        };
        let probes = layers.iter().map(direction).collect::<Result<Vec<_>, _>>()?;
        let mut unread = Vec::new();
        let prompts = match fields.map.contains_key("messages") {
            true => vec![fields.chat(served, false, &mut unread)?],
            false => fields.texts(served)?.0,
        };
        if prompts.len() != 1 {
            return Err(ApiError::field("prompt", "`prompt`: one text at a time"));
        }
        let steering = fields.steering(&vectors)?;
        if let Some(name) = fields.map.keys().next() {
            // Only this server has the route, so an unknown name is a mistake.
            let what = format!("`{name}` is not known; there are messages, prompt, vector, layer, steering");
            return Err(ApiError::field(name, what));
        }
        let question = Question {
            kind: Kind::Text,
            prompts,
            echo: None,
            steering,
            sampling: Sampling::greedy(1),
            silent: true,
            probes,
            seed: None,
            choices: 1,
            stop: Vec::new(),
            logprobs: None,
            stream: false,
            stream_usage: false,
            ignored: unread,
        };
        Ok(Self { question, vector, layers })
    }
}

/// Projects every token of a conversation or a text onto the unit vector at each layer.
pub async fn answer(State(state): State<Arc<AppState>>, request: Request) -> Result<Json<Value>, ApiError> {
    let guard = RequestGuard::of(&state.open, &request);
    let Probing { question, vector, layers } = body::read(request, &state, Probing::read).await?;
    let token = |&id: &u32| {
        let bytes = state.served.tokenizer.token_bytes(id);
        json!({ "token": String::from_utf8_lossy(&bytes), "bytes": bytes })
    };
    let tokens: Vec<Value> = question.prompts[0].iter().map(token).collect();
    let (frame, mut said) = state.ask(question, guard.client)?;
    // No answer is wanted; who listens no more ends it.
    let along = match said.recv().await.ok_or_else(broken_off)? {
        Said::More(_, piece) => piece.along,
        Said::Failed(e) => return Err(frame.failed(&e)),
        Said::Late => return Err(late()),
        Said::End { .. } => return Err(broken_off()),
    };
    if along.iter().flatten().any(|x| !x.is_finite()) {
        return Err(frame.failed(&Error::new("a projection is not finite")));
    }
    let at_layer = |(i, layer): (usize, &Layer)| {
        let values: Vec<f32> = along.iter().map(|token| token[i]).collect();
        json!({ "vector": vector, "layer": layer.row(), "projections": values })
    };
    Ok(Json(json!({
        "object": "projections",
        "model": state.served.name,
        "tokens": tokens,
        "data": layers.iter().enumerate().map(at_layer).collect::<Vec<_>>(),
        "usage": { "prompt_tokens": tokens.len(), "completion_tokens": 0, "total_tokens": tokens.len() },
    })))
}
