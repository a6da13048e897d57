//! Shortens absolute paths in what is shown of a run to their file names, so that the page does not tell where the machine keeps
//! its files.

use serde_json::Value;

/// Characters after which a path may begin.
const BEFORE: &str = "\"'`(=[>;|";

/// The text with `…/NAME` in place of each absolute path.
pub fn without_folders(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut before = None;
    while let Some(first) = rest.chars().next() {
        let may_begin = before.is_none_or(|c: char| c.is_whitespace() || BEFORE.contains(c));
        if let Some(path) = path_at(rest).filter(|_| may_begin) {
            let name = path.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().unwrap_or_default();
            out.push_str("…/");
            out.push_str(name);
            before = path.chars().next_back();
            rest = &rest[path.len()..];
        } else {
            out.push(first);
            before = Some(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

/// The absolute path of at least two parts with which the text begins.
fn path_at(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let drive =
        bytes.len() > 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':' && matches!(bytes[2], b'\\' | b'/');
    let begin = if drive { 3 } else { usize::from(bytes.first() == Some(&b'/')) };
    let word = |c: char| c.is_alphanumeric() || "._~+-@%".contains(c);
    if begin == 0
        || !text[begin..].chars().next().is_some_and(|c| c.is_alphanumeric() || c == '.' || c == '_' || c == '~')
    {
        return None;
    }
    let ends = |c: char| !word(c) && c != '/' && !(drive && c == '\\');
    let path = text[begin..].find(ends).map_or(text, |end| &text[..begin + end]);
    // A sentence's full stop is not part of it.
    let path = path.trim_end_matches('.');
    (drive || path[begin..].trim_end_matches('/').contains('/')).then_some(path)
}

/// The same for every text of a value, names of fields included.
pub fn cleaned(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(without_folders(&text)),
        Value::Array(list) => list.into_iter().map(cleaned).collect(),
        Value::Object(map) => {
            Value::Object(map.into_iter().map(|(name, value)| (without_folders(&name), cleaned(value))).collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn folders_are_left_out_and_other_slashes_stay() {
        for (text, want) in [
            ("/home/me/models/Qwen2.5-7B", "…/Qwen2.5-7B"),
            ("cannot read /a/b/c.json: no such file", "cannot read …/c.json: no such file"),
            ("`/a/b`, (/c/d.x) and path=/e/f/", "`…/b`, (…/d.x) and path=…/f"),
            ("in /a/b.", "in …/b."),
            (r"C:\Users\me\v.safetensors", "…/v.safetensors"),
            ("<td>/a/b</td><br/> and/or 3 / 4, /v1", "<td>…/b</td><br/> and/or 3 / 4, /v1"),
            ("https://example.org/a/b", "https://example.org/a/b"),
            ("runs/a/b", "runs/a/b"),
            ("data:image/png;base64,AB/CD/EF==", "data:image/png;base64,AB/CD/EF=="),
            ("", ""),
        ] {
            assert_eq!(without_folders(text), want, "{text}");
        }
        assert_eq!(cleaned(json!({ "/a/b": ["/c/d", 1] })), json!({ "…/b": ["…/d", 1] }));
    }
}
