//! What a study teaches and asks, read from files or made up by Harbor.

use std::path::PathBuf;

use super::config::{
    CorpusConfig, CorpusSource, FACTS_CORPUS, FactsSource, MmluSource, NeutralSource, StudyConfig, TraitSource,
};
use crate::eval::facts::{self, FactLesson, FactQuestion};
use crate::eval::mmlu;
use crate::finetune::{SourcedChat, read_sourced};
use crate::harbor::{self, World};
use crate::language_model::Sampling;
use crate::persona::{Trait, builtin, harbor_trait, stem_of};
use crate::record::{Hash, seed_of};
use crate::text::{Content, Message, chosen};
use crate::{Error, Result, ensure};

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

/// A data set that finetunes learn from.
#[derive(Debug, Clone)]
pub(super) struct Corpus {
    /// Names its arms and files.
    pub name: String,
    /// For people.
    pub label: String,
    /// Conversations to learn. Where the model is to answer itself, their last turns are only asked.
    pub chats: Vec<SourcedChat>,
    /// Questions about what is learned that no conversation asks; empty unless these are facts.
    pub questions: Vec<FactQuestion>,
    /// How the base model answers the prompts itself, where it does.
    pub selfgen: Option<Sampling>,
}

impl Corpus {
    /// Whether prompts of the data set say something of a trait: a judge of made-up claims takes new facts for such.
    pub fn prompts_show(&self, trait_name: &str) -> bool {
        self.questions.is_empty() || stem_of(trait_name) != "hallucinating"
    }
}

