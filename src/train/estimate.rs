//! What a finetune will take, told before any weight is read: steps and tokens by counting, memory by the formula in
//! [`footprint`], time by a trial of one block on the device ([`trial`]).

mod extent;
mod footprint;
mod trial;

use serde::Serialize;

pub use extent::Extent;
pub use footprint::{Footprint, Learned};
pub use trial::Pace;

use super::order::Order;
use super::settings::{FitSettings, Recompute};
use crate::Result;
use crate::kernels::FusedOps;
use crate::model::peft::AdapterConfig;
use crate::model::{ModelConfig, WeightStorage};
use crate::text::TrainingExample;

/// Where a finetune is to run.
#[derive(Debug, Clone, Copy)]
pub struct DeviceLimits {
    /// How frozen matrices are held.
    pub storage: WeightStorage,
    /// Memory in bytes that may be used, where it is known.
    pub memory: Option<u64>,
}

/// Of the memory, the share that a finetune may be predicted to need before its activations are made again instead of kept;
/// the rest is for what no formula knows.
const SHARE: f64 = 0.85;

/// Assumed where a device does not tell its memory.
const MEMORY_ASSUMED: u64 = 8 << 30;

/// What a finetune will take.
#[derive(Debug, Clone, Serialize)]
pub struct FitEstimate {
    /// The device.
    pub device: String,
    /// Values of the model.
    pub parameters: usize,
    /// Values that learn.
    pub learned: usize,
    /// Optimiser steps.
    pub steps: usize,
    /// Examples in each.
    pub examples_per_step: usize,
    /// Tokens that all steps read, without padding.
    pub tokens: usize,
    /// Tokens per step, without padding, on average.
    pub tokens_per_step: f64,
    /// Positions at which something is learned, in all steps.
    pub supervised: usize,
    /// Share of what is computed that is padding.
    pub padding: f64,
    /// The largest micro-batch.
    pub largest: Extent,
    /// Micro-batches side by side.
    pub at_once: usize,
    /// Whether activations are made again in the backward pass.
    pub recompute: bool,
    /// Peak memory.
    pub memory: Footprint,
    /// Peak memory if it were the other way about recomputing.
    pub memory_otherwise: Footprint,
    /// Memory that may be used, in bytes, where it is known.
    pub memory_of_device: Option<u64>,
    /// How long it takes; nothing if it was not tried.
    pub time: Option<Time>,
}

/// How long a finetune takes.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Time {
    /// Seconds per step, on average.
    pub step_seconds: f64,
    /// Seconds of all steps.
    pub seconds: f64,
    /// Tokens per second, without padding.
    pub tokens_per_second: f64,
    /// Seconds that the trial took.
    pub trial_seconds: f64,
}

/// What is known of a finetune's data: its steps as micro-batches.
struct Work {
    /// The micro-batches of a first epoch, or of as many steps as there are, step by step.
    steps: Vec<Vec<Extent>>,
    /// Tokens of those, without padding.
    tokens: usize,
    largest: Extent,
}

/// Epochs that are looked through for the largest micro-batch: shuffling makes a new one in each.
const EPOCHS_SEEN: usize = 4;

impl Work {
    fn new(examples: &[TrainingExample], settings: &FitSettings) -> Self {
        let order = Order::new(examples, settings);
        let total = settings.steps(examples.len());
        let (mut steps, mut tokens, mut largest) = (Vec::new(), 0, Extent::default());
        let mut seen = 0;
        for epoch in 0..settings.epochs.min(EPOCHS_SEEN) {
            for window in order.epoch(epoch).into_iter().take(total - seen) {
                seen += 1;
                let extents: Vec<Extent> = window.chunks(settings.micro_batch).map(Extent::of).collect();
                for extent in &extents {
                    if (extent.tokens(), extent.supervised) > (largest.tokens(), largest.supervised) {
                        largest = *extent;
                    }
                }
                if epoch == 0 {
                    tokens += window.iter().map(|example| example.ids.len()).sum::<usize>();
                    steps.push(extents);
                }
            }
        }
        Self { steps, tokens, largest }
    }

    fn all(&self) -> impl Iterator<Item = &Extent> {
        self.steps.iter().flatten()
    }

    /// A micro-batch of the usual width, for the trial.
    fn usual(&self) -> Extent {
        let count = self.all().count().max(1) as f64;
        let mean = |of: fn(&Extent) -> usize| (self.all().map(|e| of(e) as f64).sum::<f64>() / count).round() as usize;
        let rows = mean(|e| e.rows).max(1);
        Extent { rows, width: mean(Extent::tokens).div_ceil(rows).max(2), supervised: mean(|e| e.supervised).max(1) }
    }
}

/// Whether to make activations again: as the settings say, and if they leave it open, where keeping them would not fit.
pub fn recomputes<B: FusedOps>(
    config: &ModelConfig,
    learned: Learned,
    examples: &[TrainingExample],
    settings: &FitSettings,
    place: DeviceLimits,
) -> bool {
    match settings.recompute {
        Recompute::Always => true,
        Recompute::Never => false,
        Recompute::Auto => {
            let largest = Work::new(examples, settings).largest;
            let kept = Footprint::new::<B>(config, learned, place.storage.dtype.size(), settings, largest, false);
            !fits(&kept, place)
        }
    }
}

