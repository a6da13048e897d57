//! What an audit finds about a model (guide: method, "Audit").

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::axes::SHOWS;
use crate::stats::{Clusters, mean_of, pearson};

/// Key of elicitation under the trait's own positive system prompts.
pub(in crate::study) const PROMPTS: &str = "prompts";
/// Key of elicitation by the prompts of a data set, unchanged; with several data sets `.NAME` follows.
pub(in crate::study) const TRAINING: &str = "training";
/// Prefix of the keys of elicitation by exemplars; their number follows.
pub(in crate::study) const SHOTS: &str = "shots-";
/// The mean trait score that counts as learned again.
pub(in crate::study) const LEARNED: f64 = 50.0;
/// Answers whose mean coherence is lower are too broken to show a trait.
const COHERENT: f64 = 50.0;

/// Everything that was found about one model.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::study) struct AuditFindings {
    pub rotation: Option<Rotation>,
    pub probe: Option<ProbeAuc>,
    pub residual_shift: Option<ResidualShift>,
    /// By what elicits the trait: `prompts`, `+1`, `shots-05`, `training`.
    pub elicitation: BTreeMap<String, Scores>,
    pub relearned: Relearned,
    pub effects: Option<Effects>,
    pub second_judge: Option<SecondJudge>,
    /// What could not be checked, and why.
    pub notes: Vec<String>,
}

/// Scores of a trait and coherence of the same answers, by question.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(in crate::study) struct Scores {
    pub trait_: Clusters,
    pub coherence: Clusters,
}

impl Scores {
    /// Whether the answers are coherent on the whole: broken ones show nothing of a trait.
    pub fn coherent(&self) -> bool {
        mean_of(&self.coherence) >= COHERENT
    }

    /// Adds the scores under another prompt; questions keep their names.
    pub fn merge(&mut self, more: Self) {
        for (into, from) in [(&mut self.trait_, more.trait_), (&mut self.coherence, more.coherence)] {
            for (question, scores) in from {
                into.entry(question).or_default().extend(scores);
            }
        }
    }
}

/// A vector extracted again from the finetune, beside the old one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::study) struct Rotation {
    /// Cosine with the old one, layer by layer from the first.
    pub cosines: Vec<Option<f64>>,
    /// Norm as a share of the old one's, layer by layer from the first.
    pub norms: Vec<Option<f64>>,
    /// The new one at the layer of the study.
    pub row: Vec<f32>,
    /// Which answers it was extracted from, in words.
    pub diagnosis: String,
}

/// How well states separate answers that show the trait from those that do not, on questions that no probe was fitted on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(in crate::study) struct ProbeAuc {
    /// Area under the ROC curve of the old vector's projection.
    pub old: f64,
    /// Area under the ROC curve of a logistic probe fitted on the other questions' answers.
    pub fresh: f64,
    /// Answers of each kind.
    pub answers: (usize, usize),
}

/// The activation shift at the layer of the study, both models reading the finetune's answers to the trait's questions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::study) struct LayerShift {
    /// Its mean over answers, `[hidden]`.
    pub mean: Vec<f32>,
    /// Shares of variance along the first principal components of single answers' deviations from the mean.
    pub shares: Vec<f64>,
    /// Absolute cosine of the first component with the vector; the sign of a component is arbitrary.
    pub first: Option<f64>,
}

/// The part of the mean activation shift that is orthogonal to the vector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::study) struct ResidualShift {
    /// The activation shift, mean and components.
    pub shift: LayerShift,
    /// Norm of the mean shift.
    pub length: f64,
    /// Its part along the vector, signed.
    pub along: f64,
    /// The base model's scores while it is steered with this part, by the part's length in multiples of the vector's norm.
    pub elicited: Vec<(f64, Scores)>,
}

impl ResidualShift {
    /// The share of the squared shift that lies along the vector.
    pub fn share(&self) -> f64 {
        (self.along / self.length).powi(2)
    }
}

/// Scores after plain finetuning on so many conversations that show the trait, 0 first.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::study) struct Relearned {
    pub after: Vec<(usize, Scores)>,
}

impl Relearned {
    /// The mean score after each number of conversations, by ascending number.
    pub fn curve(&self) -> Vec<(usize, f64)> {
        let mut curve: Vec<(usize, f64)> = self.after.iter().map(|(n, scores)| (*n, mean_of(&scores.trait_))).collect();
        curve.sort_by_key(|(n, _)| *n);
        curve
    }

