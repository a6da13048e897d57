//! How a study is handed to Slurm: flags, and the configuration's table `[slurm]`.

use std::path::Path;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Deserializer, Serialize};

use crate::study::{Kind, StudyConfig};
use crate::{Error, Result};

/// A study as the command line asks for it.
pub(super) struct Requested<'a> {
    pub kind: Kind,
    /// Its kind as a word of the command line.
    pub word: &'static str,
    pub config: StudyConfig,
    pub out: &'a Path,
}

/// What runs the tasks of a study.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Launcher {
    /// Slurm: job scripts in the study's folder, submitted with sbatch
    Slurm,
}

/// How a study is launched.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "On a cluster")]
pub struct Launch {
    /// Hand the work to Slurm: a job for what all arms wait for, an array with a task for each arm and seed, and one that writes the
    /// report. The study's folder must be seen by all machines
    #[arg(long, value_enum, value_name = "slurm")]
    pub launcher: Option<Launcher>,
    /// Write the job scripts and submit nothing
    #[arg(long, requires = "launcher")]
    pub dry_run: bool,
    #[command(flatten)]
    pub slurm: SlurmSettings,
    /// Runs these tasks of the study and no others, as each task of the job array does
    #[arg(long, hide = true, value_name = "TASK", value_delimiter = ',', conflicts_with = "launcher")]
    pub only: Vec<String>,
}

/// What is asked of Slurm for each job: keys of the configuration's table `[slurm]`, and flags of the same names, which go before
/// these. All of it may be left to the cluster's defaults.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, Args)]
#[serde(default, deny_unknown_fields)]
pub struct SlurmSettings {
    /// Partition of the jobs
    #[arg(long, value_name = "NAME", requires = "launcher")]
    pub partition: Option<String>,
    /// Account that they are charged to
    #[arg(long, value_name = "NAME", requires = "launcher")]
    pub account: Option<String>,
    /// Time limit of each job, such as 4:00:00. A finetune that has not ended by then is saved and goes on in the next round
    #[arg(long, value_name = "TIME", requires = "launcher")]
    #[serde(deserialize_with = "text")]
    pub time: Option<String>,
    /// GPUs of each job: 1, or a100:1
    #[arg(long, value_name = "N", requires = "launcher")]
    #[serde(deserialize_with = "text")]
    pub gpus: Option<String>,
    /// CPU cores of each job
    #[arg(long, value_name = "N", requires = "launcher", value_parser = clap::value_parser!(u32).range(1..))]
    pub cpus: Option<u32>,
    /// Memory of each job, such as 64G
    #[arg(long, value_name = "SIZE", requires = "launcher")]
    #[serde(deserialize_with = "text")]
    pub mem: Option<String>,
    /// Tasks of the array that run at the same time, at most
    #[arg(long, value_name = "N", requires = "launcher", value_parser = clap::value_parser!(u32).range(1..))]
    pub at_once: Option<u32>,
    /// Another option for sbatch, such as --sbatch=--qos=low; may be given several times
    #[arg(long, value_name = "OPTION", requires = "launcher", allow_hyphen_values = true)]
    pub sbatch: Vec<String>,
    /// A line for the job scripts before the work, such as "module load cuda"; may be given several times
    #[arg(long, value_name = "LINE", requires = "launcher")]
    #[serde(deserialize_with = "lines")]
    pub setup: Vec<String>,
}

