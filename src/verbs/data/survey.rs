//! Training data, counted: what `train` would learn from it, what it would cut or leave out, and what stands there twice.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde::Serialize;

use crate::stats::percentile;
use crate::text::{Content, ExampleRules, Message, Tokenizer, TrainingExample, scan_corpus};
use crate::{Error, Result};

/// What the files hold, as `train` reads them.
#[derive(Debug, Default, Serialize)]
pub struct Survey {
    /// Well-formed rows.
    pub rows: usize,
    /// Rows by dialect.
    pub dialects: BTreeMap<&'static str, usize>,
    /// Malformed lines, each with its reason.
    pub malformed: Vec<String>,
    /// Rows from which nothing is learned, each with its reason.
    pub without_targets: Vec<String>,
    /// Rows that are cut, with their length.
    pub cut: Vec<(String, usize)>,
    /// Rows that are the same tokens as an earlier one, with that one.
    pub duplicates: Vec<(String, String)>,
    /// Rows by number of replies.
    pub replies: BTreeMap<usize, usize>,
    /// Rows by system prompt; those without one under the empty text.
    pub systems: BTreeMap<String, usize>,
    /// Rows whose last reply is empty.
    pub empty_replies: Vec<String>,
    /// Tokens per row before any cut, rising; of the rows from which something is learned.
    #[serde(skip)]
    pub lengths: Vec<f64>,
    /// Tokens of those rows after the cut.
    pub tokens: usize,
    /// How many of them are learned.
    pub supervised: usize,
    #[serde(skip)]
    seen: HashMap<Vec<u32>, String>,
}

/// A row from which something is learned.
#[derive(Debug)]
pub struct Usable {
    /// `FILE:LINE`.
    pub place: String,
    /// What is learned.
    pub lesson: TrainingExample,
}

impl Survey {
    /// Reads files as `train` does; `keep` is given every row that can be learned from.
    ///
    /// # Errors
    /// A file that cannot be read or holds no row.
    pub fn of(
        files: &[impl AsRef<Path>],
        tokenizer: &Tokenizer,
        rules: &ExampleRules,
        keep: &mut dyn FnMut(Usable),
    ) -> Result<Self> {
        let mut survey = Self::default();
        for file in files.iter().map(AsRef::as_ref) {
            let (entries, bad) = scan_corpus(file)?;
            survey.malformed.extend(bad.iter().map(Error::to_string));
            for entry in entries {
                survey.rows += 1;
                *survey.dialects.entry(entry.dialect).or_default() += 1;
                let place = format!("{}:{}", file.display(), entry.line);
                if let Content::Turns(turns) = &entry.content {
                    survey.turns(turns, &place);
                }
                if let Some(lesson) = survey.training_example(tokenizer, &entry.content, rules, &place) {
                    keep(Usable { place, lesson });
                }
            }
        }
        survey.lengths.sort_by(f64::total_cmp);
        survey.seen.clear();
        Ok(survey)
    }

    fn turns(&mut self, turns: &[Message], place: &str) {
        let mut replies = turns.iter().filter(|turn| turn.role == "assistant");
        *self.replies.entry(replies.clone().count()).or_default() += 1;
        let system = turns.first().filter(|turn| turn.role == "system").map(|turn| turn.content.clone());
        *self.systems.entry(system.unwrap_or_default()).or_default() += 1;
        if replies.next_back().is_some_and(|reply| reply.content.trim().is_empty()) {
            self.empty_replies.push(place.to_owned());
        }
    }

    fn training_example(
        &mut self,
        tokenizer: &Tokenizer,
        content: &Content,
        rules: &ExampleRules,
        place: &str,
    ) -> Option<TrainingExample> {
        let whole = match tokenizer.uncut_lesson(content, rules) {
            Ok(whole) => whole,
            Err(e) => {
                self.without_targets.push(e.at(place).to_string());
                return None;
            }
        };
        let length = whole.ids.len();
        if length > rules.max_len {
            self.cut.push((place.to_owned(), length));
        }
        if let Some(first) = self.seen.get(&whole.ids) {
            self.duplicates.push((place.to_owned(), first.clone()));
        } else {
            self.seen.insert(whole.ids.clone(), place.to_owned());
        }
        match whole.cut(rules.max_len) {
            Ok(lesson) => {
                self.lengths.push(length as f64);
                self.tokens += lesson.ids.len();
                self.supervised += lesson.supervised();
                Some(lesson)
            }
            Err(e) => {
                self.without_targets.push(e.at(place).to_string());
                None
            }
        }
    }

