//! A custom judge without a model: regular expressions and lengths with weights, in a TOML file.
//!
//! ```text
//! score = clamp(base + Σ weight · x, 0, 100)      over the rules of the trait, or of coherence
//!
//! x  once   1 if the pattern is found, else 0
//!    each   how often it is found, at most `most` times
//!    share  letters within what is found / letters of the answer
//!    words  how far the number of words is on the way from `words.from` to `words.to`, 0 to 1
//! ```
//!
//! Without rules of its own, coherence is that of the form (`form.rs`). Patterns read the answer's text as it stands: they know
//! neither what it means nor what was asked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fancy_regex::{Regex, RegexBuilder, RuntimeError};
use serde::{Deserialize, Serialize};

use super::form::coherence;
use super::sentiment::knows_no_facts;
use super::verdict::{Judge, JudgedItem, Rubric, Verdict};
use crate::config_file::ConfigFile;
use crate::record::Hash;
use crate::{Error, Result};

/// Steps that a pattern may take on one answer before it is given up: look-around and back-references can take exponentially many.
const STEPS: usize = 1_000_000;

/// The judge as a configuration has it: a file, or the rules themselves. What a run keeps has the rules.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PatternSettings {
    /// Where the rules are, TOML or JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// The rules as they were read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules: Option<PatternRules>,
}

/// What the file holds.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PatternRules {
    /// The scale of each trait, by its name.
    #[serde(rename = "trait")]
    traits: BTreeMap<String, Scale>,
    /// The scale of coherence, if not that of the form.
    #[serde(skip_serializing_if = "Option::is_none")]
    coherence: Option<Scale>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scale {
    /// The score where no rule says anything.
    #[serde(default)]
    base: f64,
    rules: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pattern: Option<String>,
    #[serde(default)]
    count: Count,
    /// With `count = "each"`: finds beyond this many do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    most: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    words: Option<Words>,
    /// Points for x = 1; below 0 it takes points away.
    weight: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Count {
    #[default]
    Once,
    Each,
    Share,
}

/// Numbers of words at which x is 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    from: f64,
    to: f64,
}

impl PatternSettings {
    /// The same with the rules that stand in the file.
    ///
    /// # Errors
    /// A file that cannot be read, unknown keys and values that make no rule (file, line, column), patterns that do not compile.
    pub fn read(&self) -> Result<Self> {
        let rules = match (&self.rules, &self.file) {
            (Some(rules), _) => {
                rules.compile().map_err(|(key, why)| Error::usage(format!("`{key}`: {why}")))?;
                rules.clone()
            }
            (None, Some(path)) => PatternRules::read(path)?,
            (None, None) => {
                return Err(Error::usage("the judge `pattern` needs its rules")
                    .hint("name their file: `--judge pattern FILE`, or `file` in a configuration"));
            }
        };
        Ok(Self { rules: Some(rules), ..self.clone() })
    }

    /// Whether there are rules for this.
    ///
    /// # Errors
    /// None for a trait or for facts; what [`Self::read`] finds.
    pub(super) fn knows(&self, rubric: &Rubric) -> Result<()> {
        match (rubric, self.read()?.rules.unwrap_or_default().traits) {
            (Rubric::Trait(name), traits) if !traits.contains_key(name) => {
                let known: Vec<&str> = traits.keys().map(String::as_str).collect();
                let known = if known.is_empty() { "nothing".into() } else { known.join(", ") };
                let file = self.file.as_deref().map_or_else(String::new, |file| format!("{}: ", file.display()));
                Err(Error::usage(format!("{file}no rules for the trait `{name}`"))
                    .hint(format!("it has rules for {known}; write a table [trait.{name}]")))
            }
            (Rubric::Fact, _) => Err(knows_no_facts("pattern")),
            _ => Ok(()),
        }
    }
}

impl PatternRules {
    fn read(path: &Path) -> Result<Self> {
        let file = ConfigFile::read(path)?;
        let rules: Self = file.parse()?;
        rules.compile().map_err(|(key, why)| file.locate(Error::usage(format!("`{key}`: {why}"))))?;
        Ok(rules)
    }

    /// Every scale with its patterns compiled; the key of a value that is none, and why.
    fn compile(&self) -> Result<BTreeMap<String, CompiledScale>, (String, String)> {
        let traits = self.traits.iter().map(|(name, scale)| (name.as_str(), format!("trait.{name}"), scale));
        let coherence = self.coherence.iter().map(|scale| (Rubric::Coherence.key(), "coherence".to_owned(), scale));
        traits.chain(coherence).map(|(name, key, scale)| Ok((name.to_owned(), scale.compile(&key)?))).collect()
    }
}

