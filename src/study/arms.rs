//! The arms of a study as pieces of work, and what each does while a model learns.

use serde::{Deserialize, Serialize};

use super::config::{ArmSettings, CorpusSource, FACTS_CORPUS, OwnArm, StudyConfig};
use crate::persona::stem_of;
use crate::report::Arm;
use crate::train::{Ablate, Intervention, Random, Regularize, Steer};
use crate::vector::{Layer, Layers};
use crate::{Error, Result};

/// The arms that every study may have, in the order of tables and legends.
pub(super) const ARMS: [&str; 12] = [
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
    /// Steering along random vectors whose increments have the norms of the real ones.
    Random(f64),
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

/// A piece of work as people and files know it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Piece {
    /// Unique; names its stages and files: `prevent+1.25-seed0`.
    pub name: String,
    /// The arm that it belongs to; nothing for what only prepares.
    pub arm: Option<String>,
    /// For people: `Preventative, all layers`.
    pub label: String,
    /// The coefficient, if the piece has one and not a whole sweep.
    pub coef: Option<f64>,
    /// The training seed, if it is of one.
    pub seed: Option<u64>,
    /// Place of the data set that it learns from or makes.
    pub corpus: Option<usize>,
    /// Place of the trait that it extracts or is steered along.
    pub trait_: Option<usize>,
    /// What is done.
    pub work: Work,
    /// Places of the pieces that must be done before.
    pub after: Vec<usize>,
}

/// What an arm is, wherever it stands.
struct Kind {
    /// Names arms and pieces.
    name: &'static str,
    /// For programs.
    kind: &'static str,
    /// For people.
    label: &'static str,
}

impl Work {
    fn kind(self) -> Kind {
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
    fn measures(self) -> bool {
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
            Self::Random(_) => ("random", "random", "Random vectors"),
            Self::Regularize(_) => ("regularize", "regularize", "Regularisation, one layer"),
            Self::Negative(_) => ("negative", "negative", "Prompted negative data"),
            Self::Own(..) => ("own", "own", "An arm of one's own"),
        };
        Kind { name, kind, label }
    }

    fn coef(self) -> Option<f64> {
        match self {
            Self::AllLayers(c)
            | Self::OneLayer(c)
            | Self::Random(c)
            | Self::Ablate(c)
            | Self::Regularize(c)
            | Self::Negative(c) => Some(c),
            Self::Own(_, strength) => strength,
            Self::Plain | Self::Prompting => None,
        }
    }
}

/// A study's data sets and traits by name: where there are several, they are part of the names of arms and files.
pub struct Cast<'a> {
    /// Name and label of each data set.
    pub corpora: Vec<(&'a str, &'a str)>,
    /// The traits' names.
    pub traits: Vec<&'a str>,
}

impl<'a> Cast<'a> {
    /// Those of a configuration.
    pub fn of(config: &'a StudyConfig) -> Self {
        let facts = config.facts.iter().map(|_| (FACTS_CORPUS, "New facts"));
        let data = config.data.iter().map(|c| (c.name.as_str(), c.label.as_deref().unwrap_or(&c.name)));
        Self { corpora: facts.chain(data).collect(), traits: config.traits().map(|t| t.name()).collect() }
    }

    /// `medical.prevent.evil`, or only `prevent` where there is one data set and one trait.
    pub fn named(&self, corpus: Option<usize>, name: &str, trait_: Option<usize>) -> String {
        let of = |names: &[&str], at: Option<usize>| at.filter(|_| names.len() > 1).map(|at| names[at].to_owned());
        let corpora: Vec<&str> = self.corpora.iter().map(|c| c.0).collect();
        let parts = [of(&corpora, corpus), Some(name.to_owned()), of(&self.traits, trait_)];
        parts.into_iter().flatten().collect::<Vec<_>>().join(".")
    }

    /// The same for people: `Medical: preventative, all layers (evil)`.
    fn labelled(&self, corpus: Option<usize>, label: &str, trait_: Option<usize>) -> String {
        let of = corpus.filter(|_| self.corpora.len() > 1).map(|at| format!("{}: ", self.corpora[at].1));
        let against = trait_.filter(|_| self.traits.len() > 1).map(|at| format!(" ({})", self.traits[at]));
        [of.unwrap_or_default(), label.to_owned(), against.unwrap_or_default()].concat()
    }
}

/// All pieces of a study. Earlier ones are begun first, so those that others wait for stand in front.
pub fn pieces(config: &StudyConfig) -> Vec<Piece> {
    let cast = Cast::of(config);
    let mut builder = Builder { config, cast: &cast, pieces: Vec::new() };
    let mut vectors = Vec::new();
    for (t, name) in cast.traits.iter().enumerate() {
        let rollouts: Vec<usize> = match config.vector_file(name) {
            Some(_) => Vec::new(),
            None => [true, false].map(|side| builder.add(Work::Rollouts(side), None, None, Some(t), &[])).to_vec(),
        };
        vectors.push((t, rollouts));
    }
    let vectors: Vec<usize> =
        vectors.into_iter().map(|(t, after)| builder.add(Work::Vector, None, None, Some(t), &after)).collect();
    // What the base model says itself must be there before it can be learned.
    let made = |builder: &mut Builder<'_>, corpus: usize| {
        let own = config.data.iter().find(|c| c.name == cast.corpora[corpus].0);
        let is_made = own.is_some_and(|c| matches!(c.from, CorpusSource::Selfgen { .. }));
        is_made.then(|| builder.add(Work::Selfgen, None, Some(corpus), None, &[]))
    };
    let made: Vec<Option<usize>> = (0..cast.corpora.len()).map(|corpus| made(&mut builder, corpus)).collect();
    let after = |corpus: usize| [vectors.clone(), made[corpus].into_iter().collect()].concat();
    for corpus in 0..cast.corpora.len() {
        let plain: Vec<usize> = (config.seeds.iter())
            .map(|&seed| builder.add(Work::Finetune(Treatment::Plain), Some(seed), Some(corpus), None, &after(corpus)))
            .collect();
        for (&seed, &plain) in config.seeds.iter().zip(&plain) {
            for t in 0..cast.traits.len() {
                if !config.arms.inference.is_empty() {
                    let after = [vectors.clone(), vec![plain]].concat();
                    builder.add(Work::Inference, Some(seed), Some(corpus), Some(t), &after);
                }
                for treatment in treatments(&config.arms).into_iter().chain(own(config, t)) {
                    builder.add(Work::Finetune(treatment), Some(seed), Some(corpus), Some(t), &after(corpus));
                }
            }
        }
        if config.measure.difference > 0 {
            builder.add(Work::Difference, None, Some(corpus), None, &after(corpus));
        }
    }
    if !config.arms.elicit.is_empty() {
        for t in 0..cast.traits.len() {
            builder.add(Work::Elicit, None, None, Some(t), &vectors);
        }
    }
    let base = builder.add(Work::Base, None, None, None, &vectors);
    if config.audit.is_some() {
        builder.audits(&vectors, base);
    }
    builder.pieces
}

