//! What can be asked of Trimtab: one file per verb, arguments -> settings -> work.
//!
//! A verb is given words and a [`Context`]; it hands back an [`Outcome`] and prints nothing: the terminal, colours, bars
//! and exit codes belong to `crate::cli`.

mod paths;
mod probe;
mod prompts;
mod steer;
mod writer;

pub mod adapter;
pub mod chat;
pub mod data;
pub mod devices;
pub mod eval;
pub mod extract;
pub mod generate;
pub mod judges;
pub mod layers;
pub mod live;
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

use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;

use crate::hub::Hub;
use crate::judge::Key;
use crate::runtime::Runtime;
use crate::{Error, Result, device};

/// The place where a verb's talk goes; data goes into its [`Outcome`].
pub trait Console: Sync {
    /// Tells what was chosen or done, one line.
    fn say(&self, line: &str);

    /// Tells what should be looked at although the work goes on, one line.
    fn warn(&self, line: &str);

    /// Hands over data at once, one line of it.
    fn data(&self, line: &str);

    /// Shows how far a piece of work of `total` parts is.
    fn bar(&self, what: &str, total: usize) -> Box<dyn Bar>;

    /// Whether the user has asked to stop. Who asks once must go on asking, since the first wish is then only noted.
    fn interrupted(&self) -> bool;

    /// Nobody has anything to save any more: ends the program if the user has asked to stop, and from now on at once when asked.
    fn leave_if_wished(&self) {}
}

/// Progress of one piece of work; it vanishes when dropped.
pub trait Bar: Send {
    /// So many parts are done; `note` says what else is worth knowing.
    fn at(&mut self, done: usize, note: &str);
}

/// What every verb may use.
pub struct Context<'a> {
    /// Where talk goes.
    pub console: &'a dyn Console,
    /// `--device`.
    pub device: String,
    /// `--dtype`.
    pub dtype: String,
    /// `--seed`, if it was given.
    pub seed: Option<u64>,
    /// Where unpacked and downloaded things may be kept, if the system has such a place.
    pub cache: Option<PathBuf>,
    /// The key of a paid judge, if the environment has one.
    pub judge_key: Option<Key>,
    /// Where models come from that are no folders.
    pub hub: Hub,
    /// Where Trackio keeps its databases, if the system has such a place.
    pub trackio: Option<PathBuf>,
}

impl Context<'_> {
    /// Opens the device, and says which it is.
    fn runtime(&self) -> Result<Box<dyn Runtime>> {
        if self.device.contains(',') {
            return Err(Error::usage(format!("--device {}: several devices are for studies", self.device))
                .hint("a study does its pieces of work side by side; name one device here"));
        }
        self.runtimes()
    }

    /// Opens the device, or several for work that is done side by side, and says which they are.
    fn runtimes(&self) -> Result<Box<dyn Runtime>> {
        let runtime = device::open(&self.device, &self.dtype)?;
        let several = if self.device.contains(',') { format!("; {} side by side", self.device) } else { String::new() };
        self.console.say(&format!("device: {}{several}", runtime.device()));
        Ok(runtime)
    }
}

/// What a verb found or made.
#[derive(Debug)]
pub struct Outcome {
    /// For people.
    pub text: String,
    /// For programs: one JSON object.
    pub json: Value,
    /// Whether the user ended the work early.
    pub interrupted: bool,
    /// Why it is a failure although there is something to show.
    pub fault: Option<Error>,
}

/// Between these a text for people has what is to stand out: coloured on a terminal, in brackets elsewhere.
pub const MARK: [char; 2] = ['\u{2}', '\u{3}'];

impl Outcome {
    /// A finished piece of work.
    ///
    /// # Panics
    /// If `json` is no JSON value, which is a bug of ours.
    pub fn new(text: impl Into<String>, json: impl Serialize) -> Self {
        let json = serde_json::to_value(json).expect("an outcome has a JSON form");
        Self { text: text.into(), json, interrupted: false, fault: None }
    }

    /// The same, shown and then told to be a failure.
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

    /// Keeps what is said.
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
