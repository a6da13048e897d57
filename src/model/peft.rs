//! LoRA adapters: read from PEFT's folders and mlx-lm's, written in PEFT's format (`adapter_config.json` and
//! `adapter_model.safetensors`).

use std::collections::BTreeMap;
use std::path::Path;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub use super::adapter_config::{AdapterConfig, RANK_MAX, Slot, Targets};

use super::ModelConfig;
use super::adapter_config::module_name;
use super::adapter_folder::{ADAPTER_CONFIG, ADAPTER_WEIGHTS, AdapterFolder, AdapterForm};
use super::checkpoint::Checkpoint;
use super::files::named;
use super::mlx;
use crate::record::{seed_of, write_atomic};
use crate::tensorfile::{self, Dtype, TensorFile};
use crate::{At, Error, Result};

/// An adapter: its configuration and its pairs.
#[derive(Debug, Clone, PartialEq)]
pub struct Adapter {
    /// What the adapter is.
    pub config: AdapterConfig,
    /// The pairs, by block and projection.
    pub pairs: BTreeMap<(usize, &'static str), Pair>,
}

/// The two factors of one projection's change, `scale · B · A`.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// Where it sits, its rank and its scale.
    pub slot: Slot,
    /// `[rank, inputs]`, row after row: PEFT's `lora_A`.
    pub a: Vec<f32>,
    /// `[outputs, rank]`, row after row: PEFT's `lora_B`.
    pub b: Vec<f32>,
}

