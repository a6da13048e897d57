//! A steered run proves itself: what the hook did to the first batch is measured and compared with the plan. The
//! reference prints a message when its hook fails and then trains unsteered.

use burn_tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::loss::IntoScalarF32;
use crate::kernels::FusedOps;
use crate::model::Transformer;
use crate::steering::{Op, Part, SteeringPlan};
use crate::text::Batch;
use crate::vector::Layer;
use crate::vector::math::norm;
use crate::{Error, Result, ensure};

/// What was measured at one layer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Proof {
    /// The layer.
    pub layer: Layer,
    /// What is done there.
    pub op: Op,
    /// Add: norm of the coefficient times the vector. Ablate: what should be left along the direction, 0 or the mean.
    pub planned: f64,
    /// Add: norm of the mean shift over the steered tokens. Ablate: mean size of what is left along the direction, and of an
    /// ablation to the mean, in a row of its own, the mean itself.
    pub measured: f64,
    /// Tokens steered, out of so many real ones.
    pub tokens: (usize, usize),
}

/// How far a measured shift may be from the planned one, relative to it; f32 rounding of a stream whose norm may be a
/// thousand times the shift's stays below.
const TOLERANCE: f64 = 1e-2;

/// Runs the batch through the model and measures what its steering did at each steered layer. An error if that is not
/// what the plan says, or if the plan touches no token.
pub fn prove<B: FusedOps>(model: &Transformer<B>, batch: &Batch) -> Result<Vec<Proof>> {
    let Some(steering) = &model.steering else { return Ok(Vec::new()) };
    let mut proofs = Vec::new();
    for part in &steering.plan().parts {
        // Each part by itself, so that what it did can be told from what the others did.
        proofs.extend(prove_part(&model.steered(&part.clone().into())?, part, batch)?);
    }
    proofs.extend(prove_mean(model, steering.plan(), batch)?);
    Ok(proofs)
}

/// Where an ablation is followed by a shift along what it removes (an ablation to the mean, [`SteeringPlan::to_mean`]), the parts
/// together: each steered token lies along the direction where the shift puts it.
fn prove_mean<B: FusedOps>(model: &Transformer<B>, plan: &SteeringPlan, batch: &Batch) -> Result<Vec<Proof>> {
    let [ablations @ .., shift] = &plan.parts[..] else { return Ok(Vec::new()) };
    let is_to_mean = !ablations.is_empty() && shift.op == Op::Add && ablations.iter().all(|part| part.op == Op::Ablate);
    if !is_to_mean {
        return Ok(Vec::new());
    }
    let pass = model.pass(&batch.rows, batch.rows.width);
    let (touched, real) = (touched(shift, batch), batch.rows.places().flatten().count());
    let count = touched.iter().filter(|&&t| t).count();
    let along = |h: &Tensor<B, 2>, direction: &[f32]| -> Vec<f64> {
        let unit = Tensor::<B, 1>::from_floats(direction, &model.device).unsqueeze();
        let along: Vec<f32> = B::affine(h, &unit, None).into_data().iter::<f32>().collect();
        along.into_iter().zip(&touched).filter(|(_, touched)| **touched).map(|(x, _)| f64::from(x)).collect()
    };
    let mut proofs = Vec::new();
    let mut h = model.embed(&pass);
    for index in 0..model.blocks.len() {
        let before = model.blocks[index].infer(h, &pass, None);
        h = model.steer(index, before.clone(), &pass);
        let layer = Layer(index + 1);
        let at = |part: &Part| part.steers.iter().find(|steer| steer.layer == layer).map(|steer| steer.vector.clone());
        let Some(moved) = at(shift) else { continue };
        for direction in ablations.iter().filter_map(at) {
            // Orthonormal ones, as the shift's maker needs them.
            let to: f64 = moved.iter().zip(&direction).map(|(&m, &d)| f64::from(m) * f64::from(d)).sum();
            let (was, is) = (along(&before, &direction), along(&h, &direction));
            let share = f64::from(shift.coef);
            let off = was.iter().zip(&is).map(|(was, is)| (is - (1.0 - share) * was - share * to).abs());
            let (off, size) = (off.sum::<f64>() / count as f64, mean(was.iter().map(|x| x.abs())));
            if off > TOLERANCE * size.max(to.abs()).max(0.1) {
                let what = format!("{layer}: the ablation to the mean leaves the stream {off:.4} beside it on average");
                return Err(Error::new(what).hint("this is a bug in the steering, not in your data; please report it"));
            }
            let (planned, measured) =
                ((1.0 - share) * mean(was.iter().copied()) + share * to, mean(is.iter().copied()));
            proofs.push(Proof { layer, op: Op::Ablate, planned, measured, tokens: (count, real) });
        }
    }
    Ok(proofs)
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len();
    values.sum::<f64>() / n as f64
}

