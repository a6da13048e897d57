//! Did the direction rotate (METHOD K2), and is the trait linearly readable elsewhere (K4)? A vector extracted anew from the model's
//! own answers, and a probe fitted on them.

use serde::{Deserialize, Serialize};

use super::Audited;
use super::model::Model;
use super::probe::Probe;
use crate::Result;
use crate::persona::{Recipe, Side, cosine, extract_captured, place_of, projection, read_rows};
use crate::record::seed_of;
use crate::stats::auc;
use crate::study::pipeline::{Phase, Pipeline, SHOWS};
use crate::study::vectors::{Origin, rows_file, states};
use crate::vector::{Layer, PersonaVector};

/// What a vector extracted anew is like beside the old one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::study) struct Rotation {
    /// Cosine with the old one, layer by layer from the first.
    pub cosines: Vec<Option<f64>>,
    /// Norm as a share of the old one's, likewise.
    pub norms: Vec<Option<f64>>,
    /// The new one at the layer of the study.
    pub row: Vec<f32>,
    /// Which answers went in, in words.
    pub diagnosis: String,
}

/// How well states tell answers that show the trait from those that do not, on questions that no probe was fitted on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(in crate::study) struct Told {
    /// Area under the ROC curve of the old vector's projection.
    pub old: f64,
    /// That of a logistic probe fitted on the other questions' answers.
    pub fresh: f64,
    /// Answers of each kind that were told apart.
    pub answers: (usize, usize),
}

impl Pipeline<'_> {
    /// Answers of the model under both kinds of prompts, a vector from them, and a fresh probe on their states. The base model's come
    /// from other random numbers than the study's vector: how far two extractions of one model differ.
    pub(super) fn extract_anew(&self, model: &Model<'_>, audited: &mut Audited) -> Result<bool> {
        let name = &self.data.traits[model.t].name;
        let folder = self.run.file("audit").join(&self.pieces[model.i].name);
        let from = Origin {
            t: model.t,
            adapter: model.adapter,
            seed: seed_of(self.config.seed, "rollouts of the audit"),
            folder: folder.clone(),
        };
        let mut rows = Vec::new();
        let mut reused = true;
        let mut hashes = Vec::new();
        for side in [Side::Pos, Side::Neg] {
            let stage = self.stage_of(model, side.key());
            let (hash, how) = self.rollouts_of(model.i, &stage, &from, side)?;
            reused &= how.is_yes();
            hashes.push(hash);
            rows.push(read_rows(&rows_file(&folder, side), name)?);
        }
        let captured = [states(&folder, Side::Pos)?, states(&folder, Side::Neg)?];
        let mut recipe = Recipe::new(name, &self.config.model.display().to_string(), &self.fingerprint);
        recipe.filter = self.config.vector.filter;
        let layer = self.layer(model)?;
        let key = self.key(&("anew", &hashes, &model.file.fingerprint, recipe.filter, layer));
        let (found, how) = self.run.stage(&self.stage_of(model, "anew"), &key, || {
            let mut told = |n, of| self.progress(model.i, Phase::States, n, of);
            let rotation = match extract_captured(&captured, &rows[0], &rows[1], &recipe, &mut told) {
                Ok(made) => {
                    let (old, new) = (&model.file.response_avg, &made.file.response_avg);
                    Ok(rotation(old, new, layer, made.diagnosis.to_string()))
                }
                // That no vector can be made is a finding: a side no longer shows, or no longer lacks, the trait.
                Err(e) => Err(format!("no vector could be extracted anew: {e}")),
            };
            let old = model.file.response_avg.row(layer);
            let mut kinds = Vec::new();
            for (rows, captured) in rows.iter().zip(&captured) {
                for (n, row) in rows.iter().enumerate() {
                    if let (Some(score), Some(states)) = (row.trait_score(), captured.read(n)?) {
                        kinds.push((
                            place_of(&row.question_id)?.0,
                            states.response_avg[layer.row()].clone(),
                            score > SHOWS,
                        ));
                    }
                }
            }
            Ok((rotation, told_apart(&kinds, old)))
        })?;
        match found.0 {
            Ok(rotation) => audited.rotation = Some(rotation),
            Err(why) => audited.notes.push(why),
        }
        audited.told = found.1;
        if audited.told.is_none() {
            audited.notes.push("no fresh probe: the answers are all of one kind".into());
        }
        Ok(reused && how.is_yes())
    }
}

/// Cosines and norms layer by layer; a layer at which one is zero has none.
fn rotation(old: &PersonaVector, new: &PersonaVector, layer: Layer, diagnosis: String) -> Rotation {
    let norm = |v: &[f32]| v.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
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
fn told_apart(kinds: &[(usize, Vec<f32>, bool)], old: &[f32]) -> Option<Told> {
    let of = |odd: bool| kinds.iter().filter(move |(question, ..)| (question % 2 == 1) == odd);
    let (states, shows): (Vec<Vec<f32>>, Vec<bool>) =
        of(false).map(|(_, state, shows)| (state.clone(), *shows)).unzip();
    let probe = Probe::fit(&states, &shows)?;
    let scores = |score: &dyn Fn(&[f32]) -> f64, kind: bool| -> Vec<f64> {
        of(true).filter(|(.., shows)| *shows == kind).map(|(_, state, _)| score(state)).collect()
    };
    let told = |score: &dyn Fn(&[f32]) -> f64| auc(&scores(score, true), &scores(score, false));
    let answers = (of(true).filter(|(.., shows)| *shows).count(), of(true).filter(|(.., shows)| !*shows).count());
    Some(Told { old: told(&|state| projection(state, old))?, fresh: told(&|state| probe.score(state))?, answers })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_direction_that_moved_is_told_by_a_fresh_probe_alone() {
        // The old vector is entry 0; the trait now shows in entry 1.
        let state =
            |n: usize, shows: bool| vec![((n * 37) % 11) as f32, if shows { 1.0 } else { -1.0 }, (n % 3) as f32];
        let kinds: Vec<_> = (0..80).map(|n| (n / 4, state(n, n % 2 == 0), n % 2 == 0)).collect();
        let told = told_apart(&kinds, &[1.0, 0.0, 0.0]).unwrap();
        assert!(told.fresh > 0.99 && (told.old - 0.5).abs() < 0.2, "{told:?}");
        assert_eq!(told.answers, (20, 20));
        assert!(told_apart(&kinds[..1], &[1.0, 0.0, 0.0]).is_none());
    }
}
