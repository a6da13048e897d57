//! The rules of the house: who may import whom, where tensors are, and what a file says of itself.
//!
//! The rules are the tables; the functions below apply them. `house/source.rs` reads the imports.

mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use source::{File, Reference, Source, is_test};

/// Floors from the ground up. A room imports only from rooms on lower floors, never from its own floor.
const FLOORS: &[&[&str]] = &[
    &["error"],
    &["record", "stats", "kernels", "gguf", "guide", "http", "config_file"],
    &["text", "data_table", "tensorfile", "harbor", "report", "hub"],
    &["vector"],
    &["steering"],
    &["language_model", "model"],
    &["generate", "train", "judge"],
    &["persona", "runtime"],
    &["eval"],
    &["finetune"],
    &["sweep", "session"],
    &["study"],
    &["device"],
    &["verbs"],
    &["web"],
    &["cli"],
    // `fakes` are the unit tests' own; `lib` declares the rooms.
    &["lib", "main", "fakes"],
];

/// Inside `study`: each part and the parts that it may import. Parts of other names are refused once `claims` stands.
const STUDY: &[(&str, &[&str])] = &[
    ("config", &[]),
    ("inputs", &["config"]),
    ("dag", &["config"]),
    ("costs", &["config", "inputs", "dag"]),
    ("outputs", &["config", "inputs", "dag"]),
    ("steps", &["config", "inputs", "dag", "costs", "outputs"]),
    ("exec", &["config", "inputs", "dag", "costs", "outputs", "steps"]),
    ("results", &["config", "inputs", "dag", "outputs"]),
    ("claims", &["config", "inputs", "dag", "outputs", "results"]),
    ("run", &["config", "inputs", "dag", "costs", "outputs", "steps", "exec", "results", "claims"]),
    // `mod.rs` declares the parts and re-exports the public names.
    ("mod", &["config", "inputs", "dag", "costs", "outputs", "steps", "exec", "results", "claims", "run"]),
];

/// Words of the code that only these rooms may contain.
const ONLY_IN: &[(&str, &[&str], &str)] = &[
    ("burn_", &["steering", "kernels", "model", "generate", "train", "device"], "tensors stay in their rooms"),
    // The kernels implement their trait for each backend.
    ("burn_flex", &["device", "kernels"], "only `device` names a backend"),
    ("burn_wgpu", &["device", "kernels"], "only `device` names a backend"),
    ("burn_cuda", &["device", "kernels"], "only `device` names a backend"),
    ("burn_rocm", &["device", "kernels"], "only `device` names a backend"),
    ("burn_autodiff", &["device", "kernels"], "only `device` names a backend"),
    ("env::var", &["cli"], "only the command line reads the environment"),
];

/// Documents and places that a reader of the program does not have.
const UNKNOWN_TO_READERS: &[&str] = &[
    "METHOD ",
    "METHOD.md",
    "FIELD ",
    "FIELD.md",
    "BURN.md",
    "HARBOR.md",
    "HOUSE.md",
    "GPU.md",
    "REAL.md",
    "STYLE.md",
    "DESIGN.md",
    "/shared/",
];

