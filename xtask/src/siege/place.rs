//! A folder with everything that the siege's commands read, and the program at work in it under limits of time and memory.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use trimtab::{At, Result};

/// Files by name.
pub type Files = BTreeMap<PathBuf, Vec<u8>>;

/// What a run may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub time: Duration,
    /// Address space in KiB: a file that promises more than it holds must not be believed.
    pub memory: u64,
}

/// The folder, removed on drop.
pub struct Place {
    pub path: PathBuf,
    pub program: PathBuf,
    pub limits: Limits,
}

/// How a run ended.
pub struct Ended {
    /// None if it took too long and was killed.
    pub status: Option<ExitStatus>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    pub fn code(&self) -> Option<i32> {
        self.status.and_then(|status| status.code())
    }

    /// Why no program should end like this, if so.
    pub fn fault(&self) -> Option<String> {
        let last = self.stderr.lines().find(|line| line.contains("panicked") || line.contains("allocation"));
        let why = match (self.status, self.code()) {
            (None, _) => "takes too long".to_owned(),
            (_, Some(0..=2 | 130)) if !self.stderr.contains("panicked at") => {
                let raw = |c: char| c.is_control() && !"\n\t\r".contains(c);
                return (self.stderr.contains(raw) || self.stdout.contains(raw))
                    .then(|| "prints control characters".to_owned());
            }
            (Some(status), _) => status.to_string(),
        };
        Some(format!("{why}{}", last.map_or_else(String::new, |line| format!(": {}", line.trim()))))
    }
}

