//! `extract`: persona vectors, from a model and a trait alone or from answers that were judged elsewhere.

mod args;
mod outcome;
mod rollouts;

use std::path::{Path, PathBuf};

pub use args::{BORDERS, ExtractArgs};

use super::run::Progress;
use super::{Context, Outcome, paths};
use crate::Result;
use crate::persona::{self, read_rows};
use outcome::{name_adapter, outcome};

pub fn run(args: &ExtractArgs, context: &Context<'_>) -> Result<Outcome> {
    match (&args.from_csv[..], &args.out) {
        ([pos, neg], Some(out)) => from_csv(args, [pos, neg], out, context),
        _ => rollouts::run(args, context),
    }
}

fn from_csv(args: &ExtractArgs, files: [&PathBuf; 2], out: &Path, context: &Context<'_>) -> Result<Outcome> {
    let name = &args.trait_.name;
    files.iter().try_for_each(|path| paths::file("--from-csv", path))?;
    paths::writable("--out", out)?;
    let _hold = paths::hold("--out", out)?;
    let (pos, neg) = (read_rows(files[0], name)?, read_rows(files[1], name)?);
    let model = args.model.find(context)?;
    let recipe = args.recipe(name, &model)?;
    let mut subject = context.runtime(&model.folder.path)?.language_model(&model.unsteered())?;
    let mut progress = Progress::new(context.console);
    let mut extraction = persona::extract(subject.as_mut(), &pos, &neg, &recipe, &mut |done, total| {
        progress.show("texts", done, total, "");
    })?;
    drop(progress);
    name_adapter(&mut extraction, &model);
    extraction.file.write(out)?;
    Ok(outcome(&extraction, name, out, context))
}
