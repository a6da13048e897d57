//! From what a file says to settings with nothing left open: the one place of the defaults, which are those of the reference and
//! of the papers, and of what contradicts itself.

use super::file::{InterventionFile, InterventionType, TrainFile, WatchFile};
use super::settings::{
    AdapterSettings, DataSettings, Intervention, RecomputeSettings, SteeringSettings, TrainSettings, WatchSettings,
};
use super::values::{Files, Rate};
use crate::model::peft::RANK_MAX;
use crate::record::Tracker;
use crate::steering::Positions;
use crate::text::ExampleRules;
use crate::train::FitSettings;
use crate::vector::Layers;
use crate::{Error, Result};

impl TrainFile {
    /// Fills in every default and refuses what contradicts itself.
    ///
    /// # Errors
    /// A missing model or training file, numbers out of range, an intervention that is not wholly said.
    pub fn resolve(self) -> Result<TrainSettings> {
        let fit = FitSettings { save_steps: self.save_steps.or(Some(25)), ..self.fit()? };
        let (shape, rules) = (self.shape()?, self.rules()?);
        let missing = |key: &str| {
            Error::usage(format!("no `{key}` is given")).hint("write it into the configuration, or pass it as a flag")
        };
        let training_file = self.training_file.filter(|files| !files.all().is_empty());
        let data = DataSettings {
            training_file: training_file.ok_or_else(|| missing("training_file"))?,
            test_file: self.test_file,
            holdout: self.holdout.unwrap_or(0.0),
        };
        refuse(!(0.0..1.0).contains(&data.holdout), || {
            format!("`holdout` is {}; it is a share, 0 to below 1", data.holdout)
        })?;
        if data.holdout > 0.0 && data.test_file.is_some() {
            return Err(Error::usage("both `holdout` and `test_file` are given").hint("keep one of them"));
        }
        let intervention = self.intervention.unwrap_or_default().resolve()?;
        if let Some(key) = intervention.lacks() {
            return Err(needs(intervention.kind(), key));
        }
        Ok(TrainSettings {
            model: self.model.ok_or_else(|| missing("model"))?,
            adapter: self.adapter,
            data,
            shape,
            fit,
            rules,
            track: self.track.unwrap_or_else(|| vec![Tracker::Tensorboard]),
            trackio_project: self.trackio_project.unwrap_or_else(|| "trimtab".to_owned()),
            watch: self.watch.map(|watch| watch.resolve(&intervention)).transpose()?,
            intervention,
        })
    }

    /// How it learns; without checkpoints unless said otherwise.
    ///
    /// # Errors
    /// Counts of zero, numbers beyond any finetune.
    pub fn fit(&self) -> Result<FitSettings> {
        let d = FitSettings::default();
        let fit = FitSettings {
            learning_rate: self.learning_rate.map_or(d.learning_rate, |Rate(rate)| rate),
            warmup_steps: self.warmup_steps.unwrap_or(d.warmup_steps),
            weight_decay: self.weight_decay.unwrap_or(d.weight_decay),
            betas: self.betas.unwrap_or(d.betas),
            epsilon: self.epsilon.unwrap_or(d.epsilon),
            max_grad_norm: self.max_grad_norm.unwrap_or(d.max_grad_norm),
            micro_batch: self.per_device_train_batch_size.unwrap_or(d.micro_batch),
            accumulation: self.gradient_accumulation_steps.unwrap_or(d.accumulation),
            epochs: self.epochs.unwrap_or(d.epochs),
            max_steps: self.max_steps.and_then(|steps| usize::try_from(steps).ok()).filter(|&steps| steps > 0),
            seed: self.seed.unwrap_or(d.seed),
            shuffle: self.shuffle.unwrap_or(d.shuffle),
            group_by_length: self.group_by_length.unwrap_or(d.group_by_length),
            loss_average: self.loss_average.unwrap_or(d.loss_average),
            recompute: self.recompute.unwrap_or(d.recompute),
            save_steps: self.save_steps,
        };
        count("per_device_train_batch_size", fit.micro_batch, BATCH_MAX)?;
        count("gradient_accumulation_steps", fit.accumulation, BATCH_MAX)?;
        count("epochs", fit.epochs, EPOCHS_MAX)?;
        at_least_one("save_steps", fit.save_steps.unwrap_or(1))?;
        at_most("warmup_steps", fit.warmup_steps, STEPS_MAX)?;
        real("learning_rate", fit.learning_rate, |x| x > 0.0, "a positive number")?;
        real("weight_decay", fit.weight_decay, |x| x >= 0.0, "0 or above")?;
        let (first, second) = fit.betas;
        for beta in [first, second] {
            real("betas", beta, |x| (0.0..1.0).contains(&x), "0 to below 1, each")?;
        }
        real("epsilon", fit.epsilon, |x| x > 0.0, "a positive number")?;
        real("max_grad_norm", fit.max_grad_norm, |x| x > 0.0, "a positive number; a large one clips nothing")?;
        Ok(fit)
    }

