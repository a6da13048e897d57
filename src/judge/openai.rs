//! A language model behind an OpenAI-compatible server as judge (Chen et al. 2025, appendix B; guide: judges).
//!
//! Calls that the cache can answer are not made, and equal calls are made once. The others are announced as an estimate, checked
//! against the budget, and sent: the first call alone, so that a wrong key or a model without logprobs costs one call at most; then
//! as many at a time as allowed. Each answer is in the cache before it is used.
//!
//! A first token is a grade only where numbers are single tokens. Until an answer shows that, one whose score depends on it waits
//! for a [`probe`], a number that the judge is to repeat.

mod replies;
mod requests;

use std::collections::{HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use replies::{is_of_the_model, usable, verdict_of, writes};
use requests::{Ask, asks, probe};

use super::budget::{Estimate, Spent, Tokens, Usage};
use super::cache::{Cache, Label};
use super::client::{ChatClient, runtime};
use super::reply::Reply;
use super::rubric::Rubrics;
use super::score::Writes;
use super::settings::{Mode, OpenAiSettings};
use super::verdict::{Judge, JudgeEvent, JudgeListener, JudgedItem, Rubric, Verdict};
use crate::record::{Hash, write_atomic};
use crate::{At, Error, Result};

/// The judge at work.
pub struct OpenAiJudge<'a> {
    settings: OpenAiSettings,
    name: String,
    rubrics: Rubrics,
    client: Arc<ChatClient>,
    cache: Cache,
    /// `usage.json` in the run's folder.
    bill: PathBuf,
    tell: JudgeListener<'a>,
    /// Calls that an estimate has spoken of.
    foreseen: HashSet<Hash>,
    /// Whether an answer has come that could be used.
    proven: bool,
    /// Whether an answer has shown that numbers are single tokens.
    whole: bool,
    /// The most that a call has cost, as a multiple of its estimate; at least 1.
    dearer: f64,
}

struct Round {
    total: usize,
    coming: VecDeque<Ask>,
    in_flight: JoinSet<(Ask, Result<(Reply, Usage)>)>,
    /// What the calls under way are estimated at.
    tokens_in_flight: Tokens,
    /// Answers that are paid for and wait for the probe.
    waiting: Vec<(Ask, Reply)>,
    notes: mpsc::UnboundedSender<String>,
    done: usize,
    spent: Spent,
    failed: Option<Error>,
}

impl<'a> OpenAiJudge<'a> {
    /// A judge that asks this client, keeps its answers in this cache and its bill in `usage.json` in this folder.
    ///
    /// # Errors
    /// A cache that cannot be read, a bill that cannot be written.
    pub fn new(
        settings: OpenAiSettings,
        rubrics: Rubrics,
        client: ChatClient,
        cache: Cache,
        folder: &Path,
        tell: JudgeListener<'a>,
    ) -> Result<Self> {
        let OpenAiSettings { model, url, mode, .. } = &settings;
        let name = match mode {
            Mode::Sample => format!("{model} at {url}, {} samples", settings.samples),
            _ => format!("{model} at {url}, {}", mode.name()),
        };
        let (client, bill, foreseen) = (Arc::new(client), folder.join("usage.json"), HashSet::new());
        let (proven, whole, dearer) = (false, false, 1.0);
        let judge = Self { settings, name, rubrics, client, cache, bill, tell, foreseen, proven, whole, dearer };
        // A kill may have come between the last answer and its place on the bill.
        if judge.cache.spent()? != Spent::default() {
            judge.write_bill()?;
        }
        Ok(judge)
    }

    /// What the run has spent so far.
    pub fn spent(&self) -> Result<Spent> {
        self.cache.spent()
    }

    fn write_bill(&self) -> Result<()> {
        let (path, price) = (&self.bill, self.settings.price);
        let Spent { calls, tokens } = self.cache.spent()?;
        let bill = json!({
            "judge": self.name, "calls": calls, "tokens": tokens, "price": price, "cost": price.map(|price| price.of(tokens)),
        });
        let text = serde_json::to_string_pretty(&bill).at(path)?;
        if std::fs::read_to_string(path).is_ok_and(|old| old == text) {
            Ok(())
        } else {
            write_atomic(path, text.as_bytes())
        }
    }

    /// What the cache holds under this key, unless it is none: an answer of an earlier version may hold impossible numbers, and one
    /// of another run may come from a model that this one does not allow.
    fn known(&self, key: &Hash) -> Result<Option<Reply>> {
        let kept: Option<Value> = self.cache.get(key)?;
        let usable = |reply: &Reply| reply.is_sound() && is_of_the_model(&self.settings, reply);
        Ok(kept.and_then(|kept| Reply::deserialize(kept).ok()).filter(usable))
    }

