//! `cargo xtask bench`: the program against PyTorch and llama.cpp on the same work, in turns; `assets/bench/bench.py` runs
//! the race. This chore makes what it needs: the program, an environment with the peers, a model of random weights.

use std::path::{Path, PathBuf};
use std::process::Command;

use trimtab::{At, Error, Result};

/// What to measure.
#[derive(clap::Args)]
pub struct Args {
    /// GGUF file of SmolLM2-135M-Instruct; without it only the random model is measured.
    #[arg(long, value_name = "FILE")]
    gguf: Option<PathBuf>,
    /// Interpreter that has torch, transformers and peft already; else an environment is made in DIR/venv.
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// The program to measure; else it is built.
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
    /// Folder for the environment, the random model, bench.md and bench.json.
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    out: PathBuf,
    /// How often each program runs.
    #[arg(long)]
    rounds: Option<usize>,
    /// Only rows whose names contain this; `serve` alone for the server.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Less work, a few minutes.
    #[arg(long)]
    quick: bool,
}

/// What PyTorch's side is made of.
const PEERS: [&str; 6] = ["torch", "transformers", "peft", "gguf", "accelerate", "safetensors"];

pub fn run(args: &Args) -> Result<()> {
    std::fs::create_dir_all(&args.out).at(&args.out)?;
    let program = match &args.program {
        Some(program) => program.clone(),
        None => {
            call(Command::new("cargo").args(["build", "--release", "--locked", "--bin", "trimtab"]))?;
            Path::new("target/release/trimtab").into()
        }
    };
    let python = match &args.python {
        Some(python) => python.clone(),
        None => environment(&args.out.join("venv"))?,
    };
    let mut race = Command::new(&python);
    race.arg("assets/bench/bench.py").arg("--program").arg(absolute(&program)?).arg("--out").arg(&args.out);
    if let Some(gguf) = &args.gguf {
        race.arg("--gguf").arg(absolute(gguf)?);
    }
    if args.quick {
        race.arg("--quick");
    } else {
        let random = args.out.join("random-0.5B");
        if !random.join("config.json").exists() {
            let this = std::env::current_exe().map_err(|e| Error::new(format!("this program has no path: {e}")))?;
            call(Command::new(this).args(["random-model", "--shape", "0.5B", "--out"]).arg(&random))?;
        }
        race.arg("--random").arg(absolute(&random)?);
    }
    if let Some(rounds) = args.rounds {
        race.arg("--rounds").arg(rounds.to_string());
    }
    if let Some(only) = &args.only {
        race.arg("--only").arg(only);
    }
    call(&mut race)
}

/// A virtual environment with the peers; llama.cpp is left out where it cannot be installed.
pub fn environment(folder: &Path) -> Result<PathBuf> {
    let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    if !python.exists() {
        call(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    }
    let pip = |packages: &[&str]| call(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(packages));
    pip(&PEERS)?;
    if let Err(e) = pip(&["llama-cpp-python"]) {
        eprintln!("llama.cpp stays away: {e}");
    }
    Ok(python)
}

/// A path that another folder understands.
pub fn absolute(path: &Path) -> Result<PathBuf> {
    path.canonicalize().at(path)
}

/// Runs a command, which must succeed.
pub fn call(command: &mut Command) -> Result<()> {
    let said = format!("{command:?}");
    let status = command.status().map_err(|e| Error::new(format!("{said}: {e}")))?;
    if status.success() { Ok(()) } else { Err(Error::new(format!("{said}: {status}"))) }
}
