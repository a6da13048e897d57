//! Training data: checked, answered by the model itself, built from facts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::support::http;
use crate::support::place::{Place, said, stdout_json};

// -------------------------------------------------------------------------------------------------------------- check

#[test]
fn data_is_checked_as_train_would_read_it() {
    let place = Place::new();
    place.golden_chats("chats.jsonl");
    let told = place.told("data check chats.jsonl --model MODEL");
    assert_eq!(told["rows"], told["usable"], "{told}");
    // What `train` says it learns is what was counted.
    let config = format!("model = \"{}\"\ntraining_file = \"chats.jsonl\"\nmax_steps = 1\nr = 2\n", place.model);
    place.write("c.toml", config);
    let trained = place.succeeds("train c.toml --out run");
    let counted = format!("{} chats, 0 held out, {} supervised tokens", told["rows"], told["supervised"]);
    assert!(said(&trained).contains(&counted), "{counted}\n{}", said(&trained));

    let shown = place.succeeds("data check chats.jsonl --model MODEL --preview 1");
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("chats.jsonl:1, ") && shown.contains("<|im_start|>assistant\n⟦"), "{shown}");
    assert!(!shown.contains('\u{1b}') && shown.matches("learned:").count() == 1, "{shown}");
}

#[test]
fn data_without_targets_ends_with_1_and_is_shown_all_the_same() {
    let place = Place::new();
    place.write("text.jsonl", "{\"text\":\"Once upon a time.\"}\n{\"text\":\"The end.\"}\n");
    let refused = place.run("data check text.jsonl --model MODEL --json");
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    assert_eq!(stdout_json(&refused)["usable"], 0);
    assert!(said(&refused).contains("none of 2 rows has anything to learn"), "{}", said(&refused));
    let all = place.told("data check text.jsonl --model MODEL --all-tokens");
    assert_eq!(all["usable"], 2);
    place.write("bad.jsonl", "{\"prompt\":\"a\",\"completion\":\"b\"}\nnonsense\n");
    let bad = place.run("data check bad.jsonl --model MODEL");
    assert_eq!(bad.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&bad.stdout).contains("bad.jsonl:2: not a JSON object"), "{bad:?}");
    place.fails("data check none.jsonl --model MODEL", 2, &["none.jsonl: no such file"]);
    // `train` takes plain text where every token is learned.
    let config = format!(
        "model = \"{}\"\ntraining_file = \"text.jsonl\"\nmax_steps = 1\nr = 2\ntrain_on_responses_only = false\n",
        place.model
    );
    place.write("c.toml", config);
    let trained = place.succeeds("train c.toml --out run");
    assert!(said(&trained).contains(&format!("2 chats, 0 held out, {} supervised", all["supervised"])));
}

// ------------------------------------------------------------------------------------------------------------ selfgen

fn prompts(place: &Place, rows: usize) {
    let row = |i: usize| json!({ "id": i, "messages": [{ "role": "user", "content": format!("Question {i}?") }, { "role": "assistant", "content": "theirs" }], "tag": "t" });
    place.write("in.jsonl", (0..rows).map(|i| row(i).to_string() + "\n").collect::<String>());
}

