//! How a layer is chosen from a grid of scores (Chen et al. 2025, appendix B.4).

use serde::{Deserialize, Serialize};

use crate::eval::clusters;
use crate::judge::{JudgedAnswer, Rubric};
use crate::language_model::FinishReason;
use crate::persona::dataset_of;
use crate::record::written;
use crate::report::{PublishedValue, published_values};
use crate::stats::{Clusters, Interval};
use crate::steering::{Part, Positions, SteeringPlan};
use crate::vector::{Layer, VectorFile};
use crate::{Error, Result};

/// One setting and what its answers came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// The steered layer; nothing at coefficient 0.
    pub layer: Option<Layer>,
    /// In multiples of the raw vector.
    pub coef: f64,
    /// Trait score, 0 to 100, clustered by question; over the answers that have one.
    pub score: Interval,
    /// Coherence, 0 to 100, likewise.
    pub coherence: Interval,
    /// Answers.
    pub answers: usize,
    /// Of these, without a trait score.
    pub missing: usize,
    /// Of these, ended by the limit of tokens.
    pub cut: usize,
    /// Trait scores by question, for paired differences.
    #[serde(skip)]
    pub scores: Clusters,
}

/// A rule to choose by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// The largest trait score at one coefficient for all layers, whatever becomes of the text.
    #[default]
    Paper,
    /// The largest trait score of the whole grid among the cells whose answers stay coherent.
    Coherent,
}

/// What a rule chose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The winner.
    pub cell: Cell,
    /// The best cell of another layer, and how far the winner is above it, paired by question.
    pub runner_up: Option<(Layer, f64, Interval)>,
}

/// The paper's rule: the layer with the largest trait score at a common coefficient.
pub fn paper(cells: &[Cell], at: f64, seed: u64) -> Option<Choice> {
    best(cells.iter().filter(|cell| cell.coef == at), seed)
}

/// The largest trait score among the cells whose mean coherence is at least `least`.
pub fn constrained(cells: &[Cell], least: f64, seed: u64) -> Option<Choice> {
    best(cells.iter().filter(|cell| cell.coef != 0.0 && cell.coherence.mean >= least), seed)
}

/// The largest score; of equal ones the more coherent, then the weaker, then the lower.
fn best<'a>(cells: impl Iterator<Item = &'a Cell>, seed: u64) -> Option<Choice> {
    let mut cells: Vec<&Cell> = cells.filter(|cell| cell.layer.is_some() && cell.score.mean.is_finite()).collect();
    cells.sort_by(|a, b| {
        let by_coherence = b.coherence.mean.max(0.0).total_cmp(&a.coherence.mean.max(0.0));
        let by_strength = a.coef.abs().total_cmp(&b.coef.abs());
        b.score.mean.total_cmp(&a.score.mean).then(by_coherence).then(by_strength).then(a.layer.cmp(&b.layer))
    });
    let winner = *cells.first()?;
    let other = cells.iter().find(|cell| cell.layer != winner.layer);
    let runner_up = other
        .and_then(|cell| Some((cell.layer?, cell.coef, Interval::of_difference(&winner.scores, &cell.scores, seed))));
    Some(Choice { cell: winner.clone(), runner_up })
}

/// The layer that the paper chose for a trait on one of its two models (Chen et al. 2025, appendix B.4; figure 20 for the four
/// traits beside evil, sycophancy and hallucination).
pub fn published(model: &str, trait_name: &str) -> Option<Layer> {
    let (model, trait_name) = (model.to_lowercase(), dataset_of(trait_name));
    let is_of = |entry: &PublishedValue| {
        let theirs = entry.source.rsplit(", ").next().unwrap_or_default().to_lowercase();
        entry.axis == "layer"
            && entry.along == trait_name
            && model.contains(theirs.strip_suffix("-instruct").unwrap_or(&theirs))
    };
    published_values().find(is_of).map(|entry| Layer(entry.published as usize))
}

/// Sums rows up by setting, in their order. `seed` draws the bootstrap.
pub(super) fn cells(rows: &[JudgedAnswer], trait_name: &str, seed: u64) -> Vec<Cell> {
    let same = |a: &JudgedAnswer, b: &JudgedAnswer| (a.layer, a.coef) == (b.layer, b.coef);
    rows.chunk_by(same).map(|rows| cell(rows, trait_name, seed)).collect()
}

fn cell(rows: &[JudgedAnswer], trait_name: &str, seed: u64) -> Cell {
    let scores = clusters(rows, trait_name);
    let missing = |row: &&JudgedAnswer| row.verdicts.get(trait_name).is_none_or(|verdict| verdict.score.is_none());
    Cell {
        layer: rows[0].layer,
        coef: rows[0].coef.map_or(0.0, written),
        score: Interval::of(&scores, seed),
        coherence: Interval::of(&clusters(rows, Rubric::Coherence.key()), seed),
        answers: rows.len(),
        missing: rows.iter().filter(missing).count(),
        cut: rows.iter().filter(|row| row.finish_reason == Some(FinishReason::Length)).count(),
        scores,
    }
}

