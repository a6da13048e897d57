//! Which judge scores the answers, as a configuration has it, and how it is set up.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::value::{MapAccessDeserializer, MapDeserializer};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::cache::Cache;
use super::client::ChatClient;
use super::endpoint::{Key, endpoint, wants_key};
use super::harbor::HarborJudge;
use super::local::LocalJudge;
use super::openai::OpenAiJudge;
use super::pattern::{PatternJudge, PatternSettings};
use super::rubric::Rubrics;
use super::scored::ScoredJudge;
use super::sentiment::{SentimentJudge, SentimentSettings, knows_no_facts};
use super::settings::{LocalSettings, Mode, OpenAiSettings};
use super::verdict::{Judge, JudgeListener, Rubric};
use crate::harbor::World;
use crate::http::retry::Patience;
use crate::language_model::LanguageModel;
use crate::model::model_hash;
use crate::record::{Hash, hash_file};
use crate::{Error, Result, ensure};

/// Which judge scores the answers. A configuration has it as a table with its `kind`, or as the kind alone where that is enough.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum JudgeSource {
    /// The rules of a Harbor world.
    Harbor {
        /// Seed of the world.
        world: u64,
    },
    /// Verdicts that were given earlier, in files with columns `question`, `answer`, and one for each rubric: the trait, `coherence`,
    /// `fact`.
    Scored {
        /// The files, CSV or JSONL.
        files: Vec<PathBuf>,
    },
    /// A model behind any OpenAI-compatible server. The key is no setting: it is given when the judge is called.
    OpenAi(OpenAiSettings),
    /// A model on this machine.
    Local(LocalSettings),
    /// The sentiment of the words, by VADER's lexicon.
    Sentiment(SentimentSettings),
    /// Regular expressions with weights.
    Pattern(PatternSettings),
}

impl Serialize for JudgeSource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for JudgeSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KindOrTable;

        impl<'de> Visitor<'de> for KindOrTable {
            type Value = JudgeSource;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a judge's kind, such as \"sentiment\", or a table with its `kind`")
            }

            fn visit_str<E: serde::de::Error>(self, kind: &str) -> Result<JudgeSource, E> {
                JudgeSource::deserialize(MapDeserializer::new(std::iter::once(("kind", kind))))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<JudgeSource, A::Error> {
                JudgeSource::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_any(KindOrTable)
    }
}

/// Opens the model in a folder.
pub type Open<'a> = dyn FnOnce(&Path) -> Result<Box<dyn LanguageModel>> + 'a;

/// What a judge needs besides its settings.
pub struct Call<'a> {
    /// What it will be asked by.
    pub rubrics: Rubrics,
    /// The run's folder: answers and the bill are kept there.
    pub folder: &'a Path,
    /// The key of a paid service.
    pub key: Option<Key>,
    /// Hears of estimates, progress and troubles.
    pub tell: JudgeListener<'a>,
    /// On what a judge on this machine computes, and in which dtype: verdicts from elsewhere are not taken for its own.
    pub device: String,
    /// Opens the model of a judge on this machine; called at the first verdict that is not known yet.
    pub open: Box<Open<'a>>,
}

