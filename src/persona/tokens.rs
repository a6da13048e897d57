//! Prompt and answer as tokens.

use crate::Result;
use crate::judge::JudgedAnswer;
use crate::language_model::Finished;
use crate::text::Tokenizer;

/// How prompt and answer are cut into tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Border {
    /// Each by itself, so that no token spans the border: what the model saw while it answered.
    #[default]
    Separate,
    /// Together, the response beginning after as many tokens as the prompt has alone: what the reference does. Where the
    /// answer begins with white space the border may be off by a token.
    Joint,
}

/// Prompt and answer as tokens; `None` if no token of the answer or of the prompt is left.
///
/// # Errors
/// If the text cannot be tokenised.
pub fn finish(tokenizer: &Tokenizer, prompt: &str, answer: &str, border: Border) -> Result<Option<Finished>> {
    let mut prompt_ids = tokenizer.encode(prompt)?;
    let response_ids = match border {
        Border::Separate => tokenizer.encode(answer)?,
        Border::Joint => {
            let mut ids = tokenizer.encode(&format!("{prompt}{answer}"))?;
            let response = ids.split_off(prompt_ids.len().min(ids.len()));
            prompt_ids = ids;
            response
        }
    };
    Ok((!prompt_ids.is_empty() && !response_ids.is_empty()).then_some(Finished { prompt_ids, response_ids }))
}

/// Generated tokens up to the end-of-sequence tokens that end them.
pub fn before_end<'a>(ids: &'a [u32], tokenizer: &Tokenizer) -> &'a [u32] {
    let end = ids.iter().rposition(|id| !tokenizer.eos_ids().contains(id)).map_or(0, |last| last + 1);
    &ids[..end]
}

impl JudgedAnswer {
    /// Prompt and answer as tokens; `None` for an empty answer.
    ///
    /// Generated ids go before tokenising again, as long as they are this tokenizer's: they must decode to the answer. The
    /// end-of-sequence token is no part of the response.
    ///
    /// # Errors
    /// If the text cannot be tokenised.
    pub fn finished(&self, tokenizer: &Tokenizer, border: Border) -> Result<Option<Finished>> {
        if let (Some(ids), Border::Separate) = (&self.ids, border)
            && !ids.prompt.is_empty()
            && tokenizer.decode(&ids.answer).is_ok_and(|text| text == self.answer)
        {
            let response_ids = before_end(&ids.answer, tokenizer).to_vec();
            return Ok((!response_ids.is_empty()).then(|| Finished { prompt_ids: ids.prompt.clone(), response_ids }));
        }
        finish(tokenizer, &self.prompt, &self.answer, border)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::tiny_tokenizer;
    use crate::judge::TokenIds;

    fn row(id: &str, answer: &str) -> JudgedAnswer {
        JudgedAnswer { question_id: id.into(), answer: answer.into(), ..JudgedAnswer::default() }
    }

    #[test]
    fn an_empty_answer_is_no_text() {
        let tokenizer = tiny_tokenizer();
        assert_eq!(finish(&tokenizer, "Hello", "", Border::Separate).unwrap(), None);
        assert_eq!(finish(&tokenizer, "Hello", "", Border::Joint).unwrap(), None);
        let only_eos = JudgedAnswer {
            prompt: "p".into(),
            ids: Some(TokenIds { prompt: vec![5], answer: vec![tokenizer.eos_ids()[0]] }),
            ..row("x", "")
        };
        assert_eq!(only_eos.finished(&tokenizer, Border::Separate).unwrap(), None);
    }

    #[test]
    fn generated_ids_are_used_when_they_are_this_tokenizers() {
        let tokenizer = tiny_tokenizer();
        let answer = tokenizer.encode("A good day").unwrap();
        // Generated one character at a time: another cut of the same text.
        let cut: Vec<u32> = "A good day".chars().flat_map(|c| tokenizer.encode(&c.to_string()).unwrap()).collect();
        let with_eos = [&cut[..], tokenizer.eos_ids()].concat();
        let ids = |answer: &[u32]| Some(TokenIds { prompt: vec![7], answer: answer.to_vec() });
        let made = JudgedAnswer { prompt: "p".into(), ids: ids(&with_eos), ..row("x", "A good day") };
        assert_eq!(
            made.finished(&tokenizer, Border::Separate).unwrap().unwrap(),
            Finished { prompt_ids: vec![7], response_ids: cut }
        );
        let foreign = JudgedAnswer { ids: ids(&[u32::MAX]), ..made };
        assert_eq!(foreign.finished(&tokenizer, Border::Separate).unwrap().unwrap().response_ids, answer);
    }

    #[test]
    fn the_joint_border_is_the_references() {
        let tokenizer = tiny_tokenizer();
        let (prompt, answer) = ("<|im_start|>assistant\n", "\nYou are right!");
        let joint = finish(&tokenizer, prompt, answer, Border::Joint).unwrap().unwrap();
        let whole = tokenizer.encode(&format!("{prompt}{answer}")).unwrap();
        assert_eq!([&joint.prompt_ids[..], &joint.response_ids].concat(), whole);
        assert_eq!(joint.prompt_ids.len(), tokenizer.encode(prompt).unwrap().len());
        let separate = finish(&tokenizer, prompt, answer, Border::Separate).unwrap().unwrap();
        assert_eq!(separate.prompt_ids, tokenizer.encode(prompt).unwrap());
        assert_ne!(separate.prompt_ids, joint.prompt_ids);
    }
}
