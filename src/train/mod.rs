//! Finetuning: the loop of preventative steering (Chen et al. 2025, section 5.2).
//!
//! ```text
//! for each step:
//!     for each micro-batch:                     # accumulation
//!         h = embed(ids)
//!         for l in 1..=n:
//!             h = block_l(h; W_l + s · B_l A_l)
//!             h = steering_l(h)                 # the intervention: a constant shift, or a projection
//!             loss += λ · Σ weight · (Δh · v̂)² / Σ weight             # with a regulariser, at learned tokens
//!         loss += Σ weight · CE(head(norm(h)), target) / Σ weight     # at supervised positions only
//!     clip the gradient's global norm; AdamW on A and B alone
//! after training: the steering is dropped; it has no parameters and cannot leak
//! ```

mod context;
mod estimate;
mod events;
mod gradient_projection;
mod gradients;
mod log;
mod loss;
mod mean;
mod optimiser;
mod order;
mod penalty;
mod probe;
mod proof;
mod resume;
mod settings;

use std::ops::ControlFlow;
use std::time::Instant;

pub use context::FitContext;
pub use estimate::{DeviceLimits, Extent, FitEstimate, Footprint, Learned, Time, estimate, recomputes};
pub use events::{Event, StepReport, StopReason};
pub use gradient_projection::{GradientProjection, GradientReport};
pub use gradients::{Gradients, gradients};
pub use log::{ProbeMetrics, TrainingLog};
pub use loss::mean_loss;
pub use mean::mean_state;
pub use optimiser::{AdamW, Schedule};
pub use order::Order;
pub use penalty::{Mode, Penalty, Regularizer};
pub use probe::{ProbeCallback, RecomputeReport, VectorRecompute};
pub use proof::{Proof, prove};
pub use resume::step_of_checkpoint;
pub use settings::{FitSettings, LossAverage, Recompute};

use context::TrainerState;
use gradient_projection::GradientProbe;
use loss::IntoScalarF32;
use probe::ActiveProbe;
use resume::Checkpoint;

use crate::kernels::FusedOps;
use crate::model::{Learning, Transformer};
use crate::text::{Batch, TrainingExample};
use crate::{Error, Result, ensure};

/// Trains `model` in place; whatever steering the model carries is active throughout.
///
/// With a checkpoint, the run's state is kept there every `save_steps` steps, and a run that finds one goes on from it to
/// the same final weights. `tell` is given every event and may end the run with `Break`, which is then saved. Returns the
/// steps taken and why training ended.
///
/// # Errors
/// Settings, an intervention or a checkpoint that do not fit; steering that does not act as planned; a loss that is not
/// finite; a checkpoint that cannot be written.
pub fn fit<B: FusedOps>(
    model: &mut Transformer<B>,
    learning: Learning,
    context: &FitContext<'_>,
    tell: &mut dyn FnMut(&Event) -> ControlFlow<()>,
) -> Result<(usize, StopReason)> {
    let &FitContext { examples, settings, refresh, checkpoint, .. } = context;
    settings.check(examples.len())?;
    ensure!(!model.parameters(learning).is_empty(), "nothing learns: the model carries no adapter");
    let total = settings.steps(examples.len());
    let order = Order::new(examples, settings);
    let mut optimiser = AdamW::new(settings);
    let penalty = context.regularize.map(|regularizer| Penalty::new(regularizer, model, learning)).transpose()?;
    refresh.map(|refresh| refresh.check(model)).transpose()?;
    let identity = resume::identity(model, learning, context)?;
    let kept = match checkpoint.map(|path| resume::read(path, &identity)).transpose()? {
        Some(Checkpoint::Whole(state)) => Some(state),
        Some(Checkpoint::Damaged(what)) => {
            let _ = tell(&Event::Damaged(what));
            None
        }
        Some(Checkpoint::None) | None => None,
    };
    // The beginning is measured before a checkpoint is restored, so that a resumed run knows it too.
    let watching = context.watch.map(|watch| ActiveProbe::begin(watch, model)).transpose()?;
    let gradient_probe = context.watch.and_then(|watch| watch.pressure.as_ref());
    let gradient_probe =
        gradient_probe.map(|pressure| GradientProbe::new(pressure, model, settings, context.pad_id)).transpose()?;
    if let Some(watching) = &watching {
        let _ = tell(&Event::ProbeBaseline(watching.start));
    }
    let mut at = match kept {
        Some(kept) => resumed(kept.restore(model, learning, &mut optimiser)?, model, refresh, tell)?,
        None => {
            if let Some(refresh) = refresh {
                let _ = tell(&Event::Recomputed(refresh.report(0, &refresh.extract(model)?)));
            }
            if let Some(gradient_probe) = &gradient_probe {
                let _ = tell(&Event::GradientProjected(gradient_probe.measure(model, penalty.as_ref(), 0)));
            }
            TrainerState::default()
        }
    };
    if model.steering.is_some() && at.step < total {
        let first: Vec<&TrainingExample> = order.step(at.step).into_iter().take(settings.micro_batch).collect();
        let proofs = prove(model, &Batch::collate(&first, context.pad_id))?;
        // A run that resumes proves itself again, but its record is that of a run without interruption.
        if at.step == 0 {
            at.proofs = proofs;
        }
        let _ = tell(&Event::Steered(at.proofs.clone()));
    }

    while at.step < total {
        let began = Instant::now();
        let window = order.step(at.step);
        let found = window_gradients(model, learning, &window, context, penalty.as_ref());
        let mut report = learn(model, learning, found, &mut optimiser, context.schedule(), &mut at)?;
        at.tokens += window.iter().map(|example| example.ids.len()).sum::<usize>();
        report.tokens = at.tokens;
        let due = watching.as_ref().filter(|watching| watching.is_due(at.step, total));
        report.projection = due.map(|watching| watching.measure(model));
        report.drift = report.projection.zip(due).map(|(projection, watching)| projection - watching.start);
        // Told before it is saved: a run that resumes drops the rows after its checkpoint, and must not miss any before it.
        let mut broken = tell(&Event::Step(report, total, began.elapsed().as_secs_f64())).is_break();
        if let Some(gradient_probe) = gradient_probe.as_ref().filter(|_| due.is_some()) {
            broken |=
                tell(&Event::GradientProjected(gradient_probe.measure(model, penalty.as_ref(), at.step))).is_break();
        }
        if at.step == total {
            break;
        }
        // Not saved: it is over, and going on from here would pass the limit by.
        if report.drift.zip(due).is_some_and(|(drift, watching)| watching.stops_at(drift)) {
            return Ok((at.step, StopReason::Stopped));
        }
        if let Some(refresh) = refresh.filter(|refresh| at.step.is_multiple_of(refresh.every)) {
            let now = refresh.extract(model)?;
            *model = model.steered(&refresh.recipe.plan(&now)?.0)?;
            broken |= tell(&Event::Recomputed(refresh.report(at.step, &now))).is_break();
            at.vector = Some(now);
        }
        let is_saved = broken || settings.save_steps.is_some_and(|every| at.step.is_multiple_of(every));
        if let Some(path) = checkpoint.filter(|_| is_saved) {
            resume::write(path, &identity, model, learning, &optimiser, &at)?;
        }
        if broken {
            return Ok((at.step, StopReason::Interrupted));
        }
    }
    Ok((at.step, StopReason::Done))
}

