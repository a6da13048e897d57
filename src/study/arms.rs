//! The arms of the fact study as pieces of work, and what each does to the residual stream.

use serde::{Deserialize, Serialize};

use super::config::StudyConfig;
use crate::report::Arm;
use crate::steering::{Plan, Positions};
use crate::vector::{IncBase, Layer, PersonaVector};
use crate::{Error, Result};

/// What happens during a finetune.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Treatment {
    /// Nothing.
    Plain,
    /// Steering towards the trait at every layer, by increments.
    AllLayers(f64),
    /// Steering towards the trait at one layer.
    OneLayer(f64),
    /// Steering along random vectors whose increments have the norms of the real ones.
    Random(f64),
    /// System prompts that call the trait up.
    Prompting,
}

/// One piece of a study's work.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// The base model's answers under system prompts that call the trait up (true) or ward it off.
    Rollouts(bool),
    /// The persona vector from these.
    Vector,
    /// The base model on the three axes.
    Base,
    /// The base model steered towards the trait, all strengths in one batch.
    Elicit,
    /// A finetune, and its result on the three axes.
    Finetune(Treatment),
    /// The plain finetune steered away from the trait, all strengths in one batch.
    Inference,
}

/// A piece of work as people and files know it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Piece {
    /// Unique; names its stages and files: `prevent+1.25-seed0`.
    pub name: String,
    /// The arm that it belongs to; nothing for the vector.
    pub arm: Option<String>,
    /// For people: `Preventative, all layers`.
    pub label: String,
    /// The coefficient, if the piece has one and not a whole sweep.
    pub coef: Option<f64>,
    /// The training seed, if it is of one.
    pub seed: Option<u64>,
    /// What is done.
    pub work: Work,
    /// Places of the pieces that must be done before.
    pub after: Vec<usize>,
}

impl Work {
    /// The arm's name, kind and label.
    fn arm(self) -> Option<(&'static str, &'static str, &'static str)> {
        Some(match self {
            Self::Rollouts(_) | Self::Vector => return None,
            Self::Base => ("base", "base", "Base model"),
            Self::Elicit => ("elicit", "elicit", "Base model, steered towards"),
            Self::Finetune(Treatment::Plain) => ("plain", "plain", "Plain finetune"),
            Self::Finetune(Treatment::AllLayers(_)) => ("prevent", "preventative", "Preventative, all layers"),
            Self::Finetune(Treatment::OneLayer(_)) => {
                ("prevent-layer", "preventative-layer", "Preventative, one layer")
            }
            Self::Finetune(Treatment::Random(_)) => ("random", "random", "Random vectors"),
            Self::Finetune(Treatment::Prompting) => ("prompting", "prompting", "Preventative prompting"),
            Self::Inference => ("inference", "inference", "Inference-time steering"),
        })
    }

    fn coef(self) -> Option<f64> {
        match self {
            Self::Finetune(Treatment::AllLayers(c) | Treatment::OneLayer(c) | Treatment::Random(c)) => Some(c),
            _ => None,
        }
    }
}

