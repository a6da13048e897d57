//! A model's `config.json`: what we compute, read exactly; what we do not compute, refused by name.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::architecture::Architecture;
use super::gguf;
use super::keys::{WIDTH_MAX, given, number, positive, refuse_absurd, switch};
use super::rope::Rope;
use crate::gguf::Parts;
use crate::record::without_mark;
use crate::{At, Error, Result, ensure};

/// The seven projections of a block, in the order of the checkpoint.
pub const PROJECTIONS: [&str; 7] = [
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
];

/// Which projections of the attention have biases; those of the MLP have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttentionBias {
    /// None.
    None,
    /// Queries, keys and values: Qwen2.
    QueriesKeysValues,
    /// These and the output: Llama and Qwen3 with `attention_bias`.
    All,
}

/// The shape of a model, under the names of its `config.json`. What makes the architectures different functions is data here.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    /// Its family; decides names and defaults, never the computation.
    pub architecture: Architecture,
    /// Rows of the embedding; the tokenizer may have fewer ids.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width inside the MLP.
    pub intermediate_size: usize,
    /// Number of blocks.
    pub num_hidden_layers: usize,
    /// Query heads.
    pub num_attention_heads: usize,
    /// Key and value heads; divides the number of query heads.
    pub num_key_value_heads: usize,
    /// Channels per head; even.
    pub head_dim: usize,
    /// Which projections have biases.
    pub attention_bias: AttentionBias,
    /// Whether each head's queries and keys are normed before RoPE.
    pub qk_norm: bool,
    /// Added to the mean square in the norms. 1e-6 in most models, 1e-5 in some.
    pub rms_norm_eps: f64,
    /// Frequencies of the rotary embedding.
    pub rope: Rope,
    /// Whether the output head is the embedding.
    pub tie_word_embeddings: bool,
    /// Longest text the model was made for, in tokens.
    pub max_position_embeddings: usize,
    /// All keys as they were read, so that a copy of the model keeps those that we do not know.
    pub source: Map<String, Value>,
}

impl ModelConfig {
    /// Reads `config.json` of a model folder, or what a GGUF file says in its place.
    pub fn read(model: &Path) -> Result<Self> {
        let (json, path) = Self::read_json(model)?;
        Self::from_json(&json).at(&path)
    }

    /// The contents of a model's `config.json`, and the file where they stand.
    ///
    /// # Errors
    /// A file that cannot be read, or a GGUF file of another architecture.
    pub fn read_json(model: &Path) -> Result<(Value, PathBuf)> {
        if model.is_file() {
            let json = Parts::open(model).and_then(|parts| gguf::config_json(&parts).at(model))?;
            return Ok((json, model.to_owned()));
        }
        let path = model.join("config.json");
        let bytes = std::fs::read(&path).at(&path).map_err(|e| {
            e.hint(
                "a model folder in Hugging Face's layout holds `config.json`, `model.safetensors` and `tokenizer.json`",
            )
        })?;
        Ok((serde_json::from_slice(without_mark(&bytes)).at(&path)?, path))
    }

