//! An answer that waits, and an answer while it is generated.

use std::collections::HashMap;
use std::sync::Arc;

use super::capture::{Capture, PromptStates};
use super::engine::{Engine, Job};
use super::prefix::Marked;
use super::sampling::Key;
use crate::kernels::FusedOps;
use crate::language_model::{FinishReason, Sampling, Token};
use crate::text::{Coefs, Rows};

/// A job with all that is asked of its answers.
pub(super) struct Asked<B: FusedOps> {
    /// Its place among all jobs that were ever added.
    pub place: usize,
    pub job: Job,
    pub sampling: Sampling,
    pub capture: Arc<Capture<B>>,
    /// What is read before the answer begins, and how it is steered there: the prompt but for its last token, which each
    /// answer reads itself, or all of it if anything is taken of the prompt.
    pub text: Marked,
    /// Positions that each part of the plan steers before the last token.
    pub steered: Vec<usize>,
    /// It is one of many that were added together.
    pub of_many: bool,
    /// Tokens that an answer may have: those fed back must have a position.
    pub limit: usize,
    /// The most columns of the cache that an answer can fill.
    pub columns: usize,
}

/// One answer that has not begun.
pub(super) struct Waiting<B: FusedOps> {
    pub asked: Arc<Asked<B>>,
    pub rollout: usize,
    /// For the plan as it is.
    pub coefs: Coefs,
    /// Positions that each part of the plan has steered when it begins.
    pub steered: Vec<usize>,
}

impl<B: FusedOps> Asked<B> {
    /// The job is known to be good.
    pub fn new(
        engine: &Engine<B>,
        place: usize,
        job: Job,
        sampling: &Sampling,
        capture: Arc<Capture<B>>,
        of_many: bool,
    ) -> Self {
        let positions = engine.model.config.max_position_embeddings;
        let prompt = job.prompt.len();
        let limit = sampling.max_new_tokens.min(positions + 1 - prompt);
        let fed = prompt + limit - 1;
        let columns = fed + usize::from(capture.wants_last() && fed < positions);
        let before = &job.prompt[..prompt - 1];
        let read = if capture.reads_prompt() { job.prompt.as_slice() } else { before };
        let text = engine.marked(&engine.coefs(&job), prompt, read);
        let steered = engine.model.steering.as_ref().map_or_else(Vec::new, |steering| {
            let mut rows = Rows::whole(&[before], vec![prompt], 0);
            rows.coefs = vec![engine.coefs(&job)];
            steering.strengths(&rows).steered.remove(0)
        });
        Self { place, job, sampling: sampling.clone(), capture, text, steered, of_many, limit, columns }
    }
}

impl<B: FusedOps> Waiting<B> {
    /// Whether both begin with the same pass over a prompt.
    pub fn reads_alike(&self, other: &Self) -> bool {
        let (one, other) = (&self.asked, &other.asked);
        let alike = if one.capture.reads_prompt() || other.capture.reads_prompt() {
            // What is taken of a prompt is taken in this pass.
            Arc::ptr_eq(&one.capture, &other.capture)
        } else {
            true
        };
        alike && one.text == other.text
    }
}

/// One answer while it is generated.
pub(super) struct Sequence<B: FusedOps> {
    pub asked: Arc<Asked<B>>,
    pub rollout: usize,
    /// The token that is read next: the last one picked, at first the prompt's last.
    pub next: u32,
    /// For the plan as it is.
    pub coefs: Coefs,
    /// Positions that each part of the plan has steered so far.
    pub steered: Vec<usize>,
    key: Key,
    /// Ids of prompt and answer, ascending, each once; empty without a repetition penalty.
    pub seen: Vec<u32>,
    pub tokens: Vec<u32>,
    /// The tokens with their captures; empty if nothing is captured.
    pub kept: Vec<Token>,
    /// Set when the answer is complete but its last token must still be read, because its state is captured.
    pub ending: Option<FinishReason>,
    pub prompt_states: Option<Arc<PromptStates>>,
}

impl<B: FusedOps> Sequence<B> {
    /// An answer that begins: its prompt is read but for the last token.
    pub fn new(waiting: Waiting<B>, prompt_states: Option<Arc<PromptStates>>) -> Self {
        let Waiting { asked, rollout, coefs, steered } = waiting;
        let (job, sampling) = (&asked.job, &asked.sampling);
        let mut seen = Vec::new();
        if sampling.repetition_penalty != 1.0 {
            seen.extend_from_slice(&job.prompt);
            seen.sort_unstable();
            seen.dedup();
        }
        Self {
            rollout,
            next: job.prompt[job.prompt.len() - 1],
            coefs,
            steered,
            key: Key::new(sampling.seed, &job.id, rollout),
            seen,
            tokens: Vec::new(),
            kept: Vec::new(),
            ending: None,
            prompt_states,
            asked,
        }
    }

    /// Columns that are filled before the next token is read, which is that token's column.
    pub fn filled(&self) -> usize {
        self.asked.job.prompt.len() + self.tokens.len() - 1
    }

    /// Whether the token that is read next is one of the answer's own.
    pub fn has_begun(&self) -> bool {
        !self.tokens.is_empty()
    }

    /// The uniform number that its next token is drawn with.
    pub fn uniform(&self) -> f64 {
        self.key.uniform(self.tokens.len())
    }

    /// Appends its next token.
    pub fn push(&mut self, token: u32) {
        self.tokens.push(token);
        self.next = token;
        if self.asked.sampling.repetition_penalty != 1.0
            && let Err(place) = self.seen.binary_search(&token)
        {
            self.seen.insert(place, token);
        }
    }
}

/// The answers to jobs that were added together, in the order in which they begin: longest prompts first, so that the largest
/// batch comes first and padding stays small; those with the same prompt together, so that they share its pass.
pub(super) fn in_order<B: FusedOps>(engine: &Engine<B>, added: Vec<Arc<Asked<B>>>) -> Vec<Waiting<B>> {
    let mut first: HashMap<&Marked, usize> = HashMap::new();
    let mut order: Vec<(usize, usize, usize)> = added
        .iter()
        .enumerate()
        .map(|(i, asked)| (usize::MAX - asked.job.prompt.len(), *first.entry(&asked.text).or_insert(i), i))
        .collect();
    order.sort_unstable();
    let answers = |(_, _, i): (usize, usize, usize)| {
        let asked = &added[i];
        (0..asked.sampling.rollouts).map(move |rollout| Waiting {
            asked: asked.clone(),
            rollout,
            coefs: engine.coefs(&asked.job),
            steered: asked.steered.clone(),
        })
    };
    order.into_iter().flat_map(answers).collect()
}
