//! `chat`: a conversation under steering that changes from turn to turn. What is said and done is decided here; how it looks
//! is the business of a [`Screen`].

pub mod command;
mod talk;

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::live::{Live, NamedFile, Vectors};
use super::model::ModelFolder;
use super::steer::{PositionsArg, Written};
use super::{Context, Outcome};
use crate::language_model::Sampling;
use crate::steering::Positions;
use crate::text::Tokenizer;
use crate::{Error, Result};
use talk::Talk;

/// Talk to a model, under steering that changes from turn to turn
///
/// On a terminal, /help lists the commands. With input from a pipe, every line is a message or a command, and answers go to
/// stdout as plain text.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  trimtab chat --model Qwen2.5-7B-Instruct --vectors evil=evil.safetensors --steer evil=-1.5@20"
)]
pub struct ChatArgs {
    /// The model: a folder in Hugging Face's layout, a hub name (`owner/name`, `owner/name@revision`), or `harbor`
    #[arg(long, value_name = "MODEL")]
    model: PathBuf,
    /// Folder of a PEFT adapter that the model wears
    #[arg(long, value_name = "DIR")]
    adapter: Option<PathBuf>,
    /// Files of persona vectors, called by their stem or by the name given here
    #[arg(long, value_name = "[NAME=]FILE", num_args = 1..)]
    vectors: Vec<NamedFile>,
    /// Steering from the first turn on: a vector's name (or file), its strength and its layers
    #[arg(long, value_name = "NAME=A@L", allow_hyphen_values = true)]
    steer: Vec<Written>,
    /// Which tokens are steered [default: response]
    #[arg(long, value_enum)]
    positions: Option<PositionsArg>,
    /// System prompt [default: the template's own]
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// Flattens (above 1) or sharpens (below 1) the distribution; 0 is greedy [default: 1]
    #[arg(long, value_name = "T")]
    temperature: Option<f32>,
    /// Draw from the fewest tokens that together reach this probability only [default: 1]
    #[arg(long, value_name = "P")]
    top_p: Option<f32>,
    /// Longest answer, in tokens
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..))]
    max_new_tokens: u32,
}

/// How far tokens lie along a vector, as colours show it.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    /// The vector and the layer in words.
    pub name: String,
    /// Where the model's own neutral answer lies on average: colourless.
    pub neutral: f64,
    /// The vector's norm, by which coefficient 1 moves a token.
    pub norm: f64,
    /// Full colour is so many norms away from neutral.
    pub reach: f64,
}

impl Scale {
    /// A place along the vector in norms from neutral.
    pub fn norms(&self, along: f64) -> f64 {
        (along - self.neutral) / self.norm
    }

    /// The same as a share of the whole scale: -1 and 1 are its ends.
    pub fn shade(&self, along: f64) -> f64 {
        self.norms(along) / self.reach
    }

    /// Where the colours are full.
    pub fn ends(&self) -> [f64; 2] {
        [-1.0, 1.0].map(|end| self.neutral + end * self.reach * self.norm)
    }
}

/// The user's side of a conversation.
pub trait Screen {
    /// The user's next line; none when there will be no more.
    ///
    /// # Errors
    /// If it cannot be read.
    fn read(&mut self) -> Result<Option<String>>;

    /// An answer begins, under this title if there are several.
    fn begin(&mut self, title: Option<&str>, scale: Option<&Scale>);

    /// It goes on; `shade` says how far the last token lies along the probe ([`Scale::shade`]).
    fn word(&mut self, text: &str, shade: Option<f64>);

    /// It is complete.
    fn end(&mut self);

    /// Tells of the conversation, one line or several.
    fn note(&mut self, text: &str);

    /// A line could not be obeyed. Where nobody is there to mend it, that is an error.
    ///
    /// # Errors
    /// As said.
    fn wrong(&mut self, error: Error) -> Result<()>;

    /// Whether the user wants the answer to stop; asking takes the wish.
    fn stop(&mut self) -> bool;
}

/// Talks until the user has had enough.
///
/// # Errors
/// A model or vectors that cannot be read; a line that cannot be obeyed, if nobody can mend it.
pub fn run(args: &ChatArgs, context: &Context<'_>, screen: &mut dyn Screen) -> Result<Outcome> {
    let folder = ModelFolder::find(&args.model, context)?;
    let mut files = args.vectors.clone();
    let steer: Vec<Written> = args.steer.iter().map(|written| named(written, &mut files)).collect::<Result<_>>()?;
    let (vectors, warnings) = Vectors::read(&files, &folder)?;
    warnings.iter().for_each(|warning| context.console.warn(warning));
    let sampling = Sampling {
        temperature: args.temperature.unwrap_or(1.0),
        top_p: args.top_p.unwrap_or(1.0),
        seed: context.seed.unwrap_or(0),
        ..Sampling::greedy(args.max_new_tokens as usize)
    };
    crate::generate::sampling::check(&sampling)?;
    let tokenizer = Tokenizer::load(&folder.path)?;
    let runtime = context.runtime()?;
    let live = Live::open(runtime.as_ref(), folder.path.clone(), args.adapter.clone())?;
    let positions = args.positions.map_or(Positions::Response, Into::into);
    let mut talk = Talk::new(live, tokenizer, vectors, sampling, positions, args.system.clone());
    for Written { vectors, coef, layers } in steer {
        talk.steer(&vectors, coef, Some(layers))?;
    }
    if !args.steer.is_empty() {
        screen.note(&talk.steering_in_words());
    }
    talk.go_on(screen)?;
    Ok(Outcome::new("", json!({ "model": folder.name, "answers": talk.rows() })))
}

/// Steering by a name; a file stands for itself and gets its stem as its name.
fn named(written: &Written, files: &mut Vec<NamedFile>) -> Result<Written> {
    let known = files.iter().any(|file| file.name == written.vectors);
    if known || !Path::new(&written.vectors).is_file() {
        return Ok(written.clone());
    }
    let file: NamedFile = written.vectors.parse().map_err(Error::usage)?;
    let vectors = file.name.clone();
    if !files.contains(&file) {
        files.push(file);
    }
    Ok(Written { vectors, ..written.clone() })
}

#[cfg(test)]
mod tests;
