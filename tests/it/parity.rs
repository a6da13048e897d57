//! The model, its steering and its training against PyTorch, transformers and PEFT. The same checks run on every backend
//! that is built in and has a device here.

use std::ops::ControlFlow;

use burn::tensor::{DType, Tensor};
use trimtab::kernels::FusedOps;
use trimtab::model::peft::Adapter;
use trimtab::model::{Learning, Qwen};
use trimtab::steering::{Positions, SteeringPlan};
use trimtab::text::{Batch, Rows, TrainingExample};
use trimtab::train::{self, Event, FitContext, FitSettings, LossAverage};
use trimtab::vector::{IncBase, Layer, PersonaVector};

use crate::goldens::{assert_close, fixture, floats, integers, json};

fn tiny<B: FusedOps>(device: &B::Device) -> Qwen<B> {
    Qwen::load(&fixture("tiny"), device, DType::F32).unwrap()
}

pub fn values<B: FusedOps, const D: usize>(t: Tensor<B, D>) -> Vec<f32> {
    t.into_data().iter::<f32>().collect()
}

/// The padded batch of three prompts, with its padding on one side.
fn batch(side: &str) -> (Rows, Vec<usize>) {
    let ids = integers(&format!("fwd.{side}.input_ids"));
    let mask = integers(&format!("fwd.{side}.attention_mask")).values;
    let (rows, width) = (ids.shape[0], ids.shape[1]);
    let lens: Vec<usize> = mask.chunks(width).map(|row| row.iter().sum::<i64>() as usize).collect();
    let left = side == "left";
    let start: Vec<usize> = lens.iter().map(|len| if left { width - len } else { 0 }).collect();
    let end = start.iter().zip(&lens).map(|(s, len)| s + len).collect();
    let real = (0..rows * width).filter(|&i| mask[i] == 1).collect();
    let ids = ids.values.iter().map(|&id| id as u32).collect();
    (Rows { ids, width, start, at: vec![0; rows], end, prompt: lens, coefs: vec![None; rows] }, real)
}

/// The given rows of a matrix, packed.
fn pick<B: FusedOps>(t: &Tensor<B, 2>, rows: &[usize]) -> Vec<f32> {
    let d = t.dims()[1];
    let all = values(t.clone());
    rows.iter().flat_map(|&r| all[r * d..(r + 1) * d].to_vec()).collect()
}

pub fn vectors() -> PersonaVector {
    let golden = floats("steer.vectors");
    PersonaVector::new(golden.values.chunks(golden.shape[1]).map(<[f32]>::to_vec).collect()).unwrap()
}

pub fn forward<B: FusedOps>(device: &B::Device) {
    let model = tiny::<B>(device);
    for side in ["right", "left"] {
        let (rows, real) = batch(side);
        let pass = model.pass(&rows, rows.width);
        let hidden = floats(&format!("fwd.{side}.hidden"));
        let size = hidden.shape[1] * hidden.shape[2];
        let mut states = Vec::new();
        let stream = model.stream(&pass, None, |_, h| states.push(h.clone()));
        for (row, h) in states.iter().enumerate() {
            // The golden's last row is taken after the final norm; ours is raw.
            let h = if row < 4 { h.clone() } else { B::rms_norm(h, &model.norm, model.epsilon()) };
            let golden = &hidden.values[row * size..(row + 1) * size];
            assert_close(&format!("fwd.{side}.hidden[{row}]"), &pick(&h, &real), golden, 1e-4);
        }
        let golden = floats(&format!("fwd.{side}.logits"));
        assert_close(&format!("fwd.{side}.logits"), &pick(&model.logits(&stream), &real), &golden.values, 1e-4);
    }
}