impl JudgeSource {
    /// Sets the judge up. Tasks that run at the same time each have their own; those that share a file of answers take turns,
    /// so that together they ask nothing twice and keep to one budget and one limit of concurrency.
    ///
    /// # Errors
    /// Settings that contradict each other, files and models that cannot be read.
    pub fn call<'a>(&self, call: Call<'a>) -> Result<Box<dyn Judge + 'a>> {
        self.check()?;
        let Call { rubrics, folder, key, tell, device, open } = call;
        rubrics.asked().try_for_each(|rubric| self.knows(&rubric))?;
        match self {
            Self::Harbor { world } => Ok(Box::new(HarborJudge::new(World::new(*world)))),
            Self::Scored { files } => {
                let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
                Ok(Box::new(ScoredJudge::read(&files, &rubrics.asked().collect::<Vec<_>>())?))
            }
            Self::Sentiment(settings) => Ok(Box::new(SentimentJudge::new(*settings))),
            Self::Pattern(settings) => Ok(Box::new(PatternJudge::new(settings)?)),
            Self::OpenAi(settings) => {
                let patience = Patience { timeout: Duration::from_secs_f64(settings.timeout), ..Patience::default() };
                let client = ChatClient::new(&settings.url, key, patience)?;
                let cache = open_cache(settings.cache.as_deref(), folder)?;
                let rubrics = rubrics.coherent(settings.coherence);
                Ok(Box::new(OpenAiJudge::new(settings.clone(), rubrics, client, cache, folder, tell)?))
            }
            Self::Local(settings) => {
                let (model, cache) = (settings.model.clone(), open_cache(settings.cache.as_deref(), folder)?);
                let identity = format!("{} on {device}", model_hash(&model)?.as_str());
                let open = Box::new(move || open(&model));
                Ok(Box::new(LocalJudge::new(settings, identity, rubrics, cache, open, tell)))
            }
        }
    }

    /// The settings that decide scores, for the keys of stages; what only decides how the work is done is as by default.
    pub fn identity(&self) -> Self {
        let mut identity = self.clone();
        match &mut identity {
            Self::Harbor { .. } | Self::Scored { .. } | Self::Sentiment(_) => {}
            Self::OpenAi(settings) => {
                let OpenAiSettings { model, answers_as, url, mode, samples, coherence, .. } = settings.clone();
                let usual = OpenAiSettings::default();
                *settings = OpenAiSettings { model, answers_as, url, mode, samples, coherence, ..usual };
            }
            Self::Local(settings) => settings.cache = None,
            // The rules decide; where they were read does not.
            Self::Pattern(settings) => settings.file = settings.file.take().filter(|_| settings.rules.is_none()),
        }
        identity
    }

    /// The hash of all that decides scores besides the rubrics: [`Self::identity`], and what stands in the files that it names.
    pub fn hash(&self) -> Result<Hash> {
        let files = match self {
            Self::Scored { files } => files.iter().map(|file| hash_file(file)).collect::<Result<Vec<_>>>()?,
            Self::Local(settings) => vec![model_hash(&settings.model)?],
            Self::Harbor { .. } | Self::OpenAi(_) | Self::Sentiment(_) | Self::Pattern(_) => Vec::new(),
        };
        Ok(Hash::of(&(self.identity(), files)))
    }

    /// Whether calls can be made only with a key, as far as that is known.
    pub fn wants_key(&self) -> bool {
        matches!(self, Self::OpenAi(settings) if endpoint(&settings.url).is_ok_and(|url| wants_key(&url)))
    }

    /// Checks the settings.
    pub fn check(&self) -> Result<()> {
        match self {
            Self::Harbor { .. } | Self::Sentiment(_) => Ok(()),
            Self::Pattern(settings) => settings.read().map(drop),
            Self::Scored { files } => {
                ensure!(!files.is_empty(), "a judge by files needs a file");
                Ok(())
            }
            Self::OpenAi(settings) => settings.check(),
            Self::Local(settings) if settings.mode == Mode::Logprobs => {
                Err(Error::usage("a judge on this machine has no mode `logprobs`")
                    .hint("`enumerate` is the same expectation for tokenizers that write numbers digit by digit"))
            }
            Self::Local(settings) => {
                ensure!(settings.samples > 0, "a judge's mean of 0 samples is no score");
                Ok(())
            }
        }
    }

    /// Whether this kind of judge can be asked by the rubric at all: told before answers are generated.
    ///
    /// # Errors
    /// A rubric that the judge has no rule for.
    pub fn knows(&self, rubric: &Rubric) -> Result<()> {
        match (self, rubric) {
            (Self::Sentiment(settings), Rubric::Trait(name)) => settings.pole_of(name).map(drop),
            (Self::Sentiment(_), Rubric::Fact) => Err(knows_no_facts("sentiment")),
            (Self::Pattern(settings), rubric) => settings.knows(rubric),
            _ => Ok(()),
        }
    }

    /// Takes the answers that processes kept for themselves, in `shares/*/judge.sqlite`, into the file of the run in `folder`.
    pub fn gather(&self, folder: &Path, shares: &Path) -> Result<()> {
        let (Self::OpenAi(OpenAiSettings { cache, .. }) | Self::Local(LocalSettings { cache, .. })) = self else {
            return Ok(());
        };
        let kept =
            std::fs::read_dir(shares).into_iter().flatten().flatten().map(|entry| entry.path().join("judge.sqlite"));
        let kept: Vec<PathBuf> = kept.filter(|path| path.is_file()).collect();
        if !kept.is_empty() {
            let mut own = open_cache(cache.as_deref(), folder)?;
            kept.iter().try_for_each(|path| own.absorb(path))?;
        }
        Ok(())
    }
}

