//! Which examples make which step. The order is a function of the seed and the step, so a resumed run needs no state.
//!
//! Where every supervised token of a step counts the same, how the step is cut into micro-batches changes nothing but
//! rounding. Its examples are sorted by length then, so that those padded to one another are of similar length.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::settings::{FitSettings, LossAverage};
use crate::record::seed_of;
use crate::text::TrainingExample;

/// Steps whose examples are sorted together by length.
const STEPS_PER_GROUP: usize = 32;

/// The data in training order.
pub struct Order<'a> {
    examples: &'a [TrainingExample],
    window: usize,
    shuffle: Option<u64>,
    group_by_length: bool,
    sort_within_steps: bool,
}

impl<'a> Order<'a> {
    /// The order that `settings` ask for.
    pub fn new(examples: &'a [TrainingExample], settings: &FitSettings) -> Self {
        Self {
            examples,
            window: settings.micro_batch * settings.accumulation,
            shuffle: settings.shuffle.then_some(settings.seed),
            group_by_length: settings.group_by_length,
            sort_within_steps: settings.accumulation > 1 && settings.loss_average == LossAverage::Tokens,
        }
    }

    /// The examples of step `k`, counted from 0. The last step of an epoch may be short.
    pub fn step(&self, k: usize) -> Vec<&'a TrainingExample> {
        let per_epoch = self.examples.len().div_ceil(self.window);
        let windows = self.windows(k / per_epoch);
        self.examples_of(&windows[k % per_epoch])
    }

    /// The examples of every step of an epoch.
    pub fn epoch(&self, epoch: usize) -> Vec<Vec<&'a TrainingExample>> {
        self.windows(epoch).iter().map(|window| self.examples_of(window)).collect()
    }

    fn examples_of(&self, window: &[usize]) -> Vec<&'a TrainingExample> {
        let mut examples: Vec<_> = window.iter().map(|&i| &self.examples[i]).collect();
        if self.sort_within_steps {
            examples.sort_by_key(|example| example.ids.len());
        }
        examples
    }

    fn windows(&self, epoch: usize) -> Vec<Vec<usize>> {
        let mut indices: Vec<usize> = (0..self.examples.len()).collect();
        let mut rng = self.shuffle.map(|seed| ChaCha8Rng::seed_from_u64(seed_of(seed, &format!("order {epoch}"))));
        if let Some(rng) = &mut rng {
            shuffle(&mut indices, rng);
        }
        if self.group_by_length {
            for group in indices.chunks_mut(self.window * STEPS_PER_GROUP) {
                group.sort_by_key(|&i| self.examples[i].ids.len());
            }
        }
        let mut windows: Vec<Vec<usize>> = indices.chunks(self.window).map(<[usize]>::to_vec).collect();
        if let (true, Some(rng)) = (self.group_by_length, &mut rng) {
            shuffle(&mut windows, rng);
        }
        windows
    }
}

/// Fisher and Yates, written out because the order must survive a change of the random crate's version.
fn shuffle<T>(items: &mut [T], rng: &mut ChaCha8Rng) {
    use rand_chacha::rand_core::RngCore;
    for i in (1..items.len()).rev() {
        items.swap(i, (rng.next_u64() % (i as u64 + 1)) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examples(n: usize) -> Vec<TrainingExample> {
        (0..n).map(|i| TrainingExample { ids: vec![i as u32; 1 + i % 5], weights: vec![1.0; 1 + i % 5] }).collect()
    }

    fn order<'a>(examples: &'a [TrainingExample], shuffle: bool, group_by_length: bool) -> Order<'a> {
        let settings =
            FitSettings { micro_batch: 2, accumulation: 2, shuffle, group_by_length, ..FitSettings::default() };
        Order::new(examples, &settings)
    }

    #[test]
    fn every_epoch_reads_every_example_once() {
        let examples = examples(10);
        for (shuffle, group) in [(false, false), (true, false), (true, true), (false, true)] {
            let order = order(&examples, shuffle, group);
            for epoch in 0..3 {
                let mut seen: Vec<u32> = (0..3).flat_map(|w| order.step(epoch * 3 + w)).map(|l| l.ids[0]).collect();
                seen.sort_unstable();
                assert_eq!(seen, (0..10).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn shuffling_is_seeded_and_differs_by_epoch() {
        let examples = examples(40);
        let shuffled = order(&examples, true, false);
        assert_eq!(shuffled.step(3), order(&examples, true, false).step(3));
        assert_ne!(shuffled.windows(0), shuffled.windows(1));
        // The second step of the second epoch: the examples 4 to 7, the shortest first.
        let order = order(&examples, false, false);
        assert_eq!(order.step(11).iter().map(|example| example.ids[0]).collect::<Vec<_>>(), [5, 6, 7, 4]);
    }

    /// Chats of 40 to 400 tokens, in pairs, eight pairs a step: the defaults.
    #[test]
    fn little_of_a_step_is_padding() {
        let examples: Vec<_> = (0..800_usize)
            .map(|i| TrainingExample { ids: vec![0; 40 + i * 7919 % 361], weights: Vec::new() })
            .collect();
        let padding = |settings: &FitSettings| {
            let (mut tokens, mut computed) = (0, 0);
            for step in Order::new(&examples, settings).epoch(0) {
                for pair in step.chunks(settings.micro_batch) {
                    let lengths = pair.iter().map(|example| example.ids.len());
                    computed += pair.len() * lengths.clone().max().unwrap();
                    tokens += lengths.sum::<usize>();
                }
            }
            1.0 - tokens as f64 / computed as f64
        };
        let sorted = padding(&FitSettings::default());
        assert!(sorted < 0.05, "{sorted}");
        // The mean of the micro-batches' means depends on what is in them, so they are left as they come.
        let settings = FitSettings { loss_average: LossAverage::MicroBatches, ..FitSettings::default() };
        assert!(padding(&settings) > 0.15, "{}", padding(&settings));
    }
}
