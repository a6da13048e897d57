//! What the user says of the devices, once for the whole process.

use std::path::PathBuf;
use std::sync::OnceLock;

/// What holds for every device.
#[derive(Debug, Clone, Default)]
pub struct DeviceSettings {
    /// Trimtab's cache folder: kernels that were compiled, and the variants that were found fastest, are kept in `gpu` there.
    pub cache: Option<PathBuf>,
    /// Bytes of a device's memory that may be used, where the device does not tell or the user wants less.
    pub memory: Option<u64>,
}

static SETTINGS: OnceLock<DeviceSettings> = OnceLock::new();

/// Settles what holds for every device. The first call counts, and it comes before a device is opened.
pub fn configure(settings: DeviceSettings) {
    #[cfg(feature = "gpu")]
    configure_cubecl(settings.cache.as_deref());
    let _ = SETTINGS.set(settings);
}

pub(super) fn memory_given() -> Option<u64> {
    SETTINGS.get()?.memory
}

/// CubeCL reads its settings once, from `cubecl.toml` and the environment. What those leave open is set here: its caches would lie in
/// the folder `target` of whatever project the program runs in, and each thread would have a queue with a pool of memory of its own,
/// which is never given back.
#[cfg(feature = "gpu")]
fn configure_cubecl(cache: Option<&std::path::Path>) {
    use cubecl::config::cache::CacheConfig;
    use cubecl::config::{CubeClRuntimeConfig, RuntimeConfig};

    let mut settled = CubeClRuntimeConfig::storage().lock();
    if settled.is_some() {
        return;
    }
    let mut config = CubeClRuntimeConfig::from_current_dir().override_from_env();
    config.streaming.max_streams = 1;
    if let Some(cache) = cache {
        if matches!(config.autotune.cache, CacheConfig::Target) {
            config.autotune.cache = CacheConfig::File(cache.join("gpu"));
        }
        let compiled = format!("kernels-{}", crate::kernels::shaders_version());
        config.compilation.cache.get_or_insert(CacheConfig::File(cache.join("gpu").join(compiled)));
    }
    *settled = Some(config.into());
}
