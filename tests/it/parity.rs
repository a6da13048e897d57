//! The models, their steering and their training against PyTorch, transformers and PEFT. The same checks run for every
//! architecture and on every backend that is built in and has a device here.

use burn_tensor::{DType, Tensor};
use trimtab::generate::{Engine, Job, Vocabulary};
use trimtab::kernels::FusedOps;
use trimtab::language_model::Sampling;
use trimtab::model::{Architecture, Learning, Transformer};
use trimtab::steering::{Positions, SteeringPlan};
use trimtab::text::Rows;
use trimtab::train::{self, FitContext, FitSettings, LossAverage};
use trimtab::vector::{IncBase, Layer};

use crate::support::goldens::{Goldens, assert_close, fixture, floats};
use crate::support::reference::{check_parameters, settings, steps, values};

/// The padded batch of three prompts, with its padding on one side.
fn batch(goldens: &Goldens, side: &str) -> (Rows, Vec<usize>) {
    let ids = goldens.integers(&format!("fwd.{side}.input_ids"));
    let mask = goldens.integers(&format!("fwd.{side}.attention_mask")).values;
    let (rows, width) = (ids.shape[0], ids.shape[1]);
    let lens: Vec<usize> = mask.chunks(width).map(|row| row.iter().sum::<i64>() as usize).collect();
    let left = side == "left";
    let start: Vec<usize> = lens.iter().map(|len| if left { width - len } else { 0 }).collect();
    let end = start.iter().zip(&lens).map(|(s, len)| s + len).collect();
    let real = (0..rows * width).filter(|&i| mask[i] == 1).collect();
    let ids = ids.values.iter().map(|&id| id as u32).collect();
    (Rows { ids, width, start, at: vec![0; rows], end, prompt: lens, coefs: vec![None; rows] }, real)
}

/// The check for every architecture.
fn every(check: impl Fn(&Goldens)) {
    for goldens in Goldens::all() {
        eprintln!("{}", goldens.architecture.name());
        check(goldens);
    }
}

/// The given rows of a matrix, packed.
fn pick<B: FusedOps>(t: &Tensor<B, 2>, rows: &[usize]) -> Vec<f32> {
    let d = t.dims()[1];
    let all = values(t.clone());
    rows.iter().flat_map(|&r| all[r * d..(r + 1) * d].to_vec()).collect()
}

fn forward<B: FusedOps>(device: &B::Device) {
    every(|goldens| {
        let model = goldens.load::<B>(device);
        for side in ["right", "left"] {
            let (rows, real) = batch(goldens, side);
            let pass = model.pass(&rows, rows.width);
            // Packed, the two sides have the same rows; some fixtures hold one of them.
            let side = if goldens.has(&format!("fwd.{side}.logits")) { side } else { "right" };
            let hidden = goldens.floats(&format!("fwd.{side}.hidden"));
            let size = hidden.shape[1] * hidden.shape[2];
            let mut states = Vec::new();
            let stream = model.stream(&pass, None, |_, h| states.push(h.clone()));
            for (row, h) in states.iter().enumerate() {
                let h = as_transformers(&model, row, h);
                let golden = &hidden.values[row * size..(row + 1) * size];
                assert_close(&format!("fwd.{side}.hidden[{row}]"), &pick(&h, &real), golden, 1e-4);
            }
            let golden = goldens.floats(&format!("fwd.{side}.logits"));
            assert_close(&format!("fwd.{side}.logits"), &pick(&model.logits(&stream), &real), &golden.values, 1e-4);
        }
    });
}

