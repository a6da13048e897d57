//! The model, its steering and its training against PyTorch, transformers and PEFT. The same checks run on every backend
//! that is built in and has a device here.

use burn::tensor::{DType, Tensor};
use trimtab::kernels::FusedOps;
use trimtab::model::{Learning, Qwen};
use trimtab::steering::{Positions, SteeringPlan};
use trimtab::text::Rows;
use trimtab::train::{self, FitContext, FitSettings, LossAverage};
use trimtab::vector::{IncBase, Layer};

use crate::support::goldens::{assert_close, fixture, floats, integers, json};
use crate::support::reference::{self, adapted, check_parameters, examples, settings, steps, tiny, values, vectors};

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

fn forward<B: FusedOps>(device: &B::Device) {
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

fn steering<B: FusedOps>(device: &B::Device) {
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

fn adapter_loss<B: FusedOps>(device: &B::Device) {
    let model = adapted::<B>(device);
    let examples = examples();
    let golden = floats("sft.lora_token_loss").values;
    let mut at = 0;
    for example in &examples[..4] {
        let n = example.supervised();
        let mean = golden[at..at + n].iter().sum::<f32>() / n as f32;
        let loss = train::mean_loss(&model, std::slice::from_ref(example), 1, 0) as f32;
        assert!((loss - mean).abs() < 1e-5, "loss {loss}, golden {mean}");
        at += n;
    }
    let (batch, _) = reference::batch(4);
    let logits = model.logits(&model.stream(&model.pass(&batch.rows, batch.rows.width), None, |_, _| {}));
    let last: Vec<usize> = (0..4).map(|b| b * batch.rows.width + batch.rows.end[b] - 1).collect();
    assert_close("last logits", &pick(&logits, &last), &floats("sft.lora_last_logits").values, 1e-4);
}

fn check_all(prefix: &str, found: Vec<(String, [usize; 2], Vec<f32>)>, bound: f32) {
    assert_eq!(found.len(), 4 * 7 * 2, "tensors that learn");
    check_parameters(prefix, floats, found, bound);
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

fn gradients<B: FusedOps>(device: &B::Device) {
    let (batch, divisor) = reference::batch(4);
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
            check_all(&format!("grad.{mode}"), found, 2e-5);
        }
    }
}

fn ten_steps<B: FusedOps>(device: &B::Device) {
    let examples = examples();
    for (mode, plan, loss_average) in [
        ("token_mean", "none", LossAverage::Tokens),
        ("micro_mean", "none", LossAverage::MicroBatches),
        ("steer", "steer", LossAverage::Tokens),
    ] {
        let mut model = adapted::<B>(device).steered(&intervention(plan)).unwrap();
        let settings = FitSettings { loss_average, ..settings() };
        let reports = steps(&mut model, &FitContext::new(&examples, 0, &settings));
        let column = |f: fn(&train::StepReport) -> f64| reports.iter().map(|r| f(r) as f32).collect::<Vec<_>>();
        let golden = |key: &str| floats(&format!("train.{mode}.{key}")).values;
        assert_close(&format!("{mode} loss"), &column(|r| r.loss), &golden("loss"), 1e-5);
        assert_close(&format!("{mode} norm"), &column(|r| r.grad_norm), &golden("grad_norm"), 1e-4);
        let found = model
            .parameters(Learning::Lora)
            .into_iter()
            .map(|(name, parameter)| (name, parameter.dims(), values(parameter.flat())))
            .collect();
        check_all(&format!("train.{mode}.final"), found, 1e-5);
    }
}

fn sharded<B: FusedOps>(device: &B::Device) {
    let model = Qwen::<B>::load(&fixture("tiny-sharded"), device, DType::F32).unwrap();
    let (rows, _) = batch("right");
    let text = &rows.ids[2 * rows.width..2 * rows.width + rows.end[2]];
    let rows = Rows::whole(&[text], vec![text.len()], 0);
    let logits = model.logits(&model.stream(&model.pass(&rows, rows.width), None, |_, _| {}));
    let last: Vec<usize> = (text.len() - 8..text.len()).collect();
    assert_close("sharded", &pick(&logits, &last), &floats("sharded.f32.logits").values, 1e-4);
}

fn extraction<B: FusedOps>(device: &B::Device) {
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

on_every_backend! {
    logits_and_hidden_states_equal_transformers: forward,
    steering_equals_the_reference_hooks: steering,
    an_adapter_of_peft_gives_its_losses: adapter_loss,
    lora_gradients_equal_pytorch_in_every_mode: gradients,
    ten_training_steps_equal_pytorch_in_every_mode: ten_steps,
    shards_and_untied_heads_load: sharded,
    means_at_three_positions_equal_the_reference: extraction,
}
