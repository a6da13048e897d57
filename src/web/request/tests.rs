//! Bodies of requests, and what is said of those that cannot be granted.

use serde_json::json;

use super::*;
use crate::web::fields::NOT_DONE;

fn read_as(kind: Kind, more: Value) -> Result<Question, ApiError> {
    let mut body = match kind {
        Kind::Chat => json!({ "messages": [{ "role": "user", "content": "Hi" }] }),
        Kind::Text => json!({ "prompt": "Hi" }),
    };
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    Question::read(body.to_string().as_bytes(), kind, &Served::tiny())
}

fn read(more: Value) -> Result<Question, ApiError> {
    read_as(Kind::Chat, more)
}

fn refusal(more: Value) -> Value {
    read(more).unwrap_err().json()["error"].clone()
}

#[test]
fn every_field_changes_something_or_is_refused_by_name() {
    let asked = r##"{
        "temperature": 0.5, "top_p": 0.5, "top_k": 5, "repetition_penalty": 1.5, "max_tokens": 3,
        "max_completion_tokens": 3, "n": 2, "stop": ["a"], "seed": 7, "stream": true,
        "stream_options": { "include_usage": true }, "logprobs": true, "top_logprobs": 3, "echo": true, "suffix": "a",
        "continue_final_message": true, "add_generation_prompt": false, "min_p": 0.1, "min_tokens": 4,
        "stop_token_ids": [1], "ignore_eos": true, "best_of": 2, "use_beam_search": true, "length_penalty": 2,
        "frequency_penalty": 0.5, "presence_penalty": -0.5, "logit_bias": { "5": 10 }, "typical_p": 0.5,
        "mirostat": 2, "xtc_probability": 0.5, "dry_multiplier": 0.8, "top_n_sigma": 1, "repeat_penalty": 1.2,
        "tools": [{ "type": "function" }], "tool_choice": "required", "functions": [{ "name": "f" }],
        "function_call": { "name": "f" }, "response_format": { "type": "json_object" },
        "structured_outputs": { "json": {} }, "guided_json": {"type": "object"}, "guided_regex": "a*",
        "guided_choice": ["a"], "guided_grammar": "a", "grammar": "root ::= a", "json_schema": { "type": "object" },
        "regex": "a", "ebnf": "a", "chat_template": "{{ messages }}", "documents": [{ "text": "a" }],
        "chat_template_kwargs": { "enable_thinking": false }, "truncate_prompt_tokens": 5, "prompt_logprobs": 1,
        "add_special_tokens": true, "skip_special_tokens": false, "include_stop_str_in_output": true,
        "bad_words": ["a"], "allowed_token_ids": [1], "logits_processors": ["a"], "return_token_ids": true,
        "return_tokens_as_token_ids": true, "n_predict": 5, "do_sample": false, "num_beams": 3,
        "modalities": ["text", "audio"], "audio": { "voice": "a" }, "prediction": { "content": "a" },
        "web_search_options": { "a": 1 }, "prompt_embeds": "aGk=", "reasoning_effort": "low", "made_up": 1,
        "steering": [{ "vector": "a", "coef": 1, "layer": 1 }], "model": "gpt-4"
    }"##;
    let asked: Value = serde_json::from_str(asked).unwrap();
    for kind in [Kind::Chat, Kind::Text] {
        let usual = format!("{:?}", read_as(kind, json!({})).unwrap());
        // Where there is no template, there is no generation prompt to leave out.
        let has = |name: &&String| kind == Kind::Chat || *name != "add_generation_prompt";
        for (name, value) in asked.as_object().unwrap().iter().filter(|(name, _)| has(name)) {
            let value = if (kind, name.as_str()) == (Kind::Text, "logprobs") { &json!(3) } else { value };
            match read_as(kind, json!({ name: value })) {
                Ok(question) => assert_ne!(format!("{question:?}"), usual, "{kind:?}: {name} changes nothing"),
                Err(e) if name == "model" => assert_eq!(e.json()["error"]["code"], "model_not_found"),
                Err(e) => {
                    let error = e.json()["error"].clone();
                    assert!(error["param"].as_str().unwrap().starts_with(name), "{kind:?}: {name}: {error}");
                    let not_done = NOT_DONE.iter().chain(kind.not_done()).any(|(known, _)| known == name);
                    let how = (&error["code"], &error["type"]);
                    let want = (&json!("unsupported_parameter"), &json!("invalid_request_error"));
                    assert!(how == want || !(not_done || name.starts_with("guided_")), "{kind:?}: {name}: {error}");
                }
            }
            // Null is as good as absent.
            assert_eq!(format!("{:?}", read_as(kind, json!({ name: null })).unwrap()), usual, "{kind:?}: {name}");
        }
    }
    let ignored = read(json!({ "made_up": 1, "user": "me", "stream_options": { "made_up": true }, "messages": [
        { "role": "user", "content": "Hi", "name": "Ann" } ] }));
    assert_eq!(ignored.unwrap().ignored, ["messages[0].name", "stream_options.made_up", "made_up"]);
}

