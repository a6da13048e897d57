//! LoRA adapters in PEFT's format: a folder with `adapter_config.json` and `adapter_model.safetensors`.

use std::collections::BTreeMap;
use std::path::Path;

use fancy_regex::Regex;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};

use super::QwenConfig;
use super::adapter_folder::{ADAPTER_CONFIG, ADAPTER_WEIGHTS, AdapterFolder};
use super::checkpoint::Checkpoint;
use super::config::PROJECTIONS;
use super::files::named;
use crate::config_file::without_mark;
use crate::record::{seed_of, write_atomic};
use crate::tensorfile::{self, Dtype, TensorFile};
use crate::{At, Error, Result, bail, ensure};

/// What an adapter is, under the names of PEFT's `adapter_config.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct AdapterConfig {
    /// Rank of the pairs.
    pub r: usize,
    /// Strength; see [`AdapterConfig::scale`].
    pub lora_alpha: f64,
    /// Whether the scale is rank-stabilised. A reader that ignores it makes a rank-32 adapter 5.7 times too weak.
    pub use_rslora: bool,
    /// Which projections carry a pair.
    pub target_modules: Targets,
    /// Ranks of single modules, by a pattern on their names; the first that matches counts.
    pub rank_pattern: Vec<(String, usize)>,
    /// Strengths of single modules, likewise.
    pub alpha_pattern: Vec<(String, f64)>,
    /// The only blocks that carry pairs; all of them if absent.
    pub layers_to_transform: Option<Vec<usize>>,
    /// Projections that carry no pair although a target names them.
    pub exclude_modules: Option<Targets>,
    /// Dropout that the adapter was trained with. Nothing here applies it.
    pub lora_dropout: f64,
    /// The model that the adapter belongs to.
    pub base_model_name_or_path: Option<String>,
}

/// Which projections an adapter changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Targets {
    /// Those whose name is one of these or ends in `.` and one of these, such as `q_proj`.
    Names(Vec<String>),
    /// Those whose whole name matches a regular expression; `all-linear` means all seven.
    Pattern(String),
}

impl Targets {
    /// As `adapter_config.json` has it.
    fn to_json(&self) -> Value {
        match self {
            Self::Names(names) => {
                let mut names = names.clone();
                names.sort();
                names.into()
            }
            Self::Pattern(pattern) => pattern.as_str().into(),
        }
    }
}

/// One projection's share of an adapter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slot {
    /// Index of the block.
    pub block: usize,
    /// One of [`PROJECTIONS`].
    pub projection: &'static str,
    /// Rank of the pair.
    pub rank: usize,
    /// What the product is multiplied by.
    pub scale: f32,
    /// Width of what goes in.
    pub inputs: usize,
    /// Width of what comes out.
    pub outputs: usize,
}

impl AdapterConfig {
    /// An adapter of that rank on the given projections (`q_proj`, ...), rank-stabilised, as the reference trains it
    /// (guide: method, "LoRA").
    pub fn new(r: usize, lora_alpha: f64, use_rslora: bool, target_modules: Targets) -> Self {
        Self {
            r,
            lora_alpha,
            use_rslora,
            target_modules,
            rank_pattern: Vec::new(),
            alpha_pattern: Vec::new(),
            layers_to_transform: None,
            exclude_modules: None,
            lora_dropout: 0.0,
            base_model_name_or_path: None,
        }
    }

    /// Reads `adapter_config.json` of an adapter's folder.
    pub fn read(dir: &Path) -> Result<Self> {
        let path = dir.join(ADAPTER_CONFIG);
        let bytes = std::fs::read(&path).at(&path)?;
        let value: Value = serde_json::from_slice(without_mark(&bytes)).at(&path)?;
        Self::from_json(&value).at(&path)
    }

