//! What is paid: each answer once, and nothing beyond the budget.

use super::*;

#[test]
fn equal_exhibits_are_asked_once_and_judges_that_share_a_file_ask_once_together() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(Duration::from_millis(20));
    let (mut shown, mut expected) = exhibits(12);
    shown.extend_from_within(..);
    expected.extend_from_within(..);
    std::thread::scope(|threads| {
        for _ in 0..3 {
            threads.spawn(|| check_scores(&mut judge(&upstream.url(), dir.path(), |_| {}), &shown, &expected));
        }
    });
    assert_eq!((upstream.hits().len(), upstream.total()), (12, 12));
    assert!(upstream.seen.most_under_way.load(Ordering::SeqCst) <= 8);
}

#[test]
fn beyond_the_budget_nothing_is_sent() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(Duration::ZERO);
    let (shown, _) = exhibits(10);
    let both = [evil(), Rubric::Coherence];
    let price = Some(Price { input: 10.0, output: 100.0 });
    let estimates = Mutex::new(Vec::<Estimate>::new());
    let ask = |calls: Option<u64>, money: Option<f64>, rubrics: &[Rubric]| -> Result<()> {
        let hear = |told: &JudgeEvent<'_>| {
            if let JudgeEvent::Estimate(estimate) = told {
                estimates.lock().unwrap().push(**estimate);
            }
        };
        let change = |s: &mut OpenAiSettings| (s.budget, s.budget_money, s.price) = (calls, money, price);
        verdicts_by(&mut telling(&upstream.url(), dir.path(), change, hear), rubrics, &shown).map(drop)
    };
    let error = ask(Some(19), None, &both).unwrap_err();
    assert!(error.to_string().contains("would need 20 calls (0 made so far, 20 to come), the budget is 19"), "{error}");
    let error = ask(None, Some(0.001), &both).unwrap_err();
    assert!(error.to_string().contains("would need about 0.0"), "{error}");
    assert_eq!(upstream.total(), 0);

    // Both rubrics are one estimate; what is there already is not part of the next.
    ask(Some(10), None, &both[..1]).unwrap();
    let error = ask(Some(15), None, &both).unwrap_err();
    assert!(error.to_string().contains("20 calls (10 made so far, 10 to come)"), "{error}");
    ask(Some(20), Some(1.0), &both).unwrap();
    ask(Some(20), None, &both).unwrap();
    assert_eq!(upstream.total(), 20);
    let told: Vec<(usize, u64)> = estimates.lock().unwrap().iter().map(|e| (e.verdicts, e.calls)).collect();
    assert_eq!(told, [(20, 20), (20, 20), (10, 10), (20, 10), (20, 10)]);
    let bill = bill(dir.path());
    assert_eq!((bill["calls"].as_u64(), bill["tokens"]["input"].as_u64()), (Some(20), Some(2000)));
    assert!((bill["cost"].as_f64().unwrap() - 0.022).abs() < 1e-12, "{bill}");
}

#[test]
fn a_budget_of_money_holds_when_the_estimate_was_too_low() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(Duration::ZERO);
    let (shown, _) = exhibits(40);
    // The server counts 100 tokens where about 30 were guessed: 40 calls come to 0.004, not 0.0012.
    let change = |s: &mut OpenAiSettings| {
        (s.budget_money, s.price, s.concurrency) = (Some(0.002), Some(Price { input: 1.0, output: 0.0 }), 4);
    };
    let error = judge(&upstream.url(), dir.path(), change).judge(&evil(), &shown).unwrap_err();
    assert!(error.help().unwrap().contains("more than estimated"), "{error:?}");
    let cost = bill(dir.path())["cost"].as_f64().unwrap();
    assert!((0.0015..=0.0025).contains(&cost), "{cost}");
}

#[test]
fn what_was_answered_before_a_kill_is_not_paid_again() {
    const CHILD: &str = "TRIMTAB_TEST_KILLED_JUDGE";
    const AT_A_TIME: usize = 4;
    let (shown, expected) = exhibits(60);
    let settings = |s: &mut OpenAiSettings| s.concurrency = AT_A_TIME;
    // The child is this very test, told by its environment to judge until it is killed.
    if let Some(place) = std::env::var_os(CHILD) {
        let place = place.into_string().unwrap();
        let (url, folder) = place.split_once(' ').unwrap();
        let _ = judge(url, Path::new(folder), settings).judge(&evil(), &shown);
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(Duration::from_millis(25));
    let mut killed = 0;
    for kill_at in [1, 9, 23, 40] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "judges::paying::what_was_answered_before_a_kill_is_not_paid_again"])
            .env(CHILD, format!("{} {}", upstream.url(), dir.path().display()))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let patience = Instant::now() + Duration::from_secs(60);
        while upstream.hits().len() < kill_at && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(3));
        }
        child.kill().unwrap();
        killed += usize::from(!child.wait().unwrap().success());
        let asked = upstream.hits().len();
        let kept = Cache::open(&dir.path().join("judge.sqlite"), "run").unwrap().spent().unwrap().calls as usize;
        assert!(asked >= kill_at && kept + AT_A_TIME * killed >= asked, "{kept} of {asked} kept");
    }
    assert_eq!(killed, 4);
    check_scores(&mut judge(&upstream.url(), dir.path(), settings), &shown, &expected);
    let hits = upstream.hits();
    let twice = hits.values().filter(|&&count| count > 1).count();
    assert_eq!(hits.len(), 60);
    assert!(
        upstream.total() - 60 <= AT_A_TIME * killed,
        "{} calls for 60 answers, {twice} asked again",
        upstream.total()
    );
    assert_eq!(bill(dir.path())["calls"], 60);
    no_key_in(dir.path());
}

#[test]
fn answers_that_no_one_counts_are_paid_by_the_estimate_and_dear_ones_keep_the_budget() {
    let price = Some(Price { input: 1.0, output: 0.0 });
    let run = |counted: Value, limit: f64| {
        let (url, _) = played(move |r| {
            std::thread::sleep(Duration::from_millis(20));
            let mut answer = told(r, &["85"], &[("85", 1.0)]);
            answer["usage"] = counted.clone();
            (200, answer)
        });
        let dir = tempfile::tempdir().unwrap();
        let change = |s: &mut OpenAiSettings| (s.budget_money, s.price, s.concurrency) = (Some(limit), price, 100);
        let said = judge(&url, dir.path(), change).judge(&evil(), &exhibits(60).0).map(drop);
        (said, bill(dir.path())["cost"].as_f64().unwrap())
    };
    let (said, cost) = run(Value::Null, 1.0);
    assert!(said.is_ok() && cost > 0.001, "{cost}");
    // Ten times as many tokens as estimated, and many calls at once.
    let (said, cost) = run(json!({ "prompt_tokens": 400, "completion_tokens": 1 }), 0.01);
    assert!(said.unwrap_err().help().unwrap().contains("more than estimated"));
    assert!((0.008..=0.01 + 1e-12).contains(&cost), "{cost}");
    let (said, cost) = run(json!({ "prompt_tokens": i64::MAX, "completion_tokens": 1 }), 1.0);
    assert!(said.unwrap_err().to_string().contains("9223372036854775807 tokens") && cost < 0.001, "{cost}");
}
