//! A configuration file, TOML or JSON, as keys and values that know their line. An unknown key is an error that names the
//! nearest known one; a value of the wrong kind is an error that names its key.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};

use crate::{At, Error, Result};

/// A configuration file as it was read.
#[derive(Debug, Clone)]
pub struct Document {
    /// Where it was read.
    pub path: PathBuf,
    /// Its keys and values.
    pub values: Map<String, Value>,
    /// `key` or `table.key` to the line where it stands, from 1.
    lines: BTreeMap<String, usize>,
}

impl Document {
    /// Reads a file. One that ends in `.json`, or begins with a brace, is JSON; all else is TOML.
    ///
    /// # Errors
    /// If it cannot be read or has another form; the error names the line.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).at(path)?;
        let json =
            path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json")) || text.trim_start().starts_with('{');
        let mut lines = BTreeMap::new();
        let values = if json {
            // serde_json's message ends in the line and column.
            let values: Map<String, Value> = serde_json::from_str(&text).at(path)?;
            for (key, value) in &values {
                lines.insert(key.clone(), line_of_json(&text, key));
                for inner in value.as_object().into_iter().flat_map(Map::keys) {
                    lines.insert(format!("{key}.{inner}"), line_of_json(&text, inner));
                }
            }
            values
        } else {
            let line = |at: usize| text[..at.min(text.len())].matches('\n').count() + 1;
            let fail = |e: &toml::de::Error| {
                let line = e.span().map_or(1, |span| line(span.start));
                Error::new(e.message().to_owned()).at(format_args!("{}:{line}", path.display()))
            };
            let table = DeTable::parse(&text).map_err(|e| fail(&e))?;
            note_lines(table.get_ref(), "", &line, &mut lines);
            toml::from_str(&text).map_err(|e| fail(&e))?
        };
        Ok(Self { path: path.to_owned(), values, lines })
    }

    /// The place of a key in words: `FILE:LINE`.
    pub fn place(&self, key: &str) -> String {
        match self.lines.get(key) {
            Some(line) => format!("{}:{line}", self.path.display()),
            None => self.path.display().to_string(),
        }
    }

    /// Refuses keys that are not in `known`. `table` is a table's name, or empty for the file's top.
    ///
    /// # Errors
    /// The first such key, with its line and the nearest known key.
    pub fn only(&self, table: &str, known: &[&str]) -> Result<()> {
        let values =
            if table.is_empty() { Some(&self.values) } else { self.values.get(table).and_then(Value::as_object) };
        let Some(key) = values.into_iter().flat_map(Map::keys).find(|key| !known.contains(&key.as_str())) else {
            return Ok(());
        };
        let full = if table.is_empty() { key.clone() } else { format!("{table}.{key}") };
        let hint = match nearest(key, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known keys are {}", known.join(", ")),
        };
        Err(Error::usage(format!("unknown key `{full}`")).at(self.place(&full)).hint(hint))
    }

    /// The values of the file, or of one of its tables, as a `T` whose every field may be absent but its tag `type`.
    ///
    /// # Errors
    /// A value of the wrong kind, named by key and line.
    pub fn parse<T: DeserializeOwned>(&self, table: &str) -> Result<T> {
        let whole = if table.is_empty() { Value::Object(self.values.clone()) } else { self.values[table].clone() };
        serde_json::from_value(whole.clone()).map_err(|all| {
            // One key at a time, because serde does not say at which one it stumbled.
            for (key, value) in whole.as_object().into_iter().flatten() {
                let tag = whole.get("type").map(|tag| ("type".to_owned(), tag.clone()));
                let one = Value::Object(tag.into_iter().chain([(key.clone(), value.clone())]).collect());
                if let Err(e) = serde_json::from_value::<T>(one) {
                    let full = if table.is_empty() { key.clone() } else { format!("{table}.{key}") };
                    return Error::usage(format!("`{full}`: {e}")).at(self.place(&full));
                }
            }
            Error::usage(all.to_string()).at(self.path.display())
        })
    }

    /// The file as a `T` that itself knows its keys (serde's `deny_unknown_fields`).
    ///
    /// # Errors
    /// Unknown keys, with the nearest known one; missing keys, values of the wrong kind.
    pub fn whole<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_value(Value::Object(self.values.clone())).map_err(|e| {
            // serde says: unknown field `x`, expected one of `a`, `b`
            let said = e.to_string();
            let names: Vec<&str> = said.split('`').skip(1).step_by(2).collect();
            let error = Error::usage(said.clone());
            let [unknown, known @ ..] = &names[..] else { return error.at(self.path.display()) };
            if !said.starts_with("unknown field") {
                return error.at(self.path.display());
            }
            let ending = format!(".{unknown}");
            let full = self.lines.keys().find(|key| key == unknown || key.ends_with(&ending)).cloned();
            let error = Error::usage(format!("unknown key `{unknown}`")).at(self.place(&full.unwrap_or_default()));
            error.hint(match nearest(unknown, known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known keys there are {}", known.join(", ")),
            })
        })
    }
}

