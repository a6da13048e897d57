//! Judges: how strongly does an answer show a trait, is it coherent, does it state the fact.
//!
//! All judges (rules, a file of earlier verdicts, a language model) implement [`Judge`]. A verdict without a score is a result
//! too, a refusal or an answer that could not be read; it counts as an answer and is in no mean.
//!
//! ```text
//! JudgeSource ─ call ─┬▶ HarborJudge   rules
//!                     ├▶ ScoredJudge   files
//!                     ├▶ SentimentJudge, PatternJudge   words and regular expressions
//!                     ├▶ OpenAiJudge   Rubrics ─▶ Cache ─▶ Budget ─▶ ChatClient ─▶ score
//!                     └▶ LocalJudge    Rubrics ─▶ Cache ─▶ LanguageModel ─▶ score
//! ```

mod answer;
mod budget;
mod cache;
mod client;
mod endpoint;
mod form;
mod harbor;
mod local;
mod openai;
mod pattern;
mod reply;
mod rubric;
pub mod score;
mod scored;
mod sentiment;
mod settings;
mod source;
mod spelling;
mod vader;
mod verdict;

pub use answer::{JudgedAnswer, TokenIds, judge_answers, table};
pub use budget::{Estimate, Price, money};
pub use cache::Cache;
pub use client::ChatClient;
pub use endpoint::Key;
pub use harbor::HarborJudge;
pub use openai::OpenAiJudge;
pub use pattern::{PatternJudge, PatternRules, PatternSettings};
pub use rubric::{Coherence, Rubrics, fill};
pub use scored::ScoredJudge;
pub use sentiment::{Pole, SentimentJudge, SentimentSettings};
pub use settings::{LocalSettings, Mode, OpenAiSettings};
pub use source::{Call, JudgeSource};
pub use verdict::{Judge, JudgeEvent, JudgeListener, JudgedItem, Rubric, Verdict, verdicts, verdicts_by};

pub use crate::http::retry::Patience;
