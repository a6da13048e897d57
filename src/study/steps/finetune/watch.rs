//! What every finetune of a study is watched with while it learns: how far a probe set fixed in advance drifts along the trait's
//! vector, and how hard the data pulls along it (METHOD K5, K11).

use serde::{Deserialize, Serialize};

use super::arms::single_layer;
use super::data::Taught;
use super::pieces::Piece;
use super::pipeline::Pipeline;
use super::vectors::rows_file;
use crate::language_model::{Direction, Finished};
use crate::persona::{Border, Exchange, Row, Side, finish, read_rows};
use crate::record::{Hash, hash_file};
use crate::text::{Tokenizer, TrainingExample, chosen};
use crate::train::{GradientProjection, ProbeCallback};
use crate::vector::VectorFile;
use crate::{Result, ensure};

/// What is measured of every finetune while it learns; it changes nothing that is learned. The direction is that of the
/// finetune's own trait, of the study's first for a plain finetune, at the layer of `arms.layer`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WatchSettings {
    /// Steps from one measurement to the next; the beginning and the last step are measured too.
    pub every: usize,
    /// Texts of the probe set: half of them the base model's answers under prompts that call the trait up, half its answers under
    /// prompts that ward it off, each under its prompt. Where the study extracts no vector and so has none, as many of the
    /// conversations to be learned.
    pub texts: usize,
    /// Whether the pressure of the gradient is measured too, at every layer, with the intervention and without: on as many
    /// conversations as make a step.
    pub gradient: bool,
}

impl Default for WatchSettings {
    fn default() -> Self {
        Self { every: 20, texts: 32, gradient: true }
    }
}

impl Pipeline<'_> {
    /// The trait along whose vector a finetune is watched.
    fn watched<'v>(&self, piece: &Piece, vectors: &[(usize, &'v VectorFile)]) -> Option<(usize, &'v VectorFile)> {
        let t = piece.trait_.unwrap_or_default();
        vectors.iter().find(|(of, _)| *of == t).copied()
    }

    /// All that decides what is measured; nothing if nothing is.
    pub(super) fn watch_key(&self, piece: &Piece, vectors: &[(usize, &VectorFile)]) -> Result<Option<Hash>> {
        let (Some(settings), Some((t, file))) = (&self.config.watch, self.watched(piece, vectors)) else {
            return Ok(None);
        };
        let layer = single_layer(self.config, file.response_avg.layers())?;
        let answers = self.answers_of(t).map(|files| files.map(|file| hash_file(&file)));
        let answers = answers.map(|[pos, neg]| Ok::<_, crate::Error>([pos?, neg?])).transpose()?;
        Ok(Some(Hash::of(&(settings, self.config.seed, layer, &file.fingerprint, answers))))
    }

    /// What is measured while a finetune learns `lessons`; `taught` is the data before any treatment, so that every arm is watched on
    /// the same texts.
    pub(super) fn watch(
        &self,
        piece: &Piece,
        vectors: &[(usize, &VectorFile)],
        taught: &[Taught],
        lessons: &[TrainingExample],
    ) -> Result<Option<ProbeCallback>> {
        let (Some(settings), Some((t, file))) = (&self.config.watch, self.watched(piece, vectors)) else {
            return Ok(None);
        };
        let vector = &file.response_avg;
        let layer = single_layer(self.config, vector.layers())?;
        let step = self.config.train.micro_batch * self.config.train.accumulation;
        let texts = self.probe_set(t, taught, settings.texts)?;
        ensure!(!texts.is_empty(), "`watch`: there is no text that could be watched");
        Ok(Some(ProbeCallback {
            every: settings.every,
            texts,
            direction: Direction { layer, vector: vector.row(layer).to_vec() },
            stop_above: None,
            pressure: settings.gradient.then(|| GradientProjection::drawn(lessons, step, self.config.seed, vector)),
        }))
    }

    /// The files of the base model's judged answers under both kinds of a trait's prompts, if the study asked for them.
    fn answers_of(&self, t: usize) -> Option<[std::path::PathBuf; 2]> {
        let asked = self.config.vector_file(&self.data.traits[t].name).is_none();
        asked.then(|| [Side::Pos, Side::Neg].map(|side| rows_file(&self.vector_folder(t), side)))
    }

    fn probe_set(&self, t: usize, taught: &[Taught], count: usize) -> Result<Vec<Finished>> {
        let tokenizer = Tokenizer::load(&self.config.model)?;
        let drawn = |n: usize, count: usize| {
            let mut places = chosen(n, count, self.config.seed, "probe set");
            places.sort_unstable();
            places
        };
        let mut texts = Vec::new();
        let Some(files) = self.answers_of(t) else {
            for i in drawn(taught.len(), count) {
                let exchange = Exchange::of(taught[i].messages.clone(), false).map_err(|e| e.at(&taught[i].place))?;
                let prompt = tokenizer.chat_text(&exchange.prompt, true)?;
                texts.extend(finish(&tokenizer, &prompt, &exchange.answer, Border::Separate)?);
            }
            return Ok(texts);
        };
        for (file, count) in files.iter().zip([count.div_ceil(2), count / 2]) {
            let rows: Vec<Row> = read_rows(file, &self.data.traits[t].name)?;
            for i in drawn(rows.len(), count) {
                texts.extend(rows[i].finished(&tokenizer, Border::Separate)?);
            }
        }
        Ok(texts)
    }
}