impl Choice {
    /// A part of a plan that steers as the choice says.
    ///
    /// # Errors
    /// If the vectors have no such layer.
    pub fn part(&self, vectors: &VectorFile, positions: Positions) -> Result<Part> {
        let layer = self.cell.layer.filter(|l| l.row() <= vectors.response_avg.layers());
        let layer = layer.ok_or_else(|| Error::new("the choice names no layer of these vectors"))?;
        let mut plan = SteeringPlan::rows(&vectors.response_avg, &[layer], self.cell.coef as f32, positions);
        Ok(plan.parts.remove(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(layer: usize, coef: f64, score: f64, coherence: f64) -> Cell {
        Cell {
            layer: Some(Layer(layer)),
            coef,
            score: Interval::point(score, 200, 20),
            coherence: Interval::point(coherence, 200, 20),
            answers: 200,
            missing: 0,
            cut: 0,
            scores: (0..20).map(|q| (format!("q{q:02}"), vec![score])).collect(),
        }
    }

    /// The published grid of a replication on Qwen2.5-7B-Instruct: layer, then trait / coherence at 1.5 and at
    /// 2.5 for evil, sycophantic and hallucinating.
    #[rustfmt::skip]
    const PUBLISHED: [(usize, [[f64; 4]; 3]); 7] = [
        (5,  [[0.0, 97.0, 0.0, 97.0],   [5.0, 98.0, 6.0, 98.0],   [22.0, 94.0, 20.0, 93.0]]),
        (11, [[0.0, 96.0, 21.0, 76.0],  [9.0, 99.0, 13.0, 98.0],  [36.0, 93.0, 61.0, 92.0]]),
        (14, [[11.0, 90.0, 73.0, 46.0], [10.0, 98.0, 22.0, 97.0], [57.0, 92.0, 91.0, 85.0]]),
        (16, [[32.0, 81.0, 86.0, 39.0], [20.0, 98.0, 56.0, 95.0], [80.0, 90.0, 98.0, 75.0]]),
        (20, [[66.0, 58.0, 96.0, 20.0], [64.0, 96.0, 98.0, 47.0], [73.0, 89.0, 95.0, 65.0]]),
        (23, [[10.0, 88.0, 85.0, 29.0], [21.0, 97.0, 89.0, 76.0], [42.0, 91.0, 60.0, 86.0]]),
        (25, [[1.0, 94.0, 56.0, 52.0],  [12.0, 98.0, 52.0, 91.0], [35.0, 91.0, 48.0, 89.0]]),
    ];

    fn published_grid(trait_: usize) -> Vec<Cell> {
        let cells = PUBLISHED.iter().flat_map(|(layer, traits)| {
            let [weak, weak_coherence, strong, strong_coherence] = traits[trait_];
            [cell(*layer, 1.5, weak, weak_coherence), cell(*layer, 2.5, strong, strong_coherence)]
        });
        let mut cells: Vec<Cell> = cells.collect();
        match trait_ {
            // Points at 2.0 that the text gives. That of evil is between 50 and 75 coherent; no more is said of it.
            0 => cells.push(cell(16, 2.0, 67.3, 60.0)),
            1 => cells.push(cell(20, 2.0, 90.5, 87.0)),
            _ => {}
        }
        cells
    }

    #[track_caller]
    fn check(choice: Option<Choice>, want: (usize, f64)) {
        let cell = choice.expect("a choice").cell;
        assert_eq!((cell.layer.unwrap().row(), cell.coef), want);
    }

    #[test]
    fn both_rules_give_the_published_layers() {
        for (i, name, layer, strong, coherent) in [
            (0, "evil", 20, (20, 1.5), (16, 1.5)),
            (1, "sycophantic", 20, (20, 1.5), (20, 2.0)),
            (2, "hallucinating", 16, (16, 1.5), (16, 2.5)),
        ] {
            let grid = published_grid(i);
            assert_eq!(published("Qwen2.5-7B-Instruct", name), Some(Layer(layer)));
            assert_eq!(published("meta-llama/Llama-3.1-8B-Instruct", name), Some(Layer(16)));
            check(paper(&grid, 2.5, 0), (layer, 2.5));
            check(paper(&grid, 1.5, 0), strong);
            check(constrained(&grid, 75.0, 0), coherent);
        }
        // With the milder limit, evil moves up to 2.0 at the same layer.
        check(constrained(&published_grid(0), 50.0, 0), (16, 2.0));
    }

    #[test]
    fn the_runner_up_is_the_best_of_another_layer() {
        let choice = paper(&published_grid(0), 2.5, 0).unwrap();
        let (layer, coef, above) = choice.runner_up.unwrap();
        assert_eq!((layer, coef, above.mean, above.clusters), (Layer(16), 2.5, 10.0, 20));
    }

    #[test]
    fn ties_go_to_the_coherent_then_the_weak_and_nothing_is_chosen_from_nothing() {
        let tied = [cell(3, 2.0, 50.0, 80.0), cell(2, 2.0, 50.0, 90.0), cell(4, 1.0, 50.0, 90.0)];
        check(constrained(&tied, 75.0, 0), (4, 1.0));
        check(paper(&tied, 2.0, 0), (2, 2.0));
        let broken = [cell(3, 2.0, f64::NAN, 0.0), Cell { layer: None, ..cell(1, 0.0, 9.0, 99.0) }];
        assert_eq!(paper(&broken, 2.0, 0), None);
        assert_eq!(paper(&broken, 0.0, 0), None, "coefficient 0 is no layer");
        assert_eq!(constrained(&broken, 75.0, 0), None);
        // A cell without a coherence score does not count as coherent.
        assert_eq!(constrained(&[cell(3, 2.0, 50.0, f64::NAN)], 0.0, 0), None);
    }

    #[test]
    fn other_models_have_no_published_layer() {
        assert_eq!(published("Qwen2.5-0.5B-Instruct", "evil"), None);
        assert_eq!(published("Qwen2.5-7B", "humorous"), Some(Layer(20)));
        assert_eq!(published("qwen2.5-7b-instruct", "bold"), None);
    }
}
