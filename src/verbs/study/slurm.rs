//! `--launcher slurm`: three job scripts in the study's folder, and their way into the queue.
//!
//! `DIR/slurm/` holds `prepare.sh` (what all arms wait for), `arms.sh` (an array: a task for each arm and seed), `collect.sh` (the
//! whole study, of which everything is there by then), `study.toml` (the configuration that they all run), `jobs.json` and `logs/`.

use std::collections::BTreeMap;
use std::env::{current_dir, current_exe};
use std::io;
use std::path::{Path, PathBuf, absolute};
use std::process::{Command, Output};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::launch::{Launch, Requested, SlurmSettings};
use super::script::{Script, quoted};
use crate::judge::JudgeSource;
use crate::record::{RunDir, create_folder, write_atomic};
use crate::study::{Costs, Shards, StudyConfig};
use crate::verbs::{Context, Outcome};
use crate::{At, Error, Result};

/// Steps between checkpoints where the configuration names none: a job may be killed at any moment, and a finetune that is not saved
/// starts over.
const SAVE_STEPS: usize = 50;

/// The jobs of a study, in the order of their work: `slurm/jobs.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Jobs {
    jobs: Vec<Job>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Job {
    /// `prepare`, `arms` or `collect`.
    name: String,
    /// Its number in the queue.
    id: String,
    /// The study's tasks of each array task; empty where the whole study is run.
    shares: Vec<Vec<String>>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Queued {
    /// Number of the job and, in an array, of the task: `13_2`.
    pub job: String,
    /// In Slurm's word: PENDING, RUNNING, FAILED.
    pub state: String,
    /// Why it waits, or where it runs.
    pub why: String,
}

pub(super) fn launch(
    study: &Requested<'_>,
    settings: SlurmSettings,
    flags: &Launch,
    context: &Context<'_>,
) -> Result<Outcome> {
    let settings = settings.with(flags.slurm.clone())?;
    refuse_budget(&study.config)?;
    let out = absolute(study.out).at(study.out)?;
    let run = RunDir::join(&out)?;
    refuse_twice(&out)?;
    let costs = Costs::of(study.kind, &study.config)?;
    costs.to_string().lines().for_each(|line| context.console.say(line));
    let mut config = study.config.clone();
    config.train.save_steps.get_or_insert(SAVE_STEPS);
    create_folder(&out.join("slurm/logs"))?;
    // The jobs read a copy, so that later changes of the configuration file do not reach them.
    let text = toml::to_string_pretty(&config).doing("slurm/study.toml")?;
    run.write("slurm/study.toml", text.as_bytes())?;
    run.write_config(&config)?;

    let shards = Shards::of(&config);
    let steps = [("prepare", vec![shards.first], true), ("arms", shards.then, true), ("collect", Vec::new(), false)];
    let mut jobs = Jobs { jobs: Vec::new() };
    let mut lines = Vec::new();
    for (name, shares, is_shared) in steps {
        let path = out.join(format!("slurm/{name}.sh"));
        let script = script(study, &out, name, is_shared.then_some(shares.as_slice()), &settings, context)?;
        write_atomic(&path, script.text()?.as_bytes())?;
        let mut words = vec!["--parsable".to_owned()];
        if let Some(before) = jobs.jobs.last() {
            // Without this option a job whose predecessor failed would wait for ever.
            words.extend([format!("--dependency=afterok:{}", before.id), "--kill-on-invalid-dep=yes".to_owned()]);
        }
        words.push(path.display().to_string());
        let tasks = shares.len().max(1);
        let id = if flags.dry_run {
            // As a shell takes it: the next line names this one's number.
            let shown = |word: &String| if word.contains('$') { format!("\"{word}\"") } else { quoted(word) };
            let shown: Vec<String> = words.iter().map(shown).collect();
            lines.push(format!("{}=$(sbatch {})", name.to_uppercase(), shown.join(" ")));
            format!("${}", name.to_uppercase())
        } else {
            let id = submitted(&words).inspect_err(|_| jobs.cancel())?;
            lines.push(format!(
                "{name}: job {id}{}",
                if tasks > 1 { format!(", {tasks} tasks") } else { String::new() }
            ));
            id
        };
        jobs.jobs.push(Job { name: name.to_owned(), id, shares });
    }
    if !flags.dry_run {
        run.write_json("slurm/jobs.json", &jobs)?;
        lines.push(format!("trimtab study status {}", quoted(&study.out.display().to_string())));
    }
    let json = json!({ "out": study.out, "submitted": !flags.dry_run, "jobs": jobs.jobs });
    Ok(Outcome::new(lines.join("\n"), json))
}

/// Refuses a budget for the judge: array tasks run in separate processes and cannot share one.
fn refuse_budget(config: &StudyConfig) -> Result<()> {
    match &config.judge {
        JudgeSource::OpenAi(settings) if settings.budget.is_some() || settings.budget_money.is_some() => {
            Err(Error::usage("a judge's budget cannot be kept by tasks that know nothing of each other").hint(
                "the costs are shown before the jobs are submitted; take `budget` and `budget_money` out of `[judge]`",
            ))
        }
        _ => Ok(()),
    }
}

/// Refuses a study whose jobs are still in the queue: two jobs for the same task would wait for each other.
fn refuse_twice(out: &Path) -> Result<()> {
    let Some(jobs) = Jobs::read(out)? else { return Ok(()) };
    let queued = jobs.queued();
    let mut open: Vec<&str> = queued.values().filter(|q| !q.is_over()).map(|q| q.job.as_str()).collect();
    open.sort_unstable();
    if open.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = jobs.jobs.iter().map(|job| job.id.as_str()).collect();
    Err(Error::new(format!("jobs of this study are still in the queue: {}", open.join(", ")))
        .hint(format!("wait for them, or take them back with `scancel {}`", ids.join(" "))))
}

fn script<'a>(
    study: &'a Requested<'_>,
    out: &Path,
    name: &str,
    shares: Option<&'a [Vec<String>]>,
    settings: &'a SlurmSettings,
    context: &Context<'_>,
) -> Result<Script<'a>> {
    let here = current_dir().doing("the current folder")?;
    let program = current_exe().doing("this program")?;
    let config = out.join("slurm/study.toml");
    let [program, config, folder] = [&program, &config, out].map(|path: &Path| path.display().to_string());
    let mut command = vec![program, "study".to_owned(), study.word.to_owned()];
    command.extend(if study.word == "run" { vec![config] } else { vec!["--config".to_owned(), config] });
    let globals = ["--device", &context.device, "--dtype", &context.dtype].map(str::to_owned);
    command.extend(["--out".to_owned(), folder.clone()].into_iter().chain(globals));
    let called =
        out.file_name().unwrap_or_default().to_string_lossy().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let number = if shares.is_some_and(|shares| shares.len() > 1) { "%A_%a" } else { "%j" };
    Ok(Script {
        name: format!("trimtab-{called}-{name}"),
        folder: here,
        log: format!("{}/slurm/logs/{name}-{number}.log", folder.replace('%', "%%")),
        options: settings.options(),
        setup: &settings.setup,
        shares,
        at_once: settings.at_once,
        command,
    })
}

