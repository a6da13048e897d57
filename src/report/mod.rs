//! Figures, tables and the page: pure functions of rows. The same rows give the same bytes, and a finished run can be
//! rendered again without a model.
//!
//! A [`Study`] renders itself: `report.html`, each figure as SVG, PNG and CSV, `results.csv` and `results.json`. Anything else that
//! wants a page, say of scatter plots and passages of text, fills a [`Page`]. Every figure goes one way: a [`Figure`] holds its numbers
//! ([`Plot`]), which give the SVG, the PNG, the CSV and the picture in the page.

mod arm;
mod colours;
mod curves;
mod figure;
mod heat;
mod histogram;
mod html;
mod labels;
mod lines;
mod page;
mod png;
mod published;
mod render;
mod scale;
mod scatter;
mod study;
mod svg;
mod table;
mod words;

pub mod content;
pub mod plot;

pub use arm::{Arm, ArmKind};
pub use colours::Look;
pub use figure::{Figure, Plot};
pub use page::{Page, settings_of};
pub use published::{PublishedValue, published_values};
pub use study::{Example, Grid, Study};
pub use table::{Cell, Column, Table};
#[cfg(test)]
pub(crate) use words::rewording;
pub use words::{Expectation, ExpectationId, Note, NoteKind};

pub(crate) use study::capital;

#[cfg(test)]
mod tests;
