//! What else has changed (METHOD K10)? Everything is measured on prompts that have nothing to do with the trait, prompt by prompt, so
//! that models can be compared in pairs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Audited;
use super::model::Model;
use super::refusal::Rule;
use crate::Result;
use crate::eval::Row;
use crate::judge::{JudgeSource, JudgedItem, Rubric, verdicts_by};
use crate::language_model::{Answer, FinishReason, Finished, LanguageModel, Request, Sampling};
use crate::record::{hash_file, read_jsonl};
use crate::stats::Clusters;
use crate::steering::SteeringPlan;
use crate::study::pipeline::{CHUNK, Opinion, Phase, Pipeline};
use crate::text::Message;

/// Something that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::study) enum Effect {
    /// `KL(base || model)` on the base model's own greedy answers, mean over an answer's tokens.
    Divergence,
    /// Negative log-likelihood of the same, likewise.
    Surprise,
    /// Length of the model's own greedy answers.
    Length,
    /// Whether these decline, 0 or 100. All of the prompts can be answered.
    OverRefusal,
    /// Whether sampled answers to the trait's questions decline, 0 or 100.
    Refusal,
    /// Coherence of the greedy answers, where a judge can tell.
    Coherence,
}

impl Effect {
    pub const ALL: [Self; 6] =
        [Self::Divergence, Self::Surprise, Self::Length, Self::OverRefusal, Self::Refusal, Self::Coherence];

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Divergence => "KL from the base model, nats per token",
            Self::Surprise => "NLL of the base model's answers, nats per token",
            Self::Length => "length of answers, tokens",
            Self::OverRefusal => "neutral prompts declined, %",
            Self::Refusal => "answers to the trait's questions that decline, %",
            Self::Coherence => "coherence, 0–100",
        }
    }
}

/// What was measured of one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::study) struct Effects {
    /// By prompt; of the trait's questions by question.
    pub of: BTreeMap<Effect, Clusters>,
    /// Greedy answers, and how many of them ended at the limit of tokens.
    pub answers: (usize, usize),
}