/// Matrices in bf16 on the CPU: the goldens' weights are f32 and have digits to lose, so this is more than a bf16 checkpoint
/// loses (guide: method, "Dtypes").
#[test]
#[cfg(feature = "cpu")]
fn bf16_is_near_the_logits_of_f32() {
    every(|goldens| {
        let model = Transformer::<burn_flex::Flex>::load(&goldens.model, &Default::default(), DType::BF16).unwrap();
        let (rows, real) = batch(goldens, "right");
        let stream = model.stream(&model.pass(&rows, rows.width), None, |_, _| {});
        let found = pick(&model.logits(&stream), &real);
        let right = goldens.floats("fwd.right.logits").values;
        let off: Vec<f32> = found.iter().zip(&right).map(|(a, b)| (a - b).abs()).collect();
        let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len() as f32;
        let spread = mean(&right.iter().map(|x| x * x).collect::<Vec<_>>()).sqrt();
        let (most, mean) = (off.iter().copied().fold(0.0, f32::max) / spread, mean(&off) / spread);
        eprintln!("largest difference {most:.4}, mean {mean:.4} of the logits' root mean square {spread:.3}");
        assert!(most < 0.2 && mean < 0.03, "{}: {most}, {mean}", goldens.architecture.name());
    });
}

/// A row of the stream as `hidden_states` has it: the last one is taken after the final norm.
fn as_transformers<B: FusedOps>(model: &Transformer<B>, row: usize, h: &Tensor<B, 2>) -> Tensor<B, 2> {
    match row == model.blocks.len() {
        true => B::rms_norm(h, &model.norm, model.epsilon()),
        false => h.clone(),
    }
}

fn steering<B: FusedOps>(device: &B::Device) {
    every(|goldens| {
        let (rows, real) = batch(goldens, "left");
        for positions in [Positions::All, Positions::Prompt, Positions::Response] {
            let plan = SteeringPlan::rows(&goldens.vectors(), &[Layer(2)], 2.0, positions);
            let model = goldens.load::<B>(device).steered(&plan).unwrap();
            let pass = model.pass(&rows, rows.width);
            let mut block_output = None;
            let stream = model.stream(&pass, None, |row, h| {
                if row == 2 {
                    block_output = Some(h.clone());
                }
            });
            let logits = model.logits(&stream);
            let close = |what: &str, found: &Tensor<B, 2>, rows: &[usize]| {
                if goldens.has(what) {
                    assert_close(what, &pick(found, rows), &goldens.floats(what).values, 1e-4);
                }
            };
            if positions == Positions::Response {
                let last: Vec<usize> = (0..rows.len()).map(|b| (b + 1) * rows.width - 1).collect();
                close("steer.response.last_logits", &logits, &last);
            } else {
                close("steer.all.logits", &logits, &real);
                close("steer.all.block_output", &block_output.unwrap(), &real);
                close("steer.all.last_hidden", &as_transformers(&model, model.blocks.len(), &stream), &real);
            }
        }
    });
}

fn adapter_loss<B: FusedOps>(device: &B::Device) {
    every(|goldens| adapter_loss_of::<B>(goldens, device));
}

fn adapter_loss_of<B: FusedOps>(goldens: &Goldens, device: &B::Device) {
    let model = goldens.adapted::<B>(device);
    let examples = goldens.examples();
    let golden = goldens.floats("sft.lora_token_loss").values;
    let mut at = 0;
    for example in &examples[..4] {
        let n = example.supervised();
        let mean = golden[at..at + n].iter().sum::<f32>() / n as f32;
        let loss = train::mean_loss(&model, std::slice::from_ref(example), 1, 0) as f32;
        assert!((loss - mean).abs() < 1e-5, "loss {loss}, golden {mean}");
        at += n;
    }
    let (batch, _) = goldens.batch(4);
    let logits = model.logits(&model.stream(&model.pass(&batch.rows, batch.rows.width), None, |_, _| {}));
    let last: Vec<usize> = (0..4).map(|b| b * batch.rows.width + batch.rows.end[b] - 1).collect();
    assert_close("last logits", &pick(&logits, &last), &goldens.floats("sft.lora_last_logits").values, 1e-4);
}

/// Compares every tensor that learns with the golden of that prefix.
fn check_all(goldens: &Goldens, prefix: &str, found: Vec<(String, [usize; 2], Vec<f32>)>, bound: f32) {
    let pairs = goldens.vectors().rows.len() - 1;
    assert_eq!(found.len(), pairs * 7 * 2, "tensors that learn");
    check_parameters(prefix, |name| goldens.floats(name), found, bound);
}

