//! What a data set does to a model, foretold and measured (METHOD H): the shift that finetuning makes along a trait's vector, the
//! projection difference that the data has before anybody trains, and the trait's score afterwards; one point for each data set.

use super::pieces::Cast;
use super::axes::{difference_key, shift_key, trait_key};
use super::expect::rounded;
use super::results::Results;
use crate::report::{Figure, Grid, Plot, Published, Study};
use crate::stats::{Interval, pearson};

/// With fewer data sets a correlation says nothing.
const POINTS_MIN: usize = 3;

/// One way of foretelling, or of checking what was foretold.
struct Relation {
    /// Names its files.
    file: &'static str,
    /// For titles: `finetuning shift`.
    x: &'static str,
    y: &'static str,
    /// The paper's figure.
    figure: &'static str,
    keys: fn(&str) -> (String, String),
}

const RELATIONS: [Relation; 3] = [
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
];

/// What came of a study of shifts.
pub(super) fn told(results: &Results<'_>, study: Study) -> Study {
    let names: Vec<&str> = results.data.traits.iter().map(|t| t.name.as_str()).collect();
    let arms: Vec<String> = plain(results);
    let mut said = Vec::new();
    let mut figures = Vec::new();
    let mut published = Vec::new();
    for relation in &RELATIONS {
        for name in &names {
            let (x, y) = (relation.keys)(name);
            let r = correlation(&study, &arms, (&x, &y), results.config.seed);
            figures.push(figure(results, relation, name, &r));
            said.push(format!("{} against {} for {}: r {r:.2}", relation.x, relation.y, trait_key(name)));
            published.extend(of_paper(relation, name, &r));
        }
    }
    let grid = across(&study, &arms, &names);
    Study {
        title: "What data does to a model, foretold and measured".to_owned(),
        verdict: format!("Over {} data sets: {}.", arms.len(), said.join("; ")),
        figures,
        published,
        grids: grid.into_iter().collect(),
        ..study
    }
}

/// The plain finetune of every data set.
fn plain(results: &Results<'_>) -> Vec<String> {
    let cast = Cast::of(results.config);
    (0..results.data.corpora.len()).map(|c| cast.named(Some(c), "plain", None)).collect()
}

/// Both means of every data set that has them.
fn pairs(study: &Study, arms: &[String], (x, y): (&str, &str)) -> Vec<(f64, f64)> {
    let of = |arm: &String| {
        let point = study.pooled(arm).into_iter().next()?;
        Some((point.values.get(x)?.mean, point.values.get(y)?.mean))
    };
    arms.iter().filter_map(of).filter(|(x, y)| x.is_finite() && y.is_finite()).collect()
}

/// Pearson's r over the data sets, with an interval from drawing data sets anew.
fn correlation(study: &Study, arms: &[String], keys: (&str, &str), seed: u64) -> Interval {
    let pairs = pairs(study, arms, keys);
    let r = |drawn: &[usize]| {
        let (x, y): (Vec<f64>, Vec<f64>) = drawn.iter().map(|&i| pairs[i]).unzip();
        (pairs.len() >= POINTS_MIN).then(|| pearson(&x, &y)).flatten()
    };
    Interval::of_statistic(pairs.len(), pairs.len(), seed, &r)
}

fn figure(results: &Results<'_>, relation: &Relation, name: &str, r: &Interval) -> Figure {
    let (x, y) = (relation.keys)(name);
    let cast = Cast::of(results.config);
    let group =
        |(c, corpus): (usize, &super::data::Corpus)| (corpus.label.clone(), vec![cast.named(Some(c), "plain", None)]);
    let groups = results.data.corpora.iter().enumerate().map(group).collect();
    Figure {
        file: format!("{}-{}", relation.file, trait_key(name)),
        title: format!("{}: {} against {}", trait_key(name), relation.x, relation.y),
        caption: format!(
            "{}: {} against {} of the plain finetune on each data set (the paper's {}). Line: least squares; r = {r:.2}.",
            trait_key(name),
            relation.x,
            relation.y,
            relation.figure
        ),
        plot: Plot::Cloud { x, y, groups },
    }
}

/// Shifts along each trait's vector against the scores of every trait (the paper's figure 20).
fn across(study: &Study, arms: &[String], names: &[&str]) -> Option<Grid> {
    let r = |shift: &str, score: &str| {
        let pairs = pairs(study, arms, (&shift_key(shift), trait_key(score)));
        let (x, y): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
        (pairs.len() >= POINTS_MIN).then(|| pearson(&x, &y)).flatten()
    };
    let row = |shift: &&str| {
        let numbers = names.iter().map(|score| r(shift, score)).collect();
        (format!("shift of {}", trait_key(shift)), numbers)
    };
    (names.len() > 1 && arms.len() >= POINTS_MIN).then(|| Grid {
        file: "across-traits".into(),
        title: "Shifts and scores across traits".into(),
        caption: "Correlation over the data sets between the shift along one trait's vector and the score of another (the paper's \
                  figure 20): a shift that foretells every trait alike is not about its own."
            .into(),
        corner: "r".into(),
        columns: names.iter().map(|name| format!("score of {}", trait_key(name))).collect(),
        rows: names.iter().map(row).collect(),
    })
}

/// The paper's correlations on Qwen2.5-7B-Instruct over 24 finetunes (METHOD H.1, H.2; those of figure 8 by a replication).
fn of_paper(relation: &Relation, name: &str, r: &Interval) -> Option<Published> {
    const NUMBERS: [(&str, &str, f64); 9] = [
        ("shift-score", "evil", 0.826),
        ("shift-score", "sycophancy", 0.758),
        ("shift-score", "hallucination", 0.916),
        ("difference-score", "evil", 0.944),
        ("difference-score", "sycophancy", 0.850),
        ("difference-score", "hallucination", 0.605),
        ("difference-shift", "evil", 0.839),
        ("difference-shift", "sycophancy", 0.745),
        ("difference-shift", "hallucination", 0.408),
    ];
    let key = trait_key(name);
    let (.., published) = *NUMBERS.iter().find(|(file, of, _)| *file == relation.file && *of == key)?;
    let by =
        if relation.file == "difference-score" { "living-persona-vectors, a replication" } else { "Chen et al. 2025" };
    Some(Published {
        what: format!("{key}: {} against {}, r (here {} points)", relation.x, relation.y, rounded(r.n as f64, 0)),
        published,
        ours: r.mean.is_finite().then_some(r.mean),
        source: format!("{by}, Qwen2.5-7B-Instruct, 24 finetunes"),
    })
}