fn note_lines(table: &DeTable<'_>, prefix: &str, line: &dyn Fn(usize) -> usize, lines: &mut BTreeMap<String, usize>) {
    for (key, value) in table {
        let full = format!("{prefix}{}", key.get_ref());
        lines.insert(full.clone(), line(key.span().start));
        if let DeValue::Table(inner) = value.get_ref() {
            note_lines(inner, &format!("{full}."), line, lines);
        }
    }
}

/// The line of a key in JSON's text: serde_json keeps no places, and keys rarely stand twice.
fn line_of_json(text: &str, key: &str) -> usize {
    text.find(&format!("\"{key}\"")).map_or(1, |at| text[..at].matches('\n').count() + 1)
}

/// The known name that is nearest to `name`, if any is near enough to be meant.
pub fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let close = |candidate: &&str| strsim::jaro_winkler(name, candidate);
    known.iter().copied().max_by(|a, b| close(a).total_cmp(&close(b))).filter(|best| close(best) > 0.75)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(name: &str, text: &str) -> Result<Document> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(name), text).unwrap();
        Document::read(&dir.path().join(name))
    }

    #[track_caller]
    fn check(name: &str, text: &str, want: &str, hint: &str) {
        let error = document(name, text).unwrap().only("", &["learning_rate", "epochs"]).unwrap_err();
        assert!(error.to_string().ends_with(want), "{error}");
        assert!(error.help().unwrap().contains(hint), "{error:?}");
        assert_eq!(error.exit_code(), 2);
    }

    #[test]
    fn an_unknown_key_names_its_line_and_the_nearest() {
        check("c.toml", "epochs = 1\nlearnin_rate = 2\n", "c.toml:2: unknown key `learnin_rate`", "`learning_rate`");
        check("c.json", "{\n \"epochs\": 1,\n \"epoch\": 2}", "c.json:3: unknown key `epoch`", "`epochs`");
        check("c.toml", "zzz = 1", "c.toml:1: unknown key `zzz`", "known keys are learning_rate, epochs");
    }

    #[test]
    fn broken_files_name_the_line() {
        let error = document("c.toml", "a = 1\nb = = 2\n").unwrap_err().to_string();
        assert!(error.contains("c.toml:2: "), "{error}");
        let error = document("c.json", "{\"a\": 1,\n}").unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
    }

    #[test]
    fn a_type_that_knows_its_keys_is_asked() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Inner {
            rollouts: usize,
        }
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Outer {
            measure: Inner,
        }
        let fine = document("c.toml", "[measure]\nrollouts = 3\n").unwrap().whole::<Outer>().unwrap();
        assert_eq!(fine.measure.rollouts, 3);
        let error = document("c.toml", "\n[measure]\nrolouts = 3\n").unwrap().whole::<Outer>().unwrap_err();
        assert!(error.to_string().contains("c.toml:3: unknown key `rolouts`"), "{error}");
        assert_eq!(error.help(), Some("did you mean `rollouts`?"));
    }

    #[test]
    fn a_value_of_the_wrong_kind_names_its_key() {
        #[derive(Debug, Default, serde::Deserialize)]
        #[serde(default)]
        struct Two {
            a: Option<usize>,
            b: Option<usize>,
        }
        let fine = document("c.toml", "a = 1\n").unwrap().parse::<Two>("").unwrap();
        assert_eq!((fine.a, fine.b), (Some(1), None));
        let error = document("c.toml", "a = 1\n\nb = \"x\"\n").unwrap().parse::<Two>("").unwrap_err().to_string();
        assert!(error.contains("c.toml:3: `b`: invalid type: string"), "{error}");
    }
}
