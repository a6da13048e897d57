//! A study of the smallest model there is. What it finds means nothing.

use std::path::Path;

use trimtab::harbor::World;
use trimtab::study::{StudyConfig, demo_config};
use trimtab::vector::{PersonaVector, VectorFile};

use super::goldens::fixture;

/// A study that takes seconds, its vector beside it in `dir`.
pub fn config(dir: &Path) -> StudyConfig {
    let mut config = demo_config(&fixture("tiny"), &World::new(0), true, 3);
    let row = |l: usize| (0..64).map(|d| ((l * 7 + d) as f32).sin() * l as f32 * 0.05).collect();
    let vector = PersonaVector::new((0..5).map(row).collect()).unwrap();
    let path = dir.join("given.safetensors");
    VectorFile::new(vector, None, None, Default::default()).unwrap().write(&path).unwrap();
    config.vector.file = Some(path);
    config.train.max_steps = Some(2);
    config.measure.trait_questions = Some(3);
    config.measure.mmlu_questions = Some(4);
    config.measure.trait_max_new_tokens = 6;
    config.measure.fact_max_new_tokens = 4;
    config.arms.preventative = vec![1.0];
    config.arms.inference = vec![0.5, 1.0];
    config
}