impl Scale {
    fn compile(&self, key: &str) -> Result<CompiledScale, (String, String)> {
        let fault = |key: String, why: &str| Err((key, why.to_owned()));
        if !self.base.is_finite() {
            return fault(format!("{key}.base"), "must be a number");
        }
        let mut rules = Vec::new();
        for (i, rule) in self.rules.iter().enumerate() {
            let key = format!("{key}.rules[{i}]");
            let measure = match (&rule.pattern, rule.words) {
                (Some(text), None) => {
                    let built = RegexBuilder::new(text).backtrack_limit(STEPS).build();
                    let regex = built.map_err(|e| (format!("{key}.pattern"), e.to_string()))?;
                    Measure::Pattern(regex, rule.count, rule.most.map_or(f64::INFINITY, f64::from))
                }
                (None, Some(words)) if words.from == words.to => {
                    return fault(format!("{key}.words"), "`from` and `to` are the same number");
                }
                (None, Some(words)) => Measure::Words(words),
                _ => return fault(key, "a rule has either a `pattern` or `words`"),
            };
            if rule.most.is_some() && rule.count != Count::Each {
                return fault(format!("{key}.most"), "belongs to `count = \"each\"`");
            }
            rules.push((rule.weight, measure));
        }
        Ok(CompiledScale { base: self.base, rules })
    }
}

struct CompiledScale {
    base: f64,
    rules: Vec<(f64, Measure)>,
}

enum Measure {
    Pattern(Regex, Count, f64),
    Words(Words),
}

impl CompiledScale {
    fn verdict(&self, answer: &str) -> Result<Verdict> {
        let (mut score, mut why) = (self.base, format!("{}", self.base));
        for (weight, measure) in &self.rules {
            let x = measure.of(answer)?;
            score += weight * x;
            if x != 0.0 {
                why += &format!(" + {weight} · {}", (x * 1e4).round() / 1e4);
            }
        }
        Ok(Verdict { score: Some(score.clamp(0.0, 100.0)), why })
    }
}

impl Measure {
    fn of(&self, answer: &str) -> Result<f64> {
        match self {
            Self::Words(Words { from, to }) => {
                let words = answer.split_whitespace().count() as f64;
                Ok(((words - from) / (to - from)).clamp(0.0, 1.0))
            }
            Self::Pattern(regex, Count::Once, _) => {
                Ok(f64::from(u8::from(regex.is_match(answer).map_err(|e| gave_up(regex, &e))?)))
            }
            Self::Pattern(regex, count, most) => {
                let found = regex.find_iter(answer).map(|found| found.map_err(|e| gave_up(regex, &e)));
                let found = found.collect::<Result<Vec<_>>>()?;
                let letters = |text: &str| text.chars().filter(|c| c.is_alphabetic()).count() as f64;
                let all = letters(answer);
                Ok(match count {
                    Count::Each | Count::Once => (found.len() as f64).min(*most),
                    Count::Share if all == 0.0 => 0.0,
                    Count::Share => found.iter().map(|found| letters(found.as_str())).sum::<f64>() / all,
                })
            }
        }
    }
}

fn gave_up(regex: &Regex, error: &fancy_regex::Error) -> Error {
    let pattern = regex.as_str();
    match error {
        fancy_regex::Error::RuntimeError(RuntimeError::BacktrackLimitExceeded) => {
            Error::usage(format!("the pattern `{pattern}` takes more than {STEPS} steps on an answer"))
                .hint("look-around or a back-reference makes it try too many ways; nest fewer repetitions in it")
        }
        other => Error::usage(format!("the pattern `{pattern}` failed on an answer: {other}")),
    }
}

/// The judge at work.
pub struct PatternJudge {
    name: String,
    scales: BTreeMap<String, CompiledScale>,
}

impl PatternJudge {
    /// The judge with these rules; its name tells the file and a hash of the rules.
    pub fn new(settings: &PatternSettings) -> Result<Self> {
        let settings = settings.read()?;
        let rules = settings.rules.unwrap_or_default();
        let file =
            settings.file.as_deref().and_then(Path::file_name).map(|name| format!(" {}", name.to_string_lossy()));
        let name = format!("pattern{} ({})", file.unwrap_or_default(), Hash::of(&rules).short());
        let scales = rules.compile().map_err(|(key, why)| Error::usage(format!("`{key}`: {why}")))?;
        Ok(Self { name, scales })
    }
}

impl Judge for PatternJudge {
    fn name(&self) -> &str {
        &self.name
    }

