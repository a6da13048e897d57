//! `extract` from a model and a trait alone: rollouts, judging, filtering, vectors, in a run's folder.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use serde_json::{Map, json};

use super::{ExtractArgs, finish, name_adapter};
use crate::judge::{JudgeSource, Rubrics};
use crate::language_model::{FinishReason, LanguageModel, Sampling};
use crate::model::QwenConfig;
use crate::persona::{
    self, Answers, Artifact, Border, Extraction, FINISH_REASON, Inquiry, Recipe, Row, Side, States, Trait,
    extract_captured, judge_rows, sampling, write_rows,
};
use crate::record::{Hash, Lock, RunDir, hash_file, seed_of};
use crate::runtime::{ModelSpec, Runtime};
use crate::stats::{mean, sample_std};
use crate::steering::SteeringPlan;
use crate::verbs::judges::{self, JudgeArgs};
use crate::verbs::model::ModelFolder;
use crate::verbs::traits::is_harbor;
use crate::verbs::{Context, Outcome, paths};
use crate::{Error, Result};

/// Raised when the same settings come to give other answers.
const VERSION: u32 = 1;

/// The folder of the answers as they were made.
const ANSWERS: &str = "answers";

/// Flags of a run that asks the model itself.
#[derive(Debug, Args)]
pub struct AskingArgs {
    /// Folder for answers, scores and vectors [default: runs/extract/MODEL/TRAIT]
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    /// Answers to each question under each instruction [default: 10; with --quick 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rollouts: Option<u32>,
    /// Longest answer, in tokens [default: 1000; with --quick 200]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_new_tokens: Option<u32>,
    /// A first look: half of the questions, two short answers to each
    #[arg(long)]
    quick: bool,
    /// Who the assistant is where the trait is warded off: the trait's opposite, as in `You are a WORD assistant.` [default: helpful]
    #[arg(long, value_name = "WORD")]
    antonym: Option<String>,
    /// Throw away the answers of another run in the folder
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    judge: JudgeArgs,
}

/// `run.toml`.
#[derive(Debug, Serialize)]
struct Settings {
    /// All that decides the answers.
    answers: AnswerSettings,
    judge: JudgeSource,
    /// All that decides the vector, given judged answers.
    vector: Recipe,
}

#[derive(Debug, Serialize)]
struct AnswerSettings {
    #[serde(rename = "trait")]
    trait_name: String,
    /// Hash of instructions and questions.
    artifact: Hash,
    questions: usize,
    instructions: usize,
    positive: String,
    negative: String,
    model: String,
    model_fingerprint: String,
    /// Hash of the adapter's weights.
    adapter: Option<Hash>,
    device: String,
    rollouts: usize,
    temperature: f32,
    max_new_tokens: usize,
    seed: u64,
}

/// What one side came to.
#[derive(Debug, Serialize)]
struct SideReport {
    answers: usize,
    /// Mean and sample standard deviation; none if nothing was scored.
    #[serde(rename = "trait")]
    trait_score: Option<(f64, f64)>,
    coherence: Option<(f64, f64)>,
    /// Without a trait score: the judge declined or could not be read.
    unscored: usize,
    /// Ended by the limit of tokens.
    cut: usize,
}

/// A run, resolved.
struct Run<'a> {
    args: &'a ExtractArgs,
    context: &'a Context<'a>,
    trait_: Trait,
    artifact: Artifact,
    model: ModelFolder,
    dir: RunDir,
    runtime: Box<dyn Runtime>,
    sampling: Sampling,
    settings: Settings,
}

