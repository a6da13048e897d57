//! Evaluation: tasks as values, one way to run them, rows that keep everything.
//!
//! A [`Task`] says what is asked and how the answer is scored; [`run`] asks a [`LanguageModel`] and a [`Judge`]; what comes back is
//! one [`Row`] per answer. Means are taken from rows ([`axes`]): a question is the independent unit, and an answer without a
//! score stays in the count (METHOD K14, L.9).

mod choice;
pub mod facts;
pub mod mmlu;
pub mod pairs;
mod pieces;
mod refusal;
mod tables;
pub mod traits;

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use choice::{Options, examine, letter_of};
pub use pieces::{AskPiece, Pieces, by_count, by_group};
pub use refusal::RefusalRule;
pub use tables::{score_summary, score_table, write_answers};

use crate::data_table::{DataTable, Format};
use crate::judge::{Judge, JudgedItem, Rubric, Verdict, verdicts_by};
use crate::language_model::{Answer, FinishReason, LanguageModel, Prompt, Request, Sampling};
use crate::stats::{Clusters, Interval};
use crate::text::Message;
use crate::vector::Layer;
use crate::{Error, Result, ensure};

/// One question of a task.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sample {
    /// Names the question: the unit of the intervals, and the key of its random numbers.
    pub question_id: String,
    /// What it belongs to: a subject, a fact, a trait.
    pub group: String,
    /// The question as the judge sees it.
    pub question: String,
    /// What the model is given.
    pub prompt: Prompt,
    /// What would be right, where something is.
    pub reference: Option<String>,
}

/// How a task's questions are answered and scored.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Asked {
    /// The model answers in its own words and the judge scores by each rubric.
    Words {
        /// How answers are drawn, and how many per question.
        sampling: Sampling,
        /// What the judge is asked of each.
        rubrics: Vec<Rubric>,
    },
    /// The model takes the likeliest of four options, given sample by sample; the reference is the right one's letter. No
    /// judge is asked.
    Choice(Vec<Options>),
    /// The model answers in its own words and the letter is read out of them; the reference is the right one. No judge is asked.
    Letter(Sampling),
}

/// A conversation to be answered, under a system prompt if there is one.
fn chat(system: Option<&str>, user: impl Into<String>) -> Prompt {
    Prompt::Chat(system.map(Message::system).into_iter().chain([Message::user(user)]).collect())
}

/// What is asked of a model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Task {
    /// Its name in rows.
    pub name: String,
    /// Its questions.
    pub samples: Vec<Sample>,
    /// How they are answered and scored.
    pub asked: Asked,
}

/// One setting of a sweep over strengths, or over layers and strengths.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// The strength, as tables show it.
    pub coef: f32,
    /// The layer, where the sweep goes over layers.
    pub layer: Option<Layer>,
    /// The coefficient of each part of the subject's plan.
    pub coefs: Vec<f32>,
}

impl Point {
    /// A strength of the only part of the plan.
    pub fn of(coef: f32) -> Self {
        Self { coef, layer: None, coefs: vec![coef] }
    }
}

/// One answer with all that was said of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The task's name.
    pub task: String,
    /// The question's name.
    pub question_id: String,
    /// What the question belongs to.
    pub group: String,
    /// The coefficient of steering that replaced the subject's own, if one did.
    pub coef: Option<f32>,
    /// The layer that was steered, in a sweep over layers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<Layer>,
    /// Which of the question's answers, from 0.
    pub rollout: usize,
    /// The question.
    pub question: String,
    /// The whole text that the model was given.
    pub prompt: String,
    /// What it answered.
    pub answer: String,
    /// What would be right, where something is.
    pub reference: Option<String>,
    /// Why the answer ended; nothing where an option was taken.
    pub finish_reason: Option<FinishReason>,
    /// Log-probabilities (nats) of the options A to D where one was taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<f32>,
    /// Verdicts by [`Rubric::key`], or by `right` for a letter.
    pub verdicts: BTreeMap<String, Verdict>,
}

/// The verdict of [`Asked::Choice`] and [`Asked::Letter`]: 100 for the right option, 0 for another.
pub const RIGHT: &str = "right";

