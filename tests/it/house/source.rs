//! Reads the crate's own source: modules, what they define, what they import and from which file.
//!
//! No full parser: tokens without comments, strings and test code, and from them `use` trees, `mod` items, the names that
//! are defined, and inline paths (`crate::a::b`, `super::x`). Calls of methods are not followed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A module's path from the crate's root; the root itself is empty.
pub type ModulePath = Vec<String>;

#[derive(Default)]
pub struct Module {
    /// Place in [`Source::files`].
    pub file: usize,
    /// Names of functions, types, constants and macros that it defines.
    defines: BTreeSet<String>,
    imports: Vec<Import>,
    /// Inline paths of at least two segments.
    paths: Vec<Vec<String>>,
    /// Every identifier outside `use`, to tell a mere re-export from an import.
    mentions: BTreeSet<String>,
}

struct Import {
    path: Vec<String>,
    /// The name that it binds; `*` for a glob.
    name: String,
    public: bool,
}

pub struct File {
    /// Inside `src`.
    pub path: PathBuf,
    pub text: String,
}

pub struct Source {
    /// All files, test files too.
    pub files: Vec<File>,
    /// The modules outside test code.
    modules: BTreeMap<ModulePath, Module>,
}

/// One name that a file takes from another module.
pub struct Reference {
    pub from: usize,
    /// The file that defines the name, however often it was re-exported. `None` for a module as a whole: the names that are
    /// taken from it are references of their own.
    pub to: Option<usize>,
    /// The module's path as it was written, from the root.
    pub written: ModulePath,
}

enum Target {
    Item(usize),
    Module(ModulePath),
}

impl Source {
    /// Reads every `.rs` file below `src`.
    pub fn read(src: &Path) -> Self {
        let mut paths = Vec::new();
        list(src, &mut paths);
        paths.sort();
        let read = |path: &PathBuf| File {
            path: path.strip_prefix(src).unwrap().to_owned(),
            text: std::fs::read_to_string(path).unwrap(),
        };
        Self::of(paths.iter().map(read).collect())
    }

    pub fn of(files: Vec<File>) -> Self {
        let mut modules = BTreeMap::new();
        for (index, file) in files.iter().enumerate().filter(|(_, file)| !is_test(&file.path)) {
            let tokens = without_tests(tokens(&file.text));
            Scan { file: index, tokens: &tokens, at: 0, modules: &mut modules }.module(module_of(&file.path));
        }
        Self { files, modules }
    }

    /// What each file takes from others. A re-export that the file does not use itself is none of its imports.
    pub fn references(&self) -> Vec<Reference> {
        let mut found = Vec::new();
        for (path, module) in &self.modules {
            let used = |import: &&Import| !import.public || module.mentions.contains(&import.name);
            let imports = module.imports.iter().filter(used).map(|import| &import.path);
            for written in imports.chain(&module.paths) {
                let to = match self.resolve(path, written, 0) {
                    None => continue,
                    Some(Target::Item(file)) => Some(file),
                    Some(Target::Module(m)) if written.last().is_some_and(|last| last == "*") => {
                        Some(self.modules[&m].file)
                    }
                    Some(Target::Module(_)) => None,
                };
                found.push(Reference { from: module.file, to, written: self.absolute(path, written) });
            }
        }
        found
    }

    /// Where a name as it stands in the module `from` is defined; `None` outside this crate.
    fn resolve(&self, from: &ModulePath, written: &[String], depth: usize) -> Option<Target> {
        let mut here = from.clone();
        let mut rest = written;
        match written.first()?.as_str() {
            "crate" => (here, rest) = (Vec::new(), &written[1..]),
            "self" => rest = &written[1..],
            "super" => {
                while rest.first().is_some_and(|s| s == "super") {
                    here.pop();
                    rest = &rest[1..];
                }
            }
            first => {
                let module = &self.modules[&here];
                let known = self.modules.contains_key(&child(&here, first))
                    || module.imports.iter().any(|i| i.name == first && i.path != written);
                if !known || depth > 8 {
                    return None;
                }
            }
        }
        for (n, name) in rest.iter().enumerate() {
            let module = &self.modules[&here];
            let last = n + 1 == rest.len();
            if name == "*" || name == "self" {
                return Some(Target::Module(here));
            }
            let inner = child(&here, name);
            let is_module = self.modules.contains_key(&inner);
            if module.defines.contains(name) && (last || !is_module) {
                return Some(Target::Item(module.file));
            }
            let import = module.imports.iter().find(|i| i.name == *name && i.path != written && depth < 8);
            match import {
                // A function may have its module's name: at the end of a path it is meant.
                Some(import) if !is_module || last => match self.resolve(&here, &import.path, depth + 1) {
                    Some(Target::Module(m)) => here = m,
                    item => return item,
                },
                _ if is_module => here = inner,
                _ => return self.through_globs(&here, name, depth).or(Some(Target::Item(module.file))),
            }
        }
        Some(Target::Module(here))
    }

