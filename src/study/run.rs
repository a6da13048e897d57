//! Running a study in its folder: what is not there yet is worked out, then the kind of study says what was found.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::claims::{fact_table, summarize};
use super::config::{Kind, StudyConfig};
use super::costs::Costs;
use super::dag::{Task, tasks};
use super::exec::{Executed, execute};
use super::inputs::Inputs;
use super::results::{Results, summary};
use super::steps::{Event, Judges, OnEvent};
use crate::record::{Lock, RunDir};
use crate::report::{Study, Table};
use crate::runtime::Runtime;
use crate::{Error, Result};

/// How long a shard waits for a task that another process holds: a network file system frees what a dead machine held only after a
/// while (NFS: 90 seconds).
const PATIENCE: Duration = Duration::from_secs(150);

/// A finished study.
#[derive(Debug, Clone)]
pub struct StudyReport {
    /// Everything that was measured, as `results.json` has it.
    pub study: Study,
    /// The table of all arms.
    pub table: Table,
    /// The tables for the terminal: this one, or one for each trait under its name where there are several.
    pub tables: Vec<(Option<String>, Table)>,
    /// What was written, the page first.
    pub files: Vec<PathBuf>,
    /// Tasks of the study.
    pub tasks: usize,
    /// Of these, read from the folder.
    pub reused: usize,
}

/// Runs the study in the folder `out`, or as much of it as is not there yet, and writes its report.
///
/// `judges` calls a judge ([`JudgeSource::call`](crate::judge::JudgeSource::call)); every task that runs beside others calls its own.
/// `on_event` receives progress from several threads. The results do not depend on how many tasks run side by side.
///
/// # Errors
/// Those of the data, the runtime and the judge, with the task in front; whatever was finished stays in the folder.
pub fn run(
    kind: Kind,
    config: &StudyConfig,
    out: &Path,
    runtime: &dyn Runtime,
    judges: &Judges<'_>,
    on_event: &OnEvent<'_>,
) -> Result<StudyReport> {
    kind.check(config)?;
    let run = RunDir::open(out)?;
    run.write_config(config)?;
    let inputs = Inputs::load(config)?;
    let tasks = tasks(config);
    on_event(&Event::Planned(&tasks, &Costs::estimate(config, &inputs, &tasks)));
    let Executed { outputs, reused, model, judge } =
        execute((config, &inputs, &tasks), None, &run, runtime, judges, on_event)?;

    let results = Results::gather(config, &inputs, &tasks, &outputs)?;
    let lock = results.lock(Lock::new(runtime.device(), config.seeds.clone()), &model, &judge)?;
    let cells = results.cells();
    let study = summarize(kind, &results, &cells, summary(&results, &cells, &lock));
    run.write_lock(&lock)?;
    let mut files = study.render(out)?;
    if let Some(table) = fact_table(&results, &cells) {
        run.write("facts.csv", table.csv().as_bytes())?;
        files.push(run.file("facts.csv"));
    }
    let of_trait = |(name, study): (Option<&str>, Study)| (name.map(str::to_owned), study.summary());
    let tables = study.by_trait().into_iter().map(of_trait).collect();
    Ok(StudyReport { table: study.summary(), tables, study, files, tasks: tasks.len(), reused })
}

/// Runs the named tasks of the study in the folder `out`; other processes run the rest. What they wait for must be there. Gives how
/// many tasks were read from the folder.
///
/// # Errors
/// A task that the study does not have, or that another process is at work on; a task that is waited for and is not there; else
/// as [`run`].
pub fn run_shard(
    config: &StudyConfig,
    out: &Path,
    names: &[String],
    runtime: &dyn Runtime,
    judges: &Judges<'_>,
    on_event: &OnEvent<'_>,
) -> Result<usize> {
    config.check()?;
    let tasks = tasks(config);
    let own = named(&tasks, names)?;
    let run = RunDir::join(out)?;
    let claim = |&i: &usize| run.claim(&tasks[i].name, PATIENCE);
    let _claims = own.iter().map(claim).collect::<Result<Vec<_>>>()?;
    let inputs = Inputs::load(config)?;
    on_event(&Event::Shard(&tasks, &own));
    Ok(execute((config, &inputs, &tasks), Some(&own), &run, runtime, judges, on_event)?.reused)
}

/// The indices of tasks by name.
fn named(tasks: &[Task], names: &[String]) -> Result<Vec<usize>> {
    let index = |name: &String| {
        tasks.iter().position(|task| task.name == *name).ok_or_else(|| {
            let all: Vec<&str> = tasks.iter().map(|task| task.name.as_str()).collect();
            Error::usage(format!("the study has no task `{name}`")).hint(format!("it has {}", all.join(", ")))
        })
    };
    names.iter().map(index).collect()
}
