//! From a study's points to the data of its figures, and the figures in words for those who cannot see them.

use super::arm::Arm;
use super::cloud::{Cloud, Group};
use super::heat::{Cells, HeatChart, Picked};
use super::lines::{Level, LineChart, LinePanel, Series};
use super::plots::{Crowd, CurvePanel, Curves, Figure, HeatMap, Panel, Profile, Trace};
use super::scale::short;
use super::scatter::{Dot, Dots, ScatterChart, Side, Track};
use super::study::{Axis, Better, DOWN, Point, Study, UP};
use super::svg::{Hue, Mark};
use crate::stats::Interval;

impl Study {
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

impl Study {
    /// Figure data of a cloud; `None` if an axis is unknown.
    pub(super) fn cloud_chart(&self, figure: &Figure, (x, y): (&str, &str), groups: &[Crowd]) -> Option<ScatterChart> {
        let (x, y) = (self.axis(x)?, self.axis(y)?);
        let place = |p: &Point| Some((p.values.get(&x.key)?.mean, p.values.get(&y.key)?.mean));
        let group = |crowd: &Crowd| {
            let points = crowd.arms.iter().flat_map(|arm| self.pooled(arm)).filter_map(place);
            let finite = points.filter(|(a, b)| a.is_finite() && b.is_finite());
            Group { name: crowd.name.clone(), hue: crowd.hue, mark: crowd.mark, points: finite.collect() }
        };
        let label = |axis: &Axis| format!("{}, {}", axis.name, axis.unit);
        let groups = groups.iter().map(group).filter(|group| !group.points.is_empty()).collect();
        Some(Cloud { x: label(x), y: label(y), y_range: y.range, groups }.chart(&figure.title))
    }

    /// Figure data of a grid.
    pub(super) fn heat_chart(&self, figure: &Figure, map: &HeatMap) -> HeatChart {
        let columns = map.coefs.clone();
        let value = |arm: &str, coef: f64, axis: &str| {
            let point = self.pooled(arm).into_iter().find(|point| point.coef == Some(coef))?;
            point.values.get(axis).map(|i| i.mean).filter(|mean| mean.is_finite())
        };
        let grid = |axis: &str| -> Vec<Vec<Option<f64>>> {
            map.arms.iter().map(|(arm, _)| columns.iter().map(|&coef| value(arm, coef, axis)).collect()).collect()
        };
        let panel =
            |axis: &Axis| Cells { title: axis.name.clone(), hue: axis.hue, range: axis.range, values: grid(&axis.key) };
        let panels: Vec<Cells> = map.axes.iter().filter_map(|key| self.axis(key)).map(panel).collect();
        let place = |arm: &str| map.arms.iter().position(|(name, _)| name == arm);
        let picked: Vec<Picked> = map
            .picks
            .iter()
            .filter_map(|pick| {
                let column = columns.iter().position(|coef| *coef == pick.coef)?;
                Some(Picked { label: pick.label.clone(), row: place(&pick.arm)?, column })
            })
            .collect();
        let floor = map.floor.as_ref().and_then(|(key, least)| {
            let axis = self.axis(key)?;
            let below = grid(key).into_iter().map(|row| row.iter().map(|v| v.is_none_or(|v| v < *least)).collect());
            Some((format!("{} below {}", axis.short.to_lowercase(), short(*least)), below.collect()))
        });
        let rows: Vec<String> = map.arms.iter().map(|(_, name)| name.clone()).collect();
        let (x, y, title) = (map.columns.clone(), map.rows.clone(), figure.title.clone());
        let alt = heat_aloud(&panels, &rows, &columns, &map.rows);
        HeatChart { title, alt, x, y, rows, columns, panels, picked, floor }
    }

