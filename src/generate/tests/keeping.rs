//! What is kept of an answer is what a second look at the finished text would find.

use super::*;
use crate::language_model::{CaptureSpec, Direction, Finished, Residuals, StreamEvent, Token};

fn steered(positions: Positions) -> Engine<Flex> {
    engine(model::<Flex>().steered(&plan(1.5, positions)).unwrap())
}

fn everything() -> CaptureSpec {
    let vector = |salt: usize| (0..HIDDEN).map(|i| ((i * 7 + salt * 5) % 11) as f32 - 4.0).collect();
    let probe = |(layer, salt)| Direction { layer: Layer(layer), vector: vector(salt) };
    CaptureSpec {
        top_logprobs: 5,
        residuals: true,
        probes: [(2, 1), (1, 2), (2, 3)].map(probe).to_vec(),
        ..CaptureSpec::default()
    }
}

fn keeping<B: FusedOps>(engine: &Engine<B>, sampling: &Sampling, keep: &CaptureSpec) -> Vec<Reply> {
    engine.answer(&jobs(), sampling, keep, &mut |_| ControlFlow::Continue(())).unwrap()
}

/// The answer's tokens that were read: all but the end.
fn response(reply: &Reply) -> Vec<u32> {
    let stop = reply.finish_reason == FinishReason::Stop;
    reply.tokens[..reply.tokens.len() - usize::from(stop)].to_vec()
}

fn close(a: &[Vec<f32>], b: &[Vec<f32>]) {
    let (a, b) = (a.concat(), b.concat());
    let scale = b.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    let worst = a.iter().zip(&b).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
    assert!(a.len() == b.len() && worst <= 1e-5 * scale, "off by {worst} of {scale}");
}

#[test]
fn states_taken_on_the_way_equal_those_of_the_finished_text() {
    let engines = [engine(model::<Flex>()), steered(Positions::Response), steered(Positions::All)];
    for (which, engine) in engines.into_iter().enumerate() {
        // A small budget, so that rows are retired and refilled on the way.
        for rows_max in [3, 100] {
            let engine = engine.clone().with_budget(Budget { rows_max, ..Budget::default() });
            let replies = keeping(&engine, &sampled(3), &everything());
            assert!(replies.iter().any(|r| r.finish_reason == FinishReason::Stop), "some end by themselves");
            assert!(replies.iter().any(|r| r.finish_reason == FinishReason::Length), "some are cut");
            for (i, reply) in replies.iter().enumerate() {
                let text = Finished { prompt_ids: jobs()[i / 3].prompt.clone(), response_ids: response(reply) };
                let want: Residuals = engine.residuals(&[text]).unwrap().remove(0);
                let got =
                    reply.residuals.as_ref().unwrap_or_else(|| panic!("engine {which}, answer {i} has no states"));
                close(&got.response_avg, &want.response_avg);
                close(&got.prompt_avg, &want.prompt_avg);
                close(&got.prompt_last, &want.prompt_last);
            }
        }
    }
}

#[test]
fn keeping_changes_no_answer() {
    for sampling in [Sampling::greedy(12), sampled(2)] {
        for engine in [engine(model::<Flex>()), steered(Positions::Response)] {
            let tokens = |replies: Vec<Reply>| replies.into_iter().map(|r| r.tokens).collect::<Vec<_>>();
            assert_eq!(
                tokens(keeping(&engine, &sampling, &everything())),
                tokens(keeping(&engine, &sampling, &CaptureSpec::default()))
            );
        }
    }
}

#[test]
fn lengths_along_probes_average_to_the_projection_of_the_mean() {
    let keep = everything();
    for reply in keeping(&steered(Positions::Response), &sampled(2), &keep) {
        let read = response(&reply).len();
        let states = reply.residuals.as_ref().unwrap();
        for (p, probe) in keep.probes.iter().enumerate() {
            let norm = probe.vector.iter().map(|x| x * x).sum::<f32>().sqrt();
            let mean = &states.response_avg[probe.layer.row()];
            let want = mean.iter().zip(&probe.vector).map(|(h, v)| h * v).sum::<f32>() / norm;
            let got = reply.kept[..read].iter().map(|token| token.along[p]).sum::<f32>() / read as f32;
            assert!((got - want).abs() < 1e-4 * (1.0 + want.abs()), "probe {p}: {got}, not {want}");
        }
        assert!(reply.kept[read..].iter().all(|end| end.along.is_empty()), "the end was never read");
    }
}

