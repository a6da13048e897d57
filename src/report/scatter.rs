//! One measurement against another: arms and sweeps with the better corner marked (what is bought with what), or clouds of
//! single points, a group for each condition (how well does one tell the other).

use serde::{Deserialize, Serialize};

use super::colours::{Hue, Look, Paint};
use super::labels::{Box, Taken};
use super::lines::Better;
use super::scale::{Scale, short, tick_labels, ticks};
use super::svg::{Anchor, Canvas, Mark, Type};
use super::table::{Cell, Table};
use super::words::worded;
use crate::stats::{Interval, mean};

/// One measurement against another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scatter {
    /// The horizontal measurement.
    pub x: Side,
    /// The vertical measurement.
    pub y: Side,
    /// Whether the dots are single points of a cloud, small, named in the legend alone and with a line of least squares; otherwise
    /// arms and sweeps, named in the plot and joined.
    pub is_cloud: bool,
    /// In the legend's order.
    pub tracks: Vec<Track>,
}

/// One of the two measurements.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// Name of its column in CSV files.
    pub key: String,
    /// Title of the axis.
    pub label: String,
    /// The values that are possible; where they are not known, the axis is that of the dots.
    pub range: Option<(f64, f64)>,
    /// Which way is good; `None` where neither is.
    pub better: Option<Better>,
}

/// An arm or a group: a single dot, or several in ascending order of coefficient.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Track {
    /// Its name in the legend.
    pub name: String,
    /// Its colour.
    pub hue: Hue,
    /// Its mark.
    pub mark: Mark,
    /// Where a sweep begins that is none of its own dots: the arm at coefficient 0.
    pub start: Option<(f64, f64)>,
    /// The dots.
    pub dots: Vec<Dot>,
}

/// One condition, or one coefficient of a sweep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dot {
    /// The arm in files; may be empty.
    pub arm: String,
    /// Its coefficient, if it has one.
    pub coef: Option<f64>,
    /// The value on the horizontal axis.
    pub x: Interval,
    /// The value on the vertical axis.
    pub y: Interval,
}

impl Track {
    /// Single points of a cloud, those that are numbers.
    pub fn points(name: &str, hue: Hue, mark: Mark, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let dot =
            |(x, y)| Dot { arm: String::new(), coef: None, x: Interval::point(x, 1, 1), y: Interval::point(y, 1, 1) };
        let finite = points.into_iter().filter(|(x, y): &(f64, f64)| x.is_finite() && y.is_finite());
        Self { name: worded(name), hue, mark, start: None, dots: finite.map(dot).collect() }
    }
}

impl Scatter {
    /// A row for each dot.
    pub(super) fn numbers(&self) -> Table {
        let of_axis = |side: &Side| ["", "_low", "_high"].map(|end| format!("{}{end}", side.key));
        let head = ["arm", "coef"].map(str::to_owned).into_iter();
        let mut table = Table::new(head.chain([&self.x, &self.y].into_iter().flat_map(of_axis)));
        for dot in self.tracks.iter().flat_map(|track| &track.dots) {
            let values = [&dot.x, &dot.y].into_iter().flat_map(|i| [i.mean.into(), i.low.into(), i.high.into()]);
            table.push([Cell::from(dot.arm.as_str()), dot.coef.into()].into_iter().chain(values).collect());
        }
        table
    }

    /// The places of all dots, or of a cloud's middles, in words.
    fn aloud(&self) -> String {
        let dot = |d: &Dot| {
            let coef = d.coef.map_or_else(String::new, |c| format!("at {} ", short(c)));
            format!("{coef}{:.0} / {:.0}", d.x.mean, d.y.mean)
        };
        let track = |t: &Track| {
            if self.is_cloud {
                let middle = |of: fn(&Dot) -> f64| mean(&t.dots.iter().map(of).collect::<Vec<_>>());
                let (x, y) = (middle(|d| d.x.mean), middle(|d| d.y.mean));
                format!("{}: {} points around {x:.1} / {y:.0}.", t.name, t.dots.len())
            } else {
                format!("{}: {}.", t.name, t.dots.iter().map(dot).collect::<Vec<_>>().join(", "))
            }
        };
        let tracks: Vec<String> = self.tracks.iter().filter(|t| !t.dots.is_empty()).map(track).collect();
        format!("{} / {}. {}", self.x.label, self.y.label, tracks.join(" "))
    }

