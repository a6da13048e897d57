//! The CPU, by burn-flex.

use std::path::Path;
use std::sync::Mutex;

use burn_flex::Flex;
use burn_tensor::DType;

use super::backend::{Built, DeviceInfo, DeviceRuntime, SMALL, Which, dtypes, examine, pick_dtype};
use super::settings::memory_given;
use crate::kernels::multiplies_bf16;
use crate::model::Checkpoint;
use crate::runtime::Runtime;
use crate::{Error, Result};

pub(super) const CPU: Built = Built {
    name: "cpu",
    open,
    list,
    auto: Some(auto),
    examine: |_, bodies| Ok(examine::<Flex>(&Default::default(), bodies)),
};

fn open(which: Which<'_>, dtype: &str, share: usize) -> Result<Box<dyn Runtime>> {
    if !matches!(which, Which::Default | Which::Number(0)) {
        return Err(Error::usage("--device cpu: there is one, without a name").hint("write `cpu` alone"));
    }
    let device = Default::default();
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    Ok(Box::new(DeviceRuntime::<Flex> {
        // Without a model to go by.
        dtype: pick_dtype::<Flex>(&device, dtype, DType::F32)?,
        device,
        name: "cpu".into(),
        workers: (cores / share).max(1),
        alone: if cores > 1 { in_one_thread } else { |work| work() },
        // Others live here too.
        memory: memory_given().or(memory().map(|bytes| bytes / 2)).map(|bytes| bytes / share as u64),
        tensor_bytes_max: u64::MAX,
        loaded: Mutex::new(None),
    }))
}

/// The dtype that `auto` takes for a model, and why (guide: method, "Dtypes").
fn auto(model: &Path) -> Result<(&'static str, &'static str)> {
    if !multiplies_bf16() {
        return Ok(("f32", "this processor multiplies bf16 no faster than f32"));
    }
    let (in_bf16, all) = Checkpoint::open(model)?.count("bf16")?;
    Ok(match in_bf16 * 2 > all {
        false => ("f32", "the checkpoint is not in bf16"),
        true if all <= SMALL => ("f32", "the model is small"),
        true => ("bf16", "the checkpoint is in bf16; --dtype f32 computes in f32"),
    })
}

/// Others have the other cores.
fn in_one_thread(work: &mut (dyn FnMut() + Send)) {
    rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread").install(work);
}

fn list() -> Vec<DeviceInfo> {
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    vec![DeviceInfo {
        name: "cpu".into(),
        description: format!("{threads} threads"),
        memory: memory(),
        binding_max: None,
        dtypes: dtypes::<Flex>(&Default::default()),
        default_dtype: "f32".into(),
    }]
}

/// Total memory, or what a container may have of it, where the system tells it in a file.
fn memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let kib = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?.trim().trim_end_matches(" kB");
    let all = kib.parse::<u64>().ok()? * 1024;
    let share = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let share = share.and_then(|bytes| bytes.trim().parse().ok()).unwrap_or(all);
    Some(all.min(share))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ModelConfig, Transformer};

    #[test]
    fn auto_is_bf16_for_checkpoints_that_are_and_are_not_small() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, vocabulary: usize, dtype| {
            let config = ModelConfig::from_json(&serde_json::json!({
                "model_type": "qwen2", "vocab_size": vocabulary, "hidden_size": 64, "intermediate_size": 64,
                "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1, "rms_norm_eps": 1e-6,
                "rope_theta": 10000.0, "tie_word_embeddings": true, "max_position_embeddings": 64,
            }));
            let path = dir.path().join(name);
            Transformer::<Flex>::random(config.unwrap(), 1, &Default::default()).save(&path, dtype, None).unwrap();
            path
        };
        use safetensors::Dtype::{BF16, F16};
        let large = SMALL / 64 + 1;
        let taken = |path| auto(path).unwrap().0;
        let [small, half] = [write("small", 64, BF16), write("half", 64, F16)];
        assert_eq!((taken(&small), taken(&half)), ("f32", "f32"));
        assert_eq!(taken(&write("large", large, BF16)), if multiplies_bf16() { "bf16" } else { "f32" });
    }
}
