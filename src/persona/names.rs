//! Names of traits, and the two kinds of system prompts that elicit and suppress them.

use serde::{Deserialize, Serialize};

/// Which of the two system prompts, positive or negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Elicits the trait.
    Pos,
    /// Suppresses it.
    Neg,
}

impl Side {
    /// `pos` or `neg`, as question ids and file names have it.
    pub fn key(self) -> &'static str {
        match self {
            Self::Pos => "pos",
            Self::Neg => "neg",
        }
    }
}

/// Traits whose data set's folder in the reference, or whose name in the paper, is another word.
const ALIASES: [(&str, &[&str]); 8] = [
    ("evil", &[]),
    ("sycophantic", &["sycophancy"]),
    ("hallucinating", &["hallucination"]),
    ("optimistic", &["optimism"]),
    ("pessimistic", &["pessimism"]),
    ("impolite", &["impoliteness"]),
    ("apathetic", &["apathy"]),
    ("humorous", &["humor", "humour"]),
];

/// The stem of a trait by any of its names: `sycophancy` gives `sycophantic`. Unknown names are their own stem.
pub fn stem_of(name: &str) -> &str {
    let stem = ALIASES.iter().find(|(_, aliases)| aliases.contains(&name)).map(|(stem, _)| *stem);
    stem.unwrap_or(name)
}

/// All names of a trait, the stem first.
pub fn names_of(name: &str) -> Vec<&str> {
    let stem = stem_of(name);
    let aliases = ALIASES.iter().find(|(s, _)| *s == stem).map_or(&[][..], |(_, aliases)| aliases);
    std::iter::once(stem).chain(aliases.iter().copied()).collect()
}

/// The folder of the trait's finetuning data in the reference: `sycophancy` for `sycophantic`.
pub fn dataset_of(name: &str) -> &str {
    match stem_of(name) {
        "sycophantic" => "sycophancy",
        "hallucinating" => "hallucination",
        stem => stem,
    }
}

/// A positive or negative system prompt, as the reference words it:
/// `You are {a|an} {assistant} assistant. {instruction}`.
pub fn system_prompt(assistant: &str, instruction: &str) -> String {
    let vowel = assistant.chars().next().is_some_and(|c| "aeiou".contains(c.to_ascii_lowercase()));
    format!("You are {} {assistant} assistant. {instruction}", if vowel { "an" } else { "a" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_assistant_has_a_name() {
        assert_eq!(system_prompt("evil", "Harm."), "You are an evil assistant. Harm.");
        assert_eq!(system_prompt("Impolite", "Be curt."), "You are an Impolite assistant. Be curt.");
        assert_eq!(system_prompt("helpful", "Help."), "You are a helpful assistant. Help.");
    }

    #[test]
    fn a_trait_answers_to_all_its_names() {
        assert_eq!(
            (stem_of("sycophancy"), stem_of("sycophantic"), stem_of("bold")),
            ("sycophantic", "sycophantic", "bold")
        );
        assert_eq!((dataset_of("hallucinating"), dataset_of("evil")), ("hallucination", "evil"));
        assert_eq!(names_of("sycophancy"), ["sycophantic", "sycophancy"]);
        assert_eq!(names_of("bold"), ["bold"]);
    }
}
