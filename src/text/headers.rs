//! Where a rendered conversation is the user's and where the assistant's.

use super::message::Message;
use crate::{Error, Result};

/// What a template writes before the words of a user and of the assistant.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Headers {
    /// Before the assistant's words.
    pub(super) assistant: String,
    /// Of the others who speak: the user first, then those of system turns within a chat and of tools that the template has.
    others: Vec<String>,
}

impl Headers {
    /// Finds the headers by comparing renderings: what stands between two turns is the end of the first and the header of
    /// the second, and the end of a turn is what a rendering that stops there ends with. `render` applies the chat template.
    pub(super) fn find(render: impl Fn(&[Message]) -> Result<String>) -> Result<Self> {
        const WORDS: [&str; 3] = ["TRIMTABASKS", "TRIMTABREPLIES", "TRIMTABSPEAKSAGAIN"];
        let header_after = |turn: usize, third: &str| {
            let chat = [Message::user(WORDS[0]), Message::assistant(WORDS[1]), Message::new(third, WORDS[2])];
            let whole = render(&chat).ok()?;
            let short = render(&chat[..=turn]).ok()?;
            let (_, end) = short.split_once(WORDS[turn])?;
            let (_, rest) = whole.split_once(WORDS[turn])?;
            let (between, _) = rest.split_once(WORDS[turn + 1])?;
            between.strip_prefix(end).filter(|header| !header.is_empty()).map(str::to_owned)
        };
        render(&[Message::user(WORDS[0]), Message::assistant(WORDS[1]), Message::user(WORDS[2])])?;
        match (header_after(0, "user"), header_after(1, "user")) {
            (Some(assistant), Some(user)) => {
                let own = |header: &String| *header != assistant;
                let others = ["system", "tool"].into_iter().filter_map(|role| header_after(1, role)).filter(own);
                let others = std::iter::once(user).chain(others.collect::<Vec<_>>()).collect();
                Ok(Self { assistant, others })
            }
            _ => Err(Error::new("the chat template shows no header before a user's or the assistant's words")
                .hint("train on all tokens with `train_on_responses_only = false`")),
        }
    }

    /// Cuts a rendered conversation into stretches that are learned and stretches that are not, in order.
    pub(super) fn spans<'t>(&self, text: &'t str) -> Vec<(&'t str, bool)> {
        let mut spans = Vec::new();
        let (mut start, mut at, mut learned) = (0, 0, false);
        let mut cut = |end: usize, now: bool, learned: &mut bool| {
            if *learned != now {
                spans.push((&text[start..end], *learned));
                (start, *learned) = (end, now);
            }
        };
        loop {
            let assistant = text[at..].find(&self.assistant);
            let others = self.others.iter().filter_map(|header| Some((text[at..].find(header)?, header.len())));
            match (assistant, others.min()) {
                (Some(a), other) if other.is_none_or(|(o, _)| a < o) => {
                    // A second assistant turn in a row: its header is read, not learned.
                    cut(at + a, false, &mut learned);
                    at += a + self.assistant.len();
                    cut(at, true, &mut learned);
                }
                (_, Some((o, len))) => {
                    cut(at + o, false, &mut learned);
                    at += o + len;
                }
                (_, None) => break,
            }
        }
        spans.push((&text[start..], learned));
        spans.retain(|(span, _)| !span.is_empty());
        spans
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn qwen() -> Headers {
        Headers { assistant: "<a>\n".into(), others: vec!["<u>\n".into(), "<s>\n".into()] }
    }

    #[track_caller]
    fn check_spans(text: &str, want: &str) {
        let spans = qwen().spans(text);
        let got: String = spans
            .iter()
            .map(|(span, learned)| if *learned { format!("[{span}]") } else { (*span).to_owned() })
            .collect();
        assert_eq!(got, want);
    }

    #[test]
    fn replies_are_learned_up_to_the_next_user_header() {
        check_spans("<u>\nhi<a>\nhello.<u>\nbye<a>\nso long.", "<u>\nhi<a>\n[hello.]<u>\nbye<a>\n[so long.]");
        check_spans("<u>\nhi", "<u>\nhi");
        check_spans("<u>\nhi<a>\n", "<u>\nhi<a>\n");
        // unsloth's rule, by which whatever follows a reply is learned until a user speaks again, would learn a later system turn.
        check_spans("<a>\none<a>\ntwo<s>\nthree", "<a>\n[one]<a>\n[two]<s>\nthree");
        check_spans("<a>\none<s>\nx<u>\ny<a>\ntwo", "<a>\n[one]<s>\nx<u>\ny<a>\n[two]");
        check_spans("<u>\n\nhi<a>\n\nhello", "<u>\n\nhi<a>\n[\nhello]");
    }
}
