//! `study status`: how far a study is, from its folder and, where there is one, from Slurm.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::slurm::{Jobs, Queued};
use crate::Result;
use crate::study::{State, TaskReport, status};
use crate::verbs::Outcome;

/// Show how far a study is, without disturbing it
///
/// Reads the study's folder: what is done, what is under way and how far, what has failed and why. For a study that was handed to
/// Slurm, says what the queue knows of each task, too.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  trimtab study status runs/facts")]
pub struct StatusArgs {
    /// Folder of the study
    #[arg(value_name = "DIR")]
    out: PathBuf,
}

/// A task of the study with what Slurm and its log say.
struct Row {
    report: TaskReport,
    task: Option<String>,
    queued: Option<Queued>,
    log: Option<PathBuf>,
}

pub fn run(args: &StatusArgs) -> Result<Outcome> {
    let out = &args.out;
    let reports = status(out)?;
    let jobs = Jobs::read(out)?;
    let queued = jobs.as_ref().map(Jobs::queued).unwrap_or_default();
    let rows: Vec<Row> = reports.into_iter().map(|report| Row::of(report, out, jobs.as_ref(), &queued)).collect();
    let count = |state: State| rows.iter().filter(|row| row.report.state == state).count();
    let states = [State::Done, State::UnderWay, State::Waiting, State::Interrupted, State::Failed, State::Stale];
    let counts: BTreeMap<&str, usize> = states.into_iter().map(|s| (s.words(), count(s))).collect();
    let page = Some(out.join("report.html")).filter(|page| page.is_file());
    let collect = jobs.as_ref().and_then(Jobs::collect).and_then(|id| queued.get(id));

    let width = rows.iter().map(|row| row.report.name.len()).max().unwrap_or_default();
    let mut lines: Vec<String> = rows.iter().map(|row| row.line(width)).collect();
    let counted = states.into_iter().filter(|s| count(*s) > 0).map(|s| format!("{} {}", count(s), s.words()));
    lines.push(format!("{} tasks: {}", rows.len(), counted.collect::<Vec<_>>().join(", ")));
    if let Some(queued) = collect.filter(|queued| !queued.is_over()) {
        lines.push(format!("collect: job {} {}", queued.job, queued.words()));
    }
    if let Some(page) = &page {
        lines.push(format!("report: {}", page.display()));
    }
    let pieces: Vec<Value> = rows.iter().map(Row::json).collect();
    let json = json!({ "out": out, "pieces": pieces, "counts": counts, "collect": collect, "report": page });
    Ok(Outcome::new(lines.join("\n"), json))
}

impl Row {
    fn of(mut report: TaskReport, out: &Path, jobs: Option<&Jobs>, queued: &BTreeMap<String, Queued>) -> Self {
        let Some((task, log)) = jobs.and_then(|jobs| jobs.task_of(out, &report.name)) else {
            return Self { report, task: None, queued: None, log: None };
        };
        let queued = queued.get(&task).cloned();
        // A job may have ended before it recorded anything: its log says why.
        let is_open = !matches!(report.state, State::Done | State::UnderWay | State::Failed);
        if is_open && queued.as_ref().is_some_and(Queued::has_failed) {
            report.state = State::Failed;
            report.error = last_line(&log);
        }
        Self { report, task: Some(task), queued, log: Some(log).filter(|log| log.is_file()) }
    }

    fn line(&self, width: usize) -> String {
        let TaskReport { name, state, phase, part, steps, loss, seconds, error, .. } = &self.report;
        let mut details = Vec::new();
        if *state == State::UnderWay || *state == State::Interrupted {
            details.extend(phase.clone());
            match (steps, part) {
                (Some((step, of)), _) => details.push(format!("step {step} of {of}")),
                (None, Some(part)) => details.push(format!("{:.0} %", part * 100.0)),
                (None, None) => {}
            }
            details.extend(loss.map(|loss| format!("loss {loss:.4}")));
            details.extend(seconds.map(|seconds| format!("for {}", span(seconds))));
        }
        details.extend(error.clone());
        if *state != State::Done {
            details.extend(self.queued.as_ref().map(|queued| format!("job {} {}", queued.job, queued.words())));
        }
        if *state == State::Failed {
            details.extend(self.log.as_ref().map(|log| log.display().to_string()));
        }
        format!("{name:<width$}  {:<11}  {}", state.words(), details.join(", ")).trim_end().to_owned()
    }

    fn json(&self) -> Value {
        let mut row = json!(self.report);
        row["task"] = json!(self.task);
        row["slurm"] = json!(self.queued);
        row["log"] = json!(self.log);
        row
    }
}

impl Queued {
    fn words(&self) -> String {
        if self.why.is_empty() { self.state.clone() } else { format!("{} ({})", self.state, self.why) }
    }
}

fn last_line(path: &Path) -> Option<String> {
    const TAIL: u64 = 8192;
    let mut file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).ok()?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail).ok()?;
    let text = String::from_utf8_lossy(&tail);
    text.lines().rev().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
}

/// A length of time in its largest unit that leaves more than one.
fn span(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_logs_are_short() {
        assert_eq!([5, 300, 10_000, 200_000].map(span), ["5 s", "5 min", "2 h", "2 days"]);
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("a.log");
        std::fs::write(&log, "x\nerror: no such device\n\n").unwrap();
        assert_eq!(last_line(&log).as_deref(), Some("error: no such device"));
        assert_eq!(last_line(&dir.path().join("none")), None);
    }
}
