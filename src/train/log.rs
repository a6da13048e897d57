//! Training log: `metrics.jsonl` and trackers, shared by `train` and studies.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::events::{Event, StepReport};
use super::gradient_projection::GradientReport;
use super::probe::RecomputeReport;
use super::proof::Proof;
use crate::record::{SummedWriter, Trackers, Tracking, sound_rows};
use crate::{Error, Result};

/// What was watched while a model learned.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ProbeMetrics {
    /// Mean projection of the probe set before the first step.
    pub start: Option<f64>,
    /// By how much it had risen after so many steps.
    pub drift: Vec<(usize, f64)>,
    /// The pressure of the gradient, before the first step and then at the same steps.
    pub pressure: Vec<GradientReport>,
}

/// The record of one finetune, written while it runs. A run that resumes keeps the rows up to its checkpoint and writes the
/// later ones again, so that there is one of each step.
#[derive(Debug)]
pub struct TrainingLog {
    path: PathBuf,
    tracking: Tracking,
    open: Option<(SummedWriter, Trackers)>,
    /// The first step.
    pub first: Option<StepReport>,
    /// The latest step.
    pub last: Option<StepReport>,
    /// What the steering was measured to do.
    pub proofs: Vec<Proof>,
    /// What was watched.
    pub watched: ProbeMetrics,
    /// Tokens per second in the latest step, padding not counted.
    pub tokens_per_second: f64,
    failure: Option<Error>,
}

/// A step as trackers see it.
#[derive(Serialize)]
struct Tracked<'a> {
    #[serde(flatten)]
    report: &'a StepReport,
    tokens_per_second: f64,
}

impl TrainingLog {
    /// A log in the folder that `tracking` names.
    pub fn new(tracking: Tracking) -> Self {
        Self {
            path: tracking.folder.join("metrics.jsonl"),
            tracking,
            open: None,
            first: None,
            last: None,
            proofs: Vec::new(),
            watched: ProbeMetrics::default(),
            tokens_per_second: 0.0,
            failure: None,
        }
    }

