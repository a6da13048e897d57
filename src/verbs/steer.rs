//! Steering as it is written on the command line and in configurations, turned into a [`SteeringPlan`].

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::Console;
use super::model::ModelFolder;
use crate::eval::Point;
use crate::model::QwenConfig;
use crate::steering::{Op, Positions, Recipe, SteeringPlan};
pub use crate::vector::Layers;
use crate::vector::{IncBase, Layer, PersonaVector, VectorFile};
use crate::{Error, Result};

/// `--op`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum OpArg {
    /// Add the coefficient times the vector.
    #[default]
    Add,
    /// Remove the component along the vector.
    Ablate,
}

/// `--positions`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PositionsArg {
    /// Every token.
    All,
    /// The prompt's tokens.
    Prompt,
    /// From the prompt's last token on.
    Response,
}

impl From<PositionsArg> for Positions {
    fn from(positions: PositionsArg) -> Self {
        match positions {
            PositionsArg::All => Self::All,
            PositionsArg::Prompt => Self::Prompt,
            PositionsArg::Response => Self::Response,
        }
    }
}

/// `--inc-base`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum IncBaseArg {
    /// Row 0, the embedding.
    #[default]
    Embedding,
    /// Nothing.
    Zero,
}

impl From<IncBaseArg> for IncBase {
    fn from(base: IncBaseArg) -> Self {
        match base {
            IncBaseArg::Embedding => Self::Embedding,
            IncBaseArg::Zero => Self::Zero,
        }
    }
}

/// Steering while text is generated.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Steering")]
pub struct SteerArgs {
    /// File of persona vectors to steer with: safetensors, persona_vectors' .pt or a GGUF control vector
    #[arg(long, value_name = "FILE", requires = "layer")]
    vectors: Option<PathBuf>,
    /// Where to steer: a layer (20), several (12,16), or `all` for the increments of the vector at every layer
    #[arg(long, value_name = "L|all", requires = "vectors")]
    layer: Option<Layers>,
    /// Strength in multiples of the raw vector; negative steers away; for `--op ablate` the share removed [default there: 1]
    #[arg(long, value_name = "A", allow_negative_numbers = true, requires = "vectors")]
    coef: Option<f32>,
    /// Which tokens are steered [default: response]
    #[arg(long, value_enum)]
    positions: Option<PositionsArg>,
    /// What is done at each layer
    #[arg(long, value_enum, default_value_t)]
    op: OpArg,
    /// What stands before the first layer when increments are taken
    #[arg(long, value_enum, default_value_t)]
    inc_base: IncBaseArg,
    /// Several vectors at once: a file, its strength and its layers, once for each
    #[arg(long, value_name = "FILE=A@L", conflicts_with = "vectors", allow_hyphen_values = true)]
    steer: Vec<Written>,
}

/// Steering by a file of vectors, with every default filled in.
#[derive(Debug, Clone)]
pub struct Steer<'a> {
    /// The file.
    pub vectors: &'a Path,
    /// Where.
    pub layers: &'a Layers,
    /// Add or ablate.
    pub op: Op,
    /// How strong.
    pub coef: f32,
    /// At which tokens.
    pub positions: Positions,
    /// Increments from row to row instead of rows.
    pub incremental: bool,
    /// What stands before the first layer then.
    pub base: IncBase,
}

/// One part of a plan as it is written: `evil.safetensors=-1.5@20`, a file of vectors, the strength, and the layers (a number,
/// `12,16` or `all`).
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The file, or a name that the verb knows.
    pub vectors: String,
    /// How strong.
    pub coef: f32,
    /// Where.
    pub layers: Layers,
}

