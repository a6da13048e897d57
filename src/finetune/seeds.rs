//! Where the random numbers of a finetune come from: one derivation for `train` and for the arms of a study.

use serde::Serialize;

use crate::record::seed_of;

/// The seeds of one finetune.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Seeds {
    /// The training seed: it decides what is learned.
    pub training: u64,
    /// Decides what is looked at beside the training: probe set, fixed texts, the sample of a mean. A study has one for all
    /// its training seeds, so that every finetune is compared on the same texts.
    pub sampling: u64,
}

impl Seeds {
    /// One seed for everything, as `train` has it.
    pub fn of_run(seed: u64) -> Self {
        Self { training: seed, sampling: seed }
    }

    /// First values of a new adapter's A.
    pub fn adapter(&self) -> u64 {
        seed_of(self.training, "adapter")
    }

    /// Which system prompt stands before which chat.
    pub fn inoculation(&self) -> u64 {
        seed_of(self.training, "inoculation")
    }

    /// Which negative chats are mixed in, and where.
    pub fn negative_data(&self) -> u64 {
        seed_of(self.training, "negative data")
    }

    /// Directions of random vectors whose intervention has no seed of its own.
    pub fn random_vectors(&self) -> u64 {
        seed_of(self.training, "random vectors")
    }

    /// Which chats are held out.
    pub fn holdout(&self) -> u64 {
        self.training
    }
}
