//! Where the time goes, operation by operation, and how far each is from what the machine can do.
//!
//! The one thing in the program that is not a value: a clock that every operation of the CPU reports to once it is started. It
//! decides nothing, and until it is started an operation pays one read of a flag for it.

use std::fmt::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use burn_flex::Flex;
use burn_tensor::Tensor;
use half::bf16;
use rayon::prelude::*;

use super::in_bf16::InBf16;
use super::in_f32::InF32;
use super::primitives::{sum_of, vectorised};
use super::weights::{Weights, add_forward};
use crate::kernels::types::{Heads, Span};

/// What is told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Product,
    ProductBackward,
    Attention,
    AttentionBackward,
    Norm,
    Gate,
    Rope,
    Cache,
    LookUp,
    Loss,
    Optimiser,
}

/// Names, in the order of [`Op`].
const NAMES: [&str; 11] = [
    "x · Wᵀ",
    "a · b (backward, adapters)",
    "attention",
    "attention, backward",
    "norms",
    "silu(gate) · up",
    "rope",
    "cache",
    "embedding",
    "loss",
    "optimiser",
];

/// What one kind of operation has taken so far.
#[derive(Default)]
struct Counter {
    calls: AtomicU64,
    nanoseconds: AtomicU64,
    operations: AtomicU64,
    bytes: AtomicU64,
}

/// Time by operation since [`Profile::start`].
pub struct Profile {
    since: Instant,
    counters: [Counter; NAMES.len()],
}

static STARTED: OnceLock<Profile> = OnceLock::new();

impl Profile {
    /// Starts the clock; every operation from now on is counted.
    pub fn start() -> &'static Self {
        STARTED.get_or_init(|| Self { since: Instant::now(), counters: Default::default() })
    }

    /// A table for people: each operation's time, its share of the time since the start, and what it computed and moved a
    /// second, with the share of the machine's peak, which is measured now. Where several threads work on pieces of their own,
    /// their times are added up.
    pub fn table(&self) -> String {
        let whole = self.since.elapsed().as_secs_f64();
        let peak = Peak::measure();
        let mut text = format!(
            "profile: {whole:.2} s on {} threads; peak here {:.0} GFLOP/s in f32, {}{:.1} GB/s\n{:<28}{:>9}{:>9}{:>8}{:>10}{:>8}{:>9}{:>8}\n",
            rayon::current_num_threads(),
            peak.f32 / 1e9,
            peak.bf16.map_or_else(String::new, |bf16| format!("{:.0} in bf16, ", bf16 / 1e9)),
            peak.bytes / 1e9,
            "operation",
            "calls",
            "seconds",
            "share",
            "GFLOP/s",
            "peak",
            "GB/s",
            "peak",
        );
        let mut all = 0.0;
        let fastest = peak.bf16.unwrap_or(peak.f32).max(peak.f32);
        for (name, counter) in NAMES.iter().zip(&self.counters) {
            let calls = counter.calls.load(Relaxed);
            if calls == 0 {
                continue;
            }
            let seconds = counter.nanoseconds.load(Relaxed) as f64 / 1e9;
            all += seconds;
            let rate = |count: &AtomicU64| count.load(Relaxed) as f64 / seconds.max(1e-9);
            let (flops, bytes) = (rate(&counter.operations), rate(&counter.bytes));
            let _ = writeln!(
                text,
                "{name:<28}{calls:>9}{seconds:>9.2}{:>7.1}%{:>10.1}{:>7.1}%{:>9.2}{:>7.1}%",
                100.0 * seconds / whole,
                flops / 1e9,
                100.0 * flops / fastest,
                bytes / 1e9,
                100.0 * bytes / peak.bytes,
            );
        }
        let rest = (whole - all).max(0.0);
        let _ = write!(text, "{:<28}{:>9}{rest:>9.2}{:>7.1}%", "everything else", "", 100.0 * rest / whole);
        text
    }
}

/// An operation under way; it is counted when this is dropped.
pub(super) struct Clock {
    counter: &'static Counter,
    began: Instant,
    work: (usize, usize),
}

/// Counts an operation until the guard is dropped, if the profile was started: so many multiplications and additions, so many
/// bytes read and written.
#[inline]
pub(super) fn clock(op: Op, work: (usize, usize)) -> Option<Clock> {
    #[cfg(test)]
    counting::note(NAMES[op as usize], work);
    STARTED.get().map(|profile| Clock { counter: &profile.counters[op as usize], began: Instant::now(), work })
}

