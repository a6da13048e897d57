//! `extract`: persona vectors from judged answers.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::model::ModelFolder;
use super::{Context, Outcome, paths};
use crate::persona::{self, Border, Filter, FilterKind, Recipe, read_rows};
use crate::record::hash_file;
use crate::steering::Plan;
use crate::study::SubjectSpec;
use crate::vector::Layer;
use crate::{Error, Result};

/// Make persona vectors from judged answers
///
/// The two files hold answers under system prompts that call the trait up and that ward it off, with the columns
/// question,prompt,answer,question_id,<trait>,coherence (CSV or JSONL). The output holds three tensors [layers+1, hidden]:
/// response_avg, prompt_avg, prompt_last.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  trimtab extract --from-csv evil_pos.csv evil_neg.csv --trait evil \\\n      --model Qwen2.5-0.5B-Instruct --out evil.safetensors"
)]
pub struct ExtractArgs {
    /// Judged answers: with the trait called up, and with it warded off
    #[arg(long, num_args = 2, value_names = ["POS", "NEG"], required = true)]
    from_csv: Vec<PathBuf>,
    /// The trait: names the score's column
    #[arg(long = "trait", value_name = "NAME")]
    trait_name: String,
    /// The model: a folder in Hugging Face's layout, a hub name (`owner/name`, `owner/name@revision`), or `harbor`
    #[arg(long, value_name = "MODEL")]
    model: PathBuf,
    /// File for the vectors, safetensors
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Folder of a PEFT adapter that the model wears
    #[arg(long, value_name = "DIR")]
    adapter: Option<PathBuf>,
    /// Keep positive answers that score at least X and negative ones below 100 - X [default: 50]
    #[arg(long, value_name = "X")]
    threshold: Option<f64>,
    /// Keep answers at least this coherent [default: 50; with `--filter independent`: not asked]
    #[arg(long, value_name = "Y")]
    min_coherence: Option<f64>,
    /// Whether an answer falls together with its counterpart
    #[arg(long, value_enum, default_value_t)]
    filter: FilterArg,
    /// Where a prompt ends and its answer begins
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

/// Extracts.
///
/// # Errors
/// Malformed rows, a filter that leaves nothing, a model that cannot be read, a place that cannot be written.
pub fn run(args: &ExtractArgs, context: &Context<'_>) -> Result<Outcome> {
    let ExtractArgs { from_csv, trait_name, model, out, adapter, threshold, min_coherence, filter, border } = args;
    let mut filter = Filter::of(match filter {
        FilterArg::Paired => FilterKind::Paired,
        FilterArg::Independent => FilterKind::Independent,
    });
    for (flag, value) in [("--threshold", threshold), ("--min-coherence", min_coherence)] {
        if let Some(x) = value.filter(|x| !(0.0..=100.0).contains(x)) {
            return Err(Error::usage(format!("{flag} {x}: scores are 0 to 100")));
        }
    }
    filter.threshold = threshold.unwrap_or(filter.threshold);
    filter.min_coherence = min_coherence.or(filter.min_coherence);
    from_csv.iter().try_for_each(|path| paths::file("--from-csv", path))?;
    paths::writable("--out", out)?;
    let (pos, neg) = (read_rows(&from_csv[0], trait_name)?, read_rows(&from_csv[1], trait_name)?);
    let model = ModelFolder::find(model, context)?;
    let mut recipe = Recipe::new(trait_name, &model.name, model.fingerprint()?.as_str());
    recipe.filter = filter;
    recipe.border = (*border).into();

    let spec = SubjectSpec { model: model.path.clone(), adapter: adapter.clone(), plan: Plan::none() };
    let mut subject = context.lab()?.subject(&spec)?;
    let mut bar = None;
    let mut extraction = persona::extract(subject.as_mut(), &pos, &neg, &recipe, &mut |done, total| {
        bar.get_or_insert_with(|| context.console.bar("texts", total)).at(done, "");
    })?;
    drop(bar);
    if let Some(dir) = adapter {
        let hash = hash_file(&dir.join("adapter_model.safetensors"))?;
        extraction.file.metadata.insert("adapter".into(), format!("{} ({})", dir.display(), hash.short()));
    }
    extraction.file.write(out)?;
    extraction.diagnosis.warnings.iter().for_each(|warning| context.console.warn(warning));
    let vector = &extraction.file.response_avg;
    let (largest, norm) = (1..=vector.layers())
        .map(|l| (l, vector.norm(Layer(l))))
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .unwrap_or((0, 0.0));
    let text = format!(
        "{}\n{} layers, width {}; the longest is layer {largest} with norm {norm:.4}: {}",
        extraction.diagnosis,
        vector.layers(),
        vector.hidden(),
        out.display()
    );
    let json = json!({
        "out": out,
        "trait": trait_name,
        "layers": vector.layers(),
        "hidden": vector.hidden(),
        "diagnosis": extraction.diagnosis,
        "fingerprint": extraction.file.fingerprint,
        "metadata": extraction.file.metadata,
    });
    Ok(Outcome::new(text, json))
}
