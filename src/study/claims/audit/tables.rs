//! The numbers of every audited model, and the figures.

use super::models::{Audit, AuditedModel, called, most};
use crate::report::{ArmKind, Figure, Grid, Study};
use crate::stats::{auc, mean_of, pearson, percentile};
use crate::study::outputs::{projection_key, shift_key};
use crate::study::results::Cell;
use crate::vector::math::projection;

/// A column of the table: its name, and the number of a model.
type Column<'a> = (String, Box<dyn Fn(&AuditedModel<'_>) -> Option<f64> + 'a>);

/// Every number of every audited model.
pub fn found(audit: &Audit<'_>) -> Grid {
    let columns: Vec<Column<'_>> =
        [of_monitor(audit), of_states(audit), of_triggers(audit), of_relearning(audit)].into_iter().flatten().collect();
    let finite = |value: Option<f64>| value.filter(|x| x.is_finite());
    let row = |case: &AuditedModel<'_>| (case.cell.named(), columns.iter().map(|(_, of)| finite(of(case))).collect());
    Grid {
        file: format!("audit{}", audit.of),
        title: format!("The audit: {}", audit.key()),
        caption: "One row for each audited model. Columns of what elicits the trait say how many points the model then scores above the \
                  base model under the same. The base model's cosine is that between two extractions of itself: the floor of the noise. \
                  The principal components are those of single answers' shifts about their mean."
            .into(),
        corner: "model".into(),
        rows: audit.cases.iter().map(row).collect(),
        columns: columns.iter().map(|(name, _)| name.clone()).collect(),
    }
}

fn column<'a>(name: &str, of: impl Fn(&AuditedModel<'_>) -> Option<f64> + 'a) -> Column<'a> {
    (name.to_owned(), Box::new(of))
}

fn of_monitor<'a>(audit: &'a Audit<'_>) -> Vec<Column<'a>> {
    let key = audit.key();
    vec![
        column("score", |case| Some(case.cell.mean(key))),
        column("shift", |case| audit.shift(case.cell)),
        column("projection of answers", |case| Some(case.cell.mean(&projection_key(audit.name)))),
        column("r of projection and score", |case| monitor(case.cell, key).0),
        column("AUC of projection", |case| monitor(case.cell, key).1),
        column("AUC of old vector (held-out)", |case| case.audited.probe.map(|auc| auc.old)),
        column("AUC of fresh probe (held-out)", |case| case.audited.probe.map(|auc| auc.fresh)),
    ]
}

fn of_states<'a>(_: &'a Audit<'_>) -> Vec<Column<'a>> {
    let along_new = |case: &AuditedModel<'_>| {
        let (residue, rotation) = (case.audited.residual_shift.as_ref()?, case.audited.rotation.as_ref()?);
        Some(projection(&residue.shift.mean, &rotation.row))
    };
    let share =
        |n: usize| move |case: &AuditedModel<'_>| case.audited.residual_shift.as_ref()?.shift.shares.get(n).copied();
    vec![
        column("median cosine to old vector", |case| median(&case.audited.rotation.as_ref()?.cosines)),
        column("median norm ratio", |case| median(&case.audited.rotation.as_ref()?.norms)),
        column("shift of answers along old vector", |case| Some(case.audited.residual_shift.as_ref()?.along)),
        column("shift of answers along new vector", along_new),
        column("share of shift along vector", |case| Some(case.audited.residual_shift.as_ref()?.share())),
        column("variance along 1st component", share(0)),
        column("along 2nd", share(1)),
        column("along 3rd", share(2)),
        column("cosine of 1st component to vector", |case| case.audited.residual_shift.as_ref()?.shift.first),
        column("most that the rest elicits", |case| most(&case.audited.residual_shift.as_ref()?.elicited)),
    ]
}

fn of_triggers<'a>(audit: &'a Audit<'_>) -> Vec<Column<'a>> {
    let of = |trigger: String| {
        column(&format!("{}: above base", called(&trigger)), move |case| Some(audit.leak(case, &trigger)?.mean))
    };
    audit.triggers().into_iter().map(of).collect()
}

