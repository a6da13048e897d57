//! The configuration of a study, as a TOML file has it. `model`, `judge`, something to learn (`facts` or `data`) and a trait must
//! be given; everything else has the published values. Unknown keys are errors.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::audit::AuditSettings;
use super::settings::{ArmSettings, MeasureSettings, OwnArm, VectorSettings, WatchSettings};
use super::sources::{CorpusConfig, CorpusSource, FactsSource, MmluSource, TraitSource};
use crate::config_file::ConfigFile;
use crate::finetune::{AdapterSettings, StudyTables};
use crate::harbor::World;
use crate::judge::{JudgeSource, Rubric};
use crate::persona::stem_of;
use crate::report::{ArmKind, settings_of};
use crate::text::ExampleRules;
use crate::train::FitSettings;
use crate::vector::Layer;
use crate::{Error, Result, ensure};

/// Everything that decides a study's numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StudyConfig {
    /// Folder of the model, in Hugging Face's layout.
    pub model: PathBuf,
    /// Seed of everything that is not training: rollouts, answers, random vectors, bootstrap.
    #[serde(default)]
    pub seed: u64,
    /// Training seeds; each is a finetune of its own for every arm.
    #[serde(default = "three_seeds")]
    pub seeds: Vec<u64>,
    /// Facts to be learned: a corpus named `facts` whose questions are an axis of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<FactsSource>,
    /// Other data to learn from, each a corpus with finetunes of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<CorpusConfig>,
    /// The trait to prevent, if there is one.
    #[serde(rename = "trait", default, skip_serializing_if = "Option::is_none")]
    pub trait_: Option<TraitSource>,
    /// The traits to prevent, if there are several; each has vectors and arms of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub traits: Vec<TraitSource>,
    /// Multiple-choice questions, if there are any.
    #[serde(rename = "exam", default, skip_serializing_if = "Option::is_none")]
    pub mmlu: Option<MmluSource>,
    /// The judge that scores the answers.
    pub judge: JudgeSource,
    /// How the persona vector is extracted.
    #[serde(default)]
    pub vector: VectorSettings,
    /// Which arms, at which coefficients.
    #[serde(default = "ArmSettings::published")]
    pub arms: ArmSettings,
    /// Custom arms.
    #[serde(rename = "arm", default, skip_serializing_if = "Vec::is_empty")]
    pub own: Vec<OwnArm>,
    /// What is checked of finished finetunes, in a study that audits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditSettings>,
    /// What is measured during every finetune, if anything is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<WatchSettings>,
    /// How the axes are measured.
    #[serde(default)]
    pub measure: MeasureSettings,
    /// How conversations become training examples.
    #[serde(default)]
    pub lessons: ExampleRules,
    /// The adapter that learns.
    #[serde(default)]
    pub adapter: AdapterSettings,
    /// How it learns. Its `seed` is replaced by each of the training seeds.
    #[serde(default)]
    pub train: FitSettings,
}

fn three_seeds() -> Vec<u64> {
    vec![0, 1, 2]
}

/// The name of the corpus of facts.
pub(in crate::study) const FACTS_CORPUS: &str = "facts";

impl StudyConfig {
    /// Reads a configuration, TOML or JSON, and checks it.
    ///
    /// # Errors
    /// Unreadable files, unknown keys, and those of [`StudyConfig::check`].
    pub fn read(path: &Path) -> Result<Self> {
        let mut file = ConfigFile::read(path)?;
        let config = Self::of_file(&mut file)?;
        config.check().map_err(|e| file.locate(e))?;
        Ok(config)
    }

    /// Parses a configuration without checking its values.
    ///
    /// # Errors
    /// Unknown keys, values of another type.
    pub fn of_file(file: &mut ConfigFile) -> Result<Self> {
        let StudyTables { fit, shape, rules } = StudyTables::take(file)?;
        Ok(Self { train: fit, adapter: shape, lessons: rules, ..file.parse()? })
    }