fn intervention(goldens: &Goldens, mode: &str) -> SteeringPlan {
    let (vectors, coef, all) = (goldens.vectors(), 5.0, Positions::All);
    match mode {
        "none" => SteeringPlan::none(),
        "steer" => SteeringPlan::rows(&vectors, &[Layer(3)], coef, all),
        "incremental" => SteeringPlan::incremental(&vectors, IncBase::Embedding, coef, all),
        "ablate" => SteeringPlan::ablate(&vectors, &[Layer(3)], all),
        other => panic!("{other}"),
    }
}

fn gradients<B: FusedOps>(device: &B::Device) {
    every(|goldens| {
        let (batch, divisor) = goldens.batch(4);
        let losses: serde_json::Value = goldens.json("grad");
        for mode in ["none", "steer", "incremental", "ablate"] {
            let mut model = goldens.adapted::<B>(device).steered(&intervention(goldens, mode)).unwrap();
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
                check_all(goldens, &format!("grad.{mode}"), found, 2e-5);
            }
        }
    });
}

/// The gains, biases and projections of queries and keys for which there are goldens, with every weight learning.
fn full_gradients<B: FusedOps>(device: &B::Device) {
    every(|goldens| {
        let mut model = goldens.load::<B>(device);
        let (batch, divisor) = goldens.batch(4);
        let found = train::gradients(&model, Learning::Full, &batch, divisor, false, None).parameters;
        let mut compared = 0;
        for ((name, _), gradient) in model.parameters(Learning::Full).into_iter().zip(found) {
            let name = format!("grad.full.{name}");
            if goldens.has(&name) {
                assert_close(&name, &values(gradient), &goldens.floats(&name).values, 5e-5);
                compared += 1;
            }
        }
        let all = goldens.names().iter().filter(|name| name.starts_with("grad.full.")).count();
        assert_eq!(compared, all);
    });
}

fn ten_steps<B: FusedOps>(device: &B::Device) {
    every(|goldens| {
        let examples = goldens.examples();
        for (mode, plan, loss_average) in [
            ("token_mean", "none", LossAverage::Tokens),
            ("micro_mean", "none", LossAverage::MicroBatches),
            ("steer", "steer", LossAverage::Tokens),
        ] {
            if !goldens.has(&format!("train.{mode}.loss")) {
                continue;
            }
            let mut model = goldens.adapted::<B>(device).steered(&intervention(goldens, plan)).unwrap();
            let settings = FitSettings { loss_average, ..settings() };
            let reports = steps(&mut model, &FitContext::new(&examples, 0, &settings));
            let column = |f: fn(&train::StepReport) -> f64| reports.iter().map(|r| f(r) as f32).collect::<Vec<_>>();
            let golden = |key: &str| goldens.floats(&format!("train.{mode}.{key}")).values;
            assert_close(&format!("{mode} loss"), &column(|r| r.loss), &golden("loss"), 1e-5);
            assert_close(&format!("{mode} norm"), &column(|r| r.grad_norm), &golden("grad_norm"), 1e-4);
            let found = model
                .parameters(Learning::Lora)
                .into_iter()
                .map(|(name, parameter)| (name, parameter.dims(), values(parameter.flat())))
                .collect();
            check_all(goldens, &format!("train.{mode}.final"), found, 1e-5);
        }
    });
}

