//! The turns before the question: a rung of the ladder, or exemplars (Chen et al. 2025, section 3.3).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::judge::JudgedAnswer;
use crate::text::Message;
use crate::{Error, Result};

/// The numbers of exemplars in the paper's many-shot setting.
pub const SHOTS: [usize; 5] = [0, 5, 10, 15, 20];

/// Which of the two settings of the paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Setting {
    /// A graded ladder of system prompts.
    System,
    /// Earlier turns that show the trait, under the template's own system prompt.
    ManyShot,
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "system prompts",
            Self::ManyShot => "many-shot",
        })
    }
}

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// The setting that it belongs to.
    pub setting: Setting,
    /// The rung, from 1 for the strongest elicitation; or the number of exemplars.
    pub level: usize,
    /// The turns before the question.
    pub before: Vec<Message>,
}

impl Condition {
    /// `system-1`, `shots-05`: names stages, rows and the answers' random numbers.
    pub fn name(&self) -> String {
        match self.setting {
            Setting::System => format!("system-{}", self.level),
            Setting::ManyShot => format!("shots-{:02}", self.level),
        }
    }

    /// For people.
    pub fn label(&self) -> String {
        match (self.setting, self.level) {
            (Setting::System, 1) => "rung 1, strongest elicitation".to_owned(),
            (Setting::System, level) => format!("rung {level}"),
            (Setting::ManyShot, 1) => "1 exemplar".to_owned(),
            (Setting::ManyShot, level) => format!("{level} exemplars"),
        }
    }

    /// The conversation in which a question is asked.
    pub fn ask(&self, question: &str) -> Vec<Message> {
        self.before.iter().cloned().chain([Message::user(question)]).collect()
    }
}

/// The measurements of one question under one condition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The condition's place in the list of conditions.
    pub condition: usize,
    /// The question's place in the evaluation split.
    pub question: usize,
    /// The mean trait score of the answers; nothing if none has one.
    pub score: Option<f64>,
    /// Mean coherence of the answers that have one.
    pub coherence: Option<f64>,
    /// Answers.
    pub answers: usize,
    /// Of these, without a trait score.
    pub missing: usize,
    /// Signed length of the state at the prompt's last token along the vector: what monitoring sees.
    pub prompt_last_proj: f64,
    /// Signed length of the answers' mean states along it, averaged over the answers.
    pub proj: f64,
    /// Cosine of the same, averaged over the answers.
    pub cos_sim: f64,
}

/// The rungs of a ladder, strongest elicitation first, as conditions from little to much.
pub fn ladder(prompts: &[String]) -> Vec<Condition> {
    let rung = |(i, prompt): (usize, &String)| Condition {
        setting: Setting::System,
        level: i + 1,
        before: vec![Message::system(prompt.as_str())],
    };
    prompts.iter().enumerate().rev().map(rung).collect()
}

/// Exemplars out of judged answers of an extraction run: those that score above 80 and are coherent above 50, one of each question
/// in turn, in the file's order. At most `count`; each is a question and its answer.
pub fn exemplars(rows: &[JudgedAnswer], count: usize) -> Vec<(String, String)> {
    let good =
        |row: &&JudgedAnswer| row.trait_score().is_some_and(|s| s > 80.0) && row.coherence().is_some_and(|c| c > 50.0);
    let good: Vec<&JudgedAnswer> = rows.iter().filter(good).collect();
    let mut by_question: Vec<Vec<&JudgedAnswer>> = Vec::new();
    for row in good {
        match by_question.iter_mut().find(|rows| rows[0].question == row.question) {
            Some(rows) => rows.push(row),
            None => by_question.push(vec![row]),
        }
    }
    let rounds = by_question.iter().map(Vec::len).max().unwrap_or(0);
    let in_turn = (0..rounds).flat_map(|round| by_question.iter().filter_map(move |rows| rows.get(round)));
    in_turn.take(count).map(|row| (row.question.clone(), row.answer.clone())).collect()
}

/// Conditions of so many exemplars each, ascending; a larger one begins with all of a smaller one.
///
/// # Errors
/// If there are too few exemplars.
pub fn many_shot(exemplars: &[(String, String)], shots: &[usize]) -> Result<Vec<Condition>> {
    let condition = |&level: &usize| {
        let shown = exemplars.get(..level).ok_or_else(|| {
            Error::new(format!("{level} exemplars are wanted, {} are good enough", exemplars.len()))
                .hint("exemplars are answers that score above 80 with a coherence above 50; ask for fewer with --shots")
        })?;
        let turns = shown.iter().flat_map(|(q, a)| [Message::user(q.as_str()), Message::assistant(a.as_str())]);
        Ok(Condition { setting: Setting::ManyShot, level, before: turns.collect() })
    };
    let mut shots = shots.to_vec();
    shots.sort_unstable();
    shots.dedup();
    shots.iter().map(condition).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(question: &str, answer: &str, score: f64, coherence: f64) -> JudgedAnswer {
        let (question, answer) = (question.to_owned(), answer.to_owned());
        JudgedAnswer { question, answer, ..JudgedAnswer::default() }.scored("bold", Some(score), Some(coherence))
    }

    #[test]
    fn exemplars_are_good_spread_over_questions_and_nested() {
        let rows = [
            row("a", "a1", 90.0, 90.0),
            row("a", "a2", 95.0, 90.0),
            row("b", "b1", 80.0, 90.0),
            row("b", "b2", 81.0, 51.0),
            row("c", "c1", 99.0, 50.0),
            row("c", "c2", 0.0, 99.0).scored("bold", None, Some(99.0)),
        ];
        let found = exemplars(&rows, 20);
        let answers: Vec<&str> = found.iter().map(|(_, answer)| answer.as_str()).collect();
        assert_eq!(answers, ["a1", "b2", "a2"]);
        let conditions = many_shot(&found, &[2, 0, 3, 2]).unwrap();
        assert_eq!(conditions.iter().map(Condition::name).collect::<Vec<_>>(), ["shots-00", "shots-02", "shots-03"]);
        assert_eq!(conditions[2].before[..4], conditions[1].before[..]);
        assert_eq!(conditions[1].ask("q")[3..], [Message::assistant("b2"), Message::user("q")]);
        assert!(many_shot(&found, &[4]).unwrap_err().to_string().contains("4 exemplars are wanted, 3"));
    }

    #[test]
    fn rungs_come_from_little_to_much_and_keep_their_numbers() {
        let rungs = ladder(&["Be so.".into(), "Be.".into(), "Be not so.".into()]);
        assert_eq!(rungs.iter().map(Condition::name).collect::<Vec<_>>(), ["system-3", "system-2", "system-1"]);
        assert_eq!(rungs[2].ask("q"), [Message::system("Be so."), Message::user("q")]);
    }
}