/// Asks every question, at every point of `sweep` or, without any, under the subject's own steering. All points are one batch,
/// and a question's random numbers are the same at each, so a sweep compares like with like.
///
/// Rows come by point, then question, then rollout. `done` hears (answers complete, answers in all).
///
/// # Errors
/// Those of the subject and of the judge; a task without questions, or with two of the same name.
pub fn run(
    task: &Task,
    subject: &mut dyn LanguageModel,
    judge: &mut dyn Judge,
    sweep: &[Point],
    done: &mut dyn FnMut(usize, usize),
) -> Result<Vec<Row>> {
    if !matches!(task.asked, Asked::Words { .. }) {
        return examine(task, subject, sweep, done);
    }
    let mut rows = answer(task, subject, sweep, done)?;
    score(task, judge, &mut rows)?;
    Ok(rows)
}

/// The first half of [`run`]: every answer in words, not yet scored.
///
/// # Errors
/// Those of the subject; a task without questions, with two of the same name, or not answered in words.
pub fn answer(
    task: &Task,
    subject: &mut dyn LanguageModel,
    sweep: &[Point],
    done: &mut dyn FnMut(usize, usize),
) -> Result<Vec<Row>> {
    let (Asked::Words { sampling, .. } | Asked::Letter(sampling)) = &task.asked else {
        return Err(Error::new(format!("task `{}` is not answered in words", task.name)));
    };
    let (asks, mut rows) = asks_of(task, subject, sweep, sampling.rollouts)?;
    let total = rows.len();
    let answers = subject.generate(&asks, sampling, &mut |n| done(n, total))?;
    assert_eq!(answers.len(), total, "an answer per ask and rollout");
    for (row, answer) in rows.iter_mut().zip(answers) {
        let Answer { id, rollout, text, finish_reason, .. } = answer;
        assert_eq!((&id, rollout), (&row.question_id, row.rollout), "answers in the order of the asks");
        (row.answer, row.finish_reason) = (text, Some(finish_reason));
    }
    Ok(rows)
}

/// The second half: the judge scores every answer by each of the task's rubrics, after it has heard of all that it will be asked.
///
/// # Errors
/// Those of the judge; a task without rubrics.
pub fn score(task: &Task, judge: &mut dyn Judge, rows: &mut [Row]) -> Result<()> {
    let Asked::Words { rubrics, .. } = &task.asked else {
        return Err(Error::new(format!("task `{}` needs no judge", task.name)));
    };
    let exhibit = |row: &Row| JudgedItem {
        question: row.question.clone(),
        answer: row.answer.clone(),
        reference: row.reference.clone(),
    };
    let exhibits: Vec<JudgedItem> = rows.iter().map(exhibit).collect();
    for (rubric, verdicts) in rubrics.iter().zip(verdicts_by(judge, rubrics, &exhibits)?) {
        for (row, verdict) in rows.iter_mut().zip(verdicts) {
            row.verdicts.insert(rubric.key().to_owned(), verdict);
        }
    }
    Ok(())
}

/// The batch, and a row for each answer to come.
fn asks_of(
    task: &Task,
    subject: &dyn LanguageModel,
    sweep: &[Point],
    rollouts: usize,
) -> Result<(Vec<Request>, Vec<Row>)> {
    let mut names: Vec<&str> = task.samples.iter().map(|s| s.question_id.as_str()).collect();
    names.sort_unstable();
    ensure!(!names.is_empty(), "task `{}` has no questions", task.name);
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Error::new(format!("task `{}` has two questions named `{}`", task.name, twice[0])));
    }
    let points: Vec<Option<&Point>> = if sweep.is_empty() { vec![None] } else { sweep.iter().map(Some).collect() };
    let (mut asks, mut rows) = (Vec::new(), Vec::new());
    for point in points {
        for sample in &task.samples {
            let coefs = point.map(|point| point.coefs.clone());
            asks.push(Request { id: sample.question_id.clone(), prompt: sample.prompt.clone(), coefs });
            let row = Row {
                task: task.name.clone(),
                question_id: sample.question_id.clone(),
                group: sample.group.clone(),
                coef: point.map(|point| point.coef),
                layer: point.and_then(|point| point.layer),
                rollout: 0,
                question: sample.question.clone(),
                prompt: sample.prompt.text(subject.tokenizer())?,
                answer: String::new(),
                reference: sample.reference.clone(),
                finish_reason: None,
                options: Vec::new(),
                verdicts: BTreeMap::new(),
            };
            rows.extend((0..rollouts).map(|rollout| Row { rollout, ..row.clone() }));
        }
    }
    Ok((asks, rows))
}

