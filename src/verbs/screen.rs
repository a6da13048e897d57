//! `screen`: the projection difference of training samples, and a filter by it.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::choices::{Choices as Offered, one_of};
use super::judges::{self, JudgeArgs};
use super::probe::{ProbeArgs, ProbeSettings, judge_identity};
use super::run::{Progress, open_run, warn_of_damage};
use super::traits::TraitArgs;
use super::{Context, Outcome, paths};
use crate::judge::{Judge, JudgeSource, Rubric};
use crate::persona::screen::{Against, Choices, Label, ScreenRules, Source, Summary, screen};
use crate::record::Hash;
use crate::report::settings_of;
use crate::{Error, Result};

/// Screen training data: rank samples by their projection difference along a persona vector, and filter them
///
/// A sample's projection difference is how much further its answer lies along the persona vector than the model's own greedy answer
/// to the same prompt. Samples above a threshold are dropped: --threshold, or the 95th percentile of --reference, a file of normal
/// conversations. With --llm-filter a judge's trait expression score decides too, and a sample is dropped by either. Conversations come as JSONL
/// (messages, prompt with completion, or conversations); files of any size will do. The run's folder holds scores.csv and
/// scores.jsonl, kept.jsonl and dropped.jsonl with the rows as they were, histograms and report.html. A killed run goes on when
/// the same command is given again; other thresholds, layers and traits need no new answers.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  trimtab screen data.jsonl --model harbor --trait evil --vectors evil.safetensors --layer 3 --approx last-prompt --top 50\n  trimtab screen data.jsonl --model Qwen2.5-7B-Instruct --trait evil --vectors evil.safetensors --layer 20 \\\n      --reference ultrachat.jsonl --reference-sample 20000 --llm-filter --judge openai"
)]
pub struct ScreenArgs {
    /// JSONL of conversations
    #[arg(value_name = "DATA")]
    data: PathBuf,
    #[command(flatten)]
    probe: ProbeArgs,
    #[command(flatten)]
    trait_: TraitArgs,
    /// Folder for the run [default: runs/screen/MODEL/TRAIT/DATA]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Compare with something cheaper than the model's own answers
    #[arg(long, value_parser = one_of(APPROXIMATIONS))]
    approx: Option<Against>,
    /// Longest own answer, in tokens [default: 1000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "approx")]
    max_new_tokens: Option<u32>,
    /// Screen N rows drawn at random, for an estimate of the whole; nothing is filtered then
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    sample: Option<u32>,
    /// Keep only the first question and answer of each conversation
    #[arg(long)]
    first_turn: bool,
    /// Leave rows out whose prompt is longer, in tokens [default: as long as the model reads; the paper has 512]
    #[arg(long, value_name = "N")]
    max_prompt_tokens: Option<usize>,
    /// The row's key that says whether it has the trait (true, 1 or yes), or KEY=VALUE
    #[arg(long, value_name = "KEY[=VALUE]")]
    label: Option<String>,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    judge: JudgeArgs,
}

/// What is kept and what is written.
#[derive(Debug, Args)]
#[command(next_help_heading = "Filter")]
struct FilterArgs {
    /// JSONL of normal conversations, from which thresholds are taken
    #[arg(long, value_name = "FILE")]
    reference: Option<PathBuf>,
    /// Draw N rows of the reference at random [default: all]
    #[arg(long, value_name = "N", requires = "reference", value_parser = clap::value_parser!(u32).range(1..))]
    reference_sample: Option<u32>,
    /// The percentile of the reference's scores above which a row is dropped
    #[arg(long, value_name = "P", default_value_t = 95.0)]
    percentile: f64,
    /// Drop rows whose difference is above X, whatever the reference says
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    threshold: Option<f64>,
    /// Also drop rows by a judge's trait expression score
    #[arg(long)]
    llm_filter: bool,
    /// Drop rows whose trait expression score is above X, whatever the reference says
    #[arg(long, value_name = "X", requires = "llm_filter")]
    llm_threshold: Option<f64>,
    /// A threshold on trait scores taken from the reference is at least X; 0 is the paper's way
    #[arg(long, value_name = "X", requires = "llm_filter", default_value_t = 1.0)]
    llm_floor: f64,
    /// Write the N strongest rows into top.jsonl, strongest first
    #[arg(long, value_name = "N", default_value_t = 0)]
    top: usize,
    /// Write the N weakest rows into bottom.jsonl, weakest first
    #[arg(long, value_name = "N", default_value_t = 0)]
    bottom: usize,
    /// Write N rows drawn at random into random.jsonl
    #[arg(long, value_name = "N", default_value_t = 0)]
    random: usize,
    /// Take these among the kept rows only
    #[arg(long)]
    of_kept: bool,
    /// Show the N strongest rows on the page
    #[arg(long, value_name = "N", default_value_t = 20)]
    show: usize,
}

const APPROXIMATIONS: &Offered<Against> =
    &[("last-prompt", Against::LastPrompt, "The state at the prompt's last token: no answers are made")];

#[derive(Debug, Serialize)]
struct Settings {
    #[serde(rename = "trait")]
    trait_name: String,
    data: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    against: Against,
    first_turn: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_prompt_tokens: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sample: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    choices: Choices,
    subject: ProbeSettings,
    #[serde(skip_serializing_if = "Option::is_none")]
    judge: Option<JudgeSource>,
}

