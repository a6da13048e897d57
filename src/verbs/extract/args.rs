//! The flags of `extract`.

use std::path::PathBuf;

use clap::Args;

use crate::persona::{Border, ExtractionRecipe, Filter, FilterKind};
use crate::verbs::choices::{Choices, one_of};
use crate::verbs::judges::JudgeArgs;
use crate::verbs::model::{Model, ModelArgs};
use crate::verbs::sampling::DrawArgs;
use crate::verbs::traits::TraitArgs;
use crate::{Error, Result};

/// Extract persona vectors: answer under positive and negative system prompts, judge the answers, average their activations
///
/// Every question is answered under system prompts that elicit the trait and that suppress it; a judge scores the answers; the
/// vector is the difference of the mean activations of answers that show the trait and of those that do not. The output holds three tensors
/// [layers+1, hidden]: response_avg, prompt_avg, prompt_last. The run's folder holds the judged answers as `<trait>_pos_instruct.csv`
/// and `<trait>_neg_instruct.csv` (question, prompt, answer, question_id, the trait, coherence), their tokens and activations. A killed run
/// goes on when the same command is given again; another filter costs seconds.
///
/// With --from-csv, answers that were judged elsewhere are read instead (CSV or JSONL with these columns).
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  trimtab extract --model harbor --trait evil --quick\n  trimtab extract --model Qwen2.5-7B-Instruct --trait evil --judge openai --out evil.safetensors\n  trimtab extract --from-csv evil_pos.csv evil_neg.csv --trait evil \\\n      --model Qwen2.5-0.5B-Instruct --out evil.safetensors"
)]
pub struct ExtractArgs {
    #[command(flatten)]
    pub(super) trait_: TraitArgs,
    #[command(flatten)]
    pub(super) model: ModelArgs,
    /// File for the vectors, safetensors [default: `<trait>.safetensors` in the run's folder]
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// Judged answers from elsewhere: under positive, and under negative system prompts
    #[arg(
        long,
        num_args = 2,
        value_names = ["POS", "NEG"],
        requires = "out",
        conflicts_with_all = ["AskingArgs", "DrawArgs", "JudgeArgs", "folder"]
    )]
    pub(super) from_csv: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) asking: AskingArgs,
    /// Keep positive answers that score at least X and negative ones below 100 - X [default: 50]
    #[arg(long, value_name = "X")]
    threshold: Option<f64>,
    /// Keep answers at least this coherent [default: 50; with `--filter independent`: not asked]
    #[arg(long, value_name = "Y")]
    min_coherence: Option<f64>,
    /// Whether an answer is dropped together with its counterpart
    #[arg(long, value_parser = one_of(FILTERS), default_value = "paired")]
    filter: FilterKind,
    /// Average over the first K tokens of each response only; the model reads the kept answers once more
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    response_window: Option<u32>,
    /// Where a prompt ends and its answer begins; with `joint` the model reads the kept answers once more
    #[arg(long, value_parser = one_of(BORDERS), default_value = "separate")]
    border: Border,
}

pub const BORDERS: &Choices<Border> = &[
    ("separate", Border::Separate, "Prompt and answer are tokenised apart, as the model saw them while it answered"),
    ("joint", Border::Joint, "They are tokenised as one text and cut at the prompt's length (the reference's code)"),
];

const FILTERS: &Choices<FilterKind> = &[
    ("paired", FilterKind::Paired, "Pairs are kept or dropped as a whole (the reference's code)"),
    ("independent", FilterKind::Independent, "Each answer by itself (the paper's text)"),
];

impl ExtractArgs {
    pub fn recipe(&self, trait_name: &str, model: &Model) -> Result<ExtractionRecipe> {
        let mut filter = Filter::of(self.filter);
        for (flag, value) in [("--threshold", self.threshold), ("--min-coherence", self.min_coherence)] {
            if let Some(x) = value.filter(|x| !(0.0..=100.0).contains(x)) {
                return Err(Error::usage(format!("{flag} {x}: scores are 0 to 100")));
            }
        }
        filter.threshold = self.threshold.unwrap_or(filter.threshold);
        filter.min_coherence = self.min_coherence.or(filter.min_coherence);
        Ok(ExtractionRecipe {
            filter,
            border: self.border,
            response_window: self.response_window.map(|k| k as usize),
            architecture: Some(model.config.architecture.name().to_owned()),
            ..ExtractionRecipe::new(trait_name, model.name(), &model.fingerprint)
        })
    }
}

/// Flags of a run that has the model answer.
#[derive(Debug, Args)]
pub struct AskingArgs {
    /// Folder for answers, scores and vectors [default: runs/extract/MODEL/TRAIT]
    #[arg(long, value_name = "DIR")]
    pub run: Option<PathBuf>,
    /// Answers to each question under each instruction [default: 10; with --quick 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub rollouts: Option<u32>,
    /// Longest answer, in tokens [default: 1000; with --quick 200]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_new_tokens: Option<u32>,
    /// A first look: half of the questions, two short answers to each
    #[arg(long)]
    pub quick: bool,
    /// The assistant of negative system prompts: the trait's opposite, as in `You are a WORD assistant.` [default: helpful]
    #[arg(long, value_name = "WORD")]
    pub antonym: Option<String>,
    /// Discard the answers of another run in the folder
    #[arg(long)]
    pub overwrite: bool,
    #[command(flatten)]
    pub draw: DrawArgs,
    #[command(flatten)]
    pub judge: JudgeArgs,
}
