//! Is the trait gone, or only hidden? Checks of finished finetunes against the concerns about training with a probe's direction
//! (guide: method, "Audit"): each finetune of the first training seed, and the base model as the floor.
//!
//! | check | file | question |
//! |---|---|---|
//! | rotation | `reextract` | does a vector extracted again point where the old one did? |
//! | fresh probe | `reextract` | does a probe fitted on the finetune separate answers better than the old vector? |
//! | residual shift | `residual_shift` | what of the activation shift is not along the vector, and does that elicit the trait? |
//! | elicitation | `elicitation` | does the trait come back under what elicits it, more than in the base model? |
//! | relearning | `relearn` | how fast does plain finetuning bring the trait (back)? |
//! | side effects | `side_effects` | what else has changed on prompts that have nothing to do with the trait? |
//! | second judge | `second_judge` | does another judge give the same scores? |
//!
//! Controls, multiple choice and the dose are arms and axes of the study itself; whether the projection still separates answers that
//! show the trait is read from the study's own answers.
//!
//! Every check of every model is a stage, or several: a study that is killed loses at most the answers to one kind of prompts, or
//! one finetune of those that learn the trait again. Answers for a fresh vector are kept one by one.

mod elicitation;
mod model;
mod probe;
mod reextract;
mod relearn;
mod residual_shift;
mod second_judge;
mod side_effects;

use super::context::{Adapter, Context, TraitVector, vector_of};
use crate::Result;
use crate::study::dag::Task;
use crate::study::outputs::AuditFindings;

/// Checks a model: a finetune, or the base model if there is no adapter.
pub(in crate::study) fn audit(
    cx: &Context<'_>,
    task: &Task,
    vectors: &[TraitVector<'_>],
    adapter: Option<&Adapter>,
) -> Result<AuditFindings> {
    let settings = cx.config.audit.as_ref().expect("an audit is configured");
    let t = task.of_trait();
    let file = vector_of(vectors, t);
    let layer = cx.config.layer(file.response_avg.layers())?;
    let of = &cx.tasks[*task.after.last().expect("an audit waits for its model")];
    let model = model::Audited { settings, task, of, t, trait_: &cx.inputs.traits[t], file, layer, adapter };
    let mut findings = AuditFindings::default();
    second_judge::second_judge(cx, &model, &mut findings)?;
    side_effects::side_effects(cx, &model, &mut findings)?;
    if settings.reextract {
        reextract::reextract(cx, &model, &mut findings)?;
    }
    if let (Some(adapter), false) = (adapter, settings.residual_shift.is_empty()) {
        residual_shift::residual_shift(cx, &model, adapter, &mut findings)?;
    }
    elicitation::elicitation(cx, &model, &mut findings)?;
    if !settings.relearn.is_empty() {
        relearn::relearn(cx, &model, &mut findings)?;
    }
    Ok(findings)
}