pub fn run(args: &ScreenArgs, context: &Context<'_>) -> Result<Outcome> {
    let choices = args.filter.choices()?;
    paths::file("DATA", &args.data)?;
    args.filter.reference.as_ref().map_or(Ok(()), |path| paths::file("--reference", path))?;
    let trait_ = args.trait_.find(&args.probe.model.model, context)?;
    let asked = Rubric::Trait(trait_.name.clone());
    let judge = choices.llm.then(|| args.judge.resolve(args.probe.model.is_harbor(), &asked, context)).transpose()?;
    let probed = args.probe.resolve(context)?;
    let seed = context.seed.unwrap_or(0);
    let data = Source::open(&args.data, args.sample.map(|n| n as usize), seed)?;
    let sample = args.filter.reference_sample.map(|n| n as usize);
    let reference = args.filter.reference.as_ref().map(|path| Source::open(path, sample, seed)).transpose()?;
    let own = Against::OwnAnswer { max_new_tokens: args.max_new_tokens.unwrap_or(1000) as usize };
    let against = args.approx.unwrap_or(own);
    let rules = ScreenRules {
        trait_name: trait_.name.clone(),
        probe: probed.probe.clone(),
        against,
        first_turn: args.first_turn,
        prompt_tokens_max: args.max_prompt_tokens,
        context: probed.model.config.max_position_embeddings,
        label: args.label.as_deref().map(label),
        seed,
        subject: probed.identity.clone(),
        judge: judge
            .as_ref()
            .map(|source| judge_identity(source, &trait_))
            .transpose()?
            .unwrap_or_else(|| Hash::of("nobody")),
    };
    let settings = Settings {
        trait_name: trait_.name.clone(),
        data: args.data.display().to_string(),
        reference: args.filter.reference.as_ref().map(|path| path.display().to_string()),
        against,
        first_turn: args.first_turn,
        max_prompt_tokens: args.max_prompt_tokens,
        sample: args.sample,
        label: args.label.clone(),
        choices: choices.clone(),
        subject: probed.settings.clone(),
        judge: judge.clone(),
    };
    let name = Path::new(&trait_.name).join(args.data.file_stem().unwrap_or_default());
    let run = open_run(args.out.as_ref(), "screen", probed.model.name(), name)?;
    run.write_config(&settings)?;
    let mut lock = probed.lock(seed);
    lock.hashes.insert("data".into(), data.hash.clone());
    lock.hashes.extend(reference.as_ref().map(|source| ("reference".to_owned(), source.hash.clone())));
    let rubrics = trait_.rubrics();
    let call = |source: &JudgeSource| judges::open(source, &rubrics, run.path(), context, probed.runtime.as_ref());
    let mut judge = judge.as_ref().map(call).transpose()?;
    lock.notes.extend(judge.as_ref().map(|judge| ("judge".to_owned(), judge.name().to_owned())));
    if judge.is_some() {
        let rows = data.rows + reference.as_ref().map_or(0, |reference| reference.rows);
        context.console.say(&format!("the judge scores {rows} rows, less those that it knows already"));
    }
    let mut subject = probed.language_model()?;

    let mut progress = Progress::new(context.console);
    let mut tell = |what: &str, done: usize, total: usize| progress.show(what, done, total, "");
    let judge = judge.as_mut().map(|judge| &mut **judge as &mut dyn Judge);
    let found = screen(
        &run,
        &rules,
        &choices,
        (&data, reference.as_ref()),
        subject.as_mut(),
        judge,
        (&settings_of(&settings), &lock),
        &mut tell,
    )?;
    drop(progress);
    warn_of_damage(&run, context.console);
    let Summary { left_out, left_out_named, .. } = &found.summary;
    left_out_named.iter().for_each(|bad| context.console.warn(bad));
    if *left_out > left_out_named.len() {
        context.console.warn(&format!("and {} more rows could not be measured", left_out - left_out_named.len()));
    }
    if let (Some(label), (0, 0)) = (&args.label, found.summary.labelled) {
        context.console.warn(&format!("no row has the label `{label}`"));
    }
    let text = format!("{}\nreport: {}", found.text(), found.files[0].display());
    let mut json = serde_json::to_value(&found.summary).unwrap_or_default();
    json["out"] = json!(run.path());
    json["files"] = json!(found.files);
    Ok(Outcome::new(text, json))
}

impl FilterArgs {
    fn choices(&self) -> Result<Choices> {
        if !(0.0..=100.0).contains(&self.percentile) {
            return Err(Error::usage(format!("--percentile {}: 0 to 100", self.percentile)));
        }
        Ok(Choices {
            percentile: self.percentile,
            threshold: self.threshold,
            llm: self.llm_filter,
            llm_threshold: self.llm_threshold,
            llm_floor: self.llm_floor,
            top: self.top,
            bottom: self.bottom,
            random: self.random,
            of_kept: self.of_kept,
            shown: self.show,
        })
    }
}

/// `KEY` or `KEY=VALUE`.
fn label(text: &str) -> Label {
    match text.split_once('=') {
        Some((key, value)) => Label { key: key.to_owned(), value: Some(value.to_owned()) },
        None => Label { key: text.to_owned(), value: None },
    }
}
