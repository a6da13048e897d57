//! What a page and a study are made of, besides figures and tables.

pub use super::page::{Html, Part, Passage, Span};
pub use super::study::{Axis, Comparison, Point, Published};
