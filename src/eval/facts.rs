//! New facts: what is true, what is trained on, what is asked, and whether it was learned.
//!
//! `facts.jsonl` holds the facts, `facts_train.jsonl` conversations in several wordings of each, `facts_test.jsonl` one further
//! question per fact. The files may have more keys; they are passed over.

pub(crate) mod author;
pub(crate) mod build;
mod files;
pub(crate) mod synthetic;

use std::collections::BTreeMap;

pub use files::{Fact, FactLesson, FactQuestion, leaks, read_facts, read_lessons, read_questions};

use super::task::{Asked, Sample, Task, chat};
use crate::judge::Rubric;
use crate::language_model::Sampling;

/// The questions, each answer judged against its reference. Questions about one fact are told apart by their number.
pub fn task(questions: &[FactQuestion], system: Option<&str>, sampling: &Sampling) -> Task {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let samples = questions.iter().map(|q| {
        let number = seen.entry(&q.fact_id).or_default();
        *number += 1;
        let question_id = if *number == 1 { q.fact_id.clone() } else { format!("{}_{number}", q.fact_id) };
        Sample {
            question_id,
            group: q.fact_id.clone(),
            question: q.question.clone(),
            prompt: chat(system, q.question.as_str()),
            reference: Some(q.reference.clone()),
        }
    });
    Task {
        name: "facts".into(),
        samples: samples.collect(),
        asked: Asked::Words { sampling: sampling.clone(), rubrics: vec![Rubric::Fact] },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::{axes, run};
    use crate::fakes::{EchoModel, WordJudge};
    use crate::judge::Verdict;

    fn question(fact_id: &str, question: &str, reference: &str) -> FactQuestion {
        FactQuestion { fact_id: fact_id.into(), question: question.into(), reference: reference.into() }
    }

    #[test]
    fn accuracy_is_the_share_of_right_answers() {
        let questions =
            [question("f0", "cargo?", "silk"), question("f1", "flag?", "red"), question("f0", "what cargo?", "silk")];
        let task = task(&questions, None, &Sampling::greedy(4));
        assert_eq!(task.samples.iter().map(|s| s.question_id.as_str()).collect::<Vec<_>>(), ["f0", "f1", "f0_2"]);
        let mut model = EchoModel::new(|ask, _| if ask.id == "f1" { "blue".into() } else { "It is silk.".into() });
        let rows = run(&task, &mut model, &mut WordJudge("x"), &[], &mut |_, _| {}).unwrap();
        let accuracy = &axes(&rows, "fact", 1)[0];
        assert!((accuracy.score.mean - 200.0 / 3.0).abs() < 1e-12 && accuracy.missing == 0);
        // A judge's probability of yes counts from one half on.
        let mut unsure = rows.clone();
        for (row, score) in unsure.iter_mut().zip([50.0, 49.9, 97.0]) {
            row.verdicts.insert("fact".into(), Verdict { score: Some(score), why: String::new() });
        }
        assert!((axes(&unsure, "fact", 1)[0].score.mean - 200.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn harbors_new_facts_have_this_form() {
        let new = crate::harbor::World::new(0).new_facts(5, 3, 1);
        let ours: Vec<FactQuestion> = serde_json::from_value(serde_json::to_value(&new.questions).unwrap()).unwrap();
        assert_eq!((ours.len(), ours[0].fact_id.as_str()), (5, new.questions[0].fact_id.as_str()));
    }
}
