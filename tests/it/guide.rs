//! The guide and the README keep their word: every command runs on Harbor or says what it needs, every link leads somewhere,
//! every cited section exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
#[cfg(unix)]
use std::process::Command;

use trimtab::cli;
use trimtab::guide::{PAGES, Page, anchor};

/// Makes the data set that the guide screens; the guide calls it as `cargo run --example mixture`.
/// Its own `main` is not called here.
#[cfg(unix)]
#[allow(dead_code)]
#[path = "../../examples/mixture.rs"]
mod mixture;

/// What a command may need that a test does not have. `cargo`, `minutes`: a build or a study would take too long here.
const NEEDS: [&str; 8] = ["weights", "key", "cluster", "people", "server", "files", "cargo", "minutes"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The README and the pages of the guide: name and text.
fn documents() -> Vec<(&'static str, String)> {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    std::iter::once(("README", readme)).chain(PAGES.iter().map(|page| (page.topic, page.text.to_owned()))).collect()
}

/// A fenced block of a document.
struct Fence {
    /// The first word after the backticks.
    language: String,
    /// What its commands need (`needs:weights,key`).
    needs: Vec<String>,
    /// The file that it is the content of (`file=train.toml`).
    file: Option<String>,
    /// The line of the document on which it begins.
    line: usize,
    text: String,
}

fn fences(document: &str) -> Vec<Fence> {
    let (mut found, mut open): (Vec<Fence>, Option<Fence>) = (Vec::new(), None);
    for (i, line) in document.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(info), None) => {
                let mut words = info.split_whitespace().map(str::to_owned);
                let language = words.next().unwrap_or_default();
                let (mut needs, mut file) = (Vec::new(), None);
                for word in words {
                    match word.split_once(':') {
                        Some(("needs", list)) => needs = list.split(',').map(str::to_owned).collect(),
                        Some(("file", name)) => file = Some(name.to_owned()),
                        _ => panic!("line {}: `{word}` means nothing after a code block's language", i + 1),
                    }
                }
                open = Some(Fence { language, needs, file, line: i + 1, text: String::new() });
            }
            (Some(_), Some(_)) => found.extend(open.take()),
            (None, Some(fence)) => fence.text += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a code block does not end");
    found
}

#[test]
fn every_code_block_has_a_language_and_every_command_runs_or_says_what_it_needs() {
    for (name, text) in documents() {
        for Fence { language, needs, file, line, text } in fences(&text) {
            let place = format!("{name}:{line}");
            assert!(["sh", "toml", "json", "text"].contains(&language.as_str()), "{place}: language `{language}`");
            let unknown = needs.iter().find(|need| !NEEDS.contains(&need.as_str()));
            assert_eq!(unknown, None, "{place}");
            assert!(needs.is_empty() || language == "sh", "{place}: only commands need something");
            assert!(file.is_none() || language != "sh", "{place}: a file of commands");
            let is_command = |line: &str| line.trim_start().starts_with("trimtab ");
            assert!(language == "sh" || !text.lines().any(is_command), "{place}: a command that no test sees");
        }
    }
}

/// A folder in which a page's commands run, one after the other.
#[cfg(unix)]
struct Place {
    dir: tempfile::TempDir,
}

#[cfg(unix)]
impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// Runs a script; `programs` come first in the search path.
    fn run(&self, script: &str, programs: &Path, place: &str) {
        let path = std::env::var("PATH").unwrap_or_default();
        let output = Command::new("sh")
            .args(["-eu", "-c", script])
            .current_dir(self.dir.path())
            .env("PATH", format!("{}:{path}", programs.display()))
            .env("NO_COLOR", "1")
            .env("HF_HUB_OFFLINE", "1")
            .env("TRIMTAB_CACHE", self.dir.path().join(".cache"))
            .env("TRACKIO_DIR", self.dir.path().join(".trackio"))
            .env_remove("OPENAI_API_KEY")
            .env_remove("TRIMTAB_JUDGE_KEY")
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{place}: {}\n{script}\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// Runs every command of a page that needs nothing, with the files that the page gives.
    fn work_through(name: &str) -> Self {
        const MIXTURE: &str = "cargo run --release --example mixture -- ";
        let text = documents().into_iter().find(|(of, _)| *of == name).unwrap().1;
        let place = Self::new();
        let programs = Path::new(env!("CARGO_BIN_EXE_trimtab")).parent().unwrap();
        for fence in fences(&text) {
            let at = format!("{name}:{}", fence.line);
            if let Some(file) = &fence.file {
                fs::write(place.dir.path().join(file), &fence.text).unwrap();
            } else if fence.language == "sh" && fence.needs.is_empty() {
                let (example, script): (Vec<&str>, Vec<&str>) =
                    fence.text.lines().partition(|line| line.starts_with(MIXTURE));
                for line in example {
                    let mut files = line[MIXTURE.len()..].split_whitespace().map(|file| place.dir.path().join(file));
                    let [mixture, normal] = [files.next().unwrap(), files.next().unwrap()];
                    mixture::write(&mixture, &normal, &place.dir.path().join(".cache")).unwrap();
                }
                place.run(&script.join("\n"), programs, &at);
            }
        }
        place
    }

    /// Every key of a run's resolved configuration stands in the guide.
    fn keys_are_documented(&self, run: &str) {
        fn collect(table: &toml::Table, into: &mut BTreeSet<String>) {
            for (key, value) in table {
                into.insert(key.clone());
                let tables = value.as_array().into_iter().flatten().chain([value]).filter_map(toml::Value::as_table);
                tables.for_each(|table| collect(table, into));
            }
        }
        let text = fs::read_to_string(self.dir.path().join(run)).unwrap();
        let mut keys = BTreeSet::new();
        collect(&text.parse().unwrap(), &mut keys);
        let page = Page::of("configuration").unwrap().text;
        let words: BTreeSet<&str> = page.split(|c: char| !(c.is_alphanumeric() || c == '_')).collect();
        let missing: Vec<_> = keys.iter().filter(|key| !words.contains(key.as_str())).collect();
        assert!(keys.len() > 10 && missing.is_empty(), "the configuration page does not explain {missing:?}");
    }
}

