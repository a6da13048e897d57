//! `--model`, `--adapter`, `--vectors` and `--layer` of the verbs that project onto one vector at one layer.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::Context;
use super::model::{Model, ModelArgs};
use crate::Result;
use crate::judge::JudgeSource;
use crate::language_model::LanguageModel;
use crate::persona::{Metric, Probe, Trait};
use crate::record::{Hash, Lock};
use crate::runtime::Runtime;

/// The model, and the vector onto which its states are projected.
#[derive(Debug, Args)]
pub struct ProbeArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// File of persona vectors
    #[arg(long, value_name = "FILE")]
    pub vectors: PathBuf,
    /// Layer of the vector, from 1
    #[arg(long, value_name = "L")]
    pub layer: usize,
}

/// A model and the vector onto which its states are projected, resolved.
pub struct ProbedModel {
    pub model: Model,
    pub probe: Probe,
    pub runtime: Box<dyn Runtime>,
    /// Hash of all that decides answers and states.
    pub identity: Hash,
    pub settings: ProbeSettings,
}

#[derive(Debug, Clone, Serialize)]
pub struct ProbeSettings {
    model: String,
    model_fingerprint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    adapter: Option<Hash>,
    vectors: String,
    vectors_fingerprint: String,
    layer: usize,
    device: String,
}

impl ProbeArgs {
    pub fn resolve(&self, context: &Context<'_>) -> Result<ProbedModel> {
        let Self { model, vectors, layer } = self;
        let model = model.find(context)?;
        let file = model.vectors(vectors, context.console)?;
        let stem = vectors.file_stem().unwrap_or_default().to_string_lossy();
        let probe = Probe::of_file(model.name(), &stem, &file, &[*layer], Metric::Proj)?.remove(0);
        let runtime = context.runtime(&model.folder.path)?;
        let settings = ProbeSettings {
            model: model.name().to_owned(),
            model_fingerprint: model.fingerprint.clone(),
            adapter: model.adapter_hash().cloned(),
            vectors: vectors.display().to_string(),
            vectors_fingerprint: file.fingerprint,
            layer: *layer,
            device: runtime.device(),
        };
        let identity = Hash::of(&(model.identity()?, &settings.device));
        Ok(ProbedModel { model, probe, runtime, identity, settings })
    }
}

impl ProbedModel {
    pub fn language_model(&self) -> Result<Box<dyn LanguageModel>> {
        self.runtime.language_model(&self.model.unsteered())
    }

    pub fn lock(&self, seed: u64) -> Lock {
        let mut lock = self.model.lock(&self.settings.device, seed);
        lock.notes.insert("vectors".into(), self.settings.vectors_fingerprint.clone());
        lock
    }
}

pub fn judge_identity(source: &JudgeSource, trait_: &Trait) -> Result<Hash> {
    Ok(Hash::of(&(source.hash()?, &trait_.eval.eval_prompt)))
}
