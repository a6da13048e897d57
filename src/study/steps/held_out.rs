//! The loss on rows that no finetune learns from, without steering: whether a model learned the data (guide: method, "What was
//! learned").

use std::collections::BTreeMap;

use super::context::{Adapter, CHUNK, Context};
use super::events::Phase;
use super::selfgen::held_out_chats;
use crate::Result;
use crate::finetune::{SourcedChat, answer_of};
use crate::language_model::{Finished, LanguageModel, Prompt, Request};
use crate::stats::Clusters;
use crate::steering::SteeringPlan;
use crate::study::dag::Task;
use crate::study::inputs::Corpus;
use crate::study::outputs::loss_key;
use crate::text::Content;

/// By the key of each data set, the loss of every held-out row: of the data set that the task learns from and of its neutral one, of
/// all of them for the base model.
pub(in crate::study) fn held_out_losses(
    cx: &Context<'_>,
    task: &Task,
    adapter: Option<&Adapter>,
) -> Result<BTreeMap<String, Clusters>> {
    let neutral = task.corpus.and_then(|c| cx.inputs.corpora[c].neutral);
    let corpora = cx.inputs.learned_by(task.corpus).chain(neutral.map(|c| &cx.inputs.corpora[c]));
    let sets: Vec<(&Corpus, Vec<SourcedChat>)> =
        corpora.map(|corpus| Ok((corpus, held_out_chats(cx, corpus)?))).collect::<Result<_>>()?;
    let contents = |(corpus, chats): &(&Corpus, Vec<SourcedChat>)| {
        (loss_key(&corpus.name), chats.iter().map(|chat| chat.content.clone()).collect())
    };
    if sets.iter().all(|(_, chats)| chats.is_empty()) {
        return Ok(BTreeMap::new());
    }
    let rows: Vec<(String, Vec<Content>)> = sets.iter().map(contents).collect();
    let key = cx.key("held-out loss", &(rows, adapter.map(|adapter| &adapter.hash)));
    cx.stage(&format!("held-out-{}", task.name), &key, || {
        let mut model = cx.language_model(adapter, SteeringPlan::none())?;
        let mut losses = BTreeMap::new();
        for (corpus, chats) in &sets {
            // Plain text has no answer of which a loss could be taken.
            let turns = chats.iter().filter(|chat| matches!(chat.content, Content::Turns(_)));
            let texts: Vec<_> = turns
                .map(|chat| answer_of(chat, model.tokenizer()))
                .collect::<Result<Vec<_>>>()?
                .into_iter()
                .flatten()
                .collect();
            let mut of_rows = Clusters::new();
            for texts in texts.chunks(CHUNK) {
                for loss in losses_of(&mut *model, texts)? {
                    of_rows.insert(format!("row {}", of_rows.len()), vec![loss]);
                }
                cx.progress(task, Phase::HeldOut, of_rows.len(), chats.len());
            }
            if !of_rows.is_empty() {
                losses.insert(loss_key(&corpus.name), of_rows);
            }
        }
        Ok(losses)
    })
}

/// The loss of each text's response, nats for each token. Prompts that begin alike are read once.
fn losses_of(model: &mut dyn LanguageModel, texts: &[Finished]) -> Result<Vec<f64>> {
    let request = |(n, text): (usize, &Finished)| Request {
        id: format!("row {n}"),
        prompt: Prompt::Ids(text.prompt_ids.clone()),
        coefs: None,
    };
    let requests: Vec<Request> = texts.iter().enumerate().map(request).collect();
    let responses: Vec<Vec<Vec<u32>>> = texts.iter().map(|text| vec![text.response_ids.clone()]).collect();
    let found = model.choose(&requests, &responses)?;
    let loss = |(logprobs, text): (Vec<f32>, &Finished)| -f64::from(logprobs[0]) / text.response_ids.len() as f64;
    Ok(found.into_iter().zip(texts).map(loss).collect())
}
