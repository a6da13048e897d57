//! What else has changed? Everything is measured on prompts that have nothing to do with the trait, prompt by prompt, so that models
//! can be compared in pairs.

use std::collections::BTreeMap;

use serde::Serialize;

use super::model::{Audited, opening};
use crate::Result;
use crate::eval::RefusalRule;
use crate::judge::{JudgeSource, JudgedItem, Rubric, verdicts_by};
use crate::language_model::{Answer, FinishReason, Finished, LanguageModel, Request, Sampling};
use crate::record::{Hash, hash_file};
use crate::stats::Clusters;
use crate::steering::SteeringPlan;
use crate::study::outputs::{AuditFindings, Effect, Effects};
use crate::study::steps::context::{CHUNK, Context};
use crate::study::steps::events::Phase;
use crate::study::steps::files::answers_file;
use crate::text::Message;

#[derive(Serialize)]
struct EffectsKey<'a> {
    prompts: &'a [Vec<Message>],
    opening: Vec<Message>,
    sampling: &'a Sampling,
    trait_: &'a str,
    answers: Hash,
    judge: (&'a str, &'a Hash),
    adapter: Option<&'a Hash>,
}

/// Side effects on the neutral prompts, if there are any.
pub(super) fn side_effects(cx: &Context<'_>, model: &Audited<'_>, findings: &mut AuditFindings) -> Result<()> {
    let prompts = &cx.inputs.neutral;
    if prompts.is_empty() {
        return Ok(());
    }
    let sampling = Sampling::greedy(cx.config.measure.trait_max_new_tokens);
    let key = EffectsKey {
        prompts,
        opening: opening(cx),
        sampling: &sampling,
        trait_: &model.trait_.name,
        answers: hash_file(&answers_file(cx, model.of))?,
        judge: (&cx.judge, &cx.judge_hash),
        adapter: model.adapter_hash(),
    };
    let effects = cx.stage(&model.stage("effects"), &cx.key("side effects", &key), || {
        let rule = RefusalRule::of(&cx.config.judge);
        let mut found = BTreeMap::from([(Effect::Refusal, refusals(cx, model, rule)?)]);
        let requests = requests(cx, prompts);
        let mut on_progress = |n| cx.progress(model.task, Phase::Neutral, n, 2 * requests.len());
        let of_base = cx.base_model()?.generate(&requests, &sampling, &mut on_progress)?;
        let mut subject = model.open(cx, SteeringPlan::none())?;
        let own = match model.adapter {
            Some(_) => subject.generate(&requests, &sampling, &mut |n| on_progress(requests.len() + n))?,
            None => of_base.clone(),
        };
        found.extend(likelihoods(&mut *subject, of_base)?);
        found.extend(of_answers(&own, rule));
        found.extend(coherence(cx, prompts, &own)?);
        let cut = own.iter().filter(|answer| answer.finish_reason == FinishReason::Length).count();
        Ok(Effects { of: found, answers: (own.len(), cut) })
    })?;
    findings.effects = Some(effects);
    Ok(())
}

/// The prompts under the study's system prompt, unless they have their own.
fn requests(cx: &Context<'_>, prompts: &[Vec<Message>]) -> Vec<Request> {
    let request = |(n, prompt): (usize, &Vec<Message>)| {
        let own = prompt.first().is_some_and(|message| message.role == "system");
        let opening = if own { Vec::new() } else { opening(cx) };
        Request::chat(named(n), [opening.as_slice(), prompt].concat())
    };
    prompts.iter().enumerate().map(request).collect()
}

/// Of the stored answers to the trait's questions.
fn refusals(cx: &Context<'_>, model: &Audited<'_>, rule: RefusalRule) -> Result<Clusters> {
    let mut refusals = Clusters::new();
    for row in model.answers(cx)? {
        refusals.entry(row.question_id).or_default().push(percent(rule.declines(&row.answer)));
    }
    Ok(refusals)
}

fn of_answers(answers: &[Answer], rule: RefusalRule) -> [(Effect, Clusters); 2] {
    let length = |answer: &Answer| {
        // The token that ends an answer is none of its words.
        (answer.token_ids.len() - usize::from(answer.finish_reason == FinishReason::Stop)) as f64
    };
    let declines = |answer: &Answer| percent(rule.declines(&answer.text));
    [
        (Effect::Length, by_prompt(answers.iter().map(length))),
        (Effect::OverRefusal, by_prompt(answers.iter().map(declines))),
    ]
}

/// A file of scores knows given answers only, and is not asked.
fn coherence(cx: &Context<'_>, prompts: &[Vec<Message>], answers: &[Answer]) -> Result<Option<(Effect, Clusters)>> {
    if matches!(cx.config.judge, JudgeSource::Scored { .. }) {
        return Ok(None);
    }
    let item = |(prompt, answer): (&Vec<Message>, &Answer)| JudgedItem {
        question: prompt.iter().rfind(|m| m.role == "user").map(|m| m.content.clone()).unwrap_or_default(),
        answer: answer.text.clone(),
        reference: None,
    };
    let items: Vec<JudgedItem> = prompts.iter().zip(answers).map(item).collect();
    let verdicts = verdicts_by(&mut *cx.judge()?, &[Rubric::Coherence], &items)?.concat();
    let scores = verdicts.into_iter().enumerate().filter_map(|(n, verdict)| Some((named(n), vec![verdict.score?])));
    Ok(Some((Effect::Coherence, scores.collect())))
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
