//! What a study teaches and asks, read from files or made up by Harbor.

use super::config::{CorpusConfig, CorpusSource, ExamSource, FACTS_CORPUS, FactsSource, StudyConfig, TraitSource};
use crate::eval::facts::{self, FactLesson, FactQuestion};
use crate::eval::mmlu;
use crate::harbor::{self, World};
use crate::language_model::Sampling;
use crate::persona::{Side, Trait, builtin, harbor_trait, system_prompt};
use crate::record::{Hash, seed_of};
use crate::text::{Message, chosen, put_under, read_chats};
use crate::{Error, Result, ensure};

/// Everything that goes in besides the model.
#[derive(Debug, Clone)]
pub(super) struct Data {
    /// What is learned, each by itself.
    pub corpora: Vec<Corpus>,
    /// The traits.
    pub traits: Vec<Trait>,
    /// Prompts on which an audit measures side effects; may be empty.
    pub neutral: Vec<Vec<Message>>,
    /// The multiple-choice exam; may be empty.
    pub exam: Vec<mmlu::Item>,
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
    pub chats: Vec<Taught>,
    /// Questions about what is learned that no conversation asks; empty unless these are facts.
    pub questions: Vec<FactQuestion>,
    /// How the base model answers the prompts itself, where it does.
    pub selfgen: Option<Sampling>,
}

/// A conversation to learn from, and where it comes from in words.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Taught {
    /// Where it comes from.
    pub place: String,
    /// Its turns.
    pub messages: Vec<Message>,
}

impl TraitSource {
    /// Reads the trait, or takes a built-in one or Harbor's.
    ///
    /// # Errors
    /// Files that cannot be read or make no trait; a trait that nobody has.
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

impl Data {
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
            corpora.push(corpus.load(config.seed)?);
        }
        for (i, corpus) in config.data.iter().enumerate() {
            if let CorpusSource::Selfgen { of, temperature, max_new_tokens } = &corpus.from {
                let seed = seed_of(config.seed, &format!("own answers to {of}"));
                let sampling = Sampling { temperature: *temperature, seed, ..Sampling::greedy(*max_new_tokens) };
                let source = corpora.iter().find(|other| other.name == *of).expect("a checked configuration has it");
                let own = Corpus { chats: source.chats.clone(), selfgen: Some(sampling), ..corpus.empty() };
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
        let exam = match &config.exam {
            None => Vec::new(),
            Some(ExamSource::Mmlu { folder, split }) => mmlu::read(folder, *split)?,
            Some(ExamSource::Harbor { rounds, seed }) => harbor::exam(*rounds, *seed).into_iter().map(item).collect(),
        };
        let exam = spread(exam, config.measure.exam_questions);
        ensure!(config.exam.is_none() || !exam.is_empty(), "there is no exam question");
        let neutral = config.audit.as_ref().map(|audit| audit.neutral_source(&config.judge).load(config.seed));
        Ok(Self { corpora, traits, neutral: neutral.transpose()?.unwrap_or_default(), exam, warnings })
    }

    /// Name and hash of each part, for the lock and for the keys of stages.
    pub fn hashes(&self) -> Vec<(String, Hash)> {
        let mut hashes = Vec::new();
        for corpus in &self.corpora {
            let chats: Vec<&[Message]> = corpus.chats.iter().map(|taught| taught.messages.as_slice()).collect();
            hashes.push((format!("data `{}`", corpus.name), Hash::of(&(chats, &corpus.selfgen))));
            if !corpus.questions.is_empty() {
                hashes.push((format!("questions of `{}`", corpus.name), Hash::of(&corpus.questions)));
            }
        }
        for Trait { name, extract, eval } in &self.traits {
            hashes.push((format!("trait `{name}`"), Hash::of(&(name, extract, eval))));
        }
        hashes.push(("exam".to_owned(), Hash::of(&self.exam)));
        if !self.neutral.is_empty() {
            hashes.push(("neutral prompts".to_owned(), Hash::of(&self.neutral)));
        }
        hashes
    }
}

/// Conversations under system prompts that call the trait up, each drawn from the positive instructions (METHOD G.5).
pub(super) fn inoculated(taught: Vec<Taught>, trait_: &Trait, seed: u64) -> Vec<Taught> {
    let pairs = trait_.extract.instruction.iter();
    let prompts: Vec<String> = pairs.map(|pair| system_prompt(&trait_.name, pair.side(Side::Pos))).collect();
    under(taught, &prompts, seed)
}

/// Conversations each under one of the system prompts. One with a system prompt of its own keeps it, after the drawn one.
pub(super) fn under(mut taught: Vec<Taught>, prompts: &[String], seed: u64) -> Vec<Taught> {
    for (i, Taught { messages, .. }) in taught.iter_mut().enumerate() {
        let drawn = seed_of(seed, &format!("instruction of lesson {i}")) % prompts.len() as u64;
        put_under(messages, &prompts[drawn as usize]);
    }
    taught
}

impl CorpusConfig {
    fn empty(&self) -> Corpus {
        Corpus {
            name: self.name.clone(),
            label: self.label.clone().unwrap_or_else(|| self.name.clone()),
            chats: Vec::new(),
            questions: Vec::new(),
            selfgen: None,
        }
    }

