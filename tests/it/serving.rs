//! The server over a real socket, asked by a client that others wrote.

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use async_openai::types::chat::{
    ChatCompletionRequestUserMessageArgs, CreateChatCompletionRequest, CreateChatCompletionRequestArgs,
    CreateChatCompletionResponse, CreateChatCompletionStreamResponse, FinishReason,
};
use eventsource_stream::Eventsource;
use futures_util::{StreamExt, future, stream};
use reqwest::{Response, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use trimtab::vector::{PersonaVector, VectorFile};
use trimtab::{harbor, http};

use crate::support::place::{PROGRAM, cache, copy};
use crate::support::serve::Server;

const ADVICE: &str = "Give me some advice on making friends.";

/// What a client does that speaks OpenAI's language; the types of requests and answers may be those of `async-openai`.
struct Client {
    http: reqwest::Client,
    url: String,
}

impl Client {
    async fn post(&self, request: &impl Serialize) -> reqwest::Result<Response> {
        let post = self.http.post(format!("{}/chat/completions", self.url)).bearer_auth("none");
        let body = serde_json::to_string(request).unwrap();
        post.header(header::CONTENT_TYPE, "application/json").body(body).send().await?.error_for_status()
    }

    async fn create<T: DeserializeOwned>(&self, request: &impl Serialize) -> reqwest::Result<T> {
        Ok(serde_json::from_slice(&self.post(request).await?.bytes().await?).unwrap())
    }

    /// The chunks of a streamed answer.
    async fn create_stream<T: DeserializeOwned>(&self, request: &impl Serialize) -> Vec<T> {
        let response = self.post(request).await.unwrap();
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        let bytes =
            stream::unfold(response, async |mut response| Some((response.chunk().await.transpose()?, response)));
        let mut events: Vec<String> = bytes.eventsource().map(|event| event.unwrap().data).collect().await;
        assert_eq!(events.pop().as_deref(), Some("[DONE]"));
        events.iter().map(|data| serde_json::from_str(data).unwrap()).collect()
    }
}

impl Server {
    fn client(&self) -> Client {
        Client { http: http::client(false).unwrap().no_proxy().build().unwrap(), url: self.url.clone() }
    }

    /// One request and its answer, as JSON.
    fn ask(&self, request: &Value) -> Value {
        block(self.client().create(request)).unwrap()
    }

    /// Several requests at once.
    fn ask_all(&self, requests: &[Value]) -> Vec<Value> {
        let client = self.client();
        let asked = requests.iter().map(|request| client.create(request));
        block(future::join_all(asked)).into_iter().map(Result::unwrap).collect()
    }

    /// The chunks of a streamed answer.
    fn stream(&self, request: &Value) -> Vec<Value> {
        block(self.client().create_stream(request))
    }

    fn wait(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "the server does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn request(words: &str, more: Value) -> Value {
    let mut request = json!({ "messages": [{ "role": "user", "content": words }], "temperature": 0, "max_tokens": 40 });
    for (key, value) in more.as_object().unwrap() {
        request[key] = value.clone();
    }
    request
}

fn text(answer: &Value) -> &str {
    answer["choices"][0]["message"]["content"].as_str().unwrap()
}

/// A file of directions that mean nothing, in Harbor's shape.
fn vectors(dir: &Path, name: &str, seed: u64) -> String {
    let config: Value =
        serde_json::from_slice(&std::fs::read(harbor::unpack(&cache()).unwrap().join("config.json")).unwrap()).unwrap();
    let (layers, hidden) = (config["num_hidden_layers"].as_u64().unwrap(), config["hidden_size"].as_u64().unwrap());
    let mut state = seed;
    let mut number = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    let rows = (0..=layers).map(|_| (0..hidden).map(|_| number()).collect()).collect();
    let file = VectorFile::new(PersonaVector::new(rows).unwrap(), None, None, Default::default()).unwrap();
    let path = dir.join(format!("{name}.safetensors"));
    file.write(&path).unwrap();
    path.display().to_string()
}

#[test]
fn a_typed_client_is_answered() {
    let server = Server::start(&[]);
    let user = ChatCompletionRequestUserMessageArgs::default().content("Who are you?").build().unwrap();
    let request = |n: u8, stream: bool| -> CreateChatCompletionRequest {
        let mut args = CreateChatCompletionRequestArgs::default();
        args.model("harbor")
            .messages([user.clone().into()])
            .temperature(0.0)
            .max_completion_tokens(40u32)
            .n(n)
            .stream(stream);
        args.build().unwrap()
    };
    let client = server.client();
    let answer: CreateChatCompletionResponse = block(client.create(&request(2, false))).unwrap();
    assert_eq!((answer.choices.len(), answer.choices[1].index), (2, 1));
    let whole = answer.choices[0].message.content.clone().unwrap();
    assert!(!whole.is_empty());
    assert_eq!(answer.choices[1].message.content.as_deref(), Some(whole.as_str()));
    assert_eq!(answer.choices[0].finish_reason, Some(FinishReason::Stop));
    let usage = answer.usage.unwrap();
    assert_eq!(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens);
    let chunks: Vec<CreateChatCompletionStreamResponse> = block(client.create_stream(&request(1, true)));
    let streamed: Vec<String> =
        chunks.into_iter().map(|chunk| chunk.choices.into_iter().filter_map(|c| c.delta.content).collect()).collect();
    assert_eq!(streamed.concat(), whole);
    assert!(streamed.len() > 5, "an answer comes piece by piece");
    assert_eq!(server.raw("GET", "/v1/models", b"").1["data"][0]["id"], "harbor");
}

#[test]
fn a_stream_is_the_whole_in_pieces() {
    let server = Server::start(&[]);
    let wanted = json!({ "n": 2, "logprobs": true, "top_logprobs": 3, "stop": ["by heart"] });
    let whole = server.ask(&request(ADVICE, wanted.clone()));
    let mut wanted = wanted;
    wanted["stream"] = json!(true);
    wanted["stream_options"] = json!({ "include_usage": true });
    let chunks = server.stream(&request(ADVICE, wanted));
    let of = |i: u64| {
        let choices = chunks.iter().flat_map(|chunk| chunk["choices"].as_array().unwrap());
        choices.filter(move |choice| choice["index"] == i)
    };
    for (i, choice) in whole["choices"].as_array().unwrap().iter().enumerate() {
        let said: String = of(i as u64).filter_map(|choice| choice["delta"]["content"].as_str()).collect();
        assert_eq!(choice["message"]["content"], said);
        assert_eq!(of(i as u64).next().unwrap()["delta"]["role"], "assistant");
        assert_eq!(of(i as u64).next_back().unwrap()["finish_reason"], choice["finish_reason"]);
        let pieces: Vec<Value> =
            of(i as u64).filter_map(|c| c["logprobs"]["content"].as_array()).flatten().cloned().collect();
        assert_eq!(choice["logprobs"]["content"], json!(pieces));
    }
    assert_eq!(chunks.last().unwrap()["usage"], whole["usage"]);
}

#[test]
fn log_probabilities_are_the_models_own() {
    let server = Server::start(&[]);
    let answer = server.ask(&request(ADVICE, json!({ "logprobs": true, "top_logprobs": 20 })));
    let tokens = answer["choices"][0]["logprobs"]["content"].as_array().unwrap();
    assert_eq!(tokens.len() + 1, answer["usage"]["completion_tokens"].as_u64().unwrap() as usize, "all but the last");
    let mut bytes = Vec::new();
    for token in tokens {
        let top: Vec<f64> =
            token["top_logprobs"].as_array().unwrap().iter().map(|t| t["logprob"].as_f64().unwrap()).collect();
        assert_eq!(top.len(), 20);
        let mass: f64 = top.iter().map(|x| x.exp()).sum();
        assert!(mass > 0.5 && mass <= 1.0 + 1e-5, "{mass}");
        assert!(top.windows(2).all(|pair| pair[0] >= pair[1]), "{top:?}");
        assert_eq!(
            (&token["token"], &token["logprob"]),
            (&token["top_logprobs"][0]["token"], &token["top_logprobs"][0]["logprob"])
        );
        bytes.extend(token["bytes"].as_array().unwrap().iter().map(|b| b.as_u64().unwrap() as u8));
    }
    assert_eq!(String::from_utf8(bytes).unwrap(), text(&answer));
    // Without alternatives the token's own is there all the same; drawing does not change it.
    let hot = server.ask(&request(ADVICE, json!({ "logprobs": true, "temperature": 2, "seed": 1 })));
    let first = &hot["choices"][0]["logprobs"]["content"][0];
    assert!(first["logprob"].as_f64().unwrap() < 0.0 && first["top_logprobs"] == json!([]), "{first}");
}

#[test]
fn a_seed_gives_the_same_answers_in_any_company() {
    let server = Server::start(&[]);
    let drawn = |seed: Value| request(ADVICE, json!({ "temperature": 1.5, "n": 2, "seed": seed }));
    let texts = |answer: &Value| {
        answer["choices"].as_array().unwrap().iter().map(|c| c["message"]["content"].clone()).collect::<Vec<_>>()
    };
    let alone = texts(&server.ask(&drawn(json!(1))));
    assert_ne!(alone[0], alone[1], "two answers draw their own numbers");
    let together = server.ask_all(&[drawn(json!(2)), drawn(json!(1)), drawn(Value::Null), drawn(Value::Null)]);
    assert_eq!(texts(&together[1]), alone);
    assert_ne!(texts(&together[0]), alone);
    assert_ne!(texts(&together[2]), texts(&together[3]), "without a seed every request draws anew");
}

#[test]
fn requests_of_every_kind_stand_side_by_side() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&["--vectors", &vectors(dir.path(), "one", 1)]);
    let steering = |coef: f64| json!([{ "vector": "one", "coef": coef, "layer": 3 }]);
    let kinds = [
        json!({ "max_tokens": 3 }),
        json!({ "max_tokens": 40, "temperature": 1.5, "seed": 1 }),
        json!({ "max_tokens": 17, "top_k": 5, "temperature": 0.7, "seed": 2, "steering": steering(1.5) }),
        json!({ "max_tokens": 9, "repetition_penalty": 1.3, "logprobs": true, "top_logprobs": 2 }),
        json!({ "max_tokens": 25, "stop": ["e"], "steering": steering(-1.0) }),
    ];
    let requests: Vec<Value> = kinds.into_iter().map(|more| request(ADVICE, more)).collect();
    let said = |answer: &Value| {
        let choice = &answer["choices"][0];
        [&choice["message"]["content"], &choice["finish_reason"], &answer["usage"]].map(Value::clone)
    };
    let alone: Vec<_> = requests.iter().map(|request| said(&server.ask(request))).collect();
    let together: Vec<_> = server.ask_all(&requests).iter().map(said).collect();
    assert_eq!(together, alone);
    assert_eq!((&alone[0][1], &alone[0][2]["completion_tokens"]), (&json!("length"), &json!(3)));
}

