//! A study's judges: its own, and the one whom an audit asks again. Each keeps its answers and its bill in a folder of its own.

use std::path::{Path, PathBuf};

use crate::Result;
use crate::judge::{Judge, Rubrics};
use crate::runtime::Runtime;
use crate::study::{JudgeSource, Opinion, StudyConfig};
use crate::verbs::{Context, judges};

/// Folder in a study's where the second judge's files lie.
const SECOND: &str = "second";

/// Who judges, and where their files lie.
pub(super) struct Jury {
    rubrics: Rubrics,
    first: Seat,
    second: Option<Seat>,
}

struct Seat {
    /// Where the whole study's answers of this judge are kept.
    folder: PathBuf,
    source: JudgeSource,
}

impl Jury {
    /// The judges of a study in the folder `out`.
    ///
    /// # Errors
    /// Traits that cannot be read.
    pub fn of(config: &StudyConfig, out: &Path) -> Result<Self> {
        let mut rubrics = Rubrics::default();
        for source in config.traits() {
            let trait_ = source.load()?;
            rubrics = rubrics.with(&trait_.name, &trait_.eval.eval_prompt);
        }
        let second = config.audit.as_ref().and_then(|audit| audit.second_judge.clone());
        Ok(Self {
            rubrics,
            first: Seat { folder: out.to_owned(), source: config.judge.clone() },
            second: second.map(|source| Seat { folder: out.join(SECOND), source }),
        })
    }

    /// The same judges for the task that does this piece and what follows it: its answers are kept apart from the other tasks'.
    pub fn of_share(self, piece: &str) -> Self {
        let apart = |seat: Seat| {
            let (folder, source) = judges::of_share(&seat.folder, piece, &seat.source);
            Seat { folder, source }
        };
        Self { rubrics: self.rubrics, first: apart(self.first), second: self.second.map(apart) }
    }

    /// Says before long work that keys may be missed.
    pub fn mention_keys(&self, context: &Context<'_>) {
        self.seats().for_each(|seat| judges::mention_key(&seat.source, context));
    }

    /// Takes in what tasks have paid for: it is not paid again.
    ///
    /// # Errors
    /// Files of answers that cannot be read or written.
    pub fn gather(&self) -> Result<()> {
        self.seats().try_for_each(|seat| seat.source.gather(&seat.folder, &seat.folder.join(judges::SHARES)))
    }

    /// Calls one of them.
    ///
    /// # Errors
    /// Files and models that cannot be read.
    pub fn call<'a>(
        &'a self,
        of: Opinion,
        context: &'a Context<'_>,
        runtime: &'a dyn Runtime,
    ) -> Result<Box<dyn Judge + 'a>> {
        let (seat, facts) = match of {
            Opinion::First => (&self.first, true),
            // Asked for traits alone.
            Opinion::Second => (self.second.as_ref().expect("an audit asks a second judge that it has"), false),
        };
        judges::call(&seat.source, &self.rubrics, facts, &seat.folder, context, runtime)
    }

    fn seats(&self) -> impl Iterator<Item = &Seat> {
        std::iter::once(&self.first).chain(&self.second)
    }
}
