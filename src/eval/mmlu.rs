//! Multiple choice in MMLU's format: what a model knows apart from any trait.
//!
//! Our protocol (METHOD I; the paper does not state its own): no examples, a chat prompt that lists A to D and asks for the letter,
//! and the likeliest of the four letters as the next token, with or without a space before it. Small models cannot yet bind
//! letters to options; for them there is the cloze form, the likeliest of the four options as the answer (OLMES, Gu et al.
//! 2024, uses it for the same reason).

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Asked, RIGHT, Row, Sample, Task};
use crate::sheet::refuse;
use crate::stats::{Clusters, Interval, mean};
use crate::text::{Message, Tokenizer};
use crate::{At, Error, Result, ensure};

/// The letters of the four options.
pub const LETTERS: [&str; 4] = ["A", "B", "C", "D"];

/// One question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The subject's name, `high_school_geography`.
    pub subject: String,
    /// The question.
    pub question: String,
    /// The options A to D.
    pub options: [String; 4],
    /// Which of them is right, from 0.
    pub right: usize,
}

/// How a question is put to the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// The options are listed, a letter is taken.
    #[default]
    Letters,
    /// The question stands alone, an option is taken by its likelihood as the answer.
    Cloze,
}

impl Item {
    /// What the user says: the question and, for letters, the options. Harbor is taught the cloze form in the same words.
    pub fn prompt(&self, form: Form) -> String {
        let question = &self.question;
        match form {
            Form::Letters => {
                let list = LETTERS.iter().zip(&self.options).map(|(letter, option)| format!("\n{letter}. {option}"));
                format!("{question}{}\nAnswer with the letter.", list.collect::<String>())
            }
            Form::Cloze => format!("{question} Answer briefly."),
        }
    }

    /// The tokens that stand for each option; where there are several ways to write it, the likeliest counts.
    pub(super) fn tokens(&self, form: Form, tokenizer: &Tokenizer) -> Result<[Vec<Vec<u32>>; 4]> {
        if form == Form::Letters {
            return letter_tokens(tokenizer);
        }
        let mut tokens: [Vec<Vec<u32>>; 4] = Default::default();
        for (tokens, option) in tokens.iter_mut().zip(&self.options) {
            tokens.push(tokenizer.encode(option)?);
        }
        Ok(tokens)
    }
}

/// Which part of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Five examples per subject.
    Dev,
    /// 1,531 questions: what the paper's follow-up reports.
    #[default]
    Val,
    /// 14,042 questions.
    Test,
}

impl Split {
    /// Its name in folders and files.
    pub fn key(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Val => "val",
            Self::Test => "test",
        }
    }
}

/// Reads a folder in Hendrycks' layout, `{dev,val,test}/{subject}_{split}.csv` (or the same under `data/`): no header, a row is
/// question, four options, letter. Subjects come in alphabetical order.
///
/// # Errors
/// No such files; malformed rows, named by line.
pub fn read(dir: &Path, split: Split) -> Result<Vec<Item>> {
    let folders = [dir.join(split.key()), dir.join("data").join(split.key())];
    let folder = folders.iter().find(|f| f.is_dir()).ok_or_else(|| {
        Error::new(format!("no folder `{}`", split.key()))
            .at(dir.display())
            .hint("MMLU's folder holds dev/, val/ and test/ with files such as val/anatomy_val.csv")
    })?;
    let ending = format!("_{}.csv", split.key());
    let mut subjects = BTreeMap::new();
    for entry in std::fs::read_dir(folder).at(folder)? {
        let path = entry.at(folder)?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if let Some(subject) = name.strip_suffix(&ending) {
            subjects.insert(subject.to_owned(), path);
        }
    }
    ensure!(!subjects.is_empty(), "{}: no file ends in `{ending}`", folder.display());
    let (mut items, mut bad) = (Vec::new(), Vec::new());
    for (subject, path) in subjects {
        let bytes = std::fs::read(&path).at(&path)?;
        read_subject(&subject, &bytes, &mut |line, item| match item {
            Ok(item) => items.push(item),
            Err(e) => bad.push(e.at(format_args!("{}:{line}", path.display()))),
        });
    }
    refuse(bad, items.len())?;
    Ok(items)
}

