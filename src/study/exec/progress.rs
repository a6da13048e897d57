//! The board: what each piece of work has come to, told in `work/<piece>.json` to whoever looks from outside. Results never
//! depend on it.

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::config::StudyConfig;
use super::pieces::Piece;
use super::pipeline::Event;
use crate::record::{Hash, RunDir, create_folder};

/// What a piece of work has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Standing {
    /// A process began it.
    Begun,
    /// It is done.
    Done,
    /// It ended in an error.
    Failed,
}

/// What a process tells of a piece.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Sheet {
    pub standing: Standing,
    /// Hash of the configuration under which that holds.
    pub settings: Hash,
    /// When the work began, in seconds since 1970.
    pub since: u64,
    /// When this was written.
    pub told: u64,
    /// What was being done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// How far that was, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<f64>,
    /// Steps taken and to take, while it trains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<(usize, usize)>,
    /// Loss of the last of them, nats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Sheet {
    fn new(standing: Standing, settings: &Hash, since: u64) -> Self {
        let (settings, told) = (settings.clone(), now());
        Self { standing, settings, since, told, phase: None, part: None, steps: None, loss: None, error: None }
    }

    /// The sheet of a piece, if there is one that can be read.
    pub fn read(out: &Path, piece: &str) -> Option<Self> {
        serde_json::from_slice(&fs::read(out.join(file(piece))).ok()?).ok()
    }
}

fn file(piece: &str) -> String {
    format!("work/{piece}.json")
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// What stands for a configuration on the board.
pub(super) fn settings_hash(config: &StudyConfig) -> Hash {
    Hash::of(config)
}

/// The sheets of the pieces that this process does.
pub(super) struct Board<'a> {
    run: &'a RunDir,
    pieces: &'a [Piece],
    settings: Hash,
    /// Of each piece under way: when it began, and when that was last told.
    under_way: Mutex<Vec<Option<(u64, Instant)>>>,
}

impl<'a> Board<'a> {
    pub fn new(run: &'a RunDir, pieces: &'a [Piece], config: &StudyConfig) -> Self {
        let _ = create_folder(&run.file("work"));
        Self { run, pieces, settings: settings_hash(config), under_way: Mutex::new(vec![None; pieces.len()]) }
    }

    /// Notes what a study tells.
    pub fn hear(&self, event: &Event<'_>) {
        /// Between two notes of one piece.
        const PAUSE: Duration = Duration::from_secs(3);
        match *event {
            Event::Progress { piece, phase, done, loss, steps } => {
                let Some(since) = self.due(piece, PAUSE) else { return };
                let sheet = Sheet::new(Standing::Begun, &self.settings, since);
                self.write(piece, &Sheet { phase: Some(phase.to_string()), part: Some(done), loss, steps, ..sheet });
            }
            Event::Finished { piece, reused } => {
                let since = self.began(piece);
                let known = Sheet::read(self.run.path(), &self.pieces[piece].name);
                let stands = known.is_some_and(|s| s.standing == Standing::Done && s.settings == self.settings);
                if !(reused && stands) {
                    self.write(piece, &Sheet::new(Standing::Done, &self.settings, since));
                }
            }
            Event::Planned(..) | Event::Share(..) => {}
        }
    }

    /// Notes that a piece ended in an error.
    pub fn failed(&self, piece: usize, why: &crate::Error) {
        let sheet = Sheet::new(Standing::Failed, &self.settings, self.began(piece));
        self.write(piece, &Sheet { error: Some(why.to_string()), ..sheet });
    }

    /// When a piece began, if it is time to tell of it.
    fn due(&self, piece: usize, pause: Duration) -> Option<u64> {
        let mut under_way = self.under_way.lock().ok()?;
        let since = match under_way[piece] {
            Some((_, told)) if told.elapsed() < pause => return None,
            Some((since, _)) => since,
            None => now(),
        };
        under_way[piece] = Some((since, Instant::now()));
        Some(since)
    }

    fn began(&self, piece: usize) -> u64 {
        let begun = self.under_way.lock().ok().and_then(|under_way| under_way[piece]);
        begun.map_or_else(now, |(since, _)| since)
    }

    fn write(&self, piece: usize, sheet: &Sheet) {
        // A disk that takes no sheet takes no results either, and those say so.
        let _ = self.run.write_json(file(&self.pieces[piece].name), sheet);
    }
}