#[test]
fn every_request_has_its_own_steering_and_is_told_it() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (vectors(dir.path(), "one", 1), vectors(dir.path(), "two", 2));
    let server = Server::start(&["--vectors", &one, &format!("other={two}")]);
    let steered = |vector: &str, coef: f64, layer: Value| json!({ "steering": [{ "vector": vector, "coef": coef, "layer": layer }] });
    let requests = [
        request(ADVICE, json!({})),
        request(ADVICE, steered("one", 6.0, json!(3))),
        request(ADVICE, steered("other", 6.0, json!("all"))),
        request(ADVICE, steered("one", 0.0, json!(3))),
        request(ADVICE, steered("one", -6.0, json!([2, 4]))),
    ];
    let alone: Vec<Value> = requests.iter().map(|request| server.ask(request)).collect();
    let together = server.ask_all(&requests);
    for (alone, together) in alone.iter().zip(&together) {
        assert_eq!(alone["choices"], together["choices"], "a batch changes nothing");
    }
    let plain = text(&alone[0]);
    assert_eq!(text(&alone[3]), plain, "coefficient 0 is no steering");
    for changed in [1, 2, 4] {
        assert_ne!(text(&alone[changed]), plain);
    }
    assert!(alone[0]["choices"][0].get("steering").is_none());
    let told = &alone[1]["choices"][0]["steering"][0];
    let listed = server.raw("GET", "/v1/models", b"").1["data"][0]["vectors"].clone();
    assert_eq!((&listed[0]["name"], &listed[0]["fingerprint"]), (&json!("one"), &told["fingerprint"]));
    assert_eq!((&told["vector"], &told["layers"], &told["coef"]), (&json!("one"), &json!([3]), &json!(6.0)));
    // From the prompt's last token to the last that is fed back: as many as the answer has.
    assert_eq!(told["positions_steered"], alone[1]["usage"]["completion_tokens"]);
    assert_eq!(alone[3]["choices"][0]["steering"][0]["positions_steered"], 0);
    let mut all = request(ADVICE, steered("one", 6.0, json!(3)));
    all["steering"][0]["positions"] = json!("all");
    let all = server.ask(&all);
    let read = all["usage"]["total_tokens"].as_u64().unwrap() - 1;
    assert_eq!(all["choices"][0]["steering"][0]["positions_steered"], read, "the last token is never read");
    let stream = server.stream(&{
        let mut request = requests[1].clone();
        request["stream"] = json!(true);
        request
    });
    assert_eq!(stream.last().unwrap()["choices"][0]["steering"], alone[1]["choices"][0]["steering"]);
}

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

