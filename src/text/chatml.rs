//! A rendered conversation taken apart again: ChatML, as Qwen's template writes it.

use super::message::{Message, role_of};
use crate::{Error, Result, ensure};

const START: &str = "<|im_start|>";
const END: &str = "<|im_end|>";

/// The turns of a text in ChatML, `<|im_start|>ROLE\nCONTENT<|im_end|>\n` and so on, with end-of-sequence tokens behind it or
/// without; nothing if the text does not begin as ChatML does.
///
/// # Errors
/// A text that begins as ChatML and does not go on so.
pub fn turns_of_chatml(text: &str) -> Result<Option<Vec<Message>>> {
    let mut rest = text.trim_start();
    if !rest.starts_with(START) {
        return Ok(None);
    }
    let mut turns = Vec::new();
    while let Some(turn) = rest.strip_prefix(START) {
        let number = turns.len() + 1;
        let broken = |what: &str| Error::new(format!("ChatML, turn {number}: {what}"));
        let (role, turn) = turn.split_once('\n').ok_or_else(|| broken("no line break after the role"))?;
        let (content, after) = turn.split_once(END).ok_or_else(|| broken("no `<|im_end|>`"))?;
        ensure!(!content.contains(START), "ChatML, turn {number}: another turn begins before it has ended");
        let role = role_of(role.trim()).map_err(|e| e.at(format_args!("ChatML, turn {number}")))?;
        turns.push(Message::new(role, content));
        rest = after.strip_prefix('\n').unwrap_or(after);
    }
    let tail = ["<|endoftext|>", END].iter().fold(rest.to_owned(), |tail, token| tail.replace(token, ""));
    ensure!(tail.trim().is_empty(), "ChatML, after turn {}: text outside of any turn", turns.len());
    Ok(Some(turns))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::tiny_tokenizer;

    #[test]
    fn what_the_template_writes_is_taken_apart_again() {
        let chat = [
            Message::system("Be brief."),
            Message::user("Hi\n\nthere"),
            Message::assistant("<b>Hello</b>"),
            Message::user("Bye"),
            Message::assistant(""),
        ];
        let text = tiny_tokenizer().chat_text(&chat, false).unwrap();
        for tail in ["", "<|im_end|>", "<|endoftext|>\n"] {
            assert_eq!(turns_of_chatml(&format!("{text}{tail}")).unwrap().unwrap(), chat);
        }
        assert_eq!(turns_of_chatml("Once upon a time <|im_start|>").unwrap(), None);
    }

    #[test]
    fn broken_chatml_says_where() {
        let check = |text: &str, want: &str| {
            let told = turns_of_chatml(text).unwrap_err().to_string();
            assert!(told.contains(want), "{told}");
        };
        check("<|im_start|>user", "turn 1: no line break");
        check("<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nhel", "turn 2: no `<|im_end|>`");
        check("<|im_start|>user\nhi<|im_start|>assistant\nx<|im_end|>", "turn 1: another turn begins");
        check("<|im_start|>user\nhi<|im_end|>\nand so on", "after turn 1: text outside");
        check("<|im_start|>narrator\nhi<|im_end|>", "unknown role `narrator`");
    }
}
