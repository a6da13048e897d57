//! Figures of the sweeps of coefficients: one for each data set, and one for all data sets.

use super::format::short_kind;
use crate::report::content::Axis;
use crate::report::plot::{Curve, HUES, Hue, Level, Mark, Panel};
use crate::report::{ArmKind, Figure, Plot, Study};
use crate::study::dag::ArmNaming;
use crate::study::outputs::{MMLU, trait_key};
use crate::study::results::Results;

const SWEPT: [ArmKind; 3] = [ArmKind::Preventative, ArmKind::PreventativeLayer, ArmKind::Inference];
pub const X: &str = "steering coefficient";
pub const READING: &str =
    "At coefficient 0, the plain finetune. Dashed: the base model. Bands: 95 % intervals, clustered by question.";

/// All of them.
pub fn sweep_figures(results: &Results<'_>, study: &Study) -> Vec<Figure> {
    let mut figures = each(results, study);
    if results.data.corpora.len() > 1 {
        figures.extend(
            results
                .data
                .traits
                .iter()
                .enumerate()
                .filter_map(|(t, trait_)| together(results, study, t, trait_key(&trait_.name))),
        );
    }
    figures
}

/// A figure for each data set and arm, in it a panel for each trait: the trait's score and multiple choice over the coefficient (the
/// post's figure 2; Chen et al. 2025, figure 29).
fn each(results: &Results<'_>, study: &Study) -> Vec<Figure> {
    let naming = ArmNaming::of(results.config);
    let mut figures = Vec::new();
    for (c, corpus) in results.data.corpora.iter().enumerate() {
        let plain = naming.named(Some(c), ArmKind::Plain.arm_name(), None);
        for kind in SWEPT {
            let panel = |(t, name): (usize, &str)| {
                let arm = naming.named(Some(c), kind.arm_name(), Some(t));
                study.arm(&arm)?;
                let axis = study.axis(trait_key(name))?;
                let shown: Vec<&Axis> = std::iter::once(axis).chain(study.axis(MMLU)).collect();
                Some(study.dose(&axis.short, X, &arm, &plain, ArmKind::Base.arm_name(), &shown))
            };
            let names = results.data.traits.iter().map(|t| t.name.as_str()).enumerate();
            let panels: Vec<Panel> = names.filter_map(panel).collect();
            if !panels.is_empty() {
                let file = naming.named(Some(c), kind.arm_name(), None).replace('.', "-");
                let title = format!("{}: {}", corpus.label, short_kind(kind));
                figures.push(Figure::new(&file, &title, &format!("{title}. {READING}"), Plot::scores(panels)));
            }
        }
    }
    figures
}

/// One trait on all data sets, left its score and right multiple choice, for every arm that is swept (Chen et al. 2025, figures 7 and
/// 26).
fn together(results: &Results<'_>, study: &Study, t: usize, key: &str) -> Option<Figure> {
    let naming = ArmNaming::of(results.config);
    let mut panels = Vec::new();
    for kind in SWEPT {
        for axis in [key, MMLU].into_iter().filter_map(|key| study.axis(key)) {
            let curve = |(c, label): (usize, &str)| {
                let arm = naming.named(Some(c), kind.arm_name(), Some(t));
                study.arm(&arm)?;
                let plain = naming.named(Some(c), ArmKind::Plain.arm_name(), None);
                let points = study.sweep(&arm, Some(&plain), &axis.key);
                Some(Curve::new(label, "", HUES[c % HUES.len()], Mark::nth(c), points))
            };
            let labels = results.data.corpora.iter().map(|corpus| corpus.label.as_str()).enumerate();
            let curves: Vec<Curve> = labels.filter_map(curve).collect();
            if !curves.is_empty() {
                let level = study.level(ArmKind::Base.arm_name(), &axis.key).map(|i| i.mean);
                let levels = level.map(|value| Level { label: "base".into(), hue: Hue::Ink, value });
                let title = format!("{}: {}", axis.short, short_kind(kind));
                panels.push(Panel { title, x: X.into(), curves, levels: levels.into_iter().collect() });
            }
        }
    }
    let caption = format!("Left the score of {key}, right multiple choice, a curve for each data set. {READING}");
    let title = format!("{key}: all data sets");
    (!panels.is_empty()).then(|| Figure::new(&format!("sweeps-{key}"), &title, &caption, Plot::scores(panels)))
}
