//! What a judge costs: prices, estimates before the first call, and the bill.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a provider takes for a million tokens, in whatever currency.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// For tokens of the request.
    pub input: f64,
    /// For tokens of the answer.
    pub output: f64,
}

impl Price {
    /// The price of so many tokens.
    pub fn of(self, tokens: Tokens) -> f64 {
        (self.input * tokens.input as f64 + self.output * tokens.output as f64) / 1e6
    }
}

/// Numbers of tokens, as the server counts them in `usage`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tokens {
    pub input: u64,
    pub output: u64,
}

impl std::ops::AddAssign for Tokens {
    fn add_assign(&mut self, more: Self) {
        self.input = self.input.saturating_add(more.input);
        self.output = self.output.saturating_add(more.output);
    }
}

/// No request and no answer has more tokens; a larger number is an error of the server.
pub const TOKENS_MAX: u64 = 10_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    pub input: Option<u64>,
    pub output: Option<u64>,
}

impl Usage {
    /// What was counted, and where nothing was, the estimate: an answer is never free because its server does not count.
    pub fn or(self, estimate: Tokens) -> Tokens {
        Tokens { input: self.input.unwrap_or(estimate.input), output: self.output.unwrap_or(estimate.output) }
    }
}

/// A guess at the tokens of a text, for the estimate alone: four ASCII characters or one other character make a token, and a
/// message has eight more around it.
pub fn tokens_of(text: &str) -> u64 {
    let others = text.chars().filter(|c| !c.is_ascii()).count();
    let ascii = text.chars().count() - others;
    (ascii.div_ceil(4) + others + 8) as u64
}

/// What has been spent: calls that were answered, whether or not the answer was of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Spent {
    pub calls: u64,
    pub tokens: Tokens,
}

/// What is about to be spent.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Estimate {
    /// Verdicts that are wanted.
    pub verdicts: usize,
    /// Calls to be made: the rest is in the cache, or asks the same.
    pub calls: u64,
    /// Their tokens, guessed by `tokens_of`.
    pub tokens: Tokens,
    /// Their price, if prices are known.
    pub cost: Option<f64>,
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verdicts, calls, tokens, cost } = self;
        write!(
            f,
            "{calls} calls for {verdicts} verdicts, the rest is known; about {} tokens",
            tokens.input + tokens.output
        )?;
        cost.map_or(Ok(()), |cost| write!(f, ", {}", money(cost)))
    }
}

/// An amount for people: enough digits to be more than zero.
pub fn money(amount: f64) -> String {
    if amount == 0.0 || amount >= 0.01 { format!("{amount:.2}") } else { format!("{amount:.2e}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_guessed_by_a_simple_rule() {
        assert_eq!(
            [tokens_of(""), tokens_of("abcd"), tokens_of("abcde"), tokens_of("abcd\u{4f60}\u{597d}")],
            [8, 9, 10, 11]
        );
    }

    #[test]
    fn what_a_server_does_not_count_is_estimated() {
        let estimate = Tokens { input: 9, output: 1 };
        assert_eq!(Usage::default().or(estimate), estimate);
        assert_eq!(Usage { input: Some(7), output: None }.or(estimate), Tokens { input: 7, output: 1 });
    }
}
