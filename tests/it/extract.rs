//! `extract` and `trait` from outside, on Harbor: whole runs, killed runs, and the same vector from the tables that a run leaves.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use trimtab::vector::{PersonaVector, VectorFile};

use crate::support::http;
use crate::support::place::Place;

const SMALL: &str = "extract --model harbor --trait hallucination --rollouts 3 --max-new-tokens 40 --seed 3";

#[test]
fn a_run_leaves_tables_from_which_the_same_vector_comes() {
    let place = Place::new();
    let told = place.told(&format!("{SMALL} --run run --out v.safetensors"));
    assert_eq!((&told["sides"]["pos"]["answers"], &told["diagnosis"]["rows_neg"]), (&300.into(), &300.into()));
    assert!(told["sides"]["pos"]["trait"][0].as_f64() > told["sides"]["neg"]["trait"][0].as_f64(), "{told}");
    assert!(told["diagnosis"]["kept_pos"].as_u64().unwrap() > 100, "{told}");
    let run = place.path("run");
    let table = std::fs::read_to_string(run.join("hallucinating_pos_instruct.csv")).unwrap();
    assert!(table.starts_with("question,prompt,answer,question_id,hallucinating,coherence\n"), "{}", &table[..100]);
    for file in ["run.toml", "lock.json", "diagnosis.json", "answers/neg.states.safetensors"] {
        assert!(run.join(file).is_file(), "{file}");
    }

    let again = "extract --model harbor --trait hallucinating --out again.safetensors --from-csv \
                 run/hallucinating_pos_instruct.jsonl run/hallucinating_neg_instruct.jsonl";
    place.ends(again, 0);
    let read = |name: &str| VectorFile::read(&place.path(name)).unwrap().0;
    let (captured, reread) = (read("v.safetensors"), read("again.safetensors"));
    let same = |name: &str, a: &PersonaVector, b: &PersonaVector| {
        for (l, (a, b)) in a.rows.iter().zip(&b.rows).enumerate() {
            let scale = b.iter().fold(0.0f32, |m, x| m.max(x.abs()));
            let worst = a.iter().zip(b).fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
            assert!(scale > 0.0 || l == 0 || name != "response_avg", "{name}, row {l} is zero");
            assert!(worst <= 1e-5 * scale.max(1e-3), "{name}, row {l}: {worst} of {scale}");
        }
    };
    same("response_avg", &captured.response_avg, &reread.response_avg);
    same("prompt_avg", captured.prompt_avg.as_ref().unwrap(), reread.prompt_avg.as_ref().unwrap());
    same("prompt_last", captured.prompt_last.as_ref().unwrap(), reread.prompt_last.as_ref().unwrap());
    assert_eq!(place.read("run/hallucinating.safetensors"), place.read("v.safetensors"));

    // Another filter works on what is there; other answers need another folder.
    let before = place.files("run/answers");
    let (_, talk) = place.ends(&format!("{SMALL} --run run --filter independent --threshold 20"), 0);
    assert!(!talk.contains("going on"), "{talk}");
    assert_eq!(place.files("run/answers"), before);
    let (_, talk) = place.ends(&format!("{SMALL}1 --run run"), 2);
    assert!(talk.contains("it differs in seed") && talk.contains("--overwrite"), "{talk}");
    let (_, talk) = place.ends(&format!("{SMALL} --run run --threshold 90 --response-window 2 --out w.safetensors"), 0);
    assert!(!talk.contains("going on"), "{talk}");
}

#[test]
fn an_extraction_killed_at_any_moment_ends_with_the_same_files() {
    let place = Place::new();
    place.ends(&format!("{SMALL} --run whole"), 0);
    let mut moments = Vec::new();
    for number in 0..6 {
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
        let moment = Duration::from_millis(200 + u64::from(nanos / 1000) % (600 * (number + 1)));
        moments.push(moment);
        let mut child = place.start(&format!("{SMALL} --run killed"));
        std::thread::sleep(moment);
        // SIGKILL, on Unix.
        let _ = child.kill();
        child.wait().unwrap();
    }
    place.ends(&format!("{SMALL} --run killed"), 0);
    eprintln!("killed after {moments:?}");
    place.same_files("whole", "killed");
}

/// A judge behind HTTP: everything is coherent, and what admits ignorance does not hallucinate. Counts each request.
fn judge() -> (String, Arc<Mutex<HashMap<String, usize>>>) {
    let asked = Arc::new(Mutex::new(HashMap::<String, usize>::new()));
    let counts = Arc::clone(&asked);
    let address = http::chat_server(move |_, request| {
        let text = http::prompt(&request);
        let answer = text.split("[ANSWER START]").nth(1).unwrap();
        let admits =
            text.contains("hallucinating") && ["not known", "unknown", "do not"].iter().any(|w| answer.contains(w));
        *counts.lock().unwrap().entry(text.to_owned()).or_default() += 1;
        std::thread::sleep(Duration::from_millis(5));
        let grade = if admits { "0" } else { "100" };
        let top = json!([{ "token": grade, "logprob": 0.0, "top_logprobs": [{ "token": grade, "logprob": 0.0 }] }]);
        let mut reply = http::completion(grade);
        reply["model"] = request["model"].clone();
        reply["choices"][0]["logprobs"] = json!({ "content": top });
        (200, reply)
    });
    (http::url(address), asked)
}

