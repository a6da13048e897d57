//! Doing a study: the runtime, the judges and the progress that it needs, and what is said at its end.

use serde_json::json;

use super::interruptible::InterruptibleRuntime;
use super::launch::Requested;
use super::progress::Progress;
use super::study_judges::StudyJudges;
use crate::Result;
use crate::report::Table;
use crate::study::{self, Event, StudyReport};
use crate::verbs::{Context, Outcome};

pub(super) fn work(study: &Requested<'_>, only: &[String], context: &Context<'_>) -> Result<Outcome> {
    let Requested { kind, config, out, .. } = study;
    kind.check(config)?;
    let opened = context.runtimes(&config.model)?;
    let runtime = InterruptibleRuntime::new(opened.as_ref(), context.console);
    let progress = Progress::new(context.console, &runtime);
    let on_event = |event: &Event<'_>| progress.on_event(event);
    let judges = StudyJudges::of(config, out)?;
    judges.mention_keys(context);
    if let [first, ..] = only {
        let judges = judges.of_shard(first);
        let call = |role| judges.call(role, context, &runtime);
        let reused = study::run_shard(config, out, only, &runtime, &call, &on_event)?;
        let text = format!("{} of {} tasks were there before", reused, only.len());
        return Ok(Outcome::new(text, json!({ "out": out, "pieces": only, "reused": reused })));
    }
    judges.gather()?;
    let call = |role| judges.call(role, context, &runtime);
    let report = study::run(*kind, config, out, &runtime, &call, &on_event)?;
    let StudyReport { table, tables, files, tasks, reused, .. } = report;
    let listed: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    let shown = files.first().map_or_else(String::new, |page| format!("\nreport: {}", page.display()));
    let titled = |(name, table): &(Option<String>, Table)| {
        let title = name.as_ref().map_or_else(String::new, |name| format!("{name}\n"));
        format!("{title}{}", table.text())
    };
    let text = format!("{}{shown}", tables.iter().map(titled).collect::<Vec<_>>().join("\n\n"));
    Ok(Outcome::new(
        text,
        json!({ "out": out, "table": table.json(), "files": listed, "pieces": tasks, "reused": reused }),
    ))
}
