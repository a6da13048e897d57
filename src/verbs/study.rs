//! `study` with its kinds.

mod demo;
mod interruptible;
mod launch;
mod progress;
mod script;
mod settings;
mod slurm;
mod status;
mod study_judges;
mod work;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::choices::{Choices, one_of};
use super::{Context, Outcome};
use crate::Result;
use crate::config_file::ConfigFile;
use crate::study::Kind;

pub use demo::{DemoArgs, demo};
use launch::{Launch, Launcher, Requested};
pub use script::quoted;
pub(super) use settings::read;
use status::StatusArgs;
use work::work;

/// Run an experiment of many arms, resumable, with a report
#[derive(Debug, Subcommand)]
pub enum StudyVerb {
    /// Teach a model new facts with and without preventative steering, and measure what it picks up
    ///
    /// DIR/report.html shows the figure, DIR/results.json holds every number with its interval. A run that was interrupted
    /// goes on when the same command is given again; what has not changed is not done twice.
    #[command(
        after_help = "Example:\n  trimtab study facts --config facts.toml --out runs/facts\n  trimtab study facts --config facts.toml --out runs/facts --launcher slurm --time 4:00:00 --gpus 1"
    )]
    Facts(Run),
    /// See what preventative steering does to data that elicits a trait, to data that does not, and to the model's own answers
    ///
    /// One finetune for each data set, trait, coefficient and seed; a figure for each data set.
    #[command(after_help = "Example:\n  trimtab study benign --config benign.toml --out runs/benign")]
    Benign(Run),
    /// See how well the shift that finetuning makes along a vector, and the data before it, predict the trait
    ///
    /// One plain finetune for each data set and seed; scatter plots and correlations over the data sets.
    #[command(after_help = "Example:\n  trimtab study shift --config shift.toml --out runs/shift")]
    Shift(Run),
    /// Check finished finetunes: is the trait gone, or only hidden from the monitor?
    ///
    /// The study's arms, and for each finetune of the first training seed and the base model: a vector extracted again and a fresh probe,
    /// what is left of the activation shift, whatever elicits the trait (its own prompts, steering, exemplars, the training data's
    /// prompts), how fast it is learned again, side effects on neutral prompts, and what a second judge says. Each check is kept
    /// when it is done: a study that is killed goes on at the one that was under way.
    #[command(after_help = "Example:\n  trimtab study audit --config audit.toml --out runs/audit")]
    Audit(Run),
    /// Print a configuration to begin with
    #[command(after_help = "Example:\n  trimtab study template facts > facts.toml")]
    Template {
        /// Of which study
        #[arg(value_name = "KIND", value_parser = one_of(STUDIES))]
        study: Named,
    },
    /// Run custom arms: any data sets, traits and interventions, with tables and figures and no claims
    #[command(after_help = "Example:\n  trimtab study run mine.toml --out runs/mine")]
    Run(Own),
    Status(StatusArgs),
}

/// A study that has a name on the command line, and a configuration to begin with.
#[derive(Debug, Clone, Copy)]
pub struct Named {
    pub(super) kind: Kind,
    template: &'static str,
}

macro_rules! named {
    ($kind:ident, $word:literal, $help:literal) => {
        (
            $word,
            Named { kind: Kind::$kind, template: include_str!(concat!("../../assets/studies/", $word, ".toml")) },
            $help,
        )
    };
}

pub const STUDIES: &Choices<Named> = &[
    named!(Facts, "facts", "New facts"),
    named!(Benign, "benign", "Data that does no harm"),
    named!(Shift, "shift", "What data does, predicted and measured"),
    named!(Audit, "audit", "Whether a trait is gone or hidden"),
    named!(Own, "run", "Custom arms, such as those of `demo --real`"),
];

/// Where a study's settings are, and where its folder is.
#[derive(Debug, Args)]
pub struct Run {
    /// Configuration, TOML or JSON
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Folder of the study
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    launch: Launch,
}

impl Run {
    fn parts(&self) -> (&PathBuf, &PathBuf, &Launch) {
        (&self.config, &self.out, &self.launch)
    }
}

/// The same where the settings are all that the study is.
#[derive(Debug, Args)]
pub struct Own {
    /// Configuration, TOML or JSON
    #[arg(value_name = "FILE")]
    config: PathBuf,
    /// Folder of the study
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    launch: Launch,
}

pub fn run(verb: &StudyVerb, context: &Context<'_>) -> Result<Outcome> {
    let (kind, word, run) = match verb {
        StudyVerb::Status(args) => return status::run(args),
        StudyVerb::Template { study: Named { template, .. } } => {
            return Ok(Outcome::new(template.trim_end(), json!({ "template": template })));
        }
        StudyVerb::Facts(run) => (Kind::Facts, "facts", run.parts()),
        StudyVerb::Benign(run) => (Kind::Benign, "benign", run.parts()),
        StudyVerb::Shift(run) => (Kind::Shift, "shift", run.parts()),
        StudyVerb::Audit(run) => (Kind::Audit, "audit", run.parts()),
        StudyVerb::Run(Own { config, out, launch }) => (Kind::Own, "run", (config, out, launch)),
    };
    let (path, out, launch) = run;
    super::paths::file("the configuration", path)?;
    let mut file = ConfigFile::read(path)?;
    let (config, slurm) = read(&mut file, context)?;
    let config = kind.settled(config);
    kind.check(&config).map_err(|e| file.locate(e))?;
    let study = Requested { kind, word, config, out };
    match launch.launcher {
        Some(Launcher::Slurm) => slurm::launch(&study, slurm, launch, context),
        None => work(&study, &launch.only, context).map_err(|e| file.locate_late(e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::StudyConfig;

    #[test]
    fn every_template_is_a_configuration_of_its_study() {
        for (word, Named { kind, template }, _) in STUDIES {
            let config: StudyConfig = toml::from_str(template).unwrap_or_else(|e| panic!("{word}: {e}"));
            kind.check(&config).unwrap_or_else(|e| panic!("{word}: {e}"));
        }
    }
}
