//! Rollouts of a trait in a run's folder: both sides answered, judged, and turned into vectors. Answers and activations survive an
//! interruption; the judge keeps its own replies, so another filter costs no answer and no call.

use std::ops::ControlFlow;

use serde::Serialize;
use serde_json::{Map, json};

use super::answers::{Answers, FINISH_REASON};
use super::artifact::Artifact;
use super::extract::{Extraction, ExtractionRecipe, extract, extract_captured};
use super::names::Side;
use super::rollout::{Inquiry, judge_rows};
use super::rows::write_rows;
use super::states::States;
use super::tokens::Border;
use crate::Result;
use crate::judge::{Judge, JudgedAnswer};
use crate::language_model::{FinishReason, LanguageModel, Sampling};
use crate::record::{Hash, RunDir, hash_file};
use crate::stats::{mean, sample_std};

/// The folder of the answers as they were made.
const ANSWERS: &str = "answers";

/// Loads the model.
pub type OpenModel<'a> = dyn FnMut() -> Result<Box<dyn LanguageModel>> + 'a;

/// What is asked, and where the answers are kept.
#[derive(Debug)]
pub struct RolloutRun<'a> {
    /// The run's folder.
    pub dir: &'a RunDir,
    /// The trait's stem, which names rows, columns and files.
    pub trait_name: &'a str,
    /// Instructions and questions.
    pub artifact: &'a Artifact,
    /// Who the assistant is in positive and in negative system prompts.
    pub assistants: [&'a str; 2],
    /// How answers are drawn, and how many.
    pub sampling: &'a Sampling,
    /// Hash of everything that decides the answers.
    pub key: Hash,
    /// The model's layers and width.
    pub shape: (usize, usize),
}

/// The two sides, as an index has them.
const SIDES: [Side; 2] = [Side::Pos, Side::Neg];

/// What one side's answers are known by.
fn work(side: Side, key: &Hash) -> Hash {
    Hash::of(&(side, key))
}

