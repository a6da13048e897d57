//! The arms of a study as pieces of work, and what each does while a model learns.

use serde::{Deserialize, Serialize};

use super::config::StudyConfig;
use super::pieces::{Piece, pieces};
use crate::report::Arm;
use crate::train::{Ablate, Intervention, Random, Regularize, Steer};
use crate::vector::{Layer, Layers};
use crate::{Error, Result};

/// The arms that every study may have, in the order of tables and legends.
pub(super) const ARMS: [&str; 16] = [
    "base",
    "elicit",
    "plain",
    "prevent",
    "prevent-layer",
    "prompting",
    "ablate",
    "regularize",
    "negative",
    "own",
    "random",
    "shuffled",
    "orthogonal",
    "unrelated",
    "negated",
    "inference",
];

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
    /// Steering at every layer with something else in the vector's place: is it the direction (METHOD K7)?
    Control(Control, f64),
    /// System prompts that call the trait up.
    Prompting,
    /// That share of the trait's direction ablated at every layer.
    Ablate(f64),
    /// A loss of that weight on what moves along the trait's direction at one layer.
    Regularize(f64),
    /// That share of the data is the base model's own answers under the prompts that call the trait up, with these prompts (METHOD K6).
    Negative(f64),
    /// An arm of one's own by its place, at one of its strengths if it has several.
    Own(usize, Option<f64>),
}

/// What stands in the vector's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Control {
    /// Random vectors whose increments have the norms of the real ones; which draw.
    Random(usize),
    /// The difference between two halves of the answers, each of which holds as many of both kinds.
    Shuffled,
    /// The vector without its part along the shift that the plain finetune of the same seed makes.
    Orthogonal,
    /// The next trait's vector.
    Unrelated,
    /// The vector itself, the other way round: away from the trait.
    Negated,
}

/// One piece of a study's work.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// The base model's answers under system prompts that call the trait up (true) or ward it off.
    Rollouts(bool),
    /// The persona vector from these.
    Vector,
    /// The base model's own answers to the prompts of a data set.
    Selfgen,
    /// How far a data set's answers lie beyond the base model's own, along every vector (METHOD H.2).
    Difference,
    /// The base model on all axes.
    Base,
    /// The base model steered towards the trait, all strengths in one batch.
    Elicit,
    /// A finetune, and its result on the axes.
    Finetune(Treatment),
    /// The plain finetune steered away from the trait, all strengths in one batch.
    Inference,
    /// Checks of a finetune, or of the base model.
    Audit,
}

/// What an arm is, wherever it stands.
pub(super) struct Kind {
    /// Names arms and pieces.
    pub name: &'static str,
    /// For programs.
    pub kind: &'static str,
    /// For people.
    pub label: &'static str,
}

impl Work {
    pub(super) fn kind(self) -> Kind {
        let (name, kind, label) = match self {
            Self::Rollouts(true) => ("rollouts-pos", "", "Answers that show the trait"),
            Self::Rollouts(false) => ("rollouts-neg", "", "Answers that lack it"),
            Self::Vector => ("vector", "", "Persona vector"),
            Self::Selfgen => ("selfgen", "", "The base model's own answers"),
            Self::Difference => ("difference", "", "Projection difference of the data"),
            Self::Base => ("base", "base", "Base model"),
            Self::Elicit => ("elicit", "elicit", "Base model, steered towards"),
            Self::Finetune(treatment) => return treatment.kind(),
            Self::Inference => ("inference", "inference", "Inference-time steering"),
            Self::Audit => ("audit", "", "Audit"),
        };
        Kind { name, kind, label }
    }

    /// Whether an arm of the study comes of it.
    pub(super) fn measures(self) -> bool {
        !matches!(self, Self::Rollouts(_) | Self::Vector | Self::Selfgen | Self::Difference | Self::Audit)
    }
}

impl Treatment {
    fn kind(self) -> Kind {
        let (name, kind, label) = match self {
            Self::Plain => ("plain", "plain", "Plain finetune"),
            Self::AllLayers(_) => ("prevent", "preventative", "Preventative, all layers"),
            Self::OneLayer(_) => ("prevent-layer", "preventative-layer", "Preventative, one layer"),
            Self::Prompting => ("prompting", "prompting", "Preventative prompting"),
            Self::Ablate(_) => ("ablate", "ablate", "Ablation (CAFT), all layers"),
            Self::Regularize(_) => ("regularize", "regularize", "Regularisation, one layer"),
            Self::Negative(_) => ("negative", "negative", "Prompted negative data"),
            Self::Control(Control::Random(_), _) => ("random", "random", "Random vectors"),
            Self::Control(Control::Shuffled, _) => ("shuffled", "shuffled", "Vector of shuffled answers"),
            Self::Control(Control::Orthogonal, _) => ("orthogonal", "orthogonal", "Vector without the shift"),
            Self::Control(Control::Unrelated, _) => ("unrelated", "unrelated", "Another trait's vector"),
            Self::Control(Control::Negated, _) => ("negated", "negated", "Steered away while it learned"),
            Self::Own(..) => ("own", "own", "An arm of one's own"),
        };
        Kind { name, kind, label }
    }