/// In the run's own file all answers belong to one run, whose folder may be moved; in a shared file the folder's path tells runs apart.
fn open_cache(shared: Option<&Path>, folder: &Path) -> Result<Cache> {
    match shared {
        None => Cache::open(&folder.join("judge.sqlite"), "this run"),
        Some(path) => {
            let whole = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
            Cache::open(path, whole.display().to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::budget::Price;
    use super::super::rubric::Coherence;
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        judge: JudgeSource,
    }

    fn read(text: &str) -> Result<JudgeSource, toml::de::Error> {
        toml::from_str::<File>(&format!("[judge]\n{text}")).map(|file| file.judge)
    }

    #[test]
    fn every_kind_can_be_configured_and_unknown_keys_are_errors() {
        let least = read("kind = \"openai\"").unwrap();
        assert_eq!(least, JudgeSource::OpenAi(OpenAiSettings::default()));
        let full = read("kind = \"openai\"\nmodel = \"m\"\nmode = \"sample\"\nprice = { input = 0.4, output = 1.6 }\nbudget = 9\nbudget_money = 1.5").unwrap();
        let file = File { judge: full };
        assert_eq!(toml::from_str::<File>(&toml::to_string(&file).unwrap()).unwrap(), file);
        let local = read("kind = \"local\"\nmodel = \"folder\"\ncoherence = \"grammar\"").unwrap();
        let JudgeSource::Local(settings) = &local else { panic!("{local:?}") };
        assert_eq!((settings.mode, settings.coherence), (Mode::Enumerate, Coherence::Grammar));
        for (text, want) in [
            ("kind = \"openai\"\nmodle = \"m\"", "modle"),
            ("kind = \"local\"", "model"),
            ("kind = \"local\"\nmodel = \"m\"\nurl = \"u\"", "url"),
            ("kind = \"harbor\"\nworld = 0\nx = 1", "x"),
            ("kind = \"sentiment\"\npoll = \"negative\"", "poll"),
        ] {
            assert!(read(text).unwrap_err().to_string().contains(&format!("`{want}`")), "{text}");
        }
    }

    #[test]
    fn a_kind_alone_is_enough_where_nothing_else_is_needed() {
        let short = |kind: &str| toml::from_str::<File>(&format!("judge = \"{kind}\"")).map(|file| file.judge);
        assert_eq!(short("sentiment").unwrap(), JudgeSource::Sentiment(SentimentSettings::default()));
        assert_eq!(short("openai").unwrap(), JudgeSource::OpenAi(OpenAiSettings::default()));
        assert!(short("local").unwrap_err().to_string().contains("`model`"));
        assert!(short("feelings").unwrap_err().to_string().contains("`sentiment`"));
    }

    #[test]
    fn a_judge_that_lacks_a_rule_is_refused_before_it_works() {
        let judge = JudgeSource::Sentiment(SentimentSettings::default());
        assert!(judge.knows(&Rubric::Trait("pessimistic".into())).is_ok() && judge.knows(&Rubric::Coherence).is_ok());
        assert!(judge.knows(&Rubric::Trait("evil".into())).is_err() && judge.knows(&Rubric::Fact).is_err());
        assert!(JudgeSource::Harbor { world: 0 }.knows(&Rubric::Fact).is_ok());
    }

    #[test]
    fn only_what_decides_scores_is_part_of_the_identity() {
        let with = |change: &dyn Fn(&mut OpenAiSettings)| {
            let mut settings = OpenAiSettings::default();
            change(&mut settings);
            JudgeSource::OpenAi(settings).identity()
        };
        let same = with(&|_| {});
        assert_eq!(with(&|s| (s.concurrency, s.budget, s.cache) = (1, Some(1), Some("c".into()))), same);
        assert_ne!(with(&|s| s.model = "m".into()), same);
        assert_ne!(with(&|s| s.coherence = Coherence::Grammar), same);
        assert_ne!(with(&|s| s.samples = 3), same);
        assert_ne!(with(&|s| s.answers_as = Some("m".into())), same);
    }

    #[test]
    fn settings_that_make_no_judge_are_refused() {
        let check = |change: &dyn Fn(&mut OpenAiSettings), want: &str| {
            let mut settings = OpenAiSettings::default();
            change(&mut settings);
            let error = JudgeSource::OpenAi(settings).check().unwrap_err();
            assert!(error.to_string().contains(want), "{error}");
        };
        check(&|s| s.mode = Mode::Enumerate, "`enumerate`");
        check(&|s| s.budget_money = Some(1.0), "needs prices");
        check(&|s| s.concurrency = 0, "concurrency");
        check(&|s| s.samples = 0, "samples");
        check(&|s| s.timeout = -1.0, "timeout");
        check(&|s| s.price = Some(Price { input: f64::NAN, output: 0.0 }), "amounts");
        check(&|s| s.model = " ".into(), "name");
        check(&|s| s.answers_as = Some(String::new()), "may answer");
        check(&|s| s.url = "api.openai.com".into(), "--judge-url");
        let at = |url: &str| {
            JudgeSource::OpenAi(OpenAiSettings { url: url.into(), ..OpenAiSettings::default() }).wants_key()
        };
        let urls = ["https://api.openai.com/v1", "https://openai.com.example/v1", "http://localhost:1/v1"];
        assert_eq!(urls.map(at), [true, false, false]);
        let local = LocalSettings {
            model: "m".into(),
            mode: Mode::Logprobs,
            samples: 1,
            coherence: Coherence::Standard,
            cache: None,
        };
        assert!(JudgeSource::Local(local).check().unwrap_err().help().unwrap().contains("`enumerate`"));
    }
}
