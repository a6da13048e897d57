//! A model folder's weights in Hugging Face's layout: one `model.safetensors`, or shards with an index.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::ModelConfig;
use crate::hub::is_dangling;
use crate::record::{Hash, hash_file, read_whole, without_mark, write_atomic};
use crate::tensorfile::{self, Dtype, TensorFile, widen};
use crate::text::text_file_contents;
use crate::{At, Error, Result, bail, ensure};

/// The weights of a model folder, mapped into memory.
#[derive(Debug)]
pub struct Shards {
    dir: PathBuf,
    files: Vec<TensorFile>,
    /// Which file holds a tensor.
    places: BTreeMap<String, usize>,
}

impl Shards {
    /// Opens `model.safetensors`, else the shards that `model.safetensors.index.json` names.
    ///
    /// A truncated or missing shard is named, and so is a tensor that is not in the shard where the index puts it.
    pub fn open(dir: &Path) -> Result<Self> {
        let (single, index) = (dir.join("model.safetensors"), dir.join(INDEX));
        if single.exists() {
            let file = TensorFile::open(&single)?;
            let places = file.names().into_iter().map(|name| (name, 0)).collect();
            return Ok(Self { dir: dir.to_owned(), files: vec![file], places });
        }
        if !index.exists() {
            let found = format!("{}: neither `model.safetensors` nor `model.safetensors.index.json`", dir.display());
            if [&single, &index].into_iter().any(|path| is_dangling(path)) {
                return Err(Error::new(format!("{}: the weights are links to nothing", dir.display()))
                    .hint("a snapshot of the hub's cache was copied without its blobs: copy it with `cp -rL`, or give the model's name on the hub"));
            }
            let pickled = dir.join("pytorch_model.bin").exists() || dir.join("pytorch_model.bin.index.json").exists();
            return Err(Error::new(found).hint(match pickled {
                true => "the weights are pickled (`.bin`); load and save the model once with transformers, which writes safetensors",
                false => "give a model folder in Hugging Face's layout",
            }));
        }
        Self::sharded(dir, &index)
    }

    fn sharded(dir: &Path, index_path: &Path) -> Result<Self> {
        let index: Value =
            serde_json::from_slice(without_mark(&read_whole(index_path).at(index_path)?)).at(index_path)?;
        let map = index["weight_map"].as_object();
        let map = map.ok_or_else(|| Error::new("no `weight_map`").at(index_path.display()))?;
        let mut by_file: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (tensor, file) in map {
            let file = file.as_str().filter(|file| Path::new(file).file_name().is_some_and(|name| name == *file));
            let file = file.ok_or_else(|| {
                Error::new(format!("`weight_map` gives no file name for `{tensor}`")).at(index_path.display())
            })?;
            by_file.entry(file).or_default().push(tensor);
        }
        let (mut files, mut places) = (Vec::new(), BTreeMap::new());
        for (name, tensors) in by_file {
            let path = dir.join(name);
            let file = TensorFile::open(&path)
                .map_err(|e| e.hint(format!("`{}` names this shard: fetch it again", index_path.display())))?;
            for tensor in tensors {
                // A tied head is no tensor of its own, yet some indexes name it; `verify` misses it where it is due.
                if file.shape(tensor).is_none() && tensor != HEAD {
                    bail!("{}: tensor `{tensor}` is missing, where {} puts it", path.display(), index_path.display());
                }
            }
            for tensor in file.names() {
                if let Some(twin) = places.insert(tensor.clone(), files.len()) {
                    let twin: &TensorFile = files.get(twin).unwrap_or(&file);
                    bail!("tensor `{tensor}` is in {} and in {}", twin.path().display(), path.display());
                }
            }
            files.push(file);
        }
        ensure!(!files.is_empty(), "{}: `weight_map` is empty", index_path.display());
        Ok(Self { dir: dir.to_owned(), files, places })
    }