impl Adapter {
    /// A new adapter that changes nothing yet: A uniform within ±1/sqrt(inputs) (PEFT's Kaiming-uniform with a = sqrt(5)),
    /// B zero. Each A is drawn from the seed and its own name, so it does not depend on which others there are.
    pub fn fresh(config: AdapterConfig, model: &ModelConfig, seed: u64) -> Result<Self> {
        let pair = |slot: Slot| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed_of(seed, &tensor_name(&slot, 'A')));
            let bound = 1.0 / (slot.inputs as f32).sqrt();
            let a = (0..slot.rank * slot.inputs).map(|_| rng.random_range(-bound..bound)).collect();
            ((slot.block, slot.projection), Pair { slot, a, b: vec![0.0; slot.outputs * slot.rank] })
        };
        let pairs = config.layout(model)?.into_iter().map(pair).collect();
        Ok(Self { config, pairs })
    }

    /// What the adapter at that path ([`AdapterFolder::find`]) says of itself.
    ///
    /// # Errors
    /// No adapter there, or one whose configuration cannot be read.
    pub fn read_config(path: &Path) -> Result<AdapterConfig> {
        let folder = AdapterFolder::find(path)?;
        match folder.form() {
            AdapterForm::Peft => AdapterConfig::read(folder.path()),
            AdapterForm::Mlx => Ok(mlx::Stored::open(folder.path())?.config),
        }
    }

    /// Reads an adapter for that model from wherever [`AdapterFolder::find`] finds one.
    ///
    /// Every tensor that is missing, misshapen, unknown or not finite is named. Embeddings that the file holds beside the
    /// pairs are refused, since nothing tells whether they are the model's own: see [`Adapter::read_on`].
    pub fn read(path: &Path, model: &ModelConfig) -> Result<Self> {
        Self::read_beside(path, model, None)
    }

    /// [`Adapter::read`] for the model of folder `base`: embeddings that PEFT saved along although they were not trained are
    /// passed over where they equal the model's.
    pub fn read_on(path: &Path, model: &ModelConfig, base: &Path) -> Result<Self> {
        Self::read_beside(path, model, Some(base))
    }

    fn read_beside(path: &Path, model: &ModelConfig, base: Option<&Path>) -> Result<Self> {
        let folder = AdapterFolder::find(path)?;
        let weights = folder.weights();
        let (adapter, names): (Self, fn(&Slot, char) -> String) = match folder.form() {
            AdapterForm::Peft => (Self::read_peft(folder.path(), &weights, model, base)?, tensor_name),
            AdapterForm::Mlx => {
                let stored = mlx::Stored::open(folder.path())?;
                let pairs = stored.factors(model)?.into_iter();
                let pairs = pairs.map(|(slot, a, b)| ((slot.block, slot.projection), Pair { slot, a, b })).collect();
                (Self { config: stored.config, pairs }, mlx::tensor_name)
            }
        };
        let factors = adapter.pairs.values().flat_map(|pair| [(pair, 'A', &pair.a), (pair, 'B', &pair.b)]);
        let diverged = factors.filter(|(_, _, values)| values.iter().any(|x| !x.is_finite()));
        let diverged: Vec<String> =
            diverged.map(|(pair, which, _)| format!("`{}`", names(&pair.slot, which))).collect();
        match named("with numbers that are not finite", &diverged) {
            None => Ok(adapter),
            Some(fault) => Err(Error::new(format!("{}: {fault}", weights.display()))
                .hint("the training of the adapter diverged: take an earlier checkpoint, or train again with a smaller learning rate")),
        }
    }

    fn read_peft(dir: &Path, weights: &Path, model: &ModelConfig, base: Option<&Path>) -> Result<Self> {
        let config = AdapterConfig::read(dir)?;
        let slots = config.layout(model).at(&dir.join(ADAPTER_CONFIG))?;
        if !weights.exists() && dir.join("adapter_model.bin").exists() {
            return Err(Error::new(format!(
                "{}: the adapter's weights are pickled (`adapter_model.bin`)",
                dir.display()
            ))
            .hint("load and save the adapter once with PEFT, which writes safetensors"));
        }
        let file = TensorFile::open(weights)?;
        let stored = check_tensors(&file, &slots, base)?;
        let mut pairs = BTreeMap::new();
        for slot in slots {
            let factor = |which: char, shape: [usize; 2]| file.f32(&stored[&tensor_name(&slot, which)], &shape);
            let (a, b) = (factor('A', [slot.rank, slot.inputs])?, factor('B', [slot.outputs, slot.rank])?);
            pairs.insert((slot.block, slot.projection), Pair { slot, a, b });
        }
        Ok(Self { config, pairs })
    }

    /// Writes the adapter's folder so that PEFT loads it bit for bit. The configuration comes last: a folder that has it is
    /// complete.
    pub fn write(&self, dir: &Path) -> Result<()> {
        std::fs::create_dir_all(dir).at(dir)?;
        let mut tensors = BTreeMap::new();
        for pair in self.pairs.values() {
            let slot = &pair.slot;
            tensors.insert(tensor_name(slot, 'A'), (vec![slot.rank, slot.inputs], &pair.a));
            tensors.insert(tensor_name(slot, 'B'), (vec![slot.outputs, slot.rank], &pair.b));
        }
        let shapes: Vec<_> = tensors.iter().map(|(name, (shape, _))| (name.clone(), shape.clone())).collect();
        let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
        tensorfile::write(&dir.join(ADAPTER_WEIGHTS), Dtype::F32, &shapes, &metadata, |name| {
            Ok(tensors[name].1.clone())
        })?;
        let json = serde_json::to_string_pretty(&self.config.to_json()).expect("a JSON value can be written");
        write_atomic(&dir.join(ADAPTER_CONFIG), json.as_bytes())
    }
}

