//! Words of a conversation that its template leaves out: they are neither read nor learned.

use std::collections::BTreeMap;

use serde::Serialize;

use super::corpus::Content;
use super::message::Message;
use super::tokenizer::Tokenizer;

/// What templates leave out, and the rows that lose it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Losses(BTreeMap<String, Vec<String>>);

impl Losses {
    /// Looks whether a row's words stand in its rendered text. `place` is its `FILE:LINE`. A row that cannot be rendered loses nothing
    /// here, since its error is told elsewhere.
    pub fn look(&mut self, tokenizer: &Tokenizer, content: &Content, place: &str) {
        let Content::Turns(messages) = content else { return };
        let Ok(text) = tokenizer.chat_text(messages, false) else { return };
        for what in lost(messages, &text) {
            let places = self.0.entry(what).or_default();
            if places.last().is_none_or(|last| last != place) {
                places.push(place.to_owned());
            }
        }
    }

    /// Whether nothing is lost.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is lost and the rows that lose it.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|(what, places)| (what.as_str(), places.as_slice()))
    }

    /// A line for each thing that is lost.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.iter().map(|(what, places)| {
            format!("the chat template leaves out {what} in {} rows, such as {}", places.len(), places[0])
        })
    }
}

/// What is missing in a rendered conversation, turn by turn.
fn lost(messages: &[Message], text: &str) -> Vec<String> {
    let mut from = 0;
    let mut lost = Vec::new();
    for message in messages {
        let words = message.content.trim();
        if let Some(at) = text[from..].find(words) {
            from += at + words.len();
        } else if !text.contains(words) {
            // Templates that trim the lines of a text lose nothing either.
            let missing = missing(words, &text[from..]);
            if !missing.is_empty() {
                lost.push(in_words(message, words, missing));
            }
        }
    }
    lost
}

/// The middle of some words without which the text has their beginning and their end.
fn missing<'w>(words: &'w str, text: &str) -> &'w str {
    let borders: Vec<usize> = words.char_indices().map(|(at, _)| at).chain([words.len()]).collect();
    // A longer beginning is in the text only if a shorter one is.
    let begin = borders[borders.partition_point(|&at| text.contains(&words[..at])).saturating_sub(1)];
    // Whole words and tags: a letter or a bracket is in any text.
    let is_border = |at: usize| {
        let (before, after) = words.split_at(at);
        before.is_empty()
            || after.is_empty()
            || before.ends_with(|c: char| c.is_whitespace() || c == '>')
            || after.starts_with('<')
    };
    let begin = borders.iter().rev().copied().find(|&at| at <= begin && is_border(at)).unwrap_or(0);
    let end = borders[borders.partition_point(|&at| !text.contains(&words[at..])).min(borders.len() - 1)];
    let end = borders.iter().copied().find(|&at| at >= end.max(begin) && is_border(at)).unwrap_or(words.len());
    words[begin..end].trim()
}

fn in_words(message: &Message, words: &str, missing: &str) -> String {
    let whose = match message.role.as_str() {
        "assistant" => "replies",
        "user" => "questions",
        "system" => "system prompts",
        _ => "what tools answer",
    };
    let tag = missing.strip_prefix('<').and_then(|rest| rest.split_once('>')).map(|(tag, _)| tag);
    let tag = tag
        .filter(|tag| !tag.is_empty() && !tag.contains(char::is_whitespace) && missing.contains(&format!("</{tag}>")));
    match tag {
        Some(tag) => format!("`<{tag}>...</{tag}>` of {whose}"),
        None if missing == words => format!("all words of {whose}"),
        None => format!("some words of {whose}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(reply: &str, text: &str, want: &[&str]) {
        let chat = [Message::user("2+2?"), Message::assistant(reply)];
        assert_eq!(lost(&chat, &format!("<u>2+2?</u><a>{text}</a>")), want);
    }

    #[test]
    fn what_a_template_leaves_out_is_named() {
        let thought = "<think>two and two</think>4";
        check(thought, thought, &[]);
        check(" 4\n", "4", &[]);
        check(thought, "4", &["`<think>...</think>` of replies"]);
        check("<think>\ntwo\n</think>\n\nIt is 4.", "It is 4.", &["`<think>...</think>` of replies"]);
        check("It is four.", "", &["all words of replies"]);
        check("First this. Then that. Done.", "First this. Done.", &["some words of replies"]);
        let chat = [Message::system("Be brief."), Message::user("Hi")];
        assert_eq!(lost(&chat, "<u>Hi</u>"), ["all words of system prompts"]);
    }
}
