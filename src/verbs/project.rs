//! `project`: how far finished texts lie along persona vectors.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::json;

use super::extract::BorderArg;
use super::model::ModelFolder;
use super::steer::Layers;
use super::{Context, Outcome, paths};
use crate::persona::{Metric, Probe, ProjectRules, project_file};
use crate::record::{Hash, Malformed, hash_file};
use crate::runtime::ModelSpec;
use crate::steering::SteeringPlan;
use crate::vector::VectorFile;
use crate::{Error, Result};

/// Measure how far texts lie along persona vectors
///
/// Reads CSV (`prompt`, `answer`) or JSONL (`messages`, `prompt` with `answer`, or what `generate` wrote) and writes the
/// same rows, whatever else they hold, with a column `<model>_<vector>_<metric>_layer<L>` for every vector, metric and layer, in
/// one pass. Files of any length will do; a run that was killed goes on when the same command is given again.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  trimtab project --model Qwen2.5-0.5B-Instruct --vectors evil.safetensors --layer 20 \\\n      --metric proj --in answers.jsonl --out projected.jsonl"
)]
pub struct ProjectArgs {
    /// The model: a folder in Hugging Face's layout, a hub name (`owner/name`, `owner/name@revision`), or `harbor`
    #[arg(long, value_name = "MODEL")]
    model: PathBuf,
    /// Files of persona vectors
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    vectors: Vec<PathBuf>,
    /// Layers: 20, 12,16 or all
    #[arg(long, value_name = "L")]
    layer: Layers,
    /// What is measured
    #[arg(long, value_enum, value_delimiter = ',', default_value = "proj")]
    metric: Vec<MetricArg>,
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
    #[arg(long, value_enum, default_value_t)]
    border: BorderArg,
    /// Measure again what the file holds already
    #[arg(long)]
    overwrite: bool,
    /// Folder of a PEFT adapter that the model wears
    #[arg(long, value_name = "DIR")]
    adapter: Option<PathBuf>,
}

/// `--metric`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum MetricArg {
    /// Signed length of the response's mean along the vector
    Proj,
    /// The same of the prompt's last token
    PromptLastProj,
    /// Cosine between the response's mean and the vector
    CosSim,
}

/// Projects.
///
/// # Errors
/// Texts that cannot be measured at all, vectors of another model, a place that cannot be written.
pub fn run(args: &ProjectArgs, context: &Context<'_>) -> Result<Outcome> {
    let ProjectArgs { model, vectors, layer, metric, input, out, in_place, border, overwrite, adapter } = args;
    paths::file("--in", input)?;
    let out = &match out {
        _ if *in_place => input.clone(),
        Some(out) => out.clone(),
        None => sidecar(input),
    };
    paths::writable("--out", out)?;
    let model = ModelFolder::find(model, context)?;
    let fingerprint = model.fingerprint()?;
    let spec = ModelSpec { model: model.path.clone(), adapter: adapter.clone(), plan: SteeringPlan::none() };
    let mut read = Vec::new();
    for path in vectors {
        paths::file("--vectors", path)?;
        let (file, warnings) = VectorFile::read(path)?;
        warnings.iter().for_each(|warning| context.console.warn(warning));
        read.push((path, file));
    }
    let runtime = context.runtime()?;
    let worn = adapter.as_ref().map(|dir| hash_file(&dir.join("adapter_model.safetensors"))).transpose()?;
    let identity = Hash::of(&(&fingerprint, worn, runtime.device()));
    let mut subject = runtime.language_model(&spec)?;
    let (layers, hidden) = subject.shape();
    let mut probes: Vec<Probe> = Vec::new();
    for (path, file) in &read {
        let other = file.check(layers, hidden, fingerprint.as_str()).map_err(|e| e.at(path.display()))?;
        other.iter().for_each(|warning| context.console.warn(warning));
        let numbers = layer
            .numbers(layers)?
            .map_or((1..=layers).collect(), |some| some.iter().map(|l| l.row()).collect::<Vec<_>>());
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        for metric in metric {
            let metric = match metric {
                MetricArg::Proj => Metric::Proj,
                MetricArg::PromptLastProj => Metric::PromptLast,
                MetricArg::CosSim => Metric::Cosine,
            };
            for probe in Probe::of_file(&model.name, &stem, file, &numbers, metric)? {
                if probes.iter().any(|other| other.column == probe.column) {
                    return Err(Error::usage(format!("two vectors give the column `{}`", probe.column))
                        .hint("rename one of the files"));
                }
                probes.push(probe);
            }
        }
    }
    let rules = ProjectRules { overwrite: *overwrite, border: (*border).into(), ..ProjectRules::new(identity) };
    let mut bar = None;
    let projected = project_file(subject.as_mut(), (input, out), &probes, &rules, &mut |done, total| {
        bar.get_or_insert_with(|| context.console.bar("texts", total)).at(done, "");
    })?;
    drop(bar);
    if projected.resumed > 0 {
        context.console.say(&format!("went on: {} rows were measured before", projected.resumed));
    }
    warn_of(&projected.bad, context);
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

/// Rows that could not be used, the first of them by name.
pub(super) fn warn_of(bad: &Malformed, context: &Context<'_>) {
    bad.named.iter().for_each(|bad| context.console.warn(bad));
    let more = bad.count - bad.named.len();
    if more > 0 {
        context.console.warn(&format!("and {more} more rows could not be used"));
    }
}

/// `answers.projected.jsonl` beside `answers.jsonl`.
fn sidecar(input: &Path) -> PathBuf {
    let part = |part: Option<&OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    input.with_file_name(format!("{}.projected.{}", part(input.file_stem()), part(input.extension())))
}
