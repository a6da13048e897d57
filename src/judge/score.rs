//! From a judge's next-token probabilities to a score, as the reference computes it (Chen et al. 2025, appendix B):
//!
//! ```text
//! mass  = Σ p(s)  over the top tokens s that are integers from 0 to 100
//! score = Σ s·p(s) / mass,  none if mass < 0.25
//! ```
//!
//! A refusal is never matched as a string here: it shows as a small mass. The paper's appendix writes "logits"; the
//! reference's code takes probabilities, and so do we.

/// Below this probability of an answer of the right form, the judge is taken to have declined.
pub const MASS_MIN: f64 = 0.25;

/// The expected score on the scale 0 to 100, or `None` if the judge declined. `top` holds the most likely tokens at the first
/// position of the judge's answer with their log-probabilities in nats.
///
/// Probabilities are not renormalised beyond the division by the mass, so 60 % on "80" and 40 % elsewhere is a plain 80.
pub fn expectation<S: AsRef<str>>(top: &[(S, f64)]) -> Option<f64> {
    let (mut mass, mut sum) = (0.0, 0.0);
    for (token, logprob) in top {
        if let Some(score) = grade(token.as_ref()) {
            let p = logprob.exp();
            mass += p;
            sum += f64::from(score) * p;
        }
    }
    // This way round, a mass that is not a number is no score either. Rounding must not lead out of the scale.
    if mass >= MASS_MIN { Some((sum / mass).clamp(0.0, 100.0)) } else { None }
}

/// A yes-or-no answer as 100 · P(yes) / (P(yes) + P(no)); `None` if a refusal is more likely than either, or if both together
/// have less than [`MASS_MIN`]. An answer counts as right from 50 on.
pub fn yes_share<S: AsRef<str>>(top: &[(S, f64)]) -> Option<f64> {
    let mass_of = |word: &str| -> f64 {
        let of_word = top.iter().filter(|(token, _)| token.as_ref().trim().eq_ignore_ascii_case(word));
        of_word.map(|(_, logprob)| logprob.exp()).sum()
    };
    let (yes, no, refusal) = (mass_of("yes"), mass_of("no"), mass_of("refusal"));
    let declined = refusal > yes && refusal > no;
    if !declined && yes + no >= MASS_MIN { Some(100.0 * yes / (yes + no)) } else { None }
}

/// A token that is an integer from 0 to 100, white space around it allowed.
fn grade(token: &str) -> Option<u8> {
    token.trim().parse().ok().filter(|score| *score <= 100)
}

/// How a judge's tokenizer writes numbers, as far as the likeliest tokens at one position tell. Where it writes digit by digit, the
/// first token says 8 where 85 is meant, so that [`expectation`] would be a number without sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writes {
    /// A token of several digits is among them: numbers are single tokens.
    Whole,
    /// All ten digits are among them and no longer number is.
    DigitByDigit,
    /// Digits other than 0 have a say in the score and no longer number is among them: it may be either.
    Unclear,
    /// The score, if there is one, does not depend on it: after a 0 no digit follows.
    Either,
}

/// A share of the grades' probability that moves a score by less than 0.1.
const SAY: f64 = 1e-3;

/// How the judge writes numbers.
pub fn writes<S: AsRef<str>>(top: &[(S, f64)]) -> Writes {
    let tokens = || top.iter().map(|(token, logprob)| (token.as_ref().trim(), logprob.exp()));
    let digits = |token: &str| token.bytes().all(|byte| byte.is_ascii_digit());
    if tokens().any(|(token, _)| token.len() > 1 && digits(token)) {
        return Writes::Whole;
    }
    let single = || tokens().filter(|(token, _)| token.len() == 1 && digits(token));
    let distinct: std::collections::BTreeSet<&str> = single().map(|(token, _)| token).collect();
    let mass: f64 = single().map(|(_, p)| p).sum();
    let beyond_zero: f64 = single().filter(|(token, _)| *token != "0").map(|(_, p)| p).sum();
    if distinct.len() == 10 {
        Writes::DigitByDigit
    } else if mass >= MASS_MIN && beyond_zero >= SAY * mass {
        Writes::Unclear
    } else {
        Writes::Either
    }
}