impl RolloutRun<'_> {
    fn inquiry(&self, side: Side) -> Inquiry<'_> {
        let Self { trait_name, artifact, assistants, sampling, .. } = self;
        Inquiry { trait_name, artifact, side, assistant: assistants[side as usize], sampling }
    }

    /// Whether a folder holds answers, whatever the settings.
    pub fn has_begun(dir: &RunDir) -> bool {
        Answers::files(&dir.file(ANSWERS), Side::Pos)[0].exists()
    }

    /// Whether a folder holds answers of other settings than those that `key` is of.
    pub fn holds_others(dir: &RunDir, key: &Hash) -> bool {
        SIDES.iter().any(|side| Answers::are_of_other(&dir.file(ANSWERS), *side, &work(*side, key)))
    }

    /// Number of answers of both sides.
    pub fn total(&self) -> usize {
        SIDES.iter().map(|&side| self.inquiry(side).answers()).sum()
    }

    /// Answers what is not answered yet, and gives positive and negative rows; none if `tell` breaks off. `tell` hears which side is
    /// under way, how many answers of both sides there are, and whether these come from an earlier run.
    ///
    /// # Errors
    /// Those of the model and of the folder.
    pub fn answer(
        &self,
        open: &mut OpenModel<'_>,
        tell: &mut dyn FnMut(Side, usize, bool) -> ControlFlow<()>,
    ) -> Result<Option<[Vec<JudgedAnswer>; 2]>> {
        let mut model = None;
        let mut rows = [Vec::new(), Vec::new()];
        let mut before = 0;
        for side in SIDES {
            let inquiry = self.inquiry(side);
            let mut answers = Answers::open(&self.dir.file(ANSWERS), &inquiry, &work(side, &self.key), self.shape)?;
            self.dir.note_damage(answers.damage());
            if !answers.complete() {
                let model = match &mut model {
                    Some(model) => model,
                    None => model.insert(open()?),
                };
                let _ = tell(side, before + answers.count(), answers.count() > 0);
                if !answers.ask(model.as_mut(), &inquiry, &mut |n| tell(side, before + n, false))? {
                    return Ok(None);
                }
            }
            before += inquiry.answers();
            rows[side as usize] = answers.rows()?;
        }
        Ok(Some(rows))
    }

    /// Has both sides judged and writes their tables `<trait>_<side>_instruct.csv` and `.jsonl`; gives the names and hashes of the
    /// former.
    ///
    /// # Errors
    /// Those of the judge and of the folder.
    pub fn judge(&self, judge: &mut dyn Judge, rows: &mut [Vec<JudgedAnswer>; 2]) -> Result<Vec<(String, Hash)>> {
        let [pos, neg] = rows;
        let border = pos.len();
        // Together, so that a paid judge estimates once what both sides cost.
        pos.append(neg);
        judge_rows(judge, self.trait_name, pos)?;
        *neg = pos.split_off(border);
        let mut hashes = Vec::new();
        for (side, rows) in SIDES.into_iter().zip(rows.iter()) {
            let table = format!("{}_{}_instruct", self.trait_name, side.key());
            write_rows(&self.dir.file(format!("{table}.jsonl")), self.trait_name, rows)?;
            let bare: Vec<JudgedAnswer> =
                rows.iter().map(|row| JudgedAnswer { extra: Map::new(), ..row.clone() }).collect();
            let name = format!("{table}.csv");
            write_rows(&self.dir.file(&name), self.trait_name, &bare)?;
            let hash = hash_file(&self.dir.file(&name))?;
            hashes.push((name, hash));
        }
        Ok(hashes)
    }

    /// The vectors of judged rows: from the activations of the answers as they were made, or from reading the kept answers again
    /// where the recipe needs other tokens than those.
    ///
    /// # Errors
    /// A filter that keeps nothing, and those of the model and of the folder.
    pub fn extract(
        &self,
        [pos, neg]: &[Vec<JudgedAnswer>; 2],
        recipe: &ExtractionRecipe,
        open: &mut OpenModel<'_>,
        tell: &mut dyn FnMut(usize, usize),
    ) -> Result<Extraction> {
        if recipe.response_window.is_some() || recipe.border != Border::Separate {
            return extract(open()?.as_mut(), pos, neg, recipe, tell);
        }
        let states = |side| States::open(&Answers::files(&self.dir.file(ANSWERS), side)[1]);
        extract_captured(&[states(Side::Pos)?, states(Side::Neg)?], pos, neg, recipe, tell)
    }
}

/// One side's answers in numbers.
#[derive(Debug, Serialize)]
pub struct SideReport {
    /// All answers.
    pub answers: usize,
    /// Mean and sample standard deviation of the trait expression scores; none if nothing was scored.
    #[serde(rename = "trait")]
    pub trait_score: Option<(f64, f64)>,
    /// The same of coherence.
    pub coherence: Option<(f64, f64)>,
    /// Answers without a trait score: the judge declined or could not be read.
    pub unscored: usize,
    /// Answers that ended at the limit of tokens.
    pub cut: usize,
}

impl SideReport {
    /// The numbers of judged rows.
    pub fn new(rows: &[JudgedAnswer]) -> Self {
        let numbers = |score: fn(&JudgedAnswer) -> Option<f64>| {
            let scores: Vec<f64> = rows.iter().filter_map(score).collect();
            (!scores.is_empty()).then(|| (mean(&scores), if scores.len() > 1 { sample_std(&scores) } else { 0.0 }))
        };
        let cut = json!(FinishReason::Length);
        Self {
            answers: rows.len(),
            trait_score: numbers(JudgedAnswer::trait_score),
            coherence: numbers(JudgedAnswer::coherence),
            unscored: rows.iter().filter(|row| row.trait_score().is_none()).count(),
            cut: rows.iter().filter(|row| row.extra.get(FINISH_REASON) == Some(&cut)).count(),
        }
    }
}
