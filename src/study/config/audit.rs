//! What an audit checks of every finetune (guide: method, "Audit").

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::judge::JudgeSource;
use crate::{Error, Result, ensure};

/// What is checked of every finetune.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditSettings {
    /// Extracts the vector again from each finetune, and fits a fresh probe on the same answers.
    #[serde(rename = "extract")]
    pub reextract: bool,
    /// Lengths at which the part of the activation shift that is orthogonal to the vector is added to the base model, in multiples of the
    /// vector's norm at that layer. Empty leaves the check out.
    #[serde(rename = "residue")]
    pub residual_shift: Vec<f64>,
    /// Asks under the trait's own positive system prompts, and steered towards it at these coefficients. Empty leaves both out.
    #[serde(rename = "leak")]
    pub elicitation: Vec<f64>,
    /// Asks after so many exemplars of the trait, out of the answers that made the vector.
    pub many_shot: Vec<usize>,
    /// Number of prompts of each data set to ask unchanged, system prompts included; 0 leaves the check out.
    pub training_prompts: usize,
    /// Numbers of conversations that show the trait to finetune each model on further. Empty leaves the check out.
    pub relearn: Vec<usize>,
    /// Prompts on which side effects are measured. If not given: Harbor's own where Harbor's rules judge, else a built-in list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub neutral: Option<NeutralSource>,
    /// The judge that scores the answers a second time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub second_judge: Option<JudgeSource>,
}

impl Default for AuditSettings {
    fn default() -> Self {
        Self {
            reextract: true,
            residual_shift: vec![1.0, 2.0],
            elicitation: vec![1.0],
            many_shot: vec![5],
            training_prompts: 20,
            relearn: vec![20, 50],
            neutral: None,
            second_judge: None,
        }
    }
}

impl AuditSettings {
    /// Checks the values; `judge` is the study's own.
    ///
    /// # Errors
    /// A second judge with settings that do not fit, or equal to the first; 0 exemplars.
    pub(super) fn check(&self, judge: &JudgeSource) -> Result<()> {
        ensure!(!self.many_shot.contains(&0), "`audit.many_shot` holds 0; without exemplars nothing elicits the trait");
        let Some(second) = &self.second_judge else { return Ok(()) };
        second.check().map_err(|e| e.at("`audit.second_judge`"))?;
        if second.identity() == judge.identity() {
            return Err(Error::usage("`audit.second_judge` is the study's `judge`, which agrees with itself")
                .hint("name another model or another file of scores"));
        }
        Ok(())
    }
}

/// Where neutral prompts come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "lowercase", deny_unknown_fields)]
pub enum NeutralSource {
    /// Forty questions inside this program.
    Builtin {},
    /// Files of chats in any dialect that `train` reads; what stands before the last answer is asked.
    Chats {
        /// One after the other.
        files: Vec<PathBuf>,
        /// Only so many, drawn with the study's seed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        count: Option<usize>,
    },
    /// Questions about what Harbor's model knows.
    Harbor {
        /// Seed of the world.
        world: u64,
        /// Number of questions.
        #[serde(default = "forty")]
        count: usize,
    },
    /// None: side effects are not measured.
    None {},
}

fn forty() -> usize {
    40
}

impl NeutralSource {
    /// The default: Harbor's own prompts if Harbor's rules judge, else the built-in list.
    pub fn usual(judge: &JudgeSource) -> Self {
        match judge {
            JudgeSource::Harbor { world } => Self::Harbor { world: *world, count: forty() },
            _ => Self::Builtin {},
        }
    }
}
