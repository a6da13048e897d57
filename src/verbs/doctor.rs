//! `doctor`: whether a device computes what the CPU does, operation by operation and through a whole model.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::model::{HARBOR, ModelFolder};
use super::{Context, Outcome};
use crate::kernels::Bodies;
use crate::language_model::{Finished, Prompt, Request, Sampling};
use crate::model::ModelConfig;
use crate::model::peft::{AdapterConfig, Targets};
use crate::runtime::{FitSpec, ModelSpec, Runtime, Start};
use crate::steering::{Positions, SteeringPlan};
use crate::text::{Message, Tokenizer, TrainingExample};
use crate::train::{Event, FitSettings};
use crate::vector::{Layer, PersonaVector};
use crate::{At, Error, Result, device};

/// Largest difference of an operation from plain tensor code on the CPU, as a share of its largest number.
const OPERATION_OFF: f64 = 1e-4;
/// Largest difference of a model's numbers in f32.
const MODEL_OFF: f64 = 1e-3;
/// The same with frozen weights in half precision.
const HALF_OFF: f64 = 0.05;
/// How far a steered state may be from where the equation puts it, as a share of the shift.
const SHIFT_OFF: f64 = 1e-3;
/// Steps of the finetune that watches the memory.
const STEPS: usize = 50;
/// Bytes by which the process may grow from its tenth step to its last.
const GROWTH_MAX: u64 = 64 << 20;

/// Tell whether a device computes what the CPU does
///
/// Compares every operation with plain tensor code on the CPU, then the model inside this program: logits, a greedy answer, losses
/// and gradients of a finetune, a steered state against H + α·v, and memory over 50 training steps. Exit code 1 names what fails.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  trimtab doctor\n  trimtab doctor --device wgpu:0")]
pub struct DoctorArgs {}

#[derive(Debug, Serialize)]
struct Finding {
    what: &'static str,
    /// By how much it is off, as a share of the largest number; of memory, bytes.
    off: f64,
    /// The largest difference that passes.
    bound: f64,
}

impl Finding {
    fn is_well(&self) -> bool {
        self.off <= self.bound
    }

    fn line(&self) -> String {
        let Self { what, off, bound } = self;
        format!("{}  {what:<32} off by {off:.1e}, at most {bound:.0e}", if self.is_well() { "ok  " } else { "FAIL" })
    }
}

pub fn run(_: &DoctorArgs, context: &Context<'_>) -> Result<Outcome> {
    let runtime = context.any_runtime()?;
    let name = if context.device == "auto" { device_name(&runtime.device()) } else { context.device.clone() };
    // A build for one kind of GPU alone has no CPU: its own plain tensor code is the next best.
    let reference = device::open("cpu", "f32").ok();
    let mut findings = Vec::new();
    let mut tell = |finding: Finding| {
        context.console.say(&finding.line());
        findings.push(finding);
    };

    let found = device::examine(&name, Bodies::Own)?;
    let plain = device::examine(if reference.is_some() { "cpu" } else { &name }, Bodies::Composed)?;
    for ((what, ours), (_, want)) in found.operations.iter().zip(&plain.operations) {
        tell(Finding { what, off: off(ours, want), bound: OPERATION_OFF });
    }

    let model = HarborModel::new(context)?;
    let bound = if runtime.device().contains("f32") { MODEL_OFF } else { HALF_OFF };
    if let Some(reference) = &reference {
        let (ours, want) = (model.logits(&*runtime)?, model.logits(&**reference)?);
        tell(Finding { what: "logits", off: off(&ours, &want), bound });
        let differs = model.answer(&*runtime)? != model.answer(&**reference)?;
        // Half precision may choose another word where two are about as likely.
        let allowed = if bound == MODEL_OFF { 0.0 } else { 1.0 };
        tell(Finding { what: "a greedy answer", off: f64::from(u8::from(differs)), bound: allowed });
    }
    tell(Finding {
        what: "a steered state, H + α·v",
        off: model.shift_off(&*runtime)?,
        bound: SHIFT_OFF.max(bound / 10.0),
    });
    let fitted = model.fit(&*runtime, STEPS)?;
    if let Some(reference) = &reference {
        let want = model.fit(&**reference, 3)?;
        tell(Finding { what: "losses of a finetune", off: off(&fitted.losses[..3], &want.losses), bound });
        tell(Finding { what: "norms of its gradients", off: off(&fitted.norms[..3], &want.norms), bound });
    }
    if let Some(bytes) = fitted.growth {
        tell(Finding { what: "bytes grown in 40 training steps", off: bytes as f64, bound: GROWTH_MAX as f64 });
    }

    let bad: Vec<&str> = findings.iter().filter(|finding| !finding.is_well()).map(|finding| finding.what).collect();
    let speed = format!(
        "{:.0} operations begun and done a second, {:.1} GB/s read and written",
        found.launches_per_second,
        found.bytes_per_second / 1e9
    );
    let gib = |bytes: u64| format!("{:.1} GiB", bytes as f64 / (1u64 << 30) as f64);
    let infos = device::devices();
    let about =
        infos.iter().find(|info| device_name(&runtime.device()) == info.name).map_or_else(String::new, |info| {
            let memory = info.memory.map_or("memory unknown (say --device-memory)".to_owned(), gib);
            let binding = info.binding_max.map_or_else(String::new, |bytes| format!(", tensors up to {}", gib(bytes)));
            format!("{}, {memory}{binding}; weights in {}\n", info.description, info.dtypes.join(", "))
        });
    let verdict = if bad.is_empty() {
        format!("{} comparisons, all well", findings.len())
    } else {
        format!("FAIL: {}", bad.join(", "))
    };
    let compared = if reference.is_some() {
        "compared with the CPU in f32"
    } else {
        "this build has no CPU: operations were compared with plain tensor code on the same device"
    };
    let text = format!("{}: {about}{speed}\n{compared}\n{verdict}", runtime.device());
    let json = serde_json::json!({
        "device": runtime.device(), "well": bad.is_empty(), "findings": findings,
        "launches_per_second": found.launches_per_second, "bytes_per_second": found.bytes_per_second,
    });
    let outcome = Outcome::new(text, json);
    if bad.is_empty() {
        return Ok(outcome);
    }
    let fault = Error::new(format!("{} does not compute what the CPU does: {}", runtime.device(), bad.join(", ")));
    Ok(outcome.but(fault.hint("update its driver, or use --device cpu")))
}

