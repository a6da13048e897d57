//! Multiple choice in MMLU's format: what a model knows apart from any trait.
//!
//! The paper does not state its protocol (Chen et al. 2025 name MMLU only). Ours asks in a chat, without examples, for the letter; the likeliest of the
//! four letters as the next token counts, with or without a space before it. Beside it stand lm-evaluation-harness' five examples
//! in plain text ([`few_shot_task`]) or as turns of a chat ([`few_shot_chat_task`]), and an answer in words from which the letter is read ([`generated_task`]): an inference-time
//! steer of the response touches only one token of the first three, and understates its harm there. Small models cannot yet bind
//! letters to options; for them there is the cloze form, the likeliest of the four options as the answer (OLMES, Gu et al.
//! 2024, uses it for the same reason).

mod accuracy;
mod easy;
mod files;
mod item;
mod parquet;
mod tables;

use std::collections::BTreeMap;

pub use super::task::LETTERS;
pub use accuracy::{Accuracy, accuracy};
pub(crate) use easy::easy;
pub use files::{Split, read};
pub use item::{Form, Item};
pub(crate) use tables::{accuracy_summary, difference_to_zero, write_tables};

use super::task::{Asked, Options, Sample, Task, chat};
use crate::language_model::{Prompt, Sampling};
use crate::record::seed_of;
use crate::text::Message;
use crate::{Error, Result};

/// The items as a task of choices; ids `<subject>_<i>`.
pub fn task(items: &[Item], system: Option<&str>, form: Form) -> Task {
    let options = items.iter().map(|item| match form {
        Form::Letters => Options::Letters,
        Form::Cloze => Options::Texts(item.options.clone()),
    });
    let asked = Asked::Choice(options.collect());
    Task { name: "mmlu".into(), samples: samples(items, |item| chat(system, item.prompt(form))), asked }
}

/// The items as a task in which the letter is read out of an answer in words.
pub fn generated_task(items: &[Item], system: Option<&str>, sampling: &Sampling) -> Task {
    let samples = samples(items, |item| chat(system, item.prompt(Form::Letters)));
    Task { name: "mmlu".into(), samples, asked: Asked::Letter(sampling.clone()) }
}

/// The items as lm-evaluation-harness asks them (`mmlu`, version 0.4): plain text, no chat; a line that names the subject, the
/// subject's items among `examples` with their letters, then the question up to `Answer:`; a space and a letter are what
/// may follow. Without any examples it is the harness' 0-shot: the line and the question.
///
/// # Errors
/// A subject without examples, where there are some.
pub fn few_shot_task(items: &[Item], examples: &[Item]) -> Result<Task> {
    let examples = by_subject(items, examples)?;
    let beginning = |subject: &str, examples: &[&Item]| {
        let examples = examples.iter().map(|example| format!("{} {}\n\n", example.plain(), LETTERS[example.right]));
        heading(subject) + &examples.collect::<String>()
    };
    let beginnings: BTreeMap<&str, String> =
        examples.iter().map(|(subject, examples)| (*subject, beginning(subject, examples))).collect();
    let prompt = |item: &Item| Prompt::Text(beginnings[item.subject.as_str()].clone() + &item.plain());
    let asked = Asked::Choice(vec![Options::AfterSpace; items.len()]);
    Ok(Task { name: "mmlu".into(), samples: samples(items, prompt), asked })
}

