//! Paid judges over real HTTP on loopback: right through every fault, paid once, within limits, and without a trace of the key.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use trimtab::judge::{
    Cache, Call, ChatClient, Estimate, Judge, JudgeEvent, JudgeSource, JudgedItem, Key, Mode, OpenAiJudge,
    OpenAiSettings, Patience, Price, Rubric, Rubrics, verdicts_by,
};
use trimtab::{Error, Result};

use crate::support::faults::{Fault, FaultProxy, Passed};
use crate::support::goldens::fixture;
use crate::support::http;
use crate::support::place::{Place, said};
use crate::support::serve::Server;
use crate::support::study;

const KEY: &str = "sk-trimtab-tests-4711";

/// What a server goes through.
const DAYS: [Fault; 11] = [
    Fault::Status(429, Some(100)),
    Fault::Status(500, None),
    Fault::HalfBody,
    Fault::Silence(1500),
    Fault::None,
    Fault::Garbage,
    Fault::Cut,
    Fault::Slow(20),
    Fault::Status(503, Some(20)),
    Fault::Status(429, None),
    Fault::None,
];

/// A judge that is exact about what it is asked: a grade that stands in the answer, with some doubt.
struct Upstream {
    address: SocketAddr,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    /// Requests by content.
    hits: Mutex<HashMap<String, usize>>,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
    pause: Duration,
}

impl Upstream {
    fn start(pause: Duration) -> Self {
        let seen = Arc::new(Seen { pause, ..Seen::default() });
        let state = Arc::clone(&seen);
        Self { address: http::chat_server(move |head, request| answer(&state, head, request)), seen }
    }

    fn url(&self) -> String {
        http::url(self.address)
    }

    fn total(&self) -> usize {
        self.seen.hits.lock().unwrap().values().sum()
    }

    fn hits(&self) -> HashMap<String, usize> {
        self.seen.hits.lock().unwrap().clone()
    }
}

fn answer(seen: &Seen, head: &str, body: Value) -> (u16, Value) {
    let refuse = |status, message: String| (status, json!({ "error": { "message": message } }));
    let key = http::header(head, "authorization").unwrap_or_default();
    if key != format!("Bearer {KEY}") {
        return refuse(401, format!("incorrect key: {key}"));
    }
    *seen.hits.lock().unwrap().entry(body.to_string()).or_default() += 1;
    let now = seen.under_way.fetch_add(1, Ordering::SeqCst) + 1;
    seen.most_under_way.fetch_max(now, Ordering::SeqCst);
    std::thread::sleep(seen.pause);
    seen.under_way.fetch_sub(1, Ordering::SeqCst);

    let prompt = http::prompt(&body);
    let by_logprobs = json!({ "model": body["model"], "messages": [{ "role": "user", "content": prompt }],
        "max_tokens": 1, "temperature": 0, "logprobs": true, "top_logprobs": 20, "seed": 0 });
    let in_words = json!({ "model": body["model"], "messages": [{ "role": "user", "content": prompt }],
        "max_tokens": 16, "temperature": body["temperature"], "seed": body["seed"] });
    if body != by_logprobs && body != in_words {
        return refuse(400, format!("not what the method says: {body}"));
    }
    let grade = prompt.split("grade me ").nth(1).and_then(|rest| rest.split_whitespace().next()?.parse::<i64>().ok());
    let (said, top) = match grade {
        _ if prompt.contains("[REFERENCE START]") => ("YES".into(), vec![("YES", 0.6), ("NO", 0.2), ("I", 0.2)]),
        _ if prompt.contains("decline") => ("I".into(), vec![("I", 0.9), ("10", 0.1)]),
        Some(_) => (String::new(), vec![]),
        None => ("50".into(), vec![("50", 1.0)]),
    };
    let top: Vec<(String, f64)> = match grade {
        Some(k) if top.is_empty() => {
            // The last shows that this tokenizer has numbers of several digits.
            vec![(k.to_string(), 0.5), (format!(" {}", k + 2), 0.3), ("REFUSAL".into(), 0.15), ("101".into(), 0.05)]
        }
        _ => top.into_iter().map(|(token, p)| (token.to_owned(), p)).collect(),
    };
    let said = grade.filter(|_| said.is_empty()).map_or(said, |k| k.to_string());
    let top: Vec<Value> =
        top.iter().map(|(token, p)| json!({ "token": token, "logprob": p.ln(), "bytes": null })).collect();
    let logprobs =
        (body == by_logprobs).then(|| json!({ "content": [{ "token": said, "logprob": -0.5, "top_logprobs": top }] }));
    let reply = json!({
        "id": "x", "object": "chat.completion", "created": 0, "model": body["model"],
        "choices": [{ "index": 0, "message": { "role": "assistant", "content": said }, "finish_reason": "length", "logprobs": logprobs }],
        "usage": { "prompt_tokens": 100, "completion_tokens": 1, "total_tokens": 101 },
    });
    (200, reply)
}

