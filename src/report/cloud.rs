//! Single points of one measurement against another, a group for each condition: how well does one tell the other?

use super::scatter::{Dot, Dots, ScatterChart, Side, Track};
use super::svg::{Hue, Mark};
use crate::stats::{Interval, mean};

/// A group of points in a [`Cloud`].
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// In the legend.
    pub name: String,
    /// Its colour.
    pub hue: Hue,
    /// Its mark.
    pub mark: Mark,
    /// x and y of each.
    pub points: Vec<(f64, f64)>,
}

/// Single points of one measurement against another.
#[derive(Debug, Clone, PartialEq)]
pub struct Cloud {
    /// Beneath the horizontal axis.
    pub x: String,
    /// Beside the vertical axis.
    pub y: String,
    /// The values that are possible on the vertical axis.
    pub y_range: (f64, f64),
    /// In the legend's order.
    pub groups: Vec<Group>,
}

impl Cloud {
    /// The chart, with the line of least squares through all points.
    pub(super) fn chart(&self, title: &str) -> ScatterChart {
        let points: Vec<(f64, f64)> = self.groups.iter().flat_map(|g| g.points.iter().copied()).collect();
        let (low, high) = points.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), p| (l.min(p.0), h.max(p.0)));
        let width = if high > low { high - low } else { 1.0 };
        let x_range = if low.is_finite() { (low - width, high + width) } else { (0.0, 1.0) };
        let track = |group: &Group| Track {
            name: group.name.clone(),
            hue: group.hue,
            mark: group.mark,
            start: None,
            dots: group
                .points
                .iter()
                .map(|&(x, y)| Dot { coef: None, x: Interval::point(x, 1, 1), y: Interval::point(y, 1, 1) })
                .collect(),
        };
        ScatterChart {
            title: title.to_owned(),
            alt: self.aloud(),
            x: Side { label: self.x.clone(), range: x_range, higher_is_better: None },
            y: Side { label: self.y.clone(), range: self.y_range, higher_is_better: None },
            dots: Dots::Cloud,
            tracks: self.groups.iter().map(track).collect(),
            trend: trend(&points, (low, high)),
        }
    }

    /// Each group's middle in words.
    fn aloud(&self) -> String {
        let middle = |group: &Group| {
            let mean = |of: fn(&(f64, f64)) -> f64| mean(&group.points.iter().map(of).collect::<Vec<_>>());
            format!("{}: {} points around {:.1} / {:.0}.", group.name, group.points.len(), mean(|p| p.0), mean(|p| p.1))
        };
        let some = self.groups.iter().filter(|g| !g.points.is_empty());
        format!("{} / {}. {}", self.x, self.y, some.map(middle).collect::<Vec<_>>().join(" "))
    }
}

/// The line of least squares of y over x, from the first to the last x.
fn trend(points: &[(f64, f64)], (low, high): (f64, f64)) -> Option<[(f64, f64); 2]> {
    let n = points.len() as f64;
    let (mx, my) = points.iter().fold((0.0, 0.0), |(a, b), p| (a + p.0 / n, b + p.1 / n));
    let (xy, xx) = points.iter().fold((0.0, 0.0), |(a, b), p| (a + (p.0 - mx) * (p.1 - my), b + (p.0 - mx).powi(2)));
    (xx > 0.0).then(|| [low, high].map(|x| (x, my + xy / xx * (x - mx))))
}
