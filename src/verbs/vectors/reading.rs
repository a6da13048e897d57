//! Reading vectors of any program, by flags.

use std::path::Path;

use clap::{Args, ValueEnum};

use crate::Result;
use crate::vector::formats::{GgufFrom, LastRow, Reading};
use crate::vector::{Layer, Position, VectorFile};
use crate::verbs::{Context, paths};

/// What files of other programs do not record.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Files of other programs")]
pub struct ReadingArgs {
    /// What the last row is [default: post_norm for .pt and repeng's GGUF, else raw]
    #[arg(long, value_enum, value_name = "WHAT")]
    last_row: Option<LastRowArg>,
    /// Who made a GGUF file that is not Trimtab's; llama.cpp's generator is off by one block
    #[arg(long, value_enum, default_value_t, value_name = "PROGRAM")]
    gguf_from: GgufFromArg,
    /// The model's number of blocks, if the file leaves out the last ones
    #[arg(long, value_name = "N")]
    blocks: Option<usize>,
    /// Which row of ours the file's first one, or a key 0, is: 0, the embedding, or 1, the first block's output [default: 0, for keys such as layers.N 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=1))]
    first_row: Option<u8>,
    /// The layer of a file that holds a single direction, counted from 1 (refusal_direction's .pt)
    #[arg(long, value_name = "L")]
    layer: Option<usize>,
}

/// `--last-row`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum LastRowArg {
    /// The last block's output
    Raw,
    /// The same after the final norm, as transformers' hidden_states has it
    PostNorm,
}

/// `--gguf-from`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum GgufFromArg {
    /// direction.N was measured at the output of block N
    #[default]
    Repeng,
    /// direction.N was measured at the output of block N - 1
    LlamaCvectorGenerator,
}

impl ReadingArgs {
    /// The flags as the readers take them.
    pub fn reading(&self) -> Reading {
        let Self { last_row, gguf_from, blocks, first_row, layer } = self;
        let last_row = last_row.map(|row| match row {
            LastRowArg::Raw => LastRow::Raw,
            LastRowArg::PostNorm => LastRow::PostNorm,
        });
        let gguf_from = match gguf_from {
            GgufFromArg::Repeng => GgufFrom::Repeng,
            GgufFromArg::LlamaCvectorGenerator => GgufFrom::CvectorGenerator,
        };
        Reading { last_row, gguf_from, layer: *layer, blocks: *blocks, first_row: first_row.map(usize::from) }
    }
}

/// `--position`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum PositionArg {
    /// Mean over the response's tokens
    ResponseAvg,
    /// Mean over the prompt's tokens
    PromptAvg,
    /// The prompt's last token
    PromptLast,
}

impl From<PositionArg> for Position {
    fn from(position: PositionArg) -> Self {
        match position {
            PositionArg::ResponseAvg => Self::ResponseAvg,
            PositionArg::PromptAvg => Self::PromptAvg,
            PositionArg::PromptLast => Self::PromptLast,
        }
    }
}

/// Reads a file; what is odd about it but harmless goes to the console, and comes back.
///
/// # Errors
/// A file that cannot be read or is none of vectors.
pub fn read(path: &Path, reading: &Reading, context: &Context<'_>) -> Result<(VectorFile, Vec<String>)> {
    paths::file("FILE", path)?;
    let (file, warnings) = VectorFile::read_as(path, reading)?;
    warnings.iter().for_each(|warning| context.console.warn(warning));
    Ok((file, warnings))
}

/// What a row of a file is, in words.
pub fn place(row: usize) -> String {
    if row == 0 { "row 0 (embedding)".to_owned() } else { Layer(row).to_string() }
}