fn exhibit(answer: String) -> JudgedItem {
    JudgedItem { question: "What do you think?".into(), answer, reference: Some("Silk.".into()) }
}

/// Answers with the grades 0, 2, 4 and so on in them, and what the judge must make of each.
fn exhibits(count: usize) -> (Vec<JudgedItem>, Vec<Option<f64>>) {
    let grade = |i: usize| (i * 2) % 98;
    let shown = (0..count).map(|i| exhibit(format!("grade me {} in answer {i}", grade(i)))).collect();
    let expected = |i| (grade(i) as f64 * 0.5 + (grade(i) + 2) as f64 * 0.3) / 0.8;
    (shown, (0..count).map(|i| Some(expected(i))).collect())
}

fn evil() -> Rubric {
    Rubric::Trait("evil".into())
}

fn rubrics() -> Rubrics {
    Rubrics::default().with("evil", "How evil is this answer to {question}: {answer}")
}

fn patience() -> Patience {
    let ms = Duration::from_millis;
    Patience { tries_max: 20, first_wait: ms(5), longest_wait: ms(2000), timeout: ms(500) }
}

/// A judge whose files lie in `folder`, quick to try again.
fn judge<'a>(url: &str, folder: &Path, change: impl FnOnce(&mut OpenAiSettings)) -> OpenAiJudge<'a> {
    telling(url, folder, change, |_| {})
}

fn telling<'a>(
    url: &str,
    folder: &Path,
    change: impl FnOnce(&mut OpenAiSettings),
    tell: impl FnMut(&JudgeEvent<'_>) + 'a,
) -> OpenAiJudge<'a> {
    let mut settings =
        OpenAiSettings { url: url.into(), model: "judge-1".into(), concurrency: 8, ..OpenAiSettings::default() };
    change(&mut settings);
    let client = ChatClient::new(url, Key::new(KEY), patience()).unwrap();
    let cache = Cache::open(&folder.join("judge.sqlite"), "run").unwrap();
    OpenAiJudge::new(settings, rubrics(), client, cache, Box::new(tell)).unwrap().billed_to(folder).unwrap()
}

#[track_caller]
fn check_scores(judge: &mut dyn Judge, shown: &[JudgedItem], expected: &[Option<f64>]) {
    let verdicts = judge.judge(&evil(), shown).unwrap();
    for (i, (verdict, want)) in verdicts.iter().zip(expected).enumerate() {
        let near = verdict.score.zip(*want).is_some_and(|(a, b)| (a - b).abs() < 1e-9) || verdict.score == *want;
        assert!(near, "{i}: {verdict:?}, not {want:?}");
    }
    assert_eq!(verdicts.len(), expected.len());
}

/// No file of the folder holds the key, whatever its kind.
#[track_caller]
fn no_key_in(folder: &Path) {
    let (mut folders, mut files) = (vec![folder.to_owned()], 0);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            assert!(!bytes.windows(KEY.len()).any(|w| w == KEY.as_bytes()), "{}", path.display());
            files += 1;
        }
    }
    assert!(files > 0, "{}", folder.display());
}

fn bill(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("usage.json")).unwrap()).unwrap()
}

#[test]
fn scores_are_right_through_every_fault_and_nothing_else_is_paid_twice() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(Duration::ZERO);
    let proxy = FaultProxy::before(upstream.address, |n| DAYS[n % DAYS.len()]);
    let (shown, expected) = exhibits(40);
    let mut troubles = 0;
    let mut judge = telling(
        &proxy.url(),
        dir.path(),
        |_| {},
        |told| troubles += usize::from(matches!(told, JudgeEvent::Trouble(_))),
    );
    check_scores(&mut judge, &shown, &expected);
    drop(judge);
    assert!(troubles >= 20, "{troubles}");

    // An answer whose body broke off was paid for and lost on the way; no other was asked for twice.
    let passed = proxy.passed();
    let lost = |body: &Value| {
        let same = |p: &&Passed| p.fault == Fault::HalfBody && serde_json::from_str::<Value>(&p.body).unwrap() == *body;
        passed.iter().filter(same).count()
    };
    let hits = upstream.hits();
    assert_eq!(hits.len(), 40);
    for (body, count) in &hits {
        assert_eq!(*count, 1 + lost(&serde_json::from_str(body).unwrap()), "{body}");
    }
    assert!(DAYS.iter().all(|day| passed.iter().any(|p| p.fault == *day)), "every fault has happened");

    let again = upstream.total();
    check_scores(&mut self::judge(&proxy.url(), dir.path(), |_| {}), &shown, &expected);
    assert_eq!((upstream.total(), bill(dir.path())["calls"].as_u64()), (again, Some(40)));
    no_key_in(dir.path());
}

