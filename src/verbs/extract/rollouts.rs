//! `extract` from a model and a trait alone: rollouts, judging, filtering, vectors, in a run's folder.

use std::ops::ControlFlow;

use serde::Serialize;
use serde_json::json;

use super::args::{AskingArgs, ExtractArgs};
use super::outcome::{name_adapter, outcome};
use crate::judge::{JudgeSource, JudgedAnswer, Rubric};
use crate::language_model::Sampling;
use crate::persona::{Artifact, Extraction, ExtractionRecipe, RolloutRun, SideReport, Trait, sampling};
use crate::record::{Hash, Kept, RunDir, as_written, differing, refuse_other, seed_of};
use crate::runtime::Runtime;
use crate::verbs::judges;
use crate::verbs::model::Model;
use crate::verbs::run::{Progress, open_run, warn_of_damage};
use crate::verbs::{Context, Outcome, paths};
use crate::{Error, Result};

/// Raised when the same settings come to give other answers.
const VERSION: u32 = 1;

#[derive(Debug, Serialize)]
struct Settings {
    /// All that decides the answers.
    answers: AnswerSettings,
    judge: JudgeSource,
    /// All that decides the vector, given judged answers.
    vector: ExtractionRecipe,
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
    adapter: Option<Hash>,
    device: String,
    rollouts: usize,
    #[serde(serialize_with = "as_written")]
    temperature: f32,
    /// Left out where it keeps all, which it always did once.
    #[serde(serialize_with = "as_written", skip_serializing_if = "keeps_all")]
    top_p: f32,
    max_new_tokens: usize,
    seed: u64,
}

fn keeps_all(top_p: &f32) -> bool {
    *top_p == 1.0
}

struct Run<'a> {
    args: &'a ExtractArgs,
    context: &'a Context<'a>,
    trait_: Trait,
    artifact: Artifact,
    model: Model,
    dir: RunDir,
    runtime: Box<dyn Runtime>,
    sampling: Sampling,
    settings: Settings,
    /// Hash of all that decides the answers.
    key: Hash,
}

pub(super) fn run(args: &ExtractArgs, context: &Context<'_>) -> Result<Outcome> {
    let run = Run::resolve(args, context)?;
    let rollouts = run.rollouts();
    let mut open = || run.runtime.language_model(&run.model.unsteered());
    let Some(mut rows) = run.answer(&rollouts)? else {
        let text = format!("stopped; the same command goes on: {}", run.dir.path().display());
        let json = json!({ "run": run.dir.path(), "complete": false });
        return Ok(Outcome::interrupted(text, json));
    };
    let judge = run.judge(&rollouts, &mut rows)?;
    let sides = rows.each_ref().map(|rows| SideReport::new(rows));
    // Where the filter leaves nothing, these lines tell why.
    let explain = |_: &Error| run.summary(&sides).lines().for_each(|line| context.console.say(line));
    let mut progress = Progress::new(context.console);
    let mut tell = |done, total| progress.show("texts", done, total, "");
    let recipe = &run.settings.vector;
    let mut extraction = rollouts.extract(&rows, recipe, &mut open, &mut tell).inspect_err(explain)?;
    drop(progress);
    let AnswerSettings { rollouts, temperature, max_new_tokens, seed, .. } = &run.settings.answers;
    for (key, value) in [
        ("rollouts", rollouts.to_string()),
        ("temperature", temperature.to_string()),
        ("max_new_tokens", max_new_tokens.to_string()),
        ("seed", seed.to_string()),
        ("judge", judge),
    ] {
        extraction.file.metadata.insert(key.into(), value);
    }
    name_adapter(&mut extraction, &run.model);
    run.write(&extraction, &sides)
}

impl<'a> Run<'a> {
    fn resolve(args: &'a ExtractArgs, context: &'a Context<'a>) -> Result<Self> {
        let AskingArgs { run, rollouts, max_new_tokens, quick, antonym, overwrite, draw, judge } = &args.asking;
        let trait_ = args.trait_.find(&args.model.model, context)?;
        let judge = judge.resolve(args.model.is_harbor(), &Rubric::Trait(trait_.name.clone()), context)?;
        args.out.as_ref().map_or(Ok(()), |out| paths::writable("--out", out))?;
        let model = args.model.find(context)?;
        let vector = args.recipe(&trait_.name, &model)?;
        let runtime = context.runtime(&model.folder.path)?;
        let mut artifact = trait_.extract.clone();
        if *quick {
            artifact.questions = artifact.questions.into_iter().step_by(2).collect();
        }
        let rollouts = rollouts.unwrap_or(if *quick { 2 } else { 10 }) as usize;
        let tokens = max_new_tokens.unwrap_or(if *quick { 200 } else { 1000 }) as usize;
        let seed = context.seed.unwrap_or(0);
        let sampling = draw.apply(sampling(rollouts, seed_of(seed, "rollouts")))?;
        let sampling = Sampling { max_new_tokens: tokens, ..sampling };
        let answers = AnswerSettings {
            trait_name: trait_.name.clone(),
            artifact: Hash::of(&(&artifact.instruction, &artifact.questions)),
            questions: artifact.questions.len(),
            instructions: artifact.instruction.len(),
            positive: trait_.name.clone(),
            negative: antonym.clone().unwrap_or_else(|| "helpful".into()),
            model: model.name().to_owned(),
            model_fingerprint: model.fingerprint.clone(),
            adapter: model.adapter_hash().cloned(),
            device: runtime.device(),
            rollouts,
            temperature: sampling.temperature,
            top_p: sampling.top_p,
            max_new_tokens: tokens,
            seed,
        };
        let key = Hash::of(&(VERSION, &answers, model.hash()?));
        let settings = Settings { answers, judge, vector };
        let name = if *quick { format!("{}-quick", trait_.name) } else { trait_.name.clone() };
        let dir = open_run(run.as_ref(), "extract", model.name(), name)?;
        refuse_other_answers(&dir, &settings, &key, *overwrite)?;
        warn_of_damage(&dir, context.console);
        dir.write_config(&settings)?;
        Ok(Self { args, context, trait_, artifact, model, dir, runtime, sampling, settings, key })
    }

