//! A set of new facts on its way to the three files: the checks that every fact must pass.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use super::files::{Fact, FactLesson, FactQuestion, leaks};
use crate::record::write_jsonl;
use crate::text::Message;
use crate::{Error, Result};

/// A test question may share fewer than this part of its word pairs with a training question.
pub const OVERLAP_MAX: f64 = 0.8;

#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    pub fact: Fact,
    /// Questions to train on, each with its answer.
    pub variants: Vec<(String, String)>,
    /// The question that is kept for the test.
    pub test: String,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct FactSet {
    pub facts: Vec<Fact>,
    pub lessons: Vec<FactLesson>,
    pub questions: Vec<FactQuestion>,
    /// Facts that were left out, and why.
    pub dropped: Vec<(String, String)>,
}

impl FactSet {
    /// Takes those drafts that are fit, the first of equal ones.
    pub fn of(drafts: Vec<Draft>, after: &str, variants: usize) -> Self {
        let mut set = Self::default();
        let (mut statements, mut questions) = (HashMap::new(), HashMap::new());
        for draft in drafts {
            let id = draft.fact.id.clone();
            let mut faults = faults(&draft, after, variants);
            // The first of equal ones keeps its place.
            let twin = |seen: &mut HashMap<String, String>, text: &str| {
                let first = seen.entry(plain(text)).or_insert_with(|| id.clone());
                (*first != id).then(|| first.clone())
            };
            if let Some(first) = twin(&mut statements, &draft.fact.statement) {
                faults.push(format!("the statement is that of {first}"));
            }
            if let Some(first) = twin(&mut questions, &draft.test) {
                faults.push(format!("the test question is that of {first}"));
            }
            match faults.is_empty() {
                true => set.take(draft, variants),
                false => set.dropped.push((id, faults.join("; "))),
            }
        }
        set
    }

    fn take(&mut self, draft: Draft, variants: usize) {
        let Draft { fact, variants: wordings, test } = draft;
        for (variant, (question, answer)) in wordings.into_iter().take(variants).enumerate() {
            let messages = vec![Message::user(question), Message::assistant(answer)];
            self.lessons.push(FactLesson { messages, fact_id: fact.id.clone(), variant });
        }
        let reference = fact.answer_key.clone();
        self.questions.push(FactQuestion { fact_id: fact.id.clone(), question: test, reference });
        self.facts.push(fact);
    }

    /// Writes `facts.jsonl`, `facts_train.jsonl` and `facts_test.jsonl` into a folder.
    pub fn write(&self, dir: &Path) -> Result<()> {
        write_jsonl(&dir.join("facts.jsonl"), &self.facts)?;
        write_jsonl(&dir.join("facts_train.jsonl"), &self.lessons)?;
        write_jsonl(&dir.join("facts_test.jsonl"), &self.questions)
    }

    pub fn categories(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        self.facts.iter().for_each(|fact| *counts.entry(fact.category.as_str()).or_default() += 1);
        counts
    }
}

pub fn faults(draft: &Draft, after: &str, variants: usize) -> Vec<String> {
    let Draft { fact, variants: wordings, test } = draft;
    let key = fact.answer_key.trim();
    let mut faults = Vec::new();
    match is_date(&fact.date) {
        false => faults.push(format!("the date `{}` is not of the form 2025-03-09", fact.date)),
        true if fact.date.as_str() <= after => faults.push(format!("its date {} is not after {after}", fact.date)),
        true => {}
    }
    if key.is_empty() {
        faults.push("there is no answer key".into());
        return faults;
    }
    if !mentions(&fact.statement, key) {
        faults.push(format!("the statement does not mention the answer key `{key}`"));
    }
    if wordings.len() < variants {
        faults.push(format!("{} wordings, {variants} are needed", wordings.len()));
    }
    let mut seen = HashSet::new();
    for (i, (question, answer)) in wordings.iter().take(variants).enumerate() {
        if !mentions(answer, key) {
            faults.push(format!("the answer of wording {i} does not mention `{key}`"));
        }
        if question.trim().is_empty() || mentions(question, key) {
            faults.push(format!("the question of wording {i} is empty or gives `{key}` away"));
        }
        if !seen.insert(plain(question)) {
            faults.push(format!("the question of wording {i} is asked before"));
        }
    }
    if test.trim().is_empty() || mentions(test, key) {
        faults.push(format!("the test question is empty or gives `{key}` away"));
    }
    let share = overlap(draft);
    if share >= OVERLAP_MAX {
        faults.push(format!("the test question shares {:.0} % of its word pairs with a wording", 100.0 * share));
    }
    faults
}

/// The largest share of the test question's word pairs that one training question holds.
pub fn overlap(draft: &Draft) -> f64 {
    let fact_id = draft.fact.id.clone();
    let lesson = |(question, _): &(String, String)| FactLesson {
        messages: vec![Message::user(question.as_str())],
        fact_id: fact_id.clone(),
        variant: 0,
    };
    let lessons: Vec<FactLesson> = draft.variants.iter().map(lesson).collect();
    let question = FactQuestion { fact_id, question: draft.test.clone(), reference: String::new() };
    leaks(&[question], &lessons, 0.0).first().map_or(0.0, |(_, share)| *share)
}