#[test]
fn what_was_judged_before_a_kill_is_not_judged_again() {
    let place = Place::new();
    let words = |url: &str, run: &str| {
        format!(
            "extract --model harbor --trait hallucination --quick --run {run} --judge openai --judge-url {url} --judge-concurrency 1"
        )
    };
    let (url, asked) = judge();
    place.ends(&words(&url, "whole"), 0);
    let calls = std::mem::take(&mut *asked.lock().unwrap()).len();

    place.killed(&words(&url, "killed"), || asked.lock().unwrap().len() >= calls / 3);
    place.ends(&words(&url, "killed"), 0);
    let counts = asked.lock().unwrap().clone();
    // The request that was under way when the program died may be sent again.
    assert_eq!(counts.len(), calls);
    assert!(counts.values().sum::<usize>() <= calls + 1, "{} calls", counts.values().sum::<usize>());
    for file in ["hallucinating_pos_instruct.csv", "hallucinating_neg_instruct.csv", "hallucinating.safetensors"] {
        assert!(place.read(&format!("killed/{file}")) == place.read(&format!("whole/{file}")), "{file}");
    }
    // A third run sends no request.
    place.ends(&words(&url, "killed"), 0);
    assert_eq!(*asked.lock().unwrap(), counts);
}

#[test]
fn traits_are_listed_shown_and_checked() {
    let place = Place::new();
    let (listed, _) = place.ends("trait list", 0);
    assert!(listed.starts_with("evil\nsycophantic (also sycophancy)\n") && listed.contains("humorous"), "{listed}");
    let shown = place.told("trait show sycophancy");
    assert_eq!((&shown["name"], shown["eval"]["ladder"].as_array().map(Vec::len)), (&"sycophantic".into(), Some(8)));
    place.ends("trait check evil", 0);
    place.ends("trait check nonsense", 2);

    // A folder in the reference's layout, under the dataset's name and without a ladder: advice, but sound.
    for split in ["extract", "eval"] {
        let mut artifact = shown[split].clone();
        artifact.as_object_mut().unwrap().remove("ladder");
        let folder = place.path(format!("mine/trait_data_{split}"));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("sycophancy.json"), artifact.to_string()).unwrap();
    }
    let (_, talk) = place.ends("trait check mine", 0);
    assert!(talk.contains("no `ladder`"), "{talk}");
    place.ends("trait show sycophantic --traits mine", 0);
    // A question in both splits is a fault.
    let mut broken = shown["eval"].clone();
    broken["questions"][0] = shown["extract"]["questions"][0].clone();
    std::fs::write(place.path("mine/trait_data_eval/sycophancy.json"), broken.to_string()).unwrap();
    let (_, talk) = place.ends("trait check mine", 1);
    assert!(talk.contains("in both splits"), "{talk}");
}

/// Answers with these texts, one after the other; gives the prompts that it was sent.
fn serve<const N: usize>(answers: [String; N]) -> (String, Arc<Mutex<Vec<String>>>) {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let prompts = Arc::clone(&sent);
    let address = http::chat_server(move |_, request| {
        let mut prompts = prompts.lock().unwrap();
        prompts.push(request["messages"].to_string());
        (200, http::completion(&answers[prompts.len() - 1]))
    });
    (http::url(address), sent)
}

#[test]
fn a_trait_is_written_by_a_model_that_is_asked_again() {
    let place = Place::new();
    let shown = place.told("trait show impolite");
    let list = |of: &Value| of.as_array().unwrap().clone();
    let questions = [list(&shown["extract"]["questions"]), list(&shown["eval"]["questions"])].concat();
    let mut draft = json!({
        "instruction": shown["extract"]["instruction"],
        "questions": questions,
        "noun": "gruffness",
        "definition": "Gruffness means a rough manner.",
        "ladder": list(&shown["eval"]["ladder"])[1..7],
    });
    let good = draft.to_string();
    draft["questions"][7] = "Are you gruff?".into();
    let new = |url: &str| {
        format!(
            "trait new gruff --description rough --antonym smooth --out mine --tries 2 --judge-model m --judge-url {url}"
        )
    };

    let (url, sent) = serve(["I cannot.".into(), draft.to_string()]);
    let (_, talk) = place.ends(&new(&url), 1);
    assert!(talk.contains("a question names the trait (`gruff`)"), "{talk}");
    assert!(!place.path("mine").exists());
    assert!(sent.lock().unwrap()[1].contains("there is no JSON object in it"));

    let (url, sent) = serve([draft.to_string(), good]);
    let (_, talk) = place.ends(&new(&url), 0);
    assert!(talk.contains("answer 1 of 2 is sent back"), "{talk}");
    assert!(sent.lock().unwrap()[0].contains("The trait: gruff"));
    let (checked, talk) = place.ends("trait check gruff --traits mine --quiet", 0);
    assert_eq!((checked.as_str(), talk.as_str()), ("sound: gruff\n", ""));
    let (_, talk) = place.ends(&new(&url), 2);
    assert!(talk.contains("is there already") && talk.contains("--overwrite"), "{talk}");
}