    /// The line of least squares of y over x through all dots of a cloud, from the first to the last x.
    fn trend(&self) -> Option<[(f64, f64); 2]> {
        let points: Vec<(f64, f64)> = self.tracks.iter().flat_map(|t| &t.dots).map(|d| (d.x.mean, d.y.mean)).collect();
        let n = points.len() as f64;
        let (mx, my) = points.iter().fold((0.0, 0.0), |(a, b), p| (a + p.0 / n, b + p.1 / n));
        let (xy, xx) =
            points.iter().fold((0.0, 0.0), |(a, b), p| (a + (p.0 - mx) * (p.1 - my), b + (p.0 - mx).powi(2)));
        let (low, high) = ends(points.iter().map(|p| p.0));
        (self.is_cloud && xx > 0.0).then(|| [low, high].map(|x| (x, my + xy / xx * (x - mx))))
    }
}

/// The lowest and the highest; infinite without any.
fn ends(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
}

const WIDTH: f64 = 900.0;
const LEFT: f64 = 62.0;
const TOP: f64 = 18.0;
const PLOT_HEIGHT: f64 = 400.0;
/// Between the frame and the ends of the scales, so that a dot at 0 or 100 is not on the frame.
const INSET: f64 = 12.0;
pub(super) fn draw(chart: &Scatter, title: &str, look: Look) -> String {
    let mut c = Canvas::new(look);
    let set = Type::new(12.5, Paint::Label(Hue::Ink));
    let legend_width = chart.tracks.iter().map(|t| set.width(&t.name)).fold(0.0, f64::max) + 58.0;
    let right = WIDTH - legend_width.min(320.0);
    let bottom = TOP + PLOT_HEIGHT;
    let x = Scale::new(domain(chart, |d| d.x, &chart.x), (LEFT + INSET, right - INSET));
    let y = Scale::new(domain(chart, |d| d.y, &chart.y), (bottom - INSET, TOP + INSET));

    let frame = Box { left: LEFT, top: TOP, right, bottom };
    axes(&mut c, chart, &x, &y, &frame);
    if let Some(ends) = chart.trend() {
        c.line_within(ends.map(|(at, value)| (x.at(at), y.at(value))), (y.pixels.1, y.pixels.0), Paint::Rule);
    }
    let cloud = chart.is_cloud;
    let mut taken = Taken::default();
    for track in &chart.tracks {
        whiskers(&mut c, track, &x, &y, &mut taken);
    }
    for track in chart.tracks.iter().filter(|_| !cloud) {
        sweep(&mut c, track, &x, &y, &mut taken);
    }
    for track in &chart.tracks {
        for dot in &track.dots {
            let at = (x.clamped(dot.x.mean), y.clamped(dot.y.mean));
            c.mark(track.mark, at, if cloud { 4.0 } else { 5.6 }, track.hue);
            taken.boxes.push(Box::around(at, 8.0));
            taken.marks.push(at);
        }
    }
    // Names before numbers: a sweep is understood without each of its coefficients.
    let named = chart.tracks.iter().filter(|_| !cloud);
    let (lone, sweeps): (Vec<&Track>, Vec<&Track>) = named.partition(|t| t.dots.len() == 1);
    for track in lone {
        name(&mut c, track, &x, &y, &frame, &mut taken);
    }
    for track in sweeps {
        coefficients(&mut c, track, &x, &y, &frame, &mut taken);
    }
    legend(&mut c, chart, right + 26.0, set);
    better_corner(&mut c, chart, (right + 15.0, bottom));
    c.finish(WIDTH, bottom + 54.0, title, &chart.aloud())
}

