//! What the hub's refusals mean, and what to do about them.

use reqwest::{Response, StatusCode};

use super::name::Name;
use crate::Error;
use crate::http::retry::innermost;

/// The error that a response stands for. `X-Error-Code` tells apart what one status can mean.
pub async fn refused(response: Response, endpoint: &str, name: &Name, with_token: bool) -> Error {
    let status = response.status();
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (code, message) = (header("x-error-code").unwrap_or_default(), header("x-error-message"));
    let (repo, revision) = (&name.repo, &name.revision);
    let terms = format!("accept its terms at {endpoint}/{repo}, and set HF_TOKEN to a token that may read it");
    match (status, code.as_str()) {
        (StatusCode::UNAUTHORIZED, _) if with_token && code != "GatedRepo" => {
            Error::new(format!("{repo}: the hub does not accept the token (401)"))
                .hint(format!("make a new one at {endpoint}/settings/tokens and set HF_TOKEN to it"))
        }
        // Without a token, the hub does not tell whether a model is private or does not exist.
        (StatusCode::UNAUTHORIZED, _) if code != "GatedRepo" => {
            Error::new(format!("{repo}: there is no such model on {endpoint}, or it is private (401)"))
                .hint("check the spelling; for a private model set HF_TOKEN to a token that may read it")
        }
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => {
            Error::new(format!("{repo}: the model is gated, and you may not read it ({})", status.as_u16())).hint(terms)
        }
        (StatusCode::NOT_FOUND, "RevisionNotFound") => Error::new(format!("{repo} has no revision `{revision}` (404)"))
            .hint(format!("{endpoint}/{repo}/commits/main lists the commits")),
        (StatusCode::NOT_FOUND, "EntryNotFound") => {
            Error::new(format!("{repo} at `{revision}` lacks a file that it lists (404): {}", response.url()))
        }
        (StatusCode::NOT_FOUND, _) => Error::new(format!("{repo}: there is no such model on {endpoint} (404)"))
            .hint("check the spelling; names look like Qwen/Qwen2.5-7B-Instruct"),
        (StatusCode::TOO_MANY_REQUESTS, _) => {
            Error::new(format!("{repo}: the hub wants fewer requests (429)")).hint("wait a while, or set HF_TOKEN")
        }
        _ => {
            let message = message.map_or(String::new(), |message| format!(": {message}"));
            Error::new(format!("{repo}: the hub answered {status}{message} ({})", response.url()))
                .hint("try again later; what has come in so far is kept")
        }
    }
}

/// A connection that was not made, or was lost.
pub fn unreachable(endpoint: &str, e: &reqwest::Error) -> Error {
    Error::new(format!("no connection to {endpoint}, or it was lost: {}", innermost(e)))
        .hint("check the network, or HF_ENDPOINT if you use a mirror; what has come in so far is kept")
}
