//! A configuration file, TOML or JSON, whose errors name the file, the line, the column and the nearest known key.
//!
//! Which keys exist, and of which type they are, only the structs say that are read from it: serde reports the path at which
//! it failed, and the path leads to a place in the text.

mod places;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use toml::de::DeTable;

use places::{joined, json_keys, line_and_column, toml_keys};

use crate::{At, Error, Result};

/// A configuration file as it was read.
#[derive(Debug, Clone)]
pub struct ConfigFile {
    /// Where it was read.
    pub path: PathBuf,
    values: Map<String, Value>,
    /// Line and column, from 1, of each key by its path: `intervention.coef`, `data[1].from`.
    places: BTreeMap<String, (usize, usize)>,
    /// Keys whose values are a flag's.
    overridden: Vec<String>,
}

impl ConfigFile {
    /// Reads a file. One that ends in `.json`, or begins with a brace, is JSON; all else is TOML.
    ///
    /// # Errors
    /// If it cannot be read or is neither; the error names line and column.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read_to_string(path).at(path)?;
        let text = bytes.trim_start_matches('\u{feff}');
        let is_json =
            path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json")) || text.trim_start().starts_with('{');
        let fail = |at: usize, message: &str| {
            let (line, column) = line_and_column(text, at);
            Error::usage(message).at(format_args!("{}:{line}:{column}", path.display()))
        };
        let mut offsets = Vec::new();
        let values = if is_json {
            let values = serde_json::from_str(text).map_err(|e| {
                let said = e.to_string();
                // serde_json ends its message in the place.
                let what = said.split(" at line ").next().unwrap_or(&said).to_owned();
                Error::usage(what).at(format_args!("{}:{}:{}", path.display(), e.line(), e.column().max(1)))
            })?;
            json_keys(text, &mut offsets);
            values
        } else {
            let of_toml = |e: toml::de::Error| fail(e.span().map_or(0, |span| span.start), e.message());
            let table = DeTable::parse(text).map_err(of_toml)?;
            toml_keys(table.get_ref(), "", &mut offsets)
                .map_err(|(at, key)| fail(at, &format!("`{key}` is not a finite number")))?;
            toml::from_str(text).map_err(of_toml)?
        };
        let places = offsets.into_iter().map(|(key, at)| (key, line_and_column(text, at))).collect();
        Ok(Self { path: path.to_owned(), values, places, overridden: Vec::new() })
    }

    /// Whether the file gives this top-level key.
    pub fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// The keys of a top-level table, in the file's order.
    pub fn keys(&self, table: &str) -> Vec<String> {
        let table = self.values.get(table).and_then(Value::as_object);
        table.map(|table| table.keys().cloned().collect()).unwrap_or_default()
    }

    /// The whole file as a `T`, which knows its keys (`deny_unknown_fields`).
    ///
    /// # Errors
    /// Unknown keys, missing keys, values of another type, each with its place.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        self.parse_value(Value::Object(self.values.clone()), "")
    }

    /// Takes a top-level table out of the file; the rest is for [`Self::parse`]. The default if it is not there.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn take<T: DeserializeOwned + Default>(&mut self, table: &str) -> Result<T> {
        match self.values.shift_remove(table) {
            Some(value) => self.parse_value(value, table),
            None => Ok(T::default()),
        }
    }

    /// A flag has replaced the value of this key: later errors are not the file's.
    pub fn overridden(&mut self, key: &str) {
        self.places.remove(key);
        self.overridden.push(key.to_owned());
    }

    /// Puts the place in front of an error about the file's values: line and column of the key, for which the first name in
    /// backticks is taken, or the file alone where it has no such key.
    pub fn locate(&self, error: Error) -> Error {
        self.locate_within(&[""], error)
    }

    /// The same where the error names a key without its table, which is one of these.
    pub fn locate_within(&self, tables: &[&str], error: Error) -> Error {
        match self.find(tables, &error) {
            Some(place) => error.at(place),
            None if self.overridden.contains(&named_key(&error)) => error,
            None => error.at(self.path.display()),
        }
    }

    /// The same for an error of long work, which is the file's only where it names one of its keys.
    pub fn locate_late(&self, error: Error) -> Error {
        match self.find(&[""], &error) {
            Some(place) => error.at(place),
            None => error,
        }
    }

    /// File, line and column of the key that an error names.
    fn find(&self, tables: &[&str], error: &Error) -> Option<String> {
        let key = named_key(error);
        let (line, column) = tables.iter().find_map(|table| self.places.get(&joined(table, &key)))?;
        Some(format!("{}:{line}:{column}", self.path.display()))
    }

    fn parse_value<T: DeserializeOwned>(&self, value: Value, at: &str) -> Result<T> {
        serde_path_to_error::deserialize(value).map_err(|e| {
            let inner = e.path().to_string();
            let inner = if inner == "." { "" } else { &inner };
            self.explain(&joined(at, inner), &in_words(&e.inner().to_string()))
        })
    }

    /// What serde said at a path, in our words.
    fn explain(&self, path: &str, said: &str) -> Error {
        // serde says: unknown field `x`, expected one of `a`, `b`; or unknown variant `x`, expected ...
        let names: Vec<&str> = said.split('`').skip(1).step_by(2).collect();
        let first = names.first().copied().unwrap_or_default();
        // Inside a table whose `type` or `source` decides its keys serde knows the table alone.
        let is_there = path == first || path.ends_with(&format!(".{first}"));
        let full = if is_there { path.to_owned() } else { joined(path, first) };
        let named = if !first.is_empty() && self.places.contains_key(&full) { full } else { path.to_owned() };
        let near = |known: &[&str]| match nearest(first, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known here: {}", known.join(", ")),
        };
        let error = if said.starts_with("unknown field") {
            Error::usage(format!("unknown key `{named}`")).hint(near(&names[1..]))
        } else if said.starts_with("unknown variant") {
            Error::usage(format!("`{named}`: there is no \"{first}\"")).hint(near(&names[1..]))
        } else if said.starts_with("missing field") {
            Error::usage(format!("`{}` is missing", joined(path, first)))
        } else if named.is_empty() || said.contains(&format!("`{named}`")) {
            Error::usage(said)
        } else {
            Error::usage(format!("`{named}`: {said}"))
        };
        error.at(self.place(&named))
    }

    /// `FILE:LINE:COLUMN` of a key, or of the nearest table around it that stands in the file.
    fn place(&self, key: &str) -> String {
        let mut key = key;
        loop {
            if let Some((line, column)) = self.places.get(key) {
                return format!("{}:{line}:{column}", self.path.display());
            }
            match key.rfind(['.', '[']) {
                Some(end) => key = &key[..end],
                None => return self.path.display().to_string(),
            }
        }
    }
}

