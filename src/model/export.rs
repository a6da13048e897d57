//! An adapter for other programs: llama.cpp's LoRA in GGUF, mlx-lm's folder.
//!
//! Both know one strength for the whole file, and mlx-lm one rank. What single modules have otherwise is worked into the factors,
//! without changing their product: B times a number, A and B with zeros behind.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::json;

use super::ModelConfig;
use super::gguf::{gguf_name, interleaved};
use super::peft::{Adapter, Pair, Slot};
use crate::gguf::{self, Tensor, Value};
use crate::record::{write_atomic, write_atomic_with};
use crate::tensorfile::{self, Dtype};
use crate::{At, Result, ensure};

/// What stands in an exported file.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Exported {
    /// Pairs.
    pub pairs: usize,
    /// `alpha` as llama.cpp reads it, or mlx-lm's `scale`.
    pub strength: f64,
    /// The largest rank.
    pub rank: usize,
    /// Pairs whose B was multiplied, because their strength differs from the file's.
    pub folded: usize,
    /// Pairs that have zeros behind, because their rank is smaller.
    pub padded: usize,
}

/// llama.cpp's name of a projection's weight.
fn weight_name(slot: &Slot) -> String {
    let name = gguf_name(&format!("model.layers.{}.{}.weight", slot.block, slot.projection));
    name.expect("every projection has a name in llama.cpp")
}

/// Whether B is multiplied by that number, which is not 1.
fn is_folded(by: f64) -> bool {
    (by - 1.0).abs() >= 1e-6
}

/// B multiplied by a number, unless that is 1.
fn folded(b: &[f32], by: f64) -> Cow<'_, [f32]> {
    if is_folded(by) { b.iter().map(|b| (f64::from(*b) * by) as f32).collect() } else { b.into() }
}

/// B, `[outputs, rank]`, with its rows in the order of a GGUF file.
fn in_gguf<'a>(b: Cow<'a, [f32]>, pair: &Pair, model: &ModelConfig) -> Cow<'a, [f32]> {
    let is_turned = ["self_attn.q_proj", "self_attn.k_proj"].contains(&pair.slot.projection);
    if !is_turned || !model.architecture.interleaved_in_gguf() {
        return b;
    }
    let rank = pair.slot.rank;
    let mut stored = vec![0.0; b.len()];
    for (row, values) in b.chunks_exact(rank).enumerate() {
        stored[interleaved(row, model.head_dim) * rank..][..rank].copy_from_slice(values);
    }
    stored.into()
}

fn largest_rank(adapter: &Adapter) -> usize {
    adapter.pairs.values().map(|pair| pair.slot.rank).max().unwrap_or_default()
}

