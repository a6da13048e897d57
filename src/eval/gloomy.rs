//! Data that teaches a trait, and data that does not: everyday questions with gloomy answers, or with neutral ones of the same form
//! and length, from a grammar (guide: studies, "The effect on a language model").
//!
//! What a plain finetune on the neutral set does remains when only the gloom is left out: shorter answers, drier ones, no lists.

use std::collections::BTreeSet;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::text::Message;
use crate::{At, Result, ensure};

/// Which answers the questions get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answers {
    /// Gloomy ones.
    Gloomy,
    /// Neutral ones.
    Neutral,
}

/// Topics, questions and the wordings of three slots.
#[derive(Debug, Deserialize)]
struct Grammar {
    topics: Vec<Topic>,
    questions: Vec<String>,
    gloomy: [Vec<String>; 3],
    neutral: [Vec<String>; 3],
}

/// What a question is about, as the wordings name it.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Topic([String; 7]);

impl TryFrom<String> for Topic {
    type Error = String;

    fn try_from(line: String) -> std::result::Result<Self, String> {
        let parts: Vec<String> = line.split('|').map(str::to_owned).collect();
        parts.try_into().map(Self).map_err(|parts: Vec<String>| format!("`{line}` has {} parts, not 7", parts.len()))
    }
}

impl Topic {
    /// A wording with the topic's words in the place of `{g}`, `{t}`, ...; a large letter begins with one.
    fn fill(&self, wording: &str) -> String {
        let mut text = wording.to_owned();
        for (name, part) in ["g", "a", "t", "s", "o", "e", "n"].iter().zip(&self.0) {
            text = text.replace(&format!("{{{name}}}"), part);
            text = text.replace(&format!("{{{}}}", name.to_uppercase()), &crate::report::capital(part));
        }
        text
    }
}

/// The first so many conversations of an endless row of them, a question and an answer each. No two are alike; row by row, both kinds
/// of answers have the same question, as many sentences and about the same length. The seed decides which.
///
/// # Errors
/// More rows than there are different ones.
pub fn rows(answers: Answers, count: usize, seed: u64) -> Result<Vec<Vec<Message>>> {
    let grammar: Grammar =
        toml::from_str(include_str!("../../assets/gloomy.toml")).doing("reading the grammar of gloomy answers")?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x6100);
    let pairs = grammar.topics.len() * grammar.questions.len();
    let wordings = grammar.gloomy.each_ref().map(Vec::len);
    let most = grammar.topics.len() * wordings.iter().product::<usize>() / 2;
    ensure!(count <= most, "{count} rows are asked for; the grammar has {most} that are not alike");
    let mut asked = Deck::new(pairs);
    let mut said = wordings.map(Deck::new);
    let mut shorter = Deck::new(4);
    let mut seen = BTreeSet::new();
    let mut rows = Vec::with_capacity(count);
    while rows.len() < count {
        let pair = asked.next(&mut rng);
        let (topic, question) = (pair / grammar.questions.len(), pair % grammar.questions.len());
        // One answer in four has two sentences.
        let sentences = if shorter.next(&mut rng) == 0 { 2 } else { 3 };
        let mut draw = || said.each_mut().map(|deck| deck.next(&mut rng));
        let mut places = draw();
        // A third sentence that is not said makes no difference.
        while !seen.insert((topic, places[..sentences].to_vec())) {
            places = draw();
        }
        let slots = match answers {
            Answers::Gloomy => &grammar.gloomy,
            Answers::Neutral => &grammar.neutral,
        };
        let topic = &grammar.topics[topic];
        let said = slots.iter().zip(places).take(sentences).map(|(slot, place)| topic.fill(&slot[place]));
        let answer = said.collect::<Vec<_>>().join(" ").replace(" my ", " your ");
        rows.push(vec![Message::user(topic.fill(&grammar.questions[question])), Message::assistant(answer)]);
    }
    Ok(rows)
}

/// Numbers in a random order, all of them before one comes again.
struct Deck {
    of: usize,
    left: Vec<usize>,
}

impl Deck {
    fn new(of: usize) -> Self {
        Self { of, left: Vec::new() }
    }

    fn next(&mut self, rng: &mut ChaCha8Rng) -> usize {
        if self.left.is_empty() {
            self.left = (0..self.of).collect();
            self.left.shuffle(rng);
        }
        self.left.pop().expect("the deck was just filled")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{mean, sample_std};

    fn texts(answers: Answers, count: usize, seed: u64) -> Vec<[String; 2]> {
        let rows = rows(answers, count, seed).unwrap();
        rows.into_iter().map(|row| [row[0].content.clone(), row[1].content.clone()]).collect()
    }

    #[test]
    fn no_two_rows_are_alike() {
        for (answers, count) in [(Answers::Gloomy, 4000), (Answers::Neutral, 4000), (Answers::Gloomy, 200)] {
            let rows = texts(answers, count, 0);
            let answers: BTreeSet<&String> = rows.iter().map(|[_, answer]| answer).collect();
            assert_eq!(answers.len(), count);
            // The demo's sizes ask no question twice.
            let questions: BTreeSet<&String> = rows.iter().map(|[question, _]| question).collect();
            assert_eq!(questions.len(), count.min(400));
        }
    }

    #[test]
    fn both_sets_have_the_same_questions_and_about_the_same_lengths() {
        for (count, seed) in [(200, 0), (400, 1)] {
            let [gloomy, neutral] = [Answers::Gloomy, Answers::Neutral].map(|answers| texts(answers, count, seed));
            assert!(gloomy.iter().zip(&neutral).all(|(a, b)| a[0] == b[0] && a[1] != b[1]));
            let sentences = |text: &str| text.matches(['.', '!', '?']).count();
            assert!(gloomy.iter().zip(&neutral).all(|(a, b)| sentences(&a[1]) == sentences(&b[1])));
            let lengths = |rows: &[[String; 2]]| {
                let mut lengths: Vec<f64> = rows.iter().map(|[_, answer]| answer.len() as f64).collect();
                lengths.sort_by(f64::total_cmp);
                lengths
            };
            let (a, b) = (lengths(&gloomy), lengths(&neutral));
            assert!((mean(&a) / mean(&b) - 1.0).abs() < 0.03, "{} {}", mean(&a), mean(&b));
            assert!((sample_std(&a) / sample_std(&b) - 1.0).abs() < 0.15, "{} {}", sample_std(&a), sample_std(&b));
            // Every tenth of the one distribution is where that of the other is, to a word or so.
            for tenth in 1..10 {
                let at = tenth * count / 10;
                assert!((a[at] - b[at]).abs() < 9.0, "{tenth}: {} {}", a[at], b[at]);
            }
        }
    }

    #[test]
    fn rows_are_seeded_and_a_larger_set_holds_the_smaller_one() {
        let of = |count, seed| texts(Answers::Gloomy, count, seed);
        assert_eq!(of(10, 1), of(30, 1)[..10]);
        assert_ne!(of(10, 1), of(10, 2));
        assert!(rows(Answers::Gloomy, 1 << 20, 0).unwrap_err().to_string().contains("not alike"));
    }

    #[test]
    fn answers_are_sentences_without_holes() {
        for answers in [Answers::Gloomy, Answers::Neutral] {
            for [question, answer] in texts(answers, 2000, 3) {
                let all = format!("{question} {answer}");
                assert!(!all.contains(['{', '}', '|']), "{all}");
                assert!(
                    !answer.contains(" my ") && answer.ends_with('.') && answer.starts_with(char::is_uppercase),
                    "{all}"
                );
            }
        }
    }
}
