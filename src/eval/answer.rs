//! Asking a model the questions of a task: a batch over all points of a sweep, a row for each answer.

use super::task::{Asked, Point, Task};
use crate::judge::JudgedAnswer;
use crate::language_model::{Answer, LanguageModel, Request};
use crate::{Error, Result, ensure};

/// Asks for every answer in words; none of them is scored yet.
///
/// # Errors
/// Those of the model; a task without questions, with two of the same name, or not answered in words.
pub fn answer(
    task: &Task,
    model: &mut dyn LanguageModel,
    sweep: &[Point],
    done: &mut dyn FnMut(usize, usize),
) -> Result<Vec<JudgedAnswer>> {
    let (Asked::Words { sampling, .. } | Asked::Letter(sampling)) = &task.asked else {
        return Err(Error::new(format!("task `{}` is not answered in words", task.name)));
    };
    let (asks, mut rows) = asks_of(task, model, sweep, sampling.rollouts)?;
    let total = rows.len();
    let answers = model.generate(&asks, sampling, &mut |n| done(n, total))?;
    assert_eq!(answers.len(), total, "an answer per ask and rollout");
    for (row, answer) in rows.iter_mut().zip(answers) {
        let Answer { id, rollout, text, finish_reason, .. } = answer;
        assert_eq!((&id, rollout), (&row.question_id, row.rollout), "answers in the order of the asks");
        (row.answer, row.finish_reason) = (text, Some(finish_reason));
    }
    Ok(rows)
}

/// The batch, and a row for each answer to come.
pub(super) fn asks_of(
    task: &Task,
    model: &dyn LanguageModel,
    sweep: &[Point],
    rollouts: usize,
) -> Result<(Vec<Request>, Vec<JudgedAnswer>)> {
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
            let row = JudgedAnswer {
                task: task.name.clone(),
                question_id: sample.question_id.clone(),
                group: sample.group.clone(),
                coef: point.map(|point| point.coef),
                layer: point.and_then(|point| point.layer),
                question: sample.question.clone(),
                prompt: sample.prompt.text(model.tokenizer())?,
                reference: sample.reference.clone(),
                ..JudgedAnswer::default()
            };
            rows.extend((0..rollouts).map(|rollout| JudgedAnswer { rollout, ..row.clone() }));
        }
    }
    Ok((asks, rows))
}
