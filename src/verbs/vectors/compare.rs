//! `vectors compare`: cosines and norms of several vectors of one shape, layer by layer.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::super::choices::one_of;
use super::super::{Context, Outcome, paths};
use super::reading::{POSITIONS, ReadingArgs, place, read};
use crate::record::write_atomic;
use crate::report::plot::{Curve, HUES, Lines, Look, Mark, Panel};
use crate::report::{Cell, Figure, Plot, Table};
use crate::stats::Interval;
use crate::vector::formats::Reading;
use crate::vector::{Layer, PersonaVector, Position};
use crate::{Error, Result};

/// Compare vectors of several traits or models of one shape
///
/// Shows the cosine of each pair and each vector's norm: at every layer, or as a matrix at the one that `--layer` names.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  trimtab vectors compare evil.safetensors sycophantic.safetensors hallucinating_response_avg_diff.pt --layer 20"
)]
pub struct CompareArgs {
    /// The files, of any kind
    #[arg(value_name = "FILE", num_args = 2.., required = true)]
    files: Vec<PathBuf>,
    /// The token positions to compare
    #[arg(long, value_parser = one_of(POSITIONS), value_name = "P", value_delimiter = ',', default_value = "response_avg")]
    position: Vec<Position>,
    /// Draw the norms over the layers into this SVG file
    #[arg(long, value_name = "FILE.svg")]
    figure: Option<PathBuf>,
    #[command(flatten)]
    reading: ReadingArgs,
}

struct Named {
    name: String,
    vector: PersonaVector,
}

/// The vectors' norms over rows 0 (the embedding) to the last layer.
fn norms_figure(named: &[Named]) -> Figure {
    let curve = |(i, n): (usize, &Named)| {
        let points = norms(&n.vector).into_iter().enumerate().map(|(row, v)| (row as f64, Interval::point(v, 1, 1)));
        Curve::new(&n.name, &n.name, HUES[i % HUES.len()], Mark::nth(i), points.collect())
    };
    let title = "Norms of persona vectors";
    let curves: Vec<Curve> = named.iter().enumerate().map(curve).collect();
    let most = curves.iter().flat_map(|c| &c.points).map(|(_, i)| i.mean).fold(0.0, f64::max);
    let x = "row (0: embedding, L: output of block L - 1)".to_owned();
    let lines = Lines {
        x: "row".to_owned(),
        y: "norm".to_owned(),
        range: (0.0, if most > 0.0 { most } else { 1.0 }),
        level: String::new(),
        has_intervals: false,
        panels: vec![Panel { title: title.to_owned(), x, curves, levels: Vec::new() }],
    };
    Figure::new("norms", title, "", Plot::Lines(lines))
}

pub(super) fn run(args: &CompareArgs, context: &Context<'_>) -> Result<Outcome> {
    let CompareArgs { files, position, figure, reading } = args;
    figure.as_ref().map_or(Ok(()), |path| paths::writable("--figure", path))?;
    let _hold = figure.as_ref().map(|path| paths::hold("--figure", path)).transpose()?;
    let reading = reading.reading();
    let named = gather(files, position, &reading, context)?;
    let layers = named[0].vector.layers();
    let at = reading.layer.map(|layer| Layer::of(layer, layers)).transpose()?;
    let names: Vec<&str> = named.iter().map(|n| n.name.as_str()).collect();

    let matrix = at.map(|layer| matrix(&named, layer));
    let rows = profile_table(&named);
    let text = match (at, &matrix) {
        (Some(layer), Some(matrix)) => format!("cosines at {layer}\n\n{}", matrix.text()),
        _ => format!("cosines and norms\n\n{}", rows.text()),
    };
    if let Some(path) = figure {
        write_atomic(path, norms_figure(&named).svg(Look::Fixed).as_bytes())?;
        context.console.say(&format!("norms drawn: {}", path.display()));
    }
    let per_layer: Vec<_> = (1..=layers).map(|l| cosines(&named, Layer(l))).collect();
    let json = json!({
        "names": names,
        "layers": layers,
        "hidden": named[0].vector.hidden(),
        "layer": at.map(|l| l.row()),
        "cosines": at.map(|layer| cosines(&named, layer)),
        "cosines_per_layer": per_layer,
        "norms": named.iter().map(|n| norms(&n.vector)).collect::<Vec<_>>(),
        "figure": figure,
    });
    Ok(Outcome::new(text.trim_end(), json))
}

