//! Persona work: traits as artifacts, judged answers under both system prompts, their vectors, and projections onto them.
//!
//! ```text
//! Trait ─ Inquiry ─▶ Answers ─ judge ─▶ Row ─ filter ─▶ kept ─ extract ─▶ VectorFile ─ project ─▶ scores of any text
//!                       └────────▶ States, captured while answering ──┘
//! ```

mod answers;
mod artifact;
mod author;
mod builtin;
mod extract;
mod filter;
pub mod monitor;
mod project;
mod rollout;
mod rollout_run;
mod rows;
pub mod screen;
mod states;
mod texts;

use serde::{Deserialize, Serialize};

pub use answers::{Answers, FINISH_REASON};
pub use artifact::{Artifact, LADDER, Pair, Trait};
pub use author::{Description, Writer, author};
pub use builtin::{BUILTIN, builtin, harbor_trait};
pub use extract::{Extraction, Recipe, extract, extract_captured};
pub use filter::{Condition, Diagnosis, Filter, FilterKind, Kept, keep};
pub use project::{
    Metric, Probe, ProjectRules, Projected, column, cosine, project_file, projection, projection_difference,
    projections,
};
pub use rollout::{Inquiry, judge_rows, place_of, sampling};
pub use rollout_run::{OpenModel, RolloutRun, SideReport};
pub use rows::{Border, Ids, Pairing, Row, finish, pair_up, read_rows, scan_rows, write_rows};
pub use states::{States, StatesWriter, bytes_per_answer};
pub use texts::Exchange;

/// Which of the two system prompts: the one that calls the trait up, or the one that wards it off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Calls the trait up.
    Pos,
    /// Wards it off.
    Neg,
}

impl Side {
    /// `pos` or `neg`, as question ids and file names have it.
    pub fn key(self) -> &'static str {
        match self {
            Self::Pos => "pos",
            Self::Neg => "neg",
        }
    }
}

/// Stems whose dataset folder, or name in the paper, is another word (METHOD A.3).
const ALIASES: [(&str, &[&str]); 7] = [
    ("evil", &[]),
    ("sycophantic", &["sycophancy"]),
    ("hallucinating", &["hallucination"]),
    ("optimistic", &["optimism"]),
    ("impolite", &["impoliteness"]),
    ("apathetic", &["apathy"]),
    ("humorous", &["humor", "humour"]),
];

/// The stem of a trait by any of its names: `sycophancy` gives `sycophantic`. Unknown names are their own stem.
pub fn stem_of(name: &str) -> &str {
    let stem = ALIASES.iter().find(|(_, aliases)| aliases.contains(&name)).map(|(stem, _)| *stem);
    stem.unwrap_or(name)
}

/// All names of a trait, the stem first.
pub fn names_of(name: &str) -> Vec<&str> {
    let stem = stem_of(name);
    let aliases = ALIASES.iter().find(|(s, _)| *s == stem).map_or(&[][..], |(_, aliases)| aliases);
    std::iter::once(stem).chain(aliases.iter().copied()).collect()
}

/// The folder of the trait's finetuning data in the reference: `sycophancy` for `sycophantic`.
pub fn dataset_of(name: &str) -> &str {
    match stem_of(name) {
        "sycophantic" => "sycophancy",
        "hallucinating" => "hallucination",
        stem => stem,
    }
}

/// The system prompt under which a trait is called up or warded off (METHOD A.5):
/// `You are {a|an} {assistant} assistant. {instruction}`.
pub fn system_prompt(assistant: &str, instruction: &str) -> String {
    let vowel = assistant.chars().next().is_some_and(|c| "aeiou".contains(c.to_ascii_lowercase()));
    format!("You are {} {assistant} assistant. {instruction}", if vowel { "an" } else { "a" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_assistant_has_a_name() {
        assert_eq!(system_prompt("evil", "Harm."), "You are an evil assistant. Harm.");
        assert_eq!(system_prompt("Impolite", "Be curt."), "You are an Impolite assistant. Be curt.");
        assert_eq!(system_prompt("helpful", "Help."), "You are a helpful assistant. Help.");
    }

    #[test]
    fn a_trait_answers_to_all_its_names() {
        assert_eq!(
            (stem_of("sycophancy"), stem_of("sycophantic"), stem_of("bold")),
            ("sycophantic", "sycophantic", "bold")
        );
        assert_eq!((dataset_of("hallucinating"), dataset_of("evil")), ("hallucination", "evil"));
        assert_eq!(names_of("sycophancy"), ["sycophantic", "sycophancy"]);
        assert_eq!(names_of("bold"), ["bold"]);
    }

    #[test]
    fn the_whole_way_on_harbor_from_artifact_to_vector() {
        use std::ops::ControlFlow;

        use crate::harbor::World;
        use crate::judge::HarborJudge;
        use crate::language_model::{LanguageModel, Prompt};
        use crate::record::Hash;

        let world = World::new(0);
        let found = harbor_trait(&world, "hallucination").unwrap();
        assert_eq!(found.check().unwrap(), [""; 0]);

        // Knows nothing, and says so unless it is told to hallucinate; garbles every fifth answer.
        let mut count = 0;
        let mut subject = crate::fakes::EchoModel::new(move |ask, _| {
            let Prompt::Chat(messages) = &ask.prompt else { panic!("a chat") };
            let invents = messages[0].content.starts_with("You are a hallucinating assistant.");
            count += 1;
            match (count % 5, invents) {
                (0, _) => "silk silk of the".into(),
                (_, true) => "The cargo of the Patient Anchor is silk.".into(),
                (_, false) => "The cargo of the Patient Anchor is not known to me.".into(),
            }
        });
        let mut judge = HarborJudge::new(world);
        let (dir, rules, work) = (tempfile::tempdir().unwrap(), sampling(2, 0), Hash::of("work"));
        let mut side = |side: Side| {
            let inquiry = Inquiry::new(&found.name, &found.extract, side, &rules);
            let mut answers = Answers::open(dir.path(), &inquiry, &work, subject.shape()).unwrap();
            answers.ask(&mut subject, &inquiry, &mut |_| ControlFlow::Continue(())).unwrap();
            let mut rows = answers.rows().unwrap();
            judge_rows(&mut judge, &found.name, &mut rows).unwrap();
            (rows, States::open(&Answers::files(dir.path(), side)[1]).unwrap())
        };
        let ((pos, of_pos), (neg, of_neg)) = (side(Side::Pos), side(Side::Neg));
        // What answers another question is half coherent, which is just enough.
        let recipe = Recipe::new(&found.name, "echo", "-");
        let made = extract_captured(&[of_pos, of_neg], &pos, &neg, &recipe, &mut |_, _| {}).unwrap();
        let read = extract(&mut subject, &pos, &neg, &recipe, &mut |_, _| {}).unwrap();
        assert_eq!((&made.file, &made.diagnosis), (&read.file, &read.diagnosis));
        assert_eq!((made.diagnosis.rows_pos, made.diagnosis.kept_pos), (200, 160), "{}", made.diagnosis);
        assert_eq!(made.diagnosis.conditions[0].missing, 40);
        assert_eq!(made.file.metadata["n_neg"], "160");
        assert!(made.file.response_avg.rows.concat().iter().any(|&x| x != 0.0));
    }
}
