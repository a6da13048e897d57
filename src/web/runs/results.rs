//! The table and the figures of a finished study, for one page beside another.

use std::path::Path;

use serde_json::{Value, json};

use super::folder::read;
use super::paths::cleaned;
use crate::report::content::{Axis, Point};
use crate::report::{Arm, Expectation, Figure, Look, Study};

/// Reads a study's results; nothing if there are none.
pub fn study(run: &Path) -> Option<Study> {
    serde_json::from_slice(&read(&run.join("results.json"))?).ok()
}

/// Every arm at every coefficient, all seeds together, with what was measured of it.
pub fn table(study: &Study) -> Value {
    let axis = |axis: &Axis| json!({ "key": axis.key, "name": axis.name, "unit": axis.unit, "better": axis.better, "aside": axis.aside });
    let row = |arm: &Arm, point: &Point| json!({ "arm": arm.name, "label": arm.label, "note": arm.note, "coef": point.coef, "seeds": point.seeds, "values": point.values });
    let rows = study.arms.iter().flat_map(|arm| study.pooled(&arm.name).into_iter().map(move |point| row(arm, point)));
    let expectation = |e: &Expectation| json!({ "claim": e.claim, "measured": e.measured, "met": e.met });
    cleaned(json!({
        "object": "table",
        "title": study.title,
        "subtitle": study.subtitle,
        "verdict": study.verdict,
        "axes": study.axes.iter().map(axis).collect::<Vec<_>>(),
        "rows": rows.collect::<Vec<_>>(),
        "expectations": study.expectations.iter().map(expectation).collect::<Vec<_>>(),
    }))
}

pub fn figures(study: &Study) -> Value {
    let figure = |figure: &Figure| json!({ "file": figure.file, "title": figure.title, "caption": figure.caption, "svg": figure.svg(Look::Fixed) });
    json!({ "object": "list", "data": study.figures.iter().map(figure).collect::<Vec<_>>() })
}
