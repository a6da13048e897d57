//! The requests behind a verdict.

use serde_json::{Value, json};

use crate::Result;
use crate::judge::budget::{Tokens, tokens_of};
use crate::judge::rubric::Rubrics;
use crate::judge::settings::{Mode, OpenAiSettings};
use crate::judge::verdict::{JudgedItem, Rubric};
use crate::record::Hash;

/// Tokens of an answer in words: a number with some politeness around it.
const WORDS_MAX: u64 = 16;

/// One call to be made.
#[derive(Debug, Clone)]
pub struct Ask {
    pub key: Hash,
    pub request: Value,
    /// What it is estimated at.
    pub tokens: Tokens,
    pub rubric: String,
    /// Whether it asks how the judge writes numbers, not for a verdict.
    pub probe: bool,
}

impl Ask {
    fn new(settings: &OpenAiSettings, request: Value, prompt: &str, rubric: &str) -> Self {
        let OpenAiSettings { url, mode, .. } = settings;
        let key = Hash::of(&("chat completion", url.trim_end_matches('/'), mode, &request));
        let tokens = Tokens { input: tokens_of(prompt), output: request["max_tokens"].as_u64().unwrap_or_default() };
        Self { key, request, tokens, rubric: rubric.to_owned(), probe: false }
    }
}

pub fn asks(settings: &OpenAiSettings, rubrics: &Rubrics, rubric: &Rubric, item: &JudgedItem) -> Result<Vec<Ask>> {
    let OpenAiSettings { model, mode, samples, .. } = settings;
    let prompt = rubrics.prompt(rubric, item)?;
    let ask = |request: Value| Ask::new(settings, request, &prompt, rubric.key());
    let messages = json!([{ "role": "user", "content": prompt }]);
    let words = |temperature: u8, seed: u64| json!({ "model": model, "messages": messages, "max_tokens": WORDS_MAX, "temperature": temperature, "seed": seed });
    Ok(match mode {
        Mode::Sample => (0..*samples).map(|seed| ask(words(1, seed))).collect(),
        Mode::Parse | Mode::Enumerate | Mode::YesNo => vec![ask(words(0, 0))],
        Mode::Logprobs => vec![ask(first_tokens(model, &prompt, 1))],
    })
}

/// Asks how the judge writes a number of two digits. An answer of the cache that shows it stands under the same key.
pub fn probe(settings: &OpenAiSettings) -> Ask {
    const PROMPT: &str = "Reply with the number 85 and nothing else.";
    let request = first_tokens(&settings.model, PROMPT, 4);
    Ask { probe: true, ..Ask::new(settings, request, PROMPT, "how numbers are written") }
}

fn first_tokens(model: &str, prompt: &str, max_tokens: u64) -> Value {
    json!({
        "model": model, "messages": [{ "role": "user", "content": prompt }],
        "max_tokens": max_tokens, "temperature": 0, "logprobs": true, "top_logprobs": 20, "seed": 0,
    })
}
