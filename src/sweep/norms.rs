//! How long the residual stream is at a response token, layer by layer, so that a coefficient can be read as a fraction of it.
//!
//! What is wanted is the mean of norms; the norm of a mean, which [`Residuals`](crate::language_model::Residuals) would give at once, is
//! shorter, because what differs from token to token cancels. So one token of each answer is drawn, every place being equally
//! likely, and the state there is read exactly, as the mean over a response of that one token. That is unbiased, costs one
//! prefill per answer, and comes with an interval.

use super::settings::Norms;
use super::work::Work;
use crate::Result;
use crate::judge::JudgedAnswer;
use crate::language_model::{Finished, LanguageModel};
use crate::record::{Hash, seed_of};
use crate::stats::{Clusters, Interval};
use crate::vector::Layer;
use crate::vector::math::norm;

/// Answers that are read; more would not make the numbers more useful.
const ANSWERS: usize = 200;

/// Texts per request: their states are held in memory.
const CHUNK: usize = 16;

impl Work<'_> {
    /// Every layer's norms, from the unsteered answers among the rows.
    pub(super) fn norms(&mut self, subject: &mut dyn LanguageModel, rows: &[JudgedAnswer]) -> Result<Vec<Norms>> {
        let unsteered: Vec<&JudgedAnswer> = rows.iter().filter(|row| row.layer.is_none()).collect();
        let answers: Vec<_> = unsteered.iter().map(|row| (&row.question_id, row.rollout, &row.answer)).collect();
        let key = Hash::of(&("norms", &self.key, answers));
        let seed = self.inputs.config.sampling.seed;
        let (found, _) = self.run.stage("norms", &key, || measured(subject, &unsteered, seed))?;
        let vector = &self.inputs.vectors.response_avg;
        let of = |(i, residual): (usize, Interval)| {
            let layer = Layer(i + 1);
            Norms { layer, residual, vector: vector.norm(layer) }
        };
        Ok(found.into_iter().enumerate().map(of).collect())
    }
}

/// Mean norm at a response token, by layer from 1, clustered by question.
fn measured(subject: &mut dyn LanguageModel, rows: &[&JudgedAnswer], seed: u64) -> Result<Vec<Interval>> {
    let (layers, _) = subject.shape();
    let mut texts = Vec::new();
    let step = rows.len().div_ceil(ANSWERS).max(1);
    for row in rows.iter().step_by(step) {
        texts.extend(one_token(subject, row, seed)?.map(|text| (row.question_id.as_str(), text)));
    }
    let mut found: Vec<Clusters> = vec![Clusters::new(); layers];
    for chunk in texts.chunks(CHUNK) {
        let finished: Vec<Finished> = chunk.iter().map(|(_, text)| text.clone()).collect();
        for ((question, _), states) in chunk.iter().zip(subject.residuals(&finished)?) {
            for (layer, found) in found.iter_mut().enumerate() {
                let norm = norm(&states.response_avg[layer + 1]);
                found.entry((*question).to_owned()).or_default().push(norm);
            }
        }
    }
    Ok(found.iter().map(|clusters| Interval::of(clusters, seed)).collect())
}

/// The text up to one token of the answer, drawn at random, that token being the response. Nothing for an empty answer.
fn one_token(subject: &dyn LanguageModel, row: &JudgedAnswer, seed: u64) -> Result<Option<Finished>> {
    let tokenizer = subject.tokenizer();
    let answer = tokenizer.encode(&row.answer)?;
    if answer.is_empty() {
        return Ok(None);
    }
    let drawn = seed_of(seed, &format!("token of {}/{}", row.question_id, row.rollout)) % answer.len() as u64;
    let (before, at) = answer.split_at(drawn as usize);
    let prompt_ids = [tokenizer.encode(&row.prompt)?.as_slice(), before].concat();
    Ok(Some(Finished { prompt_ids, response_ids: vec![at[0]] }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::{self, Point};
    use crate::fakes::{EchoModel, WordJudge};
    use crate::language_model::Sampling;

    #[test]
    fn norms_are_means_of_norms_and_not_norms_of_means() {
        let mut subject = EchoModel::new(|ask, rollout| format!("{} says {rollout} of all there is", ask.id));
        let sampling = Sampling { rollouts: 40, ..Sampling::greedy(8) };
        let task = eval::traits::task("evil", &["Why?".into(), "How?".into()], None, &sampling);
        let points = [Point { coef: 0.0, layer: None, coefs: vec![0.0] }];
        let rows = eval::run(&task, &mut subject, &mut WordJudge("harm"), &points, &mut |_, _| {}).unwrap();
        let found = measured(&mut subject, &rows.iter().collect::<Vec<_>>(), 0).unwrap();
        assert_eq!((found.len(), found[0].n, found[0].clusters), (EchoModel::LAYERS, 80, 2));

        // Every token of every answer, which the fake makes cheap.
        let tokenizer = crate::fakes::tiny_tokenizer();
        let state = |id, layer| -> Vec<f64> {
            (0..EchoModel::HIDDEN).map(|d| f64::from(EchoModel::state(id, layer, d))).collect()
        };
        for (i, found) in found.iter().enumerate() {
            let (mut exact, mut of_means) = (0.0, 0.0);
            for row in &rows {
                let ids = tokenizer.encode(&row.answer).unwrap();
                let states: Vec<Vec<f64>> = ids.iter().map(|&id| state(id, i + 1)).collect();
                exact += states.iter().map(|s| norm(s)).sum::<f64>() / states.len() as f64;
                let mean: Vec<f64> = (0..EchoModel::HIDDEN)
                    .map(|d| states.iter().map(|s| s[d]).sum::<f64>() / states.len() as f64)
                    .collect();
                of_means += norm(&mean);
            }
            let (exact, of_means) = (exact / rows.len() as f64, of_means / rows.len() as f64);
            assert!((found.mean / exact - 1.0).abs() < 0.05, "layer {}: {} against {exact}", i + 1, found.mean);
            assert!(of_means < 0.9 * exact, "the two differ: {of_means} against {exact}");
        }
    }
}
