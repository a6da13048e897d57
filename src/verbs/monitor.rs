//! `monitor`: does the projection at the last prompt token predict the trait expression score of the answer?

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::json;

use super::judges::{self, JudgeArgs};
use super::probe::{ProbeArgs, ProbeSettings, judge_identity};
use super::run::{Progress, open_run, warn_of_damage};
use super::sampling::DrawArgs;
use super::traits::TraitArgs;
use super::{Context, Outcome, paths};
use crate::judge::{JudgeSource, Rubric};
use crate::language_model::Sampling;
use crate::persona::monitor::{Condition, MonitorRules, SHOTS, exemplars, ladder, many_shot, monitor};
use crate::persona::{Trait, read_rows, sampling};
use crate::record::{Hash, hash_file, seed_of};
use crate::report::settings_of;
use crate::{Error, Result};

/// Measure how well the projection at the last prompt token predicts a trait, over graded system prompts and exemplars
///
/// Every evaluation question is asked under the eight system prompts of the trait's ladder and, with --exemplars, after 0, 5, 10, 15
/// and 20 answered questions that show the trait. The mean trait expression score of ten answers is compared with the projection of the state
/// right before the first of their tokens: Pearson's r over all points and within conditions, with intervals. The run's folder holds
/// points.csv, answers.csv, results.json, scatter plots and report.html; a killed run goes on when the same command is given again,
/// and another vector, layer or judge costs no new answers.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  trimtab monitor --model harbor --trait evil --vectors evil.safetensors --layer 3 --quick\n  trimtab monitor --model Qwen2.5-7B-Instruct --trait evil --vectors evil.safetensors --layer 20 \\\n      --exemplars runs/extract/Qwen2.5-7B-Instruct/evil --judge openai"
)]
pub struct MonitorArgs {
    #[command(flatten)]
    probe: ProbeArgs,
    #[command(flatten)]
    trait_: TraitArgs,
    /// Folder for the run [default: runs/monitor/MODEL/TRAIT]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// What comes before the questions [default: the ladder, and exemplars if there are any]
    #[arg(long, value_enum, value_delimiter = ',')]
    setting: Vec<SettingArg>,
    /// Judged answers that show the trait: `<trait>_pos_instruct.csv` of an extraction run, or its folder
    #[arg(long, value_name = "FILE|DIR")]
    exemplars: Option<PathBuf>,
    /// Numbers of exemplars [default: 0,5,10,15,20]
    #[arg(long, value_name = "N,N", value_delimiter = ',', requires = "exemplars")]
    shots: Vec<usize>,
    /// Answers to each question under each condition [default: 10; with --quick 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rollouts: Option<u32>,
    /// Longest answer, in tokens [default: 1000; with --quick 200]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_new_tokens: Option<u32>,
    #[command(flatten)]
    draw: DrawArgs,
    /// A first look: half of the questions, two short answers to each
    #[arg(long)]
    quick: bool,
    #[command(flatten)]
    judge: JudgeArgs,
}

/// `--setting`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SettingArg {
    /// The trait's graded ladder of system prompts
    System,
    /// Earlier turns that show the trait
    ManyShot,
}

#[derive(Debug, Serialize)]
struct Settings {
    #[serde(rename = "trait")]
    trait_name: String,
    conditions: Vec<String>,
    questions: usize,
    sampling: Sampling,
    #[serde(skip_serializing_if = "Option::is_none")]
    exemplars: Option<String>,
    subject: ProbeSettings,
    judge: JudgeSource,
}

