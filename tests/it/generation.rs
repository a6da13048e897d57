//! Greedy answers with a penalty and an end, and the sampler's probabilities, against transformers; plain and steered ones
//! are in `parity`.

use std::sync::Arc;

use burn_flex::Flex;
use serde::Deserialize;
use trimtab::generate::{Engine, Job, TextGenerator, Vocabulary, sampling};
use trimtab::language_model::{FinishReason, Finished, LanguageModel, Prompt, Request, Sampling};
use trimtab::model::Transformer;
use trimtab::text::{Message, Tokenizer};

use crate::support::goldens::{assert_close, fixture, floats, integers, json};
use crate::support::reference::tiny;

#[derive(Deserialize)]
struct GoldenPrompt {
    messages: Vec<Message>,
    ids: Vec<u32>,
}

#[derive(Deserialize)]
struct Greedy {
    tokens: Vec<Vec<u32>>,
}

/// The three golden prompts; the first reply begins with `<|im_end|>`-free text, so ids alone are compared.
fn jobs() -> Vec<Job> {
    let prompts: Vec<GoldenPrompt> = json("batch_prompts");
    let job = |(i, p): (usize, GoldenPrompt)| Job { id: format!("golden {i}"), prompt: p.ids, coefs: None };
    prompts.into_iter().enumerate().map(job).collect()
}

/// As the reference ran it: every id of the model may come, and nothing but `eos_ids` ends an answer.
fn check_greedy(name: &str, model: Transformer<Flex>, eos_ids: Vec<u32>, repetition_penalty: f32) {
    let golden: Greedy = json(name);
    let engine = Engine::new(model, Vocabulary { len: 512, eos_ids: eos_ids.clone() });
    let sampling = Sampling { repetition_penalty, ..Sampling::greedy(24) };
    let replies = engine.generate(&jobs(), &sampling, &mut |_| {}).unwrap();
    for (row, (reply, golden)) in replies.iter().zip(&golden.tokens).enumerate() {
        // The reference fills up with padding after the end-of-sequence token; ours stops there.
        let end = golden.iter().position(|id| eos_ids.contains(id)).map_or(golden.len(), |at| at + 1);
        assert_eq!(reply.tokens, golden[..end], "{name}, row {row}");
        let stopped = reply.finish_reason == FinishReason::Stop;
        assert_eq!(stopped, end < golden.len(), "{name}, row {row}");
    }
}

#[test]
fn repetition_penalty_and_end_of_sequence_are_those_of_transformers() {
    let model = tiny::<Flex>(&Default::default());
    check_greedy("gen.rep105", model.clone(), vec![], 1.05);
    let eos: serde_json::Value = json("gen.eos");
    let eos = eos["eos_token_id"].as_u64().unwrap() as u32;
    check_greedy("gen.eos", model, vec![eos], 1.0);
}

#[test]
fn batched_means_equal_the_reference() {
    let model = tiny::<Flex>(&Default::default());
    let tokenizer = Arc::new(Tokenizer::load(&fixture("tiny")).unwrap());
    let mut generator = TextGenerator::new(model, tokenizer);
    assert_eq!(generator.shape(), (4, 64));
    let ids = integers("extract.input_ids");
    let (prompt, total) = (integers("extract.prompt_len").values, integers("extract.total_len").values);
    let text = |(row, ids): (usize, &[i64])| {
        let ids: Vec<u32> = ids.iter().map(|&id| id as u32).collect();
        let (p, t) = (prompt[row] as usize, total[row] as usize);
        Finished { prompt_ids: ids[..p].to_vec(), response_ids: ids[p..t].to_vec() }
    };
    let texts: Vec<Finished> = ids.values.chunks(ids.shape[1]).enumerate().map(text).collect();
    let found = generator.residuals(&texts).unwrap();
    for (name, rows) in [
        ("response_avg", found.iter().map(|r| &r.response_avg).collect::<Vec<_>>()),
        ("prompt_avg", found.iter().map(|r| &r.prompt_avg).collect()),
        ("prompt_last", found.iter().map(|r| &r.prompt_last).collect()),
    ] {
        let golden = floats(&format!("extract.{name}"));
        let size = golden.shape[1] * golden.shape[2];
        for (sample, layers) in rows.iter().enumerate() {
            // The golden's last row is taken after the final norm; ours is the block's own output.
            let golden = &golden.values[sample * size..(sample + 1) * size - golden.shape[2]];
            assert_close(name, &layers[..layers.len() - 1].concat(), golden, 1e-4);
        }
    }
}

#[test]
fn a_text_generator_answers_in_words() {
    let tokenizer = Arc::new(Tokenizer::load(&fixture("tiny")).unwrap());
    let mut generator = TextGenerator::new(tiny::<Flex>(&Default::default()), tokenizer.clone());
    let prompts: Vec<GoldenPrompt> = json("batch_prompts");
    let asks: Vec<Request> =
        prompts.iter().enumerate().map(|(i, p)| Request::chat(i.to_string(), p.messages.clone())).collect();
    let answers = generator.generate(&asks, &Sampling::greedy(24), &mut |_| {}).unwrap();
    let golden: Greedy = json("gen.none");
    for ((answer, prompt), golden) in answers.iter().zip(&prompts).zip(&golden.tokens) {
        assert_eq!(answer.prompt_ids, prompt.ids);
        assert!(golden.starts_with(&answer.token_ids), "{:?} against {golden:?}", answer.token_ids);
        assert_eq!(answer.text, tokenizer.decode(&answer.token_ids).unwrap());
    }
    // The same prompts as text and as tokens, and their likeliest next token as a choice.
    let text = tokenizer.chat_text(&prompts[1].messages, true).unwrap();
    let ask = |prompt| Request { id: "1".into(), prompt, coefs: None };
    let same = [ask(Prompt::Text(text)), ask(Prompt::Ids(prompts[1].ids.clone()))];
    for answer in generator.generate(&same, &Sampling::greedy(24), &mut |_| {}).unwrap() {
        assert_eq!(answer, answers[1]);
    }
    let logits = floats("gen.none.first_logits");
    let options = vec![vec![vec![7], vec![115]]; asks.len()];
    let found = generator.choose(&asks, &options).unwrap();
    for (row, found) in logits.values.chunks(logits.shape[1]).zip(found) {
        let sum = row.iter().map(|&x| f64::from(x).exp()).sum::<f64>().ln();
        let golden = [row[7], row[115]].map(|x| (f64::from(x) - sum) as f32);
        assert_close("log-probabilities", &found, &golden, 1e-4);
    }
}

#[test]
fn the_sampler_has_transformers_probabilities() {
    let logits = floats("gen.none.first_logits");
    for (name, temperature, top_k, top_p) in
        [("t0.7_k20_p0.8", 0.7, Some(20), 0.8), ("t1_p0.9", 1.0, None, 0.9), ("t1.5_k5", 1.5, Some(5), 1.0)]
    {
        let sampling = Sampling { temperature, top_k, top_p, ..Sampling::greedy(1) };
        let golden = floats(&format!("sampler.{name}.probs"));
        let mut found = logits.values.clone();
        for (found, golden) in found.chunks_mut(512).zip(golden.values.chunks(512)) {
            sampling::distribution(found, &sampling).unwrap();
            assert_close(name, found, golden, 1e-6);
            assert!(found.iter().zip(golden).all(|(f, g)| (*f > 0.0) == (*g > 0.0)), "{name}: the same tokens stay");
        }
    }
}
