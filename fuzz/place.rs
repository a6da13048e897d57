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

/// Lets panics unwind without a word. `libfuzzer-sys` would abort at any, also at those of other libraries that the readers contain and
/// tell as errors; one that nobody contains ends the fuzzer all the same.
pub fn contain_panics() {
    std::panic::set_hook(Box::new(|_| ()));
}