impl Task {
    /// The same task with some of its samples.
    pub fn part(&self, range: Range<usize>) -> Self {
        let asked = match &self.asked {
            Asked::Choice(options) => Asked::Choice(options[range.clone()].to_vec()),
            other => other.clone(),
        };
        Self { name: self.name.clone(), samples: self.samples[range].to_vec(), asked }
    }
}

/// One number with its interval: the mean of one verdict at one coefficient.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Axis {
    /// The verdict's key.
    pub key: String,
    /// The coefficient, if the rows are of a sweep.
    pub coef: Option<f32>,
    /// Mean and interval over the answers that have a score, clustered by question; 0 to 100.
    pub score: Interval,
    /// All answers.
    pub rows: usize,
    /// Answers without a score: refusals and what the judge could not read. They are in no mean.
    pub missing: usize,
    /// Answers that ended at the limit of tokens.
    pub cut: usize,
}

/// The scores of a verdict by question, missing ones left out. A fact is right or wrong: 100 from 50 on, else 0 (METHOD J.1).
pub fn clusters<'a>(rows: impl IntoIterator<Item = &'a Row>, key: &str) -> Clusters {
    let mut clusters = Clusters::new();
    for row in rows {
        if let Some(score) = row.verdicts.get(key).and_then(|v| v.score) {
            let score = match (key == Rubric::Fact.key(), score >= 50.0) {
                (false, _) => score,
                (true, right) => f64::from(u8::from(right)) * 100.0,
            };
            clusters.entry(row.question_id.clone()).or_default().push(score);
        }
    }
    clusters
}

/// Means of a verdict, one per coefficient in the order of the rows. `seed` draws the bootstrap.
pub fn axes(rows: &[Row], key: &str, seed: u64) -> Vec<Axis> {
    let mut coefs: Vec<Option<f32>> = Vec::new();
    for row in rows {
        if !coefs.contains(&row.coef) {
            coefs.push(row.coef);
        }
    }
    let axis = |coef: Option<f32>| {
        let rows: Vec<&Row> = rows.iter().filter(|row| row.coef == coef).collect();
        let score = Interval::of(&clusters(rows.iter().copied(), key), seed);
        let missing = rows.iter().filter(|row| row.verdicts.get(key).is_none_or(|v| v.score.is_none())).count();
        let cut = rows.iter().filter(|row| row.finish_reason == Some(FinishReason::Length)).count();
        Axis { key: key.to_owned(), coef, score, rows: rows.len(), missing, cut }
    };
    coefs.into_iter().map(axis).collect()
}