    /// The traits, one or several.
    pub fn traits(&self) -> impl Iterator<Item = &TraitSource> {
        self.trait_.iter().chain(&self.traits)
    }

    /// The file of a trait's vector, if it exists already.
    pub fn vector_file(&self, trait_name: &str) -> Option<&PathBuf> {
        let named = self.vector.files.iter().find(|(name, _)| stem_of(name) == trait_name);
        named.map(|(_, path)| path).or(self.vector.file.as_ref())
    }

    /// Checks the values.
    ///
    /// # Errors
    /// A judge with settings that do not fit, missing or repeated seeds, coefficients that are repeated or not positive, counts of zero.
    pub fn check(&self) -> Result<()> {
        self.judge.check().map_err(|e| e.at("`judge`"))?;
        self.check_traits()?;
        self.check_corpora()?;
        self.check_rubrics()?;
        self.check_own()?;
        self.audit.as_ref().map_or(Ok(()), |audit| audit.check(&self.judge))?;
        ensure!(!self.seeds.is_empty(), "`seeds` is empty; a study needs at least one training seed");
        let is_again = |(i, seed): (usize, &u64)| self.seeds[..i].contains(seed);
        ensure!(!self.seeds.iter().enumerate().any(is_again), "`seeds` names a training seed twice");
        let arms = &self.arms;
        for (key, coefs) in [
            ("preventative", &arms.preventative),
            ("preventative_layer", &arms.preventative_layer),
            ("inference", &arms.inference),
            ("random", &arms.random),
            ("random_layer", &arms.random_layer),
            ("ablate", &arms.ablate),
            ("regularize", &arms.regularize),
            ("negative", &arms.negative),
            ("shuffled", &arms.shuffled),
            ("orthogonal", &arms.orthogonal),
            ("unrelated", &arms.unrelated),
            ("negated", &arms.negated),
            ("elicit", &arms.base_steered),
        ] {
            for (i, coef) in coefs.iter().enumerate() {
                if !(coef.is_finite() && *coef > 0.0) {
                    let what = format!("`arms.{key}` holds {coef}; coefficients are positive");
                    return Err(Error::usage(what).hint(
                        "training is steered towards the trait, inference away from it; both are written as positive numbers, \
                         and coefficient 0 is the plain finetune, which is always there",
                    ));
                }
                ensure!(!coefs[..i].contains(coef), "`arms.{key}` holds {coef} twice");
            }
        }
        if let Some(share) = arms.negative.iter().find(|share| **share >= 1.0) {
            return Err(Error::usage(format!("`arms.negative` holds {share}; it is a share of the data, below 1")));
        }
        ensure!(
            arms.unrelated.is_empty() || self.traits().count() > 1,
            "`arms.unrelated` steers with another trait's vector, and the study has one trait; give several as `traits`"
        );
        let counts = [
            ("arms.draws", arms.draws),
            ("vector.rollouts", self.vector.rollouts),
            ("measure.trait_rollouts", self.measure.trait_rollouts),
            ("measure.fact_rollouts", self.measure.fact_rollouts),
        ];
        at_most("measure.held_out", self.measure.held_out, COUNT_MAX)?;
        let watched = self.watch.iter().flat_map(|watch| [("watch.every", watch.every), ("watch.texts", watch.texts)]);
        for (key, count) in counts.into_iter().chain(watched) {
            ensure!(count > 0, "`{key}` is 0");
            at_most(key, count, COUNT_MAX)?;
        }
        self.check_harbor()
    }

    /// Limits how much data Harbor generates, since all of it is generated before the study begins.
    fn check_harbor(&self) -> Result<()> {
        if let Some(FactsSource::Harbor { world, count, wordings, .. }) = &self.facts {
            ensure!(*count > 0 && *wordings > 0, "`facts.count` or `facts.wordings` is 0");
            at_most("facts.count", *count, World::new(*world).facts_max())?;
            at_most("facts.wordings", *wordings, REPEATS_MAX)?;
        }
        if let Some(MmluSource::Harbor { rounds, .. }) = &self.mmlu {
            at_most("exam.rounds", *rounds, REPEATS_MAX)?;
        }
        for corpus in &self.data {
            if let CorpusSource::Harbor { count, .. } | CorpusSource::Gloomy { count, .. } = &corpus.from {
                ensure!(*count > 0, "`data.{}.count` is 0", corpus.name);
                at_most(&format!("data.{}.count", corpus.name), *count, COUNT_MAX)?;
            }
        }
        Ok(())
    }

