//! The engine against slow twins: no cache, one row at a time, another order.

mod choosing;
mod decoding;
mod joining;
mod keeping;
mod likelihood;
mod steering;

use std::ops::ControlFlow;

use burn_flex::Flex;
use burn_tensor::Tensor;
use serde_json::json;

use super::*;
use crate::kernels::FusedOps;
use crate::language_model::{FinishReason, Finished, Sampling};
use crate::model::{ModelConfig, Transformer};
use crate::steering::{Positions, SteeringPlan};
use crate::text::{Coefs, Rows};
use crate::vector::{Layer, PersonaVector};

const VOCABULARY: usize = 61;
const HIDDEN: usize = 32;
const EOS: [u32; 5] = [11, 12, 13, 14, 15];

/// A random model whose logits are far enough apart that rounding does not decide between tokens.
fn model<B: FusedOps>() -> Transformer<B> {
    let config = ModelConfig::from_json(&json!({
        "model_type": "qwen2", "vocab_size": VOCABULARY, "hidden_size": HIDDEN, "intermediate_size": 48,
        "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0, "tie_word_embeddings": false, "max_position_embeddings": 64,
    }));
    let mut model = Transformer::<B>::random(config.unwrap(), 3, &Default::default());
    for block in &mut model.blocks {
        for (_, linear) in block.projections() {
            linear.weight = linear.weight.clone().mul_scalar(12.0);
        }
        block.stack(u64::MAX);
    }
    model.lm_head = model.lm_head.map(|head| head.map(|part| part.mul_scalar(40.0)));
    model
}

fn plan(coef: f32, positions: Positions) -> SteeringPlan {
    let row = |l: usize| (0..HIDDEN).map(|i| ((i * 5 + l * 3) % 7) as f32 * 0.3 - 0.9).collect::<Vec<f32>>();
    SteeringPlan::rows(&PersonaVector::new((0..3).map(row).collect()).unwrap(), &[Layer(1), Layer(2)], coef, positions)
}

fn prompt(length: usize, salt: usize) -> Vec<u32> {
    (0..length).map(|i| ((i * i * 7 + salt * 13 + i) % VOCABULARY) as u32).collect()
}

/// Prompts of many lengths, one of them a single token, two of them the same.
fn jobs() -> Vec<Job> {
    let mut jobs: Vec<Job> = [5, 1, 9, 3, 12, 7, 2, 9, 4]
        .iter()
        .enumerate()
        .map(|(i, &length)| Job { id: format!("job {i}"), prompt: prompt(length, i), coefs: None })
        .collect();
    jobs[7].prompt = jobs[2].prompt.clone();
    jobs
}

fn engine<B: FusedOps>(model: Transformer<B>) -> Engine<B> {
    Engine::new(model, Vocabulary { len: VOCABULARY - 3, eos_ids: EOS.to_vec() })
}

/// Every row of the head is a token, and none of them ends an answer.
fn unbounded<B: FusedOps>(model: Transformer<B>) -> Engine<B> {
    Engine::new(model, Vocabulary { len: VOCABULARY, eos_ids: Vec::new() })
}

fn sampled(rollouts: usize) -> Sampling {
    Sampling {
        temperature: 0.8,
        top_k: Some(20),
        top_p: 0.9,
        repetition_penalty: 1.1,
        max_new_tokens: 14,
        rollouts,
        seed: 5,
    }
}

fn run<B: FusedOps>(engine: &Engine<B>, jobs: &[Job], sampling: &Sampling) -> Vec<Reply> {
    engine.generate(jobs, sampling, &mut |_| {}).unwrap()
}

/// Next-token logits of a text whose first `prompt` tokens are the prompt, with `left` columns of padding before it.
fn logits_after<B: FusedOps>(
    model: &Transformer<B>,
    text: &[u32],
    prompt: usize,
    coefs: Coefs,
    left: usize,
) -> Vec<f32> {
    let padded = [vec![0; left].as_slice(), text].concat();
    let mut rows = Rows::whole(&[&padded], vec![prompt], 0);
    (rows.start, rows.coefs) = (vec![left], vec![coefs]);
    let stream = model.stream(&model.pass(&rows, rows.width), None, |_, _| {});
    let last = model.logits(&stream).narrow(0, padded.len() - 1, 1);
    last.into_data().iter::<f32>().collect()
}

