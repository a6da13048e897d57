//! `eval mmlu`: accuracy on multiple choice, by likelihood or in words, over all questions, by subject, and as the mean over subjects.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::json;

use super::measured::MeasuredArgs;
use crate::eval::mmlu::{self, Form, Item, Split, accuracy_summary, difference_to_zero, write_tables};
use crate::eval::{Task, by_group, examine};
use crate::harbor;
use crate::language_model::Sampling;
use crate::steering::Positions;
use crate::text::Tokenizer;
use crate::verbs::choices::{Choices, one_of};
use crate::verbs::{Context, Outcome};
use crate::{Error, Result};

/// Measure accuracy on MMLU, or on any multiple choice in its formats
///
/// DIR/results.csv holds accuracy with 95 % intervals over all questions (micro), as the mean over subjects (macro) and for each
/// subject; DIR/mmlu.csv every question with the letter taken and the options' log-probabilities; DIR/prompt.txt the first
/// question as the model reads it.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  trimtab eval mmlu --model Qwen2.5-0.5B-Instruct --data mmlu --out runs/mmlu --limit 500\n  trimtab eval mmlu --model Qwen2.5-0.5B-Instruct --data mmlu --protocol few-shot --out runs/mmlu5 \\\n      --vectors evil.safetensors --layer 20 --positions all --coefs 0,-1,-2"
)]
pub struct MmluArgs {
    #[command(flatten)]
    measured: MeasuredArgs,
    /// Folder of the questions: Hendrycks' CSV files or cais/mmlu's parquet files [default on `harbor`: its own exam]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Which part of the benchmark
    #[arg(long, value_parser = one_of(SPLITS), default_value = "val")]
    split: Split,
    /// How a question is asked and its answer read [default: chat; for Harbor's exam cloze]
    #[arg(long, value_enum, value_name = "HOW")]
    protocol: Option<Protocol>,
    /// Examples before a question with `--protocol few-shot` and `few-shot-chat`; 0 for lm-evaluation-harness' 0-shot
    #[arg(long, value_name = "K", default_value_t = 5)]
    shots: usize,
    /// At most this many questions, drawn by the seed with each subject's share
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Longest answer in words, in tokens, with `--protocol generated`
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    max_new_tokens: u32,
}

const SPLITS: &Choices<Split> = &[
    ("dev", Split::Dev, "Five questions for each subject, the examples of few-shot"),
    ("val", Split::Val, "1,531 questions"),
    ("test", Split::Test, "14,042 questions"),
];

/// `--protocol`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Protocol {
    /// No examples, a chat; the likeliest letter as the answer's first token
    Chat,
    /// Examples in plain text as lm-evaluation-harness words them; the likeliest letter
    FewShot,
    /// The same examples as turns of a chat (`--apply_chat_template --fewshot_as_multiturn` there); the likeliest letter
    FewShotChat,
    /// No examples, a chat; the letter in a greedy answer
    Generated,
    /// The question alone; the likeliest option, for models too small for letters
    Cloze,
}

/// The task in `run.toml`.
#[derive(Serialize)]
struct Config {
    name: &'static str,
    data: Option<PathBuf>,
    split: Option<&'static str>,
    protocol: Protocol,
    shots: Option<usize>,
    limit: Option<u32>,
    max_new_tokens: Option<u32>,
}

/// Questions worked through between two saves.
const PIECE: usize = 256;

