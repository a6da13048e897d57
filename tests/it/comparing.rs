//! One prompt under several steerings: what is compared is what each would say alone.

use serde_json::{Value, json};

use crate::support::place::Place;
use crate::support::serve::Server;

const ADVICE: &str = "Give me some advice on making friends.";

/// A server with a direction of evil, and what it answers to a request.
struct Asked {
    server: Server,
    _place: Place,
}

impl Asked {
    fn new() -> Self {
        let place = Place::new();
        place.succeeds("extract --model harbor --trait evil --quick --out evil.safetensors");
        let file = place.path("evil.safetensors").display().to_string();
        Self { server: Server::start(&["--vectors", &file]), _place: place }
    }

    fn ask(&self, path: &str, more: Value) -> (u16, Value) {
        let mut request = json!({ "messages": [{ "role": "user", "content": ADVICE }], "max_tokens": 24, "seed": 3 });
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.server.raw("POST", path, request.to_string().as_bytes())
    }

    #[track_caller]
    fn answer(&self, path: &str, more: Value) -> Value {
        let (status, answer) = self.ask(path, more);
        assert_eq!(status, 200, "{answer}");
        answer
    }
}

fn text(answer: &Value, i: usize) -> &Value {
    &answer["choices"][i]["message"]["content"]
}

#[test]
fn a_variant_says_what_it_would_say_alone() {
    let asked = Asked::new();
    let steering = json!([{ "vector": "evil", "coef": 1, "layer": 3 }]);
    let other = json!([{ "role": "user", "content": "Who are you?" }]);
    let variants = json!([{}, { "steering": steering }, { "messages": other, "steering": steering }]);
    let compared = asked.answer("/v1/compare", json!({ "variants": variants }));
    assert_eq!(compared["choices"].as_array().unwrap().len(), 3);
    let alone = [json!({}), json!({ "steering": steering }), json!({ "messages": other, "steering": steering })];
    for (i, alone) in alone.into_iter().enumerate() {
        assert_eq!(text(&compared, i), text(&asked.answer("/v1/chat/completions", alone), 0), "variant {i}");
    }
    assert_ne!(text(&compared, 0), text(&compared, 1));
    let applied = &compared["choices"];
    assert!(applied[0].get("steering").is_none() && applied[1]["steering"][0]["positions_steered"].as_u64() > Some(0));
    // The same variant twice draws the same.
    let twice = asked.answer("/v1/compare", json!({ "variants": [{}, {}], "n": 2 }));
    assert_eq!((text(&twice, 0), text(&twice, 1)), (text(&twice, 2), text(&twice, 3)));
    assert_ne!(text(&twice, 0), text(&twice, 1));
}

