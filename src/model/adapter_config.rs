//! What a LoRA adapter is and where it sits, under the names of PEFT's `adapter_config.json`.

use std::path::Path;

use fancy_regex::Regex;
use serde_json::{Map, Value, json};

use super::ModelConfig;
use super::adapter_folder::ADAPTER_CONFIG;
use super::config::PROJECTIONS;
use crate::record::{read_whole, without_mark};
use crate::{At, Error, Result, bail, ensure};

/// Far above every adapter's rank, and so small that its products with a model's widths are numbers.
pub const RANK_MAX: usize = 1 << 16;

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
    /// The only blocks that carry pairs; all of them if absent. PEFT's rule: a target that is a module's whole name, or a
    /// pattern, is not asked.
    pub layers_to_transform: Option<Vec<usize>>,
    /// What the list of blocks is called where `layers_to_transform` counts, as regular expressions; any list if empty.
    pub layers_pattern: Vec<String>,
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
            layers_pattern: Vec::new(),
            exclude_modules: None,
            lora_dropout: 0.0,
            base_model_name_or_path: None,
        }
    }

    /// Reads `adapter_config.json` of an adapter's folder.
    pub fn read(dir: &Path) -> Result<Self> {
        let path = dir.join(ADAPTER_CONFIG);
        let bytes = read_whole(&path).at(&path)?;
        let value: Value = serde_json::from_slice(without_mark(&bytes)).at(&path)?;
        Self::from_json(&value).at(&path)
    }

    /// Takes the contents of an `adapter_config.json`. Unknown keys are tolerated; a variant that computes something else
    /// than `W + scale · B · A` is refused by name.
    pub fn from_json(config: &Value) -> Result<Self> {
        let config = config.as_object().ok_or_else(|| Error::new("not a JSON object"))?;
        refuse_other_variants(config)?;
        let Some(mut target_modules) = modules(config, "target_modules")? else {
            bail!("`target_modules` is missing: expected a list of names or a pattern")
        };
        if let Targets::Names(names) = &mut target_modules
            && names.iter().any(|name| is_of_qwen(name))
        {
            // PEFT passes over names of other architectures as long as one target is found.
            names.retain(|name| is_of_qwen(name));
        }
        let layers_to_transform = match &config.get("layers_to_transform") {
            None | Some(Value::Null) => None,
            Some(Value::Array(blocks)) if blocks.is_empty() => None,
            Some(Value::Array(blocks)) => {
                Some(blocks.iter().map(|block| whole("layers_to_transform", block)).collect::<Result<_>>()?)
            }
            Some(block) => Some(vec![whole("layers_to_transform", block)?]),
        };
        let required = |key: &str| config.get(key).ok_or_else(|| Error::new(format!("`{key}` is missing")));
        let r = rank("r", required("r")?)?;
        Ok(Self {
            r,
            lora_alpha: real("lora_alpha", required("lora_alpha")?)?,
            use_rslora: config.get("use_rslora").is_some_and(|on| on == true),
            target_modules,
            rank_pattern: pattern(config, "rank_pattern", rank)?,
            alpha_pattern: pattern(config, "alpha_pattern", real)?,
            layers_to_transform,
            layers_pattern: match modules(config, "layers_pattern")? {
                None => Vec::new(),
                Some(Targets::Names(names)) => names,
                Some(Targets::Pattern(pattern)) => {
                    Some(pattern).filter(|pattern| !pattern.is_empty()).into_iter().collect()
                }
            },
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
            "layers_pattern": Some(&self.layers_pattern).filter(|patterns| !patterns.is_empty()),
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
    pub fn layout(&self, model: &ModelConfig) -> Result<Vec<Slot>> {
        let targets = Matcher::new("target_modules", &self.target_modules)?;
        let excluded =
            self.exclude_modules.as_ref().map(|modules| Matcher::new("exclude_modules", modules)).transpose()?;
        let ranks = compiled("rank_pattern", &self.rank_pattern)?;
        let alphas = compiled("alpha_pattern", &self.alpha_pattern)?;
        let lists =
            self.layers_pattern.iter().map(|name| regex("layers_pattern", &format!(r"\A(?:|.*?\.)(?:{name})\.\d+\.")));
        let lists = lists.collect::<Result<Vec<_>>>()?;
        let blocks = model.num_hidden_layers;
        for &block in self.layers_to_transform.iter().flatten() {
            ensure!(
                block < blocks,
                "`layers_to_transform` names block {block}, the model has blocks 0 to {}",
                blocks - 1
            );
        }
        let (mut slots, mut targeted) = (Vec::new(), Vec::new());
        for block in 0..blocks {
            for projection in PROJECTIONS {
                let module = module_name(block, projection);
                if !targets.matches(&module)? || !self.counts(&module, block, &lists)? {
                    continue;
                }
                targeted.push(module.clone());
                if excluded.as_ref().map_or(Ok(false), |excluded| excluded.matches(&module))? {
                    continue;
                }
                let rank = first_match(&ranks, &module)?.unwrap_or(self.r);
                let scale = self.scale_of(rank, first_match(&alphas, &module)?.unwrap_or(self.lora_alpha)) as f32;
                let [outputs, inputs] = model.projection_shape(projection);
                slots.push(Slot { block, projection, rank, scale, inputs, outputs });
            }
        }
        self.check_targets(&targeted)?;
        ensure!(!slots.is_empty(), "`exclude_modules` leaves no projection that is adapted");
        Ok(slots)
    }

    /// Whether `layers_to_transform` lets a targeted module through.
    fn counts(&self, module: &str, block: usize, lists: &[Regex]) -> Result<bool> {
        let (Some(only), Targets::Names(names)) = (&self.layers_to_transform, &self.target_modules) else {
            return Ok(true);
        };
        if names.iter().any(|name| name == module) {
            return Ok(true);
        }
        let mut in_list = lists.is_empty();
        for list in lists {
            in_list |= list.is_match(module).doing("matching a pattern")?;
        }
        Ok(in_list && only.contains(&block))
    }

    /// A target without a module would be a silent loss of capacity.
    fn check_targets(&self, targeted: &[String]) -> Result<()> {
        if !self.layers_pattern.is_empty() && targeted.is_empty() {
            return Err(Error::new(format!(
                "`layers_pattern` {:?} is no list of blocks that Qwen2 has",
                self.layers_pattern
            ))
            .hint(
                "they are called `model.layers.0`, `model.layers.1` and so on: `layers_pattern` is `layers`, or null",
            ));
        }
        let unmatched = match &self.target_modules {
            Targets::Pattern(pattern) if targeted.is_empty() => Some(pattern),
            Targets::Pattern(_) => None,
            Targets::Names(names) => {
                ensure!(!names.is_empty(), "`target_modules` is empty");
                names.iter().find(|name| !targeted.iter().any(|module| is_named(module, name)))
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

/// The module's name in transformers, which patterns are matched with.
pub(super) fn module_name(block: usize, projection: &str) -> String {
    format!("model.layers.{block}.{projection}")
}

/// Whether a target could be of a Qwen2: a projection, the embedding or the head.
fn is_of_qwen(target: &str) -> bool {
    let last = target.rsplit('.').next().unwrap_or(target);
    ["embed_tokens", "lm_head"].contains(&last) || PROJECTIONS.iter().any(|projection| is_named(projection, last))
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
    const CHANGING: [&str; 7] = [
        "bias",
        "lora_bias",
        "modules_to_save",
        "fan_in_fan_out",
        "layer_replication",
        "target_parameters",
        "trainable_token_indices",
    ];
    for (key, value) in config {
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

fn rank(key: &str, value: &Value) -> Result<usize> {
    let rank = whole(key, value)?;
    ensure!(rank > 0, "`{key}` is 0");
    ensure!(rank <= RANK_MAX, "`{key}` is {rank}, and no adapter has more than {RANK_MAX}");
    Ok(rank)
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
