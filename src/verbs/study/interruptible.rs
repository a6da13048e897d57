//! Finetunes that end well when the user, or Slurm, asks the program to stop: each finishes its step and saves it.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::Result;
use crate::language_model::LanguageModel;
use crate::runtime::{EstimateSpec, FitOutcome, FitSpec, ModelSpec, Runtime};
use crate::train::{Event, FitEstimate};
use crate::verbs::Console;

/// A runtime whose finetunes save their state when the user interrupts. Other work is dropped at once: its results so far are on disk.
pub(super) struct InterruptibleRuntime<'a> {
    runtime: &'a dyn Runtime,
    console: &'a dyn Console,
    /// Finetunes under way.
    fits: AtomicUsize,
}

impl<'a> InterruptibleRuntime<'a> {
    pub fn new(runtime: &'a dyn Runtime, console: &'a dyn Console) -> Self {
        Self { runtime, console, fits: AtomicUsize::new(0) }
    }

    /// Ends the program if that was wished and no finetune has something to save.
    pub fn leave_if_wished(&self) {
        if self.fits.load(Ordering::SeqCst) == 0 {
            self.console.leave_if_wished();
        }
    }

    /// Ends the program when all finetunes have saved what they have.
    fn leave(&self) {
        while self.fits.load(Ordering::SeqCst) > 0 {
            std::thread::sleep(Duration::from_millis(20));
        }
        self.console.leave_if_wished();
    }
}

impl Runtime for InterruptibleRuntime<'_> {
    fn device(&self) -> String {
        self.runtime.device()
    }

    fn workers(&self) -> usize {
        self.runtime.workers()
    }

    fn alone(&self, work: &mut (dyn FnMut() + Send)) {
        self.runtime.alone(work);
    }

    fn language_model(&self, spec: &ModelSpec) -> Result<Box<dyn LanguageModel>> {
        self.runtime.language_model(spec)
    }

    fn logits(&self, spec: &ModelSpec, texts: &[Vec<u32>]) -> Result<Vec<Vec<f32>>> {
        self.runtime.logits(spec, texts)
    }

    fn fit(&self, spec: &FitSpec<'_>, tell: &mut dyn FnMut(&Event) -> ControlFlow<()>) -> Result<FitOutcome> {
        self.fits.fetch_add(1, Ordering::SeqCst);
        let fitted = self.runtime.fit(spec, &mut |event| {
            if let Event::Damaged(what) = event {
                self.console.warn(what);
            }
            if let Event::Resumed(step) = event {
                let name = spec.out.parent().and_then(Path::file_name).unwrap_or_default().display();
                self.console.say(&format!("{name} goes on after step {step}"));
            }
            match tell(event) {
                ControlFlow::Continue(()) if self.console.interrupted() => ControlFlow::Break(()),
                flow => flow,
            }
        });
        self.fits.fetch_sub(1, Ordering::SeqCst);
        // A complete finetune returns, so that its stage is recorded before the program ends.
        if fitted.as_ref().is_ok_and(|outcome| !outcome.complete) && self.console.interrupted() {
            self.leave();
        }
        fitted
    }

    fn estimate(&self, spec: &EstimateSpec<'_>) -> Result<FitEstimate> {
        self.runtime.estimate(spec)
    }
}
