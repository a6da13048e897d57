//! A Qwen2 model's `config.json`: what we compute, read exactly; what we do not compute, refused by name.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::config_file::without_mark;
use crate::{At, Error, Result, bail, ensure};

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

/// The shape of a Qwen2 or Qwen2.5 model (`model_type: "qwen2"`), under the names of its `config.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct QwenConfig {
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
    /// Added to the mean square in the norms. 1e-6 in most models, 1e-5 in some.
    pub rms_norm_eps: f64,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// Whether the output head is the embedding.
    pub tie_word_embeddings: bool,
    /// Longest text the model was made for, in tokens.
    pub max_position_embeddings: usize,
    /// All keys as they were read, so that a copy of the model keeps those that we do not know.
    pub source: Map<String, Value>,
}

impl QwenConfig {
    /// Reads `config.json` of a model folder.
    pub fn read(dir: &Path) -> Result<Self> {
        let path = dir.join("config.json");
        let bytes = std::fs::read(&path).at(&path).map_err(|e| {
            e.hint(
                "a model folder in Hugging Face's layout holds `config.json`, `model.safetensors` and `tokenizer.json`",
            )
        })?;
        let value: Value = serde_json::from_slice(without_mark(&bytes)).at(&path)?;
        Self::from_json(&value).at(&path)
    }

