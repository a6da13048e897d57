//! What a study reports while it works, and how it gets its judges.

use std::fmt;

use crate::Result;
use crate::judge::Judge;
use crate::study::costs::Costs;
use crate::study::dag::Task;

/// Which judge is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JudgeRole {
    /// The study's own, which scores everything.
    First,
    /// The second judge of an audit.
    Second,
}

/// Calls a judge; each task that runs beside others calls its own.
pub type Judges<'a> = dyn Fn(JudgeRole) -> Result<Box<dyn Judge + 'a>> + Sync + 'a;

/// Receives what a study reports, from several threads.
pub type OnEvent<'a> = dyn Fn(&Event<'_>) + Sync + 'a;

/// What a study reports while it works.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// The tasks to come, which later events name by their index, and what they take.
    Planned(&'a [Task], &'a Costs),
    /// The tasks of the study, and the indices of those that this process does.
    Shard(&'a [Task], &'a [usize]),
    /// A task is under way.
    Progress {
        /// Its index.
        task: usize,
        /// What it is doing.
        phase: Phase,
        /// How far that is, 0 to 1.
        done: f64,
        /// Loss of the step just taken, nats, while it trains.
        loss: Option<f64>,
        /// Steps taken and to take, while it trains.
        steps: Option<(usize, usize)>,
    },
    /// A task is finished.
    Finished {
        /// Its index.
        task: usize,
        /// Whether all of it was read from the folder.
        reused: bool,
    },
    /// Something in the folder was damaged and is worked out anew: what, with its place.
    Damaged(&'a str),
}

/// What a task is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Asking under positive or negative system prompts.
    Rollouts,
    /// Reading the residual stream.
    States,
    /// Finetuning.
    Training,
    /// Asking for the trait.
    Trait,
    /// Asking for the new facts.
    Facts,
    /// Asking multiple-choice questions.
    Mmlu,
    /// Answering the prompts of a data set.
    Selfgen,
    /// Reading held-out rows.
    HeldOut,
    /// Answering neutral prompts.
    Neutral,
    /// Asking a second judge.
    SecondJudge,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rollouts => "rollouts",
            Self::States => "reading states",
            Self::Training => "training",
            Self::Trait => "trait questions",
            Self::Facts => "new facts",
            Self::Mmlu => "multiple choice",
            Self::Selfgen => "own answers",
            Self::HeldOut => "held-out rows",
            Self::Neutral => "neutral prompts",
            Self::SecondJudge => "second judge",
        })
    }
}