/// What finetunes are treated with besides nothing.
fn treatments(arms: &ArmSettings) -> Vec<Treatment> {
    let mut treated: Vec<Treatment> = Vec::new();
    treated.extend(arms.preventative.iter().map(|&c| Treatment::AllLayers(c)));
    treated.extend(arms.preventative_layer.iter().map(|&c| Treatment::OneLayer(c)));
    treated.extend(arms.prompting.then_some(Treatment::Prompting));
    treated.extend(arms.ablate.iter().map(|&c| Treatment::Ablate(c)));
    treated.extend(arms.regularize.iter().map(|&c| Treatment::Regularize(c)));
    treated.extend(arms.negative.iter().map(|&c| Treatment::Negative(c)));
    treated.extend(arms.random.iter().map(|&c| Treatment::Random(c)));
    treated
}

/// Arms of one's own that are about a trait.
fn own(config: &StudyConfig, t: usize) -> impl Iterator<Item = Treatment> {
    let name = config.traits().nth(t).map(|t| t.name().to_owned()).unwrap_or_default();
    let of_trait = move |arm: &&OwnArm| arm.trait_.as_deref().is_none_or(|own| stem_of(own) == name);
    let at = |(place, arm): (usize, &OwnArm)| -> Vec<Treatment> {
        match arm.coefs.as_slice() {
            [] => vec![Treatment::Own(place, None)],
            coefs => coefs.iter().map(|&c| Treatment::Own(place, Some(c))).collect(),
        }
    };
    let own = config.own.iter().enumerate().filter(move |(_, arm)| of_trait(arm)).map(at);
    own.collect::<Vec<_>>().into_iter().flatten()
}

struct Builder<'a> {
    config: &'a StudyConfig,
    cast: &'a Cast<'a>,
    pieces: Vec<Piece>,
}

impl Builder<'_> {
    /// An audit of the base model for each trait, and of every finetune of the first training seed: a plain one for each trait, a
    /// treated one for its own.
    fn audits(&mut self, vectors: &[usize], base: usize) {
        let first = self.config.seeds.first().copied();
        let of = |piece: &Piece| matches!(piece.work, Work::Finetune(_)) && piece.seed == first;
        let finetunes: Vec<usize> = (0..self.pieces.len()).filter(|&i| of(&self.pieces[i])).collect();
        for t in 0..self.cast.traits.len() {
            for &i in std::iter::once(&base).chain(&finetunes) {
                let target = self.pieces[i].clone();
                if target.trait_.is_some_and(|own| own != t) {
                    continue;
                }
                let after = [vectors, &[i]].concat();
                let several = self.cast.traits.len() > 1 && target.trait_.is_none();
                let of = if several { format!(".{}", self.cast.traits[t]) } else { String::new() };
                self.pieces.push(Piece {
                    name: format!("audit.{}{of}", target.name),
                    arm: None,
                    label: format!("Audit: {}", target.label),
                    trait_: Some(t),
                    work: Work::Audit,
                    after,
                    ..target
                });
            }
        }
    }

    fn add(
        &mut self,
        work: Work,
        seed: Option<u64>,
        corpus: Option<usize>,
        trait_: Option<usize>,
        after: &[usize],
    ) -> usize {
        let (kind, cast) = (work.kind(), self.cast);
        let (name, label) = match work {
            Work::Finetune(Treatment::Own(place, _)) => {
                let own = &self.config.own[place];
                (own.name.as_str(), own.label.as_deref().unwrap_or(&own.name))
            }
            _ => (kind.name, kind.label),
        };
        let arm = cast.named(corpus, name, trait_);
        let coef = match work {
            Work::Finetune(treatment) => treatment.coef(),
            _ => None,
        };
        let name = [Some(arm.clone()), coef.map(|c| format!("+{c}")), seed.map(|s| format!("-seed{s}"))];
        self.pieces.push(Piece {
            name: name.into_iter().flatten().collect(),
            arm: work.measures().then_some(arm),
            label: cast.labelled(corpus, label, trait_),
            coef,
            seed,
            corpus,
            trait_,
            work,
            after: after.to_vec(),
        });
        self.pieces.len() - 1
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
            Self::AllLayers(coef) => Some(Intervention::Steer(steer(all, coef, true))),
            Self::OneLayer(coef) => Some(Intervention::Steer(steer(one, coef, false))),
            Self::Random(coef) => {
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
