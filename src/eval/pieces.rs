//! Answering a task in pieces: each is a stage of the run's folder, so that an interrupted run resumes where it was.

use std::ops::{ControlFlow, Range};

use super::task::{Point, Task};
use crate::Result;
use crate::judge::JudgedAnswer;
use crate::language_model::LanguageModel;
use crate::record::{Hash, RunDir};

/// Answers a piece of a task at every point; its last argument hears (answers complete, answers in all).
pub type AskPiece<'a> =
    dyn FnMut(&Task, &mut dyn LanguageModel, &[Point], &mut dyn FnMut(usize, usize)) -> Result<Vec<JudgedAnswer>> + 'a;

#[derive(Debug)]
pub struct Pieces<'a> {
    pub task: &'a Task,
    /// At which coefficients; empty without a sweep.
    pub points: &'a [Point],
    /// The samples of each piece, in order and without gaps.
    pub ranges: Vec<Range<usize>>,
    /// Hash of everything that decides an answer besides the task: model, adapter, steering, device.
    pub key: Hash,
}

impl Pieces<'_> {
    /// Answers what the folder does not hold yet; `open` loads the model if there is something to answer. `tell` hears of
    /// (questions done, of all), and ends the work before the next piece by breaking off; then nothing comes back.
    ///
    /// Rows come by point, then question, then rollout, as from [`super::answer`].
    ///
    /// # Errors
    /// Those of the model and of the folder; finished pieces stay.
    pub fn answer(
        &self,
        run: &RunDir,
        open: &mut dyn FnMut() -> Result<Box<dyn LanguageModel>>,
        ask: &mut AskPiece<'_>,
        tell: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<Option<Vec<JudgedAnswer>>> {
        let Self { task, points, ranges, key } = self;
        let questions = task.samples.len();
        let mut model: Option<Box<dyn LanguageModel>> = None;
        let mut pieces = Vec::new();
        for (i, range) in ranges.iter().enumerate() {
            if tell(range.start, questions).is_break() {
                return Ok(None);
            }
            let part = task.part(range.clone());
            let (rows, _) = run.stage(&format!("answers-{i:04}"), &Hash::of(&(key, &part)), || {
                if model.is_none() {
                    model = Some(open()?);
                }
                let model = model.as_deref_mut().expect("opened just now");
                ask(&part, model, points, &mut |n, of| {
                    // What is under way is finished in any case.
                    let _ = tell(range.start + n * range.len() / of.max(1), questions);
                })
            })?;
            pieces.push(rows);
        }
        let _ = tell(questions, questions);
        // A piece holds all its points side by side.
        let points = points.len().max(1);
        let of_point = |point: usize| {
            pieces
                .iter()
                .flat_map(move |piece| &piece[point * piece.len() / points..(point + 1) * piece.len() / points])
        };
        Ok(Some((0..points).flat_map(of_point).cloned().collect()))
    }
}

/// Runs of at most `most` samples, none of which goes beyond its group.
pub fn by_group(task: &Task, most: usize) -> Vec<Range<usize>> {
    let mut pieces: Vec<Range<usize>> = Vec::new();
    for (i, sample) in task.samples.iter().enumerate() {
        match pieces.last_mut() {
            Some(last) if last.len() < most && task.samples[last.start].group == sample.group => last.end = i + 1,
            _ => pieces.push(i..i + 1),
        }
    }
    pieces
}

/// Runs of at most `most` samples.
pub fn by_count(task: &Task, most: usize) -> Vec<Range<usize>> {
    let n = task.samples.len();
    (0..n).step_by(most).map(|from| from..(from + most).min(n)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::mmlu::{self, Form, Item};

    #[test]
    fn pieces_cover_the_task_and_stay_within_their_groups() {
        let item = |subject: &str| Item {
            subject: subject.into(),
            question: String::new(),
            options: ["a", "b", "c", "d"].map(str::to_owned),
            right: 0,
        };
        let items: Vec<Item> = ["s", "s", "s", "t", "u", "u"].map(item).into();
        let task = mmlu::task(&items, None, Form::Letters);
        assert_eq!(by_group(&task, 2), [0..2, 2..3, 3..4, 4..6]);
        assert_eq!(by_count(&task, 4), [0..4, 4..6]);
    }
}
