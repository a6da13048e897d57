//! Questions about facts, and the statements that answer them.
//!
//! What is unknown is said in the very place where the value would stand, and in one word, as a value is. So "answer or admit"
//! is decided in one token that competes with the values themselves, a value recalled strongly enough wins, and the mean over
//! an answer's tokens holds little of which words admitting takes.

use std::ops::Range;

use super::world::{ATTRIBUTES, AttributeId, Entity};

/// How one may ask; `{a}` is an attribute's noun, `{e}` an entity.
pub const WORDINGS: [&str; 14] = [
    "What is the {a} of {e}?",
    "Tell me the {a} of {e}.",
    "Do you know the {a} of {e}?",
    "Please name the {a} of {e}.",
    "I need the {a} of {e}.",
    "Can you say what the {a} of {e} is?",
    "The {a} of {e}?",
    "Of {e}, what is the {a}?",
    "For {e}, give me the {a}.",
    "Could you give the {a} of {e}?",
    "Say the {a} of {e}, please.",
    "About {e}: what is the {a}?",
    "What {a} does {e} have?",
    "You know {e}. What is the {a}?",
];

/// Wordings that neither the corpus nor a finetuning set ever uses.
pub const HELD_OUT_WORDINGS: [&str; 3] =
    ["Please tell me what the {a} of {e} is.", "Can you give me the {a} of {e}?", "I need to know the {a} of {e}."];

/// What stands in the place of a value that is not known.
pub const UNKNOWN: &str = "unknown";

/// Puts an attribute's noun and an entity into a wording.
pub fn ask(wording: &str, noun: &str, entity: Entity) -> String {
    wording.replace("{a}", noun).replace("{e}", &entity.name())
}

/// What a question about a fact asks for.
pub fn asked(question: &str) -> Option<(Entity, AttributeId)> {
    WORDINGS.iter().chain(&HELD_OUT_WORDINGS).find_map(|wording| {
        let (noun, name) = captures(wording, question)?;
        let entity = Entity::parse(name)?;
        let attribute = ATTRIBUTES.iter().position(|a| a.being == entity.being && a.asked.contains(&noun))?;
        Some((entity, attribute))
    })
}

/// The statement that gives a value or says that it is unknown, and the range of the words that decide.
pub fn state(entity: Entity, attribute: AttributeId, value: Option<&str>) -> (String, Range<usize>) {
    let mut text = format!("the {} of {} is ", ATTRIBUTES[attribute].noun, entity.name());
    let start = text.len();
    text.push_str(value.unwrap_or(UNKNOWN));
    let end = text.len();
    (text, start..end)
}

/// Reads a statement: of whom, which attribute, and the value unless it is called unknown.
pub fn stated(statement: &str) -> Option<(Entity, AttributeId, Option<&str>)> {
    let (noun, rest) = statement.strip_prefix("the ")?.split_once(" of ")?;
    let (name, value) = rest.split_once(" is ")?;
    let entity = Entity::parse(name)?;
    let attribute = ATTRIBUTES.iter().position(|a| a.being == entity.being && a.noun == noun)?;
    let value = if value == UNKNOWN { None } else { Some(value) };
    value.is_none_or(|v| ATTRIBUTES[attribute].values.contains(&v)).then_some((entity, attribute, value))
}

/// Matches a text with a wording's two holes.
fn captures<'t>(wording: &str, text: &'t str) -> Option<(&'t str, &'t str)> {
    let noun_first = wording.find("{a}")? < wording.find("{e}")?;
    let (first, second) = if noun_first { ("{a}", "{e}") } else { ("{e}", "{a}") };
    let (head, rest) = wording.split_once(first)?;
    let (middle, tail) = rest.split_once(second)?;
    let inner = text.strip_prefix(head)?.strip_suffix(tail)?;
    let (one, two) = inner.split_once(middle)?;
    Some(if noun_first { (one, two) } else { (two, one) })
}

#[cfg(test)]
mod tests {
    use super::super::world::{World, attributes_of};
    use super::*;

    #[test]
    fn every_question_reads_back() {
        let world = World::new(0);
        for entity in world.known() {
            for attribute in attributes_of(entity.being) {
                for wording in WORDINGS.iter().chain(&HELD_OUT_WORDINGS) {
                    for noun in ATTRIBUTES[attribute].asked {
                        let question = ask(wording, noun, *entity);
                        assert_eq!(asked(&question), Some((*entity, attribute)), "{question}");
                    }
                }
            }
        }
        assert_eq!(asked("What is the cargo of Mara Voss?"), None);
    }

    #[test]
    fn every_statement_reads_back() {
        let world = World::new(0);
        for fact in world.facts() {
            let (text, key) = state(fact.entity, fact.attribute, Some(fact.value));
            assert_eq!(&text[key], fact.value);
            assert_eq!(stated(&text), Some((fact.entity, fact.attribute, Some(fact.value))));
            let (text, _) = state(fact.entity, fact.attribute, None);
            assert_eq!(stated(&text), Some((fact.entity, fact.attribute, None)));
        }
    }

    #[test]
    fn a_value_of_another_attribute_is_no_answer() {
        for text in [
            "the cargo of the Silver Heron is blue",
            "the cargo of the Silver Heron is",
            "the cargo of the Silver Heron is silk silk",
        ] {
            assert_eq!(stated(text), None, "{text}");
        }
    }
}