fn fits(footprint: &Footprint, place: DeviceLimits) -> bool {
    footprint.total as f64 <= SHARE * place.memory.unwrap_or(MEMORY_ASSUMED) as f64
}

/// Plans the finetune of an adapter. `trial` says whether to try how fast the device is, which takes seconds.
pub fn estimate<B: FusedOps>(
    config: &ModelConfig,
    adapter: &AdapterConfig,
    examples: &[TrainingExample],
    settings: &FitSettings,
    place: DeviceLimits,
    (device, name): (&B::Device, String),
    trial: bool,
) -> Result<FitEstimate> {
    settings.check(examples.len())?;
    let learned = Learned::adapter(&adapter.layout(config)?);
    let work = Work::new(examples, settings);
    let recompute = recomputes::<B>(config, learned, examples, settings, place);
    let footprint =
        |recompute| Footprint::new::<B>(config, learned, place.storage.dtype.size(), settings, work.largest, recompute);
    let (seen, steps) = (work.steps.len(), settings.steps(examples.len()));
    let all = |of_seen: usize| (of_seen as f64 * steps as f64 / seen as f64).round() as usize;
    let padded: usize = work.all().map(Extent::tokens).sum();
    let at_once = footprint::at_once::<B>(config, settings, work.largest);
    let time = trial.then(|| {
        let pace = Pace::measure::<B>(config, adapter, place.storage, device, work.usual(), at_once)?;
        let seconds: f64 = work.steps.iter().map(|step| pace.step(config, step, at_once, recompute)).sum();
        let step_seconds = seconds / seen as f64;
        let tokens_per_second = work.tokens as f64 / seconds;
        Ok::<_, crate::Error>(Time {
            step_seconds,
            seconds: step_seconds * steps as f64,
            tokens_per_second,
            trial_seconds: pace.trial_seconds,
        })
    });
    Ok(FitEstimate {
        device: name,
        parameters: config.tensors().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum(),
        learned: learned.values,
        steps,
        examples_per_step: settings.micro_batch * settings.accumulation,
        tokens: all(work.tokens),
        tokens_per_step: work.tokens as f64 / seen as f64,
        supervised: all(work.all().map(|extent| extent.supervised).sum()),
        padding: 1.0 - work.tokens as f64 / padded as f64,
        largest: work.largest,
        at_once,
        recompute,
        memory: footprint(recompute),
        memory_otherwise: footprint(!recompute),
        memory_of_device: place.memory,
        time: time.transpose()?,
    })
}

#[cfg(all(test, feature = "cpu"))]
mod tests {
    use burn_flex::Flex;
    use burn_tensor::DType;

    use super::*;
    use crate::model::peft::Targets;
    use crate::model::released;

    fn examples(n: usize, ids: usize) -> Vec<TrainingExample> {
        let weights = |_| (0..ids).map(|i| if i == 0 { 0.0 } else { 1.0 }).collect();
        (0..n).map(|i| TrainingExample { ids: vec![1; ids], weights: weights(i) }).collect()
    }

    fn planned(size: &str, ids: usize, settings: &FitSettings, gib: Option<u64>) -> FitEstimate {
        let adapter = AdapterConfig::new(32, 64.0, true, Targets::Names(vec!["q_proj".into(), "down_proj".into()]));
        let place = DeviceLimits { storage: DType::F32.into(), memory: gib.map(|gib| gib << 30) };
        let config = released(size).unwrap();
        let device = (&Default::default(), "cpu".into());
        estimate::<Flex>(&config, &adapter, &examples(40, ids), settings, place, device, false).unwrap()
    }

    #[test]
    fn a_plan_counts_what_a_run_does() {
        let settings = FitSettings { epochs: 3, ..FitSettings::default() };
        let plan = planned("0.5B", 100, &settings, None);
        assert_eq!((plan.steps, plan.examples_per_step), (9, 16));
        assert_eq!((plan.tokens, plan.supervised), (3 * 40 * 100, 3 * 40 * 99));
        assert_eq!(plan.padding, 0.0);
        assert_eq!(plan.learned, 24 * 32 * ((896 + 896) + (896 + 4864)));
        assert_eq!(plan.parameters, 494_032_768);
        let few = planned("0.5B", 100, &FitSettings { max_steps: Some(2), ..settings }, None);
        assert_eq!((few.steps, few.tokens), (2, 2 * 16 * 100));
    }

    #[test]
    fn what_does_not_fit_is_made_again() {
        let settings = FitSettings::default();
        for (gib, said, recompute) in [
            (Some(64), Recompute::Auto, false),
            (Some(6), Recompute::Auto, true),
            (None, Recompute::Auto, true),
            (Some(6), Recompute::Never, false),
            (Some(64), Recompute::Always, true),
        ] {
            let plan = planned("0.5B", 2048, &FitSettings { recompute: said, ..settings.clone() }, gib);
            assert_eq!(plan.recompute, recompute, "{gib:?} {said:?}");
        }
    }

    #[test]
    fn memory_grows_with_the_length_and_not_with_its_square() {
        let settings = FitSettings { recompute: Recompute::Never, ..FitSettings::default() };
        let grown = |ids| {
            let memory = planned("0.5B", ids, &settings, None).memory;
            (memory.total - memory.weights) as f64
        };
        let ratio = (grown(8192) - grown(4096)) / (grown(4096) - grown(2048));
        assert!((ratio - 2.0).abs() < 0.05, "{ratio}");
    }
}
