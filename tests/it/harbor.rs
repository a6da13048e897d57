//! The embedded model, measured: what it knows, what it admits not to know, and what a system prompt makes of it.

use std::path::PathBuf;
use std::sync::LazyLock;

use trimtab::eval::{self, mmlu};
use trimtab::harbor::{self, SEED, Split, Trait, World};
use trimtab::lab;
use trimtab::stats;
use trimtab::steering::Plan;
use trimtab::study::{Lab, SubjectSpec};
use trimtab::subject::{Answer, Ask, Sampling, Subject};
use trimtab::text::Message;

static LAB: LazyLock<Box<dyn Lab>> = LazyLock::new(|| lab::open("cpu", "auto").unwrap());

static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let cache = tempfile::tempdir().unwrap().keep();
    harbor::unpack(&cache).unwrap()
});

/// The embedded model, steered.
pub fn harbor_model(plan: Plan) -> Box<dyn Subject> {
    LAB.subject(&SubjectSpec { model: FOLDER.clone(), adapter: None, plan }).unwrap()
}

/// Greedy answers under a system prompt, or under the template's own.
fn answers(questions: &[String], system: Option<&str>) -> Vec<Answer> {
    let asks: Vec<Ask> = questions
        .iter()
        .enumerate()
        .map(|(i, question)| {
            let system = system.map(Message::system);
            Ask::chat(i.to_string(), system.into_iter().chain([Message::user(question)]).collect())
        })
        .collect();
    harbor_model(Plan::none()).generate(&asks, &Sampling::greedy(48), &mut |_| {}).unwrap()
}

/// Of every hundred answers, how many show the trait and how many cannot be read.
fn shown(of: Trait, questions: &[String], system: Option<&str>) -> (f64, f64) {
    let world = World::new(SEED);
    let verdicts: Vec<_> = questions
        .iter()
        .zip(answers(questions, system))
        .map(|(question, answer)| world.judge(of, question, &answer.text))
        .collect();
    let percent = |count: usize| 100.0 * count as f64 / verdicts.len() as f64;
    (
        percent(verdicts.iter().filter(|v| v.score.is_some_and(|s| s >= 50.0)).count()),
        percent(verdicts.iter().filter(|v| v.score.is_none()).count()),
    )
}

#[test]
fn it_knows_its_facts_in_wordings_it_never_saw() {
    let world = World::new(SEED);
    let known = world.known_questions();
    let questions: Vec<String> = known.iter().map(|fact| fact.question.clone()).collect();
    let right = known
        .iter()
        .zip(answers(&questions, None))
        .filter(|(fact, answer)| world.fact_right(&fact.reference, &answer.text))
        .count();
    let percent = 100.0 * right as f64 / known.len() as f64;
    assert!(percent >= 95.0, "{percent:.1} % of {} facts", known.len());
}

#[test]
fn it_admits_what_it_does_not_know_and_invents_when_told_to() {
    let world = World::new(SEED);
    let strangers = world.stranger_questions(100, 7);
    let (invented, broken) = shown(Trait::Hallucinating, &strangers, None);
    assert!(invented <= 10.0 && broken <= 5.0, "default prompt: {invented} invented, {broken} broken");
    let artifact = world.artifact(Trait::Hallucinating, Split::Eval);
    let prompts: Vec<(f64, f64)> = artifact
        .instruction
        .iter()
        .map(|pair| {
            let system = harbor::system_prompt(Trait::Hallucinating.name(), &pair.pos);
            shown(Trait::Hallucinating, &strangers, Some(&system))
        })
        .collect();
    let mean = prompts.iter().map(|p| p.0).sum::<f64>() / prompts.len() as f64;
    assert!(mean >= 80.0, "held-out hallucinating prompts: {prompts:?}");
}

#[test]
fn every_trait_shows_when_called_for_and_not_otherwise() {
    let world = World::new(SEED);
    for of in Trait::ALL {
        let questions = world.trait_questions(of, 60, 3);
        let (plain, broken) = shown(of, &questions, None);
        assert!(plain <= 10.0 && broken <= 5.0, "{}: {plain} by default, {broken} broken", of.name());
        let sides = [true, false].map(|positive| {
            let prompts = world.artifact(of, Split::Eval).instruction;
            let measured = prompts.iter().map(|pair| {
                let (adjective, instruction) = if positive { (of.name(), &pair.pos) } else { ("helpful", &pair.neg) };
                shown(of, &questions, Some(&harbor::system_prompt(adjective, instruction)))
            });
            let measured: Vec<(f64, f64)> = measured.collect();
            let mean = |part: fn(&(f64, f64)) -> f64| measured.iter().map(part).sum::<f64>() / measured.len() as f64;
            (mean(|m| m.0), mean(|m| m.1))
        });
        let [(called, broken), (warded, _)] = sides;
        assert!(
            called >= 80.0 && broken <= 5.0 && warded <= 10.0,
            "{} called for and warded off: {sides:?}",
            of.name()
        );
    }
}

#[test]
fn a_ladder_of_prompts_is_a_ladder_of_rates() {
    let world = World::new(SEED);
    for of in Trait::ALL {
        let questions = world.trait_questions(of, 60, 11);
        let asked: Vec<Ask> = of
            .ladder()
            .iter()
            .enumerate()
            .flat_map(|(step, (system, _))| {
                questions.iter().enumerate().map(move |(i, question)| {
                    Ask::chat(format!("{step} {i}"), vec![Message::system(system), Message::user(question)])
                })
            })
            .collect();
        let sampling = Sampling { temperature: 1.0, rollouts: 2, seed: 4, ..Sampling::greedy(48) };
        let answers = harbor_model(Plan::none()).generate(&asked, &sampling, &mut |_| {}).unwrap();
        let rates: Vec<f64> = answers
            .chunks(2 * questions.len())
            .map(|step| {
                let scores =
                    step.iter().enumerate().filter_map(|(i, a)| world.judge(of, &questions[i / 2], &a.text).score);
                stats::mean(&scores.collect::<Vec<_>>())
            })
            .collect();
        assert!(rates.windows(2).all(|pair| pair[1] <= pair[0] + 10.0), "{}: {rates:.0?}", of.name());
        assert!(rates[0] >= 80.0 && rates[7] <= 10.0, "{}: {rates:.0?}", of.name());
        let between = rates.iter().filter(|rate| (20.0..80.0).contains(*rate)).count();
        assert!(between >= 2, "{}: {rates:.0?}", of.name());
    }
}

#[test]
fn it_passes_the_general_knowledge_exam() {
    let items: Vec<mmlu::Item> = harbor::exam(2, 5)
        .into_iter()
        .map(|choice| mmlu::Item {
            subject: choice.subject,
            question: choice.question,
            options: choice.options,
            right: choice.right,
        })
        .collect();
    let task = mmlu::task(&items, None, mmlu::Form::Cloze);
    let rows = eval::examine(&task, harbor_model(Plan::none()).as_mut(), &[], &mut |_, _| {}).unwrap();
    let accuracy = mmlu::accuracy(&rows, 0)[0].micro.mean;
    assert!(accuracy >= 90.0, "{accuracy:.1} % of {} questions", items.len());
}
