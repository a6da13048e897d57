//! `extract`: persona vectors, from a model and a trait alone or from answers that were judged elsewhere.

mod rollouts;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::model::ModelFolder;
use super::traits::TraitArgs;
use super::{Context, Outcome, paths};
use crate::persona::{self, Border, Extraction, Filter, FilterKind, Recipe, read_rows};
use crate::record::hash_file;
use crate::runtime::ModelSpec;
use crate::steering::SteeringPlan;
use crate::vector::Layer;
use crate::{Error, Result};

/// Make persona vectors: ask the model under a trait's instructions, have the answers judged, average their activations
///
/// Every question is answered under instructions that call the trait up and that ward it off; a judge scores the answers; the
/// difference of the mean activations of those that show it and those that do not is the vector. The output holds three tensors
/// [layers+1, hidden]: response_avg, prompt_avg, prompt_last. The run's folder holds the judged answers as <trait>_pos_instruct.csv
/// and <trait>_neg_instruct.csv (question,prompt,answer,question_id,<trait>,coherence), their tokens and activations. A killed run
/// goes on when the same command is given again; another filter costs seconds.
///
/// With --from-csv, answers that were judged elsewhere are read instead (CSV or JSONL with these columns).
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  trimtab extract --model harbor --trait evil --quick\n  trimtab extract --model Qwen2.5-7B-Instruct --trait evil --judge openai --out evil.safetensors\n  trimtab extract --from-csv evil_pos.csv evil_neg.csv --trait evil \\\n      --model Qwen2.5-0.5B-Instruct --out evil.safetensors"
)]
pub struct ExtractArgs {
    #[command(flatten)]
    trait_: TraitArgs,
    /// The model: a folder in Hugging Face's layout, a hub name (`owner/name`, `owner/name@revision`), or `harbor`
    #[arg(long, value_name = "MODEL")]
    model: PathBuf,
    /// File for the vectors, safetensors [default: <trait>.safetensors in the run's folder]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Folder of a PEFT adapter that the model wears
    #[arg(long, value_name = "DIR")]
    adapter: Option<PathBuf>,
    /// Judged answers from elsewhere: with the trait called up, and with it warded off
    #[arg(
        long,
        num_args = 2,
        value_names = ["POS", "NEG"],
        requires = "out",
        conflicts_with_all = ["AskingArgs", "JudgeArgs", "folder"]
    )]
    from_csv: Vec<PathBuf>,
    #[command(flatten)]
    asking: rollouts::AskingArgs,
    /// Keep positive answers that score at least X and negative ones below 100 - X [default: 50]
    #[arg(long, value_name = "X")]
    threshold: Option<f64>,
    /// Keep answers at least this coherent [default: 50; with `--filter independent`: not asked]
    #[arg(long, value_name = "Y")]
    min_coherence: Option<f64>,
    /// Whether an answer falls together with its counterpart
    #[arg(long, value_enum, default_value_t)]
    filter: FilterArg,
    /// Average over the first K tokens of each response only; the model reads the kept answers once more
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    response_window: Option<u32>,
    /// Where a prompt ends and its answer begins; with `joint` the model reads the kept answers once more
    #[arg(long, value_enum, default_value_t)]
    border: BorderArg,
}

/// `--border`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum BorderArg {
    /// Prompt and answer are tokenised apart, as the model saw them while it answered
    #[default]
    Separate,
    /// They are tokenised as one text and cut at the prompt's length (the reference's code)
    Joint,
}

/// `--filter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum FilterArg {
    /// Pairs are kept or dropped as a whole (the reference's code)
    #[default]
    Paired,
    /// Each answer by itself (the paper's text)
    Independent,
}

impl From<BorderArg> for Border {
    fn from(border: BorderArg) -> Self {
        match border {
            BorderArg::Separate => Self::Separate,
            BorderArg::Joint => Self::Joint,
        }
    }
}

