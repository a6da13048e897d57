//! Who begins when, and how prompts get into the cache.

use super::{Queueing, Scheduler};
use crate::generate::engine::{OnEvent, Reply};
use crate::generate::prefill::{Prefill, Read};
use crate::generate::sequence::{Sequence, Waiting};
use crate::kernels::FusedOps;
use crate::language_model::StreamEvent;

/// Tokens of prompts that are read between two tokens of those who are answered already.
const PIECE: usize = 256;

impl<B: FusedOps> Scheduler<B> {
    /// Rows that fit the cache if the longest may have so many columns.
    fn places(&self, longest: usize) -> usize {
        // However long some are, a server answers a few at once.
        let least = if self.queueing == Queueing::Open { 4 } else { 1 };
        (self.engine.budget.cache_tokens / longest).max(least).min(self.engine.budget.rows_max.max(1))
    }

    /// Lets waiting answers begin.
    pub(super) fn admit(&mut self) {
        let Some(first) = self.queue.front() else { return };
        let running = self.rows.iter().flatten().map(|sequence| sequence.asked.columns);
        let entering = self.prefills.iter().flat_map(Prefill::answers).map(|waiting| waiting.asked.columns);
        let columns: Vec<usize> = running.chain(entering).chain([first.asked.columns]).collect();
        let taken = columns.len() - 1;
        let places = self.places(columns.into_iter().max().unwrap_or(1));
        let free = places.saturating_sub(taken);
        let pass = self.engine.budget.pass_tokens;
        let (admitted, together) = match self.queueing {
            // A pass over one prompt costs nearly as much as one over several.
            Queueing::Known if taken > 0 && free < places.div_ceil(4) => return,
            Queueing::Known => (self.next_that_fit(free), pass),
            Queueing::Open => (self.next_in_turn(taken), pass.min(4 * PIECE)),
        };
        if !admitted.is_empty() {
            self.prefills.push_back(Prefill::new(admitted, &self.queue, together));
        }
    }

    /// Those who wait longest, as far as there are places beside the `taken` ones; of many that were asked for at once only so
    /// many that a quarter of the places is left to others.
    fn next_in_turn(&mut self, taken: usize) -> Vec<Waiting<B>> {
        let running = self.rows.iter().flatten().map(|sequence| &sequence.asked);
        let entering = self.prefills.iter().flat_map(Prefill::answers).map(|waiting| &waiting.asked);
        let (mut of_many, mut longest) = (0, 1);
        for asked in running.chain(entering) {
            of_many += usize::from(asked.of_many);
            longest = longest.max(asked.columns);
        }
        let (mut admitted, mut full) = (Vec::new(), false);
        for waiting in std::mem::take(&mut self.queue) {
            let columns = longest.max(waiting.asked.columns);
            let places = self.places(columns);
            full |= taken + admitted.len() >= places;
            if full || (waiting.asked.of_many && of_many >= places - places / 4) {
                self.queue.push_back(waiting);
                continue;
            }
            longest = columns;
            of_many += usize::from(waiting.asked.of_many);
            admitted.push(waiting);
        }
        admitted
    }

    /// The next answers that fit one prefill: at most `free` rows, and not too many tokens.
    fn next_that_fit(&mut self, free: usize) -> Vec<Waiting<B>> {
        let width = self.queue.front().map_or(1, |waiting| waiting.asked.job.prompt.len());
        let prompts = (self.engine.budget.pass_tokens / width).max(1);
        let (mut admitted, mut texts): (Vec<Waiting<B>>, usize) = (Vec::new(), 0);
        while let Some(next) = self.queue.front() {
            let new = admitted.last().is_none_or(|last| !last.reads_alike(next));
            if admitted.len() == free || (new && texts == prompts) {
                break;
            }
            texts += usize::from(new);
            admitted.extend(self.queue.pop_front());
        }
        admitted
    }

    /// Reads prompts: a run all that are admitted, a server a piece, which is small if others wait for their next token.
    pub(super) fn read_prompts(&mut self, on_event: &mut OnEvent<'_>) {
        while let Some(mut prefill) = self.prefills.pop_front() {
            let open = self.queueing == Queueing::Open;
            let pass = self.engine.budget.pass_tokens;
            let tokens = match (open, self.live()) {
                (true, 1..) => pass.min(PIECE),
                (true, 0) => pass.min(4 * PIECE),
                (false, _) => usize::MAX,
            };
            let read = prefill.advance(&self.engine, &mut self.kept, tokens);
            if !prefill.is_over() {
                // A server takes turns; a run ends what it has begun.
                if open { self.prefills.push_back(prefill) } else { self.prefills.push_front(prefill) }
            }
            if let Some(read) = read {
                self.join(read, on_event);
            }
            if open {
                break;
            }
            self.admit();
        }
        let ended = self.rows.len() - self.live();
        if ended > 0 && (ended == self.rows.len() || ended >= self.rows.len().div_ceil(4)) {
            self.compact();
        }
    }

    /// Gives the answers to prompts that have been read their rows.
    fn join(&mut self, read: Read<B>, on_event: &mut OnEvent<'_>) {
        let (mut from, mut places) = (Vec::new(), Vec::new());
        let mut free = 0;
        for (row, one) in read.rows.into_iter().enumerate() {
            for waiting in one.answers {
                let asked = &waiting.asked;
                if asked.capture.spec.prompt {
                    let event = StreamEvent::Prompt { ask: asked.place, rollout: waiting.rollout, tokens: &one.tokens };
                    if on_event(event).is_break() || asked.capture.spec.prompt_only {
                        let Waiting { asked, rollout, steered, .. } = waiting;
                        let reply = Reply { steered, ..Reply::never_begun() };
                        self.end(asked.place, rollout, Ok(reply));
                        continue;
                    }
                }
                let sequence = Sequence::new(waiting, one.states.clone());
                while self.rows.get(free).is_some_and(Option::is_some) {
                    free += 1;
                }
                match self.rows.get_mut(free) {
                    Some(row) => *row = Some(sequence),
                    None => self.rows.push(Some(sequence)),
                }
                from.push(row);
                places.push(free);
            }
        }
        if places.is_empty() {
            return;
        }
        let device = &self.engine.model.device;
        let mut fresh = read.cache.selected(&from, device);
        let needed = self.columns();
        let all = self.rows.len();
        let mut cache = match self.cache.take() {
            Some(mut cache) => {
                if cache.columns() < self.columns_needed() {
                    cache.resize(needed);
                }
                // Room for a few more: a cache that grows is copied.
                let spare = if self.queueing == Queueing::Open { all / 4 } else { 0 };
                if cache.rows() < all {
                    cache.grow(all + spare);
                }
                cache
            }
            None => self.engine.model.cache(all, needed),
        };
        if fresh.columns() > cache.columns() {
            fresh.resize(cache.columns());
        }
        cache.put(&places, &fresh);
        self.cache = Some(cache);
        if self.rows.iter().flatten().any(|sequence| sequence.asked.capture.spec.residuals) {
            self.sums.begin(&places, all);
        }
    }
}
