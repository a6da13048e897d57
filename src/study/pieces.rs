//! A study as pieces of work that wait for each other.

use super::arms::{Control, Treatment, Work};
use super::config::{ArmSettings, CorpusSource, FACTS_CORPUS, OwnArm, StudyConfig};
use crate::persona::stem_of;
use serde::{Deserialize, Serialize};

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
    pub fn labelled(&self, corpus: Option<usize>, label: &str, trait_: Option<usize>) -> String {
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
                    let mut after = after(corpus);
                    // What is orthogonal to the plain finetune's shift must wait for it.
                    if matches!(treatment, Treatment::Control(Control::Orthogonal, _)) {
                        after.push(plain);
                    }
                    builder.add(Work::Finetune(treatment), Some(seed), Some(corpus), Some(t), &after);
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
    for &c in &arms.random {
        treated.extend((0..arms.draws).map(|draw| Treatment::Control(Control::Random(draw), c)));
    }
    for (control, coefs) in [
        (Control::Shuffled, &arms.shuffled),
        (Control::Orthogonal, &arms.orthogonal),
        (Control::Unrelated, &arms.unrelated),
        (Control::Negated, &arms.negated),
    ] {
        treated.extend(coefs.iter().map(|&c| Treatment::Control(control, c)));
    }
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
    /// treated one for its own. Of the controls one random vector is enough: the others' scores and shifts say what they are for.
    fn audits(&mut self, vectors: &[usize], base: usize) {
        let first = self.config.seeds.first().copied();
        let of = |piece: &Piece| match piece.work {
            Work::Finetune(Treatment::Control(control, _)) => control == Control::Random(0) && piece.seed == first,
            Work::Finetune(_) => piece.seed == first,
            _ => false,
        };
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
        let cast = self.cast;
        let (name, label) = match work {
            Work::Finetune(Treatment::Own(place, _)) => {
                let own = &self.config.own[place];
                (own.name.as_str(), own.label.as_deref().unwrap_or(&own.name))
            }
            _ => (work.name(), work.label()),
        };
        let arm = cast.named(corpus, name, trait_);
        let coef = match work {
            Work::Finetune(treatment) => treatment.coef(),
            _ => None,
        };
        let draw = match work {
            Work::Finetune(Treatment::Control(Control::Random(draw @ 1..), _)) => Some(format!("-draw{draw}")),
            _ => None,
        };
        let name = [Some(arm.clone()), coef.map(|c| format!("+{c}")), draw, seed.map(|s| format!("-seed{s}"))];
        self.pieces.push(Piece {
            name: name.into_iter().flatten().collect(),
            arm: work.arm_kind().map(|_| arm),
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