    /// The tensors' names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.places.keys().map(String::as_str)
    }

    /// The files, each with the names of its tensors, sorted.
    pub fn parts(&self) -> impl Iterator<Item = (&Path, Vec<String>)> {
        self.files.iter().map(|file| (file.path(), file.names()))
    }

    /// A tensor's dtype, shape and little-endian bytes.
    pub fn raw(&self, name: &str) -> Result<(Dtype, &[usize], &[u8])> {
        self.file_of(name)?.raw(name)
    }

    /// A tensor's values in f32, row after row; it must have the given shape and be F32, F16 or BF16.
    pub fn read_f32(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        self.file_of(name)?.f32(name, shape)
    }

    /// Lets go of the memory in which a tensor's file is mapped; see [`TensorFile::release`].
    pub fn release(&self, name: &str) {
        if let Ok(file) = self.file_of(name) {
            file.release(name);
        }
    }

    /// The configuration as the files bear it out: a stored head whose numbers are not the embedding's is a head of its own,
    /// even where `tie_word_embeddings` is true (as transformers 5 has it); one of another shape is left to [`Self::verify`].
    ///
    /// # Errors
    /// An index that names a tensor which its file does not hold.
    pub fn settled(&self, mut config: ModelConfig) -> Result<ModelConfig> {
        let stored = |name: &str| self.places.contains_key(name);
        if config.tie_word_embeddings && stored(HEAD) && stored(EMBEDDING) {
            let ((a, shape, embedding), (b, head_shape, head)) = (self.raw(EMBEDDING)?, self.raw(HEAD)?);
            config.tie_word_embeddings = shape == head_shape && same_numbers((a, embedding), (b, head));
        }
        Ok(config)
    }

    /// Compares the files with the configuration and names every tensor that is missing, misshapen or unknown.
    ///
    /// `lm_head.weight` beside a tied head and stored rotary frequencies (`rotary_emb.inv_freq`) are harmless leftovers.
    pub fn verify(&self, config: &ModelConfig) -> Result<()> {
        let expected: BTreeMap<String, Vec<usize>> = config.tensors().into_iter().collect();
        let headless = !config.tie_word_embeddings && !self.places.contains_key(HEAD);
        let leftover = |name: &str| {
            name.ends_with("rotary_emb.inv_freq") || (config.tie_word_embeddings && name == "lm_head.weight")
        };
        let mut stored = BTreeMap::new();
        for (name, &file) in self.places.iter().filter(|(name, _)| expected.contains_key(*name) || !leftover(name)) {
            let (dtype, shape, _) = self.files[file].raw(name)?;
            let refused = (torch_name(dtype).is_none()).then(|| format!("is {dtype:?}, expected F32, F16 or BF16"));
            let (shape, path) = (shape.to_vec(), self.files[file].path());
            stored.insert(name.as_str(), StoredTensor { shape, refused, path });
        }
        let empty = expected.keys().filter_map(|name| stored.get(name.as_str())).any(|t| t.shape.contains(&0));
        let faults = faults(&expected, &stored);
        if faults.is_empty() {
            return Ok(());
        }
        Err(Error::new(format!("{}: {}", self.dir.display(), faults.join("; "))).hint(match (empty, headless) {
            (true, _) => "empty tensors are what DeepSpeed ZeRO-3 saves of weights that it has not gathered: make the model with `zero_to_fp32.py`, or set `stage3_gather_16bit_weights_on_model_save`",
            (_, true) => "there is no head: if the model's is tied to its embedding, set `tie_word_embeddings` to true in config.json; otherwise a shard was left out",
            _ => "the weights do not belong to this folder's `config.json`, or a shard was left out: fetch the model again",
        }))
    }

    /// A hash by which the model is known again: names, dtypes and shapes of all tensors, and 4 KiB from the beginning, the
    /// middle and the end of each. A finetune changes it; hashing every byte would read the whole model.
    pub fn fingerprint(&self) -> Result<String> {
        fingerprint(self.names().map(|name| {
            let (dtype, shape, bytes) = self.raw(name)?;
            Ok((format!("{name} {dtype:?} {shape:?};"), bytes))
        }))
    }

    /// The hash of each file, by the order of the files: of every byte, each file on a thread of its own.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn contents(&self) -> Result<Vec<Hash>> {
        std::thread::scope(|scope| {
            let hashed = self.files.iter().map(|file| scope.spawn(|| hash_file(file.path()))).collect::<Vec<_>>();
            hashed.into_iter().map(|hash| hash.join().expect("hashing does not panic")).collect()
        })
    }

    fn file_of(&self, name: &str) -> Result<&TensorFile> {
        let file = self.places.get(name).map(|&file| &self.files[file]);
        file.ok_or_else(|| Error::new(format!("{}: tensor `{name}` is missing", self.dir.display())))
    }
}

