//! A study's settings by their tables: vector, arms, measurements, adapter. Defaults are the published values.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::eval::mmlu::Form;
use crate::finetune::InterventionFile;
use crate::persona::Filter;
use crate::record::as_written;
use crate::vector::IncBase;

/// `top_p` of 1 is not written, so that folders from before there was such a setting stay valid.
fn keeps_all(top_p: &f32) -> bool {
    *top_p == 1.0
}

/// How the persona vector is extracted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VectorSettings {
    /// File of an existing vector, for a study of one trait; nothing is extracted then.
    pub file: Option<PathBuf>,
    /// Files of existing vectors, by the trait's name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, PathBuf>,
    /// Answers per question and instruction.
    pub rollouts: usize,
    /// Of their sampling.
    #[serde(serialize_with = "as_written")]
    pub temperature: f32,
    /// Draw from the fewest tokens that reach this probability only; 1 keeps all.
    #[serde(serialize_with = "as_written", skip_serializing_if = "keeps_all")]
    pub top_p: f32,
    /// Tokens per answer, at most.
    pub max_new_tokens: usize,
    /// Only so many of the extraction questions; all of them if not given.
    pub questions: Option<usize>,
    /// What stands before the first layer's row when increments are taken.
    pub base: IncBase,
    /// Which answers the vector is extracted from.
    pub filter: Filter,
}

impl Default for VectorSettings {
    /// The reference's (Chen et al. 2025, section 2.2).
    fn default() -> Self {
        Self {
            file: None,
            files: BTreeMap::new(),
            rollouts: 10,
            temperature: 1.0,
            top_p: 1.0,
            max_new_tokens: 1000,
            questions: None,
            base: IncBase::Embedding,
            filter: Filter::paired(),
        }
    }
}

/// The arms beside the base model and the plain finetune, and their coefficients, all positive: in training they push towards
/// the trait, at inference they are subtracted. An empty list leaves the arm out.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default = "ArmSettings::published", deny_unknown_fields)]
pub struct ArmSettings {
    /// Preventative steering at all layers, incremental.
    pub preventative: Vec<f64>,
    /// Preventative steering at one layer.
    pub preventative_layer: Vec<f64>,
    /// The layer of single-layer arms, counted from 1; if not given, 0.57 of the way up (guide: method, "Layer selection").
    pub layer: Option<usize>,
    /// Strengths of inference-time steering of the plain finetune: the coefficient is minus this.
    pub inference: Vec<f64>,
    /// Preventative steering with random vectors of equal norm.
    pub random: Vec<f64>,
    /// Preventative steering at one layer with a random vector of equal norm.
    pub random_layer: Vec<f64>,
    /// Number of random vectors for each coefficient and training seed; each is a finetune of its own.
    pub draws: usize,
    /// Preventative steering with a vector from the same answers, shuffled.
    pub shuffled: Vec<f64>,
    /// Preventative steering with the part of the vector that is orthogonal to the plain finetune's activation shift.
    pub orthogonal: Vec<f64>,
    /// Preventative steering with the next trait's vector, where a study has several traits.
    pub unrelated: Vec<f64>,
    /// Steering away from the trait while it learns: the coefficient is minus this.
    pub negated: Vec<f64>,
    /// Shares of the trait's direction that are ablated at all layers while it learns: CAFT, which removes all, is 1.
    pub ablate: Vec<f64>,
    /// Shares of the data to replace by the base model's answers under positive system prompts, prompts included (guide: method,
    /// "Negative data").
    pub negative: Vec<f64>,
    /// Weights of a loss on movement along the trait's direction at one layer (guide: method, "Regularisation").
    pub regularize: Vec<f64>,
    /// Preventative prompting, also called inoculation.
    pub prompting: bool,
    /// Steering of the base model towards the trait at inference time: checks that the vector elicits the trait.
    #[serde(rename = "elicit")]
    pub base_steered: Vec<f64>,
}

impl ArmSettings {
    /// No arm but the base model and the plain finetune.
    pub fn none() -> Self {
        Self { draws: 1, ..Self::default() }
    }

    /// The follow-up post's sweeps, and controls: what a study has that says nothing of arms.
    pub fn published() -> Self {
        Self {
            preventative: vec![0.25, 0.5, 0.75, 1.0, 1.25],
            preventative_layer: vec![1.0, 3.0, 5.0],
            inference: vec![0.5, 1.0, 1.5, 2.0],
            random: vec![1.25],
            ablate: vec![1.0],
            regularize: vec![0.1],
            prompting: true,
            ..Self::none()
        }
    }
}

