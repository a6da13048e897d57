//! Heat maps: a grid of cells per measurement, each with its number, the chosen ones framed.

use serde::{Deserialize, Serialize};

use super::colours::{Hue, Look, Paint};
use super::scale::short;
use super::svg::{Anchor, Canvas, Type};
use super::table::{Cell, Table};
use crate::stats::Interval;

/// A grid of arms by coefficients, once for each measurement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Heat {
    /// Title of the horizontal axis.
    pub x: String,
    /// Title of the vertical axis.
    pub y: String,
    /// Name in files and label of the rows, from top to bottom.
    pub rows: Vec<(String, String)>,
    /// The coefficients, from left to right.
    pub columns: Vec<f64>,
    /// Side by side, two in a row.
    pub panels: Vec<Cells>,
    /// Cells with a frame.
    pub picked: Vec<Picked>,
    /// Which cells have a cut corner, `[row][column]`, and what that means.
    pub floor: Option<(String, Vec<Vec<bool>>)>,
}

/// One measurement over the grid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cells {
    /// Name of its columns in CSV files.
    pub key: String,
    /// Title above the panel.
    pub title: String,
    /// Colour of the cells.
    pub hue: Hue,
    /// The values that stand for no colour and for the strongest.
    pub range: (f64, f64),
    /// `[row][column]`; a mean that is not known is a dash.
    pub values: Vec<Vec<Option<Interval>>>,
}

/// A cell with a frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Picked {
    /// By what it was chosen.
    pub label: String,
    /// Its row.
    pub row: usize,
    /// Its column.
    pub column: usize,
}

impl Cells {
    fn mean(&self, row: usize, column: usize) -> Option<f64> {
        self.values[row][column].map(|i| i.mean).filter(|mean| mean.is_finite())
    }
}

impl Heat {
    /// A row for each cell of the grid.
    pub(super) fn numbers(&self) -> Table {
        let of_panel = |cells: &Cells| ["", "_low", "_high"].map(|end| format!("{}{end}", cells.key));
        let head = ["arm", "coef"].map(str::to_owned).into_iter();
        let mut table = Table::new(head.chain(self.panels.iter().flat_map(of_panel)));
        for (r, (arm, _)) in self.rows.iter().enumerate() {
            for (c, &coef) in self.columns.iter().enumerate() {
                let of = |cells: &Cells| match cells.values[r][c] {
                    Some(i) => [i.mean.into(), i.low.into(), i.high.into()],
                    None => [Cell::Missing, Cell::Missing, Cell::Missing],
                };
                let values = self.panels.iter().flat_map(of);
                table.push([Cell::from(arm.as_str()), coef.into()].into_iter().chain(values).collect());
            }
        }
        table
    }

    /// Where each panel's lowest and highest cell are.
    fn aloud(&self) -> String {
        let panel = |cells: &Cells| {
            let places = (0..self.rows.len()).flat_map(|r| (0..self.columns.len()).map(move |c| (r, c)));
            let all: Vec<(usize, usize, f64)> = places.filter_map(|(r, c)| Some((r, c, cells.mean(r, c)?))).collect();
            let end = |best: Option<&(usize, usize, f64)>| {
                best.map_or_else(String::new, |&(r, c, value)| {
                    format!("{value:.0} at {} {}, {}", self.y, self.rows[r].1, short(self.columns[c]))
                })
            };
            let low = end(all.iter().min_by(|a, b| a.2.total_cmp(&b.2)));
            let high = end(all.iter().max_by(|a, b| a.2.total_cmp(&b.2)));
            format!("{}: highest {high}; lowest {low}.", cells.title)
        };
        self.panels.iter().map(panel).collect::<Vec<_>>().join(" ")
    }
}

const WIDTH: f64 = 900.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 16.0;
const GUTTER: f64 = 46.0;
const COLUMNS: usize = 2;
/// The strongest colour is not solid: its number must be read.
const STRONGEST: f64 = 0.7;
/// From this share of the colour on, text is dark in the dark too.
const STRONG: f64 = 0.6;
/// Cells narrower than this have no numbers.
const NARROW: f64 = 24.0;
/// Dashes of the frames, in the order of the picks.
const FRAMES: [&str; 3] = ["", "5 3", "2 3"];

