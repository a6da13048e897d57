//! Errors of the API: OpenAI's error object with an HTTP status.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::runs::without_folders;
use crate::Error;

/// Characters of a message, and of a field's name. Both may quote a request of megabytes.
const MESSAGE_MAX: usize = 1000;
const PARAM_MAX: usize = 200;

#[derive(Debug, Clone, PartialEq)]
pub struct ApiError {
    status: StatusCode,
    message: String,
    param: Option<String>,
    code: Option<&'static str>,
    /// Seconds after which another try may do.
    retry_after: u64,
}

impl ApiError {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: shortened(message.into(), MESSAGE_MAX), param: None, code: None, retry_after: 1 }
    }

    pub fn field(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { param: Some(shortened(param.into(), PARAM_MAX)), ..Self::new(StatusCode::BAD_REQUEST, message) }
    }

    pub fn of(param: impl Into<String>, error: &Error) -> Self {
        Self::field(param, with_hint(error))
    }

    /// A failure of the server. Where its files lie is not the client's business.
    pub fn failed(error: &Error) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, without_folders(&with_hint(error)))
    }

    pub fn code(self, code: &'static str) -> Self {
        Self { code: Some(code), ..self }
    }

    /// The same, to be tried again after so many seconds.
    pub fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after: seconds, ..self }
    }

    pub fn json(&self) -> Value {
        let kind = match self.status.as_u16() {
            429 => "rate_limit_error",
            400..500 => "invalid_request_error",
            _ => "server_error",
        };
        json!({ "error": { "message": self.message, "type": kind, "param": self.param, "code": self.code } })
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.json())).into_response();
        if matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            response.headers_mut().insert(header::RETRY_AFTER, self.retry_after.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// The text without its middle, if it is longer than so many characters.
fn shortened(text: String, max: usize) -> String {
    let length = text.chars().count();
    if length <= max {
        return text;
    }
    let middle = max / 2;
    let begin: String = text.chars().take(middle).collect();
    let end: String = text.chars().skip(length - middle).collect();
    format!("{begin} … {end}")
}

fn with_hint(error: &Error) -> String {
    match error.help() {
        Some(hint) => format!("{error}; {hint}"),
        None => error.to_string(),
    }
}
