//! All tasks of a study, or those of one process among several, in the study's folder.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::dispatch::perform;
use super::progress::ProgressStore;
use super::scheduler::run_all;
use crate::Result;
use crate::judge::Judge;
use crate::record::{Hash, RunDir};
use crate::runtime::Runtime;
use crate::study::config::StudyConfig;
use crate::study::dag::Task;
use crate::study::inputs::Inputs;
use crate::study::outputs::Output;
use crate::study::steps::{Context, Event, Judges, OnEvent, check_judge};

/// What the tasks of a study left.
pub(in crate::study) struct Executed {
    /// The output of each task, in the order of the tasks.
    pub outputs: Vec<Output>,
    /// Tasks of this process that were read from the folder.
    pub reused: usize,
    /// Hash of everything that decides what the model says.
    pub model: Hash,
    /// The judge's name.
    pub judge: String,
}

/// Runs the tasks of a study, each as soon as those that it waits for are done. With `own`, runs these and no others: what they wait
/// for must be in the folder, and the rest is left out.
///
/// # Errors
/// That of the first task that failed, with its name in front.
pub(in crate::study) fn execute(
    study: (&StudyConfig, &Inputs, &[Task]),
    own: Option<&[usize]>,
    run: &RunDir,
    runtime: &dyn Runtime,
    judges: &Judges<'_>,
    on_event: &OnEvent<'_>,
) -> Result<Executed> {
    let (config, _, tasks) = study;
    let store = ProgressStore::new(run, tasks, config);
    let reused = AtomicUsize::new(0);
    let record = |event: &Event<'_>| {
        if let Event::Finished { reused: true, .. } = event {
            reused.fetch_add(1, Ordering::Relaxed);
        }
        store.on_event(event);
        on_event(event);
    };
    let judges = |role| judges(role).map(|judge| judge as Box<dyn Judge + '_>);
    let cx = Context::new(study, run, runtime, &judges, &record)?;
    check_judge(&cx)?;
    let (folder, silent) = (run.reading(), |_: &Event<'_>| {});
    let reader = cx.viewing(&folder, &silent);
    let needed = own.map(|own| needed(tasks, own));
    let after: Vec<Vec<usize>> = tasks.iter().map(|task| task.after.clone()).collect();
    let outputs = run_all(&after, runtime.workers(), |i, done| match (own, &needed) {
        (Some(own), Some(needed)) if !own.contains(&i) => {
            if !needed[i] {
                return Ok(Output::Elsewhere);
            }
            let missing = perform(&reader, &tasks[i], done);
            let missing = missing.map_err(|e| e.hint("do that task first, or run the whole study"));
            missing.inspect_err(|e| own.iter().for_each(|&own| store.failed(own, e)))
        }
        _ => perform(&cx, &tasks[i], done).inspect_err(|e| store.failed(i, e)),
    })?;
    let Context { model, judge, .. } = cx;
    Ok(Executed { outputs, reused: reused.into_inner(), model, judge })
}

/// Which tasks these are, or wait for, directly or not.
fn needed(tasks: &[Task], own: &[usize]) -> Vec<bool> {
    let mut needed = vec![false; tasks.len()];
    let mut ahead = own.to_vec();
    while let Some(i) = ahead.pop() {
        if !needed[i] {
            needed[i] = true;
            ahead.extend(&tasks[i].after);
        }
    }
    needed
}
