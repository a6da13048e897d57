//! `eval trait` and `eval facts`: free answers, scored by a judge.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::measured::{Measured, MeasuredArgs};
use crate::Result;
use crate::eval::{self, Task, axes, by_count, facts, score_summary, score_table, traits, write_answers};
use crate::judge::{JudgeSource, Rubric, Rubrics};
use crate::language_model::Sampling;
use crate::persona::sampling;
use crate::verbs::judges::{self, JudgeArgs};
use crate::verbs::sampling::DrawArgs;
use crate::verbs::traits::TraitArgs;
use crate::verbs::{Context, Outcome, paths};

/// Measure a trait expression score, and how coherent the model stays
///
/// The trait's evaluation questions are answered ten times each and judged. DIR/<trait>.csv has the reference's columns
/// (question,prompt,answer,question_id,<trait>,coherence), with --coefs one such file for each coefficient too; DIR/results.csv means
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
    #[command(flatten)]
    draw: DrawArgs,
    /// Only the first N questions
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    questions: Option<u32>,
}

/// The task in `run.toml`.
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
    fn sampling(&self, rollouts: u32, max_new_tokens: u32, context: &Context<'_>) -> Result<Sampling> {
        let rollouts = self.rollouts.unwrap_or(rollouts) as usize;
        let max_new_tokens = self.max_new_tokens.unwrap_or(max_new_tokens) as usize;
        let sampling = self.draw.apply(sampling(rollouts, context.seed.unwrap_or(0)))?;
        Ok(Sampling { max_new_tokens, ..sampling })
    }

    fn first<T>(&self, items: &mut Vec<T>) {
        items.truncate(self.questions.map_or(usize::MAX, |n| n as usize));
    }
}

pub(super) fn run_trait(args: &TraitEvalArgs, context: &Context<'_>) -> Result<Outcome> {
    let TraitEvalArgs { measured, of, judge, answers } = args;
    let mut trait_ = of.find(&measured.model.model, context)?;
    let source = judge.resolve(measured.model.is_harbor(), &Rubric::Trait(trait_.name.clone()), context)?;
    answers.first(&mut trait_.eval.questions);
    let sampling = answers.sampling(10, 1000, context)?;
    let task = traits::task(&trait_.name, &trait_.eval.questions, measured.system.as_deref(), &sampling);
    let job = Job {
        measured: measured.resolve(context)?,
        task,
        sampling: &sampling,
        rubrics: trait_.rubrics(),
        source,
        data: None,
    };
    job.run(measured, &[&trait_.name, Rubric::Coherence.key()], context)
}

pub(super) fn run_facts(args: &FactsArgs, context: &Context<'_>) -> Result<Outcome> {
    let FactsArgs { measured, data, judge, answers } = args;
    paths::file("--data", data)?;
    let mut questions = facts::read_questions(data)?;
    let source = judge.resolve(measured.model.is_harbor(), &Rubric::Fact, context)?;
    answers.first(&mut questions);
    let sampling = answers.sampling(1, 64, context)?;
    let job = Job {
        measured: measured.resolve(context)?,
        task: facts::task(&questions, measured.system.as_deref(), &sampling),
        sampling: &sampling,
        rubrics: Rubrics::default().with_facts(true),
        source,
        data: Some(data),
    };
    job.run(measured, &[Rubric::Fact.key()], context)
}

struct Job<'a> {
    measured: Measured,
    task: Task,
    sampling: &'a Sampling,
    rubrics: Rubrics,
    source: JudgeSource,
    data: Option<&'a PathBuf>,
}

impl Job<'_> {
    /// Answers and judges the task, and writes the scores of these verdicts.
    fn run(&self, args: &MeasuredArgs, keys: &[&str], context: &Context<'_>) -> Result<Outcome> {
        let Self { measured, task, sampling, rubrics, source, data } = self;
        let config = Config { name: &task.name, data: *data, questions: task.samples.len(), sampling, judge: source };
        let run = measured.open(args, task, config)?;
        let mut judge = judges::open(source, rubrics, run.path(), context, measured.runtime.as_ref())?;
        let (rollouts, points) = (sampling.rollouts, measured.points.len().max(1));
        context.console.say(&format!("{} questions, {rollouts} answers to each", task.samples.len()));
        let pieces = by_count(task, (PIECE / (rollouts * points)).max(1));
        let rows = measured.work(&run, task, pieces, &mut eval::answer, context.console)?;
        let Some(mut rows) = rows else { return Ok(measured.interrupted(&run)) };
        eval::score(task, &mut *judge, &mut rows)?;
        write_answers(&run, &task.name, &rows)?;
        let table = score_summary(&rows, keys, measured.seed);
        run.write("results.csv", score_table(&rows, keys, measured.seed).csv().as_bytes())?;
        let axes: Vec<_> = keys.iter().flat_map(|key| axes(&rows, key, measured.seed)).collect();
        let results = json!({ "task": task.name, "questions": task.samples.len(), "rollouts": rollouts, "judge": judge.name(), "axes": axes });
        measured.finish(&run, results, &table)
    }
}
