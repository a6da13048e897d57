//! A study's judges: the first, and the second one of an audit. Each keeps its answers and its costs in its own folder.

use std::path::{Path, PathBuf};

use crate::Result;
use crate::judge::{Judge, Rubrics};
use crate::runtime::Runtime;
use crate::study::{JudgeRole, JudgeSource, StudyConfig};
use crate::verbs::{Context, judges};

/// Folder in a study's that holds the second judge's files.
const SECOND: &str = "second";

/// The judges of a study, and the folders of their files.
pub(super) struct StudyJudges {
    rubrics: Rubrics,
    first: JudgeSlot,
    second: Option<JudgeSlot>,
}

struct JudgeSlot {
    /// Where the whole study's answers of this judge are kept.
    folder: PathBuf,
    source: JudgeSource,
}

impl StudyJudges {
    pub fn of(config: &StudyConfig, out: &Path) -> Result<Self> {
        let mut rubrics = Rubrics::default().with_facts(config.facts.is_some());
        for source in config.traits() {
            let trait_ = source.load()?;
            rubrics = rubrics.with(&trait_.name, &trait_.eval.eval_prompt);
        }
        let second = config.audit.as_ref().and_then(|audit| audit.second_judge.clone());
        Ok(Self {
            rubrics,
            first: JudgeSlot { folder: out.to_owned(), source: config.judge.clone() },
            second: second.map(|source| JudgeSlot { folder: out.join(SECOND), source }),
        })
    }

    /// The same judges for the process that does this task and what follows it: its answers are kept apart from the others'.
    pub fn of_shard(self, task: &str) -> Self {
        let apart = |slot: JudgeSlot| {
            let (folder, source) = judges::of_share(&slot.folder, task, &slot.source);
            JudgeSlot { folder, source }
        };
        Self { first: apart(self.first), second: self.second.map(apart), ..self }
    }

    pub fn mention_keys(&self, context: &Context<'_>) {
        self.slots().for_each(|slot| judges::mention_key(&slot.source, context));
    }

    /// Takes in the answers that shards have paid for.
    pub fn gather(&self) -> Result<()> {
        self.slots().try_for_each(|slot| slot.source.gather(&slot.folder, &slot.folder.join(judges::SHARES)))
    }

    pub fn call<'a>(
        &'a self,
        role: JudgeRole,
        context: &'a Context<'_>,
        runtime: &'a dyn Runtime,
    ) -> Result<Box<dyn Judge + 'a>> {
        let second = || self.second.as_ref().expect("an audit asks a second judge that it has");
        let (slot, rubrics) = match role {
            JudgeRole::First => (&self.first, self.rubrics.clone()),
            // Asked for traits alone.
            JudgeRole::Second => (second(), self.rubrics.clone().with_facts(false)),
        };
        judges::open(&slot.source, &rubrics, &slot.folder, context, runtime)
    }

    fn slots(&self) -> impl Iterator<Item = &JudgeSlot> {
        std::iter::once(&self.first).chain(&self.second)
    }
}