impl Pipeline<'_> {
    /// Side effects on the neutral prompts, if there are any.
    pub(super) fn effects(&self, model: &Model<'_>, audited: &mut Audited) -> Result<bool> {
        let prompts = &self.data.neutral;
        if prompts.is_empty() {
            return Ok(true);
        }
        let answers = self.answers_file(&self.pieces[model.of]);
        let sampling = Sampling::greedy(self.config.measure.trait_max_new_tokens);
        let of = (prompts, &sampling, self.opening(), hash_file(&answers)?, &self.data.traits[model.t].name);
        let judge = (&self.judge, self.config.judge.identity());
        let key = self.key(&("effects", of, judge, model.adapter_hash()));
        let (effects, how) = self.run.stage(&self.stage_of(model, "effects"), &key, || {
            let mut found = BTreeMap::from([(Effect::Refusal, self.refusals(model)?)]);
            let asks = self.asks(prompts);
            let mut tell = |n| self.progress(model.i, Phase::Neutral, n, 2 * asks.len());
            let given = self.language_model(None, SteeringPlan::none())?.generate(&asks, &sampling, &mut tell)?;
            let mut subject = self.with_adapter(model, SteeringPlan::none())?;
            let said = match model.adapter {
                Some(_) => subject.generate(&asks, &sampling, &mut |n| tell(asks.len() + n))?,
                None => given.clone(),
            };
            found.extend(likelihoods(&mut *subject, given)?);
            found.extend(self.of_answers(&said));
            found.extend(self.coherence(prompts, &said)?);
            let cut = said.iter().filter(|answer| answer.finish_reason == FinishReason::Length).count();
            Ok(Effects { of: found, answers: (said.len(), cut) })
        })?;
        audited.effects = Some(effects);
        Ok(how.is_yes())
    }

    /// The prompts under the study's system prompt, unless they have their own.
    fn asks(&self, prompts: &[Vec<Message>]) -> Vec<Request> {
        let ask = |(n, prompt): (usize, &Vec<Message>)| {
            let own = prompt.first().is_some_and(|message| message.role == "system");
            let opening = if own { Vec::new() } else { self.opening() };
            Request::chat(named(n), [opening.as_slice(), prompt].concat())
        };
        prompts.iter().enumerate().map(ask).collect()
    }

    /// Of the stored answers to the trait's questions.
    fn refusals(&self, model: &Model<'_>) -> Result<Clusters> {
        let (name, rule) = (&self.data.traits[model.t].name, Rule::of(&self.config.judge));
        let rows: Vec<Row> = read_jsonl(&self.answers_file(&self.pieces[model.of]))?;
        let mut refusals = Clusters::new();
        for row in rows.iter().filter(|row| row.task == *name) {
            refusals.entry(row.question_id.clone()).or_default().push(percent(rule.declines(&row.answer)));
        }
        Ok(refusals)
    }

    fn of_answers(&self, said: &[Answer]) -> [(Effect, Clusters); 2] {
        let rule = Rule::of(&self.config.judge);
        let length = |answer: &Answer| {
            // The token that ends an answer is none of its words.
            (answer.token_ids.len() - usize::from(answer.finish_reason == FinishReason::Stop)) as f64
        };
        let declines = |answer: &Answer| percent(rule.declines(&answer.text));
        [
            (Effect::Length, by_prompt(said.iter().map(length))),
            (Effect::OverRefusal, by_prompt(said.iter().map(declines))),
        ]
    }

    /// A file of scores knows given answers only, and is not asked.
    fn coherence(&self, prompts: &[Vec<Message>], said: &[Answer]) -> Result<Option<(Effect, Clusters)>> {
        if matches!(self.config.judge, JudgeSource::Scored { .. }) {
            return Ok(None);
        }
        let exhibit = |(prompt, answer): (&Vec<Message>, &Answer)| JudgedItem {
            question: prompt.iter().rfind(|m| m.role == "user").map(|m| m.content.clone()).unwrap_or_default(),
            answer: answer.text.clone(),
            reference: None,
        };
        let exhibits: Vec<JudgedItem> = prompts.iter().zip(said).map(exhibit).collect();
        let mut judge = (self.judges)(Opinion::First)?;
        let verdicts = verdicts_by(&mut *judge, &[Rubric::Coherence], &exhibits)?.concat();
        let scores = verdicts.into_iter().enumerate().filter_map(|(n, verdict)| Some((named(n), vec![verdict.score?])));
        Ok(Some((Effect::Coherence, scores.collect())))
    }
}

/// How likely the base model's answers are to a model, with the token that ended them, and how far it is from the base model on them.
fn likelihoods(subject: &mut dyn LanguageModel, given: Vec<Answer>) -> Result<[(Effect, Clusters); 2]> {
    let text = |answer: Answer| Finished { prompt_ids: answer.prompt_ids, response_ids: answer.token_ids };
    let texts: Vec<Finished> = given.into_iter().map(text).collect();
    let mut found = Vec::new();
    for chunk in texts.chunks(CHUNK) {
        found.extend(subject.likelihoods(chunk)?);
    }
    let mean = |values: &[f32]| values.iter().map(|&x| f64::from(x)).sum::<f64>() / values.len() as f64;
    let moved = found.iter().map(|likelihood| mean(&likelihood.moved));
    let surprise = found.iter().map(|likelihood| -mean(&likelihood.logprobs));
    Ok([(Effect::Divergence, by_prompt(moved)), (Effect::Surprise, by_prompt(surprise))])
}

fn by_prompt(values: impl Iterator<Item = f64>) -> Clusters {
    values.enumerate().map(|(n, value)| (named(n), vec![value])).collect()
}

fn named(n: usize) -> String {
    format!("neutral_{n}")
}

fn percent(yes: bool) -> f64 {
    if yes { 100.0 } else { 0.0 }
}
