//! What a run's configuration says of it: which command it is of, how to go on with it, and how much it has to do.

use std::path::Path;

use serde::Serialize;
use toml::{Table, Value};

use super::folder::{RunPlace, read_text};
use super::paths::without_folders;
use crate::verbs::study::quoted;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RunKind {
    /// `study facts`, or `demo`, which is the same on the embedded model.
    #[serde(rename = "study facts")]
    StudyFacts,
    #[serde(rename = "study audit")]
    StudyAudit,
    /// `study run`, `benign` or `shift`, whose configurations look alike.
    Study,
    Extract,
    Layers,
    Train,
    Eval,
    Monitor,
    Screen,
    #[serde(rename = "judge rescore")]
    Rescore,
    #[serde(rename = "run")]
    Other,
}

/// Keys by which `run.toml` tells its command; the first that fits counts.
const KEYS: &[(RunKind, &[&str])] = &[
    (RunKind::StudyAudit, &["measure", "arms", "audit"]),
    (RunKind::StudyFacts, &["measure", "arms", "facts"]),
    (RunKind::Study, &["measure", "arms"]),
    (RunKind::Extract, &["answers", "vector"]),
    (RunKind::Layers, &["layers", "coefs", "split"]),
    (RunKind::Train, &["training_file"]),
    (RunKind::Eval, &["steering", "task"]),
    (RunKind::Monitor, &["conditions", "subject"]),
    (RunKind::Screen, &["choices", "data"]),
    (RunKind::Rescore, &["run", "judge", "trait"]),
];

impl RunKind {
    pub fn is_study(self) -> bool {
        matches!(self, Self::Study | Self::StudyFacts | Self::StudyAudit)
    }

    /// Files of which each is there when the work is done.
    pub fn results(self) -> &'static [&'static str] {
        match self {
            Self::Extract => &["diagnosis.json"],
            Self::Train => &["adapter/adapter_model.safetensors"],
            Self::Monitor | Self::Screen => &["report.html"],
            Self::Other => &[],
            _ => &["results.json"],
        }
    }
}

/// `run.toml`, read.
#[derive(Debug, Clone)]
pub struct RunConfig {
    pub kind: RunKind,
    pub table: Table,
}

impl RunConfig {
    pub fn read(run: &Path) -> Option<Self> {
        let table: Table = read_text(&run.join("run.toml"))?.parse().ok()?;
        let fits = |(_, keys): &&(RunKind, &[&str])| keys.iter().all(|key| table.contains_key(*key));
        let kind = KEYS.iter().find(fits).map_or(RunKind::Other, |(kind, _)| *kind);
        Some(Self { kind, table })
    }

    fn text(&self, path: &[&str]) -> Option<&str> {
        self.value(path)?.as_str()
    }

    fn count(&self, path: &[&str]) -> Option<u64> {
        u64::try_from(self.value(path)?.as_integer()?).ok()
    }

    fn value(&self, path: &[&str]) -> Option<&Value> {
        let (last, tables) = path.split_last()?;
        tables.iter().try_fold(&self.table, |table, key| table.get(*key)?.as_table())?.get(*last)
    }

    /// The model's name, without the folders that it lies in.
    pub fn model(&self) -> Option<String> {
        let named = self.text(&["model"]).or_else(|| self.text(&["answers", "model"]));
        let named = named.or_else(|| self.text(&["subject", "model"]))?;
        // The embedded model is unpacked into a folder named by its hash.
        let name = without_folders(named);
        Some(if name.starts_with("…/harbor-") {
            "harbor".to_owned()
        } else {
            name.trim_start_matches("…/").to_owned()
        })
    }

    pub fn trait_name(&self) -> Option<&str> {
        let place = |path: &[&str]| self.text(path);
        place(&["answers", "trait"]).or_else(|| place(&["trait"])).or_else(|| place(&["trait", "name"]))
    }

    pub fn answers(&self) -> Option<u64> {
        match self.kind {
            RunKind::Extract => {
                let of = |key| self.count(&["answers", key]);
                Some(2 * of("questions")? * of("instructions")? * of("rollouts")?)
            }
            RunKind::Layers => {
                let of = |key| Some(self.value(&[key])?.as_array()?.len() as u64);
                // Every trait has twenty questions in each split (guide: formats, "Traits").
                let questions = self.count(&["questions"]).unwrap_or(20).min(20);
                Some((of("layers")? * of("coefs")? + 1) * questions * self.count(&["sampling", "rollouts"])?)
            }
            _ => None,
        }
    }

    /// Steps that are to be taken at most, if the configuration says.
    pub fn steps(&self) -> Option<u64> {
        self.count(&["max_steps"])
    }

