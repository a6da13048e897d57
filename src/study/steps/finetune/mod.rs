//! One finetune for each arm, coefficient and training seed.

mod data;
mod examples;
mod intervention;
mod watch;

use std::fs;

use serde::Serialize;

use self::data::treated_chats;
use self::examples::examples;
use self::intervention::{InterventionKey, prepare};
use self::watch::{WatchKey, watch, watch_key};
use super::context::{Context, TraitVector, vector_of};
use super::events::{Event, Phase};
use super::files::{adapter_folder, fit_folder};
use super::hashes::hash_folder;
use crate::record::{Hash, Tracking, create_folder, seed_of};
use crate::runtime::{FitSpec, Start};
use crate::study::config::AdapterSettings;
use crate::study::dag::{Task, Treatment};
use crate::study::inputs::{SourcedChat, messages_of};
use crate::study::outputs::Fitted;
use crate::text::ExampleRules;
use crate::train::{Event as FitEvent, FitSettings, TrainingLog};
use crate::vector::PersonaVector;
use crate::{At, Result, ensure};

/// Everything that decides a finetune.
#[derive(Serialize)]
struct FitKey<'a> {
    chats: Hash,
    rules: &'a ExampleRules,
    adapter: &'a AdapterSettings,
    settings: FitSettings,
    intervention: &'a Option<InterventionKey>,
    watch: Option<WatchKey>,
}

/// Finetunes the study's model on `chats` under a treatment; `control` is the vector that replaces the real one, if any does.
pub(in crate::study) fn finetune(
    cx: &Context<'_>,
    task: &Task,
    treatment: Treatment,
    vectors: &[TraitVector<'_>],
    control: Option<&PersonaVector>,
    chats: Vec<SourcedChat>,
) -> Result<(Fitted, bool)> {
    let vector = task.trait_.map(|t| vector_of(vectors, t));
    let seed = task.seed.expect("a finetune has a training seed");
    let prepared = prepare(cx, task, treatment, vector, control, &chats, seed)?;
    let (untreated, chats) = (chats.clone(), treated_chats(cx, task, treatment, chats, seed)?);
    let settings = FitSettings { seed, ..cx.config.train.clone() };
    let key = FitKey {
        chats: Hash::of(&messages_of(&chats)),
        rules: &cx.config.lessons,
        adapter: &cx.config.adapter,
        settings: settings.decisive(),
        intervention: &prepared.key,
        watch: watch_key(cx, task, vectors)?,
    };
    let key = cx.key("fit", &key);
    let (folder, adapter) = (fit_folder(cx, task), adapter_folder(cx, task));
    let holds = |fitted: &Fitted| hash_folder(&adapter).is_ok_and(|now| now == fitted.adapter);
    cx.stage_if(&format!("fit-{}", task.name), &key, holds, || {
        let examples = examples(cx, &chats)?;
        create_folder(&folder)?;
        if adapter.exists() {
            // What an earlier run left must not mix with what comes.
            fs::remove_dir_all(&adapter).at(&adapter)?;
        }
        // Named by the key: a checkpoint of other settings is no beginning for this run.
        let checkpoint = folder.join(format!("checkpoint-{}.safetensors", key.short()));
        let spec = FitSpec {
            model: cx.config.model.clone(),
            start: Start::Adapter(cx.config.adapter.config(), seed_of(seed, "adapter")),
            examples: &examples,
            holdout: &[],
            settings,
            plan: prepared.plan,
            regularize: prepared.regularize,
            refresh: prepared.recompute,
            watch: watch(cx, task, vectors, &untreated, &examples)?,
            checkpoint: Some(checkpoint.clone()),
            out: adapter.clone(),
        };
        let mut log = TrainingLog::new(Tracking::tensorboard(&folder));
        let outcome = cx.runtime.fit(&spec, &mut |event| {
            if let FitEvent::Step(report, of, _) = event {
                let done = report.step as f64 / *of as f64;
                let (phase, loss, steps) = (Phase::Training, Some(report.loss), Some((report.step, *of)));
                (cx.on_event)(&Event::Progress { task: task.index, phase, done, loss, steps });
            }
            log.hear(event)
        })?;
        log.close()?;
        ensure!(outcome.complete, "the finetune ended after {} steps, before its time", outcome.steps);
        let _ = fs::remove_file(&checkpoint);
        let adapter = hash_folder(&adapter)?;
        let off = log.proofs.iter().filter(|p| p.planned > 0.0).map(|p| (p.measured / p.planned - 1.0).abs());
        let (loss, shift_error) = (log.last.map(|last| last.loss), off.reduce(f64::max));
        Ok(Fitted { outcome, loss, shift_error, adapter, watched: log.watched })
    })
}