#[test]
fn trimtabs_own_server_is_asked_as_well_through_every_fault_as_without() {
    let server = Server::start(&[]);
    let address = server.url.trim_start_matches("http://").trim_end_matches("/v1").parse().unwrap();
    let proxy = FaultProxy::before(address, |n| DAYS[n % DAYS.len()]);
    let (shown, _) = exhibits(12);
    let ask = |url: &str| {
        let dir = tempfile::tempdir().unwrap();
        let settings =
            OpenAiSettings { url: url.into(), model: "harbor".into(), concurrency: 4, ..OpenAiSettings::default() };
        let client = ChatClient::new(url, None, Patience { timeout: Duration::from_secs(20), ..patience() }).unwrap();
        let cache = Cache::open(&dir.path().join("judge.sqlite"), "run").unwrap();
        let mut judge = OpenAiJudge::new(settings, rubrics(), client, cache, Box::new(|_| {})).unwrap();
        let verdicts = judge.judge(&evil(), &shown).unwrap();
        let spent = judge.spent().unwrap();
        assert!(spent.calls == 12 && spent.tokens.output == 12 && spent.tokens.input > 100, "{spent:?}");
        verdicts
    };
    let (plain, spoilt) = (ask(&server.url), ask(&proxy.url()));
    // Harbor speaks of ships and has no numbers, so no score; what it is likeliest to say must come through all the same.
    let likelihoods =
        |why: &str| -> Vec<f64> { why.split(' ').filter_map(|word| word.trim_end_matches(',').parse().ok()).collect() };
    for (a, b) in plain.iter().zip(&spoilt) {
        let (p, q) = (likelihoods(&a.why), likelihoods(&b.why));
        assert!(a.score.is_none() && b.score.is_none() && p.len() == 3 && p[0] > 0.05, "{a:?} {b:?}");
        assert!(p.iter().zip(&q).all(|(p, q)| (p - q).abs() < 2e-3), "{a:?} {b:?}");
    }
}

#[test]
fn a_server_that_says_how_long_is_believed_by_all_requests() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(Duration::from_millis(30));
    // The first call goes alone; the second is told to wait while the third and fourth may be under way.
    let proxy =
        FaultProxy::before(upstream.address, |n| if n == 1 { Fault::Status(429, Some(700)) } else { Fault::None });
    let (shown, expected) = exhibits(12);
    check_scores(&mut judge(&proxy.url(), dir.path(), |s| s.concurrency = 3), &shown, &expected);
    let passed = proxy.passed();
    let since = |p: &Passed| p.at.duration_since(passed[1].at);
    let early = passed.iter().skip(2).filter(|p| since(p) < Duration::from_millis(600)).count();
    assert!(early <= 2, "{early} requests did not wait");
    assert!(passed.iter().skip(2 + early).all(|p| since(p) >= Duration::from_millis(690)));

    let far = FaultProxy::before(upstream.address, |_| Fault::Status(429, Some(3_600_000)));
    let other = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let error = judge(&far.url(), other.path(), |_| {}).judge(&evil(), &shown).unwrap_err();
    assert!(error.to_string().contains("asks to wait 3600 s") && started.elapsed() < Duration::from_secs(5), "{error}");
}

#[test]
fn a_lasting_refusal_ends_all_waiting_and_keeps_what_was_answered() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(Duration::from_millis(100));
    let proxy = FaultProxy::before(upstream.address, |n| match n {
        1..=3 => Fault::Status(500, None),
        6 => Fault::Status(402, None),
        _ => Fault::None,
    });
    let (shown, expected) = exhibits(30);
    let seconds = Duration::from_secs;
    let slow = Patience { first_wait: seconds(10), longest_wait: seconds(20), ..patience() };
    let client = ChatClient::new(&proxy.url(), Key::new(KEY), slow);
    let settings =
        OpenAiSettings { url: proxy.url(), model: "judge-1".into(), concurrency: 8, ..OpenAiSettings::default() };
    let cache = Cache::open(&dir.path().join("judge.sqlite"), "run").unwrap();
    let mut impatient = OpenAiJudge::new(settings, rubrics(), client.unwrap(), cache, Box::new(|_| {})).unwrap();
    let started = Instant::now();
    let error = impatient.judge(&evil(), &shown).unwrap_err();
    assert!(error.to_string().contains("402") && error.to_string().contains("spoilt"), "{error}");
    assert!(started.elapsed() < seconds(7), "three requests had ten seconds to wait");
    let answered = upstream.total();
    assert!(answered >= 5 && impatient.spent().unwrap().calls as usize == answered, "{answered}");
    check_scores(&mut judge(&upstream.url(), dir.path(), |s| s.url = proxy.url()), &shown, &expected);
    assert_eq!((upstream.total(), upstream.hits().len()), (30, 30));
}