    /// Takes the contents of a `config.json`, in transformers 4's spelling (`rope_theta`) or 5's (`rope_parameters`).
    ///
    /// Whatever would change the computation and is not implemented is refused: another `model_type`, a scaled RoPE, a sliding
    /// window in use, another activation, quantised weights.
    pub fn from_json(config: &Value) -> Result<Self> {
        let source = config.as_object().ok_or_else(|| Error::new("not a JSON object"))?;
        refuse_what_we_do_not_compute(source)?;
        let hidden_size = positive(source, "hidden_size")?;
        let num_attention_heads = positive(source, "num_attention_heads")?;
        let head_dim = match given(source, "head_dim") {
            Some(_) => positive(source, "head_dim")?,
            None => {
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
        Ok(Self {
            vocab_size: positive(source, "vocab_size")?,
            hidden_size,
            intermediate_size: positive(source, "intermediate_size")?,
            num_hidden_layers: positive(source, "num_hidden_layers")?,
            num_attention_heads,
            num_key_value_heads,
            head_dim,
            rms_norm_eps: number(source, "rms_norm_eps")?,
            rope_theta: rope_theta(source)?,
            tie_word_embeddings: switch(source, "tie_word_embeddings")?,
            max_position_embeddings: positive(source, "max_position_embeddings")?,
            source: source.clone(),
        })
    }

    /// The contents of a `config.json` for weights of that dtype (`float32`, `bfloat16`, `float16`), in the spelling that
    /// every transformers release reads.
    pub fn to_json(&self, dtype: &str) -> Value {
        let ours = json!({
            "architectures": ["Qwen2ForCausalLM"],
            "model_type": "qwen2",
            "vocab_size": self.vocab_size,
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "num_hidden_layers": self.num_hidden_layers,
            "num_attention_heads": self.num_attention_heads,
            "num_key_value_heads": self.num_key_value_heads,
            "head_dim": self.head_dim,
            "hidden_act": "silu",
            "rms_norm_eps": self.rms_norm_eps,
            "rope_theta": self.rope_theta,
            "max_position_embeddings": self.max_position_embeddings,
            "tie_word_embeddings": self.tie_word_embeddings,
            "use_sliding_window": false,
            "torch_dtype": dtype,
        });
        let mut config = self.source.clone();
        // transformers 5's words for what `rope_theta` and `torch_dtype` say; two spellings could contradict each other.
        config.retain(|key, _| key != "rope_parameters" && key != "dtype");
        config.extend(ours.as_object().into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())));
        config.into()
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

    /// Name and shape of every tensor of the checkpoint, in the order of the computation. Queries, keys and values have
    /// biases, the other projections none; a tied head has no tensor.
    pub fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let hidden = self.hidden_size;
        let mut tensors = vec![("model.embed_tokens.weight".to_owned(), vec![self.vocab_size, hidden])];
        for block in 0..self.num_hidden_layers {
            let name = |part: &str| format!("model.layers.{block}.{part}");
            tensors.push((name("input_layernorm.weight"), vec![hidden]));
            tensors.push((name("post_attention_layernorm.weight"), vec![hidden]));
            for projection in PROJECTIONS {
                let shape = self.projection_shape(projection);
                tensors.push((name(&format!("{projection}.weight")), shape.to_vec()));
                if ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"].contains(&projection) {
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

/// Names what would make the model another function than the one we compute.
fn refuse_what_we_do_not_compute(config: &Map<String, Value>) -> Result<()> {
    match config.get("model_type").and_then(Value::as_str) {
        Some("qwen2") => {}
        Some(other) => {
            return Err(Error::new(format!("`model_type` is `{other}`, and Trimtab knows only `qwen2`"))
                .hint("use a Qwen2 or Qwen2.5 chat model, such as Qwen/Qwen2.5-7B-Instruct"));
        }
        None => bail!("`model_type` is missing"),
    }
    if let Some(act) = given(config, "hidden_act") {
        ensure!(act == "silu", "`hidden_act` is {act}, and Qwen2 uses \"silu\"");
    }
    if switch(config, "use_sliding_window")? && !slides_nowhere(config) {
        return Err(Error::new("`use_sliding_window` is true, and sliding-window attention is not implemented")
            .hint("Qwen2.5's released models have it switched off"));
    }
    for kind in given(config, "layer_types").and_then(Value::as_array).into_iter().flatten() {
        ensure!(kind == "full_attention", "`layer_types` holds {kind}, and only \"full_attention\" is implemented");
    }
    if given(config, "quantization_config").is_some() {
        return Err(Error::new("`quantization_config` is set, and quantised weights are not implemented")
            .hint("use the model's F32, F16 or BF16 release"));
    }
    for key in ["rope_scaling", "rope_parameters"] {
        let Some(rope) = given(config, key) else { continue };
        let kind = rope.get("rope_type").or_else(|| rope.get("type")).and_then(Value::as_str).unwrap_or("default");
        if kind != "default" {
            return Err(Error::new(format!(
                "`{key}` asks for RoPE of type `{kind}`, and only `default` is implemented"
            ))
            .hint(
                "Qwen2.5 needs scaling only beyond 32768 tokens: remove `rope_scaling` to use the model below that",
            ));
        }
        if let Some(share) = rope.get("partial_rotary_factor").filter(|share| share.as_f64() != Some(1.0)) {
            bail!("`{key}` turns only a share {share} of each head, which is not implemented");
        }
    }
    Ok(())
}

/// Whether a sliding window that is switched on reaches no block: transformers' `Qwen2Config` slides from block
/// `max_window_layers` on, unless `layer_types` says of each block what it does.
fn slides_nowhere(config: &Map<String, Value>) -> bool {
    let count = |key: &str| given(config, key).and_then(Value::as_u64);
    match given(config, "layer_types").and_then(Value::as_array) {
        Some(kinds) => kinds.iter().all(|kind| kind == "full_attention"),
        None => {
            count("max_window_layers").zip(count("num_hidden_layers")).is_some_and(|(first, blocks)| first >= blocks)
        }
    }
}

/// The RoPE base in either spelling. Its absence is an error: transformers would silently take 10000, a hundredth of what
/// every Qwen2.5 model was trained with.
fn rope_theta(config: &Map<String, Value>) -> Result<f64> {
    match given(config, "rope_parameters") {
        Some(Value::Object(rope)) if given(rope, "rope_theta").is_some() => {
            number(rope, "rope_theta").map_err(|e| e.at("`rope_parameters`"))
        }
        _ => number(config, "rope_theta")
            .map_err(|e| e.hint("`rope_theta` (or `rope_theta` within `rope_parameters`) is 1000000.0 in Qwen2.5")),
    }
}

/// A key's value, null counting as absent.
fn given<'a>(config: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    config.get(key).filter(|value| !value.is_null())
}

/// Far above every model, and so small that the products of them all are numbers: 2^12 blocks of 2^20 times 2^20 weights.
const WIDTH_MAX: usize = 1 << 20;
const BLOCKS_MAX: usize = 1 << 12;
const ROWS_MAX: usize = 1 << 24;

fn refuse_absurd(key: &str, n: usize, max: usize) -> Result<()> {
    ensure!(n <= max, "`{key}` is {n}, and no model has more than {max}");
    Ok(())
}

fn positive(config: &Map<String, Value>, key: &str) -> Result<usize> {
    let value = given(config, key).ok_or_else(|| Error::new(format!("`{key}` is missing")))?;
    match value.as_u64().and_then(|n| usize::try_from(n).ok()) {
        Some(n) if n > 0 => {
            let max = match key {
                "vocab_size" => ROWS_MAX,
                "num_hidden_layers" => BLOCKS_MAX,
                "max_position_embeddings" => u32::MAX as usize,
                _ => WIDTH_MAX,
            };
            refuse_absurd(key, n, max)?;
            Ok(n)
        }
        _ => bail!("`{key}` is {value}, expected a positive whole number"),
    }
}

fn number(config: &Map<String, Value>, key: &str) -> Result<f64> {
    let value = given(config, key).ok_or_else(|| Error::new(format!("`{key}` is missing")))?;
    match value.as_f64() {
        Some(x) if x > 0.0 && x.is_finite() => Ok(x),
        _ => bail!("`{key}` is {value}, expected a positive number"),
    }
}

/// A switch that is off where it is absent, as in transformers' `Qwen2Config`.
fn switch(config: &Map<String, Value>, key: &str) -> Result<bool> {
    match given(config, key) {
        None => Ok(false),
        Some(Value::Bool(on)) => Ok(*on),
        Some(other) => bail!("`{key}` is {other}, expected true or false"),
    }
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

    fn with(changes: Value) -> Result<QwenConfig> {
        let mut config = qwen_7b();
        config.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        QwenConfig::from_json(&config)
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
        assert_eq!(with(newer).unwrap().rope_theta, 5e5);
        let nothing = json!({"rope_scaling": null, "rope_parameters": null, "head_dim": null});
        assert_eq!(with(nothing).unwrap().rope_theta, 1e6);
        check_refused(json!({"rope_theta": null}), "`rope_theta` is missing");
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
    fn what_we_do_not_compute_is_refused_by_name() {
        check_refused(json!({"model_type": "llama"}), "`model_type` is `llama`, and Trimtab knows only `qwen2`");
        check_refused(json!({"model_type": null}), "`model_type` is missing");
        let slides = json!({"use_sliding_window": true, "max_window_layers": 27});
        check_refused(slides, "`use_sliding_window` is true");
        with(json!({"use_sliding_window": true})).expect("a window from block 28 on, where there are blocks 0 to 27");
        with(json!({"use_sliding_window": true, "max_window_layers": 0, "layer_types": ["full_attention"]})).unwrap();
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
        check_refused(json!({"rms_norm_eps": null}), "`rms_norm_eps` is missing");
        check_refused(json!({"tie_word_embeddings": "no"}), "`tie_word_embeddings` is \"no\", expected true or false");
        assert_eq!(QwenConfig::from_json(&json!([])).unwrap_err().to_string(), "not a JSON object");
    }

    #[test]
    fn what_is_written_is_read() {
        let config = with(json!({"rope_parameters": {"rope_theta": 1e4}, "dtype": "bfloat16"})).unwrap();
        let written = config.to_json("float32");
        assert_eq!(written["torch_dtype"], "float32");
        assert_eq!(written["eos_token_id"], 151645, "keys that we do not know are kept");
        assert!(written.get("rope_parameters").is_none() && written.get("dtype").is_none());
        let again = QwenConfig::from_json(&written).unwrap();
        assert_eq!(QwenConfig { source: config.source.clone(), ..again }, config);
    }
}
