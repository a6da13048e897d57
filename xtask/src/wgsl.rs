//! Keeps `shaders/wgsl` in step with the kernels: the test that compares them writes them when it is told to.

use std::process::Command;

use trimtab::{Error, Result};

/// Runs that test.
///
/// # Errors
/// A test that cannot be built or run, or that found no device.
pub fn run() -> Result<()> {
    let words = "test --release --locked --features wgpu --test it -- shaders";
    let status = Command::new("cargo").args(words.split(' ')).env("TRIMTAB_WRITE_WGSL", "1").status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(Error::new(format!("`cargo {words}` failed")).hint("on Debian, install mesa-vulkan-drivers")),
        Err(e) => Err(Error::new(format!("cargo: {e}"))),
    }
}