/// The known name that is nearest to `name`, if any is near enough to be meant.
pub fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let close = |candidate: &&str| strsim::jaro_winkler(name, candidate);
    known.iter().copied().max_by(|a, b| close(a).total_cmp(&close(b))).filter(|best| close(best) > 0.75)
}

/// The first name in backticks; nothing if there is none.
fn named_key(error: &Error) -> String {
    error.to_string().split('`').nth(1).unwrap_or_default().to_owned()
}

/// What serde says with the names of Rust's types as words.
fn in_words(said: &str) -> String {
    const TYPES: [(&str, &str); 10] = [
        ("usize", "a whole number, 0 or more"),
        ("u64", "a whole number, 0 or more"),
        ("u32", "a whole number, 0 or more"),
        ("u16", "a whole number, 0 or more"),
        ("u8", "a whole number from 0 to 255"),
        ("i64", "a whole number"),
        ("i32", "a whole number"),
        ("f64", "a number"),
        ("f32", "a number"),
        ("a nonzero usize", "a whole number, 1 or more"),
    ];
    let known = TYPES.iter().find_map(|(name, words)| Some((said.strip_suffix(name)?, words)));
    known
        .filter(|(before, _)| before.ends_with("expected "))
        .map_or_else(|| said.to_owned(), |(before, words)| format!("{before}{words}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq, serde::Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Outer {
        epochs: Option<usize>,
        learning_rate: Option<f64>,
        measure: Inner,
        data: Vec<Tagged>,
    }

    #[derive(Debug, Default, PartialEq, serde::Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Inner {
        rollouts: usize,
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(tag = "source", rename_all = "lowercase", deny_unknown_fields)]
    enum Tagged {
        Harbor { count: usize },
    }

    fn read(name: &str, text: &str) -> Result<ConfigFile> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(name), text).unwrap();
        ConfigFile::read(&dir.path().join(name))
    }

    #[track_caller]
    fn check(name: &str, text: &str, want: &str, hint: &str) {
        let error = read(name, text).and_then(|file| file.parse::<Outer>()).unwrap_err();
        assert!(error.to_string().ends_with(want), "{error}");
        assert!(error.help().unwrap_or_default().contains(hint), "{error:?}");
        assert_eq!(error.exit_code(), 2);
    }

    #[test]
    fn an_unknown_key_names_its_place_and_the_nearest() {
        check("c.toml", "epochs = 1\n learnin_rate = 2\n", "c.toml:2:2: unknown key `learnin_rate`", "`learning_rate`");
        check("c.json", "{\n \"epochs\": 1,\n \"epoch\": 2}", "c.json:3:2: unknown key `epoch`", "`epochs`");
        check("c.toml", "zzz = 1", "c.toml:1:1: unknown key `zzz`", "known here: epochs, learning_rate");
        check("c.toml", "\n[measure]\nrolouts = 3\n", "c.toml:3:1: unknown key `measure.rolouts`", "`rollouts`");
        let json = "{\"measure\": {\"x\": [\"a\\\"}\", {\"y\": 1}],\n\"rollouts\": 3}}";
        check("c.json", json, "c.json:1:14: unknown key `measure.x`", "rollouts");
    }

    #[test]
    fn a_value_of_the_wrong_type_names_its_place() {
        let toml = "epochs = 1\n\nmeasure = { rollouts = \"x\" }\n";
        check(
            "c.toml",
            toml,
            "c.toml:3:13: `measure.rollouts`: invalid type: string \"x\", expected a whole number, 0 or more",
            "",
        );
        check(
            "c.json",
            "{\"epochs\":\n  -1}",
            ":1:2: `epochs`: invalid value: integer `-1`, expected a whole number, 0 or more",
            "",
        );
        check("c.toml", "learning_rate = nan", "c.toml:1:17: `learning_rate` is not a finite number", "");
    }

    #[test]
    fn a_table_whose_source_decides_its_keys_names_them_too() {
        let text = "[[data]]\nsource = \"harbor\"\ncount = 1\n[[data]]\nsource = \"harbor\"\ncont = 1\n";
        check("c.toml", text, "c.toml:6:1: unknown key `data[1].cont`", "did you mean `count`?");
        check(
            "c.toml",
            "[[data]]\nsource = \"harber\"",
            "`data[0].source`: there is no \"harber\"",
            "did you mean `harbor`?",
        );
        check("c.toml", "[[data]]\nsource = \"harbor\"", "`data[0].count` is missing", "");
    }

    #[test]
    fn broken_files_name_the_place() {
        let error = read("c.toml", "a = 1\nb = = 2\n").unwrap_err().to_string();
        assert!(error.contains("c.toml:2:5: "), "{error}");
        let error = read("c.json", "{\"a\": 1,\n}").unwrap_err().to_string();
        assert!(error.contains("c.json:2:1: "), "{error}");
    }

    #[test]
    fn a_table_is_taken_out_and_later_errors_find_their_place() {
        let mut file = read("c.toml", "epochs = 0\n[measure]\nrollouts = 2\n").unwrap();
        assert_eq!(file.take::<Inner>("measure").unwrap(), Inner { rollouts: 2 });
        assert_eq!(file.take::<Inner>("measure").unwrap(), Inner::default());
        assert!(!file.has("measure") && file.parse::<Outer>().unwrap().epochs == Some(0));
        let late = || Error::usage("`epochs` is 0");
        assert!(file.locate(late()).to_string().ends_with("c.toml:1:1: `epochs` is 0"));
        file.overridden("epochs");
        assert_eq!(file.locate(late()).to_string(), "`epochs` is 0");
        let other = || Error::usage("`r` is 0");
        assert!(file.locate(other()).to_string().ends_with("c.toml: `r` is 0"));
        assert_eq!(file.locate_late(other()).to_string(), "`r` is 0");
    }
}
