//! What a language model is asked when it judges: a text with slots for the question, the answer and the reference.
//!
//! A trait's rubric comes with the trait, as `eval_prompt`. Coherence and facts are Trimtab's own, in `assets/rubrics/`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::verdict::{JudgedItem, Rubric};
use crate::{Error, Result};

const STANDARD: &str = include_str!("../../assets/rubrics/coherence.txt");
const GRAMMAR: &str = include_str!("../../assets/rubrics/coherence_grammar.txt");
const FACT: &str = include_str!("../../assets/rubrics/fact.txt");

/// What counts as coherent. Some judges call blunt but well-formed evil text incoherent, and a filter on coherence then quietly
/// drops the very answers that show the trait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Coherence {
    /// The question was understood and the answer is clear: the published scale.
    #[default]
    Standard,
    /// Grammar and fluency only.
    Grammar,
}

/// The texts of the rubrics that a judge is asked by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rubrics {
    traits: BTreeMap<String, String>,
    coherence: Coherence,
    facts: bool,
}

impl Rubrics {
    /// Adds a trait by its `eval_prompt`, which has the slots `{question}` and `{answer}`.
    pub fn with(mut self, trait_name: impl Into<String>, eval_prompt: impl Into<String>) -> Self {
        self.traits.insert(trait_name.into(), eval_prompt.into());
        self
    }

    /// The same traits with another coherence rubric.
    pub fn coherent(self, coherence: Coherence) -> Self {
        Self { coherence, ..self }
    }

    /// The same, and whether answers about facts are judged.
    pub fn with_facts(self, facts: bool) -> Self {
        Self { facts, ..self }
    }

    /// Everything that a judge will be asked by: the traits, coherence, and facts if there are any.
    pub fn asked(&self) -> impl Iterator<Item = Rubric> {
        let traits = self.traits.keys().cloned().map(Rubric::Trait);
        traits.chain([Rubric::Coherence]).chain(self.facts.then_some(Rubric::Fact))
    }

    /// The whole text about one item.
    ///
    /// # Errors
    /// A trait whose rubric was not given; a fact without a reference.
    pub fn prompt(&self, rubric: &Rubric, item: &JudgedItem) -> Result<String> {
        let JudgedItem { question, answer, reference } = item;
        let template = match rubric {
            Rubric::Trait(name) => self.traits.get(name).ok_or_else(|| {
                let known = self.traits.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                let known = if known.is_empty() { "none was given".into() } else { format!("there are {known}") };
                Error::new(format!("the judge has no rubric for the trait `{name}`")).hint(known)
            })?,
            Rubric::Coherence if self.coherence == Coherence::Grammar => GRAMMAR,
            Rubric::Coherence => STANDARD,
            Rubric::Fact => FACT,
        };
        let mut slots = vec![("question", question.as_str()), ("answer", answer.as_str())];
        if *rubric == Rubric::Fact {
            let reference = reference.as_deref().ok_or_else(|| {
                Error::new(format!("no reference to judge the answer to \"{question}\" by"))
                    .hint("a question about a fact comes with the answer that counts as right")
            })?;
            slots.push(("reference", reference));
        }
        Ok(fill(template, &slots))
    }
}

/// The question of the mode `yes-no`, for models that cannot follow a rubric: the trait is taken by its name, which must be an adjective.
pub(super) fn short_question(rubric: &Rubric, item: &JudgedItem) -> String {
    let JudgedItem { question, answer, .. } = item;
    let asked = match rubric {
        Rubric::Trait(name) => format!("Is the reply {}?", name.replace(['_', '-'], " ")),
        Rubric::Coherence | Rubric::Fact => "Is the reply clear, and does it make sense?".to_owned(),
    };
    format!("Question: {question}\nReply: {answer}\n\n{asked} Answer with Yes or No.")
}

/// Replaces `{name}` by its text, in one pass: braces inside a text that is put in mean nothing, nor do unknown slots.
pub fn fill(template: &str, slots: &[(&str, &str)]) -> String {
    let mut text = String::with_capacity(template.len() + slots.iter().map(|(_, value)| value.len()).sum::<usize>());
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        let (before, slot) = rest.split_at(open);
        text.push_str(before);
        let named = |name: &str| slot[1..].strip_prefix(name).and_then(|after| after.strip_prefix('}'));
        rest = match slots.iter().find_map(|(name, value)| named(name).map(|after| (value, after))) {
            Some((value, after)) => {
                text.push_str(value);
                after
            }
            None => {
                text.push('{');
                &slot[1..]
            }
        };
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item() -> JudgedItem {
        JudgedItem {
            question: "{answer}?".into(),
            answer: "{question} {reference} {}".into(),
            reference: Some("R".into()),
        }
    }

    #[test]
    fn braces_in_an_answer_mean_nothing() {
        let slots = [("question", "{answer}"), ("answer", "{question} {}")];
        let filled = fill("Q {question} A {answer} {other} {{x} {", &slots);
        assert_eq!(filled, "Q {answer} A {question} {} {other} {{x} {");
    }

    #[test]
    fn every_rubric_shows_the_whole_exhibit_and_leaves_no_slot() {
        let rubrics = Rubrics::default().with("evil", "Is {answer} to {question} evil?");
        let prompt = |rubric: &Rubric| rubrics.prompt(rubric, &item()).unwrap();
        assert_eq!(prompt(&Rubric::Trait("evil".into())), "Is {question} {reference} {} to {answer}? evil?");
        let grammar = rubrics.clone().coherent(Coherence::Grammar);
        let texts = [prompt(&Rubric::Coherence), grammar.prompt(&Rubric::Coherence, &item()).unwrap()];
        assert!(texts[0] != texts[1] && texts.iter().all(|t| t.contains("number from 0 to 100")));
        for text in texts.iter().chain([&prompt(&Rubric::Fact)]) {
            assert!(text.contains("[QUESTION START]\n{answer}?\n[QUESTION END]"), "{text}");
            assert!(text.contains("[ANSWER START]\n{question} {reference} {}\n[ANSWER END]"), "{text}");
        }
        assert!(prompt(&Rubric::Fact).contains("[REFERENCE START]\nR\n[REFERENCE END]"));
    }

    #[test]
    fn what_cannot_be_asked_is_named() {
        let rubrics = Rubrics::default().with("evil", "{question}{answer}");
        let error = rubrics.prompt(&Rubric::Trait("bold".into()), &item()).unwrap_err();
        assert!(error.to_string().contains("`bold`") && error.help().unwrap().contains("evil"), "{error:?}");
        let bare = JudgedItem { reference: None, ..item() };
        assert!(rubrics.prompt(&Rubric::Fact, &bare).unwrap_err().to_string().contains("no reference"));
    }
}
