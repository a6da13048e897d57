//! What is served, and its limits.

use std::time::Duration;

use axum::http::StatusCode;

use super::api_error::ApiError;
use super::vector_store::VectorStore;
use crate::Error;
use crate::text::Tokenizer;

#[derive(Debug)]
pub struct Served {
    /// What the model is called: on the hub, if it is from there.
    pub name: String,
    /// The same without its owner.
    pub short: String,
    pub fingerprint: String,
    pub tokenizer: Tokenizer,
    pub vectors: VectorStore,
    /// Tokens that a prompt may have.
    pub positions_max: usize,
    /// Longest answer if a request names none.
    pub new_tokens: usize,
    pub seed: u64,
    pub wait: Duration,
    /// Paths of its files, and the names that clients are told instead of them.
    pub places: Vec<(String, String)>,
}

impl Served {
    pub fn public(&self, error: &Error) -> Error {
        let reworded = |text: &str| {
            let replace = |text: String, (place, name): &(String, String)| text.replace(place, name);
            self.places.iter().fold(text.to_owned(), replace)
        };
        let public = Error::new(reworded(&error.to_string()));
        match error.help() {
            Some(hint) => public.hint(reworded(hint)),
            None => public,
        }
    }

    pub fn refuses(&self, param: impl Into<String>, error: &Error) -> ApiError {
        ApiError::of(param, &self.public(error))
    }

    pub fn check(&self, name: &str) -> Result<(), ApiError> {
        if name == self.name || name == self.short {
            return Ok(());
        }
        let what = format!("the model `{name}` does not exist; this server has `{}`", self.name);
        Err(ApiError::new(StatusCode::NOT_FOUND, what).code("model_not_found"))
    }
}

#[cfg(test)]
impl Served {
    pub fn tiny() -> Self {
        Self {
            name: "tiny".into(),
            short: "tiny".into(),
            fingerprint: "0".into(),
            tokenizer: crate::fakes::tiny_tokenizer(),
            vectors: VectorStore::new(crate::session::VectorSet::new(Default::default(), 3)),
            positions_max: 200,
            new_tokens: 16,
            seed: 0,
            wait: Duration::from_secs(60),
            places: Vec::new(),
        }
    }
}
