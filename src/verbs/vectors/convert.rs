//! `vectors convert`: between safetensors, `.pt` and GGUF, with the layers' numbers in both files printed.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::super::steer::Layers;
use super::super::{Context, Outcome, paths};
use super::{PositionArg, ReadingArgs, place, read};
use crate::report::{Cell, Table};
use crate::vector::formats::Format;
use crate::vector::{Layer, PersonaVector, Position, VectorFile, key};
use crate::{Error, Result};

/// Convert vectors between safetensors, persona_vectors' .pt and llama.cpp's GGUF
///
/// The kind of what is read is told by its content, of what is written by its ending. Several .pt files of one trait, one for
/// each token position and named as persona_vectors names them, become one safetensors file. GGUF's `direction.N` is layer
/// N + 1 here; the embedding and layer 1 (block 0) cannot be said in it.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  trimtab vectors convert evil_*_diff.pt evil.safetensors\n  trimtab vectors convert evil.safetensors evil.gguf --layers 20"
)]
pub struct ConvertArgs {
    /// What is read, and last what is written
    #[arg(value_names = ["IN", "OUT"], num_args = 2.., required = true)]
    files: Vec<PathBuf>,
    /// The token position to take [default: all that OUT can hold, else response_avg]
    #[arg(long, value_enum, value_name = "P")]
    position: Option<PositionArg>,
    /// Keep these layers only, 20 or 12,16: the others are left out, or zero where a file must hold all
    #[arg(long, value_name = "L")]
    layers: Option<Layers>,
    /// The trait's name, kept in the file
    #[arg(long = "trait", value_name = "NAME")]
    trait_name: Option<String>,
    #[command(flatten)]
    reading: ReadingArgs,
}

/// Converts.
///
/// # Errors
/// As [`super::run`].
pub(super) fn run(args: &ConvertArgs, context: &Context<'_>) -> Result<Outcome> {
    let ConvertArgs { files, position, layers, trait_name, reading } = args;
    let (out, inputs) = files.split_last().expect("clap asks for two");
    let format = Format::of_ending(out)?;
    paths::writable("OUT", out)?;
    let told = reading.reading();
    let mut read_files = Vec::new();
    let mut notes = Vec::new();
    for path in inputs {
        let (file, warnings) = read(path, &told, context)?;
        let full = file.response_avg.layers() - file.response_avg.empty_layers().len() > 1;
        if told.layer.is_some() && full {
            let what = format!("{}: --layer is for a file of a single direction", path.display());
            return Err(Error::usage(what).hint("to keep one layer of many: --layers 20"));
        }
        notes.extend(warnings);
        read_files.push((path.as_path(), file));
    }
    let mut file = joined(read_files)?;
    if let Some(position) = position {
        file = only(file, (*position).into())?;
    }
    if let Some(layers) = layers.as_ref().map(|l| l.numbers(file.response_avg.layers())).transpose()?.flatten() {
        file = kept(file, &layers)?;
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

/// The files of one trait's token positions as one; a single file as it is.
fn joined(mut files: Vec<(&Path, VectorFile)>) -> Result<VectorFile> {
    if files.len() == 1 {
        return Ok(files.remove(0).1);
    }
    let mut at: [Option<(&Path, VectorFile)>; 3] = [None, None, None];
    for (path, file) in files {
        let said = file.metadata.get(key::TOKEN_POSITION);
        let place = Position::ALL.iter().position(|position| said.is_some_and(|said| said == position.key()));
        let place = place.ok_or_else(|| {
            Error::usage(format!("{}: its name tells no token position", path.display()))
                .hint("several files go together if they are named TRAIT_response_avg_diff.pt, TRAIT_prompt_avg_diff.pt and so on")
        })?;
        if let Some((other, _)) = &at[place] {
            let what = format!("{} and {} are of the same token position", other.display(), path.display());
            return Err(Error::usage(what));
        }
        at[place] = Some((path, file));
    }
    let traits: Vec<_> = at.iter().flatten().map(|(_, file)| file.metadata.get(key::TRAIT)).collect();
    if traits.windows(2).any(|pair| pair[0] != pair[1]) {
        return Err(Error::usage("the files are of several traits by their names"));
    }
    let [Some((_, response)), prompt_avg, prompt_last] = at else {
        return Err(Error::usage("none of the files is of `response_avg`, which a vector file must hold"));
    };
    let mut metadata = response.metadata;
    metadata.remove(key::TOKEN_POSITION);
    let of = |other: Option<(&Path, VectorFile)>| other.map(|(_, file)| file.response_avg);
    VectorFile::new(response.response_avg, of(prompt_avg), of(prompt_last), metadata)
}

/// One token position's vector. What a file of one vector holds is taken as the position that is named.
fn only(file: VectorFile, position: Position) -> Result<VectorFile> {
    let single = file.prompt_avg.is_none() && file.prompt_last.is_none();
    let vector = if single { Some(&file.response_avg) } else { file.at(position) };
    let vector = vector.ok_or_else(|| Error::usage(format!("the file holds no `{}`", position.key())))?;
    let mut metadata = file.metadata.clone();
    metadata.insert(key::TOKEN_POSITION.into(), position.key().into());
    VectorFile::new(vector.clone(), None, None, metadata)
}

/// The file with all rows zero but those of the given layers.
fn kept(file: VectorFile, layers: &[Layer]) -> Result<VectorFile> {
    let keep = |vector: PersonaVector| {
        let row = |(i, row): (usize, Vec<f32>)| if layers.contains(&Layer(i)) { row } else { vec![0.0; row.len()] };
        PersonaVector { rows: vector.rows.into_iter().enumerate().map(row).collect() }
    };
    let VectorFile { response_avg, prompt_avg, prompt_last, metadata, .. } = file;
    VectorFile::new(keep(response_avg), prompt_avg.map(keep), prompt_last.map(keep), metadata)
}

/// What the written file cannot say, and how it is used.
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
            note("left out, since a control vector cannot say them: row 0 (embedding) and layer 1 (block 0)");
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
