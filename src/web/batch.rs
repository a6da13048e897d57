//! The thread that owns the model: requests that come together are answered together, each under its own steering; those that
//! come later are answered beside them. Batches take turns token by token, so that each has the same share of the model's time,
//! and a request waits for one token of the others, not for their answers.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use super::choice::{Choice, Piece};
use super::meter::Meter;
use super::request::{Question, Served};
use crate::Error;
use crate::language_model::{Answer, CaptureSpec, FinishReason, StreamEvent, Token};
use crate::session::{LiveBatch, LiveModel, Turn};

/// How long the first request of a batch waits for others. A client that sends many at once sends them within this.
const GATHER: Duration = Duration::from_millis(4);
/// Answers in one batch.
const ROWS_MAX: usize = 128;
/// Answers of a request that leaves others room in its batch.
const SMALL_ROWS: usize = 16;

/// A request that waits.
#[derive(Debug)]
pub struct Asked {
    /// Names it; the random numbers of its answers are keyed by this.
    pub key: String,
    /// What is asked.
    pub question: Question,
    /// Where the answer goes. A closed receiver means that the client has gone.
    pub reply: UnboundedSender<Said>,
    /// Whose tokens they are.
    pub meter: Arc<Meter>,
}

/// What a client gets.
#[derive(Debug)]
pub enum Said {
    /// The next piece of one answer.
    More(usize, Piece),
    /// One answer is complete.
    End {
        /// Which.
        choice: usize,
        /// `stop` or `length`.
        finish_reason: &'static str,
        /// Tokens that the model produced for it.
        tokens: usize,
        /// At how many positions each steering acted.
        steered: Vec<usize>,
    },
    /// There will be no answer.
    Failed(Error),
    /// The request has waited for too long; nothing of it was answered.
    Late,
}

/// Answers until every sender of questions is gone.
pub fn answer_all(live: &mut LiveModel<'_>, served: &Served, inbox: &Receiver<Asked>) {
    let mut desk = Desk { live, served, waiting: VecDeque::new(), running: Vec::new() };
    while desk.take_in(inbox) {
        desk.begin();
        desk.turn();
    }
}

/// Requests that wait, and batches that take turns at the model.
struct Desk<'a, 'b> {
    live: &'a mut LiveModel<'b>,
    served: &'a Served,
    waiting: VecDeque<Pending>,
    running: Vec<Running>,
}

/// A request whose answers are not complete.
struct Pending {
    asked: Asked,
    lines: Vec<Line>,
    since: Instant,
    /// It shares no batch, because the one that it was in failed.
    alone: bool,
}

/// Requests that are answered together.
struct Running {
    batch: LiveBatch,
    requests: Vec<Pending>,
    /// Of each row of the batch, its request and its answer.
    places: Vec<(usize, usize)>,
    size: Size,
    /// The model's time so far; one that came later begins with that of the others.
    spent: Duration,
}

/// One answer.
struct Line {
    place: usize,
    choice: Choice,
    /// Tokens that were sent already, when a batch is repeated request by request.
    known: usize,
    /// What was captured of the prompt was sent already.
    prompted: bool,
    ended: bool,
}

/// Whether a request's answers fill a batch. Each size has its own places, so that large ones never take all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Size {
    Small,
    Large,
}

impl Size {
    fn of(question: &Question) -> Self {
        if question.answers() > SMALL_ROWS { Self::Large } else { Self::Small }
    }

    /// Batches that may run at once.
    fn places(self) -> usize {
        match self {
            Self::Small => 4,
            Self::Large => 2,
        }
    }

    /// A batch's share of the memory for keys and values; all together take twice as much as one that runs alone could.
    fn share(self) -> f64 {
        match self {
            Self::Small => 0.25,
            Self::Large => 0.5,
        }
    }
}