/// All pieces of a study. Earlier ones are begun first, so those that others wait for stand in front.
pub fn pieces(config: &StudyConfig) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut add = |work: Work, seed: Option<u64>, after: &[usize]| {
        let (name, label) = match (work, work.arm()) {
            (Work::Rollouts(true), _) => ("rollouts-pos", "Answers that show the trait"),
            (Work::Rollouts(false), _) => ("rollouts-neg", "Answers that lack it"),
            (_, Some((name, _, label))) => (name, label),
            (_, None) => ("vector", "Persona vector"),
        };
        let coef = work.coef();
        let name = [Some(name.to_owned()), coef.map(|c| format!("+{c}")), seed.map(|s| format!("-seed{s}"))];
        pieces.push(Piece {
            name: name.into_iter().flatten().collect(),
            arm: work.arm().map(|(arm, _, _)| arm.to_owned()),
            label: label.to_owned(),
            coef,
            seed,
            work,
            after: after.to_vec(),
        });
        pieces.len() - 1
    };
    let arms = &config.arms;
    let rollouts: Vec<usize> = match config.vector.file {
        Some(_) => Vec::new(),
        None => [true, false].map(|positive| add(Work::Rollouts(positive), None, &[])).to_vec(),
    };
    let vector = add(Work::Vector, None, &rollouts);
    let plain: Vec<usize> =
        config.seeds.iter().map(|&seed| add(Work::Finetune(Treatment::Plain), Some(seed), &[])).collect();
    let mut treated: Vec<Treatment> = Vec::new();
    treated.extend(arms.preventative.iter().map(|&c| Treatment::AllLayers(c)));
    treated.extend(arms.preventative_layer.iter().map(|&c| Treatment::OneLayer(c)));
    treated.extend(arms.prompting.then_some(Treatment::Prompting));
    treated.extend(arms.random.iter().map(|&c| Treatment::Random(c)));
    for (&seed, &plain) in config.seeds.iter().zip(&plain) {
        if !arms.inference.is_empty() {
            add(Work::Inference, Some(seed), &[vector, plain]);
        }
        for &treatment in &treated {
            let after = if treatment == Treatment::Prompting { None } else { Some(vector) };
            add(Work::Finetune(treatment), Some(seed), after.as_slice());
        }
    }
    if !arms.elicit.is_empty() {
        add(Work::Elicit, None, &[vector]);
    }
    add(Work::Base, None, &[]);
    pieces
}

/// The arms in the order of tables and legends, as far as the study has them.
pub fn arms(config: &StudyConfig, layer: Layer) -> Vec<Arm> {
    let mut arms: Vec<Arm> = Vec::new();
    let pieces = pieces(config);
    let order = ["base", "elicit", "plain", "prevent", "prevent-layer", "prompting", "random", "inference"].into_iter();
    for wanted in order {
        let Some((name, kind, label)) = pieces.iter().filter_map(|p| p.work.arm()).find(|arm| arm.0 == wanted) else {
            continue;
        };
        let label = if name == "prevent-layer" { format!("Preventative, {layer}") } else { label.to_owned() };
        let note = match name {
            "base" => "the model as it is".to_owned(),
            "elicit" => "the base model with the vector added while it answers, all layers".to_owned(),
            "plain" => "LoRA on the new facts, nothing else".to_owned(),
            "prevent" => {
                "steered towards the trait while it learned, all layers by increments; answers unsteered".to_owned()
            }
            "prevent-layer" => format!("steered towards the trait at {layer} while it learned; answers unsteered"),
            "prompting" => "learned under system prompts that call the trait up; answers without them".to_owned(),
            "random" => {
                "as preventative steering, with random vectors of equal norm, others for each training seed".to_owned()
            }
            _ => {
                let what = "the plain finetune, steered away from the trait while it answers, all layers by increments";
                format!("{what}; the coefficient is minus the strength shown here")
            }
        };
        arms.push(Arm::new(name, kind, &label).note(&note));
    }
    arms
}

/// The layer of single-layer arms: the configured one, or 0.57 of the way up, where the paper's best layers for hallucination
/// lie (METHOD C.6).
///
/// # Errors
/// A layer that the model does not have.
pub fn single_layer(config: &StudyConfig, layers: usize) -> Result<Layer> {
    let number = config.arms.layer.unwrap_or(((0.57 * layers as f64).round() as usize).max(1));
    Layer::of(number, layers).map_err(|e: Error| e.at("`arms.layer`"))
}

/// What a finetune's steering is.
pub fn training_plan(treatment: Treatment, vector: &PersonaVector, base: IncBase, layer: Layer, seed: u64) -> Plan {
    match treatment {
        Treatment::Plain | Treatment::Prompting => Plan::none(),
        Treatment::AllLayers(coef) => Plan::incremental(vector, base, coef as f32, Positions::All),
        Treatment::OneLayer(coef) => Plan::rows(vector, &[layer], coef as f32, Positions::All),
        Treatment::Random(coef) => Plan::incremental(vector, base, coef as f32, Positions::All).random_like(seed),
    }
}
