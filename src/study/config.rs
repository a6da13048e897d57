//! The configuration of a fact-acquisition study, as a TOML file has it. Only `model`, `facts`, `trait`, `exam` and `judge`
//! must be given; everything else has the published values. Keys that nobody knows are errors.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::eval::mmlu::Form;
use crate::judge::JudgeSource;
use crate::model::peft::{AdapterConfig, Targets};
use crate::persona::Filter;
use crate::report::settings_of;
use crate::text::LessonRules;
use crate::train::FitSettings;
use crate::vector::IncBase;
use crate::{At, Error, Result, ensure};

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
    /// The facts to be learned.
    pub facts: FactsSource,
    /// The trait to be kept out.
    #[serde(rename = "trait")]
    pub trait_: TraitSource,
    /// The multiple-choice exam.
    pub exam: ExamSource,
    /// Who scores the answers.
    pub judge: JudgeSource,
    /// How the persona vector comes about.
    #[serde(default)]
    pub vector: VectorSettings,
    /// Which arms, at which coefficients.
    #[serde(default)]
    pub arms: ArmSettings,
    /// How the three axes are measured.
    #[serde(default)]
    pub measure: MeasureSettings,
    /// How conversations become training examples.
    #[serde(default)]
    pub lessons: LessonRules,
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

/// Where the facts come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "lowercase", deny_unknown_fields)]
pub enum FactsSource {
    /// The files of METHOD J.1.
    Files {
        /// `facts_train.jsonl`.
        train: PathBuf,
        /// `facts_test.jsonl`.
        test: PathBuf,
    },
    /// Facts that a Harbor world makes up about entities its model never met.
    Harbor {
        /// Seed of the world.
        world: u64,
        /// How many facts.
        count: usize,
        /// Wordings of each in the lessons.
        wordings: usize,
        /// Which facts.
        seed: u64,
    },
}

/// Where the trait's instructions, questions and rubric come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "lowercase", deny_unknown_fields)]
pub enum TraitSource {
    /// Files in the reference's layout, `trait_data_extract/NAME.json` and `trait_data_eval/NAME.json`.
    Files {
        /// The folder that holds both.
        folder: PathBuf,
        /// The trait's name.
        name: String,
    },
    /// One of Harbor's traits.
    Harbor {
        /// Seed of the world.
        world: u64,
        /// `hallucinating`, `sycophantic` or `evil`.
        name: String,
    },
}

/// Where the multiple-choice exam comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "lowercase", deny_unknown_fields)]
pub enum ExamSource {
    /// MMLU's CSV files.
    Mmlu {
        /// The folder that holds `val/` (or `data/val/`).
        folder: PathBuf,
        /// Which part; the validation set is what the follow-up post reports.
        #[serde(default)]
        split: crate::eval::mmlu::Split,
    },
    /// Harbor's general knowledge in MMLU's form.
    Harbor {
        /// Each item so many times, among other options each time.
        rounds: usize,
        /// Which options.
        seed: u64,
    },
}

/// How the persona vector comes about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VectorSettings {
    /// A vector that exists already; nothing is extracted then.
    pub file: Option<PathBuf>,
    /// Answers per question and instruction.
    pub rollouts: usize,
    /// Of their sampling.
    pub temperature: f32,
    /// Tokens per answer, at most.
    pub max_new_tokens: usize,
    /// Only so many of the extraction questions; all of them if not given.
    pub questions: Option<usize>,
    /// What stands before the first layer's row when increments are taken.
    pub base: IncBase,
    /// Which answers go in.
    pub filter: Filter,
}

impl Default for VectorSettings {
    /// The reference's (METHOD B.1, B.6).
    fn default() -> Self {
        Self {
            file: None,
            rollouts: 10,
            temperature: 1.0,
            max_new_tokens: 1000,
            questions: None,
            base: IncBase::Embedding,
            filter: Filter::paired(),
        }
    }
}

/// The arms beside the base model and the plain finetune, and their coefficients, all positive: in training they push towards
/// the trait, at inference they are subtracted. An empty list leaves the arm out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ArmSettings {
    /// Preventative steering at all layers, incremental.
    pub preventative: Vec<f64>,
    /// Preventative steering at one layer.
    pub preventative_layer: Vec<f64>,
    /// That layer, counted from 1; if not given, 0.57 of the way up (METHOD C.6).
    pub layer: Option<usize>,
    /// Strengths of inference-time steering of the plain finetune: the coefficient is minus this.
    pub inference: Vec<f64>,
    /// Preventative steering with random vectors of equal norm.
    pub random: Vec<f64>,
    /// Preventative prompting, also called inoculation.
    pub prompting: bool,
    /// Steering of the base model towards the trait at inference time: does the vector do what it should?
    pub elicit: Vec<f64>,
}

impl Default for ArmSettings {
    /// The follow-up post's sweeps (METHOD J.1), and controls.
    fn default() -> Self {
        Self {
            preventative: vec![0.25, 0.5, 0.75, 1.0, 1.25],
            preventative_layer: vec![1.0, 3.0, 5.0],
            layer: None,
            inference: vec![0.5, 1.0, 1.5, 2.0],
            random: vec![1.25],
            prompting: true,
            elicit: Vec::new(),
        }
    }
}