/// The grade in a judge's words: the text itself, or the only integer from 0 to 100 that stands in it. `85`, `**85**`, `85/100` and
/// `I would say 85.` are 85; `between 80 and 90` is nothing, and neither is 8.5, -8 or 850.
pub fn spoken_grade(text: &str) -> Option<f64> {
    let text = text.replace("/100", " ").replace("/ 100", " ");
    let is_number = |c: char| c.is_ascii_digit() || matches!(c, '.' | ',' | '-');
    let numbers =
        text.split(|c| !is_number(c)).map(|n| n.trim_end_matches(['.', ',', '-']).trim_start_matches(['.', ',']));
    let mut numbers = numbers.filter(|n| !n.is_empty());
    let first = grade(numbers.next()?)?;
    numbers.all(|n| grade(n) == Some(first)).then_some(f64::from(first))
}

/// Yes or no in a judge's words: 100 or 0 by the only one of the two that is said, `None` if neither or both are.
pub fn spoken_yes(text: &str) -> Option<f64> {
    let says = |word: &str| text.split(|c: char| !c.is_alphanumeric()).any(|w| w.eq_ignore_ascii_case(word));
    match (says("yes"), says("no"), says("refusal")) {
        (true, false, false) => Some(100.0),
        (false, true, false) => Some(0.0),
        _ => None,
    }
}

/// The mean of the samples that could be read, `None` if these are fewer than [`MASS_MIN`] of all: the share of readable samples
/// stands for the mass.
pub fn mean_of_samples(samples: &[Option<f64>]) -> Option<f64> {
    let read: Vec<f64> = samples.iter().flatten().copied().collect();
    let enough = !read.is_empty() && read.len() as f64 >= MASS_MIN * samples.len() as f64;
    enough.then(|| read.iter().sum::<f64>() / read.len() as f64)
}

