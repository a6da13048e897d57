//! A judge that looks scores up in files of answers that were judged earlier.

use std::collections::HashMap;
use std::path::Path;

use super::verdict::{Judge, JudgedItem, Rubric, Verdict};
use crate::data_table::DataTable;
use crate::record::refuse_malformed;
use crate::{Error, Result};

/// A judge that looks the verdict up by question and answer. What it does not find is an error, never a guess.
#[derive(Debug, Clone)]
pub struct ScoredJudge {
    name: String,
    scores: HashMap<(String, String, String), Option<f64>>,
    rubrics: Vec<String>,
}

impl ScoredJudge {
    /// Reads CSV or JSONL files with columns `question`, `answer`, and one per rubric ([`Rubric::key`]); an empty cell is a
    /// judge's refusal. Where files say different things of one answer, the last one stands.
    ///
    /// # Errors
    /// Unreadable files, malformed rows, missing columns.
    pub fn read(paths: &[&Path], rubrics: &[Rubric]) -> Result<Self> {
        let mut scores = HashMap::new();
        let rubrics: Vec<String> = rubrics.iter().map(|r| r.key().to_owned()).collect();
        for path in paths {
            let sheet = DataTable::read(path)?;
            for column in ["question", "answer"].into_iter().chain(rubrics.iter().map(String::as_str)) {
                if !sheet.columns.iter().any(|c| c == column) {
                    return Err(Error::new(format!(
                        "no column `{column}`; there are `{}`",
                        sheet.columns.join("`, `")
                    ))
                    .at(path.display()));
                }
            }
            let mut bad = Vec::new();
            for line in &sheet.lines {
                let place = |e: Error| e.at(format_args!("{}:{}", path.display(), line.number));
                let (Some(question), Some(answer)) = (line.text("question"), line.text("answer")) else {
                    bad.push(place(Error::new("`question` or `answer` is not text")));
                    continue;
                };
                for key in &rubrics {
                    match line.number_at(key) {
                        Ok(score) => drop(scores.insert((key.clone(), question.to_owned(), answer.to_owned()), score)),
                        Err(e) => bad.push(place(e)),
                    }
                }
            }
            refuse_malformed(bad, sheet.lines.len())?;
        }
        // File names without folders: the name is written to results, which are passed on to others.
        let file = |path: &&Path| path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let name = paths.iter().map(file).collect::<Vec<_>>().join(", ");
        Ok(Self { name, scores, rubrics })
    }
}

impl Judge for ScoredJudge {
    fn name(&self) -> &str {
        &self.name
    }

    fn judge(&mut self, rubric: &Rubric, items: &[JudgedItem]) -> Result<Vec<Verdict>> {
        let key = rubric.key();
        if !self.rubrics.iter().any(|r| r == key) {
            return Err(Error::new(format!("{}: scores for `{key}` were not read", self.name)));
        }
        let look_up = |item: &JudgedItem| {
            let place = (key.to_owned(), item.question.clone(), item.answer.clone());
            let score = self.scores.get(&place).copied().ok_or_else(|| {
                let answer: String = item.answer.chars().take(60).collect();
                Error::new(format!(
                    "{}: no verdict on `{key}` for the answer \"{answer}\" to \"{}\"",
                    self.name, item.question
                ))
                .hint("a file of scores knows only the answers that were judged; ask a judge that can read new ones")
            })?;
            let why = if score.is_some() { "read from the file" } else { "the file has no score" };
            Ok(Verdict { score, why: why.into() })
        };
        items.iter().map(look_up).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(question: &str, answer: &str) -> JudgedItem {
        JudgedItem { question: question.into(), answer: answer.into(), reference: None }
    }

    #[test]
    fn a_verdict_is_found_by_question_and_answer_and_never_made_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("scored.csv");
        std::fs::write(&path, "question,answer,evil,coherence\nq1,a,90,100\nq1,b,,40\nq2,a,5,99\n").unwrap();
        let evil = Rubric::Trait("evil".into());
        let mut judge = ScoredJudge::read(&[&path], &[evil.clone(), Rubric::Coherence]).unwrap();
        let shown = [item("q2", "a"), item("q1", "a"), item("q1", "b")];
        let scores = |judge: &mut ScoredJudge, rubric: &Rubric| {
            judge.judge(rubric, &shown).unwrap().into_iter().map(|v| v.score).collect::<Vec<_>>()
        };
        assert_eq!(scores(&mut judge, &evil), [Some(5.0), Some(90.0), None]);
        assert_eq!(scores(&mut judge, &Rubric::Coherence), [Some(99.0), Some(100.0), Some(40.0)]);
        let unknown = judge.judge(&evil, &[item("q2", "b")]).unwrap_err();
        assert!(unknown.to_string().contains("no verdict on `evil`"), "{unknown}");
        assert!(judge.judge(&Rubric::Fact, &shown).is_err());
    }

    #[test]
    fn a_file_without_the_scores_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("scored.csv");
        std::fs::write(&path, "question,answer,evil\nq,a,much\n").unwrap();
        let error = ScoredJudge::read(&[&path], &[Rubric::Coherence]).unwrap_err();
        assert!(error.to_string().contains("no column `coherence`"), "{error}");
        let error = ScoredJudge::read(&[&path], &[Rubric::Trait("evil".into())]).unwrap_err();
        assert!(error.to_string().contains("scored.csv:2:"), "{error}");
    }
}
