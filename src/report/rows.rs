//! Curves over the layers: one value for each row of a vector.

use super::lines::{self, LineChart, LinePanel, Series};
use super::plots::{HUES, MARKS};
use super::svg::Look;
use crate::stats::Interval;

/// Several curves over rows 0 (the embedding) to the last layer.
#[derive(Debug, Clone, PartialEq)]
pub struct RowCurves {
    /// What is shown.
    pub title: String,
    /// The vertical axis.
    pub y: String,
    /// Name and values of each curve, from row 0 on.
    pub series: Vec<(String, Vec<f64>)>,
}

/// Draws the curves as an SVG document.
pub fn row_curves(curves: &RowCurves) -> String {
    let series = curves.series.iter().enumerate().map(|(i, (name, values))| Series {
        name: name.clone(),
        short: name.clone(),
        hue: HUES[i % HUES.len()],
        mark: MARKS[i % MARKS.len()],
        points: values.iter().enumerate().map(|(row, &v)| (row as f64, Interval::point(v, 1, 1))).collect(),
    });
    let most = curves.series.iter().flat_map(|(_, values)| values).copied().fold(0.0, f64::max);
    let names: Vec<&str> = curves.series.iter().map(|(name, _)| name.as_str()).collect();
    let chart = LineChart {
        title: curves.title.clone(),
        alt: format!("{} over the layers: {}", curves.title, names.join(", ")),
        y: curves.y.clone(),
        range: (0.0, if most > 0.0 { most } else { 1.0 }),
        level_name: String::new(),
        panels: vec![LinePanel {
            title: curves.title.clone(),
            x: "row (0: embedding, L: output of block L - 1)".into(),
            series: series.collect(),
            levels: Vec::new(),
        }],
    };
    lines::draw(&chart, Look::Fixed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_curve_has_its_points_and_its_name() {
        let of = |name: &str, values: &[f64]| (name.to_owned(), values.to_vec());
        let series = vec![of("evil", &[0.0, 1.0, 4.0]), of("a <b>", &[0.5, 2.0, 3.0])];
        let svg = row_curves(&RowCurves { title: "Norms".into(), y: "norm".into(), series });
        assert!(svg.starts_with("<svg"));
        // In the legend and beside the curve's end.
        assert_eq!((svg.matches(">evil<").count(), svg.matches(">a &lt;b&gt;<").count()), (2, 2), "{svg}");
        let flat =
            row_curves(&RowCurves { title: "None".into(), y: "norm".into(), series: vec![of("zero", &[0.0, 0.0])] });
        assert!(!flat.contains("NaN"));
    }
}