    /// What the cache does not hold of this, each call once.
    fn unknown(&mut self, rubrics: &[Rubric], items: &[JudgedItem]) -> Result<Vec<Ask>> {
        let (mut seen, mut unknown, mut unclear) = (HashSet::new(), Vec::new(), Vec::new());
        for rubric in rubrics {
            for item in items {
                for ask in asks(&self.settings, &self.rubrics, rubric, item)? {
                    if !seen.insert(ask.key.clone()) {
                        continue;
                    }
                    match self.known(&ask.key)? {
                        None => unknown.push(ask),
                        Some(reply) => match writes(&self.settings, &ask, &reply) {
                            Writes::Whole => self.whole = true,
                            Writes::Unclear | Writes::DigitByDigit => unclear.push(ask),
                            Writes::Either => {}
                        },
                    }
                }
            }
        }
        if let Some(damage) = self.cache.take_damage() {
            (self.tell)(&JudgeEvent::Trouble(&damage));
        }
        // Earlier versions kept the first digit of a longer number as a score.
        if !unclear.is_empty() && !self.whole && self.known(&probe(&self.settings).key)?.is_none() {
            unknown.extend(unclear);
        }
        Ok(unknown)
    }

    /// Tells what these calls will come to, unless an earlier estimate has, and holds it against the budget.
    fn announce(&mut self, asks: &[Ask], verdicts: usize) -> Result<()> {
        let mut estimate = Estimate { verdicts, calls: asks.len() as u64, ..Estimate::default() };
        asks.iter().for_each(|ask| estimate.tokens += ask.tokens);
        estimate.cost = self.settings.price.map(|price| price.of(estimate.tokens));
        let news = asks.iter().filter(|ask| self.foreseen.insert(ask.key.clone())).count();
        if news > 0 {
            (self.tell)(&JudgeEvent::Estimate(&estimate));
        }
        self.settings.limits().allows(self.cache.spent()?, self.settings.price, &estimate)
    }

    fn fetch(&mut self, asks: Vec<Ask>) -> Result<()> {
        if self.client.lacks_key() {
            return Err(Error::new(format!("{} wants a key", self.settings.url))
                .hint("set TRIMTAB_JUDGE_KEY or OPENAI_API_KEY; it is needed only where the cache has no answer"));
        }
        let sent = runtime()?.block_on(self.send(asks));
        let billed = self.write_bill();
        sent.and(billed)
    }

    /// Sends them all, or as many as were sent when one failed; those under way then are waited for, because they are paid for.
    async fn send(&mut self, asks: Vec<Ask>) -> Result<()> {
        self.client.persist(true);
        let (notes, mut troubles) = mpsc::unbounded_channel();
        let mut round = Round {
            total: asks.len(),
            coming: asks.into(),
            in_flight: JoinSet::new(),
            tokens_in_flight: Tokens::default(),
            waiting: Vec::new(),
            notes,
            done: 0,
            spent: self.cache.spent()?,
            failed: None,
        };
        loop {
            self.send_more(&mut round);
            tokio::select! {
                biased;
                received = round.in_flight.join_next() => match received {
                    Some(Ok((ask, said))) => self.receive(&mut round, ask, said),
                    Some(Err(e)) => return Err(Error::new(format!("a request was lost: {e}"))),
                    None => return round.failed.map_or(Ok(()), Err),
                },
                Some(why) = troubles.recv() => (self.tell)(&JudgeEvent::Trouble(&why)),
            }
        }
    }

    fn send_more(&self, round: &mut Round) {
        let limit = if self.proven { self.settings.concurrency } else { 1 };
        while round.failed.is_none() && round.in_flight.len() < limit {
            let Some(ask) = round.coming.pop_front() else { return };
            if let Err(e) = self.may_pay(round, &ask) {
                round.failed = Some(e);
                return;
            }
            round.tokens_in_flight += ask.tokens;
            let (client, notes) = (Arc::clone(&self.client), round.notes.clone());
            round.in_flight.spawn(async move {
                // Sending a note fails if the work has ended and its receiver is gone; then the note is not needed.
                let said = client.complete(&ask.request, &|why| drop(notes.send(why.to_owned()))).await;
                (ask, said)
            });
        }
    }

    fn receive(&mut self, round: &mut Round, ask: Ask, said: Result<(Reply, Usage)>) {
        round.tokens_in_flight.input -= ask.tokens.input;
        round.tokens_in_flight.output -= ask.tokens.output;
        if let Err(e) = said.and_then(|(reply, usage)| self.take(round, ask, reply, usage)) {
            self.client.persist(false);
            round.failed.get_or_insert(e);
        }
    }

