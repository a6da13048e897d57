//! The prompts of a request: a conversation under the model's template, or texts as they are.

use serde_json::Map;

use super::api_error::ApiError;
use super::fields::{Fields, changes_nothing};
use super::request::CHOICES_MAX;
use super::served::Served;
use crate::Error;
use crate::text::chat_of_row;

/// Bytes of a token in ordinary text, generously.
const TOKEN_BYTES: usize = 8;
/// By so many tokens the beginning of a text may differ from the same part of the whole.
const CUT_TOKENS: usize = 64;
/// Stands at the end of a message that the model goes on with, until the template has written it.
const GOES_ON: &str = "\u{e000}the model goes on here\u{e000}";

/// The tokens of a prompt, unless there are too many. A long text's beginning tells it, before time goes into the rest.
fn tokens(text: &str, param: &str, served: &Served) -> Result<Vec<u32>, ApiError> {
    let most = served.positions_max;
    let encode = |text: &str| served.tokenizer.encode(text).map_err(|e| served.refuses(param, &e));
    let mut bytes = most.saturating_add(CUT_TOKENS).saturating_mul(TOKEN_BYTES);
    while bytes < text.len() {
        if encode(&text[..text.floor_char_boundary(bytes)])?.len() > most.saturating_add(CUT_TOKENS) {
            return Err(too_long(param, &format!("more than {most}"), served));
        }
        bytes = bytes.saturating_mul(4);
    }
    let ids = encode(text)?;
    if ids.len() > most { Err(too_long(param, &ids.len().to_string(), served)) } else { Ok(ids) }
}

fn too_long(param: &str, tokens: &str, served: &Served) -> ApiError {
    let what = format!("`{param}`: {tokens} tokens, the model reads {}", served.positions_max);
    ApiError::field(param, what).code("context_length_exceeded")
}

#[derive(serde::Deserialize)]
#[serde(untagged, expecting = "a text, a list of texts, a list of tokens, or a list of such lists")]
enum PromptField {
    Text(String),
    Texts(Vec<String>),
    Ids(Vec<u32>),
    IdLists(Vec<Vec<u32>>),
}

/// Prompts as tokens, and the texts again where they were asked for.
pub type Texts = (Vec<Vec<u32>>, Option<Vec<String>>);

impl PromptField {
    fn len(&self) -> usize {
        match self {
            Self::Text(_) | Self::Ids(_) => 1,
            Self::Texts(texts) => texts.len(),
            Self::IdLists(lists) => lists.len(),
        }
    }
}

impl Fields {
    /// `messages`, as the template and the tokenizer have them; whether an answer may follow is the client's to say, else `answer`.
    pub fn chat(&mut self, served: &Served, answer: bool, ignored: &mut Vec<String>) -> Result<Vec<u32>, ApiError> {
        let goes_on = self.take("continue_final_message")?.unwrap_or(false);
        let generation_prompt = self.take("add_generation_prompt")?.unwrap_or(answer && !goes_on);
        if goes_on && generation_prompt {
            let what = "`continue_final_message` and `add_generation_prompt` exclude each other";
            return Err(ApiError::field("continue_final_message", what));
        }
        let turns = self.map.remove("messages").unwrap_or_default();
        if turns.is_null() {
            return Err(ApiError::field("messages", "`messages` is missing"));
        }
        let mut calls = None;
        for (i, turn) in turns.as_array().into_iter().flatten().enumerate() {
            let others = turn.as_object().into_iter().flatten();
            for (name, _) in others.filter(|(_, value)| !changes_nothing(value, None)) {
                let place = format!("messages[{i}].{name}");
                match name.as_str() {
                    "role" | "content" => {}
                    "tool_calls" | "function_call" => {
                        calls.get_or_insert(place);
                    }
                    "tool_call_id" | "name" if turn["role"] == "tool" || turn["role"] == "function" => {}
                    "audio" | "prefix" | "partial" => {
                        let what = format!("`{place}` is not supported here");
                        return Err(ApiError::field(place, what).code("unsupported_parameter"));
                    }
                    _ => ignored.push(place),
                }
            }
        }
        let wrong = |e: Error| served.refuses("messages", &e);
        let (mut messages, _) = chat_of_row(Map::from_iter([("messages".to_owned(), turns)])).map_err(wrong)?;
        if let Some(last) = messages.last_mut().filter(|_| goes_on) {
            last.content += GOES_ON;
        }
        let mut text = served.tokenizer.chat_text(&messages, generation_prompt).map_err(|e| match &calls {
            // A template that does not write calls.
            Some(calls) => served.refuses(calls, &e).code("unsupported_parameter"),
            None => wrong(e),
        })?;
        if goes_on {
            let end = text.rfind(GOES_ON);
            text.truncate(end.ok_or_else(|| {
                ApiError::field("continue_final_message", "the chat template does not write the final message")
            })?);
        }
        tokens(&text, "messages", served)
    }

    /// `prompt`, one text or several, or their tokens; and the texts again if `echo` asks for them.
    pub fn texts(&mut self, served: &Served) -> Result<Texts, ApiError> {
        let echo = self.take("echo")?.unwrap_or(false);
        let of_text = |text: String| Ok((tokens(&text, "prompt", served)?, text));
        let of_ids = |ids: Vec<u32>| {
            if let Some(id) = ids.iter().find(|&&id| id as usize >= served.tokenizer.len()) {
                return Err(ApiError::field("prompt", format!("`prompt`: the tokenizer has no token {id}")));
            }
            if ids.len() > served.positions_max {
                return Err(too_long("prompt", &ids.len().to_string(), served));
            }
            let bytes: Vec<u8> = ids.iter().flat_map(|&id| served.tokenizer.token_bytes(id)).collect();
            Ok((ids, String::from_utf8_lossy(&bytes).into_owned()))
        };
        let prompt = self.take::<PromptField>("prompt")?;
        // Before time goes into reading them.
        let given = prompt.as_ref().map_or(0, PromptField::len);
        if given > CHOICES_MAX {
            let what = format!("`prompt`: {given} prompts; at most {CHOICES_MAX} to a request");
            return Err(ApiError::field("prompt", what));
        }
        let prompts: Vec<(Vec<u32>, String)> = match prompt {
            None => return Err(ApiError::field("prompt", "`prompt` is missing")),
            Some(PromptField::Text(text)) => vec![of_text(text)?],
            Some(PromptField::Texts(texts)) => texts.into_iter().map(of_text).collect::<Result<_, _>>()?,
            Some(PromptField::Ids(ids)) => vec![of_ids(ids)?],
            Some(PromptField::IdLists(lists)) => lists.into_iter().map(of_ids).collect::<Result<_, _>>()?,
        };
        if prompts.is_empty() || prompts.iter().any(|(ids, _)| ids.is_empty()) {
            return Err(ApiError::field("prompt", "`prompt`: a prompt has no tokens"));
        }
        let (ids, texts) = prompts.into_iter().unzip();
        Ok((ids, echo.then_some(texts)))
    }
}
