//! Line charts with confidence bands and reference lines, side by side on one scale: the dose figure.

use super::scale::{Scale, dodge, tick_labels, ticks};
use super::svg::{Anchor, Canvas, Hue, Look, Mark, Paint, Type};
use crate::stats::Interval;

/// One curve with its numbers.
pub(super) struct Series {
    /// In the legend.
    pub name: String,
    /// Beside the curve's end.
    pub short: String,
    pub hue: Hue,
    pub mark: Mark,
    /// Ascending in x.
    pub points: Vec<(f64, Interval)>,
}

/// A value to compare with, drawn across the panel.
pub(super) struct Level {
    pub label: String,
    pub hue: Hue,
    pub value: f64,
}

pub(super) struct LinePanel {
    pub title: String,
    pub x: String,
    pub series: Vec<Series>,
    pub levels: Vec<Level>,
}

pub(super) struct LineChart {
    pub title: String,
    pub alt: String,
    pub y: String,
    pub range: (f64, f64),
    /// What the dashed lines are, for the legend.
    pub level_name: String,
    pub panels: Vec<LinePanel>,
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
fn y_offset(chart: &LineChart) -> f64 {
    let tick = Type::new(12.0, Paint::Muted);
    let widest = tick_labels(&ticks(chart.range, 5)).iter().map(|label| tick.width(label)).fold(0.0, f64::max);
    Y_OFFSET.max(widest + 20.0)
}

/// Where one panel's data lies.
struct Frame {
    x: Scale,
    y: Scale,
}

/// Draws the chart.
pub(super) fn draw(chart: &LineChart, look: Look) -> String {
    let mut c = Canvas::new(look);
    let end = Type::new(12.0, Paint::Muted);
    let ends = chart.panels.iter().flat_map(|p| {
        let series = p.series.iter().map(|s| end.bold().width(&s.short));
        series.chain(p.levels.iter().map(|l| end.width(&l.label)))
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
    c.finish(WIDTH, top, &chart.title, &chart.alt)
}

/// One row (or more) above the panels, where no data can be. Returns where the panels begin.
fn legend(c: &mut Canvas, chart: &LineChart) -> f64 {
    let set = Type::new(12.5, Paint::Label(Hue::Ink));
    let mut named: Vec<&Series> = Vec::new();
    for series in chart.panels.iter().flat_map(|p| &p.series) {
        if !named.iter().any(|s| s.name == series.name) {
            named.push(series);
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
    for series in named {
        let name = set.fit(&series.name, WIDTH - LEFT - 50.0);
        let (x, y) = place(set.width(&name));
        c.line((x, y - 4.5), (x + 26.0, y - 4.5), Paint::Data(series.hue), 2.2, "");
        c.mark(series.mark, (x + 13.0, y - 4.5), 4.8, series.hue);
        c.text((x + 34.0, y), set, &name);
    }
    if chart.panels.iter().any(|p| !p.levels.is_empty()) {
        let (x, y) = place(set.width(&chart.level_name));
        c.line((x, y - 4.5), (x + 26.0, y - 4.5), Paint::Muted, 1.5, "5 4");
        c.text((x + 34.0, y), set, &chart.level_name);
    }
    y
}

fn x_scale(panel: &LinePanel, pixels: (f64, f64)) -> Scale {
    let xs = panel.series.iter().flat_map(|s| s.points.iter().map(|p| p.0));
    let (low, high) = xs.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| (l.min(x), h.max(x)));
    if !low.is_finite() {
        return Scale::new((0.0, 1.0), pixels);
    }
    let pad = 0.035 * (high - low);
    Scale::new((low - pad, high + pad), pixels)
}

fn axes(c: &mut Canvas, chart: &LineChart, panel: &LinePanel, frame: &Frame, first: bool) {
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
fn data(c: &mut Canvas, panel: &LinePanel, frame: &Frame) {
    let at = |x: f64, y: f64| (frame.x.at(x), frame.y.clamped(y));
    for series in &panel.series {
        // A band breaks where a point has no interval.
        for run in series.points.chunk_by(|a, b| a.1.has_bounds() == b.1.has_bounds()) {
            if run.len() > 1 && run[0].1.has_bounds() {
                let upper = run.iter().map(|(x, i)| at(*x, i.high));
                let lower = run.iter().rev().map(|(x, i)| at(*x, i.low));
                c.area(&upper.chain(lower).collect::<Vec<_>>(), Paint::Data(series.hue), 0.15);
            }
        }
    }
    for level in &panel.levels {
        let y = frame.y.clamped(level.value);
        c.line((frame.x.pixels.0, y), (frame.x.pixels.1, y), Paint::Data(level.hue), 1.5, "5 4");
    }
    for series in &panel.series {
        let points: Vec<_> = series.points.iter().map(|(x, i)| at(*x, i.mean)).collect();
        for (x, i) in series.points.iter().filter(|(_, i)| i.has_bounds()) {
            c.line(at(*x, i.low), at(*x, i.high), Paint::Data(series.hue), 1.2, "");
        }
        if points.len() > 1 {
            c.polyline(&points, Paint::Data(series.hue), 2.2);
        }
    }
    for series in &panel.series {
        for (x, i) in &series.points {
            c.mark(series.mark, at(*x, i.mean), 4.8, series.hue);
        }
    }
}

/// Names beside the curves' ends and the levels, moved apart where they would touch.
fn end_labels(c: &mut Canvas, panel: &LinePanel, frame: &Frame) {
    let set = Type::new(12.0, Paint::Muted);
    let named = panel.series.iter().filter(|s| !s.short.is_empty());
    let ends = named.filter_map(|s| {
        let (x, last) = s.points.last()?;
        Some((frame.y.clamped(last.mean), frame.x.at(*x) + 8.0, s.hue, s.short.as_str(), true))
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
