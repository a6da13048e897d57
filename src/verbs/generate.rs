//! `generate`: answers to a file of prompts, with or without inference-time steering.

use std::path::PathBuf;

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::model::ModelArgs;
use super::prompts::{self, PromptRow};
use super::sampling::{refuse_equal, temperature, top_p, within};
use super::steer::SteerArgs;
use super::{Context, Outcome, paths};
use crate::language_model::{Answer, FinishReason, Sampling};
use crate::record::{Hash, Ledger, hash_file, write_jsonl};
use crate::steering::DescribedPlan;
use crate::{Result, ensure};

/// Answer a file of prompts, with or without inference-time steering
///
/// A prompt row is a JSON object with an `id` and exactly one of `messages`, `prompt` (text as it is) and `prompt_ids`
/// (tokens as they are). Answers do not depend on the batch, the order, or an interruption: the same command resumes a
/// run that was killed.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  trimtab generate --model Qwen2.5-0.5B-Instruct --prompts prompts.jsonl --out answers.jsonl \\\n      --max-new-tokens 200 --vectors evil.safetensors --layer 20 --coef -1.5"
)]
pub struct GenerateArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// JSONL file of prompts
    #[arg(long, value_name = "FILE")]
    prompts: PathBuf,
    /// JSONL file for the answers
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Longest answer, in tokens
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_new_tokens: u32,
    /// Flattens (above 1) or sharpens (below 1) the distribution; 0 is greedy [default: 1]
    #[arg(long, value_name = "T")]
    temperature: Option<f32>,
    /// Draw from the K most likely tokens only
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    top_k: Option<u32>,
    /// Draw from the fewest tokens that together reach this probability only [default: 1]
    #[arg(long, value_name = "P")]
    top_p: Option<f32>,
    /// Makes tokens that occurred already less likely; 1 does nothing [default: 1]
    #[arg(long, value_name = "R")]
    repetition_penalty: Option<f32>,
    /// Answers per prompt [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rollouts: Option<u32>,
    /// Take the most likely token each time
    #[arg(long, conflicts_with = "temperature")]
    greedy: bool,
    #[command(flatten)]
    steer: SteerArgs,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct OutputRow {
    id: Value,
    rollout: usize,
    messages: Value,
    prompt_ids: Vec<u32>,
    token_ids: Vec<u32>,
    text: String,
    finish_reason: FinishReason,
    steering: Value,
}

/// Answers per request to the model: what an interruption can cost.
const CHUNK: usize = 256;

impl GenerateArgs {
    fn sampling(&self, seed: u64) -> Result<Sampling> {
        let greedy = self.greedy || self.temperature == Some(0.0);
        let rollouts = self.rollouts.unwrap_or(1) as usize;
        refuse_equal(greedy, rollouts, "--greedy")?;
        let temperature = temperature(self.temperature)?.unwrap_or(1.0);
        let repetition_penalty = self.repetition_penalty;
        let repetition_penalty =
            within("--repetition-penalty", repetition_penalty, |r| r > 0.0 && r.is_finite(), "above 0")?.unwrap_or(1.0);
        Ok(Sampling {
            temperature: if greedy { 0.0 } else { temperature },
            top_k: self.top_k.map(|k| k as usize),
            top_p: top_p(self.top_p)?.unwrap_or(1.0),
            repetition_penalty,
            max_new_tokens: self.max_new_tokens as usize,
            rollouts,
            seed,
        })
    }
}

pub fn run(args: &GenerateArgs, context: &Context<'_>) -> Result<Outcome> {
    let sampling = args.sampling(context.seed.unwrap_or(0))?;
    paths::file("--prompts", &args.prompts)?;
    let rows = prompts::read(&args.prompts)?;
    paths::writable("--out", &args.out)?;
    let model = args.model.find(context)?;
    let steered = args.steer.resolve(&model, context.console)?;
    let runtime = context.runtime(&model.folder.path)?;
    let identity =
        Hash::of(&(&sampling, &steered.described, model.identity()?, hash_file(&args.prompts)?, runtime.device()));

    let (rollouts, size) = (sampling.rollouts, (CHUNK / sampling.rollouts).max(1));
    let mut finished = Ledger::beside(&args.out, &identity)?;
    finished.damage().into_iter().for_each(|damage| context.console.warn(damage));
    let there = (finished.chunks() * size).min(rows.len());
    if there > 0 {
        context.console.say(&format!("going on: {there} of {} prompts are answered", rows.len()));
    }
    if there < rows.len() {
        let mut model = runtime.language_model(&model.steered(steered.plan.clone()))?;
        for row in &rows[there..] {
            let ids = row.ask.prompt.ids(model.tokenizer());
            ids.map_err(|e| e.at(format_args!("{}:{}: prompt `{}`", args.prompts.display(), row.line, row.ask.id)))?;
        }
        let mut bar = context.console.bar("answers", rows.len() * rollouts);
        finished.work(rows.iter().map(Ok), size, &mut |before, chunk| {
            let asks: Vec<_> = chunk.iter().map(|row| row.ask.clone()).collect();
            let answers = model.generate(&asks, &sampling, &mut |n| bar.at(before * rollouts + n, ""))?;
            let (given, due) = (answers.len(), asks.len() * rollouts);
            ensure!(given == due, "the model gave {given} answers where {due} were asked for");
            let row = |(i, answer): (usize, Answer)| output_row(chunk[i / rollouts], answer, &steered);
            Ok(answers.into_iter().enumerate().map(row).collect())
        })?;
    }
    let answers: Vec<OutputRow> = finished.rows()?.collect::<Result<_>>()?;
    write_jsonl(&args.out, &answers)?;
    finished.remove()?;
    let stopped = answers.iter().filter(|row| row.finish_reason == FinishReason::Stop).count();
    let tokens: usize = answers.iter().map(|row| row.token_ids.len()).sum();
    let text = format!(
        "{} answers to {} prompts, {stopped} ended by themselves, {tokens} tokens: {}",
        answers.len(),
        rows.len(),
        args.out.display()
    );
    let json = json!({ "out": args.out, "prompts": rows.len(), "answers": answers.len(), "stopped": stopped, "tokens": tokens, "sampling": sampling, "steering": steered.described });
    Ok(Outcome::new(text, json))
}

fn output_row(row: &PromptRow, answer: Answer, steered: &DescribedPlan) -> OutputRow {
    let Answer { id, rollout, prompt_ids, token_ids, text, finish_reason, .. } = answer;
    let steering = steered.applied(&answer.steered);
    assert_eq!(id, row.ask.id, "answers in the order of the asks");
    let (id, messages) = (row.id.clone(), json!(row.messages));
    OutputRow { id, rollout, messages, prompt_ids, token_ids, text, finish_reason, steering }
}
