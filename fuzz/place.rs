//! Where a fuzzed file lies while it is read: the readers take paths, and memory is the fastest disk.

use std::path::{Path, PathBuf};

/// Writes the bytes to a file of this process.
pub fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let memory = Path::new("/dev/shm");
    let root = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let path = root.join(format!("trimtab-fuzz-{}", std::process::id())).join(name);
    std::fs::create_dir_all(path.parent().expect("a file in a folder")).expect("a folder in memory");
    std::fs::write(&path, bytes).expect("a file in memory");
    path
}

/// Lets panics unwind silently. `libfuzzer-sys` aborts at every panic, also at those of other libraries, which the readers catch and
/// report as errors. A panic that no reader catches still ends the fuzzer.
pub fn contain_panics() {
    std::panic::set_hook(Box::new(|_| ()));
}
