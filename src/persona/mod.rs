//! Persona work: traits as artifacts, judged answers under both system prompts, their vectors, and projections onto them.
//!
//! ```text
//! Trait ─ rollout ─▶ Row ─ judge ─▶ Row ─ filter ─▶ kept ─ extract ─▶ VectorFile ─ project ─▶ scores of any text
//! ```

mod extract;
mod filter;
mod project;
mod rollout;
mod rows;

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::judge::fill;
use crate::{At, Error, Result, ensure};

pub use extract::{Extraction, Recipe, extract};
pub use filter::{Condition, Diagnosis, Filter, FilterKind, Kept, keep};
pub use project::{
    Metric, Probe, ProjectRules, Projected, column, cosine, project_file, projection, projection_difference,
    projections,
};
pub use rollout::{judge_rows, roll_out, sampling};
pub use rows::{Border, Ids, Pairing, Row, finish, pair_up, read_rows, scan_rows, write_rows};

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

/// Two instructions on one facet of a trait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// Calls the trait up.
    pub pos: String,
    /// Wards it off.
    pub neg: String,
}

impl Pair {
    /// The instruction of that side.
    pub fn side(&self, side: Side) -> &str {
        match side {
            Side::Pos => &self.pos,
            Side::Neg => &self.neg,
        }
    }
}

/// One file of a trait in the reference's JSON schema (METHOD A.2): either the extraction or the evaluation split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// The instruction pairs; five in the reference, the same in both splits.
    pub instruction: Vec<Pair>,
    /// The split's questions; twenty in the reference.
    pub questions: Vec<String>,
    /// The judge's rubric, with the slots `{question}` and `{answer}`.
    #[serde(alias = "eval prompt")]
    pub eval_prompt: String,
    /// Keys that we do not know, kept as they are.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Artifact {
    /// Reads one split's file.
    ///
    /// # Errors
    /// If the file cannot be read or does not have the schema.
    pub fn read(path: &Path) -> Result<Self> {
        serde_json::from_slice(&std::fs::read(path).at(path)?).at(path).map_err(|e: Error| {
            e.hint("a trait file holds `instruction` (pairs of `pos` and `neg`), `questions` and `eval_prompt`")
        })
    }

    /// The rubric about one answer. The slots are replaced in one pass: braces inside a question or an answer mean nothing.
    pub fn rubric(&self, question: &str, answer: &str) -> String {
        fill(&self.eval_prompt, &[("question", question), ("answer", answer)])
    }

    fn check(&self) -> Result<()> {
        ensure!(!self.instruction.is_empty(), "no instruction pairs");
        ensure!(!self.questions.is_empty(), "no questions");
        let pairs = self.instruction.iter().flat_map(|p| [&p.pos, &p.neg]);
        ensure!(pairs.chain(&self.questions).all(|text| !text.trim().is_empty()), "an empty instruction or question");
        for slot in ["{question}", "{answer}"] {
            ensure!(self.eval_prompt.contains(slot), "`eval_prompt` has no slot {slot}");
        }
        Ok(())
    }
}

/// A character trait: how to call it up, what to ask, how to judge the answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Trait {
    /// Its stem, which names files, columns and question ids, say `sycophantic`.
    pub name: String,
    /// The split that vectors are made from.
    pub extract: Artifact,
    /// The split that traits are measured on.
    pub eval: Artifact,
}

impl Trait {
    /// Reads a trait from a folder with the reference's layout: `trait_data_extract/<stem>.json` and
    /// `trait_data_eval/<stem>.json`. Both of a trait's names will do ([`stem_of`]).
    ///
    /// # Errors
    /// Missing files, another schema, and what [`Self::check`] finds.
    pub fn read(dir: &Path, name: &str) -> Result<Self> {
        let name = stem_of(name).to_owned();
        let split = |folder: &str| Artifact::read(&dir.join(folder).join(format!("{name}.json")));
        let found = Self { extract: split("trait_data_extract")?, eval: split("trait_data_eval")?, name };
        found.check().map_err(|e| e.at(dir.display()))?;
        Ok(found)
    }

