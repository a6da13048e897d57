//! What is done while a model learns, as configurations write it: `{ type = "steer", layers = "all", coef = 1.25 }`. Each
//! kind has its own keys and no others.
//!
//! Every key may be absent; [`Intervention::resolve`] fills in the defaults and gives the same form. Paths are for commands;
//! a study names none and hands its own vectors to [`Intervention::plan`].

mod acts;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use acts::AblateTo;
use acts::adding;

use super::penalty::Mode;
use crate::steering::{Positions, Recipe};
use crate::vector::{IncBase, Layers};
use crate::{Error, Result};

/// A file, or several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Files {
    /// One.
    One(PathBuf),
    /// Several, in order.
    Many(Vec<PathBuf>),
}

impl Files {
    /// All of them.
    pub fn all(&self) -> Vec<PathBuf> {
        match self {
            Self::One(path) => vec![path.clone()],
            Self::Many(paths) => paths.clone(),
        }
    }

    fn each(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        match self {
            Self::One(path) => std::slice::from_mut(path).iter_mut(),
            Self::Many(paths) => paths.iter_mut(),
        }
    }
}

/// An intervention of training time; absent afterwards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Intervention {
    /// Plain finetuning.
    None {},
    /// Preventative steering: the vector is added to the stream (METHOD G.1).
    Steer(Steer),
    /// The vectors' span is projected out of the stream (CAFT, METHOD G.3).
    Ablate(Ablate),
    /// A loss on what the adapter moves along the vector (METHOD G.4): the signal of the probe itself is trained on.
    Regularize(Regularize),
    /// A system prompt that calls the trait up stands before every chat (METHOD G.5).
    Inoculate(Inoculate),
    /// Chats of another file are mixed in (METHOD K6).
    NegativeData(NegativeData),
    /// As `steer`, along random vectors of the same norms: the control (METHOD K7).
    Random(Random),
}

/// [`Intervention::Steer`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Steer {
    /// File of persona vectors.
    pub vectors: Option<PathBuf>,
    /// `20`, `[12, 16]` or `"all"`.
    pub layers: Option<Layers>,
    /// Multiples of the raw vector; above 0 towards the trait.
    pub coef: Option<f32>,
    /// Increments from row to row instead of rows; so by default where `layers` is `"all"`.
    pub incremental: Option<bool>,
    /// What stands before the first layer then.
    pub inc_base: Option<IncBase>,
    /// At which tokens; all by default, as the reference's hook.
    pub positions: Option<Positions>,
    /// Steps after which the vector is extracted anew from the weights as they are then (METHOD K5). It closes a feedback
    /// loop: what is learned decides what is steered with. 0, the default, keeps the vector frozen.
    pub recompute_every: Option<usize>,
    /// Judged answers that show the trait, the fixed texts from which it is extracted anew.
    pub pos: Option<PathBuf>,
    /// Judged answers that lack it.
    pub neg: Option<PathBuf>,
    /// At most so many texts of each side.
    pub texts: Option<usize>,
}

/// [`Intervention::Ablate`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ablate {
    /// Files of persona vectors; several span a space of that rank.
    pub vectors: Option<Files>,
    /// Where; all layers by default, each with its own directions: at one layer alone it does nothing (METHOD G.3).
    pub layers: Option<Layers>,
    /// The share removed; 1 by default.
    pub coef: Option<f32>,
    /// What is left along the directions: nothing, as in the paper and by default, or the base model's mean.
    pub to: Option<AblateTo>,
    /// At which tokens; all by default.
    pub positions: Option<Positions>,
}

/// [`Intervention::Regularize`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Regularize {
    /// File of persona vectors.
    pub vectors: Option<PathBuf>,
    /// Where; each layer along its own direction.
    pub layers: Option<Layers>,
    /// Weight of the loss.
    pub lambda: Option<f32>,
    /// What is punished; every movement by default.
    pub mode: Option<Mode>,
}

/// [`Intervention::Inoculate`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inoculate {
    /// System prompts, one of which is drawn for every training chat.
    pub prompts: Option<Vec<String>>,
}