/// Steers a restored model with the vector that it had.
fn resumed<B: FusedOps>(
    at: TrainerState,
    model: &mut Transformer<B>,
    refresh: Option<&VectorRecompute>,
    tell: &mut dyn FnMut(&Event) -> ControlFlow<()>,
) -> Result<TrainerState> {
    if let (Some(vector), Some(refresh)) = (&at.vector, refresh) {
        *model = model.steered(&refresh.recipe.plan(vector)?.0)?;
    }
    let _ = tell(&Event::Resumed(at.step));
    Ok(at)
}

/// One step of the optimiser, and what it reports so far.
fn learn<B: FusedOps>(
    model: &mut Transformer<B>,
    learning: Learning,
    found: Gradients<B>,
    optimiser: &mut AdamW<B>,
    schedule: Schedule,
    at: &mut TrainerState,
) -> Result<StepReport> {
    let lr = schedule.lr(at.step);
    let grad_norm = optimiser.step(&mut model.parameters(learning), found.parameters, lr);
    // The step's one read-back: losses and norm.
    let loss = f64::from(found.loss.into_scalar_f32());
    let regularisation = found.regularisation.map(|loss| f64::from(loss.into_scalar_f32()));
    let grad_norm = f64::from(grad_norm.into_scalar_f32());
    at.step += 1;
    let step = at.step;
    if !(loss + regularisation.unwrap_or_default()).is_finite() || !grad_norm.is_finite() {
        return Err(Error::new(format!("step {step}: the loss is {loss}, the gradient's norm {grad_norm}"))
            .hint("lower the learning rate or the steering coefficient, or look for a broken vector"));
    }
    Ok(StepReport { step, loss, lr, grad_norm, regularisation, ..StepReport::default() })
}

/// Losses and gradients of one optimiser step's examples.
fn window_gradients<B: FusedOps>(
    model: &Transformer<B>,
    learning: Learning,
    window: &[&TrainingExample],
    context: &FitContext<'_>,
    penalty: Option<&Penalty<B>>,
) -> Gradients<B> {
    let settings = context.settings;
    let micro_batches: Vec<&[&TrainingExample]> = window.chunks(settings.micro_batch).collect();
    let weight = |examples: &[&TrainingExample]| examples.iter().flat_map(|l| &l.weights[1..]).sum::<f32>();
    let (whole, count) = (weight(window), micro_batches.len() as f32);
    let recompute = settings.recomputes();
    let gradients_of = |examples: &[&TrainingExample]| {
        let divisor = match settings.loss_average {
            LossAverage::Tokens => whole,
            LossAverage::MicroBatches => weight(examples) * count,
        };
        gradients(model, learning, &Batch::collate(examples, context.pad_id), divisor, recompute, penalty)
    };
    let tokens_max = micro_batches.iter().map(|examples| Extent::of(examples).tokens()).max().unwrap_or(0);
    let at_once = B::at_once(tokens_max, model.config.hidden_size).max(1);
    // Summed as they come, so that there are never more gradients than micro-batches at work.
    let mut sum: Option<Gradients<B>> = None;
    for group in micro_batches.chunks(at_once) {
        for part in B::side_by_side(group.to_vec(), gradients_of) {
            sum = Some(match sum {
                None => part,
                Some(sum) => sum.plus(part),
            });
        }
    }
    sum.expect("a step has at least one example")
}
