//! What a study may ask to be drawn. A picture is data: it names arms and axes, and the points come from the study.

use serde::{Deserialize, Serialize};

use super::arm::Arm;
use super::histogram::Histogram;
use super::study::Axis;
use super::svg::{Hue, Mark};

/// A picture of the points.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Name of its files, without extension: `figure`.
    pub file: String,
    /// Its title, for those who cannot see it.
    pub title: String,
    /// The text beneath it.
    pub caption: String,
    /// What is drawn.
    pub plot: Plot,
}

/// What is drawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Plot {
    /// Curves over the coefficient, in panels on one scale.
    Lines {
        /// Beside the vertical axis.
        y: String,
        /// Of the vertical axis.
        range: (f64, f64),
        /// What the dashed lines are: `base model`.
        levels: String,
        /// Side by side, two in a row.
        panels: Vec<Panel>,
    },
    /// One measurement against another; every arm that has both.
    Scatter {
        /// [`Axis::key`] of the horizontal axis.
        x: String,
        /// [`Axis::key`] of the vertical axis.
        y: String,
        /// The arms' names, in the legend's order.
        arms: Vec<String>,
        /// The arm that stands at coefficient 0 of the sweeps named with it.
        start: Option<String>,
        /// Sweeps that begin at `start`.
        from_start: Vec<String>,
    },
    /// One measurement against another, a small point for each arm and coefficient, with the line of least squares.
    Cloud {
        /// [`Axis::key`] of the horizontal axis.
        x: String,
        /// [`Axis::key`] of the vertical axis.
        y: String,
        /// In the legend's order.
        groups: Vec<Crowd>,
    },
    /// How single values are spread; they are in the figure itself.
    Histogram(Histogram),
    /// Arms by coefficients as cells, a panel for each measurement.
    Heat(HeatMap),
    /// Curves over the arms, one for each coefficient, a panel for each measurement.
    Profile(Profile),
    /// Curves that bring their own points.
    Curves(Curves),
}

/// What was followed over steps or layers and is no measurement of a finished arm: panels of named series on one scale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curves {
    /// Beside the vertical axis.
    pub y: String,
    /// A value with a dashed line across, and what the line is called.
    pub level: Option<(String, f64)>,
    /// Side by side, two in a row.
    pub panels: Vec<CurvePanel>,
}

/// One panel of [`Curves`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CurvePanel {
    /// Above it.
    pub title: String,
    /// Beneath its horizontal axis.
    pub x: String,
    /// From lowest to highest layer of paint.
    pub series: Vec<Trace>,
}

/// One named series of points.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// In the legend; series of one name in several panels are one entry.
    pub label: String,
    /// Its colour.
    pub hue: Hue,
    /// Its mark.
    pub mark: Mark,
    /// Ascending in x; numbers only, for `results.json` can hold no other.
    pub points: Vec<(f64, f64)>,
}

impl Curves {
    /// From the lowest point (or the level) to the highest, with a little room; nothing without points.
    pub(super) fn range(&self) -> Option<(f64, f64)> {
        let points = self.panels.iter().flat_map(|p| &p.series).flat_map(|s| &s.points).map(|p| p.1);
        let all = points.chain(self.level.iter().map(|level| level.1)).filter(|y| y.is_finite());
        let (low, high) = all.fold((f64::MAX, f64::MIN), |(low, high), y| (low.min(y), high.max(y)));
        let room = 0.04 * (high - low);
        (low <= high).then_some((low - room, high + room))
    }
}

/// Colours that tell things apart, in the order of taking them.
pub const HUES: [Hue; 8] =
    [Hue::Vermillion, Hue::Blue, Hue::Green, Hue::Purple, Hue::Orange, Hue::Sky, Hue::Grey, Hue::Ink];

/// Marks likewise.
pub const MARKS: [Mark; 7] =
    [Mark::Circle, Mark::Square, Mark::Triangle, Mark::Diamond, Mark::Down, Mark::Ring, Mark::Cross];

/// Arms that look the same in a [`Plot::Cloud`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Crowd {
    /// In the legend.
    pub name: String,
    /// Their colour.
    pub hue: Hue,
    /// Their mark.
    pub mark: Mark,
    /// Their names.
    pub arms: Vec<String>,
}

