//! Questions to the model, answered whole or piece by piece.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;

use super::api_error::ApiError;
use super::body;
use super::open_requests::RequestGuard;
use super::reply;
use super::request::Question;
use super::served::Served;
use super::state::AppState;

/// Answers what `read` finds in the request's body.
pub async fn answer(
    state: Arc<AppState>,
    request: Request,
    read: impl FnOnce(&[u8], &Served) -> Result<Question, ApiError> + Send + 'static,
) -> Result<Response, ApiError> {
    let guard = RequestGuard::of(&state.open, &request);
    let question = body::read(request, &state, read).await?;
    let stream = question.stream;
    let (frame, said) = state.ask(question, guard.client)?;
    if stream { Ok(reply::streamed(frame, said, guard)) } else { reply::whole(frame, said).await }
}
