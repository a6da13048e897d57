//! `eval pairs`: agreement between a judge and people, on blinded pairs of answers.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::super::{Context, Outcome, paths};
use crate::eval::pairs::{self, Key, Side};
use crate::persona::{names_of, stem_of};
use crate::record::{create_folder, hold_output, read_jsonl, sealed, unsealed, write_atomic};
use crate::report::{Cell, Table};
use crate::stats::{Clusters, Interval};
use crate::{At, Error, Result, ensure};

/// Check a judge against people: blinded pairs of answers, one that it scored high and one low
#[derive(Debug, Subcommand)]
pub enum PairsVerb {
    /// Write a sheet of pairs without scores, and its key
    ///
    /// Each pair is two answers to one question, one scored above 80 and one below 20, in an order that the seed decides.
    /// DIR/pairs.csv goes to the raters, who put `a` or `b` into its column `choice`: which of the two shows more of the trait?
    /// DIR/key.jsonl stays with you.
    #[command(
        after_help = "Example:\n  trimtab eval pairs export --answers runs/evil/evil.csv --trait evil --out runs/evil/check\n  trimtab eval pairs export --answers runs/audit/answers/*.jsonl --trait hallucinating --out runs/audit/check"
    )]
    Export(ExportArgs),
    /// Compute how often raters chose the answer that the judge scored high
    ///
    /// One line for each filled-in sheet, with a 95 % interval clustered by question, one for all of them, and how far raters agree
    /// with each other. The paper's two raters agreed with its judge on 94.7 % of 300 pairs.
    #[command(after_help = "Example:\n  trimtab eval pairs score --key runs/evil/check/key.jsonl anna.csv ben.csv")]
    Score(ScoreArgs),
}

#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Judged answers: `eval trait`'s CSV, any CSV or JSONL with the columns question, answer and the trait's, or a study's answers/*.jsonl
    #[arg(long, value_name = "FILE", num_args = 1.., required = true)]
    answers: Vec<PathBuf>,
    /// The trait
    #[arg(long = "trait", value_name = "NAME")]
    trait_: String,
    /// Folder of the sheet and its key
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// At most this many pairs
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pairs: u32,
}

#[derive(Debug, Args)]
pub struct ScoreArgs {
    /// The key that `export` wrote
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Filled-in sheets, one for each rater
    #[arg(value_name = "SHEET", required = true)]
    sheets: Vec<PathBuf>,
}

pub(super) fn run(verb: &PairsVerb, context: &Context<'_>) -> Result<Outcome> {
    match verb {
        PairsVerb::Export(args) => export(args, context),
        PairsVerb::Score(args) => score(args),
    }
}

fn export(args: &ExportArgs, context: &Context<'_>) -> Result<Outcome> {
    let ExportArgs { answers, trait_, out, pairs: count } = args;
    let (name, mut judged) = (stem_of(trait_), Vec::new());
    for path in answers {
        paths::file("--answers", path)?;
        judged.extend(pairs::read_judged(path, &names_of(name))?);
    }
    let found = pairs::pairs(&judged, *count as usize, context.seed.unwrap_or(0));
    ensure!(
        !found.is_empty(),
        "none of {} answers with a score of `{name}` make a pair: one above 80 and one below 20 to the same question",
        judged.len()
    );
    let (sheet, key) = (out.join("pairs.csv"), out.join("key.jsonl"));
    create_folder(out)?;
    let _hold = hold_output(&sheet)?;
    // A rater may have filled it in.
    if sheet.exists() {
        return Err(Error::usage(format!("{}: there is a sheet already", sheet.display()))
            .hint("name another folder with --out, or remove it"));
    }
    let lines = pairs::key_of(&found).into_iter().map(|line| Ok(sealed(&line).at(&key)?.to_string() + "\n"));
    write_atomic(&key, lines.collect::<Result<String>>()?.as_bytes())?;
    pairs::blinded(&found).write(&sheet)?;
    if found.len() < *count as usize {
        context.console.warn(&format!("the answers make {} pairs, not {count}", found.len()));
    }
    let text = format!(
        "{} pairs for the raters: {} (`a` or `b` into `choice`)\nthe key, not for the raters: {}",
        found.len(),
        sheet.display(),
        key.display()
    );
    Ok(Outcome::new(text, json!({ "pairs": found.len(), "sheet": sheet, "key": key })))
}

struct Rater {
    name: String,
    chosen: BTreeMap<usize, Side>,
}

fn score(args: &ScoreArgs) -> Result<Outcome> {
    paths::file("--key", &args.key)?;
    let key = read_jsonl(&args.key)?.into_iter().enumerate().map(|(i, line)| {
        let damaged = || Error::new(format!("{}:{}: no line of a key, or a damaged one", args.key.display(), i + 1));
        unsealed(line).ok_or_else(damaged)
    });
    let key = key.collect::<Result<Vec<Key>>>()?;
    let mut raters = Vec::new();
    for path in &args.sheets {
        let chosen = pairs::choices(path, &key)?;
        let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        raters.push(Rater { name, chosen });
    }
    ensure!(raters.iter().any(|rater| !rater.chosen.is_empty()), "no sheet has a choice: the column `choice` is empty");
    let mut table = Table::new(["who", "agreement, %", "low", "high", "pairs", "not rated"]);
    let mut push = |name: &str, agreement: &Clusters, unrated: Option<usize>| {
        let Interval { mean, low, high, n, .. } = Interval::of(agreement, 0);
        let numbers = [mean, low, high].map(Cell::Number);
        let counts = [Cell::from(n), unrated.map_or(Cell::Missing, Cell::from)];
        table.push(std::iter::once(Cell::from(name)).chain(numbers).chain(counts).collect());
    };
    let mut all = Clusters::new();
    for rater in &raters {
        let agreement = pairs::agreement(&rater.chosen, &key);
        push(&format!("{} with the judge", rater.name), &agreement, Some(key.len() - rater.chosen.len()));
        agreement.into_iter().for_each(|(question, same)| all.entry(question).or_default().extend(same));
    }
    if raters.len() > 1 {
        push("all raters with the judge", &all, None);
    }
    for (i, one) in raters.iter().enumerate() {
        for other in &raters[i + 1..] {
            let name = format!("{} with {}", one.name, other.name);
            push(&name, &pairs::between(&one.chosen, &other.chosen, &key), None);
        }
    }
    Ok(Outcome::new(table.text().trim_end(), json!({ "agreement": table.json() })))
}
