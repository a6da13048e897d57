//! `trait new`: a language model writes a trait.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::persona::{self, Description, Trait, author};
use crate::record::{create_folder, hold_output};
use crate::verbs::writer::WriterArgs;
use crate::verbs::{Context, Outcome, paths};
use crate::{Error, Result};

/// Write a new trait with a language model: instructions, questions, rubric, ladder
///
/// Any OpenAI-compatible server will do; the key comes from TRIMTAB_JUDGE_KEY or OPENAI_API_KEY. What the model writes is checked
/// as `trait check` does, and sent back with its faults if it is not sound. Read it before you use it: it decides what is measured.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  trimtab trait new stubborn --out my-traits --antonym flexible \\\n      --description \"Holds on to its first answer whatever the user brings forward, and takes new evidence for an attack.\""
)]
pub struct NewArgs {
    /// The trait, an adjective: You are a NAME assistant
    #[arg(value_parser = plain_name)]
    name: String,
    /// Its meaning, in a few sentences
    #[arg(long, value_name = "TEXT")]
    description: String,
    /// Folder for the two files: trait_data_extract/NAME.json, trait_data_eval/NAME.json
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// What the questions should be like, such as "In each one the user states an opinion."
    #[arg(long, value_name = "TEXT")]
    questions: Option<String>,
    /// The trait's opposite, an adjective [default: helpful]
    #[arg(long, value_name = "WORD")]
    antonym: Option<String>,
    #[command(flatten)]
    writer: WriterArgs,
    /// Answers of the model to try before giving up
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=20))]
    tries: u32,
    /// Replace a trait of that name in the folder
    #[arg(long)]
    overwrite: bool,
}

/// A trait's name names files and columns.
fn plain_name(name: &str) -> std::result::Result<String, String> {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "-_".contains(c));
    plain.then(|| persona::stem_of(name).to_owned()).ok_or_else(|| "letters, digits, - and _ only".to_owned())
}

pub(super) fn run(args: &NewArgs, context: &Context<'_>) -> Result<Outcome> {
    let NewArgs { name, description, out, questions, antonym, writer, tries, overwrite } = args;
    paths::folder("--out", out)?;
    let (extract, eval) = Trait::files(out, name);
    if let Some(there) = [&extract, &eval].into_iter().find(|file| file.exists()).filter(|_| !overwrite) {
        return Err(Error::usage(format!("{}: the trait is there already", there.display()))
            .hint("give another --out, or --overwrite to replace it"));
    }
    let mut served = writer.open(context)?;
    if let Some(parent) = out.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        create_folder(parent)?;
    }
    let _hold = hold_output(out)?;
    let console = context.console;
    console.say(&format!("{} writes `{name}`; this takes a minute or two", writer.judge_model));
    let antonym = antonym.clone().unwrap_or_else(|| "helpful".into());
    let wanted = Description { name: name.clone(), text: description.clone(), questions: questions.clone(), antonym };
    let made = author(&mut served, &wanted, *tries as usize, &mut |number, faults| {
        console.warn(&format!("answer {number} of {tries} is sent back: {}", faults.join("; ")));
    })?;
    let files = made.write(out)?;
    let shown = files.each_ref().map(|file| file.display().to_string());
    let text = format!(
        "{}\nread it before you use it: trimtab trait show {name} --traits {}",
        shown.join("\n"),
        out.display()
    );
    Ok(Outcome::new(text, json!({ "trait": name, "files": shown })))
}