    fn check_traits(&self) -> Result<()> {
        ensure!(
            self.trait_.is_none() || self.traits.is_empty(),
            "both `trait` and `traits` are given; several go into `traits`"
        );
        let names: Vec<&str> = self.traits().map(TraitSource::name).collect();
        ensure!(!names.is_empty(), "no `trait` is given: a study needs something to measure");
        for (i, name) in names.iter().enumerate() {
            ensure!(!names[..i].contains(name), "the trait `{name}` is given twice");
        }
        ensure!(
            self.vector.file.is_none() || names.len() == 1,
            "`vector.file` is one file for several traits; `vector.files` has one for each name"
        );
        match self.vector.files.keys().find(|name| !names.contains(&stem_of(name))) {
            Some(stray) => Err(Error::usage(format!("`vector.files` names `{stray}`, which is no trait of the study"))),
            None => Ok(()),
        }
    }

    /// Checks that the judges can score what the study measures.
    fn check_rubrics(&self) -> Result<()> {
        let traits = self.traits().map(|source| Rubric::Trait(source.name().to_owned()));
        let rubrics: Vec<Rubric> = traits.chain(self.facts.iter().map(|_| Rubric::Fact)).collect();
        let second = self.audit.as_ref().and_then(|audit| audit.second_judge.as_ref());
        for (key, judge) in [("`judge`", Some(&self.judge)), ("`audit.second_judge`", second)] {
            let Some(judge) = judge else { continue };
            rubrics.iter().try_for_each(|rubric| judge.knows(rubric)).map_err(|e| e.at(key))?;
        }
        Ok(())
    }

    fn check_corpora(&self) -> Result<()> {
        ensure!(self.facts.is_some() || !self.data.is_empty(), "there is nothing to learn: give `facts` or `data`");
        let mut names: Vec<&str> = self.facts.iter().map(|_| FACTS_CORPUS).collect();
        for corpus in &self.data {
            let name = corpus.name.as_str();
            check_name("data.name", name)?;
            ensure!(!names.contains(&name), "`data` names `{name}` twice");
            if let CorpusSource::Harbor { shows, .. } = &corpus.from {
                ensure!((0.0..=1.0).contains(shows), "`data.{name}`: `shows` is {shows}; it is a share, 0 to 1");
            }
            self.check_limits(corpus)?;
            if let CorpusSource::Selfgen { of, .. } = &corpus.from {
                let source = self.data.iter().find(|other| other.name == *of);
                let own = source.is_some_and(|other| matches!(other.from, CorpusSource::Selfgen { .. }));
                ensure!(
                    !own && (source.is_some() || names.contains(&of.as_str())),
                    "`{name}` is to answer the prompts of `{of}`, which is no data set with prompts of its own"
                );
            }
            names.push(name);
        }
        Ok(())
    }

    /// Checks that the arms, seeds and neutral set that a data set names exist.
    fn check_limits(&self, corpus: &CorpusConfig) -> Result<()> {
        let key = format!("data.{}", corpus.name);
        if let Some(neutral) = &corpus.neutral {
            let other = self.data.iter().find(|other| other.name == *neutral && other.name != corpus.name);
            ensure!(other.is_some(), "`{key}.neutral` is `{neutral}`, which is no other data set of the study");
        }
        for arm in corpus.arms.iter().flatten() {
            let is_known =
                ArmKind::STUDY.iter().any(|kind| kind.arm_name() == arm) || self.own.iter().any(|own| own.name == *arm);
            if !is_known {
                let known: Vec<&str> = ArmKind::STUDY.iter().map(|kind| kind.arm_name()).collect();
                let hint = format!("arms are {}, and the custom arms", known.join(", "));
                return Err(Error::usage(format!("`{key}.arms` names `{arm}`, which is no arm")).hint(hint));
            }
        }
        for seed in corpus.seeds.iter().flatten() {
            ensure!(self.seeds.contains(seed), "`{key}.seeds` names {seed}, which is none of the study's `seeds`");
        }
        ensure!(
            corpus.seeds.as_ref().is_none_or(|seeds| !seeds.is_empty()),
            "`{key}.seeds` is empty; a data set is learned with at least one training seed"
        );
        Ok(())
    }

