//! `cargo xtask gpu`: all that wants to be known of a GPU, in one go and in one report: whether it computes what the CPU does, and how fast
//! it trains, generates, steers and reads activations beside PyTorch and PEFT on the same device in the same run.

use std::path::{Path, PathBuf};
use std::process::Command;

use trimtab::{At, Error, Result};

use crate::bench::{absolute, call, environment};

/// What to measure.
#[derive(clap::Args)]
pub struct Args {
    /// The program's device, as `--device` takes it.
    #[arg(long, default_value = "cuda")]
    device: String,
    /// PyTorch's device; `cpu` where PyTorch cannot use this GPU.
    #[arg(long, default_value = "cuda")]
    peer_device: String,
    /// The program to measure; else it is built with the feature of the device's name.
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
    /// Interpreter that has torch, transformers and peft already; else an environment is made in DIR/venv.
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Folder for the models of random weights and gpu.md.
    #[arg(long, value_name = "DIR", default_value = "target/gpu")]
    out: PathBuf,
    /// Two blocks of a small shape and little work: to try the chore itself on a software device.
    #[arg(long)]
    tiny: bool,
    /// Leave out the tests of kernels, parity and launches, which Cargo builds first.
    #[arg(long)]
    no_tests: bool,
}

/// Shapes and how many of their blocks are taken: all that fit ten minutes. Launches and arithmetic of a block are the whole model's.
const SHAPES: [(&str, usize); 2] = [("Qwen2.5-0.5B", 24), ("Qwen2.5-7B", 4)];
const TINY: [(&str, usize); 1] = [("SmolLM2-135M", 2)];

/// What the tests on a GPU say: which pass, and how many kernels a step begins.
///
/// # Errors
/// Tests that cannot be built. One that fails is told.
fn tests(feature: &str) -> Result<String> {
    // Kernels and launches are tested on wgpu's flavours; CUDA's are the same, and the doctor tries each.
    let filters: &[&str] = if feature == "cuda" { &["cuda::"] } else { &["wgpu", "launches", "kernels::cube"] };
    let build = ["--release", "--locked", "--features", feature, "--lib", "--test", "it"];
    call(Command::new("cargo").arg("test").args(build).arg("--no-run"))?;
    let mut run = Command::new("cargo");
    run.arg("test").args(build).args(["--no-fail-fast", "--", "--test-threads=1", "--nocapture"]).args(filters);
    let output = run.env("CUBECL_AUTOTUNE_LEVEL", "minimal").output().map_err(|e| Error::new(format!("cargo: {e}")))?;
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let told = ["kernels for", "test result", "panicked at", "skipped: "];
    let lines: Vec<&str> = said.lines().filter(|line| told.iter().any(|what| line.contains(what))).collect();
    Ok(lines.join("\n"))
}

/// Runs it.
///
/// # Errors
/// A program or an environment that cannot be made, a device that is not there, a race that fails. That the device computes something else
/// than the CPU is told in the report.
pub fn run(args: &Args) -> Result<()> {
    std::fs::create_dir_all(&args.out).at(&args.out)?;
    let feature = args.device.split(':').next().unwrap_or(&args.device);
    let program = match &args.program {
        Some(program) => absolute(program)?,
        None => {
            call(Command::new("cargo").args(["build", "--release", "--locked", "--features", feature]))?;
            absolute(Path::new("target/release/trimtab"))?
        }
    };
    let examined = Command::new(&program).args(["doctor", "--device", &args.device]).output();
    let examined = examined.map_err(|e| Error::new(format!("{}: {e}", program.display())))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    let doctor = format!("{}\n{}", text(&examined.stderr), text(&examined.stdout));
    eprintln!("{doctor}");
    let tests = if args.no_tests { "left out".to_owned() } else { tests(feature)? };
    eprintln!("{tests}");

    let python = match &args.python {
        Some(python) => python.clone(),
        None => environment(&args.out.join("venv"))?,
    };
    let mut race = Command::new(python);
    race.arg("assets/bench/bench.py").arg("--program").arg(&program).arg("--out").arg(&args.out);
    race.args([
        "--device",
        &args.device,
        "--peer-device",
        &args.peer_device,
        "--rounds",
        if args.tiny { "1" } else { "2" },
    ]);
    if args.tiny {
        race.arg("--quick");
    }
    race.arg("--shapes");
    for &(shape, blocks) in if args.tiny { &TINY[..] } else { &SHAPES[..] } {
        let folder = args.out.join(shape);
        if !folder.join("config.json").exists() {
            let this = std::env::current_exe().map_err(|e| Error::new(format!("this program has no path: {e}")))?;
            let blocks = blocks.to_string();
            call(
                Command::new(this).args(["random-model", "--shape", shape, "--blocks", &blocks, "--out"]).arg(&folder),
            )?;
        }
        race.arg(absolute(&folder)?);
    }
    call(&mut race)?;
    let table = std::fs::read_to_string(args.out.join("bench.md")).at(&args.out)?;
    let report = args.out.join("gpu.md");
    std::fs::write(
        &report,
        format!("# {}\n\n```text\n{doctor}\n```\n\nTests:\n\n```text\n{tests}\n```\n\n{table}", args.device),
    )
    .at(&report)?;
    eprintln!("wrote {}", report.display());
    Ok(())
}