/// [`Intervention::NegativeData`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NegativeData {
    /// JSONL of chats; their own system prompts are kept.
    pub file: Option<PathBuf>,
    /// Their share of the training set, 0 to 1.
    pub share: Option<f64>,
}

/// [`Intervention::Random`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Random {
    /// File of persona vectors, whose norms are taken.
    pub vectors: Option<PathBuf>,
    /// As for `steer`.
    pub layers: Option<Layers>,
    /// As for `steer`.
    pub coef: Option<f32>,
    /// As for `steer`.
    pub incremental: Option<bool>,
    /// As for `steer`.
    pub inc_base: Option<IncBase>,
    /// As for `steer`.
    pub positions: Option<Positions>,
    /// Decides the draw; the training seed by default.
    pub seed: Option<u64>,
}

/// Every kind with its keys, in the order of [`Intervention`].
const KINDS: [(&str, &[&str]); 7] = [
    ("none", &[]),
    (
        "steer",
        &[
            "vectors",
            "layers",
            "coef",
            "incremental",
            "inc_base",
            "positions",
            "recompute_every",
            "pos",
            "neg",
            "texts",
        ],
    ),
    ("ablate", &["vectors", "layers", "coef", "to", "positions"]),
    ("regularize", &["vectors", "layers", "lambda", "mode"]),
    ("inoculate", &["prompts"]),
    ("negative-data", &["file", "share"]),
    ("random", &["vectors", "layers", "coef", "incremental", "inc_base", "positions", "seed"]),
];

/// Texts of each side from which a vector is extracted anew, unless said otherwise.
const TEXTS: usize = 64;

impl Default for Intervention {
    fn default() -> Self {
        Self::None {}
    }
}

impl Steer {
    fn recipe(&self) -> Result<Recipe> {
        let Self { layers, coef, incremental, inc_base, positions, .. } = self;
        adding("steer", layers.as_ref(), *coef, *incremental, *inc_base, *positions)
    }

    fn resolve(mut self) -> Result<Self> {
        let recipe = self.recipe()?;
        (self.incremental, self.positions) = (Some(recipe.incremental), Some(recipe.positions));
        self.inc_base = recipe.incremental.then_some(recipe.base);
        let refreshed = *self.recompute_every.get_or_insert(0) > 0;
        let texts = self.pos.is_some() || self.neg.is_some() || self.texts.is_some();
        usage(refreshed || !texts, || {
            Error::usage("`pos`, `neg` and `texts` are for `recompute_every`, which is 0: the vector stays as it is")
        })?;
        if refreshed {
            let texts = *self.texts.get_or_insert(TEXTS);
            usage(texts > 0, || Error::usage("`texts` is 0; it must be at least 1"))?;
        }
        Ok(self)
    }
}

impl Ablate {
    fn resolve(mut self) -> Result<Self> {
        self.layers.get_or_insert_with(Layers::all);
        let share = *self.coef.get_or_insert(1.0);
        usage(share.is_finite(), || Error::usage(format!("`coef` is {share}; it is the share that is removed")))?;
        self.to.get_or_insert_default();
        self.positions.get_or_insert(Positions::All);
        Ok(self)
    }
}

impl Regularize {
    fn resolve(mut self) -> Result<Self> {
        needs("regularize", "layers", self.layers.is_some())?;
        needs("regularize", "lambda", self.lambda.is_some())?;
        let lambda = self.lambda.unwrap_or_default();
        usage(lambda.is_finite() && lambda >= 0.0, || {
            Error::usage(format!("`lambda` is {lambda}; it must be a number, 0 or above"))
        })?;
        self.mode.get_or_insert_default();
        Ok(self)
    }
}

impl Random {
    fn recipe(&self) -> Result<Recipe> {
        let Self { layers, coef, incremental, inc_base, positions, .. } = self;
        adding("random", layers.as_ref(), *coef, *incremental, *inc_base, *positions)
    }