#[test]
fn logprobs_are_those_of_the_model_whatever_is_drawn() {
    let engine = engine(model::<Flex>());
    let keep = CaptureSpec { top_logprobs: 4, ..CaptureSpec::default() };
    for (i, reply) in keeping(&engine, &sampled(1), &keep).iter().enumerate() {
        assert_eq!(reply.kept.iter().map(|token| token.id).collect::<Vec<_>>(), reply.tokens);
        for (t, token) in reply.kept.iter().enumerate() {
            let prompt = [jobs()[i].prompt.as_slice(), &reply.tokens[..t]].concat();
            let ids: Vec<u32> = (0..VOCABULARY as u32 - 3).collect();
            let logits = logits_after(engine.model(), &prompt, prompt.len(), None, 0);
            let most = logits[..ids.len()].iter().copied().fold(f32::MIN, f32::max);
            let sum = logits[..ids.len()].iter().map(|x| (x - most).exp()).sum::<f32>().ln() + most;
            let mut want: Vec<(u32, f32)> = ids.into_iter().map(|id| (id, logits[id as usize] - sum)).collect();
            assert!((token.logprob - want[token.id as usize].1).abs() < 1e-3, "the token's own");
            want.sort_by(|a, b| b.1.total_cmp(&a.1));
            assert_eq!(token.top.len(), 4);
            for (got, want) in token.top.iter().zip(&want) {
                assert!(got.0 == want.0 && (got.1 - want.1).abs() < 1e-3, "{:?}, not {want:?}", got);
            }
        }
    }
}

