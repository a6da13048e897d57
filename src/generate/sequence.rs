//! An answer while it is generated, and the queue of answers that have not begun.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::capture::PromptStates;
use super::engine::{Engine, Job};
use super::sampling::Key;
use crate::kernels::FusedOps;
use crate::language_model::{FinishReason, Sampling, Token};
use crate::text::Coefs;

/// One answer that has not begun.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting {
    /// Answers with the same prefill share a group; its number is that of its first job.
    pub group: usize,
    pub job: usize,
    pub rollout: usize,
}

/// One answer while it is generated.
pub(super) struct Sequence {
    pub job: usize,
    pub rollout: usize,
    /// Tokens of the prompt.
    pub prompt: usize,
    /// The token that is read next: the last one picked, at first the prompt's last.
    pub next: u32,
    pub coefs: Coefs,
    /// Positions that each part of the plan has steered so far.
    pub steered: Vec<usize>,
    pub key: Key,
    /// Ids of prompt and answer, ascending, each once; empty without a repetition penalty.
    pub seen: Vec<u32>,
    pub tokens: Vec<u32>,
    /// The tokens with their captures; empty if nothing is captured.
    pub kept: Vec<Token>,
    /// The most tokens that the answer may have.
    pub limit: usize,
    /// The most columns of the cache that it can fill.
    pub columns: usize,
    /// Set when the answer is complete but its last token must still be read, because its state is captured.
    pub ending: Option<FinishReason>,
    pub prompt_states: Option<Arc<PromptStates>>,
}

impl Sequence {
    /// Columns that are filled before the next token is read, which is that token's column.
    pub fn filled(&self) -> usize {
        self.prompt + self.tokens.len() - 1
    }

    /// Appends its next token.
    pub fn push(&mut self, token: u32, penalised: bool) {
        self.tokens.push(token);
        self.next = token;
        if penalised && let Err(place) = self.seen.binary_search(&token) {
            self.seen.insert(place, token);
        }
    }
}

/// All answers in the order in which they begin: longest prompts first, so that the largest batch comes first and padding
/// stays small; answers of one group together, so that they share their prefill.
///
/// A group has one prompt and, where steering reaches into the prefill, one set of coefficients.
pub(super) fn queue<B: FusedOps>(engine: &Engine<B>, jobs: &[Job], rollouts: usize, split: bool) -> VecDeque<Waiting> {
    let mut groups: HashMap<(&[u32], Option<Vec<u32>>), usize> = HashMap::new();
    let bits = |job: &Job| engine.coefs(job).map(|coefs| coefs.iter().map(|coef| coef.to_bits()).collect());
    let mut order: Vec<(usize, usize)> = jobs
        .iter()
        .enumerate()
        .map(|(i, job)| {
            let coefs = if split && job.prompt.len() > 1 { None } else { bits(job) };
            (*groups.entry((&job.prompt, coefs)).or_insert(i), i)
        })
        .collect();
    order.sort_by_key(|&(group, job)| (usize::MAX - jobs[group].prompt.len(), group, job));
    order
        .into_iter()
        .flat_map(|(group, job)| (0..rollouts).map(move |rollout| Waiting { group, job, rollout }))
        .collect()
}

/// The ids that a repetition penalty looks at when an answer begins: those of its prompt.
pub(super) fn seen_at_first(prompt: &[u32], sampling: &Sampling) -> Vec<u32> {
    let mut seen = Vec::new();
    if sampling.repetition_penalty != 1.0 {
        seen.extend_from_slice(prompt);
        seen.sort_unstable();
        seen.dedup();
    }
    seen
}
