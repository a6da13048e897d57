//! What figures are made of.

pub use super::colours::{Hue, Look};
pub use super::figure::HUES;
pub use super::heat::{Cells, Heat, Picked};
pub use super::histogram::{Histogram, Shape, Threshold};
pub use super::lines::{Better, Curve, Level, Lines, Panel};
pub use super::scatter::{Dot, Scatter, Side, Track};
pub use super::svg::{MARKS, Mark};
