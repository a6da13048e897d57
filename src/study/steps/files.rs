//! Where things lie in the folder of a study.

use std::path::{Path, PathBuf};

use super::context::Context;
use crate::Result;
use crate::persona::{Answers, Side, States};
use crate::record::{Hash, hash_file};
use crate::study::dag::Task;
use crate::study::inputs::Corpus;

/// Adapter, checkpoint and training log of a finetune.
pub(super) fn fit_folder(cx: &Context<'_>, task: &Task) -> PathBuf {
    cx.run.file("fits").join(&task.name)
}

/// The adapter that a finetune leaves.
pub(in crate::study) fn adapter_folder(cx: &Context<'_>, task: &Task) -> PathBuf {
    fit_folder(cx, task).join("adapter")
}

/// The judged answers of a measured model.
pub(super) fn answers_file(cx: &Context<'_>, task: &Task) -> PathBuf {
    cx.run.file(format!("answers/{}.jsonl", task.name))
}

/// The base model's own answers to the prompts of a data set, as conversations.
pub(super) fn selfgen_file(cx: &Context<'_>, corpus: &Corpus, part: &str) -> PathBuf {
    cx.run.file(format!("data/{}{part}.jsonl", corpus.name))
}

/// A trait's rollouts, their states and its vector.
pub(super) fn vector_folder(cx: &Context<'_>, t: usize) -> PathBuf {
    let folder = cx.run.file("vector");
    if cx.inputs.traits.len() > 1 { folder.join(&cx.inputs.traits[t].name) } else { folder }
}

/// What an audit keeps besides its stages.
pub(super) fn audit_folder(cx: &Context<'_>, task: &Task) -> PathBuf {
    cx.run.file("audit").join(&task.name)
}

/// The judged rollouts of one side.
pub(super) fn rows_file(folder: &Path, side: Side) -> PathBuf {
    folder.join(format!("{}.jsonl", side.key()))
}

/// The rollouts themselves, while they are made and after.
pub(super) fn rollouts_folder(folder: &Path) -> PathBuf {
    folder.join("answers")
}

/// The states that were captured while one side was rolled out.
pub(super) fn states(folder: &Path, side: Side) -> Result<States> {
    States::open(&Answers::files(&rollouts_folder(folder), side)[1])
}

/// Whether a file still is what it was when its hash was taken.
pub(super) fn is_unchanged(path: &Path, hash: &Hash) -> bool {
    hash_file(path).is_ok_and(|now| now == *hash)
}