    /// Figure data of curves over arms.
    pub(super) fn profile_chart(&self, figure: &Figure, profile: &Profile) -> LineChart {
        let hues = [Hue::Sky, Hue::Blue, Hue::Green, Hue::Orange, Hue::Vermillion, Hue::Purple, Hue::Grey, Hue::Ink];
        let marks = [Mark::Circle, Mark::Square, Mark::Triangle, Mark::Diamond, Mark::Down, Mark::Cross, Mark::Ring];
        let series = |axis: &Axis, i: usize, coef: f64| {
            let point = |(arm, place): &(String, f64)| {
                let point = self.pooled(arm).into_iter().find(|point| point.coef == Some(coef))?;
                Some((*place, *point.values.get(&axis.key).filter(|i| i.mean.is_finite())?))
            };
            Series {
                name: format!("{} {}", self.words().1, short(coef)),
                short: short(coef),
                hue: hues[i % hues.len()],
                mark: marks[i % marks.len()],
                points: profile.arms.iter().filter_map(point).collect(),
            }
        };
        let panel = |axis: &Axis| LinePanel {
            title: axis.name.clone(),
            x: profile.x.clone(),
            series: profile
                .coefs
                .iter()
                .enumerate()
                .map(|(i, &coef)| series(axis, i, coef))
                .filter(|s| !s.points.is_empty())
                .collect(),
            levels: profile
                .level
                .iter()
                .filter_map(|(arm, label)| {
                    Some(Level { label: label.clone(), hue: Hue::Ink, value: self.level(arm, &axis.key)?.mean })
                })
                .collect(),
        };
        let panels: Vec<LinePanel> = profile.axes.iter().filter_map(|key| self.axis(key)).map(panel).collect();
        let level_name = profile.level.as_ref().map_or_else(String::new, |(_, label)| label.clone());
        let alt = lines_aloud(&panels, &level_name);
        LineChart { title: figure.title.clone(), alt, y: profile.y.clone(), range: profile.range, level_name, panels }
    }
}

/// Figure data of curves that bring their own points.
pub(super) fn curves_chart(figure: &Figure, curves: &Curves) -> LineChart {
    let series = |trace: &Trace| Series {
        name: trace.label.clone(),
        short: String::new(),
        hue: trace.hue,
        mark: trace.mark,
        points: finite(trace).map(|(x, y)| (x, Interval::point(y, 1, 1))).collect(),
    };
    let levels = || {
        let level = |(_, value): &(String, f64)| Level { label: String::new(), hue: Hue::Ink, value: *value };
        curves.level.iter().map(level).collect()
    };
    let panel = |panel: &CurvePanel| LinePanel {
        title: panel.title.clone(),
        x: panel.x.clone(),
        series: panel.series.iter().map(series).filter(|s| !s.points.is_empty()).collect(),
        levels: levels(),
    };
    LineChart {
        title: figure.title.clone(),
        alt: curves_aloud(curves),
        y: curves.y.clone(),
        range: curves.range().unwrap_or((0.0, 1.0)),
        level_name: curves.level.as_ref().map_or_else(String::new, |(name, _)| name.clone()),
        panels: curves.panels.iter().map(panel).collect(),
    }
}

/// The points of a series that are numbers.
pub(super) fn finite(trace: &Trace) -> impl Iterator<Item = (f64, f64)> + '_ {
    trace.points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite())
}

/// The ends of every series in words.
fn curves_aloud(curves: &Curves) -> String {
    let series = |trace: &Trace| {
        let ((x0, first), (x1, last)) = (finite(trace).next()?, finite(trace).last()?);
        Some(format!("{} from {first:.3e} at {} to {last:.3e} at {}", trace.label, short(x0), short(x1)))
    };
    let panel = |panel: &CurvePanel| {
        format!("{}: {}.", panel.title, panel.series.iter().filter_map(series).collect::<Vec<_>>().join("; "))
    };
    curves.panels.iter().map(panel).collect::<Vec<_>>().join(" ")
}

/// Where each panel's lowest and highest cell are.
fn heat_aloud(panels: &[Cells], rows: &[String], columns: &[f64], row_word: &str) -> String {
    let panel = |cells: &Cells| {
        let all = cells
            .values
            .iter()
            .enumerate()
            .flat_map(|(r, row)| row.iter().enumerate().filter_map(move |(c, value)| Some((r, c, (*value)?))));
        let all: Vec<(usize, usize, f64)> = all.collect();
        let end = |best: Option<&(usize, usize, f64)>| {
            best.map_or_else(String::new, |&(r, c, value)| {
                format!("{value:.0} at {row_word} {}, {}", rows[r], short(columns[c]))
            })
        };
        let (low, high) =
            (all.iter().min_by(|a, b| a.2.total_cmp(&b.2)), all.iter().max_by(|a, b| a.2.total_cmp(&b.2)));
        format!("{}: highest {}; lowest {}.", cells.title, end(high), end(low))
    };
    panels.iter().map(panel).collect::<Vec<_>>().join(" ")
}

/// The curves' ends in words.
fn lines_aloud(panels: &[LinePanel], levels: &str) -> String {
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
        let coef = d.coef.map_or_else(String::new, |c| format!("at {} ", short(c)));
        format!("{coef}{:.0} / {:.0}", d.x.mean, d.y.mean)
    };
    let track = |t: &Track| format!("{}: {}.", t.name, t.dots.iter().map(dot).collect::<Vec<_>>().join(", "));
    format!("{} / {}. {}", x.name, y.name, tracks.iter().map(track).collect::<Vec<_>>().join(" "))
}
