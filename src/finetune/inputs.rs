//! Everything that the settings of `train` name, read from the disk and checked against the model.

use std::path::{Path, PathBuf};

use super::data::{SourcedChat, TrainingData, read_sourced};
use super::intervention::ResolvedIntervention;
use super::notice::Notice;
use super::seeds::Seeds;
use super::settings::{Intervention, RecomputeSettings, SteeringSettings, TrainSettings, WatchSettings};
use super::watch::{Watch, answer_of};
use crate::judge::JudgedAnswer;
use crate::language_model::Finished;
use crate::model::peft::{Adapter, AdapterConfig, Targets};
use crate::model::{AdapterFolder, ModelConfig};
use crate::persona::{Border, Filter, keep, read_rows};
use crate::text::{Tokenizer, chosen_in_order};
use crate::vector::{Layer, VectorFile, key};
use crate::{Error, Result};

/// The model that learns.
#[derive(Debug, Clone, Copy)]
pub struct ModelFiles<'a> {
    /// The model's folder.
    pub path: &'a Path,
    /// The hash by which vectors know it again.
    pub fingerprint: &'a str,
    /// Its tokenizer.
    pub tokenizer: &'a Tokenizer,
}

/// What goes into a finetune besides model and settings.
#[derive(Debug)]
pub struct Inputs {
    /// What is learned and what is held out.
    pub data: TrainingData,
    /// What is done while the model learns.
    pub intervention: ResolvedIntervention,
    /// What is measured while it learns.
    pub watch: Option<Watch>,
    /// What the user should know, in the order of reading.
    pub notices: Vec<Notice>,
}

impl Inputs {
    /// Reads all of it.
    ///
    /// # Errors
    /// Malformed files; vectors of another model; a layer that does not exist.
    pub fn read(settings: &TrainSettings, model: ModelFiles<'_>) -> Result<Self> {
        let TrainSettings { data, fit, intervention, watch, .. } = settings;
        let seeds = Seeds::of_run(fit.seed);
        let (data, mut notices) = TrainingData::read(data, intervention, &seeds)?;
        let mut vectors = Vec::new();
        for path in intervention.vectors() {
            vectors.push((path.clone(), model.vectors(path, &mut notices)?));
        }
        let texts = match (intervention, intervention.vectors()) {
            (Intervention::Steer(SteeringSettings { recompute: Some(recompute), .. }), [path]) => {
                fixed_texts(recompute, &|| trait_of(path), &seeds, model.tokenizer)?
            }
            _ => None,
        };
        let intervention = ResolvedIntervention::new(intervention, &vectors, texts, &seeds)?;
        notices.extend(intervention.notices.clone());
        let watch = watch.as_ref().map(|watch| model.watch(watch, &mut notices)).transpose()?;
        Ok(Self { data, intervention, watch, notices })
    }
}

impl TrainSettings {
    /// Finds the adapter that the finetune goes on from, if there is one, and takes its shape.
    ///
    /// # Errors
    /// No adapter there, or one that cannot be read.
    pub fn take_shape(&mut self) -> Result<AdapterConfig> {
        let Some(path) = &self.adapter else { return Ok(self.shape.config()) };
        let folder = AdapterFolder::find(path).map_err(|e| e.at("adapter"))?;
        let given = Adapter::read_config(folder.path())?;
        self.adapter = Some(folder.path().to_owned());
        (self.shape.r, self.shape.lora_alpha, self.shape.use_rslora) = (given.r, given.lora_alpha, given.use_rslora);
        if let Targets::Names(names) = &given.target_modules {
            self.shape.target_modules.clone_from(names);
        }
        Ok(given)
    }
}

