//! Did the direction rotate, and can the trait be read linearly elsewhere? A vector extracted again from the model's own answers, and
//! a probe fitted on them.

use serde::Serialize;

use super::model::Audited;
use super::probe::Probe;
use crate::Result;
use crate::judge::JudgedAnswer;
use crate::persona::{ExtractionRecipe, Filter, Side, States, extract_captured, place_of, read_rows};
use crate::record::{Hash, seed_of};
use crate::stats::auc;
use crate::study::outputs::{AuditFindings, ProbeAuc, Rotation, SHOWS};
use crate::study::steps::context::Context;
use crate::study::steps::events::Phase;
use crate::study::steps::files::{audit_folder, rows_file, states};
use crate::study::steps::rollouts::{RolloutSource, rollouts};
use crate::study::steps::vector::recipe;
use crate::vector::math::{cosine, norm, projection};
use crate::vector::{Layer, PersonaVector};

/// An answer: the number of its question, its state at the layer of the study, and whether it shows the trait.
type Labelled = (usize, Vec<f32>, bool);

#[derive(Serialize)]
struct ReextractKey<'a> {
    rollouts: &'a [Hash],
    vector: &'a str,
    filter: Filter,
    layer: Layer,
}

/// Answers of the model under both kinds of prompts, a vector from them, and a fresh probe on their states. The base model's come
/// from other random numbers than the study's vector: how far two extractions of one model differ.
pub(super) fn reextract(cx: &Context<'_>, model: &Audited<'_>, findings: &mut AuditFindings) -> Result<()> {
    let name = &model.trait_.name;
    let folder = audit_folder(cx, model.task);
    let source = RolloutSource {
        t: model.t,
        adapter: model.adapter,
        seed: seed_of(cx.config.seed, "rollouts of the audit"),
        folder: folder.clone(),
    };
    let (mut rows, mut captured, mut hashes) = (Vec::new(), Vec::new(), Vec::new());
    for side in [Side::Pos, Side::Neg] {
        hashes.push(rollouts(cx, model.task, &model.stage(side.key()), &source, side)?);
        rows.push(read_rows(&rows_file(&folder, side), name)?);
        captured.push(states(&folder, side)?);
    }
    let (captured, layer): ([States; 2], _) = (captured.try_into().expect("two sides"), model.layer);
    let recipe: ExtractionRecipe = recipe(cx, name);
    let key = ReextractKey { rollouts: &hashes, vector: &model.file.fingerprint, filter: recipe.filter, layer };
    let (rotation, probe) = cx.stage(&model.stage("anew"), &cx.key("reextract", &key), || {
        let old = &model.file.response_avg;
        let mut on_progress = |n, of| cx.progress(model.task, Phase::States, n, of);
        let rotation = match extract_captured(&captured, &rows[0], &rows[1], &recipe, &mut on_progress) {
            Ok(made) => Ok(rotation(old, &made.file.response_avg, layer, made.diagnosis.to_string())),
            // That no vector can be made is a finding: a side no longer shows, or no longer lacks, the trait.
            Err(e) => Err(format!("no vector could be extracted again: {e}")),
        };
        Ok((rotation, probe_auc(&labelled(&rows, &captured, layer)?, old.row(layer))))
    })?;
    match rotation {
        Ok(rotation) => findings.rotation = Some(rotation),
        Err(why) => findings.notes.push(why),
    }
    findings.probe = probe;
    if findings.probe.is_none() {
        findings.notes.push("no fresh probe: the answers are all of one kind".into());
    }
    Ok(())
}

fn labelled(rows: &[Vec<JudgedAnswer>], captured: &[States; 2], layer: Layer) -> Result<Vec<Labelled>> {
    let mut answers = Vec::new();
    for (rows, captured) in rows.iter().zip(captured) {
        for (n, row) in rows.iter().enumerate() {
            if let (Some(score), Some(states)) = (row.trait_score(), captured.read(n)?) {
                let state = states.response_avg[layer.row()].clone();
                answers.push((place_of(&row.question_id)?.0, state, score > SHOWS));
            }
        }
    }
    Ok(answers)
}

/// Cosines and norms layer by layer; a layer at which one is zero has none.
fn rotation(old: &PersonaVector, new: &PersonaVector, layer: Layer, diagnosis: String) -> Rotation {
    let layers = || (1..=old.layers()).map(Layer).map(|layer| (old.row(layer), new.row(layer)));
    let finite = |x: f64| x.is_finite().then_some(x);
    Rotation {
        cosines: layers().map(|(a, b)| finite(cosine(a, b))).collect(),
        norms: layers().map(|(a, b)| finite(norm(b) / norm(a))).collect(),
        row: new.row(layer).to_vec(),
        diagnosis,
    }
}

/// A probe fitted on the answers to every other question, and the old vector, on the rest.
fn probe_auc(answers: &[Labelled], old: &[f32]) -> Option<ProbeAuc> {
    let of = |odd: bool| answers.iter().filter(move |(question, ..)| (question % 2 == 1) == odd);
    let (states, shows): (Vec<Vec<f32>>, Vec<bool>) =
        of(false).map(|(_, state, shows)| (state.clone(), *shows)).unzip();
    let probe = Probe::fit(&states, &shows)?;
    let scores = |score: &dyn Fn(&[f32]) -> f64, kind: bool| -> Vec<f64> {
        of(true).filter(|(.., shows)| *shows == kind).map(|(_, state, _)| score(state)).collect()
    };
    let auc_of = |score: &dyn Fn(&[f32]) -> f64| auc(&scores(score, true), &scores(score, false));
    let counts = (of(true).filter(|(.., shows)| *shows).count(), of(true).filter(|(.., shows)| !*shows).count());
    Some(ProbeAuc {
        old: auc_of(&|state| projection(state, old))?,
        fresh: auc_of(&|state| probe.score(state))?,
        answers: counts,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_direction_that_moved_is_found_by_a_fresh_probe_alone() {
        // The old vector is entry 0; the trait now shows in entry 1.
        let state =
            |n: usize, shows: bool| vec![((n * 37) % 11) as f32, if shows { 1.0 } else { -1.0 }, (n % 3) as f32];
        let answers: Vec<_> = (0..80).map(|n| (n / 4, state(n, n % 2 == 0), n % 2 == 0)).collect();
        let found = probe_auc(&answers, &[1.0, 0.0, 0.0]).unwrap();
        assert!(found.fresh > 0.99 && (found.old - 0.5).abs() < 0.2, "{found:?}");
        assert_eq!(found.answers, (20, 20));
        assert!(probe_auc(&answers[..1], &[1.0, 0.0, 0.0]).is_none());
    }
}
