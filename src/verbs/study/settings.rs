//! The configuration of a study, with its paths found.

use std::path::{Path, PathBuf};

use super::launch::SlurmSettings;
use crate::Result;
use crate::config_file::ConfigFile;
use crate::study::{CorpusSource, FactsSource, JudgeSource, MmluSource, NeutralSource, StudyConfig, TraitSource};
use crate::verbs::Context;
use crate::verbs::model::ModelFolder;
use crate::verbs::paths::of_config;

/// A study's configuration, its paths found, and what it says of Slurm.
pub(in crate::verbs) fn read(file: &mut ConfigFile, context: &Context<'_>) -> Result<(StudyConfig, SlurmSettings)> {
    // The table `[slurm]` is not part of the study's configuration.
    let slurm = file.take("slurm")?;
    let mut config = StudyConfig::of_file(file)?;
    find_paths(&mut config, &file.path, context).map_err(|e| file.locate(e))?;
    config.seed = context.seed.unwrap_or(config.seed);
    Ok((config, slurm))
}

/// Relative paths, as in every configuration.
fn find_paths(config: &mut StudyConfig, file: &Path, context: &Context<'_>) -> Result<()> {
    let find = |key: &str, path: &mut PathBuf| -> Result<()> {
        *path = of_config(key, path, file, context.console)?;
        Ok(())
    };
    if let Ok(found) = of_config("model", &config.model, file, context.console) {
        config.model = found;
    }
    config.model = ModelFolder::find(&config.model, context)?.path;
    if let Some(FactsSource::Files { train, test }) = &mut config.facts {
        find("facts.train", train)?;
        find("facts.test", test)?;
    }
    for corpus in &mut config.data {
        if let CorpusSource::Chats { files, .. } = &mut corpus.from {
            files.iter_mut().try_for_each(|path| find("data.files", path))?;
        }
    }
    for source in config.trait_.iter_mut().chain(&mut config.traits) {
        if let TraitSource::Files { folder, .. } = source {
            find("trait.folder", folder)?;
        }
    }
    if let Some(MmluSource::Mmlu { folder, .. }) = &mut config.mmlu {
        find("exam.folder", folder)?;
    }
    config.vector.files.values_mut().try_for_each(|path| find("vector.files", path))?;
    for arm in &mut config.own {
        for (key, path) in arm.intervention.paths() {
            find(&format!("arm.intervention.{key}"), path)?;
        }
    }
    config.vector.file.as_mut().map_or(Ok(()), |path| find("vector.file", path))?;
    find_judge("judge", &mut config.judge, file, context)?;
    let Some(audit) = &mut config.audit else { return Ok(()) };
    if let Some(NeutralSource::Chats { files, .. }) = &mut audit.neutral {
        files.iter_mut().try_for_each(|path| find("audit.neutral.files", path))?;
    }
    audit.second_judge.as_mut().map_or(Ok(()), |judge| find_judge("audit.second_judge", judge, file, context))
}

fn find_judge(key: &str, judge: &mut JudgeSource, file: &Path, context: &Context<'_>) -> Result<()> {
    let console = context.console;
    match judge {
        JudgeSource::Scored { files } => files.iter_mut().try_for_each(|path| {
            *path = of_config(&format!("{key}.files"), path, file, console)?;
            Ok(())
        }),
        JudgeSource::Local(settings) => {
            let (key, named) = (format!("{key}.model"), settings.model.clone());
            let beside = of_config(&key, &named, file, console).unwrap_or(named);
            settings.model = ModelFolder::find(&beside, context).map_err(|e| e.at(format_args!("`{key}`")))?.path;
            Ok(())
        }
        JudgeSource::Pattern(settings) => {
            if let Some(path) = &mut settings.file {
                *path = of_config(&format!("{key}.file"), path, file, console)?;
            }
            // The rules go into the run's record: it must not change with the file.
            *settings = settings.read().map_err(|e| e.at(format_args!("`{key}`")))?;
            Ok(())
        }
        JudgeSource::Harbor { .. } | JudgeSource::OpenAi(_) | JudgeSource::Sentiment(_) => Ok(()),
    }
}
