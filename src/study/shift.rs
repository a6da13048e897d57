//! What a data set does to a model, foretold and measured (METHOD H): the shift that finetuning makes along a trait's vector, the
//! projection difference that the data has before anybody trains, and the trait's score afterwards; one point for each data set.

use super::axes::{approximation_key, data_key, difference_key, shift_key, trait_key};
use super::expect::rounded;
use super::pieces::Cast;
use super::pipeline::Difference;
use super::results::Results;
use crate::persona::cosine;
use crate::report::{Figure, Grid, Histogram, Hue, Plot, Published, Shape, Study};
use crate::stats::{Clusters, Interval, auc, mean_of, pearson};

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

const RELATIONS: [Relation; 5] = [
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

/// What came of a study of shifts.
pub(super) fn told(results: &Results<'_>, study: Study) -> Study {
    let names: Vec<&str> = results.data.traits.iter().map(|t| t.name.as_str()).collect();
    let arms: Vec<String> = plain(results);
    let mut said = Vec::new();
    let mut figures = Vec::new();
    let mut published = study.published.clone();
    for relation in &RELATIONS {
        for name in &names {
            let (x, y) = (relation.keys)(name);
            let r = correlation(&study, &arms, (&x, &y), results.config.seed);
            figures.push(figure(results, relation, name, &r));
            said.push(format!("{} against {} for {}: r {r:.2}", relation.x, relation.y, trait_key(name)));
            published.extend(of_paper(relation, name, &r));
        }
    }
    let across = across(&study, &arms, &names);
    let cosines = cosines(results, &names);
    published.extend(across.iter().flat_map(|grid| matrix_of_paper(grid, &names, &SHIFT_SCORES, "shift → score, r")));
    published.extend(cosines.iter().flat_map(|grid| matrix_of_paper(grid, &names, &COSINES, "cosine of vectors")));
    figures.extend(spreads(results));
    Study {
        title: "What data does to a model, foretold and measured".to_owned(),
        verdict: format!("Over {} data sets: {}.", arms.len(), said.join("; ")),
        figures,
        published,
        grids: across.into_iter().chain(cosines).chain(apart(results)).collect(),
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
        what: format!("{key}: {} against {}, r (here {} points)", relation.x, relation.y, rounded(r.n as f64, 0)),
        published,
        ours: r.mean.is_finite().then_some(r.mean),
        source: format!("{by}, Qwen2.5-7B-Instruct, 24 finetunes"),
    })
}

/// Off the diagonal of the paper's figure 20: first trait's row, second trait's column, number.
type Matrix = [(&'static str, &'static str, f64)];

/// Its left half: the shift along one trait's vector against the score of another.
const SHIFT_SCORES: [(&str, &str, f64); 6] = [
    ("evil", "sycophancy", 0.600),
    ("evil", "hallucination", 0.861),
    ("sycophancy", "evil", 0.344),
    ("sycophancy", "hallucination", 0.724),
    ("hallucination", "evil", 0.733),
    ("hallucination", "sycophancy", 0.728),
];
/// Its right half, at layer 20.
const COSINES: [(&str, &str, f64); 3] =
    [("evil", "sycophancy", 0.368), ("evil", "hallucination", 0.192), ("sycophancy", "hallucination", 0.162)];

/// What the paper has for cells of a grid of traits by traits.
fn matrix_of_paper(grid: &Grid, names: &[&str], matrix: &Matrix, what: &str) -> Vec<Published> {
    let place = |key: &str| names.iter().position(|name| trait_key(name) == key);
    let row = |&(of, with, published): &(&str, &str, f64)| {
        let ours = grid.rows[place(of)?].1[place(with)?];
        let source = "Chen et al. 2025, figure 20, Qwen2.5-7B-Instruct".to_owned();
        Some(Published { what: format!("{of}, {with}: {what}"), published, ours, source })
    };
    matrix.iter().filter_map(row).collect()
}

