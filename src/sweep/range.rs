//! How strong may it be: the largest coefficient that leaves the text coherent, by doubling and then by bisection.

use serde::{Deserialize, Serialize};

use super::rules::Cell;
use super::work::Work;
use crate::Result;
use crate::language_model::LanguageModel;
use crate::vector::Layer;

/// The search ends when the bracket is this narrow, relative to its upper end.
const PRECISION: f64 = 0.1;

/// A coefficient that was tried, and whether its answers stayed coherent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tried {
    /// The coefficient, above 0.
    pub coef: f64,
    /// Whether mean coherence is at least the minimum.
    pub coherent: bool,
}

/// Coefficients that can be used at a layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Range {
    /// The layer.
    pub layer: Layer,
    /// Everything tried there, by coefficient; the grid's among them.
    pub tried: Vec<Cell>,
    /// The largest coherent coefficient below every incoherent one.
    pub coherent_to: Option<f64>,
    /// The smallest incoherent coefficient.
    pub incoherent_from: Option<f64>,
    /// The place in `tried` of the largest effect among the coherent.
    pub best: Option<usize>,
    /// Batches asked beyond the grid.
    pub steps: usize,
    /// False if the search ran out of steps.
    pub complete: bool,
}

/// The next coefficient to try: twice the largest while all are coherent, then the middle between the largest coherent and the
/// smallest incoherent one, until these are near enough. `None` when there is nothing left to learn.
pub fn next_coef(tried: &[Tried]) -> Option<f64> {
    let (low, high) = bracket(tried);
    match high {
        None => Some(if low > 0.0 { 2.0 * low } else { 1.0 }),
        Some(high) if high - low <= PRECISION * high => None,
        Some(high) => Some((low + high) / 2.0),
    }
}

/// The largest coherent coefficient below every incoherent one (0 if there is none), and the smallest incoherent one.
fn bracket(tried: &[Tried]) -> (f64, Option<f64>) {
    let high = tried.iter().filter(|t| !t.coherent).map(|t| t.coef).min_by(f64::total_cmp);
    let below = tried.iter().filter(|t| t.coherent && high.is_none_or(|high| t.coef < high)).map(|t| t.coef);
    (below.fold(0.0, f64::max), high)
}

impl Work<'_> {
    /// Searches at a layer, each step one batch, beginning with what the grid knows of it.
    pub(super) fn range(
        &mut self,
        subject: &mut dyn LanguageModel,
        layer: Layer,
        grid: &[Cell],
        steps_max: usize,
    ) -> Result<Range> {
        let (split, least) = (self.inputs.config.split, self.inputs.config.min_coherence);
        let here = |cell: &&Cell| cell.layer == Some(layer) && cell.coef > 0.0;
        let mut cells: Vec<Cell> = grid.iter().filter(here).cloned().collect();
        let tried = |cells: &[Cell]| -> Vec<Tried> {
            cells.iter().map(|c| Tried { coef: c.coef, coherent: c.coherence.mean >= least }).collect()
        };
        let mut steps = 0;
        let mut next = next_coef(&tried(&cells));
        while let Some(coef) = next.filter(|_| steps < steps_max) {
            // Three digits are enough, and such a number can be typed again.
            let coef = (coef * 1000.0).round() / 1000.0;
            let point = self.point(layer, coef);
            let rows = self.ask(subject, split, "grid", &[point])?;
            cells.extend(self.cells(&rows));
            cells.sort_by(|a, b| a.coef.total_cmp(&b.coef));
            steps += 1;
            next = next_coef(&tried(&cells));
        }
        let (low, high) = bracket(&tried(&cells));
        let coherent = cells.iter().enumerate().filter(|(_, c)| c.coherence.mean >= least && c.score.mean.is_finite());
        let best = coherent.max_by(|a, b| a.1.score.mean.total_cmp(&b.1.score.mean)).map(|(i, _)| i);
        let coherent_to = (low > 0.0).then_some(low);
        Ok(Range { layer, tried: cells, coherent_to, incoherent_from: high, best, steps, complete: next.is_none() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that is tried until the search is content, for a text that breaks at `limit`.
    fn search(start: &[f64], limit: f64) -> Vec<f64> {
        let tried = |coef: f64| Tried { coef, coherent: coef < limit };
        let mut all: Vec<Tried> = start.iter().map(|&coef| tried(coef)).collect();
        while let Some(coef) = next_coef(&all) {
            assert!(all.len() < 30, "the search does not end: {all:?}");
            all.push(tried(coef));
        }
        all[start.len()..].iter().map(|t| t.coef).collect()
    }

    #[test]
    fn doubles_until_the_text_breaks_and_then_halves_the_bracket() {
        assert_eq!(search(&[0.5, 1.0], 3.0), [2.0, 4.0, 3.0, 2.5, 2.75]);
        assert_eq!(search(&[], 1.2), [1.0, 2.0, 1.5, 1.25, 1.125]);
    }

    #[test]
    fn what_the_grid_knows_is_not_asked_again() {
        assert_eq!(search(&[1.0, 1.5, 2.0], 1.9), [1.75, 1.875]);
        assert_eq!(search(&[2.0, 2.1], 2.05), [0.0; 0]);
    }

    #[test]
    fn a_text_that_breaks_at_once_and_comes_back_later_is_not_trusted() {
        let tried = [(0.5, true), (1.0, false), (2.0, true)].map(|(coef, coherent)| Tried { coef, coherent });
        assert_eq!(bracket(&tried), (0.5, Some(1.0)));
        assert_eq!(next_coef(&tried), Some(0.75));
    }

    #[test]
    fn a_limit_near_zero_is_found_too() {
        let found = search(&[1.0], 0.01);
        assert!(found.len() < 15 && *found.last().unwrap() < 0.02, "{found:?}");
    }
}
