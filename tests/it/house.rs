//! The rules of the house: who may import whom, and where tensors are.

use std::path::{Path, PathBuf};

/// Every module and its floor. `error` is the ground that all stand on; `fakes` are the tests' own.
const FLOORS: [(&str, usize); 31] = [
    ("text", 0),
    ("vector", 0),
    ("record", 0),
    ("data_table", 0),
    ("stats", 0),
    ("tensorfile", 0),
    ("gguf", 0),
    ("http", 0),
    ("hub", 0),
    ("language_model", 1),
    ("report", 1),
    ("steering", 1),
    ("kernels", 1),
    ("model", 2),
    ("generate", 3),
    ("train", 3),
    ("harbor", 4),
    ("judge", 4),
    ("persona", 5),
    ("eval", 5),
    ("runtime", 5),
    ("sweep", 6),
    ("study", 6),
    ("device", 7),
    ("verbs", 8),
    ("cli", 9),
    ("web", 9),
    ("error", 0),
    ("fakes", 9),
    ("lib", 10),
    ("main", 10),
];

/// The rooms in which tensors are.
const BURN: [&str; 6] = ["steering", "kernels", "model", "generate", "train", "device"];

fn sources(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
}

/// Each source file with its room and its text.
fn house() -> Vec<(PathBuf, String, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    files
        .into_iter()
        .map(|path| {
            let inside = path.strip_prefix(&src).unwrap();
            let room = inside.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs");
            let text = std::fs::read_to_string(&path).unwrap();
            (inside.to_owned(), room.to_owned(), text)
        })
        .collect()
}

fn floor(room: &str) -> usize {
    FLOORS.iter().find(|(name, _)| *name == room).unwrap_or_else(|| panic!("`{room}` has no floor")).1
}

/// Text without comments and without test modules at its end: tests may look anywhere.
fn code(text: &str) -> String {
    let begins = ["#[cfg(test)]\nmod tests {", "#[cfg(all(test, feature = \"cpu\"))]\nmod tests {"];
    let end = begins.iter().filter_map(|begin| text.find(begin)).min().unwrap_or(text.len());
    text[..end].lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn is_test(path: &Path) -> bool {
    path.ends_with("tests.rs") || path.ends_with("fakes.rs") || path.iter().any(|folder| folder == "tests")
}

#[test]
fn nobody_imports_from_a_higher_floor() {
    let mut seen = 0;
    for (path, room, text) in house().iter().filter(|(path, ..)| !is_test(path)) {
        for (at, _) in code(text).match_indices("crate::") {
            let code = code(text);
            let rest = &code[at + "crate::".len()..];
            let names: Vec<&str> = match rest.strip_prefix('{') {
                // `use crate::{a::b, c}`: the first name of each part.
                Some(list) => list.split('}').next().unwrap().split(',').collect(),
                None => vec![rest],
            };
            for name in names {
                let name: String = name.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if name.starts_with(char::is_lowercase) && !["bail", "ensure"].contains(&name.as_str()) && name != *room
                {
                    seen += 1;
                    assert!(
                        floor(&name) <= floor(room),
                        "{}: `{room}` imports from `{name}`, a higher floor",
                        path.display()
                    );
                }
            }
        }
    }
    assert!(seen > 100, "the check saw only {seen} imports");
}

#[test]
fn tensors_stay_in_their_rooms() {
    for (path, room, text) in house() {
        if !BURN.contains(&room.as_str()) && !is_test(&path) {
            assert!(!code(&text).contains("burn::"), "{}: tensors outside their rooms", path.display());
        }
    }
}

#[test]
fn only_the_lab_names_a_backend() {
    for (path, room, text) in house() {
        // The kernels implement their trait for each backend.
        if room != "device" && room != "kernels" && !is_test(&path) {
            assert!(!code(&text).contains("burn::backend"), "{}: a backend by name", path.display());
        }
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for (path, _, text) in house() {
        assert!(text.starts_with("//!"), "{}: no `//!` at the top", path.display());
    }
}

#[test]
fn only_the_command_line_reads_the_environment() {
    for (path, room, text) in house() {
        if room != "cli" && !is_test(&path) {
            let code = code(&text);
            assert!(!code.contains("env::var"), "{}: reads the environment", path.display());
        }
    }
}
