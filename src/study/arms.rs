//! The arms of a study as pieces of work, and what each does while a model learns.

use serde::{Deserialize, Serialize};

use super::config::StudyConfig;
use crate::report::ArmKind;
use crate::train::{Ablate, Intervention, Random, Regularize, Steer};
use crate::vector::{Layer, Layers};
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

impl Work {
    /// The kind of arm that it is part of; nothing for what only prepares or checks.
    pub(super) fn arm_kind(self) -> Option<ArmKind> {
        match self {
            Self::Rollouts(_) | Self::Vector | Self::Selfgen | Self::Difference | Self::Audit => None,
            Self::Base => Some(ArmKind::Base),
            Self::Elicit => Some(ArmKind::Elicit),
            Self::Finetune(treatment) => Some(treatment.arm_kind()),
            Self::Inference => Some(ArmKind::Inference),
        }
    }

    /// Names arms, pieces and files.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Rollouts(true) => "rollouts-pos",
            Self::Rollouts(false) => "rollouts-neg",
            Self::Vector => "vector",
            Self::Selfgen => "selfgen",
            Self::Difference => "difference",
            Self::Audit => "audit",
            Self::Base | Self::Elicit | Self::Finetune(_) | Self::Inference => {
                self.arm_kind().map_or("", ArmKind::arm_name)
            }
        }
    }

    /// For people.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Rollouts(true) => "Rollouts under positive system prompts",
            Self::Rollouts(false) => "Rollouts under negative system prompts",
            Self::Vector => "Persona vector",
            Self::Selfgen => "The base model's own answers",
            Self::Difference => "Projection difference of the data",
            Self::Audit => "Audit",
            Self::Base | Self::Elicit | Self::Finetune(_) | Self::Inference => {
                self.arm_kind().map_or("", ArmKind::label)
            }
        }
    }
}

impl Treatment {
    fn arm_kind(self) -> ArmKind {
        match self {
            Self::Plain => ArmKind::Plain,
            Self::AllLayers(_) => ArmKind::Preventative,
            Self::OneLayer(_) => ArmKind::PreventativeLayer,
            Self::Prompting => ArmKind::Prompting,
            Self::Ablate(_) => ArmKind::Ablate,
            Self::Regularize(_) => ArmKind::Regularize,
            Self::Negative(_) => ArmKind::Negative,
            Self::Control(Control::Random(_), _) => ArmKind::Random,
            Self::Control(Control::Shuffled, _) => ArmKind::Shuffled,
            Self::Control(Control::Orthogonal, _) => ArmKind::Orthogonal,
            Self::Control(Control::Unrelated, _) => ArmKind::Unrelated,
            Self::Control(Control::Negated, _) => ArmKind::Negated,
            Self::Own(..) => ArmKind::Own,
        }
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
