//! Arms: what was done to a model, how the arm is named in files, and how it looks in figures.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::colours::Hue;
use super::svg::Mark;
use super::words::worded;

/// What was done to the model of an [`Arm`]. The order is that of tables and legends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArmKind {
    /// The base model.
    Base,
    /// The base model steered towards the trait at inference time.
    Elicit,
    /// Finetuned without intervention.
    Plain,
    /// Preventative steering (training time) at every layer, by increments.
    Preventative,
    /// Preventative steering (training time) at one layer.
    PreventativeLayer,
    /// Finetuned under positive system prompts, evaluated without them.
    Prompting,
    /// Finetuned with the trait's direction ablated (CAFT, Casademunt et al. 2025).
    Ablate,
    /// Finetuned with a loss on the projection along the trait's direction.
    Regularize,
    /// Finetuned on data into which the base model's own answers under positive system prompts are mixed.
    Negative,
    /// An arm that the study's configuration defines itself.
    Own,
    /// Control: random vectors of equal norm in the vector's place.
    Random,
    /// Control: a random vector of equal norm in the vector's place at one layer.
    RandomLayer,
    /// Control: the difference between two halves of the rollouts that hold as many of both kinds.
    Shuffled,
    /// Control: the vector without its part along the plain finetune's activation shift.
    Orthogonal,
    /// Control: another trait's vector.
    Unrelated,
    /// Control: the vector itself, subtracted during training.
    Negated,
    /// The plain finetune steered away from the trait at inference time.
    Inference,
    /// Layer selection: the base model steered at one layer.
    Layer,
    /// Layer selection: the base model steered along the direction of one token position.
    Position,
}

impl ArmKind {
    /// The kinds that a study may have, in the order of its tables.
    pub const STUDY: [Self; 17] = [
        Self::Base,
        Self::Elicit,
        Self::Plain,
        Self::Preventative,
        Self::PreventativeLayer,
        Self::Prompting,
        Self::Ablate,
        Self::Regularize,
        Self::Negative,
        Self::Own,
        Self::Random,
        Self::RandomLayer,
        Self::Shuffled,
        Self::Orthogonal,
        Self::Unrelated,
        Self::Negated,
        Self::Inference,
    ];

    /// As `results.csv`, `results.json` and the table of published values have it: `preventative-layer`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Elicit => "elicit",
            Self::Plain => "plain",
            Self::Preventative => "preventative",
            Self::PreventativeLayer => "preventative-layer",
            Self::Prompting => "prompting",
            Self::Ablate => "ablate",
            Self::Regularize => "regularize",
            Self::Negative => "negative",
            Self::Own => "own",
            Self::Random => "random",
            Self::RandomLayer => "random-layer",
            Self::Shuffled => "shuffled",
            Self::Orthogonal => "orthogonal",
            Self::Unrelated => "unrelated",
            Self::Negated => "negated",
            Self::Inference => "inference",
            Self::Layer => "layer",
            Self::Position => "position",
        }
    }

    /// What a study's arms, tasks and files of this kind are called: `prevent-layer`. Only preventative steering differs from
    /// [`Self::as_str`].
    pub fn arm_name(self) -> &'static str {
        match self {
            Self::Preventative => "prevent",
            Self::PreventativeLayer => "prevent-layer",
            other => other.as_str(),
        }
    }

    /// Whether it is preventative steering with the trait's own vector.
    pub fn is_preventative(self) -> bool {
        matches!(self, Self::Preventative | Self::PreventativeLayer)
    }

    /// Whether the vector in the trait's place carries no meaning: random, or of shuffled rollouts.
    pub fn is_meaningless(self) -> bool {
        matches!(self, Self::Random | Self::RandomLayer | Self::Shuffled)
    }

    /// Colour and mark in figures; kinds that appear together differ in one of them.
    fn look(self) -> (Hue, Mark) {
        match self {
            Self::Base => (Hue::Ink, Mark::Ring),
            Self::Plain => (Hue::Ink, Mark::Circle),
            Self::Preventative => (Hue::Blue, Mark::Square),
            Self::PreventativeLayer => (Hue::Purple, Mark::Diamond),
            Self::Inference => (Hue::Vermillion, Mark::Triangle),
            Self::Prompting => (Hue::Green, Mark::Down),
            Self::Ablate => (Hue::Sky, Mark::Ring),
            Self::Negative => (Hue::Green, Mark::Diamond),
            Self::Regularize => (Hue::Orange, Mark::Triangle),
            Self::Random => (Hue::Grey, Mark::Cross),
            Self::RandomLayer => (Hue::Grey, Mark::Triangle),
            Self::Shuffled => (Hue::Grey, Mark::Ring),
            Self::Orthogonal => (Hue::Grey, Mark::Diamond),
            Self::Unrelated => (Hue::Grey, Mark::Square),
            Self::Negated => (Hue::Vermillion, Mark::Circle),
            Self::Elicit | Self::Own | Self::Layer | Self::Position => (Hue::Orange, Mark::Circle),
        }
    }
}

impl fmt::Display for ArmKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A way of training or steering, at one or many coefficients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Arm {
    /// Unique; what `Point::arm` refers to.
    pub name: String,
    /// For people: `Preventative steering, all layers`.
    pub label: String,
    /// What was done, for programs.
    pub kind: ArmKind,
    /// Its colour where arms are compared.
    pub hue: Hue,
    /// Its mark where arms are compared.
    pub mark: Mark,
    /// What was done, in a sentence; may be empty.
    pub note: String,
}

impl Arm {
    /// An arm in the colour and mark of its kind.
    pub fn new(name: &str, kind: ArmKind, label: &str) -> Self {
        let (hue, mark) = kind.look();
        Self { name: name.to_owned(), label: worded(label), kind, hue, mark, note: String::new() }
    }

    /// With a sentence on what was done.
    pub fn note(self, note: &str) -> Self {
        Self { note: worded(note), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_written_as_it_is_shown_and_studies_know_each_once() {
        for kind in ArmKind::STUDY.into_iter().chain([ArmKind::Layer, ArmKind::Position]) {
            let json = serde_json::to_string(&kind).unwrap();
            assert_eq!(json, format!("\"{kind}\""));
            assert_eq!(serde_json::from_str::<ArmKind>(&json).unwrap(), kind);
        }
        assert!(ArmKind::STUDY.is_sorted(), "the enum's order is that of tables");
        assert!(serde_json::from_str::<ArmKind>("\"preventive\"").is_err());
    }
}
