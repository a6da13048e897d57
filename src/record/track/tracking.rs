//! Which programs show a run's metrics, and under which names.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A program that shows metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tracker {
    /// `events.out.tfevents.*` in the run's folder.
    Tensorboard,
    /// A database in Trackio's folder.
    Trackio,
}

impl FromStr for Tracker {
    type Err = String;

    fn from_str(word: &str) -> std::result::Result<Self, String> {
        match word {
            "tensorboard" => Ok(Self::Tensorboard),
            "trackio" => Ok(Self::Trackio),
            _ => Err("there are tensorboard and trackio".to_owned()),
        }
    }
}

impl fmt::Display for Tracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// What is to be tracked, and under which names.
#[derive(Debug, Clone)]
pub struct Tracking {
    /// The programs.
    pub trackers: Vec<Tracker>,
    /// The run's folder; its last part is the run's name.
    pub folder: PathBuf,
    /// Trackio's folder, if the system has a place for it.
    pub trackio: Option<PathBuf>,
    /// Trackio's project.
    pub project: String,
    /// What tells this run from others of its name, and is the same when it resumes.
    pub id: String,
    /// The run's settings, for people.
    pub config: Value,
}

impl Tracking {
    /// TensorBoard alone, which needs nothing but the folder.
    pub fn tensorboard(folder: &Path) -> Self {
        Self {
            trackers: vec![Tracker::Tensorboard],
            folder: folder.to_owned(),
            trackio: None,
            project: String::new(),
            id: String::new(),
            config: Value::Null,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tracker_is_named_by_its_word() {
        for tracker in [Tracker::Tensorboard, Tracker::Trackio] {
            assert_eq!(tracker.to_string().parse(), Ok(tracker));
            assert_eq!(serde_json::to_value(tracker).unwrap(), tracker.to_string());
        }
        assert!("wandb".parse::<Tracker>().unwrap_err().contains("trackio"));
    }
}