    /// The shape of the adapter.
    ///
    /// # Errors
    /// Rank 0, or beyond any model's width; a strength of 0 or beyond f32.
    pub fn shape(&self) -> Result<AdapterSettings> {
        let d = AdapterSettings::default();
        let shape = AdapterSettings {
            r: self.r.unwrap_or(d.r),
            lora_alpha: self.lora_alpha.unwrap_or(d.lora_alpha),
            use_rslora: self.use_rslora.unwrap_or(d.use_rslora),
            target_modules: self.target_modules.clone().unwrap_or(d.target_modules),
        };
        count("r", shape.r, RANK_MAX)?;
        real(
            "lora_alpha",
            shape.lora_alpha,
            |x| x != 0.0,
            "another number than 0, at which an adapter learns nothing",
        )?;
        Ok(shape)
    }

    /// How a chat becomes a training example.
    ///
    /// # Errors
    /// A length of 0.
    pub fn rules(&self) -> Result<ExampleRules> {
        let d = ExampleRules::default();
        let rules = ExampleRules {
            append_eos: self.append_eos.unwrap_or(d.append_eos),
            responses_only: self.train_on_responses_only.unwrap_or(d.responses_only),
            max_len: self.max_seq_length.unwrap_or(d.max_len),
        };
        at_least_one("max_seq_length", rules.max_len)?;
        Ok(rules)
    }
}

impl WatchFile {
    fn resolve(self, intervention: &Intervention) -> Result<WatchSettings> {
        let needs = |key: &str| Error::usage(format!("`watch` needs `{key}`"));
        let own = match intervention.vectors() {
            [one] => Some(one.clone()),
            _ => None,
        };
        let watch = WatchSettings {
            every: self.every.unwrap_or(10),
            file: self.file.ok_or_else(|| needs("file"))?,
            vectors: self.vectors.or(own).ok_or_else(|| needs("vectors"))?,
            layer: self.layer.ok_or_else(|| needs("layer"))?,
            stop_above: self.stop_above,
            gradient: self.gradient.unwrap_or(false),
        };
        at_least_one("watch.every", watch.every)?;
        Ok(watch)
    }
}

/// Texts of each side from which a vector is extracted anew, unless said otherwise.
const TEXTS: usize = 64;

impl InterventionFile {
    /// Fills in every default and refuses what contradicts itself, and what its type has no use for. Files may be absent: a
    /// study has vectors of its own.
    ///
    /// # Errors
    /// A number out of range, a key without which there is no intervention, or one that belongs to another type.
    pub fn resolve(self) -> Result<Intervention> {
        let mut rest = self;
        let kind = match rest.kind.take() {
            Some(kind) => kind,
            None if rest == Self::default() => InterventionType::None,
            None => return Err(Error::usage("`intervention` has no `type`").hint("write for example type = \"steer\"")),
        };
        let intervention = rest.take(kind)?;
        // What no type has taken is left.
        let rest = serde_json::to_value(&rest).unwrap_or_default();
        let stray = rest.as_object().into_iter().flatten().find(|(_, value)| !value.is_null());
        match stray {
            Some((key, _)) => {
                let what = format!("`intervention.{key}`: type \"{kind}\" takes no `{key}`");
                Err(Error::usage(what))
            }
            None => Ok(intervention),
        }
    }

