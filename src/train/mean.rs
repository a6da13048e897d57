//! Where a model lies on average while it reads what another is to learn: what an ablation to the mean leaves (guide: method, "Ablation").

use crate::language_model::{Finished, LanguageModel};
use crate::record::seed_of;
use crate::text::{TrainingExample, chosen_in_order};
use crate::vector::PersonaVector;
use crate::{Result, ensure};

/// The most examples that are read: a mean over more tokens would barely differ.
const EXAMPLES: usize = 256;

/// Texts per request: their states are held in memory.
const CHUNK: usize = 16;

/// The mean state over the learned tokens of a sample of the examples, drawn by the seed: `[layers + 1][hidden]`, each token
/// counting the same. `progress` is given how many texts of how many are read.
///
/// # Errors
/// Those of the model; examples without tokens.
pub fn mean_state(
    model: &mut dyn LanguageModel,
    examples: &[TrainingExample],
    seed: u64,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<PersonaVector> {
    let places = chosen_in_order(examples.len(), EXAMPLES, seed_of(seed, "mean state"), "example");
    let texts: Vec<Finished> = places.into_iter().flat_map(|i| responses(&examples[i])).collect();
    ensure!(!texts.is_empty(), "there is nothing to learn over which the mean could be taken");
    let (layers, hidden) = model.shape();
    let mut sums = vec![vec![0.0f64; hidden]; layers + 1];
    let tokens: usize = texts.iter().map(|text| text.response_ids.len()).sum();
    for (n, chunk) in texts.chunks(CHUNK).enumerate() {
        for (text, states) in chunk.iter().zip(model.residuals(chunk)?) {
            let share = text.response_ids.len() as f64 / tokens as f64;
            for (sum, state) in sums.iter_mut().zip(&states.response_avg) {
                sum.iter_mut().zip(state).for_each(|(s, &x)| *s += share * f64::from(x));
            }
        }
        progress((n * CHUNK + chunk.len()).min(texts.len()), texts.len());
    }
    PersonaVector::new(sums.iter().map(|row| row.iter().map(|&x| x as f32).collect()).collect())
}

/// Each stretch of learned tokens with everything before it.
fn responses(example: &TrainingExample) -> Vec<Finished> {
    let mut found = Vec::new();
    let mut at = 0;
    for run in example.weights.chunk_by(|a, b| (*a > 0.0) == (*b > 0.0)) {
        let end = at + run.len();
        if run[0] > 0.0 {
            found
                .push(Finished { prompt_ids: example.ids[..at].to_vec(), response_ids: example.ids[at..end].to_vec() });
        }
        at = end;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stretch_that_is_learned_is_a_response() {
        let example = TrainingExample { ids: (10..17).collect(), weights: vec![0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0] };
        let found: Vec<(usize, Vec<u32>)> =
            responses(&example).into_iter().map(|text| (text.prompt_ids.len(), text.response_ids)).collect();
        assert_eq!(found, [(1, vec![11, 12]), (5, vec![15, 16])]);
    }
}
