//! The CPU, by burn-flex.

use std::sync::Mutex;

use burn::backend::Flex;
use burn::tensor::DType;

use super::backend::{Built, DeviceInfo, DeviceRuntime, dtypes, examine, pick_dtype};
use crate::Result;
use crate::runtime::Runtime;

pub(super) const CPU: Built =
    Built { name: "cpu", open, list, examine: |_, bodies| Ok(examine::<Flex>(&Default::default(), bodies)) };

fn open(_: usize, dtype: &str, share: usize) -> Result<Box<dyn Runtime>> {
    let device = Default::default();
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    Ok(Box::new(DeviceRuntime::<Flex> {
        // burn-flex converts whole half-precision operands at each product, so f32 is the fast one too.
        dtype: pick_dtype::<Flex>(&device, dtype, DType::F32)?,
        device,
        name: "cpu".into(),
        workers: (cores / share).max(1),
        alone: if cores > 1 { in_one_thread } else { |work| work() },
        // Others live here too.
        memory: memory().map(|bytes| bytes / 2 / share as u64),
        tensor_bytes_max: u64::MAX,
        loaded: Mutex::new(None),
    }))
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