impl Desk<'_, '_> {
    /// Takes in what has come; waits if there is nothing else to do. False if there never will be.
    fn take_in(&mut self, inbox: &Receiver<Asked>) -> bool {
        if self.running.is_empty() && self.waiting.is_empty() {
            let Ok(first) = inbox.recv() else { return false };
            self.waiting.push_back(Pending::new(first));
        }
        self.waiting.extend(inbox.try_iter().map(Pending::new));
        let rows = |waiting: &VecDeque<Pending>| waiting.iter().map(|one| one.lines.len()).sum::<usize>();
        while self.running.is_empty()
            && rows(&self.waiting) < ROWS_MAX
            && let Some(rest) = self.waiting.front().and_then(|first| GATHER.checked_sub(first.since.elapsed()))
            && let Ok(asked) = inbox.recv_timeout(rest)
        {
            self.waiting.push_back(Pending::new(asked));
        }
        true
    }

    /// Begins batches while there are places and requests for them.
    fn begin(&mut self) {
        let longest = self.served.wait;
        // What is asked again after a failure has been begun, and waits no more.
        let is_late = |one: &Pending| !one.alone && one.since.elapsed() > longest;
        self.waiting.retain(|one| {
            let is_late = is_late(one);
            if is_late {
                let _ = one.asked.reply.send(Said::Late);
            }
            !is_late && !one.asked.reply.is_closed()
        });
        while let Some(requests) = self.next_batch() {
            match self.start(&requests) {
                Ok((batch, places)) => {
                    let spent = self.running.iter().map(|one| one.spent).min().unwrap_or_default();
                    let size = Size::of(&requests[0].asked.question);
                    self.running.push(Running { batch, requests, places, size, spent });
                }
                Err(e) => self.fail(requests, e),
            }
        }
    }

    /// The oldest request for which there is a place, and others alike as far as there is room.
    fn next_batch(&mut self) -> Option<Vec<Pending>> {
        let free = |size: Size| self.running.iter().filter(|one| one.size == size).count() < size.places();
        // Beside others a batch gathers while they run.
        let ready = |one: &Pending| self.running.is_empty() || one.since.elapsed() >= GATHER;
        let first = self.waiting.iter().position(|one| free(Size::of(&one.asked.question)) && ready(one))?;
        let mut batch: Vec<Pending> = self.waiting.remove(first).into_iter().collect();
        let (mut rows, alone) = (batch[0].lines.len(), batch[0].alone);
        for one in std::mem::take(&mut self.waiting) {
            let (question, first) = (&one.asked.question, &batch[0].asked.question);
            let alike = question.is_alike(first) && Size::of(question) == Size::of(first);
            if alike && !alone && !one.alone && rows + one.lines.len() <= ROWS_MAX {
                rows += one.lines.len();
                batch.push(one);
            } else {
                self.waiting.push_back(one);
            }
        }
        Some(batch)
    }

    fn start(&mut self, requests: &[Pending]) -> crate::Result<(LiveBatch, Vec<(usize, usize)>)> {
        let places: Vec<(usize, usize)> =
            requests.iter().enumerate().flat_map(|(i, one)| (0..one.lines.len()).map(move |line| (i, line))).collect();
        let turn = |&(request, line): &(usize, usize)| {
            let Asked { key, question, .. } = &requests[request].asked;
            Turn {
                id: format!("{key}, answer {}", question.draws(line)),
                prompt: question.prompt(line),
                steering: question.steering(line).to_vec(),
            }
        };
        let turns: Vec<Turn> = places.iter().map(turn).collect();
        let first = &requests[0].asked.question;
        // The chosen token's own log-probability comes with the likeliest ones only.
        let tops = requests.iter().filter_map(|one| one.asked.question.logprobs).map(|top| top.max(1));
        let keep = CaptureSpec {
            top_logprobs: tops.max().unwrap_or(0),
            probes: first.probes.clone(),
            prompt: first.scores_prompt(),
            ..CaptureSpec::default()
        };
        Ok((self.live.begin(&turns, &first.sampling, &keep, Size::of(first).share())?, places))
    }

