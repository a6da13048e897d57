//! VADER's compound score of a sentence (Hutto & Gilbert 2014), with the values of the authors' Python package `vaderSentiment` 3.3.2.
//!
//! The lexicon is that of the crate `vader-sentimental`. The crate's own rules give other scores for about one English sentence in
//! seven (it counts a single question mark, drops words of one letter and knows no rule for "no"), so the rules stand here:
//!
//! ```text
//! valence of a word = lexicon, +-0.733 in capitals among words that are not, +- 0.293 per booster among the three words before
//!                     (times 0.95 and 0.9 with distance), · -0.74 per negation among them, idioms by a table
//! "but"             = words before it count half, words after it one and a half times
//! s                 = Σ valences, moved away from 0 by 0.292 per "!" (at most 4) and 0.18 per "?" (2 or 3; from 4 on 0.96)
//! compound          = s / sqrt(s² + 15)
//! ```

use vader_sentimental::SentimentIntensityAnalyzer;

/// What a booster adds, what capitals add, what a negation multiplies by: the authors' constants.
const BOOST: f64 = 0.293;
const CAPITALS: f64 = 0.733;
const NEGATION: f64 = -0.74;
/// The square of the sum at which the compound score is 1/√2.
const ALPHA: f64 = 15.0;

/// The analyser; its lexicon is read once for the program.
pub(super) struct Vader(SentimentIntensityAnalyzer<'static>);

impl Vader {
    pub(super) fn new() -> Self {
        Self(SentimentIntensityAnalyzer::new())
    }

    /// The compound score of a text, -1 to 1 and rounded to four digits as the authors do; 0 for a text without words of feeling.
    pub(super) fn compound(&self, text: &str) -> f64 {
        let text = self.0.append_emoji_descriptions(text);
        let words: Vec<&str> = text.split_whitespace().map(without_punctuation).collect();
        let lower: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
        let shouted = words.iter().filter(|word| is_upper(word)).count();
        let mixed = shouted > 0 && shouted < words.len();
        let sentence = Sentence { vader: self, words, lower, mixed };
        let mut valences: Vec<f64> = (0..sentence.words.len()).map(|i| sentence.valence(i)).collect();
        weigh_but(&sentence.lower, &mut valences);
        let sum: f64 = valences.iter().sum();
        let emphasis = emphasis(&text);
        let sum = if sum > 0.0 {
            sum + emphasis
        } else if sum < 0.0 {
            sum - emphasis
        } else {
            0.0
        };
        (sum / (sum * sum + ALPHA).sqrt() * 1e4).round() / 1e4
    }

    /// The lexicon's valence of a word in lower case, -4 to 4.
    fn lexicon(&self, word: &str) -> Option<f64> {
        // Five entries in which the crate's lexicon is not the authors'.
        match word {
            "hearts" => return Some(3.3),
            "heart" => return Some(3.2),
            "l" => return Some(2.0),
            ":p" => return Some(1.0),
            ":þ" | ":-þ" => return None,
            _ => {}
        }
        // The crate looks a word up without the punctuation around it. No entry of the authors' has any that it would lose.
        let bare = word.trim_matches(|c: char| c.is_ascii_punctuation());
        if word.len() <= 1 || (bare.len() > 1 && bare != word) {
            return None;
        }
        // The crate gives its lexicon away only as compound scores, which for a single word can be turned back: valences have one
        // digit after the point.
        let compound = self.0.polarity_scores(word).compound;
        let sum = compound * (ALPHA / (1.0 - compound * compound)).sqrt();
        let count = |mark: char| word.chars().filter(|c| *c == mark).count() as f64;
        let questions = if count('?') > 3.0 { 0.96 } else { 0.18 * count('?') };
        let emphasis = 0.292 * count('!').min(4.0) + questions;
        let valence = if sum > 0.0 { sum - emphasis } else { sum + emphasis };
        let valence = (valence * 10.0).round() / 10.0;
        (valence != 0.0).then_some(valence)
    }
}

struct Sentence<'a> {
    vader: &'a Vader,
    words: Vec<&'a str>,
    lower: Vec<String>,
    /// Whether some words, and not all, are in capitals.
    mixed: bool,
}