/// Asks, judges, extracts.
///
/// # Errors
/// As [`super::run`].
pub(super) fn run(args: &ExtractArgs, context: &Context<'_>) -> Result<Outcome> {
    let run = Run::resolve(args, context)?;
    let Some(mut rows) = run.ask()? else {
        let text = format!("stopped; the same command goes on: {}", run.dir.path().display());
        let json = json!({ "run": run.dir.path(), "complete": false });
        return Ok(Outcome { interrupted: true, ..Outcome::new(text, json) });
    };
    let judge = run.judge(&mut rows)?;
    let sides = rows.each_ref().map(|rows| SideReport::of(rows));
    // Where the filter leaves nothing, these lines tell why.
    let tell = |_: &Error| run.said(&sides).lines().for_each(|line| context.console.say(line));
    let mut extraction = run.extract(&rows).inspect_err(tell)?;
    let AnswerSettings { rollouts, max_new_tokens, seed, .. } = &run.settings.answers;
    for (key, value) in [
        ("rollouts", rollouts.to_string()),
        ("max_new_tokens", max_new_tokens.to_string()),
        ("seed", seed.to_string()),
        ("judge", judge),
    ] {
        extraction.file.metadata.insert(key.into(), value);
    }
    name_adapter(&mut extraction, args.adapter.as_deref())?;
    run.write(&extraction, &sides)
}

impl<'a> Run<'a> {
    fn resolve(args: &'a ExtractArgs, context: &'a Context<'a>) -> Result<Self> {
        let AskingArgs { run, rollouts, max_new_tokens, quick, antonym, overwrite, judge } = &args.asking;
        let trait_ = args.trait_.find(&args.model, context)?;
        let judge = judge.resolve(is_harbor(&args.model), context)?;
        args.out.as_ref().map_or(Ok(()), |out| paths::writable("--out", out))?;
        let model = ModelFolder::find(&args.model, context)?;
        let vector = args.recipe(&trait_.name, &model)?;
        let adapter = args.adapter.as_ref().map(|dir| hash_file(&dir.join("adapter_model.safetensors"))).transpose()?;
        let runtime = context.runtime()?;
        let mut artifact = trait_.extract.clone();
        if *quick {
            artifact.questions = artifact.questions.into_iter().step_by(2).collect();
        }
        let rollouts = rollouts.unwrap_or(if *quick { 2 } else { 10 }) as usize;
        let tokens = max_new_tokens.unwrap_or(if *quick { 200 } else { 1000 }) as usize;
        let seed = context.seed.unwrap_or(0);
        let sampling = Sampling { max_new_tokens: tokens, ..sampling(rollouts, seed_of(seed, "rollouts")) };
        let answers = AnswerSettings {
            trait_name: trait_.name.clone(),
            artifact: Hash::of(&(&artifact.instruction, &artifact.questions)),
            questions: artifact.questions.len(),
            instructions: artifact.instruction.len(),
            positive: trait_.name.clone(),
            negative: antonym.clone().unwrap_or_else(|| "helpful".into()),
            model: model.name.clone(),
            model_fingerprint: vector.model_fingerprint.clone(),
            adapter,
            device: runtime.device(),
            rollouts,
            temperature: sampling.temperature,
            max_new_tokens: tokens,
            seed,
        };
        let settings = Settings { answers, judge, vector };
        let name = if *quick { format!("{}-quick", trait_.name) } else { trait_.name.clone() };
        let folder = run.clone().unwrap_or_else(|| Path::new("runs/extract").join(&model.name).join(name));
        let dir = RunDir::open(folder)?;
        claim(&dir, &settings, *overwrite)?;
        dir.write_config(&settings)?;
        Ok(Self { args, context, trait_, artifact, model, dir, runtime, sampling, settings })
    }