/// Hands a script to sbatch; gives the job's number.
fn submitted(words: &[String]) -> Result<String> {
    let Output { status, stdout, stderr } = asked("sbatch", words).map_err(|e| {
        Error::new(format!("cannot run `sbatch`: {e}"))
            .hint("submit from a machine of the cluster, or write the job scripts alone with --dry-run")
    })?;
    let said = String::from_utf8_lossy(&stderr).trim().replace('\n', "; ");
    if !status.success() {
        let script = words.last().map_or("", String::as_str);
        return Err(Error::new(format!("sbatch refuses {script}: {said}"))
            .hint("mend the table `[slurm]` or the flags; nothing of this study is left in the queue"));
    }
    job_id(&String::from_utf8_lossy(&stdout))
}

/// The job's number in what `sbatch --parsable` prints: a line `13`, or `13;cluster` where there are several; a site's banner may
/// stand around it.
fn job_id(said: &str) -> Result<String> {
    let number = |line: &str| {
        let id = line.trim().split_once(';').map_or(line.trim(), |(id, _)| id);
        (!id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit())).then(|| id.to_owned())
    };
    let mut ids: Vec<String> = said.lines().filter_map(number).collect();
    match ids.pop() {
        Some(id) if ids.is_empty() => Ok(id),
        _ => {
            let said = said.trim().replace('\n', "; ");
            Err(Error::new(format!("sbatch gave no job id, which is a line of digits, but: {said:?}"))
                .hint("the job may be in the queue: look with `squeue --me`, and take it back with `scancel`"))
        }
    }
}

