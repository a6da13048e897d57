//! How far a study is, read from its folder by somebody who does not work in it. Others may be writing meanwhile.

use std::path::Path;

use serde::Serialize;

use super::board::{Sheet, Standing, now, settings_hash};
use super::config::StudyConfig;
use super::pieces::{Piece, pieces};
use crate::record::{Hash, is_held};
use crate::{Error, Result};

/// Where a piece of work stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stand {
    /// Done, with these settings.
    Done,
    /// A process is at work on it.
    UnderWay,
    /// Nobody has begun it.
    Waiting,
    /// Begun by a process that is gone; it goes on when somebody takes it up again.
    Interrupted,
    /// It ended in an error.
    Failed,
    /// Worked out with other settings; the next run says whether that holds.
    Stale,
}

impl Stand {
    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::UnderWay => "under way",
            Self::Waiting => "waiting",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
            Self::Stale => "stale",
        }
    }
}

/// A piece of work, seen from outside.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PieceStatus {
    /// Its name.
    pub name: String,
    /// For people.
    pub label: String,
    /// Where it stands.
    pub state: Stand,
    /// What is being done.
    pub phase: Option<String>,
    /// How far that is, 0 to 1.
    pub part: Option<f64>,
    /// Steps taken and to take, while it trains.
    pub steps: Option<(usize, usize)>,
    /// Loss of the last of them, nats.
    pub loss: Option<f64>,
    /// When it was begun, in seconds since 1970.
    pub since: Option<u64>,
    /// For how many seconds it has been under way.
    pub seconds: Option<u64>,
    /// Why it failed.
    pub error: Option<String>,
}

/// Reads how far the study in a folder is, piece by piece in the order of the work.
///
/// # Errors
/// A folder that holds no study.
pub fn status(out: &Path) -> Result<Vec<PieceStatus>> {
    let path = out.join("run.toml");
    if !path.is_file() {
        return Err(Error::usage("there is no study in this folder: `run.toml` is missing")
            .at(out.display())
            .hint("name the folder that `trimtab study ... --out` was given"));
    }
    let config = StudyConfig::read(&path)?;
    let settings = settings_hash(&config);
    // One process has the whole folder, or several have a piece each.
    let whole = is_held(&out.join(".lock"));
    let pieces = pieces(&config);
    let mut seen: Vec<PieceStatus> = pieces.iter().map(|piece| status_of(out, piece, &settings, whole)).collect();
    for (i, piece) in pieces.iter().enumerate() {
        // Claimed by a process that is still at what goes before.
        let is_early = seen[i].since.is_none() && piece.after.iter().any(|&j| seen[j].state != Stand::Done);
        if seen[i].state == Stand::UnderWay && is_early {
            seen[i].state = Stand::Waiting;
        }
    }
    Ok(seen)
}

fn status_of(out: &Path, piece: &Piece, settings: &Hash, whole: Option<bool>) -> PieceStatus {
    let sheet = Sheet::read(out, &piece.name);
    let held = is_held(&out.join(format!("work/{}.lock", piece.name)));
    let is_alive = |sheet: &Sheet| held.zip(whole).map_or_else(|| is_recent(sheet), |(piece, whole)| piece || whole);
    let state = match &sheet {
        None if held == Some(true) => Stand::UnderWay,
        None if has_stage(out, piece) => Stand::Stale,
        None => Stand::Waiting,
        Some(sheet) => match sheet.standing {
            Standing::Begun if is_alive(sheet) => Stand::UnderWay,
            _ if held == Some(true) => Stand::UnderWay,
            Standing::Done if sheet.settings == *settings => Stand::Done,
            Standing::Done => Stand::Stale,
            Standing::Failed if sheet.settings == *settings => Stand::Failed,
            Standing::Begun => Stand::Interrupted,
            Standing::Failed => Stand::Waiting,
        },
    };
    let shown = sheet.filter(|_| !matches!(state, Stand::Waiting | Stand::Stale));
    let of = |get: fn(&Sheet) -> Option<f64>| shown.as_ref().and_then(get);
    PieceStatus {
        name: piece.name.clone(),
        label: piece.label.clone(),
        state,
        phase: shown.as_ref().and_then(|sheet| sheet.phase.clone()),
        part: of(|sheet| sheet.part),
        steps: shown.as_ref().and_then(|sheet| sheet.steps),
        loss: of(|sheet| sheet.loss),
        since: shown.as_ref().map(|sheet| sheet.since),
        seconds: shown.as_ref().filter(|_| state == Stand::UnderWay).map(|sheet| now().saturating_sub(sheet.since)),
        error: shown.and_then(|sheet| sheet.error),
    }
}

/// Where locks tell nothing, whoever has told of the work within ten minutes is taken to be alive.
fn is_recent(sheet: &Sheet) -> bool {
    now().saturating_sub(sheet.told) < 600
}

/// Whether an earlier version of the program, or a run whose board is lost, has left the piece's stage.
fn has_stage(out: &Path, piece: &Piece) -> bool {
    let stage = |prefix: &str| out.join(format!("stages/{prefix}{}.json", piece.name)).is_file();
    stage("") || stage("measure-")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::harbor::World;
    use crate::record::RunDir;
    use crate::study::board::Board;
    use crate::study::demo_config;
    use crate::study::{Event, Phase};

    #[test]
    fn a_folder_tells_where_each_piece_stands() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = demo_config(Path::new("tests/fixtures/tiny"), &World::new(0), true, 5);
        let pieces = pieces(&config);
        let run = RunDir::join(dir.path()).unwrap();
        assert!(status(dir.path()).unwrap_err().to_string().contains("`run.toml` is missing"));
        run.write_config(&config).unwrap();
        let board = Board::new(&run, &pieces, &config);
        let training = |piece| Event::Progress {
            piece,
            phase: Phase::Training,
            done: 0.25,
            loss: Some(1.5),
            steps: Some((3, 12)),
        };
        board.hear(&Event::Finished { piece: 0, reused: false });
        let claim = run.claim(&pieces[1].name, Duration::ZERO).unwrap();
        board.hear(&training(1));
        board.hear(&training(2));
        board.failed(3, &Error::new("the loss is NaN"));
        run.stage(&format!("measure-{}", pieces[4].name), &Hash::of("x"), || Ok(1)).unwrap();

        let states = |n: usize| status(dir.path()).unwrap()[..n].iter().map(|s| s.state).collect::<Vec<_>>();
        let then = [Stand::Done, Stand::UnderWay, Stand::Interrupted, Stand::Failed, Stand::Stale, Stand::Waiting];
        assert_eq!(states(6), then);
        let seen = status(dir.path()).unwrap();
        assert_eq!(
            (seen[1].steps, seen[1].loss, seen[1].phase.as_deref()),
            (Some((3, 12)), Some(1.5), Some("training"))
        );
        assert_eq!(seen[3].error.as_deref(), Some("the loss is NaN"));

        drop(claim);
        config.measure.trait_rollouts += 1;
        run.write_config(&config).unwrap();
        assert_eq!(states(4), [Stand::Stale, Stand::Interrupted, Stand::Interrupted, Stand::Waiting]);
        drop(run);
        // One process that has the whole folder works on what has been begun.
        let _alone = RunDir::open(dir.path()).unwrap();
        assert_eq!(states(3), [Stand::Stale, Stand::UnderWay, Stand::UnderWay]);
    }
}
