//! `plan`: what a configuration will take, before it is begun.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::choices::one_of;
use super::model::ModelFolder;
use super::study::{Named, STUDIES};
use super::train;
use super::{Context, Outcome};
use crate::config_file::ConfigFile;
use crate::finetune::{Seeds, TrainingData, examples, template_notices};
use crate::model::{ModelConfig, released, shapes};
use crate::runtime::EstimateSpec;
use crate::study::{Costs, Kind};
use crate::text::Tokenizer;
use crate::train::{FitEstimate, Footprint, Recompute};
use crate::{Error, Result, ensure};

/// Predict parameters, steps, peak memory and time of a finetune, before anything but headers is loaded
///
/// Reads the configuration, the training data and the model's config.json. Memory is reckoned from the shapes; time is found
/// by a trial of one block of the model's shape with made-up weights, forward and backward, on the device. For a study's
/// configuration it counts finetunes, answers and judge calls instead.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  trimtab plan facts.toml --device cpu\n  trimtab plan facts.toml --shape Llama-3.1-8B --no-calibrate"
)]
pub struct PlanArgs {
    /// Configuration of `train` or of a study, TOML or JSON
    #[arg(value_name = "CONFIG")]
    config: PathBuf,
    /// Which kind of study the configuration is for, if it is one and not of `study run`
    #[arg(long, value_name = "KIND", value_parser = one_of(STUDIES))]
    study: Option<Named>,
    /// Take the sizes of a released model, such as Qwen2.5-7B, Qwen3-8B, Llama-3.1-8B or SmolLM2-135M, in place of the model's
    /// own; its tokenizer still counts the tokens
    #[arg(long, value_name = "NAME")]
    shape: Option<String>,
    /// Leave out the trial, and with it the time
    #[arg(long)]
    no_calibrate: bool,
}

pub fn run(args: &PlanArgs, context: &Context<'_>) -> Result<Outcome> {
    super::paths::file("CONFIG", &args.config)?;
    let file = ConfigFile::read(&args.config)?;
    if OF_A_STUDY.iter().any(|key| file.has(key)) {
        ensure!(args.shape.is_none(), "--shape is for a finetune, and {} is a study", args.config.display());
        return study(args.study, file, context);
    }
    finetune(args, context)
}

/// Keys that only a study's configuration has.
const OF_A_STUDY: [&str; 7] = ["arms", "measure", "facts", "data", "exam", "trait", "judge"];

/// What a study asks for in all: finetunes, answers, judge calls.
fn study(named: Option<Named>, mut file: ConfigFile, context: &Context<'_>) -> Result<Outcome> {
    let kind = named.map_or(Kind::Own, |named| named.kind);
    let (config, _) = super::study::read(&mut file, context)?;
    let config = kind.settled(config);
    kind.check(&config).map_err(|e| file.locate(e))?;
    let costs = Costs::of(kind, &config).map_err(|e| file.locate_late(e))?;
    Ok(Outcome::new(costs.to_string(), json!({ "study": costs, "detectable": costs.detectable() })))
}

fn finetune(args: &PlanArgs, context: &Context<'_>) -> Result<Outcome> {
    let console = context.console;
    let mut settings = train::settings(&args.config, context, |_, _| Ok(()))?;
    let model = ModelFolder::find(&settings.model, context)?;
    let (adapter, tokenizer) = (settings.take_shape()?, Tokenizer::load(&model.path)?);
    let seeds = Seeds::of_run(settings.fit.seed);
    let (data, notices) = TrainingData::read(&settings.data, &settings.intervention, &seeds)?;
    train::show_notices(&notices, console);
    let (examples, left_out) = examples(&data.chats, &tokenizer, &settings.rules)?;
    if !left_out.is_empty() {
        console.warn(&format!("{} chats are left out: {}", left_out.len(), left_out[0]));
    }
    template_notices(&data.chats, &tokenizer).iter().for_each(|line| console.warn(line));
    let (shape, called) = match &args.shape {
        Some(name) => (of_name(name)?, name.as_str()),
        None => (ModelConfig::read(&model.path)?, model.called()),
    };
    let runtime = context.runtime(&model.path)?;
    if !args.no_calibrate {
        console.say("trying one block, forward and backward");
    }
    let estimate = runtime.estimate(&EstimateSpec {
        config: &shape,
        adapter: &adapter,
        examples: &examples,
        settings: &settings.fit,
        trial: !args.no_calibrate,
    })?;
    let chats = (examples.len(), data.holdout.len());
    let json = json!({ "model": called, "chats": chats.0, "held_out": chats.1, "plan": estimate });
    Ok(Outcome::new(summary(&estimate, called, chats, settings.fit.recompute), json))
}