    /// Takes the contents of an `adapter_config.json`. Unknown keys are tolerated; a variant that computes something else
    /// than `W + scale · B · A` is refused by name.
    pub fn from_json(config: &Value) -> Result<Self> {
        let config = config.as_object().ok_or_else(|| Error::new("not a JSON object"))?;
        refuse_other_variants(config)?;
        let Some(target_modules) = modules(config, "target_modules")? else {
            bail!("`target_modules` is missing: expected a list of names or a pattern")
        };
        let layers_to_transform = match &config.get("layers_to_transform") {
            None | Some(Value::Null) => None,
            Some(Value::Array(blocks)) => {
                Some(blocks.iter().map(|block| whole("layers_to_transform", block)).collect::<Result<_>>()?)
            }
            Some(block) => Some(vec![whole("layers_to_transform", block)?]),
        };
        let required = |key: &str| config.get(key).ok_or_else(|| Error::new(format!("`{key}` is missing")));
        let r = whole("r", required("r")?)?;
        ensure!(r > 0, "`r` is 0");
        Ok(Self {
            r,
            lora_alpha: real("lora_alpha", required("lora_alpha")?)?,
            use_rslora: config.get("use_rslora").is_some_and(|on| on == true),
            target_modules,
            rank_pattern: pattern(config, "rank_pattern", whole)?,
            alpha_pattern: pattern(config, "alpha_pattern", real)?,
            layers_to_transform,
            exclude_modules: modules(config, "exclude_modules")?,
            lora_dropout: config.get("lora_dropout").map_or(Ok(0.0), |p| real("lora_dropout", p))?,
            base_model_name_or_path: config.get("base_model_name_or_path").and_then(Value::as_str).map(str::to_owned),
        })
    }

    /// The contents of an `adapter_config.json`, as PEFT writes it: keys sorted.
    pub fn to_json(&self) -> Value {
        let ranks: Map<String, Value> = self.rank_pattern.iter().map(|(k, r)| (k.clone(), json!(r))).collect();
        let alphas: Map<String, Value> = self.alpha_pattern.iter().map(|(k, a)| (k.clone(), plain(*a))).collect();
        let mut config = json!({
            "alpha_pattern": alphas,
            "auto_mapping": null,
            "base_model_name_or_path": self.base_model_name_or_path,
            "bias": "none",
            "fan_in_fan_out": false,
            "inference_mode": true,
            "init_lora_weights": true,
            "layers_pattern": null,
            "layers_to_transform": self.layers_to_transform,
            "lora_alpha": plain(self.lora_alpha),
            "lora_bias": false,
            "lora_dropout": self.lora_dropout,
            "modules_to_save": null,
            "peft_type": "LORA",
            "peft_version": "0.15.1",
            "r": self.r,
            "rank_pattern": ranks,
            "revision": null,
            "target_modules": self.target_modules.to_json(),
            "task_type": "CAUSAL_LM",
            "use_dora": false,
            "use_rslora": self.use_rslora,
        });
        if let Some(excluded) = &self.exclude_modules {
            config["exclude_modules"] = excluded.to_json();
        }
        config
    }

    /// What `B · A` is multiplied by where no pattern says otherwise: `alpha / r` (Hu et al. 2021), or `alpha / sqrt(r)` when
    /// rank-stabilised (Kalajdzievski 2023).
    pub fn scale(&self) -> f64 {
        self.scale_of(self.r, self.lora_alpha)
    }

    fn scale_of(&self, rank: usize, alpha: f64) -> f64 {
        if self.use_rslora { alpha / (rank as f64).sqrt() } else { alpha / rank as f64 }
    }