/// The same answer, reading the whole text anew for every token.
fn greedy_without_cache<B: FusedOps>(engine: &Engine<B>, job: &Job, limit: usize) -> Vec<u32> {
    let mut text = job.prompt.clone();
    while text.len() < job.prompt.len() + limit {
        let mut logits = logits_after(engine.model(), &text, job.prompt.len(), job.coefs.clone(), 0);
        logits.truncate(engine.vocabulary.len);
        if text.len() == job.prompt.len() {
            engine.vocabulary.eos_ids.iter().for_each(|&eos| logits[eos as usize] = f32::NEG_INFINITY);
        }
        text.push(sampling::argmax(&logits));
        if engine.vocabulary.eos_ids.contains(text.last().unwrap()) {
            break;
        }
    }
    text.split_off(job.prompt.len())
}

fn every_plan() -> Vec<SteeringPlan> {
    [Positions::All, Positions::Prompt, Positions::Response]
        .map(|positions| plan(1.5, positions))
        .into_iter()
        .chain([SteeringPlan::none()])
        .collect()
}

#[test]
fn greedy_equals_reading_the_whole_text_for_every_token() {
    let mut distinct = std::collections::HashSet::new();
    for plan in every_plan() {
        let engine = engine(model::<Flex>().steered(&plan).unwrap());
        for (job, reply) in jobs().iter().zip(run(&engine, &jobs(), &Sampling::greedy(14))) {
            assert_eq!(
                reply.tokens,
                greedy_without_cache(&engine, job, 14),
                "{} under {:?}",
                job.id,
                plan.parts[0].positions
            );
            distinct.insert(reply.tokens);
        }
    }
    assert!(distinct.len() > 20, "the plans hardly matter: {} answers", distinct.len());
}

#[test]
fn neither_batch_nor_order_nor_refilling_changes_a_row() {
    let (mut stopped, mut all) = (0, 0);
    for sampling in [Sampling::greedy(14), sampled(3)] {
        let engine = engine(model::<Flex>().steered(&plan(1.0, Positions::Response)).unwrap());
        let together = run(&engine, &jobs(), &sampling);
        stopped += together.iter().filter(|r| r.finish_reason == FinishReason::Stop).count();
        all += together.len();
        for (rows_max, cache_tokens, pass_tokens) in [(1, 1 << 14, 1), (3, 1 << 14, 16), (100, 90, 40)] {
            let small = engine.clone().with_budget(Budget { cache_tokens, rows_max, pass_tokens });
            assert_eq!(run(&small, &jobs(), &sampling), together, "{rows_max} rows, {cache_tokens} cached");
        }
        let mut turned = jobs();
        turned.reverse();
        let turned = run(&engine, &turned, &sampling);
        for (replies, expected) in turned.chunks(sampling.rollouts).rev().zip(together.chunks(sampling.rollouts)) {
            assert_eq!(replies, expected);
        }
        for (job, expected) in jobs().into_iter().zip(together.chunks(sampling.rollouts)) {
            assert_eq!(run(&engine, &[job], &sampling), expected);
        }
    }
    assert!(stopped > 0 && stopped < all, "{stopped} of {all} stop early: nothing is refilled, or nothing goes on");
}

#[test]
fn more_rollouts_leave_the_first_ones_alone() {
    let engine = engine(model::<Flex>());
    let (few, many) = (run(&engine, &jobs(), &sampled(2)), run(&engine, &jobs(), &sampled(5)));
    for (few, many) in few.chunks(2).zip(many.chunks(5)) {
        assert_eq!(few, &many[..2]);
        assert!(many.iter().any(|reply| reply != &many[0]), "rollouts differ");
    }
}

#[test]
fn padding_on_the_left_or_right_gives_the_same_logits() {
    for plan in every_plan() {
        let model = model::<Flex>().steered(&plan).unwrap();
        for job in jobs() {
            let prompt = job.prompt.len();
            let text = [job.prompt, vec![4, 9, 2]].concat();
            let (none, left) =
                (logits_after(&model, &text, prompt, None, 0), logits_after(&model, &text, prompt, None, 5));
            let longer = prompt_of(&model, &text, prompt);
            let scale = none.iter().fold(1.0f32, |m, x| m.max(x.abs()));
            for (i, x) in none.iter().enumerate() {
                assert!((x - left[i]).abs() < 1e-5 * scale, "left padding: {x} against {}", left[i]);
                assert!((x - longer[i]).abs() < 1e-5 * scale, "right padding: {x} against {}", longer[i]);
            }
        }
    }
}

