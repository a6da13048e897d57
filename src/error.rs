//! One error type: what went wrong, where, and how to mend it.
//!
//! A message reads as a single line without a final period; the hint, where there is one, is shown on its own line.
//! Panics are kept for our own bugs; whatever the world can get wrong comes back as an [`Error`].

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;

/// The result of anything that meets the outside world.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, where, and how to mend it.
#[derive(Debug)]
pub struct Error {
    what: String,
    hint: Option<String>,
    kind: Kind,
    source: Option<Box<dyn std::error::Error + Send + Sync + 'static>>,
}

/// Whose move it is after an [`Error`]; it decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The work failed: exit code 1.
    Failed,
    /// The request itself was wrong (arguments, configuration): exit code 2.
    Usage,
}

impl Error {
    /// A failure of the work itself.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), hint: None, kind: Kind::Failed, source: None }
    }

    /// A request that cannot be carried out as it was made.
    pub fn usage(what: impl Into<String>) -> Self {
        Self { kind: Kind::Usage, ..Self::new(what) }
    }

    /// Says how to mend it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// How to mend it, if that is known.
    pub fn help(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Whose move it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The process exit code that this error stands for.
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            Kind::Failed => 1,
            Kind::Usage => 2,
        }
    }

    /// Puts the place in front: a file, a line, a tensor.
    pub fn at(mut self, place: impl fmt::Display) -> Self {
        self.what = format!("{place}: {}", self.what);
        self
    }
}

thread_local! {
    /// Whether this thread is within [`guarded`].
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs a foreign library on a file from a stranger. Some (`tokenizers`, `parquet`, `minijinja`) panic where a file is not as they
/// expect: here that is an error like any other.
///
/// # Errors
/// The panic's message.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T> {
    let before = GUARDED.replace(true);
    let done = panic::catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(before);
    done.map_err(|panic| Error::new(panic_message(panic.as_ref())))
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it failed without a word").to_owned()
}

/// Keeps panics within [`guarded`] off the terminal: they are told as errors. For a program's beginning.
pub(crate) fn silence_guarded_panics() {
    let shown = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !GUARDED.get() {
            shown(info);
        }
    }));
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        // One line for the whole chain: the reader should not have to dig.
        if let Some(source) = &self.source {
            write!(f, ": {source}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// Turns another library's error into an [`Error`] that names the place.
pub trait At<T> {
    /// Names the file that was being read or written.
    fn at(self, path: &Path) -> Result<T>;

    /// Names what was being done.
    fn doing(self, what: impl fmt::Display) -> Result<T>;
}

impl<T, E: std::error::Error + Send + Sync + 'static> At<T> for Result<T, E> {
    fn at(self, path: &Path) -> Result<T> {
        self.doing(path.display())
    }

    fn doing(self, what: impl fmt::Display) -> Result<T> {
        self.map_err(|e| {
            let e: Box<dyn std::error::Error + Send + Sync> = Box::new(e);
            // One of ours keeps its hint and kind; it only learns its place.
            match e.downcast::<Error>() {
                Ok(ours) => ours.at(what),
                Err(other) => Error { source: Some(other), ..Error::new(what.to_string()) },
            }
        })
    }
}

/// Returns early with an [`Error`] whose message is formatted from the arguments.
#[macro_export]
macro_rules! bail {
    ($($arg:tt)*) => { return Err($crate::Error::new(format!($($arg)*))) };
}

/// Returns early with an [`Error`] unless the condition holds.
#[macro_export]
macro_rules! ensure {
    ($cond:expr, $($arg:tt)*) => {{
        // A number that is none makes every comparison false, and that is meant.
        let holds: bool = $cond;
        if !holds {
            $crate::bail!($($arg)*)
        }
    }};
}