/// Greedy answers from prompts of unequal length, through the engine and its cache, plain and steered.
fn greedy<B: FusedOps>(device: &B::Device) {
    every(|goldens| {
        let (rows, _) = batch(goldens, "right");
        let job = |b: usize| Job {
            id: b.to_string(),
            prompt: rows.ids[b * rows.width..b * rows.width + rows.end[b]].into(),
            coefs: None,
        };
        let jobs: Vec<Job> = (0..rows.len()).map(job).collect();
        let modes = [
            ("none", None),
            ("steer_all", Some(Positions::All)),
            ("steer_prompt", Some(Positions::Prompt)),
            ("steer_response", Some(Positions::Response)),
        ];
        for (mode, positions) in modes {
            let plan = positions.map_or_else(SteeringPlan::none, |positions| {
                SteeringPlan::rows(&goldens.vectors(), &[Layer(2)], 2.0, positions)
            });
            let model = goldens.load::<B>(device).steered(&plan).unwrap();
            let golden = goldens.integers(&format!("gen.{mode}.tokens"));
            let steps = golden.shape[1];
            // What ends an answer in `generation_config.json`; the goldens are filled up behind it.
            let eos_ids = vec![511, 509];
            let vocabulary = Vocabulary { len: model.config.vocab_size, eos_ids: eos_ids.clone() };
            let replies =
                Engine::new(model, vocabulary).generate(&jobs, &Sampling::greedy(steps), &mut |_| {}).unwrap();
            for (b, (reply, golden)) in replies.iter().zip(golden.values.chunks(steps)).enumerate() {
                let golden: Vec<u32> = golden.iter().map(|&id| id as u32).collect();
                let end = golden.iter().position(|id| eos_ids.contains(id)).map_or(steps, |at| at + 1);
                assert_eq!(reply.tokens, golden[..end], "{mode}, prompt {b}");
            }
        }
    });
}

fn sharded<B: FusedOps>(device: &B::Device) {
    let model = Transformer::<B>::load(&fixture("tiny-sharded"), device, DType::F32).unwrap();
    let (rows, _) = batch(Goldens::of(Architecture::Qwen2), "right");
    let text = &rows.ids[2 * rows.width..2 * rows.width + rows.end[2]];
    let rows = Rows::whole(&[text], vec![text.len()], 0);
    let logits = model.logits(&model.stream(&model.pass(&rows, rows.width), None, |_, _| {}));
    let last: Vec<usize> = (text.len() - 8..text.len()).collect();
    assert_close("sharded", &pick(&logits, &last), &floats("sharded.f32.logits").values, 1e-4);
}

fn extraction<B: FusedOps>(device: &B::Device) {
    every(|goldens| {
        let model = goldens.load::<B>(device);
        let ids = goldens.integers("extract.input_ids");
        let lengths = ["prompt", "total"].map(|what| goldens.integers(&format!("extract.{what}_len")).values);
        let [prompt, total] = lengths;
        let width = ids.shape[1];
        for sample in 0..ids.shape[0] {
            let (p, t) = (prompt[sample] as usize, total[sample] as usize);
            let text: Vec<u32> = ids.values[sample * width..sample * width + t].iter().map(|&id| id as u32).collect();
            let rows = Rows::whole(&[&text], vec![p], 0);
            let mut states = Vec::new();
            model.stream(&model.pass(&rows, rows.width), None, |_, h| states.push(h.clone()));
            for (row, h) in states.iter().enumerate() {
                let h = as_transformers(&model, row, h);
                let mean = |from: usize, len: usize| values(h.clone().narrow(0, from, len).mean_dim(0));
                let golden = |what: &str| {
                    let all = goldens.floats(&format!("extract.{what}"));
                    let d = all.shape[2];
                    let at = (sample * all.shape[1] + row) * d;
                    all.values[at..at + d].to_vec()
                };
                assert_close("prompt_avg", &mean(0, p), &golden("prompt_avg"), 1e-4);
                assert_close("response_avg", &mean(p, t - p), &golden("response_avg"), 1e-4);
                assert_close("prompt_last", &mean(p - 1, 1), &golden("prompt_last"), 1e-4);
            }
        }
    });
}

on_every_backend! {
    logits_and_hidden_states_equal_transformers: forward,
    steering_equals_the_reference_hooks: steering,
    an_adapter_of_peft_gives_its_losses: adapter_loss,
    lora_gradients_equal_pytorch_in_every_mode: gradients,
    gradients_of_gains_and_projections_equal_pytorch: full_gradients,
    greedy_answers_equal_transformers: greedy,
    ten_training_steps_equal_pytorch_in_every_mode: ten_steps,
    shards_and_untied_heads_load: sharded,
    means_at_three_positions_equal_the_reference: extraction,
}
