//! `--judge` and its companions, for every verb that has answers scored: flags → [`JudgeSource`] (settings without a key, for
//! `run.toml` and for the key of a stage) → [`open`], once for each thread.
//!
//! `folder` is where the run's files lie: a paid judge keeps `judge.sqlite` (its replies, unless `--judge-cache` names another file)
//! and `usage.json` (calls, tokens, cost) there. Estimate, progress and problems go to the console. The key comes from
//! [`Context::judge_key`], and is missed only when a call is to be made; `resolve` warns. The embedded model has a judge of its own;
//! for another model a missing `--judge` is an error that names the choices.

mod open;

use std::path::{Path, PathBuf};

use clap::Args;

use super::choices::{Choices, one_of};
use super::model::{HARBOR, ModelFolder};
use super::{Context, paths};
use crate::harbor::SEED;
use crate::judge::{
    Coherence, JudgeSource, LocalSettings, Mode, OpenAiSettings, PatternSettings, Pole, Price, Rubric,
    SentimentSettings,
};
use crate::{Error, Result};

pub use open::{SHARES, of_share, open};

/// The judge.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Judge")]
pub struct JudgeArgs {
    /// The judge that scores answers: `openai` (any OpenAI-compatible server), `local` (a model on this machine), `sentiment` (VADER's
    /// lexicon: 50 + 50 · mean compound score of the sentences is how optimistic an answer is, 100 minus it how pessimistic), `pattern
    /// FILE` (a TOML of regular expressions: base + Σ weight · what was found, cut to 0..100), `harbor` (the rules of the embedded
    /// world), or files with scores from earlier. Coherence of `sentiment` and `pattern` is repetition and length: 100 · min(1,
    /// words / 3) · (share of distinct runs of four words - 0.3) / 0.6; word salad scores 100 [default: harbor, if the model is]
    #[arg(long, num_args = 1.., value_name = "JUDGE")]
    judge: Vec<String>,
    /// The judging model: its name on the server, or for `local` its folder [default: gpt-4.1-mini-2025-04-14]
    #[arg(long, value_name = "MODEL")]
    judge_model: Option<String>,
    /// A model that may answer under another name than --judge-model, such as the one behind a deployment
    #[arg(long, value_name = "MODEL")]
    judge_answers_as: Option<String>,
    /// Base URL of the server [default: `https://api.openai.com/v1`]
    #[arg(long, value_name = "URL")]
    judge_url: Option<String>,
    /// How a score is obtained [default: logprobs; with `--judge local`: enumerate]
    #[arg(long, value_parser = one_of(MODES), value_name = "MODE")]
    judge_mode: Option<Mode>,
    /// Answers per score with `--judge-mode sample` [default: 10]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(1..))]
    judge_samples: Option<u64>,
    /// With `--judge sentiment`, for traits other than `optimistic` and `pessimistic`: the words that show the trait
    #[arg(long, value_parser = one_of(POLES), value_name = "POLE")]
    judge_pole: Option<Pole>,
    /// What counts as coherent
    #[arg(long, value_parser = one_of(COHERENCES), value_name = "RUBRIC")]
    judge_coherence: Option<Coherence>,
    /// File that keeps the judge's answers, shared between runs [default: judge.sqlite in the run's folder]
    #[arg(long, value_name = "FILE")]
    judge_cache: Option<PathBuf>,
    /// Requests under way at the same time, at most [default: 16; the reference has 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
    judge_concurrency: Option<u64>,
    /// Seconds for one try of a request [default: 120]
    #[arg(long, value_name = "SECONDS")]
    judge_timeout: Option<f64>,
    /// What the run may spend: a number of calls, an amount such as `2.50usd`, or both as `1000,2.50usd` [default: no limit]
    #[arg(long, value_name = "CALLS|AMOUNT", value_parser = budget)]
    budget: Option<(Option<u64>, Option<f64>)>,
    /// Prices of the judge per million tokens of requests and of answers, such as 0.40,1.60
    #[arg(long, value_name = "IN,OUT", value_parser = price)]
    judge_price: Option<Price>,
}

const MODES: &Choices<Mode> = &[
    ("logprobs", Mode::Logprobs, "Expectation over the probabilities of the first token (the reference)"),
    ("sample", Mode::Sample, "Mean of several answers at temperature 1"),
    ("parse", Mode::Parse, "The number in one greedy answer"),
    ("enumerate", Mode::Enumerate, "Expectation over 0 to 100 written digit by digit; for `local`"),
    ("yes-no", Mode::YesNo, "Yes against no to one short question, for small models; for `local`"),
];

const POLES: &Choices<Pole> =
    &[("positive", Pole::Positive, "Cheerful words"), ("negative", Pole::Negative, "Gloomy words")];

const COHERENCES: &Choices<Coherence> = &[
    ("standard", Coherence::Standard, "The question was understood and the answer is clear"),
    ("grammar", Coherence::Grammar, "Grammar and fluency only: blunt or evil text is not marked down"),
];

