//! How fast a device is: one block of the real shape, forward and backward at two lengths, a piece of the head, and the
//! optimiser; seconds, not minutes, and no weights but made-up ones.

use std::time::Instant;

use burn_tensor::Tensor;

use super::extent::Extent;
use crate::Result;
use crate::kernels::FusedOps;
use crate::model::peft::{Adapter, AdapterConfig, Targets};
use crate::model::{Learning, ModelConfig, Transformer, WeightStorage};
use crate::text::{Batch, TrainingExample};
use crate::train::gradients::gradients;
use crate::train::loss::{head_chunk, logits_per_chunk};
use crate::train::optimiser::AdamW;
use crate::train::settings::FitSettings;

/// Rows of the vocabulary that the trial's head has; the real one takes as many times longer as it has more.
const VOCABULARY: usize = 8192;

/// Seconds of a block, forward and backward, below which what is around the blocks is worth a measurement.
const SHORT: f64 = 0.1;

/// Seconds of a block as a function of a micro-batch's size.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Cost {
    fixed: f64,
    per_token: f64,
    /// Attention: tokens times the columns they see.
    per_pair: f64,
}

impl Cost {
    /// Through two measurements, the second of a shorter micro-batch.
    fn through((long, t): (Extent, f64), (short, u): (Extent, f64)) -> Self {
        let (n, m) = (long.tokens() as f64, short.tokens() as f64);
        let (a, b) = (t / n, u / m);
        if long.width == short.width {
            return Self { fixed: 0.0, per_token: a, per_pair: 0.0 };
        }
        if b > a {
            // So short that starting weighs more than attending.
            let per_token = ((t - u) / (n - m)).max(0.0);
            return Self { fixed: (t - per_token * n).max(0.0), per_token, per_pair: 0.0 };
        }
        let per_pair = (a - b) / (long.width - short.width) as f64;
        Self { fixed: 0.0, per_token: (a - per_pair * long.width as f64).max(0.0), per_pair }
    }

    fn of(&self, extent: &Extent) -> f64 {
        let tokens = extent.tokens() as f64;
        self.fixed + tokens * (self.per_token + self.per_pair * extent.width as f64)
    }
}

/// How fast a device is at a model of some shape.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    forward: Cost,
    backward: Cost,
    /// Seconds of head and loss per supervised position.
    supervised: f64,
    /// Seconds per micro-batch of all that is around the blocks and the head.
    around: f64,
    /// Seconds of the optimiser per block.
    optimiser: f64,
    /// Seconds that finding it out took.
    pub trial_seconds: f64,
}

impl Pace {
    /// Tries it with micro-batches of the usual size, as many side by side as the finetune will have.
    pub fn measure<B: FusedOps>(
        config: &ModelConfig,
        adapter: &AdapterConfig,
        storage: WeightStorage,
        device: &B::Device,
        usual: Extent,
        at_once: usize,
    ) -> Result<Self> {
        let began = Instant::now();
        let vocab_size = config.vocab_size.min(VOCABULARY);
        let small = ModelConfig { num_hidden_layers: 1, vocab_size, ..config.clone() };
        // What sits on some block, on the one: names and patterns of single blocks would leave it bare.
        let slots = adapter.layout(config)?;
        let rank = slots.iter().map(|slot| slot.rank).max().unwrap_or(adapter.r);
        let mut targets: Vec<String> = slots.iter().map(|slot| slot.projection.to_owned()).collect();
        targets.sort_unstable();
        targets.dedup();
        let one = AdapterConfig::new(rank, adapter.lora_alpha, adapter.use_rslora, Targets::Names(targets));
        let model =
            Transformer::<B>::made_up(small.clone(), device, storage).with_adapter(&Adapter::fresh(one, &small, 0)?);
        let short = Extent { width: (usual.width / 2).max(2), ..usual };
        let (long_forward, long_backward) = block(&model, usual, at_once);
        let (short_forward, short_backward) = block(&model, short, at_once);
        let forward = Cost::through((usual, long_forward), (short, short_forward));
        let backward = Cost::through((usual, long_backward), (short, short_backward));

        let positions = logits_per_chunk(config.vocab_size).min(usual.supervised);
        let table = config.vocab_size as f64 / vocab_size as f64;
        let position = head(&model, positions, at_once) / positions as f64;
        let known = long_forward + long_backward + position * usual.supervised as f64;
        let around = if known < SHORT { (whole(&model, usual, at_once) - known).max(0.0) } else { 0.0 };
        let supervised = position * table;
        let optimiser = optimiser(model);
        let trial_seconds = began.elapsed().as_secs_f64();
        Ok(Self { forward, backward, supervised, around, optimiser, trial_seconds })
    }

