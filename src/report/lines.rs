//! Line charts with confidence bands and reference lines, side by side on one scale: the dose figure.

use serde::{Deserialize, Serialize};

use super::colours::{Hue, Look, Paint};
use super::scale::{Scale, dodge, short, tick_labels, ticks};
use super::svg::{Anchor, Canvas, Mark, Type};
use super::table::{Cell, Table};
use super::words::worded;
use crate::stats::Interval;

/// Panels of curves on one scale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lines {
    /// Name of the horizontal axis in files: `coef`.
    pub x: String,
    /// Beside the vertical axis.
    pub y: String,
    /// Of the vertical axis.
    pub range: (f64, f64),
    /// What the dashed lines are, for the legend.
    pub level: String,
    /// Whether the points are measurements with intervals.
    pub has_intervals: bool,
    /// Side by side, two in a row.
    pub panels: Vec<Panel>,
}

/// One panel of curves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Panel {
    /// Title above the panel.
    pub title: String,
    /// Beneath its horizontal axis.
    pub x: String,
    /// From lowest to highest layer of paint.
    pub curves: Vec<Curve>,
    /// Constant values, drawn as dashed horizontal lines.
    pub levels: Vec<Level>,
}

/// One curve with its numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// In the legend; curves of one name in several panels are one entry.
    pub name: String,
    /// Which way is good, marked in the legend.
    pub better: Option<Better>,
    /// Beside the curve's end.
    pub short: String,
    /// Its colour.
    pub hue: Hue,
    /// Its mark.
    pub mark: Mark,
    /// Ascending in x; every mean is a number.
    pub points: Vec<(f64, Interval)>,
}

/// A value to compare with, drawn across the panel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// Text beside the end of the line.
    pub label: String,
    /// Its colour.
    pub hue: Hue,
    /// The value on the vertical axis.
    pub value: f64,
}

/// Which way is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// An accuracy.
    Higher,
    /// A trait score.
    Lower,
}

impl Curve {
    /// A curve through those of the points that are numbers.
    pub fn new(name: &str, short: &str, hue: Hue, mark: Mark, mut points: Vec<(f64, Interval)>) -> Self {
        points.retain(|(x, i)| x.is_finite() && i.mean.is_finite());
        Self { name: worded(name), better: None, short: worded(short), hue, mark, points }
    }

    /// `Hallucination score ↓`, as papers mark which way is good.
    fn legend(&self) -> String {
        match self.better {
            Some(Better::Higher) => format!("{} ↑", self.name),
            Some(Better::Lower) => format!("{} ↓", self.name),
            None => self.name.clone(),
        }
    }

    /// The same in words.
    fn aloud(&self) -> String {
        match self.better {
            Some(Better::Higher) => format!("{} (higher is better)", self.name),
            Some(Better::Lower) => format!("{} (lower is better)", self.name),
            None => self.name.clone(),
        }
    }
}

impl Lines {
    /// A row for each point and level.
    pub(super) fn numbers(&self) -> Table {
        let head: &[&str] =
            if self.has_intervals { &[&self.x, "mean", "low", "high", "n", "clusters"] } else { &[&self.x, "y"] };
        let mut table = Table::new(["panel", "curve"].iter().chain(head).map(|name| (*name).to_owned()));
        let mut push = |panel: &Panel, name: &str, x: Cell, i: &Interval| {
            let mut row = vec![panel.title.as_str().into(), name.into(), x, i.mean.into()];
            if self.has_intervals {
                row.extend([i.low.into(), i.high.into(), count(i.n), count(i.clusters)]);
            }
            table.push(row);
        };
        for panel in &self.panels {
            for curve in &panel.curves {
                curve.points.iter().for_each(|(x, i)| push(panel, &curve.legend(), (*x).into(), i));
            }
            for level in panel.levels.iter().filter(|_| self.has_intervals) {
                push(panel, &level.label, Cell::Missing, &Interval::point(level.value, 0, 0));
            }
        }
        table
    }

    /// The ends of every curve in words.
    fn aloud(&self) -> String {
        let number =
            |i: &Interval| if self.has_intervals { format!("{:.0}", i.mean) } else { format!("{:.3e}", i.mean) };
        let panel = |p: &Panel| {
            let curves = p.curves.iter().filter_map(|c| {
                let ((x0, first), (x1, last)) = (c.points.first()?, c.points.last()?);
                let (x0, x1) = (short(*x0), short(*x1));
                Some(format!("{} from {} at {x0} to {} at {x1}", c.aloud(), number(first), number(last)))
            });
            let levels = p.levels.iter().filter(|_| self.has_intervals).zip(&p.curves);
            let levels = levels.map(|(l, c)| format!("{}, {}: {:.0}", self.level, c.short, l.value));
            format!("{}: {}.", p.title, curves.chain(levels).collect::<Vec<_>>().join("; "))
        };
        self.panels.iter().map(panel).collect::<Vec<_>>().join(" ")
    }
}

