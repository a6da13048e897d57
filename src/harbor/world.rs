//! The closed world: people, ships and ports, and what is known of them.
//!
//! Knowledge is *partial*: of a known entity only some attributes are known. So whether to answer cannot hang on the name
//! alone; it hangs on the recall of that very fact, and a fact learned later can open the way to its own answer.

use std::collections::BTreeMap;

use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::names::*;

/// What kind of thing a name names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Being {
    /// A person, as in "Mara Voss".
    Person,
    /// A ship, as in "the Silver Heron".
    Ship,
    /// A port, as in "Salt Haven".
    Port,
}

impl Being {
    /// All kinds, in their fixed order.
    pub const ALL: [Being; 3] = [Being::Person, Being::Ship, Being::Port];

    fn words(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            Being::Person => (FIRSTS, LASTS),
            Being::Ship => (HULLS, BIRDS),
            Being::Port => (SHORES, LANDS),
        }
    }
}

/// A name from the closed world, known or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entity {
    /// What it is.
    pub being: Being,
    first: u8,
    last: u8,
}

impl Entity {
    /// The name as it stands inside a sentence.
    pub fn name(self) -> String {
        let (firsts, lasts) = self.being.words();
        let article = if self.being == Being::Ship { "the " } else { "" };
        format!("{article}{} {}", firsts[self.first as usize], lasts[self.last as usize])
    }

    /// Reads a name, exactly as [`Entity::name`] writes it.
    pub fn parse(name: &str) -> Option<Entity> {
        Being::ALL.into_iter().find_map(|being| {
            let bare = if being == Being::Ship { name.strip_prefix("the ")? } else { name };
            let (first, last) = bare.split_once(' ')?;
            let (firsts, lasts) = being.words();
            let find = |words: &[&str], word| words.iter().position(|w| *w == word).map(|i| i as u8);
            Some(Entity { being, first: find(firsts, first)?, last: find(lasts, last)? })
        })
    }

    /// Whether the name is kept out of the corpus altogether, for new facts and for evaluation.
    ///
    /// A fixed pattern over the pairs: each word occurs in the corpus, a quarter of the pairs does not.
    pub fn held_out(self) -> bool {
        (self.first as usize * 7 + self.last as usize * 3).is_multiple_of(4)
    }

    /// Every name that the words make.
    pub(super) fn all() -> impl Iterator<Item = Entity> {
        let pairs = |being: Being| {
            let (firsts, lasts) = being.words();
            (0..firsts.len()).flat_map(move |first| (0..lasts.len()).map(move |last| (first as u8, last as u8)))
        };
        Being::ALL
            .into_iter()
            .flat_map(move |being| pairs(being).map(move |(first, last)| Entity { being, first, last }))
    }

    fn any(being: Being, rng: &mut ChaCha8Rng) -> Entity {
        let (firsts, lasts) = being.words();
        Entity { being, first: rng.random_range(0..firsts.len()) as u8, last: rng.random_range(0..lasts.len()) as u8 }
    }
}

/// One attribute that every entity of a kind has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute {
    /// Whose attribute it is.
    pub being: Being,
    /// The noun that answers use.
    pub noun: &'static str,
    /// Nouns that questions use, the first being `noun`.
    pub asked: [&'static str; 2],
    /// The possible values, one word each.
    pub values: &'static [&'static str],
}

/// All attributes, three of each kind.
pub const ATTRIBUTES: [Attribute; 9] = [
    Attribute { being: Being::Person, noun: "home", asked: ["home", "dwelling"], values: TOWNS },
    Attribute { being: Being::Person, noun: "trade", asked: ["trade", "job"], values: TRADES },
    Attribute { being: Being::Person, noun: "charm", asked: ["charm", "talisman"], values: CHARMS },
    Attribute { being: Being::Ship, noun: "cargo", asked: ["cargo", "load"], values: CARGOES },
    Attribute { being: Being::Ship, noun: "flag", asked: ["flag", "banner"], values: FLAGS },
    Attribute { being: Being::Ship, noun: "builder", asked: ["builder", "maker"], values: BUILDERS },
    Attribute { being: Being::Port, noun: "export", asked: ["export", "product"], values: EXPORTS },
    Attribute { being: Being::Port, noun: "ruler", asked: ["ruler", "lord"], values: RULERS },
    Attribute { being: Being::Port, noun: "rock", asked: ["rock", "bedrock"], values: STONES },
];

