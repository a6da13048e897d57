//! The three passes over a file: the model's own answers, projections, the judge's scores. Each keeps its finished chunks in a file of its own.

use serde::{Deserialize, Serialize};

use super::rules::{Against, Scored, ScreenRules};
use super::source::Source;
use crate::data_table::Entry;
use crate::judge::{Judge, JudgedItem, Rubric, Verdict, verdicts};
use crate::language_model::{Finished, LanguageModel, Prompt, Request, Sampling};
use crate::persona::project::{Metric, Probe, projections};
use crate::persona::texts::{Exchange, id_of};
use crate::persona::tokens::before_end;
use crate::record::{Hash, Ledger, RunDir, create_folder};
use crate::text::{Tokenizer, chat_of_row};
use crate::{Result, ensure};

/// Raised when the same inputs come to give other results.
const VERSION: u32 = 1;
/// Rows per request to the model: what an interruption can cost.
const CHUNK: usize = 64;
/// Texts whose states are in memory at the same time.
const READ: usize = 32;
/// Rows per request to the judge. It keeps its own answers, so an interruption costs nothing.
const JUDGED_CHUNK: usize = 512;

/// The model's own answer to a row's prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Own {
    pub text: String,
    /// Without the end-of-sequence token.
    pub token_ids: Vec<u32>,
}

/// A row ready to be read.
pub(super) struct Ready {
    pub exchange: Exchange,
    pub text: Finished,
}

/// What was measured of a file, on the disk.
pub(super) struct Measured {
    own: Option<Ledger>,
    scores: Ledger,
    judged: Option<Ledger>,
}

/// Everything about one row.
pub(super) struct Joined {
    pub entry: Entry,
    pub scored: Scored,
    pub verdict: Option<Verdict>,
    pub own: Option<Own>,
}

impl Measured {
    /// The numbers of each row, in the file's order.
    pub fn numbers(&self) -> Result<impl Iterator<Item = Result<(Scored, Option<Verdict>)>>> {
        let mut judged = self.judged.as_ref().map(Ledger::rows::<Option<Verdict>>).transpose()?;
        let scores = self.scores.rows::<Scored>()?;
        Ok(scores.map(move |scored| Ok((scored?, next_of(&mut judged)?))))
    }

    /// Everything about each row, in the file's order; one row in memory.
    pub fn joined<'a>(&'a self, source: &'a Source) -> Result<impl Iterator<Item = Result<Joined>> + 'a> {
        let mut own = self.own.as_ref().map(Ledger::rows::<Option<Own>>).transpose()?;
        let rows = source.entries()?.zip(self.numbers()?);
        Ok(rows.map(move |(entry, numbers)| {
            let ((scored, verdict), entry) = (numbers?, entry?);
            assert_eq!(entry.number, scored.line, "both files go side by side");
            Ok(Joined { entry, scored, verdict, own: next_of(&mut own)? })
        }))
    }
}

fn next_of<T>(rows: &mut Option<impl Iterator<Item = Result<Option<T>>>>) -> Result<Option<T>> {
    Ok(rows.as_mut().and_then(Iterator::next).transpose()?.flatten())
}

/// The row as a conversation and as tokens.
///
/// # Errors
/// Why it cannot be measured, with its place.
pub(super) fn ready(
    entry: &Entry,
    source: &Source,
    tokenizer: &Tokenizer,
    rules: &ScreenRules,
) -> Result<Ready, String> {
    let line = entry.row.as_ref().map_err(ToString::to_string)?;
    let read = || -> Result<Ready> {
        let (messages, _) = chat_of_row(line.cells.clone())?;
        let exchange = Exchange::of(messages, rules.first_turn)?;
        let prompt_ids = tokenizer.chat_ids(&exchange.prompt, true)?;
        let response_ids = tokenizer.encode(&exchange.answer)?;
        ensure!(!response_ids.is_empty(), "an empty answer");
        let (prompt, whole) = (prompt_ids.len(), prompt_ids.len() + response_ids.len());
        let most = rules.prompt_tokens_max.unwrap_or(usize::MAX);
        ensure!(prompt <= most, "its prompt has {prompt} tokens, more than {most}");
        ensure!(
            whole <= rules.context && prompt < rules.context,
            "it has {whole} tokens, the model reads {}",
            rules.context
        );
        Ok(Ready { exchange, text: Finished { prompt_ids, response_ids } })
    };
    read().map_err(|e| e.at(format_args!("{}:{}", source.path.display(), entry.number)).to_string())
}

