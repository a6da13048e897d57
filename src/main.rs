//! The `trimtab` program; everything it can do is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    trimtab::cli::run(std::env::args_os())
}