/// The same logits from a batch in which another row is longer.
fn prompt_of<B: FusedOps>(model: &Transformer<B>, text: &[u32], prompt_length: usize) -> Vec<f32> {
    let other = prompt(20, 1);
    let rows = Rows::whole(&[text, &other], vec![prompt_length, 4], 0);
    let stream = model.stream(&model.pass(&rows, rows.width), None, |_, _| {});
    model.logits(&stream).narrow(0, text.len() - 1, 1).into_data().iter::<f32>().collect()
}

#[test]
fn a_generated_answer_replayed_whole_has_the_same_states() {
    // Invariant (f): the cache in `response` mode equals one pass steered at P-1 ..= T-2.
    let engine = engine(model::<Flex>().steered(&plan(1.5, Positions::Response)).unwrap());
    for job in jobs() {
        let tokens = run(&engine, std::slice::from_ref(&job), &Sampling::greedy(8))[0].tokens.clone();
        let text = [job.prompt.clone(), tokens.clone()].concat();
        let rows = Rows::whole(&[&text], vec![job.prompt.len()], 0);
        let model = engine.model();
        let stream = model.stream(&model.pass(&rows, rows.width), None, |_, _| {});
        let logits = engine.logits(stream);
        for (i, &token) in tokens.iter().enumerate().skip(1) {
            let row: Vec<f32> = logits.clone().narrow(0, job.prompt.len() + i - 1, 1).into_data().iter().collect();
            assert_eq!(sampling::argmax(&row), token, "token {i} of {}", job.id);
        }
    }
}

#[test]
fn no_block_above_the_layer_asked_for_is_run_and_no_head() {
    let text = Finished { prompt_ids: prompt(6, 0), response_ids: prompt(4, 2) };
    let mut cut = model::<Flex>();
    let whole = engine(cut.clone()).residuals(std::slice::from_ref(&text)).unwrap().remove(0);
    // A block or a head that cannot be multiplied with panics where it is run.
    let misfit = || Tensor::zeros([1, 1], &Default::default());
    cut.blocks[1].q_proj.weight = misfit();
    cut.lm_head = Some(misfit().into());
    let top = engine(cut).residuals_to(std::slice::from_ref(&text), Layer(1)).unwrap().remove(0);
    assert_eq!(top.response_avg, whole.response_avg[..2]);
    assert_eq!((top.prompt_avg, top.prompt_last.len()), (whole.prompt_avg[..2].to_vec(), 2));
    assert!(engine(model::<Flex>()).residuals_to(&[text], Layer(3)).is_err());
}

#[test]
fn residuals_do_not_depend_on_their_neighbours() {
    let engine = engine(model::<Flex>());
    let texts: Vec<Finished> = [(3, 5), (8, 1), (1, 9), (4, 4), (2, 20)]
        .iter()
        .map(|&(p, r)| Finished { prompt_ids: prompt(p, r), response_ids: prompt(r, p) })
        .collect();
    let small = engine.clone().with_budget(Budget { pass_tokens: 30, ..Budget::default() });
    let (together, split) = (engine.residuals(&texts).unwrap(), small.residuals(&texts).unwrap());
    for (i, text) in texts.iter().enumerate() {
        let alone = engine.residuals(std::slice::from_ref(text)).unwrap().remove(0);
        // The slow twin: the states themselves, added up in f64.
        let ids = [text.prompt_ids.clone(), text.response_ids.clone()].concat();
        let (p, t) = (text.prompt_ids.len(), ids.len());
        let rows = Rows::whole(&[&ids], vec![p], 0);
        let mut states: Vec<Vec<f32>> = Vec::new();
        engine.model().stream(&engine.model().pass(&rows, t), None, |_, h| {
            states.push(h.clone().into_data().iter::<f32>().collect());
        });
        assert_eq!(states.len(), 3, "embedding and two blocks");
        for (l, h) in states.iter().enumerate() {
            let mean = |from: usize, to: usize, c: usize| {
                (from..to).map(|t| f64::from(h[t * HIDDEN + c])).sum::<f64>() / (to - from) as f64
            };
            for c in 0..HIDDEN {
                for residuals in [&alone, &together[i], &split[i]] {
                    assert!((f64::from(residuals.response_avg[l][c]) - mean(p, t, c)).abs() < 2e-5);
                    assert!((f64::from(residuals.prompt_avg[l][c]) - mean(0, p, c)).abs() < 2e-5);
                    assert!((f64::from(residuals.prompt_last[l][c]) - mean(p - 1, p, c)).abs() < 2e-5);
                }
            }
        }
    }
}