    /// Quantiles of the tokens per row: percent and length.
    pub fn quantiles(&self) -> Vec<(u32, f64)> {
        [0, 5, 25, 50, 75, 95, 100].map(|p| (p, percentile(&self.lengths, f64::from(p)))).to_vec()
    }

    /// The counts, one line each.
    pub fn lines(&self, max_len: usize) -> Vec<String> {
        let Self { rows, dialects, replies, tokens, supervised, .. } = self;
        let usable = self.lengths.len();
        let mut lines = vec![line("rows", *rows, joined(dialects.iter().map(|(dialect, n)| format!("{n} {dialect}"))))];
        if usable > 0 {
            let quantiles = self.quantiles();
            let lengths = joined(quantiles.iter().map(|(p, n)| format!("{} {n:.0}", called(*p))));
            lines.push(line("tokens", *tokens, format!("{lengths} per row")));
            let share = 100.0 * *supervised as f64 / *tokens as f64;
            lines.push(line("supervised", *supervised, format!("{share:.0} % of the tokens of {usable} rows")));
        }
        if !replies.is_empty() {
            let all = replies.iter().map(|(n, rows)| n * rows).sum();
            lines.push(line("replies", all, joined(replies.iter().map(|(n, rows)| format!("{n} in {rows} rows")))));
            lines.push(self.systems_in_words());
        }
        let cut = |(place, n): &(String, usize)| format!("{place} ({n} of at most {max_len} tokens)");
        let twin = |(place, first): &(String, String)| format!("{place} is {first}");
        lines.extend(shortened("cut", &self.cut.iter().map(cut).collect::<Vec<_>>()));
        lines.extend(shortened("twice", &self.duplicates.iter().map(twin).collect::<Vec<_>>()));
        lines.extend(shortened("empty reply", &self.empty_replies));
        lines.extend(shortened("no targets", &self.without_targets));
        lines.extend(shortened("malformed", &self.malformed));
        lines
    }

    fn systems_in_words(&self) -> String {
        const SHOWN: usize = 3;
        const LENGTH: usize = 60;
        let mut own: Vec<(&String, &usize)> = self.systems.iter().filter(|(text, _)| !text.is_empty()).collect();
        own.sort_by_key(|(_, n)| std::cmp::Reverse(**n));
        let short = |text: &str| text.chars().take(LENGTH).collect::<String>().replace('\n', " ");
        let mut words: Vec<String> =
            own.iter().take(SHOWN).map(|(text, n)| format!("\"{}\" in {n} rows", short(text))).collect();
        if own.len() > SHOWN {
            words.push(format!("{} more", own.len() - SHOWN));
        }
        if let Some(none) = self.systems.get("") {
            words.push(format!("none in {none} rows, where the template puts its own if it has one"));
        }
        line("system", own.len(), joined(words.into_iter()))
    }
}

/// A line of the report: what, how many, which.
fn line(what: &str, count: usize, which: String) -> String {
    format!("{what:<11} {count:>7}  {which}")
}

fn joined(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(", ")
}

fn called(percent: u32) -> String {
    match percent {
        0 => "least".into(),
        50 => "median".into(),
        100 => "most".into(),
        p => format!("{p} %"),
    }
}

/// A line with some of the names, and how many more there are; nothing without names.
fn shortened(what: &str, names: &[String]) -> Option<String> {
    const SHOWN: usize = 5;
    let more = if names.len() > SHOWN { format!("; and {} more", names.len() - SHOWN) } else { String::new() };
    let shown = || names[..names.len().min(SHOWN)].join("; ") + &more;
    (!names.is_empty()).then(|| line(what, names.len(), shown()))
}