#[test]
fn a_listener_hears_every_token_in_order_and_may_end_an_answer() {
    let engine = steered(Positions::Response);
    for keep in [CaptureSpec::default(), everything()] {
        let mut heard: Vec<Vec<Token>> = vec![Vec::new(); jobs().len() * 2];
        let replies = engine.answer(&jobs(), &sampled(2), &keep, &mut |event| {
            if let StreamEvent::Token { ask, rollout, token } = event {
                heard[ask * 2 + rollout].push(token.clone());
                if (ask, rollout) == (4, 1) && heard[9].len() == 3 {
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        });
        let whole = keeping(&engine, &sampled(2), &keep);
        for (i, ((reply, whole), heard)) in replies.unwrap().iter().zip(&whole).zip(&heard).enumerate() {
            if i == 9 {
                assert_eq!((reply.finish_reason, heard.len()), (FinishReason::Cancelled, 3));
                assert!(whole.tokens.starts_with(&reply.tokens) && reply.residuals.is_none());
            } else {
                assert_eq!(reply, whole, "the others do not suffer");
                assert_eq!(heard.iter().map(|token| token.id).collect::<Vec<_>>(), reply.tokens);
                assert!(keep.top_logprobs == 0 || *heard == reply.kept);
            }
        }
    }
}

#[test]
fn a_prompt_is_read_with_its_likelihoods_and_projections() {
    for (positions, rollouts) in [(Positions::Response, 2), (Positions::All, 1)] {
        let engine = steered(positions).with_budget(Budget { rows_max: 4, ..Budget::default() });
        let keep = CaptureSpec { prompt: true, residuals: false, ..everything() };
        let mut prompts: Vec<Vec<Token>> = vec![Vec::new(); jobs().len()];
        let replies = engine.answer(&jobs(), &sampled(rollouts), &keep, &mut |event| {
            if let StreamEvent::Prompt { ask, tokens, .. } = event {
                // A prompt whose rollouts begin at two times is read twice, in batches of other shapes.
                for (before, now) in prompts[ask].iter().zip(tokens) {
                    assert!(before.id == now.id && (before.logprob - now.logprob).abs() < 1e-4);
                }
                prompts[ask] = tokens.to_vec();
            }
            ControlFlow::Continue(())
        });
        let plain = CaptureSpec { prompt: false, ..keep.clone() };
        let tokens = |replies: Vec<Reply>| replies.into_iter().map(|reply| reply.tokens).collect::<Vec<_>>();
        assert_eq!(tokens(replies.unwrap()), tokens(keeping(&engine, &sampled(rollouts), &plain)));
        for (job, tokens) in jobs().iter().zip(&prompts) {
            assert_eq!(tokens.iter().map(|token| token.id).collect::<Vec<_>>(), job.prompt);
            assert!(tokens[0].top.is_empty() && tokens[0].logprob == 0.0, "nothing stands before it");
            for (place, token) in tokens.iter().enumerate().skip(1) {
                let logits = logits_after(engine.model(), &job.prompt[..place], job.prompt.len(), None, 0);
                let norm = logits.iter().map(|&x| f64::from(x).exp()).sum::<f64>().ln() as f32;
                assert!((token.logprob - (logits[token.id as usize] - norm)).abs() < 1e-3, "{place}");
                let best = sampling::argmax(&logits[..engine.vocabulary.len]);
                assert_eq!((token.top.len(), token.top[0].0), (5, best));
            }
            // The mean of the tokens' projections is the projection of their mean.
            let text = Finished { prompt_ids: job.prompt.clone(), response_ids: vec![1] };
            let states = engine.residuals(&[text]).unwrap().remove(0).prompt_avg;
            for (p, probe) in keep.probes.iter().enumerate() {
                let mean = tokens.iter().map(|token| token.along[p]).sum::<f32>() / tokens.len() as f32;
                let norm = probe.vector.iter().map(|x| x * x).sum::<f32>().sqrt();
                let want = probe.vector.iter().zip(&states[probe.layer.row()]).map(|(a, b)| a * b).sum::<f32>() / norm;
                assert!((mean - want).abs() <= 1e-4 * want.abs().max(1.0), "{mean}, not {want}");
            }
        }
    }
}

#[test]
fn a_prompt_alone_is_read_up_to_the_highest_probe() {
    let probes: Vec<Direction> = everything().probes.into_iter().filter(|probe| probe.layer == Layer(1)).collect();
    let prompts = |model: Transformer<Flex>, prompt_only: bool| {
        let keep = CaptureSpec { probes: probes.clone(), prompt: true, prompt_only, ..CaptureSpec::default() };
        let mut prompts: Vec<Vec<Token>> = vec![Vec::new(); jobs().len()];
        let replies = engine(model).answer(&jobs(), &Sampling::greedy(2), &keep, &mut |event| {
            if let StreamEvent::Prompt { ask, tokens, .. } = event {
                prompts[ask] = tokens.to_vec();
            }
            ControlFlow::Continue(())
        });
        (prompts, replies.unwrap().iter().map(|reply| reply.tokens.len()).sum::<usize>())
    };
    let mut cut = model::<Flex>();
    let (whole, said) = prompts(cut.clone(), false);
    assert!(said > 0);
    // A block that cannot be multiplied with panics where it is run.
    cut.blocks[1] = cut.blocks[0].clone();
    cut.blocks[1].o_proj.weight = Tensor::zeros([1, 1], &Default::default());
    assert_eq!(prompts(cut, true), (whole, 0));
}

#[test]
fn a_listener_who_has_enough_ends_all() {
    let engine = engine(model::<Flex>()).with_budget(Budget { rows_max: 4, ..Budget::default() });
    let mut complete = 0;
    let replies = engine.answer(&jobs(), &sampled(2), &CaptureSpec::default(), &mut |event| match event {
        StreamEvent::Finished(n) => {
            complete = n;
            ControlFlow::Break(())
        }
        StreamEvent::Prompt { .. } | StreamEvent::Token { .. } => ControlFlow::Continue(()),
    });
    let replies = replies.unwrap();
    let ended = replies.iter().filter(|reply| reply.finish_reason != FinishReason::Cancelled).count();
    assert!((ended, replies.len()) == (complete, 18) && ended < 18, "{ended} of {complete}");
    assert!(replies.iter().any(|reply| reply.tokens.is_empty()), "some were never begun");
}

#[test]
fn probes_that_do_not_fit_are_refused() {
    let engine = engine(model::<Flex>());
    let told = |layer: usize, vector: Vec<f32>| {
        let keep = CaptureSpec { probes: vec![Direction { layer: Layer(layer), vector }], ..CaptureSpec::default() };
        engine.answer(&jobs(), &sampled(1), &keep, &mut |_| ControlFlow::Continue(())).unwrap_err().to_string()
    };
    assert!(told(3, vec![1.0; HIDDEN]).contains("probe 0 is at layer 3"));
    assert!(told(1, vec![1.0; 5]).contains("5 wide"));
    assert!(told(1, vec![0.0; HIDDEN]).contains("no direction"));
}