/// Where one panel's cells are.
struct Frame {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

impl Frame {
    /// Corner of a cell.
    fn at(&self, row: usize, column: usize) -> (f64, f64) {
        (self.left + column as f64 * self.width, self.top + row as f64 * self.height)
    }
}

pub(super) fn draw(chart: &Heat, title: &str, look: Look) -> String {
    let mut c = Canvas::new(look);
    let columns = chart.panels.len().clamp(1, COLUMNS);
    let panel_width = (WIDTH - LEFT - RIGHT - GUTTER * (columns - 1) as f64) / columns as f64;
    let height = if chart.rows.len() > 14 { 20.0 } else { 26.0 };
    let mut top = legend(&mut c, chart);
    for row in chart.panels.chunks(columns) {
        let plot_top = top + 40.0;
        for (i, cells) in row.iter().enumerate() {
            let left = LEFT + i as f64 * (panel_width + GUTTER);
            let frame = Frame { left, top: plot_top, width: panel_width / chart.columns.len().max(1) as f64, height };
            axes(&mut c, chart, cells, &frame, panel_width, i == 0);
            grid(&mut c, chart, cells, &frame);
            picks(&mut c, chart, &frame);
        }
        top = plot_top + height * chart.rows.len() as f64 + 52.0;
    }
    c.finish(WIDTH, top, title, &chart.aloud())
}

/// What frames and corners mean. Returns where the panels begin.
fn legend(c: &mut Canvas, chart: &Heat) -> f64 {
    let set = Type::new(12.5, Paint::Label(Hue::Ink));
    let (mut x, y) = (LEFT, 22.0);
    for (i, picked) in chart.picked.iter().enumerate() {
        frame(c, (x, y - 13.0), (22.0, 16.0), FRAMES[i % FRAMES.len()]);
        c.text((x + 30.0, y), set, &picked.label);
        x += 30.0 + set.width(&picked.label) + 26.0;
    }
    if let Some((label, _)) = &chart.floor {
        corner(c, (x + 16.0, y - 13.0), 14.0);
        c.text((x + 24.0, y), set, label);
    }
    y
}

fn axes(c: &mut Canvas, chart: &Heat, cells: &Cells, at: &Frame, width: f64, first: bool) {
    let tick = Type::new(12.0, Paint::Muted);
    let bottom = at.top + at.height * chart.rows.len() as f64;
    let title = Type::new(14.0, Paint::Label(Hue::Ink)).bold();
    c.text((at.left, at.top - 14.0), title, &title.fit(&cells.title, width));
    for (row, (_, name)) in chart.rows.iter().enumerate() {
        let middle = at.at(row, 0).1 + at.height / 2.0 + 4.2;
        c.text((at.left - 8.0, middle), tick.anchor(Anchor::End), &tick.fit(name, LEFT - 24.0));
    }
    if first {
        c.text_up((at.left - 42.0, (at.top + bottom) / 2.0), tick.anchor(Anchor::Middle), &chart.y);
    }
    // Names that would touch each other are left out, the same ones in every panel.
    let labels: Vec<String> = chart.columns.iter().map(|coef| short(*coef)).collect();
    let widest = labels.iter().map(|label| tick.width(label)).fold(0.0, f64::max) + 6.0;
    let step = (widest / at.width).ceil().max(1.0) as usize;
    for (column, label) in labels.iter().enumerate().step_by(step) {
        let middle = at.at(0, column).0 + at.width / 2.0;
        c.text((middle, bottom + 18.0), tick.anchor(Anchor::Middle), label);
    }
    c.text((at.left + width / 2.0, bottom + 39.0), tick.anchor(Anchor::Middle), &chart.x);
}

fn grid(c: &mut Canvas, chart: &Heat, cells: &Cells, at: &Frame) {
    let (low, high) = cells.range;
    for (row, values) in cells.values.iter().enumerate() {
        for column in 0..values.len() {
            let value = cells.mean(row, column);
            let (x, y) = at.at(row, column);
            let share = value.map_or(0.0, |v| ((v - low) / (high - low)).clamp(0.0, 1.0));
            // A hair of background between the cells.
            let (right, bottom) = (x + at.width - 1.0, y + at.height - 1.0);
            let outline = [(x, y), (right, y), (right, bottom), (x, bottom)];
            c.area(&outline, Paint::Data(cells.hue), 0.05 + (STRONGEST - 0.05) * share);
            if chart.floor.as_ref().is_some_and(|(_, below)| below[row][column]) {
                corner(c, (right, y), 7.0);
            }
            if at.width >= NARROW {
                let paint = if share * STRONGEST > STRONG { Paint::OnData } else { Paint::Label(Hue::Ink) };
                let set = Type::new(if at.width < 34.0 { 10.5 } else { 11.5 }, paint).anchor(Anchor::Middle);
                let text = value.map_or_else(|| "–".to_owned(), |v| format!("{v:.0}").replace('-', "−"));
                c.text(((x + right) / 2.0, y + at.height / 2.0 + 3.8), set, &text);
            }
        }
    }
}

/// A frame for each pick; several on one cell lie within each other.
fn picks(c: &mut Canvas, chart: &Heat, at: &Frame) {
    for (i, picked) in chart.picked.iter().enumerate() {
        let same = |other: &&Picked| (other.row, other.column) == (picked.row, picked.column);
        let inset = 3.5 * chart.picked[..i].iter().filter(same).count() as f64;
        let (x, y) = at.at(picked.row, picked.column);
        let size = (at.width - 1.0 - 2.0 * inset, at.height - 1.0 - 2.0 * inset);
        frame(c, (x + inset, y + inset), size, FRAMES[i % FRAMES.len()]);
    }
}

fn frame(c: &mut Canvas, (x, y): (f64, f64), (width, height): (f64, f64), dash: &str) {
    let corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)];
    for i in 0..corners.len() {
        c.line(corners[i], corners[(i + 1) % corners.len()], Paint::Data(Hue::Ink), 2.2, dash);
    }
}

/// A cut corner, its tip at the top right.
fn corner(c: &mut Canvas, (x, y): (f64, f64), size: f64) {
    c.area(&[(x - size, y), (x, y), (x, y + size)], Paint::Data(Hue::Ink), 0.75);
}
