//! `--model` and `--adapter`: from words to a model with its adapter, its vectors and its identity. The one place that knows which
//! names stand for something else than a folder.

pub mod show;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{Console, Context, paths};
use crate::gguf;
use crate::hub::{Name, Progress, is_dangling, snapshot_within};
use crate::model::{AdapterFolder, Checkpoint, ModelConfig, model_hash};
use crate::record::{Hash, Lock, is_lfs_pointer, lfs_pointer};
use crate::runtime::ModelSpec;
use crate::session::{NamedFile, VectorSet};
use crate::steering::SteeringPlan;
use crate::text::unended_turns;
use crate::vector::VectorFile;
use crate::{At, Error, Result};

/// The name that means the model inside this program.
pub const HARBOR: &str = "harbor";

/// The flags that name a model.
#[derive(Debug, Clone, Args)]
pub struct ModelArgs {
    /// The model: a folder in Hugging Face's layout, a GGUF file, a hub name (`owner/name`, `owner/name@revision`,
    /// `owner/name:FILE.gguf`), or `harbor`
    #[arg(long, value_name = "MODEL")]
    pub model: PathBuf,
    /// Put an adapter on the model: PEFT's or mlx-lm's folder, a run of `train`, or a checkpoint
    #[arg(long, value_name = "DIR")]
    pub adapter: Option<PathBuf>,
}

/// A model with its adapter, and all that is known of them before the weights are loaded.
#[derive(Debug, Clone)]
pub struct Model {
    pub folder: ModelFolder,
    pub config: ModelConfig,
    pub fingerprint: String,
    pub adapter: Option<(AdapterFolder, Hash)>,
}

impl ModelArgs {
    pub fn is_harbor(&self) -> bool {
        is_harbor(&self.model)
    }

    pub fn find(&self, context: &Context<'_>) -> Result<Model> {
        let folder = ModelFolder::find(&self.model, context)?;
        let adapter = self.adapter.as_deref().map(find_adapter).transpose()?;
        let (config, fingerprint) = (folder.config(context.console)?, folder.fingerprint()?);
        Ok(Model { folder, config, fingerprint, adapter })
    }
}

fn find_adapter(path: &Path) -> Result<(AdapterFolder, Hash)> {
    let folder = AdapterFolder::find(path).map_err(|e| e.at("--adapter"))?;
    let hash = folder.hash()?;
    Ok((folder, hash))
}

/// Whether `--model` names the model inside this program.
pub fn is_harbor(model: &Path) -> bool {
    model == Path::new(HARBOR) && !model.is_dir()
}

impl Model {
    pub fn name(&self) -> &str {
        &self.folder.name
    }

    /// The hash of all that decides what it says without an adapter: weights, configuration, tokenizer, template.
    pub fn hash(&self) -> Result<Hash> {
        model_hash(&self.folder.path)
    }

    /// The hash of all that decides what it says, adapter and all: by this a run knows whether its answers are this model's.
    pub fn identity(&self) -> Result<Hash> {
        Ok(Hash::of(&(self.hash()?, self.adapter_hash())))
    }

    pub fn adapter_hash(&self) -> Option<&Hash> {
        self.adapter.as_ref().map(|(_, hash)| hash)
    }

    pub fn adapter_path(&self) -> Option<PathBuf> {
        self.adapter.as_ref().map(|(folder, _)| folder.path().to_owned())
    }

    pub fn steered(&self, plan: SteeringPlan) -> ModelSpec {
        ModelSpec { model: self.folder.path.clone(), adapter: self.adapter_path(), plan }
    }

    pub fn unsteered(&self) -> ModelSpec {
        self.steered(SteeringPlan::none())
    }

    /// Reads vectors of this model; warnings go to the console.
    pub fn vectors(&self, path: &Path, console: &dyn Console) -> Result<VectorFile> {
        paths::file("--vectors", path)?;
        let (file, warnings) = VectorFile::read_for(path, self.shape(), &self.fingerprint)?;
        warnings.iter().for_each(|warning| console.warn(warning));
        Ok(file)
    }

    /// Reads vectors of this model by their names; warnings go to the console.
    pub fn vector_set(&self, files: &[NamedFile], console: &dyn Console) -> Result<VectorSet> {
        files.iter().try_for_each(|file| paths::file("--vectors", &file.path))?;
        let (vectors, warnings) = VectorSet::read(files, self.shape(), &self.fingerprint)?;
        warnings.iter().for_each(|warning| console.warn(warning));
        Ok(vectors)
    }

