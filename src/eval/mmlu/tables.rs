//! Accuracy as tables.

use super::accuracy::Accuracy;
use crate::Result;
use crate::eval::axis::clusters;
use crate::eval::choice::letter_of;
use crate::eval::task::{LETTERS, RIGHT};
use crate::judge::JudgedAnswer;
use crate::record::{RunDir, written};
use crate::report::{Cell, Table};
use crate::stats::Interval;

/// How each coefficient's accuracy differs from coefficient 0's, question by question; none without that coefficient.
pub fn difference_to_zero(rows: &[JudgedAnswer], accuracy: &[Accuracy], seed: u64) -> Option<Vec<Interval>> {
    let of = |coef: f32| clusters(rows.iter().filter(|row| row.coef == Some(coef)), RIGHT);
    let coefs: Vec<f32> = accuracy.iter().filter_map(|a| a.coef).collect();
    let plain = coefs.contains(&0.0).then(|| of(0.0))?;
    Some(coefs.iter().map(|&coef| Interval::of_difference(&of(coef), &plain, seed)).collect())
}

/// Accuracy for people, a line for each coefficient; `words` counts answers without a letter too.
pub fn accuracy_summary(accuracy: &[Accuracy], difference: Option<&[Interval]>, words: bool) -> Table {
    let swept = accuracy.iter().any(|a| a.coef.is_some());
    let mut columns = vec!["micro", "macro", "questions"];
    columns.extend(words.then_some("no letter"));
    columns.extend(difference.map(|_| "difference to 0"));
    let mut table = Table::new(swept.then_some("coefficient").into_iter().chain(columns));
    for (i, a) in accuracy.iter().enumerate() {
        let mut row: Vec<Cell> = a.coef.map(|coef| written(coef).into()).into_iter().collect();
        row.extend([Cell::Interval(a.micro), Cell::Interval(a.macro_), a.micro.n.into()]);
        row.extend(words.then(|| a.unread.into()));
        row.extend(difference.map(|d| Cell::Interval(d[i])));
        table.push(row);
    }
    table
}

/// Writes `results.csv` (accuracy, all and by subject) and `mmlu.csv` (every question with the answer's text if it was given in
/// `words`, else with the options' log-probabilities).
pub fn write_tables(run: &RunDir, rows: &[JudgedAnswer], accuracy: &[Accuracy], words: bool) -> Result<()> {
    let mut results = Table::new(["coef", "subject", "accuracy", "low", "high", "questions"]);
    for a in accuracy {
        let all = [("all questions (micro)", &a.micro), ("all subjects (macro)", &a.macro_)];
        let each = a.subjects.iter().map(|(subject, share)| (subject.as_str(), share));
        for (subject, share) in all.into_iter().chain(each) {
            let numbers = [share.mean, share.low, share.high].map(Cell::Number);
            let place = [a.coef.map(written).into(), subject.into()];
            results.push(place.into_iter().chain(numbers).chain([share.n.into()]).collect());
        }
    }
    run.write("results.csv", results.csv().as_bytes())?;

    let last: &[&str] = if words { &["text"] } else { &LETTERS };
    let columns = ["question_id", "subject", "coef", "question", "reference", "answer", "right"];
    let mut answers = Table::new(columns.iter().chain(last).copied());
    for row in rows {
        let right = row.verdicts.get(RIGHT).and_then(|v| v.score) == Some(100.0);
        let taken = match row.options.is_empty() {
            true => letter_of(&row.answer).map_or(Cell::Missing, |i| LETTERS[i].into()),
            false => row.answer.as_str().into(),
        };
        let mut cells: Vec<Cell> = vec![
            row.question_id.as_str().into(),
            row.group.as_str().into(),
            row.coef.map(written).into(),
            row.question.as_str().into(),
            row.reference.as_deref().map_or(Cell::Missing, Cell::from),
            taken,
            Cell::Count(u64::from(right)),
        ];
        match words {
            true => cells.push(row.answer.as_str().into()),
            false => cells.extend(row.options.iter().map(|&x| Cell::Number(f64::from(x)))),
        }
        answers.push(cells);
    }
    run.write("mmlu.csv", answers.csv().as_bytes())
}
