//! Does another judge see the same (METHOD K13)? The stored answers to the trait's questions, judged once more.

use serde::{Deserialize, Serialize};

use super::Audited;
use super::model::Model;
use crate::Result;
use crate::eval::Row;
use crate::judge::{JudgedItem, Rubric, verdicts_by};
use crate::record::{Hash, hash_file, read_jsonl};
use crate::stats::{Clusters, pearson};
use crate::study::pipeline::{Opinion, Phase, Pipeline, SHOWS};

/// What two judges say of one answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::study) struct Both {
    pub question_id: String,
    pub first: Option<f64>,
    pub second: Option<f64>,
}

/// What two judges say of a model's answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::study) struct Seconded {
    /// The second judge's name.
    pub judge: String,
    pub answers: Vec<Both>,
}

/// Whether a score says that the trait shows.
fn sees(score: f64) -> bool {
    score > SHOWS
}

impl Seconded {
    /// Both scores of every answer that has them.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, f64, f64)> {
        self.answers.iter().filter_map(|both| Some((both.question_id.as_str(), both.first?, both.second?)))
    }

    /// 100 where both judges say the same of an answer, else 0; by question.
    pub fn agreement(&self) -> Clusters {
        let mut agreement = Clusters::new();
        for (question, first, second) in self.pairs() {
            let same = sees(first) == sees(second);
            agreement.entry(question.to_owned()).or_default().push(if same { 100.0 } else { 0.0 });
        }
        agreement
    }

    /// Scores of the first and of the second judge by question, over the answers that have both.
    pub fn scores(&self) -> [Clusters; 2] {
        let mut scores = [Clusters::new(), Clusters::new()];
        for (question, first, second) in self.pairs() {
            for (scores, score) in scores.iter_mut().zip([first, second]) {
                scores.entry(question.to_owned()).or_default().push(score);
            }
        }
        scores
    }

    pub fn correlation(&self) -> Option<f64> {
        let (first, second): (Vec<f64>, Vec<f64>) = self.pairs().map(|(_, first, second)| (first, second)).unzip();
        if first.len() > 2 { pearson(&first, &second) } else { None }
    }
}

impl Pipeline<'_> {
    /// The second judge's verdicts, if there is one.
    pub(super) fn seconded(&self, model: &Model<'_>, audited: &mut Audited) -> Result<bool> {
        let Some(source) = &self.settings().second_judge else { return Ok(true) };
        let trait_ = &self.data.traits[model.t];
        let answers = self.answers_file(&self.pieces[model.of]);
        let by = (source.identity(), &trait_.name, &trait_.eval.eval_prompt);
        let key = Hash::of(&("second", by, hash_file(&answers)?));
        let (seconded, how) = self.run.stage(&self.stage_of(model, "second"), &key, || {
            let rows: Vec<Row> = read_jsonl(&answers)?;
            let rows: Vec<&Row> = rows.iter().filter(|row| row.task == trait_.name).collect();
            self.progress(model.i, Phase::Second, 0, rows.len());
            let exhibit = |row: &&Row| JudgedItem {
                question: row.question.clone(),
                answer: row.answer.clone(),
                reference: row.reference.clone(),
            };
            let exhibits: Vec<JudgedItem> = rows.iter().map(exhibit).collect();
            let mut judge = (self.judges)(Opinion::Second)?;
            let verdicts = verdicts_by(&mut *judge, &[Rubric::Trait(trait_.name.clone())], &exhibits)?.concat();
            let both = rows.iter().zip(verdicts).map(|(row, verdict)| Both {
                question_id: row.question_id.clone(),
                first: row.verdicts.get(&trait_.name).and_then(|verdict| verdict.score),
                second: verdict.score,
            });
            Ok(Seconded { answers: both.collect(), judge: judge.name().to_owned() })
        })?;
        audited.seconded = Some(seconded);
        Ok(how.is_yes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::mean_of;

    #[test]
    fn judges_agree_where_both_say_that_it_shows_or_that_it_does_not() {
        let both = |question: &str, first, second| Both { question_id: question.into(), first, second };
        let seconded = Seconded {
            judge: "another".into(),
            answers: vec![
                both("a", Some(90.0), Some(60.0)),
                both("a", Some(50.0), Some(51.0)),
                both("b", Some(0.0), Some(50.0)),
                both("b", None, Some(50.0)),
                both("b", Some(10.0), None),
            ],
        };
        assert_eq!(seconded.agreement(), Clusters::from([("a".into(), vec![100.0, 0.0]), ("b".into(), vec![100.0])]));
        let means = seconded.scores().map(|scores| mean_of(&scores));
        assert!((means[0] - 140.0 / 3.0).abs() < 1e-9 && (means[1] - 161.0 / 3.0).abs() < 1e-9, "{means:?}");
        assert!(seconded.correlation().unwrap() > 0.8);
    }
}