/// What is stored of a tensor.
pub(super) struct StoredTensor<'a> {
    pub shape: Vec<usize>,
    /// What is wrong with its type, if it is not read.
    pub refused: Option<String>,
    pub path: &'a Path,
}

/// Every tensor that is missing, not as expected, or unknown.
pub(super) fn faults(
    expected: &BTreeMap<String, Vec<usize>>,
    stored: &BTreeMap<&str, StoredTensor<'_>>,
) -> Vec<String> {
    let (mut missing, mut wrong) = (Vec::new(), Vec::new());
    for (name, shape) in expected {
        match stored.get(name.as_str()) {
            None => missing.push(format!("`{name}` {shape:?}")),
            Some(StoredTensor { shape: found, path, .. }) if found != shape => {
                wrong.push(format!("`{name}` is {found:?}, expected {shape:?} ({})", path.display()));
            }
            Some(StoredTensor { refused: Some(why), path, .. }) => {
                wrong.push(format!("`{name}` {why} ({})", path.display()));
            }
            Some(_) => {}
        }
    }
    let unknown = stored.iter().filter(|(name, _)| !expected.contains_key(**name));
    let unknown: Vec<String> = unknown.map(|(name, tensor)| format!("`{name}` ({})", tensor.path.display())).collect();
    let all = [("missing", missing), ("not as expected", wrong), ("unknown", unknown)];
    all.iter().filter_map(|(what, tensors)| named(what, tensors)).collect()
}

/// A hash of tensors: a description of each, and 4 KiB from the beginning, the middle and the end of its bytes.
pub(super) fn fingerprint<'a>(tensors: impl Iterator<Item = Result<(String, &'a [u8])>>) -> Result<String> {
    const PIECE: usize = 4096;
    let mut hasher = blake3::Hasher::new();
    for tensor in tensors {
        let (description, bytes) = tensor?;
        hasher.update(description.as_bytes());
        let last = bytes.len().saturating_sub(PIECE);
        for start in [0, last / 2, last] {
            hasher.update(&bytes[start..bytes.len().min(start + PIECE)]);
        }
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// Whether two tensors' bytes stand for the same numbers.
pub(super) fn same_numbers((a_dtype, a): (Dtype, &[u8]), (b_dtype, b): (Dtype, &[u8])) -> bool {
    if a_dtype == b_dtype {
        a == b
    } else {
        widen(a_dtype, a).is_some_and(|a| widen(b_dtype, b).is_some_and(|b| a == b))
    }
}

/// The embedding.
const EMBEDDING: &str = "model.embed_tokens.weight";
/// The output head.
const HEAD: &str = "lm_head.weight";
/// Which file holds which tensor, where they are several.
const INDEX: &str = "model.safetensors.index.json";

/// The text files of a model folder: tokenizer, template and generation defaults.
const TEXT_FILES: [&str; 8] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "generation_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
];

/// Writes a model folder: `model.safetensors` in `dtype` (F32, F16 or BF16), then `config.json`, each atomically, so that a
/// folder with a `config.json` is complete. Tokenizer, template and generation defaults are copied from `text_from`.
///
/// `values` gives each of [`ModelConfig::tensors`] in f32 when its turn comes.
pub fn write_model(
    dir: &Path,
    config: &ModelConfig,
    dtype: Dtype,
    text_from: Option<&Path>,
    values: impl FnMut(&str) -> Result<Vec<f32>>,
) -> Result<()> {
    write_shards(dir, config, dtype, 1, text_from, values)
}

/// [`write_model`] with the weights in so many files of about equal size, and an index of them where they are several.
pub fn write_shards(
    dir: &Path,
    config: &ModelConfig,
    dtype: Dtype,
    shards: usize,
    text_from: Option<&Path>,
    mut values: impl FnMut(&str) -> Result<Vec<f32>>,
) -> Result<()> {
    std::fs::create_dir_all(dir).at(dir)?;
    let Some(dtype_name) = torch_name(dtype) else { bail!("{}: cannot write a model in {dtype:?}", dir.display()) };
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    let parts = parted(config.tensors(), shards);
    let mut places = serde_json::Map::new();
    for (i, tensors) in parts.iter().enumerate() {
        let file = match parts.len() {
            1 => "model.safetensors".to_owned(),
            n => format!("model-{:05}-of-{n:05}.safetensors", i + 1),
        };
        tensorfile::write(&dir.join(&file), dtype, tensors, &metadata, &mut values)?;
        places.extend(tensors.iter().map(|(name, _)| (name.clone(), Value::from(file.as_str()))));
    }
    if parts.len() > 1 {
        let values: usize = parts.iter().flatten().map(|(_, shape)| shape.iter().product::<usize>()).sum();
        write_index(dir, values * if dtype == Dtype::F32 { 4 } else { 2 }, places)?;
    }
    text_from.map_or(Ok(()), |from| copy_text_files(from, dir))?;
    let json = serde_json::to_string_pretty(&config.to_json(dtype_name)).expect("a JSON value can be written");
    write_atomic(&dir.join("config.json"), format!("{json}\n").as_bytes())
}

/// What `config.json` calls a dtype that weights may have.
pub(super) fn torch_name(dtype: Dtype) -> Option<&'static str> {
    match dtype {
        Dtype::F32 => Some("float32"),
        Dtype::F16 => Some("float16"),
        Dtype::BF16 => Some("bfloat16"),
        _ => None,
    }
}

