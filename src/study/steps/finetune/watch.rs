//! What every finetune of a study is watched with while it learns: how far a probe set fixed in advance drifts along the trait's
//! vector, and how hard the data pulls along it (guide: method, "Gradient pressure").

use serde::Serialize;

use super::super::context::{Context, TraitVector};
use super::super::files::{rows_file, vector_folder};
use super::super::rollouts::{base_rows, has_rollouts};
use super::super::selfgen::exchange;
use crate::language_model::{Direction, Finished};
use crate::persona::{Border, Side, finish};
use crate::record::{Hash, hash_file};
use crate::study::config::WatchSettings;
use crate::study::dag::Task;
use crate::study::inputs::{SourcedChat, sampled_places};
use crate::text::{Tokenizer, TrainingExample};
use crate::train::{GradientProjection, ProbeCallback};
use crate::vector::Layer;
use crate::{Result, ensure};

/// Everything that decides what is measured.
#[derive(Serialize)]
pub(super) struct WatchKey {
    settings: WatchSettings,
    seed: u64,
    layer: Layer,
    vector: String,
    rollouts: Option<[Hash; 2]>,
}

/// The vector along which a finetune is watched: that of its trait, or of the study's first.
fn watched<'v>(task: &Task, vectors: &[TraitVector<'v>]) -> Option<TraitVector<'v>> {
    vectors.iter().find(|vector| vector.trait_ == task.trait_.unwrap_or_default()).copied()
}

/// Nothing if nothing is measured.
pub(super) fn watch_key(cx: &Context<'_>, task: &Task, vectors: &[TraitVector<'_>]) -> Result<Option<WatchKey>> {
    let (Some(settings), Some(TraitVector { trait_, file })) = (&cx.config.watch, watched(task, vectors)) else {
        return Ok(None);
    };
    let hash = |side| hash_file(&rows_file(&vector_folder(cx, trait_), side));
    let rollouts = if has_rollouts(cx, trait_) { Some([hash(Side::Pos)?, hash(Side::Neg)?]) } else { None };
    Ok(Some(WatchKey {
        settings: settings.clone(),
        seed: cx.config.seed,
        layer: cx.config.layer(file.response_avg.layers())?,
        vector: file.fingerprint.clone(),
        rollouts,
    }))
}

/// What is measured while a finetune learns `examples`; `chats` is the data before any treatment, so that every arm is watched on the
/// same texts.
pub(super) fn watch(
    cx: &Context<'_>,
    task: &Task,
    vectors: &[TraitVector<'_>],
    chats: &[SourcedChat],
    examples: &[TrainingExample],
) -> Result<Option<ProbeCallback>> {
    let (Some(settings), Some(TraitVector { trait_, file })) = (&cx.config.watch, watched(task, vectors)) else {
        return Ok(None);
    };
    let vector = &file.response_avg;
    let layer = cx.config.layer(vector.layers())?;
    let step = cx.config.train.micro_batch * cx.config.train.accumulation;
    let texts = probe_set(cx, trait_, chats, settings.texts)?;
    ensure!(!texts.is_empty(), "`watch`: there is no text that could be watched");
    Ok(Some(ProbeCallback {
        every: settings.every,
        texts,
        direction: Direction { layer, vector: vector.row(layer).to_vec() },
        stop_above: None,
        pressure: settings.gradient.then(|| GradientProjection::drawn(examples, step, cx.config.seed, vector)),
    }))
}

/// Half positive and half negative rollouts of the base model; without these, conversations of the data.
fn probe_set(cx: &Context<'_>, t: usize, chats: &[SourcedChat], count: usize) -> Result<Vec<Finished>> {
    let tokenizer = Tokenizer::load(&cx.config.model)?;
    let places = |n: usize, count: usize| sampled_places(n, count, cx.config.seed, "probe set");
    let mut texts = Vec::new();
    if !has_rollouts(cx, t) {
        for i in places(chats.len(), count) {
            let exchange = exchange(&chats[i])?;
            let prompt = tokenizer.chat_text(&exchange.prompt, true)?;
            texts.extend(finish(&tokenizer, &prompt, &exchange.answer, Border::Separate)?);
        }
        return Ok(texts);
    }
    for (rows, count) in base_rows(cx, t)?.iter().zip([count.div_ceil(2), count / 2]) {
        for i in places(rows.len(), count) {
            texts.extend(rows[i].finished(&tokenizer, Border::Separate)?);
        }
    }
    Ok(texts)
}
