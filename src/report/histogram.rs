//! How values are spread: several groups over the same bins, as shares since groups differ in size, and thresholds.

use serde::{Deserialize, Serialize};

use super::colours::{Hue, Look, Paint};
use super::scale::{Scale, short, tick_labels, ticks};
use super::svg::{Anchor, Canvas, Type};
use super::table::Table;
use crate::stats::mean;

/// One group of values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shape {
    /// Its name in the legend.
    pub name: String,
    /// Its colour.
    pub hue: Hue,
    /// Its values.
    pub values: Vec<f64>,
}

/// A value that decides, drawn across.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// Text beside the line.
    pub label: String,
    /// The value on the horizontal axis.
    pub value: f64,
}

/// How values are spread.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    /// Beneath the horizontal axis.
    pub x: String,
    /// The groups, the first on top.
    pub shapes: Vec<Shape>,
    /// Thresholds, drawn as vertical lines.
    pub thresholds: Vec<Threshold>,
}

impl Histogram {
    /// A row for each value.
    pub(super) fn numbers(&self) -> Table {
        let mut table = Table::new(["group", "value"]);
        for shape in &self.shapes {
            shape.values.iter().for_each(|&value| table.push(vec![shape.name.as_str().into(), value.into()]));
        }
        table
    }
}

const WIDTH: f64 = 900.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 60.0;
const PLOT_HEIGHT: f64 = 300.0;
const BINS: usize = 48;

pub(super) fn draw(chart: &Histogram, title: &str, look: Look) -> String {
    let mut c = Canvas::new(look);
    let domain = domain(chart);
    let x = Scale::new(domain, (LEFT, WIDTH - RIGHT));
    let shares: Vec<Vec<f64>> = chart.shapes.iter().map(|shape| shares(&shape.values, x.domain)).collect();
    let most = shares.iter().flatten().fold(1.0, |most: f64, share| most.max(*share));
    let bottom = TOP + PLOT_HEIGHT;
    let y = Scale::new((0.0, most * 1.05), (bottom, TOP));
    axes(&mut c, chart, &x, &y);
    // The first group lies on top of the others.
    for (shape, shares) in chart.shapes.iter().zip(&shares).rev() {
        let outline = outline(shares, &x, &y);
        let closed = [vec![(x.pixels.0, bottom)], outline.clone(), vec![(x.pixels.1, bottom)]].concat();
        c.area(&closed, Paint::Data(shape.hue), 0.22);
        c.polyline(&outline, Paint::Data(shape.hue), 1.8);
    }
    thresholds(&mut c, chart, &x);
    legend(&mut c, chart);
    c.finish(WIDTH, bottom + 56.0, title, &aloud(chart))
}

/// All values and thresholds, with some air.
fn domain(chart: &Histogram) -> (f64, f64) {
    let values = chart.shapes.iter().flat_map(|s| &s.values).chain(chart.thresholds.iter().map(|t| &t.value));
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(*v), h.max(*v)));
    if !low.is_finite() {
        return (0.0, 1.0);
    }
    let air = 0.02 * (high - low);
    (low - air, high + air)
}

/// The share of the values in each bin, in percent.
fn shares(values: &[f64], (low, high): (f64, f64)) -> Vec<f64> {
    let mut shares = vec![0.0; BINS];
    for value in values {
        let bin = ((value - low) / (high - low) * BINS as f64) as usize;
        shares[bin.min(BINS - 1)] += 100.0 / values.len() as f64;
    }
    shares
}

fn outline(shares: &[f64], x: &Scale, y: &Scale) -> Vec<(f64, f64)> {
    let edge = |i: usize| x.pixels.0 + (x.pixels.1 - x.pixels.0) * i as f64 / BINS as f64;
    shares.iter().enumerate().flat_map(|(i, share)| [(edge(i), y.at(*share)), (edge(i + 1), y.at(*share))]).collect()
}

fn axes(c: &mut Canvas, chart: &Histogram, x: &Scale, y: &Scale) {
    let ((left, right), (bottom, top)) = (x.pixels, y.pixels);
    let tick = Type::new(12.0, Paint::Muted);
    let y_ticks = ticks(y.domain, 4);
    for (value, label) in y_ticks.iter().zip(tick_labels(&y_ticks)) {
        let at = y.at(*value);
        c.line((left, at), (right, at), Paint::Grid, 1.0, "");
        c.text((left - 9.0, at + 4.2), tick.anchor(Anchor::End), &label);
    }
    c.line((left, bottom), (right, bottom), Paint::Rule, 1.2, "");
    let x_ticks = ticks(x.domain, 8);
    for (value, label) in x_ticks.iter().zip(tick_labels(&x_ticks)) {
        c.line((x.at(*value), bottom), (x.at(*value), bottom + 5.0), Paint::Rule, 1.2, "");
        c.text((x.at(*value), bottom + 20.0), tick.anchor(Anchor::Middle), &label);
    }
    c.text(((left + right) / 2.0, bottom + 42.0), tick.anchor(Anchor::Middle), &chart.x);
    c.text_up((left - 44.0, (top + bottom) / 2.0), tick.anchor(Anchor::Middle), "share of samples, %");
}

/// Dashed lines with a name above the plot, where no data can be.
fn thresholds(c: &mut Canvas, chart: &Histogram, x: &Scale) {
    let set = Type::new(12.0, Paint::Label(Hue::Ink));
    for threshold in &chart.thresholds {
        let at = x.clamped(threshold.value);
        c.line((at, TOP - 4.0), (at, TOP + PLOT_HEIGHT), Paint::Data(Hue::Ink), 1.5, "5 4");
        let text = format!("{}: {}", threshold.label, short(threshold.value));
        let half = set.width(&text) / 2.0;
        c.text((at.clamp(LEFT + half, WIDTH - RIGHT - half), TOP - 10.0), set.anchor(Anchor::Middle), &text);
    }
}

fn legend(c: &mut Canvas, chart: &Histogram) {
    let set = Type::new(12.5, Paint::Label(Hue::Ink));
    let mut left = LEFT;
    for shape in &chart.shapes {
        let name = set.fit(&format!("{} ({})", shape.name, shape.values.len()), WIDTH / 2.0 - 60.0);
        c.area(&[(left, 14.0), (left + 22.0, 14.0), (left + 22.0, 26.0), (left, 26.0)], Paint::Data(shape.hue), 0.35);
        c.line((left, 14.0), (left + 22.0, 14.0), Paint::Data(shape.hue), 1.8, "");
        c.text((left + 30.0, 24.0), set, &name);
        left += 30.0 + set.width(&name) + 28.0;
    }
}

fn aloud(chart: &Histogram) -> String {
    let shapes =
        chart.shapes.iter().map(|s| format!("{}: {} samples, mean {:.2}.", s.name, s.values.len(), mean(&s.values)));
    let thresholds = chart.thresholds.iter().map(|t| format!("{}: {}.", t.label, short(t.value)));
    format!("{}. {}", chart.x, shapes.chain(thresholds).collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_and_the_ends_belong_to_it() {
        let shares = shares(&[0.0, 0.5, 1.0, 1.0], (0.0, 1.0));
        assert_eq!((shares[0], shares[BINS / 2], shares[BINS - 1]), (25.0, 25.0, 50.0));
    }
}