/// Writes the index of a sharded model: `size` bytes of tensors in all, and which file holds which.
pub(super) fn write_index(dir: &Path, size: usize, places: serde_json::Map<String, Value>) -> Result<()> {
    let index = serde_json::json!({ "metadata": { "total_size": size }, "weight_map": places });
    write_atomic(&dir.join(INDEX), format!("{index:#}\n").as_bytes())
}

/// Copies tokenizer, template and generation defaults, as far as there are such files; those of a GGUF file are written out.
pub(super) fn copy_text_files(from: &Path, to: &Path) -> Result<()> {
    if from.is_file() {
        return text_file_contents(from)?.iter().try_for_each(|(name, bytes)| write_atomic(&to.join(name), bytes));
    }
    for name in TEXT_FILES {
        let file = from.join(name);
        if file.exists() {
            write_atomic(&to.join(name), &std::fs::read(&file).at(&file)?)?;
        }
    }
    Ok(())
}

/// The tensors in their order, in so many runs of about equal size; fewer where there are fewer tensors.
fn parted(tensors: Vec<(String, Vec<usize>)>, shards: usize) -> Vec<Vec<(String, Vec<usize>)>> {
    let size = |(_, shape): &(String, Vec<usize>)| shape.iter().product::<usize>();
    let share = tensors.iter().map(size).sum::<usize>().div_ceil(shards.max(1));
    let mut parts: Vec<Vec<_>> = Vec::new();
    let mut filled = usize::MAX;
    for tensor in tensors {
        if filled >= share && parts.len() < shards.max(1) {
            parts.push(Vec::new());
            filled = 0;
        }
        filled += size(&tensor);
        parts.last_mut().expect("the first tensor opens a part").push(tensor);
    }
    parts
}

/// `3 tensors missing: a, b, c`, at most so many of them named.
pub(super) fn named(what: &str, tensors: &[String]) -> Option<String> {
    const NAMED_MAX: usize = 8;
    let (n, more) = (tensors.len(), tensors.len().saturating_sub(NAMED_MAX));
    let noun = if n == 1 { "tensor" } else { "tensors" };
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    let list = tensors[..n.min(NAMED_MAX)].join(", ");
    (n > 0).then(|| format!("{n} {noun} {what}: {list}{rest}"))
}