    /// Seconds of a step of these micro-batches.
    pub fn step(&self, config: &ModelConfig, step: &[Extent], at_once: usize, recompute: bool) -> f64 {
        let blocks = config.num_hidden_layers as f64;
        let forwards = if recompute { 2.0 } else { 1.0 };
        let group = |group: &[Extent]| {
            let longest = group.iter().max_by_key(|extent| extent.tokens()).expect("a group has a micro-batch");
            let supervised = group.iter().map(|extent| extent.supervised).max().unwrap_or(0);
            blocks * (forwards * self.forward.of(longest) + self.backward.of(longest))
                + supervised as f64 * self.supervised
                + self.around
        };
        blocks * self.optimiser + step.chunks(at_once).map(group).sum::<f64>()
    }
}

/// Seconds that a piece of work takes: long work is done twice and its better time taken; short work is done for a while and
/// its middle time taken, for what slows it down here all the time will slow the finetune down, too. The first time never
/// counts alone, since devices prepare their kernels then.
fn timed<B: FusedOps>(device: &B::Device, mut work: impl FnMut()) -> f64 {
    const WHILE: f64 = 0.5;
    let mut times: Vec<f64> = Vec::new();
    while times.len() < 2 || (times.iter().sum::<f64>() < WHILE && times.len() < 50) {
        let began = Instant::now();
        work();
        // A device that cannot be waited for would have failed to compute, too.
        let _ = B::sync(device);
        times.push(began.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    times[(times.len() - 1) / 2]
}

/// A micro-batch of that size.
fn batch<B: FusedOps>(model: &Transformer<B>, extent: Extent) -> Batch {
    let learned = extent.supervised.div_ceil(extent.rows).clamp(1, extent.width - 1);
    let example = TrainingExample {
        ids: (0..extent.width).map(|i| (i * 7 % model.config.vocab_size) as u32).collect(),
        weights: (0..extent.width).map(|i| if i + learned < extent.width { 0.0 } else { 1.0 }).collect(),
    };
    Batch::collate(&vec![&example; extent.rows], 0)
}

/// Seconds of a whole micro-batch through the one block.
fn whole<B: FusedOps>(model: &Transformer<B>, extent: Extent, at_once: usize) -> f64 {
    timed::<B>(&model.device, || {
        drop(B::side_by_side(vec![(); at_once], |()| {
            drop(gradients(model, Learning::Lora, &batch(model, extent), 1.0, false, None));
        }));
    })
}

/// Seconds of one block forward and backward, of `at_once` micro-batches side by side.
fn block<B: FusedOps>(model: &Transformer<B>, extent: Extent, at_once: usize) -> (f64, f64) {
    let batch = batch(model, extent);
    let pass = model.pass(&batch.rows, batch.rows.width);
    let x = model.embed(&pass);
    let together = |work: &(dyn Fn() + Sync)| drop(B::side_by_side(vec![(); at_once], |()| work()));
    let forward = timed::<B>(&model.device, || together(&|| drop(model.block(0, x.clone(), &pass))));
    let (out, kept) = model.block(0, x.clone(), &pass);
    let backward = timed::<B>(&model.device, || {
        together(&|| drop(model.blocks[0].backward(kept.clone(), out.clone(), &pass, Learning::Lora, None)));
    });
    (forward, backward)
}

/// Seconds of the loss and its gradient at so many positions.
fn head<B: FusedOps>(model: &Transformer<B>, positions: usize, at_once: usize) -> f64 {
    let device = &model.device;
    let x = Tensor::<B, 2>::ones([positions, model.config.hidden_size], device);
    let targets = Tensor::zeros([positions], device);
    let weights = Tensor::ones([positions], device);
    timed::<B>(device, || {
        drop(B::side_by_side(vec![(); at_once], |()| drop(head_chunk(model.head(), &x, &targets, &weights))));
    })
}

/// Seconds of the optimiser over one block.
fn optimiser<B: FusedOps>(mut model: Transformer<B>) -> f64 {
    let mut optimiser = AdamW::new(&FitSettings::default());
    let device = model.device.clone();
    let lens: Vec<usize> = model.parameters(Learning::Lora).iter().map(|(_, parameter)| parameter.len()).collect();
    let zeros = B::gathering(&lens, None, &device);
    timed::<B>(&device, || drop(optimiser.step(&mut model.parameters(Learning::Lora), zeros.clone(), 1e-6)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_goes_through_what_was_measured() {
        let extent = |width| Extent { rows: 2, width, supervised: 0 };
        for (t, u) in [(10.0, 4.0), (10.0, 6.0), (10.0, 5.0)] {
            let cost = Cost::through((extent(100), t), (extent(50), u));
            assert!((cost.of(&extent(100)) - t).abs() < 1e-9, "{cost:?}");
            assert!((cost.of(&extent(50)) - u).abs() < 1e-9, "{cost:?}");
        }
        // Attention is quadratic: twice the length takes more than twice as long, and four times as long still more.
        let cost = Cost::through((extent(100), 10.0), (extent(50), 4.0));
        assert!(cost.of(&extent(200)) > 20.0 && cost.of(&extent(10)) > 0.0);
        assert_eq!(Cost::through((extent(1), 3.0), (extent(1), 3.0)).of(&extent(2)), 6.0);
    }
}
