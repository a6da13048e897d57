//! What a study teaches and asks, read from files or made up by Harbor.

mod corpora;

use super::config::{CorpusSource, MmluSource, NeutralSource, StudyConfig, TraitSource};
use crate::eval::mmlu;
use crate::finetune::SourcedChat;
use crate::harbor::{self, World};
use crate::language_model::Sampling;
use crate::persona::{Trait, builtin, harbor_trait};
use crate::record::{Hash, seed_of};
use crate::text::{Content, Message};
use crate::{Error, Result, ensure};

pub(super) use corpora::Corpus;
use corpora::{chats_of, corpus_of, fact_corpus, read_all, sample};

/// Everything that goes in besides the model.
#[derive(Debug, Clone)]
pub(super) struct Inputs {
    /// What is learned, each by itself.
    pub corpora: Vec<Corpus>,
    /// The traits.
    pub traits: Vec<Trait>,
    /// Prompts on which an audit measures side effects; may be empty.
    pub neutral: Vec<Vec<Message>>,
    /// Multiple-choice questions; may be empty.
    pub mmlu: Vec<mmlu::Item>,
    /// What a reader of the results should know about them.
    pub warnings: Vec<String>,
}

impl TraitSource {
    /// Reads the trait, or takes a built-in one or Harbor's.
    ///
    /// # Errors
    /// Files that cannot be read or make no trait; an unknown trait.
    pub fn load(&self) -> Result<Trait> {
        match self {
            Self::Builtin { name } => builtin(name).ok_or_else(|| {
                Error::usage(format!("there is no built-in trait `{name}`"))
                    .hint("`trimtab trait list` names them; traits of your own have `source = \"files\"`")
            }),
            Self::Files { folder, name } => Trait::read(folder, name),
            Self::Harbor { world, name } => harbor_trait(&World::new(*world), name),
        }
    }
}

impl Inputs {
    /// Reads, or makes up, all of it.
    ///
    /// # Errors
    /// Unreadable or malformed files; a test question about a fact that no lesson teaches.
    pub fn load(config: &StudyConfig) -> Result<Self> {
        let mut warnings = Vec::new();
        let mut corpora = Vec::new();
        if let Some(source) = &config.facts {
            corpora.push(fact_corpus(source, (config.measure.held_out, config.seed), &mut warnings)?);
        }
        for corpus in config.data.iter().filter(|c| !matches!(c.from, CorpusSource::Selfgen { .. })) {
            let chats = chats_of(corpus, (config.measure.held_out, config.seed))?;
            corpora.push(corpus_of(corpus, chats, None));
        }
        for (i, corpus) in config.data.iter().enumerate() {
            if let CorpusSource::Selfgen { of, temperature, max_new_tokens } = &corpus.from {
                let seed = seed_of(config.seed, &format!("own answers to {of}"));
                let sampling = Sampling { temperature: *temperature, seed, ..Sampling::greedy(*max_new_tokens) };
                let source = corpora.iter().find(|other| other.name == *of).expect("a checked configuration has it");
                let own = corpus_of(corpus, (source.chats.clone(), source.held_out.clone()), Some(sampling));
                // In the order of the configuration, facts first.
                corpora.insert((i + usize::from(config.facts.is_some())).min(corpora.len()), own);
            }
        }
        for corpus in &config.data {
            let place = |name: &str| corpora.iter().position(|other: &Corpus| other.name == name);
            if let (Some(of), Some(at)) = (corpus.neutral.as_deref().and_then(place), place(&corpus.name)) {
                corpora[at].neutral = Some(of);
            }
        }
        let mut traits = Vec::new();
        for source in config.traits() {
            let mut trait_ = source.load()?;
            warnings.extend(trait_.check()?);
            first(&mut trait_.extract.questions, config.vector.questions);
            first(&mut trait_.eval.questions, config.measure.trait_questions);
            ensure!(!trait_.extract.questions.is_empty(), "there is no extraction question of `{}`", trait_.name);
            ensure!(!trait_.eval.questions.is_empty(), "there is no trait question of `{}`", trait_.name);
            traits.push(trait_);
        }
        let mmlu = match &config.mmlu {
            None => Vec::new(),
            Some(MmluSource::Mmlu { folder, split }) => mmlu::read(folder, *split)?,
            Some(MmluSource::Builtin {}) => mmlu::easy(),
            Some(MmluSource::Harbor { rounds, seed }) => harbor::exam(*rounds, *seed).into_iter().map(item).collect(),
        };
        let mmlu = spread(mmlu, config.measure.mmlu_questions);
        ensure!(config.mmlu.is_none() || !mmlu.is_empty(), "there is no exam question");
        let neutral = match &config.audit {
            None => Vec::new(),
            Some(audit) => {
                let usual = || NeutralSource::usual(&config.judge);
                neutral_prompts(&audit.neutral.clone().unwrap_or_else(usual), config.seed)?
            }
        };
        Ok(Self { corpora, traits, neutral, mmlu, warnings })
    }

    /// The data sets that a model learned from: its finetune's one, every one for a model that is asked about all of them.
    pub fn learned_by(&self, corpus: Option<usize>) -> impl Iterator<Item = &Corpus> {
        let of = self.corpora.iter().enumerate().filter(move |(c, _)| corpus.is_none_or(|own| own == *c));
        of.map(|(_, corpus)| corpus)
    }