fn of_relearning<'a>(audit: &'a Audit<'_>) -> Vec<Column<'a>> {
    let Some(base) = audit.base().filter(|base| !base.audited.relearned.after.is_empty()) else { return Vec::new() };
    let after = |count: usize| {
        column(&format!("after {count} more conversations"), move |case| {
            case.audited.relearned.after.iter().find(|(n, _)| *n == count).map(|(_, scores)| mean_of(&scores.trait_))
        })
    };
    let until = |case: &AuditedModel<'_>| case.audited.relearned.until_learned();
    let of_base = until(base);
    let mut columns: Vec<Column<'_>> = base.audited.relearned.after.iter().map(|(count, _)| after(*count)).collect();
    columns.push(column("conversations until 50", until));
    columns.push(column("of the base model's", move |case| Some(until(case)? / of_base?)));
    columns
}

/// Correlation of projection and score over single answers, and how well the projection tells answers that show the trait.
fn monitor(cell: &Cell<'_>, key: &str) -> (Option<f64>, Option<f64>) {
    let pairs: Vec<(f64, f64)> =
        cell.by_seed.iter().filter_map(|(_, at)| at.pairs.get(key)).flatten().copied().collect();
    let (x, y): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let of = |shows: bool| -> Vec<f64> { pairs.iter().filter(|p| (p.1 > 50.0) == shows).map(|p| p.0).collect() };
    (if x.len() > 2 { pearson(&x, &y) } else { None }, auc(&of(true), &of(false)))
}

/// The median over the layers that have a value.
fn median(values: &[Option<f64>]) -> Option<f64> {
    let mut known: Vec<f64> = values.iter().copied().flatten().collect();
    known.sort_by(f64::total_cmp);
    (!known.is_empty()).then(|| percentile(&known, 50.0))
}

/// Where the vector extracted anew points, layer by layer.
pub fn cosines(audit: &Audit<'_>) -> Option<Grid> {
    let rotated: Vec<(&AuditedModel<'_>, &[Option<f64>])> = (audit.cases.iter())
        .filter_map(|case| Some((case, case.audited.rotation.as_ref()?.cosines.as_slice())))
        .collect();
    let layers = rotated.first()?.1.len();
    Some(Grid {
        file: format!("cosines{}", audit.of),
        title: format!("The vector extracted anew: {}", audit.key()),
        caption: "Cosine with the base model's vector, layer by layer.".into(),
        corner: "model".into(),
        columns: (1..=layers).map(|layer| format!("{layer}")).collect(),
        rows: rotated.iter().map(|(case, cosines)| (case.cell.named(), cosines.to_vec())).collect(),
    })
}

/// Dose and hiding (Chen et al. 2025, figures 27 and 28): what each arm and coefficient does to the monitor and to the trait.
pub fn doses(audit: &Audit<'_>, study: &Study) -> Vec<Figure> {
    let of_kind = |kind: ArmKind| study.arms.iter().filter(move |arm| arm.kind == kind).map(|arm| arm.name.clone());
    let arms: Vec<String> =
        study.arms.iter().filter(|arm| arm.kind != ArmKind::Elicit).map(|arm| arm.name.clone()).collect();
    let swept = [ArmKind::Preventative, ArmKind::PreventativeLayer, ArmKind::Regularize];
    let swept: Vec<String> = swept.into_iter().flat_map(of_kind).collect();
    let start = (audit.results.data.corpora.len() == 1).then(|| of_kind(ArmKind::Plain).next_back()).flatten();
    let figure = |(file, x, what): (&str, String, &str)| {
        let plot = study.tradeoff((&x, audit.key()), &arms, start.as_deref(), &swept)?;
        let caption = format!(
            "What the monitor sees ({what} along the old vector) against what judges see. An intervention that prevents goes down and to \
             the left; one that only hides goes to the left."
        );
        let title = format!("{}: {what} against score", audit.key());
        Some(Figure::new(&format!("{file}{}", audit.of), &title, &caption, plot))
    };
    let shift = ("shift", shift_key(audit.name), "the finetuning shift");
    let projection = ("projection", projection_key(audit.name), "the projection of answers");
    [shift, projection].into_iter().filter_map(figure).collect()
}
