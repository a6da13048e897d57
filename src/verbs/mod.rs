//! The commands of Trimtab, one file or folder per verb: arguments → settings → work → an [`Outcome`].
//!
//! A verb gets its arguments and a [`Context`], and prints nothing itself: the terminal, colours, bars and exit codes belong to
//! `crate::cli`. What verbs share: [`model`] (`--model`, `--adapter`), `steer`, `probe`, [`judges`], `traits`, `run` (progress), `paths`.

mod choices;
mod paths;
mod probe;
mod prompts;
mod run;
mod sampling;
mod steer;
mod writer;

pub mod adapter;
pub mod chat;
pub mod data;
pub mod devices;
pub mod doctor;
pub mod eval;
pub mod extract;
pub mod generate;
pub mod guide;
pub mod judge;
pub mod judges;
pub mod layers;
pub mod merge;
pub mod model;
pub mod monitor;
pub mod plan;
pub mod project;
pub mod screen;
pub mod study;
pub mod train;
pub mod traits;
pub mod vectors;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use crate::hub::Hub;
use crate::judge::Key;
use crate::runtime::Runtime;
use crate::{Error, Result, device};

/// Where a verb's messages go; data goes into its [`Outcome`].
pub trait Console: Sync {
    /// What was chosen or done, one line.
    fn say(&self, line: &str);

    /// What the user should look at although the work goes on, one line.
    fn warn(&self, line: &str);

    /// Data that must not wait for the outcome, one line.
    fn data(&self, line: &str);

    fn bar(&self, what: &str, total: usize) -> Box<dyn Bar>;

    /// Whether the user has interrupted. From the first call on an interrupt is only recorded, so a verb that calls this once must
    /// keep calling it.
    fn interrupted(&self) -> bool;

    /// Exits if an interrupt is pending, and from now on exits at once on an interrupt; call only when no checkpoint is being written.
    fn leave_if_wished(&self) {}
}

/// Progress of one piece of work; it vanishes when dropped.
pub trait Bar: Send {
    /// So many parts are done; `note` stands behind the bar.
    fn at(&mut self, done: usize, note: &str);
}

#[derive(Clone)]
pub struct Context<'a> {
    pub console: &'a dyn Console,
    pub device: String,
    pub dtype: String,
    pub seed: Option<u64>,
    /// Folder for unpacked models and histories, if the system has one.
    pub cache: Option<PathBuf>,
    pub judge_key: Option<Key>,
    pub hub: Hub,
    pub trackio: Option<PathBuf>,
}

impl Context<'_> {
    /// Opens the device for work with this model, and names it on the console.
    fn runtime(&self, model: &Path) -> Result<Box<dyn Runtime>> {
        self.one_device()?;
        self.runtimes(model)
    }

    /// Opens the device for work with models that are not known yet, and names it on the console.
    fn any_runtime(&self) -> Result<Box<dyn Runtime>> {
        self.one_device()?;
        self.named(device::open(&self.device, &self.dtype)?, "")
    }

    fn one_device(&self) -> Result<()> {
        if self.device.contains(',') {
            return Err(Error::usage(format!("--device {}: several devices are for studies", self.device))
                .hint("a study runs its tasks side by side; name one device here"));
        }
        Ok(())
    }

    /// Opens the device, or several for tasks that run side by side, and names them on the console.
    fn runtimes(&self, model: &Path) -> Result<Box<dyn Runtime>> {
        let (runtime, why) = device::open_for(&self.device, &self.dtype, model)?;
        self.named(runtime, why)
    }

    fn named(&self, runtime: Box<dyn Runtime>, why: &str) -> Result<Box<dyn Runtime>> {
        let several = if self.device.contains(',') { format!("; {} side by side", self.device) } else { String::new() };
        let why = if why.is_empty() { String::new() } else { format!(": {why}") };
        self.console.say(&format!("device: {}{several}{why}", runtime.device()));
        Ok(runtime)
    }
}

#[derive(Debug)]
pub struct Outcome {
    pub text: String,
    pub json: Value,
    pub interrupted: bool,
    /// The failure, if there is one although there is something to show.
    pub fault: Option<Error>,
}

/// The arguments of a verb as the command line has them, its name first.
pub fn args_of<A: Args>(words: impl IntoIterator<Item: Into<OsString> + Clone>) -> Result<A> {
    let parsed = A::augment_args(clap::Command::new("trimtab")).try_get_matches_from(words);
    parsed.and_then(|matches| A::from_arg_matches(&matches)).map_err(|e| {
        let said = e.to_string();
        let first = said.lines().next().unwrap_or_default();
        Error::usage(first.trim_start_matches("error: "))
    })
}

/// A text for people is highlighted between these two: coloured on a terminal, in brackets elsewhere.
pub const MARK: [char; 2] = ['\u{2}', '\u{3}'];

impl Outcome {
    /// Finished work.
    ///
    /// # Panics
    /// If `json` is no JSON value, which is a bug of ours.
    pub fn new(text: impl Into<String>, json: impl Serialize) -> Self {
        let json = serde_json::to_value(json).expect("an outcome has a JSON form");
        Self { text: text.into(), json, interrupted: false, fault: None }
    }

    pub fn interrupted(text: impl Into<String>, json: impl Serialize) -> Self {
        Self { interrupted: true, ..Self::new(text, json) }
    }

    /// The same, shown, with a failure's exit code.
    pub fn but(self, fault: Error) -> Self {
        Self { fault: Some(fault), ..self }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    //! A console for tests.
    use std::sync::Mutex;

    use super::{Bar, Console, Context};
    use crate::hub::Hub;

    /// A place without terminal, cache and keys.
    pub(crate) fn context(console: &Quiet) -> Context<'_> {
        let (device, dtype, hub) = ("cpu".into(), "auto".into(), Hub::default());
        Context { console, device, dtype, seed: None, cache: None, judge_key: None, hub, trackio: None }
    }

    #[derive(Default)]
    pub(crate) struct Quiet {
        pub lines: Mutex<Vec<String>>,
    }

    struct NoBar;

    impl Bar for NoBar {
        fn at(&mut self, _: usize, _: &str) {}
    }

    impl Console for Quiet {
        fn say(&self, line: &str) {
            self.lines.lock().unwrap().push(line.into());
        }

        fn warn(&self, line: &str) {
            self.say(line);
        }

        fn data(&self, line: &str) {
            self.say(line);
        }

        fn bar(&self, _: &str, _: usize) -> Box<dyn Bar> {
            Box::new(NoBar)
        }

        fn interrupted(&self) -> bool {
            false
        }
    }
}
