//! A study as a graph of tasks that wait for each other.

use super::treatment::{Control, Treatment};
use crate::persona::{Side, stem_of};
use crate::report::ArmKind;
use crate::study::config::{ArmSettings, CorpusSource, FACTS_CORPUS, OwnArm, StudyConfig, TraitSource};
use crate::vector::Layer;

/// A unit of a study's work.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Its place in the list of tasks.
    pub index: usize,
    /// Unique; names its stages and files: `prevent+1.25-seed0`.
    pub name: String,
    /// The arm that it belongs to; nothing for tasks that only prepare.
    pub arm: Option<String>,
    /// For people: `Preventative, all layers`.
    pub label: String,
    /// The coefficient, if the task has one and not a whole sweep.
    pub coef: Option<f64>,
    /// The training seed, if it is of one.
    pub seed: Option<u64>,
    /// Place of the data set that it learns from or makes.
    pub corpus: Option<usize>,
    /// Place of the trait that it extracts or is steered along.
    pub trait_: Option<usize>,
    /// What is done.
    pub kind: TaskKind,
    /// Places of the tasks that must be done before.
    pub after: Vec<usize>,
}

impl Task {
    /// The trait that the task is about.
    ///
    /// # Panics
    /// If it is about none: a mistake of the graph.
    pub(in crate::study) fn of_trait(&self) -> usize {
        self.trait_.unwrap_or_else(|| panic!("`{}` is a task about a trait", self.name))
    }

    /// The data set that the task learns from or makes.
    ///
    /// # Panics
    /// If there is none: a mistake of the graph.
    pub(in crate::study) fn of_corpus(&self) -> usize {
        self.corpus.unwrap_or_else(|| panic!("`{}` is a task on a data set", self.name))
    }
}

/// What a task does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TaskKind {
    /// The base model's answers under positive or negative system prompts.
    Rollouts(Side),
    /// The persona vector from these.
    Vector,
    /// The base model's own answers to the prompts of a data set.
    Selfgen,
    /// How far a data set's answers lie beyond the base model's own, along every vector (Chen et al. 2025, section 6.1).
    Difference,
    /// The base model on all axes.
    Base,
    /// The base model steered towards the trait, all strengths in one batch.
    BaseSteered,
    /// A finetune, and its result on the axes.
    Finetune(Treatment),
    /// The plain finetune steered away from the trait, all strengths in one batch.
    Inference,
    /// Checks of a finetune, or of the base model.
    Audit,
}

impl TaskKind {
    /// The kind of arm that the task is part of; nothing for tasks that only prepare or check.
    pub(in crate::study) fn arm_kind(self) -> Option<ArmKind> {
        match self {
            Self::Rollouts(_) | Self::Vector | Self::Selfgen | Self::Difference | Self::Audit => None,
            Self::Base => Some(ArmKind::Base),
            Self::BaseSteered => Some(ArmKind::Elicit),
            Self::Finetune(treatment) => Some(treatment.arm_kind()),
            Self::Inference => Some(ArmKind::Inference),
        }
    }

    /// The arm's names: one for tasks and files, and a label for people.
    fn names(self) -> (&'static str, String) {
        let (name, label) = match self {
            Self::Rollouts(Side::Pos) => ("rollouts-pos", "Rollouts under positive system prompts"),
            Self::Rollouts(Side::Neg) => ("rollouts-neg", "Rollouts under negative system prompts"),
            Self::Vector => ("vector", "Persona vector"),
            Self::Selfgen => ("selfgen", "The base model's own answers"),
            Self::Difference => ("difference", "Projection difference of the data"),
            Self::Audit => ("audit", "Audit"),
            Self::Base | Self::BaseSteered | Self::Finetune(_) | Self::Inference => {
                let kind = self.arm_kind().expect("an arm has a kind");
                return (kind.arm_name(), arm_label(kind, None));
            }
        };
        (name, label.to_owned())
    }
}

/// An arm for people; `layer` is that of single-layer arms where it is known.
pub(in crate::study) fn arm_label(kind: ArmKind, layer: Option<Layer>) -> String {
    let at = layer.map_or_else(|| "one layer".to_owned(), |layer| layer.to_string());
    match kind {
        ArmKind::Base => "Base model".into(),
        ArmKind::Elicit => "Base model, steered".into(),
        ArmKind::Plain => "Plain finetune".into(),
        ArmKind::Preventative => "Preventative, all layers".into(),
        ArmKind::PreventativeLayer => format!("Preventative, {at}"),
        ArmKind::Prompting => "Preventative prompting".into(),
        ArmKind::Ablate => "Ablation (CAFT), all layers".into(),
        ArmKind::Regularize => format!("Regularisation, {at}"),
        ArmKind::Negative => "Prompted negative data".into(),
        ArmKind::Own => "Own arm".into(),
        ArmKind::Random => "Random vectors".into(),
        ArmKind::RandomLayer => format!("Random vector, {at}"),
        ArmKind::Shuffled => "Vector of shuffled rollouts".into(),
        ArmKind::Orthogonal => "Vector without the shift".into(),
        ArmKind::Unrelated => "Another trait's vector".into(),
        ArmKind::Negated => "Negated vector".into(),
        ArmKind::Inference => "Inference-time steering".into(),
        ArmKind::Layer | ArmKind::Position => kind.to_string(),
    }
}