    /// What is wrong with the rows of a run that is to go on after `step`, with its place: they are written only once. `gradient` says
    /// whether there must be rows of the gradient too, `recomputed` after how many steps each the vector was extracted anew.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn damage(&self, step: usize, gradient: bool, recomputed: Option<usize>) -> Result<Option<String>> {
        let (rows, lost) = needed::<StepReport>(&self.path, 1..=step, |row| row.step)?;
        if lost.is_some() {
            return Ok(lost);
        }
        let watched = rows.iter().filter(|row| row.step <= step && row.drift.is_some()).map(|row| row.step);
        let watched = std::iter::once(0).chain(watched).filter(|_| gradient);
        let (_, lost) = needed::<GradientReport>(&self.pressure_file(), watched, |row| row.step)?;
        let recomputed = recomputed.into_iter().flat_map(|every| (0..=step).step_by(every.max(1)));
        Ok(lost.or(needed::<RecomputeReport>(&self.vectors_file(), recomputed, |row| row.step)?.1))
    }

    /// The drift that was measured last, if any is.
    pub fn drift(&self) -> Option<f64> {
        self.watched.drift.last().map(|(_, drift)| *drift)
    }

    /// Records an event. Ends the finetune when it cannot be written; [`TrainingLog::close`] then says why.
    pub fn record(&mut self, event: &Event) -> ControlFlow<()> {
        match self.note(event) {
            Ok(()) => ControlFlow::Continue(()),
            Err(e) => {
                self.failure = Some(e);
                ControlFlow::Break(())
            }
        }
    }

    /// Puts everything on the disk.
    ///
    /// # Errors
    /// What has prevented it, then or now.
    pub fn close(&mut self) -> Result<()> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        self.open.as_mut().map_or(Ok(()), |(metrics, _)| metrics.sync())
    }

    fn note(&mut self, event: &Event) -> Result<()> {
        match event {
            Event::Damaged(_) => {}
            Event::Steered(proofs) => self.proofs.clone_from(proofs),
            Event::ProbeBaseline(start) => self.watched.start = Some(*start),
            Event::GradientProjected(report) => {
                let kept = |row: &GradientReport| row.step < report.step;
                SummedWriter::resume(&self.pressure_file(), kept)?.write(report)?;
                self.watched.pressure.push(report.clone());
            }
            Event::Recomputed(report) => {
                // Of a run that resumes, the later ones are written again.
                let kept = |row: &RecomputeReport| row.step < report.step;
                SummedWriter::resume(&self.vectors_file(), kept)?.write(report)?;
            }
            Event::Resumed(step) => {
                self.begin(*step)?;
                let (rows, _) = sound_rows::<StepReport>(&self.path)?;
                (self.first, self.last) = (rows.first().copied(), rows.last().copied());
                self.watched.drift = rows.iter().filter_map(|row| Some((row.step, row.drift?))).collect();
                (self.watched.pressure, _) = sound_rows(&self.pressure_file())?;
                self.watched.pressure.retain(|row| row.step <= *step);
            }
            Event::Step(report, _, seconds) => {
                if self.open.is_none() {
                    self.begin(0)?;
                }
                let before = self.last.map_or(0, |last| last.tokens);
                self.tokens_per_second = report.tokens.saturating_sub(before) as f64 / seconds.max(1e-9);
                let tracked = Tracked { report, tokens_per_second: self.tokens_per_second };
                let (metrics, trackers) = self.open.as_mut().expect("just opened");
                metrics.write(report)?;
                trackers.write(report.step, &tracked)?;
                self.first.get_or_insert(*report);
                self.last = Some(*report);
                self.watched.drift.extend(report.drift.map(|drift| (report.step, drift)));
            }
        }
        Ok(())
    }

    fn pressure_file(&self) -> PathBuf {
        self.tracking.folder.join("pressure.jsonl")
    }

    fn vectors_file(&self) -> PathBuf {
        self.tracking.folder.join("vectors.jsonl")
    }

    /// Opens everything after dropping what comes after step `after`.
    fn begin(&mut self, after: usize) -> Result<()> {
        let metrics = SummedWriter::resume(&self.path, |row: &StepReport| row.step <= after)?;
        self.open = Some((metrics, Trackers::open(&self.tracking, after)?));
        Ok(())
    }
}

