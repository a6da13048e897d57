//! `/v1/projections`: how far the state of each token of a text lies along a vector (Chen et al. 2025, section 3.3).

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use serde_json::{Value, json};

use super::api_error::ApiError;
use super::batch::Said;
use super::body;
use super::choice::Projected;
use super::fields::Fields;
use super::open_requests::RequestGuard;
use super::reply::{broken_off, late};
use super::request::{Kind, Question};
use super::served::Served;
use super::state::AppState;
use crate::Error;
use crate::language_model::{Direction, Sampling};
use crate::vector::{Layer, Layers};

/// A text, and the name of the vector onto which its tokens are projected.
fn read(body: &[u8], served: &Served) -> Result<(Question, String), ApiError> {
    let mut fields = Fields::read(body)?;
    if let Some(name) = fields.take::<String>("model")? {
        served.check(&name)?;
    }
    let (vector, probes) = fields.directions(served)?;
    let mut ignored = Vec::new();
    let prompts = match fields.map.contains_key("messages") {
        true => vec![fields.chat(served, false, &mut ignored)?],
        false => fields.texts(served)?.0,
    };
    if prompts.len() != 1 {
        return Err(ApiError::field("prompt", "`prompt`: one text at a time"));
    }
    let steering = vec![fields.steering(&served.vectors.current())?];
    fields.refuse_others("messages, prompt, vector, layer, steering")?;
    let question = Question {
        kind: Kind::Text,
        prompts,
        echo: None,
        steering,
        same_draws: false,
        sampling: Sampling::greedy(1),
        silent: true,
        probes,
        seed: None,
        choices: 1,
        stop: Vec::new(),
        logprobs: None,
        stream: false,
        stream_usage: false,
        ignored,
    };
    Ok((question, vector))
}

impl Fields {
    /// The unit vectors of `vector` at each of `layer`: a number, a list, or all of them where it is left out.
    pub fn directions(&mut self, served: &Served) -> Result<(String, Vec<Direction>), ApiError> {
        let at = |name: &str| format!("{}{name}", self.place);
        let (vector_at, layer_at) = (at("vector"), at("layer"));
        let vector: String = self.take("vector")?.ok_or_else(|| self.missing("vector"))?;
        let vectors = served.vectors.current();
        let file = vectors.get(&vector).map_err(|e| ApiError::of(&vector_at, &e))?;
        let layers = self.layers()?.unwrap_or_else(Layers::all);
        let layers = layers.of(vectors.layers()).map_err(|e| ApiError::of(&layer_at, &e))?;
        let direction = |&layer: &Layer| {
            let vector = file.response_avg.row(layer).to_vec();
            if vector.iter().all(|x| *x == 0.0) {
                let what = format!("the vector is zero at {layer}: there is no direction");
                return Err(ApiError::field(&layer_at, what));
            }
            Ok(Direction { layer, vector })
        };
        let directions = layers.iter().map(direction).collect::<Result<Vec<_>, _>>()?;
        Ok((vector, directions))
    }
}

/// Projects every token of a conversation or a text onto the unit vector at each layer.
pub async fn answer(State(state): State<Arc<AppState>>, request: Request) -> Result<Json<Value>, ApiError> {
    let guard = RequestGuard::of(&state.open, &request);
    let (question, vector) = body::read(request, &state, read).await?;
    let layers: Vec<Layer> = question.probes.iter().map(|probe| probe.layer).collect();
    let (frame, mut said) = state.ask(question, guard.client)?;
    // No answer is wanted; who listens no more ends it.
    let tokens = match said.recv().await.ok_or_else(broken_off)? {
        Said::More(_, piece) => piece.prompt,
        Said::Failed(e) => return Err(frame.failed(&e)),
        Said::Late => return Err(late()),
        Said::End { .. } => return Err(broken_off()),
    };
    if tokens.iter().flat_map(|token| &token.projections).any(|x| !x.is_finite()) {
        return Err(frame.failed(&Error::new("a projection is not finite")));
    }
    let at_layer = |(i, layer): (usize, &Layer)| {
        let values: Vec<f32> = tokens.iter().map(|token| token.projections[i]).collect();
        json!({ "vector": vector, "layer": layer.row(), "projections": values })
    };
    let token = |token: &Projected| json!({ "token": token.token, "bytes": token.bytes });
    Ok(Json(json!({
        "object": "projections",
        "model": state.served.name,
        "tokens": tokens.iter().map(token).collect::<Vec<_>>(),
        "data": layers.iter().enumerate().map(at_layer).collect::<Vec<_>>(),
        "usage": { "prompt_tokens": tokens.len(), "completion_tokens": 0, "total_tokens": tokens.len() },
    })))
}
