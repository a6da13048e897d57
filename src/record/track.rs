//! Metrics for the programs that people watch training with, written step by step beside `metrics.jsonl`: TensorBoard's event
//! files and Trackio's SQLite. A run that resumes takes back the steps that it will do again.

mod tensorboard;
mod tracking;
mod trackio;

use std::path::Path;

pub use tracking::{Tracker, Tracking};

use serde::Serialize;
use serde_json::Value;

use crate::{Error, Result};
use tensorboard::EventFile;
use trackio::TrackioRun;

/// Open trackers of one run.
#[derive(Debug)]
pub struct Trackers {
    tensorboard: Option<EventFile>,
    trackio: Option<TrackioRun>,
}

impl Trackers {
    /// Opens them, and drops from them whatever comes after step `after`: it will be written again.
    ///
    /// # Errors
    /// A place that cannot be written, or a file that is not what its name says.
    pub fn open(tracking: &Tracking, after: usize) -> Result<Self> {
        let wants = |tracker| tracking.trackers.contains(&tracker);
        let tensorboard = wants(Tracker::Tensorboard).then(|| EventFile::open(&tracking.folder, after)).transpose()?;
        let trackio = wants(Tracker::Trackio).then(|| {
            let folder = tracking.trackio.as_deref().ok_or_else(|| {
                Error::new("there is no folder for Trackio's database").hint("set TRACKIO_DIR to a folder of yours")
            })?;
            TrackioRun::open(folder, tracking, name_of(&tracking.folder), after)
        });
        Ok(Self { tensorboard, trackio: trackio.transpose()? })
    }

    /// Removes what a run that is thrown away has left in its folder.
    pub fn clear(folder: &Path) {
        if let Ok(Some(file)) = tensorboard::existing(folder) {
            let _ = std::fs::remove_file(file);
        }
    }

    /// Writes a step's numbers: every number of `row`, a JSON object, but its `step`; those of inner objects as
    /// `outer/inner`. TensorBoard gets them as Hugging Face's `Trainer` names them, so that curves of both lie over each other.
    ///
    /// # Errors
    /// If a file or the database cannot be written.
    pub fn write<T: Serialize>(&mut self, step: usize, row: &T) -> Result<()> {
        let row = serde_json::to_value(row).expect("metrics have a JSON form");
        let mut scalars = Vec::new();
        collect("", &row, &mut scalars);
        scalars.retain(|(name, _)| name != "step");
        if let Some(file) = &mut self.tensorboard {
            let tagged: Vec<(String, f64)> = scalars.iter().map(|(name, number)| (tag_of(name), *number)).collect();
            file.write(step, &tagged)?;
        }
        if let Some(run) = &mut self.trackio {
            run.write(step, &scalars)?;
        }
        Ok(())
    }
}

/// The tag of a number in TensorBoard: `train/` before it, and the `Trainer`'s word where it has another one.
fn tag_of(name: &str) -> String {
    format!("train/{}", if name == "lr" { "learning_rate" } else { name })
}

/// The numbers of a JSON object with their names.
fn collect(name: &str, value: &Value, into: &mut Vec<(String, f64)>) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                let name = if name.is_empty() { field.clone() } else { format!("{name}/{field}") };
                collect(&name, value, into);
            }
        }
        _ => into.extend(value.as_f64().map(|number| (name.to_owned(), number))),
    }
}

/// A folder's own name, `.` and `..` resolved where it exists.
fn name_of(folder: &Path) -> String {
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    whole.file_name().map_or_else(|| "run".to_owned(), |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tensorboard_has_the_tags_of_hugging_faces_trainer() {
        assert_eq!(
            ["loss", "lr", "grad_norm", "tokens"].map(tag_of),
            ["train/loss", "train/learning_rate", "train/grad_norm", "train/tokens"]
        );
        let dir = tempfile::tempdir().unwrap();
        let mut trackers = Trackers::open(&Tracking::tensorboard(dir.path()), 0).unwrap();
        trackers.write(1, &json!({ "step": 1, "loss": 0.5, "lr": 1e-5 })).unwrap();
        let file = std::fs::read(tensorboard::existing(dir.path()).unwrap().unwrap()).unwrap();
        let holds = |tag: &str| file.windows(tag.len()).any(|piece| piece == tag.as_bytes());
        assert!(holds("train/loss") && holds("train/learning_rate") && !holds("step"));
    }

    #[test]
    fn every_number_of_a_row_has_a_name() {
        let row = json!({ "step": 3, "loss": 0.5, "drift": { "20": 1.5, "why": "text" }, "note": null, "tokens": 12 });
        let mut scalars = Vec::new();
        collect("", &row, &mut scalars);
        let want = [("step", 3.0), ("loss", 0.5), ("drift/20", 1.5), ("tokens", 12.0)];
        assert_eq!(scalars, want.map(|(name, number)| (name.to_owned(), number)));
    }
}
