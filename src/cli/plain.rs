//! Text that a terminal only shows: names of tensors, templates' errors and judges' words come from strangers, and a terminal obeys
//! what is hidden in them.

use std::borrow::Cow;

/// Whether a terminal obeys a character, or it changes the order in which others are read.
fn acts(c: char) -> bool {
    let bidi = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    (c.is_control() && c != '\n' && c != '\t') || bidi || matches!(c, '\u{2028}' | '\u{2029}')
}

/// The text with such characters as `\u001b`, which is what they are in JSON too.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let shown = |c: char| if acts(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    Cow::Owned(text.chars().map(shown).collect())
}

/// A message of the parser of arguments with numbers that people read: no end of a range that is only its type's.
pub(super) fn readable(message: &str) -> String {
    let said = message
        .replace("number too large to fit in target type", "too large a number")
        .replace("number too small to fit in target type", "too small a number")
        .replace("invalid digit found in string", "not a whole number, 0 or more");
    let Some((before, after)) = said.split_once(" is not in ") else { return said };
    let (range, rest) = after.split_at(after.find(char::is_whitespace).unwrap_or(after.len()));
    let Some((from, end)) = range.split_once("..") else { return said };
    let number = |text: &str| text.trim_start_matches('=').parse::<i128>().ok();
    let value = before.rsplit(char::is_whitespace).next().and_then(number);
    match (value, number(from), number(end)) {
        (Some(value), Some(from), Some(end)) if end >= i128::from(i32::MAX) => match value < from {
            true => format!("{before} is not {from} or more{rest}"),
            false => format!("{before} is too large{rest}"),
        },
        (_, Some(from), Some(end)) if range.contains("..=") => format!("{before} is not from {from} to {end}{rest}"),
        _ => said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        let shown = plain("a\u{1b}[31mred\u{7}\r\u{9b}2J\u{202e}b\n\tc\u{0}");
        assert_eq!(shown, "a\\u001b[31mred\\u0007\\u000d\\u009b2J\\u202eb\n\tc\\u0000");
        assert!(matches!(plain("naïve — 你好 🦀"), Cow::Borrowed(_)));
        let json = serde_json::json!({"a": "\u{9b}\u{1b}"}).to_string();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&plain(&json)).unwrap()["a"], "\u{9b}\u{1b}");
    }

    #[test]
    fn a_range_without_an_end_says_so() {
        let told = readable("error: invalid value '0' for '--max-len <N>': 0 is not in 1..=4294967295\n");
        assert_eq!(told, "error: invalid value '0' for '--max-len <N>': 0 is not 1 or more\n");
        assert_eq!(readable("0 is not in 1..18446744073709551615"), "0 is not 1 or more");
        assert_eq!(readable("21 is not in 1..=20"), "21 is not from 1 to 20");
        assert_eq!(
            readable("9300000000000000000 is not in 0..=9223372036854775807"),
            "9300000000000000000 is too large"
        );
    }
}