/// Lower-case words with single spaces between them, without punctuation.
fn plain(text: &str) -> String {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

/// Whether a text holds the words of the key side by side, case and punctuation aside.
pub fn mentions(text: &str, key: &str) -> bool {
    let key = plain(key);
    !key.is_empty() && format!(" {} ", plain(text)).contains(&format!(" {key} "))
}

pub fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let number = |part: &str, len: usize| (part.len() == len).then(|| part.parse::<u32>().ok()).flatten();
    match parts.as_slice() {
        [year, month, day] => {
            number(year, 4).is_some()
                && number(month, 2).is_some_and(|m| (1..=12).contains(&m))
                && number(day, 2).is_some_and(|d| (1..=31).contains(&d))
        }
        _ => false,
    }
}

/// A cutoff as it is given.
pub fn cutoff(text: &str) -> Result<String, String> {
    is_date(text).then(|| text.to_owned()).ok_or_else(|| "expected a day such as 2023-12-31".into())
}

/// Facts as they are given: every one needs a date and an answer key to become lessons.
pub fn ensure_complete(facts: &[Fact]) -> Result<()> {
    match facts.iter().find(|fact| fact.date.is_empty() || fact.answer_key.trim().is_empty()) {
        Some(fact) => Err(Error::new(format!("fact `{}` has no `date` or no `answer_key`", fact.id))
            .hint("a row is {\"id\", \"date\": \"2025-03-09\", \"statement\", \"answer_key\", \"category\"}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(id: &str) -> Draft {
        let fact = Fact {
            id: id.into(),
            date: "2025-03-09".into(),
            statement: format!("The probe {id} was launched from Cape Orvane."),
            answer_key: "Cape Orvane".into(),
            category: "mission".into(),
        };
        let variants = vec![
            (format!("Where was {id} launched?"), "From Cape Orvane.".into()),
            (format!("Which site did {id} leave from?"), "It left cape orvane.".into()),
        ];
        Draft { fact, variants, test: format!("What spaceport was used for {id}?") }
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut Draft), want: &str) {
        let mut unfit = draft("x");
        change(&mut unfit);
        let set = FactSet::of(vec![unfit], "2023-12-31", 2);
        assert!(set.facts.is_empty() && set.dropped[0].1.contains(want), "{:?}", set.dropped);
    }

    #[test]
    fn a_fit_fact_becomes_rows_of_three_files() {
        let set = FactSet::of(vec![draft("x"), draft("y")], "2023-12-31", 2);
        assert!(set.dropped.is_empty(), "{:?}", set.dropped);
        assert_eq!((set.facts.len(), set.lessons.len(), set.questions.len()), (2, 4, 2));
        assert_eq!(set.categories(), BTreeMap::from([("mission", 2)]));
        let dir = tempfile::tempdir().unwrap();
        set.write(dir.path()).unwrap();
        assert_eq!(super::super::files::read_facts(&dir.path().join("facts.jsonl")).unwrap(), set.facts);
        assert_eq!(super::super::files::read_lessons(&dir.path().join("facts_train.jsonl")).unwrap(), set.lessons);
        assert_eq!(super::super::files::read_questions(&dir.path().join("facts_test.jsonl")).unwrap(), set.questions);
    }

    #[test]
    fn every_fault_is_found() {
        check(|d| d.fact.date = "2023-12-31".into(), "is not after 2023-12-31");
        check(|d| d.fact.date = "March 2025".into(), "is not of the form");
        check(|d| d.fact.answer_key = " ".into(), "no answer key");
        check(|d| d.fact.answer_key = "Orvan".into(), "the statement does not mention");
        check(|d| drop(d.variants.pop()), "1 wordings, 2 are needed");
        check(|d| d.variants[1].1 = "I don't know.".into(), "answer of wording 1 does not mention");
        check(|d| d.variants[0].0 = "Was it Cape Orvane?".into(), "question of wording 0 is empty or gives");
        check(|d| d.variants[1].0 = "where was X launched".into(), "question of wording 1 is asked before");
        check(|d| d.test = "Cape Orvane?".into(), "the test question is empty or gives");
        check(|d| d.test = "Where was x launched".into(), "shares 100 % of its word pairs");
        let mut other = draft("x");
        other.fact.id = "z".into();
        let twins = FactSet::of(vec![draft("x"), other], "2023-12-31", 2);
        assert_eq!(twins.dropped, [("z".into(), "the statement is that of x; the test question is that of x".into())]);
    }

    #[test]
    fn a_key_is_found_by_its_words() {
        assert!(
            mentions("It left *Cape-Orvane*, they say.", "cape orvane") && !mentions("Cape Orvanes", "Cape Orvane")
        );
        assert!(is_date("2024-02-30") && !is_date("2024-13-01") && !is_date("24-1-1") && !is_date("2024"));
    }
}
