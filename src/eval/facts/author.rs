//! Facts and their wordings written by a language model : the requests, the facts made of the answers, and the answers
//! that were paid for.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::build::{Draft, faults};
use super::files::Fact;
use crate::judge::fill;
use crate::record::{Hash, KeyedRows, hash_bytes};
use crate::{Error, Result};

const FACTS: &str = include_str!("../../../assets/prompts/facts.txt");
const WORDINGS: &str = include_str!("../../../assets/prompts/fact_wordings.txt");

const BATCH: usize = 10;
/// Statements that a request shows, so that they are not written again.
const SHOWN: usize = 40;
/// Requests for the wordings of one fact.
const TRIES: usize = 2;

/// Answers a prompt; several may be under way at a time.
pub type Asks<'a> = &'a (dyn Fn(&str) -> Result<String> + Sync);

/// Every answer that was ever paid for, in a file; what stands there is not asked again.
pub struct Paid<'a> {
    asks: Asks<'a>,
    kept: Mutex<KeyedRows<Hash, Row>>,
    pub reused: AtomicUsize,
    pub asked: AtomicUsize,
}

#[derive(Serialize, Deserialize)]
struct Row {
    prompt: Hash,
    answer: String,
}

impl<'a> Paid<'a> {
    /// Opens or begins the file. `who` names the model and its server: another one is asked anew.
    pub fn open(path: &Path, asks: Asks<'a>) -> Result<Self> {
        let kept = Mutex::new(KeyedRows::open(path, |row: &Row| row.prompt.clone())?);
        Ok(Self { asks, kept, reused: AtomicUsize::new(0), asked: AtomicUsize::new(0) })
    }

    /// What was wrong with the file that was there, with its place.
    ///
    /// # Panics
    /// Never: the code that holds the lock does not panic.
    pub fn damage(&self) -> Option<String> {
        self.kept.lock().expect("no panic while it is locked").damage().map(str::to_owned)
    }

    /// The answer to a prompt; `number` tells one try from the next.
    fn ask(&self, who: &str, prompt: &str, number: usize) -> Result<String> {
        const SOUND: &str = "never poisoned: no panic while it is locked";
        let key = hash_bytes(format!("{who}\n{number}\n{prompt}").as_bytes());
        if let Some(row) = self.kept.lock().expect(SOUND).rows().get(&key) {
            self.reused.fetch_add(1, Ordering::Relaxed);
            return Ok(row.answer.clone());
        }
        let answer = (self.asks)(prompt)?;
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.kept.lock().expect(SOUND).push(Row { prompt: key, answer: answer.clone() })?;
        Ok(answer)
    }
}

#[derive(Debug, Clone)]
pub struct Wanted {
    /// Model and server in words, for the file of answers.
    pub who: String,
    /// The day after which facts became true.
    pub after: String,
    pub about: Option<String>,
    pub variants: usize,
    pub at_once: usize,
}

/// Answers that could not be used, and why.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Unfit {
    pub answers: usize,
    pub why: Vec<String>,
}

impl Unfit {
    fn note(&mut self, why: String) {
        self.answers += 1;
        self.why.push(why);
    }
}

#[derive(Deserialize)]
struct Facts {
    facts: Vec<Written>,
}

#[derive(Deserialize)]
struct Written {
    date: String,
    statement: String,
    answer_key: String,
    #[serde(default)]
    category: String,
}

#[derive(Deserialize)]
struct Wordings {
    variants: Vec<Wording>,
    test: String,
}

#[derive(Deserialize)]
struct Wording {
    question: String,
    answer: String,
}