#[test]
fn choices_are_the_log_probabilities_of_the_next_token() {
    for plan in every_plan() {
        let engine = engine(model::<Flex>().steered(&plan).unwrap());
        let small = engine.clone().with_budget(Budget { pass_tokens: 20, ..Budget::default() });
        // An option of several tokens weighs as much as they do one after the other.
        let options: Vec<Vec<u32>> = vec![vec![3], vec![60, 7, 2], vec![0]];
        let all = vec![options.clone(); jobs().len()];
        let found = engine.choose(&jobs(), &all).unwrap();
        for (one, other) in found.iter().flatten().zip(small.choose(&jobs(), &all).unwrap().iter().flatten()) {
            assert!((one - other).abs() < 1e-4, "{one} in one batch, {other} in another");
        }
        for (job, found) in jobs().iter().zip(found) {
            for (option, found) in options.iter().zip(found) {
                let mut text = job.prompt.clone();
                let mut exact = 0.0;
                for &id in option {
                    let logits = logits_after(engine.model(), &text, job.prompt.len(), None, 0);
                    let sum: f64 = logits.iter().map(|&x| f64::from(x).exp()).sum();
                    exact += f64::from(logits[id as usize]) - sum.ln();
                    text.push(id);
                }
                let bound = 1e-5 * (10.0 + exact.abs());
                assert!((f64::from(found) - exact).abs() < bound, "{found} against {exact}");
            }
        }
    }
}

#[test]
fn an_answer_ends_at_its_end() {
    let engine = engine(model::<Flex>());
    let mut heard = Vec::new();
    let replies = engine.generate(&jobs(), &sampled(4), &mut |n| heard.push(n)).unwrap();
    assert!(heard.is_sorted() && heard.last() == Some(&replies.len()), "{heard:?}");
    for reply in &replies {
        let (last, before) = reply.tokens.split_last().unwrap();
        let is_eos = |id: &u32| EOS.contains(id);
        assert!(!before.iter().any(is_eos) && !is_eos(&reply.tokens[0]));
        assert_eq!(is_eos(last), reply.finish_reason == FinishReason::Stop);
        assert!(reply.finish_reason == FinishReason::Stop || reply.tokens.len() == 14);
        assert!(reply.tokens.iter().all(|&id| (id as usize) < VOCABULARY - 3));
    }
}

#[test]
fn ids_beyond_the_tokenizer_are_never_produced() {
    let mut model = model::<Flex>();
    let everything = run(&unbounded(model.clone()), &jobs(), &Sampling::greedy(14));
    // Make the last three rows of the head the likeliest by far.
    let head = model.lm_head.take().unwrap().parts()[0].clone();
    let huge: Tensor<Flex, 2> = head.clone().narrow(0, 0, 3).mul_scalar(100.0);
    model.lm_head = Some(Tensor::cat(vec![head.narrow(0, 0, VOCABULARY - 3), huge], 0).into());
    let beyond = |replies: &[Reply]| replies.iter().flat_map(|r| &r.tokens).any(|&id| id as usize >= VOCABULARY - 3);
    let all = run(&unbounded(model.clone()), &jobs(), &Sampling::greedy(14));
    assert!(beyond(&all) && all != everything, "the test tests nothing");
    for sampling in [Sampling::greedy(14), sampled(3)] {
        assert!(!beyond(&run(&engine(model.clone()), &jobs(), &sampling)));
    }
}

