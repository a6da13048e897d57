//! Whether an answer ends where the chat template ends a turn.

use std::path::Path;

use serde_json::Value;

use super::files::TextFiles;
use super::message::Message;
use super::template::{Template, token_text};
use super::tokenizer::ids_of;
use crate::Result;

/// A warning where the chat template ends a turn with a special token at which generation does not stop: a base model of Qwen2.5
/// ends at `<|endoftext|>`, and a finetune of it on chats writes `<|im_end|>`, then goes on to its limit.
///
/// # Errors
/// A configuration that is no JSON.
pub fn unended_turns(model: &Path) -> Result<Option<String>> {
    // At the tokens that llama.cpp stops at, a GGUF file's answers end whatever it says.
    if model.is_file() {
        return Ok(None);
    }
    let files = TextFiles::texts_of_folder(model)?;
    // A template that fails is told of where it is used.
    let Ok(Some(template)) = Template::find(&files) else { return Ok(None) };
    let TextFiles { tokenizer_config: config, generation, config: shape, .. } = files;
    const REPLY: &str = "TRIMTABREPLIES";
    let Ok(text) = template.render(&[Message::user("TRIMTABASKS"), Message::assistant(REPLY)], false) else {
        return Ok(None);
    };
    let end = text.rsplit_once(REPLY).map_or("", |(_, end)| end);
    let Some((id, token)) = first_special(&config, end) else { return Ok(None) };
    let files = [("generation_config.json", &generation), ("config.json", &shape)];
    let said =
        files.into_iter().map(|(name, file)| (name, ids_of(&file["eos_token_id"]))).find(|(_, ids)| !ids.is_empty());
    // Without a list of ids the tokenizer's own token ends an answer.
    let (name, ids) = said.unwrap_or_default();
    let by_token = ids.is_empty() && token_text(&config["eos_token"]) == Some(token);
    if by_token || ids.contains(&id) {
        return Ok(None);
    }
    let dir = model.display();
    Ok(Some(match ids.is_empty() {
        true => format!(
            "{dir}: answers do not end at `{token}`, with which the chat template ends a turn: `eos_token` in tokenizer_config.json is another, as in a base model; set it to `{token}`"
        ),
        false => {
            let both: Vec<u32> = std::iter::once(id).chain(ids.iter().copied()).collect();
            format!(
                "{dir}: answers do not end at `{token}` (id {id}), with which the chat template ends a turn: `eos_token_id` in {name} is {ids:?}, as in a base model; set it to {both:?}"
            )
        }
    }))
}

/// The special token that comes first in a text, and its id.
fn first_special<'c>(config: &'c Value, text: &str) -> Option<(u32, &'c str)> {
    let tokens = config["added_tokens_decoder"].as_object().into_iter().flatten();
    let special = tokens.filter(|(_, token)| token["special"] != false);
    let placed = special.filter_map(|(id, token)| {
        let name = token_text(token).filter(|name| !name.is_empty())?;
        Some((text.find(name)?, std::cmp::Reverse(name.len()), id.parse().ok()?, name))
    });
    placed.min().map(|(_, _, id, name)| (id, name))
}

#[cfg(test)]
mod tests {
    use super::super::files::json_or_null;
    use super::*;

    /// The tiny model's folder with other end-of-sequence ids and another `eos_token`.
    fn told(generation: Option<Value>, model: Value, token: &str) -> Option<String> {
        let dir = tempfile::tempdir().unwrap();
        let tiny = Path::new("tests/fixtures/tiny");
        let edited = |name: &str, key: &str, value: Value| {
            let mut json = json_or_null(&tiny.join(name)).unwrap();
            json[key] = value;
            std::fs::write(dir.path().join(name), json.to_string()).unwrap();
        };
        edited("tokenizer_config.json", "eos_token", token.into());
        edited("config.json", "eos_token_id", model);
        if let Some(ids) = generation {
            edited("generation_config.json", "eos_token_id", ids);
        }
        let _ = std::fs::copy(tiny.join("chat_template.jinja"), dir.path().join("chat_template.jinja"));
        let told = unended_turns(dir.path()).unwrap();
        told.map(|told| told.replace(&format!("{}: ", dir.path().display()), ""))
    }

    #[test]
    fn a_base_models_end_under_a_chat_template_is_told() {
        assert_eq!(unended_turns(Path::new("tests/fixtures/tiny")).unwrap(), None);
        let told_of = told(Some(509.into()), 511.into(), "<|im_end|>").expect("the list of ids goes first");
        assert!(
            told_of.starts_with("answers do not end at `<|im_end|>` (id 511)")
                && told_of.ends_with(
                    "`eos_token_id` in generation_config.json is [509], as in a base model; set it to [511, 509]"
                ),
            "{told_of}"
        );
        assert!(told(None, 509.into(), "<|im_end|>").expect("config.json").contains("in config.json is [509]"));
        assert!(told(None, Value::Null, "<|endoftext|>").expect("the token").ends_with("set it to `<|im_end|>`"));
        assert_eq!(told(None, Value::Null, "<|im_end|>"), None);
        assert_eq!(told(Some(serde_json::json!([511, 509])), 509.into(), "<|endoftext|>"), None);
    }

    #[test]
    fn a_folder_without_a_template_has_no_turns() {
        assert_eq!(unended_turns(Path::new("tests/fixtures/adapter")).unwrap(), None);
    }
}