    /// The command that goes on with the run, from the folder that `--runs` names; a finished run is not done again by it.
    pub fn command(&self, run: &RunPlace) -> String {
        let id = quoted(&run.id);
        let model = self.model().map_or_else(|| "MODEL".to_owned(), |model| quoted(&model));
        let trait_ = self.trait_name().map_or_else(|| "TRAIT".to_owned(), quoted);
        match self.kind {
            RunKind::StudyFacts => format!("trimtab study facts --config {id}/run.toml --out {id}"),
            RunKind::StudyAudit => format!("trimtab study audit --config {id}/run.toml --out {id}"),
            RunKind::Study => format!("trimtab study run --config {id}/run.toml --out {id}"),
            RunKind::Train => format!("trimtab train {id}/run.toml --out {id}"),
            RunKind::Extract => self.extract_command(&model, &trait_, &id),
            RunKind::Layers => {
                let list = |key: &str| -> Option<String> {
                    let values = self.value(&[key])?.as_array()?;
                    Some(values.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
                };
                let trait_ = self.trait_of_results(run).unwrap_or(trait_);
                let vectors =
                    self.text(&["vectors"]).map_or_else(|| "FILE".to_owned(), |file| quoted(&without_folders(file)));
                let (layers, coefs) = (list("layers").unwrap_or_default(), list("coefs").unwrap_or_default());
                format!(
                    "trimtab layers --model {model} --trait {trait_} --vectors {vectors} --layers {layers} --coefs {coefs} --out {id}"
                )
            }
            RunKind::Eval => format!("trimtab eval --help  # settings: {id}/run.toml"),
            RunKind::Monitor => format!("trimtab monitor --help  # settings: {id}/run.toml"),
            RunKind::Screen => format!("trimtab screen --help  # settings: {id}/run.toml"),
            RunKind::Rescore => format!("trimtab judge rescore --help  # settings: {id}/run.toml"),
            RunKind::Other => format!("# settings: {id}/run.toml"),
        }
    }

    fn extract_command(&self, model: &str, trait_: &str, id: &str) -> String {
        let mut command = format!("trimtab extract --model {model} --trait {trait_} --run {id}");
        let number = |key| self.count(&["answers", key]);
        let quick = number("questions").is_some_and(|n| n <= 10);
        if quick {
            command += " --quick";
        }
        let (rollouts, tokens) = if quick { (2, 200) } else { (10, 1000) };
        for (flag, key, usual) in [
            ("--rollouts", "rollouts", rollouts),
            ("--max-new-tokens", "max_new_tokens", tokens),
            ("--seed", "seed", 0),
        ] {
            if let Some(n) = number(key).filter(|n| *n != usual) {
                command += &format!(" {flag} {n}");
            }
        }
        if let Some(judge) = self.text(&["judge", "kind"]).filter(|kind| *kind != "harbor") {
            command += &format!(" --judge {judge}");
        }
        command
    }

    /// The trait that a `layers` run scored: the first axis of its results.
    fn trait_of_results(&self, run: &RunPlace) -> Option<String> {
        let head = read_text(&run.path.join("results.csv"))?;
        let columns = head.lines().next()?.split(',');
        let mut scores = columns.filter_map(|column| column.strip_suffix("_low"));
        scores.find(|name| *name != "coherence").map(quoted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> (RunConfig, RunPlace, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("run.toml"), text).unwrap();
        let place = RunPlace { id: "a/b c".into(), path: dir.path().to_owned() };
        (RunConfig::read(dir.path()).unwrap(), place, dir)
    }

    #[test]
    fn a_configuration_tells_its_command_and_shows_no_folder() {
        let (config, place, _dir) = of(
            "[answers]\ntrait = \"evil\"\nmodel = \"harbor\"\nquestions = 10\ninstructions = 5\nrollouts = 2\nmax_new_tokens = 200\nseed = 3\n[judge]\nkind = \"sentiment\"\n[vector]\n",
        );
        assert_eq!((config.kind, config.answers()), (RunKind::Extract, Some(200)));
        assert_eq!(
            config.command(&place),
            "trimtab extract --model harbor --trait evil --run 'a/b c' --quick --seed 3 --judge sentiment"
        );
        let (config, place, _dir) =
            of("model = \"/home/me/Qwen\"\ntraining_file = \"/data/x.jsonl\"\nmax_steps = 30\n");
        assert_eq!((config.kind, config.steps(), config.model().as_deref()), (RunKind::Train, Some(30), Some("Qwen")));
        assert_eq!(config.command(&place), "trimtab train 'a/b c'/run.toml --out 'a/b c'");
        let (config, ..) = of("model = \"/c/harbor-409e\"\n[facts]\n[measure]\n[arms]\n[trait]\nname = \"evil\"\n");
        assert_eq!(
            (config.kind, config.model().as_deref(), config.trait_name()),
            (RunKind::StudyFacts, Some("harbor"), Some("evil"))
        );
        let (config, ..) =
            of("layers = [1, 2]\ncoefs = [1.0, 2.0]\nsplit = \"extract\"\nquestions = 3\n[sampling]\nrollouts = 2\n");
        assert_eq!((config.kind, config.answers()), (RunKind::Layers, Some(30)));
        assert_eq!(of("a = 1\n").0.kind, RunKind::Other);
    }
}
