//! Where did the shift go? The part of the activation shift along the vector, and what the rest does to the base model.

use serde::Serialize;

use super::model::{Audited, opening, scores_at, trait_questions};
use crate::Result;
use crate::record::Hash;
use crate::steering::{Op, Part, Positions, Steer, SteeringPlan};
use crate::study::config::MeasureSettings;
use crate::study::outputs::{AuditFindings, ResidualShift, Scores};
use crate::study::steps::activation_shift::activation_shift;
use crate::study::steps::context::{Adapter, Context};
use crate::vector::Layer;
use crate::vector::math::{norm, projection};

/// The shift, its parts, and what the part beside the vector does to the base model.
pub(super) fn residual_shift(
    cx: &Context<'_>,
    model: &Audited<'_>,
    adapter: &Adapter,
    findings: &mut AuditFindings,
) -> Result<()> {
    let shift = activation_shift(cx, model.task, (model.of, adapter), model.t, model.file)?.at_layer;
    let vector = model.file.response_avg.row(model.layer);
    let along = projection(&shift.mean, vector);
    let length = norm(vector);
    let rest = |(&s, &v): (&f32, &f32)| (f64::from(s) - along * (f64::from(v) / length)) as f32;
    let rest: Vec<f32> = shift.mean.iter().zip(vector).map(rest).collect();
    let elicited = elicited(cx, model, &rest)?;
    findings.residual_shift = Some(ResidualShift { length: norm(&shift.mean), shift, along, elicited });
    Ok(())
}

#[derive(Serialize)]
struct ElicitedKey<'a> {
    direction: &'a [f32],
    lengths: &'a [f64],
    vector: &'a str,
    layer: Layer,
    measure: &'a MeasureSettings,
    judge: Hash,
}

/// The base model's scores with a direction added; at strength 1 it is as long as the vector.
fn elicited(cx: &Context<'_>, model: &Audited<'_>, rest: &[f32]) -> Result<Vec<(f64, Scores)>> {
    let (lengths, layer) = (model.settings.residual_shift.as_slice(), model.layer);
    let key = ElicitedKey {
        direction: rest,
        lengths,
        vector: &model.file.fingerprint,
        layer,
        measure: &cx.config.measure,
        judge: cx.judge_key(&[model.t]),
    };
    cx.stage(&model.stage("residue"), &cx.key("residual shift", &key), || {
        let scale = norm(model.file.response_avg.row(layer)) / norm(rest).max(1e-12);
        let steer = Steer { layer, vector: rest.iter().map(|&x| (f64::from(x) * scale) as f32).collect() };
        let part = Part { op: Op::Add, coef: 1.0, positions: Positions::Response, steers: vec![steer] };
        let questions = trait_questions(cx, model, &opening(cx));
        let mut base = cx.language_model(None, SteeringPlan::from(part))?;
        let scores = scores_at(cx, model, &mut *base, &questions, lengths)?;
        Ok(lengths.iter().copied().zip(scores).collect())
    })
}