/// The rows as a table with the reference's columns (METHOD B.3), `question,prompt,answer,question_id,<scores>,coherence`, then
/// `reference` and `coef` where there are any.
pub fn sheet(rows: &[Row], format: Format) -> DataTable {
    let coherence = Rubric::Coherence.key();
    let mut scores: Vec<&str> = Vec::new();
    for key in rows.iter().flat_map(|row| row.verdicts.keys()) {
        if !scores.contains(&key.as_str()) {
            scores.push(key);
        }
    }
    scores.sort_by_key(|&key| (key == coherence, key));
    let mut columns = vec!["question", "prompt", "answer", "question_id"];
    columns.extend(&scores);
    let mut sheet = DataTable::new(format, &columns);
    for row in rows {
        let mut cells = Map::new();
        let texts = [&row.question, &row.prompt, &row.answer, &row.question_id];
        cells.extend(columns.iter().zip(texts).map(|(&name, text)| (name.to_owned(), json!(text))));
        let score = |key: &str| json!(row.verdicts.get(key).and_then(|v| v.score));
        cells.extend(scores.iter().map(|&key| (key.to_owned(), score(key))));
        cells.extend(row.reference.as_ref().map(|r| ("reference".to_owned(), Value::from(r.as_str()))));
        cells.extend(row.coef.map(|coef| ("coef".to_owned(), json!(coef))));
        sheet.push(cells);
    }
    sheet
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::{EchoModel, WordJudge};

    fn task(rollouts: usize) -> Task {
        let sampling = Sampling { rollouts, ..Sampling::greedy(8) };
        traits::task("evil", &["Why?".into(), "How?".into()], None, &sampling)
    }

    /// Says `harm` from coefficient 1 on and refuses every second time that it is asked `How?`.
    fn language_model() -> EchoModel {
        EchoModel::new(|ask, rollout| {
            let Prompt::Chat(messages) = &ask.prompt else { panic!("a chat") };
            let refuses = messages.last().unwrap().content == "How?" && rollout % 2 == 1;
            let word = if refuses { "REFUSE" } else { "harm" };
            if ask.coefs.as_ref().is_some_and(|coefs| coefs[0] >= 1.0) || refuses { word.into() } else { "help".into() }
        })
    }

    #[test]
    fn a_sweep_is_one_batch_with_rows_by_coefficient_and_question() {
        let mut subject = language_model();
        let mut heard = (0, 0);
        let rows = run(&task(2), &mut subject, &mut WordJudge("harm"), &[0.0, 1.5].map(Point::of), &mut |n, of| {
            heard = (n, of)
        })
        .unwrap();
        assert_eq!((subject.batches.as_slice(), rows.len(), heard), (&[4][..], 8, (8, 8)));
        let places: Vec<_> = rows.iter().map(|r| (r.coef.unwrap(), r.question_id.as_str(), r.rollout)).collect();
        assert_eq!(places[1..5], [(0.0, "evil_0", 1), (0.0, "evil_1", 0), (0.0, "evil_1", 1), (1.5, "evil_0", 0)]);
        assert!(rows[0].prompt.contains("Why?") && rows[0].prompt.ends_with("assistant\n"));

        let axes = axes(&rows, "evil", 1);
        let said: Vec<_> = axes.iter().map(|a| (a.coef, a.score.mean, a.score.n, a.rows, a.missing)).collect();
        assert_eq!(said, [(Some(0.0), 0.0, 3, 4, 1), (Some(1.5), 100.0, 3, 4, 1)]);
        assert_eq!(axes[0].score.clusters, 2);
    }

    #[test]
    fn without_coefficients_the_subject_keeps_its_own_steering() {
        let rows = run(&task(1), &mut language_model(), &mut WordJudge("harm"), &[], &mut |_, _| {}).unwrap();
        assert!(rows.len() == 2 && rows.iter().all(|r| r.coef.is_none() && r.verdicts.len() == 2));
        assert_eq!(axes(&rows, "coherence", 1)[0].score.mean, 100.0);
        let nothing = &axes(&rows, "humorous", 1)[0];
        assert!(nothing.score.mean.is_nan() && nothing.missing == 2);
    }

    #[test]
    fn rows_survive_json_and_become_the_reference_table() {
        let rows = run(&task(2), &mut language_model(), &mut WordJudge("harm"), &[], &mut |_, _| {}).unwrap();
        let back: Vec<Row> = serde_json::from_str(&serde_json::to_string(&rows).unwrap()).unwrap();
        assert_eq!(back, rows);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("evil.csv");
        sheet(&rows, Format::Csv).write(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("question,prompt,answer,question_id,evil,coherence\nWhy?,\"<|im_start|>"), "{text}");
        assert!(text.contains("REFUSE,evil_1,,\n"), "{text}");
        let swept =
            run(&task(1), &mut language_model(), &mut WordJudge("harm"), &[Point::of(0.5)], &mut |_, _| {}).unwrap();
        assert_eq!(sheet(&swept, Format::Csv).columns.last().unwrap(), "coef");
    }

    #[test]
    fn a_task_names_each_question_once() {
        let mut twice = task(1);
        twice.samples[1].question_id = "evil_0".into();
        let mut judge = WordJudge("harm");
        assert!(
            run(&twice, &mut language_model(), &mut judge, &[], &mut |_, _| {})
                .unwrap_err()
                .to_string()
                .contains("`evil_0`")
        );
        twice.samples.clear();
        assert!(run(&twice, &mut language_model(), &mut judge, &[], &mut |_, _| {}).is_err());
    }
}