pub fn steering<B: FusedOps>(device: &B::Device) {
    let (rows, real) = batch("left");
    for (positions, name) in [(Positions::All, "all"), (Positions::Prompt, "all"), (Positions::Response, "response")] {
        let model = tiny::<B>(device).steered(&SteeringPlan::rows(&vectors(), &[Layer(2)], 2.0, positions)).unwrap();
        let pass = model.pass(&rows, rows.width);
        let mut block_output = None;
        let stream = model.stream(&pass, None, |row, h| {
            if row == 2 {
                block_output = Some(h.clone());
            }
        });
        let logits = model.logits(&stream);
        if name == "all" {
            assert_close("logits", &pick(&logits, &real), &floats("steer.all.logits").values, 1e-4);
            let golden = floats("steer.all.block_output").values;
            assert_close("block output", &pick(&block_output.unwrap(), &real), &golden, 1e-4);
            let normed = B::rms_norm(&stream, &model.norm, model.epsilon());
            assert_close("last hidden", &pick(&normed, &real), &floats("steer.all.last_hidden").values, 1e-4);
        } else {
            let last: Vec<usize> = (0..rows.len()).map(|b| (b + 1) * rows.width - 1).collect();
            let golden = floats("steer.response.last_logits").values;
            assert_close("response logits", &pick(&logits, &last), &golden, 1e-4);
        }
    }
}

/// The eight chats as lessons, straight from the golden ids and labels.
pub fn lessons() -> Vec<TrainingExample> {
    let (ids, mask, labels) =
        (integers("sft.input_ids"), integers("sft.attention_mask").values, integers("sft.labels").values);
    let width = ids.shape[1];
    (0..ids.shape[0])
        .map(|row| {
            let real: Vec<usize> = (row * width..(row + 1) * width).filter(|&i| mask[i] == 1).collect();
            TrainingExample {
                ids: real.iter().map(|&i| ids.values[i] as u32).collect(),
                weights: real.iter().map(|&i| if labels[i] >= 0 { 1.0 } else { 0.0 }).collect(),
            }
        })
        .collect()
}

/// PEFT's name of a tensor that learns, as the goldens have it, from ours, and whether ours is the transpose (always).
fn golden_name(ours: &str) -> String {
    ours.replace("model.layers.", "layers.")
}

pub fn transposed(values: &[f32], rows: usize) -> Vec<f32> {
    let columns = values.len() / rows;
    (0..columns).flat_map(|c| (0..rows).map(move |r| values[r * columns + c])).collect()
}

pub fn adapted<B: FusedOps>(device: &B::Device) -> Qwen<B> {
    let model = tiny::<B>(device);
    model.with_adapter(&Adapter::read(&fixture("adapter"), &model.config).unwrap())
}

fn check_parameters(prefix: &str, found: Vec<(String, [usize; 2], Vec<f32>)>, bound: f32) {
    assert_eq!(found.len(), 4 * 7 * 2, "tensors that learn");
    for (name, [rows, _], values) in found {
        let name = format!("{prefix}.{}", golden_name(&name));
        assert_close(&name, &transposed(&values, rows), &floats(&name).values, bound);
    }
}

pub fn adapter_loss<B: FusedOps>(device: &B::Device) {
    let model = adapted::<B>(device);
    let lessons = lessons();
    let golden = floats("sft.lora_token_loss").values;
    let mut at = 0;
    for lesson in &lessons[..4] {
        let n = lesson.supervised();
        let mean = golden[at..at + n].iter().sum::<f32>() / n as f32;
        let loss = train::mean_loss(&model, std::slice::from_ref(lesson), 1, 0) as f32;
        assert!((loss - mean).abs() < 1e-5, "loss {loss}, golden {mean}");
        at += n;
    }
    let four: Vec<&TrainingExample> = lessons[..4].iter().collect();
    let batch = Batch::collate(&four, 0);
    let logits = model.logits(&model.stream(&model.pass(&batch.rows, batch.rows.width), None, |_, _| {}));
    let last: Vec<usize> = (0..4).map(|b| b * batch.rows.width + batch.rows.end[b] - 1).collect();
    assert_close("last logits", &pick(&logits, &last), &floats("sft.lora_last_logits").values, 1e-4);
}

