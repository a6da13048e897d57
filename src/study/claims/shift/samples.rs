//! Single conversations of the data along the vectors, read by the base model before any training.

use super::families::{each_once, family};
use crate::report::plot::{HUES, Histogram, Hue, Shape};
use crate::report::{Figure, Grid, Plot};
use crate::stats::{Clusters, auc, mean_of};
use crate::study::outputs::Difference;
use crate::study::outputs::trait_key;
use crate::study::results::Results;

fn values(clusters: &Clusters) -> Vec<f64> {
    clusters.values().flatten().copied().collect()
}

/// How well single conversations of a data set are separated from the base model's own answers (Chen et al. 2025, section 6.2).
pub fn apart(results: &Results<'_>) -> Option<Grid> {
    let aucs = |difference: &Difference| -> Vec<Option<f64>> {
        difference.of.iter().map(|of| auc(&values(&of.data), &values(&of.own))).collect()
    };
    let rows = results.differences.iter().map(|(&c, of)| (results.data.corpora[c].label.clone(), aucs(of)));
    let rows: Vec<_> = rows.collect();
    (!rows.is_empty()).then(|| Grid {
        file: "samples".into(),
        title: "Separation of single conversations".into(),
        caption: "Area under the ROC curve with which the projection along each trait's vector separates the data's answers from the base model's \
                  own to the same prompts: 0.5 is chance, above it the data lies further along."
            .into(),
        corner: "AUC".into(),
        columns: results.data.traits.iter().map(|t| trait_key(&t.name).to_owned()).collect(),
        rows,
    })
}

/// Histograms of the conversations of related data sets along the vector that separates them best (the paper's figure 9): those
/// whose names differ only after the last dash.
pub fn spreads(results: &Results<'_>) -> Vec<Figure> {
    let family = |c: usize| family(&results.data.corpora[c].name);
    let families = each_once(results.differences.keys().filter_map(|&c| family(c)));
    let spread = |name: &&str| {
        let mut members: Vec<(usize, &Difference)> =
            (results.differences.iter()).filter(|(c, _)| family(**c) == Some(*name)).map(|(&c, of)| (c, *of)).collect();
        let (t, auc) = (0..results.data.traits.len())
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
        let title = format!("{name}: conversations along the vector of {key}");
        let caption = format!(
            "Projections of single answers along the vector of {key} at {}, read by the base model (the paper's figure 9). The outermost two \
             data sets are separated with an AUC of {auc:.3}.",
            results.layer
        );
        let plot = Plot::Histogram(Histogram {
            x: format!("projection along {key}"),
            shapes: HUES.iter().zip(&members).map(shape).collect(),
            thresholds: Vec::new(),
        });
        (members.len() > 1).then(|| Figure::new(&format!("samples-{name}"), &title, &caption, plot))
    };
    families.iter().filter_map(spread).collect()
}
