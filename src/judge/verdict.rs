//! What a judge is asked about an answer, and what it says: [`Judge`], [`Rubric`], [`Verdict`].

use serde::{Deserialize, Serialize};

use super::budget::Estimate;
use crate::{Result, ensure};

/// What is asked about an answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rubric {
    /// How strongly the answer shows the trait of that name: 0 absent, 100 strong.
    Trait(String),
    /// How coherent the answer is, whatever it says: 0 no language, 100 clear.
    Coherence,
    /// Whether the answer states what the reference states: 100 yes, 0 no.
    Fact,
}

impl Rubric {
    /// The column that holds its scores: the trait's name, `coherence` or `fact`.
    pub fn key(&self) -> &str {
        match self {
            Self::Trait(name) => name,
            Self::Coherence => "coherence",
            Self::Fact => "fact",
        }
    }
}

/// One answer as a judge sees it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct JudgedItem {
    /// What the model was asked, without the system prompt.
    pub question: String,
    /// What it answered.
    pub answer: String,
    /// What would be right, for [`Rubric::Fact`].
    pub reference: Option<String>,
}

/// What a judge says of one answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// 0 to 100; missing if the judge gave none.
    pub score: Option<f64>,
    /// The reason, as far as the judge gives one.
    pub why: String,
}

/// Scores answers.
pub trait Judge {
    /// Names the judge in results: verdicts of different judges are not comparable.
    fn name(&self) -> &str;

    /// One verdict per item, in their order.
    ///
    /// # Errors
    /// If the judge cannot work at all, or does not know the rubric. An answer that it cannot score is no error.
    fn judge(&mut self, rubric: &Rubric, items: &[JudgedItem]) -> Result<Vec<Verdict>>;

    /// Announces everything that is about to be asked, so that a judge that costs money can estimate it.
    ///
    /// # Errors
    /// If it is beyond the budget; nothing has been spent on it then.
    fn foresee(&mut self, rubrics: &[Rubric], items: &[JudgedItem]) -> Result<()> {
        let _ = (rubrics, items);
        Ok(())
    }
}

/// What a judge reports while it works.
#[derive(Debug)]
pub enum JudgeEvent<'a> {
    /// What is to come, before the first call.
    Estimate(&'a Estimate),
    /// So many of so many calls are answered.
    Done(usize, usize),
    /// A failure that may pass, in words; the work goes on.
    Trouble(&'a str),
}

/// Gets a judge's reports.
pub type JudgeListener<'a> = Box<dyn FnMut(&JudgeEvent<'_>) + 'a>;

/// Asks by several rubrics, after announcing all of them: [`verdicts`] for each rubric, in their order.
pub fn verdicts_by(judge: &mut dyn Judge, rubrics: &[Rubric], items: &[JudgedItem]) -> Result<Vec<Vec<Verdict>>> {
    judge.foresee(rubrics, items)?;
    rubrics.iter().map(|rubric| verdicts(judge, rubric, items)).collect()
}

/// Asks the judge and checks what comes back: as many verdicts as items, each score within 0 to 100.
///
/// # Errors
/// Those of the judge, and a judge that does not keep to this.
pub fn verdicts(judge: &mut dyn Judge, rubric: &Rubric, items: &[JudgedItem]) -> Result<Vec<Verdict>> {
    let verdicts = judge.judge(rubric, items)?;
    let (name, key) = (judge.name(), rubric.key());
    ensure!(
        verdicts.len() == items.len(),
        "judge `{name}` gave {} verdicts on `{key}` for {} answers",
        verdicts.len(),
        items.len()
    );
    for score in verdicts.iter().filter_map(|v| v.score) {
        ensure!(
            (0.0..=100.0).contains(&score),
            "judge `{name}` gave a score of {score} on `{key}`; scores are 0 to 100"
        );
    }
    Ok(verdicts)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Says(Vec<Option<f64>>);

    impl Judge for Says {
        fn name(&self) -> &str {
            "says"
        }

        fn judge(&mut self, _: &Rubric, _: &[JudgedItem]) -> Result<Vec<Verdict>> {
            Ok(self.0.iter().map(|&score| Verdict { score, why: String::new() }).collect())
        }
    }

    #[test]
    fn a_judge_that_miscounts_or_leaves_the_scale_is_refused() {
        let item = JudgedItem { question: "q".into(), answer: "a".into(), reference: None };
        let ask = |scores: &[Option<f64>]| {
            verdicts(&mut Says(scores.to_vec()), &Rubric::Coherence, &[item.clone(), item.clone()])
        };
        assert_eq!(ask(&[Some(100.0), None]).unwrap().len(), 2);
        assert!(ask(&[Some(1.0)]).unwrap_err().to_string().contains("1 verdicts on `coherence` for 2"));
        assert!(ask(&[Some(1.0), Some(100.5)]).unwrap_err().to_string().contains("100.5"));
        assert!(ask(&[Some(1.0), Some(f64::NAN)]).is_err());
    }
}
