//! One batch that requests join and leave says of each what a batch of its own would.

use super::*;
use crate::generate::scheduler::{Done, Queueing, Scheduler};
use crate::language_model::{CaptureSpec, Direction, StreamEvent};

fn open(engine: &Engine<Flex>) -> Scheduler<Flex> {
    Scheduler::new(engine.clone(), Queueing::Open)
}

/// Makes a turn that is not stopped early; says whether more is to be done.
fn turn(scheduler: &mut Scheduler<Flex>) -> bool {
    scheduler.turn(&mut |_| ControlFlow::Continue(()))
}

/// Adds jobs whose tokens alone are wanted.
fn add(scheduler: &mut Scheduler<Flex>, jobs: Vec<Job>, sampling: &Sampling) {
    scheduler.add(jobs, sampling, CaptureSpec::default()).unwrap();
}

/// Turns until all is answered; gives the replies by the places of their jobs.
fn finish(scheduler: &mut Scheduler<Flex>) -> Vec<(usize, crate::Result<Reply>)> {
    let mut done = Vec::new();
    loop {
        let more = turn(scheduler);
        done.extend(scheduler.done().into_iter().map(|Done { place, reply, .. }| (place, reply)));
        if !more {
            done.sort_by_key(|one| one.0);
            return done;
        }
    }
}

fn tokens(done: Vec<(usize, crate::Result<Reply>)>) -> Vec<Vec<u32>> {
    done.into_iter().map(|one| one.1.unwrap().tokens).collect()
}

#[test]
fn rows_of_every_kind_stand_side_by_side() {
    let engine = engine(model::<Flex>().steered(&plan(1.0, Positions::Response)).unwrap());
    let kinds = [
        Sampling::greedy(14),
        Sampling { rollouts: 1, ..sampled(1) },
        Sampling { temperature: 1.3, top_k: None, seed: 9, max_new_tokens: 5, ..sampled(1) },
        Sampling { repetition_penalty: 1.5, ..Sampling::greedy(2) },
    ];
    let probe = Direction { layer: Layer(2), vector: (0..HIDDEN).map(|i| i as f32 - 7.5).collect() };
    let captures = [
        CaptureSpec::default(),
        CaptureSpec { top_logprobs: 3, ..CaptureSpec::default() },
        CaptureSpec { probes: vec![probe], prompt: true, ..CaptureSpec::default() },
    ];
    for coefs in [None, Some([-2.0f32].into())] {
        let mut scheduler = open(&engine);
        let mut alone = Vec::new();
        for (i, job) in jobs().into_iter().enumerate() {
            let job = Job { coefs: if i % 2 == 0 { None } else { Coefs::clone(&coefs) }, ..job };
            let (sampling, capture) = (&kinds[i % kinds.len()], &captures[i % captures.len()]);
            alone.extend(
                engine
                    .answer(std::slice::from_ref(&job), sampling, capture, &mut |_| ControlFlow::Continue(()))
                    .unwrap(),
            );
            assert_eq!(scheduler.add(vec![job], sampling, capture.clone()).unwrap(), i);
            // The next one comes while this one is answered.
            turn(&mut scheduler);
        }
        for ((place, found), alone) in finish(&mut scheduler).into_iter().zip(alone) {
            let found = found.unwrap();
            assert_eq!(
                (&found.tokens, found.finish_reason, &found.steered),
                (&alone.tokens, alone.finish_reason, &alone.steered)
            );
            assert_eq!(found.kept.len(), alone.kept.len());
            for (one, other) in found.kept.iter().zip(&alone.kept) {
                let near = |a: f32, b: f32| (a - b).abs() <= 1e-4 * (1.0 + b.abs());
                assert!(near(one.logprob, other.logprob), "job {place}");
                assert!(one.along.iter().zip(&other.along).all(|(a, b)| near(*a, *b)), "job {place}");
            }
        }
    }
}

#[test]
fn a_short_answer_does_not_wait_for_a_long_one() {
    let engine = unbounded(model::<Flex>());
    let mut scheduler = open(&engine);
    let job = |i: usize| vec![jobs().remove(i)];
    add(&mut scheduler, job(0), &Sampling::greedy(30));
    (0..3).for_each(|_| _ = turn(&mut scheduler));
    add(&mut scheduler, job(2), &Sampling::greedy(2));
    let mut turns = 0;
    while scheduler.done().is_empty() {
        assert!(turn(&mut scheduler));
        turns += 1;
    }
    assert!(turns <= 3, "{turns} turns for two tokens");
    // The head is computed for those who sample alone: 30 tokens and 2.
    finish(&mut scheduler);
    assert_eq!(scheduler.head_rows, 32);
}

