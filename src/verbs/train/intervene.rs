//! An intervention as it is configured, turned into what acts: a plan, a loss, a vector that follows the model.

use serde_json::{Value, json};

use crate::steering::{DescribedPlan, Op, Positions, SteeringPlan};
use crate::train::{self, Intervention, Regularizer};
use crate::vector::{Layer, Layers, PersonaVector, VectorFile, layers_in_words};
use crate::verbs::Console;
use crate::verbs::model::ModelFolder;
use crate::verbs::steer::read_vectors;
use crate::{Error, Result};

/// What a resolved intervention comes to.
#[derive(Debug, Default)]
pub struct ResolvedIntervention {
    /// What is done to the stream.
    pub plan: SteeringPlan,
    /// The loss that is added.
    pub regularize: Option<Regularizer>,
    /// The whole in words and numbers, without paths: where a file lies decides nothing. Null without an intervention.
    pub described: Value,
    /// Identities of the vectors.
    pub fingerprints: Vec<String>,
}

/// Reads what an intervention names, checks it against the model and tells the console what will be done.
///
/// # Errors
/// A vector file that cannot be read or is another model's, a layer that does not exist.
pub fn prepare(
    intervention: &Intervention,
    seed: u64,
    model: &ModelFolder,
    console: &dyn Console,
) -> Result<ResolvedIntervention> {
    let files: Vec<VectorFile> = match intervention {
        // These read and tell for themselves, in words that generation shares.
        Intervention::Steer(_) | Intervention::Random(_) => Vec::new(),
        _ => intervention.vectors().iter().map(|path| read_vectors(path, model, console)).collect::<Result<_>>()?,
    };
    let vectors: Vec<&PersonaVector> = files.iter().map(|file| &file.response_avg).collect();
    let mut acts = ResolvedIntervention {
        regularize: intervention.regularizer(&vectors)?,
        fingerprints: files.iter().map(|file| file.fingerprint.clone()).collect(),
        ..ResolvedIntervention::default()
    };
    let is_idle = match intervention {
        Intervention::None {} => true,
        Intervention::Inoculate(_) => false,
        Intervention::NegativeData(data) => data.share == Some(0.0),
        Intervention::Steer(_) | Intervention::Random(_) => {
            acts.add(intervention, seed, model, console)?;
            acts.plan.is_none()
        }
        Intervention::Ablate(ablate) => {
            acts.plan = intervention.plan(&vectors, seed)?;
            tell_ablation(ablate, intervention, &files, console)?;
            acts.plan.is_none()
        }
        Intervention::Regularize(_) => {
            if let Some(regularizer) = &acts.regularize {
                let layers: Vec<Layer> = regularizer.directions.iter().map(|direction| direction.layer).collect();
                files[0]
                    .last_row_warning(intervention.vectors()[0], &layers)
                    .iter()
                    .for_each(|what| console.warn(what));
                console.say(&format!(
                    "regularisation: {}, weight {}, at {}; it trains on the probe itself, so that a low projection afterwards shows little",
                    json!(regularizer.mode).as_str().unwrap_or_default(),
                    regularizer.lambda,
                    layers_in_words(&layers)
                ));
            }
            acts.regularize.is_none()
        }
    };
    if is_idle {
        if *intervention != (Intervention::None {}) {
            console.say("the strength is 0: plain finetuning");
        }
        return Ok(ResolvedIntervention { fingerprints: acts.fingerprints, ..ResolvedIntervention::default() });
    }
    let mut described = intervention.clone();
    let paths: Vec<&str> = described.paths().into_iter().map(|(key, _)| key).collect();
    acts.described = json!(intervention);
    if let Some(all) = acts.described.as_object_mut() {
        paths.iter().for_each(|&key| drop(all.remove(key)));
        all.retain(|_, value| !value.is_null());
        if !acts.fingerprints.is_empty() {
            all.insert("fingerprints".into(), json!(acts.fingerprints));
        }
    }
    Ok(acts)
}

impl ResolvedIntervention {
    /// Steering, real or random.
    fn add(
        &mut self,
        intervention: &Intervention,
        seed: u64,
        model: &ModelFolder,
        console: &dyn Console,
    ) -> Result<()> {
        let (Some(recipe), [vectors]) = (intervention.recipe()?, &intervention.vectors()[..]) else {
            return Err(Error::usage(format!("an intervention of type \"{}\" needs `vectors`", intervention.kind())));
        };
        let steered = DescribedPlan::new(&recipe, vectors, &read_vectors(vectors, model, console)?)?;
        steered.warnings.iter().for_each(|warning| console.warn(warning));
        steered.summary.iter().for_each(|line| console.say(line));
        self.fingerprints = steered.fingerprints;
        self.plan = if recipe.coef == 0.0 { SteeringPlan::none() } else { steered.plan };
        if let Intervention::Random(train::Random { seed: own, .. }) = intervention {
            let seed = own.unwrap_or(seed);
            self.plan = self.plan.random_like(seed);
            console.say(&format!("control: along random directions of the same norms, drawn with seed {seed}"));
        }
        Ok(())
    }
}

fn tell_ablation(
    ablate: &train::Ablate,
    intervention: &Intervention,
    files: &[VectorFile],
    console: &dyn Console,
) -> Result<()> {
    let layers = ablate.layers.clone().unwrap_or_else(Layers::all).of(files[0].response_avg.layers())?;
    for (path, file) in intervention.vectors().iter().zip(files) {
        file.last_row_warning(path, &layers).iter().for_each(|what| console.warn(what));
    }
    let rank = match files.len() {
        1 => String::new(),
        k => format!(" the span of {k} vectors"),
    };
    let to = if intervention.wants_mean() { " to the base model's mean" } else { "" };
    let positions = json!(ablate.positions.unwrap_or(Positions::All));
    console.say(&format!(
        "steering: {}{rank}{to} at {}, {} tokens",
        json!(Op::Ablate).as_str().unwrap_or_default(),
        layers_in_words(&layers),
        positions.as_str().unwrap_or_default()
    ));
    Ok(())
}
