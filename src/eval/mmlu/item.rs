//! One question of multiple choice, and the ways to put it.

use serde::{Deserialize, Serialize};

use crate::eval::task::LETTERS;
use crate::harbor::Choice;

/// One question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The subject's name, `high_school_geography`.
    pub subject: String,
    /// The question.
    pub question: String,
    /// The options A to D.
    pub options: [String; 4],
    /// Which of them is right, from 0.
    pub right: usize,
}

/// How a question is put to the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// The options are listed, a letter is taken.
    #[default]
    Letters,
    /// The question stands alone, an option is taken by its likelihood as the answer.
    Cloze,
}

impl From<Choice> for Item {
    fn from(Choice { subject, question, options, right }: Choice) -> Self {
        Self { subject, question, options, right }
    }
}

impl Item {
    /// What the user says: the question and, for letters, the options. Harbor is taught the cloze form in the same words.
    pub fn prompt(&self, form: Form) -> String {
        let question = &self.question;
        match form {
            Form::Letters => {
                let list = LETTERS.iter().zip(&self.options).map(|(letter, option)| format!("\n{letter}. {option}"));
                format!("{question}{}\nAnswer with the letter.", list.collect::<String>())
            }
            Form::Cloze => format!("{question} Answer briefly."),
        }
    }

    /// lm-evaluation-harness' wording up to `Answer:`; blanks around the question are cut off, as there.
    pub(super) fn plain(&self) -> String {
        let list = LETTERS.iter().zip(&self.options).map(|(letter, option)| format!("\n{letter}. {option}"));
        format!("{}{}\nAnswer:", self.question.trim(), list.collect::<String>())
    }
}