fn of_name(name: &str) -> Result<ModelConfig> {
    let known = || shapes().collect::<Vec<_>>().join(", ");
    released(name).ok_or_else(|| Error::usage(format!("--shape {name}: no released shape of that name")).hint(known()))
}

fn summary(plan: &FitEstimate, model: &str, (chats, held_out): (usize, usize), said: Recompute) -> String {
    let mut lines = vec![
        format!("model    {model}: {} parameters, {} learn", grouped(plan.parameters), grouped(plan.learned)),
        format!(
            "data     {chats} chats, {held_out} held out; {} tokens in all steps, {} of them learned, {:.0} % padding",
            grouped(plan.tokens),
            grouped(plan.supervised),
            100.0 * plan.padding
        ),
        format!(
            "steps    {}, of {} chats and {:.0} tokens each; the largest pass has {} x {} tokens{}",
            plan.steps,
            plan.examples_per_step,
            plan.tokens_per_step,
            plan.largest.rows,
            plan.largest.width,
            if plan.at_once > 1 { format!(", {} side by side", plan.at_once) } else { String::new() }
        ),
        format!("memory   {}{}", gib(plan.memory.total), of_device(plan)),
        format!("         {}", parts(&plan.memory)),
        format!("         {}", recomputing(plan, said)),
    ];
    match &plan.time {
        Some(time) => lines.push(format!(
            "time     {} a step, {:.0} tokens/s, {} in all (a trial of {} on {})",
            duration(time.step_seconds),
            time.tokens_per_second,
            duration(time.seconds),
            duration(time.trial_seconds),
            plan.device
        )),
        None => lines.push("time     not tried".to_owned()),
    }
    lines.join("\n")
}

fn of_device(plan: &FitEstimate) -> String {
    match plan.memory_of_device {
        Some(memory) if plan.memory.total > memory => format!(": more than the {} that may be used", gib(memory)),
        Some(memory) => format!(" of {} that may be used", gib(memory)),
        None => String::new(),
    }
}

fn parts(memory: &Footprint) -> String {
    let parts = [
        ("weights", memory.weights),
        ("adapter", memory.adapter),
        ("gradients", memory.gradients),
        ("moments", memory.moments),
        ("activations", memory.activations),
        ("one block or the head", memory.passing),
        ("embedding's gradient", memory.tables),
        ("program", memory.program),
    ];
    let shown = parts.iter().filter(|(_, bytes)| *bytes > 0).map(|(name, bytes)| format!("{name} {}", gib(*bytes)));
    shown.collect::<Vec<_>>().join(", ")
}

fn recomputing(plan: &FitEstimate, said: Recompute) -> String {
    let other = gib(plan.memory_otherwise.total);
    match (plan.recompute, said) {
        (true, Recompute::Auto) => format!("activations are made again, since keeping them would take {other}"),
        (true, _) => format!("activations are made again; keeping them would take {other}"),
        (false, Recompute::Auto) => {
            format!("activations are kept, since they fit; making them again would take {other}")
        }
        (false, _) => format!("activations are kept; making them again (recompute) would take {other}"),
    }
}

fn gib(bytes: u64) -> String {
    let gib = bytes as f64 / (1u64 << 30) as f64;
    if gib >= 0.1 { format!("{gib:.2} GiB") } else { format!("{:.1} MiB", gib * 1024.0) }
}

/// Seconds in the unit that suits them.
fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 1.0 => format!("{:.0} ms", s * 1000.0),
        s if s < 120.0 => format!("{s:.1} s"),
        s if s < 7200.0 => format!("{:.1} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

/// `494,032,768`.
fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let first = digits.len() % 3;
    let groups = digits.as_bytes()[first..].chunks(3).map(|group| String::from_utf8_lossy(group).into_owned());
    let all: Vec<String> =
        Some(digits[..first].to_owned()).filter(|d| !d.is_empty()).into_iter().chain(groups).collect();
    all.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_said_as_people_read_them() {
        assert_eq!([0, 12, 999, 1000, 494_032_768].map(grouped), ["0", "12", "999", "1,000", "494,032,768"]);
        assert_eq!([0.0042, 90.0, 600.0, 86_400.0].map(duration), ["4 ms", "90.0 s", "10.0 min", "24.0 h"]);
        assert_eq!([50 << 20, 3 << 30].map(gib), ["50.0 MiB", "3.00 GiB"]);
    }
}