fn gather(files: &[PathBuf], positions: &[Position], reading: &Reading, context: &Context<'_>) -> Result<Vec<Named>> {
    let mut read_files = Vec::new();
    for path in files {
        read_files.push((path, read(path, reading, context)?.0));
    }
    // A control vector, or a single direction, does not tell how many blocks its model has.
    let blocks = read_files.iter().map(|(_, file)| file.response_avg.layers()).max().unwrap_or_default();
    let mut named: Vec<Named> = Vec::new();
    for (path, mut file) in read_files {
        if file.response_avg.layers() < blocks {
            let reading = Reading { blocks: Some(reading.blocks.unwrap_or(blocks)), ..*reading };
            file = crate::vector::VectorFile::read_as(path, &reading)?.0;
        }
        for &position in positions {
            let vector = file
                .at(position)
                .ok_or_else(|| Error::usage(format!("{}: it holds no `{}`", path.display(), position.key())))?;
            let name = if positions.len() > 1 { format!("{}:{}", stem(path), position.key()) } else { stem(path) };
            named.push(Named { name, vector: vector.clone() });
        }
    }
    let shape = |n: &Named| (n.vector.layers() + 1, n.vector.hidden());
    if let Some(other) = named.iter().find(|n| shape(n) != shape(&named[0])) {
        let what = format!("{} is {:?}, {} is {:?}", named[0].name, shape(&named[0]), other.name, shape(other));
        return Err(Error::usage(format!("vectors of models of different shapes: {what}")));
    }
    for i in 0..named.len() {
        // Two files of one name stay apart.
        if named[..i].iter().any(|n| n.name == named[i].name) {
            named[i].name += &format!(" ({})", i + 1);
        }
    }
    Ok(named)
}

fn stem(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    stem.strip_suffix("_response_avg_diff").unwrap_or(&stem).to_owned()
}

fn cosines(named: &[Named], layer: Layer) -> Vec<Vec<Option<f64>>> {
    named.iter().map(|a| named.iter().map(|b| a.vector.cosine(&b.vector, layer)).collect()).collect()
}

fn norms(vector: &PersonaVector) -> Vec<f64> {
    (0..=vector.layers()).map(|row| f64::from(vector.norm(Layer(row)))).collect()
}

fn matrix(named: &[Named], layer: Layer) -> Table {
    let names = named.iter().map(|n| n.name.as_str());
    let mut table = Table::new(std::iter::once("").chain(names).chain(["norm"]));
    for (row, cosines) in named.iter().zip(cosines(named, layer)) {
        let cells = cosines.into_iter().map(Cell::from).chain([f64::from(row.vector.norm(layer)).into()]);
        table.push(std::iter::once(Cell::from(row.name.as_str())).chain(cells).collect());
    }
    table
}

/// A row for each layer: the cosine of each pair, then each norm.
fn profile_table(named: &[Named]) -> Table {
    let pairs: Vec<(usize, usize)> = (0..named.len()).flat_map(|i| (i + 1..named.len()).map(move |j| (i, j))).collect();
    let pair_names = pairs.iter().map(|&(i, j)| format!("cos {} {}", named[i].name, named[j].name));
    let norm_names = named.iter().map(|n| format!("norm {}", n.name));
    let mut table = Table::new(std::iter::once(String::new()).chain(pair_names).chain(norm_names));
    for row in 0..=named[0].vector.layers() {
        let layer = Layer(row);
        let cosines = pairs.iter().map(|&(i, j)| named[i].vector.cosine(&named[j].vector, layer).into());
        let norms = named.iter().map(|n| f64::from(n.vector.norm(layer)).into());
        table.push(std::iter::once(Cell::from(place(row).as_str())).chain(cosines).chain(norms).collect());
    }
    table
}
