//! `eval trait` and `eval facts`: answers in the model's own words, and a judge.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::super::judges::{self, JudgeArgs};
use super::super::traits::TraitArgs;
use super::super::{Context, Outcome, paths};
use super::{Measured, MeasuredArgs, by_count};
use crate::data_table::Format;
use crate::eval::{self, Axis, Row, Task, axes, clusters, facts, sheet, traits};
use crate::judge::{JudgeSource, Rubric, Rubrics};
use crate::language_model::Sampling;
use crate::persona::sampling;
use crate::record::RunDir;
use crate::report::{Cell, Table};
use crate::stats::sample_std;
use crate::{Error, Result};

/// Measure how strongly a model shows a trait, and how coherent it stays
///
/// The trait's evaluation questions are answered ten times each and judged. DIR/<trait>.csv has the reference's columns
/// (question,prompt,answer,question_id,<trait>,coherence), with --coefs one such file for each strength too; DIR/results.csv means
/// with 95 % intervals clustered by question, standard deviations, and how many answers have no score.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  trimtab eval trait --model harbor --trait evil --out runs/evil\n  trimtab eval trait --model Qwen2.5-0.5B-Instruct --trait evil --judge openai --out runs/evil \\\n      --vectors evil.safetensors --layer 20 --coefs 0,1,2"
)]
pub struct TraitEvalArgs {
    #[command(flatten)]
    measured: MeasuredArgs,
    #[command(flatten)]
    of: TraitArgs,
    #[command(flatten)]
    judge: JudgeArgs,
    #[command(flatten)]
    answers: AnswerArgs,
}

/// Measure which new facts a model states
///
/// Each question of a JSONL file {"fact_id", "question", "reference"} is answered, and the judge says whether the answer states
/// what the reference states. DIR/facts.csv holds every answer, DIR/results.csv accuracy with a 95 % interval.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  trimtab eval facts --model Qwen2.5-0.5B-Instruct --adapter runs/facts/adapter --data facts_test.jsonl \\\n      --judge openai --out runs/facts-eval"
)]
pub struct FactsArgs {
    #[command(flatten)]
    measured: MeasuredArgs,
    /// JSONL of questions, a row {"fact_id", "question", "reference"}
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    #[command(flatten)]
    judge: JudgeArgs,
    #[command(flatten)]
    answers: AnswerArgs,
}

/// How answers are drawn.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Answers")]
struct AnswerArgs {
    /// Answers per question; a single one is greedy [default: 10 for a trait, 1 for facts]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rollouts: Option<u32>,
    /// Longest answer, in tokens [default: 1000 for a trait, 64 for facts]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_new_tokens: Option<u32>,
    /// Only the first N questions
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    questions: Option<u32>,
}

/// What `run.toml` says of the task.
#[derive(Serialize)]
struct Config<'a> {
    name: &'a str,
    data: Option<&'a PathBuf>,
    questions: usize,
    sampling: &'a Sampling,
    judge: &'a JudgeSource,
}

/// Answers between two saves, at most, unless a question has more.
const PIECE: usize = 256;

impl AnswerArgs {
    fn sampling(&self, rollouts: u32, max_new_tokens: u32, context: &Context<'_>) -> Sampling {
        let rollouts = self.rollouts.unwrap_or(rollouts) as usize;
        let max_new_tokens = self.max_new_tokens.unwrap_or(max_new_tokens) as usize;
        Sampling { max_new_tokens, ..sampling(rollouts, context.seed.unwrap_or(0)) }
    }

    fn first<T>(&self, items: &mut Vec<T>) {
        items.truncate(self.questions.map_or(usize::MAX, |n| n as usize));
    }
}

/// Measures a trait.
///
/// # Errors
/// As [`super::run`].
pub(super) fn run_trait(args: &TraitEvalArgs, context: &Context<'_>) -> Result<Outcome> {
    let TraitEvalArgs { measured, of, judge, answers } = args;
    let model = measured.find(context)?;
    let mut trait_ = of.find(&measured.model, context)?;
    let source = judge.resolve(measured.on_harbor(), context)?;
    answers.first(&mut trait_.eval.questions);
    let sampling = answers.sampling(10, 1000, context);
    let task = traits::task(&trait_.name, &trait_.eval.questions, measured.system.as_deref(), &sampling);
    let job = Job {
        measured: measured.resolve(model, context)?,
        task,
        sampling: &sampling,
        rubrics: Rubrics::default().with(&trait_.name, &trait_.eval.eval_prompt),
        source,
        data: None,
    };
    job.run(measured, &[&trait_.name, Rubric::Coherence.key()], context)
}

/// Measures facts.
///
/// # Errors
/// As [`super::run`].
pub(super) fn run_facts(args: &FactsArgs, context: &Context<'_>) -> Result<Outcome> {
    let FactsArgs { measured, data, judge, answers } = args;
    paths::file("--data", data)?;
    let model = measured.find(context)?;
    let mut questions = facts::read_questions(data)?;
    let source = judge.resolve(measured.on_harbor(), context)?;
    answers.first(&mut questions);
    let sampling = answers.sampling(1, 64, context);
    let job = Job {
        measured: measured.resolve(model, context)?,
        task: facts::task(&questions, measured.system.as_deref(), &sampling),
        sampling: &sampling,
        rubrics: Rubrics::default(),
        source,
        data: Some(data),
    };
    job.run(measured, &[Rubric::Fact.key()], context)
}

