//! From files of chats to lessons: hold-out, inoculation, and chats without anything to learn.

use std::path::Path;

use crate::record::{Hash, hash_file, seed_of};
use crate::text::{Content, Entry, ExampleRules, Tokenizer, TrainingExample, chosen, mixed, put_under, read_corpus};
use crate::train::{Inoculate, Intervention, NegativeData};
use crate::verbs::Console;
use crate::verbs::train_config::TrainConfig;
use crate::{Error, Result};

/// What is learned, and what is held out.
pub struct Data {
    /// What is learned.
    pub lessons: Vec<TrainingExample>,
    /// What is held out.
    pub holdout: Vec<TrainingExample>,
    /// The files, and hashes of their contents.
    pub files: Vec<(String, Hash)>,
}

impl Data {
    /// Everything that decides a run about its data.
    pub fn fingerprint(&self) -> [Hash; 2] {
        [&self.lessons, &self.holdout].map(|lessons| {
            let parts: Vec<(&[u32], &[f32])> =
                lessons.iter().map(|l| (l.ids.as_slice(), l.weights.as_slice())).collect();
            Hash::of(&parts)
        })
    }
}

/// Reads what a resolved configuration names.
///
/// # Errors
/// Malformed files, and data in which there is nothing to learn.
pub fn read(config: &TrainConfig, tokenizer: &Tokenizer, console: &dyn Console) -> Result<Data> {
    let rules = ExampleRules {
        append_eos: config.append_eos.unwrap_or(true),
        responses_only: config.train_on_responses_only.unwrap_or(true),
        max_len: config.max_seq_length.unwrap_or(2048),
    };
    let seed = config.seed.unwrap_or_default();
    let mut files = Vec::new();
    let mut chats: Vec<(String, Entry)> = Vec::new();
    for path in config.training_file.as_ref().map(|files| files.all()).unwrap_or_default() {
        chats.extend(placed(&path, &mut files)?);
    }
    let mut held = match &config.test_file {
        Some(path) => placed(path, &mut files)?,
        None => Vec::new(),
    };
    let count = holdout_count(config.holdout.unwrap_or_default(), chats.len());
    if count > 0 {
        let out = chosen(chats.len(), count, seed, "holdout");
        let (out, rest): (Vec<_>, Vec<_>) = chats.into_iter().enumerate().partition(|(i, _)| out.contains(i));
        held = out.into_iter().map(|(_, chat)| chat).collect();
        chats = rest.into_iter().map(|(_, chat)| chat).collect();
    }
    if let Some(Intervention::NegativeData(NegativeData { file: Some(file), share: Some(share) })) =
        config.intervention.as_ref().filter(|_| !chats.is_empty())
    {
        let (n, negative) = (chats.len(), placed(file, &mut files)?);
        chats = mixed(chats, negative, *share, seed).map_err(|e| e.at(file.display()))?;
        console.say(&format!(
            "negative data: {} of {} training chats are from {}",
            chats.len() - n,
            chats.len(),
            file.display()
        ));
    }
    // Held-out chats stay as they are: they ask what was learned, without the prompt.
    if let Some(Intervention::Inoculate(Inoculate { prompts: Some(prompts) })) = &config.intervention {
        for (i, (place, chat)) in chats.iter_mut().enumerate() {
            let Content::Turns(messages) = &mut chat.content else {
                return Err(Error::new("plain text cannot stand under a system prompt").at(place));
            };
            put_under(messages, pick(prompts, seed, i));
        }
        console.say(&format!(
            "inoculation: one of {} system prompts before each of {} chats",
            prompts.len(),
            chats.len()
        ));
    }
    Ok(Data {
        lessons: lessons(&chats, tokenizer, &rules, console)?,
        holdout: lessons(&held, tokenizer, &rules, console)?,
        files,
    })
}

fn placed(path: &Path, files: &mut Vec<(String, Hash)>) -> Result<Vec<(String, Entry)>> {
    files.push((path.display().to_string(), hash_file(path)?));
    let place = |entry: Entry| (format!("{}:{}", path.display(), entry.line), entry);
    Ok(read_corpus(path)?.into_iter().map(place).collect())
}

fn lessons(
    chats: &[(String, Entry)],
    tokenizer: &Tokenizer,
    rules: &ExampleRules,
    console: &dyn Console,
) -> Result<Vec<TrainingExample>> {
    const NAMED_MAX: usize = 5;
    let (mut lessons, mut bad) = (Vec::with_capacity(chats.len()), Vec::new());
    for (place, chat) in chats {
        match tokenizer.example_of(&chat.content, rules) {
            Ok(lesson) => lessons.push(lesson),
            Err(e) => bad.push(e.at(place)),
        }
    }
    if lessons.is_empty() && !bad.is_empty() {
        let first = bad.swap_remove(0);
        let hint = first.help().map(str::to_owned);
        let error = Error::new(format!("none of {} chats can be learned from; the first: {first}", chats.len()));
        return Err(hint.into_iter().fold(error, Error::hint));
    }
    if !bad.is_empty() {
        let named: Vec<String> = bad.iter().take(NAMED_MAX).map(ToString::to_string).collect();
        console.warn(&format!("{} of {} chats are left out: {}", bad.len(), chats.len(), named.join("; ")));
    }
    Ok(lessons)
}

/// At least one, and never all, of a hold-out that was asked for.
fn holdout_count(share: f64, chats: usize) -> usize {
    if share == 0.0 { 0 } else { ((share * chats as f64).round() as usize).clamp(1, chats.saturating_sub(1).max(1)) }
}

fn pick(prompts: &[String], seed: u64, chat: usize) -> &str {
    &prompts[(seed_of(seed, &format!("inoculate {chat}")) % prompts.len() as u64) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_out_is_never_empty() {
        assert_eq!(
            (holdout_count(0.0, 9), holdout_count(0.1, 100), holdout_count(0.1, 3), holdout_count(0.9, 2)),
            (0, 10, 1, 1)
        );
    }

    #[test]
    fn every_prompt_is_drawn_for_some_chat() {
        let prompts = ["a".to_owned(), "b".to_owned()];
        let picked: Vec<&str> = (0..40).map(|i| pick(&prompts, 0, i)).collect();
        assert!(picked.contains(&"a") && picked.contains(&"b"));
    }
}