/// How alike the traits' vectors are at the layer of projections (the paper's figure 20, right).
fn cosines(results: &Results<'_>, names: &[&str]) -> Option<Grid> {
    let row = |t: usize| results.vectors[t].file.response_avg.row(results.layer);
    let of = |t: usize| (0..names.len()).map(|other| Some(cosine(row(t), row(other)))).collect();
    (names.len() > 1).then(|| Grid {
        file: "vectors".into(),
        title: "The vectors beside each other".into(),
        caption: format!("Cosines between the traits' vectors at {} (the paper's figure 20).", results.layer),
        corner: "cosine".into(),
        columns: names.iter().map(|name| trait_key(name).to_owned()).collect(),
        rows: names.iter().enumerate().map(|(t, name)| (trait_key(name).to_owned(), of(t))).collect(),
    })
}

fn values(clusters: &Clusters) -> Vec<f64> {
    clusters.values().flatten().copied().collect()
}

/// How well single conversations of a data set are told from what the base model says itself (METHOD H.4).
fn apart(results: &Results<'_>) -> Option<Grid> {
    let told = |difference: &Difference| -> Vec<Option<f64>> {
        difference.of.iter().map(|of| auc(&values(&of.data), &values(&of.own))).collect()
    };
    let rows = results.differences.iter().map(|(&c, of)| (results.data.corpora[c].label.clone(), told(of)));
    let rows: Vec<_> = rows.collect();
    (!rows.is_empty()).then(|| Grid {
        file: "samples".into(),
        title: "Single conversations told apart".into(),
        caption: "Area under the ROC curve with which the projection along each trait's vector tells the data's answers from the base model's \
                  own to the same prompts: 0.5 is chance, above it the data lies further along."
            .into(),
        corner: "AUC".into(),
        columns: results.data.traits.iter().map(|t| trait_key(&t.name).to_owned()).collect(),
        rows,
    })
}

/// How the conversations of related data sets are spread along the vector that tells them apart best (the paper's figure 9): those
/// whose names differ only after the last dash.
fn spreads(results: &Results<'_>) -> Vec<Figure> {
    const HUES: [Hue; 6] = [Hue::Vermillion, Hue::Blue, Hue::Green, Hue::Orange, Hue::Purple, Hue::Sky];
    let family = |c: usize| results.data.corpora[c].name.rsplit_once('-').map(|(family, _)| family);
    let mut families: Vec<&str> = results.differences.keys().filter_map(|&c| family(c)).collect();
    families.dedup();
    let spread = |name: &&str| {
        let mut members: Vec<(usize, &Difference)> =
            (results.differences.iter()).filter(|(c, _)| family(**c) == Some(*name)).map(|(&c, of)| (c, *of)).collect();
        let (t, told) = (0..results.data.traits.len())
            .filter_map(|t| {
                members.sort_by(|a, b| mean_of(&b.1.of[t].data).total_cmp(&mean_of(&a.1.of[t].data)));
                let (most, least) = (members.first()?.1, members.last()?.1);
                Some((t, auc(&values(&most.of[t].data), &values(&least.of[t].data))?))
            })
            .max_by(|a, b| a.1.total_cmp(&b.1))?;
        members.sort_by(|a, b| mean_of(&b.1.of[t].data).total_cmp(&mean_of(&a.1.of[t].data)));
        let shape = |(hue, (c, of)): (&Hue, &(usize, &Difference))| Shape {
            name: results.data.corpora[*c].label.clone(),
            hue: *hue,
            values: values(&of.of[t].data),
        };
        let key = trait_key(&results.data.traits[t].name);
        (members.len() > 1).then(|| Figure {
            file: format!("samples-{name}"),
            title: format!("{name}: conversations along the vector of {key}"),
            caption: format!(
                "Projections of single answers along the vector of {key} at {}, read by the base model (the paper's figure 9). The \
                 outermost two data sets are told apart with an AUC of {told:.3}.",
                results.layer
            ),
            plot: Plot::Histogram(Histogram {
                x: format!("projection along {key}"),
                shapes: HUES.iter().zip(&members).map(shape).collect(),
                thresholds: Vec::new(),
            }),
        })
    };
    families.iter().filter_map(spread).collect()
}
