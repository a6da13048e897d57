//! What is done while a model learns, as configurations write it: `{ type = "steer", layers = "all", coef = 1.25 }`. Each
//! kind has its own keys and no others.
//!
//! Every key may be absent; [`Intervention::resolve`] fills in the defaults and gives the same form. Paths are for commands;
//! a study names none and hands its own vectors to [`Intervention::plan`].

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::penalty::{Mode, Regularizer};
use crate::steering::{Op, Plan, Positions, Recipe};
use crate::subject::Direction;
use crate::vector::{IncBase, Layers, PersonaVector};
use crate::{Error, Result, ensure};

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
    ("ablate", &["vectors", "layers", "coef", "positions"]),
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
    pub fn plan(&self, vectors: &[&PersonaVector], seed: u64) -> Result<Plan> {
        let plan = match self {
            Self::Steer(steer) => steer.recipe()?.plan(self.only(vectors)?)?.0,
            Self::Random(random) => {
                let plan = random.recipe()?.plan(self.only(vectors)?)?.0;
                plan.random_like(random.seed.unwrap_or(seed))
            }
            Self::Ablate(ablate) => {
                let (layers, positions) = (ablate.layers.clone().unwrap_or_else(Layers::all), ablate.positions);
                let share = ablate.coef.unwrap_or(1.0);
                Plan::ablate_span(vectors, &layers, share, positions.unwrap_or(Positions::All))?
            }
            _ => Plan::none(),
        };
        Ok(if plan.coefs().iter().all(|&coef| coef == 0.0) { Plan::none() } else { plan })
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
fn adding(
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

fn needs(kind: &str, key: &str, there: bool) -> Result<()> {
    usage(there, || Error::usage(format!("an intervention of type \"{kind}\" needs `{key}`")))
}

fn usage(holds: bool, error: impl FnOnce() -> Error) -> Result<()> {
    if holds { Ok(()) } else { Err(error()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::Layer;

    fn read(text: &str) -> Intervention {
        toml::from_str(text).unwrap()
    }

    fn vector() -> PersonaVector {
        PersonaVector::new((0..4).map(|l| (0..8).map(|d| ((3 * l + d) as f32).sin()).collect()).collect()).unwrap()
    }

    /// One of each kind, with every key.
    const ALL: [&str; 7] = [
        "type = \"none\"",
        "type = \"steer\"\nvectors = \"v\"\nlayers = 2\ncoef = 5\nincremental = true\ninc_base = \"zero\"\npositions = \"all\"\n\
         recompute_every = 10\npos = \"p\"\nneg = \"n\"\ntexts = 4",
        "type = \"ablate\"\nvectors = [\"v\", \"w\"]\nlayers = \"all\"\ncoef = 1.0\npositions = \"response\"",
        "type = \"regularize\"\nvectors = \"v\"\nlayers = [1, 2]\nlambda = 0.1\nmode = \"hinge\"",
        "type = \"inoculate\"\nprompts = [\"Be bad.\"]",
        "type = \"negative-data\"\nfile = \"f\"\nshare = 0.1",
        "type = \"random\"\nvectors = \"v\"\nlayers = \"all\"\ncoef = -1.0\nincremental = true\ninc_base = \"embedding\"\n\
         positions = \"prompt\"\nseed = 3",
    ];

    #[test]
    fn every_kind_keeps_its_form_and_knows_its_keys() {
        for (text, kind) in ALL.into_iter().zip(Intervention::kinds()) {
            let one = read(text);
            assert_eq!(one.kind(), kind);
            let resolved = one.clone().resolve().unwrap();
            assert_eq!(resolved, one, "every key was said");
            assert_eq!(read(&toml::to_string(&resolved).unwrap()), resolved);
            let value = serde_json::to_value(&resolved).unwrap();
            let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
            keys.retain(|key| *key != "type");
            let mut known = Intervention::keys(Some(kind)).unwrap();
            (keys.sort_unstable(), known.sort_unstable());
            assert_eq!(keys, known, "{kind}");
            let more = toml::from_str::<Intervention>(&format!("{text}\nstrength = 1")).unwrap_err().to_string();
            assert!(more.contains("unknown field `strength`"), "{kind}: {more}");
        }
    }

    #[test]
    fn defaults_are_those_of_the_reference_and_the_paper() {
        let of = |text: &str| read(text).resolve().unwrap();
        let Intervention::Steer(steer) = of("type = \"steer\"\nlayers = \"all\"\ncoef = 1.5") else { panic!() };
        assert_eq!((steer.incremental, steer.inc_base), (Some(true), Some(IncBase::Embedding)));
        assert_eq!((steer.positions, steer.recompute_every, steer.texts), (Some(Positions::All), Some(0), None));
        let Intervention::Steer(steer) = of("type = \"steer\"\nlayers = [1, 2]\ncoef = 1.5") else { panic!() };
        assert_eq!((steer.incremental, steer.inc_base), (Some(false), None));
        let Intervention::Ablate(ablate) = of("type = \"ablate\"") else { panic!() };
        assert_eq!((ablate.layers, ablate.coef), (Some(Layers::all()), Some(1.0)));
        let Intervention::Regularize(reg) = of("type = \"regularize\"\nlayers = 2\nlambda = 1") else { panic!() };
        assert_eq!(reg.mode, Some(Mode::Match));
    }

    #[test]
    fn what_is_missing_or_out_of_range_is_named() {
        for (text, want) in [
            ("type = \"steer\"\nlayers = 2", "needs `coef`"),
            ("type = \"steer\"\ncoef = 2", "needs `layers`"),
            ("type = \"steer\"\nlayers = 2\ncoef = nan", "`coef` is NaN"),
            ("type = \"steer\"\nlayers = 2\ncoef = 1\npos = \"p\"", "`recompute_every`, which is 0"),
            ("type = \"steer\"\nlayers = 2\ncoef = 1\nrecompute_every = 5\ntexts = 0", "`texts` is 0"),
            ("type = \"regularize\"\nlayers = 2", "needs `lambda`"),
            ("type = \"regularize\"\nlayers = 2\nlambda = -1", "`lambda` is -1"),
            ("type = \"inoculate\"\nprompts = []", "needs `prompts`"),
            ("type = \"negative-data\"\nshare = 1.0", "`share` is 1"),
        ] {
            let error = read(text).resolve().unwrap_err();
            assert!(error.to_string().contains(want), "{text}: {error}");
        }
        for (text, want) in [
            ("type = \"steer\"", Some("vectors")),
            ("type = \"steer\"\nvectors = \"v\"\nrecompute_every = 2\npos = \"p\"", Some("neg")),
            ("type = \"ablate\"\nvectors = []", Some("vectors")),
            ("type = \"negative-data\"", Some("file")),
            (ALL[1], None),
            (ALL[2], None),
        ] {
            assert_eq!(read(text).lacks(), want, "{text}");
        }
    }

    #[test]
    fn each_kind_makes_its_plan_and_its_loss() {
        let (vector, other) = (vector(), PersonaVector::new(vec![vec![1.0; 8]; 4]).unwrap());
        let plan = |text: &str, vectors: &[&PersonaVector]| read(text).plan(vectors, 9);
        let steer = "layers = \"all\"\ncoef = 2";
        let all = Plan::incremental(&vector, IncBase::Embedding, 2.0, Positions::All);
        assert_eq!(plan(&format!("type = \"steer\"\n{steer}"), &[&vector]).unwrap(), all);
        assert_eq!(plan(&format!("type = \"random\"\n{steer}"), &[&vector]).unwrap(), all.random_like(9));
        assert_eq!(plan(&format!("type = \"random\"\n{steer}\nseed = 4"), &[&vector]).unwrap(), all.random_like(4));
        assert!(plan("type = \"steer\"\nlayers = 1\ncoef = 0", &[&vector]).unwrap().is_none());
        assert_eq!(plan("type = \"ablate\"", &[&vector, &other]).unwrap().parts.len(), 2);
        assert!(plan("type = \"steer\"\nlayers = 1\ncoef = 1", &[&vector, &other]).is_err());
        assert!(plan("type = \"steer\"\nlayers = 4\ncoef = 1", &[&vector]).is_err());
        let loss = |text: &str| read(text).regularizer(&[&vector]).unwrap();
        let regularizer = loss("type = \"regularize\"\nlayers = [3, 1]\nlambda = 0.5\nmode = \"zero\"").unwrap();
        assert_eq!((regularizer.mode, regularizer.lambda), (Mode::Zero, 0.5));
        let layers: Vec<Layer> = regularizer.directions.iter().map(|direction| direction.layer).collect();
        assert_eq!(layers, [Layer(1), Layer(3)]);
        assert!(loss("type = \"regularize\"\nlayers = 1\nlambda = 0").is_none());
        assert!(loss("type = \"inoculate\"\nprompts = [\"x\"]").is_none());
        assert!(plan("type = \"regularize\"\nlayers = 1\nlambda = 1", &[&vector]).unwrap().is_none());
    }
}
