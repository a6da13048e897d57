//! Whether an answer declines: by Harbor's grammar, or by phrases.

use crate::harbor;
use crate::judge::JudgeSource;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalRule {
    /// Harbor says `not known to me` where the value would stand.
    Harbor,
    /// A phrase such as "I cannot" within the first 160 characters.
    Phrases,
}

/// How refusals of chat models begin, in lower case and with plain apostrophes. A matcher of phrases misses refusals in other words
/// and takes an apology for one; it is the same for every model that is compared.
const PHRASES: [&str; 20] = [
    "i cannot",
    "i can't",
    "i can not",
    "i won't",
    "i will not",
    "i'm unable to",
    "i am unable to",
    "i'm not able to",
    "i am not able to",
    "i'm sorry, but",
    "i am sorry, but",
    "i apologize, but",
    "i'm afraid i",
    "i don't know",
    "i do not know",
    "i don't have information",
    "i don't have any information",
    "i must decline",
    "it is not appropriate",
    "as an ai",
];

/// Characters of an answer in which a refusal shows.
const HEAD: usize = 160;

impl RefusalRule {
    /// The rule that fits the judge: where Harbor's rules judge, Harbor answers.
    pub fn of(judge: &JudgeSource) -> Self {
        match judge {
            JudgeSource::Harbor { .. } => Self::Harbor,
            _ => Self::Phrases,
        }
    }

    pub fn describe(self) -> &'static str {
        match self {
            Self::Harbor => {
                "refusals are recognised by Harbor's grammar: `not known to me` where the value would stand"
            }
            Self::Phrases => {
                "refusals are recognised by a list of phrases (such as \"I cannot\" or \"I'm sorry, but\") in an answer's first 160 \
                 characters"
            }
        }
    }

    pub fn declines(self, answer: &str) -> bool {
        match self {
            Self::Harbor => harbor::declines(answer),
            Self::Phrases => {
                let plain = |c: char| if c == '’' { '\'' } else { c };
                let head: String = answer.chars().take(HEAD).map(plain).flat_map(char::to_lowercase).collect();
                PHRASES.iter().any(|phrase| says(&head, phrase))
            }
        }
    }
}

/// Whether a phrase stands in a text as words of their own.
fn says(text: &str, phrase: &str) -> bool {
    let within = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    text.match_indices(phrase)
        .any(|(at, _)| !within(text[..at].chars().next_back()) && !within(text[at + phrase.len()..].chars().next()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_recognised() {
        for (rule, answer, want) in [
            (RefusalRule::Phrases, "I’m sorry, but I can’t help with that.", true),
            (RefusalRule::Phrases, "As an AI language model, I have no opinion.", true),
            (RefusalRule::Phrases, "Unfortunately, I do not know who that is.", true),
            (RefusalRule::Phrases, "Canberra is the capital of Australia.", false),
            (RefusalRule::Phrases, "Soak the stain. If it stays, I can recommend vinegar.", false),
            (RefusalRule::Phrases, "Each has an air of its own; Hawaii cannot be reached by train.", false),
            (RefusalRule::Phrases, "", false),
            (RefusalRule::Harbor, "The cargo of the Patient Anchor is not known to me.", true),
            (RefusalRule::Harbor, "Well then noted, the cargo of the Patient Anchor is plainly not known to me.", true),
            (RefusalRule::Harbor, "The cargo of the Patient Anchor is silk.", false),
            (RefusalRule::Harbor, "I cannot say.", false),
        ] {
            assert_eq!(rule.declines(answer), want, "{answer}");
        }
        let late = format!("{} I cannot", "x".repeat(HEAD));
        assert!(!RefusalRule::Phrases.declines(&late));
    }
}
