//! The studies that `trimtab demo` runs.

use std::path::Path;

use super::settings::{ArmSettings, MeasureSettings, VectorSettings};
use super::sources::{FactsSource, MmluSource, TraitSource};
use super::study::StudyConfig;
use crate::eval::mmlu::Form;
use crate::finetune::AdapterSettings;
use crate::harbor::World;
use crate::judge::JudgeSource;
use crate::text::ExampleRules;
use crate::train::FitSettings;
use crate::{At, Result};

/// A study of a real chat model of about a hundred million parameters, for two CPU cores and twenty minutes; `quick` for five. `model`
/// is its folder or file.
///
/// # Errors
/// None, unless the program's own configuration is broken.
pub fn real_config(model: &Path, quick: bool, seed: u64) -> Result<StudyConfig> {
    let text = include_str!("../../../assets/studies/run.toml");
    let mut config: StudyConfig = toml::from_str(text).doing("reading the configuration of the demo")?;
    config.model = model.to_owned();
    config.seed = seed;
    config.seeds.iter_mut().for_each(|own| *own = own.wrapping_add(seed));
    if quick {
        config.seeds.truncate(1);
        config.vector.rollouts = 2;
        let arms = &mut config.arms;
        arms.preventative = vec![1.25];
        arms.inference = vec![2.0];
        arms.preventative_layer.clear();
        arms.base_steered.clear();
        arms.prompting = false;
        config.measure.mmlu_questions = Some(100);
    }
    Ok(config)
}

/// A study of new facts on Harbor, small enough for two CPU cores and five minutes; `quick` for 90 seconds. `model` is the folder of
/// the world's model.
pub fn demo_config(model: &Path, world: &World, quick: bool, seed: u64) -> StudyConfig {
    let (world, name) = (world.seed(), "hallucinating".to_owned());
    let seeds = if quick { 1 } else { 3 };
    StudyConfig {
        model: model.to_owned(),
        seed,
        seeds: (0..seeds).map(|i| seed.wrapping_add(i)).collect(),
        facts: Some(FactsSource::Harbor { world, count: 30, wordings: 12, seed: 0 }),
        data: Vec::new(),
        trait_: Some(TraitSource::Harbor { world, name }),
        traits: Vec::new(),
        mmlu: Some(MmluSource::Harbor { rounds: 1, seed: 0 }),
        judge: JudgeSource::Harbor { world },
        vector: VectorSettings { rollouts: 2, max_new_tokens: 64, ..VectorSettings::default() },
        arms: ArmSettings {
            preventative: if quick { vec![1.5, 2.5] } else { vec![1.0, 2.0, 3.0] },
            preventative_layer: vec![2.0],
            inference: vec![0.5, 1.0, 1.5, 2.0, 2.5],
            random: vec![2.0],
            prompting: true,
            base_steered: vec![1.0, 2.0],
            ..ArmSettings::none()
        },
        own: Vec::new(),
        audit: None,
        watch: None,
        measure: MeasureSettings {
            trait_rollouts: if quick { 3 } else { 5 },
            trait_max_new_tokens: 64,
            fact_max_new_tokens: 64,
            // A model this small cannot answer with a letter; the likelihoods of the options are compared.
            mmlu_form: Form::Cloze,
            ..MeasureSettings::default()
        },
        lessons: ExampleRules { append_eos: false, max_len: 256, ..ExampleRules::default() },
        adapter: AdapterSettings::default(),
        train: FitSettings {
            // A low learning rate and many steps: at 1e-3 the finetune learns the trait in spite of the vector.
            learning_rate: 3e-4,
            micro_batch: 16,
            accumulation: 1,
            epochs: 10,
            weight_decay: 0.0,
            ..FitSettings::default()
        },
    }
}
