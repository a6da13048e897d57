//! Evaluation: tasks as values, one way to run them, rows that keep everything.
//!
//! A [`Task`] says what is asked and how the answer is scored; [`run`] asks a [`LanguageModel`] and a [`Judge`]; what comes back is
//! one [`JudgedAnswer`] per answer. Means are taken from rows ([`axes`]): a question is the independent unit, and an answer without a
//! score stays in the count.

mod answer;
mod axis;
mod choice;
pub mod facts;
pub mod gloomy;
pub mod mmlu;
pub(crate) mod pairs;
mod pieces;
mod refusal;
mod tables;
mod task;
pub mod traits;

pub use answer::answer;
pub use axis::{Axis, axes, clusters, sheet};
pub use choice::{examine, letter_of};
pub use task::{Asked, Options, Point, RIGHT, Sample, Task};

use crate::judge::{Judge, JudgedAnswer, judge_answers};
use crate::language_model::LanguageModel;
use crate::{Error, Result};

pub(crate) use pieces::{AskPiece, Pieces, by_count, by_group};
pub(crate) use refusal::RefusalRule;
pub(crate) use tables::{score_summary, score_table, write_answers};

/// Asks every question, at every point of `sweep` or, without any, under the model's own steering. All points are one batch,
/// and a question's random numbers are the same at each, so a sweep compares like with like.
///
/// Rows come by point, then question, then rollout. `done` hears (answers complete, answers in all).
pub fn run(
    task: &Task,
    model: &mut dyn LanguageModel,
    judge: &mut dyn Judge,
    sweep: &[Point],
    done: &mut dyn FnMut(usize, usize),
) -> Result<Vec<JudgedAnswer>> {
    if !matches!(task.asked, Asked::Words { .. }) {
        return examine(task, model, sweep, done);
    }
    let mut rows = answer(task, model, sweep, done)?;
    score(task, judge, &mut rows)?;
    Ok(rows)
}

/// The second half of [`run`] after [`answer()`]: the judge scores every answer by each of the task's rubrics.
///
/// # Errors
/// Those of the judge; a task without rubrics.
pub fn score(task: &Task, judge: &mut dyn Judge, rows: &mut [JudgedAnswer]) -> Result<()> {
    let Asked::Words { rubrics, .. } = &task.asked else {
        return Err(Error::new(format!("task `{}` needs no judge", task.name)));
    };
    judge_answers(judge, rubrics, rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_table::Format;
    use crate::fakes::{EchoModel, WordJudge};
    use crate::language_model::{Prompt, Sampling};

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
        let mut model = language_model();
        let mut heard = (0, 0);
        let rows =
            run(&task(2), &mut model, &mut WordJudge("harm"), &[0.0, 1.5].map(Point::of), &mut |n, of| heard = (n, of))
                .unwrap();
        assert_eq!((model.batches.as_slice(), rows.len(), heard), (&[4][..], 8, (8, 8)));
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
        let back: Vec<JudgedAnswer> = serde_json::from_str(&serde_json::to_string(&rows).unwrap()).unwrap();
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
