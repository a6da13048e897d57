//! The pairs of measurements that are correlated over data sets (predictions from the data, the finetuning shift, the trait score), and
//! the paper's numbers on Qwen2.5-7B-Instruct to hold ours against.

use crate::report::Grid;
use crate::report::content::Published;
use crate::stats::Interval;
use crate::study::claims::format::dash;
use crate::study::outputs::{approximation_key, data_key, difference_key, shift_key, trait_key};

/// Two measurements of every data set, the first of which may predict the second.
pub struct Relation {
    /// Name of its files, without extension.
    pub file: &'static str,
    /// For titles: `finetuning shift`.
    pub x: &'static str,
    pub y: &'static str,
    /// The number of the paper's figure.
    pub figure: &'static str,
    /// Keys of both, for a trait's name.
    pub keys: fn(&str) -> (String, String),
    /// The paper's correlation for each of [`TRAITS`], over 24 finetunes (figure 8 by a replication).
    published: [f64; 3],
}

/// The traits of the paper.
const TRAITS: [&str; 3] = ["evil", "sycophancy", "hallucination"];

/// Every relation that the paper draws.
pub const RELATIONS: [Relation; 5] = [
    Relation {
        file: "shift-score",
        x: "finetuning shift",
        y: "trait score",
        figure: "figure 6",
        keys: |name| (shift_key(name), trait_key(name).to_owned()),
        published: [0.826, 0.758, 0.916],
    },
    Relation {
        file: "difference-score",
        x: "projection difference of the data",
        y: "trait score",
        figure: "figure 8",
        keys: |name| (difference_key(name), trait_key(name).to_owned()),
        published: [0.944, 0.850, 0.605],
    },
    Relation {
        file: "difference-shift",
        x: "projection difference of the data",
        y: "finetuning shift",
        figure: "figure 17",
        keys: |name| (difference_key(name), shift_key(name)),
        published: [0.839, 0.745, 0.408],
    },
    Relation {
        file: "data-score",
        x: "projection of the data alone",
        y: "trait score",
        figure: "figure 21",
        keys: |name| (data_key(name), trait_key(name).to_owned()),
        published: [0.784, 0.540, 0.635],
    },
    Relation {
        file: "approximation-score",
        x: "projection difference against the prompt's last token",
        y: "trait score",
        figure: "figure 23",
        keys: |name| (approximation_key(name), trait_key(name).to_owned()),
        published: [0.931, 0.581, 0.689],
    },
];

/// Files of the relations that the verdict names.
pub const FIRST: [&str; 2] = ["shift-score", "difference-score"];

/// The paper's correlation of a relation beside ours.
pub fn of_paper(relation: &Relation, name: &str, r: &Interval) -> Option<Published> {
    let key = trait_key(name);
    let published = relation.published[TRAITS.iter().position(|of| *of == key)?];
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
