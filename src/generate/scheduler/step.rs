//! One token for every row.

use std::sync::Arc;

use super::{Queueing, Scheduler};
use crate::Result;
use crate::generate::capture::{Along, Capture, PromptStates};
use crate::generate::engine::{OnEvent, Reply};
use crate::generate::pick::{draws, is_plain, pick};
use crate::generate::sequence::Sequence;
use crate::kernels::{Draw, FusedOps};
use crate::language_model::{FinishReason, StreamEvent, Token};
use crate::text::Rows;

/// An answer that is complete, while its row is still there.
struct Ended {
    row: usize,
    reason: FinishReason,
    /// Tokens of the answer that the model has read.
    read: usize,
}

impl<B: FusedOps> Scheduler<B> {
    /// Decodes one token for every row.
    pub(super) fn step(&mut self, on_event: &mut OnEvent<'_>) {
        let Some(mut cache) = self.cache.take() else { return };
        if self.columns_needed() > cache.columns() {
            cache.resize(self.columns());
        }
        let model = &self.engine.model;
        // What the tokens will be drawn with goes to the device with the rows, unless some have ended.
        let sequences: Vec<&Sequence<B>> = self.rows.iter().flatten().collect();
        let sampled = sequences.len() == self.rows.len() && !sequences.iter().all(|sequence| is_plain(sequence));
        let draws = sampled.then(|| draws(&sequences)).flatten();
        let numbers = Draw::numbers(draws.as_deref().unwrap_or_default());
        let (pass, sent) = model.pass_with(&self.next_rows(), cache.columns(), numbers);
        let begun = || self.rows.iter().flatten().filter(|sequence| sequence.has_begun());
        let residuals = self.rows.iter().flatten().any(|sequence| sequence.asked.capture.spec.residuals);
        let mut probing: Vec<(Arc<Capture<B>>, Along<B>)> = Vec::new();
        for capture in begun().map(|sequence| &sequence.asked.capture).filter(|capture| capture.has_probes()) {
            if !probing.iter().any(|(known, _)| Arc::ptr_eq(known, capture)) {
                probing.push((capture.clone(), Vec::new()));
            }
        }
        let mut states = Vec::new();
        let stream = model.stream(&pass, Some(&mut cache), |row, h| {
            if residuals {
                states.push(h.clone());
            }
            probing.iter_mut().for_each(|(capture, along)| capture.project(row, h, along));
        });
        self.cache = Some(cache);
        for (sequence, steered) in self.rows.iter_mut().zip(&pass.steered) {
            let sums = sequence.iter_mut().flat_map(|sequence| &mut sequence.steered);
            sums.zip(steered).for_each(|(sum, n)| *sum += n);
        }
        let counts = |row: &Option<Sequence<B>>| {
            row.as_ref().is_some_and(|sequence| sequence.has_begun() && sequence.asked.capture.spec.residuals)
        };
        let count: Vec<bool> = self.rows.iter().map(counts).collect();
        if residuals {
            self.sums.add(states, &count);
        }
        self.report_projections(probing, on_event);

        // The head is for those alone that sample: some rows have ended, others only waited for their last token to be read.
        let live: Vec<usize> = (0..self.rows.len()).filter(|&i| self.rows[i].is_some()).collect();
        if live.is_empty() {
            return;
        }
        let stream = if live.len() < self.rows.len() {
            stream.select(0, self.engine.ints(live.iter().map(|&i| i as i32).collect()))
        } else {
            stream
        };
        self.head_rows += live.len();
        let logits = self.engine.logits(stream);
        let sequences: Vec<&Sequence<B>> = self.rows.iter().flatten().collect();
        let picked: Vec<Result<Token>> = if sequences.iter().all(|sequence| is_plain(sequence)) {
            let ids = logits.argmax(1).into_data();
            ids.iter::<u32>().map(|id| Ok(Token { id, logprob: 0.0, top: Vec::new(), along: Vec::new() })).collect()
        } else {
            let sent = draws.filter(|draws| draws.len() == sequences.len()).map(|_| sent);
            pick(logits, &sequences, &self.engine.vocabulary.eos_ids, sent)
        };
        let mut ended = Vec::new();
        for (i, token) in live.into_iter().zip(picked) {
            match token {
                Ok(token) => self.advance(i, token, &mut ended, on_event),
                Err(e) => {
                    let sequence = self.rows[i].take().expect("live");
                    let e = e.at(format!("prompt `{}`", sequence.asked.job.id));
                    self.end(sequence.asked.place, sequence.rollout, Err(e));
                }
            }
        }
        self.end_all(ended);
    }

