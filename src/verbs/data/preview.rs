//! Rows as the loss sees them: supervised tokens are marked.

use crate::text::{Tokenizer, Usable};
use crate::verbs::MARK;

/// Longer stretches lose their middle, in characters.
const STRETCH_MAX: usize = 240;

/// A row's tokens as text, special ones by their names, the learned stretches between marks.
pub fn shown(row: &Usable, tokenizer: &Tokenizer) -> String {
    let example = &row.example;
    let mut text = format!("{}, {} tokens, {} learned:\n", row.place, example.ids.len(), example.supervised());
    let learned: Vec<bool> = example.weights.iter().map(|&w| w > 0.0).collect();
    let mut at = 0;
    for stretch in learned.chunk_by(|a, b| a == b) {
        let bytes: Vec<u8> =
            example.ids[at..at + stretch.len()].iter().flat_map(|&id| tokenizer.token_bytes(id)).collect();
        let words = shortened(&plain(&String::from_utf8_lossy(&bytes)));
        text += &if stretch[0] { format!("{}{words}{}", MARK[0], MARK[1]) } else { words };
        at += stretch.len();
    }
    text
}

/// Without control characters, which a terminal would obey.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c }).collect()
}

fn shortened(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    if chars.len() <= STRETCH_MAX {
        return text.to_owned();
    }
    let (head, tail) = (STRETCH_MAX * 2 / 3, STRETCH_MAX / 3);
    let part = |chars: &[char]| chars.iter().collect::<String>();
    format!("{} […] {}", part(&chars[..head]), part(&chars[chars.len() - tail..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::tiny_tokenizer;
    use crate::text::{ExampleRules, Message};

    #[test]
    fn what_is_learned_stands_between_marks() {
        let tokenizer = tiny_tokenizer();
        let long = "word ".repeat(100);
        let chat = [Message::system("S"), Message::user(format!("Hi \u{1b}[31m{long}")), Message::assistant("Yes, ü.")];
        let example = tokenizer.training_example(&chat, &ExampleRules::default()).unwrap();
        let text = shown(&Usable { place: "f:1".into(), example }, &tokenizer);
        assert!(text.starts_with("f:1, ") && text.contains("<|im_start|>system\nS<|im_end|>"), "{text}");
        assert!(text.contains("<|im_start|>assistant\n\u{2}Yes, ü.<|im_end|>\n<|im_end|>\u{3}"), "{text:?}");
        assert!(text.contains(" […] ") && !text.contains('\u{1b}'), "{text:?}");
    }
}