impl FromStr for Written {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let whole = || format!("`{text}` is no steering; write FILE=COEF@LAYER, e.g. evil.safetensors=-1.5@20");
        // From the right: a file's name may hold both signs.
        let (rest, layers) = text.rsplit_once('@').ok_or_else(whole)?;
        let (vectors, coef) = rest.rsplit_once('=').ok_or_else(whole)?;
        let number = coef.trim().parse::<f32>().ok().filter(|coef| coef.is_finite());
        let coef = number.ok_or_else(|| format!("`{coef}` is no strength; write a number such as -1.5"))?;
        if vectors.trim().is_empty() {
            return Err(whole());
        }
        Ok(Self { vectors: vectors.trim().to_owned(), coef, layers: layers.parse()? })
    }
}

/// A plan, and the vectors it was made from.
#[derive(Debug, Clone, Default)]
pub struct Steered {
    /// What is done.
    pub plan: SteeringPlan,
    /// Each part in words, for output rows and locks.
    pub described: Vec<Value>,
    /// Identity of each part's numbers.
    pub fingerprints: Vec<String>,
}

impl Steered {
    /// What an output row says: each part with the number of positions that it steered; null without steering.
    pub fn row(&self, steered: &[usize]) -> Value {
        let part = |(described, n): (&Value, &usize)| {
            let mut described = described.clone();
            described["positions_steered"] = json!(n);
            described
        };
        if self.described.is_empty() { Value::Null } else { self.described.iter().zip(steered).map(part).collect() }
    }
}

impl SteerArgs {
    /// The plan that these flags ask for; an empty one if they ask for none.
    ///
    /// # Errors
    /// A vector file that cannot be read or is another model's, a layer that does not exist, a missing coefficient.
    pub fn resolve(&self, model: &ModelFolder, console: &dyn Console) -> Result<Steered> {
        let Self { vectors, layer, coef, positions, op, inc_base, steer } = self;
        let positions = positions.map_or(Positions::Response, Positions::from);
        let mut all = Steered::default();
        for Written { vectors, coef, layers } in steer {
            let part = Steer {
                vectors: Path::new(vectors),
                layers,
                op: Op::Add,
                coef: *coef,
                positions,
                incremental: *layers == Layers::Word("all".into()),
                base: (*inc_base).into(),
            };
            let Steered { plan, described, fingerprints } = part.plan(model, console)?;
            all.plan = all.plan.and(plan);
            all.described.extend(described);
            all.fingerprints.extend(fingerprints);
        }
        let (Some(vectors), Some(layers)) = (vectors, layer) else { return Ok(all) };
        let op = match op {
            OpArg::Add => Op::Add,
            OpArg::Ablate => Op::Ablate,
        };
        let coef = match (coef, op) {
            (Some(coef), _) => *coef,
            (None, Op::Ablate) => 1.0,
            (None, Op::Add) => {
                return Err(Error::usage("--vectors without --coef").hint("say how strong, e.g. --coef 1.5"));
            }
        };
        let steer = Steer {
            vectors,
            layers,
            op,
            coef,
            positions,
            incremental: op == Op::Add && *layers == Layers::Word("all".into()),
            base: (*inc_base).into(),
        };
        steer.plan(model, console)
    }
}

impl SteerArgs {
    /// The plan under a sweep of strengths, and its points; without strengths [`Self::resolve`], and no point.
    ///
    /// # Errors
    /// As [`Self::resolve`]; strengths without exactly one vector to apply them to, or one that is named twice.
    pub fn sweep(&self, coefs: &[f32], model: &ModelFolder, console: &dyn Console) -> Result<(Steered, Vec<Point>)> {
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
                Error::usage("--coefs sweeps the strength of one vector").hint("name it with --vectors and --layer")
            );
        }
        let all: Vec<String> = coefs.iter().map(f32::to_string).collect();
        console.say(&format!("swept in one batch: coefficients {}", all.join(", ")));
        Ok((steered, coefs.iter().copied().map(Point::of).collect()))
    }
}

/// Reads a file of vectors and checks it against the model; its warnings go to the console.
///
/// # Errors
/// No such file, a broken one, or another model's.
pub fn read_vectors(path: &Path, model: &ModelFolder, console: &dyn Console) -> Result<VectorFile> {
    super::paths::file("vectors", path)?;
    let (file, warnings) = VectorFile::read(path)?;
    let config = QwenConfig::read(&model.path)?;
    let fingerprint = model.fingerprint()?;
    let other = file.check(config.num_hidden_layers, config.hidden_size, fingerprint.as_str());
    let other = other.map_err(|e| e.at(path.display()))?;
    warnings.iter().chain(&other).for_each(|warning| console.warn(warning));
    Ok(file)
}

