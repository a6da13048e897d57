//! What a treatment does to the model while it learns.

use serde::Serialize;

use super::super::context::Context;
use super::super::rollouts::{base_rows, require_rollouts};
use super::examples::base_mean;
use crate::Result;
use crate::language_model::Finished;
use crate::persona::{Border, Row, keep};
use crate::record::{Hash, seed_of};
use crate::steering::SteeringPlan;
use crate::study::dag::{Control, Task, Treatment};
use crate::study::inputs::{SourcedChat, sampled_places};
use crate::text::Tokenizer;
use crate::train::{Intervention, Regularizer, Steer, VectorRecompute};
use crate::vector::{PersonaVector, VectorFile};

/// An intervention with its vectors: what the trainer takes, and what decides it.
#[derive(Default)]
pub(super) struct Prepared {
    pub plan: SteeringPlan,
    pub regularize: Option<Regularizer>,
    pub recompute: Option<VectorRecompute>,
    /// Nothing where the model is left alone.
    pub key: Option<InterventionKey>,
}

/// Everything that decides an intervention.
#[derive(Serialize)]
pub(super) struct InterventionKey {
    intervention: Intervention,
    /// Of the vector, or of what replaces it.
    vector: String,
    /// Of random vectors and of the sample for a mean state.
    seed: Option<u64>,
    /// Of the texts that a vector is extracted from again.
    recompute_texts: Option<Hash>,
}

/// Prepares a treatment's intervention; `chats` is the data before any treatment, `seed` the training seed, `control` the vector that
/// replaces the real one.
pub(super) fn prepare(
    cx: &Context<'_>,
    task: &Task,
    treatment: Treatment,
    vector: Option<&VectorFile>,
    control: Option<&PersonaVector>,
    chats: &[SourcedChat],
    seed: u64,
) -> Result<Prepared> {
    let Some(file) = vector else { return Ok(Prepared::default()) };
    let layer = cx.config.layer(file.response_avg.layers())?;
    let Some(intervention) = treatment.intervention(cx.config, layer)? else { return Ok(Prepared::default()) };
    let intervention = intervention.resolve()?;
    let vectors = [control.unwrap_or(&file.response_avg)];
    let fingerprint = control.map_or_else(|| file.fingerprint.clone(), |control| Hash::of(&control.rows).to_string());
    let is_random = matches!(intervention, Intervention::Random(_));
    let draw = match treatment {
        Treatment::Control(Control::Random(draw @ 1..), _) => format!(", draw {draw}"),
        _ => String::new(),
    };
    let random_seed = seed_of(seed_of(cx.config.seed, "random vectors"), &format!("training seed {seed}{draw}"));
    let recompute = recompute(cx, task, &intervention, file)?;
    let recompute_texts = recompute.as_ref().map(|recompute| {
        let ids = |side: &Vec<Finished>| {
            side.iter().map(|text| (text.prompt_ids.clone(), text.response_ids.clone())).collect::<Vec<_>>()
        };
        Hash::of(&recompute.texts.each_ref().map(ids))
    });
    let plan = intervention.plan(&vectors, random_seed)?;
    let to_mean = intervention.wants_mean() && !plan.is_none();
    Ok(Prepared {
        plan: if to_mean { plan.to_mean(&base_mean(cx, task, chats)?) } else { plan },
        regularize: intervention.regularizer(&vectors)?,
        recompute,
        key: Some(InterventionKey {
            intervention,
            vector: fingerprint,
            // The study's seed decides the sample of the mean, too.
            seed: (is_random || to_mean).then_some(random_seed),
            recompute_texts,
        }),
    })
}

/// How the vector follows the model (guide: method, "Vector recomputation"): extracted again from the answers that made it, as far as
/// the filter keeps them.
fn recompute(
    cx: &Context<'_>,
    task: &Task,
    intervention: &Intervention,
    file: &VectorFile,
) -> Result<Option<VectorRecompute>> {
    let Intervention::Steer(Steer { recompute_every: Some(every), texts: Some(most), .. }) = intervention else {
        return Ok(None);
    };
    let Some(recipe) = intervention.recipe()?.filter(|recipe| *every > 0 && recipe.coef != 0.0) else {
        return Ok(None);
    };
    let t = task.of_trait();
    require_rollouts(cx, t, "`recompute_every`")?;
    let [pos, neg] = base_rows(cx, t)?;
    let kept = keep(&pos, &neg, &cx.config.vector.filter)?;
    let tokenizer = Tokenizer::load(&cx.config.model)?;
    let side = |rows: &[Row], kept: &[usize]| -> Result<Vec<Finished>> {
        let taken = sampled_places(kept.len(), *most, cx.config.seed, "recompute");
        let texts = taken.into_iter().map(|i| rows[kept[i]].finished(&tokenizer, Border::Separate));
        Ok(texts.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    };
    let texts = [side(&pos, &kept.pos)?, side(&neg, &kept.neg)?];
    Ok(Some(VectorRecompute { every: *every, texts, recipe, first: file.response_avg.clone() }))
}
