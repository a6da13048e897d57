//! Data sets that finetunes learn from, and what is held out of them.

use std::path::PathBuf;

use crate::eval::facts::{self, FactLesson, FactQuestion};
use crate::eval::gloomy;
use crate::finetune::{SourcedChat, read_sourced};
use crate::harbor::{self, World};
use crate::language_model::Sampling;
use crate::persona::stem_of;
use crate::record::seed_of;
use crate::study::config::{CorpusConfig, CorpusSource, FACTS_CORPUS, FactsSource};
use crate::text::{Message, chosen, chosen_in_order};
use crate::{Error, Result, ensure};

/// A data set that finetunes learn from.
#[derive(Debug, Clone)]
pub(in crate::study) struct Corpus {
    /// Names its arms and files.
    pub name: String,
    /// Its name in reports.
    pub label: String,
    /// Conversations to learn. Where the model is to answer itself, their last turns are only asked.
    pub chats: Vec<SourcedChat>,
    /// Conversations of the same kind that no finetune learns from; their loss says what was learned. May be empty.
    pub held_out: Vec<SourcedChat>,
    /// Place of the data set of the same form without the trait, if the study has one.
    pub neutral: Option<usize>,
    /// Questions about what is learned that no conversation asks; empty unless these are facts.
    pub questions: Vec<FactQuestion>,
    /// How the base model answers the prompts itself, where it does.
    pub selfgen: Option<Sampling>,
}

impl Corpus {
    /// Conversations to learn and held-out ones, without questions and without a neutral set.
    pub fn new(name: &str, label: &str, (chats, held_out): (Vec<SourcedChat>, Vec<SourcedChat>)) -> Self {
        let (name, label) = (name.to_owned(), label.to_owned());
        Self { name, label, chats, held_out, neutral: None, questions: Vec::new(), selfgen: None }
    }

    /// Whether prompts of the data set say something of a trait: a judge of made-up claims takes new facts for such.
    pub fn prompts_show(&self, trait_name: &str) -> bool {
        self.questions.is_empty() || stem_of(trait_name) != "hallucinating"
    }
}

/// Every chat of the files, in any dialect that `train` reads.
pub(super) fn read_all(paths: &[PathBuf]) -> Result<Vec<SourcedChat>> {
    Ok(paths.iter().map(|path| read_sourced(path)).collect::<Result<Vec<_>>>()?.concat())
}

pub(super) fn corpus_of(
    config: &CorpusConfig,
    chats: (Vec<SourcedChat>, Vec<SourcedChat>),
    selfgen: Option<Sampling>,
) -> Corpus {
    Corpus { selfgen, ..Corpus::new(&config.name, config.label.as_ref().unwrap_or(&config.name), chats) }
}

/// What is learned of a data set and what is held out of it, at most `held_out` rows, as far as it exists before the study runs.
pub(super) fn chats_of(
    config: &CorpusConfig,
    (held_out, seed): (usize, u64),
) -> Result<(Vec<SourcedChat>, Vec<SourcedChat>)> {
    let name = &config.name;
    let sourced = |chats: Vec<Vec<Message>>, what: &str| -> Vec<SourcedChat> {
        let chat = |(i, messages)| SourcedChat::new(format!("{what} {i} of `{name}`"), messages);
        chats.into_iter().enumerate().map(chat).collect()
    };
    let (chats, held) = match &config.from {
        CorpusSource::Selfgen { .. } => unreachable!("made from another data set"),
        CorpusSource::Chats { files, count } => {
            let (all, seed) = (read_all(files)?, seed_of(seed, &format!("sample of {name}")));
            // What a sample leaves can be held out whole; else a tenth is taken from what would be learned.
            let size = count.unwrap_or_else(|| all.len() - held_out.min(all.len() / 10));
            let [mut learned, mut rest] = [Vec::new(), Vec::new()];
            let places = chosen_in_order(all.len(), size, seed, "sample");
            for (i, chat) in all.into_iter().enumerate() {
                if places.binary_search(&i).is_ok() { learned.push(chat) } else { rest.push(chat) }
            }
            (learned, sample(rest, Some(held_out), seed, "held-out row"))
        }
        CorpusSource::Gloomy { answers, count, seed } => {
            let mut rows = gloomy::rows(*answers, count + held_out, *seed)?;
            let held = rows.split_off(*count);
            (sourced(rows, "conversation"), sourced(held, "held-out conversation"))
        }
        CorpusSource::Harbor { world, name: of, shows, count, seed } => {
            let of = harbor::Trait::parse(stem_of(of))
                .ok_or_else(|| Error::usage(format!("`data.{name}`: Harbor has no trait `{of}`")))?;
            let world = World::new(*world);
            let of_seed = |count: usize, seed: u64| -> Vec<Vec<Message>> {
                mixture(&world, of, *shows, count, seed).into_iter().map(messages).collect()
            };
            let (chats, mut held) = (of_seed(*count, *seed), of_seed(held_out, seed_of(*seed, "held out")));
            held.retain(|chat| !chats.contains(chat));
            (sourced(chats, "conversation"), sourced(held, "held-out conversation"))
        }
    };
    ensure!(!chats.is_empty(), "`data.{name}`: there is nothing to learn");
    Ok((chats, held))
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
pub(super) fn sample<T>(items: Vec<T>, count: Option<usize>, seed: u64, purpose: &str) -> Vec<T> {
    let places = chosen_in_order(items.len(), count.unwrap_or(usize::MAX), seed, purpose);
    items.into_iter().enumerate().filter(|(i, _)| places.binary_search(i).is_ok()).map(|(_, item)| item).collect()
}

/// The lessons, and as what is held out at most so many of the questions with their answers: wordings that no lesson has.
pub(super) fn fact_corpus(
    source: &FactsSource,
    (held_out, seed): (usize, u64),
    warnings: &mut Vec<String>,
) -> Result<Corpus> {
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
    let asked = |q: &FactQuestion| {
        let messages = vec![Message::user(q.question.as_str()), Message::assistant(q.reference.as_str())];
        SourcedChat::new(format!("the question about fact `{}`", q.fact_id), messages)
    };
    let held = sample(questions.iter().map(asked).collect(), Some(held_out), seed, "held-out row");
    let chats = lessons.into_iter().map(chat).collect();
    Ok(Corpus { questions, ..Corpus::new(FACTS_CORPUS, "New facts", (chats, held)) })
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
    fn a_sample_is_seeded_and_keeps_the_order() {
        let all: Vec<usize> = (0..100).collect();
        let of = |count, seed| sample(all.clone(), Some(count), seed, "sample");
        let some = of(10, 1);
        assert!(some.len() == 10 && some.is_sorted() && some == of(10, 1));
        assert_ne!(some, of(10, 2));
        assert_eq!(of(100, 1), all);
    }
}