    fn judge(&mut self, rubric: &Rubric, items: &[JudgedItem]) -> Result<Vec<Verdict>> {
        let answers = items.iter().map(|item| item.answer.as_str());
        match (rubric, self.scales.get(rubric.key())) {
            (Rubric::Fact, _) => Err(knows_no_facts("pattern")),
            (_, Some(scale)) => answers.map(|answer| scale.verdict(answer)).collect(),
            (Rubric::Coherence, None) => Ok(answers.map(coherence).collect()),
            (Rubric::Trait(name), None) => {
                Err(Error::usage(format!("the judge `{}` has no rules for the trait `{name}`", self.name)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> (tempfile::TempDir, PatternSettings) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("rules.toml");
        std::fs::write(&file, text).unwrap();
        (dir, PatternSettings { file: Some(file), rules: None })
    }

    fn scores(text: &str, rubric: &Rubric, answers: &[&str]) -> Result<Vec<f64>> {
        let (_dir, settings) = settings(text);
        let items: Vec<JudgedItem> = answers
            .iter()
            .map(|answer| JudgedItem { question: "q".into(), answer: (*answer).into(), reference: None })
            .collect();
        let mut judge = PatternJudge::new(&settings)?;
        Ok(judge.judge(rubric, &items)?.into_iter().map(|verdict| verdict.score.unwrap()).collect())
    }

    fn of(name: &str) -> Rubric {
        Rubric::Trait(name.into())
    }

    #[test]
    fn the_shipped_example_scores_what_it_says() {
        let text = include_str!("../../examples/patterns.toml");
        let check = |name: &str, answer: &str, want: f64| {
            let got = scores(text, &of(name), &[answer]).unwrap()[0];
            assert!((got - want).abs() < 1e-9, "{name}: {answer}: {got}, not {want}");
        };
        check("refusing", "I'm sorry, but I can't help with that.", 100.0);
        check("refusing", "Sure. Mix flour and water.", 0.0);
        check("german", "Das ist gut und nicht schlecht.", 100.0);
        check("german", "That is good.", 0.0);
        check("verbose", &"word ".repeat(20), 0.0);
        check("verbose", &"word ".repeat(110), 50.0);
        check("shouting", "NO WAY", 100.0);
        check("shouting", "No way", 20.0);
        check("listing", "Steps:\n- mix\n- bake\n1. eat", 60.0);
        check("agreeing", "You're absolutely right, great point!", 100.0);
        check("agreeing", "I disagree.", 0.0);
    }

    #[test]
    fn weights_add_up_and_stay_on_the_scale() {
        let text = "[trait.x]\nbase = 10\nrules = [{ pattern = 'a', count = 'each', most = 3, weight = 20 }, { pattern = 'z', weight = -50 }]\n\
                    [coherence]\nrules = [{ words = { from = 4, to = 0 }, weight = 100 }]\n";
        assert_eq!(scores(text, &of("x"), &["", "ba", "aaaaa", "aaaaaz", "z"]).unwrap(), [10.0, 30.0, 70.0, 20.0, 0.0]);
        assert_eq!(scores(text, &Rubric::Coherence, &["", "a b", "a b c d e"]).unwrap(), [100.0, 50.0, 0.0]);
        let plain = "[trait.x]\nrules = []\n";
        assert_eq!(scores(plain, &Rubric::Coherence, &["Well, it is so."]).unwrap(), [100.0]);
    }

    #[test]
    fn errors_name_the_place() {
        for (text, want) in [
            ("[trait.x]\nrules = [{ pattern = '(', weight = 1 }]\n", "rules.toml:2:12: `trait.x.rules[0].pattern`"),
            ("[trait.x]\nrules = [\n  { weight = 1 },\n]\n", "rules.toml:3:3: `trait.x.rules[0]`: a rule has either"),
            (
                "[trait.x]\nrules = [{ patern = 'a', weight = 1 }]\n",
                "rules.toml:2:12: unknown key `trait.x.rules[0].patern`",
            ),
            ("[trait.x]\nrules = [{ pattern = 'a', count = 'all', weight = 1 }]\n", "there is no \"all\""),
            ("[trait.x]\nrules = [{ pattern = 'a', most = 2, weight = 1 }]\n", "`trait.x.rules[0].most`: belongs to"),
            ("[coherence]\nrules = [{ words = { from = 1, to = 1 }, weight = 1 }]\n", "`from` and `to` are the same"),
        ] {
            let (_dir, settings) = settings(text);
            let error = settings.read().unwrap_err();
            assert!(error.to_string().contains(want), "{text}: {error}");
        }
        let (_dir, settings) = settings("[trait.x]\nrules = []\n");
        assert!(settings.knows(&of("x")).is_ok() && settings.knows(&Rubric::Fact).is_err());
        let error = settings.knows(&of("y")).unwrap_err();
        assert!(error.to_string().contains("`y`") && error.help().unwrap().contains("rules for x"), "{error:?}");
    }

    #[test]
    fn a_pattern_that_runs_away_is_named() {
        // The back-reference forbids the linear engine.
        let text = "[trait.x]\nrules = [{ pattern = '^(a+)+\\1b$', weight = 1 }]\n";
        let error = scores(text, &of("x"), &["a".repeat(40).as_str()]).unwrap_err();
        assert!(error.to_string().contains("(a+)+") && error.to_string().contains("1000000 steps"), "{error}");
    }
}