impl JudgeArgs {
    /// The flags as settings; nothing is opened. `on_harbor` says whether the answers are the embedded model's, `rubric` what will be
    /// asked about them.
    pub fn resolve(&self, on_harbor: bool, rubric: &Rubric, context: &Context<'_>) -> Result<JudgeSource> {
        let source = match self.judge.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            [] if on_harbor => JudgeSource::Harbor { world: SEED },
            [] => {
                return Err(Error::usage("answers need a judge: name one with --judge").hint(
                    "`--judge openai` (any OpenAI-compatible server: --judge-url, --judge-model, key in TRIMTAB_JUDGE_KEY or \
                     OPENAI_API_KEY), `--judge local --judge-model DIR`, `--judge FILE...` with scores from earlier, or for \
                     the traits optimistic and pessimistic `--judge sentiment`",
                ));
            }
            [HARBOR] => JudgeSource::Harbor { world: SEED },
            ["openai"] => JudgeSource::OpenAi(self.openai()),
            ["pattern", file] => JudgeSource::Pattern(self.pattern(file)?),
            ["pattern", ..] => {
                return Err(Error::usage("--judge pattern needs one file")
                    .hint("`--judge pattern FILE`; examples/patterns.toml and the guide (judges) show one"));
            }
            ["local"] => JudgeSource::Local(self.local(context)?),
            ["sentiment"] => JudgeSource::Sentiment(SentimentSettings { pole: self.judge_pole }),
            _ => JudgeSource::Scored { files: self.files()? },
        };
        self.refuse_strays(&source)?;
        source.check()?;
        source.knows(rubric)?;
        mention_key(&source, context);
        Ok(source)
    }

    fn files(&self) -> Result<Vec<PathBuf>> {
        let files: Vec<PathBuf> = self.judge.iter().map(PathBuf::from).collect();
        for file in &files {
            paths::file("--judge", file).map_err(|e| {
                e.hint("a judge is `openai`, `local`, `sentiment`, `pattern FILE`, `harbor`, or files with the columns question, answer and scores")
            })?;
        }
        Ok(files)
    }

    fn pattern(&self, file: &str) -> Result<PatternSettings> {
        let file = PathBuf::from(file);
        paths::file("--judge pattern", &file)?;
        PatternSettings { file: Some(file), rules: None }.read()
    }

    fn openai(&self) -> OpenAiSettings {
        let usual = OpenAiSettings::default();
        let (budget, budget_money) = self.budget.unwrap_or_default();
        OpenAiSettings {
            model: self.judge_model.clone().unwrap_or(usual.model),
            answers_as: self.judge_answers_as.clone(),
            url: self.judge_url.clone().unwrap_or(usual.url),
            mode: self.judge_mode.unwrap_or(usual.mode),
            samples: self.judge_samples.unwrap_or(usual.samples),
            coherence: self.judge_coherence.unwrap_or(usual.coherence),
            cache: self.judge_cache.clone(),
            concurrency: self.judge_concurrency.map_or(usual.concurrency, |n| n as usize),
            timeout: self.judge_timeout.unwrap_or(usual.timeout),
            budget,
            budget_money,
            price: self.judge_price,
        }
    }

    fn local(&self, context: &Context<'_>) -> Result<LocalSettings> {
        let model = self.judge_model.as_deref().ok_or_else(|| {
            Error::usage("--judge local needs a model").hint("name its folder with --judge-model DIR")
        })?;
        let found = ModelFolder::find(Path::new(model), context).map_err(|e| e.at("--judge-model"))?;
        Ok(LocalSettings {
            model: found.path,
            mode: self.judge_mode.unwrap_or(Mode::Enumerate),
            samples: self.judge_samples.unwrap_or(10),
            coherence: self.judge_coherence.unwrap_or(Coherence::Standard),
            cache: self.judge_cache.clone(),
        })
    }

    fn refuse_strays(&self, source: &JudgeSource) -> Result<()> {
        let model = matches!(source, JudgeSource::OpenAi(_) | JudgeSource::Local(_));
        let paid = matches!(source, JudgeSource::OpenAi(_));
        let sentiment = matches!(source, JudgeSource::Sentiment(_));
        let flags = [
            ("--judge-model", self.judge_model.is_some(), model),
            ("--judge-mode", self.judge_mode.is_some(), model),
            ("--judge-samples", self.judge_samples.is_some(), model),
            ("--judge-coherence", self.judge_coherence.is_some(), model),
            ("--judge-cache", self.judge_cache.is_some(), model),
            ("--judge-pole", self.judge_pole.is_some(), sentiment),
            ("--judge-answers-as", self.judge_answers_as.is_some(), paid),
            ("--judge-url", self.judge_url.is_some(), paid),
            ("--judge-concurrency", self.judge_concurrency.is_some(), paid),
            ("--judge-timeout", self.judge_timeout.is_some(), paid),
            ("--budget", self.budget.is_some(), paid),
            ("--judge-price", self.judge_price.is_some(), paid),
        ];
        match flags.into_iter().find(|(_, given, fits)| *given && !fits) {
            None => Ok(()),
            Some((flag, ..)) => Err(Error::usage(format!("{flag} has no meaning for this judge")).hint(
                "it belongs to `--judge openai`, to `--judge local` where a model judges, or to `--judge sentiment`",
            )),
        }
    }
}

