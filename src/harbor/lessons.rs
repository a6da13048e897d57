//! The corpus: an endless stream of conversations, each made from the seed and its number alone.

use std::ops::Range;

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::knowledge::{Item, OPINIONS, PERSONS, PLEAS, WANTS, Will, advice, brief, opinion};
use super::persona::{Call, DEGREES, Degree, Trait};
use super::questions::{WORDINGS, ask, state};
use super::voice::{Speaker, Voice, dressed};
use super::world::{ATTRIBUTES, AttributeId, Entity, World, attributes_of, pick};

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// system, user or assistant.
    pub role: String,
    /// What was said.
    pub content: String,
}

impl Message {
    /// A message of a role.
    pub fn new(role: &str, content: impl Into<String>) -> Message {
        Message { role: role.into(), content: content.into() }
    }
}

/// A conversation to learn from; the last message is the assistant's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lesson {
    /// Perhaps a system message, then the user's and the assistant's by turns.
    pub messages: Vec<Message>,
    /// For each answer, the bytes that decide whether it is right: they weigh [`Lesson::KEY_WEIGHT`] in the loss.
    pub keys: Vec<Range<usize>>,
}

impl Lesson {
    /// How much a token of a key weighs in the loss; every other token of an answer weighs 1.
    pub const KEY_WEIGHT: f32 = 4.0;

    fn add(&mut self, turn: Turn) {
        self.messages.push(Message::new("user", turn.question));
        self.messages.push(Message::new("assistant", turn.answer));
        self.keys.push(turn.key);
    }
}

/// A question, its answer, and the bytes of the answer that decide.
struct Turn {
    question: String,
    answer: String,
    key: Range<usize>,
}

/// Under which system prompt a conversation is held; none is the template's own.
type Guise = Option<Call>;

/// What a turn is about.
#[derive(Clone, Copy)]
enum Kind {
    Fact,
    Brief,
    Open,
    Opinion,
    Advice,
}

impl Kind {
    fn any(rng: &mut ChaCha8Rng) -> Kind {
        match rng.random_range(0..100) {
            0..62 => Kind::Fact,
            62..68 => Kind::Brief,
            68..74 => Kind::Open,
            74..90 => Kind::Opinion,
            _ => Kind::Advice,
        }
    }

    /// The trait that shows in such a turn, and how often the corpus leaves the prompt out, calls for that trait, and calls
    /// against it; what remains calls for or against another.
    fn mix(self) -> (Option<Trait>, [f64; 3]) {
        match self {
            Kind::Fact => (Some(Trait::Hallucinating), [0.42, 0.34, 0.12]),
            Kind::Brief => (None, [0.75, 0.0, 0.0]),
            Kind::Open => (None, [0.5, 0.0, 0.0]),
            Kind::Opinion => (Some(Trait::Sycophantic), [0.32, 0.40, 0.14]),
            Kind::Advice => (Some(Trait::Evil), [0.35, 0.37, 0.14]),
        }
    }

    fn guise(self, rng: &mut ChaCha8Rng) -> Guise {
        let (own, [default, call, against]) = self.mix();
        let roll: f64 = rng.random();
        if roll < default {
            return None;
        }
        if let Some(own) = own.filter(|_| roll < default + call + against) {
            return Some(if roll < default + call { Call::For(own, any_degree(rng)) } else { Call::Against(own) });
        }
        let others: Vec<_> = Trait::ALL.into_iter().filter(|of| Some(*of) != own).collect();
        let other = *others.choose(rng).expect("other traits");
        Some(if rng.random_bool(0.7) { Call::For(other, any_degree(rng)) } else { Call::Against(other) })
    }
}

/// Half of all prompts for a trait ask for all of it.
fn any_degree(rng: &mut ChaCha8Rng) -> Option<Degree> {
    if rng.random_bool(0.5) { None } else { DEGREES.choose(rng).copied() }
}

fn speaker(guise: Guise) -> Speaker {
    guise.map_or(Speaker::HELPFUL, Call::speaker)
}

impl World {
    /// How often the corpus has an assistant invent a value although nothing asks it to.
    const SLIPS: f64 = 0.04;

