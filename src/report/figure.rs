//! A figure: what is drawn, with its numbers, and its three forms: SVG, PNG and CSV.

use serde::{Deserialize, Serialize};

use super::colours::{Hue, Look};
use super::heat::Heat;
use super::histogram::Histogram;
use super::lines::{Level, Lines, Panel};
use super::png;
use super::scatter::Scatter;
use super::table::Table;
use super::words::worded;
use crate::{Result, ensure};

/// Colours that tell things apart, in the order of taking them.
pub const HUES: [Hue; 8] =
    [Hue::Vermillion, Hue::Blue, Hue::Green, Hue::Purple, Hue::Orange, Hue::Sky, Hue::Grey, Hue::Ink];

/// Pixels of a PNG for each unit of its SVG: sharp on dense screens and at a column's width in print.
const PNG_SCALE: f32 = 2.0;

/// A picture with its files' name and its words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Name of its files, without extension: `figure`.
    pub file: String,
    /// Its title, for readers who cannot see it.
    pub title: String,
    /// The text beneath it.
    pub caption: String,
    /// What is drawn.
    pub plot: Plot,
}

/// What is drawn, and its numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Plot {
    /// Curves in panels on one scale.
    Lines(Lines),
    /// One measurement against another.
    Scatter(Scatter),
    /// How single values are spread.
    Histogram(Histogram),
    /// A grid of cells for each measurement.
    Heat(Heat),
}

impl Plot {
    /// Scores or accuracies over a coefficient, the base model dashed.
    pub fn scores(panels: Vec<Panel>) -> Self {
        let (x, y, level) = ("coef".to_owned(), "score or accuracy".to_owned(), "base model".to_owned());
        Self::Lines(Lines { x, y, range: (0.0, 100.0), level, has_intervals: true, panels })
    }

    /// Numbers without intervals, followed over steps or layers; `level` is a dashed line across every panel.
    pub fn followed(y: &str, (level, value): (&str, f64), mut panels: Vec<Panel>) -> Self {
        let ys = || panels.iter().flat_map(|p| &p.curves).flat_map(|c| &c.points).map(|(_, i)| i.mean);
        let (low, high) = ys().chain([value]).fold((f64::MAX, f64::MIN), |(low, high), y| (low.min(y), high.max(y)));
        let room = 0.04 * (high - low);
        for panel in &mut panels {
            panel.levels = vec![Level { label: String::new(), hue: Hue::Ink, value }];
        }
        let (x, range) = ("x".to_owned(), (low - room, high + room));
        Self::Lines(Lines { x, y: y.to_owned(), range, level: level.to_owned(), has_intervals: false, panels })
    }
}

impl Figure {
    /// A figure; `file` may have letters, digits, `-` and `_`.
    pub fn new(file: &str, title: &str, caption: &str, plot: Plot) -> Self {
        Self { file: file.to_owned(), title: worded(title), caption: worded(caption), plot }
    }

    /// The figure as an SVG document.
    pub fn svg(&self, look: Look) -> String {
        match &self.plot {
            Plot::Lines(lines) => super::lines::draw(lines, &self.title, look),
            Plot::Scatter(scatter) => super::scatter::draw(scatter, &self.title, look),
            Plot::Histogram(histogram) => super::histogram::draw(histogram, &self.title, look),
            Plot::Heat(heat) => super::heat::draw(heat, &self.title, look),
        }
    }

    /// What it draws, with all digits.
    pub fn numbers(&self) -> Table {
        match &self.plot {
            Plot::Lines(lines) => lines.numbers(),
            Plot::Scatter(scatter) => scatter.numbers(),
            Plot::Histogram(histogram) => histogram.numbers(),
            Plot::Heat(heat) => heat.numbers(),
        }
    }

    /// Its PNG and SVG files, each by name.
    ///
    /// # Errors
    /// A name that cannot name a file.
    pub(super) fn pictures(&self) -> Result<[(String, Vec<u8>); 2]> {
        let file = &self.file;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        ensure!(!file.is_empty() && file.chars().all(plain), "`{file}` cannot name a figure's file");
        let svg = self.svg(Look::Fixed);
        Ok([(format!("{file}.png"), png::render(&svg, PNG_SCALE)?), (format!("{file}.svg"), svg.into_bytes())])
    }
}
