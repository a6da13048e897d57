//! What a data set does to a model, foretold and measured (METHOD H): the shift that finetuning makes along a trait's vector, the
//! projection difference that the data has before anybody trains, and the trait's score afterwards; one point for each data set.

mod paper;
mod samples;

use paper::{COSINES, SHIFT_SCORES, matrix_of_paper, of_paper};
use samples::{apart, spreads};

use super::dag::ArmNaming;
use super::inputs::Corpus;
use super::outputs::{approximation_key, data_key, difference_key, shift_key, trait_key};
use super::results::Results;
use crate::report::{ArmKind, Crowd, Figure, Grid, HUES, Hue, MARKS, Mark, Plot, Study};
use crate::stats::{Interval, pearson};
use crate::vector::math::cosine;

/// With fewer data sets a correlation says nothing.
const POINTS_MIN: usize = 3;

/// One way of foretelling, or of checking what was foretold.
pub(super) struct Relation {
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

/// Files of the relations that the verdict names.
const FIRST: [&str; 2] = ["shift-score", "difference-score"];

/// What came of a study of shifts.
pub(super) fn told(results: &Results<'_>, study: Study) -> Study {
    let names: Vec<&str> = results.data.traits.iter().map(|t| t.name.as_str()).collect();
    let arms: Vec<String> = plain(results);
    let mut said = Vec::new();
    let mut figures = Vec::new();
    let mut published = study.published.clone();
    let mut correlations = Vec::new();
    for relation in &RELATIONS {
        let mut row = Vec::new();
        for name in &names {
            let (x, y) = (relation.keys)(name);
            let r = correlation(&study, &arms, (&x, &y), results.config.seed);
            figures.push(figure(results, relation, name, &r));
            if FIRST.contains(&relation.file) {
                said.push(format!("{} against {} for {}: r {r:.2}", relation.x, relation.y, trait_key(name)));
            }
            row.push(r.mean.is_finite().then_some(r.mean));
            published.extend(of_paper(relation, name, &r));
        }
        correlations.push((format!("{} → {} ({})", relation.x, relation.y, relation.figure), row));
    }
    let correlations = Grid {
        file: "correlations".into(),
        title: "What foretells what".into(),
        caption: format!("Correlation over the {} data sets; the figures have each with its interval.", arms.len()),
        corner: "r".into(),
        columns: names.iter().map(|name| trait_key(name).to_owned()).collect(),
        rows: correlations,
    };
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
        grids: std::iter::once(correlations).chain(across).chain(cosines).chain(apart(results)).collect(),
        ..study
    }
}

/// The plain finetune of every data set.
fn plain(results: &Results<'_>) -> Vec<String> {
    let cast = ArmNaming::of(results.config);
    (0..results.data.corpora.len()).map(|c| cast.named(Some(c), ArmKind::Plain.arm_name(), None)).collect()
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

/// The colour of its family, and a mark of its own within it: data sets of one family have names that differ only after the last dash.
fn look(corpora: &[Corpus], c: usize) -> (Hue, Mark) {
    let of: Vec<&str> = corpora.iter().map(|corpus| family(&corpus.name).unwrap_or(&corpus.name)).collect();
    let member = of[..c].iter().filter(|other| **other == of[c]).count();
    let place = each_once(of.iter().copied()).iter().position(|family| *family == of[c]).unwrap_or_default();
    (HUES[place % HUES.len()], MARKS[member % MARKS.len()])
}

/// Names in the order in which they first come; data sets of one family need not stand together.
fn each_once<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut once = Vec::new();
    for name in names {
        if !once.contains(&name) {
            once.push(name);
        }
    }
    once
}

/// `evil` of `evil-2`.
fn family(name: &str) -> Option<&str> {
    name.rsplit_once('-').map(|(family, _)| family)
}

fn figure(results: &Results<'_>, relation: &Relation, name: &str, r: &Interval) -> Figure {
    let (x, y) = (relation.keys)(name);
    let cast = ArmNaming::of(results.config);
    let crowd = |(c, corpus): (usize, &Corpus)| {
        let (hue, mark) = look(&results.data.corpora, c);
        Crowd {
            name: corpus.label.clone(),
            hue,
            mark,
            arms: vec![cast.named(Some(c), ArmKind::Plain.arm_name(), None)],
        }
    };
    let groups = results.data.corpora.iter().enumerate().map(crowd).collect();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_has_one_colour_wherever_its_members_stand() {
        let corpus = |name: &str| Corpus {
            name: name.into(),
            label: name.into(),
            chats: Vec::new(),
            questions: Vec::new(),
            selfgen: None,
        };
        let corpora = ["evil-1", "math-1", "evil-2", "alone", "math-2"].map(corpus);
        let looks: Vec<(Hue, Mark)> = (0..corpora.len()).map(|c| look(&corpora, c)).collect();
        let at = |hue: usize, mark: usize| (HUES[hue], MARKS[mark]);
        assert_eq!(looks, [at(0, 0), at(1, 0), at(0, 1), at(2, 0), at(1, 1)]);
        assert_eq!(each_once(["b", "a", "b"].into_iter()), ["b", "a"], "a figure for each, not two");
    }
}
