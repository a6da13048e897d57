//! A verb at work: its run's folder, and what it shows.

use std::path::{Path, PathBuf};

use super::{Bar, Console};
use crate::Result;
use crate::record::{Malformed, RunDir};

/// Opens a run's folder: the one that the user names, or `runs/VERB/MODEL/NAME`.
pub fn open_run(named: Option<&PathBuf>, verb: &str, model: &str, name: impl AsRef<Path>) -> Result<RunDir> {
    RunDir::open(named.cloned().unwrap_or_else(|| Path::new("runs").join(verb).join(model).join(name)))
}

/// Warns of what was found damaged in a run's folder and is worked out anew.
pub fn warn_of_damage(run: &RunDir, console: &dyn Console) {
    run.take_damage().iter().for_each(|line| console.warn(line));
}

/// One bar at a time: a new one for every kind of work, gone when the next one begins or this is dropped.
pub struct Progress<'a> {
    console: &'a dyn Console,
    current: Option<(String, Box<dyn Bar>)>,
}

impl<'a> Progress<'a> {
    pub fn new(console: &'a dyn Console) -> Self {
        Self { console, current: None }
    }

    /// So many parts of `work` are done, of `total`; `note` stands behind the bar.
    pub fn show(&mut self, work: &str, done: usize, total: usize, note: &str) {
        if self.current.as_ref().is_none_or(|(shown, _)| shown != work) {
            // The old bar goes before the new one comes.
            self.current = None;
            self.current = Some((work.to_owned(), self.console.bar(work, total)));
        }
        self.current.iter_mut().for_each(|(_, bar)| bar.at(done, note));
    }
}

/// Warns of rows that could not be used: each that has a name, and how many more there are.
pub fn warn_of_bad_rows(bad: &Malformed, console: &dyn Console) {
    bad.named.iter().for_each(|bad| console.warn(bad));
    let more = bad.count - bad.named.len();
    if more > 0 {
        console.warn(&format!("and {more} more rows could not be used"));
    }
}
