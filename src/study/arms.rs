//! The arms of a study as its report names them.

use super::config::StudyConfig;
use super::dag::{ArmNaming, Task, arm_label, tasks};
use crate::report::{Arm, ArmKind};
use crate::vector::Layer;

/// The arms in the order of tables and legends, as far as the study has them: the base model, then data set by data set.
pub(super) fn arms(config: &StudyConfig, layer: Layer) -> Vec<Arm> {
    let naming = ArmNaming::of(config);
    let of_arm = |task: Task| Some((task.kind.arm_kind()?, task));
    let mut tasks: Vec<(ArmKind, Task)> = tasks(config).into_iter().filter_map(of_arm).collect();
    tasks.sort_by_key(|(kind, task)| (task.corpus, *kind, task.trait_));
    let mut arms: Vec<Arm> = Vec::new();
    for (kind, task) in tasks {
        let name = task.arm.unwrap_or_default();
        if arms.iter().any(|arm| arm.name == name) {
            continue;
        }
        let label = match kind {
            ArmKind::Own => task.label,
            kind => naming.labelled(task.corpus, &arm_label(kind, Some(layer)), task.trait_),
        };
        arms.push(Arm::new(&name, kind, &label).note(&note(kind, layer)));
    }
    arms
}

/// What was done in an arm, in a sentence.
fn note(kind: ArmKind, layer: Layer) -> String {
    match kind {
        ArmKind::Base => "the model as it is".into(),
        ArmKind::Elicit => "the base model with the vector added while it answers, all layers".into(),
        ArmKind::Plain => "LoRA on the data, nothing else".into(),
        ArmKind::Preventative => {
            "steered towards the trait while it learned, all layers by increments; answers unsteered".into()
        }
        ArmKind::PreventativeLayer => {
            format!("steered towards the trait at {layer} while it learned; answers unsteered")
        }
        ArmKind::Prompting => "learned under system prompts that call the trait up; answers without them".into(),
        ArmKind::Ablate => "the trait's direction ablated at every layer while it learned; answers with it".into(),
        ArmKind::Regularize => format!("a loss on the projection along the vector at {layer}; answers unsteered"),
        ArmKind::Negative => {
            "the data mixed with the base model's own answers under positive system prompts, with these prompts".into()
        }
        ArmKind::Random => {
            "as preventative steering, with random vectors of equal norm, others for each training seed".into()
        }
        ArmKind::Shuffled => {
            "as preventative steering, with the difference between two halves of the answers that hold as many of both kinds, as long as \
             the vector at every layer"
                .into()
        }
        ArmKind::Orthogonal => {
            "as preventative steering, with what is left of the vector beside the plain finetune's activation shift, as long as the vector \
             at every layer"
                .into()
        }
        ArmKind::Unrelated => {
            "as preventative steering, with another trait's vector, as long as the vector at every layer".into()
        }
        ArmKind::Negated => {
            "steered away from the trait while it learned, all layers by increments; answers unsteered".into()
        }
        ArmKind::Inference => {
            "the plain finetune, steered away from the trait while it answers, all layers by increments; the coefficient is minus the \
             strength shown here"
                .into()
        }
        ArmKind::Own | ArmKind::Layer | ArmKind::Position => String::new(),
    }
}