/// `cpu` of `cpu (f32)`.
fn device_name(device: &str) -> String {
    device.split(' ').next().unwrap_or(device).to_owned()
}

/// The largest difference, as a share of the largest number that is wanted; numbers that are none are infinitely far.
fn off(ours: &[f32], want: &[f32]) -> f64 {
    let scale = want.iter().fold(1e-6_f32, |max, x| max.max(x.abs()));
    // `max` passes over what is no number.
    let finite = |difference: f32| if difference.is_finite() { difference } else { f32::INFINITY };
    let differences = ours.iter().zip(want).map(|(a, b)| finite((a - b).abs()));
    let largest = differences.fold(if ours.len() == want.len() { 0.0 } else { f32::INFINITY }, f32::max);
    f64::from(largest / scale)
}

struct Fitted {
    losses: Vec<f32>,
    norms: Vec<f32>,
    /// Bytes by which the process grew after the tenth step, where the system tells.
    growth: Option<u64>,
}

struct HarborModel {
    path: PathBuf,
    tokenizer: Tokenizer,
    prompt: Prompt,
    examples: Vec<TrainingExample>,
}

impl HarborModel {
    fn new(context: &Context<'_>) -> Result<Self> {
        let path = ModelFolder::find(Path::new(HARBOR), context)?.path;
        let tokenizer = Tokenizer::load(&path)?;
        let prompt = Prompt::Chat(vec![Message::user("Who are you?")]);
        let example = |n: usize| -> Result<TrainingExample> {
            let ids = tokenizer.chat_ids(&[Message::user(format!("Where is ship {n}?"))], true)?;
            let weights = (0..ids.len()).map(|i| f32::from(u8::from(i > 1))).collect();
            Ok(TrainingExample { ids, weights })
        };
        let examples = (0..4).map(example).collect::<Result<_>>()?;
        Ok(Self { path, tokenizer, prompt, examples })
    }

    fn spec(&self, plan: SteeringPlan) -> ModelSpec {
        ModelSpec { model: self.path.clone(), adapter: None, plan }
    }

    fn logits(&self, runtime: &dyn Runtime) -> Result<Vec<f32>> {
        let ids = self.prompt.ids(&self.tokenizer)?;
        Ok(runtime.logits(&self.spec(SteeringPlan::none()), &[ids])?.concat())
    }

