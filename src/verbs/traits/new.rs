//! `trait new`: a language model writes a trait.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::judge::{ChatClient, Patience};
use crate::persona::{self, Description, Trait, Writer, author};
use crate::verbs::{Console, Context, Outcome};
use crate::{Error, Result};

/// Write a new trait with a language model: instructions, questions, rubric, ladder
///
/// Any OpenAI-compatible server will do; the key comes from TRIMTAB_JUDGE_KEY or OPENAI_API_KEY. What the model writes is checked
/// as `trait check` does, and sent back with its faults if it is not sound. Read it before you use it: it decides what is measured.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  trimtab trait new stubborn --out my-traits --antonym flexible \\\n      --description \"Holds on to its first answer whatever the user brings forward, and takes new evidence for an attack.\""
)]
pub(super) struct NewArgs {
    /// The trait, an adjective: You are a NAME assistant
    #[arg(value_parser = plain_name)]
    name: String,
    /// What is meant by it, in a few sentences
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
    /// The writing model, by its name on the server
    #[arg(long, value_name = "MODEL", default_value = "gpt-4.1-2025-04-14")]
    judge_model: String,
    /// Base URL of the server
    #[arg(long, value_name = "URL", default_value = "https://api.openai.com/v1")]
    judge_url: String,
    /// Answers of the model to look at before giving up
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

/// A model behind a server.
struct Served<'a> {
    client: ChatClient,
    model: &'a str,
    console: &'a dyn Console,
}

impl Writer for Served<'_> {
    fn write(&mut self, prompt: &str) -> Result<String> {
        let request = json!({ "model": self.model, "messages": [{ "role": "user", "content": prompt }] });
        let (reply, _) = self.client.ask(&request, &|trouble| self.console.warn(trouble))?;
        match reply.refused {
            Some(why) => Err(Error::new(format!("the model refused to write: {why}"))
                .hint("describe the trait as an attitude that is to be measured")),
            None => Ok(reply.text),
        }
    }
}

/// Writes a trait.
///
/// # Errors
/// A trait of that name, a server that cannot be asked, a model that does not write a sound trait.
pub(super) fn run(args: &NewArgs, context: &Context<'_>) -> Result<Outcome> {
    let NewArgs { name, description, out, questions, antonym, judge_model, judge_url, tries, overwrite } = args;
    let (extract, eval) = Trait::files(out, name);
    if let Some(there) = [&extract, &eval].into_iter().find(|file| file.exists()).filter(|_| !overwrite) {
        return Err(Error::usage(format!("{}: the trait is there already", there.display()))
            .hint("give another --out, or --overwrite to replace it"));
    }
    // An answer of this length takes minutes on a small server.
    let patience = Patience { timeout: Duration::from_secs(900), ..Patience::default() };
    let client = ChatClient::new(judge_url, context.judge_key.clone(), patience)?;
    if client.lacks_key() {
        return Err(Error::usage(format!("{judge_url} wants a key"))
            .hint("set TRIMTAB_JUDGE_KEY or OPENAI_API_KEY, or name another server with --judge-url"));
    }
    let console = context.console;
    console.say(&format!("{judge_model} writes `{name}`; this takes a minute or two"));
    let antonym = antonym.clone().unwrap_or_else(|| "helpful".into());
    let wanted = Description { name: name.clone(), text: description.clone(), questions: questions.clone(), antonym };
    let mut writer = Served { client, model: judge_model, console };
    let made = author(&mut writer, &wanted, *tries as usize, &mut |number, faults| {
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