/// The three likeliest tokens in words.
pub(super) fn likeliest(top: &[(String, f64)]) -> String {
    let mut top: Vec<&(String, f64)> = top.iter().collect();
    top.sort_by(|a, b| b.1.total_cmp(&a.1));
    let said = top.iter().take(3).map(|(token, logprob)| format!("{token:?} {:.3}", logprob.exp()));
    said.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn top<'a>(probabilities: &[(&'a str, f64)]) -> Vec<(&'a str, f64)> {
        probabilities.iter().map(|&(token, p)| (token, p.ln())).collect()
    }

    #[track_caller]
    fn check(probabilities: &[(&str, f64)], want: Option<f64>) {
        match (expectation(&top(probabilities)), want) {
            (Some(got), Some(want)) => assert!((got - want).abs() < 1e-12, "{got}, not {want}"),
            (got, want) => assert_eq!(got, want),
        }
    }

    #[test]
    fn the_score_is_the_expectation_over_numbers() {
        check(&[("80", 1.0)], Some(80.0));
        check(&[("80", 0.5), ("90", 0.25), ("100", 0.25)], Some(87.5));
        check(&[("0", 0.6), ("REFUSAL", 0.4)], Some(0.0));
        check(&[(" 40", 0.2), ("60\n", 0.2), ("The", 0.6)], Some(50.0));
        // A mass below a quarter is no score; exactly a quarter is enough, as in the reference (`< 0.25` gives none).
        check(&[("50", 0.24), ("I", 0.76)], None);
        check(&[("50", 0.12), ("70", 0.12), ("REFUSAL", 0.76)], None);
        check(&[("50", 0.26), ("I", 0.74)], Some(50.0));
        assert_eq!(expectation(&[("50", 0.25_f64.ln())]).is_some(), 0.25_f64.ln().exp() >= 0.25);
        check(&[("101", 0.5), ("-1", 0.2), ("3.5", 0.1), ("ten", 0.1), ("", 0.1)], None);
        check(&[("101", 0.5), ("100", 0.5)], Some(100.0));
        check(&[], None);
    }

    #[test]
    fn broken_numbers_give_no_score_and_tiny_ones_stay_tiny() {
        assert_eq!(expectation(&[("50", f64::NAN)]), None);
        assert_eq!(expectation(&[("50", f64::NEG_INFINITY)]), None);
        assert_eq!(yes_share(&[("YES", f64::NAN)]), None);
        let score = expectation(&[("0", 0.0), ("1", -16.4)]).unwrap();
        assert!(score > 0.0 && score < 1e-6, "{score}");
    }

    #[test]
    fn a_judge_that_writes_digit_by_digit_is_found_out() {
        let digits: Vec<(String, f64)> = (0..10).map(|d| (d.to_string(), -2.5)).collect();
        assert_eq!(writes(&digits), Writes::DigitByDigit);
        let with = |token: &str| writes(&[digits.as_slice(), &[(token.to_owned(), -6.0)]].concat());
        assert_eq!(["The", " 7", "10", "101"].map(with), {
            [Writes::DigitByDigit, Writes::DigitByDigit, Writes::Whole, Writes::Whole]
        });
        // A judge that is sure of its 85 has few digits among its likeliest tokens.
        let check = |probabilities: &[(&str, f64)], want| assert_eq!(writes(&top(probabilities)), want);
        check(&[("8", 0.9), ("9", 0.08), ("The", 0.02)], Writes::Unclear);
        check(&[("0", 0.7), ("2", 0.3)], Writes::Unclear);
        check(&[("0", 0.9999), ("2", 0.0001)], Writes::Either);
        check(&[("I", 0.9), ("8", 0.1)], Writes::Either);
        check(&[("85", 0.9), ("8", 0.1)], Writes::Whole);
    }

    #[test]
    fn a_grade_is_read_from_words_only_if_there_is_one() {
        for text in ["85", " 85\n", "**85**", "85/100", "85 / 100", "I would say 85.", "Score: 85, since 85 fits"] {
            assert_eq!(spoken_grade(text), Some(85.0), "{text}");
        }
        for text in ["", "REFUSAL", "between 80 and 90", "8.5", "-8", "850", "0-100: 85", "85 or -1"] {
            assert_eq!(spoken_grade(text), None, "{text}");
        }
        assert_eq!((spoken_grade("0"), spoken_grade("100")), (Some(0.0), Some(100.0)));
        let said = ["YES", "No.", "<answer>yes</answer>", "REFUSAL", "yes and no", "nothing", "now"].map(spoken_yes);
        assert_eq!(said, [Some(100.0), Some(0.0), Some(100.0), None, None, None, None]);
    }

    #[test]
    fn samples_that_cannot_be_read_are_in_no_mean() {
        assert_eq!(mean_of_samples(&[Some(80.0), None, Some(90.0)]), Some(85.0));
        assert_eq!(mean_of_samples(&[Some(80.0), None, None, None]), Some(80.0));
        assert_eq!(mean_of_samples(&[Some(80.0), None, None, None, None]), None);
        assert_eq!((mean_of_samples(&[None]), mean_of_samples(&[])), (None, None));
    }

    #[test]
    fn yes_or_no() {
        assert_eq!(yes_share(&top(&[("YES", 0.75), ("NO", 0.25)])), Some(75.0));
        assert_eq!(yes_share(&top(&[("Yes", 0.5), (" yes", 0.25), ("no", 0.25)])), Some(75.0));
        assert_eq!(yes_share(&top(&[("YES", 0.3), ("NO", 0.2), ("REFUSAL", 0.4)])), None);
        assert_eq!(yes_share(&top(&[("YES", 0.12), ("NO", 0.12)])), None);
    }
}
