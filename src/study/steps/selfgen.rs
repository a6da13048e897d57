//! The base model's own answers to the prompts of a data set, as data to learn from (guide: method, "Benign data").

use super::context::Context;
use super::events::Phase;
use super::files::{is_unchanged, selfgen_file};
use crate::Result;
use crate::finetune::SourcedChat;
use crate::language_model::{LanguageModel, Request, Sampling};
use crate::persona::Exchange;
use crate::record::{Hash, create_folder, hash_file, read_jsonl, write_jsonl};
use crate::study::dag::Task;
use crate::study::inputs::Corpus;
use crate::text::Message;

/// The conversations that a finetune learns, before any treatment.
pub(in crate::study) fn training_chats(cx: &Context<'_>, task: &Task) -> Result<Vec<SourcedChat>> {
    let corpus = &cx.inputs.corpora[task.of_corpus()];
    if corpus.selfgen.is_none() { Ok(corpus.chats.clone()) } else { own_answers(cx, corpus, "") }
}

/// The conversations of a data set that no finetune learns from.
pub(super) fn held_out_chats(cx: &Context<'_>, corpus: &Corpus) -> Result<Vec<SourcedChat>> {
    match corpus.selfgen {
        Some(_) if !corpus.held_out.is_empty() => own_answers(cx, corpus, HELD_OUT),
        _ => Ok(corpus.held_out.clone()),
    }
}

/// Ends the names of what is held out of a data set that the base model made.
const HELD_OUT: &str = "-held-out";

fn own_answers(cx: &Context<'_>, corpus: &Corpus, part: &str) -> Result<Vec<SourcedChat>> {
    let rows: Vec<Vec<Message>> = read_jsonl(&selfgen_file(cx, corpus, part))?;
    let chat = |(i, messages)| SourcedChat::new(format!("own answer {i} of `{}`", corpus.name), messages);
    Ok(rows.into_iter().enumerate().map(chat).collect())
}

/// Has the base model answer the prompts of a data set, those that are held out too; one conversation in each line. Prompts that it
/// answers with nothing are left out.
pub(in crate::study) fn answer_prompts(cx: &Context<'_>, task: &Task) -> Result<()> {
    let corpus = &cx.inputs.corpora[task.of_corpus()];
    answer_part(cx, task, &corpus.chats, "")?;
    if corpus.held_out.is_empty() { Ok(()) } else { answer_part(cx, task, &corpus.held_out, HELD_OUT) }
}

fn answer_part(cx: &Context<'_>, task: &Task, chats: &[SourcedChat], part: &str) -> Result<()> {
    let corpus = &cx.inputs.corpora[task.of_corpus()];
    let sampling = corpus.selfgen.as_ref().expect("the data set is to be made");
    let prompts: Vec<Vec<Message>> = chats.iter().map(|chat| Ok(exchange(chat)?.prompt)).collect::<Result<_>>()?;
    let key = cx.key("own answers", &(&prompts, sampling));
    let path = selfgen_file(cx, corpus, part);
    let holds = |hash: &Hash| is_unchanged(&path, hash);
    cx.stage_if(&format!("{}{part}", task.name), &key, holds, || {
        let answers = answer(cx, task, &mut *cx.base_model()?, &prompts, sampling)?;
        create_folder(&cx.run.file("data"))?;
        let said = prompts.iter().zip(answers).filter(|(_, answer)| !answer.trim().is_empty());
        write_jsonl(&path, said.map(|(prompt, own)| [prompt.as_slice(), &[Message::assistant(own)]].concat()))?;
        hash_file(&path)
    })
    .map(drop)
}

/// A model's answers to prompts.
pub(super) fn answer(
    cx: &Context<'_>,
    task: &Task,
    model: &mut dyn LanguageModel,
    prompts: &[Vec<Message>],
    sampling: &Sampling,
) -> Result<Vec<String>> {
    let request = |(n, prompt): (usize, &Vec<Message>)| Request::chat(format!("prompt {n}"), prompt.clone());
    let requests: Vec<Request> = prompts.iter().enumerate().map(request).collect();
    let answers = model.generate(&requests, sampling, &mut |n| cx.progress(task, Phase::Selfgen, n, requests.len()))?;
    Ok(answers.into_iter().map(|answer| answer.text).collect())
}

/// A conversation as a prompt and its last answer.
pub(super) fn exchange(chat: &SourcedChat) -> Result<Exchange> {
    Exchange::of(chat.messages()?.to_vec(), false).map_err(|e| e.at(&chat.source))
}