    /// Estimates are guesses: before each call, what the server has really counted is held against the budget, and what is under way
    /// is reckoned at what calls have really cost.
    fn may_pay(&self, round: &Round, ask: &Ask) -> Result<()> {
        let calls = round.in_flight.len() as u64 + 1;
        let mut tokens = round.tokens_in_flight;
        tokens += ask.tokens;
        let cost = self.settings.price.map(|price| price.of(tokens) * self.dearer);
        let coming = Estimate { verdicts: 1, calls, tokens, cost };
        let stopped =
            "its answers cost more than estimated; what was paid for is kept, and a larger --budget goes on from there";
        self.settings.limits().allows(round.spent, self.settings.price, &coming).map_err(|e| e.hint(stopped))
    }

    /// Keeps an answer that can be used; one that cannot has been paid for all the same.
    fn take(&mut self, round: &mut Round, ask: Ask, reply: Reply, usage: Usage) -> Result<()> {
        // A text that the server would not look at was not counted by it either.
        let paid = (reply.refused.is_none() || usage != Usage::default()).then(|| usage.or(ask.tokens));
        if let Some(paid) = paid {
            round.spent.calls += 1;
            round.spent.tokens += paid;
            if let Some(price) = self.settings.price.filter(|price| price.of(ask.tokens) > 0.0) {
                self.dearer = self.dearer.max(price.of(paid) / price.of(ask.tokens));
            }
        }
        let charge = |cache: &mut Cache| paid.map_or(Ok(()), |paid| cache.charge(&ask.key, paid));
        if let Err(e) = usable(&self.settings, &ask, &reply, self.proven, self.whole) {
            charge(&mut self.cache)?;
            return Err(e);
        }
        let writes = writes(&self.settings, &ask, &reply);
        if ask.probe {
            self.put(&ask, &reply, paid)?;
            self.settle(round)?;
        } else if writes == Writes::Unclear && !self.whole && self.known(&probe(&self.settings).key)?.is_none() {
            charge(&mut self.cache)?;
            if round.waiting.is_empty() {
                round.coming.push_front(probe(&self.settings));
            }
            round.waiting.push((ask, reply));
            return Ok(());
        } else {
            self.put(&ask, &reply, paid)?;
            if writes == Writes::Whole && !self.whole {
                // What this answer shows is known from now on, also where others of its run tell nothing.
                self.put(&probe(&self.settings), &reply, None)?;
                self.settle(round)?;
            }
            self.done(round);
        }
        self.proven = true;
        Ok(())
    }

    /// Numbers are single tokens: the answers that waited for this are verdicts.
    fn settle(&mut self, round: &mut Round) -> Result<()> {
        self.whole = true;
        for (ask, reply) in std::mem::take(&mut round.waiting) {
            self.put(&ask, &reply, None)?;
            self.done(round);
        }
        Ok(())
    }

    fn done(&mut self, round: &mut Round) {
        round.done += 1;
        (self.tell)(&JudgeEvent::Done(round.done, round.total));
    }

    fn put(&mut self, ask: &Ask, reply: &Reply, paid: Option<Tokens>) -> Result<()> {
        self.cache.put(&ask.key, Label { judge: &self.name, rubric: &ask.rubric }, reply, paid)
    }

    fn verdict(&self, rubric: &Rubric, item: &JudgedItem) -> Result<Verdict> {
        let reply = |ask: Ask| {
            self.known(&ask.key)?
                .ok_or_else(|| Error::new(format!("{}: an answer has vanished from the cache", self.name)))
        };
        let replies: Vec<Reply> =
            asks(&self.settings, &self.rubrics, rubric, item)?.into_iter().map(reply).collect::<Result<_>>()?;
        Ok(verdict_of(rubric, self.settings.mode, &replies))
    }
}

impl Judge for OpenAiJudge<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn judge(&mut self, rubric: &Rubric, items: &[JudgedItem]) -> Result<Vec<Verdict>> {
        let rubrics = std::slice::from_ref(rubric);
        if !self.unknown(rubrics, items)?.is_empty() {
            let _held = self.cache.hold()?;
            // The process that held the lock before us may have asked the same.
            let asks = self.unknown(rubrics, items)?;
            if !asks.is_empty() {
                self.announce(&asks, items.len())?;
                self.fetch(asks)?;
            }
        }
        items.iter().map(|item| self.verdict(rubric, item)).collect()
    }

    fn foresee(&mut self, rubrics: &[Rubric], items: &[JudgedItem]) -> Result<()> {
        let asks = self.unknown(rubrics, items)?;
        if asks.is_empty() { Ok(()) } else { self.announce(&asks, rubrics.len() * items.len()) }
    }
}
