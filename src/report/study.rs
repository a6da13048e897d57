//! What a study hands over to be shown. Everything is data: measured axes, arms, figures, so a study of other things needs
//! no other report.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::lines::{Level, LineChart, LinePanel, Series};
use super::scatter::{Dot, Dots, ScatterChart, Side, Track};
use super::svg::{Hue, Mark};
use super::table::{Cell, Table};
use crate::stats::Interval;

/// Which way is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// An accuracy.
    Higher,
    /// A trait score.
    Lower,
}

/// Something that is measured of every arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Axis {
    /// The key of [`Point::values`] and of the columns in CSV and JSON.
    pub key: String,
    /// For legends and axes: `Hallucination score`.
    pub name: String,
    /// For the end of a curve: `Hallucination`.
    pub short: String,
    /// `%`, `0–100`.
    pub unit: String,
    /// Its colour wherever axes are compared.
    pub hue: Hue,
    /// Its mark wherever axes are compared.
    pub mark: Mark,
    /// Which way is good.
    pub better: Better,
    /// The values that are possible.
    pub range: (f64, f64),
}

impl Axis {
    /// A trait score from 0 to 100, lower being better.
    pub fn score(key: &str, name: &str, short: &str) -> Self {
        let (hue, mark) = (Hue::Vermillion, Mark::Circle);
        let [key, name, short, unit] = [key, name, short, "0–100"].map(str::to_owned);
        Self { key, name, short, unit, hue, mark, better: Better::Lower, range: (0.0, 100.0) }
    }

    /// An accuracy in percent, higher being better.
    pub fn accuracy(key: &str, name: &str, short: &str, hue: Hue, mark: Mark) -> Self {
        let [key, name, short, unit] = [key, name, short, "%"].map(str::to_owned);
        Self { key, name, short, unit, hue, mark, better: Better::Higher, range: (0.0, 100.0) }
    }

    /// `Hallucination score ↓`, as papers mark which way is good.
    fn described(&self) -> String {
        let arrow = match self.better {
            Better::Higher => UP,
            Better::Lower => DOWN,
        };
        format!("{}{arrow}", self.name)
    }
}

/// After a measurement's name in a legend; said in words where a figure is read aloud.
const UP: &str = " ↑";
const DOWN: &str = " ↓";

/// A way of training or steering, at one or many coefficients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Arm {
    /// Unique; what [`Point::arm`] refers to.
    pub name: String,
    /// For people: `Preventative steering, all layers`.
    pub label: String,
    /// `base`, `plain`, `preventative`, `inference`, `prompting`, `random`, … for programs.
    pub kind: String,
    /// Its colour where arms are compared.
    pub hue: Hue,
    /// Its mark where arms are compared.
    pub mark: Mark,
    /// What was done, in a sentence; may be empty.
    pub note: String,
}

impl Arm {
    /// An arm in the colour and mark of its kind: `base`, `plain`, `preventative` (all layers), `preventative-layer`,
    /// `inference`, `prompting`, `random`; another kind gets one that none of these has.
    pub fn new(name: &str, kind: &str, label: &str) -> Self {
        let (hue, mark) = match kind {
            "base" => (Hue::Ink, Mark::Ring),
            "plain" => (Hue::Ink, Mark::Circle),
            "preventative" => (Hue::Blue, Mark::Square),
            "preventative-layer" => (Hue::Purple, Mark::Diamond),
            "inference" => (Hue::Vermillion, Mark::Triangle),
            "prompting" => (Hue::Green, Mark::Down),
            "random" => (Hue::Grey, Mark::Cross),
            _ => (Hue::Orange, Mark::Circle),
        };
        let [name, kind, label] = [name, kind, label].map(str::to_owned);
        Self { name, kind, label, hue, mark, note: String::new() }
    }

    /// With a sentence on what was done.
    pub fn note(self, note: &str) -> Self {
        Self { note: note.to_owned(), ..self }
    }
}

/// What was measured of one arm at one coefficient.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The [`Arm`]'s name.
    pub arm: String,
    /// The steering coefficient, if the arm has one.
    pub coef: Option<f64>,
    /// One training seed's results, or `None` for all seeds together. Figures show the latter.
    pub seed: Option<u64>,
    /// How many training seeds are in it.
    pub seeds: usize,
    /// By [`Axis::key`].
    #[serde(flatten)]
    pub values: BTreeMap<String, Interval>,
}

/// What should have come out, and what did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Expectation {
    /// What the method promises, with its threshold.
    pub claim: String,
    /// What was measured.
    pub measured: String,
    /// Whether that meets the claim; `None` where it could not be told.
    pub met: Option<bool>,
}