impl SlurmSettings {
    /// These settings, after a command's flags.
    pub fn with(self, flags: Self) -> Result<Self> {
        let or = |flags: Vec<String>, own: Vec<String>| if flags.is_empty() { own } else { flags };
        let settings = Self {
            partition: flags.partition.or(self.partition),
            account: flags.account.or(self.account),
            time: flags.time.or(self.time),
            gpus: flags.gpus.or(self.gpus),
            cpus: flags.cpus.or(self.cpus),
            mem: flags.mem.or(self.mem),
            at_once: flags.at_once.or(self.at_once),
            sbatch: or(flags.sbatch, self.sbatch),
            setup: or(flags.setup, self.setup),
        };
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<()> {
        for (key, value) in self.words() {
            let plain = |c: char| c.is_ascii_graphic() && !"\"'\\#".contains(c);
            if value.is_empty() || !value.chars().all(plain) {
                return Err(Error::usage(format!("slurm: `{key}` is `{value}`; it must be one plain word")));
            }
        }
        // Options by which the jobs depend on each other cannot be set by the user.
        const OURS: [&str; 9] =
            ["array", "chdir", "dependency", "error", "open-mode", "output", "parsable", "signal", "wrap"];
        for option in &self.sbatch {
            let name = option.strip_prefix("--").map(|rest| rest.split(['=', ' ']).next().unwrap_or(rest));
            if !option.starts_with('-') || option.contains(['\n', '\r']) {
                return Err(Error::usage(format!("slurm: `{option}` is no option of sbatch; they begin with -")));
            }
            if let Some(name) = name.filter(|name| OURS.contains(name)) {
                return Err(Error::usage(format!("slurm: --{name} is set by the study itself")));
            }
        }
        Ok(())
    }

    fn words(&self) -> Vec<(&'static str, &str)> {
        let words = [
            ("partition", &self.partition),
            ("account", &self.account),
            ("time", &self.time),
            ("gpus", &self.gpus),
            ("mem", &self.mem),
        ];
        words.into_iter().filter_map(|(key, value)| Some((key, value.as_deref()?))).collect()
    }

    pub fn options(&self) -> Vec<String> {
        let option = |(key, value): (&str, &str)| match key {
            "gpus" => format!("--gres=gpu:{value}"),
            _ => format!("--{key}={value}"),
        };
        let cpus = self.cpus.map(|cpus| format!("--cpus-per-task={cpus}"));
        self.words().into_iter().map(option).chain(cpus).chain(self.sbatch.clone()).collect()
    }
}

/// A word, which may have been written as a number.
fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a text or a number")]
    enum Word {
        Text(String),
        Number(u64),
    }
    Ok(Some(match Word::deserialize(from)? {
        Word::Text(text) => text,
        Word::Number(number) => number.to_string(),
    }))
}

fn lines<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected lines")]
    enum Lines {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Lines::deserialize(from)? {
        Lines::One(text) => text.lines().map(str::to_owned).collect(),
        Lines::Many(lines) => lines,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config_file::ConfigFile;

    fn taken(text: &str) -> Result<(SlurmSettings, ConfigFile)> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("c.toml"), text).unwrap();
        let mut file = ConfigFile::read(&dir.path().join("c.toml")).unwrap();
        let settings = file.take("slurm")?;
        Ok((settings, file))
    }

    #[test]
    fn flags_go_before_the_table() {
        let table = "model = \"m\"\n[slurm]\npartition = \"long\"\ngpus = 1\ncpus = 8\nsetup = \"module load cuda\\nulimit -n 4096\"\n";
        let (settings, file) = taken(table).unwrap();
        assert!(file.has("model") && !file.has("slurm"));
        assert_eq!(settings.setup, ["module load cuda", "ulimit -n 4096"]);
        let flags =
            SlurmSettings { gpus: Some("a100:2".into()), sbatch: vec!["--qos=low".into()], ..SlurmSettings::default() };
        let options = settings.with(flags).unwrap().options();
        assert_eq!(options, ["--partition=long", "--gres=gpu:a100:2", "--cpus-per-task=8", "--qos=low"]);
        assert_eq!(taken("model = \"m\"").unwrap().0, SlurmSettings::default());
    }

    #[test]
    fn misunderstandings_are_errors() {
        let unknown = taken("[slurm]\npartitoin = \"x\"\n").unwrap_err();
        assert!(unknown.to_string().contains("c.toml:2:1: unknown key `slurm.partitoin`"), "{unknown}");
        assert_eq!(unknown.help(), Some("did you mean `partition`?"));
        let kind = taken("[slurm]\n\ncpus = \"many\"\n").unwrap_err();
        assert!(kind.to_string().contains("c.toml:3:1: `slurm.cpus`"), "{kind}");
        for (settings, want) in [
            (SlurmSettings { time: Some("1:00 #".into()), ..SlurmSettings::default() }, "one plain word"),
            (SlurmSettings { sbatch: vec!["qos=low".into()], ..SlurmSettings::default() }, "no option of sbatch"),
            (
                SlurmSettings { sbatch: vec!["--array=1-2".into()], ..SlurmSettings::default() },
                "set by the study itself",
            ),
        ] {
            let error = settings.with(SlurmSettings::default()).unwrap_err();
            assert!(error.exit_code() == 2 && error.to_string().contains(want), "{error}");
        }
    }
}