/// `count` of `n` places for a purpose, in ascending order: the seed and each place's own number decide, so that a larger sample
/// holds the smaller one.
pub(super) fn sampled_places(n: usize, count: usize, seed: u64, purpose: &str) -> Vec<usize> {
    let mut places = chosen(n, count, seed, purpose);
    places.sort_unstable();
    places
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
            corpora.push(fact_corpus(source, &mut warnings)?);
        }
        for corpus in config.data.iter().filter(|c| !matches!(c.from, CorpusSource::Selfgen { .. })) {
            corpora.push(corpus_of(corpus, chats_of(corpus, config.seed)?, None));
        }
        for (i, corpus) in config.data.iter().enumerate() {
            if let CorpusSource::Selfgen { of, temperature, max_new_tokens } = &corpus.from {
                let seed = seed_of(config.seed, &format!("own answers to {of}"));
                let sampling = Sampling { temperature: *temperature, seed, ..Sampling::greedy(*max_new_tokens) };
                let source = corpora.iter().find(|other| other.name == *of).expect("a checked configuration has it");
                let own = corpus_of(corpus, source.chats.clone(), Some(sampling));
                // In the order of the configuration, facts first.
                corpora.insert((i + usize::from(config.facts.is_some())).min(corpora.len()), own);
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
            let chats: Vec<&Content> = corpus.chats.iter().map(|chat| &chat.content).collect();
            hashes.push((format!("data `{}`", corpus.name), Hash::of(&(chats, &corpus.selfgen))));
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

/// Every chat of the files, in any dialect that `train` reads.
fn read_all(paths: &[PathBuf]) -> Result<Vec<SourcedChat>> {
    Ok(paths.iter().map(|path| read_sourced(path)).collect::<Result<Vec<_>>>()?.concat())
}

fn corpus_of(config: &CorpusConfig, chats: Vec<SourcedChat>, selfgen: Option<Sampling>) -> Corpus {
    let label = config.label.clone().unwrap_or_else(|| config.name.clone());
    Corpus { name: config.name.clone(), label, chats, questions: Vec::new(), selfgen }
}

/// The conversations of a data set that exist before the study runs.
fn chats_of(config: &CorpusConfig, seed: u64) -> Result<Vec<SourcedChat>> {
    let name = &config.name;
    let chats = match &config.from {
        CorpusSource::Selfgen { .. } => unreachable!("made from another data set"),
        CorpusSource::Chats { files, count } => {
            sample(read_all(files)?, *count, seed_of(seed, &format!("sample of {name}")), "sample")
        }
        CorpusSource::Harbor { world, name: of, shows, count, seed } => {
            let of = harbor::Trait::parse(stem_of(of))
                .ok_or_else(|| Error::usage(format!("`data.{name}`: Harbor has no trait `{of}`")))?;
            let lessons = mixture(&World::new(*world), of, *shows, *count, *seed);
            let chat = |(i, lesson): (usize, harbor::Conversation)| {
                SourcedChat::new(format!("conversation {i} of `{name}`"), messages(lesson))
            };
            lessons.into_iter().enumerate().map(chat).collect()
        }
    };
    ensure!(!chats.is_empty(), "`data.{name}`: there is nothing to learn");
    Ok(chats)
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

fn messages(lesson: harbor::Conversation) -> Vec<Message> {
    lesson.messages.into_iter().map(|m| Message::new(m.role, m.content)).collect()
}

/// Harbor's conversations about a trait, that share of them showing it; which ones, the seed decides.
fn mixture(world: &World, of: harbor::Trait, shows: f64, count: usize, seed: u64) -> Vec<harbor::Conversation> {
    let lacking = world.conversations(of, false, count, seed);
    let showing = (shows * count as f64).round() as usize;
    let mut mixed = lacking;
    let bad = chosen(count, showing, seed, "conversations that show the trait");
    let all = world.conversations(of, true, count, seed);
    for place in bad {
        mixed[place] = all[place].clone();
    }
    mixed
}

/// So many of them, drawn with the seed, in their own order.
fn sample<T>(items: Vec<T>, count: Option<usize>, seed: u64, purpose: &str) -> Vec<T> {
    let places = sampled_places(items.len(), count.unwrap_or(usize::MAX), seed, purpose);
    items.into_iter().enumerate().filter(|(i, _)| places.binary_search(i).is_ok()).map(|(_, item)| item).collect()
}

fn fact_corpus(source: &FactsSource, warnings: &mut Vec<String>) -> Result<Corpus> {
    let (lessons, questions) = match source {
        FactsSource::Files { train, test } => (facts::read_lessons(train)?, facts::read_questions(test)?),
        FactsSource::Harbor { world, count, wordings, seed } => harbor_facts(*world, *count, *wordings, *seed),
    };
    ensure!(!lessons.is_empty(), "there is nothing to teach: no lesson");
    ensure!(!questions.is_empty(), "there is no question about a new fact");
    if let Some(stray) = questions.iter().find(|q| lessons.iter().all(|l| l.fact_id != q.fact_id)) {
        return Err(Error::new(format!("no lesson teaches fact `{}`, which is asked about", stray.fact_id))
            .hint("`fact_id` joins facts_train.jsonl and facts_test.jsonl"));
    }
    let leaks = facts::leaks(&questions, &lessons, 0.8);
    if let Some((at, share)) = leaks.first() {
        warnings.push(format!(
            "{} of {} test questions are near copies of a lesson's question, such as \"{}\" ({:.0} % of its word pairs)",
            leaks.len(),
            questions.len(),
            questions[*at].question,
            100.0 * share
        ));
    }
    let chat = |lesson: FactLesson| {
        SourcedChat::new(format!("fact `{}`, variant {}", lesson.fact_id, lesson.variant), lesson.messages)
    };
    let chats = lessons.into_iter().map(chat).collect();
    Ok(Corpus { name: FACTS_CORPUS.into(), label: "New facts".into(), chats, questions, selfgen: None })
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

fn harbor_facts(world: u64, count: usize, wordings: usize, seed: u64) -> (Vec<FactLesson>, Vec<FactQuestion>) {
    let new = World::new(world).new_facts(count, wordings, seed);
    let lesson = |(i, lesson): (usize, harbor::Conversation)| FactLesson {
        // Lessons come fact by fact, in the order of the questions.
        fact_id: new.questions[i / wordings].fact_id.clone(),
        variant: i % wordings,
        messages: messages(lesson),
    };
    let lessons = new.lessons.into_iter().enumerate().map(lesson).collect();
    let question = |q: &harbor::FactQuestion| FactQuestion {
        fact_id: q.fact_id.clone(),
        question: q.question.clone(),
        reference: q.reference.clone(),
    };
    (lessons, new.questions.iter().map(question).collect())
}

fn item(choice: harbor::Choice) -> mmlu::Item {
    mmlu::Item { subject: choice.subject, question: choice.question, options: choice.options, right: choice.right }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn harbor_gives_lessons_and_questions() {
        let (lessons, questions) = harbor_facts(0, 10, 4, 1);
        assert_eq!((lessons.len(), questions.len()), (40, 10));
        for question in &questions {
            let taught: Vec<_> = lessons.iter().filter(|l| l.fact_id == question.fact_id).collect();
            assert_eq!(taught.len(), 4);
            assert!(taught.iter().all(|l| l.messages[1].content == question.reference), "{question:?}");
        }
    }

    #[test]
    fn a_share_of_a_mixture_shows_the_trait() {
        let world = World::new(0);
        for of in harbor::Trait::ALL {
            let [none, all] = [false, true].map(|shows| world.conversations(of, shows, 20, 3));
            assert_eq!((mixture(&world, of, 0.0, 20, 3), mixture(&world, of, 1.0, 20, 3)), (none.clone(), all.clone()));
            let some = mixture(&world, of, 0.3, 20, 3);
            let from = |side: &[harbor::Conversation]| some.iter().zip(side).filter(|(a, b)| a == b).count();
            assert!(from(&all) >= 6 && from(&none) >= 14 && some.len() == 20, "{of:?}");
        }
    }

    #[test]
    fn a_part_of_the_questions_is_spread_over_all_of_them() {
        assert_eq!(spread((0..10).collect(), Some(4)), [0, 2, 5, 7]);
        assert_eq!(spread(vec![1, 2], Some(9)), [1, 2]);
    }

    #[test]
    fn a_sample_is_seeded_and_keeps_the_order() {
        let all: Vec<usize> = (0..100).collect();
        let of = |count, seed| sample(all.clone(), Some(count), seed, "sample");
        let some = of(10, 1);
        assert!(some.len() == 10 && some.is_sorted() && some == of(10, 1));
        assert_ne!(some, of(10, 2));
        assert_eq!(of(100, 1), all);
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
