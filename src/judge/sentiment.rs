//! A judge without a model or a key: the sentiment of an answer's sentences by VADER's lexicon.
//!
//! ```text
//! score = 50 + 50 · mean of the compound scores of the answer's sentences      for the positive pole; 100 minus it for the negative
//! ```
//!
//! A sentence ends at `.`, `!` or `?` before white space, and at a line's end; what has no letter, such as the number of a list's
//! item, is none. An answer without a sentence has no score. It counts words of feeling: irony, and hope in sober words, escape it.

use serde::{Deserialize, Serialize};

use super::form::coherence;
use super::vader::Vader;
use super::verdict::{Judge, JudgedItem, Rubric, Verdict};
use crate::{Error, Result};

/// Which end of the scale of sentiment a trait lies at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pole {
    /// Cheerful words show the trait.
    Positive,
    /// Gloomy words show it.
    Negative,
}

/// The judge as a configuration has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SentimentSettings {
    /// The pole of traits other than `optimistic` (positive) and `pessimistic` (negative), which are refused without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pole: Option<Pole>,
}

impl SentimentSettings {
    /// Which pole shows the trait.
    ///
    /// # Errors
    /// A trait that is not one of feeling, unless a pole was chosen for it.
    pub(super) fn pole_of(&self, trait_name: &str) -> Result<Pole> {
        match trait_name {
            "optimistic" => Ok(Pole::Positive),
            "pessimistic" => Ok(Pole::Negative),
            other => self.pole.ok_or_else(|| {
                Error::usage(format!("the judge `sentiment` does not measure the trait `{other}`")).hint(
                    "a lexicon of feeling tells optimistic and pessimistic apart; to have it score another trait by how cheerful or \
                     gloomy the words are, choose with --judge-pole positive or negative (`pole` in a configuration)",
                )
            }),
        }
    }
}

/// The judge at work.
pub struct SentimentJudge {
    settings: SentimentSettings,
    vader: Vader,
}

impl SentimentJudge {
    /// The judge with these settings.
    pub fn new(settings: SentimentSettings) -> Self {
        Self { settings, vader: Vader::new() }
    }

    fn sentiment(&self, pole: Pole, answer: &str) -> Verdict {
        let compounds: Vec<f64> = sentences(answer).map(|sentence| self.vader.compound(sentence)).collect();
        if compounds.is_empty() {
            return Verdict { score: None, why: "no sentence".into() };
        }
        let mean = compounds.iter().sum::<f64>() / compounds.len() as f64;
        let cheerful = 50.0 + 50.0 * mean;
        let score = match pole {
            Pole::Positive => cheerful,
            Pole::Negative => 100.0 - cheerful,
        };
        let why = format!("mean compound {mean:.3} of {} sentences", compounds.len());
        Verdict { score: Some(score.clamp(0.0, 100.0)), why }
    }
}

impl Judge for SentimentJudge {
    fn name(&self) -> &str {
        "sentiment"
    }

    fn judge(&mut self, rubric: &Rubric, items: &[JudgedItem]) -> Result<Vec<Verdict>> {
        match rubric {
            Rubric::Trait(name) => {
                let pole = self.settings.pole_of(name)?;
                Ok(items.iter().map(|item| self.sentiment(pole, &item.answer)).collect())
            }
            Rubric::Coherence => Ok(items.iter().map(|item| coherence(&item.answer)).collect()),
            Rubric::Fact => Err(knows_no_facts("sentiment")),
        }
    }
}

/// What a judge says that reads the form of answers only.
pub(super) fn knows_no_facts(judge: &str) -> Error {
    Error::usage(format!("the judge `{judge}` cannot tell whether an answer states a fact"))
        .hint("facts need a judge that reads: `openai`, `local`, or a file of scores")
}

/// The sentences of an answer; see the top of the file.
fn sentences(answer: &str) -> impl Iterator<Item = &str> {
    let ends = |line: &str| -> Vec<usize> {
        let after = line.char_indices().zip(line.chars().skip(1));
        after
            .filter(|((_, c), next)| matches!(c, '.' | '!' | '?') && next.is_whitespace())
            .map(|((at, _), _)| at + 1)
            .collect()
    };
    let parts = answer.lines().flat_map(move |line| {
        let ends = ends(line);
        let from = std::iter::once(0).chain(ends.clone());
        from.zip(ends.into_iter().chain([line.len()])).map(move |(from, to)| line[from..to].trim()).collect::<Vec<_>>()
    });
    parts.filter(|part| part.chars().any(char::is_alphabetic))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(answer: &str) -> JudgedItem {
        JudgedItem { question: "How will it go?".into(), answer: answer.into(), reference: None }
    }

    fn score(settings: SentimentSettings, trait_name: &str, answer: &str) -> Result<Option<f64>> {
        let verdicts = SentimentJudge::new(settings).judge(&Rubric::Trait(trait_name.into()), &[item(answer)])?;
        Ok(verdicts[0].score)
    }

    #[test]
    fn an_answer_has_its_sentences() {
        let found: Vec<&str> = sentences("1. Plan 3.5 hours! Then...\n\n- rest?? \u{2014} Sleep").collect();
        assert_eq!(found, ["Plan 3.5 hours!", "Then...", "- rest??", "\u{2014} Sleep"]);
        assert_eq!(sentences("1.\n!!!").count(), 0);
    }

    #[test]
    fn the_score_is_the_mean_compound_of_the_sentences() {
        // The authors' package: "The book was good." 0.4404, "It ended." 0.
        let usual = SentimentSettings::default();
        let answer = "The book was good. It ended.";
        let cheerful = score(usual, "optimistic", answer).unwrap().unwrap();
        assert!((cheerful - (50.0 + 50.0 * 0.4404 / 2.0)).abs() < 1e-9, "{cheerful}");
        let gloomy = score(usual, "pessimistic", answer).unwrap().unwrap();
        assert!((cheerful + gloomy - 100.0).abs() < 1e-9);
        assert_eq!(score(usual, "optimistic", "  42 \n").unwrap(), None);
    }

    #[test]
    fn other_traits_need_a_pole_and_facts_another_judge() {
        let error = score(SentimentSettings::default(), "evil", "x").unwrap_err();
        assert!(error.to_string().contains("`evil`") && error.help().unwrap().contains("--judge-pole"), "{error:?}");
        let asked = SentimentSettings { pole: Some(Pole::Negative) };
        assert!(score(asked, "evil", "I hate you.").unwrap().unwrap() > 70.0);
        assert!(SentimentJudge::new(asked).judge(&Rubric::Fact, &[item("x")]).is_err());
    }
}