fn intervention(mode: &str) -> SteeringPlan {
    let (vectors, coef, all) = (vectors(), 5.0, Positions::All);
    match mode {
        "none" => SteeringPlan::none(),
        "steer" => SteeringPlan::rows(&vectors, &[Layer(3)], coef, all),
        "incremental" => SteeringPlan::incremental(&vectors, IncBase::Embedding, coef, all),
        "ablate" => SteeringPlan::ablate(&vectors, &[Layer(3)], all),
        other => panic!("{other}"),
    }
}

pub fn gradients<B: FusedOps>(device: &B::Device) {
    let lessons = lessons();
    let four: Vec<&TrainingExample> = lessons[..4].iter().collect();
    let batch = Batch::collate(&four, 0);
    let divisor: f32 = batch.weights.iter().sum();
    let losses: serde_json::Value = json("grad");
    for mode in ["none", "steer", "incremental", "ablate"] {
        let mut model = adapted::<B>(device).steered(&intervention(mode)).unwrap();
        for recompute in [false, true] {
            let found = train::gradients(&model, Learning::Lora, &batch, divisor, recompute, None);
            let golden = losses["losses"][mode].as_f64().unwrap() as f32;
            assert_close(&format!("loss {mode}"), &values(found.loss), &[golden], 1e-5);
            let found = model
                .parameters(Learning::Lora)
                .into_iter()
                .zip(found.parameters)
                .map(|((name, parameter), grad)| (name, parameter.dims(), values(grad)))
                .collect();
            check_parameters(&format!("grad.{mode}"), found, 2e-5);
        }
    }
}

pub fn ten_steps<B: FusedOps>(device: &B::Device) {
    let lessons = lessons();
    for (mode, plan, loss_average) in [
        ("token_mean", "none", LossAverage::Tokens),
        ("micro_mean", "none", LossAverage::MicroBatches),
        ("steer", "steer", LossAverage::Tokens),
    ] {
        let mut model = adapted::<B>(device).steered(&intervention(plan)).unwrap();
        let settings = FitSettings {
            learning_rate: 1e-3,
            warmup_steps: 2,
            micro_batch: 2,
            accumulation: 2,
            epochs: 5,
            shuffle: false,
            loss_average,
            ..FitSettings::default()
        };
        let mut reports = Vec::new();
        let mut tell = |event: &Event| {
            if let Event::Step(report, ..) = event {
                reports.push(*report);
            }
            ControlFlow::Continue(())
        };
        train::fit(&mut model, Learning::Lora, &FitContext::new(&lessons, 0, &settings), &mut tell).unwrap();
        let column = |f: fn(&train::StepReport) -> f64| reports.iter().map(|r| f(r) as f32).collect::<Vec<_>>();
        let golden = |key: &str| floats(&format!("train.{mode}.{key}")).values;
        assert_close(&format!("{mode} loss"), &column(|r| r.loss), &golden("loss"), 1e-5);
        assert_close(&format!("{mode} norm"), &column(|r| r.grad_norm), &golden("grad_norm"), 1e-4);
        let found = model
            .parameters(Learning::Lora)
            .into_iter()
            .map(|(name, parameter)| (name, parameter.dims(), values(parameter.flat())))
            .collect();
        check_parameters(&format!("train.{mode}.final"), found, 1e-5);
    }
}

pub fn sharded<B: FusedOps>(device: &B::Device) {
    let model = Qwen::<B>::load(&fixture("tiny-sharded"), device, DType::F32).unwrap();
    let (rows, _) = batch("right");
    let text = &rows.ids[2 * rows.width..2 * rows.width + rows.end[2]];
    let rows = Rows::whole(&[text], vec![text.len()], 0);
    let logits = model.logits(&model.stream(&model.pass(&rows, rows.width), None, |_, _| {}));
    let last: Vec<usize> = (text.len() - 8..text.len()).collect();
    assert_close("sharded", &pick(&logits, &last), &floats("sharded.f32.logits").values, 1e-4);
}

