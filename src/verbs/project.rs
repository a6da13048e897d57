//! `project`: projections of finished texts onto persona vectors.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::choices::{Choices, one_of};
use super::extract::BORDERS;
use super::model::ModelArgs;
use super::run::{Progress, warn_of_bad_rows};
use super::{Context, Outcome, paths};
use crate::persona::{Border, Metric, Probe, ProjectRules, project_file};
use crate::record::Hash;
use crate::vector::{Layers, VectorFile};
use crate::{Error, Result};

/// Project texts onto persona vectors
///
/// Reads CSV (`prompt`, `answer`) or JSONL (`messages`, `prompt` with `answer`, or what `generate` wrote) and writes the
/// same rows, whatever else they hold, with a column `<model>_<vector>_<metric>_layer<L>` for every vector, metric and layer, in
/// one pass. Files may be of any length; the same command resumes a run that was killed.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  trimtab project --model Qwen2.5-0.5B-Instruct --vectors evil.safetensors --layer 20 \\\n      --metric proj --in answers.jsonl --out projected.jsonl"
)]
pub struct ProjectArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// Files of persona vectors
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    vectors: Vec<PathBuf>,
    /// Layers: 20, 12,16 or all
    #[arg(long, value_name = "L")]
    layer: Layers,
    /// What is measured
    #[arg(long, value_parser = one_of(METRICS), value_delimiter = ',', default_value = "proj")]
    metric: Vec<Metric>,
    /// CSV or JSONL of texts
    #[arg(long = "in", value_name = "FILE")]
    input: PathBuf,
    /// The same with further columns [default: IN.projected.csv or .jsonl beside the input]
    #[arg(long, value_name = "FILE", conflicts_with = "in_place")]
    out: Option<PathBuf>,
    /// Put the columns into the input file itself
    #[arg(long)]
    in_place: bool,
    /// Where a prompt ends and its answer begins
    #[arg(long, value_parser = one_of(BORDERS), default_value = "separate")]
    border: Border,
    /// Measure again what the file holds already
    #[arg(long)]
    overwrite: bool,
}

const METRICS: &Choices<Metric> = &[
    ("proj", Metric::Proj, "Projection of the response's mean activation onto the vector"),
    ("prompt_last_proj", Metric::PromptLast, "Projection of the prompt's last token"),
    ("cos_sim", Metric::Cosine, "Cosine between the response's mean activation and the vector"),
];

pub fn run(args: &ProjectArgs, context: &Context<'_>) -> Result<Outcome> {
    let ProjectArgs { model, vectors, layer, metric, input, out, in_place, border, overwrite } = args;
    paths::file("--in", input)?;
    let out = &match out {
        _ if *in_place => input.clone(),
        Some(out) => out.clone(),
        None => sidecar(input),
    };
    paths::writable("--out", out)?;
    let model = model.find(context)?;
    let read = |path: &PathBuf| Ok((path.clone(), model.vectors(path, context.console)?));
    let read: Vec<(PathBuf, VectorFile)> = vectors.iter().map(read).collect::<Result<_>>()?;
    let probes = probes(&read, layer, metric, model.name())?;
    let runtime = context.runtime(&model.folder.path)?;
    let identity = Hash::of(&(model.identity()?, runtime.device()));
    let mut subject = runtime.language_model(&model.unsteered())?;
    let rules = ProjectRules { overwrite: *overwrite, border: *border, ..ProjectRules::new(identity) };
    let mut progress = Progress::new(context.console);
    let projected = project_file(subject.as_mut(), (input, out), &probes, &rules, &mut |done, total| {
        progress.show("texts", done, total, "");
    })?;
    drop(progress);
    projected.damage.iter().for_each(|damage| context.console.warn(damage));
    if projected.resumed > 0 {
        context.console.say(&format!("resumed: {} rows were measured before", projected.resumed));
    }
    warn_of_bad_rows(&projected.bad, context.console);
    let columns: Vec<&str> = probes.iter().map(|probe| probe.column.as_str()).collect();
    let mut text = format!("{} of {} rows measured: {}", projected.measured, projected.rows, out.display());
    columns.iter().for_each(|column| text += &format!("\n  {column}"));
    if !projected.skipped.is_empty() {
        let skipped = projected.skipped.join(", ");
        context.console.say(&format!("left as they were: {skipped} (measure again with --overwrite)"));
    }
    let json = json!({ "out": out, "rows": projected.rows, "measured": projected.measured, "columns": columns, "skipped": projected.skipped,
        "bad": projected.bad.named, "bad_rows": projected.bad.count });
    Ok(Outcome::new(text, json))
}

/// A column for every vector, metric and layer.
fn probes(vectors: &[(PathBuf, VectorFile)], layers: &Layers, metrics: &[Metric], model: &str) -> Result<Vec<Probe>> {
    let mut probes: Vec<Probe> = Vec::new();
    for (path, file) in vectors {
        let layers: Vec<usize> = layers.of(file.response_avg.layers())?.iter().map(|layer| layer.row()).collect();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        for &metric in metrics {
            probes.extend(Probe::of_file(model, &stem, file, &layers, metric)?);
        }
    }
    let names = probes.iter().map(|probe| &probe.column);
    if let Some(twice) = names.enumerate().find(|(i, name)| probes[..*i].iter().any(|probe| probe.column == **name)) {
        return Err(Error::usage(format!("two vectors give the column `{}`", twice.1)).hint("rename one of the files"));
    }
    Ok(probes)
}

/// `answers.projected.jsonl` beside `answers.jsonl`.
fn sidecar(input: &Path) -> PathBuf {
    let part = |part: Option<&OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    input.with_file_name(format!("{}.projected.{}", part(input.file_stem()), part(input.extension())))
}
