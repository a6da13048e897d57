//! Training data, counted: what `train` would learn from it, what it would cut or leave out, and what stands there twice.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde::Serialize;

use crate::stats::percentile;
use crate::text::{Content, Lesson, LessonRules, Message, Tokenizer, scan_corpus};
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
    pub lesson: Lesson,
}

impl Survey {
    /// Reads files as `train` does; `keep` is given every row that can be learned from.
    ///
    /// # Errors
    /// A file that cannot be read or holds no row.
    pub fn of(
        files: &[impl AsRef<Path>],
        tokenizer: &Tokenizer,
        rules: &LessonRules,
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
                if let Some(lesson) = survey.lesson(tokenizer, &entry.content, rules, &place) {
                    keep(Usable { place, lesson });
                }
            }
        }
        survey.lengths.sort_by(f64::total_cmp);
        survey.seen.clear();
        Ok(survey)
    }

    fn turns(&mut self, turns: &[Message], place: &str) {
        let replies = turns.iter().filter(|turn| turn.role == "assistant");
        *self.replies.entry(replies.clone().count()).or_default() += 1;
        let system = turns.first().filter(|turn| turn.role == "system").map(|turn| turn.content.clone());
        *self.systems.entry(system.unwrap_or_default()).or_default() += 1;
        if replies.last().is_some_and(|reply| reply.content.trim().is_empty()) {
            self.empty_replies.push(place.to_owned());
        }
    }

    fn lesson(&mut self, tokenizer: &Tokenizer, content: &Content, rules: &LessonRules, place: &str) -> Option<Lesson> {
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
        let Self { rows, dialects, malformed, without_targets, cut, duplicates, replies, tokens, supervised, .. } =
            self;
        let list = |names: &mut dyn Iterator<Item = String>| names.collect::<Vec<_>>().join(", ");
        let usable = self.lengths.len();
        let mut lines =
            vec![format!("rows        {rows}: {}", list(&mut dialects.iter().map(|(d, n)| format!("{n} {d}"))))];
        if usable > 0 {
            let called = |p: u32| match p {
                0 => "least".to_owned(),
                50 => "median".to_owned(),
                100 => "most".to_owned(),
                p => format!("{p} %"),
            };
            let quantiles = list(&mut self.quantiles().iter().map(|(p, n)| format!("{} {n:.0}", called(*p))));
            lines.push(format!("tokens      {quantiles} per row; {tokens} in all"));
            let share = 100.0 * *supervised as f64 / *tokens as f64;
            lines.push(format!("supervised  {supervised} tokens ({share:.0} %) in {usable} rows"));
        }
        if !replies.is_empty() {
            lines.push(format!(
                "replies     {}",
                list(&mut replies.iter().map(|(n, rows)| format!("{n} in {rows} rows")))
            ));
            lines.push(format!("system      {}", self.systems_in_words()));
        }
        for (what, named) in [
            (
                "cut",
                cut.iter().map(|(place, n)| format!("{place} ({n} of at most {max_len} tokens)")).collect::<Vec<_>>(),
            ),
            ("twice", duplicates.iter().map(|(place, first)| format!("{place} is {first}")).collect()),
            ("empty reply", self.empty_replies.clone()),
            ("no targets", without_targets.clone()),
            ("malformed", malformed.clone()),
        ] {
            if let Some(shown) = shortened(&named) {
                lines.push(format!("{what:<11} {}: {shown}", named.len()));
            }
        }
        lines
    }

    fn systems_in_words(&self) -> String {
        const SHOWN: usize = 3;
        const LENGTH: usize = 60;
        let none = self.systems.get("").copied().unwrap_or_default();
        let mut own: Vec<(&String, &usize)> = self.systems.iter().filter(|(text, _)| !text.is_empty()).collect();
        own.sort_by_key(|(_, n)| std::cmp::Reverse(**n));
        let short = |text: &str| text.chars().take(LENGTH).collect::<String>().replace('\n', " ");
        let shown: Vec<String> = own.iter().take(SHOWN).map(|(text, n)| format!("{n} \"{}\"", short(text))).collect();
        let more = if own.len() > SHOWN { format!(", and {} more", own.len() - SHOWN) } else { String::new() };
        let own = if shown.is_empty() {
            String::new()
        } else {
            format!("; {} prompts: {}{more}", own.len(), shown.join(", "))
        };
        format!("none in {none} rows, where the template puts its own if it has one{own}")
    }
}

/// Some of the names, and how many more there are.
fn shortened(names: &[String]) -> Option<String> {
    const SHOWN: usize = 5;
    let more = if names.len() > SHOWN { format!("; and {} more", names.len() - SHOWN) } else { String::new() };
    (!names.is_empty()).then(|| names[..names.len().min(SHOWN)].join("; ") + &more)
}
