//! What is measured while a model learns: how far a probe set fixed in advance drifts along a vector, and how hard the data
//! pulls along it. It changes nothing that is learned.

use serde::Serialize;

use super::data::SourcedChat;
use super::seeds::Seeds;
use crate::language_model::{Direction, Finished};
use crate::persona::{Border, Exchange, finish};
use crate::record::Hash;
use crate::text::{Tokenizer, TrainingExample};
use crate::train::{FitSettings, GradientProjection, ProbeCallback};
use crate::vector::{Layer, PersonaVector};
use crate::{Error, Result};

/// A probe set, and along what it is measured.
#[derive(Debug, Clone)]
pub struct Watch {
    /// Steps from one measurement to the next.
    pub every: usize,
    /// The probe set.
    pub texts: Vec<Finished>,
    /// Where the drift is measured.
    pub layer: Layer,
    /// Along what.
    pub vector: PersonaVector,
    /// Identity of the vector's numbers.
    pub fingerprint: String,
    /// The run ends where the mean projection has risen by more than this.
    pub stop_above: Option<f64>,
    /// Whether the gradient along the vector is measured too.
    pub gradient: bool,
}

/// All that decides what is measured.
#[derive(Debug, Serialize)]
pub(super) struct WatchKey<'a> {
    every: usize,
    texts: Hash,
    layer: Layer,
    vector: &'a str,
    stop_above: Option<f64>,
    gradient: bool,
}

impl Watch {
    pub(super) fn key(&self) -> WatchKey<'_> {
        let Self { every, layer, stop_above, gradient, .. } = *self;
        WatchKey { every, texts: fingerprint(&self.texts), layer, vector: &self.fingerprint, stop_above, gradient }
    }

    /// As the trainer takes it. The gradient is measured on as many training examples as make a step, always the same.
    pub(super) fn callback(&self, examples: &[TrainingExample], fit: &FitSettings, seeds: &Seeds) -> ProbeCallback {
        let step = fit.micro_batch * fit.accumulation;
        let gradient = || GradientProjection::drawn(examples, step, seeds.sampling, &self.vector);
        ProbeCallback {
            every: self.every,
            texts: self.texts.clone(),
            direction: Direction { layer: self.layer, vector: self.vector.row(self.layer).to_vec() },
            stop_above: self.stop_above,
            pressure: self.gradient.then(gradient),
        }
    }
}

/// The last answer of a chat under everything before it; nothing if one of both is empty.
///
/// # Errors
/// A chat that ends in no answer.
pub fn answer_of(chat: &SourcedChat, tokenizer: &Tokenizer) -> Result<Option<Finished>> {
    let finished = || {
        let Exchange { prompt, answer } = Exchange::of(chat.messages()?.to_vec(), false)?;
        finish(tokenizer, &tokenizer.chat_text(&prompt, true)?, &answer, Border::Separate)
    };
    finished().map_err(|e: Error| e.at(&chat.source))
}

/// Identity of some texts.
pub(super) fn fingerprint(texts: &[Finished]) -> Hash {
    Hash::of(&texts.iter().map(|text| (&text.prompt_ids, &text.response_ids)).collect::<Vec<_>>())
}