    /// The projections that carry a pair, block after block; an error if a target matches none.
    pub fn layout(&self, model: &QwenConfig) -> Result<Vec<Slot>> {
        let targets = Matcher::new("target_modules", &self.target_modules)?;
        let excluded =
            self.exclude_modules.as_ref().map(|modules| Matcher::new("exclude_modules", modules)).transpose()?;
        let ranks = compiled("rank_pattern", &self.rank_pattern)?;
        let alphas = compiled("alpha_pattern", &self.alpha_pattern)?;
        let blocks = model.num_hidden_layers;
        for &block in self.layers_to_transform.iter().flatten() {
            ensure!(
                block < blocks,
                "`layers_to_transform` names block {block}, the model has blocks 0 to {}",
                blocks - 1
            );
        }
        let mut slots = Vec::new();
        for block in 0..blocks {
            if self.layers_to_transform.as_ref().is_some_and(|only| !only.contains(&block)) {
                continue;
            }
            for projection in PROJECTIONS {
                let module = module_name(block, projection);
                let excluded = excluded.as_ref().map_or(Ok(false), |excluded| excluded.matches(&module))?;
                if excluded || !targets.matches(&module)? {
                    continue;
                }
                let rank = first_match(&ranks, &module)?.unwrap_or(self.r);
                ensure!(rank > 0, "`rank_pattern` gives `{module}` the rank 0");
                let scale = self.scale_of(rank, first_match(&alphas, &module)?.unwrap_or(self.lora_alpha)) as f32;
                let [outputs, inputs] = model.projection_shape(projection);
                slots.push(Slot { block, projection, rank, scale, inputs, outputs });
            }
        }
        self.check_targets(&slots)?;
        Ok(slots)
    }

