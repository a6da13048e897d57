//! Conversations, and the JSONL files that hold them.

use std::path::Path;

use serde_json::{Map, Value};

use super::chatml::turns_of_chatml;
use super::message::{Message, role_of};
use crate::record::{refuse_malformed, scan_jsonl};
use crate::{Error, Result, bail, ensure};

/// One conversation of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Chat {
    /// Where it stands in its file, counted from 1.
    pub line: usize,
    /// Its turns; not empty.
    pub messages: Vec<Message>,
    /// The row's other keys, in the file's order.
    pub extra: Map<String, Value>,
}

/// Reads a file of conversations and refuses it if any line is malformed; the error names each such line.
///
/// A line is a JSON object with `messages` (`role`, `content`), with `prompt` and `completion` (each a text or a list of
/// messages), with ShareGPT's `conversations` (`from`, `value`), or with `text` in ChatML. Empty lines are skipped.
pub fn read_chats(path: &Path) -> Result<Vec<Chat>> {
    refuse(scan_chats(path)?)
}

/// The rows of a file, unless some are malformed: then an error that names them.
pub(super) fn refuse<T>((rows, bad): (Vec<T>, Vec<Error>)) -> Result<Vec<T>> {
    refuse_malformed(bad, rows.len()).map_err(|e| {
        e.hint("each row is one JSON object such as {\"messages\": [{\"role\": \"user\", \"content\": \"...\"}, ...]}")
    })?;
    Ok(rows)
}

/// Reads a file of conversations and keeps its malformed lines apart, one error `FILE:LINE: reason` for each.
///
/// Fails if the file cannot be read or holds no line at all.
pub fn scan_chats(path: &Path) -> Result<(Vec<Chat>, Vec<Error>)> {
    scan_jsonl(path, |line, row| chat_of_row(row).map(|(messages, extra)| Chat { line, messages, extra }))
}

/// The conversation of one row in any of the forms of [`read_chats`], and the row's other keys.
///
/// # Errors
/// If the row holds no conversation, or a malformed one.
pub fn chat_of_row(mut row: Map<String, Value>) -> Result<(Vec<Message>, Map<String, Value>)> {
    // `shift_remove` keeps the order of the keys that stay.
    let messages = if let Some(turns) = row.shift_remove("messages") {
        messages_of(&turns, "role", "content").map_err(|e| e.at("`messages`"))?
    } else if let Some(turns) = row.shift_remove("conversations") {
        messages_of(&turns, "from", "value").map_err(|e| e.at("`conversations`"))?
    } else if let (Some(prompt), Some(completion)) = (row.get("prompt"), row.get("completion")) {
        let mut messages = turns_of(prompt, Message::user).map_err(|e| e.at("`prompt`"))?;
        messages.extend(turns_of(completion, Message::assistant).map_err(|e| e.at("`completion`"))?);
        row.shift_remove("prompt");
        row.shift_remove("completion");
        messages
    } else if let Some(text) = row.get("text").and_then(Value::as_str) {
        let messages = turns_of_chatml(text)?;
        let messages =
            messages.ok_or_else(|| Error::new("`text` is no conversation: it does not begin as ChatML does"))?;
        row.shift_remove("text");
        messages
    } else {
        bail!("no `messages`, no `prompt` with `completion`, no `conversations`, no `text`")
    };
    Ok((messages, row))
}

/// A list of turns, whose keys are named differently by different producers.
fn messages_of(turns: &Value, role_key: &str, content_key: &str) -> Result<Vec<Message>> {
    let turns = turns.as_array().ok_or_else(|| Error::new("not a list of turns"))?;
    ensure!(!turns.is_empty(), "an empty list of turns");
    let message = |turn: &Value| -> Result<Message> {
        let role = turn.get(role_key).and_then(Value::as_str);
        let role = role.ok_or_else(|| Error::new(format!("no text under `{role_key}`")))?;
        let content = turn.get(content_key).ok_or_else(|| Error::new(format!("no `{content_key}`")))?;
        Ok(Message { role: role_of(role)?.into(), content: text_of(content).map_err(|e| e.at(content_key))? })
    };
    let numbered = turns.iter().enumerate();
    numbered.map(|(i, turn)| message(turn).map_err(|e| e.at(format_args!("turn {}", i + 1)))).collect()
}