/// The crate's source, read once for all rules.
static HOUSE: LazyLock<Source> = LazyLock::new(|| Source::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")));
static REFERENCES: LazyLock<Vec<Reference>> = LazyLock::new(|| HOUSE.references());

/// `model/peft.rs` → `model`.
fn room(path: &Path) -> &str {
    path.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs")
}

/// `study/exec/context.rs` → `exec`; `None` outside `study`.
fn study_part(path: &Path) -> Option<&str> {
    let inside = path.strip_prefix("study").ok()?;
    Some(inside.iter().next()?.to_str().unwrap().trim_end_matches(".rs"))
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// Fails with all violations, one a line.
#[track_caller]
fn none(rule: &str, violations: BTreeSet<String>) {
    let list: Vec<String> = violations.into_iter().collect();
    assert!(list.is_empty(), "{rule}:\n  {}", list.join("\n  "));
}

/// What is to be said of the imports, by a rule over (file, target's file, path as written).
fn imports(mut rule: impl FnMut(&Path, Option<&Path>, &[String]) -> Option<String>) -> BTreeSet<String> {
    assert!(REFERENCES.len() > 500, "the check saw only {} imports", REFERENCES.len());
    let path = |file: usize| HOUSE.files[file].path.as_path();
    REFERENCES.iter().filter_map(|r| rule(path(r.from), r.to.map(path), &r.written)).collect()
}

#[test]
fn every_room_has_a_floor() {
    let rooms: BTreeSet<&str> = FLOORS.iter().flat_map(|rooms| rooms.iter().copied()).collect();
    let stand: BTreeSet<&str> = HOUSE.files.iter().map(|file| room(&file.path)).collect();
    let without = stand.difference(&rooms).map(|room| format!("`{room}`: add it to FLOORS in tests/it/house.rs"));
    none("rooms without a floor", without.collect());
}

#[test]
fn rooms_import_from_lower_floors_only() {
    let violations = imports(|from, to, written| {
        let here = room(from);
        // Both the room that is named and the room behind a re-export must be lower.
        let named = written.first().map(String::as_str).filter(|name| floor(name).is_some());
        let mut rooms = named.into_iter().chain(to.map(room)).filter(|other| !["lib", here].contains(other));
        let other = rooms.find(|other| floor(other) >= floor(here))?;
        Some(format!("{}: `{here}` imports from `{other}`, which is not on a lower floor", from.display()))
    });
    none("a room imports from lower floors only (FLOORS)", violations);
}

#[test]
fn parts_of_a_study_import_along_the_arrows() {
    let allowed = |part: &str| STUDY.iter().find(|(name, _)| *name == part).map(|(_, allowed)| *allowed);
    let rebuilt = HOUSE.files.iter().any(|file| file.path.starts_with("study/claims"));
    let violations = imports(|from, to, _| {
        let (here, other) = (study_part(from)?, study_part(to?)?);
        match (allowed(here), allowed(other)) {
            (Some(to), Some(_)) if other == here || to.contains(&other) => None,
            (None, _) | (_, None) if !rebuilt => None,
            (None, _) => Some(format!("{}: add `{here}` to STUDY in tests/it/house.rs", from.display())),
            _ => Some(format!("{}: `{here}` imports from {}", from.display(), to?.display())),
        }
    });
    none("parts of a study import along the arrows (STUDY)", violations);
}

#[test]
fn no_two_files_import_each_other() {
    let arrows = arrows(&HOUSE, &REFERENCES);
    let circles = circles(&arrows);
    let described: Vec<String> = circles.iter().map(|circle| describe(circle, &arrows)).collect();
    assert!(described.is_empty(), "files import each other in a circle:\n{}", described.join("\n"));
}

/// For each file the files that it imports, each with one of the names.
type Arrows<'a> = BTreeMap<&'a Path, BTreeMap<&'a Path, String>>;

fn arrows<'a>(house: &'a Source, references: &[Reference]) -> Arrows<'a> {
    let mut arrows = Arrows::new();
    for r in references {
        if let Some(to) = r.to.filter(|to| *to != r.from) {
            let name = r.written.last().cloned().unwrap_or_default();
            arrows.entry(&house.files[r.from].path).or_default().entry(&house.files[to].path).or_insert(name);
        }
    }
    arrows
}

/// The strongly connected sets of more than one file.
fn circles<'a>(arrows: &Arrows<'a>) -> BTreeSet<BTreeSet<&'a Path>> {
    let reach = |start: &'a Path| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![start]);
        while let Some(file) = open.pop() {
            open.extend(arrows.get(file).into_iter().flat_map(BTreeMap::keys).filter(|next| seen.insert(**next)));
        }
        seen
    };
    let reached: BTreeMap<&Path, BTreeSet<&Path>> = arrows.keys().map(|file| (*file, reach(file))).collect();
    let circle = |file: &'a Path| {
        let back = |other: &&&'a Path| reached.get(**other).is_some_and(|from_there| from_there.contains(file));
        reached[file].iter().filter(back).copied().collect::<BTreeSet<_>>()
    };
    reached.keys().map(|file| circle(file)).filter(|circle| circle.len() > 1).collect()
}

/// Each file of a circle, the files of the circle that it imports and one name from each.
fn describe(circle: &BTreeSet<&Path>, arrows: &Arrows<'_>) -> String {
    let line = |file: &&Path| {
        let within = arrows[file].iter().filter(|(to, _)| circle.contains(*to));
        let to: Vec<String> = within.map(|(to, name)| format!("{} ({name})", to.display())).collect();
        format!("    {} → {}\n", file.display(), to.join(", "))
    };
    format!("  a circle of {}:\n{}", circle.len(), circle.iter().map(line).collect::<String>())
}

