//! `chat`: a conversation under steering that changes from turn to turn. The conversation is [`crate::session`]'s; here lines become
//! commands, and a [`Screen`] shows the answers.

pub mod command;
mod talk;

use std::path::Path;

use clap::Args;
use serde_json::json;

pub use talk::Screen;

use super::choices::one_of;
use super::model::ModelArgs;
use super::steer::POSITIONS;
use super::{Context, Outcome};
use crate::language_model::Sampling;
use crate::session::{Conversation, LiveModel, NamedFile, SteeringSpec};
use crate::steering::Positions;
use crate::text::Tokenizer;
use crate::{Error, Result};

/// Talk to a model, under steering that changes from turn to turn
///
/// On a terminal, /help lists the commands. With input from a pipe, every line is a message or a command, and answers go to
/// stdout as plain text.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  trimtab chat --model Qwen2.5-7B-Instruct --vectors evil=evil.safetensors --steer evil=-1.5@20"
)]
pub struct ChatArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// Files of persona vectors, named by their stem or by the name given here
    #[arg(long, value_name = "[NAME=]FILE", num_args = 1..)]
    vectors: Vec<NamedFile>,
    /// Steering from the first turn on: a vector's name (or file), its coefficient and its layers
    #[arg(long, value_name = "NAME=A@L", allow_hyphen_values = true)]
    steer: Vec<SteeringSpec>,
    /// Which tokens are steered [default: response]
    #[arg(long, value_parser = one_of(POSITIONS))]
    positions: Option<Positions>,
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

/// Talks until there are no more lines.
pub fn run(args: &ChatArgs, context: &Context<'_>, screen: &mut dyn Screen) -> Result<Outcome> {
    let model = args.model.find(context)?;
    let mut files = args.vectors.clone();
    let steer: Vec<SteeringSpec> = args.steer.iter().map(|spec| named(spec, &mut files)).collect::<Result<_>>()?;
    let vectors = model.vector_set(&files, context.console)?;
    let sampling = Sampling {
        temperature: args.temperature.unwrap_or(1.0),
        top_p: args.top_p.unwrap_or(1.0),
        seed: context.seed.unwrap_or(0),
        ..Sampling::greedy(args.max_new_tokens as usize)
    };
    crate::generate::sampling::check(&sampling)?;
    let tokenizer = Tokenizer::load(&model.folder.path)?;
    let runtime = context.runtime(&model.folder.path)?;
    let live = LiveModel::open(runtime.as_ref(), model.folder.path.clone(), model.adapter_path())?;
    let positions = args.positions.unwrap_or(Positions::Response);
    let mut conversation = Conversation::new(live, tokenizer, vectors, sampling, positions, args.system.clone());
    conversation.steer_all(
        steer.into_iter().map(|SteeringSpec { vector, coef, layers }| (vector, coef, Some(layers))).collect(),
    )?;
    if !args.steer.is_empty() {
        screen.note(&conversation.steering_summary());
    }
    talk::talk(&mut conversation, screen)?;
    Ok(Outcome::new("", json!({ "model": model.name(), "answers": conversation.answers() })))
}

/// Steering along a named vector; a file is added to the vectors and named by its stem.
fn named(spec: &SteeringSpec, files: &mut Vec<NamedFile>) -> Result<SteeringSpec> {
    let known = files.iter().any(|file| file.name == spec.vector);
    if known || !Path::new(&spec.vector).is_file() {
        return Ok(spec.clone());
    }
    let file: NamedFile = spec.vector.parse().map_err(Error::usage)?;
    let vector = file.name.clone();
    if !files.contains(&file) {
        files.push(file);
    }
    Ok(SteeringSpec { vector, ..spec.clone() })
}

#[cfg(test)]
mod tests;
