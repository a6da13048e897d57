//! Messages and progress bars, on stderr. Bars appear on a terminal only.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::plain::plain;
use crate::verbs::{Bar, Console};

/// Set by the first Ctrl-C.
static INTERRUPT: AtomicBool = AtomicBool::new(false);
/// Whether the verb at work checks [`INTERRUPT`]; otherwise Ctrl-C ends the process at once.
static CHECKED: AtomicBool = AtomicBool::new(false);

/// Whether Ctrl-C ends a part of the work only, such as an answer; then it prints nothing.
static PART_ONLY: AtomicBool = AtomicBool::new(false);

/// The exit code of an interrupted program: 128 and the signal's number.
pub const INTERRUPTED: u8 = 130;

/// Handles Ctrl-C so that the work can be resumed. Everything on disk is whole at any moment, so exiting at once is safe; a verb that
/// calls [`Console::interrupted`] gets the time to finish its step and save it. A hangup is ignored where the parent had it ignored, as
/// `nohup` does.
pub fn handle_interrupts() {
    let hangup = ignore_hangup();
    // Fails only if there is a handler already, which then does the same.
    let set = ctrlc::set_handler(|| {
        let polite = CHECKED.load(Ordering::Relaxed) && !INTERRUPT.swap(true, Ordering::Relaxed);
        if polite && PART_ONLY.load(Ordering::Relaxed) {
            // The caller of `take_interrupt` shows what it ended.
        } else if polite {
            let _ = writeln!(std::io::stderr(), "\nfinishing what is begun; Ctrl-C again stops at once");
        } else {
            #[allow(clippy::exit)]
            std::process::exit(i32::from(INTERRUPTED));
        }
    });
    if hangup == Hangup::Ignored || set.is_err() {
        hangup.restore();
    }
}

/// What the parent wanted a hangup to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hangup {
    Ignored,
    /// The system's own way: the process ends.
    Default,
}

#[cfg(unix)]
mod hangup {
    use super::Hangup;

    // The same numbers on every Unix, and `signal` is in the C library that `std` links.
    const SIGHUP: i32 = 1;
    const SIG_DFL: usize = 0;
    const SIG_IGN: usize = 1;

    unsafe extern "C" {
        fn signal(number: i32, action: usize) -> usize;
    }

    fn set(action: usize) -> usize {
        // SAFETY: neither action is a handler, so nothing of ours runs in a signal's context.
        unsafe { signal(SIGHUP, action) }
    }

    /// Ignores hangups for the moment; gives what was done with them before.
    pub(super) fn ignore_hangup() -> Hangup {
        if set(SIG_IGN) == SIG_IGN { Hangup::Ignored } else { Hangup::Default }
    }

    impl Hangup {
        pub(super) fn restore(self) {
            set(match self {
                Self::Ignored => SIG_IGN,
                Self::Default => SIG_DFL,
            });
        }
    }
}

#[cfg(unix)]
use hangup::ignore_hangup;

/// There are no hangups here.
#[cfg(not(unix))]
fn ignore_hangup() -> Hangup {
    Hangup::Default
}

#[cfg(not(unix))]
impl Hangup {
    fn restore(self) {}
}

/// Whether Ctrl-C was pressed since the last call: for a part of the work that can be ended without the rest.
pub fn take_interrupt() -> bool {
    PART_ONLY.store(true, Ordering::Relaxed);
    CHECKED.store(true, Ordering::Relaxed);
    INTERRUPT.swap(false, Ordering::Relaxed)
}

#[derive(Debug)]
pub struct Terminal {
    bars: MultiProgress,
    quiet: bool,
}

impl Terminal {
    /// Quiet means warnings and errors only.
    pub fn new(quiet: bool) -> Self {
        let shown = !quiet && std::io::stderr().is_terminal();
        let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self { bars: MultiProgress::with_draw_target(target), quiet }
    }

    fn line(&self, line: &str) {
        // A bar in the way is drawn again below. A closed stderr is no failure.
        self.bars.suspend(|| {
            let _ = writeln!(std::io::stderr(), "{}", plain(line));
        });
    }
}

impl Console for Terminal {
    fn say(&self, line: &str) {
        if !self.quiet {
            self.line(line);
        }
    }

    fn warn(&self, line: &str) {
        self.line(&format!("warning: {line}"));
    }

    fn data(&self, line: &str) {
        self.bars.suspend(|| {
            let mut stdout = std::io::stdout().lock();
            let line = if stdout.is_terminal() { plain(line) } else { line.into() };
            let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
        });
    }

    fn bar(&self, what: &str, total: usize) -> Box<dyn Bar> {
        let style = ProgressStyle::with_template("{prefix} {pos}/{len} [{wide_bar}] {msg} {eta} left")
            .expect("a valid template");
        let bar = self.bars.add(
            ProgressBar::new(total as u64)
                .with_style(style.progress_chars("=> "))
                .with_prefix(plain(what).into_owned()),
        );
        Box::new(TerminalBar { bar })
    }

    fn interrupted(&self) -> bool {
        CHECKED.store(true, Ordering::Relaxed);
        INTERRUPT.load(Ordering::Relaxed)
    }

    fn leave_if_wished(&self) {
        CHECKED.store(false, Ordering::Relaxed);
        if INTERRUPT.load(Ordering::Relaxed) {
            self.line("interrupted; the same command goes on from here");
            #[allow(clippy::exit)]
            std::process::exit(i32::from(INTERRUPTED));
        }
    }
}

struct TerminalBar {
    bar: ProgressBar,
}

impl Bar for TerminalBar {
    fn at(&mut self, done: usize, note: &str) {
        let done = done as u64;
        if self.bar.position() == 0 && done > 1 {
            // Work of an earlier run must not count as speed.
            self.bar.reset_eta();
        }
        self.bar.set_position(done);
        self.bar.set_message(plain(note).into_owned());
    }
}

impl Drop for TerminalBar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
