//! Exact resume: what learns, its moments and the step in one safetensors file, replaced as a whole. The order of the
//! data is a function of the seed, so nothing else needs to be kept.

use std::collections::BTreeMap;
use std::path::Path;

use burn_tensor::{Tensor, TensorData};
use safetensors::Dtype;

use super::context::{FitContext, TrainerState};
use super::optimiser::AdamW;
use super::proof::Proof;
use crate::kernels::FusedOps;
use crate::language_model::{Direction, Finished};
use crate::model::{Learning, Transformer};
use crate::record::Hash;
use crate::steering::Part;
use crate::tensorfile::{self, TensorFile};
use crate::text::TrainingExample;
use crate::vector::PersonaVector;
use crate::{At, Error, Result};

/// What a checkpoint must agree with before a run goes on from it: settings, data, intervention, what is measured on the way
/// and what learns.
pub(super) fn identity<B: FusedOps>(
    model: &mut Transformer<B>,
    learning: Learning,
    context: &FitContext<'_>,
) -> Result<Hash> {
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
    proofs: Vec<Proof>,
}

/// What stands where the run's checkpoint should be.
pub(super) enum Checkpoint {
    /// Nothing.
    None,
    /// One that was truncated or altered: why, with its place.
    Damaged(String),
    /// One to go on from.
    Whole(State),
}

/// The step of the checkpoint at `path`; nothing if there is none that could be gone on from.
pub fn step_of_checkpoint(path: &Path) -> Option<usize> {
    TensorFile::open(path).ok()?.metadata().get("step")?.parse().ok()
}

/// Opens the checkpoint at `path`. An error if it belongs to another run.
pub(super) fn read(path: &Path, identity: &Hash) -> Result<Checkpoint> {
    if !path.exists() {
        return Ok(Checkpoint::None);
    }
    let damaged = |why: String| {
        Ok(Checkpoint::Damaged(format!("{why}; the checkpoint is damaged, so training begins with its first step")))
    };
    let file = match TensorFile::open(path) {
        Ok(file) => file,
        Err(e) => return damaged(e.to_string()),
    };
    let metadata = file.metadata();
    if stored_sum(&file).is_none_or(|sum| sum != sum_of(&file, &metadata)) {
        return damaged(format!("{}: its checksum is not that of its contents", path.display()));
    }
    if metadata.get("identity").map(String::as_str) != Some(identity.as_str()) {
        let what =
            format!("{}: the checkpoint is of another run (settings, data or intervention differ)", path.display());
        return Err(Error::new(what).hint("give another --out, or delete the folder to start anew"));
    }
    let number = |key: &str| metadata.get(key).and_then(|value| value.parse().ok());
    let proofs = metadata.get("proofs").and_then(|text| serde_json::from_str(text).ok());
    let (Some(step), Some(tokens), Some(proofs)) = (number("step"), number("tokens"), proofs) else {
        return damaged(format!("{}: no `step`, `tokens` and `proofs`", path.display()));
    };
    Ok(Checkpoint::Whole(State { file, step, tokens, proofs }))
}

/// The tensor that holds the checksum: a number from 0 to 255 for each byte. It is the last of the file, since it is known last.
const SUM: &str = "checksum";

/// What identifies the contents: the metadata, then name and bytes of each tensor by name.
struct Sum(blake3::Hasher);

impl Sum {
    fn new(metadata: &BTreeMap<String, String>) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&serde_json::to_vec(metadata).expect("a map of strings has a JSON form"));
        Self(hasher)
    }

    fn tensor(&mut self, name: &str, shape: &[usize], bytes: &[u8]) {
        self.0.update(format!("{name} {shape:?};").as_bytes()).update(bytes);
    }

    fn values(&self) -> Vec<f32> {
        self.0.finalize().as_bytes().iter().map(|&byte| f32::from(byte)).collect()
    }
}

fn stored_sum(file: &TensorFile) -> Option<Vec<f32>> {
    file.f32(SUM, &[blake3::OUT_LEN]).ok()
}

fn sum_of(file: &TensorFile, metadata: &BTreeMap<String, String>) -> Vec<f32> {
    let mut sum = Sum::new(metadata);
    for name in file.names().iter().filter(|name| *name != SUM) {
        if let Ok((_, shape, bytes)) = file.raw(name) {
            sum.tensor(name, shape, bytes);
        }
    }
    sum.values()
}

impl State {
    /// Puts the state into the model and the optimiser, and tells where the run stands.
    pub(super) fn restore<B: FusedOps>(
        self,
        model: &mut Transformer<B>,
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
        Ok(TrainerState { step: self.step, tokens: self.tokens, vector, proofs: self.proofs })
    }
}

/// Name of the steering vector that was extracted last.
const VECTOR: &str = "refreshed.vector";

/// Writes the run's state, atomically.
pub(super) fn write<B: FusedOps>(
    path: &Path,
    identity: &Hash,
    model: &mut Transformer<B>,
    learning: Learning,
    optimiser: &AdamW<B>,
    at: &TrainerState,
) -> Result<()> {
    let TrainerState { step, tokens, vector, proofs } = at;
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
        ("proofs".to_owned(), serde_json::to_string(proofs).at(path)?),
    ]);
    shapes.sort();
    let shape_of: BTreeMap<String, Vec<usize>> = shapes.iter().cloned().collect();
    shapes.push((SUM.to_owned(), vec![blake3::OUT_LEN]));
    let mut sum = Sum::new(&metadata);
    tensorfile::write(path, Dtype::F32, &shapes, &metadata, |name| {
        if name == SUM {
            return Ok(sum.values());
        }
        let values: Vec<f32> = match (tensors.get(name), vector) {
            (Some(tensor), _) => tensor.clone().into_data().iter::<f32>().collect(),
            (None, vector) => vector.as_ref().map(|vector| vector.rows.concat()).unwrap_or_default(),
        };
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        sum.tensor(name, &shape_of[name], &bytes);
        Ok(values)
    })
}
