//! `/v1/runs` and `/v1/presets`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::api_error::ApiError;
use super::runs::Runs;
use super::state::AppState;
use crate::Error;

/// The policy of a report's page: it runs no scripts and loads nothing from elsewhere.
const REPORT_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox";

pub fn routes() -> Router<Arc<AppState>> {
    Router::new()
        .route("/v1/runs", get(list))
        .route("/v1/runs/{id}", get(details))
        .route("/v1/runs/{id}/curves", get(async |state, path| json_of(state, path, Runs::curves).await))
        .route("/v1/runs/{id}/table", get(async |state, path| json_of(state, path, Runs::table).await))
        .route("/v1/runs/{id}/figures", get(async |state, path| json_of(state, path, Runs::figures).await))
        .route("/v1/runs/{id}/report", get(report))
        .route("/v1/presets", get(presets))
}

/// Reads on a blocking thread, so that other requests go on; `None` without `--runs`.
async fn reading<T: Send + 'static>(
    state: &Arc<AppState>,
    read: impl FnOnce(&Runs) -> T + Send + 'static,
) -> Result<Option<T>, ApiError> {
    let Some(runs) = state.runs.clone() else { return Ok(None) };
    let read = tokio::task::spawn_blocking(move || read(&runs)).await;
    read.map(Some).map_err(|e| ApiError::failed(&Error::new(format!("reading the runs: {e}"))))
}

fn no_run(id: &str) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, format!("there is no `{id}` among the runs, or it has nothing of this kind"))
        .code("run_not_found")
}

async fn list(State(state): State<Arc<AppState>>) -> Result<Json<Value>, ApiError> {
    let list = reading(&state, Runs::list).await?;
    Ok(Json(json!({ "object": "list", "data": list.unwrap_or_default() })))
}

async fn json_of(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
    read: fn(&Runs, &str) -> Option<Value>,
) -> Result<Json<Value>, ApiError> {
    let of = id.clone();
    reading(&state, move |runs| read(runs, &of)).await?.flatten().map(Json).ok_or_else(|| no_run(&id))
}

/// A run; the address of its report has a ticket, since a frame sends no key.
async fn details(State(state): State<Arc<AppState>>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let path = format!("/v1/runs/{}/report", encoded(&id));
    let Json(mut run) = json_of(State(state.clone()), Path(id), Runs::details).await?;
    if run["has_report"] == true {
        run["report"] = state.tickets.address(&path).into();
    }
    Ok(Json(run))
}

/// A part of a path, with everything encoded that has a meaning in one.
fn encoded(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

async fn report(State(state): State<Arc<AppState>>, Path(id): Path<String>) -> Result<Response, ApiError> {
    let of = id.clone();
    let page = reading(&state, move |runs| runs.report(&of)).await?.flatten().ok_or_else(|| no_run(&id))?;
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, REPORT_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    Ok((headers, page).into_response())
}

async fn presets(State(state): State<Arc<AppState>>) -> Result<Json<Value>, ApiError> {
    let vectors = state.served.vectors.current();
    let presets = reading(&state, move |runs| runs.presets(&vectors)).await?;
    Ok(Json(json!({ "object": "list", "data": presets.unwrap_or_default() })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_part_of_a_path() {
        assert_eq!(encoded("a/b c+é"), "a%2Fb%20c%2B%C3%A9");
    }
}
