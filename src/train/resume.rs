//! Exact resume: what learns, its moments and the step in one safetensors file, replaced as a whole. The order of the
//! data is a function of the seed, so nothing else needs to be kept.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{Tensor, TensorData};
use safetensors::Dtype;

use super::context::{FitContext, TrainerState};
use super::optimiser::AdamW;
use crate::kernels::FusedOps;
use crate::language_model::{Direction, Finished};
use crate::model::{Learning, Qwen};
use crate::record::Hash;
use crate::steering::Part;
use crate::tensorfile::{self, TensorFile};
use crate::text::TrainingExample;
use crate::vector::PersonaVector;
use crate::{Error, Result};

/// What a checkpoint must agree with before a run goes on from it: settings, data, intervention, what is measured on the way
/// and what learns.
pub(super) fn identity<B: FusedOps>(model: &mut Qwen<B>, learning: Learning, context: &FitContext<'_>) -> Result<Hash> {
    let plan = model.steering.as_ref().map(|steering| {
        let of_part = |part: &Part| {
            let vectors: Vec<_> = part.steers.iter().map(|s| (s.layer, &s.vector)).collect();
            Hash::of(&(part.op, part.coef, part.positions, vectors))
        };
        steering.plan().parts.iter().map(of_part).collect::<Vec<_>>()
    });
    let direction = |d: &Direction| Hash::of(&(d.layer, &d.vector));
    let texts = |texts: &[Finished]| {
        Hash::of(&texts.iter().map(|text| (&text.prompt_ids, &text.response_ids)).collect::<Vec<_>>())
    };
    let regularize = context.regularize.map(|r| {
        let directions: Vec<Hash> = r.directions.iter().map(direction).collect();
        Hash::of(&(r.mode, r.lambda, directions))
    });
    let examples = |examples: &[TrainingExample]| {
        Hash::of(&examples.iter().map(|l| (l.ids.as_slice(), l.weights.as_slice())).collect::<Vec<_>>())
    };
    let pressure = context.watch.and_then(|watch| watch.pressure.as_ref());
    let pressure = pressure.map(|p| (examples(&p.examples), p.directions.iter().map(direction).collect::<Vec<_>>()));
    let watch =
        context.watch.map(|w| Hash::of(&(w.every, texts(&w.texts), direction(&w.direction), w.stop_above, pressure)));
    let refresh = context
        .refresh
        .map(|r| Hash::of(&(r.every, r.texts.each_ref().map(|side| texts(side)), &r.recipe, &r.first.rows)));
    let learns: Vec<(String, usize)> =
        model.parameters(learning).into_iter().map(|(name, parameter)| (name, parameter.len())).collect();
    Ok(Hash::of(&(context.settings.decisive(), examples(context.examples), plan, regularize, watch, refresh, learns)))
}

/// A checkpoint that fits the run.
pub(super) struct State {
    file: TensorFile,
    step: usize,
    tokens: usize,
}

/// Opens the checkpoint at `path`, if there is one. An error if it belongs to another run.
pub(super) fn read(path: &Path, identity: &Hash) -> Result<Option<State>> {
    if !path.exists() {
        return Ok(None);
    }
    let file = TensorFile::open(path)?;
    let metadata = file.metadata();
    if metadata.get("identity").map(String::as_str) != Some(identity.as_str()) {
        let what =
            format!("{}: the checkpoint is of another run (settings, data or intervention differ)", path.display());
        return Err(Error::new(what).hint("give another --out, or delete the folder to start anew"));
    }
    let number = |key: &str| {
        let value = metadata.get(key).and_then(|v| v.parse().ok());
        value.ok_or_else(|| {
            Error::new(format!("{}: the checkpoint's `{key}` is missing or not a number", path.display()))
        })
    };
    let (step, tokens) = (number("step")?, number("tokens")?);
    Ok(Some(State { file, step, tokens }))
}

impl State {
    /// Puts the state into the model and the optimiser, and tells where the run stands.
    pub(super) fn restore<B: FusedOps>(
        self,
        model: &mut Qwen<B>,
        learning: Learning,
        optimiser: &mut AdamW<B>,
    ) -> Result<TrainerState> {
        let device = model.device.clone();
        let read = |name: String, n: usize| -> Result<Tensor<B, 1>> {
            Ok(Tensor::from_data(TensorData::new(self.file.f32(&name, &[n])?, [n]), &device))
        };
        let mut moments = Vec::new();
        for (name, mut parameter) in model.parameters(learning) {
            let n = parameter.len();
            parameter.set(read(name.clone(), n)?);
            moments.push((read(format!("{name}.moment_1"), n)?, read(format!("{name}.moment_2"), n)?));
        }
        optimiser.moments = moments;
        optimiser.steps = self.step;
        let (rows, hidden) = (model.blocks.len() + 1, model.config.hidden_size);
        let vector = match self.file.shape(VECTOR).is_some() {
            true => {
                let values = self.file.f32(VECTOR, &[rows, hidden])?;
                Some(PersonaVector::new(values.chunks(hidden).map(<[f32]>::to_vec).collect())?)
            }
            false => None,
        };
        Ok(TrainerState { step: self.step, tokens: self.tokens, vector })
    }
}

/// Name of the steering vector that was extracted last.
const VECTOR: &str = "refreshed.vector";

/// Writes the run's state, atomically.
pub(super) fn write<B: FusedOps>(
    path: &Path,
    identity: &Hash,
    model: &mut Qwen<B>,
    learning: Learning,
    optimiser: &AdamW<B>,
    at: &TrainerState,
) -> Result<()> {
    let TrainerState { step, tokens, vector } = at;
    let mut tensors: BTreeMap<String, Tensor<B, 1>> = BTreeMap::new();
    for ((name, parameter), (first, second)) in model.parameters(learning).into_iter().zip(&optimiser.moments) {
        tensors.insert(format!("{name}.moment_1"), first.clone());
        tensors.insert(format!("{name}.moment_2"), second.clone());
        tensors.insert(name, parameter.flat());
    }
    let mut shapes: Vec<(String, Vec<usize>)> =
        tensors.iter().map(|(name, t)| (name.clone(), t.dims().to_vec())).collect();
    shapes.extend(vector.as_ref().map(|vector| (VECTOR.to_owned(), vec![vector.rows.len(), vector.hidden()])));
    let metadata = BTreeMap::from([
        ("identity".to_owned(), identity.to_string()),
        ("step".to_owned(), step.to_string()),
        ("tokens".to_owned(), tokens.to_string()),
    ]);
    tensorfile::write(path, Dtype::F32, &shapes, &metadata, |name| {
        Ok(match (tensors.get(name), vector) {
            (Some(tensor), _) => tensor.clone().into_data().iter::<f32>().collect(),
            (None, vector) => vector.as_ref().map(|vector| vector.rows.concat()).unwrap_or_default(),
        })
    })
}