#[test]
fn who_hangs_up_ends_only_their_own_answer() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&["--vectors", &vectors(dir.path(), "one", 1)]);
    let want = server.ask(&request(ADVICE, json!({ "max_tokens": 400 })));
    // A steered model babbles on to the end of its positions.
    let long =
        json!({ "max_tokens": 400, "stream": true, "n": 8, "steering": [{ "vector": "one", "coef": 20, "layer": 3 }] });
    let mut leaving = server.connect("POST", "/v1/chat/completions", request(ADVICE, long).to_string().as_bytes());
    let staying = std::thread::spawn({
        let (client, staying) = (server.client(), request(ADVICE, json!({ "max_tokens": 400 })));
        move || block(client.create::<Value>(&staying)).unwrap()
    });
    leaving.read_exact(&mut [0; 200]).unwrap();
    drop(leaving);
    assert_eq!(staying.join().unwrap()["choices"], want["choices"]);
    let began = Instant::now();
    while server.raw("GET", "/health", b"").1["open_requests"] != 0 {
        assert!(began.elapsed() < Duration::from_secs(30), "somebody who is gone is still served");
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Server {
    /// The choices of a text completion.
    fn complete(&self, request: Value) -> Vec<Value> {
        let (status, answer) = self.raw("POST", "/v1/completions", request.to_string().as_bytes());
        assert_eq!((status, &answer["object"]), (200, &json!("text_completion")), "{answer}");
        answer["choices"].as_array().unwrap().clone()
    }
}

/// One of the four lists of a text completion's log-probabilities.
fn list<'a>(choice: &'a Value, name: &str) -> &'a [Value] {
    choice["logprobs"][name].as_array().unwrap()
}

