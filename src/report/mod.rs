//! Figures, tables and the page: pure functions of rows. The same rows give the same bytes, and a finished run can be
//! rendered again without a model.
//!
//! A study fills a [`Study`]; [`render`] writes `report.html`, each figure as SVG and PNG, `results.csv` and `results.json`.
//! Anything else that wants a page, say of scatter plots and passages of text, fills a [`Page`].

mod arm;
mod charts;
mod cloud;
mod heat;
mod histogram;
mod html;
mod lines;
mod numbers;
mod page;
mod plots;
mod png;
mod rows;
mod scale;
mod scatter;
mod study;
mod svg;
mod table;
mod words;

use std::path::{Path, PathBuf};

pub use arm::{Arm, ArmKind};
pub use cloud::{Cloud, Group};
pub use histogram::{Histogram, Shape, Threshold};
pub use page::{Chart, Page, Part, Passage, Picture, Span, settings_of};
pub use plots::{
    Crowd, Curve, CurveLevel, CurvePanel, Curves, Figure, HUES, HeatMap, MARKS, Panel, Pick, Plot, Profile, Trace,
};
pub use rows::{RowCurves, row_curves};
pub use study::{Axis, Better, Comparison, Example, Grid, Point, Published, Study, capital};
pub use svg::{Hue, Look, Mark};
pub use table::{Cell, Table};
#[cfg(test)]
pub(crate) use words::rewording;
pub use words::{Expectation, ExpectationId, Note, NoteKind};

use crate::record::{create_folder, write_atomic};
use crate::{At, Error, Result, ensure};

/// Pixels of a PNG for each unit of its SVG: sharp on dense screens and at a column's width in print.
const PNG_SCALE: f32 = 2.0;

/// Draws one of a study's figures as an SVG document.
///
/// # Errors
/// If the figure names an axis that the study has not measured.
pub fn draw(study: &Study, figure: &Figure, look: Look) -> Result<String> {
    match &figure.plot {
        Plot::Lines { y, range, levels, panels } => {
            known(study, figure, panels.iter().flat_map(|p| &p.curves).map(|c| &c.axis))?;
            Ok(lines::draw(&study.line_chart(figure, y, *range, levels, panels), look))
        }
        Plot::Scatter { x, y, arms, start, from_start } => study
            .scatter_chart(figure, (x, y), arms, start.as_deref(), from_start)
            .map(|chart| scatter::draw(&chart, look))
            .ok_or_else(|| Error::new(format!("figure `{}`: there is no axis `{x}` or no `{y}`", figure.file))),
        Plot::Cloud { x, y, groups } => study
            .cloud_chart(figure, (x, y), groups)
            .map(|chart| scatter::draw(&chart, look))
            .ok_or_else(|| Error::new(format!("figure `{}`: there is no axis `{x}` or no `{y}`", figure.file))),
        Plot::Histogram(histogram) => Ok(histogram::draw(histogram, &figure.title, look)),
        Plot::Heat(map) => {
            known(study, figure, &map.axes)?;
            Ok(heat::draw(&study.heat_chart(figure, map), look))
        }
        Plot::Profile(profile) => {
            known(study, figure, &profile.axes)?;
            Ok(lines::draw(&study.profile_chart(figure, profile), look))
        }
        Plot::Curves(curves) => Ok(lines::draw(&charts::curves_chart(figure, curves), look)),
    }
}

/// Whether the study has these axes.
fn known<'a>(study: &Study, figure: &Figure, axes: impl IntoIterator<Item = &'a String>) -> Result<()> {
    for key in axes {
        ensure!(study.axis(key).is_some(), "figure `{}`: there is no axis `{key}`", figure.file);
    }
    Ok(())
}

/// The study as one page: no script, no external resource, light or dark as the reader's system is.
///
/// # Errors
/// As [`draw`].
pub fn page(study: &Study) -> Result<String> {
    let drawn: Vec<String> = study.figures.iter().map(|f| draw(study, f, Look::Page)).collect::<Result<_>>()?;
    Ok(html::page(study, &drawn))
}

/// Writes `report.html`, `<figure>.svg`, `.png` and `.csv`, `results.csv` and `results.json` into a folder, each atomically.
/// Returns their paths, the page first.
///
/// # Errors
/// As [`draw`], or if a file cannot be written.
pub fn render(study: &Study, dir: &Path) -> Result<Vec<PathBuf>> {
    create_folder(dir)?;
    let mut files: Vec<(String, Vec<u8>)> = vec![("report.html".to_owned(), page(study)?.into_bytes())];
    for figure in &study.figures {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        ensure!(
            !figure.file.is_empty() && figure.file.chars().all(plain),
            "`{}` cannot name a figure's file",
            figure.file
        );
        let svg = draw(study, figure, Look::Fixed)?;
        files.push((format!("{}.png", figure.file), png::render(&svg, PNG_SCALE)?));
        files.push((format!("{}.svg", figure.file), svg.into_bytes()));
        files.push((format!("{}.csv", figure.file), study.numbers(figure).csv().into_bytes()));
    }
    for grid in &study.grids {
        files.push((format!("{}.csv", grid.file), grid.table().csv().into_bytes()));
    }
    if !study.comparisons.is_empty() {
        files.push(("comparisons.csv".to_owned(), study.differences().csv().into_bytes()));
    }
    files.push(("results.csv".to_owned(), study.results().csv().into_bytes()));
    let mut json = serde_json::to_vec_pretty(study).doing("writing the results as JSON")?;
    json.push(b'\n');
    files.push(("results.json".to_owned(), json));

    let write = |(name, bytes): (String, Vec<u8>)| {
        let path = dir.join(name);
        write_atomic(&path, &bytes).map(|()| path)
    };
    files.into_iter().map(write).collect()
}

/// Reads the `results.json` of an earlier [`render`], so that it can be rendered again.
///
/// # Errors
/// If the file is missing or is none of ours.
pub fn read(dir: &Path) -> Result<Study> {
    let path = dir.join("results.json");
    let bytes = std::fs::read(&path).at(&path)?;
    serde_json::from_slice(&bytes).at(&path)
}

#[cfg(test)]
mod tests;