impl ModelFiles<'_> {
    fn vectors(&self, path: &Path, notices: &mut Vec<Notice>) -> Result<VectorFile> {
        if !path.is_file() {
            return Err(Error::usage(format!("vectors {}: no such file", path.display())));
        }
        let ModelConfig { num_hidden_layers, hidden_size, .. } = ModelConfig::read(self.path)?;
        let (file, warnings) = VectorFile::read_for(path, (num_hidden_layers, hidden_size), self.fingerprint)?;
        notices.extend(warnings.into_iter().map(Notice::Warned));
        Ok(file)
    }

    /// The drift curve, and the gradient, that the settings ask for.
    fn watch(&self, settings: &WatchSettings, notices: &mut Vec<Notice>) -> Result<Watch> {
        let &WatchSettings { every, layer, stop_above, gradient, .. } = settings;
        let chats: Vec<SourcedChat> = read_sourced(&settings.file)?;
        let text = |chat: &SourcedChat| {
            let text = answer_of(chat, self.tokenizer)?;
            text.ok_or_else(|| Error::new("an empty prompt or answer").at(&chat.source))
        };
        let texts = chats.iter().map(text).collect::<Result<Vec<_>>>()?;
        let file = self.vectors(&settings.vectors, notices)?;
        let layer = Layer::of(layer, file.response_avg.layers())?;
        let n = texts.len();
        notices.extend(file.last_row_warning(&settings.vectors, &[layer]).map(Notice::Warned));
        notices.push(Notice::Said(format!("drift: {n} texts are measured every {every} steps at {layer}, unsteered")));
        if gradient {
            let what = "gradient: how hard as many training chats as make a step pull along the vector, at every layer";
            notices.push(Notice::Said(what.into()));
        }
        let VectorFile { response_avg: vector, fingerprint, .. } = file;
        Ok(Watch { every, texts, layer, vector, fingerprint, stop_above, gradient })
    }
}

/// The texts from which a vector is extracted anew, where files hold them. `trait_name` is what their scores are called.
///
/// # Errors
/// Judged answers that cannot be read, or of which the filter leaves none.
pub fn fixed_texts(
    recompute: &RecomputeSettings,
    trait_name: &dyn Fn() -> Result<String>,
    seeds: &Seeds,
    tokenizer: &Tokenizer,
) -> Result<Option<[Vec<Finished>; 2]>> {
    let RecomputeSettings { texts, pos: Some(pos), neg: Some(neg), .. } = recompute else { return Ok(None) };
    let (files, name): ([&PathBuf; 2], String) = ([pos, neg], trait_name()?);
    let rows = [read_rows(pos, &name)?, read_rows(neg, &name)?];
    let place = |side: usize, row: &JudgedAnswer| format!("{}:{}", files[side].display(), row.line);
    let sides = rows.each_ref().map(Vec::as_slice);
    recompute_texts(sides, &Filter::paired(), *texts, seeds, tokenizer, &place).map(Some)
}

/// Judged answers that show a trait and answers that lack it, tokenised: of those that the filter keeps at most so many of each
/// side, drawn by the seed. `place` names a row of a side for errors.
///
/// # Errors
/// Rows of which the filter leaves none, or that cannot be tokenised.
pub fn recompute_texts(
    rows: [&[JudgedAnswer]; 2],
    filter: &Filter,
    most: usize,
    seeds: &Seeds,
    tokenizer: &Tokenizer,
    place: &dyn Fn(usize, &JudgedAnswer) -> String,
) -> Result<[Vec<Finished>; 2]> {
    let kept = keep(rows[0], rows[1], filter)?;
    let side = |side: usize, kept: &[usize]| -> Result<Vec<Finished>> {
        let taken = chosen_in_order(kept.len(), most, seeds.sampling, "recompute");
        let texts = taken.into_iter().map(|i| {
            let row = &rows[side][kept[i]];
            row.finished(tokenizer, Border::Separate).map_err(|e: Error| e.at(place(side, row)))
        });
        Ok(texts.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    };
    Ok([side(0, &kept.pos)?, side(1, &kept.neg)?])
}

/// The trait of a file of vectors, under whose name judged answers are scored.
///
/// # Errors
/// A file that does not say of which trait it is.
pub fn trait_of(path: &Path) -> Result<String> {
    let (file, _) = VectorFile::read(path)?;
    file.metadata.get(key::TRAIT).cloned().ok_or_else(|| {
        Error::usage(format!("{}: the file does not say of which trait it is", path.display()))
            .hint("`recompute_every` reads the scores of `pos` and `neg` under the trait's name; extract the vectors with Trimtab")
    })
}
