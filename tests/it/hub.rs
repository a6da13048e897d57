//! Models from the hub, against a real HTTP server that answers as the hub does: commit and file list, hashes and sizes in
//! headers, small files behind a redirect within, large ones on another host, ranges; and every way in which it can fail.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};
use trimtab::hub::{Hub, Name, Progress, Snapshot};
use trimtab::{Error, Result};

use crate::support::goldens::fixture;
use crate::support::http;
use crate::support::place::PROGRAM;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const SHARD: &str = "model-00002-of-00002.safetensors";

/// How the server misbehaves, by what is in a request's line: so many times, then no more.
#[derive(Clone)]
enum Fault {
    /// Status, `X-Error-Code`, further headers.
    Refuse(u16, &'static str, &'static str),
    /// So many bytes of the body, then the connection is lost.
    Cut(usize),
    /// The whole file, whatever range was asked for.
    NoRanges,
    /// The body's first byte is another one.
    Garble,
}

#[derive(Default)]
struct State {
    files: HashMap<String, Vec<u8>>,
    faults: Vec<(&'static str, Fault, usize)>,
    /// Method, path, range and authorization of every request.
    log: Vec<String>,
    elsewhere: String,
}

/// The hub and the host to which it sends those who want large files.
struct Server {
    endpoint: String,
    state: Arc<Mutex<State>>,
}

fn hash(name: &str, bytes: &[u8]) -> String {
    let hex = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect::<String>();
    // What git tracks itself has a shorter hash.
    if name.ends_with(".safetensors") { hex } else { hex[..40].to_owned() }
}

impl Server {
    /// Serves a model folder under the name `Qwen/Tiny`, beside files that must not be downloaded.
    fn of(folder: &str) -> Self {
        let mut files = HashMap::new();
        for entry in fs::read_dir(fixture(folder)).unwrap() {
            let path = entry.unwrap().path();
            files.insert(path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap());
        }
        for unwanted in ["pytorch_model.bin", "README.md", "vocab.json", "merges.txt"] {
            files.insert(unwanted.to_owned(), b"unwanted".to_vec());
        }
        let state = Arc::new(Mutex::new(State { files, ..State::default() }));
        let elsewhere = listen(state.clone());
        state.lock().unwrap().elsewhere = elsewhere;
        Self { endpoint: listen(state.clone()), state }
    }

    fn fails(&self, at: &'static str, fault: Fault, times: usize) {
        self.state.lock().unwrap().faults.push((at, fault, times));
    }

    fn log(&self) -> Vec<String> {
        self.state.lock().unwrap().log.clone()
    }

    fn file(&self, name: &str) -> Vec<u8> {
        self.state.lock().unwrap().files[name].clone()
    }

