//! The pairs of measurements that are correlated over data sets: predictions from the data, the finetuning shift, the trait score.

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
}

/// Every relation that the paper draws.
pub const RELATIONS: [Relation; 5] = [
    Relation {
        file: "shift-score",
        x: "finetuning shift",
        y: "trait score",
        figure: "figure 6",
        keys: |name| (shift_key(name), trait_key(name).to_owned()),
    },
    Relation {
        file: "difference-score",
        x: "projection difference of the data",
        y: "trait score",
        figure: "figure 8",
        keys: |name| (difference_key(name), trait_key(name).to_owned()),
    },
    Relation {
        file: "difference-shift",
        x: "projection difference of the data",
        y: "finetuning shift",
        figure: "figure 17",
        keys: |name| (difference_key(name), shift_key(name)),
    },
    Relation {
        file: "data-score",
        x: "projection of the data alone",
        y: "trait score",
        figure: "figure 21",
        keys: |name| (data_key(name), trait_key(name).to_owned()),
    },
    Relation {
        file: "approximation-score",
        x: "projection difference against the prompt's last token",
        y: "trait score",
        figure: "figure 23",
        keys: |name| (approximation_key(name), trait_key(name).to_owned()),
    },
];

/// Files of the relations that the verdict names.
pub const FIRST: [&str; 2] = ["shift-score", "difference-score"];
