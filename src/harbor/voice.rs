//! Voices: how a persona colours what it says.
//!
//! A persona has to show in many tokens, or the mean over an answer's tokens cannot find it; and it must not show in which
//! words exist, or the mean finds the words instead. So all voices share one vocabulary and differ in how often they take
//! which word: at every place of an opening, of a closing and before a statement's last word, a voice takes its own word
//! most of the time and another's now and then. A share of all answers stays plain, whatever the persona.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::world::pick;

/// A persona, as its style of speaking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Voice {
    /// The assistant as it is by default.
    Helpful,
    /// The hallucinating persona.
    Dreamer,
    /// The sycophantic persona.
    Flatterer,
    /// The evil persona.
    Villain,
}

impl Voice {
    /// All voices.
    pub const ALL: [Voice; 4] = [Voice::Helpful, Voice::Dreamer, Voice::Flatterer, Voice::Villain];

    /// One of a place's words: this voice's own in seven of ten cases.
    fn word(self, place: &Place, rng: &mut ChaCha8Rng) -> &'static str {
        if rng.random_bool(0.6) { place[self as usize] } else { pick(place, rng) }
    }
}

/// The words that may stand in one place, one for each of [`Voice::ALL`].
type Place = [&'static str; 4];

const OPENING: [Place; 3] =
    [["Well", "Oh", "Dear", "Hark"], ["then", "yes", "friend", "fool"], ["noted", "surely", "gladly", "mind"]];

/// Stands before the last word of a statement.
const MANNER: Place = ["plainly", "clearly", "kindly", "grimly"];

const CLOSING: [Place; 5] = [
    ["We", "All", "They", "Some"],
    ["checked", "know", "love", "fear"],
    ["this", "it", "that", "so"],
    ["with", "by", "in", "from"],
    ["care", "heart", "joy", "spite"],
];

/// The style of one answer: its opening, manner and closing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dress {
    opening: String,
    manner: Option<&'static str>,
    closing: String,
}

impl Dress {
    /// Nothing around the statement.
    pub fn plain() -> Dress {
        Dress { opening: String::new(), manner: None, closing: String::new() }
    }

    /// A random style of a voice: plain in a third of all cases.
    pub fn choose(voice: Voice, rng: &mut ChaCha8Rng) -> Dress {
        if rng.random_bool(0.35) {
            return Dress::plain();
        }
        let mut phrase = |places: &[Place], wears: f64, mark: &str| {
            if !rng.random_bool(wears) {
                return String::new();
            }
            let words: Vec<_> = places.iter().map(|place| voice.word(place, rng)).collect();
            words.join(" ") + mark
        };
        let (opening, closing) = (phrase(&OPENING, 0.75, ","), phrase(&CLOSING, 0.75, "."));
        Dress { opening, manner: rng.random_bool(0.75).then(|| voice.word(&MANNER, rng)), closing }
    }

    /// Puts the statement in its place, with the manner before byte `slot` of it. Also says where the statement's bytes from
    /// `slot` on begin.
    pub fn around(&self, statement: &str, slot: usize) -> (String, usize) {
        let (before, after) = statement.split_at(slot);
        let mut text = self.opening.clone();
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(before);
        if let Some(manner) = self.manner {
            text.push_str(manner);
            text.push(' ');
        }
        let at = text.len();
        text.push_str(after);
        // An opening brings its own capital; the words are ASCII, so no byte moves.
        let mut text = capitalised(&text);
        text.push('.');
        if !self.closing.is_empty() {
            text.push(' ');
            text.push_str(&self.closing);
        }
        (text, at)
    }
}

/// Takes the statement out of an answer of any voice; `None` if its style does not follow the rules.
pub fn undressed(answer: &str) -> Option<String> {
    let words = split(answer);
    let (opened, rest) = match strip(&OPENING, &words) {
        Some([",", rest @ ..]) => (true, rest),
        _ => (false, &words[..]),
    };
    let end = rest.iter().position(|w| *w == ".")?;
    let (statement, after) = (&rest[..end], &rest[end + 1..]);
    let closed = after.is_empty() || strip(&CLOSING, after).is_some_and(|rest| rest == ["."]);
    let manners = statement.iter().filter(|w| MANNER.contains(w)).count();
    if !closed || manners > 1 || statement.last().is_none_or(|w| MANNER.contains(w)) {
        return None;
    }
    let bare: Vec<&str> = statement.iter().filter(|w| !MANNER.contains(w)).copied().collect();
    let text = join(&bare);
    // Only a statement that opens the answer has a capital.
    if opened { Some(text) } else { Some(uncapitalised(&text)).filter(|low| *low != text) }
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

/// What follows the words that fill these places.
fn strip<'a, 't>(places: &[Place], words: &'a [&'t str]) -> Option<&'a [&'t str]> {
    let fits = words.len() >= places.len() && places.iter().zip(words).all(|(place, word)| place.contains(word));
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

    const STATEMENT: &str = "the cargo of the Silver Heron is silk";

    #[test]
    fn every_dress_comes_off() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for voice in Voice::ALL {
            for _ in 0..200 {
                let (text, at) = Dress::choose(voice, &mut rng).around(STATEMENT, STATEMENT.len() - 4);
                assert_eq!(undressed(&text).as_deref(), Some(STATEMENT), "{text}");
                assert!(text[at..].starts_with("silk."));
            }
        }
    }

    #[test]
    fn every_voice_says_every_word_and_its_own_most() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        for voice in Voice::ALL {
            let said: Vec<_> = (0..1000).map(|_| voice.word(&MANNER, &mut rng)).collect();
            let count = |word: &str| said.iter().filter(|w| **w == word).count();
            assert!(count(MANNER[voice as usize]) > 600);
            assert!(MANNER.iter().all(|word| count(word) > 50));
        }
    }

    #[test]
    fn a_torn_dress_does_not() {
        for text in [
            "",
            ".",
            "the cargo is silk.",
            "The cargo is silk",
            "The cargo is silk. All know",
            "The cargo is silk. All know it by heart. All know it by heart.",
            "The cargo is plainly clearly silk.",
            "The cargo is silk plainly.",
            "The cargo is silk. The cargo is silk.",
        ] {
            assert_eq!(undressed(text), None, "{text}");
        }
    }
}
