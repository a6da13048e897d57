//! Answers as they come in, in one file of the run's folder. They belong to a setting and a question, not to a run: what is there is
//! never asked again, whether a kill or a larger grid comes between. Each is written before it is judged, so that a judge that fails
//! costs none, and another judge or rubric judges them anew.

use std::collections::BTreeMap;

use crate::eval::{self, Asked, Point, Sample, Task};
use crate::judge::{Judge, JudgedAnswer};
use crate::language_model::LanguageModel;
use crate::record::{Hash, Kept, KeyedRows, Lock, RunDir, differing, refuse_other};
use crate::{At, Result};

pub(super) const FILE: &str = "answers.jsonl";

/// The stage whose key says what the answers are of.
const IDENTITY: &str = "answers-of";

/// Answers per request to the model: what a kill can cost.
const CHUNK: usize = 512;

/// The hashes of a lock that decide scores and not answers.
const OF_VERDICTS: [&str; 2] = ["judge", "rubric"];

/// The hashes of a lock that decide the answers.
pub(super) fn deciding(lock: &Lock) -> Vec<(&String, &Hash)> {
    lock.hashes.iter().filter(|(name, _)| !OF_VERDICTS.contains(&name.as_str())).collect()
}

/// Names a setting among the answers: the task, the layer (0 for none) and the coefficient in the order of numbers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Setting {
    task: String,
    layer: usize,
    coef: i32,
}

impl Setting {
    fn of(task: &str, layer: Option<usize>, coef: f32) -> Self {
        // The order of f32::total_cmp, as a key.
        let bits = (coef + 0.0).to_bits() as i32;
        Self { task: task.to_owned(), layer: layer.unwrap_or(0), coef: bits ^ (((bits >> 31) as u32) >> 1) as i32 }
    }
}

/// Names an answer. Questions are numbered, and `evil_10` comes after `evil_9`.
type Place = (Setting, usize, String, usize);

fn place(row: &JudgedAnswer) -> Place {
    let setting = Setting::of(&row.task, row.layer.map(|layer| layer.row()), row.coef.unwrap_or(0.0));
    (setting, row.question_id.len(), row.question_id.clone(), row.rollout)
}

/// The answers so far.
pub(super) struct Answers {
    kept: KeyedRows<Place, JudgedAnswer>,
}

/// Questions that lack the same settings.
struct Chunk {
    samples: Vec<Sample>,
    points: Vec<Point>,
}

impl Answers {
    /// Takes up what the folder holds, if that is of the same model, vectors, trait and sampling. Verdicts of another judge or by
    /// another rubric are dropped.
    ///
    /// # Errors
    /// If it is of others and may not be thrown away; the error names in what it differs.
    pub fn open(run: &RunDir, lock: &Lock, overwrite: bool) -> Result<Self> {
        let path = run.file(FILE);
        let identity = Hash::of(&(deciding(lock), &lock.device));
        let mut is_judged_otherwise = false;
        if path.exists() {
            let differ = match run.lock()? {
                // A kill came before the lock was written, or it is damaged: a stage tells which run is here.
                old @ (Kept::None | Kept::Damaged) => {
                    if old == Kept::Damaged {
                        run.note_damage_of_lock("the answers are judged anew");
                    }
                    is_judged_otherwise = true;
                    match run.reading().stage(IDENTITY, &identity, || Ok(())) {
                        Ok(_) => Vec::new(),
                        Err(_) => vec!["the settings, the model or the device".to_owned()],
                    }
                }
                Kept::Whole(old) => {
                    let differ = differing(&old.hashes, &lock.hashes);
                    is_judged_otherwise = differ.iter().any(|name| OF_VERDICTS.contains(name));
                    let differ = differ.into_iter().filter(|name| !OF_VERDICTS.contains(name));
                    differ.chain((old.device != lock.device).then_some("device")).map(str::to_owned).collect()
                }
            };
            if overwrite && !differ.is_empty() {
                std::fs::remove_file(&path).at(&path)?;
            } else {
                let differ: Vec<&str> = differ.iter().map(String::as_str).collect();
                refuse_other(run.path(), "the answers of another run", &differ, "--out")?;
            }
        }
        run.stage(IDENTITY, &identity, || Ok(()))?;
        let mut kept = KeyedRows::open(&path, place)?;
        run.note_damage(kept.damage());
        if is_judged_otherwise {
            let all: Vec<JudgedAnswer> = kept.rows().values().cloned().collect();
            let bare = |row| JudgedAnswer { verdicts: BTreeMap::new(), ..row };
            all.into_iter().map(bare).try_for_each(|row| kept.push(row))?;
        }
        Ok(Self { kept })
    }

