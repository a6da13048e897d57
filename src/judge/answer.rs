//! A judged answer: what was asked, what the model answered, what was said of it; and the tables of such answers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::verdict::{Judge, JudgedItem, Rubric, Verdict, verdicts_by};
use crate::Result;
use crate::data_table::{DataTable, Format};
use crate::language_model::FinishReason;
use crate::record::written;
use crate::vector::Layer;

/// The tokens of an answer as the model saw and produced them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenIds {
    /// The prompt's tokens.
    pub prompt: Vec<u32>,
    /// The answer's tokens, with the end-of-sequence token if it came.
    pub answer: Vec<u32>,
}

/// One answer with all that was said of it. As JSON it is a row of `answers.jsonl`; [`table`] gives the reference's columns.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct JudgedAnswer {
    /// The task's name; empty for answers that a vector is extracted from.
    pub task: String,
    /// The question's name. Of extraction it is `<trait>_<i>` or `<trait>_<i>_<pos|neg>_<k>`: question i under instruction k.
    pub question_id: String,
    /// What the question belongs to.
    pub group: String,
    /// The coefficient of steering that replaced the model's own, if one did.
    pub coef: Option<f32>,
    /// The layer that was steered, in a sweep over layers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<Layer>,
    /// Which of the question's answers, from 0.
    pub rollout: usize,
    /// The question.
    pub question: String,
    /// The whole text that the model was given, through the chat template.
    pub prompt: String,
    /// What it answered, special tokens stripped.
    pub answer: String,
    /// What would be right, where something is.
    pub reference: Option<String>,
    /// Why the answer ended; nothing where an option was taken.
    pub finish_reason: Option<FinishReason>,
    /// Log-probabilities (nats) of the options A to D where one was taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<f32>,
    /// Verdicts by [`Rubric::key`], or by `right` for a letter.
    pub verdicts: BTreeMap<String, Verdict>,
    /// The generated tokens, where they are known.
    #[serde(skip)]
    pub ids: Option<TokenIds>,
    /// Further columns of a table, kept as they are.
    #[serde(skip)]
    pub extra: Map<String, Value>,
    /// Where the row stood in its table, from 1; 0 for an answer made here.
    #[serde(skip)]
    pub line: usize,
}

impl JudgedAnswer {
    /// The score by that rubric, 0 to 100; `None` if the answer was not judged by it or the judge gave none.
    pub fn score(&self, key: &str) -> Option<f64> {
        self.verdicts.get(key)?.score
    }

    /// How strongly the answer shows the trait that it was judged for: the score of the one verdict beside coherence.
    pub fn trait_score(&self) -> Option<f64> {
        self.verdicts.iter().find(|(key, _)| *key != Rubric::Coherence.key())?.1.score
    }

    /// How coherent the answer is.
    pub fn coherence(&self) -> Option<f64> {
        self.score(Rubric::Coherence.key())
    }

    /// The same answer with these scores for a trait and for coherence, without reasons.
    pub fn scored(mut self, trait_name: &str, score: Option<f64>, coherence: Option<f64>) -> Self {
        for (key, score) in [(trait_name, score), (Rubric::Coherence.key(), coherence)] {
            self.verdicts.insert(key.to_owned(), Verdict { score, why: String::new() });
        }
        self
    }

    /// What a judge is shown.
    pub fn item(&self) -> JudgedItem {
        let (question, answer) = (self.question.clone(), self.answer.clone());
        JudgedItem { question, answer, reference: self.reference.clone() }
    }
}

/// Has the answers judged by each rubric, after the judge has heard of all that it will be asked. A missing score stays missing.
pub fn judge_answers(judge: &mut dyn Judge, rubrics: &[Rubric], answers: &mut [JudgedAnswer]) -> Result<()> {
    let items: Vec<JudgedItem> = answers.iter().map(JudgedAnswer::item).collect();
    for (rubric, verdicts) in rubrics.iter().zip(verdicts_by(judge, rubrics, &items)?) {
        for (answer, verdict) in answers.iter_mut().zip(verdicts) {
            answer.verdicts.insert(rubric.key().to_owned(), verdict);
        }
    }
    Ok(())
}

/// The answers as a table with the reference's columns: `question,prompt,answer,question_id,<scores>`, then `reference` and
/// `coef` where there are any, in JSONL the token ids where they are known, and further columns. A missing score is an empty
/// cell.
pub fn table(answers: &[JudgedAnswer], scores: &[&str], format: Format) -> DataTable {
    let columns = [&["question", "prompt", "answer", "question_id"], scores].concat();
    let mut table = DataTable::new(format, &columns);
    for row in answers {
        let texts = [&row.question, &row.prompt, &row.answer, &row.question_id].map(|text| json!(text));
        let values = texts.into_iter().chain(scores.iter().map(|key| json!(row.score(key))));
        let mut cells: Map<String, Value> = columns.iter().map(|&c| c.to_owned()).zip(values).collect();
        cells.extend(row.reference.as_ref().map(|r| ("reference".to_owned(), json!(r))));
        cells.extend(row.coef.map(|coef| ("coef".to_owned(), json!(written(coef)))));
        if let (Some(ids), Format::Jsonl) = (&row.ids, format) {
            cells.insert("prompt_ids".to_owned(), json!(ids.prompt));
            cells.insert("token_ids".to_owned(), json!(ids.answer));
        }
        cells.extend(row.extra.clone());
        table.push(cells);
    }
    table
}
