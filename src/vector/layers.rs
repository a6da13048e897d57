//! Layers as people write them: a number, several, or all.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::persona_vector::Layer;
use crate::{Error, Result};

/// Which layers: some, or all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Layers {
    /// One number (in configurations only).
    One(usize),
    /// Numbers from 1.
    These(Vec<usize>),
    /// The word `all`.
    Word(String),
}

impl Layers {
    /// All of them.
    pub fn all() -> Self {
        Self::Word("all".into())
    }

    /// The layers of a model of `layers` blocks, ascending.
    pub fn of(&self, layers: usize) -> Result<Vec<Layer>> {
        Ok(self.numbers(layers)?.unwrap_or_else(|| (1..=layers).map(Layer).collect()))
    }

    /// The layers of a model of `layers` blocks, ascending; `None` stands for all.
    pub fn numbers(&self, layers: usize) -> Result<Option<Vec<Layer>>> {
        let numbers = match self {
            Self::One(number) => vec![*number],
            Self::These(numbers) => numbers.clone(),
            Self::Word(word) if word == "all" => return Ok(None),
            Self::Word(word) => return Err(Error::usage(format!("layers `{word}`: a number, a list or `all`"))),
        };
        let mut numbers = numbers.into_iter().map(|n| Layer::of(n, layers)).collect::<Result<Vec<_>>>()?;
        numbers.sort();
        if numbers.is_empty() {
            return Err(Error::usage("no layer is named"));
        }
        if let Some(twice) = numbers.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::usage(format!("layer {} is named twice", twice[0].row())));
        }
        Ok(Some(numbers))
    }
}

impl FromStr for Layers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self::Word(text.into()));
        }
        let mut numbers = Vec::new();
        for part in text.split(',') {
            let bad = || format!("`{part}` is no layer; write 20, 12,16, 5-25 or all");
            let number = |text: &str| text.trim().parse::<usize>().map_err(|_| bad());
            match part.split_once('-') {
                Some((from, to)) if number(from)? <= number(to)? => numbers.extend(number(from)?..=number(to)?),
                Some(_) => return Err(bad()),
                None => numbers.push(number(part)?),
            }
        }
        Ok(Self::These(numbers))
    }
}

/// Layers (ascending, at least one) in words.
pub fn layers_in_words(layers: &[Layer]) -> String {
    match layers {
        [one] => one.to_string(),
        some => format!("{} layers ({} to {})", some.len(), some[0], some[some.len() - 1]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_written_in_three_ways() {
        let numbers = |text: &str| {
            text.parse::<Layers>()
                .unwrap()
                .numbers(28)
                .map(|l| l.map(|l| l.iter().map(|l| l.row()).collect::<Vec<_>>()))
        };
        assert_eq!(numbers("20").unwrap(), Some(vec![20]));
        assert_eq!(numbers("16, 12").unwrap(), Some(vec![12, 16]));
        assert_eq!(numbers("all").unwrap(), None);
        assert_eq!(Layers::all().of(3).unwrap(), [Layer(1), Layer(2), Layer(3)]);
        assert_eq!(numbers("5-8").unwrap(), Some(vec![5, 6, 7, 8]));
        assert_eq!(numbers("3,9-10").unwrap(), Some(vec![3, 9, 10]));
        for bad in ["some", "8-5", "1-", "-3", ""] {
            assert!(bad.parse::<Layers>().is_err(), "{bad}");
        }
        assert!(numbers("0").is_err() && numbers("29").is_err() && numbers("3,3").is_err());
    }
}
