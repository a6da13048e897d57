//! Makes vectors as `extract` does: the same flags, the same run folder, the same answers. The model is loaded a second time, so
//! that the one that answers goes on; both share the machine.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::jobs::{Job, JobConsole, JudgeChoice, Made};
use super::runs::Runs;
use super::served::Served;
use super::vector_store::VectorNote;
use crate::vector::VectorFile;
use crate::verbs::extract;
use crate::verbs::model::{Model, ModelArgs};
use crate::verbs::{Console, Context, args_of};
use crate::{Error, Result};

/// The key of a vector file's metadata that names the model's adapter.
const ADAPTER: &str = "adapter";

pub struct VectorMaker<'a> {
    pub context: &'a Context<'a>,
    pub args: &'a ModelArgs,
    pub model: &'a Model,
    pub served: Arc<Served>,
    pub runs: PathBuf,
    /// Whether clients may look into it.
    pub shown: bool,
}

impl VectorMaker<'_> {
    /// Makes one; ends early if its job is stopped.
    pub fn make(&self, job: &Arc<Job>) -> Result<Made> {
        let console = JobConsole(job.clone());
        let name =
            if job.wanted.quick { format!("{}-quick", job.wanted.trait_name) } else { job.wanted.trait_name.clone() };
        let parts = ["extract", self.model.name(), &name];
        let run: PathBuf = self.runs.join(parts.iter().collect::<PathBuf>());
        let args = args_of(self.words(job, &run))?;
        let context = Context { console: &console, trackio: None, ..self.context.clone() };
        let outcome = extract::run(&args, &context)?;
        let id = self.shown.then(|| parts.join("/"));
        if outcome.interrupted {
            return Ok(Made { run: id, vector: None });
        }
        let file = run.join(format!("{}.safetensors", job.wanted.trait_name));
        let (file, odd) = VectorFile::read_for(&file, self.model.shape(), &self.model.fingerprint)?;
        odd.iter().for_each(|line| console.warn(line));
        let note = VectorNote { run: id.clone(), warnings: job.status().warnings };
        self.served.vectors.add(&job.wanted.name, file, note)?;
        Ok(Made { run: id, vector: Some(outcome.text) })
    }

    fn words(&self, job: &Job, run: &Path) -> Vec<OsString> {
        let wanted = &job.wanted;
        let mut words: Vec<OsString> = vec!["extract".into(), "--model".into(), self.args.model.clone().into()];
        if let Some(adapter) = &self.args.adapter {
            words.extend(["--adapter".into(), adapter.clone().into()]);
        }
        words.extend([OsString::from(format!("--trait={}", wanted.trait_name)), "--run".into(), run.into()]);
        if wanted.quick {
            words.push("--quick".into());
        }
        let local = |mode: &str| -> Vec<OsString> {
            let model = self.args.model.clone().into();
            vec!["local".into(), "--judge-model".into(), model, "--judge-mode".into(), mode.into()]
        };
        words.push("--judge".into());
        words.extend(match wanted.judge {
            JudgeChoice::Harbor => vec!["harbor".into()],
            JudgeChoice::Sentiment => vec!["sentiment".into()],
            JudgeChoice::Local => local("enumerate"),
            JudgeChoice::LocalYesNo => local("yes-no"),
            JudgeChoice::Openai => vec!["openai".into()],
        });
        words.extend(wanted.budget.iter().map(|budget| format!("--budget={budget}").into()));
        words
    }

    /// Takes in the vectors of this model that finished runs have made, each under its trait's name, or under its run's if that is
    /// taken. What cannot be read is told on the console.
    pub fn take_in(&self, runs: &Runs) {
        let hash = self.model.adapter_hash().map(|hash| hash.short().to_string());
        let mut others = 0;
        for made in runs.vectors() {
            let read = VectorFile::read_for(&made.file, self.model.shape(), &self.model.fingerprint);
            let Ok((file, odd)) = read else {
                others += 1;
                continue;
            };
            let of = file.metadata.get(ADAPTER);
            let is_ours = match (&hash, of) {
                (None, None) => true,
                (Some(hash), Some(of)) => of.contains(hash.as_str()),
                _ => false,
            };
            // Vectors of another model of the same shape come with a warning.
            if !is_ours || !odd.is_empty() {
                others += 1;
                continue;
            }
            let note = || VectorNote { run: Some(made.run.clone()), warnings: Vec::new() };
            let second = made.run.replace('/', "-");
            let add = |name: &str| self.served.vectors.add(name, file.clone(), note());
            if let Err(e) = add(&made.trait_name).or_else(|_: Error| add(&second)) {
                self.context.console.warn(&format!("the vectors of {}: {e}", made.run));
            }
        }
        if others > 0 {
            self.context.console.say(&format!("{others} runs below --runs have vectors of other models; left out"));
        }
    }
}