pub fn run(args: &MonitorArgs, context: &Context<'_>) -> Result<Outcome> {
    let trait_ = args.trait_.find(&args.probe.model.model, context)?;
    let source = args.judge.resolve(args.probe.model.is_harbor(), &Rubric::Trait(trait_.name.clone()), context)?;
    let conditions = args.conditions(&trait_, context)?;
    let probed = args.probe.resolve(context)?;
    let seed = context.seed.unwrap_or(0);
    let rollouts = args.rollouts.unwrap_or(if args.quick { 2 } else { 10 }) as usize;
    let tokens = args.max_new_tokens.unwrap_or(if args.quick { 200 } else { 1000 }) as usize;
    let step = if args.quick { 2 } else { 1 };
    let sampling = args.draw.apply(sampling(rollouts, seed_of(seed, "monitoring")))?;
    let rules = MonitorRules {
        trait_name: trait_.name.clone(),
        questions: trait_.eval.questions.iter().step_by(step).cloned().collect(),
        conditions,
        probe: probed.probe.clone(),
        sampling: Sampling { max_new_tokens: tokens, ..sampling },
        subject: probed.identity.clone(),
        judge: judge_identity(&source, &trait_)?,
    };
    let settings = Settings {
        trait_name: trait_.name.clone(),
        conditions: rules.conditions.iter().map(Condition::name).collect(),
        questions: rules.questions.len(),
        sampling: rules.sampling.clone(),
        exemplars: args.exemplars.as_ref().map(|path| path.display().to_string()),
        subject: probed.settings.clone(),
        judge: source.clone(),
    };
    let name = if args.quick { format!("{}-quick", trait_.name) } else { trait_.name.clone() };
    let run = open_run(args.out.as_ref(), "monitor", probed.model.name(), name)?;
    run.write_config(&settings)?;
    let rubrics = trait_.rubrics();
    let mut judge = judges::open(&source, &rubrics, run.path(), context, probed.runtime.as_ref())?;
    let mut subject = probed.language_model()?;

    let each = rules.questions.len() * rollouts;
    let total = each * rules.conditions.len();
    let mut progress = Progress::new(context.console);
    let found = monitor(&run, &rules, subject.as_mut(), judge.as_mut(), &mut |condition, done, _| {
        let before = each * rules.conditions.iter().position(|c| c.name() == condition).unwrap_or(0);
        progress.show("answers", before + done, total, condition);
    })?;
    drop(progress);
    warn_of_damage(&run, context.console);
    if found.reused.0 > 0 {
        context.console.say(&format!("{} of {} stages were there already", found.reused.0, found.reused.1));
    }
    let mut lock = probed.lock(seed);
    lock.notes.insert("judge".into(), judge.name().to_owned());
    lock.hashes.insert("conditions".into(), Hash::of(&rules.conditions));
    lock.hashes.insert("questions".into(), Hash::of(&rules.questions));
    lock.hashes.insert("rubric".into(), Hash::of(&trait_.eval.eval_prompt));
    let model = probed.model.name();
    let files = found.write(&run, model, &rules, &settings_of(&settings), &lock)?;
    let text = format!("{}report: {}", found.table(model, &rules).text(), files[0].display());
    let mut json = found.json(model, &rules);
    json["out"] = json!(run.path());
    json["files"] = json!(files);
    Ok(Outcome::new(text, json))
}

impl MonitorArgs {
    fn conditions(&self, trait_: &Trait, context: &Context<'_>) -> Result<Vec<Condition>> {
        let wants =
            |setting, default: bool| if self.setting.is_empty() { default } else { self.setting.contains(&setting) };
        let mut conditions = Vec::new();
        if wants(SettingArg::System, !trait_.ladder().is_empty()) {
            if trait_.ladder().is_empty() {
                let what = format!("trait `{}` has no ladder of system prompts", trait_.name);
                return Err(Error::usage(what).hint("its evaluation file wants a `ladder` of eight, strongest first"));
            }
            conditions.extend(ladder(trait_.ladder()));
        }
        if wants(SettingArg::ManyShot, self.exemplars.is_some()) {
            conditions.extend(self.many_shot(trait_, context)?);
        }
        if conditions.is_empty() {
            return Err(Error::usage(format!("trait `{}` has no ladder, and there are no --exemplars", trait_.name)));
        }
        Ok(conditions)
    }

    fn many_shot(&self, trait_: &Trait, context: &Context<'_>) -> Result<Vec<Condition>> {
        let Some(path) = &self.exemplars else {
            return Err(Error::usage("many-shot monitoring needs --exemplars")
                .hint("name the folder of an extraction run, or its <trait>_pos_instruct.csv"));
        };
        let path = if path.is_dir() { path.join(format!("{}_pos_instruct.csv", trait_.name)) } else { path.clone() };
        paths::file("--exemplars", &path)?;
        context.console.say(&format!("exemplars: {} ({})", path.display(), hash_file(&path)?.short()));
        let shots = if self.shots.is_empty() { SHOTS.to_vec() } else { self.shots.clone() };
        let most = shots.iter().copied().max().unwrap_or(0);
        let rows: Vec<_> = read_rows(&path, &trait_.name)?
            .into_iter()
            .filter(|row| !trait_.eval.questions.contains(&row.question))
            .collect();
        let found = exemplars(&rows, most);
        many_shot(&found, &shots).map_err(|e| e.at(path.display()))
    }
}