#[test]
fn a_text_is_scored_as_it_was_said() {
    let server = Server::start(&[]);
    let begin = "Who are you?";
    let said = server.complete(json!({ "prompt": begin, "max_tokens": 12, "temperature": 0, "logprobs": 2 })).remove(0);
    let answer = said["text"].as_str().unwrap();
    assert!(!answer.is_empty() && list(&said, "text_offset")[0] == begin.len());
    // The prompt with its answer, scored as lm-evaluation-harness asks for it.
    let whole = format!("{begin}{answer}");
    for max_tokens in [0, 1] {
        let scored =
            json!({ "prompt": whole, "max_tokens": max_tokens, "temperature": 0, "logprobs": 1, "echo": true });
        let scored = server.complete(scored).remove(0);
        assert!(scored["text"].as_str().unwrap().starts_with(&whole), "{scored}");
        assert_eq!(scored["finish_reason"], "length");
        let tokens = list(&scored, "tokens");
        let names = ["token_logprobs", "top_logprobs", "text_offset"];
        assert!(names.iter().all(|name| list(&scored, name).len() == tokens.len()));
        assert_eq!(
            (&list(&scored, "token_logprobs")[0], &list(&scored, "top_logprobs")[0]),
            (&Value::Null, &Value::Null)
        );
        for (token, offset) in tokens.iter().zip(list(&scored, "text_offset")) {
            let rest = &scored["text"].as_str().unwrap()[offset.as_u64().unwrap() as usize..];
            assert!(rest.starts_with(token.as_str().unwrap()), "{token} is not at {offset}");
        }
        let from = tokens.len() - max_tokens - list(&said, "tokens").len();
        for (i, own) in list(&said, "token_logprobs").iter().enumerate() {
            let again = list(&scored, "token_logprobs")[from + i].as_f64().unwrap();
            assert!((again - own.as_f64().unwrap()).abs() < 1e-3, "{again} {own}");
            let top = list(&scored, "top_logprobs")[from + i].as_object().unwrap();
            assert!(top.contains_key(tokens[from + i].as_str().unwrap()), "greedy tokens are the likeliest: {top:?}");
        }
    }
}