#[test]
fn many_answers_leave_places_to_others() {
    let engine = unbounded(model::<Flex>()).with_budget(Budget { rows_max: 8, ..Budget::default() });
    let mut scheduler = open(&engine);
    add(&mut scheduler, vec![jobs().remove(0)], &Sampling { rollouts: 40, max_new_tokens: 30, ..sampled(1) });
    turn(&mut scheduler);
    add(&mut scheduler, vec![jobs().remove(2)], &Sampling::greedy(1));
    (0..3).for_each(|_| _ = turn(&mut scheduler));
    assert_eq!(scheduler.done().iter().map(|done| done.place).collect::<Vec<_>>(), [1]);
}

#[test]
fn a_long_prompt_is_read_while_others_go_on() {
    let engine = unbounded(model::<Flex>()).with_budget(Budget { pass_tokens: 4, ..Budget::default() });
    let long = Job { id: "long".into(), prompt: prompt(45, 3), coefs: None };
    let alone = run(&engine, std::slice::from_ref(&long), &Sampling::greedy(4));
    let mut scheduler = open(&engine);
    add(&mut scheduler, vec![jobs().remove(0)], &Sampling::greedy(40));
    turn(&mut scheduler);
    add(&mut scheduler, vec![long], &Sampling::greedy(4));
    let mut heard = [0, 0];
    while heard[1] == 0 {
        scheduler.turn(&mut |event| {
            if let StreamEvent::Token { ask, .. } = event {
                heard[ask] += 1;
            }
            ControlFlow::Continue(())
        });
    }
    assert!((10..=12).contains(&heard[0]), "44 tokens in pieces of 4, and {} tokens of the other meanwhile", heard[0]);
    assert_eq!(tokens(finish(&mut scheduler))[1], alone[0].tokens);
}

#[test]
fn what_prompts_begin_with_alike_is_read_once() {
    let shared = prompt(30, 5);
    let with =
        |i: usize| Job { id: format!("{i}"), prompt: [shared.clone(), prompt(4 + i, 20 + i)].concat(), coefs: None };
    let questions: Vec<Job> = (0..6).map(with).collect();
    for positions in [Positions::Response, Positions::All] {
        let engine = engine(model::<Flex>().steered(&plan(1.5, positions)).unwrap());
        let alone: Vec<Vec<u32>> = questions
            .iter()
            .map(|job| run(&engine, std::slice::from_ref(job), &Sampling::greedy(10)).remove(0).tokens)
            .collect();
        for rows_max in [2, 100] {
            let engine = engine.clone().with_budget(Budget { rows_max, ..Budget::default() });
            let mut scheduler = Scheduler::new(engine, Queueing::Known);
            add(&mut scheduler, questions.clone(), &Sampling::greedy(10));
            assert_eq!(tokens(finish(&mut scheduler)), alone);
            // Each answer reads its prompt's last token itself.
            let own: usize = (0..6).map(|i| 4 + i - 1).sum();
            assert_eq!(scheduler.kept.missed, 30 + own, "{positions:?}, {rows_max} rows");
        }
        // Where steering differs, states do.
        let mut scheduler = Scheduler::new(engine.clone(), Queueing::Known);
        let coefs = [0.5f32, -0.5].map(|coef| Job { coefs: Some([coef].into()), ..questions[0].clone() });
        add(&mut scheduler, coefs.to_vec(), &Sampling::greedy(3));
        finish(&mut scheduler);
        assert_eq!(scheduler.kept.missed, if positions == Positions::All { 66 } else { 33 });
    }
}