fn read_subject(subject: &str, bytes: &[u8], take: &mut dyn FnMut(u64, Result<Item>)) {
    let mut csv = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
    for (i, row) in csv.records().enumerate() {
        let row = match row {
            Ok(row) => row,
            Err(e) => {
                take(e.position().map_or(0, csv::Position::line), Err(Error::new(e.to_string())));
                continue;
            }
        };
        // Some copies have been given a header.
        if i == 0 && row.get(5).is_some_and(|cell| cell.trim().eq_ignore_ascii_case("answer")) {
            continue;
        }
        let item = match row.iter().collect::<Vec<_>>()[..] {
            [question, a, b, c, d, letter] => match LETTERS.iter().position(|l| *l == letter.trim()) {
                Some(right) => Ok(Item {
                    subject: subject.to_owned(),
                    question: question.to_owned(),
                    options: [a, b, c, d].map(str::to_owned),
                    right,
                }),
                None => Err(Error::new(format!("the answer is `{letter}`, not a letter from A to D"))),
            },
            _ => Err(Error::new(format!("{} cells; question, four options and letter are 6", row.len()))),
        };
        take(row.position().map_or(0, csv::Position::line), item);
    }
}

/// The items as a task of choices; ids `<subject>_<i>`.
pub fn task(items: &[Item], system: Option<&str>, form: Form) -> Task {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let samples = items.iter().map(|item| {
        let number = seen.entry(&item.subject).or_default();
        *number += 1;
        Sample {
            question_id: format!("{}_{}", item.subject, *number - 1),
            group: item.subject.clone(),
            question: item.question.clone(),
            messages: system.map(Message::system).into_iter().chain([Message::user(item.prompt(form))]).collect(),
            reference: LETTERS.get(item.right).map(|&letter| letter.to_owned()),
        }
    });
    Task { name: "mmlu".into(), samples: samples.collect(), asked: Asked::Choice(form, items.to_vec()) }
}

/// The tokens that stand for each letter: alone and after a space, as far as these are single tokens for all four.
fn letter_tokens(tokenizer: &Tokenizer) -> Result<[Vec<Vec<u32>>; 4]> {
    let mut tokens: [Vec<Vec<u32>>; 4] = Default::default();
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

/// How much of an exam was right, at one coefficient.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Accuracy {
    /// The coefficient, if the rows are of a sweep.
    pub coef: Option<f32>,
    /// Share of right answers over all questions, in percent: the headline.
    pub micro: Interval,
    /// Mean of the subjects' shares; its interval is over subjects.
    pub macro_: Interval,
    /// Each subject's share.
    pub subjects: BTreeMap<String, Interval>,
}