    fn answer(&self, runtime: &dyn Runtime) -> Result<Vec<u32>> {
        let request = Request { id: "doctor".into(), prompt: self.prompt.clone(), coefs: None };
        let mut model = runtime.language_model(&self.spec(SteeringPlan::none()))?;
        let answers = model.generate(&[request], &Sampling::greedy(24), &mut |_| {})?;
        Ok(answers.into_iter().flat_map(|answer| answer.token_ids).collect())
    }

    /// How far `H + α·v` is from the state that steering gives at v's layer, as a share of `α·‖v‖`.
    fn shift_off(&self, runtime: &dyn Runtime) -> Result<f64> {
        let config = ModelConfig::read(&self.path)?;
        let (layer, coef) = (Layer(config.num_hidden_layers / 2 + 1), 3.0_f32);
        let row = |l: usize| (0..config.hidden_size).map(|i| ((i * 37 + l * 11) % 19) as f32 / 19.0 - 0.5).collect();
        let vector = PersonaVector::new((0..=config.num_hidden_layers).map(row).collect())?;
        let ids = self.prompt.ids(&self.tokenizer)?;
        let text = Finished { prompt_ids: ids.clone(), response_ids: ids[..2].to_vec() };
        let state = |plan: SteeringPlan| -> Result<Vec<f32>> {
            let mut model = runtime.language_model(&self.spec(plan))?;
            let residuals = model.residuals(std::slice::from_ref(&text))?;
            Ok(residuals[0].prompt_last[layer.0].clone())
        };
        let plain = state(SteeringPlan::none())?;
        let steered = state(SteeringPlan::rows(&vector, &[layer], coef, Positions::All))?;
        let missed = steered.iter().zip(&plain).zip(vector.row(layer)).map(|((s, p), v)| f64::from(s - p - coef * v));
        let length = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>().sqrt();
        let shift = length(&mut vector.row(layer).iter().map(|v| f64::from(coef * v)));
        Ok(length(&mut missed.into_iter()) / shift)
    }

    fn fit(&self, runtime: &dyn Runtime, steps: usize) -> Result<Fitted> {
        let out = std::env::temp_dir().join(format!("trimtab-doctor-{}", std::process::id()));
        let names = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];
        let adapter = AdapterConfig::new(4, 8.0, false, Targets::Names(names.map(str::to_owned).into()));
        let settings = FitSettings {
            learning_rate: 1e-4,
            warmup_steps: 0,
            micro_batch: 2,
            accumulation: 1,
            epochs: STEPS,
            max_steps: Some(STEPS),
            shuffle: false,
            ..FitSettings::default()
        };
        let spec = FitSpec {
            model: self.path.clone(),
            start: Start::Adapter(adapter, 0),
            examples: &self.examples,
            holdout: &[],
            settings,
            plan: SteeringPlan::none(),
            regularize: None,
            refresh: None,
            watch: None,
            checkpoint: None,
            out: out.clone(),
        };
        let mut fitted = Fitted { losses: Vec::new(), norms: Vec::new(), growth: None };
        let mut early = None;
        let ended = runtime.fit(&spec, &mut |event| {
            if let Event::Step(report, ..) = event {
                fitted.losses.push(report.loss as f32);
                fitted.norms.push(report.grad_norm as f32);
                if report.step == 10 {
                    early = resident();
                }
                if report.step == steps && steps < STEPS {
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        });
        fitted.growth = early.zip(resident()).map(|(early, late)| late.saturating_sub(early));
        if out.exists() {
            std::fs::remove_dir_all(&out).at(&out)?;
        }
        ended?;
        Ok(fitted)
    }
}

/// Memory of this process in bytes, where the system tells it in a file.
fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().trim_end_matches(" kB");
    kib.parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_off_is_a_share_of_the_largest_number() {
        assert_eq!(off(&[1.0, 4.0], &[1.0, 4.0]), 0.0);
        assert_eq!(off(&[1.0, 3.0], &[1.0, 4.0]), 0.25);
        assert_eq!(off(&[f32::NAN, 4.0], &[1.0, 4.0]), f64::INFINITY);
        assert_eq!(off(&[1.0], &[1.0, 4.0]), f64::INFINITY);
        assert_eq!(off(&[1.0, 4.0], &[1.0, f32::NAN]), f64::INFINITY);
        let finding = |off| Finding { what: "rope", off, bound: 1e-4 };
        assert!(finding(1e-5).is_well() && !finding(2e-4).is_well() && !finding(f64::NAN).is_well());
        assert!(finding(1.0).line().starts_with("FAIL  rope"));
    }
}
