//! Steering as it is written on the command line and in configurations, turned into a [`Plan`].

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Console;
use super::model::ModelFolder;
use crate::eval::Point;
use crate::model::QwenConfig;
use crate::steering::{Op, Plan, Positions};
use crate::vector::{IncBase, Layer, PersonaVector, VectorFile};
use crate::{Error, Result};

/// Which layers: some, or all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Layers {
    /// One number (in configurations only).
    One(usize),
    /// Numbers from 1.
    These(Vec<usize>),
    /// The word `all`.
    Word(String),
}

impl Layers {
    /// The layers of a model of `layers` blocks, ascending; `None` stands for all.
    pub fn numbers(&self, layers: usize) -> Result<Option<Vec<Layer>>> {
        let numbers = match self {
            Self::One(number) => vec![*number],
            Self::These(numbers) => numbers.clone(),
            Self::Word(word) if word == "all" => return Ok(None),
            Self::Word(word) => return Err(Error::usage(format!("layers `{word}`: a number, a list or `all`"))),
        };
        let mut numbers = numbers.into_iter().map(|n| Layer::of(n, layers)).collect::<Result<Vec<_>>>()?;
        numbers.sort();
        if numbers.is_empty() {
            return Err(Error::usage("no layer is named"));
        }
        if let Some(twice) = numbers.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::usage(format!("layer {} is named twice", twice[0].row())));
        }
        Ok(Some(numbers))
    }
}

impl FromStr for Layers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self::Word(text.into()));
        }
        let number =
            |part: &str| part.trim().parse().map_err(|_| format!("`{part}` is no layer; write 20, 12,16 or all"));
        text.split(',').map(number).collect::<Result<_, _>>().map(Self::These)
    }
}

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
    pub plan: Plan,
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

impl Steer<'_> {
    /// Reads the vectors, checks them against the model and makes the plan; tells the console what it is.
    ///
    /// # Errors
    /// As [`SteerArgs::resolve`].
    pub fn plan(&self, model: &ModelFolder, console: &dyn Console) -> Result<Steered> {
        super::paths::file("vectors", self.vectors)?;
        let (file, warnings) = VectorFile::read(self.vectors)?;
        let config = QwenConfig::read(&model.path)?;
        let fingerprint = model.fingerprint()?;
        let other = file.check(config.num_hidden_layers, config.hidden_size, fingerprint.as_str());
        let other = other.map_err(|e| e.at(self.vectors.display()))?;
        warnings.iter().chain(&other).for_each(|warning| console.warn(warning));

        let (plan, layers) = self.of(&file.response_avg)?;
        if layers.last() == Some(&Layer(file.response_avg.layers())) && !file.last_row_is_raw() {
            console.warn(&format!(
                "the last layer is steered with a row that was taken after the final norm ({}); it is no direction of the block's output",
                self.vectors.display()
            ));
        }
        if self.op == Op::Add && !self.incremental && layers.len() > 1 {
            console.warn("raw rows are added at several layers, and what each adds reaches the later ones; `all` adds increments");
        }
        let place = match &layers[..] {
            [one] => one.to_string(),
            some => format!("{} layers ({} to {})", some.len(), some[0], some[some.len() - 1]),
        };
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
    /// A layer that the vector does not have, or at which it holds nothing.
    pub fn of(&self, vector: &PersonaVector) -> Result<(Plan, Vec<Layer>)> {
        let numbers = self.layers.numbers(vector.layers())?;
        self.check_empty(vector, numbers.as_deref())?;
        let layers = numbers.unwrap_or_else(|| (1..=vector.layers()).map(Layer).collect());
        let plan = match (self.op, self.incremental) {
            (Op::Add, false) => Plan::rows(vector, &layers, self.coef, self.positions),
            (Op::Add, true) => {
                let mut plan = Plan::incremental(vector, self.base, self.coef, self.positions);
                plan.parts[0].steers.retain(|steer| layers.contains(&steer.layer));
                plan
            }
            (Op::Ablate, _) => Plan::ablate(vector, &layers, self.positions).at(self.coef),
        };
        Ok((plan, layers))
    }

    /// A file from elsewhere may not hold every layer; what it lacks is all zeros.
    fn check_empty(&self, vector: &PersonaVector, numbers: Option<&[Layer]>) -> Result<()> {
        let empty = vector.empty_layers();
        let file = self.vectors.display();
        if let Some(layer) = numbers.unwrap_or_default().iter().find(|layer| empty.contains(layer)) {
            let what = format!("{file}: it holds nothing at {layer}; all its numbers there are zero");
            return Err(Error::usage(what).hint("see with `trimtab vectors show` which layers it holds"));
        }
        let first = (1..=vector.layers()).map(Layer).find(|layer| !empty.contains(layer));
        if let Some(hole) = empty.iter().find(|&&hole| self.incremental && first.is_none_or(|first| hole > first)) {
            let what = format!("{file}: increments need every layer, and it holds nothing at {hole}");
            return Err(Error::usage(what).hint("name the layers that it holds instead of `all`"));
        }
        Ok(())
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

    #[test]
    fn layers_are_written_in_three_ways() {
        let numbers = |text: &str| {
            text.parse::<Layers>()
                .unwrap()
                .numbers(28)
                .map(|l| l.map(|l| l.iter().map(|l| l.row()).collect::<Vec<_>>()))
        };
        assert_eq!(numbers("20").unwrap(), Some(vec![20]));
        assert_eq!(numbers("16, 12").unwrap(), Some(vec![12, 16]));
        assert_eq!(numbers("all").unwrap(), None);
        assert!("some".parse::<Layers>().is_err());
        assert!(numbers("0").is_err() && numbers("29").is_err() && numbers("3,3").is_err());
    }
}