    fn rollouts(&self) -> RolloutRun<'_> {
        let answers = &self.settings.answers;
        RolloutRun {
            dir: &self.dir,
            trait_name: &answers.trait_name,
            artifact: &self.artifact,
            assistants: [&answers.positive, &answers.negative],
            sampling: &self.sampling,
            key: self.key.clone(),
            shape: self.model.shape(),
        }
    }

    /// Answers what is not answered yet; none if the user interrupts. The model is loaded only if it has something to answer.
    fn answer(&self, rollouts: &RolloutRun<'_>) -> Result<Option<[Vec<JudgedAnswer>; 2]>> {
        let (console, total) = (self.context.console, rollouts.total());
        let mut progress = Progress::new(console);
        let mut open = || self.runtime.language_model(&self.model.unsteered());
        rollouts.answer(&mut open, &mut |side, done, resumed| {
            warn_of_damage(&self.dir, console);
            if resumed {
                console.say(&format!("going on after {done} of {total} answers"));
            }
            progress.show("answers", done, total, side.key());
            if console.interrupted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    }

    /// Has both sides judged, writes `lock.json`, and gives the judge's name.
    fn judge(&self, rollouts: &RolloutRun<'_>, rows: &mut [Vec<JudgedAnswer>; 2]) -> Result<String> {
        let (runtime, answers) = (self.runtime.as_ref(), &self.settings.answers);
        let rubrics = self.trait_.rubrics();
        let mut judge = judges::open(&self.settings.judge, &rubrics, self.dir.path(), self.context, runtime)?;
        let mut lock = self.model.lock(&runtime.device(), answers.seed);
        lock.hashes.extend(rollouts.judge(judge.as_mut(), rows)?);
        lock.hashes.insert("artifact".into(), answers.artifact.clone());
        lock.hashes.insert("rubric".into(), Hash::of(&self.trait_.eval.eval_prompt));
        lock.notes.insert("judge".into(), judge.name().to_owned());
        self.dir.write_lock(&lock)?;
        Ok(judge.name().to_owned())
    }

    fn summary(&self, sides: &[SideReport; 2]) -> String {
        let number =
            |value: Option<(f64, f64)>| value.map_or("-".into(), |(mean, std)| format!("{mean:.1} ± {std:.1}"));
        let line = |(report, prompts): (&SideReport, &str)| {
            let SideReport { answers, trait_score, coherence, unscored, cut } = report;
            format!(
                "{} under {prompts} system prompts: {answers} answers, trait {}, coherence {}; {unscored} ({:.1} %) refused or not scored, {cut} cut at {} tokens\n",
                self.trait_.name,
                number(*trait_score),
                number(*coherence),
                100.0 * *unscored as f64 / *answers as f64,
                self.sampling.max_new_tokens
            )
        };
        sides.iter().zip(["positive", "negative"]).map(line).collect()
    }

    fn write(&self, extraction: &Extraction, sides: &[SideReport; 2]) -> Result<Outcome> {
        let report = json!({ "pos": sides[0], "neg": sides[1], "filter": extraction.diagnosis });
        self.dir.write_json("diagnosis.json", &report)?;
        let own = self.dir.file(format!("{}.safetensors", self.trait_.name));
        extraction.file.write(&own)?;
        if let Some(out) = &self.args.out {
            let _hold = paths::hold("--out", out)?;
            extraction.file.write(out)?;
        }
        let out = self.args.out.as_deref().unwrap_or(&own);
        let mut outcome = outcome(extraction, &self.trait_.name, out, self.context);
        outcome.text = format!("{}{}\nrun: {}", self.summary(sides), outcome.text, self.dir.path().display());
        outcome.json["run"] = json!(self.dir.path());
        outcome.json["sides"] = json!({ "pos": sides[0], "neg": sides[1] });
        Ok(outcome)
    }
}

/// Refuses a folder with the answers of other settings, unless they may be thrown away.
fn refuse_other_answers(run: &RunDir, settings: &Settings, key: &Hash, overwrite: bool) -> Result<()> {
    if overwrite || !RolloutRun::has_begun(run) {
        return Ok(());
    }
    let old = match run.config()? {
        Kept::Whole(old) => old,
        Kept::None => return Ok(()),
        Kept::Damaged => {
            run.note_damage_of_config("its answers tell which run is here");
            if RolloutRun::holds_others(run, key) {
                return refuse_other(run.path(), "the answers of another run", &["the settings"], "--run");
            }
            return Ok(());
        }
    };
    let new = toml::Table::try_from(&settings.answers).unwrap_or_default();
    let old = old.get("answers").and_then(|answers| answers.as_table()).cloned().unwrap_or_default();
    refuse_other(run.path(), "the answers of another run", &differing(&old, &new), "--run")
}
