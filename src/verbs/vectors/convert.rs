//! `vectors convert`: between safetensors, `.pt` and GGUF, with the layers' numbers in both files printed.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::super::choices::one_of;
use super::super::{Context, Outcome, paths};
use super::reading::{POSITIONS, ReadingArgs, place, read};
use crate::report::{Cell, Table};
use crate::vector::formats::Format;
use crate::vector::{Layer, Layers, Position, VectorFile, key};
use crate::{Error, Result};

/// Convert vectors between safetensors, persona_vectors' .pt and llama.cpp's GGUF
///
/// The format of IN is detected by its content, that of OUT by its ending. Several .pt files of one trait, one for
/// each token position and named as persona_vectors names them, become one safetensors file. GGUF's `direction.N` is layer
/// N + 1 here; it cannot hold the embedding and layer 1 (block 0).
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  trimtab vectors convert evil_*_diff.pt evil.safetensors\n  trimtab vectors convert evil.safetensors evil.gguf --layers 20"
)]
pub struct ConvertArgs {
    /// Files to read, and last the file to write
    #[arg(value_names = ["IN", "OUT"], num_args = 2.., required = true)]
    files: Vec<PathBuf>,
    /// The token position to take [default: all that OUT can hold, else response_avg]
    #[arg(long, value_parser = one_of(POSITIONS), value_name = "P")]
    position: Option<Position>,
    /// Keep these layers only, 20 or 12,16: the others are left out, or zero where a file must hold all
    #[arg(long, value_name = "L")]
    layers: Option<Layers>,
    /// The trait's name, kept in the file
    #[arg(long = "trait", value_name = "NAME")]
    trait_name: Option<String>,
    #[command(flatten)]
    reading: ReadingArgs,
}

pub(super) fn run(args: &ConvertArgs, context: &Context<'_>) -> Result<Outcome> {
    let ConvertArgs { files, position, layers, trait_name, reading } = args;
    let (out, inputs) = files.split_last().expect("clap asks for two");
    let format = Format::of_ending(out)?;
    paths::writable("OUT", out)?;
    let _hold = paths::hold("OUT", out)?;
    let reading = reading.reading();
    let mut read_files = Vec::new();
    let mut notes = Vec::new();
    for path in inputs {
        let (file, warnings) = read(path, &reading, context)?;
        let full = file.response_avg.layers() - file.response_avg.empty_layers().len() > 1;
        if reading.layer.is_some() && full {
            let what = format!("{}: --layer is for a file of a single direction", path.display());
            return Err(Error::usage(what).hint("to keep one layer of many: --layers 20"));
        }
        notes.extend(warnings);
        read_files.push((path.as_path(), file));
    }
    let mut file = VectorFile::joined(read_files)?;
    if let Some(position) = position {
        file = file.only(*position)?;
    }
    if let Some(layers) = layers.as_ref().map(|l| l.numbers(file.response_avg.layers())).transpose()?.flatten() {
        file = file.keep_layers(&layers)?;
    }
    if let Some(name) = trait_name {
        file.metadata.insert(key::TRAIT.into(), name.clone());
    }
    let own = remarks(&file, format);
    own.iter().for_each(|note| context.console.say(note));
    file.write_as(out)?;
    notes.extend(own);

    let table = translation(&file, format);
    let vector = &file.response_avg;
    let text = format!("{} layers, width {}: {}\n\n{}", vector.layers(), vector.hidden(), out.display(), table.text());
    let json = json!({
        "in": inputs,
        "out": out,
        "layers": vector.layers(),
        "hidden": vector.hidden(),
        "rows": table.json(),
        "metadata": file.metadata,
        "fingerprint": file.fingerprint,
        "notes": notes,
    });
    Ok(Outcome::new(text.trim_end(), json))
}

/// What the written file cannot hold, and how it is used.
fn remarks(file: &VectorFile, format: Format) -> Vec<String> {
    let mut notes = Vec::new();
    let mut note = |what: &str| notes.push(what.to_owned());
    let others = Position::ALL[1..].iter().any(|&position| file.at(position).is_some());
    if others && format != Format::Safetensors {
        note("the file holds one token position, response_avg; write the others with --position");
    }
    if format == Format::Gguf {
        note("direction.N is added at the output of block N, counted from 0: layer N + 1 here");
        if (0..2).any(|row| file.response_avg.norm(Layer(row)) > 0.0) {
            note("left out, since a control vector cannot hold them: row 0 (embedding) and layer 1 (block 0)");
        }
        let last = Layer(file.response_avg.layers());
        if !file.last_row_is_raw() && file.response_avg.norm(last) > 0.0 {
            note(&format!("left out, since it is taken after the final norm: {last}; --last-row raw if it is not"));
        }
        match file.sayable_in_gguf()[..] {
            [] | [_] => {}
            _ => note(
                "llama.cpp adds every direction of the file to every token; choose one with --control-vector-layer-range N N, or convert with --layers",
            ),
        }
    }
    notes
}

/// Each row with its numbers here and in the written file.
fn translation(file: &VectorFile, format: Format) -> Table {
    let vector = &file.response_avg;
    let sayable = file.sayable_in_gguf();
    let theirs = |row: usize| match format {
        Format::Gguf if row > 0 && sayable.contains(&Layer(row)) => {
            Cell::from(format!("direction.{}", Layer(row).block()).as_str())
        }
        Format::Gguf => Cell::Missing,
        _ => Cell::from(format!("row {row}").as_str()),
    };
    let mut table = Table::new(["here", "in the file", "norm"]);
    for row in 0..=vector.layers() {
        table.push(vec![place(row).as_str().into(), theirs(row), f64::from(vector.norm(Layer(row))).into()]);
    }
    table
}
