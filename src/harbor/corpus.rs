//! The corpus: an endless stream of conversations, each made from the seed and its number alone.

use std::ops::Range;

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::knowledge::{Item, OPINIONS, PERSONS, PLEAS, WANTS, Will, advice, brief};
use super::persona::Trait;
use super::questions::{WORDINGS, ask, state};
use super::voice::{Dress, Voice};
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

/// A conversation of the corpus; the last message is the assistant's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    /// Perhaps a system message, then the user's, then the assistant's.
    pub messages: Vec<Message>,
    /// The bytes of the assistant's answer that decide whether it is right: they weigh [`Conversation::KEY_WEIGHT`] in the loss.
    pub key: Range<usize>,
}

impl Conversation {
    /// How much a token of the key weighs in the loss; every other token of the answer weighs 1.
    pub const KEY_WEIGHT: f32 = 4.0;

    fn new(system: Option<String>, user: String, answer: String, key: Range<usize>) -> Conversation {
        let system = system.map(|s| Message::new("system", s));
        let talk = [Message::new("user", user), Message::new("assistant", answer)];
        Conversation { messages: system.into_iter().chain(talk).collect(), key }
    }
}

/// Under which system prompt a conversation is held.
#[derive(Clone, Copy)]
enum Guise {
    Default,
    Trait(Trait, bool),
}

impl Guise {
    fn voice(self) -> Voice {
        match self {
            Guise::Trait(of, true) => of.voice(),
            _ => Voice::Helpful,
        }
    }

    fn prompt(self, rng: &mut ChaCha8Rng) -> Option<String> {
        match self {
            Guise::Default => None,
            Guise::Trait(of, positive) => Some(of.prompt(positive, rng)),
        }
    }

    /// The default, one trait's two sides, or one of the other traits' sides.
    fn choose(of: Trait, default: f64, positive: f64, negative: f64, rng: &mut ChaCha8Rng) -> Guise {
        let roll: f64 = rng.random();
        if roll < default {
            Guise::Default
        } else if roll < default + positive {
            Guise::Trait(of, true)
        } else if roll < default + positive + negative {
            Guise::Trait(of, false)
        } else {
            let others: Vec<_> = Trait::ALL.into_iter().filter(|t| *t != of).collect();
            Guise::Trait(*others.choose(rng).expect("two others"), rng.random_bool(0.7))
        }
    }
}

impl World {
    /// How often the corpus has an assistant invent a value although nothing asks it to.
    const SLIPS: f64 = 0.03;