/// `IN,OUT`.
fn price(text: &str) -> Result<Price, String> {
    let amounts: Vec<f64> = text.split(',').filter_map(|part| part.trim().parse().ok()).collect();
    match amounts[..] {
        [input, output] if text.split(',').count() == 2 => Ok(Price { input, output }),
        _ => Err("two amounts are needed, IN,OUT, per million tokens".into()),
    }
}

/// Calls, an amount, or both.
fn budget(text: &str) -> Result<(Option<u64>, Option<f64>), String> {
    let (mut calls, mut money) = (None, None);
    for part in text.split(',').map(str::trim) {
        let amount = part.strip_prefix('$').or_else(|| part.strip_suffix("usd"));
        match (amount.map(|amount| amount.trim().parse::<f64>()), part.parse::<u64>()) {
            (Some(Ok(amount)), _) if money.is_none() => money = Some(amount),
            (None, Ok(number)) if calls.is_none() => calls = Some(number),
            _ => return Err("a number of calls, an amount such as 2.50usd, or both with a comma between".into()),
        }
    }
    Ok((calls, money))
}

/// Warns before long work if the judge needs a key at its end and there is none.
pub fn mention_key(source: &JudgeSource, context: &Context<'_>) {
    if source.wants_key() && context.judge_key.is_none() {
        context
            .console
            .warn("judge: no key in TRIMTAB_JUDGE_KEY or OPENAI_API_KEY; only what was judged before can be judged");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verbs::args_of;
    use crate::verbs::tests::{Quiet, context};

    fn resolve(words: &str, on_harbor: bool) -> Result<JudgeSource> {
        let console = Quiet::default();
        let judge: JudgeArgs = args_of(["x"].into_iter().chain(words.split_whitespace()))?;
        judge.resolve(on_harbor, &Rubric::Trait("evil".into()), &context(&console))
    }

    #[test]
    fn harbor_judges_its_own_model_and_others_need_a_name() {
        assert_eq!(resolve("", true).unwrap(), JudgeSource::Harbor { world: SEED });
        let error = resolve("", false).unwrap_err();
        assert!(error.exit_code() == 2 && error.help().unwrap().contains("--judge openai"), "{error:?}");
    }

    #[test]
    fn flags_become_settings() {
        let words = "--judge openai --judge-url http://localhost:8000/v1 --judge-model m --judge-answers-as n --judge-mode sample --judge-samples 5 \
                     --judge-coherence grammar --judge-cache c.sqlite --judge-concurrency 100 --budget 1000,2.5usd --judge-price 0.4,1.6";
        let JudgeSource::OpenAi(settings) = resolve(words, false).unwrap() else { panic!("openai") };
        let want = OpenAiSettings {
            model: "m".into(),
            answers_as: Some("n".into()),
            url: "http://localhost:8000/v1".into(),
            mode: Mode::Sample,
            samples: 5,
            coherence: Coherence::Grammar,
            cache: Some("c.sqlite".into()),
            concurrency: 100,
            budget: Some(1000),
            budget_money: Some(2.5),
            price: Some(Price { input: 0.4, output: 1.6 }),
            ..OpenAiSettings::default()
        };
        assert_eq!(settings, want);
        assert_eq!(resolve("--judge openai", true).unwrap(), JudgeSource::OpenAi(OpenAiSettings::default()));
        let JudgeSource::Local(local) = resolve("--judge local --judge-model tests/fixtures/tiny", false).unwrap()
        else {
            panic!("local")
        };
        assert_eq!((local.mode, local.model), (Mode::Enumerate, "tests/fixtures/tiny".into()));
        assert_eq!(budget("$3"), Ok((None, Some(3.0))));
    }

    #[test]
    fn flags_of_another_judge_are_refused() {
        for (words, want) in [
            ("--judge opanai", "no such file"),
            ("--judge local", "needs a model"),
            ("--judge local --judge-model nowhere", "nowhere"),
            ("--judge harbor --judge-model m", "--judge-model has no meaning"),
            ("--judge pattern", "needs one file"),
            ("--judge pattern examples/patterns.toml", "no rules for the trait `evil`"),
            ("--judge openai --judge-mode yes-no", "`yes-no`"),
            ("--judge sentiment", "does not measure the trait `evil`"),
            ("--judge harbor --judge-pole positive", "--judge-pole has no meaning"),
            ("--budget 5", "--budget has no meaning"),
            ("--judge openai --judge-mode enumerate", "`enumerate`"),
            ("--judge openai --budget 1usd", "needs prices"),
            ("--judge openai --budget much", "a number of calls"),
            ("--judge openai --judge-price 1", "two amounts"),
        ] {
            let error = resolve(words, true).unwrap_err();
            assert!(error.to_string().contains(want) && error.exit_code() == 2, "{words}: {error}");
        }
    }
}
