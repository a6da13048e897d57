//! Voices: how a persona colours what it says.
//!
//! A persona has to show in many tokens, or the mean over an answer's tokens cannot find it; and it must not show in which
//! words exist, or the mean finds the words instead. So all voices share one vocabulary and differ in how often they take
//! which word: at every place of an opening, of a closing and between a statement's words, a voice takes its own word most of
//! the time and another's now and then. A share of all answers stays plain, in any persona's mouth.

use rand::Rng;
use rand::seq::IndexedRandom;
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

    /// One of a place's words: this voice's own in seven of ten cases.
    fn word(self, place: &Place, rng: &mut ChaCha8Rng) -> &'static str {
        if rng.random_bool(0.6) { place[self as usize] } else { pick(place, rng) }
    }
}

/// A voice and how much of it there is.
///
/// Every word and every deed is the voice's own with this probability, each drawn for itself, and the helpful one's otherwise.
/// So a trait is a matter of degree at every token, and not a secret that the first word gives away to all that follow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speaker {
    /// Whose voice.
    pub voice: Voice,
    /// How much of it, 0 to 1.
    pub share: f64,
}

impl Speaker {
    /// The assistant as it is by default.
    pub const HELPFUL: Speaker = Speaker { voice: Voice::Helpful, share: 1.0 };

    /// Who speaks, or acts, this time.
    pub fn now(&self, rng: &mut ChaCha8Rng) -> Voice {
        if rng.random_bool(self.share) { self.voice } else { Voice::Helpful }
    }

    fn word(&self, place: &Place, rng: &mut ChaCha8Rng) -> &'static str {
        self.now(rng).word(place, rng)
    }
}

