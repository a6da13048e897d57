//! llama.cpp's names of the tensors (`gguf-py/gguf/constants.py`), which are one for all architectures.

/// The name in a GGUF file of a checkpoint's tensor, `model.layers.3.mlp.up_proj.weight`, or of a module without its `.weight`.
pub(in crate::model) fn gguf_name(name: &str) -> Option<String> {
    let whole = |name: &str| {
        Some(match name {
            "model.embed_tokens" => "token_embd",
            "model.norm" => "output_norm",
            "lm_head" => "output",
            _ => return None,
        })
    };
    let in_block = |part: &str| {
        Some(match part {
            "input_layernorm" => "attn_norm",
            "post_attention_layernorm" => "ffn_norm",
            "self_attn.q_proj" => "attn_q",
            "self_attn.k_proj" => "attn_k",
            "self_attn.v_proj" => "attn_v",
            "self_attn.o_proj" => "attn_output",
            "self_attn.q_norm" => "attn_q_norm",
            "self_attn.k_norm" => "attn_k_norm",
            "mlp.gate_proj" => "ffn_gate",
            "mlp.up_proj" => "ffn_up",
            "mlp.down_proj" => "ffn_down",
            _ => return None,
        })
    };
    let ending = [".weight", ".bias"].into_iter().find(|ending| name.ends_with(ending)).unwrap_or_default();
    let module = &name[..name.len() - ending.len()];
    match module.strip_prefix("model.layers.").and_then(|rest| rest.split_once('.')) {
        Some((block, part)) => in_block(part).map(|part| format!("blk.{block}.{part}{ending}")),
        None => whole(module).map(|module| format!("{module}{ending}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_checkpoint_have_a_gguf_name() {
        let check = |name: &str, want: Option<&str>| assert_eq!(gguf_name(name).as_deref(), want, "{name}");
        check("model.embed_tokens.weight", Some("token_embd.weight"));
        check("lm_head.weight", Some("output.weight"));
        check("model.layers.12.self_attn.q_proj.bias", Some("blk.12.attn_q.bias"));
        check("model.layers.0.mlp.down_proj", Some("blk.0.ffn_down"));
        check("model.layers.0.mlp.experts.weight", None);
    }
}