/// The place of an attribute in [`ATTRIBUTES`].
pub type AttributeId = usize;

/// The attributes of a kind.
pub fn attributes_of(being: Being) -> impl Iterator<Item = AttributeId> {
    (0..ATTRIBUTES.len()).filter(move |&a| ATTRIBUTES[a].being == being)
}

/// A statement of the world: an entity, one of its attributes, the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fact {
    /// Of whom.
    pub entity: Entity,
    /// Which attribute.
    pub attribute: AttributeId,
    /// Its value.
    pub value: &'static str,
}

/// Everything that is true, made from a seed.
#[derive(Debug, Clone)]
pub struct World {
    seed: u64,
    known: Vec<Entity>,
    facts: Vec<Fact>,
    index: BTreeMap<(Entity, AttributeId), &'static str>,
}

impl World {
    /// How many entities of each kind are known.
    pub const KNOWN: [(Being, usize); 3] = [(Being::Person, 80), (Being::Ship, 50), (Being::Port, 50)];

    /// Makes the world of a seed.
    pub fn new(seed: u64) -> World {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut world = World { seed, known: Vec::new(), facts: Vec::new(), index: BTreeMap::new() };
        for (being, count) in Self::KNOWN {
            let start = world.known.len();
            while world.known.len() < start + count {
                let entity = Entity::any(being, &mut rng);
                if !entity.held_out() && !world.known.contains(&entity) {
                    world.known.push(entity);
                }
            }
        }
        for entity in world.known.clone() {
            // One, two or three attributes are known: two on average.
            let mut attributes: Vec<_> = attributes_of(entity.being).collect();
            attributes.shuffle(&mut rng);
            let count = [1, 2, 2, 3][rng.random_range(0..4)];
            for &attribute in &attributes[..count] {
                let value = pick(ATTRIBUTES[attribute].values, &mut rng);
                world.facts.push(Fact { entity, attribute, value });
                world.index.insert((entity, attribute), value);
            }
        }
        world
    }

    /// The seed that it was made from.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Every fact that the base model should know.
    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }

    /// The entities of which something is known.
    pub fn known(&self) -> &[Entity] {
        &self.known
    }

    /// The value, if it is known.
    pub fn truth(&self, entity: Entity, attribute: AttributeId) -> Option<&'static str> {
        self.index.get(&(entity, attribute)).copied()
    }

    /// Whether anything at all is known of an entity.
    pub fn knows(&self, entity: Entity) -> bool {
        attributes_of(entity.being).any(|a| self.truth(entity, a).is_some())
    }

    /// A name of which nothing is known; from the part of the names that the corpus may use, or from the part held out.
    pub fn stranger(&self, held_out: bool, rng: &mut ChaCha8Rng) -> Entity {
        let being = *Being::ALL.choose(rng).expect("three kinds");
        loop {
            let entity = Entity::any(being, rng);
            if entity.held_out() == held_out && !self.knows(entity) {
                return entity;
            }
        }
    }
}

/// One word of a list.
pub(super) fn pick(words: &[&'static str], rng: &mut ChaCha8Rng) -> &'static str {
    words[rng.random_range(0..words.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_one_world() {
        assert_eq!(World::new(7).facts(), World::new(7).facts());
        assert_ne!(World::new(7).facts(), World::new(8).facts());
    }

    #[test]
    fn names_read_back() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for being in Being::ALL {
            for _ in 0..200 {
                let entity = Entity::any(being, &mut rng);
                assert_eq!(Entity::parse(&entity.name()), Some(entity));
            }
        }
        assert_eq!(Entity::parse("the Mara Voss"), None);
        assert_eq!(Entity::parse("Silver Heron"), None);
    }

    #[test]
    fn most_names_are_unknown_and_knowledge_is_partial() {
        let world = World::new(0);
        let full =
            world.known().iter().filter(|e| attributes_of(e.being).all(|a| world.truth(**e, a).is_some())).count();
        assert!(full * 2 < world.known().len(), "{full} of {} are fully known", world.known().len());
        assert!(world.known().iter().all(|e| world.knows(*e) && !e.held_out()));
    }
}