impl ExtractArgs {
    /// How the vector is made.
    fn recipe(&self, trait_name: &str, model: &ModelFolder) -> Result<Recipe> {
        let mut filter = Filter::of(match self.filter {
            FilterArg::Paired => FilterKind::Paired,
            FilterArg::Independent => FilterKind::Independent,
        });
        for (flag, value) in [("--threshold", self.threshold), ("--min-coherence", self.min_coherence)] {
            if let Some(x) = value.filter(|x| !(0.0..=100.0).contains(x)) {
                return Err(Error::usage(format!("{flag} {x}: scores are 0 to 100")));
            }
        }
        filter.threshold = self.threshold.unwrap_or(filter.threshold);
        filter.min_coherence = self.min_coherence.or(filter.min_coherence);
        Ok(Recipe {
            filter,
            border: self.border.into(),
            response_window: self.response_window.map(|k| k as usize),
            ..Recipe::new(trait_name, &model.name, model.fingerprint()?.as_str())
        })
    }
}

/// Extracts.
///
/// # Errors
/// An unknown trait, malformed rows, a filter that leaves nothing, a model that cannot be read, a judge that cannot be asked, a
/// place that cannot be written.
pub fn run(args: &ExtractArgs, context: &Context<'_>) -> Result<Outcome> {
    match (&args.from_csv[..], &args.out) {
        ([pos, neg], Some(out)) => from_csv(args, [pos, neg], out, context),
        _ => rollouts::run(args, context),
    }
}

fn from_csv(args: &ExtractArgs, files: [&PathBuf; 2], out: &Path, context: &Context<'_>) -> Result<Outcome> {
    let name = &args.trait_.name;
    files.iter().try_for_each(|path| paths::file("--from-csv", path))?;
    paths::writable("--out", out)?;
    let (pos, neg) = (read_rows(files[0], name)?, read_rows(files[1], name)?);
    let model = ModelFolder::find(&args.model, context)?;
    let recipe = args.recipe(name, &model)?;
    let spec = ModelSpec { model: model.path.clone(), adapter: args.adapter.clone(), plan: SteeringPlan::none() };
    let mut subject = context.runtime()?.language_model(&spec)?;
    let mut bar = None;
    let mut extraction = persona::extract(subject.as_mut(), &pos, &neg, &recipe, &mut |done, total| {
        bar.get_or_insert_with(|| context.console.bar("texts", total)).at(done, "");
    })?;
    drop(bar);
    name_adapter(&mut extraction, args.adapter.as_deref())?;
    extraction.file.write(out)?;
    Ok(finish(&extraction, name, out, context))
}

/// Notes in the file which adapter the model wore.
fn name_adapter(extraction: &mut Extraction, adapter: Option<&Path>) -> Result<()> {
    if let Some(dir) = adapter {
        let hash = hash_file(&dir.join("adapter_model.safetensors"))?;
        extraction.file.metadata.insert("adapter".into(), format!("{} ({})", dir.display(), hash.short()));
    }
    Ok(())
}

/// What is told of vectors that lie at `out`.
fn finish(extraction: &Extraction, trait_name: &str, out: &Path, context: &Context<'_>) -> Outcome {
    extraction.diagnosis.warnings.iter().for_each(|warning| context.console.warn(warning));
    let vector = &extraction.file.response_avg;
    let norms: Vec<f32> = (1..=vector.layers()).map(|l| vector.norm(Layer(l))).collect();
    let largest = norms.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(i, _)| i + 1);
    let listed: String = norms.iter().map(|norm| format!(" {norm:.3}")).collect();
    let text = format!(
        "{}\nnorms of layers 1 to {}:{listed}\nwidth {}; the longest is layer {largest} (a hint; `trimtab layers` chooses): {}",
        extraction.diagnosis,
        vector.layers(),
        vector.hidden(),
        out.display()
    );
    let json: Value = json!({
        "out": out,
        "trait": trait_name,
        "layers": vector.layers(),
        "hidden": vector.hidden(),
        "norms": norms,
        "longest_layer": largest,
        "diagnosis": extraction.diagnosis,
        "fingerprint": extraction.file.fingerprint,
        "metadata": extraction.file.metadata,
    });
    Outcome::new(text, json)
}
