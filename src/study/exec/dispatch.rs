//! From a task to its steps.

use super::scheduler::TaskResults;
use crate::Result;
use crate::finetune::Fitted;
use crate::record::Hash;
use crate::study::dag::{Task, TaskKind, Treatment};
use crate::study::outputs::Output;
use crate::study::steps::{
    Adapter, Context, ControlInputs, Event, Sweep, TraitVector, adapter_folder, answer_prompts, audit, base_rollouts,
    control_vector, difference, finetune, held_out_losses, measure, project_answers, training_chats, vector, vector_of,
};

/// Does a task with its share of the machine, and reports that it is finished.
pub(super) fn perform(cx: &Context<'_>, task: &Task, done: &TaskResults<Output>) -> Result<Output> {
    let (cx, mut output) = (cx.viewing(cx.run, cx.on_event), None);
    cx.runtime.alone(&mut || output = Some(dispatch(&cx, task, done).map_err(|e| e.at(&task.name))));
    let output = output.expect("the runtime does the work that it is given")?;
    (cx.on_event)(&Event::Finished { task: task.index, reused: cx.is_reused() });
    Ok(output)
}

fn dispatch(cx: &Context<'_>, task: &Task, done: &TaskResults<Output>) -> Result<Output> {
    let vectors = vectors_before(cx, task, done);
    let own_vector = || vector_of(&vectors, task.of_trait());
    Ok(match task.kind {
        TaskKind::Rollouts(side) => Output::Rollouts(base_rollouts(cx, task, side)?),
        TaskKind::Vector => {
            let hashes = task.after.iter().filter_map(|&j| match done.of(j) {
                Output::Rollouts(hash) => Some(hash.clone()),
                _ => None,
            });
            Output::Vector(Box::new(vector(cx, task, &hashes.collect::<Vec<Hash>>())?))
        }
        TaskKind::Selfgen => {
            answer_prompts(cx, task)?;
            Output::Selfgen
        }
        TaskKind::Difference => Output::Difference(difference(cx, task, &vectors)?),
        TaskKind::Base => unsteered(cx, task, &vectors, None)?,
        TaskKind::BaseSteered => {
            let sweep = Sweep { vector: own_vector(), strengths: &cx.config.arms.base_steered, sign: 1.0 };
            Output::Measured(measure(cx, task, None, Some(sweep))?, None)
        }
        TaskKind::Inference => {
            let (_, adapter) = finetune_before(cx, task, done).expect("it waits for the plain finetune");
            let sweep = Sweep { vector: own_vector(), strengths: &cx.config.arms.inference, sign: -1.0 };
            Output::Measured(measure(cx, task, Some(&adapter), Some(sweep))?, None)
        }
        TaskKind::Audit => {
            let finetune = finetune_before(cx, task, done);
            Output::Audited(Box::new(audit(cx, task, &vectors, finetune.as_ref().map(|(_, adapter)| adapter))?))
        }
        TaskKind::Finetune(treatment) => {
            let control = match treatment {
                Treatment::Control(control, _) => {
                    let next = (task.of_trait() + 1) % cx.inputs.traits.len();
                    let inputs = ControlInputs {
                        own: own_vector(),
                        next: (next != task.of_trait()).then(|| vector_of(&vectors, next)),
                        plain: finetune_before(cx, task, done),
                    };
                    control_vector(cx, task, control, &inputs)?
                }
                _ => None,
            };
            let chats = training_chats(cx, task)?;
            let fitted = finetune(cx, task, treatment, &vectors, control.as_ref(), chats)?;
            unsteered(cx, task, &vectors, Some(fitted))?
        }
    })
}

/// The axes of a model without steering, those along the vectors and the losses on held-out rows too.
fn unsteered(cx: &Context<'_>, task: &Task, vectors: &[TraitVector<'_>], fitted: Option<Fitted>) -> Result<Output> {
    let adapter = fitted.as_ref().map(|fitted| adapter_of(cx, task, fitted));
    let mut measured = measure(cx, task, adapter.as_ref(), None)?;
    let projection = project_answers(cx, task, vectors, adapter.as_ref(), &measured)?;
    let losses = held_out_losses(cx, task, adapter.as_ref())?;
    for at in &mut measured.at {
        at.scores.extend(projection.scores.clone());
        at.scores.extend(losses.clone());
        at.pairs = projection.pairs.clone();
    }
    Ok(Output::Measured(measured, fitted.map(Box::new)))
}

fn adapter_of(cx: &Context<'_>, task: &Task, fitted: &Fitted) -> Adapter {
    Adapter { folder: adapter_folder(cx, task), hash: fitted.adapter.clone() }
}

/// The finetune that a task has waited for, and its adapter.
fn finetune_before<'a>(cx: &Context<'a>, task: &Task, done: &TaskResults<Output>) -> Option<(&'a Task, Adapter)> {
    task.after.iter().find_map(|&j| match done.of(j) {
        Output::Measured(_, Some(fitted)) => Some((&cx.tasks[j], adapter_of(cx, &cx.tasks[j], fitted))),
        _ => None,
    })
}

/// The vectors that a task has waited for.
fn vectors_before<'d>(cx: &Context<'_>, task: &Task, done: &'d TaskResults<Output>) -> Vec<TraitVector<'d>> {
    let vector = |&j: &usize| match done.of(j) {
        Output::Vector(extracted) => Some(TraitVector { trait_: cx.tasks[j].of_trait(), file: &extracted.file }),
        _ => None,
    };
    task.after.iter().filter_map(vector).collect()
}
