//! The activation shift of a finetune: by how much it moves the residual stream where both models read the same text.

use serde::{Deserialize, Serialize};

use super::context::{Adapter, CHUNK, Context};
use super::events::Phase;
use super::files::answers_file;
use crate::Result;
use crate::judge::JudgedAnswer;
use crate::language_model::{LanguageModel, Residuals};
use crate::persona::{Border, finish};
use crate::record::{Hash, hash_file, read_jsonl};
use crate::stats::principal;
use crate::steering::SteeringPlan;
use crate::study::dag::Task;
use crate::study::outputs::LayerShift;
use crate::vector::math::{add_scaled, cosine};
use crate::vector::{Layer, VectorFile};

/// Principal components that are taken.
const COMPONENTS: usize = 3;
/// Answers that are taken for them, at most, spread over all: the work grows with their cube.
const SAMPLES_MAX: usize = 300;

/// Both models read the finetune's answers to a trait's questions; a state is the mean over an answer's tokens.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ActivationShift {
    /// Answers that are not empty.
    pub answers: usize,
    /// Mean over answers, one row for each layer, row 0 the embedding: `[layers + 1][hidden]`.
    pub mean: Vec<Vec<f64>>,
    /// The answers' shifts at the layer of the study.
    pub at_layer: LayerShift,
}

#[derive(Serialize)]
struct ShiftKey<'a> {
    answers: Hash,
    adapter: &'a Hash,
    trait_: &'a str,
    vector: &'a str,
    layer: Layer,
}

/// The shift that the finetune `of` makes, on its answers to the questions of trait `t`; `task` is the one that asks.
pub(super) fn activation_shift(
    cx: &Context<'_>,
    task: &Task,
    (of, adapter): (&Task, &Adapter),
    t: usize,
    vector: &VectorFile,
) -> Result<ActivationShift> {
    let (name, answers) = (cx.inputs.traits[t].name.as_str(), answers_file(cx, of));
    let layer = cx.config.layer(vector.response_avg.layers())?;
    let key = ShiftKey {
        answers: hash_file(&answers)?,
        adapter: &adapter.hash,
        trait_: name,
        vector: &vector.fingerprint,
        layer,
    };
    cx.stage(&format!("shift-{}-{name}", of.name), &cx.key("shift", &key), || {
        let rows: Vec<JudgedAnswer> = read_jsonl(&answers)?;
        let rows: Vec<&JudgedAnswer> = rows.iter().filter(|row| row.task == name).collect();
        let after =
            States::read(cx, task, &mut *cx.language_model(Some(adapter), SteeringPlan::none())?, &rows, layer)?;
        let before = States::read(cx, task, &mut *cx.base_model()?, &rows, layer)?;
        let less = |(a, b): (&Vec<f64>, &Vec<f64>)| a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<f64>>();
        let mean: Vec<Vec<f64>> = after.mean.iter().zip(&before.mean).map(less).collect();
        let direction = vector.response_avg.row(layer);
        let at_layer = layer_shift(&mean[layer.row()], &before.at_layer, &after.at_layer, direction);
        Ok(ActivationShift { answers: after.at_layer.len(), mean, at_layer })
    })
}

/// The states of a model that reads answers.
struct States {
    /// Mean over answers, at every layer.
    mean: Vec<Vec<f64>>,
    /// Of each answer, at one layer.
    at_layer: Vec<Vec<f32>>,
}

impl States {
    fn read(
        cx: &Context<'_>,
        task: &Task,
        model: &mut dyn LanguageModel,
        rows: &[&JudgedAnswer],
        layer: Layer,
    ) -> Result<Self> {
        let mut texts = Vec::new();
        for row in rows {
            texts.extend(finish(model.tokenizer(), &row.prompt, &row.answer, Border::Separate)?);
        }
        let (layers, hidden) = model.shape();
        let (mut mean, mut at_layer) = (vec![vec![0.0; hidden]; layers + 1], Vec::new());
        for (n, chunk) in texts.chunks(CHUNK).enumerate() {
            for Residuals { mut response_avg, .. } in model.residuals(chunk)? {
                // In f64 whatever the model computes in.
                mean.iter_mut().zip(&response_avg).for_each(|(sum, state)| add_scaled(sum, 1.0, state));
                at_layer.push(response_avg.swap_remove(layer.row()));
            }
            cx.progress(task, Phase::States, n * CHUNK + chunk.len(), texts.len());
        }
        // Without answers there is no shift.
        let answers = at_layer.len().max(1) as f64;
        mean.iter_mut().flatten().for_each(|sum| *sum /= answers);
        Ok(Self { mean, at_layer })
    }
}

/// `before` and `after` hold a state for each of the same answers.
fn layer_shift(mean: &[f64], before: &[Vec<f32>], after: &[Vec<f32>], vector: &[f32]) -> LayerShift {
    let of_one = |(b, a): (&Vec<f32>, &Vec<f32>)| b.iter().zip(a).map(|(b, a)| a - b).collect::<Vec<f32>>();
    let step = before.len().div_ceil(SAMPLES_MAX).max(1);
    let some: Vec<Vec<f32>> = before.iter().zip(after).step_by(step).map(of_one).collect();
    let found = principal(&some, COMPONENTS);
    LayerShift {
        mean: mean.iter().map(|&x| x as f32).collect(),
        first: found.first().map(|(_, direction)| cosine(direction, vector).abs()).filter(|c| c.is_finite()),
        shares: found.into_iter().map(|(share, _)| share).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_differ_along_the_principal_components_of_their_shifts() {
        // All move by 3 along entry 0; entry 1 varies twice as much as entry 2.
        let before: Vec<Vec<f32>> = (0..40).map(|n| vec![n as f32, 1.0, (n % 7) as f32]).collect();
        let sign = |bit: bool| if bit { 1.0 } else { -1.0 };
        let after: Vec<Vec<f32>> = before
            .iter()
            .enumerate()
            .map(|(n, b)| vec![b[0] + 3.0, b[1] + 2.0 * sign(n % 2 == 0), b[2] + sign(n % 4 < 2)])
            .collect();
        let shift = layer_shift(&[3.0, 0.0, 0.0], &before, &after, &[0.0, 5.0, 0.0]);
        assert_eq!(shift.mean, [3.0, 0.0, 0.0]);
        assert!((shift.shares[0] - 0.8).abs() < 1e-6 && (shift.shares[1] - 0.2).abs() < 1e-6, "{shift:?}");
        assert!((shift.first.unwrap() - 1.0).abs() < 1e-6, "{shift:?}");
        let still = layer_shift(&[0.0; 3], &before, &before, &[0.0, 5.0, 0.0]);
        assert!(still.shares.is_empty() && still.first.is_none());
    }
}
