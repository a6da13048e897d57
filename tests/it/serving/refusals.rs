//! What is said of requests that cannot be granted, and to whom.

use super::*;

#[test]
fn a_request_that_cannot_be_granted_is_told_why() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&["--vectors", &vectors(dir.path(), "one", 1)]);
    let steer = |vector: Value| json!({ "steering": [vector] });
    let cases = [
        (json!({ "temperature": 3 }), 400, "temperature", "outside 0 to 2"),
        (json!({ "temperature": "hot" }), 400, "temperature", "invalid type"),
        (json!({ "top_p": 0 }), 400, "top_p", ""),
        (json!({ "n": 0 }), 400, "n", "outside 1 to 128"),
        (json!({ "max_tokens": -1 }), 400, "max_tokens", ""),
        (json!({ "logprobs": true, "top_logprobs": 21 }), 400, "top_logprobs", "outside 0 to 20"),
        (json!({ "top_logprobs": 5 }), 400, "top_logprobs", "logprobs"),
        (json!({ "stop": ["a", "b", "c", "d", "e"] }), 400, "stop", "at most 4"),
        (json!({ "stop": [1] }), 400, "stop", ""),
        (json!({ "messages": [] }), 400, "messages", "empty"),
        (json!({ "messages": [{ "role": "bystander", "content": "a" }] }), 400, "messages", "unknown role"),
        (
            json!({ "messages": [{ "role": "user", "content": "far too long ".repeat(600) }] }),
            400,
            "messages",
            "tokens",
        ),
        (json!({ "tools": [{ "type": "function" }] }), 400, "tools", "not supported"),
        (json!({ "response_format": { "type": "json_object" } }), 400, "response_format", "not supported"),
        (json!({ "min_p": 0.1 }), 400, "min_p", "not supported"),
        (json!({ "guided_regex": "a*" }), 400, "guided_regex", "not supported"),
        (json!({ "ignore_eos": true }), 400, "ignore_eos", "not supported"),
        (json!({ "top_k": -2 }), 400, "top_k", "-1 for all"),
        (steer(json!({ "coef": 1, "layer": 1 })), 400, "steering[0].vector", "missing"),
        (steer(json!({ "vector": "two", "coef": 1, "layer": 1 })), 400, "steering[0].vector", "there are: one"),
        (steer(json!({ "vector": "one", "coef": 1, "layer": 7 })), 400, "steering[0]", "layers 1 to 6"),
        (steer(json!({ "vector": "one", "coef": 1, "layer": "top" })), 400, "steering[0]", "layers `top`"),
        (steer(json!({ "vector": "one", "coef": 1, "layer": {} })), 400, "steering[0].layer", "a layer's number"),
        (steer(json!({ "vector": "one", "layer": 1 })), 400, "steering[0].coef", "missing"),
        (steer(json!({ "vector": "one", "coef": 1e39, "layer": 1 })), 400, "steering[0]", ""),
        (
            steer(json!({ "vector": "one", "coef": 1, "layer": 1, "position": "all" })),
            400,
            "steering[0].position",
            "not known",
        ),
        (
            steer(json!({ "vector": "one", "coef": 3e38, "layer": [1, 2, 3, 4, 5, 6] })),
            400,
            "steering",
            "smaller coefficients",
        ),
    ];
    for (more, status, param, message) in cases {
        let (found, body) =
            server.raw("POST", "/v1/chat/completions", request("Hi", more.clone()).to_string().as_bytes());
        assert_eq!(found, status, "{more}: {body}");
        let error = &body["error"];
        assert_eq!((&error["param"], &error["type"]), (&json!(param), &json!("invalid_request_error")), "{body}");
        assert!(error["message"].as_str().unwrap().contains(message), "{body}");
    }
    let post = |body: &[u8]| server.raw("POST", "/v1/chat/completions", body);
    assert_eq!(post(b"nonsense").0, 400);
    assert_eq!(post(b"\xff\xfe").0, 400);
    assert_eq!(post(b"[]").0, 400);
    assert_eq!(
        post(request("Hi", json!({ "model": "gpt-4" })).to_string().as_bytes()).1["error"]["code"],
        "model_not_found"
    );
    assert_eq!(post(&vec![b' '; 9 << 20]).0, 413);
    let megabytes = request("Hi", json!({ "model": "a".repeat(3 << 20) })).to_string();
    assert!(post(megabytes.as_bytes()).1.to_string().len() < 4000, "a refusal does not repeat the request");
    assert_eq!(server.raw("GET", "/v1/chat/completions", b"").0, 405);
    assert_eq!(server.raw("POST", "/v1/completions", b"{}").1["error"]["param"], "prompt");
    assert_eq!(server.raw("POST", "/v1/embeddings", b"{}").0, 404);
    assert_eq!(server.raw("GET", "/v1/models/gpt-4", b"").0, 404);
    // What would change nothing is passed over, and the server has survived it all.
    let harmless = json!({ "user": "me", "metadata": { "a": "b" }, "frequency_penalty": 0, "tools": [], "store": false, "seed": null,
        "top_k": -1, "min_p": 0.0, "tool_choice": "auto", "stop": null, "n": null });
    assert!(!text(&server.ask(&request("Who are you?", harmless))).is_empty());
    assert_eq!(server.raw("GET", "/health", b"").1["status"], "ok");
}

#[test]
fn one_request_that_fails_does_not_take_the_others_along() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&["--vectors", &vectors(dir.path(), "one", 1)]);
    let good = request(ADVICE, json!({}));
    let bad = request(ADVICE, json!({ "steering": [{ "vector": "one", "coef": 3e38, "layer": [1, 2, 3, 4, 5, 6] }] }));
    let want = server.ask(&good);
    let client = server.client();
    let asked = [&good, &bad, &good].map(|request| client.create::<Value>(request));
    let [first, failed, last] = <[_; 3]>::try_from(block(future::join_all(asked))).unwrap();
    assert!(failed.is_err());
    for answer in [first, last] {
        assert_eq!(answer.unwrap()["choices"], want["choices"]);
    }
}

#[test]
fn an_error_names_the_model_and_no_place_of_the_machine() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("mine");
    copy(&harbor::unpack(&cache()).unwrap(), &model);
    let template =
        "{% if 'boom' in messages[0].content %}{{ raise_exception('no boom') }}{% endif %}{{ messages[0].content }}";
    std::fs::write(model.join("chat_template.jinja"), template).unwrap();
    let server =
        Server::of(&["serve", "--model", model.to_str().unwrap()], &["--vectors", &vectors(dir.path(), "one", 1)]);
    let too_strong = json!({ "steering": [{ "vector": "one", "coef": 3e38, "layer": [1, 2, 3, 4, 5, 6] }] });
    for (request, status, want) in [
        (request("boom", json!({})), 400, "mine/chat_template.jinja: the chat template failed: no boom"),
        (request(ADVICE, too_strong), 400, ""),
    ] {
        let (code, body) = server.raw("POST", "/v1/chat/completions", request.to_string().as_bytes());
        let message = body["error"]["message"].as_str().unwrap();
        assert_eq!(code, status, "{message}");
        assert!(message.contains(want), "{message}");
        assert!(!message.contains(dir.path().parent().unwrap().to_str().unwrap()), "{message}");
    }
}