    /// Number of blocks and width.
    pub fn shape(&self) -> (usize, usize) {
        (self.config.num_hidden_layers, self.config.hidden_size)
    }

    pub fn lock(&self, device: &str, seed: u64) -> Lock {
        let mut lock = Lock::new(device, vec![seed]);
        lock.notes.insert("model".into(), format!("{} ({})", self.folder.called(), self.fingerprint));
        lock.hashes.extend(self.adapter_hash().map(|hash| ("adapter".to_owned(), hash.clone())));
        lock
    }
}

/// A model's folder or GGUF file, and its names.
#[derive(Debug, Clone)]
pub struct ModelFolder {
    /// The folder, or the GGUF file.
    pub path: PathBuf,
    /// Its name: the folder's or file's own, or the repository's without its owner.
    pub name: String,
    /// Where on the hub it is from, `owner/name@commit`, with `:FILE.gguf` if it is one.
    pub origin: Option<String>,
}

impl ModelFolder {
    /// Finds the model: a folder in Hugging Face's layout, a GGUF file, `harbor`, or a name on the hub (`owner/name`, `@revision`
    /// behind it if it is to be a certain one, `:FILE.gguf` if it is a GGUF file), which is taken from Hugging Face's cache or
    /// fetched into it.
    pub fn find(model: &Path, context: &Context<'_>) -> Result<Self> {
        if is_harbor(model) {
            return Ok(Self { path: harbor(context)?, name: HARBOR.into(), origin: None });
        }
        if model.is_file() {
            return Self::of_gguf(model);
        }
        if !model.is_dir() {
            return match model.to_str().and_then(Name::parse) {
                Some(name) => of_hub(&name, context),
                None => Err(Error::usage(format!("--model {}: no such folder or file", model.display())).hint(
                    "give a folder in Hugging Face's layout, a GGUF file, a name on the hub such as Qwen/Qwen2.5-7B-Instruct, or `harbor`",
                )),
            };
        }
        if !model.join("config.json").is_file() {
            let what = format!("--model {}: the folder holds no `config.json`", model.display());
            let dangling = is_dangling(&model.join("config.json"));
            return Err(Error::usage(what).hint(match (snapshot_within(model), dangling, gguf_in(model)?) {
                (Some(snapshot), ..) => format!("it is a repository of the hub's cache: give {}", snapshot.display()),
                (_, true, _) => "its `config.json` is a link to nothing: a snapshot of the hub's cache was copied without its blobs; copy it with `cp -rL`".to_owned(),
                (_, _, Some(gguf)) => format!("give a GGUF file by its name: {}", gguf.display()),
                _ => "a model folder holds config.json, tokenizer.json and *.safetensors".to_owned(),
            }));
        }
        // `.` has no name of its own.
        let whole = model.canonicalize().at(model)?;
        let name = whole.file_name().map_or_else(|| "model".into(), |name| name.to_string_lossy().into_owned());
        Ok(Self { path: model.to_owned(), name, origin: None })
    }

    fn of_gguf(path: &Path) -> Result<Self> {
        let mut start = Vec::new();
        File::open(path).at(path)?.take(64).read_to_end(&mut start).at(path)?;
        if is_lfs_pointer(&start) {
            return Err(lfs_pointer(path));
        }
        if !gguf::is_one(&start) {
            return Err(Error::usage(format!("--model {}: not a GGUF file", path.display()))
                .hint("a model is a folder in Hugging Face's layout, or one GGUF file"));
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { path: path.to_owned(), name, origin: None })
    }

    /// Its shape; the console is told where the weights say otherwise than `config.json`, and where answers would not end.
    pub fn config(&self, console: &dyn Console) -> Result<ModelConfig> {
        let config = ModelConfig::read(&self.path)?;
        let tied = config.tie_word_embeddings;
        let config = Checkpoint::open(&self.path)?.settled(config)?;
        unended_turns(&self.path)?.iter().for_each(|warning| console.warn(warning));
        if tied && !config.tie_word_embeddings {
            console.warn(&format!(
                "{}: `tie_word_embeddings` is true, yet `lm_head.weight` is stored with other numbers than the embedding's; it is used as it is stored",
                self.path.display()
            ));
        }
        Ok(config)
    }