/// The data with their intervals and some air, in whole ticks, never beyond the axis and at least a fifth of it.
fn domain(chart: &Scatter, of: impl Fn(&Dot) -> Interval, side: &Side) -> (f64, f64) {
    let dots = || chart.tracks.iter().flat_map(|t| &t.dots).map(&of);
    // An axis without a range of its own may be three times as wide as its dots are apart; the next lines take what they need.
    let range = side.range.unwrap_or_else(|| {
        let (low, high) = ends(dots().map(|i| i.mean));
        let width = if high > low { high - low } else { 1.0 };
        if low.is_finite() { (low - width, high + width) } else { (0.0, 1.0) }
    });
    let (low, high) = ends(dots().flat_map(|i| [i.mean, i.low, i.high]).filter(|value| value.is_finite()));
    if !low.is_finite() {
        return range;
    }
    let (least, most) = range;
    let lack = ((most - least) / 5.0 - (high - low)).max(0.0) / 2.0;
    let pad = 0.05 * (high - low) + lack;
    let (low, high) = (low - pad, high + pad);
    let round = ticks((low, high), 5);
    let step = if round.len() > 1 { round[1] - round[0] } else { high - low };
    let low = ((low / step).floor() * step).max(least);
    let high = ((high / step).ceil() * step).min(most);
    (low, high)
}

fn axes(c: &mut Canvas, chart: &Scatter, x: &Scale, y: &Scale, frame: &Box) {
    let Box { left, top, right, bottom } = *frame;
    let tick = Type::new(12.0, Paint::Muted);
    let y_ticks = ticks(y.domain, 5);
    for (value, label) in y_ticks.iter().zip(tick_labels(&y_ticks)) {
        let at = y.at(*value);
        c.line((left, at), (right, at), Paint::Grid, 1.0, "");
        c.text((left - 9.0, at + 4.2), tick.anchor(Anchor::End), &label);
    }
    let x_ticks = ticks(x.domain, 6);
    for (value, label) in x_ticks.iter().zip(tick_labels(&x_ticks)) {
        let at = x.at(*value);
        c.line((at, top), (at, bottom), Paint::Grid, 1.0, "");
        c.line((at, bottom), (at, bottom + 5.0), Paint::Rule, 1.2, "");
        c.text((at, bottom + 20.0), tick.anchor(Anchor::Middle), &label);
    }
    c.line((left, bottom), (right, bottom), Paint::Rule, 1.2, "");
    c.line((left, bottom), (left, top), Paint::Rule, 1.2, "");
    c.text(((left + right) / 2.0, bottom + 42.0), tick.anchor(Anchor::Middle), &chart.x.label);
    c.text_up((left - 44.0, (top + bottom) / 2.0), tick.anchor(Anchor::Middle), &chart.y.label);
}

/// An arrow towards the corner that every arm would like to reach, beside the plot where no data can be.
fn better_corner(c: &mut Canvas, chart: &Scatter, (left, bottom): (f64, f64)) {
    let (Some(x), Some(y)) = (chart.x.better, chart.y.better) else { return };
    let dx = if x == Better::Higher { 10.0 } else { -10.0 };
    let dy = if y == Better::Higher { -10.0 } else { 10.0 };
    let middle = (left + 11.0, bottom - 14.0);
    let (tail, tip) = ((middle.0 - dx, middle.1 - dy), (middle.0 + dx, middle.1 + dy));
    c.line(tail, (tip.0 - 0.3 * dx, tip.1 - 0.3 * dy), Paint::Muted, 1.8, "");
    arrow_head(c, tail, tip, Paint::Muted);
    c.text((left + 29.0, middle.1 + 4.4), Type::new(12.5, Paint::Muted).bold(), "better");
}

fn whiskers(c: &mut Canvas, track: &Track, x: &Scale, y: &Scale, taken: &mut Taken) {
    for dot in &track.dots {
        let (cx, cy) = (x.clamped(dot.x.mean), y.clamped(dot.y.mean));
        let mut arm = |from, to| {
            c.line_faint(from, to, Paint::Data(track.hue));
            taken.faint.push(Box::spanning(from, to));
        };
        if dot.x.has_bounds() {
            arm((x.clamped(dot.x.low), cy), (x.clamped(dot.x.high), cy));
        }
        if dot.y.has_bounds() {
            arm((cx, y.clamped(dot.y.low)), (cx, y.clamped(dot.y.high)));
        }
    }
}

