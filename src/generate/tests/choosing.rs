//! Reading common beginnings once changes no number.

use super::*;

/// Prompts of three families with 30 tokens in common each; within a family two with the same beginning of 44. Model
/// positions: 64.
fn families() -> Vec<Job> {
    let job = |i: usize| {
        let (family, twin) = (i / 3, i % 3);
        let common = prompt(30, family);
        let middle = prompt(18, 10 + twin.min(1) + 2 * family);
        let own = prompt(1 + i % 4, 20 + i);
        Job { id: format!("job {i}"), prompt: [common, middle, own].concat(), coefs: None }
    };
    (0..9).map(job).collect()
}

/// Options of one to three tokens, some of which begin alike.
fn options() -> Vec<Vec<u32>> {
    vec![vec![3], vec![8, 7, 2], vec![8, 7, 9], vec![0], vec![8], vec![8, 8]]
}

/// Straight from the definition, a text at a time.
fn slowly(engine: &Engine<Flex>, job: &Job, option: &[u32]) -> f64 {
    let mut text = job.prompt.clone();
    let mut sum = 0.0;
    for &id in option {
        let logits = logits_after(engine.model(), &text, job.prompt.len(), job.coefs.clone(), 0);
        sum += f64::from(logits[id as usize]) - logits.iter().map(|&x| f64::from(x).exp()).sum::<f64>().ln();
        text.push(id);
    }
    sum
}

#[track_caller]
fn check(engine: &Engine<Flex>, jobs: &[Job]) {
    let all = vec![options(); jobs.len()];
    let want: Vec<f64> =
        jobs.iter().flat_map(|job| options().into_iter().map(|option| slowly(engine, job, &option))).collect();
    let small = Budget { pass_tokens: 50, cache_tokens: 130, ..Budget::default() };
    for budget in [Budget::default(), small, Budget { pass_tokens: 1, cache_tokens: 1, ..small }] {
        let found = engine.clone().with_budget(budget).choose(jobs, &all).unwrap().concat();
        for (i, (found, want)) in found.iter().zip(&want).enumerate() {
            assert!((f64::from(*found) - want).abs() < 1e-3, "{budget:?}, number {i}: {found}, not {want}");
        }
    }
}

#[test]
fn shared_beginnings_are_read_once_and_change_nothing() {
    check(&engine(model::<Flex>()), &families());
    for positions in [Positions::All, Positions::Prompt, Positions::Response] {
        let engine = engine(model::<Flex>().steered(&plan(1.0, positions)).unwrap());
        check(&engine, &families());
        // Rows of a sweep: the same prompts under three strengths.
        let swept =
            |coef: f32| families().into_iter().take(4).map(move |job| Job { coefs: Some([coef].into()), ..job });
        check(&engine, &[-1.0, 0.0, 1.5].into_iter().flat_map(swept).collect::<Vec<_>>());
    }
}