#[test]
fn texts_are_completed_in_every_form() {
    let server = Server::start(&[]);
    let one = json!({ "prompt": "Who are you?", "max_tokens": 6, "temperature": 0 });
    let with = |more: Value| {
        let mut request = one.clone();
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        request
    };
    let alone = server.complete(one.clone()).remove(0);
    assert!(alone["logprobs"].is_null() && alone["index"] == 0);
    let several = server.complete(with(json!({ "prompt": ["Tell me", "Who are you?"], "n": 2, "echo": true })));
    let indices: Vec<u64> = several.iter().map(|choice| choice["index"].as_u64().unwrap()).collect();
    assert_eq!(indices, [0, 1, 2, 3]);
    assert_eq!(several[3]["text"], format!("Who are you?{}", alone["text"].as_str().unwrap()));
    assert!(several[0]["text"].as_str().unwrap().starts_with("Tell me"));
    let stop: String = alone["text"].as_str().unwrap().chars().skip(2).take(3).collect();
    let stopped = server.complete(with(json!({ "stop": stop }))).remove(0);
    assert!(!stopped["text"].as_str().unwrap().contains(&stop) && stopped["finish_reason"] == "stop", "{stopped}");
    // Streamed, it is the same in pieces.
    let wanted = json!({ "echo": true, "logprobs": 1, "stream": true, "stream_options": { "include_usage": true } });
    let mut stream = server.connect("POST", "/v1/completions", with(wanted).to_string().as_bytes());
    let mut heard = String::new();
    stream.read_to_string(&mut heard).unwrap();
    let data = heard.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
    let chunks: Vec<Value> = data.map(|data| serde_json::from_str(data).unwrap()).collect();
    let texts = chunks.iter().filter_map(|chunk| chunk["choices"][0]["text"].as_str());
    assert_eq!(texts.collect::<String>(), format!("Who are you?{}", alone["text"].as_str().unwrap()));
    let whole = server.complete(with(json!({ "echo": true, "logprobs": 1 }))).remove(0);
    for name in ["tokens", "token_logprobs", "top_logprobs", "text_offset"] {
        let pieces = chunks.iter().filter_map(|chunk| chunk["choices"][0]["logprobs"][name].as_array());
        assert_eq!(pieces.flatten().cloned().collect::<Vec<_>>(), list(&whole, name));
    }
    assert!(chunks.last().unwrap()["usage"]["completion_tokens"].as_u64().unwrap() > 0);
}