    fn resolve(mut self) -> Result<Self> {
        let recipe = self.recipe()?;
        (self.incremental, self.positions) = (Some(recipe.incremental), Some(recipe.positions));
        self.inc_base = recipe.incremental.then_some(recipe.base);
        Ok(self)
    }
}

impl Intervention {
    /// All types.
    pub fn kinds() -> Vec<&'static str> {
        KINDS.map(|(kind, _)| kind).to_vec()
    }

    /// The keys of a type, or of any if `None`; nothing if there is no such type.
    pub fn keys(kind: Option<&str>) -> Option<Vec<&'static str>> {
        let Some(kind) = kind else {
            let mut all: Vec<&str> = KINDS.iter().flat_map(|(_, keys)| keys.iter().copied()).collect();
            all.sort_unstable();
            all.dedup();
            return Some(all);
        };
        KINDS.iter().find(|(name, _)| *name == kind).map(|(_, keys)| keys.to_vec())
    }

    /// Its type, as configurations write it.
    pub fn kind(&self) -> &'static str {
        let place = match self {
            Self::None {} => 0,
            Self::Steer(_) => 1,
            Self::Ablate(_) => 2,
            Self::Regularize(_) => 3,
            Self::Inoculate(_) => 4,
            Self::NegativeData(_) => 5,
            Self::Random(_) => 6,
        };
        KINDS[place].0
    }

    /// The same with these in place of its own; plain finetuning becomes steering.
    ///
    /// # Errors
    /// One that it has no use for.
    pub fn with(self, vectors: Option<PathBuf>, layers: Option<Layers>, coef: Option<f32>) -> Result<Self> {
        let refuse = |key: &str, given: bool| {
            let what = || Error::usage(format!("an intervention of type \"{}\" takes no `{key}`", self.kind()));
            usage(!given, what)
        };
        match &self {
            Self::Inoculate(_) | Self::NegativeData(_) => {
                refuse("vectors", vectors.is_some())?;
                refuse("layers", layers.is_some())?;
                refuse("coef", coef.is_some())?;
            }
            Self::Regularize(_) => refuse("coef", coef.is_some())?,
            _ => {}
        }
        Ok(match self {
            Self::None {} => Self::Steer(Steer { vectors, layers, coef, ..Steer::default() }),
            Self::Steer(own) => Self::Steer(Steer {
                vectors: vectors.or(own.vectors),
                layers: layers.or(own.layers),
                coef: coef.or(own.coef),
                ..own
            }),
            Self::Random(own) => Self::Random(Random {
                vectors: vectors.or(own.vectors),
                layers: layers.or(own.layers),
                coef: coef.or(own.coef),
                ..own
            }),
            Self::Ablate(own) => Self::Ablate(Ablate {
                vectors: vectors.map(Files::One).or(own.vectors),
                layers: layers.or(own.layers),
                coef: coef.or(own.coef),
                ..own
            }),
            Self::Regularize(own) => {
                Self::Regularize(Regularize { vectors: vectors.or(own.vectors), layers: layers.or(own.layers), ..own })
            }
            other => other,
        })
    }

    /// The same at another strength: the coefficient, the weight of a regularisation, or the share of negative data.
    ///
    /// # Errors
    /// One that has no strength.
    pub fn at(self, strength: f32) -> Result<Self> {
        Ok(match self {
            Self::Steer(own) => Self::Steer(Steer { coef: Some(strength), ..own }),
            Self::Random(own) => Self::Random(Random { coef: Some(strength), ..own }),
            Self::Ablate(own) => Self::Ablate(Ablate { coef: Some(strength), ..own }),
            Self::Regularize(own) => Self::Regularize(Regularize { lambda: Some(strength), ..own }),
            Self::NegativeData(own) => Self::NegativeData(NegativeData { share: Some(f64::from(strength)), ..own }),
            Self::None {} | Self::Inoculate(_) => {
                return Err(Error::usage(format!("an intervention of type \"{}\" has no strength", self.kind())));
            }
        })
    }

    /// Fills in every default and refuses what contradicts itself. Paths may be absent: see [`Self::lacks`].
    ///
    /// # Errors
    /// A number out of range, or a key without which there is no intervention.
    pub fn resolve(self) -> Result<Self> {
        Ok(match self {
            Self::None {} => self,
            Self::Steer(steer) => Self::Steer(steer.resolve()?),
            Self::Ablate(ablate) => Self::Ablate(ablate.resolve()?),
            Self::Regularize(regularize) => Self::Regularize(regularize.resolve()?),
            Self::Random(random) => Self::Random(random.resolve()?),
            Self::Inoculate(inoculate) => {
                needs("inoculate", "prompts", inoculate.prompts.as_ref().is_some_and(|prompts| !prompts.is_empty()))?;
                Self::Inoculate(inoculate)
            }
            Self::NegativeData(data) => {
                needs("negative-data", "share", data.share.is_some())?;
                let share = data.share.unwrap_or_default();
                usage((0.0..1.0).contains(&share), || {
                    Error::usage(format!("`share` is {share}; it is a share of the training set, 0 to below 1"))
                })?;
                Self::NegativeData(data)
            }
        })
    }

    /// The key of a file that a command needs and that is not named.
    pub fn lacks(&self) -> Option<&'static str> {
        let missing = |path: &Option<PathBuf>, key| path.is_none().then_some(key);
        match self {
            Self::None {} | Self::Inoculate(_) => None,
            Self::Steer(steer) => {
                let refreshed = steer.recompute_every.is_some_and(|every| every > 0);
                let texts = || missing(&steer.pos, "pos").or(missing(&steer.neg, "neg"));
                missing(&steer.vectors, "vectors").or_else(|| refreshed.then(texts).flatten())
            }
            Self::Ablate(ablate) => {
                ablate.vectors.as_ref().is_none_or(|files| files.all().is_empty()).then_some("vectors")
            }
            Self::Regularize(regularize) => missing(&regularize.vectors, "vectors"),
            Self::Random(random) => missing(&random.vectors, "vectors"),
            Self::NegativeData(data) => missing(&data.file, "file"),
        }
    }

    /// Every path that it names, with its key.
    pub fn paths(&mut self) -> Vec<(&'static str, &mut PathBuf)> {
        fn one<'p>(key: &'static str, path: &'p mut Option<PathBuf>) -> Option<(&'static str, &'p mut PathBuf)> {
            path.as_mut().map(|path| (key, path))
        }
        match self {
            Self::None {} | Self::Inoculate(_) => Vec::new(),
            Self::Steer(Steer { vectors, pos, neg, .. }) => {
                [one("vectors", vectors), one("pos", pos), one("neg", neg)].into_iter().flatten().collect()
            }
            Self::Ablate(ablate) => {
                ablate.vectors.iter_mut().flat_map(Files::each).map(|path| ("vectors", path)).collect()
            }
            Self::Regularize(Regularize { vectors, .. }) | Self::Random(Random { vectors, .. }) => {
                one("vectors", vectors).into_iter().collect()
            }
            Self::NegativeData(data) => one("file", &mut data.file).into_iter().collect(),
        }
    }

    /// The vector files that it names.
    pub fn vectors(&self) -> Vec<&Path> {
        match self {
            Self::Steer(Steer { vectors, .. })
            | Self::Regularize(Regularize { vectors, .. })
            | Self::Random(Random { vectors, .. }) => vectors.iter().map(PathBuf::as_path).collect(),
            Self::Ablate(Ablate { vectors: Some(Files::One(path)), .. }) => vec![path],
            Self::Ablate(Ablate { vectors: Some(Files::Many(paths)), .. }) => {
                paths.iter().map(PathBuf::as_path).collect()
            }
            _ => Vec::new(),
        }
    }
}

fn needs(kind: &str, key: &str, there: bool) -> Result<()> {
    usage(there, || Error::usage(format!("an intervention of type \"{kind}\" needs `{key}`")))
}

fn usage(holds: bool, error: impl FnOnce() -> Error) -> Result<()> {
    if holds { Ok(()) } else { Err(error()) }
}

#[cfg(test)]
mod tests;
