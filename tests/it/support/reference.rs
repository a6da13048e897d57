//! The models, data and settings with which the golden numbers of training were made.

use std::ops::ControlFlow;

use burn_tensor::{DType, Tensor};
use trimtab::kernels::FusedOps;
use trimtab::language_model::{Direction, Finished};
use trimtab::model::peft::Adapter;
use trimtab::model::{Architecture, Learning, Transformer};
use trimtab::steering::{Op, Positions, SteeringRecipe};
use trimtab::text::{Batch, TrainingExample};
use trimtab::train::{
    self, Event, FitContext, FitSettings, GradientProjection, Mode, ProbeCallback, Regularizer, StepReport,
};
use trimtab::vector::{IncBase, Layer, Layers, PersonaVector};

use super::goldens::{Golden, Goldens, assert_close};

impl Goldens {
    /// The tiny model.
    pub fn load<B: FusedOps>(&self, device: &B::Device) -> Transformer<B> {
        Transformer::load(&self.model, device, DType::F32).unwrap()
    }

    /// The tiny model with PEFT's adapter.
    pub fn adapted<B: FusedOps>(&self, device: &B::Device) -> Transformer<B> {
        let model = self.load::<B>(device);
        model.with_adapter(&Adapter::read(&self.adapter, &model.config).unwrap())
    }

    /// The golden vectors: a row for each block of the tiny model and one for the embedding.
    pub fn vectors(&self) -> PersonaVector {
        let golden = self.floats("steer.vectors");
        PersonaVector::new(golden.values.chunks(golden.shape[1]).map(<[f32]>::to_vec).collect()).unwrap()
    }

    /// The eight chats as training examples, straight from the golden ids and labels.
    pub fn examples(&self) -> Vec<TrainingExample> {
        let integers = |name: &str| self.integers(name);
        let (ids, mask, labels) =
            (integers("sft.input_ids"), integers("sft.attention_mask").values, integers("sft.labels").values);
        let width = ids.shape[1];
        (0..ids.shape[0])
            .map(|row| {
                let real: Vec<usize> = (row * width..(row + 1) * width).filter(|&i| mask[i] == 1).collect();
                TrainingExample {
                    ids: real.iter().map(|&i| ids.values[i] as u32).collect(),
                    weights: real.iter().map(|&i| if labels[i] >= 0 { 1.0 } else { 0.0 }).collect(),
                }
            })
            .collect()
    }

    /// The first `n` examples as one batch, and its number of supervised tokens.
    pub fn batch(&self, n: usize) -> (Batch, f32) {
        let batch = Batch::collate(&self.examples()[..n].iter().collect::<Vec<_>>(), 0);
        let divisor = batch.weights.iter().sum();
        (batch, divisor)
    }
}

fn qwen2() -> &'static Goldens {
    Goldens::of(Architecture::Qwen2)
}

/// The tiny Qwen2 model.
pub fn tiny<B: FusedOps>(device: &B::Device) -> Transformer<B> {
    qwen2().load(device)
}

/// The tiny Qwen2 model with PEFT's adapter.
pub fn adapted<B: FusedOps>(device: &B::Device) -> Transformer<B> {
    qwen2().adapted(device)
}

pub fn values<B: FusedOps, const D: usize>(t: Tensor<B, D>) -> Vec<f32> {
    t.into_data().iter::<f32>().collect()
}

/// The golden vectors: five rows of the tiny Qwen2's width.
pub fn vectors() -> PersonaVector {
    qwen2().vectors()
}

/// The golden vectors with their channels rolled by 7: the second direction of the golden span.
pub fn rolled() -> PersonaVector {
    let roll = |mut row: Vec<f32>| {
        row.rotate_right(7);
        row
    };
    PersonaVector::new(vectors().rows.into_iter().map(roll).collect()).unwrap()
}

/// [`Goldens::examples`] of Qwen2's.
pub fn examples() -> Vec<TrainingExample> {
    qwen2().examples()
}

/// [`Goldens::batch`] of Qwen2's.
pub fn batch(n: usize) -> (Batch, f32) {
    qwen2().batch(n)
}

/// Three texts with a border, cut out of the chats.
pub fn texts(from: usize) -> Vec<Finished> {
    let text = |example: &TrainingExample| {
        let (prompt, response) = example.ids.split_at(example.prompt());
        Finished { prompt_ids: prompt.to_vec(), response_ids: response.to_vec() }
    };
    examples()[from..from + 3].iter().map(text).collect()
}

/// Compares parameters with goldens of PEFT's names and orientation, which is the transpose of ours.
#[track_caller]
pub fn check_parameters(
    prefix: &str,
    golden: impl Fn(&str) -> Golden<f32>,
    found: impl IntoIterator<Item = (String, [usize; 2], Vec<f32>)>,
    bound: f32,
) {
    for (name, [rows, columns], values) in found {
        let name = format!("{prefix}.{}", name.replace("model.layers.", "layers."));
        let transposed: Vec<f32> =
            (0..columns).flat_map(|c| (0..rows).map(move |r| r * columns + c)).map(|i| values[i]).collect();
        assert_close(&name, &transposed, &golden(&name).values, bound);
    }
}

// ---------------------------------------------------------------------------------------------------------- training

/// Those of the golden training.
pub fn settings() -> FitSettings {
    FitSettings {
        learning_rate: 1e-3,
        warmup_steps: 2,
        micro_batch: 2,
        accumulation: 2,
        epochs: 5,
        shuffle: false,
        ..FitSettings::default()
    }
}

/// That of the goldens.
pub fn regularizer(mode: Mode) -> Regularizer {
    let direction = |layer| Direction { layer, vector: vectors().row(layer).to_vec() };
    Regularizer { mode, lambda: 0.1, directions: [Layer(2), Layer(3)].map(direction).to_vec() }
}

pub fn recipe() -> SteeringRecipe {
    let (op, layers, positions) = (Op::Add, Layers::all(), Positions::All);
    SteeringRecipe { op, layers, coef: 2.0, positions, incremental: true, base: IncBase::Embedding }
}

pub fn watch(stop_above: Option<f64>) -> ProbeCallback {
    let direction = Direction { layer: Layer(3), vector: vectors().row(Layer(3)).to_vec() };
    ProbeCallback { every: 3, texts: texts(4), direction, stop_above, pressure: None }
}

pub fn gradient_projection() -> GradientProjection {
    GradientProjection::drawn(&examples(), 3, 1, &vectors())
}

/// Trains and gives the report of each step.
pub fn steps<B: FusedOps>(model: &mut Transformer<B>, context: &FitContext<'_>) -> Vec<StepReport> {
    let mut reports = Vec::new();
    train::fit(model, Learning::Lora, context, &mut |event| {
        if let Event::Step(report, ..) = event {
            reports.push(*report);
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    reports
}