/// Has `count` facts written, ten at a time; at most twice as many requests as that takes.
///
/// # Errors
/// Those of the model; no usable answer at all.
pub fn facts(
    paid: &Paid<'_>,
    wanted: &Wanted,
    count: usize,
    unfit: &mut Unfit,
    tell: &mut dyn FnMut(usize),
) -> Result<Vec<Fact>> {
    let mut found: Vec<Fact> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for number in 0..2 * count.div_ceil(BATCH) {
        if found.len() >= count {
            break;
        }
        let many = BATCH.min(count - found.len()).to_string();
        let known: Vec<&str> = found.iter().rev().take(SHOWN).map(|fact| fact.statement.as_str()).collect();
        let known = if known.is_empty() { "(none yet)".to_owned() } else { format!("- {}", known.join("\n- ")) };
        let about = wanted.about.as_ref().map_or_else(String::new, |about| format!("They are about {about}."));
        let slots = [("count", &*many), ("after", &*wanted.after), ("about", &*about), ("known", &*known)];
        let answer = paid.ask(&wanted.who, &fill(FACTS, &slots), number)?;
        match object_of::<Facts>(&answer) {
            Ok(Facts { facts }) => {
                for Written { date, statement, answer_key, category } in facts {
                    if found.len() < count && seen.insert(statement.trim().to_lowercase()) {
                        let id = format!("f{:05}", found.len());
                        found.push(Fact { id, date, statement, answer_key, category });
                    }
                }
            }
            Err(why) => unfit.note(format!("facts, request {number}: {why}")),
        }
        tell(found.len());
    }
    if found.is_empty() && count > 0 {
        return Err(Error::new(format!("the model wrote no fact: {}", unfit.why.join("; ")))
            .hint("a larger model keeps to the form more easily"));
    }
    Ok(found)
}

/// Has every fact put into words; an answer that is not fit is asked for once more, and then the fact goes without. Facts that
/// fail whatever is written about them (a date before the cutoff, a key that their statement lacks) cost no request.
pub fn drafts(
    paid: &Paid<'_>,
    wanted: &Wanted,
    facts: Vec<Fact>,
    unfit: &mut Unfit,
    tell: &(dyn Fn(usize) + Sync),
) -> Result<Vec<Draft>> {
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let results = Mutex::new(Vec::new());
    let workers = NonZeroUsize::new(wanted.at_once).map_or(1, NonZeroUsize::get).min(facts.len().max(1));
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some((i, fact)) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|i| Some((i, facts.get(i)?)))
                {
                    let result = draft(paid, wanted, fact);
                    if result.is_err() {
                        // The others need not begin anything more.
                        next.store(facts.len(), Ordering::Relaxed);
                    }
                    results.lock().expect("never poisoned: no panic while it is locked").push((i, result));
                    tell(1 + done.fetch_add(1, Ordering::Relaxed));
                }
            });
        }
    });
    let mut results = results.into_inner().expect("the threads have ended");
    results.sort_by_key(|(i, _)| *i);
    let mut drafts = Vec::with_capacity(results.len());
    for (_, result) in results {
        let (draft, why) = result?;
        why.into_iter().for_each(|why| unfit.note(why));
        drafts.push(draft);
    }
    Ok(drafts)
}

/// A fact in words, as far as that came about, and why answers were not fit.
fn draft(paid: &Paid<'_>, wanted: &Wanted, fact: &Fact) -> Result<(Draft, Vec<String>)> {
    let mut draft = Draft { fact: fact.clone(), variants: Vec::new(), test: "?".into() };
    let mut why = Vec::new();
    let own = faults(&draft, &wanted.after, 0);
    if own.iter().any(|fault| !fault.contains("test question")) {
        return Ok((draft, why));
    }
    let count = wanted.variants.to_string();
    let slots = [
        ("statement", fact.statement.as_str()),
        ("date", &fact.date),
        ("answer_key", &fact.answer_key),
        ("count", &count),
    ];
    let prompt = fill(WORDINGS, &slots);
    for number in 0..TRIES {
        let answer = paid.ask(&wanted.who, &prompt, number)?;
        let found = object_of::<Wordings>(&answer).map(|Wordings { variants, test }| {
            let variants = variants.into_iter().map(|Wording { question, answer }| (question, answer)).collect();
            Draft { fact: fact.clone(), variants, test }
        });
        match found {
            Ok(found) => {
                let faults = faults(&found, &wanted.after, wanted.variants);
                draft = found;
                if faults.is_empty() {
                    break;
                }
                why.push(format!("{}: {}", fact.id, faults.join("; ")));
            }
            Err(e) => why.push(format!("{}: {e}", fact.id)),
        }
    }
    Ok((draft, why))
}

