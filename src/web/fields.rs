//! The fields of a request's body: taken out one by one with their types and ranges, refused by name where they ask for what this
//! server does not do.

use std::ops::RangeInclusive;

use axum::http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::api_error::ApiError;

/// Fields of OpenAI, vLLM, SGLang and llama.cpp that ask for what this server does not do, each with a value that changes
/// nothing there. Null, false, 0 and what is empty change nothing in any of them.
pub const NOT_DONE: &[(&str, Option<&str>)] = &[
    ("frequency_penalty", None),
    ("presence_penalty", None),
    ("logit_bias", None),
    ("tools", None),
    ("tool_choice", Some("auto")),
    ("functions", None),
    ("function_call", Some("auto")),
    ("audio", None),
    ("modalities", Some("text")),
    ("prediction", None),
    ("web_search_options", None),
    ("response_format", Some("text")),
    ("structured_outputs", None),
    ("grammar", None),
    ("json_schema", None),
    ("regex", None),
    ("ebnf", None),
    ("min_p", None),
    ("top_n_sigma", Some("-1")),
    ("typical_p", Some("1")),
    ("tfs_z", Some("1")),
    ("mirostat", None),
    ("dynatemp_range", None),
    ("xtc_probability", None),
    ("dry_multiplier", None),
    ("best_of", Some("1")),
    ("use_beam_search", None),
    ("length_penalty", Some("1")),
    ("early_stopping", None),
    ("min_tokens", None),
    ("stop_token_ids", None),
    ("ignore_eos", None),
    ("include_stop_str_in_output", None),
    ("skip_special_tokens", Some("true")),
    ("bad_words", None),
    ("allowed_token_ids", None),
    ("logits_processors", None),
    ("prompt_logprobs", None),
    ("n_probs", None),
    ("return_token_ids", None),
    ("return_tokens_as_token_ids", None),
    ("truncate_prompt_tokens", None),
    ("truncation", Some("disabled")),
    ("prompt_embeds", None),
    ("do_sample", Some("true")),
    ("num_beams", Some("1")),
    ("num_return_sequences", Some("1")),
    ("no_repeat_ngram_size", None),
    ("repeat_penalty", Some("1")),
    ("samplers", None),
    ("n_predict", Some("-1")),
    ("max_new_tokens", None),
    ("image_data", None),
    ("lora", None),
    ("lora_path", None),
    ("custom_logit_processor", None),
    ("thinking_token_budget", None),
    ("add_special_tokens", None),
    ("documents", None),
    ("chat_template", None),
    ("chat_template_kwargs", None),
    ("mm_processor_kwargs", None),
];

/// Fields that name or file a request and ask for nothing in its answer.
const LABELS: &[&str] = &[
    "user",
    "metadata",
    "store",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "parallel_tool_calls",
    "request_id",
    "priority",
    "cache_salt",
    "cache_prompt",
];

/// Whether a field of [`NOT_DONE`] asks for nothing; `off` is the value that does so besides what is empty.
pub fn changes_nothing(value: &Value, off: Option<&str>) -> bool {
    match value {
        Value::Null => true,
        // What is on by default is switched off by false.
        Value::Bool(on) => *on == (off == Some("true")),
        Value::Number(n) => n.as_f64() == Some(0.0) || off.is_some_and(|off| n.as_f64() == off.parse().ok()),
        Value::String(word) => word.is_empty() || (off == Some("auto") && word == "none") || off == Some(word),
        Value::Array(list) => list.iter().all(|one| off.is_some() && one.as_str() == off),
        Value::Object(map) => map.is_empty() || (off.is_some() && map.get("type").and_then(Value::as_str) == off),
    }
}

pub struct Fields {
    pub map: Map<String, Value>,
    /// What stands before a field's name in messages.
    pub place: String,
}

impl Fields {
    pub fn read(body: &[u8]) -> Result<Self, ApiError> {
        let map = serde_json::from_slice::<Map<String, Value>>(body)
            .map_err(|e| ApiError::new(StatusCode::BAD_REQUEST, format!("the body is no JSON object: {e}")))?;
        Ok(Self { map, place: String::new() })
    }

    /// Refuses the fields that are left. For objects that only this server defines: an unknown name is a mistake there.
    pub fn refuse_others(&self, known: &str) -> Result<(), ApiError> {
        let Some(name) = self.map.keys().next() else { return Ok(()) };
        let place = format!("{}{name}", self.place);
        Err(ApiError::field(&place, format!("`{place}` is not known; there are {known}")))
    }

    pub fn missing(&self, name: &str) -> ApiError {
        let place = format!("{}{name}", self.place);
        ApiError::field(&place, format!("`{place}` is missing"))
    }

    /// A field; null is as good as absent.
    pub fn take<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, ApiError> {
        let Some(value) = self.map.remove(name).filter(|value| !value.is_null()) else { return Ok(None) };
        let place = format!("{}{name}", self.place);
        serde_json::from_value(value).map(Some).map_err(|e| ApiError::field(&place, format!("`{place}`: {e}")))
    }

    pub fn within<T>(&mut self, name: &str, range: RangeInclusive<T>) -> Result<Option<T>, ApiError>
    where
        T: DeserializeOwned + PartialOrd + std::fmt::Display,
    {
        let value: Option<T> = self.take(name)?;
        match value {
            Some(x) if !range.contains(&x) => {
                let what = format!("`{name}` is {x}, outside {} to {}", range.start(), range.end());
                Err(ApiError::field(name, what))
            }
            value => Ok(value),
        }
    }

    /// A field that counts something, from `least` on.
    pub fn count(&mut self, name: &str, least: i64) -> Result<Option<usize>, ApiError> {
        match self.take::<i64>(name)? {
            Some(n) if n < least => Err(ApiError::field(name, format!("`{name}` is {n}; the least is {least}"))),
            n => Ok(n.map(|n| usize::try_from(n).unwrap_or(usize::MAX))),
        }
    }

    /// Refuses fields whose request would silently be ignored: those of [`NOT_DONE`], and of `more` in the same form.
    pub fn refuse_what_is_not_done(&self, more: &[(&str, Option<&str>)]) -> Result<(), ApiError> {
        let not_done = |name: &str, value: &Value| match NOT_DONE.iter().chain(more).find(|(known, _)| *known == name) {
            Some((_, off)) => !changes_nothing(value, *off),
            None => name.starts_with("guided_") && !changes_nothing(value, None),
        };
        match self.map.iter().find(|(name, value)| not_done(name, value)) {
            Some((name, _)) => {
                Err(ApiError::field(name, format!("`{name}` is not supported here")).code("unsupported_parameter"))
            }
            None => Ok(()),
        }
    }

    /// The names of the fields that are left and ask for something; the answer lists them as ignored.
    pub fn ignored(&self) -> Vec<String> {
        let known = |name: &str| name.starts_with("guided_") || NOT_DONE.iter().any(|(known, _)| *known == name);
        let asks = |(name, value): (&String, &Value)| {
            let asks = !known(name) && !LABELS.contains(&name.as_str()) && !changes_nothing(value, None);
            asks.then(|| format!("{}{name}", self.place))
        };
        self.map.iter().filter_map(asks).collect()
    }
}