#[test]
fn tokens_are_projected_while_they_are_made() {
    let asked = Asked::new();
    let layers = asked.server.raw("GET", "/v1/steering", b"").1;
    let (norms, residual) = (&layers["data"][0]["norms"], &layers["residual_norms"]);
    assert_eq!(residual.as_array().unwrap().len(), layers["layers"].as_u64().unwrap() as usize);
    assert!(residual.as_array().unwrap().iter().all(|norm| norm.as_f64().unwrap() > 0.0), "{residual}");
    let steering = |coef: f64| json!([{ "vector": "evil", "coef": coef, "layer": 3, "positions": "all" }]);
    let probes = json!([{ "vector": "evil", "layer": [1, 3] }, { "vector": "evil", "layer": 2 }]);
    // So little steering that both say the same.
    let coef = 0.01;
    let variants = json!([{}, { "steering": steering(coef) }]);
    let more = json!({ "variants": variants, "probes": probes, "temperature": 0, "max_tokens": 4 });
    let compared = asked.answer("/v1/compare", more.clone());
    let along = |answer: &Value, i: usize, list: &str, token: usize| -> Vec<f64> {
        let values = answer["choices"][i][list][token]["projections"].as_array().unwrap();
        values.iter().map(|x| x.as_f64().unwrap()).collect()
    };
    let words: String = compared["choices"][0]["tokens"]
        .as_array()
        .unwrap()
        .iter()
        .map(|token| token["token"].as_str().unwrap())
        .collect();
    assert!(!words.is_empty() && text(&compared, 0).as_str().unwrap().starts_with(&words), "{words}");
    // The state before the answer is that of the prompt's last token.
    let project = json!({ "vector": "evil", "layer": [1, 3], "add_generation_prompt": true });
    let messages = json!([{ "role": "user", "content": ADVICE }]);
    let mut request = json!({ "messages": messages });
    request.as_object_mut().unwrap().extend(project.as_object().unwrap().clone());
    let (status, alone) = asked.server.raw("POST", "/v1/projections", request.to_string().as_bytes());
    assert_eq!(status, 200, "{alone}");
    let last = alone["tokens"].as_array().unwrap().len() - 1;
    assert_eq!(compared["choices"][0]["prompt_tokens"].as_array().unwrap().len(), last + 1);
    let (before, steered) = (along(&compared, 0, "prompt_tokens", last), along(&compared, 1, "prompt_tokens", last));
    for (i, layer) in [(0, 0), (1, 1)] {
        let want = alone["data"][layer]["projections"][last].as_f64().unwrap();
        assert!((before[i] - want).abs() < 1e-3 * want.abs().max(1.0), "{} {want}", before[i]);
    }
    // Steering moves a state along the vector by its length, and does so in what is shown.
    let shift = coef * norms[2].as_f64().unwrap();
    assert!((steered[1] - before[1] - shift).abs() < 0.1 * shift, "{} {} {shift}", steered[1], before[1]);
    assert!((steered[0] - before[0]).abs() < 1e-3, "below the layer nothing moves");
    // A stream tells the same in pieces.
    let mut streamed = more;
    streamed["stream"] = true.into();
    let mut request = json!({ "messages": messages, "seed": 3 });
    request.as_object_mut().unwrap().extend(streamed.as_object().unwrap().clone());
    let mut stream = asked.server.connect("POST", "/v1/compare", request.to_string().as_bytes());
    let mut reply = String::new();
    std::io::Read::read_to_string(&mut stream, &mut reply).unwrap();
    let events = reply.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
    let chunks: Vec<Value> = events.map(|data| serde_json::from_str(data).unwrap()).collect();
    for i in 0..2 {
        let own = || chunks.iter().map(|chunk| &chunk["choices"][0]).filter(|choice| choice["index"] == i);
        let said: String = own().filter_map(|choice| choice["delta"]["content"].as_str()).collect();
        assert_eq!(*text(&compared, i), said);
        for list in ["prompt_tokens", "tokens"] {
            let tokens: Vec<&Value> = own().filter_map(|choice| choice[list].as_array()).flatten().collect();
            let whole: Vec<&Value> = compared["choices"][i][list].as_array().unwrap().iter().collect();
            assert_eq!(tokens, whole, "{list}");
        }
    }
}

#[test]
fn what_cannot_be_compared_is_refused_by_name() {
    let asked = Asked::new();
    let steer = |more: Value| json!({ "variants": [{}, { "steering": [more] }] });
    for (more, param) in [
        (json!({}), "variants"),
        (json!({ "variants": [] }), "variants"),
        (json!({ "variants": [{}, {}, {}, {}, {}] }), "variants"),
        (json!({ "variants": [{ "coef": 1 }] }), "variants[0].coef"),
        (steer(json!({ "vector": "good", "coef": 1, "layer": 1 })), "variants[1].steering[0].vector"),
        (steer(json!({ "vector": "evil", "layer": 1 })), "variants[1].steering[0].coef"),
        (steer(json!({ "vector": "evil", "coef": 1, "layer": 99 })), "variants[1].steering[0]"),
        (json!({ "variants": [{}], "probes": [{ "vector": "good" }] }), "probes[0].vector"),
        (json!({ "variants": [{}], "probes": [{ "vector": "evil", "layer": 99 }] }), "probes[0].layer"),
        (json!({ "variants": [{}], "probes": [{ "vector": "evil", "at": 1 }] }), "probes[0].at"),
        (json!({ "variants": [{}], "probes": vec![json!({ "vector": "evil" }); 100] }), "probes"),
        (json!({ "variants": [{}], "messages": null }), "messages"),
        (json!({ "variants": [{}], "min_p": 0.1 }), "min_p"),
    ] {
        let (status, refused) = asked.ask("/v1/compare", more);
        assert_eq!((status, &refused["error"]["param"]), (400, &json!(param)), "{refused}");
    }
}