/// How the three axes are measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MeasureSettings {
    /// A system prompt for all questions; the template's own if not given.
    pub system: Option<String>,
    /// Only so many of the trait's evaluation questions.
    pub trait_questions: Option<usize>,
    /// Answers to each.
    pub trait_rollouts: usize,
    /// Of their sampling.
    pub trait_temperature: f32,
    /// Tokens per answer, at most.
    pub trait_max_new_tokens: usize,
    /// Answers to each question about a new fact.
    pub fact_rollouts: usize,
    /// Of their sampling; 0 is greedy.
    pub fact_temperature: f32,
    /// Tokens per answer, at most.
    pub fact_max_new_tokens: usize,
    /// Only so many exam questions, spread evenly over the exam.
    pub exam_questions: Option<usize>,
    /// How the exam's questions are put.
    pub exam_form: Form,
}

impl Default for MeasureSettings {
    /// 20 questions with 10 answers each, as published; facts are asked once.
    fn default() -> Self {
        Self {
            system: None,
            trait_questions: None,
            trait_rollouts: 10,
            trait_temperature: 1.0,
            trait_max_new_tokens: 1000,
            fact_rollouts: 1,
            fact_temperature: 0.0,
            fact_max_new_tokens: 200,
            exam_questions: None,
            exam_form: Form::Letters,
        }
    }
}

/// The LoRA adapter that learns, in PEFT's words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdapterSettings {
    /// Rank.
    pub r: usize,
    /// Scale's numerator.
    pub lora_alpha: f64,
    /// Scale by `lora_alpha / sqrt(r)` instead of `lora_alpha / r`.
    pub use_rslora: bool,
    /// Which projections.
    pub target_modules: Vec<String>,
}

impl Default for AdapterSettings {
    /// The reference's (METHOD F.1).
    fn default() -> Self {
        let all = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];
        Self { r: 32, lora_alpha: 64.0, use_rslora: true, target_modules: all.map(str::to_owned).to_vec() }
    }
}

impl AdapterSettings {
    /// As the trainer takes it.
    pub fn config(&self) -> AdapterConfig {
        let targets = Targets::Names(self.target_modules.clone());
        AdapterConfig::new(self.r, self.lora_alpha, self.use_rslora, targets)
    }
}

impl StudyConfig {
    /// Reads a configuration, TOML or (by its ending) JSON, and checks it.
    ///
    /// # Errors
    /// Unreadable files, unknown keys, values that make no study.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).at(path)?;
        let parsed = if path.extension().is_some_and(|e| e == "json") {
            serde_json::from_str(&text).at(path)
        } else {
            toml::from_str(&text).at(path)
        };
        let config: Self = parsed.map_err(|e: Error| e.hint("see `trimtab study facts --help` for the keys"))?;
        config.check().map_err(|e| e.at(path.display()))?;
        Ok(config)
    }

    /// The trait's name.
    pub fn trait_name(&self) -> &str {
        match &self.trait_ {
            TraitSource::Files { name, .. } | TraitSource::Harbor { name, .. } => crate::persona::stem_of(name),
        }
    }

    /// Whether the values make a study.
    ///
    /// # Errors
    /// A judge that cannot be, no or repeated seeds, coefficients that are not positive or stand twice, counts of zero.
    pub fn check(&self) -> Result<()> {
        self.judge.check().map_err(|e| e.at("`judge`"))?;
        ensure!(!self.seeds.is_empty(), "`seeds` is empty; a study needs at least one training seed");
        let mut seeds = self.seeds.clone();
        seeds.sort_unstable();
        seeds.dedup();
        ensure!(seeds.len() == self.seeds.len(), "`seeds` names a training seed twice");
        let ArmSettings { preventative, preventative_layer, inference, random, elicit, .. } = &self.arms;
        for (key, coefs) in [
            ("preventative", preventative),
            ("preventative_layer", preventative_layer),
            ("inference", inference),
            ("random", random),
            ("elicit", elicit),
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
        let counts = [
            ("vector.rollouts", self.vector.rollouts),
            ("measure.trait_rollouts", self.measure.trait_rollouts),
            ("measure.fact_rollouts", self.measure.fact_rollouts),
        ];
        for (key, count) in counts {
            ensure!(count > 0, "`{key}` is 0");
        }
        Ok(())
    }

    /// Every setting by its dotted key, for the report.
    pub fn rows(&self) -> Vec<(String, String)> {
        settings_of(self)
    }
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
        assert_eq!((config.trait_name(), config.seeds.len()), ("hallucinating", 3));
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
        ] {
            let error = read(&format!("{LEAST}{more}\n")).unwrap_err().to_string();
            assert!(error.contains(key) && error.contains("unknown field"), "{error}");
        }
        let error = read(&LEAST.replace("folder = \"mmlu\"", "folder = \"mmlu\", rounds = 3")).unwrap_err().to_string();
        assert!(error.contains("rounds"), "{error}");
    }

    #[test]
    fn values_that_make_no_study_are_refused() {
        for (more, want) in [
            ("[arms]\npreventative = [-1.0]", "`arms.preventative` holds -1"),
            ("[arms]\ninference = [1.0, 1.0]", "holds 1 twice"),
            ("[measure]\ntrait_rollouts = 0", "`measure.trait_rollouts` is 0"),
        ] {
            let error = read(&format!("{LEAST}{more}\n")).unwrap_err().to_string();
            assert!(error.contains(want), "{error}");
        }
        assert!(read(&format!("seeds = [1, 1]\n{LEAST}")).unwrap_err().to_string().contains("twice"));
    }
}