    /// One token for the batch that has had the least of the model's time.
    fn turn(&mut self) {
        self.running.retain(|one| !one.requests.iter().all(|one| one.asked.reply.is_closed()));
        let Some(i) = (0..self.running.len()).min_by_key(|&i| self.running[i].spent) else { return };
        let began = Instant::now();
        let Running { batch, requests, places, spent, .. } = &mut self.running[i];
        let turned = batch.turn(&mut |heard| match heard {
            StreamEvent::Prompt { ask, tokens, .. } => {
                let (request, line) = places[ask];
                let Pending { asked, lines, .. } = &mut requests[request];
                lines[line].prompt(asked, self.served, tokens);
                ControlFlow::Continue(())
            }
            StreamEvent::Token { ask, token, .. } => {
                let (request, line) = places[ask];
                let Pending { asked, lines, .. } = &mut requests[request];
                lines[line].hear(asked, self.served, token)
            }
            StreamEvent::Finished(_) => ControlFlow::Continue(()),
        });
        *spent += began.elapsed();
        let ended = match turned {
            Ok(true) => return,
            Ok(false) => Ok(()),
            Err(e) => Err(e),
        };
        let Running { batch, mut requests, places, .. } = self.running.swap_remove(i);
        match ended.and_then(|()| batch.answers()) {
            Ok(answers) => {
                for (&(request, line), answer) in places.iter().zip(answers) {
                    let Pending { asked, lines, .. } = &mut requests[request];
                    lines[line].end(asked, answer);
                }
            }
            Err(e) => self.fail(requests, e),
        }
    }

    /// What fails together is asked again one by one, so that a request which the model cannot answer fails alone: an answer
    /// depends on nothing else in its batch.
    fn fail(&mut self, requests: Vec<Pending>, error: Error) {
        match <[Pending; 1]>::try_from(requests) {
            Ok([one]) => {
                // The client may have gone.
                let _ = one.asked.reply.send(Said::Failed(error));
            }
            Err(requests) => {
                for mut one in requests.into_iter().rev().filter(|one| one.lines.iter().any(|line| !line.ended)) {
                    one.alone = true;
                    one.lines.iter_mut().for_each(|line| line.known = line.choice.tokens);
                    self.waiting.push_front(one);
                }
            }
        }
    }
}

impl Pending {
    fn new(asked: Asked) -> Self {
        let Question { stop, logprobs, .. } = &asked.question;
        let choice = || Choice::new(stop.clone(), *logprobs);
        let line = |place| Line { place, choice: choice(), known: 0, prompted: false, ended: false };
        let lines = (0..asked.question.answers()).map(line).collect();
        Self { asked, lines, since: Instant::now(), alone: false }
    }
}

impl Line {
    /// Sends what was captured of the prompt.
    fn prompt(&mut self, asked: &Asked, served: &Served, tokens: &[Token]) {
        if !std::mem::replace(&mut self.prompted, true) {
            let _ = asked.reply.send(Said::More(self.place, self.choice.prompt(&served.tokenizer, tokens)));
        }
    }

    /// Takes the next token and sends what it adds; breaks off when the answer is complete or the client has gone.
    fn hear(&mut self, asked: &Asked, served: &Served, token: &Token) -> ControlFlow<()> {
        if self.known > 0 {
            self.known -= 1;
            return ControlFlow::Continue(());
        }
        if self.choice.stopped || self.ended || asked.question.silent || asked.reply.is_closed() {
            return ControlFlow::Break(());
        }
        asked.meter.spend(1);
        let piece = self.choice.hear(&served.tokenizer, token);
        if !piece.is_empty() {
            let _ = asked.reply.send(Said::More(self.place, piece));
        }
        // Steered positions are counted at the end of the batch; an unsteered answer need not wait for that.
        if asked.question.steering(self.place).is_empty() {
            if self.choice.stopped {
                self.say_end(asked, "stop", Vec::new());
            } else if self.choice.tokens == asked.question.sampling.max_new_tokens {
                self.say_end(asked, "length", Vec::new());
            }
        }
        if self.choice.stopped { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn end(&mut self, asked: &Asked, answer: Answer) {
        let stopped = self.choice.stopped || (answer.finish_reason == FinishReason::Stop && !asked.question.silent);
        self.say_end(asked, if stopped { "stop" } else { "length" }, answer.steered);
    }

    fn say_end(&mut self, asked: &Asked, finish_reason: &'static str, steered: Vec<usize>) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let text = self.choice.finish();
        if !text.is_empty() {
            let _ = asked.reply.send(Said::More(self.place, Piece { text, ..Piece::default() }));
        }
        let (choice, tokens) = (self.place, self.choice.tokens);
        let _ = asked.reply.send(Said::End { choice, finish_reason, tokens, steered });
    }
}
