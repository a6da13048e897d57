//! The backward pass written by hand against Burn's autodiff through the same block, and against differences.

use burn_autodiff::Autodiff;
use burn_flex::Flex;
use burn_tensor::{Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde_json::json;

use super::super::peft::{Adapter, AdapterConfig, Targets};
use super::super::{ModelConfig, Transformer};
use super::*;
use crate::record::seed_of;
use crate::text::Rows;

type A = Autodiff<Flex>;

const HIDDEN: usize = 24;

fn config(architecture: &str) -> ModelConfig {
    ModelConfig::from_json(&json!({
        "model_type": architecture, "vocab_size": 32, "hidden_size": HIDDEN, "intermediate_size": 40,
        "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
        "attention_bias": architecture == "qwen3", "rms_norm_eps": 1e-5, "rope_theta": 1e4,
        "max_position_embeddings": 64,
    }))
    .unwrap()
}

/// Values in [-1, 1) that the name decides.
fn values(name: &str, n: usize) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed_of(1, name));
    (0..n).map(|_| (rng.next_u32() as f32 / u32::MAX as f32) * 2.0 - 1.0).collect()
}

fn matrix<B: FusedOps>(name: &str, shape: [usize; 2]) -> Tensor<B, 2> {
    Tensor::from_data(TensorData::new(values(name, shape[0] * shape[1]), shape), &Default::default())
}

/// A model of one block in which gains, biases and both factors of the adapter have values of their own.
fn model<B: FusedOps>(architecture: &str, learning: Learning) -> Transformer<B> {
    let config = config(architecture);
    let mut model = Transformer::<B>::random(config.clone(), 3, &Default::default());
    if learning == Learning::Lora {
        let targets = Targets::Names(["q_proj", "k_proj", "v_proj", "down_proj"].map(str::to_owned).to_vec());
        let adapter = Adapter::fresh(AdapterConfig::new(2, 4.0, true, targets), &config, 1).unwrap();
        model = model.with_adapter(&adapter);
    }
    for (name, mut parameter) in parameters(&mut model.blocks[0], Learning::Full) {
        let base = if name.ends_with("norm.weight") { 1.0 } else { 0.0 };
        let drawn = values(&name, parameter.len()).into_iter().map(|x| base + 0.4 * x).collect::<Vec<_>>();
        parameter.set(Tensor::from_data(TensorData::new(drawn, [parameter.len()]), &Default::default()));
    }
    if learning == Learning::Lora {
        // What is frozen lies one below the other.
        model.blocks[0].stack(u64::MAX);
        assert!(model.blocks[0].qkv.is_some());
        for (name, mut parameter) in parameters(&mut model.blocks[0], Learning::Lora) {
            let drawn = values(&name, parameter.len());
            parameter.set(Tensor::from_data(TensorData::new(drawn, [parameter.len()]), &Default::default()));
        }
    }
    model
}

fn parameters<B: FusedOps>(block: &mut Block<B>, learning: Learning) -> Vec<(String, Parameter<'_, B>)> {
    let mut all = Vec::new();
    block.parameters("block", learning, &mut all);
    all
}

fn rows() -> Rows {
    Rows::whole(&[&[1, 2, 3, 4, 5], &[9, 8, 7, 6, 5]], vec![5, 5], 0)
}

#[track_caller]
fn close(what: &str, ours: Vec<f32>, theirs: Vec<f32>) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let scale = theirs.iter().fold(1.0_f32, |most, x| most.max(x.abs()));
    for (i, (a, b)) in ours.iter().zip(&theirs).enumerate() {
        assert!((a - b).abs() <= 3e-5 * scale, "{what}[{i}]: {a} against {b}");
    }
}

fn host<B: FusedOps, const D: usize>(t: Tensor<B, D>) -> Vec<f32> {
    t.into_data().iter::<f32>().collect()
}

