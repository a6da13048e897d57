//! `eval`: a model on the three axes, alone or under any steering, as run folders that survive any interruption.
//!
//! A task is answered in pieces ([`crate::eval::Pieces`]). The judge scores when all answers are there, so that it can estimate its
//! cost first; it caches its replies. The same command resumes an interrupted run and writes the same files as an uninterrupted one.

mod measured;
mod mmlu;
mod pairs;
mod words;

use clap::Subcommand;

use super::{Context, Outcome};
use crate::Result;

/// Measure a model: what it knows (mmlu), how strongly it shows a trait, which new facts it states
#[derive(Debug, Subcommand)]
pub enum EvalVerb {
    Mmlu(mmlu::MmluArgs),
    Trait(words::TraitEvalArgs),
    Facts(words::FactsArgs),
    #[command(subcommand)]
    Pairs(pairs::PairsVerb),
}

pub fn run(verb: &EvalVerb, context: &Context<'_>) -> Result<Outcome> {
    match verb {
        EvalVerb::Mmlu(args) => mmlu::run(args, context),
        EvalVerb::Trait(args) => words::run_trait(args, context),
        EvalVerb::Facts(args) => words::run_facts(args, context),
        EvalVerb::Pairs(args) => pairs::run(args, context),
    }
}
