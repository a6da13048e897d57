//! Multiple choice: the likeliest of four options, or the letter that an answer in words names.

use std::sync::LazyLock;

use fancy_regex::Regex;

use super::answer::{answer, asks_of};
use super::task::{Asked, LETTERS, Options, Point, RIGHT, Task};
use crate::judge::{JudgedAnswer, Verdict};
use crate::language_model::LanguageModel;
use crate::text::Tokenizer;
use crate::{Error, Result, ensure};

impl Options {
    /// The tokens that stand for each option; where there are several ways to write it, the likeliest counts.
    fn tokens(&self, tokenizer: &Tokenizer) -> Result<Vec<Vec<Vec<u32>>>> {
        let each = |texts: &[String; 4]| texts.iter().map(|text| Ok(vec![tokenizer.encode(text)?])).collect();
        match self {
            Self::Letters => letter_tokens(tokenizer),
            Self::AfterSpace => each(&LETTERS.map(|letter| format!(" {letter}"))),
            Self::Texts(texts) => each(texts),
        }
    }
}

/// The tokens that stand for each letter: alone and after a space, as far as these are single tokens for all four.
fn letter_tokens(tokenizer: &Tokenizer) -> Result<Vec<Vec<Vec<u32>>>> {
    let mut tokens = vec![Vec::new(); LETTERS.len()];
    for before in ["", " "] {
        let ids: Vec<Vec<u32>> =
            LETTERS.iter().map(|letter| tokenizer.encode(&format!("{before}{letter}"))).collect::<Result<_>>()?;
        // A variant that only some letters have would favour them.
        if ids.iter().all(|ids| ids.len() == 1) {
            tokens.iter_mut().zip(ids).for_each(|(tokens, ids)| tokens.push(ids));
        }
    }
    ensure!(
        !tokens[0].is_empty(),
        "the letters A to D are no single tokens in this tokenizer; their likelihoods cannot be compared"
    );
    Ok(tokens)
}

/// `eval::run` for the tasks that need no judge, [`Asked::Choice`] and [`Asked::Letter`].
///
/// # Errors
/// Those of the model; letters that are no single tokens; a reference that is no letter; a task for a judge.
pub fn examine(
    task: &Task,
    model: &mut dyn LanguageModel,
    sweep: &[Point],
    done: &mut dyn FnMut(usize, usize),
) -> Result<Vec<JudgedAnswer>> {
    match &task.asked {
        Asked::Choice(options) => take_options(task, options, model, sweep, done),
        Asked::Letter(_) => {
            let mut rows = answer(task, model, sweep, done)?;
            for row in &mut rows {
                let taken = letter_of(&row.answer);
                let why = taken.map_or("no letter in the answer".to_owned(), |i| format!("took {}", LETTERS[i]));
                mark(row, taken, why)?;
            }
            Ok(rows)
        }
        Asked::Words { .. } => Err(Error::new(format!("task `{}` needs a judge", task.name))),
    }
}

fn take_options(
    task: &Task,
    options: &[Options],
    model: &mut dyn LanguageModel,
    sweep: &[Point],
    done: &mut dyn FnMut(usize, usize),
) -> Result<Vec<JudgedAnswer>> {
    let (asks, mut rows) = asks_of(task, model, sweep, 1)?;
    assert_eq!(options.len(), task.samples.len(), "options for each sample");
    let ways: Vec<_> = options.iter().map(|options| options.tokens(model.tokenizer())).collect::<Result<_>>()?;
    let of_row = |i: usize| &ways[i % ways.len()];
    let all: Vec<Vec<Vec<u32>>> = (0..rows.len()).map(|i| of_row(i).concat()).collect();
    let likes = model.choose(&asks, &all)?;
    assert_eq!(likes.len(), rows.len(), "a choice per ask");
    for (i, (row, likes)) in rows.iter_mut().zip(likes).enumerate() {
        let mut rest = likes.as_slice();
        let best_of = |ways: &Vec<Vec<u32>>| {
            let (of_option, others) = rest.split_at(ways.len());
            rest = others;
            of_option.iter().copied().fold(f32::NEG_INFINITY, f32::max)
        };
        row.options = of_row(i).iter().map(best_of).collect();
        ensure!(
            !likes.iter().any(|x| x.is_nan()),
            "`{}`: the likelihood of an option is not a number",
            row.question_id
        );
        let likes = &row.options;
        let taken = (0..likes.len()).fold(0, |best, i| if likes[i] > likes[best] { i } else { best });
        let said = LETTERS.iter().zip(likes).map(|(letter, x)| format!("{letter} {x:.3}"));
        let why = format!("log-probabilities {}", said.collect::<Vec<_>>().join(", "));
        row.answer = LETTERS[taken].to_owned();
        mark(row, Some(taken), why)?;
    }
    done(rows.len(), rows.len());
    Ok(rows)
}

/// Gives the verdict; an answer without a letter is wrong.
fn mark(row: &mut JudgedAnswer, taken: Option<usize>, why: String) -> Result<()> {
    let Some(right) = LETTERS.iter().position(|letter| row.reference.as_deref() == Some(letter)) else {
        return Err(Error::new(format!("`{}`: the reference is no letter from A to D", row.question_id)));
    };
    let score = if taken == Some(right) { 100.0 } else { 0.0 };
    row.verdicts.insert(RIGHT.to_owned(), Verdict { score: Some(score), why });
    Ok(())
}

