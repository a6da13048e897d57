//! Asking the model under both kinds of system prompts, and having its answers judged (METHOD B).

use serde_json::Map;

use super::rows::{Ids, Row};
use super::{Artifact, Side, system_prompt};
use crate::Result;
use crate::judge::{Exhibit, Judge, Rubric, verdicts_by};
use crate::subject::{Answer, Ask, Sampling, Subject};
use crate::text::Message;

/// The reference's sampling (METHOD B.1): temperature 1 without further restrictions, 1000 new tokens; greedy for a single
/// rollout. One sampler for all coefficients, unlike the reference (METHOD L.5).
pub fn sampling(rollouts: usize, seed: u64) -> Sampling {
    let temperature = if rollouts == 1 { 0.0 } else { 1.0 };
    Sampling { temperature, rollouts, seed, ..Sampling::greedy(1000) }
}

/// Asks every question of the split under every instruction of one side: rows in the order question i, instruction k,
/// rollout, not judged yet, with ids `<trait>_<i>_<pos|neg>_<k>`.
///
/// `assistant` names the assistant in the system prompt; without it, that is the trait's stem on the positive side and
/// `helpful` on the negative one. `finished` hears how many answers are complete so far.
///
/// # Errors
/// Those of the subject.
pub fn roll_out(
    subject: &mut dyn Subject,
    trait_name: &str,
    artifact: &Artifact,
    (side, assistant): (Side, Option<&str>),
    sampling: &Sampling,
    finished: &mut dyn FnMut(usize),
) -> Result<Vec<Row>> {
    let assistant = assistant.unwrap_or(match side {
        Side::Pos => trait_name,
        Side::Neg => "helpful",
    });
    let mut asks = Vec::new();
    let mut rows = Vec::new();
    for (i, question) in artifact.questions.iter().enumerate() {
        for (k, pair) in artifact.instruction.iter().enumerate() {
            let system = system_prompt(assistant, pair.side(side));
            let messages = vec![Message::system(system), Message::user(question.as_str())];
            let question_id = format!("{trait_name}_{i}_{}_{k}", side.key());
            let prompt = subject.tokenizer().chat_text(&messages, true)?;
            rows.push(Row { question: question.clone(), prompt, question_id: question_id.clone(), ..Row::default() });
            asks.push(Ask::chat(question_id, messages));
        }
    }
    let answers = subject.generate(&asks, sampling, finished)?;
    assert_eq!(answers.len(), asks.len() * sampling.rollouts, "an answer per ask and rollout");
    let fill = |(i, answer): (usize, Answer)| {
        let ids = Some(Ids { prompt: answer.prompt_ids, answer: answer.token_ids });
        Row { answer: answer.text, ids, extra: Map::new(), ..rows[i / sampling.rollouts].clone() }
    };
    Ok(answers.into_iter().enumerate().map(fill).collect())
}

/// Has the rows judged for the trait and for coherence, and fills in both scores. A missing score stays missing.
///
/// # Errors
/// Those of the judge.
pub fn judge_rows(judge: &mut dyn Judge, trait_name: &str, rows: &mut [Row]) -> Result<()> {
    let exhibit = |row: &Row| Exhibit { question: row.question.clone(), answer: row.answer.clone(), reference: None };
    let exhibits: Vec<Exhibit> = rows.iter().map(exhibit).collect();
    let said = verdicts_by(judge, &[Rubric::Trait(trait_name.into()), Rubric::Coherence], &exhibits)?;
    for ((row, score), coherence) in rows.iter_mut().zip(&said[0]).zip(&said[1]) {
        (row.score, row.coherence) = (score.score, coherence.score);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::{EchoSubject, WordJudge};
    use crate::persona::Pair;

    #[test]
    fn rows_come_by_question_then_instruction_then_rollout() {
        let mut subject = EchoSubject::new(|ask, rollout| format!("{} {rollout}", ask.id));
        let pair = |word: &str| Pair { pos: format!("Be {word}."), neg: format!("Be not {word}.") };
        let artifact = Artifact {
            instruction: vec![pair("bold"), pair("brave")],
            questions: vec!["Why?".into(), "How?".into()],
            eval_prompt: String::new(),
            extra: Map::new(),
        };
        let mut heard = 0;
        let rules = sampling(2, 0);
        let mut rows =
            roll_out(&mut subject, "evil", &artifact, (Side::Pos, None), &rules, &mut |n| heard = n).unwrap();
        let answers: Vec<&str> = rows.iter().map(|r| r.answer.as_str()).collect();
        assert_eq!(answers[..4], ["evil_0_pos_0 0", "evil_0_pos_0 1", "evil_0_pos_1 0", "evil_0_pos_1 1"]);
        assert_eq!((rows.len(), heard, rows[7].question_id.as_str()), (8, 8, "evil_1_pos_1"));
        assert!(
            rows[0].prompt.contains("You are an evil assistant. Be bold.") && rows[0].prompt.ends_with("assistant\n")
        );
        let negative = roll_out(&mut subject, "evil", &artifact, (Side::Neg, None), &rules, &mut |_| {}).unwrap();
        assert!(negative[0].prompt.contains("You are a helpful assistant. Be not bold."));

        judge_rows(&mut WordJudge("_1_"), "evil", &mut rows).unwrap();
        assert_eq!((rows[0].score, rows[4].score, rows[0].coherence), (Some(0.0), Some(100.0), Some(100.0)));
    }

    #[test]
    fn one_rollout_is_greedy() {
        assert_eq!((sampling(1, 0).temperature, sampling(10, 0).temperature, sampling(10, 3).seed), (0.0, 1.0, 3));
    }
}