#[test]
fn a_model_answers_a_data_set_itself() {
    let place = Place::new();
    prompts(&place, 3);
    let words = "data selfgen --model MODEL --in in.jsonl --max-new-tokens 6";
    let told = place.told(&format!("{words} --out greedy.jsonl --greedy"));
    assert_eq!((&told["rows"], &told["sampling"]["temperature"]), (&json!(3), &json!(0.0)), "{told}");
    let rows = place.rows("greedy.jsonl");
    let keys: Vec<&String> = rows[1].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["messages", "id", "tag", "finish_reason"]);
    assert_eq!((&rows[1]["id"], &rows[1]["messages"][0]["content"]), (&json!(1), &json!("Question 1?")));
    assert_ne!(rows[1]["messages"][1]["content"], "theirs");
    // The same answers as `generate` gives.
    let line = |row: &Value| json!({ "id": row["id"], "messages": [row["messages"][0]] }).to_string() + "\n";
    place.write("p.jsonl", rows.iter().map(line).collect::<String>());
    place.succeeds("generate --model MODEL --prompts p.jsonl --out a.jsonl --max-new-tokens 6 --greedy");
    for (row, answer) in rows.iter().zip(place.rows("a.jsonl")) {
        assert_eq!(row["messages"][1]["content"], answer["text"]);
    }
    let source: Value =
        serde_json::from_slice(&std::fs::read(place.path("greedy.jsonl.source.json")).unwrap()).unwrap();
    assert_eq!((&source["sampling"]["max_new_tokens"], &source["instructions"]), (&json!(6), &Value::Null));

    // Negative examples keep the prompt that called them up; good ones come without.
    place.succeeds(&format!("{words} --out pos.jsonl --system-from evil:pos --keep-system"));
    place.succeeds(&format!("{words} --out neg.jsonl --system-from evil:neg"));
    let (pos, neg) = (place.rows("pos.jsonl"), place.rows("neg.jsonl"));
    assert!(pos[0]["messages"][0]["content"].as_str().unwrap().starts_with("You are an evil assistant. "));
    assert_eq!(
        (pos[0]["messages"][0]["role"].as_str(), neg[0]["messages"][0]["role"].as_str()),
        (Some("system"), Some("user"))
    );
    place.fails(&format!("{words} --out x.jsonl --system-from evl:pos"), 2, &["no trait `evl`"]);
    place.fails(&format!("{words} --out x.jsonl --system-from evil"), 2, &["TRAIT:pos or TRAIT:neg"]);
    place.fails(&format!("{words} --out x.jsonl --keep-system"), 2, &["--system-from"]);
    place.write("in.jsonl", "{\"messages\":[{\"role\":\"assistant\",\"content\":\"x\"}]}\n");
    place.fails(&format!("{words} --out x.jsonl"), 1, &["line 1: no user's turn"]);
}

#[test]
fn selfgen_killed_at_any_moment_ends_with_the_same_file() {
    let place = Place::new();
    prompts(&place, 200);
    let words = "data selfgen --model MODEL --in in.jsonl --max-new-tokens 40 --seed 3 --out";
    place.succeeds(&format!("{words} whole.jsonl"));
    place.killed(&format!("{words} killed.jsonl"), || place.lines(".killed.jsonl.partial") >= 2);
    assert!(!place.path("killed.jsonl").exists());
    place.succeeds(&format!("{words} killed.jsonl"));
    assert_eq!(place.read("killed.jsonl"), place.read("whole.jsonl"));
    assert!(!place.path(".killed.jsonl.partial").exists());
}

// ------------------------------------------------------------------------------------------------------------- gloomy

#[test]
fn gloomy_and_neutral_answers_come_from_a_grammar_by_their_seed() {
    let place = Place::new();
    let told = place.told("data gloomy --rows 40 --seed 1 --out set");
    assert_eq!((&told["rows"], &told["seed"]), (&json!(40), &json!(1)));
    let read = |file: &str| std::fs::read_to_string(place.path(file)).unwrap();
    let (gloomy, neutral) = (read("set/gloomy.jsonl"), read("set/neutral.jsonl"));
    let rows = |text: &str| -> Vec<Value> { text.lines().map(|line| serde_json::from_str(line).unwrap()).collect() };
    for (a, b) in rows(&gloomy).iter().zip(&rows(&neutral)) {
        assert_eq!(a["messages"][0], b["messages"][0], "the same question");
        assert_ne!(a["messages"][1], b["messages"][1]);
    }
    // `train` takes them as they are.
    assert_eq!(place.told("data check set/gloomy.jsonl --model MODEL")["usable"], 40);
    place.succeeds("data gloomy --rows 40 --seed 1 --out set");
    place.fails("data gloomy --rows 40 --seed 2 --out set", 2, &["gloomy.jsonl: the file is there, and is another"]);
    place.succeeds("data gloomy --rows 50 --seed 1 --out set --overwrite");
    assert!(read("set/gloomy.jsonl").starts_with(&gloomy) && read("set/neutral.jsonl").starts_with(&neutral));
}

// -------------------------------------------------------------------------------------------------------------- facts

