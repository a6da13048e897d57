//! Judged answers as tables: every answer, and the means of every verdict.

use super::axis::{Axis, axes, clusters, sheet};
use crate::Result;
use crate::data_table::Format;
use crate::judge::JudgedAnswer;
use crate::record::{RunDir, write_jsonl, written};
use crate::report::{Cell, Table};
use crate::stats::sample_std;

/// Writes every answer with its scores: `<name>.csv` and `answers.jsonl` with all of them, and for each coefficient of a sweep
/// `<name>_coef<A>.csv`.
pub fn write_answers(run: &RunDir, name: &str, rows: &[JudgedAnswer]) -> Result<()> {
    let file: String = name.chars().map(|c| if c.is_alphanumeric() || "-_".contains(c) { c } else { '_' }).collect();
    sheet(rows, Format::Csv).write(&run.file(format!("{file}.csv")))?;
    for of_point in rows.chunk_by(|a, b| a.coef == b.coef) {
        if let Some(coef) = of_point[0].coef {
            let plain: Vec<JudgedAnswer> =
                of_point.iter().map(|row| JudgedAnswer { coef: None, ..row.clone() }).collect();
            sheet(&plain, Format::Csv).write(&run.file(format!("{file}_coef{coef}.csv")))?;
        }
    }
    write_jsonl(&run.file("answers.jsonl"), rows)
}

/// A verdict's mean at one coefficient with its sample standard deviation over answers, as the reference prints it.
struct Spread {
    axis: Axis,
    deviation: f64,
}

fn spreads(rows: &[JudgedAnswer], key: &str, seed: u64) -> Vec<Spread> {
    let of = |axis: Axis| {
        let at = rows.iter().filter(|row| row.coef == axis.coef);
        let scores: Vec<f64> = clusters(at, key).into_values().flatten().collect();
        Spread { deviation: sample_std(&scores), axis }
    };
    axes(rows, key, seed).into_iter().map(of).collect()
}

/// Means, intervals and counts of each verdict at each coefficient, for `results.csv`.
pub fn score_table(rows: &[JudgedAnswer], keys: &[&str], seed: u64) -> Table {
    let mut table = Table::new(["coef", "score", "mean", "low", "high", "sd", "answers", "no_score", "cut"]);
    for Spread { axis, deviation } in keys.iter().flat_map(|key| spreads(rows, key, seed)) {
        let numbers = [axis.score.mean, axis.score.low, axis.score.high, deviation].map(Cell::Number);
        let place = [axis.coef.map(written).into(), axis.key.as_str().into()];
        let counts = [axis.rows, axis.missing, axis.cut].map(Cell::from);
        table.push(place.into_iter().chain(numbers).chain(counts).collect());
    }
    table
}

/// The same for people, a line for each coefficient.
pub fn score_summary(rows: &[JudgedAnswer], keys: &[&str], seed: u64) -> Table {
    let all: Vec<Vec<Spread>> = keys.iter().map(|key| spreads(rows, key, seed)).collect();
    let swept = rows.iter().any(|row| row.coef.is_some());
    let columns = keys.iter().flat_map(|&key| [key, "sd", "no score"]);
    let mut table = Table::new(swept.then_some("coefficient").into_iter().chain(columns).chain(["answers", "cut"]));
    for (i, first) in all[0].iter().enumerate() {
        let mut row: Vec<Cell> = first.axis.coef.map(|coef| written(coef).into()).into_iter().collect();
        for Spread { axis, deviation } in all.iter().map(|spreads| &spreads[i]) {
            row.extend([Cell::Interval(axis.score), Cell::Number(*deviation), axis.missing.into()]);
        }
        row.extend([Cell::from(first.axis.rows), first.axis.cut.into()]);
        table.push(row);
    }
    table
}