    /// Takes the contents of a `config.json`, in transformers 4's spelling (`rope_theta`, `rope_scaling`) or 5's
    /// (`rope_parameters`). What a file may leave out has transformers' default for its architecture.
    ///
    /// Whatever would change the computation and is not implemented is refused: another `model_type`, experts, another RoPE
    /// than the plain one and Llama 3's, a sliding window in use, another activation, quantised weights.
    pub fn from_json(config: &Value) -> Result<Self> {
        let source = config.as_object().ok_or_else(|| Error::new("not a JSON object"))?;
        let architecture = Architecture::of(source)?;
        if let Some(refused) = what_we_do_not_compute(source).into_iter().next() {
            return Err(refused);
        }
        let hidden_size = positive(source, "hidden_size")?;
        let num_attention_heads = positive(source, "num_attention_heads")?;
        let head_dim = match source.get("head_dim") {
            Some(value) if !value.is_null() => positive(source, "head_dim")?,
            None if architecture == Architecture::Qwen3 => 128,
            _ => {
                ensure!(
                    hidden_size.is_multiple_of(num_attention_heads),
                    "`hidden_size` {hidden_size} is not a multiple of `num_attention_heads` {num_attention_heads}"
                );
                hidden_size / num_attention_heads
            }
        };
        ensure!(head_dim.is_multiple_of(2), "`head_dim` {head_dim} is odd, and RoPE turns channels in pairs");
        let num_key_value_heads = match given(source, "num_key_value_heads") {
            Some(_) => positive(source, "num_key_value_heads")?,
            None => num_attention_heads,
        };
        ensure!(
            num_attention_heads.is_multiple_of(num_key_value_heads),
            "`num_attention_heads` {num_attention_heads} is not a multiple of `num_key_value_heads` {num_key_value_heads}"
        );
        refuse_absurd("num_attention_heads times head_dim", num_attention_heads * head_dim, WIDTH_MAX)?;
        let attention_bias = match architecture {
            Architecture::Qwen2 => AttentionBias::QueriesKeysValues,
            Architecture::Llama | Architecture::Qwen3 if switch(source, "attention_bias")? => AttentionBias::All,
            Architecture::Llama | Architecture::Qwen3 => AttentionBias::None,
        };
        let rms_norm_eps = given(source, "rms_norm_eps").map_or(Ok(1e-6), |_| number(source, "rms_norm_eps"))?;
        Ok(Self {
            architecture,
            vocab_size: positive(source, "vocab_size")?,
            hidden_size,
            intermediate_size: positive(source, "intermediate_size")?,
            num_hidden_layers: positive(source, "num_hidden_layers")?,
            num_attention_heads,
            num_key_value_heads,
            head_dim,
            attention_bias,
            qk_norm: architecture == Architecture::Qwen3,
            rms_norm_eps,
            rope: Rope::read(source, architecture.rope_theta())?,
            tie_word_embeddings: switch(source, "tie_word_embeddings")?,
            max_position_embeddings: positive(source, "max_position_embeddings")?,
            source: source.clone(),
        })
    }

    /// Everything for which [`Self::from_json`] would refuse this `config.json`, not only the first; sizes are looked at when there
    /// is nothing else.
    pub fn refusals(config: &Value) -> Vec<Error> {
        let Some(source) = config.as_object() else { return vec![Error::new("not a JSON object")] };
        let mut refused: Vec<Error> = Architecture::of(source).err().into_iter().collect();
        refused.extend(what_we_do_not_compute(source));
        refused.extend(Rope::read(source, 1.0).err());
        if refused.is_empty() {
            refused.extend(Self::from_json(config).err());
        }
        refused
    }

