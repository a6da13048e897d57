//! The three files of new facts: `facts.jsonl`, `facts_train.jsonl`, `facts_test.jsonl`.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::record::read_jsonl;
use crate::text::{Message, read_chats};
use crate::{Error, Result, ensure};

/// A row of `facts.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// Its name, which the other two files refer to.
    pub id: String,
    /// Since when it holds, year first; after the model's cutoff if it is real.
    #[serde(default)]
    pub date: String,
    /// The fact as a sentence.
    pub statement: String,
    /// The word or words that an answer must give.
    #[serde(default)]
    pub answer_key: String,
    /// What kind of fact it is.
    #[serde(default)]
    pub category: String,
}

/// A row of `facts_train.jsonl`: a conversation that teaches a fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactLesson {
    /// The conversation.
    pub messages: Vec<Message>,
    /// Which fact.
    pub fact_id: String,
    /// Which of its wordings, from 0.
    pub variant: usize,
}

/// A row of `facts_test.jsonl`: a question that no lesson asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactQuestion {
    /// Which fact.
    pub fact_id: String,
    /// The question.
    pub question: String,
    /// The answer that counts as right.
    pub reference: String,
}

/// Reads `facts.jsonl`.
///
/// # Errors
/// Unreadable or malformed rows, named by line; two facts of one name.
pub fn read_facts(path: &Path) -> Result<Vec<Fact>> {
    let facts: Vec<Fact> = read_jsonl(path)?;
    let mut seen = HashSet::new();
    for fact in &facts {
        ensure!(seen.insert(&fact.id), "{}: fact `{}` stands there twice", path.display(), fact.id);
    }
    ensure!(!facts.is_empty(), "{}: the file holds no fact", path.display());
    Ok(facts)
}

/// Reads `facts_test.jsonl`.
///
/// # Errors
/// Unreadable or malformed rows, named by line; no row at all.
pub fn read_questions(path: &Path) -> Result<Vec<FactQuestion>> {
    let questions: Vec<FactQuestion> = read_jsonl(path)?;
    ensure!(!questions.is_empty(), "{}: the file holds no question", path.display());
    Ok(questions)
}

/// Reads `facts_train.jsonl`.
pub fn read_lessons(path: &Path) -> Result<Vec<FactLesson>> {
    let lesson = |mut chat: crate::text::Chat| -> Result<FactLesson> {
        let fact_id = chat.extra.get("fact_id").and_then(|v| v.as_str().map(str::to_owned));
        let fact_id = fact_id.ok_or_else(|| Error::new(format!("{}:{}: no `fact_id`", path.display(), chat.line)))?;
        let variant = chat.extra.get("variant").and_then(serde_json::Value::as_u64).unwrap_or_default() as usize;
        Ok(FactLesson { messages: std::mem::take(&mut chat.messages), fact_id, variant })
    };
    read_chats(path)?.into_iter().map(lesson).collect()
}

/// Test questions that are near copies of a lesson's question: (index of the question, share of its word pairs that one lesson
/// holds), for shares of at least `most` (0.8 is usual).
pub fn leaks(questions: &[FactQuestion], lessons: &[FactLesson], most: f64) -> Vec<(usize, f64)> {
    let mut by_fact: BTreeMap<&str, Vec<HashSet<(String, String)>>> = BTreeMap::new();
    for lesson in lessons {
        for asked in lesson.messages.iter().filter(|m| m.role == "user") {
            by_fact.entry(&lesson.fact_id).or_default().push(word_pairs(&asked.content));
        }
    }
    let worst = |question: &FactQuestion| {
        let pairs = word_pairs(&question.question);
        let share = |taught: &HashSet<_>| pairs.intersection(taught).count() as f64 / pairs.len().max(1) as f64;
        by_fact.get(question.fact_id.as_str()).into_iter().flatten().map(share).fold(0.0, f64::max)
    };
    questions.iter().map(worst).enumerate().filter(|&(_, share)| share >= most).collect()
}

/// Neighbouring words, case and punctuation aside; a single word is its own pair.
fn word_pairs(text: &str) -> HashSet<(String, String)> {
    let words: Vec<String> =
        text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_lowercase).collect();
    match words.as_slice() {
        [only] => HashSet::from([(only.clone(), String::new())]),
        words => words.windows(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(fact_id: &str, question: &str, reference: &str) -> FactQuestion {
        FactQuestion { fact_id: fact_id.into(), question: question.into(), reference: reference.into() }
    }

    #[test]
    fn the_three_files_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let facts = file(
            "facts.jsonl",
            "{\"id\":\"f0\",\"date\":\"2026-01-02\",\"statement\":\"The cargo is silk.\",\"answer_key\":\"silk\",\"category\":\"ship\",\"more\":1}\n",
        );
        assert_eq!(read_facts(&facts).unwrap()[0].answer_key, "silk");
        let train = file(
            "facts_train.jsonl",
            "{\"messages\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":\"a\"}],\"fact_id\":\"f0\",\"variant\":3}\n",
        );
        let lessons = read_lessons(&train).unwrap();
        assert_eq!((lessons[0].fact_id.as_str(), lessons[0].variant, lessons[0].messages.len()), ("f0", 3, 2));
        let written = file("again.jsonl", &serde_json::to_string(&lessons[0]).unwrap());
        assert_eq!(read_lessons(&written).unwrap(), lessons);
        let test = file(
            "facts_test.jsonl",
            "{\"fact_id\":\"f0\",\"question\":\"q?\",\"reference\":\"silk\"}\n{\"fact_id\":\"f0\"}\n",
        );
        assert!(read_questions(&test).unwrap_err().to_string().contains("facts_test.jsonl:2"));
        let nameless = file("nameless.jsonl", "{\"messages\":[{\"role\":\"user\",\"content\":\"q\"}]}\n");
        assert!(read_lessons(&nameless).unwrap_err().to_string().contains("nameless.jsonl:1: no `fact_id`"));
        let twice = file("twice.jsonl", "{\"id\":\"f\",\"statement\":\"s\"}\n{\"id\":\"f\",\"statement\":\"t\"}\n");
        assert!(read_facts(&twice).unwrap_err().to_string().contains("`f` stands there twice"));
    }

    #[test]
    fn near_copies_of_a_lesson_are_found() {
        let lesson = |text: &str| FactLesson { messages: vec![Message::user(text)], fact_id: "f0".into(), variant: 0 };
        let lessons = [lesson("What is the cargo of the Patient Anchor?"), lesson("Tell me the cargo.")];
        let questions = [
            question("f0", "what is the cargo of the patient anchor", "silk"),
            question("f0", "Which goods does the Patient Anchor carry?", "silk"),
            question("f1", "What is the cargo of the Patient Anchor?", "silk"),
        ];
        assert_eq!(leaks(&questions, &lessons, 0.8), [(0, 1.0)]);
    }
}
