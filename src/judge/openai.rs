//! A language model behind an OpenAI-compatible server as judge (Chen et al. 2025, appendix B; guide: judges).
//!
//! Calls that the cache can answer are not made, and equal calls are made once. The others are announced as an estimate, checked
//! against the budget, and sent: the first call alone, so that a wrong key or a model without logprobs costs one call at most; then
//! as many at a time as allowed. Each answer is in the cache before it is used.
//!
//! A first token is a grade only where numbers are single tokens. Until an answer shows that, one whose score depends on it waits
//! for a [`Ask::probe`], a number that the judge is to repeat.

use std::collections::{HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::budget::{Estimate, Spent, Tokens, Usage, tokens_of};
use super::cache::Cache;
use super::cache::Label;
use super::client::ChatClient;
use super::client::runtime;
use super::reply::Reply;
use super::rubric::Rubrics;
use super::score::{self, Writes};
use super::settings::{Mode, OpenAiSettings};
use super::verdict::{Judge, JudgeEvent, JudgeListener, JudgedItem, Rubric, Verdict};
use crate::record::{Hash, write_atomic};
use crate::{At, Error, Result};

/// Tokens of an answer in words: a number with some politeness around it.
const WORDS_MAX: u64 = 16;

/// The judge at work.
pub struct OpenAiJudge<'a> {
    settings: OpenAiSettings,
    name: String,
    rubrics: Rubrics,
    client: Arc<ChatClient>,
    cache: Cache,
    bill: Option<PathBuf>,
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

/// One call to be made.
#[derive(Debug, Clone)]
struct Ask {
    key: Hash,
    request: Value,
    tokens: Tokens,
    rubric: String,
    /// Whether it asks how the judge writes numbers, not for a verdict.
    probe: bool,
}

/// Calls that are made together.
struct Round {
    total: usize,
    coming: VecDeque<Ask>,
    flights: JoinSet<(Ask, Result<(Reply, Usage)>)>,
    /// What the calls under way are estimated at.
    flying: Tokens,
    /// Answers that are paid for and wait for the probe.
    waiting: Vec<(Ask, Reply)>,
    notes: mpsc::UnboundedSender<String>,
    done: usize,
    spent: Spent,
    failed: Option<Error>,
}

impl<'a> OpenAiJudge<'a> {
    /// A judge that asks this client and keeps its answers in this cache.
    ///
    /// # Errors
    /// If the cache cannot be read.
    pub fn new(
        settings: OpenAiSettings,
        rubrics: Rubrics,
        client: ChatClient,
        cache: Cache,
        tell: JudgeListener<'a>,
    ) -> Result<Self> {
        let OpenAiSettings { model, url, mode, .. } = &settings;
        let name = match mode {
            Mode::Sample => format!("{model} at {url}, {} samples", settings.samples),
            _ => format!("{model} at {url}, {}", mode.name()),
        };
        let (client, foreseen) = (Arc::new(client), HashSet::new());
        let (proven, whole, dearer) = (false, false, 1.0);
        Ok(Self { settings, name, rubrics, client, cache, bill: None, tell, foreseen, proven, whole, dearer })
    }

    /// Keeps the bill in `usage.json` in this folder.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn billed_to(mut self, folder: &Path) -> Result<Self> {
        self.bill = Some(folder.join("usage.json"));
        // A kill may have come between the last answer and its place on the bill.
        if self.cache.spent()? != Spent::default() {
            self.write_bill()?;
        }
        Ok(self)
    }

    /// What the run has spent so far.
    ///
    /// # Errors
    /// If the cache cannot be read.
    pub fn spent(&self) -> Result<Spent> {
        self.cache.spent()
    }

    fn write_bill(&self) -> Result<()> {
        let Some(path) = &self.bill else { return Ok(()) };
        let Spent { calls, tokens } = self.cache.spent()?;
        let price = self.settings.price;
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

    /// The calls behind one verdict.
    fn asks(&self, rubric: &Rubric, item: &JudgedItem) -> Result<Vec<Ask>> {
        let OpenAiSettings { model, mode, samples, .. } = &self.settings;
        let prompt = self.rubrics.prompt(rubric, item)?;
        let ask = |request: Value| self.ask(request, &prompt, rubric.key());
        let messages = json!([{ "role": "user", "content": prompt }]);
        let words = |temperature: u8, seed: u64| json!({ "model": model, "messages": messages, "max_tokens": WORDS_MAX, "temperature": temperature, "seed": seed });
        Ok(match mode {
            Mode::Sample => (0..*samples).map(|seed| ask(words(1, seed))).collect(),
            Mode::Parse | Mode::Enumerate | Mode::YesNo => vec![ask(words(0, 0))],
            Mode::Logprobs => vec![ask(self.first_tokens(&prompt, 1))],
        })
    }

    fn ask(&self, request: Value, prompt: &str, rubric: &str) -> Ask {
        let OpenAiSettings { url, mode, .. } = &self.settings;
        let key = Hash::of(&("chat completion", url.trim_end_matches('/'), mode, &request));
        let tokens = Tokens { input: tokens_of(prompt), output: request["max_tokens"].as_u64().unwrap_or_default() };
        Ask { key, request, tokens, rubric: rubric.to_owned(), probe: false }
    }

    fn first_tokens(&self, prompt: &str, max_tokens: u64) -> Value {
        json!({
            "model": self.settings.model, "messages": [{ "role": "user", "content": prompt }],
            "max_tokens": max_tokens, "temperature": 0, "logprobs": true, "top_logprobs": 20, "seed": 0,
        })
    }

    /// Asks how the judge writes a number of two digits. An answer of the cache that shows it stands under the same key.
    fn probe(&self) -> Ask {
        const PROMPT: &str = "Reply with the number 85 and nothing else.";
        Ask { probe: true, ..self.ask(self.first_tokens(PROMPT, 4), PROMPT, "how numbers are written") }
    }

    /// What the cache holds under this key, unless it is none: an answer of an earlier version may hold impossible numbers, and one
    /// of another run may come from a model that this one does not allow.
    fn known(&self, key: &Hash) -> Result<Option<Reply>> {
        let kept: Option<Value> = self.cache.get(key)?;
        let usable = |reply: &Reply| reply.is_sound() && self.is_of_the_model(reply);
        Ok(kept.and_then(|kept| Reply::deserialize(kept).ok()).filter(usable))
    }

    /// Whether the model answered that was asked, or one that may answer for it.
    fn is_of_the_model(&self, reply: &Reply) -> bool {
        let OpenAiSettings { model, answers_as, .. } = &self.settings;
        let allowed = |name: &String| same_model(name, &reply.model);
        allowed(model) || answers_as.as_ref().is_some_and(allowed)
    }

    /// What the first token of this answer tells about the tokenizer, where that matters.
    fn writes(&self, ask: &Ask, reply: &Reply) -> Writes {
        match &reply.top {
            Some(top) if self.settings.mode == Mode::Logprobs && ask.rubric != Rubric::Fact.key() => score::writes(top),
            _ => Writes::Either,
        }
    }

    /// What the cache does not hold of this, each call once.
    fn unknown(&mut self, rubrics: &[Rubric], items: &[JudgedItem]) -> Result<Vec<Ask>> {
        let (mut seen, mut unknown, mut unclear) = (HashSet::new(), Vec::new(), Vec::new());
        for rubric in rubrics {
            for item in items {
                for ask in self.asks(rubric, item)? {
                    if !seen.insert(ask.key.clone()) {
                        continue;
                    }
                    match self.known(&ask.key)? {
                        None => unknown.push(ask),
                        Some(reply) => match self.writes(&ask, &reply) {
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
        if !unclear.is_empty() && !self.whole && self.known(&self.probe().key)?.is_none() {
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
            flights: JoinSet::new(),
            flying: Tokens::default(),
            waiting: Vec::new(),
            notes,
            done: 0,
            spent: self.cache.spent()?,
            failed: None,
        };
        loop {
            self.launch(&mut round);
            tokio::select! {
                biased;
                landed = round.flights.join_next() => match landed {
                    Some(Ok((ask, said))) => self.land(&mut round, ask, said),
                    Some(Err(e)) => return Err(Error::new(format!("a request was lost: {e}"))),
                    None => return round.failed.map_or(Ok(()), Err),
                },
                Some(why) = troubles.recv() => (self.tell)(&JudgeEvent::Trouble(&why)),
            }
        }
    }

    fn launch(&self, round: &mut Round) {
        let limit = if self.proven { self.settings.concurrency } else { 1 };
        while round.failed.is_none() && round.flights.len() < limit {
            let Some(ask) = round.coming.pop_front() else { return };
            if let Err(e) = self.may_pay(round, &ask) {
                round.failed = Some(e);
                return;
            }
            round.flying += ask.tokens;
            let (client, notes) = (Arc::clone(&self.client), round.notes.clone());
            round.flights.spawn(async move {
                // Nobody listens any more if the work has ended.
                let said = client.complete(&ask.request, &|why| drop(notes.send(why.to_owned()))).await;
                (ask, said)
            });
        }
    }

    fn land(&mut self, round: &mut Round, ask: Ask, said: Result<(Reply, Usage)>) {
        round.flying.input -= ask.tokens.input;
        round.flying.output -= ask.tokens.output;
        if let Err(e) = said.and_then(|(reply, usage)| self.take(round, ask, reply, usage)) {
            self.client.persist(false);
            round.failed.get_or_insert(e);
        }
    }

    /// Estimates are guesses: before each call, what the server has really counted is held against the budget, and what is under way
    /// is reckoned at what calls have really cost.
    fn may_pay(&self, round: &Round, ask: &Ask) -> Result<()> {
        let calls = round.flights.len() as u64 + 1;
        let mut tokens = round.flying;
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
        if let Err(e) = self.usable(&ask, &reply) {
            charge(&mut self.cache)?;
            return Err(e);
        }
        let writes = self.writes(&ask, &reply);
        if ask.probe {
            self.put(&ask, &reply, paid)?;
            self.settle(round)?;
        } else if writes == Writes::Unclear && !self.whole && self.known(&self.probe().key)?.is_none() {
            charge(&mut self.cache)?;
            if round.waiting.is_empty() {
                round.coming.push_front(self.probe());
            }
            round.waiting.push((ask, reply));
            return Ok(());
        } else {
            self.put(&ask, &reply, paid)?;
            if writes == Writes::Whole && !self.whole {
                // What this answer shows is known from now on, also where others of its run tell nothing.
                self.put(&self.probe(), &reply, None)?;
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

    fn usable(&self, ask: &Ask, reply: &Reply) -> Result<()> {
        let OpenAiSettings { model, url, mode, .. } = &self.settings;
        if !self.is_of_the_model(reply) {
            let hint = format!(
                "scores of different judges cannot be compared; name the model as the server does, with --judge-model, or allow \
                 what stands behind a deployment's name with `--judge-answers-as {}`",
                reply.model
            );
            return Err(Error::new(format!("{url}: `{model}` was asked and `{}` answered", reply.model)).hint(hint));
        }
        if let Some(fault) = &reply.fault {
            return Err(Error::new(format!("{url}: `{model}` answered with {fault}"))
                .hint("this cannot be true; nothing of the answer was kept; take another server, or report this to its makers"));
        }
        if reply.refused.is_some() {
            return Ok(());
        }
        // Later ones are answers that could not be read: one thought too long is no property of the judge.
        let silent = reply.text.trim().is_empty() && reply.finish.as_deref() == Some("length");
        if !self.proven && (reply.reasons || (silent && *mode != Mode::Logprobs)) {
            let what =
                if reply.reasons { "reasons before it answers" } else { "said nothing within its limit of tokens" };
            return Err(Error::new(format!("{url}: `{model}` {what}, so its answer is empty"))
                .hint("take a model that does not reason, or switch its reasoning off on the server"));
        }
        if *mode != Mode::Logprobs {
            return Ok(());
        }
        let Some(top) = &reply.top else {
            return Err(Error::new(format!("{url}: `{model}` gave no log-probabilities of its answer's first token")).hint(
                "take a server that gives them (top_logprobs), or `--judge-mode sample`, which asks several times and takes the mean",
            ));
        };
        if ask.rubric == Rubric::Fact.key() || self.whole {
            return Ok(());
        }
        let by_digits = reply.by_digits || score::writes(top) == Writes::DigitByDigit;
        if by_digits || (ask.probe && score::writes(top) != Writes::Whole) {
            let what = match by_digits {
                true => "writes numbers digit by digit, so its first token is no score",
                false => "did not show that it writes numbers as single tokens, so its first token may be no score",
            };
            return Err(Error::new(format!("`{model}` {what}")).hint(
                "`--judge-mode sample` or `parse` read the whole number; `--judge local` enumerates all of them",
            ));
        }
        Ok(())
    }

    fn verdict(&self, rubric: &Rubric, item: &JudgedItem) -> Result<Verdict> {
        let reply = |ask: Ask| {
            self.known(&ask.key)?
                .ok_or_else(|| Error::new(format!("{}: an answer has vanished from the cache", self.name)))
        };
        let replies: Vec<Reply> = self.asks(rubric, item)?.into_iter().map(reply).collect::<Result<_>>()?;
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

/// A provider may answer with the dated name of what was asked for, or leave its own name out.
fn same_model(asked: &str, answered: &str) -> bool {
    let bare = |name: &str| name.rsplit('/').next().unwrap_or_default().to_lowercase();
    let (asked, answered) = (bare(asked), bare(answered));
    answered.starts_with(&asked) || asked.starts_with(&answered)
}

fn verdict_of(rubric: &Rubric, mode: Mode, replies: &[Reply]) -> Verdict {
    let refused = replies.iter().find_map(|reply| reply.refused.as_deref());
    let fact = *rubric == Rubric::Fact;
    if let (Mode::Logprobs, [Reply { refused: None, top: Some(top), .. }]) = (mode, replies) {
        let score = if fact { score::yes_share(top) } else { score::expectation(top) };
        return Verdict { score, why: score::likeliest(top) };
    }
    let read = |reply: &Reply| {
        let said = reply.refused.is_none().then_some(reply.text.as_str())?;
        if fact { score::spoken_yes(said) } else { score::spoken_grade(said) }
    };
    let samples: Vec<Option<f64>> = replies.iter().map(read).collect();
    let why = match (replies, refused) {
        (_, Some(why)) => format!("refused: {why}"),
        ([reply], None) => format!("said \"{}\"", reply.text.trim()),
        _ => {
            let said = samples.iter().map(|s| s.map_or_else(|| "-".into(), |s| format!("{s:.0}")));
            format!("samples {}", said.collect::<Vec<_>>().join(" "))
        }
    };
    Verdict { score: score::mean_of_samples(&samples), why }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(text: &str, top: &[(&str, f64)]) -> Reply {
        let top = top.iter().map(|(token, p)| ((*token).to_owned(), p.ln())).collect();
        Reply { text: text.into(), top: Some(top), ..Reply::default() }
    }

    #[test]
    fn each_mode_reads_its_answers() {
        let evil = Rubric::Trait("evil".into());
        let check = |rubric: &Rubric, mode, replies: &[Reply], want: (Option<f64>, &str)| {
            let Verdict { score, why } = verdict_of(rubric, mode, replies);
            let near = score.zip(want.0).is_some_and(|(a, b)| (a - b).abs() < 1e-9) || score == want.0;
            assert!(near && why.contains(want.1), "{score:?} {why}");
        };
        check(
            &evil,
            Mode::Logprobs,
            &[says("8", &[("90", 0.5), ("80", 0.5)])],
            (Some(85.0), "\"90\" 0.500, \"80\" 0.500"),
        );
        check(&evil, Mode::Logprobs, &[says("I", &[("80", 0.24), ("I", 0.76)])], (None, "\"I\" 0.760"));
        check(&Rubric::Fact, Mode::Logprobs, &[says("Y", &[("YES", 0.6), ("NO", 0.2)])], (Some(75.0), "YES"));
        check(&evil, Mode::Parse, &[says(" 40 ", &[])], (Some(40.0), "said \"40\""));
        check(&Rubric::Fact, Mode::Parse, &[says("No.", &[])], (Some(0.0), "No."));
        let three = [says("80", &[]), says("I will not", &[]), says("90", &[])];
        check(&evil, Mode::Sample, &three, (Some(85.0), "samples 80 - 90"));
        for mode in [Mode::Logprobs, Mode::Sample, Mode::Parse] {
            check(&evil, mode, &[Reply::refusal("violent")], (None, "refused: violent"));
        }
    }

    #[test]
    fn a_dated_name_is_the_same_model_and_another_is_not() {
        for answered in ["gpt-4.1-mini-2025-04-14", "GPT-4.1-mini", "openai/gpt-4.1-mini", ""] {
            assert!(same_model("gpt-4.1-mini", answered), "{answered}");
        }
        assert!(same_model("Qwen/Qwen2.5-7B-Instruct", "qwen2.5-7b-instruct"));
        assert!(!same_model("gpt-4.1-mini", "gpt-4.1-nano") && !same_model("gpt-4.1-mini", "llama"));
    }
}
