//! `extract` and `trait` from outside, on Harbor: whole runs, killed runs, and the same vector from the tables that a run leaves.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tempfile::TempDir;
use trimtab::vector::{PersonaVector, VectorFile};

const PROGRAM: &str = env!("CARGO_BIN_EXE_trimtab");

/// `trimtab` in that folder, with a cache that all tests share.
fn command(dir: &TempDir, words: &str) -> Command {
    let mut command = Command::new(PROGRAM);
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache");
    command.args(words.split_whitespace()).current_dir(dir.path()).env("NO_COLOR", "1").env("TRIMTAB_CACHE", cache);
    command
}

#[track_caller]
fn ends(dir: &TempDir, words: &str, code: i32) -> (String, String) {
    let Output { status, stdout, stderr } = command(dir, words).output().unwrap();
    let (data, talk) = (String::from_utf8(stdout).unwrap(), String::from_utf8_lossy(&stderr).into_owned());
    assert_eq!(status.code(), Some(code), "{words}\n{talk}");
    (data, talk)
}

/// Every file of a run, by its path in the folder.
fn files(run: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![run.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(run).unwrap().to_owned(), std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

const SMALL: &str = "extract --model harbor --trait hallucination --rollouts 3 --max-new-tokens 40 --seed 3";

#[test]
fn a_run_leaves_tables_from_which_the_same_vector_comes() {
    let dir = tempfile::tempdir().unwrap();
    let (told, _) = ends(&dir, &format!("{SMALL} --run run --out v.safetensors --json"), 0);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&told["sides"]["pos"]["answers"], &told["diagnosis"]["rows_neg"]), (&300.into(), &300.into()));
    assert!(told["sides"]["pos"]["trait"][0].as_f64() > told["sides"]["neg"]["trait"][0].as_f64(), "{told}");
    assert!(told["diagnosis"]["kept_pos"].as_u64().unwrap() > 100, "{told}");
    let run = dir.path().join("run");
    let table = std::fs::read_to_string(run.join("hallucinating_pos_instruct.csv")).unwrap();
    assert!(table.starts_with("question,prompt,answer,question_id,hallucinating,coherence\n"), "{}", &table[..100]);
    for file in ["run.toml", "lock.json", "diagnosis.json", "answers/neg.states.safetensors"] {
        assert!(run.join(file).is_file(), "{file}");
    }

    let again = "extract --model harbor --trait hallucinating --out again.safetensors --from-csv \
                 run/hallucinating_pos_instruct.jsonl run/hallucinating_neg_instruct.jsonl";
    ends(&dir, again, 0);
    let read = |name: &str| VectorFile::read(&dir.path().join(name)).unwrap().0;
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
    assert_eq!(
        std::fs::read(run.join("hallucinating.safetensors")).unwrap(),
        std::fs::read(dir.path().join("v.safetensors")).unwrap()
    );

    // Another filter works on what is there; other answers need another folder.
    let before = files(&run.join("answers"));
    let (_, talk) = ends(&dir, &format!("{SMALL} --run run --filter independent --threshold 20"), 0);
    assert!(!talk.contains("going on"), "{talk}");
    assert_eq!(files(&run.join("answers")), before);
    let (_, talk) = ends(&dir, &format!("{SMALL}1 --run run"), 2);
    assert!(talk.contains("it differs in seed") && talk.contains("--overwrite"), "{talk}");
    let (_, talk) = ends(&dir, &format!("{SMALL} --run run --threshold 90 --response-window 2 --out w.safetensors"), 0);
    assert!(!talk.contains("going on"), "{talk}");
}

#[test]
fn an_extraction_killed_at_any_moment_ends_with_the_same_files() {
    let dir = tempfile::tempdir().unwrap();
    ends(&dir, &format!("{SMALL} --run whole"), 0);
    let mut moments = Vec::new();
    for number in 0..6 {
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
        let moment = Duration::from_millis(200 + u64::from(nanos / 1000) % (600 * (number + 1)));
        moments.push(moment);
        let mut child = command(&dir, &format!("{SMALL} --run killed"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(moment);
        // SIGKILL, on Unix.
        let _ = child.kill();
        child.wait().unwrap();
    }
    ends(&dir, &format!("{SMALL} --run killed"), 0);
    let (killed, whole) = (files(&dir.path().join("killed")), files(&dir.path().join("whole")));
    let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&killed), names(&whole), "killed after {moments:?}");
    for (name, bytes) in &whole {
        assert!(killed[name] == *bytes, "{}, killed after {moments:?}", name.display());
    }
}

/// A judge behind HTTP: everything is coherent, and what admits ignorance does not hallucinate. Counts each request.
fn judge() -> (String, Arc<Mutex<HashMap<String, usize>>>) {
    let asked = Arc::new(Mutex::new(HashMap::<String, usize>::new()));
    let (counts, (tell, told)) = (Arc::clone(&asked), std::sync::mpsc::channel());
    let answer = move |Json(body): Json<Value>| {
        let text = body["messages"][0]["content"].as_str().unwrap().to_owned();
        let answer = text.split("[ANSWER START]").nth(1).unwrap();
        let admits =
            text.contains("hallucinating") && ["not known", "unknown", "do not"].iter().any(|w| answer.contains(w));
        *counts.lock().unwrap().entry(text.clone()).or_default() += 1;
        let grade = if admits { "0" } else { "100" };
        let top = json!([{ "token": grade, "logprob": 0.0, "top_logprobs": [{ "token": grade, "logprob": 0.0 }] }]);
        let message = json!({ "role": "assistant", "content": grade });
        let choice = json!({ "message": message, "finish_reason": "length", "logprobs": { "content": top } });
        async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            Json(json!({ "model": body["model"], "choices": [choice] }))
        }
    };
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            axum::serve(listener, Router::new().route("/v1/chat/completions", post(answer))).await.unwrap();
        });
    });
    (format!("http://{}/v1", told.recv().unwrap()), asked)
}

