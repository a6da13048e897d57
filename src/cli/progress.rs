//! Talk and progress bars, on stderr. Bars appear on a terminal only.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::verbs::{Bar, Console};

/// Set by the first Ctrl-C.
static WISH: AtomicBool = AtomicBool::new(false);
/// Whether the verb at work looks at [`WISH`]; otherwise Ctrl-C ends the process at once.
static ASKED: AtomicBool = AtomicBool::new(false);

/// Whether Ctrl-C ends a part of the work only, about which there is nothing to say.
static PARTLY: AtomicBool = AtomicBool::new(false);

/// The exit code of an interrupted program: 128 and the signal's number.
pub const INTERRUPTED: u8 = 130;

/// Makes Ctrl-C leave a state from which the work can go on. Everything on disk is whole at any moment, so leaving at once
/// is safe; a verb that asks [`Console::interrupted`] is given the time to finish its step and save it.
pub fn mind_interrupts() {
    // Fails only if there is a handler already, which then does the same.
    let _ = ctrlc::set_handler(|| {
        let polite = ASKED.load(Ordering::Relaxed) && !WISH.swap(true, Ordering::Relaxed);
        if polite && PARTLY.load(Ordering::Relaxed) {
            // Who takes the wish shows what it came to.
        } else if polite {
            let _ = writeln!(std::io::stderr(), "\nfinishing what is begun; Ctrl-C again stops at once");
        } else {
            #[allow(clippy::exit)]
            std::process::exit(i32::from(INTERRUPTED));
        }
    });
}

/// Whether Ctrl-C was pressed since the last time of asking: for a piece of work that can be ended without the rest.
pub fn take_interrupt() -> bool {
    PARTLY.store(true, Ordering::Relaxed);
    ASKED.store(true, Ordering::Relaxed);
    WISH.swap(false, Ordering::Relaxed)
}

/// The user's terminal.
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
        // A bar in the way is drawn again below; a closed stderr is nobody's loss.
        self.bars.suspend(|| {
            let _ = writeln!(std::io::stderr(), "{line}");
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
            let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
        });
    }

    fn bar(&self, what: &str, total: usize) -> Box<dyn Bar> {
        let style = ProgressStyle::with_template("{prefix} {pos}/{len} [{wide_bar}] {msg} {eta} left")
            .expect("a valid template");
        let bar = self
            .bars
            .add(ProgressBar::new(total as u64).with_style(style.progress_chars("=> ")).with_prefix(what.to_owned()));
        Box::new(Line { bar })
    }

    fn interrupted(&self) -> bool {
        ASKED.store(true, Ordering::Relaxed);
        WISH.load(Ordering::Relaxed)
    }

    fn leave_if_wished(&self) {
        ASKED.store(false, Ordering::Relaxed);
        if WISH.load(Ordering::Relaxed) {
            self.line("interrupted; the same command goes on from here");
            #[allow(clippy::exit)]
            std::process::exit(i32::from(INTERRUPTED));
        }
    }
}

struct Line {
    bar: ProgressBar,
}

impl Bar for Line {
    fn at(&mut self, done: usize, note: &str) {
        let done = done as u64;
        if self.bar.position() == 0 && done > 1 {
            // Work that was done before must not count as speed.
            self.bar.reset_eta();
        }
        self.bar.set_position(done);
        self.bar.set_message(note.to_owned());
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
