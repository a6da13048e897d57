//! The program in a folder of its own: real files in, real files out, exit codes and messages.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use trimtab::vector::{PersonaVector, VectorFile};

use super::goldens::{self, fixture, integers};
use super::reference::vectors;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_trimtab");

/// Where the embedded model is unpacked, once for all tests.
pub fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache")
}

/// A folder to work in, and the tiny model.
pub struct Place {
    pub dir: TempDir,
    pub model: String,
}

// ------------------------------------------------------------------------------------------------------- the program

impl Place {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), model: fixture("tiny").display().to_string() }
    }

    /// `trimtab` here with these words, `MODEL` standing for the tiny model.
    pub fn command(&self, words: &str) -> Command {
        let words = words.split_whitespace().map(|word| if word == "MODEL" { self.model.as_str() } else { word });
        let mut command = Command::new(PROGRAM);
        command.args(words).current_dir(self.dir.path()).env("NO_COLOR", "1");
        command.env("TRIMTAB_CACHE", cache()).env("TRACKIO_DIR", self.path("trackio"));
        command
    }

    pub fn run(&self, words: &str) -> Output {
        self.command(words).output().unwrap()
    }

    /// Runs and expects this exit code; gives stdout and stderr.
    #[track_caller]
    pub fn ends(&self, words: &str, code: i32) -> (String, String) {
        let output = self.run(words);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(code), "{words}\n{said}");
        (String::from_utf8(output.stdout).unwrap(), said)
    }

    #[track_caller]
    pub fn succeeds(&self, words: &str) -> Output {
        let output = self.run(words);
        assert_eq!(output.status.code(), Some(0), "{words}\n{}", said(&output));
        output
    }

    /// What the program prints with `--json`.
    #[track_caller]
    pub fn told(&self, words: &str) -> Value {
        stdout_json(&self.succeeds(&format!("{words} --json")))
    }

    /// Runs and expects this exit code and these words on stderr, and nothing on stdout.
    #[track_caller]
    pub fn fails(&self, words: &str, code: i32, wants: &[&str]) {
        let (stdout, said) = self.ends(words, code);
        assert!(stdout.is_empty(), "{words}");
        for want in wants {
            assert!(said.contains(want), "`{want}` is not in what `{words}` said:\n{said}");
        }
    }

    /// Starts the program without waiting for it.
    pub fn start(&self, words: &str) -> Child {
        self.command(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Starts the program and kills it as soon as `when` holds.
    #[track_caller]
    pub fn killed(&self, words: &str, mut when: impl FnMut() -> bool) {
        let mut child = self.start(words);
        let began = Instant::now();
        while !when() && child.try_wait().unwrap().is_none() {
            assert!(began.elapsed() < Duration::from_secs(300), "{words}: it does not come so far");
            std::thread::sleep(Duration::from_millis(1));
        }
        // SIGKILL, on Unix.
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success(), "{words}: the work was over before it could be stopped");
    }
}

pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
pub fn stdout_json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

// ------------------------------------------------------------------------------------------------------------- files

/// Copies a folder's files into another one, which is made.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &to);
        } else {
            std::fs::copy(&path, &to).unwrap();
        }
    }
}

impl Place {
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    #[track_caller]
    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    #[track_caller]
    pub fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }

    /// The objects of a JSONL file.
    #[track_caller]
    pub fn rows(&self, name: &str) -> Vec<Value> {
        self.text(name).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The lines of a file so far; 0 before it is there.
    pub fn lines(&self, name: &str) -> usize {
        std::fs::read_to_string(self.path(name)).unwrap_or_default().lines().count()
    }

    /// Every file of a run with its bytes, by its path in the run's folder.
    pub fn files(&self, run: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        let run = self.path(run);
        let (mut found, mut folders) = (BTreeMap::new(), vec![run.clone()]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.insert(path.strip_prefix(&run).unwrap().to_owned(), std::fs::read(&path).unwrap());
                }
            }
        }
        found
    }

    /// Two runs have the same files, byte for byte.
    #[track_caller]
    pub fn same_files(&self, a: &str, b: &str) {
        let (a, b) = (self.files(a), self.files(b));
        assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
        for (name, bytes) in &a {
            assert!(*bytes == b[name], "{} differs", name.display());
        }
    }

    /// Writes a vector of the response's mean alone.
    pub fn vector(&self, name: &str, vector: PersonaVector) {
        VectorFile::new(vector, None, None, Default::default()).unwrap().write(&self.path(name)).unwrap();
    }

    /// The golden vectors of the tiny model.
    pub fn vectors(&self, name: &str) {
        self.vector(name, vectors());
    }

    /// The prompts of the golden generations, as tokens.
    pub fn golden_prompts(&self, name: &str) {
        let prompts: Vec<Value> = goldens::json("batch_prompts");
        let line = |(i, p): (usize, &Value)| json!({ "id": i, "prompt_ids": p["ids"] }).to_string() + "\n";
        self.write(name, prompts.iter().enumerate().map(line).collect::<String>());
    }

    /// The golden samples as judged answers about flattery, `pos.csv` and `neg.csv`.
    pub fn judged(&self) -> Vec<Value> {
        let samples: Vec<Value> = goldens::json("extract.samples");
        for group in ["pos", "neg"] {
            let mut table = csv::Writer::from_path(self.path(format!("{group}.csv"))).unwrap();
            table.write_record(["question", "prompt", "answer", "question_id", "flattering", "coherence"]).unwrap();
            for (i, sample) in samples.iter().filter(|s| s["group"] == group).enumerate() {
                let (prompt, answer) = (sample["prompt"].as_str().unwrap(), sample["answer"].as_str().unwrap());
                let score = if group == "pos" { "90" } else { "5" };
                table.write_record(["q", prompt, answer, &format!("flattering_{i}_{group}_0"), score, "95"]).unwrap();
            }
            table.flush().unwrap();
        }
        samples
    }

    /// The golden training chats in the order of the golden plan.
    pub fn golden_chats(&self, name: &str) {
        let chats: Vec<Value> = goldens::json("sft.chats");
        let line = |&i: &i64| json!({ "messages": chats[i as usize]["messages"] }).to_string() + "\n";
        self.write(name, integers("train.plan").values.iter().map(line).collect::<String>());
    }

    /// `c.toml`, a configuration of the golden training, plus `more`.
    pub fn golden_config(&self, more: &str) {
        self.golden_chats("chats.jsonl");
        let text = format!(
            "model = \"{}\"\ntraining_file = \"chats.jsonl\"\nlearning_rate = 1e-3\nwarmup_steps = 2\nweight_decay = 0.01\n\
             per_device_train_batch_size = 2\ngradient_accumulation_steps = 2\nepochs = 1\nshuffle = false\n{more}",
            self.model
        );
        self.write("c.toml", text);
    }
}
