//! The arms of a study as its report names them.

use super::config::{ARMS, StudyConfig};
use super::dag::{Task, tasks};
use super::treatment::Naming;
use crate::report::Arm;
use crate::vector::Layer;

/// The arms in the order of tables and legends, as far as the study has them: the base model, then data set by data set.
pub(super) fn arms(config: &StudyConfig, layer: Layer) -> Vec<Arm> {
    let mut tasks: Vec<Task> = tasks(config).into_iter().filter(|task| task.arm.is_some()).collect();
    let place = |task: &Task| ARMS.iter().position(|name| *name == task.kind.naming().name);
    tasks.sort_by_key(|task| (task.corpus, place(task), task.trait_));
    let mut arms: Vec<Arm> = Vec::new();
    for task in tasks {
        let name = task.arm.clone().unwrap_or_default();
        if arms.iter().any(|arm| arm.name == name) {
            continue;
        }
        let Naming { name: what, kind, .. } = task.kind.naming();
        let label = task.label.replace("one layer", &layer.to_string());
        arms.push(Arm::new(&name, kind, &label).note(&note(what, layer)));
    }
    arms
}

/// What was done in an arm, in a sentence.
fn note(what: &str, layer: Layer) -> String {
    match what {
        "base" => "the model as it is".into(),
        "elicit" => "the base model with the vector added while it answers, all layers".into(),
        "plain" => "LoRA on the data, nothing else".into(),
        "prevent" => "steered towards the trait while it learned, all layers by increments; answers unsteered".into(),
        "prevent-layer" => format!("steered towards the trait at {layer} while it learned; answers unsteered"),
        "prompting" => "learned under system prompts that call the trait up; answers without them".into(),
        "ablate" => "the trait's direction ablated at every layer while it learned; answers with it".into(),
        "random" => "as preventative steering, with random vectors of equal norm, others for each training seed".into(),
        "shuffled" => {
            "as preventative steering, with the difference between two halves of the answers that hold as many of both kinds, as long as \
             the vector at every layer"
                .into()
        }
        "orthogonal" => {
            "as preventative steering, with what is left of the vector beside the plain finetune's activation shift, as long as the vector \
             at every layer"
                .into()
        }
        "unrelated" => "as preventative steering, with another trait's vector, as long as the vector at every layer".into(),
        "negated" => "steered away from the trait while it learned, all layers by increments; answers unsteered".into(),
        _ => {
            let what = "the plain finetune, steered away from the trait while it answers, all layers by increments";
            format!("{what}; the coefficient is minus the strength shown here")
        }
    }
}