    /// Reports the tokens that have just been read with their projections, and ends the answers that waited for that.
    fn report_projections(&mut self, probing: Vec<(Arc<Capture<B>>, Along<B>)>, on_event: &mut OnEvent<'_>) {
        for (capture, along) in probing {
            for (row, along) in self.rows.iter_mut().zip(capture.projections(along)) {
                let mine = |sequence: &&mut Sequence<B>| {
                    sequence.has_begun() && Arc::ptr_eq(&sequence.asked.capture, &capture)
                };
                let Some(sequence) = row.as_mut().filter(mine) else { continue };
                let token = sequence.kept.last_mut().expect("tokens are captured where probes are");
                token.along = along;
                let event = StreamEvent::Token { ask: sequence.asked.place, rollout: sequence.rollout, token };
                if on_event(event).is_break() {
                    sequence.ending.get_or_insert(FinishReason::Cancelled);
                }
            }
        }
        let mut ended = Vec::new();
        for i in 0..self.rows.len() {
            let Some(sequence) = self.rows[i].as_ref() else { continue };
            if let Some(reason) = sequence.ending {
                ended.push(Ended { row: i, read: sequence.tokens.len(), reason });
            }
        }
        self.end_all(ended);
    }

    /// The next token of every row, each in its own column. An ended row stands in column 0 of its own cache row.
    fn next_rows(&self) -> Rows {
        let n = self.rows.len();
        let mut rows = Rows {
            ids: Vec::with_capacity(n),
            width: 1,
            start: vec![0; n],
            at: Vec::with_capacity(n),
            end: Vec::with_capacity(n),
            prompt: Vec::with_capacity(n),
            coefs: Vec::with_capacity(n),
        };
        let parts = self.engine.model.steering.as_ref().map(|steering| steering.plan().parts.len());
        for sequence in &self.rows {
            let (id, at, prompt, coefs) = match sequence {
                Some(one) => (one.next, one.filled(), one.asked.job.prompt.len(), one.coefs.clone()),
                None => (0, 0, 1, parts.map(|n| vec![0.0; n].into())),
            };
            rows.ids.push(id);
            rows.at.push(at);
            rows.end.push(at + 1);
            rows.prompt.push(prompt);
            rows.coefs.push(coefs);
        }
        rows
    }

    /// Appends a row's next token; if that ends the answer, the row goes to `ended`.
    fn advance(&mut self, row: usize, token: Token, ended: &mut Vec<Ended>, on_event: &mut OnEvent<'_>) {
        let sequence = self.rows[row].as_mut().expect("live");
        sequence.push(token.id);
        let asked = &sequence.asked;
        let stops = self.engine.vocabulary.eos_ids.contains(&token.id);
        let more_columns = sequence.filled() < asked.columns;
        // A token whose state is captured is reported once the state is known.
        let reported_later = asked.capture.has_probes() && !stops && more_columns;
        let event = StreamEvent::Token { ask: asked.place, rollout: sequence.rollout, token: &token };
        let cancelled = !reported_later && on_event(event).is_break();
        if asked.capture.spec.top_logprobs > 0 || asked.capture.has_probes() {
            sequence.kept.push(token);
        }
        let reason = match (stops, cancelled) {
            (true, _) => FinishReason::Stop,
            (false, true) => FinishReason::Cancelled,
            (false, false) if sequence.tokens.len() == asked.limit => FinishReason::Length,
            _ => return,
        };
        if reason == FinishReason::Length && asked.capture.wants_last() && more_columns {
            sequence.ending = Some(reason);
            return;
        }
        ended.push(Ended { row, reason, read: sequence.tokens.len() - 1 });
    }

    /// Ends answers; their rows are free then.
    fn end_all(&mut self, ended: Vec<Ended>) {
        let nothing = PromptStates::default();
        let wanted = |&Ended { row, reason, read }: &Ended| {
            let sequence = self.rows[row].as_ref().expect("it has just ended");
            // Means over a part of an answer are not those of the answer.
            let whole = match reason {
                FinishReason::Stop => true,
                FinishReason::Length => read == sequence.tokens.len(),
                FinishReason::Cancelled => false,
            };
            let wanted = whole && sequence.asked.capture.spec.residuals;
            (row, if wanted { read } else { 0 }, sequence.prompt_states.as_deref().unwrap_or(&nothing))
        };
        let residuals = self.sums.residuals(&ended.iter().map(wanted).collect::<Vec<_>>());
        for (Ended { row, reason: finish_reason, read }, residuals) in ended.into_iter().zip(residuals) {
            let Sequence { asked, rollout, coefs, tokens, kept, steered, .. } =
                self.rows[row].take().expect("as above");
            if let (Queueing::Open, false, Some(cache)) = (self.queueing, tokens.is_empty(), &self.cache) {
                let said = [asked.job.prompt.as_slice(), &tokens[..read]].concat();
                let text = self.engine.marked(&coefs, asked.job.prompt.len(), &said);
                if !self.kept.has(&text) {
                    self.kept.insert(text, cache.beginning_of(row, said.len()));
                }
            }
            self.end(asked.place, rollout, Ok(Reply { tokens, finish_reason, steered, kept, residuals }));
        }
    }

    /// Ends all rows as they stand.
    pub(super) fn end_rows(&mut self) {
        let live = (0..self.rows.len()).filter(|&row| self.rows[row].is_some());
        let ended = live.map(|row| Ended { row, reason: FinishReason::Cancelled, read: 0 }).collect();
        self.end_all(ended);
    }
}