impl Sentence<'_> {
    fn valence(&self, i: usize) -> f64 {
        let word = self.lower[i].as_str();
        let next = self.lower.get(i + 1).map(String::as_str);
        if booster(word).is_some() || (word == "kind" && next == Some("of")) {
            return 0.0;
        }
        let known = |word: &str| self.vader.lexicon(word);
        let Some(entry) = known(word) else { return 0.0 };
        let mut valence = entry;
        if word == "no" && next.is_some_and(|next| known(next).is_some()) {
            valence = 0.0;
        }
        let before = |distance: usize| i.checked_sub(distance).map(|at| self.lower[at].as_str());
        let or = matches!(before(1), Some("or" | "nor"));
        if before(1) == Some("no") || before(2) == Some("no") || (before(3) == Some("no") && or) {
            valence = entry * NEGATION;
        }
        if is_upper(self.words[i]) && self.mixed {
            valence += if valence > 0.0 { CAPITALS } else { -CAPITALS };
        }
        for (distance, weight) in [(1, 1.0), (2, 0.95), (3, 0.9)] {
            let Some(other) = before(distance).filter(|other| known(other).is_none()) else { continue };
            valence += weight * self.boost(i - distance, valence);
            valence = negate(valence, distance, other, [before(1), before(2)]);
            if distance == 3 {
                valence = self.idioms(valence, i);
            }
        }
        let of_least = before(1) == Some("least") && !matches!(before(2), Some("at" | "very"));
        if of_least { valence * NEGATION } else { valence }
    }

    /// What the word at `at` adds to a valence as a booster or dampener.
    fn boost(&self, at: usize, valence: f64) -> f64 {
        let Some(boost) = booster(&self.lower[at]) else { return 0.0 };
        let boost = if valence < 0.0 { -boost } else { boost };
        let capitals = if is_upper(self.words[at]) && self.mixed { CAPITALS } else { 0.0 };
        if valence > 0.0 { boost + capitals } else { boost - capitals }
    }

    /// Idioms around the word at `i`, which has three words before it.
    fn idioms(&self, mut valence: f64, i: usize) -> f64 {
        let run = |from: usize, to: usize| self.lower[from..to].join(" ");
        let [three, pair, earlier] = [run(i - 3, i), run(i - 2, i), run(i - 3, i - 1)];
        let around = [run(i - 1, i + 1), run(i - 2, i + 1), pair.clone(), three.clone(), earlier.clone()];
        if let Some(found) = around.iter().find_map(|words| idiom(words)) {
            valence = found;
        }
        for end in [i + 2, i + 3] {
            if end <= self.lower.len()
                && let Some(found) = idiom(&run(i, end))
            {
                valence = found;
            }
        }
        let dampened = [three, earlier, pair];
        valence + dampened.iter().filter_map(|words| booster(words)).sum::<f64>()
    }
}

/// A word without the punctuation around it, unless it is short enough to be an emoticon.
fn without_punctuation(word: &str) -> &str {
    let bare = word.trim_matches(|c: char| c.is_ascii_punctuation());
    if bare.chars().count() <= 2 { word } else { bare }
}

fn is_upper(word: &str) -> bool {
    word.chars().any(char::is_uppercase) && !word.chars().any(char::is_lowercase)
}

/// A negation `other` at a distance of 1 to 3 words, with the words in between; "never so" and "never this" strengthen instead, and
/// "without doubt" changes nothing.
fn negate(valence: f64, distance: usize, other: &str, [one, two]: [Option<&str>; 2]) -> f64 {
    let so = |word: Option<&str>| matches!(word, Some("so" | "this"));
    let doubt = |word: Option<&str>| word == Some("doubt");
    let (never, without) = (other == "never", other == "without");
    let (strengthened, unchanged) = match distance {
        1 => (false, false),
        2 => (never && so(one), without && doubt(one)),
        // "so" or "this" right before the word strengthens it at this distance whatever stands before: the authors' rule.
        _ => ((never && so(two)) || so(one), without && (doubt(two) || doubt(one))),
    };
    match (strengthened, unchanged) {
        (true, _) => valence * 1.25,
        (_, true) => valence,
        _ if is_negation(other) => valence * NEGATION,
        _ => valence,
    }
}

/// The words before the first "but" count half, those after it one and a half times. As in the authors' code, a valence is taken for
/// the first one of its size.
fn weigh_but(words: &[String], valences: &mut [f64]) {
    let Some(but) = words.iter().position(|word| word == "but") else { return };
    for i in 0..valences.len() {
        let valence = valences[i];
        let Some(first) = valences.iter().position(|other| *other == valence) else { continue };
        match first.cmp(&but) {
            std::cmp::Ordering::Less => valences[first] = valence * 0.5,
            std::cmp::Ordering::Greater => valences[first] = valence * 1.5,
            std::cmp::Ordering::Equal => {}
        }
    }
}

