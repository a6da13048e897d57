//! Likelihoods and divergences against the definition, a text at a time in f64.

use std::path::Path;

use burn_tensor::DType;

use super::*;
use crate::language_model::Likelihood;
use crate::model::WeightStorage;
use crate::model::peft::{Adapter, AdapterConfig, Targets};

/// The golden model, bare or under the golden adapter.
fn golden(adapter: Option<&Adapter>) -> Transformer<Flex> {
    let storage = WeightStorage { dtype: DType::F32, tensor_bytes_max: u64::MAX };
    let model = Transformer::load(Path::new("tests/fixtures/tiny"), &Default::default(), storage).unwrap();
    adapter.map_or(model.clone(), |adapter| model.with_adapter(adapter))
}

fn golden_adapter() -> Adapter {
    Adapter::read(Path::new("tests/fixtures/adapter"), &golden(None).config).unwrap()
}

fn texts() -> Vec<Finished> {
    let text = |(prompt_len, response_len): (usize, usize)| Finished {
        prompt_ids: prompt(prompt_len, response_len),
        response_ids: prompt(response_len, 30 + prompt_len),
    };
    [(5, 3), (1, 9), (12, 1), (4, 7)].map(text).to_vec()
}

/// Log-probabilities of every token after `text[..at]`.
fn log_probabilities(model: &Transformer<Flex>, text: &[u32], prompt: usize, at: usize) -> Vec<f64> {
    let logits = logits_after(model, &text[..at], prompt, None, 0);
    let norm = logits.iter().map(|&x| f64::from(x).exp()).sum::<f64>().ln();
    logits.iter().map(|&x| f64::from(x) - norm).collect()
}

#[track_caller]
fn check(model: &Transformer<Flex>, bare: &Transformer<Flex>, found: &[Likelihood]) {
    let mut moved = 0.0;
    for (text, found) in texts().iter().zip(found) {
        let whole = [text.prompt_ids.as_slice(), &text.response_ids].concat();
        let prompt = text.prompt_ids.len();
        assert_eq!((found.logprobs.len(), found.moved.len()), (text.response_ids.len(), text.response_ids.len()));
        for (k, &id) in text.response_ids.iter().enumerate() {
            let own = log_probabilities(model, &whole, prompt, prompt + k);
            let base = log_probabilities(bare, &whole, prompt, prompt + k);
            let kl: f64 = base.iter().zip(&own).map(|(p, q)| p.exp() * (p - q)).sum();
            moved += kl;
            assert!((f64::from(found.logprobs[k]) - own[id as usize]).abs() < 1e-4, "{k}");
            assert!((f64::from(found.moved[k]) - kl).abs() < 1e-5 + 1e-4 * kl, "{k}: {} {kl}", found.moved[k]);
            assert!(found.moved[k] >= 0.0);
        }
    }
    assert!(moved > 1e-3, "the adapter does something: {moved}");
}

#[test]
fn likelihoods_and_divergences_are_those_of_the_definition() {
    let (model, bare) = (golden(Some(&golden_adapter())), golden(None));
    for budget in [Budget::default(), Budget { pass_tokens: 9, ..Budget::default() }] {
        let found = unbounded(model.clone()).with_budget(budget).likelihoods(&texts()).unwrap();
        check(&model, &bare, &found);
    }
    let row = |l: usize| (0..model.config.hidden_size).map(|i| ((i * 5 + l) % 7) as f32 * 0.05).collect::<Vec<f32>>();
    let vector = PersonaVector::new((0..=model.blocks.len()).map(row).collect()).unwrap();
    let plan = SteeringPlan::rows(&vector, &[Layer(1)], 1.0, Positions::Response);
    let (model, bare) = (model.steered(&plan).unwrap(), bare.steered(&plan).unwrap());
    check(&model, &bare, &unbounded(model.clone()).likelihoods(&texts()).unwrap());
}

#[test]
fn an_adapter_that_adds_nothing_is_not_moved_at_all() {
    let all = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"].map(str::to_owned);
    let config = AdapterConfig::new(4, 8.0, true, Targets::Names(all.to_vec()));
    let fresh = Adapter::fresh(config, &golden(None).config, 1).unwrap();
    let bare = unbounded(golden(None)).likelihoods(&texts()).unwrap();
    let found = unbounded(golden(Some(&fresh))).likelihoods(&texts()).unwrap();
    assert_eq!(found, bare);
    assert!(found.iter().flat_map(|f| &f.moved).all(|&kl| kl == 0.0));
}

#[test]
fn an_empty_response_is_named() {
    let mut texts = texts();
    texts[2].response_ids.clear();
    let error = unbounded(golden(None)).likelihoods(&texts).unwrap_err().to_string();
    assert!(error.contains("text 2"), "{error}");
}
