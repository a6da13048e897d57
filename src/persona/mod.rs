//! Persona vectors: traits, judged answers under positive and negative system prompts, the vectors extracted from them, and
//! projections onto these.
//!
//! ```text
//! Trait ─ Inquiry ─▶ Answers ─ judge ─▶ JudgedAnswer ─ filter ─▶ kept ─ extract ─▶ VectorFile ─ project ─▶ scores of any text
//!                       └────────▶ States, captured while answering ──┘
//! ```

mod answers;
mod artifact;
mod author;
mod builtin;
mod extract;
mod filter;
pub mod monitor;
mod names;
mod project;
mod rollout;
mod rollout_run;
mod rows;
pub mod screen;
mod states;
mod texts;
mod tokens;

pub use answers::{Answers, FINISH_REASON};
pub use artifact::{Artifact, Pair, Trait};
pub use author::{Description, Writer, author};
pub use builtin::{BUILTIN, builtin, harbor_trait};
pub use extract::{Extraction, ExtractionRecipe, extract, extract_captured};
pub use filter::{Diagnosis, Filter, FilterKind, keep};
pub use names::{Side, dataset_of, names_of, stem_of, system_prompt};
pub use project::{Metric, Probe, ProjectRules, column, project_file, projections};
pub use rollout::{Inquiry, judge_rows, place_of, sampling};
pub use rollout_run::{OpenModel, RolloutRun, SideReport};
pub use rows::{read_rows, write_rows};
pub use states::States;
pub use texts::Exchange;
pub use tokens::{Border, finish};

#[cfg(test)]
mod tests {
    use super::*;

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
        let mut model = crate::fakes::EchoModel::new(move |ask, _| {
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
            let mut answers = Answers::open(dir.path(), &inquiry, &work, model.shape()).unwrap();
            answers.ask(&mut model, &inquiry, &mut |_| ControlFlow::Continue(())).unwrap();
            let mut rows = answers.rows().unwrap();
            judge_rows(&mut judge, &found.name, &mut rows).unwrap();
            (rows, States::open(&Answers::files(dir.path(), side)[1]).unwrap())
        };
        let ((pos, of_pos), (neg, of_neg)) = (side(Side::Pos), side(Side::Neg));
        // What answers another question is half coherent, which is just enough.
        let recipe = ExtractionRecipe::new(&found.name, "echo", "-");
        let made = extract_captured(&[of_pos, of_neg], &pos, &neg, &recipe, &mut |_, _| {}).unwrap();
        let read = extract(&mut model, &pos, &neg, &recipe, &mut |_, _| {}).unwrap();
        assert_eq!((&made.file, &made.diagnosis), (&read.file, &read.diagnosis));
        assert_eq!((made.diagnosis.rows_pos, made.diagnosis.kept_pos), (200, 160), "{}", made.diagnosis);
        assert_eq!(made.diagnosis.conditions[0].missing, 40);
        assert_eq!(made.file.metadata["n_neg"], "160");
        assert!(made.file.response_avg.rows.concat().iter().any(|&x| x != 0.0));
    }
}
