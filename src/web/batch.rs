//! The thread that owns the model: all that is asked is answered in one batch, each request under its own steering, sampling and
//! limit. Requests join between two tokens of the others and are answered as soon as they are complete.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Instant;

use tokio::sync::mpsc::UnboundedSender;

use super::choice::{Choice, Delta};
use super::meter::Meter;
use super::request::Question;
use super::served::Served;
use crate::Error;
use crate::language_model::{Answer, CaptureSpec, FinishReason, StreamEvent, Token};
use crate::session::{LiveBatch, Turn};

/// Answers that may wait for a place in the batch; requests beyond that wait outside.
const WAITING_MAX: usize = 1024;

#[derive(Debug)]
pub struct Asked {
    /// Names it; the random numbers of its answers are keyed by this.
    pub key: String,
    pub question: Question,
    /// Where the answer goes. A closed receiver means that the client has gone.
    pub reply: UnboundedSender<Said>,
    pub meter: Arc<Meter>,
    pub since: Instant,
}

#[derive(Debug)]
pub enum Said {
    More(usize, Delta),
    End {
        choice: usize,
        /// `stop` or `length`.
        finish_reason: &'static str,
        /// Tokens that the model produced for it.
        tokens: usize,
        /// At how many positions each steering acted.
        steered: Vec<usize>,
    },
    Failed(Error),
    /// The request has waited for too long; nothing of it was answered.
    Late,
}

/// Answers until every sender of questions is gone.
pub fn answer_all(batch: LiveBatch, served: &Served, inbox: &Receiver<Asked>) {
    let mut running = RunningBatch { batch, served, requests: BTreeMap::new(), sequences: BTreeMap::new(), count: 0 };
    while running.take_in(inbox) {
        running.leave();
        running.turn();
    }
}

struct RunningBatch<'a> {
    batch: LiveBatch,
    served: &'a Served,
    /// Requests whose answers are not complete, by their numbers.
    requests: BTreeMap<usize, Open>,
    /// Answers that are not complete, by their places in the batch.
    sequences: BTreeMap<usize, Sequence>,
    count: usize,
}

struct Open {
    asked: Asked,
    /// It has a place in the batch.
    begun: bool,
}

struct Sequence {
    request: usize,
    /// Which of the request's answers.
    place: usize,
    choice: Choice,
}