    fn through_globs(&self, here: &ModulePath, name: &str, depth: usize) -> Option<Target> {
        let globs = self.modules[here].imports.iter().filter(|i| i.name == "*" && depth < 8);
        let mut within = globs.filter_map(|glob| match self.resolve(here, &glob.path, depth + 1)? {
            Target::Module(m) => Some(m),
            Target::Item(_) => None,
        });
        within.find(|m| self.modules[m].defines.contains(name)).map(|m| Target::Item(self.modules[&m].file))
    }

    fn absolute(&self, from: &ModulePath, written: &[String]) -> ModulePath {
        let mut path = from.clone();
        for (n, name) in written.iter().enumerate() {
            match name.as_str() {
                "crate" if n == 0 => path.clear(),
                "self" => {}
                "super" => drop(path.pop()),
                _ => path.push(name.clone()),
            }
        }
        path
    }
}

fn child(module: &[String], name: &str) -> ModulePath {
    [module, &[name.to_owned()]].concat()
}

fn list(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            list(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
}

/// Test code may look anywhere.
pub fn is_test(path: &Path) -> bool {
    path.ends_with("tests.rs") || path.ends_with("fakes.rs") || path.iter().any(|folder| folder == "tests")
}

/// `model/peft.rs` → `model::peft`; `model/mod.rs` → `model`; `lib.rs` → the root.
fn module_of(path: &Path) -> ModulePath {
    let mut names: Vec<String> = path.with_extension("").iter().map(|s| s.to_str().unwrap().to_owned()).collect();
    match names.last().unwrap().as_str() {
        "mod" => drop(names.pop()),
        "lib" if names.len() == 1 => names.clear(),
        _ => {}
    }
    names
}

struct Scan<'a> {
    file: usize,
    tokens: &'a [String],
    at: usize,
    modules: &'a mut BTreeMap<ModulePath, Module>,
}

impl Scan<'_> {
    fn peek(&self, ahead: usize) -> &str {
        self.tokens.get(self.at + ahead).map_or("", String::as_str)
    }

    /// Reads a module up to its closing brace, or the file's end.
    fn module(&mut self, path: ModulePath) {
        let mut module = Module { file: self.file, ..Module::default() };
        let mut depth = 0;
        while self.at < self.tokens.len() {
            let before = self.at.checked_sub(1).map_or("", |i| self.tokens[i].as_str());
            match self.peek(0) {
                "{" => depth += 1,
                "}" if depth == 0 => break,
                "}" => depth -= 1,
                // `impl Trait + use<'a>` is no import.
                "use" if self.peek(1) != "<" => {
                    let public = before == "pub" || before == ")";
                    self.at += 1;
                    self.import(&[], public, &mut module.imports);
                    continue;
                }
                "mod" if self.peek(2) == "{" => {
                    let inner = child(&path, self.peek(1));
                    self.at += 3;
                    self.module(inner);
                }
                "mod" => self.at += 1,
                "fn" | "struct" | "enum" | "trait" | "type" | "const" | "static" | "union" if depth == 0 => {
                    module.defines.insert(self.peek(1).to_owned());
                }
                "macro_rules" => drop(module.defines.insert(self.peek(2).to_owned())),
                name if is_name(name) && before != "::" && before != "." => {
                    module.mentions.insert(name.to_owned());
                    if self.peek(1) == "::" {
                        module.paths.push(self.path());
                        continue;
                    }
                }
                _ => {}
            }
            self.at += 1;
        }
        self.modules.insert(path, module);
    }

    /// `a::b::c`, and the place after it.
    fn path(&mut self) -> Vec<String> {
        let mut names = vec![self.peek(0).to_owned()];
        self.at += 1;
        while self.peek(0) == "::" && is_name(self.peek(1)) {
            names.push(self.peek(1).to_owned());
            self.at += 2;
        }
        names
    }

    /// One branch of a `use` tree, and the `,`, `;` or `}` after it.
    fn import(&mut self, before: &[String], public: bool, into: &mut Vec<Import>) {
        let mut path = before.to_vec();
        loop {
            match self.peek(0) {
                "{" => {
                    self.at += 1;
                    while self.peek(0) != "}" {
                        self.import(&path, public, into);
                        if self.peek(0) == "," {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                "::" => {}
                "as" => {
                    let name = self.peek(1).to_owned();
                    self.at += 2;
                    return into.push(Import { path, name, public });
                }
                "," | "}" | ";" => {
                    let named = if path.last().is_some_and(|last| last == "self") && path.len() > 1 {
                        path.pop();
                        path.last()
                    } else {
                        path.last()
                    };
                    let name = named.unwrap().clone();
                    return into.push(Import { path, name, public });
                }
                name => path.push(name.to_owned()),
            }
            self.at += 1;
        }
    }
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Drops every item under `#[cfg(test)]` or `#[cfg(all(test, …))]`.
fn without_tests(tokens: Vec<String>) -> Vec<String> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at..].starts_with(&["#", "[", "cfg"].map(String::from)) {
            let end = after_brackets(&tokens, at + 1);
            let attribute = &tokens[at..end];
            let says = |word: &str| attribute.iter().any(|t| t == word);
            if says("test") && !says("not") && !says("any") {
                at = after_item(&tokens, end);
                continue;
            }
        }
        kept.push(tokens[at].clone());
        at += 1;
    }
    kept
}