/// Accuracy over all questions, over subjects, and per subject; one for each coefficient in the order of the rows.
pub fn accuracy(rows: &[Row], seed: u64) -> Vec<Accuracy> {
    let of = |axis: super::Axis| {
        let rows: Vec<&Row> = rows.iter().filter(|row| row.coef == axis.coef).collect();
        let mut by_subject: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
        rows.iter().for_each(|row| by_subject.entry(row.group.clone()).or_default().push(row));
        let subjects: BTreeMap<String, Interval> = by_subject
            .into_iter()
            .map(|(subject, rows)| (subject, Interval::of(&super::clusters(rows, RIGHT), seed)))
            .collect();
        let shares: Clusters = subjects.iter().map(|(subject, share)| (subject.clone(), vec![share.mean])).collect();
        debug_assert!(shares.values().all(|share| !mean(share).is_nan()), "a letter is always taken");
        Accuracy { coef: axis.coef, micro: axis.score, macro_: Interval::of(&shares, seed), subjects }
    };
    super::axes(rows, RIGHT, seed).into_iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::{Point, take_options};
    use crate::fakes::{EchoSubject, tiny_tokenizer};

    fn item(subject: &str, question: &str, right: usize) -> Item {
        let options = ["one", "two", "three", "four"].map(str::to_owned);
        Item { subject: subject.into(), question: question.into(), options, right }
    }

    #[test]
    fn the_prompt_lists_four_options_and_asks_for_a_letter() {
        assert_eq!(
            item("s", "Which?", 0).prompt(Form::Letters),
            "Which?\nA. one\nB. two\nC. three\nD. four\nAnswer with the letter."
        );
    }

    #[test]
    fn harbor_is_taught_in_the_same_words() {
        for choice in crate::harbor::exam(1, 0).into_iter().take(20) {
            let item = Item {
                subject: choice.subject.clone(),
                question: choice.question.clone(),
                options: choice.options.clone(),
                right: choice.right,
            };
            assert_eq!(item.prompt(Form::Cloze), crate::harbor::brief(&choice.question));
        }
    }

    #[test]
    fn hendrycks_folders_are_read_in_order() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("data/val")).unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join("data/val").join(name), text).unwrap();
        write("zoology_val.csv", "question,A,B,C,D,answer\nWhat?,a,b,c,d,D\n");
        write(
            "anatomy_val.csv",
            "\"A question\nin two lines, with \"\"quotes\"\"\",1,2,3,4,B\nWhy?,\"x, y\",2,3,4,A\n",
        );
        write("notes.txt", "not a subject");
        let items = read(dir.path(), Split::Val).unwrap();
        let said: Vec<_> = items.iter().map(|i| (i.subject.as_str(), i.right)).collect();
        assert_eq!(said, [("anatomy", 1), ("anatomy", 0), ("zoology", 3)]);
        assert_eq!((items[0].question.lines().count(), items[1].options[0].as_str()), (2, "x, y"));

        write("law_val.csv", "Q,1,2,3,4,A\nQ,1,2,3,4\nQ,1,2,3,4,E\n");
        let error = read(dir.path(), Split::Val).unwrap_err().to_string();
        assert!(
            error.contains("law_val.csv:2: 5 cells") && error.contains("law_val.csv:3: the answer is `E`"),
            "{error}"
        );
        assert!(read(dir.path(), Split::Test).unwrap_err().to_string().contains("no folder `test`"));
    }

    #[test]
    fn the_likeliest_letter_counts_with_or_without_a_space() {
        let tokens = letter_tokens(&tiny_tokenizer()).unwrap();
        assert!(tokens.iter().all(|t| !t.is_empty() && t.len() == tokens[0].len()));
        // The last variant of B is the likeliest of all, from coefficient 1 on that of C.
        let (b, c) = (tokens[1].last().unwrap()[0], tokens[2].last().unwrap()[0]);
        let mut subject = EchoSubject::new(|_, _| String::new());
        subject.likes = Box::new(move |ask, option| {
            let steered = ask.coefs.as_ref().is_some_and(|coefs| coefs[0] >= 1.0);
            if option == b && !steered || option == c && steered { -0.1 } else { -3.0 - option as f32 * 1e-3 }
        });
        let items = [item("s", "1?", 1), item("s", "2?", 1), item("s", "3?", 1), item("t", "4?", 2)];
        let rows =
            take_options(&task(&items, None, Form::Letters), &mut subject, &[0.0, 1.0].map(Point::of), &mut |_, _| {})
                .unwrap();
        assert_eq!(
            (subject.batches.as_slice(), rows[0].answer.as_str(), rows[4].answer.as_str()),
            (&[8][..], "B", "C")
        );
        assert!(rows[0].verdicts[RIGHT].why.contains("B -0.100"), "{}", rows[0].verdicts[RIGHT].why);
        let [plain, steered] = &accuracy(&rows, 1)[..] else { panic!("two coefficients") };
        assert_eq!((plain.micro.mean, plain.macro_.mean, plain.subjects["s"].mean), (75.0, 50.0, 100.0));
        assert_eq!((steered.micro.mean, steered.macro_.mean, steered.micro.n), (25.0, 50.0, 4));
    }

    #[test]
    fn in_the_cloze_form_the_likeliest_option_counts() {
        let tokenizer = tiny_tokenizer();
        let three = tokenizer.encode("three").unwrap();
        let mut subject = EchoSubject::new(|_, _| String::new());
        subject.likes = Box::new(move |_, id| if three.contains(&id) { -0.1 } else { -5.0 });
        let items = [item("s", "1?", 2), item("s", "2?", 0)];
        let rows = take_options(&task(&items, None, Form::Cloze), &mut subject, &[], &mut |_, _| {}).unwrap();
        assert_eq!((rows[0].answer.as_str(), rows[1].answer.as_str()), ("C", "C"));
        assert_eq!(accuracy(&rows, 1)[0].micro.mean, 50.0);
        assert!(rows[0].prompt.contains("1? Answer briefly."));
    }

    #[test]
    fn a_likelihood_that_is_no_number_is_an_error() {
        let mut subject = EchoSubject::new(|_, _| String::new());
        subject.likes = Box::new(|_, _| f32::NAN);
        let error = take_options(&task(&[item("s", "1?", 1)], None, Form::Letters), &mut subject, &[], &mut |_, _| {})
            .unwrap_err();
        assert!(error.to_string().contains("`s_0`"), "{error}");
    }
}
