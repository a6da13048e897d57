//! Settings of the judges that are language models, as a configuration has them.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::budget::{Estimate, Price, Spent, money};
use super::endpoint::endpoint;
use super::rubric::Coherence;
use crate::{Error, Result, ensure};

/// How a score is computed from a model's answer (guide: judges).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The expectation over the first token's probabilities; needs a server that gives them and a tokenizer in which 0 to 100 are
    /// single tokens.
    Logprobs,
    /// The mean of several answers at temperature 1.
    Sample,
    /// The number in one greedy answer.
    Parse,
    /// The expectation over the probabilities of 0 to 100 written digit by digit; on our own engine only.
    Enumerate,
    /// The probability of yes against no to one short question, for models too small for a rubric; on our own engine only.
    #[serde(rename = "yes-no")]
    YesNo,
}

impl Mode {
    /// Its name in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Logprobs => "logprobs",
            Self::Sample => "sample",
            Self::Parse => "parse",
            Self::Enumerate => "enumerate",
            Self::YesNo => "yes-no",
        }
    }
}

/// An OpenAI-compatible judge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OpenAiSettings {
    /// The model, in the server's words.
    pub model: String,
    /// The model that may answer instead: behind a deployment's name there is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answers_as: Option<String>,
    /// The base URL, usually ending in `/v1`.
    pub url: String,
    /// How a score is computed: `logprobs`, `sample` or `parse`.
    pub mode: Mode,
    /// Answers per verdict in the mode `sample`.
    pub samples: u64,
    /// What counts as coherent.
    pub coherence: Coherence,
    /// The file that keeps the answers; if not given, `judge.sqlite` in the run's folder.
    pub cache: Option<PathBuf>,
    /// Requests under way at the same time, at most.
    pub concurrency: usize,
    /// Seconds for one try of a request.
    pub timeout: f64,
    /// Calls that the run may make.
    pub budget: Option<u64>,
    /// What the run may cost; needs the price.
    pub budget_money: Option<f64>,
    /// Prices per million tokens.
    pub price: Option<Price>,
}

impl Default for OpenAiSettings {
    /// The reference's judge. It asks 100 at a time, for which most accounts are too small.
    fn default() -> Self {
        Self {
            model: "gpt-4.1-mini-2025-04-14".into(),
            answers_as: None,
            url: "https://api.openai.com/v1".into(),
            mode: Mode::Logprobs,
            samples: 10,
            coherence: Coherence::Standard,
            cache: None,
            concurrency: 16,
            timeout: 120.0,
            budget: None,
            budget_money: None,
            price: None,
        }
    }
}

impl OpenAiSettings {
    /// Whether what was spent, in earlier attempts in the same folder too, and what is to come stay within the limits.
    ///
    /// # Errors
    /// If not; the message says how much would be needed in all.
    pub(super) fn allows(&self, spent: Spent, coming: &Estimate) -> Result<()> {
        let needed = spent.calls + coming.calls;
        if let Some(limit) = self.budget.filter(|limit| needed > *limit) {
            let what = format!(
                "the judge would need {needed} calls ({} made so far, {} to come), the budget is {limit}",
                spent.calls, coming.calls
            );
            return Err(Error::new(what).hint(format!(
                "nothing was sent; what was paid for is kept, so `--budget {needed}` goes on from there"
            )));
        }
        let before = self.price.map_or(0.0, |price| price.of(spent.tokens));
        let to_come = coming.cost.unwrap_or_default();
        if let Some(limit) = self.budget_money.filter(|limit| before + to_come > *limit) {
            let [all, before, to_come, limit] = [before + to_come, before, to_come, limit].map(money);
            let what = format!(
                "the judge would need about {all} ({before} spent so far, about {to_come} to come), the budget is {limit}"
            );
            return Err(Error::new(what)
                .hint("nothing was sent; what was paid for is kept, so a larger --budget goes on from there"));
        }
        Ok(())
    }

    pub(super) fn check(&self) -> Result<()> {
        endpoint(&self.url)?;
        ensure!(!self.model.trim().is_empty(), "the judge's model has no name");
        let other = self.answers_as.as_ref();
        ensure!(other.is_none_or(|name| !name.trim().is_empty()), "the model that may answer has no name");
        ensure!(self.concurrency > 0, "a judge's concurrency of 0 asks nothing");
        ensure!(self.samples > 0, "a judge's mean of 0 samples is no score");
        let seconds = Duration::try_from_secs_f64(self.timeout).ok();
        ensure!(seconds.is_some_and(|s| !s.is_zero()), "a judge's timeout of {} s is no time", self.timeout);
        if matches!(self.mode, Mode::Enumerate | Mode::YesNo) {
            return Err(Error::usage(format!("the mode `{}` needs a judge on this machine", self.mode.name()))
                .hint("over HTTP there are `logprobs`, `sample` and `parse`; `--judge local` has it"));
        }
        if self.budget_money.is_some() && self.price.is_none() {
            return Err(Error::usage("a budget in money needs prices")
                .hint("give them as --judge-price IN,OUT, per million tokens"));
        }
        let amounts = self.price.map_or([0.0; 2], |price| [price.input, price.output]);
        ensure!(
            amounts.iter().chain(&self.budget_money).all(|x| x.is_finite() && *x >= 0.0),
            "a judge's prices and budget are amounts, not less than nothing"
        );
        Ok(())
    }
}

/// A judge on this machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalSettings {
    /// Folder of the model, in Hugging Face's layout.
    pub model: PathBuf,
    /// How a score is computed: `enumerate`, `yes-no`, `sample` or `parse`.
    #[serde(default = "enumerate")]
    pub mode: Mode,
    /// Answers per verdict in the mode `sample`.
    #[serde(default = "ten")]
    pub samples: u64,
    /// What counts as coherent.
    #[serde(default)]
    pub coherence: Coherence,
    /// The file that keeps the verdicts; if not given, `judge.sqlite` in the run's folder.
    #[serde(default)]
    pub cache: Option<PathBuf>,
}

fn enumerate() -> Mode {
    Mode::Enumerate
}

fn ten() -> u64 {
    10
}

#[cfg(test)]
mod tests {
    use super::super::budget::Tokens;
    use super::*;

    #[test]
    fn a_budget_counts_what_was_spent_before_and_says_what_is_needed() {
        let price = Some(Price { input: 0.4, output: 1.6 });
        let spent = Spent { calls: 90, tokens: Tokens { input: 900_000, output: 100_000 } };
        let coming = Estimate { verdicts: 30, calls: 20, cost: Some(0.3), ..Estimate::default() };
        let check = |budget, budget_money, want: Option<&str>| {
            let settings = OpenAiSettings { budget, budget_money, price, ..OpenAiSettings::default() };
            let said = settings.allows(spent, &coming);
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
