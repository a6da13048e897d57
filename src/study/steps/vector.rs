//! The persona vector of a trait: extracted from the base model's rollouts, or read from a given file.

use serde::Serialize;

use super::context::Context;
use super::events::Phase;
use super::files::{is_unchanged, states, vector_folder};
use super::rollouts::base_rows;
use crate::Result;
use crate::model::ModelConfig;
use crate::persona::{Border, ExtractionRecipe, Filter, Side, extract_captured};
use crate::record::{Hash, hash_file};
use crate::study::dag::Task;
use crate::study::outputs::Extracted;
use crate::vector::{VectorFile, key};

/// What decides a vector.
#[derive(Serialize)]
struct VectorKey<'a> {
    rollouts: &'a [Hash],
    filter: Filter,
    border: Border,
    response_window: Option<usize>,
}

/// How a study extracts the vector of a trait.
pub(super) fn recipe(cx: &Context<'_>, trait_name: &str) -> ExtractionRecipe {
    // The folder's name alone, without its path: vectors are passed on to others.
    let model = &cx.config.model;
    let name = model.file_name().unwrap_or(model.as_os_str()).to_string_lossy();
    let mut recipe = ExtractionRecipe::new(trait_name, &name, &cx.fingerprint);
    recipe.filter = cx.config.vector.filter;
    recipe
}

/// The vector of the task's trait; `rollouts` are the hashes of both sides'.
pub(in crate::study) fn vector(cx: &Context<'_>, task: &Task, rollouts: &[Hash]) -> Result<Extracted> {
    let t = task.of_trait();
    let name = &cx.inputs.traits[t].name;
    if let Some(path) = cx.config.vector_file(name) {
        // Kept, so that a second run need not load the model to learn its shape; no result of the study.
        let (shape, _) = cx.run.stage("shape", &cx.key("shape", &()), || {
            cx.tell_damage();
            Ok(cx.base_model()?.shape())
        })?;
        let (file, warnings) = VectorFile::read_for(path, shape, &cx.fingerprint)?;
        return Ok(Extracted { file, diagnosis: String::new(), warnings });
    }
    let recipe = recipe(cx, name);
    let folder = vector_folder(cx, t);
    let path = folder.join(format!("{name}.safetensors"));
    let ExtractionRecipe { filter, border, response_window, .. } = recipe;
    let key = cx.key("vector file", &VectorKey { rollouts, filter, border, response_window });
    // The whole file: its metadata say what its numbers are.
    let holds = |(hash, ..): &(Hash, String, Vec<String>)| is_unchanged(&path, hash);
    let (_, diagnosis, warnings) = cx.stage_if(&task.name, &key, holds, || {
        let [pos, neg] = base_rows(cx, t)?;
        let states = [states(&folder, Side::Pos)?, states(&folder, Side::Neg)?];
        let mut on_progress = |n, of| cx.progress(task, Phase::States, n, of);
        let mut made = extract_captured(&states, &pos, &neg, &recipe, &mut on_progress)?;
        made.file.metadata.insert("judge".into(), cx.judge.clone());
        let architecture = ModelConfig::read(&cx.config.model)?.architecture;
        made.file.metadata.insert(key::ARCHITECTURE.into(), architecture.name().into());
        made.file.write(&path)?;
        Ok((hash_file(&path)?, made.diagnosis.to_string(), made.diagnosis.warnings))
    })?;
    let (file, more) = VectorFile::read(&path)?;
    let warnings = warnings.into_iter().chain(more).collect();
    Ok(Extracted { file, diagnosis, warnings })
}
