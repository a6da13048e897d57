//! An intervention with its vectors in hand: what is done to the stream, which loss is added, which vector follows the model.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::file::AblateTo;
use super::notice::Notice;
use super::seeds::Seeds;
use super::settings::{Intervention, SteeringSettings};
use super::watch::fingerprint;
use crate::language_model::{Direction, Finished};
use crate::steering::{DescribedPlan, SteeringPlan};
use crate::train::{Mode, Regularizer, VectorRecompute};
use crate::vector::{Layer, Layers, PersonaVector, VectorFile, layers_in_words};
use crate::{Error, Result};

/// A file of vectors that an intervention works with, or one that stands for it, and where it is from.
pub type GivenVector = (PathBuf, VectorFile);

/// What an intervention comes to.
#[derive(Debug, Clone, Default)]
pub struct ResolvedIntervention {
    /// What is done to the stream.
    pub plan: SteeringPlan,
    /// Whether an ablation leaves the base model's mean, which is still to be taken.
    pub to_mean: bool,
    /// The loss that is added.
    pub regularize: Option<Regularizer>,
    /// How the vector follows the model.
    pub recompute: Option<VectorRecompute>,
    /// The whole in words and numbers, without paths. Null where nothing is done.
    pub described: Value,
    /// Identities of the vectors.
    pub fingerprints: Vec<String>,
    /// What the user should know.
    pub notices: Vec<Notice>,
}

impl ResolvedIntervention {
    /// What an intervention does with these vectors. `texts` are those from which the vector is extracted anew, if it is.
    ///
    /// # Errors
    /// Vectors that are missing or too many, a layer that they do not have.
    pub fn new(
        intervention: &Intervention,
        vectors: &[GivenVector],
        texts: Option<[Vec<Finished>; 2]>,
        seeds: &Seeds,
    ) -> Result<Self> {
        let mut it = Self {
            fingerprints: vectors.iter().map(|(_, file)| file.fingerprint.clone()).collect(),
            ..Self::default()
        };
        let is_idle = match intervention {
            Intervention::None => return Ok(it),
            Intervention::Inoculate { .. } => false,
            Intervention::NegativeData { share, .. } => *share == 0.0,
            Intervention::Steer(steering) => {
                it.steer(steering, only(vectors)?, texts)?;
                steering.coef == 0.0
            }
            Intervention::Random { steering, seed } => {
                it.steer(steering, only(vectors)?, None)?;
                let seed = seed.unwrap_or_else(|| seeds.random_vectors());
                it.plan = it.plan.random_like(seed);
                it.say(format!("control: along random directions of the same norms, drawn with seed {seed}"));
                steering.coef == 0.0
            }
            Intervention::Ablate { layers, coef, to, positions, .. } => {
                let directions: Vec<&PersonaVector> = vectors.iter().map(|(_, file)| &file.response_avg).collect();
                it.plan = SteeringPlan::ablate_span(&directions, layers, *coef, *positions)?;
                it.to_mean = *to == AblateTo::Mean;
                it.say_ablation(&layers.of(directions[0].layers())?, positions.key(), vectors);
                *coef == 0.0
            }
            Intervention::Regularize { layers, lambda, mode, .. } => {
                it.regularize = Some(it.regularizer(layers, *lambda, *mode, only(vectors)?)?);
                *lambda == 0.0
            }
        };
        if is_idle {
            let mut notices = std::mem::take(&mut it.notices);
            notices.push(Notice::Said("the strength is 0: plain finetuning".into()));
            return Ok(Self { fingerprints: it.fingerprints, notices, ..Self::default() });
        }
        it.described = json!(intervention.clone().without_paths());
        if let Some(described) = it.described.as_object_mut().filter(|_| !it.fingerprints.is_empty()) {
            described.insert("fingerprints".into(), json!(it.fingerprints));
        }
        Ok(it)
    }

    fn steer(
        &mut self,
        steering: &SteeringSettings,
        (path, file): &GivenVector,
        texts: Option<[Vec<Finished>; 2]>,
    ) -> Result<()> {
        let recipe = steering.recipe();
        let DescribedPlan { plan, summary, warnings, .. } = DescribedPlan::new(&recipe, path, file)?;
        self.notices.extend(warnings.into_iter().map(Notice::Warned));
        summary.into_iter().for_each(|line| self.say(line));
        self.plan = plan;
        let Some(every) = steering.recompute.as_ref().map(|r| r.recompute_every).filter(|_| steering.coef != 0.0)
        else {
            return Ok(());
        };
        let texts = texts.ok_or_else(|| Error::new("there are no texts to extract the vector anew from"))?;
        self.say(format!(
            "feedback loop: every {every} steps the vector is extracted anew from {} and {} fixed texts and the weights as they \
             are then, so that what is learned decides what is steered with",
            texts[0].len(),
            texts[1].len()
        ));
        self.recompute = Some(VectorRecompute { every, texts, recipe, first: file.response_avg.clone() });
        Ok(())
    }

    fn say_ablation(&mut self, layers: &[Layer], positions: &str, vectors: &[GivenVector]) {
        vectors.iter().for_each(|given| self.warn_of_last_row(given, layers));
        let rank = match vectors.len() {
            1 => String::new(),
            k => format!(" the span of {k} vectors"),
        };
        let to = if self.to_mean { " to the base model's mean" } else { "" };
        self.say(format!("steering: ablate{rank}{to} at {}, {positions} tokens", layers_in_words(layers)));
    }

