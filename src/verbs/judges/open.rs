//! A judge at work for a verb: opened once for each thread, its estimate, progress and problems on the console.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::Result;
use crate::judge::{
    Call, Judge, JudgeEvent, JudgeSource, JudgedItem, LocalSettings, OpenAiSettings, Rubric, Rubrics, Verdict,
};
use crate::runtime::{ModelSpec, Runtime, device_kind};
use crate::steering::SteeringPlan;
use crate::verbs::{Bar, Console, Context};

/// Folder of a study where its tasks keep their judges' answers.
pub const SHARES: &str = "judges";

/// Where a task that does a share of a study keeps its judge's answers, and the judge that does so. A file of answers that processes
/// on several machines write would not stay whole, so each task has its own, named by the first of its pieces.
pub fn of_share(out: &Path, piece: &str, source: &JudgeSource) -> (PathBuf, JudgeSource) {
    let mut judge = source.clone();
    match &mut judge {
        JudgeSource::OpenAi(OpenAiSettings { cache, .. }) | JudgeSource::Local(LocalSettings { cache, .. }) => {
            *cache = None
        }
        JudgeSource::Harbor { .. }
        | JudgeSource::Scored { .. }
        | JudgeSource::Sentiment(_)
        | JudgeSource::Pattern(_) => {}
    }
    (out.join(SHARES).join(piece), judge)
}

/// Opens the judge for one thread of a run whose files lie in `folder`.
pub fn open<'a>(
    source: &JudgeSource,
    rubrics: &Rubrics,
    folder: &'a Path,
    context: &'a Context<'_>,
    runtime: &'a dyn Runtime,
) -> Result<Box<dyn Judge + 'a>> {
    let shown = RefCell::new(JudgeConsole { console: context.console, bar: None, done: 0, warned: None });
    let judge = source.call(Call {
        rubrics: rubrics.clone(),
        folder,
        key: context.judge_key.clone(),
        device: device_kind(&runtime.device()),
        tell: Box::new(move |event| shown.borrow_mut().on_event(event)),
        open: Box::new(|model| {
            runtime.language_model(&ModelSpec { model: model.to_owned(), adapter: None, plan: SteeringPlan::none() })
        }),
    })?;
    Ok(Box::new(WatchedJudge { judge, console: context.console }))
}

/// A judge whose silence is told: an answer without a score is left out of every mean, so that a judge that scores nothing is easily
/// overlooked.
struct WatchedJudge<'a> {
    judge: Box<dyn Judge + 'a>,
    console: &'a dyn Console,
}

impl Judge for WatchedJudge<'_> {
    fn name(&self) -> &str {
        self.judge.name()
    }

    fn judge(&mut self, rubric: &Rubric, items: &[JudgedItem]) -> Result<Vec<Verdict>> {
        let verdicts = self.judge.judge(rubric, items)?;
        let without: Vec<&Verdict> = verdicts.iter().filter(|verdict| verdict.score.is_none()).collect();
        if let Some(first) = without.first().filter(|_| 2 * without.len() > verdicts.len()) {
            let (name, key, all) = (self.judge.name(), rubric.key(), verdicts.len());
            let count = if without.len() == all { "none".into() } else { format!("only {}", all - without.len()) };
            let why = if first.why.is_empty() { "no reason given" } else { &first.why };
            self.console.warn(&format!("judge `{name}` scored {count} of {all} answers on `{key}`; such as: {why}"));
        }
        Ok(verdicts)
    }

    fn foresee(&mut self, rubrics: &[Rubric], items: &[JudgedItem]) -> Result<()> {
        self.judge.foresee(rubrics, items)
    }
}

struct JudgeConsole<'a> {
    console: &'a dyn Console,
    bar: Option<Box<dyn Bar>>,
    done: usize,
    warned: Option<Instant>,
}

impl JudgeConsole<'_> {
    fn on_event(&mut self, event: &JudgeEvent<'_>) {
        // A server that is down causes this event for every request.
        const QUIET: Duration = Duration::from_secs(10);
        match *event {
            JudgeEvent::Estimate(estimate) => self.console.say(&format!("judge: {estimate}")),
            JudgeEvent::Done(done, total) => {
                self.done = done;
                self.bar.get_or_insert_with(|| self.console.bar("judged", total)).at(done, "");
                if done == total {
                    self.bar = None;
                }
            }
            JudgeEvent::Trouble(why) => {
                if let Some(bar) = &mut self.bar {
                    bar.at(self.done, why);
                }
                if self.warned.is_none_or(|at| at.elapsed() > QUIET) {
                    self.console.warn(&format!("judge: {why}"));
                    self.warned = Some(Instant::now());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::SentimentSettings;
    use crate::verbs::tests::{Quiet, context};

    #[test]
    fn a_judge_that_scores_nothing_is_told() {
        let (console, dir) = (Quiet::default(), tempfile::tempdir().unwrap());
        let asked = Rubric::Trait("optimistic".into());
        let context = context(&console);
        let source = JudgeSource::Sentiment(SentimentSettings::default());
        let runtime = crate::device::open("cpu", "f32").unwrap();
        let mut judge = open(&source, &Rubrics::default(), dir.path(), &context, runtime.as_ref()).unwrap();
        let item = |answer: &str| JudgedItem { question: "q".into(), answer: answer.into(), reference: None };
        judge.judge(&asked, &[item("42"), item("Good.")]).unwrap();
        assert!(console.lines.lock().unwrap().is_empty());
        judge.judge(&asked, &[item("42"), item("7")]).unwrap();
        let told = console.lines.lock().unwrap().join("\n");
        assert!(told.contains("scored none of 2 answers on `optimistic`") && told.contains("no sentence"), "{told}");
    }
}
