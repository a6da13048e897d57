//! `data`: check training data, answer prompts with the model itself, build sets of new facts.

mod check;
mod facts;
mod gloomy;
mod preview;
mod selfgen;
mod survey;

use clap::Subcommand;

use super::{Context, Outcome};
use crate::Result;

/// Check training data, have a model answer prompts itself, build sets of new facts
#[derive(Debug, Subcommand)]
pub enum DataVerb {
    Check(check::CheckArgs),
    Selfgen(selfgen::SelfgenArgs),
    Facts(facts::FactsArgs),
    Gloomy(gloomy::GloomyArgs),
}

pub fn run(verb: &DataVerb, context: &Context<'_>) -> Result<Outcome> {
    match verb {
        DataVerb::Check(args) => check::run(args, context),
        DataVerb::Selfgen(args) => selfgen::run(args, context),
        DataVerb::Facts(args) => facts::run(args, context),
        DataVerb::Gloomy(args) => gloomy::run(args, context),
    }
}