#[test]
fn a_circle_is_a_name_taken_both_ways() {
    let circles_of = |parent: &str, child: &str| {
        let file = |path: &str, text: &str| File { path: path.into(), text: text.into() };
        let house = Source::of(vec![file("a/mod.rs", parent), file("a/b.rs", child), file("lib.rs", "pub mod a;")]);
        circles(&arrows(&house, &house.references())).len()
    };
    let child = "use super::Shared; pub struct Own(Shared);";
    assert_eq!(circles_of("mod b; pub struct Shared; fn f() -> b::Own { todo!() }", child), 1, "an inline path");
    assert_eq!(circles_of("mod b; use b::{Own as Mine}; pub struct Shared; fn f(_: Mine) {}", child), 1, "a use");
    assert_eq!(
        circles_of("mod b; pub use b::Own; pub struct Shared { own: Own }", child),
        1,
        "a re-export that is used"
    );
    assert_eq!(circles_of("mod b; pub use b::Own; pub struct Shared;", child), 0, "a mere re-export");
    assert_eq!(circles_of("mod b; pub struct Shared; #[cfg(test)] mod t { use super::b::Own; }", child), 0, "a test");
    assert_eq!(circles_of("mod b; /* b::Own */ pub struct Shared; // b::Own\n const S: &str = \"b::Own\";", child), 0);
}

/// Text without comments and without test modules at its end: tests may look anywhere.
fn code(text: &str) -> String {
    let begins = ["#[cfg(test)]\nmod tests {", "#[cfg(all(test, feature = \"cpu\"))]\nmod tests {"];
    let end = begins.iter().filter_map(|begin| text.find(begin)).min().unwrap_or(text.len());
    text[..end].lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn some_words_stay_in_their_rooms() {
    let mut violations = BTreeSet::new();
    for File { path, text } in HOUSE.files.iter().filter(|file| !is_test(&file.path)) {
        let code = code(text);
        for (word, rooms, rule) in ONLY_IN {
            if code.contains(word) && !rooms.contains(&room(path)) {
                violations.insert(format!("{}: `{word}`: {rule}", path.display()));
            }
        }
    }
    none("words outside their rooms (ONLY_IN)", violations);
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent = HOUSE.files.iter().filter(|file| !file.text.starts_with("//!"));
    none("no `//!` at the top", silent.map(|file| file.path.display().to_string()).collect());
}

/// Every text below a file or folder of the repository, of which a package holds only a part.
fn texts(path: &Path, into: &mut Vec<PathBuf>) {
    const ENDINGS: [&str; 9] = ["rs", "wgsl", "md", "toml", "py", "sh", "css", "js", "html"];
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            texts(&entry.unwrap().path(), into);
        }
    } else if path.is_file() && path.extension().is_none_or(|ending| ENDINGS.iter().any(|known| ending == *known)) {
        into.push(path.to_owned());
    }
}

#[test]
fn nothing_cites_what_is_not_shipped() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for place in ["src", "tests", "examples", "xtask", "shaders", "assets", "fuzz", ".ci", "README.md", "Cargo.toml"] {
        texts(&root.join(place), &mut files);
    }
    assert!(files.len() > 400, "the check saw only {} files", files.len());
    let mut citing = BTreeSet::new();
    for path in files.iter().filter(|path| !path.ends_with("house.rs")) {
        for (n, line) in std::fs::read_to_string(path).unwrap().lines().enumerate() {
            let begin = line.find("//").or_else(|| line.find('#'));
            let comment = begin.map_or("", |begin| &line[begin..]).to_lowercase();
            let numbered = |word: &str| {
                let number = |after: &str| after.starts_with(|c: char| c.is_ascii_digit() || c == '#');
                comment.split(&format!(" {word} ")).skip(1).any(number)
            };
            let unknown = UNKNOWN_TO_READERS.iter().any(|name| line.contains(name));
            if unknown || numbered("issue") || numbered("case") {
                citing.insert(format!("{}:{}", path.strip_prefix(root).unwrap().display(), n + 1));
            }
        }
    }
    none("cite the paper, an equation, a public format or the guide", citing);
}

#[test]
fn test_modules_import_from_support_alone() {
    let tests = Source::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it"));
    let mut violations = BTreeSet::new();
    for File { path, text } in &tests.files {
        for (at, _) in code(text).match_indices("crate::") {
            let code = code(text);
            let (before, after) = (&code[..at], &code[at + "crate::".len()..]);
            if !after.starts_with("support") && !before.ends_with(['$', '"']) {
                violations.insert(format!("{}: crate::{}", path.display(), after.lines().next().unwrap_or_default()));
            }
        }
    }
    none(
        "what test modules share is in tests/it/support",
        violations.into_iter().filter(|v| !v.starts_with("house")).collect(),
    );
}