/// A grid of arms and coefficients: who stands where, and which cells matter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeatMap {
    /// What the rows are: `layer`.
    pub rows: String,
    /// What the columns are: `steering coefficient α`.
    pub columns: String,
    /// The arms from top to bottom, each with the name of its row.
    pub arms: Vec<(String, String)>,
    /// The coefficients from left to right.
    pub coefs: Vec<f64>,
    /// [`Axis::key`]s, a panel each.
    pub axes: Vec<String>,
    /// Cells with a frame.
    pub picks: Vec<Pick>,
    /// An [`Axis::key`] and a value: cells below it have a cut corner in every panel, and the legend says why.
    pub floor: Option<(String, f64)>,
}

/// A cell that was chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pick {
    /// By what, for the legend.
    pub label: String,
    /// The [`Arm`]'s name.
    pub arm: String,
    /// The coefficient.
    pub coef: f64,
}

/// Arms at places of a horizontal axis, say layers, and a curve for each coefficient.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Beneath the horizontal axis.
    pub x: String,
    /// Beside the vertical axis.
    pub y: String,
    /// Of the vertical axis.
    pub range: (f64, f64),
    /// The arms and their places, ascending.
    pub arms: Vec<(String, f64)>,
    /// The coefficients, a curve each.
    pub coefs: Vec<f64>,
    /// An arm whose value is a dashed line, and what the line is called.
    pub level: Option<(String, String)>,
    /// [`Axis::key`]s, a panel each.
    pub axes: Vec<String>,
}

/// One panel of curves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Panel {
    /// Above it.
    pub title: String,
    /// Beneath its horizontal axis.
    pub x: String,
    /// From lowest to highest layer of paint.
    pub curves: Vec<Curve>,
    /// Dashed lines.
    pub levels: Vec<CurveLevel>,
}

/// One arm's sweep, seen along one axis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// [`Axis::key`].
    pub axis: String,
    /// The arm that is swept.
    pub arm: String,
    /// The arm that stands at coefficient 0, if the sweep itself does not.
    pub start: Option<String>,
    /// In the legend.
    pub label: String,
    /// Beside the curve's end.
    pub short: String,
    /// Its colour.
    pub hue: Hue,
    /// Its mark.
    pub mark: Mark,
}

/// A dashed line: what an arm without a coefficient has on an axis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CurveLevel {
    /// [`Axis::key`].
    pub axis: String,
    /// The arm, mostly the base model.
    pub arm: String,
    /// Beside its end.
    pub label: String,
    /// Its colour.
    pub hue: Hue,
}

impl Panel {
    /// One arm on several axes in the axes' colours, with another arm's values as dashed lines: the dose figure.
    pub fn dose(title: &str, x: &str, arm: &str, start: Option<&str>, level: Option<&str>, axes: &[&Axis]) -> Self {
        let curve = |axis: &&Axis| Curve {
            axis: axis.key.clone(),
            arm: arm.to_owned(),
            start: start.map(str::to_owned),
            label: axis.described(),
            short: axis.short.clone(),
            hue: axis.hue,
            mark: axis.mark,
        };
        let levels = level.iter().flat_map(|arm| {
            axes.iter().map(|axis| CurveLevel {
                axis: axis.key.clone(),
                arm: (*arm).to_owned(),
                label: "base".to_owned(),
                hue: axis.hue,
            })
        });
        let (title, x) = (title.to_owned(), x.to_owned());
        Self { title, x, curves: axes.iter().map(curve).collect(), levels: levels.collect() }
    }

    /// Several arms on one axis in the arms' colours: which intervention does it better.
    pub fn compare(title: &str, x: &str, axis: &Axis, arms: &[&Arm], start: Option<&str>) -> Self {
        let curve = |arm: &&Arm| Curve {
            axis: axis.key.clone(),
            arm: arm.name.clone(),
            start: start.map(str::to_owned),
            label: arm.label.clone(),
            short: String::new(),
            hue: arm.hue,
            mark: arm.mark,
        };
        let (title, x) = (title.to_owned(), x.to_owned());
        Self { title, x, curves: arms.iter().map(curve).collect(), levels: Vec::new() }
    }
}
