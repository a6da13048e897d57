//! Completions of plain texts.

use super::*;

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