#[test]
fn an_answer_does_not_outgrow_the_models_positions() {
    let engine = engine(model::<Flex>());
    let long = |n| vec![Job { id: "long".into(), prompt: prompt(n, 1), coefs: None }];
    let reply = &run(&engine, &long(64), &Sampling::greedy(14))[0];
    assert_eq!((reply.tokens.len(), reply.finish_reason), (1, FinishReason::Length));
    let error = engine.generate(&long(65), &Sampling::greedy(14), &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("`long`") && error.help().is_some(), "{error}");
}

#[test]
fn bad_requests_say_what_is_wrong() {
    let engine = engine(model::<Flex>());
    let job = |prompt: Vec<u32>| vec![Job { id: "q7".into(), prompt, coefs: None }];
    for (jobs, word) in [(job(vec![]), "q7"), (job(vec![1, 99]), "99")] {
        for error in [
            engine.generate(&jobs, &Sampling::greedy(3), &mut |_| {}).unwrap_err(),
            engine.choose(&jobs, &[vec![vec![1]]]).unwrap_err(),
        ] {
            assert!(error.to_string().contains(word), "{error}");
        }
    }
    assert!(engine.choose(&job(vec![1]), &[vec![vec![61]]]).is_err());
    assert!(engine.choose(&job(vec![1]), &[vec![vec![]]]).is_err());
    assert!(engine.choose(&job(vec![1]), &[vec![]]).unwrap()[0].is_empty());
    let empty = Finished { prompt_ids: vec![1], response_ids: vec![] };
    assert!(engine.residuals(&[empty]).is_err());
    for bad in [
        Sampling { temperature: -1.0, ..sampled(1) },
        Sampling { temperature: f32::NAN, ..sampled(1) },
        Sampling { top_p: 0.0, ..sampled(1) },
        Sampling { top_k: Some(0), ..sampled(1) },
        Sampling { repetition_penalty: 0.0, ..sampled(1) },
        Sampling { max_new_tokens: 0, ..sampled(1) },
        sampled(0),
    ] {
        assert!(engine.generate(&jobs(), &bad, &mut |_| {}).is_err(), "{bad:?}");
    }
    assert!(run(&engine, &[], &sampled(2)).is_empty());
}

#[test]
fn a_model_that_diverged_does_not_answer() {
    let mut model = model::<Flex>();
    model.norm = model.norm.mul_scalar(f32::NAN);
    for sampling in [Sampling::greedy(3), sampled(1)] {
        let error = engine(model.clone()).generate(&jobs(), &sampling, &mut |_| {}).unwrap_err();
        assert!(error.to_string().contains("not finite"), "{error}");
    }
}

#[test]
fn a_large_vocabulary_is_picked_from_on_several_threads_alike() {
    // 128 rows of 16384 logits: past the size at which threads are started, and with rows to spare.
    let config = json!({
        "model_type": "qwen2", "vocab_size": 16384, "hidden_size": 8, "intermediate_size": 8,
        "num_hidden_layers": 1, "num_attention_heads": 1, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
        "max_position_embeddings": 64,
    });
    let model = Transformer::<Flex>::random(ModelConfig::from_json(&config).unwrap(), 3, &Default::default());
    let engine = Engine::new(model, Vocabulary { len: 16384, eos_ids: vec![] });
    let job = Job { id: "one".into(), prompt: vec![1, 2, 3], coefs: None };
    let sampling = Sampling { max_new_tokens: 3, ..sampled(128) };
    let alone = engine.clone().with_budget(Budget { rows_max: 4, ..Budget::default() });
    assert_eq!(run(&engine, std::slice::from_ref(&job), &sampling), run(&alone, &[job], &sampling));
}

#[test]
fn a_composed_backend_gives_the_same_tokens() {
    // Autodiff over the CPU takes every default body, the adding cache write among them.
    type Composed = burn_autodiff::Autodiff<Flex>;
    for plan in every_plan() {
        for sampling in [Sampling::greedy(14), sampled(2)] {
            let native = run(&engine(model::<Flex>().steered(&plan).unwrap()), &jobs(), &sampling);
            let small = Budget { rows_max: 4, ..Budget::default() };
            let composed = engine(model::<Composed>().steered(&plan).unwrap()).with_budget(small);
            assert_eq!(run(&composed, &jobs(), &sampling), native);
        }
    }
}
