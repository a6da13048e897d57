//! What lies below `--runs`, read while others write it.
//!
//! ```text
//! folder.rs: which files ─▶ kind.rs: of which command ─▶ status.rs · curves.rs · results.rs · presets.rs ─▶ paths.rs: no folder shown
//! ```

mod curves;
mod folder;
mod kind;
mod paths;
mod presets;
mod results;
mod status;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Result;
use crate::session::VectorSet;
use folder::{RunPlace, RunsFolder, read_text};
use kind::{RunConfig, RunKind};
use status::{RunStatus, Watch};

pub use paths::without_folders;
pub use presets::Preset;

/// For so long a list is as good as new: many may look at it.
const FRESH: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub struct Runs {
    folder: RunsFolder,
    watch: Watch,
    listed: Mutex<Option<(Instant, Arc<Vec<RunStatus>>)>>,
}

/// Vectors that a run of `extract` has made.
pub struct MadeVectors {
    pub run: String,
    pub trait_name: String,
    pub file: PathBuf,
}

impl Runs {
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self { folder: RunsFolder::open(path)?, watch: Watch::default(), listed: Mutex::new(None) })
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Every run, the one that was written last first.
    pub fn list(&self) -> Arc<Vec<RunStatus>> {
        // Who comes meanwhile waits for the same list.
        let mut listed = self.listed.lock().expect("no thread panics with the lock");
        if let Some((_, list)) = listed.as_ref().filter(|(since, _)| since.elapsed() < FRESH) {
            return list.clone();
        }
        let mut list: Vec<RunStatus> = self.configs().map(|(run, config)| self.watch.status(&run, &config)).collect();
        list.sort_by(|a, b| b.updated.cmp(&a.updated).then_with(|| a.id.cmp(&b.id)));
        let list = Arc::new(list);
        *listed = Some((Instant::now(), list.clone()));
        list
    }

    fn configs(&self) -> impl Iterator<Item = (RunPlace, RunConfig)> {
        let read = |run: RunPlace| RunConfig::read(&run.path).map(|config| (run, config));
        self.folder.runs().into_iter().filter_map(read)
    }

    fn run(&self, id: &str) -> Option<(RunPlace, RunConfig)> {
        let run = self.folder.run(id)?;
        let config = RunConfig::read(&run.path)?;
        Some((run, config))
    }

    /// A run with its settings, its lock and what it found.
    pub fn details(&self, id: &str) -> Option<Value> {
        let (run, config) = self.run(id)?;
        let json_of =
            |name: &str| read_text(&run.path.join(name)).and_then(|text| serde_json::from_str::<Value>(&text).ok());
        let mut details = json!(self.watch.status(&run, &config));
        details["object"] = json!("run");
        details["settings"] = json!(config.table);
        details["lock"] = json_of("lock.json").unwrap_or_default();
        details["diagnosis"] = json_of("diagnosis.json").unwrap_or_default();
        if config.kind.is_study() {
            details["tasks"] = crate::study::status(&run.path).map_or(Value::Null, |tasks| json!(tasks));
        }
        if let Some(study) = results::study(&run.path) {
            details["verdict"] = json!(study.verdict);
            details["title"] = json!(study.title);
        }
        Some(paths::cleaned(details))
    }

    pub fn curves(&self, id: &str) -> Option<Value> {
        let (run, _) = self.run(id)?;
        let (charts, finetunes) = curves::charts(&run.path);
        Some(json!({ "object": "list", "run": id, "finetunes": finetunes, "data": charts }))
    }

    pub fn table(&self, id: &str) -> Option<Value> {
        Some(results::table(&results::study(&self.folder.run(id)?.path)?))
    }

    pub fn figures(&self, id: &str) -> Option<Value> {
        Some(results::figures(&results::study(&self.folder.run(id)?.path)?))
    }

    pub fn report(&self, id: &str) -> Option<String> {
        let run = self.folder.run(id)?;
        Some(without_folders(&read_text(&run.path.join("report.html"))?))
    }

    pub fn presets(&self, vectors: &VectorSet) -> Vec<Preset> {
        self.configs().flat_map(|(run, config)| presets::of_run(&run, &config, vectors)).collect()
    }

    pub fn vectors(&self) -> Vec<MadeVectors> {
        let made = |(run, config): (RunPlace, RunConfig)| {
            let trait_name = config.trait_name().filter(|_| config.kind == RunKind::Extract)?.to_owned();
            let file = run.path.join(format!("{trait_name}.safetensors"));
            let plain = !trait_name.contains(['/', '\\']) && folder::is_file(&file);
            plain.then_some(MadeVectors { run: run.id, trait_name, file })
        };
        self.configs().filter_map(made).collect()
    }
}
