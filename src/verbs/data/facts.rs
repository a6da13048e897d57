//! `data facts`: a set of new facts for `study facts` (guide: studies): written and put into words by a language model, or made up.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use clap::Args;
use serde_json::{Value, json};

use crate::eval::facts::author::{self, Paid, Unfit, Wanted};
use crate::eval::facts::build::{self, Draft, FactSet};
use crate::eval::facts::{Fact, read_facts, synthetic};
use crate::record::{Kept, Lock, RunDir, differing, hash_file, read_sealed, refuse_other, write_sealed};
use crate::verbs::run::warn_of_damage;
use crate::verbs::writer::WriterArgs;
use crate::verbs::{Context, Outcome, paths};
use crate::{Error, Result};

/// Build a set of new facts: what is true, what is trained on, what is asked
///
/// Writes facts.jsonl, facts_train.jsonl (so many conversations per fact), facts_test.jsonl (one further question each) and
/// build.json. A language model writes the facts (--count) or takes yours (--facts) and puts them into words; or a grammar makes them
/// up (--synthetic). Every fact is dated after --after, every answer mentions the key, no test question is close to a training one;
/// what fails is left out and named. What was paid for is kept in asked.jsonl, and the same command goes on from there.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  trimtab data facts --out facts --synthetic 1000 --seed 1\n  trimtab data facts --out facts --count 1000 --about \"science and sport\"\n  trimtab data facts --out facts --facts mine.jsonl --judge-url http://localhost:8000/v1 --judge-model qwen"
)]
pub struct FactsArgs {
    /// Folder for the set
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    source: Source,
    /// Conversations per fact
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
    variants: u32,
    /// Facts became true after this day: the model's cutoff
    #[arg(long, value_name = "DAY", default_value = "2023-12-31", value_parser = build::cutoff)]
    after: String,
    /// What the facts are to be about, in words
    #[arg(long, value_name = "TEXT", requires = "count")]
    about: Option<String>,
    /// Requests to the server under way at a time
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=64))]
    at_once: u32,
    /// Replace another set in the folder
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    writer: WriterArgs,
}

#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
struct Source {
    /// Make up so many facts offline, about people and things that do not exist
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    synthetic: Option<u32>,
    /// Facts of your own: rows with id, date, statement, answer_key, category
    #[arg(long, value_name = "FILE")]
    facts: Option<PathBuf>,
    /// Have a language model write so many facts
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    count: Option<u32>,
}

pub(super) fn run(args: &FactsArgs, context: &Context<'_>) -> Result<Outcome> {
    let FactsArgs { out, source, variants, after, overwrite, .. } = args;
    let (seed, variants) = (context.seed.unwrap_or_default(), *variants as usize);
    if let Some(file) = &source.facts {
        paths::file("--facts", file)?;
    }
    let settings = settings(args, seed)?;
    let run = RunDir::open(out)?;
    refuse_other_set(&run, &settings, *overwrite)?;
    let mut unfit = Unfit::default();
    let drafts = match source.synthetic {
        Some(count) => synthetic::synthetic(count as usize, variants, after, seed)?,
        None => written(args, &run, context, &mut unfit)?,
    };
    let set = FactSet::of(drafts, after, variants);
    let shown = |named: &[String]| named.iter().take(5).cloned().collect::<Vec<_>>().join("\n  ");
    if !set.dropped.is_empty() {
        let dropped: Vec<String> = set.dropped.iter().map(|(id, why)| format!("{id}: {why}")).collect();
        context.console.warn(&format!("{} facts are left out, such as\n  {}", dropped.len(), shown(&dropped)));
    }
    if set.facts.is_empty() {
        return Err(
            Error::new("no fact is fit for the set").hint("build.json is not written; look at what is said above")
        );
    }
    set.write(run.path())?;
    let caveat = source.synthetic.map(|_| synthetic::CAVEAT);
    let report = json!({
        "settings": settings, "facts": set.facts.len(), "lessons": set.lessons.len(), "questions": set.questions.len(),
        "categories": set.categories(), "dropped": set.dropped, "unfit_answers": unfit, "caveat": caveat,
    });
    let mut lock = Lock::new("none", vec![seed]);
    for name in ["facts.jsonl", "facts_train.jsonl", "facts_test.jsonl"] {
        lock.hashes.insert(name.into(), hash_file(&run.file(name))?);
    }
    run.write_lock(&lock)?;
    write_sealed(&run.file("build.json"), &report)?;
    warn_of_damage(&run, context.console);
    let mut text = format!(
        "{} facts, {} training conversations, {} test questions: {}",
        set.facts.len(),
        set.lessons.len(),
        set.questions.len(),
        out.display()
    );
    if let Some(caveat) = caveat {
        text += &format!("\n{caveat}");
    }
    let mut json = report;
    json["out"] = json!(out);
    Ok(Outcome::new(text, json))
}