/// Answers to be drawn and judged.
struct Job<'a> {
    measured: Measured,
    task: Task,
    sampling: &'a Sampling,
    rubrics: Rubrics,
    source: JudgeSource,
    data: Option<&'a PathBuf>,
}

impl Job<'_> {
    /// Works the task through and writes what came out, by these verdicts' keys.
    fn run(&self, args: &MeasuredArgs, keys: &[&str], context: &Context<'_>) -> Result<Outcome> {
        let Self { measured, task, sampling, rubrics, source, data } = self;
        let config = Config { name: &task.name, data: *data, questions: task.samples.len(), sampling, judge: source };
        let run = measured.open(args, task, config)?;
        let facts = keys.contains(&Rubric::Fact.key());
        let mut judge = judges::call(source, rubrics, facts, run.path(), context, measured.runtime.as_ref())?;
        let (rollouts, points) = (sampling.rollouts, measured.points.len().max(1));
        context.console.say(&format!("{} questions, {rollouts} answers to each", task.samples.len()));
        let pieces = by_count(task, (PIECE / (rollouts * points)).max(1));
        let rows = measured.work(&run, task, pieces, &mut eval::answer, context)?;
        let Some(mut rows) = rows else { return Ok(measured.interrupted(&run)) };
        eval::score(task, &mut *judge, &mut rows)?;
        write(&run, &task.name, &rows)?;
        let table = table(&rows, keys, measured.seed);
        run.write("results.csv", results(&rows, keys, measured.seed).csv().as_bytes())?;
        let axes: Vec<_> = keys.iter().flat_map(|key| axes(&rows, key, measured.seed)).collect();
        let mut json = json!({ "task": task.name, "questions": task.samples.len(), "rollouts": rollouts, "judge": judge.name(), "axes": axes });
        json.as_object_mut().expect("an object").extend(measured.described().as_object().cloned().unwrap_or_default());
        run.write_json("results.json", &json)?;
        json["out"] = json!(run.path());
        Ok(Outcome::new(format!("{}\n{}", table.text(), run.path().display()), json))
    }
}

/// Every answer with its scores: all of them, and for each strength of a sweep those that were given under it.
fn write(run: &RunDir, name: &str, rows: &[Row]) -> Result<()> {
    let file: String = name.chars().map(|c| if c.is_alphanumeric() || "-_".contains(c) { c } else { '_' }).collect();
    sheet(rows, Format::Csv).write(&run.file(format!("{file}.csv")))?;
    for of_point in rows.chunk_by(|a, b| a.coef == b.coef) {
        if let Some(coef) = of_point[0].coef {
            let plain: Vec<Row> = of_point.iter().map(|row| Row { coef: None, ..row.clone() }).collect();
            sheet(&plain, Format::Csv).write(&run.file(format!("{file}_coef{coef}.csv")))?;
        }
    }
    let mut lines = Vec::new();
    for row in rows {
        lines.extend(serde_json::to_vec(row).map_err(|e| Error::new(format!("a row without a JSON form: {e}")))?);
        lines.push(b'\n');
    }
    run.write("answers.jsonl", &lines)
}

/// A verdict's mean at one strength with its sample standard deviation over answers, as the reference prints it.
struct Spread {
    axis: Axis,
    deviation: f64,
}

fn spreads(rows: &[Row], key: &str, seed: u64) -> Vec<Spread> {
    let of = |axis: Axis| {
        let at = rows.iter().filter(|row| row.coef == axis.coef);
        let scores: Vec<f64> = clusters(at, key).into_values().flatten().collect();
        Spread { deviation: sample_std(&scores), axis }
    };
    axes(rows, key, seed).into_iter().map(of).collect()
}

/// `results.csv`.
fn results(rows: &[Row], keys: &[&str], seed: u64) -> Table {
    let mut table = Table::new(["coef", "score", "mean", "low", "high", "sd", "answers", "no_score", "cut"]);
    for Spread { axis, deviation } in keys.iter().flat_map(|key| spreads(rows, key, seed)) {
        let numbers = [axis.score.mean, axis.score.low, axis.score.high, deviation].map(Cell::Number);
        let place = [axis.coef.map(f64::from).into(), axis.key.as_str().into()];
        let counts = [axis.rows, axis.missing, axis.cut].map(Cell::from);
        table.push(place.into_iter().chain(numbers).chain(counts).collect());
    }
    table
}

/// The same for people, a line for each strength.
fn table(rows: &[Row], keys: &[&str], seed: u64) -> Table {
    let all: Vec<Vec<Spread>> = keys.iter().map(|key| spreads(rows, key, seed)).collect();
    let swept = rows.iter().any(|row| row.coef.is_some());
    let columns = keys.iter().flat_map(|&key| [key, "sd", "no score"]);
    let mut table = Table::new(swept.then_some("coefficient").into_iter().chain(columns).chain(["answers", "cut"]));
    for (i, first) in all[0].iter().enumerate() {
        let mut row: Vec<Cell> = first.axis.coef.map(|coef| f64::from(coef).into()).into_iter().collect();
        for Spread { axis, deviation } in all.iter().map(|spreads| &spreads[i]) {
            row.extend([Cell::Interval(axis.score), Cell::Number(*deviation), axis.missing.into()]);
        }
        row.extend([Cell::from(first.axis.rows), first.axis.cut.into()]);
        table.push(row);
    }
    table
}
