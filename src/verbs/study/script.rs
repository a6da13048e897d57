//! The text of a job script.

use std::path::PathBuf;

use crate::{Error, Result};

/// `assets/slurm/job.sh` says what a job does; only what differs is filled in.
const TEMPLATE: &str = include_str!("../../../assets/slurm/job.sh");

pub(super) struct Script<'a> {
    pub name: String,
    pub folder: PathBuf,
    /// Where its output goes; `%j`, `%A` and `%a` stand for numbers of jobs and tasks, `%%` for a percent sign.
    pub log: String,
    pub options: Vec<String>,
    pub setup: &'a [String],
    /// The study's tasks of each array task; none where one job does everything.
    pub shares: Option<&'a [Vec<String>]>,
    pub at_once: Option<u32>,
    pub command: Vec<String>,
}

impl Script<'_> {
    pub fn text(&self) -> Result<String> {
        let mut options = vec![
            format!("--job-name={}", self.name),
            format!("--chdir={}", spoken(&self.folder.display().to_string())?),
            format!("--output={}", spoken(&self.log)?),
            // A job that goes on in a later round adds to its log.
            "--open-mode=append".to_owned(),
            "--requeue".to_owned(),
            // Two minutes before the time is up, to the script alone.
            "--signal=B:USR1@120".to_owned(),
        ];
        if let Some(shares) = self.shares.filter(|shares| shares.len() > 1) {
            let at_once = self.at_once.map_or_else(String::new, |n| format!("%{n}"));
            options.push(format!("--array=0-{}{at_once}", shares.len() - 1));
        }
        options.extend(self.options.iter().cloned());
        let header: Vec<String> = options.iter().map(|option| format!("#SBATCH {option}")).collect();
        let parts = [("@HEADER@", header.join("\n")), ("@SETUP@", self.setup.join("\n")), ("@WORK@", self.work())];
        // Each part stands on a line of its own, so that what is filled in is never looked at again.
        let line = |line: &str| match parts.iter().find(|(mark, _)| *mark == line) {
            Some((_, text)) => text.clone(),
            None => line.to_owned(),
        };
        Ok(TEMPLATE.lines().map(line).collect::<Vec<_>>().join("\n") + "\n")
    }

    fn work(&self) -> String {
        let command: Vec<String> = self.command.iter().map(|word| quoted(word)).collect();
        let command = command.join(" ");
        let Some(shares) = self.shares else { return format!("work=({command})") };
        let lines: Vec<String> = shares.iter().map(|share| format!("  {}\n", quoted(&share.join(",")))).collect();
        format!(
            "# Tasks of the study, a line for each array task.\nshares=(\n{})\nwork=({command} --only \"${{shares[${{SLURM_ARRAY_TASK_ID:-0}}]}}\")",
            lines.concat()
        )
    }
}

/// A word as a shell takes it.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:+,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// A path on a line of options, which sbatch takes apart by quotation marks.
fn spoken(path: &str) -> Result<String> {
    if path.contains(['"', '\\', '\n', '\r']) {
        return Err(
            Error::usage("sbatch takes no folder whose name holds quotation marks, backslashes or line ends").at(path)
        );
    }
    Ok(format!("\"{path}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(shares: Option<&[Vec<String>]>) -> String {
        let script = Script {
            name: "trimtab-facts-arms".into(),
            folder: "/home/a b".into(),
            log: "/home/a b/50%%/arms-%A_%a.log".into(),
            options: vec!["--partition=long".into()],
            setup: &["module load cuda".into()],
            shares,
            at_once: Some(4),
            command: ["/opt/trimtab", "study", "facts", "--out", "it's $HOME"].map(String::from).to_vec(),
        };
        script.text().unwrap()
    }

    #[test]
    fn a_script_says_what_each_task_does() {
        let shares = [vec!["plain-seed0".to_owned(), "inference-seed0".into()], vec!["prevent+1.25-seed0".into()]];
        let text = script(Some(&shares));
        for want in [
            "#SBATCH --chdir=\"/home/a b\"\n#SBATCH --output=\"/home/a b/50%%/arms-%A_%a.log\"\n",
            "#SBATCH --array=0-1%4\n#SBATCH --partition=long\n\nmodule load cuda\n\n",
            "shares=(\n  plain-seed0,inference-seed0\n  prevent+1.25-seed0\n)\n",
            r#"work=(/opt/trimtab study facts --out 'it'\''s $HOME' --only "${shares[${SLURM_ARRAY_TASK_ID:-0}]}")"#,
        ] {
            assert!(text.contains(want), "no {want} in\n{text}");
        }
        assert!(!text.contains("@\n") && text.starts_with("#!/bin/bash\n"));
        let one = script(Some(&shares[..1]));
        assert!(!one.contains("--array") && one.contains("--only"));
        let whole = script(None);
        assert!(!whole.contains("--only") && !whole.contains("shares"));
    }

    #[test]
    fn sbatch_is_never_misled_by_a_path() {
        assert!(spoken("/a\"b").is_err() && spoken("/a\nb").is_err());
        assert_eq!(spoken("/it's").unwrap(), "\"/it's\"");
    }

    #[test]
    #[cfg(unix)]
    fn bash_reads_the_words_as_they_were() {
        for word in ["plain", "a b", "it's", "$HOME", "`x`", "", "*", "a\nb", "\\"] {
            let printed =
                std::process::Command::new("bash").args(["-c", &format!("printf %s {}", quoted(word))]).output();
            assert_eq!(String::from_utf8(printed.unwrap().stdout).unwrap(), word);
        }
    }
}
