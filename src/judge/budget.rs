//! What a judge costs: prices, estimates before the first call, and the bill.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

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

/// Limits on what one run may spend, earlier attempts in the same folder included.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Budget {
    pub calls: Option<u64>,
    /// Money, in the currency of the price.
    pub money: Option<f64>,
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

impl Budget {
    /// Whether what was spent and what is to come stay within the limits.
    ///
    /// # Errors
    /// If not; the message says how much would be needed in all.
    pub fn allows(&self, spent: Spent, price: Option<Price>, coming: &Estimate) -> Result<()> {
        let Self { calls, money: limit } = *self;
        let needed = spent.calls + coming.calls;
        if let Some(limit) = calls.filter(|limit| needed > *limit) {
            let what = format!(
                "the judge would need {needed} calls ({} made so far, {} to come), the budget is {limit}",
                spent.calls, coming.calls
            );
            return Err(Error::new(what).hint(format!(
                "nothing was sent; what was paid for is kept, so `--budget {needed}` goes on from there"
            )));
        }
        if let Some(limit) = limit
            && let Some(price) = price
        {
            let (before, to_come) = (price.of(spent.tokens), coming.cost.unwrap_or_default());
            if before + to_come > limit {
                let what = format!(
                    "the judge would need about {} ({} spent so far, about {} to come), the budget is {}",
                    money(before + to_come),
                    money(before),
                    money(to_come),
                    money(limit)
                );
                return Err(Error::new(what)
                    .hint("nothing was sent; what was paid for is kept, so a larger --budget goes on from there"));
            }
        }
        Ok(())
    }
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

    #[test]
    fn a_budget_counts_what_was_spent_before_and_says_what_is_needed() {
        let price = Some(Price { input: 0.4, output: 1.6 });
        let spent = Spent { calls: 90, tokens: Tokens { input: 900_000, output: 100_000 } };
        let coming = Estimate { verdicts: 30, calls: 20, cost: Some(0.3), ..Estimate::default() };
        let check = |calls, money, want: Option<&str>| {
            let said = Budget { calls, money }.allows(spent, price, &coming);
            match want {
                None => said.unwrap(),
                Some(want) => assert!(said.unwrap_err().to_string().contains(want)),
            }
        };
        check(None, None, None);
        check(Some(110), Some(0.83), None);
        check(Some(109), None, Some("need 110 calls (90 made so far, 20 to come), the budget is 109"));
        check(None, Some(0.8), Some("about 0.82 (0.52 spent so far, about 0.30 to come), the budget is 0.80"));
        assert_eq!([money(0.0), money(1.5), money(0.00012)], ["0.00", "1.50", "1.20e-4"]);
    }
}
