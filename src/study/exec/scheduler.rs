//! Tasks that wait for each other, run side by side.

use std::sync::{Condvar, Mutex, OnceLock};

use crate::Result;

/// The outputs of tasks; a task sees those that it waited for.
pub(super) struct TaskResults<T>(Vec<OnceLock<T>>);

impl<T> TaskResults<T> {
    /// The output of task `i`.
    ///
    /// # Panics
    /// If the asking task did not wait for it.
    pub fn of(&self, i: usize) -> &T {
        self.0[i].get().expect("a task waits for those that it asks")
    }
}

struct State {
    /// Whether a worker has begun the task.
    begun: Vec<bool>,
    /// Of several failed tasks, the error of the first in the list, so that it does not depend on timing.
    failure: Option<(usize, crate::Error)>,
    /// A worker panicked: the others stop waiting, and the panic goes on when the workers are joined.
    broken: bool,
}

/// Runs task i as soon as the tasks `after[i]` are done, up to `workers` at a time, earlier ones first. The first error ends the
/// run: no further task is begun, those under way are finished.
///
/// `work` must give the same result whenever it is called; then the results do not depend on the number of workers.
///
/// # Errors
/// That of the first task in the list that failed.
pub(super) fn run_all<T: Send + Sync>(
    after: &[Vec<usize>],
    workers: usize,
    work: impl Fn(usize, &TaskResults<T>) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let done = TaskResults((0..after.len()).map(|_| OnceLock::new()).collect());
    let state = Mutex::new(State { begun: vec![false; after.len()], failure: None, broken: false });
    let changed = Condvar::new();
    let lock = || state.lock().expect("the state is changed without panics");
    let next = || {
        let mut now = lock();
        loop {
            if now.failure.is_some() || now.broken || now.begun.iter().all(|begun| *begun) {
                return None;
            }
            let ready = |i: &usize| !now.begun[*i] && after[*i].iter().all(|&j| done.0[j].get().is_some());
            if let Some(i) = (0..after.len()).find(ready) {
                now.begun[i] = true;
                return Some(i);
            }
            now = changed.wait(now).expect("the state is changed without panics");
        }
    };
    let run = || {
        while let Some(i) = next() {
            let guard = OnPanic(|| {
                lock().broken = true;
                changed.notify_all();
            });
            let result = work(i, &done);
            std::mem::forget(guard);
            let mut now = lock();
            match result {
                Ok(value) => drop(done.0[i].set(value)),
                Err(e) if now.failure.as_ref().is_none_or(|(first, _)| i < *first) => now.failure = Some((i, e)),
                Err(_) => {}
            }
            drop(now);
            changed.notify_all();
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..workers.clamp(1, after.len().max(1)) {
            scope.spawn(run);
        }
    });
    match state.into_inner().expect("the state is changed without panics").failure {
        Some((_, e)) => Err(e),
        None => Ok(done.0.into_iter().map(|slot| slot.into_inner().expect("all tasks are done")).collect()),
    }
}

/// Runs when a panic passes through.
struct OnPanic<F: Fn()>(F);

impl<F: Fn()> Drop for OnPanic<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::Error;

    #[test]
    fn tasks_wait_for_what_they_need() {
        // Four tasks in a diamond, and one without dependencies.
        let after = [vec![], vec![0], vec![0], vec![1, 2], vec![]];
        for workers in [1, 2, 16] {
            let sums = run_all(&after, workers, |i, done: &TaskResults<usize>| {
                Ok(1 + after[i].iter().map(|&j| done.of(j)).sum::<usize>())
            });
            assert_eq!(sums.unwrap(), [1, 2, 2, 5, 1]);
        }
        assert!(run_all(&[], 3, |_, _: &TaskResults<()>| Ok(())).unwrap().is_empty());
    }

    #[test]
    fn an_error_ends_the_run() {
        let begun = AtomicUsize::new(0);
        let failed = run_all(&[vec![], vec![0], vec![1]], 1, |i, _: &TaskResults<()>| {
            begun.fetch_add(1, Ordering::Relaxed);
            if i == 1 { Err(Error::new("no")) } else { Ok(()) }
        });
        assert_eq!((failed.unwrap_err().to_string().as_str(), begun.into_inner()), ("no", 2));
    }

    #[test]
    fn a_panic_leaves_no_worker_waiting() {
        let run = || run_all(&[vec![], vec![0]], 2, |_, _: &TaskResults<()>| -> Result<()> { panic!("a bug") });
        assert!(std::panic::catch_unwind(run).is_err());
    }
}
