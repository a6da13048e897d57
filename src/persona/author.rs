//! Writing a new trait's artifacts with a language model (Chen et al. 2025, section 2.1): the request, the check of the answer, and the
//! request for a better one.
//!
//! The model writes instructions, questions, a definition and the middle of the ladder. The rubric's form, the split of the
//! questions and the ladder's ends are ours, so they cannot go wrong.

use serde::Deserialize;
use serde_json::Map;

use super::artifact::{Artifact, LADDER, Pair, Trait};
use super::names::{Side, system_prompt};
use crate::judge::fill;
use crate::{Error, Result};

const REQUEST: &str = include_str!("../../assets/prompts/trait.txt");
const REPAIR: &str = include_str!("../../assets/prompts/trait_repair.txt");
const RUBRIC: &str = include_str!("../../assets/prompts/rubric.txt");

const PAIRS: usize = 5;
/// Of both splits together.
const QUESTIONS: usize = 40;
/// The ladder's first and last rungs are instructions.
const MIDDLE: usize = LADDER - 2;

/// Answers a request in writing: a language model.
pub trait Writer {
    /// The answer to one message.
    ///
    /// # Errors
    /// If there is none.
    fn write(&mut self, prompt: &str) -> Result<String>;
}

/// The trait to be written.
#[derive(Debug, Clone)]
pub struct Description {
    /// Its stem, an adjective: `You are a <name> assistant.`
    pub name: String,
    /// What is meant by it, a paragraph.
    pub text: String,
    /// What else the questions should be like, if anything.
    pub questions: Option<String>,
    /// The assistant's adjective at the ladder's lower end: the adjective's opposite, or `helpful`.
    pub antonym: String,
}

/// What the model is asked to write.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Draft {
    instruction: Vec<Pair>,
    questions: Vec<String>,
    noun: String,
    definition: String,
    ladder: Vec<String>,
}

/// Has a trait written. An answer that cannot be used is sent back with its faults, at most `tries` answers in all; `on_faults`
/// gets the number and the faults of each.
///
/// # Errors
/// Those of the writer; if no answer was fit, the faults of the last one.
pub fn author(
    writer: &mut dyn Writer,
    wanted: &Description,
    tries: usize,
    on_faults: &mut dyn FnMut(usize, &[String]),
) -> Result<Trait> {
    let request = request(wanted);
    let (mut prompt, mut faults) = (request.clone(), Vec::new());
    for number in 1..=tries {
        let answer = writer.write(&prompt)?;
        match read(&answer, wanted) {
            Ok(found) => return Ok(found),
            Err(found) => faults = found,
        }
        on_faults(number, &faults);
        let listed: String = faults.iter().map(|fault| format!("- {fault}\n")).collect();
        let mended = fill(REPAIR, &[("answer", answer.trim()), ("faults", listed.trim_end())]);
        prompt = format!("{request}{mended}");
    }
    Err(Error::new(format!("no answer out of {tries} was fit for use; the last one: {}", faults.join("; ")))
        .hint("a larger model keeps to the form more easily; nothing was written"))
}

fn request(wanted: &Description) -> String {
    let questions = wanted.questions.as_deref().unwrap_or_default();
    let slots = [("trait", &*wanted.name), ("description", &*wanted.text), ("question_instruction", questions)];
    fill(REQUEST, &slots).trim_end().to_owned()
}