/// One side of a `prompt`/`completion` row: plain text, or a list of messages.
fn turns_of(side: &Value, speaker: fn(String) -> Message) -> Result<Vec<Message>> {
    match side {
        Value::String(text) => Ok(vec![speaker(text.clone())]),
        list => messages_of(list, "role", "content"),
    }
}

/// Text, or a list of text parts as OpenAI's clients write it.
fn text_of(content: &Value) -> Result<String> {
    match content {
        Value::String(text) => Ok(text.clone()),
        Value::Array(parts) => {
            let text = |part: &Value| part.get("text").and_then(Value::as_str).map(str::to_owned);
            parts.iter().map(|p| text(p).ok_or_else(|| Error::new("a part that is not text"))).collect()
        }
        Value::Null => bail!("null instead of a text"),
        _ => bail!("not a text"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file_of(bytes: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    #[track_caller]
    fn check(line: &str, want: &str) {
        let file = file_of(line.as_bytes());
        let got = match read_chats(file.path()) {
            Ok(chats) => {
                let turns = chats[0].messages.iter().map(|m| format!("{}:{}", m.role, m.content));
                turns.collect::<Vec<_>>().join("|")
            }
            Err(e) => e.to_string(),
        };
        assert!(got.ends_with(want), "{got:?} does not end in {want:?}");
    }

    #[test]
    fn the_layouts_give_the_same_turns() {
        check(
            r#"{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}"#,
            "user:a|assistant:b",
        );
        check(r#"{"prompt":"a","completion":"b"}"#, "user:a|assistant:b");
        check(
            r#"{"prompt":[{"role":"system","content":"s"},{"role":"user","content":"a"}],"completion":[{"role":"assistant","content":"b"}]}"#,
            "system:s|user:a|assistant:b",
        );
        check(r#"{"conversations":[{"from":"human","value":"a"},{"from":"gpt","value":"b"}]}"#, "user:a|assistant:b");
        check(
            r#"{"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]}"#,
            "user:ab",
        );
        check(
            r#"{"text":"<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n"}"#,
            "user:a|assistant:b",
        );
    }

    #[test]
    fn a_malformed_line_is_named_with_its_reason() {
        check(r#"{"messages":[]}"#, ":1: `messages`: an empty list of turns");
        check(r#"{"messages":"hi"}"#, ":1: `messages`: not a list of turns");
        check(r#"{"messages":[{"role":"user"}]}"#, ":1: `messages`: turn 1: no `content`");
        check(r#"{"messages":[{"role":"user","content":null}]}"#, "turn 1: content: null instead of a text");
        check(
            r#"{"messages":[{"role":"bystander","content":"x"}]}"#,
            "turn 1: unknown role `bystander` (known: system, user, assistant, tool)",
        );
        check(r#"{"txt":"x"}"#, ":1: no `messages`, no `prompt` with `completion`, no `conversations`, no `text`");
        check(r#"{"text":"x"}"#, ":1: `text` is no conversation: it does not begin as ChatML does");
        check("", "the file holds no row");
        check("\n \n", "the file holds no row");
    }

    #[test]
    fn good_lines_survive_beside_bad_ones() {
        let good = r#"{"id":7,"messages":[{"role":"user","content":"a"}],"tag":"t"}"#;
        let mut bytes = format!("\u{feff}{good}\r\n\n{{\"messages\": [\n").into_bytes();
        bytes.extend(b"{\"prompt\": \"\xff\"}\n[1]\n");
        let file = file_of(&bytes);
        let (chats, bad) = scan_chats(file.path()).unwrap();
        assert_eq!(chats.len(), 1);
        assert_eq!(chats[0].line, 1);
        assert_eq!(serde_json::to_string(&chats[0].extra).unwrap(), r#"{"id":7,"tag":"t"}"#);
        let bad: Vec<String> = bad.iter().map(Error::to_string).collect();
        assert!(bad[0].contains(":3: not a JSON object: EOF"), "{}", bad[0]);
        assert!(bad[1].contains(":4: not UTF-8: "), "{}", bad[1]);
        assert!(bad[2].contains(":5: not a JSON object: "), "{}", bad[2]);
        let refused = read_chats(file.path()).unwrap_err().to_string();
        assert!(refused.starts_with("3 of 4 rows are malformed: "), "{refused}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let e = read_chats(Path::new("no/such.jsonl")).unwrap_err().to_string();
        assert!(e.starts_with("no/such.jsonl: "), "{e}");
    }
}
