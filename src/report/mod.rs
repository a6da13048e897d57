//! Figures, tables and the page: pure functions of rows. The same rows give the same bytes, and a finished run can be
//! rendered again without a model.
//!
//! A [`Study`] renders itself: `report.html`, each figure as SVG, PNG and CSV, `results.csv` and `results.json`. Anything else that
//! wants a page, say of scatter plots and passages of text, fills a [`Page`]. Every figure goes one way: a [`Figure`] holds its numbers
//! ([`Plot`]), which give the SVG, the PNG, the CSV and the picture in the page.

mod arm;
mod curves;
mod figure;
mod heat;
mod histogram;
mod html;
mod lines;
mod page;
mod png;
mod render;
mod scale;
mod scatter;
mod study;
mod svg;
mod table;
mod words;

/// What figures are made of.
pub mod plot {
    pub use super::figure::HUES;
    pub use super::heat::{Cells, Heat, Picked};
    pub use super::histogram::{Histogram, Shape, Threshold};
    pub use super::lines::{Better, Curve, Level, Lines, Panel};
    pub use super::scatter::{Dot, Scatter, Side, Track};
    pub use super::svg::{Hue, Look, MARKS, Mark};
}

/// What a [`Page`] and a [`Study`] are made of, besides figures and tables.
pub mod content {
    pub use super::page::{Html, Part, Passage, Span};
    pub use super::study::{Axis, Comparison, Point, Published};
}

pub use arm::{Arm, ArmKind};
pub use figure::{Figure, Plot};
pub use page::{Page, settings_of};
pub use study::{Example, Grid, Study};
pub use table::{Cell, Table};
#[cfg(test)]
pub(crate) use words::rewording;
pub use words::{Expectation, ExpectationId, Note, NoteKind};

pub(crate) use study::capital;

#[cfg(test)]
mod tests;