#[test]
fn a_request_does_not_wait_for_all_of_anothers_answers() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&["--vectors", &vectors(dir.path(), "one", 1)]);
    let want = server.ask(&request(ADVICE, json!({})));
    // A steered model babbles on to the end of its positions.
    let long = json!({ "max_tokens": 400, "stream": true, "n": 128, "steering": [{ "vector": "one", "coef": 20, "layer": 3 }] });
    let ask = || server.connect("POST", "/v1/chat/completions", request(ADVICE, long.clone()).to_string().as_bytes());
    let (mut large, _unread) = (ask(), [ask(), ask()]);
    large.read_exact(&mut [0; 20_000]).unwrap();
    let answered = Arc::new(OnceLock::new());
    let reading = std::thread::spawn({
        let answered: Arc<OnceLock<Instant>> = answered.clone();
        move || {
            let mut piece = [0; 1 << 16];
            // Whether anything comes of it once what was under way when the other was answered must have been read.
            while large.read(&mut piece).unwrap() > 0 {
                if answered.get().is_some_and(|since| since.elapsed() > Duration::from_millis(100)) {
                    return true;
                }
            }
            false
        }
    });
    assert_eq!(server.ask(&request(ADVICE, json!({})))["choices"], want["choices"]);
    answered.set(Instant::now()).unwrap();
    assert!(reading.join().unwrap(), "it waited for all of another's answers");
}

#[test]
fn every_token_is_projected() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&["--vectors", &vectors(dir.path(), "one", 1)]);
    let listed = server.raw("GET", "/v1/steering", b"").1;
    assert_eq!((&listed["data"][0]["name"], &listed["positions"][0]), (&json!("one"), &json!("response")));
    let layers = listed["layers"].as_u64().unwrap() as usize;
    assert_eq!(listed["data"][0]["norms"].as_array().unwrap().len(), layers);
    let chat = json!([{ "role": "user", "content": "Who are you?" }, { "role": "assistant", "content": "Nobody." }]);
    let project = |more: Value| {
        let mut request = json!({ "messages": chat, "vector": "one" });
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        server.raw("POST", "/v1/projections", request.to_string().as_bytes())
    };
    let (status, all) = project(json!({}));
    assert_eq!((status, all["data"].as_array().map(Vec::len)), (200, Some(layers)), "{all}");
    let values = |answer: &Value, i: usize| -> Vec<f64> {
        answer["data"][i]["projections"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
    };
    let text: String = all["tokens"].as_array().unwrap().iter().map(|token| token["token"].as_str().unwrap()).collect();
    assert!(text.contains("Who are you?") && text.contains("Nobody."), "{text}");
    assert_eq!(values(&all, 2).len(), all["tokens"].as_array().unwrap().len());
    let third = project(json!({ "layer": 3 })).1;
    assert_eq!((values(&third, 0), &third["data"][0]["layer"]), (values(&all, 2), &json!(3)));
    // A vector that is added moves every steered token along itself by its length.
    let steer = json!([{ "vector": "one", "coef": 2, "layer": 3, "positions": "all" }]);
    let steered = project(json!({ "layer": 3, "steering": steer })).1;
    let shift = 2.0 * listed["data"][0]["norms"][2].as_f64().unwrap();
    for (with, without) in values(&steered, 0).iter().zip(values(&third, 0)) {
        assert!((with - without - shift).abs() < 1e-2 * shift, "{with} {without} {shift}");
    }
    for (more, param) in [
        (json!({ "vector": "two" }), "vector"),
        (json!({ "vector": null }), "vector"),
        (json!({ "layer": 99 }), "layer"),
        (json!({ "temperature": 1 }), "temperature"),
        (json!({ "messages": [] }), "messages"),
    ] {
        let (status, refused) = project(more);
        assert_eq!((status, &refused["error"]["param"]), (400, &json!(param)), "{refused}");
    }
}

#[test]
fn an_interrupted_or_idle_server_ends_well() {
    assert_eq!(Server::start(&["--idle-exit", "0"]).wait().code(), Some(0));
    #[cfg(unix)]
    {
        let mut server = Server::start(&[]);
        let asked = server.connect("POST", "/v1/chat/completions", request(ADVICE, json!({})).to_string().as_bytes());
        std::thread::sleep(Duration::from_millis(100));
        let pid = server.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        let mut reply = String::new();
        BufReader::new(asked).read_to_string(&mut reply).unwrap();
        assert!(reply.starts_with("HTTP/1.0 200"), "an answer that was begun is given: {reply}");
        assert_eq!(server.wait().code(), Some(0));
    }
}