/// A custom arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnArm {
    /// Names its finetunes and files: letters, digits, `-` and `_`.
    pub name: String,
    /// For people; the name if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The trait whose vector it takes; every trait's, one after the other, if not given.
    #[serde(rename = "trait", default, skip_serializing_if = "Option::is_none")]
    pub trait_: Option<String>,
    /// The intervention, as in a configuration of `train`; without `vectors` it takes the study's own vector.
    pub intervention: InterventionFile,
    /// Strengths, a finetune each; the intervention's own if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coefs: Vec<f64>,
}

impl OwnArm {
    /// Its strengths, a finetune each; `None` stands for the intervention's own.
    pub fn strengths(&self) -> Vec<Option<f64>> {
        if self.coefs.is_empty() { vec![None] } else { self.coefs.iter().copied().map(Some).collect() }
    }

    /// The intervention at one of its strengths.
    ///
    /// # Errors
    /// An intervention that takes no coefficient.
    pub fn at(&self, strength: Option<f64>) -> Result<InterventionFile> {
        let intervention = self.intervention.clone();
        strength.map_or(Ok(intervention.clone()), |strength| intervention.at(strength))
    }
}

/// How the axes are measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MeasureSettings {
    /// A system prompt for all questions; the template's own if not given.
    pub system: Option<String>,
    /// Only so many of the trait's evaluation questions.
    pub trait_questions: Option<usize>,
    /// Answers to each of the trait's questions.
    pub trait_rollouts: usize,
    /// Of their sampling.
    #[serde(serialize_with = "as_written")]
    pub trait_temperature: f32,
    /// Draw from the fewest tokens that reach this probability only; 1 keeps all.
    #[serde(serialize_with = "as_written", skip_serializing_if = "keeps_all")]
    pub trait_top_p: f32,
    /// Tokens per answer, at most.
    pub trait_max_new_tokens: usize,
    /// Answers to each question about a new fact.
    pub fact_rollouts: usize,
    /// Of their sampling; 0 is greedy.
    #[serde(serialize_with = "as_written")]
    pub fact_temperature: f32,
    /// Tokens per answer, at most.
    pub fact_max_new_tokens: usize,
    /// Only so many multiple-choice questions, spread evenly over all of them.
    #[serde(rename = "exam_questions")]
    pub mmlu_questions: Option<usize>,
    /// How multiple-choice questions are put.
    #[serde(rename = "exam_form")]
    pub mmlu_form: Form,
    /// Measures the other traits, too, in arms that are steered along one trait.
    pub all_traits: bool,
    /// Number of rows of each data set to hold out; their loss without steering measures what was learned. At most a tenth of a data
    /// set that is taken whole; 0 holds nothing out.
    pub held_out: usize,
    /// Measures the projection difference of every data set (Chen et al. 2025, section 6.1) on so many of its conversations; 0 leaves it out.
    pub difference: usize,
}

impl Default for MeasureSettings {
    /// 20 questions with 10 answers each, as published; facts are asked once.
    fn default() -> Self {
        Self {
            system: None,
            trait_questions: None,
            trait_rollouts: 10,
            trait_temperature: 1.0,
            trait_top_p: 1.0,
            trait_max_new_tokens: 1000,
            fact_rollouts: 1,
            fact_temperature: 0.0,
            fact_max_new_tokens: 200,
            mmlu_questions: None,
            mmlu_form: Form::Letters,
            all_traits: false,
            held_out: 32,
            difference: 0,
        }
    }
}

/// What is measured of every finetune while it learns; it changes nothing that is learned. The direction is that of the
/// finetune's own trait, of the study's first for a plain finetune, at the layer of `arms.layer`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WatchSettings {
    /// Steps between measurements; the state before the first step and the last step are measured, too.
    pub every: usize,
    /// Texts of the probe set: half of them the base model's answers under positive system prompts, half its answers under
    /// negative ones, each under its prompt. Where the study extracts no vector and so has none, as many of the conversations to be
    /// learned.
    pub texts: usize,
    /// Also measures the gradient along the vector, at every layer, with the intervention and without it: on as many
    /// conversations as make a step.
    pub gradient: bool,
}

impl Default for WatchSettings {
    fn default() -> Self {
        Self { every: 20, texts: 32, gradient: true }
    }
}
