//! Persona vectors of the embedded model do what the paper says they do: steer the right trait, foretell it from the prompt
//! alone, and find it in data (METHOD D, E, H). Harbor's rules are the judge.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::LazyLock;

use trimtab::harbor::{self, SEED, Split, Trait, World};
use trimtab::judge::HarborJudge;
use trimtab::persona::{Ids, Inquiry, Recipe, Side, extract, harbor_trait, judge_rows, projection};
use trimtab::stats;
use trimtab::steering::{Plan, Positions};
use trimtab::subject::{Answer, Ask, Finished, Keep, Sampling};
use trimtab::text::Message;
use trimtab::vector::{Layer, PersonaVector};

use crate::harbor::harbor_model;

/// Where vectors are read and added: two thirds of the way up.
const LAYER: Layer = Layer(4);

/// One vector for each trait, as `trimtab extract` makes it, from one greedy answer to each prompt.
static VECTORS: LazyLock<BTreeMap<&str, PersonaVector>> =
    LazyLock::new(|| Trait::ALL.into_iter().map(|of| (of.name(), vector(of))).collect());

fn vector(of: Trait) -> PersonaVector {
    let world = World::new(SEED);
    let found = harbor_trait(&world, of.name()).unwrap();
    let (mut subject, mut judge) = (harbor_model(Plan::none()), HarborJudge::new(world));
    let sampling = Sampling::greedy(48);
    let [pos, neg] = [Side::Pos, Side::Neg].map(|side| {
        let inquiry = Inquiry::new(&found.name, &found.extract, side, &sampling);
        let (mut rows, asks): (Vec<_>, Vec<_>) = inquiry.asks(subject.tokenizer()).unwrap().into_iter().unzip();
        for (row, answer) in rows.iter_mut().zip(subject.generate(&asks, &sampling, &mut |_| {}).unwrap()) {
            row.ids = Some(Ids { prompt: answer.prompt_ids, answer: answer.token_ids });
            row.answer = answer.text;
        }
        judge_rows(&mut judge, of.name(), &mut rows).unwrap();
        rows
    });
    let recipe = Recipe::new(of.name(), "harbor", "-");
    extract(&mut *subject, &pos, &neg, &recipe, &mut |_, _| {}).unwrap().file.response_avg
}

/// Mean trait score of the readable answers, and their share in percent.
fn scored(of: Trait, questions: &[String], answers: &[Answer]) -> (f64, f64) {
    let world = World::new(SEED);
    let each = answers.len() / questions.len();
    let scores: Vec<f64> = answers
        .iter()
        .enumerate()
        .filter_map(|(i, answer)| world.judge(of, &questions[i / each], &answer.text).score)
        .collect();
    (stats::mean(&scores), 100.0 * scores.len() as f64 / answers.len() as f64)
}

#[test]
fn a_vector_moves_its_own_trait_and_no_other() {
    let world = World::new(SEED);
    let questions: Vec<(Trait, Vec<String>)> =
        Trait::ALL.into_iter().map(|of| (of, world.trait_questions(of, 40, 5))).collect();
    let coefs = [0.0, 1.0, 1.5, 2.0, 2.5, 3.0];
    for of in Trait::ALL {
        let plan = Plan::rows(&VECTORS[of.name()], &[LAYER], 1.0, Positions::Response);
        let mut subject = harbor_model(plan);
        // Of each trait, at each strength: score and readable share.
        let measured: Vec<Vec<(f64, f64)>> = questions
            .iter()
            .map(|(asked, questions)| {
                let ask = |coef: f32, question: &String| Ask {
                    coefs: Some(vec![coef]),
                    ..Ask::chat(question.clone(), vec![Message::user(question)])
                };
                let asks: Vec<Ask> = coefs.iter().flat_map(|&c| questions.iter().map(move |q| ask(c, q))).collect();
                let sampling = Sampling { temperature: 1.0, ..Sampling::greedy(48) };
                let answers = subject.generate(&asks, &sampling, &mut |_| {}).unwrap();
                answers.chunks(questions.len()).map(|answers| scored(*asked, questions, answers)).collect()
            })
            .collect();
        let good = (1..coefs.len()).any(|c| {
            questions.iter().zip(&measured).all(|((asked, _), at)| {
                let (rise, readable) = (at[c].0 - at[0].0, at[c].1);
                if *asked == of { rise >= 50.0 && readable >= 80.0 } else { rise < 25.0 }
            })
        });
        assert!(good, "{} steered at {coefs:?}: {measured:.0?}", of.name());
    }
}

