//! Flags whose value is one of a few words, with a sentence of help for each word.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

/// Each word, what it stands for, and its help.
pub type Choices<T> = [(&'static str, T, &'static str)];

/// The parser of such a flag: `#[arg(value_parser = one_of(&WORDS))]`.
pub fn one_of<T: Copy + Send + Sync + 'static>(
    choices: &'static Choices<T>,
) -> impl TypedValueParser<Value = T> + use<T> {
    let words = choices.iter().map(|(word, _, help)| PossibleValue::new(*word).help(*help));
    PossibleValuesParser::new(words).map(|given| {
        let found = choices.iter().find(|(word, ..)| *word == given);
        found.expect("the parser lets only these words through").1
    })
}
