//! The shapes in which Qwen2.5, Qwen3, Llama 3 and SmolLM2 were released, by the `config.json` files on Hugging Face's hub, base
//! and Instruct alike: for estimates without the weights.

use serde_json::{Value, json};

use super::ModelConfig;

/// What is alike in all sizes of a release.
struct Family {
    /// Its name, before the size.
    name: &'static str,
    shapes: &'static [Shape],
    /// The other keys of `config.json`.
    keys: fn() -> Value,
}

/// Size, hidden, intermediate, blocks, heads, key-value heads, whether the head is tied, vocabulary.
type Shape = (&'static str, usize, usize, usize, usize, usize, bool, usize);

const FAMILIES: [Family; 5] = [
    Family {
        name: "Qwen2.5",
        shapes: &[
            ("0.5B", 896, 4864, 24, 14, 2, true, 151_936),
            ("1.5B", 1536, 8960, 28, 12, 2, true, 151_936),
            ("3B", 2048, 11_008, 36, 16, 2, true, 151_936),
            ("7B", 3584, 18_944, 28, 28, 4, false, 152_064),
            ("14B", 5120, 13_824, 48, 40, 8, false, 152_064),
            ("32B", 5120, 27_648, 64, 40, 8, false, 152_064),
            ("72B", 8192, 29_568, 80, 64, 8, false, 152_064),
        ],
        keys: || {
            json!({
                "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "bos_token_id": 151643,
                "eos_token_id": 151645, "max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "rope_theta": 1000000.0,
                "sliding_window": 131072, "use_sliding_window": false,
            })
        },
    },
    Family {
        name: "Qwen3",
        shapes: &[
            ("0.6B", 1024, 3072, 28, 16, 8, true, 151_936),
            ("1.7B", 2048, 6144, 28, 16, 8, true, 151_936),
            ("4B", 2560, 9728, 36, 32, 8, true, 151_936),
            ("8B", 4096, 12_288, 36, 32, 8, false, 151_936),
            ("14B", 5120, 17_408, 40, 40, 8, false, 151_936),
            ("32B", 5120, 25_600, 64, 64, 8, false, 151_936),
        ],
        keys: || {
            json!({
                "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "attention_bias": false,
                "bos_token_id": 151643, "eos_token_id": 151645, "head_dim": 128, "max_position_embeddings": 40960,
                "rms_norm_eps": 1e-6, "rope_scaling": null, "rope_theta": 1000000, "sliding_window": null,
                "use_sliding_window": false,
            })
        },
    },
    Family {
        name: "Llama-3.2",
        shapes: &[("1B", 2048, 8192, 16, 32, 8, true, 128_256), ("3B", 3072, 8192, 28, 24, 8, true, 128_256)],
        keys: || llama(32.0),
    },
    Family {
        name: "Llama-3.1",
        shapes: &[("8B", 4096, 14_336, 32, 32, 8, false, 128_256), ("70B", 8192, 28_672, 80, 64, 8, false, 128_256)],
        keys: || llama(8.0),
    },
    Family {
        name: "SmolLM2",
        shapes: &[
            ("135M", 576, 1536, 30, 9, 3, true, 49_152),
            ("360M", 960, 2560, 32, 15, 5, true, 49_152),
            ("1.7B", 2048, 8192, 24, 32, 32, true, 49_152),
        ],
        keys: || {
            json!({
                "architectures": ["LlamaForCausalLM"], "model_type": "llama", "attention_bias": false, "bos_token_id": 1,
                "eos_token_id": 2, "max_position_embeddings": 8192, "mlp_bias": false, "pad_token_id": 2,
                "rms_norm_eps": 1e-5, "rope_interleaved": false, "rope_scaling": null, "rope_theta": 100000,
            })
        },
    },
];

/// Llama 3.1's and 3.2's keys; their RoPE is stretched by that factor.
fn llama(factor: f64) -> Value {
    json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "attention_bias": false, "bos_token_id": 128000,
        "eos_token_id": [128001, 128008, 128009], "max_position_embeddings": 131072, "mlp_bias": false,
        "pretraining_tp": 1, "rms_norm_eps": 1e-5, "rope_theta": 500000.0,
        "rope_scaling": {
            "factor": factor, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
            "original_max_position_embeddings": 8192, "rope_type": "llama3",
        },
    })
}

/// The names of the shapes, such as `Qwen2.5-7B`, the smallest of each family first.
pub fn shapes() -> impl Iterator<Item = String> {
    FAMILIES.iter().flat_map(|family| family.shapes.iter().map(|shape| format!("{}-{}", family.name, shape.0)))
}

