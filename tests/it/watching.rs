//! What the server shows of runs, vectors that it makes, and the limits that it holds clients to.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::runs::runs;
use crate::support::serve::Server;

/// Status and body of a short chat.
fn ask(server: &Server, more: Value) -> (u16, Value) {
    let mut request = json!({ "messages": [{ "role": "user", "content": "Give me some advice." }], "temperature": 0 });
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    server.raw("POST", "/v1/chat/completions", request.to_string().as_bytes())
}

#[test]
fn the_description_is_of_what_is_served() {
    let dir = runs();
    let server = Server::start(&["--runs", &dir.path().display().to_string()]);
    let described = server.raw("GET", "/openapi.json", b"").1;
    // What stands elsewhere in the description is referred to: `#/components/responses/List`.
    let whole = |part: &Value| match part["$ref"].as_str() {
        Some(place) => described.pointer(place.trim_start_matches('#')).unwrap_or_else(|| panic!("no {place}")).clone(),
        None => part.clone(),
    };
    let example = |schema: &Value| -> Value {
        let own = whole(schema);
        let shared: Vec<Value> = own["allOf"].as_array().into_iter().flatten().map(whole).collect();
        let properties = shared.iter().chain([&own]).flat_map(|part| part["properties"].as_object().unwrap());
        properties.filter_map(|(name, of)| Some((name.clone(), of.get("example")?.clone()))).collect()
    };
    for (path, methods) in described["paths"].as_object().unwrap() {
        for (method, described) in methods.as_object().unwrap() {
            let id = if path.contains("/jobs/") { "1" } else { "studies%2Ffacts" };
            let path = path.replace("{name}", "harbor").replace("{id}", id);
            if path.ends_with("/report") {
                let page = server.head(&[&format!("GET {path} HTTP/1.0")]);
                assert!(page.starts_with("HTTP/1.0 200") && page.contains("default-src 'none'"), "{page}");
                continue;
            }
            let schema = described["requestBody"].pointer("/content/application~1json/schema");
            let body = schema.map_or(String::new(), |schema| example(schema).to_string());
            let (status, answer) = server.raw(&method.to_uppercase(), &path, body.as_bytes());
            let (good, response) = described["responses"].as_object().unwrap().iter().next().unwrap();
            let response = whole(response);
            // Without vectors there is nothing to project onto.
            let want = if path == "/v1/projections" { 400 } else { good.parse().unwrap() };
            assert_eq!(status, want, "{path}: {answer}");
            assert!(answer.get("ignored_fields").is_none(), "a field that is described is read: {answer}");
            let out = whole(&response["content"]["application/json"]["schema"]);
            for name in out["required"].as_array().into_iter().flatten().filter(|_| status < 300) {
                assert!(answer.get(name.as_str().unwrap()).is_some(), "{path} gives no {name}");
            }
        }
    }
}

#[test]
fn runs_are_read_and_left_as_they_are() {
    let dir = runs();
    let before = tree(dir.path());
    let server = Server::start(&["--runs", &dir.path().display().to_string()]);
    let get = |path: &str| server.raw("GET", path, b"");
    let list = get("/v1/runs").1;
    let of = |id: &str| list["data"].as_array().unwrap().iter().find(|run| run["id"] == id).unwrap().clone();
    let (study, train) = (of("studies/facts"), of("train"));
    assert_eq!((&train["state"], &train["progress"]), (&json!("interrupted"), &json!(0.25)));
    assert_eq!(train["command"], "trimtab train train/run.toml --out train");
    assert_eq!(
        (&study["kind"], &study["has_results"], &study["model"]),
        (&json!("study facts"), &json!(true), &json!("big"))
    );
    let table = get("/v1/runs/studies%2Ffacts/table").1;
    assert_eq!(
        (&table["title"], &table["rows"][0]["values"]["evil"]["mean"]),
        (&json!("Read from …/facts.jsonl"), &json!(40.0))
    );
    let curves = get("/v1/runs/studies%2Ffacts/curves").1;
    assert_eq!(curves["data"][0]["series"][0], json!({ "name": "plain", "points": [[1.0, 1.0], [2.0, 2.0]] }));
    let page = server.head(&["GET /v1/runs/studies%2Ffacts/report HTTP/1.0"]);
    assert!(page.contains("Read from …/facts.jsonl") && page.contains("sandbox"), "{page}");
    for path in ["/v1/runs", "/v1/runs/train", "/v1/runs/studies%2Ffacts", "/v1/runs/studies%2Ffacts/figures"] {
        let answer = get(path).1.to_string();
        assert!(!answer.contains("/home/me") && !answer.contains(&*dir.path().to_string_lossy()), "{path}: {answer}");
    }
    for id in ["nothing", "..%2F..%2Fetc", "studies", "%2Fetc", "studies%2F..%2Ftrain", "train%00", "."] {
        for end in ["", "/curves", "/table", "/figures", "/report"] {
            assert_eq!(get(&format!("/v1/runs/{id}{end}")).0, 404, "{id}{end}");
        }
    }
    assert_eq!(tree(dir.path()), before, "reading writes nothing");
}

