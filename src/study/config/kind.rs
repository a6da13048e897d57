//! What a study is about.

use super::settings::ArmSettings;
use super::study::StudyConfig;
use crate::{Result, ensure};

/// What a study is about: which parts its configuration must have, and how its results are presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// New facts with and without the trait (guide: method, "Fact acquisition").
    Facts,
    /// Data that elicits the trait, data that does not, and the model's own answers (guide: method, "Benign data").
    Benign,
    /// Finetuning shifts, projection differences and scores over many data sets (Chen et al. 2025, sections 4 and 6).
    Shift,
    /// Whether the trait is gone or only hidden (guide: method, "Audit").
    Audit,
    /// A trait that data teaches, with a neutral data set of the same form beside it (guide: studies, "The effect on a language model").
    Controlled,
    /// Any arms: tables, figures, and the paper's findings as far as there are arms for them.
    Own,
}

impl Kind {
    /// Whether a configuration has what this kind of study needs.
    ///
    /// # Errors
    /// What is missing, and those of [`StudyConfig::check`].
    pub fn check(self, config: &StudyConfig) -> Result<()> {
        config.check()?;
        if self == Self::Facts {
            ensure!(config.facts.is_some() && config.data.is_empty(), "`study facts` learns `facts` and nothing else");
            ensure!(config.traits().count() == 1, "`study facts` is about one trait; `study run` takes several");
            ensure!(config.mmlu.is_some(), "`study facts` needs an `exam`");
        }
        if self == Self::Controlled {
            let has_neutral = config.data.iter().any(|corpus| corpus.neutral.is_some());
            ensure!(
                has_neutral,
                "a controlled study compares with a neutral data set, and no `data` names one as `neutral`"
            );
        }
        if self == Self::Shift {
            let sets = config.data.len() + usize::from(config.facts.is_some());
            ensure!(sets > 1, "`study shift` compares data sets, and there is one");
        }
        Ok(())
    }

    /// The configuration with the settings that this kind of study fixes.
    pub fn settled(self, mut config: StudyConfig) -> StudyConfig {
        /// Conversations of each data set that its projection difference is taken over.
        const DIFFERENCE: usize = 500;
        if self == Self::Shift {
            // Plain finetunes alone: the effect of the data without any intervention.
            config.arms = ArmSettings { layer: config.arms.layer, ..ArmSettings::none() };
            if config.measure.difference == 0 {
                config.measure.difference = DIFFERENCE;
            }
        }
        if self == Self::Audit {
            config.audit.get_or_insert_default();
        }
        config
    }
}