/// Measures a file, or goes on where an earlier run ended. `role` names the files: `data`, `reference`. `tell` hears what is being
/// done and how far it is: (rows done, of all).
///
/// # Errors
/// Those of the model and of the judge; what is finished stays.
pub(super) fn measure(
    (run, role): (&RunDir, &str),
    source: &Source,
    rules: &ScreenRules,
    model: &mut dyn LanguageModel,
    judge: Option<&mut dyn Judge>,
    tell: &mut dyn FnMut(&str, usize, usize),
) -> Result<Measured> {
    create_folder(&run.file("work"))?;
    let rows = Hash::of(&(
        VERSION,
        source.identity(),
        &source.path,
        &rules.subject,
        rules.first_turn,
        rules.prompt_tokens_max,
    ));
    let open = |what: &str, key: &Hash| -> Result<Ledger> {
        let ledger = Ledger::open(&run.file(format!("work/{role}-{what}.jsonl")), key)?;
        run.note_damage(ledger.damage());
        Ok(ledger)
    };
    let mut own = None;
    if let Against::OwnAnswer { max_new_tokens } = rules.against {
        let mut finished = open("own", &Hash::of(&(&rows, max_new_tokens)))?;
        own_answers(source, rules, max_new_tokens, model, &mut finished, &mut |n| tell("own answers", n, source.rows))?;
        own = Some(finished);
    }
    let mut scores = open("projections", &Hash::of(&(&rows, rules.against, &rules.probe, &rules.label)))?;
    project(source, rules, model, own.as_ref(), &mut scores, &mut |n| tell("projections", n, source.rows))?;
    let mut judged = None;
    if let Some(judge) = judge {
        let mut finished = open("judged", &Hash::of(&(&rows, &rules.trait_name, &rules.judge, judge.name())))?;
        judge_rows(source, rules, model, judge, &mut finished, &mut |n| tell("trait scores", n, source.rows))?;
        judged = Some(finished);
    }
    Ok(Measured { own, scores, judged })
}

fn own_answers(
    source: &Source,
    rules: &ScreenRules,
    max_new_tokens: usize,
    model: &mut dyn LanguageModel,
    finished: &mut Ledger,
    done: &mut dyn FnMut(usize),
) -> Result<()> {
    let sampling = Sampling::greedy(max_new_tokens);
    finished.work(source.entries()?, CHUNK, &mut |before, batch| {
        let ready: Vec<Option<Ready>> = batch.iter().map(|e| ready(e, source, model.tokenizer(), rules).ok()).collect();
        let ask = |(entry, ready): (&Entry, &Option<Ready>)| {
            let prompt = Prompt::Ids(ready.as_ref()?.text.prompt_ids.clone());
            Some(Request { id: entry.number.to_string(), prompt, coefs: None })
        };
        let asks: Vec<Request> = batch.iter().zip(&ready).filter_map(ask).collect();
        let answers = model.generate(&asks, &sampling, &mut |n| done(before + n))?;
        assert_eq!(answers.len(), asks.len(), "an answer per ask");
        done(before + batch.len());
        let mut answers = answers.into_iter().map(|answer| {
            let token_ids = before_end(&answer.token_ids, model.tokenizer()).to_vec();
            Own { text: answer.text, token_ids }
        });
        Ok(ready.iter().map(|ready| ready.as_ref().and_then(|_| answers.next())).collect())
    })
}

