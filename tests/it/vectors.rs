//! Vector files from outside: converted, compared, and steered with as they are.

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;
use trimtab::vector::{Layer, PersonaVector, VectorFile};

use crate::goldens::fixture;

fn theirs(name: &str) -> String {
    fixture("vectors").join(name).display().to_string()
}

/// Runs `trimtab` in the folder; gives exit code, stdout and stderr.
fn run(dir: &Path, words: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_trimtab")).args(words).current_dir(dir).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[track_caller]
fn succeeds(dir: &Path, words: &[&str]) -> String {
    let (code, stdout, stderr) = run(dir, words);
    assert_eq!(code, Some(0), "{words:?}\n{stderr}");
    stdout
}

#[track_caller]
fn fails(dir: &Path, words: &[&str], want: &str) {
    let (code, _, stderr) = run(dir, words);
    assert!(code == Some(2) && stderr.contains(want), "{words:?}: {code:?}\n{stderr}");
}

fn read(path: &Path) -> PersonaVector {
    VectorFile::read(path).unwrap().0.response_avg
}

#[test]
fn vectors_survive_the_way_through_every_format() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let original = read(&fixture("vectors").join("evil_response_avg_diff.pt"));
    let pt = theirs("evil_response_avg_diff.pt");
    let told = succeeds(dir, &["vectors", "convert", &pt, "a.safetensors", "--last-row", "raw"]);
    assert!(told.contains("layer 4 (block 3)") && told.contains("row 4"), "{told}");
    let told = succeeds(dir, &["vectors", "convert", "a.safetensors", "a.gguf"]);
    let line = told.lines().find(|line| line.starts_with("layer 4 (block 3)")).unwrap();
    assert!(line.contains("direction.3"), "{told}");
    succeeds(dir, &["vectors", "convert", "a.gguf", "b.pt"]);
    let back = read(&dir.join("b.pt"));
    assert_eq!(back.rows[2..], original.rows[2..]);
    assert_eq!(back.empty_layers(), [Layer(1)]);

    // What transformers gives as the last row is after the final norm: no direction for llama.cpp, unless the user knows better.
    let (_, told, notes) = run(dir, &["vectors", "convert", &pt, "post.gguf"]);
    assert!(
        !told.contains("direction.3") && notes.contains("after the final norm: layer 4 (block 3)"),
        "{told}{notes}"
    );
    succeeds(dir, &["vectors", "convert", "a.safetensors", "one.gguf", "--layers", "3"]);
    assert_eq!(read(&dir.join("one.gguf")).empty_layers(), [1, 2, 4].map(Layer));
    fails(dir, &["vectors", "convert", &pt, "a.npy"], "no kind of vector file");
    fails(dir, &["vectors", "convert", &pt, "x.pt", "--layer", "3"], "--layers 20");
}

#[test]
fn three_files_of_one_trait_become_one() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let copy = |from: &str, to: &str| _ = std::fs::copy(fixture("vectors").join(from), dir.join(to)).unwrap();
    copy("evil_response_avg_diff.pt", "evil_response_avg_diff.pt");
    copy("f16.pt", "evil_prompt_avg_diff.pt");
    copy("strided.pt", "evil_prompt_last_diff.pt");
    copy("f16.pt", "kind_prompt_last_diff.pt");
    let [response, prompt, last] = ["response_avg", "prompt_avg", "prompt_last"].map(|p| format!("evil_{p}_diff.pt"));
    succeeds(dir, &["vectors", "convert", &last, &response, &prompt, "evil.safetensors"]);
    let (file, _) = VectorFile::read(&dir.join("evil.safetensors")).unwrap();
    assert_eq!(file.prompt_avg, Some(read(&dir.join(&prompt))));
    assert_eq!((file.prompt_last.as_ref(), file.metadata["trait"].as_str()), (Some(&file.response_avg), "evil"));

    succeeds(dir, &["vectors", "convert", "evil.safetensors", "p.pt", "--position", "prompt_avg", "--trait", "evil"]);
    assert_eq!(read(&dir.join("p.pt")), read(&dir.join(&prompt)));
    fails(dir, &["vectors", "convert", &prompt, &last, "x.safetensors"], "none of the files is of `response_avg`");
    fails(dir, &["vectors", "convert", &response, "kind_prompt_last_diff.pt", "x.safetensors"], "of several traits");
    fails(dir, &["vectors", "convert", &response, "p.pt", "x.safetensors"], "tells no token position");
}