fn emphasis(text: &str) -> f64 {
    let count = |mark: u8| text.bytes().filter(|byte| *byte == mark).count();
    let questions = match count(b'?') {
        0 | 1 => 0.0,
        few @ (2 | 3) => 0.18 * few as f64,
        _ => 0.96,
    };
    0.292 * count(b'!').min(4) as f64 + questions
}

/// Degree adverbs: what they add to the valence of a word after them. The first line of the file strengthens, the second dampens.
fn booster(words: &str) -> Option<f64> {
    let (up, down) = include_str!("../../assets/boosters.txt").split_once('\n').expect("two lines");
    let holds = |list: &str| list.trim_end().split(", ").any(|entry| entry == words);
    if holds(up) { Some(BOOST) } else { holds(down).then_some(-BOOST) }
}

fn is_negation(word: &str) -> bool {
    let without_mark = [
        "aint", "arent", "cannot", "cant", "couldnt", "darent", "didnt", "doesnt", "dont", "hadnt", "hasnt", "havent",
        "isnt", "mightnt", "mustnt", "neither", "neednt", "never", "none", "nope", "nor", "not", "nothing", "nowhere",
        "oughtnt", "shant", "shouldnt", "uhuh", "uh-uh", "wasnt", "werent", "without", "wont", "wouldnt", "rarely",
        "seldom", "despite",
    ];
    word.contains("n't") || without_mark.contains(&word)
}

/// Idioms whose valence is not that of their words.
fn idiom(words: &str) -> Option<f64> {
    Some(match words {
        "the shit" | "the bomb" | "to die for" => 3.0,
        "bad ass" | "badass" => 1.5,
        "bus stop" => 0.0,
        "yeah right" => -2.0,
        "kiss of death" => -1.5,
        "beating heart" => 3.5,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sentences with the compound scores that `vaderSentiment` 3.3.2 gives them.
    const SCORED: &[(&str, f64)] = &[
        ("VADER is smart, handsome, and funny.", 0.8316),
        ("VADER is VERY SMART, uber handsome, and FRIGGIN FUNNY!!!", 0.9469),
        ("VADER is not smart, handsome, nor funny.", -0.7424),
        ("At least it isn't a horrible book.", 0.431),
        ("The book was only kind of good.", 0.3832),
        ("The plot was good, but the characters are uncompelling and the dialog is not great.", -0.7042),
        ("Today SUX!", -0.5461),
        ("Today only kinda sux! But I'll get by, lol", 0.5249),
        ("Make sure you :) or :D today!", 0.8633),
        ("Catch utf-8 emoji such as 💘 and 💋 and 😁", 0.875),
        ("Not bad at all", 0.431),
        ("No hope is left, and no joy.", -0.6681),
        ("There is no good reason to despair.", -0.5727),
        ("She said no.", 0.0),
        ("It was the least helpful answer.", -0.3252),
        ("It's at least a good try.", 0.4404),
        ("I've never been so happy in my life!", 0.7213),
        ("Without doubt a great day.", 0.7359),
        ("I am so very, very sorry for your loss.", -0.5323),
        ("Yeah right, great job.", 0.743),
        ("It was a kiss of death for the good old firm.", -0.2732),
        ("Which exercises are good for the back?", 0.4404),
        ("Why did they hate it?? Why???", -0.6868),
        ("My beating heart is full of hope.", 0.6249),
        ("There is little hope in hiking in the hills on Sunday.", 0.3832),
        ("Sadly, keeping bees usually ends badly.", -0.7096),
        ("In six months you will see sore fingers, and hardly ever a clean song.", -0.0164),
        ("You will be alone with the failure.", -0.6486),
        ("THE END IS NEAR and nobody cares", 0.4588),
        ("L is a letter of love.", 0.8374),
        ("I cannot say that I seldom enjoy it.", -0.3875),
    ];

    #[test]
    fn sentences_score_as_in_the_authors_package() {
        let vader = Vader::new();
        for (sentence, want) in SCORED {
            let got = vader.compound(sentence);
            assert!((got - want).abs() < 1e-9, "{sentence}: {got}, not {want}");
        }
        assert_eq!((vader.compound(""), vader.compound("The table has four legs.")), (0.0, 0.0));
    }

    #[test]
    fn the_lexicon_is_the_authors() {
        let vader = Vader::new();
        let entries =
            ["good", "horrible", "heart", "l", ":)", ":-!", ":p", ":-\u{fe}", "no", "no.", "very", "table", "(good"]
                .map(|w| vader.lexicon(w));
        let want = [1.9, -2.5, 3.2, 2.0, 2.0].map(Some);
        assert_eq!(entries[..5], want);
        assert_eq!(entries[6..], [Some(1.0), None, Some(-1.2), None, None, None, None]);
    }
}
