//! What an intervention does with a vector: its recipe, its plan, its loss.

use serde::{Deserialize, Serialize};

use super::super::penalty::Regularizer;
use super::{Intervention, Regularize, needs, usage};
use crate::language_model::Direction;
use crate::steering::{Op, Positions, Recipe, SteeringPlan};
use crate::vector::{IncBase, Layers, PersonaVector};
use crate::{Error, Result, ensure};

/// What an ablation leaves along its directions (METHOD G.3; only `zero` is the paper's).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AblateTo {
    /// Nothing: `h ← h − (h·v̂) v̂`.
    #[default]
    Zero,
    /// What the base model has there on average over the response tokens of the training data: `h ← h − (h·v̂) v̂ + m v̂`.
    Mean,
}

impl Intervention {
    /// Whether its plan wants the base model's mean state: [`SteeringPlan::to_mean`] is then to follow [`Self::plan`].
    pub fn wants_mean(&self) -> bool {
        matches!(self, Self::Ablate(ablate) if ablate.to == Some(AblateTo::Mean))
    }

    /// How a vector becomes its plan, where one vector does: the recipe that a vector extracted anew goes through, too.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn recipe(&self) -> Result<Option<Recipe>> {
        match self {
            Self::Steer(steer) => steer.recipe().map(Some),
            Self::Random(random) => random.recipe().map(Some),
            _ => Ok(None),
        }
    }

    /// What it does to the residual stream, with these vectors: one, or for an ablation as many as its rank. Nothing at
    /// strength 0, and for the kinds that leave the stream alone. `seed` decides the draw of `random`, unless it has its own.
    ///
    /// # Errors
    /// As [`Self::resolve`]; vectors that are missing or too many, or that lack a layer.
    pub fn plan(&self, vectors: &[&PersonaVector], seed: u64) -> Result<SteeringPlan> {
        let plan = match self {
            Self::Steer(steer) => steer.recipe()?.plan(self.only(vectors)?)?.0,
            Self::Random(random) => {
                let plan = random.recipe()?.plan(self.only(vectors)?)?.0;
                plan.random_like(random.seed.unwrap_or(seed))
            }
            Self::Ablate(ablate) => {
                let (layers, positions) = (ablate.layers.clone().unwrap_or_else(Layers::all), ablate.positions);
                let share = ablate.coef.unwrap_or(1.0);
                SteeringPlan::ablate_span(vectors, &layers, share, positions.unwrap_or(Positions::All))?
            }
            _ => SteeringPlan::none(),
        };
        Ok(if plan.coefs().iter().all(|&coef| coef == 0.0) { SteeringPlan::none() } else { plan })
    }

    /// The loss that it adds, with this vector; none at weight 0, and for the other kinds.
    ///
    /// # Errors
    /// As [`Self::plan`].
    pub fn regularizer(&self, vectors: &[&PersonaVector]) -> Result<Option<Regularizer>> {
        let Self::Regularize(regularize) = self else { return Ok(None) };
        let Regularize { layers, lambda, mode, .. } = regularize.clone().resolve()?;
        let vector = self.only(vectors)?;
        let direction = |layer| Direction { layer, vector: vector.row(layer).to_vec() };
        let layers = layers.unwrap_or_else(Layers::all).of(vector.layers())?;
        let regularizer = Regularizer {
            mode: mode.unwrap_or_default(),
            lambda: lambda.unwrap_or_default(),
            directions: layers.into_iter().map(direction).collect(),
        };
        Ok((regularizer.lambda > 0.0).then_some(regularizer))
    }

    fn only<'v>(&self, vectors: &[&'v PersonaVector]) -> Result<&'v PersonaVector> {
        let n = vectors.len();
        ensure!(n == 1, "an intervention of type \"{}\" takes one vector, not {n}", self.kind());
        Ok(vectors[0])
    }
}

/// The recipe of an addition, with its defaults.
pub(super) fn adding(
    kind: &str,
    layers: Option<&Layers>,
    coef: Option<f32>,
    incremental: Option<bool>,
    base: Option<IncBase>,
    positions: Option<Positions>,
) -> Result<Recipe> {
    needs(kind, "layers", layers.is_some())?;
    needs(kind, "coef", coef.is_some())?;
    let (layers, coef) = (layers.cloned().unwrap_or_else(Layers::all), coef.unwrap_or_default());
    usage(coef.is_finite(), || Error::usage(format!("`coef` is {coef}; it must be a number")))?;
    let incremental = incremental.unwrap_or(layers == Layers::all());
    // Every token of the training text, as the reference's hook does (METHOD G.1).
    let positions = positions.unwrap_or(Positions::All);
    Ok(Recipe { op: Op::Add, layers, coef, positions, incremental, base: base.unwrap_or_default() })
}