pub(super) fn run(args: &MmluArgs, context: &Context<'_>) -> Result<Outcome> {
    let (task, protocol) = args.task(context)?;
    let measured = args.measured.resolve(context)?;
    let words = protocol == Protocol::Generated;
    let response = measured.steered.plan.parts.iter().any(|part| part.positions == Positions::Response);
    if response && !words {
        context.console.warn(
            "`--positions response` steers a single token here, the prompt's last: harm is understated; look at `--positions all` or `--protocol generated` too",
        );
    }
    let run = measured.open(&args.measured, &task, args.config(protocol))?;
    let tokenizer = Tokenizer::load(&measured.model.folder.path)?;
    run.write("prompt.txt", task.samples[0].prompt.text(&tokenizer)?.as_bytes())?;
    let subjects = by_group(&task, usize::MAX).len();
    context.console.say(&format!("{} questions of {subjects} subjects, {}", task.samples.len(), name(protocol)));

    let pieces = by_group(&task, PIECE.div_ceil(measured.points.len().max(1)));
    let rows = measured.work(
        &run,
        &task,
        pieces,
        &mut |part, subject, points, done| {
            let mut rows = examine(part, subject, points, done)?;
            // Five examples with every row would be most of the folder.
            rows.iter_mut().for_each(|row| row.prompt.clear());
            Ok(rows)
        },
        context.console,
    )?;
    let Some(rows) = rows else { return Ok(measured.interrupted(&run)) };

    let accuracy = mmlu::accuracy(&rows, measured.seed);
    let difference = difference_to_zero(&rows, &accuracy, measured.seed);
    let summary = accuracy_summary(&accuracy, difference.as_deref(), words);
    write_tables(&run, &rows, &accuracy, words)?;
    let results = json!({
        "protocol": protocol,
        "split": args.data.as_ref().map(|_| args.split.key()),
        "questions": task.samples.len(),
        "accuracy": accuracy,
        "difference_to_coef_0": difference,
    });
    measured.finish(&run, results, &summary)
}

fn name(protocol: Protocol) -> String {
    serde_json::to_value(protocol).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

impl MmluArgs {
    fn task(&self, context: &Context<'_>) -> Result<(Task, Protocol)> {
        let on_harbor = self.measured.model.is_harbor();
        let system = self.measured.system.as_deref();
        let seed = context.seed.unwrap_or(0);
        let (items, usual) = match &self.data {
            Some(dir) => (mmlu::read(dir, self.split)?, Protocol::Chat),
            None if on_harbor => (harbor::exam(1, 0).into_iter().map(Item::from).collect(), Protocol::Cloze),
            None => {
                return Err(Error::usage("where are the questions?").hint(
                    "--data DIR: a folder with val/anatomy_val.csv and so on, or all/validation-00000-of-00001.parquet",
                ));
            }
        };
        let protocol = self.protocol.unwrap_or(usual);
        let task = match protocol {
            Protocol::Chat => mmlu::task(&items, system, Form::Letters),
            Protocol::Cloze => mmlu::task(&items, system, Form::Cloze),
            Protocol::Generated => {
                let sampling = Sampling { seed, ..Sampling::greedy(self.max_new_tokens as usize) };
                mmlu::generated_task(&items, system, &sampling)
            }
            Protocol::FewShot if system.is_some() => {
                let what = "--protocol few-shot is plain text without a chat; it has no system prompt";
                return Err(Error::usage(what).hint("--protocol few-shot-chat has one"));
            }
            Protocol::FewShot => mmlu::few_shot_task(&items, &self.examples(protocol)?)?,
            Protocol::FewShotChat => mmlu::few_shot_chat_task(&items, &self.examples(protocol)?, system)?,
        };
        Ok((self.limit.map_or(task.clone(), |limit| mmlu::stratified(&task, limit as usize, seed)), protocol))
    }

    /// The first `--shots` examples of each subject.
    fn examples(&self, protocol: Protocol) -> Result<Vec<Item>> {
        let Some(dir) = &self.data else {
            let what = format!("--protocol {} takes its examples from --data DIR, the split `dev`", name(protocol));
            return Err(Error::usage(what));
        };
        let mut taken: BTreeMap<String, usize> = BTreeMap::new();
        let mut examples = if self.shots == 0 { Vec::new() } else { mmlu::read(dir, Split::Dev)? };
        examples.retain(|example| {
            let of_subject = taken.entry(example.subject.clone()).or_default();
            *of_subject += 1;
            *of_subject <= self.shots
        });
        Ok(examples)
    }

    fn config(&self, protocol: Protocol) -> Config {
        let Self { data, split, shots, limit, max_new_tokens, .. } = self;
        Config {
            name: "mmlu",
            data: data.clone(),
            split: data.as_ref().map(|_| split.key()),
            protocol,
            shots: matches!(protocol, Protocol::FewShot | Protocol::FewShotChat).then_some(*shots),
            limit: *limit,
            max_new_tokens: (protocol == Protocol::Generated).then_some(*max_new_tokens),
        }
    }
}