#[test]
fn what_was_judged_before_a_kill_is_not_judged_again() {
    let dir = tempfile::tempdir().unwrap();
    let words = |url: &str, run: &str| {
        format!(
            "extract --model harbor --trait hallucination --quick --run {run} --judge openai --judge-url {url} --judge-concurrency 1"
        )
    };
    let (url, asked) = judge();
    ends(&dir, &words(&url, "whole"), 0);
    let calls = std::mem::take(&mut *asked.lock().unwrap()).len();

    let mut child = command(&dir, &words(&url, "killed")).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let began = Instant::now();
    while asked.lock().unwrap().len() < calls / 3 {
        assert!(began.elapsed() < Duration::from_secs(120), "nobody asked the judge");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success(), "the run was over before it could be killed");
    ends(&dir, &words(&url, "killed"), 0);
    let counts = asked.lock().unwrap().clone();
    // The request that was under way when the program died may be sent again.
    assert_eq!(counts.len(), calls);
    assert!(counts.values().sum::<usize>() <= calls + 1, "{} calls", counts.values().sum::<usize>());
    for file in ["hallucinating_pos_instruct.csv", "hallucinating_neg_instruct.csv", "hallucinating.safetensors"] {
        let read = |run: &str| std::fs::read(dir.path().join(run).join(file)).unwrap();
        assert!(read("killed") == read("whole"), "{file}");
    }
    // A third time, nobody is asked.
    ends(&dir, &words(&url, "killed"), 0);
    assert_eq!(*asked.lock().unwrap(), counts);
}

#[test]
fn traits_are_listed_shown_and_checked() {
    let dir = tempfile::tempdir().unwrap();
    let (listed, _) = ends(&dir, "trait list", 0);
    assert!(listed.starts_with("evil\nsycophantic (also sycophancy)\n") && listed.contains("humorous"), "{listed}");
    let (shown, _) = ends(&dir, "trait show sycophancy --json", 0);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((&shown["name"], shown["eval"]["ladder"].as_array().map(Vec::len)), (&"sycophantic".into(), Some(8)));
    ends(&dir, "trait check evil", 0);
    ends(&dir, "trait check nonsense", 2);

    // A folder in the reference's layout, under the dataset's name and without a ladder: advice, but sound.
    for split in ["extract", "eval"] {
        let mut artifact = shown[split].clone();
        artifact.as_object_mut().unwrap().remove("ladder");
        let folder = dir.path().join(format!("mine/trait_data_{split}"));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("sycophancy.json"), artifact.to_string()).unwrap();
    }
    let (_, talk) = ends(&dir, "trait check mine", 0);
    assert!(talk.contains("no `ladder`"), "{talk}");
    ends(&dir, "trait show sycophantic --traits mine", 0);
    // A question in both splits is a fault.
    let mut broken = shown["eval"].clone();
    broken["questions"][0] = shown["extract"]["questions"][0].clone();
    std::fs::write(dir.path().join("mine/trait_data_eval/sycophancy.json"), broken.to_string()).unwrap();
    let (_, talk) = ends(&dir, "trait check mine", 1);
    assert!(talk.contains("in both splits"), "{talk}");
}

/// Answers chat completions with these texts, one after the other, then hands back the bodies that were sent.
fn serve(answers: Vec<String>) -> (String, std::thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let answer = |answer: String| {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut line, mut length) = (String::new(), 0);
            while reader.read_line(&mut line).unwrap() > 2 {
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let reply = json!({ "choices": [{ "message": { "role": "assistant", "content": answer } }] }).to_string();
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length";
            write!(stream, "{head}: {}\r\n\r\n{reply}", reply.len()).unwrap();
            String::from_utf8(body).unwrap()
        };
        answers.into_iter().map(answer).collect()
    });
    (url, server)
}

#[test]
fn a_trait_is_written_by_a_model_that_is_asked_again() {
    let dir = tempfile::tempdir().unwrap();
    let (shown, _) = ends(&dir, "trait show impolite --json", 0);
    let shown: Value = serde_json::from_str(&shown).unwrap();
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

    let (url, server) = serve(vec!["I cannot.".into(), draft.to_string()]);
    let (_, talk) = ends(&dir, &new(&url), 1);
    assert!(talk.contains("a question names the trait (`gruff`)"), "{talk}");
    assert!(!dir.path().join("mine").exists());
    assert!(server.join().unwrap()[1].contains("there is no JSON object in it"));

    let (url, server) = serve(vec![draft.to_string(), good]);
    let (_, talk) = ends(&dir, &new(&url), 0);
    assert!(talk.contains("answer 1 of 2 is sent back"), "{talk}");
    assert!(server.join().unwrap()[0].contains("The trait: gruff"));
    let (checked, talk) = ends(&dir, "trait check gruff --traits mine --quiet", 0);
    assert_eq!((checked.as_str(), talk.as_str()), ("sound: gruff\n", ""));
    let (_, talk) = ends(&dir, &new(&url), 2);
    assert!(talk.contains("is there already") && talk.contains("--overwrite"), "{talk}");
}