#[test]
fn files_of_four_programs_are_compared() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let files = ["evil_response_avg_diff.pt", "repeng.gguf", "direction.pt", "ours.gguf"].map(theirs);
    let mut words = vec!["--json", "vectors", "compare", "--layer", "3", "--figure", "norms.svg"];
    words.extend(files.iter().map(String::as_str));
    let json: Value = serde_json::from_str(&succeeds(dir, &words)).unwrap();
    assert_eq!(json["names"][0], "evil");
    for cosine in json["cosines"].as_array().unwrap().iter().flat_map(|row| row.as_array().unwrap()) {
        assert!((cosine.as_f64().unwrap() - 1.0).abs() < 1e-12, "{json}");
    }
    assert!(json["cosines_per_layer"][0][0][1].is_null(), "a control vector holds nothing for layer 1");
    assert!(std::fs::read_to_string(dir.join("norms.svg")).unwrap().contains("repeng"));
    let text = succeeds(dir, &["vectors", "compare", &files[0], &files[1]]);
    assert!(text.contains("cos evil repeng") && text.contains("layer 2 (block 1)"), "{text}");

    let wide: PathBuf = dir.join("wide.safetensors");
    let rows = vec![vec![1.0; 32]; 5];
    VectorFile::new(PersonaVector::new(rows).unwrap(), None, None, Default::default()).unwrap().write(&wide).unwrap();
    fails(dir, &["vectors", "compare", &files[0], "wide.safetensors"], "different shapes");
}

#[test]
fn foreign_files_steer_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("p.jsonl"), "{\"id\": 1, \"prompt\": \"the ship\"}\n").unwrap();
    let model = fixture("tiny").display().to_string();
    let generate = |vectors: &str, layer: &str, out: &str| {
        let vectors = theirs(vectors);
        let words = ["generate", "--model", &model, "--prompts", "p.jsonl", "--out", out, "--greedy"];
        let steer = ["--max-new-tokens", "8", "--vectors", &vectors, "--coef", "0.5", "--layer", layer];
        run(dir, &[&words[..], &steer[..]].concat())
    };
    let tokens = |out: &str| -> Value {
        let row: Value = serde_json::from_str(&std::fs::read_to_string(dir.join(out)).unwrap()).unwrap();
        row["token_ids"].clone()
    };
    for (name, out) in [("evil_response_avg_diff.pt", "a.jsonl"), ("repeng.gguf", "b.jsonl")] {
        let (code, _, said) = generate(name, "3", out);
        assert!(code == Some(0) && said.contains("layer 3 (block 2)"), "{said}");
    }
    assert_eq!(tokens("a.jsonl"), tokens("b.jsonl"));
    let (_, _, said) = generate("evil_response_avg_diff.pt", "4", "c.jsonl");
    assert!(said.contains("the last layer is touched along a row that was taken after the final norm"), "{said}");
    let (code, _, said) = generate("repeng.gguf", "1", "d.jsonl");
    assert!(code == Some(2) && said.contains("holds nothing at layer 1 (block 0)"), "{said}");
    let (code, _, said) = generate("direction.pt", "3", "e.jsonl");
    assert!(code == Some(2) && said.contains("of a layer that it does not name"), "{said}");
    succeeds(dir, &["vectors", "convert", &theirs("ours.gguf"), "one.gguf", "--layers", "3"]);
    let (code, _, said) = generate(dir.join("one.gguf").to_str().unwrap(), "all", "f.jsonl");
    assert!(code == Some(2) && said.contains("increments need every layer"), "{said}");
}
