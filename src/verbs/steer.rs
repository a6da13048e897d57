//! The flags that steer a model while it generates, turned into a [`DescribedPlan`].

use std::path::{Path, PathBuf};

use clap::Args;

use super::Console;
use super::choices::{Choices, one_of};
use super::model::Model;
use crate::eval::Point;
use crate::session::SteeringSpec;
use crate::steering::{DescribedPlan, Op, Positions, SteeringRecipe};
use crate::vector::{IncBase, Layers};
use crate::{Error, Result};

/// `--positions`.
pub const POSITIONS: &Choices<Positions> = &[
    ("all", Positions::All, "Every token"),
    ("prompt", Positions::Prompt, "The prompt's tokens"),
    ("response", Positions::Response, "From the prompt's last token on"),
];

const OPS: &Choices<Op> = &[
    ("add", Op::Add, "Add the coefficient times the vector"),
    ("ablate", Op::Ablate, "Remove the component along the vector"),
];

const INC_BASES: &Choices<IncBase> =
    &[("embedding", IncBase::Embedding, "Row 0, the embedding"), ("zero", IncBase::Zero, "Nothing")];

/// Inference-time steering.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Steering")]
pub struct SteerArgs {
    /// File of persona vectors to steer with: safetensors, persona_vectors' .pt or a GGUF control vector
    #[arg(long, value_name = "FILE", requires = "layer")]
    vectors: Option<PathBuf>,
    /// Where to steer: a layer (20), several (12,16), or `all` for the increments of the vector at every layer
    #[arg(long, value_name = "L|all", requires = "vectors")]
    layer: Option<Layers>,
    /// Coefficient in multiples of the raw vector; negative steers away; for `--op ablate` the share removed [default there: 1]
    #[arg(long, value_name = "A", allow_negative_numbers = true, requires = "vectors")]
    coef: Option<f32>,
    /// Which tokens are steered [default: response]
    #[arg(long, value_parser = one_of(POSITIONS))]
    positions: Option<Positions>,
    /// What is done at each layer
    #[arg(long, value_parser = one_of(OPS), default_value = "add")]
    op: Op,
    /// What stands before the first layer when increments are taken
    #[arg(long, value_parser = one_of(INC_BASES), default_value = "embedding")]
    inc_base: IncBase,
    /// Several vectors at once: a file, its coefficient and its layers, once for each
    #[arg(long, value_name = "FILE=A@L", conflicts_with = "vectors", allow_hyphen_values = true)]
    steer: Vec<SteeringSpec>,
}

impl SteerArgs {
    fn recipes(&self) -> Result<Vec<(&Path, SteeringRecipe)>> {
        let positions = self.positions.unwrap_or(Positions::Response);
        let recipe = |op: Op, layers: &Layers, coef: f32| {
            let incremental = op == Op::Add && *layers == Layers::all();
            SteeringRecipe { op, layers: layers.clone(), coef, positions, incremental, base: self.inc_base }
        };
        let (Some(vectors), Some(layers)) = (&self.vectors, &self.layer) else {
            let part = |spec: &'_ SteeringSpec| recipe(Op::Add, &spec.layers, spec.coef);
            return Ok(self.steer.iter().map(|spec| (Path::new(&spec.vector), part(spec))).collect());
        };
        let coef = match (self.coef, self.op) {
            (Some(coef), _) => coef,
            (None, Op::Ablate) => 1.0,
            (None, Op::Add) => {
                return Err(Error::usage("--vectors without --coef").hint("say how strong, e.g. --coef 1.5"));
            }
        };
        Ok(vec![(vectors.as_path(), recipe(self.op, layers, coef))])
    }

    /// The plan that these flags describe, empty without any of them; the console is told what it is.
    pub fn resolve(&self, model: &Model, console: &dyn Console) -> Result<DescribedPlan> {
        let mut all = DescribedPlan::default();
        for (path, recipe) in self.recipes()? {
            let part = DescribedPlan::new(&recipe, path, &model.vectors(path, console)?)?;
            part.warnings.iter().for_each(|warning| console.warn(warning));
            part.summary.iter().for_each(|line| console.say(line));
            all = all.and(part);
        }
        Ok(all)
    }

    /// The plan under a sweep of coefficients, and its points; without coefficients [`Self::resolve`], and no point.
    pub fn sweep(&self, coefs: &[f32], model: &Model, console: &dyn Console) -> Result<(DescribedPlan, Vec<Point>)> {
        let Some(&first) = coefs.first() else { return Ok((self.resolve(model, console)?, Vec::new())) };
        if self.coef.is_some() {
            return Err(Error::usage("--coef and --coefs say the same thing twice").hint("leave --coef out"));
        }
        if let Some(twice) = coefs.iter().enumerate().find(|(i, coef)| coefs[..*i].contains(coef)) {
            return Err(Error::usage(format!("--coefs names {} twice", twice.1)));
        }
        let steered = Self { coef: Some(first), ..self.clone() }.resolve(model, console)?;
        if steered.plan.parts.len() != 1 {
            return Err(
                Error::usage("--coefs sweeps the coefficient of one vector").hint("name it with --vectors and --layer")
            );
        }
        let all: Vec<String> = coefs.iter().map(f32::to_string).collect();
        console.say(&format!("swept in one batch: coefficients {}", all.join(", ")));
        Ok((steered, coefs.iter().copied().map(Point::of).collect()))
    }
}