/// A judged answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Example {
    /// The [`Arm`]'s name.
    pub arm: String,
    /// The steering coefficient, if the arm has one.
    pub coef: Option<f64>,
    /// The [`Axis`] that the question belongs to.
    pub axis: String,
    /// What was asked.
    pub question: String,
    /// What was answered.
    pub answer: String,
    /// The right answer, if there is one.
    pub reference: Option<String>,
    /// The judge's score; `None` where it gave none.
    pub score: Option<f64>,
    /// The judge's reason; may be empty.
    pub why: String,
}

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

/// A finished study, ready to be shown.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Study {
    /// What it is about.
    pub title: String,
    /// Model, data, seeds, in a line.
    pub subtitle: String,
    /// What was found, in one paragraph.
    pub verdict: String,
    /// What was measured.
    pub axes: Vec<Axis>,
    /// What was compared, in the table's order.
    pub arms: Vec<Arm>,
    /// The measurements.
    pub points: Vec<Point>,
    /// What was promised and what came out.
    pub expectations: Vec<Expectation>,
    /// The pictures.
    pub figures: Vec<Figure>,
    /// Judged answers.
    pub examples: Vec<Example>,
    /// What must be known to read the numbers: missing scores, refusals, limits.
    pub notes: Vec<String>,
    /// How it was made: name and value.
    pub settings: Vec<(String, String)>,
    /// What went in: name and hash, seed or version.
    pub lock: Vec<(String, String)>,
}

impl Study {
    /// The axis of that key.
    pub fn axis(&self, key: &str) -> Option<&Axis> {
        self.axes.iter().find(|a| a.key == key)
    }

    /// The arm of that name.
    pub fn arm(&self, name: &str) -> Option<&Arm> {
        self.arms.iter().find(|a| a.name == name)
    }

    /// An arm's points of all seeds together, by ascending coefficient.
    pub fn pooled(&self, arm: &str) -> Vec<&Point> {
        let mut points: Vec<_> = self.points.iter().filter(|p| p.arm == arm && p.seed.is_none()).collect();
        points.sort_by(|a, b| a.coef.unwrap_or(0.0).total_cmp(&b.coef.unwrap_or(0.0)));
        points
    }

    /// Every point with all digits, one column for each number.
    pub fn results(&self) -> Table {
        let mut columns: Vec<String> = ["arm", "kind", "coef", "seed", "seeds"].map(str::to_owned).to_vec();
        for axis in &self.axes {
            columns.push(axis.key.clone());
            columns.extend(["low", "high", "n", "clusters"].map(|c| format!("{}_{c}", axis.key)));
        }
        let mut table = Table::new(columns);
        for point in &self.points {
            let kind = self.arm(&point.arm).map(|a| Cell::from(a.kind.as_str()));
            let mut row = vec![
                point.arm.as_str().into(),
                kind.unwrap_or(Cell::Missing),
                point.coef.into(),
                point.seed.into(),
                point.seeds.into(),
            ];
            for axis in &self.axes {
                match point.values.get(&axis.key) {
                    Some(i) => row.extend([i.mean.into(), i.low.into(), i.high.into(), i.n.into(), i.clusters.into()]),
                    None => row.extend(std::iter::repeat_n(Cell::Missing, 5)),
                }
            }
            table.push(row);
        }
        table
    }

    /// The pooled points for people: one cell for each axis.
    pub fn summary(&self) -> Table {
        let axes = self.axes.iter().map(|a| a.short.clone());
        let mut table = Table::new(["Arm", "Coef", "Seeds"].map(str::to_owned).into_iter().chain(axes));
        for (arm, point) in self.arms.iter().flat_map(|a| self.pooled(&a.name).into_iter().map(move |p| (a, p))) {
            let mut row = vec![arm.label.as_str().into(), point.coef.into(), point.seeds.into()];
            row.extend(
                self.axes.iter().map(|a| point.values.get(&a.key).map_or(Cell::Missing, |i| Cell::Interval(*i))),
            );
            table.push(row);
        }
        table
    }

    /// A curve's points, beginning with the arm at coefficient 0 unless the sweep has that itself.
    fn sweep(&self, arm: &str, start: Option<&str>, axis: &str) -> Vec<(f64, Interval)> {
        let of = |p: &&Point| Some((p.coef.unwrap_or(0.0), *p.values.get(axis).filter(|i| i.mean.is_finite())?));
        let mut points: Vec<_> = self.pooled(arm).iter().filter_map(of).collect();
        if points.iter().all(|p| p.0 != 0.0) {
            points.extend(start.and_then(|arm| self.level(arm, axis)).map(|i| (0.0, i)));
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
        }
        points
    }

