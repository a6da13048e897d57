//! `ui`: the page with the embedded model, its traits' vectors made on first use.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;

use super::{ServeArgs, serve};
use crate::session::NamedFile;
use crate::verbs::extract;
use crate::verbs::model::{HARBOR, ModelArgs};
use crate::verbs::{Context, Outcome, args_of, traits};
use crate::{Error, Result};

/// Open the page in a browser, with the model inside this program: steer, compare and look at runs
///
/// On first use the vectors of the model's traits are made, which takes a minute; they are kept in Trimtab's cache folder. For
/// another model: `trimtab serve --model MODEL --vectors FILE --runs DIR`, which prints the page's address.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  trimtab ui --runs runs")]
pub struct UiArgs {
    /// Folder of runs to look at; new vectors are made in it [default: one in the cache folder]
    #[arg(long, value_name = "DIR")]
    runs: Option<PathBuf>,
    /// Port to listen on; 0 picks a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    port: u16,
    /// Only print the address
    #[arg(long)]
    no_open: bool,
    /// End when nothing was asked for so long
    #[arg(long, value_name = "SECONDS")]
    idle_exit: Option<u64>,
}

/// Makes what vectors are missing, serves, and opens the page.
pub fn run(args: &UiArgs, context: &Context<'_>, json: bool) -> Result<Outcome> {
    let model = ModelArgs { model: HARBOR.into(), adapter: None };
    let cache = context.cache.as_ref().ok_or_else(|| {
        Error::new("there is no cache folder for the vectors").hint("set TRIMTAB_CACHE to a folder of your own")
    })?;
    // Another version of the program may have another model inside.
    let own = cache.join("ui").join(&model.find(context)?.fingerprint[..12]);
    let mut vectors = Vec::new();
    for name in traits::names(Path::new(HARBOR)) {
        let run = own.join("extract").join(HARBOR).join(format!("{name}-quick"));
        let file = run.join(format!("{name}.safetensors"));
        if !file.is_file() {
            context.console.say(&format!("making the vector of `{name}`, once"));
            let words = ["extract", "--model", HARBOR, "--quick", "--trait", &name, "--run"];
            let words = words.iter().map(OsString::from).chain([run.into_os_string()]);
            let made = extract::run(&args_of(words)?, context)?;
            if made.interrupted {
                return Ok(made);
            }
        }
        if args.runs.is_some() {
            vectors.push(NamedFile { name, path: file });
        }
    }
    let runs = args.runs.clone().unwrap_or(own);
    let usual = args_of(["serve", "--model", HARBOR])?;
    let served = ServeArgs { vectors, port: args.port, runs: Some(runs), idle_exit: args.idle_exit, ..usual };
    serve(&served, context, json, &|url| {
        if !args.no_open && open(url).is_err() {
            context.console.say("no browser could be opened: open the address above in one");
        }
    })
}

fn open(url: &str) -> std::io::Result<()> {
    let (program, words): (_, &[&str]) = match () {
        () if cfg!(target_os = "macos") => ("open", &[]),
        () if cfg!(windows) => ("cmd", &["/C", "start", ""]),
        () => ("xdg-open", &[]),
    };
    let mut command = Command::new(program);
    command.args(words).arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    // It may run as long as the browser does.
    std::thread::spawn(move || child.wait());
    Ok(())
}