/// The last row of some files is no direction of the last block's output.
pub fn warn_of_last_row(path: &Path, file: &VectorFile, layers: &[Layer], console: &dyn Console) {
    if layers.last() == Some(&Layer(file.response_avg.layers())) && !file.last_row_is_raw() {
        console.warn(&format!(
            "the last layer is touched along a row that was taken after the final norm ({}); it is no direction of the block's output",
            path.display()
        ));
    }
}

/// Layers in words.
pub fn place_of(layers: &[Layer]) -> String {
    match layers {
        [one] => one.to_string(),
        some => format!("{} layers ({} to {})", some.len(), some[0], some[some.len() - 1]),
    }
}

impl Steer<'_> {
    /// Reads the vectors, checks them against the model and makes the plan; tells the console what it is.
    ///
    /// # Errors
    /// As [`SteerArgs::resolve`].
    pub fn plan(&self, model: &ModelFolder, console: &dyn Console) -> Result<Steered> {
        let file = read_vectors(self.vectors, model, console)?;
        let (plan, layers) = self.of(&file.response_avg)?;
        warn_of_last_row(self.vectors, &file, &layers, console);
        if self.op == Op::Add && !self.incremental && layers.len() > 1 {
            console.warn("raw rows are added at several layers, and what each adds reaches the later ones; `all` adds increments");
        }
        let place = place_of(&layers);
        let norm =
            plan.parts[0].steers.iter().flat_map(|s| &s.vector).map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        let (op, positions) = (json!(self.op), json!(self.positions));
        console.say(&match self.op {
            Op::Add => format!(
                "steering: add {} times the {} at {place}, {} tokens, norm of the shift {:.4}",
                self.coef,
                if self.incremental { "increments" } else { "vector" },
                positions.as_str().unwrap_or_default(),
                f64::from(self.coef.abs()) * norm
            ),
            Op::Ablate => format!("steering: ablate at {place}, {} tokens", positions.as_str().unwrap_or_default()),
        });
        let described = json!({
            "op": op,
            "coef": self.coef,
            "positions": positions,
            "layers": layers,
            "incremental": self.incremental,
            "inc_base": self.incremental.then_some(self.base),
            "vectors": self.vectors.display().to_string(),
            "fingerprint": file.fingerprint,
        });
        Ok(Steered { plan, described: vec![described], fingerprints: vec![file.fingerprint] })
    }

    /// The plan that a vector makes, and the layers where it acts, ascending.
    ///
    /// # Errors
    /// As [`Recipe::plan`]; they name the file.
    pub fn of(&self, vector: &PersonaVector) -> Result<(SteeringPlan, Vec<Layer>)> {
        self.recipe().plan(vector).map_err(|e| e.at(self.vectors.display()))
    }

    fn recipe(&self) -> Recipe {
        let &Self { vectors: _, layers, op, coef, positions, incremental, base } = self;
        Recipe { op, layers: layers.clone(), coef, positions, incremental, base }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steering_is_written_in_one_word() {
        let layers = |text: &str| text.parse::<Layers>().unwrap();
        let written: Written = "runs/a=b@2/evil.safetensors=-1.5@12,20".parse().unwrap();
        assert_eq!(
            written,
            Written { vectors: "runs/a=b@2/evil.safetensors".into(), coef: -1.5, layers: layers("12,20") }
        );
        assert_eq!("evil=2@all".parse::<Written>().unwrap().layers, layers("all"));
        for bad in ["evil", "evil=1", "evil@3", "=1@3", "evil=much@3", "evil=inf@3", "evil=1@some"] {
            assert!(bad.parse::<Written>().is_err(), "{bad}");
        }
    }
}