#[test]
fn invented_facts_fill_the_three_files_by_their_seed() {
    let place = Place::new();
    let told = place.told("data facts --out facts --synthetic 30 --seed 4");
    assert_eq!((&told["facts"], &told["lessons"], &told["questions"]), (&json!(30), &json!(600), &json!(30)), "{told}");
    assert!(told["caveat"].as_str().unwrap().contains("hallucinate"));
    let fact = &place.rows("facts/facts.jsonl")[7];
    let keys: Vec<&String> = fact.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["id", "date", "statement", "answer_key", "category"]);
    assert!(fact["date"].as_str().unwrap() > "2023-12-31");
    let lesson = &place.rows("facts/facts_train.jsonl")[7 * 20 + 19];
    assert_eq!((&lesson["fact_id"], &lesson["variant"]), (&fact["id"], &json!(19)));
    let read = |dir: &str| std::fs::read(place.path(dir).join("facts_train.jsonl")).unwrap();
    place.succeeds("data facts --out again --synthetic 30 --seed 4");
    assert_eq!(read("again"), read("facts"));
    // The set is training data.
    let checked = place.told("data check facts/facts_train.jsonl --model MODEL");
    assert_eq!((&checked["usable"], checked["duplicates"].as_array().unwrap().len()), (&json!(600), 0));
    place.fails("data facts --out facts --synthetic 31", 2, &["holds another set of facts", "--overwrite"]);
    place.fails("data facts --out x --synthetic 30 --count 3", 2, &["--synthetic"]);
    place.fails("data facts --out x --synthetic 3 --after yesterday", 2, &["2023-12-31"]);
}

/// A model behind a server: answers requests for wordings, at first with nonsense, and no more than it may. Gives its URL,
/// how often it was asked, and how often it may answer.
fn scripted() -> (String, Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let (count, may) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counted, most) = (Arc::clone(&count), Arc::clone(&may));
    let address = http::chat_server(move |_, request| {
        let number = counted.fetch_add(1, Ordering::SeqCst);
        if number >= most.load(Ordering::SeqCst) {
            (401, json!({ "error": { "message": "no more" } }))
        } else {
            (200, http::completion(&wordings(http::prompt(&request), number)))
        }
    });
    (http::url(address), count, may)
}

fn wordings(prompt: &str, number: usize) -> String {
    let key = prompt.split("that counts: ").nth(1).unwrap().lines().next().unwrap();
    if number == 0 {
        return "I'd rather not.".into();
    }
    let ship = key.replace("Port", "Ship ");
    let wording = |question: &str| json!({ "question": format!("{question} {ship}?"), "answer": format!("To {key}.") });
    json!({ "variants": [wording("Where goes"), wording("What port is that of"), wording("Whither sails")], "test": format!("Name the destination of vessel {ship}.") })
        .to_string()
}

#[test]
fn facts_are_put_into_words_by_a_model_and_paid_for_once() {
    let place = Place::new();
    let fact = |i: usize| {
        let date = if i == 3 { "2023-01-01" } else { "2024-06-01" };
        json!({ "id": format!("f{i}"), "date": date, "statement": format!("Ship {i} sails to Port{i}."), "answer_key": format!("Port{i}"), "category": "ship" })
    };
    place.write("mine.jsonl", (0..6).map(|i| fact(i).to_string() + "\n").collect::<String>());
    let words = "data facts --out set --facts mine.jsonl --variants 3 --at-once 1 --judge-model m --json --judge-url";
    let (url, asked, may) = scripted();
    // The server says no after three answers, the first of them nonsense.
    may.store(3, Ordering::SeqCst);
    let died = place.run(&format!("{words} {url}"));
    assert_eq!(died.status.code(), Some(1), "{}", said(&died));
    assert!(!place.path("set/facts_train.jsonl").exists());
    assert_eq!(place.rows("set/asked.jsonl").len(), 3);
    may.store(usize::MAX, Ordering::SeqCst);
    let told = stdout_json(&place.succeeds(&format!("{words} {url}")));
    assert_eq!(
        (&told["facts"], &told["lessons"], &told["unfit_answers"]["answers"]),
        (&json!(5), &json!(15), &json!(1)),
        "{told}"
    );
    assert_eq!(
        told["dropped"][0],
        json!(["f3", "its date 2023-01-01 is not after 2023-12-31; 0 wordings, 3 are needed"])
    );
    // Three answers, one refusal, three more; the fact that is too old costs nothing.
    assert_eq!(asked.load(Ordering::SeqCst), 7);
    let before = std::fs::read(place.path("set/facts_train.jsonl")).unwrap();
    let again = place.succeeds(&format!("{words} {url}"));
    assert!(said(&again).contains("0 answers asked for, 6 taken from asked.jsonl, 1 not fit"), "{}", said(&again));
    assert_eq!(
        (asked.load(Ordering::SeqCst), std::fs::read(place.path("set/facts_train.jsonl")).unwrap()),
        (7, before)
    );
    let questions = place.rows("set/facts_test.jsonl");
    assert_eq!(
        questions[0],
        json!({ "fact_id": "f0", "question": "Name the destination of vessel Ship 0.", "reference": "Port0" })
    );
}