#[test]
fn a_text_that_goes_on_is_not_read_anew() {
    let engine = unbounded(model::<Flex>().steered(&plan(1.0, Positions::Response)).unwrap());
    let first = Job { id: "first".into(), prompt: prompt(20, 1), coefs: Some([0.0].into()) };
    let mut scheduler = open(&engine);
    add(&mut scheduler, vec![first.clone()], &Sampling::greedy(6));
    let said = tokens(finish(&mut scheduler)).remove(0);
    assert_eq!(scheduler.kept.missed, 19);
    let next = Job { prompt: [first.prompt.as_slice(), &said, &prompt(5, 9)].concat(), ..first };
    add(&mut scheduler, vec![next.clone()], &Sampling::greedy(6));
    let found = tokens(finish(&mut scheduler)).remove(0);
    // The answer's last token was never read; then four of the five new ones.
    assert_eq!(scheduler.kept.missed, 19 + 1 + 4);
    assert_eq!(found, run(&engine, &[next], &Sampling::greedy(6))[0].tokens);
}

#[test]
fn the_plan_may_change_under_those_who_are_answered() {
    let (one, other) = (plan(1.0, Positions::All), plan(1.0, Positions::Response));
    let part = |coef: f32| Some([coef].into());
    let job = |i: usize, coefs: Coefs| Job { coefs, ..jobs().remove(i) };
    let engine_of = |plan: &SteeringPlan| engine(model::<Flex>().steered(plan).unwrap());
    let first = run(&engine_of(&one), &[job(0, part(1.5)), job(2, part(-1.0))], &sampled(1));
    let second = run(&engine_of(&other), &[job(3, part(2.0))], &sampled(1));
    let bare = run(&engine(model::<Flex>()), &[job(4, None)], &sampled(1));
    let mut scheduler = open(&engine(model::<Flex>()));
    let begin = |scheduler: &mut Scheduler<Flex>, jobs: Vec<Job>| {
        add(scheduler, jobs, &sampled(1));
        turn(scheduler);
    };
    begin(&mut scheduler, vec![job(4, None)]);
    scheduler.replan(&one).unwrap();
    begin(&mut scheduler, vec![job(0, part(1.5)), job(2, part(-1.0))]);
    scheduler.replan(&other.clone().and(one)).unwrap();
    begin(&mut scheduler, vec![job(3, Some([2.0, 0.0].into()))]);
    let mut wrong = plan(1.0, Positions::All);
    wrong.parts[0].steers[0].layer = Layer(9);
    assert!(scheduler.replan(&wrong).is_err());
    let found: Vec<Reply> = finish(&mut scheduler).into_iter().map(|one| one.1.unwrap()).collect();
    let want = [&bare[0], &first[0], &first[1], &second[0]];
    for (found, want) in found.iter().zip(want) {
        assert_eq!(found.tokens, want.tokens);
        let steered: usize = found.steered.iter().sum();
        assert_eq!(steered, want.steered.iter().sum::<usize>(), "positions are counted on");
    }
}

#[test]
fn a_row_that_fails_fails_alone() {
    let twice = plan(1.0, Positions::Response).and(plan(1.0, Positions::Response));
    let engine = engine(model::<Flex>().steered(&twice).unwrap());
    let good = Job { coefs: Some([1.0, 0.0].into()), ..jobs().remove(0) };
    // Together they leave the range of f32.
    let bad = Job { coefs: Some([f32::MAX, f32::MAX].into()), id: "bad".into(), ..jobs().remove(2) };
    let alone = run(&engine, std::slice::from_ref(&good), &sampled(1));
    let mut scheduler = open(&engine);
    add(&mut scheduler, vec![good, bad], &sampled(1));
    let [found, failed] = <[_; 2]>::try_from(finish(&mut scheduler)).unwrap();
    assert_eq!(found.1.unwrap().tokens, alone[0].tokens);
    assert!(failed.1.unwrap_err().to_string().contains("`bad`"));
}

#[test]
fn who_is_forgotten_is_not_answered() {
    let engine = unbounded(model::<Flex>()).with_budget(Budget { rows_max: 2, ..Budget::default() });
    let mut scheduler = open(&engine);
    add(&mut scheduler, jobs(), &Sampling::greedy(8));
    turn(&mut scheduler);
    for place in [0, 2, 4, 8] {
        scheduler.forget(place);
    }
    let done = finish(&mut scheduler);
    assert_eq!(done.iter().map(|one| one.0).collect::<Vec<_>>(), [1, 3, 5, 6, 7]);
    let alone = run(&engine, &jobs(), &Sampling::greedy(8));
    for (place, reply) in done {
        assert_eq!(reply.unwrap().tokens, alone[place].tokens);
    }
}