fn asked(program: &str, words: &[String]) -> io::Result<Output> {
    Command::new(program).args(words).output()
}

impl Jobs {
    /// The jobs that a study was last submitted as, if it was.
    pub fn read(out: &Path) -> Result<Option<Self>> {
        let path = out.join("slurm/jobs.json");
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).at(&path).map(Some),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e).at(&path),
        }
    }

    fn cancel(&self) {
        let ids: Vec<String> = self.jobs.iter().map(|job| job.id.clone()).collect();
        if !ids.is_empty() {
            let _ = asked("scancel", &ids);
        }
    }

    /// What Slurm says of each task, by its number: of those in the queue, and of those that are over where the cluster keeps account.
    /// Nothing where there is no Slurm.
    pub fn queued(&self) -> BTreeMap<String, Queued> {
        let ids: Vec<&str> = self.jobs.iter().map(|job| job.id.as_str()).collect();
        let ids = ids.join(",");
        let queries = [
            (
                "sacct",
                ["--noheader", "--parsable2", "--allocations", "--format=JobID,State,ExitCode", "--jobs"].to_vec(),
            ),
            ("squeue", ["--noheader", "--array", "--states=all", "--format=%i|%T|%R", "--jobs"].to_vec()),
        ];
        let mut queued = BTreeMap::new();
        for (program, words) in queries {
            let words: Vec<String> = words.into_iter().chain([ids.as_str()]).map(str::to_owned).collect();
            let Ok(output) = asked(program, &words) else { continue };
            queued.extend(String::from_utf8_lossy(&output.stdout).lines().flat_map(Queued::parse));
        }
        queued
    }

    /// The array task that runs a task of the study, and the file of its output.
    pub fn task_of(&self, out: &Path, name: &str) -> Option<(String, PathBuf)> {
        let has = |share: &Vec<String>| share.iter().any(|own| own == name);
        let (job, at) = self.jobs.iter().find_map(|job| Some((job, job.shares.iter().position(has)?)))?;
        let number = if job.shares.len() > 1 { format!("{}_{at}", job.id) } else { job.id.clone() };
        let log = out.join(format!("slurm/logs/{}-{number}.log", job.name));
        Some((number, log))
    }

    pub fn collect(&self) -> Option<&str> {
        self.jobs.last().map(|job| job.id.as_str())
    }
}

impl Queued {
    /// `13_2|RUNNING|node7`; sacct says `CANCELLED by 1000`, and `13_[0-3,7%2]` of array tasks that wait together. A line of another
    /// form, such as a site's banner, says nothing.
    fn parse(line: &str) -> Vec<(String, Self)> {
        let mut parts = line.trim().split('|');
        let (Some(job), Some(state)) = (parts.next(), parts.next()) else { return Vec::new() };
        let why = parts.next().unwrap_or_default().trim_matches(['(', ')']);
        let state = state.split_whitespace().next().unwrap_or_default().trim_end_matches('+');
        let is_word = !state.is_empty() && state.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
        let jobs = jobs_of(job).filter(|_| is_word).unwrap_or_default();
        let queued = |job: String| (job.clone(), Self { job, state: state.to_owned(), why: why.to_owned() });
        jobs.into_iter().map(queued).collect()
    }

    /// Whether the task will not run (again) by itself.
    pub fn is_over(&self) -> bool {
        !["PENDING", "RUNNING", "SUSPENDED", "COMPLETING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED"]
            .contains(&self.state.as_str())
    }

    /// Whether it ended badly, and not because it was cancelled.
    pub fn has_failed(&self) -> bool {
        self.is_over() && !["COMPLETED", "CANCELLED", "PREEMPTED"].contains(&self.state.as_str())
    }
}

