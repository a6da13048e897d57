//! A GGUF file's metadata in the words of `config.json`. What is refused is refused there, by the same rules as for a folder.

use serde_json::{Map, Value as Json, json};

use super::super::architecture::Architecture;
use super::super::rope::Rope;
use super::rope::llama3_rope;
use crate::gguf::{Parts, Value, dequantise};
use crate::{Error, Result, bail, ensure};

/// The contents of the `config.json` that belongs to this file.
///
/// # Errors
/// An architecture that is not read, or metadata that is missing; the error names it.
pub(in crate::model) fn config_json(parts: &Parts) -> Result<Json> {
    let file = parts.first();
    let name = file.text("general.architecture").unwrap_or_default();
    if file.text("general.type") == Some("adapter") || name == "controlvector" {
        return Err(Error::new("it is an adapter or a control vector, not a model"));
    }
    let architecture = Architecture::named(name).ok_or_else(|| {
        let known = Architecture::ALL.map(|known| format!("`{}`", known.name())).join(", ");
        Error::new(format!("its architecture is `{name}`, and Trimtab knows {known}"))
    })?;
    let key = |key: &str| format!("{name}.{key}");
    let whole = |of: &str| {
        let n = match file.get(&key(of)) {
            Some(Value::Whole(n)) => Some(*n),
            // One number for each block, as of models whose blocks differ.
            Some(Value::Wholes(list)) => {
                let first = list.first().copied();
                ensure!(list.iter().all(|n| Some(*n) == first), "`{}` differs from block to block", key(of));
                first.and_then(|n| usize::try_from(n).ok())
            }
            _ => None,
        };
        Ok::<_, Error>(n)
    };
    let needed =
        |of: &str| whole(of)?.ok_or_else(|| Error::new(format!("`{}` is missing, or no whole number", key(of))));
    let real = |of: &str| file.real(&key(of)).map(shortest);
    let vocabulary = parts.tensor("token_embd.weight").and_then(|tensor| tensor.dims.get(1).copied());
    let base = real("rope.freq_base").unwrap_or(1e4);

    let mut config = json!({
        "architectures": [architecture.class()],
        "model_type": name,
        "vocab_size": vocabulary.ok_or_else(|| Error::new("tensor `token_embd.weight` is missing"))?,
        "hidden_size": needed("embedding_length")?,
        "intermediate_size": needed("feed_forward_length")?,
        "num_hidden_layers": needed("block_count")?,
        "num_attention_heads": needed("attention.head_count")?,
        "hidden_act": "silu",
        "rms_norm_eps": real("attention.layer_norm_rms_epsilon")
            .ok_or_else(|| Error::new(format!("`{}` is missing", key("attention.layer_norm_rms_epsilon"))))?,
        "rope_theta": base,
        "max_position_embeddings": needed("context_length")?,
        "tie_word_embeddings": parts.tensor("output.weight").is_none(),
    });
    let more = config.as_object_mut().expect("written above");
    for (to, of) in [("num_key_value_heads", "attention.head_count_kv"), ("head_dim", "attention.key_length")] {
        more.extend(whole(of)?.map(|n| (to.to_owned(), n.into())));
    }
    for (to, of) in [("bos_token_id", "bos"), ("eos_token_id", "eos"), ("pad_token_id", "padding")] {
        let id = file.whole(&format!("tokenizer.ggml.{of}_token_id"));
        more.extend(id.map(|id| (to.to_owned(), id.into())));
    }
    if architecture != Architecture::Qwen2 {
        more.insert("attention_bias".into(), parts.tensor("blk.0.attn_q.bias").is_some().into());
    }
    // In the words by which a folder's configuration would be refused.
    more.extend(whole("expert_count")?.map(|n| ("num_experts".to_owned(), n.into())));
    if let Some(n) = whole("attention.sliding_window")?.filter(|n| *n > 0) {
        let window = json!({ "use_sliding_window": true, "sliding_window": n, "max_window_layers": 0 });
        more.extend(window.as_object().cloned().into_iter().flatten());
    }
    let dim =
        whole("attention.key_length")?.unwrap_or(needed("embedding_length")? / needed("attention.head_count")?.max(1));
    if let Some(n) = whole("rope.dimension_count")?.filter(|n| *n != dim) {
        more.insert("partial_rotary_factor".into(), (n as f64 / dim as f64).into());
    }
    if let Some(n) = whole("attention.value_length")?.filter(|n| *n != dim) {
        bail!("`{}` is {n} and keys have {dim} channels, which is not implemented", key("attention.value_length"));
    }
    if let Some(scaling) = rope_scaling(parts, name, base)? {
        more.insert("rope_scaling".into(), scaling);
    }
    Ok(config)
}

/// `rope_scaling`, if positions are scaled at all.
fn rope_scaling(parts: &Parts, name: &str, base: f64) -> Result<Option<Json>> {
    let file = parts.first();
    let key = |key: &str| format!("{name}.rope.{key}");
    if let Some(tensor) = parts.tensor("rope_freqs.weight") {
        let (kind, bytes) = parts.raw(&tensor.name)?;
        let len = tensor.dims.iter().product();
        ensure!(kind.bytes(len) == Some(bytes.len()), "tensor `{}` is not whole", tensor.name);
        let mut factors = vec![0.0; len];
        dequantise(kind, bytes, &mut factors);
        if factors.iter().all(|factor| *factor == 1.0) {
            return Ok(None);
        }
        let rope = llama3_rope(&factors, base).as_ref().and_then(Rope::scaling_json);
        return rope.map(Some).ok_or_else(|| {
            Error::new("`rope_freqs.weight` scales RoPE otherwise than Llama 3 does, which is not implemented")
        });
    }
    let linear = file.real(&key("scale_linear")).filter(|scale| *scale != 1.0).map(|scale| ("linear", scale));
    let factor = file.real(&key("scaling.factor")).unwrap_or(1.0);
    let named = file.text(&key("scaling.type")).filter(|kind| *kind != "none").map(|kind| (kind, factor));
    Ok(named.or(linear).map(|(kind, factor)| {
        let mut scaling = Map::new();
        scaling.insert("rope_type".into(), kind.into());
        scaling.insert("factor".into(), shortest(factor).into());
        let context = file.whole(&key("scaling.original_context_length"));
        scaling.extend(context.map(|n| ("original_max_position_embeddings".to_owned(), n.into())));
        scaling.into()
    }))
}

/// The number that was rounded to this f32, as people wrote it: 1e-5, not 0.000009999999747.
fn shortest(x: f32) -> f64 {
    x.to_string().parse().unwrap_or(f64::from(x))
}
