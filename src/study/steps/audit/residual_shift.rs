//! Where did the shift go (METHOD K3)? The shift of states between base model and finetune, its part along the vector, whether it
//! is one direction or several, and what the rest does to the base model.

use serde::{Deserialize, Serialize};

use super::Audited;
use super::model::{Model, Scores};
use crate::Result;
use crate::eval::Row;
use crate::language_model::Residuals;
use crate::persona::{cosine, projection};
use crate::record::{hash_file, read_jsonl};
use crate::stats::principal;
use crate::steering::{Op, Part, Positions, Steer, SteeringPlan};
use crate::study::pipeline::Pipeline;

/// Principal components that are told.
const COMPONENTS: usize = 3;
/// Answers that are taken for them, at most, spread over all: the work grows with their cube.
const SAMPLES_MAX: usize = 300;

/// The shift of states at the layer of the study, both models reading the finetune's answers to the trait's questions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::study) struct Shift {
    /// Its mean over answers, `[hidden]`.
    pub mean: Vec<f32>,
    /// Of single answers' deviations from the mean, the shares of variance along the first principal components.
    pub shares: Vec<f64>,
    /// Cosine of the first of these with the vector, without its sign: a component has none.
    pub first: Option<f64>,
}

/// What is left of the mean shift beside the vector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::study) struct Residue {
    /// The whole shift.
    pub shift: Shift,
    /// Its length.
    pub length: f64,
    /// Its part along the vector, signed.
    pub along: f64,
    /// The base model's scores with the rest added, by its length in multiples of the vector's norm.
    pub elicited: Vec<(f64, Scores)>,
}

impl Residue {
    /// The share of the squared shift that lies along the vector.
    pub fn share(&self) -> f64 {
        (self.along / self.length).powi(2)
    }
}

impl Pipeline<'_> {
    /// The shift, its parts, and what the part beside the vector does to the base model.
    pub(super) fn residue(&self, model: &Model<'_>, audited: &mut Audited) -> Result<bool> {
        let (shift, mut reused) = self.shift(model)?;
        let vector = model.file.response_avg.row(self.layer(model)?);
        let along = projection(&shift.mean, vector);
        let unit = |x: f32| f64::from(x) / norm(vector);
        let rest: Vec<f32> =
            shift.mean.iter().zip(vector).map(|(&s, &v)| (f64::from(s) - along * unit(v)) as f32).collect();
        let (elicited, how) = self.elicited(model, &rest)?;
        reused &= how;
        audited.residue = Some(Residue { length: norm(&shift.mean), shift, along, elicited });
        Ok(reused)
    }

    fn shift(&self, model: &Model<'_>) -> Result<(Shift, bool)> {
        let (name, layer) = (&self.data.traits[model.t].name, self.layer(model)?);
        let answers = self.answers_file(&self.pieces[model.of]);
        let of = (hash_file(&answers)?, &model.file.fingerprint, layer);
        let key = self.key(&("shift", of, model.adapter_hash()));
        let (shift, how) = self.run.stage(&self.stage_of(model, "shift"), &key, || {
            let rows: Vec<Row> = read_jsonl(&answers)?;
            let rows: Vec<&Row> = rows.iter().filter(|row| row.task == *name).collect();
            let [after, before] =
                [self.with_adapter(model, SteeringPlan::none())?, self.language_model(None, SteeringPlan::none())?]
                    .map(|mut subject| {
                        let mut states = Vec::new();
                        let mut see = |mut state: Residuals| states.push(state.response_avg.swap_remove(layer.row()));
                        self.read_answers(model.i, &mut *subject, &rows, &mut see)?;
                        Ok::<_, crate::Error>(states)
                    });
            Ok(Shift::between(&before?, &after?, model.file.response_avg.row(layer)))
        })?;
        Ok((shift, how.is_yes()))
    }

    /// At strength 1 the rest is as long as the vector.
    fn elicited(&self, model: &Model<'_>, rest: &[f32]) -> Result<(Vec<(f64, Scores)>, bool)> {
        let (lengths, layer) = (&self.settings().residue, self.layer(model)?);
        let of = (rest, &model.file.fingerprint, layer, lengths, &self.config.measure);
        let key = self.key(&("residue", of, self.judge_key(&[model.t])));
        let (elicited, how) = self.run.stage(&self.stage_of(model, "residue"), &key, || {
            let scale = norm(model.file.response_avg.row(layer)) / norm(rest).max(1e-12);
            let steer = Steer { layer, vector: rest.iter().map(|&x| (f64::from(x) * scale) as f32).collect() };
            let plan = SteeringPlan::from(Part {
                op: Op::Add,
                coef: 1.0,
                positions: Positions::Response,
                steers: vec![steer],
            });
            let task = self.trait_task(model, &self.opening());
            let scores = self.scores_of(model, &mut *self.language_model(None, plan)?, &task, lengths)?;
            Ok(lengths.iter().copied().zip(scores).collect::<Vec<_>>())
        })?;
        Ok((elicited, how.is_yes()))
    }
}

impl Shift {
    /// `before` and `after` hold a state for each of the same answers.
    fn between(before: &[Vec<f32>], after: &[Vec<f32>], vector: &[f32]) -> Self {
        let n = before.len();
        let of_one = |(b, a): (&Vec<f32>, &Vec<f32>)| b.iter().zip(a).map(|(b, a)| a - b).collect::<Vec<f32>>();
        let shifts: Vec<Vec<f32>> = before.iter().zip(after).map(of_one).collect();
        let mut mean = vec![0.0f64; vector.len()];
        for shift in &shifts {
            mean.iter_mut().zip(shift).for_each(|(m, &x)| *m += f64::from(x) / n as f64);
        }
        let some: Vec<Vec<f32>> = shifts.into_iter().step_by(n.div_ceil(SAMPLES_MAX).max(1)).collect();
        let found = principal(&some, COMPONENTS);
        Self {
            mean: mean.into_iter().map(|x| x as f32).collect(),
            first: found.first().map(|(_, direction)| cosine(direction, vector).abs()).filter(|c| c.is_finite()),
            shares: found.into_iter().map(|(share, _)| share).collect(),
        }
    }
}

fn norm(v: &[f32]) -> f64 {
    v.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shift_is_told_by_its_mean_and_by_what_answers_differ_in() {
        // Everybody moves by 3 along entry 0; entry 1 varies twice as much as entry 2.
        let before: Vec<Vec<f32>> = (0..40).map(|n| vec![n as f32, 1.0, (n % 7) as f32]).collect();
        let sign = |bit: bool| if bit { 1.0 } else { -1.0 };
        let after: Vec<Vec<f32>> = before
            .iter()
            .enumerate()
            .map(|(n, b)| vec![b[0] + 3.0, b[1] + 2.0 * sign(n % 2 == 0), b[2] + sign(n % 4 < 2)])
            .collect();
        let shift = Shift::between(&before, &after, &[0.0, 5.0, 0.0]);
        assert!((shift.mean[0] - 3.0).abs() < 1e-5 && shift.mean[1].abs() < 1e-5, "{shift:?}");
        assert!((shift.shares[0] - 0.8).abs() < 1e-6 && (shift.shares[1] - 0.2).abs() < 1e-6, "{shift:?}");
        assert!((shift.first.unwrap() - 1.0).abs() < 1e-6, "{shift:?}");
        let still = Shift::between(&before, &before, &[0.0, 5.0, 0.0]);
        assert!(still.shares.is_empty() && still.first.is_none());
    }
}