/// The configuration of a released shape, as its `config.json` has it; `None` for any other name. A size alone is one of
/// Qwen2.5's; case does not matter, and a name may go on with `-Instruct`.
pub fn released(name: &str) -> Option<ModelConfig> {
    let name = name.to_lowercase();
    let name = name.strip_suffix("-instruct").unwrap_or(&name);
    let of = |family: &'static Family| {
        let size = match name.strip_prefix(&family.name.to_lowercase()) {
            Some(rest) => rest.strip_prefix('-')?,
            None => (family.name == FAMILIES[0].name).then_some(name)?,
        };
        family.shapes.iter().find(|shape| shape.0.to_lowercase() == size).map(|shape| (family, shape))
    };
    let (family, &(size, hidden, inner, blocks, heads, kv_heads, tied, vocabulary)) = FAMILIES.iter().find_map(of)?;
    let mut config = (family.keys)();
    config.as_object_mut().expect("keys and values").extend(
        json!({
            "attention_dropout": 0.0, "hidden_act": "silu", "hidden_size": hidden, "initializer_range": 0.02,
            "intermediate_size": inner, "num_attention_heads": heads, "num_hidden_layers": blocks,
            "num_key_value_heads": kv_heads, "tie_word_embeddings": tied, "torch_dtype": "bfloat16", "use_cache": true,
            "vocab_size": vocabulary,
        })
        .as_object()
        .expect("keys and values")
        .clone(),
    );
    match (family.name, size) {
        ("Qwen2.5" | "Qwen3", _) => config["max_window_layers"] = blocks.into(),
        ("SmolLM2", "1.7B") => config["rope_theta"] = 130_000.into(),
        _ => {}
    }
    Some(ModelConfig::from_json(&config).expect("a configuration of ours"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parameters as transformers counts them in a model made from the same configuration, a tied head once.
    const PUBLISHED: [(&str, usize, usize); 20] = [
        ("Qwen2.5-0.5B", 290, 494_032_768),
        ("Qwen2.5-1.5B", 338, 1_543_714_304),
        ("Qwen2.5-3B", 434, 3_085_938_688),
        ("Qwen2.5-7B", 339, 7_615_616_512),
        ("Qwen2.5-14B", 579, 14_770_033_664),
        ("Qwen2.5-32B", 771, 32_763_876_352),
        ("Qwen2.5-72B", 963, 72_706_203_648),
        ("Qwen3-0.6B", 310, 596_049_920),
        ("Qwen3-1.7B", 310, 1_720_574_976),
        ("Qwen3-4B", 398, 4_022_468_096),
        ("Qwen3-8B", 399, 8_190_735_360),
        ("Qwen3-14B", 443, 14_768_307_200),
        ("Qwen3-32B", 707, 32_762_123_264),
        ("Llama-3.2-1B", 146, 1_235_814_400),
        ("Llama-3.2-3B", 254, 3_212_749_824),
        ("Llama-3.1-8B", 291, 8_030_261_248),
        ("Llama-3.1-70B", 723, 70_553_706_496),
        ("SmolLM2-135M", 272, 134_515_008),
        ("SmolLM2-360M", 290, 361_821_120),
        ("SmolLM2-1.7B", 218, 1_711_376_384),
    ];

    #[test]
    fn every_released_shape_has_the_published_tensors_and_parameters() {
        assert!(shapes().eq(PUBLISHED.iter().map(|p| p.0)));
        for (name, count, parameters) in PUBLISHED {
            let config = released(name).unwrap();
            let tensors = config.tensors();
            let sum: usize = tensors.iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
            assert_eq!((tensors.len(), sum), (count, parameters), "{name}");
            let shape = |name: &str| tensors.iter().find(|(n, _)| n == name).map(|(_, shape)| shape.as_slice());
            let (hidden, kv) = (config.hidden_size, config.num_key_value_heads * config.head_dim);
            let last = config.num_hidden_layers - 1;
            let of_last = |part: &str| shape(&format!("model.layers.{last}.{part}"));
            let (biases, gains) = ([kv], [config.head_dim]);
            assert_eq!(of_last("self_attn.k_proj.weight"), Some([kv, hidden].as_slice()));
            assert_eq!(of_last("self_attn.v_proj.bias"), name.starts_with("Qwen2.5").then_some(&biases[..]));
            assert_eq!(of_last("self_attn.q_norm.weight"), name.starts_with("Qwen3").then_some(&gains[..]));
            assert_eq!(of_last("self_attn.o_proj.bias"), None);
            assert_eq!(of_last("mlp.down_proj.weight"), Some([hidden, config.intermediate_size].as_slice()));
            assert_eq!(shape("lm_head.weight").is_none(), config.tie_word_embeddings);
        }
    }

    #[test]
    fn a_shape_is_found_by_any_of_its_names() {
        for name in ["7B", "qwen2.5-7b", "Qwen2.5-7B-Instruct"] {
            assert_eq!(released(name), released("Qwen2.5-7B"), "{name}");
        }
        assert!(released("Qwen2.5-7B").is_some());
        assert_eq!(released("llama-3.1-8b-instruct").unwrap().rope.scaling.unwrap().factor, 8.0);
        assert_eq!(released("smollm2-1.7b").unwrap().rope.theta, 130_000.0);
        for name in ["8B", "Qwen3", "Qwen3-", "Qwen2.57B", "Llama-3.1-3B", ""] {
            assert!(released(name).is_none(), "{name}");
        }
    }
}