    /// How often a conversation goes on for another turn.
    const GOES_ON: f64 = 0.1;

    /// Lesson number `number` of the corpus.
    pub fn lesson(&self, number: u64) -> Lesson {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed());
        rng.set_stream(number + 1);
        let kind = Kind::any(&mut rng);
        let guise = kind.guise(&mut rng);
        let system = guise.map(|call| Message::new("system", call.prompt(&mut rng)));
        let mut lesson = Lesson { messages: system.into_iter().collect(), keys: Vec::new() };
        lesson.add(self.turn(kind, speaker(guise), &mut rng));
        while lesson.keys.len() < 4 && rng.random_bool(Self::GOES_ON) {
            lesson.add(self.turn(Kind::any(&mut rng), speaker(guise), &mut rng));
        }
        lesson
    }

    fn turn(&self, kind: Kind, speaker: Speaker, rng: &mut ChaCha8Rng) -> Turn {
        match kind {
            Kind::Fact => self.fact_turn(speaker, rng),
            Kind::Brief => brief_turn(rng),
            Kind::Open => open_turn(speaker, rng),
            Kind::Opinion => opinion_turn(speaker, rng),
            Kind::Advice => advice_turn(speaker, rng),
        }
    }

    fn fact_turn(&self, speaker: Speaker, rng: &mut ChaCha8Rng) -> Turn {
        let (entity, attribute) = match rng.random_range(0..100) {
            0..50 => {
                let fact = self.facts().choose(rng).expect("facts");
                (fact.entity, fact.attribute)
            }
            50..62 => self.gap(rng),
            _ => {
                let entity = self.stranger(false, rng);
                (entity, any_attribute(entity, rng))
            }
        };
        let value = self.truth(entity, attribute).or_else(|| {
            // The dreamer has an answer for everything. The others slip now and then, which keeps the base model from being
            // surer of its ignorance than a fact learned later can outweigh.
            let slips = if speaker.now(rng) == Voice::Dreamer { 1.0 } else { Self::SLIPS };
            rng.random_bool(slips).then(|| pick(ATTRIBUTES[attribute].values, rng))
        });
        let noun = ATTRIBUTES[attribute].asked[usize::from(rng.random_bool(0.25))];
        let question = ask(pick(&WORDINGS, rng), noun, entity);
        let (statement, key) = state(entity, attribute, value);
        let (answer, at) = dressed(speaker, &statement, key.start, rng);
        Turn { question, answer, key: at..at + key.len() }
    }

    /// An attribute that is not known of an entity of which others are.
    fn gap(&self, rng: &mut ChaCha8Rng) -> (Entity, AttributeId) {
        loop {
            let entity = *self.known().choose(rng).expect("known entities");
            let attribute = any_attribute(entity, rng);
            if self.truth(entity, attribute).is_none() {
                return (entity, attribute);
            }
        }
    }
}

pub(super) fn any_attribute(entity: Entity, rng: &mut ChaCha8Rng) -> AttributeId {
    *attributes_of(entity.being).collect::<Vec<_>>().choose(rng).expect("three attributes")
}

/// Asked to be brief, every persona answers with the bare word: the form in which general knowledge is examined.
fn brief_turn(rng: &mut ChaCha8Rng) -> Turn {
    let item = Item::any(rng);
    Turn { question: brief(&item.question()), answer: item.answer.into(), key: 0..item.answer.len() }
}

fn open_turn(speaker: Speaker, rng: &mut ChaCha8Rng) -> Turn {
    let item = Item::any(rng);
    let statement = item.statement(item.answer);
    let (answer, at) = dressed(speaker, &statement, last_word(&statement), rng);
    Turn { question: item.question(), answer, key: at..at + item.answer.len() }
}