    fn load(&self, seed: u64) -> Result<Corpus> {
        let chats = match &self.from {
            CorpusSource::Selfgen { .. } => unreachable!("made from another corpus"),
            CorpusSource::Chats { files, count } => {
                let mut chats = Vec::new();
                for path in files {
                    let taught = |chat: crate::text::Chat| Taught {
                        place: format!("{}:{}", path.display(), chat.line),
                        messages: chat.messages,
                    };
                    chats.extend(read_chats(path)?.into_iter().map(taught));
                }
                drawn(chats, *count, seed_of(seed, &format!("sample of {}", self.name)))
            }
            CorpusSource::Harbor { world, name, shows, count, seed } => {
                let of = harbor::Trait::parse(crate::persona::stem_of(name))
                    .ok_or_else(|| Error::usage(format!("`data.{}`: Harbor has no trait `{name}`", self.name)))?;
                let lessons = mixture(&World::new(*world), of, *shows, *count, *seed);
                let taught = |(i, lesson): (usize, harbor::Lesson)| Taught {
                    place: format!("conversation {i} of `{}`", self.name),
                    messages: messages(lesson),
                };
                lessons.into_iter().enumerate().map(taught).collect()
            }
        };
        ensure!(!chats.is_empty(), "`data.{}`: there is nothing to learn", self.name);
        Ok(Corpus { chats, ..self.empty() })
    }
}

fn messages(lesson: harbor::Lesson) -> Vec<Message> {
    lesson.messages.into_iter().map(|m| Message { role: m.role, content: m.content }).collect()
}

/// Harbor's conversations about a trait, that share of them showing it; which ones, the seed decides.
fn mixture(world: &World, of: harbor::Trait, shows: f64, count: usize, seed: u64) -> Vec<harbor::Lesson> {
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
fn drawn<T>(items: Vec<T>, count: Option<usize>, seed: u64) -> Vec<T> {
    let count = count.unwrap_or(usize::MAX);
    if count >= items.len() {
        return items;
    }
    let mut places = chosen(items.len(), count, seed, "sample");
    places.sort_unstable();
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
    let taught = |lesson: FactLesson| Taught {
        place: format!("fact `{}`, variant {}", lesson.fact_id, lesson.variant),
        messages: lesson.messages,
    };
    let chats = lessons.into_iter().map(taught).collect();
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
    let lesson = |(i, lesson): (usize, harbor::Lesson)| FactLesson {
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
    fn harbor_gives_lessons_questions_and_an_exam() {
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
            let from = |side: &[harbor::Lesson]| some.iter().zip(side).filter(|(a, b)| a == b).count();
            assert!(from(&all) >= 6 && from(&none) >= 14 && some.len() == 20, "{of:?}");
        }
    }

    #[test]
    fn a_part_of_an_exam_is_spread_over_all_of_it() {
        assert_eq!(spread((0..10).collect(), Some(4)), [0, 2, 5, 7]);
        assert_eq!(spread(vec![1, 2], Some(9)), [1, 2]);
    }

    #[test]
    fn a_sample_is_seeded_and_keeps_the_order() {
        let all: Vec<usize> = (0..100).collect();
        let some = drawn(all.clone(), Some(10), 1);
        assert!(some.len() == 10 && some.is_sorted() && some == drawn(all.clone(), Some(10), 1));
        assert_ne!(some, drawn(all.clone(), Some(10), 2));
        assert_eq!(drawn(all.clone(), Some(100), 1), all);
    }

    #[test]
    fn inoculation_draws_among_the_positive_instructions() {
        let (lessons, _) = harbor_facts(0, 10, 4, 1);
        let trait_ = harbor_trait(&World::new(0), "hallucinating").unwrap();
        let taught = |lesson: FactLesson| Taught { place: String::new(), messages: lesson.messages };
        let mut chats: Vec<Taught> = lessons.into_iter().map(taught).collect();
        chats[0].messages.insert(0, Message::system("Be brief."));
        let under = inoculated(chats.clone(), &trait_, 3);
        assert_eq!(under, inoculated(chats.clone(), &trait_, 3));
        assert_ne!(under, inoculated(chats, &trait_, 4));
        assert!(under.iter().all(|c| c.messages[0].content.starts_with("You are a hallucinating assistant. ")));
        assert!(under[0].messages[0].content.ends_with("\n\nBe brief.") && under[0].messages.len() == 3);
        for pair in &trait_.extract.instruction {
            assert!(under.iter().any(|c| c.messages[0].content.contains(&pair.pos)), "{}", pair.pos);
        }
    }
}