impl Drop for Clock {
    fn drop(&mut self) {
        let Counter { calls, nanoseconds, operations, bytes } = self.counter;
        calls.fetch_add(1, Relaxed);
        nanoseconds.fetch_add(self.began.elapsed().as_nanos() as u64, Relaxed);
        operations.fetch_add(self.work.0 as u64, Relaxed);
        bytes.fetch_add(self.work.1 as u64, Relaxed);
    }
}

/// What this machine can do with all its threads, a second.
struct Peak {
    /// Multiplications and additions of a large product in f32.
    f32: f64,
    /// The same in bf16, where that is faster.
    bf16: Option<f64>,
    /// Bytes read from memory.
    bytes: f64,
}

impl Peak {
    fn measure() -> Self {
        const SIDE: usize = 1024;
        let product = (2 * SIDE * SIDE * SIDE) as f64;
        let (a, mut out) = (vec![1.0f32; SIDE * SIDE], vec![0.0f32; SIDE * SIDE]);
        let in_f32 = best(|| add_forward(InF32, Weights { values: &a, inner: SIDE }, &a, &mut out));
        let bf16 = InBf16::of_this_machine().map(|engine| {
            let weights = vec![bf16::ONE; SIDE * SIDE];
            product / best(|| add_forward(engine, Weights { values: &weights, inner: SIDE }, &a, &mut out))
        });
        // Larger than the caches.
        let large = vec![1.0f32; 1 << 26];
        let read = best(|| {
            let sums = large.par_chunks(1 << 20).map(|part| {
                vectorised(
                    #[inline(always)]
                    || sum_of([part], |[x]| x),
                )
            });
            std::hint::black_box(sums.sum::<f32>());
        });
        Self { f32: product / in_f32, bf16, bytes: (large.len() * size_of::<f32>()) as f64 / read }
    }
}

/// So many operations on each number of a tensor, and so many numbers read or written for it.
pub(super) fn passes<const D: usize>(t: &Tensor<Flex, D>, operations: usize, numbers: usize) -> (usize, usize) {
    let n = t.shape().num_elements();
    (operations * n, numbers * n * size_of::<f32>())
}

/// So many products of every query with the keys that it may see, and the bytes of these keys and values.
pub(super) fn scores(q: &Tensor<Flex, 2>, span: &Span<Flex>, heads: Heads, count: usize) -> (usize, usize) {
    let seen = |(start, at): (&usize, &usize)| (at + span.width).saturating_sub(*start);
    let seen: usize = span.start.iter().zip(&span.at).map(seen).sum();
    (2 * count * seen * span.width * q.dims()[1], 2 * size_of::<f32>() * seen * heads.key_value * heads.dim)
}

/// Seconds that the fastest of a few runs takes.
fn best(mut work: impl FnMut()) -> f64 {
    let mut timed = || {
        let began = Instant::now();
        work();
        began.elapsed()
    };
    (0..4).map(|_| timed()).min().unwrap_or(Duration::MAX).as_secs_f64().max(1e-9)
}

/// What a test counts.
#[cfg(test)]
pub(crate) mod counting {
    use std::cell::RefCell;

    /// An operation's name, its multiplications and additions, its bytes.
    pub(crate) type Counted = (&'static str, usize, usize);

    thread_local! {
        static COUNTED: RefCell<Option<Vec<Counted>>> = const { RefCell::new(None) };
    }

    /// The operations that this thread begins while `work` runs.
    pub(crate) fn counted(work: impl FnOnce()) -> Vec<Counted> {
        COUNTED.set(Some(Vec::new()));
        work();
        COUNTED.take().unwrap_or_default()
    }

    pub(in crate::kernels) fn note(name: &'static str, (operations, bytes): (usize, usize)) {
        COUNTED.with_borrow_mut(|counted| counted.iter_mut().for_each(|all| all.push((name, operations, bytes))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_counted_once_the_clock_runs() {
        let profile = Profile::start();
        let of = |op: Op| {
            let Counter { calls, operations, bytes, .. } = &profile.counters[op as usize];
            [calls, operations, bytes].map(|count| count.load(Relaxed))
        };
        // Other tests' operations are counted too.
        let before = of(Op::Optimiser);
        drop(clock(Op::Optimiser, (6, 40)));
        let after = of(Op::Optimiser);
        assert!(after[0] > before[0] && after[1] >= before[1] + 6 && after[2] >= before[2] + 40);
        let table = profile.table();
        assert!(table.contains("optimiser") && table.contains("everything else") && table.contains("GB/s"), "{table}");
    }
}