    /// Name and hash of each part, for the lock and for the keys of stages.
    pub fn hashes(&self) -> Vec<(String, Hash)> {
        let mut hashes = Vec::new();
        for corpus in &self.corpora {
            let contents =
                |chats: &[SourcedChat]| chats.iter().map(|chat| chat.content.clone()).collect::<Vec<Content>>();
            hashes.push((format!("data `{}`", corpus.name), Hash::of(&(contents(&corpus.chats), &corpus.selfgen))));
            if !corpus.held_out.is_empty() {
                hashes.push((format!("held out of `{}`", corpus.name), Hash::of(&contents(&corpus.held_out))));
            }
            if !corpus.questions.is_empty() {
                hashes.push((format!("questions of `{}`", corpus.name), Hash::of(&corpus.questions)));
            }
        }
        for Trait { name, extract, eval } in &self.traits {
            hashes.push((format!("trait `{name}`"), Hash::of(&(name, extract, eval))));
        }
        hashes.push(("exam".to_owned(), Hash::of(&self.mmlu)));
        if !self.neutral.is_empty() {
            hashes.push(("neutral prompts".to_owned(), Hash::of(&self.neutral)));
        }
        hashes
    }
}

/// Prompts with nothing of any trait in them, each a conversation to be answered.
///
/// # Errors
/// Files that cannot be read, or hold no prompt.
fn neutral_prompts(source: &NeutralSource, seed: u64) -> Result<Vec<Vec<Message>>> {
    const PURPOSE: &str = "neutral prompt";
    let ask = |question: &str| vec![Message::user(question)];
    match source {
        NeutralSource::None {} => Ok(Vec::new()),
        NeutralSource::Builtin {} => Ok(include_str!("../../assets/prompts/neutral.txt").lines().map(ask).collect()),
        NeutralSource::Harbor { world, count } => {
            let known = World::new(*world).known_questions();
            let questions: Vec<&str> = known.iter().map(|known| known.question.as_str()).collect();
            Ok(sample(questions, Some(*count), seed, PURPOSE).into_iter().map(ask).collect())
        }
        NeutralSource::Chats { files, count } => {
            let mut prompts = Vec::new();
            for chat in read_all(files)? {
                let (source, mut messages) = (&chat.source, chat.messages()?.to_vec());
                let answer = messages.iter().rposition(|message| message.role == "assistant");
                messages.truncate(answer.unwrap_or(messages.len()));
                let asks = messages.iter().any(|message| message.role == "user");
                ensure!(asks, "{source}: no user message stands before the answer");
                prompts.push(messages);
            }
            let prompts = sample(prompts, *count, seed, PURPOSE);
            ensure!(!prompts.is_empty(), "`audit.neutral`: there is no prompt");
            Ok(prompts)
        }
    }
}

fn first<T>(items: &mut Vec<T>, count: Option<usize>) {
    items.truncate(count.unwrap_or(usize::MAX));
}

/// So many items at equal distances, so that every subject keeps its share.
fn spread<T>(items: Vec<T>, count: Option<usize>) -> Vec<T> {
    let (len, count) = (items.len(), count.unwrap_or(usize::MAX));
    if count >= len {
        return items;
    }
    let chosen: Vec<usize> = (0..count).map(|i| i * len / count).collect();
    items.into_iter().enumerate().filter(|(i, _)| chosen.binary_search(i).is_ok()).map(|(_, item)| item).collect()
}

fn item(choice: harbor::Choice) -> mmlu::Item {
    mmlu::Item { subject: choice.subject, question: choice.question, options: choice.options, right: choice.right }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_questions_is_spread_over_all_of_them() {
        assert_eq!(spread((0..10).collect(), Some(4)), [0, 2, 5, 7]);
        assert_eq!(spread(vec![1, 2], Some(9)), [1, 2]);
    }

    #[test]
    fn the_built_in_neutral_prompts_are_forty_different_ones() {
        let prompts = neutral_prompts(&NeutralSource::Builtin {}, 0).unwrap();
        let mut prompts: Vec<String> = prompts.into_iter().map(|mut p| p.remove(0).content).collect();
        assert!(prompts.iter().all(|prompt| prompt.len() > 10 && !prompt.ends_with(' ')));
        prompts.sort();
        prompts.dedup();
        assert_eq!(prompts.len(), 40);
    }

    #[test]
    fn harbor_is_asked_what_it_knows() {
        let of = |seed| neutral_prompts(&NeutralSource::Harbor { world: 1, count: 30 }, seed).unwrap();
        let known: Vec<String> = World::new(1).known_questions().into_iter().map(|q| q.question).collect();
        assert!(of(1).len() == 30 && of(1) == of(1) && of(1) != of(2));
        assert!(of(1).iter().all(|prompt| prompt.len() == 1 && known.contains(&prompt[0].content)));
    }

    #[test]
    fn neutral_files_give_what_stands_before_the_last_answer() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("neutral.jsonl");
        let chat = r#"{"messages":[{"role":"system","content":"s"},{"role":"user","content":"q"},{"role":"assistant","content":"a"}]}"#;
        let bare = r#"{"messages":[{"role":"user","content":"only asked"}]}"#;
        std::fs::write(&path, format!("{chat}\n{bare}\n")).unwrap();
        let load = |count| neutral_prompts(&NeutralSource::Chats { files: vec![path.clone()], count }, 0);
        let found = load(None).unwrap();
        assert_eq!(found, [vec![Message::system("s"), Message::user("q")], vec![Message::user("only asked")]]);
        assert_eq!(load(Some(1)).unwrap().len(), 1);
        let silent = r#"{"messages":[{"role":"assistant","content":"a"}]}"#;
        std::fs::write(&path, silent).unwrap();
        let error = load(None).unwrap_err().to_string();
        assert!(error.contains("neutral.jsonl:1"), "{error}");
    }
}