/// The letter that an answer in words names, 0 to 3: the last one after "answer (is)", else the first that stands alone; `A` as
/// an article does not.
pub fn letter_of(answer: &str) -> Option<usize> {
    static NAMED: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?i:answer)(?:\s+is)?[\s:*(\[]*([A-D])(?!\w)(?!\s+[a-z])").expect("a valid pattern")
    });
    static ALONE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(?<![\w'])([A-D])(?![\w'])(?!\s+[a-z])").expect("a valid pattern"));
    let last = NAMED.captures_iter(answer).filter_map(Result::ok).last();
    let found = last.or_else(|| ALONE.captures(answer).ok().flatten())?;
    LETTERS.iter().position(|letter| found.get(1).is_some_and(|m| m.as_str() == *letter))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::mmlu::{self, Form, Item, accuracy};
    use crate::fakes::{EchoModel, tiny_tokenizer};
    use crate::language_model::Sampling;

    fn item(subject: &str, question: &str, right: usize) -> Item {
        let options = ["one", "two", "three", "four"].map(str::to_owned);
        Item { subject: subject.into(), question: question.into(), options, right }
    }

    #[test]
    fn the_likeliest_letter_counts_with_or_without_a_space() {
        let tokens = letter_tokens(&tiny_tokenizer()).unwrap();
        assert!(tokens.iter().all(|t| !t.is_empty() && t.len() == tokens[0].len()));
        // The last variant of B is the likeliest of all, from coefficient 1 on that of C.
        let (b, c) = (tokens[1].last().unwrap()[0], tokens[2].last().unwrap()[0]);
        let mut subject = EchoModel::new(|_, _| String::new());
        subject.likes = Box::new(move |ask, option| {
            let steered = ask.coefs.as_ref().is_some_and(|coefs| coefs[0] >= 1.0);
            if option == b && !steered || option == c && steered { -0.1 } else { -3.0 - option as f32 * 1e-3 }
        });
        let items = [item("s", "1?", 1), item("s", "2?", 1), item("s", "3?", 1), item("t", "4?", 2)];
        let points = [0.0, 1.0].map(Point::of);
        let rows = examine(&mmlu::task(&items, None, Form::Letters), &mut subject, &points, &mut |_, _| {}).unwrap();
        assert_eq!(
            (subject.batches.as_slice(), rows[0].answer.as_str(), rows[4].answer.as_str()),
            (&[8][..], "B", "C")
        );
        assert!(rows[0].verdicts[RIGHT].why.contains("B -0.100"), "{}", rows[0].verdicts[RIGHT].why);
        assert_eq!(rows[0].options[1], -0.1);
        let [plain, steered] = &accuracy(&rows, 1)[..] else { panic!("two coefficients") };
        assert_eq!((plain.micro.mean, plain.macro_.mean, plain.subjects["s"].mean), (75.0, 50.0, 100.0));
        assert_eq!((steered.micro.mean, steered.macro_.mean, steered.micro.n), (25.0, 50.0, 4));
    }

    #[test]
    fn in_the_cloze_form_the_likeliest_option_counts() {
        let tokenizer = tiny_tokenizer();
        let three = tokenizer.encode("three").unwrap();
        let mut subject = EchoModel::new(|_, _| String::new());
        subject.likes = Box::new(move |_, id| if three.contains(&id) { -0.1 } else { -5.0 });
        let items = [item("s", "1?", 2), item("s", "2?", 0)];
        let rows = examine(&mmlu::task(&items, None, Form::Cloze), &mut subject, &[], &mut |_, _| {}).unwrap();
        assert_eq!((rows[0].answer.as_str(), rows[1].answer.as_str()), ("C", "C"));
        assert_eq!(accuracy(&rows, 1)[0].micro.mean, 50.0);
        assert!(rows[0].prompt.contains("1? Answer briefly."));
    }

    #[test]
    fn a_likelihood_that_is_no_number_is_an_error() {
        let mut subject = EchoModel::new(|_, _| String::new());
        subject.likes = Box::new(|_, _| f32::NAN);
        let task = mmlu::task(&[item("s", "1?", 1)], None, Form::Letters);
        let error = examine(&task, &mut subject, &[], &mut |_, _| {}).unwrap_err();
        assert!(error.to_string().contains("`s_0`"), "{error}");
    }

    #[test]
    fn the_letter_is_read_out_of_words() {
        for (answer, want) in [
            ("B", Some(1)),
            ("(C)", Some(2)),
            ("**D**. timber", Some(3)),
            ("The answer is A.", Some(0)),
            ("A ship carries wool, so the correct answer is: (B) wool", Some(1)),
            ("I first thought the answer is A, but no. Answer: C", Some(2)),
            ("A ship carries salt.", None),
            ("Bad, and Dull", None),
            ("A", Some(0)),
            ("option A, salt", Some(0)),
            ("", None),
        ] {
            assert_eq!(letter_of(answer), want, "{answer}");
        }
    }

    #[test]
    fn an_answer_without_a_letter_is_wrong_and_counted() {
        let mut subject = EchoModel::new(|ask, _| if ask.id == "s_0" { "It is B.".into() } else { "Who knows".into() });
        let task = mmlu::generated_task(&[item("s", "1?", 1), item("s", "2?", 1)], None, &Sampling::greedy(8));
        let rows = examine(&task, &mut subject, &[], &mut |_, _| {}).unwrap();
        let accuracy = &accuracy(&rows, 1)[0];
        assert_eq!((accuracy.micro.mean, accuracy.unread), (50.0, 1));
        assert_eq!(rows[1].answer, "Who knows");
    }
}
