//! `--model`, `--adapter`, `--vectors` and `--layer` of the verbs that look along one vector.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::model::ModelFolder;
use super::{Context, paths};
use crate::Result;
use crate::judge::JudgeSource;
use crate::language_model::LanguageModel;
use crate::model::QwenConfig;
use crate::persona::{Metric, Probe, Trait};
use crate::record::{Hash, Lock, hash_file};
use crate::runtime::{ModelSpec, Runtime};
use crate::steering::SteeringPlan;
use crate::vector::VectorFile;

/// The model, and the vector along which it is looked at.
#[derive(Debug, Args)]
pub struct ProbeArgs {
    /// The model: a folder in Hugging Face's layout, a hub name (`owner/name`, `owner/name@revision`), or `harbor`
    #[arg(long, value_name = "MODEL")]
    pub model: PathBuf,
    /// File of persona vectors
    #[arg(long, value_name = "FILE")]
    pub vectors: PathBuf,
    /// Layer of the vector, from 1
    #[arg(long, value_name = "L")]
    pub layer: usize,
    /// Folder of a PEFT adapter that the model wears
    #[arg(long, value_name = "DIR")]
    pub adapter: Option<PathBuf>,
}

/// What these flags stand for.
pub struct Looked {
    /// The model.
    pub model: ModelFolder,
    /// Its shape.
    pub config: QwenConfig,
    /// The vector at its layer.
    pub probe: Probe,
    /// The device.
    pub runtime: Box<dyn Runtime>,
    /// All that decides what the model says and thinks.
    pub identity: Hash,
    /// The same in words.
    pub settings: ProbeSettings,
    spec: ModelSpec,
}

/// For `run.toml`.
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
    /// Reads the vectors, checks them against the model, and opens the device.
    ///
    /// # Errors
    /// A model or vectors that cannot be read or do not fit, a layer that does not exist.
    pub fn resolve(&self, context: &Context<'_>) -> Result<Looked> {
        let Self { model, vectors, layer, adapter } = self;
        paths::file("--vectors", vectors)?;
        let model = ModelFolder::find(model, context)?;
        let (config, fingerprint) = (QwenConfig::read(&model.path)?, model.fingerprint()?);
        let (file, warnings) = VectorFile::read(vectors)?;
        let other = file.check(config.num_hidden_layers, config.hidden_size, fingerprint.as_str());
        let other = other.map_err(|e| e.at(vectors.display()))?;
        warnings.iter().chain(&other).for_each(|warning| context.console.warn(warning));
        let stem = vectors.file_stem().unwrap_or_default().to_string_lossy();
        let probe = Probe::of_file(&model.name, &stem, &file, &[*layer], Metric::Proj)?.remove(0);
        let worn = adapter.as_ref().map(|dir| hash_file(&dir.join("adapter_model.safetensors"))).transpose()?;
        let runtime = context.runtime()?;
        let settings = ProbeSettings {
            model: model.name.clone(),
            model_fingerprint: fingerprint,
            adapter: worn,
            vectors: vectors.display().to_string(),
            vectors_fingerprint: file.fingerprint,
            layer: *layer,
            device: runtime.device(),
        };
        let identity = Hash::of(&(&settings.model_fingerprint, &settings.adapter, &settings.device));
        let spec = ModelSpec { model: model.path.clone(), adapter: adapter.clone(), plan: SteeringPlan::none() };
        Ok(Looked { model, config, probe, runtime, identity, settings, spec })
    }
}

impl Looked {
    /// Loads the model.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn language_model(&self) -> Result<Box<dyn LanguageModel>> {
        self.runtime.language_model(&self.spec)
    }

    /// What went in.
    pub fn lock(&self, seed: u64) -> Lock {
        let ProbeSettings { model, model_fingerprint, adapter, vectors_fingerprint, device, .. } = &self.settings;
        let mut lock = Lock::new(device.as_str(), vec![seed]);
        lock.notes.insert("model".into(), format!("{model} ({model_fingerprint})"));
        lock.notes.insert("vectors".into(), vectors_fingerprint.clone());
        lock.hashes.extend(adapter.clone().map(|hash| ("adapter".to_owned(), hash)));
        lock
    }
}

/// Stands for the judge and the trait's rubric.
///
/// # Errors
/// If a file of scores cannot be read.
pub fn judge_identity(source: &JudgeSource, trait_: &Trait) -> Result<Hash> {
    let files = match source {
        JudgeSource::Scored { files } => files.iter().map(|file| hash_file(file)).collect::<Result<Vec<_>>>()?,
        _ => Vec::new(),
    };
    Ok(Hash::of(&(source.identity(), files, &trait_.eval.eval_prompt)))
}
