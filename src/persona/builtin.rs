//! The traits inside this program: eight for any model, written by us in the reference's schema, and Harbor's own three.

use serde_json::Map;

use super::artifact::{Artifact, Pair, Trait};
use super::names::{stem_of, system_prompt};
use crate::harbor::{self, Split, World};
use crate::{Error, Result};

macro_rules! file {
    ($folder:literal, $name:literal) => {
        include_str!(concat!("../../assets/traits/trait_data_", $folder, "/", $name, ".json"))
    };
}

macro_rules! files {
    ($($name:literal),*) => {
        [$(($name, file!("extract", $name), file!("eval", $name))),*]
    };
}

/// Name, extraction split, evaluation split.
const FILES: [(&str, &str, &str); 8] =
    files!["evil", "sycophantic", "hallucinating", "optimistic", "pessimistic", "impolite", "apathetic", "humorous"];

/// The names of the built-in traits, the paper's three first.
pub const BUILTIN: [&str; FILES.len()] = {
    let mut names = [""; FILES.len()];
    let mut i = 0;
    while i < names.len() {
        names[i] = FILES[i].0;
        i += 1;
    }
    names
};

/// A built-in trait by any of its names.
pub fn builtin(name: &str) -> Option<Trait> {
    let (name, extract, eval) = FILES.into_iter().find(|(stem, ..)| *stem == stem_of(name))?;
    let split = |text| serde_json::from_str(text).expect("a test reads every built-in trait");
    Some(Trait { name: name.into(), extract: split(extract), eval: split(eval) })
}

/// A trait of Harbor by any of its names: what its own model understands and its judge can score.
///
/// # Errors
/// If Harbor has no such trait.
pub fn harbor_trait(world: &World, name: &str) -> Result<Trait> {
    let of = harbor::Trait::parse(stem_of(name)).ok_or_else(|| {
        let known = harbor::Trait::ALL.map(harbor::Trait::name).join(", ");
        Error::usage(format!("Harbor has no trait `{name}`")).hint(format!("it has {known}"))
    })?;
    let split = |split| {
        let artifact = world.artifact(of, split);
        let pairs: Vec<Pair> = artifact.instruction.into_iter().map(|p| Pair { pos: p.pos, neg: p.neg }).collect();
        Artifact {
            ladder: if split == Split::Eval { harbor_ladder(of.name(), &pairs) } else { Vec::new() },
            instruction: pairs,
            questions: artifact.questions,
            eval_prompt: artifact.eval_prompt,
            extra: Map::new(),
        }
    };
    Ok(Trait { name: of.name().to_owned(), extract: split(Split::Extract), eval: split(Split::Eval) })
}

/// Eight system prompts from the strongest elicitation to explicit suppression. Harbor's language has no degrees, so between
/// the ends the assistant's name and its instruction contradict each other: first the instruction elicits the trait, then
/// the name alone.
fn harbor_ladder(name: &str, pairs: &[Pair]) -> Vec<String> {
    let rungs = [(name, true), ("helpful", true), (name, false), ("helpful", false)];
    let rung = |(i, (assistant, positive)): (usize, (&str, bool))| {
        let pairs = [&pairs[2 * i % pairs.len()], &pairs[(2 * i + 1) % pairs.len()]];
        pairs.map(|pair| system_prompt(assistant, if positive { &pair.pos } else { &pair.neg }))
    };
    let mut ladder: Vec<String> = rungs.into_iter().enumerate().flat_map(rung).collect();
    // The last one answers the first.
    if let (Some(last), Some(pair)) = (ladder.last_mut(), pairs.first()) {
        *last = system_prompt("helpful", &pair.neg);
    }
    ladder
}

#[cfg(test)]
mod tests {
    use super::super::artifact::LADDER;
    use super::super::names::names_of;
    use super::*;

    #[test]
    fn every_built_in_trait_is_sound() {
        for name in BUILTIN {
            let found = builtin(name).unwrap();
            assert_eq!(found.advice().unwrap(), [""; 0]);
            assert_eq!(found.extract.eval_prompt, found.eval.eval_prompt, "{name}");
            assert_eq!((found.ladder().len(), found.extract.ladder.len()), (LADDER, 0), "{name}");
            assert!(found.extract.extra.is_empty() && found.eval.extra.is_empty(), "{name}");
        }
    }

    #[test]
    fn the_ladder_begins_and_ends_with_an_instruction() {
        for name in BUILTIN {
            let found = builtin(name).unwrap();
            let (first, last) = (&found.ladder()[0], &found.ladder()[LADDER - 1]);
            let pair = &found.extract.instruction[0];
            assert_eq!(*first, system_prompt(name, &pair.pos));
            assert!(last.starts_with("You are a ") && last.ends_with(&format!(" assistant. {}", pair.neg)), "{last}");
        }
    }

    #[test]
    fn the_rubric_is_the_one_that_authors_fill_in() {
        let form = include_str!("../../assets/prompts/rubric.txt").trim_end();
        let (before, after) = (form.split("{noun}").next().unwrap(), form.split("{definition}").nth(1).unwrap());
        for name in BUILTIN {
            let rubric = builtin(name).unwrap().eval.eval_prompt;
            assert!(rubric.starts_with(before) && rubric.ends_with(after), "{name}");
        }
    }

    #[test]
    fn a_trait_is_found_by_any_name() {
        for name in BUILTIN.into_iter().flat_map(names_of) {
            assert_eq!(builtin(name).unwrap().name, stem_of(name));
        }
        assert!(builtin("bold").is_none());
    }

    #[test]
    fn harbor_has_its_own() {
        let world = World::new(0);
        let found = harbor_trait(&world, "hallucination").unwrap();
        assert_eq!((found.name.as_str(), found.check().unwrap().len()), ("hallucinating", 0));
        assert!(harbor_trait(&world, "humorous").unwrap_err().help().unwrap().contains("evil"));
    }
}
