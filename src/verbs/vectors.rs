//! `vectors`: what is in files of persona vectors, how they compare, and their translation for other programs.

mod compare;
mod convert;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::{Context, Outcome, paths};
use crate::Result;
use crate::vector::formats::{GgufFrom, LastRow, Reading};
use crate::vector::{LAYER_CONVENTION, Layer, PersonaVector, Position, VectorFile, key};

/// Look into files of persona vectors, compare and convert them
#[derive(Debug, Args)]
pub struct VectorsArgs {
    #[command(subcommand)]
    verb: VectorsVerb,
}

#[derive(Debug, Subcommand)]
enum VectorsVerb {
    /// Show norms per layer, where the vectors come from, and the layer convention
    #[command(after_help = "Example:\n  trimtab vectors show evil.safetensors")]
    Show {
        /// The file: safetensors, .pt or GGUF control vector
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        reading: ReadingArgs,
    },
    Convert(convert::ConvertArgs),
    Compare(compare::CompareArgs),
}

/// What a foreign file does not say of itself.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Files of other programs")]
pub(super) struct ReadingArgs {
    /// What the last row is [default: post_norm for .pt and repeng's GGUF, else raw]
    #[arg(long, value_enum, value_name = "WHAT")]
    last_row: Option<LastRowArg>,
    /// Who made a GGUF file that is not Trimtab's; llama.cpp's generator is off by one block
    #[arg(long, value_enum, default_value_t, value_name = "PROGRAM")]
    gguf_from: GgufFromArg,
    /// The model's number of blocks, if the file leaves out the last ones
    #[arg(long, value_name = "N")]
    blocks: Option<usize>,
    /// The layer of a file that holds a single direction (refusal_direction's .pt)
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
    fn reading(&self) -> Reading {
        let Self { last_row, gguf_from, blocks, layer } = self;
        let last_row = last_row.map(|row| match row {
            LastRowArg::Raw => LastRow::Raw,
            LastRowArg::PostNorm => LastRow::PostNorm,
        });
        let gguf_from = match gguf_from {
            GgufFromArg::Repeng => GgufFrom::Repeng,
            GgufFromArg::LlamaCvectorGenerator => GgufFrom::CvectorGenerator,
        };
        Reading { last_row, gguf_from, layer: *layer, blocks: *blocks }
    }
}

/// `--position`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum PositionArg {
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

/// Looks, compares or converts.
///
/// # Errors
/// A file that cannot be read or is none of vectors; vectors that do not go together; a place that cannot be written.
pub fn run(args: &VectorsArgs, context: &Context<'_>) -> Result<Outcome> {
    match &args.verb {
        VectorsVerb::Show { file, reading } => show(file, &reading.reading(), context),
        VectorsVerb::Convert(args) => convert::run(args, context),
        VectorsVerb::Compare(args) => compare::run(args, context),
    }
}

/// Reads a file and tells the console what is odd about it.
fn read(path: &Path, reading: &Reading, context: &Context<'_>) -> Result<(VectorFile, Vec<String>)> {
    paths::file("FILE", path)?;
    let (file, warnings) = VectorFile::read_as(path, reading)?;
    warnings.iter().for_each(|warning| context.console.warn(warning));
    Ok((file, warnings))
}

/// A row's place in words.
fn place(row: usize) -> String {
    if row == 0 { "row 0 (embedding)".to_owned() } else { Layer(row).to_string() }
}

fn show(path: &Path, reading: &Reading, context: &Context<'_>) -> Result<Outcome> {
    let (file, warnings) = read(path, reading, context)?;
    let named = Position::ALL.into_iter().filter_map(|position| Some((position.key(), file.at(position)?)));
    let named: Vec<(&str, &PersonaVector)> = named.collect();
    let vector = &file.response_avg;
    let norm = |vector: &PersonaVector, row: usize| vector.norm(Layer(row));

    let mut text =
        format!("{}: {} layers, width {}\n{LAYER_CONVENTION}\n", path.display(), vector.layers(), vector.hidden());
    // The convention and the norms are shown in their own words.
    for (name, value) in
        file.metadata.iter().filter(|(name, _)| ![key::LAYER_CONVENTION, key::NORMS].contains(&name.as_str()))
    {
        let _ = writeln!(text, "{name}: {value}");
    }
    let _ = write!(text, "\n{:<22}", "norm");
    named.iter().for_each(|(name, _)| text += &format!("{name:>14}"));
    for row in 0..=vector.layers() {
        let _ = write!(text, "\n{:<22}", place(row));
        named.iter().for_each(|(_, vector)| text += &format!("{:>14.4}", norm(vector, row)));
    }
    let norms: serde_json::Map<String, Value> = named
        .iter()
        .map(|(name, vector)| {
            ((*name).to_owned(), json!((0..=vector.layers()).map(|row| norm(vector, row)).collect::<Vec<_>>()))
        })
        .collect();
    let json = json!({
        "file": path,
        "layers": vector.layers(),
        "hidden": vector.hidden(),
        "layer_convention": LAYER_CONVENTION,
        "norms": norms,
        "metadata": file.metadata,
        "fingerprint": file.fingerprint,
        "warnings": warnings,
    });
    Ok(Outcome::new(text, json))
}