/// The JSON object within an answer; models like to put a fence or a sentence round it.
fn object_of<T: DeserializeOwned>(answer: &str) -> Result<T, String> {
    let object = answer.find('{').zip(answer.rfind('}')).and_then(|(open, close)| answer.get(open..=close));
    let object = object.ok_or_else(|| "there is no JSON object in it".to_owned())?;
    serde_json::from_str(object).map_err(|e| format!("the JSON cannot be read: {e}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::build::FactSet;
    use super::*;

    fn wanted() -> Wanted {
        Wanted { who: "m".into(), after: "2023-12-31".into(), about: Some("ships".into()), variants: 2, at_once: 3 }
    }

    /// A model that keeps to the form, but for facts whose number ends in 3, and never for number 4.
    fn model(prompt: &str) -> Result<String> {
        if prompt.starts_with("You collect") {
            let from = prompt.matches("\n- Ship").count();
            let fact = |i: usize| json!({ "date": if i == 5 { "2020-01-01" } else { "2025-01-02" }, "statement": format!("Ship {i} sails to Port{i}."), "answer_key": format!("Port{i}") });
            return Ok(format!(
                "Here:\n```json\n{}\n```",
                json!({ "facts": (from..from + 10).map(fact).collect::<Vec<_>>() })
            ));
        }
        let key = prompt.rsplit("that counts: ").next().unwrap().lines().next().unwrap();
        if key == "Port4" {
            return Ok("Sorry.".into());
        }
        let wording = |q: &str| json!({ "question": format!("{q} {}?", key.replace("Port", "ship ")), "answer": format!("To {key}.") });
        Ok(json!({ "variants": [wording("Where goes"), wording("What is the port of")], "test": format!("Name the destination of vessel {}", &key[4..]) }).to_string())
    }

    fn build(path: &Path, asks: Asks<'_>) -> Result<(FactSet, Unfit, usize, usize)> {
        let paid = Paid::open(path, asks)?;
        let mut unfit = Unfit::default();
        let found = facts(&paid, &wanted(), 12, &mut unfit, &mut |_| {})?;
        let drafts = drafts(&paid, &wanted(), found, &mut unfit, &|_| {})?;
        let count = |n: &AtomicUsize| n.load(Ordering::Relaxed);
        Ok((FactSet::of(drafts, "2023-12-31", 2), unfit, count(&paid.asked), count(&paid.reused)))
    }

    #[test]
    fn what_a_model_writes_becomes_a_set_and_is_paid_for_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("asked.jsonl");
        let (set, unfit, asked, reused) = build(&path, &model).unwrap();
        // Twelve facts; one is too old, one is never put into words.
        assert_eq!((set.facts.len(), set.lessons.len(), set.questions.len()), (10, 20, 10), "{:?}", set.dropped);
        assert_eq!(set.dropped.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["f00004", "f00005"]);
        assert_eq!((unfit.answers, asked, reused), (2, 2 + 10 + 2, 0), "{unfit:?}");
        assert!(unfit.why[0].contains("f00004: there is no JSON object"));
        let again = build(&path, &|_| panic!("asked again")).unwrap();
        assert_eq!((again.0, again.2, again.3), (set, 0, asked));
    }

    #[test]
    fn what_was_answered_before_a_failure_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("asked.jsonl");
        let calls = AtomicUsize::new(0);
        let dies = |prompt: &str| match calls.fetch_add(1, Ordering::Relaxed) {
            n if n < 7 => model(prompt),
            _ => Err(Error::new("the server is gone")),
        };
        assert!(build(&path, &dies).unwrap_err().to_string().contains("the server is gone"));
        let (set, _, asked, reused) = build(&path, &model).unwrap();
        assert_eq!((set.facts.len(), asked, reused), (10, 14 - 7, 7));
    }

    #[test]
    fn a_model_that_writes_no_fact_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let error = build(&dir.path().join("a"), &|_| Ok("{\"facts\": 3}".into())).unwrap_err().to_string();
        assert!(error.contains("the model wrote no fact: facts, request 0: the JSON cannot be read"), "{error}");
    }
}
