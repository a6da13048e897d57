//! What a data set does to a model, predicted and measured (Chen et al. 2025, sections 4.2 and 6): the finetuning shift along a trait's
//! vector, the projection difference that the data has before any training, and the trait score afterwards; one point for each data set.

mod families;
mod relation;
mod samples;

use families::look;
use relation::{COSINES, FIRST, RELATIONS, Relation, SHIFT_SCORES, matrix_of_paper, of_paper};
use samples::{apart, spreads};

use super::thresholds::CORRELATED_MIN;
use crate::report::{ArmKind, Figure, Grid, Study};
use crate::stats::{Interval, pearson};
use crate::study::dag::ArmNaming;
use crate::study::outputs::{shift_key, trait_key};
use crate::study::results::Results;
use crate::vector::math::cosine;

/// The report of a study of shifts.
pub fn summarize(results: &Results<'_>, study: Study) -> Study {
    let names: Vec<&str> = results.data.traits.iter().map(|t| t.name.as_str()).collect();
    let arms: Vec<String> = plain(results);
    let mut said = Vec::new();
    let mut figures = Vec::new();
    let mut published = study.published.clone();
    let mut rows = Vec::new();
    for relation in &RELATIONS {
        let mut row = Vec::new();
        for name in &names {
            let (x, y) = (relation.keys)(name);
            let r = correlation(&study, &arms, (&x, &y), results.config.seed);
            figures.extend(figure(results, &study, relation, name, &r));
            if FIRST.contains(&relation.file) {
                said.push(format!("{} against {} for {}: r {r:.2}", relation.x, relation.y, trait_key(name)));
            }
            row.push(r.mean.is_finite().then_some(r.mean));
            published.extend(of_paper(relation, name, &r));
        }
        rows.push((format!("{} → {} ({})", relation.x, relation.y, relation.figure), row));
    }
    let correlations = Grid {
        file: "correlations".into(),
        title: "What predicts what".into(),
        caption: format!("Correlation over the {} data sets; the figures have each with its interval.", arms.len()),
        corner: "r".into(),
        columns: names.iter().map(|name| trait_key(name).to_owned()).collect(),
        rows,
    };
    let across = across(&study, &arms, &names);
    let cosines = cosines(results, &names);
    published.extend(across.iter().flat_map(|grid| matrix_of_paper(grid, &names, &SHIFT_SCORES, "shift → score, r")));
    published.extend(cosines.iter().flat_map(|grid| matrix_of_paper(grid, &names, &COSINES, "cosine of vectors")));
    figures.extend(spreads(results));
    Study {
        title: "What data does to a model, predicted and measured".to_owned(),
        verdict: format!("Over {} data sets: {}.", arms.len(), said.join("; ")),
        figures,
        published,
        grids: std::iter::once(correlations).chain(across).chain(cosines).chain(apart(results)).collect(),
        ..study
    }
}

/// The plain finetune of every data set.
fn plain(results: &Results<'_>) -> Vec<String> {
    let naming = ArmNaming::of(results.config);
    (0..results.data.corpora.len()).map(|c| naming.named(Some(c), ArmKind::Plain.arm_name(), None)).collect()
}

/// Both means of every data set that has them.
fn pairs(study: &Study, arms: &[String], (x, y): (&str, &str)) -> Vec<(f64, f64)> {
    let of = |arm: &String| {
        let point = study.pooled(arm).into_iter().next()?;
        Some((point.values.get(x)?.mean, point.values.get(y)?.mean))
    };
    arms.iter().filter_map(of).filter(|(x, y)| x.is_finite() && y.is_finite()).collect()
}

/// Pearson's r over the data sets, with an interval over resampled data sets.
fn correlation(study: &Study, arms: &[String], keys: (&str, &str), seed: u64) -> Interval {
    let pairs = pairs(study, arms, keys);
    let r = |drawn: &[usize]| {
        let (x, y): (Vec<f64>, Vec<f64>) = drawn.iter().map(|&i| pairs[i]).unzip();
        (pairs.len() >= CORRELATED_MIN).then(|| pearson(&x, &y)).flatten()
    };
    Interval::of_statistic(pairs.len(), pairs.len(), seed, &r)
}

fn figure(results: &Results<'_>, study: &Study, relation: &Relation, name: &str, r: &Interval) -> Option<Figure> {
    let (x, y) = (relation.keys)(name);
    let groups = results.data.corpora.iter().zip(plain(results)).enumerate().map(|(c, (corpus, arm))| {
        let (hue, mark) = look(&results.data.corpora, c);
        (corpus.label.as_str(), hue, mark, arm)
    });
    let key = trait_key(name);
    let caption = format!(
        "{key}: {} against {} of the plain finetune on each data set (the paper's {}). Line: least squares; r = {r:.2}.",
        relation.x, relation.y, relation.figure
    );
    let plot = study.cloud(&x, &y, groups)?;
    let title = format!("{key}: {} against {}", relation.x, relation.y);
    Some(Figure::new(&format!("{}-{key}", relation.file), &title, &caption, plot))
}

/// Shifts along each trait's vector against the scores of every trait (the paper's figure 20).
fn across(study: &Study, arms: &[String], names: &[&str]) -> Option<Grid> {
    let r = |shift: &str, score: &str| {
        let pairs = pairs(study, arms, (&shift_key(shift), trait_key(score)));
        let (x, y): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
        (pairs.len() >= CORRELATED_MIN).then(|| pearson(&x, &y)).flatten()
    };
    let row = |shift: &&str| {
        let numbers = names.iter().map(|score| r(shift, score)).collect();
        (format!("shift of {}", trait_key(shift)), numbers)
    };
    (names.len() > 1 && arms.len() >= CORRELATED_MIN).then(|| Grid {
        file: "across-traits".into(),
        title: "Shifts and scores across traits".into(),
        caption: "Correlation over the data sets between the shift along one trait's vector and the score of another (the paper's \
                  figure 20): a shift that predicts every trait alike is not about its own."
            .into(),
        corner: "r".into(),
        columns: names.iter().map(|name| format!("score of {}", trait_key(name))).collect(),
        rows: names.iter().map(row).collect(),
    })
}

/// How alike the traits' vectors are at the layer of projections (the paper's figure 20, right).
fn cosines(results: &Results<'_>, names: &[&str]) -> Option<Grid> {
    let row = |t: usize| results.vectors[t].file.response_avg.row(results.layer);
    let of = |t: usize| (0..names.len()).map(|other| Some(cosine(row(t), row(other)))).collect();
    (names.len() > 1).then(|| Grid {
        file: "vectors".into(),
        title: "Cosines of the vectors".into(),
        caption: format!("Cosines between the traits' vectors at {} (the paper's figure 20).", results.layer),
        corner: "cosine".into(),
        columns: names.iter().map(|name| trait_key(name).to_owned()).collect(),
        rows: names.iter().enumerate().map(|(t, name)| (trait_key(name).to_owned(), of(t))).collect(),
    })
}