pub fn extraction<B: FusedOps>(device: &B::Device) {
    let model = tiny::<B>(device);
    let ids = integers("extract.input_ids");
    let (prompt, total) = (integers("extract.prompt_len").values, integers("extract.total_len").values);
    let width = ids.shape[1];
    for sample in 0..ids.shape[0] {
        let (p, t) = (prompt[sample] as usize, total[sample] as usize);
        let text: Vec<u32> = ids.values[sample * width..sample * width + t].iter().map(|&id| id as u32).collect();
        let rows = Rows::whole(&[&text], vec![p], 0);
        let mut states = Vec::new();
        model.stream(&model.pass(&rows, rows.width), None, |_, h| states.push(h.clone()));
        for (row, h) in states.iter().enumerate() {
            let h = if row < 4 { h.clone() } else { B::rms_norm(h, &model.norm, model.epsilon()) };
            let mean = |from: usize, len: usize| values(h.clone().narrow(0, from, len).mean_dim(0));
            let golden = |what: &str| {
                let all = floats(&format!("extract.{what}"));
                let d = all.shape[2];
                let at = (sample * all.shape[1] + row) * d;
                all.values[at..at + d].to_vec()
            };
            assert_close("prompt_avg", &mean(0, p), &golden("prompt_avg"), 1e-4);
            assert_close("response_avg", &mean(p, t - p), &golden("response_avg"), 1e-4);
            assert_close("prompt_last", &mean(p - 1, 1), &golden("prompt_last"), 1e-4);
        }
    }
}

/// The checks of one backend as tests of their own.
macro_rules! on {
    ($backend:ty, $device:expr) => {
        use super::*;

        fn run(check: impl Fn(&<$backend as burn::tensor::backend::BackendTypes>::Device)) {
            match $device {
                Ok(device) => check(&device),
                Err(why) => eprintln!("skipped: {why}"),
            }
        }

        #[test]
        fn logits_and_hidden_states_equal_transformers() {
            run(forward::<$backend>);
        }
        #[test]
        fn steering_equals_the_reference_hooks() {
            run(steering::<$backend>);
        }
        #[test]
        fn an_adapter_of_peft_gives_its_losses() {
            run(adapter_loss::<$backend>);
        }
        #[test]
        fn lora_gradients_equal_pytorch_in_every_mode() {
            run(gradients::<$backend>);
        }
        #[test]
        fn ten_training_steps_equal_pytorch_in_every_mode() {
            run(ten_steps::<$backend>);
        }
        #[test]
        fn gradients_of_every_intervention_equal_pytorch() {
            run(crate::interventions::gradients::<$backend>);
        }
        #[test]
        fn ten_steps_with_every_regulariser_equal_pytorch() {
            run(crate::interventions::ten_steps::<$backend>);
        }
        #[test]
        fn shards_and_untied_heads_load() {
            run(sharded::<$backend>);
        }
        #[test]
        fn means_at_three_positions_equal_the_reference() {
            run(extraction::<$backend>);
        }
    };
}

#[cfg(feature = "cpu")]
mod cpu {
    on!(burn::backend::Flex, Ok::<_, String>(Default::default()));
}

#[cfg(any(feature = "wgpu", feature = "vulkan", feature = "metal"))]
mod wgpu {
    /// The default device, if there is one: Mesa's lavapipe where there is no GPU.
    fn device() -> Result<burn::backend::wgpu::WgpuDevice, String> {
        let device = burn::backend::wgpu::WgpuDevice::DefaultDevice;
        let probe = || Tensor::<burn::backend::Wgpu, 1>::ones([1], &device).into_data();
        match std::panic::catch_unwind(probe) {
            Ok(_) => Ok(device),
            Err(_) => Err("no Vulkan, Metal or DirectX device here (on Debian: install mesa-vulkan-drivers)".into()),
        }
    }

    on!(burn::backend::Wgpu, device());
}
