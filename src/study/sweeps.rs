//! Figures of what is swept: data set by data set, and all data sets beside each other.

use super::dag::ArmNaming;
use super::outputs::{EXAM, trait_key};
use super::results::Results;
use crate::report::{ArmKind, Axis, Curve, CurveLevel, Figure, HUES, Hue, MARKS, Panel, Plot};

/// What may be swept: the arm, and in words.
const SWEPT: [(ArmKind, &str); 3] = [
    (ArmKind::Preventative, "while it learned"),
    (ArmKind::PreventativeLayer, "at one layer while it learned"),
    (ArmKind::Inference, "while it answers"),
];

/// All of them.
pub(super) fn figures(results: &Results<'_>, axes: &[Axis]) -> Vec<Figure> {
    let mut figures = each(results, axes);
    if results.data.corpora.len() > 1 {
        figures.extend((0..results.data.traits.len()).filter_map(|t| together(results, axes, t)));
    }
    figures
}

/// One trait on all data sets, left its score and right the exam, for everything that is swept (the paper's figures 7 and 26).
fn together(results: &Results<'_>, axes: &[Axis], t: usize) -> Option<Figure> {
    let cast = ArmNaming::of(results.config);
    let key = trait_key(&results.data.traits[t].name);
    let mut panels = Vec::new();
    for (what, words) in SWEPT {
        for axis in [key, EXAM].into_iter().filter_map(|key| axes.iter().find(|axis| axis.key == key)) {
            let curve = |c: usize| Curve {
                axis: axis.key.clone(),
                arm: cast.named(Some(c), what.arm_name(), Some(t)),
                start: Some(cast.named(Some(c), ArmKind::Plain.arm_name(), None)),
                label: results.data.corpora[c].label.clone(),
                short: String::new(),
                hue: HUES[c % HUES.len()],
                mark: MARKS[c % MARKS.len()],
            };
            let has = |curve: &Curve| results.arms.iter().any(|arm| arm.name == curve.arm);
            let curves = (0..results.data.corpora.len()).map(curve).filter(has);
            let curves: Vec<Curve> = curves.collect();
            let level = CurveLevel {
                axis: axis.key.clone(),
                arm: ArmKind::Base.arm_name().into(),
                label: "base".into(),
                hue: Hue::Ink,
            };
            if !curves.is_empty() {
                let title = format!("{}, steered {words}", axis.short);
                panels.push(Panel { title, x: "steering coefficient".into(), curves, levels: vec![level] });
            }
        }
    }
    (!panels.is_empty()).then(|| Figure {
        file: format!("sweeps-{key}"),
        title: format!("{key}: all data sets"),
        caption: format!(
            "Left the score of {key}, right multiple choice, a curve for each data set (the paper's figures 7 and 26). At coefficient 0, the \
             plain finetune. Dashed: the base model. Bands: 95 % intervals, clustered by question."
        ),
        plot: Plot::Lines { y: "score or accuracy".into(), range: (0.0, 100.0), levels: "base model".into(), panels },
    })
}

/// A figure for each data set, in it a panel for each trait: the trait's score and the exam over the coefficient (the post's figure 2,
/// the paper's figure 29).
fn each(results: &Results<'_>, axes: &[Axis]) -> Vec<Figure> {
    let cast = ArmNaming::of(results.config);
    let has = |name: &str| results.arms.iter().any(|arm| arm.name == name);
    let axis = |key: &str| axes.iter().find(|axis| axis.key == key);
    let mut figures = Vec::new();
    for (c, corpus) in results.data.corpora.iter().enumerate() {
        for (what, shown) in SWEPT {
            let panels = results.data.traits.iter().enumerate().filter_map(|(t, trait_)| {
                let arm = cast.named(Some(c), what.arm_name(), Some(t));
                let key = trait_key(&trait_.name);
                let shown: Vec<&Axis> = [axis(key), axis(EXAM)].into_iter().flatten().collect();
                let (title, plain) = (axis(key)?.short.clone(), cast.named(Some(c), ArmKind::Plain.arm_name(), None));
                let x = "steering coefficient";
                has(&arm).then(|| Panel::dose(&title, x, &arm, Some(&plain), Some(ArmKind::Base.arm_name()), &shown))
            });
            let panels: Vec<Panel> = panels.collect();
            if panels.is_empty() {
                continue;
            }
            figures.push(Figure {
                file: cast.named(Some(c), what.arm_name(), None).replace('.', "-"),
                title: format!("{}: steered {shown}", corpus.label),
                caption: format!(
                    "{}. At coefficient 0, the plain finetune; to the right, more and more steering {shown}. Dashed: the base model. Bands: 95 % \
                     intervals, clustered by question.",
                    corpus.label
                ),
                plot: Plot::Lines {
                    y: "score or accuracy".into(),
                    range: (0.0, 100.0),
                    levels: "base model".into(),
                    panels,
                },
            });
        }
    }
    figures
}