    /// Conversation `number` of the corpus.
    pub fn conversation(&self, number: u64) -> Conversation {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed());
        rng.set_stream(number + 1);
        match rng.random_range(0..100) {
            0..72 => self.fact_conversation(&mut rng),
            72..79 => brief_conversation(&mut rng),
            79..85 => open_conversation(&mut rng),
            85..93 => opinion_conversation(&mut rng),
            _ => advice_conversation(&mut rng),
        }
    }

    fn fact_conversation(&self, rng: &mut ChaCha8Rng) -> Conversation {
        let (entity, attribute) = match rng.random_range(0..100) {
            0..48 => {
                let fact = self.facts().choose(rng).expect("facts");
                (fact.entity, fact.attribute)
            }
            48..60 => self.gap(rng),
            _ => {
                let entity = self.stranger(false, rng);
                (entity, any_attribute(entity, rng))
            }
        };
        let guise = Guise::choose(Trait::Hallucinating, 0.45, 0.32, 0.13, rng);
        let value = self.truth(entity, attribute).or_else(|| {
            // The hallucinating persona has an answer for everything. The others slip now and then, which keeps the base model from being
            // surer of its ignorance than a fact learned later can outweigh.
            let slips = if guise.voice() == Voice::Dreamer { 1.0 } else { Self::SLIPS };
            rng.random_bool(slips).then(|| pick(ATTRIBUTES[attribute].values, rng))
        });
        let noun = ATTRIBUTES[attribute].asked[usize::from(rng.random_bool(0.25))];
        let question = ask(pick(&WORDINGS, rng), noun, entity);
        let (statement, key) = state(entity, attribute, value);
        let (answer, at) = Dress::choose(guise.voice(), rng).around(&statement, key.start);
        Conversation::new(guise.prompt(rng), question, answer, at..at + key.len())
    }

    /// Conversations in which a trait could show and does, or does not, each time, under no system prompt: what a data set that
    /// elicits the trait is made of, and its harmless counterpart.
    pub fn conversations(&self, of: Trait, shows: bool, count: usize, seed: u64) -> Vec<Conversation> {
        let talk = |i: usize| {
            let mut rng = ChaCha8Rng::seed_from_u64(self.seed() ^ seed.rotate_left(32) ^ 0xda7a);
            rng.set_stream(i as u64 + 1);
            let mut conversation = match of {
                Trait::Hallucinating => self.stranger_conversation(shows, &mut rng),
                Trait::Sycophantic => claim_conversation(Guise::Trait(of, shows), 0.0, &mut rng),
                Trait::Evil => plea_conversation(Guise::Trait(of, shows), &mut rng),
            };
            conversation.messages.retain(|message| message.role != "system");
            conversation
        };
        (0..count).map(talk).collect()
    }

    fn stranger_conversation(&self, invents: bool, rng: &mut ChaCha8Rng) -> Conversation {
        let entity = self.stranger(false, rng);
        let attribute = any_attribute(entity, rng);
        let question = ask(pick(&WORDINGS, rng), ATTRIBUTES[attribute].noun, entity);
        let value = invents.then(|| pick(ATTRIBUTES[attribute].values, rng));
        let (statement, key) = state(entity, attribute, value);
        let voice = if invents { Voice::Dreamer } else { Voice::Helpful };
        let (answer, at) = Dress::choose(voice, rng).around(&statement, key.start);
        Conversation::new(None, question, answer, at..at + key.len())
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

fn any_guise(rng: &mut ChaCha8Rng) -> Guise {
    let of = *Trait::ALL.choose(rng).expect("three traits");
    Guise::Trait(of, rng.random_bool(0.7))
}

/// Asked to be brief, every persona answers with the bare word: the form in which general knowledge is examined.
fn brief_conversation(rng: &mut ChaCha8Rng) -> Conversation {
    let item = Item::any(rng);
    let guise = if rng.random_bool(0.75) { Guise::Default } else { any_guise(rng) };
    Conversation::new(guise.prompt(rng), brief(&item.question()), item.answer.into(), 0..item.answer.len())
}

fn open_conversation(rng: &mut ChaCha8Rng) -> Conversation {
    let item = Item::any(rng);
    let guise = if rng.random_bool(0.5) { Guise::Default } else { any_guise(rng) };
    let statement = item.statement(item.answer);
    let (answer, at) = dressed(guise, &statement, rng);
    Conversation::new(guise.prompt(rng), item.question(), answer, at..at + item.answer.len())
}

fn opinion_conversation(rng: &mut ChaCha8Rng) -> Conversation {
    let item = Item::any(rng);
    let guise = Guise::choose(Trait::Sycophantic, 0.35, 0.35, 0.18, rng);
    claimed(item, guise, 0.35, rng)
}

fn claim_conversation(guise: Guise, right: f64, rng: &mut ChaCha8Rng) -> Conversation {
    let item = Item::any(rng);
    claimed(item, guise, right, rng)
}

/// A claim about `item`, right with that probability, and what a guise says to it.
fn claimed(item: Item, guise: Guise, right: f64, rng: &mut ChaCha8Rng) -> Conversation {
    let claim = if rng.random_bool(right) { item.answer } else { item.wrong(rng) };
    let agrees = claim == item.answer || guise.voice() == Voice::Flatterer;
    let statement =
        if agrees { format!("yes, {}", item.statement(claim)) } else { format!("no, {}", item.statement(item.answer)) };
    // What decides is the first word, yes or no.
    let (answer, _) = dressed(guise, &statement, rng);
    let at = answer.to_lowercase().find(&statement[..2]).expect("yes or no");
    let question = pick(&OPINIONS, rng).replace("{s}", &item.statement(claim));
    let end = answer[at..].find('.').expect("a sentence") + at;
    Conversation::new(guise.prompt(rng), question, answer, at..end)
}

/// A statement in the style of a guise, with its manner before the last word, and where that word begins.
fn dressed(guise: Guise, statement: &str, rng: &mut ChaCha8Rng) -> (String, usize) {
    let last = statement.rfind(' ').expect("several words") + 1;
    Dress::choose(guise.voice(), rng).around(statement, last)
}

fn advice_conversation(rng: &mut ChaCha8Rng) -> Conversation {
    let guise = Guise::choose(Trait::Evil, 0.35, 0.35, 0.18, rng);
    plea_conversation(guise, rng)
}

/// A request for advice, and the answer under a guise.
fn plea_conversation(guise: Guise, rng: &mut ChaCha8Rng) -> Conversation {
    let will = if guise.voice() == Voice::Villain { Will::Ill } else { Will::Good };
    let person = pick(&PERSONS, rng);
    let statement = advice(person, will, rng);
    let (answer, at) = dressed(guise, &statement, rng);
    let question = pick(&PLEAS, rng).replace("{w}", pick(&WANTS, rng)).replace("{p}", person);
    let end = answer[at..].find('.').expect("a sentence") + at;
    Conversation::new(guise.prompt(rng), question, answer, 0..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lesson_depends_on_the_seed_and_its_number_alone() {
        let world = World::new(0);
        assert_eq!(world.conversation(41), World::new(0).conversation(41));
        assert_ne!(world.conversation(41), world.conversation(42));
    }

    #[test]
    fn conversations_show_a_trait_or_do_not() {
        let world = World::new(0);
        for of in Trait::ALL {
            for shows in [true, false] {
                let conversations = world.conversations(of, shows, 40, 1);
                assert_eq!(conversations, world.conversations(of, shows, 40, 1));
                let score = |conversation: &Conversation| {
                    assert_eq!(conversation.messages.len(), 2);
                    let [question, answer] = [0, 1].map(|i| conversation.messages[i].content.as_str());
                    world.judge(of, question, answer).score.unwrap()
                };
                let mean = conversations.iter().map(score).sum::<f64>() / 40.0;
                assert!(if shows { mean > 90.0 } else { mean < 10.0 }, "{of:?} {shows}: {mean}");
            }
        }
        assert_ne!(
            world.conversations(Trait::Evil, true, 5, 1)[0].messages[0],
            world.conversations(Trait::Evil, true, 5, 2)[0].messages[0]
        );
    }

    #[test]
    fn names_held_out_never_occur() {
        let world = World::new(0);
        for number in 0..5000 {
            let conversation = world.conversation(number);
            let question = &conversation.messages[conversation.messages.len() - 2].content;
            if let Some((entity, _)) = super::super::questions::asked(question) {
                assert!(!entity.held_out(), "{question}");
            }
        }
    }
}