#[test]
fn the_last_token_of_the_prompt_foretells_the_trait() {
    let world = World::new(SEED);
    for of in Trait::ALL {
        let questions = world.artifact(of, Split::Eval).questions;
        let asks: Vec<Ask> = world
            .ladder(of)
            .iter()
            .flat_map(|system| {
                questions.iter().map(move |question| {
                    Ask::chat(format!("{system} {question}"), vec![Message::system(system), Message::user(question)])
                })
            })
            .collect();
        let sampling = Sampling { temperature: 1.0, rollouts: 5, seed: 2, ..Sampling::greedy(48) };
        let keep = Keep { residuals: true, ..Keep::default() };
        let answers =
            harbor_model(Plan::none()).answer(&asks, &sampling, &keep, &mut |_| ControlFlow::Continue(())).unwrap();
        let (mut ahead, mut shown) = (Vec::new(), Vec::new());
        for (i, answers) in answers.chunks(sampling.rollouts).enumerate() {
            let question = &questions[i % questions.len()..][..1];
            let (score, _) = scored(of, question, answers);
            let Some(states) = answers[0].residuals.as_ref().filter(|_| score.is_finite()) else { continue };
            ahead.push(projection(&states.prompt_last[LAYER.row()], VECTORS[of.name()].row(LAYER)));
            shown.push(score);
        }
        assert!(ahead.len() >= 150, "{}", ahead.len());
        let r = stats::pearson(&ahead, &shown).unwrap();
        assert!(r > 0.8, "{}: r = {r:.3}", of.name());
    }
}

#[test]
fn a_projection_finds_answers_that_show_the_trait() {
    let world = World::new(SEED);
    for of in Trait::ALL {
        let questions = world.trait_questions(of, 60, 21);
        let told = &world.artifact(of, Split::Eval).instruction[2].pos;
        let told = harbor::system_prompt(of.name(), told);
        let mut subject = harbor_model(Plan::none());
        // Both as a data set has them: without the prompt that they were made under.
        let mut along = |system: Option<&str>, shows: bool| -> Vec<f64> {
            let asks: Vec<Ask> = questions
                .iter()
                .map(|q| {
                    let system = system.map(Message::system);
                    Ask::chat(q.clone(), system.into_iter().chain([Message::user(q)]).collect())
                })
                .collect();
            let sampling = Sampling { temperature: 1.0, seed: 3, ..Sampling::greedy(48) };
            let answers = subject.generate(&asks, &sampling, &mut |_| {}).unwrap();
            let texts: Vec<Finished> = questions
                .iter()
                .zip(&answers)
                .filter(|(q, a)| world.judge(of, q, &a.text).score.is_some_and(|score| (score > 50.0) == shows))
                .map(|(q, a)| {
                    let prompt = subject.tokenizer().chat_text(&[Message::user(q)], true).unwrap();
                    let ids = |text: &str| subject.tokenizer().encode(text).unwrap();
                    Finished { prompt_ids: ids(&prompt), response_ids: ids(&a.text) }
                })
                .collect();
            assert!(texts.len() >= 30, "{} of {}", texts.len(), questions.len());
            let states = subject.residuals(&texts).unwrap();
            let vector = VECTORS[of.name()].row(LAYER);
            states.iter().map(|s| projection(&s.response_avg[LAYER.row()], vector)).collect()
        };
        let auc = stats::auc(&along(Some(&told), true), &along(None, false)).unwrap();
        assert!(auc > 0.95, "{}: AUC {auc:.3}", of.name());
    }
}