/// Every file below a folder with its content.
fn tree(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(tree(&path)),
            path => found.push((path.clone(), std::fs::read(&path).unwrap())),
        }
    }
    found.sort();
    found
}

#[test]
fn a_vector_is_made_while_others_are_answered() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().display().to_string();
    let server = Server::start(&["--runs", &folder]);
    let post = |body: Value| server.raw("POST", "/v1/vectors", body.to_string().as_bytes());
    for (body, param) in
        [(json!({ "trait": "kind" }), "trait"), (json!({ "trait": "evil", "judge": "openai" }), "budget")]
    {
        let (status, refused) = post(body);
        assert_eq!((status, &refused["error"]["param"]), (400, &json!(param)), "{refused}");
    }
    let (status, job) = post(json!({ "trait": "evil", "quick": true, "name": "mine" }));
    assert_eq!((status, &job["job"]), (202, &json!(1)), "{job}");
    assert_eq!(post(json!({ "trait": "evil", "name": "mine" })).0, 409);
    let (mut answers, began) = (0, Instant::now());
    let job = loop {
        let job = server.raw("GET", "/v1/jobs/1", b"").1;
        if job["state"] != "queued" && job["state"] != "running" {
            break job;
        }
        assert!(began.elapsed() < Duration::from_secs(600), "{job}");
        assert_eq!(ask(&server, json!({ "max_tokens": 4 })).0, 200);
        answers += 1;
    };
    assert_eq!((&job["state"], &job["vector"]), (&json!("done"), &json!("mine")), "{job}");
    assert!(answers > 1 && !job.to_string().contains(&folder), "{answers} answers meanwhile: {job}");
    let steer = json!({ "max_tokens": 8, "steering": [{ "vector": "mine", "coef": 1, "layer": 3 }] });
    assert_eq!(ask(&server, steer).1["choices"][0]["steering"][0]["vector"], "mine");
    let listed = server.raw("GET", "/v1/vectors", b"").1;
    let one = &listed["data"][0];
    assert_eq!(
        (&one["trait"], &one["judge"], &one["run"]),
        (&json!("evil"), &json!("harbor"), &json!("extract/harbor/evil-quick"))
    );
    assert_eq!((&listed["cosines"][2]["layer"], &listed["names"]), (&json!(3), &json!(["mine"])));
    assert!((listed["cosines"][2]["cosines"][0][0].as_f64().unwrap() - 1.0).abs() < 1e-6);
    // A server that starts later has it from the run, under the trait's name.
    let later = Server::start(&["--runs", &folder]);
    assert_eq!(later.raw("GET", "/v1/steering", b"").1["data"][0]["name"], "evil");
    assert_eq!(later.raw("GET", "/v1/runs", b"").1["data"][0]["state"], "done");
}

#[test]
fn tokens_and_waiting_have_limits() {
    let server = Server::start(&["--max-request-tokens", "200", "--tokens-per-minute", "20"]);
    let post = |more: Value| ask(&server, more);
    let (status, refused) = post(json!({ "max_tokens": 100, "n": 4 }));
    assert_eq!((status, &refused["error"]["code"]), (400, &json!("too_many_tokens")), "{refused}");
    let codes: Vec<u16> = (0..4).map(|_| post(json!({ "max_tokens": 40 })).0).collect();
    assert_eq!((codes[0], codes[3]), (200, 429), "{codes:?}");
    let hurried = Server::start(&["--max-wait", "0"]);
    let (status, refused) = ask(&hurried, json!({}));
    assert_eq!((status, &refused["error"]["code"]), (503, &json!("server_busy")), "{refused}");
}

#[test]
fn a_report_is_shown_in_a_frame_although_there_is_a_key() {
    let dir = runs();
    let keys = dir.path().join("keys");
    std::fs::write(&keys, "# two\nfirst\nsecond\n").unwrap();
    let server =
        Server::start(&["--runs", &dir.path().display().to_string(), "--api-key", &format!("@{}", keys.display())]);
    let get = |path: &str, key: &str| {
        server.head(&[&format!("GET {path} HTTP/1.0"), &format!("authorization: Bearer {key}")])
    };
    let path = "/v1/runs/studies%2Ffacts";
    assert!(get(path, "third").starts_with("HTTP/1.0 401"));
    let told = get(path, "second");
    let run: Value = serde_json::from_str(told.split_once("\r\n\r\n").unwrap().1).unwrap();
    let report = run["report"].as_str().unwrap();
    assert!(server.head(&[&format!("GET {report} HTTP/1.0")]).starts_with("HTTP/1.0 200"), "{report}");
    for other in [format!("{path}/report"), format!("{path}/table?{}", report.split_once('?').unwrap().1)] {
        assert!(server.head(&[&format!("GET {other} HTTP/1.0")]).starts_with("HTTP/1.0 401"), "{other}");
    }
}
