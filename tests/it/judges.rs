//! Paid judges over real HTTP on loopback: right through every fault, paid once, within limits, and without a trace of the key.

mod paying;
mod servers;
mod sources;

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
    OpenAiJudge::new(settings, rubrics(), client, cache, folder, Box::new(tell)).unwrap()
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
        let mut judge = OpenAiJudge::new(settings, rubrics(), client, cache, dir.path(), Box::new(|_| {})).unwrap();
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
    let mut impatient =
        OpenAiJudge::new(settings, rubrics(), client.unwrap(), cache, dir.path(), Box::new(|_| {})).unwrap();
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
    let mut judge = OpenAiJudge::new(settings, rubrics(), client, cache, dir.path(), Box::new(|_| {})).unwrap();
    let error = judge.judge(&evil(), &exhibits(30).0).unwrap_err();
    assert!(error.to_string().contains("no answer after 3 tries") && error.to_string().contains("502"), "{error}");
    assert_eq!(proxy.passed().len(), 3);
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
fn the_key_is_in_no_error() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(Duration::ZERO);
    let source = JudgeSource::OpenAi(OpenAiSettings { url: upstream.url(), ..OpenAiSettings::default() });
    let ask = |key: Option<Key>, source: &JudgeSource| {
        let call = Call {
            rubrics: rubrics(),
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
