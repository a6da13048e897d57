//! `/v1/vectors` and `/v1/jobs`: the vectors with their cosines, and new ones made while the server answers.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::api_error::ApiError;
use super::body;
use super::jobs::Job;
use super::open_requests::RequestGuard;
use super::runs::without_folders;
use super::state::AppState;
use crate::vector::{Layer, Position, VectorFile, key};

pub fn routes() -> Router<Arc<AppState>> {
    Router::new()
        .route("/v1/vectors", get(list).post(make))
        .route("/v1/jobs", get(jobs))
        .route("/v1/jobs/{id}", get(job).delete(stop))
}

/// Every vector, and at each layer the cosine of each with each.
async fn list(State(state): State<Arc<AppState>>) -> Json<Value> {
    let vectors = state.served.vectors.current();
    let all: Vec<(&str, &VectorFile)> = vectors.iter().collect();
    let data: Vec<Value> = all.iter().map(|(name, file)| described(name, file, &state)).collect();
    let layers = 1..=vectors.layers();
    let row = |layer: usize, a: &VectorFile| -> Vec<Option<f64>> {
        all.iter().map(|(_, b)| a.response_avg.cosine(&b.response_avg, Layer(layer))).collect()
    };
    let at = |layer: usize| json!({ "layer": layer, "cosines": all.iter().map(|(_, file)| row(layer, file)).collect::<Vec<_>>() });
    Json(json!({
        "object": "list",
        "model": state.served.name,
        "layers": vectors.layers(),
        "data": data,
        "names": all.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        "cosines": layers.map(at).collect::<Vec<_>>(),
        "traits": state.making.traits,
        "judges": state.making.judges,
    }))
}

fn described(name: &str, file: &VectorFile, state: &AppState) -> Value {
    let note = state.served.vectors.note(name);
    let of = |key: &str| file.metadata.get(key);
    let number = |key: &str| of(key).and_then(|text| text.parse::<f64>().ok());
    let norms: Vec<f32> = (1..=file.response_avg.layers()).map(|l| file.response_avg.norm(Layer(l))).collect();
    let positions = Position::ALL.into_iter().filter(|at| file.at(*at).is_some()).map(Position::key);
    json!({
        "name": name,
        "trait": of(key::TRAIT),
        "model": of(key::MODEL).map(|model| without_folders(model)),
        "fingerprint": file.fingerprint,
        "norms": norms,
        "positions": positions.collect::<Vec<_>>(),
        "judge": of("judge").map(|judge| without_folders(judge)),
        "rollouts": number("rollouts"),
        "n_pos": number(key::N_POS),
        "n_neg": number(key::N_NEG),
        "threshold": number(key::THRESHOLD),
        "run": note.run,
        "warnings": note.warnings,
    })
}

async fn make(State(state): State<Arc<AppState>>, request: Request) -> Result<(StatusCode, Json<Value>), ApiError> {
    let making = state.making.clone();
    let wanted = body::read(request, &state, move |body, served| making.read(body, served)).await?;
    let job = state.jobs.add(wanted, RequestGuard::new(&state.open))?;
    Ok((StatusCode::ACCEPTED, Json(job_json(&job))))
}

fn job_json(job: &Job) -> Value {
    let mut value = json!({ "object": "job", "job": job.id, "wanted": job.wanted });
    if let (Value::Object(map), Value::Object(status)) = (&mut value, json!(job.status())) {
        map.extend(status);
    }
    value
}

fn found(state: &AppState, id: &str) -> Result<Arc<Job>, ApiError> {
    let no_job = || ApiError::new(StatusCode::NOT_FOUND, format!("there is no job `{id}`")).code("job_not_found");
    id.parse().ok().and_then(|id| state.jobs.get(id)).ok_or_else(no_job)
}

async fn jobs(State(state): State<Arc<AppState>>) -> Json<Value> {
    let jobs: Vec<Value> = state.jobs.all().iter().map(|job| job_json(job)).collect();
    Json(json!({ "object": "list", "data": jobs }))
}

async fn job(State(state): State<Arc<AppState>>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    Ok(Json(job_json(&*found(&state, &id)?)))
}

async fn stop(State(state): State<Arc<AppState>>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let job = found(&state, &id)?;
    job.stop();
    Ok(Json(job_json(&job)))
}