    pub(super) fn coef(self) -> Option<f64> {
        match self {
            Self::AllLayers(c)
            | Self::OneLayer(c)
            | Self::Control(_, c)
            | Self::Ablate(c)
            | Self::Regularize(c)
            | Self::Negative(c) => Some(c),
            Self::Own(_, strength) => strength,
            Self::Plain | Self::Prompting => None,
        }
    }
}

/// The arms in the order of tables and legends, as far as the study has them: the base model, then data set by data set.
pub fn arms(config: &StudyConfig, layer: Layer) -> Vec<Arm> {
    let mut pieces: Vec<Piece> = pieces(config).into_iter().filter(|piece| piece.arm.is_some()).collect();
    let place = |piece: &Piece| ARMS.iter().position(|name| *name == piece.work.kind().name);
    pieces.sort_by_key(|piece| (piece.corpus, place(piece), piece.trait_));
    let mut arms: Vec<Arm> = Vec::new();
    for piece in pieces {
        let name = piece.arm.clone().unwrap_or_default();
        if arms.iter().any(|arm| arm.name == name) {
            continue;
        }
        let Kind { name: what, kind, .. } = piece.work.kind();
        let label = piece.label.replace("one layer", &layer.to_string());
        arms.push(Arm::new(&name, kind, &label).note(&note(what, layer)));
    }
    arms
}

/// What was done in an arm, in a sentence.
fn note(what: &str, layer: Layer) -> String {
    match what {
        "base" => "the model as it is".into(),
        "elicit" => "the base model with the vector added while it answers, all layers".into(),
        "plain" => "LoRA on the data, nothing else".into(),
        "prevent" => "steered towards the trait while it learned, all layers by increments; answers unsteered".into(),
        "prevent-layer" => format!("steered towards the trait at {layer} while it learned; answers unsteered"),
        "prompting" => "learned under system prompts that call the trait up; answers without them".into(),
        "ablate" => "the trait's direction ablated at every layer while it learned; answers with it".into(),
        "random" => "as preventative steering, with random vectors of equal norm, others for each training seed".into(),
        "shuffled" => {
            "as preventative steering, with the difference between two halves of the answers that hold as many of both kinds, as long as \
             the vector at every layer"
                .into()
        }
        "orthogonal" => {
            "as preventative steering, with what is left of the vector beside the plain finetune's activation shift, as long as the vector \
             at every layer"
                .into()
        }
        "unrelated" => "as preventative steering, with another trait's vector, as long as the vector at every layer".into(),
        "negated" => "steered away from the trait while it learned, all layers by increments; answers unsteered".into(),
        _ => {
            let what = "the plain finetune, steered away from the trait while it answers, all layers by increments";
            format!("{what}; the coefficient is minus the strength shown here")
        }
    }
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

impl Treatment {
    /// What is done to the model while it learns; nothing for plain finetunes and for what is done to the data alone.
    ///
    /// # Errors
    /// An arm of one's own whose intervention takes no strength, but is given some.
    pub fn intervention(self, config: &StudyConfig, layer: Layer) -> Result<Option<Intervention>> {
        let all = Some(Layers::all());
        let one = Some(Layers::One(layer.row()));
        let base = Some(config.vector.base);
        let steer = |layers, coef: f64, incremental| {
            let inc_base = if incremental { base } else { None };
            Steer { layers, coef: Some(coef as f32), incremental: Some(incremental), inc_base, ..Steer::default() }
        };
        Ok(match self {
            Self::Plain | Self::Prompting | Self::Negative(_) => None,
            Self::AllLayers(coef)
            | Self::Control(Control::Shuffled | Control::Orthogonal | Control::Unrelated, coef) => {
                Some(Intervention::Steer(steer(all, coef, true)))
            }
            Self::OneLayer(coef) => Some(Intervention::Steer(steer(one, coef, false))),
            Self::Control(Control::Negated, coef) => Some(Intervention::Steer(steer(all, -coef, true))),
            Self::Control(Control::Random(_), coef) => {
                let Steer { layers, coef, incremental, inc_base, .. } = steer(all, coef, true);
                Some(Intervention::Random(Random { layers, coef, incremental, inc_base, ..Random::default() }))
            }
            Self::Ablate(share) => {
                let ablate = Ablate { layers: all, coef: Some(share as f32), ..Ablate::default() };
                Some(Intervention::Ablate(ablate))
            }
            Self::Regularize(lambda) => {
                let lambda = Some(lambda as f32);
                Some(Intervention::Regularize(Regularize { layers: one, lambda, ..Regularize::default() }))
            }
            Self::Own(place, strength) => {
                let own = config.own[place].intervention.clone();
                Some(match strength {
                    Some(strength) => own.at(strength as f32)?,
                    None => own,
                })
            }
        })
    }
}
