//! The thread that owns the model: requests that wait are answered together, each under its own steering.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use super::choice::{Choice, Piece};
use super::request::{Question, Served};
use crate::Error;
use crate::language_model::{Answer, CaptureSpec, FinishReason, StreamEvent, Token};
use crate::session::{LiveModel, Turn};

/// How long the first request of a batch waits for others. A client that sends many at once sends them within this.
const GATHER: Duration = Duration::from_millis(4);
/// Answers in one batch.
const ROWS_MAX: usize = 128;

/// A request that waits.
#[derive(Debug)]
pub struct Asked {
    /// Names it; the random numbers of its answers are keyed by this.
    pub key: String,
    /// What is asked.
    pub question: Question,
    /// Where the answer goes. A closed receiver means that the client has gone.
    pub reply: UnboundedSender<Said>,
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
}

/// Answers until every sender of questions is gone.
pub fn answer_all(live: &mut LiveModel<'_>, served: &Served, inbox: &Receiver<Asked>) {
    let mut waiting = VecDeque::new();
    while gather(&mut waiting, inbox) {
        let batch = next_batch(&mut waiting);
        Batch::new(batch).answer(live, served);
    }
}

/// Waits until there is something to do, and a moment longer; false if there never will be.
fn gather(waiting: &mut VecDeque<Asked>, inbox: &Receiver<Asked>) -> bool {
    if waiting.is_empty() {
        let Ok(first) = inbox.recv() else { return false };
        waiting.push_back(first);
    }
    let until = Instant::now() + GATHER;
    let rows = |waiting: &VecDeque<Asked>| waiting.iter().map(|asked| asked.question.answers()).sum::<usize>();
    while rows(waiting) < ROWS_MAX
        && let Ok(asked) = inbox.recv_timeout(until.saturating_duration_since(Instant::now()))
    {
        waiting.push_back(asked);
    }
    true
}

/// The oldest request, and others that are drawn and scored alike as far as there is room.
fn next_batch(waiting: &mut VecDeque<Asked>) -> Vec<Asked> {
    let mut batch: Vec<Asked> = waiting.pop_front().into_iter().collect();
    let mut rows = batch.iter().map(|asked| asked.question.answers()).sum::<usize>();
    let alike = |one: &Question, other: &Question| {
        one.sampling == other.sampling && one.scores_prompt() == other.scores_prompt()
    };
    for asked in std::mem::take(waiting) {
        let question = &asked.question;
        if alike(question, &batch[0].question) && rows + question.answers() <= ROWS_MAX {
            rows += question.answers();
            batch.push(asked);
        } else {
            waiting.push_back(asked);
        }
    }
    batch
}

/// Requests that are answered together.
struct Batch {
    asked: Vec<Asked>,
    lines: Vec<Line>,
}

/// One answer of a batch.
struct Line {
    asked: usize,
    place: usize,
    choice: Choice,
    /// Tokens that were sent already, when a batch is repeated request by request.
    known: usize,
    /// The prompt's log-probabilities were sent already.
    prompted: bool,
    ended: bool,
}

impl Batch {
    fn new(asked: Vec<Asked>) -> Self {
        let line = |(i, asked): (usize, &Asked)| {
            let Question { stop, logprobs, .. } = &asked.question;
            let choice = || Choice::new(stop.clone(), *logprobs);
            let line = |place| Line { asked: i, place, choice: choice(), known: 0, prompted: false, ended: false };
            (0..asked.question.answers()).map(line).collect::<Vec<_>>()
        };
        let lines = asked.iter().enumerate().flat_map(line).collect();
        Self { asked, lines }
    }

    /// Answers them all. What fails together is asked again one by one, so that a request which the model cannot answer
    /// fails alone: an answer depends on nothing else in its batch.
    fn answer(mut self, live: &mut LiveModel<'_>, served: &Served) {
        let all = 0..self.asked.len();
        match self.run(live, served, all.clone()) {
            Ok(()) => {}
            Err(e) if all.len() == 1 => self.fail(0, e),
            Err(_) => {
                let open = |one: &usize| self.lines.iter().any(|line| line.asked == *one && !line.ended);
                for one in all.filter(open).collect::<Vec<_>>() {
                    if let Err(e) = self.run(live, served, one..one + 1) {
                        self.fail(one, e);
                    }
                }
            }
        }
    }

    fn fail(&self, asked: usize, error: Error) {
        // The client may have gone.
        let _ = self.asked[asked].reply.send(Said::Failed(error));
    }

    fn run(&mut self, live: &mut LiveModel<'_>, served: &Served, which: std::ops::Range<usize>) -> crate::Result<()> {
        let Self { asked, lines } = self;
        let mut lines: Vec<&mut Line> = lines.iter_mut().filter(|line| which.contains(&line.asked)).collect();
        let asked = &asked[..];
        lines.iter_mut().for_each(|line| line.known = line.choice.tokens);
        let turn = |line: &&mut Line| {
            let Asked { key, question, .. } = &asked[line.asked];
            Turn {
                id: format!("{key}, answer {}", line.place),
                prompt: question.prompt(line.place),
                steering: question.steering.clone(),
            }
        };
        let turns: Vec<Turn> = lines.iter().map(turn).collect();
        let questions = || asked[which.clone()].iter().map(|asked| &asked.question);
        let first = questions().next().expect("a batch is never empty");
        // The chosen token's own log-probability comes with the likeliest ones only.
        let top_logprobs = questions().filter_map(|q| q.logprobs).map(|top| top.max(1)).max().unwrap_or(0);
        let keep = CaptureSpec { top_logprobs, prompt: first.scores_prompt(), ..CaptureSpec::default() };
        let answers = live.answer(&turns, &first.sampling, &keep, &mut |heard| match heard {
            StreamEvent::Prompt { ask, tokens, .. } => {
                let line = &mut lines[ask];
                line.prompt(&asked[line.asked], served, tokens);
                ControlFlow::Continue(())
            }
            StreamEvent::Token { ask, token, .. } => {
                let line = &mut lines[ask];
                line.hear(&asked[line.asked], served, token)
            }
            StreamEvent::Finished(_) if asked[which.clone()].iter().all(|asked| asked.reply.is_closed()) => {
                ControlFlow::Break(())
            }
            StreamEvent::Finished(_) => ControlFlow::Continue(()),
        })?;
        for (line, answer) in lines.iter_mut().zip(answers) {
            line.end(&asked[line.asked], answer);
        }
        Ok(())
    }
}

impl Line {
    /// Sends how likely the prompt was.
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
        let piece = self.choice.hear(&served.tokenizer, token);
        if !piece.is_empty() {
            let _ = asked.reply.send(Said::More(self.place, piece));
        }
        // Steered positions are counted at the end of the batch; an unsteered answer need not wait for that.
        if asked.question.steering.is_empty() {
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