/// A study's data sets and traits by name: where there are several, they are part of the names of arms and files.
pub struct ArmNaming<'a> {
    /// Name and label of each data set.
    pub corpora: Vec<(&'a str, &'a str)>,
    /// The place of each one's neutral data set, if it has one.
    pub neutral: Vec<Option<usize>>,
    /// The traits' names.
    pub traits: Vec<&'a str>,
}

impl<'a> ArmNaming<'a> {
    /// Those of a configuration.
    pub fn of(config: &'a StudyConfig) -> Self {
        let facts = config.facts.iter().map(|_| (FACTS_CORPUS, "New facts"));
        let data = config.data.iter().map(|c| (c.name.as_str(), c.label.as_deref().unwrap_or(&c.name)));
        let corpora: Vec<(&str, &str)> = facts.chain(data).collect();
        let neutral = |name: &str| {
            let of = config.data.iter().find(|c| c.name == name)?.neutral.as_deref()?;
            corpora.iter().position(|(other, _)| *other == of)
        };
        let neutral = corpora.iter().map(|(name, _)| neutral(name)).collect();
        Self { corpora, neutral, traits: config.traits().map(|t| t.name()).collect() }
    }

    /// `medical.prevent.evil`, or only `prevent` where there is one data set and one trait.
    pub fn named(&self, corpus: Option<usize>, name: &str, trait_: Option<usize>) -> String {
        let of = |names: &[&str], at: Option<usize>| at.filter(|_| names.len() > 1).map(|at| names[at].to_owned());
        let corpora: Vec<&str> = self.corpora.iter().map(|c| c.0).collect();
        let parts = [of(&corpora, corpus), Some(name.to_owned()), of(&self.traits, trait_)];
        parts.into_iter().flatten().collect::<Vec<_>>().join(".")
    }

    /// The label of an arm: `Medical: preventative, all layers (evil)`.
    pub fn labelled(&self, corpus: Option<usize>, label: &str, trait_: Option<usize>) -> String {
        let of = corpus.filter(|_| self.corpora.len() > 1).map(|at| format!("{}: ", self.corpora[at].1));
        let against = trait_.filter(|_| self.traits.len() > 1).map(|at| format!(" ({})", self.traits[at]));
        [of.unwrap_or_default(), label.to_owned(), against.unwrap_or_default()].concat()
    }
}

/// All tasks of a study. Earlier ones are begun first, so those that others wait for stand in front.
pub fn tasks(config: &StudyConfig) -> Vec<Task> {
    let naming = ArmNaming::of(config);
    let mut builder = Builder { config, naming: &naming, tasks: Vec::new() };
    let rollouts = naming.traits.iter().enumerate().map(|(t, name)| {
        let sides: &[Side] = if config.vector_file(name).is_some() { &[] } else { &[Side::Pos, Side::Neg] };
        sides.iter().map(|&side| builder.add(TaskKind::Rollouts(side), None, None, Some(t), &[])).collect()
    });
    let rollouts: Vec<Vec<usize>> = rollouts.collect();
    let vectors = rollouts.iter().enumerate();
    let vectors: Vec<usize> =
        vectors.map(|(t, after)| builder.add(TaskKind::Vector, None, None, Some(t), after)).collect();
    // A data set of the base model's own answers is generated before a finetune learns it.
    let made = |builder: &mut Builder<'_>, corpus: usize| {
        let own = config.data.iter().find(|c| c.name == naming.corpora[corpus].0);
        let is_made = own.is_some_and(|c| matches!(c.from, CorpusSource::Selfgen { .. }));
        is_made.then(|| builder.add(TaskKind::Selfgen, None, Some(corpus), None, &[]))
    };
    let made: Vec<Option<usize>> = (0..naming.corpora.len()).map(|corpus| made(&mut builder, corpus)).collect();
    // A finetune is also measured on what is held out of the neutral set.
    let after = |corpus: usize| {
        let made = [Some(corpus), naming.neutral[corpus]].map(|c| c.and_then(|c| made[c]));
        [vectors.clone(), made.into_iter().flatten().collect()].concat()
    };
    for corpus in 0..naming.corpora.len() {
        let name = naming.corpora[corpus].0;
        let seeds = config.seeds_of(name);
        let plain: Vec<usize> = (seeds.iter())
            .map(|&seed| {
                builder.add(TaskKind::Finetune(Treatment::Plain), Some(seed), Some(corpus), None, &after(corpus))
            })
            .collect();
        for (&seed, &plain) in seeds.iter().zip(&plain) {
            for t in 0..naming.traits.len() {
                if !config.arms.inference.is_empty() && config.has_arm(name, ArmKind::Inference.arm_name()) {
                    let after = [vectors.clone(), vec![plain]].concat();
                    builder.add(TaskKind::Inference, Some(seed), Some(corpus), Some(t), &after);
                }
                let treated = treatments(&config.arms).into_iter().chain(own(config, t));
                for treatment in treated.filter(|treatment| config.has_arm(name, treatment.arm_name(config))) {
                    let mut after = after(corpus);
                    // The vector orthogonal to the plain finetune's shift needs that finetune.
                    if matches!(treatment, Treatment::Control(Control::Orthogonal, _)) {
                        after.push(plain);
                    }
                    builder.add(TaskKind::Finetune(treatment), Some(seed), Some(corpus), Some(t), &after);
                }
            }
        }
        if config.measure.difference > 0 {
            builder.add(TaskKind::Difference, None, Some(corpus), None, &after(corpus));
        }
    }
    if !config.arms.base_steered.is_empty() {
        for t in 0..naming.traits.len() {
            builder.add(TaskKind::BaseSteered, None, None, Some(t), &vectors);
        }
    }
    // The base model is measured on what is held out of every data set.
    let after = [vectors.clone(), made.iter().flatten().copied().collect()].concat();
    let base = builder.add(TaskKind::Base, None, None, None, &after);
    if config.audit.is_some() {
        builder.audits(&vectors, base);
    }
    builder.tasks
}