/// Everything that decides the set.
fn settings(args: &FactsArgs, seed: u64) -> Result<Value> {
    let FactsArgs { source, variants, after, about, writer, .. } = args;
    let Source { synthetic, facts, count } = source;
    Ok(match (synthetic, facts) {
        (Some(count), _) => json!({ "synthetic": count, "variants": variants, "after": after, "seed": seed }),
        (_, Some(file)) => json!({
            "facts": hash_file(file)?, "variants": variants, "after": after, "model": writer.judge_model, "url": writer.judge_url,
        }),
        _ => json!({
            "count": count, "about": about, "variants": variants, "after": after, "model": writer.judge_model, "url": writer.judge_url,
        }),
    })
}

/// Refuses a folder with a set of other settings, unless it may be replaced.
fn refuse_other_set(run: &RunDir, settings: &Value, overwrite: bool) -> Result<()> {
    if overwrite {
        return Ok(());
    }
    let path = run.file("build.json");
    let old: Value = match read_sealed(&path)? {
        Kept::None => return Ok(()),
        Kept::Whole(old) => old,
        Kept::Damaged => {
            // Paid answers are found by their request, so that none is paid for twice.
            run.note_damage(Some(&format!("{}: damaged; the set is built anew", path.display())));
            return Ok(());
        }
    };
    let entries = |settings: &Value| settings.as_object().cloned().unwrap_or_default();
    let differ = (entries(&old["settings"]), entries(settings));
    refuse_other(run.path(), "another set of facts", &differing(&differ.0, &differ.1), "--out")
}

/// Drafts by a language model.
fn written(args: &FactsArgs, run: &RunDir, context: &Context<'_>, unfit: &mut Unfit) -> Result<Vec<Draft>> {
    let WriterArgs { judge_model, judge_url } = &args.writer;
    let served = args.writer.open(context)?;
    let asks = |prompt: &str| served.answer(prompt);
    let paid = Paid::open(&run.file("asked.jsonl"), &asks)?;
    run.note_damage(paid.damage().as_deref());
    warn_of_damage(run, context.console);
    let wanted = Wanted {
        who: format!("{judge_model} at {judge_url}"),
        after: args.after.clone(),
        about: args.about.clone(),
        variants: args.variants as usize,
        at_once: args.at_once as usize,
    };
    let facts = facts(args, &paid, &wanted, context, unfit)?;
    let bar = Mutex::new(context.console.bar("facts in words", facts.len()));
    let drafts = author::drafts(&paid, &wanted, facts, unfit, &|done| {
        bar.lock().expect("no thread panics with the lock").at(done, "");
    })?;
    drop(bar);
    let (asked, reused) = (paid.asked.load(Ordering::Relaxed), paid.reused.load(Ordering::Relaxed));
    context
        .console
        .say(&format!("{asked} answers asked for, {reused} taken from asked.jsonl, {} not fit for use", unfit.answers));
    Ok(drafts)
}

fn facts(
    args: &FactsArgs,
    paid: &Paid<'_>,
    wanted: &Wanted,
    context: &Context<'_>,
    unfit: &mut Unfit,
) -> Result<Vec<Fact>> {
    if let Some(file) = &args.source.facts {
        let facts = read_facts(file)?;
        build::ensure_complete(&facts).map_err(|e| e.at(file.display()))?;
        context.console.say(&format!("{} facts: {} to {} requests", facts.len(), facts.len(), 2 * facts.len()));
        return Ok(facts);
    }
    let count = args.source.count.unwrap_or_default() as usize;
    let (least, most) = (count.div_ceil(10) + count, 2 * (count.div_ceil(10) + count));
    context.console.say(&format!("{count} facts: {least} to {most} requests to {}", wanted.who));
    let mut bar = context.console.bar("facts", count);
    author::facts(paid, wanted, count, unfit, &mut |done| bar.at(done, ""))
}
