//! Figures from a study's points.

use super::colours::Hue;
use super::figure::Plot;
use super::lines::{Curve, Level, Panel};
use super::scatter::{Dot, Scatter, Side, Track};
use super::study::{Axis, Point, Study};
use super::svg::Mark;
use crate::stats::Interval;

impl Study {
    /// An arm's measurements by coefficient, beginning with those of `start` at coefficient 0 unless the sweep has that itself.
    pub fn sweep(&self, arm: &str, start: Option<&str>, axis: &str) -> Vec<(f64, Interval)> {
        let of = |p: &&Point| Some((p.coef.unwrap_or(0.0), *p.values.get(axis).filter(|i| i.mean.is_finite())?));
        let mut points: Vec<_> = self.pooled(arm).iter().filter_map(of).collect();
        if points.iter().all(|p| p.0 != 0.0) {
            points.extend(start.and_then(|arm| self.level(arm, axis)).map(|i| (0.0, i)));
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
        }
        points
    }

    /// One arm on several axes in the axes' colours, another arm's values as dashed lines: the dose figure.
    pub fn dose(&self, title: &str, x: &str, arm: &str, start: &str, level: &str, axes: &[&Axis]) -> Panel {
        let curve = |axis: &&Axis| {
            let points = self.sweep(arm, Some(start), &axis.key);
            Curve { better: Some(axis.better), ..Curve::new(&axis.name, &axis.short, axis.hue, axis.mark, points) }
        };
        let level = |axis: &&Axis| {
            let value = self.level(level, &axis.key)?.mean;
            Some(Level { label: "base".to_owned(), hue: axis.hue, value })
        };
        let mut curves: Vec<Curve> = axes.iter().map(curve).collect();
        curves.retain(|curve| !curve.points.is_empty());
        Panel { title: title.to_owned(), x: x.to_owned(), curves, levels: axes.iter().filter_map(level).collect() }
    }

    /// Two axes against each other, every arm that has both; `swept` ones begin at `start`. Nothing where an axis is not measured.
    pub fn tradeoff(
        &self,
        (x, y): (&str, &str),
        arms: &[String],
        start: Option<&str>,
        swept: &[String],
    ) -> Option<Plot> {
        let (x, y) = (self.axis(x)?, self.axis(y)?);
        let start = start.and_then(|s| Some((self.level(s, &x.key)?.mean, self.level(s, &y.key)?.mean)));
        let track = |name: &String| {
            let arm = self.arm(name)?;
            let dots: Vec<Dot> = self.dots(name, x, y).collect();
            let start = start.filter(|_| swept.contains(name));
            (!dots.is_empty()).then(|| Track { name: arm.label.clone(), hue: arm.hue, mark: arm.mark, start, dots })
        };
        let side = |axis: &Axis| Side { better: Some(axis.better), ..Side::of(axis) };
        let tracks = arms.iter().filter_map(track).collect();
        Some(Plot::Scatter(Scatter { x: side(x), y: side(y), is_cloud: false, tracks }))
    }

    /// Two axes against each other, an arm for each of the named groups, with the line of least squares. Nothing where an axis is not
    /// measured.
    pub fn cloud<'a>(
        &self,
        x: &str,
        y: &str,
        groups: impl Iterator<Item = (&'a str, Hue, Mark, String)>,
    ) -> Option<Plot> {
        let (x, y) = (self.axis(x)?, self.axis(y)?);
        let track = |(name, hue, mark, arm): (&str, Hue, Mark, String)| {
            let dots: Vec<Dot> = self.dots(&arm, x, y).collect();
            (!dots.is_empty()).then(|| Track { name: name.to_owned(), hue, mark, start: None, dots })
        };
        let (x_side, y_side) = (Side { range: None, ..Side::of(x) }, Side::of(y));
        let tracks = groups.filter_map(track).collect();
        Some(Plot::Scatter(Scatter { x: x_side, y: y_side, is_cloud: true, tracks }))
    }

    fn dots<'a>(&'a self, arm: &'a str, x: &'a Axis, y: &'a Axis) -> impl Iterator<Item = Dot> + 'a {
        let of = move |p: &Point| {
            let [x, y] = [x, y].map(|a| p.values.get(&a.key).copied().filter(|i| i.mean.is_finite()));
            Some(Dot { arm: arm.to_owned(), coef: p.coef, x: x?, y: y? })
        };
        self.pooled(arm).into_iter().filter_map(of)
    }
}

impl Side {
    fn of(axis: &Axis) -> Self {
        let label = format!("{}, {}", axis.name, axis.unit);
        Self { key: axis.key.clone(), label, range: Some(axis.range), better: None }
    }
}
