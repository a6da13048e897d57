//! The base model's mean state, for an ablation that leaves it: taken once and kept in the run's folder, so that a run that
//! resumes has the very same.

use std::path::Path;

use crate::Result;
use crate::record::{Hash, RunDir};
use crate::runtime::{ModelSpec, Runtime};
use crate::steering::SteeringPlan;
use crate::text::TrainingExample;
use crate::train::mean_state;
use crate::vector::PersonaVector;
use crate::verbs::Console;

/// The mean state over what is learned, of the model without adapter and steering. `key` is the run's.
///
/// # Errors
/// Those of the model.
pub fn of_base(
    run: &RunDir,
    key: &Hash,
    runtime: &dyn Runtime,
    model: &Path,
    (lessons, seed): (&[TrainingExample], u64),
    console: &dyn Console,
) -> Result<PersonaVector> {
    let read = || {
        let mut subject = runtime.language_model(&ModelSpec {
            model: model.to_owned(),
            adapter: None,
            plan: SteeringPlan::none(),
        })?;
        let mut bar = console.bar("reading", lessons.len());
        let mean = mean_state(&mut *subject, lessons, seed, &mut |n, of| bar.at(n, &format!("of {of} texts")))?;
        Ok(mean.rows)
    };
    PersonaVector::new(run.stage("mean", key, read)?.0)
}
