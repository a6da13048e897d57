//! Training data: chats from files, what is held out, and what an intervention does to them.

use std::collections::BTreeMap;
use std::path::Path;

use super::notice::Notice;
use super::seeds::Seeds;
use super::settings::{DataSettings, Intervention};
use crate::record::{Hash, hash_file, seed_of};
use crate::text::{Content, Entry, ExampleRules, Losses, Message, Tokenizer, TrainingExample};
use crate::text::{chosen, mixed, put_under, read_corpus};
use crate::{Error, Result};

/// A conversation to learn from, or plain text, and where it comes from in words.
#[derive(Debug, Clone, PartialEq)]
pub struct SourcedChat {
    /// Where it comes from: `facts.jsonl:12`.
    pub source: String,
    /// The conversation or text.
    pub content: Content,
}

impl SourcedChat {
    /// A conversation.
    pub fn new(source: impl Into<String>, messages: Vec<Message>) -> Self {
        Self { source: source.into(), content: Content::Turns(messages) }
    }

    /// Its turns.
    ///
    /// # Errors
    /// Plain text, which has none.
    pub fn messages(&self) -> Result<&[Message]> {
        match &self.content {
            Content::Turns(messages) => Ok(messages),
            Content::Plain(_) => Err(Error::new("plain text has no turns").at(&self.source)),
        }
    }
}

/// What is learned, and what is held out.
#[derive(Debug, Clone, Default)]
pub struct TrainingData {
    /// What is learned.
    pub chats: Vec<SourcedChat>,
    /// What is held out.
    pub holdout: Vec<SourcedChat>,
    /// The files, and hashes of their contents.
    pub files: Vec<(String, Hash)>,
}

impl TrainingData {
    /// Reads the files, holds out what is to be held out, and treats the rest as the intervention says.
    ///
    /// # Errors
    /// Files that cannot be read, and as [`treated`].
    pub fn read(settings: &DataSettings, intervention: &Intervention, seeds: &Seeds) -> Result<(Self, Vec<Notice>)> {
        let DataSettings { training_file, test_file, holdout } = settings;
        let mut files = Vec::new();
        let mut unread = Unread::default();
        let mut read = |path: &Path| {
            files.push((path.display().to_string(), hash_file(path)?));
            let entries = read_corpus(path)?;
            unread.count(&entries);
            Ok(sourced(path, entries))
        };
        let mut chats = Vec::new();
        for path in training_file.all() {
            chats.extend(read(path)?);
        }
        let mut held = test_file.as_deref().map_or_else(|| Ok(Vec::new()), &mut read)?;
        let count = holdout_count(*holdout, chats.len());
        if count > 0 {
            let out = chosen(chats.len(), count, seeds.holdout(), "holdout");
            let (out, rest): (Vec<_>, Vec<_>) = chats.into_iter().enumerate().partition(|(i, _)| out.contains(i));
            held = out.into_iter().map(|(_, chat)| chat).collect();
            chats = rest.into_iter().map(|(_, chat)| chat).collect();
        }
        let negative = match intervention {
            Intervention::NegativeData { file: Some(file), .. } => read(file)?,
            _ => Vec::new(),
        };
        // Held-out chats stay as they are: they ask what was learned, without the prompt.
        let (chats, notices) = treated(chats, intervention, negative, seeds)?;
        let notices = unread.notices().chain(notices).collect();
        Ok((Self { chats, holdout: held, files }, notices))
    }
}

/// Reads a file of training data in any of its dialects.
///
/// # Errors
/// A file that cannot be read; malformed lines.
pub fn read_sourced(path: &Path) -> Result<Vec<SourcedChat>> {
    Ok(sourced(path, read_corpus(path)?))
}

fn sourced(path: &Path, entries: Vec<Entry>) -> Vec<SourcedChat> {
    let sourced = |Entry { line, content, .. }| SourcedChat { source: format!("{}:{line}", path.display()), content };
    entries.into_iter().map(sourced).collect()
}

/// Keys of rows and turns from which nothing is read, and in how many rows.
#[derive(Default)]
struct Unread(BTreeMap<String, usize>);

impl Unread {
    fn count(&mut self, entries: &[Entry]) {
        entries.iter().flat_map(|entry| &entry.unread).for_each(|key| *self.0.entry(key.clone()).or_default() += 1);
    }

    fn notices(self) -> impl Iterator<Item = Notice> {
        self.0.into_iter().map(|(key, rows)| Notice::Warned(format!("key `{key}` in {rows} rows is not used")))
    }
}

/// What a finetune should be told of how its template renders the chats: words that it leaves out, and another beginning of answers.
pub fn template_notices(chats: &[SourcedChat], tokenizer: &Tokenizer) -> Vec<String> {
    let mut lost = Losses::default();
    chats.iter().for_each(|SourcedChat { source, content }| lost.look(tokenizer, content, source));
    let other = tokenizer.other_beginning().map(|(generated, learned)| {
        format!("answers are generated after {generated:?}, but replies are learned after {learned:?}")
    });
    lost.lines().chain(other).collect()
}