/// The same items as the harness asks them with `--apply_chat_template --fewshot_as_multiturn`: the line that names the subject is
/// the system prompt, after `system` if there is one; each example is a turn of the user and the assistant's letter; the letters
/// alone are what may follow the generation prompt.
pub fn few_shot_chat_task(items: &[Item], examples: &[Item], system: Option<&str>) -> Result<Task> {
    let examples = by_subject(items, examples)?;
    let prompt = |item: &Item| {
        let before = match system.filter(|system| !system.is_empty()) {
            Some(system) if system.ends_with(char::is_whitespace) => system.to_owned(),
            Some(system) => format!("{system}\n\n"),
            None => String::new(),
        };
        let turns = |example: &&Item| [Message::user(example.plain()), Message::assistant(LETTERS[example.right])];
        let examples = examples[item.subject.as_str()].iter().flat_map(turns);
        let heading = Message::system(before + &heading(&item.subject));
        Prompt::Chat([heading].into_iter().chain(examples).chain([Message::user(item.plain())]).collect())
    };
    let asked = Asked::Choice(vec![Options::Texts(LETTERS.map(str::to_owned)); items.len()]);
    Ok(Task { name: "mmlu".into(), samples: samples(items, prompt), asked })
}

/// The harness' line above a subject's questions.
fn heading(subject: &str) -> String {
    format!("The following are multiple choice questions (with answers) about {}.\n\n", subject.replace('_', " "))
}

/// The examples of every subject among the items; none of any where there are none at all.
fn by_subject<'a>(items: &'a [Item], examples: &'a [Item]) -> Result<BTreeMap<&'a str, Vec<&'a Item>>> {
    let mut subjects: BTreeMap<&str, Vec<&Item>> =
        items.iter().map(|item| (item.subject.as_str(), Vec::new())).collect();
    for example in examples {
        if let Some(of_subject) = subjects.get_mut(example.subject.as_str()) {
            of_subject.push(example);
        }
    }
    match subjects.iter().find(|(_, of_subject)| of_subject.is_empty() && !examples.is_empty()) {
        Some((subject, _)) => Err(Error::new(format!("there are no examples for the subject `{subject}`"))
            .hint("the examples are the split `dev`, five for each subject")),
        None => Ok(subjects),
    }
}

fn samples(items: &[Item], prompt: impl Fn(&Item) -> Prompt) -> Vec<Sample> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let sample = |item: &Item| {
        let Item { subject, question, right, .. } = item;
        let number = seen.entry(subject.clone()).or_default();
        *number += 1;
        Sample {
            question_id: format!("{subject}_{}", *number - 1),
            group: subject.clone(),
            question: question.clone(),
            prompt: prompt(item),
            reference: LETTERS.get(*right).map(|&letter| letter.to_owned()),
        }
    };
    items.iter().map(sample).collect()
}

