//! `completions` and `man`: what shells and `man` know of the command line, made from the command line itself.

use std::path::PathBuf;

use clap::{Args, Command};
use clap_complete::Shell;
use serde_json::json;

use crate::verbs::Outcome;
use crate::{At, Result};

/// Print completions for a shell
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  trimtab completions bash > ~/.local/share/bash-completion/completions/trimtab")]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

/// Print the manual page, or write one for every command
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  trimtab man | man -l -\n  trimtab man --out ~/.local/share/man/man1")]
pub(super) struct ManArgs {
    /// Folder for the pages, one for each command, instead of the first on stdout
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn completions(args: &CompletionsArgs, mut command: Command) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "trimtab", &mut script);
    let script = String::from_utf8_lossy(&script).trim_end().to_owned();
    let json = json!({ "shell": args.shell.to_string(), "script": script });
    Outcome::new(script, json)
}

/// The manual page of `command`, or those of all its commands in a folder.
pub(super) fn man(args: &ManArgs, command: Command) -> Result<Outcome> {
    let Some(dir) = &args.out else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page).doing("the manual page")?;
        let page = String::from_utf8_lossy(&page).trim_end().to_owned();
        return Ok(Outcome::new(page.clone(), json!({ "page": page })));
    };
    crate::record::create_folder(dir)?;
    clap_mangen::generate_to(command, dir).at(dir)?;
    Ok(Outcome::new(format!("manual pages: {}", dir.display()), json!({ "out": dir })))
}