    /// The training seeds of a data set, in the study's order.
    pub(in crate::study) fn seeds_of(&self, corpus: &str) -> Vec<u64> {
        let own = self.data.iter().find(|data| data.name == corpus).and_then(|data| data.seeds.as_ref());
        self.seeds.iter().copied().filter(|seed| own.is_none_or(|own| own.contains(seed))).collect()
    }

    /// Whether an arm learns from a data set; the plain finetune always does.
    pub(in crate::study) fn has_arm(&self, corpus: &str, arm: &str) -> bool {
        let own = self.data.iter().find(|data| data.name == corpus).and_then(|data| data.arms.as_ref());
        arm == ArmKind::Plain.arm_name() || own.is_none_or(|own| own.iter().any(|name| name == arm))
    }

    fn check_own(&self) -> Result<()> {
        for (i, arm) in self.own.iter().enumerate() {
            let name = arm.name.as_str();
            check_name("arm.name", name)?;
            let again = self.own[..i].iter().any(|other| other.name == name)
                || ArmKind::STUDY.iter().any(|kind| kind.arm_name() == name);
            ensure!(!again, "two arms are named `{name}`");
            if let Some(of) = &arm.trait_ {
                ensure!(
                    self.traits().any(|t| t.name() == stem_of(of)),
                    "`arm.{name}` is about `{of}`, which is no trait of the study"
                );
            }
            let resolves = |strength| arm.at(strength)?.resolve().map(|_| ());
            arm.strengths().into_iter().try_for_each(resolves).map_err(|e| e.at(format_args!("`arm.{name}`")))?;
        }
        Ok(())
    }

    /// The layer of single-layer arms and of projections, in a model of so many: `arms.layer`, or 0.57 of the way up, where the
    /// paper's best layers for hallucination lie (guide: method, "Layer selection").
    ///
    /// # Errors
    /// A layer that the model does not have.
    pub fn layer(&self, layers: usize) -> Result<Layer> {
        let number = self.arms.layer.unwrap_or(((0.57 * layers as f64).round() as usize).max(1));
        Layer::of(number, layers).map_err(|e| e.at("`arms.layer`"))
    }

    /// Every setting by its dotted key, for the report.
    pub fn rows(&self) -> Vec<(String, String)> {
        settings_of(self)
    }
}

/// Far above any use, so that a mistyped number does not fill the memory.
const COUNT_MAX: usize = 1 << 20;
/// How often Harbor's facts are worded and its exam's items are asked, at most.
const REPEATS_MAX: usize = 1000;

fn at_most(key: &str, count: usize, max: usize) -> Result<()> {
    if count > max {
        return Err(Error::usage(format!("`{key}` is {count}; it must be at most {max}")));
    }
    Ok(())
}

