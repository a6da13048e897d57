//! Reading vectors of any program, by flags.

use std::path::Path;

use clap::Args;

use crate::Result;
use crate::vector::formats::{GgufFrom, LastRow, Reading};
use crate::vector::{Layer, Position, VectorFile};
use crate::verbs::choices::{Choices, one_of};
use crate::verbs::{Context, paths};

/// `--position`.
pub const POSITIONS: &Choices<Position> = &[
    ("response_avg", Position::ResponseAvg, "Mean over the response's tokens"),
    ("prompt_avg", Position::PromptAvg, "Mean over the prompt's tokens"),
    ("prompt_last", Position::PromptLast, "The prompt's last token"),
];

const LAST_ROWS: &Choices<LastRow> = &[
    ("raw", LastRow::Raw, "The last block's output"),
    ("post_norm", LastRow::PostNorm, "The same after the final norm, as transformers' hidden_states has it"),
];

const GGUF_FROM: &Choices<GgufFrom> = &[
    ("repeng", GgufFrom::Repeng, "direction.N was measured at the output of block N"),
    ("llama-cvector-generator", GgufFrom::CvectorGenerator, "direction.N was measured at the output of block N - 1"),
];

/// What files of other programs do not record.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Files of other programs")]
pub struct ReadingArgs {
    /// What the last row is [default: post_norm for .pt and repeng's GGUF, else raw]
    #[arg(long, value_parser = one_of(LAST_ROWS), value_name = "WHAT")]
    last_row: Option<LastRow>,
    /// Who made a GGUF file that is not Trimtab's; llama.cpp's generator is off by one block
    #[arg(long, value_parser = one_of(GGUF_FROM), default_value = "repeng", value_name = "PROGRAM")]
    gguf_from: GgufFrom,
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

impl ReadingArgs {
    pub fn reading(&self) -> Reading {
        let &Self { last_row, gguf_from, layer, blocks, first_row } = self;
        Reading { last_row, gguf_from, layer, blocks, first_row: first_row.map(usize::from) }
    }
}

/// Reads a file; what is odd about it but harmless goes to the console, and comes back.
pub fn read(path: &Path, reading: &Reading, context: &Context<'_>) -> Result<(VectorFile, Vec<String>)> {
    paths::file("FILE", path)?;
    let (file, warnings) = VectorFile::read_as(path, reading)?;
    warnings.iter().for_each(|warning| context.console.warn(warning));
    Ok((file, warnings))
}

pub fn place(row: usize) -> String {
    if row == 0 { "row 0 (embedding)".to_owned() } else { Layer(row).to_string() }
}