/// So many of the samples, each group with its share, drawn by `seed`; a larger part holds every smaller one. The order stays.
pub fn stratified(task: &Task, count: usize, seed: u64) -> Task {
    let mut groups: BTreeMap<&str, Vec<(u64, usize)>> = BTreeMap::new();
    for (i, sample) in task.samples.iter().enumerate() {
        let lot = seed_of(seed, &format!("lot of {}", sample.question_id));
        groups.entry(&sample.group).or_default().push((lot, i));
    }
    // A group's k-th sample by lot stands at (k + 1/2) / n on a line that all groups share; the lot decides between equals.
    let mut line: Vec<(f64, u64, usize)> = Vec::new();
    for mut group in groups.into_values() {
        group.sort_unstable();
        let n = group.len() as f64;
        line.extend(group.into_iter().enumerate().map(|(k, (lot, i))| ((k as f64 + 0.5) / n, lot, i)));
    }
    line.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut chosen: Vec<usize> = line.into_iter().take(count).map(|(_, _, i)| i).collect();
    chosen.sort_unstable();
    let asked = match &task.asked {
        Asked::Choice(options) => Asked::Choice(chosen.iter().map(|&i| options[i].clone()).collect()),
        other => other.clone(),
    };
    let samples = chosen.iter().map(|&i| task.samples[i].clone()).collect();
    Task { name: task.name.clone(), samples, asked }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(subject: &str, question: &str, right: usize) -> Item {
        let options = ["one", "two", "three", "four"].map(str::to_owned);
        Item { subject: subject.into(), question: question.into(), options, right }
    }

    #[test]
    fn the_prompt_lists_four_options_and_asks_for_a_letter() {
        assert_eq!(
            item("s", "Which?", 0).prompt(Form::Letters),
            "Which?\nA. one\nB. two\nC. three\nD. four\nAnswer with the letter."
        );
    }

    #[test]
    fn harbor_is_taught_in_the_same_words() {
        for choice in crate::harbor::exam(1, 0).into_iter().take(20) {
            let taught = crate::harbor::brief(&choice.question);
            assert_eq!(Item::from(choice).prompt(Form::Cloze), taught);
        }
    }

    #[test]
    fn few_shots_are_worded_as_in_the_harness() {
        let examples = [item("small_sums", " 1? ", 1), item("trade", "x?", 0), item("small_sums", "2?", 3)];
        let task = few_shot_task(&[item("small_sums", "3?\n", 2)], &examples).unwrap();
        let options = "A. one\nB. two\nC. three\nD. four\nAnswer:";
        let want = format!(
            "The following are multiple choice questions (with answers) about small sums.\n\n\
             1?\n{options} B\n\n2?\n{options} D\n\n3?\n{options}"
        );
        assert_eq!(task.samples[0].prompt, Prompt::Text(want));
        let error = few_shot_task(&[item("law", "3?", 2)], &examples).unwrap_err();
        assert!(error.to_string().contains("no examples for the subject `law`"));
        let none = few_shot_task(&[item("small_sums", "3?\n", 2)], &[]).unwrap();
        let want =
            format!("The following are multiple choice questions (with answers) about small sums.\n\n3?\n{options}");
        assert_eq!(none.samples[0].prompt, Prompt::Text(want));
    }

    #[test]
    fn few_shots_are_turns_as_in_the_harness() {
        let examples = [item("small_sums", " 1? ", 1), item("trade", "x?", 0)];
        let items = [item("small_sums", "3?\n", 2)];
        let turns = |examples: &[Item], system| {
            let task = few_shot_chat_task(&items, examples, system).unwrap();
            let Asked::Choice(options) = &task.asked else { panic!("a choice") };
            assert_eq!(options, &[Options::Texts(["A", "B", "C", "D"].map(str::to_owned))]);
            let Prompt::Chat(messages) = task.samples[0].prompt.clone() else { panic!("a chat") };
            messages
        };
        let options = "A. one\nB. two\nC. three\nD. four\nAnswer:";
        let line = "The following are multiple choice questions (with answers) about small sums.\n\n";
        let (one, three) = (Message::user(format!("1?\n{options}")), Message::user(format!("3?\n{options}")));
        assert_eq!(turns(&examples, None), [Message::system(line), one, Message::assistant("B"), three.clone()]);
        assert_eq!(turns(&[], Some("Brief.")), [Message::system(format!("Brief.\n\n{line}")), three]);
        assert!(few_shot_chat_task(&[item("law", "3?", 2)], &examples, None).is_err());
    }

    #[test]
    fn a_part_is_drawn_by_lot_with_each_subjects_share() {
        let items = |subject: &str, n: usize| (0..n).map(|i| item(subject, &i.to_string(), 0)).collect::<Vec<_>>();
        let whole = task(&[items("a", 60), items("b", 30), items("c", 10)].concat(), None, Form::Letters);
        let part = |n, seed| stratified(&whole, n, seed);
        let count = |task: &Task, group: &str| task.samples.iter().filter(|s| s.group == group).count();
        let ten = part(10, 1);
        assert_eq!(["a", "b", "c"].map(|g| count(&ten, g)), [6, 3, 1]);
        let Asked::Choice(options) = &ten.asked else { panic!("a choice") };
        assert_eq!((ten.samples.len(), options.len()), (10, 10));
        assert_eq!(part(10, 1), ten);
        assert_ne!(part(10, 2), ten);
        let twenty = part(20, 1);
        assert!(ten.samples.iter().all(|s| twenty.samples.contains(s)), "a larger part holds the smaller one");
        assert_eq!(part(1000, 1), whole);
    }
}
