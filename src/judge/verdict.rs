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

/// One answer on the judge's table.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct JudgedItem {
    /// What the model was asked, without the system prompt.
    pub question: String,
    /// What it answered.
    pub answer: String,
    /// What would be right, for [`Rubric::Fact`].
    pub reference: Option<String>,
}

/// What a judge says of one exhibit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// 0 to 100; missing if the judge gave none.
    pub score: Option<f64>,
    /// The reason, as far as the judge gives one.
    pub why: String,
}

/// Somebody, or something, that scores answers.
pub trait Judge {
    /// Names the judge in results: verdicts of different judges are not comparable.
    fn name(&self) -> &str;

    /// One verdict per exhibit, in their order.
    ///
    /// # Errors
    /// If the judge cannot work at all, or does not know the rubric. An answer that it cannot score is no error.
    fn judge(&mut self, rubric: &Rubric, exhibits: &[JudgedItem]) -> Result<Vec<Verdict>>;

    /// Hears of everything that is about to be asked. A judge that costs money says what it will come to.
    ///
    /// # Errors
    /// If it is beyond the budget; nothing has been spent on it then.
    fn foresee(&mut self, rubrics: &[Rubric], exhibits: &[JudgedItem]) -> Result<()> {
        let _ = (rubrics, exhibits);
        Ok(())
    }
}

/// What a judge tells while it works.
#[derive(Debug)]
pub enum JudgeEvent<'a> {
    /// What is to come, before the first call.
    Estimate(&'a Estimate),
    /// So many of so many calls are answered.
    Done(usize, usize),
    /// What is in the way, in words; the work goes on.
    Trouble(&'a str),
}

/// Hears what a judge tells.
pub type JudgeListener<'a> = Box<dyn FnMut(&JudgeEvent<'_>) + 'a>;

/// Asks by several rubrics, after the judge has heard of all of them: [`verdicts`] for each rubric, in their order.
///
/// # Errors
/// Those of the judge.
pub fn verdicts_by(judge: &mut dyn Judge, rubrics: &[Rubric], exhibits: &[JudgedItem]) -> Result<Vec<Vec<Verdict>>> {
    judge.foresee(rubrics, exhibits)?;
    rubrics.iter().map(|rubric| verdicts(judge, rubric, exhibits)).collect()
}

/// Asks the judge and checks what comes back: as many verdicts as exhibits, each score within 0 to 100.
///
/// # Errors
/// Those of the judge, and a judge that does not keep to this.
pub fn verdicts(judge: &mut dyn Judge, rubric: &Rubric, exhibits: &[JudgedItem]) -> Result<Vec<Verdict>> {
    let verdicts = judge.judge(rubric, exhibits)?;
    let (name, key) = (judge.name(), rubric.key());
    ensure!(
        verdicts.len() == exhibits.len(),
        "judge `{name}` gave {} verdicts on `{key}` for {} answers",
        verdicts.len(),
        exhibits.len()
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
        let exhibit = JudgedItem { question: "q".into(), answer: "a".into(), reference: None };
        let ask = |scores: &[Option<f64>]| {
            verdicts(&mut Says(scores.to_vec()), &Rubric::Coherence, &[exhibit.clone(), exhibit.clone()])
        };
        assert_eq!(ask(&[Some(100.0), None]).unwrap().len(), 2);
        assert!(ask(&[Some(1.0)]).unwrap_err().to_string().contains("1 verdicts on `coherence` for 2"));
        assert!(ask(&[Some(1.0), Some(100.5)]).unwrap_err().to_string().contains("100.5"));
        assert!(ask(&[Some(1.0), Some(f64::NAN)]).is_err());
    }
}