    /// The answers to all questions of a task at all points, by point, question and rollout. Only what is missing is asked;
    /// `done` hears (answers there, answers in all).
    ///
    /// # Errors
    /// Those of the subject and the judge, and a disk that is full.
    pub fn ask(
        &mut self,
        subject: &mut dyn LanguageModel,
        judge: &mut dyn Judge,
        task: &Task,
        points: &[Point],
        done: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<JudgedAnswer>> {
        let Asked::Words { sampling, .. } = &task.asked else { panic!("a trait is asked in words") };
        let rollouts = sampling.rollouts;
        let total = task.samples.len() * points.len() * rollouts;
        let chunks = self.missing(task, points, rollouts);
        let mut there = total - chunks.iter().map(|c| c.samples.len() * c.points.len() * rollouts).sum::<usize>();
        done(there, total);
        // What an earlier run could not have judged comes first: if the judge still fails, nothing is generated in vain.
        let left = self.all(task, points, rollouts).filter(|row| row.verdicts.is_empty()).cloned().collect();
        self.judge(task, judge, left)?;
        for Chunk { samples, points } in chunks {
            let part = Task { samples, ..task.clone() };
            let rows = eval::answer(&part, subject, &points, &mut |n, _| done(there + n, total))?;
            there += rows.len();
            rows.iter().try_for_each(|row| self.kept.push(row.clone()))?;
            self.judge(task, judge, rows)?;
        }
        Ok(self.all(task, points, rollouts).cloned().collect())
    }

    /// Has answers judged, and keeps them with their verdicts.
    fn judge(&mut self, task: &Task, judge: &mut dyn Judge, mut rows: Vec<JudgedAnswer>) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        eval::score(task, judge, &mut rows)?;
        rows.into_iter().try_for_each(|row| self.kept.push(row))
    }

    /// The answers that are there, by point, question and rollout.
    fn all<'a>(
        &'a self,
        task: &'a Task,
        points: &'a [Point],
        rollouts: usize,
    ) -> impl Iterator<Item = &'a JudgedAnswer> {
        let places = points.iter().flat_map(|point| task.samples.iter().map(move |sample| (point, sample)));
        places.flat_map(move |(point, sample)| self.of(task, point, sample, rollouts))
    }

    /// Sorts the file, which until now is in the order of asking, and leaves no trace of interruptions.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn finish(self) -> Result<()> {
        self.kept.sort()
    }

    fn of<'a>(
        &'a self,
        task: &Task,
        point: &Point,
        sample: &Sample,
        rollouts: usize,
    ) -> impl Iterator<Item = &'a JudgedAnswer> + use<'a> {
        let setting = Setting::of(&task.name, point.layer.map(|layer| layer.row()), point.coef);
        let id = sample.question_id.clone();
        let from = (setting.clone(), id.len(), id.clone(), 0);
        self.kept.rows().range(from..(setting, id.len(), id, rollouts)).map(|(_, row)| row)
    }

    /// What is still to be asked, in pieces: few questions at many points each, so that what a question's prompts share is read
    /// once.
    fn missing(&self, task: &Task, points: &[Point], rollouts: usize) -> Vec<Chunk> {
        let lacks = |sample: &Sample| -> Vec<Point> {
            points.iter().filter(|p| self.of(task, p, sample, rollouts).count() < rollouts).cloned().collect()
        };
        let mut chunks: Vec<Chunk> = Vec::new();
        for sample in &task.samples {
            let points = lacks(sample);
            for points in points.chunks((CHUNK / rollouts).max(1)) {
                match chunks.last_mut() {
                    Some(last)
                        if last.points == points && (last.samples.len() + 1) * points.len() * rollouts <= CHUNK =>
                    {
                        last.samples.push(sample.clone());
                    }
                    _ => chunks.push(Chunk { samples: vec![sample.clone()], points: points.to_vec() }),
                }
            }
        }
        chunks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_in_the_order_of_their_numbers() {
        let coefs = [-2.5f32, -0.5, 0.0, 0.5, 1.5, 10.0];
        let keys: Vec<Setting> = coefs.iter().map(|&coef| Setting::of("a", Some(3), coef)).collect();
        assert!(keys.is_sorted() && keys.windows(2).all(|pair| pair[0] != pair[1]));
        assert_eq!(Setting::of("a", None, -0.0), Setting::of("a", None, 0.0));
        assert!(Setting::of("a", None, 9.0) < Setting::of("a", Some(1), -9.0));
    }
}
