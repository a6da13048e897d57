//! What is said on the console while a model learns.

use crate::steering::Op;
use crate::train::TrainingLog;
use crate::train::{Event, GradientReport, Proof, RecomputeReport};
use crate::verbs::Console;
use crate::verbs::run::Progress;

pub fn show(event: &Event, log: &TrainingLog, console: &dyn Console, progress: &mut Progress<'_>) {
    match event {
        Event::Damaged(what) => console.warn(what),
        Event::Steered(proofs) => say_proof(proofs, console),
        Event::ProbeBaseline(start) => console.say(&format!("drift: mean projection {start:.4} before the first step")),
        Event::GradientProjected(report) => say_pressure(report, console),
        Event::Recomputed(report) => say_refreshed(report, console),
        Event::Resumed(step) => {
            console.say(&format!("going on after step {step}"));
        }
        Event::Step(report, total, _) => {
            let drift = log.drift().map_or_else(String::new, |drift| format!(", drift {drift:+.3}"));
            let rate = log.tokens_per_second;
            let note = format!("loss {:.4}{drift}, {rate:.0} tokens/s", report.loss);
            progress.show("step", report.step, *total, &note);
        }
    }
}

/// How hard the data pulls, on average over the layers.
fn say_pressure(report: &GradientReport, console: &dyn Console) {
    let mean = |layers: &[Option<f64>]| {
        let known: Vec<f64> = layers.iter().copied().flatten().collect();
        known.iter().sum::<f64>() / known.len().max(1) as f64
    };
    let (on, off) = (mean(&report.on), mean(&report.off));
    let with = if report.on == report.off { String::new() } else { format!(", {on:+.3e} under the intervention") };
    console.say(&format!(
        "step {}: the data pulls along the vector by {off:+.3e}{with} (mean of the layers)",
        report.step
    ));
}

/// How far a vector that follows the model is from the first one.
fn say_refreshed(report: &RecomputeReport, console: &dyn Console) {
    let cosines: Vec<f64> = report.cosines.iter().copied().flatten().collect();
    let mean = cosines.iter().sum::<f64>() / cosines.len().max(1) as f64;
    let what = if report.step == 0 { "the fixed texts give, for comparison," } else { "steering goes on with" };
    console.say(&format!("step {}: {what} a vector of mean cosine {mean:.4} with the first", report.step));
}

fn say_proof(proofs: &[Proof], console: &dyn Console) {
    const SHOWN: usize = 3;
    let said = |p: &Proof| match p.op {
        Op::Add => format!("planned {:.4}, measured {:.4}", p.planned, p.measured),
        Op::Ablate => format!("{:.1e} is left along the direction, planned {:.1e}", p.measured, p.planned),
    };
    for p in proofs.iter().take(SHOWN) {
        let (steered, all) = p.tokens;
        console.say(&format!(
            "steering measured on the first batch: {}: {}, {steered} of {all} tokens",
            p.layer,
            said(p)
        ));
    }
    if proofs.len() > SHOWN {
        let worst = proofs.iter().map(|p| (p.measured - p.planned).abs()).fold(0.0, f64::max);
        console
            .say(&format!("and at {} more; the largest deviation from the plan is {worst:.1e}", proofs.len() - SHOWN));
    }
}
