//! The base model's own answers to the prompts of a data set, as data to learn from (guide: method, "Benign data").

use super::context::Context;
use super::events::Phase;
use super::files::selfgen_file;
use super::hashes::is_unchanged;
use crate::Result;
use crate::finetune::SourcedChat;
use crate::language_model::{LanguageModel, Request, Sampling};
use crate::persona::Exchange;
use crate::record::{Hash, create_folder, hash_file, read_jsonl, write_atomic_with};
use crate::study::dag::Task;
use crate::text::Message;

/// The conversations that a finetune learns, before any treatment.
pub(in crate::study) fn training_chats(cx: &Context<'_>, task: &Task) -> Result<Vec<SourcedChat>> {
    let corpus = &cx.inputs.corpora[task.of_corpus()];
    if corpus.selfgen.is_none() {
        return Ok(corpus.chats.clone());
    }
    let rows: Vec<Vec<Message>> = read_jsonl(&selfgen_file(cx, corpus))?;
    let chat = |(i, messages)| SourcedChat::new(format!("own answer {i} of `{}`", corpus.name), messages);
    Ok(rows.into_iter().enumerate().map(chat).collect())
}

/// Has the base model answer the prompts of a data set; one conversation in each line. Prompts that it answers with nothing are left
/// out. Says whether the file was there.
pub(in crate::study) fn answer_prompts(cx: &Context<'_>, task: &Task) -> Result<bool> {
    let corpus = &cx.inputs.corpora[task.of_corpus()];
    let sampling = corpus.selfgen.as_ref().expect("the data set is to be made");
    let prompts: Vec<Vec<Message>> =
        corpus.chats.iter().map(|chat| Ok(exchange(chat)?.prompt)).collect::<Result<_>>()?;
    let key = cx.key("own answers", &(&prompts, sampling));
    let path = selfgen_file(cx, corpus);
    let stage = cx.stage_if(
        &task.name,
        &key,
        |hash: &Hash| is_unchanged(&path, hash),
        || {
            let answers = answer(cx, task, &mut *cx.base_model()?, &prompts, sampling)?;
            create_folder(&cx.run.file("data"))?;
            write_atomic_with(&path, |out| {
                for (prompt, answer) in prompts.iter().zip(&answers).filter(|(_, answer)| !answer.trim().is_empty()) {
                    let own = Message::assistant(answer.as_str());
                    serde_json::to_writer(&mut *out, &prompt.iter().chain([&own]).collect::<Vec<_>>())?;
                    out.write_all(b"\n")?;
                }
                Ok(())
            })?;
            hash_file(&path)
        },
    );
    Ok(stage?.1)
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