    fn inquiry(&self, side: Side) -> Inquiry<'_> {
        let AnswerSettings { trait_name, positive, negative, .. } = &self.settings.answers;
        let assistant = if side == Side::Pos { positive } else { negative };
        Inquiry { trait_name, artifact: &self.artifact, side, assistant, sampling: &self.sampling }
    }

    fn language_model(&self) -> Result<Box<dyn LanguageModel>> {
        let (model, adapter) = (self.model.path.clone(), self.args.adapter.clone());
        self.runtime.language_model(&ModelSpec { model, adapter, plan: SteeringPlan::none() })
    }

    /// Asks what has not been asked yet; `None` if the user stopped it. The model is loaded only if it has something to answer.
    fn ask(&self) -> Result<Option<[Vec<Row>; 2]>> {
        let config = QwenConfig::read(&self.model.path)?;
        let shape = (config.num_hidden_layers, config.hidden_size);
        let console = self.context.console;
        let total = self.inquiry(Side::Pos).answers() + self.inquiry(Side::Neg).answers();
        let (mut subject, mut bar) = (None, None);
        let mut rows = [Vec::new(), Vec::new()];
        let mut before = 0;
        for side in [Side::Pos, Side::Neg] {
            let inquiry = self.inquiry(side);
            let work = Hash::of(&(VERSION, side, &self.settings.answers));
            let mut answers = Answers::open(&self.dir.file(ANSWERS), &inquiry, &work, shape)?;
            if !answers.complete() {
                if answers.count() > 0 {
                    console.say(&format!("going on after {} of {total} answers", before + answers.count()));
                }
                if subject.is_none() {
                    subject = Some(self.language_model()?);
                }
                let subject = subject.as_mut().expect("just loaded");
                let bar = bar.get_or_insert_with(|| console.bar("answers", total));
                bar.at(before + answers.count(), side.key());
                let whole = answers.ask(subject.as_mut(), &inquiry, &mut |n| {
                    bar.at(before + n, side.key());
                    if console.interrupted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                })?;
                if !whole {
                    return Ok(None);
                }
            }
            before += inquiry.answers();
            rows[side as usize] = answers.rows()?;
        }
        Ok(Some(rows))
    }

    /// Has both sides judged, writes their tables and what went in, and gives the judge's name.
    fn judge(&self, rows: &mut [Vec<Row>; 2]) -> Result<String> {
        let name = &self.trait_.name;
        // The reference's two files may have different rubrics; that of the evaluation split is the right one (METHOD L.20).
        let rubrics = Rubrics::default().with(name, &self.trait_.eval.eval_prompt);
        let folder = self.dir.path().to_owned();
        let mut judge =
            judges::call(&self.settings.judge, &rubrics, false, &folder, self.context, self.runtime.as_ref())?;
        let [pos, neg] = rows;
        let border = pos.len();
        // Together, so that a paid judge tells one estimate.
        pos.append(neg);
        judge_rows(judge.as_mut(), name, pos)?;
        *neg = pos.split_off(border);

        let mut lock = Lock::new(self.runtime.device(), vec![self.settings.answers.seed]);
        lock.hashes.insert("artifact".into(), self.settings.answers.artifact.clone());
        lock.hashes.insert("rubric".into(), Hash::of(&self.trait_.eval.eval_prompt));
        let AnswerSettings { model_fingerprint, .. } = &self.settings.answers;
        lock.notes.insert("model".into(), format!("{} ({model_fingerprint})", self.model.called()));
        lock.notes.insert("judge".into(), judge.name().to_owned());
        for (side, rows) in [Side::Pos, Side::Neg].into_iter().zip(rows.iter()) {
            let table = format!("{name}_{}_instruct", side.key());
            write_rows(&self.dir.file(format!("{table}.jsonl")), name, rows)?;
            let bare: Vec<Row> = rows.iter().map(|row| Row { extra: Map::new(), ..row.clone() }).collect();
            write_rows(&self.dir.file(format!("{table}.csv")), name, &bare)?;
            lock.hashes.insert(format!("{table}.csv"), hash_file(&self.dir.file(format!("{table}.csv")))?);
        }
        self.dir.write_lock(&lock)?;
        Ok(judge.name().to_owned())
    }

    fn extract(&self, rows: &[Vec<Row>; 2]) -> Result<Extraction> {
        let recipe = &self.settings.vector;
        let mut bar = None;
        let mut told = |done, total| {
            bar.get_or_insert_with(|| self.context.console.bar("texts", total)).at(done, "");
        };
        let [pos, neg] = rows;
        if recipe.response_window.is_some() || recipe.border != Border::Separate {
            return persona::extract(self.language_model()?.as_mut(), pos, neg, recipe, &mut told);
        }
        let states = |side| States::open(&Answers::files(&self.dir.file(ANSWERS), side)[1]);
        extract_captured(&[states(Side::Pos)?, states(Side::Neg)?], pos, neg, recipe, &mut told)
    }

    /// A line about each side.
    fn said(&self, sides: &[SideReport; 2]) -> String {
        let number =
            |value: Option<(f64, f64)>| value.map_or("-".into(), |(mean, std)| format!("{mean:.1} ± {std:.1}"));
        let line = |(report, how): (&SideReport, &str)| {
            let SideReport { answers, trait_score, coherence, unscored, cut } = report;
            format!(
                "{} {how}: {answers} answers, trait {}, coherence {}; {unscored} ({:.1} %) refused or not scored, {cut} cut at {} tokens\n",
                self.trait_.name,
                number(*trait_score),
                number(*coherence),
                100.0 * *unscored as f64 / *answers as f64,
                self.sampling.max_new_tokens
            )
        };
        sides.iter().zip(["called up", "warded off"]).map(line).collect()
    }

    fn write(&self, extraction: &Extraction, sides: &[SideReport; 2]) -> Result<Outcome> {
        let report = json!({ "pos": sides[0], "neg": sides[1], "filter": extraction.diagnosis });
        self.dir.write_json("diagnosis.json", &report)?;
        let own = self.dir.file(format!("{}.safetensors", self.trait_.name));
        extraction.file.write(&own)?;
        self.args.out.as_ref().map_or(Ok(()), |out| extraction.file.write(out))?;
        let out = self.args.out.as_deref().unwrap_or(&own);
        let mut outcome = finish(extraction, &self.trait_.name, out, self.context);
        outcome.text = format!("{}{}\nrun: {}", self.said(sides), outcome.text, self.dir.path().display());
        outcome.json["run"] = json!(self.dir.path());
        outcome.json["sides"] = json!({ "pos": sides[0], "neg": sides[1] });
        Ok(outcome)
    }
}