    pub fn fingerprint(&self) -> Result<String> {
        Checkpoint::open(&self.path)?.fingerprint()
    }

    /// Its name in locks: the repository with the commit, or the folder's name.
    pub fn called(&self) -> &str {
        self.origin.as_deref().unwrap_or(&self.name)
    }

    /// Its name in an adapter's configuration: the repository without the commit (and the GGUF file in it), or the folder.
    pub fn base(&self) -> String {
        let Some((repo, rest)) = self.origin.as_deref().and_then(|origin| origin.split_once('@')) else {
            return self.path.display().to_string();
        };
        rest.split_once(':').map_or_else(|| repo.to_owned(), |(_, file)| format!("{repo}:{file}"))
    }
}

fn gguf_in(folder: &Path) -> Result<Option<PathBuf>> {
    let entries = std::fs::read_dir(folder).at(folder)?.filter_map(|entry| Some(entry.ok()?.path()));
    Ok(entries.filter(|path| path.extension().is_some_and(|end| end == "gguf")).min())
}

fn of_hub(name: &Name, context: &Context<'_>) -> Result<ModelFolder> {
    const MIB: u64 = 1 << 20;
    let mut bar = None;
    let mut tell = |Progress { done, total }: Progress| {
        let bar =
            bar.get_or_insert_with(|| context.console.bar(&format!("{} (MiB)", name.repo), (total / MIB) as usize));
        bar.at((done / MIB) as usize, "");
    };
    let snapshot = context.hub.model(name, &mut tell).map_err(|e| {
        // A path that was mistyped can look like a name.
        e.at(format!("--model {}: no such folder, so it is looked up as a name on the hub", name.repo))
    })?;
    drop(bar);
    let from = if snapshot.fetched { "fetched" } else { "from the cache" };
    let file = name.file.as_ref().map_or(String::new(), |file| format!(":{file}"));
    let origin = format!("{}@{}{file}", name.repo, snapshot.commit);
    context.console.say(&format!("model: {origin} ({from})"));
    if !snapshot.unknown.is_empty() {
        let files = snapshot.unknown.join(", ");
        context.console.warn(&format!("the cache does not say whether {} has {files}; going on without", name.repo));
    }
    let path = name.file.as_ref().map_or_else(|| snapshot.folder.clone(), |file| snapshot.folder.join(file));
    Ok(ModelFolder { path, name: name.short().to_owned(), origin: Some(origin) })
}

/// The folder of the embedded model; unpacks it if need be.
fn harbor(context: &Context<'_>) -> Result<PathBuf> {
    let cache = context.cache.as_deref().ok_or_else(|| {
        Error::new("there is no folder to unpack the embedded model into")
            .hint("set TRIMTAB_CACHE to a folder of yours")
    })?;
    crate::harbor::unpack(cache)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ADAPTER_CONFIG;
    use crate::verbs::tests::{Quiet, context};

    #[test]
    fn another_alpha_is_another_adapter() {
        let run = tempfile::tempdir().unwrap();
        let folder = run.path().join("adapter");
        std::fs::create_dir(&folder).unwrap();
        for entry in std::fs::read_dir("tests/fixtures/adapter").unwrap().flatten() {
            std::fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
        }
        let args = ModelArgs { model: "tests/fixtures/tiny".into(), adapter: Some(run.path().to_owned()) };
        let (console, config) = (Quiet::default(), folder.join(ADAPTER_CONFIG));
        let find = || args.find(&context(&console)).unwrap();
        let before = find();
        assert_eq!(before.adapter_path(), Some(folder.clone()), "a run's folder leads to its adapter");
        let text = std::fs::read_to_string(&config).unwrap();
        std::fs::write(&config, text.replace("\"lora_alpha\": 8", "\"lora_alpha\": 16")).unwrap();
        let after = find();
        assert_eq!(before.fingerprint, after.fingerprint);
        assert_ne!(before.adapter_hash(), after.adapter_hash());
        let lock = |model: &Model| model.lock("cpu", 0).hashes["adapter"].clone();
        assert_ne!(lock(&before), lock(&after), "a run's lock tells them apart");
    }
}