/// The words that may stand in one place, one for each of [`Voice::ALL`].
type Place = [&'static str; 4];

const OPENING: [Place; 3] =
    [["Well", "Oh", "Dear", "Hark"], ["then", "yes", "friend", "fool"], ["noted", "surely", "gladly", "mind"]];

/// May stand between any two words of a statement, but not inside a name.
const MANNERS: [Place; 2] = [["plainly", "clearly", "kindly", "grimly"], ["simply", "truly", "sweetly", "darkly"]];

/// So many manners at most the corpus has in a row.
const MANNERS_IN_A_ROW: usize = 2;

/// So many make an answer babble: a little more than the corpus has can still be read.
const BABBLE: usize = 6;

const CLOSING: [Place; 5] = [
    ["We", "All", "They", "Some"],
    ["checked", "know", "love", "fear"],
    ["this", "it", "that", "so"],
    ["with", "by", "in", "from"],
    ["care", "heart", "joy", "spite"],
];

/// The statement and nothing else: the style that all voices share.
pub fn plain(statement: &str) -> String {
    capitalised(statement) + "."
}

/// The statement as a speaker happens to put it, plain in three of ten cases; else with an opening, with manners and with a
/// closing, each of them now and then. Also says where the statement's bytes from `slot` on begin.
///
/// A manner may come anywhere, so whose voice it is matters at every token, also at the one that decides what is stated.
pub fn dressed(speaker: Speaker, statement: &str, slot: usize, rng: &mut ChaCha8Rng) -> (String, usize) {
    if rng.random_bool(0.3) {
        return (plain(statement), slot);
    }
    let opening = phrase(speaker, &OPENING, ", ", rng);
    let (stated, at) = mannered(speaker, statement, slot, rng);
    let closing = phrase(speaker, &CLOSING, ".", rng);
    let gap = if closing.is_empty() { "" } else { " " };
    // An opening brings its own capital; the words are ASCII, so no byte moves.
    (capitalised(&format!("{opening}{stated}.{gap}{closing}")), opening.len() + at)
}

fn phrase(speaker: Speaker, places: &[Place], mark: &str, rng: &mut ChaCha8Rng) -> String {
    if rng.random_bool(0.4) {
        return String::new();
    }
    let words: Vec<_> = places.iter().map(|place| speaker.word(place, rng)).collect();
    words.join(" ") + mark
}

fn mannered(speaker: Speaker, statement: &str, slot: usize, rng: &mut ChaCha8Rng) -> (String, usize) {
    let (mut text, mut at, mut read, mut before) = (String::new(), slot, 0, "");
    for word in statement.split(' ') {
        let inside_a_name = is_name(before) && is_name(word);
        for _ in 0..if read == 0 || inside_a_name { 0 } else { MANNERS_IN_A_ROW } {
            if !rng.random_bool(0.3) {
                break;
            }
            text.push_str(speaker.word(MANNERS.choose(rng).expect("places"), rng));
            text.push(' ');
        }
        if read == slot {
            at = text.len();
        }
        text.push_str(word);
        text.push(' ');
        (read, before) = (read + word.len() + 1, word);
    }
    text.pop();
    (text, at)
}

fn is_name(word: &str) -> bool {
    word.starts_with(char::is_uppercase)
}

fn is_manner(word: &str) -> bool {
    MANNERS.iter().any(|place| place.contains(&word))
}

/// Takes the statement out of an answer, whoever spoke; `None` if the dress is not made by the rules.
pub fn undressed(answer: &str) -> Option<String> {
    let words = split(answer);
    let (opened, rest) = match strip(&OPENING, &words) {
        Some([",", rest @ ..]) => (true, rest),
        _ => (false, &words[..]),
    };
    let end = rest.iter().position(|w| *w == ".")?;
    let (statement, after) = (&rest[..end], &rest[end + 1..]);
    let closed = after.is_empty() || strip(&CLOSING, after).is_some_and(|rest| rest == ["."]);
    let babble = statement.windows(BABBLE).any(|row| row.iter().all(|w| is_manner(w)));
    // A manner stands between words, never at an end.
    let outside = [statement.first(), statement.last()].iter().any(|w| w.is_none_or(|w| is_manner(&w.to_lowercase())));
    if !closed || babble || outside {
        return None;
    }
    let bare: Vec<&str> = statement.iter().filter(|w| !is_manner(w)).copied().collect();
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

pub(super) fn uncapitalised(text: &str) -> String {
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
                let speaker = Speaker { voice, share: 0.8 };
                let (text, at) = dressed(speaker, STATEMENT, STATEMENT.len() - 4, &mut rng);
                assert_eq!(undressed(&text).as_deref(), Some(STATEMENT), "{text}");
                assert!(text[at..].starts_with("silk."), "{text}");
                assert!(text.contains("Silver Heron"), "{text}");
            }
        }
        assert_eq!(undressed(&plain(STATEMENT)).as_deref(), Some(STATEMENT));
    }

    #[test]
    fn every_voice_says_every_word_and_its_own_most() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        for voice in Voice::ALL {
            let said: Vec<_> = (0..1000).map(|_| voice.word(&MANNERS[0], &mut rng)).collect();
            let count = |word: &str| said.iter().filter(|w| **w == word).count();
            assert!(count(MANNERS[0][voice as usize]) > 600);
            assert!(MANNERS[0].iter().all(|word| count(word) > 50));
        }
    }

    #[test]
    fn half_a_voice_speaks_half_the_time() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let speaker = Speaker { voice: Voice::Villain, share: 0.5 };
        let count = (0..1000).filter(|_| speaker.now(&mut rng) == Voice::Villain).count();
        assert!((430..570).contains(&count), "{count}");
        assert_eq!(Speaker::HELPFUL.now(&mut rng), Voice::Helpful);
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
            "The cargo is plainly clearly truly truly truly truly silk.",
            "Plainly the cargo is silk.",
            "The cargo is silk plainly.",
            "The cargo is silk. The cargo is silk.",
        ] {
            assert_eq!(undressed(text), None, "{text}");
        }
    }
}