    /// The contents of a `config.json` for weights of that dtype (`float32`, `bfloat16`, `float16`), in the spelling that
    /// every transformers release reads.
    pub fn to_json(&self, dtype: &str) -> Value {
        let ours = json!({
            "architectures": [self.architecture.class()],
            "model_type": self.architecture.name(),
            "vocab_size": self.vocab_size,
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "num_hidden_layers": self.num_hidden_layers,
            "num_attention_heads": self.num_attention_heads,
            "num_key_value_heads": self.num_key_value_heads,
            "head_dim": self.head_dim,
            "hidden_act": "silu",
            "rms_norm_eps": self.rms_norm_eps,
            "rope_theta": self.rope.theta,
            "max_position_embeddings": self.max_position_embeddings,
            "tie_word_embeddings": self.tie_word_embeddings,
            "torch_dtype": dtype,
        });
        let mut config = self.source.clone();
        // transformers 5's words for what `rope_theta`, `rope_scaling` and `torch_dtype` say; two spellings could contradict
        // each other.
        config.retain(|key, _| key != "rope_parameters" && key != "dtype");
        config.extend(ours.as_object().into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())));
        if let Some(scaling) = self.rope.scaling_json() {
            config.insert("rope_scaling".into(), scaling);
        }
        match self.architecture {
            Architecture::Llama => {}
            Architecture::Qwen2 | Architecture::Qwen3 => {
                config.insert("use_sliding_window".into(), false.into());
            }
        }
        config.into()
    }

    /// Whether one of [`PROJECTIONS`] has a bias.
    pub fn has_bias(&self, projection: &str) -> bool {
        match self.attention_bias {
            AttentionBias::None => false,
            AttentionBias::QueriesKeysValues => {
                ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"].contains(&projection)
            }
            AttentionBias::All => projection.starts_with("self_attn."),
        }
    }

    /// Outputs and inputs of one of [`PROJECTIONS`], the shape of its weight.
    pub fn projection_shape(&self, projection: &str) -> [usize; 2] {
        let (queries, keys) = (self.num_attention_heads * self.head_dim, self.num_key_value_heads * self.head_dim);
        match projection {
            "self_attn.q_proj" => [queries, self.hidden_size],
            "self_attn.k_proj" | "self_attn.v_proj" => [keys, self.hidden_size],
            "self_attn.o_proj" => [self.hidden_size, queries],
            "mlp.gate_proj" | "mlp.up_proj" => [self.intermediate_size, self.hidden_size],
            "mlp.down_proj" => [self.hidden_size, self.intermediate_size],
            other => panic!("`{other}` is no projection"),
        }
    }

    /// Name and shape of every tensor of the checkpoint, in the order of the computation. A tied head has no tensor.
    pub fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let hidden = self.hidden_size;
        let mut tensors = vec![("model.embed_tokens.weight".to_owned(), vec![self.vocab_size, hidden])];
        for block in 0..self.num_hidden_layers {
            let name = |part: &str| format!("model.layers.{block}.{part}");
            tensors.push((name("input_layernorm.weight"), vec![hidden]));
            tensors.push((name("post_attention_layernorm.weight"), vec![hidden]));
            if self.qk_norm {
                tensors.push((name("self_attn.q_norm.weight"), vec![self.head_dim]));
                tensors.push((name("self_attn.k_norm.weight"), vec![self.head_dim]));
            }
            for projection in PROJECTIONS {
                let shape = self.projection_shape(projection);
                tensors.push((name(&format!("{projection}.weight")), shape.to_vec()));
                if self.has_bias(projection) {
                    tensors.push((name(&format!("{projection}.bias")), vec![shape[0]]));
                }
            }
        }
        tensors.push(("model.norm.weight".to_owned(), vec![hidden]));
        if !self.tie_word_embeddings {
            tensors.push(("lm_head.weight".to_owned(), vec![self.vocab_size, hidden]));
        }
        tensors
    }
}

/// What would make the model another function than the one we compute, each by its name.
fn what_we_do_not_compute(config: &Map<String, Value>) -> Vec<Error> {
    let mut refused = Vec::new();
    if let Some(act) = given(config, "hidden_act").filter(|act| *act != "silu" && *act != "swish") {
        refused.push(Error::new(format!("`hidden_act` is {act}, and only \"silu\" is implemented")));
    }
    for key in ["num_experts", "num_local_experts", "n_routed_experts"] {
        if let Some(n) = given(config, key).filter(|n| **n != 0) {
            refused.push(Error::new(format!("`{key}` is {n}, and mixtures of experts are not implemented")));
        }
    }
    match switch(config, "mlp_bias") {
        Ok(false) => {}
        Ok(true) => refused.push(Error::new("`mlp_bias` is true, and biases in the MLP are not implemented")),
        Err(e) => refused.push(e),
    }
    let kinds = given(config, "layer_types").and_then(Value::as_array).into_iter().flatten();
    if let Some(kind) = kinds.into_iter().find(|kind| **kind != "full_attention") {
        refused.push(Error::new(format!("`layer_types` holds {kind}, and only \"full_attention\" is implemented")));
    }
    match switch(config, "use_sliding_window") {
        Ok(true) if !slides_nowhere(config) => refused.push(
            Error::new("`use_sliding_window` is true, and sliding-window attention is not implemented")
                .hint("the released models of Qwen2.5 and Qwen3 have it switched off"),
        ),
        Ok(_) => {}
        Err(e) => refused.push(e),
    }
    if given(config, "quantization_config").is_some() {
        refused.push(
            Error::new("`quantization_config` is set, and quantised weights are not implemented")
                .hint("use the model's F32, F16 or BF16 release, or a GGUF file"),
        );
    }
    refused
}