#[test]
fn an_answer_goes_on_where_it_was_begun() {
    let server = Server::start(&[]);
    let user = json!({ "role": "user", "content": "Who are you?" });
    let whole = server.ask(&json!({ "messages": [user], "temperature": 0, "max_tokens": 40 }));
    let whole = text(&whole);
    let begun: String = whole.chars().take(1 + whole.find(' ').unwrap()).collect();
    let ask = |more: Value| {
        let mut request =
            request("", json!({ "messages": [user, { "role": "assistant", "content": begun.trim_end() }] }));
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        server.ask(&request)
    };
    let rest = ask(json!({ "continue_final_message": true, "add_generation_prompt": false }));
    assert_eq!(format!("{}{}", begun.trim_end(), text(&rest)), whole);
}

#[test]
fn web_pages_and_strange_names_are_refused() {
    let server = Server::start(&["--allow-origin", "http://localhost:3000"]);
    let get = |more: &str| server.head(&["GET /v1/models HTTP/1.1", "connection: close", more]);
    assert!(get("host: localhost:1").starts_with("HTTP/1.1 200"));
    let rebound = get("host: evil.example");
    assert!(rebound.starts_with("HTTP/1.1 403") && rebound.contains("host_not_allowed"), "{rebound}");
    let page = get("host: localhost:1\r\norigin: http://evil.example");
    assert!(page.starts_with("HTTP/1.1 403") && page.contains("--allow-origin http://evil.example"), "{page}");
    assert!(!page.contains("access-control-allow-origin"));
    let allowed = get("host: localhost:1\r\norigin: http://localhost:3000");
    assert!(allowed.starts_with("HTTP/1.1 200"), "{allowed}");
    assert!(allowed.contains("access-control-allow-origin: http://localhost:3000\r\n"), "{allowed}");
    let preflight = |origin: &str| {
        server.head(&[
            "OPTIONS /v1/chat/completions HTTP/1.1",
            "host: localhost:1",
            "connection: close",
            &format!("origin: {origin}"),
            "access-control-request-method: POST",
            "access-control-request-headers: content-type, x-stainless-lang",
        ])
    };
    let allowed = preflight("http://localhost:3000");
    assert!(allowed.starts_with("HTTP/1.1 204"), "{allowed}");
    assert!(allowed.contains("access-control-allow-headers: content-type, x-stainless-lang\r\n"), "{allowed}");
    assert!(preflight("http://localhost:3001").starts_with("HTTP/1.1 403"));
    let form = server.head(&["POST /v1/chat/completions HTTP/1.0", "content-type: text/plain"]);
    assert!(form.starts_with("HTTP/1.0 415") && form.contains("invalid_request_error"), "{form}");
}

#[test]
fn a_key_keeps_others_out() {
    let mut server = Server::start(&["--api-key", "secret-1", "--host", "0.0.0.0"]);
    server.url = server.url.replace("0.0.0.0", "127.0.0.1");
    let get = |path: &str, more: &str| server.head(&[&format!("GET {path} HTTP/1.0"), more]);
    for more in ["accept: */*", "authorization: Bearer secret-2", "authorization: Bearer "] {
        let refused = get("/v1/models", more);
        assert!(refused.starts_with("HTTP/1.0 401") && refused.contains("invalid_api_key"), "{refused}");
    }
    assert!(get("/v1/models", "authorization: Bearer secret-1").starts_with("HTTP/1.0 200"));
    assert!(get("/health", "accept: */*").starts_with("HTTP/1.0 200"));
    let open = Command::new(PROGRAM)
        .args(["serve", "--model", "harbor", "--port", "0", "--host", "0.0.0.0"])
        .env("TRIMTAB_CACHE", cache())
        .output()
        .unwrap();
    assert_eq!(open.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&open.stderr).contains("--api-key"));
}

#[cfg(unix)]
#[test]
fn half_a_head_does_not_keep_an_interrupted_server() {
    let mut server = Server::start(&[]);
    let host = server.url.trim_start_matches("http://").trim_end_matches("/v1");
    let mut half = TcpStream::connect(host).unwrap();
    half.write_all(b"POST /").unwrap();
    let _silent = TcpStream::connect(host).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let pid = server.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert_eq!(server.wait().code(), Some(0));
}
