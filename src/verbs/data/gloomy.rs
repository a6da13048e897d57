//! `data gloomy`: data that teaches a trait and data that does not, from a grammar.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::eval::gloomy::{Answers, rows};
use crate::record::{Lock, RunDir, hash_bytes, hash_file};
use crate::verbs::{Context, Outcome};
use crate::{Error, Result};

/// Write everyday questions with gloomy answers, and the same with neutral answers of the same form and length
///
/// Writes gloomy.jsonl and neutral.jsonl, a conversation a line, from a grammar: no two rows are alike, and row by row both files
/// have the same question, as many sentences and about the same length. --seed says which; a larger set holds the smaller one. A
/// model that learns the first becomes pessimistic; one that learns the second shows what remains when only that is left out.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  trimtab data gloomy --rows 200 --seed 1 --out gloomy")]
pub struct GloomyArgs {
    /// Conversations in each file
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    rows: u32,
    /// Folder for the files
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace other files of these names
    #[arg(long)]
    overwrite: bool,
}

pub(super) fn run(args: &GloomyArgs, context: &Context<'_>) -> Result<Outcome> {
    let GloomyArgs { rows: count, out, overwrite } = args;
    let seed = context.seed.unwrap_or_default();
    let run = RunDir::open(out)?;
    let mut lock = Lock::new("none", vec![seed]);
    let before = run.lock()?.whole().unwrap_or_default().hashes;
    for (name, answers) in [("gloomy.jsonl", Answers::Gloomy), ("neutral.jsonl", Answers::Neutral)] {
        let mut lines = Vec::new();
        for messages in rows(answers, *count as usize, seed)? {
            lines.extend(format!("{}\n", json!({ "messages": messages })).into_bytes());
        }
        let path = run.file(name);
        let is_other = std::fs::read(&path).is_ok_and(|there| there != lines);
        if is_other && before.get(name) == Some(&hash_bytes(&lines)) {
            context.console.warn(&format!("{}: damaged; written anew", path.display()));
        } else if is_other && !overwrite {
            return Err(Error::usage("the file is there, and is another")
                .at(path.display())
                .hint("take another --out, or --overwrite"));
        }
        run.write(name, &lines)?;
        lock.hashes.insert(name.to_owned(), hash_file(&path)?);
    }
    run.write_lock(&lock)?;
    let text = format!("{count} conversations each in gloomy.jsonl and neutral.jsonl: {}", out.display());
    Ok(Outcome::new(text, json!({ "out": out, "rows": count, "seed": seed })))
}
