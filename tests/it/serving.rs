//! The server over a real socket, asked by a client that others wrote.

mod doors;
mod refusals;
mod texts;

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