/// The trait that an answer holds, or all that is wrong with it.
fn read(answer: &str, wanted: &Description) -> std::result::Result<Trait, Vec<String>> {
    // Models like to put a fence or a sentence round it.
    let object = answer.find('{').zip(answer.rfind('}')).and_then(|(open, close)| answer.get(open..=close));
    let object = object.ok_or_else(|| vec!["there is no JSON object in it".to_owned()])?;
    let draft: Draft = serde_json::from_str(object).map_err(|e| vec![format!("the JSON cannot be read: {e}")])?;
    let mut faults = Vec::new();
    for (what, count, due) in [
        ("pairs in `instruction`", draft.instruction.len(), PAIRS),
        ("`questions`", draft.questions.len(), QUESTIONS),
        ("rungs in `ladder`", draft.ladder.len(), MIDDLE),
    ] {
        if count != due {
            faults.push(format!("{count} {what}, there must be {due}"));
        }
    }
    for (what, text) in [("noun", &draft.noun), ("definition", &draft.definition)] {
        if text.trim().is_empty() || text.contains(['{', '}']) {
            faults.push(format!("`{what}` is empty or holds a curly bracket"));
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let found = assemble(draft, wanted);
    match found.advice() {
        Ok(advice) if advice.is_empty() => Ok(found),
        Ok(advice) => Err(advice),
        Err(e) => Err(vec![e.to_string()]),
    }
}

fn assemble(draft: Draft, wanted: &Description) -> Trait {
    let Draft { instruction, questions, noun, definition, ladder } = draft;
    let first = &instruction[0];
    let mut rungs = vec![system_prompt(&wanted.name, first.side(Side::Pos))];
    rungs.extend(ladder);
    rungs.push(system_prompt(&wanted.antonym, first.side(Side::Neg)));
    let rubric = fill(RUBRIC.trim_end(), &[("noun", noun.trim()), ("definition", definition.trim())]);
    // Every other question: a model that turns from one matter to the next serves both splits alike.
    let split = |odd: usize, ladder: Vec<String>| Artifact {
        instruction: instruction.clone(),
        questions: questions.iter().skip(odd).step_by(2).cloned().collect(),
        eval_prompt: rubric.clone(),
        ladder,
        extra: Map::new(),
    };
    Trait { name: wanted.name.clone(), extract: split(0, Vec::new()), eval: split(1, rungs) }
}

#[cfg(test)]
mod tests {
    use super::super::builtin;
    use super::*;

    /// Gives one answer after the other and keeps what it was asked.
    struct Script {
        answers: Vec<String>,
        asked: Vec<String>,
    }

    impl Writer for Script {
        fn write(&mut self, prompt: &str) -> Result<String> {
            self.asked.push(prompt.to_owned());
            Ok(self.answers.remove(0))
        }
    }

    /// What a model would have written so that one of our own traits comes out.
    fn draft_of(name: &str) -> serde_json::Value {
        let found = builtin(name).unwrap();
        let questions: Vec<_> =
            found.extract.questions.iter().zip(&found.eval.questions).flat_map(<[_; 2]>::from).collect();
        serde_json::json!({
            "instruction": found.extract.instruction,
            "questions": questions,
            "noun": "boldness",
            "definition": "Boldness means going ahead.",
            "ladder": found.ladder()[1..7],
        })
    }

    fn bold() -> Description {
        let (name, text) = ("bold".to_owned(), "goes ahead {answer}".to_owned());
        Description { name, text, questions: None, antonym: "timid".into() }
    }

    fn run(answers: &[String], tries: usize) -> (Result<Trait>, Vec<String>, Vec<usize>) {
        let mut script = Script { answers: answers.to_vec(), asked: Vec::new() };
        let mut heard = Vec::new();
        let made = author(&mut script, &bold(), tries, &mut |_, faults| heard.push(faults.len()));
        (made, script.asked, heard)
    }

    #[test]
    fn an_answer_becomes_a_trait() {
        let fenced = format!("Here it is:\n```json\n{}\n```\n", draft_of("evil"));
        let (made, asked, heard) = run(&[fenced], 3);
        let (made, evil) = (made.unwrap(), builtin("evil").unwrap());
        assert_eq!((asked.len(), heard.len()), (1, 0));
        assert!(asked[0].contains("The trait: bold\nWhat is meant by it: goes ahead {answer}\n"), "{}", asked[0]);
        assert!(!asked[0].contains("{trait}") && !asked[0].contains("{question_instruction}"));
        assert_eq!((&made.extract.questions, &made.eval.questions), (&evil.extract.questions, &evil.eval.questions));
        let (first, last) = (&made.ladder()[0], &made.ladder()[LADDER - 1]);
        assert!(first.starts_with("You are a bold assistant. ") && last.starts_with("You are a timid assistant. "));
        assert!(made.eval.eval_prompt.contains("**boldness**. Boldness means going ahead.\n"));
        assert!(made.eval.eval_prompt.contains("{question}"));
    }

    #[test]
    fn a_bad_answer_is_sent_back_with_its_faults() {
        let mut short = draft_of("evil");
        short["questions"].as_array_mut().unwrap().pop();
        short["definition"] = "{}".into();
        let mut copied = draft_of("evil");
        copied["questions"][3] = copied["questions"][0].clone();
        copied["questions"][5] = "What is bold?".into();
        let answers = ["Sorry.".to_owned(), short.to_string(), copied.to_string(), draft_of("evil").to_string()];
        let (made, asked, heard) = run(&answers, 4);
        assert!(made.is_ok(), "{made:?}");
        assert_eq!(heard, [1, 2, 1]);
        assert!(asked[1].contains("Sorry.") && asked[1].contains("- there is no JSON object in it"), "{}", asked[1]);
        assert!(asked[2].contains("39 `questions`, there must be 40\n- `definition`"), "{}", asked[2]);
        // Equal questions in both splits are no trait at all, so nothing else is looked for.
        assert!(asked[3].contains("is in both splits"), "{}", asked[3]);
        assert!(asked[3].starts_with(&asked[0]) && !asked[3].contains("Sorry."));
    }

    #[test]
    fn after_so_many_answers_it_gives_up() {
        let mut odd = draft_of("evil");
        odd["questions"][5] = "What is bold?".into();
        odd["more"] = 1.into();
        let (made, asked, _) = run(&["{".into(), odd.to_string()], 2);
        let error = made.unwrap_err().to_string();
        assert!(error.contains("no answer out of 2") && error.contains("unknown field `more`"), "{error}");
        assert_eq!(asked.len(), 2);
    }
}