#[test]
fn a_text_prompt_has_four_forms() {
    let ids = |text: &str| Served::tiny().tokenizer.encode(text).unwrap();
    let of = |prompt: Value| read_as(Kind::Text, json!({ "prompt": prompt, "echo": true })).unwrap();
    let (one, two) = (ids("One two"), ids("three"));
    for (prompt, want) in [
        (json!("One two"), vec![&one]),
        (json!(["One two", "three"]), vec![&one, &two]),
        (json!(one), vec![&one]),
        (json!([one, two]), vec![&one, &two]),
    ] {
        let question = of(prompt);
        assert_eq!(question.prompts.iter().collect::<Vec<_>>(), want);
        assert_eq!(question.echo.unwrap().concat(), ["One two", "three"][..want.len()].concat());
    }
    let silent = read_as(Kind::Text, json!({ "max_tokens": 0, "logprobs": 0, "echo": true })).unwrap();
    assert!(silent.silent && silent.scores_prompt());
    let usual = read_as(Kind::Text, json!({})).unwrap();
    assert!(!usual.silent && !usual.scores_prompt() && usual.sampling.max_new_tokens == 16);
    for (more, param) in [
        (json!({ "prompt": "" }), "prompt"),
        (json!({ "prompt": [] }), "prompt"),
        (json!({ "prompt": ["a", ""] }), "prompt"),
        (json!({ "prompt": null }), "prompt"),
        (json!({ "prompt": [1, 1_000_000] }), "prompt"),
        (json!({ "prompt": [-1] }), "prompt"),
        (json!({ "prompt": { "a": 1 } }), "prompt"),
        (json!({ "prompt": vec!["a"; 100], "n": 2 }), "prompt"),
        (json!({ "prompt": "a ".repeat(300) }), "prompt"),
        (json!({ "logprobs": true }), "logprobs"),
        (json!({ "logprobs": 21 }), "logprobs"),
        (json!({ "max_tokens": -1 }), "max_tokens"),
        (json!({ "messages": [{ "role": "user", "content": "Hi" }] }), "messages"),
    ] {
        let error = read_as(Kind::Text, more.clone()).unwrap_err().json()["error"].clone();
        assert_eq!(error["param"], param, "{more}: {error}");
    }
}

