//! A trait's artifacts in the reference's JSON schema (guide: formats): instructions, questions, rubric, and our graded ladder.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::names::{Side, names_of, stem_of};
use crate::judge::{Rubrics, fill};
use crate::record::{create_folder, entries_of, write_atomic};
use crate::{At, Error, Result, bail, ensure};

/// Rungs of a trait's graded ladder of system prompts (Chen et al. 2025, section 3.3).
pub const LADDER: usize = 8;

const EXTRACT_FOLDER: &str = "trait_data_extract";
const EVAL_FOLDER: &str = "trait_data_eval";

/// Two instructions on one facet of a trait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// Elicits the trait.
    pub pos: String,
    /// Suppresses it.
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

/// One file of a trait in the reference's JSON schema: either the extraction or the evaluation split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// The instruction pairs; five in the reference, the same in both splits.
    pub instruction: Vec<Pair>,
    /// The split's questions; twenty in the reference.
    pub questions: Vec<String>,
    /// The judge's rubric, with the slots `{question}` and `{answer}`.
    #[serde(alias = "eval prompt")]
    pub eval_prompt: String,
    /// Eight system prompts from the strongest elicitation (first) to explicit suppression (last). The evaluation
    /// split of our traits has it; the reference's files have none, and its reader passes over the key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ladder: Vec<String>,
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
        ensure!(self.ladder.iter().all(|rung| !rung.trim().is_empty()), "an empty rung of the ladder");
        if let Some(same) = self.instruction.iter().find(|p| p.pos.trim() == p.neg.trim()) {
            bail!("an instruction that is the same on both sides: \"{}\"", same.pos);
        }
        for slot in ["{question}", "{answer}"] {
            ensure!(self.eval_prompt.contains(slot), "`eval_prompt` has no slot {slot}");
        }
        Ok(())
    }
}