/// Whether a sliding window that is switched on reaches no block: in transformers it slides from block `max_window_layers`
/// on (28 if absent), unless there is none (`sliding_window` null) or `layer_types` says of each block what it does.
fn slides_nowhere(config: &Map<String, Value>) -> bool {
    let count = |key: &str| given(config, key).and_then(Value::as_u64);
    let first = count("max_window_layers").unwrap_or(28);
    given(config, "layer_types").is_some()
        || config.get("sliding_window").is_some_and(Value::is_null)
        || count("num_hidden_layers").is_some_and(|blocks| first >= blocks)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn qwen_7b() -> Value {
        json!({
            "model_type": "qwen2", "vocab_size": 152064, "hidden_size": 3584, "intermediate_size": 18944,
            "num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4, "hidden_act": "silu",
            "rms_norm_eps": 1e-6, "rope_theta": 1000000.0, "max_position_embeddings": 32768,
            "tie_word_embeddings": false, "use_sliding_window": false, "sliding_window": 131072,
            "max_window_layers": 28, "torch_dtype": "bfloat16", "eos_token_id": 151645
        })
    }

    fn with(changes: Value) -> Result<ModelConfig> {
        let mut config = qwen_7b();
        config.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        ModelConfig::from_json(&config)
    }

    #[track_caller]
    fn check_refused(changes: Value, want: &str) {
        let e = with(changes).unwrap_err().to_string();
        assert!(e.starts_with(want), "{e}");
    }

    #[test]
    fn the_7b_model_has_the_published_number_of_parameters() {
        let config = with(json!({})).unwrap();
        assert_eq!(config.head_dim, 128);
        let tensors = config.tensors();
        assert_eq!(tensors.len(), 339);
        let parameters: usize = tensors.iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
        assert_eq!(parameters, 7_615_616_512);
    }

    #[test]
    fn both_spellings_of_rope_are_read() {
        let newer = json!({"rope_theta": null, "rope_parameters": {"rope_theta": 5e5, "rope_type": "default"}});
        assert_eq!(with(newer).unwrap().rope.theta, 5e5);
        let nothing = json!({"rope_scaling": null, "rope_parameters": null, "head_dim": null});
        assert_eq!(with(nothing).unwrap().rope.theta, 1e6);
        check_refused(
            json!({"rope_scaling": {"type": "yarn", "factor": 4.0}}),
            "`rope_scaling` asks for RoPE of type `yarn`",
        );
        check_refused(
            json!({"rope_parameters": {"rope_theta": 1e6, "rope_type": "linear"}}),
            "`rope_parameters` asks for",
        );
    }

    #[test]
    fn what_a_file_leaves_out_is_the_architectures_default() {
        let left_out = json!({"rope_theta": null, "rms_norm_eps": null});
        let config = with(left_out.clone()).unwrap();
        assert_eq!((config.rope.theta, config.rms_norm_eps), (1e4, 1e-6));
        let mut qwen3 = qwen_7b();
        qwen3["model_type"] = "qwen3".into();
        let read = |json: &Value| ModelConfig::from_json(json).unwrap();
        assert_eq!((read(&qwen3).head_dim, read(&qwen3).qk_norm), (128, true));
        qwen3["num_attention_heads"] = 14.into();
        qwen3["num_key_value_heads"] = 2.into();
        assert_eq!(read(&qwen3).head_dim, 128, "not 3584 / 14");
        qwen3["head_dim"] = Value::Null;
        assert_eq!(read(&qwen3).head_dim, 256);
        let mut unnamed = qwen_7b();
        unnamed["model_type"] = Value::Null;
        unnamed["architectures"] = json!(["LlamaForCausalLM"]);
        assert_eq!(read(&unnamed).architecture, Architecture::Llama);
    }

    #[test]
    fn biases_are_where_the_architecture_has_them() {
        let biased = |changes: Value| {
            let config = with(changes).unwrap();
            PROJECTIONS.into_iter().filter(|projection| config.has_bias(projection)).count()
        };
        assert_eq!(biased(json!({})), 3);
        // transformers' Qwen2 does not read the key.
        assert_eq!(biased(json!({"attention_bias": false})), 3);
        for architecture in ["llama", "qwen3"] {
            assert_eq!(biased(json!({"model_type": architecture})), 0);
            assert_eq!(biased(json!({"model_type": architecture, "attention_bias": true})), 4);
        }
        check_refused(json!({"model_type": "llama", "mlp_bias": true}), "`mlp_bias` is true");
        check_refused(json!({"model_type": "llama", "attention_bias": "qkv"}), "`attention_bias` is \"qkv\"");
    }

    #[test]
    fn what_we_do_not_compute_is_refused_by_name() {
        let moe = "`model_type` is `qwen3_moe` (a mixture of experts), and Trimtab knows `llama`, `qwen2`, `qwen3`";
        check_refused(json!({"model_type": "qwen3_moe"}), moe);
        check_refused(json!({"model_type": "gemma2"}), "`model_type` is `gemma2`, and Trimtab knows");
        check_refused(json!({"model_type": null}), "`model_type` is missing; Trimtab knows");
        let bert = json!({"model_type": null, "architectures": ["BertModel"]});
        check_refused(bert, "`model_type` is missing, and `architectures` names `BertModel`; Trimtab knows");
        check_refused(json!({"num_experts": 8}), "`num_experts` is 8, and mixtures of experts are not implemented");
        check_refused(json!({"partial_rotary_factor": 0.5}), "`partial_rotary_factor` of the configuration is 0.5");
        let slides = json!({"use_sliding_window": true, "max_window_layers": 27});
        check_refused(slides, "`use_sliding_window` is true");
        with(json!({"use_sliding_window": true})).expect("a window from block 28 on, where there are blocks 0 to 27");
        with(json!({"use_sliding_window": true, "max_window_layers": 0, "layer_types": ["full_attention"]})).unwrap();
        with(json!({"use_sliding_window": true, "max_window_layers": 0, "sliding_window": null})).unwrap();
        check_refused(json!({"layer_types": ["full_attention", "sliding_attention"]}), "`layer_types` holds \"sliding");
        check_refused(json!({"hidden_act": "gelu"}), "`hidden_act` is \"gelu\"");
        check_refused(json!({"quantization_config": {"bits": 4}}), "`quantization_config` is set");
        check_refused(json!({"hidden_size": 0}), "`hidden_size` is 0, expected a positive whole number");
        for (key, n) in [
            ("num_hidden_layers", 1_000_000_000_u64),
            ("hidden_size", 1_000_000_000),
            ("hidden_size", 1 << 62),
            ("intermediate_size", 1 << 62),
            ("vocab_size", 1 << 40),
        ] {
            check_refused(json!({ key: n }), &format!("`{key}` is {n}, and no model has more than"));
        }
        check_refused(json!({"head_dim": 1 << 18}), "`num_attention_heads times head_dim` is 7340032, and");
        check_refused(json!({"hidden_size": 3585}), "`hidden_size` 3585 is not a multiple of `num_attention_heads` 28");
        check_refused(json!({"num_key_value_heads": 5}), "`num_attention_heads` 28 is not a multiple of");
        check_refused(json!({"rms_norm_eps": 0}), "`rms_norm_eps` is 0, expected a positive number");
        check_refused(json!({"tie_word_embeddings": "no"}), "`tie_word_embeddings` is \"no\", expected true or false");
        assert_eq!(ModelConfig::from_json(&json!([])).unwrap_err().to_string(), "not a JSON object");
    }

    #[test]
    fn what_is_written_is_read() {
        let config = with(json!({"rope_parameters": {"rope_theta": 1e4}, "dtype": "bfloat16"})).unwrap();
        let written = config.to_json("float32");
        assert_eq!(written["torch_dtype"], "float32");
        assert_eq!(written["eos_token_id"], 151645, "keys that we do not know are kept");
        assert!(written.get("rope_parameters").is_none() && written.get("dtype").is_none());
        let again = ModelConfig::from_json(&written).unwrap();
        assert_eq!(ModelConfig { source: config.source.clone(), ..again }, config);

        let scaled = json!({
            "rope_type": "llama3", "rope_theta": 5e5, "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192,
        });
        let llama = with(json!({"model_type": "llama", "rope_theta": null, "rope_parameters": scaled})).unwrap();
        let written = llama.to_json("bfloat16");
        assert_eq!((&written["model_type"], &written["rope_theta"]), (&json!("llama"), &json!(5e5)));
        assert_eq!((&written["rope_scaling"]["rope_type"], written.get("rope_parameters")), (&json!("llama3"), None));
        assert_eq!(ModelConfig::from_json(&written).unwrap().rope, llama.rope);
    }
}
