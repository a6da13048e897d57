//! What rows of other people's files say as a prompt and an answer, and working through files of any length.

use std::path::Path;

use serde_json::Value;

use super::tokens::{Border, finish};
use crate::data_table::{Entry, Line, Reader};
use crate::judge::{JudgedAnswer, TokenIds};
use crate::language_model::Finished;
use crate::text::{Message, Tokenizer, chat_of_row};
use crate::{Error, Result, ensure};

/// The row's prompt and answer as tokens. If only states at the prompt are wanted, a row without an answer will do.
pub(super) fn text_of(line: &Line, tokenizer: &Tokenizer, border: Border, prompt_only: bool) -> Result<Finished> {
    let (prompt, answer) = prompt_and_answer(line, tokenizer)?;
    let ids = |name: &str| -> Option<Vec<u32>> { serde_json::from_value(line.cells.get(name)?.clone()).ok() };
    let ids = ids("prompt_ids").zip(ids("token_ids")).map(|(prompt, answer)| TokenIds { prompt, answer });
    if prompt_only && answer.is_empty() {
        // States at the prompt do not depend on what follows, so any token may stand for the answer.
        let stand_in = vec![tokenizer.eos_ids()[0]];
        let prompt_ids = match ids {
            Some(ids) if !ids.prompt.is_empty() => ids.prompt,
            _ => tokenizer.encode(&prompt)?,
        };
        ensure!(!prompt_ids.is_empty(), "an empty prompt");
        return Ok(Finished { prompt_ids, response_ids: stand_in });
    }
    let text = match ids {
        Some(ids) => {
            JudgedAnswer { prompt, answer, ids: Some(ids), ..JudgedAnswer::default() }.finished(tokenizer, border)?
        }
        None => finish(tokenizer, &prompt, &answer, border)?,
    };
    text.ok_or_else(|| Error::new("an empty prompt or answer"))
}

fn prompt_and_answer(line: &Line, tokenizer: &Tokenizer) -> Result<(String, String)> {
    let answer = ["answer", "text"].into_iter().find_map(|name| line.text(name)).unwrap_or_default();
    if let (Some(prompt), false) = (line.text("prompt"), line.cells.contains_key("completion")) {
        return Ok((prompt.to_owned(), answer.to_owned()));
    }
    let (mut messages, _) = chat_of_row(line.cells.clone())?;
    let last_is_answer = messages.last().is_some_and(|m| m.role == "assistant");
    let answer = messages.pop_if(|_| last_is_answer).map_or_else(|| answer.to_owned(), |message| message.content);
    ensure!(!messages.is_empty(), "the conversation holds no prompt");
    Ok((tokenizer.chat_text(&messages, true)?, answer))
}

/// A conversation as what was asked and what the assistant said last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// All turns before the answer; the last of them is no assistant's.
    pub prompt: Vec<Message>,
    /// The assistant's answer.
    pub answer: String,
}

impl Exchange {
    /// The last answer of a conversation and all before it; with `first_turn` the first answer to the first question.
    ///
    /// # Errors
    /// If there is no answer, or no user's turn before it.
    pub fn of(mut messages: Vec<Message>, first_turn: bool) -> Result<Self> {
        let mut answers = messages.iter().enumerate().filter(|(_, m)| m.role == "assistant").map(|(i, _)| i);
        let at = if first_turn { answers.next() } else { answers.next_back() };
        let at = at.ok_or_else(|| Error::new("the conversation has no answer of an assistant"))?;
        messages.truncate(at + 1);
        let answer = messages.pop().map(|m| m.content).unwrap_or_default();
        ensure!(messages.iter().any(|m| m.role == "user"), "no user's turn before the answer");
        Ok(Self { prompt: messages, answer })
    }

    /// What the user said last.
    pub fn question(&self) -> &str {
        self.prompt.iter().rev().find(|m| m.role == "user").map_or("", |m| &m.content)
    }
}

/// The entries of a file that are to be worked on, with the place in their errors.
pub(super) fn entries<'a>(
    path: &'a Path,
    wanted: impl Fn(usize) -> bool + 'a,
) -> Result<impl Iterator<Item = Result<Entry>> + 'a> {
    let placed = |entry: Entry| {
        let place = format_args!("{}:{}", path.display(), entry.number).to_string();
        Entry { row: entry.row.map_err(|e| e.at(place)), ..entry }
    };
    let of_ours = move |entry: &Result<Entry>| entry.as_ref().map_or(true, |entry| wanted(entry.number));
    Ok(Reader::open(path)?.filter(of_ours).map(move |entry| entry.map(placed)))
}

/// The row's own name, if it has one.
pub(super) fn id_of(line: &Line) -> Value {
    line.cells.get("id").cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_the_last_or_the_first_of_the_assistant() {
        let turns = || {
            let (system, user, assistant) = (Message::system, Message::user, Message::assistant);
            vec![system("s"), user("a"), assistant("b"), user("c"), assistant("d"), user("e")]
        };
        let last = Exchange::of(turns(), false).unwrap();
        assert_eq!((last.prompt.len(), last.question(), last.answer.as_str()), (4, "c", "d"));
        let first = Exchange::of(turns(), true).unwrap();
        assert_eq!((first.prompt.len(), first.question(), first.answer.as_str()), (2, "a", "b"));
        for bad in [vec![Message::user("a")], vec![Message::assistant("b")]] {
            assert!(Exchange::of(bad, false).is_err());
        }
    }
}
