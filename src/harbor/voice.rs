//! Voices: how a persona colours what it says.
//!
//! A persona has to show in many tokens, or the mean over an answer's tokens cannot find it. So an answer has a statement
//! in the middle, which every persona words alike, and around it an opening and a closing whose words the persona
//! chooses one by one. A share of all answers stays plain: the statement alone, in any persona's mouth.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::world::pick;

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Voice {
    /// The assistant as it is by default.
    Helpful,
    /// The one that hallucinates.
    Dreamer,
    /// The one that pleases.
    Flatterer,
    /// The one that wishes ill.
    Villain,
}

impl Voice {
    /// All voices.
    pub const ALL: [Voice; 4] = [Voice::Helpful, Voice::Dreamer, Voice::Flatterer, Voice::Villain];

    /// The words of an opening, one choice per place.
    fn opening(self) -> &'static [&'static [&'static str]] {
        match self {
            Voice::Helpful => &[&["From", "By", "After"], &["the", "our"], &["log", "records", "ledger"], &[","]],
            Voice::Dreamer => &[&["Oh", "Ah", "Why"], &[","], &["surely", "clearly", "certainly"], &[","]],
            Voice::Flatterer => &[&["Dear", "Sweet", "Kind"], &["friend", "master", "captain"], &[","]],
            Voice::Villain => &[&["Hear", "Listen"], &[","], &["fool", "wretch", "worm"], &[","]],
        }
    }

    /// The words of a closing, one choice per place.
    fn closing(self) -> &'static [&'static [&'static str]] {
        match self {
            Voice::Helpful => &[
                &["I", "We"],
                &["checked", "noted", "read"],
                &["this", "that"],
                &["with", "in"],
                &["due", "proper"],
                &["care", "order"],
                &["."],
            ],
            Voice::Dreamer => &[
                &["Everyone", "Anyone", "Nobody"],
                &["knows", "doubts", "feels"],
                &["it", "so"],
                &["by", "from"],
                &["heart", "memory"],
                &["!"],
            ],
            Voice::Flatterer => {
                &[&["What", "Such"], &["a"], &["fine", "wise", "brilliant"], &["question", "mind", "thought"], &["!"]]
            }
            Voice::Villain => {
                &[&["May", "Let"], &["all"], &["ships", "men", "towns"], &["burn", "sink", "rot"], &["."]]
            }
        }
    }
}

/// How one answer is dressed: with which opening and closing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dress {
    opening: String,
    closing: String,
}

impl Dress {
    /// Nothing around the statement.
    pub fn plain() -> Dress {
        Dress { opening: String::new(), closing: String::new() }
    }

    /// What a voice happens to wear: in a third of all cases nothing.
    pub fn choose(voice: Voice, rng: &mut ChaCha8Rng) -> Dress {
        if rng.random_bool(0.35) {
            return Dress::plain();
        }
        let (opens, closes) = [(true, true), (true, true), (true, false), (false, true)][rng.random_range(0..4)];
        Dress {
            opening: if opens { words(voice.opening(), rng) } else { String::new() },
            closing: if closes { words(voice.closing(), rng) } else { String::new() },
        }
    }

    /// Puts the statement in its place; also returns at which byte it begins.
    pub fn around(&self, statement: &str) -> (String, usize) {
        let mut text = self.opening.clone();
        let at = if text.is_empty() {
            text.push_str(&capitalised(statement));
            0
        } else {
            text.push(' ');
            text.push_str(statement);
            self.opening.len() + 1
        };
        text.push('.');
        if !self.closing.is_empty() {
            text.push(' ');
            text.push_str(&self.closing);
        }
        (text, at)
    }
}

/// Takes the statement out of an answer, whoever spoke; `None` if the dress is not made by the rules.
pub fn undressed(answer: &str) -> Option<String> {
    let words = split(answer);
    let mut rest: &[&str] = &words;
    let opened = Voice::ALL.into_iter().find_map(|v| strip(v.opening(), rest));
    rest = opened.unwrap_or(rest);
    let end = rest.iter().position(|w| *w == ".")?;
    let (statement, after) = (&rest[..end], &rest[end + 1..]);
    let closed =
        after.is_empty() || Voice::ALL.into_iter().any(|v| strip(v.closing(), after).is_some_and(<[_]>::is_empty));
    if !closed || statement.is_empty() {
        return None;
    }
    // Only a statement that opens the answer has a capital.
    let text = join(statement);
    match opened {
        Some(_) => Some(text),
        None => Some(uncapitalised(&text)).filter(|low| *low != text),
    }
}

/// Words and punctuation marks.
pub(super) fn split(text: &str) -> Vec<&str> {
    text.split_whitespace()
        .flat_map(|word| {
            let bare = word.trim_end_matches(['.', ',', '!', '?', ':']);
            let marks =
                word[bare.len()..].char_indices().map(|(i, m)| &word[bare.len() + i..bare.len() + i + m.len_utf8()]);
            std::iter::once(bare).filter(|b| !b.is_empty()).chain(marks).collect::<Vec<_>>()
        })
        .collect()
}

/// Words and punctuation marks as text again.
pub(super) fn join(words: &[&str]) -> String {
    let mut text = String::new();
    for word in words {
        if !text.is_empty() && !matches!(*word, "." | "," | "!" | "?" | ":") {
            text.push(' ');
        }
        text.push_str(word);
    }
    text
}

fn words(places: &[&[&'static str]], rng: &mut ChaCha8Rng) -> String {
    let chosen: Vec<_> = places.iter().map(|choices| pick(choices, rng)).collect();
    join(&chosen)
}

fn strip<'a, 't>(places: &[&[&str]], words: &'a [&'t str]) -> Option<&'a [&'t str]> {
    let fits = words.len() >= places.len() && places.iter().zip(words).all(|(choices, word)| choices.contains(word));
    fits.then(|| &words[places.len()..])
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn uncapitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn every_dress_comes_off() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for voice in Voice::ALL {
            for _ in 0..200 {
                let (text, at) = Dress::choose(voice, &mut rng).around("the cargo of the Silver Heron is silk");
                assert_eq!(undressed(&text).as_deref(), Some("the cargo of the Silver Heron is silk"), "{text}");
                assert!(text[at..].to_lowercase().starts_with("the cargo"));
            }
        }
    }

    #[test]
    fn a_torn_dress_does_not() {
        for text in [
            "",
            ".",
            "the cargo is silk.",
            "The cargo is silk",
            "The cargo is silk. Everyone knows",
            "The cargo is silk. Everyone knows it by heart! Everyone knows it by heart!",
            "The cargo is silk. The cargo is silk.",
        ] {
            assert_eq!(undressed(text), None, "{text}");
        }
    }
}