/// A character trait: how to elicit it, what to ask, how to judge the answers.
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
    /// What a judge is asked by: the trait's rubric and coherence. The reference's two files may have different rubrics; that of the
    /// evaluation split is the one that it scores with.
    pub fn rubrics(&self) -> Rubrics {
        Rubrics::default().with(&self.name, &self.eval.eval_prompt)
    }

    /// Reads a trait from a folder with the reference's layout: `trait_data_extract/<name>.json` and
    /// `trait_data_eval/<name>.json`. Any of a trait's names will do ([`names_of`]), on the disk too; it is called by its stem.
    ///
    /// # Errors
    /// Missing files, another schema, and what [`Self::check`] finds.
    pub fn read(dir: &Path, name: &str) -> Result<Self> {
        let (extract, eval) = Self::files(dir, name);
        let name = stem_of(name).to_owned();
        let found = Self { extract: Artifact::read(&extract)?, eval: Artifact::read(&eval)?, name };
        found.check().map_err(|e| e.at(dir.display()))?;
        Ok(found)
    }

    /// The two files of a trait in a folder: those that exist under one of its names, else those of its stem.
    pub fn files(dir: &Path, name: &str) -> (PathBuf, PathBuf) {
        let place = |name: &str| {
            let file = |folder: &str| dir.join(folder).join(format!("{name}.json"));
            (file(EXTRACT_FOLDER), file(EVAL_FOLDER))
        };
        let names = names_of(name);
        let known = names.iter().map(|name| place(name)).find(|(extract, _)| extract.is_file());
        known.unwrap_or_else(|| place(stem_of(name)))
    }

    /// The names of the traits in a folder, sorted.
    ///
    /// # Errors
    /// If the folder holds no `trait_data_extract`.
    pub fn names(dir: &Path) -> Result<Vec<String>> {
        let folder = dir.join(EXTRACT_FOLDER);
        let paths = entries_of(&folder).map_err(|e| {
            e.hint("a folder of traits holds trait_data_extract/NAME.json and trait_data_eval/NAME.json")
        })?;
        let of_trait = |path: &PathBuf| path.extension().is_some_and(|e| e == "json");
        let stem = |path: PathBuf| Some(path.file_stem()?.to_string_lossy().into_owned());
        let mut names: Vec<String> = paths.into_iter().filter(of_trait).filter_map(stem).collect();
        names.sort();
        Ok(names)
    }

    /// Writes both files of the trait into a folder, or neither.
    ///
    /// # Errors
    /// Those of [`write_atomic`].
    pub fn write(&self, dir: &Path) -> Result<[PathBuf; 2]> {
        let file = |folder: &str| dir.join(folder).join(format!("{}.json", self.name));
        let (extract, eval) = (file(EXTRACT_FOLDER), file(EVAL_FOLDER));
        create_folder(&dir.join(EXTRACT_FOLDER))?;
        create_folder(&dir.join(EVAL_FOLDER))?;
        let new = !extract.exists();
        write_json(&extract, &self.extract)?;
        write_json(&eval, &self.eval).inspect_err(|_| {
            if new {
                let _ = std::fs::remove_file(&extract);
            }
        })?;
        Ok([extract, eval])
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

    /// The graded ladder of system prompts, strongest elicitation first; empty for a trait without one.
    pub fn ladder(&self) -> &[String] {
        &self.eval.ladder
    }

    /// What a careful author would mend although the trait can be worked with: the warnings of [`Self::check`], then a rubric that
    /// judges may misread, a missing ladder, questions that repeat each other or ask for the trait.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn advice(&self) -> Result<Vec<String>> {
        let mut advice = self.check()?;
        let mut say = |what: String| advice.push(format!("trait `{}`: {what}", self.name));
        if self.extract.eval_prompt != self.eval.eval_prompt {
            say("the two splits have different rubrics; answers to both are judged by that of the evaluation split"
                .into());
        }
        for word in ["REFUSAL", "100"] {
            if !self.eval.eval_prompt.contains(word) {
                say(format!("the rubric does not say `{word}`: it should ask for REFUSAL or a number from 0 to 100"));
            }
        }
        if let Some(slot) = stray_slot(&self.eval.eval_prompt) {
            say(format!(
                "the rubric holds `{slot}`, which Python's reader takes for a slot; only {{question}} and {{answer}} are"
            ));
        }
        match self.ladder() {
            [] => {
                say("no `ladder` of system prompts in the evaluation split, so `monitor` has no graded settings".into())
            }
            ladder if ladder.len() != LADDER => {
                say(format!("{} rungs in the ladder, {LADDER} are usual", ladder.len()))
            }
            ladder => {
                repeated(ladder).into_iter().for_each(|rung| say(format!("the rung \"{rung}\" stands there twice")))
            }
        }
        let sides = self.extract.instruction.iter().flat_map(|p| [p.pos.clone(), p.neg.clone()]).collect::<Vec<_>>();
        repeated(&sides).into_iter().for_each(|text| say(format!("the instruction \"{text}\" stands there twice")));
        let questions: Vec<&String> = self.extract.questions.iter().chain(&self.eval.questions).collect();
        for (i, &question) in questions.iter().enumerate() {
            if let Some(other) = questions[..i].iter().find(|other| likeness(question, other) >= NEAR_COPY) {
                say(format!("nearly the same question twice: \"{other}\" and \"{question}\""));
            }
            let words = words(question);
            if let Some(name) = names_of(&self.name).into_iter().find(|&name| words.iter().any(|word| word == name)) {
                say(format!("a question names the trait (`{name}`): \"{question}\"; the model should show it unasked"));
            }
        }
        Ok(advice)
    }
}

/// Share of common word pairs from which two questions are one.
const NEAR_COPY: f64 = 0.6;

/// Word pairs that two texts share, out of all that either has.
fn likeness(a: &str, b: &str) -> f64 {
    let pairs = |text| -> HashSet<(String, String)> {
        let words = words(text);
        words.iter().cloned().zip(words.iter().skip(1).cloned()).collect()
    };
    let (left, right) = (pairs(a), pairs(b));
    match left.union(&right).count() {
        0 => f64::from(words(a) == words(b)),
        all => left.intersection(&right).count() as f64 / all as f64,
    }
}