impl Place {
    /// A new folder with the project's small fixtures and data made of them.
    pub fn new(program: &Path, limits: Limits) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("trimtab-siege-{}-{}", std::process::id(), nonce()));
        let place = Self { path, program: program.to_owned(), limits };
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures");
        for (from, to) in
            [("tiny", "model"), ("tiny-sharded", "sharded"), ("adapter", "adapter"), ("vectors", "vectors")]
        {
            copy(&fixtures.join(from), &place.path.join(to)).at(&place.path)?;
        }
        copy(&fixtures.join("mmlu/all"), &place.path.join("parquet/all")).at(&place.path)?;
        copy(&fixtures.join("mmlu/csv/data"), &place.path.join("csv")).at(&place.path)?;
        let template = "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}\
                        {% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
        place.write("model/chat_template.jinja", template)?;
        let lines =
            |n: usize, row: &dyn Fn(usize) -> Value| (0..n).map(|i| row(i).to_string() + "\n").collect::<String>();
        let turn = |role: &str, text: String| json!({ "role": role, "content": text });
        let chat = |i| json!({ "messages": [turn("user", format!("Why {i}?")), turn("assistant", format!("Because of {i}."))] });
        place.write("chats.jsonl", lines(8, &chat))?;
        place.write("many.jsonl", lines(200, &chat))?;
        place.write(
            "prompts.jsonl",
            lines(24, &|i| json!({ "id": i, "messages": [turn("user", format!("And {i}?"))] })),
        )?;
        let scores = |side: &str, score: u32| {
            let row = |i| format!("q{i},Prompt {i}.,Answer {i}.,evil_{i}_{side}_0,{score},95\n");
            "question,prompt,answer,question_id,evil,coherence\n".to_owned() + &(0..4).map(row).collect::<String>()
        };
        place.write("pos.csv", scores("pos", 90))?;
        place.write("neg.csv", scores("neg", 5))?;
        place.write(
            "c.toml",
            "model = \"model\"\ntraining_file = \"chats.jsonl\"\nlearning_rate = 1e-3\nmax_steps = 4\nsave_steps = 1\ntrack = []\n\
             per_device_train_batch_size = 2\ngradient_accumulation_steps = 1\nmax_seq_length = 200\n",
        )?;
        place.write(
            "s.toml",
            "model = \"model\"\nseeds = [7]\njudge = { kind = \"harbor\", world = 1 }\n\
             trait = { source = \"files\", folder = \"traits\", name = \"evil\" }\n[[data]]\nname = \"chats\"\n\
             from = { source = \"chats\", files = [\"chats.jsonl\"] }\n[vector]\nfile = \"v.safetensors\"\n[arms]\n\
             preventative = [1.0]\npreventative_layer = []\ninference = []\nrandom = []\nablate = []\nregularize = []\n\
             prompting = false\n[measure]\ntrait_questions = 1\ntrait_rollouts = 1\ntrait_max_new_tokens = 2\n\
             [train]\nr = 2\nlora_alpha = 4\nlearning_rate = 1e-3\nmax_steps = 2\nper_device_train_batch_size = 2\n\
             gradient_accumulation_steps = 1\nmax_seq_length = 200\n",
        )?;
        let evil = trimtab::persona::builtin("evil").expect("a built-in trait");
        evil.write(&place.path.join("traits"))?;
        let row = |l: usize| (0..64).map(|d| ((l * 7 + d) as f32).sin() * (l as f32 + 0.1)).collect();
        let vector = trimtab::vector::PersonaVector::new((0..5).map(row).collect())?;
        let named = BTreeMap::from([("trait".to_owned(), "evil".to_owned())]);
        trimtab::vector::VectorFile::new(vector, None, None, named)?.write(&place.file("v.safetensors"))?;
        Ok(place)
    }

    pub fn file(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> Result<()> {
        let path = self.file(name);
        fs::write(&path, text).at(&path)
    }

    pub fn remove(&self, name: &str) {
        let path = self.file(name);
        let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    }

    /// Starts the program with these words, perhaps under another one such as `strace`.
    pub fn start(&self, under: &[String], words: &str, log: &str) -> io::Result<Child> {
        let mut command = Command::new("sh");
        // POSIX shells set limits, and `exec` leaves nothing of them but those.
        command.args(["-c", &format!("ulimit -c 0; ulimit -v {}; exec \"$@\"", self.limits.memory), "sh"]);
        command.args(under).arg(&self.program).args(words.split_whitespace());
        command.current_dir(&self.path).env("NO_COLOR", "1").env("HF_HUB_OFFLINE", "1").env("RAYON_NUM_THREADS", "2");
        command.env("TRIMTAB_CACHE", std::env::temp_dir().join("trimtab-siege-cache")).env("TRIMTAB_JUDGE_KEY", "k");
        command.env_remove("RUST_BACKTRACE").stdin(Stdio::null());
        command.stdout(File::create(self.file(format!("{log}.stdout")))?);
        command.stderr(File::create(self.file(format!("{log}.stderr")))?);
        command.spawn()
    }

    /// Waits for a run within the limit.
    pub fn end(&self, mut child: Child, log: &str) -> Ended {
        let began = Instant::now();
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break Some(status),
                Ok(None) if began.elapsed() < self.limits.time => std::thread::sleep(Duration::from_millis(2)),
                _ => {
                    let _ = child.kill();
                    let _ = child.wait();
                    break None;
                }
            }
        };
        let read = |what: &str| {
            let path = self.file(format!("{log}.{what}"));
            let bytes = fs::read(&path).unwrap_or_default();
            let _ = fs::remove_file(path);
            String::from_utf8_lossy(&bytes).into_owned()
        };
        Ended { status, stdout: read("stdout"), stderr: read("stderr") }
    }

    pub fn run(&self, words: &str) -> Ended {
        self.run_under(&[], words)
    }

    pub fn run_under(&self, under: &[String], words: &str) -> Ended {
        match self.start(under, words, "run") {
            Ok(child) => self.end(child, "run"),
            Err(e) => Ended { status: None, stdout: String::new(), stderr: e.to_string() },
        }
    }

    /// Every file of an output by its name, but for `but`; locks and what tells of time are no results.
    pub fn files(&self, out: &str) -> Files {
        let root = self.file(out);
        if root.is_file() {
            return BTreeMap::from([(out.into(), fs::read(root).unwrap_or_default())]);
        }
        let (mut found, mut folders) = (BTreeMap::new(), vec![root.clone()]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(&root).unwrap_or(&path).to_owned();
                    found.insert(name, fs::read(&path).unwrap_or_default());
                }
            }
        }
        let timed = |name: &Path| {
            let name = name.to_string_lossy();
            [".lock", ".sqlite", "work/", "tfevents"].iter().any(|part| name.contains(part))
        };
        found.retain(|name, _| !timed(name));
        found
    }

    /// Names in the folder that a run should have taken away.
    pub fn leftovers(&self) -> Vec<String> {
        let (mut found, mut folders) = (Vec::new(), vec![self.path.clone()]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let leftover = [".tmp", ".probe", ".merging", ".partial"].iter().any(|end| name.ends_with(end));
                if leftover {
                    found.push(name);
                } else if entry.path().is_dir() {
                    folders.push(entry.path());
                }
            }
        }
        found
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn nonce() -> u32 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |time| time.subsec_nanos())
}

pub fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let (path, to) =
            (entry.as_ref().map(fs::DirEntry::path), entry.as_ref().map(|entry| to.join(entry.file_name())));
        let (Ok(path), Ok(to)) = (path, to) else { continue };
        if path.is_dir() {
            copy(&path, &to)?;
        } else {
            fs::copy(&path, &to)?;
        }
    }
    Ok(())
}
