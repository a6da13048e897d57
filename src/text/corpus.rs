//! Files of training data: conversations in every dialect of [`super::chat::read_chats`], and plain text beside them.

use std::path::Path;

use serde_json::{Map, Value};

use super::chat::{Dialect, chat_of_row, refuse, unread_of_turns};
use super::chatml::turns_of_chatml;
use super::example::{ExampleRules, TrainingExample};
use super::message::Message;
use super::tokenizer::Tokenizer;
use crate::record::scan_objects;
use crate::{Error, Result, bail};

/// What a row of training data holds.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// A conversation.
    Turns(Vec<Message>),
    /// Text that is no conversation: `{"text": ...}` that does not begin as ChatML does.
    Plain(String),
}

/// One row of a file of training data.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Where it stands in its file, counted from 1.
    pub line: usize,
    /// What it holds.
    pub content: Content,
    /// In which dialect it is written.
    pub dialect: &'static str,
    /// Keys of the row and its turns from which nothing is read.
    pub unread: Vec<String>,
}

/// Reads a file of training data and refuses it if any line is malformed; the error names each such line.
///
/// # Errors
/// As said, or if the file cannot be read or holds no row.
pub fn read_corpus(path: &Path) -> Result<Vec<Entry>> {
    refuse(scan_corpus(path)?)
}

/// Reads a file of training data and keeps its malformed lines apart, one error `FILE:LINE: reason` for each.
///
/// # Errors
/// If the file cannot be read or holds no row at all.
pub fn scan_corpus(path: &Path) -> Result<(Vec<Entry>, Vec<Error>)> {
    scan_objects(path, |line, row| {
        let dialect = Dialect::of(&row);
        let mut unread = unread_of_turns(&row);
        let (content, rest) = content_of(row, dialect)?;
        unread.extend(rest.into_iter().filter(|(_, value)| !value.is_null()).map(|(key, _)| key));
        // A row without a dialect has been refused.
        Ok(Entry { line, content, dialect: dialect.map_or("text", Dialect::name), unread })
    })
}

fn content_of(mut row: Map<String, Value>, dialect: Option<Dialect>) -> Result<(Content, Map<String, Value>)> {
    if let (Some(Dialect::Text), Some(Value::String(text))) = (dialect, row.get("text"))
        && turns_of_chatml(text)?.is_none()
    {
        if text.trim().is_empty() {
            bail!("`text` is empty");
        }
        let text = text.clone();
        row.shift_remove("text");
        return Ok((Content::Plain(text), row));
    }
    let (turns, rest) = chat_of_row(row)?;
    Ok((Content::Turns(turns), rest))
}

impl Tokenizer {
    /// The example of a row before it is cut to the longest length. All tokens of plain text are supervised, unless `rules`
    /// supervise responses only: then it has nothing to learn.
    ///
    /// # Errors
    /// A row without anything to learn.
    pub fn uncut_example(&self, content: &Content, rules: &ExampleRules) -> Result<TrainingExample> {
        match content {
            Content::Turns(messages) => {
                self.training_example(messages, &ExampleRules { max_len: usize::MAX, ..rules.clone() })
            }
            Content::Plain(_) if rules.responses_only => Err(Error::new("nothing to learn: plain text has no reply")
                .hint("train on all tokens with `train_on_responses_only = false`, or give conversations")),
            Content::Plain(text) => {
                let end = if rules.append_eos { self.eos_token() } else { "" };
                let ids = self.encode(&format!("{text}{end}"))?;
                let mut weights = vec![1.0; ids.len()];
                weights[0] = 0.0;
                Ok(TrainingExample { ids, weights })
            }
        }
    }

    /// The example of a row.
    ///
    /// # Errors
    /// A row without anything to learn.
    pub fn example_of(&self, content: &Content, rules: &ExampleRules) -> Result<TrainingExample> {
        self.uncut_example(content, rules)?.cut(rules.max_len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::tiny_tokenizer;

    fn entries(text: &str) -> (Vec<Entry>, Vec<String>) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let (entries, bad) = scan_corpus(file.path()).unwrap();
        (entries, bad.iter().map(|e| e.to_string().rsplit_once("tmp").unwrap().1.to_owned()).collect())
    }

    #[test]
    fn every_dialect_is_told_by_its_keys() {
        let (entries, bad) = entries(concat!(
            "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"}]}\n",
            "{\"prompt\":\"a\",\"completion\":\"b\"}\n",
            "{\"conversations\":[{\"from\":\"human\",\"value\":\"a\"},{\"from\":\"gpt\",\"value\":\"b\"}]}\n",
            "{\"text\":\"<|im_start|>user\\na<|im_end|>\\n<|im_start|>assistant\\nb<|im_end|>\\n\"}\n",
            "{\"text\":\"Once upon a time.\"}\n",
            "{\"text\":\" \"}\n{\"text\":\"<|im_start|>user\\na\"}\n{\"words\":\"x\"}\n",
        ));
        let dialects: Vec<_> = entries.iter().map(|e| e.dialect).collect();
        assert_eq!(dialects, ["messages", "prompt and completion", "conversations", "text", "text"]);
        let chat = Content::Turns(vec![Message::user("a"), Message::assistant("b")]);
        assert!(entries[..4].iter().all(|e| e.content == chat));
        assert_eq!(entries[4].content, Content::Plain("Once upon a time.".into()));
        assert_eq!(bad.len(), 3);
        assert!(bad[0].contains(":6: `text` is empty") && bad[1].contains(":7: ChatML, turn 1"), "{bad:?}");
        assert!(bad[2].contains(":8: no `messages`"), "{bad:?}");
    }

    #[test]
    fn keys_from_which_nothing_is_read_are_told() {
        let (entries, bad) = entries(concat!(
            "{\"id\":1,\"system\":\"s\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"},",
            "{\"role\":\"assistant\",\"content\":\"b\",\"weight\":1,\"tool_calls\":null,\"reasoning_content\":\"c\"}]}\n",
        ));
        assert!(bad.is_empty(), "{bad:?}");
        assert_eq!(entries[0].unread, ["reasoning_content", "id"]);
    }

    #[test]
    fn plain_text_is_learned_as_a_whole_or_not_at_all() {
        let tokenizer = tiny_tokenizer();
        let text = Content::Plain("Once upon a time there was a ship.".into());
        let all = ExampleRules { responses_only: false, ..ExampleRules::default() };
        let example = tokenizer.example_of(&text, &all).unwrap();
        assert_eq!(example.supervised(), example.ids.len() - 1);
        assert_eq!(example.ids.last(), Some(&tokenizer.eos_ids()[0]));
        assert_eq!(tokenizer.example_of(&text, &ExampleRules { max_len: 3, ..all }).unwrap().ids, example.ids[..3]);
        let refused = tokenizer.example_of(&text, &ExampleRules::default()).unwrap_err();
        assert!(refused.to_string().contains("plain text has no reply"), "{refused}");
    }
}
