//! Running a study in its folder: what is not there yet is worked out, then the kind of study tells what came of it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::board::Board;
use super::claims::{fact_table, summarize};
use super::config::{ArmSettings, StudyConfig};
use super::costs::Costs;
use super::data::Data;
use super::pieces::{Piece, pieces};
use super::pipeline::{Event, Judges, Opinion, Pipeline, Tell, model_hash};
use super::queue::work_through;
use super::results::{Results, summary};
use crate::eval::facts::FactQuestion;
use crate::judge::{Judge, JudgeSource, JudgedItem, Rubric, Verdict, verdicts};
use crate::model::files::Shards;
use crate::record::{Hash, Lock, RunDir};
use crate::report::{Study, Table};
use crate::runtime::Runtime;
use crate::{Error, Result, ensure};

/// What a study is about: which parts it must have, and how it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// New facts with and without the trait (METHOD J.1).
    Facts,
    /// Data that elicits the trait, data that does not, and the model's own answers (METHOD J.2).
    Benign,
    /// Shifts along the vectors, projection differences and scores over many data sets (METHOD H).
    Shift,
    /// Whether the trait is gone or only out of sight (METHOD K).
    Audit,
    /// Any arms: tables, figures, and the paper's findings as far as there are arms for them.
    Own,
}

/// A finished study.
#[derive(Debug, Clone)]
pub struct StudyReport {
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

impl Kind {
    /// Whether a configuration has what this kind of study needs.
    ///
    /// # Errors
    /// What is missing, and those of [`StudyConfig::check`].
    pub fn check(self, config: &StudyConfig) -> Result<()> {
        config.check()?;
        if self == Self::Facts {
            ensure!(config.facts.is_some() && config.data.is_empty(), "`study facts` learns `facts` and nothing else");
            ensure!(config.traits().count() == 1, "`study facts` is about one trait; `study run` takes several");
            ensure!(config.exam.is_some(), "`study facts` needs an `exam`");
        }
        if self == Self::Shift {
            let sets = config.data.len() + usize::from(config.facts.is_some());
            ensure!(sets > 1, "`study shift` compares data sets, and there is one");
        }
        Ok(())
    }

    /// The configuration with what this kind of study settles itself.
    pub fn settled(self, mut config: StudyConfig) -> StudyConfig {
        /// Conversations of each data set that its projection difference is taken over.
        const DIFFERENCE: usize = 500;
        if self == Self::Shift {
            // Plain finetunes alone: what the data does when nothing holds it back.
            config.arms = ArmSettings { layer: config.arms.layer, ..ArmSettings::none() };
            if config.measure.difference == 0 {
                config.measure.difference = DIFFERENCE;
            }
        }
        if self == Self::Audit {
            config.audit.get_or_insert_default();
        }
        config
    }
}

/// Runs the study in the folder `out`, or as much of it as is not there yet, and writes its report.
///
/// `judges` calls a judge ([`JudgeSource::call`]); every piece of work that runs beside others calls its own. `tell` hears of
/// progress from several threads. The results do not depend on how many pieces run side by side.
///
/// # Errors
/// Those of the data, the runtime and the judge, with the piece of work in front; whatever was finished stays in the folder.
pub fn run(
    kind: Kind,
    config: &StudyConfig,
    out: &Path,
    runtime: &dyn Runtime,
    judges: &Judges<'_>,
    tell: &Tell<'_>,
) -> Result<StudyReport> {
    kind.check(config)?;
    let run = RunDir::open(out)?;
    run.write_config(config)?;
    let data = Data::load(config)?;
    let pieces = pieces(config);
    tell(&Event::Planned(&pieces, &Costs::reckon(config, &data, &pieces)));
    let board = Board::new(&run, &pieces, config);
    let reused = AtomicUsize::new(0);
    let counted = |event: &Event<'_>| {
        if let Event::Finished { reused: true, .. } = event {
            reused.fetch_add(1, Ordering::Relaxed);
        }
        board.hear(event);
        tell(event);
    };
    let judges = |opinion| judges(opinion).map(|judge| judge as Box<dyn Judge + '_>);
    let pipeline = pipeline(config, &data, &run, runtime, &judges, &counted, &pieces)?;
    check_judge(&pipeline)?;
    let after: Vec<Vec<usize>> = pieces.iter().map(|piece| piece.after.clone()).collect();
    let outputs =
        work_through(&after, runtime.workers(), |i, done| pipeline.work(i, done).inspect_err(|e| board.failed(i, e)))?;

    let results = Results::gather(config, &data, &pieces, &outputs)?;
    let lock = Lock::new(runtime.device(), config.seeds.clone());
    let lock = results.lock(lock, &pipeline.model, &pipeline.judge)?;
    let cells = results.cells();
    let study = summarize(kind, &results, &cells, summary(&results, &cells, &lock));
    run.write_lock(&lock)?;
    let mut files = study.render(out)?;
    if let Some(table) = fact_table(&results, &cells) {
        run.write("facts.csv", table.csv().as_bytes())?;
        files.push(run.file("facts.csv"));
    }
    Ok(StudyReport { table: study.summary(), study, files, pieces: pieces.len(), reused: reused.into_inner() })
}

pub(super) fn pipeline<'a>(
    config: &'a StudyConfig,
    data: &'a Data,
    run: &'a RunDir,
    runtime: &'a dyn Runtime,
    judges: &'a Judges<'a>,
    tell: &'a Tell<'a>,
    pieces: &'a [Piece],
) -> Result<Pipeline<'a>> {
    let fingerprint = Shards::open(&config.model)?.fingerprint()?;
    Ok(Pipeline {
        config,
        data,
        run,
        runtime,
        judges,
        tell,
        pieces,
        model: model_hash(&fingerprint, &config.model)?,
        fingerprint,
        judge: judges(Opinion::First)?.name().to_owned(),
    })
}

/// Shows the judge references as answers. One that calls them wrong would call everything wrong, after hours of finetuning. A file
/// of verdicts knows given answers only and is not asked.
pub(super) fn check_judge(pipeline: &Pipeline<'_>) -> Result<()> {
    const SHOWN: usize = 20;
    let config = pipeline.config;
    let questions: Vec<&FactQuestion> = pipeline.data.corpora.iter().flat_map(|corpus| &corpus.questions).collect();
    if questions.is_empty() || matches!(config.judge, JudgeSource::Scored { .. }) {
        return Ok(());
    }
    let step = questions.len().div_ceil(SHOWN).max(1);
    let exhibit = |q: &&FactQuestion| JudgedItem {
        question: q.question.clone(),
        answer: q.reference.clone(),
        reference: Some(q.reference.clone()),
    };
    let exhibits: Vec<JudgedItem> = questions.iter().step_by(step).map(exhibit).collect();
    let key = Hash::of(&("references are right", &pipeline.judge, &config.judge, &exhibits));
    let check = || {
        let verdicts = verdicts(&mut *(pipeline.judges)(Opinion::First)?, &Rubric::Fact, &exhibits)?;
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