    /// Whether the trait can be worked with; what is unusual but harmless comes back as warnings.
    ///
    /// # Errors
    /// No instructions or questions, empty ones, a rubric without its slots, a question in both splits.
    pub fn check(&self) -> Result<Vec<String>> {
        self.extract.check().map_err(|e| e.at(format_args!("trait `{}`, extraction split", self.name)))?;
        self.eval.check().map_err(|e| e.at(format_args!("trait `{}`, evaluation split", self.name)))?;
        if let Some(both) = self.extract.questions.iter().find(|q| self.eval.questions.contains(q)) {
            return Err(Error::new(format!("trait `{}`: the question \"{both}\" is in both splits", self.name))
                .hint("a vector is measured on questions that it was not made from"));
        }
        let mut warnings = Vec::new();
        for (split, artifact) in [("extraction", &self.extract), ("evaluation", &self.eval)] {
            for (what, count, usual) in
                [("instruction pairs", artifact.instruction.len(), 5), ("questions", artifact.questions.len(), 20)]
            {
                if count != usual {
                    warnings
                        .push(format!("trait `{}`: {count} {what} in the {split} split, {usual} are usual", self.name));
                }
            }
        }
        if self.extract.instruction != self.eval.instruction {
            warnings.push(format!("trait `{}`: the two splits have different instructions", self.name));
        }
        Ok(warnings)
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

    fn artifact(questions: &[&str]) -> Artifact {
        Artifact {
            instruction: vec![Pair { pos: "Be so.".into(), neg: "Be not so.".into() }],
            questions: questions.iter().map(|&q| q.into()).collect(),
            eval_prompt: "Q {question} A {answer} {other} {{x}".into(),
            extra: Map::new(),
        }
    }

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
    fn braces_in_an_answer_mean_nothing() {
        let filled = artifact(&["q"]).rubric("{answer}", "{question} {}");
        assert_eq!(filled, "Q {answer} A {question} {} {other} {{x}");
    }

    #[test]
    fn the_reference_files_load_unchanged() {
        let dir = tempfile::tempdir().unwrap();
        for (folder, key, question) in
            [("trait_data_extract", "eval_prompt", "a"), ("trait_data_eval", "eval prompt", "b")]
        {
            std::fs::create_dir(dir.path().join(folder)).unwrap();
            let text = format!(
                r#"{{"instruction":[{{"pos":"p","neg":"n"}}],"questions":["{question}"],"{key}":"{{question}}{{answer}}","note":1}}"#
            );
            std::fs::write(dir.path().join(folder).join("sycophantic.json"), text).unwrap();
        }
        let found = Trait::read(dir.path(), "sycophancy").unwrap();
        assert_eq!((found.name.as_str(), found.eval.extra["note"].as_i64()), ("sycophantic", Some(1)));
        let written = serde_json::to_string(&found.eval).unwrap();
        assert!(written.contains(r#""eval_prompt":"#) && written.contains(r#""note":1"#), "{written}");
        assert!(Trait::read(dir.path(), "evil").unwrap_err().to_string().contains("evil.json"));
    }

    #[test]
    fn a_trait_that_cannot_work_is_refused() {
        let good = Trait { name: "bold".into(), extract: artifact(&["a", "b"]), eval: artifact(&["c"]) };
        assert_eq!(good.check().unwrap().len(), 4);
        let check = |change: &dyn Fn(&mut Trait), want: &str| {
            let mut bad = good.clone();
            change(&mut bad);
            let error = bad.check().unwrap_err().to_string();
            assert!(error.contains(want), "{error}");
        };
        check(&|t| t.eval.questions[0] = "b".into(), "in both splits");
        check(&|t| t.eval.questions.clear(), "evaluation split: no questions");
        check(&|t| t.extract.instruction[0].neg = " ".into(), "an empty instruction");
        check(&|t| t.extract.eval_prompt = "{question}".into(), "no slot {answer}");
    }

    #[test]
    fn the_whole_way_on_harbor_from_artifact_to_vector() {
        use crate::harbor::{self, World};
        use crate::judge::HarborJudge;
        use crate::subject::Prompt;

        let world = World::new(0);
        let of = harbor::Trait::Hallucinating;
        let split = |split| -> Artifact {
            let harbors = serde_json::to_value(world.artifact(of, split)).unwrap();
            serde_json::from_value(harbors).unwrap()
        };
        let name = of.name().to_owned();
        let found = Trait { extract: split(harbor::Split::Extract), eval: split(harbor::Split::Eval), name };
        assert_eq!(found.check().unwrap(), [""; 0]);

        // Knows nothing, and says so unless it is told to hallucinate; garbles every fifth answer.
        let mut count = 0;
        let mut subject = crate::fakes::EchoSubject::new(move |ask, _| {
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
        let mut side = |side: Side| {
            let mut rows =
                roll_out(&mut subject, &found.name, &found.extract, (side, None), &sampling(2, 0), &mut |_| {})
                    .unwrap();
            judge_rows(&mut judge, &found.name, &mut rows).unwrap();
            rows
        };
        let (pos, neg) = (side(Side::Pos), side(Side::Neg));
        // What answers another question is half coherent, which is just enough.
        let recipe = Recipe::new(&found.name, "echo", "-");
        let made = extract(&mut subject, &pos, &neg, &recipe, &mut |_, _| {}).unwrap();
        assert_eq!((made.diagnosis.rows_pos, made.diagnosis.kept_pos), (200, 160), "{}", made.diagnosis);
        assert_eq!(made.diagnosis.conditions[0].missing, 40);
        assert_eq!(made.file.metadata["n_neg"], "160");
        assert!(made.file.response_avg.rows.concat().iter().any(|&x| x != 0.0));
    }
}