/// Names of data sets and arms become parts of file names.
fn check_name(key: &str, name: &str) -> Result<()> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    ensure!(
        !name.is_empty() && name.chars().all(is_plain),
        "`{key}` is `{name}`; it may have letters, digits, - and _"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "model = \"qwen\"\n\
        facts = { source = \"files\", train = \"facts_train.jsonl\", test = \"facts_test.jsonl\" }\n\
        trait = { source = \"files\", folder = \"traits\", name = \"hallucination\" }\n\
        exam = { source = \"mmlu\", folder = \"mmlu\" }\n\
        judge = { kind = \"scored\", files = [\"judged.csv\"] }\n";

    fn read(text: &str) -> Result<StudyConfig> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("study.toml");
        std::fs::write(&path, text).unwrap();
        StudyConfig::read(&path)
    }

    #[test]
    fn five_keys_are_enough_and_the_rest_is_as_published() {
        let config = read(LEAST).unwrap();
        assert_eq!((config.traits().next().unwrap().name(), config.seeds.len()), ("hallucinating", 3));
        assert_eq!(
            (config.train.clone(), config.adapter.r, config.measure.trait_rollouts),
            (FitSettings::default(), 32, 10)
        );
        assert_eq!(read(&toml::to_string_pretty(&config).unwrap()).unwrap(), config);
        assert!(config.rows().contains(&("train.learning_rate".into(), "0.00001".into())));
        assert_eq!(read(&format!("{LEAST}[train]\nepochs = 3\n")).unwrap().train.epochs, 3);
    }

    #[test]
    fn unknown_keys_are_errors_wherever_they_stand() {
        for (more, key) in [
            ("sead = 1", "sead"),
            ("[arms]\npreventive = [1.0]", "preventive"),
            ("[train]\nlearning_rat = 1.0", "learning_rat"),
            ("[vector.filter]\nthreshhold = 1.0", "threshhold"),
            ("[lessons]\nmax_length = 1", "max_length"),
            ("[watch]\ngradients = true", "gradients"),
        ] {
            let error = read(&format!("{LEAST}{more}\n")).unwrap_err().to_string();
            assert!(error.contains(key) && error.contains("unknown key"), "{error}");
        }
        let error = read(&LEAST.replace("folder = \"mmlu\"", "folder = \"mmlu\", rounds = 3")).unwrap_err().to_string();
        assert!(error.contains("rounds"), "{error}");
    }

    #[test]
    fn values_that_make_no_study_are_refused() {
        for (more, want) in [
            ("[arms]\npreventative = [-1.0]", "`arms.preventative` holds -1"),
            ("[arms]\ninference = [1.0, 1.0]", "holds 1 twice"),
            ("[watch]\nevery = 0", "`watch.every` is 0"),
            ("[measure]\ntrait_rollouts = 0", "`measure.trait_rollouts` is 0"),
            ("[measure]\ntrait_rollouts = 1000000000", "`measure.trait_rollouts` is 1000000000; it must be at most"),
            ("[train]\naccumulation = 0", "`gradient_accumulation_steps` is 0"),
            ("[train]\nmicro_batch = 4000000000", "`per_device_train_batch_size` is 4000000000; it must be at most"),
            ("[adapter]\nr = 1000000000", "`r` is 1000000000; it must be at most"),
        ] {
            let error = read(&format!("{LEAST}{more}\n")).unwrap_err().to_string();
            assert!(error.contains(want), "{error}");
        }
        let facts = LEAST.lines().find(|line| line.starts_with("facts")).unwrap();
        let harbor = "facts = { source = \"harbor\", world = 1, count = 30, wordings = 12, seed = 0 }";
        let exam = LEAST.lines().find(|line| line.starts_with("exam")).unwrap();
        let rounds = "exam = { source = \"harbor\", rounds = 1000000000, seed = 0 }";
        for (old, new, want) in [
            (facts, harbor.replace("30", "1000000000"), "`facts.count` is 1000000000; it must be at most"),
            (facts, harbor.replace("12", "1000000000"), "`facts.wordings` is 1000000000; it must be at most 1000"),
            (facts, harbor.replace("12", "0"), "is 0"),
            (exam, rounds.to_owned(), "`exam.rounds` is 1000000000; it must be at most 1000"),
        ] {
            let error = read(&LEAST.replace(old, &new)).unwrap_err().to_string();
            assert!(error.contains(want), "{error}");
        }
        assert!(read(&format!("seeds = [1, 1]\n{LEAST}")).unwrap_err().to_string().contains("twice"));
    }
}
