//! What the model is asked under positive and negative system prompts, and having its answers judged.

use super::artifact::Artifact;
use super::names::{Side, system_prompt};
use crate::judge::{Judge, JudgedAnswer, Rubric, judge_answers};
use crate::language_model::{Request, Sampling};
use crate::text::{Message, Tokenizer};
use crate::{Error, Result};

/// The reference's sampling: temperature 1 without further restrictions, 1000 new tokens; greedy for a single rollout. One
/// sampler serves all coefficients, unlike the reference, whose steered and unsteered answers come from two.
pub fn sampling(rollouts: usize, seed: u64) -> Sampling {
    let temperature = if rollouts == 1 { 0.0 } else { 1.0 };
    Sampling { temperature, rollouts, seed, ..Sampling::greedy(1000) }
}

/// Question and instruction, by number, of the row `<trait>_<i>_<pos|neg>_<k>` ([`Inquiry::asks`]).
///
/// # Errors
/// Another name.
pub fn place_of(id: &str) -> Result<(usize, usize)> {
    let mut parts = id.rsplit('_');
    let (k, _, i) = (parts.next(), parts.next(), parts.next());
    let number = |part: Option<&str>| part.and_then(|part| part.parse().ok());
    let place = number(i).zip(number(k));
    place.ok_or_else(|| Error::new(format!("`{id}` names no question and instruction, as `evil_3_pos_1` does")))
}

/// What one side of a trait is asked: every question of a split under every instruction of the side.
#[derive(Debug, Clone, Copy)]
pub struct Inquiry<'a> {
    /// The trait's stem, which names rows and columns.
    pub trait_name: &'a str,
    /// Questions and instructions.
    pub artifact: &'a Artifact,
    /// Which instructions.
    pub side: Side,
    /// Who the assistant is in the system prompt.
    pub assistant: &'a str,
    /// How answers are drawn, and how many.
    pub sampling: &'a Sampling,
}

impl<'a> Inquiry<'a> {
    /// With the usual assistant: the trait's stem on the positive side and `helpful` on the negative one.
    pub fn new(trait_name: &'a str, artifact: &'a Artifact, side: Side, sampling: &'a Sampling) -> Self {
        let assistant = match side {
            Side::Pos => trait_name,
            Side::Neg => "helpful",
        };
        Self { trait_name, artifact, side, assistant, sampling }
    }

    /// How many answers it takes.
    pub fn answers(&self) -> usize {
        self.artifact.questions.len() * self.artifact.instruction.len() * self.sampling.rollouts
    }

    /// The asks in the order question i, instruction k, with ids `<trait>_<i>_<pos|neg>_<k>`; each with the row that its answers
    /// go into.
    ///
    /// # Errors
    /// If the chat template refuses the conversation.
    pub fn asks(&self, tokenizer: &Tokenizer) -> Result<Vec<(JudgedAnswer, Request)>> {
        let Self { trait_name, artifact, side, assistant, .. } = self;
        let mut asks = Vec::new();
        for (i, question) in artifact.questions.iter().enumerate() {
            for (k, pair) in artifact.instruction.iter().enumerate() {
                let system = system_prompt(assistant, pair.side(*side));
                let messages = vec![Message::system(system), Message::user(question.as_str())];
                let question_id = format!("{trait_name}_{i}_{}_{k}", side.key());
                let prompt = tokenizer.chat_text(&messages, true)?;
                let (id, question) = (question_id.clone(), question.clone());
                asks.push((
                    JudgedAnswer { question, prompt, question_id, ..JudgedAnswer::default() },
                    Request::chat(id, messages),
                ));
            }
        }
        Ok(asks)
    }
}

/// Has the rows judged for the trait and for coherence, and fills in both scores. A missing score stays missing.
///
/// # Errors
/// Those of the judge.
pub fn judge_rows(judge: &mut dyn Judge, trait_name: &str, rows: &mut [JudgedAnswer]) -> Result<()> {
    judge_answers(judge, &[Rubric::Trait(trait_name.into()), Rubric::Coherence], rows)
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::fakes::{WordJudge, tiny_tokenizer};
    use crate::persona::Pair;

    #[test]
    fn asks_come_by_question_then_instruction() {
        let pair = |word: &str| Pair { pos: format!("Be {word}."), neg: format!("Be not {word}.") };
        let artifact = Artifact {
            instruction: vec![pair("bold"), pair("brave")],
            questions: vec!["Why?".into(), "How?".into()],
            eval_prompt: String::new(),
            ladder: Vec::new(),
            extra: Map::new(),
        };
        let rules = sampling(3, 0);
        let asks = |side| Inquiry::new("evil", &artifact, side, &rules).asks(&tiny_tokenizer()).unwrap();
        let (pos, neg) = (asks(Side::Pos), asks(Side::Neg));
        let ids: Vec<&str> = pos.iter().map(|(row, _)| row.question_id.as_str()).collect();
        assert_eq!(ids, ["evil_0_pos_0", "evil_0_pos_1", "evil_1_pos_0", "evil_1_pos_1"]);
        assert!(pos.iter().all(|(row, ask)| row.question_id == ask.id));
        let places: Vec<(usize, usize)> = neg.iter().map(|(row, _)| place_of(&row.question_id).unwrap()).collect();
        assert_eq!(places, [(0, 0), (0, 1), (1, 0), (1, 1)]);
        assert_eq!(place_of("my_trait_12_neg_4").unwrap(), (12, 4));
        assert!(place_of("q7").unwrap_err().to_string().contains("`q7` names no question"));
        assert_eq!(Inquiry::new("evil", &artifact, Side::Pos, &rules).answers(), 12);
        let prompt = &pos[0].0.prompt;
        assert!(prompt.contains("You are an evil assistant. Be bold.") && prompt.ends_with("assistant\n"), "{prompt}");
        assert!(neg[1].0.prompt.contains("You are a helpful assistant. Be not brave."), "{}", neg[1].0.prompt);
    }

    #[test]
    fn both_scores_are_filled_in() {
        let row = |answer: &str| JudgedAnswer { answer: answer.into(), ..JudgedAnswer::default() };
        let mut rows = [row("so bold"), row("meek"), row("REFUSE")];
        judge_rows(&mut WordJudge("bold"), "evil", &mut rows).unwrap();
        assert_eq!(rows.each_ref().map(JudgedAnswer::trait_score), [Some(100.0), Some(0.0), None]);
        assert_eq!(rows.each_ref().map(JudgedAnswer::coherence), [Some(100.0), Some(100.0), None]);
    }

    #[test]
    fn one_rollout_is_greedy() {
        assert_eq!((sampling(1, 0).temperature, sampling(10, 0).temperature, sampling(10, 3).seed), (0.0, 1.0, 3));
    }
}