    fn hub(&self, cache: &Path) -> Hub {
        Hub { endpoint: self.endpoint.clone(), cache: Some(cache.to_owned()), ..Hub::default() }
    }
}

/// Answers on a port of its own until the test ends.
fn listen(state: Arc<Mutex<State>>) -> String {
    format!("http://{}", http::listen(move |stream| answer(stream, &state)))
}

fn answer(mut stream: TcpStream, state: &Mutex<State>) {
    let Some((head, _)) = http::read_message(&mut stream) else { return };
    let request = head.lines().next().unwrap();
    let line = request.trim_end_matches(" HTTP/1.1").to_owned();
    let from: usize = http::header(&head, "range")
        .map_or(0, |range| range.trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap());
    let (files, elsewhere, fault) = {
        let mut state = state.lock().unwrap();
        let with = |name: &str| http::header(&head, name).map_or(String::new(), |value| format!(" {value}"));
        let noted = format!("{line}{}{}", with("range"), with("authorization"));
        state.log.push(noted);
        let fault = state.faults.iter_mut().find(|(at, _, times)| line.contains(at) && *times > 0);
        let fault = fault.map(|(_, fault, times)| {
            *times -= 1;
            fault.clone()
        });
        (state.files.clone(), state.elsewhere.clone(), fault)
    };
    let (method, path) = line.split_once(' ').unwrap();
    let name = path.rsplit('/').next().unwrap();
    let mut cut = None;
    let (mut status, mut more, mut body) = (200, String::new(), Vec::new());
    if path.starts_with("/api/models/Qwen/Tiny/revision/") {
        let siblings: Vec<_> = files.keys().map(|file| serde_json::json!({ "rfilename": file })).collect();
        body = serde_json::json!({ "id": "Qwen/Tiny", "sha": COMMIT, "siblings": siblings }).to_string().into_bytes();
    } else if let Some(bytes) = files.get(name) {
        let (large, etag) = (name.ends_with(".safetensors"), hash(name, bytes));
        if path.starts_with("/Qwen/Tiny/resolve/") && large {
            status = 302;
            more = format!(
                "Location: {elsewhere}/far/{name}\r\nX-Repo-Commit: {COMMIT}\r\nX-Linked-Etag: \"{etag}\"\r\nX-Linked-Size: {}\r\n",
                bytes.len()
            );
            body = b"Found. Redirecting".to_vec();
        } else if path.starts_with("/Qwen/Tiny/resolve/") {
            status = 307;
            more = format!("Location: /api/resolve-cache/{name}\r\n");
        } else {
            let from = if matches!(fault, Some(Fault::NoRanges)) { 0 } else { from };
            status = if from > 0 { 206 } else { 200 };
            more = format!("ETag: \"{etag}\"\r\nX-Repo-Commit: {COMMIT}\r\n");
            body = bytes[from..].to_vec();
        }
    } else {
        (status, more) = (404, "X-Error-Code: EntryNotFound\r\n".to_owned());
    }
    match fault {
        Some(Fault::Refuse(refused, code, headers)) => {
            (status, more, body) = (refused, format!("X-Error-Code: {code}\r\n{headers}"), b"{}".to_vec());
        }
        Some(Fault::Cut(at)) => cut = Some(at),
        Some(Fault::Garble) => body[0] ^= 1,
        Some(Fault::NoRanges) | None => {}
    }
    let head = format!("HTTP/1.1 {status} X\r\n{more}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let _ = stream.write_all(head.as_bytes());
    if method == "GET" {
        let _ = stream.write_all(&body[..cut.unwrap_or(body.len()).min(body.len())]);
    }
}

fn tiny(revision: &str) -> Name {
    Name { repo: "Qwen/Tiny".into(), revision: revision.into(), file: None }
}

fn get(hub: &Hub) -> Result<Snapshot> {
    hub.model(&tiny("main"), &mut |_| {})
}

#[track_caller]
fn check_complete(server: &Server, snapshot: &Snapshot) {
    let mut names: Vec<_> =
        fs::read_dir(&snapshot.folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert!(names.len() >= 5, "{names:?}");
    for name in names {
        assert!(fs::read(snapshot.folder.join(&name)).unwrap() == server.file(&name), "{name} differs");
    }
    trimtab::model::files::Shards::open(&snapshot.folder).unwrap();
    trimtab::text::Tokenizer::load(&snapshot.folder).unwrap();
}

#[test]
fn of_a_gguf_model_its_files_alone_are_fetched() {
    let (server, cache) = (Server::of("gguf"), tempfile::tempdir().unwrap());
    let get = |hub: &Hub, file: &str| hub.model(&Name::parse(&format!("Qwen/Tiny:{file}")).unwrap(), &mut |_| {});
    let snapshot = get(&server.hub(cache.path()), "tiny-00001-of-00002.gguf").unwrap();
    assert!(snapshot.fetched);
    let mut names: Vec<_> = fs::read_dir(&snapshot.folder).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["tiny-00001-of-00002.gguf", "tiny-00002-of-00002.gguf"], "both parts and nothing else");
    trimtab::model::Checkpoint::open(&snapshot.folder.join("tiny-00001-of-00002.gguf")).unwrap();
    let offline = Hub { offline: true, ..server.hub(cache.path()) };
    assert!(!get(&offline, "tiny-00001-of-00002.gguf").unwrap().fetched);
    let e = get(&offline, "types.gguf").unwrap_err();
    assert!(e.to_string().contains("types.gguf missing"), "{e}");
    let e = get(&server.hub(cache.path()), "other.gguf").unwrap_err();
    assert!(e.to_string().ends_with("has no `other.gguf`") && e.help().unwrap().contains("Qwen/Tiny:"), "{e:?}");
    // Without a file's name it is no model folder, and the files are named.
    let e = server.hub(cache.path()).model(&tiny("main"), &mut |_| {}).unwrap_err();
    assert!(e.help().unwrap().contains("types.gguf"), "{e:?}");
}

#[test]
fn the_first_run_fetches_what_is_read_and_the_second_sends_no_request() {
    let (server, cache) = (Server::of("tiny-sharded"), tempfile::tempdir().unwrap());
    let hub = Hub { token: Some("hf_secret".into()), ..server.hub(cache.path()) };
    let mut told: Vec<Progress> = Vec::new();
    let snapshot = hub.model(&tiny("main"), &mut |progress| told.push(progress)).unwrap();
    assert_eq!((snapshot.commit.as_str(), snapshot.fetched), (COMMIT, true));
    check_complete(&server, &snapshot);

    let log = server.log();
    for unwanted in ["pytorch_model", "README", "vocab.json", "merges"] {
        assert!(!log.iter().any(|line| line.contains(unwanted)), "{log:?}");
    }
    // The token is for the hub, not for the host that it sends us to.
    assert!(log.iter().all(|line| line.contains("/far/") != line.contains("Bearer hf_secret")), "{log:?}");
    let size = server.file(SHARD).len() + server.file("model-00001-of-00002.safetensors").len();
    assert_eq!(told.last(), Some(&Progress { done: size as u64, total: size as u64 }));

    // Python's layout, to the letter.
    let repo = cache.path().join("models--Qwen--Tiny");
    assert_eq!(fs::read_to_string(repo.join("refs/main")).unwrap(), COMMIT);
    assert_eq!(snapshot.folder, repo.join("snapshots").join(COMMIT));
    let etag = hash(SHARD, &server.file(SHARD));
    assert!(repo.join("blobs").join(&etag).is_file());
    #[cfg(unix)]
    assert_eq!(fs::read_link(snapshot.folder.join(SHARD)).unwrap(), Path::new("../../blobs").join(&etag));
    assert!(repo.join(".no_exist").join(COMMIT).join("chat_template.jinja").is_file());
    assert!(!fs::read_dir(repo.join("blobs")).unwrap().any(|e| e.unwrap().path().ends_with("incomplete")));

    for revision in ["main", COMMIT] {
        let again = hub.model(&tiny(revision), &mut |_| panic!("nothing comes in")).unwrap();
        assert_eq!(again, Snapshot { fetched: false, ..snapshot.clone() });
    }
    assert_eq!(server.log(), log);
}

#[test]
fn one_file_of_weights_and_a_pinned_commit() {
    let (server, cache) = (Server::of("tiny"), tempfile::tempdir().unwrap());
    let hub = server.hub(cache.path());
    let snapshot = hub.model(&tiny(COMMIT), &mut |_| {}).unwrap();
    check_complete(&server, &snapshot);
    assert!(!cache.path().join("models--Qwen--Tiny/refs").exists(), "a commit is its own name");
    // A branch at the same commit finds its files there.
    let before = server.log().len();
    let branch = hub.model(&tiny("refs/pr/1"), &mut |_| {}).unwrap();
    assert_eq!(branch, Snapshot { fetched: false, ..snapshot });
    assert_eq!(server.log().len(), before + 1, "one question: which commit it is");
    assert!(server.log().last().unwrap().ends_with("/revision/refs%2Fpr%2F1"));
}

/// The requests for a shard's bytes, by their ranges.
fn ranges(server: &Server) -> Vec<String> {
    let log = server.log();
    let far = log.iter().filter_map(|line| line.strip_prefix(&format!("GET /far/{SHARD}")));
    far.map(|range| range.trim().to_owned()).collect()
}

#[test]
fn a_download_cut_short_goes_on_where_it_was() {
    let (server, cache) = (Server::of("tiny-sharded"), tempfile::tempdir().unwrap());
    server.fails("GET /far/model-00002", Fault::Cut(1000), 2);
    let mut told = Vec::new();
    let snapshot = server.hub(cache.path()).model(&tiny("main"), &mut |progress| told.push(progress)).unwrap();
    check_complete(&server, &snapshot);
    assert_eq!(ranges(&server), ["", "bytes=1000-", "bytes=2000-"]);
    assert!(told.is_sorted_by_key(|progress| progress.done));
}

#[test]
fn what_a_killed_run_left_is_not_fetched_again() {
    let (server, cache) = (Server::of("tiny-sharded"), tempfile::tempdir().unwrap());
    server.fails("GET /far/model-00002", Fault::Cut(777), 1);
    server.fails("GET /far/model-00002", Fault::Refuse(503, "", ""), 4);
    let e = get(&server.hub(cache.path())).unwrap_err().to_string();
    let size = server.file(SHARD).len();
    assert!(e.starts_with(&format!("{SHARD} (777 of {size} bytes): Qwen/Tiny: the hub answered 503")), "{e}");
    check_complete(&server, &get(&server.hub(cache.path())).unwrap());
    assert_eq!(ranges(&server).last().unwrap(), "bytes=777-");
}

#[test]
fn a_server_without_ranges_and_a_strangers_remains_do_no_harm() {
    let (server, cache) = (Server::of("tiny-sharded"), tempfile::tempdir().unwrap());
    let blobs = cache.path().join("models--Qwen--Tiny/blobs");
    let remains = blobs.join(format!("{}.incomplete", hash(SHARD, &server.file(SHARD))));
    fs::create_dir_all(&blobs).unwrap();
    for (left, fault) in [(500, Some(Fault::NoRanges)), (500, None), (1 << 20, None)] {
        fs::write(&remains, vec![7; left]).unwrap();
        if let Some(fault) = fault {
            server.fails("GET /far/model-00002", fault, 1);
        }
        check_complete(&server, &get(&server.hub(cache.path())).unwrap());
        fs::remove_file(blobs.join(hash(SHARD, &server.file(SHARD)))).unwrap();
    }
}

#[test]
fn bytes_that_are_not_what_their_hash_says_are_never_kept() {
    let (server, cache) = (Server::of("tiny-sharded"), tempfile::tempdir().unwrap());
    server.fails("GET /far/model-00002", Fault::Garble, 2);
    let e = get(&server.hub(cache.path())).unwrap_err().to_string();
    assert_eq!(e, format!("{SHARD} of Qwen/Tiny is not what its hash says"));
    assert!(!cache.path().join("models--Qwen--Tiny/snapshots").join(COMMIT).join(SHARD).exists());
    check_complete(&server, &get(&server.hub(cache.path())).unwrap());
}

#[test]
fn refusals_say_what_to_do() {
    let cache = tempfile::tempdir().unwrap();
    let check = |fault: Fault, token: Option<&str>, what: &str, hint: &str| {
        let server = Server::of("tiny");
        server.fails("revision", fault, 1);
        let hub = Hub { token: token.map(str::to_owned), ..server.hub(cache.path()) };
        let e = get(&hub).unwrap_err();
        let told = |text: &str| text.replace(&server.endpoint, "HUB");
        assert_eq!(told(&e.to_string()), what);
        assert!(told(e.help().unwrap()).contains(hint), "{:?}", e.help());
        assert_eq!(server.log().len(), 1, "asking again would not help");
    };
    let refuse = |status, code| Fault::Refuse(status, code, "");
    let private = "Qwen/Tiny: there is no such model on HUB, or it is private (401)";
    check(refuse(401, "RepoNotFound"), None, private, "set HF_TOKEN");
    check(refuse(401, ""), Some("hf_old"), "Qwen/Tiny: the hub does not accept the token (401)", "HUB/settings/tokens");
    let gated = |status| format!("Qwen/Tiny: the model is gated, and you may not read it ({status})");
    check(refuse(401, "GatedRepo"), None, &gated(401), "accept its terms at HUB/Qwen/Tiny");
    check(refuse(403, "GatedRepo"), Some("hf_x"), &gated(403), "accept its terms at HUB/Qwen/Tiny");
    check(refuse(404, "RepoNotFound"), Some("hf_x"), "Qwen/Tiny: there is no such model on HUB (404)", "spelling");
    check(refuse(404, "RevisionNotFound"), None, "Qwen/Tiny has no revision `main` (404)", "lists the commits");
}

#[test]
fn a_hub_that_is_busy_is_asked_again() {
    let (server, cache) = (Server::of("tiny"), tempfile::tempdir().unwrap());
    server.fails("revision", Fault::Refuse(429, "", "Retry-After: 0\r\n"), 3);
    server.fails("HEAD", Fault::Refuse(502, "", ""), 1);
    server.fails("GET /api/resolve-cache/config.json", Fault::Refuse(500, "", ""), 1);
    check_complete(&server, &get(&server.hub(cache.path())).unwrap());
}

#[test]
fn a_model_without_safetensors_or_tokenizer_is_refused_before_anything_large_comes_in() {
    let check = |missing: &[&str], want: &str| {
        let (server, cache) = (Server::of("tiny"), tempfile::tempdir().unwrap());
        server.state.lock().unwrap().files.retain(|file, _| !missing.contains(&file.as_str()));
        let e = get(&server.hub(cache.path())).unwrap_err();
        assert_eq!(e.to_string(), want);
        assert!(!server.log().iter().any(|line| line.contains("/far/")));
        e
    };
    let e = check(&["model.safetensors"], "Qwen/Tiny at `main` has no safetensors");
    assert!(e.help().unwrap().contains("pickled"));
    check(&["tokenizer.json"], "Qwen/Tiny at `main` has no `tokenizer.json`");
}

#[test]
fn out_of_bounds_means_no_request_and_an_error_that_says_what_is_missing() {
    let (server, cache) = (Server::of("tiny-sharded"), tempfile::tempdir().unwrap());
    let offline = Hub { offline: true, ..server.hub(cache.path()) };
    let e = get(&offline).unwrap_err();
    let repo = cache.path().join("models--Qwen--Tiny");
    let told = |e: &Error| e.to_string().replace(&repo.display().to_string(), "CACHE");
    assert_eq!(told(&e), "Qwen/Tiny at `main` is not in the cache (CACHE), and the network is out of bounds");
    assert!(e.help().unwrap().contains("hf download Qwen/Tiny"), "{:?}", e.help());
    assert!(server.log().is_empty());

    let e = told(&offline.model(&tiny(COMMIT), &mut |_| {}).unwrap_err());
    assert!(e.starts_with(&format!("Qwen/Tiny at `{COMMIT}` is not in the cache")), "{e}");

    let snapshot = get(&server.hub(cache.path())).unwrap();
    let asked = server.log().len();
    assert_eq!(get(&offline).unwrap(), Snapshot { fetched: false, ..snapshot.clone() });

    // Python does not always ask for the same files as we do.
    fs::remove_dir_all(repo.join(".no_exist")).unwrap();
    assert_eq!(get(&offline).unwrap().unknown, ["chat_template.jinja"]);
    let unreachable = Hub { endpoint: "http://127.0.0.1:1".into(), ..server.hub(cache.path()) };
    assert_eq!(get(&unreachable).unwrap().unknown, ["chat_template.jinja"]);
    fs::remove_file(snapshot.folder.join(SHARD)).unwrap();
    fs::remove_file(snapshot.folder.join("config.json")).unwrap();
    let e = told(&get(&offline).unwrap_err());
    let lacks = format!("Qwen/Tiny at `main` is incomplete in the cache: config.json, {SHARD} missing (CACHE), and");
    assert!(e.starts_with(&lacks), "{e}");
    assert_eq!(server.log().len(), asked);
}

#[test]
fn the_program_takes_a_name_and_finds_hub_cache_and_token_where_python_does() {
    let (server, dir) = (Server::of("tiny-sharded"), tempfile::tempdir().unwrap());
    let home = dir.path().join("home");
    fs::create_dir_all(&home).unwrap();
    fs::write(home.join("token"), "hf_of_file\n").unwrap();
    fs::write(dir.path().join("p.jsonl"), "{\"id\":1,\"prompt_ids\":[1,2,3]}\n").unwrap();
    let run = |words: &str, env: &[(&str, &str)]| {
        let line = format!("generate --prompts p.jsonl --out o.jsonl --max-new-tokens 2 --greedy {words}");
        let output = std::process::Command::new(PROGRAM)
            .args(line.split_whitespace())
            .current_dir(dir.path())
            .env_remove("HF_HUB_CACHE")
            .env_remove("HF_TOKEN")
            .env_remove("HF_HUB_OFFLINE")
            .envs([("HF_ENDPOINT", server.endpoint.as_str()), ("HF_HOME", home.to_str().unwrap()), ("NO_COLOR", "1")])
            .envs(env.iter().copied())
            .output()
            .unwrap();
        let _ = fs::remove_file(dir.path().join("o.jsonl"));
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = run("--offline --model Qwen/Tiny", &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("no such folder, so it is looked up as a name on the hub: Qwen/Tiny at `main` is not"),
        "{said}"
    );
    assert!(server.log().is_empty());

    let (code, said) = run("--model Qwen/Tiny", &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(&format!("model: Qwen/Tiny@{COMMIT} (fetched)")), "{said}");
    assert!(home.join("hub/models--Qwen--Tiny/refs/main").is_file());
    assert!(server.log()[0].ends_with("Bearer hf_of_file"), "{:?}", server.log());

    let asked = server.log().len();
    for (words, env) in
        [("--offline", ("", "")), ("", ("HF_HUB_OFFLINE", "1")), ("", ("HF_ENDPOINT", "http://127.0.0.1:1"))]
    {
        let env: Vec<_> = [env].into_iter().filter(|(name, _)| !name.is_empty()).collect();
        let (code, said) = run(&format!("{words} --model Qwen/Tiny@{COMMIT}"), &env);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("(from the cache)"), "{said}");
    }
    assert_eq!(server.log().len(), asked);

    let cache = dir.path().join("elsewhere");
    let env = [("HF_ENDPOINT", "http://127.0.0.1:1"), ("HF_HUB_CACHE", cache.to_str().unwrap())];
    let (code, said) = run("--model Qwen/Tiny", &env);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("no connection to http://127.0.0.1:1"), "{said}");
}

/// Paths stay within their repository's folder.
#[test]
fn a_hub_that_names_strange_files_is_not_believed() {
    let (server, cache) = (Server::of("tiny-sharded"), tempfile::tempdir().unwrap());
    let index = r#"{"weight_map": {"x": "../../../evil.safetensors"}}"#;
    server.state.lock().unwrap().files.insert("model.safetensors.index.json".into(), index.into());
    let e = get(&server.hub(cache.path())).unwrap_err().to_string();
    assert!(e.ends_with("`weight_map` names no files"), "{e}");
    let inside: Vec<PathBuf> = fs::read_dir(cache.path()).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(inside.len(), 2, "{inside:?}");
}
