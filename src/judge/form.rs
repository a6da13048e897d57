//! Coherence as far as it shows in the form of an answer: how much of it repeats itself, and whether there is an answer at all.
//!
//! ```text
//! d         = distinct runs of four words / runs of four words, 1 for an answer of fewer than four words
//! coherence = 100 · min(1, words / 3) · clamp((d - 0.3) / 0.6, 0, 1)
//! ```
//!
//! Distinct n-grams as a measure of degenerate text: Li et al. 2016. It knows no meaning: words in random order score 100, and so does a
//! fluent answer to another question.

use std::collections::HashSet;

use super::verdict::Verdict;

/// Words that make a run.
const RUN: usize = 4;
/// Words from which on an answer counts as one.
const WORDS: f64 = 3.0;
/// The share of distinct runs that scores 0, and what lies between it and the share that scores 100.
const LOW: f64 = 0.3;
const SPAN: f64 = 0.6;

/// The coherence of an answer's form; see the top of the file.
pub(super) fn coherence(answer: &str) -> Verdict {
    let lower = answer.to_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    let runs: Vec<&[&str]> = words.windows(RUN).collect();
    let distinct = runs.iter().collect::<HashSet<_>>().len();
    let share = if runs.is_empty() { 1.0 } else { distinct as f64 / runs.len() as f64 };
    let length = (words.len() as f64 / WORDS).min(1.0);
    let score = 100.0 * length * ((share - LOW) / SPAN).clamp(0.0, 1.0);
    let why = format!("{} words, {distinct} of {} runs of four distinct", words.len(), runs.len());
    Verdict { score: Some(score), why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetition_and_silence_lower_it_and_word_salad_does_not() {
        let score = |answer: &str| coherence(answer).score.unwrap();
        assert_eq!(score("It will be fine, and you will like it there."), 100.0);
        assert_eq!(score("there fine it and be will like you it will"), 100.0);
        assert_eq!((score(""), score("Yes indeed it is.")), (0.0, 100.0));
        assert!((score("Yes.") - 100.0 / 3.0).abs() < 1e-9);
        // Five words over and over: 5 distinct runs of 47.
        assert_eq!(score(&"I do not know this. ".repeat(10)), 0.0);
        // Said twice: 8 distinct runs of 13; (8/13 - 0.3) / 0.6.
        let twice = score(&"one two three four five six seven eight ".repeat(2));
        assert!((twice - 100.0 * (8.0 / 13.0 - 0.3) / 0.6).abs() < 1e-9, "{twice}");
    }
}