    fn regularizer(&mut self, layers: &Layers, lambda: f32, mode: Mode, given: &GivenVector) -> Result<Regularizer> {
        let (path, VectorFile { response_avg: vector, .. }) = given;
        let layers = layers.of(vector.layers()).map_err(|e| e.at(path.display()))?;
        self.warn_of_last_row(given, &layers);
        self.say(format!(
            "regularisation: {}, weight {lambda}, at {}; it trains on the probe itself, so that a low projection afterwards shows little",
            json!(mode).as_str().unwrap_or_default(),
            layers_in_words(&layers)
        ));
        let direction = |layer| Direction { layer, vector: vector.row(layer).to_vec() };
        Ok(Regularizer { mode, lambda, directions: layers.into_iter().map(direction).collect() })
    }

    fn warn_of_last_row(&mut self, (path, file): &GivenVector, layers: &[Layer]) {
        self.notices.extend(file.last_row_warning(path, layers).map(Notice::Warned));
    }

    fn say(&mut self, line: String) {
        self.notices.push(Notice::Said(line));
    }

    /// Identity of the texts from which the vector is extracted anew.
    pub(super) fn texts_key(&self) -> Value {
        self.recompute
            .as_ref()
            .map_or(Value::Null, |recompute| json!(recompute.texts.each_ref().map(|s| fingerprint(s))))
    }
}

fn only(vectors: &[GivenVector]) -> Result<&GivenVector> {
    match vectors {
        [one] => Ok(one),
        some => Err(Error::usage(format!("the intervention takes one vector, not {}", some.len()))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::file::InterventionFile;
    use super::*;
    use crate::steering::Positions;
    use crate::vector::IncBase;

    fn vector(salt: f32) -> PersonaVector {
        let row = |l: usize| (0..8).map(|d| ((3 * l + d) as f32 * salt).sin()).collect();
        PersonaVector::new((0..4).map(row).collect()).unwrap()
    }

    fn given(vector: &PersonaVector) -> GivenVector {
        ("v".into(), VectorFile::new(vector.clone(), None, None, Default::default()).unwrap())
    }

    fn resolved(text: &str, vectors: &[GivenVector]) -> Result<ResolvedIntervention> {
        let file: InterventionFile = toml::from_str(text).unwrap();
        ResolvedIntervention::new(&file.resolve()?, vectors, None, &Seeds::of_run(9))
    }

    #[test]
    fn each_type_makes_its_plan_and_its_loss() {
        let (one, other) = (vector(1.0), vector(1.7));
        let own = [given(&one)];
        let plan = |text: &str| resolved(text, &own).unwrap().plan;
        let steer = "layers = \"all\"\ncoef = 2";
        let all = SteeringPlan::incremental(&one, IncBase::Embedding, 2.0, Positions::All);
        assert_eq!(plan(&format!("type = \"steer\"\n{steer}")), all);
        let derived = Seeds::of_run(9).random_vectors();
        assert_eq!(plan(&format!("type = \"random\"\n{steer}")), all.random_like(derived));
        assert_eq!(plan(&format!("type = \"random\"\n{steer}\nseed = 4")), all.random_like(4));
        let ablate = "type = \"ablate\"\nto = \"mean\"";
        let span = resolved(ablate, &[given(&one), given(&other)]).unwrap();
        assert_eq!((span.plan.parts.len(), span.to_mean, span.fingerprints.len()), (2, true, 2));
        assert!(resolved("type = \"steer\"\nlayers = 1\ncoef = 1", &[given(&one), given(&other)]).is_err());
        assert!(resolved("type = \"steer\"\nlayers = 4\ncoef = 1", &own).is_err());
        assert!(
            resolved("type = \"steer\"\nlayers = 1\ncoef = 1\nrecompute_every = 2", &own).is_err(),
            "without texts"
        );
        let loss = "type = \"regularize\"\nlayers = [3, 1]\nlambda = 0.5\nmode = \"zero\"";
        let Regularizer { mode, lambda, directions } = resolved(loss, &own).unwrap().regularize.unwrap();
        let layers: Vec<Layer> = directions.iter().map(|direction| direction.layer).collect();
        assert_eq!((mode, lambda, layers), (Mode::Zero, 0.5, vec![Layer(1), Layer(3)]));
    }

    #[test]
    fn what_is_described_names_no_file_and_nothing_is_where_nothing_is_done() {
        let own = [given(&vector(1.0))];
        let text = "type = \"steer\"\nvectors = \"some/where\"\nlayers = 1\ncoef = 1";
        let described = resolved(text, &own).unwrap().described;
        assert_eq!((&described["type"], &described["coef"]), (&json!("steer"), &json!(1.0)));
        assert!(described["fingerprints"][0].is_string() && !described.to_string().contains("where"), "{described}");
        for idle in [
            "type = \"none\"",
            "type = \"steer\"\nlayers = 1\ncoef = 0",
            "type = \"ablate\"\ncoef = 0\nto = \"mean\"",
            "type = \"regularize\"\nlayers = 1\nlambda = 0",
            "type = \"negative-data\"\nshare = 0",
        ] {
            let it = resolved(idle, &own).unwrap();
            let nothing = it.plan.is_none() && it.regularize.is_none() && it.described.is_null() && !it.to_mean;
            assert!(nothing, "{idle}");
        }
    }
}
