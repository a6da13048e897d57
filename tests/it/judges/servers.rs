//! Servers with ways of their own: how they write numbers, what they refuse, what they call themselves.

use super::*;

#[test]
fn a_judge_that_writes_digit_by_digit_is_never_scored_by_a_first_digit() {
    // Sure of its 85, so that few digits are among its likeliest tokens.
    let (url, asked) = played(|r| (200, told(r, &["8", "5"], &[("8", 0.9), ("9", 0.08), ("The", 0.02)])));
    let dir = tempfile::tempdir().unwrap();
    let (shown, _) = exhibits(20);
    for calls in [2, 4] {
        let error = judge(&url, dir.path(), |_| {}).judge(&evil(), &shown).unwrap_err();
        let help = error.help().unwrap();
        assert!(error.to_string().contains("digit by digit"), "{error}");
        assert!(help.contains("sample") && help.contains("parse") && help.contains("--judge local"), "{help}");
        assert_eq!((asked.load(Ordering::SeqCst), bill(dir.path())["calls"].as_u64()), (calls, Some(calls as u64)));
    }
    check_scores(&mut judge(&url, dir.path(), |s| s.mode = Mode::Parse), &shown[..2], &[Some(85.0); 2]);
}

#[test]
fn a_judge_of_whole_numbers_may_say_only_small_ones() {
    let (url, asked) = played(|r| {
        let repeats = http::prompt(r).contains("85");
        let tokens = if repeats { ["85"] } else { ["8"] };
        let top: &[(&str, f64)] = if repeats { &[("85", 1.0)] } else { &[("8", 0.9), ("9", 0.1)] };
        (200, told(r, &tokens, top))
    });
    let dir = tempfile::tempdir().unwrap();
    let (shown, _) = exhibits(12);
    // One call more than answers, and none when all is known.
    for _ in 0..2 {
        check_scores(&mut judge(&url, dir.path(), |_| {}), &shown, &[Some(8.1); 12]);
        assert_eq!((asked.load(Ordering::SeqCst), bill(dir.path())["calls"].as_u64()), (13, Some(13)));
    }
}

#[test]
fn a_failure_inside_the_choice_is_asked_again_and_never_kept() {
    let failing = AtomicUsize::new(0);
    let (url, asked) = played(move |r| {
        let mut answer = told(r, &["85"], &[("85", 1.0)]);
        if failing.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) {
            answer["choices"][0] = json!({ "message": { "content": "" }, "finish_reason": "error",
                "error": { "code": 502, "message": "Provider returned error" } });
        }
        (200, answer)
    });
    let (shown, _) = exhibits(4);
    for mode in [Mode::Logprobs, Mode::Parse] {
        let dir = tempfile::tempdir().unwrap();
        let change = |s: &mut OpenAiSettings| (s.mode, s.concurrency) = (mode, 1);
        check_scores(&mut judge(&url, dir.path(), change), &shown, &[Some(85.0); 4]);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 16);
}

#[test]
fn what_a_judge_cannot_do_is_told_at_its_first_call() {
    let check = |mode, choice: Value, want: &str| {
        let (url, asked) = played(move |r| (200, json!({ "model": r["model"], "choices": [choice] })));
        let dir = tempfile::tempdir().unwrap();
        let said = judge(&url, dir.path(), |s| s.mode = mode).judge(&evil(), &exhibits(10).0);
        let error = said.unwrap_err();
        assert!(error.to_string().contains(want), "{error}");
        assert_eq!(asked.load(Ordering::SeqCst), 1, "{error}");
    };
    let thinks = json!({ "message": { "content": "", "reasoning_content": "Let me" }, "finish_reason": "length" });
    check(Mode::Sample, thinks.clone(), "reasons before it answers");
    check(Mode::Logprobs, thinks, "reasons before it answers");
    let silent = json!({ "message": { "content": null }, "finish_reason": "length" });
    check(Mode::Parse, silent, "said nothing within its limit");
    let absurd = json!({ "content": [{ "token": "85", "top_logprobs": [{ "token": "85", "logprob": 1e308 }] }] });
    let absurd = json!({ "message": { "content": "85" }, "logprobs": absurd });
    check(Mode::Logprobs, absurd, "a log-probability of 1e308");
}

