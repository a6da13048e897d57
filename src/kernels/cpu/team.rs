//! Threads that share out the work of one operation within a microsecond.
//!
//! A token of a small model takes some 250 operations of 20 to 200 µs. rayon's threads fall asleep between two of them, and to
//! wake one costs up to half of that; these look for the next operation for a while before they sleep.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::null_mut;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize};
use std::sync::{Mutex, OnceLock};
use std::thread::Thread;
use std::time::{Duration, Instant};

use rayon::prelude::*;

/// How long a thread without work looks for more before it sleeps: longer than what lies between two operations of a token.
const LOOKS: Duration = Duration::from_micros(150);

/// Threads that [`share_out`] uses, that of the caller included.
pub(super) fn threads() -> usize {
    rayon::current_num_threads()
}

/// Calls `work` once with every number below `tasks`, on all threads; each goes through neighbours in their order as long as there are
/// any, because these read and write what lies side by side in memory. If a call panics, so does this one.
pub(super) fn share_out(tasks: usize, work: impl Fn(usize) + Sync) {
    if tasks <= 1 || threads() == 1 {
        return (0..tasks).for_each(work);
    }
    // On rayon's threads several pieces of work run side by side already, and another thread may be using the team.
    let is_piece = rayon::current_thread_index().is_some();
    if is_piece || !Team::of_this_machine().share_out(tasks, &work) {
        (0..tasks).into_par_iter().for_each(&work);
    }
}

/// Calls `work` once with the number of every `length` numbers of `out` and these themselves, the last of which may be fewer.
pub(super) fn share_out_parts<T: Send>(out: &mut [T], length: usize, work: impl Fn(usize, &mut [T]) + Sync) {
    struct Start<T>(*mut T);
    // SAFETY: every task writes a part of its own.
    unsafe impl<T: Send> Sync for Start<T> {}
    impl<T> Start<T> {
        fn at(&self, offset: usize) -> *mut T {
            self.0.wrapping_add(offset)
        }
    }
    let (n, length, start) = (out.len(), length.max(1), Start(out.as_mut_ptr()));
    share_out(n.div_ceil(length), |part| {
        let from = part * length;
        // SAFETY: a part lies within `out`, and no two of them overlap.
        work(part, unsafe { std::slice::from_raw_parts_mut(start.at(from), length.min(n - from)) });
    });
}

/// Calls `work` once with each item and its number.
pub(super) fn share_out_each<T: Send>(items: impl Iterator<Item = T>, work: impl Fn(usize, &mut T) + Sync) {
    let mut items: Vec<T> = items.collect();
    share_out_parts(&mut items, 1, |index, item| work(index, &mut item[0]));
}

/// The threads beside the caller's.
struct Team {
    /// Held by the thread whose work is shared out.
    turn: Mutex<()>,
    /// How many operations there have been: it changes when there is work.
    number: AtomicUsize,
    /// The operation at work, on the stack of the thread that holds the turn.
    operation: AtomicPtr<Operation<'static>>,
    /// Threads that may be looking at [`Team::operation`].
    inside: AtomicUsize,
    /// How many tasks of each span have been begun.
    begun: [Line; SPANS],
    members: OnceLock<Vec<Member>>,
}

/// Parts that the tasks of an operation are cut into, at most: one for each thread.
const SPANS: usize = 64;

/// A counter on cache lines of its own.
#[repr(align(128))]
struct Line(AtomicUsize);

struct Member {
    thread: Thread,
    asleep: &'static AtomicBool,
}

/// Work of which every task is taken once.
struct Operation<'a> {
    work: &'a (dyn Fn(usize) + Sync),
    tasks: usize,
    /// The counters of its spans.
    begun: &'a [Line],
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

impl Operation<'_> {
    /// Takes the tasks of a span, and then what is left of the others.
    fn run(&self, first: usize) {
        let spans = self.begun.len();
        let all = AssertUnwindSafe(|| {
            for span in (first..first + spans).map(|span| span % spans) {
                let tasks = span * self.tasks / spans..(span + 1) * self.tasks / spans;
                loop {
                    let task = tasks.start + self.begun[span].0.fetch_add(1, Relaxed);
                    if task >= tasks.end {
                        break;
                    }
                    (self.work)(task);
                }
            }
        });
        if let Err(panic) = catch_unwind(all) {
            // What has not been begun is left.
            self.begun.iter().for_each(|begun| begun.0.store(self.tasks, Relaxed));
            *self.panic.lock().expect("it is held for a moment") = Some(panic);
        }
    }
}