#[test]
fn every_architectures_backward_is_that_of_autodiff() {
    for architecture in ["llama", "qwen2", "qwen3"] {
        for learning in [Learning::Full, Learning::Lora] {
            let (rows, shape) = (rows(), [10, HIDDEN]);
            let mut ours = model::<Flex>(architecture, learning);
            let pass = ours.pass(&rows, rows.width);
            let (out, kept) = ours.blocks[0].forward(matrix("x", shape), &pass);
            let (dx, gradients) = ours.blocks[0].backward(kept, matrix("dy", shape), &pass, learning, None);

            let mut twin = model::<A>(architecture, learning);
            let pass = twin.pass(&rows, rows.width);
            for (_, mut parameter) in parameters(&mut twin.blocks[0], learning) {
                match &mut parameter {
                    Parameter::Vector(t) => **t = t.clone().require_grad(),
                    Parameter::Matrix(t) => **t = t.clone().require_grad(),
                }
            }
            let x = matrix::<A>("x", shape).require_grad();
            let (theirs, _) = twin.blocks[0].forward(x.clone(), &pass);
            let what = format!("{architecture}, {learning:?}");
            close(&format!("{what}: output"), host(out), host(theirs.clone()));
            let grads = (theirs * matrix("dy", shape)).sum().backward();
            close(&format!("{what}: dx"), host(dx), host(x.grad(&grads).unwrap()));
            let learned = parameters(&mut twin.blocks[0], learning);
            assert_eq!(learned.len(), gradients.len(), "{what}");
            for ((name, parameter), ours) in learned.into_iter().zip(gradients) {
                let theirs = match parameter {
                    Parameter::Vector(t) => host(t.grad(&grads).unwrap()),
                    Parameter::Matrix(t) => host(t.grad(&grads).unwrap()),
                };
                close(&format!("{what}: {name}"), host(ours), theirs);
            }
            assert_eq!(parameters(&mut ours.blocks[0], Learning::Full).len(), ours.config.tensors().len() - 3);
        }
    }
}

/// `Σ out · dy` moves with each gain of the heads' norms as the backward pass says.
#[test]
fn gains_of_queries_and_keys_move_the_output_as_their_gradients_say() {
    const STEP: f32 = 1e-2;
    let (rows, shape) = (rows(), [10, HIDDEN]);
    let mut qwen3 = model::<Flex>("qwen3", Learning::Full);
    let pass = qwen3.pass(&rows, rows.width);
    let value = |block: &Block<Flex>| {
        let out = block.forward(matrix("x", shape), &pass).0;
        f64::from(host((out * matrix("dy", shape)).sum())[0])
    };
    let block = &mut qwen3.blocks[0];
    let (_, kept) = block.forward(matrix("x", shape), &pass);
    let (_, gradients) = block.backward(kept, matrix("dy", shape), &pass, Learning::Full, None);
    let names: Vec<String> = parameters(block, Learning::Full).into_iter().map(|(name, _)| name).collect();
    let mut seen = 0;
    for (i, name) in names.iter().enumerate().filter(|(_, name)| name.contains("q_norm") || name.contains("k_norm")) {
        let gradient = host(gradients[i].clone());
        for channel in 0..gradient.len() {
            let moved = |by: f32| {
                let mut block = block.clone();
                let mut all = parameters(&mut block, Learning::Full);
                let mut gain = host(all[i].1.flat());
                gain[channel] += by;
                let n = gain.len();
                all[i].1.set(Tensor::from_data(TensorData::new(gain, [n]), &Default::default()));
                drop(all);
                value(&block)
            };
            let slope = (moved(STEP) - moved(-STEP)) / f64::from(2.0 * STEP);
            let told = f64::from(gradient[channel]);
            assert!((slope - told).abs() < 2e-3 * told.abs().max(0.1), "{name}[{channel}]: {slope} against {told}");
            seen += 1;
        }
    }
    assert_eq!(seen, 16);
}
