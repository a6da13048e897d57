//! `vectors`: show, compare and convert files of persona vectors.

mod compare;
mod convert;
mod reading;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::{Value, json};

use reading::{ReadingArgs, place, read};

use super::{Context, Outcome};
use crate::Result;
use crate::vector::formats::Reading;
use crate::vector::{LAYER_CONVENTION, Layer, PersonaVector, Position, key};

/// Show, compare and convert files of persona vectors
#[derive(Debug, Subcommand)]
pub enum VectorsVerb {
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

pub fn run(verb: &VectorsVerb, context: &Context<'_>) -> Result<Outcome> {
    match verb {
        VectorsVerb::Show { file, reading } => show(file, &reading.reading(), context),
        VectorsVerb::Convert(args) => convert::run(args, context),
        VectorsVerb::Compare(args) => compare::run(args, context),
    }
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