impl Team {
    fn of_this_machine() -> &'static Self {
        static TEAM: Team = Team {
            turn: Mutex::new(()),
            number: AtomicUsize::new(0),
            operation: AtomicPtr::new(null_mut()),
            inside: AtomicUsize::new(0),
            begun: [const { Line(AtomicUsize::new(0)) }; SPANS],
            members: OnceLock::new(),
        };
        TEAM.members.get_or_init(|| (1..threads()).filter_map(|index| TEAM.hire(index)).collect());
        &TEAM
    }

    /// A thread more, whose first span is that of its index; none where the system gives none.
    fn hire(&'static self, index: usize) -> Option<Member> {
        let asleep: &'static AtomicBool = Box::leak(Box::new(AtomicBool::new(false)));
        let thread =
            std::thread::Builder::new().name("kernels".into()).spawn(move || self.serve(index, asleep)).ok()?;
        Some(Member { thread: thread.thread().clone(), asleep })
    }

    /// What a member does as long as the program runs.
    fn serve(&self, index: usize, asleep: &AtomicBool) {
        let mut seen = 0;
        loop {
            seen = self.wait(seen, asleep);
            // In this order: either the caller sees that this thread is inside and waits for it, or this thread sees that the
            // operation is over.
            self.inside.fetch_add(1, SeqCst);
            // SAFETY: the caller keeps the operation until no thread is inside.
            if let Some(operation) = unsafe { self.operation.load(SeqCst).as_ref() } {
                operation.run(index);
            }
            self.inside.fetch_sub(1, Release);
        }
    }

    /// Waits for an operation after number `seen`; gives its number.
    fn wait(&self, seen: usize, asleep: &AtomicBool) -> usize {
        let since = Instant::now();
        loop {
            for _ in 0..64 {
                let number = self.number.load(Acquire);
                if number != seen {
                    return number;
                }
                std::hint::spin_loop();
            }
            if since.elapsed() > LOOKS {
                asleep.store(true, SeqCst);
                while self.number.load(SeqCst) == seen {
                    std::thread::park();
                }
                asleep.store(false, SeqCst);
            }
        }
    }

    /// [`share_out`], or false if another thread has its turn.
    fn share_out(&self, tasks: usize, work: &(dyn Fn(usize) + Sync)) -> bool {
        let Ok(turn) = self.turn.try_lock() else { return false };
        let members = self.members.get().map_or(&[][..], Vec::as_slice);
        let begun = &self.begun[..(1 + members.len()).min(tasks).min(SPANS)];
        begun.iter().for_each(|begun| begun.0.store(0, Relaxed));
        let operation = Operation { work, tasks, begun, panic: Mutex::new(None) };
        let place: *const Operation<'_> = &operation;
        // The lifetime is only for the type: no thread looks at the operation once this call is over.
        self.operation.store(place.cast::<Operation<'static>>().cast_mut(), SeqCst);
        self.number.fetch_add(1, SeqCst);
        let sleepers = members.iter().filter(|member| member.asleep.load(SeqCst));
        sleepers.take(tasks - 1).for_each(|member| member.thread.unpark());
        operation.run(0);
        self.operation.store(null_mut(), SeqCst);
        let mut looks = 0;
        while self.inside.load(SeqCst) > 0 {
            looks += 1;
            // Where other programs want the processor too, the thread that is awaited may be waiting for it.
            if looks < 4096 { std::hint::spin_loop() } else { std::thread::yield_now() }
        }
        drop(turn);
        if let Some(panic) = operation.panic.into_inner().expect("no thread panicked while it held it") {
            resume_unwind(panic);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often each task was called.
    fn counts(tasks: usize) -> Vec<usize> {
        let counts: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
        share_out(tasks, |task| {
            counts[task].fetch_add(1, SeqCst);
        });
        counts.into_iter().map(AtomicUsize::into_inner).collect()
    }

    #[test]
    fn every_task_is_done_once_whoever_asks() {
        std::thread::scope(|scope| {
            for asker in 0..4 {
                scope.spawn(move || {
                    for round in 0..2000 {
                        let tasks = (round * 7 + asker) % 50;
                        assert_eq!(counts(tasks), vec![1; tasks]);
                    }
                    // The others have fallen asleep.
                    std::thread::sleep(4 * LOOKS);
                    assert_eq!(counts(9), [1; 9]);
                });
            }
        });
        // Within a task, and on a thread of rayon's.
        share_out(3, |_| assert_eq!(counts(20), [1; 20]));
        rayon::join(|| assert_eq!(counts(20), [1; 20]), || assert_eq!(counts(30), [1; 30]));
    }

    #[test]
    fn parts_are_whole_but_for_the_last() {
        for (n, length) in [(0, 3), (1, 3), (10, 3), (12, 4), (5, 0)] {
            let mut out = vec![0; n];
            share_out_parts(&mut out, length, |part, numbers| {
                numbers.iter_mut().for_each(|number| *number += part + 1)
            });
            let right: Vec<usize> = (0..n).map(|i| i / length.max(1) + 1).collect();
            assert_eq!(out, right, "{n} by {length}");
        }
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_team_lives_on() {
        for round in 0..20 {
            let call = || share_out(40, |task| assert_ne!(task, 20 + round % 7, "this one"));
            let panic = catch_unwind(AssertUnwindSafe(call)).expect_err("a task panicked");
            assert!(panic.downcast_ref::<String>().is_some_and(|text| text.contains("this one")));
            assert_eq!(counts(33), [1; 33]);
        }
    }
}
