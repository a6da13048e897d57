//! Conversations, and the files that hold them.

use std::path::Path;

use serde_json::{Map, Value};

use super::chatml::turns_of_chatml;
use super::message::{Message, role_of};
use super::tools::{CALLS, TOOL_TURN_KEYS, calls_of, is_given, json_of_text, tools_of};
use crate::record::{refuse_malformed, scan_objects};
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

/// Reads a file of conversations and refuses it if any row is malformed; the error names each such row.
///
/// A file is JSONL, one JSON list, or Parquet. A row is an object with `messages` or `conversations` (lists of `role` or `from` with `content` or `value`), with
/// `prompt` or `instruction` (and `input`) and `completion`, `response` or `output` (each a text or a list of turns), or
/// with `text` in ChatML; `system` or `system_prompt` may hold the system prompt. Empty lines are skipped.
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
    scan_objects(path, |line, row| chat_of_row(row).map(|(messages, extra)| Chat { line, messages, extra }))
}

/// The keys of lists of turns, of questions and of replies, in the order in which they are looked for.
const LISTS: [&str; 3] = ["messages", "conversations", "conversation"];
const REPLIES: [&str; 3] = ["completion", "response", "output"];
const SYSTEMS: [&str; 2] = ["system", "system_prompt"];

/// The keys by which a row's conversation is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// A list of turns.
    Turns(&'static str),
    /// A question and a reply, each a text or a list of turns.
    Pair(&'static str),
    /// Alpaca's `instruction`, `input` and a reply.
    Alpaca(&'static str),
    /// A text.
    Text,
}

impl Dialect {
    /// The dialect of a row, unless it has the keys of none. In a table every row has all columns, null where a row has no such key.
    pub(super) fn of(row: &Map<String, Value>) -> Option<Self> {
        let given = |key: &str| row.get(key).is_some_and(|value| !value.is_null());
        Self::by_keys(given, row).or_else(|| Self::by_keys(|key| row.contains_key(key), row))
    }

    fn by_keys(has: impl Fn(&str) -> bool, row: &Map<String, Value>) -> Option<Self> {
        let reply = || REPLIES.into_iter().find(|&key| has(key));
        if let Some(list) = LISTS.into_iter().find(|&key| has(key)) {
            return Some(Self::Turns(list));
        }
        if has("prompt") && reply().is_some() {
            return reply().map(Self::Pair);
        }
        if has("instruction") && reply().is_some() {
            return reply().map(Self::Alpaca);
        }
        row.get("text").is_some_and(Value::is_string).then_some(Self::Text)
    }

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Turns(list) => list,
            Self::Pair("completion") => "prompt and completion",
            Self::Pair("response") => "prompt and response",
            Self::Pair(_) => "prompt and output",
            Self::Alpaca(_) => "instruction",
            Self::Text => "text",
        }
    }
}

