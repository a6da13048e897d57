//! Text of strangers on the terminal: names in files, templates and judges' messages may hold control characters, which would move the
//! cursor, change colours or the window's title.

use std::borrow::Cow;

/// The text with control characters written out, as in `\u{1b}`, but for line ends, tabs and those of `kept`.
pub fn escaped<'a>(text: &'a str, kept: &[char]) -> Cow<'a, str> {
    let is_raw = |c: char| c.is_control() && !"\n\t".contains(c) && !kept.contains(&c);
    if !text.contains(is_raw) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_raw(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_written_out() {
        assert_eq!(escaped("a\u{1b}[2Jb\r\nc\t\u{9b}1m", &[]), "a\\u{1b}[2Jb\\r\nc\t\\u{9b}1m");
        assert_eq!(escaped("\u{2}marked\u{3} é ✓", &['\u{2}', '\u{3}']), "\u{2}marked\u{3} é ✓");
    }
}
