//! Live progress of a study.

use std::collections::HashMap;
use std::sync::Mutex;

use super::interruptible::InterruptibleRuntime;
use crate::study::Event;
use crate::verbs::{Bar, Console};

/// Live progress: a bar for all tasks, and one for each that is under way.
pub(super) struct Progress<'a> {
    console: &'a dyn Console,
    runtime: &'a InterruptibleRuntime<'a>,
    shown: Mutex<Shown>,
}

#[derive(Default)]
struct Shown {
    names: Vec<String>,
    total: usize,
    finished: usize,
    whole: Option<Box<dyn Bar>>,
    under_way: HashMap<usize, Box<dyn Bar>>,
}

impl<'a> Progress<'a> {
    pub fn new(console: &'a dyn Console, runtime: &'a InterruptibleRuntime<'a>) -> Self {
        Self { console, runtime, shown: Mutex::default() }
    }

    pub fn on_event(&self, event: &Event<'_>) {
        self.runtime.leave_if_wished();
        // The lock is poisoned only if a thread panicked, which ends the study.
        let Ok(mut shown) = self.shown.lock() else { return };
        match *event {
            Event::Planned(tasks, costs) => {
                costs.to_string().lines().for_each(|line| self.console.say(line));
                shown.names = tasks.iter().map(|task| task.name.clone()).collect();
                shown.total = tasks.len();
                shown.whole = Some(self.console.bar("tasks", tasks.len()));
            }
            Event::Shard(tasks, own) => {
                shown.names = tasks.iter().map(|task| task.name.clone()).collect();
                shown.total = own.len();
            }
            Event::Progress { task, phase, done, loss, .. } => {
                const PERCENT: usize = 100;
                let name = shown.names.get(task).cloned().unwrap_or_default();
                let bar = shown.under_way.entry(task).or_insert_with(|| self.console.bar(&name, PERCENT));
                let loss = loss.map_or_else(String::new, |loss| format!(", loss {loss:.4}"));
                bar.at((done * PERCENT as f64) as usize, &format!("{phase}{loss}"));
            }
            Event::Damaged(line) => self.console.warn(line),
            Event::Finished { task, reused } => {
                shown.under_way.remove(&task);
                shown.finished += 1;
                let finished = shown.finished;
                if let Some(bar) = &mut shown.whole {
                    bar.at(finished, "");
                }
                let name = shown.names.get(task).map_or("", String::as_str);
                let total = shown.total;
                self.console.say(&format!("{} {name} ({finished} of {total})", if reused { "kept" } else { "done" }));
            }
        }
    }
}
