//! How strongly a model shows a trait, and how coherent it stays: the trait's evaluation questions, several answers to each.

use super::task::{Asked, Sample, Task, chat};
use crate::judge::Rubric;
use crate::language_model::Sampling;

/// The questions, judged for the trait and for coherence; ids `<trait>_<i>`. Without `system` the chat template puts in its own
/// default, if it has one.
pub fn task(trait_name: &str, questions: &[String], system: Option<&str>, sampling: &Sampling) -> Task {
    let sample = |(i, question): (usize, &String)| Sample {
        question_id: format!("{trait_name}_{i}"),
        group: trait_name.to_owned(),
        question: question.clone(),
        prompt: chat(system, question.as_str()),
        reference: None,
    };
    let rubrics = vec![Rubric::Trait(trait_name.to_owned()), Rubric::Coherence];
    Task {
        name: trait_name.to_owned(),
        samples: questions.iter().enumerate().map(sample).collect(),
        asked: Asked::Words { sampling: sampling.clone(), rubrics },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language_model::Prompt;
    use crate::text::Message;

    #[test]
    fn a_system_prompt_comes_first_if_there_is_one() {
        let of = |system| task("evil", &["Why?".into()], system, &Sampling::greedy(1)).samples.remove(0).prompt;
        assert_eq!(of(None), Prompt::Chat(vec![Message::user("Why?")]));
        let both = vec![Message::system("Be so."), Message::user("Why?")];
        assert_eq!(of(Some("Be so.")), Prompt::Chat(both));
    }
}
