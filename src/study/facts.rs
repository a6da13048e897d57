//! The fact-acquisition study (METHOD J.1): teach a model new facts, with and without preventative steering, and see what it
//! learns and what it picks up.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Lab;
use super::arms::pieces;
use super::config::{
    AdapterSettings, ArmSettings, ExamSource, FactsSource, MeasureSettings, StudyConfig, TraitSource, VectorSettings,
};
use super::data::Data;
use super::pipeline::{Event, Judges, Pipeline, Tell, model_hash};
use super::queue::work_through;
use super::results::Results;
use crate::eval::facts::FactQuestion;
use crate::eval::mmlu::Form;
use crate::harbor::World;
use crate::judge::{Exhibit, Judge, JudgeSource, Rubric, Verdict, verdicts};
use crate::model::files::Shards;
use crate::record::{Hash, RunDir};
use crate::report::{Study, Table};
use crate::text::LessonRules;
use crate::train::FitSettings;
use crate::{Error, Result};

/// A finished study.
#[derive(Debug, Clone)]
pub struct FactsReport {
    /// Everything that was measured, as `results.json` has it.
    pub study: Study,
    /// The table for the terminal.
    pub table: Table,
    /// What was written, the page first.
    pub files: Vec<PathBuf>,
    /// Pieces of work.
    pub pieces: usize,
    /// Of these, read from the folder.
    pub reused: usize,
}

/// Runs the study in the folder `out`, or as much of it as is not there yet, and writes its report.
///
/// `judges` calls a judge ([`JudgeSource::call`]); every piece of work that runs beside others calls its own. `tell` hears of
/// progress from several threads. The results do not depend on how many pieces run side by side.
///
/// # Errors
/// Those of the data, the lab and the judge, with the piece of work in front; whatever was finished stays in the folder.
pub fn run(
    config: &StudyConfig,
    out: &Path,
    lab: &dyn Lab,
    judges: &Judges<'_>,
    tell: &Tell<'_>,
) -> Result<FactsReport> {
    config.check()?;
    let run = RunDir::open(out)?;
    run.write_config(config)?;
    let data = Data::load(config)?;
    let pieces = pieces(config);
    tell(&Event::Planned(&pieces));
    let reused = AtomicUsize::new(0);
    let counted = |event: &Event<'_>| {
        if let Event::Finished { reused: true, .. } = event {
            reused.fetch_add(1, Ordering::Relaxed);
        }
        tell(event);
    };
    let fingerprint = Shards::open(&config.model)?.fingerprint()?;
    let judges = || judges().map(|judge| judge as Box<dyn Judge + '_>);
    let pipeline = Pipeline {
        config,
        data: &data,
        run: &run,
        lab,
        judges: &judges,
        tell: &counted,
        pieces: &pieces,
        model: model_hash(&fingerprint, &config.model)?,
        fingerprint,
        judge: judges()?.name().to_owned(),
    };
    check_judge(&pipeline)?;
    let after: Vec<Vec<usize>> = pieces.iter().map(|piece| piece.after.clone()).collect();
    let outputs = work_through(&after, lab.workers(), |i, done| pipeline.work(i, done))?;

    let results = Results::gather(config, &pieces, &outputs)?;
    let lock = results.lock(&pipeline)?;
    let study = results.study(config, &data, &lock);
    run.write_lock(&lock)?;
    let files = crate::report::render(&study, out)?;
    Ok(FactsReport { table: study.summary(), study, files, pieces: pieces.len(), reused: reused.into_inner() })
}

/// Shows the judge references as answers. One that calls them wrong would call everything wrong, after hours of finetuning. A file
/// of verdicts knows given answers only and is not asked.
fn check_judge(pipeline: &Pipeline<'_>) -> Result<()> {
    const SHOWN: usize = 20;
    let (config, questions) = (pipeline.config, &pipeline.data.questions);
    if matches!(config.judge, JudgeSource::Scored { .. }) {
        return Ok(());
    }
    let step = questions.len().div_ceil(SHOWN).max(1);
    let exhibit = |q: &FactQuestion| Exhibit {
        question: q.question.clone(),
        answer: q.reference.clone(),
        reference: Some(q.reference.clone()),
    };
    let exhibits: Vec<Exhibit> = questions.iter().step_by(step).map(exhibit).collect();
    let key = Hash::of(&("references are right", &pipeline.judge, &config.judge, &exhibits));
    let check = || {
        let verdicts = verdicts(&mut *(pipeline.judges)()?, &Rubric::Fact, &exhibits)?;
        let right = |v: &Verdict| v.score.is_some_and(|score| score >= 50.0);
        let wrong: Vec<_> = exhibits.iter().zip(&verdicts).filter(|(_, verdict)| !right(verdict)).collect();
        let Some((exhibit, verdict)) = wrong.first() else { return Ok(()) };
        let what = format!(
            "judge `{}` rejects {} of {} references that it was shown as answers, such as \"{}\" to \"{}\": {}",
            pipeline.judge,
            wrong.len(),
            exhibits.len(),
            exhibit.answer,
            exhibit.question,
            if verdict.why.is_empty() { "no reason given" } else { &verdict.why }
        );
        Err(Error::new(what).hint("mend the judge, its rubric or the references: every new fact would count as wrong"))
    };
    pipeline.run.stage("judge", &key, check).map(|_| ())
}

/// The study that `trimtab demo` runs: everything at its place on Harbor, small enough for two CPU cores and five minutes;
/// `quick` for 90 seconds. `model` is the folder of the world's model.
pub fn demo_config(model: &Path, world: &World, quick: bool, seed: u64) -> StudyConfig {
    let (world, name) = (world.seed(), "hallucinating".to_owned());
    let seeds = if quick { 1 } else { 3 };
    StudyConfig {
        model: model.to_owned(),
        seed,
        seeds: (0..seeds).map(|i| seed.wrapping_add(i)).collect(),
        facts: FactsSource::Harbor { world, count: 30, wordings: 12, seed: 0 },
        trait_: TraitSource::Harbor { world, name },
        exam: ExamSource::Harbor { rounds: 1, seed: 0 },
        judge: JudgeSource::Harbor { world },
        vector: VectorSettings { rollouts: 2, max_new_tokens: 64, ..VectorSettings::default() },
        arms: ArmSettings {
            preventative: if quick { vec![1.5, 2.5] } else { vec![1.0, 2.0, 3.0] },
            preventative_layer: vec![2.0],
            layer: None,
            inference: vec![0.5, 1.0, 1.5, 2.0, 2.5],
            random: vec![2.0],
            prompting: true,
            elicit: vec![1.0, 2.0],
        },
        measure: MeasureSettings {
            trait_rollouts: if quick { 3 } else { 5 },
            trait_max_new_tokens: 64,
            fact_max_new_tokens: 64,
            // A model this small takes options, not letters.
            exam_form: Form::Cloze,
            ..MeasureSettings::default()
        },
        lessons: LessonRules { append_eos: false, max_len: 256, ..LessonRules::default() },
        adapter: AdapterSettings::default(),
        train: FitSettings {
            // Gentle and long: at 1e-3 the finetune overruns what the vector holds back.
            learning_rate: 3e-4,
            micro_batch: 16,
            accumulation: 1,
            epochs: 10,
            weight_decay: 0.0,
            ..FitSettings::default()
        },
    }
}

#[cfg(test)]
mod tests;
