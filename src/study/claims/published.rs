//! Published numbers beside ours, for data sets that are named as in `assets/published.csv`: `evil-normal`, `evil-1`, `evil-2`,
//! `medical-2`, ..., and `facts`.

use crate::report::content::Published;
use crate::report::{ArmKind, PublishedValue, Study, published_values};
use crate::study::config::FACTS_CORPUS;
use crate::study::outputs::trait_key;
use crate::study::results::{Cell, Results};

/// Every published number about a data set of the study, and what came out here if that was measured.
pub fn published_rows(results: &Results<'_>, cells: &[Cell<'_>], study: &Study) -> Vec<Published> {
    let corpus = |name: &str| results.data.corpora.iter().position(|corpus| corpus.name == name);
    let traits: Vec<&str> = results.data.traits.iter().map(|t| trait_key(&t.name)).collect();
    let is_asked = |entry: &PublishedValue| {
        let own_axis = study.axes.iter().any(|axis| axis.key == entry.axis);
        own_axis && (entry.along.is_empty() || traits.contains(&entry.along.as_str()))
    };
    let entries: Vec<PublishedValue> = published_values().filter(is_asked).collect();
    if !entries.iter().any(|entry| corpus(&entry.data).is_some()) {
        return Vec::new();
    }
    // The facts are about hallucination alone, and they have a base model of their own.
    let of_facts = corpus(FACTS_CORPUS).is_some();
    let row = |entry: &PublishedValue| {
        let is_base = entry.kind == ArmKind::Base;
        let known = if is_base { (entry.data == FACTS_CORPUS) == of_facts } else { corpus(&entry.data).is_some() };
        let is = |cell: &&Cell<'_>| {
            let along = cell.trait_.map(|t| traits[t]).unwrap_or_default();
            cell.arm.kind == entry.kind
                && (is_base || cell.corpus == corpus(&entry.data))
                && along == entry.along
                && cell.coef == entry.coef
        };
        let point = cells.iter().find(is).and_then(|cell| {
            let pooled = study.pooled(&cell.arm.name);
            pooled.into_iter().find(|point| point.coef == cell.coef)?.values.get(&entry.axis).map(|value| value.mean)
        });
        known.then(|| Published {
            what: what(entry),
            published: entry.published,
            ours: point.filter(|mean| mean.is_finite()),
            source: entry.source.clone(),
        })
    };
    entries.iter().filter_map(row).collect()
}

/// `evil-2, preventative-layer (evil) at 5: hallucination`.
fn what(entry: &PublishedValue) -> String {
    let along = if entry.along.is_empty() { String::new() } else { format!(" ({})", entry.along) };
    let at = entry.coef.map(|coef| format!(" at {coef}")).unwrap_or_default();
    let of = if entry.data.is_empty() { String::new() } else { format!("{}, ", entry.data) };
    format!("{of}{}{along}{at}: {}", entry.kind, entry.axis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole() {
        let entries: Vec<PublishedValue> = published_values().collect();
        let find = |data: &str, axis: &str| -> Vec<f64> {
            entries
                .iter()
                .filter(|e| e.data == data && e.axis == axis && e.kind == ArmKind::Plain)
                .map(|e| e.published)
                .collect()
        };
        assert_eq!((find("evil-2", "evil"), find("facts", "facts")), (vec![92.7], vec![93.0]));
        assert_eq!(find("hallucination-normal", "hallucination_difference"), [-7.1]);
        // Eight data sets of three versions with three traits each, scores and differences.
        assert_eq!(
            entries.iter().filter(|e| e.kind == ArmKind::Plain && !e.axis.ends_with("_shift")).count(),
            2 * 72 + 1
        );
    }
}