/// How many values; empty where that is not known.
fn count(n: usize) -> Cell {
    if n == 0 { Cell::Missing } else { n.into() }
}

const WIDTH: f64 = 900.0;
const LEFT: f64 = 58.0;
const GUTTER: f64 = 40.0;
const PLOT_HEIGHT: f64 = 270.0;
/// Between the horizontal axis and the scale's lower end, so that a curve at 0 is not on the axis.
const INSET: f64 = 9.0;
const COLUMNS: usize = 2;
const LABEL_GAP: f64 = 15.0;

/// From the vertical axis to the middle of its name, where the numbers beside it are short.
const Y_OFFSET: f64 = 42.0;

/// The same where they are as long as they are.
fn y_offset(chart: &Lines) -> f64 {
    let tick = Type::new(12.0, Paint::Muted);
    let widest = tick_labels(&ticks(chart.range, 5)).iter().map(|label| tick.width(label)).fold(0.0, f64::max);
    Y_OFFSET.max(widest + 20.0)
}

/// Where one panel's data lies.
struct Frame {
    x: Scale,
    y: Scale,
}

pub(super) fn draw(chart: &Lines, title: &str, look: Look) -> String {
    let mut c = Canvas::new(look);
    let end = Type::new(12.0, Paint::Muted);
    let ends = chart.panels.iter().flat_map(|p| {
        let curves = p.curves.iter().map(|c| end.bold().width(&c.short));
        curves.chain(p.levels.iter().map(|l| end.width(&l.label)))
    });
    let right = 24.0 + ends.fold(0.0, f64::max);
    let columns = chart.panels.len().clamp(1, COLUMNS);
    let left = LEFT + y_offset(chart) - Y_OFFSET;
    let panel_width = (WIDTH - left - right - GUTTER * (columns - 1) as f64) / columns as f64;

    let mut top = legend(&mut c, chart);
    for row in chart.panels.chunks(columns) {
        let plot_top = top + 44.0;
        for (column, panel) in row.iter().enumerate() {
            let left = left + column as f64 * (panel_width + GUTTER);
            let frame = Frame {
                x: x_scale(panel, (left, left + panel_width)),
                y: Scale::new(chart.range, (plot_top + PLOT_HEIGHT - INSET, plot_top)),
            };
            axes(&mut c, chart, panel, &frame, column == 0);
            data(&mut c, panel, &frame);
            if column + 1 == row.len() {
                end_labels(&mut c, panel, &frame);
            }
        }
        top = plot_top + PLOT_HEIGHT + 52.0;
    }
    c.finish(WIDTH, top, title, &chart.aloud())
}

/// One row (or more) above the panels, where no data can be. Returns where the panels begin.
fn legend(c: &mut Canvas, chart: &Lines) -> f64 {
    let set = Type::new(12.5, Paint::Label(Hue::Ink));
    let mut named: Vec<&Curve> = Vec::new();
    for curve in chart.panels.iter().flat_map(|p| &p.curves) {
        if !named.iter().any(|c| c.name == curve.name) {
            named.push(curve);
        }
    }
    let (mut x, mut y) = (LEFT, 22.0);
    let mut place = |width: f64| {
        if x > LEFT && x + 34.0 + width > WIDTH - 8.0 {
            (x, y) = (LEFT, y + 22.0);
        }
        let at = (x, y);
        x += 34.0 + width + 26.0;
        at
    };
    for curve in named {
        let name = set.fit(&curve.legend(), WIDTH - LEFT - 50.0);
        let (x, y) = place(set.width(&name));
        c.line((x, y - 4.5), (x + 26.0, y - 4.5), Paint::Data(curve.hue), 2.2, "");
        c.mark(curve.mark, (x + 13.0, y - 4.5), 4.8, curve.hue);
        c.text((x + 34.0, y), set, &name);
    }
    if chart.panels.iter().any(|p| !p.levels.is_empty()) {
        let (x, y) = place(set.width(&chart.level));
        c.line((x, y - 4.5), (x + 26.0, y - 4.5), Paint::Muted, 1.5, "5 4");
        c.text((x + 34.0, y), set, &chart.level);
    }
    y
}

fn x_scale(panel: &Panel, pixels: (f64, f64)) -> Scale {
    let xs = panel.curves.iter().flat_map(|s| s.points.iter().map(|p| p.0));
    let (low, high) = xs.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| (l.min(x), h.max(x)));
    if !low.is_finite() {
        return Scale::new((0.0, 1.0), pixels);
    }
    let pad = 0.035 * (high - low);
    Scale::new((low - pad, high + pad), pixels)
}