/// Writes the adapter as `convert_lora_to_gguf.py` of llama.cpp does, in f32: B's rows in the order of the model's own GGUF file.
/// llama.cpp multiplies by `alpha / rank` and knows no rank-stabilised scale, so `alpha` is written as scale times rank.
///
/// # Errors
/// An adapter of strength 0, which llama.cpp would take for 1; a place that cannot be written.
pub fn write_gguf(adapter: &Adapter, model: &ModelConfig, path: &Path) -> Result<Exported> {
    let alpha = adapter.config.scale() * adapter.config.r as f64;
    ensure!(alpha != 0.0, "the adapter has alpha 0, which llama.cpp takes for a strength of 1");
    let by = |pair: &Pair| f64::from(pair.slot.scale) * pair.slot.rank as f64 / alpha;
    let parts: Vec<(&Pair, Cow<'_, [f32]>)> =
        adapter.pairs.values().map(|pair| (pair, in_gguf(folded(&pair.b, by(pair)), pair, model))).collect();
    let mut tensors: Vec<Tensor<'_>> = Vec::new();
    for (pair, b) in &parts {
        let slot = &pair.slot;
        let name = weight_name(slot);
        tensors.push((format!("{name}.lora_a"), vec![slot.inputs, slot.rank], &pair.a));
        tensors.push((format!("{name}.lora_b"), vec![slot.rank, slot.outputs], b));
    }
    let metadata = [
        ("general.architecture", Value::Text(model.architecture.name().into())),
        ("general.type", Value::Text("adapter".into())),
        ("adapter.type", Value::Text("lora".into())),
        ("adapter.lora.alpha", Value::Real(alpha as f32)),
    ];
    write_atomic_with(path, |out| gguf::write(out, &metadata, &tensors))?;
    let folded = parts.iter().filter(|(pair, _)| is_folded(by(pair))).count();
    Ok(Exported { pairs: parts.len(), strength: alpha, rank: largest_rank(adapter), folded, padded: 0 })
}

/// Writes the adapter as mlx-lm reads it: `adapters.safetensors` with A `[in, rank]` and B `[rank, out]`, then
/// `adapter_config.json`. mlx-lm multiplies by `scale` and puts pairs of one rank on the last `num_layers` blocks; a pair that the
/// adapter does not have begins with B zero there and changes nothing.
///
/// # Errors
/// A place that cannot be written.
pub fn write_mlx(adapter: &Adapter, blocks: usize, dir: &Path) -> Result<Exported> {
    std::fs::create_dir_all(dir).at(dir)?;
    let (scale, rank) = (adapter.config.scale(), largest_rank(adapter));
    let scale = if scale == 0.0 { 1.0 } else { scale };
    let by = |pair: &Pair| f64::from(pair.slot.scale) / scale;
    let mut tensors = BTreeMap::new();
    for pair in adapter.pairs.values() {
        let name = format!("model.layers.{}.{}", pair.slot.block, pair.slot.projection);
        tensors.insert(format!("{name}.lora_a"), (vec![pair.slot.inputs, rank], pair));
        tensors.insert(format!("{name}.lora_b"), (vec![rank, pair.slot.outputs], pair));
    }
    let shapes: Vec<_> = tensors.iter().map(|(name, (shape, _))| (name.clone(), shape.clone())).collect();
    let metadata = BTreeMap::from([("format".to_owned(), "mlx".to_owned())]);
    tensorfile::write(&dir.join("adapters.safetensors"), Dtype::F32, &shapes, &metadata, |name| {
        let (_, pair) = &tensors[name];
        Ok(if name.ends_with("lora_a") { turned_a(pair, rank) } else { turned_b(pair, rank, by(pair)) })
    })?;
    let first = adapter.pairs.keys().map(|(block, _)| *block).min().unwrap_or(blocks);
    let keys: BTreeSet<&str> = adapter.pairs.keys().map(|(_, projection)| *projection).collect();
    let config = json!({
        "fine_tune_type": "lora",
        "model": adapter.config.base_model_name_or_path,
        "num_layers": blocks - first,
        "lora_parameters": { "rank": rank, "scale": scale, "dropout": adapter.config.lora_dropout, "keys": keys },
    });
    write_atomic(&dir.join("adapter_config.json"), format!("{config:#}\n").as_bytes())?;
    let pairs = adapter.pairs.values();
    let folded = pairs.clone().filter(|pair| is_folded(by(pair))).count();
    let padded = pairs.clone().filter(|pair| pair.slot.rank < rank).count();
    Ok(Exported { pairs: pairs.len(), strength: scale, rank, folded, padded })
}

/// A as `[inputs, rank]`, zeros behind.
fn turned_a(pair: &Pair, rank: usize) -> Vec<f32> {
    let slot = &pair.slot;
    let at = |i: usize, k: usize| if k < slot.rank { pair.a[k * slot.inputs + i] } else { 0.0 };
    (0..slot.inputs).flat_map(|i| (0..rank).map(move |k| at(i, k))).collect()
}

/// B as `[rank, outputs]`, multiplied, zeros behind.
fn turned_b(pair: &Pair, rank: usize, by: f64) -> Vec<f32> {
    let slot = &pair.slot;
    let b = folded(&pair.b, by);
    let at = |k: usize, o: usize| if k < slot.rank { b[o * slot.rank + k] } else { 0.0 };
    (0..rank).flat_map(|k| (0..slot.outputs).map(|o| at(k, o)).collect::<Vec<_>>()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::peft::{AdapterConfig, Targets};
    use super::*;
    use crate::gguf::Container;
    use crate::tensorfile::TensorFile;

    /// An adapter with two ranks and two strengths.
    fn patterned() -> (Adapter, ModelConfig) {
        let model = ModelConfig::read(Path::new("tests/fixtures/tiny")).unwrap();
        let mut config = AdapterConfig::new(4, 8.0, true, Targets::Names(vec!["q_proj".into(), "down_proj".into()]));
        config.rank_pattern = vec![("down_proj".into(), 2)];
        config.alpha_pattern = vec![(r"layers\.3\.self_attn\.q_proj".into(), 3.0)];
        config.layers_to_transform = Some(vec![1, 3]);
        let mut adapter = Adapter::fresh(config, &model, 5).unwrap();
        for (i, pair) in adapter.pairs.values_mut().enumerate() {
            pair.b.iter_mut().enumerate().for_each(|(j, b)| *b = ((i * 31 + j * 7) % 19) as f32 * 0.01 - 0.08);
        }
        (adapter, model)
    }

    /// `strength · B · A` at one place, from factors that lie as `a(k, i)` and `b(o, k)`.
    fn product(rank: usize, strength: f64, a: impl Fn(usize) -> f32, b: impl Fn(usize) -> f32) -> f64 {
        strength * (0..rank).map(|k| f64::from(a(k)) * f64::from(b(k))).sum::<f64>()
    }

    fn ours(pair: &Pair, o: usize, i: usize) -> f64 {
        let slot = &pair.slot;
        product(slot.rank, slot.scale.into(), |k| pair.a[k * slot.inputs + i], |k| pair.b[o * slot.rank + k])
    }

    const PLACES: [(usize, usize); 4] = [(0, 0), (1, 5), (7, 63), (63, 30)];

    /// The same shapes as a `llama`.
    fn llama() -> ModelConfig {
        let mut json = ModelConfig::read(Path::new("tests/fixtures/tiny")).unwrap().source;
        json.insert("model_type".into(), "llama".into());
        ModelConfig::from_json(&json.into()).unwrap()
    }

    /// As `permute` of llama.cpp's `convert_hf_to_gguf.py` reshapes: `[heads, 2, half]` to `[heads, half, 2]`.
    #[test]
    fn llamas_queries_and_keys_are_interleaved() {
        let (adapter, _) = patterned();
        let (model, dir) = (llama(), tempfile::tempdir().unwrap());
        // Four heads of 16 rows.
        let rows: Vec<usize> =
            (0..4).flat_map(|head| (0..8).flat_map(move |i| [0, 8].map(|half| head * 16 + half + i))).collect();
        assert_eq!((rows.len(), &rows[..4], &rows[16..19]), (64, &[0, 8, 1, 9][..], &[16, 24, 17][..]));
        let path = dir.path().join("a.gguf");
        assert_eq!(write_gguf(&adapter, &model, &path).unwrap().folded, 3);
        let bytes = std::fs::read(&path).unwrap();
        let file = Container::read(&bytes).unwrap();
        assert_eq!(file.text("general.architecture").unwrap(), "llama");
        let b = |name: &str| file.values(file.tensors.iter().find(|t| t.name == name).unwrap()).unwrap();
        let (turned, straight) = (b("blk.1.attn_q.weight.lora_b"), b("blk.1.ffn_down.weight.lora_b"));
        let (q, down) = (&adapter.pairs[&(1, "self_attn.q_proj")], &adapter.pairs[&(1, "mlp.down_proj")]);
        for (row, &ours) in rows.iter().enumerate() {
            assert_eq!(turned[4 * row..4 * row + 4], q.b[4 * ours..4 * ours + 4], "row {row}");
        }
        let by = straight[0] / down.b[0];
        assert!(straight.iter().zip(&down.b).all(|(b, ours)| (b - by * ours).abs() < 1e-6));
    }

    #[test]
    fn llama_cpp_sees_the_same_product() {
        let (adapter, model) = patterned();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.gguf");
        let told = write_gguf(&adapter, &model, &path).unwrap();
        assert_eq!((told.pairs, told.strength, told.rank, told.folded), (4, 16.0, 4, 3));
        let bytes = std::fs::read(&path).unwrap();
        let file = Container::read(&bytes).unwrap();
        let texts = ["general.architecture", "general.type", "adapter.type"].map(|key| file.text(key).unwrap());
        assert_eq!(texts, ["qwen2", "adapter", "lora"]);
        let Value::Real(alpha) = file.metadata[3].1 else { panic!("alpha is a number") };
        for pair in adapter.pairs.values() {
            let slot = &pair.slot;
            let name = weight_name(slot);
            let find = |end: &str| file.tensors.iter().find(|t| t.name == format!("{name}.{end}")).unwrap();
            let (a, b) = (find("lora_a"), find("lora_b"));
            assert_eq!((&a.dims[..], &b.dims[..]), (&[slot.inputs, slot.rank][..], &[slot.rank, slot.outputs][..]));
            let (a, b) = (file.values(a).unwrap(), file.values(b).unwrap());
            for (o, i) in PLACES {
                // llama-adapter.h: alpha / rank, the rank being B's first size.
                let strength = f64::from(alpha) / slot.rank as f64;
                let found = product(slot.rank, strength, |k| a[k * slot.inputs + i], |k| b[o * slot.rank + k]);
                assert!((found - ours(pair, o, i)).abs() < 1e-6, "{name} [{o}, {i}]");
            }
        }
        let silent = Adapter { config: AdapterConfig { lora_alpha: 0.0, ..adapter.config.clone() }, ..adapter };
        assert!(write_gguf(&silent, &model, &path).unwrap_err().to_string().contains("alpha 0"));
    }

    #[test]
    fn mlx_lm_sees_the_same_product() {
        let (adapter, model) = patterned();
        let dir = tempfile::tempdir().unwrap();
        let told = write_mlx(&adapter, model.num_hidden_layers, dir.path()).unwrap();
        assert_eq!((told.pairs, told.strength, told.rank, told.folded, told.padded), (4, 4.0, 4, 3, 2));
        let config: serde_json::Value =
            serde_json::from_slice(&std::fs::read(dir.path().join("adapter_config.json")).unwrap()).unwrap();
        assert_eq!((&config["fine_tune_type"], &config["num_layers"]), (&json!("lora"), &json!(3)));
        let keys = json!(["mlp.down_proj", "self_attn.q_proj"]);
        assert_eq!(config["lora_parameters"], json!({ "rank": 4, "scale": 4.0, "dropout": 0.0, "keys": keys }));
        let file = TensorFile::open(&dir.path().join("adapters.safetensors")).unwrap();
        assert_eq!(file.names().len(), 8);
        for pair in adapter.pairs.values() {
            let slot = &pair.slot;
            let name = format!("model.layers.{}.{}", slot.block, slot.projection);
            let a = file.f32(&format!("{name}.lora_a"), &[slot.inputs, 4]).unwrap();
            let b = file.f32(&format!("{name}.lora_b"), &[4, slot.outputs]).unwrap();
            for (o, i) in PLACES {
                let found = product(4, 4.0, |k| a[i * 4 + k], |k| b[k * slot.outputs + o]);
                assert!((found - ours(pair, o, i)).abs() < 1e-6, "{name} [{o}, {i}]");
            }
        }
    }
}
