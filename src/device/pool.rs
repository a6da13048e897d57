//! Several devices as one runtime: tasks run at the same time, each on its own device.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::sync::Mutex;

use crate::language_model::LanguageModel;
use crate::runtime::{EstimateSpec, FitOutcome, FitSpec, ModelSpec, Runtime, device_kind};
use crate::train::{Event, FitEstimate};
use crate::{Error, Result};

thread_local! {
    /// The device of this thread's task; the first one outside of any task.
    static OWN: Cell<usize> = const { Cell::new(0) };
}

/// Runtimes of one kind. A task started by [`Runtime::alone`] stays on the device that had the fewest tasks when it began.
pub(super) struct DevicePool {
    runtimes: Vec<Box<dyn Runtime>>,
    /// Tasks running on each.
    busy: Mutex<Vec<usize>>,
}

impl DevicePool {
    /// # Errors
    /// Devices of different kinds: results would depend on which device ran which task.
    pub fn new(runtimes: Vec<Box<dyn Runtime>>) -> Result<Self> {
        let kinds: Vec<String> = runtimes.iter().map(|runtime| device_kind(&runtime.device())).collect();
        if let Some(other) = kinds.iter().find(|kind| **kind != kinds[0]) {
            return Err(Error::usage(format!("--device names {} and {other} side by side", kinds[0]))
                .hint("devices of one kind compute the same numbers, whichever of them runs a task"));
        }
        let busy = Mutex::new(vec![0; runtimes.len()]);
        Ok(Self { runtimes, busy })
    }

    fn own(&self) -> &dyn Runtime {
        &*self.runtimes[OWN.get().min(self.runtimes.len() - 1)]
    }

    /// Takes the device with the fewest tasks.
    fn seat(&self) -> Seat<'_> {
        let mut busy = self.busy.lock().expect("counting does not panic");
        let at = (0..busy.len()).min_by_key(|&i| busy[i]).expect("at least one device");
        busy[at] += 1;
        Seat { several: self, at }
    }
}

/// A task's hold on a device, released when dropped.
struct Seat<'a> {
    several: &'a DevicePool,
    at: usize,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        if let Ok(mut busy) = self.several.busy.lock() {
            busy[self.at] -= 1;
        }
    }
}

impl Runtime for DevicePool {
    fn device(&self) -> String {
        device_kind(&self.runtimes[0].device())
    }

    fn workers(&self) -> usize {
        self.runtimes.iter().map(|runtime| runtime.workers()).sum()
    }

    fn alone(&self, work: &mut (dyn FnMut() + Send)) {
        let seat = self.seat();
        let at = seat.at;
        // The runtime may do the work in a thread of its own.
        self.runtimes[at].alone(&mut || {
            let before = OWN.replace(at);
            work();
            OWN.set(before);
        });
    }

    fn language_model(&self, spec: &ModelSpec) -> Result<Box<dyn LanguageModel>> {
        self.own().language_model(spec)
    }

    fn logits(&self, spec: &ModelSpec, texts: &[Vec<u32>]) -> Result<Vec<Vec<f32>>> {
        self.own().logits(spec, texts)
    }

    fn fit(&self, spec: &FitSpec<'_>, tell: &mut dyn FnMut(&Event) -> ControlFlow<()>) -> Result<FitOutcome> {
        self.own().fit(spec, tell)
    }

    fn estimate(&self, spec: &EstimateSpec<'_>) -> Result<FitEstimate> {
        self.own().estimate(spec)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;
    use std::sync::Barrier;

    use super::*;
    use crate::steering::SteeringPlan;

    /// A device that says its name when it is asked for a model, and works in threads of its own.
    struct Named(&'static str);

    impl Runtime for Named {
        fn device(&self) -> String {
            format!("{} (bf16)", self.0)
        }

        fn alone(&self, work: &mut (dyn FnMut() + Send)) {
            std::thread::scope(|scope| drop(scope.spawn(work)));
        }

        fn language_model(&self, _: &ModelSpec) -> Result<Box<dyn LanguageModel>> {
            Err(Error::new(self.0))
        }

        fn logits(&self, _: &ModelSpec, _: &[Vec<u32>]) -> Result<Vec<Vec<f32>>> {
            Err(Error::new(self.0))
        }

        fn fit(&self, _: &FitSpec<'_>, _: &mut dyn FnMut(&Event) -> ControlFlow<()>) -> Result<FitOutcome> {
            Err(Error::new(self.0))
        }

        fn estimate(&self, _: &EstimateSpec<'_>) -> Result<FitEstimate> {
            Err(Error::new(self.0))
        }
    }

    fn several(names: &[&'static str]) -> Result<DevicePool> {
        DevicePool::new(names.iter().map(|&name| Box::new(Named(name)) as Box<dyn Runtime>).collect())
    }

    fn asked(runtime: &DevicePool) -> String {
        let spec = ModelSpec { model: PathBuf::new(), adapter: None, plan: SteeringPlan::none() };
        runtime.language_model(&spec).err().expect("a name").to_string()
    }

    #[test]
    fn pieces_side_by_side_have_a_device_each() {
        let runtime = several(&["cuda:0", "cuda:1", "cuda:4"]).unwrap();
        assert_eq!((runtime.device().as_str(), runtime.workers()), ("cuda (bf16)", 3));
        let (all, used) = (Barrier::new(3), Mutex::new(BTreeMap::new()));
        for _ in 0..2 {
            std::thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| {
                        runtime.alone(&mut || {
                            all.wait();
                            *used.lock().unwrap().entry(asked(&runtime)).or_insert(0) += 1;
                            // All three hold a device at once.
                            all.wait();
                        });
                    });
                }
            });
        }
        let used: Vec<(String, i32)> = used.into_inner().unwrap().into_iter().collect();
        assert_eq!(used, [("cuda:0".into(), 2), ("cuda:1".into(), 2), ("cuda:4".into(), 2)]);
        assert_eq!(asked(&runtime), "cuda:0");
    }

    #[test]
    fn kinds_are_not_mixed() {
        let mixed = several(&["cuda:0", "cpu"]).err().unwrap();
        assert!(mixed.to_string().contains("cuda (bf16) and cpu (bf16)") && mixed.exit_code() == 2, "{mixed}");
    }
}