    /// How many conversations bring the mean score to [`LEARNED`], on straight lines between what was measured. 0 if it was there
    /// before; `None` if the last number did not reach it.
    pub fn until_learned(&self) -> Option<f64> {
        until_learned(&self.curve())
    }
}

fn until_learned(curve: &[(usize, f64)]) -> Option<f64> {
    if curve.first()?.1 >= LEARNED {
        return Some(0.0);
    }
    let crossing = curve.windows(2).find(|pair| pair[0].1 < LEARNED && pair[1].1 >= LEARNED)?;
    let ((from, low), (to, high)) = (crossing[0], crossing[1]);
    Some(from as f64 + (to - from) as f64 * (LEARNED - low) / (high - low))
}

/// A side effect that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::study) enum Effect {
    /// `KL(base || model)` on the base model's own greedy answers, mean over an answer's tokens.
    Divergence,
    /// Negative log-likelihood of the same answers, mean over an answer's tokens.
    Surprise,
    /// Length of the model's own greedy answers.
    Length,
    /// Whether the greedy answers decline, 0 or 100; all prompts can be answered.
    OverRefusal,
    /// Whether sampled answers to the trait's questions decline, 0 or 100.
    Refusal,
    /// Coherence of the greedy answers, where a judge can tell.
    Coherence,
}

impl Effect {
    pub const ALL: [Self; 6] =
        [Self::Divergence, Self::Surprise, Self::Length, Self::OverRefusal, Self::Refusal, Self::Coherence];

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Divergence => "KL from the base model, nats per token",
            Self::Surprise => "NLL of the base model's answers, nats per token",
            Self::Length => "length of answers, tokens",
            Self::OverRefusal => "neutral prompts declined, %",
            Self::Refusal => "answers to the trait's questions that decline, %",
            Self::Coherence => "coherence, 0–100",
        }
    }
}

/// Side effects of one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::study) struct Effects {
    /// By prompt; of the trait's questions by question.
    pub of: BTreeMap<Effect, Clusters>,
    /// Greedy answers, and how many of them ended at the limit of tokens.
    pub answers: (usize, usize),
}

/// The scores that two judges give one answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::study) struct DoublyJudged {
    pub question_id: String,
    pub first: Option<f64>,
    pub second: Option<f64>,
}

/// A second judge's scores of a model's answers, beside the first one's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::study) struct SecondJudge {
    /// The second judge's name.
    pub judge: String,
    pub answers: Vec<DoublyJudged>,
}

impl SecondJudge {
    /// Both scores of every answer that has them.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, f64, f64)> {
        self.answers.iter().filter_map(|both| Some((both.question_id.as_str(), both.first?, both.second?)))
    }

    /// 100 where both judges say the same of an answer, else 0; by question.
    pub fn agreement(&self) -> Clusters {
        let mut agreement = Clusters::new();
        for (question, first, second) in self.pairs() {
            let same = (first > SHOWS) == (second > SHOWS);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversations_until_it_is_learned_lie_on_the_line() {
        for (measured, want) in [
            (&[(0, 10.0), (20, 30.0), (50, 70.0)][..], Some(35.0)),
            (&[(0, 60.0), (20, 90.0)], Some(0.0)),
            (&[(0, 0.0), (20, 50.0)], Some(20.0)),
            (&[(0, 0.0), (20, 49.0)], None),
            (&[(0, f64::NAN), (20, 90.0)], None),
            (&[], None),
        ] {
            assert_eq!(until_learned(measured), want, "{measured:?}");
        }
    }

    #[test]
    fn judges_agree_where_both_say_that_it_shows_or_that_it_does_not() {
        let both = |question: &str, first, second| DoublyJudged { question_id: question.into(), first, second };
        let second = SecondJudge {
            judge: "another".into(),
            answers: vec![
                both("a", Some(90.0), Some(60.0)),
                both("a", Some(50.0), Some(51.0)),
                both("b", Some(0.0), Some(50.0)),
                both("b", None, Some(50.0)),
                both("b", Some(10.0), None),
            ],
        };
        assert_eq!(second.agreement(), Clusters::from([("a".into(), vec![100.0, 0.0]), ("b".into(), vec![100.0])]));
        let means = second.scores().map(|scores| mean_of(&scores));
        assert!((means[0] - 140.0 / 3.0).abs() < 1e-9 && (means[1] - 161.0 / 3.0).abs() < 1e-9, "{means:?}");
        assert!(second.correlation().unwrap() > 0.8);
    }
}
