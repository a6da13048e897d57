//! Trimtab's own chores: `cargo xtask CHORE`.

mod bench;
mod gpu;
mod harbor;
mod load;
mod ptx;
mod random_model;
mod siege;
mod wgsl;

use std::process::ExitCode;

use clap::Parser;

/// Trimtab's own chores.
#[derive(Parser)]
enum Chore {
    /// Race the program against PyTorch and llama.cpp, and write a table.
    Bench(bench::Args),
    /// Examine and time a GPU beside PyTorch, and write one report.
    Gpu(gpu::Args),
    /// Make the embedded world's corpus, tokenizer and model from a seed.
    Harbor(harbor::Args),
    /// Let many clients ask the built program's server at once: nothing lost, memory even, how long answers take.
    Load(load::Args),
    /// Compile the GPU's kernels by NVIDIA's compiler, which needs no GPU.
    Ptx,
    /// Make a model folder in the real shape and layout with random weights.
    RandomModel(random_model::Args),
    /// Write `shaders/wgsl` anew: what the GPU's kernels compile to. Needs a Vulkan device, such as Mesa's software.
    Wgsl,
    /// Besiege the built program: damaged files, kills, full disks, rivals, hostile peers.
    Siege(siege::Args),
}

fn main() -> ExitCode {
    let done = match Chore::parse() {
        Chore::Bench(args) => bench::run(&args),
        Chore::Gpu(args) => gpu::run(&args),
        Chore::Harbor(args) => harbor::run(&args),
        Chore::Load(args) => load::run(&args),
        Chore::Ptx => ptx::run(),
        Chore::RandomModel(args) => random_model::run(&args),
        Chore::Wgsl => wgsl::run(),
        Chore::Siege(args) => siege::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            if let Some(hint) = error.help() {
                eprintln!("help: {hint}");
            }
            ExitCode::from(error.exit_code())
        }
    }
}