#[cfg(unix)]
#[test]
fn the_commands_of_the_pipeline_run() {
    let place = Place::work_through("pipeline");
    let kept = fs::read_to_string(place.dir.path().join("runs/screen/kept.jsonl")).unwrap();
    assert!(kept.lines().count() > 10, "screening keeps the answers without the trait");
    assert!(place.dir.path().join("runs/prevented/adapter/adapter_model.safetensors").is_file());
}

#[cfg(unix)]
#[test]
fn the_commands_about_studies_run() {
    let place = Place::work_through("studies");
    place.keys_are_documented("runs/mine/run.toml");
    assert!(place.dir.path().join("runs/mine/report.html").is_file());
}

#[cfg(unix)]
#[test]
fn the_commands_about_clusters_run() {
    let place = Place::work_through("cluster");
    assert!(place.dir.path().join("runs/facts-slurm/slurm/arms.sh").is_file());
}

#[cfg(unix)]
#[test]
fn the_commands_about_configurations_run() {
    let place = Place::work_through("configuration");
    place.keys_are_documented("runs/steer/run.toml");
}

#[cfg(unix)]
#[test]
fn the_commands_about_formats_judges_and_the_server_run() {
    for page in ["formats", "judges", "server"] {
        Place::work_through(page);
    }
}

#[cfg(unix)]
#[test]
fn no_page_with_commands_is_left_out() {
    let tested = ["pipeline", "studies", "cluster", "configuration", "formats", "judges", "server"];
    for (name, text) in documents().iter().filter(|(name, _)| !tested.contains(name)) {
        let runs = fences(text).iter().any(|fence| fence.language == "sh" && fence.needs.is_empty());
        assert!(!runs, "no test runs the commands of `{name}`");
    }
}

/// A command that cannot be run here must at least be one: a script in the program's place writes down what it was called with.
#[cfg(unix)]
#[test]
fn commands_that_are_not_run_are_commands() {
    use std::os::unix::fs::PermissionsExt;
    let mut seen = 0;
    for (name, text) in documents() {
        let marked = fences(&text).into_iter().filter(|fence| fence.language == "sh" && !fence.needs.is_empty());
        let script: String = marked.map(|fence| fence.text).collect();
        let place = Place::new();
        for program in ["trimtab", "cargo", "curl"] {
            let stub = place.dir.path().join(program);
            let write = "printf '%s\\037' \"${0##*/}\" \"$@\" >> words\nprintf '\\n' >> words";
            fs::write(&stub, format!("#!/bin/sh\n{write}\n")).unwrap();
            fs::set_permissions(&stub, fs::Permissions::from_mode(0o755)).unwrap();
        }
        place.run(&script, place.dir.path(), name);
        let words = fs::read_to_string(place.dir.path().join("words")).unwrap_or_default();
        for line in words.lines() {
            let line: Vec<&str> = line.trim_end_matches('\u{1f}').split('\u{1f}').collect();
            if line[0] == "trimtab" {
                seen += 1;
                let parsed = cli::command().try_get_matches_from(&line);
                assert!(parsed.is_ok(), "{name}: {}\n{}", line.join(" "), parsed.unwrap_err());
            }
        }
    }
    assert!(seen > 20, "only {seen} commands were checked");
}

// --------------------------------------------------------------------------------------------------------------- links

/// The targets of a document's links, outside code.
fn links(text: &str) -> Vec<String> {
    let mut fenced = false;
    let prose = text.lines().filter(|line| {
        fenced ^= line.starts_with("```");
        !fenced
    });
    let prose = prose.collect::<Vec<_>>().join("\n");
    prose.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())).collect()
}