/// The treatments of all finetunes but the plain ones.
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
    for &c in &arms.random_layer {
        treated.extend((0..arms.draws).map(|draw| Treatment::Control(Control::RandomLayer(draw), c)));
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

/// Custom arms that are about a trait.
fn own(config: &StudyConfig, t: usize) -> Vec<Treatment> {
    let name = config.traits().nth(t).map(TraitSource::name).unwrap_or_default();
    let of_trait = |arm: &&OwnArm| arm.trait_.as_deref().is_none_or(|own| stem_of(own) == name);
    let own = config.own.iter().enumerate().filter(|(_, arm)| of_trait(arm));
    own.flat_map(|(i, arm)| arm.strengths().into_iter().map(move |s| Treatment::Own(i, s))).collect()
}

struct Builder<'a> {
    config: &'a StudyConfig,
    naming: &'a ArmNaming<'a>,
    tasks: Vec<Task>,
}

impl Builder<'_> {
    /// An audit of the base model for each trait, and of every finetune of the first training seed: a plain one for each trait, a
    /// treated one for its own. Of several random vectors one is audited; the scores and shifts of the others suffice.
    fn audits(&mut self, vectors: &[usize], base: usize) {
        let first = self.config.seeds.first().copied();
        let of = |task: &Task| match task.kind {
            TaskKind::Finetune(Treatment::Control(control, _)) => control == Control::Random(0) && task.seed == first,
            TaskKind::Finetune(_) => task.seed == first,
            _ => false,
        };
        let finetunes: Vec<usize> = (0..self.tasks.len()).filter(|&i| of(&self.tasks[i])).collect();
        for t in 0..self.naming.traits.len() {
            for &i in std::iter::once(&base).chain(&finetunes) {
                let target = self.tasks[i].clone();
                if target.trait_.is_some_and(|own| own != t) {
                    continue;
                }
                let after = [vectors, &[i]].concat();
                let several = self.naming.traits.len() > 1 && target.trait_.is_none();
                let of = if several { format!(".{}", self.naming.traits[t]) } else { String::new() };
                self.tasks.push(Task {
                    index: self.tasks.len(),
                    name: format!("audit.{}{of}", target.name),
                    arm: None,
                    label: format!("Audit: {}", target.label),
                    trait_: Some(t),
                    kind: TaskKind::Audit,
                    after,
                    ..target
                });
            }
        }
    }

    fn add(
        &mut self,
        kind: TaskKind,
        seed: Option<u64>,
        corpus: Option<usize>,
        trait_: Option<usize>,
        after: &[usize],
    ) -> usize {
        let (name, label) = match kind {
            TaskKind::Finetune(Treatment::Own(place, _)) => {
                let own = &self.config.own[place];
                (own.name.as_str(), own.label.clone().unwrap_or_else(|| own.name.clone()))
            }
            _ => kind.names(),
        };
        let arm = self.naming.named(corpus, name, trait_);
        let coef = match kind {
            TaskKind::Finetune(treatment) => treatment.coef(),
            _ => None,
        };
        let draw = match kind {
            TaskKind::Finetune(Treatment::Control(
                Control::Random(draw @ 1..) | Control::RandomLayer(draw @ 1..),
                _,
            )) => Some(format!("-draw{draw}")),
            _ => None,
        };
        let name = [Some(arm.clone()), coef.map(|c| format!("+{c}")), draw, seed.map(|s| format!("-seed{s}"))];
        let index = self.tasks.len();
        self.tasks.push(Task {
            index,
            name: name.into_iter().flatten().collect(),
            arm: kind.arm_kind().map(|_| arm),
            label: self.naming.labelled(corpus, &label, trait_),
            coef,
            seed,
            corpus,
            trait_,
            kind,
            after: after.to_vec(),
        });
        index
    }
}