#[test]
fn a_parameter_that_a_server_refuses_gets_its_other_spelling_or_is_left_out() {
    let (url, asked) = played(|request| {
        let refused = [("max_tokens", "use 'max_completion_tokens' instead"), ("temperature", "only the default")];
        let refuse = |(name, why): &(&str, &str)| {
            json!({ "error": { "message": format!("'{name}' is not supported: {why}"), "param": name,
                "code": "unsupported_parameter" } })
        };
        match refused.iter().find(|(name, _)| request.get(*name).is_some()) {
            Some(refused) => (400, refuse(refused)),
            None => {
                assert_eq!(request["max_completion_tokens"], 16);
                let mut answer = http::completion("85");
                answer["model"] = request["model"].clone();
                (200, answer)
            }
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let mut said = Vec::new();
    let hear = |heard: &JudgeEvent<'_>| {
        if let JudgeEvent::Trouble(why) = heard {
            said.push((*why).to_owned());
        }
    };
    let (shown, _) = exhibits(6);
    check_scores(&mut telling(&url, dir.path(), |s| s.mode = Mode::Parse, hear), &shown, &[Some(85.0); 6]);
    assert!(said.len() == 2 && said[0].contains("`max_completion_tokens` instead"), "{said:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 8);
}

#[test]
fn another_model_behind_a_deployments_name_can_be_allowed() {
    let (url, _) = played(|request| {
        let mut answer = told(request, &["85"], &[("85", 1.0)]);
        answer["model"] = json!("gpt-4.1-mini-2025-04-14");
        (200, answer)
    });
    let dir = tempfile::tempdir().unwrap();
    let (shown, _) = exhibits(2);
    let error = judge(&url, dir.path(), |_| {}).judge(&evil(), &shown).unwrap_err();
    assert!(error.help().unwrap().contains("--judge-answers-as gpt-4.1-mini-2025-04-14"), "{error:?}");
    let allow = |s: &mut OpenAiSettings| s.answers_as = Some("gpt-4.1-mini".into());
    check_scores(&mut judge(&url, dir.path(), allow), &shown, &[Some(85.0); 2]);
}

#[test]
fn missing_logprobs_are_refused_after_one_call_and_samples_replace_them_if_asked() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(Duration::ZERO);
    let proxy = FaultProxy::before(upstream.address, |_| Fault::NoLogprobs);
    let (shown, _) = exhibits(20);
    let error = judge(&proxy.url(), dir.path(), |_| {}).judge(&evil(), &shown).unwrap_err();
    assert!(
        error.to_string().contains("gave no log-probabilities") && error.help().unwrap().contains("sample"),
        "{error:?}"
    );
    assert_eq!((upstream.total(), bill(dir.path())["calls"].as_u64()), (1, Some(1)));

    let sampled = |samples| judge(&proxy.url(), dir.path(), |s| (s.mode, s.samples) = (Mode::Sample, samples));
    let grades: Vec<Option<f64>> = (0..20).map(|i| Some((i * 2) as f64)).collect();
    check_scores(&mut sampled(3), &shown, &grades);
    assert_eq!(upstream.total(), 61);
    // Two more samples each are two more calls each.
    check_scores(&mut sampled(5), &shown, &grades);
    assert_eq!(upstream.total(), 101);
    check_scores(&mut judge(&proxy.url(), dir.path(), |s| s.mode = Mode::Parse), &shown, &grades);
    assert_eq!(upstream.total(), 121);
}

#[test]
fn another_model_is_no_judge_of_ours() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(Duration::ZERO);
    let (shown, expected) = exhibits(10);
    let proxy = FaultProxy::before(upstream.address, |n| if n == 0 { Fault::WrongModel } else { Fault::None });
    let error = judge(&proxy.url(), dir.path(), |_| {}).judge(&evil(), &shown).unwrap_err();
    assert!(error.to_string().contains("`judge-1` was asked and `another-model` answered"), "{error}");
    // The foreign answer was not kept.
    check_scores(&mut judge(&proxy.url(), dir.path(), |_| {}), &shown, &expected);
}
