//! Training data, counted: what a finetune would learn from it, what it would cut or leave out, and which rows occur twice.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde::Serialize;

use super::corpus::{Content, scan_corpus};
use super::example::{ExampleRules, TrainingExample};
use super::losses::Losses;
use super::message::Message;
use super::tokenizer::Tokenizer;
use crate::stats::percentile;
use crate::{Error, Result};

/// What files of training data hold.
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
    /// Rows by a key of theirs, or of their turns, from which nothing is read.
    pub unread: BTreeMap<String, usize>,
    /// What the template leaves out.
    pub lost: Losses,
    /// What stands before an answer when it is generated and when it is learned, if the two differ.
    pub other_beginning: Option<(String, String)>,
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
    pub example: TrainingExample,
}

impl Survey {
    /// Reads files as a finetune does; `keep` is given every row that can be learned from.
    ///
    /// # Errors
    /// A file that cannot be read or holds no row.
    pub fn of(
        files: &[impl AsRef<Path>],
        tokenizer: &Tokenizer,
        rules: &ExampleRules,
        keep: &mut dyn FnMut(Usable),
    ) -> Result<Self> {
        let mut survey = Self { other_beginning: tokenizer.other_beginning(), ..Self::default() };
        for file in files.iter().map(AsRef::as_ref) {
            let (entries, bad) = scan_corpus(file)?;
            survey.malformed.extend(bad.iter().map(Error::to_string));
            for entry in entries {
                survey.rows += 1;
                *survey.dialects.entry(entry.dialect).or_default() += 1;
                for key in entry.unread {
                    *survey.unread.entry(key).or_default() += 1;
                }
                let place = format!("{}:{}", file.display(), entry.line);
                if let Content::Turns(turns) = &entry.content {
                    survey.turns(turns, &place);
                }
                survey.lost.look(tokenizer, &entry.content, &place);
                if let Some(example) = survey.training_example(tokenizer, &entry.content, rules, &place) {
                    keep(Usable { place, example });
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
        if replies.next_back().is_some_and(|reply| reply.content.trim().is_empty() && reply.tool_calls.is_none()) {
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
        let whole = match tokenizer.uncut_example(content, rules) {
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
            Ok(example) => {
                self.lengths.push(length as f64);
                self.tokens += example.ids.len();
                self.supervised += example.supervised();
                Some(example)
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
}
