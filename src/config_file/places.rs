//! Where the keys of a configuration stand in its text.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The path of a key within a table: `intervention.coef`.
pub fn joined(path: &str, key: &str) -> String {
    match (path, key) {
        (path, "") => path.to_owned(),
        ("", key) => key.to_owned(),
        (path, key) => format!("{path}.{key}"),
    }
}

/// Line and column of an offset, from 1.
pub fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..at.min(text.len())];
    let line = before.rfind('\n').map_or(0, |end| end + 1);
    (before.matches('\n').count() + 1, before[line..].chars().count() + 1)
}

/// Offsets of all keys of a TOML table.
///
/// # Errors
/// Offset and key of a number that JSON and a configuration cannot have.
pub fn toml_keys(table: &DeTable<'_>, path: &str, offsets: &mut Vec<(String, usize)>) -> Result<(), (usize, String)> {
    for (key, value) in table {
        let full = joined(path, key.get_ref());
        offsets.push((full.clone(), key.span().start));
        note_value(value, &full, offsets)?;
    }
    Ok(())
}

fn note_value(
    value: &Spanned<DeValue<'_>>,
    path: &str,
    offsets: &mut Vec<(String, usize)>,
) -> Result<(), (usize, String)> {
    match value.get_ref() {
        DeValue::Table(table) => toml_keys(table, path, offsets),
        DeValue::Array(items) => items.iter().enumerate().try_for_each(|(i, item)| {
            let full = format!("{path}[{i}]");
            offsets.push((full.clone(), item.span().start));
            note_value(item, &full, offsets)
        }),
        DeValue::Float(number) if number.as_str().ends_with(['n', 'f']) => Err((value.span().start, path.to_owned())),
        _ => Ok(()),
    }
}

/// Offsets of all keys of a JSON text that has been parsed before.
pub fn json_keys(text: &str, offsets: &mut Vec<(String, usize)>) {
    JsonScan { text: text.as_bytes(), at: 0, offsets }.value("");
}

/// serde_json keeps no places.
struct JsonScan<'t> {
    text: &'t [u8],
    at: usize,
    offsets: &'t mut Vec<(String, usize)>,
}

impl JsonScan<'_> {
    fn value(&mut self, path: &str) {
        match self.next() {
            b'{' => {
                self.at += 1;
                while self.next() != b'}' {
                    let start = self.at;
                    let full = joined(path, &self.string());
                    self.offsets.push((full.clone(), start));
                    self.next(); // the colon
                    self.at += 1;
                    self.value(&full);
                    self.comma();
                }
                self.at += 1;
            }
            b'[' => {
                self.at += 1;
                for i in 0.. {
                    if self.next() == b']' {
                        break;
                    }
                    let full = format!("{path}[{i}]");
                    self.offsets.push((full.clone(), self.at));
                    self.value(&full);
                    self.comma();
                }
                self.at += 1;
            }
            b'"' => drop(self.string()),
            _ => {
                let rest = &self.text[self.at..];
                let end = |b: &u8| matches!(b, b',' | b'}' | b']') || b.is_ascii_whitespace();
                self.at += rest.iter().position(end).unwrap_or(rest.len());
            }
        }
    }

    /// The next byte that is no white space; a bracket at the end of the text, so that every loop ends.
    fn next(&mut self) -> u8 {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.text.get(self.at).copied().unwrap_or(b'}')
    }

    fn comma(&mut self) {
        if self.next() == b',' {
            self.at += 1;
        }
    }

    fn string(&mut self) -> String {
        let start = self.at;
        self.at += 1;
        while self.text.get(self.at).is_some_and(|&b| b != b'"') {
            self.at += if self.text[self.at] == b'\\' { 2 } else { 1 };
        }
        self.at += 1;
        serde_json::from_slice(&self.text[start..self.at.min(self.text.len())]).unwrap_or_default()
    }
}