    /// The value of an arm that has only one.
    fn level(&self, arm: &str, axis: &str) -> Option<Interval> {
        self.pooled(arm).first()?.values.get(axis).copied().filter(|i| i.mean.is_finite())
    }

    /// Figure data of curves.
    pub(super) fn line_chart(
        &self,
        figure: &Figure,
        y: &str,
        range: (f64, f64),
        levels: &str,
        panels: &[Panel],
    ) -> LineChart {
        let panels: Vec<LinePanel> = panels
            .iter()
            .map(|panel| LinePanel {
                title: panel.title.clone(),
                x: panel.x.clone(),
                series: panel
                    .curves
                    .iter()
                    .map(|curve| Series {
                        name: curve.label.clone(),
                        short: curve.short.clone(),
                        hue: curve.hue,
                        mark: curve.mark,
                        points: self.sweep(&curve.arm, curve.start.as_deref(), &curve.axis),
                    })
                    .filter(|s| !s.points.is_empty())
                    .collect(),
                levels: panel
                    .levels
                    .iter()
                    .filter_map(|l| {
                        let value = self.level(&l.arm, &l.axis)?.mean;
                        Some(Level { label: l.label.clone(), hue: l.hue, value })
                    })
                    .collect(),
            })
            .collect();
        let (title, y, level_name) = (figure.title.clone(), y.to_owned(), levels.to_owned());
        LineChart { title, alt: lines_aloud(&panels, levels), y, range, level_name, panels }
    }

    /// Figure data of a trade-off; `None` if an axis is unknown.
    pub(super) fn scatter_chart(
        &self,
        figure: &Figure,
        (x, y): (&str, &str),
        arms: &[String],
        start: Option<&str>,
        from_start: &[String],
    ) -> Option<ScatterChart> {
        let side = |axis: &Axis| Side {
            label: format!("{}, {}", axis.name, axis.unit),
            range: axis.range,
            higher_is_better: Some(axis.better == Better::Higher),
        };
        let (x, y) = (self.axis(x)?, self.axis(y)?);
        let start = start.and_then(|s| Some((self.level(s, &x.key)?.mean, self.level(s, &y.key)?.mean)));
        let of = |p: &&Point| {
            let [x, y] = [x, y].map(|a| p.values.get(&a.key).copied().filter(|i| i.mean.is_finite()));
            Some(Dot { coef: p.coef, x: x?, y: y? })
        };
        let track = |arm: &Arm| Track {
            name: arm.label.clone(),
            hue: arm.hue,
            mark: arm.mark,
            start: start.filter(|_| from_start.contains(&arm.name)),
            dots: self.pooled(&arm.name).iter().filter_map(of).collect(),
        };
        let tracks: Vec<Track> =
            arms.iter().filter_map(|n| self.arm(n)).map(track).filter(|t| !t.dots.is_empty()).collect();
        let alt = scatter_aloud(&tracks, x, y);
        let title = figure.title.clone();
        Some(ScatterChart { title, alt, x: side(x), y: side(y), dots: Dots::Arms, tracks, trend: None })
    }
}

/// The curves' ends in words.
fn lines_aloud(panels: &[LinePanel], levels: &str) -> String {
    use super::scale::short;
    let panel = |p: &LinePanel| {
        let series = p.series.iter().filter_map(|s| {
            let ((x0, first), (x1, last)) = (s.points.first()?, s.points.last()?);
            let (x0, x1) = (short(*x0), short(*x1));
            let name = s.name.replace(UP, " (higher is better)").replace(DOWN, " (lower is better)");
            Some(format!("{name} from {:.0} at {x0} to {:.0} at {x1}", first.mean, last.mean))
        });
        let levels = p.levels.iter().zip(&p.series).map(|(l, s)| format!("{levels}, {}: {:.0}", s.short, l.value));
        format!("{}: {}.", p.title, series.chain(levels).collect::<Vec<_>>().join("; "))
    };
    panels.iter().map(panel).collect::<Vec<_>>().join(" ")
}

/// Every arm's place in words.
fn scatter_aloud(tracks: &[Track], x: &Axis, y: &Axis) -> String {
    let dot = |d: &Dot| {
        let coef = d.coef.map_or_else(String::new, |c| format!("at {} ", super::scale::short(c)));
        format!("{coef}{:.0} / {:.0}", d.x.mean, d.y.mean)
    };
    let track = |t: &Track| format!("{}: {}.", t.name, t.dots.iter().map(dot).collect::<Vec<_>>().join(", "));
    format!("{} / {}. {}", x.name, y.name, tracks.iter().map(track).collect::<Vec<_>>().join(" "))
}
