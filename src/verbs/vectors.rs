//! `vectors`: what is in a file of persona vectors.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Context, Outcome, paths};
use crate::Result;
use crate::vector::{LAYER_CONVENTION, Layer, PersonaVector, VectorFile, key};

/// Look into files of persona vectors
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
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

/// Looks.
///
/// # Errors
/// A file that cannot be read or is none of vectors.
pub fn run(args: &VectorsArgs, context: &Context<'_>) -> Result<Outcome> {
    let VectorsVerb::Show { file: path } = &args.verb;
    paths::file("FILE", path)?;
    let (file, warnings) = VectorFile::read(path)?;
    warnings.iter().for_each(|warning| context.console.warn(warning));
    let named = [
        ("response_avg", Some(&file.response_avg)),
        ("prompt_avg", file.prompt_avg.as_ref()),
        ("prompt_last", file.prompt_last.as_ref()),
    ];
    let named: Vec<(&str, &PersonaVector)> =
        named.into_iter().filter_map(|(name, vector)| Some((name, vector?))).collect();
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
        let place = if row == 0 { "row 0 (embedding)".to_owned() } else { Layer(row).to_string() };
        let _ = write!(text, "\n{place:<22}");
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
