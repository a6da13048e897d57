//! Conversations as training examples, and the base model's mean state over them.

use serde::Serialize;

use super::super::context::Context;
use crate::Result;
use crate::record::Hash;
use crate::study::dag::Task;
use crate::study::inputs::{SourcedChat, messages_of};
use crate::text::{ExampleRules, Tokenizer, TrainingExample};
use crate::train::mean_state;
use crate::vector::PersonaVector;

/// Conversations as the trainer takes them.
pub(super) fn examples(cx: &Context<'_>, chats: &[SourcedChat]) -> Result<Vec<TrainingExample>> {
    let tokenizer = Tokenizer::load(&cx.config.model)?;
    let example = |chat: &SourcedChat| {
        tokenizer.training_example(&chat.messages, &cx.config.lessons).map_err(|e| e.at(&chat.source))
    };
    chats.iter().map(example).collect()
}

#[derive(Serialize)]
struct MeanKey<'a> {
    chats: Hash,
    rules: &'a ExampleRules,
    seed: u64,
}

/// The base model's mean state over the conversations, as they are before any treatment: what an ablation to the mean leaves.
pub(super) fn base_mean(cx: &Context<'_>, task: &Task, chats: &[SourcedChat]) -> Result<PersonaVector> {
    let (seed, rules) = (cx.config.seed, &cx.config.lessons);
    let key = cx.key("mean state", &MeanKey { chats: Hash::of(&messages_of(chats)), rules, seed });
    let (rows, _) = cx.stage(&format!("mean-{}", task.name), &key, || {
        Ok(mean_state(&mut *cx.base_model()?, &examples(cx, chats)?, seed, &mut |_, _| {})?.rows)
    })?;
    PersonaVector::new(rows)
}
