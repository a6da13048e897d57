//! The shapes in which Qwen2.5 was released by the `config.json` files on Hugging Face's hub, base and Instruct alike: for estimates without the weights.

use serde_json::json;

use super::QwenConfig;

/// Size, hidden, intermediate, blocks, heads, key-value heads, whether the head is tied, vocabulary.
type Shape = (&'static str, usize, usize, usize, usize, usize, bool, usize);

const SHAPES: [Shape; 7] = [
    ("0.5B", 896, 4864, 24, 14, 2, true, 151_936),
    ("1.5B", 1536, 8960, 28, 12, 2, true, 151_936),
    ("3B", 2048, 11_008, 36, 16, 2, true, 151_936),
    ("7B", 3584, 18_944, 28, 28, 4, false, 152_064),
    ("14B", 5120, 13_824, 48, 40, 8, false, 152_064),
    ("32B", 5120, 27_648, 64, 40, 8, false, 152_064),
    ("72B", 8192, 29_568, 80, 64, 8, false, 152_064),
];

/// The names of the sizes, the smallest first.
pub fn sizes() -> impl Iterator<Item = &'static str> {
    SHAPES.iter().map(|shape| shape.0)
}

/// The configuration of a released size, as its `config.json` has it; `None` for any other size.
pub fn released(size: &str) -> Option<QwenConfig> {
    let (_, hidden, inner, blocks, heads, kv_heads, tied, vocabulary) = SHAPES.into_iter().find(|s| s.0 == size)?;
    let config = json!({
        "architectures": ["Qwen2ForCausalLM"],
        "attention_dropout": 0.0,
        "bos_token_id": 151643,
        "eos_token_id": 151645,
        "hidden_act": "silu",
        "hidden_size": hidden,
        "initializer_range": 0.02,
        "intermediate_size": inner,
        "max_position_embeddings": 32768,
        "max_window_layers": blocks,
        "model_type": "qwen2",
        "num_attention_heads": heads,
        "num_hidden_layers": blocks,
        "num_key_value_heads": kv_heads,
        "rms_norm_eps": 1e-6,
        "rope_theta": 1000000.0,
        "sliding_window": 131072,
        "tie_word_embeddings": tied,
        "torch_dtype": "bfloat16",
        "use_cache": true,
        "use_sliding_window": false,
        "vocab_size": vocabulary,
    });
    Some(QwenConfig::from_json(&config).expect("a configuration of ours"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_released_size_has_the_published_tensors_and_parameters() {
        let published = [
            ("0.5B", 290, 494_032_768),
            ("1.5B", 338, 1_543_714_304),
            ("3B", 434, 3_085_938_688),
            ("7B", 339, 7_615_616_512),
            ("14B", 579, 14_770_033_664),
            ("32B", 771, 32_763_876_352),
            ("72B", 963, 72_706_203_648),
        ];
        assert!(sizes().eq(published.iter().map(|p| p.0)));
        for (size, count, parameters) in published {
            let config = released(size).unwrap();
            let tensors = config.tensors();
            assert_eq!(tensors.len(), count, "{size}");
            let sum: usize = tensors.iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
            assert_eq!(sum, parameters, "{size}");
            let shape = |name: &str| tensors.iter().find(|(n, _)| n == name).map(|(_, shape)| shape.as_slice());
            let (hidden, kv) = (config.hidden_size, config.num_key_value_heads * config.head_dim);
            assert_eq!(config.num_attention_heads * config.head_dim, hidden);
            let last = config.num_hidden_layers - 1;
            assert_eq!(shape(&format!("model.layers.{last}.self_attn.k_proj.weight")), Some([kv, hidden].as_slice()));
            assert_eq!(shape(&format!("model.layers.{last}.self_attn.v_proj.bias")), Some([kv].as_slice()));
            assert_eq!(shape(&format!("model.layers.{last}.self_attn.o_proj.bias")), None);
            assert_eq!(
                shape(&format!("model.layers.{last}.mlp.down_proj.weight")),
                Some([hidden, config.intermediate_size].as_slice())
            );
            assert_eq!(shape("lm_head.weight").is_none(), config.tie_word_embeddings);
        }
        assert!(released("8B").is_none());
    }
}