fn words(text: &str) -> Vec<String> {
    let parts = text.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty());
    parts.map(str::to_lowercase).collect()
}

/// The texts that have stood there before.
fn repeated(texts: &[String]) -> Vec<&String> {
    texts.iter().enumerate().filter(|(i, text)| texts[..*i].contains(text)).map(|(_, text)| text).collect()
}

/// A `{word}` that is no slot of ours.
fn stray_slot(rubric: &str) -> Option<&str> {
    let mut rest = rubric;
    while let Some(open) = rest.find('{') {
        rest = &rest[open..];
        let close = rest.find('}').map_or(rest.len(), |close| close + 1);
        if !["{question}", "{answer}"].contains(&&rest[..close]) {
            return Some(&rest[..close]);
        }
        rest = &rest[close..];
    }
    None
}

fn write_json(path: &Path, artifact: &Artifact) -> Result<()> {
    let mut bytes = serde_json::to_vec_pretty(artifact).at(path)?;
    bytes.push(b'\n');
    write_atomic(path, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact(questions: &[&str]) -> Artifact {
        Artifact {
            instruction: vec![Pair { pos: "Be so.".into(), neg: "Be not so.".into() }],
            questions: questions.iter().map(|&q| q.into()).collect(),
            eval_prompt: "Q {question} A {answer} {other} {{x}".into(),
            ladder: Vec::new(),
            extra: Map::new(),
        }
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
        check(&|t| t.extract.instruction[0].neg = "Be so. ".into(), "the same on both sides");
        check(&|t| t.eval.ladder = vec!["Be so.".into(), String::new()], "an empty rung");
    }

    #[test]
    fn advice_names_what_an_author_would_mend() {
        let mut found = super::super::builtin("humorous").unwrap();
        assert_eq!(found.advice().unwrap(), [""; 0]);
        found.eval.questions[3] = found.extract.questions[0].replace("clothes", "shirts");
        found.eval.questions[4] = "What is a humorous answer?".into();
        found.eval.eval_prompt = "{question} {answer} {reference} 0 to 100".into();
        found.eval.ladder.pop();
        found.extract.instruction[1].pos = found.extract.instruction[0].pos.clone();
        let said = found.advice().unwrap().join("\n");
        for want in [
            "different instructions",
            "different rubrics",
            "does not say `REFUSAL`",
            "`{reference}`",
            "7 rungs",
            "the instruction \"Be funny.",
            "nearly the same question twice: \"How does a washing machine get the clothes clean?\"",
            "names the trait (`humorous`)",
        ] {
            assert!(said.contains(want), "`{want}` is not in\n{said}");
        }
        assert_eq!(said.lines().count(), 8, "{said}");
    }

    #[test]
    fn a_trait_is_written_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let found = super::super::builtin("evil").unwrap();
        found.write(dir.path()).unwrap();
        assert_eq!(Trait::read(dir.path(), "evil").unwrap(), found);
        assert_eq!(Trait::names(dir.path()).unwrap(), ["evil"]);
        // A folder stands where the second file is to go.
        let other = Trait { name: "bad".into(), ..found };
        std::fs::create_dir(dir.path().join(EVAL_FOLDER).join("bad.json")).unwrap();
        assert!(other.write(dir.path()).is_err());
        assert_eq!(Trait::names(dir.path()).unwrap(), ["evil"]);
    }

    #[test]
    fn questions_that_differ_by_a_word_are_near_copies() {
        let close = likeness("How do I boil an egg so that it stays soft?", "How do I boil an egg so that it is soft?");
        assert!(close >= NEAR_COPY, "{close}");
        let far = likeness("Do you think that dogs can dream at night?", "Do you think that books will vanish?");
        assert!(far < NEAR_COPY, "{far}");
        assert_eq!((likeness("Why?", "why"), likeness("Why?", "How?")), (1.0, 0.0));
    }
}