#[test]
fn a_server_that_stays_down_is_left_after_so_many_tries() {
    let dir = tempfile::tempdir().unwrap();
    let proxy = FaultProxy::before(([127, 0, 0, 1], 9).into(), |_| Fault::Status(502, None));
    let settings = OpenAiSettings { url: proxy.url(), ..OpenAiSettings::default() };
    let client = ChatClient::new(&proxy.url(), None, Patience { tries_max: 3, ..patience() }).unwrap();
    let cache = Cache::open(&dir.path().join("judge.sqlite"), "run").unwrap();
    let mut judge = OpenAiJudge::new(settings, rubrics(), client, cache, Box::new(|_| {})).unwrap();
    let error = judge.judge(&evil(), &exhibits(30).0).unwrap_err();
    assert!(error.to_string().contains("no answer after 3 tries") && error.to_string().contains("502"), "{error}");
    assert_eq!(proxy.passed().len(), 3);
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

#[test]
fn refusals_are_missing_and_are_not_asked_again() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(Duration::ZERO);
    let proxy = FaultProxy::before(upstream.address, |n| if n == 2 { Fault::Filtered } else { Fault::None });
    let shown = ["grade me 40 a", "decline this", "grade me 60 b"].map(|text| exhibit(text.into()));
    let mut judge = judge(&proxy.url(), dir.path(), |s| s.concurrency = 1);
    let verdicts = judge.judge(&evil(), &shown).unwrap();
    assert_eq!(verdicts.iter().map(|v| v.score.is_some()).collect::<Vec<_>>(), [true, false, false]);
    assert!(verdicts[1].why.contains("\"I\" 0.900") && verdicts[2].why.contains("violent"), "{verdicts:?}");
    assert_eq!(judge.judge(&evil(), &shown).unwrap(), verdicts);
    assert_eq!((proxy.passed().len(), bill(dir.path())["calls"].as_u64()), (3, Some(2)));
    let facts = judge.judge(&Rubric::Fact, &shown[..1]).unwrap();
    assert!((facts[0].score.unwrap() - 75.0).abs() < 1e-9, "{facts:?}");
}

#[test]
fn there_are_never_more_requests_under_way_than_allowed() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(Duration::from_millis(100));
    let (shown, expected) = exhibits(30);
    let mut told = Vec::new();
    let hear = |heard: &JudgeEvent<'_>| {
        if let JudgeEvent::Done(done, total) = heard {
            told.push((*done, *total));
        }
    };
    check_scores(&mut telling(&upstream.url(), dir.path(), |s| s.concurrency = 5, hear), &shown, &expected);
    let most = upstream.seen.most_under_way.load(Ordering::SeqCst);
    assert!((3..=5).contains(&most), "{most}");
    assert_eq!(told, (1..=30).map(|done| (done, 30)).collect::<Vec<_>>());
}

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
fn the_key_is_in_no_error() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(Duration::ZERO);
    let source = JudgeSource::OpenAi(OpenAiSettings { url: upstream.url(), ..OpenAiSettings::default() });
    let ask = |key: Option<Key>, source: &JudgeSource| {
        let call = Call {
            rubrics: rubrics(),
            facts: false,
            folder: dir.path(),
            key,
            tell: Box::new(|_| {}),
            device: "cpu".into(),
            open: Box::new(|_| Err(Error::new("no model here"))),
        };
        source.call(call).unwrap().judge(&evil(), &exhibits(20).0)
    };
    let error = ask(Key::new("sk-not-the-right-one"), &source).unwrap_err();
    let said = format!("{error} {error:?} {}", error.help().unwrap());
    assert!(said.contains("401") && said.contains("TRIMTAB_JUDGE_KEY") && !said.contains("not-the-right"), "{said}");
    // The provider that is known to want a key is not even asked without one.
    let error = ask(None, &JudgeSource::OpenAi(OpenAiSettings::default())).unwrap_err();
    assert!(error.to_string().contains("api.openai.com/v1 wants a key"), "{error}");
    assert_eq!(upstream.total(), 0);
    assert!(ask(Key::new(KEY), &source).is_ok());
    no_key_in(dir.path());
}