/// The conversation of one row in any of the forms of [`read_chats`], and the row's other keys.
///
/// # Errors
/// If the row holds no conversation, or a malformed one; marks of what is learned that cannot be kept.
pub fn chat_of_row(mut row: Map<String, Value>) -> Result<(Vec<Message>, Map<String, Value>)> {
    let dialect = Dialect::of(&row).ok_or_else(|| no_dialect(&row))?;
    if let Some(key) = MASKS.into_iter().find(|&key| row.get(key).is_some_and(is_given)) {
        bail!("`{key}`: a mask of a part of the text is not kept; `weight` 0 or 1 of a whole turn is");
    }
    let tools = tools_of(&mut row)?;
    // `shift_remove` keeps the order of the keys that stay.
    let mut take = |key: &str| row.shift_remove(key).unwrap_or_default();
    let mut messages = match dialect {
        Dialect::Turns(list) => messages_of(&take(list)).map_err(|e| e.at(format_args!("`{list}`")))?,
        Dialect::Pair(reply) => {
            let mut messages = turns_of(&take("prompt"), Message::user).map_err(|e| e.at("`prompt`"))?;
            let reply_at = |e: Error| e.at(format_args!("`{reply}`"));
            messages.extend(turns_of(&take(reply), Message::assistant).map_err(reply_at)?);
            messages
        }
        Dialect::Alpaca(reply) => {
            let question = text_of(&take("instruction")).map_err(|e| e.at("`instruction`"))?;
            let answer = text_of(&take(reply)).map_err(|e| e.at(format_args!("`{reply}`")))?;
            let input = match take("input") {
                Value::Null => String::new(),
                input => text_of(&input).map_err(|e| e.at("`input`"))?,
            };
            ensure!(
                !row.get("history").is_some_and(is_given),
                "`history`: earlier turns beside `instruction` are not read; give `messages` instead"
            );
            let question = if input.is_empty() { question } else { format!("{question}\n\n{input}") };
            vec![Message::user(question), Message::assistant(answer)]
        }
        Dialect::Text => {
            let text = take("text");
            let messages = turns_of_chatml(text.as_str().unwrap_or_default())?;
            messages.ok_or_else(|| Error::new("`text` is no conversation: it does not begin as ChatML does"))?
        }
    };
    for key in SYSTEMS {
        if row.get(key).is_some_and(is_given) {
            let prompt =
                text_of(&row.shift_remove(key).unwrap_or_default()).map_err(|e| e.at(format_args!("`{key}`")))?;
            match messages.first().filter(|first| first.role == "system") {
                None => messages.insert(0, Message::system(prompt)),
                Some(own) => {
                    ensure!(own.content == prompt, "`{key}` and the first turn are two different system prompts")
                }
            }
        }
    }
    if let Some(first) = messages.first_mut() {
        first.tools = tools;
    }
    Ok((messages, row))
}

/// What a row without a conversation may have meant.
fn no_dialect(row: &Map<String, Value>) -> Error {
    let lists = |value: &Value| value.as_array().is_some_and(|turns| turns.first().is_some_and(Value::is_object));
    let likely = row.iter().find(|(_, value)| lists(value)).map(|(key, _)| format!("`{key}` as `messages`"));
    let has = |key: &str| row.contains_key(key);
    let likely = likely.or_else(|| {
        let question = ["prompt", "instruction", "question", "query", "input"].into_iter().find(|key| has(key))?;
        let answer = ["answer", "chosen", "reply", "target"].into_iter().chain(REPLIES).find(|key| has(key))?;
        Some(format!("`{question}` as `prompt` and `{answer}` as `completion`"))
    });
    let meant = likely.map(|likely| format!("; perhaps {likely}?")).unwrap_or_default();
    Error::new(format!("no `messages`, no `prompt` with `completion`, no `conversations`, no `text`{meant}"))
}

const ROLE_KEYS: [&str; 3] = ["role", "from", "speaker"];
const CONTENT_KEYS: [&str; 3] = ["content", "value", "text"];
/// Keys that say whether a reply is learned.
const LEARNED_KEYS: [&str; 6] = ["weight", "train", "loss", "trainable", "loss_weight", "supervise"];
/// Keys by which other programs mask parts of a turn; such a mask cannot be kept.
const MASKS: [&str; 6] = ["train_detail", "mask", "masks", "loss_mask", "train_mask", "weights"];

