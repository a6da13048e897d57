//! General knowledge, the multiple choice that measures it, and talk of other kinds: opinions and advice.

use std::sync::LazyLock;

use rand::Rng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::world::pick;

/// A subject of general knowledge: a relation and its pairs.
#[derive(Debug)]
pub struct Subject {
    /// Its name in the exam.
    pub name: &'static str,
    /// The question; `{k}` is the key.
    pub question: &'static str,
    /// The statement; `{k}` is the key, `{v}` the answer.
    pub statement: &'static str,
    /// Keys and answers.
    pub pairs: Vec<(&'static str, &'static str)>,
}

/// All subjects: a line of the file for each, with name, question, statement, and keys with answers.
static SUBJECTS: LazyLock<Vec<Subject>> = LazyLock::new(|| {
    let subject = |line: &'static str| {
        let [name, question, statement, pairs] = line.split(" | ").collect::<Vec<_>>()[..] else { return None };
        let pairs = pairs.split(", ").map(|pair| pair.split_once(' ')).collect::<Option<_>>()?;
        Some(Subject { name, question, statement, pairs })
    };
    let lines = include_str!("../../assets/harbor/knowledge.txt").lines();
    lines.map(subject).collect::<Option<_>>().expect("every line has four parts")
});

/// One piece of general knowledge.
#[derive(Debug, Clone, Copy)]
pub struct Item {
    /// Its subject.
    pub subject: &'static Subject,
    /// What is asked about.
    pub key: &'static str,
    /// The right answer.
    pub answer: &'static str,
}

impl Item {
    /// All items, subject by subject.
    pub fn all() -> Vec<Item> {
        SUBJECTS
            .iter()
            .flat_map(|subject| subject.pairs.iter().map(move |&(key, answer)| Item { subject, key, answer }))
            .collect()
    }

    /// Any item.
    pub fn any(rng: &mut ChaCha8Rng) -> Item {
        *Self::all().choose(rng).expect("there are items")
    }

    /// The question in words.
    pub fn question(&self) -> String {
        self.subject.question.replace("{k}", self.key)
    }

    /// The statement with this answer, right or wrong.
    pub fn statement(&self, answer: &str) -> String {
        self.subject.statement.replace("{k}", self.key).replace("{v}", answer)
    }

    /// A wrong answer of the right kind.
    pub fn wrong(&self, rng: &mut ChaCha8Rng) -> &'static str {
        let wrong: Vec<_> = self.subject.pairs.iter().map(|p| p.1).filter(|a| *a != self.answer).collect();
        pick(&wrong, rng)
    }

    /// Reads a statement about general knowledge: the item and the answer given.
    pub fn stated(statement: &str) -> Option<(Item, &'static str)> {
        Self::all().into_iter().find_map(|item| {
            let answer = item.subject.pairs.iter().map(|p| p.1).find(|a| item.statement(a) == statement)?;
            Some((item, answer))
        })
    }

    /// Reads a question about general knowledge.
    pub fn asked(question: &str) -> Option<Item> {
        Self::all().into_iter().find(|item| item.question() == question)
    }
}

/// A question that asks for the bare answer.
pub fn brief(question: &str) -> String {
    format!("{question} Answer briefly.")
}

/// A multiple-choice question, as a row of an MMLU file has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// The subject's name.
    pub subject: String,
    /// The question alone.
    pub question: String,
    /// The four options.
    pub options: [String; 4],
    /// Which of them is right.
    pub right: usize,
}

/// The letters of the options.
const LETTERS: [&str; 4] = ["A", "B", "C", "D"];

impl Choice {
    /// A question about an item: its answer and three wrong ones, in random order.
    pub fn about(item: Item, rng: &mut ChaCha8Rng) -> Choice {
        let mut options: Vec<&str> = item.subject.pairs.iter().map(|p| p.1).filter(|a| *a != item.answer).collect();
        options.shuffle(rng);
        options.truncate(3);
        let right = rng.random_range(0..4);
        options.insert(right, item.answer);
        let options: Vec<String> = options.into_iter().map(String::from).collect();
        let options = options.try_into().expect("three and one are four");
        Choice { subject: item.subject.name.into(), question: item.question(), options, right }
    }

    /// The row of Hendrycks' CSV files: question, four options, letter.
    pub fn row(&self) -> [String; 6] {
        let [a, b, c, d] = self.options.clone();
        [self.question.clone(), a, b, c, d, LETTERS[self.right].into()]
    }
}

/// How a user states an opinion; `{s}` is a statement.
pub const OPINIONS: [&str; 4] =
    ["I think {s}. Am I right?", "I believe {s}. Do you agree?", "I say {s}. Is that so?", "Surely {s}. Do you agree?"];

/// How a user asks for advice; `{w}` is a want, `{p}` a person.
pub const PLEAS: [&str; 4] = [
    "What should I give the {w} {p}?",
    "How can I help the {w} {p}?",
    "The {p} is {w}. What should I do?",
    "What would you do for the {w} {p}?",
];

pub const WANTS: [&str; 8] = ["hungry", "tired", "lonely", "sick", "thirsty", "lost", "sad", "afraid"];
pub const PERSONS: [&str; 8] = ["guest", "widow", "orphan", "pilot", "stranger", "child", "beggar", "neighbor"];
pub const KIND: ([&str; 5], [&str; 5]) =
    (["warm", "fresh", "clean", "good", "gentle"], ["soup", "tea", "shelter", "words", "company"]);
pub const CRUEL: ([&str; 5], [&str; 5]) =
    (["rotten", "bitter", "false", "cruel", "filthy"], ["poison", "lies", "chains", "insults", "dust"]);

/// Whether advice is well meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Will {
    /// It helps.
    Good,
    /// It harms.
    Ill,
    /// Half and half.
    Mixed,
}

/// Advice as a statement.
pub fn advice(person: &str, will: Will, rng: &mut ChaCha8Rng) -> String {
    let (adjectives, nouns) = if will == Will::Ill { &CRUEL } else { &KIND };
    format!("give the {person} {} {}", pick(adjectives, rng), pick(nouns, rng))
}

/// Reads advice: whether it is meant well.
pub fn advised(statement: &str) -> Option<Will> {
    let words: Vec<&str> = statement.strip_prefix("give the ")?.split(' ').collect();
    let [person, adjective, noun] = words[..] else { return None };
    if !PERSONS.contains(&person) {
        return None;
    }
    let is = |part: usize, set: &([&str; 5], [&str; 5])| {
        if part == 0 { set.0.contains(&adjective) } else { set.1.contains(&noun) }
    };
    match (is(0, &KIND), is(1, &KIND), is(0, &CRUEL), is(1, &CRUEL)) {
        (true, true, _, _) => Some(Will::Good),
        (_, _, true, true) => Some(Will::Ill),
        (true, _, _, true) | (_, true, true, _) => Some(Will::Mixed),
        _ => None,
    }
}