#[test]
fn what_asks_for_nothing_is_passed_over() {
    let usual = read(json!({})).unwrap();
    let off = [
        json!({ "top_k": 0 }),
        json!({ "top_k": -1 }),
        json!({ "n": null, "stop": null, "logit_bias": null, "seed": null, "stream_options": null, "max_tokens": null }),
        json!({ "min_p": 0.0, "min_tokens": 0, "ignore_eos": false, "stop_token_ids": [], "guided_json": null }),
        json!({ "tool_choice": "none", "tools": [], "response_format": { "type": "text" }, "modalities": ["text"] }),
        json!({ "best_of": 1, "typical_p": 1.0, "length_penalty": 1, "skip_special_tokens": true }),
        json!({ "metadata": { "a": "b" }, "store": false, "parallel_tool_calls": true, "reasoning_effort": "low" }),
        json!({ "add_generation_prompt": true, "continue_final_message": false }),
        json!({ "messages": [{ "role": "user", "content": [{ "type": "text", "text": "Hi" }] }] }),
    ];
    for more in off {
        let question = read(more.clone()).unwrap_or_else(|e| panic!("{more}: {}", e.json()));
        assert_eq!((&question.prompts, &question.sampling), (&usual.prompts, &usual.sampling), "{more}");
    }
}

#[test]
fn calls_that_the_template_does_not_write_are_refused() {
    let called = json!({ "messages": [
        { "role": "user", "content": "Hi" },
        { "role": "assistant", "content": null, "tool_calls": [{ "id": "1", "function": { "name": "f", "arguments": "{}" } }] },
        { "role": "tool", "tool_call_id": "1", "content": "ok" },
    ] });
    assert_eq!(refusal(called)["param"], "messages[1].tool_calls");
}

#[test]
fn what_has_no_meaning_is_refused_in_words_for_people() {
    for (more, param, message) in [
        (json!({ "top_k": -5 }), "top_k", "`top_k` is -5; 1 or more, or -1 for all tokens"),
        (json!({ "max_tokens": -1 }), "max_tokens", "`max_tokens` is -1; the least is 1"),
        (json!({ "top_p": 0 }), "top_p", "`top_p` is 0; it lies above 0"),
        (json!({ "continue_final_message": true, "add_generation_prompt": true }), "continue_final_message", "exclude"),
    ] {
        let error = refusal(more);
        assert_eq!(error["param"], param);
        assert!(error["message"].as_str().unwrap().contains(message), "{error}");
    }
}

#[test]
fn an_answer_that_was_begun_goes_on() {
    let served = Served::tiny();
    let user = json!({ "role": "user", "content": "Hi" });
    let begun = json!({ "messages": [user, { "role": "assistant", "content": "Well, I " }] });
    let mut goes_on = begun.clone();
    goes_on["continue_final_message"] = true.into();
    let usual = served.tokenizer.chat_text(&[crate::text::Message::user("Hi")], true).unwrap();
    let want = served.tokenizer.encode(&format!("{usual}Well, I ")).unwrap();
    assert_eq!(read(goes_on).unwrap().prompts, [want]);
    let mut closed = begun;
    closed["add_generation_prompt"] = false.into();
    let chat = [crate::text::Message::user("Hi"), crate::text::Message::assistant("Well, I ")];
    assert_eq!(read(closed).unwrap().prompts, [served.tokenizer.chat_ids(&chat, false).unwrap()]);
}

#[test]
fn a_text_that_is_far_too_long_is_not_read_to_its_end() {
    let long = |words: String| refusal(json!({ "messages": [{ "role": "user", "content": words }] }));
    for words in ["too long ".repeat(200_000), "a".repeat(2_000_000)] {
        let error = long(words);
        assert_eq!(error["code"], "context_length_exceeded");
        assert!(error["message"].as_str().unwrap().contains("more than 200 tokens, the model reads 200"), "{error}");
    }
    // What is a little too long is counted.
    assert!(!long("too long ".repeat(150))["message"].as_str().unwrap().contains("more than"));
}

#[test]
fn a_refusal_does_not_repeat_megabytes() {
    let long = "a".repeat(2_000_000);
    for more in [
        json!({ "model": long }),
        json!({ "temperature": long }),
        json!({ "messages": [{ "role": long, "content": "Hi" }] }),
        json!({ "steering": [{ "vector": long, "coef": 1, "layer": 1 }] }),
        json!({ format!("guided_{long}"): true }),
    ] {
        let text = refusal(more).to_string();
        assert!(text.len() < 4_000 && text.contains("aaaa"), "{}", text.len());
    }
}