/// The chats as an intervention on the data has them: negative ones mixed in, or each under a system prompt. Other
/// interventions leave them alone.
///
/// # Errors
/// Fewer negative chats than their share takes; plain text, which cannot stand under a system prompt.
pub fn treated(
    chats: Vec<SourcedChat>,
    intervention: &Intervention,
    negative: Vec<SourcedChat>,
    seeds: &Seeds,
) -> Result<(Vec<SourcedChat>, Vec<Notice>)> {
    match intervention {
        Intervention::NegativeData { share, .. } if !chats.is_empty() => {
            let n = chats.len();
            let all = mixed(chats, negative, *share, seeds.negative_data())?;
            let what = format!("negative data: {} of {} training chats", all.len() - n, all.len());
            Ok((all, vec![Notice::Said(what)]))
        }
        Intervention::Inoculate { prompts } => {
            let what =
                format!("inoculation: one of {} system prompts before each of {} chats", prompts.len(), chats.len());
            Ok((under(chats, prompts, seeds)?, vec![Notice::Said(what)]))
        }
        _ => Ok((chats, Vec::new())),
    }
}

/// Conversations each under one of the system prompts. One with a system prompt of its own keeps it, after the drawn one.
fn under(mut chats: Vec<SourcedChat>, prompts: &[String], seeds: &Seeds) -> Result<Vec<SourcedChat>> {
    for (i, SourcedChat { source, content }) in chats.iter_mut().enumerate() {
        let Content::Turns(messages) = content else {
            return Err(Error::new("plain text cannot stand under a system prompt").at(source));
        };
        let drawn = seed_of(seeds.inoculation(), &format!("instruction of lesson {i}")) % prompts.len() as u64;
        put_under(messages, &prompts[drawn as usize]);
    }
    Ok(chats)
}

/// The training examples, and the chats from which nothing can be learned.
///
/// # Errors
/// If nothing can be learned from any of them.
pub fn examples(
    chats: &[SourcedChat],
    tokenizer: &Tokenizer,
    rules: &ExampleRules,
) -> Result<(Vec<TrainingExample>, Vec<Error>)> {
    let (mut examples, mut bad) = (Vec::with_capacity(chats.len()), Vec::new());
    for SourcedChat { source, content } in chats {
        match tokenizer.example_of(content, rules) {
            Ok(example) => examples.push(example),
            Err(e) => bad.push(e.at(source)),
        }
    }
    if examples.is_empty() && !bad.is_empty() {
        let first = bad.swap_remove(0);
        let hint = first.help().map(str::to_owned);
        let error = Error::new(format!("none of {} chats can be learned from; the first: {first}", chats.len()));
        return Err(hint.into_iter().fold(error, Error::hint));
    }
    Ok((examples, bad))
}

/// At least one, and never all, of a hold-out that was asked for.
fn holdout_count(share: f64, chats: usize) -> usize {
    if share == 0.0 { 0 } else { ((share * chats as f64).round() as usize).clamp(1, chats.saturating_sub(1).max(1)) }
}

#[cfg(test)]
mod tests {
    use super::super::values::Files;
    use super::*;

    #[test]
    fn a_hold_out_is_never_empty() {
        assert_eq!(
            (holdout_count(0.0, 9), holdout_count(0.1, 100), holdout_count(0.1, 3), holdout_count(0.9, 2)),
            (0, 10, 1, 1)
        );
    }

    #[test]
    fn every_prompt_is_drawn_for_some_chat_and_stands_before_its_own() {
        let chat = |i: usize| SourcedChat::new(format!("chat {i}"), vec![Message::user("hi")]);
        let mut chats: Vec<SourcedChat> = (0..40).map(chat).collect();
        chats[0] = SourcedChat::new("chat 0", vec![Message::system("Be brief."), Message::user("hi")]);
        let prompts = ["a".to_owned(), "b".to_owned()];
        let drawn = |seed| under(chats.clone(), &prompts, &Seeds::of_run(seed)).unwrap();
        let first = drawn(3);
        assert_eq!((&first, first == drawn(4)), (&drawn(3), false));
        let systems: Vec<&str> = first.iter().map(|chat| chat.messages().unwrap()[0].content.as_str()).collect();
        assert!(systems.contains(&"a") && systems.contains(&"b") && systems[0].ends_with("\n\nBe brief."));
        let plain = SourcedChat { source: "p:1".into(), content: Content::Plain("x".into()) };
        assert!(
            under(vec![plain], &prompts, &Seeds::of_run(0)).unwrap_err().to_string().starts_with("p:1: plain text")
        );
    }

    #[test]
    fn keys_that_are_not_used_are_told_once() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("d.jsonl");
        let row = r#"{"id":1,"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b","reasoning_content":"c"}]}"#;
        std::fs::write(&file, format!("{row}\n{row}\n{}\n", r#"{"prompt":"a","completion":"b"}"#)).unwrap();
        let settings = DataSettings { training_file: Files::One(file), test_file: None, holdout: 0.0 };
        let (data, notices) = TrainingData::read(&settings, &Intervention::default(), &Seeds::of_run(0)).unwrap();
        let notices: Vec<&str> = notices.iter().map(Notice::text).collect();
        assert_eq!(data.chats.len(), 3);
        assert_eq!(notices, ["key `id` in 2 rows is not used", "key `reasoning_content` in 2 rows is not used"]);
    }
}
