//! The paper's correlations and cosines on Qwen2.5-7B-Instruct, to hold ours against.

use super::relation::Relation;
use crate::report::Grid;
use crate::report::content::Published;
use crate::stats::Interval;
use crate::study::claims::format::dash;
use crate::study::outputs::trait_key;

/// The paper's correlations on Qwen2.5-7B-Instruct over 24 finetunes (figure 8 by a replication).
pub fn of_paper(relation: &Relation, name: &str, r: &Interval) -> Option<Published> {
    const NUMBERS: [(&str, &str, f64); 15] = [
        ("shift-score", "evil", 0.826),
        ("shift-score", "sycophancy", 0.758),
        ("shift-score", "hallucination", 0.916),
        ("difference-score", "evil", 0.944),
        ("difference-score", "sycophancy", 0.850),
        ("difference-score", "hallucination", 0.605),
        ("difference-shift", "evil", 0.839),
        ("difference-shift", "sycophancy", 0.745),
        ("difference-shift", "hallucination", 0.408),
        ("data-score", "evil", 0.784),
        ("data-score", "sycophancy", 0.540),
        ("data-score", "hallucination", 0.635),
        ("approximation-score", "evil", 0.931),
        ("approximation-score", "sycophancy", 0.581),
        ("approximation-score", "hallucination", 0.689),
    ];
    let key = trait_key(name);
    let (.., published) = *NUMBERS.iter().find(|(file, of, _)| *file == relation.file && *of == key)?;
    let by =
        if relation.file == "difference-score" { "living-persona-vectors, a replication" } else { "Chen et al. 2025" };
    Some(Published {
        what: format!("{key}: {} against {}, r (here {} points)", relation.x, relation.y, dash(r.n as f64, 0)),
        published,
        ours: r.mean.is_finite().then_some(r.mean),
        source: format!("{by}, Qwen2.5-7B-Instruct, 24 finetunes"),
    })
}

/// Off the diagonal of the paper's figure 20: first trait's row, second trait's column, number.
pub type Matrix = [(&'static str, &'static str, f64)];

/// Its left half: the shift along one trait's vector against the score of another.
pub const SHIFT_SCORES: [(&str, &str, f64); 6] = [
    ("evil", "sycophancy", 0.600),
    ("evil", "hallucination", 0.861),
    ("sycophancy", "evil", 0.344),
    ("sycophancy", "hallucination", 0.724),
    ("hallucination", "evil", 0.733),
    ("hallucination", "sycophancy", 0.728),
];
/// Its right half, at layer 20.
pub const COSINES: [(&str, &str, f64); 3] =
    [("evil", "sycophancy", 0.368), ("evil", "hallucination", 0.192), ("sycophancy", "hallucination", 0.162)];

/// What the paper has for cells of a grid of traits by traits.
pub fn matrix_of_paper(grid: &Grid, names: &[&str], matrix: &Matrix, what: &str) -> Vec<Published> {
    let place = |key: &str| names.iter().position(|name| trait_key(name) == key);
    let row = |&(of, with, published): &(&str, &str, f64)| {
        let ours = grid.rows[place(of)?].1[place(with)?];
        let source = "Chen et al. 2025, figure 20, Qwen2.5-7B-Instruct".to_owned();
        Some(Published { what: format!("{of}, {with}: {what}"), published, ours, source })
    };
    matrix.iter().filter_map(row).collect()
}