/// Names everything about the file that is not as the configuration promises; otherwise the file's own names of the tensors,
/// by PEFT's.
fn check_tensors(file: &TensorFile, slots: &[Slot], base: Option<&Path>) -> Result<BTreeMap<String, String>> {
    let mut stored = BTreeMap::new();
    for name in file.names() {
        if let Some(twin) = stored.insert(plain_name(&name), name.clone()) {
            return Err(Error::new(format!(
                "{}: several adapters in one file: `{twin}` and `{name}`",
                file.path().display()
            ))
            .hint(
                "save each adapter in a folder of its own (PEFT: `save_pretrained(DIR, selected_adapters=[NAME])`)",
            ));
        }
    }
    let mut expected = BTreeMap::new();
    for slot in slots {
        expected.insert(tensor_name(slot, 'A'), vec![slot.rank, slot.inputs]);
        expected.insert(tensor_name(slot, 'B'), vec![slot.outputs, slot.rank]);
    }
    let (mut missing, mut misshapen) = (Vec::new(), Vec::new());
    for (name, shape) in &expected {
        match stored.get(name).and_then(|name| file.shape(name)) {
            None => missing.push(format!("`{name}` {shape:?}")),
            Some(found) if found != shape => misshapen.push(format!("`{name}` is {found:?}, expected {shape:?}")),
            Some(_) => {}
        }
    }
    let (mut unknown, mut along, mut elsewhere) = (Vec::new(), false, false);
    for (name, stored) in stored.iter().filter(|(name, _)| !expected.contains_key(*name)) {
        let table = table_saved_along(name);
        if let (Some(table), Some(base)) = (table, base)
            && equals_base(file, stored, table, base)?
        {
            continue;
        }
        along |= table.is_some();
        elsewhere |= name.contains("lm_head.lora_") || name.contains("embed_tokens.lora_");
        unknown.push(format!("`{stored}`"));
    }
    let faults = [("missing", missing), ("not as expected", misshapen), ("unknown", unknown)];
    let faults: Vec<String> = faults.iter().filter_map(|(what, tensors)| named(what, tensors)).collect();
    if faults.is_empty() {
        return Ok(stored);
    }
    Err(Error::new(format!("{}: {}", file.path().display(), faults.join("; "))).hint(match (along, elsewhere) {
        (_, true) => "the adapter also changes the embedding or the head, and Trimtab puts pairs on the seven projections only: merge it with PEFT (`merge_and_unload`) and give the merged model",
        (true, _) => "the file holds embeddings or a head that are not the model's own: if they were trained, merge them with PEFT; if not, save the adapter again with `save_embedding_layers=False`",
        _ => "the adapter belongs to another model, or its weights do not belong to its `adapter_config.json`",
    }))
}

/// PEFT's name of a tensor in a file. State dicts of DeepSpeed and FSDP keep the adapter's own name within it,
/// `lora_A.default.weight`; wrappers of torch (DDP, FSDP, `torch.compile`, checkpointing) leave theirs.
fn plain_name(name: &str) -> String {
    const WRAPPERS: [&str; 4] = ["module.", "_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module."];
    let parts = name.split_inclusive('.').filter(|part| !WRAPPERS.contains(part));
    let mut name: String = parts.collect();
    if name.starts_with("model.layers.") {
        name.insert_str(0, "base_model.model.");
    }
    for factor in [".lora_A.", ".lora_B."] {
        let Some((module, rest)) = name.split_once(factor) else { continue };
        if rest.strip_suffix(".weight").is_some_and(|adapter| !adapter.contains('.')) {
            return format!("{module}{factor}weight");
        }
    }
    name
}

/// The model's tensor that PEFT saves along with an adapter, by its name in the adapter's file.
fn table_saved_along(name: &str) -> Option<&'static str> {
    match name.strip_prefix("base_model.model.")?.strip_suffix(".weight")?.trim_end_matches(".base_layer") {
        "model.embed_tokens" => Some("model.embed_tokens.weight"),
        "lm_head" => Some("lm_head.weight"),
        _ => None,
    }
}

/// Whether a tensor of the file has the numbers of the model's; a tied head is the embedding.
fn equals_base(file: &TensorFile, name: &str, table: &str, base: &Path) -> Result<bool> {
    let checkpoint = Checkpoint::open(base)?;
    let table = if checkpoint.shape(table).is_ok() { table } else { "model.embed_tokens.weight" };
    checkpoint.equals(table, file.raw(name)?)
}

/// The tensor's name in PEFT's files; `factor` is `A` or `B`.
fn tensor_name(slot: &Slot, factor: char) -> String {
    format!("base_model.model.{}.lora_{factor}.weight", module_name(slot.block, slot.projection))
}
