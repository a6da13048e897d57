//! The arms of a study: their order, their labels and what was done in each.

use crate::report::{Arm, ArmKind, settings_of};
use crate::study::config::{OwnArm, StudyConfig};
use crate::study::dag::{ArmNaming, Task, TaskKind, Treatment, arm_label};
use crate::vector::Layer;

/// The arms in the order of tables and legends, as far as the study has them: the base model, then data set by data set.
/// `layer` is that of single-layer arms.
pub(super) fn arms(config: &StudyConfig, tasks: &[Task], layer: Layer) -> Vec<Arm> {
    let naming = ArmNaming::of(config);
    let mut tasks: Vec<(ArmKind, &Task)> =
        tasks.iter().filter_map(|task| Some((task.kind.arm_kind()?, task))).collect();
    tasks.sort_by_key(|(kind, task)| (task.corpus, *kind, task.trait_));
    let mut arms: Vec<Arm> = Vec::new();
    for (kind, task) in tasks {
        let name = task.arm.clone().unwrap_or_default();
        if arms.iter().any(|arm| arm.name == name) {
            continue;
        }
        let label = match kind {
            ArmKind::Own => task.label.clone(),
            kind => naming.labelled(task.corpus, &arm_label(kind, Some(layer)), task.trait_),
        };
        let note = match task.kind {
            TaskKind::Finetune(Treatment::Own(place, _)) => own_note(&config.own[place]),
            _ => note(kind, layer),
        };
        arms.push(Arm::new(&name, kind, &label).note(&note));
    }
    arms
}

/// What was done in a custom arm: its intervention as the configuration has it.
fn own_note(arm: &OwnArm) -> String {
    let settings = settings_of(&arm.intervention).into_iter().filter(|(key, _)| key != "coef" || arm.coefs.is_empty());
    let settings: Vec<String> = settings.map(|(key, value)| format!("{key} = {value}")).collect();
    format!("trained with a custom intervention ({}); evaluated without it", settings.join(", "))
}

/// What was done in an arm, in a sentence.
fn note(kind: ArmKind, layer: Layer) -> String {
    let text: &str = match kind {
        ArmKind::Base => "the model as it is",
        ArmKind::Elicit => "the base model, the vector added at inference time, all layers by increments",
        ArmKind::Plain => "LoRA on the data, nothing else",
        ArmKind::Preventative => {
            "preventative steering (training time): the vector added during training, all layers by increments; evaluated unsteered"
        }
        ArmKind::PreventativeLayer => &format!(
            "preventative steering (training time) at one layer: the vector added at {layer} during training; evaluated unsteered"
        ),
        ArmKind::Prompting => "trained under positive system prompts, evaluated without them",
        ArmKind::Ablate => "the trait's direction ablated at every layer during training, left in place at evaluation",
        ArmKind::Regularize => {
            &format!("trained with a loss on the projection along the vector at {layer}; evaluated unsteered")
        }
        ArmKind::Negative => {
            "the base model's own answers under positive system prompts, with these prompts, mixed into the data"
        }
        ArmKind::Random => "as preventative steering, with random vectors of equal norm, others for each training seed",
        ArmKind::RandomLayer => &format!(
            "as preventative steering at {layer}, with a random vector of equal norm, another for each training seed"
        ),
        ArmKind::Shuffled => {
            "as preventative steering, with the difference between two halves of the rollouts that hold as many of both kinds, as long as \
             the vector at every layer"
        }
        ArmKind::Orthogonal => {
            "as preventative steering, with the vector's part orthogonal to the plain finetune's activation shift, as long as the vector \
             at every layer"
        }
        ArmKind::Unrelated => {
            "as preventative steering, with another trait's vector, as long as the vector at every layer"
        }
        ArmKind::Negated => "the vector subtracted during training, all layers by increments; evaluated unsteered",
        ArmKind::Inference => {
            "the plain finetune, the vector subtracted at inference time, all layers by increments; the coefficient is minus the strength \
             shown here"
        }
        ArmKind::Own | ArmKind::Layer | ArmKind::Position => "",
    };
    text.to_owned()
}