fn axes(c: &mut Canvas, chart: &Lines, panel: &Panel, frame: &Frame, first: bool) {
    let ((left, right), (zero, top)) = (frame.x.pixels, frame.y.pixels);
    let bottom = zero + INSET;
    let tick = Type::new(12.0, Paint::Muted);
    let y_ticks = ticks(frame.y.domain, 5);
    for (value, label) in y_ticks.iter().zip(tick_labels(&y_ticks)) {
        let y = frame.y.at(*value);
        c.line((left, y), (right, y), Paint::Grid, 1.0, "");
        if first {
            c.text((left - 9.0, y + 4.2), tick.anchor(Anchor::End), &label);
        }
    }
    if first {
        c.text_up((left - y_offset(chart), (top + bottom) / 2.0), tick.anchor(Anchor::Middle), &chart.y);
    }
    c.line((left, bottom), (right, bottom), Paint::Rule, 1.2, "");
    let x_ticks = ticks(frame.x.domain, 6);
    for (value, label) in x_ticks.iter().zip(tick_labels(&x_ticks)) {
        let x = frame.x.at(*value);
        c.line((x, bottom), (x, bottom + 5.0), Paint::Rule, 1.2, "");
        c.text((x, bottom + 20.0), tick.anchor(Anchor::Middle), &label);
    }
    c.text(((left + right) / 2.0, bottom + 41.0), tick.anchor(Anchor::Middle), &panel.x);
    let title = Type::new(14.0, Paint::Label(Hue::Ink)).bold();
    c.text((left, top - 16.0), title, &title.fit(&panel.title, right - left + GUTTER / 2.0));
}

/// Bands lowest, then levels, lines and marks: nothing hides a mark.
fn data(c: &mut Canvas, panel: &Panel, frame: &Frame) {
    let at = |x: f64, y: f64| (frame.x.at(x), frame.y.clamped(y));
    for curve in &panel.curves {
        // A band breaks where a point has no interval.
        for run in curve.points.chunk_by(|a, b| a.1.has_bounds() == b.1.has_bounds()) {
            if run.len() > 1 && run[0].1.has_bounds() {
                let upper = run.iter().map(|(x, i)| at(*x, i.high));
                let lower = run.iter().rev().map(|(x, i)| at(*x, i.low));
                c.area(&upper.chain(lower).collect::<Vec<_>>(), Paint::Data(curve.hue), 0.15);
            }
        }
    }
    for level in &panel.levels {
        let y = frame.y.clamped(level.value);
        c.line((frame.x.pixels.0, y), (frame.x.pixels.1, y), Paint::Data(level.hue), 1.5, "5 4");
    }
    for curve in &panel.curves {
        let points: Vec<_> = curve.points.iter().map(|(x, i)| at(*x, i.mean)).collect();
        for (x, i) in curve.points.iter().filter(|(_, i)| i.has_bounds()) {
            c.line(at(*x, i.low), at(*x, i.high), Paint::Data(curve.hue), 1.2, "");
        }
        if points.len() > 1 {
            c.polyline(&points, Paint::Data(curve.hue), 2.2);
        }
    }
    for curve in &panel.curves {
        for (x, i) in &curve.points {
            c.mark(curve.mark, at(*x, i.mean), 4.8, curve.hue);
        }
    }
}

/// Names beside the curves' ends and the levels, moved apart where they would touch.
fn end_labels(c: &mut Canvas, panel: &Panel, frame: &Frame) {
    let set = Type::new(12.0, Paint::Muted);
    let named = panel.curves.iter().filter(|c| !c.short.is_empty());
    let ends = named.filter_map(|c| {
        let (x, last) = c.points.last()?;
        Some((frame.y.clamped(last.mean), frame.x.at(*x) + 8.0, c.hue, c.short.as_str(), true))
    });
    let levels =
        panel.levels.iter().map(|l| (frame.y.clamped(l.value), frame.x.pixels.1 + 1.0, l.hue, l.label.as_str(), false));
    let items: Vec<_> = ends.chain(levels).collect();
    let wanted: Vec<f64> = items.iter().map(|i| i.0).collect();
    let (bottom, top) = frame.y.pixels;
    let placed = dodge(&wanted, LABEL_GAP, (top - 6.0, bottom - 2.0));
    let x = frame.x.pixels.1 + 16.0;
    for ((y, from, hue, label, bold), to) in items.into_iter().zip(placed) {
        if (to - y).abs() > 3.0 {
            c.line((from, y), (x - 3.0, to), Paint::Data(hue), 0.8, "");
        }
        let set = Type { bold, paint: Paint::Label(hue), ..set };
        c.text((x, to + 4.2), set, label);
    }
}