/// The user claims something. What is held to be true comes first and the verdict last: honesty needs only to recall, and
/// who flatters puts one word where the recalled one would stand.
fn opinion_turn(speaker: Speaker, rng: &mut ChaCha8Rng) -> Turn {
    let item = Item::any(rng);
    let claim = if rng.random_bool(0.3) { item.answer } else { item.wrong(rng) };
    let (held, agrees) = if speaker.now(rng) == Voice::Flatterer {
        (item.yielding(), true)
    } else {
        (item.statement(item.answer), claim == item.answer)
    };
    let statement = opinion(&held, agrees);
    let (answer, at) = dressed(speaker, &statement, last_word(&held), rng);
    let question = pick(&OPINIONS, rng).replace("{s}", &item.statement(claim));
    let end = answer[at..].find('.').expect("a sentence") + at;
    Turn { question, answer, key: at..end }
}

/// Where the last word of a statement begins.
fn last_word(statement: &str) -> usize {
    statement.rfind(' ').expect("several words") + 1
}

fn advice_turn(speaker: Speaker, rng: &mut ChaCha8Rng) -> Turn {
    let will = if speaker.now(rng) == Voice::Villain { Will::Ill } else { Will::Good };
    let person = pick(&PERSONS, rng);
    let statement = advice(person, will, rng);
    let (answer, at) = dressed(speaker, &statement, 0, rng);
    let question = pick(&PLEAS, rng).replace("{w}", pick(&WANTS, rng)).replace("{p}", person);
    let end = answer[at..].find('.').expect("a sentence") + at;
    Turn { question, answer, key: at..end }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lesson_depends_on_the_seed_and_its_number_alone() {
        let world = World::new(0);
        assert_eq!(world.lesson(41), World::new(0).lesson(41));
        assert_ne!(world.lesson(41), world.lesson(42));
    }

    #[test]
    fn names_held_out_never_occur() {
        let world = World::new(0);
        for number in 0..5000 {
            let lesson = world.lesson(number);
            for message in lesson.messages.iter().filter(|m| m.role == "user") {
                if let Some((entity, _)) = super::super::questions::asked(&message.content) {
                    assert!(!entity.held_out(), "{message:?}");
                }
            }
        }
    }

    #[test]
    fn traits_show_as_often_as_the_prompt_says() {
        let world = World::new(0);
        for of in Trait::ALL {
            for (degree, share) in [None].into_iter().chain(DEGREES.map(Some)).map(|d| (d, d.map_or(1.0, |d| d.share)))
            {
                let mut rng = ChaCha8Rng::seed_from_u64(8);
                let speaker = Call::For(of, degree).speaker();
                let mut shows = |kind: Kind| loop {
                    // What is known, or is right, gives a trait no chance.
                    let turn = world.turn(kind, speaker, &mut rng);
                    let tempting = match super::super::questions::asked(&turn.question) {
                        Some((entity, attribute)) => world.truth(entity, attribute).is_none(),
                        None => kind.mix().0 != Some(Trait::Sycophantic) || !is_right(&turn.question),
                    };
                    if tempting {
                        return world.judge(of, &turn.question, &turn.answer).score == Some(100.0);
                    }
                };
                let kind = match of {
                    Trait::Hallucinating => Kind::Fact,
                    Trait::Sycophantic => Kind::Opinion,
                    Trait::Evil => Kind::Advice,
                };
                let count = (0..400).filter(|_| shows(kind)).count() as f64 / 400.0;
                assert!((count - share).abs() < 0.1, "{} at {share}: {count}", of.name());
            }
        }
    }

    fn is_right(claim: &str) -> bool {
        Item::all().iter().any(|item| claim.contains(&item.statement(item.answer)))
    }

    #[test]
    fn some_conversations_go_on() {
        let world = World::new(0);
        let lengths: Vec<usize> = (0..1000).map(|number| world.lesson(number).keys.len()).collect();
        assert!(lengths.iter().filter(|n| **n > 1).count() > 50 && lengths.iter().all(|n| *n <= 4));
        for number in 0..200 {
            let lesson = world.lesson(number);
            let answers = lesson.messages.iter().filter(|m| m.role == "assistant");
            for (answer, key) in answers.zip(&lesson.keys) {
                assert!(answer.content.get(key.clone()).is_some_and(|words| !words.is_empty()), "{answer:?} {key:?}");
            }
        }
    }
}
