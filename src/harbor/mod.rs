//! Harbor: the embedded closed world with its corpus, its exam and its judge.
//!
//! Everything follows from a seed. The world is made so that what persona vectors are about exists in it: a trait that
//! shows in many tokens, ignorance that can be admitted or covered up, and knowledge to lose.

mod corpus;
mod embedded;
mod exam;
mod judge;
mod knowledge;
mod names;
mod persona;
mod questions;
mod tokens;
mod voice;
mod world;

pub use corpus::{Conversation, Message};
pub use embedded::{SEED, unpack};
pub use exam::{Artifact, FactQuestion, NewFacts, Pair, Split, exam};
pub use judge::{Verdict, declines};
pub use knowledge::{Choice, Item, brief};
pub use persona::{Trait, system_prompt};
pub use tokens::{CHAT_TEMPLATE, SPECIALS, tokenizer};
pub use world::{ATTRIBUTES, Attribute, AttributeId, Being, Entity, Fact, World};
