//! The body of a request: read within limits, and parsed on a blocking thread, so that other requests go on.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Bytes, to_bytes};
use axum::extract::Request;
use axum::http::StatusCode;

use super::api_error::ApiError;
use super::served::Served;
use super::state::AppState;
use crate::Error;

const BODY_MAX: usize = 8 << 20;
const BODY_TIME: Duration = Duration::from_secs(30);

/// What `parse` makes of a request's body. A long conversation takes the template and the tokenizer a while.
pub async fn read<T: Send + 'static>(
    request: Request,
    state: &Arc<AppState>,
    parse: impl FnOnce(&[u8], &Served) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let body = bytes(request).await?;
    let served = state.served.clone();
    let parsed = tokio::task::spawn_blocking(move || parse(&body, &served)).await;
    parsed.map_err(|e| ApiError::failed(&Error::new(format!("reading the request: {e}"))))?
}

async fn bytes(request: Request) -> Result<Bytes, ApiError> {
    let too_large =
        || ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is longer than {BODY_MAX} bytes"));
    let length = request.headers().get("content-length").and_then(|n| n.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > BODY_MAX) {
        return Err(too_large());
    }
    match tokio::time::timeout(BODY_TIME, to_bytes(request.into_body(), BODY_MAX)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(e)) if std::error::Error::source(&e).is_some_and(|e| e.to_string().contains("length limit")) => {
            Err(too_large())
        }
        Ok(Err(e)) => Err(ApiError::new(StatusCode::BAD_REQUEST, format!("the body cannot be read: {e}"))),
        Err(_) => Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time")),
    }
}