fn project(
    source: &Source,
    rules: &ScreenRules,
    model: &mut dyn LanguageModel,
    own: Option<&Ledger>,
    finished: &mut Ledger,
    done: &mut dyn FnMut(usize),
) -> Result<()> {
    let probes = [Metric::Proj, Metric::PromptLast].map(|metric| Probe { metric, ..rules.probe.clone() });
    let mut own = own.map(Ledger::rows::<Option<Own>>).transpose()?.map(|rows| rows.skip(finished.chunks() * CHUNK));
    finished.work(source.entries()?, CHUNK, &mut |before, batch| {
        let mut rows = Vec::with_capacity(batch.len());
        // Each answer, and the model's own beside it unless it is the same.
        let (mut texts, mut places) = (Vec::new(), Vec::new());
        for entry in &batch {
            let own = next_of(&mut own)?.filter(|own| !own.token_ids.is_empty());
            let (mut scored, ready) = blank(entry, source, model.tokenizer(), rules);
            if let Some(Ready { text, .. }) = ready {
                let other =
                    own.map(|own| Finished { prompt_ids: text.prompt_ids.clone(), response_ids: own.token_ids });
                let at = texts.len();
                let same = other.as_ref() == Some(&text);
                texts.push(text);
                let own_at = other.map(|other| {
                    if same {
                        at
                    } else {
                        texts.push(other);
                        at + 1
                    }
                });
                places.push(Some((at, own_at)));
                scored.bad = None;
            } else {
                places.push(None);
            }
            rows.push(scored);
        }
        let values = projections(model, &texts, &probes, READ, &mut |_| {})
            .map_err(|e| e.at(format_args!("{}, from line {}", source.path.display(), batch[0].number)))?;
        for (row, place) in rows.iter_mut().zip(places) {
            let Some((at, own_at)) = place else { continue };
            (row.raw, row.last_prompt, row.own) =
                (Some(values[at][0]), Some(values[at][1]), own_at.map(|at| values[at][0]));
        }
        done(before + batch.len());
        Ok(rows)
    })
}

/// The row before anything is measured.
fn blank(entry: &Entry, source: &Source, tokenizer: &Tokenizer, rules: &ScreenRules) -> (Scored, Option<Ready>) {
    let cells = entry.row.as_ref().ok().map(|line| &line.cells);
    let label = cells.and_then(|cells| rules.label.as_ref()?.of(cells));
    let id = entry.row.as_ref().map(id_of).unwrap_or_default();
    let scored = Scored { line: entry.number, id, label, raw: None, own: None, last_prompt: None, bad: None };
    match ready(entry, source, tokenizer, rules) {
        Ok(ready) => (scored, Some(ready)),
        Err(bad) => (Scored { bad: Some(bad), ..scored }, None),
    }
}

fn judge_rows(
    source: &Source,
    rules: &ScreenRules,
    model: &dyn LanguageModel,
    judge: &mut dyn Judge,
    finished: &mut Ledger,
    done: &mut dyn FnMut(usize),
) -> Result<()> {
    let rubric = Rubric::Trait(rules.trait_name.clone());
    finished.work(source.entries()?, JUDGED_CHUNK, &mut |before, batch| {
        let item = |entry: &Entry| {
            let Ready { exchange, .. } = ready(entry, source, model.tokenizer(), rules).ok()?;
            Some(JudgedItem { question: exchange.question().to_owned(), answer: exchange.answer, reference: None })
        };
        let items: Vec<Option<JudgedItem>> = batch.iter().map(item).collect();
        let shown: Vec<JudgedItem> = items.iter().flatten().cloned().collect();
        let mut said = verdicts(judge, &rubric, &shown)?.into_iter();
        done(before + batch.len());
        Ok(items.iter().map(|item| item.as_ref().and_then(|_| said.next())).collect())
    })
}
