//! Projections along the vectors: of a model's answers, and of a data set's beside the base model's own (guide: method, "Finetuning
//! shift" and "Projection difference").

use serde::Serialize;

use super::context::{Adapter, CHUNK, Context, TraitVector};
use super::events::Phase;
use super::files::answers_file;
use super::selfgen::{answer, exchange, training_chats};
use crate::finetune::SourcedChat;
use crate::judge::JudgedAnswer;
use crate::language_model::{Prompt, Sampling};
use crate::persona::{Border, Exchange, Metric, Probe, finish, projections};
use crate::record::{Hash, read_jsonl};
use crate::stats::Clusters;
use crate::steering::SteeringPlan;
use crate::study::dag::Task;
use crate::study::outputs::{
    AnswerProjection, DataProjection, Difference, Measured, projection_key, prompt_key, trait_key,
};
use crate::text::{Message, chosen};
use crate::{Result, ensure};

/// What decides projections of answers.
#[derive(Serialize)]
struct AnswersKey<'a> {
    answers: &'a Hash,
    vectors: Vec<&'a str>,
    layer: Option<usize>,
}

/// How far the unsteered answers to each trait's questions, and the states before them, lie along that trait's vector.
pub(in crate::study) fn project_answers(
    cx: &Context<'_>,
    task: &Task,
    vectors: &[TraitVector<'_>],
    adapter: Option<&Adapter>,
    measured: &Measured,
) -> Result<AnswerProjection> {
    let layer = cx.config.arms.layer;
    let key = cx.key("along", &AnswersKey { answers: &measured.answers, vectors: fingerprints(vectors), layer });
    cx.stage(&format!("along-{}", task.name), &key, || {
        let rows: Vec<JudgedAnswer> = read_jsonl(&answers_file(cx, task))?;
        let mut model = cx.language_model(adapter, SteeringPlan::none())?;
        let mut along = AnswerProjection::default();
        for vector in vectors {
            let name = &cx.inputs.traits[vector.trait_].name;
            let probes = probes(cx, &[*vector], model.shape().0)?;
            let (mut of, mut texts) = (Vec::new(), Vec::new());
            for row in rows.iter().filter(|row| row.task == *name) {
                // An empty answer lies nowhere.
                if let Some(text) = finish(model.tokenizer(), &row.prompt, &row.answer, Border::Separate)? {
                    of.push(row);
                    texts.push(text);
                }
            }
            let mut on_progress = |n| cx.progress(task, Phase::States, n, texts.len());
            let values = projections(&mut *model, &texts, &probes, CHUNK, &mut on_progress)?;
            for (row, values) in of.into_iter().zip(values) {
                for (key, value) in [projection_key(name), prompt_key(name)].into_iter().zip(&values) {
                    along.scores.entry(key).or_default().entry(row.question_id.clone()).or_default().push(*value);
                }
                if let Some(score) = row.verdicts.get(name).and_then(|verdict| verdict.score) {
                    along.pairs.entry(trait_key(name).to_owned()).or_default().push((values[0], score));
                }
            }
        }
        Ok(along)
    })
}

/// What decides a projection difference.
#[derive(Serialize)]
struct DifferenceKey<'a> {
    /// Prompt and answer of each conversation.
    exchanges: Vec<(&'a [Message], &'a str)>,
    vectors: Vec<&'a str>,
    layer: Option<usize>,
    sampling: &'a Sampling,
}

/// ΔP of a sample of the data set, for every trait: by conversation, the projection of its answer less that of the base model's
/// greedy one; and the two by themselves.
pub(in crate::study) fn difference(cx: &Context<'_>, task: &Task, vectors: &[TraitVector<'_>]) -> Result<Difference> {
    let chats = training_chats(cx, task)?;
    // Drawn by each conversation's own number, so that a larger sample holds the smaller one.
    let sample = chosen(chats.len(), cx.config.measure.difference, cx.config.seed, "projection difference");
    let numbered: Vec<(usize, &SourcedChat)> = sample.into_iter().map(|n| (n, &chats[n])).collect();
    let exchanges: Vec<Exchange> = numbered.iter().map(|(_, chat)| exchange(chat)).collect::<Result<_>>()?;
    let sampling = Sampling::greedy(cx.config.measure.trait_max_new_tokens);
    let key = DifferenceKey {
        exchanges: exchanges.iter().map(|e| (e.prompt.as_slice(), e.answer.as_str())).collect(),
        vectors: fingerprints(vectors),
        layer: cx.config.arms.layer,
        sampling: &sampling,
    };
    cx.stage(&task.name, &cx.key("difference", &key), || {
        let mut model = cx.base_model()?;
        let probes = probes(cx, vectors, model.shape().0)?;
        let prompts: Vec<Vec<Message>> = exchanges.iter().map(|e| e.prompt.clone()).collect();
        let own = answer(cx, task, &mut *model, &prompts, &sampling)?;
        let mut texts = Vec::new();
        for ((n, _), (exchange, own)) in numbered.iter().zip(exchanges.iter().zip(&own)) {
            let prompt = Prompt::Chat(exchange.prompt.clone()).text(model.tokenizer())?;
            let [data, own] = [&exchange.answer, own].map(|a| finish(model.tokenizer(), &prompt, a, Border::Separate));
            // A comparison needs both.
            if let (Some(data), Some(own)) = (data?, own?) {
                texts.push((*n, [data, own]));
            }
        }
        ensure!(!texts.is_empty(), "no conversation of the sample has an answer to compare");
        let flat: Vec<_> = texts.iter().flat_map(|(_, pair)| pair.clone()).collect();
        let mut on_progress = |n| cx.progress(task, Phase::States, n, flat.len());
        let values = projections(&mut *model, &flat, &probes, CHUNK, &mut on_progress)?;
        let mut of = vec![DataProjection::default(); vectors.len()];
        for ((n, _), pair) in texts.iter().zip(values.chunks(2)) {
            // Of each trait, the response's projection and that of the prompt's last token.
            for (projection, (data, own)) in of.iter_mut().zip(pair[0].chunks(2).zip(pair[1].chunks(2))) {
                let DataProjection { data: of_data, own: of_own, difference, approximation } = projection;
                let put = |clusters: &mut Clusters, value| clusters.insert(format!("conversation {n}"), vec![value]);
                put(of_data, data[0]);
                put(of_own, own[0]);
                put(difference, data[0] - own[0]);
                put(approximation, data[0] - data[1]);
            }
        }
        Ok(Difference { of })
    })
}

fn fingerprints<'a>(vectors: &[TraitVector<'a>]) -> Vec<&'a str> {
    vectors.iter().map(|vector| vector.file.fingerprint.as_str()).collect()
}

/// Every trait's direction at the layer of projections, for the response and for the prompt's last token: trait after trait.
fn probes(cx: &Context<'_>, vectors: &[TraitVector<'_>], layers: usize) -> Result<Vec<Probe>> {
    let layer = cx.config.layer(layers)?;
    let mut probes = Vec::new();
    for vector in vectors {
        let stem = trait_key(&cx.inputs.traits[vector.trait_].name);
        for metric in [Metric::Proj, Metric::PromptLast] {
            probes.extend(Probe::of_file("model", stem, vector.file, &[layer.row()], metric)?);
        }
    }
    Ok(probes)
}