/// Which places of a batch a part acts at.
fn touched(part: &Part, batch: &Batch) -> Vec<bool> {
    let touches = |(i, place): (usize, Option<usize>)| {
        place.is_some_and(|p| part.positions.touches(p, batch.rows.prompt[i / batch.rows.width]))
    };
    batch.rows.places().enumerate().map(touches).collect()
}

fn prove_part<B: FusedOps>(model: &Transformer<B>, part: &Part, batch: &Batch) -> Result<Vec<Proof>> {
    let pass = model.pass(&batch.rows, batch.rows.width);
    let touched = touched(part, batch);
    let count = touched.iter().filter(|&&t| t).count();
    let real = batch.rows.places().flatten().count();
    ensure!(count > 0, "the steering plan touches none of the first batch's {real} tokens");
    let share: Vec<f32> = touched.iter().map(|&t| if t { 1.0 / count as f32 } else { 0.0 }).collect();
    let mean = Tensor::<B, 1>::from_floats(share.as_slice(), &model.device).reshape([1, touched.len()]);

    let mut proofs = Vec::new();
    let mut h = model.embed(&pass);
    for index in 0..model.blocks.len() {
        let before = model.blocks[index].infer(h, &pass, None);
        let after = model.steer(index, before.clone(), &pass);
        let layer = Layer(index + 1);
        if let Some(steer) = part.steers.iter().find(|s| s.layer == layer) {
            let norm = norm(&steer.vector);
            let (planned, measured) = match part.op {
                Op::Add => {
                    let shift = mean.clone().matmul(after.clone() - before);
                    let measured = shift.powi_scalar(2).sum().sqrt().into_scalar_f32();
                    (f64::from(part.coef.abs()) * norm, f64::from(measured))
                }
                Op::Ablate => {
                    let unit: Vec<f32> = steer.vector.iter().map(|&x| (f64::from(x) / norm) as f32).collect();
                    let unit = Tensor::<B, 1>::from_floats(unit.as_slice(), &model.device).unsqueeze();
                    let left = |h: &Tensor<B, 2>| {
                        let along = B::affine(h, &unit, None).abs();
                        f64::from(mean.clone().matmul(along).sum().into_scalar_f32())
                    };
                    ensure!(
                        part.coef != 1.0 || left(&after) <= TOLERANCE * left(&before).max(1e-3),
                        "{layer} keeps its direction"
                    );
                    (f64::from(1.0 - part.coef) * left(&before), left(&after))
                }
            };
            let slack = TOLERANCE * planned.max(1e-6) + if part.op == Op::Ablate { 1e-3 } else { 0.0 };
            if (measured - planned).abs() > slack {
                let what = format!("{layer}: the steering moved the stream by {measured:.4}, planned was {planned:.4}");
                return Err(Error::new(what).hint("this is a bug in the steering, not in your data; please report it"));
            }
            proofs.push(Proof { layer, op: part.op, planned, measured, tokens: (count, real) });
        }
        h = after;
    }
    Ok(proofs)
}
