//! `cargo xtask gpu`: all that wants to be known of a GPU, in one go and in one report: whether it computes what the CPU does, and how fast
//! it trains, generates, steers and reads activations beside PyTorch and PEFT on the same device in the same run.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

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
    /// How long all that is timed may take; building and installing come before.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// The embedded model and little work: to try the chore itself on a software device.
    #[arg(long)]
    tiny: bool,
    /// Leave out the tests of kernels, parity and launches, which Cargo builds first.
    #[arg(long)]
    no_tests: bool,
}

/// Shapes and how many of their blocks are taken, so that a round fits ten minutes. Launches and arithmetic of a block are the whole model's.
const SHAPES: [(&str, usize); 2] = [("Qwen2.5-0.5B", 24), ("Qwen2.5-7B", 4)];

/// A software device makes some thousand million operations a second, and Burn tries every variant of a product several times: a vocabulary
/// of 49,152 tokens took it ten minutes.
const TINY: &str = "assets/harbor";

/// The longest that doctor and tests may take together of what is there, so that something is left for the race.
const HALF: f64 = 0.5;

/// Builds the tests; gives the programs that hold them.
fn built_tests(feature: &str) -> Result<Vec<PathBuf>> {
    let words = ["test", "--release", "--locked", "--features", feature, "--lib", "--test", "it", "--no-run"];
    let mut build = Command::new("cargo");
    build.args(words).arg("--message-format=json").stderr(Stdio::inherit());
    let output = build.output().map_err(|e| Error::new(format!("cargo: {e}")))?;
    if !output.status.success() {
        return Err(Error::new(format!("cargo {}: {}", words.join(" "), output.status)));
    }
    let lines = String::from_utf8_lossy(&output.stdout);
    let messages = lines.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let tests = messages.filter(|message| message["profile"]["test"] == true);
    Ok(tests.filter_map(|message| Some(message["executable"].as_str()?.into())).collect())
}

/// What a command says, and how it ended; it is ended when the time is up.
fn said_until(until: Instant, command: &mut Command, log: &Path) -> Result<(String, Option<ExitStatus>)> {
    let file = File::create(log).at(log)?;
    command.stdout(file.try_clone().at(log)?).stderr(file);
    let mut child = command.spawn().map_err(|e| Error::new(format!("{command:?}: {e}")))?;
    let end = loop {
        match child.try_wait().map_err(|e| Error::new(format!("{command:?}: {e}")))? {
            Some(status) => break Some(status),
            None if Instant::now() > until => {
                let _ = child.kill();
                let _ = child.wait();
                break None;
            }
            None => std::thread::sleep(Duration::from_millis(100)),
        }
    };
    let said = String::from_utf8_lossy(&std::fs::read(log).at(log)?).trim_end().to_owned();
    let how = end.map_or_else(|| "ended, for the time was up".to_owned(), |status| status.to_string());
    Ok((format!("{said}\n({how})"), end))
}

/// Which tests on a GPU pass, and how many kernels a step begins.
fn tests(programs: &[PathBuf], feature: &str, out: &Path, until: Instant) -> Result<String> {
    // Kernels and launches are tested on wgpu's flavours; CUDA's are the same, and the doctor tries each.
    let filters: &[&str] = if feature == "cuda" { &["cuda::"] } else { &["wgpu", "launches", "kernels::cube"] };
    let mut lines = Vec::new();
    for program in programs {
        let mut run = Command::new(program);
        run.args(["--test-threads=1", "--nocapture"]).args(filters).env("CUBECL_AUTOTUNE_LEVEL", "minimal");
        let (said, _) = said_until(until, &mut run, &out.join("tests.log"))?;
        let told =
            ["kernels for", "kernels besides", "uploads", "the optimiser:", "test result", "panicked at", "skipped: "];
        let worth = |line: &&str| told.iter().any(|what| line.contains(what));
        lines.extend(said.lines().filter(worth).map(str::to_owned));
        lines.extend(said.lines().last().map(str::to_owned));
    }
    Ok(lines.join("\n"))
}

/// Folders of random weights in these shapes.
fn models(out: &Path) -> Result<Vec<PathBuf>> {
    let this = std::env::current_exe().map_err(|e| Error::new(format!("this program has no path: {e}")))?;
    let one = |&(shape, blocks): &(&str, usize)| {
        let folder = out.join(shape);
        if !folder.join("config.json").exists() {
            let words = ["random-model", "--shape", shape, "--blocks", &blocks.to_string(), "--out"];
            call(Command::new(&this).args(words).arg(&folder))?;
        }
        absolute(&folder)
    };
    SHAPES.iter().map(one).collect()
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
    let test_programs = if args.no_tests { Vec::new() } else { built_tests(feature)? };
    let python = match &args.python {
        Some(python) => python.clone(),
        None => environment(&args.out.join("venv"))?,
    };
    let models = if args.tiny { vec![absolute(Path::new(TINY))?] } else { models(&args.out)? };

    let (began, whole) = (Instant::now(), Duration::from_secs_f64(60.0 * args.minutes));
    let mut examine = Command::new(&program);
    examine.args(["doctor", "--device", &args.device]);
    if args.tiny {
        // A software device would look for the fastest variants longer than it works.
        examine.env("CUBECL_AUTOTUNE_LEVEL", "minimal");
    }
    let (doctor, end) = said_until(began + whole.mul_f64(HALF), &mut examine, &args.out.join("doctor.log"))?;
    eprintln!("{doctor}");
    if end.and_then(|status| status.code()) == Some(2) {
        return Err(Error::usage(format!("--device {}: there is nothing to examine", args.device)));
    }
    let tests = if args.no_tests {
        "left out".to_owned()
    } else {
        tests(&test_programs, feature, &args.out, began + whole.mul_f64(HALF))?
    };
    eprintln!("{tests}");
    let examined = began.elapsed();

    let left = whole.saturating_sub(examined);
    let mut race = Command::new(python);
    race.arg("assets/bench/bench.py").arg("--program").arg(&program).arg("--out").arg(&args.out);
    race.args(["--device", &args.device, "--peer-device", &args.peer_device]);
    race.args(["--rounds", if args.tiny { "1" } else { "2" }])
        .arg("--minutes")
        .arg((left.as_secs_f64() / 60.0).to_string());
    if args.tiny {
        race.arg("--quick").env("CUBECL_AUTOTUNE_LEVEL", "minimal");
    }
    call(race.arg("--shapes").args(&models))?;
    let table = std::fs::read_to_string(args.out.join("bench.md")).at(&args.out)?;
    let report = args.out.join("gpu.md");
    let times = format!(
        "Doctor and tests took {:.0} s, the race {:.0} s of {:.0} s.",
        examined.as_secs_f64(),
        (began.elapsed() - examined).as_secs_f64(),
        left.as_secs_f64()
    );
    std::fs::write(
        &report,
        format!("# {}\n\n{times}\n\n```text\n{doctor}\n```\n\nTests:\n\n```text\n{tests}\n```\n\n{table}", args.device),
    )
    .at(&report)?;
    eprintln!("wrote {}", report.display());
    Ok(())
}