/// The keys of a row's turns from which nothing is read.
pub(super) fn unread_of_turns(row: &Map<String, Value>) -> Vec<String> {
    let lists = row.values().filter_map(Value::as_array);
    let turns =
        lists.flatten().filter_map(Value::as_object).filter(|turn| ROLE_KEYS.iter().any(|key| turn.contains_key(*key)));
    let read = |key: &str| {
        let all = [&ROLE_KEYS[..], &CONTENT_KEYS, &LEARNED_KEYS, &CALLS, &TOOL_TURN_KEYS];
        all.iter().any(|keys| keys.contains(&key))
    };
    let unread = turns.flatten().filter(|(key, value)| is_given(value) && !read(key));
    let mut keys: Vec<String> = unread.map(|(key, _)| key.clone()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// A list of turns, whose keys are named differently by different producers; some tables hold it as a text.
fn messages_of(turns: &Value) -> Result<Vec<Message>> {
    let turns = json_of_text(turns);
    let turns = turns.as_array().ok_or_else(|| Error::new("not a list of turns"))?;
    ensure!(!turns.is_empty(), "an empty list of turns");
    let numbered = turns.iter().enumerate();
    numbered.map(|(i, turn)| message_of(turn).map_err(|e| e.at(format_args!("turn {}", i + 1)))).collect()
}

fn message_of(turn: &Value) -> Result<Message> {
    let given = |key: &&str| turn.get(*key).is_some_and(|value| !value.is_null());
    let key = ROLE_KEYS.into_iter().find(given);
    let role = key
        .and_then(|key| turn[key].as_str())
        .ok_or_else(|| Error::new(format!("no text under `{}`", key.unwrap_or("role` or `from"))))?;
    if let Some(key) = MASKS.into_iter().find(|&key| turn.get(key).is_some_and(is_given)) {
        bail!("`{key}`: a mask of a part of a turn is not kept; `weight` 0 or 1 of a whole turn is");
    }
    let role = role_of(role)?;
    let tool_calls = calls_of(turn)?;
    ensure!(tool_calls.is_none() || role == "assistant", "calls of tools by `{role}`");
    let key =
        CONTENT_KEYS.into_iter().find(given).or_else(|| CONTENT_KEYS.into_iter().find(|key| turn.get(*key).is_some()));
    let content = match key {
        // A reply that only calls has no words.
        _ if tool_calls.is_some() && !CONTENT_KEYS.iter().any(given) => String::new(),
        Some(key) => text_of(&turn[key]).map_err(|e| e.at(key))?,
        None => return Err(Error::new("no `content`")),
    };
    let text = |key: &str| turn.get(key).and_then(Value::as_str).filter(|_| role == "tool").map(str::to_owned);
    Ok(Message {
        learned: learned(turn)?,
        tool_calls,
        tool_call_id: text("tool_call_id"),
        name: text("name"),
        ..Message::new(role, content)
    })
}

/// Whether a turn, or a part of it, is marked as one that is learned.
fn learned(turn: &Value) -> Result<bool> {
    for key in LEARNED_KEYS {
        match turn.get(key) {
            None | Some(Value::Null | Value::Bool(true)) => {}
            Some(Value::Bool(false)) => return Ok(false),
            Some(Value::Number(n)) if n.as_f64() == Some(1.0) => {}
            Some(Value::Number(n)) if n.as_f64() == Some(0.0) => return Ok(false),
            Some(other) => bail!("`{key}`: {other} is neither 0 nor 1"),
        }
    }
    Ok(true)
}

/// One side of a `prompt`/`completion` row: plain text, or a list of messages.
fn turns_of(side: &Value, speaker: fn(String) -> Message) -> Result<Vec<Message>> {
    match side {
        Value::String(text) => Ok(vec![speaker(text.clone())]),
        list => messages_of(list),
    }
}

/// Text, or a list of text parts as OpenAI's clients write it.
fn text_of(content: &Value) -> Result<String> {
    match content {
        Value::String(text) => Ok(text.clone()),
        Value::Array(parts) => {
            let text = |part: &Value| -> Result<String> {
                let masked = MASKS.iter().any(|key| part.get(*key).is_some_and(is_given));
                ensure!(
                    learned(part)? && !masked,
                    "a part that is not learned; `weight` 0 or 1 of a whole turn is kept"
                );
                let text = part.get("text").and_then(Value::as_str);
                text.map(str::to_owned).ok_or_else(|| Error::new("a part that is not text"))
            };
            parts.iter().map(text).collect()
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
    fn what_other_programs_call_it_is_read_the_same() {
        let chat = "user:a|assistant:b";
        check(r#"{"conversations":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}"#, chat);
        check(r#"{"messages":[{"from":"human","value":"a"},{"from":"assistant","value":"b"}]}"#, chat);
        check(r#"{"messages":[{"role":"User","content":"a"},{"role":"Assistant","content":"b"}]}"#, chat);
        check(r#"{"prompt":"a","response":"b"}"#, chat);
        check(r#"{"instruction":"a","input":"","output":"b"}"#, chat);
        check(r#"{"instruction":"a","input":"x","output":"b"}"#, "user:a\n\nx|assistant:b");
        let under = "system:s|user:a|assistant:b";
        check(r#"{"system":"s","conversations":[{"from":"human","value":"a"},{"from":"gpt","value":"b"}]}"#, under);
        check(r#"{"system_prompt":"s","instruction":"a","output":"b"}"#, under);
        check(r#"{"system":"","system_prompt":null,"prompt":"a","completion":"b"}"#, chat);
    }

    #[test]
    fn what_would_be_lost_is_refused_by_name() {
        let calls = r#"{"messages":[{"role":"assistant","content":null,"tool_calls":[{"id":"c"}]}]}"#;
        check(calls, "turn 1: `tool_calls`: a call without the `name` of a function");
        check(r#"{"tools":[{}],"prompt":"a","completion":"b"}"#, "`tools`: a tool without the `name` of a function");
        check(r#"{"prompt":"a","completion":"b","loss_mask":[0,1]}"#, "a whole turn is");
        check(
            r#"{"messages":[{"role":"assistant","content":[{"type":"text","text":"a","mask":true}]}]}"#,
            "a part that is not learned; `weight` 0 or 1 of a whole turn is kept",
        );
        check(r#"{"instruction":"a","output":"b","history":[["c","d"]]}"#, "not read; give `messages` instead");
        check(r#"{"system":"s","messages":[{"role":"system","content":"t"}]}"#, "two different system prompts");
        check(r#"{"messages":[{"role":"assistant","content":"a","weight":0.5}]}"#, "`weight`: 0.5 is neither 0 nor 1");
        check(
            r#"{"messages":[{"role":"assistant","content":[{"type":"text","text":"a","weight":0}]}]}"#,
            "a part that is not learned; `weight` 0 or 1 of a whole turn is kept",
        );
        let meant = "no `text`; perhaps `question` as `prompt` and `answer` as `completion`?";
        check(r#"{"question":"a","answer":"b"}"#, meant);
        check(r#"{"dialogue":[{"role":"user","content":"a"}]}"#, "no `text`; perhaps `dialogue` as `messages`?");
    }

    #[test]
    fn a_reply_that_is_not_to_be_learned_keeps_its_mark() {
        for mark in ["\"weight\":0", "\"train\":false", "\"loss\":false"] {
            let row = format!(
                r#"{{"messages":[{{"role":"assistant","content":"a",{mark}}},{{"role":"assistant","content":"b"}}]}}"#
            );
            let (messages, _) = chat_of_row(serde_json::from_str(&row).unwrap()).unwrap();
            assert_eq!((messages[0].learned, messages[1].learned), (false, true), "{mark}");
            let again = serde_json::json!({ "messages": messages });
            assert_eq!(chat_of_row(again.as_object().unwrap().clone()).unwrap().0, messages);
            assert!(!serde_json::to_string(&messages[1]).unwrap().contains("train"));
        }
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
    fn a_json_list_is_read_as_rows() {
        let file = file_of(b"\xef\xbb\xbf[\n {\"prompt\": \"a\",\n  \"completion\": \"b\"},\n 7\n]\n");
        let (chats, bad) = scan_chats(file.path()).unwrap();
        assert_eq!((chats.len(), chats[0].line, chats[0].messages.len(), bad.len()), (1, 1, 2, 1));
        assert!(bad[0].to_string().ends_with(":2: not a JSON object"), "{}", bad[0]);
        check("[]", "the file holds no row");
    }

    #[test]
    fn parquet_is_read_as_jsonl_is() {
        let chats = read_chats(Path::new("tests/fixtures/chats.parquet")).unwrap();
        assert_eq!(chats.iter().map(|chat| chat.line).collect::<Vec<_>>(), [1, 2, 3]);
        let turns =
            [Message::system("Be brief."), Message::user("Where is the pilot?"), Message::assistant("On the pier.")];
        assert_eq!(chats[0].messages, turns);
        assert_eq!(chats[1].messages.iter().map(|m| m.learned).collect::<Vec<_>>(), [true, false, true, true]);
        assert_eq!(chats[2].messages, [Message::user("Hi"), Message::assistant("Hello.")]);
    }

    #[test]
    fn a_missing_file_is_named() {
        let e = read_chats(Path::new("no/such.jsonl")).unwrap_err().to_string();
        assert!(e.starts_with("no/such.jsonl: "), "{e}");
    }
}