impl RunningBatch<'_> {
    /// Takes in what has come; waits if there is nothing else to do. False if there never will be.
    fn take_in(&mut self, inbox: &Receiver<Asked>) -> bool {
        if self.sequences.is_empty() {
            let Ok(first) = inbox.recv() else { return false };
            self.begin(first);
        }
        while self.batch.waiting() < WAITING_MAX
            && let Ok(asked) = inbox.try_recv()
        {
            self.begin(asked);
        }
        true
    }

    fn begin(&mut self, asked: Asked) {
        let Asked { key, question, reply, .. } = &asked;
        if reply.is_closed() || is_late(&asked, self.served) {
            return;
        }
        let turn = |sequence: usize| Turn {
            id: format!("{key}, answer {}", question.draws(sequence)),
            prompt: question.prompt(sequence),
            steering: question.steering(sequence).to_vec(),
        };
        let turns: Vec<Turn> = (0..question.answers()).map(turn).collect();
        let keep = CaptureSpec {
            // The chosen token's own log-probability comes with the likeliest ones only.
            top_logprobs: question.logprobs.map_or(0, |top| top.max(1)),
            probes: question.probes.clone(),
            prompt: question.scores_prompt(),
            prompt_only: question.scores_prompt() && question.silent,
            ..CaptureSpec::default()
        };
        match self.batch.add(&turns, &question.sampling, &keep) {
            Ok(first) => {
                let choice = || Choice::new(question.stop.clone(), question.logprobs);
                let sequence = |place| (first + place, Sequence { request: self.count, place, choice: choice() });
                self.sequences.extend((0..turns.len()).map(sequence));
                self.requests.insert(self.count, Open { asked, begun: false });
                self.count += 1;
            }
            Err(e) => {
                // The client may have gone.
                let _ = reply.send(Said::Failed(self.served.public(&e)));
            }
        }
    }

    /// Drops requests whose clients have gone, and those that have waited for too long.
    fn leave(&mut self) {
        let count = self.requests.len();
        let served = self.served;
        self.requests.retain(|_, open| !open.asked.reply.is_closed() && (open.begun || !is_late(&open.asked, served)));
        if self.requests.len() < count {
            self.forget_orphans();
        }
    }

    /// Takes the answers to requests that are no more out of the batch.
    fn forget_orphans(&mut self) {
        let Self { batch, requests, sequences, .. } = self;
        sequences
            .extract_if(.., |_, sequence| !requests.contains_key(&sequence.request))
            .for_each(|(ask, _)| batch.forget(ask));
    }

    fn turn(&mut self) {
        let Self { batch, served, requests, sequences, .. } = self;
        batch.turn(&mut |event| {
            let (StreamEvent::Prompt { ask, .. } | StreamEvent::Token { ask, .. }) = event else {
                return ControlFlow::Continue(());
            };
            let Some(sequence) = sequences.get_mut(&ask) else { return ControlFlow::Break(()) };
            let Some(Open { asked, begun }) = requests.get_mut(&sequence.request) else {
                return ControlFlow::Break(());
            };
            *begun = true;
            match event {
                StreamEvent::Prompt { tokens, .. } => sequence.prompt(asked, served, tokens),
                StreamEvent::Token { token, .. } => sequence.push(asked, served, token),
                StreamEvent::Finished(_) => ControlFlow::Continue(()),
            }
        });
        for (ask, answer) in self.batch.complete() {
            let Some(sequence) = self.sequences.remove(&ask) else { continue };
            let Some(Open { asked, .. }) = self.requests.get(&sequence.request) else { continue };
            let request = sequence.request;
            match answer {
                Ok(answer) => {
                    sequence.end(asked, answer);
                    if !self.sequences.values().any(|sequence| sequence.request == request) {
                        self.requests.remove(&request);
                    }
                }
                Err(e) => {
                    let _ = asked.reply.send(Said::Failed(self.served.public(&e)));
                    self.requests.remove(&request);
                    self.forget_orphans();
                }
            }
        }
    }
}

/// Whether a request that has not been begun has waited for too long; its client is told.
fn is_late(asked: &Asked, served: &Served) -> bool {
    let is_late = asked.since.elapsed() > served.wait;
    if is_late {
        let _ = asked.reply.send(Said::Late);
    }
    is_late
}

impl Sequence {
    fn prompt(&mut self, asked: &Asked, served: &Served, tokens: &[Token]) -> ControlFlow<()> {
        let _ = asked.reply.send(Said::More(self.place, self.choice.prompt(&served.tokenizer, tokens)));
        if asked.question.silent { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Takes the next token and sends what it adds; breaks off when the answer is complete or the client has gone.
    fn push(&mut self, asked: &Asked, served: &Served, token: &Token) -> ControlFlow<()> {
        if self.choice.stopped || asked.question.silent || asked.reply.is_closed() {
            return ControlFlow::Break(());
        }
        asked.meter.spend(1);
        let delta = self.choice.push(&served.tokenizer, token);
        if !delta.is_empty() {
            let _ = asked.reply.send(Said::More(self.place, delta));
        }
        if self.choice.stopped { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn end(mut self, asked: &Asked, answer: Answer) {
        let stopped = self.choice.stopped || (answer.finish_reason == FinishReason::Stop && !asked.question.silent);
        let text = self.choice.finish();
        if !text.is_empty() {
            let _ = asked.reply.send(Said::More(self.place, Delta { text, ..Delta::default() }));
        }
        let (choice, tokens, steered) = (self.place, self.choice.tokens, answer.steered);
        let finish_reason = if stopped { "stop" } else { "length" };
        let _ = asked.reply.send(Said::End { choice, finish_reason, tokens, steered });
    }
}