    /// A target without a module would be a silent loss of capacity.
    fn check_targets(&self, slots: &[Slot]) -> Result<()> {
        let unmatched = match &self.target_modules {
            Targets::Pattern(pattern) if slots.is_empty() => Some(pattern),
            Targets::Pattern(_) => None,
            Targets::Names(names) => {
                ensure!(!names.is_empty(), "`target_modules` is empty");
                names.iter().find(|name| !slots.iter().any(|s| is_named(&module_name(s.block, s.projection), name)))
            }
        };
        match unmatched {
            None => Ok(()),
            Some(target) => {
                Err(Error::new(format!("`target_modules` names `{target}`, which is none of the adapted projections"))
                    .hint("adapters may sit on q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj and down_proj"))
            }
        }
    }
}

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
    pub fn fresh(config: AdapterConfig, model: &QwenConfig, seed: u64) -> Result<Self> {
        let pair = |slot: Slot| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed_of(seed, &tensor_name(&slot, 'A')));
            let bound = 1.0 / (slot.inputs as f32).sqrt();
            let a = (0..slot.rank * slot.inputs).map(|_| rng.random_range(-bound..bound)).collect();
            ((slot.block, slot.projection), Pair { slot, a, b: vec![0.0; slot.outputs * slot.rank] })
        };
        let pairs = config.layout(model)?.into_iter().map(pair).collect();
        Ok(Self { config, pairs })
    }

    /// Reads an adapter for that model from wherever [`AdapterFolder::find`] finds one.
    ///
    /// Every tensor that is missing, misshapen, unknown or not finite is named. Embeddings that the file holds beside the
    /// pairs are refused, since nothing tells whether they are the model's own: see [`Adapter::read_on`].
    pub fn read(path: &Path, model: &QwenConfig) -> Result<Self> {
        Self::read_beside(path, model, None)
    }

    /// [`Adapter::read`] for the model of folder `base`: embeddings that PEFT saved along although they were not trained are
    /// passed over where they equal the model's.
    pub fn read_on(path: &Path, model: &QwenConfig, base: &Path) -> Result<Self> {
        Self::read_beside(path, model, Some(base))
    }

    fn read_beside(path: &Path, model: &QwenConfig, base: Option<&Path>) -> Result<Self> {
        let folder = AdapterFolder::find(path)?;
        let dir = folder.path();
        let config = AdapterConfig::read(dir)?;
        let slots = config.layout(model).at(&dir.join(ADAPTER_CONFIG))?;
        let weights = dir.join(ADAPTER_WEIGHTS);
        if !weights.exists() && dir.join("adapter_model.bin").exists() {
            return Err(Error::new(format!(
                "{}: the adapter's weights are pickled (`adapter_model.bin`)",
                dir.display()
            ))
            .hint("load and save the adapter once with PEFT, which writes safetensors"));
        }
        let file = TensorFile::open(&weights)?;
        let stored = check_tensors(&file, &slots, base)?;
        let mut pairs = BTreeMap::new();
        let mut not_finite = Vec::new();
        for slot in slots {
            let mut factor = |which: char, shape: [usize; 2]| {
                let name = tensor_name(&slot, which);
                let values = file.f32(&stored[&name], &shape)?;
                if values.iter().any(|x| !x.is_finite()) {
                    not_finite.push(format!("`{name}`"));
                }
                Ok::<_, Error>(values)
            };
            let (a, b) = (factor('A', [slot.rank, slot.inputs])?, factor('B', [slot.outputs, slot.rank])?);
            pairs.insert((slot.block, slot.projection), Pair { slot, a, b });
        }
        if let Some(fault) = named("with numbers that are not finite", &not_finite) {
            return Err(Error::new(format!("{}: {fault}", weights.display()))
                .hint("the training of the adapter diverged: take an earlier checkpoint, or train again with a smaller learning rate"));
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
    let (mut unknown, mut along) = (Vec::new(), false);
    for (name, stored) in stored.iter().filter(|(name, _)| !expected.contains_key(*name)) {
        let table = table_saved_along(name);
        if let (Some(table), Some(base)) = (table, base)
            && equals_base(file, stored, table, base)?
        {
            continue;
        }
        along |= table.is_some();
        unknown.push(format!("`{stored}`"));
    }
    let faults = [("missing", missing), ("not as expected", misshapen), ("unknown", unknown)];
    let faults: Vec<String> = faults.iter().filter_map(|(what, tensors)| named(what, tensors)).collect();
    if faults.is_empty() {
        return Ok(stored);
    }
    Err(Error::new(format!("{}: {}", file.path().display(), faults.join("; "))).hint(match along {
        true => "the file holds embeddings or a head that are not the model's own: if they were trained, merge them with PEFT; if not, save the adapter again with `save_embedding_layers=False`",
        false => "the adapter belongs to another model, or its weights do not belong to its `adapter_config.json`",
    }))
}

/// PEFT's name of a tensor in a file: state dicts of DeepSpeed and FSDP keep the adapter's own name within it,
/// `lora_A.default.weight`.
fn plain_name(name: &str) -> String {
    for factor in [".lora_A.", ".lora_B."] {
        let Some((module, rest)) = name.split_once(factor) else { continue };
        if rest.strip_suffix(".weight").is_some_and(|adapter| !adapter.contains('.')) {
            return format!("{module}{factor}weight");
        }
    }
    name.to_owned()
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

/// The module's name in transformers, which patterns are matched with.
fn module_name(block: usize, projection: &str) -> String {
    format!("model.layers.{block}.{projection}")
}

/// The tensor's name in PEFT's files; `factor` is `A` or `B`.
fn tensor_name(slot: &Slot, factor: char) -> String {
    format!("base_model.model.{}.lora_{factor}.weight", module_name(slot.block, slot.projection))
}

/// PEFT's rule for lists of targets.
fn is_named(module: &str, target: &str) -> bool {
    module.strip_suffix(target).is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

/// [`Targets`], ready to be asked.
enum Matcher<'a> {
    Names(&'a [String]),
    Pattern(Regex),
    All,
}

impl<'a> Matcher<'a> {
    fn new(key: &str, targets: &'a Targets) -> Result<Self> {
        Ok(match targets {
            Targets::Names(names) => Self::Names(names),
            Targets::Pattern(pattern) if pattern == "all-linear" => Self::All,
            // Python's `re.fullmatch`.
            Targets::Pattern(pattern) => Self::Pattern(regex(key, &format!(r"\A(?:{pattern})\z"))?),
        })
    }

    fn matches(&self, module: &str) -> Result<bool> {
        match self {
            Self::Names(names) => Ok(names.iter().any(|name| is_named(module, name))),
            Self::Pattern(pattern) => pattern.is_match(module).doing("matching a pattern"),
            Self::All => Ok(true),
        }
    }
}

/// PEFT's `get_pattern_key`: `(.*\.)?(pattern)$` from the beginning of the name.
fn compiled<T: Copy>(key: &str, patterns: &[(String, T)]) -> Result<Vec<(Regex, T)>> {
    patterns.iter().map(|(pattern, value)| Ok((regex(key, &format!(r"\A(.*\.)?({pattern})\z"))?, *value))).collect()
}

fn first_match<T: Copy>(patterns: &[(Regex, T)], module: &str) -> Result<Option<T>> {
    for (pattern, value) in patterns {
        if pattern.is_match(module).doing("matching a pattern")? {
            return Ok(Some(*value));
        }
    }
    Ok(None)
}

fn regex(key: &str, pattern: &str) -> Result<Regex> {
    Regex::new(pattern).doing(format_args!("`{key}` holds a pattern that does not compile"))
}

/// Names the variants of LoRA that compute something else.
fn refuse_other_variants(config: &Map<String, Value>) -> Result<()> {
    let kind = config.get("peft_type").and_then(Value::as_str).unwrap_or("missing");
    ensure!(kind == "LORA", "`peft_type` is `{kind}`, and only `LORA` is implemented");
    let unset = |value: &Value| match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty() || text == "none",
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    };
    const CHANGING: [&str; 8] = [
        "bias",
        "lora_bias",
        "modules_to_save",
        "fan_in_fan_out",
        "layer_replication",
        "layers_pattern",
        "target_parameters",
        "trainable_token_indices",
    ];
    for (key, value) in config {
        // What PEFT calls the list of blocks in a Qwen2 by itself.
        if key == "layers_pattern" && (*value == "layers" || *value == json!(["layers"])) {
            continue;
        }
        // New variants of LoRA come as `use_...` or `..._config`; EVA's only chooses how the factors begin.
        let variant =
            (key.starts_with("use_") && key != "use_rslora") || (key.ends_with("_config") && key != "eva_config");
        if (variant || CHANGING.contains(&key.as_str()) || key == "alora_invocation_tokens") && !unset(value) {
            return Err(Error::new(format!("`{key}` is {value}, which is not implemented"))
                .hint("only plain and rank-stabilised LoRA on the seven projections can be read"));
        }
    }
    if let Some(init @ ("pissa" | "olora" | "corda" | "loftq")) =
        config.get("init_lora_weights").and_then(Value::as_str).map(|init| init.split('_').next().unwrap_or(init))
    {
        return Err(Error::new(format!("`init_lora_weights` is `{init}`, which also changes the base weights")).hint(
            "convert the adapter to plain LoRA when saving it with PEFT (`path_initial_model_for_weight_conversion`)",
        ));
    }
    Ok(())
}

/// A list of names or a pattern; nothing where the key is absent or null.
fn modules(config: &Map<String, Value>, key: &str) -> Result<Option<Targets>> {
    match config.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(pattern)) => Ok(Some(Targets::Pattern(pattern.clone()))),
        Some(Value::Array(names)) => {
            let names: Option<Vec<String>> = names.iter().map(|name| name.as_str().map(str::to_owned)).collect();
            let names = names.ok_or_else(|| Error::new(format!("`{key}` holds something that is no name")))?;
            Ok(Some(Targets::Names(names)))
        }
        Some(other) => bail!("`{key}` is {other}, expected a list of names or a pattern"),
    }
}

fn whole(key: &str, value: &Value) -> Result<usize> {
    let n = value.as_u64().and_then(|n| usize::try_from(n).ok());
    n.ok_or_else(|| Error::new(format!("`{key}` is {value}, expected a whole number")))
}

fn real(key: &str, value: &Value) -> Result<f64> {
    let x = value.as_f64().filter(|x| x.is_finite());
    x.ok_or_else(|| Error::new(format!("`{key}` is {value}, expected a number")))
}

/// A pattern table, in the file's order, since the first match counts.
fn pattern<T>(config: &Map<String, Value>, key: &str, read: fn(&str, &Value) -> Result<T>) -> Result<Vec<(String, T)>> {
    match config.get(key) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Object(map)) => map.iter().map(|(k, v)| Ok((k.clone(), read(key, v)?))).collect(),
        Some(other) => bail!("`{key}` is {other}, expected a table of patterns"),
    }
}

/// A number that PEFT would write without a fraction, so written.
fn plain(x: f64) -> Value {
    if x.fract() == 0.0 && x.abs() < 1e15 { json!(x as i64) } else { json!(x) }
}
