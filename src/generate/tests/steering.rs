//! Steering of a batch whose rows have plans and strengths of their own.

use super::*;

#[test]
fn coefficient_zero_is_no_steering() {
    for sampling in [Sampling::greedy(10), sampled(2)] {
        let plain = run(&engine(model::<Flex>()), &jobs(), &sampling);
        for positions in [Positions::All, Positions::Response] {
            let zero = run(&engine(model::<Flex>().steered(&plan(0.0, positions)).unwrap()), &jobs(), &sampling);
            for (zero, plain) in zero.iter().zip(&plain) {
                assert_eq!((&zero.tokens, zero.steered.as_slice()), (&plain.tokens, &[0][..]));
            }
        }
    }
}

#[test]
fn several_parts_act_at_once_each_at_its_own_strength() {
    // Two parts on one layer equal one part with the sum of their vectors; a part that is 0 for a row is not there.
    let part = |scale: f32, layer: usize| {
        let row =
            |l: usize| (0..HIDDEN).map(|i| scale * (((i * 5 + l * 3) % 7) as f32 * 0.3 - 0.9)).collect::<Vec<f32>>();
        SteeringPlan::rows(
            &PersonaVector::new((0..3).map(row).collect()).unwrap(),
            &[Layer(layer)],
            1.0,
            Positions::Response,
        )
    };
    let answers = |plan: SteeringPlan, coefs: &[f32]| {
        let engine = engine(model::<Flex>().steered(&plan).unwrap());
        let coefs = Some(coefs.into());
        run(
            &engine,
            &jobs().into_iter().map(|job| Job { coefs: Coefs::clone(&coefs), ..job }).collect::<Vec<_>>(),
            &sampled(1),
        )
    };
    let tokens = |replies: Vec<Reply>| replies.into_iter().map(|reply| reply.tokens).collect::<Vec<_>>();
    let both = part(1.0, 1).and(part(0.5, 2)).and(part(2.0, 1));
    assert_eq!(tokens(answers(both.clone(), &[2.0, 0.0, 0.0])), tokens(answers(part(1.0, 1), &[2.0])));
    assert_eq!(tokens(answers(both.clone(), &[1.0, 0.0, 0.5])), tokens(answers(part(1.0, 1), &[2.0])));
    let together = answers(both.clone(), &[1.0, -2.0, 0.5]);
    let apart = answers(part(2.0, 1).and(part(1.0, 2)), &[1.0, -1.0]);
    assert_eq!(tokens(together.clone()), tokens(apart));
    assert_ne!(tokens(together), tokens(answers(both, &[1.0, 0.0, 0.5])));
}

#[test]
fn steered_positions_are_counted_where_they_are_steered() {
    for (positions, of_prompt, of_answer) in [
        (Positions::All, &(|p: usize| p) as &dyn Fn(usize) -> usize, true),
        (Positions::Prompt, &|p| if p > 1 { p } else { 0 }, false),
        (Positions::Response, &|_| 1, true),
    ] {
        let both = plan(1.0, positions).and(plan(0.0, positions));
        let replies = run(&engine(model::<Flex>().steered(&both).unwrap()), &jobs(), &sampled(2));
        for (i, reply) in replies.iter().enumerate() {
            let prompt = jobs()[i / 2].prompt.len();
            // The last token is never read.
            let want = of_prompt(prompt) + if of_answer { reply.tokens.len() - 1 } else { 0 };
            assert_eq!(reply.steered, [want, 0], "{positions:?}, a prompt of {prompt}");
        }
    }
}

#[test]
fn coefficients_must_fit_the_plan() {
    let engine = engine(model::<Flex>().steered(&plan(1.0, Positions::All)).unwrap());
    let job = |coefs: &[f32]| [Job { coefs: Some(coefs.into()), ..jobs().remove(0) }];
    let told = |coefs: &[f32]| engine.generate(&job(coefs), &sampled(1), &mut |_| {}).unwrap_err().to_string();
    assert_eq!(told(&[1.0, 2.0]), "prompt `job 0`: 2 coefficients for a steering plan of 1 parts");
    assert_eq!(told(&[f32::NAN]), "prompt `job 0`: a coefficient is not finite");
}

#[test]
fn rows_with_their_own_coefficients_equal_runs_of_their_own() {
    for positions in [Positions::All, Positions::Prompt, Positions::Response] {
        let coefs = [-2.0, 0.0, 1.0, 2.0];
        let swept = engine(model::<Flex>().steered(&plan(7.0, positions)).unwrap());
        let batch: Vec<Job> = coefs
            .iter()
            .flat_map(|&coef| jobs().into_iter().map(move |job| Job { coefs: Some([coef].into()), ..job }))
            .collect();
        let together = run(&swept, &batch, &sampled(2));
        for (coef, found) in coefs.iter().zip(together.chunks(jobs().len() * 2)) {
            let alone = engine(model::<Flex>().steered(&plan(*coef, positions)).unwrap());
            assert_eq!(run(&alone, &jobs(), &sampled(2)), found, "coefficient {coef}");
        }
    }
}

#[test]
fn steering_moves_exactly_its_positions_by_exactly_its_vector() {
    // Invariant (a), through residuals: one layer, one position rule, before and after.
    let text = Finished { prompt_ids: prompt(6, 0), response_ids: prompt(4, 2) };
    let base = engine(model::<Flex>()).residuals(std::slice::from_ref(&text)).unwrap().remove(0);
    let vector = plan(1.0, Positions::All).parts[0].steers[1].vector.clone();
    for (positions, [response, whole_prompt, last]) in [
        (Positions::All, [1.0, 1.0, 1.0]),
        (Positions::Prompt, [0.0, 1.0, 1.0]),
        (Positions::Response, [1.0, 1.0 / 6.0, 1.0]),
    ] {
        let mut plan = plan(2.0, positions);
        plan.parts[0].steers.remove(0);
        let steered = engine(model::<Flex>().steered(&plan).unwrap());
        let found = steered.residuals(std::slice::from_ref(&text)).unwrap().remove(0);
        for (before, after, share) in [
            (&base.response_avg, &found.response_avg, response),
            (&base.prompt_avg, &found.prompt_avg, whole_prompt),
            (&base.prompt_last, &found.prompt_last, last),
        ] {
            assert_eq!(before[..2], after[..2], "nothing before the steered block moves");
            for (i, v) in vector.iter().enumerate() {
                let moved = after[2][i] - before[2][i];
                assert!((moved - 2.0 * v * share).abs() < 1e-4, "{positions:?}: {moved} against {}", 2.0 * v * share);
            }
        }
    }
}