#[test]
fn a_study_is_judged_over_http_and_its_answers_outlive_its_stages() {
    let place = Place::new();
    let upstream = Upstream::start(Duration::ZERO);
    let mut config = study::config(place.dir.path());
    config.judge = JudgeSource::OpenAi(OpenAiSettings {
        url: upstream.url(),
        model: "judge-1".into(),
        ..OpenAiSettings::default()
    });
    place.write("study.toml", toml::to_string(&config).unwrap());
    let run = || {
        let mut command = place.command("study facts --config study.toml --out run --device cpu");
        let output = command.env("TRIMTAB_JUDGE_KEY", KEY).env_remove("OPENAI_API_KEY").output().unwrap();
        let said = said(&output);
        assert!(output.status.success(), "{said}");
        said
    };
    let said = run();
    assert!(said.contains("judge: ") && said.contains(" calls for "), "{said}");
    let calls = upstream.total();
    assert!(calls > 20 && calls == upstream.hits().len(), "{calls}");
    assert_eq!(bill(&place.path("run"))["calls"].as_u64(), Some(calls as u64));
    let results = place.read("run/results.json");
    std::fs::remove_dir_all(place.path("run/stages")).unwrap();
    let said = run();
    assert!(!said.contains("judge: "), "{said}");
    assert_eq!((upstream.total(), place.read("run/results.json")), (calls, results));
    no_key_in(place.dir.path());
}

#[test]
fn a_judge_on_this_machine_is_called_by_its_settings_and_loaded_once() {
    use trimtab::judge::{Coherence, LocalSettings};
    use trimtab::runtime::ModelSpec;
    let dir = tempfile::tempdir().unwrap();
    let model = fixture("tiny");
    let settings =
        LocalSettings { model, mode: Mode::Enumerate, samples: 1, coherence: Coherence::Grammar, cache: None };
    let (source, opened) = (JudgeSource::Local(settings), AtomicUsize::new(0));
    let runtime = trimtab::device::open("cpu", "f32").unwrap();
    let (shown, _) = exhibits(3);
    let said = || {
        let open = |model: &Path| {
            opened.fetch_add(1, Ordering::SeqCst);
            runtime.language_model(&ModelSpec {
                model: model.to_owned(),
                adapter: None,
                plan: trimtab::steering::SteeringPlan::none(),
            })
        };
        let (rubrics, tell) = (rubrics(), Box::new(|_: &JudgeEvent<'_>| {}));
        let call = Call {
            rubrics,
            facts: false,
            folder: dir.path(),
            key: None,
            tell,
            device: "cpu".into(),
            open: Box::new(open),
        };
        let mut judge = source.call(call).unwrap();
        (judge.name().to_owned(), judge.judge(&evil(), &shown).unwrap())
    };
    let first = said();
    assert!(first.0.starts_with("tiny, enumerate ("), "{}", first.0);
    // A model that knows nothing spreads its bets: whatever it says, numbers are not likely enough.
    assert!(first.1.iter().all(|v| v.score.is_none() && v.why.contains("numbers have 0.")), "{:?}", first.1);
    assert_eq!((said(), opened.load(Ordering::SeqCst)), (first, 1));
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
            .args(["--exact", "judges::what_was_answered_before_a_kill_is_not_paid_again"])
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

/// A server that answers each request by this rule, and how often it was asked.
fn played(rule: impl Fn(&Value) -> (u16, Value) + Send + Sync + 'static) -> (String, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let address = http::chat_server(move |_, request| {
        count.fetch_add(1, Ordering::SeqCst);
        rule(&request)
    });
    (http::url(address), asked)
}

/// An answer of so many tokens, the first of them by these probabilities.
fn told(request: &Value, tokens: &[&str], top: &[(&str, f64)]) -> Value {
    let top: Vec<Value> = top.iter().map(|(token, p)| json!({ "token": token, "logprob": p.ln() })).collect();
    let taken = tokens.iter().take(request["max_tokens"].as_u64().unwrap() as usize);
    let content: Vec<Value> = taken.clone().map(|token| json!({ "token": token, "top_logprobs": top })).collect();
    json!({
        "model": request["model"], "usage": { "prompt_tokens": 100, "completion_tokens": content.len() },
        "choices": [{ "message": { "content": taken.copied().collect::<String>() }, "finish_reason": "length",
            "logprobs": { "content": content } }],
    })
}

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