/// The line through a sweep's coefficients, with an arrow head on each piece that has room for one.
fn sweep(c: &mut Canvas, track: &Track, x: &Scale, y: &Scale, taken: &mut Taken) {
    let dots = track.dots.iter().map(|d| (d.x.mean, d.y.mean));
    let points: Vec<(f64, f64)> =
        track.start.into_iter().chain(dots).map(|p| (x.clamped(p.0), y.clamped(p.1))).collect();
    if points.len() < 2 {
        return;
    }
    c.polyline(&points, Paint::Data(track.hue), 1.8);
    for piece in points.windows(2) {
        let (from, to) = (piece[0], piece[1]);
        let length = (to.0 - from.0).hypot(to.1 - from.1);
        if length > 34.0 {
            // Past the middle, where the head is clear of both marks.
            let share = 0.5 + 5.0 / length;
            let tip = (from.0 + (to.0 - from.0) * share, from.1 + (to.1 - from.1) * share);
            arrow_head(c, from, tip, Paint::Data(track.hue));
        }
        let steps = (length / 4.0).ceil() as usize;
        let along = (0..=steps).map(|i| i as f64 / steps.max(1) as f64);
        taken
            .boxes
            .extend(along.map(|s| Box::around((from.0 + (to.0 - from.0) * s, from.1 + (to.1 - from.1) * s), 2.0)));
    }
}

fn arrow_head(c: &mut Canvas, from: (f64, f64), tip: (f64, f64), paint: Paint) {
    let length = (tip.0 - from.0).hypot(tip.1 - from.1).max(1e-9);
    let (ux, uy) = ((tip.0 - from.0) / length, (tip.1 - from.1) / length);
    let back = (tip.0 - 9.0 * ux, tip.1 - 9.0 * uy);
    let (wx, wy) = (-uy * 4.0, ux * 4.0);
    c.area(&[tip, (back.0 + wx, back.1 + wy), (back.0 - wx, back.1 - wy)], paint, 1.0);
}

/// A lone dot's name beside it, or further off at the end of a thin line.
fn name(c: &mut Canvas, track: &Track, x: &Scale, y: &Scale, frame: &Box, taken: &mut Taken) {
    let at = (x.clamped(track.dots[0].x.mean), y.clamped(track.dots[0].y.mean));
    let set = Type::new(11.5, Paint::Label(track.hue)).bold();
    let width = set.width(&track.name);
    let place = taken.room(at, width, frame).or_else(|| {
        let far = taken.far_room(at, width, frame)?;
        let end = far.nearest(at);
        let length = (end.0 - at.0).hypot(end.1 - at.1);
        let (ux, uy) = ((end.0 - at.0) / length, (end.1 - at.1) / length);
        let (from, to) = ((at.0 + 8.0 * ux, at.1 + 8.0 * uy), (end.0 - 2.0 * ux, end.1 - 2.0 * uy));
        c.line(from, to, Paint::Muted, 0.8, "");
        Some(far)
    });
    if let Some(place) = place {
        c.text_clear((place.left, place.bottom - 3.0), set, &track.name);
        taken.label(place);
    }
}

/// Each dot's coefficient where there is room for it.
fn coefficients(c: &mut Canvas, track: &Track, x: &Scale, y: &Scale, frame: &Box, taken: &mut Taken) {
    let set = Type::new(11.5, Paint::Label(track.hue));
    for dot in &track.dots {
        let at = (x.clamped(dot.x.mean), y.clamped(dot.y.mean));
        let label = dot.coef.map_or_else(String::new, short);
        if let Some(place) = taken.room(at, set.width(&label), frame) {
            c.text_clear((place.left, place.bottom - 3.0), set, &label);
            taken.label(place);
        }
    }
}

fn legend(c: &mut Canvas, chart: &Scatter, left: f64, set: Type) {
    for (i, track) in chart.tracks.iter().enumerate() {
        let y = TOP + 12.0 + i as f64 * 25.0;
        if track.dots.len() > 1 && !chart.is_cloud {
            c.line((left - 11.0, y - 4.5), (left + 11.0, y - 4.5), Paint::Data(track.hue), 1.8, "");
        }
        c.mark(track.mark, (left, y - 4.5), 5.6, track.hue);
        c.text((left + 18.0, y), set, &set.fit(&track.name, WIDTH - left - 24.0));
    }
    if !chart.is_cloud && chart.tracks.iter().any(|t| t.dots.len() > 1) {
        let y = TOP + 18.0 + chart.tracks.len() as f64 * 25.0;
        c.text((left - 11.0, y), Type::new(11.5, Paint::Muted), "numbers: steering coefficient");
    }
}