#[test]
fn every_link_leads_somewhere() {
    for (name, text) in documents() {
        let headings: BTreeSet<String> =
            text.lines().filter_map(|line| line.strip_prefix("## ")).map(|heading| anchor(heading.trim())).collect();
        for link in links(&text).iter().filter(|link| !link.starts_with("https://")) {
            match link.strip_prefix('#') {
                Some(anchor) => assert!(headings.contains(anchor), "{name}: no section `{anchor}`"),
                None => assert!(root().join(link).exists(), "{name}: no file `{link}`"),
            }
        }
    }
}

#[test]
fn every_page_has_a_table_of_contents() {
    for page in PAGES {
        let (begin, _) = page.text.split_once("\n## ").unwrap();
        let listed: Vec<String> = links(begin).into_iter().filter(|link| link.starts_with('#')).collect();
        let sections: Vec<String> = page.sections().map(|title| format!("#{}", anchor(title))).collect();
        assert_eq!(listed, sections, "{}", page.topic);
        let titles: BTreeSet<&str> = page.sections().collect();
        assert_eq!(titles.len(), sections.len(), "{}: two sections of one title", page.topic);
    }
}

fn sources(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs" || e == "md" || e == "toml") {
            into.push(path);
        }
    }
}

/// Citations are written `guide: method, "Projection difference"`, in comments, messages and pages alike.
#[test]
fn every_cited_section_exists() {
    let mut files = vec![root().join("README.md")];
    for dir in ["src", "examples", "tests", "assets/studies"] {
        sources(&root().join(dir), &mut files);
    }
    let mut seen = 0;
    for path in files {
        // A citation may run over a line of a comment.
        let text = fs::read_to_string(&path).unwrap();
        let flat = text.lines().map(|line| line.trim().trim_start_matches(['/', '!', '#', ' '])).collect::<Vec<_>>();
        let flat = flat.join(" ").replace("\\\"", "\"");
        for cited in flat.split("guide: ").skip(1) {
            let Some((topic, rest)) = cited.split_once(", \"") else { continue };
            if !topic.chars().all(char::is_alphanumeric) {
                continue;
            }
            let title = rest.split('"').next().unwrap();
            let page = Page::of(topic).unwrap_or_else(|| panic!("{}: no page `{topic}`", path.display()));
            assert!(page.section(title).is_some(), "{}: the page `{topic}` has no `{title}`", path.display());
            seen += 1;
        }
    }
    assert!(seen > 20, "only {seen} citations were found");
}

// -------------------------------------------------------------------------------------------------------------- README

#[test]
fn the_readme_is_short() {
    let bytes = fs::metadata(root().join("README.md")).unwrap().len();
    assert!(bytes <= 7168, "README.md has {bytes} bytes");
}

#[test]
fn the_readme_shows_the_tree_as_it_is() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let tree = readme.split_once("## The tree").unwrap().1.split("```").nth(1).unwrap();
    let shown: BTreeSet<String> =
        tree.lines().skip(1).filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect();
    for entry in &shown {
        assert!(root().join(entry).exists(), "README.md shows `{entry}`, which does not exist");
    }
    // A room is a file, a folder, or both under one name.
    let rooms: BTreeSet<String> = fs::read_dir(root().join("src"))
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let both = entry.path().with_extension("").is_dir() || entry.path().is_dir();
            if both { format!("src/{}/", name.trim_end_matches(".rs")) } else { format!("src/{name}") }
        })
        .collect();
    let shown_rooms: BTreeSet<String> = shown.iter().filter(|entry| entry.starts_with("src/")).cloned().collect();
    assert_eq!(shown_rooms, rooms);
}

// ------------------------------------------------------------------------------------------------------------- command

#[cfg(unix)]
#[test]
fn the_guide_is_shown_and_typos_are_met() {
    let ask = |words: &[&str]| Command::new(env!("CARGO_BIN_EXE_trimtab")).args(words).output().unwrap();
    let list = ask(&["guide"]);
    let said = String::from_utf8(list.stdout).unwrap();
    assert!(PAGES.iter().all(|page| said.contains(page.topic)), "{said}");
    let page = ask(&["guide", "method"]);
    assert_eq!(String::from_utf8(page.stdout).unwrap().trim_end(), Page::of("method").unwrap().text.trim_end());
    let section = ask(&["guide", "method", "Filters", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&section.stdout).unwrap();
    assert!(json["text"].as_str().unwrap().starts_with("## Filters"), "{json}");
    let typo = ask(&["guide", "metod"]);
    assert_eq!(typo.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&typo.stderr).contains("did you mean `method`?"));
}

#[test]
fn completions_and_manual_pages_know_every_verb() {
    let ask = |words: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_trimtab")).args(words).output().unwrap();
        assert!(output.status.success(), "{words:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = ask(&["completions", shell]);
        let command = cli::command();
        let missing = command.get_subcommands().find(|verb| !script.contains(verb.get_name()));
        assert!(missing.is_none(), "{shell}: {missing:?}");
    }
    let page = ask(&["man"]);
    assert!(page.contains(".TH trimtab 1"), "{page}");
    let dir = tempfile::tempdir().unwrap();
    ask(&["man", "--out", dir.path().to_str().unwrap()]);
    assert!(dir.path().join("trimtab-study-facts.1").is_file());
}