/// The place after the bracket that opens at `at`.
fn after_brackets(tokens: &[String], mut at: usize) -> usize {
    let mut depth = 0;
    loop {
        match tokens[at].as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return at;
        }
    }
}

/// The place after the item that begins at `at`: its `;` or its closing brace.
fn after_item(tokens: &[String], mut at: usize) -> usize {
    while at < tokens.len() {
        match tokens[at].as_str() {
            ";" => return at + 1,
            "{" => return after_brackets(tokens, at),
            "}" => return at,
            "(" | "[" => at = after_brackets(tokens, at),
            _ => at += 1,
        }
    }
    at
}

/// Names, `::` and single signs. Comments, strings, characters and lifetimes are left out, save for a string that is a
/// path of this crate (`#[serde(with = "super::hex")]`).
fn tokens(text: &str) -> Vec<String> {
    let c: Vec<char> = text.chars().collect();
    let is = |at: usize, sign: char| c.get(at) == Some(&sign);
    let word = |at: usize| c.get(at).is_some_and(|c| c.is_alphanumeric() || *c == '_');
    let mut found: Vec<String> = Vec::new();
    let mut at = 0;
    while at < c.len() {
        let start = at;
        if is(at, '/') && is(at + 1, '/') {
            while at < c.len() && c[at] != '\n' {
                at += 1;
            }
        } else if is(at, '/') && is(at + 1, '*') {
            let mut depth = 0;
            loop {
                if is(at, '/') && is(at + 1, '*') {
                    (depth, at) = (depth + 1, at + 2);
                } else if is(at, '*') && is(at + 1, '/') {
                    (depth, at) = (depth - 1, at + 2);
                } else {
                    at += 1;
                }
                if depth == 0 || at >= c.len() {
                    break;
                }
            }
        } else if is(at, '"') {
            at += 1;
            while !is(at, '"') {
                at += 1 + usize::from(is(at, '\\'));
            }
            at += 1;
            let inside: String = c[start + 1..at - 1].iter().collect();
            let is_path = inside.chars().all(|c| c.is_alphanumeric() || c == '_' || c == ':');
            if is_path && ["crate::", "super::", "self::"].iter().any(|p| inside.starts_with(p)) {
                found.extend(tokens(&inside));
            } else {
                found.push("\"".into());
            }
        } else if is(at, '\'') {
            // A lifetime has no closing quote.
            if is(at + 1, '\\') {
                at += 3;
                while !is(at, '\'') {
                    at += 1;
                }
                at += 1;
            } else if is(at + 2, '\'') {
                at += 3;
            } else {
                at += 1;
                while word(at) {
                    at += 1;
                }
            }
        } else if word(at) {
            while word(at) {
                at += 1;
            }
            let name: String = c[start..at].iter().collect();
            let mut hashes = at;
            while is(hashes, '#') {
                hashes += 1;
            }
            if ["r", "br"].contains(&name.as_str()) && is(hashes, '"') {
                let close: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes - at)).collect();
                at = hashes + 1;
                while !c[at..].starts_with(&close) {
                    at += 1;
                }
                at += close.len();
            } else {
                found.push(name);
            }
        } else if is(at, ':') && is(at + 1, ':') {
            at += 2;
            found.push("::".into());
        } else {
            at += 1;
            if !c[start].is_whitespace() {
                found.push(c[start].to_string());
            }
        }
    }
    found
}
