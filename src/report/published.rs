//! The published numbers that reports hold ours against, as `assets/published.csv` has them.

use serde::Deserialize;

use super::arm::ArmKind;

/// A row of the table.
#[derive(Debug, Deserialize)]
pub struct PublishedValue {
    /// The data set; empty for the base model beside any of them.
    pub data: String,
    /// The kind of arm.
    pub kind: ArmKind,
    /// The trait along whose vector it is steered; empty if it is not.
    pub along: String,
    /// Its coefficient, if it has one.
    pub coef: Option<f64>,
    /// The axis' key; `layer` is the layer at which the trait was steered.
    pub axis: String,
    /// The number.
    pub published: f64,
    /// Who published it, and at the end of which model.
    pub source: String,
}

/// Every row of the table.
pub fn published_values() -> impl Iterator<Item = PublishedValue> {
    let rows = csv::Reader::from_reader(include_str!("../../assets/published.csv").as_bytes()).into_deserialize();
    rows.map(|row| row.expect("the table of this program is well formed"))
}
