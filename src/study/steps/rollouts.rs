//! Answers under positive and negative system prompts, judged, with the states captured while they were generated.

use std::ops::ControlFlow;
use std::path::PathBuf;

use serde::Serialize;

use super::context::{Adapter, Context};
use super::events::Phase;
use super::files::{is_unchanged, rollouts_folder, rows_file, vector_folder};
use crate::judge::JudgedAnswer;
use crate::language_model::Sampling;
use crate::persona::{Answers, Artifact, Inquiry, Side, judge_rows, read_rows, write_rows};
use crate::record::{Hash, create_folder, hash_file, seed_of};
use crate::steering::SteeringPlan;
use crate::study::dag::Task;
use crate::{Error, Result};

/// Which rollouts a vector is extracted from, and their directory.
pub(super) struct RolloutSource<'a> {
    /// Index of the trait.
    pub t: usize,
    /// The adapter of the model that answers; the base model has none.
    pub adapter: Option<&'a Adapter>,
    /// Seed of the sampling.
    pub seed: u64,
    /// Holds rows and states.
    pub folder: PathBuf,
}

/// What decides the answers.
#[derive(Serialize)]
struct AnswersKey<'a> {
    side: Side,
    trait_: &'a str,
    artifact: &'a Artifact,
    sampling: &'a Sampling,
    adapter: Option<&'a Hash>,
}

/// The base model's rollouts of one side, by the hash of their file.
pub(in crate::study) fn base_rollouts(cx: &Context<'_>, task: &Task, side: Side) -> Result<Hash> {
    let t = task.of_trait();
    let seed = seed_of(cx.config.seed, "rollouts");
    rollouts(cx, task, &task.name, &RolloutSource { t, adapter: None, seed, folder: vector_folder(cx, t) }, side)
}

/// A model's rollouts of one side, kept as `stage`.
pub(super) fn rollouts(
    cx: &Context<'_>,
    task: &Task,
    stage: &str,
    source: &RolloutSource<'_>,
    side: Side,
) -> Result<Hash> {
    let (trait_, settings) = (&cx.inputs.traits[source.t], &cx.config.vector);
    let RolloutSource { t, adapter, seed, ref folder } = *source;
    create_folder(folder)?;
    let sampling = Sampling {
        temperature: settings.temperature,
        top_p: settings.top_p,
        rollouts: settings.rollouts,
        seed,
        ..Sampling::greedy(settings.max_new_tokens)
    };
    let inquiry = Inquiry::new(&trait_.name, &trait_.extract, side, &sampling);
    let answers_key = cx.key(
        "answers",
        &AnswersKey {
            side,
            trait_: &trait_.name,
            artifact: &trait_.extract,
            sampling: &sampling,
            adapter: adapter.map(|adapter| &adapter.hash),
        },
    );
    let key = Hash::of(&("rollouts", &answers_key, cx.judge_key(&[t])));
    let path = rows_file(folder, side);
    cx.stage_if(
        stage,
        &key,
        |hash| Answers::have_sound_states(&rollouts_folder(folder), side) && is_unchanged(&path, hash),
        || {
            let mut model = cx.language_model(adapter, SteeringPlan::none())?;
            let mut answers = Answers::open(&rollouts_folder(folder), &inquiry, &answers_key, model.shape())?;
            cx.run.note_damage(answers.damage());
            cx.tell_damage();
            answers.ask(&mut *model, &inquiry, &mut |n| {
                cx.progress(task, Phase::Rollouts, n, inquiry.answers());
                ControlFlow::Continue(())
            })?;
            let mut rows = answers.rows()?;
            judge_rows(&mut *cx.judge()?, &trait_.name, &mut rows)?;
            write_rows(&path, &trait_.name, &rows)?;
            hash_file(&path)
        },
    )
}

/// The base model's judged rollouts of both sides, positive first.
pub(super) fn base_rows(cx: &Context<'_>, t: usize) -> Result<[Vec<JudgedAnswer>; 2]> {
    let (folder, name) = (vector_folder(cx, t), &cx.inputs.traits[t].name);
    Ok([read_rows(&rows_file(&folder, Side::Pos), name)?, read_rows(&rows_file(&folder, Side::Neg), name)?])
}

/// Whether the study asks for rollouts of a trait; it does without them where a vector is given.
pub(super) fn has_rollouts(cx: &Context<'_>, t: usize) -> bool {
    cx.config.vector_file(&cx.inputs.traits[t].name).is_none()
}

/// Refuses what needs rollouts in a study that has none; `what` is a configuration key.
pub(super) fn require_rollouts(cx: &Context<'_>, t: usize, what: &str) -> Result<()> {
    if has_rollouts(cx, t) {
        return Ok(());
    }
    let why = "takes the study's own answers under the trait's prompts, and it asks for none";
    Err(Error::usage(format!("{what} {why}")).hint("leave `vector.file` out"))
}