/// The tasks that Slurm names with one word: `13`, `13_2`, `13_[0-3,7%2]`; nothing if it is no such word.
fn jobs_of(word: &str) -> Option<Vec<String>> {
    /// Far above what a cluster lets into one array.
    const TASKS_MAX: usize = 1 << 20;
    let is_number = |text: &str| !text.is_empty() && text.len() < 10 && text.bytes().all(|byte| byte.is_ascii_digit());
    let Some((job, task)) = word.split_once('_') else { return is_number(word).then(|| vec![word.to_owned()]) };
    let Some(list) = task.strip_prefix('[').and_then(|list| list.strip_suffix(']')) else {
        return (is_number(job) && is_number(task)).then(|| vec![word.to_owned()]);
    };
    let list = list.split_once('%').map_or(list, |(list, _)| list);
    let mut jobs = Vec::new();
    for part in list.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (to, step) = to.split_once(':').unwrap_or((to, "1"));
        if ![job, from, to, step].iter().all(|text| is_number(text)) {
            return None;
        }
        let (from, to, step): (usize, usize, usize) = (from.parse().ok()?, to.parse().ok()?, step.parse().ok()?);
        jobs.extend((from..=to).step_by(step.max(1)).take(TASKS_MAX).map(|task| format!("{job}_{task}")));
    }
    Some(jobs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_id_is_a_line_of_digits() {
        for said in ["13\n", "13;west\n", "Welcome to the cluster\n 2 nodes are down\n13;west\n\n"] {
            assert_eq!(job_id(said).unwrap(), "13", "{said}");
        }
        for said in ["", "Submitted batch job 13\n", "12\n13\n", "-13\n", "13 west\n", ";west\n"] {
            let e = job_id(said).unwrap_err();
            assert!(e.to_string().contains("gave no job id") && e.help().unwrap().contains("scancel"), "{said}: {e}");
        }
        assert!(job_id("quota: 3 of 4\n").unwrap_err().to_string().contains("quota: 3 of 4"));
    }

    #[test]
    fn tasks_that_wait_together_are_told_apart() {
        let jobs = |line: &str| Queued::parse(line).into_iter().map(|(job, _)| job).collect::<Vec<_>>();
        assert_eq!(jobs("13_[0-2,7%2]|PENDING|0:0"), ["13_0", "13_1", "13_2", "13_7"]);
        assert_eq!(jobs("13_[1-5:2]|PENDING|0:0"), ["13_1", "13_3", "13_5"]);
        for banner in ["Welcome|to the cluster", "13", "13_x|RUNNING|a", "13_[0-|PENDING|", "13|down for repair|"] {
            assert!(jobs(banner).is_empty(), "{banner}");
        }
    }

    #[test]
    fn slurms_words_are_understood() {
        for (line, job, state, why, over, failed) in [
            ("13_2|RUNNING|node7", "13_2", "RUNNING", "node7", false, false),
            ("14|PENDING|(Dependency)", "14", "PENDING", "Dependency", false, false),
            ("13_0|CANCELLED by 1000|0:0", "13_0", "CANCELLED", "0:0", true, false),
            ("12|COMPLETED|0:0", "12", "COMPLETED", "0:0", true, false),
            ("12|OUT_OF_MEMORY|0:125", "12", "OUT_OF_MEMORY", "0:125", true, true),
        ] {
            let (key, queued) = Queued::parse(line).remove(0);
            assert_eq!((key.as_str(), queued.state.as_str(), queued.why.as_str()), (job, state, why));
            assert_eq!((queued.is_over(), queued.has_failed()), (over, failed), "{line}");
        }
        assert!(Queued::parse("").is_empty());
    }

    #[test]
    fn a_task_has_its_array_task_and_its_log() {
        let share = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let job = |name: &str, id: &str, shares| Job { name: name.into(), id: id.into(), shares };
        let arms = vec![share(&["plain-seed0", "inference-seed0"]), share(&["base"])];
        let jobs = Jobs {
            jobs: vec![
                job("prepare", "12", vec![share(&["vector"])]),
                job("arms", "13", arms),
                job("collect", "14", vec![]),
            ],
        };
        let of = |name: &str| jobs.task_of(Path::new("out"), name).map(|(id, log)| (id, log.display().to_string()));
        assert_eq!(of("vector"), Some(("12".into(), "out/slurm/logs/prepare-12.log".into())));
        assert_eq!(of("inference-seed0"), Some(("13_0".into(), "out/slurm/logs/arms-13_0.log".into())));
        assert_eq!(of("base").unwrap().0, "13_1");
        assert_eq!((of("nothing"), jobs.collect()), (None, Some("14")));
    }
}
