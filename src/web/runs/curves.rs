//! Loss, learning rate and drift of the finetunes of a run, from the files that they write while they learn.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::folder::{folders, is_file, read_text};
use crate::train::StepReport;

/// Points of one curve; of more, each stands for the mean of its stretch.
const POINTS_MAX: usize = 500;
const FITS_MAX: usize = 64;
/// Folders between a run and a finetune of it.
const DEPTH_MAX: usize = 3;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Chart {
    pub key: &'static str,
    pub title: &'static str,
    pub x: &'static str,
    /// What the vertical axis is, with its unit.
    pub y: &'static str,
    /// The curves, one for each finetune that has it.
    pub series: Vec<Series>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Series {
    /// The finetune's folder below the run; empty if it is the run itself.
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

/// The curves of a run; charts without any are left out. Of more finetunes than are shown, how many there are.
pub fn charts(run: &Path) -> (Vec<Chart>, usize) {
    let mut fits = Vec::new();
    logs(run, String::new(), 0, &mut fits);
    let all = fits.len();
    fits.truncate(FITS_MAX);
    let rows: Vec<(String, Vec<StepReport>)> = fits.into_iter().map(|(name, path)| (name, steps(&path))).collect();
    let chart = |key, title, y, of: fn(&StepReport) -> Option<f64>| {
        let curve = |(name, rows): &(String, Vec<StepReport>)| {
            let points = rows.iter().filter_map(|row| Some((row.step as f64, of(row).filter(|y| y.is_finite())?)));
            let points = thinned(&points.collect::<Vec<_>>());
            (!points.is_empty()).then(|| Series { name: name.clone(), points })
        };
        Chart { key, title, x: "step", y, series: rows.iter().filter_map(curve).collect() }
    };
    let charts = [
        chart("loss", "Training loss", "loss (nats per token)", |row| Some(row.loss)),
        chart("drift", "Drift along the watched vector", "rise of the mean projection", |row| row.drift),
        chart("lr", "Learning rate", "learning rate", |row| Some(row.lr)),
        chart("grad_norm", "Norm of the gradient", "norm before clipping", |row| Some(row.grad_norm)),
        chart("regularisation", "Regulariser", "share of the loss (nats)", |row| row.regularisation),
    ];
    (charts.into_iter().filter(|chart| !chart.series.is_empty()).collect(), all)
}

/// Every `metrics.jsonl` in a run's folder, with the folder that it lies in.
fn logs(folder: &Path, name: String, depth: usize, found: &mut Vec<(String, PathBuf)>) {
    let log = folder.join("metrics.jsonl");
    if is_file(&log) {
        found.push((name.clone(), log));
    }
    if depth < DEPTH_MAX {
        for (inner, path) in folders(folder) {
            // A study's finetunes lie in `fits`.
            let name = if name.is_empty() || name == "fits" { inner } else { format!("{name}/{inner}") };
            logs(&path, name, depth + 1, found);
        }
    }
}

/// The rows that are whole; a process may be writing the last one.
fn steps(path: &Path) -> Vec<StepReport> {
    read_text(path).unwrap_or_default().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// At most so many points that a figure can show; the last one stays as it is.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= POINTS_MAX {
        return points.to_vec();
    }
    let (last, rest) = points.split_last().expect("there are many");
    let mean = |stretch: &[(f64, f64)]| {
        let n = stretch.len() as f64;
        (stretch.iter().map(|p| p.0).sum::<f64>() / n, stretch.iter().map(|p| p.1).sum::<f64>() / n)
    };
    rest.chunks(rest.len().div_ceil(POINTS_MAX - 1)).map(mean).chain([*last]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_are_of_every_finetune_and_of_whole_rows() {
        let dir = tempfile::tempdir().unwrap();
        let row = |step: usize, more: &str| {
            format!("{{\"step\":{step},\"loss\":{step},\"lr\":0.1,\"grad_norm\":1,\"tokens\":9{more}}}\n")
        };
        for (name, rows) in [("plain", row(1, "")), ("prevent", row(1, "") + &row(2, ",\"drift\":0.5") + "{\"step\":3")]
        {
            let folder = dir.path().join("fits").join(name);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("metrics.jsonl"), rows).unwrap();
        }
        let (charts, all) = charts(dir.path());
        assert_eq!(
            (all, charts.iter().map(|chart| chart.key).collect::<Vec<_>>()),
            (2, vec!["loss", "drift", "lr", "grad_norm"])
        );
        let series = |name: &str, points: &[(f64, f64)]| Series { name: name.into(), points: points.to_vec() };
        assert_eq!(charts[0].series, [series("plain", &[(1.0, 1.0)]), series("prevent", &[(1.0, 1.0), (2.0, 2.0)])]);
        assert_eq!(charts[1].series, [series("prevent", &[(2.0, 0.5)])]);
    }

    #[test]
    fn long_curves_are_thinned_to_means_and_end_where_they_end() {
        let points: Vec<(f64, f64)> = (0..10_000).map(|i| (f64::from(i), 2.0)).collect();
        let thin = thinned(&points);
        assert!(thin.len() <= POINTS_MAX && thin.len() > POINTS_MAX / 2);
        assert_eq!(thin.last(), points.last());
        assert!(thin.iter().all(|p| p.1 == 2.0) && thin.windows(2).all(|p| p[0].0 < p[1].0));
        assert_eq!(thinned(&points[..3]), points[..3]);
    }
}
