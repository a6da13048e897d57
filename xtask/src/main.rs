//! Trimtab's own chores: `cargo xtask CHORE`.

mod harbor;

use std::process::ExitCode;

use clap::Parser;

/// Trimtab's own chores.
#[derive(Parser)]
enum Chore {
    /// Make the embedded world's corpus, tokenizer and model from a seed.
    Harbor(harbor::Args),
}

fn main() -> ExitCode {
    let done = match Chore::parse() {
        Chore::Harbor(args) => harbor::run(&args),
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