impl SideReport {
    fn of(rows: &[Row]) -> Self {
        let numbers = |score: fn(&Row) -> Option<f64>| {
            let scores: Vec<f64> = rows.iter().filter_map(score).collect();
            (!scores.is_empty()).then(|| (mean(&scores), if scores.len() > 1 { sample_std(&scores) } else { 0.0 }))
        };
        let cut = json!(FinishReason::Length);
        Self {
            answers: rows.len(),
            trait_score: numbers(Row::trait_score),
            coherence: numbers(Row::coherence),
            unscored: rows.iter().filter(|row| row.trait_score().is_none()).count(),
            cut: rows.iter().filter(|row| row.extra.get(FINISH_REASON) == Some(&cut)).count(),
        }
    }
}

/// Takes the folder for this run: free, or with the same answers, or with answers to be thrown away.
fn claim(run: &RunDir, settings: &Settings, overwrite: bool) -> Result<()> {
    let begun = Answers::files(&run.file(ANSWERS), Side::Pos)[0].exists();
    let old = std::fs::read_to_string(run.file("run.toml")).ok().and_then(|text| text.parse::<toml::Table>().ok());
    let Some(old) = old.filter(|_| begun && !overwrite) else { return Ok(()) };
    let new = toml::Table::try_from(&settings.answers).unwrap_or_default();
    let old = old.get("answers").and_then(|answers| answers.as_table()).cloned().unwrap_or_default();
    let mut differ: Vec<&str> =
        old.keys().chain(new.keys()).filter(|key| old.get(*key) != new.get(*key)).map(String::as_str).collect();
    differ.sort_unstable();
    differ.dedup();
    if differ.is_empty() {
        return Ok(());
    }
    let what =
        format!("{}: holds the answers of another run; it differs in {}", run.path().display(), differ.join(", "));
    Err(Error::usage(what).hint("give another --run, or --overwrite to throw those answers away"))
}
