//! What is done to a model, or to its data, during a finetune.

use crate::Result;
use crate::finetune::{AblateTo, Intervention, SteeringSettings};
use crate::report::ArmKind;
use crate::steering::Positions;
use crate::study::config::StudyConfig;
use crate::train::Mode;
use crate::vector::{Layer, Layers};

/// The intervention of a finetune.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Treatment {
    /// Plain finetuning.
    Plain,
    /// Steering towards the trait at every layer, by increments.
    AllLayers(f64),
    /// Steering towards the trait at one layer.
    OneLayer(f64),
    /// Steering at every layer with another vector instead of the trait's (guide: method, "Controls").
    Control(Control, f64),
    /// Positive system prompts before the conversations (guide: method, "Inoculation").
    Prompting,
    /// Ablation of this share of the trait's direction at every layer.
    Ablate(f64),
    /// A loss with this weight on movement along the trait's direction at one layer.
    Regularize(f64),
    /// This share of the data is replaced by the base model's answers under positive system prompts, prompts included (guide: method,
    /// "Negative data").
    Negative(f64),
    /// A custom arm, by its index, at one of its strengths if it has several.
    Own(usize, Option<f64>),
}

/// What replaces the vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Random vectors whose increments have the norms of the real ones; the number of the draw.
    Random(usize),
    /// A random vector at one layer, as long as the real one there; the number of the draw.
    RandomLayer(usize),
    /// The mean difference between two random halves of the answers, each with as many positive as negative ones.
    Shuffled,
    /// The part of the vector that is orthogonal to the activation shift of the plain finetune of the same seed.
    Orthogonal,
    /// The next trait's vector.
    Unrelated,
    /// The negative of the vector, away from the trait.
    Negated,
}

impl Treatment {
    /// The arm that a finetune with this treatment is part of.
    pub(in crate::study) fn arm_kind(self) -> ArmKind {
        match self {
            Self::Plain => ArmKind::Plain,
            Self::AllLayers(_) => ArmKind::Preventative,
            Self::OneLayer(_) => ArmKind::PreventativeLayer,
            Self::Prompting => ArmKind::Prompting,
            Self::Ablate(_) => ArmKind::Ablate,
            Self::Regularize(_) => ArmKind::Regularize,
            Self::Negative(_) => ArmKind::Negative,
            Self::Control(Control::Random(_), _) => ArmKind::Random,
            Self::Control(Control::RandomLayer(_), _) => ArmKind::RandomLayer,
            Self::Control(Control::Shuffled, _) => ArmKind::Shuffled,
            Self::Control(Control::Orthogonal, _) => ArmKind::Orthogonal,
            Self::Control(Control::Unrelated, _) => ArmKind::Unrelated,
            Self::Control(Control::Negated, _) => ArmKind::Negated,
            Self::Own(..) => ArmKind::Own,
        }
    }

    /// The name of its arm: that of its kind, or the one in the configuration.
    pub(super) fn arm_name(self, config: &StudyConfig) -> &str {
        match self {
            Self::Own(place, _) => &config.own[place].name,
            _ => self.arm_kind().arm_name(),
        }
    }

    pub(in crate::study) fn coef(self) -> Option<f64> {
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

    /// The intervention on the model; `None` for plain finetunes and for interventions on the data.
    ///
    /// # Errors
    /// A custom arm whose intervention takes no coefficient, but is given some.
    pub fn intervention(self, config: &StudyConfig, layer: Layer) -> Result<Intervention> {
        let (vectors, positions) = (None, Positions::All);
        let (all, one) = (Layers::all(), Layers::One(layer.row()));
        let steering = |layers, coef: f64, incremental| SteeringSettings {
            vectors: None,
            layers,
            coef: coef as f32,
            incremental,
            inc_base: config.vector.base,
            positions,
            recompute: None,
        };
        Ok(match self {
            Self::Plain | Self::Prompting | Self::Negative(_) => Intervention::None,
            Self::AllLayers(coef)
            | Self::Control(Control::Shuffled | Control::Orthogonal | Control::Unrelated, coef) => {
                Intervention::Steer(steering(all, coef, true))
            }
            Self::OneLayer(coef) => Intervention::Steer(steering(one, coef, false)),
            Self::Control(Control::Negated, coef) => Intervention::Steer(steering(all, -coef, true)),
            Self::Control(Control::Random(_), coef) => {
                Intervention::Random { steering: steering(all, coef, true), seed: None }
            }
            Self::Control(Control::RandomLayer(_), coef) => {
                Intervention::Random { steering: steering(one, coef, false), seed: None }
            }
            Self::Ablate(share) => {
                let (coef, to) = (share as f32, AblateTo::Zero);
                Intervention::Ablate { vectors, layers: all, coef, to, positions }
            }
            Self::Regularize(lambda) => {
                let (lambda, mode) = (lambda as f32, Mode::default());
                Intervention::Regularize { vectors, layers: one, lambda, mode }
            }
            Self::Own(place, strength) => config.own[place].at(strength)?.resolve()?,
        })
    }
}