    fn take(&mut self, kind: InterventionType) -> Result<Intervention> {
        Ok(match kind {
            InterventionType::None => Intervention::None,
            InterventionType::Steer => {
                let steering = self.take_steering(kind)?;
                Intervention::Steer(SteeringSettings { recompute: self.take_recompute()?, ..steering })
            }
            InterventionType::Random => {
                let steering = self.take_steering(kind)?;
                Intervention::Random { steering, seed: self.seed.take() }
            }
            InterventionType::Ablate => {
                let coef = finite("coef", self.coef.take().unwrap_or(1.0))?;
                Intervention::Ablate {
                    vectors: self.vectors.take(),
                    layers: self.layers.take().unwrap_or_else(Layers::all),
                    coef,
                    to: self.to.take().unwrap_or_default(),
                    positions: self.positions.take().unwrap_or(Positions::All),
                }
            }
            InterventionType::Regularize => {
                let lambda = finite("lambda", self.lambda.take().ok_or_else(|| needs(kind, "lambda"))?)?;
                refuse(lambda < 0.0, || format!("`intervention.lambda` is {lambda}; it must be 0 or above"))?;
                Intervention::Regularize {
                    vectors: self.take_one_vector(kind)?,
                    layers: self.layers.take().ok_or_else(|| needs(kind, "layers"))?,
                    lambda,
                    mode: self.mode.take().unwrap_or_default(),
                }
            }
            InterventionType::Inoculate => {
                let prompts = self.prompts.take().filter(|prompts| !prompts.is_empty());
                let prompts = prompts.ok_or_else(|| needs(kind, "prompts"))?;
                Intervention::Inoculate { prompts }
            }
            InterventionType::NegativeData => {
                let share = self.share.take().ok_or_else(|| needs(kind, "share"))?;
                refuse(!(0.0..1.0).contains(&share), || {
                    format!("`intervention.share` is {share}; it is a share of the training set, 0 to below 1")
                })?;
                Intervention::NegativeData { file: self.file.take(), share }
            }
        })
    }

    fn take_steering(&mut self, kind: InterventionType) -> Result<SteeringSettings> {
        let layers = self.layers.take().ok_or_else(|| needs(kind, "layers"))?;
        let coef = finite("coef", self.coef.take().ok_or_else(|| needs(kind, "coef"))?)?;
        Ok(SteeringSettings {
            vectors: self.take_one_vector(kind)?,
            coef,
            incremental: self.incremental.take().unwrap_or(layers == Layers::all()),
            layers,
            inc_base: self.inc_base.take().unwrap_or_default(),
            // Every token of the training text, as the reference's hook does.
            positions: self.positions.take().unwrap_or(Positions::All),
            recompute: None,
        })
    }

    fn take_recompute(&mut self) -> Result<Option<RecomputeSettings>> {
        let every = self.recompute_every.take().unwrap_or(0);
        if every == 0 {
            let texts = self.pos.is_some() || self.neg.is_some() || self.texts.is_some();
            refuse(texts, || {
                "`pos`, `neg` and `texts` are for `recompute_every`, which is 0: the vector stays as it is".into()
            })?;
            return Ok(None);
        }
        let texts = self.texts.take().unwrap_or(TEXTS);
        at_least_one("intervention.texts", texts)?;
        Ok(Some(RecomputeSettings { recompute_every: every, texts, pos: self.pos.take(), neg: self.neg.take() }))
    }

    fn take_one_vector(&mut self, kind: InterventionType) -> Result<Option<Files>> {
        let vectors = self.vectors.take();
        let n = vectors.as_ref().map_or(1, |files| files.all().len());
        refuse(n != 1, || format!("`intervention.vectors`: type \"{kind}\" takes one vector file, not {n}"))?;
        Ok(vectors)
    }
}

fn needs(kind: InterventionType, key: &str) -> Error {
    Error::usage(format!("`intervention` of type \"{kind}\" needs `{key}`"))
}

fn finite(key: &str, number: f32) -> Result<f32> {
    refuse(!number.is_finite(), || format!("`intervention.{key}` is {number}; it must be finite"))?;
    Ok(number)
}

/// Far above every use, and so small that products of them and of a data set's size are numbers.
const BATCH_MAX: usize = 1 << 20;
const EPOCHS_MAX: usize = 1 << 20;
const STEPS_MAX: usize = 1 << 31;

fn count(key: &str, number: usize, max: usize) -> Result<()> {
    at_least_one(key, number)?;
    at_most(key, number, max)
}

fn at_most(key: &str, number: usize, max: usize) -> Result<()> {
    refuse(number > max, || format!("`{key}` is {number}; it must be at most {max}"))
}

/// A number that is computed with in f32.
fn real(key: &str, number: f64, fine: impl Fn(f64) -> bool, must: &str) -> Result<()> {
    refuse(!fine(number), || format!("`{key}` is {number}; it must be {must}"))?;
    refuse(!(number as f32).is_finite(), || format!("`{key}` is {number:e}, which is beyond f32"))
}

fn at_least_one(key: &str, number: usize) -> Result<()> {
    refuse(number == 0, || format!("`{key}` is 0; it must be at least 1"))
}

fn refuse(is_wrong: bool, what: impl FnOnce() -> String) -> Result<()> {
    if is_wrong { Err(Error::usage(what())) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