/// The rows of a file, and the place of the first of the `steps` whose row was altered or is missing.
fn needed<T: DeserializeOwned>(
    path: &Path,
    mut steps: impl Iterator<Item = usize>,
    step_of: fn(&T) -> usize,
) -> Result<(Vec<T>, Option<String>)> {
    let (rows, damage) = sound_rows::<T>(path)?;
    let there: HashSet<usize> = rows.iter().map(step_of).collect();
    let missing = steps.find(|step| !there.contains(step));
    let what = |step| format!("{}: damaged; the row of step {step} is missing", path.display());
    Ok((rows, missing.map(|step| damage.unwrap_or_else(|| what(step)))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::read_jsonl;

    fn step(step: usize) -> Event {
        let report = StepReport { step, loss: 1.0 / step as f64, tokens: 10 * step, ..StepReport::default() };
        Event::Step(report, 9, 0.5)
    }

    #[test]
    fn a_resumed_log_has_every_step_once() {
        let dir = tempfile::tempdir().unwrap();
        let log = || TrainingLog::new(Tracking::tensorboard(dir.path()));
        let steps = || -> Vec<usize> {
            let rows: Vec<StepReport> = read_jsonl(&dir.path().join("metrics.jsonl")).unwrap();
            rows.iter().map(|row| row.step).collect()
        };
        let mut killed = log();
        (1..=5).for_each(|i| assert!(killed.record(&step(i)).is_continue()));
        assert_eq!(killed.tokens_per_second, 20.0);
        drop(killed);

        let mut resumed = log();
        assert!(resumed.record(&Event::Resumed(3)).is_continue());
        assert_eq!((resumed.first.unwrap().step, resumed.last.unwrap().step), (1, 3));
        assert!(resumed.record(&step(4)).is_continue());
        resumed.close().unwrap();
        assert_eq!(steps(), [1, 2, 3, 4]);
        // One that begins anew drops what another left.
        assert!(log().record(&step(1)).is_continue());
        assert_eq!(steps(), [1]);
    }

    #[test]
    fn a_resumed_log_knows_what_was_watched() {
        let dir = tempfile::tempdir().unwrap();
        let log = || TrainingLog::new(Tracking::tensorboard(dir.path()));
        let pressed = |step| {
            let pulls = vec![Some(0.1 * step as f64), None];
            Event::GradientProjected(GradientReport { step, on: pulls.clone(), off: pulls })
        };
        let tell = |log: &mut TrainingLog, steps: std::ops::RangeInclusive<usize>| {
            for i in steps {
                let Event::Step(report, of, seconds) = step(i) else { unreachable!() };
                let drift = i.is_multiple_of(2).then_some(i as f64);
                assert!(log.record(&Event::Step(StepReport { drift, ..report }, of, seconds)).is_continue());
                drift.iter().for_each(|_| assert!(log.record(&pressed(i)).is_continue()));
            }
        };
        let begin = |log: &mut TrainingLog| {
            [Event::ProbeBaseline(-3.0), pressed(0)].iter().for_each(|event| assert!(log.record(event).is_continue()));
        };
        let mut whole = log();
        begin(&mut whole);
        tell(&mut whole, 1..=7);
        assert_eq!(whole.watched.drift, [(2, 2.0), (4, 4.0), (6, 6.0)]);
        let (want, rows) = (whole.watched, std::fs::read(dir.path().join("pressure.jsonl")).unwrap());

        // Killed after step 6, the last checkpoint after step 3.
        let mut resumed = log();
        assert!(
            resumed.record(&Event::ProbeBaseline(-3.0)).is_continue()
                && resumed.record(&Event::Resumed(3)).is_continue()
        );
        tell(&mut resumed, 4..=7);
        assert_eq!((resumed.drift(), &resumed.watched), (Some(6.0), &want));
        assert_eq!(std::fs::read(dir.path().join("pressure.jsonl")).unwrap(), rows);
        // One that begins anew drops what another left.
        begin(&mut log());
        assert_eq!(read_jsonl::<GradientReport>(&dir.path().join("pressure.jsonl")).unwrap().len(), 1);
    }

    #[test]
    fn rows_that_were_altered_or_are_missing_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let log = || TrainingLog::new(Tracking::tensorboard(dir.path()));
        let mut killed = log();
        (1..=5).for_each(|i| assert!(killed.record(&step(i)).is_continue()));
        drop(killed);
        let path = dir.path().join("metrics.jsonl");
        let whole = std::fs::read_to_string(&path).unwrap();
        assert_eq!(log().damage(5, false, None).unwrap(), None);
        assert!(log().damage(6, false, None).unwrap().unwrap().contains("step 6 is missing"));
        assert!(log().damage(5, true, None).unwrap().unwrap().contains("pressure.jsonl: damaged; the row of step 0"));
        std::fs::write(&path, whole.replacen("\"loss\":0.5", "\"loss\":0.7", 1)).unwrap();
        assert!(log().damage(5, false, None).unwrap().unwrap().ends_with("metrics.jsonl:2: damaged"));
        assert!(
            log().damage(1, false, Some(2)).unwrap().unwrap().contains("vectors.jsonl: damaged; the row of step 0")
        );
        // What comes after the checkpoint is written again in any case.
        assert_eq!(log().damage(1, false, None).unwrap(), None);
    }

    #[test]
    fn what_cannot_be_written_ends_the_finetune_with_its_reason() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = TrainingLog::new(Tracking::tensorboard(&dir.path().join("absent")));
        assert!(log.record(&step(1)).is_break());
        assert!(log.close().unwrap_err().to_string().contains("metrics.jsonl"));
    }
}
